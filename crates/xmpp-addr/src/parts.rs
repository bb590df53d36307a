//! Localparts and resourceparts: checked, never rewritten (RFC 7622 §3.3 and §3.4).
//!
//! ASCII is checked byte by byte. The rest goes through the PRECIS profiles, with one allowance: the tables of the PRECIS registry
//! end at Unicode 6.3 (2013), and a code point assigned later is unassigned to them, which would refuse every newer emoji in a
//! room nick. A relay that is more ignorant than both ends must not cut them off, so [`is_newer`] code points pass where their kind
//! would pass. Noncharacters and code points reserved as ignorable stay refused.

use crate::AddrError;
use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::Rules;
use precis_profiles::precis_core::{
    CodepointInfo, DerivedPropertyValue, Error, FreeformClass, IdentifierClass, StringClass,
};

/// RFC 7622 §3.3, §3.4.
const PART_BYTES_MAX: usize = 1023;

/// RFC 7622 §3.3: an instance of `UsernameCaseMapped`, without the characters of §3.3.1, 1 to 1023 bytes.
pub(crate) fn check_localpart(text: &str) -> Result<(), AddrError> {
    if text.is_empty() {
        return Err(AddrError::LocalpartEmpty);
    }
    if text.len() > PART_BYTES_MAX {
        return Err(AddrError::LocalpartTooLong);
    }
    if let Some(byte) = text.bytes().find(|&b| is_excluded_ascii(char::from(b))) {
        return Err(AddrError::LocalpartChar(char::from(byte)));
    }
    if text.is_ascii() {
        return Ok(());
    }
    check_username(text)
}

/// RFC 7622 §3.4: an instance of `OpaqueString`, 1 to 1023 bytes. Spaces are allowed anywhere (erratum 4560).
pub(crate) fn check_resourcepart(text: &str) -> Result<(), AddrError> {
    if text.is_empty() {
        return Err(AddrError::ResourceEmpty);
    }
    if text.len() > PART_BYTES_MAX {
        return Err(AddrError::ResourceTooLong);
    }
    if let Some(byte) = text.bytes().find(u8::is_ascii_control) {
        return Err(AddrError::ResourceChar(char::from(byte)));
    }
    if text.is_ascii() {
        return Ok(());
    }
    if text.chars().any(shapes_emoji) {
        let plain: String = text.chars().filter(|&c| !shapes_emoji(c)).collect();
        return if plain.is_empty() {
            Err(AddrError::ResourceRule)
        } else {
            check_resourcepart(&plain)
        };
    }
    // What `OpaqueString` does after this check (spaces to SPACE, NFC) can refuse nothing and empty nothing.
    check_class(text, &FreeformClass::default(), is_newer)
        .map_err(|error| bad_char(&error).map_or(AddrError::ResourceRule, AddrError::ResourceChar))
}

/// COMPAT(servers that prepare resourceparts by RFC 6122 stringprep, which is most of them): PRECIS refuses the joiner and the
/// variation selectors that emoji are made of, stringprep table B.1 maps them to nothing, so room nicks on the network hold them.
/// Refusing them would end the stream of everybody for the nick of one.
fn shapes_emoji(c: char) -> bool {
    matches!(c, '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0020}'..='\u{E007F}')
}

/// RFC 7622 §3.3.1, and the controls and the space that PRECIS `IdentifierClass` disallows.
fn is_excluded_ascii(c: char) -> bool {
    matches!(c, '\0'..=' ' | '"' | '&' | '\'' | '/' | ':' | '<' | '>' | '@' | '\u{7F}')
}

/// `UsernameCaseMapped` in the order of RFC 8265 §3.3.2, on a text that is not ASCII.
fn check_username(text: &str) -> Result<(), AddrError> {
    let profile = UsernameCaseMapped::new();
    let rule =
        |error: Error| bad_char(&error).map_or(AddrError::LocalpartRule, AddrError::LocalpartChar);
    let text = profile.width_mapping_rule(text).map_err(rule)?;
    // A full-width `@` has just become one.
    if let Some(c) = text.chars().find(|&c| is_excluded_ascii(c)) {
        return Err(AddrError::LocalpartChar(c));
    }
    let newer_letter = |c: char| is_newer(c) && c.is_alphanumeric();
    check_class(&text, &IdentifierClass::default(), newer_letter).map_err(rule)?;
    let text = profile.case_mapping_rule(text).map_err(rule)?;
    let text = profile.normalization_rule(text).map_err(rule)?;
    let text = profile.directionality_rule(text).map_err(rule)?;
    // RFC 7622 §3.3: the limit holds after mapping too.
    if text.len() > PART_BYTES_MAX {
        return Err(AddrError::LocalpartTooLong);
    }
    Ok(())
}

/// Whether a PRECIS string class allows the text; unassigned code points that `passes` are allowed too.
///
/// The tables are asked once a character, and the rules that depend on neighbours only when a character needs them: this is work a
/// peer can ask for with every stanza.
fn check_class(
    text: &str,
    class: &impl StringClass,
    passes: impl Fn(char) -> bool,
) -> Result<(), Error> {
    use DerivedPropertyValue as Value;
    let mut in_context = false;
    for (position, c) in text.chars().enumerate() {
        match class.get_value_from_char(c) {
            Value::PValid | Value::SpecClassPval => {}
            Value::ContextJ | Value::ContextO => in_context = true,
            Value::Unassigned if passes(c) => {}
            value @ (Value::Unassigned | Value::Disallowed | Value::SpecClassDis) => {
                let found = CodepointInfo::new(u32::from(c), position, value);
                return Err(Error::BadCodepoint(found));
            }
        }
    }
    if in_context { class.allows(for_context_rules(text, class)) } else { Ok(()) }
}

/// The text with a letter in place of what says nothing to the context rules of RFC 5892 appendix A: code points the tables do not
/// know, and all but the first of the characters whose rule (A.7 to A.9) reads the whole text, which would cost its square.
fn for_context_rules(text: &str, class: &impl StringClass) -> String {
    let mut seen = [false; 3];
    text.chars()
        .map(|c| {
            let whole_text_rule = match c {
                '\u{30FB}' => seen.get_mut(0),
                '\u{660}'..='\u{669}' => seen.get_mut(1),
                '\u{6F0}'..='\u{6F9}' => seen.get_mut(2),
                _ => None,
            };
            let says_nothing = match whole_text_rule {
                Some(seen) => std::mem::replace(seen, true),
                None => class.get_value_from_char(c) == DerivedPropertyValue::Unassigned,
            };
            if says_nothing { 'x' } else { c }
        })
        .collect()
}

/// Whether a code point the tables call unassigned may have been assigned since.
fn is_newer(c: char) -> bool {
    let code = u32::from(c);
    // Unicode keeps these for noncharacters (the last two of each plane, U+FDD0..U+FDEF) and for characters to be ignored
    // (U+2065, U+FFF0..U+FFF8, plane 14).
    let reserved = code & 0xFFFE == 0xFFFE
        || matches!(code, 0xFDD0..=0xFDEF | 0x2065 | 0xFFF0..=0xFFF8 | 0xE_0000..=0xE_FFFF);
    !reserved
}

fn bad_char(error: &Error) -> Option<char> {
    match error {
        Error::BadCodepoint(found) => char::from_u32(found.cp),
        Error::Invalid | Error::Unexpected(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excluded_ascii_is_refused_in_localparts_only() {
        for c in "\"&'/:<>@ \u{7f}\u{1}\n".chars() {
            let text = format!("a{c}b");
            assert_eq!(check_localpart(&text), Err(AddrError::LocalpartChar(c)), "{c:?}");
            let allowed = if c.is_control() { Err(AddrError::ResourceChar(c)) } else { Ok(()) };
            assert_eq!(check_resourcepart(&text), allowed, "{c:?}");
        }
        for c in "!#$%()*+,-.;=?[\\]^_`{|}~".chars() {
            assert_eq!(check_localpart(&c.to_string()), Ok(()), "{c:?}");
        }
    }

    #[test]
    fn lengths_are_counted_in_bytes() {
        for (unit, count) in [("a", 1023), ("é", 511)] {
            let fits = unit.repeat(count);
            assert_eq!(check_localpart(&fits), Ok(()));
            assert_eq!(check_resourcepart(&fits), Ok(()));
            let too_long = unit.repeat(count + 1);
            assert_eq!(check_localpart(&too_long), Err(AddrError::LocalpartTooLong));
            assert_eq!(check_resourcepart(&too_long), Err(AddrError::ResourceTooLong));
        }
        // Each of these is two bytes, and three when lower-cased.
        let grows = "\u{23A}".repeat(500);
        assert_eq!(check_localpart(&grows), Err(AddrError::LocalpartTooLong));
    }

    #[test]
    fn wide_forms_of_excluded_characters_are_refused_in_localparts() {
        assert_eq!(check_localpart("romeo\u{FF20}evil"), Err(AddrError::LocalpartChar('@')));
        assert_eq!(check_localpart("romeo\u{FF0F}evil"), Err(AddrError::LocalpartChar('/')));
        assert_eq!(check_localpart("ｒｏｍｅｏ"), Ok(()));
    }

    #[test]
    fn letters_pass_and_symbols_do_not_in_localparts() {
        for text in ["fußball", "π", "Σ", "Ünal", "юлия", "朱丽叶", "שלום"] {
            assert_eq!(check_localpart(text), Ok(()), "{text:?}");
        }
        for (text, found) in [
            ("henry\u{2163}", '\u{2163}'),
            ("\u{265A}", '\u{265A}'),
            ("a\u{A0}b", '\u{A0}'),
            ("a\u{202E}b", '\u{202E}'),
            ("\u{E000}", '\u{E000}'),
            ("\u{1F916}", '\u{1F916}'),
        ] {
            assert_eq!(check_localpart(text), Err(AddrError::LocalpartChar(found)), "{text:?}");
        }
        assert_eq!(check_localpart("שa"), Err(AddrError::LocalpartRule));
    }

    #[test]
    fn symbols_pass_in_resourceparts_whatever_their_age() {
        for text in ["\u{265A}", "foo bar", " foo", "nick \u{1F98A}", "Ⅳ", "a\u{A0}b", "naïve"] {
            assert_eq!(check_resourcepart(text), Ok(()), "{text:?}");
        }
        for c in [
            '\u{85}',
            '\u{200B}',
            '\u{202E}',
            '\u{FEFF}',
            '\u{FDD0}',
            '\u{1FFFE}',
            '\u{FFF0}',
            '\u{E0001}',
            '\u{E0FFF}',
            '\u{E000}',
            '\u{10FFFF}',
        ] {
            let text = format!("a{c}b");
            assert_eq!(check_resourcepart(&text), Err(AddrError::ResourceChar(c)), "{c:?}");
        }
    }

    #[test]
    fn letters_newer_than_the_tables_pass_in_localparts() {
        // U+A7AE, a letter of Unicode 9, and U+1E900, one of Adlam.
        assert_eq!(check_localpart("a\u{A7AE}"), Ok(()));
        assert_eq!(check_localpart("\u{1E922}\u{1E923}"), Ok(()));
    }

    #[test]
    fn joiners_are_refused_without_their_context() {
        assert!(check_localpart("a\u{200D}b").is_err());
        assert!(check_resourcepart("\u{200D}").is_err());
        // After a virama a joiner is how the word is written.
        assert_eq!(check_localpart("क्\u{200D}ष"), Ok(()));
        assert_eq!(check_resourcepart("क्\u{200D}ष"), Ok(()));
    }

    #[test]
    fn emoji_sequences_pass_in_resourceparts() {
        // Heart with a variation selector, a family joined of three, the flag of Scotland.
        for nick in [
            "Juliet \u{2764}\u{FE0F}",
            "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
            "\u{1F3F4}\u{E0067}\u{E007F}",
        ] {
            assert_eq!(check_resourcepart(nick), Ok(()), "{nick}");
        }
        assert!(check_localpart("juliet\u{2764}\u{FE0F}").is_err());
    }

    #[test]
    fn rules_about_the_whole_text_hold_for_every_digit_and_dot() {
        // RFC 5892 A.8 and A.9: Arabic-Indic digits do not mix with their extended forms.
        assert_eq!(check_localpart("ا\u{660}\u{661}\u{669}"), Ok(()));
        assert_eq!(check_localpart("ا\u{6F0}\u{6F1}\u{6F9}"), Ok(()));
        assert!(check_localpart("ا\u{660}\u{661}\u{6F9}").is_err());
        assert!(check_resourcepart("\u{6F0}\u{6F1}\u{669}").is_err());
        // RFC 5892 A.7: the katakana middle dot needs Japanese around it.
        assert_eq!(check_resourcepart("ア\u{30FB}\u{30FB}"), Ok(()));
        assert!(check_resourcepart("a\u{30FB}\u{30FB}").is_err());
    }
}
