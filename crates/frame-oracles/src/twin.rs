//! The naive twin: a checker that reads a whole string by recursive descent, with a map for the namespaces in scope and no thought of
//! speed.
//!
//! It is naive so that it can be read against the specifications in one sitting, and so that it has nothing in common with the framer
//! that could be wrong in both: no states, no positions, no limits, no bytes. Only the table of letters is shared; that is data.
//! What it says of an element goes further than its tree: where each name has its namespace from, of which [`crate::twin::Stanza`]
//! derives what the framer has to say of it and what it has to look like on another stream.

// The tables are data; only the walk is written twice.
#[path = "../../xmpp-frame/src/names.rs"]
mod names;
mod reader;
mod stanza;

use crate::tree::Tree;

pub(crate) use self::stanza::content_of;
pub use self::stanza::{Move, Stanza};

/// A whole stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The start tag of the root.
    pub root: Tree,
    /// Its default namespace.
    pub default: String,
    /// Whether a prefix is bound to the namespace of dialback.
    pub declares_dialback: bool,
    /// The first-level elements.
    pub stanzas: Vec<Stanza>,
    /// The end tag of the root was there.
    pub is_closed: bool,
}

/// What the bytes are: a header, first-level elements, perhaps the end tag of the root, and nothing cut short. `None` when a strict
/// parser or RFC 6120 forbids any of it, and when the bytes end within something.
pub fn read(stream: &[u8]) -> Option<Stream> {
    reader::stream(std::str::from_utf8(stream).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openings::OPENINGS;

    #[test]
    fn every_opening_is_a_stream_with_its_close_and_without() {
        for opening in OPENINGS {
            let open = read(opening.header.as_bytes()).expect("a header");
            assert!(!open.is_closed && open.root.name.local == "stream");
            let closed = read(format!("{}{} \n", opening.header, opening.close).as_bytes());
            assert!(closed.expect("a stream").is_closed);
            let more = format!("{}{}{}", opening.header, opening.close, opening.close);
            assert_eq!(read(more.as_bytes()), None);
        }
    }

    #[test]
    fn what_is_forbidden_or_cut_short_is_nothing() {
        let verdict = |body: &str| {
            read(format!("{}{body}", OPENINGS[0].header).as_bytes())
                .map(|stream| stream.stanzas.len())
        };
        assert_eq!(verdict(" <a b='&lt;'>]]&gt;<![CDATA[<]]></a> <b/> "), Some(2));
        for bad in [
            "<a",
            "<a>",
            "<a></b>",
            "<a b='1' b='2'/>",
            "<a>]]></a>",
            "<x:a/>",
            "<a>&nbsp;</a>",
            "x",
            "<!-- -->",
            "<?a?>",
            "<a xmlns:p=''/>",
            "<a b='<'/>",
            "<a b='1'c='2'/>",
            "<stream:stream/>",
            "<a>\u{FFFE}</a>",
            "<a xmlns='a b'/>",
        ] {
            assert_eq!(verdict(bad), None, "{bad}");
        }
    }
}
