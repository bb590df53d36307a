//! The crate rxml: a restricted XML parser in Rust, made for XMPP, with namespaces.
//!
//! It refuses what RFC 6120 §11.1 forbids. Where else it (0.14.0) differs from XML 1.0 with Namespaces, and so from the framer, is listed
//! here, each with a test below; the laws hold for every input but these.
//!
//! | input | rxml |
//! | --- | --- |
//! | good, and rxml refuses or changes it: [`misreads`] | |
//! | a character reference of more than eight digits | refused |
//! | a carriage return in a value with no line feed behind it | refused, or lost where the value ends |
//! | a carriage return right behind `]` in a CDATA section | stays as it is |
//! | an XML declaration with `standalone='no'`, or with `standalone` and no `encoding` | refused |
//! | a byte order mark, or white space before the root | refused; [`read`] takes it off |
//! | a carriage return at the end of the document | refused; [`read`] adds the line feed |
//! | faulty, and rxml takes it: [`is_looser`] | |
//! | a default namespace declared twice in a tag | the second counts |
//! | the namespace `http://www.w3.org/2000/xmlns/` declared | taken |
//! | white space in a CDATA section between first-level elements (good XML, but none that XMPP has) | white space |
//! | a reference to white space, or a section of it, behind the end of the document | white space |
//! | a name of the Fifth Edition only, which expat refuses | taken |

use ::rxml::error::EndOrError;
use ::rxml::{Error, Event, Options, Parse as _, Parser, WithOptions as _};

use xmpp_frame::{FrameError, Reason};

use crate::pieces::pieces;
use crate::reading::Reading;
use crate::tree::Name;

/// Reads a stream in [`pieces`] of these lengths; `close` is the end tag of its root.
///
/// Some events come out only when the next byte or the end of the document is known. So the stream is read with `close` behind it, and if
/// that is no document it is read again without.
/// A byte order mark and white space before the root are taken off: rxml knows none.
pub fn read(bytes: &[u8], lengths: &[usize], close: &str) -> Reading {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let spaces = bytes.iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
    let bytes = bytes.get(spaces..).filter(|rest| !rest.starts_with(b"<?xml")).unwrap_or(bytes);
    let (with_close, fault) = document(bytes, lengths, close);
    if fault.is_none() {
        return Reading { is_whole: true, is_closed: false, ..with_close };
    }
    let line_feed = if bytes.ends_with(b"\r") { "\n" } else { "" };
    match document(bytes, lengths, line_feed) {
        (reading, None) => Reading { is_whole: true, ..reading },
        (reading, Some(Error::InvalidEof(_))) => reading,
        (reading, Some(error)) => Reading { fault: Some(error.to_string()), ..reading },
    }
}

/// Reads a document, which ends with `close`.
fn document(bytes: &[u8], lengths: &[usize], close: &str) -> (Reading, Option<Error>) {
    let options = Options { max_token_length: 1 << 24, ..Options::default() };
    let mut parser = Parser::with_options(options);
    let mut reading = Reading::default();
    for piece in pieces(bytes, lengths) {
        if let Err(error) = feed(&mut parser, &mut reading, piece, false) {
            return (reading, Some(error));
        }
    }
    let fault = feed(&mut parser, &mut reading, close.as_bytes(), true).err();
    (reading, fault)
}

fn feed(
    parser: &mut Parser,
    reading: &mut Reading,
    mut bytes: &[u8],
    is_last: bool,
) -> Result<(), Error> {
    loop {
        match parser.parse(&mut bytes, is_last) {
            Ok(Some(event)) => take(reading, event),
            Ok(None) | Err(EndOrError::NeedMoreData) => return Ok(()),
            Err(EndOrError::Error(error)) => return Err(error),
        }
    }
}

fn take(reading: &mut Reading, event: Event) {
    match event {
        Event::XmlDeclaration(..) => {}
        Event::StartElement(_, (namespace, local), attributes) => {
            let attributes = attributes.into_iter().map(|((namespace, local), value)| {
                (Name::new(namespace.as_str(), local.as_str()), value)
            });
            reading.start(Name::new(namespace.as_str(), local.as_str()), attributes);
        }
        Event::Text(_, text) => reading.text(&text),
        Event::EndElement(_) => reading.end(),
    }
}

/// Whether rxml may refuse or change what is good: the first part of the table above.
pub fn misreads(bytes: &[u8]) -> bool {
    let has_bracket_before_return = bytes.windows(2).any(|two| two == b"]\r");
    has_long_reference(bytes)
        || has_lone_return(bytes)
        || has_bracket_before_return
        || says_standalone(bytes)
}

/// Whether an XML declaration says whether the document stands alone.
fn says_standalone(bytes: &[u8]) -> bool {
    let declaration = bytes.split(|&byte| byte == b'>').next().unwrap_or_default();
    declaration.windows(10).any(|word| word == b"standalone")
}

/// Whether rxml may take what the framer refuses so: the second part of the table above.
pub fn is_looser(error: FrameError) -> bool {
    use Reason::{AfterClose, DuplicateAttribute, Name, NamespaceDeclaration, Syntax};
    matches!(
        error,
        FrameError::NotWellFormed(
            AfterClose | DuplicateAttribute | Name | NamespaceDeclaration | Syntax
        )
    )
}

/// Whether there is a character reference with more than eight digits.
fn has_long_reference(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|two| two == b"&#") {
        rest = &rest[at + 2..];
        let digits = rest.strip_prefix(b"x").unwrap_or(rest);
        if digits.iter().take_while(|digit| digit.is_ascii_hexdigit()).count() > 8 {
            return true;
        }
    }
    false
}

/// Whether there is a carriage return in an attribute value that no line feed follows.
fn has_lone_return(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut quote = None;
    let mut is_in_tag = false;
    while let [first, behind @ ..] = rest {
        rest = match rest.strip_prefix(b"<![CDATA[") {
            Some(section) if !is_in_tag => {
                let end = section.windows(3).position(|three| three == b"]]>");
                &section[end.unwrap_or(section.len())..]
            }
            _ => behind,
        };
        match (first, quote) {
            (b'\r', Some(_)) if behind.first() != Some(&b'\n') => return true,
            (first, Some(open)) if *first == open => quote = None,
            (b'\'' | b'"', None) if is_in_tag => quote = Some(*first),
            (b'<', None) => is_in_tag = true,
            (b'>', None) => is_in_tag = false,
            _ => {}
        }
        if rest.len() < behind.len() {
            is_in_tag = false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openings::{HEADER, OPENINGS};
    use crate::tree::Node;

    fn read(body: &str) -> Reading {
        super::read(format!("{HEADER}{body}").as_bytes(), &[], OPENINGS[0].close)
    }

    #[test]
    fn a_reference_of_more_than_eight_digits_is_refused() {
        for (body, is_read) in [
            ("<a>&#00000065;&#x00000041;</a>", true),
            ("<a>&#000000065;</a>", false),
            ("<a b='&#x000000041;'/>", false),
        ] {
            assert_eq!(
                (read(body).is_whole, misreads(body.as_bytes())),
                (is_read, !is_read),
                "{body}"
            );
        }
    }

    #[test]
    fn a_carriage_return_alone_in_a_value_is_refused_or_lost() {
        assert!(!read("<a b='c\rd'/>").is_whole && misreads(b"<a b='c\rd'/>"));
        let lost = read("<a b=\"'c\r\"/>");
        assert_eq!(lost.elements[0].attribute("b"), Some("'c"));
        assert!(misreads(b"<a b=\"'c\r\"/>") && misreads(b"<![CDATA[<]]><a b='\r"));
        for good in ["<a b='c\r\nd'>\r</a>", "<a\rb=''>'\r</a>", "<a><![CDATA[<a b='\r]]>'\r</a>"] {
            assert!(read(good).is_whole && !misreads(good.as_bytes()), "{good:?}");
        }
    }

    #[test]
    fn a_line_end_behind_a_bracket_is_not_made_one() {
        for (body, read_as) in [
            ("<a><![CDATA[]\r\n]]></a>", "]\r\n"),
            ("<a><![CDATA[]\r]]></a>", "]\r"),
            ("<a>x\r\n</a>", "x\n"),
            ("<a><![CDATA[x\r]]></a>", "x\n"),
        ] {
            let reading = read(body);
            assert_eq!(reading.elements[0].nodes, [Node::Text(read_as.to_owned())], "{body:?}");
            assert_eq!(misreads(body.as_bytes()), read_as.contains('\r'));
        }
    }

    #[test]
    fn the_namespace_of_declarations_may_be_declared() {
        assert!(read("<a xmlns='http://www.w3.org/2000/xmlns/'/>").is_whole);
        assert!(!read("<a xmlns:xml='urn:x'/>").is_whole);
    }

    #[test]
    fn a_section_between_elements_is_text() {
        let reading = read("<a/><![CDATA[ ]]><a/>");
        assert!(reading.is_whole && !reading.is_beyond_xmpp);
    }

    #[test]
    fn white_space_behind_the_end_may_be_a_reference() {
        for odd in ["&#13;", "<![CDATA[ ]]>"] {
            assert!(read(&format!("</stream:stream>{odd}")).is_whole, "{odd}");
        }
        assert!(!read("</stream:stream>x").is_whole);
    }

    #[test]
    fn a_carriage_return_at_the_end_is_waited_for() {
        let bytes = format!("{HEADER}</stream:stream>\r");
        let (_, error) = document(bytes.as_bytes(), &[], "");
        assert!(matches!(error, Some(Error::InvalidEof(_))));
        let reading = super::read(bytes.as_bytes(), &[], OPENINGS[0].close);
        assert!(reading.is_whole && reading.is_closed);
    }

    #[test]
    fn white_space_before_the_root_is_refused() {
        for space in [" ", "\r\n", "\t\n"] {
            let (_, error) = document(format!("{space}<stream>").as_bytes(), &[], "</stream>");
            assert!(matches!(error, Some(Error::UnexpectedToken(..))));
            let reading = super::read(format!("{space}<stream>").as_bytes(), &[1], "</stream>");
            assert!(reading.is_whole && reading.root.is_some());
            // Nothing may stand before an XML declaration.
            let declared = format!("{space}<?xml version='1.0'?><stream>");
            assert!(super::read(declared.as_bytes(), &[], "</stream>").fault.is_some());
        }
    }

    #[test]
    fn names_are_those_of_the_fifth_edition() {
        assert!(read("<a\u{10000}\u{2C00}/>").is_whole && !read("<a\u{D7}/>").is_whole);
    }

    #[test]
    fn a_document_stands_alone_and_has_no_mark() {
        for (header, is_read) in [
            ("<?xml version='1.0' encoding='UTF-8' standalone='yes'?><stream>", true),
            ("<?xml version='1.0' encoding='UTF-8' standalone='no'?><stream>", false),
            ("<?xml version='1.0' standalone='yes'?><stream>", false),
            ("\u{FEFF}<stream>", true),
        ] {
            let reading = super::read(header.as_bytes(), &[1], "</stream>");
            assert_eq!(reading.is_whole, is_read, "{header}");
            assert!(is_read || misreads(header.as_bytes()));
        }
    }

    #[test]
    fn a_default_namespace_may_be_declared_twice() {
        assert!(read("<a xmlns='urn:x' xmlns='urn:y'/>").is_whole);
        assert!(!read("<a b='urn:x' b='urn:y'/>").is_whole);
    }
}
