//! One first-level element, still in the read buffer.

use std::borrow::Cow;
use std::str;
use std::sync::Arc;

use bytes::Bytes;

use crate::content::Content;
use crate::element::Element;
use crate::error::FrameError;
use crate::namespaces::{HeaderScope, Ns, Span, known_name};
use crate::value;

/// What a first-level element is, by its expanded name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A `message` stanza.
    Message,
    /// A `presence` stanza.
    Presence,
    /// An `iq` stanza.
    Iq,
    /// A nonza: anything else, also a `message` in a namespace of its own.
    Other,
}

/// What the scanner learnt about a first-level element on its way through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    pub(crate) ns: Ns,
    /// End of the name as written: attributes can be inserted there.
    pub(crate) local: Span,
    pub(crate) addresses: Addresses,
    pub(crate) flags: Flags,
}

/// The values of the attributes of a first tag that routing looks at, by [`Address`]; [`Span::NONE`] where one is absent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    values: [Span; 4],
    /// There is an `xml:lang`.
    pub(crate) lang: bool,
}

/// An attribute that routing looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Address {
    From,
    To,
    Id,
    Type,
}

impl Addresses {
    pub(crate) const NONE: Addresses = Addresses { values: [Span::NONE; 4], lang: false };

    #[inline(always)]
    pub(crate) fn set(&mut self, address: Address, value: Span) {
        if let Some(slot) = self.values.get_mut(address as usize) {
            *slot = value;
        }
    }

    fn value(&self, address: Address) -> Span {
        self.values.get(address as usize).copied().unwrap_or(Span::NONE)
    }
}

/// Yes-or-no facts about a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// A prefix in it is bound on the stream header only.
    pub(crate) borrows: bool,
    /// A declaration in it names a content namespace.
    pub(crate) spells_content: bool,
    /// The stanza itself, not something foreign it carries, is spelled in a content namespace other than the stream's.
    pub(crate) other_content: bool,
}

/// One first-level element: a slice of the read buffer and where its name and its addressing attributes stand.
///
/// It is well-formed and within the limits of the framer it came from. Cloning costs a reference count. It keeps the whole block
/// of the read buffer alive: what is kept for long should be [`Frame::detached`].
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Bytes,
    /// Only when the bytes cannot be understood, or the namespace not named, without the header.
    scope: Option<Arc<HeaderScope>>,
    /// Only when the namespace is written with references.
    unescaped_namespace: Option<Box<str>>,
    content: Option<Content>,
    facts: Facts,
}

impl Frame {
    #[inline(always)]
    pub(crate) fn new(bytes: Bytes, facts: Facts, scope: &Arc<HeaderScope>) -> Frame {
        let content = scope.content();
        let unescaped_namespace = match facts.ns {
            Ns::Here(span) if span.is_dirty() => Some(value::attribute(span.raw(&bytes)).into()),
            _ => None,
        };
        let is_named_by_header = matches!(facts.ns, Ns::Header(_) | Ns::HeaderDefault);
        let needs_header = facts.flags.borrows || is_named_by_header || content.is_none();
        let scope = needs_header.then(|| Arc::clone(scope));
        Frame { bytes, scope, unescaped_namespace, content, facts }
    }

    /// The element from its `<` to its `>`, as received.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The element as received.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: an element has at least four bytes. Here because [`Frame::len`] is.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Stanza or nonza, decided by expanded name: the namespace must be the stream's content namespace, or be spelled
    /// `jabber:server` or `jabber:client`. How it is spelled, with or without prefix, does not matter.
    pub fn kind(&self) -> Kind {
        self.facts.kind
    }

    /// The namespace name; empty when the element is in none.
    pub fn namespace(&self) -> &str {
        match (self.facts.ns, &self.unescaped_namespace, &self.scope) {
            (Ns::Here(_), Some(name), _) => name,
            (Ns::Here(span), None, _) => span.raw(&self.bytes),
            (ns, _, Some(scope)) => scope.name_of(ns).unwrap_or_default(),
            (ns, _, None) => known_name(ns).unwrap_or_default(),
        }
    }

    /// The local name.
    pub fn name(&self) -> &str {
        self.facts.local.raw(&self.bytes)
    }

    /// Whether the expanded name is this one.
    pub fn is(&self, name: &str, namespace: &str) -> bool {
        self.name() == name && self.namespace() == namespace
    }

    /// The `from` attribute.
    pub fn from(&self) -> Option<Cow<'_, str>> {
        self.value(Address::From)
    }

    /// The `to` attribute.
    pub fn to(&self) -> Option<Cow<'_, str>> {
        self.value(Address::To)
    }

    /// The `id` attribute.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.value(Address::Id)
    }

    /// The `type` attribute.
    pub fn type_(&self) -> Option<Cow<'_, str>> {
        self.value(Address::Type)
    }

    /// Whether the element itself carries `xml:lang`.
    pub fn has_lang(&self) -> bool {
        self.facts.addresses.lang
    }

    /// Whether the bytes mean the same on any other stream with the same content namespace (its default language aside). Not so
    /// when they use a prefix that only the stream header declares, or when the stanza's own elements are spelled in another
    /// content namespace; then they have to pass [`crate::rewrite::rewrite`]. A foreign payload that carries a stanza, such as
    /// XEP-0297 forwarding, does not count: its inner stanza says what it is.
    pub fn is_self_contained(&self) -> bool {
        !self.facts.flags.borrows && !self.facts.flags.other_content
    }

    /// Whether some `xmlns` or `xmlns:p` in it, at any depth, declares one of the three content namespaces. When it does not, the
    /// element takes on the content namespace of whatever stream it is written to.
    pub fn spells_content_namespace(&self) -> bool {
        self.facts.flags.spells_content
    }

    /// The element as a small tree. Allocates for every name and value: for negotiation, not for traffic.
    ///
    /// # Errors
    /// None is expected: the bytes have been checked. [`FrameError::NotWellFormed`] should the second tokeniser disagree.
    pub fn element(&self) -> Result<Element, FrameError> {
        Element::of(self)
    }

    /// The same frame in memory of its own, so that it no longer keeps the read buffer alive.
    #[must_use]
    pub fn detached(&self) -> Frame {
        Frame { bytes: Bytes::copy_from_slice(&self.bytes), ..self.clone() }
    }

    /// The content namespace of the stream it came from.
    pub fn content(&self) -> Option<Content> {
        self.content
    }

    pub(crate) fn flags(&self) -> Flags {
        self.facts.flags
    }

    pub(crate) fn scope(&self) -> Option<&HeaderScope> {
        self.scope.as_deref()
    }

    /// Where attributes can be inserted into the first tag.
    pub(crate) fn name_end(&self) -> usize {
        self.facts.local.end()
    }

    pub(crate) fn as_str(&self) -> &str {
        simdutf8::basic::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// What an unprefixed element is in when nothing in the frame declares a default namespace.
    pub(crate) fn inherited_default(&self) -> &str {
        match (&self.scope, self.content) {
            (_, Some(content)) => content.namespace(),
            (Some(scope), None) => &scope.default_name,
            (None, None) => "",
        }
    }

    fn value(&self, address: Address) -> Option<Cow<'_, str>> {
        let span = self.facts.addresses.value(address);
        if span == Span::NONE {
            return None;
        }
        let raw = span.raw(&self.bytes);
        Some(if span.is_dirty() { value::attribute(raw) } else { Cow::Borrowed(raw) })
    }
}
