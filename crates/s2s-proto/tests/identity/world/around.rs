//! What happens around the stream: policy, other streams, the router, the clock.

use super::*;

impl World<'_> {
    pub(super) fn judged(
        &mut self,
        whom: u8,
        demand: u8,
        certificate: u8,
        standing: u8,
    ) -> Result<(), Breach> {
        let asked = match &self.player {
            Player::Inbound(_, model) => model.question(),
            Player::Outbound(_, model) if !model.is_ending() => model.asked(),
            _ => None,
        };
        let pair = match (crate::words::WHOM[usize::from(whom)], asked) {
            ("asked", Some(pair)) => pair,
            ("reversed", Some(pair)) => (pair.1, pair.0),
            ("other", _) => (EVIL, CHAT),
            _ => return Ok(()),
        };
        if Some(pair) != asked {
            self.cover.hit(Point::JudgedWrongly);
        }
        let judgement = Judgement {
            demand: match crate::words::DEMANDS[usize::from(demand)] {
                "assertion" => Ok(Demand::Assertion),
                "dialback" => Ok(Demand::Dialback),
                "over-tls" => Ok(Demand::DialbackOverTls),
                "certificate" => Ok(Demand::Certificate),
                "unknown-host" => Err(Refusal::UnknownHost),
                "our-own" => Err(Refusal::OurOwnDomain),
                "foreign" => Err(Refusal::ForeignDomain),
                _ => Err(Refusal::Policy("no".into())),
            },
            certificate: match crate::words::CERTIFICATES[usize::from(certificate)] {
                "proves" => CertificateAnswer::Proves,
                "fails" => CertificateAnswer::Fails("expired".into()),
                _ => CertificateAnswer::NoneShown,
            },
            standing: match crate::words::STANDINGS[usize::from(standing)] {
                "backend" => Standing::Backend,
                _ => Standing::Stranger,
            },
        };
        if Some(pair) == asked {
            self.cover.judged(matches!(self.player, Player::Inbound(..)), &judgement.demand);
        }
        let input = Input::Judged(domain_pair(pair), judgement.clone());
        self.happens(Happening::Judged(pair, judgement), input)?;
        self.pump()
    }

    pub(super) fn verified(&mut self, which: u8, outcome: u8) -> Result<(), Breach> {
        let Player::Inbound(_, model) = &self.player else { return Ok(()) };
        let outcome = match crate::words::OUTCOMES[usize::from(outcome)] {
            "valid-tls" => VerifyOutcome::Valid { leg_tls: true },
            "valid-clear" => VerifyOutcome::Valid { leg_tls: false },
            "invalid" => VerifyOutcome::Invalid,
            "failed-policy" => VerifyOutcome::Failed(DialbackCondition::PolicyViolation),
            _ => VerifyOutcome::Failed(DialbackCondition::RemoteServerTimeout),
        };
        let open = |number: usize| {
            self.requests.iter().enumerate().filter(|(_, known)| !known.answered).nth(number)
        };
        let place = match WHICH[usize::from(which)] {
            "first" => open(0),
            "second" => open(1),
            "third" => open(2),
            "again" => {
                let Some(last) = self.again else { return Ok(()) };
                if model.is_repeated(last.pair, last.number) {
                    return Ok(());
                }
                self.cover.hit(Point::OutcomeTwice);
                let input = Input::Verified(domain_pair(last.pair), outcome);
                self.happens(Happening::Verified(Some(last.number), outcome), input)?;
                return self.pump();
            }
            _ => {
                self.cover.hit(Point::OtherOutcome);
                let input = Input::Verified(domain_pair((BANK, CHAT)), outcome);
                // Nobody may have asked for it.
                if self.requests.iter().any(|known| known.pair == (BANK, CHAT)) {
                    return Ok(());
                }
                self.happens(Happening::Verified(None, outcome), input)?;
                return self.pump();
            }
        };
        let Some((place, request)) = place else { return Ok(()) };
        let request = *request;
        if model.is_late(request.number) {
            self.cover.hit(Point::LateOutcome);
        }
        if model.phase != inbound::Phase::Open {
            self.cover.hit(Point::OutcomeElsewhere);
        }
        self.requests[place].answered = true;
        self.again = Some(request);
        let input = Input::Verified(domain_pair(request.pair), outcome);
        self.happens(Happening::Verified(Some(request.number), outcome), input)?;
        self.pump()
    }

    pub(super) fn authorize(&mut self, from: u8, to: u8) -> Result<(), Breach> {
        let (from, to) = (SPELLINGS[usize::from(from)].given, SPELLINGS[usize::from(to)].given);
        let (Given::Is(from), Given::Is(to)) = (from, to) else { return Ok(()) };
        let mut observed = Observed::default();
        self.give(|player, now| {
            if let Player::Outbound(stream, _) = player {
                stream.authorize(now, domain_pair((from, to)));
            }
        });
        self.drain(&mut observed)?;
        self.look(&Cause::Authorize((from, to)), &observed)
    }

    pub(super) fn ask_verify(
        &mut self,
        from: u8,
        to: u8,
        id: Id,
        demand: u8,
    ) -> Result<(), Breach> {
        let (from, to) = (SPELLINGS[usize::from(from)].given, SPELLINGS[usize::from(to)].given);
        let (Given::Is(from), Given::Is(to), true) = (from, to, id.keyable()) else {
            return Ok(());
        };
        let demand = match crate::words::DEMANDS[usize::from(demand)] {
            "assertion" => Demand::Assertion,
            "over-tls" => Demand::DialbackOverTls,
            _ => Demand::Dialback,
        };
        let request = VerifyRequest {
            pair: domain_pair((from, to)),
            stream_id: id.text().unwrap_or_default().into(),
            key: ASKED_KEY.into(),
            demand,
        };
        let mut observed = Observed::default();
        self.give(|player, now| {
            if let Player::Outbound(stream, _) = player {
                stream.verify(now, request);
            }
        });
        self.drain(&mut observed)?;
        self.look(&Cause::AskVerify((from, to), id, demand), &observed)
    }

    pub(super) fn time_out(&mut self, wait: u8) -> Result<(), Breach> {
        let due = self.wake.filter(|wake| *wake > self.now);
        self.now = match (crate::words::WAITS[usize::from(wait)], due) {
            ("due", Some(due)) => due,
            ("early", Some(due)) => Millis(due.0 - 1).max(self.now),
            ("hour", _) => self.now.after(3_600_000),
            _ => self.now,
        };
        let reached = self.wake.is_some_and(|wake| wake <= self.now);
        self.happens(Happening::Timeout { reached }, Input::Timeout)?;
        self.pump()
    }

    pub(super) fn fail(&mut self, error: StreamError) -> Result<(), Breach> {
        let mut observed = Observed::default();
        self.give(|player, now| match player {
            Player::Inbound(stream, _) => stream.fail(now, error),
            Player::Outbound(stream, _) => stream.fail(now, error),
            Player::Component(stream, _) => stream.fail(now, error),
        });
        self.drain(&mut observed)?;
        self.look(&Cause::Happens(Happening::Fail), &observed)
    }
}
