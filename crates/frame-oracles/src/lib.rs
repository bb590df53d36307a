//! Other parsers to hold the framer against, and the laws between them.
//!
//! Duty: say what a stream is by four readers that share no code, in one form that can be compared ([`tree::Tree`]): the framer
//! ([`ours`]), a naive checker ([`twin`]), libexpat ([`expat`]) and the crate rxml ([`rxml`]). [`laws`] compares them for any input, so
//! that property tests, the replay of the corpus, the fuzzer on stable and the one that is guided by coverage check the same.
//!
//! Not here: generators of input (`xmpp-frame/tests/common`), fuzz targets (`xmpp-frame/fuzz`), and anything that a product crate
//! may use: this crate is for tests and benchmarks.
//!
//! Needs libexpat at run time (Debian: `libexpat1`); [`expat::Expat::load`] says so when it is missing.
//!
//! Tests: beside the code, that each reader refuses what it should; `xmpp-frame/tests` has the laws over generated input and the corpus.

pub mod expat;
pub mod laws;
pub mod openings;
pub mod ours;
pub mod pieces;
pub mod reading;
pub mod rxml;
pub mod tree;
pub mod twin;
