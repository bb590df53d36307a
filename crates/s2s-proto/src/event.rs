//! Everything that goes into a stream and everything that comes out.
//!
//! One rule: *mutate once, then drain*. Call `handle` (or another mutator) once, then `poll_output` until it returns
//! `None`; only then mutate again.

use std::fmt;

use bytes::Bytes;
use xmpp_addr::{Domain, DomainPair};
use xmpp_frame::{FrameError, Item};

use crate::authz::VerifiedPair;
use crate::error::{ReceivedError, StreamError};
use crate::features::AdvertisedLimits;
use crate::judge::{Demand, Judgement};
use crate::time::Millis;
use crate::timers::Phase;

/// What is known of the peer when the TLS handshake is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsPeer {
    /// The peer presented a certificate (nothing is said about its worth).
    pub certificate: bool,
    /// TLS started with the connection, not by STARTTLS (XEP-0368).
    pub direct: bool,
}

/// How a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsState {
    /// In clear; STARTTLS may follow.
    Plain,
    /// Direct TLS (XEP-0368): the stream starts once it had both [`Input::Connected`] and [`Input::TlsEstablished`]. Give
    /// `Connected` first, when the transport is up: the deadlines of handshake and negotiation run from then.
    Direct,
}

/// What happened to a stream.
#[derive(Debug)]
pub enum Input {
    /// The transport is up.
    Connected,
    /// The handshake is done, STARTTLS or direct.
    TlsEstablished(TlsPeer),
    /// A header, a top-level element or the close tag.
    Item(Item),
    /// The framer refused the bytes.
    BadXml(FrameError),
    /// The answer to [`Output::Judge`].
    Judged(DomainPair, Judgement),
    /// The answer to [`Output::Verify`].
    Verified(DomainPair, VerifyOutcome),
    /// The operator drains: end politely.
    Shutdown,
    /// The deadline of the last [`Output::Timeout`] is reached.
    Timeout,
    /// The peer closed the transport, or it broke.
    Eof,
}

/// What a stream wants done.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes.
    Transmit(Bytes),
    /// Send these bytes in clear (there may be none), then start the TLS handshake. The caller first checks that the
    /// framer holds no unread byte, and goes on with a fresh framer.
    StartTls(Bytes),
    /// Restart the framer, then send these bytes.
    RestartStream(Bytes),
    /// Judge this pair, (remote, local) inbound or (local, remote) outbound; answer with [`Input::Judged`]. The stream
    /// is blocked meanwhile.
    Judge(DomainPair),
    /// Have this dialback key verified by the authoritative server; answer with [`Input::Verified`].
    Verify(VerifyRequest),
    /// Something for router, counters and logs.
    Event(Event),
    /// Flush, then close the transport; the last output.
    Close(CloseReason),
    /// Wake me then with [`Input::Timeout`], unless another such output changes it; drained last.
    Timeout(Millis),
}

/// A dialback key to be verified (XEP-0220 §2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    /// Sender = the originating domain; target = the receiving domain, ours.
    pub pair: DomainPair,
    /// The id of the inbound stream the key came on.
    pub stream_id: Box<str>,
    /// The key as received, trimmed.
    pub key: Box<str>,
    /// What policy demands of the pair; [`Demand::DialbackOverTls`] means the verify leg needs TLS too.
    pub demand: Demand,
}

/// What became of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerifyOutcome {
    /// The authoritative server says the key is its own.
    Valid {
        /// The verify leg ran over TLS.
        leg_tls: bool,
    },
    /// The authoritative server denies the key.
    Invalid,
    /// No answer could be had.
    Failed(DialbackCondition),
}

/// Dialback error conditions (XEP-0220 §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialbackCondition {
    /// The target domain is not served.
    ItemNotFound,
    /// No connection to the authoritative server.
    RemoteConnectionFailed,
    /// The authoritative server cannot be found.
    RemoteServerNotFound,
    /// The authoritative server did not answer in time.
    RemoteServerTimeout,
    /// Policy, such as TLS before dialback.
    PolicyViolation,
    /// A valid certificate is required.
    NotAuthorized,
    /// The authoritative server denied the key.
    Forbidden,
    /// The asserted domain could not be established.
    NotAcceptable,
    /// Too many requests on this stream.
    ResourceConstraint,
    /// A fault on the answering side.
    InternalServerError,
    /// Any other stanza error condition; the XEP allows them all.
    Other,
}

/// Something that happened, typed; routers, counters, logs and tests read these.
#[derive(Clone, Debug)]
pub enum Event {
    /// A stream header was accepted (again after every restart).
    StreamOpened {
        /// Our domain, if the header named one.
        local: Option<Domain>,
        /// The peer's asserted domain, if the header named one.
        remote: Option<Domain>,
        /// The peer speaks XMPP 1.0 or later.
        version_1: bool,
    },
    /// Inbound, component, and outbound in the reverse direction (XEP-0288): this pair may send from now on.
    PairVerified(VerifiedPair),
    /// Inbound, and outbound in the reverse direction: this pair may not send.
    PairRefused {
        /// The refused pair.
        pair: DomainPair,
        /// The reason.
        why: RefusedBecause,
    },
    /// Inbound: we answered a `<db:verify/>` as authoritative server.
    DialbackAnswered {
        /// Sender = the asking (receiving) domain, target = the originating one, ours.
        pair: DomainPair,
        /// The key was ours.
        valid: bool,
    },
    /// An answer nobody asked for was dropped.
    Unsolicited(UnsolicitedKind),
    /// What the peer takes on this stream (XEP-0478); the latest announcement counts.
    PeerLimits(AdvertisedLimits),
    /// Both sides agreed that the stream may be used in both directions (XEP-0288), once pairs are proved.
    Bidirectional,
    /// Inbound: stanzas of this pair, (local, remote), may be sent on this stream too (XEP-0288). Its reverse was proved.
    ReverseAuthorized {
        /// The pair.
        pair: DomainPair,
    },
    /// Inbound: stanzas of this pair, (local, remote), may no longer be sent on this stream.
    ReverseWithdrawn {
        /// The pair.
        pair: DomainPair,
    },
    /// Outbound: stanzas of this pair may be sent.
    PairAuthorized {
        /// The pair.
        pair: DomainPair,
        /// By what means the peer accepted us.
        how: HowAuthorized,
        /// The stream runs over TLS.
        tls: bool,
        /// The peer's certificate proves its name.
        certificate_proves: bool,
    },
    /// Outbound: this pair may not be used; the stream goes on unless [`Output::Close`] follows.
    PairFailed {
        /// The pair.
        pair: DomainPair,
        /// The reason.
        failure: OutboundFailure,
    },
    /// Outbound: the answer to [`crate::OutboundStream::verify`].
    VerifyAnswer {
        /// The pair of the request.
        pair: DomainPair,
        /// The stream id of the request.
        stream_id: Box<str>,
        /// The outcome.
        outcome: VerifyOutcome,
    },
    /// Outbound: EXTERNAL was refused; use dialback first next time.
    ExternalRefused,
    /// Component: the handshake succeeded.
    ComponentAttached {
        /// The name in its header.
        name: Domain,
        /// Index into [`crate::ComponentConfig::entries`].
        entry: usize,
    },
    /// The peer closed its stream.
    PeerClosed,
    /// The peer sent a stream error.
    PeerError(ReceivedError),
}

/// Why an inbound pair was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusedBecause {
    /// The target is not hosted here.
    UnknownHost,
    /// The sender claims a domain of ours.
    OurOwnDomain,
    /// A server of the operator's own claims a domain that it does not serve.
    ForeignDomain,
    /// Policy refuses the pair.
    Policy(Box<str>),
    /// Policy demands TLS before anything else.
    TlsRequired,
    /// Policy demands TLS on the verify leg and it had none.
    LegNotTls,
    /// Policy demands a certificate that proves the name; the text says what is wrong with the one shown, if any.
    CertificateRequired(Box<str>),
    /// The authoritative server denied the key.
    DialbackInvalid,
    /// The key could not be verified.
    DialbackFailed(DialbackCondition),
    /// Too many requests are pending on this stream, or too many pairs are open.
    TooManyPending,
    /// Asked for by dialback on a stream that we opened (XEP-0288): the peer is sent to a stream of its own.
    AskedInReverse,
    /// SASL EXTERNAL was tried without a certificate that proves the name.
    ExternalRefused,
}

/// Which answer came unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnsolicitedKind {
    /// `<db:result type='…'/>`
    Result,
    /// `<db:verify type='…'/>`
    Verify,
}

/// By what means a peer accepted an outbound pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HowAuthorized {
    /// SASL EXTERNAL.
    External,
    /// Server dialback (the peer may have looked at our certificate instead of calling back).
    Dialback,
    /// Nothing was asked: the peer offers no way to prove a name.
    Asserted,
}

/// Why a transport is to be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Both sides closed, or we refused the only pair in words it understands.
    Finished,
    /// The peer closed its stream, or the transport ended.
    PeerClosed,
    /// We sent this stream error.
    Failed(StreamError),
    /// The peer sent a stream error.
    PeerFailed(ReceivedError),
    /// A phase took too long.
    TimedOut(Phase),
    /// An outbound stream could not do what it was opened for.
    Outbound(OutboundFailure),
}

/// Why an outbound pair or stream failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundFailure {
    /// The peer does not serve the remote domain.
    HostUnknown,
    /// Policy demands TLS and the peer has none.
    TlsNotOffered,
    /// The handshake failed.
    TlsFailed,
    /// Policy demands a certificate that proves the peer's name, or refuses the pair.
    NotTrusted,
    /// The peer refused our proof, or offers no way to give one.
    Unauthenticated,
    /// The peer says our dialback key is invalid.
    DialbackInvalid,
    /// The peer answered our dialback key with an error.
    DialbackError(DialbackCondition),
    /// The peer sent a stream error.
    PeerError(ReceivedError),
    /// The peer broke the protocol; we sent this stream error.
    Protocol(StreamError),
    /// A phase took too long.
    TimedOut(Phase),
    /// The transport ended, or the peer closed the stream, before an answer came.
    ConnectionLost,
}

impl fmt::Display for OutboundFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostUnknown => f.write_str("the peer does not serve the domain"),
            Self::TlsNotOffered => f.write_str("TLS is required and the peer offers none"),
            Self::TlsFailed => f.write_str("the TLS handshake failed"),
            Self::NotTrusted => f.write_str("the peer is not trusted by policy"),
            Self::Unauthenticated => f.write_str("the peer refused our proof of identity"),
            Self::DialbackInvalid => f.write_str("the peer found our dialback key invalid"),
            Self::DialbackError(condition) => write!(f, "dialback error {}", condition.name()),
            Self::PeerError(error) => write!(f, "stream error from the peer: {error}"),
            Self::Protocol(error) => write!(f, "the peer broke the protocol: {error}"),
            Self::TimedOut(phase) => write!(f, "timed out in phase {phase:?}"),
            Self::ConnectionLost => f.write_str("the connection was lost"),
        }
    }
}
