//! What one server might let through and the next read differently: the threats A12 to A15 of this project, each payload in each place, and
//! each limit at its edge.

use xmpp_frame::{FrameError, Framer, Item, Kind, Limit, Limits, Vectors};

use crate::case::{Fact::*, Place::*, Table::*, *};
use crate::stage::HEADER;

pub static SUITE: Suite = Suite {
    name: "smuggling",
    tables: &[Across(PAYLOADS), Single(STREAMS_IN_STREAMS), Single(STANZAS)],
};

/// Where each payload is put, in the order of the verdicts: in the text of a body, in a CDATA section of it, in a value, at the end of a
/// namespace name, right behind the name of an element, between stanzas, before the stream's header.
const PLACES: &[Place] = &[Text, Cdata, Value, UriRest, Start, Between, Opening];

const fn payload(
    id: &'static str,
    about: &'static str,
    bytes: &'static [u8],
    verdicts: &'static [Verdict; PLACES.len()],
) -> Spread {
    Spread { id, clause: "RFC 6120 11", about, bytes, places: PLACES, verdicts }
}

#[rustfmt::skip]
const PAYLOADS: &[Spread] = &[
    payload("A12", "an overlong less-than sign", b"\xC0\xBC", &[UTF8; 7]),
    payload("A12", "an overlong less-than sign of three bytes", b"\xE0\x80\xBC", &[UTF8; 7]),
    payload("A12", "an overlong less-than sign of four bytes", b"\xF0\x80\x80\xBC", &[UTF8; 7]),
    payload("A12", "an overlong quote", b"\xC0\xA7", &[UTF8; 7]),
    payload("A12", "an overlong U+0000", b"\xC0\x80", &[UTF8; 7]),
    payload("A12", "a byte of three before a less-than sign", b"\xE2<", &[UTF8; 7]),
    payload("A12", "two bytes of three before a tag", b"\xE2\x82<iq/>", &[UTF8; 7]),
    payload("A12", "three bytes of four before an end tag", b"\xF0\x9F\x8C</message>", &[UTF8; 7]),
    payload("A12", "a byte of two before a slash", b"\xC3/>", &[UTF8; 7]),
    payload("A12", "a surrogate", b"\xED\xA0\xBD", &[UTF8; 7]),
    payload("A12", "a pair of surrogates", b"\xED\xA0\xBD\xED\xB8\x80", &[UTF8; 7]),
    payload("A12", "a byte that begins nothing", b"\xFF", &[UTF8; 7]),
    payload("A12", "U+0000", b"\0", &[CHARACTER, CHARACTER, CHARACTER, CHARACTER, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "U+0000 before a tag", b"\0<iq/>", &[CHARACTER, CHARACTER, CHARACTER, CHARACTER, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "U+0001 before a name", b"\x01message", &[CHARACTER, CHARACTER, CHARACTER, CHARACTER, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "U+FFFE", b"\xEF\xBF\xBE", &[CHARACTER, CHARACTER, CHARACTER, CHARACTER, CHARACTER, CHARACTER, CHARACTER]),
    payload("A12", "U+FFFF before a tag", b"\xEF\xBF\xBF<iq/>", &[CHARACTER, CHARACTER, CHARACTER, CHARACTER, CHARACTER, CHARACTER, CHARACTER]),
    payload("A12", "a tag of fullwidth signs", "\u{FF1C}iq\u{FF0F}\u{FF1E}".as_bytes(), &[
        reads(&[Says("\u{FF1C}iq\u{FF0F}\u{FF1E}")]), READS, reads(&[Says("\u{FF1C}iq\u{FF0F}\u{FF1E}")]), reads(&[Says("\u{FF1C}iq\u{FF0F}\u{FF1E}")]), NAME, OUTSIDE, OUTSIDE,
    ]),
    payload("A12", "a tag in UTF-7", b"+ADw-iq/+AD4-", &[reads(&[Says("+ADw-iq/+AD4-")]), READS, reads(&[Says("+ADw-iq/+AD4-")]), reads(&[Says("+ADw-iq/+AD4-")]), SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "a byte order mark", b"\xEF\xBB\xBF", &[reads(&[Says("\u{FEFF}")]), READS, reads(&[Says("\u{FEFF}")]), reads(&[Says("\u{FEFF}")]), NAME, OUTSIDE, READS]),
    payload("A12", "a line feed", b"\n", &[reads(&[Says("\n")]), READS, reads(&[Says(" ")]), NS_NAME, READS, READS, READS]),
    payload("A12", "a line feed by reference", b"&#10;", &[reads(&[Says("\n")]), READS, reads(&[Says("\n")]), NS_NAME, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "a line feed and a local name", b"\nmessage", &[reads(&[Says("\nmessage")]), READS, reads(&[Says(" message")]), NS_NAME, SYNTAX, OUTSIDE, OUTSIDE]),
    payload("A12", "a vertical bar and a local name", b"|message", &[reads(&[Says("|message")]), READS, reads(&[Says("|message")]), NS_NAME, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "a closing brace and a local name", b"}message", &[reads(&[Says("}message")]), READS, reads(&[Says("}message")]), NS_NAME, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "a less-than sign by reference", b"&#60;iq/>", &[reads(&[Says("<iq/>")]), READS, reads(&[Says("<iq/>")]), NS_NAME, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "a less-than sign by entity", b"&lt;iq/>", &[reads(&[Says("<iq/>")]), READS, reads(&[Says("<iq/>")]), NS_NAME, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "a less-than sign by entity twice", b"&amp;lt;iq/>", &[reads(&[Says("&lt;iq/>")]), READS, reads(&[Says("&lt;iq/>")]), NS_NAME, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "U+0000 by reference", b"&#0;", &[CHARACTER, READS, CHARACTER, CHARACTER, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "a number of more than 32 bits", b"&#4294967356;", &[CHARACTER, READS, CHARACTER, CHARACTER, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "the end of a CDATA section", b"]]>", &[CDATA_END, CDATA_END, reads(&[Says("]]>")]), NS_NAME, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "the end of a CDATA section and a tag", b"]]><iq/>", &[CDATA_END, CDATA_END, VALUE, VALUE, SPACE, OUTSIDE, OUTSIDE]),
    payload("A12", "a tag in a CDATA section", b"<![CDATA[<iq/>]]>", &[reads(&[Says("<iq/>")]), CDATA_END, VALUE, VALUE, SPACE, SYNTAX, SYNTAX]),
    payload("A12", "a declaration", b"<?xml version=\"1.0\"?>", &[INSTRUCTION, READS, VALUE, VALUE, SPACE, INSTRUCTION, READS]),
    payload("A12", "a declaration and a header", b"<?xml version=\"1.0\"?><stream:stream>", &[INSTRUCTION, READS, VALUE, VALUE, SPACE, INSTRUCTION, UNBOUND]),
    payload("A12", "the end of the stream", b"</stream:stream>", &[MISMATCH, READS, VALUE, VALUE, SPACE, CLOSED, MISMATCH]),
    payload("A12", "the end of the stream and another", b"</stream:stream><stream:stream version=\"1.0\">", &[MISMATCH, READS, VALUE, VALUE, SPACE, CLOSED, MISMATCH]),
    payload("A12", "the end of the stream and a declaration", b"</stream:stream><?xml version=\"1.0\"?>", &[MISMATCH, READS, VALUE, VALUE, SPACE, CLOSED, MISMATCH]),
    payload("A12", "a stream", b"<stream:stream/>", &[READS, READS, VALUE, VALUE, SPACE, NESTED, UNBOUND]),
    payload("A12", "an end tag that is not open", b"</iq>", &[MISMATCH, READS, VALUE, VALUE, SPACE, MISMATCH, MISMATCH]),
    payload("A12", "an instruction", b"<?php ?>", &[INSTRUCTION, READS, VALUE, VALUE, SPACE, INSTRUCTION, INSTRUCTION]),
    payload("A12", "a style sheet", b"<?xml-stylesheet href=\"x\"?>", &[INSTRUCTION, READS, VALUE, VALUE, SPACE, INSTRUCTION, INSTRUCTION]),
    payload("A12", "a comment", b"<!-- -->", &[COMMENT, READS, VALUE, VALUE, SPACE, COMMENT, COMMENT]),
    payload("A12", "a comment around a tag", b"<!--<iq/>-->", &[COMMENT, READS, VALUE, VALUE, SPACE, COMMENT, COMMENT]),
    payload("A12", "the end of a comment", b"-->", &[reads(&[Says("-->")]), READS, reads(&[Says("-->")]), NS_NAME, WAITS, OUTSIDE, OUTSIDE]),
    payload("A14", "a document type", b"<!DOCTYPE lolz>", &[DTD, READS, VALUE, VALUE, SPACE, DTD, DTD]),
    payload("A14", "a document type with entities", b"<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]>", &[DTD, READS, VALUE, VALUE, SPACE, DTD, DTD]),
    payload("A14", "a document type that is a file", b"<!DOCTYPE a SYSTEM \"file:///etc/passwd\">", &[DTD, READS, VALUE, VALUE, SPACE, DTD, DTD]),
    payload("A14", "an entity that is a file", b"<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>", &[DTD, READS, VALUE, VALUE, SPACE, DTD, DTD]),
    payload("A14", "an entity of other entities", b"<!DOCTYPE a [<!ENTITY % b \"c\">%b;]>", &[DTD, READS, VALUE, VALUE, SPACE, DTD, DTD]),
    payload("A14", "an entity declaration", b"<!ENTITY lol \"lol\">", &[DTD, READS, VALUE, VALUE, SPACE, DTD, DTD]),
    payload("A14", "an attribute declaration", b"<!ATTLIST iq from CDATA \"juliet@capulet.example\">", &[DTD, READS, VALUE, VALUE, SPACE, DTD, DTD]),
    payload("A14", "an element declaration", b"<!ELEMENT iq ANY>", &[DTD, READS, VALUE, VALUE, SPACE, DTD, DTD]),
    payload("A14", "a notation declaration", b"<!NOTATION gif SYSTEM \"x\">", &[DTD, READS, VALUE, VALUE, SPACE, DTD, DTD]),
    payload("A14", "a document type in small letters", b"<!doctype lolz>", &[SYNTAX, READS, VALUE, VALUE, SPACE, SYNTAX, SYNTAX]),
    payload("A14", "a conditional section", b"<![INCLUDE[<iq/>]]>", &[SYNTAX, CDATA_END, VALUE, VALUE, SPACE, SYNTAX, SYNTAX]),
    payload("A14", "a reference to an entity", b"&lol9;", &[ENTITY, READS, ENTITY, ENTITY, SPACE, OUTSIDE, OUTSIDE]),
    payload("A14", "a reference to an entity of HTML", b"&eacute;", &[ENTITY, READS, ENTITY, ENTITY, SPACE, OUTSIDE, OUTSIDE]),
    payload("A14", "a reference to a parameter entity", b"%lol9;", &[reads(&[Says("%lol9;")]), READS, reads(&[Says("%lol9;")]), reads(&[Says("%lol9;")]), SPACE, OUTSIDE, OUTSIDE]),
];

/// A12: the stream's own element, however it is spelled, as one of its children.
#[rustfmt::skip]
const STREAMS_IN_STREAMS: &[Case] = &[
    case("A12", "RFC 6120 4.2", "a header", Stanza, b"<stream:stream to='capulet.example' version='1.0'>", NESTED),
    case("A12", "RFC 6120 4.2", "a header with another prefix", Stanza, b"<s:stream xmlns:s='http://etherx.jabber.org/streams'>", NESTED),
    case("A12", "RFC 6120 4.2", "a header by its default", Stanza, b"<stream xmlns='http://etherx.jabber.org/streams'>", NESTED),
    case("A12", "RFC 6120 4.2", "a header by its default, with a reference", Stanza, b"<stream xmlns='http://etherx.jabber.org/stream&#115;'>", NESTED),
    case("A12", "RFC 6120 4.2", "an element of another namespace called so", Stanza, b"<stream xmlns='urn:z'/>", reads(&[Called("stream", "urn:z"), Of(Kind::Other)])),
    case("A12", "RFC 6120 4.2", "an element of the stream's own content called so", Stanza, b"<stream/>", reads(&[Called("stream", SERVER)])),
    case("A12", "RFC 6120 4.2", "an element of the stream's namespace with more letters", Stanza, b"<stream:streams/>", reads(&[Called("streams", STREAMS)])),
    case("A12", "RFC 6120 4.2", "an end tag without the prefix", Between, b"</stream>", MISMATCH),
    case("A12", "RFC 6120 4.2", "an end tag of another element of the namespace", Between, b"</stream:features>", MISMATCH),
    case("A12", "RFC 6120 4.2", "an end tag of a name as long", Between, b"</stream:strewn>", MISMATCH),
    case("A12", "RFC 6120 4.2", "an end tag with a prefix as long", Between, b"</scream:stream>", MISMATCH),
    case("A12", "RFC 6120 4.2", "the end, twice", Between, b"</stream:stream></stream:stream>", CLOSED),
    case("A12", "RFC 6120 4.2", "a stanza that ends in a body and another that begins there", Text, b"</body></message><message to='b@capulet.example'><body>", READS),
];

/// A13: what is a stanza is told by namespace and local name.
#[rustfmt::skip]
const STANZAS: &[Case] = &[
    case("A13", "RFC 6120 8", "by the default", Stanza, b"<message/>", reads(&[Called("message", SERVER), Of(Kind::Message)])),
    case("A13", "RFC 6120 8", "presence by the default", Stanza, b"<presence/>", reads(&[Called("presence", SERVER), Of(Kind::Presence)])),
    case("A13", "RFC 6120 8", "iq by the default", Stanza, b"<iq/>", reads(&[Called("iq", SERVER), Of(Kind::Iq)])),
    case("A13", "RFC 6120 8", "by a default of its own that is the same", Stanza, b"<presence xmlns='jabber:server'/>", reads(&[Called("presence", SERVER), Of(Kind::Presence)])),
    case("A13", "RFC 6120 8", "by the clients' namespace", Stanza, b"<message xmlns='jabber:client'/>", reads(&[Called("message", CLIENT), Of(Kind::Message)])),
    case("A13", "RFC 6120 8", "by the clients' namespace, with a reference", Stanza, b"<message xmlns='jabber:clien&#116;'/>", reads(&[Called("message", CLIENT), Of(Kind::Message)])),
    case("A13", "RFC 6120 8", "by a prefix", Stanza, b"<nsp0:iq xmlns:nsp0='jabber:server'/>", reads(&[Called("iq", SERVER), Of(Kind::Iq)])),
    case("A13", "RFC 6120 8", "by a prefix for the clients' namespace", Stanza, b"<nsp0:iq xmlns:nsp0='jabber:client'/>", reads(&[Called("iq", CLIENT), Of(Kind::Iq)])),
    case("A13", "RFC 6120 8", "by a prefix whose declaration comes last", Stanza, b"<n:iq to='a' xmlns='urn:z' xmlns:n='jabber:server'/>", reads(&[Called("iq", SERVER), Of(Kind::Iq), Has("to", "", "a")])),
    case("A13", "RFC 6120 8", "by a prefix with a reference", Stanza, b"<n:iq xmlns:n='jabber&#58;server'/>", reads(&[Called("iq", SERVER), Of(Kind::Iq)])),
    case("A13", "RFC 6120 8", "a name in components' namespace", Stanza, b"<message xmlns='jabber:component:accept'/>", reads(&[Called("message", "jabber:component:accept"), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a name in another namespace", Stanza, b"<message xmlns='urn:z'/>", reads(&[Called("message", "urn:z"), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a name in another namespace, with a reference", Stanza, b"<message xmlns='urn:&#x7a;'/>", reads(&[Called("message", "urn:z"), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a name in none", Stanza, b"<message xmlns=''/>", reads(&[Called("message", ""), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a name in the stream's namespace", Stanza, b"<stream:message/>", reads(&[Called("message", STREAMS), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a name by a prefix of the header", Stanza, b"<cap:iq/>", reads(&[Called("iq", CAPULET), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a name with the prefix xml", Stanza, b"<xml:iq/>", reads(&[Called("iq", XML), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a name with a capital", Stanza, b"<Message/>", reads(&[Called("Message", SERVER), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a name of which a stanza's is the beginning", Stanza, b"<messages/>", reads(&[Called("messages", SERVER), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a name of which presence is the beginning", Stanza, b"<presences/>", reads(&[Called("presences", SERVER), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "the same by a prefix", Stanza, b"<n:presences xmlns:n='jabber:server'/>", reads(&[Called("presences", SERVER), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a name with a letter that looks the same", Stanza, "<me\u{455}sage/>".as_bytes(), reads(&[Called("me\u{455}sage", SERVER), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a namespace with a capital", Stanza, b"<message xmlns='jabber:Server'/>", reads(&[Called("message", "jabber:Server"), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a namespace with a slash at its end", Stanza, b"<message xmlns='jabber:server/'/>", reads(&[Called("message", "jabber:server/"), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "a namespace with an escape", Stanza, b"<message xmlns='jabber:%73erver'/>", reads(&[Called("message", "jabber:%73erver"), Of(Kind::Other)])),
    case("A13", "RFC 6120 8", "the clients' namespace below the servers'", Stanza, b"<iq><a><b xmlns='jabber:client'/></a></iq>", reads(&[Holds(1, "a", SERVER)])),
    case("A13", "RFC 6120 8", "the same behind a payload", Stanza, b"<iq><x xmlns='urn:z'/><a><b xmlns='jabber:client'/></a></iq>", reads(&[Holds(2, "a", SERVER)])),
    case("A13", "RFC 6120 8", "the same behind a payload with an end tag", Stanza, b"<iq><x xmlns='urn:z'><y/></x><a><b xmlns='jabber:client'></b></a></iq>", reads(&[Holds(2, "a", SERVER)])),
    case("A13", "RFC 6120 8", "the same behind a payload in no namespace", Stanza, b"<iq><x xmlns=''>thou</x ><a><b xmlns='jabber:client'/></a></iq>", reads(&[Holds(2, "a", SERVER)])),
    case("A13", "RFC 6120 8", "the clients' namespace in a payload", Stanza, b"<iq><x xmlns='urn:z'><message xmlns='jabber:client'/></x></iq>", reads(&[Holds(1, "x", "urn:z")])),
    case("A13", "RFC 6120 8", "the same in a payload behind one with an end tag", Stanza, b"<iq><a></a><x xmlns='urn:z'><y></y><message xmlns='jabber:client'/></x></iq>", reads(&[Holds(2, "x", "urn:z")])),
    case("A13", "RFC 6120 8", "the servers' namespace in a payload of the clients'", Stanza, b"<iq><a xmlns='jabber:client'><b xmlns='jabber:server'/></a></iq>", reads(&[Holds(1, "a", CLIENT)])),
    case("A13", "RFC 6120 8", "the clients' namespace by a prefix, below", Stanza, b"<iq xmlns:q='jabber:client'><x xmlns='urn:z'/><a><q:b/></a></iq>", reads(&[Holds(2, "a", SERVER)])),
    case("A13", "RFC 6120 8", "a namespace with a space at its end", Stanza, b"<message xmlns='jabber:server '/>", NS_NAME),
];

/// A15: what one limit is about. With this many of something an element keeps the limit, with one more it does not.
struct Edge {
    about: &'static str,
    exceeds: Limit,
    most: fn(&Limits) -> usize,
    element: fn(usize) -> String,
}

const fn edge(
    about: &'static str,
    exceeds: Limit,
    most: fn(&Limits) -> usize,
    element: fn(usize) -> String,
) -> Edge {
    Edge { about, exceeds, most, element }
}

#[rustfmt::skip]
const EDGES: &[Edge] = &[
    edge("bytes of text", Limit::ElementBytes, |limits| limits.element_bytes, |n| format!("<a>{}</a>", "x".repeat(n - 7))),
    edge("bytes of a value", Limit::ElementBytes, |limits| limits.element_bytes, |n| format!("<a b='{}'/>", "x".repeat(n - 9))),
    edge("bytes of a CDATA section", Limit::ElementBytes, |limits| limits.element_bytes, |n| format!("<a><![CDATA[{}]]></a>", "]".repeat(n - 19))),
    edge("bytes of white space", Limit::ElementBytes, |limits| limits.element_bytes, |n| format!("<a{}/>", " ".repeat(n - 4))),
    edge("bytes of a reference", Limit::ElementBytes, |limits| limits.element_bytes, |n| format!("<a>&#{}65;</a>", "0".repeat(n - 12))),
    edge("levels", Limit::Depth, |limits| limits.depth, |n| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n))),
    edge("levels with prefixes", Limit::Depth, |limits| limits.depth, |n| format!("{}{}", "<cap:a>".repeat(n), "</cap:a >".repeat(n))),
    edge("attributes", Limit::Attributes, |limits| limits.attributes, |n| format!("<a{}/>", numbered(n, " b", "=''"))),
    edge("attributes with prefixes", Limit::Attributes, |limits| limits.attributes, |n| format!("<a><b{}/></a>", numbered(n, " cap:b", "=''"))),
    edge("prefixes", Limit::Namespaces, |limits| limits.namespaces, |n| {
        let (some, rest) = (numbered(n / 2, " xmlns:p", "='urn:y'"), numbered(n - n / 2, " xmlns:p", "='urn:z'"));
        format!("<a{some}><b{rest}/></a>")
    }),
    edge("bytes of an element's name", Limit::NameBytes, |limits| limits.name_bytes, |n| format!("<{}/>", "x".repeat(n))),
    edge("bytes of a name with a prefix", Limit::NameBytes, |limits| limits.name_bytes, |n| format!("<a><cap:{}/></a>", "x".repeat(n - 4))),
    edge("bytes of an attribute's name", Limit::NameBytes, |limits| limits.name_bytes, |n| format!("<a {}=''/>", "x".repeat(n))),
    edge("bytes of a namespace name", Limit::NameBytes, |limits| limits.name_bytes, |n| format!("<a xmlns='urn:{}'/>", "x".repeat(n - 4))),
    edge("bytes of a prefix's name", Limit::NameBytes, |limits| limits.name_bytes, |n| format!("<a><b xmlns:p='urn:{}'/></a>", "x".repeat(n - 4))),
    edge("elements", Limit::Elements, |limits| limits.elements, |n| format!("<a>{}</a>", "<b/>".repeat(n))),
    edge("elements with prefixes", Limit::Elements, |limits| limits.elements, |n| format!("<a>{}</a>", "<cap:b></cap:b>".repeat(n))),
];

fn numbered(count: usize, before: &str, after: &str) -> String {
    (0..count).map(|number| format!("{before}{number}{after}")).collect()
}

/// What a stanza comes to that follows a header, in reads of so many bytes.
fn verdict(
    stanza: &str,
    limits: Limits,
    vectors: Vectors,
    read: usize,
) -> Result<bool, FrameError> {
    let mut framer = Framer::with_vectors(limits, vectors);
    framer.buffer().extend_from_slice(HEADER.as_bytes());
    assert!(matches!(framer.next(), Ok(Some(Item::Header(_)))));
    let mut is_complete = false;
    for piece in stanza.as_bytes().chunks(read) {
        framer.buffer().extend_from_slice(piece);
        is_complete |= framer.next()?.is_some();
    }
    Ok(is_complete)
}

#[test]
fn a15_each_limit_holds_at_its_edge() {
    // Few enough for the names of attributes to be told apart by their keys, and long enough for names to be read by vectors.
    let few = Limits {
        depth: 3,
        attributes: 9,
        namespaces: 5,
        name_bytes: 32,
        elements: 4,
        ..Limits::PRE_AUTH
    };
    for (name, limits) in
        [("before", Limits::PRE_AUTH), ("with little", few), ("after", Limits::AUTHENTICATED)]
    {
        for edge in EDGES {
            let most = (edge.most)(&limits);
            let (largest, larger) = ((edge.element)(most), (edge.element)(most + 1));
            // In small reads only what is small.
            let reads =
                [1, 31, 1460, usize::MAX].into_iter().filter(|&read| largest.len() / read < 10_000);
            for read in reads {
                for vectors in Vectors::available() {
                    let place = format!(
                        "{name} authentication: {} in reads of {read}, {vectors:?}",
                        edge.about
                    );
                    let fits = verdict(&largest, limits, vectors, read);
                    assert_eq!(fits, Ok(true), "{most} {place}");
                    let exceeds = verdict(&larger, limits, vectors, read);
                    let expected = FrameError::LimitExceeded(edge.exceeds);
                    assert_eq!(exceeds, Err(expected), "{} {place}", most + 1);
                }
            }
        }
    }
}
