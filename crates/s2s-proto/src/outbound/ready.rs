//! A negotiated stream: which means to use for a pair, and what the answers mean.

use xmpp_addr::DomainPair;
use xmpp_frame::Element;

use super::negotiate::ask_for_tls;
use super::requests::{Authorized, Sent, verify_failed};
use super::states::{Authentication, AwaitingSasl, Ready, State, TlsInvitation};
use super::{Stop, Wiring, impossible};
use crate::dialback_wire::{Answer, Dialback, write_result_key, write_verify_key};
use crate::error::{StreamCondition, StreamError};
use crate::event::{
    DialbackCondition, Event, HowAuthorized, OutboundFailure, Output, UnsolicitedKind,
    VerifyOutcome, VerifyRequest,
};
use crate::judge::{CertificateAnswer, Demand, Judgement};
use crate::ns;
use crate::pending::Asked;
use crate::sasl;
use crate::time::Millis;
use crate::timers::Phase;

impl State {
    /// Does what the requests call for, if this state can.
    pub(super) fn advance(self, wiring: &mut Wiring, now: Millis) -> Result<Self, Stop> {
        match self {
            Self::Ready(ready) => ready.advance(wiring, now),
            state => Ok(state),
        }
    }

    /// Requests that waited too long for their answer.
    pub(super) fn expire_requests(self, wiring: &mut Wiring, now: Millis) -> Result<Self, Stop> {
        let mut expired = false;
        while wiring.requests.expire_one(&mut wiring.out, now) {
            expired = true;
        }
        if expired && wiring.requests.is_idle() {
            return Err(Stop::outbound(OutboundFailure::TimedOut(Phase::Dialback)));
        }
        self.advance(wiring, now)
    }
}

impl Ready {
    /// Sends what waits, as far as the stream allows it.
    pub(super) fn advance(self, wiring: &mut Wiring, now: Millis) -> Result<State, Stop> {
        while let Some(request) = wiring.requests.next_verify() {
            if request.demand < Demand::DialbackOverTls || self.channel.is_tls() {
                self.send_verify(wiring, now, request);
            } else if self.can_still_start_tls(wiring) {
                wiring.requests.verify_again(request);
                if wiring.requests.question().is_some() {
                    // TLS waits for the judgement that is due.
                    return Ok(State::Ready(self));
                }
                return Ok(ask_for_tls(wiring, now, TlsInvitation::Uninvited));
            } else {
                // The demanded rung wants TLS on this leg too.
                let condition = DialbackCondition::PolicyViolation;
                verify_failed(&mut wiring.out, request.pair, request.stream_id, condition);
            }
        }
        if let Some(pair) = wiring.requests.next_pair() {
            wiring.out.push(Output::Judge(pair));
        }
        if !wiring.requests.is_idle() {
            wiring.out.deadlines.clear(Phase::Negotiation);
        } else if !wiring.out.deadlines.is_armed(Phase::Negotiation) {
            // The last leg was answered and no pair may send: kept for the next leg, but not for ever.
            wiring.arm(now, Phase::Negotiation);
        }
        Ok(State::Ready(self))
    }

    pub(super) fn on_judged(
        self,
        wiring: &mut Wiring,
        now: Millis,
        judged: &DomainPair,
        judgement: &Judgement,
    ) -> Result<State, Stop> {
        let Some(pair) = wiring.requests.take_question(judged) else {
            return Err(impossible("Judged", "Ready without that question"));
        };
        let Ok(demand) = judgement.demand else {
            return self.fail_pair(wiring, now, pair, OutboundFailure::NotTrusted);
        };
        let needs_tls = demand >= Demand::DialbackOverTls;
        if (needs_tls || wiring.requests.verify_needs_tls()) && self.can_still_start_tls(wiring) {
            wiring.requests.want_first(pair);
            return Ok(ask_for_tls(wiring, now, TlsInvitation::Uninvited));
        }
        if needs_tls && !self.channel.is_tls() {
            let text = "TLS is required and was not offered";
            let error = StreamError::with_text(StreamCondition::PolicyViolation, text);
            return self.refuse_pair(
                wiring,
                now,
                pair,
                Stop::Refused(OutboundFailure::TlsNotOffered, error),
            );
        }
        let certificate_proves =
            self.channel.is_tls() && judgement.certificate == CertificateAnswer::Proves;
        // A39: no weaker way is tried when the demanded one fails.
        if demand == Demand::Certificate && !certificate_proves {
            let stop = Stop::not_trusted(&judgement.certificate);
            return self.refuse_pair(wiring, now, pair, stop);
        }
        if self.external_is_next(wiring, &pair) {
            self.ask_for_both_directions(wiring);
            wiring.out.write(|out| sasl::write_auth(pair.sender(), out));
            wiring.requests.sasl_began(pair);
            wiring.arm(now, Phase::Negotiation);
            return Ok(State::AwaitingSasl(AwaitingSasl { ready: self, certificate_proves }));
        }
        if self.dialback {
            self.ask_for_both_directions(wiring);
            self.send_result(wiring, now, pair, certificate_proves);
            return self.advance(wiring, now);
        }
        if demand == Demand::Assertion {
            // A server from before dialback takes the name for what it is.
            let how = HowAuthorized::Asserted;
            let authorized = Authorized { how, tls: self.channel.is_tls(), certificate_proves };
            wiring.authorize(pair, authorized);
            return self.advance(wiring, now);
        }
        self.fail_pair(wiring, now, pair, OutboundFailure::Unauthenticated)
    }

    /// EXTERNAL proves the stream's own sender and nobody else (XEP-0178 §3), once a connection.
    fn external_is_next(&self, wiring: &Wiring, pair: &DomainPair) -> bool {
        let offered = self.channel.is_tls() && self.features.external && wiring.config.external;
        let untried = matches!(self.authentication, Authentication::None);
        // The restart would be in the middle of other pairs' business.
        let alone = !wiring.requests.any_authorized();
        let dialback_first = wiring.options.dialback_first && self.dialback;
        offered && untried && alone && !dialback_first && *pair == wiring.pair
    }

    /// XEP-0288 §2.2: "before either SASL negotiation or Server Dialback". Over TLS only, and only where it is offered: other
    /// servers close a stream over an element they do not know.
    fn ask_for_both_directions(&self, wiring: &mut Wiring) {
        let offered = self.channel.is_tls() && self.features.bidi && wiring.config.bidi;
        if offered && !wiring.requests.any_authorized() {
            wiring.agree_on_both_directions();
        }
    }

    /// STARTTLS begins a stream anew, so it is possible only while nothing hangs on this one.
    fn can_still_start_tls(&self, wiring: &Wiring) -> bool {
        self.version_1
            && !self.channel.is_tls()
            && !wiring.requests.anything_asked()
            && !wiring.requests.any_authorized()
    }

    fn send_verify(&self, wiring: &mut Wiring, now: Millis, request: VerifyRequest) {
        let VerifyRequest { pair, stream_id, key, .. } = request;
        // XEP-0220 §2.1.2 step 2.
        wiring.out.write(|out| write_verify_key(&pair, &stream_id, &key, out));
        let until = now.after(wiring.config.timeouts.dialback_ms);
        let sent = Sent { certificate_proves: false };
        wiring.requests.was_asked(Asked::Verify(pair, stream_id), until, sent, &mut wiring.out);
    }

    fn send_result(
        &self,
        wiring: &mut Wiring,
        now: Millis,
        pair: DomainPair,
        certificate_proves: bool,
    ) {
        // XEP-0220 §2.1.1 step 1; the key is bound to the id of the latest response header, after TLS.
        let key =
            wiring.config.secret.key(pair.target().as_str(), pair.sender().as_str(), &self.id);
        wiring.out.write(|out| write_result_key(&pair, &key, out));
        let until = now.after(wiring.config.timeouts.dialback_ms);
        wiring.requests.was_asked(
            Asked::Result(pair),
            until,
            Sent { certificate_proves },
            &mut wiring.out,
        );
    }

    pub(super) fn on_element(
        self,
        wiring: &mut Wiring,
        now: Millis,
        element: &Element,
    ) -> Result<State, Stop> {
        if element.namespace() != ns::DIALBACK {
            // RFC 6120 §4.9.3.24: nothing was negotiated that would bring other elements.
            return Err(StreamCondition::UnsupportedStanzaType.into());
        }
        let (answer, ready) = self.read_answer(wiring, element)?;
        match answer {
            Some((pair, Answer::Invalid, _)) => {
                ready.fail_pair(wiring, now, pair, OutboundFailure::DialbackInvalid)
            }
            Some((pair, Answer::Error(condition), _)) => {
                ready.fail_pair(wiring, now, pair, OutboundFailure::DialbackError(condition))
            }
            Some((pair, Answer::Valid, sent)) => {
                let how = HowAuthorized::Dialback;
                let tls = ready.channel.is_tls();
                let authorized =
                    Authorized { how, tls, certificate_proves: sent.certificate_proves };
                wiring.authorize(pair, authorized);
                ready.advance(wiring, now)
            }
            None => ready.advance(wiring, now),
        }
    }

    /// Answers that arrive while EXTERNAL runs; no `<db:result/>` is open then.
    pub(super) fn on_dialback(self, wiring: &mut Wiring, element: &Element) -> Result<Self, Stop> {
        self.read_answer(wiring, element).map(|(_, ready)| ready)
    }

    /// Matches an answer with its request. Verify answers are passed on here, results are returned.
    #[expect(clippy::type_complexity, reason = "one caller, three names")]
    fn read_answer(
        self,
        wiring: &mut Wiring,
        element: &Element,
    ) -> Result<(Option<(DomainPair, Answer, Sent)>, Self), Stop> {
        let tls = self.channel.is_tls();
        match Dialback::read(element) {
            Ok(Dialback::ResultAnswer { pair, answer }) => {
                if let Some(sent) =
                    wiring.requests.answered(&Asked::Result(pair.clone()), &mut wiring.out)
                {
                    return Ok((Some((pair, answer, sent)), self));
                }
            }
            Ok(Dialback::VerifyAnswer { pair, id, answer }) => {
                let asked = Asked::Verify(pair.clone(), id.clone());
                if wiring.requests.answered(&asked, &mut wiring.out).is_some() {
                    let outcome = match answer {
                        Answer::Valid => VerifyOutcome::Valid { leg_tls: tls },
                        Answer::Invalid => VerifyOutcome::Invalid,
                        Answer::Error(condition) => VerifyOutcome::Failed(
                            OutboundFailure::DialbackError(condition).as_dialback(),
                        ),
                    };
                    wiring.out.event(Event::VerifyAnswer { pair, stream_id: id, outcome });
                    return Ok((None, self));
                }
            }
            Ok(Dialback::ResultKey { pair, .. }) if wiring.reverse.is_agreed() => {
                wiring.on_reverse_key(pair);
                return Ok((None, self));
            }
            Ok(Dialback::VerifyKey { receiving, originating, id, key })
                if wiring.reverse.is_agreed() =>
            {
                wiring.check_reverse_key(DomainPair::new(originating, receiving), id, key);
                return Ok((None, self));
            }
            // Without XEP-0288 nobody authenticates towards us here; what cannot be read is nobody's answer either.
            Ok(Dialback::ResultKey { .. } | Dialback::VerifyKey { .. }) | Err(_) => {}
        }
        // XEP-0220 §4.1: not asked on this stream, so it says nothing; dropped and counted.
        let kind = if element.name() == "verify" {
            UnsolicitedKind::Verify
        } else {
            UnsolicitedKind::Result
        };
        wiring.out.event(Event::Unsolicited(kind));
        wiring.count_unexpected()?;
        Ok((None, self))
    }

    /// This pair only; a stream that is left without use is closed.
    fn fail_pair(
        self,
        wiring: &mut Wiring,
        now: Millis,
        pair: DomainPair,
        failure: OutboundFailure,
    ) -> Result<State, Stop> {
        self.refuse_pair(wiring, now, pair, Stop::outbound(failure))
    }

    /// As [`Ready::fail_pair`]; a stream that is left without use ends with `stop`.
    fn refuse_pair(
        self,
        wiring: &mut Wiring,
        now: Millis,
        pair: DomainPair,
        stop: Stop,
    ) -> Result<State, Stop> {
        if let Stop::Failed(failure, _) | Stop::Refused(failure, _) = &stop {
            wiring.out.event(Event::PairFailed { pair, failure: failure.clone() });
        }
        if wiring.requests.is_idle() {
            return Err(stop);
        }
        self.advance(wiring, now)
    }
}
