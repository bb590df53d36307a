//! Escaping for those who write XML. Input must hold legal XML characters only; this module does not check that.

use std::borrow::Cow;

/// Escapes an attribute value for either kind of quote. Tab, line feed and carriage return become character references, because
/// a reader turns them into spaces otherwise (XML 1.0 §3.3.3). Borrows when there is nothing to escape.
pub fn attr(value: &str) -> Cow<'_, str> {
    escape(value, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\'' => Some("&apos;"),
        b'"' => Some("&quot;"),
        b'\t' => Some("&#9;"),
        b'\n' => Some("&#10;"),
        b'\r' => Some("&#13;"),
        _ => None,
    })
}

/// Escapes character data. A carriage return becomes a character reference, because a reader drops or replaces it otherwise
/// (XML 1.0 §2.11). Borrows when there is nothing to escape.
pub fn text(value: &str) -> Cow<'_, str> {
    escape(value, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#13;"),
        _ => None,
    })
}

fn escape(value: &str, replacement: impl Fn(u8) -> Option<&'static str>) -> Cow<'_, str> {
    let Some(first) = value.bytes().position(|byte| replacement(byte).is_some()) else {
        return Cow::Borrowed(value);
    };
    let mut out = String::with_capacity(value.len() + 16);
    // Every byte that is replaced is ASCII, so `first` is a character boundary.
    let (clean, rest) = value.split_at_checked(first).unwrap_or((value, ""));
    out.push_str(clean);
    for character in rest.chars() {
        match u8::try_from(character).ok().filter(u8::is_ascii).and_then(&replacement) {
            Some(replaced) => out.push_str(replaced),
            None => out.push(character),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_strings_are_borrowed() {
        assert!(matches!(attr("juliet@capulet.example/balcony"), Cow::Borrowed(_)));
        assert!(matches!(text("Wherefore art thou, 'Romeo'?"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        assert_eq!(attr("a<b>&'\"\t\né\r"), "a&lt;b&gt;&amp;&apos;&quot;&#9;&#10;é&#13;");
        assert_eq!(text("]]>\r\n\té"), "]]&gt;&#13;\n\té");
    }
}
