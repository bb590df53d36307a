//! Both directions on a stream that we opened (XEP-0288): what the peer may send, and what it may ask.

use xmpp_addr::DomainPair;
use xmpp_frame::Frame;

use super::Wiring;
use super::requests::Authorized;
use crate::authz::{Evidence, PairTable, VerifiedPair};
use crate::dialback_wire::{Answer, write_result_answer, write_verify_answer};
use crate::error::StreamError;
use crate::event::{DialbackCondition, Event, HowAuthorized, Output, RefusedBecause};
use crate::features::write_bidi_request;
use crate::judge::{CertificateAnswer, Demand, Judgement, Refusal};
use crate::stanza::{self, Stanza};

/// The reverse direction of one stream.
#[derive(Debug, Default)]
pub(super) struct Reverse {
    /// We asked for it over TLS, as the peer offered it.
    agreed: bool,
    /// The peer's default language, when its stanzas must be stamped with it.
    pub(super) lang: Option<Box<str>>,
    pairs: PairTable,
    question: Option<Question>,
}

/// What is to be done once the pair, (local, remote), is judged.
#[derive(Debug)]
enum Question {
    /// The peer accepted the pair: may its reverse be admitted?
    Admit(DomainPair),
    /// The peer sent a key for the reverse of the pair, which was admitted: may it still be?
    Again(DomainPair),
    /// The peer, as receiving server, wants a key of ours checked.
    Check { pair: DomainPair, id: Box<str>, key: Box<str> },
}

impl Question {
    fn pair(&self) -> &DomainPair {
        let (Self::Admit(pair) | Self::Again(pair) | Self::Check { pair, .. }) = self;
        pair
    }
}

impl Reverse {
    pub(super) fn is_agreed(&self) -> bool {
        self.agreed
    }

    /// Whether at least one pair may be received.
    pub(super) fn is_open(&self) -> bool {
        !self.pairs.is_empty()
    }

    pub(super) fn is_asking(&self) -> bool {
        self.question.is_some()
    }

    pub(super) fn asks_for(&self, judged: &DomainPair) -> bool {
        self.question.as_ref().is_some_and(|question| question.pair() == judged)
    }

    pub(super) fn admit(&self, frame: Frame) -> Result<Stanza, StreamError> {
        stanza::admit(frame, &self.pairs, self.lang.as_deref())
    }
}

impl Wiring {
    pub(super) fn agree_on_both_directions(&mut self) {
        if self.reverse.agreed {
            return;
        }
        self.reverse.agreed = true;
        let limits = self.config.limits;
        self.out.write(|out| write_bidi_request(limits, out));
        self.out.event(Event::Bidirectional);
    }

    /// The peer accepted a pair of ours. From now on it may take itself for authenticated in the other direction, if we agreed
    /// on that and it proved our name: the reverse is judged before anything else is read.
    pub(super) fn authorize(&mut self, pair: DomainPair, authorized: Authorized) {
        let proved = authorized.tls && authorized.how != HowAuthorized::Asserted;
        // Another target that is piggy-backed here was not looked up on the way.
        let reached = pair.target() == self.pair.target();
        self.requests.authorize(&mut self.out, pair.clone(), authorized);
        if self.reverse.agreed && proved && reached {
            self.ask(Question::Admit(pair));
        }
    }

    fn ask(&mut self, question: Question) {
        self.out.push(Output::Judge(question.pair().clone()));
        self.reverse.question = Some(question);
    }

    pub(super) fn on_reverse_judged(&mut self, judgement: Judgement) {
        match self.reverse.question.take() {
            Some(Question::Admit(pair)) => self.admit_reverse(&pair, judgement),
            Some(Question::Again(pair)) => self.admit_again(&pair, judgement),
            Some(Question::Check { pair, id, key }) => {
                self.answer_check(&pair, &id, &key, &judgement);
            }
            None => {}
        }
    }

    fn admit_reverse(&mut self, pair: &DomainPair, judgement: Judgement) {
        match reached(judgement) {
            Ok(evidence) => {
                let verified = self.reverse.pairs.grant(pair.reversed(), evidence);
                self.out.event(Event::PairVerified(verified));
            }
            Err(why) => self.out.event(Event::PairRefused { pair: pair.reversed(), why }),
        }
    }

    /// The latest judgement counts, as on an inbound stream.
    fn admit_again(&mut self, pair: &DomainPair, judgement: Judgement) {
        let back = pair.reversed();
        let (answer, text) = match reached(judgement) {
            Ok(evidence) => {
                let known = self.reverse.pairs.find(&back.as_pair_ref()).map(VerifiedPair::proof);
                // Announced when it is news: a peer may repeat its key for ever.
                if known != Some(evidence.proof()) {
                    let verified = self.reverse.pairs.grant(back.clone(), evidence);
                    self.out.event(Event::PairVerified(verified));
                }
                (Answer::Valid, None)
            }
            Err(why) => {
                self.reverse.pairs.remove(&back);
                let told = (Answer::Error(why.condition()), why.text());
                self.out.event(Event::PairRefused { pair: back.clone(), why });
                told
            }
        };
        self.out.write(|out| write_result_answer(&back, answer, text.as_deref(), out));
    }

    /// The peer wants to send for a pair, (remote, local), by dialback. One that is admitted is judged again; for any other it
    /// gets an error, which it must understand where it asks so (XEP-0288 §2.2), with the condition that sends it to "a new
    /// TCP connection" (XEP-0220 §2.5): its key must not be verified on this very stream, and what another stream would prove
    /// costs no more than the new stream does.
    pub(super) fn on_reverse_key(&mut self, pair: DomainPair) {
        if self.reverse.pairs.find(&pair.as_pair_ref()).is_some() {
            return self.ask(Question::Again(pair.reversed()));
        }
        let why = RefusedBecause::AskedInReverse;
        let answer = Answer::Error(why.condition());
        self.out.write(|out| write_result_answer(&pair, answer, None, out));
        self.out.event(Event::PairRefused { pair, why });
    }

    /// COMPAT(Prosody): it sends its verify legs wherever it sends stanzas, so on this stream too. The answer needs no state;
    /// `pair` is (originating, receiving).
    pub(super) fn check_reverse_key(&mut self, pair: DomainPair, id: Box<str>, key: Box<str>) {
        self.ask(Question::Check { pair, id, key });
    }

    /// XEP-0220 §2.2.2, as on an inbound stream.
    fn answer_check(&mut self, pair: &DomainPair, id: &str, key: &str, judgement: &Judgement) {
        let (originating, receiving) = (pair.sender(), pair.target());
        let answer = match judgement.demand {
            Err(Refusal::UnknownHost) => Answer::Error(DialbackCondition::ItemNotFound),
            Err(Refusal::OurOwnDomain | Refusal::ForeignDomain) => {
                Answer::Error(DialbackCondition::NotAcceptable)
            }
            Ok(_) | Err(Refusal::Policy(_)) => {
                let valid =
                    self.config.secret.check(receiving.as_str(), originating.as_str(), id, key);
                self.out.event(Event::DialbackAnswered { pair: pair.reversed(), valid });
                if valid { Answer::Valid } else { Answer::Invalid }
            }
        };
        self.out.write(|out| write_verify_answer(receiving, originating, id, answer, out));
    }
}

/// We looked the sender up, reached it, and talk to it over TLS: that is what a verify leg over TLS proves, so it meets the
/// demand for one. A demand for a certificate is met by a certificate only.
fn reached(judgement: Judgement) -> Result<Evidence, RefusedBecause> {
    let certificate_proves = judgement.certificate == CertificateAnswer::Proves;
    match (judgement.demand, judgement.certificate) {
        (Ok(Demand::Certificate), CertificateAnswer::Fails(text)) => {
            Err(RefusedBecause::CertificateRequired(text))
        }
        (Ok(Demand::Certificate), CertificateAnswer::NoneShown) => {
            Err(RefusedBecause::CertificateRequired("no certificate was presented".into()))
        }
        (Ok(_), _) => Ok(Evidence::ReachedOverTls { certificate_proves }),
        (Err(refusal), _) => Err(refusal.into()),
    }
}
