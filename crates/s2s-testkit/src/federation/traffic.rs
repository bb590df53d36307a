//! Work for a federation: which flows, how fast, how long, and what came of it.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::ledger::Tally;
use super::outbox::{Outbox, WasEmpty};
use super::schedule::{Arrivals, Due, Popularity, Schedule, Turns};
use super::world::World;

/// How often due stanzas are looked for.
const TICK: Duration = Duration::from_millis(1);
/// Stanzas written before others get a turn.
const BURST_MAX: u32 = 4096;
/// Flows that [`once`] waits for at a time.
const OPENING: u64 = 64;
/// Of a hundred flows so many may be without any answer before [`once`] gives up.
const STUCK_PERCENT_MAX: u64 = 5;
/// Time between two looks at whether anything still arrives.
const DRAIN_TICK: Duration = Duration::from_millis(20);

/// When stanzas are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Open loop: so many a second in the mean, each at a time fixed before the run. Latency counts from that time.
    Rate(f64),
    /// Closed loop: as fast as it goes with so many under way.
    Window(u64),
}

/// One run over a set of flows.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// When stanzas are sent.
    pub pace: Pace,
    /// How the times of an open loop lie.
    pub arrivals: Arrivals,
    /// How often each flow has its turn.
    pub popularity: Popularity,
    /// How long they are sent.
    pub duration: Duration,
    /// How long nothing may arrive before what is missing is given up for lost.
    pub patience: Duration,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happened during the run.
    pub tally: Tally,
    /// From the first stanza to the last arrival.
    pub elapsed: Duration,
    /// Microseconds from the intended time to the arrival; deliveries only.
    pub latency_us: Histogram<u64>,
    /// Stanzas that were due and never left, because their link was gone or went before they were written, or before they were read.
    pub skipped: u64,
    /// Longest delay between a stanza's intended time and its writing, in microseconds: what the sender itself added.
    pub behind_us_max: u64,
}

/// Sends for `work.duration` over `flows`, whose turns follow from `seed`, then waits for what is under way.
pub(crate) async fn run(world: &World, flows: &[u32], work: Work, seed: u64) -> Outcome {
    let before = world.ledger.borrow().tally();
    let withdrawn_before = world.ledger.borrow().withdrawn();
    world.ledger.borrow_mut().forget_latency();
    let began_ns = world.now_ns();
    let turns = Turns::new(flows, work.popularity, seed);
    let mut sender = Sender::new(world);
    match work.pace {
        Pace::Rate(rate) => {
            let schedule = Schedule::new(rate, work.arrivals, turns, seed);
            sender.open_loop(schedule, work.duration).await;
        }
        Pace::Window(window) => sender.closed_loop(window, turns, work.duration).await,
    }
    let last_ns = drain(world, work.patience).await;
    world.settle_cut_off();
    let ledger = world.ledger.borrow();
    Outcome {
        tally: ledger.tally() - before,
        elapsed: Duration::from_nanos(last_ns.saturating_sub(began_ns)),
        latency_us: ledger.latency_us().clone(),
        skipped: sender.skipped + ledger.withdrawn() - withdrawn_before,
        behind_us_max: sender.behind_ns_max / 1000,
    }
}

/// One stanza in each flow, so that every session that the flows need is open afterwards. When nothing comes of more than a few in a
/// hundred, the others are spared.
pub(crate) async fn once(world: &World, flows: &[u32], patience: Duration) {
    let mut sender = Sender::new(world);
    let outstanding = || world.ledger.borrow().tally().outstanding();
    // What nothing has come of for so long does not stand in the way of the others.
    let mut stuck = 0;
    for &flow in flows {
        // Sessions are opened a few at a time: this is to open them, not to try how many open at once.
        while outstanding() >= stuck + OPENING {
            let before = world.ledger.borrow().tally().settled();
            if tokio::time::timeout(patience, world.progress(before)).await.is_err() {
                stuck = outstanding();
            }
            if stuck * 100 > STUCK_PERCENT_MAX * flows.len() as u64 {
                drain(world, patience).await;
                return;
            }
        }
        sender.send(flow, world.now_ns());
        sender.flush();
    }
    drain(world, patience).await;
}

/// Waits until nothing is under way, or nothing has arrived for `patience`. Answers the time of the last arrival.
async fn drain(world: &World, patience: Duration) -> u64 {
    let mut settled = world.ledger.borrow().tally().settled();
    let mut last_ns = world.now_ns();
    let patience_ns = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
    loop {
        let tally = world.ledger.borrow().tally();
        let now_ns = world.now_ns();
        if tally.settled() != settled {
            settled = tally.settled();
            last_ns = now_ns;
        }
        if tally.outstanding() == 0 || now_ns - last_ns > patience_ns {
            return last_ns;
        }
        tokio::time::sleep(DRAIN_TICK).await;
    }
}

impl World {
    async fn progress(&self, settled: u64) {
        while self.ledger.borrow().tally().settled() == settled {
            tokio::time::sleep(TICK).await;
        }
    }
}

struct Sender<'a> {
    world: &'a World,
    /// Outboxes that were empty before this batch.
    to_wake: Vec<Rc<Outbox>>,
    skipped: u64,
    behind_ns_max: u64,
}

impl<'a> Sender<'a> {
    fn new(world: &'a World) -> Sender<'a> {
        Sender { world, to_wake: Vec::new(), skipped: 0, behind_ns_max: 0 }
    }

    /// Each stanza is due at its time, whatever happens to those before it.
    async fn open_loop(&mut self, schedule: Schedule, duration: Duration) {
        let start_ns = self.world.now_ns();
        let duration_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let mut dues = schedule.take_while(|due| due.at_ns < duration_ns);
        let mut next = dues.next();
        while next.is_some() {
            let passed_ns = self.world.now_ns() - start_ns;
            let mut burst = 0;
            while let Some(Due { at_ns, flow }) = next.filter(|due| due.at_ns <= passed_ns)
                && burst < BURST_MAX
            {
                self.behind_ns_max = self.behind_ns_max.max(passed_ns - at_ns);
                self.wait_for_room(flow).await;
                self.send(flow, start_ns + at_ns);
                next = dues.next();
                burst += 1;
            }
            self.flush();
            if burst == BURST_MAX {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(TICK).await;
            }
        }
    }

    async fn closed_loop(&mut self, window: u64, turns: Turns, duration: Duration) {
        // Where a write has a size, each is to have it.
        let run = self.world.write_stanzas.get().unwrap_or(NonZeroU32::MIN);
        let mut turns = turns.in_runs(run);
        let run = u64::from(run.get());
        let start_ns = self.world.now_ns();
        let duration_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // Refilled in quarters: stanzas leave in batches, and the server never runs dry.
        self.world.low_water.set(window - window.div_ceil(4));
        while self.world.now_ns() - start_ns < duration_ns {
            let outstanding = self.world.ledger.borrow().tally().outstanding();
            let skipped = self.skipped;
            // One look at the clock for all: those behind a link without room are the later, and that shows.
            let now_ns = self.world.now_ns();
            for _ in 0..window.saturating_sub(outstanding) / run * run {
                let Some(flow) = turns.next() else { return };
                self.wait_for_room(flow).await;
                self.send(flow, now_ns);
            }
            self.flush();
            if self.skipped - skipped > window {
                return;
            }
            // The timeout is for the end of the run when nothing arrives any more.
            let _ = tokio::time::timeout(Duration::from_millis(50), self.world.settled.notified())
                .await;
        }
        self.world.low_water.set(0);
    }

    /// Waits for the link of a flow. Nothing is dropped and the intended times stay: waiting shows as latency.
    async fn wait_for_room(&mut self, flow: u32) {
        let outbox = match self.world.flows.borrow().get(flow as usize) {
            Some(flow) if flow.outbox.is_full() => Rc::clone(&flow.outbox),
            _ => return,
        };
        self.flush();
        outbox.room().await;
    }

    /// Writes the next stanza of a flow into its outbox.
    fn send(&mut self, number: u32, intended_ns: u64) {
        let flows = self.world.flows.borrow();
        let Some(flow) = flows.get(number as usize) else { return };
        if flow.outbox.has_ended() {
            self.world.ledger.borrow_mut().skip(number);
            self.skipped += 1;
            return;
        }
        let sequence = self.world.ledger.borrow_mut().send(number);
        let template = &flow.template;
        if flow.outbox.push(|out| template.write(sequence, intended_ns, out)) == WasEmpty(true) {
            self.to_wake.push(Rc::clone(&flow.outbox));
        }
    }

    fn flush(&mut self) {
        for outbox in self.to_wake.drain(..) {
            outbox.wake();
        }
    }
}
