//! A data plane in this process with a stub control plane, and scripted peers on blocking sockets.
//!
//! Nothing sleeps: a test waits for bytes, for a connection or for a report, with a time limit.

// `unwrap`, `expect` and panics are how a test fails.
#![allow(missing_docs, unreachable_pub)]

pub mod attacker;
#[path = "../../../s2s-testkit/src/certs.rs"]
#[allow(dead_code)]
pub mod certs;
pub mod dialogue;
pub mod manners;
pub mod named;
pub mod peer;
pub mod plane;
pub mod stages;

#[path = "../../../../tests/src/xml.rs"]
#[allow(dead_code)]
pub mod xml;

pub use dialogue::*;
pub use peer::Peer;
pub use plane::Setup;
