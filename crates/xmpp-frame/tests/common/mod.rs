//! What the dialogues share: headers, feeding in pieces, and a generator of stanzas.
#![allow(dead_code, unreachable_pub)]

use proptest::prelude::*;
use xmpp_frame::{Frame, FrameError, Framer, Item, Limits};

pub const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
     xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:cap='urn:capulet:1' from='capulet.example' \
     to='montague.example' version='1.0' xml:lang='en'>";

/// A header as a component sends it (XEP-0114).
pub const COMPONENT_HEADER: &str = "<stream:stream xmlns='jabber:component:accept' \
     xmlns:stream='http://etherx.jabber.org/streams' to='chat.capulet.example'>";

/// All that a stream said: its items in a comparable form, then the error if there was one.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub items: Vec<String>,
    pub error: Option<FrameError>,
    pub pending: usize,
}

/// Feeds `bytes` in pieces of the given lengths, over and over, and the rest at once.
pub fn feed(bytes: &[u8], pieces: &[usize], limits: Limits) -> Said {
    let mut framer = Framer::new(limits);
    let mut items = Vec::new();
    let mut rest = bytes;
    let mut lengths = pieces.iter().copied().filter(|&len| len > 0).cycle();
    loop {
        let len = lengths.next().unwrap_or(usize::MAX).min(rest.len());
        let (piece, later) = rest.split_at(len);
        rest = later;
        framer.buffer().extend_from_slice(piece);
        loop {
            match framer.next() {
                Ok(Some(item)) => items.push(describe(&item)),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(framer.next().err(), Some(error), "a dead framer repeats its error");
                    return Said { items, error: Some(error), pending: 0 };
                }
            }
        }
        if rest.is_empty() {
            return Said { items, error: None, pending: framer.pending() };
        }
    }
}

fn describe(item: &Item) -> String {
    match item {
        Item::Header(header) => format!(
            "header {:?} {:?} {:?} {:?} {:?} {:?}",
            header.bytes(),
            header.to(),
            header.from(),
            header.id(),
            header.lang(),
            header.default_namespace()
        ),
        Item::Element(frame) => format!(
            "{:?} {{{}}}{} {:?} {:?} {:?} {:?} {} {} {} {:?}",
            frame.kind(),
            frame.namespace(),
            frame.name(),
            frame.from(),
            frame.to(),
            frame.id(),
            frame.type_(),
            frame.has_lang(),
            frame.is_self_contained(),
            frame.spells_content_namespace(),
            frame.bytes()
        ),
        Item::Close => "close".into(),
    }
}

/// The frames that follow `header`.
pub fn frames_after(header: &str, stanzas: &str) -> Result<Vec<Frame>, FrameError> {
    let mut framer = Framer::new(Limits::AUTHENTICATED);
    framer.buffer().extend_from_slice(header.as_bytes());
    framer.buffer().extend_from_slice(stanzas.as_bytes());
    let mut frames = Vec::new();
    while let Some(item) = framer.next()? {
        if let Item::Element(frame) = item {
            frames.push(frame);
        }
    }
    Ok(frames)
}

/// The one frame that `stanza` is on a stream between servers.
pub fn frame(stanza: &str) -> Frame {
    frame_after(HEADER, stanza)
}

pub fn frame_after(header: &str, stanza: &str) -> Frame {
    let mut frames =
        frames_after(header, stanza).unwrap_or_else(|error| panic!("{stanza}: {error}"));
    assert_eq!(frames.len(), 1, "{stanza}");
    frames.remove(0)
}

/// The verdict on what follows the usual header.
pub fn error_of(stanzas: &[u8]) -> Option<FrameError> {
    feed(&[HEADER.as_bytes(), stanzas].concat(), &[], Limits::AUTHENTICATED).error
}

fn attribute() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "from", "to", "id", "type", "xml:lang", "p:a", "q:a", "cap:a", "a", "b", "xmlns",
        "xmlns:p", "xmlns:q", "été",
    ]);
    let value = prop::sample::select(vec![
        "",
        "juliet@capulet.example/balcony",
        "a b\tc",
        "&lt;&#x41;&amp;",
        "jabber:client",
        "jabber:server",
        "urn:x",
        "urn:&#x78;",
        "urn:capulet:1",
        "http://etherx.jabber.org/streams",
        "Zoë \u{1F339}",
        "en",
        "]]>",
    ]);
    (name, value, any::<bool>()).prop_map(|(name, value, single)| {
        if single { format!(" {name}='{value}'") } else { format!(" {name} = \"{value}\"") }
    })
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "Wherefore art thou",
        "&amp;",
        "&#10;",
        "\r\n",
        "\u{1F339}",
        "é",
        "]]",
        ">",
        "<![CDATA[a]]b<>&]]]>",
        "<![CDATA[]]>",
        "]",
    ]);
    prop::collection::vec(piece, 0..3).prop_map(|pieces| pieces.concat())
}

/// A tree as text, nearly always well-formed; prefixes are often unbound and names sometimes doubled.
pub fn element() -> impl Strategy<Value = String> {
    let name = || {
        prop::sample::select(vec![
            "message",
            "iq",
            "presence",
            "body",
            "x",
            "p:x",
            "q:message",
            "cap:x",
            "db:result",
            "stream:features",
            "日本",
            "stream",
        ])
    };
    let tag = move || {
        (name(), prop::collection::vec(attribute(), 0..4))
            .prop_map(|(name, list)| (name, list.concat()))
    };
    let leaf = tag().prop_map(|(name, attributes)| format!("<{name}{attributes}/>"));
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let child = prop_oneof![inner, text()];
        (tag(), prop::collection::vec(child, 0..4)).prop_map(|((name, attributes), children)| {
            format!("<{name}{attributes}>{}</{name} >", children.concat())
        })
    })
}

/// One change to some bytes.
#[derive(Clone, Debug)]
pub enum Change {
    Replace(prop::sample::Index, u8),
    Delete(prop::sample::Index),
    Insert(prop::sample::Index, &'static [u8]),
    Cut(prop::sample::Index),
}

pub fn change() -> impl Strategy<Value = Change> {
    let bytes = prop::sample::select(
        b"<>/&;:='\"! ?][-x\0\n\x01\x7F\x80\xBF\xC0\xC3\xE2\xED\xEF\xF0\xF4\xFF#19".to_vec(),
    );
    let fragments: Vec<&'static [u8]> = vec![
        b"<!-- -->",
        b"<?a?>",
        b"<!DOCTYPE a>",
        b"&nbsp;",
        b"&#0;",
        b"&#xD800;",
        b"]]>",
        b"<![CDATA[",
        b"]]>",
        b" xmlns:p='urn:x'",
        b" xmlns:q='jabber:client'",
        b" xmlns='urn:x'",
        b" a='1'",
        b"<a>",
        b"</a>",
        b"<a/>",
        b"\xEF\xBF\xBE",
        b"\xEF\xBF\xBD",
        b"\xED\xA0\x80",
        b"\xC0\xBC",
        b"&lt;",
        b"&#x10FFFF;",
        b"&#x110000;",
        b":",
        b" xml:lang='de'",
        b" xmlns:p=''",
        b" xmlns:xml='urn:x'",
        b"xmlns:",
    ];
    prop_oneof![
        (any::<prop::sample::Index>(), bytes).prop_map(|(at, byte)| Change::Replace(at, byte)),
        any::<prop::sample::Index>().prop_map(Change::Delete),
        (any::<prop::sample::Index>(), prop::sample::select(fragments))
            .prop_map(|(at, some)| Change::Insert(at, some)),
        any::<prop::sample::Index>().prop_map(Change::Cut),
    ]
}

pub fn changed(text: &str, changes: &[Change]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        match change {
            Change::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Delete(at) => {
                bytes.remove(at.index(bytes.len()));
            }
            Change::Insert(at, some) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, some.iter().copied());
            }
            Change::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
        }
    }
    bytes
}
