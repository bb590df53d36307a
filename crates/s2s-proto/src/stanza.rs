//! A stanza that may be routed, and the check that makes one.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher};

use bytes::Bytes;
use xmpp_addr::{DomainPair, DomainPairRef, Jid, jid_domain};
use xmpp_frame::rewrite::{Target, rewrite};
use xmpp_frame::{Content, Frame, Framer, Item, Kind, Limits};

use crate::authz::{PairTable, VerifiedPair};
use crate::error::{StreamCondition, StreamError};
use crate::header::{OpeningTag, STREAM_LANG};

/// A stanza whose sender domain was proved for its target domain on the stream it came from.
///
/// It cannot exist without a [`VerifiedPair`]. Its bytes lean on no stream header: prefixes borrowed from one are declared,
/// another default language is stamped. Cloning costs two reference counts.
#[derive(Clone, Debug)]
pub struct Stanza {
    frame: Frame,
    verified: VerifiedPair,
}

impl Stanza {
    /// The element.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The bytes as they may be written to a stream with the content namespace it came from.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        self.frame.bytes()
    }

    /// Message, presence or iq.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.frame.kind()
    }

    /// The `from` attribute.
    #[must_use]
    pub fn from(&self) -> Cow<'_, str> {
        self.frame.from().unwrap_or_default()
    }

    /// The `to` attribute.
    #[must_use]
    pub fn to(&self) -> Cow<'_, str> {
        self.frame.to().unwrap_or_default()
    }

    /// The `id` attribute; empty when absent.
    #[must_use]
    pub fn id(&self) -> Cow<'_, str> {
        self.frame.id().unwrap_or_default()
    }

    /// The `type` attribute; empty when absent.
    #[must_use]
    pub fn type_(&self) -> Cow<'_, str> {
        self.frame.type_().unwrap_or_default()
    }

    /// The proof it travels under.
    #[must_use]
    pub fn verified(&self) -> &VerifiedPair {
        &self.verified
    }

    /// Sender and target domain, canonical.
    #[must_use]
    pub fn pair(&self) -> &DomainPair {
        self.verified.pair()
    }

    /// A hash of the bare sender, to keep its stanzas on one of several links: order holds per bare sender.
    #[must_use]
    pub fn bare_sender_hash(&self, hashing: &impl BuildHasher) -> u64 {
        let from = self.from();
        let mut hasher = hashing.build_hasher();
        if let Ok(jid) = Jid::parse(&from) {
            jid.bare_key().hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The bytes as they may be written to a stream with this content namespace. Copies only when the stanza spells a
    /// content namespace that differs.
    #[must_use]
    pub fn bytes_for(&self, content: Content) -> Bytes {
        // An error would mean that a frame which was scanned cannot be scanned again; it goes out as it came.
        rewrite(&self.frame, None, &Target { content, lang: None })
            .unwrap_or_else(|_| self.frame.bytes().clone())
    }
}

/// Only stanzas are routed.
pub(crate) fn check_stanza(frame: &Frame) -> Result<(), StreamError> {
    match frame.kind() {
        Kind::Message | Kind::Presence | Kind::Iq => Ok(()),
        // RFC 6120 §4.9.3.24: a first-level child that is not supported.
        Kind::Other => Err(StreamCondition::UnsupportedStanzaType.into()),
    }
}

/// The domain of an address of a stanza between servers.
pub(crate) fn address<'a>(value: &'a Option<Cow<'_, str>>) -> Result<Cow<'a, str>, StreamError> {
    // RFC 6120 §4.9.3.7: `to` or `from` is missing, has no value, or violates the rules for addresses.
    let Some(text) = value else {
        return Err(StreamCondition::ImproperAddressing.into());
    };
    jid_domain(text).map_err(|_| StreamCondition::ImproperAddressing.into())
}

/// The data plane of an inbound stream: a frame becomes a stanza when its pair is in the table.
///
/// Nothing is allocated when addresses are canonical ASCII and the frame is self-contained.
pub(crate) fn admit(
    frame: Frame,
    table: &PairTable,
    lang: Option<&str>,
) -> Result<Stanza, StreamError> {
    check_stanza(&frame)?;
    let verified = {
        let (from, to) = (frame.from(), frame.to());
        if table.is_empty() {
            // RFC 6120 §4.9.3.12: stanzas before the stream has been authenticated.
            return Err(StreamCondition::NotAuthorized.into());
        }
        let (sender, target) = (address(&from)?, address(&to)?);
        match table.find(&DomainPairRef { sender: &sender, target: &target }) {
            Some(verified) => verified.clone(),
            None => return Err(unverified(table, &sender)),
        }
    };
    seal(frame, verified, lang)
}

/// Makes the bytes independent of the stream's header.
pub(crate) fn seal(
    frame: Frame,
    verified: VerifiedPair,
    lang: Option<&str>,
) -> Result<Stanza, StreamError> {
    if frame.is_self_contained() && (lang.is_none() || frame.has_lang()) {
        return Ok(Stanza { frame, verified });
    }
    Ok(Stanza { frame: rewritten(&frame, lang)?, verified })
}

/// RFC 6120 §4.9.3.9: the `from` does not match a domain validated for this stream. XEP-0220 §1.3 makes the pair the unit of
/// authorisation, so a sender that was validated for another target is still not valid for this one; `host-unknown` would say
/// that the target is not served here, which the stream cannot know.
fn unverified(table: &PairTable, sender: &str) -> StreamError {
    let text = if table.knows_sender(sender) {
        "the sender domain was not verified for this target domain"
    } else {
        "the sender domain was not verified on this stream"
    };
    StreamError::with_text(StreamCondition::InvalidFrom, text)
}

/// The slow path: a copy that leans on no header, scanned again by a framer of its own.
#[cold]
fn rewritten(frame: &Frame, lang: Option<&str>) -> Result<Frame, StreamError> {
    let content = frame.content().ok_or(StreamCondition::InvalidNamespace)?;
    let bytes = rewrite(frame, lang, &Target { content, lang: Some(STREAM_LANG) })?;
    // The frame passed the limits of its stream; what was added is bounded by what its header declared.
    let most = usize::from(u16::MAX);
    let limits = Limits {
        element_bytes: usize::MAX,
        header_bytes: most,
        depth: most,
        attributes: most,
        namespaces: most,
        name_bytes: usize::MAX,
        elements: usize::MAX,
    };
    let mut framer = Framer::new(limits);
    let mut opening = String::new();
    OpeningTag { content, from: None, to: None, id: None, version_1: true }.write(&mut opening);
    framer.buffer().extend_from_slice(opening.as_bytes());
    framer.buffer().extend_from_slice(&bytes);
    while let Some(item) = framer.next()? {
        if let Item::Element(frame) = item {
            return Ok(frame);
        }
    }
    Err(StreamError::with_text(
        StreamCondition::InternalServerError,
        "a rewritten stanza is incomplete",
    ))
}
