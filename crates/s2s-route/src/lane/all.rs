//! All lanes of a shard: by what they are for, by link, by time.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use hashbrown::{HashMap, HashSet};
use s2s_proto::Millis;
use slab::Slab;
use xmpp_addr::Domain;

use super::{Lane, LaneKey, LaneState};
use crate::backoff::Backoff;
use crate::ids::{LaneId, LinkId};
use crate::wakes::Wakes;

/// What is due in a lane where something waits is looked at this often.
const SWEEP_MS: u64 = 1_000;

/// All lanes of a shard.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: Slab<Lane>,
    by_key: HashMap<LaneKey, usize>,
    by_link: HashMap<LinkId, usize>,
    /// How many lanes each backend has, without those that were left.
    by_address: HashMap<SocketAddr, usize>,
    /// How many lanes that were left still have a link, by target.
    left: HashMap<Domain, usize>,
    wakes: Wakes,
    made: u32,
}

impl Lanes {
    pub(crate) fn find(&self, key: &LaneKey) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Lane> {
        self.lanes.get(at)
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut Lane> {
        self.lanes.get_mut(at)
    }

    pub(crate) fn place_of(&self, id: LaneId) -> Option<usize> {
        let at = usize::try_from(id.index).ok()?;
        self.lanes.get(at).filter(|lane| lane.id == id).map(|_| at)
    }

    pub(crate) fn by_link(&self, link: LinkId) -> Option<usize> {
        self.by_link.get(&link).copied()
    }

    pub(crate) fn link(&mut self, link: LinkId, at: usize) {
        self.by_link.insert(link, at);
    }

    pub(crate) fn unlink(&mut self, link: LinkId) -> Option<usize> {
        self.by_link.remove(&link)
    }

    /// The lane of this key, made if need be.
    pub(crate) fn place(&mut self, key: LaneKey) -> usize {
        if let Some(at) = self.find(&key) {
            return at;
        }
        self.made = self.made.wrapping_add(1);
        let entry = self.lanes.vacant_entry();
        let at = entry.key();
        // A slab of 2^32 lanes does not fit into memory.
        let id = LaneId { index: u32::try_from(at).unwrap_or(u32::MAX), generation: self.made };
        entry.insert(Lane {
            id,
            key: key.clone(),
            state: LaneState::Idle,
            is_left: false,
            last_used: Millis(0),
            backoff: Backoff::default(),
            authorized: HashSet::new(),
            waiting: BTreeMap::new(),
            unasked: VecDeque::new(),
            asked: 0,
            granted: VecDeque::new(),
            cautious: false,
            sweep: None,
            wake: None,
        });
        *self.by_address.entry(key.address).or_default() += 1;
        self.by_key.insert(key, at);
        at
    }

    fn discount(&mut self, address: SocketAddr) {
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    /// How many lanes this backend has, without those that were left.
    pub(crate) fn count_to(&self, address: SocketAddr) -> usize {
        self.by_address.get(&address).copied().unwrap_or(0)
    }

    /// Of this backend's lanes on whose links nothing is waited for, the one used least recently. Visits all lanes.
    pub(crate) fn least_used(&self, address: SocketAddr) -> Option<usize> {
        let idle = |lane: &Lane| {
            let is_open = matches!(lane.state, LaneState::Open { .. });
            is_open && lane.waiting.is_empty() && lane.key.address == address
        };
        let lanes = self.lanes.iter().filter(|(_, lane)| idle(lane));
        lanes.min_by_key(|(_, lane)| (lane.last_used, lane.id.generation)).map(|(at, _)| at)
    }

    /// A reload leaves this lane, which has a link.
    pub(crate) fn leave(&mut self, at: usize) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        if !std::mem::replace(&mut lane.is_left, true) {
            *self.left.entry(lane.key.target.clone()).or_default() += 1;
            let address = lane.key.address;
            self.discount(address);
        }
    }

    /// The link of this lane ended. The target whose lanes may open links again, if this was the last one that was waited for.
    pub(crate) fn left_for_good(&mut self, at: usize) -> Option<Domain> {
        let lane = self.lanes.get_mut(at)?;
        if !std::mem::replace(&mut lane.is_left, false) {
            return None;
        }
        let target = lane.key.target.clone();
        *self.by_address.entry(lane.key.address).or_default() += 1;
        let left = self.left.get_mut(&target)?;
        *left -= 1;
        if *left > 0 {
            return None;
        }
        self.left.remove(&target);
        Some(target)
    }

    /// Whether lanes to this target must not open a link yet: what one that was left did not send goes first.
    pub(crate) fn is_held(&self, target: &Domain) -> bool {
        self.left.contains_key(target)
    }

    /// The lanes to this target that have no link and want none yet.
    pub(crate) fn idle_to(&self, target: &Domain) -> Vec<usize> {
        let idle =
            |lane: &Lane| matches!(lane.state, LaneState::Idle) && lane.key.target == *target;
        self.lanes.iter().filter(|(_, lane)| idle(lane)).map(|(at, _)| at).collect()
    }

    /// Brings the timers up to date, and forgets a lane that does and waits for nothing. To be called after every change.
    pub(crate) fn settle(&mut self, now: Millis, at: usize) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        // A pair that waits only for its answer needs no time here: the stream has a deadline for it.
        let any_queued = lane.waiting.values().any(|petition| !petition.queue.is_empty());
        lane.sweep = match (any_queued, lane.sweep) {
            (false, _) => None,
            (true, Some(sweep)) if now < sweep => Some(sweep),
            (true, _) => Some(now.after(SWEEP_MS)),
        };
        let idle = matches!(lane.state, LaneState::Idle) && !any_queued;
        let wake = lane.next_wake().filter(|_| !idle);
        self.wakes.set(at, &mut lane.wake, wake);
        if idle {
            let lane = self.lanes.remove(at);
            self.by_key.remove(&lane.key);
            self.discount(lane.key.address);
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Millis> {
        self.wakes.next()
    }

    pub(crate) fn due(&self, now: Millis) -> Option<usize> {
        self.wakes.due(now)
    }

    pub(crate) fn places(&self) -> Vec<usize> {
        self.lanes.iter().map(|(at, _)| at).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().map(|(_, lane)| lane)
    }
}
