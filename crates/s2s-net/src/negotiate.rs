//! Drives one link: bytes in, frames to its stream, the stream's outputs to TLS, router and peers.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use hdrhistogram::Histogram;
use rustls::pki_types::ServerName;
use s2s_proto::{
    CertificateAnswer, CloseReason, Demand, Event, HowAuthorized, Input, Millis, OutboundFailure,
    Output, Phase, RefusedBecause, StreamCondition, StreamError, TlsPeer,
};
use s2s_route::{Action, Attachment, LinkEnd, OutboundEvent, Parcel, VerifyTicket};
use tracing::{debug, info, warn};
use xmpp_addr::{DomainPair, DomainPattern};
use xmpp_frame::{Framer, Header, Item, Kind};

use crate::buffers::READ_BYTES;
use crate::link::{Link, LinkState, Side, Stream, Tls};
use crate::report::Direction;
use crate::shard::{Mail, Shard};
use crate::tls::{self, Received, TlsError};

impl Shard {
    /// What was read, in front of it the cut-off TLS record of the read before.
    pub(crate) fn on_bytes(self: &Rc<Self>, link: &Rc<Link>, buffer: &mut [u8], fresh: usize) {
        let now = self.now();
        let mut actions = Vec::new();
        {
            let state = &mut *link.state.borrow_mut();
            state.last_used = now;
            self.count(|counters| counters.bytes_read += fresh as u64);
            // After our last word the rest is read only to let it arrive.
            if state.closing.is_some() || state.gone {
                return;
            }
            self.feed(now, link, state, buffer, &mut actions);
            self.pump(now, link, state, &mut actions);
            if fresh < READ_BYTES {
                // It may have been the last for long.
                state.shrink();
            }
        }
        self.perform(now, actions);
        self.after_step(link);
    }

    /// The peer closed, or the connection broke.
    pub(crate) fn on_eof(self: &Rc<Self>, link: &Rc<Link>) {
        let now = self.now();
        let mut actions = Vec::new();
        {
            let state = &mut *link.state.borrow_mut();
            if !state.gone && state.closing.is_none() {
                state.stream.handle(now, Input::Eof);
                self.settle(now, link, state, &mut actions);
            }
        }
        self.perform(now, actions);
        self.finish(link, now);
    }

    /// Gives the link's stream one input that is not from the wire.
    pub(crate) fn tell(
        self: &Rc<Self>,
        link: &Rc<Link>,
        now: Millis,
        input: impl FnOnce(&mut Stream),
    ) {
        let mut actions = Vec::new();
        {
            let state = &mut *link.state.borrow_mut();
            if state.gone || state.closing.is_some() {
                return;
            }
            input(&mut state.stream);
            self.settle(now, link, state, &mut actions);
            // The input may have unblocked the stream.
            self.pump(now, link, state, &mut actions);
        }
        self.perform(now, actions);
        self.after_step(link);
    }

    /// Decrypts, or hands clear text to the framer.
    fn feed(
        &self,
        now: Millis,
        link: &Link,
        state: &mut LinkState,
        buffer: &mut [u8],
        actions: &mut Vec<Action>,
    ) {
        let LinkState { tls, framer, raw, leftover, .. } = state;
        let Tls::On(engine) = tls else {
            framer.buffer().extend_from_slice(buffer);
            return;
        };
        match engine.receive(buffer, framer.buffer(), raw) {
            Ok(received) => {
                leftover.extend_from_slice(buffer.get(received.consumed..).unwrap_or_default());
                self.tls_progress(now, link, state, received, actions);
            }
            Err(error) => self.tls_broken(now, link, state, &error, actions),
        }
    }

    fn tls_progress(
        &self,
        now: Millis,
        link: &Link,
        state: &mut LinkState,
        received: Received,
        actions: &mut Vec<Action>,
    ) {
        if received.established {
            let Tls::On(engine) = &state.tls else { return };
            state.facts = engine.peer();
            let certificate = !state.facts.chain.is_empty();
            let resumed = state.facts.resumed;
            debug!(link = %link.id, certificate, resumed, "TLS established");
            state.tls_until = None;
            self.count(|counters| {
                counters.tls_handshakes += 1;
                counters.tls_resumed += u64::from(resumed);
            });
            if let Some(since) = state.tls_since.take() {
                record(&self.handshake_us, since);
            }
            let direct = state.direct_tls;
            state.stream.handle(now, Input::TlsEstablished(TlsPeer { certificate, direct }));
            self.settle(now, link, state, actions);
            if direct && state.closing.is_none() {
                state.stream.handle(now, Input::Connected);
                self.settle(now, link, state, actions);
            }
        }
        if received.closed && state.closing.is_none() {
            // What came before close_notify is still to be read.
            self.pump(now, link, state, actions);
            if state.closing.is_none() {
                state.stream.handle(now, Input::Eof);
                self.settle(now, link, state, actions);
            }
        }
    }

    fn tls_broken(
        &self,
        now: Millis,
        link: &Link,
        state: &mut LinkState,
        error: &TlsError,
        actions: &mut Vec<Action>,
    ) {
        self.count(|counters| counters.tls_failures += 1);
        info!(link = %link.id, peer = %link.peer, %error, "TLS failed");
        let failure = match error {
            TlsError::CertificateRejected(_) => OutboundFailure::Unauthenticated,
            TlsError::Failed(_) | TlsError::NotReady => OutboundFailure::TlsFailed,
        };
        // What came before the fault was authentic.
        self.pump(now, link, state, actions);
        state.broken = Some(failure);
        state.mute = true;
        if state.closing.is_none() {
            state.stream.handle(now, Input::Eof);
            self.settle(now, link, state, actions);
        }
        state.closing.get_or_insert(CloseReason::PeerClosed);
    }

    /// A handshake that began with the connection takes too long.
    pub(crate) fn tls_timed_out(self: &Rc<Self>, link: &Rc<Link>, now: Millis) {
        {
            let state = &mut *link.state.borrow_mut();
            state.tls_until = None;
            self.count(|counters| counters.tls_failures += 1);
            state.broken.get_or_insert(OutboundFailure::TimedOut(Phase::Tls));
        }
        self.tell(link, now, |stream| stream.handle(now, Input::Eof));
    }

    /// Hands complete elements to the stream, stanzas to the router, until more bytes are needed.
    pub(crate) fn pump(
        &self,
        now: Millis,
        link: &Link,
        state: &mut LinkState,
        actions: &mut Vec<Action>,
    ) {
        while state.closing.is_none() && state.steer_to.is_none() && !state.stream.is_blocked() {
            let next = state.framer.next();
            if matches!(next, Ok(Some(_))) {
                state.last_heard = Some(now);
            }
            match next {
                Ok(None) => return,
                Ok(Some(Item::Element(frame)))
                    if state.stream.admits() && frame.kind() != Kind::Other =>
                {
                    match state.stream.admit(frame) {
                        Ok(stanza) => {
                            self.count(|counters| match state.stream {
                                Stream::Component { .. } => counters.stanzas_from_components += 1,
                                Stream::Inbound(_) if state.side == Side::Backend => {
                                    counters.stanzas_from_backends += 1;
                                }
                                Stream::Inbound(_) | Stream::Outbound { .. } => {
                                    counters.stanzas_from_remotes += 1;
                                }
                            });
                            self.router.borrow_mut().route(now, Parcel::Stanza(stanza), actions);
                        }
                        Err(error) => {
                            state.stream.fail(now, error);
                            self.settle(now, link, state, actions);
                        }
                    }
                }
                Ok(Some(Item::Header(header)))
                    if state.steerable && self.steers(state, &header) => {}
                Ok(Some(item)) => {
                    state.stream.handle(now, Input::Item(item));
                    self.settle(now, link, state, actions);
                }
                Err(error) => {
                    state.stream.handle(now, Input::BadXml(error));
                    self.settle(now, link, state, actions);
                }
            }
        }
    }

    /// Whether this first header belongs to a remote domain of another shard; then the link is
    /// made ready to leave.
    fn steers(&self, state: &mut LinkState, header: &Header) -> bool {
        state.steerable = false;
        let named = match state.side {
            Side::Federation => header.from(),
            Side::Backend => header.to(),
        };
        let Some(remote) = named.and_then(|name| xmpp_addr::canonical_domain(name).ok()) else {
            return false;
        };
        let owner = self.router.borrow().owner(&remote);
        if owner == self.id {
            return false;
        }
        let mut bytes = Vec::from(&header.bytes()[..]);
        bytes.extend_from_slice(state.framer.buffer());
        state.steer_to = Some((owner, Bytes::from(bytes)));
        true
    }

    /// Does what the stream wants after one mutation.
    pub(crate) fn settle(
        &self,
        now: Millis,
        link: &Link,
        state: &mut LinkState,
        actions: &mut Vec<Action>,
    ) {
        let mut to_judge: Vec<DomainPair> = Vec::new();
        loop {
            while let Some(output) = state.stream.poll_output() {
                match output {
                    Output::Transmit(bytes) => state.transmit(bytes),
                    Output::RestartStream(bytes) => {
                        state.framer.restart();
                        state.transmit(bytes);
                    }
                    Output::StartTls(bytes) => self.start_tls(link, state, bytes),
                    Output::Judge(pair) => to_judge.push(pair),
                    Output::Verify(request) => {
                        self.ask_verify(now, VerifyTicket { link: link.id, request }, actions);
                    }
                    Output::Event(event) => self.on_event(now, link, state, &event, actions),
                    Output::Close(reason) => {
                        self.count_close(&reason);
                        state.closing = Some(reason);
                    }
                    Output::Timeout(at) => state.deadline = Some(at),
                }
            }
            let Some(pair) = to_judge.pop() else { return };
            let direction = match state.stream {
                Stream::Outbound { .. } => Direction::Out,
                Stream::Inbound(_) | Stream::Component { .. } => Direction::In,
            };
            let judgement = match state.side {
                Side::Federation => self.judge(now, direction, &state.facts, &pair),
                Side::Backend => self.judge_backend(direction, link.peer, &state.facts, &pair),
            };
            if direction == Direction::Out && judgement.demand == Ok(Demand::Certificate) {
                log_unproved(link, &pair, &judgement.certificate);
            }
            state.stream.handle(now, Input::Judged(pair, judgement));
        }
    }

    fn start_tls(&self, link: &Link, state: &mut LinkState, bytes: Bytes) {
        // Threat A21: bytes sent in clear behind <starttls/> or <proceed/> would be read as if
        // they had come under TLS.
        if state.framer.pending() > 0 {
            self.count(|counters| counters.tls_failures += 1);
            warn!(link = %link.id, peer = %link.peer, "clear text behind the STARTTLS negotiation: closed");
            state.broken = Some(OutboundFailure::TlsFailed);
            state.closing =
                Some(CloseReason::Failed(StreamError::new(StreamCondition::PolicyViolation)));
            return;
        }
        state.transmit(bytes);
        state.settle_clear_text();
        self.begin_tls(link, state, false);
    }

    /// Puts TLS between the socket and the framer.
    pub(crate) fn begin_tls(&self, link: &Link, state: &mut LinkState, direct: bool) {
        let live = self.live();
        let mut configs = self.tls.borrow_mut();
        let engine = match (&state.stream, state.side) {
            (Stream::Outbound { pair, .. }, side) => {
                let config = match side {
                    Side::Federation => configs.client(pair.sender(), direct),
                    Side::Backend => configs.backend_client(pair),
                };
                config.and_then(|config| {
                    let name = ServerName::try_from(pair.target().as_str().to_owned())
                        .map_err(|_| TlsError::NotReady)?;
                    tls::client(config, name)
                })
            }
            (Stream::Inbound(_), Side::Backend) => {
                configs.backend_server(state.local.as_ref()).and_then(tls::server)
            }
            (Stream::Inbound(_) | Stream::Component { .. }, _) => {
                configs.server(state.local.as_ref()).and_then(tls::server)
            }
        };
        state.framer = Framer::new(live.preauth);
        state.direct_tls = direct;
        if direct {
            let tls_ms = live.inbound.timeouts.tls_ms;
            state.tls_until = Some(self.now().after(tls_ms));
        }
        state.tls_since = Some(Instant::now());
        match engine {
            Ok(mut engine) => {
                // The initiating end speaks first.
                let hello = engine.receive(&mut [], state.framer.buffer(), &mut state.raw);
                state.tls = Tls::On(engine);
                if let Err(error) = hello {
                    cannot_start(link, state, &error);
                }
            }
            Err(error) => cannot_start(link, state, &error),
        }
    }

    /// A dialback key goes to the shard that owns the domain to be asked.
    fn ask_verify(&self, now: Millis, ticket: VerifyTicket, actions: &mut Vec<Action>) {
        let mut router = self.router.borrow_mut();
        let owner = router.owner(ticket.request.pair.sender().as_str());
        if owner == self.id {
            router.verify(now, ticket, actions);
        } else {
            self.outgoing.borrow_mut().send(usize::from(owner.0), Mail::Verify(ticket));
        }
    }

    fn on_event(
        &self,
        now: Millis,
        link: &Link,
        state: &mut LinkState,
        event: &Event,
        actions: &mut Vec<Action>,
    ) {
        match event {
            Event::StreamOpened { local, .. } => state.local.clone_from(local),
            Event::PairVerified(verified) if state.side == Side::Backend => {
                self.widen(state);
                info!(link = %link.id, peer = %link.peer, pair = %verified.pair(), "pair of a backend verified");
                self.backend_pair_proved(state, verified.pair().clone(), Direction::In);
            }
            Event::PairAuthorized { pair, how, .. } if state.side == Side::Backend => {
                self.widen(state);
                info!(link = %link.id, peer = %link.peer, %pair, ?how, "pair authorised by the backend");
                self.backend_pair_proved(state, pair.clone(), Direction::Out);
            }
            Event::PairVerified(verified) => {
                self.widen(state);
                if !matches!(state.stream, Stream::Component { .. }) {
                    let (pair, proof) = (verified.pair().clone(), verified.proof());
                    let rung =
                        self.inbound_rung(now, &state.facts, state.is_tls(), pair.sender(), proof);
                    info!(link = %link.id, %pair, %rung, ?proof, "pair verified");
                    self.pair_proved(state, pair, Direction::In, rung);
                }
            }
            Event::PairAuthorized { pair, how, tls, .. } => {
                self.widen(state);
                let asserted = *how == HowAuthorized::Asserted;
                let rung = self.outbound_rung(now, &state.facts, *tls, pair.target(), asserted);
                info!(link = %link.id, %pair, %rung, ?how, "pair authorised");
                self.pair_proved(state, pair.clone(), Direction::Out, rung);
            }
            Event::Bidirectional => {
                self.count(|counters| counters.bidirectional += 1);
                debug!(link = %link.id, peer = %link.peer, "both directions agreed");
            }
            Event::ReverseAuthorized { pair } => {
                // What the peer proved towards us is what is known of it in this direction too.
                let inward = pair.reversed();
                let rung = state.rungs.iter().find_map(|(proved, way, rung)| {
                    (*way == Direction::In && *proved == inward).then_some(*rung)
                });
                let Some(rung) = rung else { return };
                info!(link = %link.id, %pair, %rung, "pair may be sent in reverse");
                self.pair_proved(state, pair.clone(), Direction::Out, rung);
                self.router.borrow_mut().reverse_authorized(now, link.id, pair, actions);
            }
            Event::ReverseWithdrawn { pair } => {
                self.pair_withdrawn(state, pair, Direction::Out);
                state.withhold(pair);
                self.router.borrow_mut().reverse_withdrawn(link.id, pair, actions);
            }
            Event::PairRefused { pair, why } => {
                // It may have been proved before, and may be still: where only its key cannot be verified again.
                let is_proved =
                    matches!(&state.stream, Stream::Inbound(stream) if stream.is_verified(pair));
                if !is_proved {
                    self.pair_withdrawn(state, pair, Direction::In);
                }
                self.count(|counters| counters.pairs_refused += 1);
                if *why == RefusedBecause::OurOwnDomain {
                    self.hint_at_backend_listener(link, pair);
                }
                info!(link = %link.id, peer = %link.peer, %pair, ?why, "pair refused");
            }
            Event::PairFailed { pair, failure } if state.side == Side::Backend => {
                warn!(link = %link.id, peer = %link.peer, %pair, %failure, hint = hint(failure), "pair refused by the backend");
            }
            Event::PairFailed { pair, failure } => {
                info!(link = %link.id, %pair, %failure, "pair failed");
            }
            Event::Unsolicited(kind) => {
                self.count(|counters| counters.unsolicited += 1);
                warn!(link = %link.id, peer = %link.peer, ?kind, "unsolicited dialback answer dropped");
            }
            Event::ComponentAttached { name, entry } => {
                self.attach(now, link, state, name, *entry);
            }
            Event::PeerError(error) => {
                self.count(|counters| counters.stream_errors_received += 1);
                info!(link = %link.id, peer = %link.peer, %error, "stream error from the peer");
            }
            Event::DialbackAnswered { pair, valid } => {
                debug!(link = %link.id, %pair, valid, "dialback key checked");
            }
            Event::VerifyAnswer { pair, outcome, .. } => {
                debug!(link = %link.id, %pair, ?outcome, "dialback answer");
            }
            Event::ExternalRefused => {
                info!(link = %link.id, peer = %link.peer, "SASL EXTERNAL refused by the peer");
            }
            Event::PeerLimits(limits) => {
                debug!(link = %link.id, ?limits, "limits of the peer");
                state.peer_limits = *limits;
            }
            Event::PeerClosed => debug!(link = %link.id, "closed by the peer"),
        }
        if matches!(state.stream, Stream::Outbound { .. })
            && let Some(event) = OutboundEvent::from_event(event)
        {
            let event = match (event, &state.broken) {
                // The stream saw an end; what broke TLS says why, a rejected certificate above all.
                (OutboundEvent::PairFailed { pair, .. }, Some(failure)) => {
                    OutboundEvent::PairFailed { pair, failure: failure.clone() }
                }
                (event, _) => event,
            };
            self.router.borrow_mut().stream_event(now, link.id, event, actions);
        }
    }

    fn widen(&self, state: &mut LinkState) {
        state.framer.set_limits(state.authenticated_limits);
    }

    fn pair_proved(
        &self,
        state: &mut LinkState,
        pair: DomainPair,
        direction: Direction,
        rung: s2s_trust::Rung,
    ) {
        self.count(|counters| counters.pairs_proved += 1);
        if state.rungs.is_empty() {
            record(&self.negotiation_us, state.opened);
        }
        self.unwatch(state);
        let mut gauges = self.gauges.borrow_mut();
        *gauges.pairs_mut(direction, rung) += 1;
        // Proved again on better or worse evidence.
        if let Some((_, _, before)) =
            state.rungs.iter_mut().find(|(proved, way, _)| *way == direction && *proved == pair)
        {
            *gauges.pairs_mut(direction, *before) -= 1;
            *before = rung;
        } else {
            state.rungs.push((pair, direction, rung));
        }
    }

    fn pair_withdrawn(&self, state: &mut LinkState, pair: &DomainPair, direction: Direction) {
        let place =
            state.rungs.iter().position(|(proved, way, _)| *way == direction && proved == pair);
        if let Some(place) = place {
            let (_, _, rung) = state.rungs.swap_remove(place);
            *self.gauges.borrow_mut().pairs_mut(direction, rung) -= 1;
        }
    }

    fn attach(
        &self,
        now: Millis,
        link: &Link,
        state: &mut LinkState,
        name: &xmpp_addr::Domain,
        entry: usize,
    ) {
        self.widen(state);
        let Stream::Component { entry: serves, settings, .. } = &mut state.stream else { return };
        // The number means the settings the stream began with; a reload may have come between its
        // header and its handshake, and what it removed or changed is not attached to any more.
        let settings = std::sync::Arc::clone(settings);
        let live = self.live();
        let entry = settings.components().nth(entry).map(|(entry, _)| entry);
        let Some(entry) = entry.filter(|entry| live.settings.serves(entry)) else {
            state.stream.fail(now, StreamError::new(StreamCondition::HostGone));
            return;
        };
        *serves = Some(Box::new(entry.clone()));
        self.unwatch(state);
        // Under `*.gateway.example.org` a component that calls itself `gateway.example.org` serves
        // all names below, one that calls itself by a name below serves that name.
        let pattern = if entry.pattern.matches(name) {
            DomainPattern::Exact(name.clone())
        } else {
            entry.pattern.clone()
        };
        info!(link = %link.id, peer = %link.peer, %pattern, "component attached");
        self.gauges.borrow_mut().components += 1;
        let attachment = Attachment { pattern, link: link.id };
        self.broadcast(|| Mail::Attach(attachment.clone()));
        self.router.borrow_mut().attach(&attachment);
    }

    fn count_close(&self, reason: &CloseReason) {
        if let CloseReason::Failed(error) = reason {
            debug!(%error, "stream error sent");
            self.count(|counters| counters.stream_errors_sent += 1);
        }
    }
}

/// What an operator looks at first when a backend refuses a remote domain.
fn hint(failure: &OutboundFailure) -> &'static str {
    match failure {
        OutboundFailure::DialbackInvalid | OutboundFailure::DialbackError(_) => {
            "does its resolver lead the remote domain to the listener of kind \"backend\"?"
        }
        OutboundFailure::HostUnknown => "does it serve this domain?",
        OutboundFailure::TlsNotOffered => {
            "give it a certificate, or set backend.tls = \"optional\""
        }
        OutboundFailure::NotTrusted => "its certificate is not what backend.certificate names",
        OutboundFailure::Unauthenticated => {
            "it offers neither dialback nor SASL EXTERNAL; for the latter it must trust the backend CA, and backend.proof be \"certificate\""
        }
        OutboundFailure::TlsFailed
        | OutboundFailure::PeerError(_)
        | OutboundFailure::Protocol(_)
        | OutboundFailure::TimedOut(_)
        | OutboundFailure::ConnectionLost => "see its log",
    }
}

/// What is wrong with the certificate of a peer that policy demands one of: the failure that follows names no reason.
fn log_unproved(link: &Link, pair: &DomainPair, certificate: &CertificateAnswer) {
    if let CertificateAnswer::Fails(reason) = certificate {
        info!(link = %link.id, peer = %link.peer, %pair, %reason, "the peer's certificate proves nothing");
    }
}

fn cannot_start(link: &Link, state: &mut LinkState, error: &TlsError) {
    warn!(link = %link.id, %error, "TLS cannot start");
    state.broken = Some(OutboundFailure::TlsFailed);
    state.mute = true;
    state.closing = Some(CloseReason::PeerClosed);
}

/// The microseconds since `since`, into a histogram.
fn record(histogram: &RefCell<Histogram<u64>>, since: Instant) {
    let elapsed_us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
    histogram.borrow_mut().saturating_record(elapsed_us.max(1));
}

/// How the router should read the end of this link.
pub(crate) fn link_end(state: &LinkState) -> LinkEnd {
    if state.closed_by_us {
        return LinkEnd::ClosedByUs;
    }
    if let Some(failure) = &state.broken {
        return LinkEnd::Failed(failure.clone());
    }
    match &state.closing {
        Some(reason) => LinkEnd::from_close(reason),
        None => LinkEnd::Failed(OutboundFailure::ConnectionLost),
    }
}
