//! Puts the bytes of a case into streams: each setting is one stream that holds them once.

use std::ops::Range;

use xmpp_frame::{Element, Frame, Header};

use crate::case::{CAPULET, Fact, Place, Trial, Verdict, XML};

/// What stands before every setting but those that are about the header itself.
pub const HEADER: &str = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' \
     xmlns:cap='urn:capulet:1'>";

/// The same without its end and its last prefix.
const OPEN_HEADER: &str =
    "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server'";

/// The stanza that follows where one can.
const TAIL: &str = "<presence to='juliet@capulet.example'/>";

/// What follows in the body of a message.
const SAID: &str = ", he said.";

/// One stream.
pub struct Setting {
    /// [`HEADER`] comes first, in a read of its own.
    pub has_header: bool,
    pub bytes: Vec<u8>,
    /// Where the bytes of the case are among them.
    pub case: Range<usize>,
    /// A refusal comes with the last of those or at most so many bytes later; at once when it is for restricted XML.
    pub slack: usize,
    subject: Subject,
    /// What stands in one piece with them.
    around: (String, &'static str),
}

/// What the facts of a case are about.
#[derive(Clone, Copy)]
enum Subject {
    Nothing,
    Header,
    Element(Level),
    Text,
    Value(Level, &'static str),
    Namespace(Level),
    /// The namespace of the attribute `a`.
    AttributeNamespace,
    /// The name of an element, without a prefix or with one of the header.
    Name(Level),
    Borrowed,
    Attribute(Level),
    Prefix,
}

/// The first-level element, or its first child.
#[derive(Clone, Copy)]
enum Level {
    First,
    Child,
}

use Level::{Child, First};

/// The streams for a trial, with `pad` plain bytes before its bytes: those that have room for them.
pub fn settings(trial: &Trial, pad: usize) -> Vec<Setting> {
    let bare = Stage::new(trial, 0).settings(trial.place);
    if pad == 0 {
        return bare;
    }
    let padded = Stage::new(trial, pad).settings(trial.place);
    let pairs = padded.into_iter().zip(bare);
    pairs.filter(|(one, bare)| one.case != bare.case).map(|(one, _)| one).collect()
}

struct Stage<'a> {
    payload: &'a [u8],
    plain: String,
    /// The plain bytes as an attribute, with the space before that.
    spaced: String,
    /// Nothing follows the payload.
    is_last: bool,
}

impl<'a> Stage<'a> {
    fn new(trial: &'a Trial, pad: usize) -> Stage<'a> {
        let plain = "x".repeat(pad);
        let spaced = if pad == 0 { String::new() } else { format!(" pad='{plain}'") };
        let is_last = matches!(trial.verdict, Verdict::Waits);
        Stage { payload: &trial.bytes, plain, spaced, is_last }
    }

    fn settings(&self, place: Place) -> Vec<Setting> {
        let Stage { plain, spaced, .. } = self;
        let after_header = |before: &str, after: &str, slack| {
            let setting = self.put(Subject::Header, before, after, slack);
            vec![Setting { has_header: false, ..setting }]
        };
        match place {
            Place::Text => self.text("", ""),
            Place::Cdata => self.text("<![CDATA[", "]]>"),
            Place::Value => self.values(),
            Place::Uri => self.uris(""),
            Place::UriRest => self.uris(&format!("urn:{plain}")),
            Place::Name => self.names("", ""),
            Place::NameRest => self.names(&format!("a{plain}"), "z"),
            Place::Tag => self.tags(),
            Place::Start => self.starts(),
            Place::Behind => self.attributes(),
            Place::Element => self.elements(),
            Place::Stanza => vec![self.put(Subject::Element(First), "", TAIL, 1)],
            Place::Between => {
                let before = format!("<presence/>{}", " ".repeat(plain.len()));
                vec![self.put(Subject::Nothing, &before, TAIL, 1)]
            }
            Place::Opening => after_header("", &format!("{HEADER}{TAIL}"), 1),
            Place::Root => after_header("", TAIL, 1),
            Place::Header => {
                after_header(&format!("{OPEN_HEADER}{spaced}"), &format!(">{TAIL}"), 1)
            }
        }
    }

    fn put(&self, subject: Subject, before: &str, after: &str, slack: usize) -> Setting {
        let after = if self.is_last { "" } else { after };
        let end = before.len() + self.payload.len();
        Setting {
            has_header: true,
            bytes: [before.as_bytes(), self.payload, after.as_bytes()].concat(),
            case: before.len()..end,
            slack,
            subject,
            around: (String::new(), ""),
        }
    }

    fn text(&self, start: &str, end: &str) -> Vec<Setting> {
        let before = format!("<message to='juliet@capulet.example'><body>{start}{}", self.plain);
        let after = format!("{end}{SAID}</body><x xmlns='urn:capulet:2' a='b'/></message>");
        let setting = self.put(Subject::Text, &before, &after, end.len() + 1);
        vec![Setting { around: (self.plain.clone(), SAID), ..setting }]
    }

    /// In both quotes, but for the one that the bytes hold.
    fn values(&self) -> Vec<Setting> {
        let plain = &self.plain;
        let mut settings = Vec::new();
        for quote in ['\'', '"'] {
            if self.payload.contains(&(quote as u8)) {
                continue;
            }
            let before = format!("<message id={quote}{plain}");
            let after = format!("{quote} to={quote}juliet@capulet.example{quote}><x/></message>");
            settings.push(self.put(Subject::Value(First, "id"), &before, &after, 1));
            let before = format!("<message><x a={quote}{plain}");
            let after = format!("{quote}/></message>");
            settings.push(self.put(Subject::Value(Child, "a"), &before, &after, 1));
        }
        for setting in &mut settings {
            setting.around.0.clone_from(plain);
        }
        settings
    }

    /// `start` begins the namespace name.
    fn uris(&self, start: &str) -> Vec<Setting> {
        let spaced = &self.spaced;
        let put = |subject, before: String, after, slack| Setting {
            around: (start.into(), ""),
            ..self.put(subject, &format!("{before}{start}"), after, slack)
        };
        let header = format!("{OPEN_HEADER}{spaced} xmlns:p='");
        let (first, child) = (Subject::Namespace(First), Subject::Namespace(Child));
        vec![
            put(first, format!("<message{spaced} xmlns='"), "'/>", 3),
            put(child, format!("<message><x{spaced} xmlns='"), "'/></message>", 3),
            put(child, "<message><p:x xmlns:p='".into(), "'/></message>", 3),
            put(
                Subject::AttributeNamespace,
                format!("<message{spaced} xmlns:p='"),
                "' p:a='v'/>",
                11,
            ),
            Setting { has_header: false, ..put(first, header, "'><p:x/>", 2) },
        ]
    }

    /// `start` and `end` belong to the name.
    fn names(&self, start: &str, end: &'static str) -> Vec<Setting> {
        let Stage { plain, spaced, .. } = self;
        let put = |subject, before: &str, after: &str| Setting {
            around: (start.into(), end),
            ..self.put(
                subject,
                &format!("{before}{start}"),
                &format!("{end}{after}"),
                end.len() + 2,
            )
        };
        let whole = [start.as_bytes(), self.payload, end.as_bytes()].concat();
        // Said again, for an end tag and for the use of a prefix.
        let again =
            |before: &str, after: &str| [before.as_bytes(), &whole, after.as_bytes()].concat();
        let mut closed = put(Subject::Name(Child), &format!("<message>{plain}<"), "");
        closed.bytes.extend(again("></", "></message>"));
        let mut prefix = put(Subject::Prefix, &format!("<message><x{spaced} xmlns:"), "");
        prefix.bytes.extend(again("='urn:capulet:2' ", ":a='v'/></message>"));
        vec![
            put(Subject::Name(First), "<", "/>"),
            put(Subject::Borrowed, "<cap:", " />"),
            put(Subject::Attribute(First), &format!("<message{spaced} "), "='v'/>"),
            put(Subject::Attribute(Child), "<message><x ", "='v'/></message>"),
            closed,
            prefix,
        ]
    }

    fn tags(&self) -> Vec<Setting> {
        let spaced = &self.spaced;
        let (first, child) = (Subject::Element(First), Subject::Element(Child));
        vec![
            self.put(first, &format!("<message{spaced}"), "><x/></message>", 1),
            self.put(child, &format!("<message><x{spaced}"), "/></message>", 2),
        ]
    }

    /// The plain bytes belong to the name.
    fn starts(&self) -> Vec<Setting> {
        let plain = &self.plain;
        vec![
            self.put(Subject::Element(First), &format!("<message{plain}"), "/>", 2),
            self.put(Subject::Element(Child), &format!("<message><x{plain}"), "/></message>", 2),
        ]
    }

    fn attributes(&self) -> Vec<Setting> {
        let spaced = &self.spaced;
        vec![
            self.put(Subject::Element(First), &format!("<message{spaced} a"), "='v'/>", 1),
            self.put(Subject::Element(Child), "<message><x a", "='v'/></message>", 1),
        ]
    }

    fn elements(&self) -> Vec<Setting> {
        let (before, after) =
            (format!("<message>{}", self.plain), format!("{}</message>", self.plain));
        vec![
            self.put(Subject::Element(First), "", TAIL, 1),
            self.put(Subject::Element(Child), &before, &after, 1),
        ]
    }
}

impl Setting {
    /// Whether what was read says what it should.
    pub fn check(
        &self,
        trial: &Trial,
        facts: &[Fact],
        header: &Header,
        frames: &[Frame],
    ) -> Result<(), String> {
        let tree = frames.first().ok_or("no element")?.element().map_err(|e| e.to_string())?;
        let child = || tree.children().next().ok_or("no child");
        let at = |level| match level {
            First => Ok(&tree),
            Child => child(),
        };
        let (start, end) = &self.around;
        let whole = |text: &str| format!("{start}{text}{end}");
        let written = || whole(&String::from_utf8_lossy(&trial.bytes));
        let is = |found: Option<&str>, expected: String| match found {
            Some(found) if found == expected => Ok(()),
            found => Err(format!("reads as {found:?}, not as {expected:?}")),
        };
        match self.subject {
            Subject::Nothing => {}
            Subject::Header => return facts.iter().try_for_each(|fact| header_says(fact, header)),
            Subject::Element(level) => {
                let first = matches!(level, First).then(|| &frames[0]);
                let element = at(level)?;
                return facts.iter().try_for_each(|fact| element_says(fact, element, first));
            }
            Subject::Name(level) => is(Some(at(level)?.name()), written())?,
            Subject::Borrowed => {
                is(Some(tree.name()), written())?;
                is(Some(tree.namespace()), CAPULET.into())?;
            }
            Subject::Attribute(level) => is(at(level)?.attr(&written()), "v".into())?,
            Subject::Prefix => is(child()?.attr_in("a", "urn:capulet:2"), "v".into())?,
            // One character of text is read as itself.
            Subject::Text if trial.character.is_some() => is(Some(&child()?.text()), written())?,
            Subject::Value(level, name) if trial.character.is_some() => {
                is(at(level)?.attr(name), written())?;
            }
            Subject::Namespace(level) if trial.character.is_some() => {
                is(Some(at(level)?.namespace()), written())?;
            }
            Subject::Text
            | Subject::Value(..)
            | Subject::Namespace(_)
            | Subject::AttributeNamespace => {}
        }
        for fact in facts {
            let Fact::Says(text) = fact else { return Err(format!("{fact:?} has no place here")) };
            match self.subject {
                Subject::Text => is(Some(&child()?.text()), whole(text))?,
                Subject::Value(level, name) => is(at(level)?.attr(name), whole(text))?,
                Subject::Namespace(level) => is(Some(at(level)?.namespace()), whole(text))?,
                Subject::AttributeNamespace => is(tree.attr_in("a", &whole(text)), "v".into())?,
                _ => return Err("the case has no text".into()),
            }
        }
        Ok(())
    }
}

fn element_says(fact: &Fact, element: &Element, frame: Option<&Frame>) -> Result<(), String> {
    let holds = match *fact {
        Fact::Says(text) => element.text() == text,
        Fact::Called(name, namespace) => element.is(name, namespace),
        Fact::Has(name, namespace, value) => element.attr_in(name, namespace) == Some(value),
        Fact::Lacks(name, namespace) => element.attr_in(name, namespace).is_none(),
        Fact::Holds(count, name, namespace) => {
            element.children().count() == count
                && element.children().last().is_some_and(|last| last.is(name, namespace))
        }
        Fact::Of(kind) => frame.is_none_or(|frame| frame.kind() == kind),
    };
    if holds { Ok(()) } else { Err(format!("{fact:?} does not hold of {element:?}")) }
}

fn header_says(fact: &Fact, header: &Header) -> Result<(), String> {
    let holds = match *fact {
        Fact::Has("to", "", value) => header.to() == Some(value),
        Fact::Has("from", "", value) => header.from() == Some(value),
        Fact::Has("id", "", value) => header.id() == Some(value),
        Fact::Has("version", "", value) => header.version() == Some(value),
        Fact::Has("lang", XML, value) => header.lang() == Some(value),
        Fact::Lacks("from", "") => header.from().is_none(),
        Fact::Called("stream", namespace) => {
            header.stream_namespace_ok() && header.default_namespace() == namespace
        }
        _ => return Err(format!("{fact:?} is not known of a header")),
    };
    if holds { Ok(()) } else { Err(format!("{fact:?} does not hold of {header:?}")) }
}
