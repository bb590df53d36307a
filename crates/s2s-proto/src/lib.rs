//! Sans-IO XMPP streams between servers and for components (layer 1).
//!
//! Duty: what is said on one stream, in which order, and what it proves: headers, STARTTLS, SASL EXTERNAL, server dialback,
//! stream errors, and which stanzas may be routed.
//!
//! Not here: sockets, TLS itself, clocks, DNS, the operator's policy (asked for with [`Output::Judge`]), routing.
//!
//! Types to know: [`InboundStream`] (receiving and authoritative role), [`OutboundStream`] (initiating role and verify legs),
//! [`ComponentStream`] (XEP-0114); [`VerifiedPair`], which only the table of a stream can make, and [`Stanza`], which cannot
//! exist without one.
//!
//! The contract: mutate once (`handle` or another call on `&mut`), then drain `poll_output` until it returns `None`, and only
//! then mutate again. Time and randomness are arguments. Network input never panics. After [`Output::Close`] every call is
//! ignored. Negotiation may allocate; `admit` is the data plane and does not, for a stanza spelled as servers spell it.
//!
//! Tests: beside the code (vectors, parsers); `tests/` holds the dialogues, the three-party pairs over a virtual clock, and in
//! `tests/identity` the fuzzer of the law that no pair is verified without its proof.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod authz;
mod component;
mod condition;
pub mod dialback;
mod dialback_wire;
mod error;
mod event;
mod features;
mod header;
mod inbound;
mod judge;
pub mod ns;
mod outbound;
mod outbox;
mod pending;
mod refusal;
mod sasl;
mod stanza;
mod stop;
mod time;
mod timers;
mod wire;

pub use authz::{Proof, VerifiedPair};
pub use component::{ComponentConfig, ComponentEntry, ComponentStream};
pub use error::{ApplicationCondition, ReceivedError, StreamCondition, StreamError};
pub use event::{
    CloseReason, DialbackCondition, Event, HowAuthorized, Input, OutboundFailure, Output,
    RefusedBecause, TlsPeer, TlsState, UnsolicitedKind, VerifyOutcome, VerifyRequest,
};
pub use features::AdvertisedLimits;
pub use inbound::{InboundConfig, InboundStream};
pub use judge::{CertificateAnswer, Demand, Judgement, Refusal, Standing};
pub use outbound::{OutboundConfig, OutboundOptions, OutboundStream};
pub use stanza::Stanza;
pub use time::Millis;
pub use timers::{Phase, Timeouts};
