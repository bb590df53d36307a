//! Named traps: XML that two parsers may read differently, and XML made to eat memory. Each is a line with its expected error.

mod common;

use common::{HEADER, error_of, feed, frame, frame_after, frames_after};
use xmpp_frame::{
    Content, Element, FrameError, Framer, Item, Kind, Limit, Limits, Reason, Restricted,
};

const fn malformed(reason: Reason) -> Option<FrameError> {
    Some(FrameError::NotWellFormed(reason))
}

fn check(table: &[(&[u8], Option<FrameError>)]) {
    for (bytes, expected) in table {
        assert_eq!(error_of(bytes), *expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a12_bytes_that_are_not_utf_8_are_refused() {
    let bad = Some(FrameError::InvalidUtf8);
    check(&[
        (b"<a>\xC0\xBCb/></a>", bad),              // overlong <
        (b"<a>\xE0\x80\xBC</a>", bad),             // overlong, three bytes
        (b"<a>\xF0\x80\x80\xBC</a>", bad),         // overlong, four bytes
        (b"<a>\xED\xA0\x80</a>", bad),             // surrogate
        (b"<a>\xED\xA0\xBD\xED\xB8\x80</a>", bad), // pair of surrogates (CESU-8)
        (b"<a>\xF4\x90\x80\x80</a>", bad),         // past U+10FFFF
        (b"<a>\xF8\x88\x80\x80\x80</a>", bad),
        (b"<a>\x80</a>", bad),
        (b"<a>\xE2\x82</a>", bad), // cut short before <
        (b"<a b='\xC3'/>", bad),   // cut short before a quote (CVE-2022-25235)
        (b"<a\xC3></a>", bad),
        (b"<\xC0\xBC/>", bad),
        (b"<a>\xFF\xFE</a>", bad),
        (b"\xC0", bad),
        (b"<a>\xF4\x8F\xBF\xBF\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBD\x7F\xC2\x80</a>", None),
    ]);
}

#[test]
fn characters_outside_the_char_production_are_refused() {
    let bad = malformed(Reason::IllegalCharacter);
    check(&[
        (b"<a>\0</a>", bad),
        (b"<a>\x01</a>", bad),
        (b"<a>\x0B</a>", bad),
        (b"<a>\x1F</a>", bad),
        (b"<a b='\x0C'/>", bad),
        (b"<a xmlns='urn:x\x01message'/>", bad),
        (b"<a><![CDATA[\x08]]></a>", bad),
        (b"<a>\xEF\xBF\xBE</a>", bad), // U+FFFE
        (b"<a b='\xEF\xBF\xBF'/>", bad),
        (b"<a>&#0;</a>", bad),
        (b"<a>&#x0;</a>", bad),
        (b"<a>&#8;</a>", bad),
        (b"<a>&#xD800;</a>", bad),
        (b"<a>&#xDFFF;</a>", bad),
        (b"<a>&#xFFFE;</a>", bad),
        (b"<a>&#xFFFF;</a>", bad),
        (b"<a>&#x110000;</a>", bad),
        (b"<a>&#4294967361;</a>", bad), // 2^32 + 'A'
        (b"<a b='&#99999999999999999999999999;'/>", bad),
        (b"<a>\t\r\n&#9;&#10;&#13;&#x10FFFF;&#x000000000000000041;</a>", None),
        // The root of a stream is no place for text.
        (b"\0", malformed(Reason::TextOutsideElement)),
    ]);
}

#[test]
fn a12_names_that_parsers_disagree_about_are_refused() {
    let bad = malformed(Reason::Name);
    check(&[
        (b"<1/>", bad),
        (b"<-a/>", bad),
        (b"< a/>", bad),
        (b"<>", bad),
        (b"</>", bad),
        (b"<a><b></ b></a>", bad),
        (b"<:a/>", bad),
        (b"<a:/>", bad),
        (b"<a::b/>", bad),
        (b"<a:b:c/>", bad),
        (b"<stream:1/>", bad),
        (b"<a =''/>", bad),
        (b"<a \xC3\x97=''/>", bad), // multiplication sign
        (b"<a 1b=''/>", bad),
        (b"<a :b=''/>", bad),
        (b"<a b:=''/>", bad),
        (b"<\xC2\xB7/>", bad),          // a middle dot may follow only
        (b"<a\xF0\x90\x80\x80/>", bad), // Fifth Edition only
        (b"<a\xE2\xB0\x80/>", bad),     // Fifth Edition only
        (b"<a\xCC\x81\xC2\xB7-._9/>", None),
        ("<日本 été='Ж'/>".as_bytes(), None),
    ]);
}

#[test]
fn syntax_that_browsers_would_repair_is_refused() {
    check(&[
        (b"<a b='1'c='2'/>", malformed(Reason::MissingSpace)),
        (b"<a\"/>", malformed(Reason::MissingSpace)),
        (b"<a b/>", malformed(Reason::Syntax)),
        (b"<a b c='1'/>", malformed(Reason::Syntax)),
        (b"<a b=1/>", malformed(Reason::AttributeValue)),
        (b"<a b='<'/>", malformed(Reason::AttributeValue)),
        (b"<a b=\"<c/>\"/>", malformed(Reason::AttributeValue)),
        (b"<a / >", malformed(Reason::Syntax)),
        (b"<a/b>", malformed(Reason::Syntax)),
        (b"<a></a b='1'>", malformed(Reason::Syntax)),
        (b"<a></a/>", malformed(Reason::Syntax)),
        (b"<a></b>", malformed(Reason::MismatchedTag)),
        (b"<a><b></a></b>", malformed(Reason::MismatchedTag)),
        (b"<a></A>", malformed(Reason::MismatchedTag)),
        (b"<db:a></stream:a>", malformed(Reason::MismatchedTag)),
        (b"</a>", malformed(Reason::MismatchedTag)),
        (b"<a>]]></a>", malformed(Reason::CdataEndInText)),
        (b"<a>]]]]></a>", malformed(Reason::CdataEndInText)),
        (b"<a><![CDATA[x]]>]]></a>", malformed(Reason::CdataEndInText)),
        (b"<a>& </a>", malformed(Reason::Reference)),
        (b"<a>&;</a>", malformed(Reason::Reference)),
        (b"<a>&<b/></a>", malformed(Reason::Reference)),
        (b"<a b='&'/>", malformed(Reason::Reference)),
        (b"<a>&#;</a>", malformed(Reason::Reference)),
        (b"<a>&#x;</a>", malformed(Reason::Reference)),
        (b"<a>&#X41;</a>", malformed(Reason::Reference)),
        (b"<a>&#4A;</a>", malformed(Reason::Reference)),
        (b"<a>&#-1;</a>", malformed(Reason::Reference)),
        (b"<a>&# 65;</a>", malformed(Reason::Reference)),
        (b"<a><![cdata[]]></a>", malformed(Reason::Syntax)),
        (b"<a><![CDATA []]></a>", malformed(Reason::Syntax)),
        (b"<a><!></a>", malformed(Reason::Syntax)),
        (b"<![CDATA[]]>", malformed(Reason::Syntax)),
        (b"x", malformed(Reason::TextOutsideElement)),
        (b"<a/>x<b/>", malformed(Reason::TextOutsideElement)),
        (b"<a/>&#32;", malformed(Reason::TextOutsideElement)),
        (b"<a/>\xC2\xA0", malformed(Reason::TextOutsideElement)),
        (b"<a\n\tb\r=\n\"'>]]>\" \n/>\r\n <c ></c\n>", None),
        (b"<a>]] > ]]&gt; ]]&#62; &#93;]> <![CDATA[<&]] >]]]]><![CDATA[>]]></a>", None),
        (b"<a><![CDATA[]>]]]]></a>", None),
    ]);
}

#[test]
fn a14_restricted_xml_is_refused_at_its_first_bytes() {
    let comment = Some(FrameError::RestrictedXml(Restricted::Comment));
    let instruction = Some(FrameError::RestrictedXml(Restricted::ProcessingInstruction));
    let dtd = Some(FrameError::RestrictedXml(Restricted::Dtd));
    let entity = Some(FrameError::RestrictedXml(Restricted::Entity));
    check(&[
        (b"<!-", comment),
        (b"<a><!-- --></a>", comment),
        (b"<?", instruction),
        (b"<a><?php ?></a>", instruction),
        (b"<?xml version='1.0'?>", instruction),
        (b"<a/><?xml version='1.0'?><stream:stream>", instruction),
        (b"<!D", dtd),
        (b"<a><!DOCTYPE a></a>", dtd),
        (b"<!ENTITY lol 'lol'>", dtd),
        (b"<a>&l", None),
        (b"<a>&lo", entity),
        (b"<a>&lol;</a>", entity),
        (b"<a>&nbsp;</a>", entity),
        (b"<a>&am;</a>", entity),
        (b"<a>&LT;</a>", entity),
        (b"<a b='&lol9;'/>", entity),
    ]);
    let laughs =
        b"<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;'>]><stream:stream>&lol2;";
    assert_eq!(feed(laughs, &[], Limits::PRE_AUTH).error, dtd);
    let after =
        b"<?xml version='1.0'?>\n<!DOCTYPE stream:stream SYSTEM 'http://capulet.example/x'>";
    assert_eq!(feed(after, &[], Limits::PRE_AUTH).error, dtd);
}

#[test]
fn namespaces_are_held_to_their_rules() {
    let declaration = malformed(Reason::NamespaceDeclaration);
    let name = malformed(Reason::NamespaceName);
    let duplicate = malformed(Reason::DuplicateAttribute);
    let unbound = Some(FrameError::BadNamespacePrefix);
    check(&[
        (b"<x:a/>", unbound),
        (b"<a x:b=''/>", unbound),
        (b"<a><b xmlns:x='urn:x'/><x:c/></a>", unbound),
        (b"<a xmlns:x='urn:x'/><x:b/>", unbound),
        (b"<xmlns:a/>", unbound),
        (b"<a xmlns:x=''/>", declaration),
        (b"<a xmlns:xmlns='urn:x'/>", declaration),
        (b"<a xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>", declaration),
        (b"<a xmlns:x='http://www.w3.org/2000/xmlns/'/>", declaration),
        (b"<a xmlns='http://www.w3.org/2000/xmlns/'/>", declaration),
        (b"<a xmlns:xml='urn:x'/>", declaration),
        (b"<a xmlns:x='http://www.w3.org/XML/1998/namespace'/>", declaration),
        (b"<a xmlns='http://www.w3.org/XML/1998/namespac&#101;'/>", declaration),
        (b"<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='en'/>", None),
        // CVE-2022-25236: separators of namespace-aware parsers inside a namespace name.
        (b"<a xmlns='jabber:server\n'/>", name),
        (b"<a xmlns='urn:x&#10;message'/>", name),
        (b"<a xmlns='urn:x}message'/>", name),
        (b"<a xmlns='urn:x|message'/>", name),
        (b"<a xmlns='urn:x message'/>", name),
        (b"<a xmlns:p='urn:x&lt;'/>", name),
        (b"<a b='1' b='2'/>", duplicate),
        (b"<a xmlns='urn:x' xmlns='urn:y'/>", duplicate),
        (b"<a xmlns:p='urn:x' xmlns:q='urn:x' p:b='' q:b=''/>", duplicate),
        (b"<a xmlns:p='urn:x' xmlns:q='urn:&#x78;' p:b='' q:b=''/>", duplicate),
        (b"<a xmlns:p='urn:capulet:1' p:b='' cap:b=''/>", duplicate),
        (b"<a xmlns:p='urn:x'><b xmlns:q='urn:x' q:c='' p:c=''/></a>", duplicate),
        (b"<a xmlns:p='jabber:server:dialback' p:b='' db:b=''/>", duplicate),
        (b"<a xmlns:p='urn:x' xmlns:q='urn:y' p:b='' q:b='' b=''/>", None),
        (b"<a xmlns:p='urn:x' xmlns:q='urn:x' p:b='' q:c='' b=''/>", None),
        (b"<a xmlns:p='urn:x'><b xmlns:p='urn:y'><p:c/></b><p:c xmlns='' /></a>", None),
        (b"<a xmlns='' to='x'><b xmlns='urn:x'/></a>", None),
    ]);
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
fn a12_a_stream_inside_a_stream_is_refused() {
    let nested = malformed(Reason::NestedStream);
    check(&[
        (b"<stream:stream>", nested),
        (b"<stream:stream to='capulet.example' version='1.0'>", nested),
        (b"<s:stream xmlns:s='http://etherx.jabber.org/streams'/>", nested),
        (b"<stream xmlns='http://etherx.jabber.org/stream&#115;'>", nested),
        (
            b"</stream:stream><stream:stream xmlns:stream='http://etherx.jabber.org/streams'>",
            malformed(Reason::AfterClose),
        ),
        (b"</stream:stream>x", malformed(Reason::AfterClose)),
        (b"</stream:stream \n> \n", None),
        (b"</stream>", malformed(Reason::MismatchedTag)),
        (b"</stream:features>", malformed(Reason::MismatchedTag)),
        (b"<stream xmlns='urn:x'/>", None),
    ]);
}

/// What a stream that begins with these bytes comes to.
fn opening(bytes: &[u8]) -> Result<Option<Item>, FrameError> {
    let mut framer = Framer::new(Limits::PRE_AUTH);
    framer.buffer().extend_from_slice(bytes);
    framer.next()
}

#[test]
fn headers_that_are_none_are_refused() {
    const STREAM: &str =
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server'";
    let error = |text: &str| opening(text.as_bytes()).err();
    assert_eq!(error(&format!("{STREAM}/>")), malformed(Reason::EmptyStream));
    assert_eq!(error("<stream:stream to='capulet.example'>"), Some(FrameError::BadNamespacePrefix));
    assert_eq!(error("<message xmlns='jabber:server'>"), Some(FrameError::NotAStream));
    assert_eq!(error("GET / HTTP/1.1\r\n"), malformed(Reason::TextOutsideElement));
    assert_eq!(opening(b"\x16\x03\x01\x02\x00").err(), malformed(Reason::TextOutsideElement));
    assert_eq!(error("</stream:stream>"), malformed(Reason::MismatchedTag));
    assert_eq!(error("\u{FEFF}\u{FEFF}<"), malformed(Reason::TextOutsideElement));
    assert_eq!(opening(b"\xFF\xFE<\0").err(), Some(FrameError::InvalidUtf8));
    assert_eq!(
        error(" <?xml version='1.0'?>"),
        Some(FrameError::RestrictedXml(Restricted::ProcessingInstruction))
    );
    let twice = "<?xml version='1.0'?><?xml version='1.0'?>";
    assert_eq!(error(twice), Some(FrameError::RestrictedXml(Restricted::ProcessingInstruction)));
    let utf_16 = "<?xml version='1.0' encoding='UTF-16'?>";
    assert_eq!(error(utf_16), Some(FrameError::UnsupportedEncoding));
    assert_eq!(error(&format!("{STREAM} to='a' to='b'>")), malformed(Reason::DuplicateAttribute));
    assert_eq!(
        error(&format!("{STREAM} xmlns:xmlns='a'>")),
        malformed(Reason::NamespaceDeclaration)
    );
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
fn a13_stanzas_are_told_by_expanded_name() {
    // A13
    for (stanza, kind, namespace) in [
        ("<message/>", Kind::Message, "jabber:server"),
        ("<presence xmlns='jabber:server'/>", Kind::Presence, "jabber:server"),
        ("<message xmlns='jabber:client'/>", Kind::Message, "jabber:client"),
        ("<message xmlns='jabber:clien&#116;'/>", Kind::Message, "jabber:client"),
        ("<nsp0:iq xmlns:nsp0='jabber:server'/>", Kind::Iq, "jabber:server"),
        ("<message xmlns='jabber:component:accept'/>", Kind::Other, "jabber:component:accept"),
        ("<message xmlns='urn:x'/>", Kind::Other, "urn:x"),
        ("<message xmlns='urn:&#x78;'/>", Kind::Other, "urn:x"),
        ("<message xmlns=''/>", Kind::Other, ""),
        ("<db:message/>", Kind::Other, "jabber:server:dialback"),
        ("<cap:iq/>", Kind::Other, "urn:capulet:1"),
        ("<stream:features/>", Kind::Other, "http://etherx.jabber.org/streams"),
        ("<xml:iq/>", Kind::Other, "http://www.w3.org/XML/1998/namespace"),
        ("<Message/>", Kind::Other, "jabber:server"),
    ] {
        let frame = frame(stanza);
        assert_eq!((frame.kind(), frame.namespace()), (kind, namespace), "{stanza}");
    }
    let component = frame_after(common::COMPONENT_HEADER, "<iq/>");
    assert_eq!((component.kind(), component.namespace()), (Kind::Iq, "jabber:component:accept"));
}

#[test]
fn addresses_are_the_unprefixed_attributes_unescaped() {
    let found = frame(
        "<iq xmlns:x='urn:x' x:from='no' x:to='no' to='juliet&#64;capulet.example' \
         from=\"o'brien@montague.example/a\tb\" id='' xml:lang='en'><x from='inner' type='inner'/></iq>",
    );
    assert_eq!(found.to().as_deref(), Some("juliet@capulet.example"));
    assert_eq!(found.from().as_deref(), Some("o'brien@montague.example/a b"));
    assert_eq!((found.id().as_deref(), found.type_()), (Some(""), None));
    assert!(found.has_lang() && found.is_self_contained());
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
    for _ in 0..10_000 {
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
fn every_limit_is_enforced() {
    let limits = Limits {
        depth: 3,
        attributes: 2,
        namespaces: 2,
        name_bytes: 8,
        elements: 3,
        ..Limits::PRE_AUTH
    };
    let header = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>";
    let narrow = |body: &str| {
        let mut framer = Framer::new(Limits::PRE_AUTH);
        framer.buffer().extend_from_slice(header.as_bytes());
        assert!(matches!(framer.next(), Ok(Some(Item::Header(_)))));
        framer.set_limits(limits);
        framer.buffer().extend_from_slice(body.as_bytes());
        framer.next().err()
    };
    let exceeded = |limit| Some(FrameError::LimitExceeded(limit));
    assert_eq!(narrow("<a><b><c/></b></a>"), None);
    assert_eq!(narrow("<a><b><c><d/>"), exceeded(Limit::Depth));
    assert_eq!(narrow("<a b='' c=''/>"), None);
    assert_eq!(narrow("<a b='' c='' d=''"), exceeded(Limit::Attributes));
    assert_eq!(narrow("<a xmlns='urn:x'><b xmlns='urn:y'/><c xmlns='urn:z'/></a>"), None);
    assert_eq!(
        narrow("<a xmlns='urn:x'><b xmlns='urn:y'><c xmlns='urn:z'/>"),
        exceeded(Limit::Namespaces)
    );
    assert_eq!(narrow("<abcdefgh/>"), None);
    assert_eq!(narrow("<abcdefghi"), exceeded(Limit::NameBytes));
    assert_eq!(narrow("<a xmlns='urn:abcde'/>"), exceeded(Limit::NameBytes));
    assert_eq!(narrow("<a abcdefghi"), exceeded(Limit::NameBytes));
    assert_eq!(narrow("<a></abcdefghi"), exceeded(Limit::NameBytes));
    assert_eq!(narrow("<a><b/><c/><d/></a>"), None);
    assert_eq!(narrow("<a><b/><c/><d/><e/>"), exceeded(Limit::Elements));
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
