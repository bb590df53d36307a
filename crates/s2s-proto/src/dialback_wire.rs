//! Dialback elements as they are written and read (XEP-0220 §2).
//!
//! They are written with the literal prefix `db`, which the stream header declares and the element must not declare again:
//! MongooseIM and Openfire match the prefix (Openfire OF-2690). Any prefix is read. No white space is ever written around a
//! key (Prosody compares raw text); it is trimmed when read, because the examples of the XEP have newlines.

use xmpp_addr::{Domain, DomainPair};
use xmpp_frame::Element;

use crate::error::{StreamCondition, StreamError};
use crate::event::DialbackCondition;
use crate::ns;
use crate::wire::push_attr;

/// Longest key that is looked at; ours have 64 characters, other generators' are of the same order.
const KEY_BYTES_MAX: usize = 256;

/// Longest id of a `<db:verify/>` that is looked at.
const ID_BYTES_MAX: usize = 256;

/// One dialback element, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dialback {
    /// A key for a pair: sender = `from`, target = `to`.
    ResultKey { pair: DomainPair, key: Box<str> },
    /// An answer to a key: `from` is the target of the pair that was asked for.
    ResultAnswer { pair: DomainPair, answer: Answer },
    /// A key to check: `from` = receiving, `to` = originating.
    VerifyKey { receiving: Domain, originating: Domain, id: Box<str>, key: Box<str> },
    /// An answer to a check: `pair` = (originating, receiving) as the request had it.
    VerifyAnswer { pair: DomainPair, id: Box<str>, answer: Answer },
}

/// The `type` of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Valid,
    Invalid,
    Error(DialbackCondition),
}

impl Dialback {
    /// Reads an element in the dialback namespace.
    pub(crate) fn read(element: &Element) -> Result<Self, StreamError> {
        let from = domain(element, "from")?;
        let to = domain(element, "to")?;
        match (element.name(), answer(element)?) {
            ("result", None) => {
                Ok(Self::ResultKey { pair: DomainPair::new(from, to), key: key(element) })
            }
            // Prosody and Metronome echo the key and add an id; both are ignored.
            ("result", Some(answer)) => {
                Ok(Self::ResultAnswer { pair: DomainPair::new(to, from), answer })
            }
            ("verify", None) => Ok(Self::VerifyKey {
                receiving: from,
                originating: to,
                id: id(element)?,
                key: key(element),
            }),
            ("verify", Some(answer)) => {
                Ok(Self::VerifyAnswer { pair: DomainPair::new(from, to), id: id(element)?, answer })
            }
            _ => Err(StreamCondition::UnsupportedStanzaType.into()),
        }
    }

    /// Whether an element that cannot be read in full is an answer nonetheless; such a one is dropped, not punished.
    pub(crate) fn is_answer(element: &Element) -> bool {
        element.attr("type").is_some()
    }
}

/// XEP-0220 §2.1.1 step 1: a key, from sender to target.
pub(crate) fn write_result_key(pair: &DomainPair, key: &str, out: &mut String) {
    out.push_str("<db:result");
    push_attr("from", pair.sender().as_str(), out);
    push_attr("to", pair.target().as_str(), out);
    out.push('>');
    out.push_str(key);
    out.push_str("</db:result>");
}

/// XEP-0220 §2.2.1 step 4: the answer to the key of `pair`; addresses are swapped.
pub(crate) fn write_result_answer(
    pair: &DomainPair,
    answer: Answer,
    text: Option<&str>,
    out: &mut String,
) {
    out.push_str("<db:result");
    push_attr("from", pair.target().as_str(), out);
    push_attr("to", pair.sender().as_str(), out);
    write_answer("result", answer, text, out);
}

/// XEP-0220 §2.1.2 step 2: a check, from receiving to originating.
pub(crate) fn write_verify_key(pair: &DomainPair, id: &str, key: &str, out: &mut String) {
    out.push_str("<db:verify");
    push_attr("from", pair.target().as_str(), out);
    push_attr("to", pair.sender().as_str(), out);
    push_attr("id", id, out);
    out.push('>');
    out.push_str(&xmpp_frame::escape::text(key));
    out.push_str("</db:verify>");
}

/// XEP-0220 §2.2.2 step 3: the answer of the authoritative server; addresses are swapped, the id is copied.
pub(crate) fn write_verify_answer(
    receiving: &Domain,
    originating: &Domain,
    id: &str,
    answer: Answer,
    out: &mut String,
) {
    out.push_str("<db:verify");
    push_attr("from", originating.as_str(), out);
    push_attr("to", receiving.as_str(), out);
    push_attr("id", id, out);
    write_answer("verify", answer, None, out);
}

fn write_answer(name: &str, answer: Answer, text: Option<&str>, out: &mut String) {
    let condition = match answer {
        Answer::Valid => return out.push_str(" type='valid'/>"),
        Answer::Invalid => return out.push_str(" type='invalid'/>"),
        Answer::Error(condition) => condition,
    };
    // XEP-0220 §2.5: an <error/> qualified by 'jabber:server', with a stanza error condition.
    out.push_str(" type='error'><error type='");
    out.push_str(condition.error_type());
    out.push_str("'><");
    out.push_str(condition.name());
    out.push_str(" xmlns='");
    out.push_str(ns::STANZA_ERRORS);
    out.push_str("'/>");
    if let Some(text) = text {
        out.push_str("<text xmlns='");
        out.push_str(ns::STANZA_ERRORS);
        out.push_str("' xml:lang='en'>");
        crate::wire::push_escaped(text, out);
        out.push_str("</text>");
    }
    out.push_str("</error></db:");
    out.push_str(name);
    out.push('>');
}

impl DialbackCondition {
    /// The condition's name on the wire; `undefined-condition` for [`DialbackCondition::Other`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ItemNotFound => "item-not-found",
            Self::RemoteConnectionFailed => "remote-connection-failed",
            Self::RemoteServerNotFound => "remote-server-not-found",
            Self::RemoteServerTimeout => "remote-server-timeout",
            Self::PolicyViolation => "policy-violation",
            Self::NotAuthorized => "not-authorized",
            Self::Forbidden => "forbidden",
            Self::NotAcceptable => "not-acceptable",
            Self::ResourceConstraint => "resource-constraint",
            Self::InternalServerError => "internal-server-error",
            Self::Other => "undefined-condition",
        }
    }

    const fn error_type(self) -> &'static str {
        match self {
            Self::RemoteServerTimeout | Self::ResourceConstraint => "wait",
            Self::PolicyViolation | Self::NotAcceptable => "modify",
            Self::NotAuthorized | Self::Forbidden => "auth",
            Self::ItemNotFound
            | Self::RemoteConnectionFailed
            | Self::RemoteServerNotFound
            | Self::InternalServerError
            | Self::Other => "cancel",
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "item-not-found" => Self::ItemNotFound,
            // COMPAT(ejabberd): `not-allowed` is its answer for a host it does not serve.
            "not-allowed" => Self::ItemNotFound,
            "remote-connection-failed" => Self::RemoteConnectionFailed,
            "remote-server-not-found" => Self::RemoteServerNotFound,
            "remote-server-timeout" => Self::RemoteServerTimeout,
            "policy-violation" => Self::PolicyViolation,
            "not-authorized" => Self::NotAuthorized,
            "forbidden" => Self::Forbidden,
            "not-acceptable" => Self::NotAcceptable,
            "resource-constraint" => Self::ResourceConstraint,
            "internal-server-error" => Self::InternalServerError,
            _ => Self::Other,
        }
    }
}

fn domain(element: &Element, name: &str) -> Result<Domain, StreamError> {
    element
        .attr(name)
        .and_then(|value| Domain::parse(value).ok())
        .ok_or_else(|| StreamCondition::ImproperAddressing.into())
}

fn id(element: &Element) -> Result<Box<str>, StreamError> {
    match element.attr("id") {
        Some(id) if !id.is_empty() && id.len() <= ID_BYTES_MAX => Ok(id.into()),
        _ => Err(StreamError::with_text(StreamCondition::BadFormat, "missing or unusable id")),
    }
}

/// The trimmed key; empty when there is none or it is longer than any key is.
fn key(element: &Element) -> Box<str> {
    let text = element.text();
    let key = text.trim();
    if key.len() <= KEY_BYTES_MAX { key.into() } else { "".into() }
}

fn answer(element: &Element) -> Result<Option<Answer>, StreamError> {
    match element.attr("type") {
        None => Ok(None),
        Some("valid") => Ok(Some(Answer::Valid)),
        Some("invalid") => Ok(Some(Answer::Invalid)),
        Some("error") => {
            let error = element.children().find(|child| child.name() == "error");
            let condition = error.and_then(|error| {
                error
                    .children()
                    .find(|child| child.namespace() == ns::STANZA_ERRORS && child.name() != "text")
            });
            let condition = condition.map_or(DialbackCondition::Other, |child| {
                DialbackCondition::from_name(child.name())
            });
            Ok(Some(Answer::Error(condition)))
        }
        // No such type exists; an answer it is anyway, and not a good one.
        Some(_) => Ok(Some(Answer::Error(DialbackCondition::Other))),
    }
}
