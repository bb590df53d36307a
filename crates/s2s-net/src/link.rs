//! One link: a TCP connection with its TLS state, its framer and its stream.
//!
//! Synchronous and without I/O of its own: the reading task feeds bytes in, the writing task takes
//! bytes out, the shard does what the stream asks for. One [`Out`] queue keeps the order of
//! stanzas and of negotiation; bytes sealed before a change of TLS state wait in `raw` in front.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hashbrown::HashSet;
use s2s_proto::{
    AdvertisedLimits, CloseReason, ComponentStream, InboundStream, Input, Millis, OutboundFailure,
    OutboundStream, Output, StreamError, VerifyOutcome,
};
use s2s_route::{LinkEnd, LinkId, Parcel, ShardId};
use s2s_trust::Rung;
use xmpp_addr::{Domain, DomainPair};
use xmpp_frame::{Content, Frame, Framer, Limits};

use crate::negotiate::link_end;
use crate::report::Direction;
use crate::settings::{HostedDomain, Settings};
use crate::sys::Socket;
use crate::tls::{TlsEngine, TlsPeerFacts};

#[cfg(test)]
mod tests;

/// Plaintext taken for one write. Four TLS records: large enough to share the cost of the system
/// call among some 170 stanzas, small enough that one busy link does not delay the others.
pub(crate) const WRITE_BYTES: usize = 64 * 1024;

/// An element of which nothing came for so long does not keep its link from being closed for room.
const STANDSTILL_MS: u64 = 30_000;

/// A link of this shard.
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) socket: Socket,
    pub(crate) peer: SocketAddr,
    pub(crate) state: std::cell::RefCell<LinkState>,
}

/// Everything about a link that changes.
pub(crate) struct LinkState {
    pub(crate) stream: Stream,
    /// Whom it leads to, or came from.
    pub(crate) side: Side,
    pub(crate) framer: Framer,
    /// The framer's limits after authentication.
    pub(crate) authenticated_limits: Limits,
    pub(crate) tls: Tls,
    /// The cut-off TLS record at the end of the last read.
    pub(crate) leftover: Vec<u8>,
    /// Our domain, as the stream's header named it.
    pub(crate) local: Option<Domain>,
    /// The first header decides which shard the link belongs to.
    pub(crate) steerable: bool,
    /// The owner's shard and the bytes read so far, once the header said so.
    pub(crate) steer_to: Option<(ShardId, Bytes)>,
    /// TLS began with the connection.
    pub(crate) direct_tls: bool,
    /// What the peer showed in the TLS handshake.
    pub(crate) facts: TlsPeerFacts,
    /// Bytes that leave as they are and before anything queued: clear text from before TLS started,
    /// records of the handshake.
    pub(crate) raw: Vec<u8>,
    out: VecDeque<Out>,
    out_bytes: usize,
    /// A parcel was queued here at some time.
    carried: bool,
    /// Of these, what is no parcel: answers to what the peer asks.
    said_bytes: usize,
    /// Parcels that came after our last word.
    late: Vec<Parcel>,
    late_bytes: usize,
    /// TLS broke: nothing queued can leave any more, only what is in `raw` (the alert).
    pub(crate) mute: bool,
    /// A writing task exists.
    pub(crate) writing: bool,
    /// When the write in flight was begun.
    pub(crate) write_since: Option<Millis>,
    /// Set by the stream's last output: flush, then close.
    pub(crate) closing: Option<CloseReason>,
    /// Removed from the shard; tasks that still hold the link end.
    pub(crate) gone: bool,
    /// When a TLS handshake that began with the connection must be over: the stream, which keeps the
    /// other deadlines, begins after it.
    pub(crate) tls_until: Option<Millis>,
    /// It was accepted and has proved no pair yet.
    pub(crate) newcomer: bool,
    /// It had to make room: no time is spent on its last bytes.
    pub(crate) evicted: bool,
    /// The stream's own deadline.
    pub(crate) deadline: Option<Millis>,
    /// The earliest entry in the wheel.
    pub(crate) armed: Option<Millis>,
    /// The last read or write.
    pub(crate) last_used: Millis,
    /// When the peer last said something; white space is not: two routers would keep a link open for ever by it.
    pub(crate) last_heard: Option<Millis>,
    /// The last write, or the birth of the link.
    pub(crate) last_written: Millis,
    /// What the peer announced to take (XEP-0478).
    pub(crate) peer_limits: AdvertisedLimits,
    pub(crate) opened: Instant,
    /// The TLS handshake began.
    pub(crate) tls_since: Option<Instant>,
    /// The rungs of the proved pairs, for the gauges.
    pub(crate) rungs: Vec<(DomainPair, Direction, Rung)>,
    /// The proved pairs of a link with a backend.
    pub(crate) inside: HashSet<(DomainPair, Direction)>,
    /// The link was closed by our own decision (idle, room, drain), so its end is benign.
    pub(crate) closed_by_us: bool,
    /// All was flushed and our side is shut; the peer's last bytes are read until then.
    pub(crate) linger_until: Option<Millis>,
    /// The router has more for it, see [`LinkState::take_room`].
    pub(crate) awaits_room: bool,
    /// The router knows that the link has ended.
    pub(crate) reported: bool,
    /// Why it broke, where the stream could not know.
    pub(crate) broken: Option<OutboundFailure>,
}

/// The two sides of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    /// Anybody, and the operator's components, which prove themselves.
    Federation,
    /// The operator's own servers.
    Backend,
}

/// The stream of a link, and what the shard must remember with it.
pub(crate) enum Stream {
    Inbound(Box<InboundStream>),
    Outbound {
        stream: Box<OutboundStream>,
        pair: DomainPair,
    },
    Component {
        stream: Box<ComponentStream>,
        /// What it serves since its handshake.
        entry: Option<Box<HostedDomain>>,
        /// Those the stream began with: its events speak of their entries.
        settings: Arc<Settings>,
    },
}

/// The state of TLS on a link.
pub(crate) enum Tls {
    Off,
    On(Box<dyn TlsEngine>),
}

enum Out {
    Bytes(Bytes),
    Parcel(Parcel),
}

/// What became of a parcel.
pub(crate) enum Pushed {
    /// It will be written, or given back to the router with the end of the link.
    Taken,
    /// It was not taken: the link is gone, and the router knows that already.
    Gone(Parcel),
    /// It was not taken: the peer does not read, and as much waits as may.
    Full(Parcel),
    /// It was not taken: the peer takes only smaller ones.
    TooBig(Parcel),
}

impl Stream {
    pub(crate) fn handle(&mut self, now: Millis, input: Input) {
        match self {
            Stream::Inbound(stream) => stream.handle(now, input),
            Stream::Outbound { stream, .. } => stream.handle(now, input),
            Stream::Component { stream, .. } => stream.handle(now, input),
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        match self {
            Stream::Inbound(stream) => stream.poll_output(),
            Stream::Outbound { stream, .. } => stream.poll_output(),
            Stream::Component { stream, .. } => stream.poll_output(),
        }
    }

    pub(crate) fn is_blocked(&self) -> bool {
        match self {
            Stream::Inbound(stream) => stream.is_blocked(),
            Stream::Outbound { stream, .. } => stream.is_blocked(),
            Stream::Component { stream, .. } => stream.is_blocked(),
        }
    }

    /// Whether stanzas go to [`Stream::admit`] at once.
    pub(crate) fn admits(&self) -> bool {
        match self {
            Stream::Inbound(stream) => stream.is_open(),
            Stream::Outbound { stream, .. } => stream.admits(),
            Stream::Component { stream, .. } => stream.is_open(),
        }
    }

    pub(crate) fn admit(&mut self, frame: Frame) -> Result<s2s_proto::Stanza, StreamError> {
        match self {
            Stream::Inbound(stream) => stream.admit(frame),
            Stream::Outbound { stream, .. } => stream.admit(frame),
            Stream::Component { stream, .. } => stream.admit(frame),
        }
    }

    pub(crate) fn fail(&mut self, now: Millis, error: StreamError) {
        match self {
            Stream::Inbound(stream) => stream.fail(now, error),
            Stream::Outbound { stream, .. } => stream.fail(now, error),
            Stream::Component { stream, .. } => stream.fail(now, error),
        }
    }

    pub(crate) fn verified(&mut self, now: Millis, pair: DomainPair, outcome: VerifyOutcome) {
        if let Stream::Inbound(stream) = self {
            stream.handle(now, Input::Verified(pair, outcome));
        }
    }

    /// The namespace its stanzas are in.
    fn content(&self) -> Content {
        match self {
            Stream::Component { .. } => Content::Component,
            Stream::Inbound(_) | Stream::Outbound { .. } => Content::Server,
        }
    }
}

impl LinkState {
    pub(crate) fn new(
        stream: Stream,
        side: Side,
        preauth: Limits,
        authenticated: Limits,
        now: Millis,
    ) -> LinkState {
        LinkState {
            stream,
            side,
            framer: Framer::new(preauth),
            authenticated_limits: authenticated,
            tls: Tls::Off,
            leftover: Vec::new(),
            local: None,
            steerable: false,
            steer_to: None,
            direct_tls: false,
            facts: TlsPeerFacts::default(),
            raw: Vec::new(),
            out: VecDeque::new(),
            out_bytes: 0,
            carried: false,
            said_bytes: 0,
            late: Vec::new(),
            late_bytes: 0,
            mute: false,
            writing: false,
            write_since: None,
            closing: None,
            gone: false,
            tls_until: None,
            newcomer: false,
            evicted: false,
            deadline: None,
            armed: None,
            last_used: now,
            last_heard: None,
            last_written: now,
            peer_limits: AdvertisedLimits::default(),
            opened: Instant::now(),
            tls_since: None,
            rungs: Vec::new(),
            inside: HashSet::new(),
            closed_by_us: false,
            linger_until: None,
            awaits_room: false,
            reported: false,
            broken: None,
        }
    }

    /// Queues bytes of the negotiation.
    pub(crate) fn transmit(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.out_bytes += bytes.len();
            self.said_bytes += bytes.len();
            self.out.push_back(Out::Bytes(bytes));
        }
    }

    /// Queues a parcel, unless more than `bytes_max` would wait then.
    pub(crate) fn push(&mut self, parcel: Parcel, bytes_max: usize) -> Pushed {
        if self.reported {
            return Pushed::Gone(parcel);
        }
        let len = parcel.len();
        if self.peer_limits.max_bytes.is_some_and(|most| parcel.is_longer_than(most as usize)) {
            return Pushed::TooBig(parcel);
        }
        if self.has_said_goodbye() {
            // Behind our last word nothing may be sent; the router gets it back with the end.
            if self.late_bytes + len > bytes_max {
                return Pushed::Full(parcel);
            }
            self.late_bytes += len;
            self.late.push(parcel);
            return Pushed::Taken;
        }
        if self.out_bytes + len > bytes_max {
            return Pushed::Full(parcel);
        }
        // Behind one full write it may wait for long, and a small stanza must not keep the block it
        // was read into.
        let parcel = if self.out_bytes > WRITE_BYTES { parcel.detached() } else { parcel };
        self.out_bytes += len;
        self.carried = true;
        self.out.push_back(Out::Parcel(parcel));
        Pushed::Taken
    }

    /// How many bytes the router may send now of what waits for this link; `None` unless it awaits that and little waits here.
    ///
    /// Half of what may wait stays free for those who talk on the link meanwhile, and readers wait from there on: the next
    /// portion comes at a quarter, where they go on too.
    pub(crate) fn take_room(&mut self, bytes_max: usize) -> Option<usize> {
        // Behind our last word there is none; the end of the link gives back what waits.
        if !self.awaits_room || self.has_said_goodbye() || self.out_bytes > bytes_max / 4 {
            return None;
        }
        self.awaits_room = false;
        Some(bytes_max / 2 - self.out_bytes)
    }

    /// Our close tag is said or queued, or nothing can be said any more. RFC 6120 §4.4: no data
    /// follows it.
    fn has_said_goodbye(&self) -> bool {
        self.closing.is_some() || self.closed_by_us
    }

    /// Whether stanzas that come next could overtake those that were written here until the peer ends its side too.
    pub(crate) fn is_barrier(&self) -> bool {
        // Where we closed first, the peer had its time to read, or has answered.
        let waited = matches!(self.closing, Some(CloseReason::Finished));
        // After a failure of ours a new stream takes its time. The peer's next stream to us may stand already.
        let fails = matches!(link_end(self), LinkEnd::Failed(_));
        self.carried && !waited && (!fails || matches!(self.stream, Stream::Inbound(_)))
    }

    /// Somebody is known to speak here.
    pub(crate) fn has_proved_a_pair(&self) -> bool {
        !self.rungs.is_empty() || !self.inside.is_empty()
    }

    /// TLS is between the socket and the framer.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.tls, Tls::On(_))
    }

    /// Bytes waiting to be written.
    pub(crate) fn backlog(&self) -> usize {
        self.out_bytes + self.raw.len()
    }

    /// Of these, what is no stanza.
    pub(crate) fn answers_backlog(&self) -> usize {
        self.said_bytes + self.raw.len()
    }

    /// When it has been idle for too long. What we have closed waits for its end by other times.
    pub(crate) fn idle_at(&self, idle_ms: u64) -> Option<Millis> {
        let counts = !matches!(self.stream, Stream::Component { .. }) && !self.has_said_goodbye();
        counts.then(|| self.last_used.after(idle_ms))
    }

    /// Until when the peer has time for its close tag, after ours: the time counts from when ours was written, which the
    /// stream cannot know. Who does not read at all is cut by the stalled write.
    pub(crate) fn close_until(&self, now: Millis, close_ms: u64) -> Option<Millis> {
        let waits = self.closed_by_us && self.closing.is_none();
        let since = if self.writing { now } else { self.last_written };
        waits.then(|| since.after(close_ms))
    }

    /// When something must be done lest the peer takes the link for idle: its count begins with our last byte (XEP-0478
    /// §3.1), and a quarter of its time is left for ours to arrive.
    pub(crate) fn peer_idle_at(&self) -> Option<Millis> {
        // What is being written is on its way, or the peer does not read and white space would only wait behind it.
        if self.has_said_goodbye() || !self.has_proved_a_pair() || self.writing {
            return None;
        }
        let seconds = self.peer_limits.idle_seconds?;
        Some(self.last_written.after(u64::from(seconds) * 750))
    }

    /// The peer said something after our last word.
    pub(crate) fn is_heard(&self) -> bool {
        self.last_heard.is_some_and(|heard| heard >= self.last_written)
    }

    /// Nothing waits, nothing is being written, and no element is under way (one that stands still
    /// does not count): it may be closed to make room.
    pub(crate) fn is_at_rest(&self, now: Millis) -> bool {
        let stands_still = now.since(self.last_used) >= STANDSTILL_MS;
        !self.writing && self.backlog() == 0 && (stands_still || !self.framer.is_mid_element())
    }

    /// Gives back what an idle link does not need.
    pub(crate) fn shrink(&mut self) {
        if self.framer.pending() == 0 {
            self.framer.shrink();
        }
        if self.raw.is_empty() {
            self.raw = Vec::new();
        }
        if self.out.is_empty() {
            self.out = VecDeque::new();
        }
    }

    /// Before TLS starts: what is queued leaves in clear.
    pub(crate) fn settle_clear_text(&mut self) {
        let content = self.stream.content();
        for out in self.out.drain(..) {
            self.raw.extend_from_slice(&out.bytes(content));
        }
        (self.out_bytes, self.said_bytes) = (0, 0);
    }

    /// Moves the next bytes to write into `batch`; `scratch` holds the clear text meanwhile.
    ///
    /// # Errors
    /// TLS cannot carry it.
    pub(crate) fn take_batch(
        &mut self,
        batch: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
    ) -> Result<(), crate::tls::TlsError> {
        batch.append(&mut self.raw);
        if self.out.is_empty() || self.mute {
            return Ok(());
        }
        let content = self.stream.content();
        let clear = match self.tls {
            Tls::Off => &mut *batch,
            Tls::On(_) => &mut *scratch,
        };
        let start = clear.len();
        let (mut taken, mut taken_bytes, mut said_bytes) = (0, 0, 0);
        for out in &self.out {
            if clear.len() - start >= WRITE_BYTES {
                break;
            }
            taken += 1;
            taken_bytes += out.len();
            said_bytes += if matches!(out, Out::Bytes(_)) { out.len() } else { 0 };
            clear.extend_from_slice(&out.bytes(content));
        }
        if let Tls::On(engine) = &mut self.tls {
            let sealed = engine.encrypt(scratch, batch);
            scratch.clear();
            // On an error all stay queued: the router gets the parcels back.
            sealed?;
        }
        self.out.drain(..taken);
        self.out_bytes -= taken_bytes;
        self.said_bytes -= said_bytes;
        Ok(())
    }

    /// Nothing more of this pair is written: the router, which has the link closed, gets it back with the end.
    pub(crate) fn withhold(&mut self, pair: &DomainPair) {
        let (mut kept, mut held) = (VecDeque::new(), Vec::new());
        let mut bytes = 0;
        for out in std::mem::take(&mut self.out) {
            match out {
                Out::Parcel(parcel) if parcel.pair() == pair => {
                    bytes += parcel.len();
                    held.push(parcel);
                }
                out => kept.push_back(out),
            }
        }
        // What is late already came later.
        held.append(&mut self.late);
        (self.out, self.late) = (kept, held);
        self.out_bytes -= bytes;
        self.late_bytes += bytes;
    }

    /// The parcels that were never taken for writing; those of one pair oldest first.
    pub(crate) fn take_unsent(&mut self) -> Vec<Parcel> {
        (self.out_bytes, self.said_bytes, self.late_bytes) = (0, 0, 0);
        let parcel = |out| match out {
            Out::Parcel(parcel) => Some(parcel),
            Out::Bytes(_) => None,
        };
        let mut unsent: Vec<_> = self.out.drain(..).filter_map(parcel).collect();
        unsent.append(&mut self.late);
        unsent
    }
}

impl Out {
    fn len(&self) -> usize {
        match self {
            Out::Bytes(bytes) => bytes.len(),
            Out::Parcel(parcel) => parcel.len(),
        }
    }

    fn bytes(&self, content: Content) -> Bytes {
        match self {
            Out::Bytes(bytes) => bytes.clone(),
            Out::Parcel(parcel) => parcel.bytes_for(content),
        }
    }
}
