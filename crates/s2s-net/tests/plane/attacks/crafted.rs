//! Crafted streams: every element in every state, whole, with parts missing and with parts twice. The
//! node goes on, and no step of it panicked (`Plane` asserts that when it ends).

use std::net::Shutdown;

use s2s_trust::Rung;

use crate::support::attacker::*;
use crate::support::peer::tls_client_config;
use crate::support::plane::at;
use crate::support::*;

/// Everything that has a meaning on some stream, from `F` to `T`.
const KNOWN: &[&str] = &[
    "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
     xmlns:stream='http://etherx.jabber.org/streams' from='F' to='T' id='i' version='1.0'>",
    "<stream:features/>",
    "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL\
     </mechanism></mechanisms><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>",
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
    "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</response>",
    "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>",
    "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>",
    "<bidi xmlns='urn:xmpp:bidi'/>",
    "<handshake>k</handshake>",
    "<db:result from='F' to='T'>k</db:result>",
    "<db:result from='F' to='T' type='valid'/>",
    "<db:result from='F' to='T' type='error'><error type='cancel'><item-not-found \
     xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>",
    "<db:verify from='F' to='T' id='i'>k</db:verify>",
    "<db:verify from='F' to='T' id='i' type='invalid'/>",
    "<message from='x@F' to='y@T' id='i' type='chat' xml:lang='en'><body>b</body></message>",
    "<presence from='x@F' to='y@T' type='probe'/>",
    "<iq from='x@F' to='y@T' id='i' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>h</see-other-host>\
     </stream:error>",
    "</stream:stream>",
];

/// Attributes that are taken away and doubled.
const PARTS: &[&str] = &["from", "to", "id", "type", "version", "xmlns", "mechanism"];

/// Every known element, whole and with each of its parts missing, doubled and emptied.
fn crafted(from: &str, to: &str) -> Vec<String> {
    let mut all = Vec::new();
    for element in KNOWN {
        let whole = element.replace("'F'", &format!("'{from}'")).replace("'T'", &format!("'{to}'"));
        let whole = whole.replace("@F'", &format!("@{from}'")).replace("@T'", &format!("@{to}'"));
        for part in PARTS {
            let start = format!(" {part}='");
            let Some(at) = whole.find(&start) else { continue };
            let len = start.len() + whole[at + start.len()..].find('\'').unwrap() + 1;
            let (before, rest) = whole.split_at(at);
            let (attribute, after) = rest.split_at(len);
            all.push(format!("{before}{after}"));
            all.push(format!("{before}{attribute}{attribute}{after}"));
            all.push(format!("{before}{start}'{after}"));
        }
        all.push(whole);
    }
    all
}

/// Says it, and reads until the router has nothing more to say. In which way the stream ends, if it
/// does, is told by the tests of each attack.
fn hear_out(peer: &mut Peer, text: &str) {
    let _ = peer.send_bytes(text.as_bytes());
    let _ = peer.socket().shutdown(Shutdown::Write);
    peer.expect_end();
}

#[test]
fn a37_crafted_elements_on_streams_we_accept_end_them_and_nothing_else() {
    let mut scene = Scene::at(Rung::Verified);
    let bare = |scene: &Scene| Peer::connect(scene.plane.s2s());
    let opened = |scene: &Scene| scene.stranger("attacker.example").0;
    let starting_tls = |scene: &Scene| {
        let (mut peer, _) = scene.stranger("attacker.example");
        peer.send(STARTTLS);
        peer.expect(PROCEED);
        peer
    };
    let asking = |scene: &Scene| {
        let (mut peer, _) = scene.stranger("attacker.example");
        peer.send(&key_of("nowhere.example"));
        peer
    };
    let shaking = |scene: &Scene| {
        let mut peer = Peer::connect(scene.plane.component());
        component_header(&mut peer, "capulet.example");
        peer
    };
    let unnamed = |scene: &Scene| Peer::connect(scene.plane.component());
    let states: [&dyn Fn(&Scene) -> Peer; 6] =
        [&bare, &opened, &starting_tls, &asking, &shaking, &unnamed];
    let all = crafted("attacker.example", "capulet.example");
    for state in states {
        for text in &all {
            let mut peer = state(&scene);
            // What waits for a broken handshake is an alert, which is not text.
            let _ = peer.send_bytes(text.as_bytes());
        }
    }
    // Those are the node's to survive; these are heard out.
    for text in &all {
        hear_out(&mut bare(&scene), text);
        hear_out(&mut opened(&scene), text);
    }
    scene.honest();
    scene.honest_out();
    scene.end();
}

#[test]
fn a37_crafted_elements_from_who_is_authenticated_end_his_stream_and_nothing_else() {
    let mut scene = Scene::at(Rung::Verified);
    let config = tls_client_config(Some(&scene.issue("attacker.example")));
    let all = crafted("attacker.example", "capulet.example");
    for authenticated in [false, true] {
        for text in &all {
            let mut peer = Peer::connect(scene.plane.direct_tls());
            peer.tls_client(&config, "capulet.example");
            if authenticated {
                authenticate(&mut peer, "attacker.example");
            } else {
                peer.send(&header("attacker.example", "capulet.example"));
                peer.expect("</stream:features>");
            }
            hear_out(&mut peer, text);
        }
    }
    // Of all that, exactly the stanzas whose addresses are there were delivered, once each.
    let wanted = all.iter().filter(|text| is_stanza_from(text, "attacker.example")).count();
    assert!(wanted > 10, "{wanted}");
    let mut peer = scene.external("montague.example");
    peer.send(&from_bob("montague.example", "last"));
    let heard = scene.capulet.expect("<body>last</body></message>");
    let delivered: usize =
        ["<message ", "<presence ", "<iq "].iter().map(|name| heard.matches(name).count()).sum();
    assert_eq!(delivered, wanted + 1, "{heard}");
    scene.admitted = u64::try_from(delivered).unwrap();
    scene.honest();
    scene.honest_out();
    drop(peer);
    scene.end();
}

/// A stanza with both addresses and no attribute twice.
fn is_stanza_from(text: &str, domain: &str) -> bool {
    let once = |part: &&str| text.matches(&format!(" {part}='")).count() <= 1;
    let named = text.contains(&format!(" from='x@{domain}'")) && text.contains(" to='y@");
    named && !text.contains("db:") && PARTS.iter().all(once)
}

#[test]
fn a37_crafted_elements_on_streams_we_open_end_them_and_nothing_else() {
    let mut scene = Scene::at(Rung::Verified);
    let attackers = listener();
    let mut number = 0;
    // Before the header, before the features, after STARTTLS was asked for, after the key.
    let openings: [&dyn Fn(&mut Peer); 4] = [
        &|peer| drop(peer.expect("<stream:stream")),
        &|peer| drop(answer_header(peer, "", "i")),
        &|peer| drop(answer_header(peer, STARTTLS_FEATURES, "i")),
        &|peer| drop(answer_header(peer, DIALBACK_FEATURES, "i")),
    ];
    for opening in openings {
        for text in crafted("FROM.example", "capulet.example") {
            number += 1;
            let domain = format!("m{number}.example");
            scene.plane.zone(&domain, &[at(attackers.local_addr().unwrap())]);
            let to = format!("bob@{domain}");
            scene.capulet.send(&message("juliet@capulet.example", &to, &domain));
            let mut peer = Peer::accept(&attackers);
            opening(&mut peer);
            let _ = peer.send_bytes(text.replace("FROM.example", &domain).as_bytes());
            let _ = peer.socket().shutdown(Shutdown::Write);
            // One that answered as it should got the stanza; the others' came back.
            drop(peer);
        }
    }
    scene.honest_out();
    // What came back is an error each.
    scene.plane.drain();
    let rest = scene.capulet.expect("</stream:stream>");
    let returned = rest.matches("<message ").count();
    assert_eq!(rest.matches(" type='error'").count(), returned);
    assert!(returned > number / 2, "{returned} of {number}");
    scene.capulet.send("</stream:stream>");
    scene.capulet.expect_end();
}
