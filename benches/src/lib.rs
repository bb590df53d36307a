//! What the benchmarks share: traffic from a seed, streams and routers brought to where the data plane begins, criterion's settings.
//!
//! Duty: give every benchmark the same input on every machine, and the product's own state to run it through: streams are opened by
//! the dialogue a peer would hold, slots are established by the calls a driver would make. Nothing is reached by a back door.
//!
//! Not here: the benchmarks (`benches/*.rs`), load over sockets (`loadgen`), sockets and TLS in general. Mistakes panic.
//!
//! Types to know: [`Corpus`] (traffic as bytes, with the number of its stanzas), [`OpenInbound`] and [`OpenComponent`] (streams that
//! admit stanzas), [`EstablishedShard`] (a router whose outbound slots are established), [`Negotiation`] (two streams that talk to
//! each other).
//!
//! The contract: the same arguments give the same bytes. Every benchmark checks what it has counted before it is timed: a wrong
//! answer is not a fast answer.
//!
//! Tests: beside the code; `cargo test -p peerage-benches` also runs each benchmark once. Results are in `README.md`.

mod negotiation;
mod parsers;
mod reads;
mod settings;
mod shard;
mod streams;

pub use negotiation::{Negotiation, NegotiationConfig, Settled};
pub use parsers::{ExpatStream, RxmlStream, quick_xml_frames, xmlparser_frames};
pub use reads::{READ_BYTES, each_read, next_frame};
pub use s2s_testkit::corpus::{Corpus, Parties, Traffic};
pub use settings::{ThreadTime, criterion, rate, thread_time};
pub use shard::EstablishedShard;
pub use streams::{OpenComponent, OpenInbound, server_header};

/// The product's allocator (`peerage`'s `main.rs`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
