//! The stream error conditions of RFC 6120 §4.9.3, by their names on the wire.

/// A defined stream error condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamCondition {
    /// The peer sent XML that cannot be processed. RFC 6120 §4.9.3.1
    BadFormat,
    /// An unsupported namespace prefix, or none where one is needed. RFC 6120 §4.9.3.2
    BadNamespacePrefix,
    /// A new stream conflicts with this one. RFC 6120 §4.9.3.3
    Conflict,
    /// The peer has been silent for too long. RFC 6120 §4.9.3.4
    ConnectionTimeout,
    /// The `to` domain is no longer served here. RFC 6120 §4.9.3.5
    HostGone,
    /// The `to` domain is not served here. RFC 6120 §4.9.3.6
    HostUnknown,
    /// A stanza lacks `to` or `from`, or one of them is no valid address. RFC 6120 §4.9.3.7
    ImproperAddressing,
    /// A fault of our own. RFC 6120 §4.9.3.8
    InternalServerError,
    /// The `from` does not match an authorised or validated domain. RFC 6120 §4.9.3.9
    InvalidFrom,
    /// The stream or content namespace is not the right one. RFC 6120 §4.9.3.10
    InvalidNamespace,
    /// The XML is invalid where a schema was applied. RFC 6120 §4.9.3.11
    InvalidXml,
    /// Stanzas before authentication, or an act that is not allowed. RFC 6120 §4.9.3.12
    NotAuthorized,
    /// The XML is not well-formed. RFC 6120 §4.9.3.13
    NotWellFormed,
    /// A local policy is violated: size, demanded proof, flag day. RFC 6120 §4.9.3.14
    PolicyViolation,
    /// A remote entity needed for authentication cannot be reached. RFC 6120 §4.9.3.15
    RemoteConnectionFailed,
    /// The stream must be renegotiated. RFC 6120 §4.9.3.16
    Reset,
    /// Not enough resources to serve the stream. RFC 6120 §4.9.3.17
    ResourceConstraint,
    /// A comment, processing instruction, DTD or entity reference. RFC 6120 §4.9.3.18
    RestrictedXml,
    /// The peer redirects. RFC 6120 §4.9.3.19
    SeeOtherHost,
    /// The server is going down. RFC 6120 §4.9.3.20
    SystemShutdown,
    /// None of the others; application conditions say more. RFC 6120 §4.9.3.21
    UndefinedCondition,
    /// Not UTF-8. RFC 6120 §4.9.3.22
    UnsupportedEncoding,
    /// A mandatory feature is not supported. RFC 6120 §4.9.3.23
    UnsupportedFeature,
    /// A first-level element that is not understood. RFC 6120 §4.9.3.24
    UnsupportedStanzaType,
    /// The `version` is not supported. RFC 6120 §4.9.3.25
    UnsupportedVersion,
}

impl StreamCondition {
    /// Every condition, in the order of the RFC.
    pub const ALL: [Self; 25] = [
        Self::BadFormat,
        Self::BadNamespacePrefix,
        Self::Conflict,
        Self::ConnectionTimeout,
        Self::HostGone,
        Self::HostUnknown,
        Self::ImproperAddressing,
        Self::InternalServerError,
        Self::InvalidFrom,
        Self::InvalidNamespace,
        Self::InvalidXml,
        Self::NotAuthorized,
        Self::NotWellFormed,
        Self::PolicyViolation,
        Self::RemoteConnectionFailed,
        Self::Reset,
        Self::ResourceConstraint,
        Self::RestrictedXml,
        Self::SeeOtherHost,
        Self::SystemShutdown,
        Self::UndefinedCondition,
        Self::UnsupportedEncoding,
        Self::UnsupportedFeature,
        Self::UnsupportedStanzaType,
        Self::UnsupportedVersion,
    ];

    /// The element name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadFormat => "bad-format",
            Self::BadNamespacePrefix => "bad-namespace-prefix",
            Self::Conflict => "conflict",
            Self::ConnectionTimeout => "connection-timeout",
            Self::HostGone => "host-gone",
            Self::HostUnknown => "host-unknown",
            Self::ImproperAddressing => "improper-addressing",
            Self::InternalServerError => "internal-server-error",
            Self::InvalidFrom => "invalid-from",
            Self::InvalidNamespace => "invalid-namespace",
            Self::InvalidXml => "invalid-xml",
            Self::NotAuthorized => "not-authorized",
            Self::NotWellFormed => "not-well-formed",
            Self::PolicyViolation => "policy-violation",
            Self::RemoteConnectionFailed => "remote-connection-failed",
            Self::Reset => "reset",
            Self::ResourceConstraint => "resource-constraint",
            Self::RestrictedXml => "restricted-xml",
            Self::SeeOtherHost => "see-other-host",
            Self::SystemShutdown => "system-shutdown",
            Self::UndefinedCondition => "undefined-condition",
            Self::UnsupportedEncoding => "unsupported-encoding",
            Self::UnsupportedFeature => "unsupported-feature",
            Self::UnsupportedStanzaType => "unsupported-stanza-type",
            Self::UnsupportedVersion => "unsupported-version",
        }
    }

    /// The condition a peer means by an element name, names of RFC 3920 included; `None` when it is unknown.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            // RFC 3920 §4.7.3 called it so; MongooseIM still does.
            "xml-not-well-formed" => Some(Self::NotWellFormed),
            // Gone in RFC 6120, still sent by Prosody and Openfire; it was about the stream id or the address.
            "invalid-id" => Some(Self::InvalidFrom),
            _ => Self::ALL.into_iter().find(|condition| condition.name() == name),
        }
    }
}
