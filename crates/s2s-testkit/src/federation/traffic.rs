//! Work for a federation: which flows, how fast, how long, and what came of it.

use std::rc::Rc;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::ledger::Tally;
use super::outbox::{Outbox, WasEmpty};
use super::world::{World, mix};

/// How often due stanzas are looked for.
const TICK: Duration = Duration::from_millis(1);
/// Stanzas written before others get a turn.
const BURST_MAX: u32 = 4096;
/// Time between two looks at whether anything still arrives.
const DRAIN_TICK: Duration = Duration::from_millis(20);

/// When stanzas are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Open loop: so many a second, each at a time fixed before the run. Latency counts from that time.
    Rate(f64),
    /// Closed loop: as fast as it goes with so many under way.
    Window(u64),
}

/// One run over a set of flows.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// When stanzas are sent.
    pub pace: Pace,
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
    /// Stanzas that could not be handed out because their link was gone.
    pub skipped: u64,
    /// Longest delay between a stanza's intended time and its writing, in microseconds: what the sender itself added.
    pub behind_us_max: u64,
}

/// Sends for `work.duration` over `flows` (in an order shuffled by `seed`), then waits for what is under way.
pub(crate) async fn run(world: &World, flows: &[u32], work: Work, seed: u64) -> Outcome {
    let before = world.ledger.borrow().tally();
    world.ledger.borrow_mut().forget_latency();
    let began_ns = world.now_ns();
    let mut sender = Sender::new(world, flows, seed);
    match work.pace {
        _ if flows.is_empty() => {}
        Pace::Rate(rate) => sender.open_loop(rate, work.duration).await,
        Pace::Window(window) => sender.closed_loop(window, work.duration).await,
    }
    let last_ns = drain(world, work.patience).await;
    let ledger = world.ledger.borrow();
    Outcome {
        tally: ledger.tally() - before,
        elapsed: Duration::from_nanos(last_ns.saturating_sub(began_ns)),
        latency_us: ledger.latency_us().clone(),
        skipped: sender.skipped,
        behind_us_max: sender.behind_ns_max / 1000,
    }
}

/// One stanza in each flow, so that every session that the flows need is open afterwards.
pub(crate) async fn once(world: &World, flows: &[u32], patience: Duration) {
    let mut sender = Sender::new(world, flows, 0);
    for _ in flows {
        // Sessions are opened a few at a time: this is to open them, not to try how many open at once.
        while world.ledger.borrow().tally().outstanding() >= 64 {
            let before = world.ledger.borrow().tally().settled();
            if tokio::time::timeout(patience, world.progress(before)).await.is_err() {
                break;
            }
        }
        sender.next(world.now_ns());
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
    order: Vec<u32>,
    next: usize,
    /// Outboxes that were empty before this batch.
    to_wake: Vec<Rc<Outbox>>,
    skipped: u64,
    behind_ns_max: u64,
}

impl<'a> Sender<'a> {
    fn new(world: &'a World, flows: &[u32], seed: u64) -> Sender<'a> {
        let mut order = flows.to_vec();
        order.sort_by_key(|&flow| mix(seed ^ u64::from(flow)));
        Sender { world, order, next: 0, to_wake: Vec::new(), skipped: 0, behind_ns_max: 0 }
    }

    /// Stanza k is due at k / rate, whatever happens to those before it.
    async fn open_loop(&mut self, rate: f64, duration: Duration) {
        let start_ns = self.world.now_ns();
        let total = (rate * duration.as_secs_f64()) as u64;
        let mut sent = 0;
        while sent < total {
            let passed_ns = self.world.now_ns() - start_ns;
            let due = ((passed_ns as f64 * rate / 1e9) as u64).min(total);
            let mut burst = 0;
            while sent < due && burst < BURST_MAX {
                let intended_ns = start_ns + (sent as f64 * 1e9 / rate) as u64;
                self.behind_ns_max = self.behind_ns_max.max(passed_ns + start_ns - intended_ns);
                self.wait_for_room().await;
                self.next(intended_ns);
                sent += 1;
                burst += 1;
            }
            self.flush();
            if sent < due {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(TICK).await;
            }
        }
    }

    async fn closed_loop(&mut self, window: u64, duration: Duration) {
        let start_ns = self.world.now_ns();
        let duration_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // Refilled in quarters: stanzas leave in batches, and the server never runs dry.
        self.world.low_water.set(window - window.div_ceil(4));
        while self.world.now_ns() - start_ns < duration_ns {
            let outstanding = self.world.ledger.borrow().tally().outstanding();
            let skipped = self.skipped;
            for _ in outstanding..window {
                self.wait_for_room().await;
                self.next(self.world.now_ns());
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

    /// Waits for the link that is next. Nothing is dropped and the intended times stay: waiting shows as latency.
    async fn wait_for_room(&mut self) {
        let flow = self.order[self.next % self.order.len()];
        let outbox = match self.world.flows.borrow().get(flow as usize) {
            Some(flow) if flow.outbox.is_full() => Rc::clone(&flow.outbox),
            _ => return,
        };
        self.flush();
        outbox.room().await;
    }

    /// Writes the next stanza in turn into its outbox.
    fn next(&mut self, intended_ns: u64) {
        let number = self.order[self.next % self.order.len()];
        self.next += 1;
        let mut flows = self.world.flows.borrow_mut();
        let Some(flow) = flows.get_mut(number as usize) else { return };
        if flow.outbox.has_ended() {
            self.skipped += 1;
            return;
        }
        let sequence = self.world.ledger.borrow_mut().send(number);
        let template = &mut flow.template;
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
