//! Law: the framer gives the same verdict, and its trees hold the same, as a naive checker that reads a whole string by recursive
//! descent, with a map for the namespaces in scope and no thought of speed.

mod common;
// The tables are data; only the walk is written twice.
#[path = "../src/names.rs"]
mod names;

use std::collections::{HashMap, HashSet};

use common::{HEADER, change, changed, element, frames_after};
use proptest::prelude::*;
use xmpp_frame::Element;

type Scope = HashMap<String, String>;

#[derive(Debug, PartialEq, Eq)]
struct Node {
    name: (String, String),
    attributes: Vec<((String, String), String)>,
    children: Vec<Node>,
    text: String,
}

struct Reader<'a> {
    rest: &'a str,
}

/// The first-level elements of a stream with the usual header.
fn twin(body: &[u8]) -> Option<Vec<Node>> {
    let mut reader = Reader { rest: std::str::from_utf8(body).ok()? };
    let scope: Scope = [
        ("", "jabber:server"),
        ("stream", "http://etherx.jabber.org/streams"),
        ("db", "jabber:server:dialback"),
        ("cap", "urn:capulet:1"),
        ("xml", "http://www.w3.org/XML/1998/namespace"),
    ]
    .map(|(prefix, name)| (prefix.to_owned(), name.to_owned()))
    .into();
    let mut nodes = Vec::new();
    loop {
        reader.space();
        if reader.rest.is_empty() {
            return Some(nodes);
        }
        let node = reader.element(&scope)?;
        if node.name == ("http://etherx.jabber.org/streams".into(), "stream".into()) {
            return None;
        }
        nodes.push(node);
    }
}

fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

fn is_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii() && names::is_name_start(c)
}

fn is_rest(c: char) -> bool {
    is_start(c)
        || c.is_ascii_digit()
        || c == '-'
        || c == '.'
        || !c.is_ascii() && names::is_name_char(c)
}

impl Reader<'_> {
    fn eat(&mut self, what: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(what)?;
        Some(())
    }

    fn space(&mut self) -> bool {
        let before = self.rest.len();
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.len() < before
    }

    fn take_until(&mut self, end: &str) -> Option<String> {
        let (taken, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(taken.to_owned())
    }

    fn qname(&mut self) -> Option<(String, String)> {
        let end = self.rest.find(|c| !is_rest(c) && c != ':').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let is_ncname =
            |part: &str| part.chars().next().is_some_and(is_start) && !part.contains(':');
        let is_good =
            is_ncname(local) && (is_ncname(prefix) || prefix.is_empty() && !name.contains(':'));
        is_good.then(|| (prefix.to_owned(), local.to_owned()))
    }

    fn reference(&mut self) -> Option<char> {
        self.eat("&")?;
        let name = self.take_until(";")?;
        Some(match name.as_str() {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "apos" => '\'',
            "quot" => '"',
            _ => {
                let digits = name.strip_prefix('#')?;
                let (digits, radix) =
                    digits.strip_prefix('x').map_or((digits, 10), |hex| (hex, 16));
                if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
                    return None;
                }
                let code = u32::from_str_radix(digits, radix).ok()?;
                char::from_u32(code).filter(|&c| is_char(c))?
            }
        })
    }

    fn attribute_value(&mut self) -> Option<String> {
        let quote = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        self.rest = &self.rest[1..];
        let mut value = String::new();
        loop {
            match self.rest.chars().next()? {
                c if c == quote => break,
                '<' => return None,
                '&' => value.push(self.reference()?),
                c => {
                    let end = if self.rest.starts_with("\r\n") { 2 } else { c.len_utf8() };
                    self.rest = &self.rest[end..];
                    value.push(if matches!(c, '\t' | '\n' | '\r') {
                        ' '
                    } else {
                        Some(c).filter(|&c| is_char(c))?
                    });
                }
            }
        }
        self.rest = &self.rest[1..];
        Some(value)
    }

    fn element(&mut self, outer: &Scope) -> Option<Node> {
        self.eat("<")?;
        let name = self.qname()?;
        let mut raw = Vec::new();
        let is_empty = loop {
            let spaced = self.space();
            if self.eat(">").is_some() {
                break false;
            }
            if self.eat("/>").is_some() {
                break true;
            }
            let attribute = self.qname().filter(|_| spaced)?;
            self.space();
            self.eat("=")?;
            self.space();
            raw.push((attribute, self.attribute_value()?));
        };
        let scope = scope_within(outer, &raw)?;
        let expand =
            |(prefix, local): &(String, String)| Some((scope.get(prefix)?.clone(), local.clone()));
        let mut node = Node {
            name: expand(&name)?,
            attributes: Vec::new(),
            children: Vec::new(),
            text: String::new(),
        };
        for (attribute, value) in raw {
            if attribute.0 != "xmlns" && attribute != (String::new(), "xmlns".into()) {
                let bare = attribute.0.is_empty();
                node.attributes.push((if bare { attribute } else { expand(&attribute)? }, value));
            }
        }
        let distinct: HashSet<_> = node.attributes.iter().map(|(name, _)| name).collect();
        if distinct.len() != node.attributes.len() {
            return None;
        }
        if !is_empty {
            self.content(&mut node, &scope)?;
            self.eat("</")?;
            if self.qname()? != name {
                return None;
            }
            self.space();
            self.eat(">")?;
        }
        Some(node)
    }

    fn content(&mut self, node: &mut Node, scope: &Scope) -> Option<()> {
        while !self.rest.starts_with("</") {
            if self.eat("<![CDATA[").is_some() {
                let section = self.take_until("]]>")?;
                if !section.chars().all(is_char) {
                    return None;
                }
                node.text.push_str(&section.replace("\r\n", "\n").replace('\r', "\n"));
            } else if self.rest.starts_with('<') {
                node.children.push(self.element(scope)?);
            } else if self.rest.starts_with('&') {
                node.text.push(self.reference()?);
            } else {
                let end = self.rest.find(['<', '&'])?;
                let (run, rest) = self.rest.split_at(end);
                if run.contains("]]>") || !run.chars().all(is_char) {
                    return None;
                }
                node.text.push_str(&run.replace("\r\n", "\n").replace('\r', "\n"));
                self.rest = rest;
            }
        }
        Some(())
    }
}

fn scope_within(outer: &Scope, raw: &[((String, String), String)]) -> Option<Scope> {
    let mut scope = outer.clone();
    let mut seen = HashSet::new();
    for ((prefix, local), value) in raw {
        let declared = match (prefix.as_str(), local.as_str()) {
            ("", "xmlns") => "",
            ("xmlns", local) => local,
            _ => continue,
        };
        let is_xml = value == "http://www.w3.org/XML/1998/namespace";
        let is_forbidden = declared == "xmlns"
            || value == "http://www.w3.org/2000/xmlns/"
            || (declared == "xml") != is_xml
            || value.is_empty() && !declared.is_empty()
            || value.chars().any(|c| c.is_ascii() && (c <= ' ' || "<>\"{}|\\^`\u{7F}".contains(c)))
            || !seen.insert(declared);
        if is_forbidden {
            return None;
        }
        scope.insert(declared.to_owned(), value.clone());
    }
    Some(scope)
}

fn assert_same(node: &Node, element: &Element) {
    assert_eq!((element.namespace(), element.name()), (node.name.0.as_str(), node.name.1.as_str()));
    for ((namespace, name), value) in &node.attributes {
        assert_eq!(element.attr_in(name, namespace), Some(value.as_str()), "{name}");
    }
    assert_eq!(element.text(), node.text);
    assert_eq!(element.children().count(), node.children.len());
    for (child, inner) in node.children.iter().zip(element.children()) {
        assert_same(child, inner);
    }
}

/// Whole elements only: what is cut short is not an error for the framer, which waits for more.
fn framer(body: &[u8]) -> Option<Vec<Element>> {
    let said =
        common::feed(&[HEADER.as_bytes(), body].concat(), &[], xmpp_frame::Limits::AUTHENTICATED);
    if said.error.is_some() || said.pending > 0 {
        return None;
    }
    let frames = frames_after(HEADER, std::str::from_utf8(body).ok()?).ok()?;
    Some(frames.iter().map(|frame| frame.element().expect("a checked frame has a tree")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 4000 } else { 100_000 }))]

    #[test]
    fn framer_and_naive_twin_agree(
        stanza in element(),
        changes in prop::collection::vec(change(), 0..3),
    ) {
        let body = changed(&stanza, &changes);
        let (naive, ours) = (twin(&body), framer(&body));
        prop_assert_eq!(naive.is_some(), ours.is_some(), "{}", String::from_utf8_lossy(&body));
        if let (Some(naive), Some(ours)) = (naive, ours) {
            prop_assert_eq!(naive.len(), ours.len());
            for (node, element) in naive.iter().zip(&ours) {
                assert_same(node, element);
            }
        }
    }
}

#[test]
fn the_generator_makes_both_good_and_bad_stanzas() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let good = (0..400).filter(|_| {
        let stanza = element().new_tree(&mut runner).expect("no filters").current();
        twin(stanza.as_bytes()).is_some()
    });
    let good = good.count();
    assert!((100..390).contains(&good), "{good} of 400 are well-formed");
}
