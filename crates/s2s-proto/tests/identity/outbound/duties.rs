//! What an honest peer must get, and how a stream stands after a step.

use super::*;

impl Model {
    /// What an honest peer must get.
    pub(super) fn had_to(
        &self,
        cause: &Cause,
        before: Phase,
        matched: bool,
        observed: &Observed,
    ) -> Result<(), Breach> {
        let why = || format!("{cause:?} in {before:?}: {observed:?}");
        let closed = observed.close.is_some();
        match cause {
            Cause::Happens(Happening::Item(meaning)) => match meaning {
                Meaning::ResultAnswer { answer: Answer::Valid, .. } if matched => {
                    let done = |event: &Event| matches!(event, Event::PairAuthorized { .. });
                    if closed || !observed.events.iter().any(done) {
                        return breach("a key that was accepted authorises its pair", why());
                    }
                }
                Meaning::VerifyAnswer { .. } if matched => {
                    let done = |event: &Event| matches!(event, Event::VerifyAnswer { .. });
                    if !observed.events.iter().any(done) {
                        return breach("an answer to a check is passed on", why());
                    }
                }
                Meaning::Features { starttls: true, .. }
                    if before == Phase::Features
                        && !self.tls
                        && self.header_is_good()
                        && self.phase != Phase::Proceed =>
                {
                    return breach("TLS is used where it is offered", why());
                }
                Meaning::Proceed if before == Phase::Proceed && !observed.starts_tls => {
                    return breach("TLS starts when the peer says proceed", why());
                }
                Meaning::Success if before == Phase::Sasl && !observed.restarts => {
                    return breach("success restarts the stream", why());
                }
                Meaning::Header(_) | Meaning::Features { .. }
                    if self.phase == Phase::Ready
                        && self.external_done
                        && self.header_is_good()
                        && before != Phase::Ready =>
                {
                    let done = |event: &Event| {
                        matches!(event, Event::PairAuthorized { how: HowAuthorized::External, .. })
                    };
                    if closed || !observed.events.iter().any(done) {
                        return breach("EXTERNAL authorises our pair", why());
                    }
                }
                Meaning::Stanza { .. } | Meaning::Other | Meaning::Broken
                    if before != Phase::Closing && !closed && observed.admitted.is_none() =>
                {
                    return breach("what nobody may send ends the stream", why());
                }
                _ => {}
            },
            Cause::Happens(Happening::Judged(pair, _)) if matched => {
                let refused = |event: &Event| matches!(event, Event::PairFailed { .. });
                let honest = self.offers_dialback && self.meets_demand(*pair).is_ok();
                if honest && (closed || observed.events.iter().any(refused)) {
                    return breach("a pair that may be used is asked for", why());
                }
            }
            Cause::Happens(Happening::Timeout { reached: false }) if closed => {
                return breach("nothing times out before its time", why());
            }
            _ => {}
        }
        Ok(())
    }

    /// How the stream stands after the step.
    pub(super) fn settle(&mut self, observed: &Observed) -> Result<(), Breach> {
        if observed.close.is_some() {
            if !self.wanted.is_empty() || !self.checks.is_empty() {
                let open = format!("{:?} {:?}", self.wanted, self.checks);
                return breach("the end answers every request", open);
            }
            return Ok(());
        }
        if observed.starts_tls {
            self.phase = Phase::Tls;
        }
        if self.unexpected > self.limits.unexpected_max {
            return breach("answers nobody asked for have a bound", self.unexpected.to_string());
        }
        let open = self.wanted.len() + self.checks.len();
        if open > self.limits.pending_max {
            return breach("requests have a bound", open.to_string());
        }
        self.checks_asked.clear();
        let asked = self.checks.iter().filter(|check| check.asked == Asked::Yes);
        self.checks_asked.extend(asked.map(|check| (check.pair, check.id)));
        if self.phase == Phase::Closing {
            self.authorized.clear();
            return Ok(());
        }
        if self.phase != Phase::Ready {
            return Ok(());
        }
        let free = !self.authorized.is_empty() || self.results.is_empty();
        let waits =
            self.wanted.iter().any(|pair| !self.results.iter().any(|(sent, _)| sent == pair));
        if waits && free && self.question.is_none() {
            return breach("a pair that waits is judged", format!("{:?}", self.wanted));
        }
        let due = |check: &&Check| check.asked == Asked::No;
        // A check that waits for TLS may wait for the judgement that is due.
        if let Some(check) = self.checks.iter().find(due)
            && self.question.is_none()
        {
            return breach("a check that waits is asked", format!("{check:?}"));
        }
        Ok(())
    }
}
