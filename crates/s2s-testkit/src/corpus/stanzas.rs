//! The stanzas of each class, spelled as servers spell them.

use std::fmt::Write;

use super::{Parties, Specimen, Traffic};
use crate::random::Random;

const USERS: [&str; 8] =
    ["juliet", "romeo", "nurse", "mercutio", "benvolio", "tybalt", "lawrence", "rosaline"];
const RESOURCES: [&str; 4] = ["balcony", "orchard", "Conversations.u3Zk", "gajim.8FQ2LXRA"];
const WORDS: [&str; 24] = [
    "wherefore",
    "art",
    "thou",
    "deny",
    "thy",
    "father",
    "and",
    "refuse",
    "name",
    "or",
    "if",
    "wilt",
    "not",
    "be",
    "but",
    "sworn",
    "my",
    "love,",
    "I'll",
    "no",
    "longer",
    "a",
    "Capulet.",
    "What's",
];
const FOREIGN: [&str; 16] = [
    "Отчего",
    "же",
    "ты",
    "Ромео",
    "отрекись",
    "от",
    "отца",
    "имени",
    "ロミオ",
    "どうして",
    "あなたは",
    "Ρωμαίο",
    "γιατί",
    "είσαι",
    "🌹",
    "👩‍❤️‍👨",
];
const QUOTED: [&str; 6] = [
    "a &lt;b&gt;bold&lt;/b&gt; word",
    "Montague &amp; Capulet",
    "say &quot;love&quot;",
    "&apos;tis",
    "a rose &#x1F339; here",
    "&#169; 1597",
];
const BODY_BYTES: usize = 178;
const AVATAR_BYTES: usize = 64 * 1024;
/// Elements inside each other, the stanza not counted; the product's default limit is 128.
const NESTING: usize = 100;

/// Shares of mixed traffic.
pub(crate) const MIXED_SLOTS: usize = 100;

/// Writes stanzas between some parties.
pub(crate) struct Scribe<'a> {
    parties: &'a Parties,
    random: Random,
    text: String,
    /// What one text of every stanza begins with; empty in a corpus.
    mark: &'static str,
    /// Of the last stanza: its name, its type and where its content begins.
    last: (&'static str, &'static str, usize),
}

impl<'a> Scribe<'a> {
    pub(crate) fn new(parties: &'a Parties, random: Random) -> Scribe<'a> {
        Scribe { parties, random, text: String::new(), mark: "", last: ("", "", 0) }
    }

    /// A scribe whose stanzas carry `mark` once, at the beginning of a text that whoever carries the stanza has no reason to look at:
    /// the body, the status, the innermost text of an iq, or the thread of a message without body. A body is shorter by that much.
    pub(crate) fn marking(mark: &'static str, parties: &'a Parties, random: Random) -> Scribe<'a> {
        Scribe { mark, ..Scribe::new(parties, random) }
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Takes the last stanza apart.
    pub(crate) fn specimen(&self) -> Specimen {
        let (name, type_, content_at) = self.last;
        Specimen { name, type_, content: self.text[content_at..].to_owned() }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// One stanza.
    pub(crate) fn write(&mut self, traffic: Traffic) {
        match traffic {
            Traffic::Chat => self.chat(),
            Traffic::Presence => self.room_presence(),
            Traffic::PubSub => self.microblog(),
            Traffic::Avatar => self.avatar(),
            Traffic::DeepNesting => self.quoted_mail(),
            Traffic::NonAscii => self.foreign(),
            Traffic::Entities => self.markup(),
            Traffic::Mixed => self.mixed(),
        }
    }

    fn mixed(&mut self) {
        let slot = self.random.below(MIXED_SLOTS);
        self.mixed_of(slot);
    }

    /// The stanza that belongs to one of [`MIXED_SLOTS`] equal shares of mixed traffic.
    pub(crate) fn mixed_of(&mut self, slot: usize) {
        match slot {
            0..26 => self.chat(),
            26..46 => self.room_presence(),
            46..60 => self.contact_presence(),
            60..76 => self.chat_state(),
            76..83 => self.receipt(),
            83..90 => self.ping(),
            90..95 => self.microblog(),
            95..98 => self.foreign(),
            _ => self.markup(),
        }
    }

    fn chat(&mut self) {
        self.open("message", "chat");
        self.push("<body>");
        self.marked_words(&WORDS, BODY_BYTES);
        self.push("</body></message>");
    }

    /// XEP-0085 with XEP-0334: no body.
    fn chat_state(&mut self) {
        self.open("message", "chat");
        self.marked_element("thread");
        let state = self.random.choose(&["composing", "paused", "active", "gone"]);
        self.put(format_args!(
            "<{state} xmlns='http://jabber.org/protocol/chatstates'/><no-store xmlns='urn:xmpp:hints'/></message>"
        ));
    }

    /// XEP-0184.
    fn receipt(&mut self) {
        self.open("message", "chat");
        self.marked_element("thread");
        let id = self.random.next();
        self.put(format_args!("<received xmlns='urn:xmpp:receipts' id='{id:016x}'/></message>"));
    }

    /// XEP-0199.
    fn ping(&mut self) {
        self.open("iq", "get");
        if self.mark.is_empty() {
            self.push("<ping xmlns='urn:xmpp:ping'/></iq>");
        } else {
            let mark = self.mark;
            self.put(format_args!("<ping xmlns='urn:xmpp:ping'>{mark}</ping></iq>"));
        }
    }

    /// XEP-0115 and XEP-0153, as a contact that comes on line sends it.
    fn contact_presence(&mut self) {
        self.open("presence", "");
        let show = self.random.choose(&["away", "dnd", "xa", "chat"]);
        let priority = self.random.below(20);
        self.marked_element("status");
        self.put(format_args!("<show>{show}</show><priority>{priority}</priority>"));
        self.capabilities();
        self.push("</presence>");
    }

    /// XEP-0045 §7.1: what everybody in a room gets when one enters.
    fn room_presence(&mut self) {
        self.open("presence", "");
        self.marked_element("status");
        self.capabilities();
        let photo = self.random.next();
        self.put(format_args!(
            "<x xmlns='vcard-temp:x:update'><photo>{photo:016x}{photo:016x}fadedbee</photo></x>"
        ));
        self.push(
            "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' role='participant'/></x></presence>",
        );
    }

    fn capabilities(&mut self) {
        let version = self.random.next();
        self.put(format_args!(
            "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://montague.example/caps' ver='{version:016x}A4nZ0Rk='/>"
        ));
    }

    /// XEP-0060 §6.5.2 with XEP-0277: items with an Atom entry each.
    fn microblog(&mut self) {
        self.open_unasked_iq();
        self.push(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:microblog:0'>",
        );
        for item in 0..3 {
            let id = self.random.next();
            let author = self.random.choose(&USERS);
            self.put(format_args!(
                "<item id='{id:016x}'><entry xmlns='http://www.w3.org/2005/Atom'><title type='text'>"
            ));
            match item {
                0 => self.marked_words(&WORDS, 120),
                _ => self.words(&WORDS, 120),
            }
            self.put(format_args!(
                "</title><author><name>{author}</name><uri>xmpp:{author}@montague.example</uri></author>\
                 <id>tag:montague.example,2026-11-22:posts-{id:016x}</id><published>2026-11-22T10:00:00Z</published>\
                 <updated>2026-11-22T10:00:01Z</updated><link rel='alternate' type='text/html' \
                 href='https://montague.example/posts/{id:016x}?lang=en&amp;style=plain'/>\
                 <geoloc xmlns='http://jabber.org/protocol/geoloc'><locality>Verona</locality></geoloc>\
                 <x:rating xmlns:x='urn:example:rating' x:of='5' x:given='4'/></entry></item>"
            ));
        }
        self.push("</items></pubsub></iq>");
    }

    /// XEP-0084 §3.2: the picture itself.
    fn avatar(&mut self) {
        const BASE64: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        self.open_unasked_iq();
        self.push(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:data'>",
        );
        self.push("<item id='111f4b3c50d7b0df729d299bc6f8e9ef9066971f'><data xmlns='urn:xmpp:avatar:data'>");
        self.push(self.mark);
        for _ in 0..AVATAR_BYTES / 8 {
            let mut bits = self.random.next();
            for _ in 0..8 {
                self.text.push(char::from(BASE64[(bits & 63) as usize]));
                bits >>= 6;
            }
        }
        self.push("</data></item></items></pubsub></iq>");
    }

    /// XEP-0071, now deprecated, is where deep trees come from in practice.
    fn quoted_mail(&mut self) {
        self.open("message", "normal");
        self.push("<h:html xmlns:h='http://www.w3.org/1999/xhtml'>");
        for level in 1..NESTING {
            self.put(format_args!("<h:blockquote class='level{level}'>"));
            if level == 1 {
                self.push(self.mark);
            }
            self.words(&WORDS, 12);
        }
        for _ in 1..NESTING {
            self.push("</h:blockquote>");
        }
        self.push("</h:html></message>");
    }

    fn foreign(&mut self) {
        self.open("message", "chat");
        self.push("<body>");
        self.marked_words(&FOREIGN, 430);
        self.push("</body></message>");
    }

    fn markup(&mut self) {
        self.open("message", "chat");
        self.push("<body>");
        self.marked_words(&QUOTED, 400);
        self.push("</body></message>");
    }

    /// An iq that nobody asked for. In a corpus it is what servers send most, a result. One that is sent and counted is a `set`: nobody answers
    /// a result with an error, so one that cannot be delivered would be lost without a word, where a `set` is bounced. Those in between
    /// look only at whom it is for, and who it is for need not answer.
    fn open_unasked_iq(&mut self) {
        self.open("iq", if self.mark.is_empty() { "result" } else { "set" });
    }

    /// The start tag of a stanza; no `type` attribute when that is empty.
    fn open(&mut self, name: &'static str, type_: &'static str) {
        let parties = self.parties;
        let target = &parties.targets[self.random.below(parties.targets.len())];
        let sender = &parties.sender;
        let (from, to) = (self.random.choose(&USERS), self.random.choose(&USERS));
        let resource = self.random.choose(&RESOURCES);
        let id = self.random.next() >> 32;
        self.put(format_args!(
            "<{name} from='{from}@{sender}/{resource}' to='{to}@{target}' id='{id:08x}'"
        ));
        if !type_.is_empty() {
            self.put(format_args!(" type='{type_}'"));
        }
        self.text.push('>');
        self.last = (name, type_, self.text.len());
    }

    /// A child with the mark as its text; none in a corpus.
    fn marked_element(&mut self, name: &str) {
        if !self.mark.is_empty() {
            let mark = self.mark;
            self.put(format_args!("<{name}>{mark}</{name}>"));
        }
    }

    /// The mark, then words: `bytes_min` together or a little more.
    fn marked_words(&mut self, words: &[&str], bytes_min: usize) {
        self.push(self.mark);
        self.words(words, bytes_min - self.mark.len());
    }

    /// Words with spaces between, `bytes_min` of them or a little more.
    fn words(&mut self, words: &[&str], bytes_min: usize) {
        let end = self.text.len() + bytes_min;
        loop {
            let word = self.random.choose(words);
            self.text.push_str(word);
            if self.text.len() >= end {
                return;
            }
            self.text.push(' ');
        }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a string takes everything");
    }
}
