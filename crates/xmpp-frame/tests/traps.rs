//! Dialogues with one framer: its header, what its frames say of themselves, restarts, limits. Single traps are in `w3c`.

mod common;

use common::{HEADER, error_of, feed, frame, frame_after, frames_after};
use xmpp_frame::rewrite::{Target, rewrite};
use xmpp_frame::{Content, Element, FrameError, Framer, Item, Kind, Limit, Limits, Reason};

const fn malformed(reason: Reason) -> Option<FrameError> {
    Some(FrameError::NotWellFormed(reason))
}

#[test]
fn nothing_but_an_angle_bracket_begins_an_end_tag() {
    // A12: an end tag to us, and text or an error to the next parser. Long enough to be read by vectors.
    let behind = " ".repeat(64);
    for (odd, reason) in [
        ("\0", Reason::IllegalCharacter),
        ("\x1F", Reason::IllegalCharacter),
        ("\u{FFFF}", Reason::IllegalCharacter),
        ("&", Reason::Reference),
        ("]]>", Reason::CdataEndInText),
    ] {
        for text in ["", "Wherefore art thou "] {
            let stanza = format!("<message><body>{text}{odd}/body></message>{behind}");
            assert_eq!(error_of(stanza.as_bytes()), malformed(reason), "{stanza:?}");
        }
    }
    let stanza = format!("<message><body>x/body></message></body></message>{behind}");
    assert_eq!(error_of(stanza.as_bytes()), malformed(Reason::MismatchedTag));
    let stanza = [b"<message>\xC0/message>", behind.as_bytes()].concat();
    assert_eq!(error_of(&stanza), Some(FrameError::InvalidUtf8));
}

#[test]
fn a_namespace_is_one_however_often_it_is_spelled() {
    let header = "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='urn:d' xmlns:a='urn:x' xmlns:b='urn:&#x78;' \
                  xmlns:e='urn:d'>";
    let verdict = |stanza: &str| frames_after(header, stanza).err();
    let duplicate = malformed(Reason::DuplicateAttribute);
    assert_eq!(verdict("<c a:d='' b:d=''/>"), duplicate);
    assert_eq!(verdict("<c xmlns:q='urn:x' q:d='' b:d=''/>"), duplicate);
    assert_eq!(verdict("<c xmlns:q='urn:d' q:d='' e:d=''/>"), duplicate);
    assert_eq!(verdict("<c xmlns:q='urn:d' xmlns:r='urn:&#x64;' q:d='' r:d=''/>"), duplicate);
    assert_eq!(
        verdict(
            "<c xmlns:q='urn:q'><c xmlns:r='urn:&#x71;'><c xmlns:q='urn:r' q:d='' r:d=''/></c></c>"
        ),
        None
    );
    assert_eq!(
        verdict("<c xmlns:q='urn:q'><c xmlns:r='urn:&#x71;' q:d='' r:d=''/></c>"),
        duplicate
    );
    assert_eq!(verdict("<c a:d='' e:d='' s:d='' xml:d='' d=''/>"), None);
    let spelled = frame("<x xmlns='urn:capulet:1'/>");
    assert_eq!((spelled.namespace(), spelled.is_self_contained()), ("urn:capulet:1", true));
}

#[test]
fn a_namespace_that_is_known_is_one_where_the_header_binds_none() {
    let duplicate = Some(FrameError::NotWellFormed(Reason::DuplicateAttribute));
    for name in [
        "http://etherx.jabber.org/streams",
        "jabber:server:dialback",
        "jabber:server",
        "jabber:client",
        "jabber:component:accept",
    ] {
        let (start, last) = name.split_at(name.len() - 1);
        let spelled = format!("{start}&#{};", last.as_bytes()[0]);
        for (one, other) in [(name, &*spelled), (&*spelled, name)] {
            let stanza = format!("<x xmlns:p='{one}' xmlns:q='{other}' p:a='' q:a=''/>");
            assert_eq!(frames_after("<stream>", &stanza).err(), duplicate, "{stanza}");
        }
    }
}

/// What a stream that begins with these bytes comes to.
fn opening(bytes: &[u8]) -> Result<Option<Item>, FrameError> {
    let mut framer = Framer::new(Limits::PRE_AUTH);
    framer.buffer().extend_from_slice(bytes);
    framer.next()
}

#[test]
fn a_namespace_is_not_taken_for_another_that_is_spelled_like_it() {
    // A13: the third name says what the first only writes. Whoever takes the two for one routes or rewrites a stanza that was not sent.
    let three = "xmlns:a='urn:&#x78;' xmlns:b='urn:x' xmlns:c='urn:&amp;#x78;'";
    let first = frame(&format!("<c:x {three}/>"));
    assert!(first.is("x", "urn:&#x78;") && !first.is("x", "urn:x"));
    assert_eq!(error_of(format!("<x {three} a:y='' c:y=''/>").as_bytes()), None);
    let clash = error_of(format!("<x {three} a:y='' b:y=''/>").as_bytes());
    assert_eq!(clash, malformed(Reason::DuplicateAttribute));

    let header = format!(
        "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:server' {three}>"
    );
    let borrowing = frame_after(&header, "<message><c:y/></message>");
    let target = Target { content: Content::Server, lang: None };
    let moved = rewrite(&borrowing, None, &target).expect("can be moved");
    let expected = "<message xmlns:c='urn:&amp;#x78;'><c:y/></message>";
    assert_eq!(moved.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
}

#[test]
fn a_limit_may_be_lowered_below_what_was_read() {
    let mut framer = Framer::new(Limits::AUTHENTICATED);
    framer.buffer().extend_from_slice(format!("{HEADER}<a>{}", "x".repeat(500)).as_bytes());
    assert!(matches!(framer.next(), Ok(Some(Item::Header(_)))));
    assert!(matches!(framer.next(), Ok(None)));
    framer.set_limits(Limits { element_bytes: 100, ..Limits::AUTHENTICATED });
    assert_eq!(framer.next().err(), Some(FrameError::LimitExceeded(Limit::ElementBytes)));
}

#[test]
fn a11_headers_are_read_as_xml_not_as_text() {
    // A11: a search for " from='" would find another domain.
    let bytes = b"\xEF\xBB\xBF<?xml version=\"1.0\" encoding='utf-8' standalone='yes'?>\r\n<s:stream \
        xmlns:x='urn:x' x:y=\" from='good.example' \" x:from='worse.example' from = \"victim&#46;example\" id='a&amp;b' \
        xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client' xmlns:dial='jabber:server:dialback' \
        version='1.0' xml:lang='de' to='capulet.example'\n><iq/></s:stream>";
    let Ok(Some(Item::Header(header))) = opening(bytes) else { panic!("a header") };
    assert_eq!(header.from(), Some("victim.example"));
    assert_eq!(header.to(), Some("capulet.example"));
    assert_eq!(header.id(), Some("a&b"));
    assert_eq!(header.lang(), Some("de"));
    assert_eq!(header.content(), Some(Content::Client));
    assert!(
        header.stream_namespace_ok() && header.declares_dialback() && header.version_at_least_1_0()
    );
    assert!(header.bytes().ends_with(b"\n>"));
    assert_eq!(feed(bytes, &[1], Limits::PRE_AUTH).items.len(), 3);
}

#[test]
fn a_byte_order_mark_may_come_after_a_look_at_nothing() {
    // Whether the caller asked before the first byte arrived must not matter, nor on a stream that begins anew.
    let bytes = "\u{FEFF}<stream xmlns='urn:x'>".as_bytes();
    let mut framer = Framer::new(Limits::PRE_AUTH);
    for _ in 0..2 {
        for piece in [&[][..], &bytes[..1], &[], &bytes[1..3], &[], &bytes[3..]] {
            framer.buffer().extend_from_slice(piece);
            let item = framer.next();
            let is_last = piece.len() > 3;
            let is_header = matches!(item, Ok(Some(Item::Header(_))));
            assert!(is_header == is_last && item.is_ok(), "{item:?}");
        }
        framer.restart();
    }
}

#[test]
fn headers_with_unknown_namespaces_are_for_the_caller_to_refuse() {
    let Ok(Some(Item::Header(header))) = opening(b"<stream xmlns='urn:x'>") else {
        panic!("a header")
    };
    assert_eq!((header.content(), header.default_namespace()), (None, "urn:x"));
    assert!(!header.stream_namespace_ok() && !header.declares_dialback());
    let inherits = frame_after("<stream xmlns='urn:x' xmlns:y='urn:y'>", "<message/>");
    assert_eq!((inherits.kind(), inherits.namespace()), (Kind::Other, "urn:x"));
    let Ok(Some(Item::Header(header))) = opening(b"<stream>") else { panic!("a header") };
    assert_eq!((header.content(), header.default_namespace()), (None, ""));
}

#[test]
fn versions_are_compared_as_numbers() {
    for (version, expected) in [
        ("1.0", true),
        ("01.00", true),
        ("2.1", true),
        ("10.0", true),
        ("0.9", false),
        ("1", false),
        ("", false),
        ("1.x", false),
        ("+1.0", false),
    ] {
        let text =
            format!("<s:stream xmlns:s='http://etherx.jabber.org/streams' version='{version}'>");
        let Ok(Some(Item::Header(header))) = opening(text.as_bytes()) else { panic!("a header") };
        assert_eq!(header.version_at_least_1_0(), expected, "{version:?}");
    }
    assert!(
        matches!(opening(b"<stream>"), Ok(Some(Item::Header(header))) if !header.version_at_least_1_0())
    );
}

#[test]
fn the_content_namespace_of_a_stream_tells_its_stanzas() {
    let component = frame_after(common::COMPONENT_HEADER, "<iq/>");
    assert_eq!((component.kind(), component.namespace()), (Kind::Iq, "jabber:component:accept"));
}

#[test]
fn addresses_are_the_unprefixed_attributes_unescaped() {
    let stanza = "<iq xmlns:x='urn:x' x:from='no' x:to='no' to='juliet&#64;capulet.example' \
         from=\"o'brien@montague.example/a\tb\" id='' xml:lang='en'><x from='inner' type='inner'/></iq>";
    for pieces in [&[][..], &[1]] {
        let said = feed([HEADER, stanza].concat().as_bytes(), pieces, Limits::PRE_AUTH);
        let found = said.frames().next().expect("a frame");
        assert_eq!(found.to().as_deref(), Some("juliet@capulet.example"));
        assert_eq!(found.from().as_deref(), Some("o'brien@montague.example/a b"));
        assert_eq!((found.id().as_deref(), found.type_()), (Some(""), None));
        assert!(found.has_lang() && found.is_self_contained());
    }
    assert!(matches!(frame("<iq to='a'/>").to(), Some(std::borrow::Cow::Borrowed("a"))));
}

#[test]
fn frames_know_what_they_lean_on() {
    for (stanza, self_contained, spells) in [
        ("<iq/>", true, false),
        ("<iq xml:lang='en'/>", true, false),
        ("<cap:iq/>", false, false),
        ("<iq><cap:x/></iq>", false, false),
        ("<iq><x cap:y=''/></iq>", false, false),
        ("<iq xmlns:cap='urn:x'><x cap:y=''/></iq>", true, false),
        ("<iq xmlns='jabber:server'/>", true, true),
        ("<iq xmlns='jabber:client'/>", false, true),
        ("<p:iq xmlns:p='jabber:client'/>", false, true),
        ("<iq><error xmlns='jabber:client'/></iq>", false, true),
        ("<iq><x xmlns='urn:x'><message xmlns='jabber:client'/></x></iq>", true, true),
        ("<iq><x xmlns='urn:y'/><a><b xmlns='jabber:client'/></a></iq>", false, true),
        ("<iq><x xmlns='urn:x' xmlns:p='jabber:client'/></iq>", true, true),
    ] {
        let frame = frame(stanza);
        assert_eq!(
            (frame.is_self_contained(), frame.spells_content_namespace()),
            (self_contained, spells),
            "{stanza}"
        );
    }
}

#[test]
fn a_tree_has_everything_resolved() {
    let features = frame(
        "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>\
         <mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTER<![CDATA[NAL]]></mechanism></mechanisms>\
         <cap:c cap:v='1' v='&lt;2'/></stream:features>",
    );
    let tree = features.element().expect("a tree");
    assert!(tree.is("features", "http://etherx.jabber.org/streams"));
    let tls = tree.child("starttls", "urn:ietf:params:xml:ns:xmpp-tls").expect("starttls");
    assert!(tls.child("required", "urn:ietf:params:xml:ns:xmpp-tls").is_some());
    let sasl = "urn:ietf:params:xml:ns:xmpp-sasl";
    let mechanisms = tree.child("mechanisms", sasl).expect("mechanisms");
    assert_eq!(mechanisms.child("mechanism", sasl).map(Element::text).as_deref(), Some("EXTERNAL"));
    let caps = tree.child("c", "urn:capulet:1").expect("caps");
    assert_eq!((caps.attr("v"), caps.attr_in("v", "urn:capulet:1")), (Some("<2"), Some("1")));
    assert_eq!(tree.children().count(), 3);
}

#[test]
fn keepalives_yield_nothing_and_are_not_kept() {
    let mut framer = Framer::new(Limits::PRE_AUTH);
    framer.buffer().extend_from_slice(HEADER.as_bytes());
    assert!(matches!(framer.next(), Ok(Some(Item::Header(_)))));
    for _ in 0..if cfg!(miri) { 100 } else { 10_000 } {
        framer.buffer().extend_from_slice(b" \r\n\t");
        assert!(matches!(framer.next(), Ok(None)));
        assert_eq!((framer.pending(), framer.is_mid_element()), (0, false));
    }
    framer.buffer().extend_from_slice(b" <");
    assert!(matches!(framer.next(), Ok(None)));
    assert_eq!((framer.pending(), framer.is_mid_element()), (1, true));
}

#[test]
fn a_restart_keeps_what_was_pipelined_and_forgets_the_old_header() {
    let mut framer = Framer::new(Limits::PRE_AUTH);
    framer
        .buffer()
        .extend_from_slice(format!("{HEADER}<success xmlns='urn:x'/>{HEADER}<iq/>").as_bytes());
    assert!(matches!(framer.next(), Ok(Some(Item::Header(_)))));
    assert!(matches!(framer.next(), Ok(Some(Item::Element(_)))));
    assert_eq!(framer.pending(), HEADER.len() + 5);
    framer.restart();
    assert!(matches!(framer.next(), Ok(Some(Item::Header(_)))));
    assert!(matches!(framer.next(), Ok(Some(Item::Element(_)))));
    framer.restart();
    framer.buffer().extend_from_slice(b"<cap:x/>");
    assert_eq!(framer.next().err(), Some(FrameError::BadNamespacePrefix));
    framer.restart();
    assert_eq!(
        framer.next().err(),
        Some(FrameError::BadNamespacePrefix),
        "a dead framer stays dead"
    );
}

#[test]
fn an_element_may_be_exactly_as_long_as_its_limit() {
    let limits = Limits { element_bytes: 100, ..Limits::PRE_AUTH };
    let stanza = |len: usize| format!("<a>{}</a>", "x".repeat(len - 7));
    let verdict = |len| feed(format!("{HEADER}{}", stanza(len)).as_bytes(), &[], limits);
    assert_eq!((verdict(100).items.len(), verdict(100).error), (2, None));
    assert_eq!(verdict(101).error, Some(FrameError::LimitExceeded(Limit::ElementBytes)));
    let two = format!("{HEADER}{}{}", stanza(100), stanza(100));
    assert_eq!(feed(two.as_bytes(), &[], limits).items.len(), 3);
}

#[test]
fn what_limits_count_begins_anew_with_each_element() {
    let limits = Limits { depth: 2, attributes: 3, namespaces: 3, elements: 4, ..Limits::PRE_AUTH };
    let child = "<b xmlns='urn:b' c='' d=''></b><b xmlns:cap='urn:b' cap:c='' d=''/>";
    let stanza = format!("<a xmlns:p='urn:a' xmlns:q='urn:a' b=''>{child}{child}</a>");
    let header = "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:server'>";
    let stream = format!("{header}{}</s:stream>", stanza.repeat(4));
    for pieces in [&[][..], &[1], &[stanza.len()]] {
        let said = feed(stream.as_bytes(), pieces, limits);
        assert!(said.is_whole() && said.frames().count() == 4, "{said:?}");
    }
}

#[test]
fn other_limits_hold_from_where_they_are_set_and_before_a_token_ends() {
    let narrow = |body: &str| {
        let mut framer = Framer::new(Limits::PRE_AUTH);
        framer.buffer().extend_from_slice(HEADER.as_bytes());
        assert!(matches!(framer.next(), Ok(Some(Item::Header(_)))));
        framer.set_limits(Limits { attributes: 2, name_bytes: 8, ..Limits::PRE_AUTH });
        framer.buffer().extend_from_slice(body.as_bytes());
        framer.next().err()
    };
    let exceeded = |limit| Some(FrameError::LimitExceeded(limit));
    assert_eq!(narrow("<a b='' c=''"), None);
    assert_eq!(narrow("<a b='' c='' d=''"), exceeded(Limit::Attributes));
    assert_eq!(narrow("<abcdefgh"), None);
    assert_eq!(narrow("<abcdefghi"), exceeded(Limit::NameBytes));
    assert_eq!((narrow("<abcdef:b"), narrow("<abcdef\u{E9}")), (None, None));
    assert_eq!(narrow("<abcdefg:b"), exceeded(Limit::NameBytes));
    assert_eq!(narrow("<abcdefg\u{E9}"), exceeded(Limit::NameBytes));
    assert_eq!(narrow("<a abcdefghi"), exceeded(Limit::NameBytes));
    assert_eq!(narrow("<a></abcdefghi"), exceeded(Limit::NameBytes));
}

#[test]
fn a36_errors_are_told_without_bytes_of_the_peer() {
    assert_eq!(FrameError::InvalidUtf8.to_string(), "invalid UTF-8");
    assert_eq!(
        FrameError::LimitExceeded(Limit::Depth).to_string(),
        "limit exceeded: elements nested too deeply"
    );
    assert_eq!(
        FrameError::NotWellFormed(Reason::Name).to_string(),
        "not well-formed: malformed name"
    );
    assert!(frames_after(HEADER, "<a").is_ok_and(|frames| frames.is_empty()));
}

#[test]
fn a_frame_is_small_and_can_leave_its_buffer() {
    assert!(size_of::<xmpp_frame::Frame>() <= 160, "{}", size_of::<xmpp_frame::Frame>());
    fn travels<T: Send + Sync + 'static>(_: &T) {}
    let frame = frame("<cap:iq to='capulet.example'/>");
    travels(&frame);
    let alone = frame.detached();
    assert_eq!(alone.bytes(), frame.bytes());
    assert_ne!(alone.bytes().as_ptr(), frame.bytes().as_ptr());
    assert_eq!((alone.to(), alone.namespace()), (frame.to(), frame.namespace()));
}
