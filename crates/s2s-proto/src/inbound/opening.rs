//! Headers: the peer's, its judgement, our answer and features.

use xmpp_addr::DomainPair;
use xmpp_frame::{Content, Header, Item};

use super::states::{AwaitingHeader, AwaitingJudgement, Channel, External, Open, Opening, State};
use super::{Stop, Wiring, impossible};
use crate::authz::{Evidence, PairTable};
use crate::error::{StreamCondition, StreamError};
use crate::event::{Event, Input, Output, RefusedBecause};
use crate::features::{Offer, StartTlsOffer};
use crate::header::PeerHeader;
use crate::judge::{CertificateAnswer, Demand, Judgement, Refusal, Standing};
use crate::pending::Pending;
use crate::refusal::FOREIGN_DOMAIN;
use crate::timers::Phase;

impl AwaitingHeader {
    pub(super) fn step(self, wiring: &mut Wiring, input: Input) -> Result<State, Stop> {
        match input {
            Input::Item(Item::Header(header)) => self.on_header(wiring, &header),
            // A late answer to a question of the stream before the restart.
            Input::Verified(..) => Ok(State::AwaitingHeader(self)),
            input => Err(impossible(State::name_of(&input), "AwaitingHeader")),
        }
    }

    fn on_header(self, wiring: &mut Wiring, header: &Header) -> Result<State, Stop> {
        wiring.out.deadlines.clear(Phase::Header);
        let header = PeerHeader::read(header, Content::Server)?;
        if let Opening::Authenticated(pair) = &self.opening {
            check_restarted_names(wiring, &header, pair)?;
        }
        if header.to.is_none() && header.version_1 {
            // RFC 6120 §4.7.2: the initiating entity MUST include `to`.
            let text = "missing 'to' in the stream header";
            return Err(refuse(
                wiring,
                &header,
                StreamError::with_text(StreamCondition::ImproperAddressing, text),
            ));
        }
        match (&header.from, &header.to) {
            (Some(from), Some(to)) => {
                let pair = DomainPair::new(from.clone(), to.clone());
                wiring.out.push(Output::Judge(pair.clone()));
                Ok(State::AwaitingJudgement(AwaitingJudgement {
                    channel: self.channel,
                    pair,
                    header,
                    opening: self.opening,
                }))
            }
            // COMPAT(Prosody, pre-1.0 servers): `from` or `to` is missing; db:result will say them. Without `from` no
            // certificate can be judged, so EXTERNAL is not offered.
            _ => {
                let open = answer(self.channel, wiring, header, None);
                Ok(State::Open(Box::new(open)))
            }
        }
    }
}

/// The header after EXTERNAL succeeded.
fn check_restarted_names(
    wiring: &mut Wiring,
    header: &PeerHeader,
    pair: &DomainPair,
) -> Result<(), Stop> {
    // RFC 6120 §4.9.3.9, and CVE-2018-10847: the names of the restarted stream are those that were authenticated.
    if header.from.as_ref() != Some(pair.sender()) {
        return Err(refuse(wiring, header, StreamCondition::InvalidFrom.into()));
    }
    // RFC 6120 §4.9.3.12: the authentication was for another domain of ours.
    if header.to.as_ref() != Some(pair.target()) {
        return Err(refuse(wiring, header, StreamCondition::NotAuthorized.into()));
    }
    Ok(())
}

/// EXTERNAL succeeded, and the pair was judged once more.
fn reopened(
    channel: Channel,
    pair: &DomainPair,
    wiring: &mut Wiring,
    header: PeerHeader,
    evidence: Evidence,
) -> State {
    let id = open_with(wiring, &header, header.version_1);
    if header.version_1 {
        // After authentication only limits are left to say; RFC 6120 §4.3.2 wants features nonetheless.
        let offer = Offer {
            starttls: StartTlsOffer::No,
            external: false,
            dialback: false,
            bidi: false,
            limits: Some(wiring.config.limits),
        };
        wiring.out.write(|text| offer.write(text));
    }
    let mut open = Open::new(channel, id, header, External::Succeeded, StartTlsOffer::No);
    open.grant(wiring, pair.clone(), evidence);
    open.reverse_after(wiring, pair, None);
    State::Open(Box::new(open))
}

impl AwaitingJudgement {
    pub(super) fn step(self, wiring: &mut Wiring, input: Input) -> Result<State, Stop> {
        match input {
            Input::Judged(pair, judgement) if pair == self.pair => {
                self.on_judged(wiring, judgement)
            }
            Input::Verified(..) => Ok(State::AwaitingJudgement(self)),
            input => Err(impossible(State::name_of(&input), "AwaitingJudgement")),
        }
    }

    fn on_judged(self, wiring: &mut Wiring, judgement: Judgement) -> Result<State, Stop> {
        let at_hand = judgement.evidence_at_hand(self.channel.is_tls());
        let demand = match judgement.demand {
            Ok(demand) => demand,
            Err(refusal) => return Err(self.refused(wiring, refusal)),
        };
        if let Opening::Authenticated(pair) = self.opening {
            // The offer was made when the stream was opened, perhaps long ago: the certificate may have expired since.
            let evidence = match at_hand {
                Some(Evidence::CertificateProvesSender) => Evidence::ExternalSucceeded,
                Some(evidence) => evidence,
                None => {
                    let why = RefusedBecause::ExternalRefused;
                    wiring.out.event(Event::PairRefused { pair, why });
                    return Err(refuse(
                        wiring,
                        &self.header,
                        StreamCondition::NotAuthorized.into(),
                    ));
                }
            };
            return Ok(reopened(self.channel, &pair, wiring, self.header, evidence));
        }
        let verdict = Verdict {
            pair: self.pair.clone(),
            demand,
            certificate: judgement.certificate,
            proved: at_hand.is_some(),
        };
        let mut open = answer(self.channel, wiring, self.header, Some(verdict));
        if demand == Demand::Assertion && judgement.standing == Standing::Stranger {
            open.grant(wiring, self.pair, Evidence::PolicyTakesTheName);
        }
        Ok(State::Open(Box::new(open)))
    }

    fn refused(self, wiring: &mut Wiring, refusal: Refusal) -> Stop {
        let error = match &refusal {
            // RFC 6120 §4.9.3.6: the `to` of the header is not served here.
            Refusal::UnknownHost => {
                let text = "the domain in 'to' is not served here";
                StreamError::with_text(StreamCondition::HostUnknown, text)
            }
            // RFC 6120 §4.9.3.9: nobody else speaks for our domains.
            Refusal::OurOwnDomain => StreamCondition::InvalidFrom.into(),
            Refusal::ForeignDomain => {
                StreamError::with_text(StreamCondition::InvalidFrom, FOREIGN_DOMAIN)
            }
            Refusal::Policy(text) => {
                StreamError::with_text(StreamCondition::PolicyViolation, text.to_string())
            }
        };
        wiring.out.event(Event::PairRefused { pair: self.pair, why: refusal.into() });
        refuse(wiring, &self.header, error)
    }
}

/// Opening tag first, then the error (RFC 6120 §4.9.1.2), in the version the peer speaks.
fn refuse(wiring: &mut Wiring, header: &PeerHeader, error: StreamError) -> Stop {
    if error.condition() == StreamCondition::HostUnknown && wiring.config.authority.is_some() {
        // RFC 6120 §4.7.1: the `from` of the response is a name we do serve.
        wiring.open(None, header.from.as_ref(), header.version_1);
        wiring.out.header_sent = true;
    } else {
        open_with(wiring, header, header.version_1);
    }
    Stop::Error(error)
}

fn open_with(wiring: &mut Wiring, header: &PeerHeader, version_1: bool) -> Box<str> {
    // COMPAT(MongooseIM): the `from` of the response must be the `to` it asked for, or it ends with invalid-from.
    let id = wiring.open(header.to.as_ref(), header.from.as_ref(), version_1);
    wiring.out.header_sent = true;
    id
}

/// What is known of the header's pair.
struct Verdict {
    pair: DomainPair,
    demand: Demand,
    certificate: CertificateAnswer,
    /// Nothing has to be asked: EXTERNAL would succeed.
    proved: bool,
}

/// Sends header and features.
fn answer(
    channel: Channel,
    wiring: &mut Wiring,
    header: PeerHeader,
    verdict: Option<Verdict>,
) -> Open {
    // COMPAT(Openfire OF-443): a header without version is answered without version and without features.
    let id = open_with(wiring, &header, header.version_1);
    wiring.out.event(Event::StreamOpened {
        local: header.to.clone(),
        remote: header.from.clone(),
        version_1: header.version_1,
    });
    let demand = verdict.as_ref().map(|verdict| verdict.demand);
    let needs_tls = demand.is_some_and(|demand| demand >= Demand::DialbackOverTls);
    // XEP-0368 §3: no STARTTLS inside TLS.
    let starttls =
        match (wiring.config.starttls && !channel.is_tls() && header.version_1, needs_tls) {
            (false, _) => StartTlsOffer::No,
            (true, true) => StartTlsOffer::Required,
            (true, false) => StartTlsOffer::Optional,
        };
    // XEP-0178 §3 step 8: EXTERNAL is offered only when the certificate proves the `from`. COMPAT(MongooseIM, older
    // servers): they never fall back after a failed authentication, so an offer that cannot succeed is worse than none.
    let external = match verdict {
        Some(Verdict { pair, proved: true, .. }) if channel.is_tls() => External::Offered(pair),
        Some(Verdict { certificate: CertificateAnswer::Fails(text), .. }) => {
            External::NotOffered(text)
        }
        Some(_) => External::NotOffered("no certificate was presented".into()),
        None => External::NotOffered("the stream header has no 'from'".into()),
    };
    if header.version_1 {
        let offer = Offer {
            starttls,
            external: matches!(external, External::Offered(_)),
            dialback: channel.is_tls() || !needs_tls,
            // Over TLS only; a pair that policy takes for its name is no proof to send anything to.
            bidi: wiring.config.bidi && channel.is_tls() && demand != Some(Demand::Assertion),
            limits: channel.is_tls().then_some(wiring.config.limits),
        };
        wiring.out.write(|text| offer.write(text));
    }
    Open::new(channel, id, header, external, starttls)
}

impl Open {
    fn new(
        channel: Channel,
        id: Box<str>,
        header: PeerHeader,
        external: External,
        starttls: StartTlsOffer,
    ) -> Self {
        Self {
            channel,
            id,
            local: header.to,
            remote: header.from,
            version_1: header.version_1,
            lang: header.lang,
            starttls,
            external,
            sasl_failures: 0,
            pairs: PairTable::default(),
            keys: Pending::new(),
            abandoned: Vec::new(),
            question: None,
        }
    }

    /// Enters a pair into the table and says so.
    pub(super) fn grant(&mut self, wiring: &mut Wiring, pair: DomainPair, evidence: Evidence) {
        wiring.out.deadlines.clear(Phase::Negotiation);
        let verified = self.pairs.grant(pair, evidence);
        wiring.out.event(Event::PairVerified(verified));
    }
}
