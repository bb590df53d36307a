//! The figures of a run that two processes played, each worked out by hand.

use super::*;
use crate::run::conduct::Books;
use crate::run::said::Buckets;
use crate::scenario;

const SCENARIO: &str = "about = \"a test\"\nprocesses = 2\n[peers]\ndomains = 4\n[[peer]]\nname = \"one\"\n[[peer]]\nname = \"other\"\n\
    [traffic]\nrate = 200\nseconds = 2\n";

fn buckets(latencies_us: &[u64]) -> Buckets {
    let mut histogram = histogram();
    latencies_us.iter().for_each(|us| histogram.record(*us).unwrap());
    Buckets::of(&histogram)
}

fn part(at_seconds: f64, delivered: u64, us: u64) -> Part {
    let latency_us = buckets(&vec![us; delivered as usize]);
    let own_cpu_seconds = 0.25;
    Part {
        at_seconds,
        sent: delivered,
        delivered,
        latency_us,
        own_cpu_seconds,
        sessions_open: 3,
        ..Part::default()
    }
}

fn kinds(lost: u64) -> Vec<KindBooks> {
    let one = KindBooks { lost, skipped: 2, ..KindBooks::default() };
    let bounced = BTreeMap::from([("gone".to_owned(), 5)]);
    vec![one, KindBooks { bounced, ..KindBooks::default() }]
}

fn usage(cpu_ms: u64, resident_bytes: u64) -> Usage {
    Usage { cpu: Duration::from_millis(cpu_ms), resident_bytes }
}

/// The first is done after two seconds; the second a little later, and nearly always busy.
fn conducted() -> Conducted {
    let one = Played {
        seconds: 2.0,
        sent: 100,
        delivered: 100,
        latency_us: buckets(&[100; 100]),
        kinds: kinds(1),
        own_cpu_seconds: 0.5,
        own_waited_seconds: Some(0.1),
        own_resident_bytes_max: 10,
        behind_us_max: 9,
        ..Played::default()
    };
    let other = Played {
        seconds: 2.5,
        sent: 300,
        delivered: 295,
        bounced: 5,
        latency_us: buckets(&[900; 295]),
        kinds: kinds(3),
        duplicated: 7,
        out_of_order: 8,
        corrupted: 9,
        never_sent: 10,
        own_cpu_seconds: 2.0,
        own_waited_seconds: Some(0.4),
        own_resident_bytes_max: 20,
        behind_us_max: 70,
        ..Played::default()
    };
    let players = vec![
        Books { parts: vec![part(1.0, 60, 100), part(2.0, 40, 100)], played: Some(one) },
        Books {
            parts: vec![part(1.0, 100, 900), part(2.0, 100, 900), part(2.4, 95, 900)],
            played: Some(other),
        },
    ];
    let second = Duration::from_secs(1);
    let readings = vec![
        (Duration::ZERO, usage(1000, 50)),
        (second, usage(1400, 90)),
        (2 * second, usage(1900, 70)),
        (5 * second / 2, usage(2000, 60)),
    ];
    Conducted {
        players,
        opened: Some(Opened {
            sessions: 200,
            open: 100,
            before: usage(500, 1000),
            after: usage(900, 6000),
        }),
        opening: Vec::new(),
        watch: Watch::that_saw(readings, Duration::from_millis(4750)),
        events: Vec::new(),
        reasons: vec!["the server is gone".to_owned()],
    }
}

fn run() -> Run {
    let scenario = scenario::read("test", SCENARIO).unwrap();
    let [name, toml, date] = ["test", "", ""].map(str::to_owned);
    record(
        Subject { name, toml, scenario: &scenario, server: Server::default(), date },
        conducted(),
    )
}

#[test]
fn stanzas_and_faults_are_those_of_all_processes() {
    let run = run();
    let expected = Stanzas {
        sent: 400,
        delivered: 395,
        bounced: 5,
        lost: 4,
        duplicated: 7,
        out_of_order: 8,
        corrupted: 9,
        never_sent: 10,
        skipped: 4,
    };
    assert_eq!(run.stanzas, expected);
    assert_eq!(run.kinds[0].lost, 4);
    assert_eq!(
        run.faults,
        ["10 bounced with gone, which other peers should not meet", "the server is gone"]
    );
}

#[test]
fn percentiles_are_those_of_all_deliveries_and_not_means_of_percentiles() {
    let latency = run().latency_us;
    // 100 of 395 at 100 us, a quarter; the others at 900.
    let at = |quantile: f64| latency.curve.iter().rfind(|(at, _)| *at <= quantile).unwrap().1;
    assert_eq!((at(0.21), at(0.37), latency.p50, latency.max), (100, 900, 900, 900));
    assert_eq!(latency.sender_behind_max, 70);
}

#[test]
fn a_stanza_costs_the_server_what_it_used_from_the_first_look_to_the_last() {
    let run = run();
    assert_eq!((run.seconds, run.per_second()), (2.5, 160.0));
    let cost = run.server_cost.unwrap();
    assert_eq!((cost.cpu_seconds, cost.cpu_us_a_stanza), (1.0, 2500.0));
    assert_eq!((cost.share_of_core, cost.resident_bytes_max), (0.4, 90));
    let own = run.own_cost;
    assert_eq!((own.cpu_seconds, own.share_of_core, own.resident_bytes_max), (2.5, 1.0, 30));
    // Of 4.75 s, the server used 1.0 and the generator 2.5, in two and a half seconds.
    assert_eq!(run.others_cores, Some(0.5));
    let sessions = run.sessions;
    assert_eq!(
        (sessions.server_cpu_us_each, sessions.server_bytes_each),
        (Some(2000.0), Some(50.0))
    );
}

#[test]
fn one_process_at_its_limit_is_enough_to_say_so() {
    assert_eq!(
        run().bottleneck,
        [
            "loadgen was the bottleneck: the thread of a process was busy 80 % of the time and idle 4 %",
            "loadgen waited 16 % of the time for a processor: other processes of its own, or other work on the machine, are in these figures"
        ]
    );
}

#[test]
fn samples_add_up_to_the_run_and_a_short_rest_belongs_to_the_last() {
    let samples = run().samples;
    let ends: Vec<_> = samples.iter().map(|sample| sample.at_seconds).collect();
    assert_eq!(ends, [1.0, 2.4]);
    assert_eq!(samples.iter().map(|sample| sample.delivered).sum::<u64>(), 395);
    assert_eq!((samples[0].p50_us, samples[1].p50_us), (900, 900));
    let cpu: Vec<_> = samples.iter().filter_map(|sample| sample.server_cpu_seconds).collect();
    assert_eq!(cpu, [0.4, 0.6]);
    assert_eq!((samples[1].own_cpu_seconds, samples[1].sessions_open), (0.75, 6));
}
