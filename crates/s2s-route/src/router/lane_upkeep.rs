//! What new configuration and shutdown do to lanes.

use std::collections::BTreeMap;

use s2s_proto::Millis;
use xmpp_addr::DomainPair;

use super::{Router, Stage};
use crate::action::Action;
use crate::bounce::Undeliverable;
use crate::lane::{Lane, LaneKey, LaneState};
use crate::parcel::Parcel;

impl Router {
    /// What the link of a lane that was left did not send goes in front of what waits in the lanes that took over.
    pub(super) fn move_unsent(&mut self, now: Millis, unsent: Vec<Parcel>, out: &mut Vec<Action>) {
        let mut moved: BTreeMap<usize, Vec<Parcel>> = BTreeMap::new();
        for parcel in unsent {
            match self.hosted.backend(parcel.to_domain()) {
                Some(backend) => match self.place_lane(LaneKey::of(backend, parcel.pair()), out) {
                    Some(at) => moved.entry(at).or_default().push(parcel),
                    None => self.refuse(now, &parcel, Undeliverable::Full, out),
                },
                None => self.dispatch(now, parcel, out),
            }
        }
        for (at, parcels) in moved {
            self.wait_in_front(now, at, parcels, out);
            self.advance_lane(now, at, out);
        }
    }

    /// After a change of the configuration, before anything else finds its way by it: the links of lanes that no parcel would
    /// take any more are closed, and those that take over wait for that.
    pub(super) fn leave_lanes(&mut self, out: &mut Vec<Action>) {
        for at in self.lanes.places() {
            if !self.lane_is_wanted(at)
                && self.lanes.get(at).is_some_and(|lane| lane.state.link().is_some())
            {
                self.close_lane(at, out);
                self.lanes.leave(at);
            }
        }
    }

    /// After a change of the configuration: lanes that no parcel would take any more end.
    pub(super) fn review_lanes(&mut self, now: Millis, out: &mut Vec<Action>) {
        self.backend_refusals.clear();
        for at in self.lanes.places() {
            if self.lane_is_wanted(at) {
                self.refuse_what_is_within_one_server(now, at, out);
                // Its link was made under the old settings (TLS, certificates, the secret of the keys); the next one is made
                // under the new ones. What comes meanwhile waits.
                self.close_lane(at, out);
                self.lanes.settle(now, at);
            } else {
                self.disband(now, at, Vec::new(), out);
            }
        }
    }

    /// The process shuts down: stanzas that wait bounce. Open links still take parcels, and errors wait there for their pair.
    pub(super) fn drain_lanes(&mut self, now: Millis, out: &mut Vec<Action>) {
        for at in self.lanes.places() {
            let Some(lane) = self.lanes.get_mut(at) else { continue };
            if !matches!(lane.state, LaneState::Open { .. }) {
                self.disband(now, at, Vec::new(), out);
                continue;
            }
            let stanzas = lane.take_unanswered(&mut self.total);
            self.lanes.settle(now, at);
            self.refuse_all(now, &stanzas, Undeliverable::Draining, out);
        }
    }

    /// Whether something waits for an answer of a backend, or for room, on a link that stands. To be asked in a drain: what came to
    /// wait since it began are errors for the backend's users.
    pub fn waits_for_backends(&self) -> bool {
        self.lanes.iter().any(Lane::holds_for_its_link)
    }

    /// Nothing waits in this lane any longer: all finds its new way. Its link is closed; in a drain that is the caller's.
    pub(super) fn disband(
        &mut self,
        now: Millis,
        at: usize,
        unsent: Vec<Parcel>,
        out: &mut Vec<Action>,
    ) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        let mut parcels = unsent;
        parcels.extend(lane.take_waiting(&mut self.total));
        if lane.state.link().is_none() {
            lane.state = LaneState::Idle;
        } else if self.stage == Stage::Serving {
            self.close_lane(at, out);
        }
        self.lanes.settle(now, at);
        for parcel in parcels {
            self.dispatch(now, parcel, out);
        }
    }

    /// What a reload put between two domains of one server.
    fn refuse_what_is_within_one_server(&mut self, now: Millis, at: usize, out: &mut Vec<Action>) {
        let Some(lane) = self.lanes.get(at) else { return };
        let Some(backend) = self.hosted.backend(&lane.key.target) else { return };
        let inside =
            lane.waiting.keys().filter(|pair| self.hosted.is_within_one_server(backend, pair));
        for pair in inside.cloned().collect::<Vec<DomainPair>>() {
            let Some(lane) = self.lanes.get_mut(at) else { return };
            let petition = lane.settled(&pair);
            let waiting = petition.map(|mut petition| petition.queue.take(&mut self.total));
            for waiting in waiting.into_iter().flatten() {
                self.refuse(now, &waiting.parcel, Undeliverable::NotHosted, out);
            }
        }
    }

    pub(super) fn lane_is_wanted(&self, at: usize) -> bool {
        let Some(lane) = self.lanes.get(at) else { return false };
        let backend = self.hosted.backend(&lane.key.target);
        backend.is_some_and(|backend| lane.key.suits(backend))
    }

    /// Whether this may wait on a lane although the process shuts down. The backend is near and its open link is among the last to
    /// be closed: time for an answer, so that its users learn what became of their stanzas.
    pub(super) fn may_wait_to_the_last(&self, key: &LaneKey, parcel: &Parcel) -> bool {
        let lane = self.lanes.find(key).and_then(|at| self.lanes.get(at));
        lane.is_some_and(|lane| {
            let is_open = matches!(lane.state, LaneState::Open { .. });
            let is_welcome =
                matches!(parcel, Parcel::Bounce(_)) || lane.authorized.contains(parcel.pair());
            is_open && is_welcome
        })
    }
}
