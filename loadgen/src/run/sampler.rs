//! A look at a federation each second: how many stanzas, how fast, and what the generator used meanwhile.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use s2s_testkit::federation::{Counts, Federation, Tally};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{MissedTickBehavior, interval_at};

use super::said::{Buckets, Part, Said};
use super::usage::Usage;
use crate::record::rounded;

const SECOND: Duration = Duration::from_secs(1);

/// Takes samples of a run from its beginning on.
pub(crate) struct Sampler<'a> {
    federation: &'a Federation,
    first: Reading,
    last: Reading,
    own_bytes_max: u64,
}

/// What the generator used over a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spent {
    pub(crate) cpu: Duration,
    pub(crate) resident_bytes_max: u64,
    /// How long it was ready and got no processor; absent where the kernel does not say.
    pub(crate) waited: Option<Duration>,
}

/// Everything a sample is the difference of, at one moment.
#[derive(Clone)]
struct Reading {
    at: Instant,
    tally: Tally,
    /// Since the beginning of the run; absent before it.
    latencies_us: Option<Histogram<u64>>,
    sessions_open: u64,
    counts: Counts,
    own: Usage,
    waited: Option<Duration>,
}

/// Time that this thread was ready to run and did not.
fn waited() -> Option<Duration> {
    run_delay(&std::fs::read_to_string("/proc/thread-self/schedstat").ok()?)
}

/// Documentation/scheduler/sched-stats.rst of Linux: the second field is the time spent waiting on a run queue, in nanoseconds.
fn run_delay(schedstat: &str) -> Option<Duration> {
    schedstat.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

impl Reading {
    fn take(federation: &Federation) -> anyhow::Result<Reading> {
        Ok(Reading {
            at: Instant::now(),
            tally: federation.tally(),
            latencies_us: Some(federation.latencies_us()),
            sessions_open: federation.census().all_open(),
            counts: federation.counts(),
            own: Usage::of(&[std::process::id()])?,
            waited: waited(),
        })
    }

    /// Latencies that came after an earlier reading.
    fn latencies_since(&self, earlier: &Reading) -> Buckets {
        let Some(mut latencies) = self.latencies_us.clone() else { return Buckets::default() };
        if let Some(known) = &earlier.latencies_us {
            // A run only adds to its latencies, so this holds; were it not so, all of them are the better answer.
            let _ = latencies.subtract(known);
        }
        Buckets::of(&latencies)
    }
}

impl<'a> Sampler<'a> {
    /// Right before the run.
    ///
    /// # Errors
    /// When the operating system does not say what this process uses.
    pub(crate) fn start(federation: &'a Federation) -> anyhow::Result<Sampler<'a>> {
        // The run forgets the latencies of the warm-up when it begins.
        let first = Reading { latencies_us: None, ..Reading::take(federation)? };
        let own_bytes_max = first.own.resident_bytes;
        Ok(Sampler { federation, last: first.clone(), first, own_bytes_max })
    }

    /// Says each second what happened in it, until it is dropped.
    ///
    /// # Errors
    /// When the operating system does not say what this process uses.
    pub(crate) async fn run(&mut self, said: &UnboundedSender<Said>) -> anyhow::Result<Infallible> {
        let mut seconds = interval_at(tokio::time::Instant::now() + SECOND, SECOND);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            self.sample(said)?;
        }
    }

    /// Right after the run: the rest of its last second, and what was used in all.
    ///
    /// # Errors
    /// When the operating system does not say what this process uses.
    pub(crate) fn finish(mut self, said: &UnboundedSender<Said>) -> anyhow::Result<Spent> {
        self.sample(said)?;
        let Sampler { first, last, own_bytes_max, .. } = self;
        Ok(Spent {
            cpu: last.own.cpu.saturating_sub(first.own.cpu),
            resident_bytes_max: own_bytes_max,
            waited: last.waited.zip(first.waited).map(|(now, then)| now.saturating_sub(then)),
        })
    }

    fn sample(&mut self, said: &UnboundedSender<Said>) -> anyhow::Result<()> {
        let now = Reading::take(self.federation)?;
        // Nobody listens any more when the run is given up.
        let _ = said.send(Said::Part(difference(&self.first, &self.last, &now)));
        self.own_bytes_max = self.own_bytes_max.max(now.own.resident_bytes);
        self.last = now;
        Ok(())
    }
}

/// What happened between two readings of a run that began with `first`.
fn difference(first: &Reading, earlier: &Reading, now: &Reading) -> Part {
    let tally = now.tally - earlier.tally;
    let wrong =
        now.tally.duplicated + now.tally.out_of_order + now.tally.corrupted + now.tally.never_sent;
    let handshakes = |counts: &Counts| {
        let (inbound, outbound) = (counts.inbound, counts.outbound);
        (inbound.full + outbound.full, inbound.resumed + outbound.resumed)
    };
    let ((full, resumed), (full_before, resumed_before)) =
        (handshakes(&now.counts), handshakes(&earlier.counts));
    Part {
        at_seconds: rounded((now.at - first.at).as_secs_f64(), 3),
        sent: tally.sent,
        delivered: tally.delivered,
        bounced: tally.bounced,
        under_way: now.tally.outstanding(),
        wrong,
        latency_us: now.latencies_since(earlier),
        own_cpu_seconds: rounded(now.own.cpu.saturating_sub(earlier.own.cpu).as_secs_f64(), 3),
        own_resident_bytes: now.own.resident_bytes,
        sessions_open: now.sessions_open,
        handshakes_full: full - full_before,
        handshakes_resumed: resumed - resumed_before,
        bytes_out: now.counts.bytes_out - earlier.counts.bytes_out,
        bytes_in: now.counts.bytes_in - earlier.counts.bytes_in,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::said::histogram;

    fn reading(began: Instant, ms: u64, delivered: u64, latencies_us: &[u64]) -> Reading {
        let mut latencies = histogram();
        latencies_us.iter().for_each(|us| latencies.record(*us).unwrap());
        Reading {
            at: began + Duration::from_millis(ms),
            tally: Tally { sent: delivered + 5, delivered, duplicated: 1, ..Tally::default() },
            latencies_us: (ms > 0).then_some(latencies),
            sessions_open: 10,
            counts: Counts { bytes_in: ms * 10, ..Counts::default() },
            own: Usage { cpu: Duration::from_millis(ms / 4), resident_bytes: 1 << 19 },
            waited: None,
        }
    }

    fn quantile(part: &Part, quantile: f64) -> u64 {
        let mut latencies = histogram();
        part.latency_us.add_to(&mut latencies);
        latencies.value_at_quantile(quantile)
    }

    #[test]
    fn a_sample_has_the_latencies_and_the_bytes_of_its_own_second() {
        let began = Instant::now();
        let first = reading(began, 0, 0, &[]);
        let one = reading(began, 1_000, 3, &[100, 100, 100]);
        let two = reading(began, 2_000, 7, &[100, 100, 100, 900, 900, 900, 900]);
        let part = difference(&first, &first, &one);
        assert_eq!((part.delivered, part.under_way, part.wrong), (3, 5, 1));
        assert_eq!((quantile(&part, 0.5), quantile(&part, 0.99)), (100, 100));
        let part = difference(&first, &one, &two);
        assert_eq!((part.delivered, quantile(&part, 0.01), quantile(&part, 0.99)), (4, 900, 900));
        assert_eq!((part.at_seconds, part.own_cpu_seconds, part.bytes_in), (2.0, 0.25, 10_000));
        // Nothing came in the third.
        let part = difference(&first, &two, &Reading { at: began + 3 * SECOND, ..two.clone() });
        assert_eq!((part.delivered, part.latency_us), (0, Buckets::default()));
    }

    #[test]
    fn the_time_in_the_run_queue_is_the_second_field() {
        assert_eq!(run_delay("81000000 3325434 17\n"), Some(Duration::from_nanos(3_325_434)));
        assert_eq!(run_delay(""), None);
    }
}
