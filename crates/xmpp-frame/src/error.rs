//! Why a stream must end: one enum, by the stream error condition that answers it (RFC 6120 §4.9.3).

use std::fmt;

/// A fault that ends the stream. Holds no bytes of the peer, so it can be logged as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameError {
    /// Not well-formed XML or not namespace-well-formed: `<not-well-formed/>` (RFC 6120 §4.9.3.13).
    NotWellFormed(Reason),
    /// Well-formed XML that XMPP forbids: `<restricted-xml/>` (RFC 6120 §4.9.3.18).
    RestrictedXml(Restricted),
    /// A prefix that nothing in scope declares: `<bad-namespace-prefix/>` (RFC 6120 §4.9.3.2).
    BadNamespacePrefix,
    /// The content namespace of the stream is none that XMPP knows: `<invalid-namespace/>` (RFC 6120 §4.9.3.10). Only
    /// [`crate::rewrite::rewrite`] answers this; a [`crate::Header`] with such a namespace is handed out for the caller to refuse.
    InvalidNamespace,
    /// The root element is not called `stream`: `<bad-format/>` (RFC 6120 §4.9.3.1).
    NotAStream,
    /// The XML declaration names an encoding other than UTF-8: `<unsupported-encoding/>` (RFC 6120 §4.9.3.22).
    UnsupportedEncoding,
    /// Bytes that are not UTF-8 (overlong and surrogate forms too). RFC 6120 §11.6 asks for UTF-8: `<unsupported-encoding/>`, or
    /// `<not-well-formed/>` as most parsers answer.
    InvalidUtf8,
    /// A limit was passed: `<policy-violation/>` (RFC 6120 §4.9.3.14).
    LimitExceeded(Limit),
}

/// What was not well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// A character outside the Char production, as such or as a character reference (XML 1.0 §2.2).
    IllegalCharacter,
    /// Text other than white space outside the first-level elements.
    TextOutsideElement,
    /// A construct that cannot stand where it stands, such as `<!` followed by nothing known or `<` in a tag.
    Syntax,
    /// A name with a forbidden character or an empty part, or with two colons (Namespaces in XML §3).
    Name,
    /// `<` in an attribute value, or a value without quotes.
    AttributeValue,
    /// No white space before an attribute.
    MissingSpace,
    /// Two attributes of one element with the same name, as written or as expanded.
    DuplicateAttribute,
    /// An end tag that does not match the start tag.
    MismatchedTag,
    /// `&` that does not begin a reference.
    Reference,
    /// `]]>` in character data.
    CdataEndInText,
    /// A malformed XML declaration.
    XmlDeclaration,
    /// `xmlns:p=''`, a reserved prefix or a reserved namespace name declared against the rules (Namespaces in XML §3, §5).
    NamespaceDeclaration,
    /// A namespace name with a character that no URI holds: parsers that join namespace and local name with such a character
    /// would read another name (CVE-2022-25236).
    NamespaceName,
    /// The stream's root element is empty (`<stream:stream/>`).
    EmptyStream,
    /// `{http://etherx.jabber.org/streams}stream` as a child of the stream.
    NestedStream,
    /// Something after the end of the stream.
    AfterClose,
}

/// What XMPP forbids in well-formed XML (RFC 6120 §11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Restricted {
    /// `<!-- -->`.
    Comment,
    /// `<?target ?>`, and an XML declaration anywhere but at the very start of a stream.
    ProcessingInstruction,
    /// `<!DOCTYPE` and its kin.
    Dtd,
    /// A reference to an entity other than the five predefined ones.
    Entity,
}

/// Which limit was passed; see the field of the same name in [`crate::Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// `header_bytes`.
    HeaderBytes,
    /// `element_bytes`; a caller that bounces wants `<stanza-too-big xmlns='urn:xmpp:errors'/>` with it.
    ElementBytes,
    /// `depth`.
    Depth,
    /// `attributes`.
    Attributes,
    /// `namespaces`.
    Namespaces,
    /// `name_bytes`.
    NameBytes,
    /// `elements`.
    Elements,
}

impl FrameError {
    /// The same fault in a few words, fit for a log line or for the `<text/>` of a stream error.
    pub const fn text(self) -> &'static str {
        match self {
            FrameError::NotWellFormed(reason) => reason.text(),
            FrameError::RestrictedXml(Restricted::Comment) => "comment",
            FrameError::RestrictedXml(Restricted::ProcessingInstruction) => {
                "processing instruction"
            }
            FrameError::RestrictedXml(Restricted::Dtd) => "document type declaration",
            FrameError::RestrictedXml(Restricted::Entity) => "entity reference",
            FrameError::BadNamespacePrefix => "undeclared namespace prefix",
            FrameError::InvalidNamespace => "unknown content namespace",
            FrameError::NotAStream => "the root element is not a stream",
            FrameError::UnsupportedEncoding => "encoding other than UTF-8",
            FrameError::InvalidUtf8 => "invalid UTF-8",
            FrameError::LimitExceeded(limit) => limit.text(),
        }
    }
}

impl Reason {
    const fn text(self) -> &'static str {
        match self {
            Reason::IllegalCharacter => "illegal character",
            Reason::TextOutsideElement => "text outside an element",
            Reason::Syntax => "syntax error",
            Reason::Name => "malformed name",
            Reason::AttributeValue => "malformed attribute value",
            Reason::MissingSpace => "no space before an attribute",
            Reason::DuplicateAttribute => "duplicate attribute",
            Reason::MismatchedTag => "mismatched end tag",
            Reason::Reference => "malformed reference",
            Reason::CdataEndInText => "']]>' in text",
            Reason::XmlDeclaration => "malformed XML declaration",
            Reason::NamespaceDeclaration => "forbidden namespace declaration",
            Reason::NamespaceName => "namespace name is not a URI",
            Reason::EmptyStream => "empty stream element",
            Reason::NestedStream => "stream inside a stream",
            Reason::AfterClose => "bytes after the end of the stream",
        }
    }
}

impl Limit {
    const fn text(self) -> &'static str {
        match self {
            Limit::HeaderBytes => "stream header too long",
            Limit::ElementBytes => "element too long",
            Limit::Depth => "elements nested too deeply",
            Limit::Attributes => "too many attributes",
            Limit::Namespaces => "too many namespace declarations",
            Limit::NameBytes => "name too long",
            Limit::Elements => "too many elements",
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self {
            FrameError::NotWellFormed(_) => "not well-formed: ",
            FrameError::RestrictedXml(_) => "restricted XML: ",
            FrameError::LimitExceeded(_) => "limit exceeded: ",
            _ => "",
        };
        f.write_str(family)?;
        f.write_str(self.text())
    }
}

impl std::error::Error for FrameError {}
