//! Criterion's settings: short runs, so that all benchmarks together take a few minutes, and time that others do not take part in.

use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput};
use rustix::time::{ClockId, clock_gettime};

use s2s_testkit::corpus::Corpus;

/// Criterion as all benchmarks use it: 0.4 s of warm-up, 20 samples in 1.2 s. The command line overrides it.
pub fn criterion() -> Criterion<ThreadTime> {
    Criterion::default()
        .with_measurement(ThreadTime)
        .warm_up_time(Duration::from_millis(400))
        .measurement_time(Duration::from_millis(1_200))
        .sample_size(20)
        .configure_from_args()
}

/// One iteration handles the whole corpus: criterion shows stanzas and bytes per second.
pub fn rate(corpus: &Corpus) -> Throughput {
    Throughput::ElementsAndBytes { elements: corpus.frames() as u64, bytes: corpus.len() as u64 }
}

/// CPU time of the thread, user and system. Everything measured here is work of one thread that never waits; by the clock on the
/// wall it would also be charged for whatever else runs on the machine.
#[derive(Clone, Copy, Debug)]
pub struct ThreadTime;

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        thread_time()
    }

    fn end(&self, start: Duration) -> Duration {
        thread_time().saturating_sub(start)
    }

    fn add(&self, first: &Duration, second: &Duration) -> Duration {
        *first + *second
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// CPU time that this thread has used so far.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}
