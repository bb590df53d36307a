//! What a scenario plays, in words: for somebody who wrote one and wants to know whether it says what was meant.

use std::fmt::Write as _;

use serde::Serialize;

use super::model::{
    Arrivals, Behaviour, Certificate, Names, Peer, Popularity, Rung, Scenario, Traffic, What,
};

/// A few lines, each with its end.
pub(super) fn describe(scenario: &Scenario) -> String {
    let Scenario { seed, processes, peers, traffic, event: events, .. } = scenario;
    let mut text = format!(
        "peers     {} domains on {} addresses; users at each: {}; processes: {processes}; seed {seed}\n",
        peers.domains,
        peers.addresses(),
        peers.users
    );
    for (kind, domains) in scenario.kinds().iter().zip(scenario.domains_of_kinds()) {
        line(&mut text, &format!("          {domains} {}: {}", kind.name, peer(kind)));
    }
    line(&mut text, &format!("traffic   {}", sent(traffic)));
    line(&mut text, &format!("          {}", order(traffic)));
    for event in events {
        let what = match (event.what, event.minimum) {
            (What::RaiseMinimum, Some(minimum)) => {
                format!("the minimum becomes {}", word(&minimum))
            }
            (what, _) => format!("{} of {} % of the peers", word(&what), event.percent),
        };
        line(&mut text, &format!("event     at {} s: {what}", event.at_seconds));
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

fn peer(peer: &Peer) -> String {
    let mut words = vec![word(&peer.rung)];
    if peer.version_less || peer.rung == Rung::Promiscuous {
        words.push("without version".to_owned());
    }
    if matches!(peer.rung, Rung::Secure | Rung::Trusted) {
        words.push(if peer.direct_tls { "direct TLS" } else { "STARTTLS" }.to_owned());
        let number = if peer.wildcard { "one certificate" } else { "certificates" };
        let certificate = match peer.certificate {
            Certificate::Valid => number.to_owned(),
            other => format!("{number}, {}", word(&other)),
        };
        words.push(match peer.names {
            Names::Dns => certificate,
            names => format!("{certificate} by {}", word(&names)),
        });
    }
    match peer.behaviour {
        Behaviour::Normal => {}
        behaviour @ (Behaviour::SlowReader | Behaviour::SlowSender) => {
            words.push(format!("{} at {} B/s", word(&behaviour), peer.slow_bytes_a_second));
        }
        Behaviour::Resetting => {
            words.push(format!("resets connections after {} s", peer.reset_after_seconds));
        }
        behaviour => words.push(word(&behaviour)),
    }
    if !peer.bounces.is_empty() {
        words.push(format!("bounces allowed: {}", peer.bounces.join(", ")));
    }
    if peer.may_be_refused {
        words.push("may be refused".to_owned());
    }
    if peer.may_lose {
        words.push("may lose".to_owned());
    }
    words.join(", ")
}

fn sent(traffic: &Traffic) -> String {
    let classes = traffic.classes();
    let weights: u32 = classes.iter().map(|(_, weight)| weight).sum();
    let shares: Vec<String> = classes
        .iter()
        .map(|(class, weight)| match weights {
            sum if sum == *weight => class.name().to_owned(),
            sum => {
                let percent = f64::from(*weight) * 100.0 / f64::from(sum);
                format!("{percent:.1} % {}", class.name())
            }
        })
        .collect();
    let pace = match (traffic.rate, traffic.window) {
        (Some(rate), _) => {
            let arrivals = match traffic.arrivals {
                Arrivals::Bursts => format!("in bursts of {}", traffic.burst()),
                arrivals => word(&arrivals),
            };
            let stanzas = rate * f64::from(traffic.seconds);
            format!("{rate} a second, {arrivals}, {stanzas:.0} stanzas in all")
        }
        (None, window) => format!("{} under way", window.unwrap_or_default()),
    };
    format!("{}, {}; {pace}", word(&traffic.direction), shares.join(" + "))
}

fn order(traffic: &Traffic) -> String {
    let turns = match traffic.popularity {
        Popularity::Uniform => "turns uniform".to_owned(),
        Popularity::Zipf => format!("turns by Zipf's law, exponent {}", traffic.exponent()),
    };
    let greeting = if traffic.greet { "one stanza each first, " } else { "" };
    format!(
        "{turns}; {greeting}{} s of warm-up, {} s measured, {} s of patience; {} links a process",
        traffic.warm_up_seconds, traffic.seconds, traffic.patience_seconds, traffic.links_max
    )
}

/// The word that stands for a value in the file.
fn word(value: &impl Serialize) -> String {
    match toml::Value::try_from(value) {
        Ok(toml::Value::String(word)) => word,
        _ => unreachable!("only words of the file are asked for"),
    }
}
