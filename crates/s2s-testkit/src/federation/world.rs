//! What all parts of one running federation share. Everything runs on one thread, so cells are enough.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;
use tokio::sync::{Notify, Semaphore};
use xmpp_frame::Frame;

use super::census::{Census, Direction};
use super::ledger::Ledger;
use super::outbox::Outbox;
use super::payload::{self, Mark, Payload, Template};
use super::plan::{Behaviour, RouterAddress, Rung};
use super::tls::{DomainTls, Judge};

/// Handshakes under way at once: more would measure the queue for the processor, not the router.
const OPENING_MAX: usize = 32;

/// One remote domain while it runs.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) domain: String,
    pub(crate) behaviour: Behaviour,
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<DomainTls>,
    pub(crate) direct_client: Option<Arc<ClientConfig>>,
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
    pub(crate) opening: Semaphore,
    /// Told when outstanding stanzas fall to `low_water`.
    pub(crate) settled: Notify,
    pub(crate) low_water: Cell<u64>,
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
            opening: Semaphore::new(OPENING_MAX),
            settled: Notify::new(),
            low_water: Cell::new(0),
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

    /// Remotes of this federation are called where they listen, every other name at the router under test.
    pub(crate) fn target(&self, caller: &Remote, domain: &str) -> Target {
        match self.remotes.get(domain) {
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
        let body = payload::body(frame.bytes());
        match body.and_then(Payload::from_body) {
            Some(payload) if payload.mark == mark => match (forth, back, flow.echoed, echo, body) {
                (true, _, true, Some(echo), Some(body)) => reply(flow, &id, body, echo),
                (true, _, false, _, _) | (_, true, true, _, _) => {
                    ledger.deliver(mark, now_ns.saturating_sub(payload.intended_ns));
                }
                _ => ledger.corrupt(),
            },
            _ => ledger.corrupt(),
        }
    }

    /// To be called after a batch of arrivals.
    pub(crate) fn batch_arrived(&self) {
        if self.ledger.borrow().tally().outstanding() <= self.low_water.get() {
            self.settled.notify_one();
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

fn reply(flow: &Flow, id: &str, body: &[u8], out: &mut Vec<u8>) {
    for part in ["<message from='", &flow.to, "' to='", &flow.from, "' id='", id, "'><body>"] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(body);
    out.extend_from_slice(b"</body></message>");
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

/// SplitMix64: one number of a seeded sequence.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_of_a_bounce_is_read() {
        let stanza = b"<message type='error'><body>x</body><error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
        assert_eq!(condition(stanza), "remote-server-not-found");
        assert_eq!(condition(b"<message type='error'/>"), "without condition");
        assert_eq!(condition(b"<message type='error'><error/></message>"), "without condition");
    }
}
