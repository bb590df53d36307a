//! Namespaces and feature names, each written once.

/// Stream elements: header, features, error (RFC 6120 §4.8.1).
pub const STREAMS: &str = "http://etherx.jabber.org/streams";
/// Conditions inside `<stream:error/>` (RFC 6120 §4.9.2).
pub const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// Conditions inside a stanza's `<error/>` and inside dialback errors (RFC 6120 §8.3.3).
pub const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// Content namespace between servers (RFC 6120 §4.8.2).
pub const SERVER: &str = "jabber:server";
/// Content namespace between client and server: a stanza in it may stray onto a server stream.
pub const CLIENT: &str = "jabber:client";
/// Content namespace of an accepting component stream (XEP-0114).
pub const COMPONENT_ACCEPT: &str = "jabber:component:accept";
/// Dialback elements (XEP-0220).
pub const DIALBACK: &str = "jabber:server:dialback";
/// The dialback stream feature (XEP-0220 §2.4.2).
pub const DIALBACK_FEATURE: &str = "urn:xmpp:features:dialback";
/// STARTTLS (RFC 6120 §5).
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// SASL (RFC 6120 §6).
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// The request element of XEP-0138, which is never offered.
pub const COMPRESS: &str = "http://jabber.org/protocol/compress";
/// Stream limits advertisement (XEP-0478).
pub const LIMITS: &str = "urn:xmpp:stream-limits:0";
/// Application-specific stream error conditions such as `<stanza-too-big/>` (XEP-0205).
pub const APPLICATION_ERRORS: &str = "urn:xmpp:errors";
/// The request of XEP-0288.
pub const BIDI: &str = "urn:xmpp:bidi";
/// The feature of XEP-0288; some servers spell the request so.
pub const BIDI_FEATURE: &str = "urn:xmpp:features:bidi";
