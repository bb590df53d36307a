//! Everything the router is told by configuration. Units are in the names, defaults in the docs.

use std::net::SocketAddr;

use xmpp_addr::DomainPattern;

use crate::backoff::BackoffConfig;
use crate::guard::Guard;

/// The configuration of every router of one process; the same value goes to all shards.
#[derive(Clone, Debug)]
pub struct RouteConfig {
    /// Number of shards, at least 1 (0 counts as 1). Fixed while the process runs.
    pub shards: u16,
    /// Key of the owner hash: from the operating system, once per boot, the same on all shards. A peer that does not know
    /// it cannot choose its shard.
    pub owner_key: [u64; 2],
    /// The hosted domains. A domain that none of these matches is remote.
    pub hosted: Vec<HostedEntry>,
    /// Which addresses may be dialled.
    pub guard: Guard,
    /// Bounds.
    pub limits: RouteLimits,
    /// Deadlines.
    pub timeouts: RouteTimeouts,
    /// Rests after failures.
    pub backoff: BackoffConfig,
    /// Rests between attempts to reach a backend, which is near and expected back. Default 500 ms to 15 s.
    pub backend_backoff: BackoffConfig,
}

impl RouteConfig {
    /// The defaults for one shard that hosts nothing.
    pub fn new(owner_key: [u64; 2]) -> RouteConfig {
        RouteConfig {
            shards: 1,
            owner_key,
            hosted: Vec::new(),
            guard: Guard::default(),
            limits: RouteLimits::default(),
            timeouts: RouteTimeouts::default(),
            backoff: BackoffConfig::default(),
            backend_backoff: BackoffConfig { first_ms: 500, cap_ms: 15_000 },
        }
    }
}

/// A domain the operator serves behind this router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedEntry {
    /// Which domains; the most specific entry that matches decides.
    pub pattern: DomainPattern,
    /// How it is served.
    pub kind: HostedKind,
}

/// How a hosted domain is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostedKind {
    /// By external components (XEP-0114) that attach to it.
    Component,
    /// By a server of the operator's own that federates through us.
    Backend(BackendRoute),
}

/// The way to a server of the operator's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BackendRoute {
    /// Where it takes server-to-server streams.
    pub address: SocketAddr,
    /// Who shares a link to it.
    pub sharing: Sharing,
}

/// Which remote domains share a link to one domain of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// All, spread over so many links of each shard; 0 counts as 1.
    Links(u16),
    /// None: each pair has a link of its own.
    None,
}

/// Bounds of one shard. Each says what happens when it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteLimits {
    /// Slots, that is outbound domain pairs. Default 50,000 (about 400 bytes each). A new pair takes the place of the one
    /// that rested longest; when none rests its stanzas bounce with `resource-constraint`.
    pub slots: usize,
    /// Lanes to one backend. Default 1,000. With one more the idle lane that was used least recently is closed; where none is
    /// idle, or an eighth more are still closing, stanzas for it bounce with `resource-constraint`. Lanes that a reload left do
    /// not count.
    pub lanes: usize,
    /// Pairs on one lane to a backend. Default 16,384 (about 150 bytes each). With one more the link is closed and opened again
    /// for those that still talk; when so many wait, more bounce with `resource-constraint`.
    pub lane_pairs: usize,
    /// Parcels waiting for one pair. Default 4,096. More bounce with `resource-constraint`.
    pub queue_parcels: usize,
    /// Bytes waiting for one pair. Default 4 MiB. More bounce with `resource-constraint`.
    pub queue_bytes: usize,
    /// Bytes waiting for all pairs. Default 256 MiB. More bounce with `resource-constraint`.
    pub queue_total_bytes: usize,
    /// Verifications pending at one remote domain. Default 64. More fail with `resource-constraint`.
    pub tickets_per_remote: usize,
    /// Verifications pending for one asking link. Default 64. More fail with `resource-constraint` (threat A24: random
    /// sender domains on one stream).
    pub tickets_per_asker: usize,
    /// Verifications pending on the shard. Default 4,096. More fail with `resource-constraint`.
    pub tickets: usize,
    /// Discovery answers kept. Default 20,000. The oldest makes room.
    pub discoveries: usize,
    /// Refused verifications remembered. Default 10,000. The oldest makes room.
    pub refusals: usize,
    /// Bounces of presence per domain pair and minute. Default 3,000, more than anything but a loop makes. More are dropped and
    /// counted: such bounces can loop through chat rooms, and one that is dropped ends its loop.
    pub presence_bounces_per_minute: u32,
    /// Reconnections in a row after a link that ended politely but within [`RouteTimeouts::stable_ms`]. Default 3. Then
    /// the slot rests like after a failure.
    pub quick_reconnects: u8,
}

impl Default for RouteLimits {
    fn default() -> RouteLimits {
        RouteLimits {
            slots: 50_000,
            lanes: 1_000,
            lane_pairs: 16_384,
            queue_parcels: 4_096,
            queue_bytes: 4 << 20,
            queue_total_bytes: 256 << 20,
            tickets_per_remote: 64,
            tickets_per_asker: 64,
            tickets: 4_096,
            discoveries: 20_000,
            refusals: 10_000,
            presence_bounces_per_minute: 3_000,
            quick_reconnects: 3,
        }
    }
}

/// Deadlines of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// A parcel waits at most this long for its link, then it bounces with `remote-server-timeout`. Default 30 s.
    pub queue_ms: u64,
    /// A verification is answered after this at the latest, with `remote-server-timeout`. Default 30 s. Keep it below the
    /// inbound stream's own limit for dialback.
    pub verify_ms: u64,
    /// DNS takes at most this long. Default 20 s.
    pub resolve_ms: u64,
    /// The driver's connection attempts of one [`Action::Connect`](crate::Action::Connect) take at most this long. A net
    /// below the driver's own timeouts: larger than their sum. Default 60 s.
    pub connect_ms: u64,
    /// From transport to an authorised pair at most this long; a net below the stream's own timeouts. Default 75 s.
    pub negotiate_ms: u64,
    /// A link that stayed authorised this long counts as working: its end resets the backoff. Default 10 s.
    pub stable_ms: u64,
    /// A failed verification is remembered this long at least, and up to half of it longer (jitter). Default 30 s.
    pub refusal_ms: u64,
    /// A discovery answer is used at least this long whatever its TTL says. Default 30 s.
    pub discovery_min_ms: u64,
    /// A discovery answer is used at most this long. Default 3,600 s.
    pub discovery_max_ms: u64,
}

impl Default for RouteTimeouts {
    fn default() -> RouteTimeouts {
        RouteTimeouts {
            queue_ms: 30_000,
            verify_ms: 30_000,
            resolve_ms: 20_000,
            connect_ms: 60_000,
            negotiate_ms: 75_000,
            stable_ms: 10_000,
            refusal_ms: 30_000,
            discovery_min_ms: 30_000,
            discovery_max_ms: 3_600_000,
        }
    }
}
