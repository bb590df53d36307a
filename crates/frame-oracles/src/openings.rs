//! Stream headers that bind what first-level elements then lean on.

/// A header as a server sends it to another.
pub const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
     xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:cap='urn:capulet:1' from='capulet.example' \
     to='montague.example' version='1.0' xml:lang='en'>";

/// A header as a component sends it (XEP-0114).
pub const COMPONENT_HEADER: &str = "<stream:stream xmlns='jabber:component:accept' \
     xmlns:stream='http://etherx.jabber.org/streams' to='chat.capulet.example'>";

/// How a stream begins, and the end tag that goes with it.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The header, with or without an XML declaration.
    pub header: &'static str,
    /// The end tag of its root.
    pub close: &'static str,
}

/// The headers that inputs choose from. Their order is part of the corpus: add at the end.
pub const OPENINGS: [Opening; 8] = [
    Opening { header: HEADER, close: "</stream:stream>" },
    Opening { header: COMPONENT_HEADER, close: "</stream:stream>" },
    // A content namespace with a prefix too, and one of the other kind.
    Opening {
        header: "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
                 xmlns:c='jabber:client' xmlns:s='jabber:server' xmlns:p='urn:p' version='1.0'>",
        close: "</stream:stream>",
    },
    // The namespace of streams is the default (RFC 6120 §4.8.5).
    Opening {
        header: "<stream xmlns='http://etherx.jabber.org/streams' xmlns:s='jabber:server' to='a'>",
        close: "</stream>",
    },
    // Content that nobody knows.
    Opening {
        header: "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='urn:x' xmlns:y='urn:y'>",
        close: "</s:stream>",
    },
    // No default namespace at all.
    Opening {
        header: "<s:stream xmlns:s='http://etherx.jabber.org/streams'>",
        close: "</s:stream>",
    },
    // One name often and in several spellings.
    Opening {
        header: "<stream:stream xmlns:stream='http://etherx.jabber.org/stream&#115;' xmlns='jabber:serve&#x72;' \
                 xmlns:a='urn:x' xmlns:b='urn:&#x78;' xmlns:e='jabber:server' xmlns:d='urn:&amp;d' \
                 xmlns:f='urn:&#x79;' xmlns:g='urn:y' xmlns:h='urn:&amp;#x79;' xml:lang='de'>",
        close: "</stream:stream>",
    },
    // Names that are long, and not of ASCII.
    Opening {
        header: "<été:stream xmlns:été='http://etherx.jabber.org/streams' xmlns='jabber:server' \
                 xmlns:a-prefix-of-some-thirty-letters='urn:x' xmlns:日本='urn:日本'>",
        close: "</été:stream>",
    },
];
