//! Just enough XML to read what a server sends: cuts complete elements off the front of a buffer.
//!
//! Reads the start of the buffer again at every call, which is fine for a test and for nothing else.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use xmlparser::{ElementEnd, Token, Tokenizer};

/// Prefix to namespace; the empty prefix is the default namespace.
pub type Scope = HashMap<String, String>;

/// An element with its namespaces resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// The local name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// Attributes by the name as written, namespace declarations left out.
    pub attributes: Vec<(String, String)>,
    /// Child elements.
    pub children: Vec<Element>,
    /// All character data directly inside, joined.
    pub text: String,
}

impl Element {
    /// The value of an attribute; empty when absent.
    #[must_use]
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The first child of this name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// What [`cut`] found at the front of a buffer.
#[derive(Debug)]
pub enum Piece {
    /// A complete element and its length in bytes.
    Element(Element, usize),
    /// The closing tag of the stream.
    End,
    /// More bytes are needed.
    Incomplete,
}

/// The stream's opening tag with its namespace declarations and length, or `None` while it is incomplete.
///
/// # Errors
/// When the buffer starts with something else.
pub fn cut_header(buffer: &str) -> Result<Option<(Element, Scope, usize)>> {
    let mut start = buffer.len() - buffer.trim_start().len();
    if buffer[start..].starts_with("<?xml") {
        let Some(end) = buffer[start..].find("?>") else { return Ok(None) };
        start += end + 2;
    }
    let mut open = Open::default();
    for token in Tokenizer::from_fragment(buffer, start..buffer.len()) {
        match token {
            Ok(Token::ElementStart { prefix, local, .. }) => open = Open::new(&prefix, &local),
            Ok(Token::Attribute { prefix, local, value, .. }) => {
                open.attribute(&prefix, &local, &value);
            }
            Ok(Token::ElementEnd { end: ElementEnd::Open, span }) => {
                let (element, scope) = open.resolve(&Scope::new())?;
                return Ok(Some((element, scope, span.end())));
            }
            Ok(Token::Text { text }) if text.trim().is_empty() => {}
            Ok(other) => bail!("instead of a stream header: {other:?}"),
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// The first element of `buffer`, whose enclosing stream declared `scope`.
///
/// # Errors
/// When a prefix is not bound.
pub fn cut(buffer: &str, scope: &Scope) -> Result<Piece> {
    let start = buffer.len() - buffer.trim_start().len();
    if buffer[start..].starts_with("</") {
        return Ok(if buffer[start..].contains('>') { Piece::End } else { Piece::Incomplete });
    }
    let mut ancestors: Vec<(Element, Scope)> = Vec::new();
    let mut open = Open::default();
    for token in Tokenizer::from_fragment(buffer, start..buffer.len()) {
        // The tokenizer cannot tell bad from unfinished; bad input shows as a timeout.
        let Ok(token) = token else { return Ok(Piece::Incomplete) };
        match token {
            Token::ElementStart { prefix, local, .. } => open = Open::new(&prefix, &local),
            Token::Attribute { prefix, local, value, .. } => {
                open.attribute(&prefix, &local, &value);
            }
            Token::ElementEnd { end, span } => {
                if !matches!(end, ElementEnd::Close(..)) {
                    let outer = ancestors.last().map_or(scope, |(_, scope)| scope);
                    ancestors.push(std::mem::take(&mut open).resolve(outer)?);
                }
                if matches!(end, ElementEnd::Open) {
                    continue;
                }
                let (done, _) = ancestors.pop().context("a closing tag too many")?;
                match ancestors.last_mut() {
                    Some((parent, _)) => parent.children.push(done),
                    None => return Ok(Piece::Element(done, span.end())),
                }
            }
            Token::Text { text } => {
                if let Some((element, _)) = ancestors.last_mut() {
                    element.text.push_str(&unescape(&text));
                }
            }
            Token::Cdata { text, .. } => {
                if let Some((element, _)) = ancestors.last_mut() {
                    element.text.push_str(&text);
                }
            }
            other => bail!("not allowed in a stream: {other:?}"),
        }
    }
    Ok(Piece::Incomplete)
}

/// Text made safe between tags and in attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\'', "&apos;").replace('"', "&quot;")
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&apos;", "'").replace("&quot;", "\"").replace("&amp;", "&")
}

/// An opening tag as written, before its namespaces are known.
#[derive(Default)]
struct Open {
    prefix: String,
    name: String,
    attributes: Vec<(String, String)>,
    declared: Vec<(String, String)>,
}

impl Open {
    fn new(prefix: &str, name: &str) -> Self {
        Open { prefix: prefix.to_owned(), name: name.to_owned(), ..Open::default() }
    }

    fn attribute(&mut self, prefix: &str, name: &str, value: &str) {
        let value = unescape(value);
        match (prefix, name) {
            ("", "xmlns") => self.declared.push((String::new(), value)),
            ("xmlns", prefix) => self.declared.push((prefix.to_owned(), value)),
            ("", name) => self.attributes.push((name.to_owned(), value)),
            (prefix, name) => self.attributes.push((format!("{prefix}:{name}"), value)),
        }
    }

    fn resolve(self, outer: &Scope) -> Result<(Element, Scope)> {
        let mut scope = outer.clone();
        scope.extend(self.declared);
        let namespace = match scope.get(&self.prefix) {
            Some(namespace) => namespace.clone(),
            None if self.prefix.is_empty() => String::new(),
            None => bail!("prefix {:?} of <{}/> is not bound", self.prefix, self.name),
        };
        let element = Element {
            name: self.name,
            namespace,
            attributes: self.attributes,
            ..Element::default()
        };
        Ok((element, scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_then_element_then_end() {
        let text = "<?xml version='1.0'?><s:stream xmlns:s='urn:s' xmlns='urn:c' id='a&amp;b'>\
                    <m to='x'><b>1 &lt; 2</b><s:i xmlns:s='urn:t'/></m></s:stream>";
        let (header, scope, used) = cut_header(text).unwrap().unwrap();
        assert_eq!((header.namespace.as_str(), header.attribute("id")), ("urn:s", "a&b"));
        let Piece::Element(message, length) = cut(&text[used..], &scope).unwrap() else { panic!() };
        assert_eq!(message.namespace, "urn:c");
        assert_eq!(message.child("b").unwrap().text, "1 < 2");
        assert_eq!(message.child("i").unwrap().namespace, "urn:t");
        assert!(matches!(cut(&text[used + length..], &scope).unwrap(), Piece::End));
    }

    #[test]
    fn any_prefix_of_an_element_is_incomplete() {
        let text = "<m to='x'><b>1 &lt; 2</b><i/></m>";
        for end in 0..text.len() {
            assert!(matches!(cut(&text[..end], &Scope::new()), Ok(Piece::Incomplete)), "{end}");
        }
    }
}
