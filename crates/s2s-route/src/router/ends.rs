//! How links end, and what becomes of what they did not send.

use s2s_proto::{Millis, OutboundFailure};

use super::{Router, Stage};
use crate::action::{Action, LinkEnd};
use crate::bounce::{Undeliverable, is_target_specific};
use crate::ids::LinkId;
use crate::parcel::Parcel;
use crate::queue::Waiting;
use crate::slot::{Established, State};
use crate::verify::Stage as TicketStage;

impl Router {
    /// A link of this shard is gone, whatever kind it was.
    ///
    /// `unsent`: the parcels given to it by [`Action::Send`] of which no byte reached the socket, in the order they were
    /// given. A parcel that was written in part or in full must not be in it. After a polite end of an authorised link they
    /// wait, in front, for a new one; after a failure they bounce. Those of a component link go to another link of the same
    /// domain or bounce. Those of a backend's link wait for its next one.
    pub fn link_closed(
        &mut self,
        now: Millis,
        link: LinkId,
        end: &LinkEnd,
        unsent: Vec<Parcel>,
        out: &mut Vec<Action>,
    ) {
        self.counters.returned += unsent.len() as u64;
        self.hosted.detach(link);
        if let Some(at) = self.lanes.unlink(link) {
            return self.lane_closed(now, at, end, unsent, out);
        }
        let unsent = self.borrowed_closed(now, link, unsent, out);
        let Some(at) = self.slots.unlink(link) else {
            for parcel in unsent {
                self.dispatch(now, parcel, out);
            }
            return;
        };
        let Some(slot) = self.slots.get_mut(at) else { return };
        match &slot.state {
            State::Verifying(verifying) => {
                let answered = verifying.answers > 0;
                self.verifying_closed(now, at, end, answered, out);
                // Nothing is sent on such a link. Should the driver think otherwise, the parcels find their way again.
                for parcel in unsent {
                    self.dispatch(now, parcel, out);
                }
            }
            State::Established(Established { since, .. }) => {
                let lasted = now.since(*since) >= self.config.timeouts.stable_ms;
                self.established_closed(now, at, end, lasted, unsent, out);
            }
            State::Closing(_) => self.reopen(now, at, unsent, out),
            // Only the states above have a link.
            State::Idle | State::Resolving(_) | State::Connecting(_) | State::CoolingDown(_) => {}
        }
    }

    fn verifying_closed(
        &mut self,
        now: Millis,
        at: usize,
        end: &LinkEnd,
        answered: bool,
        out: &mut Vec<Action>,
    ) {
        match end {
            LinkEnd::ClosedByUs => self.polite_end(now, at, Vec::new(), out),
            // COMPAT(Openfire): a connection serves one verification. Whoever answered has worked, so the next key is asked
            // on a new one however often that happens; one that closes before it did anything has not.
            LinkEnd::ClosedByPeer if answered => self.reopen(now, at, Vec::new(), out),
            LinkEnd::ClosedByPeer => self.next_target(now, at, Undeliverable::StreamFailed, out),
            LinkEnd::Failed(failure) => {
                let cause = Undeliverable::from_outbound(failure);
                let Some(slot) = self.slots.get_mut(at) else { return };
                let may_repeat = matches!(&slot.state, State::Verifying(verifying) if verifying.is_to_be_repeated());
                if may_repeat || is_target_specific(failure) {
                    self.next_target(now, at, cause, out);
                } else if slot.wants_link() {
                    self.give_up(now, at, cause, Vec::new(), out);
                } else {
                    slot.state = State::Idle;
                    self.slots.settle(at);
                }
            }
        }
    }

    fn established_closed(
        &mut self,
        now: Millis,
        at: usize,
        end: &LinkEnd,
        lasted: bool,
        unsent: Vec<Parcel>,
        out: &mut Vec<Action>,
    ) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        if lasted {
            slot.backoff.reset();
            slot.quick_ends = 0;
        }
        match end {
            LinkEnd::ClosedByUs | LinkEnd::ClosedByPeer if lasted => {
                self.reopen(now, at, unsent, out);
            }
            LinkEnd::ClosedByUs | LinkEnd::ClosedByPeer => self.polite_end(now, at, unsent, out),
            LinkEnd::Failed(failure) => {
                let cause = match (Undeliverable::from_outbound(failure), failure) {
                    // The pair was accepted: what the peer says now is about something that was sent, as a stanza that is
                    // too big for it (policy-violation), and not about trust.
                    (Undeliverable::NotTrusted, OutboundFailure::PeerError(_)) => {
                        Undeliverable::StreamFailed
                    }
                    (cause, _) => cause,
                };
                if lasted && (is_target_specific(failure) || cause == Undeliverable::StreamFailed) {
                    // It worked until just now: the next parcel may try at once.
                    slot.state = State::Idle;
                    self.advance_anew(now, at, out);
                    self.refuse_all(now, &unsent, cause, out);
                } else {
                    self.give_up(now, at, cause, unsent, out);
                }
            }
        }
    }

    /// A polite end of a link that did not last. A few are taken as they are; a peer that does nothing else is left alone
    /// for a while.
    fn polite_end(&mut self, now: Millis, at: usize, unsent: Vec<Parcel>, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        slot.quick_ends = slot.quick_ends.saturating_add(1);
        let wanted = slot.wants_link() || !unsent.is_empty();
        if wanted && slot.quick_ends > self.config.limits.quick_reconnects {
            return self.give_up(now, at, Undeliverable::StreamFailed, unsent, out);
        }
        self.reopen(now, at, unsent, out);
    }

    /// Puts `unsent` back in front of what waits and starts a new attempt if anything waits (the old queue goes first, or
    /// bounces first: order holds).
    fn reopen(&mut self, now: Millis, at: usize, unsent: Vec<Parcel>, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        slot.state = State::Idle;
        for ticket in &mut slot.tickets {
            ticket.stage = TicketStage::Waiting;
        }
        self.requeue(now, at, unsent, out);
    }

    /// What a link that carried the slot's stanzas did not send goes in front of what waits.
    pub(super) fn requeue(
        &mut self,
        now: Millis,
        at: usize,
        mut unsent: Vec<Parcel>,
        out: &mut Vec<Action>,
    ) {
        let draining = self.stage == Stage::Draining;
        let Some(slot) = self.slots.get_mut(at) else { return };
        if !self.hosted.covers(slot.pair.sender()) || self.hosted.covers(slot.pair.target()) {
            // The pair changed sides while its link was closing.
            self.advance(now, at, out);
            for parcel in unsent {
                self.dispatch(now, parcel, out);
            }
            return;
        }
        if self.borrow_link(at, &mut unsent, out).is_some() {
            return self.advance(now, at, out);
        }
        let Some(slot) = self.slots.get_mut(at) else { return };
        let refusal = if draining { Some(Undeliverable::Draining) } else { slot.refuses(now) };
        if let Some(cause) = refusal {
            // Nor does what came later wait any longer: it would fare better than the older ones, and start an attempt.
            let behind = slot.queue.take(&mut self.total);
            unsent.extend(behind.into_iter().map(|waiting| waiting.parcel));
            self.advance(now, at, out);
            return self.refuse_all(now, &unsent, cause, out);
        }
        let behind = slot.queue.take(&mut self.total);
        let fresh = now.after(self.config.timeouts.queue_ms);
        let until = behind.first().map_or(fresh, |first| first.until.min(fresh));
        let in_front = unsent.into_iter().map(|parcel| Waiting { parcel, until });
        let mut over = Vec::new();
        for waiting in in_front.chain(behind) {
            if let Some(waiting) = slot.queue.push(waiting, &self.config.limits, &mut self.total) {
                over.push(waiting.parcel);
            }
        }
        self.advance(now, at, out);
        self.refuse_all(now, &over, Undeliverable::Full, out);
    }

    /// Like [`advance`](Router::advance) for a slot that lost its link: its verifications have to be asked again.
    fn advance_anew(&mut self, now: Millis, at: usize, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        for ticket in &mut slot.tickets {
            ticket.stage = TicketStage::Waiting;
        }
        self.advance(now, at, out);
    }
}
