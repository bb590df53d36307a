//! Inbound dialogues: headers, features, STARTTLS, SASL EXTERNAL, stanzas. Names beginning with `a<number>` are attacks.

mod support;

use std::sync::Arc;

use s2s_proto::{
    AdvertisedLimits, CloseReason, Demand, Event, InboundConfig, InboundStream, Input, Judgement,
    Millis, Output, Phase, Proof, Refusal, RefusedBecause, StreamCondition, TlsPeer, TlsState,
};
use support::{Judge, Script, demands, domain, fails, header, proves, secret};

const OPENING: &str = "from='capulet.example' to='montague.example' version='1.0'";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const DIALBACK: &str = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";
/// base64 of capulet.example
const CAPULET_64: &str = "Y2FwdWxldC5leGFtcGxl";

fn auth(text: &str) -> String {
    format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>{text}</auth>")
}

/// A stream after STARTTLS whose certificate proves the name.
fn proved() -> Script {
    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.recv(&header(OPENING));
    peer.said();
    peer.starttls(proves(Demand::Dialback));
    peer.recv(&header(OPENING));
    peer
}

fn external() -> Script {
    let mut peer = proved();
    peer.said();
    peer.recv(&auth(CAPULET_64));
    peer.expect(&format!("<success xmlns='{SASL}'/>"));
    peer.recv(&header(OPENING));
    peer.said();
    peer
}

#[test]
fn the_response_header_is_exactly_this() {
    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.recv(&header(OPENING));
    let said = peer.said();
    let id = Script::id_of(&said);
    assert_eq!(id.len(), 32);
    assert_eq!(
        said,
        format!(
            "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' \
             xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' id='{id}' version='1.0' \
             xml:lang='en'><stream:features><starttls xmlns='{TLS}'/>{DIALBACK}</stream:features>"
        )
    );
    assert!(peer.has_event(|event| matches!(event, Event::StreamOpened { version_1: true, .. })));
}

#[test]
fn starttls_is_required_and_dialback_not_offered_where_policy_demands_tls() {
    for demand in [Demand::DialbackOverTls, Demand::Certificate] {
        let mut peer = Script::inbound(demands(demand));
        peer.recv(&header(OPENING));
        let features = format!(
            "<stream:features><starttls xmlns='{TLS}'><required/></starttls></stream:features>"
        );
        peer.expect_part(&features);
    }
}

#[test]
fn a_peer_without_version_gets_neither_version_nor_features() {
    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.recv(&header("from='capulet.example' to='montague.example'"));
    let said = peer.said();
    assert!(!said.contains("version='1.0' "), "{said}");
    assert!(said.contains("xmlns:db='jabber:server:dialback'") && !said.contains("features"));
    peer.recv(&format!("<starttls xmlns='{TLS}'/>"));
    peer.expect_error("unsupported-stanza-type");
}

#[test]
fn every_restart_has_an_id_of_its_own() {
    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.recv(&header(OPENING));
    let first = Script::id_of(&peer.said());
    peer.starttls(proves(Demand::Dialback));
    peer.recv(&header(OPENING));
    let second = Script::id_of(&peer.said());
    peer.recv(&auth(CAPULET_64));
    peer.recv(&header(OPENING));
    let third = Script::id_of(&peer.said());
    assert!(first != second && second != third && first != third);
}

#[test]
fn over_tls_external_is_offered_when_the_certificate_proves_the_name() {
    let mut peer = proved();
    let features = format!(
        "<stream:features><mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>{DIALBACK}\
         <bidi xmlns='urn:xmpp:features:bidi'/></stream:features>"
    );
    peer.expect_part(&features);
}

#[test]
fn direct_tls_offers_no_starttls_and_refuses_it() {
    let mut peer = Script::inbound_direct(proves(Demand::Dialback));
    peer.recv(&header(OPENING));
    let said = peer.expect_part("EXTERNAL");
    assert!(!said.contains("starttls"));
    peer.recv(&format!("<starttls xmlns='{TLS}'/>"));
    peer.expect(&format!("<failure xmlns='{TLS}'/></stream:stream>"));
    assert_eq!(peer.closed, Some(CloseReason::Finished));
}

#[test]
fn limits_are_announced_over_tls() {
    let mut config = InboundConfig::new(secret());
    config.limits = AdvertisedLimits { max_bytes: Some(524_288), idle_seconds: Some(3600) };
    let mut peer = Script::inbound_with(config, demands(Demand::Dialback));
    peer.recv(&header(OPENING));
    assert!(!peer.said().contains("limits"));
    peer.starttls(demands(Demand::Dialback));
    peer.recv(&header(OPENING));
    peer.expect_part(
        "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>524288</max-bytes><idle-seconds>3600</idle-seconds></limits>",
    );
}

#[test]
fn external_authenticates_the_pair_after_the_restart() {
    for initial in [CAPULET_64, "=", "  Y2FwdWxldC5leGFtcGxl\n"] {
        let mut peer = proved();
        peer.said();
        peer.recv(&auth(initial));
        peer.expect(&format!("<success xmlns='{SASL}'/>"));
        assert!(peer.verified_pairs().is_empty() && !peer.is_open(), "not before the restart");
        peer.recv(&header(OPENING));
        peer.expect_part("<stream:features></stream:features>");
        assert_eq!(
            peer.verified_pairs(),
            [("capulet.example -> montague.example".into(), Proof::External)]
        );
        peer.recv(
            "<iq type='get' id='1' from='juliet@capulet.example/a' to='romeo@montague.example'/>",
        );
        assert_eq!(peer.stanzas.len(), 1);
        assert_eq!(peer.stanzas[0].verified().proof(), Proof::External);
        assert_eq!((&*peer.stanzas[0].id(), &*peer.stanzas[0].type_()), ("1", "get"));
    }
}

#[test]
fn a_missing_initial_response_is_challenged() {
    for answer in ["", "=", CAPULET_64] {
        let mut peer = proved();
        peer.said();
        peer.recv(&format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'/>"));
        peer.expect(&format!("<challenge xmlns='{SASL}'/>"));
        peer.recv(&format!("<response xmlns='{SASL}'>{answer}</response>"));
        peer.expect(&format!("<success xmlns='{SASL}'/>"));
    }
}

#[test]
fn a_failed_authentication_says_why_and_three_are_enough() {
    let failure = |name: &str| format!("<failure xmlns='{SASL}'><{name}/></failure>");
    let mut peer = proved();
    peer.said();
    peer.recv(&auth("dmljdGltLmV4YW1wbGU="));
    peer.expect(&failure("invalid-authzid"));
    peer.recv(&format!("<auth xmlns='{SASL}' mechanism='PLAIN'>AGEAYg==</auth>"));
    peer.expect(&failure("invalid-mechanism"));
    peer.recv(&auth("***"));
    peer.expect_error("policy-violation");

    let mut peer = proved();
    peer.said();
    peer.recv(&format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'/>"));
    peer.said();
    peer.recv(&format!("<abort xmlns='{SASL}'/>"));
    peer.expect(&failure("aborted"));
    peer.recv(&auth(CAPULET_64));
    peer.expect(&format!("<success xmlns='{SASL}'/>"));
}

#[test]
fn a8_a_certificate_that_proves_nothing_gets_no_offer_and_no_success() {
    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.recv(&header(OPENING));
    peer.said();
    peer.starttls(fails(Demand::Dialback, "self-signed certificate"));
    peer.recv(&header(OPENING));
    assert!(!peer.said().contains("mechanism"));
    peer.recv(&auth(CAPULET_64));
    peer.expect(&format!(
        "<failure xmlns='{SASL}'><not-authorized/><text xml:lang='en'>self-signed certificate</text></failure>"
    ));
    assert!(peer.closed.is_none() && peer.verified_pairs().is_empty(), "dialback may follow");
}

#[test]
fn a6_without_from_no_certificate_is_enough_for_external() {
    let mut peer = Script::inbound_direct(proves(Demand::Dialback));
    peer.recv(&header("to='montague.example' version='1.0'"));
    assert!(!peer.said().contains("EXTERNAL"));
    assert!(peer.judged.is_empty());
    peer.recv(&auth("="));
    peer.expect_part("<not-authorized/>");
}

#[test]
fn a19_nothing_is_authenticated_before_the_tls_that_is_required() {
    let mut peer = Script::inbound(demands(Demand::DialbackOverTls));
    peer.recv(&header(OPENING));
    peer.said();
    peer.recv(&auth(CAPULET_64));
    peer.expect(&format!("<failure xmlns='{SASL}'><encryption-required/></failure>"));
    peer.recv("<db:result from='capulet.example' to='montague.example'>abc</db:result>");
    let said = peer.expect_part("<stream:error><policy-violation ");
    assert!(said.contains("TLS is required before dialback"), "{said}");
    assert!(peer.verify.is_empty());

    let mut peer = Script::inbound(demands(Demand::DialbackOverTls));
    peer.recv(&header(OPENING));
    peer.said();
    peer.recv("<message from='a@capulet.example' to='b@montague.example'/>");
    peer.expect_error("not-authorized");
}

#[test]
fn a18_compression_is_never_offered_and_refused() {
    let mut peer = proved();
    assert!(!peer.said().contains("compress"));
    peer.recv(
        "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>",
    );
    peer.expect(
        "<failure xmlns='http://jabber.org/protocol/compress'><unsupported-method/></failure>",
    );
}

#[test]
fn a22_a_restart_with_other_names_ends_the_stream() {
    for (opening, condition) in [
        ("from='victim.example' to='montague.example' version='1.0'", "invalid-from"),
        ("to='montague.example' version='1.0'", "invalid-from"),
        ("from='capulet.example' to='other.example' version='1.0'", "not-authorized"),
        ("from='capulet.example' version='1.0'", "not-authorized"),
    ] {
        let mut peer = proved();
        peer.recv(&auth("="));
        peer.said();
        peer.recv(&header(opening));
        peer.expect_error(condition);
        assert!(peer.verified_pairs().is_empty());
    }
}

#[test]
fn a23_every_spelling_of_a_sender_is_checked_as_the_domain_it_means() {
    for same in ["a@CAPULET.example", "a@capulet.example./x", "capulet.example"] {
        let mut peer = external();
        peer.recv(&format!("<presence from='{same}' to='romeo@Montague.Example'/>"));
        assert_eq!(peer.stanzas.len(), 1, "{same}");
        assert!(peer.stanzas[0].pair().is("capulet.example", "montague.example"));
    }
    for other in [
        "x@evil.example",
        "x@xcapulet.example",
        "x@apulet.example",
        "a@sub.capulet.example",
        "a@capulet.examplé",
    ] {
        let mut peer = external();
        peer.recv(&format!("<presence from='{other}' to='romeo@montague.example'/>"));
        peer.expect_error("invalid-from");
        assert!(peer.stanzas.is_empty());
    }
}

#[test]
fn a23_a_u_label_and_its_a_label_are_one_sender() {
    for (header_says, stanza_says) in [
        ("xn--bcher-kva.example", "bob@b\u{fc}cher.example"),
        ("B\u{dc}CHER.example.", "bob@XN--BCHER-KVA.example"),
    ] {
        let mut peer = Script::inbound_direct(proves(Demand::Certificate));
        let opening = header(&format!("from='{header_says}' to='montague.example' version='1.0'"));
        peer.recv(&opening);
        peer.recv(&auth("="));
        peer.recv(&opening);
        peer.recv(&format!("<presence from='{stanza_says}' to='montague.example'/>"));
        assert_eq!(peer.stanzas.len(), 1, "{stanza_says}");
        assert!(peer.stanzas[0].pair().is("xn--bcher-kva.example", "montague.example"));
        peer.said();
        peer.recv("<presence from='bob@bucher.example' to='montague.example'/>");
        peer.expect_error("invalid-from");
    }
}

#[test]
fn addresses_of_a_stanza_are_required_and_valid() {
    for attributes in [
        "from='a@capulet.example'",
        "to='romeo@montague.example'",
        "from='' to='romeo@montague.example'",
        "from='a@capulet.example' to='@montague.example'",
        "from='a b@capulet.example' to='montague.example'",
    ] {
        let mut peer = external();
        peer.recv(&format!("<message {attributes}/>"));
        peer.expect_error("improper-addressing");
    }
    let mut peer = external();
    peer.recv("<message from='a@capulet.example' to='b@other.example'/>");
    peer.expect_error("invalid-from");
}

#[test]
fn a13_a_stanza_is_known_by_its_expanded_name() {
    let mut peer = external();
    peer.recv("<message xmlns='jabber:client' from='a@capulet.example' to='b@montague.example'><body>x</body></message>");
    peer.recv("<n:iq xmlns:n='jabber:server' type='get' id='1' from='a@capulet.example' to='b@montague.example'/>");
    assert_eq!(peer.stanzas.len(), 2);
    assert!(
        peer.stanzas[0].bytes().starts_with(b"<message xmlns='jabber:server'"),
        "{:?}",
        peer.stanzas[0]
    );
    for spoofed in ["<message xmlns='jabber:client'", "<n:iq xmlns:n='jabber:server'"] {
        let mut peer = external();
        peer.recv(&format!("{spoofed} from='a@victim.example' to='b@montague.example'/>"));
        peer.expect_error("invalid-from");
    }
    let mut peer = external();
    peer.recv("<message xmlns='urn:other' from='a@capulet.example' to='b@montague.example'/>");
    peer.expect_error("unsupported-stanza-type");
}

#[test]
fn a_stanza_that_leans_on_the_header_is_made_independent() {
    let mut peer = proved();
    peer.recv(&auth("="));
    peer.recv(&header(&format!("{OPENING} xmlns:x='urn:x' xml:lang='de'")));
    peer.recv("<message from='a@capulet.example' to='b@montague.example'><x:y/></message>");
    peer.recv("<message from='a@capulet.example' to='b@montague.example' xml:lang='fr'/>");
    let bytes = std::str::from_utf8(peer.stanzas[0].bytes()).unwrap();
    assert!(bytes.contains("xmlns:x='urn:x'") && bytes.contains("xml:lang='de'"), "{bytes}");
    assert!(peer.stanzas[0].frame().is_self_contained());
    assert!(!std::str::from_utf8(peer.stanzas[1].bytes()).unwrap().contains("'de'"));
}

#[test]
fn a32_nobody_else_speaks_for_our_domains() {
    let mut peer = Script::inbound(Box::new(|_| Judgement::refuses(Refusal::OurOwnDomain)));
    peer.recv(&header("from='montague.example' to='montague.example' version='1.0'"));
    peer.expect_error("invalid-from");
    assert!(peer.has_event(|event| matches!(
        event,
        Event::PairRefused { why: RefusedBecause::OurOwnDomain, .. }
    )));
}

#[test]
fn a_refused_header_is_answered_by_an_opening_tag_first() {
    let mut peer = Script::inbound(Box::new(|_| Judgement::refuses(Refusal::UnknownHost)));
    peer.recv(&header("from='capulet.example' to='nobody.example' version='1.0'"));
    assert!(
        peer.text.starts_with("<?xml version='1.0'?><stream:stream ")
            && peer.text.contains(" id='")
    );
    peer.expect_error("host-unknown");

    let mut config = InboundConfig::new(secret());
    config.authority = Some(domain("montague.example"));
    let mut peer =
        Script::inbound_with(config, Box::new(|_| Judgement::refuses(Refusal::UnknownHost)));
    peer.recv(&header("from='capulet.example' to='nobody.example' version='1.0'"));
    assert!(
        peer.text.contains(" from='montague.example' to='capulet.example' id='"),
        "our own name: {}",
        peer.text
    );
    peer.expect_error("host-unknown");

    let mut peer = Script::inbound(Box::new(|_| {
        Judgement::refuses(Refusal::Policy("blocked since <2027>".into()))
    }));
    peer.recv(&header(OPENING));
    assert!(peer.text.contains("blocked since &lt;2027&gt;"));
    peer.expect_error("policy-violation");
}

#[test]
fn a_header_that_is_wrong_in_itself_is_refused() {
    let cases = [
        (
            "<stream:stream xmlns:stream='urn:x' xmlns='jabber:server' to='montague.example'>",
            "invalid-namespace",
        ),
        (
            "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' to='m.example'>",
            "invalid-namespace",
        ),
        (&header("from='a@b@c' to='montague.example' version='1.0'"), "invalid-from"),
        (&header("from='capulet.example' to='a b' version='1.0'"), "improper-addressing"),
        (&header("from='capulet.example' version='1.0'"), "improper-addressing"),
        ("<!DOCTYPE x>", "restricted-xml"),
        ("GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
    ];
    for (text, condition) in cases {
        let mut peer = Script::inbound(demands(Demand::Dialback));
        peer.recv(text);
        assert!(peer.text.starts_with("<?xml version='1.0'?><stream:stream "), "{}", peer.text);
        peer.expect_error(condition);
    }
}

#[test]
fn stream_elements_that_are_not_understood_end_the_stream() {
    let mut peer = external();
    peer.recv("<bidi xmlns='urn:xmpp:features:bidi'/><bidi xmlns='urn:xmpp:bidi'/>");
    peer.expect("");
    peer.recv("<r xmlns='urn:xmpp:sm:3'/>");
    peer.expect_error("unsupported-stanza-type");
}

#[test]
fn a15_elements_before_authentication_are_counted() {
    let mut peer = proved();
    peer.said();
    // STARTTLS was the first.
    for _ in 0..31 {
        peer.recv("<bidi xmlns='urn:xmpp:bidi'/>");
    }
    peer.expect("");
    peer.recv("<bidi xmlns='urn:xmpp:bidi'/>");
    peer.expect_error("policy-violation");
}

#[test]
fn assertion_takes_the_name_of_the_header_with_and_without_version() {
    for opening in [OPENING, "from='capulet.example' to='montague.example'"] {
        let mut peer = Script::inbound(demands(Demand::Assertion));
        peer.recv(&header(opening));
        assert_eq!(
            peer.verified_pairs(),
            [("capulet.example -> montague.example".into(), Proof::Asserted)]
        );
        peer.recv("<message from='a@capulet.example' to='b@montague.example'/>");
        assert_eq!(peer.stanzas.len(), 1);
        peer.recv("<message from='a@other.example' to='b@montague.example'/>");
        peer.expect_error("invalid-from");
    }
}

#[test]
fn what_was_asserted_before_tls_is_gone_after_it() {
    let mut peer = Script::inbound(demands(Demand::Assertion));
    peer.recv(&header(OPENING));
    peer.said();
    assert!(peer.is_open());
    peer.starttls(demands(Demand::Dialback));
    assert!(!peer.is_open());
    peer.recv(&header(OPENING));
    assert!(!peer.is_open());
    peer.recv("<message from='a@capulet.example' to='b@montague.example'/>");
    peer.expect_error("not-authorized");
}

#[test]
fn phases_have_deadlines_and_a_verified_stream_has_none() {
    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.time_out();
    assert_eq!(peer.closed, Some(CloseReason::TimedOut(Phase::Header)));

    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.recv(&header(OPENING));
    peer.said();
    peer.time_out();
    peer.expect("<stream:error><connection-timeout xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>");
    assert_eq!(peer.closed, Some(CloseReason::TimedOut(Phase::Negotiation)));

    let mut peer = external();
    peer.now = peer.now.after(10_000_000);
    peer.give(Input::Timeout);
    assert!(peer.closed.is_none() && peer.is_open());
}

#[test]
fn our_close_tag_is_our_last_word() {
    let mut peer = external();
    peer.give(Input::Shutdown);
    peer.expect("</stream:stream>");
    peer.recv("<!-- no -->");
    peer.expect("");
    assert!(matches!(peer.closed, Some(CloseReason::Failed(_))));
}

#[test]
fn ends_are_polite_on_both_sides() {
    let mut peer = external();
    peer.recv("</stream:stream>");
    peer.expect("</stream:stream>");
    assert_eq!(peer.closed, Some(CloseReason::PeerClosed));

    let mut peer = external();
    peer.give(Input::Shutdown);
    peer.expect("</stream:stream>");
    peer.recv("<message from='a@capulet.example' to='b@montague.example'/>");
    assert_eq!(peer.stanzas.len(), 1, "what was in flight still arrives");
    peer.recv("</stream:stream>");
    assert_eq!(peer.closed, Some(CloseReason::Finished));

    let mut peer = external();
    peer.give(Input::Shutdown);
    peer.time_out();
    assert_eq!(peer.closed, Some(CloseReason::Finished));

    let mut peer = external();
    peer.recv(
        "<stream:error><invalid-id xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    );
    peer.expect("</stream:stream>");
    assert!(matches!(peer.closed, Some(CloseReason::PeerFailed(_))));
}

#[test]
fn a_stream_that_is_blocked_takes_no_item() {
    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.auto_judge = false;
    peer.recv(&header(OPENING));
    assert!(peer.is_blocked());
    let pair = peer.judged.pop().unwrap();
    peer.give(Input::Judged(pair, Judgement::demands(Demand::Dialback)));
    assert!(!peer.is_blocked());
}

#[test]
fn a33_the_handshake_of_direct_tls_has_a_deadline() {
    let config = || Arc::new(InboundConfig::new(secret()));
    let mut stream = InboundStream::new(config(), [7; 32], TlsState::Direct);
    stream.handle(Millis(0), Input::Connected);
    assert!(matches!(stream.poll_output(), Some(Output::Timeout(Millis(15_000)))));
    stream.handle(Millis(15_000), Input::Timeout);
    assert!(matches!(stream.poll_output(), Some(Output::Close(CloseReason::TimedOut(Phase::Tls)))));

    let mut stream = InboundStream::new(config(), [7; 32], TlsState::Direct);
    stream.handle(Millis(0), Input::Connected);
    stream.poll_output();
    let facts = TlsPeer { certificate: true, direct: true };
    stream.handle(Millis(14_000), Input::TlsEstablished(facts));
    assert!(matches!(stream.poll_output(), Some(Output::Timeout(Millis(29_000)))), "the header");
}

#[test]
fn external_counts_only_while_the_certificate_still_proves() {
    for (later, condition) in [
        (fails(Demand::Dialback, "expired"), "not-authorized"),
        (demands(Demand::Certificate), "not-authorized"),
        (
            Box::new(|_: &_| Judgement::refuses(Refusal::Policy("closed".into()))) as Judge,
            "policy-violation",
        ),
    ] {
        let mut peer = proved();
        peer.recv(&auth("="));
        peer.judge = later;
        peer.recv(&header(OPENING));
        peer.expect_error(condition);
        assert!(peer.verified_pairs().is_empty());
    }
}

#[test]
fn after_the_end_every_call_is_ignored() {
    let mut peer = external();
    peer.give(Input::Eof);
    assert!(peer.closed.is_some());
    // The script refuses any output after Close.
    peer.give(Input::Eof);
    peer.give(Input::Timeout);
    peer.give(Input::Shutdown);
    peer.fail(StreamCondition::Reset.into());
}

#[test]
fn a36_a_stream_error_names_no_third_party() {
    // The names a peer asserted, and those it asked about, never come back in the text of an error.
    for text in [
        "<message from='a@bank.example' to='b@montague.example'/>",
        "<message from='a@capulet.example' to='b@bank.example'/>",
        "<x xmlns='urn:bank.example'/>",
        "<stream:features from='bank.example'/>",
        "<!DOCTYPE bank.example>",
        "<bank.example>&bank;</bank.example>",
    ] {
        let mut peer = external();
        peer.said();
        peer.recv(text);
        let said = peer.said();
        assert!(said.contains("<stream:error>") && !said.contains("bank"), "{said}");
    }
}

#[test]
fn a8_external_is_never_offered_in_the_clear() {
    // Whatever the judge believes: there is no certificate without TLS.
    let mut peer = Script::inbound(proves(Demand::Dialback));
    peer.recv(&header(OPENING));
    assert!(!peer.said().contains("EXTERNAL"));
    peer.recv(&auth("="));
    peer.expect_part("<encryption-required/>");
}

#[test]
fn a_pair_that_external_proved_stays_so() {
    let mut peer = external();
    peer.said();
    peer.recv("<db:result from='capulet.example' to='montague.example'>k</db:result>");
    peer.expect_part("type='valid'/>");
    peer.recv("<message from='a@capulet.example' to='b@montague.example'/>");
    assert_eq!(peer.stanzas[0].verified().proof(), Proof::External);
}
