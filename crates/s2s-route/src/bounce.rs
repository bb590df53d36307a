//! Stanza errors made here: which stanzas get one, how it is spelled, and the one map from causes to conditions.

use bytes::Bytes;
use s2s_proto::{DialbackCondition, OutboundFailure, StreamCondition};
use xmpp_addr::DomainPair;
use xmpp_frame::{Frame, Kind, escape};

use crate::counters::DropReason;
use crate::discovery::{DnsFailure, NoTargets};

/// A stanza error, on its way to the sender of the stanza it is about.
///
/// The payload is not echoed (threat A35) and the text names no domain, address or certificate of the peer (threat A36).
/// It stays below [`Bounce::BYTES_USUAL`]; only where both addresses and the id, which it must repeat, are longer than
/// that it grows, then without a text and never beyond [`Bounce::BYTES_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounce {
    pair: DomainPair,
    from: Box<str>,
    bytes: Bytes,
    error: StanzaError,
}

impl Bounce {
    /// Bytes of a bounce with addresses of a usual length at most.
    pub const BYTES_USUAL: usize = 1024;
    /// No bounce is longer. Two addresses of the greatest length (RFC 7622 §3: 3,071 bytes each) fit.
    pub const BYTES_MAX: usize = 8 * 1024;

    /// The error for `stanza`.
    ///
    /// # Errors
    /// [`DropReason::MustNotBounce`] for an error, the result of an IQ, or what is no stanza (RFC 6120 §8.3.1: an error is never
    /// answered with an error; §8.2.3: nor is a result); [`DropReason::BounceTooLong`] where it would be too long.
    pub(crate) fn of(
        stanza: &Frame,
        pair: &DomainPair,
        error: StanzaError,
    ) -> Result<Bounce, DropReason> {
        let type_ = stanza.type_();
        let Some(name) = bounceable(stanza.kind(), type_.as_deref()) else {
            return Err(DropReason::MustNotBounce);
        };
        let (from, to) = (stanza.to().unwrap_or_default(), stanza.from().unwrap_or_default());
        let id = stanza.id();
        let spelled_with = |text| spell(name, &from, &to, id.as_deref(), error, text);
        let mut spelled = spelled_with(error.text());
        if spelled.len() > Bounce::BYTES_USUAL {
            spelled = spelled_with("");
        }
        if spelled.len() > Bounce::BYTES_MAX {
            return Err(DropReason::BounceTooLong);
        }
        Ok(Bounce {
            pair: pair.reversed(),
            from: (*from).into(),
            bytes: Bytes::from(spelled),
            error,
        })
    }

    /// (domain of `from`, domain of `to`): the reverse of the stanza's.
    pub fn pair(&self) -> &DomainPair {
        &self.pair
    }

    /// The `from`: the address the stanza was meant for.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The element, without a namespace declaration on it: it takes the content namespace of any stream.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What it says.
    pub fn error(&self) -> StanzaError {
        self.error
    }
}

/// The element name of the error for such a stanza; `None` where no error may be sent.
fn bounceable(kind: Kind, type_: Option<&str>) -> Option<&'static str> {
    match (kind, type_) {
        (_, Some("error")) | (Kind::Iq, Some("result")) | (Kind::Other, _) => None,
        (Kind::Message, _) => Some("message"),
        (Kind::Presence, _) => Some("presence"),
        (Kind::Iq, _) => Some("iq"),
    }
}

fn spell(
    name: &str,
    from: &str,
    to: &str,
    id: Option<&str>,
    error: StanzaError,
    text: &str,
) -> String {
    const NS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
    let mut out = String::with_capacity(Bounce::BYTES_USUAL / 2);
    for part in ["<", name, " from='", &escape::attr(from), "' to='", &escape::attr(to)] {
        out.push_str(part);
    }
    if let Some(id) = id {
        out.push_str("' id='");
        out.push_str(&escape::attr(id));
    }
    for part in [
        "' type='error'><error type='",
        error.kind().name(),
        "'><",
        error.condition().name(),
        " xmlns='",
        NS,
        "'/>",
    ] {
        out.push_str(part);
    }
    if !text.is_empty() {
        for part in ["<text xmlns='", NS, "' xml:lang='en'>", &escape::text(text), "</text>"] {
            out.push_str(part);
        }
    }
    for part in ["</error></", name, ">"] {
        out.push_str(part);
    }
    out
}

/// What a stanza error says: condition, type and text belong to the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StanzaError {
    condition: Condition,
    kind: ErrorType,
    text: &'static str,
}

impl StanzaError {
    /// The defined condition.
    pub fn condition(self) -> Condition {
        self.condition
    }

    /// The error type: what the sender should do about it.
    pub fn kind(self) -> ErrorType {
        self.kind
    }

    /// A short English text.
    pub fn text(self) -> &'static str {
        self.text
    }
}

/// The defined conditions used here (RFC 6120 §8.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// §8.3.3.6
    InternalServerError,
    /// §8.3.3.12
    PolicyViolation,
    /// §8.3.3.16
    RemoteServerNotFound,
    /// §8.3.3.17
    RemoteServerTimeout,
    /// §8.3.3.18
    ResourceConstraint,
    /// §8.3.3.19
    ServiceUnavailable,
}

impl Condition {
    /// The element name.
    pub fn name(self) -> &'static str {
        match self {
            Condition::InternalServerError => "internal-server-error",
            Condition::PolicyViolation => "policy-violation",
            Condition::RemoteServerNotFound => "remote-server-not-found",
            Condition::RemoteServerTimeout => "remote-server-timeout",
            Condition::ResourceConstraint => "resource-constraint",
            Condition::ServiceUnavailable => "service-unavailable",
        }
    }
}

/// The error types used here (RFC 6120 §8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// Do not retry.
    Cancel,
    /// Retry after changing what was sent.
    Modify,
    /// Retry after waiting.
    Wait,
}

impl ErrorType {
    /// The attribute value.
    pub fn name(self) -> &'static str {
        match self {
            ErrorType::Cancel => "cancel",
            ErrorType::Modify => "modify",
            ErrorType::Wait => "wait",
        }
    }
}

/// Why no connection came about, as the driver saw it when all targets had failed: the last target's failure, or the one
/// that says most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectFailure {
    /// The host answered that nothing listens.
    Refused,
    /// No answer in time.
    TimedOut,
    /// No route, or another error of the network.
    Unreachable,
    /// Direct TLS: the handshake failed.
    Tls,
    /// No link is free here.
    NoLinks,
}

/// Why a stanza cannot be delivered, or a remote domain cannot be reached.
///
/// The one list of causes: [`error`](Undeliverable::error) maps each to what the sender reads,
/// [`dialback`](Undeliverable::dialback) to what a server that wanted a key verified reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Undeliverable {
    /// The look-up failed.
    Dns(DnsFailure),
    /// The look-up gave nothing to connect to.
    Targets(NoTargets),
    /// No connection.
    Connect(ConnectFailure),
    /// The stream was lost or went wrong; another attempt may do better.
    StreamFailed,
    /// The peer does not serve the domain.
    HostUnknown,
    /// Policy, ours or the peer's, refuses the pair: no TLS, no certificate that proves the name, no accepted proof.
    NotTrusted,
    /// The peer says our dialback key is invalid.
    DialbackInvalid,
    /// The peer answered our dialback key with an error.
    DialbackError,
    /// It waited too long.
    Expired,
    /// The stanza is larger than the peer announced to take (XEP-0478).
    TooBig,
    /// A queue, a mailbox, an outbox or the table of slots is full.
    Full,
    /// No component is attached to the hosted domain.
    ComponentDown,
    /// A stanza from outside for a domain that is not hosted here, or one between two domains of one backend, which delivers
    /// between them itself. Never relayed.
    NotHosted,
    /// The process is being shut down.
    Draining,
}

impl Undeliverable {
    /// Condition, type and text for the sender of the stanza.
    pub fn error(self) -> StanzaError {
        use Condition as C;
        use ErrorType::{Cancel, Modify, Wait};
        let (condition, kind, text) = match self {
            // RFC 6120 §8.3.3.16: "does not exist or cannot be resolved (e.g., there is no _xmpp-server._tcp DNS SRV
            // record, the A or AAAA fallback resolution fails, ...)"; type SHOULD be "cancel".
            Self::Dns(DnsFailure::NoSuchDomain)
            | Self::Targets(NoTargets::NoAddresses | NoTargets::Refused) => {
                (C::RemoteServerNotFound, Cancel, "The server cannot be found")
            }
            Self::Targets(NoTargets::NotOffered) => {
                (C::RemoteServerNotFound, Cancel, "The domain offers no such service")
            }
            // A31: the domain's addresses are our own; relaying would be a loop.
            Self::Targets(NoTargets::OwnAddress) | Self::NotHosted => {
                (C::RemoteServerNotFound, Cancel, "The domain is not served here")
            }
            // The peer exists but is not the server of this domain: the resolution led nowhere.
            Self::HostUnknown => {
                (C::RemoteServerNotFound, Cancel, "The server does not serve the domain")
            }
            // RFC 6120 §8.3.3.17: resolved "but communications could not be established within a reasonable amount of
            // time"; type SHOULD be "wait" ...
            Self::Dns(DnsFailure::Temporary) => {
                (C::RemoteServerTimeout, Wait, "The server cannot be looked up at present")
            }
            Self::Connect(
                ConnectFailure::Refused
                | ConnectFailure::TimedOut
                | ConnectFailure::Unreachable
                | ConnectFailure::Tls,
            ) => (C::RemoteServerTimeout, Wait, "The server cannot be reached"),
            // XEP-0220 §2.1.1: after an error or a closed stream, remote-server-timeout.
            Self::StreamFailed => {
                (C::RemoteServerTimeout, Wait, "The connection to the server failed")
            }
            Self::DialbackError => {
                (C::RemoteServerTimeout, Wait, "The server could not verify this domain")
            }
            Self::Expired => {
                (C::RemoteServerTimeout, Wait, "The server did not become reachable in time")
            }
            Self::Draining => (C::RemoteServerTimeout, Wait, "This server is shutting down"),
            // ... "unless the error is of a more permanent nature, e.g., the remote server is found but it cannot be
            // authenticated or it violates security policies".
            Self::NotTrusted => (
                C::RemoteServerTimeout,
                Cancel,
                "The security policies of the two servers do not allow a connection",
            ),
            // XEP-0220 §2.1.1: stanzas that wait when the key is found invalid.
            Self::DialbackInvalid => (
                C::InternalServerError,
                Cancel,
                "The server did not accept the identity of this domain",
            ),
            // XEP-0478 §4: policy-violation without 'by', "as the policy being violated is not the current entity's";
            // RFC 6120 §8.3.3.12: "modify" or "wait", and waiting does not make it smaller.
            Self::TooBig => {
                (C::PolicyViolation, Modify, "The stanza is larger than the server accepts")
            }
            // RFC 6120 §8.3.3.18: "wait".
            Self::Full | Self::Connect(ConnectFailure::NoLinks) => {
                (C::ResourceConstraint, Wait, "Too much is waiting for the server")
            }
            // RFC 6120 §8.3.3.19 says SHOULD be "cancel", which makes list servers and chat rooms strike their members; a
            // component that is restarting is what §8.3.2 means by "wait" ("the error is temporary").
            Self::ComponentDown => {
                (C::ServiceUnavailable, Wait, "The service is not connected at present")
            }
        };
        StanzaError { condition, kind, text }
    }

    /// The condition for a server whose key cannot be verified because of this (XEP-0220 §2.5).
    pub fn dialback(self) -> DialbackCondition {
        match self {
            Self::Dns(DnsFailure::NoSuchDomain) | Self::Targets(_) | Self::HostUnknown => {
                DialbackCondition::RemoteServerNotFound
            }
            Self::Dns(DnsFailure::Temporary) | Self::Expired => {
                DialbackCondition::RemoteServerTimeout
            }
            Self::Connect(ConnectFailure::NoLinks) | Self::Full | Self::Draining => {
                DialbackCondition::ResourceConstraint
            }
            Self::Connect(_) | Self::StreamFailed => DialbackCondition::RemoteConnectionFailed,
            Self::NotTrusted | Self::TooBig => DialbackCondition::PolicyViolation,
            Self::DialbackInvalid | Self::DialbackError => DialbackCondition::NotAcceptable,
            Self::ComponentDown | Self::NotHosted => DialbackCondition::ItemNotFound,
        }
    }

    /// What the failure of an outbound stream, or of one pair on it, means for what waits.
    pub fn from_outbound(failure: &OutboundFailure) -> Undeliverable {
        match failure {
            OutboundFailure::HostUnknown => Self::HostUnknown,
            OutboundFailure::TlsNotOffered
            | OutboundFailure::NotTrusted
            | OutboundFailure::Unauthenticated => Self::NotTrusted,
            OutboundFailure::DialbackInvalid => Self::DialbackInvalid,
            OutboundFailure::DialbackError(condition) => match condition {
                // The peer does not host the target, or policy wants more than we showed: both are for long.
                DialbackCondition::ItemNotFound => Self::HostUnknown,
                DialbackCondition::PolicyViolation | DialbackCondition::NotAuthorized => {
                    Self::NotTrusted
                }
                _ => Self::DialbackError,
            },
            OutboundFailure::PeerError(error) => match error.condition {
                StreamCondition::HostUnknown | StreamCondition::HostGone => Self::HostUnknown,
                StreamCondition::NotAuthorized
                | StreamCondition::PolicyViolation
                | StreamCondition::InvalidFrom => Self::NotTrusted,
                _ => Self::StreamFailed,
            },
            OutboundFailure::TlsFailed
            | OutboundFailure::Protocol(_)
            | OutboundFailure::TimedOut(_)
            | OutboundFailure::ConnectionLost => Self::StreamFailed,
        }
    }
}

/// Whether another address of the same domain may do better after this failure of a negotiation.
///
/// Addresses of one domain are one service under one policy: what that service *decided* (unknown host, no trust, bad key)
/// is final; what happened to one host is not. No answer here lowers what policy demands (threat A39).
pub(crate) fn is_target_specific(failure: &OutboundFailure) -> bool {
    match failure {
        OutboundFailure::TlsNotOffered
        | OutboundFailure::TlsFailed
        | OutboundFailure::Protocol(_)
        | OutboundFailure::TimedOut(_)
        | OutboundFailure::ConnectionLost => true,
        OutboundFailure::PeerError(_) => {
            Undeliverable::from_outbound(failure) == Undeliverable::StreamFailed
        }
        OutboundFailure::HostUnknown
        | OutboundFailure::NotTrusted
        | OutboundFailure::Unauthenticated
        | OutboundFailure::DialbackInvalid
        | OutboundFailure::DialbackError(_) => false,
    }
}

impl From<DnsFailure> for Undeliverable {
    fn from(failure: DnsFailure) -> Undeliverable {
        Undeliverable::Dns(failure)
    }
}

impl From<NoTargets> for Undeliverable {
    fn from(none: NoTargets) -> Undeliverable {
        Undeliverable::Targets(none)
    }
}

impl From<ConnectFailure> for Undeliverable {
    fn from(failure: ConnectFailure) -> Undeliverable {
        Undeliverable::Connect(failure)
    }
}

#[cfg(test)]
mod tests;
