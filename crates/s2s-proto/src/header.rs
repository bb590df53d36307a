//! Stream headers: the one we write, and what we take from a peer's.

use aws_lc_rs::digest;
use xmpp_addr::Domain;
use xmpp_frame::{Content, Header};

use crate::dialback::{hex, is_keyable_id};
use crate::error::{StreamCondition, StreamError};
use crate::ns;
use crate::wire::push_attr;

/// The language of every stream we open; stanzas that inherit another one are stamped with it.
pub(crate) const STREAM_LANG: &str = "en";

/// The close tag.
pub(crate) const CLOSE_TAG: &str = "</stream:stream>";

/// An opening tag of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpeningTag<'a> {
    pub(crate) content: Content,
    pub(crate) from: Option<&'a str>,
    pub(crate) to: Option<&'a str>,
    /// Responses only.
    pub(crate) id: Option<&'a str>,
    pub(crate) version_1: bool,
}

impl OpeningTag<'_> {
    /// Appends XML declaration and opening tag.
    pub(crate) fn write(&self, out: &mut String) {
        // COMPAT(ejabberd, old): `xmlns:stream` comes before `xmlns`. COMPAT(xmpp-proxy): the prefix is literally `stream`.
        out.push_str("<?xml version='1.0'?><stream:stream");
        push_attr("xmlns:stream", ns::STREAMS, out);
        push_attr("xmlns", self.content.namespace(), out);
        if self.content == Content::Server {
            // XEP-0220 §2.4.1, traditional advertisement. COMPAT(MongooseIM): it dials back only when this is in the
            // response header.
            push_attr("xmlns:db", ns::DIALBACK, out);
        }
        for (name, value) in [("from", self.from), ("to", self.to), ("id", self.id)] {
            if let Some(value) = value {
                push_attr(name, value, out);
            }
        }
        if self.version_1 {
            push_attr("version", "1.0", out);
        }
        push_attr("xml:lang", STREAM_LANG, out);
        out.push('>');
    }
}

/// What a peer's header says, checked as far as every role needs it.
#[derive(Clone, Debug)]
pub(crate) struct PeerHeader {
    pub(crate) from: Option<Domain>,
    pub(crate) to: Option<Domain>,
    pub(crate) id: Option<Box<str>>,
    pub(crate) version_1: bool,
    pub(crate) declares_dialback: bool,
    /// Only when stanzas must be stamped with it.
    pub(crate) lang: Option<Box<str>>,
}

impl PeerHeader {
    /// Reads a header that should have this content namespace.
    pub(crate) fn read(header: &Header, content: Content) -> Result<Self, StreamError> {
        // RFC 6120 §4.9.3.10: the stream namespace or the content namespace is not the right one.
        if !header.stream_namespace_ok() || header.content() != Some(content) {
            return Err(StreamCondition::InvalidNamespace.into());
        }
        // RFC 6120 §4.9.3.9: a `from` that is no domain was never validated.
        let from = parse(header.from(), StreamCondition::InvalidFrom)?;
        let to = parse(header.to(), StreamCondition::ImproperAddressing)?;
        let foreign_lang = header
            .lang()
            .filter(|lang| !lang.is_empty() && !lang.eq_ignore_ascii_case(STREAM_LANG));
        Ok(Self {
            from,
            to,
            id: header.id().map(Into::into),
            version_1: header.version_at_least_1_0(),
            declares_dialback: header.declares_dialback(),
            lang: foreign_lang.map(Into::into),
        })
    }

    /// The id of a response header, fit for a dialback key.
    pub(crate) fn response_id(&self) -> Result<Box<str>, StreamError> {
        match &self.id {
            Some(id) if is_keyable_id(id) => Ok(id.clone()),
            // RFC 6120 §4.7.3: a response header MUST have an id; a space in it could shift the fields of a key.
            Some(_) => {
                Err(StreamError::with_text(StreamCondition::BadFormat, "unusable stream id"))
            }
            None => Err(StreamError::with_text(StreamCondition::BadFormat, "missing stream id")),
        }
    }
}

fn parse(value: Option<&str>, otherwise: StreamCondition) -> Result<Option<Domain>, StreamError> {
    match value {
        None => Ok(None),
        Some(text) => Domain::parse(text).map(Some).map_err(|_| otherwise.into()),
    }
}

/// Makes the stream ids of one connection.
///
/// RFC 6120 §4.7.3: unpredictable and unique; a new one at each restart. SHA-256 over the caller's 32 random bytes and a
/// count, cut to 128 bits.
#[derive(Debug)]
pub(crate) struct StreamIds {
    seed: [u8; 32],
    count: u64,
}

impl StreamIds {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, count: 0 }
    }

    pub(crate) fn next(&mut self) -> Box<str> {
        self.count += 1;
        let mut hashing = digest::Context::new(&digest::SHA256);
        hashing.update(&self.seed);
        hashing.update(&self.count.to_be_bytes());
        let mut id = hex(hashing.finish().as_ref());
        id.truncate(32);
        id.into_boxed_str()
    }
}
