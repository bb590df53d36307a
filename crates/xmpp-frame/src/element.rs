//! A small tree of one frame, for negotiation.

use crate::error::{FrameError, Reason};
use crate::frame::Frame;
use crate::tokens::{Event, Tokens};

/// An element with its attributes and children; namespaces are resolved, values unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    name: Box<str>,
    namespace: Box<str>,
    attributes: Vec<Attribute>,
    children: Vec<Node>,
}

/// An attribute of an [`Element`]; a namespace declaration is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    namespace: Box<str>,
    name: Box<str>,
    value: Box<str>,
}

/// What an [`Element`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A child element.
    Element(Element),
    /// A stretch of character data, unescaped. Several may follow each other: a CDATA section is a stretch of its own.
    Text(Box<str>),
}

impl Attribute {
    /// The local name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace name; empty for an attribute without prefix.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The value, unescaped and normalised.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl Element {
    /// The local name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace name; empty when in none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether the expanded name is this one.
    pub fn is(&self, name: &str, namespace: &str) -> bool {
        &*self.name == name && &*self.namespace == namespace
    }

    /// The value of an unprefixed attribute.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attr_in(name, "")
    }

    /// The value of an attribute by its expanded name.
    pub fn attr_in(&self, name: &str, namespace: &str) -> Option<&str> {
        let wanted =
            |attribute: &&Attribute| &*attribute.name == name && &*attribute.namespace == namespace;
        self.attributes.iter().find(wanted).map(|attribute| &*attribute.value)
    }

    /// All attributes, in the order they are written.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Child elements and character data in order.
    pub fn nodes(&self) -> &[Node] {
        &self.children
    }

    /// The first child with this expanded name.
    pub fn child(&self, name: &str, namespace: &str) -> Option<&Element> {
        self.children().find(|child| child.is(name, namespace))
    }

    /// The child elements in order.
    pub fn children(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The element's own character data, concatenated; that of its children is left out.
    pub fn text(&self) -> String {
        let own = self.children.iter().filter_map(|node| match node {
            Node::Text(text) => Some(&**text),
            Node::Element(_) => None,
        });
        own.collect()
    }

    pub(crate) fn of(frame: &Frame) -> Result<Element, FrameError> {
        let mut tokens = Tokens::new(frame);
        // Elements that are open, the first-level one first. A loop, so that depth costs no call stack.
        let mut open: Vec<Element> = Vec::new();
        while let Some(event) = tokens.next()? {
            let closed = match event {
                Event::Start(start) => {
                    let attributes = start.attributes.iter().map(|attribute| Attribute {
                        namespace: (&*attribute.namespace).into(),
                        name: attribute.local.into(),
                        value: attribute.value.clone().into(),
                    });
                    let element = Element {
                        name: start.local.into(),
                        namespace: (&*start.namespace).into(),
                        attributes: attributes.collect(),
                        children: Vec::new(),
                    };
                    open.push(element);
                    continue;
                }
                Event::Text(text) => {
                    if let Some(parent) = open.last_mut() {
                        parent.children.push(Node::Text(text.into()));
                    }
                    continue;
                }
                Event::End => open.pop().ok_or(FrameError::NotWellFormed(Reason::MismatchedTag))?,
            };
            match open.last_mut() {
                Some(parent) => parent.children.push(Node::Element(closed)),
                None => return Ok(closed),
            }
        }
        Err(FrameError::NotWellFormed(Reason::Syntax))
    }
}
