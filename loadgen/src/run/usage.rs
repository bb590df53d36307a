//! What processes use, and a look at the server's each second.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use s2s_testkit::process::{of_ticks, processor_time, resident_bytes};

/// Of some processes: processor time since their beginning, memory now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) resident_bytes: u64,
}

impl Usage {
    /// # Errors
    /// When one of them is not there.
    pub(crate) fn of(pids: &[u32]) -> anyhow::Result<Usage> {
        Ok(Usage { cpu: processor_time(pids)?, resident_bytes: resident_bytes(pids)? })
    }
}

/// Watches the processes of the server under test over a run.
#[derive(Debug)]
pub(crate) struct Watch {
    pids: Vec<u32>,
    began: Instant,
    /// The first at its beginning, then one each second; empty when nothing is watched.
    readings: Vec<(Duration, Usage)>,
    /// What all processors of the machine together had done at the first look, and at the last.
    machine: Option<(Duration, Duration)>,
}

impl Watch {
    /// Right before the run. Without processes nothing is watched.
    ///
    /// # Errors
    /// When a process of the server is not there.
    pub(crate) fn start(pids: &[u32]) -> anyhow::Result<Watch> {
        let began = Instant::now();
        let mut watch = Watch { pids: pids.to_vec(), began, readings: Vec::new(), machine: None };
        watch.look()?;
        Ok(watch)
    }

    /// To be called each second and at the end.
    ///
    /// # Errors
    /// When a process of the server has ended.
    pub(crate) fn look(&mut self) -> anyhow::Result<()> {
        if !self.pids.is_empty() {
            let usage = Usage::of(&self.pids)
                .context("the server under test (--pid) is not running, or ended during the run")?;
            self.readings.push((self.began.elapsed(), usage));
            if let Some(now) = machine_time() {
                self.machine = Some((self.machine.map_or(now, |(first, _)| first), now));
            }
        }
        Ok(())
    }

    /// One that saw this.
    #[cfg(test)]
    pub(crate) fn that_saw(readings: Vec<(Duration, Usage)>, machine: Duration) -> Watch {
        let machine = Some((Duration::ZERO, machine));
        Watch { pids: Vec::new(), began: Instant::now(), readings, machine }
    }

    /// The readings with the time of each since the beginning.
    pub(crate) fn readings(&self) -> &[(Duration, Usage)] {
        &self.readings
    }

    /// Processor time of everything on the machine between the first look and the last.
    pub(crate) fn machine(&self) -> Option<Duration> {
        self.machine.map(|(first, last)| last.saturating_sub(first))
    }

    /// The last second's share of a core and memory.
    pub(crate) fn latest(&self) -> Option<(f64, u64)> {
        let [.., (before_at, before), (at, now)] = self.readings.as_slice() else { return None };
        let seconds = (*at - *before_at).as_secs_f64().max(1e-9);
        Some((now.cpu.saturating_sub(before.cpu).as_secs_f64() / seconds, now.resident_bytes))
    }
}

/// What all processors together have done since they were started.
fn machine_time() -> Option<Duration> {
    busy(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// proc_stat(5): user, nice, system, irq, softirq and steal of the first line, in ticks; the others are idle, or counted already.
fn busy(stat: &str) -> Option<Duration> {
    let all = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = all.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = fields[..] else {
        return None;
    };
    Some(of_ticks(user + nice + system + irq + softirq + steal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_watched_has_a_reading_at_each_look() {
        let mut watch = Watch::start(&[std::process::id()]).unwrap();
        watch.look().unwrap();
        assert_eq!(watch.readings().len(), 2);
        assert!(watch.latest().unwrap().1 > 1 << 20);
        let mut nobody = Watch::start(&[]).unwrap();
        nobody.look().unwrap();
        assert!(nobody.readings().is_empty() && nobody.latest().is_none());
    }

    #[test]
    fn a_machine_is_busy_with_all_but_waiting() {
        let line = "cpu  100 20 3 70000 8000 40 500 6 1000 0\ncpu0 9 9 9 9 9 9 9 9\n";
        assert_eq!(busy(line), Some(Duration::from_millis(6_690)));
        assert_eq!(busy("intr 1 2 3"), None);
        assert!(machine_time().is_some_and(|busy| busy > Duration::ZERO));
    }

    #[test]
    fn a_server_that_is_not_there_is_an_error() {
        // No process has the highest number.
        assert!(Watch::start(&[i32::MAX.unsigned_abs()]).is_err());
    }
}
