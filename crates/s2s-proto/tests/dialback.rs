//! Dialback dialogues of an inbound stream: receiving and authoritative role.

mod support;

use std::cell::RefCell;
use std::rc::Rc;

use s2s_proto::{
    CertificateAnswer, CloseReason, Demand, DialbackCondition, Event, InboundConfig, Judgement,
    Phase, Proof, Refusal, RefusedBecause, UnsolicitedKind, VerifyOutcome,
};
use support::{Judge, Script, demands, fails, header, proves, secret};

const OPENING: &str = "from='capulet.example' to='montague.example' version='1.0'";
const VALID: VerifyOutcome = VerifyOutcome::Valid { leg_tls: true };

fn plain(judge: Judge) -> Script {
    let mut peer = Script::inbound(judge);
    peer.recv(&header(OPENING));
    peer.said();
    peer
}

fn tls(judge: Judge) -> Script {
    let mut peer = Script::inbound_direct(judge);
    peer.recv(&header(OPENING));
    peer.said();
    peer
}

fn pre_1_0(judge: Judge) -> Script {
    let mut peer = Script::inbound(judge);
    peer.recv(&header("from='capulet.example' to='montague.example'"));
    peer.said();
    peer
}

fn result(from: &str, to: &str, key: &str) -> String {
    format!("<db:result from='{from}' to='{to}'>{key}</db:result>")
}

fn answer(kind: &str) -> String {
    format!("<db:result from='montague.example' to='capulet.example' type='{kind}'/>")
}

fn error(to: &str, error_type: &str, condition: &str) -> String {
    format!(
        "<db:result from='montague.example' to='{to}' type='error'><error type='{error_type}'>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>"
    )
}

#[test]
fn a_key_is_verified_elsewhere_and_answered_here() {
    for mut peer in [plain(demands(Demand::Dialback)), pre_1_0(demands(Demand::Dialback))] {
        peer.recv(&result("capulet.example", "montague.example", "\n  abc123\n "));
        peer.expect("");
        let request = peer.verify.pop().unwrap();
        assert!(request.pair.is("capulet.example", "montague.example"));
        assert_eq!((&*request.key, request.demand), ("abc123", Demand::Dialback));
        assert_eq!(request.stream_id.len(), 32);
        peer.verified("capulet.example", "montague.example", VALID);
        peer.expect(&answer("valid"));
        let proof = Proof::Dialback { stream_tls: false, leg_tls: true };
        assert_eq!(peer.verified_pairs(), [("capulet.example -> montague.example".into(), proof)]);
    }
}

#[test]
fn names_that_the_header_left_out_are_learnt_from_the_key() {
    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.recv(&header(""));
    peer.said();
    peer.recv(&result("capulet.example", "montague.example", "abc"));
    peer.verified("capulet.example", "montague.example", VALID);
    peer.expect(&answer("valid"));
    assert!(peer.is_open());
}

#[test]
fn the_key_is_bound_to_the_id_after_tls() {
    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.recv(&header(OPENING));
    let before = Script::id_of(&peer.said());
    peer.starttls(demands(Demand::Dialback));
    peer.recv(&header(OPENING));
    let after = Script::id_of(&peer.said());
    peer.recv(&result("capulet.example", "montague.example", "abc"));
    assert_eq!(&*peer.verify[0].stream_id, after);
    assert_ne!(before, after);
}

#[test]
fn any_prefix_is_read() {
    let mut peer = plain(demands(Demand::Dialback));
    peer.recv("<x:result xmlns:x='jabber:server:dialback' from='capulet.example' to='montague.example'>k</x:result>");
    assert_eq!(peer.verify.len(), 1);
}

#[test]
fn a1_unsolicited_answers_are_dropped_and_counted() {
    let mut peer = tls(demands(Demand::Dialback));
    peer.recv("<db:verify from='bank.example' to='montague.example' id='X' type='valid'/>");
    peer.recv("<db:result from='bank.example' to='montague.example' type='valid'/>");
    peer.recv("<db:result type='valid'/>");
    peer.expect("");
    assert!(peer.has_event(|event| matches!(event, Event::Unsolicited(UnsolicitedKind::Verify))));
    assert!(peer.has_event(|event| matches!(event, Event::Unsolicited(UnsolicitedKind::Result))));
    assert!(peer.verified_pairs().is_empty() && peer.judged.is_empty());
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", VALID);
    peer.said();
    peer.recv("<message from='a@bank.example' to='b@montague.example'/>");
    peer.expect_error("invalid-from");
}

#[test]
fn a1_an_answer_with_the_right_id_on_the_stream_that_asks_for_belief_is_dropped() {
    let mut peer = tls(demands(Demand::Dialback));
    peer.recv(&result("bank.example", "montague.example", "k"));
    let id = peer.verify[0].stream_id.clone();
    for (from, to) in [
        ("bank.example", "montague.example"),
        ("montague.example", "bank.example"),
        ("other.example", "montague.example"),
    ] {
        peer.recv(&format!("<db:verify from='{from}' to='{to}' id='{id}' type='valid'/>"));
        peer.recv(&format!("<db:result from='{from}' to='{to}' type='valid'/>"));
    }
    peer.expect("");
    let dropped = peer.events.iter().filter(|event| matches!(event, Event::Unsolicited(_)));
    assert_eq!(dropped.count(), 6);
    assert!(peer.verified_pairs().is_empty() && !peer.is_open());
    peer.recv("<message from='a@bank.example' to='b@montague.example'/>");
    peer.expect_error("not-authorized");
}

#[test]
fn a2_an_outcome_counts_for_exactly_the_pair_it_names() {
    let mut peer = tls(demands(Demand::Dialback));
    peer.recv(&result("xvictim.example", "montague.example", "k"));
    peer.verified("victim.example", "montague.example", VALID);
    peer.verified("xvictim.example", "ontague.example", VALID);
    peer.expect("");
    assert!(peer.verified_pairs().is_empty());
}

#[test]
fn a6_only_the_sender_that_the_certificate_proves_is_answered_from_it() {
    let judge: Judge = Box::new(|pair| {
        let judgement = Judgement::demands(Demand::Dialback);
        match pair.sender().as_str() {
            "capulet.example" => judgement.with_certificate(CertificateAnswer::Proves),
            _ => judgement.with_certificate(CertificateAnswer::Fails("wrong name".into())),
        }
    });
    let mut peer = tls(judge);
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.expect(&answer("valid"));
    assert_eq!(peer.verified_pairs()[0].1, Proof::CertificateDialback);
    peer.recv(&result("b.example", "montague.example", "k"));
    peer.expect("");
    assert_eq!(peer.verify.len(), 1, "a real dialback, no shortcut");
}

#[test]
fn a_certificate_in_the_clear_is_no_proof() {
    let mut peer = plain(proves(Demand::Dialback));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    assert_eq!(peer.verify.len(), 1);
}

#[test]
fn a_certificate_that_policy_demands_cannot_be_replaced_by_a_key() {
    let mut peer = tls(fails(Demand::Certificate, "certificate expired"));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.expect(&refused("not-authorized", "a valid certificate is required: certificate expired"));
    assert!(matches!(peer.closed, Some(CloseReason::Failed(_))));
    assert!(peer.verify.is_empty());
}

/// What most servers log: of a dialback error they keep no text.
fn refused(condition: &str, text: &str) -> String {
    const NS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
    format!(
        "<stream:error><{condition} xmlns='{NS}'/><text xmlns='{NS}' xml:lang='en'>{text}</text></stream:error>\
         </stream:stream>"
    )
}

#[test]
fn a_refusal_that_the_peer_can_mend_costs_no_other_pair() {
    let mut peer = tls(Box::new(|pair| {
        let answer = if pair.sender().as_str() == "capulet.example" {
            CertificateAnswer::Proves
        } else {
            CertificateAnswer::Fails("the certificate does not name this domain".into())
        };
        Judgement::demands(Demand::Certificate).with_certificate(answer)
    }));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.expect(&answer("valid"));
    peer.recv(&result("verona.example", "montague.example", "k"));
    let said = peer.expect_part("<not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>");
    assert!(said.contains("does not name this domain"), "{said}");
    assert!(peer.closed.is_none() && peer.is_open());
}

#[test]
fn a27_both_legs_need_tls_where_policy_says_so() {
    let mut peer = tls(demands(Demand::DialbackOverTls));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", VerifyOutcome::Valid { leg_tls: false });
    peer.expect(&refused("policy-violation", "TLS is required on the authoritative server too"));
    assert!(peer.verified_pairs().is_empty() && !peer.is_open());

    let mut peer = tls(demands(Demand::Dialback));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", VerifyOutcome::Valid { leg_tls: false });
    peer.expect(&answer("valid"));
}

#[test]
fn invalid_costs_the_stream_unless_it_carries_other_pairs() {
    let mut peer = tls(demands(Demand::Dialback));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", VerifyOutcome::Invalid);
    peer.expect(&format!("{}</stream:stream>", answer("invalid")));
    assert_eq!(peer.closed, Some(CloseReason::Finished));

    let mut peer = tls(demands(Demand::Dialback));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", VALID);
    peer.said();
    peer.recv(&result("rooms.capulet.example", "montague.example", "k"));
    peer.verified("rooms.capulet.example", "montague.example", VerifyOutcome::Invalid);
    peer.expect(&error("rooms.capulet.example", "auth", "forbidden"));
    assert!(peer.closed.is_none() && peer.is_open());
}

#[test]
fn a_target_that_is_not_ours_costs_its_pair_only() {
    let mut peer = tls(Box::new(|pair| match pair.target().as_str() {
        "montague.example" => Judgement::demands(Demand::Dialback),
        _ => Judgement::refuses(Refusal::UnknownHost),
    }));
    peer.recv(&result("capulet.example", "nobody.example", "k"));
    peer.expect(
        &error("capulet.example", "cancel", "item-not-found").replace("montague", "nobody"),
    );
    assert!(peer.closed.is_none());
}

#[test]
fn a32_a_key_for_a_domain_of_ours_is_refused() {
    let mut peer = tls(Box::new(|pair| match pair.sender().as_str() {
        "montague.example" => Judgement::refuses(Refusal::OurOwnDomain),
        _ => Judgement::demands(Demand::Dialback),
    }));
    peer.recv(&result("montague.example", "montague.example", "k"));
    peer.expect(&error("montague.example", "modify", "not-acceptable"));
}

#[test]
fn failures_are_dialback_errors_or_stream_errors_before_1_0() {
    let failed = VerifyOutcome::Failed(DialbackCondition::RemoteServerNotFound);
    let mut peer = plain(demands(Demand::Dialback));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", failed);
    peer.expect(&error("capulet.example", "cancel", "remote-server-not-found"));
    assert!(peer.closed.is_none());

    let mut peer = pre_1_0(demands(Demand::Dialback));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", failed);
    peer.expect_error("remote-connection-failed");

    let mut peer = pre_1_0(demands(Demand::DialbackOverTls));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.expect_error("policy-violation");
}

#[test]
fn a24_pending_verifications_are_bounded() {
    let mut peer = tls(demands(Demand::Dialback));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", VALID);
    peer.said();
    peer.verify.clear();
    for number in 0..1000 {
        peer.recv(&result(&format!("d{number}.example"), "montague.example", "k"));
    }
    assert_eq!(peer.verify.len(), 16);
    let said = peer.said();
    assert_eq!(said.matches("<resource-constraint ").count(), 984);
    assert!(peer.closed.is_none());
    assert!(peer.has_event(|event| matches!(
        event,
        Event::PairRefused { why: RefusedBecause::TooManyPending, .. }
    )));
}

#[test]
fn verified_pairs_are_bounded() {
    let mut config = InboundConfig::new(secret());
    config.pairs_max = 1;
    let mut peer = Script::inbound_with(config, demands(Demand::Dialback));
    peer.recv(&header(OPENING));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", VALID);
    peer.said();
    peer.recv(&result("rooms.capulet.example", "montague.example", "k"));
    peer.expect(&error("rooms.capulet.example", "wait", "resource-constraint"));
}

#[test]
fn a_verification_that_takes_too_long_is_answered_and_its_late_outcome_dropped() {
    let mut peer = tls(demands(Demand::Dialback));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.time_out();
    peer.expect(&error("capulet.example", "wait", "remote-server-timeout"));
    peer.recv(&result("capulet.example", "montague.example", "forged"));
    peer.expect_part("resource-constraint");
    peer.verified("capulet.example", "montague.example", VALID);
    assert!(peer.verified_pairs().is_empty(), "it was the answer to the other key");
    peer.recv(&result("capulet.example", "montague.example", "k2"));
    peer.verified("capulet.example", "montague.example", VALID);
    assert_eq!(peer.verified_pairs().len(), 1);
}

#[test]
fn a21_tls_cannot_begin_while_a_key_is_being_verified() {
    let mut peer = plain(demands(Demand::Dialback));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.recv("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    peer.expect("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>");
    assert!(peer.closed.is_some());
}

#[test]
fn keys_are_checked_for_others_without_state() {
    let key = secret().key("capulet.example", "montague.example", "417GAF25");
    let verify = |key: &str| {
        format!(
            "<db:verify from='capulet.example' to='montague.example' id='417GAF25'>\n {key}\n</db:verify>"
        )
    };
    let said = |kind: &str| {
        format!(
            "<db:verify from='montague.example' to='capulet.example' id='417GAF25' type='{kind}'/>"
        )
    };
    for judge in [demands(Demand::Dialback), demands(Demand::Certificate)] {
        let mut peer = plain(judge);
        peer.recv(&verify(&key));
        peer.expect(&said("valid"));
        peer.recv(&verify("00"));
        peer.expect(&said("invalid"));
        assert!(
            peer.has_event(|event| matches!(event, Event::DialbackAnswered { valid: false, .. }))
        );
        assert!(peer.verified_pairs().is_empty());
    }
    let mut peer = pre_1_0(Box::new(|pair| match pair.target().as_str() {
        "montague.example" => Judgement::demands(Demand::Dialback),
        _ => Judgement::refuses(Refusal::UnknownHost),
    }));
    peer.recv("<db:verify from='capulet.example' to='nobody.example' id='1'>k</db:verify>");
    peer.expect(
        "<db:verify from='nobody.example' to='capulet.example' id='1' type='error'><error type='cancel'>\
         <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>",
    );
}

#[test]
fn a3_an_id_with_a_space_is_never_valid() {
    let key = secret().key("jabber.example", "bber.example", "S ja");
    let mut peer = plain(demands(Demand::Dialback));
    peer.recv(&format!(
        "<db:verify from='jabber.example' to='bber.example' id='S ja'>{key}</db:verify>"
    ));
    peer.expect_part("type='invalid'");
}

#[test]
fn a4_a_key_that_was_made_for_another_server_is_invalid() {
    // The attacker made us connect to it with the id of the stream it has open at the victim.
    let ours = secret().key("attacker.example", "montague.example", "S");
    let mut peer = plain(demands(Demand::Dialback));
    peer.recv(&format!(
        "<db:verify from='victim.example' to='montague.example' id='S'>{ours}</db:verify>"
    ));
    peer.expect_part("type='invalid'");
}

#[test]
fn a37_dialback_elements_with_missing_parts_do_no_harm() {
    for element in [
        "<db:result/>",
        "<db:result from='capulet.example'>k</db:result>",
        "<db:result from='@' to='montague.example'>k</db:result>",
        "<db:verify from='capulet.example' to='montague.example'>k</db:verify>",
        "<db:verify id='1'>k</db:verify>",
        "<db:other from='capulet.example' to='montague.example'/>",
    ] {
        let mut peer = tls(demands(Demand::Dialback));
        peer.recv(element);
        assert!(matches!(peer.closed, Some(CloseReason::Failed(_))), "{element}");
        assert!(peer.verified_pairs().is_empty());
    }
}

#[test]
fn where_names_are_taken_a_denial_still_counts() {
    let mut peer = plain(demands(Demand::Assertion));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified(
        "capulet.example",
        "montague.example",
        VerifyOutcome::Failed(DialbackCondition::RemoteServerTimeout),
    );
    peer.expect(&answer("valid"));
    let mut peer = plain(demands(Demand::Assertion));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", VerifyOutcome::Invalid);
    peer.expect(&format!("{}</stream:stream>", answer("invalid")));
}

/// A judge the test changes its mind about.
fn changing(first: Judgement) -> (Rc<RefCell<Judgement>>, Judge) {
    let now = Rc::new(RefCell::new(first));
    let shared = Rc::clone(&now);
    (now, Box::new(move |_| shared.borrow().clone()))
}

#[test]
fn a_pair_that_is_refused_may_no_longer_send_by_an_older_proof() {
    for refusal in [
        Judgement::demands(Demand::Certificate),
        Judgement::demands(Demand::DialbackOverTls),
        Judgement::refuses(Refusal::Policy("closed".into())),
        Judgement::refuses(Refusal::UnknownHost),
        Judgement::refuses(Refusal::OurOwnDomain),
    ] {
        let (judgement, judge) = changing(Judgement::demands(Demand::Dialback));
        let mut peer = plain(judge);
        peer.recv(&result("capulet.example", "montague.example", "k"));
        peer.verified("capulet.example", "montague.example", VALID);
        assert!(peer.is_open());
        *judgement.borrow_mut() = refusal;
        peer.recv(&result("capulet.example", "montague.example", "k"));
        assert!(!peer.is_open());
        if peer.closed.is_none() {
            peer.time_out();
            assert_eq!(peer.closed, Some(CloseReason::TimedOut(Phase::Negotiation)));
        }
    }
}

#[test]
fn a_raised_demand_ends_an_older_weaker_proof() {
    let (judgement, judge) = changing(Judgement::demands(Demand::Assertion));
    let mut peer = plain(judge);
    assert!(peer.is_open(), "the name was taken");
    *judgement.borrow_mut() = Judgement::demands(Demand::Dialback);
    peer.recv(&result("capulet.example", "montague.example", "k"));
    assert!(!peer.is_open(), "it has to be proved first");
    let failed = VerifyOutcome::Failed(DialbackCondition::RemoteServerTimeout);
    peer.verified("capulet.example", "montague.example", failed);
    assert!(!peer.is_open());

    let (judgement, judge) = changing(Judgement::demands(Demand::Dialback));
    let mut peer = tls(judge);
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", VerifyOutcome::Valid { leg_tls: false });
    assert!(peer.is_open());
    *judgement.borrow_mut() = Judgement::demands(Demand::DialbackOverTls);
    peer.recv(&result("capulet.example", "montague.example", "k"));
    assert!(!peer.is_open(), "the leg that proved it was in the clear");
    peer.verified("capulet.example", "montague.example", VALID);
    assert!(peer.is_open());
}

#[test]
fn a_key_under_way_when_its_pair_is_refused_counts_no_more() {
    for refusal in [
        Judgement::demands(Demand::Certificate),
        Judgement::demands(Demand::DialbackOverTls),
        Judgement::refuses(Refusal::Policy("closed".into())),
    ] {
        let (judgement, judge) = changing(Judgement::demands(Demand::Dialback));
        let mut peer = plain(judge);
        peer.recv(&result("capulet.example", "montague.example", "k"));
        *judgement.borrow_mut() = refusal;
        peer.recv(&result("capulet.example", "montague.example", "k"));
        peer.verified("capulet.example", "montague.example", VALID);
        assert!(!peer.is_open() && peer.verified_pairs().is_empty());
    }
}

#[test]
fn a_key_under_way_is_held_against_the_latest_demand() {
    let (judgement, judge) = changing(Judgement::demands(Demand::Dialback));
    let mut peer = tls(judge);
    peer.recv(&result("capulet.example", "montague.example", "k"));
    *judgement.borrow_mut() = Judgement::demands(Demand::DialbackOverTls);
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", VerifyOutcome::Valid { leg_tls: false });
    assert!(!peer.is_open() && peer.verified_pairs().is_empty());
}

#[test]
fn a_stream_that_lost_its_only_pair_has_a_deadline_again() {
    let mut peer = plain(demands(Demand::Dialback));
    peer.recv(&result("capulet.example", "montague.example", "k"));
    peer.verified("capulet.example", "montague.example", VALID);
    peer.recv(&result("rooms.capulet.example", "montague.example", "k"));
    peer.recv(&result("capulet.example", "montague.example", "other"));
    peer.verified("capulet.example", "montague.example", VerifyOutcome::Invalid);
    let failed = VerifyOutcome::Failed(DialbackCondition::RemoteConnectionFailed);
    peer.verified("rooms.capulet.example", "montague.example", failed);
    assert!(!peer.is_open() && peer.closed.is_none());
    peer.time_out();
    assert_eq!(peer.closed, Some(CloseReason::TimedOut(Phase::Negotiation)));
}

#[test]
fn a_pair_that_is_proved_again_is_announced_once() {
    let mut peer = tls(proves(Demand::Dialback));
    peer.said();
    for _ in 0..3 {
        peer.recv(&result("capulet.example", "montague.example", "k"));
        peer.expect(&answer("valid"));
    }
    assert_eq!(peer.verified_pairs().len(), 1);
}

#[test]
fn a_key_of_the_stream_before_tls_is_worth_nothing_after_it() {
    let mut peer = plain(demands(Demand::Dialback));
    peer.starttls(demands(Demand::Dialback));
    peer.recv(&header("from='capulet.example' to='montague.example' version='1.0'"));
    peer.verified("capulet.example", "montague.example", VALID);
    assert!(!peer.is_open() && peer.verified_pairs().is_empty());
}

#[test]
fn a32_a_key_check_in_the_name_of_a_domain_of_ours_is_refused() {
    let mut peer = plain(Box::new(|pair| match pair.sender().as_str() {
        "montague.example" => Judgement::refuses(Refusal::OurOwnDomain),
        _ => Judgement::demands(Demand::Dialback),
    }));
    let key = secret().key("montague.example", "montague.example", "S");
    peer.recv(&format!(
        "<db:verify from='montague.example' to='montague.example' id='S'>{key}</db:verify>"
    ));
    peer.expect(
        "<db:verify from='montague.example' to='montague.example' id='S' type='error'><error type='modify'>\
         <not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>",
    );
}

#[test]
fn external_waits_for_a_key_that_is_being_verified() {
    let external = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>";
    // The certificate proves the sender of the header and not that of the key.
    let mut peer = tls(Box::new(|pair| match pair.sender().as_str() {
        "capulet.example" => {
            Judgement::demands(Demand::Dialback).with_certificate(CertificateAnswer::Proves)
        }
        _ => Judgement::demands(Demand::Dialback),
    }));
    peer.recv(&result("rooms.capulet.example", "montague.example", "k"));
    peer.said();
    peer.recv(external);
    peer.expect_part("<temporary-auth-failure/>");
    peer.verified("rooms.capulet.example", "montague.example", VALID);
    peer.said();
    peer.recv(external);
    peer.expect("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    assert!(!peer.is_open(), "nothing outlives the restart");
}
