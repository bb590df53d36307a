//! The recursive descent.

use std::collections::{HashMap, HashSet};

use super::stanza::{Marked, MarkedName, MarkedNode, Origin, Stanza};
use super::{Stream, names};
use crate::tree::Name;

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
const STREAMS: &str = "http://etherx.jabber.org/streams";
const DIALBACK: &str = "jabber:server:dialback";

/// What prefixes stand for; the empty one for names without.
type Scope = HashMap<String, (Origin, String)>;

/// Prefix and local name as written.
type Written = (String, String);

/// A start tag as written.
struct Tag {
    name: Written,
    attributes: Vec<(Written, String)>,
    is_empty: bool,
}

struct Reader<'a> {
    rest: &'a str,
    /// What the declarations of the first-level element being read say, by number.
    declared: Vec<String>,
}

pub(super) fn stream(text: &str) -> Option<Stream> {
    let mut reader =
        Reader { rest: text.strip_prefix('\u{FEFF}').unwrap_or(text), declared: Vec::new() };
    if reader.eat("<?xml").is_some() {
        reader.xml_declaration()?;
    }
    reader.space();
    let tag = reader.tag()?;
    if tag.is_empty || tag.name.1 != "stream" {
        return None;
    }
    let nothing: Scope = [
        (String::new(), (Origin::Default, String::new())),
        ("xml".to_owned(), (Origin::Xml, XML.to_owned())),
    ]
    .into();
    let mut scope = reader.scope_within(&nothing, &tag)?;
    let root = marked(&tag, &scope)?.tree();
    for (prefix, (origin, _)) in &mut scope {
        *origin = match prefix.as_str() {
            "" => Origin::Default,
            "xml" => Origin::Xml,
            prefix => Origin::Header(prefix.to_owned()),
        };
    }
    let default = scope[""].1.clone();
    let is_dialback =
        |(prefix, name): (&String, &(Origin, String))| !prefix.is_empty() && name.1 == DIALBACK;
    let declares_dialback = scope.iter().any(is_dialback);
    let mut stream =
        Stream { root, default, declares_dialback, stanzas: Vec::new(), is_closed: false };
    loop {
        reader.space();
        if reader.rest.is_empty() {
            return Some(stream);
        }
        if reader.rest.starts_with("</") {
            reader.end_tag(&tag.name)?;
            reader.space();
            stream.is_closed = true;
            return reader.rest.is_empty().then_some(stream);
        }
        reader.declared.clear();
        let marked = reader.element(&scope)?;
        if marked.name.name == Name::new(STREAMS, "stream") {
            return None;
        }
        let declared = reader.declared.clone();
        stream.stanzas.push(Stanza { marked, declared, default: stream.default.clone() });
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

    /// The rest of an XML declaration: version 1.0, perhaps UTF-8, perhaps `standalone`, in this order.
    fn xml_declaration(&mut self) -> Option<()> {
        let mut said = Vec::new();
        loop {
            let spaced = self.space();
            if self.eat("?>").is_some() {
                break;
            }
            let name = self.take_until("=").filter(|_| spaced)?;
            self.space();
            let quote = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
            self.rest = &self.rest[1..];
            let value = self.take_until(&quote.to_string())?;
            said.push((name.trim_end_matches([' ', '\t', '\n', '\r']).to_owned(), value));
        }
        let said: Vec<_> =
            said.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let is_utf_8 = |name: &str| name.eq_ignore_ascii_case("utf-8");
        match said[..] {
            [("version", "1.0")] => Some(()),
            [("version", "1.0"), ("encoding", name)] if is_utf_8(name) => Some(()),
            [("version", "1.0"), ("standalone", "yes" | "no")] => Some(()),
            [("version", "1.0"), ("encoding", name), ("standalone", "yes" | "no")]
                if is_utf_8(name) =>
            {
                Some(())
            }
            _ => None,
        }
    }

    fn qname(&mut self) -> Option<Written> {
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

    fn tag(&mut self) -> Option<Tag> {
        self.eat("<")?;
        let name = self.qname()?;
        let mut attributes = Vec::new();
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
            attributes.push((attribute, self.attribute_value()?));
        };
        Some(Tag { name, attributes, is_empty })
    }

    fn end_tag(&mut self, name: &Written) -> Option<()> {
        self.eat("</")?;
        if self.qname()? != *name {
            return None;
        }
        self.space();
        self.eat(">")
    }

    fn element(&mut self, outer: &Scope) -> Option<Marked> {
        let tag = self.tag()?;
        let scope = self.scope_within(outer, &tag)?;
        let mut element = marked(&tag, &scope)?;
        if !tag.is_empty {
            self.content(&mut element, &scope)?;
            self.end_tag(&tag.name)?;
        }
        Some(element)
    }

    fn content(&mut self, element: &mut Marked, scope: &Scope) -> Option<()> {
        while !self.rest.starts_with("</") {
            let node = if self.eat("<![CDATA[").is_some() {
                let section = self.take_until("]]>")?;
                if !section.chars().all(is_char) {
                    return None;
                }
                MarkedNode::Text(section.replace("\r\n", "\n").replace('\r', "\n"))
            } else if self.rest.starts_with('<') {
                MarkedNode::Element(self.element(scope)?)
            } else if self.rest.starts_with('&') {
                MarkedNode::Text(self.reference()?.to_string())
            } else {
                let end = self.rest.find(['<', '&'])?;
                let (run, rest) = self.rest.split_at(end);
                if run.contains("]]>") || !run.chars().all(is_char) {
                    return None;
                }
                self.rest = rest;
                MarkedNode::Text(run.replace("\r\n", "\n").replace('\r', "\n"))
            };
            element.nodes.push(node);
        }
        Some(())
    }

    /// The scope inside a tag (Namespaces in XML 1.0, §3 and §5).
    fn scope_within(&mut self, outer: &Scope, tag: &Tag) -> Option<Scope> {
        let mut scope = outer.clone();
        let mut seen = HashSet::new();
        for ((prefix, local), value) in &tag.attributes {
            let declared = match (prefix.as_str(), local.as_str()) {
                ("", "xmlns") => "",
                ("xmlns", local) => local,
                _ => continue,
            };
            let is_forbidden = declared == "xmlns"
                || value == XMLNS
                || (declared == "xml") != (value == XML)
                || value.is_empty() && !declared.is_empty()
                || value
                    .chars()
                    .any(|c| c.is_ascii() && (c <= ' ' || "<>\"{}|\\^`\u{7F}".contains(c)))
                || !seen.insert(declared);
            if is_forbidden {
                return None;
            }
            if declared != "xml" {
                let origin = Origin::Here(self.declared.len());
                scope.insert(declared.to_owned(), (origin, value.clone()));
                self.declared.push(value.clone());
            }
        }
        Some(scope)
    }
}

/// A tag with its names resolved, when all are bound and no attribute is there twice.
fn marked(tag: &Tag, scope: &Scope) -> Option<Marked> {
    let expand = |(prefix, local): &Written| {
        let (origin, namespace) = scope.get(prefix)?.clone();
        Some(MarkedName { origin, name: Name { namespace, local: local.clone() } })
    };
    let mut attributes = Vec::new();
    for (attribute, value) in &tag.attributes {
        if attribute.0 == "xmlns" || *attribute == (String::new(), "xmlns".to_owned()) {
            continue;
        }
        let name = if attribute.0.is_empty() {
            MarkedName { origin: Origin::Nothing, name: Name::new("", &attribute.1) }
        } else {
            expand(attribute)?
        };
        attributes.push((name, value.clone()));
    }
    let distinct: HashSet<_> = attributes.iter().map(|(name, _)| &name.name).collect();
    if distinct.len() != attributes.len() {
        return None;
    }
    Some(Marked { name: expand(&tag.name)?, attributes, nodes: Vec::new() })
}
