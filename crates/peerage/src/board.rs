//! What the control thread knows about the process: the last report of every shard, and its own events.
//!
//! Written by the control loop, read by the admin port.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use s2s_net::{Gauges, NetCounters, ShardReport};
use s2s_route::{ShardId, Snapshot};

/// A shard that has not reported for this long is stuck.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The figures.
#[derive(Debug)]
pub struct Board {
    started: Instant,
    shards: BTreeMap<u16, ShardEntry>,
    shards_expected: u16,
    /// The process drains.
    pub draining: bool,
    /// TLS handshakes since the start, µs.
    pub handshake_us: Histogram<u64>,
    /// Negotiations since the start, µs.
    pub negotiation_us: Histogram<u64>,
    /// Counts successful reloads; 1 after the start.
    pub generation: u64,
    /// Whether the last reload worked.
    pub last_reload_ok: bool,
    /// Unix seconds of the last configuration that is in force.
    pub loaded_at: i64,
    /// Hosted domains with the end of their certificate's validity, Unix seconds.
    pub certificates: Vec<(String, i64)>,
    /// End of the internal CA's validity, Unix seconds; none when no domain has a backend.
    pub backend_ca: Option<i64>,
    /// Look-ups.
    pub dns: DnsCounters,
    /// Requests of shards that the control queue had no room for.
    pub control_refused: u64,
}

/// What the look-ups came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DnsCounters {
    /// With an answer.
    pub found: u64,
    /// The domain does not exist.
    pub no_such_domain: u64,
    /// SERVFAIL, timeouts, and look-ups that found the waiting room full.
    pub temporary: u64,
    /// Under way or waiting now.
    pub pending: u64,
}

/// The last report of one shard.
#[derive(Clone, Debug)]
pub struct ShardEntry {
    /// What the data plane counted.
    pub net: NetCounters,
    /// Its levels.
    pub gauges: Gauges,
    /// What the router counted, and its levels.
    pub route: Snapshot,
    seen: Instant,
    stopped: bool,
}

impl Board {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(shards_expected: u16) -> Self {
        Board {
            started: Instant::now(),
            shards: BTreeMap::new(),
            shards_expected,
            draining: false,
            handshake_us: durations(),
            negotiation_us: durations(),
            generation: 1,
            last_reload_ok: true,
            loaded_at: 0,
            certificates: Vec::new(),
            backend_ca: None,
            dns: DnsCounters::default(),
            control_refused: 0,
        }
    }

    /// Takes a shard's report.
    pub fn report(&mut self, report: &ShardReport) {
        // Two histograms that size themselves always add up.
        let _ = self.handshake_us.add(&report.handshake_us);
        let _ = self.negotiation_us.add(&report.negotiation_us);
        let entry = ShardEntry {
            net: report.net,
            gauges: report.gauges,
            route: report.route,
            seen: Instant::now(),
            stopped: false,
        };
        self.shards.insert(report.shard.0, entry);
    }

    /// The shard has ended as it should.
    pub fn stopped(&mut self, shard: ShardId) {
        if let Some(entry) = self.shards.get_mut(&shard.0) {
            entry.stopped = true;
        }
    }

    /// Every shard that has reported.
    pub fn shards(&self) -> impl Iterator<Item = (u16, &ShardEntry)> {
        self.shards.iter().map(|(shard, entry)| (*shard, entry))
    }

    /// How long the process runs.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Shards that should have reported and did not.
    #[must_use]
    pub fn silent(&self) -> Vec<u16> {
        let silent = |shard: &u16| match self.shards.get(shard) {
            Some(entry) => !entry.stopped && entry.seen.elapsed() > SILENCE_MAX,
            None => self.uptime() > SILENCE_MAX,
        };
        (0..self.shards_expected).filter(silent).collect()
    }

    /// Takes traffic: every shard has reported and nobody drains.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.draining
            && self.shards.len() == usize::from(self.shards_expected)
            && self.silent().is_empty()
    }
}

/// Grows with its values; two significant digits.
fn durations() -> Histogram<u64> {
    let mut histogram =
        Histogram::new(2).unwrap_or_else(|_| unreachable!("two digits are allowed"));
    histogram.auto(true);
    histogram
}
