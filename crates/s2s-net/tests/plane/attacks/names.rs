//! Who somebody says to be: after a restart, on a stanza, in our own name, in another spelling.

use s2s_trust::{Policy, Rule, Rung};
use xmpp_addr::DomainPattern;

use crate::support::attacker::*;
use crate::support::peer::tls_client_config;
use crate::support::plane::{At, at};
use crate::support::*;

#[test]
fn a22_the_names_of_a_restarted_stream_are_those_that_were_authenticated() {
    let mut scene = Scene::at(Rung::Trusted);
    let config = tls_client_config(Some(&scene.issue("attacker.example")));
    for (from, to, condition) in [
        ("victim.example", "capulet.example", "invalid-from"),
        ("sub.attacker.example", "capulet.example", "invalid-from"),
        ("attacker.example", "x.capulet.example", "not-authorized"),
    ] {
        let mut attacker = scene.over_tls("attacker.example", &config);
        attacker.send(&header("attacker.example", "capulet.example"));
        attacker.expect("</stream:features>");
        attacker.send(AUTH);
        attacker.expect(SUCCESS);
        // The stanza comes with the header, in the name it says.
        attacker.send(&format!("{}{}", header(from, to), from_bob(from, "swapped")));
        let end = attacker.expect_end();
        assert!(end.starts_with("<?xml version='1.0'?><stream:stream "), "{end}");
        assert!(end.ends_with(&format!(">{}", stream_error(condition))), "{end}");
        assert!(!end.contains("features"), "{end}");
    }
    scene.honest();
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.stream_errors_sent), 3);
    assert_eq!(counted.net(|net| net.pairs_proved), 1);
}

#[test]
fn a23_every_spelling_of_a_sender_is_checked_as_the_domain_it_means() {
    let mut scene = Scene::at(Rung::Trusted);
    // One domain, as its certificate has it; the peer may spell it as it likes.
    let mut peer = scene.external("xn--bcher-kva.example");
    for same in [
        "bob@xn--bcher-kva.example",
        "bob@bücher.example",
        "bob@BÜCHER.Example./x",
        "xn--BCHER-KVA.example.",
    ] {
        let stanza = message(same, "juliet@capulet.example", "same");
        peer.send(&stanza);
        let got = scene.capulet.expect("</message>");
        assert_eq!(got.matches("<message").count(), 1, "{got}");
        scene.admitted += 1;
    }
    for other in [
        "x@evil.example",
        "bob@xn--bcher-kva.example.evil.example",
        "bob@bucher.example",
        "bob@x.bücher.example",
        "bob@ücher.example",
        "victim.example/bob@bücher.example",
        "bob@bücher.example@victim.example",
    ] {
        let mut attacker = scene.external("xn--bcher-kva.example");
        attacker.send(&message(other, "juliet@capulet.example", "other"));
        let malformed = other.matches('@').count() > 1 && !other.contains('/');
        let error = if malformed {
            stream_error("improper-addressing")
        } else {
            stream_error_saying("invalid-from", UNVERIFIED)
        };
        assert_eq!(attacker.expect_end(), error, "{other}");
    }
    // Proved is a pair: the same sender has proved nothing to another domain of ours.
    peer.send(&message("bob@bücher.example", "nurse@x.capulet.example", "elsewhere"));
    let text = "the sender domain was not verified for this target domain";
    assert_eq!(peer.expect_end(), stream_error_saying("invalid-from", text));
    scene.honest();
    drop(peer);
    assert_eq!(scene.end().net(|net| net.stream_errors_sent), 8);
}

#[test]
fn a25_a_domain_that_leads_inside_is_not_dialled() {
    let mut scene = Scene::with(Rung::Verified, |mut setup| {
        setup.settings.allow_private.clear();
        setup
    });
    let inside = listener();
    let port = inside.local_addr().unwrap().port();
    let addresses =
        ["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::1", "169.254.169.254", "::ffff:10.0.0.1"];
    for (n, address) in addresses.iter().enumerate() {
        let domain = format!("i{n}.example");
        let place = std::net::SocketAddr::new(address.parse().unwrap(), port);
        scene.plane.zone(&domain, &[at(place), At { direct: true, ..at(place) }]);
        let to = format!("bob@{domain}");
        scene.capulet.send(&message("juliet@capulet.example", &to, "out"));
        scene.bounced("out", "remote-server-not-found");
        let (mut attacker, _) = scene.stranger(&domain);
        attacker.send(&key_of(&domain));
        assert_eq!(
            attacker.expect("</db:result>"),
            key_refused(&domain, "cancel", "remote-server-not-found", None)
        );
    }
    inside.set_nonblocking(true).unwrap();
    assert!(inside.accept().is_err(), "somebody called");
    scene.honest();
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.connected + net.connect_failures), 0);
    assert_eq!(counted.route(|route| route.connects), 0);
}

#[test]
fn a31_a_domain_that_leads_to_ourselves_gets_one_error_and_no_connection() {
    let mut scene = Scene::at(Rung::Verified);
    let own = [
        at(scene.plane.s2s()),
        At { direct: true, ..at(scene.plane.direct_tls()) },
        at(scene.plane.component()),
    ];
    scene.plane.zone("montague.example", &own);
    for id in ["one", "two"] {
        scene.capulet.send(&message("juliet@capulet.example", "romeo@montague.example", id));
        scene.bounced(id, "remote-server-not-found");
    }
    // An error for that domain is not answered at all, nor is one for a domain nobody serves.
    for to in ["romeo@montague.example", "nurse@down.capulet.example"] {
        scene.capulet.send(&format!(
            "<message type='error' from='juliet@capulet.example' to='{to}' id='e'><body/></message>"
        ));
    }
    // Nor is a key in its name verified with ourselves.
    let (mut attacker, _) = scene.stranger("montague.example");
    attacker.send(&key_of("montague.example"));
    assert_eq!(
        attacker.expect("</db:result>"),
        key_refused("montague.example", "cancel", "remote-server-not-found", None)
    );
    scene.honest();
    scene.honest_out();
    drop(attacker);
    let counted = scene.end();
    // Those of `honest_out`.
    assert_eq!(counted.net(|net| net.connected + net.connect_failures), 1);
    assert_eq!(counted.net(|net| net.accepted), 2);
    assert_eq!(counted.route(|route| route.bounced), 2);
    assert_eq!(counted.route(|route| route.dropped_must_not_bounce), 2);
}

#[test]
fn a32_nobody_outside_speaks_for_a_domain_of_ours() {
    let mut scene = Scene::at(Rung::Verified);
    // Even with a certificate that proves the name.
    let config = tls_client_config(Some(&scene.issue("x.capulet.example")));
    let mut attacker = Peer::connect(scene.plane.direct_tls());
    attacker.tls_client(&config, "capulet.example");
    attacker.send(&header("x.capulet.example", "capulet.example"));
    let end = attacker.expect_end();
    assert!(end.ends_with(&format!(">{}", stream_error("invalid-from"))), "{end}");
    assert!(!end.contains("features"), "{end}");
    drop(attacker);
    for name in ["capulet.example", "CAPULET.example.", "x.capulet.example"] {
        let mut attacker = Peer::connect(scene.plane.s2s());
        attacker.send(&header(name, "capulet.example"));
        let end = attacker.expect_end();
        assert!(end.ends_with(&format!(">{}", stream_error("invalid-from"))), "{end}");
    }
    // By a key, by asking about a key, by a stanza.
    let mut attacker = scene.external("attacker.example");
    attacker.send(&key_of("x.capulet.example"));
    assert_eq!(
        attacker.expect("</db:result>"),
        key_refused("x.capulet.example", "modify", "not-acceptable", None)
    );
    attacker.send("<db:verify from='x.capulet.example' to='capulet.example' id='i'>k</db:verify>");
    let answer = attacker.expect("</db:verify>");
    assert!(answer.contains("type='error'") && answer.contains("<not-acceptable "), "{answer}");
    attacker.send(&from_bob("x.capulet.example", "borrowed"));
    assert_eq!(attacker.expect_end(), stream_error_saying("invalid-from", UNVERIFIED));
    assert_eq!(scene.plane.lookups("x.capulet.example"), 0);
    scene.honest();
    drop(attacker);
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.pairs_refused), 5);
    assert_eq!(counted.net(|net| net.pairs_proved), 2);
    assert_eq!(counted.net(|net| net.stream_errors_sent), 5);
}

#[test]
fn a34_a_redirection_is_not_followed_before_tls_nor_after() {
    let mut scene = Scene::at(Rung::Secure);
    let (evil, montague) = (listener(), listener());
    let port = evil.local_addr().unwrap().port();
    scene.plane.zone("evil.example", &[at(evil.local_addr().unwrap())]);
    let redirection = |to: &str| {
        format!(
            "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{to}\
             </see-other-host></stream:error></stream:stream>"
        )
    };
    let places = [
        format!("127.0.0.1:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        "evil.example".to_owned(),
    ];
    for (n, place) in places.iter().enumerate() {
        for after_tls in [false, true] {
            let domain = format!("m{n}{}.example", u8::from(after_tls));
            scene.plane.zone(&domain, &[at(montague.local_addr().unwrap())]);
            let id = format!("r{n}");
            let to = format!("bob@{domain}");
            scene.capulet.send(&message("juliet@capulet.example", &to, &id));
            let mut peer = if after_tls {
                let shown = scene.issue(&domain);
                let mut peer = serve_tls(&montague, &shown, DIALBACK_FEATURES);
                peer.expect("</db:result>");
                peer
            } else {
                serve(&montague, "", "x")
            };
            peer.send(&redirection(place));
            assert_eq!(peer.expect_end(), "</stream:stream>");
            scene.bounced(&id, "remote-server-timeout");
        }
    }
    scene.honest_out();
    evil.set_nonblocking(true).unwrap();
    assert!(evil.accept().is_err(), "somebody went where the redirection led");
    assert_eq!(scene.plane.lookups("evil.example"), 0);
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.stream_errors_received), 6);
    assert_eq!(counted.net(|net| net.connected), 7);
}

#[test]
fn a40_every_spelling_of_a_domain_meets_the_same_rule_and_the_same_link() {
    let strict = |remote: &str| Rule {
        local: DomainPattern::Any,
        remote: DomainPattern::parse(remote).unwrap(),
        minimum: Rung::Trusted,
    };
    let mut scene = Scene::with(Rung::Promiscuous, |mut setup| {
        let rules = vec![strict("example.com"), strict("xn--bcher-kva.example")];
        setup.settings.policy = Policy::new(Rung::Promiscuous, rules).unwrap();
        setup
    });
    // In clear, where everybody else is believed.
    let spellings = ["EXAMPLE.com", "example.com.", "xn--bcher-kva.example", "bücher.example"];
    for spelling in spellings {
        let mut attacker = Peer::connect(scene.plane.s2s());
        attacker.send(&header(spelling, "capulet.example"));
        assert!(attacker.expect("</stream:features>").contains("<required/>"), "{spelling}");
        attacker.send(&key_of(spelling));
        let answer = attacker.expect("</stream:stream>");
        assert!(answer.contains("<not-authorized "), "{answer}");
    }
    for spelling in spellings {
        let mut attacker = Peer::connect(scene.plane.s2s());
        attacker.send(&header(spelling, "capulet.example"));
        attacker.expect("</stream:features>");
        attacker.send(&from_bob(spelling, "unproved"));
        assert_eq!(attacker.expect_end(), stream_error("not-authorized"), "{spelling}");
    }
    // A look-alike is another domain, believed as such.
    let (mut alike, _) = scene.stranger("bucher.example");
    let stanza = from_bob("bucher.example", "alike");
    alike.send(&stanza);
    scene.delivered(&stanza);

    // Outward: one look-up and one link for all.
    let bucher = listener();
    scene.plane.zone("xn--bcher-kva.example", &[at(bucher.local_addr().unwrap())]);
    let outward = ["bücher.example", "BÜCHER.example.", "xn--bcher-kva.example", "Bücher.EXAMPLE"];
    for spelling in outward {
        let to = format!("bob@{spelling}");
        scene.capulet.send(&message("juliet@capulet.example", &to, "out"));
    }
    let shown = scene.issue("xn--bcher-kva.example");
    let mut peer = serve_tls(&bucher, &shown, DIALBACK_FEATURES);
    accept_key(&mut peer, "capulet.example", "xn--bcher-kva.example");
    for _ in outward {
        assert!(peer.expect("</message>").contains("out"));
    }
    assert_eq!(scene.plane.lookups("xn--bcher-kva.example"), 1);
    scene.honest();
    drop((alike, peer));
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.pairs_refused), 4);
    assert_eq!(counted.net(|net| net.connected), 1);
}
