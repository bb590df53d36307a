//! What a case is, and the words that the tables are written in.

use xmpp_frame::{FrameError, Kind, Reason, Restricted};

/// One trap: where it is known from, what it is about, and what the framer has to make of it.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its public name: the id in its suite, a CVE, a test of another parser, or the production's number.
    pub id: &'static str,
    /// Section and production of XML 1.0 (Fifth Edition); with `NS` before it, of Namespaces in XML 1.0 (Third Edition).
    pub clause: &'static str,
    pub about: &'static str,
    pub place: Place,
    pub bytes: &'static [u8],
    pub verdict: Verdict,
}

pub const fn case(
    id: &'static str,
    clause: &'static str,
    about: &'static str,
    place: Place,
    bytes: &'static [u8],
    verdict: Verdict,
) -> Case {
    Case { id, clause, about, place, bytes, verdict }
}

/// The same trap with many characters: one case for each.
#[derive(Clone, Copy)]
pub struct Characters {
    pub id: &'static str,
    pub clause: &'static str,
    pub about: &'static str,
    pub place: Place,
    pub verdict: Verdict,
    /// The number of the first of them in the suite, which ends its id; the others follow. With 0 the code point ends it.
    pub first: u32,
    /// How many digits such a number has at least.
    pub width: usize,
    pub list: &'static str,
}

/// The same bytes in many places: one case for each, with its own verdict.
#[derive(Clone, Copy)]
pub struct Spread {
    pub id: &'static str,
    pub clause: &'static str,
    pub about: &'static str,
    pub bytes: &'static [u8],
    pub places: &'static [Place],
    pub verdicts: &'static [Verdict],
}

/// All that is taken from one source.
pub struct Suite {
    pub name: &'static str,
    pub tables: &'static [Table],
}

#[derive(Clone, Copy)]
pub enum Table {
    Single(&'static [Case]),
    Each(&'static [Characters]),
    Across(&'static [Spread]),
}

impl Suite {
    /// Every case, those of characters and of places one by one.
    pub fn trials(&self) -> Vec<Trial> {
        let mut trials = Vec::new();
        for &table in self.tables {
            match table {
                Table::Single(rows) => trials.extend(rows.iter().map(Case::trial)),
                Table::Each(rows) => trials.extend(rows.iter().flat_map(Characters::trials)),
                Table::Across(rows) => trials.extend(rows.iter().flat_map(Spread::trials)),
            }
        }
        trials
    }
}

impl Case {
    fn trial(&self) -> Trial {
        Trial {
            id: self.id.into(),
            name: format!("{} ({}, {})", self.id, self.clause, self.about),
            place: self.place,
            bytes: self.bytes.into(),
            verdict: self.verdict,
            character: None,
        }
    }
}

impl Characters {
    fn trials(&self) -> impl Iterator<Item = Trial> {
        (self.first..).zip(self.list.chars()).map(|(number, character)| {
            let id = match self.first {
                0 => format!("{}{:04X}", self.id, u32::from(character)),
                _ => format!("{}{number:0width$}", self.id, width = self.width),
            };
            Trial {
                name: format!("{id} ({}, {}: {character:?})", self.clause, self.about),
                id,
                place: self.place,
                bytes: character.to_string().into(),
                verdict: self.verdict,
                character: Some(character),
            }
        })
    }
}

impl Spread {
    fn trials(&self) -> impl Iterator<Item = Trial> {
        self.places.iter().zip(self.verdicts).map(|(&place, &verdict)| Trial {
            id: self.id.into(),
            name: format!("{} ({}, {}: {place:?})", self.id, self.clause, self.about),
            place,
            bytes: self.bytes.into(),
            verdict,
            character: None,
        })
    }
}

/// A case as it is tried.
pub struct Trial {
    pub id: String,
    pub name: String,
    pub place: Place,
    pub bytes: Vec<u8>,
    pub verdict: Verdict,
    /// The one of [`Characters`] that it is.
    pub character: Option<char>,
}

/// Where the bytes of a case are put; `stage` builds the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the content of the body of a message.
    Text,
    /// In a CDATA section of that.
    Cdata,
    /// Inside the quotes of an attribute: of the stanza, and of an element in it.
    Value,
    /// As a whole namespace name: of a default namespace and of a prefix, on the stanza, below it, and on the header.
    Uri,
    /// At the end of one.
    UriRest,
    /// Behind the name of a start tag: of the stanza, and of an element in it.
    Tag,
    /// As the name of an element, an attribute and a prefix.
    Name,
    /// Between letters of such a name.
    NameRest,
    /// Right behind the name of a start tag.
    Start,
    /// Right behind the name of an attribute.
    Behind,
    /// As an element: of the first level, and inside a stanza.
    Element,
    /// As an element of the first level only.
    Stanza,
    /// Between two stanzas, where a document would be at its end. What the root of a stream could hold there, and no document could
    /// behind its own, counts as not well-formed.
    Between,
    /// At the very start of a stream, before its header.
    Opening,
    /// As all that there is up to the end of the header.
    Root,
    /// In the start tag of the root, behind its declarations.
    Header,
}

#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// Accepted, and read like this.
    Reads(&'static [Fact]),
    /// Not well-formed, or forbidden by RFC 6120 §11.1.
    Refused(FrameError),
    /// Well-formed, and refused nevertheless: a rule of this framer or of XMPP that goes beyond XML, see the docs of `main`.
    Stricter(FrameError),
    /// A document that ended here would not be well-formed; a stream goes on.
    Waits,
}

/// What an accepted case says. Of text and values that is said of the case's own bytes; else of the element that they are, or are in.
#[derive(Clone, Copy, Debug)]
pub enum Fact {
    /// The text, the value, or the namespace name.
    Says(&'static str),
    /// Local name and namespace.
    Called(&'static str, &'static str),
    /// An attribute: local name, namespace and value.
    Has(&'static str, &'static str, &'static str),
    /// No attribute of this local name and namespace.
    Lacks(&'static str, &'static str),
    /// How many child elements, and local name and namespace of the last.
    Holds(usize, &'static str, &'static str),
    /// What a first-level element is.
    Of(Kind),
}

pub const SERVER: &str = "jabber:server";
pub const CLIENT: &str = "jabber:client";
pub const STREAMS: &str = "http://etherx.jabber.org/streams";
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// What the prefix `cap` is bound to by the header of the streams here.
pub const CAPULET: &str = "urn:capulet:1";

/// Accepted; nothing more is asked of it than what is asked of all.
pub const READS: Verdict = Verdict::Reads(&[]);
pub const WAITS: Verdict = Verdict::Waits;

// What is not well-formed.
pub const CHARACTER: Verdict = bad(Reason::IllegalCharacter);
pub const OUTSIDE: Verdict = bad(Reason::TextOutsideElement);
pub const SYNTAX: Verdict = bad(Reason::Syntax);
pub const NAME: Verdict = bad(Reason::Name);
pub const VALUE: Verdict = bad(Reason::AttributeValue);
pub const SPACE: Verdict = bad(Reason::MissingSpace);
pub const DOUBLE: Verdict = bad(Reason::DuplicateAttribute);
pub const MISMATCH: Verdict = bad(Reason::MismatchedTag);
pub const REFERENCE: Verdict = bad(Reason::Reference);
pub const CDATA_END: Verdict = bad(Reason::CdataEndInText);
pub const XML_DECL: Verdict = bad(Reason::XmlDeclaration);
pub const NS_DECL: Verdict = bad(Reason::NamespaceDeclaration);
pub const EMPTY: Verdict = bad(Reason::EmptyStream);
pub const CLOSED: Verdict = bad(Reason::AfterClose);
pub const UTF8: Verdict = Verdict::Refused(FrameError::InvalidUtf8);
pub const UNBOUND: Verdict = Verdict::Refused(FrameError::BadNamespacePrefix);

// What is well-formed and no stream, or not sure to be read the same everywhere.
pub const NS_NAME: Verdict = stricter(bad(Reason::NamespaceName));
pub const NESTED: Verdict = stricter(bad(Reason::NestedStream));
pub const NO_STREAM: Verdict = Verdict::Stricter(FrameError::NotAStream);

// What RFC 6120 §11 forbids in XML that is well-formed.
pub const COMMENT: Verdict = restricted(Restricted::Comment);
pub const INSTRUCTION: Verdict = restricted(Restricted::ProcessingInstruction);
pub const DTD: Verdict = restricted(Restricted::Dtd);
pub const ENTITY: Verdict = restricted(Restricted::Entity);
pub const ENCODING: Verdict = Verdict::Refused(FrameError::UnsupportedEncoding);

const fn bad(reason: Reason) -> Verdict {
    Verdict::Refused(FrameError::NotWellFormed(reason))
}

const fn restricted(what: Restricted) -> Verdict {
    Verdict::Refused(FrameError::RestrictedXml(what))
}

/// Well-formed, but refused like this.
pub const fn stricter(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Refused(error) => Verdict::Stricter(error),
        other => other,
    }
}

pub const fn reads(facts: &'static [Fact]) -> Verdict {
    Verdict::Reads(facts)
}
