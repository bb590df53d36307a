//! The scan: one pass over the bytes that finds tags and checks every character, and that can stop after any byte.
//!
//! A state machine with one state per place in the grammar where the bytes may run out. What has been read of a token is kept as
//! positions, never copied; a token that is cut in two is gone on with where it stopped, so feeding a byte at a time costs the same
//! number of steps as feeding everything at once. The one exception is a character of several bytes, which is looked at again
//! until it is complete.
//!
//! Nothing here looks ahead: whether the next byte has arrived can change when an error is found, never which one.

mod bytes;
mod text;

use ::bytes::Bytes;

use self::bytes::{Class, class, decode, ends_ascii_name, is_space, stops_value};
use crate::declaration;
use crate::error::{FrameError, Limit, Reason, Restricted};
use crate::frame::Facts;
use crate::header::Header;
use crate::limits::Limits;
use crate::names;
use crate::namespaces::{HeaderScope, Span};
use crate::tag::{Name, Tags};

/// What the scan came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The bytes ran out.
    More,
    /// The header ends at [`Scanner::position`].
    Header,
    /// A first-level element ends there.
    Element,
    /// The end tag of the root ends there.
    Close,
}

/// Where in the grammar the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The very first bytes of a stream, where a byte order mark may stand: RFC 6120 §11.6 forbids to send one, XML parsers accept it.
    Start,
    /// Outside first-level elements.
    Between,
    /// After `<`.
    Open,
    /// After `<!`.
    Bang,
    /// In `<![CDATA[`, from `mark`.
    CdataStart,
    Cdata,
    /// In `<?` at the start of a stream, from `mark`.
    Declaration,
    /// In the name of a start tag.
    ElementName,
    /// In a start tag, between attributes.
    Tag,
    AttributeName,
    /// Before the `=` of an attribute.
    Equals,
    /// Before the quote of an attribute value.
    Quote,
    Value,
    /// After the `/` of an empty-element tag.
    Slash,
    EndName,
    /// Before the `>` of an end tag.
    EndTag,
    Text,
    /// After `&`, whose next byte is at `reference_start`.
    Reference,
    /// After `&#`.
    NumberStart,
    /// In the digits of a character reference.
    Number,
}

/// A character reference on its way.
#[derive(Clone, Copy, Debug, Default)]
struct Number {
    code: u32,
    is_hexadecimal: bool,
    has_digits: bool,
}

/// The scanner of one stream. All positions are from the first byte of the item.
#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    position: usize,
    /// Start of the token being read.
    mark: usize,
    /// The colon of the name being read; 0 for none.
    colon: usize,
    /// The name of the tag being read.
    element: Name,
    attribute: Name,
    /// The quote of the value being read; 0 outside values.
    quote: u8,
    /// White space was read since the last name or value.
    spaced: bool,
    /// The value being read has to be unescaped or normalised.
    dirty: bool,
    reference_start: usize,
    number: Number,
    /// Where an XML declaration may stand.
    start: usize,
    tags: Tags,
}

type Flow = Result<Option<Step>, FrameError>;

const GO_ON: Flow = Ok(None);
const MORE: Flow = Ok(Some(Step::More));

const fn malformed(reason: Reason) -> FrameError {
    FrameError::NotWellFormed(reason)
}

impl Scanner {
    pub(crate) fn new() -> Scanner {
        Scanner {
            state: State::Start,
            position: 0,
            mark: 0,
            colon: 0,
            element: Name::EMPTY,
            attribute: Name::EMPTY,
            quote: 0,
            spaced: false,
            dirty: false,
            reference_start: 0,
            number: Number::default(),
            start: 0,
            tags: Tags::default(),
        }
    }

    /// Ready for the next element.
    pub(crate) fn next_element(&mut self) {
        self.tags.reset();
        self.position = 0;
        self.quote = 0;
        self.state = State::Between;
    }

    /// Ready for another stream.
    pub(crate) fn restart(&mut self) {
        self.next_element();
        self.start = 0;
        self.state = State::Start;
    }

    /// Gives back the memory of the stacks.
    pub(crate) fn shrink(&mut self) {
        self.tags = Tags::default();
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Nothing of an item has been read.
    pub(crate) fn is_between(&self) -> bool {
        self.position == 0
    }

    pub(crate) fn facts(&self) -> Facts {
        self.tags.facts()
    }

    pub(crate) fn header(&self, bytes: Bytes) -> Result<Header, FrameError> {
        self.tags.header(bytes)
    }

    /// Goes on scanning `item`, which begins with the bytes of the calls before. Without a scope the root element is expected.
    pub(crate) fn scan(
        &mut self,
        item: &[u8],
        limits: &Limits,
        scope: Option<&HeaderScope>,
    ) -> Result<Step, FrameError> {
        loop {
            let flow = match self.state {
                State::Start => self.start(item),
                State::Between => self.between(item),
                State::Open => self.open(item, scope),
                State::Bang => self.bang(item),
                State::CdataStart => self.cdata_start(item),
                State::Cdata => self.cdata(item),
                State::Declaration => self.declaration(item),
                State::ElementName | State::AttributeName | State::EndName => {
                    self.name(item, limits)
                }
                State::Tag => self.tag(item, limits, scope),
                State::Equals => self.equals(item),
                State::Quote => self.quote(item),
                State::Value => self.value(item, limits),
                State::Slash => self.slash(item, limits, scope),
                State::EndTag => self.end_tag(item, scope),
                State::Text => self.text(item),
                State::Reference => self.reference(item),
                State::NumberStart | State::Number => self.number(item),
            };
            if let Some(step) = flow? {
                return Ok(step);
            }
        }
    }

    fn peek(&self, item: &[u8]) -> Option<u8> {
        item.get(self.position).copied()
    }

    fn advance(&mut self, state: State) -> Flow {
        self.position += 1;
        self.state = state;
        GO_ON
    }

    /// Skips the bytes before the first that `stops`, or all that arrived.
    #[inline]
    fn skip(&mut self, item: &[u8], stops: impl Fn(u8) -> bool) {
        let rest = item.get(self.position..).unwrap_or_default();
        self.position += rest.iter().position(|&byte| stops(byte)).unwrap_or(rest.len());
    }

    /// Skips characters beyond ASCII; false when the last one has not arrived completely. An ASCII control here is illegal: the
    /// callers have dealt with those that are not.
    fn beyond_ascii(&mut self, item: &[u8]) -> Result<bool, FrameError> {
        let mut rest = item.get(self.position..).unwrap_or_default();
        if rest.first().is_some_and(|&byte| byte < 0x20) {
            return Err(malformed(Reason::IllegalCharacter));
        }
        loop {
            let len = match *rest {
                [0xC2..=0xDF, 0x80..=0xBF, ..] => 2,
                // Without the leads whose second byte is limited, and without the one of U+FFFE.
                [0xE1..=0xEC | 0xEE, 0x80..=0xBF, 0x80..=0xBF, ..] => 3,
                [0x80..=0xFF, ..] => match decode(rest)? {
                    Some((_, len)) => len,
                    None => return Ok(false),
                },
                _ => return Ok(true),
            };
            self.position += len;
            rest = rest.get(len..).unwrap_or_default();
        }
    }

    /// Skips white space; the byte after it, if it has arrived.
    fn skip_space(&mut self, item: &[u8]) -> Option<u8> {
        loop {
            let byte = self.peek(item)?;
            if !is_space(byte) {
                return Some(byte);
            }
            self.position += 1;
            self.spaced = true;
        }
    }
}

/// Outside and at the start of markup.
impl Scanner {
    fn start(&mut self, item: &[u8]) -> Flow {
        if self.peek(item) == Some(0xEF) {
            let Some((character, len)) = decode(item)? else { return MORE };
            if character != '\u{FEFF}' {
                return Err(malformed(Reason::TextOutsideElement));
            }
            self.position = len;
        }
        self.start = self.position;
        self.state = State::Between;
        GO_ON
    }

    fn between(&mut self, item: &[u8]) -> Flow {
        match self.skip_space(item) {
            None => MORE,
            Some(b'<') => self.advance(State::Open),
            Some(byte) if byte < 0x80 => Err(malformed(Reason::TextOutsideElement)),
            Some(_) => match decode(item.get(self.position..).unwrap_or_default())? {
                Some(_) => Err(malformed(Reason::TextOutsideElement)),
                None => MORE,
            },
        }
    }

    fn open(&mut self, item: &[u8], scope: Option<&HeaderScope>) -> Flow {
        self.mark = self.position;
        self.colon = 0;
        match self.peek(item) {
            None => MORE,
            Some(b'/') => {
                self.mark += 1;
                self.advance(State::EndName)
            }
            Some(b'!') => self.advance(State::Bang),
            // RFC 6120 §11.1, §11.5: the declaration opens a stream and stands nowhere else.
            Some(b'?') if scope.is_none() && self.position == self.start + 1 => {
                self.advance(State::Declaration)
            }
            Some(b'?') => Err(FrameError::RestrictedXml(Restricted::ProcessingInstruction)),
            Some(_) => {
                self.tags.begin();
                self.state = State::ElementName;
                GO_ON
            }
        }
    }

    fn bang(&mut self, item: &[u8]) -> Flow {
        match self.peek(item) {
            None => MORE,
            Some(b'-') => Err(FrameError::RestrictedXml(Restricted::Comment)),
            // `<!DOCTYPE`, and `<!ELEMENT`, `<!ATTLIST`, `<!ENTITY`, `<!NOTATION` of its inside.
            Some(b'D' | b'E' | b'A' | b'N') => Err(FrameError::RestrictedXml(Restricted::Dtd)),
            Some(b'[') if self.tags.is_inside() => {
                self.mark = self.position;
                self.advance(State::CdataStart)
            }
            Some(_) => Err(malformed(Reason::Syntax)),
        }
    }

    fn declaration(&mut self, item: &[u8]) -> Flow {
        let rest = item.get(self.position..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'>', rest) else {
            self.position += rest.len();
            return MORE;
        };
        self.position += end + 1;
        declaration::check(item.get(self.start..self.position).unwrap_or_default())?;
        self.state = State::Between;
        GO_ON
    }
}

/// Tags.
impl Scanner {
    /// A name, NCName or two of them with a colon between (Namespaces in XML §4).
    fn name(&mut self, item: &[u8], limits: &Limits) -> Flow {
        const BAD: FrameError = malformed(Reason::Name);
        loop {
            let begins =
                self.position == self.mark || self.position == self.colon + 1 && self.colon != 0;
            if !begins {
                self.skip(item, ends_ascii_name);
                if self.position - self.mark > limits.name_bytes {
                    return Err(FrameError::LimitExceeded(Limit::NameBytes));
                }
            }
            let Some(byte) = self.peek(item) else { return MORE };
            let len = match class(byte) {
                Class::NameStart => 1,
                Class::NameRest if begins => return Err(BAD),
                Class::NameRest => 1,
                Class::Colon if begins || self.colon != 0 => return Err(BAD),
                Class::Colon => {
                    self.colon = self.position;
                    1
                }
                Class::High => {
                    let Some((character, len)) =
                        decode(item.get(self.position..).unwrap_or_default())?
                    else {
                        return MORE;
                    };
                    let is_legal = if begins {
                        names::is_name_start(character)
                    } else {
                        names::is_name_char(character)
                    };
                    if !is_legal {
                        return Err(BAD);
                    }
                    len
                }
                Class::Other if begins => return Err(BAD),
                Class::Other => break,
            };
            self.position += len;
            if self.position - self.mark > limits.name_bytes {
                return Err(FrameError::LimitExceeded(Limit::NameBytes));
            }
        }
        self.name_is_complete();
        GO_ON
    }

    fn name_is_complete(&mut self) {
        let name = Name { start: self.mark, end: self.position, colon: self.colon };
        self.spaced = false;
        self.state = match self.state {
            State::AttributeName => {
                self.attribute = name;
                State::Equals
            }
            State::EndName => {
                self.element = name;
                State::EndTag
            }
            _ => {
                self.element = name;
                State::Tag
            }
        };
    }

    fn tag(&mut self, item: &[u8], limits: &Limits, scope: Option<&HeaderScope>) -> Flow {
        match self.skip_space(item) {
            None => MORE,
            Some(b'>') => self.start_tag_ends(item, false, limits, scope),
            Some(b'/') => self.advance(State::Slash),
            Some(_) if !self.spaced => Err(malformed(Reason::MissingSpace)),
            Some(_) => {
                self.mark = self.position;
                self.colon = 0;
                self.state = State::AttributeName;
                GO_ON
            }
        }
    }

    fn equals(&mut self, item: &[u8]) -> Flow {
        match self.skip_space(item) {
            None => MORE,
            Some(b'=') => self.advance(State::Quote),
            Some(_) => Err(malformed(Reason::Syntax)),
        }
    }

    fn quote(&mut self, item: &[u8]) -> Flow {
        match self.skip_space(item) {
            None => MORE,
            Some(quote @ (b'\'' | b'"')) => {
                self.quote = quote;
                self.dirty = false;
                self.mark = self.position + 1;
                self.advance(State::Value)
            }
            Some(_) => Err(malformed(Reason::AttributeValue)),
        }
    }

    fn value(&mut self, item: &[u8], limits: &Limits) -> Flow {
        loop {
            self.skip(item, stops_value);
            match self.peek(item) {
                None => return MORE,
                Some(byte) if byte == self.quote => break,
                Some(b'\'' | b'"') => self.position += 1,
                Some(b'<') => return Err(malformed(Reason::AttributeValue)),
                Some(b'&') => {
                    self.dirty = true;
                    return self.begin_reference();
                }
                Some(b'\t' | b'\n' | b'\r') => {
                    self.dirty = true;
                    self.position += 1;
                }
                Some(_) => {
                    if !self.beyond_ascii(item)? {
                        return MORE;
                    }
                }
            }
        }
        self.tags.attribute(
            self.attribute,
            Span::new(self.mark, self.position, self.dirty),
            limits,
        )?;
        self.spaced = false;
        self.quote = 0;
        self.advance(State::Tag)
    }

    fn slash(&mut self, item: &[u8], limits: &Limits, scope: Option<&HeaderScope>) -> Flow {
        match self.peek(item) {
            None => MORE,
            Some(b'>') => self.start_tag_ends(item, true, limits, scope),
            Some(_) => Err(malformed(Reason::Syntax)),
        }
    }

    fn start_tag_ends(
        &mut self,
        item: &[u8],
        is_empty: bool,
        limits: &Limits,
        scope: Option<&HeaderScope>,
    ) -> Flow {
        self.position += 1;
        match scope {
            None => {
                self.tags.root(item, self.element, limits)?;
                if is_empty { Err(malformed(Reason::EmptyStream)) } else { Ok(Some(Step::Header)) }
            }
            Some(scope) => {
                self.tags.start(item, self.element, is_empty, scope, limits)?;
                self.element_or_text()
            }
        }
    }

    fn end_tag(&mut self, item: &[u8], scope: Option<&HeaderScope>) -> Flow {
        match self.skip_space(item) {
            None => return MORE,
            Some(b'>') => self.position += 1,
            Some(_) => return Err(malformed(Reason::Syntax)),
        }
        match scope {
            Some(_) if self.tags.is_inside() => {
                self.tags.end(item, self.element)?;
                self.element_or_text()
            }
            Some(scope) => {
                self.tags.end_root(item, self.element, scope)?;
                Ok(Some(Step::Close))
            }
            None => Err(malformed(Reason::MismatchedTag)),
        }
    }

    fn element_or_text(&mut self) -> Flow {
        if self.tags.is_inside() {
            self.state = State::Text;
            GO_ON
        } else {
            Ok(Some(Step::Element))
        }
    }
}
