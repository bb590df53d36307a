//! The router of one shard: composition of the tables, and what happens to a parcel.
//!
//! `attempt` holds the life of a slot from the first parcel to an authorised link, `reverse` the links that remote servers lend
//! it, `ends` how links end, `backends` the lanes to the operator's own servers, `verification` the tickets, `upkeep` time,
//! configuration and shutdown, `lane_upkeep` the two latter for lanes.

use std::hash::Hasher;
use std::sync::Arc;

use s2s_proto::{DialbackCondition, Millis};
use xmpp_addr::{Domain, DomainPair};
use xmpp_frame::Kind;

use crate::action::{Action, Attachment};
use crate::bounce::{Bounce, Undeliverable};
use crate::cache::TtlCache;
use crate::config::RouteConfig;
use crate::counters::{Counters, DropReason, Snapshot};
use crate::discovery::Discovery;
use crate::hosted::{Hosted, Place};
use crate::ids::{LinkId, ShardId};
use crate::lane::{LaneState, Lanes};
use crate::parcel::Parcel;
use crate::queue::{Total, Waiting};
use crate::random::Random;
use crate::reverse::ReverseLinks;
use crate::slot::{Borrowed, Slot, SlotState, Slots, State};
use crate::verify::Ledger;

mod attempt;
mod backends;
mod ends;
mod lane_upkeep;
mod reverse;
mod upkeep;
mod verification;

#[cfg(test)]
mod tests;

/// Pairs whose presence bounces are counted at one time; the oldest makes room.
const PRESENCE_PAIRS_MAX: usize = 10_000;
const MINUTE_MS: u64 = 60_000;

/// The brain of one shard. See the crate's documentation for the contract of its calls.
#[derive(Debug)]
pub struct Router {
    shard: ShardId,
    config: Arc<RouteConfig>,
    random: Random,
    hosted: Hosted,
    slots: Slots,
    /// Connection attempts asked for; see [`AttemptId`](crate::AttemptId).
    attempts: u32,
    reverse: ReverseLinks,
    lanes: Lanes,
    ledger: Ledger,
    discoveries: TtlCache<Domain, Arc<Discovery>>,
    /// Failed verifications by (originating, receiving). Never successes.
    refusals: TtlCache<DomainPair, DialbackCondition>,
    /// Pairs that a backend refused on a working stream, and why.
    backend_refusals: TtlCache<DomainPair, Undeliverable>,
    /// Presence bounces of this minute by the pair of the presence.
    presence: TtlCache<DomainPair, u32>,
    total: Total,
    counters: Counters,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Serving,
    Draining,
}

impl Router {
    /// The router of shard `shard`. `seed` decides jitter and SRV order; it need not be secret.
    pub fn new(shard: ShardId, config: Arc<RouteConfig>, seed: u64) -> Router {
        Router {
            shard,
            random: Random::new(seed),
            hosted: Hosted::new(&config.hosted),
            slots: Slots::default(),
            attempts: 0,
            reverse: ReverseLinks::default(),
            lanes: Lanes::default(),
            ledger: Ledger::default(),
            discoveries: TtlCache::new(config.limits.discoveries),
            refusals: TtlCache::new(config.limits.refusals),
            backend_refusals: TtlCache::new(config.limits.refusals),
            presence: TtlCache::new(PRESENCE_PAIRS_MAX),
            total: Total::default(),
            counters: Counters::default(),
            stage: Stage::Serving,
            config,
        }
    }

    /// The shard everything about a remote domain lives on. `remote` is canonical ([`Domain::as_str`]).
    pub fn owner(&self, remote: &str) -> ShardId {
        let shards = u64::from(self.config.shards.max(1));
        if shards == 1 {
            return ShardId(0);
        }
        let [key0, key1] = self.config.owner_key;
        // SipHash-2-4. The hasher that replaced it in the standard library takes no key.
        #[expect(deprecated)]
        let mut hasher = std::hash::SipHasher::new_with_keys(key0, key1);
        hasher.write(remote.as_bytes());
        ShardId(u16::try_from(hasher.finish() % shards).unwrap_or(0))
    }

    /// Takes a parcel from a local link or from another shard's mailbox.
    pub fn route(&mut self, now: Millis, parcel: Parcel, out: &mut Vec<Action>) {
        self.counters.routed += 1;
        self.dispatch(now, parcel, out);
    }

    /// Takes back a parcel that an [`Action::Send`] or [`Action::Forward`] could not place because an outbox or a mailbox is
    /// full; it bounces with `resource-constraint`. For the rest of a closed link use [`link_closed`](Router::link_closed).
    #[expect(clippy::needless_pass_by_value, reason = "what was given back is ours again")]
    pub fn give_back(&mut self, now: Millis, parcel: Parcel, out: &mut Vec<Action>) {
        self.counters.returned += 1;
        self.refuse(now, &parcel, Undeliverable::Full, out);
    }

    /// Takes back a parcel that an [`Action::Send`] did not place because the peer announced to take only smaller ones
    /// (XEP-0478); it bounces with `policy-violation`, and the stream goes on.
    #[expect(clippy::needless_pass_by_value, reason = "what was given back is ours again")]
    pub fn too_big(&mut self, now: Millis, parcel: Parcel, out: &mut Vec<Action>) {
        self.counters.returned += 1;
        self.counters.too_big += 1;
        self.refuse(now, &parcel, Undeliverable::TooBig, out);
    }

    /// A component link serves domains from now on; to be told to all shards.
    ///
    /// Shards may learn of it at different times: a parcel is at worst forwarded once more. It cannot go in a circle, because
    /// every hop goes to a link the next shard knows of, or to one that scores higher there; for that, what a shard says about
    /// a detachment must reach the others before the parcels it forwards later (one ordered mailbox per pair of shards).
    /// While one more link attaches, a sender that becomes its own may overtake what an older link still holds.
    pub fn attach(&mut self, attachment: &Attachment) {
        self.hosted.attach(attachment);
    }

    /// A component link of another shard is gone. On its own shard [`link_closed`](Router::link_closed) says so.
    pub fn detach(&mut self, link: LinkId) {
        self.hosted.detach(link);
    }

    /// What the slot of (local, remote) waits for; `None` when there is none.
    pub fn slot_state(&self, pair: &DomainPair) -> Option<SlotState> {
        self.slots.find(pair).and_then(|at| self.slots.get(at)).map(Slot::name)
    }

    /// What was counted since the router was made.
    pub fn counters(&self) -> Counters {
        Counters { slots_evicted: self.slots.evicted, ..self.counters }
    }

    /// Counters and levels. Visits every slot: for metrics, not for the data path.
    pub fn snapshot(&self) -> Snapshot {
        let mut levels = Snapshot {
            counters: self.counters(),
            queued: self.total.parcels,
            queued_bytes: self.total.bytes,
            tickets: self.ledger.total(),
            ..Snapshot::default()
        };
        for slot in self.slots.iter() {
            let level = match slot.name() {
                SlotState::Idle => &mut levels.slots_idle,
                SlotState::Resolving => &mut levels.slots_resolving,
                SlotState::Connecting => &mut levels.slots_connecting,
                SlotState::Verifying => &mut levels.slots_verifying,
                SlotState::Established => &mut levels.slots_established,
                SlotState::Closing => &mut levels.slots_closing,
                SlotState::CoolingDown(_) => &mut levels.slots_cooling_down,
            };
            *level += 1;
        }
        for lane in self.lanes.iter() {
            levels.lanes += 1;
            levels.lanes_open += usize::from(matches!(lane.state, LaneState::Open { .. }));
            levels.lane_pairs += lane.authorized.len();
        }
        levels
    }

    /// Finds the way of a parcel that is already counted as routed or returned.
    fn dispatch(&mut self, now: Millis, parcel: Parcel, out: &mut Vec<Action>) {
        match self.hosted.find(parcel.to_domain(), || parcel.sender_hash()) {
            Place::Link(link) if link.shard == self.shard => self.send(link, parcel, out),
            Place::Link(link) => self.forward(link.shard, parcel, out),
            Place::Backend(backend) => self.via_lane(now, backend, parcel, out),
            Place::Down => self.refuse(now, &parcel, Undeliverable::ComponentDown, out),
            // RFC 6120 §10.4: routing to a remote domain is subject to local policy. Ours: never for strangers.
            Place::Remote if !self.hosted.covers(parcel.from_domain()) => {
                self.refuse(now, &parcel, Undeliverable::NotHosted, out);
            }
            Place::Remote => {
                let owner = self.owner(parcel.to_domain().as_str());
                if owner == self.shard {
                    self.outbound(now, parcel, out);
                } else {
                    self.forward(owner, parcel, out);
                }
            }
        }
    }

    /// A parcel from a hosted domain to a remote one that lives on this shard.
    fn outbound(&mut self, now: Millis, parcel: Parcel, out: &mut Vec<Action>) {
        let at = match self.slots.find(parcel.pair()) {
            Some(at) => at,
            None if self.stage == Stage::Draining => {
                return self.refuse(now, &parcel, Undeliverable::Draining, out);
            }
            None => match self.slots.place(parcel.pair(), self.config.limits.slots) {
                Some(at) => at,
                None => return self.refuse(now, &parcel, Undeliverable::Full, out),
            },
        };
        let Some(slot) = self.slots.get_mut(at) else {
            return self.refuse(now, &parcel, Undeliverable::Full, out);
        };
        if let State::Established(established) = &slot.state {
            let link = established.link;
            return self.send(link, parcel, out);
        }
        if let Some(Borrowed::Open(link)) = slot.borrowed {
            return self.send(link, parcel, out);
        }
        if self.stage == Stage::Draining {
            return self.refuse(now, &parcel, Undeliverable::Draining, out);
        }
        if let Some(link) = self.borrow_link(at, &mut Vec::new(), out) {
            return self.send(link, parcel, out);
        }
        let Some(slot) = self.slots.get_mut(at) else {
            return self.refuse(now, &parcel, Undeliverable::Full, out);
        };
        // What waits for a borrowed link to end waits whatever became of our own.
        if slot.borrowed.is_none()
            && let Some(cause) = slot.refuses(now)
        {
            return self.refuse(now, &parcel, cause, out);
        }
        let until = now.after(self.config.timeouts.queue_ms);
        let over = slot.queue.push(Waiting { parcel, until }, &self.config.limits, &mut self.total);
        self.advance(now, at, out);
        if let Some(waiting) = over {
            self.refuse(now, &waiting.parcel, Undeliverable::Full, out);
        }
    }

    fn send(&mut self, link: LinkId, parcel: Parcel, out: &mut Vec<Action>) {
        self.counters.sent += 1;
        out.push(Action::Send { link, parcel });
    }

    fn forward(&mut self, shard: ShardId, parcel: Parcel, out: &mut Vec<Action>) {
        self.counters.forwarded += 1;
        out.push(Action::Forward { shard, parcel });
    }

    /// Answers a parcel that goes nowhere with an error, where one may be sent.
    ///
    /// The error goes the way of any parcel: to the component link of the sender, or on the reverse route to a remote
    /// sender, never back on the stream the stanza came from (threat A35). It is itself never refused with an error, so this
    /// does not recurse further than one bounce.
    fn refuse(
        &mut self,
        now: Millis,
        parcel: &Parcel,
        cause: Undeliverable,
        out: &mut Vec<Action>,
    ) {
        let Some(frame) = parcel.frame() else {
            return self.counters.drop_one(DropReason::UndeliverableBounce);
        };
        let bounce = match Bounce::of(frame, parcel.pair(), cause.error()) {
            Ok(bounce) => bounce,
            Err(why) => return self.counters.drop_one(why),
        };
        if frame.kind() == Kind::Presence && !self.admits_presence_bounce(now, parcel.pair()) {
            return self.counters.drop_one(DropReason::PresenceBounceRate);
        }
        self.counters.bounced += 1;
        self.counters.routed += 1;
        self.dispatch(now, Parcel::Bounce(bounce), out);
    }

    fn refuse_all(
        &mut self,
        now: Millis,
        parcels: &[Parcel],
        cause: Undeliverable,
        out: &mut Vec<Action>,
    ) {
        for parcel in parcels {
            self.refuse(now, parcel, cause, out);
        }
    }

    /// What loops, by way of a chat room that answers an error with the next presence, stays within one pair; a domain that
    /// speaks to many unreachable ones does not, and needs all its errors.
    fn admits_presence_bounce(&mut self, now: Millis, pair: &DomainPair) -> bool {
        let most = self.config.limits.presence_bounces_per_minute;
        match self.presence.get_mut(now, pair) {
            Some(count) if *count >= most => false,
            Some(count) => {
                *count += 1;
                true
            }
            None => {
                self.presence.insert(pair.clone(), 1, now.after(MINUTE_MS));
                most > 0
            }
        }
    }
}
