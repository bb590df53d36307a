//! The scan: it finds tags and checks every character in one pass over the bytes, and can stop after any byte.
//!
//! A state machine with one state per place in the grammar where the bytes may run out. What has been read of a token is kept as
//! positions, never copied; a token that is cut in two is gone on with where it stopped, so feeding a byte at a time costs the same
//! number of steps as feeding everything at once. The one exception is a character of several bytes, which is looked at again
//! until it is complete. The state machine does not look ahead: whether the next byte has arrived can change when an error is found, never
//! which one.
//!
//! It reads what [`fast`] does not: that goes through plain tags and text by vectors, where enough bytes have arrived, and hands over the rest.

mod bytes;
mod fast;
mod tags;
mod text;
pub(crate) mod vector;

use ::bytes::Bytes;

use self::bytes::decode;
pub(crate) use self::bytes::is_space;
use self::fast::Fast;
use self::vector::Vectors;
use crate::content::Content;
use crate::declaration;
use crate::error::{FrameError, Reason, Restricted};
use crate::frame::Facts;
use crate::header::Header;
use crate::limits::Limits;
use crate::name::Name;
use crate::namespaces::HeaderScope;
use crate::tag::Tags;

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
    vectors: Vectors,
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

/// With fewer bytes to read, setting the fast path up costs more than it saves. No name that it takes is longer.
const FAST_BYTES: usize = 32;

type Flow = Result<Option<Step>, FrameError>;

const GO_ON: Flow = Ok(None);
const MORE: Flow = Ok(Some(Step::More));

const fn malformed(reason: Reason) -> FrameError {
    FrameError::NotWellFormed(reason)
}

impl Scanner {
    pub(crate) fn new(vectors: Vectors) -> Scanner {
        Scanner {
            vectors,
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

    /// Ready for the next element of a stream with this content namespace.
    pub(crate) fn next_element(&mut self, content: Option<Content>) {
        self.tags.reset(content);
        self.position = 0;
        self.quote = 0;
        self.state = State::Between;
    }

    /// Ready for another stream.
    pub(crate) fn restart(&mut self) {
        self.next_element(None);
        self.start = 0;
        self.state = State::Start;
    }

    /// Gives back the memory of the stacks.
    pub(crate) fn shrink(&mut self) {
        self.tags.shrink();
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
    #[inline]
    pub(crate) fn scan(
        &mut self,
        item: &[u8],
        limits: &Limits,
        scope: Option<&HeaderScope>,
    ) -> Result<Step, FrameError> {
        loop {
            if self.does_fast_path_complete(item, limits, scope) {
                return Ok(Step::Element);
            }
            if let Some(step) = self.step(item, limits, scope)? {
                return Ok(step);
            }
        }
    }

    /// Goes through character data and whole tags, when such may come; whether that was the whole element.
    #[inline(always)]
    fn does_fast_path_complete(
        &mut self,
        item: &[u8],
        limits: &Limits,
        scope: Option<&HeaderScope>,
    ) -> bool {
        if let (State::Text | State::Between, Some(scope)) = (self.state, scope)
            // A limit that was lowered meanwhile may end the item before the position.
            && item.len().saturating_sub(self.position) >= FAST_BYTES
            && limits.name_bytes >= FAST_BYTES
        {
            self.vectors.run(Fast { scanner: self, item, limits, scope })
        } else {
            false
        }
    }

    /// Reads on in the place of the grammar where it stands.
    #[inline(never)]
    fn step(&mut self, item: &[u8], limits: &Limits, scope: Option<&HeaderScope>) -> Flow {
        match self.state {
            State::Start => self.start(item),
            State::Between => self.between(item),
            State::Open => self.open(item, scope),
            State::Bang => self.bang(item),
            State::CdataStart => self.cdata_start(item),
            State::Cdata => self.cdata(item),
            State::Declaration => self.declaration(item),
            State::ElementName | State::AttributeName | State::EndName => self.name(item, limits),
            State::Tag => self.tag(item, limits, scope),
            State::Equals => self.equals(item),
            State::Quote => self.quote(item),
            State::Value => self.value(item, limits),
            State::Slash => self.slash(item, limits, scope),
            State::EndTag => self.end_tag(item, scope),
            State::Text => self.text(item),
            State::Reference => self.reference(item),
            State::NumberStart | State::Number => self.number(item),
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
        if self.peek(item).is_some_and(|byte| byte < 0x20) {
            return Err(malformed(Reason::IllegalCharacter));
        }
        self.position = after_characters(item, self.position)?;
        Ok(self.peek(item).is_none_or(|byte| byte < 0x80))
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

/// Behind the characters beyond ASCII at this place that have arrived completely.
#[inline]
fn after_characters(item: &[u8], mut at: usize) -> Result<usize, FrameError> {
    let mut rest = item.get(at..).unwrap_or_default();
    loop {
        let len = match *rest {
            [0xC2..=0xDF, 0x80..=0xBF, ..] => 2,
            // Without the leads whose second byte is limited, and without the one of U+FFFE.
            [0xE1..=0xEC | 0xEE, 0x80..=0xBF, 0x80..=0xBF, ..] => 3,
            [0x80..=0xFF, ..] => match decode(rest)? {
                Some((_, len)) => len,
                None => return Ok(at),
            },
            _ => return Ok(at),
        };
        at += len;
        rest = rest.get(len..).unwrap_or_default();
    }
}

/// Outside and at the start of markup.
impl Scanner {
    fn start(&mut self, item: &[u8]) -> Flow {
        match self.peek(item) {
            None => return MORE,
            Some(0xEF) => {
                let Some((character, len)) = decode(item)? else { return MORE };
                if character != '\u{FEFF}' {
                    return Err(malformed(Reason::TextOutsideElement));
                }
                self.position = len;
            }
            Some(_) => {}
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
        let written = item.get(self.start..).unwrap_or_default();
        let begins = written.get(..5).unwrap_or(written);
        // An instruction is known by its target, before it ends.
        if !b"<?xml".starts_with(begins) || written.get(5).is_some_and(|&byte| !is_space(byte)) {
            return Err(FrameError::RestrictedXml(Restricted::ProcessingInstruction));
        }
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
