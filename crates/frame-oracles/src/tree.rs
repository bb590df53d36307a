//! What a parser makes of an element, in a form in which parsers can be compared.

use std::collections::BTreeMap;

/// A name with its namespace; that is empty for a name in none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The namespace name.
    pub namespace: String,
    /// The local name.
    pub local: String,
}

impl Name {
    /// The name `local` in `namespace`.
    pub fn new(namespace: &str, local: &str) -> Name {
        Name { namespace: namespace.to_owned(), local: local.to_owned() }
    }
}

/// An element: its expanded name, its attributes whatever their order, and what is in it in its order. Namespace declarations are not
/// among the attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Its name.
    pub name: Name,
    /// Its attributes, unescaped and normalised.
    pub attributes: BTreeMap<Name, String>,
    /// Child elements, and the character data between them in one piece each.
    pub nodes: Vec<Node>,
}

/// What an element holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A child element.
    Element(Tree),
    /// Character data, never empty, never two in a row.
    Text(String),
}

impl Tree {
    /// An element with nothing in it yet.
    pub fn new(name: Name) -> Tree {
        Tree { name, ..Tree::default() }
    }

    /// The value of an attribute in no namespace.
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attribute_in("", local)
    }

    /// The value of an attribute.
    pub fn attribute_in(&self, namespace: &str, local: &str) -> Option<&str> {
        self.attributes.get(&Name::new(namespace, local)).map(String::as_str)
    }

    /// Character data at the end; it becomes one with what stands right before.
    pub fn push_text(&mut self, text: &str) {
        match self.nodes.last_mut() {
            _ if text.is_empty() => {}
            Some(Node::Text(before)) => before.push_str(text),
            _ => self.nodes.push(Node::Text(text.to_owned())),
        }
    }

    /// A child at the end.
    pub fn push(&mut self, child: Tree) {
        self.nodes.push(Node::Element(child));
    }
}
