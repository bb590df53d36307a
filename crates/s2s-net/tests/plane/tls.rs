//! TLS, both ways.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use s2s_trust::{Roots, Rung};

use crate::support::certs::{Authority, CertSpec, Issued, self_signed};
use crate::support::peer::{read_some, tls_client_config, tls_server_config};
use crate::support::plane::{Plane, at};
use crate::support::*;

struct Verona {
    plane: Plane,
    montague: Issued,
}

/// Everybody has a certificate of one authority, and only certificates count.
fn verona() -> Verona {
    let authority = Authority::new("Verona Root");
    let issue = |name: &str| authority.issue(CertSpec::for_dns(&[name]));
    let (capulet, montague) = (issue("capulet.example"), issue("montague.example"));
    let mut setup = Setup::new().minimum(Rung::Trusted);
    setup.settings.roots = Arc::new(Roots::from_pem(authority.root_pem().as_bytes()).unwrap());
    let plane = setup.identity("capulet.example", &capulet).start();
    Verona { plane, montague }
}

fn external(peer: &mut Peer, from: &str) {
    peer.send(&header(from, "capulet.example"));
    assert!(peer.expect("</stream:features>").contains("EXTERNAL"));
    peer.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
    peer.expect("<success");
    peer.expect(">");
    peer.send(&header(from, "capulet.example"));
    peer.expect("features");
}

#[test]
fn direct_tls_inbound_resumes_and_is_judged_again() {
    let Verona { plane, montague } = verona();
    let mut capulet = component(&plane, "capulet.example");
    let config = tls_client_config(Some(&montague));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut peer = Peer::connect(plane.direct_tls());
        peer.tls_client(&config, "capulet.example");
        external(&mut peer, "montague.example");
        assert_eq!(peer.client_tls().handshake_kind(), Some(kind));
        peer.send(&message("romeo@montague.example", "juliet@capulet.example", "in"));
        assert!(capulet.expect("</message>").contains("in"));
    }
    // The ticket proves who it was made for and nobody else.
    let mut peer = Peer::connect(plane.direct_tls());
    peer.tls_client(&config, "capulet.example");
    peer.send(&header("bank.example", "capulet.example"));
    assert!(!peer.expect("</stream:features>").contains("EXTERNAL"));
    assert_eq!(peer.client_tls().handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn starttls_outbound_and_a_key_update_that_wants_an_answer() {
    let identity = self_signed(CertSpec::for_dns(&["montague.example"]));
    let plane = Setup::new().minimum(Rung::Secure).start();
    let mut capulet = component(&plane, "capulet.example");
    let montague = listener();
    plane.zone("montague.example", &[at(montague.local_addr().unwrap())]);
    capulet.send(&message("juliet@capulet.example", "romeo@montague.example", "one"));
    let mut peer = serve(&montague, STARTTLS_FEATURES, "clear");
    peer.expect(STARTTLS);
    peer.send(PROCEED);
    peer.tls_server(&tls_server_config(&identity));
    answer_header(&mut peer, DIALBACK_FEATURES, "tls");
    accept_key(&mut peer, "capulet.example", "montague.example");
    assert!(peer.expect("</message>").contains("one"));
    for round in 0..5 {
        peer.server_tls().refresh_traffic_keys().unwrap();
        peer.send(" ");
        let id = format!("u{round}");
        capulet.send(&message("juliet@capulet.example", "romeo@montague.example", &id));
        assert!(peer.expect("</message>").contains(&id));
    }
}

#[test]
fn a_handshake_may_come_byte_by_byte() {
    let identity = self_signed(CertSpec::for_dns(&["capulet.example"]));
    let plane = Setup::new().identity("capulet.example", &identity).start();
    let mut socket = TcpStream::connect(plane.direct_tls()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(plane::PATIENCE)).unwrap();
    let name = ServerName::try_from("capulet.example").unwrap();
    let config = tls_client_config(None);
    let mut tls = rustls::ClientConnection::new(config, name).unwrap();
    tls.writer().write_all(header("montague.example", "capulet.example").as_bytes()).unwrap();
    let mut got = String::new();
    while !got.contains("features") {
        let mut out = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut out).unwrap();
        }
        for byte in out {
            socket.write_all(&[byte]).unwrap();
        }
        let mut bytes = [0; 4096];
        let len = read_some(&socket, &mut bytes).unwrap();
        assert_ne!(len, 0, "closed after {got:?}");
        tls.read_tls(&mut &bytes[..len]).unwrap();
        tls.process_new_packets().unwrap();
        // WouldBlock: no clear text yet.
        let _ = tls.reader().read_to_string(&mut got);
    }
}

#[test]
fn garbage_in_the_handshake_is_answered_by_an_alert_and_the_end() {
    let identity = self_signed(CertSpec::for_dns(&["capulet.example"]));
    let plane = Setup::new().identity("capulet.example", &identity).start();
    let mut socket = TcpStream::connect(plane.direct_tls()).unwrap();
    socket.set_read_timeout(Some(plane::PATIENCE)).unwrap();
    socket.write_all(b"\x16\x03\x01\x00\x05\x63\x00\x00\x01\x00").unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
    plane.wait_for("the link is gone", |totals| totals.links == 0);
}

#[test]
fn what_came_before_a_broken_record_is_delivered() {
    let identity = self_signed(CertSpec::for_dns(&["capulet.example"]));
    let plane = Setup::new().identity("capulet.example", &identity).start();
    let mut capulet = component(&plane, "capulet.example");
    let mut peer = Peer::connect(plane.direct_tls());
    peer.tls_client(&tls_client_config(None), "capulet.example");
    peer.send(&header("montague.example", "capulet.example"));
    peer.expect("features");
    let tls = peer.client_tls();
    let text = message("romeo@montague.example", "juliet@capulet.example", "last");
    tls.writer().write_all(text.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut bytes).unwrap();
    }
    bytes.extend_from_slice(b"\x17\x03\x03\x00\x20not a record that was ever sealed");
    let mut socket = peer.socket();
    socket.write_all(&bytes).unwrap();
    assert!(capulet.expect("</message>").contains("last"));
}

#[test]
fn close_notify_ends_the_stream_politely() {
    let identity = self_signed(CertSpec::for_dns(&["capulet.example"]));
    let plane = Setup::new().identity("capulet.example", &identity).start();
    let mut capulet = component(&plane, "capulet.example");
    let mut peer = Peer::connect(plane.direct_tls());
    peer.tls_client(&tls_client_config(None), "capulet.example");
    peer.send(&header("montague.example", "capulet.example"));
    peer.expect("features");
    peer.client_tls().send_close_notify();
    peer.send(&message("romeo@montague.example", "juliet@capulet.example", "too late"));
    // Answered by close_notify: an end without it would be an error of the reader.
    peer.expect("</stream:features>");
    assert_eq!(peer.expect_end(), "");
    let mut next = believed(&plane, "paris.example");
    next.send(&message("a@paris.example", "juliet@capulet.example", "next"));
    assert!(capulet.expect("</message>").contains("next"));
}

/// An entry of its own that has no certificate does not show the one of the wildcard above it: what the stream says of itself (no
/// EXTERNAL without a certificate) and what TLS shows come from one entry.
#[test]
fn a_domain_with_an_entry_of_its_own_borrows_no_certificate() {
    let wide = self_signed(CertSpec::for_dns(&["*.capulet.example"]));
    let theirs = self_signed(CertSpec::for_dns(&["montague.example"]));
    let mut setup = Setup::new().minimum(Rung::Secure);
    setup.settings.domains.push(plane::component_entry("own.capulet.example", "wherefore"));
    let plane = setup.identity("*.capulet.example", &wide).start();
    let montague = listener();
    plane.zone("montague.example", &[at(montague.local_addr().unwrap())]);
    for (local, shows) in [("own.capulet.example", false), ("other.capulet.example", true)] {
        let mut gateway = component(&plane, local);
        gateway.send(&message(local, "romeo@montague.example", "1"));
        let mut peer = serve(&montague, STARTTLS_FEATURES, "clear");
        peer.expect(STARTTLS);
        peer.send(PROCEED);
        peer.tls_server(&tls_server_config(&theirs));
        assert_eq!(peer.server_tls().peer_certificates().is_some(), shows, "{local}");
        answer_header(&mut peer, DIALBACK_FEATURES, "tls");
        accept_key(&mut peer, local, "montague.example");
        peer.expect("</message>");
    }
}
