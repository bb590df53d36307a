//! The sum of a stanza's content, whichever way it is spelled.
//!
//! A server may write anew what it passes on: other quotes, other prefixes, references in place of characters, CDATA, attributes in
//! another order, another content namespace (XEP-0114). So the sum is taken over what is said, not over the bytes: expanded names,
//! attributes in an order of their own, text. The stanza's own start tag is left out: what may stand in it is another question
//! ([`is_plain_start`]). So is the order of its children among each other where their names differ: it says nothing, and ejabberd, which
//! takes stanzas apart, writes what it knows (`<thread/>`, `<show/>`, `<status/>`) behind the rest. Deeper down, and among children of
//! one name, order counts. The first text that begins with the fields of a payload counts without them.

use xmpp_frame::{Element, Node};

use super::payload::{HEAD_BYTES, add, begins_with_fields, fold};

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// What stands for the content namespace of whatever stream it is.
const CONTENT: &str = "content";

/// What begins in the sequence that is summed.
#[derive(Clone, Copy)]
enum Step {
    Start = 1,
    Attribute,
    Text,
    Fields,
    End,
}

/// What was found in a stanza.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Canonical {
    /// Of the content without the fields.
    pub(crate) sum: u64,
    /// The text that begins with the fields.
    pub(crate) marked: String,
}

/// Sums the content of `stanza`; none when no text in it begins with fields.
pub(crate) fn canonical(stanza: &Element) -> Option<Canonical> {
    let own = stanza.namespace();
    let mut walk = Walk { own, sum: SEED, text: String::new(), marked: None };
    let mut parts = Vec::new();
    for node in stanza.nodes() {
        match node {
            Node::Text(text) => walk.text.push_str(text),
            Node::Element(element) => {
                walk.end_text();
                parts.push((("", ""), walk.take()));
                walk.element(element, true);
                parts.push(((walk.namespace(element, true), element.name()), walk.take()));
            }
        }
    }
    walk.end_text();
    parts.push((("", ""), walk.take()));
    // Stable: those of one name stay in their order.
    parts.sort_by_key(|(name, _)| *name);
    let said = parts.iter().map(|(_, sum)| *sum).filter(|sum| *sum != SEED);
    Some(Canonical { sum: said.fold(SEED, fold), marked: walk.marked? })
}

/// Whether the start tag of a stanza has no attributes but those of RFC 6120 §8.1, and declarations. A server may add `xml:lang`.
pub(crate) fn is_plain_start(stanza: &[u8]) -> bool {
    let mut rest = stanza;
    // It is well-formed: names and values in quotes take turns, and the first `>` outside of quotes ends it.
    while let Some(at) = memchr::memchr3(b'\'', b'"', b'>', rest) {
        let (before, value) = rest.split_at(at);
        let [quote, value @ ..] = value else { return false };
        if *quote == b'>' {
            return true;
        }
        let before = before.trim_ascii_end();
        let before = before.strip_suffix(b"=").unwrap_or(before).trim_ascii_end();
        let name = before.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
        let is_known = matches!(name, b"from" | b"to" | b"id" | b"type" | b"xml:lang" | b"xmlns")
            || name.starts_with(b"xmlns:");
        let Some(end) = memchr::memchr(*quote, value).filter(|_| is_known) else { return false };
        rest = &value[end + 1..];
    }
    false
}

struct Walk<'e> {
    /// The namespace of the stanza: of what it carries, this is its own, and any other is foreign, be it that of other streams.
    own: &'e str,
    sum: u64,
    /// Text since the last tag: a reader may hand it out in pieces.
    text: String,
    marked: Option<String>,
}

impl<'e> Walk<'e> {
    /// The namespace of an element; `is_own`: the parent is part of the stanza, and not of something foreign that it carries.
    fn namespace(&self, element: &'e Element, is_own: bool) -> &'e str {
        let is_own = is_own && element.namespace() == self.own;
        if is_own { CONTENT } else { element.namespace() }
    }

    /// The framer's limit on depth bounds the recursion.
    fn children(&mut self, parent: &'e Element, is_own: bool) {
        for node in parent.nodes() {
            match node {
                Node::Text(text) => self.text.push_str(text),
                Node::Element(element) => self.element(element, is_own),
            }
        }
        self.end_text();
    }

    /// The sum of what came since the last time.
    fn take(&mut self) -> u64 {
        std::mem::replace(&mut self.sum, SEED)
    }

    /// `is_own`: as for [`Walk::namespace`].
    fn element(&mut self, element: &'e Element, is_own: bool) {
        self.end_text();
        self.step(Step::Start);
        let namespace = self.namespace(element, is_own);
        let is_own = is_own && namespace == CONTENT;
        self.string(namespace);
        self.string(element.name());
        let mut attributes: Vec<_> = element
            .attributes()
            .iter()
            .map(|attribute| (attribute.namespace(), attribute.name(), attribute.value()))
            .collect();
        attributes.sort_unstable();
        for (namespace, name, value) in attributes {
            self.step(Step::Attribute);
            self.string(namespace);
            self.string(name);
            self.string(value);
        }
        self.children(element, is_own);
        self.step(Step::End);
    }

    fn end_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() {
            return;
        }
        if self.marked.is_none() && begins_with_fields(text.as_bytes()) {
            self.step(Step::Fields);
            // Fields are ASCII.
            self.string(&text[HEAD_BYTES..]);
            self.marked = Some(text);
        } else {
            self.step(Step::Text);
            self.string(&text);
        }
    }

    fn step(&mut self, step: Step) {
        self.sum = fold(self.sum, step as u64);
    }

    fn string(&mut self, string: &str) {
        self.sum = add(string.as_bytes(), self.sum);
    }
}

#[cfg(test)]
mod tests {
    use xmpp_frame::{Framer, Item, Limits};

    use super::*;

    const FIELDS: &str = "00000007 0000abcd 00000000075bcd15 0123456789abcdef ";

    /// The content in a stanza that came over a stream in this namespace.
    fn canonical_in(namespace: &str, content: &str) -> Option<Canonical> {
        let mut framer = Framer::new(Limits::AUTHENTICATED);
        let stanza = format!(
            "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='{namespace}' xmlns:far='urn:example:far'>\
             <message xml:lang='en'>{content}</message>"
        );
        framer.buffer().extend_from_slice(stanza.as_bytes());
        assert!(matches!(framer.next(), Ok(Some(Item::Header(_)))));
        match framer.next() {
            Ok(Some(Item::Element(frame))) => canonical(&frame.element().unwrap()),
            other => panic!("{other:?} of {stanza}"),
        }
    }

    fn sum(content: &str) -> u64 {
        canonical_in("jabber:server", content).unwrap().sum
    }

    #[test]
    fn another_spelling_of_the_same_has_the_same_sum() {
        let as_sent = format!(
            "<body>{FIELDS}say &quot;love&quot; &amp; more</body><x xmlns='urn:example:far' a='1' b='&lt;'/>"
        );
        for spelling in [
            format!(
                "<body>{FIELDS}say \"love\" &#38; more</body><x a='1' b='&lt;' xmlns='urn:example:far'/>"
            ),
            format!(
                "<body>{FIELDS}<![CDATA[say \"love\" & more]]></body><x xmlns=\"urn:example:far\" b=\"&lt;\" a=\"1\"></x>"
            ),
            format!(
                "<body><![CDATA[{FIELDS}say]]> \"love\" &amp; more</body><n:x xmlns:n='urn:example:far' a='1' b='&lt;'/>"
            ),
            format!("<body>{FIELDS}say \"love\" &amp; more</body><far:x b='&#x3c;' a='1'/>"),
            format!(
                "<s:body xmlns:s='jabber:server'>{FIELDS}say \"love\" &amp; more</s:body><far:x b='&#x3c;' a='1'/>"
            ),
        ] {
            assert_eq!(sum(&spelling), sum(&as_sent), "{spelling}");
        }
        let over_component = canonical_in("jabber:component:accept", &as_sent).unwrap();
        assert_eq!(over_component.sum, sum(&as_sent));
        assert_eq!(over_component.marked, format!("{FIELDS}say \"love\" & more"));
    }

    #[test]
    fn anything_else_that_is_said_has_another_sum() {
        let as_sent =
            format!("<body>{FIELDS}text</body><x xmlns='urn:example:far' a='1' b='2'><y/>z</x>");
        for altered in [
            format!("<body>{FIELDS}texT</body><x xmlns='urn:example:far' a='1' b='2'><y/>z</x>"),
            format!("<body>{FIELDS}text </body><x xmlns='urn:example:far' a='1' b='2'><y/>z</x>"),
            format!("<body>{FIELDS}text</body><x xmlns='urn:example:fat' a='1' b='2'><y/>z</x>"),
            format!("<body>{FIELDS}text</body><x xmlns='urn:example:far' a='2' b='1'><y/>z</x>"),
            format!("<body>{FIELDS}text</body><x xmlns='urn:example:far' a='1'><y/>z</x>"),
            format!(
                "<body>{FIELDS}text</body><x xmlns='urn:example:far' a='1' b='2' c=''><y/>z</x>"
            ),
            format!("<body>{FIELDS}text</body><x xmlns='urn:example:far' a='1' b='2'>z<y/></x>"),
            format!("<body>{FIELDS}text</body><x xmlns='urn:example:far' a='1' b='2'><y>z</y></x>"),
            format!(
                "<body>{FIELDS}text</body><x xmlns='urn:example:far' a='1' b='2'><y/>z</x><x/>"
            ),
            format!("<body>{FIELDS}text</body> <x xmlns='urn:example:far' a='1' b='2'><y/>z</x>"),
            format!("<body>{FIELDS}text</body>"),
            format!("<body>text</body><x xmlns='urn:example:far' a='1' b='2'><y/>{FIELDS}z</x>"),
        ] {
            assert_ne!(sum(&altered), sum(&as_sent), "{altered}");
        }
    }

    #[test]
    fn what_is_foreign_and_in_which_namespace_counts() {
        let own = |namespace, child: &str| {
            let content = format!("<body>{FIELDS}a</body>{child}");
            canonical_in(namespace, &content).unwrap().sum
        };
        let server = own("jabber:server", "<thread>b</thread>");
        assert_eq!(own("jabber:component:accept", "<thread>b</thread>"), server);
        for leaking in ["jabber:client", "jabber:component:accept", ""] {
            let child = format!("<thread xmlns='{leaking}'>b</thread>");
            assert_ne!(own("jabber:server", &child), server, "{leaking}");
        }
        // Of an attribute, too.
        let x =
            |attribute| own("jabber:server", &format!("<x xmlns='urn:example:far' {attribute}/>"));
        assert_ne!(x("a='1'"), x("far:a='1'"));
        assert_ne!(x("a='1'"), x("xml:a='1'"));
    }

    #[test]
    fn a_start_tag_has_the_attributes_of_a_stanza_alone() {
        for plain in [
            "<message from='a' to='b' id='c'>",
            "<message\n\tto = \"it's > all\"  from='a'><body evil='1'>",
            "<s:iq xmlns:s='jabber:server' xmlns='urn:x' xml:lang='en' type='get'/>",
            "<presence>",
        ] {
            assert!(is_plain_start(plain.as_bytes()), "{plain}");
        }
        for altered in [
            "<message from='a' evil='' to='b'>",
            "<message from='a' x:from='b'>",
            "<message froms='a'>",
            "<message from='a' xml:space='preserve'>",
        ] {
            assert!(!is_plain_start(altered.as_bytes()), "{altered}");
        }
    }

    #[test]
    fn children_of_other_names_may_change_places_and_nothing_else_may() {
        let as_sent = format!(
            "<body>{FIELDS}text</body><thread>a</thread><x xmlns='urn:example:far'><y/><z/></x><x xmlns='urn:example:far'/>"
        );
        let moved = format!(
            "<x xmlns='urn:example:far'><y/><z/></x><x xmlns='urn:example:far'/><thread>a</thread><body>{FIELDS}text</body>"
        );
        assert_eq!(sum(&moved), sum(&as_sent));
        for altered in [
            // Two of one name.
            format!(
                "<body>{FIELDS}text</body><thread>a</thread><x xmlns='urn:example:far'/><x xmlns='urn:example:far'><y/><z/></x>"
            ),
            // Deeper down.
            format!(
                "<body>{FIELDS}text</body><thread>a</thread><x xmlns='urn:example:far'><z/><y/></x><x xmlns='urn:example:far'/>"
            ),
            // What they say.
            format!(
                "<body>{FIELDS}a</body><thread>text</thread><x xmlns='urn:example:far'><y/><z/></x><x xmlns='urn:example:far'/>"
            ),
            moved.replace("<thread>a</thread>", ""),
            moved.replace("<thread>a</thread>", "<thread>a</thread><thread>a</thread>"),
            moved.replace("<thread>a</thread>", "a"),
        ] {
            assert_ne!(sum(&altered), sum(&as_sent), "{altered}");
        }
    }

    #[test]
    fn the_numbers_in_the_fields_do_not_count_but_their_place_does() {
        let other = FIELDS.replace("abcd", "0001");
        assert_eq!(sum(&format!("<body>{FIELDS}a</body>")), sum(&format!("<body>{other}a</body>")));
        assert_ne!(
            sum(&format!("<a>{FIELDS}</a><b>{other}</b>")),
            sum(&format!("<a>{FIELDS}</a><b>{FIELDS}</b>"))
        );
    }

    #[test]
    fn without_fields_there_is_no_sum() {
        assert_eq!(canonical_in("jabber:server", "<body>text</body>"), None);
        assert_eq!(canonical_in("jabber:server", &format!("<body> {FIELDS}</body>")), None);
        assert_eq!(canonical_in("jabber:server", ""), None);
    }
}
