//! One process plays its share of a scenario: it greets, warms up, waits for the word to go, sends, and says what came of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use s2s_testkit::federation::{
    ComponentPlan, Counts, Federation, FederationPlan, Outcome, Pace, RouterAddress, Work,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::advice;
use super::expect;
use super::peers::{self, Share};
use super::said::{Buckets, KindBooks, Opening, Phase, Played, Progress, Said, Wrong};
use super::sampler::{Sampler, Spent};
use super::work::{add_flows, seconds_of, work};
use crate::prepare;
use crate::record::{Event, Missing, rounded};
use crate::scenario::{Scenario, What};

/// How long the first stanza of a flow may take at least: sessions are opened for it.
const GREETING: Duration = Duration::from_secs(30);
/// Of a hundred first stanzas so many may go wrong before there is no point in going on.
const GREETING_FAULTS_PERCENT_MAX: u64 = 1;
/// So long the last stanza may have been repeated or altered behind its delivery, which ended the run.
const AFTERMATH: Duration = Duration::from_millis(250);
/// Between two words on how far the greeting is.
const PROGRESS: Duration = Duration::from_millis(100);
/// Flows with missing stanzas that are named.
const MISSING_MAX: usize = 5;

/// What one process has to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) scenario: Scenario,
    pub(crate) share: Share,
    pub(crate) target: Target,
    /// First port of the remotes.
    pub(crate) port: u16,
}

/// The server under test, as its peers see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) s2s: SocketAddr,
    pub(crate) direct_tls: Option<SocketAddr>,
    pub(crate) component: SocketAddr,
    pub(crate) secret: String,
    /// One for each process.
    pub(crate) hosted: Vec<String>,
    /// As `prepare` wrote it.
    pub(crate) ca_dir: PathBuf,
    /// It is a pump of bytes: remotes send through it to [`peers::sink`], and there is no component.
    pub(crate) is_pump: bool,
}

/// Plays it. The last word is [`Said::Closed`] or [`Said::Failed`].
pub(crate) async fn play(task: &Task, said: &UnboundedSender<Said>, go: oneshot::Receiver<()>) {
    let last = match perform(task, said, go).await {
        Ok(()) => Said::Closed,
        Err(error) => Said::Failed(format!("{error:#}")),
    };
    // Nobody listens any more when the run is given up.
    let _ = said.send(last);
}

async fn perform(
    task: &Task,
    said: &UnboundedSender<Said>,
    go: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let traffic = &task.scenario.traffic;
    let (mut federation, flows) = start(task).await?;
    federation.open_on_demand();
    federation.limit_links(traffic.links_max as usize);
    let opening = greet(task, &federation, &flows, said).await?;
    if let Some(stanzas) = traffic.batch {
        federation.limit_writes(stanzas);
    }
    if traffic.warm_up_seconds > 0 {
        let work = work(traffic, task.share, traffic.warm_up_seconds);
        let settled = federation.tally().settled();
        let progress = || Progress {
            phase: Phase::WarmUp,
            settled: federation.tally().settled() - settled,
            all: expected(&work),
            sessions_open: federation.census().all_open(),
        };
        with_progress(federation.run(&flows, work), said, progress).await;
        federation.give_up();
    }
    let _ = said.send(Said::Ready(opening));
    go.await.context("the run was given up before the clock started")?;
    let played = timed(task, &federation, &flows, opening, said).await?;
    // Before its streams are closed: what that costs the server is no part of the run.
    let _ = said.send(Said::Done(Box::new(played)));
    let before = federation.tally();
    tokio::time::sleep(AFTERMATH).await;
    let late = federation.tally() - before;
    let _ = said.send(Said::Late(Wrong {
        duplicated: late.duplicated,
        out_of_order: late.out_of_order,
        corrupted: late.corrupted,
        never_sent: late.never_sent,
    }));
    federation.close().await;
    Ok(())
}

/// Stanzas that a warm-up is about to send; for a closed loop nobody knows.
fn expected(work: &Work) -> u64 {
    match work.pace {
        Pace::Rate(rate) => (rate * work.duration.as_secs_f64()) as u64,
        Pace::Window(_) => 0,
    }
}

/// Remotes and component, and all flows between them.
async fn start(task: &Task) -> anyhow::Result<(Federation, Vec<u32>)> {
    let Task { scenario, share, target, port } = task;
    let authority = prepare::read(&target.ca_dir)?;
    let places = peers::places(scenario, *port, *share);
    let mut remotes = peers::remotes(scenario, &places, &authority)?;
    let mut router = RouterAddress { starttls: target.s2s, direct_tls: target.direct_tls };
    if target.is_pump {
        peers::put_behind_pump(&mut remotes, *port, &authority);
        router.direct_tls = Some(target.s2s);
    }
    let mut federation = Federation::start(FederationPlan {
        remotes,
        router,
        roots: vec![authority.root().clone()],
        seed: scenario.seed.wrapping_add(u64::from(share.index)),
    })?;
    if target.is_pump {
        let flows = add_flows(scenario, &places, &peers::sink(*port).domain, &mut federation)?;
        return Ok((federation, flows));
    }
    let hosted = target.hosted.get(usize::from(share.index)).with_context(|| {
        format!("{} processes need as many --hosted domains", scenario.processes)
    })?;
    let component = ComponentPlan {
        domain: hosted.clone(),
        address: target.component,
        secret: target.secret.clone(),
    };
    federation.attach(&component).await.map_err(|failure| {
        let advice = advice::on_attaching(&failure, hosted);
        anyhow::anyhow!(
            "attaching the component at {} (--component): {failure}\n{advice}",
            target.component
        )
    })?;
    let flows = add_flows(scenario, &places, hosted, &mut federation)?;
    Ok((federation, flows))
}

/// One stanza in each flow, which stand user by user; what is missing afterwards is lost.
async fn greet(
    task: &Task,
    federation: &Federation,
    flows: &[u32],
    said: &UnboundedSender<Said>,
) -> anyhow::Result<Opening> {
    if !task.scenario.traffic.greet {
        return Ok(Opening::default());
    }
    let began = Instant::now();
    let all = flows.len() as u64;
    let progress = || Progress {
        phase: Phase::Greeting,
        settled: federation.tally().settled(),
        all,
        sessions_open: federation.census().all_open(),
    };
    let patience = GREETING.max(seconds_of(task.scenario.traffic.patience_seconds));
    // Each peer's sessions are opened by one user; the others find them open.
    let users = usize::from(task.scenario.peers.users.max(1));
    let (first, others) = flows.split_at(flows.len() / users);
    for flows in [first, others] {
        with_progress(federation.warm_up(flows, patience), said, &progress).await;
    }
    federation.give_up();
    let books = books(federation, task.scenario.kinds().len());
    let verdict = expect::judge(&task.scenario.kinds(), &books);
    anyhow::ensure!(
        verdict.unexpected() * 100 <= all * GREETING_FAULTS_PERCENT_MAX,
        "of {all} first stanzas {} were delivered: {}; streams: {}{}",
        federation.tally().delivered,
        verdict.words().join(", "),
        failures(federation),
        advice(federation, &task.target)
    );
    Ok(Opening {
        seconds: rounded(began.elapsed().as_secs_f64(), 3),
        sessions: federation.census().all_opened(),
        open: federation.census().all_open(),
    })
}

async fn with_progress<T>(
    work: impl Future<Output = T>,
    said: &UnboundedSender<Said>,
    progress: impl Fn() -> Progress,
) -> T {
    let telling = async {
        loop {
            tokio::time::sleep(PROGRESS).await;
            let _ = said.send(Said::Before(progress()));
        }
    };
    tokio::select! {
        done = work => done,
        () = telling => unreachable!("it tells for ever"),
    }
}

/// The part that counts.
async fn timed(
    task: &Task,
    federation: &Federation,
    flows: &[u32],
    opening: Opening,
    said: &UnboundedSender<Said>,
) -> anyhow::Result<Played> {
    let traffic = &task.scenario.traffic;
    let before = federation.conditions();
    let mut events = Vec::new();
    let mut sampler = Sampler::start(federation)?;
    let outcome = tokio::select! {
        outcome = federation.run(flows, work(traffic, task.share, traffic.seconds)) => outcome,
        ended = sampler.run(said) => match ended? {},
        () = happen(&task.scenario, federation, &mut events) => unreachable!("it waits for ever"),
    };
    let spent = sampler.finish(said)?;
    federation.give_up();
    let conditions = since(&before, federation.conditions());
    let played = played(task, federation, &outcome, spent);
    Ok(Played { opening, conditions, events, ..played })
}

/// The events that concern peers, each at its time; then nothing more.
async fn happen(scenario: &Scenario, federation: &Federation, events: &mut Vec<Event>) {
    let began = tokio::time::Instant::now();
    let mut planned = scenario.event.clone();
    planned.sort_by_key(|event| event.at_seconds);
    for event in planned {
        tokio::time::sleep_until(began + seconds_of(event.at_seconds)).await;
        let what = match event.what {
            What::Reconnect => {
                federation.reconnect(event.percent);
                "reconnect"
            }
            What::Kill => {
                federation.kill(event.percent);
                "are killed"
            }
            // The server's affair, and so the conductor's.
            What::RaiseMinimum => continue,
        };
        events.push(Event {
            at_seconds: rounded(began.elapsed().as_secs_f64(), 3),
            what: format!("{} % of the peers {what}", event.percent),
        });
    }
    std::future::pending::<()>().await;
}

fn played(task: &Task, federation: &Federation, outcome: &Outcome, spent: Spent) -> Played {
    let (measured, all, census) = (outcome.tally, federation.tally(), federation.census());
    let Counts { inbound, outbound, .. } = federation.counts();
    let missing = federation.missing(MISSING_MAX).into_iter();
    Played {
        seconds: rounded(outcome.elapsed.as_secs_f64(), 3),
        stanza_bytes: federation.stanza_bytes() as f64,
        sent: measured.sent,
        delivered: measured.delivered,
        bounced: measured.bounced,
        latency_us: Buckets::of(&outcome.latency_us),
        behind_us_max: outcome.behind_us_max,
        duplicated: all.duplicated,
        out_of_order: all.out_of_order,
        corrupted: all.corrupted,
        never_sent: all.never_sent,
        kinds: books(federation, task.scenario.kinds().len()),
        failures: census.failures().clone(),
        missing: missing.map(|(from, to, stanzas)| Missing { from, to, stanzas }).collect(),
        sessions_opened: census.all_opened(),
        sessions_open: census.all_open(),
        handshakes_full: inbound.full + outbound.full,
        handshakes_resumed: inbound.resumed + outbound.resumed,
        own_cpu_seconds: rounded(spent.cpu.as_secs_f64(), 3),
        own_resident_bytes_max: spent.resident_bytes_max,
        own_waited_seconds: spent.waited.map(|waited| rounded(waited.as_secs_f64(), 3)),
        ..Played::default()
    }
}

fn books(federation: &Federation, kinds: usize) -> Vec<KindBooks> {
    let mut books: Vec<_> = federation
        .groups()
        .into_iter()
        .map(|group| KindBooks { bounced: group.bounced, lost: group.lost, skipped: group.skipped })
        .collect();
    books.resize(kinds, KindBooks::default());
    books
}

fn since(before: &BTreeMap<String, u64>, mut now: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    for (condition, count) in &mut now {
        *count -= before.get(condition).copied().unwrap_or_default().min(*count);
    }
    now.retain(|_, count| *count > 0);
    now
}

/// A line for each place to look at.
fn advice(federation: &Federation, target: &Target) -> String {
    let census = federation.census();
    let lines = advice::on_streams(census.failures().keys().map(String::as_str), target);
    lines.iter().map(|line| format!("\n{line}")).collect()
}

fn failures(federation: &Federation) -> String {
    let census = federation.census();
    let failures: Vec<_> =
        census.failures().iter().map(|(reason, count)| format!("{count} x {reason}")).collect();
    if failures.is_empty() { "none failed".to_owned() } else { failures.join("; ") }
}
