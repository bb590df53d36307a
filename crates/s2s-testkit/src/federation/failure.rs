//! Why a link of the federation was not opened, or ended.

use std::fmt;
use std::io;

use xmpp_frame::{Element, FrameError};

use super::ns;

/// Why a link was not opened, or ended before its time.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The transport failed.
    Io(io::Error),
    /// The TLS handshake failed.
    Tls(io::Error),
    /// The peer sent what a strict reader refuses.
    BadXml(FrameError),
    /// The peer ended the stream with this condition.
    StreamError(String),
    /// The peer closed without a word.
    Closed,
    /// The peer did not answer in time.
    Silent,
    /// The peer left out something that its rung demands.
    NotOffered(&'static str),
    /// The peer's certificate does not prove its name.
    Unproved,
    /// The peer refused our proof, with this condition.
    Refused(String),
    /// The peer broke the protocol.
    Protocol(&'static str),
}

impl Failure {
    pub(crate) fn from_stream_error(error: &Element) -> Failure {
        let condition = error
            .children()
            .find(|child| child.namespace() == ns::STREAM_ERRORS && child.name() != "text");
        let text = error.child("text", ns::STREAM_ERRORS).map(Element::text);
        let name = condition.map_or("without condition", Element::name);
        Failure::StreamError(
            text.map_or_else(|| name.to_owned(), |text| format!("{name} ({text})")),
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Io(error) => write!(f, "transport: {error}"),
            Failure::Tls(error) => write!(f, "TLS handshake: {error}"),
            Failure::BadXml(error) => write!(f, "bad XML: {error}"),
            Failure::StreamError(condition) => write!(f, "stream error {condition}"),
            Failure::Closed => f.write_str("closed by the peer"),
            Failure::Silent => f.write_str("no answer in time"),
            Failure::NotOffered(what) => write!(f, "{what} not offered"),
            Failure::Unproved => f.write_str("the certificate does not prove the name"),
            Failure::Refused(condition) => write!(f, "refused: {condition}"),
            Failure::Protocol(what) => write!(f, "protocol: {what}"),
        }
    }
}

impl std::error::Error for Failure {}
