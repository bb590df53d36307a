//! Dialback on an inbound stream: keys we have verified, keys we verify for others.

use xmpp_addr::DomainPair;
use xmpp_frame::Element;

use super::bidi::close_reverse;
use super::states::{Key, Open, Question, State};
use super::{Stop, Wiring, impossible};
use crate::authz::{Evidence, Proof, VerifiedPair};
use crate::dialback_wire::{Answer, Dialback, write_result_answer, write_verify_answer};
use crate::error::{StreamCondition, StreamError};
use crate::event::{
    CloseReason, DialbackCondition, Event, Output, RefusedBecause, UnsolicitedKind, VerifyOutcome,
    VerifyRequest,
};
use crate::header::CLOSE_TAG;
use crate::judge::{CertificateAnswer, Demand, Judgement, Refusal};
use crate::pending::Asked;
use crate::time::Millis;
use crate::timers::Phase;

impl Open {
    /// One element in the dialback namespace.
    pub(super) fn on_dialback(
        &mut self,
        wiring: &mut Wiring,
        element: &Element,
    ) -> Result<(), Stop> {
        if Dialback::is_answer(element) {
            // XEP-0220 §2.2: without XEP-0288 no answer is ever due on an inbound stream; with it none is either, because a
            // pair of ours that is not the reverse of a proved one opens a stream of its own. Nothing was asked here.
            let kind = if element.name() == "verify" {
                UnsolicitedKind::Verify
            } else {
                UnsolicitedKind::Result
            };
            wiring.out.event(Event::Unsolicited(kind));
            return Ok(());
        }
        let question = match Dialback::read(element)? {
            Dialback::ResultKey { pair, key } => Question::Result { pair, key },
            Dialback::VerifyKey { receiving, originating, id, key } => {
                Question::Verify { pair: DomainPair::new(receiving, originating), id, key }
            }
            // Answers were dropped above.
            Dialback::ResultAnswer { .. } | Dialback::VerifyAnswer { .. } => return Ok(()),
        };
        let (Question::Result { pair, .. } | Question::Verify { pair, .. }) = &question;
        wiring.out.push(Output::Judge(pair.clone()));
        self.question = Some(question);
        Ok(())
    }

    pub(super) fn on_judged(
        &mut self,
        wiring: &mut Wiring,
        now: Millis,
        judged: &DomainPair,
        judgement: Judgement,
    ) -> Result<(), Stop> {
        match self.question.take() {
            Some(Question::Result { pair, key }) if pair == *judged => {
                self.on_result_judged(wiring, now, pair, key, judgement)
            }
            Some(Question::Verify { pair, id, key }) if pair == *judged => {
                self.answer_verify(wiring, now, &pair, &id, &key, &judgement);
                Ok(())
            }
            _ => Err(impossible("Judged", "Open without that question")),
        }
    }

    /// XEP-0220 §2.2.2: we are the authoritative server; stateless, because the key holds all that is needed.
    fn answer_verify(
        &mut self,
        wiring: &mut Wiring,
        now: Millis,
        pair: &DomainPair,
        id: &str,
        key: &str,
        judgement: &Judgement,
    ) {
        let (receiving, originating) = (pair.sender(), pair.target());
        let answer = match judgement.demand {
            Err(Refusal::UnknownHost) => Answer::Error(DialbackCondition::ItemNotFound),
            Err(Refusal::OurOwnDomain | Refusal::ForeignDomain) => {
                Answer::Error(DialbackCondition::NotAcceptable)
            }
            // What a peer must prove to send to us, and how it reaches us to ask, says nothing about whether a key is
            // ours: the answer is given at every demand and in the clear too.
            Ok(_) | Err(Refusal::Policy(_)) => {
                let valid =
                    wiring.config.secret.check(receiving.as_str(), originating.as_str(), id, key);
                wiring.out.event(Event::DialbackAnswered { pair: pair.clone(), valid });
                if valid { Answer::Valid } else { Answer::Invalid }
            }
        };
        wiring.out.write(|out| write_verify_answer(receiving, originating, id, answer, out));
        if self.pairs.is_empty() {
            // A stream that only asks is useful; the budget of elements still bounds it.
            wiring.arm(now, Phase::Negotiation);
        }
    }

    /// XEP-0220 §2.2.1: we are the receiving server.
    fn on_result_judged(
        &mut self,
        wiring: &mut Wiring,
        now: Millis,
        pair: DomainPair,
        key: Box<str>,
        judgement: Judgement,
    ) -> Result<(), Stop> {
        // XEP-0344: chain and name for exactly the `from` of this db:result, judged at this moment.
        if let Some(evidence) = judgement.evidence_at_hand(self.channel.is_tls()) {
            return self.accept(wiring, &pair, evidence);
        }
        let demand = match judgement.demand {
            Ok(demand) => demand,
            Err(refusal) => {
                self.forbid(wiring, now, &pair);
                return self.refuse(wiring, &pair, refusal.into());
            }
        };
        if demand == Demand::Certificate {
            self.forbid(wiring, now, &pair);
            let reason = match judgement.certificate {
                CertificateAnswer::Fails(text) => text,
                CertificateAnswer::NoneShown | CertificateAnswer::Proves => {
                    "no certificate was presented".into()
                }
            };
            return self.refuse(wiring, &pair, RefusedBecause::CertificateRequired(reason));
        }
        // RFC 6120 §5.3.1 and XEP-0220 §2.5: TLS is mandatory and was not negotiated.
        if demand == Demand::DialbackOverTls && !self.channel.is_tls() {
            self.forbid(wiring, now, &pair);
            return self.refuse(wiring, &pair, RefusedBecause::TlsRequired);
        }
        // An older proof that is too weak now is none while the key is being verified, nor when it cannot be.
        let known = self.pairs.find(&pair.as_pair_ref()).map(VerifiedPair::proof);
        if known.is_some_and(|proof| !proof.meets(demand)) {
            self.withdraw(wiring, now, &pair);
        }
        self.ask(wiring, now, pair, key, demand)
    }

    /// A pair that is refused now may no longer send by a proof from before: the latest judgement counts. A stream that is
    /// left without a pair negotiates again, against the clock.
    fn withdraw(&mut self, wiring: &mut Wiring, now: Millis, pair: &DomainPair) {
        if !self.pairs.remove(pair) {
            return;
        }
        close_reverse(wiring, pair);
        if self.pairs.is_empty() {
            wiring.arm(now, Phase::Negotiation);
        }
    }

    /// The same, and a key of the pair that is being verified under an older judgement counts no more.
    fn forbid(&mut self, wiring: &mut Wiring, now: Millis, pair: &DomainPair) {
        self.withdraw(wiring, now, pair);
        if self.keys.take(&Asked::Result(pair.clone())).is_some() {
            wiring.out.deadlines.set(Phase::Dialback, self.keys.next_deadline());
            self.abandoned.push(pair.clone());
        }
    }

    /// XEP-0220 §2.1.2: has the key verified by the authoritative server, never on this stream.
    fn ask(
        &mut self,
        wiring: &mut Wiring,
        now: Millis,
        pair: DomainPair,
        key: Box<str>,
        demand: Demand,
    ) -> Result<(), Stop> {
        let asked = Asked::Result(pair.clone());
        if let Some(under_way) = self.keys.find_mut(&asked) {
            // The answer that is due will answer this one too, held against what is demanded now.
            under_way.demand = demand;
            return Ok(());
        }
        if key.is_empty() {
            return self.refuse_invalid(wiring, now, &pair);
        }
        let busy = self.keys.len() + self.abandoned.len() >= wiring.config.pending_max;
        let full = self.pairs.len() >= wiring.config.pairs_max;
        if busy || full || self.abandoned.contains(&pair) {
            return self.refuse(wiring, &pair, RefusedBecause::TooManyPending);
        }
        let until = now.after(wiring.config.timeouts.dialback_ms);
        self.keys.insert(asked, until, Key { demand });
        wiring.out.deadlines.set(Phase::Dialback, self.keys.next_deadline());
        wiring.out.push(Output::Verify(VerifyRequest {
            pair,
            stream_id: self.id.clone(),
            key,
            demand,
        }));
        Ok(())
    }

    pub(super) fn on_verified(
        &mut self,
        wiring: &mut Wiring,
        now: Millis,
        pair: &DomainPair,
        outcome: VerifyOutcome,
    ) -> Result<(), Stop> {
        if let Some(index) = self.abandoned.iter().position(|abandoned| abandoned == pair) {
            // The answer to a key that was already refused for its time.
            self.abandoned.swap_remove(index);
            return Ok(());
        }
        let Some(key) = self.keys.take(&Asked::Result(pair.clone())) else {
            return Ok(());
        };
        wiring.out.deadlines.set(Phase::Dialback, self.keys.next_deadline());
        let pair = pair.clone();
        match outcome {
            // The rung that demands TLS demands it on both legs: a verify leg in the clear could be answered by anybody.
            VerifyOutcome::Valid { leg_tls: false } if key.demand >= Demand::DialbackOverTls => {
                self.refuse(wiring, &pair, RefusedBecause::LegNotTls)
            }
            VerifyOutcome::Valid { leg_tls } => {
                let evidence = Evidence::KeyValid { stream_tls: self.channel.is_tls(), leg_tls };
                self.accept(wiring, &pair, evidence)
            }
            VerifyOutcome::Invalid => self.refuse_invalid(wiring, now, &pair),
            // Policy takes the name as it is: that the authoritative server cannot be asked does not disprove it.
            VerifyOutcome::Failed(_) if key.demand == Demand::Assertion => {
                self.accept(wiring, &pair, Evidence::PolicyTakesTheName)
            }
            VerifyOutcome::Failed(condition) => {
                self.refuse(wiring, &pair, RefusedBecause::DialbackFailed(condition))
            }
        }
    }

    /// Keys whose verification took too long.
    pub(super) fn expire_keys(
        mut self: Box<Self>,
        wiring: &mut Wiring,
        now: Millis,
    ) -> Result<State, Stop> {
        while let Some((asked, _)) = self.keys.take_expired(now) {
            let (Asked::Result(pair) | Asked::Verify(pair, _)) = asked;
            self.abandoned.push(pair.clone());
            let condition = DialbackCondition::RemoteServerTimeout;
            self.refuse(wiring, &pair, RefusedBecause::DialbackFailed(condition))?;
        }
        wiring.out.deadlines.set(Phase::Dialback, self.keys.next_deadline());
        Ok(State::Open(self))
    }

    fn accept(
        &mut self,
        wiring: &mut Wiring,
        pair: &DomainPair,
        evidence: Evidence,
    ) -> Result<(), Stop> {
        let known = self.pairs.find(&pair.as_pair_ref()).map(VerifiedPair::proof);
        if known.is_none() && self.pairs.len() >= wiring.config.pairs_max {
            return self.refuse(wiring, pair, RefusedBecause::TooManyPending);
        }
        // Announced when it is news: a peer may repeat its key for ever.
        if known != Some(Proof::External) && known != Some(evidence.proof()) {
            self.grant(wiring, pair.clone(), evidence);
        }
        wiring.out.write(|out| write_result_answer(pair, Answer::Valid, None, out));
        // XEP-0288 §3: from here on, and not before, we may send too.
        self.reverse_after(wiring, pair, known);
        Ok(())
    }

    /// XEP-0220 §2.1.2: `invalid` costs the whole stream, `forbidden` only this pair.
    fn refuse_invalid(
        &mut self,
        wiring: &mut Wiring,
        now: Millis,
        pair: &DomainPair,
    ) -> Result<(), Stop> {
        // A name that policy would take is not taken against the word of its authoritative server.
        self.withdraw(wiring, now, pair);
        if self.carries_nothing() {
            wiring.out.event(Event::PairRefused {
                pair: pair.clone(),
                why: RefusedBecause::DialbackInvalid,
            });
            wiring.out.write(|out| write_result_answer(pair, Answer::Invalid, None, out));
            // XEP-0220 §2.2.1: the receiving server MUST close the stream.
            return Err(close_politely(wiring));
        }
        self.refuse(wiring, pair, RefusedBecause::DialbackInvalid)
    }

    /// A dialback error; or a stream error on a stream that carries nothing else, towards a peer from before 1.0, which knows no
    /// `type='error'` (XEP-0220 §2.5), and where its administrator has to read why.
    fn refuse(
        &mut self,
        wiring: &mut Wiring,
        pair: &DomainPair,
        why: RefusedBecause,
    ) -> Result<(), Stop> {
        let (condition, text) = (why.condition(), why.text());
        // COMPAT(Prosody <= 0.12, ejabberd <= 23.01): of a dialback error they log that dialback failed and nothing of its text,
        // of a stream error all. Where nothing else is lost with the stream, the administrator who can mend it is told.
        let stream_error = !self.version_1 || why.is_for_the_peer_to_mend();
        wiring.out.event(Event::PairRefused { pair: pair.clone(), why });
        if stream_error && self.carries_nothing() {
            let condition = stream_condition(condition);
            return Err(match text {
                Some(text) => StreamError::with_text(condition, text).into(),
                None => condition.into(),
            });
        }
        wiring.out.write(|out| {
            write_result_answer(pair, Answer::Error(condition), text.as_deref(), out);
        });
        Ok(())
    }

    /// No pair is verified and none is being verified.
    fn carries_nothing(&self) -> bool {
        self.pairs.is_empty() && self.keys.is_empty()
    }
}

fn close_politely(wiring: &mut Wiring) -> Stop {
    wiring.out.send(CLOSE_TAG);
    Stop::Close(CloseReason::Finished)
}

/// RFC 3920 §8.3 used stream errors where XEP-0220 has dialback errors.
fn stream_condition(condition: DialbackCondition) -> StreamCondition {
    match condition {
        DialbackCondition::ItemNotFound => StreamCondition::HostUnknown,
        DialbackCondition::RemoteConnectionFailed
        | DialbackCondition::RemoteServerNotFound
        | DialbackCondition::RemoteServerTimeout => StreamCondition::RemoteConnectionFailed,
        DialbackCondition::PolicyViolation => StreamCondition::PolicyViolation,
        DialbackCondition::NotAcceptable => StreamCondition::InvalidFrom,
        DialbackCondition::NotAuthorized | DialbackCondition::Forbidden => {
            StreamCondition::NotAuthorized
        }
        DialbackCondition::ResourceConstraint => StreamCondition::ResourceConstraint,
        DialbackCondition::InternalServerError => StreamCondition::InternalServerError,
        DialbackCondition::Other => StreamCondition::UndefinedCondition,
    }
}
