//! Time, new configuration, shutdown.

use std::sync::Arc;

use s2s_proto::{DialbackCondition, Millis, VerifyOutcome};

use super::{Router, Stage};
use crate::action::Action;
use crate::bounce::{ConnectFailure, Undeliverable};
use crate::config::RouteConfig;
use crate::discovery::DnsFailure;
use crate::slot::State;
use crate::verify::Ticket;

impl Router {
    /// When [`timeout`](Router::timeout) is to be called; `None` when nothing waits for time.
    pub fn next_deadline(&self) -> Option<Millis> {
        [self.slots.next_wake(), self.lanes.next_wake()].into_iter().flatten().min()
    }

    /// Does what is due. Calling it early does nothing.
    pub fn timeout(&mut self, now: Millis, out: &mut Vec<Action>) {
        while let Some(at) = self.slots.due(now) {
            self.wake(now, at, out);
        }
        while let Some(at) = self.lanes.due(now) {
            self.wake_lane(now, at, out);
        }
    }

    /// Handles all that is due in one slot. Afterwards nothing of it is due, so the loop above ends.
    fn wake(&mut self, now: Millis, at: usize, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        let late =
            slot.tickets.extract_if(.., |ticket| ticket.until <= now).collect::<Vec<Ticket>>();
        let mut expired = Vec::new();
        while let Some(parcel) = slot.queue.pop_expired(now, &mut self.total) {
            expired.push(parcel);
        }
        let state_is_due = slot.state.until().is_some_and(|until| until <= now);
        self.slots.settle(at);
        for ticket in late {
            self.answer(ticket, VerifyOutcome::Failed(DialbackCondition::RemoteServerTimeout), out);
        }
        self.refuse_all(now, &expired, Undeliverable::Expired, out);
        if state_is_due {
            self.state_is_due(now, at, out);
        }
    }

    fn state_is_due(&mut self, now: Millis, at: usize, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        match &slot.state {
            State::Resolving(_) => {
                self.slots.forget_resolution(at);
                self.give_up(now, at, DnsFailure::Temporary.into(), Vec::new(), out);
            }
            State::Connecting(_) => {
                self.give_up(now, at, ConnectFailure::TimedOut.into(), Vec::new(), out);
            }
            State::Verifying(verifying) => {
                let link = verifying.link;
                self.slots.unlink(link);
                out.push(Action::Close { link });
                self.next_target(now, at, Undeliverable::StreamFailed, out);
            }
            State::Idle | State::Established(_) | State::Closing(_) | State::CoolingDown(_) => {}
        }
    }

    /// Takes a new configuration. The number of shards and the owner key stay as they were: what lives on a shard stays there.
    /// So do the sizes of the caches.
    ///
    /// Slots of pairs that changed sides (the local domain is no longer hosted, the remote one is now) end: their links are
    /// closed, what waits finds its new way, verifications fail.
    pub fn set_config(&mut self, now: Millis, config: &Arc<RouteConfig>, out: &mut Vec<Action>) {
        let kept = RouteConfig {
            shards: self.config.shards,
            owner_key: self.config.owner_key,
            ..(**config).clone()
        };
        self.hosted.set_entries(&kept.hosted);
        self.config = Arc::new(kept);
        self.leave_lanes(out);
        for at in self.slots.places() {
            let Some(slot) = self.slots.get_mut(at) else { continue };
            if self.hosted.covers(slot.pair.sender()) && !self.hosted.covers(slot.pair.target()) {
                continue;
            }
            let waiting = slot.queue.take(&mut self.total);
            let tickets = std::mem::take(&mut slot.tickets);
            slot.borrowed = None;
            self.release(at, out);
            for ticket in tickets {
                self.answer(ticket, VerifyOutcome::Failed(DialbackCondition::ItemNotFound), out);
            }
            for waiting in waiting {
                self.dispatch(now, waiting.parcel, out);
            }
        }
        self.review_lanes(now, out);
    }

    /// The process shuts down: what waits bounces, verifications fail, and nothing new is opened. Authorised links still take
    /// parcels; closing them is the caller's.
    pub fn drain(&mut self, now: Millis, out: &mut Vec<Action>) {
        self.stage = Stage::Draining;
        let mut refused = Vec::new();
        for at in self.slots.places() {
            let Some(slot) = self.slots.get_mut(at) else { continue };
            refused
                .extend(slot.queue.take(&mut self.total).into_iter().map(|waiting| waiting.parcel));
            let tickets = std::mem::take(&mut slot.tickets);
            if !matches!(slot.state, State::Established(_)) {
                self.release(at, out);
            }
            self.slots.settle(at);
            for ticket in tickets {
                self.answer(
                    ticket,
                    VerifyOutcome::Failed(DialbackCondition::ResourceConstraint),
                    out,
                );
            }
        }
        self.drain_lanes(now, out);
        self.refuse_all(now, &refused, Undeliverable::Draining, out);
    }

    /// Ends what an emptied slot does: its link is closed, or its attempt forgotten.
    fn release(&mut self, at: usize, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        match &slot.state {
            State::Resolving(_) => {
                self.slots.forget_resolution(at);
                self.rest(at);
            }
            State::Connecting(_) => self.rest(at),
            State::Verifying(_) | State::Established(_) => self.close(at, out),
            State::Idle | State::Closing(_) | State::CoolingDown(_) => self.slots.settle(at),
        }
    }

    fn rest(&mut self, at: usize) {
        if let Some(slot) = self.slots.get_mut(at) {
            slot.state = State::Idle;
        }
        self.slots.settle(at);
    }
}
