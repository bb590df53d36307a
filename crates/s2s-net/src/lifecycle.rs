//! How links come to be and how they end: accepted, adopted, connected; idle, stalled, drained.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use s2s_proto::{
    ComponentStream, InboundStream, Input, Millis, OutboundOptions, OutboundStream, TlsState,
};
use s2s_route::{AttemptId, Avoid, ConnectFailure, LinkId, Target, TlsMode};
use tracing::{debug, warn};
use xmpp_addr::DomainPair;

use crate::link::{Link, LinkState, Side, Stream};
use crate::negotiate::link_end;
use crate::room::Used;
use crate::settings::ListenerKind;
use crate::shard::{Mail, Shard};
use crate::sys::Socket;
use crate::tasks;

/// After our last word the peer's last bytes are read this long, so that the kernel does not
/// answer them with a reset that would overtake what we sent.
const LINGER_MS: u64 = 2_000;

/// Entries of closed links that the queue of candidates for closing holds before it is cleared.
const QUEUE_SLACK: usize = 64;

/// A write that makes no progress for so long means that the peer is gone.
const STALL_MS: u64 = 60_000;

impl Shard {
    /// A connection was accepted.
    pub(crate) fn accepted(self: &Rc<Self>, socket: Socket, kind: ListenerKind) {
        let now = self.now();
        let Ok(peer) = socket.peer_address() else {
            return debug!("connection lost at once");
        };
        if kind == ListenerKind::Backend && !self.admits_backend(peer) {
            return socket.shutdown();
        }
        let side = match kind {
            ListenerKind::Backend => Side::Backend,
            ListenerKind::S2s | ListenerKind::S2sDirectTls | ListenerKind::Component => {
                Side::Federation
            }
        };
        if !self.is_open_to(side) || !self.make_room(now) {
            self.count(|counters| counters.refused_for_room += 1);
            return socket.shutdown();
        }
        let live = self.live();
        let stream = match kind {
            ListenerKind::Component => Stream::Component {
                stream: Box::new(ComponentStream::new(live.component.clone(), self.seed())),
                entry: None,
                settings: Arc::clone(&live.settings),
            },
            ListenerKind::S2s | ListenerKind::Backend => self.inbound_stream(side, TlsState::Plain),
            ListenerKind::S2sDirectTls => self.inbound_stream(side, TlsState::Direct),
        };
        self.count(|counters| match kind {
            ListenerKind::Component => counters.accepted_components += 1,
            ListenerKind::S2s | ListenerKind::S2sDirectTls => counters.accepted += 1,
            ListenerKind::Backend => counters.accepted_backends += 1,
        });
        let link = self.new_link(socket, peer, stream, side, now);
        self.watch_newcomer(&link);
        {
            let state = &mut *link.state.borrow_mut();
            state.steerable =
                matches!(kind, ListenerKind::S2s | ListenerKind::Backend) && self.common.shards > 1;
            if kind == ListenerKind::S2sDirectTls {
                self.begin_tls(&link, state, true);
            } else {
                state.stream.handle(now, Input::Connected);
            }
        }
        self.begin(&link, now);
    }

    /// A connection that another shard accepted for a remote domain of ours.
    pub(crate) fn adopt(
        self: &Rc<Self>,
        now: Millis,
        stream: std::net::TcpStream,
        side: Side,
        bytes: &[u8],
    ) {
        let socket = match Socket::adopt(stream) {
            Ok(socket) => socket,
            Err(error) => return warn!(%error, "cannot adopt a connection"),
        };
        if !self.is_open_to(side) || !self.make_room(now) {
            self.count(|counters| counters.refused_for_room += 1);
            return socket.shutdown();
        }
        let Ok(peer) = socket.peer_address() else {
            return debug!("connection lost at once");
        };
        let stream = self.inbound_stream(side, TlsState::Plain);
        let link = self.new_link(socket, peer, stream, side, now);
        self.watch_newcomer(&link);
        link.state.borrow_mut().stream.handle(now, Input::Connected);
        self.begin(&link, now);
        self.on_bytes(&link, &mut bytes.to_vec(), 0);
    }

    /// A connection to a target of `attempt` stands.
    pub(crate) fn connected(
        self: &Rc<Self>,
        socket: Socket,
        attempt: AttemptId,
        pair: DomainPair,
        target: &Target,
        avoid: Avoid,
    ) {
        let now = self.now();
        self.count(|counters| counters.connected += 1);
        let direct = target.tls == TlsMode::Direct;
        let tls = if direct { TlsState::Direct } else { TlsState::Plain };
        let live = self.live();
        let options = OutboundOptions { dialback_first: avoid.external, tls };
        let has_identity =
            live.settings.hosted(pair.sender()).is_some_and(|entry| entry.identity.is_some());
        let config = if has_identity { &live.outbound } else { &live.outbound_anonymous };
        let mut config = Arc::clone(config);
        if avoid.bidi {
            Arc::make_mut(&mut config).bidi = false;
        }
        let outbound = OutboundStream::new(config, pair.clone(), options);
        let stream = Stream::Outbound { stream: Box::new(outbound), pair };
        // Room was made before the attempt.
        let link = self.new_link(socket, target.address, stream, Side::Federation, now);
        {
            let state = &mut *link.state.borrow_mut();
            if direct {
                self.begin_tls(&link, state, true);
            } else {
                state.stream.handle(now, Input::Connected);
            }
        }
        let mut actions = Vec::new();
        // First of all, so that the router knows the link when its stream ends at once.
        self.router.borrow_mut().connected(now, attempt, link.id, target, &mut actions);
        self.settle(now, &link, &mut link.state.borrow_mut(), &mut actions);
        self.perform(now, actions);
        self.begin(&link, now);
    }

    /// A connection attempt came to nothing.
    pub(crate) fn not_connected(self: &Rc<Self>, attempt: AttemptId, failure: ConnectFailure) {
        let now = self.now();
        self.count(|counters| counters.connect_failures += 1);
        let mut actions = Vec::new();
        self.router.borrow_mut().connect_failed(now, attempt, failure, &mut actions);
        self.perform(now, actions);
    }

    fn inbound_stream(&self, side: Side, tls: TlsState) -> Stream {
        let live = self.live();
        let config = match side {
            Side::Federation => &live.inbound,
            Side::Backend => &live.inbound_backend,
        };
        Stream::Inbound(Box::new(InboundStream::new(Arc::clone(config), self.seed(), tls)))
    }

    /// A link whose other end is `peer`. It may be lost already: then its first read says so.
    pub(crate) fn new_link(
        &self,
        socket: Socket,
        peer: SocketAddr,
        stream: Stream,
        side: Side,
        now: Millis,
    ) -> Rc<Link> {
        if let Err(error) = socket.set_link_options() {
            debug!(%peer, %error, "options of a connection");
        }
        let live = self.live();
        let mut links = self.links.borrow_mut();
        let entry = links.vacant_entry();
        self.generation.set(self.generation.get().wrapping_add(1));
        let id = LinkId {
            shard: self.id,
            index: u32::try_from(entry.key()).unwrap_or(u32::MAX),
            generation: self.generation.get(),
        };
        let is_component = matches!(stream, Stream::Component { .. });
        let state = LinkState::new(stream, side, live.preauth, live.authenticated, now);
        let link = Rc::new(Link { id, socket, peer, state: RefCell::new(state) });
        entry.insert(Rc::clone(&link));
        let open = links.len();
        drop(links);
        if !is_component {
            self.gauges.borrow_mut().links += 1;
            let mut by_use = self.by_use.borrow_mut();
            by_use.push(Reverse(Used { at: now.0, id }));
            if by_use.len() > 2 * open + QUEUE_SLACK {
                by_use.retain(|Reverse(used)| self.link(used.id).is_some());
            }
        }
        link
    }

    /// Starts the reading task and does what the stream wanted at its birth.
    pub(crate) fn begin(self: &Rc<Self>, link: &Rc<Link>, now: Millis) {
        let mut actions = Vec::new();
        self.settle(now, link, &mut link.state.borrow_mut(), &mut actions);
        tasks::spawn_reader(self, link);
        self.perform(now, actions);
        self.after_step(link);
    }

    /// After every step of a link: write what there is to write, arm its timer.
    pub(crate) fn after_step(self: &Rc<Self>, link: &Rc<Link>) {
        let state = &mut *link.state.borrow_mut();
        if state.gone {
            return;
        }
        if !state.writing
            && (state.backlog() > 0 || state.closing.is_some() && state.linger_until.is_none())
        {
            state.writing = true;
            tasks::spawn_writer(self, link);
        }
        self.arm(link, state);
    }

    fn arm(&self, link: &Link, state: &mut LinkState) {
        let idle_ms = u64::from(self.live.borrow().settings.timeouts.idle_secs) * 1_000;
        let mut due = state.deadline.unwrap_or(Millis(u64::MAX));
        due = state.idle_at(idle_ms).into_iter().chain(state.peer_idle_at()).fold(due, Millis::min);
        if let Some(since) = state.write_since {
            due = due.min(since.after(STALL_MS));
        }
        due = state.linger_until.into_iter().chain(state.tls_until).fold(due, Millis::min);
        if due.0 < u64::MAX && state.armed.is_none_or(|armed| due < armed) {
            state.armed = Some(due);
            self.wheel.borrow_mut().arm(link.id, due);
        }
    }

    /// A timer of this link fired; it may be an old one.
    pub(crate) fn on_timer(self: &Rc<Self>, id: LinkId, now: Millis) {
        let Some(link) = self.link(id) else { return };
        let (stalled, over, slow_tls, deadline, idle, silent) = {
            let state = &mut *link.state.borrow_mut();
            if state.armed.is_some_and(|armed| armed <= now) {
                state.armed = None;
            }
            let live = self.live.borrow();
            let idle_ms = u64::from(live.settings.timeouts.idle_secs) * 1_000;
            let mut deadline = state.deadline.is_some_and(|at| at <= now);
            if deadline {
                let close_ms = live.inbound.timeouts.close_ms;
                state.deadline = state.close_until(now, close_ms).filter(|until| *until > now);
                deadline = state.deadline.is_none();
            }
            (
                state.write_since.is_some_and(|since| now.since(since) >= STALL_MS),
                state.linger_until.is_some_and(|until| until <= now),
                state.tls_until.is_some_and(|until| until <= now),
                deadline,
                state.idle_at(idle_ms).is_some_and(|at| at <= now),
                state.peer_idle_at().is_some_and(|at| at <= now),
            )
        };
        if stalled || over {
            if stalled {
                self.count(|counters| counters.closed_stalled += 1);
                debug!(link = %id, peer = %link.peer, "the peer does not read: closed");
            }
            // The reading task sees the end and finishes the link.
            link.socket.shutdown();
        } else if slow_tls {
            self.tls_timed_out(&link, now);
        } else if deadline {
            self.tell(&link, now, |stream| stream.handle(now, Input::Timeout));
        } else if silent && !idle && link.state.borrow().is_heard() {
            // The peer talks on this link and hears nothing of us: white space is traffic (RFC 6120 §4.6.1).
            let state = &mut *link.state.borrow_mut();
            state.last_written = now;
            state.transmit(Bytes::from_static(b" "));
        } else if idle || silent {
            // Closed by us, in good order, before the peer does so while a stanza of ours is under way.
            self.count(|counters| counters.closed_idle += 1);
            self.close_politely(&link, now);
        }
        self.after_step(&link);
    }

    /// Ends a link by our own decision.
    pub(crate) fn close_politely(self: &Rc<Self>, link: &Rc<Link>, now: Millis) {
        {
            let mut state = link.state.borrow_mut();
            state.closed_by_us = true;
            // A stream that answers nothing any more must not be found idle again at once.
            state.last_used = now;
        }
        self.tell(link, now, |stream| stream.handle(now, Input::Shutdown));
    }

    /// All is flushed and our side is shut: the router may go on without this link, unless the peer has to read first what was
    /// written to it. Its end, or ours when it takes too long, says that then ([`Shard::finish`]).
    pub(crate) fn flushed(self: &Rc<Self>, link: &Rc<Link>, now: Millis) {
        let is_barrier = {
            let state = &mut *link.state.borrow_mut();
            state.linger_until = Some(now.after(LINGER_MS));
            if state.evicted {
                // The reading task sees the end and finishes the link.
                link.socket.shutdown();
            } else {
                link.socket.shutdown_write();
            }
            state.is_barrier()
        };
        if !is_barrier {
            self.report_end(link, now);
        }
        self.after_step(link);
    }

    /// The link is over: removes it.
    pub(crate) fn finish(self: &Rc<Self>, link: &Rc<Link>, now: Millis) {
        {
            let state = &mut *link.state.borrow_mut();
            if state.gone {
                return;
            }
            state.gone = true;
            self.unwatch(state);
            let mut gauges = self.gauges.borrow_mut();
            for (_, direction, rung) in state.rungs.drain(..) {
                *gauges.pairs_mut(direction, rung) -= 1;
            }
            gauges.backend_pairs -= state.inside.len() as u64;
            state.inside.clear();
            match &state.stream {
                Stream::Component { entry, .. } => {
                    gauges.components -= u64::from(entry.is_some());
                    // If another component is behind too, its next parcel says so again.
                    self.set_pressed(false);
                }
                Stream::Inbound(_) | Stream::Outbound { .. } => gauges.links -= 1,
            }
            self.links.borrow_mut().remove(link.id.index as usize);
        }
        link.socket.shutdown();
        self.report_end(link, now);
        debug!(link = %link.id, peer = %link.peer, "link closed");
    }

    /// Tells the router, once, and gives back what was not sent.
    fn report_end(self: &Rc<Self>, link: &Rc<Link>, now: Millis) {
        let mut actions = Vec::new();
        {
            let state = &mut *link.state.borrow_mut();
            if std::mem::replace(&mut state.reported, true) {
                return;
            }
            let unsent = state.take_unsent();
            if let Stream::Component { entry: Some(_), .. } = state.stream {
                self.broadcast(|| Mail::Detach(link.id));
            }
            self.router.borrow_mut().link_closed(
                now,
                link.id,
                &link_end(state),
                unsent,
                &mut actions,
            );
        }
        self.perform(now, actions);
    }
}
