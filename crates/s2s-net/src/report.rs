//! What a shard counts and reports once a second. Counters are totals since the process started,
//! gauges are levels, histograms hold what happened since the report before.

use hdrhistogram::Histogram;
use s2s_route::{ShardId, Snapshot};
use s2s_trust::Rung;

/// Inbound or outbound, seen from this router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Remote to hosted.
    In,
    /// Hosted to remote.
    Out,
}

/// Totals of one shard since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetCounters {
    /// Stanzas admitted from remote servers.
    pub stanzas_from_remotes: u64,
    /// Stanzas admitted from components.
    pub stanzas_from_components: u64,
    /// Stanzas admitted from backends.
    pub stanzas_from_backends: u64,
    /// Bytes read from sockets.
    pub bytes_read: u64,
    /// Bytes written to sockets.
    pub bytes_written: u64,
    /// Connections accepted from remote servers.
    pub accepted: u64,
    /// Connections accepted from components.
    pub accepted_components: u64,
    /// Connections accepted from backends.
    pub accepted_backends: u64,
    /// Connections to the backends' listener refused because no backend is known at their address.
    pub refused_backends: u64,
    /// Connections handed to the shard that owns the remote domain.
    pub steered: u64,
    /// Connections opened to remote servers and to backends.
    pub connected: u64,
    /// Connection attempts that failed.
    pub connect_failures: u64,
    /// TLS handshakes finished, resumed ones included.
    pub tls_handshakes: u64,
    /// Of these, resumed.
    pub tls_resumed: u64,
    /// TLS handshakes that failed.
    pub tls_failures: u64,
    /// Pairs that were verified (inbound) or authorised (outbound).
    pub pairs_proved: u64,
    /// Streams that both sides agreed to use in both directions (XEP-0288).
    pub bidirectional: u64,
    /// Inbound pairs refused.
    pub pairs_refused: u64,
    /// Dialback answers nobody had asked for (XEP-0220 §4.1), dropped.
    pub unsolicited: u64,
    /// Streams ended with an error of ours.
    pub stream_errors_sent: u64,
    /// Streams ended with an error of the peer.
    pub stream_errors_received: u64,
    /// Certificate chains judged; verdicts that were remembered do not count.
    pub chains_judged: u64,
    /// Links closed because they were idle for long.
    pub closed_idle: u64,
    /// Links closed to make room: idle ones, least recently used first, and strangers, oldest first.
    pub closed_for_room: u64,
    /// Connections refused because no link could be closed to make room.
    pub refused_for_room: u64,
    /// Links closed because new settings would not have let them begin.
    pub closed_by_review: u64,
    /// Links closed because their peer did not read.
    pub closed_stalled: u64,
    /// Tasks and steps that panicked; each one is a bug.
    pub panics: u64,
}

/// Levels of one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Links with remote servers and backends that accepted them or that we accepted.
    pub links: u64,
    /// Attached components.
    pub components: u64,
    /// Live pairs on links with backends, in both directions.
    pub backend_pairs: u64,
    /// Live inbound pairs by rung, `Rung::ALL` order.
    pub pairs_in: [u64; 4],
    /// Live outbound pairs by rung, `Rung::ALL` order.
    pub pairs_out: [u64; 4],
}

impl Gauges {
    /// The gauge of one direction and rung.
    pub fn pairs_mut(&mut self, direction: Direction, rung: Rung) -> &mut u64 {
        let place = match rung {
            Rung::Promiscuous => 0,
            Rung::Verified => 1,
            Rung::Secure => 2,
            Rung::Trusted => 3,
        };
        match direction {
            Direction::In => &mut self.pairs_in[place],
            Direction::Out => &mut self.pairs_out[place],
        }
    }
}

/// One shard's report.
#[derive(Clone, Debug)]
pub struct ShardReport {
    /// The shard.
    pub shard: ShardId,
    /// What the data plane counted.
    pub net: NetCounters,
    /// Levels now.
    pub gauges: Gauges,
    /// What the router counted, and its levels.
    pub route: Snapshot,
    /// TLS handshakes finished since the last report, from the first to the last flight, µs.
    pub handshake_us: Histogram<u64>,
    /// Negotiations finished since the last report, from the connection to the first pair, µs.
    pub negotiation_us: Histogram<u64>,
}

/// Up to two minutes with two significant digits: about 4 KiB.
pub(crate) fn duration_histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new(2).unwrap_or_else(|_| unreachable!("2 digits are allowed"));
    histogram.auto(true);
    histogram
}
