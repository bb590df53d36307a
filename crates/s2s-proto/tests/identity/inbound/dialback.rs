//! Keys on an inbound stream: what a judgement and an outcome make of them.

use super::*;

impl Model {
    pub(super) fn question_judged(&mut self, now: Millis, verdict: &Judgement) -> Expect {
        match self.question.take() {
            Some(Question::Result { pair, key }) => self.result_judged(now, pair, key, verdict),
            Some(Question::Check { receiving, originating, ours }) => {
                let answer = match verdict.demand {
                    Err(Refusal::UnknownHost | Refusal::OurOwnDomain | Refusal::ForeignDomain) => {
                        None
                    }
                    Ok(_) | Err(Refusal::Policy(_)) => Some(ours),
                };
                Expect { checked: Some((receiving, originating, answer)), ..Expect::nothing() }
            }
            None => Expect::may_end(),
        }
    }

    pub(super) fn result_judged(
        &mut self,
        now: Millis,
        pair: Pair,
        key: Key,
        verdict: &Judgement,
    ) -> Expect {
        let demand = match &verdict.demand {
            Ok(demand) => *demand,
            Err(refusal) => {
                self.forbid(pair);
                let mendable = matches!(refusal, Refusal::Policy(_));
                let end = if mendable { self.unless_alone() } else { self.unless_old() };
                return Expect::refused(pair, end);
            }
        };
        // XEP-0344: exactly this sender, at this moment.
        if let Some(proof) = self.at_hand(demand, verdict) {
            return self.accept(pair, proof);
        }
        if demand == Demand::Certificate || (demand == Demand::DialbackOverTls && !self.tls) {
            self.forbid(pair);
            return Expect::refused(pair, self.unless_alone());
        }
        // The latest judgement counts: an older proof that it does not take is none.
        self.verified.retain(|(known, proof)| *known != pair || meets(*proof, demand));
        if let Some(asked) = self.keys.iter_mut().find(|asked| asked.pair == pair) {
            asked.demand = demand;
            return Expect::nothing();
        }
        let Key::Text(text) = key else {
            self.forbid(pair);
            return Expect::refused(pair, self.if_last());
        };
        let busy = self.keys.len() + self.late.len() >= self.limits.pending_max;
        let full = self.verified.len() >= self.limits.pairs_max;
        if busy || full || self.late.iter().any(|(late, _)| *late == pair) {
            return Expect::refused(pair, self.unless_old());
        }
        let until = now.after(self.limits.dialback_ms);
        self.keys.push(Asked { pair, request: self.requests, demand, until });
        self.requests += 1;
        Expect { verify: Some((pair, text, demand)), ..Expect::nothing() }
    }

    /// The pair may not send, and no key that is under way may change that.
    pub(super) fn forbid(&mut self, pair: Pair) {
        self.verified.retain(|(known, _)| *known != pair);
        if let Some(at) = self.keys.iter().position(|asked| asked.pair == pair) {
            let asked = self.keys.swap_remove(at);
            self.late.push((pair, asked.request));
        }
    }

    /// Servers from before 1.0 know no dialback error: a refusal may end their stream.
    pub(super) fn unless_old(&self) -> End {
        if self.version_1 { End::Never } else { End::May }
    }

    /// What only the peer's administrator can mend may be said in a stream error, where nothing else is lost with the stream.
    pub(super) fn unless_alone(&self) -> End {
        if self.verified.is_empty() && self.keys.is_empty() { End::May } else { self.unless_old() }
    }

    /// XEP-0220 §2.2.1: `invalid` on the only pair closes the stream.
    pub(super) fn if_last(&self) -> End {
        if self.verified.is_empty() && self.keys.is_empty() { End::Must } else { End::Never }
    }

    pub(super) fn accept(&mut self, pair: Pair, proof: Proof) -> Expect {
        let known = self.proof(pair);
        if known.is_none() && self.verified.len() >= self.limits.pairs_max {
            return Expect::refused(pair, self.unless_old());
        }
        let mut expect = Expect { valid: Some(pair), ..Expect::nothing() };
        if known != Some(Proof::External) && known != Some(proof) {
            self.verified.retain(|(known, _)| *known != pair);
            self.verified.push((pair, proof));
            expect.verified = Some((pair, proof));
        }
        expect
    }

    pub(super) fn outcome(&mut self, request: u32, outcome: VerifyOutcome) -> Expect {
        if let Some(at) = self.late.iter().position(|(_, late)| *late == request) {
            self.late.swap_remove(at);
            return Expect::nothing();
        }
        let Some(at) = self.keys.iter().position(|asked| asked.request == request) else {
            return Expect::nothing();
        };
        let Asked { pair, demand, .. } = self.keys.swap_remove(at);
        match outcome {
            VerifyOutcome::Valid { leg_tls: false } if demand >= Demand::DialbackOverTls => {
                Expect::refused(pair, self.unless_alone())
            }
            VerifyOutcome::Valid { leg_tls } => {
                self.accept(pair, Proof::Dialback { stream_tls: self.tls, leg_tls })
            }
            VerifyOutcome::Failed(_) if demand == Demand::Assertion => {
                self.accept(pair, Proof::Asserted)
            }
            VerifyOutcome::Failed(DialbackCondition::PolicyViolation) => {
                Expect::refused(pair, self.unless_alone())
            }
            VerifyOutcome::Failed(_) => Expect::refused(pair, self.unless_old()),
            VerifyOutcome::Invalid => {
                self.verified.retain(|(known, _)| *known != pair);
                Expect::refused(pair, self.if_last())
            }
        }
    }
}

/// Whether a proof is what the demand asks for (design.md §1).
pub(super) fn meets(proof: Proof, demand: Demand) -> bool {
    match proof {
        Proof::Asserted => demand == Demand::Assertion,
        Proof::Dialback { stream_tls, leg_tls } => {
            demand <= Demand::Dialback
                || (demand == Demand::DialbackOverTls && stream_tls && leg_tls)
        }
        Proof::External | Proof::CertificateDialback => true,
        // Of a server of the operator's own the latest judgement says all there is.
        Proof::Component | Proof::Backend | Proof::Reached { .. } => false,
    }
}
