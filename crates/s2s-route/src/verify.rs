//! Verifications that wait for an authoritative server.
//!
//! Each one costs us a look-up, a connection and a handshake that a stranger asked for (threat A24). So all of one slot share
//! its link, and three bounds hold: per remote domain, per asking link, per shard.

use std::hash::Hash;

use hashbrown::HashMap;
use s2s_proto::{Millis, VerifyRequest};
use xmpp_addr::Domain;

use crate::config::RouteLimits;
use crate::ids::LinkId;

/// One verification, waiting in its slot.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) asker: LinkId,
    pub(crate) request: VerifyRequest,
    /// Answered by then at the latest.
    pub(crate) until: Millis,
    pub(crate) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not yet asked, or asked on a link that ended.
    Waiting,
    /// Asked on the slot's link.
    Asked,
}

impl Ticket {
    /// Whether an answer about (pair, stream id) could be meant for both.
    pub(crate) fn is_ambiguous_with(&self, request: &VerifyRequest) -> bool {
        self.request.stream_id == request.stream_id && self.request.pair == request.pair
    }
}

/// Counts the tickets of the shard against the bounds.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    by_remote: HashMap<Domain, usize>,
    by_asker: HashMap<LinkId, usize>,
    total: usize,
}

impl Ledger {
    /// Counts a new ticket unless a bound is reached; whether it was counted.
    #[must_use]
    pub(crate) fn admit(&mut self, remote: &Domain, asker: LinkId, limits: &RouteLimits) -> bool {
        let at_remote = self.by_remote.get(remote).copied().unwrap_or(0);
        let of_asker = self.by_asker.get(&asker).copied().unwrap_or(0);
        if self.total >= limits.tickets
            || at_remote >= limits.tickets_per_remote
            || of_asker >= limits.tickets_per_asker
        {
            return false;
        }
        self.by_remote.insert(remote.clone(), at_remote + 1);
        self.by_asker.insert(asker, of_asker + 1);
        self.total += 1;
        true
    }

    pub(crate) fn release(&mut self, remote: &Domain, asker: LinkId) {
        count_down(&mut self.by_remote, remote);
        count_down(&mut self.by_asker, &asker);
        self.total = self.total.saturating_sub(1);
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }
}

fn count_down<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}
