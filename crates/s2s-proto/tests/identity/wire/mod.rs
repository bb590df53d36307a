//! Writes what the peer says, and says what it means to a reader of the specifications.

mod element;

use self::element::*;

use crate::oracle::{self, COMPONENT_SECRETS, OURS, OURS_BEFORE, THEIRS, base64};
use crate::step::{Op, Step};
use crate::words::{Given, JIDS, NAMES, Name, SPELLINGS};

/// What an item on the wire means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    Header(HeaderSaid),
    StartTls,
    Proceed,
    TlsFailure,
    Auth {
        external: Option<bool>,
        authzid: Authzid,
    },
    Response(Authzid),
    Abort,
    Challenge,
    Success,
    SaslFailure,
    Features {
        starttls: bool,
        external: bool,
        dialback: bool,
        errors: bool,
        bidi: bool,
    },
    ResultKey {
        from: Given,
        to: Given,
        key: Key,
    },
    ResultAnswer {
        from: Given,
        to: Given,
        answer: Answer,
    },
    VerifyKey {
        from: Given,
        to: Given,
        id: Id,
        ours: bool,
    },
    VerifyAnswer {
        from: Given,
        to: Given,
        id: Id,
        answer: Answer,
    },
    Stanza {
        from: Given,
        to: Given,
    },
    Handshake {
        good: bool,
    },
    Bidi,
    Compress,
    StreamError {
        host_unknown: bool,
    },
    /// Well-formed, and nothing that was defined for a stream between servers.
    Other,
    Close,
    /// Not well-formed, not namespace-well-formed, or restricted XML (RFC 6120 §11.1).
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderSaid {
    /// Stream and content namespace are right.
    pub fit: bool,
    pub component: bool,
    pub from: Given,
    pub to: Given,
    pub id: Id,
    pub version_1: bool,
    pub declares_dialback: bool,
}

/// A stream id on the wire, by its place in [`crate::words::IDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub u8);

/// The key of a `<db:result/>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Text(&'static str),
    /// None, or longer than any key is.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Valid,
    Invalid,
    Error,
    /// A `type` that does not exist.
    Bogus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authzid {
    /// No initial response.
    None,
    /// Empty, spelled `=`.
    Empty,
    Is(Name),
    Bad,
}

impl Id {
    pub fn text(self) -> Option<String> {
        match crate::words::IDS[usize::from(self.0)] {
            "absent" => None,
            "empty" => Some(String::new()),
            "space" => Some("S 1".into()),
            "nbsp" => Some("S\u{A0}1".into()),
            "long" => Some("x".repeat(257)),
            "longest" => Some("x".repeat(256)),
            plain => Some(plain.into()),
        }
    }

    /// Present, without white space (XEP-0185 separates the fields of a key by a space), of bounded length.
    pub fn keyable(self) -> bool {
        matches!(crate::words::IDS[usize::from(self.0)], "S1" | "S2" | "S3" | "longest")
    }

    /// Fit to be looked at in a `<db:verify/>`.
    pub fn readable(self) -> bool {
        self.keyable() || matches!(crate::words::IDS[usize::from(self.0)], "space" | "nbsp")
    }
}

/// The peer's side of the XML streams: what its latest header declared, and what it can know.
#[derive(Debug)]
pub struct Voice {
    close_tag: &'static str,
    declares_db: bool,
    /// Prefix and namespaces of the content.
    component: bool,
    /// The name the peer gave itself last.
    pub own: Option<Name>,
    /// The latest header has a content namespace that nobody knows: what is unprefixed is in it.
    content_unknown: bool,
    /// The same of the namespace of streams and what has its prefix.
    streams_unknown: bool,
    /// The id of our latest header.
    pub our_id: String,
    /// Keys of the secret before are good.
    pub rotating: bool,
    /// Which secret the entry has that the component's name belongs to.
    pub component_secret: usize,
}

enum Ns {
    Streams,
    Dialback,
    Tls,
    Sasl,
    Content,
    Other(&'static str),
}

const STREAMS: &str = "http://etherx.jabber.org/streams";
const DIALBACK: &str = "jabber:server:dialback";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

impl Voice {
    pub fn new(rotating: bool) -> Self {
        Self {
            close_tag: "</stream:stream>",
            declares_db: true,
            component: false,
            own: None,
            content_unknown: false,
            streams_unknown: false,
            our_id: String::new(),
            rotating,
            component_secret: 0,
        }
    }

    /// Appends what a wire step says; `None` when it says nothing that is an item.
    pub fn say(&mut self, step: &Step, out: &mut Vec<u8>) -> Option<Meaning> {
        let [a, b, c, d, e, _] = step.args;
        let spelled = |index: u8| &SPELLINGS[usize::from(index)];
        let form = FORM_OF[usize::from(a)];
        match step.op {
            Op::Header => return Some(self.header(step, out)),
            Op::Close => {
                out.extend_from_slice(self.close_tag.as_bytes());
                return Some(Meaning::Close);
            }
            Op::Space => {
                out.extend_from_slice(b" \n");
                return None;
            }
            Op::Junk => {
                let junk = JUNK_BYTES[usize::from(a)];
                out.extend_from_slice(junk);
                let is_other = self.streams_unknown && junk.starts_with(b"<stream:");
                return Some(if is_other { Meaning::Other } else { Meaning::Broken });
            }
            _ => {}
        }
        let (ns, name, attributes, content, meaning): (_, _, Attributes<'_>, String, Meaning) =
            match step.op {
                Op::StartTls => (Ns::Tls, "starttls", NONE, String::new(), Meaning::StartTls),
                Op::Proceed => (Ns::Tls, "proceed", NONE, String::new(), Meaning::Proceed),
                Op::TlsFailure => (Ns::Tls, "failure", NONE, String::new(), Meaning::TlsFailure),
                Op::Auth => {
                    let mechanism = crate::words::MECHANISMS[usize::from(b)];
                    let named = mechanism != "absent" && form != Form::Attributes;
                    let (text, authzid) = self.authzid(c);
                    let external = named.then_some(mechanism == "EXTERNAL");
                    let shown = (mechanism != "absent").then_some(("mechanism", mechanism));
                    let meaning = Meaning::Auth { external, authzid };
                    (Ns::Sasl, "auth", [shown, None, None, None], text, meaning)
                }
                Op::Response => {
                    let (text, authzid) = self.authzid(b);
                    // RFC 6120 §6.4.3: in a response, nothing is the empty identity.
                    let authzid = if authzid == Authzid::None { Authzid::Empty } else { authzid };
                    (Ns::Sasl, "response", NONE, text, Meaning::Response(authzid))
                }
                Op::Abort => (Ns::Sasl, "abort", NONE, String::new(), Meaning::Abort),
                Op::Challenge => (Ns::Sasl, "challenge", NONE, String::new(), Meaning::Challenge),
                Op::Success => (Ns::Sasl, "success", NONE, String::new(), Meaning::Success),
                Op::SaslFailure => {
                    let text = String::from("<not-authorized/>");
                    (Ns::Sasl, "failure", NONE, text, Meaning::SaslFailure)
                }
                Op::Features => {
                    let (text, meaning) = features(b);
                    (Ns::Streams, "features", NONE, text, meaning)
                }
                Op::Bidi => {
                    (Ns::Other("urn:xmpp:bidi"), "bidi", NONE, String::new(), Meaning::Bidi)
                }
                Op::Compress => {
                    let ns = Ns::Other("http://jabber.org/protocol/compress");
                    (ns, "compress", NONE, "<method>zlib</method>".into(), Meaning::Compress)
                }
                Op::Nonza => {
                    let ns = Ns::Other("urn:x");
                    let attributes = [
                        Some(("type", "valid")),
                        Some(("from", "bank.example")),
                        Some(("to", "capulet.example")),
                        Some(("id", "S1")),
                    ];
                    (ns, "result", attributes, String::new(), Meaning::Other)
                }
                Op::StreamError => {
                    let condition = crate::words::CONDITIONS[usize::from(b)];
                    let text = match condition {
                        "bare" => String::new(),
                        name => format!("<{name} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"),
                    };
                    let host_unknown = condition == "host-unknown";
                    (Ns::Streams, "error", NONE, text, Meaning::StreamError { host_unknown })
                }
                Op::Handshake => {
                    let (text, good) = self.handshake(b);
                    (Ns::Content, "handshake", NONE, text, Meaning::Handshake { good })
                }
                Op::ResultKey | Op::ResultAnswer | Op::VerifyKey | Op::VerifyAnswer => {
                    let (name, content, meaning) = self.dialback(step, form);
                    let (from, to) = (spelled(b), spelled(c));
                    let id = Id(d).text();
                    let is_verify = matches!(step.op, Op::VerifyKey | Op::VerifyAnswer);
                    let attributes = [
                        (from.given != Given::Absent).then_some(("from", from.xml)),
                        (to.given != Given::Absent).then_some(("to", to.xml)),
                        id.as_deref().filter(|_| is_verify).map(|id| ("id", id)),
                        match step.op {
                            Op::ResultAnswer => type_attribute(d),
                            Op::VerifyAnswer => type_attribute(e),
                            _ => None,
                        },
                    ];
                    return Some(self.element(
                        form,
                        &Ns::Dialback,
                        name,
                        &attributes,
                        &content,
                        meaning,
                        out,
                    ));
                }
                Op::Stanza => return Some(self.stanza(step, form, out)),
                _ => return None,
            };
        Some(self.element(form, &ns, name, &attributes, &content, meaning, out))
    }

    fn header(&mut self, step: &Step, out: &mut Vec<u8>) -> Meaning {
        let [ns, from, to, id, version, _] = step.args;
        let kind = crate::words::HEADERS[usize::from(ns)];
        let mut text = String::with_capacity(256);
        text.push_str("<?xml version='1.0'?>");
        let streams = if kind == "stream" { "http://etherx.jabber.org/stream" } else { STREAMS };
        let content = match kind {
            "content" => "jabber:serve",
            "component" => "jabber:component:accept",
            _ => "jabber:server",
        };
        text.push_str(if kind == "prefix" {
            "<s:stream xmlns:s='http://etherx.jabber.org/streams'"
        } else {
            "<stream:stream"
        });
        for part in [" xmlns:stream='", streams, "' xmlns='", content, "'"] {
            text.push_str(part);
        }
        self.declares_db = kind != "nodb" && kind != "component";
        if self.declares_db {
            text.push_str(" xmlns:db='jabber:server:dialback'");
        }
        if kind == "lang" {
            text.push_str(" xml:lang='de'");
        }
        let (from, to) = (&SPELLINGS[usize::from(from)], &SPELLINGS[usize::from(to)]);
        let version = crate::words::VERSIONS[usize::from(version)];
        let id_text = Id(id).text();
        let attributes = [
            (from.given != Given::Absent).then_some(("from", from.xml)),
            (to.given != Given::Absent).then_some(("to", to.xml)),
            id_text.as_deref().map(|id| ("id", id)),
            (version != "absent").then_some(("version", version)),
        ];
        push_attributes(&attributes, "", &mut text);
        text.push('>');
        out.extend_from_slice(text.as_bytes());
        self.close_tag = if kind == "prefix" { "</s:stream>" } else { "</stream:stream>" };
        self.component = kind == "component";
        self.content_unknown = kind == "content";
        self.streams_unknown = kind == "stream";
        self.own = from.given.name();
        Meaning::Header(HeaderSaid {
            fit: !matches!(kind, "stream" | "content"),
            component: self.component,
            from: from.given,
            to: to.given,
            id: Id(id),
            // RFC 6120 §4.7.5: numbers, leading zeros do not count; what is no version is lower than any.
            version_1: matches!(version, "1.0" | "2.0" | "01.10"),
            declares_dialback: self.declares_db,
        })
    }

    fn dialback(&self, step: &Step, form: Form) -> (&'static str, String, Meaning) {
        let [_, b, c, d, e, _] = step.args;
        // Attributes in a namespace of their own are not the element's.
        let given = |index: u8| match form {
            Form::Attributes => Given::Absent,
            _ => SPELLINGS[usize::from(index)].given,
        };
        let (from, to) = (given(b), given(c));
        let answer = |index: u8| {
            if form == Form::Attributes { None } else { ANSWERS[usize::from(index)] }
        };
        let id = |index: u8| if form == Form::Attributes { Id(3) } else { Id(index) };
        match step.op {
            Op::ResultKey => {
                let (text, key) = RESULT_KEYS[usize::from(d)];
                let text = if text == "long" { "k".repeat(257) } else { text.into() };
                ("result", text, Meaning::ResultKey { from, to, key })
            }
            Op::ResultAnswer => match answer(d) {
                Some(answer) => {
                    ("result", error_child(answer), Meaning::ResultAnswer { from, to, answer })
                }
                None => {
                    ("result", String::new(), Meaning::ResultKey { from, to, key: Key::Nothing })
                }
            },
            Op::VerifyKey => {
                let (text, ours) = self.check(from, to, Id(d), e);
                ("verify", text, Meaning::VerifyKey { from, to, id: id(d), ours })
            }
            _ => match answer(e) {
                Some(answer) => {
                    let meaning = Meaning::VerifyAnswer { from, to, id: id(d), answer };
                    ("verify", error_child(answer), meaning)
                }
                None => {
                    let meaning = Meaning::VerifyKey { from, to, id: id(d), ours: false };
                    ("verify", String::new(), meaning)
                }
            },
        }
    }

    /// The key of a `<db:verify/>`, and whether it is ours for exactly these two domains and this id.
    fn check(&self, from: Given, to: Given, id: Id, word: u8) -> (String, bool) {
        let (Some(receiving), Some(originating)) = (from.name(), to.name()) else {
            return ("0123".into(), false);
        };
        let (receiving, originating) =
            (NAMES[usize::from(receiving)], NAMES[usize::from(originating)]);
        let text = id.text().unwrap_or_default();
        match crate::words::CHECKS[usize::from(word)] {
            "ours" => (OURS.key(receiving, originating, &text), id.keyable()),
            "padded" => (format!("\n {} ", OURS.key(receiving, originating, &text)), id.keyable()),
            "previous" => {
                (OURS_BEFORE.key(receiving, originating, &text), id.keyable() && self.rotating)
            }
            "other-id" => (OURS.key(receiving, originating, "S9"), false),
            "other-pair" => (OURS.key("mantua.example", originating, &text), false),
            "swapped" => {
                (OURS.key(originating, receiving, &text), id.keyable() && receiving == originating)
            }
            "raw" => (OURS.raw_key(receiving, originating, &text), false),
            // Hexadecimal in lower case, as the XEP writes it; another spelling is another text.
            "upper" => (OURS.key(receiving, originating, &text).to_uppercase(), false),
            "short" => (OURS.key(receiving, originating, &text)[..63].into(), false),
            // CVE-2016-0756: a field ends elsewhere.
            "shifted" => (OURS.key(receiving, &originating[1..], &text), false),
            "foreign" => (THEIRS.key(receiving, originating, &text), false),
            "empty" => (String::new(), false),
            _ => ("0123456789abcdef".into(), false),
        }
    }

    fn authzid(&self, word: u8) -> (String, Authzid) {
        let own = self.own.map(|name| (NAMES[usize::from(name)], name));
        let of = |text: &str| base64(text.as_bytes());
        match (crate::words::AUTHZIDS[usize::from(word)], own) {
            ("none", _) => (String::new(), Authzid::None),
            ("own", Some((text, name))) => (of(text), Authzid::Is(name)),
            ("upper", Some((text, name))) => {
                (of(&format!("{}.", text.to_uppercase())), Authzid::Is(name))
            }
            ("bank", _) => (of("bank.example"), Authzid::Is(crate::words::BANK)),
            ("evil", _) => (of("evil.example"), Authzid::Is(crate::words::EVIL)),
            ("xbank", _) => (of("xbank.example"), Authzid::Is(crate::words::XBANK)),
            ("junk", _) => ("*".into(), Authzid::Bad),
            ("jid", Some((text, _))) => (of(&format!("a@{text}")), Authzid::Bad),
            _ => ("=".into(), Authzid::Empty),
        }
    }

    fn handshake(&self, word: u8) -> (String, bool) {
        let id = self.our_id.as_str();
        let secret = COMPONENT_SECRETS[self.component_secret];
        let other = COMPONENT_SECRETS[1 - self.component_secret];
        let right = || oracle::handshake(id, secret);
        // Said before our header was heard, it cannot be for the id in it.
        let heard = !id.is_empty();
        match crate::words::HANDSHAKES[usize::from(word)] {
            "good" => (right(), heard),
            "upper" => (right().to_uppercase(), false),
            // Peers put line breaks around it; it is trimmed when read, as dialback keys are.
            "padded" => (format!("\n{}\n", right()), heard),
            "other-id" => (oracle::handshake("other", secret), false),
            "other-secret" => (oracle::handshake(id, other), false),
            "short" => (right()[..39].into(), false),
            _ => (String::new(), false),
        }
    }

    fn stanza(&self, step: &Step, form: Form, out: &mut Vec<u8>) -> Meaning {
        let [_, from, at, to, to_at, kind] = step.args;
        let name = crate::words::KINDS[usize::from(kind)];
        let (from, from_is) = address(from, at);
        let (to, to_is) = address(to, to_at);
        let attributes = [
            from.as_deref().map(|value| ("from", value)),
            to.as_deref().map(|value| ("to", value)),
            Some(("id", "x1")),
            None,
        ];
        let meaning = match form {
            Form::Attributes => Meaning::Stanza { from: Given::Absent, to: Given::Absent },
            _ => Meaning::Stanza { from: from_is, to: to_is },
        };
        self.element(form, &Ns::Content, name, &attributes, "<body>x</body>", meaning, out)
    }
}
