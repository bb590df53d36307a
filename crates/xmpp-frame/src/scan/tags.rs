//! Tags: names, attributes, and what ends them.

use super::bytes::{Class, class, decode, ends_ascii_name, stops_value};
use super::{Flow, GO_ON, MORE, Scanner, State, Step, malformed};
use crate::error::{FrameError, Limit, Reason};
use crate::limits::Limits;
use crate::name::Name;
use crate::names;
use crate::namespaces::{HeaderScope, Span};
use crate::tag::StartTag;

impl Scanner {
    /// A name, NCName or two of them with a colon between (Namespaces in XML §4).
    pub(super) fn name(&mut self, item: &[u8], limits: &Limits) -> Flow {
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
        self.name_is_complete(item);
        GO_ON
    }

    pub(super) fn name_is_complete(&mut self, item: &[u8]) {
        let colon = self.colon.saturating_sub(self.mark);
        let name = Name::at(item, self.mark, self.position - self.mark, colon);
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

    pub(super) fn tag(
        &mut self,
        item: &[u8],
        limits: &Limits,
        scope: Option<&HeaderScope>,
    ) -> Flow {
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

    pub(super) fn equals(&mut self, item: &[u8]) -> Flow {
        match self.skip_space(item) {
            None => MORE,
            Some(b'=') => self.advance(State::Quote),
            Some(_) => Err(malformed(Reason::Syntax)),
        }
    }

    pub(super) fn quote(&mut self, item: &[u8]) -> Flow {
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

    pub(super) fn value(&mut self, item: &[u8], limits: &Limits) -> Flow {
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

    pub(super) fn slash(
        &mut self,
        item: &[u8],
        limits: &Limits,
        scope: Option<&HeaderScope>,
    ) -> Flow {
        match self.peek(item) {
            None => MORE,
            Some(b'>') => self.start_tag_ends(item, true, limits, scope),
            Some(_) => Err(malformed(Reason::Syntax)),
        }
    }

    pub(super) fn start_tag_ends(
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
                let tag = StartTag { name: self.element, is_empty, mark: self.tags.mark() };
                self.tags.start(item, tag, None, scope, limits)?;
                self.element_or_text()
            }
        }
    }

    pub(super) fn end_tag(&mut self, item: &[u8], scope: Option<&HeaderScope>) -> Flow {
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

    pub(super) fn element_or_text(&mut self) -> Flow {
        if self.tags.is_inside() {
            self.state = State::Text;
            GO_ON
        } else {
            Ok(Some(Step::Element))
        }
    }
}
