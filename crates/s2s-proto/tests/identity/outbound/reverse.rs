//! The other direction of a stream that we opened (XEP-0288): what the peer may send, and what it may ask.

use super::*;

/// What is known of the other direction.
#[derive(Debug, Default)]
pub struct Reverse {
    /// The peer offers it on the stream as it stands.
    pub offered: bool,
    /// We asked for it; a restart after SASL does not change that.
    pub agreed: bool,
    /// Pairs, (remote, local), that the peer may send; and whether its certificate proved its name when the pair was judged.
    pub verified: Vec<(Pair, bool)>,
    question: Option<Question>,
    due: Due,
}

/// What a judgement, of (local, remote), is wanted for.
#[derive(Clone, Copy, Debug)]
enum Question {
    Admit(Pair),
    /// A key of the peer's for the reverse of the pair, which it may send already.
    Again(Pair),
    /// A key of ours, and whether it is one.
    Check(Pair, bool),
}

/// What this step has to bring.
#[derive(Debug, Default)]
struct Due {
    judge: Option<Pair>,
    verified: Option<(Pair, bool)>,
    refused: Option<Pair>,
    /// The answer to a check of (originating, receiving); `None` inside for an error.
    checked: Option<(Pair, Option<bool>)>,
    check_said: bool,
    /// The answer to a key: whether it is `valid`.
    answered: Option<(Pair, bool)>,
    said: bool,
}

impl Reverse {
    pub fn begin_again(&mut self) {
        self.offered = false;
        self.verified.clear();
        self.question = None;
    }

    pub fn begin_step(&mut self) {
        self.due = Due::default();
    }

    /// The pair whose judgement is due.
    pub fn asked(&self) -> Option<Pair> {
        self.question.map(|question| match question {
            Question::Admit(pair) | Question::Again(pair) | Question::Check(pair, _) => pair,
        })
    }

    /// Whether this step has to answer the peer in the other direction.
    pub fn is_due(&self) -> bool {
        self.due.judge.is_some() || self.due.answered.is_some()
    }

    /// Whether this is the judgement the other direction wants; once.
    pub fn is_asked(&mut self, pair: Pair) -> bool {
        self.due.judge.take_if(|due| *due == pair).is_some()
    }

    /// The peer accepted this pair of ours by proof, over TLS. Only the target that we called was reached.
    pub fn authorized(&mut self, pair: Pair) {
        if self.agreed && pair.1 == OWN.1 {
            self.question = Some(Question::Admit(pair));
            self.due.judge = Some(pair);
        }
    }

    /// A key of the peer's for (remote, local): it is sent elsewhere unless the pair is admitted already, and then judged anew. It
    /// is never verified on the stream it came on (XEP-0288 §2.2).
    pub fn key_came(&mut self, pair: Pair) {
        if !self.agreed {
            return;
        }
        if self.verified.iter().any(|(known, _)| *known == pair) {
            let forth = (pair.1, pair.0);
            self.question = Some(Question::Again(forth));
            self.due.judge = Some(forth);
        } else {
            self.due.answered = Some((pair, false));
        }
    }

    /// A check of a key of ours, (originating, receiving).
    pub fn check_came(&mut self, pair: Pair, ours: bool) {
        if self.agreed {
            self.question = Some(Question::Check(pair, ours));
            self.due.judge = Some(pair);
        }
    }

    pub fn judged(&mut self, judgement: &Judgement) {
        let proves = judgement.certificate == CertificateAnswer::Proves;
        match (self.question.take(), &judgement.demand) {
            (Some(Question::Admit(pair)), demand) => {
                let back = (pair.1, pair.0);
                if !reaches(demand, proves) {
                    self.due.refused = Some(back);
                } else {
                    self.verified.retain(|(known, _)| *known != back);
                    self.verified.push((back, proves));
                    self.due.verified = Some((back, proves));
                }
            }
            (Some(Question::Again(pair)), demand) => {
                let back = (pair.1, pair.0);
                let admitted = reaches(demand, proves);
                let known = self.verified.contains(&(back, proves));
                self.verified.retain(|(known, _)| *known != back);
                if admitted {
                    self.verified.push((back, proves));
                    // Told when it is news.
                    self.due.verified = (!known).then_some((back, proves));
                } else {
                    self.due.refused = Some(back);
                }
                self.due.answered = Some((back, admitted));
            }
            (Some(Question::Check(pair, _)), Err(refusal))
                if !matches!(refusal, Refusal::Policy(_)) =>
            {
                self.due.checked = Some((pair, None));
            }
            (Some(Question::Check(pair, ours)), _) => self.due.checked = Some((pair, Some(ours))),
            (None, _) => {}
        }
    }

    pub fn event(&mut self, event: &Event) -> Result<(), Breach> {
        let due = format!("{:?}", self.due);
        let why = || format!("{event:?}, due {due}");
        match event {
            Event::Bidirectional if self.due.said => Ok(()),
            Event::PairVerified(verified) => {
                let pair = crate::world::names(verified.pair())?;
                let Some((due, certificate_proves)) = self.due.verified else {
                    return breach("no pair is verified without its proof", why());
                };
                if pair != due || verified.proof() != (Proof::Reached { certificate_proves }) {
                    return breach("no pair is verified without its proof", why());
                }
                self.due.verified = None;
                Ok(())
            }
            Event::PairRefused { pair, why: RefusedBecause::AskedInReverse } => {
                let pair = crate::world::names(pair)?;
                if self.due.answered == Some((pair, false)) {
                    return Ok(());
                }
                breach("a key is sent to a stream of its own, where it was sent", why())
            }
            Event::PairRefused { pair, .. } => {
                let pair = crate::world::names(pair)?;
                if self.due.refused.take_if(|due| *due == pair).is_some() {
                    return Ok(());
                }
                breach("what is refused was judged so", why())
            }
            Event::DialbackAnswered { pair, valid } => {
                let (receiving, originating) = crate::world::names(pair)?;
                if self.due.checked == Some(((originating, receiving), Some(*valid))) {
                    return Ok(());
                }
                breach("a check is answered by what the key is", why())
            }
            _ => breach("an outbound stream has no such event", why()),
        }
    }

    pub fn check_said(
        &mut self,
        pair: Pair,
        answer: Answer,
        why: &dyn Fn() -> String,
    ) -> Result<(), Breach> {
        let expected =
            self.due.checked.filter(|(due, _)| *due == pair).map(|(_, ours)| match ours {
                Some(true) => Answer::Valid,
                Some(false) => Answer::Invalid,
                None => Answer::Error,
            });
        if expected != Some(answer) {
            return breach("a check is answered by what the key is", why());
        }
        self.due.check_said = true;
        Ok(())
    }

    pub fn answer_said(
        &mut self,
        pair: Pair,
        answer: Answer,
        why: &dyn Fn() -> String,
    ) -> Result<(), Breach> {
        let expected = self
            .due
            .answered
            .filter(|(due, _)| *due == pair)
            .map(|(_, valid)| if valid { Answer::Valid } else { Answer::Error });
        if expected != Some(answer) {
            return breach("no key is called valid without its proof", why());
        }
        Ok(())
    }

    /// Whatever this step had to bring has come, unless the stream ended.
    pub fn end_step(&mut self, observed: &Observed) -> Result<(), Breach> {
        let Due { judge, verified, refused, checked, check_said, answered, .. } = &self.due;
        let said = |pair: &Pair| {
            let answer = |seen: &Seen| matches!(seen, Seen::ResultAnswer { pair: known, .. } if known == pair);
            observed.seen.iter().any(answer)
        };
        let silent = answered.as_ref().is_some_and(|(pair, _)| !said(pair));
        let open = judge.is_some() || verified.is_some() || refused.is_some();
        let open = open || (checked.is_some() && !check_said);
        if observed.close.is_none() && (open || silent) {
            return breach("what is due in the other direction comes", format!("{:?}", self.due));
        }
        Ok(())
    }
}

/// Reached over TLS by its name: what a verify leg over TLS proves. A demand for a certificate wants one.
fn reaches(demand: &Result<Demand, Refusal>, proves: bool) -> bool {
    demand.as_ref().is_ok_and(|demand| *demand != Demand::Certificate || proves)
}

impl Model {
    /// XEP-0288 §2.2: over TLS, offered, before SASL and dialback, once.
    pub(super) fn asks_for_both_directions(
        &mut self,
        why: &dyn Fn() -> String,
    ) -> Result<(), Breach> {
        let early = self.results.is_empty() && self.authorized.is_empty();
        let may =
            self.tls && self.reverse.offered && self.limits.bidi && self.phase == Phase::Ready;
        if !may || !early || self.reverse.agreed {
            return breach("both directions are asked for over TLS, where offered, in time", why());
        }
        self.reverse.agreed = true;
        self.reverse.due.said = true;
        Ok(())
    }

    /// Whoever offers both directions is asked for them before anything is proved.
    pub(super) fn asked_in_time(&self, why: &dyn Fn() -> String) -> Result<(), Breach> {
        let could = self.tls && self.reverse.offered && self.limits.bidi;
        if could && self.authorized.is_empty() && !self.reverse.agreed {
            return breach("both directions are used where they are offered", why());
        }
        Ok(())
    }

    /// A stanza of the peer's: admitted under the reverse of a pair that it accepted, and that was judged.
    pub(super) fn admitted(
        &self,
        cause: &Cause,
        before: Phase,
        observed: &Observed,
    ) -> Result<(), Breach> {
        let why = || format!("{cause:?} in {before:?}: {observed:?}");
        let row = match cause {
            Cause::Happens(Happening::Item(Meaning::Stanza { from, to })) if self.admits() => {
                let pair = from.name().zip(to.name());
                self.reverse.verified.iter().find(|(known, _)| Some(*known) == pair)
            }
            _ => None,
        };
        match (&observed.admitted, row) {
            (None, None) => Ok(()),
            (Some(stanza), Some((pair, certificate_proves))) => {
                let proof = Proof::Reached { certificate_proves: *certificate_proves };
                let same = crate::world::names(stanza.pair())? == *pair
                    && stanza.verified().proof() == proof;
                if same { Ok(()) } else { breach("no stanza is admitted without its proof", why()) }
            }
            (Some(_), None) => breach("no stanza is admitted without its proof", why()),
            (None, Some(_)) => breach("a stanza of a verified pair is admitted", why()),
        }
    }
}
