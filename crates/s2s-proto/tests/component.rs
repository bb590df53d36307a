//! Component dialogues (XEP-0114, accepting side).

mod support;

use s2s_proto::{CloseReason, ComponentConfig, ComponentEntry, Event, Input, Phase, Proof};
use support::Script;
use xmpp_addr::DomainPattern;
use xmpp_frame::Content;

fn config() -> ComponentConfig {
    let entry = |pattern: &str, secret: &str| ComponentEntry {
        pattern: DomainPattern::parse(pattern).unwrap(),
        secret: secret.into(),
    };
    ComponentConfig::new(vec![
        entry("*.montague.example", "wild"),
        entry("chat.montague.example", "secret"),
    ])
}

fn header(to: &str) -> String {
    format!(
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept' to='{to}'>"
    )
}

fn sha1(text: &str) -> String {
    // The test needs its own SHA-1; the one under test has a vector of its own.
    let digest = sha1_of(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha1_of(message: &[u8]) -> [u8; 20] {
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks(64) {
        let mut words: Vec<u32> =
            block.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect();
        for index in 16..80 {
            let word = words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16];
            words.push(word.rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (index, word) in words.iter().enumerate() {
            let (mix, constant) = match index {
                0..20 => ((b & c) | (!b & d), 0x5a82_7999u32),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mix)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *total = total.wrapping_add(part);
        }
    }
    let mut out = [0; 20];
    for (bytes, word) in out.chunks_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    out
}

fn attached(name: &str, secret: &str) -> Script {
    let mut peer = Script::component(config());
    peer.recv(&header(name));
    let id = Script::id_of(&peer.said());
    peer.recv(&format!("<handshake>{}</handshake>", sha1(&format!("{id}{secret}"))));
    peer
}

#[test]
fn a_component_attaches_with_its_secret() {
    assert_eq!(sha1("3BF96D32secret"), "b09ea9b3b7f586be8a08d0a3dd7466f110aeb136");
    let mut peer = Script::component(config());
    peer.recv(&header("chat.montague.example"));
    let said = peer.said();
    let id = Script::id_of(&said);
    assert_eq!(
        said,
        format!(
            "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
             xmlns='jabber:component:accept' from='chat.montague.example' id='{id}' xml:lang='en'>"
        )
    );
    let mut peer = attached("chat.montague.example", "secret");
    peer.expect("<handshake/>");
    assert!(peer.is_open());
    assert!(peer.has_event(|event| matches!(event, Event::ComponentAttached { entry: 1, .. })));
}

#[test]
fn the_most_specific_entry_counts_and_a_parent_may_name_a_wildcard() {
    let mut peer = attached("chat.montague.example", "wild");
    peer.expect_error("not-authorized");
    for name in ["irc.montague.example", "montague.example"] {
        let mut peer = attached(name, "wild");
        peer.expect("<handshake/>");
        assert!(peer.has_event(|event| matches!(event, Event::ComponentAttached { entry: 0, .. })));
    }
}

#[test]
fn a_stanza_from_a_covered_domain_is_admitted_under_the_component_proof() {
    let mut peer = attached("montague.example", "wild");
    peer.said();
    for _ in 0..3 {
        peer.recv("<message from='a@irc.montague.example' to='juliet@capulet.example'><body>x</body></message>");
    }
    assert_eq!(peer.stanzas.len(), 3);
    assert_eq!(peer.stanzas[0].verified().proof(), Proof::Component);
    assert!(peer.stanzas[2].pair().is("irc.montague.example", "capulet.example"));
    let spelled = "<message xmlns='jabber:component:accept' from='a@irc.montague.example' to='juliet@capulet.example'/>";
    peer.recv(spelled);
    let server = peer.stanzas[3].bytes_for(Content::Server);
    assert!(server.starts_with(b"<message xmlns='jabber:server'"), "{server:?}");
    assert_eq!(peer.stanzas[3].bytes_for(Content::Component), spelled);
}

#[test]
fn a_component_speaks_for_no_other_domain() {
    for (from, condition) in [
        ("a@capulet.example", "invalid-from"),
        ("a@montague.example", "invalid-from"),
        ("a@xmontague.example", "invalid-from"),
        ("", "improper-addressing"),
    ] {
        let mut peer = attached("montague.example", "wild");
        peer.said();
        peer.recv(&format!("<message from='{from}' to='juliet@capulet.example'/>"));
        peer.expect_error(condition);
        assert!(peer.stanzas.is_empty());
    }
}

#[test]
fn remembered_pairs_are_bounded() {
    let mut peer = Script::component(ComponentConfig { pairs_remembered_max: 4, ..config() });
    peer.recv(&header("montague.example"));
    let id = Script::id_of(&peer.said());
    peer.recv(&format!("<handshake>{}</handshake>", sha1(&format!("{id}wild"))));
    for number in 0..100 {
        peer.recv(&format!("<message from='irc.montague.example' to='d{number}.example'/>"));
    }
    assert_eq!(peer.stanzas.len(), 100);
}

#[test]
fn what_a_component_gets_wrong_is_named() {
    let mut peer = Script::component(config());
    peer.recv(&header("chat.capulet.example"));
    peer.expect_error("host-unknown");
    let mut peer = Script::component(config());
    peer.recv(&support::header("to='chat.montague.example'"));
    peer.expect_error("invalid-namespace");
    let mut peer = attached("chat.montague.example", "wrong");
    peer.expect_error("not-authorized");
    let mut peer = Script::component(config());
    peer.recv(&header("chat.montague.example"));
    peer.recv("<message from='a@chat.montague.example' to='b@capulet.example'/>");
    peer.expect_error("not-authorized");
    let mut peer = attached("chat.montague.example", "secret");
    peer.recv("<handshake/>");
    peer.expect_error("unsupported-stanza-type");
}

#[test]
fn a_component_that_says_nothing_is_let_go() {
    let mut peer = Script::component(config());
    peer.time_out();
    assert_eq!(peer.closed, Some(CloseReason::TimedOut(Phase::Header)));
    let mut peer = attached("chat.montague.example", "secret");
    peer.said();
    peer.give(Input::Shutdown);
    peer.expect("</stream:stream>");
    peer.recv("</stream:stream>");
    assert_eq!(peer.closed, Some(CloseReason::Finished));
}
