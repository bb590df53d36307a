//! What a player says to whoever conducts it: in memory when both are one process, as lines of JSON when they are not.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::record::{Event, Missing};

/// Longest latency that is told apart, as in the books: ten minutes.
const LATENCY_US_MAX: u64 = 600_000_000;

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Said {
    /// Where it is before the clock starts.
    Before(Progress),
    /// Everybody it knows has been spoken to; it waits for the word to go.
    Ready(Opening),
    /// A second of the run.
    Part(Part),
    /// What came of it; its streams are still open.
    Done(Box<Played>),
    /// What went wrong after it was done, while its streams were still open.
    Late(Wrong),
    /// They are closed; nothing follows.
    Closed,
    /// Why nothing came of it; nothing follows.
    Failed(String),
}

/// How far the greeting or the warm-up is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) phase: Phase,
    pub(crate) settled: u64,
    pub(crate) all: u64,
    pub(crate) sessions_open: u64,
}

/// What happens before the clock starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    Greeting,
    WarmUp,
}

/// The greeting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) seconds: f64,
    /// Opened in it, and open at its end.
    pub(crate) sessions: u64,
    pub(crate) open: u64,
}

/// One second of one process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) at_seconds: f64,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) bounced: u64,
    pub(crate) under_way: u64,
    /// Duplicated, out of order, corrupted or invented since the start.
    pub(crate) wrong: u64,
    /// Of the deliveries in it.
    pub(crate) latency_us: Buckets,
    pub(crate) own_cpu_seconds: f64,
    pub(crate) own_resident_bytes: u64,
    pub(crate) sessions_open: u64,
    pub(crate) handshakes_full: u64,
    pub(crate) handshakes_resumed: u64,
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
}

/// What one process found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Played {
    /// Of the timed part.
    pub(crate) seconds: f64,
    pub(crate) stanza_bytes: f64,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) bounced: u64,
    pub(crate) conditions: BTreeMap<String, u64>,
    pub(crate) latency_us: Buckets,
    pub(crate) behind_us_max: u64,
    /// From the first stanza of the greeting on: no fault is forgiven because it came early.
    pub(crate) duplicated: u64,
    pub(crate) out_of_order: u64,
    pub(crate) corrupted: u64,
    pub(crate) never_sent: u64,
    /// By kind of peer, in the scenario's order.
    pub(crate) kinds: Vec<KindBooks>,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) missing: Vec<Missing>,
    pub(crate) opening: Opening,
    pub(crate) sessions_opened: u64,
    pub(crate) sessions_open: u64,
    pub(crate) handshakes_full: u64,
    pub(crate) handshakes_resumed: u64,
    pub(crate) own_cpu_seconds: f64,
    pub(crate) own_resident_bytes_max: u64,
    /// How long it was ready to run and got no processor; absent where the kernel does not say.
    pub(crate) own_waited_seconds: Option<f64>,
    pub(crate) events: Vec<Event>,
}

/// Stanzas that nobody sent, or not so, or not so often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wrong {
    pub(crate) duplicated: u64,
    pub(crate) out_of_order: u64,
    pub(crate) corrupted: u64,
    pub(crate) never_sent: u64,
}

impl Played {
    /// Adds what went wrong afterwards.
    pub(crate) fn add_late(&mut self, late: Wrong) {
        self.duplicated += late.duplicated;
        self.out_of_order += late.out_of_order;
        self.corrupted += late.corrupted;
        self.never_sent += late.never_sent;
    }
}

/// What was not delivered to or from one kind of peer, from the first stanza of the greeting on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KindBooks {
    pub(crate) bounced: BTreeMap<String, u64>,
    pub(crate) lost: u64,
    pub(crate) skipped: u64,
}

/// A histogram in microseconds: values with how often they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Buckets(Vec<(u64, u64)>);

impl Buckets {
    pub(crate) fn of(histogram: &Histogram<u64>) -> Buckets {
        let recorded = histogram.iter_recorded();
        Buckets(recorded.map(|at| (at.value_iterated_to(), at.count_at_value())).collect())
    }

    /// Adds them to a histogram.
    pub(crate) fn add_to(&self, histogram: &mut Histogram<u64>) {
        for (value, count) in &self.0 {
            histogram.saturating_record_n(*value, *count);
        }
    }
}

/// An empty histogram of the books' range and precision.
pub(crate) fn histogram() -> Histogram<u64> {
    let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
    // The bounds are constants in range (low >= 1, high >= 2 * low, digits <= 5).
    histogram.unwrap_or_else(|error| unreachable!("{error:?}"))
}

impl Said {
    /// Nothing follows it.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, Said::Closed | Said::Failed(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_histograms_are_the_histogram_of_all() {
        let (mut one, mut other, mut all) = (histogram(), histogram(), histogram());
        for us in 1..=20_000u64 {
            let half = if us % 3 == 0 { &mut one } else { &mut other };
            half.record(us * 7).unwrap();
            all.record(us * 7).unwrap();
        }
        let mut merged = histogram();
        for half in [&one, &other] {
            let line = serde_json::to_string(&Buckets::of(half)).unwrap();
            serde_json::from_str::<Buckets>(&line).unwrap().add_to(&mut merged);
        }
        assert_eq!(merged, all);
        assert_eq!(merged.len(), 20_000);
    }

    #[test]
    fn every_message_is_a_line_that_reads_back() {
        let progress = Progress { phase: Phase::WarmUp, settled: 3, all: 4, sessions_open: 5 };
        let kinds = vec![KindBooks { lost: 1, ..KindBooks::default() }];
        for said in [
            Said::Before(progress),
            Said::Ready(Opening { seconds: 0.25, sessions: 7, open: 6 }),
            Said::Part(Part { latency_us: Buckets(vec![(9, 2)]), ..Part::default() }),
            Said::Done(Box::new(Played { kinds, ..Played::default() })),
            Said::Late(Wrong { duplicated: 1, ..Wrong::default() }),
            Said::Closed,
            Said::Failed("no session\nat all".to_owned()),
        ] {
            let line = serde_json::to_string(&said).unwrap();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(serde_json::from_str::<Said>(&line).unwrap(), said);
        }
    }
}
