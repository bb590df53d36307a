//! The states of an outbound stream, named for what they await.

use crate::error::StreamError;
use crate::features::PeerFeatures;

/// Where an outbound stream stands.
#[derive(Debug)]
pub(super) enum State {
    /// No transport yet.
    AwaitingTransport(AwaitingTransport),
    /// The response header, the first or that of a restart.
    AwaitingHeader(AwaitingHeader),
    /// The features of a 1.0 peer.
    AwaitingFeatures(AwaitingFeatures),
    /// `<proceed/>`.
    AwaitingProceed(TlsInvitation),
    /// The handshake.
    AwaitingTls,
    /// The outcome of EXTERNAL.
    AwaitingSasl(AwaitingSasl),
    /// Requests, and their answers.
    Ready(Ready),
    /// The peer's close tag, after ours.
    AwaitingClose,
    /// Nothing.
    Closed,
}

/// What the bytes travel in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Channel {
    Plain,
    Tls,
}

/// Whether STARTTLS was offered when we asked for it.
#[derive(Clone, Copy, Debug)]
pub(super) enum TlsInvitation {
    Offered,
    Uninvited,
}

/// Whether EXTERNAL succeeded on this connection, and with what certificate of the peer's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Authentication {
    None,
    Refused,
    External { certificate_proves: bool },
}

/// What came of a direct TLS connection; for a plain one always nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum AwaitingTransport {
    Nothing,
    Transport,
    Tls,
}

#[derive(Debug)]
pub(super) struct AwaitingHeader {
    pub(super) channel: Channel,
    pub(super) authentication: Authentication,
}

#[derive(Debug)]
pub(super) struct AwaitingFeatures {
    pub(super) channel: Channel,
    pub(super) authentication: Authentication,
    /// The id of the header, or what is wrong with the header: an error of the peer's that follows says more.
    pub(super) id: Result<Box<str>, StreamError>,
    pub(super) declares_dialback: bool,
}

#[derive(Debug)]
pub(super) struct AwaitingSasl {
    pub(super) ready: Ready,
    pub(super) certificate_proves: bool,
}

/// A negotiated stream.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) channel: Channel,
    pub(super) authentication: Authentication,
    /// The id of the peer's latest header: dialback keys are bound to it.
    pub(super) id: Box<str>,
    pub(super) version_1: bool,
    pub(super) features: PeerFeatures,
    /// By feature or by namespace declaration.
    pub(super) dialback: bool,
}

impl Channel {
    pub(super) fn is_tls(self) -> bool {
        matches!(self, Self::Tls)
    }
}

impl State {
    /// Whether our header is out and our close tag is not.
    pub(super) fn speaks(&self) -> bool {
        match self {
            Self::AwaitingTransport(_) | Self::AwaitingTls | Self::AwaitingClose | Self::Closed => {
                false
            }
            Self::AwaitingHeader(_)
            | Self::AwaitingFeatures(_)
            | Self::AwaitingProceed(_)
            | Self::AwaitingSasl(_)
            | Self::Ready(_) => true,
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(self, Self::AwaitingClose | Self::Closed)
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::AwaitingTransport(_) => "AwaitingTransport",
            Self::AwaitingHeader(_) => "AwaitingHeader",
            Self::AwaitingFeatures(_) => "AwaitingFeatures",
            Self::AwaitingProceed(_) => "AwaitingProceed",
            Self::AwaitingTls => "AwaitingTls",
            Self::AwaitingSasl(_) => "AwaitingSasl",
            Self::Ready(_) => "Ready",
            Self::AwaitingClose => "AwaitingClose",
            Self::Closed => "Closed",
        }
    }
}
