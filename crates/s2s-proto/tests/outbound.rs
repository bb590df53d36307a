//! Outbound dialogues: we initiate, and ask authoritative servers. Names beginning with `a<number>` are attacks.

mod support;

use std::sync::Arc;

use s2s_proto::{
    CertificateAnswer, CloseReason, Demand, DialbackCondition, Event, HowAuthorized, Input,
    Judgement, Millis, OutboundConfig, OutboundFailure, OutboundOptions, OutboundStream, Output,
    Phase, Refusal, StreamCondition, TlsPeer, TlsState, UnsolicitedKind, VerifyOutcome,
    VerifyRequest,
};
use support::{Judge, Script, demands, header, pair, plain, proves, secret};

const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const ANSWER: &str = "from='montague.example' to='capulet.example' id='S1' version='1.0'";
const DIALBACK: &str = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";
const EXTERNAL: &str = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>";

fn direct(dialback_first: bool) -> OutboundOptions {
    OutboundOptions { dialback_first, tls: TlsState::Direct }
}

fn features(inner: &str) -> String {
    format!("<stream:features>{inner}</stream:features>")
}

/// A stream over direct TLS up to its features; its own pair is asked for.
fn over_tls(judge: Judge, dialback_first: bool, offers: &str) -> Script {
    let mut peer = Script::outbound(direct(dialback_first), judge);
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.said();
    peer.recv(&header(ANSWER));
    peer.recv(&features(offers));
    peer
}

fn key(id: &str) -> String {
    let key = secret().key("montague.example", "capulet.example", id);
    format!("<db:result from='capulet.example' to='montague.example'>{key}</db:result>")
}

fn failed(peer: &Script) -> Option<OutboundFailure> {
    peer.events.iter().find_map(|event| match event {
        Event::PairFailed { failure, .. } => Some(failure.clone()),
        _ => None,
    })
}

fn authorized(peer: &Script) -> Vec<HowAuthorized> {
    let how = peer.events.iter().filter_map(|event| match event {
        Event::PairAuthorized { how, .. } => Some(*how),
        _ => None,
    });
    how.collect()
}

fn request(stream_id: &str, demand: Demand) -> VerifyRequest {
    let pair = pair("montague.example", "capulet.example");
    VerifyRequest { pair, stream_id: stream_id.into(), key: "a&b".into(), demand }
}

fn outcomes(peer: &Script) -> Vec<VerifyOutcome> {
    let outcomes = peer.events.iter().filter_map(|event| match event {
        Event::VerifyAnswer { outcome, .. } => Some(*outcome),
        _ => None,
    });
    outcomes.collect()
}

#[test]
fn our_header_is_exactly_this() {
    let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
    peer.expect(
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' \
         xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' version='1.0' xml:lang='en'>",
    );
}

#[test]
fn starttls_then_a_new_header_then_dialback_with_the_new_id() {
    let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.said();
    peer.recv(&header(ANSWER));
    peer.recv(&features(&format!("<starttls xmlns='{TLS}'/>{DIALBACK}")));
    peer.expect(&format!("<starttls xmlns='{TLS}'/>"));
    peer.recv(&format!("<proceed xmlns='{TLS}'/>"));
    peer.tls_done();
    peer.expect_part("<stream:stream ");
    peer.recv(&header(&ANSWER.replace("S1", "S2")));
    peer.expect("");
    peer.recv(&features(DIALBACK));
    peer.expect(&key("S2"));
    assert!(!peer.permits("capulet.example", "montague.example"));
    peer.recv("<db:result from='montague.example' to='capulet.example' type='valid' id='x'>echoed</db:result>");
    assert!(peer.permits("capulet.example", "montague.example"));
    assert!(peer.has_event(|event| matches!(
        event,
        Event::PairAuthorized { tls: true, certificate_proves: false, .. }
    )));
}

#[test]
fn a_peer_from_before_1_0_is_sent_a_key_at_once() {
    let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.said();
    peer.recv(&header("id='S1'"));
    peer.expect(&key("S1"));
}

#[test]
fn without_dialback_anywhere_only_policy_helps() {
    let bare = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' id='1'>";
    let mut peer = Script::outbound(plain(false), demands(Demand::Assertion));
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.recv(bare);
    assert_eq!(authorized(&peer), [HowAuthorized::Asserted]);
    let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.recv(bare);
    assert_eq!(failed(&peer), Some(OutboundFailure::Unauthenticated));
}

#[test]
fn external_names_the_sender_and_restarts_the_stream() {
    let mut peer = over_tls(proves(Demand::Certificate), false, &format!("{EXTERNAL}{DIALBACK}"));
    peer.expect(&format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>Y2FwdWxldC5leGFtcGxl</auth>"));
    peer.recv(&format!("<success xmlns='{SASL}'/>"));
    peer.expect_part("<stream:stream ");
    assert!(authorized(&peer).is_empty());
    peer.recv(&header(&ANSWER.replace("S1", "S2")));
    peer.recv(&features(""));
    assert_eq!(authorized(&peer), [HowAuthorized::External]);
    assert!(peer.has_event(|event| matches!(
        event,
        Event::PairAuthorized { certificate_proves: true, .. }
    )));
    let Some(support::Machine::Outbound(stream)) = Some(&peer.machine) else { unreachable!() };
    assert!(stream.peer_supports_dialback_errors(), "announced before authentication");
}

#[test]
fn a_challenge_is_answered_with_the_name() {
    let mut peer = over_tls(demands(Demand::Dialback), false, EXTERNAL);
    peer.said();
    peer.recv(&format!("<challenge xmlns='{SASL}'/>"));
    peer.expect(&format!("<response xmlns='{SASL}'>Y2FwdWxldC5leGFtcGxl</response>"));
}

#[test]
fn after_a_refused_external_dialback_follows_on_the_same_stream() {
    let mut peer = over_tls(demands(Demand::Dialback), false, &format!("{EXTERNAL}{DIALBACK}"));
    peer.said();
    peer.recv(&format!("<failure xmlns='{SASL}'><not-authorized/></failure>"));
    assert!(peer.has_event(|event| matches!(event, Event::ExternalRefused)));
    peer.expect(&key("S1"));
    peer.recv("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    assert_eq!(authorized(&peer), [HowAuthorized::Dialback]);
}

#[test]
fn a_refused_external_that_closes_the_stream_is_named() {
    let mut peer = over_tls(demands(Demand::Dialback), false, &format!("{EXTERNAL}{DIALBACK}"));
    peer.recv(&format!("<failure xmlns='{SASL}'><not-authorized/></failure></stream:stream>"));
    assert_eq!(failed(&peer), Some(OutboundFailure::Unauthenticated));
    assert_eq!(peer.closed, Some(CloseReason::PeerClosed));
}

#[test]
fn an_end_in_place_of_the_answer_to_external_is_a_refusal_too() {
    let error = |condition: &str| {
        format!(
            "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
        )
    };
    for (ending, refused) in [
        ("</stream:stream>".to_owned(), true),
        (error("not-authorized"), true),
        (error("policy-violation"), true),
        (error("host-unknown"), false),
        (error("system-shutdown"), false),
    ] {
        let mut peer = over_tls(demands(Demand::Dialback), false, &format!("{EXTERNAL}{DIALBACK}"));
        peer.recv(&ending);
        let told = peer.has_event(|event| matches!(event, Event::ExternalRefused));
        assert_eq!(told, refused, "{ending}");
        assert!(failed(&peer).is_some());
    }
    let mut peer = over_tls(demands(Demand::Dialback), false, &format!("{EXTERNAL}{DIALBACK}"));
    peer.give(Input::Eof);
    assert!(peer.has_event(|event| matches!(event, Event::ExternalRefused)));
    assert_eq!(failed(&peer), Some(OutboundFailure::Unauthenticated));
}

#[test]
fn dialback_first_skips_external_when_dialback_is_possible() {
    let mut peer = over_tls(demands(Demand::Dialback), true, &format!("{EXTERNAL}{DIALBACK}"));
    peer.expect(&key("S1"));
}

#[test]
fn a_certificate_that_does_not_prove_the_peer_ends_what_policy_forbids() {
    let judge: Judge = Box::new(|_| {
        Judgement::demands(Demand::Certificate)
            .with_certificate(CertificateAnswer::Fails("old".into()))
    });
    let mut peer = over_tls(judge, false, &format!("{EXTERNAL}{DIALBACK}"));
    // The peer's administrator reads it in its log.
    let said = peer.expect_part("<stream:error><not-authorized ");
    assert!(said.contains("a valid certificate is required: old"), "{said}");
    assert_eq!(failed(&peer), Some(OutboundFailure::NotTrusted));
    assert_eq!(peer.closed, Some(CloseReason::Outbound(OutboundFailure::NotTrusted)));
    let peer =
        over_tls(Box::new(|_| Judgement::refuses(Refusal::Policy("no".into()))), false, DIALBACK);
    assert_eq!(failed(&peer), Some(OutboundFailure::NotTrusted));
}

#[test]
fn a20_tls_is_asked_for_where_the_offer_was_removed() {
    for reply in [
        "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        "</stream:stream>",
        "<stream:error/>",
        "<x xmlns='y'/>",
    ] {
        let mut peer = Script::outbound(plain(false), demands(Demand::DialbackOverTls));
        peer.authorize(pair("capulet.example", "montague.example"));
        peer.said();
        peer.recv(&header(ANSWER));
        peer.recv(&features(DIALBACK));
        peer.expect(&format!("<starttls xmlns='{TLS}'/>"));
        peer.recv(reply);
        assert_eq!(failed(&peer), Some(OutboundFailure::TlsNotOffered), "{reply}");
        assert!(!peer.said().contains("db:result"));
    }
    let mut peer = Script::outbound(plain(false), demands(Demand::DialbackOverTls));
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.recv(&header("id='S1'"));
    assert_eq!(
        failed(&peer),
        Some(OutboundFailure::TlsNotOffered),
        "before 1.0 there is no STARTTLS"
    );
}

#[test]
fn a39_a_broken_handshake_fails_the_pair() {
    let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.recv(&header(ANSWER));
    peer.recv(&features(&format!("<starttls xmlns='{TLS}'/>")));
    peer.recv(&format!("<proceed xmlns='{TLS}'/>"));
    peer.give(Input::Eof);
    assert_eq!(failed(&peer), Some(OutboundFailure::TlsFailed));
}

#[test]
fn a34_a_redirection_is_a_failure_and_never_followed_before_tls_nor_after() {
    let begun = |options| {
        let mut peer = Script::outbound(options, demands(Demand::Dialback));
        peer.authorize(pair("capulet.example", "montague.example"));
        peer.recv(&header(ANSWER));
        peer
    };
    let in_clear = begun(plain(false));
    let over_tls = begun(direct(false));
    let mut asked = begun(direct(false));
    asked.recv(&features(DIALBACK));
    for mut peer in [in_clear, over_tls, asked] {
        peer.said();
        peer.recv(
            "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>evil.example\
             </see-other-host></stream:error>",
        );
        let Some(OutboundFailure::PeerError(error)) = failed(&peer) else {
            panic!("{:?}", peer.events)
        };
        assert_eq!(error.condition, StreamCondition::SeeOtherHost);
        assert!(matches!(peer.closed, Some(CloseReason::PeerFailed(_))));
        peer.expect("</stream:stream>");
    }
}

#[test]
fn a_response_header_must_come_from_the_peer_and_have_an_id() {
    for (answer, condition) in [
        ("from='evil.example' id='S1' version='1.0'", "invalid-from"),
        ("from='montague.example' version='1.0'", "bad-format"),
        ("from='montague.example' id='S 1' version='1.0'", "bad-format"),
        ("from='montague.example'", "bad-format"),
    ] {
        let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
        peer.authorize(pair("capulet.example", "montague.example"));
        peer.recv(&header(answer));
        peer.recv(&features(DIALBACK));
        peer.expect_error(condition);
        assert!(matches!(failed(&peer), Some(OutboundFailure::Protocol(_))));
    }
    let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.recv(&header("from='other.example'").replace("'>", "' version='1.0'>"));
    peer.recv(
        "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    );
    assert_eq!(
        failed(&peer),
        Some(OutboundFailure::HostUnknown),
        "the peer's own words come first"
    );
}

#[test]
fn answers_to_a_key_settle_its_pair() {
    for (answer, failure) in [
        ("type='invalid'/>", OutboundFailure::DialbackInvalid),
        (
            "type='error'><error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>",
            OutboundFailure::DialbackError(DialbackCondition::ItemNotFound),
        ),
        ("type='nonsense'/>", OutboundFailure::DialbackError(DialbackCondition::Other)),
    ] {
        let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
        peer.said();
        peer.recv(&format!("<db:result from='montague.example' to='capulet.example' {answer}"));
        assert_eq!(failed(&peer), Some(failure.clone()));
        peer.expect("</stream:stream>");
        assert_eq!(peer.closed, Some(CloseReason::Outbound(failure)));
    }
}

#[test]
fn a1_a2_answers_that_nobody_asked_for_are_dropped() {
    let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
    peer.ask_verify(request("X", Demand::Dialback));
    peer.said();
    for element in [
        "<db:result from='montague.example' to='apulet.example' type='valid'/>",
        "<db:result from='xmontague.example' to='capulet.example' type='valid'/>",
        "<db:result from='capulet.example' to='montague.example' type='valid'/>",
        "<db:verify from='ontague.example' to='capulet.example' id='X' type='valid'/>",
        "<db:verify from='montague.example' to='capulet.example' id='XX' type='valid'/>",
        "<db:verify from='montague.example' to='capulet.example' type='valid'/>",
        "<db:result from='montague.example' to='capulet.example'>key</db:result>",
        "<db:verify from='montague.example' to='capulet.example' id='1'>key</db:verify>",
    ] {
        peer.events.clear();
        peer.recv(element);
        let dropped = peer.has_event(|event| {
            matches!(event, Event::Unsolicited(UnsolicitedKind::Result | UnsolicitedKind::Verify))
        });
        assert!(dropped && peer.events.len() == 1, "{element}: {:?}", peer.events);
        peer.expect("");
    }
    assert!(!peer.is_open() && peer.closed.is_none());
}

#[test]
fn a_stream_can_serve_verify_legs_only() {
    let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
    peer.ask_verify(request("X", Demand::DialbackOverTls));
    peer.said();
    peer.recv(&header(ANSWER));
    peer.recv(&features(DIALBACK));
    peer.expect(&format!("<starttls xmlns='{TLS}'/>"));
    peer.recv(&format!("<proceed xmlns='{TLS}'/>"));
    peer.tls_done();
    peer.said();
    peer.recv(&header(ANSWER));
    peer.recv(&features(&format!("{EXTERNAL}{DIALBACK}")));
    peer.expect(
        "<db:verify from='capulet.example' to='montague.example' id='X'>a&amp;b</db:verify>",
    );
    peer.recv("<db:verify from='montague.example' to='capulet.example' id='X' type='valid'/>");
    assert_eq!(outcomes(&peer), [VerifyOutcome::Valid { leg_tls: true }]);
    peer.recv("<db:verify from='montague.example' to='capulet.example' id='X' type='valid'/>");
    assert_eq!(outcomes(&peer).len(), 1, "one answer a request");
}

#[test]
fn a27_a_leg_in_the_clear_is_told_apart_or_refused() {
    let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
    peer.ask_verify(request("X", Demand::Dialback));
    peer.recv(&header("id='S1'"));
    peer.recv("<db:verify from='montague.example' to='capulet.example' id='X' type='valid'/>");
    peer.ask_verify(request("Y", Demand::DialbackOverTls));
    let expected = [
        VerifyOutcome::Valid { leg_tls: false },
        VerifyOutcome::Failed(DialbackCondition::PolicyViolation),
    ];
    assert_eq!(outcomes(&peer), expected);
}

#[test]
fn verify_errors_keep_their_meaning() {
    let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
    peer.ask_verify(request("X", Demand::Dialback));
    peer.recv(
        "<db:verify from='montague.example' to='capulet.example' id='X' type='error'><error type='cancel'>\
         <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>",
    );
    assert_eq!(outcomes(&peer), [VerifyOutcome::Failed(DialbackCondition::RemoteServerNotFound)]);
    // What it says itself is never mistaken for the loss of the stream, which is worth another try elsewhere.
    for (name, meaning) in [
        ("remote-connection-failed", DialbackCondition::NotAcceptable),
        ("remote-server-timeout", DialbackCondition::NotAcceptable),
        ("internal-server-error", DialbackCondition::NotAcceptable),
        ("resource-constraint", DialbackCondition::ResourceConstraint),
    ] {
        let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
        peer.ask_verify(request("X", Demand::Dialback));
        peer.recv(&format!(
            "<db:verify from='montague.example' to='capulet.example' id='X' type='error'><error type='cancel'>\
             <{name} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>"
        ));
        assert_eq!(outcomes(&peer), [VerifyOutcome::Failed(meaning)], "{name}");
    }
}

#[test]
fn a_stream_that_serves_nothing_any_more_ends_by_itself() {
    let mut peer = Script::outbound(direct(false), demands(Demand::Dialback));
    peer.ask_verify(request("X", Demand::Dialback));
    peer.recv(&header(ANSWER));
    peer.recv(&features(DIALBACK));
    peer.recv("<db:verify from='montague.example' to='capulet.example' id='X' type='invalid'/>");
    assert!(peer.closed.is_none(), "the next leg may use it");
    peer.said();
    // White space does not keep it alive.
    peer.recv("  ");
    peer.time_out();
    peer.expect("</stream:stream>");
    assert_eq!(peer.closed, Some(CloseReason::TimedOut(Phase::Negotiation)));

    let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
    peer.ask_verify(request("X", Demand::Dialback));
    peer.recv("<db:verify from='montague.example' to='capulet.example' id='X' type='invalid'/>");
    peer.recv("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    peer.now = peer.now.after(10_000_000);
    peer.give(Input::Timeout);
    assert!(peer.closed.is_none(), "a pair may send");
}

#[test]
fn a33_the_handshake_of_direct_tls_has_a_deadline() {
    let config = Arc::new(OutboundConfig::new(secret()));
    let own = pair("capulet.example", "montague.example");
    let mut stream = OutboundStream::new(config, own, direct(false));
    stream.handle(Millis(0), Input::Connected);
    assert!(matches!(stream.poll_output(), Some(Output::Timeout(Millis(15_000)))));
    stream.handle(Millis(15_000), Input::Timeout);
    assert!(matches!(stream.poll_output(), Some(Output::Close(CloseReason::TimedOut(Phase::Tls)))));

    let config = Arc::new(OutboundConfig::new(secret()));
    let own = pair("capulet.example", "montague.example");
    let mut stream = OutboundStream::new(config, own, direct(false));
    stream.handle(Millis(0), Input::Connected);
    stream.handle(Millis(1), Input::TlsEstablished(TlsPeer { certificate: true, direct: true }));
    assert!(matches!(stream.poll_output(), Some(Output::Transmit(_))), "our header");
}

#[test]
fn after_the_end_every_call_is_ignored() {
    let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
    peer.give(Input::Eof);
    assert!(peer.closed.is_some());
    // The script refuses any output after Close.
    peer.give(Input::Eof);
    peer.give(Input::Timeout);
    peer.give(Input::Shutdown);
    peer.authorize(pair("rooms.capulet.example", "montague.example"));
    peer.ask_verify(request("X", Demand::Dialback));
    peer.fail(StreamCondition::Reset.into());
}

#[test]
fn verify_legs_are_bounded_like_pairs() {
    let mut config = OutboundConfig::new(secret());
    config.pending_max = 2;
    let own = pair("capulet.example", "montague.example");
    let mut stream = OutboundStream::new(Arc::new(config), own, plain(false));
    stream.handle(Millis(0), Input::Connected);
    for id in ["A", "B", "C"] {
        stream.verify(Millis(0), request(id, Demand::Dialback));
    }
    let refused = std::iter::from_fn(|| stream.poll_output()).find_map(|output| match output {
        Output::Event(Event::VerifyAnswer { stream_id, outcome, .. }) => Some((stream_id, outcome)),
        _ => None,
    });
    let constraint = VerifyOutcome::Failed(DialbackCondition::ResourceConstraint);
    assert_eq!(refused, Some(("C".into(), constraint)));
}

#[test]
fn a39_a_version_that_was_removed_on_the_way_does_not_lower_the_demand() {
    let mut peer = Script::outbound(plain(false), demands(Demand::DialbackOverTls));
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.said();
    peer.recv(&header("from='montague.example' to='capulet.example' id='S1'"));
    let said = peer.expect_part("<stream:error><policy-violation ");
    assert!(said.contains("TLS is required and was not offered"), "{said}");
    assert_eq!(failed(&peer), Some(OutboundFailure::TlsNotOffered));
}

#[test]
fn the_end_of_the_stream_answers_everything_that_is_open() {
    let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
    peer.ask_verify(request("X", Demand::Dialback));
    peer.authorize(pair("rooms.capulet.example", "montague.example"));
    peer.events.clear();
    peer.give(Input::Eof);
    let pairs =
        peer.events.iter().filter(|event| matches!(event, Event::PairFailed { .. })).count();
    assert_eq!((pairs, outcomes(&peer).len()), (2, 1));
    assert_eq!(outcomes(&peer), [VerifyOutcome::Failed(DialbackCondition::RemoteServerTimeout)]);
}

#[test]
fn an_answer_that_never_comes_times_out() {
    let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
    peer.time_out();
    assert_eq!(failed(&peer), Some(OutboundFailure::TimedOut(Phase::Dialback)));
    let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.time_out();
    assert_eq!(failed(&peer), Some(OutboundFailure::TimedOut(Phase::Header)));
    assert_eq!(peer.closed, Some(CloseReason::TimedOut(Phase::Header)));
}

#[test]
fn a_starttls_that_is_never_answered_costs_the_time_of_a_handshake_and_no_more() {
    for offer in ["", &format!("<starttls xmlns='{TLS}'/>")] {
        let mut peer = Script::outbound(plain(false), demands(Demand::DialbackOverTls));
        peer.authorize(pair("capulet.example", "montague.example"));
        peer.recv(&header(ANSWER));
        peer.recv(&features(&format!("{offer}{DIALBACK}")));
        assert!(peer.said().ends_with(&format!("<starttls xmlns='{TLS}'/>")));
        let asked = peer.now;
        peer.time_out();
        assert_eq!(failed(&peer), Some(OutboundFailure::TimedOut(Phase::Tls)));
        assert!(peer.now <= asked.after(15_001), "{:?} after {asked:?}", peer.now);
    }
}

#[test]
fn further_pairs_wait_for_the_first() {
    let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
    peer.expect(&key("S1"));
    peer.authorize(pair("rooms.capulet.example", "montague.example"));
    peer.expect("");
    peer.recv("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    peer.expect_part("<db:result from='rooms.capulet.example' to='montague.example'>");
    peer.recv("<db:result from='montague.example' to='rooms.capulet.example' type='invalid'/>");
    assert!(peer.closed.is_none() && peer.permits("capulet.example", "montague.example"));
    assert!(!peer.permits("rooms.capulet.example", "montague.example"));
}

#[test]
fn asking_twice_is_answered_once_and_again_once_it_is_settled() {
    let own = || pair("capulet.example", "montague.example");
    let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
    peer.authorize(own());
    peer.expect(&key("S1"));
    peer.recv("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    assert_eq!(authorized(&peer).len(), 1);
    peer.authorize(own());
    assert_eq!(authorized(&peer).len(), 2);
    peer.expect("");
}

#[test]
fn stanzas_and_strange_elements_end_a_stream_of_one_direction() {
    let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
    peer.said();
    peer.recv("<message from='a@montague.example' to='b@capulet.example'/>");
    peer.expect_error("not-authorized");
    let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
    peer.said();
    peer.recv("<r xmlns='urn:xmpp:sm:3'/>");
    peer.expect_error("unsupported-stanza-type");
}

#[test]
fn a15_answers_without_end_that_nobody_asked_for_end_the_stream() {
    let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
    for _ in 0..33 {
        peer.recv("<db:result from='a.example' to='capulet.example' type='valid'/>");
    }
    peer.expect_error("policy-violation");
}

#[test]
fn a_polite_end_waits_for_the_peer() {
    let mut peer = over_tls(demands(Demand::Dialback), false, DIALBACK);
    peer.recv("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    peer.said();
    peer.give(Input::Shutdown);
    peer.expect("</stream:stream>");
    assert!(!peer.permits("capulet.example", "montague.example"));
    peer.recv("</stream:stream>");
    assert_eq!(peer.closed, Some(CloseReason::Finished));
}

#[test]
fn external_is_for_the_streams_own_pair_and_over_tls_only() {
    // The restart authenticates the names of the header; another sender of ours has to dial back.
    let mut peer = Script::outbound(direct(false), proves(Demand::Dialback));
    peer.authorize(pair("rooms.capulet.example", "montague.example"));
    peer.said();
    peer.recv(&header(ANSWER));
    peer.recv(&features(&format!("{EXTERNAL}{DIALBACK}")));
    let said = peer.expect_part("<db:result from='rooms.capulet.example' to='montague.example'>");
    assert!(!said.contains("<auth"), "{said}");

    let mut peer = Script::outbound(plain(false), proves(Demand::Dialback));
    peer.authorize(pair("capulet.example", "montague.example"));
    peer.said();
    peer.recv(&header(ANSWER));
    peer.recv(&features(&format!("{EXTERNAL}{DIALBACK}")));
    let said = peer.said();
    assert!(!said.contains("<auth"), "{said}");
}

/// The limits announced so far, in order.
fn limits(peer: &Script) -> Vec<(Option<u32>, Option<u32>)> {
    let limits = peer.events.iter().filter_map(|event| match event {
        Event::PeerLimits(limits) => Some((limits.max_bytes, limits.idle_seconds)),
        _ => None,
    });
    limits.collect()
}

#[test]
fn limits_of_the_peer_are_told_before_and_after_authentication() {
    let announced =
        |inner: &str| format!("<limits xmlns='urn:xmpp:stream-limits:0'>{inner}</limits>");
    let first = announced("<max-bytes> 10000\n</max-bytes><idle-seconds>60</idle-seconds>");
    let mut peer = over_tls(proves(Demand::Certificate), false, &format!("{EXTERNAL}{first}"));
    assert_eq!(limits(&peer), [(Some(10_000), Some(60))]);
    peer.recv(&format!("<success xmlns='{SASL}'/>"));
    peer.recv(&header(&ANSWER.replace("S1", "S2")));
    peer.recv(&features(&announced("<max-bytes>262144</max-bytes>")));
    assert_eq!(limits(&peer), [(Some(10_000), Some(60)), (Some(262_144), None)]);
    // Known before anything may be sent.
    let last = peer.events.iter().rposition(|event| matches!(event, Event::PeerLimits(_)));
    let authorized = |event: &Event| matches!(event, Event::PairAuthorized { .. });
    assert!(last < peer.events.iter().position(authorized));
}

#[test]
fn limits_that_are_no_numbers_say_nothing() {
    let mut peer = Script::outbound(direct(false), demands(Demand::Dialback));
    peer.recv(&header(ANSWER));
    peer.recv(&features(
        "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>many</max-bytes><idle-seconds>0</idle-seconds>\
         <max-bytes xmlns='urn:x'>1</max-bytes></limits><limits xmlns='urn:y'><max-bytes>5</max-bytes></limits>",
    ));
    assert_eq!(limits(&peer), [(None, None)]);
    let mut peer = Script::outbound(direct(false), demands(Demand::Dialback));
    peer.recv(&header(ANSWER));
    peer.recv(&features(
        "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>4294967296</max-bytes></limits>",
    ));
    assert_eq!(limits(&peer), [(None, None)]);
    let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
    peer.recv(&header(ANSWER));
    // RFC 6120 §5.4.3.3: what is announced before TLS counts for nothing after it.
    peer.recv(&features(&format!(
        "<starttls xmlns='{TLS}'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>5</max-bytes></limits>"
    )));
    assert_eq!(limits(&peer), []);
}
