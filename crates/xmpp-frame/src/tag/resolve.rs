//! Namespaces: declarations are taken in, prefixes resolved, attributes told apart by their expanded names.

use super::{Attribute, Declaration, Inherited, Tags};
use crate::error::{FrameError, Limit, Reason};
use crate::limits::Limits;
use crate::name::{Name, key_at};
use crate::namespaces::{self, HeaderScope, Ns, Span, is_uri_byte};
use crate::scan::vector::Vector;
use crate::value;

/// Namespaces in XML 1.0, §§3-6.
impl Tags {
    /// Takes in the declarations of a tag, checks its attributes and finds the namespace of its name.
    pub(super) fn resolve_tag(
        &mut self,
        item: &[u8],
        name: Name,
        scope: Option<&HeaderScope>,
        limits: &Limits,
    ) -> Result<Ns, FrameError> {
        if self.seen.repeated != 0 {
            self.check_raw_names(item)?;
        }
        if self.declares {
            for index in 0..self.attributes.len() {
                let Some(&Attribute { name, value }) = self.attributes.get(index) else { break };
                if name.declares() {
                    self.declare(item, name, value, scope, limits)?;
                }
            }
        }
        let ns = if name.has_prefix() {
            self.resolve(item, name, scope)?
        } else {
            self.inherited.ns.unwrap_or(scope.map_or(Ns::None, |scope| scope.default))
        };
        if self.prefixed {
            self.check_expanded_names(item, scope)?;
        }
        Ok(ns)
    }

    /// Keeps an attribute with a prefix, unless there are too many: of a tag on the fast path [`Tags::start`] asks for no others.
    #[inline(always)]
    pub(crate) fn keep_prefixed(
        &mut self,
        name: Name,
        value: Span,
        was_kept: &mut bool,
        limits: &Limits,
    ) -> Option<()> {
        if !*was_kept {
            self.begin();
            *was_kept = true;
        }
        if self.attributes.len() >= limits.attributes {
            return None;
        }
        self.prefixed = true;
        self.attributes.push(Attribute { name, value });
        Some(())
    }

    /// XML 1.0 §3.1: no attribute name may appear twice in one tag.
    fn check_raw_names(&self, item: &[u8]) -> Result<(), FrameError> {
        let mut later = self.attributes.iter();
        while let Some(attribute) = later.next() {
            if later.clone().any(|other| other.name.is_same(attribute.name, item)) {
                return Err(FrameError::NotWellFormed(Reason::DuplicateAttribute));
            }
        }
        Ok(())
    }

    /// Takes in a declaration when the namespace name means nothing here but what it says, as most do. False when it may, or is faulty.
    #[inline(always)]
    pub(crate) fn declare_plain<V: Vector>(
        &mut self,
        item: &[u8],
        name: Name,
        value: Span,
        scope: &HeaderScope,
        limits: &Limits,
    ) -> bool {
        let uri = value.bytes(item);
        let is_plain = !value.is_dirty()
            && !uri.is_empty()
            && !scope.may_know(uri)
            && uri.len() <= limits.name_bytes
            && self.declarations.len() < limits.namespaces
            && is_uri_at::<V>(item, value);
        if !is_plain {
            return false;
        }
        if !name.has_prefix() {
            // Even if it was declared before: what has no prefix is never compared by its namespace.
            self.bind(item, Span::EMPTY, Ns::Here(value), None);
            return true;
        }
        let prefix = name.local();
        if matches!(prefix.bytes(item), b"xml" | b"xmlns") {
            return false;
        }
        let ns = self.declared(item, uri).unwrap_or(Ns::Here(value));
        self.bind(item, prefix, ns, None);
        true
    }

    #[inline(always)]
    fn bind(&mut self, item: &[u8], prefix: Span, ns: Ns, unescaped: Option<Box<str>>) {
        let outer = self.inherited;
        if prefix.is_empty() {
            let content = ns.content();
            let (is_content, is_other) = (content.is_some(), content != self.content);
            self.inherited =
                Inherited { ns: Some(ns), is_content, is_other: is_content && is_other };
        }
        let key = key_at(item, prefix.start(), prefix.len());
        self.declarations.push(Declaration { prefix, key, ns, unescaped, outer });
    }

    pub(crate) fn declare(
        &mut self,
        item: &[u8],
        name: Name,
        value: Span,
        scope: Option<&HeaderScope>,
        limits: &Limits,
    ) -> Result<(), FrameError> {
        const FORBIDDEN: FrameError = FrameError::NotWellFormed(Reason::NamespaceDeclaration);
        let prefix = if !name.has_prefix() { Span::EMPTY } else { name.local() };
        if value.len() > limits.name_bytes {
            return Err(FrameError::LimitExceeded(Limit::NameBytes));
        }
        let unescaped = value
            .is_dirty()
            .then(|| value::attribute(value.raw(item)).into_owned().into_boxed_str());
        let uri = unescaped.as_ref().map_or(value.bytes(item), |uri| uri.as_bytes());
        match (prefix.bytes(item), uri) {
            // `xml` may be declared, but only as what it is.
            (b"xml", uri) if uri == namespaces::XML.as_bytes() => return Ok(()),
            (b"xml" | b"xmlns", _) => return Err(FORBIDDEN),
            // Only the default namespace can be undeclared.
            (prefix, b"") if !prefix.is_empty() => return Err(FORBIDDEN),
            (_, uri)
                if uri == namespaces::XML.as_bytes() || uri == namespaces::XMLNS.as_bytes() =>
            {
                return Err(FORBIDDEN);
            }
            _ => {}
        }
        if !uri.iter().copied().all(is_uri_byte) {
            return Err(FrameError::NotWellFormed(Reason::NamespaceName));
        }
        if self.declarations.len() >= limits.namespaces {
            return Err(FrameError::LimitExceeded(Limit::Namespaces));
        }
        let ns = Ns::known(uri).or_else(|| scope?.find(uri)).or_else(|| self.declared(item, uri));
        let ns = ns.unwrap_or(Ns::Here(value));
        let unescaped = unescaped.filter(|_| matches!(ns, Ns::Here(_)));
        self.flags.spells_content |= ns.content().is_some();
        self.bind(item, prefix, ns, unescaped);
        Ok(())
    }

    /// The value that a declaration in scope has given this name. One name, one value: attributes are compared by value, and
    /// there can be thousands of comparisons for each declaration.
    fn declared(&self, item: &[u8], uri: &[u8]) -> Option<Ns> {
        let is_same = |declaration: &&Declaration| match (declaration.ns, &declaration.unescaped) {
            (Ns::Here(_), Some(name)) => name.as_bytes() == uri,
            // One that is written with references is a name in its unescaped form only, and is compared above.
            (Ns::Here(span), None) => !span.is_dirty() && span.bytes(item) == uri,
            _ => false,
        };
        self.declarations.iter().find(is_same).map(|declaration| declaration.ns)
    }

    /// What the prefix of a name is bound to.
    fn resolve(
        &mut self,
        item: &[u8],
        name: Name,
        scope: Option<&HeaderScope>,
    ) -> Result<Ns, FrameError> {
        let (prefix, key) = (name.prefix(item), name.prefix_key());
        let is_bound = |declaration: &&Declaration| {
            declaration.key == key && declaration.prefix.bytes(item) == prefix
        };
        let declared = self.declarations.iter().rev().find(is_bound);
        if let Some(declaration) = declared {
            return Ok(declaration.ns);
        }
        if prefix == b"xml" {
            return Ok(Ns::Xml);
        }
        self.flags.borrows = true;
        let binding = scope.and_then(|scope| scope.binding(prefix));
        Ok(binding.ok_or(FrameError::BadNamespacePrefix)?.ns)
    }

    /// Namespaces in XML §6.3: no two attributes may have the same expanded name. Unprefixed attributes are in no namespace, so
    /// that they differ follows from their raw names; the same prefix likewise.
    fn check_expanded_names(
        &mut self,
        item: &[u8],
        scope: Option<&HeaderScope>,
    ) -> Result<(), FrameError> {
        self.prefixes.clear();
        for index in 0..self.attributes.len() {
            let Some(&Attribute { name, .. }) = self.attributes.get(index) else { break };
            if !name.is_special() || name.declares() {
                continue;
            }
            let ns = self.resolve(item, name, scope)?;
            let local = name.local();
            let is_same =
                |other: &(Ns, Span)| other.0 == ns && other.1.bytes(item) == local.bytes(item);
            if self.prefixes.iter().any(is_same) {
                return Err(FrameError::NotWellFormed(Reason::DuplicateAttribute));
            }
            self.prefixes.push((ns, local));
        }
        Ok(())
    }
}

/// Whether a value that is written without references holds only what [`is_uri_byte`] lets stand in a namespace name.
#[inline(always)]
pub(crate) fn is_uri_at<V: Vector>(item: &[u8], value: Span) -> bool {
    let mut at = value.start();
    while at < value.end() {
        let left = value.end() - at;
        let behind = if left < V::LEN { u32::MAX << left } else { 0 };
        if V::load(item, at).not_in_uri() & !behind != 0 {
            return false;
        }
        at += V::LEN;
    }
    true
}
