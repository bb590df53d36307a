//! The data plane: drives streams and routers over sockets, one thread per core (layer 3).
//!
//! Duty: accept and open connections, TLS, timers, mailboxes between shards; feed bytes to the
//! framer and frames to the streams, do what streams and router ask for, report what happened.
//!
//! Not here: what is said on a stream (`s2s-proto`), what a certificate proves (`s2s-trust`), where
//! a stanza goes (`s2s-route`), DNS, configuration files, signals (the control plane, in `peerage`).
//!
//! Types to know: [`Boot`] and [`Settings`] go in, [`DataPlane`] is the running thing,
//! [`ControlQueue`] is its way back to the control plane.
//!
//! The contract: everything about a link happens on its shard's thread; a `RefCell` is never
//! borrowed across an `await`; operations in flight are never dropped; a panic costs one link.
//!
//! Tests: beside the code for wheel, mailboxes and containment; `tests/plane/` holds dialogues with a data
//! plane on loopback sockets.

mod backend;
mod buffers;
mod connect;
mod contain;
mod control;
mod deliver;
mod derive;
mod drain;
mod judge;
mod lifecycle;
mod link;
mod mailbox;
mod negotiate;
mod plane;
mod report;
mod review;
mod room;
mod settings;
mod shard;
mod sys;
mod tasks;
mod tls;
mod wheel;

pub use control::{ControlQueue, ControlRequest};
pub use plane::{DataPlane, StartError, start};
pub use report::{Direction, Gauges, NetCounters, ShardReport};
pub use settings::{
    Backend, BackendCertificates, BackendTls, Boot, HostedDomain, LeafAuthority, Limits, Listener,
    ListenerKind, RemoteProof, Service, Settings, Timeouts,
};
