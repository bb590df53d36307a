//! Reads what the stream under test says, with the framer, as a strict peer would.

use xmpp_frame::{Frame, Framer, Item, Kind, Limits};

use crate::law::{Breach, breach};
use crate::wire::Answer;
use crate::words::{NAMES, Name, Pair};

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Header {
        from: Option<Name>,
        to: Option<Name>,
        id: Option<String>,
        version_1: bool,
    },
    Features {
        starttls: bool,
        required: bool,
        external: bool,
        dialback: bool,
        bidi: bool,
    },
    StartTls,
    Proceed,
    TlsFailure,
    Auth(String),
    Response(String),
    Challenge,
    Success,
    SaslFailure,
    /// A key for sender, target.
    ResultKey {
        pair: Pair,
        key: String,
    },
    /// An answer to the key of sender, target.
    ResultAnswer {
        pair: Pair,
        answer: Answer,
    },
    /// A check, asked of the originating side (the sender) by the receiving one.
    VerifyKey {
        pair: Pair,
        id: String,
        key: String,
    },
    VerifyAnswer {
        receiving: Name,
        originating: Name,
        id: String,
        answer: Answer,
    },
    Handshake,
    /// Both directions are asked for (XEP-0288).
    Bidi,
    CompressFailure,
    StreamError,
    Close,
}

/// A strict reader of one direction.
#[derive(Debug)]
pub struct Reader {
    framer: Framer,
    closed: bool,
}

impl Reader {
    pub fn new() -> Self {
        Self { framer: Framer::new(Limits::AUTHENTICATED), closed: false }
    }

    /// A new stream over TLS.
    pub fn start_tls(&mut self) {
        *self = Self::new();
    }

    /// A new stream after SASL.
    pub fn restart(&mut self) {
        self.framer.restart();
    }

    /// Law: what is said is whole, well-formed elements, and nothing after the close tag.
    pub fn read(&mut self, bytes: &[u8], out: &mut Vec<Seen>) -> Result<(), Breach> {
        let said = || String::from_utf8_lossy(bytes).into_owned();
        if self.closed && !bytes.is_empty() {
            return breach("nothing follows our close tag", said());
        }
        self.framer.buffer().extend_from_slice(bytes);
        loop {
            match self.framer.next() {
                Ok(None) => break,
                Ok(Some(Item::Header(header))) => out.push(Seen::Header {
                    from: header.from().map(name).transpose()?,
                    to: header.to().map(name).transpose()?,
                    id: header.id().map(Into::into),
                    version_1: header.version_at_least_1_0(),
                }),
                Ok(Some(Item::Element(frame))) => out.push(element(&frame)?),
                Ok(Some(Item::Close)) => {
                    self.closed = true;
                    out.push(Seen::Close);
                }
                Err(error) => {
                    return breach("what we say is well-formed", format!("{error:?}: {}", said()));
                }
            }
        }
        if self.framer.pending() > 0 {
            return breach("what we say is whole elements", said());
        }
        Ok(())
    }
}

/// Law: the domains we write are canonical, and of this play.
fn name(text: &str) -> Result<Name, Breach> {
    match NAMES.iter().position(|known| *known == text) {
        Some(index) => Ok(index as Name),
        None => breach("we write canonical domains that somebody named", text.to_owned()),
    }
}

fn element(frame: &Frame) -> Result<Seen, Breach> {
    let shown = || String::from_utf8_lossy(frame.bytes()).into_owned();
    if frame.kind() != Kind::Other {
        return breach("a stream says no stanza of its own", shown());
    }
    let has = |part: &str| memmem(frame.bytes(), part);
    Ok(match (frame.name(), frame.namespace()) {
        ("features", "http://etherx.jabber.org/streams") => Seen::Features {
            starttls: has("<starttls"),
            required: has("<required/>"),
            external: has("<mechanism>EXTERNAL</mechanism>"),
            dialback: has("<dialback"),
            bidi: has("<bidi"),
        },
        ("error", "http://etherx.jabber.org/streams") => Seen::StreamError,
        ("starttls", "urn:ietf:params:xml:ns:xmpp-tls") => Seen::StartTls,
        ("proceed", "urn:ietf:params:xml:ns:xmpp-tls") => Seen::Proceed,
        ("failure", "urn:ietf:params:xml:ns:xmpp-tls") => Seen::TlsFailure,
        ("auth", "urn:ietf:params:xml:ns:xmpp-sasl") => Seen::Auth(text(frame)),
        ("response", "urn:ietf:params:xml:ns:xmpp-sasl") => Seen::Response(text(frame)),
        ("challenge", "urn:ietf:params:xml:ns:xmpp-sasl") => Seen::Challenge,
        ("success", "urn:ietf:params:xml:ns:xmpp-sasl") => Seen::Success,
        ("failure", "urn:ietf:params:xml:ns:xmpp-sasl") => Seen::SaslFailure,
        ("failure", "http://jabber.org/protocol/compress") => Seen::CompressFailure,
        ("bidi", "urn:xmpp:bidi") => Seen::Bidi,
        ("handshake", "jabber:component:accept") => Seen::Handshake,
        ("result" | "verify", "jabber:server:dialback") => return dialback(frame),
        _ => return breach("we say what the protocol has", shown()),
    })
}

fn dialback(frame: &Frame) -> Result<Seen, Breach> {
    let shown = || String::from_utf8_lossy(frame.bytes()).into_owned();
    let (Some(from), Some(to)) = (frame.from(), frame.to()) else {
        return breach("our dialback elements are addressed", shown());
    };
    let (from, to) = (name(&from)?, name(&to)?);
    let answer = match frame.type_().as_deref() {
        None => None,
        Some("valid") => Some(Answer::Valid),
        Some("invalid") => Some(Answer::Invalid),
        Some("error") => Some(Answer::Error),
        Some(_) => return breach("our dialback answers have a type that exists", shown()),
    };
    let id = frame.id().map(std::borrow::Cow::into_owned);
    Ok(match (frame.name(), id, answer) {
        ("result", None, None) => Seen::ResultKey { pair: (from, to), key: text(frame) },
        ("result", None, Some(answer)) => Seen::ResultAnswer { pair: (to, from), answer },
        ("verify", Some(id), None) => Seen::VerifyKey { pair: (to, from), id, key: text(frame) },
        ("verify", Some(id), Some(answer)) => {
            Seen::VerifyAnswer { receiving: to, originating: from, id, answer }
        }
        _ => return breach("our dialback elements have what they need", shown()),
    })
}

/// The character data of an element without children; none of ours needs unescaping.
fn text(frame: &Frame) -> String {
    let bytes = frame.bytes();
    let start = bytes.iter().position(|&byte| byte == b'>').map_or(0, |at| at + 1);
    let end = bytes.iter().rposition(|&byte| byte == b'<').unwrap_or(start).max(start);
    String::from_utf8_lossy(&bytes[start..end]).into_owned()
}

fn memmem(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}
