//! Certificates that do not prove what they are shown for, to the server that accepts and to the one
//! that connects; and resumed TLS connections.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::HandshakeKind;
use s2s_trust::{Roots, Rung};

use crate::support::attacker::*;
use crate::support::certs::{CertSpec, Eku, Issued, Validity, self_signed};
use crate::support::peer::{tls_client_config, tls_server_config};
use crate::support::plane::{At, at, component_entry};
use crate::support::*;

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const OTHER_NAMES: &str = "the certificate does not name this domain: add it as a subjectAltName";
const NO_NAMES: &str = "the certificate names no domain: it needs a subjectAltName, a common name does not \
                        count";
const SELF_SIGNED: &str = "the certificate is self-signed: use one from a certificate authority";
const FOR_CLIENTS: &str = "the certificate may not be used for servers: its extended key usage lacks \
                           serverAuth";

/// A server that shows `issued` and calls itself victim.example: no offer of EXTERNAL, no success
/// without the offer, no pair by dialback, no stanza.
#[track_caller]
fn refused_inbound(scene: &Scene, issued: &Issued, reason: &str) {
    let mut attacker = scene.over_tls("victim.example", &tls_client_config(Some(issued)));
    attacker.send(&header("victim.example", "capulet.example"));
    let features = attacker.expect("</stream:features>");
    assert!(!features.contains("EXTERNAL") && !features.contains("<mechanisms"), "{features}");
    attacker.send(AUTH);
    assert_eq!(
        attacker.expect("</failure>"),
        format!(
            "<failure xmlns='{SASL}'><not-authorized/><text xml:lang='en'>{reason}</text></failure>"
        )
    );
    attacker.send(&format!("{}{}", key_of("victim.example"), from_bob("victim.example", "in")));
    let text = format!("a valid certificate is required: {reason}");
    assert_eq!(attacker.expect_end(), stream_error_saying("not-authorized", &text));
}

/// A server we connect to for victim.example shows `issued`: it is told why and gets nothing.
#[track_caller]
fn refused_outbound(scene: &mut Scene, issued: &Issued, remote: &str, reason: &str) {
    let attackers = listener();
    scene.plane.zone(remote, &[at(attackers.local_addr().unwrap())]);
    scene.capulet.send(&message("juliet@capulet.example", &format!("bob@{remote}"), "out"));
    let mut attacker = serve_tls(&attackers, issued, TLS_FEATURES);
    let text = format!("a valid certificate is required: {reason}");
    assert_eq!(attacker.expect_end(), stream_error_saying("not-authorized", &text));
    let bounce = scene.bounced("out", "remote-server-timeout");
    assert!(bounce.contains("<error type='cancel'>"), "{bounce}");
}

/// What none of these prove, in either direction.
#[track_caller]
fn proves_nothing(mut scene: Scene, shown: &[(&Issued, &str)]) {
    for (n, (issued, reason)) in shown.iter().enumerate() {
        refused_inbound(&scene, issued, reason);
        // A domain that failed rests; the certificates name others below it too.
        let remote = if n == 0 { "victim.example" } else { "x.victim.example" };
        refused_outbound(&mut scene, issued, remote, reason);
    }
    scene.honest();
    scene.honest_out();
    let counted = scene.end();
    let refusals = u64::try_from(shown.len()).unwrap() * 2;
    // EXTERNAL and the key of each.
    assert_eq!(counted.net(|net| net.pairs_refused), refusals);
    assert_eq!(counted.net(|net| net.pairs_proved), 2);
}

#[test]
fn a7_the_victims_certificate_behind_ones_own_proves_nothing() {
    let scene = Scene::at(Rung::Trusted);
    let mut attacker = scene.issue("attacker.example");
    attacker.chain.extend(scene.issue("victim.example").chain);
    proves_nothing(scene, &[(&attacker, OTHER_NAMES)]);
}

#[test]
fn a8_a_certificate_one_made_oneself_proves_nothing() {
    let scene = Scene::at(Rung::Trusted);
    let forged = self_signed(CertSpec::for_dns(&["victim.example"]));
    proves_nothing(scene, &[(&forged, SELF_SIGNED)]);
}

#[test]
fn a9_a_common_name_proves_nothing_wherever_it_stands() {
    let scene = Scene::at(Rung::Trusted);
    let issue =
        |ou, dns| scene.authority.issue(CertSpec { ou: Some(ou), dns, ..CertSpec::default() });
    let no_name = issue("CN=victim.example,", &[]);
    let another = issue("x, CN=victim.example", &["attacker.example"]);
    proves_nothing(scene, &[(&no_name, NO_NAMES), (&another, OTHER_NAMES)]);
}

#[test]
fn a10_a_certificate_for_clients_only_authenticates_no_server_in_either_direction() {
    let mut scene = Scene::at(Rung::Trusted);
    let issue = |scene: &Scene, eku, name: &str| {
        scene.authority.issue(CertSpec { eku, ..CertSpec::for_dns(&[name]) })
    };
    // The two that pass.
    for (eku, name) in [(Eku::ServerOnly, "server.example"), (Eku::None, "none.example")] {
        let issued = issue(&scene, eku, name);
        let mut peer = scene.over_tls(name, &tls_client_config(Some(&issued)));
        authenticate(&mut peer, name);
        let stanza = from_bob(name, "in");
        peer.send(&stanza);
        scene.delivered(&stanza);
        let listener = listener();
        scene.plane.zone(name, &[at(listener.local_addr().unwrap())]);
        let stanza = message("juliet@capulet.example", &format!("bob@{name}"), "out");
        scene.capulet.send(&stanza);
        let mut peer = serve_tls(&listener, &issued, DIALBACK_FEATURES);
        accept_key(&mut peer, "capulet.example", name);
        assert_eq!(peer.expect("</message>"), stanza);
    }
    let clients = issue(&scene, Eku::ClientOnly, "victim.example");
    refused_inbound(&scene, &clients, FOR_CLIENTS);
    refused_outbound(&mut scene, &clients, "victim.example", FOR_CLIENTS);
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.pairs_proved), 4);
    assert_eq!(counted.net(|net| net.pairs_refused), 2);
}

#[test]
fn a29_a_resumed_connection_shows_the_certificate_of_the_domain_it_is_for() {
    let mut scene = Scene::with(Rung::Trusted, |mut setup| {
        setup.settings.domains.push(component_entry("tybalt.example", "wherefore"));
        let own = self_signed(CertSpec::for_dns(&["tybalt.example"]));
        setup.identity("tybalt.example", &own)
    });
    let shown = tls_server_config(&scene.issue("montague.example"));
    let montague = listener();
    let place = At { direct: true, ..at(montague.local_addr().unwrap()) };
    scene.plane.zone("montague.example", &[place]);
    let mut tybalt = component(&scene.plane, "tybalt.example");
    for (from, kind) in [
        ("capulet.example", HandshakeKind::Full),
        ("tybalt.example", HandshakeKind::Full),
        ("capulet.example", HandshakeKind::Resumed),
        ("tybalt.example", HandshakeKind::Resumed),
    ] {
        let who = if from == "capulet.example" { &mut scene.capulet } else { &mut tybalt };
        let stanza = message(&format!("a@{from}"), "romeo@montague.example", "out");
        who.send(&stanza);
        let mut peer = Peer::accept(&montague);
        peer.tls_server(&shown);
        assert_eq!(peer.server_tls().handshake_kind(), Some(kind), "{from}");
        let certificate = peer.server_tls().peer_certificates().unwrap()[0].clone();
        let names =
            |name: &str| certificate.windows(name.len()).any(|part| part == name.as_bytes());
        assert!(names(from), "{from} shows another certificate");
        assert_eq!(names("capulet.example"), from == "capulet.example");
        answer_header(&mut peer, DIALBACK_FEATURES, "d");
        accept_key(&mut peer, from, "montague.example");
        assert_eq!(peer.expect("</message>"), stanza);
        peer.send("</stream:stream>");
        peer.expect("</stream:stream>");
    }
    drop(tybalt);
    assert_eq!(scene.end().net(|net| net.tls_resumed), 2);
}

#[test]
fn a29_a_resumed_connection_whose_certificate_expired_since_proves_nothing() {
    let mut scene = Scene::at(Rung::Trusted);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let last = since.as_secs() + 1;
    let spec = CertSpec::for_dns(&["victim.example"]);
    let short = scene.authority.issue(CertSpec { validity: Validity::Until(last), ..spec });
    let config = tls_client_config(Some(&short));
    let mut peer = scene.over_tls("victim.example", &config);
    authenticate(&mut peer, "victim.example");
    assert_eq!(peer.client_tls().handshake_kind(), Some(HandshakeKind::Full));
    let stanza = from_bob("victim.example", "in time");
    peer.send(&stanza);
    scene.delivered(&stanza);
    // The calendar is what is tested.
    let over = UNIX_EPOCH + Duration::from_secs(last + 1);
    std::thread::sleep(over.duration_since(SystemTime::now()).unwrap_or_default());
    let mut late = scene.over_tls("victim.example", &config);
    assert_eq!(late.client_tls().handshake_kind(), Some(HandshakeKind::Resumed));
    late.send(&header("victim.example", "capulet.example"));
    assert!(!late.expect("</stream:features>").contains("EXTERNAL"));
    late.send(&format!("{AUTH}{}", from_bob("victim.example", "late")));
    let end = late.expect_end();
    assert!(
        end.contains(
            "<not-authorized/><text xml:lang='en'>the certificate or one of its chain has expired"
        ),
        "{end}"
    );
    assert!(end.ends_with(&stream_error("not-authorized")), "{end}");
    scene.honest();
    drop((peer, late));
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.tls_resumed), 1);
    assert_eq!(counted.net(|net| net.pairs_refused), 1);
}

#[test]
fn a29_a_resumed_connection_is_judged_by_the_policy_of_today() {
    let mut scene = Scene::at(Rung::Trusted);
    let config = tls_client_config(Some(&scene.issue("victim.example")));
    let mut peer = scene.over_tls("victim.example", &config);
    authenticate(&mut peer, "victim.example");
    let stanza = from_bob("victim.example", "before");
    peer.send(&stanza);
    scene.delivered(&stanza);
    // The authority is trusted no more.
    let own = scene.issue("capulet.example");
    let mut setup = Setup::new().minimum(Rung::Trusted).identity("capulet.example", &own);
    setup.settings.roots = std::sync::Arc::new(Roots::none());
    scene.plane.reload(setup);
    for attempt in 0.. {
        assert!(attempt < 50, "the reload never came");
        let mut later = scene.over_tls("victim.example", &config);
        assert_eq!(later.client_tls().handshake_kind(), Some(HandshakeKind::Resumed));
        later.send(&header("victim.example", "capulet.example"));
        if later.expect("</stream:features>").contains("EXTERNAL") {
            continue;
        }
        later.send(&from_bob("victim.example", "after"));
        assert_eq!(later.expect_end(), stream_error("not-authorized"));
        break;
    }
    // The stream that was open goes on.
    let stanza = from_bob("victim.example", "still");
    peer.send(&stanza);
    scene.delivered(&stanza);
    drop(peer);
    let counted = scene.end();
    assert!(counted.net(|net| net.tls_resumed) >= 1);
    assert_eq!(counted.net(|net| net.pairs_proved), 1);
}
