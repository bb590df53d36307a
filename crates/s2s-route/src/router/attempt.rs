//! From the first parcel to an authorised link.

use std::sync::Arc;

use s2s_proto::{DialbackCondition, Millis, OutboundFailure, VerifyOutcome};
use xmpp_addr::Domain;

use super::Router;
use crate::action::{Action, OutboundEvent};
use crate::bounce::{ConnectFailure, Undeliverable, is_target_specific};
use crate::discovery::{Discovery, DnsFailure, Target, plan};
use crate::ids::{AttemptId, LinkId};
use crate::parcel::Parcel;
use crate::slot::{
    Authorize, Closing, Connecting, CoolingDown, Established, Refusal, Resolving, Slot, State,
    Verifying,
};
use crate::verify::{Stage as TicketStage, Ticket};

/// Verifications asked on one link while no pair is authorised on it. Servers bound what they read from a stranger (often 32
/// elements, 8 KiB) and end the stream with an error beyond it; whoever sends us keys in another's name could so spoil
/// our streams to that other.
const LEG_VERIFICATIONS_MAX: usize = 16;

impl Router {
    /// The answer to [`Action::Resolve`].
    pub fn resolved(
        &mut self,
        now: Millis,
        remote: &Domain,
        result: Result<Discovery, DnsFailure>,
        out: &mut Vec<Action>,
    ) {
        let waiting = self.slots.take_resolving(remote);
        match result {
            Ok(discovery) => {
                let timeouts = &self.config.timeouts;
                let kept = (u64::from(discovery.ttl_secs) * 1000).clamp(
                    timeouts.discovery_min_ms,
                    timeouts.discovery_max_ms.max(timeouts.discovery_min_ms),
                );
                let discovery = Arc::new(discovery);
                self.discoveries.insert(remote.clone(), Arc::clone(&discovery), now.after(kept));
                for at in waiting {
                    self.connect(now, at, &discovery, out);
                }
            }
            Err(failure) => {
                for at in waiting {
                    self.give_up(now, at, failure.into(), Vec::new(), out);
                }
            }
        }
    }

    /// A transport is up for [`Action::Connect`] and its stream begins to negotiate; `target` is the one it leads to.
    pub fn connected(
        &mut self,
        now: Millis,
        attempt: AttemptId,
        link: LinkId,
        target: &Target,
        out: &mut Vec<Action>,
    ) {
        let Some((at, slot)) = self.slots.awaiting(attempt) else {
            // The attempt was given up meanwhile.
            return out.push(Action::Close { link });
        };
        let State::Connecting(connecting) = &mut slot.state else { return };
        // Groups before the target's were tried in full.
        let mut others = std::mem::take(&mut connecting.targets);
        others.retain(|other| other.priority >= target.priority && other != target);
        slot.state = State::Verifying(Verifying {
            link,
            target: target.clone(),
            others,
            authorize: Authorize::NotAsked,
            asked: 0,
            answers: 0,
            bidirectional: false,
        });
        self.slots.link(link, at);
        if self.slots.get(at).is_some_and(|slot| !slot.wants_link()) {
            // All that was wanted expired; an unused stream would only be closed by the peer.
            self.close(at, out);
        }
        self.advance(now, at, out);
    }

    /// All targets of an [`Action::Connect`] failed before a stream could begin.
    pub fn connect_failed(
        &mut self,
        now: Millis,
        attempt: AttemptId,
        failure: ConnectFailure,
        out: &mut Vec<Action>,
    ) {
        let Some((at, slot)) = self.slots.awaiting(attempt) else { return };
        if failure != ConnectFailure::NoLinks {
            // The records may be out of date: ask again next time.
            let remote = slot.pair.target().clone();
            self.discoveries.remove(&remote);
        }
        self.give_up(now, at, failure.into(), Vec::new(), out);
    }

    /// Something happened on an outbound link. Events of links that are no longer of interest are ignored.
    pub fn stream_event(
        &mut self,
        now: Millis,
        link: LinkId,
        event: OutboundEvent,
        out: &mut Vec<Action>,
    ) {
        let Some(at) = self.slots.by_link(link) else {
            return self.lane_event(now, link, event, out);
        };
        match event {
            OutboundEvent::PairAuthorized { pair } => {
                if self.slots.get(at).is_some_and(|slot| slot.pair == pair) {
                    self.establish(now, at, out);
                }
            }
            OutboundEvent::PairFailed { pair, failure } => {
                if self.slots.get(at).is_some_and(|slot| slot.pair == pair) {
                    self.pair_failed(now, at, &failure, out);
                }
            }
            OutboundEvent::VerifyAnswer { pair, stream_id, outcome } => {
                self.verify_answered(now, at, &pair, &stream_id, outcome, out);
            }
            OutboundEvent::ExternalRefused => {
                let Some(slot) = self.slots.get_mut(at) else { return };
                if let State::Verifying(verifying) = &mut slot.state
                    && !slot.avoid.external
                {
                    // Some peers close the stream after this. It is worth one more try at the same address, by dialback.
                    slot.avoid.external = true;
                    verifying.others.insert(0, verifying.target.clone());
                }
            }
            OutboundEvent::Bidirectional => {
                let Some(slot) = self.slots.get_mut(at) else { return };
                if let State::Verifying(verifying) = &mut slot.state {
                    verifying.bidirectional = true;
                }
            }
        }
    }

    /// Does what a slot with new wants, or in a new state, needs next. Ends with the slot settled.
    pub(super) fn advance(&mut self, now: Millis, at: usize, out: &mut Vec<Action>) {
        if self.slots.get(at).is_some_and(Slot::wants_pair) {
            self.borrow_link(at, &mut Vec::new(), out);
        }
        let Some(slot) = self.slots.get_mut(at) else { return };
        let (wants_link, wants_pair) = (slot.wants_link(), slot.wants_pair());
        match &mut slot.state {
            State::Idle | State::CoolingDown(_) if wants_link => return self.start(now, at, out),
            State::Verifying(verifying) => {
                if wants_pair && matches!(verifying.authorize, Authorize::NotAsked) {
                    let until = now.after(self.config.timeouts.negotiate_ms);
                    verifying.authorize = Authorize::Asked { until };
                    out.push(Action::Authorize { link: verifying.link, pair: slot.pair.clone() });
                }
                let link = verifying.link;
                let free = LEG_VERIFICATIONS_MAX.saturating_sub(verifying.asked);
                verifying.asked += ask_tickets(&mut slot.tickets, link, free, out);
                let pauses = matches!(verifying.authorize, Authorize::NotAsked)
                    && !slot.tickets.is_empty()
                    && slot.tickets.iter().all(|ticket| ticket.stage == TicketStage::Waiting);
                if pauses {
                    // The rest is asked on a new link.
                    return self.close(at, out);
                }
            }
            State::Established(established) => {
                ask_tickets(&mut slot.tickets, established.link, usize::MAX, out);
            }
            State::Idle
            | State::CoolingDown(_)
            | State::Resolving(_)
            | State::Connecting(_)
            | State::Closing(_) => {}
        }
        self.slots.settle(at);
    }

    fn start(&mut self, now: Millis, at: usize, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        if let Some(discovery) = self.discoveries.get(now, slot.pair.target()).cloned() {
            self.counters.discoveries_from_cache += 1;
            return self.connect(now, at, &discovery, out);
        }
        let remote = slot.pair.target().clone();
        slot.state =
            State::Resolving(Resolving { until: now.after(self.config.timeouts.resolve_ms) });
        if self.slots.await_resolution(at) {
            self.counters.resolves += 1;
            out.push(Action::Resolve { remote });
        }
        self.slots.settle(at);
    }

    fn connect(&mut self, now: Millis, at: usize, discovery: &Discovery, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        if !slot.wants_link() {
            slot.state = State::Idle;
            return self.slots.settle(at);
        }
        match plan(discovery, &self.config.guard, &mut self.random) {
            Ok(targets) => self.connect_to(now, at, targets, out),
            Err(none) => self.give_up(now, at, none.into(), Vec::new(), out),
        }
    }

    fn connect_to(&mut self, now: Millis, at: usize, targets: Vec<Target>, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        for ticket in &mut slot.tickets {
            ticket.stage = TicketStage::Waiting;
        }
        let until = now.after(self.config.timeouts.connect_ms);
        self.attempts = self.attempts.wrapping_add(1);
        let attempt = AttemptId { slot: slot.id, number: self.attempts };
        slot.state = State::Connecting(Connecting { attempt, until, targets: targets.clone() });
        self.counters.connects += 1;
        out.push(Action::Connect { attempt, pair: slot.pair.clone(), targets, avoid: slot.avoid });
        self.slots.settle(at);
    }

    /// The pair is authorised: what waits goes out in order, before anything routed later.
    fn establish(&mut self, now: Millis, at: usize, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        // Only what was asked for: a slot whose stanzas are on another link must not take them off it.
        let State::Verifying(Verifying { link, authorize: Authorize::Asked { .. }, .. }) =
            slot.state
        else {
            return;
        };
        slot.state = State::Established(Established { link, since: now });
        slot.refusal = None;
        self.counters.established += 1;
        while let Some(waiting) = slot.queue.pop(&mut self.total) {
            self.counters.sent += 1;
            out.push(Action::Send { link, parcel: waiting.parcel });
        }
        self.advance(now, at, out);
    }

    /// The peer, or our policy, refused the pair while the stream goes on.
    fn pair_failed(
        &mut self,
        now: Millis,
        at: usize,
        failure: &OutboundFailure,
        out: &mut Vec<Action>,
    ) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        let cause = Undeliverable::from_outbound(failure);
        if let (State::Verifying(verifying), OutboundFailure::Protocol(_)) =
            (&mut slot.state, failure)
            && verifying.bidirectional
            && !slot.avoid.bidi
        {
            // COMPAT(ejabberd): a stanza of its may come between `<success/>` and its header, which no stream can begin with.
            slot.avoid.bidi = true;
            verifying.others.insert(0, verifying.target.clone());
        }
        match &mut slot.state {
            State::Verifying(verifying)
                if is_target_specific(failure) || verifying.is_to_be_repeated() =>
            {
                // No stanza was written to this link, so nothing can be overtaken by leaving it behind.
                let link = verifying.link;
                self.slots.unlink(link);
                out.push(Action::Close { link });
                self.next_target(now, at, cause, out);
            }
            State::Verifying(verifying) => {
                verifying.authorize = Authorize::NotAsked;
                self.borrow_link(at, &mut Vec::new(), out);
                let waiting = self.refuse_pair(now, at, cause);
                if self.slots.get(at).is_some_and(|slot| slot.tickets.is_empty()) {
                    self.close(at, out);
                }
                self.slots.settle(at);
                self.refuse_all(now, &waiting, cause, out);
            }
            State::Established(_) => {
                // Withdrawn: a certificate ended, or policy changed. What the link has not sent comes back and bounces.
                let waiting = self.refuse_pair(now, at, cause);
                self.close(at, out);
                self.slots.settle(at);
                self.refuse_all(now, &waiting, cause, out);
            }
            State::Idle
            | State::Resolving(_)
            | State::Connecting(_)
            | State::Closing(_)
            | State::CoolingDown(_) => {}
        }
    }

    /// Refuses the pair's stanzas for a while; what waits is handed out to be bounced.
    fn refuse_pair(&mut self, now: Millis, at: usize, cause: Undeliverable) -> Vec<Parcel> {
        let Some(slot) = self.slots.get_mut(at) else { return Vec::new() };
        self.counters.gave_up += 1;
        let until = slot.backoff.fail(now, self.config.backoff, &mut self.random);
        slot.refusal = Some(Refusal { until, cause });
        slot.queue.take(&mut self.total).into_iter().map(|waiting| waiting.parcel).collect()
    }

    /// Asks the driver to end the slot's link, and waits for that.
    pub(super) fn close(&mut self, at: usize, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        if let Some(link) = slot.state.link() {
            for ticket in &mut slot.tickets {
                ticket.stage = TicketStage::Waiting;
            }
            slot.state = State::Closing(Closing { link });
            out.push(Action::Close { link });
        }
        self.slots.settle(at);
    }

    /// The target at hand failed; its link is no longer the slot's. Tries the next one or gives up.
    pub(super) fn next_target(
        &mut self,
        now: Millis,
        at: usize,
        cause: Undeliverable,
        out: &mut Vec<Action>,
    ) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        let State::Verifying(verifying) = std::mem::replace(&mut slot.state, State::Idle) else {
            return;
        };
        self.borrow_link(at, &mut Vec::new(), out);
        let Some(slot) = self.slots.get_mut(at) else { return };
        if !slot.wants_link() {
            return self.slots.settle(at);
        }
        if verifying.others.is_empty() {
            return self.give_up(now, at, cause, Vec::new(), out);
        }
        self.connect_to(now, at, verifying.others, out);
    }

    /// Rests. What waits bounces, `unsent` first; who waits for a verification is told.
    pub(super) fn give_up(
        &mut self,
        now: Millis,
        at: usize,
        cause: Undeliverable,
        unsent: Vec<Parcel>,
        out: &mut Vec<Action>,
    ) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        self.counters.gave_up += 1;
        let until = slot.backoff.fail(now, self.config.backoff, &mut self.random);
        slot.state = State::CoolingDown(CoolingDown { until, cause });
        slot.quick_ends = 0;
        let mut refused = unsent;
        self.borrow_link(at, &mut refused, out);
        let Some(slot) = self.slots.get_mut(at) else { return };
        if slot.borrowed.is_none() {
            let waiting = slot.queue.take(&mut self.total);
            refused.extend(waiting.into_iter().map(|waiting| waiting.parcel));
        }
        let tickets = std::mem::take(&mut slot.tickets);
        self.slots.settle(at);
        let condition: DialbackCondition = cause.dialback();
        for ticket in tickets {
            self.answer(ticket, VerifyOutcome::Failed(condition), out);
        }
        self.refuse_all(now, &refused, cause, out);
    }
}

/// Sends verifications that were not yet sent on this link, at most `most`; how many.
fn ask_tickets(tickets: &mut [Ticket], link: LinkId, most: usize, out: &mut Vec<Action>) -> usize {
    let waiting = tickets.iter_mut().filter(|ticket| ticket.stage == TicketStage::Waiting);
    let mut asked = 0;
    for ticket in waiting.take(most) {
        ticket.stage = TicketStage::Asked;
        out.push(Action::Verify { link, request: ticket.request.clone() });
        asked += 1;
    }
    asked
}
