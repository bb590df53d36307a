//! Remote servers that connect to us.

use std::io::ErrorKind;
use std::time::Duration;

use s2s_trust::Rung;

use crate::support::certs::{CertSpec, self_signed};
use crate::support::peer::tls_client_config;
use crate::support::plane::at;
use crate::support::*;

#[test]
fn a_header_leads_to_the_shard_of_its_domain_whole_or_byte_by_byte() {
    let plane = Setup::new().start();
    let mut capulet = component(&plane, "capulet.example");
    for n in 0..16 {
        let from = format!("d{n}.example");
        let text = header(&from, "capulet.example")
            + &message(&format!("a@{from}"), "juliet@capulet.example", "first")
            + &message(&format!("a@{from}"), "juliet@capulet.example", "second");
        let mut peer = Peer::connect(plane.s2s());
        match n % 3 {
            0 => peer.send(&text),
            1 => (0..text.len()).for_each(|at| peer.send(&text[at..=at])),
            _ => {
                let (head, tail) = text.split_at(text.len() - 30);
                peer.send(head);
                peer.expect("features");
                peer.send(tail);
            }
        }
        for id in ["first", "second"] {
            let got = capulet.expect("</message>");
            assert!(got.contains(&format!("a@{from}")) && got.contains(id), "{got}");
        }
    }
    plane.wait_for("some links moved", |totals| totals.steered > 0);
}

#[test]
fn a15_a_flood_before_authentication_ends_with_policy_violation() {
    let plane = Setup::new().minimum(Rung::Verified).start();
    let attributes: String = (0..4_000).map(|n| format!(" a{n}=''")).collect();
    let namespaces: String = (0..500).map(|n| format!(" xmlns:p{n}='n'")).collect();
    for flood in [
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>a</auth>".repeat(200),
        format!("<x xmlns='y'{attributes}/>"),
        format!("<x xmlns='y'{namespaces}/>"),
        "<a xmlns='y'>".repeat(2_000),
        format!("<x xmlns='y'>{}", "a".repeat(9_000)),
        format!("<x xmlns='y'>{}", "<a/>".repeat(2_000)),
    ] {
        let mut peer = Peer::connect(plane.s2s());
        peer.send(&header("montague.example", "capulet.example"));
        peer.expect("</stream:features>");
        // The link may end before the last byte is sent.
        let _ = peer.send_bytes(flood.as_bytes());
        let end = peer.expect_end();
        assert!(end.contains("<policy-violation"), "{end} after {flood:.40}");
    }
}

#[test]
fn a33_whoever_trickles_is_cut_by_the_deadline_of_its_phase() {
    let identity = self_signed(CertSpec::for_dns(&["capulet.example"]));
    let mut setup = Setup::new().identity("capulet.example", &identity).minimum(Rung::Verified);
    setup.settings.timeouts.negotiation_secs = 1;
    let plane = setup.start();
    let header = header("montague.example", "capulet.example");
    // In the header; in a TLS handshake that began with the connection; in one after STARTTLS; in
    // an element.
    let mut in_header = Peer::connect(plane.s2s());
    let mut in_direct_tls = Peer::connect(plane.direct_tls());
    let mut in_starttls = Peer::connect(plane.s2s());
    in_starttls.send(&header);
    in_starttls.expect("</stream:features>");
    in_starttls.send(STARTTLS);
    in_starttls.expect(PROCEED);
    let mut in_element = Peer::connect(plane.s2s());
    in_element.send(&header);
    in_element.expect("</stream:features>");
    let mut in_component = Peer::connect(plane.component());
    let record = [&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &[0; 400]].concat();
    let started = std::time::Instant::now();
    let mut alive = [true; 5];
    for n in 0.. {
        let byte = |text: &[u8]| [text[n % text.len()]];
        let bytes = [
            byte(header.as_bytes()),
            byte(&record),
            byte(&record),
            byte(b"<db:result from='montague.example' to='capulet.example'>"),
            byte(b"<stream:stream xmlns='jabber:component:accept' xmlns:stream='"),
        ];
        let peers = [
            &mut in_header,
            &mut in_direct_tls,
            &mut in_starttls,
            &mut in_element,
            &mut in_component,
        ];
        for ((peer, bytes), alive) in peers.into_iter().zip(bytes).zip(&mut alive) {
            *alive = *alive && peer.send_bytes(&bytes).is_ok() && !peer.is_over();
        }
        if alive == [false; 5] {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(6), "still alive: {alive:?}");
    }
    assert!(started.elapsed() >= Duration::from_millis(900));
}

#[test]
fn a_key_is_verified_with_the_authoritative_server() {
    let plane = Setup::new().minimum(Rung::Verified).start();
    let mut capulet = component(&plane, "capulet.example");
    let authoritative = listener();
    plane.zone("montague.example", &[at(authoritative.local_addr().unwrap())]);
    let mut peer = Peer::connect(plane.s2s());
    peer.send(&header("montague.example", "capulet.example"));
    peer.expect("<stream:stream");
    let id = attr(&peer.expect(">"), "id");
    peer.send("<db:result from='montague.example' to='capulet.example'>the-key</db:result>");

    let mut leg = serve(&authoritative, DIALBACK_FEATURES, "leg");
    leg.expect("<db:verify");
    let request = leg.expect("</db:verify>");
    assert!(request.contains("the-key") && attr(&request, "id") == id, "{request}");
    leg.send(&format!(
        "<db:verify from='montague.example' to='capulet.example' id='{id}' type='valid'/>"
    ));
    peer.expect("<db:result");
    let answer = peer.expect(">");
    assert!(answer.contains("type='valid'"), "{answer}");
    peer.send(&message("romeo@montague.example", "juliet@capulet.example", "in"));
    assert!(capulet.expect("</message>").contains("in"));
    // Proved is the pair, nothing else.
    peer.send(&message("a@bank.example", "juliet@capulet.example", "spoofed"));
    assert!(peer.expect_end().contains("<invalid-from"));
}

#[test]
fn an_invalid_key_and_an_unsolicited_answer_prove_nothing() {
    let plane = Setup::new().minimum(Rung::Verified).start();
    let authoritative = listener();
    plane.zone("montague.example", &[at(authoritative.local_addr().unwrap())]);
    let mut peer = Peer::connect(plane.s2s());
    peer.send(&header("montague.example", "capulet.example"));
    peer.expect("</stream:features>");
    peer.send("<db:verify from='montague.example' to='capulet.example' id='x' type='valid'/>");
    peer.send("<db:result from='montague.example' to='capulet.example'>forged</db:result>");
    let mut leg = serve(&authoritative, DIALBACK_FEATURES, "leg");
    leg.expect("<db:verify");
    let id = attr(&leg.expect("</db:verify>"), "id");
    leg.send(&format!(
        "<db:verify from='montague.example' to='capulet.example' id='{id}' type='invalid'/>"
    ));
    peer.expect("<db:result");
    assert!(peer.expect(">").contains("type='invalid'"));
    let _ = peer
        .send_bytes(message("romeo@montague.example", "juliet@capulet.example", "in").as_bytes());
    // The stream is closed; the message was not even looked at.
    assert_eq!(peer.expect_end(), "</stream:stream>");
    let mut capulet = component(&plane, "capulet.example");
    capulet.send(&message("juliet@capulet.example", "nurse@capulet.example", "echo"));
    assert!(capulet.expect("</message>").contains("echo"));
}

#[test]
fn who_asks_and_does_not_read_is_not_asked_for_more() {
    let plane = Setup::new().start();
    let mut peer = believed(&plane, "montague.example");
    let socket = socket2::SockRef::from(peer.socket());
    socket.set_write_timeout(Some(Duration::from_millis(1_500))).unwrap();
    socket.set_send_buffer_size(16 * 1024).unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let question = "<db:verify from='montague.example' to='capulet.example' id='i'>k</db:verify>";
    let questions = question.repeat(1_000);
    let mut sent = 0;
    let error = loop {
        match peer.send_bytes(questions.as_bytes()) {
            Ok(()) => sent += questions.len(),
            Err(error) => break error,
        }
        assert!(sent < 20 << 20, "the router takes questions without end");
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_server_that_was_believed_is_not_after_a_reload_and_its_open_stream_ends() {
    // One shard: whoever sees its reset knows that the new settings are in force.
    let plane = Setup::new().shards(1).start();
    let _capulet = component(&plane, "capulet.example");
    let mut old = believed(&plane, "montague.example");
    plane.reload(Setup::new().minimum(Rung::Secure));
    old.expect("<reset");
    old.expect_end();
    // No certificate here: a stream of today's minimum cannot be had in clear.
    let mut new = Peer::connect(plane.s2s());
    new.send(&header("montague.example", "capulet.example"));
    new.expect("</stream:features>");
    new.send(&message("romeo@montague.example", "juliet@capulet.example", "new"));
    assert!(new.expect_end().contains("<not-authorized"));
}

#[test]
fn tls_without_sni_shows_the_certificate_of_the_streams_to() {
    let names = ["a.example", "b.example"];
    let mut setup = Setup::new();
    setup.settings.domains = names.map(|name| plane::component_entry(name, "s")).to_vec();
    let certificates = names.map(|name| self_signed(CertSpec::for_dns(&[name])));
    for (name, issued) in names.iter().zip(&certificates) {
        setup = setup.identity(name, issued);
    }
    let plane = setup.start();
    for (name, issued) in names.iter().zip(&certificates) {
        let mut peer = Peer::connect(plane.s2s());
        peer.send(&header("montague.example", name));
        peer.expect("</stream:features>");
        peer.send(STARTTLS);
        peer.expect(PROCEED);
        // An IP address is never sent as SNI.
        peer.tls_client(&tls_client_config(None), "127.0.0.1");
        assert_eq!(peer.client_tls().peer_certificates().unwrap()[0], *issued.leaf());
    }
}

#[test]
fn a_pair_whose_key_cannot_be_verified_again_stays_proved_and_a_reload_still_judges_it() {
    let plane = Setup::new().minimum(Rung::Verified).shards(1).start();
    let mut capulet = component(&plane, "capulet.example");
    let authoritative = listener();
    plane.zone("montague.example", &[at(authoritative.local_addr().unwrap())]);
    let mut peer = Peer::connect(plane.s2s());
    peer.send(&header("montague.example", "capulet.example"));
    peer.expect("</stream:features>");
    let key = "<db:result from='montague.example' to='capulet.example'>k</db:result>";
    peer.send(key);
    let mut leg = serve(&authoritative, DIALBACK_FEATURES, "leg");
    for (answer, told) in [("valid", "type='valid'"), ("error", "type='error'")] {
        leg.expect("<db:verify");
        let id = attr(&leg.expect("</db:verify>"), "id");
        leg.send(&format!(
            "<db:verify from='montague.example' to='capulet.example' id='{id}' type='{answer}'/>"
        ));
        peer.expect("<db:result");
        assert!(peer.expect(">").contains(told));
        if answer == "valid" {
            peer.send(key);
        }
    }
    peer.send(&message("romeo@montague.example", "juliet@capulet.example", "still"));
    assert!(capulet.expect("</message>").contains("still"));
    plane.reload(Setup::new().minimum(Rung::Secure));
    assert!(peer.expect_end().contains("<reset"));
}
