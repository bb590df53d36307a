//! The sans-IO brain of one shard: what happens to every stanza, and which links that takes (layer 2).
//!
//! Duty: decide for each stanza whether it goes to a component link, to another shard, to an outbound link, into a queue or
//! back to its sender as an error; decide when to look up, connect, authorise, verify, rest and give up.
//!
//! Not here: sockets, DNS queries, clocks, streams (the caller drives `s2s-proto` and reports its events), policy (a pair
//! that may not talk is refused by the streams), component secrets.
//!
//! Types to know: [`Router`] (one per shard), [`Action`] (all it ever answers), [`Parcel`] (what travels).
//!
//! The contract:
//! - Every call appends its [`Action`]s to `out`; execute them in order before the next call. Then arm one timer for
//!   [`Router::next_deadline`].
//! - Every stanza is sent, forwarded, bounced, or dropped with a counted reason; none twice ([`Counters`]).
//! - Parcels of one (bare `from`, `to`) leave in the order they came, also across the loss of a link.
//! - Every [`VerifyTicket`] is answered exactly once.
//! - Time and randomness are arguments: the same calls with the same seed give the same actions.
//!
//! Tests: beside the code; `tests/simulation.rs` runs random histories against a model of these laws.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod action;
mod backoff;
mod bounce;
mod cache;
mod config;
mod counters;
mod discovery;
mod guard;
mod hosted;
mod ids;
mod lane;
mod parcel;
mod queue;
mod random;
mod reverse;
mod router;
mod slot;
mod verify;
mod wakes;

#[cfg(test)]
#[path = "../tests/support/stanzas.rs"]
mod stanzas;

pub use action::{Action, Attachment, Avoid, LinkEnd, OutboundEvent, VerifyTicket};
pub use backoff::{Backoff, BackoffConfig};
pub use bounce::{Bounce, Condition, ConnectFailure, ErrorType, StanzaError, Undeliverable};
pub use cache::TtlCache;
pub use config::{
    BackendRoute, HostedEntry, HostedKind, RouteConfig, RouteLimits, RouteTimeouts, Sharing,
};
pub use counters::{Counters, DropReason, Snapshot};
pub use discovery::{
    Discovery, DnsFailure, HostAddresses, NoTargets, Srv, SrvAnswer, TARGETS_MAX, Target, TlsMode,
    plan,
};
pub use guard::{Guard, GuardRefusal, SpecialUse};
pub use ids::{AttemptId, LaneId, LinkId, ShardId, SlotId};
pub use parcel::{Kept, Parcel};
pub use random::Random;
pub use router::Router;
pub use slot::SlotState;
