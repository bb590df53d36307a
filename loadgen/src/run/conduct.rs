//! Conducts the players of a run: lets all clocks start at once, watches the server, has it raised, collects what was found out.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::host::Host;
use super::live::View;
use super::ramp::Ramp;
use super::said::{Part, Played, Said, Wrong};
use super::usage::{Usage, Watch};
use super::work::seconds_of;
use crate::record::{Event, Held, rounded};
use crate::report::figure;
use crate::scenario::{Rung, Scenario, What};

const SECOND: Duration = Duration::from_secs(1);
/// With fewer sessions nothing is said of the cost of one: it would be that of the server's beginning.
const SESSIONS_MIN: u64 = 100;
/// Before the memory of sessions is looked at: buffers and garbage of their opening may go.
const REST: Duration = SECOND;

/// A second is shown so long after its end: by then all players have told of it.
const TOLD: Duration = Duration::from_millis(100);

/// One process of the run, or the only one, as it is conducted.
pub(crate) struct Player {
    pub(crate) said: UnboundedReceiver<Said>,
    pub(crate) go: oneshot::Sender<()>,
}

/// What a run left behind.
pub(crate) struct Conducted {
    pub(crate) players: Vec<Books>,
    pub(crate) opened: Option<Opened>,
    pub(crate) opening: Vec<Held>,
    pub(crate) watch: Watch,
    /// Of the server, such as a raised minimum.
    pub(crate) events: Vec<Event>,
    /// Why the figures are not all there.
    pub(crate) reasons: Vec<String>,
}

/// What the opening of sessions cost the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    /// All that were opened, and those that still are.
    pub(crate) sessions: u64,
    pub(crate) open: u64,
    /// Before the first, and when all are open and have been idle for a moment.
    pub(crate) before: Usage,
    pub(crate) after: Usage,
}

/// What one player said.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) parts: Vec<Part>,
    /// Absent when it failed.
    pub(crate) played: Option<Played>,
}

impl Books {
    fn add_late(&mut self, late: Wrong) {
        if let Some(played) = &mut self.played {
            played.add_late(late);
        }
    }
}

/// Plays a scenario.
///
/// # Errors
/// When it cannot begin, or nobody came to its end.
pub(crate) async fn conduct(
    scenario: &Scenario,
    host: &Rc<Host>,
    players: Vec<Player>,
    view: &mut View,
) -> anyhow::Result<Conducted> {
    let count = players.len();
    let (mut said, gos) = gather(players);
    let before = usage(host)?;
    let mut ramp = Ramp::new(host.pids()?);
    let (sessions, open) = before_the_clock(count, host, &mut said, &mut ramp, view).await?;
    let is_greeting_alone = scenario.traffic.warm_up_seconds == 0;
    let opened = match before {
        Some(before) if is_greeting_alone && sessions >= SESSIONS_MIN && open > 0 => {
            tokio::time::sleep(REST).await;
            usage(host)?.map(|after| Opened { sessions, open, before, after })
        }
        _ => None,
    };
    let mut watch = Watch::start(&host.pids()?)?;
    let began = Instant::now();
    for go in gos {
        // One that is gone has said why, or will.
        let _ = go.send(());
    }
    let mut raised = raise(scenario, host, began);
    let mut books: Vec<_> = (0..count).map(|_| Books::default()).collect();
    let (mut events, mut reasons) = (Vec::new(), Vec::new());
    // Players that still send or wait for the last stanzas; players with streams.
    let (mut playing, mut closing) = (count, count);
    let mut server_gone = false;
    let mut seconds = interval_at(began + SECOND, SECOND);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown = interval_at(began + SECOND + TOLD, SECOND);
    shown.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while playing > 0 {
        tokio::select! {
            Some((player, said)) = said.recv() => {
                match said {
                    Said::Part(part) => {
                        view.part(player, &part);
                        books[player].parts.push(part);
                    }
                    Said::Done(played) => {
                        playing -= 1;
                        books[player].played = Some(*played);
                    }
                    Said::Late(late) => books[player].add_late(late),
                    // It was done already.
                    Said::Failed(_) if books[player].played.is_some() => closing -= 1,
                    Said::Closed => closing -= 1,
                    Said::Failed(reason) => {
                        (playing, closing) = (playing - 1, closing - 1);
                        view.gone(player);
                        let reason = format!("{reason}{}", unsettled(&books[player].parts));
                        reasons.push(failed(player, count, &reason));
                    }
                    Said::Before(_) | Said::Ready(_) => {}
                }
            }
            Some(event) = raised.recv() => {
                view.say(&format!("at {:.1} s: {}", event.at_seconds, event.what));
                events.push(event);
            }
            _ = seconds.tick() => {
                if !server_gone && let Err(error) = host.check().and_then(|()| watch.look()) {
                    // What it did until then is worth a report, which cannot be clean.
                    server_gone = true;
                    let error = format!("{error:#}");
                    view.say(&error);
                    // The tails of its logs follow.
                    reasons.push(error.lines().next().unwrap_or_default().to_owned());
                }
            }
            _ = shown.tick() => view.second(began.elapsed(), watch.latest()),
        }
    }
    if !server_gone && let Err(error) = watch.look() {
        reasons.push(format!("{error:#}"));
    }
    while closing > 0 {
        match said.recv().await {
            Some((player, Said::Late(late))) => books[player].add_late(late),
            Some((_, said)) => closing -= usize::from(said.is_last()),
            None => break,
        }
    }
    anyhow::ensure!(books.iter().any(|books| books.played.is_some()), "{}", reasons.join("; "));
    let mut opening = ramp.readings();
    if let Some(Opened { open, after, .. }) = opened {
        let server_resident_bytes = after.resident_bytes;
        opening.push(Held { sessions_open: open, server_resident_bytes });
    }
    Ok(Conducted { players: books, opened, opening, watch, events, reasons })
}

/// All players' words in one row, each with who said it.
fn gather(players: Vec<Player>) -> (UnboundedReceiver<(usize, Said)>, Vec<oneshot::Sender<()>>) {
    let (sender, receiver) = unbounded_channel();
    let mut gos = Vec::new();
    for (number, Player { mut said, go }) in players.into_iter().enumerate() {
        gos.push(go);
        let sender = sender.clone();
        spawn_local(async move {
            let mut is_last = false;
            while let Some(said) = said.recv().await {
                is_last = said.is_last();
                if sender.send((number, said)).is_err() {
                    return;
                }
            }
            if !is_last {
                let _ = sender.send((number, Said::Failed("it ended without a word".to_owned())));
            }
        });
    }
    (receiver, gos)
}

/// Of the server; none when nobody said which processes it has.
fn usage(host: &Host) -> anyhow::Result<Option<Usage>> {
    let pids = host.pids()?;
    if pids.is_empty() { Ok(None) } else { Usage::of(&pids).map(Some) }
}

/// Answers how many sessions the greeting opened, and how many it left open.
async fn before_the_clock(
    count: usize,
    host: &Rc<Host>,
    said: &mut UnboundedReceiver<(usize, Said)>,
    ramp: &mut Ramp,
    view: &mut View,
) -> anyhow::Result<(u64, u64)> {
    let (mut ready, mut sessions, mut open) = (vec![false; count], 0, vec![0; count]);
    ramp.look(0)?;
    let mut seconds = tokio::time::interval(SECOND);
    while ready.contains(&false) {
        tokio::select! {
            Some((player, said)) = said.recv() => match said {
                Said::Before(progress) => {
                    view.before(player, &progress);
                    open[player] = progress.sessions_open;
                    ramp.look(open.iter().sum())?;
                }
                Said::Ready(opening) => {
                    view.ready(player, &opening);
                    (ready[player], open[player]) = (true, opening.open);
                    sessions += opening.sessions;
                }
                Said::Failed(reason) => anyhow::bail!("{}", failed(player, count, &reason)),
                Said::Part(_) | Said::Done(_) | Said::Late(_) | Said::Closed => anyhow::bail!("a process began before the others"),
            },
            _ = seconds.tick() => host.check()?,
        }
    }
    Ok((sessions, open.iter().sum()))
}

fn failed(player: usize, count: usize, reason: &str) -> String {
    if count == 1 { reason.to_owned() } else { format!("process {player}: {reason}") }
}

/// What a process that failed had said of its stanzas: no other figure of the report has them.
fn unsettled(parts: &[Part]) -> String {
    let Some(last) = parts.last() else { return String::new() };
    let sum = |of: fn(&Part) -> u64| figure::count(parts.iter().map(of).sum());
    format!(
        "; at {:.0} s it had sent {} stanzas, {} were delivered, {} bounced, {} under way, and all of these are missing in the figures",
        last.at_seconds,
        sum(|part| part.sent),
        sum(|part| part.delivered),
        sum(|part| part.bounced),
        figure::count(last.under_way),
    )
}

/// Raises the minimum at the scenario's times, and tells of it.
fn raise(scenario: &Scenario, host: &Rc<Host>, began: Instant) -> UnboundedReceiver<Event> {
    let (sender, receiver) = unbounded_channel();
    let mut planned: Vec<(u32, Rung)> = scenario
        .event
        .iter()
        .filter(|event| event.what == What::RaiseMinimum)
        .filter_map(|event| Some((event.at_seconds, event.minimum?)))
        .collect();
    planned.sort_by_key(|(at_seconds, _)| *at_seconds);
    let host = Rc::clone(host);
    spawn_local(async move {
        for (at_seconds, minimum) in planned {
            tokio::time::sleep_until(began + seconds_of(at_seconds)).await;
            let at_seconds = rounded(began.elapsed().as_secs_f64(), 3);
            let what = host.raise(minimum).await;
            let _ = sender.send(Event { at_seconds, what });
        }
        // The receiver is asked until the end of the run.
        sender.closed().await;
    });
    receiver
}
