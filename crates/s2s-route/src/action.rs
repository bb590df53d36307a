//! What goes into the router beside stanzas, and what comes out.

use std::net::SocketAddr;

use s2s_proto::{
    CloseReason, Event, OutboundFailure, ReceivedError, StreamCondition, VerifyOutcome,
    VerifyRequest,
};
use xmpp_addr::{Domain, DomainPair, DomainPattern};

use crate::discovery::Target;
use crate::ids::{AttemptId, LaneId, LinkId, ShardId};
use crate::parcel::Parcel;

/// What the router wants done. Actions are executed in the order they were appended.
#[derive(Debug)]
pub enum Action {
    /// Write the parcel to this link, which is on this shard, behind everything sent to it before.
    Send {
        /// The link.
        link: LinkId,
        /// What to write.
        parcel: Parcel,
    },
    /// Call [`Router::has_room`](crate::Router::has_room) when so little waits on this link that more may be given to it at once;
    /// now, if that is so.
    AwaitRoom {
        /// The link.
        link: LinkId,
    },
    /// Put the parcel into the mailbox of another shard, whose router gets it by [`Router::route`](crate::Router::route).
    Forward {
        /// The other shard.
        shard: ShardId,
        /// The parcel.
        parcel: Parcel,
    },
    /// Look the domain up; answer with [`Router::resolved`](crate::Router::resolved).
    Resolve {
        /// The remote domain.
        remote: Domain,
    },
    /// Try to connect; answer with [`Router::connected`](crate::Router::connected) or
    /// [`Router::connect_failed`](crate::Router::connect_failed).
    Connect {
        /// The slot the link is for, and which of its attempts this is.
        attempt: AttemptId,
        /// (local, remote).
        pair: DomainPair,
        /// In the order to try them: the next group ([`Target::priority`]) when all of one failed; inside a group in
        /// parallel or in this order.
        targets: Vec<Target>,
        /// What went wrong before.
        avoid: Avoid,
    },
    /// Connect to a backend; answer with [`Router::backend_connected`](crate::Router::backend_connected) or
    /// [`Router::backend_connect_failed`](crate::Router::backend_connect_failed).
    ConnectBackend {
        /// The lane the link is for.
        lane: LaneId,
        /// Where the backend takes streams.
        address: SocketAddr,
        /// (remote, hosted): the first that wants the link.
        pair: DomainPair,
    },
    /// Ask the peer on this outbound link to accept stanzas of the pair.
    Authorize {
        /// The outbound link.
        link: LinkId,
        /// The link's own pair; towards a backend also further ones with the same target.
        pair: DomainPair,
    },
    /// Send a `<db:verify/>` on this outbound link.
    Verify {
        /// The outbound link.
        link: LinkId,
        /// What to verify.
        request: VerifyRequest,
    },
    /// The answer to [`Router::verify`](crate::Router::verify).
    Verified {
        /// The link that asked; it may be on another shard and it may be gone.
        link: LinkId,
        /// The pair of the request.
        pair: DomainPair,
        /// The stream id of the request.
        stream_id: Box<str>,
        /// The outcome.
        outcome: VerifyOutcome,
    },
    /// End this outbound link politely: what was sent to it is flushed, then it reports
    /// [`Router::link_closed`](crate::Router::link_closed).
    Close {
        /// The link.
        link: LinkId,
    },
}

/// What earlier attempts have shown the peer to stumble over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Avoid {
    /// It refused SASL EXTERNAL: use dialback without trying it again.
    pub external: bool,
    /// It broke a stream on which both directions were agreed before the stream stood: do not ask for both again (XEP-0288).
    pub bidi: bool,
}

/// A component link that serves domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The domains: those of the hosted entry, or one domain below its wildcard.
    pub pattern: DomainPattern,
    /// The link, on any shard.
    pub link: LinkId,
}

/// A dialback key an inbound stream wants verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyTicket {
    /// The asking link, on any shard.
    pub link: LinkId,
    /// The request of the stream.
    pub request: VerifyRequest,
}

/// The events of an outbound stream the router lives on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundEvent {
    /// Stanzas of the pair may be sent.
    PairAuthorized {
        /// (local, remote).
        pair: DomainPair,
    },
    /// The pair may not be used (any longer); the stream goes on.
    PairFailed {
        /// (local, remote).
        pair: DomainPair,
        /// The reason.
        failure: OutboundFailure,
    },
    /// The answer to [`Action::Verify`].
    VerifyAnswer {
        /// The pair of the request: (originating, receiving).
        pair: DomainPair,
        /// The stream id of the request.
        stream_id: Box<str>,
        /// The outcome.
        outcome: VerifyOutcome,
    },
    /// SASL EXTERNAL was refused.
    ExternalRefused,
    /// Both directions were agreed (XEP-0288).
    Bidirectional,
}

impl OutboundEvent {
    /// The router's part of a stream event; `None` for events that are for logs and counters only.
    pub fn from_event(event: &Event) -> Option<OutboundEvent> {
        match event {
            Event::PairAuthorized { pair, .. } => {
                Some(OutboundEvent::PairAuthorized { pair: pair.clone() })
            }
            Event::PairFailed { pair, failure } => {
                Some(OutboundEvent::PairFailed { pair: pair.clone(), failure: failure.clone() })
            }
            Event::VerifyAnswer { pair, stream_id, outcome } => Some(OutboundEvent::VerifyAnswer {
                pair: pair.clone(),
                stream_id: stream_id.clone(),
                outcome: *outcome,
            }),
            Event::ExternalRefused => Some(OutboundEvent::ExternalRefused),
            Event::Bidirectional => Some(OutboundEvent::Bidirectional),
            Event::StreamOpened { .. }
            | Event::PeerLimits(_)
            | Event::ReverseAuthorized { .. }
            | Event::ReverseWithdrawn { .. }
            | Event::PairVerified(_)
            | Event::PairRefused { .. }
            | Event::DialbackAnswered { .. }
            | Event::Unsolicited(_)
            | Event::ComponentAttached { .. }
            | Event::PeerClosed
            | Event::PeerError(_) => None,
        }
    }
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// We ended it: idle for long, least recently used, [`Action::Close`], or the process drains.
    ClosedByUs,
    /// The peer ended it politely: close tag or end of transport between stanzas, `system-shutdown`, `connection-timeout`
    /// (its word for idle), `reset`.
    ClosedByPeer,
    /// Anything else.
    Failed(OutboundFailure),
}

impl LinkEnd {
    /// Reads the end of a stream. The driver uses [`LinkEnd::ClosedByUs`] itself where it decided to close.
    pub fn from_close(reason: &CloseReason) -> LinkEnd {
        match reason {
            CloseReason::Finished => LinkEnd::ClosedByUs,
            CloseReason::PeerClosed => LinkEnd::ClosedByPeer,
            CloseReason::Failed(error) => LinkEnd::Failed(OutboundFailure::Protocol(error.clone())),
            CloseReason::PeerFailed(error) => {
                LinkEnd::from_failure(OutboundFailure::PeerError(error.clone()))
            }
            CloseReason::TimedOut(phase) => LinkEnd::Failed(OutboundFailure::TimedOut(*phase)),
            CloseReason::Outbound(failure) => LinkEnd::from_failure(failure.clone()),
        }
    }

    fn from_failure(failure: OutboundFailure) -> LinkEnd {
        match &failure {
            OutboundFailure::PeerError(error) if is_polite(error) => LinkEnd::ClosedByPeer,
            _ => LinkEnd::Failed(failure),
        }
    }
}

/// Stream errors by which a healthy peer ends a stream that may be opened again at once.
fn is_polite(error: &ReceivedError) -> bool {
    matches!(
        error.condition,
        // RFC 6120 §4.9.3.4: idle; §4.9.3.16: the peer wants a new stream; §4.9.3.20: it goes down, maybe to come back.
        StreamCondition::ConnectionTimeout
            | StreamCondition::Reset
            | StreamCondition::SystemShutdown
    )
}
