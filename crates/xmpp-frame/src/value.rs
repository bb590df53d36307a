//! Reading what was written: references and line ends in attribute values and character data.
//!
//! Input here has passed the scanner, so every reference in it is one of the five entities or a legal character reference.

use std::borrow::Cow;

/// The value of an attribute as XML 1.0 §3.3.3 normalises it (no DTD, so CDATA attributes): references resolved, each tab, line
/// end and carriage return that is written literally becomes one space, and a literal `\r\n` counts as one line end.
pub(crate) fn attribute(raw: &str) -> Cow<'_, str> {
    read(raw, ' ')
}

/// Character data as XML 1.0 §2.11 hands it on: references resolved, `\r\n` and `\r` become `\n`.
pub(crate) fn text(raw: &str) -> Cow<'_, str> {
    if raw.bytes().any(|byte| matches!(byte, b'&' | b'\r')) {
        read(raw, '\n')
    } else {
        Cow::Borrowed(raw)
    }
}

/// The content of a CDATA section: line ends as in text, `&` stands for itself.
pub(crate) fn cdata(raw: &str) -> Cow<'_, str> {
    if raw.contains('\r') {
        Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(raw)
    }
}

fn read(raw: &str, line_end: char) -> Cow<'_, str> {
    if !raw.bytes().any(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r')) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(character) = rest.chars().next() {
        let (read, used) = match character {
            '&' => reference(rest).unwrap_or(('\u{FFFD}', 1)),
            '\r' if rest.starts_with("\r\n") => (line_end, 2),
            '\r' | '\n' => (line_end, 1),
            // In text a tab stays a tab; in an attribute it becomes the space that line ends become.
            '\t' if line_end == ' ' => (' ', 1),
            other => (other, other.len_utf8()),
        };
        out.push(read);
        rest = rest.get(used..).unwrap_or("");
    }
    Cow::Owned(out)
}

/// The character that a reference at the start of `rest` stands for, and the length of the reference.
fn reference(rest: &str) -> Option<(char, usize)> {
    let end = rest.find(';')?;
    let name = rest.get(1..end)?;
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "apos" => '\'',
        "quot" => '"',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((character, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_values_are_normalised_as_xml_1_0_says() {
        assert!(matches!(attribute("romeo@montague.example"), Cow::Borrowed(_)));
        assert_eq!(attribute("a\tb\nc\rd\r\ne"), "a b c d e");
        assert_eq!(
            attribute("&#9;&#xA;&#x0d;&lt;&gt;&amp;&apos;&quot;&#x1F600;"),
            "\t\n\r<>&'\"\u{1F600}"
        );
        assert_eq!(attribute("&amp;lt;"), "&lt;");
        assert_eq!(attribute("&#000000000000000000065;"), "A");
    }

    #[test]
    fn text_keeps_tabs_and_unifies_line_ends() {
        assert_eq!(text("a\tb\nc\rd\r\ne&#13;"), "a\tb\nc\nd\ne\r");
        assert_eq!(cdata("&amp;\r\n\r"), "&amp;\n\n");
    }
}
