//! What the caller wants of an outbound stream, and what became of it.

use std::collections::VecDeque;

use hashbrown::HashMap;
use xmpp_addr::{DomainPair, DomainPairRef};

use super::OutboundConfig;
use crate::event::{
    DialbackCondition, Event, HowAuthorized, OutboundFailure, VerifyOutcome, VerifyRequest,
};
use crate::judge::Demand;
use crate::outbox::Outbox;
use crate::pending::{Asked, Pending};
use crate::time::Millis;
use crate::timers::Phase;

/// Every request of one stream is in exactly one place: waiting, being judged, asked, or answered.
#[derive(Debug)]
pub(super) struct Requests {
    pairs_waiting: VecDeque<DomainPair>,
    verifies_waiting: VecDeque<VerifyRequest>,
    question: Option<DomainPair>,
    /// EXTERNAL runs for the stream's own pair.
    in_sasl: Option<DomainPair>,
    asked: Pending<Sent>,
    authorized: HashMap<DomainPair, Authorized>,
    /// Announced in the features before authentication; kept over the restart after it.
    pub(super) peer_supports_errors: bool,
}

/// What is to be remembered of a request that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) certificate_proves: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Authorized {
    pub(super) how: HowAuthorized,
    pub(super) tls: bool,
    pub(super) certificate_proves: bool,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            pairs_waiting: VecDeque::new(),
            verifies_waiting: VecDeque::new(),
            question: None,
            in_sasl: None,
            asked: Pending::new(),
            authorized: HashMap::new(),
            peer_supports_errors: false,
        }
    }
}

impl Requests {
    pub(super) fn want(&mut self, out: &mut Outbox, config: &OutboundConfig, pair: DomainPair) {
        if let Some(authorized) = self.authorized.get(&pair) {
            return announce(out, pair, *authorized);
        }
        if self.is_open(&pair) {
            return;
        }
        if self.open_count() >= config.pending_max {
            let failure = OutboundFailure::DialbackError(DialbackCondition::ResourceConstraint);
            return out.event(Event::PairFailed { pair, failure });
        }
        self.pairs_waiting.push_back(pair);
    }

    pub(super) fn want_verified(
        &mut self,
        out: &mut Outbox,
        config: &OutboundConfig,
        request: VerifyRequest,
    ) {
        let asked = Asked::Verify(request.pair.clone(), request.stream_id.clone());
        let waits = |other: &VerifyRequest| {
            other.pair == request.pair && other.stream_id == request.stream_id
        };
        if self.asked.contains(&asked) || self.verifies_waiting.iter().any(waits) {
            return;
        }
        if self.open_count() >= config.pending_max {
            return verify_failed(
                out,
                request.pair,
                request.stream_id,
                DialbackCondition::ResourceConstraint,
            );
        }
        self.verifies_waiting.push_back(request);
    }

    pub(super) fn permits(&self, pair: &DomainPairRef<'_>) -> bool {
        self.authorized.contains_key(pair)
    }

    pub(super) fn any_authorized(&self) -> bool {
        !self.authorized.is_empty()
    }

    pub(super) fn question(&self) -> Option<&DomainPair> {
        self.question.as_ref()
    }

    /// Whether anything was asked of the peer on this stream that it has not answered.
    pub(super) fn anything_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The next pair to be judged. The first pair is settled before further ones are put on the stream.
    pub(super) fn next_pair(&mut self) -> Option<DomainPair> {
        if self.question.is_some() || self.in_sasl.is_some() {
            return None;
        }
        if self.authorized.is_empty() && self.asked.any(|asked| matches!(asked, Asked::Result(_))) {
            return None;
        }
        let pair = self.pairs_waiting.pop_front()?;
        self.question = Some(pair.clone());
        Some(pair)
    }

    pub(super) fn take_question(&mut self, judged: &DomainPair) -> Option<DomainPair> {
        self.question.take_if(|pair| pair == judged)
    }

    /// Puts a pair back to be judged again on another channel.
    pub(super) fn want_first(&mut self, pair: DomainPair) {
        self.pairs_waiting.push_front(pair);
    }

    pub(super) fn next_verify(&mut self) -> Option<VerifyRequest> {
        self.verifies_waiting.pop_front()
    }

    /// Whether a key waits that may only be checked over TLS.
    pub(super) fn verify_needs_tls(&self) -> bool {
        self.verifies_waiting.iter().any(|request| request.demand >= Demand::DialbackOverTls)
    }

    pub(super) fn verify_again(&mut self, request: VerifyRequest) {
        self.verifies_waiting.push_front(request);
    }

    pub(super) fn sasl_began(&mut self, pair: DomainPair) {
        self.in_sasl = Some(pair);
    }

    pub(super) fn sasl_ended(&mut self) -> Option<DomainPair> {
        self.in_sasl.take()
    }

    pub(super) fn was_asked(&mut self, asked: Asked, until: Millis, sent: Sent, out: &mut Outbox) {
        self.asked.insert(asked, until, sent);
        out.deadlines.set(Phase::Dialback, self.asked.next_deadline());
    }

    /// The request an answer belongs to, by kind, both domains and id; `None` for an answer nobody asked for.
    pub(super) fn answered(&mut self, asked: &Asked, out: &mut Outbox) -> Option<Sent> {
        let sent = self.asked.take(asked)?;
        out.deadlines.set(Phase::Dialback, self.asked.next_deadline());
        Some(sent)
    }

    pub(super) fn authorize(&mut self, out: &mut Outbox, pair: DomainPair, authorized: Authorized) {
        self.authorized.insert(pair.clone(), authorized);
        announce(out, pair, authorized);
    }

    /// Fails one request whose time is over; `false` when there is none.
    pub(super) fn expire_one(&mut self, out: &mut Outbox, now: Millis) -> bool {
        let Some((asked, _)) = self.asked.take_expired(now) else {
            out.deadlines.set(Phase::Dialback, self.asked.next_deadline());
            return false;
        };
        fail_asked(out, asked, &OutboundFailure::TimedOut(Phase::Dialback));
        true
    }

    /// Whether the stream has nothing to do and nothing it may be used for.
    pub(super) fn is_idle(&self) -> bool {
        self.authorized.is_empty() && self.open_count() == 0
    }

    /// The end of the stream answers everything that is open.
    pub(super) fn fail_all(&mut self, out: &mut Outbox, failure: &OutboundFailure) {
        let pairs = self.in_sasl.take().into_iter().chain(self.question.take());
        for pair in pairs.chain(std::mem::take(&mut self.pairs_waiting)) {
            out.event(Event::PairFailed { pair, failure: failure.clone() });
        }
        for request in std::mem::take(&mut self.verifies_waiting) {
            verify_failed(out, request.pair, request.stream_id, failure.as_dialback());
        }
        while let Some((asked, _)) = self.asked.take_any() {
            fail_asked(out, asked, failure);
        }
        self.authorized.clear();
    }

    fn is_open(&self, pair: &DomainPair) -> bool {
        self.question.as_ref() == Some(pair)
            || self.in_sasl.as_ref() == Some(pair)
            || self.pairs_waiting.contains(pair)
            || self.asked.any(|asked| matches!(asked, Asked::Result(other) if other == pair))
    }

    fn open_count(&self) -> usize {
        let single = usize::from(self.question.is_some()) + usize::from(self.in_sasl.is_some());
        self.pairs_waiting.len() + self.verifies_waiting.len() + self.asked.len() + single
    }
}

fn announce(out: &mut Outbox, pair: DomainPair, authorized: Authorized) {
    let Authorized { how, tls, certificate_proves } = authorized;
    out.event(Event::PairAuthorized { pair, how, tls, certificate_proves });
}

fn fail_asked(out: &mut Outbox, asked: Asked, failure: &OutboundFailure) {
    match asked {
        Asked::Result(pair) => out.event(Event::PairFailed { pair, failure: failure.clone() }),
        Asked::Verify(pair, stream_id) => {
            verify_failed(out, pair, stream_id, failure.as_dialback());
        }
    }
}

pub(super) fn verify_failed(
    out: &mut Outbox,
    pair: DomainPair,
    stream_id: Box<str>,
    condition: DialbackCondition,
) {
    out.event(Event::VerifyAnswer { pair, stream_id, outcome: VerifyOutcome::Failed(condition) });
}
