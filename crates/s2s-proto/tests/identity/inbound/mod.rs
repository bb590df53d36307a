//! The model of an inbound stream: what RFC 6120, XEP-0220, XEP-0344, XEP-0178 and design.md let it prove.
//!
//! On a bidirectional stream (XEP-0288) nothing is asked of the peer either, so its answers stay unsolicited; what it gets is the
//! inverse of what it proved.

mod dialback;
mod reverse;
mod sasl;

use s2s_proto::{
    CertificateAnswer, Demand, DialbackCondition, Event, Judgement, Millis, Proof, Refusal,
    Standing, UnsolicitedKind, VerifyOutcome,
};

use crate::config::InboundLimits;
use crate::law::{Breach, End, Expect, Opened, breach};
use crate::wire::{Authzid, HeaderSaid, Key, Meaning};
use crate::words::{Given, NAMES, Name, Pair};
use crate::world::names;

/// What happens to a stream, in the words of the play.
#[derive(Clone, Debug)]
pub enum Happening {
    Connected,
    Tls,
    Item(Meaning),
    Judged(Pair, Judgement),
    /// The outcome of the request with this number, if it is one that was made.
    Verified(Option<u32>, VerifyOutcome),
    Shutdown,
    /// `reached`: the announced deadline has passed.
    Timeout {
        reached: bool,
    },
    Eof,
    Fail,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    Transport {
        connected: bool,
        tls: bool,
    },
    /// A header is due; after SASL the one of this pair.
    Header(Option<Pair>),
    Judging {
        pair: Pair,
        header: HeaderSaid,
        authenticated: bool,
    },
    Open,
    Tls,
    Closing,
    Closed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum External {
    NotOffered,
    Offered(Pair),
    Challenged(Pair),
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Question {
    Result { pair: Pair, key: Key },
    Check { receiving: Name, originating: Name, ours: bool },
}

#[derive(Clone, Debug)]
struct Asked {
    pair: Pair,
    request: u32,
    demand: Demand,
    until: Millis,
}

#[derive(Debug)]
pub struct Model {
    limits: InboundLimits,
    pub direct: bool,
    pub phase: Phase,
    pub tls: bool,
    version_1: bool,
    /// Rows of (pair, proof): who may send now.
    pub verified: Vec<(Pair, Proof)>,
    keys: Vec<Asked>,
    /// Requests whose answer no longer counts.
    late: Vec<(Pair, u32)>,
    requests: u32,
    question: Option<Question>,
    external: External,
    offers_starttls: bool,
    failures: u32,
    elements: u32,
    /// Both directions were agreed on over TLS, before anything was proved; a restart after SASL does not change that.
    bidirectional: bool,
    /// Pairs, (local, remote), that the stream said may be sent on it.
    reversed: Vec<Pair>,
    after_sasl: bool,
}

impl Model {
    pub fn new(limits: InboundLimits, direct: bool) -> Self {
        Self {
            limits,
            direct,
            phase: Phase::Transport { connected: false, tls: false },
            tls: false,
            version_1: false,
            verified: Vec::new(),
            keys: Vec::new(),
            late: Vec::new(),
            requests: 0,
            question: None,
            external: External::NotOffered,
            offers_starttls: false,
            failures: 0,
            elements: 0,
            bidirectional: false,
            reversed: Vec::new(),
            after_sasl: false,
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Closing) && !self.verified.is_empty()
    }

    pub fn is_blocked(&self) -> bool {
        match self.phase {
            Phase::Judging { .. } => true,
            Phase::Open => self.question.is_some(),
            _ => false,
        }
    }

    /// The pair the stream waits to have judged.
    pub fn question(&self) -> Option<Pair> {
        match (&self.phase, &self.question) {
            (Phase::Judging { pair, .. }, _) => Some(*pair),
            (Phase::Open, Some(Question::Result { pair, .. })) => Some(*pair),
            (Phase::Open, Some(Question::Check { receiving, originating, .. })) => {
                Some((*receiving, *originating))
            }
            _ => None,
        }
    }

    /// Whether EXTERNAL can succeed now.
    pub fn offers_external(&self) -> bool {
        matches!(self.external, External::Offered(_) | External::Challenged(_))
    }

    pub fn offers_starttls(&self) -> bool {
        self.offers_starttls && self.phase == Phase::Open
    }

    /// The number the next request for a verification has.
    pub fn next_request(&self) -> u32 {
        self.requests
    }

    /// Whether a request for the same pair came after this one: then an outcome could not be told apart, and the caller owes each
    /// request one answer only.
    pub fn is_repeated(&self, pair: Pair, request: u32) -> bool {
        let newer = |other: u32| other > request;
        self.keys.iter().any(|asked| asked.pair == pair && newer(asked.request))
            || self.late.iter().any(|(late, number)| *late == pair && newer(*number))
    }

    /// Whether the answer to this request no longer counts.
    pub fn is_late(&self, request: u32) -> bool {
        self.late.iter().any(|(_, late)| *late == request)
    }

    /// Whether the header of the stream as it stands comes after EXTERNAL.
    pub fn was_authenticated(&self) -> bool {
        self.after_sasl
    }

    pub fn closed(&mut self) {
        self.phase = Phase::Closed;
        self.verified.clear();
        self.question = None;
    }

    pub fn happens(&mut self, now: Millis, what: &Happening) -> Expect {
        match what {
            Happening::Eof | Happening::Fail => return Expect::ends(),
            Happening::Shutdown => return self.shut_down(),
            Happening::Timeout { reached } => return self.time_out(now, *reached),
            Happening::Item(Meaning::Broken) => return Expect::ends(),
            _ => {}
        }
        match (self.phase.clone(), what) {
            (Phase::Closed, _) => Expect::nothing(),
            (Phase::Transport { connected, tls }, what) => self.transport(connected, tls, what),
            // Nobody handshakes twice, and no connection comes up twice.
            (_, Happening::Connected) => Expect::ends(),
            (Phase::Tls, Happening::Tls) => {
                // RFC 6120 §5.4.3.3: all that was learnt is gone.
                self.begin_again(Phase::Header(None));
                self.tls = true;
                Expect::nothing()
            }
            (_, Happening::Tls) => Expect::ends(),
            (Phase::Header(due), Happening::Item(Meaning::Header(header))) => {
                self.on_header(due, *header)
            }
            (Phase::Header(_), Happening::Item(_)) => Expect::ends(),
            (
                Phase::Judging { pair, header, authenticated },
                Happening::Judged(judged, verdict),
            ) if *judged == pair => self.header_judged(pair, header, authenticated, verdict),
            (Phase::Open, Happening::Judged(judged, verdict))
                if self.question() == Some(*judged) =>
            {
                self.question_judged(now, verdict)
            }
            (Phase::Closing, Happening::Judged(..)) => Expect::nothing(),
            // An answer to no question is the caller's fault, and no proof.
            (_, Happening::Judged(..)) => Expect::may_end(),
            (Phase::Open, Happening::Verified(Some(request), outcome)) => {
                self.outcome(*request, *outcome)
            }
            (_, Happening::Verified(..)) => Expect::nothing(),
            (Phase::Open, Happening::Item(meaning)) => self.on_item(meaning),
            (Phase::Closing, Happening::Item(Meaning::Close)) => Expect::ends(),
            (Phase::Closing, Happening::Item(Meaning::Stanza { from, to })) => {
                let expect = self.stanza(*from, *to);
                if expect.admitted.is_some() { expect } else { Expect::may_end() }
            }
            (Phase::Closing, Happening::Item(_)) => Expect::nothing(),
            (_, Happening::Item(_)) => Expect::may_end(),
            _ => Expect::nothing(),
        }
    }

    fn transport(&mut self, connected: bool, tls: bool, what: &Happening) -> Expect {
        let (connected, tls) = match what {
            Happening::Connected if !connected => (true, tls),
            Happening::Tls if self.direct && !tls => (connected, true),
            Happening::Verified(..) | Happening::Judged(..) => return Expect::may_end(),
            _ => return Expect::ends(),
        };
        self.phase = Phase::Transport { connected, tls };
        if connected && tls == self.direct {
            self.phase = Phase::Header(None);
            self.tls = tls;
        }
        Expect::nothing()
    }

    /// The stream starts anew: nothing of the old one counts.
    fn begin_again(&mut self, phase: Phase) {
        self.after_sasl = matches!(phase, Phase::Header(Some(_)));
        self.phase = phase;
        self.verified.clear();
        self.keys.clear();
        self.late.clear();
        self.question = None;
        self.external = External::NotOffered;
        self.offers_starttls = false;
        self.failures = 0;
    }

    fn on_header(&mut self, due: Option<Pair>, header: HeaderSaid) -> Expect {
        // RFC 6120 §4.9.3.9, .10, .7.
        if !header.fit || header.component || header.from == Given::Bad || header.to == Given::Bad {
            return Expect::ends();
        }
        let (from, to) = (header.from.name(), header.to.name());
        // CVE-2018-10847: the restarted stream has the names that were authenticated.
        if due.is_some_and(|(sender, target)| (from, to) != (Some(sender), Some(target))) {
            return Expect::ends();
        }
        match (from, to) {
            (_, None) if header.version_1 => Expect::ends(),
            (Some(from), Some(to)) => {
                let pair = (from, to);
                self.phase = Phase::Judging { pair, header, authenticated: due.is_some() };
                Expect::judge(pair)
            }
            _ => {
                let opened = self.open(header, External::NotOffered, false, false, due.is_some());
                Expect { opened: Some(opened), ..Expect::nothing() }
            }
        }
    }

    fn open(
        &mut self,
        header: HeaderSaid,
        external: External,
        required: bool,
        asserted: bool,
        authenticated: bool,
    ) -> Opened {
        self.phase = Phase::Open;
        self.version_1 = header.version_1;
        // XEP-0368 §3 and RFC 6120 §5: STARTTLS is for the clear, and for streams that have features.
        let starttls = self.limits.starttls && !self.tls && header.version_1;
        self.offers_starttls = starttls;
        let offered = matches!(external, External::Offered(_)) && header.version_1;
        self.external = external;
        Opened {
            from: header.to.name().or(self.limits.authority),
            version_1: header.version_1,
            starttls,
            required: starttls && required,
            external: offered && !authenticated,
            // Over TLS, before authentication, and not to a name that was only asserted.
            bidi: self.limits.bidi && self.tls && header.version_1 && !authenticated && !asserted,
        }
    }

    fn header_judged(
        &mut self,
        pair: Pair,
        header: HeaderSaid,
        authenticated: bool,
        verdict: &Judgement,
    ) -> Expect {
        let Ok(demand) = verdict.demand else { return Expect::refused(pair, End::Must) };
        let at_hand = self.at_hand(demand, verdict);
        if authenticated {
            // The certificate counts at the moment it is used, not at that of the offer.
            let proof = match at_hand {
                Some(Proof::CertificateDialback) => Proof::External,
                Some(proof) => proof,
                None => return Expect::refused(pair, End::Must),
            };
            let opened = self.open(header, External::Done, false, false, true);
            self.verified.push((pair, proof));
            return Expect {
                opened: Some(opened),
                verified: Some((pair, proof)),
                ..Expect::nothing()
            };
        }
        // XEP-0178 §3: offered when, and only when, it can succeed.
        let proved = self.tls && at_hand.is_some();
        let external = if proved { External::Offered(pair) } else { External::NotOffered };
        let opened = self.open(
            header,
            external,
            demand >= Demand::DialbackOverTls,
            demand == Demand::Assertion,
            false,
        );
        let mut expect = Expect { opened: Some(opened), ..Expect::nothing() };
        if demand == Demand::Assertion && verdict.standing == Standing::Stranger {
            self.verified.push((pair, Proof::Asserted));
            expect.verified = Some((pair, Proof::Asserted));
        }
        expect
    }

    /// What proves the sender without asking anybody: a certificate over TLS, or, for a server of the operator's own, its
    /// connection, where the channel is what is demanded.
    fn at_hand(&self, demand: Demand, verdict: &Judgement) -> Option<Proof> {
        let proves = self.tls && verdict.certificate == CertificateAnswer::Proves;
        match (verdict.standing, demand) {
            (Standing::Stranger, _) => proves.then_some(Proof::CertificateDialback),
            (Standing::Backend, Demand::Assertion | Demand::Dialback) => Some(Proof::Backend),
            (Standing::Backend, Demand::DialbackOverTls) => self.tls.then_some(Proof::Backend),
            (Standing::Backend, Demand::Certificate) => proves.then_some(Proof::Backend),
        }
    }

    fn on_item(&mut self, meaning: &Meaning) -> Expect {
        if self.verified.is_empty() && *meaning != Meaning::Close {
            self.elements += 1;
            if self.elements > self.limits.preauth_elements_max {
                return Expect::ends();
            }
        }
        match meaning {
            Meaning::Stanza { from, to } => self.stanza(*from, *to),
            Meaning::StartTls if self.version_1 => self.start_tls(),
            Meaning::Auth { external, authzid } if self.version_1 => self.auth(*external, *authzid),
            Meaning::Response(authzid) if self.version_1 => self.response(*authzid),
            Meaning::Abort if self.version_1 => {
                if let External::Challenged(pair) = self.external {
                    self.external = External::Offered(pair);
                }
                self.sasl_fails()
            }
            Meaning::ResultKey { from: Given::Is(from), to: Given::Is(to), key } => {
                self.question = Some(Question::Result { pair: (*from, *to), key: *key });
                Expect::judge((*from, *to))
            }
            Meaning::VerifyKey {
                from: Given::Is(receiving),
                to: Given::Is(originating),
                id,
                ours,
            } if id.readable() => {
                let (receiving, originating, ours) = (*receiving, *originating, *ours);
                self.question = Some(Question::Check { receiving, originating, ours });
                Expect::judge((receiving, originating))
            }
            // XEP-0220 §4.1: nothing was asked on this stream. (XEP-0288 would change that.)
            Meaning::ResultAnswer { .. } => {
                Expect { unsolicited: Some(UnsolicitedKind::Result), ..Expect::nothing() }
            }
            Meaning::VerifyAnswer { .. } => {
                Expect { unsolicited: Some(UnsolicitedKind::Verify), ..Expect::nothing() }
            }
            Meaning::Bidi => self.both_directions(),
            Meaning::Compress => Expect::nothing(),
            // RFC 6120 §4.9.3.7, .24, §4.4, §4.9.1.1.
            _ => Expect::ends(),
        }
    }

    fn stanza(&self, from: Given, to: Given) -> Expect {
        let (Given::Is(from), Given::Is(to)) = (from, to) else { return Expect::ends() };
        match self.proof((from, to)) {
            Some(proof) => Expect { admitted: Some(((from, to), proof)), ..Expect::nothing() },
            None => Expect::ends(),
        }
    }

    pub fn proof(&self, pair: Pair) -> Option<Proof> {
        self.verified.iter().find(|(known, _)| *known == pair).map(|(_, proof)| *proof)
    }

    fn start_tls(&mut self) -> Expect {
        if !self.offers_starttls || self.awaits_outcomes() {
            return Expect::ends();
        }
        self.begin_again(Phase::Tls);
        Expect { starts_tls: true, ..Expect::nothing() }
    }

    /// An outcome is still due: it names a pair and no stream, so the stream may not be another one when it comes.
    fn awaits_outcomes(&self) -> bool {
        !self.keys.is_empty() || !self.late.is_empty()
    }

    fn shut_down(&mut self) -> Expect {
        match self.phase {
            Phase::Open => {
                self.phase = Phase::Closing;
                self.question = None;
                Expect::nothing()
            }
            Phase::Closing | Phase::Closed => Expect::nothing(),
            _ => Expect::ends(),
        }
    }

    fn time_out(&mut self, now: Millis, reached: bool) -> Expect {
        if !reached {
            return Expect::nothing();
        }
        let mut expect = Expect::may_end();
        if self.phase == Phase::Open {
            while let Some(at) = self.keys.iter().position(|asked| asked.until <= now) {
                let asked = self.keys.swap_remove(at);
                self.late.push((asked.pair, asked.request));
                expect.refused.push(asked.pair);
            }
        }
        expect
    }
}

/// The domain of a name, for messages.
pub fn shown(pair: Pair) -> String {
    format!("{} -> {}", NAMES[usize::from(pair.0)], NAMES[usize::from(pair.1)])
}
