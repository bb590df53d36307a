//! XMPP addresses: domains normalised once, domain pairs, borrowed JIDs (layer 0).
//!
//! Not done here: localparts and resourceparts are validated but never rewritten or compared after mapping (their own server is the
//! authority for that); no name is resolved; nothing is cached. There is no I/O, clock or lock.
//!
//! The types to know:
//! - [`Domain`]: one canonical form for every way of writing a domain, so that `==` is a byte compare;
//! - [`DomainPair`]: (sender, target), the unit of authorisation, and [`DomainPairRef`] to look one up without allocating;
//! - [`Jid`] and [`jid_domain`]: RFC 7622 addresses, borrowed from the text of a stanza.
//!
//! The contract: whatever is accepted has exactly one canonical domain, canonicalisation is idempotent, canonical ASCII input is
//! borrowed and not copied, and no input panics. Which domains are refused is listed at [`canonical_domain`].
//!
//! Tests: beside each module, the laws in `tests/laws.rs`, the examples of RFC 7622 §3.5 in `tests/rfc7622.rs`, and the count of
//! allocations in `tests/no_allocation.rs`.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod canonical;
mod domain;
mod error;
mod jid;
mod pair;
mod parts;
mod pattern;

pub use canonical::canonical_domain;
pub use domain::Domain;
pub use error::AddrError;
pub use jid::{BareKey, Jid, jid_domain};
pub use pair::{DomainPair, DomainPairRef};
pub use pattern::DomainPattern;
