//! A stanza that changes streams: table of cases, and the law that nothing changes but what the rule says.

mod common;

use common::{
    COMPONENT_HEADER, cases, change, changed, element, frame, frame_after, holds, nested,
};
use proptest::prelude::*;
use xmpp_frame::rewrite::{Target, rewrite};
use xmpp_frame::{Content, Frame, FrameError, Kind, Reason};
use xmpp_frame_oracles::laws;

const SERVER: Target<'_> = Target { content: Content::Server, lang: None };
const COMPONENT: Target<'_> = Target { content: Content::Component, lang: None };
const CLIENT: Target<'_> = Target { content: Content::Client, lang: None };

fn rewritten(frame: &Frame, target: &Target<'_>) -> String {
    let bytes =
        rewrite(frame, None, target).unwrap_or_else(|error| panic!("{:?}: {error}", frame.bytes()));
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn is_untouched(frame: &Frame, source_lang: Option<&str>, target: &Target<'_>) -> bool {
    let bytes = rewrite(frame, source_lang, target).expect("a rewrite");
    bytes.as_ptr() == frame.bytes().as_ptr() && bytes.len() == frame.len()
}

#[test]
fn a_stanza_that_spells_nothing_moves_untouched() {
    let from_server = frame("<message to='a'><body>O Romeo</body><x xmlns='urn:x'/></message>");
    let from_component =
        frame_after(COMPONENT_HEADER, "<iq type='get'><query xmlns='jabber:iq:version'/></iq>");
    for target in [SERVER, COMPONENT, CLIENT] {
        assert!(is_untouched(&from_server, None, &target));
        assert!(is_untouched(&from_component, None, &target));
    }
}

#[test]
fn a_spelled_content_namespace_becomes_the_targets() {
    for (stanza, target, expected) in [
        ("<iq xmlns='jabber:server'/>", COMPONENT, "<iq xmlns='jabber:component:accept'/>"),
        (
            "<iq a='1' xmlns = \"jabber:client\" b='2'/>",
            COMPONENT,
            "<iq a='1' xmlns = \"jabber:component:accept\" b='2'/>",
        ),
        ("<iq xmlns='jabber:client'/>", SERVER, "<iq xmlns='jabber:server'/>"),
        ("<iq xmlns='jabber:&#99;lient'/>", SERVER, "<iq xmlns='jabber:server'/>"),
        (
            "<p:iq xmlns:p='jabber:server'><p:x/></p:iq>",
            COMPONENT,
            "<p:iq xmlns:p='jabber:component:accept'><p:x/></p:iq>",
        ),
        (
            "<iq xmlns='jabber:client'><error xmlns=\"jabber:client\"><x xmlns='urn:x'/></error></iq>",
            COMPONENT,
            "<iq xmlns='jabber:component:accept'><error xmlns=\"jabber:component:accept\"><x xmlns='urn:x'/></error></iq>",
        ),
        // Inherited on the outside, spelled within.
        (
            "<iq><error xmlns='jabber:client'/></iq>",
            SERVER,
            "<iq><error xmlns='jabber:server'/></iq>",
        ),
        // Spelled both ways, each by an element of the stanza.
        (
            "<p:iq xmlns:p='jabber:client' xmlns='jabber:server'><error/></p:iq>",
            COMPONENT,
            "<p:iq xmlns:p='jabber:component:accept' xmlns='jabber:component:accept'><error/></p:iq>",
        ),
    ] {
        assert_eq!(rewritten(&frame(stanza), &target), expected, "{stanza}");
    }
    let component = frame_after(COMPONENT_HEADER, "<iq xmlns='jabber:component:accept'/>");
    assert_eq!(rewritten(&component, &SERVER), "<iq xmlns='jabber:server'/>");
    assert!(is_untouched(&component, None, &COMPONENT));
    let server =
        frame("<iq xmlns='jabber:server'><x xmlns='urn:x'><y xmlns='jabber:client'/></x></iq>");
    assert!(is_untouched(&server, None, &SERVER));
}

#[test]
fn what_a_foreign_payload_carries_keeps_its_namespace() {
    // XEP-0297, as carbons and archives send it.
    let carbon = "<message{}><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
                  <message xmlns='jabber:client'><body>hi</body></message></forwarded></received></message>";
    assert!(is_untouched(&frame(&carbon.replace("{}", "")), None, &COMPONENT));
    assert!(frame(&carbon.replace("{}", "")).is_self_contained());
    let spelled = frame(&carbon.replace("{}", " xmlns='jabber:client'"));
    assert_eq!(
        rewritten(&spelled, &COMPONENT),
        carbon.replace("{}", " xmlns='jabber:component:accept'")
    );
    // Declared on the stanza but used by the payload only.
    for stanza in [
        "<message xmlns:c='jabber:client'><forwarded xmlns='urn:xmpp:forward:0'><c:message/></forwarded></message>",
        "<message><forwarded xmlns='urn:xmpp:forward:0' xmlns:c='jabber:client'><c:message/></forwarded></message>",
        "<message><x xmlns=''><c xmlns='jabber:client'/></x></message>",
    ] {
        assert!(is_untouched(&frame(stanza), None, &COMPONENT), "{stanza}");
    }
}

#[test]
fn borrowed_prefixes_are_declared_on_the_stanza() {
    let borrowed = frame("<message to='a'><cap:x cap:y='1'/><cap:z/><db:q/></message>");
    assert!(!borrowed.is_self_contained());
    for target in [SERVER, COMPONENT] {
        assert_eq!(
            rewritten(&borrowed, &target),
            "<message xmlns:cap='urn:capulet:1' xmlns:db='jabber:server:dialback' to='a'><cap:x cap:y='1'/><cap:z/><db:q/></message>"
        );
    }
    let attribute_only = frame("<message><x xmlns='urn:x' cap:y=''/></message>");
    assert_eq!(
        rewritten(&attribute_only, &SERVER),
        "<message xmlns:cap='urn:capulet:1'><x xmlns='urn:x' cap:y=''/></message>"
    );
    // Bound again inside, so borrowed outside of that only.
    let rebound =
        frame("<message><cap:x/><y xmlns='urn:y' xmlns:cap='urn:z'><cap:x/></y></message>");
    assert_eq!(
        rewritten(&rebound, &SERVER),
        "<message xmlns:cap='urn:capulet:1'><cap:x/><y xmlns='urn:y' xmlns:cap='urn:z'><cap:x/></y></message>"
    );
}

#[test]
fn a_borrowed_content_prefix_is_declared_as_the_targets() {
    let header = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' \
                  xmlns:s='jabber:server' xmlns:q='urn:it&apos;s' to='a'>";
    let stanza = frame_after(header, "<s:message to='b'><s:body/><q:x/></s:message>");
    assert_eq!(stanza.kind(), Kind::Message);
    assert_eq!(
        rewritten(&stanza, &COMPONENT),
        "<s:message xmlns:s='jabber:component:accept' xmlns:q='urn:it&apos;s' to='b'><s:body/><q:x/></s:message>"
    );
}

#[test]
fn the_language_is_stamped_when_it_would_change() {
    let en = Target { content: Content::Server, lang: Some("en") };
    let stanza = frame("<message><body/></message>");
    assert!(is_untouched(&stanza, Some("EN"), &en));
    assert!(is_untouched(&stanza, None, &en));
    let moved = rewrite(&stanza, Some("de"), &en).expect("a rewrite");
    assert_eq!(moved, "<message xml:lang='de'><body/></message>");
    let unspoken = rewrite(&stanza, Some("de"), &SERVER).expect("a rewrite");
    assert_eq!(unspoken, "<message xml:lang='de'><body/></message>");
    let hostile = rewrite(&stanza, Some("'><x"), &en).expect("a rewrite");
    assert_eq!(hostile, "<message xml:lang='&apos;&gt;&lt;x'><body/></message>");
    assert!(is_untouched(&frame("<message xml:lang='fr'/>"), Some("de"), &en));
    let all = frame("<message xmlns='jabber:client'><cap:x/></message>");
    assert_eq!(
        rewrite(&all, Some("de"), &en).expect("a rewrite"),
        "<message xml:lang='de' xmlns:cap='urn:capulet:1' xmlns='jabber:server'><cap:x/></message>"
    );
}

#[test]
fn attributes_that_would_become_the_same_are_refused() {
    let stanza = frame(
        "<a:message xmlns:a='jabber:client' xmlns:b='jabber:server'><b:body a:x='1' b:x='2'/></a:message>",
    );
    let refused = Err(FrameError::NotWellFormed(Reason::DuplicateAttribute));
    assert_eq!(rewrite(&stanza, None, &COMPONENT), refused);
}

#[test]
fn a_stanza_of_a_stream_without_content_namespace_cannot_move() {
    let stanza = frame_after("<stream xmlns='urn:x'>", "<message/>");
    assert_eq!(rewrite(&stanza, None, &SERVER), Err(FrameError::InvalidNamespace));
}

proptest! {
    #![proptest_config(cases(2000, 50_000))]

    #[test]
    #[cfg_attr(miri, ignore = "thousands of cases")]
    fn a_moved_stanza_stands_on_its_own_and_says_the_same(
        choices in any::<[u8; 2]>(),
        stanza in prop_oneof![1 => element(), 2 => nested()],
        changes in prop::collection::vec(change(), 0..2),
    ) {
        let input = [&choices[..], &changed(&stanza, &changes)].concat();
        holds(laws::rewrite(&input), &input)?;
    }
}
