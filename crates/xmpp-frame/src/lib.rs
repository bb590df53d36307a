//! Bytes to the first-level elements of an XMPP stream: strict, incremental, without copying (layer 0).
//!
//! Duty: cut the bytes of one direction of a stream into its [`Header`], its first-level elements ([`Frame`]) and its end, and
//! let nothing through that a strict XML parser behind us could refuse or read differently.
//!
//! Not here: what an element means, who may send it, stream errors on the wire, counting elements per stream, time, I/O.
//!
//! Types to know: [`Framer`] (append bytes, call [`Framer::next`] until it answers `None`), [`Frame`] (a slice of the read buffer
//! with the few facts routing needs), [`FrameError`] (why a stream must end). [`rewrite`] moves a frame to another stream.
//!
//! The contract:
//! - Any split of the same bytes gives the same items and the same error. After an error the framer is dead.
//! - What comes out is well-formed and namespace-well-formed under *both* XML 1.0 (Fifth Edition) and the older name tables that
//!   expat uses, and has no DTD, processing instruction, comment or entity beyond the five (RFC 6120 §11.1).
//! - The scan is one pass that resumes where it stopped; [`Limits`] hold while scanning, not after.
//! - No allocation per element in the steady state; a frame shares the read buffer. (A namespace name that is written with references,
//!   which nobody does, costs some.)
//!
//! Tests: small ones beside the code; `tests/` holds the laws (splits, other parsers, rewrites, allocation, memory), the public lists of XML
//! traps case by case (`w3c`), and dialogues; `fuzz/` looks for what breaks them, and what it kept is in the top-level `tests/corpus`.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod content;
mod declaration;
mod element;
mod error;
pub mod escape;
mod frame;
mod framer;
mod header;
mod limits;
mod name;
mod names;
mod namespaces;
pub mod rewrite;
mod scan;
mod tag;
mod tokens;
mod value;

pub use content::Content;
pub use element::{Attribute, Element, Node};
pub use error::{FrameError, Limit, Reason, Restricted};
pub use frame::{Frame, Kind};
pub use framer::{Framer, Item};
pub use header::Header;
pub use limits::Limits;
pub use scan::vector::Vectors;
