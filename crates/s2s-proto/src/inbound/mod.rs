//! Inbound server-to-server streams: we are the receiving server, and the authoritative one for `<db:verify/>`.

mod bidi;
mod dialback;
mod negotiate;
mod opening;
mod states;

use std::sync::Arc;

use xmpp_addr::{Domain, DomainPair};
use xmpp_frame::{Content, Frame, Item};

use self::states::{
    AwaitingClose, AwaitingHeader, AwaitingTransport, Channel, Opening, Seen, State,
};
use crate::dialback::Secret;
use crate::error::{StreamCondition, StreamError};
use crate::event::{CloseReason, Event, Input, Output, TlsState};
use crate::features::AdvertisedLimits;
use crate::header::{CLOSE_TAG, OpeningTag, StreamIds};
use crate::outbox::Outbox;
use crate::stanza::{self, Stanza};
use crate::stop::Stop;
use crate::time::Millis;
use crate::timers::{Phase, Timeouts};

/// What all inbound streams of a listener share.
#[derive(Clone, Debug)]
pub struct InboundConfig {
    /// Answers `<db:verify/>`.
    pub secret: Arc<Secret>,
    /// Our name in a response to a header whose `to` is missing or unknown; otherwise the `to` is echoed or left out.
    pub authority: Option<Domain>,
    /// A certificate exists, so STARTTLS can be offered. Default true.
    pub starttls: bool,
    /// Both directions are offered, over TLS only (XEP-0288). Default true.
    pub bidi: bool,
    /// Announced with XEP-0478; the framer enforces them. Default: nothing is announced.
    pub limits: AdvertisedLimits,
    /// Phase lengths.
    pub timeouts: Timeouts,
    /// First-level elements accepted before the first pair is verified; one more is `policy-violation`. Default 32.
    pub preauth_elements_max: u32,
    /// Keys of one stream waiting for verification; one more is answered `resource-constraint`. Default 16.
    pub pending_max: usize,
    /// Verified pairs of one stream; one more is answered `resource-constraint`. Default 16 384, about 100 bytes each.
    pub pairs_max: usize,
}

impl InboundConfig {
    /// The defaults, with this secret.
    #[must_use]
    pub fn new(secret: Arc<Secret>) -> Self {
        Self {
            secret,
            authority: None,
            starttls: true,
            bidi: true,
            limits: AdvertisedLimits::default(),
            timeouts: Timeouts::default(),
            preauth_elements_max: 32,
            pending_max: 16,
            pairs_max: 16_384,
        }
    }
}

/// An inbound server-to-server stream.
///
/// ```text
/// AwaitingTransport -> AwaitingHeader -> AwaitingJudgement -> Open -> AwaitingClose -> Closed
///                        ^   ^                                | |
///                        |   +--- AwaitingTls <-- starttls ---+ |
///                        +------------- EXTERNAL succeeded -----+
/// ```
///
/// One stream may carry many pairs: each is verified by itself, by EXTERNAL for the pair of the header and by `<db:result/>`
/// for every pair. Where the peer asked for both directions (XEP-0288), the reverse of each pair that was proved may be sent:
/// [`Event::ReverseAuthorized`]. Nothing is ever asked of the peer on such a stream, so answers stay unsolicited.
#[derive(Debug)]
pub struct InboundStream {
    wiring: Wiring,
    state: State,
}

/// What all states share: configuration, output, ids and the pre-authentication budget.
#[derive(Debug)]
struct Wiring {
    config: Arc<InboundConfig>,
    out: Outbox,
    ids: StreamIds,
    elements: u32,
    /// The peer asked for both directions over TLS, before any pair was proved. Kept over the restart after EXTERNAL.
    bidirectional: bool,
}

impl InboundStream {
    /// A stream whose transport is not up yet. `seed` must be random: stream ids are made from it.
    #[must_use]
    pub fn new(config: Arc<InboundConfig>, seed: [u8; 32], tls: TlsState) -> Self {
        Self {
            wiring: Wiring {
                config,
                out: Outbox::default(),
                ids: StreamIds::new(seed),
                elements: 0,
                bidirectional: false,
            },
            state: State::AwaitingTransport(AwaitingTransport {
                expected: tls,
                seen: Seen::Nothing,
            }),
        }
    }

    /// Takes one input; drain [`InboundStream::poll_output`] afterwards.
    pub fn handle(&mut self, now: Millis, input: Input) {
        if matches!(self.state, State::Closed) {
            return;
        }
        let state = std::mem::replace(&mut self.state, State::Closed);
        match state.step(&mut self.wiring, now, input) {
            Ok(state) => self.state = state,
            Err((said, stop)) => self.stop(said, stop),
        }
    }

    /// The next output, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.wiring.out.poll()
    }

    /// Makes a stanza of a frame whose pair is verified; the data plane.
    ///
    /// # Errors
    /// What to [`InboundStream::fail`] with: `unsupported-stanza-type` for a nonza, `not-authorized` before any pair is
    /// verified, `improper-addressing` for a missing or malformed address, `invalid-from` for a pair that is not verified.
    pub fn admit(&self, frame: Frame) -> Result<Stanza, StreamError> {
        match &self.state {
            State::Open(open) => stanza::admit(frame, &open.pairs, open.lang.as_deref()),
            State::AwaitingClose(closing) => {
                stanza::admit(frame, &closing.pairs, closing.lang.as_deref())
            }
            _ => Err(StreamCondition::NotAuthorized.into()),
        }
    }

    /// Whether at least one pair is verified: stanza frames then go to [`InboundStream::admit`], the rest to `handle`.
    /// Still true after [`Input::Shutdown`], until the peer closes too.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match &self.state {
            State::Open(open) => !open.pairs.is_empty(),
            State::AwaitingClose(closing) => !closing.pairs.is_empty(),
            _ => false,
        }
    }

    /// Whether stanzas of this pair are admitted. A key that is refused need not end an older proof: an authoritative server
    /// that cannot be asked disproves nothing.
    #[must_use]
    pub fn is_verified(&self, pair: &DomainPair) -> bool {
        let pairs = match &self.state {
            State::Open(open) => &open.pairs,
            State::AwaitingClose(closing) => &closing.pairs,
            _ => return false,
        };
        pairs.find(&pair.as_pair_ref()).is_some()
    }

    /// Whether the stream waits for [`Input::Judged`] and may not be given another item before it.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        match &self.state {
            State::AwaitingJudgement(_) => true,
            State::Open(open) => open.question.is_some(),
            _ => false,
        }
    }

    /// Ends the stream with an error; opens it first when no header was sent yet.
    pub fn fail(&mut self, _now: Millis, error: StreamError) {
        if matches!(self.state, State::Closed) {
            return;
        }
        let said = self.state.said();
        self.stop(said, Stop::Error(error));
    }

    fn stop(&mut self, said: Said, stop: Stop) {
        self.state = State::Closed;
        let reason = match stop {
            Stop::Close(reason) => reason,
            Stop::Error(error) => {
                // RFC 6120 §4.9.1.2: even a rejected stream gets an opening tag first.
                if said == Said::Nothing {
                    self.wiring.open(None, None, true);
                }
                if matches!(said, Said::Nothing | Said::Header) {
                    self.wiring.out.write(|text| error.write(text));
                    self.wiring.out.send(CLOSE_TAG);
                }
                CloseReason::Failed(error)
            }
        };
        self.wiring.out.close(reason);
    }
}

/// How far we have spoken on the stream as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// We cannot speak: no transport, or a handshake is under way.
    CannotSpeak,
    /// Nothing yet.
    Nothing,
    /// Our header.
    Header,
    /// Our close tag.
    Close,
}

impl Wiring {
    /// Sends our header with a new id (RFC 6120 §4.7.3: new at every restart).
    fn open(&mut self, from: Option<&Domain>, to: Option<&Domain>, version_1: bool) -> Box<str> {
        let id = self.ids.next();
        let authority = self.config.authority.as_ref();
        let tag = OpeningTag {
            content: Content::Server,
            from: from.or(authority).map(Domain::as_str),
            to: to.map(Domain::as_str),
            id: Some(&id),
            version_1,
        };
        self.out.write(|text| tag.write(text));
        id
    }

    fn arm(&mut self, now: Millis, phase: Phase) {
        let timeouts = &self.config.timeouts;
        self.out.deadlines.arm(now, phase, timeouts);
    }

    /// Counts an element that came before any pair was verified.
    fn count_preauth_element(&mut self) -> Result<(), StreamError> {
        self.elements = self.elements.saturating_add(1);
        if self.elements > self.config.preauth_elements_max {
            let text = "too many elements before authentication";
            return Err(StreamError::with_text(StreamCondition::PolicyViolation, text));
        }
        Ok(())
    }
}

/// An event that cannot happen in a state: a fault of the driver, never of the peer.
fn impossible(event: &str, state: &str) -> Stop {
    let text = format!("event {event} in state {state}");
    Stop::Error(StreamError::with_text(StreamCondition::InternalServerError, text))
}

impl State {
    /// The name of an input, for [`impossible`].
    fn name_of(input: &Input) -> &'static str {
        match input {
            Input::Connected => "Connected",
            Input::TlsEstablished(_) => "TlsEstablished",
            Input::Item(Item::Header(_)) => "Header",
            Input::Item(Item::Element(_)) => "Element",
            Input::Item(Item::Close) => "Close",
            Input::BadXml(_) => "BadXml",
            Input::Judged(..) => "Judged",
            Input::Verified(..) => "Verified",
            Input::Shutdown => "Shutdown",
            Input::Timeout => "Timeout",
            Input::Eof => "Eof",
        }
    }

    /// One mutation. The error carries how far we had spoken when it arose.
    fn step(self, wiring: &mut Wiring, now: Millis, input: Input) -> Result<Self, (Said, Stop)> {
        let said = self.said();
        let result = match input {
            Input::Eof => Err(Stop::Close(self.ended_by_peer())),
            Input::Timeout => self.on_timeout(wiring, now),
            Input::Shutdown => self.on_shutdown(wiring, now),
            Input::BadXml(error) => Err(Stop::Error(error.into())),
            input => match self {
                Self::AwaitingTransport(state) => state.step(wiring, now, &input),
                Self::AwaitingHeader(state) => state.step(wiring, input),
                Self::AwaitingJudgement(state) => state.step(wiring, input),
                Self::Open(state) => state.step(wiring, now, input),
                Self::AwaitingTls => match input {
                    Input::TlsEstablished(_) => Ok(awaiting_header(wiring, now, Channel::Tls)),
                    // An answer to a question of the stream that TLS has ended.
                    Input::Verified(..) => Ok(Self::AwaitingTls),
                    input => Err(impossible(Self::name_of(&input), "AwaitingTls")),
                },
                Self::AwaitingClose(state) => state.step(input),
                Self::Closed => Ok(Self::Closed),
            },
        };
        // A header may have been sent in this very step; a close tag that was sent stays the last word.
        let opened = said == Said::Nothing && wiring.out.header_sent;
        result.map_err(|stop| (if opened { Said::Header } else { said }, stop))
    }

    fn said(&self) -> Said {
        match self {
            Self::AwaitingTransport(_) | Self::AwaitingTls => Said::CannotSpeak,
            Self::AwaitingHeader(_) | Self::AwaitingJudgement(_) => Said::Nothing,
            Self::Open(_) => Said::Header,
            Self::AwaitingClose(_) | Self::Closed => Said::Close,
        }
    }

    fn ended_by_peer(&self) -> CloseReason {
        match self {
            Self::AwaitingClose(_) => CloseReason::Finished,
            _ => CloseReason::PeerClosed,
        }
    }

    fn on_shutdown(self, wiring: &mut Wiring, now: Millis) -> Result<Self, Stop> {
        match self {
            Self::Open(open) => {
                // RFC 6120 §4.4: close our direction, go on reading until the peer closes its own.
                wiring.out.send(CLOSE_TAG);
                wiring.out.deadlines.clear_all();
                wiring.arm(now, Phase::Close);
                Ok(Self::AwaitingClose(AwaitingClose { pairs: open.pairs, lang: open.lang }))
            }
            Self::AwaitingClose(_) | Self::Closed => Ok(self),
            _ => Err(Stop::Close(CloseReason::Finished)),
        }
    }

    fn on_timeout(mut self, wiring: &mut Wiring, now: Millis) -> Result<Self, Stop> {
        wiring.out.woken();
        while let Some(phase) = wiring.out.deadlines.expired(now) {
            match phase {
                Phase::Dialback => {
                    if let Self::Open(open) = self {
                        self = open.expire_keys(wiring, now)?;
                    }
                }
                Phase::Close => return Err(Stop::Close(CloseReason::Finished)),
                Phase::Header | Phase::Tls | Phase::Negotiation => {
                    return Err(self.timed_out(wiring, phase));
                }
            }
        }
        Ok(self)
    }

    fn timed_out(&self, wiring: &mut Wiring, phase: Phase) -> Stop {
        if self.said() == Said::Header {
            // RFC 6120 §4.9.3.4: the peer was silent, or talked without getting anywhere.
            wiring
                .out
                .write(|text| StreamError::new(StreamCondition::ConnectionTimeout).write(text));
            wiring.out.send(CLOSE_TAG);
        }
        Stop::Close(CloseReason::TimedOut(phase))
    }
}

fn awaiting_header(wiring: &mut Wiring, now: Millis, channel: Channel) -> State {
    // RFC 6120 §5.4.3.3: what was learnt before TLS is gone; so is every timer but that of the whole negotiation.
    wiring.out.deadlines.clear(Phase::Tls);
    wiring.arm(now, Phase::Header);
    State::AwaitingHeader(AwaitingHeader { channel, opening: Opening::Fresh })
}

impl AwaitingTransport {
    fn step(self, wiring: &mut Wiring, now: Millis, input: &Input) -> Result<State, Stop> {
        match (self.expected, self.seen, input) {
            (TlsState::Plain, _, Input::Connected) => {
                wiring.arm(now, Phase::Negotiation);
                Ok(awaiting_header(wiring, now, Channel::Plain))
            }
            (TlsState::Direct, Seen::Nothing, Input::Connected) => {
                // The handshake has a deadline of its own: a peer that drips it byte by byte gains nothing.
                wiring.arm(now, Phase::Tls);
                wiring.arm(now, Phase::Negotiation);
                Ok(State::AwaitingTransport(Self { seen: Seen::Transport, ..self }))
            }
            (TlsState::Direct, Seen::Transport, Input::TlsEstablished(_)) => {
                Ok(awaiting_header(wiring, now, Channel::Tls))
            }
            (TlsState::Direct, Seen::Nothing, Input::TlsEstablished(_)) => {
                Ok(State::AwaitingTransport(Self { seen: Seen::Tls, ..self }))
            }
            (TlsState::Direct, Seen::Tls, Input::Connected) => {
                wiring.arm(now, Phase::Negotiation);
                Ok(awaiting_header(wiring, now, Channel::Tls))
            }
            (_, _, input) => Err(impossible(State::name_of(input), "AwaitingTransport")),
        }
    }
}

impl AwaitingClose {
    fn step(self, input: Input) -> Result<State, Stop> {
        match input {
            Input::Item(Item::Close) => Err(Stop::Close(CloseReason::Finished)),
            // RFC 6120 §4.4: data still in flight; stanzas go through `admit`, nothing else can be answered any more.
            Input::Item(_) | Input::Verified(..) | Input::Judged(..) => {
                Ok(State::AwaitingClose(self))
            }
            input => Err(impossible(State::name_of(&input), "AwaitingClose")),
        }
    }
}

/// The peer sent its close tag: answer it (RFC 6120 §4.4) and end.
fn closed_by_peer(wiring: &mut Wiring) -> Stop {
    wiring.out.send(CLOSE_TAG);
    wiring.out.event(Event::PeerClosed);
    Stop::Close(CloseReason::PeerClosed)
}
