//! Parcels for the operator's own servers: from the first one to an authorised pair, and back after the end of a link.

use std::collections::BTreeMap;

use s2s_proto::{Millis, OutboundFailure, Phase};
use xmpp_addr::DomainPair;

use super::{Router, Stage};
use crate::action::{Action, LinkEnd, OutboundEvent};
use crate::bounce::Undeliverable;
use crate::config::BackendRoute;
use crate::ids::{LaneId, LinkId};
use crate::lane::{LaneKey, LaneState};
use crate::parcel::Parcel;
use crate::queue::Waiting;

/// So many more lanes, as a part of the bound, may be closing.
const CLOSING_PART: usize = 8;

impl Router {
    /// A parcel for a domain that a backend serves.
    pub(super) fn via_lane(
        &mut self,
        now: Millis,
        backend: BackendRoute,
        parcel: Parcel,
        out: &mut Vec<Action>,
    ) {
        let key = LaneKey::of(backend, parcel.pair());
        if let Some(at) = self.lanes.find(&key)
            && let Some(lane) = self.lanes.get_mut(at)
            && let LaneState::Open { link, .. } = lane.state
            && lane.passes(parcel.pair())
        {
            lane.last_used = now;
            return self.send(link, parcel, out);
        }
        if self.hosted.is_within_one_server(backend, parcel.pair()) {
            return self.refuse(now, &parcel, Undeliverable::NotHosted, out);
        }
        if self.stage == Stage::Draining && !self.may_wait_to_the_last(&key, &parcel) {
            return self.refuse(now, &parcel, Undeliverable::Draining, out);
        }
        if let Some(cause) = self.backend_refusals.get(now, parcel.pair()).copied() {
            return self.refuse(now, &parcel, cause, out);
        }
        let Some(at) = self.place_lane(key, out) else {
            return self.refuse(now, &parcel, Undeliverable::Full, out);
        };
        let Some(lane) = self.lanes.get_mut(at) else { return };
        let is_new = !lane.waiting.contains_key(parcel.pair());
        let most = self.config.limits.lane_pairs;
        if is_new && lane.waiting.len() >= most {
            return self.refuse(now, &parcel, Undeliverable::Full, out);
        }
        let until = now.after(self.config.timeouts.queue_ms);
        let over = lane.enqueue(Waiting { parcel, until }, &self.config.limits, &mut self.total);
        if is_new && lane.authorized.len() >= most && self.stage == Stage::Serving {
            // The peer's table of names grows with the link's age; a new link starts with those that still talk.
            self.close_lane(at, out);
        }
        self.advance_lane(now, at, out);
        if let Some(waiting) = over {
            self.refuse(now, &waiting.parcel, Undeliverable::Full, out);
        }
    }

    /// The lane of this key. Each costs the backend a connection, and where pairs share none whoever sends from many domains
    /// decides how many there are: at the bound an idle one makes room, or there is no lane.
    pub(super) fn place_lane(&mut self, key: LaneKey, out: &mut Vec<Action>) -> Option<usize> {
        let (most, held) = (self.config.limits.lanes, self.lanes.count_to(key.address));
        if self.lanes.find(&key).is_none() && held >= most {
            // One that was asked to go takes a moment.
            let idle = self.lanes.least_used(key.address);
            let idle = idle.filter(|_| held < most + (most / CLOSING_PART).max(1))?;
            self.counters.lanes_evicted += 1;
            self.close_lane(idle, out);
        }
        Some(self.lanes.place(key))
    }

    /// A transport is up for [`Action::ConnectBackend`] and its stream begins to negotiate.
    pub fn backend_connected(
        &mut self,
        now: Millis,
        lane: LaneId,
        link: LinkId,
        out: &mut Vec<Action>,
    ) {
        let Some(at) = self.lanes.place_of(lane) else { return out.push(Action::Close { link }) };
        let Some(lane) = self.lanes.get_mut(at) else { return };
        if !matches!(lane.state, LaneState::Connecting { .. }) {
            // The attempt was given up meanwhile.
            return out.push(Action::Close { link });
        }
        lane.state = LaneState::Open { link, since: now };
        let unused = lane.waiting.is_empty();
        self.lanes.link(link, at);
        if unused {
            self.close_lane(at, out);
        }
        self.advance_lane(now, at, out);
    }

    /// An [`Action::ConnectBackend`] failed before a stream could begin.
    pub fn backend_connect_failed(&mut self, now: Millis, lane: LaneId, out: &mut Vec<Action>) {
        let Some(at) = self.lanes.place_of(lane) else { return };
        if self.lanes.get(at).is_some_and(|lane| matches!(lane.state, LaneState::Connecting { .. }))
        {
            self.rest_lane(now, at);
            self.advance_lane(now, at, out);
        }
    }

    /// Something happened on the link of a lane.
    pub(super) fn lane_event(
        &mut self,
        now: Millis,
        link: LinkId,
        event: OutboundEvent,
        out: &mut Vec<Action>,
    ) {
        let Some(at) = self.lanes.by_link(link) else { return };
        match event {
            OutboundEvent::PairAuthorized { pair } => self.lane_authorized(now, at, &pair, out),
            OutboundEvent::PairFailed { pair, failure } => {
                self.lane_refused(now, at, &pair, &failure, out);
            }
            // No key is verified on a lane, and a refused EXTERNAL is followed by dialback on the same stream or by its end. Both
            // directions are not asked for.
            OutboundEvent::VerifyAnswer { .. }
            | OutboundEvent::ExternalRefused
            | OutboundEvent::Bidirectional => {}
        }
    }

    fn lane_authorized(
        &mut self,
        now: Millis,
        at: usize,
        pair: &DomainPair,
        out: &mut Vec<Action>,
    ) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        let LaneState::Open { link, .. } = lane.state else { return };
        lane.last_used = now;
        lane.cautious = false;
        self.counters.established += 1;
        if lane.grant(pair) {
            out.push(Action::AwaitRoom { link });
        }
        self.advance_lane(now, at, out);
    }

    /// The answer to [`Action::AwaitRoom`]: the link takes so many bytes now without delay for others. One parcel is sent at least.
    ///
    /// What waited through an outage of a backend can be more than an outbox holds. It leaves in portions, so that nothing
    /// bounces that could still wait.
    pub fn has_room(&mut self, now: Millis, link: LinkId, bytes: usize, out: &mut Vec<Action>) {
        let Some(at) = self.lanes.by_link(link) else { return };
        let Some(lane) = self.lanes.get_mut(at) else { return };
        if !matches!(lane.state, LaneState::Open { .. }) {
            // It waits for the next link.
            return;
        }
        let (mut room, mut most) = (bytes, usize::MAX);
        while let Some(waiting) = lane.next_granted(most, &mut self.total) {
            room = room.saturating_sub(waiting.parcel.len());
            most = room;
            self.counters.sent += 1;
            out.push(Action::Send { link, parcel: waiting.parcel });
        }
        lane.last_used = now;
        if lane.wants_room() {
            out.push(Action::AwaitRoom { link });
        }
        self.lanes.settle(now, at);
    }

    fn lane_refused(
        &mut self,
        now: Millis,
        at: usize,
        pair: &DomainPair,
        failure: &OutboundFailure,
        out: &mut Vec<Action>,
    ) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        if is_about_the_link(failure) {
            // The stream is ending; the pair is asked again on the next one.
            return;
        }
        let cause = Undeliverable::from_outbound(failure);
        lane.authorized.remove(pair);
        let petition = lane.settled(pair);
        self.remember_backend_refusal(now, pair, cause);
        let waiting = petition.map(|mut petition| petition.queue.take(&mut self.total));
        self.advance_lane(now, at, out);
        for waiting in waiting.into_iter().flatten() {
            self.refuse(now, &waiting.parcel, cause, out);
        }
    }

    /// The link of a lane ended; `unsent` goes in front of what waits.
    pub(super) fn lane_closed(
        &mut self,
        now: Millis,
        at: usize,
        end: &LinkEnd,
        unsent: Vec<Parcel>,
        out: &mut Vec<Action>,
    ) {
        let stable_ms = self.config.timeouts.stable_ms;
        let Some(lane) = self.lanes.get_mut(at) else { return };
        let lasted =
            matches!(lane.state, LaneState::Open { since, .. } if now.since(since) >= stable_ms);
        let closed_by_us =
            matches!(lane.state, LaneState::Closing { .. }) || matches!(end, LinkEnd::ClosedByUs);
        let worked = !lane.authorized.is_empty();
        let suspect = match end {
            LinkEnd::Failed(OutboundFailure::PeerError(_) | OutboundFailure::Protocol(_)) => {
                let suspect = lane.suspect();
                lane.cautious = true;
                suspect
            }
            _ => None,
        };
        lane.ask_anew();
        lane.state = LaneState::Idle;
        if lasted && worked {
            lane.backoff.reset();
        }
        if !(closed_by_us || lasted && worked) {
            self.rest_lane(now, at);
        }
        let is_wanted = self.lane_is_wanted(at);
        let free = self.lanes.left_for_good(at);
        if let LinkEnd::Failed(failure) = end
            && let Some(cause) = decides_for_the_lane(failure).filter(|_| is_wanted)
        {
            self.lane_decided(now, at, cause, unsent, out);
        } else {
            if let Some(pair) = suspect {
                self.refuse_suspect(now, at, &pair, out);
            }
            if self.stage == Stage::Draining {
                self.disband(now, at, unsent, out);
            } else if is_wanted {
                self.wait_in_front(now, at, unsent, out);
                self.advance_lane(now, at, out);
            } else {
                self.disband(now, at, Vec::new(), out);
                self.move_unsent(now, unsent, out);
            }
        }
        for at in free.map(|target| self.lanes.idle_to(&target)).unwrap_or_default() {
            self.advance_lane(now, at, out);
        }
    }

    /// The backend ended the stream over this pair, which was the only one it was asked about.
    fn refuse_suspect(&mut self, now: Millis, at: usize, pair: &DomainPair, out: &mut Vec<Action>) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        let mut petition = lane.settled(pair).unwrap_or_default();
        let refused = petition.queue.take(&mut self.total);
        let until = now.after(self.config.timeouts.refusal_ms);
        self.backend_refusals.insert(pair.clone(), Undeliverable::StreamFailed, until);
        self.lanes.settle(now, at);
        for waiting in refused {
            self.refuse(now, &waiting.parcel, Undeliverable::StreamFailed, out);
        }
    }

    /// The backend works and says no: nothing waits for it any longer.
    fn lane_decided(
        &mut self,
        now: Millis,
        at: usize,
        cause: Undeliverable,
        unsent: Vec<Parcel>,
        out: &mut Vec<Action>,
    ) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        let mut refused = unsent;
        refused.extend(lane.take_waiting(&mut self.total));
        self.lanes.settle(now, at);
        self.refuse_all(now, &refused, cause, out);
    }

    pub(super) fn wait_in_front(
        &mut self,
        now: Millis,
        at: usize,
        unsent: Vec<Parcel>,
        out: &mut Vec<Action>,
    ) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        let backend = self.hosted.backend(&lane.key.target);
        let is_inside = |pair: &DomainPair| {
            backend.is_some_and(|backend| self.hosted.is_within_one_server(backend, pair))
        };
        let (inside, unsent): (Vec<_>, Vec<_>) =
            unsent.into_iter().partition(|parcel| is_inside(parcel.pair()));
        let fresh = now.after(self.config.timeouts.queue_ms);
        let (limits, total) = (&self.config.limits, &mut self.total);
        // What waited already is taken out once for each pair, and put back behind what the link gives back.
        let mut behind: BTreeMap<DomainPair, Vec<Waiting>> = BTreeMap::new();
        let mut over = Vec::new();
        for parcel in unsent {
            let pair = parcel.pair().clone();
            let later = behind.entry(pair).or_insert_with_key(|pair| lane.take_queue(pair, total));
            let until = later.first().map_or(fresh, |first| first.until.min(fresh));
            over.extend(lane.enqueue(Waiting { parcel, until }, limits, total));
        }
        for waiting in behind.into_values().flatten() {
            over.extend(lane.enqueue(waiting, limits, total));
        }
        for waiting in over {
            self.refuse(now, &waiting.parcel, Undeliverable::Full, out);
        }
        self.refuse_all(now, &inside, Undeliverable::NotHosted, out);
    }

    /// Does what a lane with new wants, or in a new state, needs next. Ends with the lane settled.
    pub(super) fn advance_lane(&mut self, now: Millis, at: usize, out: &mut Vec<Action>) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        match lane.state {
            LaneState::Idle => {
                if let Some(pair) = lane.first().cloned()
                    && !self.lanes.is_held(pair.target())
                    && let Some(lane) = self.lanes.get_mut(at)
                {
                    let until = now.after(self.config.timeouts.connect_ms);
                    lane.state = LaneState::Connecting { until };
                    self.counters.connects += 1;
                    let address = lane.key.address;
                    out.push(Action::ConnectBackend { lane: lane.id, address, pair });
                }
            }
            LaneState::Open { link, .. } => {
                while let Some(pair) = lane.next_unasked() {
                    out.push(Action::Authorize { link, pair });
                }
            }
            LaneState::Connecting { .. }
            | LaneState::Closing { .. }
            | LaneState::Resting { .. } => {}
        }
        self.lanes.settle(now, at);
    }

    fn rest_lane(&mut self, now: Millis, at: usize) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        self.counters.gave_up += 1;
        let until = lane.backoff.fail(now, self.config.backend_backoff, &mut self.random);
        lane.state = LaneState::Resting { until };
        self.lanes.settle(now, at);
    }

    /// Asks the driver to end the lane's link.
    pub(super) fn close_lane(&mut self, at: usize, out: &mut Vec<Action>) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        if let LaneState::Open { link, .. } = lane.state {
            lane.state = LaneState::Closing { link };
            out.push(Action::Close { link });
        }
    }

    /// What is due in one lane. Afterwards nothing of it is.
    pub(super) fn wake_lane(&mut self, now: Millis, at: usize, out: &mut Vec<Action>) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        let expired = lane.take_expired(now, &mut self.total);
        match lane.state {
            LaneState::Connecting { until } if until <= now => self.rest_lane(now, at),
            LaneState::Resting { until } if until <= now => lane.state = LaneState::Idle,
            _ => {}
        }
        self.advance_lane(now, at, out);
        self.refuse_all(now, &expired, Undeliverable::Expired, out);
    }

    fn remember_backend_refusal(&mut self, now: Millis, pair: &DomainPair, cause: Undeliverable) {
        let least = self.config.backend_backoff.first_ms;
        let kept = self.random.between(least, 2 * least);
        self.backend_refusals.insert(pair.clone(), cause, now.after(kept));
    }
}

/// Whether this failure of a pair only says that its stream is ending. All else is about the pair, also that no answer came: the
/// stream may go on for the others.
fn is_about_the_link(failure: &OutboundFailure) -> bool {
    match failure {
        OutboundFailure::TimedOut(phase) => *phase != Phase::Dialback,
        OutboundFailure::TlsFailed
        | OutboundFailure::PeerError(_)
        | OutboundFailure::Protocol(_)
        | OutboundFailure::ConnectionLost => true,
        OutboundFailure::HostUnknown
        | OutboundFailure::TlsNotOffered
        | OutboundFailure::NotTrusted
        | OutboundFailure::Unauthenticated
        | OutboundFailure::DialbackInvalid
        | OutboundFailure::DialbackError(_) => false,
    }
}

/// Why the end of a link means that no pair of its lane can be served: the target is unknown there, or the channel is not what is
/// demanded. What the backend holds against one remote domain is nobody else's fault.
fn decides_for_the_lane(failure: &OutboundFailure) -> Option<Undeliverable> {
    let cause = Undeliverable::from_outbound(failure);
    match failure {
        OutboundFailure::TlsNotOffered | OutboundFailure::NotTrusted => Some(cause),
        _ => (cause == Undeliverable::HostUnknown).then_some(cause),
    }
}
