//! The data plane over loopback sockets: two shards, a stub control plane, scripted peers.

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod backends;
mod bidi;
mod components;
mod inbound;
mod limits;
mod order;
mod outbound;
mod peers;
mod shutdown;
mod tls;
