//! What has to hold at the end of each tag: names match, attributes are unique, prefixes are bound, limits are kept.
//!
//! The scanner finds where names and values stand; this file knows which elements are open and which namespaces are in scope. All
//! positions are counted from the first byte of the item, so they stay true when the read buffer moves.

mod resolve;

use bytes::Bytes;

use crate::content::Content;
use crate::error::{FrameError, Limit, Reason};
use crate::frame::{Address, Addresses, Facts, Flags, Kind};
use crate::header::Header;
use crate::limits::Limits;
use crate::name::{Name, key, key_at};
use crate::namespaces::{self, Binding, HeaderScope, Ns, Span};
use crate::value;

#[derive(Clone, Copy, Debug)]
struct Attribute {
    name: Name,
    value: Span,
}

#[derive(Clone, Debug)]
struct Declaration {
    prefix: Span,
    /// The [`key`] of the prefix: with as many as a peer may declare, a look-up is mostly looking past others.
    key: u64,
    ns: Ns,
    /// The namespace name when it is not known and is written with references.
    unescaped: Option<Box<str>>,
    /// What was inherited before.
    outer: Inherited,
}

/// What an element is in that has no prefix.
#[derive(Clone, Copy, Debug, Default)]
struct Inherited {
    /// `None` for the default namespace of the stream.
    ns: Option<Ns>,
    /// Whether that is a content namespace; whether a declaration in the item says so, and it is not the stream's.
    is_content: bool,
    is_other: bool,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    name: Name,
    /// How many declarations were in scope around the element.
    mark: usize,
    /// Whether it belongs to the stanza itself: in a content namespace, and so are all its ancestors (see `rewrite`).
    own: bool,
}

impl Addresses {
    /// Takes note of an attribute of the first tag.
    #[inline(always)]
    pub(crate) fn take(&mut self, name: Name, value: Span) {
        const FROM: u64 = key(b"from");
        const TO: u64 = key(b"to");
        const ID: u64 = key(b"id");
        const TYPE: u64 = key(b"type");
        const LANG: u64 = key(b"xml:lang");
        let address = match name.key() {
            FROM => Address::From,
            TO => Address::To,
            ID => Address::Id,
            TYPE => Address::Type,
            _ => {
                self.lang |= name.key() == LANG && name.len() == 8;
                return;
            }
        };
        self.set(address, value);
    }
}

/// The names of the attributes of one tag, by their keys.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    count: usize,
    /// The [`bit`] of each.
    bits: u64,
    /// Those that two had.
    repeated: u64,
}

/// Spreads the keys over 64 bits; the same bit twice asks for a closer look. The factor was chosen among random ones: it keeps the
/// attributes of twelve common elements apart.
#[inline(always)]
pub(crate) const fn bit(key: u64) -> u64 {
    1 << (key.wrapping_mul(0xB222_1A58_008A_05A7) >> 58)
}

impl Seen {
    #[inline(always)]
    fn note(&mut self, bit: u64) {
        self.count += 1;
        self.repeated |= self.bits & bit;
        self.bits |= bit;
    }
}

/// The tags of one item: what is open, what is in scope, what was learnt.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    open: Vec<Open>,
    declarations: Vec<Declaration>,
    inherited: Inherited,
    /// The content namespace of the stream.
    content: Option<Content>,
    /// Of the tag being scanned, or of the header once that is complete. The fast path keeps those with a prefix only.
    attributes: Vec<Attribute>,
    /// All of them. The fast path has its own.
    seen: Seen,
    /// The keys of the first ones.
    keys: [u64; 16],
    /// Some attribute of the tag declares a namespace; some other one has a prefix.
    declares: bool,
    prefixed: bool,
    /// The attributes of the tag that have a prefix, by expanded name.
    prefixes: Vec<(Ns, Span)>,
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

/// A start tag whose end has been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartTag {
    pub(crate) name: Name,
    /// `<name/>`.
    pub(crate) is_empty: bool,
    /// How many declarations were in scope around it.
    pub(crate) mark: usize,
}

/// Facts of an item that never had a first tag; not reached, but total.
const NO_FACTS: Facts = Facts {
    kind: Kind::Other,
    ns: Ns::None,
    local: Span::EMPTY,
    addresses: Addresses::NONE,
    flags: Flags { borrows: false, spells_content: false, other_content: false },
};

impl Tags {
    /// Forgets the item, keeps the memory. The next one is on a stream with this content namespace.
    pub(crate) fn reset(&mut self, content: Option<Content>) {
        self.open.clear();
        self.declarations.clear();
        self.content = content;
        self.inherited = Inherited { ns: None, is_content: content.is_some(), is_other: false };
        self.attributes.clear();
        self.elements = 0;
        self.root = None;
        self.facts = None;
        self.flags = Flags::default();
    }

    /// Gives back the memory; to be called between items.
    pub(crate) fn shrink(&mut self) {
        let content = self.content;
        *self = Tags::default();
        self.reset(content);
    }

    pub(crate) fn is_inside(&self) -> bool {
        !self.open.is_empty()
    }

    #[inline(always)]
    pub(crate) fn facts(&self) -> Facts {
        Facts { flags: self.flags, ..self.facts.unwrap_or(NO_FACTS) }
    }

    /// A start tag begins.
    #[inline(always)]
    pub(crate) fn begin(&mut self) {
        self.attributes.clear();
        self.seen = Seen::default();
        self.declares = false;
        self.prefixed = false;
    }

    /// An attribute is complete.
    pub(crate) fn attribute(
        &mut self,
        name: Name,
        value: Span,
        limits: &Limits,
    ) -> Result<(), FrameError> {
        if self.seen.count >= limits.attributes {
            return Err(FrameError::LimitExceeded(Limit::Attributes));
        }
        self.seen.note(bit(name.key()));
        self.keep(name, value);
        Ok(())
    }

    fn keep(&mut self, name: Name, value: Span) {
        if name.declares() {
            self.declares = true;
        } else if name.is_special() {
            self.prefixed = true;
        }
        self.attributes.push(Attribute { name, value });
    }

    /// Takes note of an attribute of a tag on the fast path.
    #[inline(always)]
    pub(crate) fn note(&mut self, seen: &mut Seen, key: u64, bit: u64) {
        if let Some(noted) = self.keys.get_mut(seen.count) {
            *noted = key;
        }
        seen.note(bit);
    }

    /// Whether the attributes of a tag are within the limit and their names differ for certain.
    #[inline(always)]
    pub(crate) fn are_few_and_differ(&mut self, seen: Seen, limits: &Limits) -> bool {
        seen.count <= limits.attributes && (seen.repeated == 0 || self.do_keys_differ(seen.count))
    }

    #[cold]
    fn do_keys_differ(&mut self, count: usize) -> bool {
        let Some(keys) = self.keys.get_mut(..count) else { return false };
        keys.sort_unstable();
        keys.is_sorted_by(|one, next| one < next)
    }

    /// A start tag is complete that has no prefix in its name nor in those of its attributes, other than `xml`, and whose declarations were
    /// taken in. False when it exceeds a limit.
    #[inline(always)]
    pub(crate) fn start_plain(&mut self, tag: StartTag, limits: &Limits) -> bool {
        if self.open.len() >= limits.depth || self.elements >= limits.elements {
            return false;
        }
        self.elements += 1;
        let own = self.inherited.is_content & self.open.last().is_none_or(|parent| parent.own);
        self.flags.other_content |= own & self.inherited.is_other;
        self.opened(tag, own);
        true
    }

    /// The same of the first tag. False when it begins another stream.
    #[inline(always)]
    pub(crate) fn start_first(
        &mut self,
        item: &[u8],
        tag: StartTag,
        addresses: Addresses,
        scope: &HeaderScope,
    ) -> bool {
        let ns = self.inherited.ns.unwrap_or(scope.default);
        if ns == Ns::Streams && tag.name.key() == STREAM {
            return false;
        }
        let own = self.inherited.is_content;
        self.flags.other_content |= own & self.inherited.is_other;
        self.facts = Some(self.first(item, tag.name, ns, addresses));
        self.opened(tag, own);
        true
    }

    #[inline(always)]
    fn opened(&mut self, tag: StartTag, own: bool) {
        if tag.is_empty {
            self.forget(tag.mark);
        } else {
            self.open.push(Open { name: tag.name, mark: tag.mark, own });
        }
    }

    /// Whether the first tag of the item is still to come.
    #[inline(always)]
    pub(crate) fn is_first(&self) -> bool {
        self.facts.is_none()
    }

    /// The start tag of the root element is complete.
    pub(crate) fn root(
        &mut self,
        item: &[u8],
        name: Name,
        limits: &Limits,
    ) -> Result<(), FrameError> {
        let ns = self.resolve_tag(item, name, None, limits)?;
        // RFC 6120 §4.8.1 names the namespace; which one it is, is for the caller to judge.
        if name.local().bytes(item) != b"stream" {
            return Err(FrameError::NotAStream);
        }
        self.root = Some(Root { name, ns });
        Ok(())
    }

    /// The start tag of an element is complete. Without addresses all its attributes were kept.
    pub(crate) fn start(
        &mut self,
        item: &[u8],
        tag: StartTag,
        addresses: Option<Addresses>,
        scope: &HeaderScope,
        limits: &Limits,
    ) -> Result<(), FrameError> {
        if self.open.len() >= limits.depth {
            return Err(FrameError::LimitExceeded(Limit::Depth));
        }
        let name = tag.name;
        let ns = self.resolve_tag(item, name, Some(scope), limits)?;
        let own = ns.content().filter(|_| self.open.last().is_none_or(|parent| parent.own));
        self.flags.other_content |= own.is_some() && own != self.content;
        if self.facts.is_none() {
            if ns == Ns::Streams && name.local_key(item) == STREAM {
                return Err(FrameError::NotWellFormed(Reason::NestedStream));
            }
            let addresses = addresses.unwrap_or_else(|| self.addresses());
            self.facts = Some(self.first(item, name, ns, addresses));
        } else if self.elements >= limits.elements {
            return Err(FrameError::LimitExceeded(Limit::Elements));
        } else {
            self.elements += 1;
        }
        self.opened(tag, own.is_some());
        Ok(())
    }

    /// How many declarations are in scope; for [`Tags::forget`].
    #[inline(always)]
    pub(crate) fn mark(&self) -> usize {
        self.declarations.len()
    }

    /// Forgets the declarations of the tag before which there were so many.
    #[inline(always)]
    pub(crate) fn forget(&mut self, mark: usize) {
        while self.declarations.len() > mark {
            if let Some(declaration) = self.declarations.pop() {
                self.inherited = declaration.outer;
            }
        }
    }

    /// An end tag is complete.
    pub(crate) fn end(&mut self, item: &[u8], name: Name) -> Result<(), FrameError> {
        let open = self.open.pop().filter(|open| open.name.is_same(name, item));
        let open = open.ok_or(FrameError::NotWellFormed(Reason::MismatchedTag))?;
        self.forget(open.mark);
        Ok(())
    }

    /// The end tag whose name begins at `at`, when it is plain (no space before its `>`) and right; where it ends.
    #[inline(always)]
    pub(crate) fn end_if_plain(&mut self, item: &[u8], at: usize) -> Option<usize> {
        let open = self.open.last()?;
        let len = open.name.len();
        let is_same = key_at(item, at, len) == open.name.key()
            && (len <= 8 || item.get(at..at + len) == Some(open.name.raw(item)));
        if !is_same || item.get(at + len) != Some(&b'>') {
            return None;
        }
        let mark = open.mark;
        self.open.pop();
        self.forget(mark);
        Some(at + len + 1)
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
            buckets: 0,
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
            let ns = Ns::known(name.as_bytes())
                .or_else(|| scope.find(name.as_bytes()))
                .unwrap_or(Ns::Header(index));
            scope.prefixes.push(Binding { prefix: prefix.into(), key: declaration.key, ns, name });
        }
        if let Some(name) = default {
            scope.default = Ns::known(name.as_bytes())
                .or_else(|| scope.find(name.as_bytes()))
                .unwrap_or(Ns::HeaderDefault);
            scope.default_name = name;
        }
        scope.with_buckets()
    }

    /// What routing wants to know of a first-level element.
    #[inline(always)]
    fn first(&self, item: &[u8], name: Name, ns: Ns, addresses: Addresses) -> Facts {
        const MESSAGE: u64 = key(b"message");
        const PRESENCE: u64 = key(b"presence");
        const IQ: u64 = key(b"iq");
        let is_stanza = ns
            .content()
            .is_some_and(|content| self.content == Some(content) || content != Content::Component);
        let local = name.local();
        let kind = match name.local_key(item) {
            MESSAGE if is_stanza => Kind::Message,
            PRESENCE if is_stanza && local.len() == 8 => Kind::Presence,
            IQ if is_stanza => Kind::Iq,
            _ => Kind::Other,
        };
        Facts { kind, ns, local, addresses, flags: Flags::default() }
    }

    /// Those of the first tag, whose attributes were all kept.
    fn addresses(&self) -> Addresses {
        let mut addresses = Addresses::NONE;
        for attribute in &self.attributes {
            addresses.take(attribute.name, attribute.value);
        }
        addresses
    }
}

const STREAM: u64 = key(b"stream");
