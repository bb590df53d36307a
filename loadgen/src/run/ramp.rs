//! What the server holds while sessions are opened: memory by sessions.

use std::time::{Duration, Instant};

use s2s_testkit::process::resident_bytes;

use crate::record::Held;

/// Readings that are kept; of more every second one goes, and the next ones are twice as far apart.
const READINGS_MAX: usize = 200;
/// Between two readings, at first.
const PAUSE: Duration = Duration::from_millis(100);

/// The readings of one opening.
#[derive(Debug)]
pub(crate) struct Ramp {
    pids: Vec<u32>,
    readings: Vec<Held>,
    pause: Duration,
    last: Option<Instant>,
}

impl Ramp {
    /// Of a server that is not watched there are none.
    pub(crate) fn new(pids: Vec<u32>) -> Ramp {
        Ramp { pids, readings: Vec::new(), pause: PAUSE, last: None }
    }

    /// Takes a reading if it is time for one.
    ///
    /// # Errors
    /// When a process of the server is not there.
    pub(crate) fn look(&mut self, sessions_open: u64) -> anyhow::Result<()> {
        if self.pids.is_empty() || self.last.is_some_and(|last| last.elapsed() < self.pause) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        self.add(Held { sessions_open, server_resident_bytes: resident_bytes(&self.pids)? });
        Ok(())
    }

    fn add(&mut self, reading: Held) {
        self.readings.push(reading);
        if self.readings.len() > READINGS_MAX {
            let mut number = 0;
            self.readings.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.pause = self.pause.saturating_mul(2);
        }
    }

    /// All that were kept, the oldest first.
    pub(crate) fn readings(self) -> Vec<Held> {
        self.readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_opening_keeps_its_beginning_and_its_end() {
        let mut ramp = Ramp::new(Vec::new());
        for sessions_open in 0..=10_000 {
            ramp.add(Held { sessions_open, server_resident_bytes: 1 });
        }
        assert!(ramp.pause > PAUSE);
        let readings = ramp.readings();
        assert!((READINGS_MAX / 2..=READINGS_MAX).contains(&readings.len()), "{}", readings.len());
        assert_eq!(readings[0].sessions_open, 0);
        assert_eq!(readings.last().unwrap().sessions_open, 10_000);
        assert!(readings.is_sorted_by_key(|reading| reading.sessions_open));
    }

    #[test]
    fn readings_are_apart_and_need_a_server() {
        let mut ramp = Ramp::new(vec![std::process::id()]);
        ramp.look(1).unwrap();
        ramp.look(2).unwrap();
        let readings = ramp.readings();
        assert_eq!((readings.len(), readings[0].sessions_open), (1, 1));
        assert!(readings[0].server_resident_bytes > 1 << 20);
        let mut nobody = Ramp::new(Vec::new());
        nobody.look(1).unwrap();
        assert!(nobody.readings().is_empty());
    }
}
