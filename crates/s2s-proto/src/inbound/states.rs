//! The states of an inbound stream, named for what they await.

use xmpp_addr::{Domain, DomainPair};

use crate::authz::PairTable;
use crate::event::TlsState;
use crate::features::StartTlsOffer;
use crate::header::PeerHeader;
use crate::judge::Demand;
use crate::pending::Pending;

/// Where an inbound stream stands.
#[derive(Debug)]
pub(super) enum State {
    /// No transport yet.
    AwaitingTransport(AwaitingTransport),
    /// The peer's header, the first or that of a restart.
    AwaitingHeader(AwaitingHeader),
    /// What policy and certificate say of the header's pair.
    AwaitingJudgement(AwaitingJudgement),
    /// Both headers are out: negotiation and stanzas.
    Open(Box<Open>),
    /// The handshake after `<proceed/>`.
    AwaitingTls,
    /// The peer's close tag, after ours.
    AwaitingClose(AwaitingClose),
    /// Nothing.
    Closed,
}

/// What the bytes travel in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Channel {
    Plain,
    Tls,
}

impl Channel {
    pub(super) fn is_tls(self) -> bool {
        matches!(self, Self::Tls)
    }
}

#[derive(Debug)]
pub(super) struct AwaitingTransport {
    pub(super) expected: TlsState,
    pub(super) seen: Seen,
}

/// What came of a direct TLS connection; for a plain one always nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    Nothing,
    Transport,
    Tls,
}

#[derive(Debug)]
pub(super) struct AwaitingHeader {
    pub(super) channel: Channel,
    pub(super) opening: Opening,
}

/// Which header of a connection is awaited or judged.
#[derive(Debug)]
pub(super) enum Opening {
    /// The first one, or the first one over TLS.
    Fresh,
    /// The one after EXTERNAL authenticated this pair.
    Authenticated(DomainPair),
}

#[derive(Debug)]
pub(super) struct AwaitingJudgement {
    pub(super) channel: Channel,
    pub(super) pair: DomainPair,
    pub(super) header: PeerHeader,
    pub(super) opening: Opening,
}

/// A stream with both headers out.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) channel: Channel,
    /// The id of our latest header: dialback keys are bound to it.
    pub(super) id: Box<str>,
    pub(super) local: Option<Domain>,
    pub(super) remote: Option<Domain>,
    pub(super) version_1: bool,
    /// The peer's default language, when stanzas must be stamped with it.
    pub(super) lang: Option<Box<str>>,
    pub(super) starttls: StartTlsOffer,
    pub(super) external: External,
    pub(super) sasl_failures: u8,
    pub(super) pairs: PairTable,
    /// Keys the caller was asked to have verified.
    pub(super) keys: Pending<Key>,
    /// Pairs whose verification was given up; the late answer must not be taken for one to a newer key.
    pub(super) abandoned: Vec<DomainPair>,
    pub(super) question: Option<Question>,
}

/// Where EXTERNAL stands.
#[derive(Clone, Debug)]
pub(super) enum External {
    /// Not offered; why, in words for the peer's administrator.
    NotOffered(Box<str>),
    /// Offered: the certificate proves the sender of this pair.
    Offered(DomainPair),
    /// The empty challenge was sent.
    AwaitingResponse(DomainPair),
    /// Done; a second authentication is not possible.
    Succeeded,
}

/// A key that is being verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) demand: Demand,
}

/// What is to be done once the pair is judged.
#[derive(Clone, Debug)]
pub(super) enum Question {
    /// A `<db:result/>` with a key.
    Result { pair: DomainPair, key: Box<str> },
    /// A `<db:verify/>`; sender = receiving domain, target = originating, ours.
    Verify { pair: DomainPair, id: Box<str>, key: Box<str> },
}

#[derive(Debug)]
pub(super) struct AwaitingClose {
    pub(super) pairs: PairTable,
    pub(super) lang: Option<Box<str>>,
}
