//! From the transport to a stream that can be used: headers, features, TLS, the outcome of EXTERNAL.

use xmpp_frame::{Content, Element, Frame, Header, Item, Kind};

use super::states::{
    Authentication, AwaitingFeatures, AwaitingHeader, AwaitingSasl, AwaitingTransport, Channel,
    Ready, State, TlsInvitation,
};
use super::{Stop, Wiring, impossible};
use crate::error::{ReceivedError, StreamCondition, StreamError};
use crate::event::{CloseReason, Event, HowAuthorized, Input, OutboundFailure, TlsState};
use crate::features::PeerFeatures;
use crate::header::PeerHeader;
use crate::ns;
use crate::outbound::requests::Authorized;
use crate::sasl;
use crate::time::Millis;
use crate::timers::Phase;

impl State {
    /// One mutation.
    pub(super) fn step(self, wiring: &mut Wiring, now: Millis, input: Input) -> Result<Self, Stop> {
        match input {
            Input::Eof => Err(self.ended_by_peer(wiring)),
            Input::Timeout => self.on_timeout(wiring, now),
            Input::Shutdown => self.on_shutdown(wiring, now),
            Input::BadXml(_) if self.is_ending() => Err(finished()),
            Input::BadXml(error) => Err(Stop::Error(error.into())),
            Input::Judged(pair, judgement) if wiring.reverse.asks_for(&pair) => {
                if !self.is_ending() {
                    wiring.on_reverse_judged(judgement);
                }
                Ok(self)
            }
            Input::Judged(pair, judgement) => match self {
                Self::Ready(ready) => ready.on_judged(wiring, now, &pair, &judgement),
                Self::AwaitingClose | Self::Closed => Ok(self),
                state => Err(impossible("Judged", state.name())),
            },
            Input::Item(item) => self.on_item(wiring, now, item),
            input => match (self, input) {
                (Self::Closed, _) => Ok(Self::Closed),
                (Self::AwaitingTransport(state), input) => state.step(wiring, now, &input),
                (Self::AwaitingTls, Input::TlsEstablished(_)) => {
                    wiring.out.deadlines.clear(Phase::Tls);
                    // RFC 6120 §5.4.3.3: what was learnt before TLS is discarded, and a new header is sent.
                    Ok(send_header(wiring, now, Channel::Tls))
                }
                (state, _) => Err(impossible("other than an item", state.name())),
            },
        }
    }

    fn on_item(self, wiring: &mut Wiring, now: Millis, item: Item) -> Result<Self, Stop> {
        match (self, item) {
            (Self::AwaitingClose, Item::Close) => Err(finished()),
            // What was in flight when we closed.
            (state @ (Self::AwaitingClose | Self::Closed), _) => Ok(state),
            (state, Item::Close) => {
                wiring.out.event(Event::PeerClosed);
                Err(state.ended_by_peer(wiring))
            }
            (Self::AwaitingHeader(state), Item::Header(header)) => {
                state.on_header(wiring, now, &header)
            }
            (state, Item::Header(_)) => Err(impossible("Header", state.name())),
            (state, Item::Element(_)) if wiring.is_asking() => {
                Err(impossible("Element while blocked", state.name()))
            }
            (state, Item::Element(frame)) => state.on_element(wiring, now, &frame),
        }
    }

    fn on_element(self, wiring: &mut Wiring, now: Millis, frame: &Frame) -> Result<Self, Stop> {
        if frame.kind() != Kind::Other {
            // RFC 6120 §4.9.3.12: nobody authenticated in this direction.
            return Err(StreamCondition::NotAuthorized.into());
        }
        let element = frame.element().map_err(StreamError::from)?;
        if element.is("error", ns::STREAMS) {
            return Err(self.failed_by_peer(wiring, &element));
        }
        match self {
            Self::AwaitingFeatures(state) => state.on_element(wiring, now, &element),
            Self::AwaitingProceed(invitation) => on_proceed(invitation, wiring, now, &element),
            Self::AwaitingSasl(state) => state.on_element(wiring, now, &element),
            Self::Ready(ready) => ready.on_element(wiring, now, &element),
            state => Err(impossible("Element", state.name())),
        }
    }

    fn failed_by_peer(self, wiring: &mut Wiring, element: &Element) -> Stop {
        let error = ReceivedError::read(element);
        wiring.out.event(Event::PeerError(error.clone()));
        if let (
            Self::AwaitingSasl(_),
            StreamCondition::NotAuthorized | StreamCondition::PolicyViolation,
        ) = (&self, error.condition)
        {
            // Said in place of <failure/>.
            wiring.out.event(Event::ExternalRefused);
        }
        let failure = match (&self, error.condition) {
            (_, StreamCondition::HostUnknown | StreamCondition::HostGone) => {
                OutboundFailure::HostUnknown
            }
            (Self::AwaitingProceed(TlsInvitation::Uninvited), _) => OutboundFailure::TlsNotOffered,
            // RFC 6120 §4.9.3.19 and A34: a redirection is never followed; it is a failure like any other.
            _ => OutboundFailure::PeerError(error.clone()),
        };
        Stop::Failed(failure, CloseReason::PeerFailed(error))
    }

    fn ended_by_peer(&self, wiring: &mut Wiring) -> Stop {
        let failure = match self {
            Self::AwaitingTls => OutboundFailure::TlsFailed,
            Self::AwaitingProceed(TlsInvitation::Uninvited) => OutboundFailure::TlsNotOffered,
            // COMPAT(servers that close without <failure/>): an end in place of the answer is a refusal too, and dialback on
            // the next connection may do better.
            Self::AwaitingSasl(_) => {
                wiring.out.event(Event::ExternalRefused);
                OutboundFailure::Unauthenticated
            }
            Self::Ready(Ready { authentication: Authentication::Refused, .. }) => {
                OutboundFailure::Unauthenticated
            }
            _ => OutboundFailure::ConnectionLost,
        };
        match self {
            Self::AwaitingClose | Self::Closed => finished(),
            Self::Ready(_) => Stop::Failed(failure, CloseReason::PeerClosed),
            _ => Stop::outbound(failure),
        }
    }

    fn on_timeout(mut self, wiring: &mut Wiring, now: Millis) -> Result<Self, Stop> {
        wiring.out.woken();
        while let Some(phase) = wiring.out.deadlines.expired(now) {
            match phase {
                Phase::Dialback => self = self.expire_requests(wiring, now)?,
                Phase::Close => return Err(finished()),
                Phase::Header | Phase::Tls | Phase::Negotiation => {
                    return Err(Stop::Failed(
                        OutboundFailure::TimedOut(phase),
                        CloseReason::TimedOut(phase),
                    ));
                }
            }
        }
        Ok(self)
    }

    fn on_shutdown(self, wiring: &mut Wiring, now: Millis) -> Result<Self, Stop> {
        if self.is_ending() {
            return Ok(self);
        }
        if !self.speaks() {
            return Err(finished());
        }
        wiring.requests.fail_all(&mut wiring.out, &OutboundFailure::ConnectionLost);
        // RFC 6120 §4.4: close our direction and wait for the peer to close its own.
        wiring.out.send(crate::header::CLOSE_TAG);
        wiring.out.deadlines.clear_all();
        wiring.arm(now, Phase::Close);
        Ok(Self::AwaitingClose)
    }
}

fn finished() -> Stop {
    Stop::Failed(OutboundFailure::ConnectionLost, CloseReason::Finished)
}

fn send_header(wiring: &mut Wiring, now: Millis, channel: Channel) -> State {
    wiring.write_header();
    wiring.arm(now, Phase::Header);
    State::AwaitingHeader(AwaitingHeader { channel, authentication: Authentication::None })
}

impl AwaitingTransport {
    fn step(self, wiring: &mut Wiring, now: Millis, input: &Input) -> Result<State, Stop> {
        match (wiring.options.tls, self, input) {
            (TlsState::Plain, _, Input::Connected) => {
                wiring.arm(now, Phase::Negotiation);
                Ok(send_header(wiring, now, Channel::Plain))
            }
            (TlsState::Direct, Self::Nothing, Input::Connected) => {
                // The handshake has a deadline of its own, as after STARTTLS.
                wiring.arm(now, Phase::Tls);
                wiring.arm(now, Phase::Negotiation);
                Ok(State::AwaitingTransport(Self::Transport))
            }
            (TlsState::Direct, Self::Transport, Input::TlsEstablished(_)) => {
                wiring.out.deadlines.clear(Phase::Tls);
                Ok(send_header(wiring, now, Channel::Tls))
            }
            (TlsState::Direct, Self::Nothing, Input::TlsEstablished(_)) => {
                Ok(State::AwaitingTransport(Self::Tls))
            }
            (TlsState::Direct, Self::Tls, Input::Connected) => {
                wiring.arm(now, Phase::Negotiation);
                Ok(send_header(wiring, now, Channel::Tls))
            }
            _ => Err(impossible("out of its order", "AwaitingTransport")),
        }
    }
}

impl AwaitingHeader {
    fn on_header(self, wiring: &mut Wiring, now: Millis, header: &Header) -> Result<State, Stop> {
        wiring.out.deadlines.clear(Phase::Header);
        let header = PeerHeader::read(header, Content::Server)?;
        wiring.reverse.lang.clone_from(&header.lang);
        wiring.out.event(Event::StreamOpened {
            local: Some(wiring.pair.sender().clone()),
            remote: header.from.clone(),
            version_1: header.version_1,
        });
        let id = match &header.from {
            // RFC 6120 §4.9.3.9: the response comes from somebody else. COMPAT(servers before 1.0): the `from` may be
            // missing; nothing is taken from it.
            Some(from) if from != wiring.pair.target() => Err(StreamCondition::InvalidFrom.into()),
            _ => header.response_id(),
        };
        if header.version_1 {
            return Ok(State::AwaitingFeatures(AwaitingFeatures {
                channel: self.channel,
                authentication: self.authentication,
                id,
                declares_dialback: header.declares_dialback,
            }));
        }
        // RFC 3920 §8.3: a peer from before 1.0 sends no features; dialback starts at once with the header's id.
        let ready = Ready {
            channel: self.channel,
            authentication: self.authentication,
            id: id?,
            version_1: false,
            features: PeerFeatures::default(),
            dialback: header.declares_dialback,
        };
        ready.begin(wiring, now)
    }
}

impl AwaitingFeatures {
    fn on_element(
        self,
        wiring: &mut Wiring,
        now: Millis,
        element: &Element,
    ) -> Result<State, Stop> {
        // What was wrong with the header comes first, unless the peer's own error explained it.
        let id = self.id?;
        if !element.is("features", ns::STREAMS) {
            return Err(StreamCondition::UnsupportedStanzaType.into());
        }
        let features = PeerFeatures::read(element);
        if features.starttls && !self.channel.is_tls() {
            return Ok(ask_for_tls(wiring, now, TlsInvitation::Offered));
        }
        wiring.requests.peer_supports_errors |= features.dialback_errors;
        // XEP-0478 §4: limits may change "whenever new stream features are announced".
        if let Some(limits) = features.limits {
            wiring.out.event(Event::PeerLimits(limits));
        }
        let ready = Ready {
            channel: self.channel,
            authentication: self.authentication,
            id,
            version_1: true,
            features,
            dialback: features.dialback || self.declares_dialback,
        };
        ready.begin(wiring, now)
    }
}

/// RFC 6120 §5.4.2.1. COMPAT(Prosody, xmpp-proxy do the same): when policy demands TLS it is asked for uninvited, because an
/// offer that is missing may have been removed on the way.
pub(super) fn ask_for_tls(wiring: &mut Wiring, now: Millis, invitation: TlsInvitation) -> State {
    wiring.out.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    // A peer that does not know it may be silent for ever, and stanzas wait.
    wiring.arm(now, Phase::Tls);
    State::AwaitingProceed(invitation)
}

fn on_proceed(
    invitation: TlsInvitation,
    wiring: &mut Wiring,
    now: Millis,
    element: &Element,
) -> Result<State, Stop> {
    if element.is("proceed", ns::TLS) {
        wiring.out.start_tls();
        wiring.arm(now, Phase::Tls);
        return Ok(State::AwaitingTls);
    }
    match (element.is("failure", ns::TLS), invitation) {
        (true, TlsInvitation::Offered) => Err(Stop::outbound(OutboundFailure::TlsFailed)),
        (_, TlsInvitation::Uninvited) => Err(Stop::outbound(OutboundFailure::TlsNotOffered)),
        (false, TlsInvitation::Offered) => Err(StreamCondition::UnsupportedStanzaType.into()),
    }
}

impl AwaitingSasl {
    fn on_element(
        self,
        wiring: &mut Wiring,
        now: Millis,
        element: &Element,
    ) -> Result<State, Stop> {
        match (element.name(), element.namespace()) {
            ("success", ns::SASL) => {
                // RFC 6120 §6.4.6: a new stream over the same connection, with a new id.
                wiring.write_header();
                wiring.out.restart();
                wiring.arm(now, Phase::Header);
                let authentication =
                    Authentication::External { certificate_proves: self.certificate_proves };
                Ok(State::AwaitingHeader(AwaitingHeader {
                    channel: self.ready.channel,
                    authentication,
                }))
            }
            ("challenge", ns::SASL) => {
                wiring.count_unexpected()?;
                wiring.out.write(|out| sasl::write_response(wiring.pair.sender(), out));
                Ok(State::AwaitingSasl(self))
            }
            ("failure", ns::SASL) => {
                wiring.out.event(Event::ExternalRefused);
                if let Some(pair) = wiring.requests.sasl_ended() {
                    wiring.requests.want_first(pair);
                }
                wiring.out.deadlines.clear(Phase::Negotiation);
                // The peer left the stream open: dialback may still convince it.
                let ready = Ready { authentication: Authentication::Refused, ..self.ready };
                ready.advance(wiring, now)
            }
            // Verify legs that were asked before go on being answered.
            (_, ns::DIALBACK) => {
                let Self { ready, certificate_proves } = self;
                let ready = ready.on_dialback(wiring, element)?;
                Ok(State::AwaitingSasl(Self { ready, certificate_proves }))
            }
            _ => Err(StreamCondition::UnsupportedStanzaType.into()),
        }
    }
}

impl Ready {
    /// Header and features are complete.
    fn begin(self, wiring: &mut Wiring, now: Millis) -> Result<State, Stop> {
        wiring.out.deadlines.clear(Phase::Negotiation);
        if let Authentication::External { certificate_proves } = self.authentication
            && let Some(pair) = wiring.requests.sasl_ended()
        {
            let authorized =
                Authorized { how: HowAuthorized::External, tls: true, certificate_proves };
            wiring.authorize(pair, authorized);
        }
        self.advance(wiring, now)
    }
}
