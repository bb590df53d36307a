//! Character data and references: the scan between tags, and inside attribute values for `&`.

use super::bytes::{Class, class, decode, is_char, stops_text};
use super::{Flow, GO_ON, MORE, Number, Scanner, State, malformed};
use crate::error::{FrameError, Reason, Restricted};
use crate::names;

/// Character data.
impl Scanner {
    pub(super) fn text(&mut self, item: &[u8]) -> Flow {
        loop {
            self.skip(item, stops_text);
            match self.peek(item) {
                None => return MORE,
                Some(b'<') => return self.advance(State::Open),
                Some(b'&') => return self.begin_reference(),
                Some(b'>') if self.follows_brackets(item) => {
                    return Err(malformed(Reason::CdataEndInText));
                }
                Some(b'>') => self.position += 1,
                Some(_) => {
                    if !self.beyond_ascii(item)? {
                        return MORE;
                    }
                }
            }
        }
    }

    pub(super) fn cdata_start(&mut self, item: &[u8]) -> Flow {
        const REST: &[u8] = b"[CDATA[";
        loop {
            let Some(&expected) = REST.get(self.position - self.mark) else {
                self.state = State::Cdata;
                return GO_ON;
            };
            match self.peek(item) {
                None => return MORE,
                Some(byte) if byte == expected => self.position += 1,
                Some(_) => return Err(malformed(Reason::Syntax)),
            }
        }
    }

    pub(super) fn cdata(&mut self, item: &[u8]) -> Flow {
        loop {
            self.skip(item, stops_text);
            match self.peek(item) {
                None => return MORE,
                Some(b'>') if self.follows_brackets(item) => return self.advance(State::Text),
                Some(b'<' | b'&' | b'>') => self.position += 1,
                Some(_) => {
                    if !self.beyond_ascii(item)? {
                        return MORE;
                    }
                }
            }
        }
    }

    /// Whether `]]` stands right before. Both brackets are of the same text or section: all markup before a text ends with `>` or `;`, and
    /// a section begins with `[`.
    fn follows_brackets(&self, item: &[u8]) -> bool {
        item.get(self.position.saturating_sub(2)..self.position) == Some(b"]]".as_slice())
    }

    pub(super) fn begin_reference(&mut self) -> Flow {
        self.reference_start = self.position + 1;
        self.advance(State::Reference)
    }

    fn end_reference(&mut self) -> Flow {
        // Text only stands inside an element whose tag is complete, and then no attribute is being read.
        self.advance(if self.quote == 0 { State::Text } else { State::Value })
    }

    /// One of the five entities (XML 1.0 §4.6). Others could be declared in a DTD only, and there is none.
    pub(super) fn reference(&mut self, item: &[u8]) -> Flow {
        const ENTITIES: [&[u8]; 5] = [b"amp;", b"lt;", b"gt;", b"apos;", b"quot;"];
        loop {
            let Some(byte) = self.peek(item) else { return MORE };
            let begins = self.position == self.reference_start;
            if begins && byte == b'#' {
                self.number = Number::default();
                return self.advance(State::NumberStart);
            }
            let read = item.get(self.reference_start..=self.position).unwrap_or_default();
            if !ENTITIES.iter().any(|entity| entity.starts_with(read)) {
                let is_named = match class(byte) {
                    Class::NameStart => true,
                    Class::High => {
                        let rest = item.get(self.position..).unwrap_or_default();
                        let Some((character, _)) = decode(rest)? else { return MORE };
                        names::is_name_start(character) || !begins && names::is_name_char(character)
                    }
                    Class::NameRest | Class::Colon => !begins,
                    Class::Other => !begins && byte == b';',
                };
                let entity = FrameError::RestrictedXml(Restricted::Entity);
                return Err(if is_named { entity } else { malformed(Reason::Reference) });
            }
            if byte == b';' {
                return self.end_reference();
            }
            self.position += 1;
        }
    }

    /// `&#` digits `;` or `&#x` hexadecimal digits `;` (XML 1.0 §4.1).
    pub(super) fn number(&mut self, item: &[u8]) -> Flow {
        loop {
            let Some(byte) = self.peek(item) else { return MORE };
            if self.state == State::NumberStart {
                self.state = State::Number;
                if byte == b'x' {
                    self.number.is_hexadecimal = true;
                    self.position += 1;
                    continue;
                }
            }
            if byte == b';' && self.number.has_digits {
                let is_legal = char::from_u32(self.number.code).is_some_and(is_char);
                return if is_legal {
                    self.end_reference()
                } else {
                    Err(malformed(Reason::IllegalCharacter))
                };
            }
            let radix = if self.number.is_hexadecimal { 16 } else { 10 };
            let digit = char::from(byte).to_digit(radix).ok_or(malformed(Reason::Reference))?;
            self.number.code = self.number.code.saturating_mul(radix).saturating_add(digit);
            self.number.has_digits = true;
            self.position += 1;
        }
    }
}
