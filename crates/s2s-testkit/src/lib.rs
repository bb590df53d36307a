//! Test tools for the router and for any other XMPP server (dev).
//!
//! Duty: certificates of every kind, DNS zones, a simulated federation over real TCP and TLS that keeps books of every stanza, pairs of
//! sans-IO streams over a virtual clock, real servers as child processes with their CPU time, network namespaces for them.
//!
//! Not here: anything of layers 2 to 4. What the federation says on the wire it says by its own code on top of the framer, so that a bug
//! of the router's streams cannot sit on both ends of a measurement.
//!
//! Modules to know: [`federation`] (who plays what is a [`federation::FederationPlan`]; what happened is an
//! [`federation::Outcome`]), [`certs`], [`zone`], [`pair`], [`process::Process`], [`namespace::Namespace`], [`ports::claim`].
//!
//! The contract: everything listens on loopback, is bounded in count and time and stops by itself; the same seed gives the same order
//! of stanzas.
//!
//! Tests: beside the code; `federation/tests.rs` lets two federations talk on every rung, and a fake router that loses, repeats,
//! reorders, alters or invents stanzas must be found out.
#![forbid(unsafe_code)]

pub mod certs;
pub mod corpus;
pub mod federation;
pub mod namespace;
pub mod pair;
pub mod ports;
pub mod process;
mod random;
pub mod zone;
