//! The interop harness: real servers, real ports, real DNS, in a network namespace of its own.
//!
//! Duty: put Peerage between a component and an unmodified server and look at what arrives. Every test owns a namespace
//! ([`namespace`]) with a DNS server, and starts the servers it needs as its children; nothing of the machine outside is touched.
//!
//! Not here: what one crate can show alone (its own `tests/`), load and speed (`loadgen`, `benches`). The harness uses no code of
//! Peerage: a bug must not sit on both ends of a test. Child processes and namespaces are those of `s2s_testkit`.
//!
//! Types to know: [`Stage`] (the namespace from within: DNS, certificates, logs), [`Cell`] (one of the matrix),
//! [`Peer`] (the remote server), [`Router`] (the router under test), [`Party`] (a user or a component, scripted).
//!
//! Contract: a test body runs as root inside its namespace, waits by connecting or reading and never by sleeping, and ends only
//! processes it started. Tests that need this are `#[ignore]`d: `cargo xtask test` runs them. See `tests/README.md`.

pub mod behind;
pub mod certificates;
pub mod ejabberd;
pub mod exchange;
pub mod matrix;
pub mod namespace;
pub mod page;
pub mod party;
pub mod peer;
pub mod peerage;
pub mod prosody;
pub mod record;
pub mod refusals;
pub mod router;
pub mod scripted;
pub mod stage;
pub mod tls;
pub mod wire;
pub mod xml;

pub use matrix::{Cell, Certificate, Direction, Proof, Rung, Transport};
pub use party::Party;
pub use peer::{Peer, Software};
pub use record::Record;
pub use router::Router;
pub use stage::Stage;
