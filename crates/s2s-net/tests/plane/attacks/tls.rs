//! STARTTLS: taken away, begun too early, broken on every attempt.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use s2s_trust::Rung;

use crate::support::attacker::*;
use crate::support::certs::{CertSpec, self_signed};
use crate::support::peer::{read_some, tls_client_config};
use crate::support::plane::{At, at};
use crate::support::*;

const TLS_FAILURE: &str = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

fn to_bob(domain: &str, id: &str) -> String {
    message("juliet@capulet.example", &format!("bob@{domain}"), id)
}

#[test]
fn a19_nothing_is_authenticated_before_the_tls_that_is_required() {
    let mut scene = Scene::at(Rung::Secure);
    let mut attacker = Peer::connect(scene.plane.s2s());
    attacker.send(&header("attacker.example", "capulet.example"));
    let features = attacker.expect("</stream:features>");
    assert!(features.ends_with(
        "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>\
         </stream:features>"
    ));
    for (element, answer) in [
        (
            AUTH.to_owned(),
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><encryption-required/></failure>"
                .to_owned(),
        ),
        (
            "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>"
                .to_owned(),
            "<failure xmlns='http://jabber.org/protocol/compress'><unsupported-method/></failure>"
                .to_owned(),
        ),
    ] {
        attacker.send(&element);
        assert_eq!(attacker.expect(&answer), answer);
    }
    attacker.send(&from_bob("attacker.example", "in clear"));
    assert_eq!(attacker.expect_end(), stream_error("not-authorized"));
    // A key costs the stream, in words that its administrator finds in the log.
    let mut attacker = Peer::connect(scene.plane.s2s());
    attacker.send(&header("attacker.example", "capulet.example"));
    attacker.expect("</stream:features>");
    attacker.send(&(key_of("attacker.example") + &from_bob("attacker.example", "in clear")));
    assert_eq!(
        attacker.expect_end(),
        stream_error_saying("policy-violation", "TLS is required before dialback")
    );
    assert_eq!(scene.plane.lookups("attacker.example"), 0);
    scene.honest();
    drop(attacker);
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.pairs_refused), 1);
    assert_eq!(counted.net(|net| net.stream_errors_sent), 2);
}

/// Copies bytes, with the offer of STARTTLS taken out; answers with what passed.
fn strip(from: TcpStream, mut to: TcpStream, offer: &'static str) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let (mut passed, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        while let Ok(len @ 1..) = read_some(&from, &mut buffer) {
            let mut bytes = buffer[..len].to_vec();
            // The offer comes in one piece: the test writes it in one.
            if let Some(place) = find(&bytes, offer.as_bytes()) {
                bytes.drain(place..place + offer.len());
            }
            passed.extend_from_slice(&bytes);
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
        passed
    })
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// One connection to `server` through somebody who removes the offer of STARTTLS; ends with all that
/// the router said to him.
fn in_the_middle(listener: TcpListener, server: SocketAddr) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let near = listener.accept().unwrap().0;
        let far = TcpStream::connect(server).unwrap();
        let there = strip(near.try_clone().unwrap(), far.try_clone().unwrap(), "no offer");
        let back = strip(far, near, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        back.join().unwrap();
        there.join().unwrap()
    })
}

#[test]
fn a20_an_offer_of_starttls_that_was_removed_on_the_way_changes_nothing() {
    let mut scene = Scene::at(Rung::Secure);
    let (middle, montague) = (listener(), listener());
    scene.plane.zone("montague.example", &[at(middle.local_addr().unwrap())]);
    let heard = in_the_middle(middle, montague.local_addr().unwrap());
    let stanza = to_bob("montague.example", "secret");
    scene.capulet.send(&stanza);
    let mut peer = serve_tls(&montague, &scene.issue("montague.example"), DIALBACK_FEATURES);
    accept_key(&mut peer, "capulet.example", "montague.example");
    assert_eq!(peer.expect("</message>"), stanza);
    scene.honest_out();
    drop(peer);
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.tls_handshakes), 2);
    let heard = heard.join().unwrap();
    // In clear it heard the header and the request, then a record of TLS.
    let request = find(&heard, STARTTLS.as_bytes()).unwrap() + STARTTLS.len();
    assert_eq!(heard[request], 22);
    assert!(find(&heard, b"secret").is_none() && find(&heard, b"db:result").is_none());
}

#[test]
fn a20_without_tls_a_peer_gets_neither_a_key_nor_a_stanza() {
    let mut scene = Scene::at(Rung::Secure);
    for (n, refusal) in [TLS_FAILURE, "</stream:stream>", "<stream:error/>", ""].iter().enumerate()
    {
        let domain = format!("m{n}.example");
        let middle = listener();
        scene.plane.zone(&domain, &[at(middle.local_addr().unwrap())]);
        scene.capulet.send(&to_bob(&domain, "secret"));
        let mut attacker = serve(&middle, DIALBACK_FEATURES, "x");
        assert_eq!(attacker.expect(STARTTLS), STARTTLS);
        attacker.send(refusal);
        attacker.socket().shutdown(Shutdown::Write).unwrap();
        // Whoever only hangs up is told nothing.
        let end = if refusal.is_empty() { "" } else { "</stream:stream>" };
        assert_eq!(attacker.expect_end(), end, "after {refusal:?}");
        let bounce = scene.bounced("secret", "remote-server-timeout");
        assert!(bounce.contains("<error type='cancel'>"), "{bounce}");
    }
    // The version is removed with the offer: before 1.0 there was no STARTTLS to ask for.
    let middle = listener();
    scene.plane.zone("old.example", &[at(middle.local_addr().unwrap())]);
    scene.capulet.send(&to_bob("old.example", "secret"));
    let mut attacker = Peer::accept(&middle);
    attacker.expect("<stream:stream");
    attacker.expect(">");
    attacker.send(
        "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns:db='jabber:server:dialback' from='old.example' id='x'>",
    );
    assert_eq!(
        attacker.expect_end(),
        stream_error_saying("policy-violation", "TLS is required and was not offered")
    );
    scene.bounced("secret", "remote-server-timeout");
    scene.honest_out();
    drop(attacker);
    let counted = scene.end();
    assert_eq!(counted.route(|route| route.gave_up), 5);
    assert_eq!(counted.route(|route| route.bounced), 5);
}

#[test]
fn a21_clear_text_behind_starttls_is_not_read_as_if_it_had_come_under_tls() {
    // Names are believed here: whatever is read is delivered.
    let mut scene = Scene::at(Rung::Promiscuous);
    let injected = from_bob("montague.example", "injected");
    let hello = [22, 3, 1, 0, 5];
    for behind in [injected.as_bytes(), b"<", &hello, b"</stream:stream>"] {
        let (mut attacker, _) = scene.stranger("montague.example");
        attacker.send_bytes(&[STARTTLS.as_bytes(), behind].concat()).unwrap();
        assert_eq!(attacker.expect_end(), "");
    }
    // Header, request and injection in one segment; the header moves some of them to another shard.
    for n in 0..8 {
        let from = format!("m{n}.example");
        let mut attacker = Peer::connect(scene.plane.s2s());
        let stanza = from_bob(&from, "injected");
        attacker.send(&format!("{}{STARTTLS}{stanza}", header(&from, "capulet.example")));
        assert!(attacker.expect_end().ends_with("</stream:features>"));
    }
    // In a segment of its own it is a broken handshake.
    let (mut attacker, _) = scene.stranger("montague.example");
    attacker.send(STARTTLS);
    assert_eq!(attacker.expect(PROCEED), PROCEED);
    let mut socket = attacker.socket();
    socket.write_all(injected.as_bytes()).unwrap();
    let mut alert = Vec::new();
    let _ = socket.read_to_end(&mut alert);
    assert_eq!(alert.first(), Some(&21), "an alert: {alert:?}");
    scene.honest();
    drop(attacker);
    assert_eq!(scene.end().net(|net| net.tls_failures), 13);
}

#[test]
fn a21_clear_text_behind_proceed_is_not_read_as_if_it_had_come_under_tls() {
    let mut scene = Scene::at(Rung::Promiscuous);
    let injected = "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
         xmlns:stream='http://etherx.jabber.org/streams' from='m1.example' id='i' version='1.0'>\
         <stream:features/>";
    for (n, behind) in ["<", injected].iter().enumerate() {
        let domain = format!("m{n}.example");
        let attackers = listener();
        scene.plane.zone(&domain, &[at(attackers.local_addr().unwrap())]);
        scene.capulet.send(&to_bob(&domain, "secret"));
        let mut attacker = serve(&attackers, STARTTLS_FEATURES, "x");
        assert_eq!(attacker.expect(STARTTLS), STARTTLS);
        attacker.send(&format!("{PROCEED}{behind}"));
        assert_eq!(attacker.expect_end(), "", "not even a handshake");
        scene.bounced("secret", "remote-server-timeout");
    }
    scene.honest_out();
    assert_eq!(scene.end().net(|net| net.tls_failures), 2);
}

/// A key over TLS whose authoritative server knows no TLS; with what the peer is answered.
fn key_with_a_leg_in_clear(scene: &Scene, from: &str) -> Peer {
    let authoritative = listener();
    scene.plane.zone(from, &[at(authoritative.local_addr().unwrap())]);
    let shown = self_signed(CertSpec::for_dns(&[from]));
    let mut peer = scene.over_tls(from, &tls_client_config(Some(&shown)));
    peer.send(&header(from, "capulet.example"));
    peer.expect("</stream:features>");
    peer.send(&key_of(from));
    let mut leg = serve(&authoritative, DIALBACK_FEATURES, "leg");
    leg.expect("<");
    if leg.expect(" ") == "starttls " {
        leg.send(&format!("{TLS_FAILURE}</stream:stream>"));
        assert!(!leg.expect_end().contains("verify"));
    } else {
        let id = attr(&leg.expect("</db:verify>"), "id");
        leg.send(&format!(
            "<db:verify from='{from}' to='capulet.example' id='{id}' type='valid'/>"
        ));
    }
    peer
}

#[test]
fn a27_a_key_that_is_verified_in_clear_counts_at_rung_verified_and_not_at_rung_secure() {
    let mut scene = Scene::at(Rung::Secure);
    let mut attacker = key_with_a_leg_in_clear(&scene, "attacker.example");
    let _ = attacker.send_bytes(from_bob("attacker.example", "unproved").as_bytes());
    let why = "TLS is required on the authoritative server too";
    assert_eq!(attacker.expect_end(), stream_error_saying("policy-violation", why));
    scene.honest();
    drop(attacker);
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.pairs_refused), 1);

    let mut scene = Scene::at(Rung::Verified);
    let mut peer = key_with_a_leg_in_clear(&scene, "montague.example");
    let valid = "<db:result from='capulet.example' to='montague.example' type='valid'/>";
    assert_eq!(peer.expect("/>"), valid);
    let stanza = from_bob("montague.example", "in");
    peer.send(&stanza);
    scene.delivered(&stanza);
    drop(peer);
    assert_eq!(scene.end().net(|net| net.pairs_refused), 0);
}

#[test]
fn a28_key_updates_without_end_end_the_connection() {
    let mut scene = Scene::at(Rung::Promiscuous);
    let mut attacker = scene.external("attacker.example");
    let stanza = from_bob("attacker.example", "first");
    attacker.send(&stanza);
    scene.delivered(&stanza);
    // Each one wants an answer; they come without anything to read between them.
    let mut records = Vec::new();
    for _ in 0..40 {
        let tls = attacker.client_tls();
        tls.refresh_traffic_keys().unwrap();
        tls.write_tls(&mut records).unwrap();
    }
    attacker
        .client_tls()
        .writer()
        .write_all(from_bob("attacker.example", "late").as_bytes())
        .unwrap();
    attacker.client_tls().write_tls(&mut records).unwrap();
    let mut socket = attacker.socket();
    socket.write_all(&records).unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    assert!(answer.len() < 1_024, "{} bytes were answered", answer.len());
    scene.honest();
    drop(attacker);
    assert_eq!(scene.end().net(|net| net.tls_failures), 1);
}

#[test]
fn a39_a_handshake_that_fails_on_every_attempt_is_not_followed_by_anything_in_clear() {
    let mut scene = Scene::at(Rung::Secure);
    let attackers: Vec<_> = (0..4).map(|_| listener()).collect();
    let places: Vec<At> = (0..4)
        .map(|n| At {
            direct: n < 2,
            priority: n,
            ..at(attackers[usize::from(n)].local_addr().unwrap())
        })
        .collect();
    scene.plane.zone("montague.example", &places);
    scene.capulet.send(&to_bob("montague.example", "secret"));
    for listener in &attackers[..2] {
        let peer = Peer::accept(listener);
        let mut hello = [0; 5];
        peer.socket().read_exact(&mut hello).unwrap();
        assert_eq!(hello[..2], [22, 3], "a record of TLS and nothing before it");
    }
    for listener in &attackers[2..] {
        let mut peer = serve(listener, STARTTLS_FEATURES, "x");
        assert_eq!(peer.expect(STARTTLS), STARTTLS);
        peer.send(PROCEED);
        let mut hello = [0; 5];
        peer.socket().read_exact(&mut hello).unwrap();
        assert_eq!(hello[..2], [22, 3]);
    }
    scene.bounced("secret", "remote-server-timeout");
    // A new attempt begins where the first did: no weaker way was learnt.
    scene.honest_out();
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.connected), 5);
    assert_eq!(counted.net(|net| net.tls_handshakes), 1);
}

#[test]
fn a39_a_refused_external_is_not_followed_by_a_key_to_a_peer_that_proved_nothing() {
    let mut scene = Scene::at(Rung::Trusted);
    // The certificate proves the name, EXTERNAL is refused: dialback, over the same TLS.
    let (good, bad) = (listener(), listener());
    scene.plane.zone("montague.example", &[at(good.local_addr().unwrap())]);
    let stanza = to_bob("montague.example", "out");
    scene.capulet.send(&stanza);
    let mut peer = serve_tls(&good, &scene.issue("montague.example"), TLS_FEATURES);
    peer.expect("</auth>");
    peer.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>");
    accept_key(&mut peer, "capulet.example", "montague.example");
    assert_eq!(peer.expect("</message>"), stanza);
    // The certificate proves nothing: neither EXTERNAL nor a key is tried.
    scene.plane.zone("paris.example", &[at(bad.local_addr().unwrap())]);
    scene.capulet.send(&to_bob("paris.example", "secret"));
    let mut attacker = serve_tls(&bad, &scene.issue("montague.example"), TLS_FEATURES);
    let why = "a valid certificate is required: the certificate does not name this domain: \
               add it as a subjectAltName";
    assert_eq!(attacker.expect_end(), stream_error_saying("not-authorized", why));
    scene.bounced("secret", "remote-server-timeout");
    drop((peer, attacker));
    assert_eq!(scene.end().route(|route| route.gave_up), 1);
}
