//! The text of a scrape.

use prometheus_client::encoding::text;
use s2s_net::ShardReport;
use s2s_route::ShardId;

use super::*;

fn report(shard: u16, stanzas: u64) -> ShardReport {
    let mut handshake_us = Histogram::new(2).unwrap();
    handshake_us.auto(true);
    handshake_us.record(700).unwrap();
    let mut net = NetCounters { stanzas_from_remotes: stanzas, ..NetCounters::default() };
    net.bytes_read = 1_000;
    let gauges = Gauges { links: 3, pairs_in: [0, 0, 1, 2], ..Gauges::default() };
    ShardReport {
        shard: ShardId(shard),
        net,
        gauges,
        route: Snapshot::default(),
        negotiation_us: Histogram::new_from(&handshake_us),
        handshake_us,
    }
}

fn scrape(board: Board) -> String {
    let registry = registry(Arc::new(Mutex::new(board)), None);
    let mut text = String::new();
    text::encode(&mut text, &registry).unwrap();
    text
}

#[test]
fn shards_add_up() {
    let mut board = Board::new(2);
    board.report(&report(0, 5));
    board.report(&report(1, 7));
    // Totals, not deltas: a second report replaces the first; histograms are deltas and add up.
    board.report(&report(1, 10));
    board.certificates = vec![("capulet.example".into(), i64::MAX / 2)];
    let text = scrape(board);
    for line in [
        "# HELP peerage_stanzas_from_remotes Stanzas admitted from remote servers",
        "# TYPE peerage_stanzas_from_remotes counter",
        "peerage_stanzas_from_remotes_total 15",
        "peerage_read_bytes_total 2000",
        "peerage_links 6",
        "peerage_pairs{direction=\"in\",rung=\"trusted\"} 4",
        "peerage_pairs{direction=\"out\",rung=\"promiscuous\"} 0",
        "peerage_slots{state=\"cooling_down\"} 0",
        "peerage_tls_handshake_duration_seconds_count 3",
        "peerage_tls_handshake_duration_seconds_bucket{le=\"0.0005\"} 0",
        "peerage_tls_handshake_duration_seconds_bucket{le=\"0.001\"} 3",
        "peerage_tls_handshake_duration_seconds_bucket{le=\"+Inf\"} 3",
        "peerage_config_generation 1",
        "peerage_config_last_reload_successful 1",
        "peerage_dns_lookups_total{result=\"found\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    for start in [
        "peerage_certificate_expiry_seconds{domain=\"capulet.example\"} ",
        "peerage_build_info{version=\"",
        "peerage_process_cpu_seconds_total ",
        "peerage_process_resident_memory_bytes ",
        "peerage_process_open_fds ",
        "peerage_log_lines_dropped_total 0",
    ] {
        assert!(text.lines().any(|found| found.starts_with(start)), "{start}\n{text}");
    }
}

#[test]
fn every_name_has_the_prefix_and_help() {
    let mut board = Board::new(1);
    board.report(&report(0, 1));
    let text = scrape(board);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("peerage_"), "{line}");
    }
    let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("# TYPE "), count("# HELP "));
}
