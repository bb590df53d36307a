//! Stream errors: those we send, and those we receive.
//!
//! A stream error ends the stream. It never converts silently into a stanza error or an I/O error; the one map from the
//! framer's refusals to wire conditions is the `From<FrameError>` below and it is total.

use std::borrow::Cow;
use std::fmt;

use xmpp_frame::{Element, FrameError, Limit};

pub use crate::condition::StreamCondition;
use crate::ns;

/// A stream error we send: one of the conditions of RFC 6120 §4.9.3, an optional text for the peer's administrator, an
/// optional application condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamError {
    condition: StreamCondition,
    text: Option<Cow<'static, str>>,
    application: Option<ApplicationCondition>,
}

/// An application-specific condition beside the defined one (RFC 6120 §4.9.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApplicationCondition {
    /// `<stanza-too-big xmlns='urn:xmpp:errors'/>` (XEP-0205).
    StanzaTooBig,
}

impl StreamError {
    /// An error without text.
    #[must_use]
    pub const fn new(condition: StreamCondition) -> Self {
        Self { condition, text: None, application: None }
    }

    /// An error with a text for the peer's administrator; no names or addresses of third parties belong in it.
    #[must_use]
    pub fn with_text(condition: StreamCondition, text: impl Into<Cow<'static, str>>) -> Self {
        Self { condition, text: Some(text.into()), application: None }
    }

    /// The same error with an application condition.
    #[must_use]
    pub fn and(mut self, application: ApplicationCondition) -> Self {
        self.application = Some(application);
        self
    }

    /// The defined condition.
    #[must_use]
    pub const fn condition(&self) -> StreamCondition {
        self.condition
    }

    /// The text, if there is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Appends `<stream:error>…</stream:error>`; the stream header declares the prefix.
    pub(crate) fn write(&self, out: &mut String) {
        out.push_str("<stream:error><");
        out.push_str(self.condition.name());
        out.push_str(" xmlns='");
        out.push_str(ns::STREAM_ERRORS);
        out.push_str("'/>");
        if let Some(text) = &self.text {
            // RFC 6120 §4.9.2: the text element comes after the defined condition.
            out.push_str("<text xmlns='");
            out.push_str(ns::STREAM_ERRORS);
            out.push_str("' xml:lang='en'>");
            crate::wire::push_escaped(text, out);
            out.push_str("</text>");
        }
        match self.application {
            Some(ApplicationCondition::StanzaTooBig) => {
                out.push_str("<stanza-too-big xmlns='");
                out.push_str(ns::APPLICATION_ERRORS);
                out.push_str("'/>");
            }
            None => {}
        }
        out.push_str("</stream:error>");
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.condition.name())?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StreamError {}

impl From<StreamCondition> for StreamError {
    fn from(condition: StreamCondition) -> Self {
        Self::new(condition)
    }
}

/// A stream error a peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedError {
    /// The condition; unknown ones count as `undefined-condition`.
    pub condition: StreamCondition,
    /// The peer's text, cut to 256 characters and stripped of control characters.
    pub text: Option<Box<str>>,
}

impl ReceivedError {
    /// Reads the children of `<stream:error/>`.
    pub(crate) fn read(error: &Element) -> Self {
        let mut conditions =
            error.children().filter(|child| child.namespace() == ns::STREAM_ERRORS);
        let named = conditions.find_map(|child| StreamCondition::from_name(child.name()));
        let text = error
            .child("text", ns::STREAM_ERRORS)
            .map(Element::text)
            .filter(|text| !text.trim().is_empty());
        Self {
            condition: named.unwrap_or(StreamCondition::UndefinedCondition),
            text: text.map(|text| crate::wire::readable(&text, 256)),
        }
    }
}

impl fmt::Display for ReceivedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.condition.name())?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

/// The one map from what the framer refuses to what goes on the wire.
impl From<FrameError> for StreamError {
    fn from(error: FrameError) -> Self {
        let condition = match error {
            FrameError::NotWellFormed(_) => StreamCondition::NotWellFormed,
            FrameError::RestrictedXml(_) => StreamCondition::RestrictedXml,
            FrameError::BadNamespacePrefix => StreamCondition::BadNamespacePrefix,
            FrameError::InvalidNamespace => StreamCondition::InvalidNamespace,
            FrameError::NotAStream => StreamCondition::BadFormat,
            FrameError::UnsupportedEncoding | FrameError::InvalidUtf8 => {
                StreamCondition::UnsupportedEncoding
            }
            FrameError::LimitExceeded(_) => StreamCondition::PolicyViolation,
            // The enum may grow; what we cannot name is still a refusal of what the peer sent.
            _ => StreamCondition::BadFormat,
        };
        let sent = Self::with_text(condition, error.text());
        match error {
            // XEP-0205 §3: a stanza that is too big is named as such.
            FrameError::LimitExceeded(Limit::ElementBytes) => {
                sent.and(ApplicationCondition::StanzaTooBig)
            }
            _ => sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_is_written_and_read_by_its_name() {
        for condition in StreamCondition::ALL {
            assert_eq!(StreamCondition::from_name(condition.name()), Some(condition));
        }
    }

    #[test]
    fn names_of_rfc_3920_are_understood() {
        assert_eq!(
            StreamCondition::from_name("xml-not-well-formed"),
            Some(StreamCondition::NotWellFormed)
        );
        assert_eq!(StreamCondition::from_name("invalid-id"), Some(StreamCondition::InvalidFrom));
        assert_eq!(StreamCondition::from_name("text"), None);
    }

    #[test]
    fn an_error_is_written_with_condition_text_and_application_condition() {
        let mut out = String::new();
        let error: StreamError = FrameError::LimitExceeded(Limit::ElementBytes).into();
        error.write(&mut out);
        assert_eq!(
            out,
            "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>element too long</text>\
             <stanza-too-big xmlns='urn:xmpp:errors'/></stream:error>"
        );
    }
}
