//! What the framer says.

use std::fmt;

use xmpp_frame::{Element, Frame, FrameError, Framer, Header, Item, Limits, Node, Vectors};

use crate::pieces::pieces;
use crate::tree::{Name, Tree};

/// All that a stream said: its items, then the error if there was one.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// The items in their order.
    pub items: Vec<Told>,
    /// What ended the stream.
    pub error: Option<FrameError>,
    /// Bytes that belong to no item yet; 0 after an error.
    pub pending: usize,
}

/// An item, comparable by everything that the framer says of it.
#[derive(Clone)]
pub struct Told(pub Item);

/// The limits of a stream: those of its header, and those from there on.
#[derive(Clone, Copy, Debug)]
pub struct Under {
    header: Limits,
    elements: Limits,
}

impl Under {
    /// These for elements only. Limits that small elements meet would refuse every header that binds a few prefixes.
    pub fn behind_the_header(elements: Limits) -> Under {
        Under { header: Limits::AUTHENTICATED, elements }
    }
}

impl From<Limits> for Under {
    fn from(limits: Limits) -> Under {
        Under { header: limits, elements: limits }
    }
}

/// Feeds `bytes` in [`pieces`] of these lengths.
pub fn feed(bytes: &[u8], lengths: &[usize], limits: Limits) -> Said {
    feed_with(Vectors::best(), bytes, lengths, limits)
}

/// The same with other vectors.
///
/// # Panics
/// When a dead framer does not repeat its error.
pub fn feed_with(
    vectors: Vectors,
    bytes: &[u8],
    lengths: &[usize],
    limits: impl Into<Under>,
) -> Said {
    let Under { header, elements } = limits.into();
    tell(&mut Framer::with_vectors(header, vectors), bytes, lengths, Some(elements))
}

/// The same to a framer that may have begun.
///
/// # Panics
/// When a dead framer does not repeat its error.
pub fn feed_to(framer: &mut Framer, bytes: &[u8], lengths: &[usize]) -> Said {
    tell(framer, bytes, lengths, None)
}

fn tell(
    framer: &mut Framer,
    bytes: &[u8],
    lengths: &[usize],
    behind_the_header: Option<Limits>,
) -> Said {
    let mut said = Said { items: Vec::new(), error: None, pending: 0 };
    // A first look without new bytes: what is pending may hold items.
    for piece in std::iter::once(&[][..]).chain(pieces(bytes, lengths)) {
        framer.buffer().extend_from_slice(piece);
        loop {
            match framer.next() {
                Ok(Some(item)) => {
                    if let (Item::Header(_), Some(limits)) = (&item, behind_the_header) {
                        framer.set_limits(limits);
                    }
                    said.items.push(Told(item));
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(framer.next().err(), Some(error), "a dead framer repeats its error");
                    said.error = Some(error);
                    return said;
                }
            }
        }
    }
    said.pending = framer.pending();
    said
}

impl Said {
    /// The header, if it was complete.
    pub fn header(&self) -> Option<&Header> {
        self.items.iter().find_map(|told| match &told.0 {
            Item::Header(header) => Some(header),
            _ => None,
        })
    }

    /// The first-level elements.
    pub fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.items.iter().filter_map(|told| match &told.0 {
            Item::Element(frame) => Some(frame),
            _ => None,
        })
    }

    /// Whether the end tag of the root was among the bytes.
    pub fn is_closed(&self) -> bool {
        self.items.iter().any(|told| matches!(told.0, Item::Close))
    }

    /// Whether the bytes are a header and any number of whole first-level elements, and perhaps the close.
    pub fn is_whole(&self) -> bool {
        self.error.is_none() && self.pending == 0 && self.header().is_some()
    }
}

/// The tree of a frame, by [`Frame::element`].
///
/// # Errors
/// What that says; none is expected.
pub fn tree(frame: &Frame) -> Result<Tree, FrameError> {
    frame.element().map(|element| tree_of(&element))
}

fn tree_of(element: &Element) -> Tree {
    let mut tree = Tree::new(Name::new(element.namespace(), element.name()));
    for attribute in element.attributes() {
        let name = Name::new(attribute.namespace(), attribute.name());
        tree.attributes.insert(name, attribute.value().to_owned());
    }
    for node in element.nodes() {
        match node {
            Node::Element(child) => tree.push(tree_of(child)),
            Node::Text(text) => tree.push_text(text),
        }
    }
    tree
}

impl PartialEq for Told {
    fn eq(&self, other: &Told) -> bool {
        match (&self.0, &other.0) {
            (Item::Header(one), Item::Header(other)) => header_facts(one) == header_facts(other),
            (Item::Element(one), Item::Element(other)) => {
                texts(one) == texts(other) && answers(one) == answers(other)
            }
            (Item::Close, Item::Close) => true,
            _ => false,
        }
    }
}

impl Eq for Told {}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Item::Header(header) => write!(f, "header {:?}", header_facts(header)),
            Item::Element(frame) => write!(f, "{:?} {:?}", texts(frame), answers(frame)),
            Item::Close => write!(f, "close"),
        }
    }
}

fn header_facts(header: &Header) -> impl PartialEq + fmt::Debug {
    let texts = [header.to(), header.from(), header.id(), header.version(), header.lang()];
    let answers = [header.stream_namespace_ok(), header.declares_dialback()];
    (header.bytes(), texts, header.default_namespace(), header.content(), answers)
}

fn texts(frame: &Frame) -> impl PartialEq + fmt::Debug {
    let addresses = [frame.from(), frame.to(), frame.id(), frame.type_()];
    (frame.bytes(), frame.namespace(), frame.name(), addresses)
}

fn answers(frame: &Frame) -> impl PartialEq + fmt::Debug {
    let answers = [frame.has_lang(), frame.is_self_contained(), frame.spells_content_namespace()];
    (frame.kind(), frame.content(), answers)
}
