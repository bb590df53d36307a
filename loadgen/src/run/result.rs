//! From what the processes found out to the record of the run.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use super::conduct::{Conducted, Opened};
use super::expect::{self, Judgement};
use super::said::{KindBooks, Opening, Part, Played, histogram};
use super::usage::{Usage, Watch};
use crate::record::{
    Cost, FORM, Kind, Latency, Run, Sample, Server, Sessions, Setting, Stanzas, rounded,
};
use crate::report::figure;
use crate::run::work;
use crate::scenario::Scenario;

/// Share of one core from which on a process of the generator is what limits the run: it has one thread.
const SATURATED: f64 = 0.95;
/// Share of the time that it may wait for a processor before that is said.
const STARVED: f64 = 0.1;
/// What is left at the end of a run and shorter than this is added to the sample before: a rate over a few milliseconds says nothing.
const REST_MIN_SECONDS: f64 = 0.5;
/// Flows with missing stanzas that are named.
const MISSING_MAX: usize = 5;

/// What was played, where.
pub(crate) struct Subject<'a> {
    pub(crate) name: String,
    /// The text of a file that plays it again.
    pub(crate) toml: String,
    pub(crate) scenario: &'a Scenario,
    pub(crate) server: Server,
    pub(crate) date: String,
}

/// The record of a run.
pub(crate) fn record(subject: Subject<'_>, conducted: Conducted) -> Run {
    let Conducted { players, opened, opening, watch, events, reasons } = conducted;
    let (parts, played): (Vec<_>, Vec<_>) =
        players.into_iter().map(|player| (player.parts, player.played)).unzip();
    let played: Vec<Played> = played.into_iter().flatten().collect();
    let kinds = subject.scenario.kinds();
    let books = books(kinds.len(), &played);
    let judgement = expect::judge(&kinds, &books);
    let seconds = played.iter().map(|played| played.seconds).fold(0.0, f64::max);
    let sum = |of: fn(&Played) -> u64| played.iter().map(of).sum::<u64>();
    let stanzas = stanzas(&played, &judgement);
    let mut latency_us = histogram();
    played.iter().for_each(|played| played.latency_us.add_to(&mut latency_us));
    let behind = played.iter().map(|played| played.behind_us_max).max().unwrap_or_default();
    let own_cpu: f64 = played.iter().map(|played| played.own_cpu_seconds).sum();
    let own = Cost {
        resident_bytes_max: sum(|played| played.own_resident_bytes_max),
        ..cost(own_cpu, stanzas.delivered + stanzas.bounced, seconds)
    };
    let mut faults = judgement.bounce_words();
    faults.extend(reasons);
    let mut events = events;
    // All processes do the same at the same time: one tells.
    events.extend(played.first().map(|played| played.events.clone()).unwrap_or_default());
    events.sort_by(|one, other| one.at_seconds.total_cmp(&other.at_seconds));
    Run {
        form: FORM,
        scenario: subject.name,
        scenario_toml: subject.toml,
        work: work::words(subject.scenario),
        offered_per_second: subject.scenario.traffic.rate,
        seed: subject.scenario.seed,
        date: subject.date,
        setting: Setting::here(),
        server: subject.server,
        stanza_bytes: played.first().map_or(0.0, |played| played.stanza_bytes),
        seconds,
        stanzas,
        conditions: add(played.iter().map(|played| &played.conditions)),
        failures: add(played.iter().map(|played| &played.failures)),
        missing: played
            .iter()
            .flat_map(|played| played.missing.clone())
            .take(MISSING_MAX)
            .collect(),
        latency_us: Latency::of(&latency_us, behind),
        sessions: sessions(&played, opened),
        server_cost: server_cost(&watch, stanzas.delivered + stanzas.bounced),
        own_cost: own,
        others_cores: others(&watch, own.cpu_seconds),
        bottleneck: bottleneck(&played, seconds),
        events,
        opening,
        samples: samples(&parts, &watch),
        kinds: named(subject.scenario, books),
        allowed: judgement.allowed,
        faults,
    }
}

fn books(kinds: usize, played: &[Played]) -> Vec<KindBooks> {
    let mut books = vec![KindBooks::default(); kinds];
    for (sum, part) in played.iter().flat_map(|played| (0..kinds).zip(&played.kinds)) {
        let sum = &mut books[sum];
        sum.lost += part.lost;
        sum.skipped += part.skipped;
        sum.bounced = add([&sum.bounced.clone(), &part.bounced]);
    }
    books
}

fn named(scenario: &Scenario, books: Vec<KindBooks>) -> Vec<Kind> {
    let kinds = scenario.kinds().into_iter().zip(scenario.domains_of_kinds());
    kinds
        .zip(books)
        .map(|((kind, domains), books)| Kind {
            name: kind.name,
            domains,
            bounced: books.bounced,
            lost: books.lost,
            skipped: books.skipped,
        })
        .collect()
}

fn stanzas(played: &[Played], judgement: &Judgement) -> Stanzas {
    let sum = |of: fn(&Played) -> u64| played.iter().map(of).sum();
    Stanzas {
        sent: sum(|played| played.sent),
        delivered: sum(|played| played.delivered),
        bounced: sum(|played| played.bounced),
        lost: judgement.lost,
        duplicated: sum(|played| played.duplicated),
        out_of_order: sum(|played| played.out_of_order),
        corrupted: sum(|played| played.corrupted),
        never_sent: sum(|played| played.never_sent),
        skipped: judgement.skipped,
    }
}

fn sessions(played: &[Played], opened: Option<Opened>) -> Sessions {
    let sum = |of: fn(&Played) -> u64| played.iter().map(of).sum::<u64>();
    let openings = played.iter().map(|played| played.opening);
    Sessions {
        opened: sum(|played| played.sessions_opened),
        before_clock: sum(|played| played.opening.sessions),
        open: sum(|played| played.sessions_open),
        opening_seconds: openings.fold(0.0, |most, Opening { seconds, .. }| most.max(seconds)),
        handshakes_full: Some(sum(|played| played.handshakes_full)),
        handshakes_resumed: Some(sum(|played| played.handshakes_resumed)),
        server_cpu_us_each: opened.map(|Opened { sessions, before, after, .. }| {
            let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
            rounded(cpu * 1e6 / sessions as f64, 1)
        }),
        server_bytes_each: opened.map(|Opened { open, before, after, .. }| {
            let bytes = after.resident_bytes.saturating_sub(before.resident_bytes);
            rounded(bytes as f64 / open as f64, 0)
        }),
    }
}

/// What the machine did that is neither the server's nor the generator's.
fn others(watch: &Watch, own_cpu_seconds: f64) -> Option<f64> {
    let [(_, first), .., (at, last)] = watch.readings() else { return None };
    let server = last.cpu.saturating_sub(first.cpu).as_secs_f64();
    let rest = watch.machine()?.as_secs_f64() - server - own_cpu_seconds;
    Some(rounded((rest / at.as_secs_f64().max(1e-9)).max(0.0), 2))
}

fn add<'m>(maps: impl IntoIterator<Item = &'m BTreeMap<String, u64>>) -> BTreeMap<String, u64> {
    let mut sum = BTreeMap::new();
    for (key, count) in maps.into_iter().flatten() {
        *sum.entry(key.clone()).or_default() += count;
    }
    sum
}

fn cost(cpu_seconds: f64, settled: u64, seconds: f64) -> Cost {
    Cost {
        cpu_seconds: rounded(cpu_seconds, 3),
        cpu_us_a_stanza: rounded(cpu_seconds * 1e6 / settled.max(1) as f64, 3),
        share_of_core: rounded(cpu_seconds / seconds.max(1e-9), 3),
        resident_bytes_max: 0,
    }
}

fn server_cost(watch: &Watch, settled: u64) -> Option<Cost> {
    let [(_, first), .., (at, last)] = watch.readings() else { return None };
    let cpu = last.cpu.saturating_sub(first.cpu).as_secs_f64();
    let resident = watch.readings().iter().map(|(_, usage)| usage.resident_bytes).max();
    Some(Cost {
        resident_bytes_max: resident.unwrap_or_default(),
        ..cost(cpu, settled, at.as_secs_f64())
    })
}

/// Why the generator, or the machine it ran on, was the limit.
fn bottleneck(played: &[Played], seconds: f64) -> Vec<String> {
    let of_time = |spent: f64| spent / seconds.max(1e-9);
    let shares = |played: &Played| {
        let waited = played.own_waited_seconds.unwrap_or_default();
        (of_time(played.own_cpu_seconds), of_time(waited))
    };
    let by_both =
        |one: &(f64, f64), other: &(f64, f64)| (one.0 + one.1).total_cmp(&(other.0 + other.1));
    let (busy, waited) = played.iter().map(shares).max_by(by_both).unwrap_or_default();
    // A generator that gets a part of a core only is at its limit with that part: what counts is that it was never idle.
    let is_alone = played.len() == 1;
    let mut notes = Vec::new();
    if busy + waited >= SATURATED {
        let thread = if is_alone { "its one thread" } else { "the thread of a process" };
        let idle = figure::percent((1.0 - busy - waited).max(0.0));
        let busy = figure::percent(busy);
        notes.push(format!(
            "loadgen was the bottleneck: {thread} was busy {busy} of the time and idle {idle}"
        ));
    }
    if waited >= STARVED {
        let waited = figure::percent(waited);
        let others = match is_alone {
            true => "other work on the machine is",
            false => "other processes of its own, or other work on the machine, are",
        };
        notes.push(format!(
            "loadgen waited {waited} of the time for a processor: {others} in these figures"
        ));
    }
    notes
}

/// One for each second, of all processes together.
fn samples(parts: &[Vec<Part>], watch: &Watch) -> Vec<Sample> {
    let seconds = parts.iter().map(Vec::len).max().unwrap_or_default();
    let of_second = |second: usize| -> Vec<&[Part]> {
        parts.iter().filter_map(|parts| parts.get(second).map(std::slice::from_ref)).collect()
    };
    let mut merged: Vec<Vec<&[Part]>> = (0..seconds).map(of_second).collect();
    // The last second is seldom a whole one.
    if let [.., before, last] = merged.as_slice()
        && end(last) - end(before) < REST_MIN_SECONDS
    {
        let from = merged.len() - 2;
        merged.truncate(from);
        merged.push(parts.iter().filter_map(|parts| parts.get(from..)).collect());
    }
    let mut samples = Vec::with_capacity(merged.len());
    let mut server_before = watch.readings().first().map(|(_, usage)| *usage);
    for (second, parts) in merged.iter().enumerate() {
        let is_last = second + 1 == merged.len();
        let readings = watch.readings();
        let server = if is_last { readings.last() } else { readings.get(second + 1) };
        let server = server.map(|(_, usage)| *usage);
        samples.push(sample(parts, server_before, server));
        server_before = server.or(server_before);
    }
    samples
}

fn end(processes: &[&[Part]]) -> f64 {
    processes.iter().copied().flatten().map(|part| part.at_seconds).fold(0.0, f64::max)
}

/// The parts of a second, by process, as one.
pub(super) fn sample(
    processes: &[&[Part]],
    before: Option<Usage>,
    server: Option<Usage>,
) -> Sample {
    let parts = || processes.iter().copied().flatten();
    let sum = |of: fn(&Part) -> u64| parts().map(of).sum::<u64>();
    let mut latency_us = histogram();
    parts().for_each(|part| part.latency_us.add_to(&mut latency_us));
    let at = |quantile| match latency_us.is_empty() {
        true => 0,
        false => latency_us.value_at_quantile(quantile).min(latency_us.max()),
    };
    let cpu = before.zip(server).map(|(before, now): (Usage, Usage)| {
        let cpu: Duration = now.cpu.saturating_sub(before.cpu);
        rounded(cpu.as_secs_f64(), 3)
    });
    // Of two parts of one process the later says how many sessions are open.
    let open = processes.iter().filter_map(|parts| parts.last());
    Sample {
        at_seconds: end(processes),
        sent: sum(|part| part.sent),
        delivered: sum(|part| part.delivered),
        bounced: sum(|part| part.bounced),
        p50_us: at(0.5),
        p99_us: at(0.99),
        server_cpu_seconds: cpu,
        server_resident_bytes: server.map(|server| server.resident_bytes),
        own_cpu_seconds: rounded(parts().map(|part| part.own_cpu_seconds).sum(), 3),
        sessions_open: open.map(|part| part.sessions_open).sum(),
        handshakes_full: Some(sum(|part| part.handshakes_full)),
        handshakes_resumed: Some(sum(|part| part.handshakes_resumed)),
        bytes_out: Some(sum(|part| part.bytes_out)),
        bytes_in: Some(sum(|part| part.bytes_in)),
    }
}
