//! Records for tests: made by code, the same every time, with figures of plausible size.

use std::collections::BTreeMap;

use crate::record::{
    Allowed, Comparison, Cost, Event, FORM, Held, Kind, Latency, Missing, Run, Sample, Server,
    Sessions, Setting, Stanzas, Trial, rounded,
};

const SECONDS: u64 = 30;

/// An open-loop run of half a minute with two events, a stall and bounces.
pub(crate) fn run() -> Run {
    let samples: Vec<_> = (1..=SECONDS).map(second).collect();
    let sum = |of: fn(&Sample) -> u64| samples.iter().map(of).sum();
    let (sent, delivered, bounced) =
        (sum(|sample| sample.sent), sum(|sample| sample.delivered), sum(|sample| sample.bounced));
    Run {
        form: FORM,
        scenario: "ladder".to_owned(),
        scenario_toml: "# All rungs <mixed> & \"quoted\"\n[load]\nrate = 20_000\nseconds = 30\n"
            .to_owned(),
        work: "200 remotes of all rungs → component, 20,000 stanzas/s, Poisson".to_owned(),
        offered_per_second: Some(20_000.0),
        seed: 42,
        date: "2026-11-23T06:00:00Z".to_owned(),
        setting: setting(),
        server: Server { name: "peerage".to_owned(), version: "0.1.0".to_owned() },
        stanza_bytes: 378.4,
        seconds: 30.25,
        stanzas: Stanzas { sent, delivered, bounced, ..Stanzas::default() },
        conditions: BTreeMap::from([
            ("policy-violation".to_owned(), bounced - 5),
            ("remote-server-timeout".to_owned(), 5),
        ]),
        failures: BTreeMap::from([("initiating: <reset> by peer".to_owned(), 3)]),
        missing: Vec::new(),
        latency_us: latency(1.0),
        sessions: Sessions {
            opened: 415,
            open: 398,
            before_clock: 400,
            opening_seconds: 1.284,
            handshakes_full: Some(230),
            handshakes_resumed: Some(185),
            server_cpu_us_each: Some(612.5),
            server_bytes_each: Some(11_520.0),
        },
        server_cost: Some(Cost {
            cpu_seconds: 1.32,
            cpu_us_a_stanza: 2.205,
            share_of_core: 0.044,
            resident_bytes_max: 47_185_920,
        }),
        own_cost: Cost {
            cpu_seconds: 1.14,
            cpu_us_a_stanza: 1.904,
            share_of_core: 0.038,
            resident_bytes_max: 31_457_280,
        },
        others_cores: Some(0.02),
        bottleneck: vec![
            "loadgen was the bottleneck: its one thread was busy 97 % of the time".to_owned(),
        ],
        events: vec![
            Event { at_seconds: 10.0, what: "minimum raised to trusted".to_owned() },
            Event { at_seconds: 18.5, what: "40 peers <reset> & gone".to_owned() },
        ],
        opening: (0..=20)
            .map(|step| Held {
                sessions_open: step * 20,
                server_resident_bytes: (20 << 20) + step * 20 * 11_520,
            })
            .collect(),
        samples,
        kinds: kinds(bounced),
        allowed: Allowed { bounced, ..Allowed::default() },
        faults: Vec::new(),
    }
}

fn kinds(bounced: u64) -> Vec<Kind> {
    let kind = |name: &str, domains, bounced: &[(&str, u64)]| Kind {
        name: name.to_owned(),
        domains,
        bounced: bounced.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        lost: 0,
        skipped: 0,
    };
    let late = [("policy-violation", bounced - 5), ("remote-server-timeout", 5)];
    vec![kind("verified", 60, &late), kind("secure", 60, &[]), kind("trusted", 80, &[])]
}

/// A run that lost a stanza.
pub(crate) fn faulty() -> Run {
    let mut run = run();
    run.stanzas.delivered -= 1;
    run.stanzas.lost = 1;
    run.kinds[2].lost = 1;
    run.missing = vec![Missing {
        from: "user0@r7.peers.example".to_owned(),
        to: "sink0@echo.example.org".to_owned(),
        stanzas: 1,
    }];
    run
}

fn second(number: u64) -> Sample {
    // A stall of two seconds, made up for in the third.
    let (delivered, p99_us) = match number {
        19 => (6_000, 910_000),
        20 => (0, 0),
        21 => (53_000, 2_480_000),
        _ => (19_800 + number * 37 % 190, 900 + number * 13 % 170),
    };
    let bounced = if number > 10 && number != 20 { 100 + number % 7 } else { 0 };
    let sent = match number {
        19 | 20 => 19_800,
        21 => 6_000 + 53_000 + 105 + 100 - 2 * 19_800,
        _ => delivered + bounced,
    };
    Sample {
        at_seconds: number as f64,
        sent,
        delivered,
        bounced,
        p50_us: p99_us / 4,
        p99_us,
        server_cpu_seconds: Some(rounded(0.02 + delivered as f64 * 1.2e-6, 2)),
        server_resident_bytes: Some((24 << 20) + number * 700_001),
        own_cpu_seconds: rounded(0.01 + delivered as f64 * 1.4e-6, 2),
        sessions_open: 400 - if number > 18 { 40 - (number - 18).min(10) * 4 } else { 0 },
        handshakes_full: Some(if number > 18 { 4 } else { 0 }),
        handshakes_resumed: Some(if number == 19 { 30 } else { 1 }),
        bytes_out: Some(delivered * 400),
        bytes_in: Some(delivered * 401),
    }
}

/// A long tail, `times` slower than the fastest server: most are near 300 µs, one in 10,000 takes 60 times as long.
fn latency(times: f64) -> Latency {
    // Logistic in the logarithm.
    let at = |quantile: f64| (300.0 * times * (quantile / (1.0 - quantile)).powf(0.45)) as u64;
    let steps = (0..=50).map(|step| rounded(1.0 - 10f64.powf(-f64::from(step) / 10.0), 8));
    let mut curve: Vec<_> = steps.map(|quantile| (quantile, at(quantile.max(0.01)))).collect();
    let max = at(0.999_998);
    curve.push((1.0, max));
    Latency {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p99_9: at(0.999),
        p99_99: at(0.9999),
        max,
        curve,
        sender_behind_max: 212,
    }
}

fn setting() -> Setting {
    Setting {
        processor: "AMD EPYC".to_owned(),
        cores: 2,
        memory_bytes: 25_274_793_984,
        kernel: "Linux 6.18.44".to_owned(),
        loadgen: "peerage-loadgen 0.1.0".to_owned(),
    }
}

/// What a server does, in figures near those that were once measured.
struct Profile {
    name: &'static str,
    version: &'static str,
    /// `in`, `out`, `echo`.
    cpu_us: [f64; 3],
    per_second: [f64; 3],
    /// At a fixed rate, times the fastest.
    slowness: f64,
    session_cpu_us: f64,
    session_bytes: f64,
}

#[rustfmt::skip]
const PROFILES: [Profile; 4] = [
    Profile { name: "peerage", version: "0.1.0", cpu_us: [1.52, 1.65, 3.77], per_second: [490_070.0, 576_373.0, 234_830.0],
        slowness: 1.0, session_cpu_us: 590.0, session_bytes: 9_300.0 },
    Profile { name: "prosody", version: "0.12.3", cpu_us: [165.0, 157.0, 279.0], per_second: [6_000.0, 6_500.0, 3_480.0],
        slowness: 42.0, session_cpu_us: 6_400.0, session_bytes: 50_176.0 },
    Profile { name: "ejabberd", version: "23.01", cpu_us: [38.17, 63.11, 86.43], per_second: [26_074.0, 15_708.0, 11_484.0],
        slowness: 4.0, session_cpu_us: 3_500.0, session_bytes: 20_480.0 },
    Profile { name: "jabberd2", version: "2.7.0", cpu_us: [15.8, 23.0, 41.0], per_second: [49_000.0, 38_000.0, 21_500.0],
        slowness: 2.2, session_cpu_us: 1_900.0, session_bytes: 30_720.0 },
];
const RATE: f64 = 1_000.0;

/// Three rounds of four servers and the bound. One run of jabberd2 lost stanzas, one of peerage found the generator to be the limit, and
/// jabberd2 was not tried with `sessions`.
pub(crate) fn comparison() -> Comparison {
    let mut trials = Vec::new();
    for round in 1..=3 {
        let swing = [1.0, 0.97, 1.22][round as usize - 1];
        for profile in PROFILES {
            let name = profile.name;
            let server = Server { name: name.to_owned(), version: profile.version.to_owned() };
            let mut add = |part: &str, run: Run| {
                trials.push(Trial {
                    round,
                    server: server.clone(),
                    part: part.to_owned(),
                    others_cores: rounded(0.01 * f64::from(round), 2),
                    command: format!("peerage-loadgen run dense --start {name} --core 0"),
                    run: Run { server: server.clone(), ..run },
                });
            };
            for (place, part) in ["in", "out", "echo"].into_iter().enumerate() {
                let mut run =
                    closed(profile.cpu_us[place] * swing, profile.per_second[place] / swing);
                if (name, part, round) == ("jabberd2", "echo", 3) {
                    run.stanzas.delivered -= 17;
                    run.stanzas.lost = 17;
                }
                if (name, part, round) == ("peerage", "out", 1) {
                    run.bottleneck = vec![
                        "loadgen was the bottleneck: its one thread was busy 97 % of the time"
                            .to_owned(),
                    ];
                }
                add(part, run);
            }
            add("rate", open(profile.cpu_us[2] * swing, profile.slowness * swing));
            if name != "jabberd2" {
                add("sessions", sessions(profile.session_cpu_us * swing, profile.session_bytes));
            }
        }
        let server = Server { name: "haproxy".to_owned(), version: "2.6.12".to_owned() };
        for (part, cpu, speed) in [
            ("dense", 0.6, 900_000.0),
            ("sparse-10", 6.7, 120_000.0),
            ("sparse-500", 23.0, 41_000.0),
        ] {
            let run = Run { server: server.clone(), ..closed(cpu * swing, speed / swing) };
            let server = server.clone();
            trials.push(Trial {
                round,
                server,
                part: part.to_owned(),
                others_cores: 0.0,
                command: "peerage-loadgen run dense --start haproxy --core 0".to_owned(),
                run,
            });
        }
    }
    Comparison {
        form: FORM,
        date: "2026-11-23T06:00:00Z".to_owned(),
        command: "peerage-loadgen compare --servers peerage,prosody,ejabberd,jabberd2 --rounds 3"
            .to_owned(),
        setting: setting(),
        rounds: 3,
        servers: Vec::new(),
        bound: Some("haproxy".to_owned()),
        trials,
        failed: Vec::new(),
    }
}

fn closed(cpu_us: f64, per_second: f64) -> Run {
    let delivered = (per_second * 8.0) as u64;
    let cost = |us: f64, bytes| Cost {
        cpu_seconds: rounded(us * delivered as f64 / 1e6, 3),
        cpu_us_a_stanza: rounded(us, 3),
        share_of_core: rounded(us * per_second / 1e6, 3),
        resident_bytes_max: bytes,
    };
    Run {
        scenario: "dense".to_owned(),
        work: "10 remotes, window 4096".to_owned(),
        offered_per_second: None,
        stanza_bytes: 316.0,
        seconds: 8.0,
        stanzas: Stanzas { sent: delivered, delivered, ..Stanzas::default() },
        conditions: BTreeMap::new(),
        failures: BTreeMap::new(),
        latency_us: latency(8.0),
        sessions: Sessions::default(),
        server_cost: Some(cost(cpu_us, 33_554_432)),
        own_cost: cost(1.4, 16_777_216),
        bottleneck: Vec::new(),
        events: Vec::new(),
        opening: Vec::new(),
        samples: Vec::new(),
        kinds: Vec::new(),
        allowed: Allowed::default(),
        ..run()
    }
}

fn open(cpu_us: f64, slowness: f64) -> Run {
    Run {
        work: format!("10 remotes, {RATE} stanzas/s"),
        offered_per_second: Some(RATE),
        latency_us: latency(slowness),
        ..closed(cpu_us, RATE)
    }
}

fn sessions(cpu_us: f64, bytes: f64) -> Run {
    let sessions = Sessions {
        opened: 2_000,
        open: 2_000,
        before_clock: 2_000,
        opening_seconds: 14.5,
        server_cpu_us_each: Some(rounded(cpu_us, 1)),
        server_bytes_each: Some(bytes),
        ..Sessions::default()
    };
    Run { sessions, ..closed(0.0, 250.0) }
}

/// Elements of a page are closed in the order they were opened.
pub(crate) fn assert_balanced(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default()) {
        if tag.starts_with('!') || tag.ends_with('/') {
            continue;
        }
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "closed by </{name}>"),
            None => open.push(tag.split(' ').next().unwrap_or_default()),
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
}
