//! Dialback: answers nobody asked for, keys that are carried elsewhere, floods of keys.

use std::sync::Arc;

use s2s_proto::dialback::Secret;
use s2s_trust::Rung;

use crate::support::attacker::*;
use crate::support::peer::tls_client_config;
use crate::support::plane::at;
use crate::support::*;

/// A key asked for by `domain` is checked with us.
fn check(leg: &mut Peer, domain: &str, id: &str, key: &str) -> String {
    leg.send(&format!(
        "<db:verify from='{domain}' to='capulet.example' id='{id}'>{key}</db:verify>"
    ));
    leg.expect("/>")
}

fn checked(domain: &str, id: &str, outcome: &str) -> String {
    format!("<db:verify from='capulet.example' to='{domain}' id='{id}' type='{outcome}'/>")
}

/// The key the router sends on its stream to us.
fn key_on(peer: &mut Peer) -> String {
    peer.expect("<db:result");
    let key = peer.expect("</db:result>");
    key.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()
}

#[test]
fn a1_answers_that_nobody_asked_for_prove_nothing_on_a_stream_we_accepted() {
    let mut scene = Scene::at(Rung::Verified);
    let unasked = "<db:verify from='bank.example' to='capulet.example' id='X' type='valid'/>\
                   <db:result from='bank.example' to='capulet.example' type='valid'/>";
    let (mut stranger, _) = scene.stranger("bank.example");
    stranger.send(&format!("{unasked}{}", from_bob("bank.example", "unproved")));
    assert_eq!(stranger.expect_end(), stream_error("not-authorized"));

    let mut attacker = scene.external("attacker.example");
    attacker.send(&format!("{unasked}{}", from_bob("bank.example", "borrowed")));
    assert_eq!(attacker.expect_end(), stream_error_saying("invalid-from", UNVERIFIED));

    // A key is being verified, and the answers about that very id come on the wrong stream.
    let authoritative = listener();
    scene.plane.zone("bank.example", &[at(authoritative.local_addr().unwrap())]);
    let (mut impatient, id) = scene.stranger("bank.example");
    impatient.send(&key_of("bank.example"));
    let (mut leg, asked_id) = asked(&authoritative);
    assert_eq!(id, asked_id);
    impatient.send(&format!(
        "<db:verify from='bank.example' to='capulet.example' id='{id}' type='valid'/>\
         <db:verify from='capulet.example' to='bank.example' id='{id}' type='valid'/>\
         <db:result from='bank.example' to='capulet.example' type='valid'/>{}",
        from_bob("bank.example", "impatient")
    ));
    assert_eq!(impatient.expect_end(), stream_error("not-authorized"));
    leg.send("</stream:stream>");
    scene.honest();
    drop((stranger, attacker, impatient, leg));
    assert_eq!(scene.end().net(|net| net.unsolicited), 7);
}

#[test]
fn a1_answers_that_nobody_asked_for_prove_nothing_on_a_stream_we_opened() {
    let mut scene = Scene::at(Rung::Verified);
    let (attackers, bank) = (listener(), listener());
    scene.plane.zone("attacker.example", &[at(attackers.local_addr().unwrap())]);
    scene.plane.zone("bank.example", &[at(bank.local_addr().unwrap())]);
    let to_attacker = message("juliet@capulet.example", "bob@attacker.example", "waits");
    scene.capulet.send(&to_attacker);
    let mut attacker = serve(&attackers, DIALBACK_FEATURES, "out");
    key_on(&mut attacker);
    // In the name of the bank, with a key that only the bank may judge.
    let (mut inbound, id) = scene.stranger("bank.example");
    inbound.send(&key_of("bank.example"));
    let (mut leg, asked_id) = asked(&bank);
    assert_eq!(id, asked_id);
    attacker.send(&format!(
        "<db:verify from='bank.example' to='capulet.example' id='{id}' type='valid'/>\
         <db:result from='bank.example' to='capulet.example' type='valid'/>\
         <db:result from='attacker.example' to='x.capulet.example' type='valid'/>\
         <db:verify from='attacker.example' to='capulet.example' id='{id}' type='valid'/>\
         <db:result from='attacker.example' to='capulet.example'>key</db:result>"
    ));
    // Its own answer, in order behind the others, shows that they were read.
    attacker.send("<db:result from='attacker.example' to='capulet.example' type='valid'/>");
    assert_eq!(attacker.expect("</message>"), to_attacker);
    leg.send(&format!(
        "<db:verify from='bank.example' to='capulet.example' id='{id}' type='invalid'/>"
    ));
    assert_eq!(
        inbound.expect_end(),
        "<db:result from='capulet.example' to='bank.example' type='invalid'/></stream:stream>"
    );
    scene.honest();
    scene.honest_out();
    drop((attacker, inbound, leg));
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.unsolicited), 5);
    assert_eq!(counted.net(|net| net.pairs_refused), 1);
}

#[test]
fn a2_the_answer_for_a_part_of_the_domain_is_no_answer() {
    let mut scene = Scene::at(Rung::Verified);
    let authoritative = listener();
    scene.plane.zone("xvictim.example", &[at(authoritative.local_addr().unwrap())]);
    let (mut attacker, id) = scene.stranger("xvictim.example");
    attacker.send(&key_of("xvictim.example"));
    let (mut leg, asked_id) = asked(&authoritative);
    assert_eq!(id, asked_id);
    let said = |from: &str, to: &str| {
        format!("<db:verify from='{from}' to='{to}' id='{id}' type='valid'/>")
    };
    leg.send(&said("victim.example", "capulet.example"));
    leg.send(&said("xvictim.example", "apulet.example"));
    leg.send(&said("x.xvictim.example", "capulet.example"));
    leg.send(&said("xvictim.example", "capulet.example"));
    let valid = "<db:result from='capulet.example' to='xvictim.example' type='valid'/>";
    assert_eq!(attacker.expect("/>"), valid);
    let own = from_bob("xvictim.example", "own");
    attacker.send(&own);
    scene.delivered(&own);
    attacker.send(&from_bob("victim.example", "spoofed"));
    assert_eq!(attacker.expect_end(), stream_error_saying("invalid-from", UNVERIFIED));
    scene.honest();
    drop((attacker, leg));
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.unsolicited), 3);
    assert_eq!(counted.net(|net| net.pairs_proved), 2);
}

#[test]
fn a3_a_key_whose_fields_are_split_elsewhere_is_invalid() {
    let mut scene = Scene::at(Rung::Verified);
    let attackers = listener();
    scene.plane.zone("bber.example", &[at(attackers.local_addr().unwrap())]);
    let stanza = message("juliet@capulet.example", "bob@bber.example", "out");
    scene.capulet.send(&stanza);
    let mut attacker = serve(&attackers, DIALBACK_FEATURES, "Sja");
    let key = key_on(&mut attacker);
    let (mut leg, _) = scene.stranger("jabber.example");
    for (id, domain) in [("Sj", "abber.example"), ("S", "jabber.example"), ("Sja ", "bber.example")]
    {
        assert_eq!(check(&mut leg, domain, id, &key), checked(domain, id, "invalid"));
    }
    assert_eq!(
        check(&mut leg, "bber.example", "Sja", &key),
        checked("bber.example", "Sja", "valid")
    );
    attacker.send("<db:result from='bber.example' to='capulet.example' type='valid'/>");
    assert_eq!(attacker.expect("</message>"), stanza);

    // An id with the separator in it gets no key at all.
    scene.plane.zone("spaced.example", &[at(attackers.local_addr().unwrap())]);
    scene.capulet.send(&message("juliet@capulet.example", "bob@spaced.example", "spaced"));
    let mut spaced = serve(&attackers, DIALBACK_FEATURES, "S ja");
    assert_eq!(spaced.expect_end(), stream_error_saying("bad-format", "unusable stream id"));
    scene.bounced("spaced", "remote-server-timeout");
    scene.honest_out();
    drop((attacker, leg, spaced));
    assert_eq!(scene.end().net(|net| net.stream_errors_sent), 1);
}

#[test]
fn a4_a_key_that_is_relayed_to_another_server_is_invalid_there() {
    let mut scene = Scene::at(Rung::Verified);
    let attackers = listener();
    scene.plane.zone("attacker.example", &[at(attackers.local_addr().unwrap())]);
    let stanza = message("juliet@capulet.example", "bob@attacker.example", "out");
    scene.capulet.send(&stanza);
    // The attacker has a stream open to bank.example, whose id is `S`, and gives us that id.
    let mut attacker = serve(&attackers, DIALBACK_FEATURES, "S");
    let key = key_on(&mut attacker);
    // It relays our key; bank.example asks us, the authoritative server.
    let (mut bank, _) = scene.stranger("bank.example");
    assert_eq!(
        check(&mut bank, "bank.example", "S", &key),
        checked("bank.example", "S", "invalid")
    );
    let own = check(&mut bank, "attacker.example", "S", &key);
    assert_eq!(own, checked("attacker.example", "S", "valid"));
    attacker.send("<db:result from='attacker.example' to='capulet.example' type='valid'/>");
    assert_eq!(attacker.expect("</message>"), stanza);
    scene.honest_out();
    drop((attacker, bank));
    // Asking proves nothing about who asks.
    assert_eq!(scene.end().net(|net| net.pairs_proved), 2);
}

#[test]
fn a5_a_hundred_keys_that_are_out_stay_valid_over_a_rotation_of_the_secret() {
    let mut scene = Scene::at(Rung::Verified);
    let montague = listener();
    let domains: Vec<String> = (0..100).map(|n| format!("r{n}.example")).collect();
    for domain in &domains {
        scene.plane.zone(domain, &[at(montague.local_addr().unwrap())]);
        let to = format!("romeo@{domain}");
        scene.capulet.send(&message("juliet@capulet.example", &to, "waits"));
    }
    let mut streams: Vec<_> = (0..100)
        .map(|n| {
            let mut peer = Peer::accept(&montague);
            let theirs = answer_header(&mut peer, DIALBACK_FEATURES, &format!("id{n}"));
            let key = key_on(&mut peer);
            (peer, attr(&theirs, "to"), format!("id{n}"), key)
        })
        .collect();
    let mut setup = Setup::new().minimum(Rung::Verified);
    let rotated = Secret::new(&[8; 32]).unwrap();
    setup.settings.secret = Arc::new(rotated.clone().with_previous(&[7; 32]).unwrap());
    scene.plane.reload(setup);
    // The reload has come to both shards when a key of the new secret counts on each.
    for domain in &domains[..12] {
        let key = rotated.key(domain, "capulet.example", "new");
        for attempt in 0.. {
            assert!(attempt < 200, "the reload never came");
            let (mut leg, _) = scene.stranger(domain);
            if check(&mut leg, domain, "new", &key) == checked(domain, "new", "valid") {
                break;
            }
        }
    }
    for (peer, domain, id, key) in &mut streams {
        let (mut leg, _) = scene.stranger(domain);
        assert_eq!(check(&mut leg, domain, id, key), checked(domain, id, "valid"));
        let wrong = check(&mut leg, domain, "other", key);
        assert_eq!(wrong, checked(domain, "other", "invalid"));
        peer.send(&format!("<db:result from='{domain}' to='capulet.example' type='valid'/>"));
        assert!(peer.expect("</message>").contains("waits"));
    }
    drop(streams);
    assert_eq!(scene.end().net(|net| net.pairs_proved), 100);
}

#[test]
fn a6_a_certificate_answers_for_its_own_domain_and_no_other_key_on_its_stream() {
    let mut scene = Scene::at(Rung::Verified);
    let victims = listener();
    scene.plane.zone("victim.example", &[at(victims.local_addr().unwrap())]);
    let config = tls_client_config(Some(&scene.issue("attacker.example")));
    let mut attacker = scene.over_tls("attacker.example", &config);
    attacker.send(&header("attacker.example", "capulet.example"));
    attacker.expect("</stream:features>");
    attacker.send(&key_of("attacker.example"));
    let valid = "<db:result from='capulet.example' to='attacker.example' type='valid'/>";
    assert_eq!(attacker.expect("/>"), valid);
    let own = from_bob("attacker.example", "own");
    attacker.send(&own);
    scene.delivered(&own);
    attacker.send(&key_of("victim.example"));
    // A real dialback: the victim is asked.
    let (mut leg, id) = asked(&victims);
    leg.send(&format!(
        "<db:verify from='victim.example' to='capulet.example' id='{id}' type='invalid'/>"
    ));
    let refused = key_refused("victim.example", "auth", "forbidden", None);
    assert_eq!(attacker.expect("</db:result>"), refused);
    attacker.send(&from_bob("victim.example", "spoofed"));
    assert_eq!(attacker.expect_end(), stream_error_saying("invalid-from", UNVERIFIED));
    assert_eq!(scene.plane.lookups("attacker.example"), 0);
    scene.honest();
    drop((attacker, leg));
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.pairs_refused), 1);
    assert_eq!(counted.net(|net| net.pairs_proved), 2);
}

#[test]
fn a24_ten_thousand_keys_on_one_stream_open_few_connections() {
    const KEYS: usize = 10_000;
    let mut scene = Scene::at(Rung::Verified);
    // Every sender leads to a server that accepts and says nothing.
    let silent = listener();
    let senders: Vec<String> = (0..KEYS).map(|n| format!("s{n}.example")).collect();
    for sender in &senders {
        scene.plane.zone(sender, &[at(silent.local_addr().unwrap())]);
    }
    let mut attacker = scene.external("attacker.example");
    let mut refused = 0;
    for some in senders.chunks(250) {
        attacker.send(&some.iter().map(|sender| key_of(sender)).collect::<String>());
        // What is not refused at once waits for its server, in the order of the keys.
        let waiting = if refused == 0 { 16 } else { 0 };
        for sender in &some[waiting..] {
            let answer = attacker.expect("</db:result>");
            assert_eq!(answer, key_refused(sender, "wait", "resource-constraint", None));
            refused += 1;
        }
    }
    assert_eq!(refused, KEYS - 16);
    // Beside it others come and go, and its own stanzas pass.
    scene.honest();
    scene.honest_out();
    let own = from_bob("attacker.example", "own");
    attacker.send(&own);
    scene.delivered(&own);
    // The sixteen are answered when their server is gone.
    drop(silent);
    for _ in 0..16 {
        let answer = attacker.expect("</db:result>");
        assert!(answer.contains(" type='error'") && !answer.contains("resource"), "{answer}");
    }
    drop(attacker);
    let counted = scene.end();
    // One of them is for `honest_out`.
    assert!((1..=17).contains(&counted.net(|net| net.connected)));
    assert_eq!(counted.net(|net| net.pairs_refused), u64::try_from(KEYS).unwrap());
    assert!(counted.route(|route| route.connects) <= 17);
    // Two honest ones and the attacker; none of the ten thousand.
    assert_eq!(counted.net(|net| net.pairs_proved), 3);
}
