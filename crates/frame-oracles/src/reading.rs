//! What a foreign parser makes of a stream.

use crate::tree::{Name, Tree};

/// What a foreign parser said about the bytes of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The start tag of the root: a tree with nothing in it.
    pub root: Option<Tree>,
    /// The first-level elements that were complete before a fault.
    pub elements: Vec<Tree>,
    /// XML that is good but not XMPP was met: character data other than white space or a CDATA section outside of the first-level
    /// elements; a comment, an instruction or a document type declaration anywhere.
    pub is_beyond_xmpp: bool,
    /// The end tag of the root was among the bytes.
    pub is_closed: bool,
    /// Why the bytes were refused as far as they go.
    pub fault: Option<String>,
    /// The bytes, with the end tag of the root behind them unless it was among them, are a whole document.
    pub is_whole: bool,
    pub(crate) open: Vec<Tree>,
}

impl Reading {
    pub(crate) fn start(&mut self, name: Name, attributes: impl Iterator<Item = (Name, String)>) {
        let mut tree = Tree::new(name);
        tree.attributes.extend(attributes);
        if self.root.is_none() {
            self.root = Some(tree);
        } else {
            self.open.push(tree);
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        match self.open.last_mut() {
            Some(parent) => parent.push_text(text),
            None => self.is_beyond_xmpp |= !text.trim_matches([' ', '\t', '\n', '\r']).is_empty(),
        }
    }

    pub(crate) fn section(&mut self) {
        self.is_beyond_xmpp |= self.open.is_empty();
    }

    pub(crate) fn end(&mut self) {
        match (self.open.pop(), self.open.last_mut()) {
            (Some(child), Some(parent)) => parent.push(child),
            (Some(element), None) => self.elements.push(element),
            (None, _) => self.is_closed = true,
        }
    }
}
