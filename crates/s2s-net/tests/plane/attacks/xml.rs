//! What two parsers would read differently, and what one parser would choke on.

use s2s_trust::Rung;

use crate::support::attacker::*;
use crate::support::peer::tls_client_config;
use crate::support::*;

#[test]
fn a11_the_header_is_read_as_xml_and_not_searched_for_a_name() {
    let mut scene = Scene::at(Rung::Trusted);
    let config = tls_client_config(Some(&scene.issue("good.example")));
    let ambiguous = "<?xml version='1.0'?><stream:stream xmlns:x='urn:x' \
         x:y=\" from='good.example' \" from=\"victim.example\" to='capulet.example' version='1.0' \
         xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>";
    // In clear, where it decides about the shard, and under TLS, where it decides who speaks.
    let mut attacker = Peer::connect(scene.plane.s2s());
    attacker.send(ambiguous);
    assert!(attacker.expect("</stream:features>").contains(" to='victim.example' "));
    attacker.send(STARTTLS);
    attacker.expect(PROCEED);
    attacker.tls_client(&config, "capulet.example");
    attacker.send(ambiguous);
    let answer = attacker.expect("</stream:features>");
    assert!(answer.contains(" to='victim.example' ") && !answer.contains("good"), "{answer}");
    assert!(!answer.contains("EXTERNAL"), "{answer}");
    attacker.send(AUTH);
    let failure = attacker.expect("</failure>");
    assert!(failure.contains("<not-authorized/>") && failure.contains("does not name this domain"));
    attacker.send(&from_bob("victim.example", "spoofed"));
    assert_eq!(attacker.expect_end(), stream_error("not-authorized"));

    // The name that stands there is the one that may be proved.
    let honest = ambiguous.replace("good.example", "x.example").replace("victim", "good");
    let (mut peer, _) = scene.stranger("good.example");
    peer.send(STARTTLS);
    peer.expect(PROCEED);
    peer.tls_client(&config, "capulet.example");
    peer.send(&honest);
    assert!(peer.expect("</stream:features>").contains("EXTERNAL"));
    peer.send(AUTH);
    peer.expect(SUCCESS);
    peer.send(&honest);
    peer.expect("</stream:features>");
    let stanza = from_bob("good.example", "in");
    peer.send(&stanza);
    scene.delivered(&stanza);
    drop((attacker, peer));
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.pairs_refused), 1);
    assert_eq!(counted.net(|net| net.pairs_proved), 1);
}

/// The condition of the error that ends the stream of somebody who may send, after these bytes.
#[track_caller]
fn condition_after(scene: &Scene, bytes: &[u8]) -> String {
    let (mut attacker, _) = scene.stranger("attacker.example");
    attacker.send_bytes(bytes).unwrap();
    let end = attacker.expect_end();
    let shown = String::from_utf8_lossy(bytes);
    assert!(end.starts_with("<stream:error><"), "{end:?} after {shown:?}");
    assert!(end.ends_with("</stream:error></stream:stream>"), "{end:?} after {shown:?}");
    end["<stream:error><".len()..].split([' ', '/']).next().unwrap().to_owned()
}

#[test]
fn a12_bytes_that_the_next_parser_may_read_differently_are_not_passed_on() {
    // Names are believed: every stanza that is read is delivered.
    let mut scene = Scene::at(Rung::Promiscuous);
    let inside = |bytes: &[u8]| {
        let open =
            b"<message from='bob@attacker.example' to='juliet@capulet.example' id='x'><body>";
        [open, bytes, b"</body></message>"].concat()
    };
    let smuggled = "<message from='a@victim.example' to='juliet@capulet.example'/>";
    let corpus: &[(&str, &[u8])] = &[
        // Overlong, truncated, surrogate and out of range UTF-8, in front of a bracket.
        ("unsupported-encoding", b"\xc0\xbc/body>"),
        ("unsupported-encoding", b"\xe0\x80\xbc"),
        ("unsupported-encoding", b"\xc3<x/>"),
        ("unsupported-encoding", b"\xe2\x82<x/>"),
        ("unsupported-encoding", b"\xf0\x9f\x92<x/>"),
        ("unsupported-encoding", b"\xed\xa0\x80"),
        ("unsupported-encoding", b"\xf4\x90\x80\x80"),
        ("unsupported-encoding", b"\xff\xfe"),
        // Characters outside of XML.
        ("not-well-formed", b"\x00"),
        ("not-well-formed", b"\x01"),
        ("not-well-formed", b"\xef\xbf\xbf"),
        ("not-well-formed", b"&#0;"),
        ("not-well-formed", b"&#xFFFE;"),
        // The separator that expat puts between namespace and name.
        ("not-well-formed", b"<x xmlns='urn:a\x01b'/>"),
        ("not-well-formed", b"<a:b:c xmlns:a='urn:x'/>"),
        ("not-well-formed", b"<1x/>"),
        ("not-well-formed", b"<x a=1/>"),
        ("not-well-formed", b"<x a='1' a='2'/>"),
        ("not-well-formed", b"<x></y>"),
        ("not-well-formed", b"a]]>b"),
        ("not-well-formed", b"&lt"),
        // What RFC 6120 takes out of XML.
        ("restricted-xml", b"<?xml version='1.0'?>"),
        ("restricted-xml", b"<?php x?>"),
        ("restricted-xml", b"<!-- x -->"),
        ("restricted-xml", b"<!DOCTYPE x>"),
        ("restricted-xml", b"&nbsp;"),
    ];
    for (condition, bytes) in corpus {
        assert_eq!(&condition_after(&scene, &inside(bytes)), condition, "{bytes:?}");
    }
    let renewed = header("victim.example", "capulet.example");
    for (condition, text) in [
        // A stream in the stream, and a new one behind the end.
        ("restricted-xml", format!("{renewed}{smuggled}")),
        (
            "not-well-formed",
            format!("{}{smuggled}", renewed.trim_start_matches("<?xml version='1.0'?>")),
        ),
        ("not-well-formed", format!("<stream:stream/>{smuggled}")),
        ("not-well-formed", format!("</stream:stream >x{smuggled}")),
        ("restricted-xml", format!("<?xml version='1.0'?>{smuggled}")),
        ("not-well-formed", format!("text{smuggled}")),
        ("not-well-formed", format!("</message>{smuggled}")),
    ] {
        let (mut attacker, _) = scene.stranger("attacker.example");
        attacker.send(&text);
        let end = attacker.expect_end();
        assert!(end.ends_with("</stream:stream>"), "{end}");
        // Behind a close tag nothing is read any more.
        let expected = if text.starts_with("</stream") { "" } else { condition };
        assert!(end.contains(expected), "{end} after {text}");
    }
    scene.honest();
    let counted = scene.end();
    assert_eq!(counted.net(|net| net.stream_errors_sent), u64::try_from(corpus.len()).unwrap() + 6);
}

#[test]
fn a13_a_stanza_is_one_in_whatever_namespace_or_prefix_it_is_dressed() {
    let mut scene = Scene::at(Rung::Trusted);
    let dressed = |from: &str| {
        [
            format!("<message xmlns='jabber:client' from='{from}' to='juliet@capulet.example'/>"),
            format!(
                "<n:iq xmlns:n='jabber:server' type='get' id='1' from='{from}' \
                 to='juliet@capulet.example'/>"
            ),
            format!("<n:presence xmlns:n='jabber:client' from='{from}' to='capulet.example'/>"),
        ]
    };
    for stanza in dressed("a@victim.example") {
        let mut attacker = scene.external("attacker.example");
        attacker.send(&stanza);
        assert_eq!(
            attacker.expect_end(),
            stream_error_saying("invalid-from", UNVERIFIED),
            "{stanza}"
        );
        // And by whoever has proved nothing.
        let (mut stranger, _) = scene.stranger("victim.example");
        stranger.send(&stanza);
        assert_eq!(stranger.expect_end(), stream_error("not-authorized"), "{stanza}");
    }
    let mut attacker = scene.external("attacker.example");
    attacker.send("<message xmlns='urn:x' from='a@attacker.example' to='juliet@capulet.example'/>");
    assert_eq!(attacker.expect_end(), stream_error("unsupported-stanza-type"));
    // In its own name each is delivered as what it is.
    let mut peer = scene.external("montague.example");
    let mut got = String::new();
    for stanza in dressed("romeo@montague.example") {
        peer.send(&stanza);
        got += &scene.capulet.expect("/>");
        scene.admitted += 1;
    }
    assert!(got.contains("<message") && got.contains("iq") && got.contains("presence"), "{got}");
    assert_eq!(got.matches("from='romeo@montague.example'").count(), 3);
    assert!(!got.contains("jabber:client") && !got.contains("jabber:server"), "{got}");
    scene.honest();
    drop((attacker, peer));
    assert_eq!(scene.end().net(|net| net.stream_errors_sent), 7);
}

#[test]
fn a14_entities_that_grow_are_refused_at_their_declaration() {
    let mut scene = Scene::at(Rung::Verified);
    let entities: String = (1..10)
        .map(|n| format!("<!ENTITY lol{n} \"{}\">", format!("&lol{};", n - 1).repeat(10)))
        .collect();
    let laughs = format!("<!DOCTYPE lolz [<!ENTITY lol0 \"lol\">{entities}]><lolz>&lol9;</lolz>");
    // In place of a header, behind the XML declaration, in the stream, in an element.
    let restricted = |end: &str| {
        assert!(
            end.contains(
                "<stream:error><restricted-xml xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
            ) && end.ends_with("</stream:error></stream:stream>"),
            "{end}"
        );
    };
    for before in ["", "<?xml version='1.0'?>"] {
        let mut attacker = Peer::connect(scene.plane.s2s());
        attacker.send(&format!("{before}{laughs}"));
        let end = attacker.expect_end();
        assert!(end.starts_with("<?xml version='1.0'?><stream:stream "), "{end}");
        restricted(&end);
    }
    for before in ["", "<x xmlns='y'>", "<x xmlns='y' z='"] {
        let (mut attacker, _) = scene.stranger("attacker.example");
        attacker.send(&format!("{before}{laughs}"));
        let end = attacker.expect_end();
        if before.ends_with('\'') {
            // A bracket in a value is wrong before it is restricted.
            assert!(end.contains("<not-well-formed "), "{end}");
        } else {
            restricted(&end);
        }
    }
    let (mut attacker, _) = scene.stranger("attacker.example");
    attacker.send("<x xmlns='y'>&lol9;</x>");
    restricted(&attacker.expect_end());
    scene.honest();
    drop(attacker);
    assert_eq!(scene.end().net(|net| net.stream_errors_sent), 6);
}

#[test]
fn a18_compression_is_neither_offered_nor_begun() {
    const COMPRESS: &str =
        "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>";
    const REFUSED: &str =
        "<failure xmlns='http://jabber.org/protocol/compress'><unsupported-method/></failure>";
    let mut scene = Scene::at(Rung::Secure);
    let config = tls_client_config(Some(&scene.issue("attacker.example")));
    let mut attacker = Peer::connect(scene.plane.s2s());
    // In clear, under TLS, authenticated.
    for stage in 0..3 {
        attacker.send(&header("attacker.example", "capulet.example"));
        let features = attacker.expect("</stream:features>");
        assert!(!features.contains("compress"), "{features}");
        attacker.send(COMPRESS);
        assert_eq!(attacker.expect("</failure>"), REFUSED);
        match stage {
            0 => {
                attacker.send(STARTTLS);
                attacker.expect(PROCEED);
                attacker.tls_client(&config, "capulet.example");
            }
            1 => {
                attacker.send(AUTH);
                attacker.expect(SUCCESS);
            }
            _ => {}
        }
    }
    // The stream is what it was.
    let stanza = from_bob("attacker.example", "own");
    attacker.send(&stanza);
    scene.delivered(&stanza);
    attacker.send_bytes(b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15").unwrap();
    let end = attacker.expect_end();
    assert!(end.contains("<stream:error>"), "{end}");
    scene.honest();
    drop(attacker);
    assert_eq!(scene.end().net(|net| net.stream_errors_sent), 1);
}
