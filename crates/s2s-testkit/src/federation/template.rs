//! Stanzas with holes, and what came back of them.
//!
//! A [`Repertoire`] is what flows send: stanzas of one class of traffic or of several, shared by all flows, so that a hundred thousand of
//! them with an avatar each do not need a hundred thousand avatars. A [`Template`] is one flow's use of it: writing a stanza is two
//! copies and a few numbers.
//!
//! On arrival the content is compared byte by byte with what was sent. Where it differs it is read as a tree and summed
//! ([`super::canonical`]); when it says the same in another spelling, that spelling is remembered, because a server writes the next such
//! stanza the same way. So a server that writes stanzas anew costs the receiver one tree a model and not one a stanza.

use std::cell::RefCell;
use std::rc::Rc;

use xmpp_frame::{Content, Frame, Framer, Item, Limits};

use super::canonical::{canonical, is_plain_start};
use super::payload::{BLANK, HEAD_BYTES, Mark, Payload, to_hex8};
use crate::corpus::{Specimen, Traffic, specimens};

const PADDING: &[u8; 64] = b"Two households, both alike in dignity, in fair Verona, we lay it";
/// Other spellings that are remembered of one model: towards a component and towards a server they may differ.
const SPELLINGS_MAX: usize = 2;
/// Of the sequence number in an id.
const SEQUENCE_BYTES: usize = 8;
/// Turns until the order of models begins anew; a multiple of what mixed traffic is divided into.
const TURNS: usize = 200;

/// What flows send.
#[derive(Debug)]
pub struct Repertoire {
    models: Vec<Model>,
    /// Numbers of models in the order of sending.
    turns: Vec<u16>,
}

/// One stanza without what changes.
#[derive(Debug)]
struct Model {
    name: &'static str,
    type_: &'static str,
    /// From behind the id to the end of the stanza.
    rest: String,
    /// Where the content begins in it.
    content_at: usize,
    /// Where the fields begin in it.
    fields_at: usize,
    content_sum: u64,
    spellings: RefCell<Vec<Spelling>>,
}

/// Content as a server wrote it.
#[derive(Debug)]
struct Spelling {
    content: Vec<u8>,
    fields_at: usize,
}

impl Repertoire {
    /// Messages with a body of this length, at least [`super::payload::BODY_BYTES_MIN`], to which less is raised.
    pub fn text(body_bytes: usize) -> Repertoire {
        let padding: Vec<u8> =
            PADDING.iter().copied().cycle().take(body_bytes.saturating_sub(HEAD_BYTES)).collect();
        // The padding is ASCII.
        let padding = String::from_utf8(padding).unwrap_or_default();
        let content = format!("<body>{BLANK}{padding}</body></message>");
        let specimen = Specimen { name: "message", type_: "", content };
        Repertoire { models: vec![Model::new(&specimen)], turns: vec![0] }
    }

    /// Stanzas of these classes in proportion to their weights, in an order that follows from the seed.
    ///
    /// # Errors
    /// When there is no class, or a weight is 0, or the sum of the weights is above 60,000.
    pub fn of(classes: &[(Traffic, u32)], seed: u64) -> anyhow::Result<Repertoire> {
        let sum: usize = classes.iter().map(|(_, weight)| *weight as usize).sum();
        anyhow::ensure!(
            classes.iter().all(|(_, weight)| *weight > 0) && (1..=60_000).contains(&sum),
            "classes of traffic have weights above 0, together at most 60,000"
        );
        let rounds = TURNS.div_ceil(sum);
        let (mut models, mut turns) = (Vec::new(), Vec::new());
        for &(traffic, weight) in classes {
            let first = models.len();
            models
                .extend(specimens(traffic, varieties(traffic), BLANK, seed).iter().map(Model::new));
            let numbers = (first..models.len()).cycle().take(weight as usize * rounds);
            // At most 8 classes of at most 100 models.
            turns.extend(numbers.map(|number| number as u16));
        }
        crate::random::Random::new(seed).shuffle(&mut turns);
        Ok(Repertoire { models, turns })
    }

    /// The stanza at this place. Flows begin at different places, so that not all send the same at once.
    fn model(&self, mark: Mark) -> &Model {
        let turn = mark.flow.wrapping_mul(0x9e37_79b1).wrapping_add(mark.sequence);
        &self.models[usize::from(self.turns[turn as usize % self.turns.len()])]
    }

    /// Mean length of what follows the id.
    fn rest_bytes(&self) -> usize {
        let lengths = self.turns.iter().map(|&number| {
            let model = &self.models[usize::from(number)];
            model.name.len() + model.rest.len()
        });
        lengths.sum::<usize>() / self.turns.len()
    }
}

/// Different stanzas of one class: enough that no two neighbours are alike, and few enough to stay in the processor's cache.
fn varieties(traffic: Traffic) -> usize {
    match traffic {
        Traffic::Avatar => 2,
        Traffic::PubSub | Traffic::DeepNesting => 8,
        _ => 16,
    }
}

impl Model {
    fn new(specimen: &Specimen) -> Model {
        let Specimen { name, type_, content } = specimen;
        let start = match *type_ {
            "" => "'>".to_owned(),
            type_ => format!("' type='{type_}'>"),
        };
        let rest = format!("{start}{content}");
        let fields_at =
            rest.find(BLANK).unwrap_or_else(|| unreachable!("no room for a mark in {rest}"));
        let content_sum = sum_of(&format!("<{name} id='{rest}"))
            .unwrap_or_else(|| unreachable!("{rest} is not the content of a stanza"));
        let spellings = RefCell::default();
        let content_at = start.len();
        Model { name, type_, rest, content_at, fields_at, content_sum, spellings }
    }

    /// The payload of a stanza that says what this model says; `addresses`: the length that addresses and id had when it was sent.
    fn read(&self, frame: &Frame, addresses: usize) -> Option<Payload> {
        if frame.name() != self.name || frame.type_().as_deref().unwrap_or_default() != self.type_ {
            return None;
        }
        // COMPAT(jabberd2 2.7): it writes jabber:client to components.
        let may_be_any = frame.content() == Some(Content::Component);
        if !may_be_any && frame.content().is_none_or(|own| own.namespace() != frame.namespace()) {
            return None;
        }
        // No `>` of ours stands before the end of the start tag. Should a server write one there, the lengths differ, for what
        // begins too early ends too late; then the tree is what counts.
        let bytes: &[u8] = frame.bytes();
        let content = memchr::memchr(b'>', bytes).and_then(|at| bytes.get(at + 1..))?;
        // Addresses, id and type are compared elsewhere: with these, a start tag as long as the one that was sent has room for no more.
        let start_bytes = 1 + self.name.len() + addresses + self.content_at;
        if bytes.len() - content.len() != start_bytes && !is_plain_start(bytes) {
            return None;
        }
        let as_sent = self.rest.as_bytes().get(self.content_at..)?;
        if let Some(fields) = fields_of(content, as_sent, self.fields_at - self.content_at) {
            return Payload::read(fields, self.content_sum);
        }
        let known =
            self.spellings.borrow().iter().find_map(|Spelling { content: known, fields_at }| {
                Payload::read(fields_of(content, known, *fields_at)?, self.content_sum)
            });
        known.or_else(|| self.read_tree(frame, content))
    }

    fn read_tree(&self, frame: &Frame, content: &[u8]) -> Option<Payload> {
        let canonical = canonical(&frame.element().ok()?)?;
        if canonical.sum != self.content_sum {
            return None;
        }
        let payload = Payload::read(canonical.marked.as_bytes(), self.content_sum)?;
        self.remember(frame, content, &canonical.marked.as_bytes()[..HEAD_BYTES]);
        Some(payload)
    }

    /// Keeps a spelling that means the same in every stanza: nothing in it leans on a prefix of the start tag or of the stream.
    fn remember(&self, frame: &Frame, content: &[u8], fields: &[u8]) {
        let start = &frame.bytes()[..frame.len() - content.len()];
        let leans = !frame.is_self_contained()
            || frame.spells_content_namespace()
            || memchr::memmem::find(start, b"xmlns").is_some();
        let mut spellings = self.spellings.borrow_mut();
        if leans || spellings.len() >= SPELLINGS_MAX {
            return;
        }
        // Where the fields are cut by a reference or a CDATA section, they are not found, and the tree goes on being read.
        if let Some(fields_at) = memchr::memmem::find(content, fields) {
            spellings.push(Spelling { content: content.to_vec(), fields_at });
        }
    }
}

/// The fields in `content` if all around them is as in `known`.
fn fields_of<'c>(content: &'c [u8], known: &[u8], fields_at: usize) -> Option<&'c [u8]> {
    if content.len() != known.len() {
        return None;
    }
    let (before, rest) = content.split_at_checked(fields_at)?;
    let (fields, after) = rest.split_at_checked(HEAD_BYTES)?;
    let (known_before, known_rest) = known.split_at_checked(fields_at)?;
    let (_, known_after) = known_rest.split_at_checked(HEAD_BYTES)?;
    (before == known_before && after == known_after).then_some(fields)
}

/// The sum of a stanza's content, as a stream would bring it.
fn sum_of(stanza: &str) -> Option<u64> {
    let mut framer = Framer::new(Limits::AUTHENTICATED);
    let header = format!(
        "<stream:stream xmlns:stream='{}' xmlns='{}'>",
        super::ns::STREAMS,
        Content::Server.namespace()
    );
    framer.buffer().extend_from_slice(header.as_bytes());
    framer.buffer().extend_from_slice(stanza.as_bytes());
    let Ok(Some(Item::Header(_))) = framer.next() else { return None };
    let Ok(Some(Item::Element(frame))) = framer.next() else { return None };
    Some(canonical(&frame.element().ok()?)?.sum)
}

/// What one flow sends.
#[derive(Clone, Debug)]
pub struct Template {
    repertoire: Rc<Repertoire>,
    flow: u32,
    /// From behind the name to the sequence number in the id.
    forth: Box<str>,
    /// The same with the addresses exchanged.
    back: Box<str>,
}

impl Template {
    /// A template for `flow` between two addresses, which must not need escaping in an attribute.
    pub fn new(flow: u32, from: &str, to: &str, repertoire: &Rc<Repertoire>) -> Template {
        let opening = |from, to| format!(" from='{from}' to='{to}' id='pg-{flow:08x}-").into();
        let (forth, back) = (opening(from, to), opening(to, from));
        Template { repertoire: Rc::clone(repertoire), flow, forth, back }
    }

    /// Mean length of a stanza of this flow.
    pub fn stanza_bytes(&self) -> usize {
        1 + self.forth.len() + SEQUENCE_BYTES + self.repertoire.rest_bytes()
    }

    /// Appends the stanza at this place to `out`.
    pub fn write(&self, sequence: u32, intended_ns: u64, out: &mut Vec<u8>) {
        self.append(&self.forth, sequence, intended_ns, out);
    }

    /// Appends the same from the recipient to the sender.
    pub fn write_back(&self, sequence: u32, intended_ns: u64, out: &mut Vec<u8>) {
        self.append(&self.back, sequence, intended_ns, out);
    }

    /// What a stanza carries that arrived with the id of `mark`; none unless it says exactly what was sent.
    pub fn read(&self, mark: Mark, frame: &Frame) -> Option<Payload> {
        let payload = self.repertoire.model(mark).read(frame, self.forth.len() + SEQUENCE_BYTES)?;
        (payload.mark == mark).then_some(payload)
    }

    fn append(&self, opening: &str, sequence: u32, intended_ns: u64, out: &mut Vec<u8>) {
        let mark = Mark { flow: self.flow, sequence };
        let model = self.repertoire.model(mark);
        out.reserve(1 + model.name.len() + opening.len() + SEQUENCE_BYTES + model.rest.len());
        out.push(b'<');
        out.extend_from_slice(model.name.as_bytes());
        out.extend_from_slice(opening.as_bytes());
        out.extend_from_slice(&to_hex8(sequence));
        let rest_at = out.len();
        out.extend_from_slice(model.rest.as_bytes());
        let fields_at = rest_at + model.fields_at;
        let blank = &mut out[fields_at..fields_at + HEAD_BYTES];
        Payload { mark, intended_ns }.write(model.content_sum, blank);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::payload::{BODY_BYTES_DEFAULT, marks};

    const FROM: &str = "romeo@montague.example/orchard";
    const TO: &str = "juliet@capulet.example";
    const INTENDED_NS: u64 = 123_456_789;

    fn templates() -> Vec<(&'static str, Template)> {
        let class =
            |traffic: Traffic| (traffic.name(), Repertoire::of(&[(traffic, 1)], 7).unwrap());
        let all = Traffic::ALL.into_iter().map(class);
        let text = ("text", Repertoire::text(BODY_BYTES_DEFAULT));
        all.chain([text])
            .map(|(name, repertoire)| (name, Template::new(7, FROM, TO, &Rc::new(repertoire))))
            .collect()
    }

    fn written(template: &Template, sequence: u32) -> String {
        let mut out = Vec::new();
        template.write(sequence, INTENDED_NS, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// The stanza as it arrives; none when it is no stanza.
    fn frame(stanza: &str) -> Option<Frame> {
        let mut framer = Framer::new(Limits::AUTHENTICATED);
        framer.buffer().extend_from_slice(
            b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server'>",
        );
        framer.buffer().extend_from_slice(stanza.as_bytes());
        assert!(matches!(framer.next(), Ok(Some(Item::Header(_)))));
        match framer.next() {
            Ok(Some(Item::Element(frame))) => Some(frame),
            _ => None,
        }
    }

    fn read(template: &Template, sequence: u32, stanza: &str) -> Option<Payload> {
        template.read(Mark { flow: 7, sequence }, &frame(stanza)?)
    }

    #[test]
    fn what_a_template_writes_reads_back() {
        for (name, template) in templates() {
            for sequence in 0..if template.stanza_bytes() > 10_000 { 10 } else { 300 } {
                let stanza = written(&template, sequence);
                let mark = Mark { flow: 7, sequence };
                let frame = frame(&stanza).unwrap();
                assert_eq!(frame.len(), stanza.len(), "{stanza}");
                assert_eq!((frame.from().unwrap(), frame.to().unwrap()), (FROM.into(), TO.into()));
                assert_eq!(Mark::from_id(frame.id().unwrap().as_bytes()), Some(mark));
                assert_eq!(marks(stanza.as_bytes()).collect::<Vec<_>>(), [mark]);
                let payload = Payload { mark, intended_ns: INTENDED_NS };
                assert_eq!(template.read(mark, &frame), Some(payload), "{name}");
                let other = Mark { flow: 7, sequence: sequence + 1 };
                assert_eq!(template.read(other, &frame), None, "{name}");
            }
            let known = |model: &Model| !model.spellings.borrow().is_empty();
            assert!(!template.repertoire.models.iter().any(known), "{name}: a tree was read");
        }
    }

    #[test]
    fn what_comes_back_is_the_same_with_the_addresses_exchanged() {
        for (name, template) in templates() {
            let (mut forth, mut back) = (Vec::new(), Vec::new());
            template.write(5, 6, &mut forth);
            template.write_back(5, 6, &mut back);
            let exchanged = String::from_utf8(forth).unwrap().replacen(
                &format!("from='{FROM}' to='{TO}'"),
                &format!("from='{TO}' to='{FROM}'"),
                1,
            );
            assert_eq!(String::from_utf8(back).unwrap(), exchanged, "{name}");
        }
    }

    #[test]
    fn any_changed_byte_of_any_content_is_found() {
        for (name, template) in templates() {
            let stanza = written(&template, 1);
            let content_at = stanza.find('>').unwrap() + 1;
            let positions: Vec<usize> =
                (content_at..stanza.len()).filter(|at| stanza.is_char_boundary(*at)).collect();
            // Of a large stanza some hundreds.
            for &at in positions
                .iter()
                .step_by(positions.len() / if name == "avatar" { 50 } else { 200 } + 1)
            {
                let rest = stanza[at..].chars().next().map_or(0, char::len_utf8);
                let other = if stanza[at..].starts_with('q') { "w" } else { "q" };
                let changed = format!("{}{other}{}", &stanza[..at], &stanza[at + rest..]);
                let found = read(&template, 1, &changed);
                assert_eq!(found, None, "{name}: byte {at} of {changed}");
            }
        }
    }

    #[test]
    fn additions_and_omissions_are_found() {
        for (name, template) in templates() {
            let stanza = written(&template, 1);
            let content_at = stanza.find('>').unwrap() + 1;
            let end_at = stanza.rfind("</").unwrap();
            for altered in [
                format!("{}<evil/>{}", &stanza[..content_at], &stanza[content_at..]),
                format!("{} {}", &stanza[..content_at], &stanza[content_at..]),
                format!("{}{}", &stanza[..content_at], &stanza[end_at..]),
                format!("{}<evil/>{}", &stanza[..end_at], &stanza[end_at..]),
                stanza.replacen(" id=", " type='headline' id=", 1).replacen(
                    " type='chat'>",
                    ">",
                    1,
                ),
            ] {
                assert_eq!(read(&template, 1, &altered), None, "{name}: {altered}");
            }
        }
    }

    #[test]
    fn nothing_may_be_added_to_a_start_tag_but_a_language() {
        for (name, template) in templates() {
            let stanza = written(&template, 1);
            let (root, _) = stanza[1..].split_once(' ').unwrap();
            let with =
                |attribute: &str| stanza.replacen(" from=", &format!(" {attribute} from="), 1);
            assert!(read(&template, 1, &with("xml:lang='en'")).is_some(), "{name}");
            assert!(read(&template, 1, &with("xmlns='jabber:server'")).is_some(), "{name}");
            let renamed = if root == "iq" { "message" } else { "iq" };
            let renamed = stanza.replacen(&format!("<{root} "), &format!("<{renamed} "), 1);
            let at = renamed.rfind("</").unwrap();
            for altered in [
                with("evil='1'"),
                with("xmlns:h='urn:x' h:from='a'"),
                // Of another kind of stream, though the content is byte for byte what was sent.
                with("xmlns='jabber:client'"),
                format!("{}</{}>", &renamed[..at], if root == "iq" { "message" } else { "iq" }),
            ] {
                assert_eq!(read(&template, 1, &altered), None, "{name}: {altered}");
            }
        }
    }

    /// As expat and Prosody write: every apostrophe and quote escaped, declarations in front, language stamped.
    fn respelled(stanza: &str) -> String {
        let (start, content) = stanza.split_at(stanza.find('>').unwrap());
        let mut out = format!("{start} xml:lang='en'");
        let mut in_tag = true;
        for character in content.chars() {
            match character {
                '<' => in_tag = true,
                '>' => in_tag = false,
                '\'' if !in_tag => {
                    out.push_str("&apos;");
                    continue;
                }
                '\'' => {
                    out.push('"');
                    continue;
                }
                _ => {}
            }
            out.push(character);
        }
        out
    }

    #[test]
    fn what_a_server_writes_anew_is_accepted_and_read_as_a_tree_once() {
        for (name, template) in templates() {
            for sequence in 0..if template.stanza_bytes() > 10_000 { 10 } else { 50 } {
                let stanza = respelled(&written(&template, sequence));
                assert!(read(&template, sequence, &stanza).is_some(), "{name}: {stanza}");
                let model = template.repertoire.model(Mark { flow: 7, sequence });
                let content = &stanza[stanza.find('>').unwrap()..];
                let spelled_alike = written(&template, sequence).ends_with(content);
                assert_eq!(model.spellings.borrow().len(), usize::from(!spelled_alike), "{stanza}");
                // A spelling that is known is no licence to alter.
                let at = stanza.len() - stanza.len() / 4;
                let altered: String = stanza
                    .char_indices()
                    .map(|(index, character)| if index == at { 'q' } else { character })
                    .collect();
                assert!(altered == stanza || read(&template, sequence, &altered).is_none());
            }
        }
    }

    #[test]
    fn a_spelling_that_leans_on_its_start_tag_is_not_remembered() {
        let (_, template) = templates().remove(4);
        let stanza = written(&template, 0);
        let leaning = stanza
            .replacen(" from=", " xmlns:h='http://www.w3.org/1999/xhtml' from=", 1)
            .replacen("<h:html xmlns:h='http://www.w3.org/1999/xhtml'>", "<h:html>", 1);
        assert!(read(&template, 0, &leaning).is_some());
        let elsewhere = leaning.replacen("1999/xhtml", "2000/xhtml", 1);
        assert_eq!(read(&template, 0, &elsewhere), None);
    }

    #[test]
    fn weights_are_the_shares_of_the_classes() {
        let classes = [(Traffic::Chat, 3), (Traffic::Presence, 1)];
        let repertoire = Rc::new(Repertoire::of(&classes, 1).unwrap());
        let template = Template::new(1, FROM, TO, &repertoire);
        let stanzas = (0..400).map(|sequence| written(&template, sequence));
        assert_eq!(stanzas.filter(|stanza| stanza.starts_with("<presence")).count(), 100);
        for classes in [&[][..], &[(Traffic::Chat, 0)], &[(Traffic::Chat, 60_001)]] {
            assert!(Repertoire::of(classes, 1).is_err(), "{classes:?}");
        }
    }

    #[test]
    fn stanzas_have_the_length_they_had() {
        let repertoire = Rc::new(Repertoire::text(BODY_BYTES_DEFAULT));
        let template = Template::new(7, FROM, TO, &repertoire);
        assert_eq!(written(&template, 1).len(), template.stanza_bytes());
        let chat = Rc::new(Repertoire::of(&[(Traffic::Chat, 1)], 1).unwrap());
        let bytes = Template::new(7, FROM, TO, &chat).stanza_bytes();
        assert!((300..340).contains(&bytes), "{bytes}");
    }
}
