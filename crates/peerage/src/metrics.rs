//! `/metrics`: the board as Prometheus text (OpenMetrics 1.0).
//!
//! Every name starts with `peerage_`. Counters end in `_total`; sizes are bytes and times seconds.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use s2s_net::{Gauges, NetCounters};
use s2s_route::{Counters, Snapshot};
use s2s_trust::Rung;
use tracing_appender::non_blocking::ErrorCounter;

use crate::board::Board;
use crate::config::Surroundings;
use crate::process::Usage;

/// Upper bounds of the histograms' buckets, seconds: from a resumed handshake on loopback to the longest timeout.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// A counter: name, what it counts, where it is.
struct Counted<T>(&'static str, &'static str, fn(&T) -> u64);

/// A state of outbound slots, and how many are in it.
struct InState(&'static str, fn(&Snapshot) -> usize);

/// The pairs of one direction, by rung.
struct Pairs(&'static str, fn(&Gauges) -> &[u64; 4]);

const NET: &[Counted<NetCounters>] = &[
    Counted("stanzas_from_remotes", "Stanzas admitted from remote servers", |c| {
        c.stanzas_from_remotes
    }),
    Counted("stanzas_from_components", "Stanzas admitted from components", |c| {
        c.stanzas_from_components
    }),
    Counted("read_bytes", "Bytes read from sockets", |c| c.bytes_read),
    Counted("written_bytes", "Bytes written to sockets", |c| c.bytes_written),
    Counted("accepted_links", "Connections accepted from remote servers", |c| c.accepted),
    Counted("accepted_components", "Connections accepted from components", |c| {
        c.accepted_components
    }),
    Counted("steered_links", "Connections handed to the shard that owns the remote domain", |c| {
        c.steered
    }),
    Counted("connected_links", "Connections opened to remote servers", |c| c.connected),
    Counted("connect_failures", "Connection attempts that failed", |c| c.connect_failures),
    Counted("tls_handshakes", "TLS handshakes finished, resumed ones included", |c| {
        c.tls_handshakes
    }),
    Counted("tls_resumptions", "TLS handshakes that resumed an earlier connection", |c| {
        c.tls_resumed
    }),
    Counted("tls_failures", "TLS handshakes that failed", |c| c.tls_failures),
    Counted("pairs_proved", "Domain pairs verified (inbound) or authorised (outbound)", |c| {
        c.pairs_proved
    }),
    Counted("bidirectional_links", "Connections that both sides use in both directions", |c| {
        c.bidirectional
    }),
    Counted("pairs_refused", "Inbound domain pairs refused", |c| c.pairs_refused),
    Counted("unsolicited", "Dialback answers that nobody had asked for, dropped", |c| {
        c.unsolicited
    }),
    Counted("stream_errors_sent", "Streams ended with an error of ours", |c| c.stream_errors_sent),
    Counted("stream_errors_received", "Streams ended with an error of the peer", |c| {
        c.stream_errors_received
    }),
    Counted("chains_judged", "Certificate chains judged, those remembered not counted", |c| {
        c.chains_judged
    }),
    Counted("closed_idle_links", "Links closed after the idle timeout", |c| c.closed_idle),
    Counted("closed_for_room_links", "Links closed to make room: idle ones, and strangers", |c| {
        c.closed_for_room
    }),
    Counted(
        "refused_for_room_links",
        "Connections refused because limits.links was reached",
        |c| c.refused_for_room,
    ),
    Counted(
        "closed_by_reload_links",
        "Links closed because a reload does not allow them any more",
        |c| c.closed_by_review,
    ),
    Counted("closed_stalled_links", "Links closed because the peer did not read", |c| {
        c.closed_stalled
    }),
    Counted("link_panics", "Link tasks that panicked; each one is a bug", |c| c.panics),
];

const ROUTE: &[Counted<Counters>] = &[
    Counted(
        "routed",
        "Stanzas and bounces given to a shard's router, again on each shard they cross",
        |c| c.routed,
    ),
    Counted("returned", "Stanzas that came back unsent from a link that closed", |c| c.returned),
    Counted("sent", "Stanzas and bounces handed to a link", |c| c.sent),
    Counted("forwarded", "Stanzas and bounces handed to another shard", |c| c.forwarded),
    Counted("bounced", "Stanzas answered with an error", |c| c.bounced),
    Counted(
        "dropped",
        "Stanzas that could be neither delivered nor bounced (errors, results, bounces)",
        Counters::dropped,
    ),
    Counted("verifications_asked", "Dialback keys to be verified", |c| c.tickets_asked),
    Counted("verifications_answered", "Dialback keys answered", |c| c.tickets_answered),
    Counted("verifications_over_bound", "Dialback keys refused at a bound", |c| {
        c.tickets_over_bound
    }),
    Counted("verifications_cached", "Dialback keys refused from the cache", |c| {
        c.tickets_from_cache
    }),
    Counted(
        "borrowed",
        "Times a pair began to use a connection that the remote server had opened",
        |c| c.borrowed,
    ),
    Counted("too_big", "Stanzas larger than the remote server takes; bounced", |c| c.too_big),
    Counted("resolves", "Remote domains looked up", |c| c.resolves),
    Counted("discoveries_cached", "Look-ups answered by a shard's own cache", |c| {
        c.discoveries_from_cache
    }),
    Counted("connects", "Outbound connections asked for", |c| c.connects),
    Counted("established", "Outbound connections that reached a usable pair", |c| c.established),
    Counted("gave_up", "Outbound connections given up; their queue bounced", |c| c.gave_up),
    Counted("slots_evicted", "Idle outbound slots forgotten to make room", |c| c.slots_evicted),
    Counted(
        "backend_links_evicted",
        "Connections to a backend closed because limits.backend_links was reached",
        |c| c.lanes_evicted,
    ),
];

const SLOTS: &[InState] = &[
    InState("idle", |s| s.slots_idle),
    InState("resolving", |s| s.slots_resolving),
    InState("connecting", |s| s.slots_connecting),
    InState("verifying", |s| s.slots_verifying),
    InState("established", |s| s.slots_established),
    InState("closing", |s| s.slots_closing),
    InState("cooling_down", |s| s.slots_cooling_down),
];

/// A registry that reads the board at each scrape.
#[must_use]
pub fn registry(board: Arc<Mutex<Board>>, log_dropped: Option<ErrorCounter>) -> Registry {
    let mut registry = Registry::with_prefix("peerage");
    registry.register_collector(Box::new(Scrape { board, log_dropped }));
    registry
}

struct Scrape {
    board: Arc<Mutex<Board>>,
    log_dropped: Option<ErrorCounter>,
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let out = &mut encoder;
        traffic(out, &board)?;
        levels(out, &board)?;
        let handshake = "TLS handshakes, from the first to the last flight";
        histogram(out, "tls_handshake_duration", handshake, &board.handshake_us)?;
        let negotiation = "Negotiations, from the connection to the first proved pair";
        histogram(out, "negotiation_duration", negotiation, &board.negotiation_us)?;
        control(out, &board)?;
        let dropped = self.log_dropped.as_ref().map_or(0, ErrorCounter::dropped_lines);
        counter(
            out,
            "log_lines_dropped",
            "Log lines that nobody read fast enough",
            dropped as u64,
        )?;
        process(out, &board)
    }
}

fn traffic(out: &mut DescriptorEncoder<'_>, board: &Board) -> fmt::Result {
    for Counted(name, help, read) in NET {
        counter(out, name, help, board.shards().map(|(_, shard)| read(&shard.net)).sum())?;
    }
    for Counted(name, help, read) in ROUTE {
        let sum = board.shards().map(|(_, shard)| read(&shard.route.counters)).sum();
        counter(out, &format!("route_{name}"), help, sum)?;
    }
    Ok(())
}

fn levels(out: &mut DescriptorEncoder<'_>, board: &Board) -> fmt::Result {
    let sum = |read: fn(&Gauges) -> u64| board.shards().map(|(_, shard)| read(&shard.gauges)).sum();
    gauge(out, "links", "Connections with remote servers", sum(|gauges| gauges.links))?;
    gauge(out, "components", "Attached components", sum(|gauges| gauges.components))?;

    let help = "Live domain pairs by direction and rung";
    let mut family = out.encode_descriptor("pairs", help, None, MetricType::Gauge)?;
    let directions = [Pairs("in", |g| &g.pairs_in), Pairs("out", |g| &g.pairs_out)];
    for Pairs(direction, read) in directions {
        for (index, rung) in Rung::ALL.iter().enumerate() {
            let pairs: u64 = board.shards().map(|(_, shard)| read(&shard.gauges)[index]).sum();
            let labels = [("direction", direction), ("rung", rung.as_str())];
            ConstGauge::new(level(pairs)).encode(family.encode_family(&labels)?)?;
        }
    }

    let help = "Outbound slots by state";
    let mut family = out.encode_descriptor("slots", help, None, MetricType::Gauge)?;
    for InState(state, read) in SLOTS {
        let slots: usize = board.shards().map(|(_, shard)| read(&shard.route)).sum();
        ConstGauge::new(level(slots as u64)).encode(family.encode_family(&[("state", *state)])?)?;
    }
    let queued = board.shards().map(|(_, shard)| shard.route.queued as u64).sum();
    gauge(out, "queued_stanzas", "Stanzas that wait for a connection", queued)?;
    let bytes: u64 = board.shards().map(|(_, shard)| shard.route.queued_bytes as u64).sum();
    let help = "Bytes that wait for a connection";
    let family = out.encode_descriptor("queued", help, Some(&Unit::Bytes), MetricType::Gauge)?;
    ConstGauge::new(level(bytes)).encode(family)?;
    let tickets = board.shards().map(|(_, shard)| shard.route.tickets as u64).sum();
    gauge(out, "verifications_pending", "Dialback keys under verification", tickets)
}

fn control(out: &mut DescriptorEncoder<'_>, board: &Board) -> fmt::Result {
    let help = "Look-ups of remote domains by result";
    let mut family = out.encode_descriptor("dns_lookups", help, None, MetricType::Counter)?;
    let dns = board.dns;
    for (result, count) in [
        ("found", dns.found),
        ("no_such_domain", dns.no_such_domain),
        ("temporary_failure", dns.temporary),
    ] {
        ConstCounter::new(count).encode(family.encode_family(&[("result", result)])?)?;
    }
    gauge(out, "dns_lookups_pending", "Look-ups under way or waiting", dns.pending)?;
    let help = "Requests of shards that the control thread had no room for";
    counter(out, "control_requests_refused", help, board.control_refused)?;

    let help = "Counts the configurations that were put into force; 1 after the start";
    gauge(out, "config_generation", help, board.generation)?;
    let help = "1 when the last reload worked, 0 when it was refused and the old settings stay";
    gauge(out, "config_last_reload_successful", help, u64::from(board.last_reload_ok))?;
    let help = "When the configuration in force was read, Unix time";
    seconds(out, "config_loaded_timestamp", help, board.loaded_at as f64)?;
    gauge(out, "draining", "1 while the router drains", u64::from(board.draining))?;

    let help = "Time until the certificate of a hosted domain expires; negative afterwards";
    let now = Surroundings::here().now;
    let unit = Some(&Unit::Seconds);
    let mut family = out.encode_descriptor("certificate_expiry", help, unit, MetricType::Gauge)?;
    for (domain, not_after) in &board.certificates {
        let labels = [("domain", domain.as_str())];
        ConstGauge::new(not_after - now).encode(family.encode_family(&labels)?)?;
    }
    if let Some(not_after) = board.backend_ca {
        let help = "Time until the internal CA, which backends trust, expires; negative afterwards";
        seconds(out, "backend_ca_expiry", help, (not_after - now) as f64)?;
    }
    Ok(())
}

fn process(out: &mut DescriptorEncoder<'_>, board: &Board) -> fmt::Result {
    let help = "What runs; always 1";
    let mut family = out.encode_descriptor("build", help, None, MetricType::Info)?;
    family.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;

    seconds(out, "uptime", "Time since the start", board.uptime().as_secs_f64())?;
    let Some(usage) = Usage::now() else { return Ok(()) };
    let help = "CPU time of the process, user and system";
    let unit = Some(&Unit::Seconds);
    let family = out.encode_descriptor("process_cpu", help, unit, MetricType::Counter)?;
    ConstCounter::new(usage.cpu_secs).encode(family)?;
    let help = "Resident memory of the process";
    let unit = Some(&Unit::Bytes);
    let family = out.encode_descriptor("process_resident_memory", help, unit, MetricType::Gauge)?;
    ConstGauge::new(level(usage.resident_bytes)).encode(family)?;
    gauge(out, "process_open_fds", "Open file descriptors", usage.descriptors)?;
    let limit = crate::descriptors::limit();
    gauge(out, "process_max_fds", "Limit of open file descriptors", limit)
}

fn counter(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let family = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(value).encode(family)
}

fn gauge(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let family = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(level(value)).encode(family)
}

fn seconds(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let family = out.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
    ConstGauge::new(value).encode(family)
}

/// Cumulative buckets in seconds of a histogram in microseconds.
fn histogram(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: &Histogram<u64>,
) -> fmt::Result {
    let unit = Some(&Unit::Seconds);
    let mut family = out.encode_descriptor(name, help, unit, MetricType::Histogram)?;
    let mut below = 0;
    let mut buckets = Vec::with_capacity(BUCKETS.len() + 1);
    for bound in BUCKETS {
        let upto = values.count_between(0, (bound * 1e6) as u64);
        buckets.push((bound, upto - below));
        below = upto;
    }
    buckets.push((f64::INFINITY, values.len() - below));
    let sum = values.mean() * values.len() as f64 / 1e6;
    family.encode_histogram::<NoLabelSet>(sum, values.len(), &buckets, None)
}

/// Gauges are signed; none of ours gets near the end.
fn level(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
