//! Elements on an open stream: STARTTLS, SASL, and what is none of these.

use xmpp_addr::DomainPair;
use xmpp_frame::{Element, Frame, Item, Kind};

use super::bidi::close_reverse;
use super::states::{AwaitingHeader, External, Open, Opening, State};
use super::{Stop, Wiring, closed_by_peer, impossible};
use crate::error::{ReceivedError, StreamCondition, StreamError};
use crate::event::{CloseReason, Event, Input, RefusedBecause};
use crate::features::StartTlsOffer;
use crate::header::CLOSE_TAG;
use crate::ns;
use crate::sasl::{self, SaslAnswer, SaslFailure};
use crate::stanza;
use crate::time::Millis;
use crate::timers::Phase;

impl Open {
    pub(super) fn step(
        mut self: Box<Self>,
        wiring: &mut Wiring,
        now: Millis,
        input: Input,
    ) -> Result<State, Stop> {
        match input {
            Input::Judged(pair, judgement) => {
                self.on_judged(wiring, now, &pair, judgement)?;
                Ok(State::Open(self))
            }
            Input::Verified(pair, outcome) => {
                self.on_verified(wiring, now, &pair, outcome)?;
                Ok(State::Open(self))
            }
            Input::Item(_) if self.question.is_some() => {
                Err(impossible("Item", "Open while blocked"))
            }
            Input::Item(Item::Element(frame)) => self.on_element(wiring, now, frame),
            Input::Item(Item::Close) => Err(closed_by_peer(wiring)),
            input => Err(impossible(State::name_of(&input), "Open")),
        }
    }

    fn on_element(
        mut self: Box<Self>,
        wiring: &mut Wiring,
        now: Millis,
        frame: Frame,
    ) -> Result<State, Stop> {
        if self.pairs.is_empty() {
            wiring.count_preauth_element()?;
        }
        if frame.kind() != Kind::Other {
            // Stanzas of verified pairs go to `admit`; here is the place of those that come too early.
            stanza::admit(frame, &self.pairs, None)?;
            return Err(impossible("Element (a stanza that can be admitted)", "Open"));
        }
        let element = frame.element().map_err(StreamError::from)?;
        match (element.name(), element.namespace()) {
            ("starttls", ns::TLS) if self.version_1 => self.on_starttls(wiring, now),
            ("auth" | "response" | "abort", ns::SASL) if self.version_1 => {
                self.on_sasl(wiring, now, &element)
            }
            (_, ns::DIALBACK) => {
                self.on_dialback(wiring, &element)?;
                Ok(State::Open(self))
            }
            ("compress", ns::COMPRESS) => {
                // XEP-0138 §4: not offered, because a small message can inflate to anything.
                wiring.out.send("<failure xmlns='http://jabber.org/protocol/compress'><unsupported-method/></failure>");
                Ok(State::Open(self))
            }
            // COMPAT(ejabberd 24.10 and later): it may ask for XEP-0288 unoffered, in either namespace. No reply exists.
            ("bidi", ns::BIDI | ns::BIDI_FEATURE) => {
                self.on_bidi(wiring, &element);
                Ok(State::Open(self))
            }
            ("error", ns::STREAMS) => {
                let error = ReceivedError::read(&element);
                wiring.out.event(Event::PeerError(error.clone()));
                // RFC 6120 §4.9.1.1: a stream error is unrecoverable; close our direction too.
                wiring.out.send(CLOSE_TAG);
                Err(Stop::Close(CloseReason::PeerFailed(error)))
            }
            // RFC 6120 §4.9.3.24: a first-level element that is not understood.
            _ => Err(StreamCondition::UnsupportedStanzaType.into()),
        }
    }

    fn on_starttls(self: Box<Self>, wiring: &mut Wiring, now: Millis) -> Result<State, Stop> {
        // A key that is being verified would be answered on a stream that knows nothing of it.
        let too_late = !self.keys.is_empty() || !self.abandoned.is_empty();
        if self.starttls == StartTlsOffer::No || too_late {
            // RFC 6120 §5.4.2.2: failure, then close.
            wiring.out.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
            wiring.out.send(CLOSE_TAG);
            return Err(Stop::Close(CloseReason::Finished));
        }
        wiring.out.send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        wiring.out.start_tls();
        wiring.arm(now, Phase::Tls);
        wiring.arm_negotiation_again(now, &self);
        Ok(State::AwaitingTls)
    }

    fn on_sasl(
        mut self: Box<Self>,
        wiring: &mut Wiring,
        now: Millis,
        element: &Element,
    ) -> Result<State, Stop> {
        if !self.channel.is_tls() {
            // RFC 6120 §6.5.4: EXTERNAL without TLS has no certificate to look at.
            return self.sasl_failed(wiring, SaslFailure::EncryptionRequired, None);
        }
        let external = self.external.clone();
        match (element.name(), external) {
            ("auth", External::Offered(pair)) => {
                let answer = sasl::judge_auth(element, pair.sender());
                self.on_sasl_answer(wiring, now, pair, answer)
            }
            ("auth", External::NotOffered(reason)) => {
                if element.attr("mechanism") != Some("EXTERNAL") {
                    return self.sasl_failed(wiring, SaslFailure::InvalidMechanism, None);
                }
                if let (Some(sender), Some(target)) = (&self.remote, &self.local) {
                    let pair = DomainPair::new(sender.clone(), target.clone());
                    wiring
                        .out
                        .event(Event::PairRefused { pair, why: RefusedBecause::ExternalRefused });
                }
                // RFC 6120 §6.5.10: the certificate does not prove the name; the reason helps its administrator.
                self.sasl_failed(wiring, SaslFailure::NotAuthorized, Some(&reason))
            }
            ("response", External::AwaitingResponse(pair)) => {
                let answer = sasl::judge_response(&element.text(), pair.sender());
                self.on_sasl_answer(wiring, now, pair, answer)
            }
            ("abort", External::AwaitingResponse(pair)) => {
                self.external = External::Offered(pair);
                self.sasl_failed(wiring, SaslFailure::Aborted, None)
            }
            // RFC 6120 §6.4.4: abort is always answered so.
            ("abort", _) => self.sasl_failed(wiring, SaslFailure::Aborted, None),
            (_, External::AwaitingResponse(pair)) => {
                self.external = External::Offered(pair);
                self.sasl_failed(wiring, SaslFailure::MalformedRequest, None)
            }
            // RFC 6120 §6.4.6: one authentication a stream.
            (_, External::Succeeded) => Err(StreamCondition::NotAuthorized.into()),
            _ => self.sasl_failed(wiring, SaslFailure::MalformedRequest, None),
        }
    }

    fn on_sasl_answer(
        mut self: Box<Self>,
        wiring: &mut Wiring,
        now: Millis,
        pair: DomainPair,
        answer: SaslAnswer,
    ) -> Result<State, Stop> {
        match answer {
            SaslAnswer::Challenge => {
                wiring.out.send("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
                self.external = External::AwaitingResponse(pair);
                Ok(State::Open(self))
            }
            SaslAnswer::Failure(failure) => {
                self.external = External::Offered(pair);
                self.sasl_failed(wiring, failure, None)
            }
            // A key that is being verified would be answered on a stream that knows nothing of it.
            SaslAnswer::Success if !self.keys.is_empty() || !self.abandoned.is_empty() => {
                self.external = External::Offered(pair);
                self.sasl_failed(wiring, SaslFailure::TemporaryAuthFailure, None)
            }
            SaslAnswer::Success => {
                // RFC 6120 §6.4.6: what was not learnt from SASL itself is discarded; the peer sends a new header.
                for pair in self.pairs.pairs() {
                    close_reverse(wiring, pair);
                }
                wiring.out.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
                wiring.out.restart();
                wiring.arm(now, Phase::Header);
                wiring.arm_negotiation_again(now, &self);
                Ok(State::AwaitingHeader(AwaitingHeader {
                    channel: self.channel,
                    opening: Opening::Authenticated(pair),
                }))
            }
        }
    }

    fn sasl_failed(
        mut self: Box<Self>,
        wiring: &mut Wiring,
        failure: SaslFailure,
        text: Option<&str>,
    ) -> Result<State, Stop> {
        wiring.out.write(|out| failure.write(text, out));
        self.sasl_failures += 1;
        if self.sasl_failures >= sasl::FAILURES_MAX {
            // RFC 6120 §6.4.5: a number of retries, then the stream is closed with policy-violation.
            let text = "too many failed authentications";
            return Err(StreamError::with_text(StreamCondition::PolicyViolation, text).into());
        }
        // The stream stays: the peer may fall back to dialback, if policy lets it.
        Ok(State::Open(self))
    }
}

impl Wiring {
    /// A pair that policy took for its name stopped the negotiation's timer; TLS and SASL start it again.
    fn arm_negotiation_again(&mut self, now: Millis, open: &Open) {
        if !open.pairs.is_empty() {
            self.arm(now, Phase::Negotiation);
        }
    }
}
