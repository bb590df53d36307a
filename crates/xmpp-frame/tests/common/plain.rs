//! A generator of stanzas that are valid without doubt, in which nothing is that XMPP forbids, with the tree that was meant.

use proptest::prelude::*;
use proptest::sample::select;
use xmpp_frame_oracles::tree::{Name, Tree};

use super::stanzas::length;

/// What is to be written.
#[derive(Clone, Debug)]
struct Meant {
    namespace: Where,
    local: String,
    /// Local name, whether it has the prefix of the element, value.
    attributes: Vec<(String, bool, String)>,
    children: Vec<Child>,
    way: u8,
}

/// Where an element has its namespace from.
#[derive(Clone, Debug)]
enum Where {
    Inherited,
    Default(String),
    /// Declared with a prefix that nothing around it declares.
    Prefixed(String),
}

#[derive(Clone, Debug)]
enum Child {
    Element(Meant),
    Text(String, u8),
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => select(vec!["message", "iq", "presence", "body", "query", "x", "item", "c"]).prop_map(str::to_owned),
        1 => "[a-zA-Z_][a-zA-Z0-9._-]{0,39}",
        1 => "[a-zéЖ日_][a-zéЖ日0-9·._-]{0,12}",
    ]
}

/// Characters that XML has, of all kinds, at first many of one kind.
fn text() -> impl Strategy<Value = String> {
    let odd = "[\t\n\r -~\u{80}-\u{7FF}\u{800}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]{0,6}";
    (length(), odd, length(), odd).prop_map(|(one, odd, other, end)| {
        format!("{}{odd}{}{end}", "O Romeo ".repeat(13).split_at(one).0, "x".repeat(other))
    })
}

fn namespace() -> impl Strategy<Value = String> {
    let usual = select(vec![
        "urn:xmpp:ping",
        "http://jabber.org/protocol/muc#user",
        "jabber:iq:roster",
        "jabber:client",
    ]);
    prop_oneof![usual.prop_map(str::to_owned), "urn:[a-zA-Z0-9.~:/?#@!$&'()*+,;=%é_-]{1,70}"]
}

fn meant() -> impl Strategy<Value = Meant> {
    let place = || {
        prop_oneof![
            2 => Just(Where::Inherited),
            1 => namespace().prop_map(Where::Default),
            1 => namespace().prop_map(Where::Prefixed),
        ]
    };
    let head = move || {
        let attributes = prop::collection::vec((name(), any::<bool>(), text()), 0..4);
        (place(), name(), attributes, any::<u8>())
    };
    let leaf = head().prop_map(|(namespace, local, attributes, way)| Meant {
        namespace,
        local,
        attributes,
        children: Vec::new(),
        way,
    });
    leaf.prop_recursive(5, 30, 4, move |inner| {
        let child = prop_oneof![
            inner.prop_map(Child::Element),
            (text(), any::<u8>()).prop_map(|(text, way)| Child::Text(text, way)),
        ];
        (head(), prop::collection::vec(child, 0..4)).prop_map(
            |((namespace, local, attributes, way), children)| Meant {
                namespace,
                local,
                attributes,
                children,
                way,
            },
        )
    })
}

/// A stanza as text, and what it is on a stream with this default namespace.
pub fn plain(default: &'static str) -> impl Strategy<Value = (String, Tree)> {
    meant().prop_map(move |meant| {
        let mut out = String::new();
        let tree = meant.write(&mut out, default, 0);
        (out, tree)
    })
}

impl Meant {
    fn write(&self, out: &mut String, default: &str, depth: usize) -> Tree {
        let prefix = format!("p{depth}");
        let (inside, namespace, written) = match &self.namespace {
            Where::Inherited => (default, default, self.local.clone()),
            Where::Default(name) => (name.as_str(), name.as_str(), self.local.clone()),
            Where::Prefixed(name) => (default, name.as_str(), format!("{prefix}:{}", self.local)),
        };
        let mut tree = Tree::new(Name::new(namespace, &self.local));
        out.push('<');
        out.push_str(&written);
        let quote = ['\'', '"'][usize::from(self.way & 1)];
        let space = [" ", "\n", "\t ", " "][usize::from(self.way >> 1 & 3)];
        let equals = ["=", " = ", "=", "="][usize::from(self.way >> 3 & 3)];
        let mut put = |name: &str, value: &str| {
            out.extend([space, name, equals]);
            out.push(quote);
            out.push_str(&escaped(value, self.way >> 5, Some(quote)));
            out.push(quote);
        };
        match &self.namespace {
            Where::Inherited => {}
            Where::Default(name) => put("xmlns", name),
            Where::Prefixed(name) => put(&format!("xmlns:{prefix}"), name),
        }
        for (local, with_prefix, value) in &self.attributes {
            let with_prefix = *with_prefix && matches!(self.namespace, Where::Prefixed(_));
            let name = Name::new(if with_prefix { namespace } else { "" }, local);
            if !tree.attributes.contains_key(&name) && local != "xmlns" {
                let written = if with_prefix { format!("{prefix}:{local}") } else { local.clone() };
                put(&written, value);
                tree.attributes.insert(name, value.clone());
            }
        }
        if self.children.is_empty() && self.way & 0x80 == 0 {
            out.push_str("/>");
            return tree;
        }
        out.push('>');
        for child in &self.children {
            match child {
                Child::Element(child) => tree.push(child.write(out, inside, depth + 1)),
                Child::Text(text, way) => {
                    out.push_str(&characters(text, *way));
                    tree.push_text(text);
                }
            }
        }
        out.extend(["</", &written, ">"]);
        tree
    }
}

/// Text, or a CDATA section where one can say it.
fn characters(text: &str, way: u8) -> String {
    if way & 4 == 4 && !text.contains("]]>") && !text.contains('\r') {
        return format!("<![CDATA[{text}]]>");
    }
    escaped(text, way, None)
}

/// Escapes what must be, and more of it depending on the way. In a value white space must be kept by references (XML 1.0 §3.3.3).
fn escaped(text: &str, way: u8, quote: Option<char>) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let is_space = matches!(c, '\t' | '\n' | '\r');
        let must = match c {
            '<' | '&' => true,
            '>' => quote.is_none(),
            '\r' => true,
            c => quote.is_some() && is_space || Some(c) == quote,
        };
        if !must && way & 3 != 3 {
            out.push(c);
            continue;
        }
        let entity = match c {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '\'' => "&apos;",
            '"' => "&quot;",
            _ => "",
        };
        match way & 3 {
            _ if !must && c.is_alphanumeric() => out.push(c),
            0 if !entity.is_empty() => out.push_str(entity),
            1 => out.push_str(&format!("&#{};", u32::from(c))),
            _ => out.push_str(&format!("&#x{:X};", u32::from(c))),
        }
    }
    out
}
