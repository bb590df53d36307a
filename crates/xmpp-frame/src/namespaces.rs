//! Namespace names, and the bindings a stream header leaves in scope for everything below it.

use std::str;

use crate::content::Content;
use crate::name::key_at;

pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";
pub(crate) const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
pub(crate) const STREAMS: &str = "http://etherx.jabber.org/streams";
pub(crate) const DIALBACK: &str = "jabber:server:dialback";

/// A stretch of the bytes of one item, from the item's first byte. The top bit of the length says that the stretch has to be
/// unescaped or normalised before use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl Default for Span {
    fn default() -> Span {
        Span::NONE
    }
}

impl Span {
    const DIRTY: u32 = 1 << 31;

    pub(crate) const EMPTY: Span = Span { start: 0, len: 0 };

    /// No stretch at all.
    pub(crate) const NONE: Span = Span { start: u32::MAX, len: 0 };

    /// Limits keep every item under 2^30 bytes, so offsets fit; a larger one would only read as an empty stretch.
    #[inline(always)]
    pub(crate) fn new(start: usize, end: usize, dirty: bool) -> Span {
        let len = end.saturating_sub(start) as u32 & !Span::DIRTY;
        Span { start: start as u32, len: if dirty { len | Span::DIRTY } else { len } }
    }

    pub(crate) fn is_dirty(self) -> bool {
        self.len & Span::DIRTY != 0
    }

    pub(crate) fn len(self) -> usize {
        (self.len & !Span::DIRTY) as usize
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    pub(crate) fn end(self) -> usize {
        self.start() + self.len()
    }

    pub(crate) fn bytes(self, item: &[u8]) -> &[u8] {
        item.get(self.start()..self.end()).unwrap_or_default()
    }

    /// The stretch as it is written. The scanner has checked the bytes; names and quotes are character boundaries.
    pub(crate) fn raw(self, item: &[u8]) -> &str {
        str::from_utf8(self.bytes(item)).unwrap_or_default()
    }
}

/// A namespace name, resolved once. Within one item a name has one value: a name that this crate knows has its own, a name that the
/// header binds has the header's, and any other that of the first declaration in scope that spells it. (A default namespace may have a
/// second value for such a name: only attributes with a prefix are compared by value.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ns {
    /// No namespace.
    None,
    Xml,
    Content(Content),
    Streams,
    Dialback,
    /// The default namespace of the stream header when it is none of the above.
    HeaderDefault,
    /// What the header's prefix with this index is bound to.
    Header(u16),
    /// The attribute value at this place of the item.
    Here(Span),
}

impl Ns {
    /// The value for a name that this crate knows.
    #[inline(always)]
    pub(crate) fn known(name: &[u8]) -> Option<Ns> {
        // Lengths tell nearly all names from these.
        let is = |known: &str| name == known.as_bytes();
        Some(match name.len() {
            0 => Ns::None,
            13 if is(Content::Server.namespace()) => Ns::Content(Content::Server),
            13 if is(Content::Client.namespace()) => Ns::Content(Content::Client),
            22 if is(DIALBACK) => Ns::Dialback,
            23 if is(Content::Component.namespace()) => Ns::Content(Content::Component),
            32 if is(STREAMS) => Ns::Streams,
            36 if is(XML) => Ns::Xml,
            _ => return None,
        })
    }

    pub(crate) fn content(self) -> Option<Content> {
        match self {
            Ns::Content(content) => Some(content),
            _ => None,
        }
    }
}

/// What a stream header binds (RFC 6120 §4.8): everything below may use it without declaring it again.
#[derive(Debug)]
pub(crate) struct HeaderScope {
    /// The root element's name as written; its end tag has to repeat it.
    pub(crate) name: Box<[u8]>,
    pub(crate) default: Ns,
    pub(crate) default_name: Box<str>,
    pub(crate) prefixes: Vec<Binding>,
    /// One bit for each [`bucket`] of a name that means something here.
    pub(crate) buckets: u64,
}

/// One prefix of a stream header.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) prefix: Box<str>,
    /// The key of the prefix.
    pub(crate) key: u64,
    pub(crate) ns: Ns,
    pub(crate) name: Box<str>,
}

impl HeaderScope {
    pub(crate) fn content(&self) -> Option<Content> {
        self.default.content()
    }

    pub(crate) fn binding(&self, prefix: &[u8]) -> Option<&Binding> {
        let key = key_at(prefix, 0, prefix.len());
        let is_it = |binding: &&Binding| binding.key == key && binding.prefix.as_bytes() == prefix;
        self.prefixes.iter().find(is_it)
    }

    /// Takes note of all names that [`HeaderScope::may_know`] has to find.
    pub(crate) fn with_buckets(mut self) -> HeaderScope {
        let known =
            [XML, XMLNS, STREAMS, DIALBACK].into_iter().chain(Content::ALL.map(Content::namespace));
        let bound = self.prefixes.iter().map(|binding| &*binding.name).chain([&*self.default_name]);
        self.buckets =
            known.chain(bound).fold(0, |buckets, name| buckets | 1 << bucket(name.as_bytes()));
        self
    }

    /// Whether this name may be one that this crate knows or this header binds. Most are not.
    #[inline(always)]
    pub(crate) fn may_know(&self, name: &[u8]) -> bool {
        self.buckets >> bucket(name) & 1 != 0
    }

    /// The value that this header has given a name that is not known.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Ns> {
        let binding = self.prefixes.iter().find(|binding| binding.name.as_bytes() == name);
        let default = (self.default == Ns::HeaderDefault && self.default_name.as_bytes() == name)
            .then_some(Ns::HeaderDefault);
        binding.map(|binding| binding.ns).or(default)
    }

    /// The name behind a value that came from this header or is known; `None` for [`Ns::Here`].
    pub(crate) fn name_of(&self, ns: Ns) -> Option<&str> {
        match ns {
            Ns::HeaderDefault => Some(&self.default_name),
            Ns::Header(index) => {
                self.prefixes.get(usize::from(index)).map(|binding| &*binding.name)
            }
            other => known_name(other),
        }
    }
}

/// The name behind a value that needs no header.
pub(crate) fn known_name(ns: Ns) -> Option<&'static str> {
    match ns {
        Ns::None => Some(""),
        Ns::Xml => Some(XML),
        Ns::Content(content) => Some(content.namespace()),
        Ns::Streams => Some(STREAMS),
        Ns::Dialback => Some(DIALBACK),
        Ns::HeaderDefault | Ns::Header(_) | Ns::Here(_) => None,
    }
}

/// Spreads names over 64 numbers. Of 77 namespaces in common use one shares its bucket with one of those that this crate knows.
#[inline(always)]
fn bucket(name: &[u8]) -> usize {
    (name.len() + 21 * usize::from(name.last().copied().unwrap_or(0))) % 64
}

/// Whether RFC 3986 §2 lets the byte stand in a URI, or it is part of a character beyond ASCII (IRIs). Namespaces in XML asks for a URI
/// reference but no parser checks it; a parser that joins namespace and local name with, say, a line feed or `}` would then read a
/// name that was not written (CVE-2022-25236). Newer expat refuses its separator for that reason.
pub(crate) fn is_uri_byte(byte: u8) -> bool {
    byte >= 0x80 || byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}
