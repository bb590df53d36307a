//! Walking over the tags of a frame that has been checked, with namespaces resolved: the slow path, for trees and for rewriting.

use std::borrow::Cow;
use std::ops::Range;

use xmlparser::{ElementEnd, StrSpan, Token, Tokenizer};

use crate::error::{FrameError, Reason};
use crate::frame::Frame;
use crate::namespaces::{self, HeaderScope};
use crate::value;

/// A step of the walk. An empty-element tag is a `Start` and an `End`.
pub(crate) enum Event<'a> {
    Start(Start<'a>),
    Text(Cow<'a, str>),
    End,
}

/// A start tag.
pub(crate) struct Start<'a> {
    pub(crate) local: &'a str,
    pub(crate) namespace: Cow<'a, str>,
    pub(crate) origin: Origin<'a>,
    /// Without namespace declarations.
    pub(crate) attributes: Vec<Attribute<'a>>,
}

pub(crate) struct Attribute<'a> {
    pub(crate) local: &'a str,
    pub(crate) namespace: Cow<'a, str>,
    pub(crate) origin: Origin<'a>,
    pub(crate) value: Cow<'a, str>,
}

/// What binds the prefix (or the absence of one) of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin<'a> {
    /// The declaration with this number, counted through the frame.
    Declaration(usize),
    /// The stream header, for this prefix.
    Header(&'a str),
    /// The default namespace of the stream, or none at all, or `xml`.
    Stream,
}

/// The walk.
pub(crate) struct Tokens<'a> {
    tokenizer: Tokenizer<'a>,
    scope: Option<&'a HeaderScope>,
    default: &'a str,
    in_scope: Vec<Declared<'a>>,
    /// For each open element, how many declarations were in scope around it.
    marks: Vec<usize>,
    declarations: Vec<Range<usize>>,
    pending_end: bool,
}

#[derive(Clone)]
struct Declared<'a> {
    prefix: &'a str,
    name: Cow<'a, str>,
    number: usize,
}

/// Attributes of the tag being read, as written.
type Written<'a> = (StrSpan<'a>, StrSpan<'a>, StrSpan<'a>);

const DISAGREEMENT: FrameError = FrameError::NotWellFormed(Reason::Syntax);

impl<'a> Tokens<'a> {
    pub(crate) fn new(frame: &'a Frame) -> Tokens<'a> {
        let source = frame.as_str();
        Tokens {
            tokenizer: Tokenizer::from_fragment(source, 0..source.len()),
            scope: frame.scope(),
            default: frame.inherited_default(),
            in_scope: Vec::new(),
            marks: Vec::new(),
            declarations: Vec::new(),
            pending_end: false,
        }
    }

    /// Where the value of each namespace declaration met so far stands, by its number.
    pub(crate) fn declarations(&self) -> &[Range<usize>] {
        &self.declarations
    }

    pub(crate) fn next(&mut self) -> Result<Option<Event<'a>>, FrameError> {
        if std::mem::take(&mut self.pending_end) {
            return Ok(Some(self.end()));
        }
        let Some(token) = self.tokenizer.next() else {
            return Ok(None);
        };
        match token.map_err(|_| DISAGREEMENT)? {
            Token::ElementStart { prefix, local, .. } => self.start(prefix, local).map(Some),
            Token::ElementEnd { end: ElementEnd::Close(..), .. } => Ok(Some(self.end())),
            Token::Text { text } => Ok(Some(Event::Text(value::text(text.as_str())))),
            Token::Cdata { text, .. } => Ok(Some(Event::Text(value::cdata(text.as_str())))),
            _ => Err(DISAGREEMENT),
        }
    }

    fn end(&mut self) -> Event<'a> {
        let mark = self.marks.pop().unwrap_or(0);
        self.in_scope.truncate(mark);
        Event::End
    }

    fn start(&mut self, prefix: StrSpan<'a>, local: StrSpan<'a>) -> Result<Event<'a>, FrameError> {
        self.marks.push(self.in_scope.len());
        let mut written: Vec<Written<'a>> = Vec::new();
        loop {
            match self.tokenizer.next().ok_or(DISAGREEMENT)?.map_err(|_| DISAGREEMENT)? {
                Token::Attribute { prefix, local, value, .. } => {
                    match (prefix.as_str(), local.as_str()) {
                        ("", "xmlns") => self.declare("", value),
                        ("xmlns", name) => self.declare(name, value),
                        _ => written.push((prefix, local, value)),
                    }
                }
                Token::ElementEnd { end: ElementEnd::Open, .. } => break,
                Token::ElementEnd { end: ElementEnd::Empty, .. } => {
                    self.pending_end = true;
                    break;
                }
                _ => return Err(DISAGREEMENT),
            }
        }
        let (namespace, origin) = self.resolve(prefix.as_str())?;
        let mut attributes = Vec::with_capacity(written.len());
        for (prefix, local, raw) in written {
            let (namespace, origin) = match prefix.as_str() {
                "" => (Cow::Borrowed(""), Origin::Stream),
                prefix => self.resolve(prefix)?,
            };
            let value = value::attribute(raw.as_str());
            attributes.push(Attribute { local: local.as_str(), namespace, origin, value });
        }
        Ok(Event::Start(Start { local: local.as_str(), namespace, origin, attributes }))
    }

    fn declare(&mut self, prefix: &'a str, written: StrSpan<'a>) {
        let number = self.declarations.len();
        self.declarations.push(written.range());
        self.in_scope.push(Declared { prefix, name: value::attribute(written.as_str()), number });
    }

    fn resolve(&self, prefix: &'a str) -> Result<(Cow<'a, str>, Origin<'a>), FrameError> {
        if prefix == "xml" {
            return Ok((Cow::Borrowed(namespaces::XML), Origin::Stream));
        }
        if let Some(found) = self.in_scope.iter().rev().find(|declared| declared.prefix == prefix) {
            return Ok((found.name.clone(), Origin::Declaration(found.number)));
        }
        if prefix.is_empty() {
            return Ok((Cow::Borrowed(self.default), Origin::Stream));
        }
        let binding = self.scope.and_then(|scope| scope.binding(prefix.as_bytes()));
        binding
            .map(|binding| (Cow::Borrowed(&*binding.name), Origin::Header(prefix)))
            .ok_or(FrameError::BadNamespacePrefix)
    }
}
