//! Both directions on one stream (XEP-0288), in both roles. Names beginning with `a<number>` are attacks.

mod support;

use std::cell::Cell;
use std::rc::Rc;

use s2s_proto::{
    AdvertisedLimits, CertificateAnswer, Demand, Event, InboundConfig, Input, Judgement,
    OutboundConfig, OutboundOptions, Proof, Refusal, RefusedBecause, TlsState, UnsolicitedKind,
    VerifyOutcome,
};
use support::{Judge, Script, demands, fails, header, pair, proves, secret};

const BIDI: &str = "<bidi xmlns='urn:xmpp:bidi'/>";
const OFFER: &str = "<bidi xmlns='urn:xmpp:features:bidi'/>";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const DIALBACK: &str = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";
const EXTERNAL: &str = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>";
const KEY: &str = "<db:result from='capulet.example' to='montague.example'>k</db:result>";
const VALID: VerifyOutcome = VerifyOutcome::Valid { leg_tls: true };

/// The peer is capulet.example and we are montague.example: it opened the stream, over TLS.
fn responder(judge: Judge) -> Script {
    let mut peer = Script::inbound_direct(judge);
    peer.recv(&header("from='capulet.example' to='montague.example' version='1.0'"));
    peer
}

/// What may be sent back, in the order it was said; takes all events.
fn reverse(peer: &mut Script) -> Vec<String> {
    let events = std::mem::take(&mut peer.events);
    let told = events.into_iter().filter_map(|event| match event {
        Event::ReverseAuthorized { pair } => Some(format!("+{pair}")),
        Event::ReverseWithdrawn { pair } => Some(format!("-{pair}")),
        _ => None,
    });
    told.collect()
}

fn back(sender: &str, target: &str) -> String {
    pair(sender, target).to_string()
}

/// We are capulet.example and opened a stream to montague.example, over TLS; its own pair is asked for.
fn initiator_with(config: OutboundConfig, judge: Judge, offers: &str) -> Script {
    let options = OutboundOptions { dialback_first: false, tls: TlsState::Direct };
    let mut peer = Script::outbound_with(config, options, judge);
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.said();
    peer.recv(&header("from='montague.example' to='capulet.example' id='S1' version='1.0'"));
    peer.recv(&format!("<stream:features>{offers}</stream:features>"));
    peer
}

fn initiator(judge: Judge) -> Script {
    initiator_with(OutboundConfig::new(secret()), judge, &format!("{DIALBACK}{OFFER}"))
}

fn accepted(judge: Judge) -> Script {
    let mut peer = initiator(judge);
    peer.recv("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    peer.said();
    peer
}

fn from_romeo(domain: &str) -> String {
    format!("<message from='romeo@{domain}' to='juliet@capulet.example'/>")
}

// Responder.

#[test]
fn both_directions_are_offered_over_tls_and_before_authentication_only() {
    let opening = header("from='capulet.example' to='montague.example' version='1.0'");
    let mut peer = Script::inbound(proves(Demand::Dialback));
    peer.recv(&opening);
    assert!(!peer.said().contains("bidi"), "in clear");
    peer.starttls(proves(Demand::Dialback));
    peer.recv(&opening);
    peer.expect_part(OFFER);
    peer.recv(&format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>"));
    peer.recv(&opening);
    assert!(!peer.said().contains("bidi"), "after EXTERNAL");
}

#[test]
fn what_is_switched_off_is_neither_offered_nor_agreed_to() {
    let mut config = InboundConfig::new(secret());
    config.bidi = false;
    let opening = header("from='capulet.example' to='montague.example' version='1.0'");
    let mut peer = Script::inbound_with(config, demands(Demand::Dialback));
    peer.recv(&opening);
    peer.said();
    peer.starttls(demands(Demand::Dialback));
    peer.recv(&opening);
    assert!(!peer.said().contains("bidi"));
    peer.recv(&format!("{BIDI}{KEY}"));
    peer.verified("capulet.example", "montague.example", VALID);
    peer.expect("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    assert_eq!(reverse(&mut peer), [""; 0]);

    let mut config = OutboundConfig::new(secret());
    config.bidi = false;
    let mut peer = initiator_with(config, proves(Demand::Dialback), &format!("{DIALBACK}{OFFER}"));
    assert!(!peer.said().contains("bidi"));
}

#[test]
fn after_dialback_the_inverse_of_each_verified_pair_may_be_sent() {
    for request in [BIDI, OFFER] {
        let mut peer = responder(demands(Demand::DialbackOverTls));
        peer.said();
        peer.recv(request);
        peer.expect("");
        peer.recv(KEY);
        assert_eq!(reverse(&mut peer), [""; 0], "nothing before the key is verified");
        peer.verified("capulet.example", "montague.example", VALID);
        assert_eq!(
            reverse(&mut peer),
            ["+".to_owned() + &back("montague.example", "capulet.example")]
        );
        // The same key again is no news; another pair is.
        peer.recv(KEY);
        peer.verified("capulet.example", "montague.example", VALID);
        assert_eq!(reverse(&mut peer), [""; 0]);
        peer.recv("<db:result from='bank.example' to='montague.example'>k</db:result>");
        peer.verified("bank.example", "montague.example", VALID);
        assert_eq!(
            reverse(&mut peer),
            ["+".to_owned() + &back("montague.example", "bank.example")]
        );
    }
}

#[test]
fn after_external_the_inverse_of_the_headers_pair_may_be_sent_once_features_are_out() {
    let mut peer = responder(proves(Demand::Certificate));
    peer.recv(BIDI);
    peer.recv(&format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>"));
    peer.said();
    assert_eq!(reverse(&mut peer), [""; 0], "not before the restart");
    peer.recv(&header("from='capulet.example' to='montague.example' version='1.0'"));
    peer.expect_part("</stream:features>");
    assert_eq!(reverse(&mut peer), ["+".to_owned() + &back("montague.example", "capulet.example")]);
}

#[test]
fn a_request_in_clear_or_too_late_is_ignored() {
    // In clear, then STARTTLS: what was learnt before TLS is gone.
    let opening = header("from='capulet.example' to='montague.example' version='1.0'");
    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.recv(&opening);
    peer.recv(BIDI);
    peer.said();
    peer.starttls(demands(Demand::Dialback));
    peer.recv(&opening);
    peer.recv(KEY);
    peer.verified("capulet.example", "montague.example", VALID);
    assert_eq!(reverse(&mut peer), [""; 0]);
    // In clear, and in clear it stays.
    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.recv(&opening);
    peer.recv(&format!("{BIDI}{KEY}"));
    peer.verified("capulet.example", "montague.example", VALID);
    assert_eq!(reverse(&mut peer), [""; 0]);
    // While a key is being verified, and after a pair was.
    let mut peer = responder(demands(Demand::Dialback));
    peer.recv(&format!("{KEY}{BIDI}"));
    peer.verified("capulet.example", "montague.example", VALID);
    peer.recv(BIDI);
    peer.recv("<db:result from='bank.example' to='montague.example'>k</db:result>");
    peer.verified("bank.example", "montague.example", VALID);
    assert_eq!(reverse(&mut peer), [""; 0]);
    assert!(peer.closed.is_none());
}

#[test]
fn a_name_that_policy_takes_for_itself_is_sent_nothing() {
    let mut peer = responder(demands(Demand::Assertion));
    assert!(!peer.said().contains("bidi"));
    peer.recv(&format!("{BIDI}{KEY}"));
    peer.verified("capulet.example", "montague.example", VerifyOutcome::Invalid);
    assert_eq!(reverse(&mut peer), [""; 0]);
    // Policy was changed while the stream was open.
    let demand = Rc::new(Cell::new(Demand::Dialback));
    let judged = Rc::clone(&demand);
    let mut peer = responder(Box::new(move |_| Judgement::demands(judged.get())));
    peer.recv(&format!("{BIDI}{KEY}"));
    peer.verified("capulet.example", "montague.example", VALID);
    demand.set(Demand::Assertion);
    peer.recv(KEY);
    let failed = VerifyOutcome::Failed(s2s_proto::DialbackCondition::RemoteServerTimeout);
    peer.verified("capulet.example", "montague.example", failed);
    let pair = back("montague.example", "capulet.example");
    assert_eq!(reverse(&mut peer), [format!("+{pair}"), format!("-{pair}")]);
    // Another name, which was never proved.
    peer.recv("<db:result from='bank.example' to='montague.example'>k</db:result>");
    peer.verified("bank.example", "montague.example", failed);
    peer.expect_part("from='montague.example' to='bank.example' type='valid'");
    assert_eq!(reverse(&mut peer), [""; 0]);
}

#[test]
fn a_pair_that_is_refused_later_takes_its_inverse_with_it() {
    let stays = Rc::new(Cell::new(true));
    let judged = Rc::clone(&stays);
    let mut peer = responder(Box::new(move |_| match judged.get() {
        true => Judgement::demands(Demand::Dialback),
        false => Judgement::refuses(Refusal::Policy("no longer".into())),
    }));
    peer.recv(BIDI);
    for from in ["capulet.example", "bank.example"] {
        peer.recv(&format!("<db:result from='{from}' to='montague.example'>k</db:result>"));
        peer.verified(from, "montague.example", VALID);
    }
    reverse(&mut peer);
    stays.set(false);
    peer.recv(KEY);
    assert_eq!(reverse(&mut peer), ["-".to_owned() + &back("montague.example", "capulet.example")]);
    // And so does EXTERNAL, which begins the stream anew.
    let mut peer = responder(proves(Demand::Dialback));
    peer.recv(&format!("{BIDI}<db:result from='bank.example' to='montague.example'>k</db:result>"));
    peer.recv(&format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>"));
    let pair = back("montague.example", "bank.example");
    assert_eq!(reverse(&mut peer), [format!("+{pair}"), format!("-{pair}")]);
}

#[test]
fn a1_on_a_bidirectional_stream_answers_are_as_unsolicited_as_ever() {
    let mut peer = responder(demands(Demand::Dialback));
    peer.recv(&format!("{BIDI}{KEY}"));
    peer.verified("capulet.example", "montague.example", VALID);
    peer.said();
    reverse(&mut peer);
    peer.recv("<db:result from='bank.example' to='montague.example' type='valid'/>");
    peer.recv("<db:result from='montague.example' to='bank.example' type='valid'/>");
    peer.recv("<db:verify from='bank.example' to='montague.example' id='X' type='valid'/>");
    peer.expect("");
    let kinds = peer.events.iter().filter_map(|event| match event {
        Event::Unsolicited(kind) => Some(*kind),
        _ => None,
    });
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [UnsolicitedKind::Result, UnsolicitedKind::Result, UnsolicitedKind::Verify]
    );
    assert_eq!(reverse(&mut peer), [""; 0]);
    peer.recv("<message from='a@bank.example' to='b@montague.example'/>");
    peer.expect_error("invalid-from");
}

// Initiator.

#[test]
fn the_request_comes_before_dialback_and_before_external() {
    let mut peer = initiator(demands(Demand::DialbackOverTls));
    let said = peer.said();
    assert!(said.starts_with(&format!("{BIDI}<db:result ")), "{said}");
    let offers = format!("{EXTERNAL}{DIALBACK}{OFFER}");
    let mut peer = initiator_with(OutboundConfig::new(secret()), proves(Demand::Dialback), &offers);
    let said = peer.said();
    assert!(said.starts_with(&format!("{BIDI}<auth ")), "{said}");
    // Dialback after a failed EXTERNAL does not ask again.
    peer.recv(&format!("<failure xmlns='{SASL}'><not-authorized/></failure>"));
    let said = peer.said();
    assert!(said.starts_with("<db:result "), "{said}");
}

#[test]
fn our_limits_are_inside_our_request_and_theirs_inside_theirs() {
    let limits = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes><idle-seconds>1800</idle-seconds></limits>";
    let mut config = OutboundConfig::new(secret());
    config.limits = AdvertisedLimits { max_bytes: Some(10_000), idle_seconds: Some(1800) };
    let offers = format!("{DIALBACK}{OFFER}");
    let mut peer = initiator_with(config, demands(Demand::Dialback), &offers);
    peer.expect_part(&format!("<bidi xmlns='urn:xmpp:bidi'>{limits}</bidi><db:result "));
    let mut peer = responder(demands(Demand::Dialback));
    peer.recv(&format!("<bidi xmlns='urn:xmpp:bidi'>{limits}</bidi>"));
    assert!(peer.has_event(|event| matches!(
        event,
        Event::PeerLimits(AdvertisedLimits { max_bytes: Some(10_000), idle_seconds: Some(1800) })
    )));
}

#[test]
fn it_is_asked_for_where_it_is_offered_and_over_tls_only() {
    let config = || OutboundConfig::new(secret());
    let mut peer = initiator_with(config(), demands(Demand::Dialback), DIALBACK);
    assert!(peer.said().starts_with("<db:result "), "not offered");
    let options = OutboundOptions { dialback_first: false, tls: TlsState::Plain };
    let mut peer = Script::outbound_with(config(), options, demands(Demand::Dialback));
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.said();
    peer.recv(&header("from='montague.example' to='capulet.example' id='S1' version='1.0'"));
    peer.recv(&format!("<stream:features>{DIALBACK}{OFFER}</stream:features>"));
    assert!(peer.said().starts_with("<db:result "), "in clear");
    peer.recv("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    peer.recv(&from_romeo("montague.example"));
    peer.expect_error("not-authorized");
}

#[test]
fn the_peer_that_accepted_us_may_send_the_inverse_and_nothing_else() {
    let mut peer = accepted(demands(Demand::DialbackOverTls));
    let proof = Proof::Reached { certificate_proves: false };
    assert_eq!(peer.verified_pairs(), [(back("montague.example", "capulet.example"), proof)]);
    peer.recv(&from_romeo("montague.example"));
    assert_eq!(peer.stanzas.len(), 1);
    assert!(peer.stanzas[0].pair().is("montague.example", "capulet.example"));
    peer.recv(&from_romeo("bank.example"));
    peer.expect_error("invalid-from");
    assert_eq!(peer.stanzas.len(), 1);

    let mut peer = accepted(demands(Demand::DialbackOverTls));
    peer.recv("<message from='romeo@montague.example' to='nurse@rooms.capulet.example'/>");
    peer.expect_error("invalid-from");
}

#[test]
fn after_external_stanzas_are_admitted_behind_the_features() {
    let offers = format!("{EXTERNAL}{DIALBACK}{OFFER}");
    let mut peer =
        initiator_with(OutboundConfig::new(secret()), proves(Demand::Certificate), &offers);
    peer.recv(&format!("<success xmlns='{SASL}'/>"));
    peer.recv(&header(
        "from='montague.example' to='capulet.example' id='S2' version='1.0' xml:lang='it'",
    ));
    peer.recv(&format!("<stream:features/>{}", from_romeo("montague.example")));
    let proof = Proof::Reached { certificate_proves: true };
    assert_eq!(peer.verified_pairs(), [(back("montague.example", "capulet.example"), proof)]);
    let stanza = std::str::from_utf8(peer.stanzas[0].bytes()).unwrap();
    assert!(stanza.contains("xml:lang='it'"), "the header's language moves along: {stanza}");
}

#[test]
fn a_demand_for_a_certificate_is_met_by_one_that_proves_at_the_moment_of_the_grant() {
    // Proved when the key was sent, expired when it was accepted.
    let proved = Rc::new(Cell::new(true));
    let judged = Rc::clone(&proved);
    let mut peer = initiator(Box::new(move |_| {
        let certificate = match judged.get() {
            true => CertificateAnswer::Proves,
            false => CertificateAnswer::Fails("expired".into()),
        };
        Judgement::demands(Demand::Certificate).with_certificate(certificate)
    }));
    proved.set(false);
    peer.recv("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    assert!(peer.permits("capulet.example", "montague.example"), "our direction was accepted");
    assert!(peer.has_event(|event| matches!(
        event,
        Event::PairRefused { why: RefusedBecause::CertificateRequired(text), .. } if &**text == "expired"
    )));
    peer.said();
    peer.recv(&from_romeo("montague.example"));
    peer.expect_error("not-authorized");

    let mut peer = accepted(fails(Demand::DialbackOverTls, "self-signed"));
    let proof = Proof::Reached { certificate_proves: false };
    assert_eq!(peer.verified_pairs()[0].1, proof, "DNS and TLS are what a verify leg has");
}

#[test]
fn a_stanza_before_the_peer_accepted_us_ends_the_stream() {
    let mut peer = initiator(demands(Demand::DialbackOverTls));
    peer.said();
    peer.recv(&from_romeo("montague.example"));
    peer.expect_error("not-authorized");

    // While EXTERNAL runs, and between the restart and the features.
    for steps in [0, 1] {
        let offers = format!("{EXTERNAL}{OFFER}");
        let config = OutboundConfig::new(secret());
        let mut peer = initiator_with(config, proves(Demand::Dialback), &offers);
        if steps == 1 {
            peer.recv(&format!("<success xmlns='{SASL}'/>"));
            peer.recv(&header("from='montague.example' id='S2' version='1.0'"));
        }
        peer.said();
        peer.recv(&from_romeo("montague.example"));
        peer.expect_error("not-authorized");
        assert!(peer.stanzas.is_empty());
    }
}

#[test]
fn a_peer_that_took_our_name_for_itself_may_not_send_back() {
    let options = OutboundOptions { dialback_first: false, tls: TlsState::Direct };
    let config = OutboundConfig::new(secret());
    let mut peer = Script::outbound_with(config, options, demands(Demand::Assertion));
    peer.authorize(pair("capulet.example", "montague.example"));
    // No dialback, neither by feature nor by namespace.
    peer.recv(
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' id='S1' version='1.0'>",
    );
    peer.recv(&format!("<stream:features>{EXTERNAL}{OFFER}</stream:features>"));
    peer.recv(&format!("<failure xmlns='{SASL}'><not-authorized/></failure>"));
    assert!(peer.has_event(|event| matches!(event, Event::Bidirectional)));
    assert!(peer.permits("capulet.example", "montague.example"));
    assert_eq!(peer.verified_pairs(), []);
    peer.said();
    peer.recv(&from_romeo("montague.example"));
    peer.expect_error("not-authorized");
}

#[test]
fn without_the_agreement_stanzas_on_our_stream_end_it() {
    let config = OutboundConfig::new(secret());
    let mut peer = initiator_with(config, proves(Demand::Dialback), DIALBACK);
    peer.recv("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    peer.said();
    peer.recv(&from_romeo("montague.example"));
    peer.expect_error("not-authorized");
}

#[test]
fn a1_an_answer_that_nobody_asked_for_opens_no_reverse_direction() {
    let mut peer = initiator(demands(Demand::DialbackOverTls));
    peer.recv("<db:result from='bank.example' to='capulet.example' type='valid'/>");
    peer.recv("<db:verify from='montague.example' to='capulet.example' id='S1' type='valid'/>");
    assert_eq!(peer.verified_pairs(), []);
    peer.said();
    peer.recv(&from_romeo("bank.example"));
    peer.expect_error("not-authorized");
}

#[test]
fn a_key_for_a_pair_that_may_be_received_is_answered_by_the_judgement_of_today() {
    let mut peer = accepted(demands(Demand::DialbackOverTls));
    let again = "<db:result from='montague.example' to='capulet.example'>k</db:result>";
    peer.recv(again);
    peer.expect("<db:result from='capulet.example' to='montague.example' type='valid'/>");
    assert_eq!(peer.verified_pairs().len(), 1, "the same proof is no news");
    peer.judge = demands(Demand::Certificate);
    peer.recv(again);
    let said = peer.said();
    assert!(said.contains("type='error'") && said.contains("<not-authorized "), "{said}");
    assert!(said.contains("a valid certificate is required"), "{said}");
    peer.recv(&from_romeo("montague.example"));
    peer.expect_error("not-authorized");
}

#[test]
fn only_the_target_that_was_called_is_reached() {
    let mut peer = accepted(demands(Demand::DialbackOverTls));
    peer.authorize(pair("capulet.example", "rooms.montague.example"));
    peer.said();
    peer.recv("<db:result from='rooms.montague.example' to='capulet.example' type='valid'/>");
    assert!(peer.permits("capulet.example", "rooms.montague.example"));
    assert_eq!(peer.verified_pairs().len(), 1);
    peer.recv(&from_romeo("rooms.montague.example"));
    peer.expect_error("invalid-from");
}

#[test]
fn a_key_on_our_stream_is_sent_to_another_stream_without_costing_this_one() {
    let mut peer = accepted(demands(Demand::DialbackOverTls));
    peer.recv("<db:result from='rooms.montague.example' to='capulet.example'>k</db:result>");
    peer.expect(
        "<db:result from='capulet.example' to='rooms.montague.example' type='error'><error type='wait'>\
         <resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>",
    );
    assert!(peer.verify.is_empty(), "a key is never verified on the stream it came on");
    peer.recv("<db:result from='montague.example' to='capulet.example'>k</db:result>");
    peer.expect("<db:result from='capulet.example' to='montague.example' type='valid'/>");
    // More of them than unexpected elements are suffered.
    for _ in 0..40 {
        peer.recv("<db:result from='rooms.montague.example' to='capulet.example'>k</db:result>");
    }
    peer.recv(&from_romeo("montague.example"));
    assert_eq!(peer.stanzas.len(), 1);
    peer.said();
    peer.recv(&from_romeo("rooms.montague.example"));
    peer.expect_error("invalid-from");
}

#[test]
fn keys_of_ours_are_checked_on_our_stream_too() {
    let mut peer = accepted(demands(Demand::DialbackOverTls));
    let key = secret().key("montague.example", "capulet.example", "D6");
    for (key, kind) in [(key.as_str(), "valid"), ("made-up", "invalid")] {
        peer.recv(&format!(
            "<db:verify from='montague.example' to='capulet.example' id='D6'>{key}</db:verify>"
        ));
        peer.expect(&format!(
            "<db:verify from='capulet.example' to='montague.example' id='D6' type='{kind}'/>"
        ));
    }
    let refusing: Judge = Box::new(|pair| match pair.sender().as_str() {
        "capulet.example" => Judgement::demands(Demand::Dialback),
        _ => Judgement::refuses(Refusal::UnknownHost),
    });
    let mut peer = accepted(refusing);
    peer.recv("<db:verify from='montague.example' to='bank.example' id='D6'>k</db:verify>");
    peer.expect_part("item-not-found");
}

#[test]
fn our_polite_end_loses_nothing_that_the_peer_has_under_way() {
    let mut peer = accepted(demands(Demand::DialbackOverTls));
    peer.give(Input::Shutdown);
    peer.expect("</stream:stream>");
    peer.recv(&from_romeo("montague.example"));
    assert_eq!(peer.stanzas.len(), 1);
    peer.recv("</stream:stream>");
    assert!(peer.closed.is_some());
    assert!(!peer.admits());
}
