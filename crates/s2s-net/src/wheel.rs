//! A coarse timer wheel: one per shard, one deadline per link, no allocation per arming once warm.
//!
//! Entries are never removed: a link keeps its own deadline and ignores a firing that comes too
//! early. So arming costs a push, and disarming nothing. A deadline is met at most
//! [`TICK_MS`] late (plus what the shard is busy).

use s2s_proto::Millis;

/// How often the shard advances the wheel.
pub(crate) const TICK_MS: u64 = 50;

const SLOTS: u64 = 1024;

/// What fires; the owner checks whether it is still meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<K> {
    pub(crate) key: K,
    pub(crate) deadline: Millis,
}

/// See the module documentation.
pub(crate) struct Wheel<K> {
    slots: Vec<Vec<Entry<K>>>,
    /// The tick up to which everything has fired.
    tick: u64,
}

impl<K: Copy> Wheel<K> {
    pub(crate) fn new(now: Millis) -> Wheel<K> {
        Wheel { slots: (0..SLOTS).map(|_| Vec::new()).collect(), tick: now.0 / TICK_MS }
    }

    /// Arms `key` for `deadline`. Deadlines beyond the horizon go round again when they fire.
    pub(crate) fn arm(&mut self, key: K, deadline: Millis) {
        let due = (deadline.0.div_ceil(TICK_MS)).max(self.tick + 1).min(self.tick + SLOTS - 1);
        if let Some(slot) = self.slots.get_mut((due % SLOTS) as usize) {
            slot.push(Entry { key, deadline });
        }
    }

    /// Moves everything due by `now` into `fired`.
    pub(crate) fn advance(&mut self, now: Millis, fired: &mut Vec<Entry<K>>) {
        let target = now.0 / TICK_MS;
        // After a long stall one round visits every slot.
        let first = self.tick.max(target.saturating_sub(SLOTS)) + 1;
        for tick in first..=target {
            self.tick = tick;
            let Some(slot) = self.slots.get_mut((tick % SLOTS) as usize) else { continue };
            let mut due = std::mem::take(slot);
            for entry in due.drain(..) {
                if entry.deadline.0 <= now.0 {
                    fired.push(entry);
                } else {
                    self.arm(entry.key, entry.deadline);
                }
            }
            // Give the allocation back unless re-arming used the same slot.
            if let Some(slot) = self.slots.get_mut((tick % SLOTS) as usize)
                && slot.is_empty()
            {
                *slot = due;
            }
        }
        self.tick = self.tick.max(target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(wheel: &mut Wheel<u32>, now: u64) -> Vec<u32> {
        let mut out = Vec::new();
        wheel.advance(Millis(now), &mut out);
        out.into_iter().map(|entry| entry.key).collect()
    }

    #[test]
    fn a_deadline_fires_once_and_never_early() {
        let mut wheel = Wheel::new(Millis(0));
        wheel.arm(1, Millis(120));
        assert!(fired(&mut wheel, 119).is_empty());
        assert_eq!(fired(&mut wheel, 150), [1]);
        assert!(fired(&mut wheel, 10_000).is_empty());
    }

    #[test]
    fn a_deadline_beyond_the_horizon_goes_round() {
        let mut wheel = Wheel::new(Millis(0));
        let far = 3 * SLOTS * TICK_MS + 70;
        wheel.arm(7, Millis(far));
        let mut now = 0;
        while now < far {
            assert!(fired(&mut wheel, now).is_empty(), "at {now}");
            now += TICK_MS;
        }
        assert_eq!(fired(&mut wheel, far + TICK_MS), [7]);
    }

    #[test]
    fn a_stalled_shard_fires_everything_due_at_once() {
        let mut wheel = Wheel::new(Millis(0));
        for key in 0..100 {
            wheel.arm(key, Millis(u64::from(key) * 600));
        }
        let mut keys = fired(&mut wheel, 10 * SLOTS * TICK_MS);
        keys.sort_unstable();
        assert_eq!(keys, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_deadline_in_the_past_fires_at_the_next_tick() {
        let mut wheel = Wheel::new(Millis(1_000));
        wheel.arm(3, Millis(10));
        assert_eq!(fired(&mut wheel, 1_000 + TICK_MS), [3]);
    }
}
