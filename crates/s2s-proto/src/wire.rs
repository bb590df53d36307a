//! Writing small pieces of XML, and cleaning what peers say before anybody reads it.

use xmpp_frame::escape;

/// Appends ` name='value'`, escaped.
pub(crate) fn push_attr(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("='");
    out.push_str(&escape::attr(value));
    out.push('\'');
}

/// Appends character data, escaped, without the characters XML forbids: texts come from configuration and certificates.
pub(crate) fn push_escaped(text: &str, out: &mut String) {
    if text.chars().all(is_xml_char) {
        out.push_str(&escape::text(text));
    } else {
        let clean: String = text.chars().filter(|&character| is_xml_char(character)).collect();
        out.push_str(&escape::text(&clean));
    }
}

/// A peer's text as it may appear in logs: no control characters, at most `chars_max` characters.
pub(crate) fn readable(text: &str, chars_max: usize) -> Box<str> {
    let mut clean = String::new();
    for character in text.trim().chars().take(chars_max) {
        clean.push(if character.is_control() { ' ' } else { character });
    }
    clean.into_boxed_str()
}

// XML 1.0 §2.2, Char, without the C1 controls' neighbours U+FFFE and U+FFFF.
fn is_xml_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}
