//! The stream header: the root element's start tag (RFC 6120 §4.7).

use std::sync::Arc;

use bytes::Bytes;

use crate::content::Content;
use crate::namespaces::{DIALBACK, HeaderScope, Ns};

/// A stream header, with what stood before it. Attribute values are unescaped. For negotiation: it owns its strings.
#[derive(Clone, Debug)]
pub struct Header {
    pub(crate) bytes: Bytes,
    pub(crate) to: Option<Box<str>>,
    pub(crate) from: Option<Box<str>>,
    pub(crate) id: Option<Box<str>>,
    pub(crate) version: Option<Box<str>>,
    pub(crate) lang: Option<Box<str>>,
    pub(crate) ns: Ns,
    pub(crate) scope: Arc<HeaderScope>,
}

impl Header {
    /// The `to` attribute (RFC 6120 §4.7.2).
    pub fn to(&self) -> Option<&str> {
        self.to.as_deref()
    }

    /// The `from` attribute (RFC 6120 §4.7.1).
    pub fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// The `id` attribute (RFC 6120 §4.7.3).
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The `version` attribute as written. Absent on streams from before 1.0.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The `xml:lang` attribute: the default language of everything below (RFC 6120 §4.7.4).
    pub fn lang(&self) -> Option<&str> {
        self.lang.as_deref()
    }

    /// Whether the version is 1.0 or higher. Major and minor are numbers, leading zeros do not count (RFC 6120 §4.7.5). An
    /// absent or malformed version is lower.
    pub fn version_at_least_1_0(&self) -> bool {
        let Some((major, minor)) = self.version().and_then(|version| version.split_once('.'))
        else {
            return false;
        };
        let is_number =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number(major) && is_number(minor) && major.bytes().any(|digit| digit != b'0')
    }

    /// The content namespace; `None` when the default namespace is none that XMPP knows, which the caller answers with
    /// `<invalid-namespace/>` (RFC 6120 §4.9.3.10).
    pub fn content(&self) -> Option<Content> {
        self.scope.content()
    }

    /// The default namespace; empty when none is declared.
    pub fn default_namespace(&self) -> &str {
        &self.scope.default_name
    }

    /// Whether the root element is in `http://etherx.jabber.org/streams` (RFC 6120 §4.8.1); if not, `<invalid-namespace/>`.
    pub fn stream_namespace_ok(&self) -> bool {
        self.ns == Ns::Streams
    }

    /// Whether some prefix is bound to `jabber:server:dialback`, the traditional advertisement (XEP-0220).
    pub fn declares_dialback(&self) -> bool {
        self.scope.prefixes.iter().any(|binding| &*binding.name == DIALBACK)
    }

    /// The bytes up to the `>` of the header, with byte order mark and XML declaration.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
