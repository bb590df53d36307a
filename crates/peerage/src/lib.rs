//! The Peerage federation router (layer 4): the binary, as a library so that it can be tested.
//!
//! **Duty.** From a configuration file to a running router: check the configuration, start the data plane (`s2s-net`), serve
//! its look-ups, show its figures, obey signals.
//!
//! **Not here.** No stanza, no stream and no TLS of a peer: those live on the shards and never wait for this thread.
//!
//! **Types to know.** [`config::load`] makes a [`config::Loaded`] out of a file, or a [`config::Refused`] with every error of
//! it. [`control::Control`] is the loop of the control thread. [`board::Board`] is what it knows, shown by [`admin`].
//!
//! **Contract.** A configuration is accepted as a whole or refused as a whole, at the start and at every reload: each error
//! has file, line, key, value and what is allowed. The control thread talks to the shards through bounded queues only; when
//! it is slow, look-ups fail for now and figures are late, traffic is not.
//!
//! **Tests.** `config/tests.rs` is the table of bad configurations with their exact messages; `tests/binary.rs` runs the
//! program; the rest is beside the code.

#![forbid(unsafe_code)]

pub mod admin;
pub mod board;
pub mod ca;
pub mod certificate;
pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod descriptors;
pub mod dns;
pub mod embedded;
pub mod leaves;
pub mod logs;
pub mod metrics;
pub mod process;
pub mod reload;
pub mod run;
pub mod state;
