//! SASL EXTERNAL as peers ask for it.

use s2s_trust::Rung;

use super::{THEM, US, Verona, from};
use crate::support::certs::Issued;
use crate::support::named::base64;
use crate::support::peer::tls_client_config;
use crate::support::*;

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// Over direct TLS, up to the features.
fn open(verona: &Verona, identity: &Issued, from: &str) -> Peer {
    let mut peer = Peer::connect(verona.plane.direct_tls());
    peer.tls_client(&tls_client_config(Some(identity)), US);
    peer.send(&header(from, US));
    peer.header();
    let features = peer.element();
    assert!(features.text.contains("EXTERNAL"), "{}", features.text);
    peer
}

fn auth(peer: &mut Peer, initial: &str) {
    peer.send(&format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>{initial}</auth>"));
}

fn delivers(peer: &mut Peer, capulet: &mut Peer, id: &str) {
    assert!(peer.element().is_spelled("success"));
    peer.send(&header(THEM, US));
    peer.expect("</stream:features>");
    peer.send(&from(THEM, id));
    assert_eq!(capulet.element().attr("id"), id);
}

#[test]
fn the_authorisation_identity_may_be_nothing_or_the_exact_name() {
    let verona = Verona::new(Rung::Trusted);
    let identity = verona.trusted(THEM);
    let mut capulet = component(&verona.plane, US);
    // RFC 6120 §6.4.2: `=` is an empty initial response. XEP-0178 §3: empty, or the name in base64.
    for initial in ["=", &base64(THEM), &base64("Montague.Example"), &base64("montague.example.")] {
        let mut peer = open(&verona, &identity, THEM);
        auth(&mut peer, initial);
        delivers(&mut peer, &mut capulet, initial);
    }
    // No initial response: challenged. In each of the two spellings of nothing, and with the name.
    for response in ["", "=", &base64(THEM)] {
        for empty in [
            format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'/>"),
            format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'></auth>"),
        ] {
            let mut peer = open(&verona, &identity, THEM);
            peer.send(&empty);
            assert!(peer.element().is_spelled("challenge"));
            peer.send(&format!("<response xmlns='{SASL}'>{response}</response>"));
            delivers(&mut peer, &mut capulet, response);
        }
    }
}

#[test]
fn a_wrong_authorisation_identity_is_refused_and_the_stream_may_go_on() {
    let verona = Verona::new(Rung::Trusted);
    let identity = verona.trusted(THEM);
    let mut capulet = component(&verona.plane, US);
    let wrong = [
        (base64("bank.example"), "invalid-authzid"),
        (base64("chat.montague.example"), "invalid-authzid"),
        (base64("romeo@montague.example"), "invalid-authzid"),
        (THEM.to_owned(), "incorrect-encoding"),
    ];
    for (initial, condition) in wrong {
        let mut peer = open(&verona, &identity, THEM);
        auth(&mut peer, &initial);
        let failure = peer.element();
        assert!(failure.element.child(condition).is_some(), "{initial}: {}", failure.text);
        // The second try is right.
        auth(&mut peer, &base64(THEM));
        delivers(&mut peer, &mut capulet, "second");
    }
    let mut peer = open(&verona, &identity, THEM);
    for _ in 0..3 {
        auth(&mut peer, &base64("bank.example"));
        assert!(peer.element().is_spelled("failure"));
    }
    assert!(peer.expect_end().contains("<policy-violation"));
}

#[test]
fn external_is_not_offered_where_the_header_has_no_from_and_the_certificate_answers_the_key() {
    let verona = Verona::new(Rung::Trusted);
    let identity = verona.trusted(THEM);
    let mut capulet = component(&verona.plane, US);
    let mut peer = Peer::connect(verona.plane.direct_tls());
    peer.tls_client(&tls_client_config(Some(&identity)), US);
    peer.send(&header(THEM, US).replace(&format!(" from='{THEM}'"), ""));
    let features = peer.expect("</stream:features>");
    assert!(!features.contains("EXTERNAL") && features.contains("<dialback"), "{features}");
    // Whoever asks all the same is refused, and may dial back.
    auth(&mut peer, "=");
    peer.expect("<not-authorized/>");
    peer.send(&format!("<db:result from='{THEM}' to='{US}'>k</db:result>"));
    peer.expect("type='valid'/>");
    peer.send(&from(THEM, "in"));
    assert_eq!(capulet.element().attr("id"), "in");
    peer.send(&from("bank.example", "spoofed"));
    assert!(peer.expect_end().contains("<invalid-from"));
}
