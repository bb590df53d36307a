//! Verifications: asked by inbound streams, answered by authoritative servers over outbound slots.

use s2s_proto::{DialbackCondition, Millis, VerifyOutcome};
use xmpp_addr::DomainPair;

use super::{Router, Stage};
use crate::action::{Action, VerifyTicket};
use crate::slot::State;
use crate::verify::{Stage as TicketStage, Ticket};

impl Router {
    /// An inbound stream, on any shard, wants a dialback key verified; to be asked on the shard that owns the originating
    /// domain. Answered exactly once by [`Action::Verified`], at once or later.
    pub fn verify(&mut self, now: Millis, ticket: VerifyTicket, out: &mut Vec<Action>) {
        self.counters.tickets_asked += 1;
        let VerifyTicket { link: asker, request } = ticket;
        let until = now.after(self.config.timeouts.verify_ms);
        let ticket = Ticket { asker, request, until, stage: TicketStage::Waiting };
        let remote = ticket.request.pair.sender().clone();
        if self.stage == Stage::Draining {
            return self.conclude(
                ticket,
                VerifyOutcome::Failed(DialbackCondition::ResourceConstraint),
                out,
            );
        }
        if self.hosted.covers(&remote) {
            // A32: nobody outside is the authoritative server of a domain of ours.
            return self.conclude(ticket, VerifyOutcome::Failed(DialbackCondition::Forbidden), out);
        }
        if let Some(condition) = self.refusals.get(now, &ticket.request.pair).copied() {
            self.counters.tickets_from_cache += 1;
            return self.conclude(ticket, VerifyOutcome::Failed(condition), out);
        }
        // The leg goes from the receiving domain to the originating one (XEP-0220 §2.1.2).
        let Some(at) = self.slots.place(&ticket.request.pair.reversed(), self.config.limits.slots)
        else {
            return self.over_bound(ticket, out);
        };
        let Some(slot) = self.slots.get_mut(at) else { return self.over_bound(ticket, out) };
        if let Some(cause) = slot.rests(now) {
            self.counters.tickets_from_cache += 1;
            return self.conclude(ticket, VerifyOutcome::Failed(cause.dialback()), out);
        }
        // Two keys for one (from, to, id) could not be told apart in the answers. An honest stream asks once.
        let ambiguous = slot.tickets.iter().any(|other| other.is_ambiguous_with(&ticket.request));
        if ambiguous || !self.ledger.admit(&remote, asker, &self.config.limits) {
            self.slots.settle(at);
            return self.over_bound(ticket, out);
        }
        slot.tickets.push(ticket);
        self.advance(now, at, out);
    }

    /// The peer on the slot's link answered. Only what was asked on that very link is matched (threats A1, A2).
    pub(super) fn verify_answered(
        &mut self,
        now: Millis,
        at: usize,
        pair: &DomainPair,
        stream_id: &str,
        outcome: VerifyOutcome,
        out: &mut Vec<Action>,
    ) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        let asked = slot.tickets.iter().position(|ticket| {
            ticket.stage == TicketStage::Asked
                && &*ticket.request.stream_id == stream_id
                && ticket.request.pair == *pair
        });
        let Some(asked) = asked else { return };
        if is_about_the_stream(outcome) {
            // The end of the link follows: it decides whether another
            // target is tried or the ticket fails. Should it not follow, the ticket's own time does.
            if let Some(ticket) = slot.tickets.get_mut(asked) {
                ticket.stage = TicketStage::Waiting;
            }
            return;
        }
        let ticket = slot.tickets.remove(asked);
        if let State::Verifying(verifying) = &mut slot.state {
            verifying.answers = verifying.answers.saturating_add(1);
        }
        // "open a new connection instead" (XEP-0220 §2.5) is about the stream, not about the pair.
        if let VerifyOutcome::Failed(condition) = outcome
            && condition != DialbackCondition::ResourceConstraint
        {
            let least = self.config.timeouts.refusal_ms;
            let kept = self.random.between(least, least + least / 2);
            self.refusals.insert(pair.clone(), condition, now.after(kept));
        }
        self.answer(ticket, outcome, out);
        self.advance(now, at, out);
    }

    /// Answers a ticket that was counted in the ledger.
    pub(super) fn answer(&mut self, ticket: Ticket, outcome: VerifyOutcome, out: &mut Vec<Action>) {
        self.ledger.release(ticket.request.pair.sender(), ticket.asker);
        self.conclude(ticket, outcome, out);
    }

    fn over_bound(&mut self, ticket: Ticket, out: &mut Vec<Action>) {
        self.counters.tickets_over_bound += 1;
        // XEP-0220 §2.5: resource-constraint, "open a new connection instead".
        self.conclude(ticket, VerifyOutcome::Failed(DialbackCondition::ResourceConstraint), out);
    }

    fn conclude(&mut self, ticket: Ticket, outcome: VerifyOutcome, out: &mut Vec<Action>) {
        self.counters.tickets_answered += 1;
        let Ticket { asker, request, .. } = ticket;
        out.push(Action::Verified {
            link: asker,
            pair: request.pair,
            stream_id: request.stream_id,
            outcome,
        });
    }
}

/// Whether this is how a stream that was lost answers what it was asked. What an authoritative server says itself is never
/// read as one of these two.
fn is_about_the_stream(outcome: VerifyOutcome) -> bool {
    matches!(
        outcome,
        VerifyOutcome::Failed(
            DialbackCondition::RemoteConnectionFailed | DialbackCondition::RemoteServerTimeout
        )
    )
}
