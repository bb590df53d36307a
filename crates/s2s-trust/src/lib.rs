//! Evidence to verdict to policy decision: the trust ladder (layer 1).
//!
//! **Duty.** Say which [`Rung`] one domain pair has reached on one stream, why it has not reached the next one, and
//! whether that is enough. Judge certificates for federation: the chain, and the names on the leaf.
//!
//! **Not here.** No protocol (`s2s-proto` runs dialback and SASL), no TLS, no DNS, no clock: time is an argument. DANE,
//! POSH and revocation lists are not judged here.
//!
//! **Types to know.** [`Evidence`] is what a stream observed; [`verdict`] turns it into a [`Verdict`]; [`Policy`] holds
//! the minimum rung for a pair and [`shortfall`] compares the two. [`judge_certificate`] answers the one question the
//! streams ask about a certificate: chain *and* name, for exactly this domain, at this moment.
//!
//! **Contract.** All functions are total: no input of a peer panics, and evidence that contradicts itself earns the lower
//! rung. Nothing is remembered between calls, so a verdict never outlives its evidence: a resumed TLS connection, a
//! reloaded policy and a certificate that expires under a live stream are all judged by calling again. The only function
//! that reads the machine is [`Roots::system`], meant for start-up.
//!
//! **Tests.** Tables and properties beside the code; attacks on certificates by name in `tests/attacks.rs`, chains in
//! `tests/chains.rs`, names in `tests/names.rs`.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod certificate;
mod chain;
mod der;
mod evidence;
mod judgement;
mod names;
mod policy;
mod roots;
mod rung;
mod shortfall;
mod verdict;

pub use certificate::{CERTIFICATE_BYTES_MAX, validity};
pub use chain::{CHAIN_CERTIFICATES_MAX, ChainVerdict, judge_chain};
pub use evidence::{CertificateFacts, CertificateUse, Channel, Evidence, NameProof};
pub use judgement::{CertificateJudgement, fingerprint, judge_certificate};
pub use names::{
    LEAF_NAMES_MAX, LeafName, LeafNames, LeafNamesError, NameFault, NameKind, NamePattern,
    NameVerdict,
};
pub use policy::{Decision, Policy, PolicyError, Rule};
pub use roots::{Roots, RootsError};
pub use rung::{ParseRungError, Rung};
pub use rustls_pki_types::{CertificateDer, UnixTime};
pub use shortfall::{Shortfall, shortfall};
pub use verdict::{Missing, Verdict, verdict};
