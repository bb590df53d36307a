//! The federation's own count of sessions, to be held against the router's.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::plan::Rung;

/// Reasons of failures kept apart; further ones are counted as `other`.
const REASONS_MAX: usize = 32;

/// Seen from the router under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// A remote sends to the router.
    Inbound,
    /// The router sends to a remote.
    Outbound,
}

/// Sessions of domain pairs on streams, by direction and rung.
#[derive(Clone, Debug, Default)]
pub struct Census {
    open: BTreeMap<(Direction, Rung), u64>,
    opened: BTreeMap<(Direction, Rung), u64>,
    failures: BTreeMap<String, u64>,
}

impl Census {
    /// Pairs that may send now.
    pub fn open(&self, direction: Direction, rung: Rung) -> u64 {
        self.open.get(&(direction, rung)).copied().unwrap_or_default()
    }

    /// Pairs that were ever allowed to send.
    pub fn opened(&self, direction: Direction, rung: Rung) -> u64 {
        self.opened.get(&(direction, rung)).copied().unwrap_or_default()
    }

    /// Pairs that may send now, in both directions on any rung.
    pub fn all_open(&self) -> u64 {
        self.open.values().sum()
    }

    /// Pairs that were ever allowed to send, in both directions on any rung.
    pub fn all_opened(&self) -> u64 {
        self.opened.values().sum()
    }

    /// Streams that failed, by role and reason.
    pub fn failures(&self) -> &BTreeMap<String, u64> {
        &self.failures
    }

    pub(crate) fn begin(&mut self, direction: Direction, rung: Rung) {
        *self.open.entry((direction, rung)).or_default() += 1;
        *self.opened.entry((direction, rung)).or_default() += 1;
    }

    pub(crate) fn end(&mut self, direction: Direction, rung: Rung) {
        if let Some(open) = self.open.get_mut(&(direction, rung)) {
            *open = open.saturating_sub(1);
        }
    }

    pub(crate) fn fail(&mut self, role: &str, failure: &Failure) {
        let reason = format!("{role}: {failure}");
        let known = self.failures.len() < REASONS_MAX || self.failures.contains_key(&reason);
        *self.failures.entry(if known { reason } else { "other".to_owned() }).or_default() += 1;
    }
}
