//! The model of an outbound stream: what may be asked of the peer, what its answers are worth, who may send.
//!
//! Here the model looks at what the stream does and says whether it may, and whether it had to.
//!
//! The other direction of a bidirectional stream (XEP-0288) is in `reverse.rs`.

mod cause;
mod duties;
mod reverse;

pub use self::reverse::Reverse;

use s2s_proto::{
    CertificateAnswer, Demand, DialbackCondition, Event, HowAuthorized, Judgement, OutboundFailure,
    Proof, Refusal, RefusedBecause, UnsolicitedKind, VerifyOutcome,
};

use crate::config::{OWN, OutboundLimits};
use crate::inbound::{Happening, shown};
use crate::law::{Breach, breach};
use crate::oracle::{OURS, base64};
use crate::seen::Seen;
use crate::wire::{Answer, HeaderSaid, Id, Meaning};
use crate::words::{Given, NAMES, Name, Pair};
use crate::world::Observed;

/// What is done to an outbound stream.
#[derive(Clone, Debug)]
pub enum Cause {
    Happens(Happening),
    Authorize(Pair),
    AskVerify(Pair, Id, Demand),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Transport { connected: bool, tls: bool },
    Header,
    Features,
    Proceed,
    Tls,
    Sasl,
    Ready,
    Closing,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    No,
    Yes,
}

#[derive(Clone, Debug)]
struct Check {
    pair: Pair,
    id: Id,
    demand: Demand,
    asked: Asked,
}

#[derive(Clone, Copy, Debug)]
struct Authorized {
    pair: Pair,
    how: HowAuthorized,
    tls: bool,
    proves: bool,
}

#[derive(Debug)]
pub struct Model {
    limits: OutboundLimits,
    pub direct: bool,
    pub phase: Phase,
    pub tls: bool,
    header: Option<HeaderSaid>,
    /// Offered on the stream as it stands.
    offers_external: bool,
    offers_dialback: bool,
    /// Pairs somebody waits for.
    pub wanted: Vec<Pair>,
    pub checks_asked: Vec<(Pair, Id)>,
    checks: Vec<Check>,
    /// The latest judgement of each pair on this connection, since TLS.
    judged: Vec<(Pair, Judgement)>,
    pub question: Option<Pair>,
    was_judged: Option<Result<Demand, Refusal>>,
    /// Keys on the wire, unanswered; and whether the peer's certificate proved its name then.
    pub results: Vec<(Pair, bool)>,
    authorized: Vec<Authorized>,
    pub reverse: Reverse,
    external_tried: bool,
    external_done: bool,
    unexpected: u32,
}

impl Model {
    pub fn new(limits: OutboundLimits, direct: bool) -> Self {
        Self {
            limits,
            direct,
            phase: Phase::Transport { connected: false, tls: false },
            tls: false,
            header: None,
            offers_external: false,
            offers_dialback: false,
            wanted: Vec::new(),
            checks_asked: Vec::new(),
            checks: Vec::new(),
            judged: Vec::new(),
            question: None,
            was_judged: None,
            results: Vec::new(),
            authorized: Vec::new(),
            reverse: Reverse::default(),
            external_tried: false,
            external_done: false,
            unexpected: 0,
        }
    }

    pub fn permits(&self, pair: Pair) -> bool {
        !self.is_ending() && self.authorized.iter().any(|known| known.pair == pair)
    }

    pub fn is_open(&self) -> bool {
        !self.is_ending() && !self.authorized.is_empty()
    }

    pub fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Closed)
    }

    pub fn is_blocked(&self) -> bool {
        !self.is_ending() && self.asked().is_some()
    }

    /// The pair whose judgement is due, that of the other direction first.
    pub fn asked(&self) -> Option<Pair> {
        self.reverse.asked().or(self.question)
    }

    /// Whether stanzas of the peer can be admitted.
    pub fn admits(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Closing) && !self.reverse.verified.is_empty()
    }

    /// Over TLS, a header that declares no dialback: EXTERNAL or nothing is to come.
    pub fn declares_no_dialback(&self) -> bool {
        self.tls && !self.offers_dialback
    }

    /// The judgement of the last step, if it was one.
    pub fn last_judged(&self) -> Option<&Result<Demand, Refusal>> {
        self.was_judged.as_ref()
    }

    pub fn closed(&mut self) {
        self.phase = Phase::Closed;
        self.authorized.clear();
        self.reverse = Reverse::default();
    }

    /// One step: what was done, and what came of it.
    pub fn check(&mut self, cause: &Cause, observed: &Observed) -> Result<(), Breach> {
        if self.phase == Phase::Closed {
            return Ok(());
        }
        let before = self.phase;
        self.was_judged = None;
        self.reverse.begin_step();
        let matched = self.prepare(cause);
        for seen in &observed.seen {
            self.said(cause, before, seen)?;
        }
        for event in &observed.events {
            self.event(cause, matched, event)?;
        }
        for pair in &observed.judge {
            if self.reverse.is_asked(*pair) {
                continue;
            }
            if !self.wanted.contains(pair) {
                return breach("only wanted pairs are judged", shown(*pair));
            }
            if self.question.replace(*pair).is_some() {
                return breach("one pair is judged at a time", shown(*pair));
            }
        }
        if !observed.verify.is_empty() {
            return breach("an outbound stream has nothing verified", format!("{cause:?}"));
        }
        self.admitted(cause, before, observed)?;
        self.reverse.end_step(observed)?;
        if observed.starts_tls && !(before == Phase::Proceed && is_item(cause, &Meaning::Proceed)) {
            return breach("TLS starts when the peer says proceed", format!("{cause:?}"));
        }
        self.had_to(cause, before, matched, observed)?;
        self.settle(observed)
    }

    /// The header names the peer, or nobody, and has an id that a key can be bound to.
    fn header_is_good(&self) -> bool {
        self.header.is_some_and(|header| {
            let from_peer = matches!(header.from, Given::Absent) || header.from == Given::Is(OWN.1);
            let fit = header.fit && !header.component;
            fit && from_peer && header.id.keyable() && header.to != Given::Bad
        })
    }

    fn judgement(&self, pair: Pair) -> Option<&Judgement> {
        self.judged.iter().find(|(known, _)| *known == pair).map(|(_, judgement)| judgement)
    }

    fn proves(&self, pair: Pair) -> bool {
        self.tls
            && self
                .judgement(pair)
                .is_some_and(|judgement| judgement.certificate == CertificateAnswer::Proves)
    }

    /// Law: never below the demand of the judgement.
    fn meets_demand(&self, pair: Pair) -> Result<Demand, Breach> {
        let Some(judgement) = self.judgement(pair) else {
            return breach("nothing is said for a pair that was not judged", shown(pair));
        };
        let Ok(demand) = judgement.demand else {
            return breach("a refused pair is not used", shown(pair));
        };
        let enough = match demand {
            Demand::Assertion | Demand::Dialback => true,
            Demand::DialbackOverTls => self.tls,
            Demand::Certificate => self.proves(pair),
        };
        if enough { Ok(demand) } else { breach("never below the demand", shown(pair)) }
    }

    /// What was said to the peer: whether it may be.
    fn said(&mut self, cause: &Cause, before: Phase, seen: &Seen) -> Result<(), Breach> {
        let why = || format!("{seen:?} after {cause:?} in {before:?}");
        match seen {
            Seen::Header { from, to, version_1, .. } => {
                let due = self.phase == Phase::Header && before != Phase::Header;
                if !due || (*from, *to, *version_1) != (Some(OWN.0), Some(OWN.1), true) {
                    return breach("our header names our pair, once a stream", why());
                }
            }
            Seen::StartTls => {
                let hangs = !self.results.is_empty() || !self.authorized.is_empty();
                let hangs = hangs || self.checks.iter().any(|check| check.asked == Asked::Yes);
                let asks = matches!(self.phase, Phase::Features | Phase::Ready);
                if self.tls || hangs || !asks || !self.header_is_good() {
                    return breach("STARTTLS begins a stream that nothing hangs on", why());
                }
                self.phase = Phase::Proceed;
                self.question = None;
            }
            Seen::Auth(text) => {
                self.asked_in_time(&why)?;
                self.meets_demand(OWN)?;
                let may = self.tls && self.phase == Phase::Ready && self.offers_external;
                let may = may && self.limits.external && !self.external_tried;
                if !may || *text != base64(NAMES[usize::from(OWN.0)].as_bytes()) {
                    return breach("EXTERNAL is for our own name, offered, over TLS, once", why());
                }
                if !self.authorized.is_empty() || !self.results.is_empty() {
                    return breach("EXTERNAL restarts no stream that carries pairs", why());
                }
                self.external_tried = true;
                self.phase = Phase::Sasl;
            }
            Seen::Response(text) => {
                let asked = before == Phase::Sasl && is_item(cause, &Meaning::Challenge);
                if !asked || *text != base64(NAMES[usize::from(OWN.0)].as_bytes()) {
                    return breach("a challenge is answered with our name", why());
                }
            }
            Seen::ResultKey { pair, key } => self.key_said(*pair, key, &why)?,
            Seen::VerifyKey { pair, id, key } => {
                // Somebody else's key, as it came.
                if key != crate::world::ASKED_KEY {
                    return breach("a key is passed on as it came", why());
                }
                let tls = self.tls;
                let ready = self.phase == Phase::Ready && self.header_is_good();
                let check = self.checks.iter_mut().find(|check| {
                    check.pair == *pair && check.id.text().as_deref() == Some(id.as_str())
                });
                match check {
                    Some(check) if ready && check.asked == Asked::No => {
                        if check.demand >= Demand::DialbackOverTls && !tls {
                            return breach("a check that needs TLS has it", why());
                        }
                        check.asked = Asked::Yes;
                    }
                    _ => return breach("a check is asked once, and because it is wanted", why()),
                }
            }
            Seen::Bidi => self.asks_for_both_directions(&why)?,
            Seen::VerifyAnswer { receiving, originating, answer, .. } => {
                self.reverse.check_said((*originating, *receiving), *answer, &why)?;
            }
            Seen::ResultAnswer { pair, answer } => {
                self.reverse.answer_said(*pair, *answer, &why)?;
            }
            Seen::StreamError | Seen::Close => {}
            _ => return breach("an initiating server does not say this", why()),
        }
        Ok(())
    }

    fn key_said(&mut self, pair: Pair, key: &str, why: &dyn Fn() -> String) -> Result<(), Breach> {
        self.meets_demand(pair)?;
        self.asked_in_time(why)?;
        let Some(id) = self.header.and_then(|header| header.id.text()) else {
            return breach("no key before the peer's header", why());
        };
        let (originating, receiving) = (NAMES[usize::from(pair.0)], NAMES[usize::from(pair.1)]);
        // XEP-0185, with the id of the latest header.
        if OURS.key(receiving, originating, &id) != key || !self.header_is_good() {
            return breach("a key is bound to the latest stream id", why());
        }
        if self.phase != Phase::Ready || !self.offers_dialback {
            return breach("a key is sent to peers that do dialback", why());
        }
        if !self.wanted.contains(&pair) || self.results.iter().any(|(known, _)| *known == pair) {
            return breach("a key is sent once, for a pair that is wanted", why());
        }
        self.results.push((pair, self.proves(pair)));
        Ok(())
    }

    fn event(&mut self, cause: &Cause, matched: bool, event: &Event) -> Result<(), Breach> {
        let why = || format!("{event:?} after {cause:?}");
        match event {
            Event::PairAuthorized { pair, how, tls, certificate_proves } => {
                let pair = crate::world::names(pair)?;
                self.authorizes(
                    cause,
                    matched,
                    Authorized { pair, how: *how, tls: *tls, proves: *certificate_proves },
                )
            }
            Event::PairFailed { pair, failure } => {
                let pair = crate::world::names(pair)?;
                let Some(at) = self.wanted.iter().position(|wanted| *wanted == pair) else {
                    return breach("every request is answered once", why());
                };
                self.wanted.swap_remove(at);
                self.results.retain(|(known, _)| *known != pair);
                if self.question == Some(pair) {
                    self.question = None;
                }
                let answered = matched && answers(cause) == Some((pair.1, pair.0));
                match failure {
                    OutboundFailure::DialbackInvalid
                        if !(answered && said(cause, Answer::Invalid)) =>
                    {
                        breach("a key is invalid when its receiver says so", why())
                    }
                    _ if answered && said(cause, Answer::Valid) => {
                        breach("a pair that the peer accepts is authorised", why())
                    }
                    _ => Ok(()),
                }
            }
            Event::VerifyAnswer { pair, stream_id, outcome } => {
                self.check_answered(cause, matched, crate::world::names(pair)?, stream_id, *outcome)
            }
            Event::Unsolicited(kind) => {
                self.unexpected += 1;
                let right = match cause {
                    Cause::Happens(Happening::Item(
                        Meaning::ResultAnswer { .. } | Meaning::ResultKey { .. },
                    )) => *kind == UnsolicitedKind::Result,
                    Cause::Happens(Happening::Item(
                        Meaning::VerifyAnswer { .. } | Meaning::VerifyKey { .. },
                    )) => *kind == UnsolicitedKind::Verify,
                    _ => false,
                };
                if matched || !right || self.reverse.is_due() {
                    return breach("what was asked for is not unsolicited", why());
                }
                Ok(())
            }
            Event::ExternalRefused if matched && is_item(cause, &Meaning::SaslFailure) => Ok(()),
            // An end in place of an answer is a refusal too.
            Event::ExternalRefused if self.phase == Phase::Sasl && ends(cause) => Ok(()),
            Event::StreamOpened { .. } | Event::PeerClosed | Event::PeerError(_) => Ok(()),
            Event::PeerLimits(_) => Ok(()),
            Event::Bidirectional
            | Event::PairVerified(_)
            | Event::PairRefused { .. }
            | Event::DialbackAnswered { .. } => self.reverse.event(event),
            _ => breach("an outbound stream has no such event", why()),
        }
    }

    fn authorizes(&mut self, cause: &Cause, matched: bool, new: Authorized) -> Result<(), Breach> {
        let why = || format!("{new:?} after {cause:?}");
        if let (Cause::Authorize(asked), Some(known)) =
            (cause, self.authorized.iter().find(|known| known.pair == new.pair))
        {
            let same = (known.how, known.tls, known.proves) == (new.how, new.tls, new.proves);
            return if same && *asked == new.pair {
                Ok(())
            } else {
                breach("a repeated question has the same answer", why())
            };
        }
        let demand = self.meets_demand(new.pair)?;
        if new.tls != self.tls || (new.proves && !self.proves(new.pair)) {
            return breach("what is said of an authorised pair is true", why());
        }
        let proved = match new.how {
            HowAuthorized::Dialback => {
                matched
                    && said(cause, Answer::Valid)
                    && answers(cause) == Some((new.pair.1, new.pair.0))
            }
            HowAuthorized::External => {
                let complete = matches!(
                    cause,
                    Cause::Happens(Happening::Item(Meaning::Features { .. } | Meaning::Header(_)))
                );
                let header = self.header_is_good() && self.phase == Phase::Ready;
                self.tls && self.external_done && complete && header && new.pair == OWN
            }
            HowAuthorized::Asserted => {
                demand == Demand::Assertion && !self.offers_dialback && self.phase == Phase::Ready
            }
        };
        if !proved {
            return breach("no pair is authorised without the peer's word", why());
        }
        if let Some(at) = self.wanted.iter().position(|wanted| *wanted == new.pair) {
            self.wanted.swap_remove(at);
        } else {
            return breach("every request is answered once", why());
        }
        self.results.retain(|(known, _)| *known != new.pair);
        // XEP-0288 §2.2: for the pair for which the peer has authenticated us, reversed; an asserted name is no proof.
        if self.tls && new.how != HowAuthorized::Asserted {
            self.reverse.authorized(new.pair);
        }
        self.authorized.push(new);
        Ok(())
    }

    fn check_answered(
        &mut self,
        cause: &Cause,
        matched: bool,
        pair: Pair,
        stream_id: &str,
        outcome: VerifyOutcome,
    ) -> Result<(), Breach> {
        let why = || format!("{} {stream_id} {outcome:?} after {cause:?}", shown(pair));
        let at = self
            .checks
            .iter()
            .position(|check| check.pair == pair && check.id.text().as_deref() == Some(stream_id));
        let Some(at) = at else { return breach("every check is answered once", why()) };
        let check = self.checks.swap_remove(at);
        let by_peer = matched && answers(cause) == Some(check.pair) && names_id(cause, check.id);
        let proved = match outcome {
            VerifyOutcome::Valid { leg_tls } => {
                let strong = leg_tls || check.demand < Demand::DialbackOverTls;
                by_peer && said(cause, Answer::Valid) && leg_tls == self.tls && strong
            }
            VerifyOutcome::Invalid => by_peer && said(cause, Answer::Invalid),
            // An error for a question that is answered otherwise would be a lie.
            VerifyOutcome::Failed(condition) => {
                let denied = said(cause, Answer::Valid) || said(cause, Answer::Invalid);
                let ours = condition != DialbackCondition::ItemNotFound;
                !(by_peer && denied) && (ours || by_peer)
            }
        };
        if proved { Ok(()) } else { breach("a check has the answer its server gave", why()) }
    }
}

/// The peer closes, or says why it does.
fn ends(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::Happens(
            Happening::Eof | Happening::Item(Meaning::Close | Meaning::StreamError { .. })
        )
    )
}

fn is_item(cause: &Cause, wanted: &Meaning) -> bool {
    matches!(cause, Cause::Happens(Happening::Item(meaning)) if meaning == wanted)
}

/// The `from` and `to` of a dialback answer.
fn answers(cause: &Cause) -> Option<(Name, Name)> {
    match cause {
        Cause::Happens(Happening::Item(
            Meaning::ResultAnswer { from, to, .. } | Meaning::VerifyAnswer { from, to, .. },
        )) => Some((from.name()?, to.name()?)),
        _ => None,
    }
}

fn said(cause: &Cause, wanted: Answer) -> bool {
    matches!(
        cause,
        Cause::Happens(Happening::Item(
            Meaning::ResultAnswer { answer, .. } | Meaning::VerifyAnswer { answer, .. },
        )) if *answer == wanted
    )
}

fn names_id(cause: &Cause, wanted: Id) -> bool {
    matches!(cause, Cause::Happens(Happening::Item(Meaning::VerifyAnswer { id, .. })) if *id == wanted)
}
