//! Two readers of the same bytes come to the same.

use xmpp_frame::{FrameError, Header, Reason};

use super::{Breach, ensure, same};
use crate::expat::Expat;
use crate::ours::{Said, tree};
use crate::reading::Reading;
use crate::rxml;
use crate::tree::Tree;
use crate::twin::{self, Stanza, Stream};

/// The twin takes the bytes as a whole if and only if the framer does, and then everything the framer says of them follows from what
/// the twin found. Nothing is asked when the framer met a limit: the twin has none.
///
/// # Errors
/// When they differ.
pub fn agrees_with_twin(said: &Said, bytes: &[u8]) -> Result<(), Breach> {
    if matches!(said.error, Some(FrameError::LimitExceeded(_))) {
        return Ok(());
    }
    let stream = twin::read(bytes);
    same("framer and twin have one verdict", &said.is_whole(), &stream.is_some())?;
    let (Some(stream), Some(header)) = (stream, said.header()) else { return Ok(()) };
    header_follows(header, &stream)?;
    same("framer and twin find the end", &said.is_closed(), &stream.is_closed)?;
    same("framer and twin count the same", &said.frames().count(), &stream.stanzas.len())?;
    for (frame, stanza) in said.frames().zip(&stream.stanzas) {
        frame_follows(frame, stanza)?;
    }
    Ok(())
}

fn header_follows(header: &Header, stream: &Stream) -> Result<(), Breach> {
    let Stream { root, default, .. } = stream;
    let ours = [header.to(), header.from(), header.id(), header.version(), header.lang()];
    let xml = "http://www.w3.org/XML/1998/namespace";
    let [to, from, id, version] = ["to", "from", "id", "version"].map(|name| root.attribute(name));
    same(
        "a header has its attributes",
        &ours,
        &[to, from, id, version, root.attribute_in(xml, "lang")],
    )?;
    let is_stream = root.name.namespace == "http://etherx.jabber.org/streams";
    same("a header knows its namespace", &header.stream_namespace_ok(), &is_stream)?;
    same("a header knows dialback", &header.declares_dialback(), &stream.declares_dialback)?;
    same("a header has its default namespace", &header.default_namespace(), &default.as_str())?;
    let content = twin::content_of(default);
    same("a header has its content namespace", &header.content(), &content)
}

fn frame_follows(frame: &xmpp_frame::Frame, stanza: &Stanza) -> Result<(), Breach> {
    let theirs = stanza.tree();
    same("a frame has the tree of the twin", &tree(frame), &Ok(theirs.clone()))?;
    let ours = (frame.namespace(), frame.name());
    same(
        "a frame has its name",
        &ours,
        &(theirs.name.namespace.as_str(), theirs.name.local.as_str()),
    )?;
    let ours = [frame.from(), frame.to(), frame.id(), frame.type_()];
    let addresses = ["from", "to", "id", "type"].map(|name| theirs.attribute(name));
    same("a frame has its addresses", &ours.each_ref().map(|value| value.as_deref()), &addresses)?;
    let has_lang = theirs.attribute_in("http://www.w3.org/XML/1998/namespace", "lang").is_some();
    same("a frame knows its language", &frame.has_lang(), &has_lang)?;
    same("a frame has its kind", &frame.kind(), &stanza.kind())?;
    let spells = stanza.spells_content_namespace();
    same("a frame knows what it spells", &frame.spells_content_namespace(), &spells)?;
    let leans = stanza.borrows() || stanza.is_of_other_content();
    same("a frame knows what it leans on", &frame.is_self_contained(), &!leans)
}

/// What the framer takes expat takes, with the same trees; an element that the framer waits for expat has not refused; and what expat
/// takes whole the framer takes, unless XMPP forbids it or the framer is stricter on purpose. `close` is the end tag of the root.
///
/// # Errors
/// When they differ.
///
/// # Panics
/// When libexpat is not installed.
pub fn agrees_with_expat(
    said: &Said,
    bytes: &[u8],
    lengths: &[usize],
    close: &str,
) -> Result<(), Breach> {
    let expat = Expat::load().unwrap_or_else(|missing| panic!("{missing}"));
    let reading = expat.read(bytes, lengths, close);
    let both = what_is_taken_is_read_the_same(said, &reading)
        .and_then(|()| what_is_read_is_taken(said, &reading, is_on_purpose));
    both.map_err(|breach| breach.of("expat"))
}

/// The same of rxml, but for what [`crate::rxml`] lists.
///
/// # Errors
/// When they differ.
pub fn agrees_with_rxml(
    said: &Said,
    bytes: &[u8],
    lengths: &[usize],
    close: &str,
) -> Result<(), Breach> {
    if rxml::misreads(bytes) {
        return Ok(());
    }
    let reading = rxml::read(bytes, lengths, close);
    if reading.fault.is_some() && !said.is_whole() {
        // It looks at an attribute before its tag is complete.
        return Ok(());
    }
    let is_allowed = |error| is_on_purpose(error) || rxml::is_looser(error);
    let both = what_is_taken_is_read_the_same(said, &reading)
        .and_then(|()| what_is_read_is_taken(said, &reading, is_allowed));
    both.map_err(|breach| breach.of("rxml"))
}

fn what_is_read_is_taken(
    said: &Said,
    reading: &Reading,
    is_allowed: impl Fn(FrameError) -> bool,
) -> Result<(), Breach> {
    let is_taken = reading.is_whole && !reading.is_beyond_xmpp;
    let is_good = said.is_whole() || said.error.is_some_and(is_allowed);
    let law = "what another parser takes is taken, unless it is refused on purpose";
    ensure(!is_taken || is_good, law, || format!("{said:?}"))
}

/// Whether well-formed XML is refused so.
fn is_on_purpose(error: FrameError) -> bool {
    matches!(
        error,
        FrameError::LimitExceeded(_)
            // Of headers.
            | FrameError::NotAStream
            | FrameError::UnsupportedEncoding
            | FrameError::NotWellFormed(
                // Nobody else looks at the version that an XML declaration names.
                Reason::XmlDeclaration
                    // White space between first-level elements that is written as a reference.
                    | Reason::TextOutsideElement
                    | Reason::EmptyStream
                    // A stream in a stream is a matter of XMPP.
                    | Reason::NestedStream
                    // A namespace name that is no URI.
                    | Reason::NamespaceName
            )
    )
}

fn what_is_taken_is_read_the_same(said: &Said, reading: &Reading) -> Result<(), Breach> {
    // An XML declaration is judged when it is complete, and short.
    let waits_for_header = said.header().is_none() && said.error.is_none();
    if said.error.is_some() || waits_for_header && reading.fault.is_some() {
        return Ok(());
    }
    ensure(reading.fault.is_none(), "what the framer takes nobody refuses", || {
        format!("{:?}; framer: {said:?}", reading.fault)
    })?;
    ensure(!reading.is_beyond_xmpp, "what the framer takes is XMPP", || format!("{said:?}"))?;
    let trees: Vec<Tree> = said.frames().filter_map(|frame| tree(frame).ok()).collect();
    same("what the framer takes has one tree", &trees, &reading.elements)?;
    same("what the framer takes is whole when it says so", &said.is_whole(), &reading.is_whole)?;
    same("what the framer takes ends where it says", &said.is_closed(), &reading.is_closed)?;
    let (Some(header), Some(root)) = (said.header(), &reading.root) else {
        let both_wait = said.header().is_none() && reading.root.is_none();
        return ensure(both_wait, "a header is one to all", || format!("{said:?}\n{reading:?}"));
    };
    let ours = [header.to(), header.from(), header.id(), header.version()];
    let theirs = ["to", "from", "id", "version"].map(|name| root.attribute(name));
    same("a header has its attributes", &ours, &theirs)?;
    let is_stream = root.name.namespace == "http://etherx.jabber.org/streams";
    same("a header knows its namespace", &header.stream_namespace_ok(), &is_stream)?;
    same("the root is a stream", &root.name.local.as_str(), &"stream")
}
