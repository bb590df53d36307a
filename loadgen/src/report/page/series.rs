//! From samples to lines: a bounded number of points, and what is drawn of each.

use super::plot::{Line, Point};
use crate::record::Sample;

/// Points of a line, and rows of the table of samples, at most: a day has 86,400 seconds.
pub(crate) const POINTS_MAX: usize = 600;

/// Samples, if need be several in one, with the seconds each covers.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) steps: Vec<Step>,
    /// Samples in a step, the last one perhaps less.
    pub(crate) merged: usize,
}

/// One or several samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) from_seconds: f64,
    pub(crate) sample: Sample,
}

impl Step {
    pub(crate) fn seconds(&self) -> f64 {
        (self.sample.at_seconds - self.from_seconds).max(1e-9)
    }

    /// So many in this step, as a rate.
    pub(crate) fn rate(&self, count: u64) -> f64 {
        count as f64 / self.seconds()
    }

    /// A stanza's share of some processor time, in µs; none when no stanza was settled.
    pub(crate) fn us_a_stanza(&self, cpu_seconds: f64) -> Option<f64> {
        let settled = self.sample.settled();
        (settled > 0).then(|| cpu_seconds * 1e6 / settled as f64)
    }
}

impl Series {
    pub(crate) fn of(samples: &[Sample]) -> Series {
        let merged = samples.len().div_ceil(POINTS_MAX).max(1);
        let mut from_seconds = 0.0;
        let steps = samples
            .chunks(merged)
            .map(|chunk| {
                let sample = chunk.iter().copied().reduce(merge).unwrap_or_default();
                let step = Step { from_seconds, sample };
                from_seconds = sample.at_seconds;
                step
            })
            .collect();
        Series { steps, merged }
    }

    /// A line in the middle of each step; where `value` is absent is a gap.
    pub(crate) fn line(
        &self,
        name: &str,
        style: usize,
        value: impl Fn(&Step) -> Option<f64>,
    ) -> Line {
        let points = self.steps.iter().map(|step| {
            let x = f64::midpoint(step.from_seconds, step.sample.at_seconds);
            Point { x, y: value(step) }
        });
        Line { name: name.to_owned(), points: points.collect(), style }
    }

    /// Whether any sample has this.
    pub(crate) fn has(&self, value: impl Fn(&Sample) -> bool) -> bool {
        self.steps.iter().any(|step| value(&step.sample))
    }
}

/// Counts are added up; of latencies and memory the highest counts, of sessions the last.
fn merge(one: Sample, next: Sample) -> Sample {
    let add = |one: Option<u64>, next: Option<u64>| Some(one?.saturating_add(next?));
    Sample {
        at_seconds: next.at_seconds,
        sent: one.sent.saturating_add(next.sent),
        delivered: one.delivered.saturating_add(next.delivered),
        bounced: one.bounced.saturating_add(next.bounced),
        p50_us: one.p50_us.max(next.p50_us),
        p99_us: one.p99_us.max(next.p99_us),
        server_cpu_seconds: one
            .server_cpu_seconds
            .zip(next.server_cpu_seconds)
            .map(|(one, next)| one + next),
        server_resident_bytes: one.server_resident_bytes.max(next.server_resident_bytes),
        own_cpu_seconds: one.own_cpu_seconds + next.own_cpu_seconds,
        sessions_open: next.sessions_open,
        handshakes_full: add(one.handshakes_full, next.handshakes_full),
        handshakes_resumed: add(one.handshakes_resumed, next.handshakes_resumed),
        bytes_out: add(one.bytes_out, next.bytes_out),
        bytes_in: add(one.bytes_in, next.bytes_in),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_day_is_drawn_with_few_points_and_no_stanza_is_forgotten() {
        let minute = sample::run().samples;
        let mut day = Vec::new();
        for number in 0..86_400u32 {
            let sample = minute[number as usize % minute.len()];
            day.push(Sample { at_seconds: f64::from(number + 1), ..sample });
        }
        let series = Series::of(&day);
        assert_eq!((series.merged, series.steps.len()), (144, POINTS_MAX));
        let total = |samples: &[Sample]| samples.iter().map(Sample::settled).sum::<u64>();
        let merged: Vec<_> = series.steps.iter().map(|step| step.sample).collect();
        assert_eq!(total(&merged), total(&day));
        assert!(series.steps.iter().all(|step| step.sample.p99_us == 2_480_000));
        assert!((series.steps[0].seconds() - 144.0).abs() < 1e-9);
    }

    #[test]
    fn a_second_without_stanzas_has_no_cost_a_stanza() {
        let series = Series::of(&sample::run().samples);
        let line =
            series.line("server", 0, |step| step.us_a_stanza(step.sample.server_cpu_seconds?));
        assert_eq!(line.points[19].y, None);
        // 19,837 delivered for 0.04 s.
        let cost = line.points[0].y.unwrap();
        assert!((cost - 0.04e6 / 19_837.0).abs() < 1e-9, "{cost}");
        assert_eq!(line.points[0].x, 0.5);
    }
}
