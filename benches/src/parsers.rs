//! Other parsers on the same stanzas: each reads all of them as it would have to in the framer's place, and counts first-level elements.
//!
//! `xmlparser` and `quick-xml` want text and get its encoding checked by the standard library. rxml and expat are fed as a stream is, behind
//! the same header, in reads of the product.

use std::hint::black_box;

use quick_xml::NsReader;
use quick_xml::events::Event;
use rxml::error::EndOrError;
use rxml::{Parse, Parser};
use xmlparser::{ElementEnd, Token, Tokenizer};
use xmpp_frame_oracles::expat::{Counter, Expat};

use crate::reads::READ_BYTES;

/// All tokens, after a check of the encoding. No namespaces, no matching of tags, no look at references.
///
/// # Panics
/// When the text is not well-formed.
pub fn xmlparser_frames(bytes: &[u8]) -> usize {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let (mut depth, mut frames) = (0usize, 0);
    for token in Tokenizer::from_fragment(text, 0..text.len()) {
        let token = token.expect("well-formed");
        if let Token::ElementEnd { end, .. } = &token {
            match end {
                ElementEnd::Open => depth += 1,
                ElementEnd::Close(..) => {
                    depth -= 1;
                    frames += usize::from(depth == 0);
                }
                ElementEnd::Empty => frames += usize::from(depth == 0),
            }
        }
        black_box(token);
    }
    frames
}

/// All events with the namespace of each element and each attribute, after a check of the encoding. No look at characters or references.
///
/// # Panics
/// When the text is not well-formed.
pub fn quick_xml_frames(bytes: &[u8]) -> usize {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let mut reader = NsReader::from_str(text);
    let (mut depth, mut frames) = (0usize, 0);
    loop {
        let event = reader.read_event().expect("well-formed");
        let (namespace, event) = reader.resolver().resolve_event(event);
        black_box(namespace);
        match event {
            Event::Start(tag) => {
                attributes(&reader, &tag);
                depth += 1;
            }
            Event::Empty(tag) => {
                attributes(&reader, &tag);
                frames += usize::from(depth == 0);
            }
            Event::End(_) => {
                depth -= 1;
                frames += usize::from(depth == 0);
            }
            Event::Eof => return frames,
            other => {
                black_box(other);
            }
        }
    }
}

fn attributes(reader: &NsReader<&[u8]>, tag: &quick_xml::events::BytesStart<'_>) {
    for attribute in tag.attributes() {
        let attribute = attribute.expect("an attribute");
        black_box(reader.resolver().resolve_attribute(attribute.key));
        black_box(&attribute.value);
    }
}

/// A stream that rxml reads: events with the namespace of each element and attribute. It checks about what the framer does.
pub struct RxmlStream {
    parser: Parser,
    depth: usize,
}

impl RxmlStream {
    /// Behind the header.
    ///
    /// # Panics
    /// When the header is refused.
    pub fn open(header: &str) -> RxmlStream {
        let mut stream = RxmlStream { parser: Parser::default(), depth: 0 };
        assert_eq!(stream.frames(header.as_bytes()), 0);
        stream
    }

    /// Reads on.
    ///
    /// # Panics
    /// When the bytes are not well-formed.
    pub fn frames(&mut self, bytes: &[u8]) -> usize {
        let mut frames = 0;
        for mut read in bytes.chunks(READ_BYTES) {
            loop {
                let event = match self.parser.parse(&mut read, false) {
                    Ok(Some(event)) => event,
                    Ok(None) | Err(EndOrError::NeedMoreData) => break,
                    Err(EndOrError::Error(error)) => panic!("{error}"),
                };
                match &event {
                    rxml::Event::StartElement(..) => self.depth += 1,
                    rxml::Event::EndElement(_) => {
                        self.depth -= 1;
                        frames += usize::from(self.depth == 1);
                    }
                    _ => {}
                }
                black_box(event);
            }
        }
        frames
    }
}

/// A stream that expat reads, with namespaces and handlers for elements, which look for the addresses of a stanza, and text.
pub struct ExpatStream(Counter);

impl ExpatStream {
    /// Behind the header; `None` where there is no libexpat, with a word about it.
    ///
    /// # Panics
    /// When the header is refused.
    pub fn open(header: &str) -> Option<ExpatStream> {
        let expat =
            Expat::load().inspect_err(|missing| eprintln!("without expat: {missing}")).ok()?;
        let mut counter = expat.counter();
        counter.feed(header.as_bytes()).expect("a header");
        Some(ExpatStream(counter))
    }

    /// Reads on.
    ///
    /// # Panics
    /// When the bytes are not well-formed.
    pub fn frames(&mut self, bytes: &[u8]) -> usize {
        let before = self.0.count().elements;
        for read in bytes.chunks(READ_BYTES) {
            self.0.feed(read).expect("well-formed");
        }
        self.0.count().elements - before
    }
}
