//! What has to hold at the end of each tag: names match, attributes are unique, prefixes are bound, limits are kept.
//!
//! The scanner finds where names and values stand; this file knows which elements are open and which namespaces are in scope. All
//! positions are counted from the first byte of the item, so they stay true when the read buffer moves.

use std::borrow::Cow;

use bytes::Bytes;

use crate::content::Content;
use crate::error::{FrameError, Limit, Reason};
use crate::frame::{Facts, Flags, Kind};
use crate::header::Header;
use crate::limits::Limits;
use crate::namespaces::{self, Binding, HeaderScope, Ns, Span, is_uri_like};
use crate::value;

/// A name as written, split at its colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Where the colon stands; 0 when there is none (no name begins an item, so no colon stands at 0).
    pub(crate) colon: usize,
}

impl Name {
    pub(crate) const EMPTY: Name = Name { start: 0, end: 0, colon: 0 };

    fn raw(self, item: &[u8]) -> &[u8] {
        item.get(self.start..self.end).unwrap_or_default()
    }

    fn prefix(self, item: &[u8]) -> &[u8] {
        item.get(self.start..self.colon).unwrap_or_default()
    }

    fn local(self) -> Span {
        Span::new(if self.colon == 0 { self.start } else { self.colon + 1 }, self.end, false)
    }
}

#[derive(Clone, Copy, Debug)]
struct Attribute {
    name: Name,
    value: Span,
    /// What the prefix is bound to; none without prefix.
    ns: Ns,
}

#[derive(Clone, Debug)]
struct Declaration {
    prefix: Span,
    ns: Ns,
    /// The namespace name when it is not known and is written with references.
    unescaped: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    name: Name,
    /// How many declarations were in scope around the element.
    mark: usize,
    /// Whether it belongs to the stanza itself: in a content namespace, and so are all its ancestors (see `rewrite`).
    own: bool,
}

/// The tags of one item: what is open, what is in scope, what was learnt.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    open: Vec<Open>,
    declarations: Vec<Declaration>,
    /// Of the tag being scanned, or of the header once that is complete.
    attributes: Vec<Attribute>,
    elements: usize,
    root: Option<Root>,
    facts: Option<Facts>,
    flags: Flags,
}

#[derive(Clone, Copy, Debug)]
struct Root {
    name: Name,
    ns: Ns,
}

/// Facts of an item that never had a first tag; not reached, but total.
const NO_FACTS: Facts = Facts {
    kind: Kind::Other,
    ns: Ns::None,
    local: Span::EMPTY,
    from: None,
    to: None,
    id: None,
    type_: None,
    flags: Flags { lang: false, borrows: false, spells_content: false, other_content: false },
};

impl Tags {
    /// Forgets the item, keeps the memory.
    pub(crate) fn reset(&mut self) {
        self.open.clear();
        self.declarations.clear();
        self.attributes.clear();
        self.elements = 0;
        self.root = None;
        self.facts = None;
        self.flags = Flags::default();
    }

    pub(crate) fn is_inside(&self) -> bool {
        !self.open.is_empty()
    }

    pub(crate) fn facts(&self) -> Facts {
        Facts { flags: self.flags, ..self.facts.unwrap_or(NO_FACTS) }
    }

    /// A start tag begins.
    pub(crate) fn begin(&mut self) {
        self.attributes.clear();
    }

    /// An attribute is complete.
    pub(crate) fn attribute(
        &mut self,
        name: Name,
        value: Span,
        limits: &Limits,
    ) -> Result<(), FrameError> {
        if self.attributes.len() >= limits.attributes {
            return Err(FrameError::LimitExceeded(Limit::Attributes));
        }
        self.attributes.push(Attribute { name, value, ns: Ns::None });
        Ok(())
    }

    /// The start tag of the root element is complete.
    pub(crate) fn root(
        &mut self,
        item: &[u8],
        name: Name,
        limits: &Limits,
    ) -> Result<(), FrameError> {
        let ns = self.resolve_tag(item, name, None, limits)?.ns;
        // RFC 6120 §4.8.1 names the namespace; which one it is, is for the caller to judge.
        if name.local().bytes(item) != b"stream" {
            return Err(FrameError::NotAStream);
        }
        self.root = Some(Root { name, ns });
        Ok(())
    }

    /// The start tag of an element is complete.
    pub(crate) fn start(
        &mut self,
        item: &[u8],
        name: Name,
        is_empty: bool,
        scope: &HeaderScope,
        limits: &Limits,
    ) -> Result<(), FrameError> {
        if self.open.len() >= limits.depth {
            return Err(FrameError::LimitExceeded(Limit::Depth));
        }
        let mark = self.declarations.len();
        let found = self.resolve_tag(item, name, Some(scope), limits)?;
        let own = found.ns.content().filter(|_| self.open.last().is_none_or(|parent| parent.own));
        if found.is_spelled && own.is_some() && own != scope.content() {
            self.flags.other_content = true;
        }
        if self.facts.is_none() {
            self.first(item, name, found.ns, scope)?;
        } else if self.elements >= limits.elements {
            return Err(FrameError::LimitExceeded(Limit::Elements));
        } else {
            self.elements += 1;
        }
        if is_empty {
            self.declarations.truncate(mark);
        } else {
            self.open.push(Open { name, mark, own: own.is_some() });
        }
        Ok(())
    }

    /// An end tag is complete.
    pub(crate) fn end(&mut self, item: &[u8], name: Name) -> Result<(), FrameError> {
        let open = self.open.pop().filter(|open| open.name.raw(item) == name.raw(item));
        let open = open.ok_or(FrameError::NotWellFormed(Reason::MismatchedTag))?;
        self.declarations.truncate(open.mark);
        Ok(())
    }

    /// The end tag of the root element is complete.
    pub(crate) fn end_root(
        &self,
        item: &[u8],
        name: Name,
        scope: &HeaderScope,
    ) -> Result<(), FrameError> {
        let matches = name.raw(item) == &*scope.name;
        if matches { Ok(()) } else { Err(FrameError::NotWellFormed(Reason::MismatchedTag)) }
    }

    /// The header that these tags are, with its bytes.
    pub(crate) fn header(&self, bytes: Bytes) -> Result<Header, FrameError> {
        let root = self.root.ok_or(FrameError::NotAStream)?;
        let scope = self.scope(&bytes, root.name);
        let owned = |name: &[u8]| {
            let found =
                self.attributes.iter().find(|attribute| attribute.name.raw(&bytes) == name)?;
            Some(Box::from(value::attribute(found.value.raw(&bytes))))
        };
        Ok(Header {
            to: owned(b"to"),
            from: owned(b"from"),
            id: owned(b"id"),
            version: owned(b"version"),
            lang: owned(b"xml:lang"),
            ns: root.ns,
            scope: scope.into(),
            bytes,
        })
    }

    /// What the header leaves in scope.
    fn scope(&self, item: &[u8], name: Name) -> HeaderScope {
        let mut scope = HeaderScope {
            name: name.raw(item).into(),
            default: Ns::None,
            default_name: "".into(),
            prefixes: Vec::new(),
        };
        let mut default = None;
        for declaration in &self.declarations {
            let name: Box<str> = match declaration.ns {
                Ns::Here(span) => value::attribute(span.raw(item)).into(),
                known => namespaces::known_name(known).unwrap_or_default().into(),
            };
            let prefix = declaration.prefix.raw(item);
            if prefix.is_empty() {
                default = Some(name);
                continue;
            }
            // At most `Limits::attributes` of them, so the index fits.
            let index = u16::try_from(scope.prefixes.len()).unwrap_or(u16::MAX);
            let ns = Ns::known(&name).or_else(|| scope.find(&name)).unwrap_or(Ns::Header(index));
            scope.prefixes.push(Binding { prefix: prefix.into(), ns, name });
        }
        if let Some(name) = default {
            scope.default =
                Ns::known(&name).or_else(|| scope.find(&name)).unwrap_or(Ns::HeaderDefault);
            scope.default_name = name;
        }
        scope
    }

    /// Notes what routing wants to know of a first-level element.
    fn first(
        &mut self,
        item: &[u8],
        name: Name,
        ns: Ns,
        scope: &HeaderScope,
    ) -> Result<(), FrameError> {
        let local = name.local();
        if ns == Ns::Streams && local.bytes(item) == b"stream" {
            return Err(FrameError::NotWellFormed(Reason::NestedStream));
        }
        let content = ns.content();
        let is_stanza = content.is_some_and(|content| {
            scope.content() == Some(content) || content != Content::Component
        });
        let kind = match local.bytes(item) {
            b"message" if is_stanza => Kind::Message,
            b"presence" if is_stanza => Kind::Presence,
            b"iq" if is_stanza => Kind::Iq,
            _ => Kind::Other,
        };
        let mut facts = Facts { kind, ns, local, ..NO_FACTS };
        for attribute in &self.attributes {
            match attribute.name.raw(item) {
                b"from" => facts.from = Some(attribute.value),
                b"to" => facts.to = Some(attribute.value),
                b"id" => facts.id = Some(attribute.value),
                b"type" => facts.type_ = Some(attribute.value),
                b"xml:lang" => self.flags.lang = true,
                _ => {}
            }
        }
        self.facts = Some(facts);
        Ok(())
    }
}

/// The namespace of an element and whether a declaration inside the item gave it.
struct Found {
    ns: Ns,
    is_spelled: bool,
}

/// Namespaces in XML 1.0, §§3-6.
impl Tags {
    /// Takes in the declarations of a tag, checks its attributes and finds the namespace of its name.
    fn resolve_tag(
        &mut self,
        item: &[u8],
        name: Name,
        scope: Option<&HeaderScope>,
        limits: &Limits,
    ) -> Result<Found, FrameError> {
        self.check_raw_names(item)?;
        for index in 0..self.attributes.len() {
            let Some(&attribute) = self.attributes.get(index) else { break };
            self.declare(item, attribute, scope, limits)?;
        }
        let found = self.resolve(item, name.prefix(item), scope)?;
        self.check_expanded_names(item, scope)?;
        Ok(found)
    }

    /// XML 1.0 §3.1: no attribute name may appear twice in one tag.
    fn check_raw_names(&self, item: &[u8]) -> Result<(), FrameError> {
        let mut later = self.attributes.iter();
        while let Some(attribute) = later.next() {
            let name = attribute.name.raw(item);
            if later.clone().any(|other| other.name.raw(item) == name) {
                return Err(FrameError::NotWellFormed(Reason::DuplicateAttribute));
            }
        }
        Ok(())
    }

    fn declare(
        &mut self,
        item: &[u8],
        attribute: Attribute,
        scope: Option<&HeaderScope>,
        limits: &Limits,
    ) -> Result<(), FrameError> {
        const FORBIDDEN: FrameError = FrameError::NotWellFormed(Reason::NamespaceDeclaration);
        let name = attribute.name;
        let prefix = match (name.prefix(item), name.local()) {
            (b"xmlns", local) => local,
            (b"", local) if local.bytes(item) == b"xmlns" => {
                Span::new(name.start, name.start, false)
            }
            _ => return Ok(()),
        };
        if attribute.value.bytes(item).len() > limits.name_bytes {
            return Err(FrameError::LimitExceeded(Limit::NameBytes));
        }
        let uri = value::attribute(attribute.value.raw(item));
        match (prefix.bytes(item), &*uri) {
            // `xml` may be declared, but only as what it is.
            (b"xml", namespaces::XML) => return Ok(()),
            (b"xml" | b"xmlns", _) | (_, namespaces::XML | namespaces::XMLNS) => {
                return Err(FORBIDDEN);
            }
            // Only the default namespace can be undeclared.
            (prefix, "") if !prefix.is_empty() => return Err(FORBIDDEN),
            _ => {}
        }
        if !is_uri_like(&uri) {
            return Err(FrameError::NotWellFormed(Reason::NamespaceName));
        }
        if self.declarations.len() >= limits.namespaces {
            return Err(FrameError::LimitExceeded(Limit::Namespaces));
        }
        let ns =
            Ns::known(&uri).or_else(|| scope?.find(&uri)).or_else(|| self.declared(item, &uri));
        let ns = ns.unwrap_or(Ns::Here(attribute.value));
        let unescaped = match uri {
            Cow::Owned(uri) if matches!(ns, Ns::Here(_)) => Some(uri.into_boxed_str()),
            _ => None,
        };
        self.flags.spells_content |= ns.content().is_some();
        self.declarations.push(Declaration { prefix, ns, unescaped });
        Ok(())
    }

    /// The value that a declaration in scope has given this name. One name, one value: attributes are compared by value, and
    /// there can be thousands of comparisons for each declaration.
    fn declared(&self, item: &[u8], uri: &str) -> Option<Ns> {
        let is_same = |declaration: &&Declaration| match (declaration.ns, &declaration.unescaped) {
            (Ns::Here(_), Some(name)) => **name == *uri,
            (Ns::Here(span), None) => span.bytes(item) == uri.as_bytes(),
            _ => false,
        };
        self.declarations.iter().find(is_same).map(|declaration| declaration.ns)
    }

    fn resolve(
        &mut self,
        item: &[u8],
        prefix: &[u8],
        scope: Option<&HeaderScope>,
    ) -> Result<Found, FrameError> {
        let declared = self
            .declarations
            .iter()
            .rev()
            .find(|declaration| declaration.prefix.bytes(item) == prefix);
        if let Some(declaration) = declared {
            return Ok(Found { ns: declaration.ns, is_spelled: true });
        }
        let ns = match (prefix, scope) {
            (b"", scope) => scope.map_or(Ns::None, |scope| scope.default),
            (b"xml", _) => Ns::Xml,
            (prefix, scope) => {
                let binding = scope.and_then(|scope| scope.binding(prefix));
                self.flags.borrows = true;
                binding.ok_or(FrameError::BadNamespacePrefix)?.ns
            }
        };
        Ok(Found { ns, is_spelled: false })
    }

    /// Namespaces in XML §6.3: no two attributes may have the same expanded name. Unprefixed attributes are in no namespace, so
    /// that they differ follows from their raw names; the same prefix likewise.
    fn check_expanded_names(
        &mut self,
        item: &[u8],
        scope: Option<&HeaderScope>,
    ) -> Result<(), FrameError> {
        for index in 0..self.attributes.len() {
            let Some(&Attribute { name, .. }) = self.attributes.get(index) else { break };
            let prefix = name.prefix(item);
            if prefix.is_empty() || prefix == b"xmlns" {
                continue;
            }
            let ns = self.resolve(item, prefix, scope)?.ns;
            let local = name.local();
            let earlier = self.attributes.get(..index).unwrap_or_default();
            let is_same = |other: &Attribute| {
                // Unprefixed attributes and declarations have no namespace here.
                other.ns == ns && other.name.local().bytes(item) == local.bytes(item)
            };
            if earlier.iter().any(is_same) {
                return Err(FrameError::NotWellFormed(Reason::DuplicateAttribute));
            }
            if let Some(attribute) = self.attributes.get_mut(index) {
                attribute.ns = ns;
            }
        }
        Ok(())
    }
}
