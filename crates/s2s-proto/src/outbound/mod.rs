//! Outbound server-to-server streams: we are the initiating server, and the receiving one for `<db:verify/>` legs.

mod negotiate;
mod ready;
mod requests;
mod reverse;
mod states;

use std::sync::Arc;

use xmpp_addr::{DomainPair, DomainPairRef};
use xmpp_frame::{Content, Frame};

use self::requests::Requests;
use self::reverse::Reverse;
use self::states::{AwaitingTransport, State};
use crate::dialback::Secret;
use crate::error::{StreamCondition, StreamError};
use crate::event::{
    CloseReason, DialbackCondition, Input, OutboundFailure, Output, TlsState, VerifyRequest,
};
use crate::features::AdvertisedLimits;
use crate::header::{CLOSE_TAG, OpeningTag};
use crate::judge::CertificateAnswer;
use crate::outbox::Outbox;
use crate::stanza::Stanza;
use crate::time::Millis;
use crate::timers::{Phase, Timeouts};

/// What all outbound streams share.
#[derive(Clone, Debug)]
pub struct OutboundConfig {
    /// Makes dialback keys.
    pub secret: Arc<Secret>,
    /// We present a certificate, so EXTERNAL is worth a try. Default true.
    pub external: bool,
    /// Both directions are asked for where they are offered, over TLS only (XEP-0288). Default true.
    pub bidi: bool,
    /// Announced with that request (XEP-0478); the framer enforces them. Default: nothing is announced.
    pub limits: AdvertisedLimits,
    /// Phase lengths.
    pub timeouts: Timeouts,
    /// Open requests of one stream, waiting ones included; one more fails with `resource-constraint`. Default 1024.
    pub pending_max: usize,
    /// First-level elements accepted that nobody waits for; one more is `policy-violation`. Default 32.
    pub unexpected_elements_max: u32,
}

impl OutboundConfig {
    /// The defaults, with this secret.
    #[must_use]
    pub fn new(secret: Arc<Secret>) -> Self {
        Self {
            secret,
            external: true,
            bidi: true,
            limits: AdvertisedLimits::default(),
            timeouts: Timeouts::default(),
            pending_max: 1024,
            unexpected_elements_max: 32,
        }
    }
}

/// What differs from stream to stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboundOptions {
    /// EXTERNAL was refused here before: use dialback when the peer offers both.
    pub dialback_first: bool,
    /// STARTTLS or direct TLS.
    pub tls: TlsState,
}

/// An outbound server-to-server stream.
///
/// ```text
/// AwaitingTransport -> AwaitingHeader -> AwaitingFeatures -> Ready <-> AwaitingSasl
///                        ^   ^             |                   |           |
///                        |   |       AwaitingProceed <---------+           |
///                        |   +-- AwaitingTls <+                            |
///                        +------------------------- success ---------------+
/// ```
///
/// Nothing is sent for a pair before [`OutboundStream::authorize`] asks for it, so a stream can serve verify legs only. The
/// first pair is settled before further ones are put on the stream. STARTTLS is used wherever it is offered, and asked for
/// uninvited where policy demands TLS. Where both directions were agreed on (XEP-0288), the reverse of a pair that the peer
/// accepted is judged once more and then admitted: [`OutboundStream::admit`]. Any other stanza from the peer ends the stream
/// with `not-authorized` (RFC 6120 §4.9.3.12).
#[derive(Debug)]
pub struct OutboundStream {
    wiring: Wiring,
    state: State,
}

/// What all states share.
#[derive(Debug)]
struct Wiring {
    config: Arc<OutboundConfig>,
    pair: DomainPair,
    options: OutboundOptions,
    out: Outbox,
    requests: Requests,
    reverse: Reverse,
    unexpected: u32,
}

/// Why a stream ends here.
#[derive(Debug)]
enum Stop {
    /// The peer broke the protocol (or we did): say so, then close.
    Error(StreamError),
    /// Policy does not let us use this peer: say why, then close; every open request fails like this.
    Refused(OutboundFailure, StreamError),
    /// Close our direction and the transport; every open request fails like this.
    Failed(OutboundFailure, CloseReason),
}

impl From<StreamError> for Stop {
    fn from(error: StreamError) -> Self {
        Self::Error(error)
    }
}

impl From<StreamCondition> for Stop {
    fn from(condition: StreamCondition) -> Self {
        Self::Error(condition.into())
    }
}

impl Stop {
    /// The certificate the peer showed is not what policy demands. XEP-0178 has the initiating server close without a word;
    /// then the peer's administrator, who alone can mend it, never learns.
    fn not_trusted(certificate: &CertificateAnswer) -> Self {
        let reason = match certificate {
            CertificateAnswer::Fails(text) => text,
            CertificateAnswer::NoneShown | CertificateAnswer::Proves => "none was presented",
        };
        let text = format!("a valid certificate is required: {reason}");
        let error = StreamError::with_text(StreamCondition::NotAuthorized, text);
        Self::Refused(OutboundFailure::NotTrusted, error)
    }

    /// The stream could not do what it was opened for.
    fn outbound(failure: OutboundFailure) -> Self {
        Self::Failed(failure.clone(), CloseReason::Outbound(failure))
    }
}

impl OutboundStream {
    /// A stream for this pair, (local, remote), whose transport is not up yet.
    #[must_use]
    pub fn new(config: Arc<OutboundConfig>, pair: DomainPair, options: OutboundOptions) -> Self {
        let requests = Requests::default();
        let out = Outbox::default();
        Self {
            wiring: Wiring {
                config,
                pair,
                options,
                out,
                requests,
                reverse: Reverse::default(),
                unexpected: 0,
            },
            state: State::AwaitingTransport(AwaitingTransport::Nothing),
        }
    }

    /// Takes one input; drain [`OutboundStream::poll_output`] afterwards.
    pub fn handle(&mut self, now: Millis, input: Input) {
        self.mutate(|state, wiring| state.step(wiring, now, input));
    }

    /// Asks to send for this pair, the stream's own or a piggy-backed one; answered by one
    /// [`Event::PairAuthorized`](crate::Event::PairAuthorized) or [`Event::PairFailed`](crate::Event::PairFailed).
    /// Asking again while the answer is due changes nothing. Ignored after the end of the stream.
    ///
    /// Put a pair with another target here only when [`OutboundStream::peer_supports_dialback_errors`]: other peers close the
    /// stream when they do not serve it (XEP-0220 §2.6.2).
    pub fn authorize(&mut self, now: Millis, pair: DomainPair) {
        self.mutate(|state, wiring| {
            if !state.is_ending() {
                wiring.requests.want(&mut wiring.out, &wiring.config, pair);
            }
            state.advance(wiring, now)
        });
    }

    /// Has a key checked here, by the authoritative server; answered by one
    /// [`Event::VerifyAnswer`](crate::Event::VerifyAnswer). A request that is open already is not repeated. Ignored after the
    /// end of the stream.
    pub fn verify(&mut self, now: Millis, request: VerifyRequest) {
        self.mutate(|state, wiring| {
            if !state.is_ending() {
                wiring.requests.want_verified(&mut wiring.out, &wiring.config, request);
            }
            state.advance(wiring, now)
        });
    }

    /// The next output, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.wiring.out.poll()
    }

    /// Whether stanzas of this pair of canonical domains may be sent.
    #[must_use]
    pub fn permits(&self, sender: &str, target: &str) -> bool {
        !self.state.is_ending() && self.wiring.requests.permits(&DomainPairRef { sender, target })
    }

    /// Whether at least one pair is authorised.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.state.is_ending() && self.wiring.requests.any_authorized()
    }

    /// Whether the stream waits for [`Input::Judged`] and may not be given an item before it.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.state.is_ending() && self.wiring.is_asking()
    }

    /// Whether stanzas of the peer may come on this stream (XEP-0288): they then go to [`OutboundStream::admit`], the rest to
    /// `handle`. Still true after [`Input::Shutdown`], until the peer closes too.
    #[must_use]
    pub fn admits(&self) -> bool {
        let listens = matches!(self.state, State::Ready(_) | State::AwaitingClose);
        listens && self.wiring.reverse.is_open()
    }

    /// Makes a stanza of a frame of the peer's whose pair is verified; the data plane.
    ///
    /// # Errors
    /// What to [`OutboundStream::fail`] with; see [`InboundStream::admit`](crate::InboundStream::admit).
    pub fn admit(&self, frame: Frame) -> Result<Stanza, StreamError> {
        if !self.admits() {
            return Err(StreamCondition::NotAuthorized.into());
        }
        self.wiring.reverse.admit(frame)
    }

    /// Whether the peer announced that a dialback error costs only its pair (XEP-0220 §2.4.2).
    #[must_use]
    pub fn peer_supports_dialback_errors(&self) -> bool {
        self.wiring.requests.peer_supports_errors
    }

    /// Ends the stream with an error; every open request fails.
    pub fn fail(&mut self, _now: Millis, error: StreamError) {
        self.mutate(|_, _| Err(Stop::Error(error)));
    }

    fn mutate(&mut self, mutation: impl FnOnce(State, &mut Wiring) -> Result<State, Stop>) {
        if matches!(self.state, State::Closed) {
            return;
        }
        let state = std::mem::replace(&mut self.state, State::Closed);
        let speaks = state.speaks();
        match mutation(state, &mut self.wiring) {
            Ok(state) => self.state = state,
            Err(stop) => self.stop(speaks, stop),
        }
    }

    fn stop(&mut self, speaks: bool, stop: Stop) {
        let (failure, reason) = match stop {
            Stop::Refused(failure, error) => {
                if speaks {
                    self.wiring.out.write(|text| error.write(text));
                }
                (failure.clone(), CloseReason::Outbound(failure))
            }
            Stop::Error(error) => {
                if speaks {
                    self.wiring.out.write(|text| error.write(text));
                }
                (OutboundFailure::Protocol(error.clone()), CloseReason::Failed(error))
            }
            Stop::Failed(failure, reason) => (failure, reason),
        };
        if speaks {
            self.wiring.out.send(CLOSE_TAG);
        }
        let wiring = &mut self.wiring;
        wiring.requests.fail_all(&mut wiring.out, &failure);
        wiring.out.close(reason);
    }
}

impl Wiring {
    /// Our header, for the stream's own pair.
    fn write_header(&mut self) {
        let tag = OpeningTag {
            content: Content::Server,
            from: Some(self.pair.sender().as_str()),
            to: Some(self.pair.target().as_str()),
            id: None,
            version_1: true,
        };
        self.out.write(|text| tag.write(text));
    }

    /// Whether an answer of the caller is due.
    fn is_asking(&self) -> bool {
        self.requests.question().is_some() || self.reverse.is_asking()
    }

    fn arm(&mut self, now: Millis, phase: Phase) {
        self.out.deadlines.arm(now, phase, &self.config.timeouts);
    }

    /// Counts an element nobody waits for.
    fn count_unexpected(&mut self) -> Result<(), Stop> {
        self.unexpected = self.unexpected.saturating_add(1);
        if self.unexpected > self.config.unexpected_elements_max {
            return Err(StreamError::with_text(
                StreamCondition::PolicyViolation,
                "too many unexpected elements",
            )
            .into());
        }
        Ok(())
    }
}

impl OutboundFailure {
    /// What a failed verify leg means to the receiving side (XEP-0220 §2.5).
    pub(crate) fn as_dialback(&self) -> DialbackCondition {
        match self {
            // "encountered an item-not-found error condition or a host-unknown stream error"
            Self::HostUnknown | Self::DialbackError(DialbackCondition::ItemNotFound) => {
                DialbackCondition::RemoteServerNotFound
            }
            Self::TlsNotOffered | Self::NotTrusted => DialbackCondition::PolicyViolation,
            // The authoritative server answered, with an error that belongs to the key and not to the connection.
            Self::DialbackError(DialbackCondition::ResourceConstraint) => {
                DialbackCondition::ResourceConstraint
            }
            Self::DialbackInvalid | Self::DialbackError(_) => DialbackCondition::NotAcceptable,
            // "a problem with the connection, for example if the authoritative server unexpectedly closed the stream"
            Self::TimedOut(_) | Self::ConnectionLost | Self::PeerError(_) => {
                DialbackCondition::RemoteServerTimeout
            }
            Self::TlsFailed | Self::Unauthenticated | Self::Protocol(_) => {
                DialbackCondition::RemoteConnectionFailed
            }
        }
    }
}

/// An event that cannot happen in a state: a fault of the driver, never of the peer.
fn impossible(event: &str, state: &str) -> Stop {
    let text = format!("event {event} in state {state}");
    Stop::Error(StreamError::with_text(StreamCondition::InternalServerError, text))
}
