//! What all parts of one running federation share. Everything runs on one thread, so cells are enough.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::{Notify, Semaphore};
use xmpp_frame::Frame;

use super::census::{Census, Direction};
use super::ledger::Ledger;
use super::links::Links;
use super::meter::Meter;
use super::outbox::{Call, Outbox};
use super::payload::{self, Mark};
use super::plan::{Behaviour, Manner, RouterAddress, Rung};
use super::template::Template;
use super::tls::{DomainTls, Judge};
use crate::random::mix;

/// Handshakes under way at once: more would measure the queue for the processor, not the router.
const OPENING_MAX: usize = 32;

/// One remote domain while it runs.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) domain: String,
    pub(crate) behaviour: Behaviour,
    pub(crate) listen: SocketAddr,
    pub(crate) manner: Manner,
    pub(crate) tls: Option<DomainTls>,
    pub(crate) recall: Recall,
}

impl Remote {
    /// Waits until a connection of this remote is old enough to be reset; for ever where none is.
    pub(crate) async fn reset_due(&self) {
        match self.manner {
            Manner::Resetting(after) => tokio::time::sleep(after).await,
            _ => std::future::pending().await,
        }
    }
}

/// Asks the connections that a remote has accepted to end.
#[derive(Debug, Default)]
pub(crate) struct Recall {
    count: Cell<u32>,
    called: Notify,
    is_dead: Cell<bool>,
}

impl Recall {
    pub(crate) fn call(&self, call: Call) {
        self.is_dead.set(self.is_dead.get() || call == Call::Die);
        self.count.set(self.count.get() + 1);
        self.called.notify_waiters();
    }

    /// How often it was called; a connection remembers the count that it began with.
    pub(crate) fn count(&self) -> u32 {
        self.count.get()
    }

    /// Whether it stays away from now on.
    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.get()
    }

    /// Waits for a call after `seen`, without which only death counts.
    pub(crate) async fn called_after(&self, seen: Option<u32>) {
        while !self.is_dead() && seen.is_none_or(|seen| seen == self.count.get()) {
            self.called.notified().await;
        }
    }
}

/// Stanzas from one address to another.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) template: Template,
    pub(crate) outbox: Rc<Outbox>,
    /// Comes back to its sender and is counted there.
    pub(crate) echoed: bool,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) remotes: HashMap<String, Rc<Remote>>,
    pub(crate) router: RouterAddress,
    pub(crate) judge: Judge,
    pub(crate) dialback_secret: String,
    pub(crate) flows: RefCell<Vec<Flow>>,
    pub(crate) ledger: RefCell<Ledger>,
    pub(crate) census: RefCell<Census>,
    pub(crate) meter: Rc<Meter>,
    pub(crate) links: Rc<Links>,
    pub(crate) opening: Semaphore,
    /// Told when outstanding stanzas fall to `low_water`.
    pub(crate) settled: Notify,
    pub(crate) low_water: Cell<u64>,
    /// Stanzas in a write of a remote at most; without, all that wait.
    pub(crate) write_stanzas: Cell<Option<NonZeroU32>>,
    began: Instant,
    stream_ids: Cell<u64>,
}

/// Where to call a domain.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) direct: bool,
}

impl World {
    pub(crate) fn new(
        remotes: HashMap<String, Rc<Remote>>,
        router: RouterAddress,
        judge: Judge,
        seed: u64,
    ) -> World {
        World {
            remotes,
            router,
            judge,
            dialback_secret: format!("{:016x}{:016x}", mix(seed), mix(seed ^ 1)),
            flows: RefCell::default(),
            ledger: RefCell::new(Ledger::new(0)),
            census: RefCell::default(),
            meter: Rc::default(),
            links: Rc::default(),
            opening: Semaphore::new(OPENING_MAX),
            settled: Notify::new(),
            low_water: Cell::new(0),
            write_stanzas: Cell::new(None),
            began: Instant::now(),
            stream_ids: Cell::new(mix(seed ^ 2)),
        }
    }

    /// Nanoseconds since the run began.
    pub(crate) fn now_ns(&self) -> u64 {
        // Five centuries fit.
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn stream_id(&self) -> String {
        self.stream_ids.set(self.stream_ids.get().wrapping_add(1));
        format!("{:016x}", mix(self.stream_ids.get()))
    }

    /// Remotes of this federation are called where they listen, every other name at the router under test; through a pump all are.
    pub(crate) fn target(&self, caller: &Remote, domain: &str) -> Target {
        let behind_pump = caller.behaviour == Behaviour::Pumped;
        match self.remotes.get(domain).filter(|_| !behind_pump) {
            Some(remote) => Target { address: remote.listen, direct: remote.behaviour.is_direct() },
            None => match (caller.behaviour.is_direct(), self.router.direct_tls) {
                (true, Some(address)) => Target { address, direct: true },
                _ => Target { address: self.router.starttls, direct: false },
            },
        }
    }

    /// Counts a stanza that arrived. What has to be echoed is written into `echo`.
    pub(crate) fn arrive(&self, frame: &Frame, now_ns: u64, echo: Option<&mut Vec<u8>>) {
        let flows = self.flows.borrow();
        let (Some(id), Some(from), Some(to)) = (frame.id(), frame.from(), frame.to()) else {
            return self.ledger.borrow_mut().foreign();
        };
        let marked = Mark::from_id(id.as_bytes())
            .and_then(|mark| Some((mark, flows.get(mark.flow as usize)?)));
        let Some((mark, flow)) = marked else { return self.ledger.borrow_mut().foreign() };
        let forth = from == flow.from && to == flow.to;
        let back = from == flow.to && to == flow.from;
        let mut ledger = self.ledger.borrow_mut();
        if frame.type_().as_deref() == Some("error") && (back || forth && flow.echoed) {
            ledger.bounce(mark, condition(frame.bytes()));
            return;
        }
        match flow.template.read(mark, frame) {
            Some(payload) => match (forth, back, flow.echoed, echo) {
                (true, _, true, Some(echo)) => {
                    ledger.turn(mark);
                    flow.template.write_back(mark.sequence, payload.intended_ns, echo);
                }
                (true, _, false, _) | (_, true, true, _) => {
                    ledger.deliver(mark, now_ns.saturating_sub(payload.intended_ns));
                }
                _ => ledger.corrupt(),
            },
            None => ledger.corrupt(),
        }
    }

    /// A stanza arrived where it does not belong, whatever it says: at a domain that it is not addressed to, on a stream that must not
    /// carry it.
    pub(crate) fn stray(&self) {
        self.ledger.borrow_mut().corrupt();
    }

    /// To be called after a batch of arrivals.
    pub(crate) fn batch_arrived(&self) {
        if self.ledger.borrow().tally().outstanding() <= self.low_water.get() {
            self.settled.notify_one();
        }
    }

    /// To be called when nothing is under way any more: takes what was on streams that the server ended with an error, and was never
    /// read there, out of the books.
    pub(crate) fn settle_cut_off(&self) {
        let mut ledger = self.ledger.borrow_mut();
        for (flow, number) in self.flows.borrow().iter().zip(0..) {
            if flow.outbox.is_cut_off() {
                ledger.cut_off(number);
            }
        }
    }

    /// Takes what was never sent out of the books.
    pub(crate) fn withdraw(&self, unsent: &[u8]) {
        let mut ledger = self.ledger.borrow_mut();
        for mark in payload::marks(unsent) {
            ledger.withdraw(mark);
        }
    }
}

/// One pair that may send, counted as long as it lives.
pub(crate) struct Session {
    world: Rc<World>,
    direction: Direction,
    rung: Rung,
}

impl Session {
    pub(crate) fn begin(world: &Rc<World>, direction: Direction, rung: Rung) -> Session {
        world.census.borrow_mut().begin(direction, rung);
        Session { world: Rc::clone(world), direction, rung }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.world.census.borrow_mut().end(self.direction, self.rung);
    }
}

/// The condition in an error stanza (RFC 6120 §8.3.3): the child of `<error/>` in that namespace.
fn condition(stanza: &[u8]) -> &str {
    const UNKNOWN: &str = "without condition";
    let Some(error) = memchr::memmem::find(stanza, b"<error") else { return UNKNOWN };
    let inside = stanza.get(error + 1..).unwrap_or_default();
    let Some(child) = memchr::memchr(b'<', inside).and_then(|at| inside.get(at + 1..)) else {
        return UNKNOWN;
    };
    let end =
        child.iter().position(|byte| !(byte.is_ascii_lowercase() || *byte == b'-')).unwrap_or(0);
    match std::str::from_utf8(&child[..end]) {
        Ok(name) if !name.is_empty() => name,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use xmpp_frame::{Framer, Item, Limits};

    use super::*;
    use crate::federation::ledger::Tally;
    use crate::federation::template::Repertoire;

    const ROMEO: &str = "romeo@montague.example";
    const JULIET: &str = "juliet@capulet.example";

    /// A world in which Romeo has sent Juliet so many stanzas, and these.
    fn sent(stanzas: u32, echoed: bool) -> (World, Vec<String>) {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let router = RouterAddress { starttls: nowhere, direct_tls: None };
        let world = World::new(HashMap::new(), router, Judge::new(Vec::new()), 1);
        let number = world.ledger.borrow_mut().add_flow_in(0);
        let repertoire = Rc::new(Repertoire::text(100));
        let template = Template::new(number, ROMEO, JULIET, &repertoire);
        let written = (0..stanzas).map(|_| {
            let mut stanza = Vec::new();
            template.write(world.ledger.borrow_mut().send(number), 0, &mut stanza);
            String::from_utf8(stanza).unwrap()
        });
        let written = written.collect();
        let (from, to) = (ROMEO.to_owned(), JULIET.to_owned());
        let flow = Flow { from, to, template, outbox: Rc::default(), echoed };
        world.flows.borrow_mut().push(flow);
        (world, written)
    }

    fn arrive(world: &World, stanza: &str, echo: Option<&mut Vec<u8>>) {
        let mut framer = Framer::new(Limits::AUTHENTICATED);
        let header =
            "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server'>";
        framer.buffer().extend_from_slice(header.as_bytes());
        framer.buffer().extend_from_slice(stanza.as_bytes());
        assert!(matches!(framer.next(), Ok(Some(Item::Header(_)))));
        let Ok(Some(Item::Element(frame))) = framer.next() else { panic!("{stanza}") };
        world.arrive(&frame, 1, echo);
    }

    fn error(from: &str, to: &str) -> String {
        format!(
            "<message from='{from}' to='{to}' id='pg-00000000-00000000' type='error'><error><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )
    }

    #[test]
    fn a_stanza_or_a_bounce_between_others_is_misaddressed() {
        let (world, stanzas) = sent(1, false);
        let (evil, nurse) = ("tybalt@montague.example", "nurse@capulet.example");
        for (count, stray) in [
            stanzas[0].replace(ROMEO, evil),
            stanzas[0].replace(JULIET, nurse),
            error(nurse, ROMEO),
            error(JULIET, evil),
            error(evil, nurse),
            // Nobody returns a stanza to whom it was for.
            error(ROMEO, JULIET),
        ]
        .iter()
        .zip(1..)
        .map(|(stray, count)| (count, stray))
        {
            arrive(&world, stray, None);
            let tally = Tally { sent: 1, corrupted: count, ..Tally::default() };
            assert_eq!(world.ledger.borrow().tally(), tally, "{stray}");
        }
        arrive(&world, &error(JULIET, ROMEO), None);
        assert_eq!(world.ledger.borrow().tally().bounced, 1);
    }

    #[test]
    fn an_echo_is_delivered_when_it_has_come_back_and_not_where_it_turns() {
        let (world, stanzas) = sent(3, true);
        let delivered = || world.ledger.borrow().tally().delivered;
        let mut echo = Vec::new();
        arrive(&world, &stanzas[1], Some(&mut echo));
        assert_eq!(delivered(), 0);
        // It has been read, and so has the one before it; nobody knows of the one behind.
        world.ledger.borrow_mut().cut_off(0);
        assert_eq!(world.ledger.borrow().tally(), Tally { sent: 2, ..Tally::default() });
        arrive(&world, std::str::from_utf8(&echo).unwrap(), None);
        assert_eq!(delivered(), 1);
        // Where nothing turns it has no business.
        arrive(&world, &stanzas[0], None);
        let tally = Tally { sent: 2, delivered: 1, corrupted: 1, ..Tally::default() };
        assert_eq!(world.ledger.borrow().tally(), tally);
        // The echo may bounce, too.
        arrive(&world, &error(ROMEO, JULIET), Some(&mut echo));
        assert_eq!(world.ledger.borrow().tally().bounced, 1);
    }

    #[test]
    fn the_condition_of_a_bounce_is_read() {
        let stanza = b"<message type='error'><body>x</body><error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
        assert_eq!(condition(stanza), "remote-server-not-found");
        assert_eq!(condition(b"<message type='error'/>"), "without condition");
        assert_eq!(condition(b"<message type='error'><error/></message>"), "without condition");
    }
}
