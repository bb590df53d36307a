//! When the entries of a table want to be looked at.

use std::collections::BTreeSet;

use s2s_proto::Millis;

/// At most one moment for each place of a table; the earliest is found at once.
#[derive(Debug, Default)]
pub(crate) struct Wakes(BTreeSet<(Millis, usize)>);

impl Wakes {
    /// The entry at `at` wants to be looked at then, and no longer at the moment it `has`, which is brought up to date.
    pub(crate) fn set(&mut self, at: usize, has: &mut Option<Millis>, wake: Option<Millis>) {
        if wake == *has {
            return;
        }
        if let Some(old) = has.take() {
            self.0.remove(&(old, at));
        }
        if let Some(new) = wake {
            self.0.insert((new, at));
        }
        *has = wake;
    }

    pub(crate) fn next(&self) -> Option<Millis> {
        self.0.first().map(|(wake, _)| *wake)
    }

    /// An entry whose moment has come.
    pub(crate) fn due(&self, now: Millis) -> Option<usize> {
        self.0.first().filter(|(wake, _)| *wake <= now).map(|(_, at)| *at)
    }
}
