//! What single bytes and characters may do: classes, the Char production, UTF-8.

use super::malformed;
use crate::error::{FrameError, Reason};

/// What each byte may do, one bit a question: a run of ordinary bytes costs one load and one test a byte.
static BYTES: [u8; 256] = table();

const IN_NAME: u8 = 1;
const STOPS_TEXT: u8 = 2;
const STOPS_VALUE: u8 = 4;
const STARTS_NAME: u8 = 8;

#[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
const fn table() -> [u8; 256] {
    let mut bytes = [0; 256];
    let mut byte = 0u8;
    loop {
        let is_name = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let is_odd = byte >= 0x80 || byte < 0x20;
        let stops_text = matches!(byte, b'<' | b'&' | b'>') || is_odd && !is_space(byte);
        let stops_value = matches!(byte, b'<' | b'&' | b'\'' | b'"') || is_odd;
        bytes[byte as usize] = (is_name as u8 * IN_NAME)
            | (stops_text as u8 * STOPS_TEXT)
            | (stops_value as u8 * STOPS_VALUE)
            | ((byte.is_ascii_alphabetic() || byte == b'_') as u8 * STARTS_NAME);
        if byte == u8::MAX {
            return bytes;
        }
        byte += 1;
    }
}

#[inline]
fn is(byte: u8, question: u8) -> bool {
    BYTES.get(usize::from(byte)).is_some_and(|answers| answers & question != 0)
}

pub(super) fn ends_ascii_name(byte: u8) -> bool {
    !is(byte, IN_NAME)
}

#[inline(always)]
pub(super) fn starts_name(byte: u8) -> bool {
    is(byte, STARTS_NAME)
}

pub(super) fn stops_text(byte: u8) -> bool {
    is(byte, STOPS_TEXT)
}

pub(super) fn stops_value(byte: u8) -> bool {
    is(byte, STOPS_VALUE)
}

/// What a byte can be in a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    NameStart,
    NameRest,
    Colon,
    /// Part of a character beyond ASCII.
    High,
    Other,
}

pub(super) fn class(byte: u8) -> Class {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => Class::NameStart,
        b'0'..=b'9' | b'-' | b'.' => Class::NameRest,
        b':' => Class::Colon,
        0x80.. => Class::High,
        _ => Class::Other,
    }
}

pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Production Char, XML 1.0 §2.2.
pub(super) fn is_char(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}')
}

/// The character beyond ASCII at the start of `rest`, and its length; `None` when it is good as far as it has arrived. Which bytes
/// are good is table 3-7 of the Unicode Standard: no overlong forms, no surrogates, nothing past U+10FFFF.
pub(super) fn decode(rest: &[u8]) -> Result<Option<(char, usize)>, FrameError> {
    let Some(&lead) = rest.first() else { return Ok(None) };
    let (len, second) = match lead {
        0xC2..=0xDF => (2, 0x80..=0xBF),
        0xE0 => (3, 0xA0..=0xBF),
        0xED => (3, 0x80..=0x9F),
        0xE1..=0xEF => (3, 0x80..=0xBF),
        0xF0 => (4, 0x90..=0xBF),
        0xF1..=0xF3 => (4, 0x80..=0xBF),
        0xF4 => (4, 0x80..=0x8F),
        _ => return Err(FrameError::InvalidUtf8),
    };
    // The lead byte's own bits: five, four or three.
    let mut code = u32::from(lead) & (0x7F >> len);
    for (index, &byte) in rest.iter().enumerate().take(len).skip(1) {
        let is_good =
            if index == 1 { second.contains(&byte) } else { (0x80..=0xBF).contains(&byte) };
        if !is_good {
            return Err(FrameError::InvalidUtf8);
        }
        code = code << 6 | u32::from(byte & 0x3F);
    }
    if rest.len() < len {
        return Ok(None);
    }
    let character = char::from_u32(code).ok_or(FrameError::InvalidUtf8)?;
    if is_char(character) {
        Ok(Some((character, len)))
    } else {
        Err(malformed(Reason::IllegalCharacter))
    }
}
