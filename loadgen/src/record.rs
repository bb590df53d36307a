//! What a run found out, in the form that is kept: every report is drawn from it, and from nothing else.
//!
//! [`Run`] is one run against one server, [`Comparison`] the same work against several. Both are JSON on disk (`--json`); the text, the page
//! and the comparison's table are made of what was read back, so that a page can be drawn again years later.
//!
//! Durations are seconds, latencies microseconds, memory bytes, each said in the field's name.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Of this form; a reader refuses another.
pub(crate) const FORM: u32 = 1;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub(crate) form: u32,
    /// Name of the scenario, and its text as it was run, with what the command line changed.
    pub(crate) scenario: String,
    pub(crate) scenario_toml: String,
    /// What was done, in a line: who sends to whom, how many at once.
    pub(crate) work: String,
    /// Open loop: stanzas a second that were due. Absent when stanzas were sent as fast as earlier ones arrived (closed loop).
    pub(crate) offered_per_second: Option<f64>,
    pub(crate) seed: u64,
    /// UTC, RFC 3339.
    pub(crate) date: String,
    pub(crate) setting: Setting,
    /// Of the server under test; empty when nothing is known of it.
    pub(crate) server: Server,
    /// Bytes of a stanza in the mean.
    pub(crate) stanza_bytes: f64,
    pub(crate) seconds: f64,
    pub(crate) stanzas: Stanzas,
    /// Bounces by condition (RFC 6120 §8.3.3).
    pub(crate) conditions: BTreeMap<String, u64>,
    /// Streams that failed, by role and reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Where stanzas are missing, a few of the flows.
    pub(crate) missing: Vec<Missing>,
    pub(crate) latency_us: Latency,
    pub(crate) sessions: Sessions,
    /// Of all processes of the server; absent when it was not watched.
    pub(crate) server_cost: Option<Cost>,
    pub(crate) own_cost: Cost,
    /// What else the machine did meanwhile, in cores: other processes, interrupts, what a hypervisor took. Absent where the server was not
    /// watched.
    #[serde(default)]
    pub(crate) others_cores: Option<f64>,
    /// Why the figures are limited by the generator, in words; empty when they are not.
    pub(crate) bottleneck: Vec<String>,
    /// What happened besides, and when: a scenario's events, as they took place.
    pub(crate) events: Vec<Event>,
    /// Memory of the server while sessions were opened, before the clock.
    #[serde(default)]
    pub(crate) opening: Vec<Held>,
    /// One for each second.
    pub(crate) samples: Vec<Sample>,
    /// What was not delivered, by kind of peer.
    #[serde(default)]
    pub(crate) kinds: Vec<Kind>,
    /// What the scenario allows of what was lost, skipped and bounced.
    #[serde(default)]
    pub(crate) allowed: Allowed,
    /// What else is wrong, in words: bounces that the scenario does not allow, processes that ended.
    #[serde(default)]
    pub(crate) faults: Vec<String>,
}

/// What was not delivered to or from one kind of peer, the greeting and the warm-up included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kind {
    pub(crate) name: String,
    pub(crate) domains: u32,
    pub(crate) bounced: BTreeMap<String, u64>,
    pub(crate) lost: u64,
    pub(crate) skipped: u64,
}

/// Stanzas that met what the scenario lets happen to their kind of peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allowed {
    pub(crate) lost: u64,
    pub(crate) skipped: u64,
    pub(crate) bounced: u64,
}

/// Where it ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setting {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    pub(crate) loadgen: String,
}

/// The server under test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// What became of the stanzas. `sent`, `delivered` and `bounced` are those of the timed part; the others count from the first stanza of the
/// greeting on. The run is faulty when one of these is above what is allowed, or `sent` is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stanzas {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) bounced: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) out_of_order: u64,
    pub(crate) corrupted: u64,
    pub(crate) never_sent: u64,
    /// Due, but their link was gone.
    pub(crate) skipped: u64,
}

/// A flow that misses stanzas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Missing {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) stanzas: u64,
}

/// From the intended time to the arrival; all 0 and no curve when nothing was delivered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p99_9: u64,
    pub(crate) p99_99: u64,
    pub(crate) max: u64,
    /// (quantile, latency) from 0 to 1, dense at the end: what the curve is drawn of.
    pub(crate) curve: Vec<(f64, u64)>,
    /// Longest time a stanza was written after it was due: what the generator itself added.
    pub(crate) sender_behind_max: u64,
}

/// Streams and handshakes of the run, both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sessions {
    /// Pairs that were allowed to send, over the run; and at its end.
    pub(crate) opened: u64,
    pub(crate) open: u64,
    /// Of those opened, in the greeting.
    pub(crate) before_clock: u64,
    /// Seconds from the first attempt to the last success of the opening phase.
    pub(crate) opening_seconds: f64,
    /// TLS handshakes; absent when they were not counted.
    pub(crate) handshakes_full: Option<u64>,
    pub(crate) handshakes_resumed: Option<u64>,
    /// What sessions cost the server, where it was measured: processor time for each new one, memory for each that is idle.
    pub(crate) server_cpu_us_each: Option<f64>,
    pub(crate) server_bytes_each: Option<f64>,
}

/// What the server held at so many sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Held {
    pub(crate) sessions_open: u64,
    pub(crate) server_resident_bytes: u64,
}

/// Processor time and memory of one side over the timed part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cost {
    pub(crate) cpu_seconds: f64,
    pub(crate) cpu_us_a_stanza: f64,
    /// Of one core; may be above 1.
    pub(crate) share_of_core: f64,
    pub(crate) resident_bytes_max: u64,
}

/// Something that happened during a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) at_seconds: f64,
    pub(crate) what: String,
}

/// One second of a run: what happened since the sample before. Absent is what was not watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sample {
    /// Its end, from the beginning of the run.
    pub(crate) at_seconds: f64,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) bounced: u64,
    /// Of the stanzas that were delivered in it; 0 without any.
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) server_cpu_seconds: Option<f64>,
    pub(crate) server_resident_bytes: Option<u64>,
    pub(crate) own_cpu_seconds: f64,
    pub(crate) sessions_open: u64,
    pub(crate) handshakes_full: Option<u64>,
    pub(crate) handshakes_resumed: Option<u64>,
    pub(crate) bytes_out: Option<u64>,
    pub(crate) bytes_in: Option<u64>,
}

/// The same work against several servers, several times, interleaved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Comparison {
    pub(crate) form: u32,
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) setting: Setting,
    pub(crate) rounds: u32,
    /// Names of the servers as they were asked for: ratios refer to the first.
    #[serde(default)]
    pub(crate) servers: Vec<String>,
    /// Name of the one among the servers that is no XMPP server but moves the same bytes: what a server can be held against.
    pub(crate) bound: Option<String>,
    /// What each server did, in the order of the runs.
    pub(crate) trials: Vec<Trial>,
    /// Runs that could not be made.
    pub(crate) failed: Vec<Failed>,
}

/// A run that could not be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failed {
    pub(crate) round: u32,
    pub(crate) server: String,
    pub(crate) part: String,
    pub(crate) reason: String,
}

/// One measurement of one server in one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trial {
    pub(crate) round: u32,
    pub(crate) server: Server,
    /// The row: `sessions`, `in`, `out`, `echo`, `sparse-500`, `rate`, or the name of a scenario; for the bound also `dense`, `sparse-10`.
    pub(crate) part: String,
    /// What else the machine did meanwhile, in cores; near 0 is a good measurement.
    pub(crate) others_cores: f64,
    /// The command line that does the same again.
    pub(crate) command: String,
    pub(crate) run: Run,
}

/// Parts of a nine (0 to 90 %, 90 to 99 % and so on) in a latency curve.
const CURVE_STEPS: u32 = 10;
/// Nines in a latency curve.
const CURVE_NINES: u32 = 6;

impl Latency {
    /// Of a run's histogram in microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>, sender_behind_max: u64) -> Latency {
        if histogram.is_empty() {
            return Latency { sender_behind_max, ..Latency::default() };
        }
        let max = histogram.max();
        let at = |quantile| histogram.value_at_quantile(quantile).min(max);
        // Beyond 1 - 1/count there is only the slowest.
        let finest = 1.0 - 1.0 / histogram.len() as f64;
        let steps = (0..=CURVE_STEPS * CURVE_NINES)
            .map(|step| 1.0 - 10f64.powf(-f64::from(step) / f64::from(CURVE_STEPS)))
            .take_while(|&quantile| quantile <= finest);
        let mut curve: Vec<_> =
            steps.map(|quantile| (rounded(quantile, 8), at(quantile))).collect();
        curve.push((1.0, max));
        Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max,
            curve,
            sender_behind_max,
        }
    }
}

/// With so many digits after the point: nobody measures more, and JSON reads back what was written.
pub(crate) fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_curve_rises_from_the_fastest_to_the_slowest() {
        let mut histogram = Histogram::new_with_bounds(1, 600_000_000, 3).unwrap();
        for us in (1..=100_000u64).chain([5_000_000]) {
            histogram.record(us).unwrap();
        }
        let latency = Latency::of(&histogram, 7);
        let curve = &latency.curve;
        assert!(curve.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1), "{curve:?}");
        assert_eq!((curve[0], curve.last().unwrap().0), ((0.0, 1), 1.0));
        assert_eq!(curve.last().unwrap().1, latency.max);
        // 3 digits of precision.
        for (measured, exact) in
            [(latency.p50, 50_000.0), (latency.p99, 99_000.0), (latency.max, 5e6)]
        {
            assert!((measured as f64 / exact - 1.0).abs() < 0.002, "{measured} for {exact}");
        }
    }

    #[test]
    fn nothing_delivered_has_no_latency() {
        let histogram = Histogram::new_with_bounds(1, 600_000_000, 3).unwrap();
        let expected = Latency { sender_behind_max: 7, ..Latency::default() };
        assert_eq!(Latency::of(&histogram, 7), expected);
    }
}
