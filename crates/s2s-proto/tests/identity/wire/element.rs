//! Elements as they are spelled, and what a spelling does to the meaning.

use super::*;

impl Voice {
    /// Writes an element in one of the forms, and what it means then.
    #[expect(clippy::too_many_arguments, reason = "the parts of an element")]
    pub(super) fn element(
        &self,
        form: Form,
        ns: &Ns,
        name: &str,
        attributes: &Attributes<'_>,
        content: &str,
        meaning: Meaning,
        out: &mut Vec<u8>,
    ) -> Meaning {
        let content_ns = if self.component { "jabber:component:accept" } else { "jabber:server" };
        let (uri, usual) = match ns {
            Ns::Streams => (STREAMS, Some("stream:")),
            Ns::Dialback => (DIALBACK, Some("db:")),
            Ns::Tls => (TLS, None),
            Ns::Sasl => (SASL, None),
            Ns::Content => (content_ns, Some("")),
            Ns::Other(uri) => (*uri, None),
        };
        let is_stanza = matches!(meaning, Meaning::Stanza { .. });
        let in_content = matches!(ns, Ns::Content);
        let mut text = String::with_capacity(256);
        if form == Form::Wrapped {
            text.push_str("<x xmlns='urn:x'>");
        }
        let prefix = match (form, usual) {
            (Form::Own, _) => "x:",
            (Form::Default | Form::Foreign | Form::Bare, _) | (_, None) => "",
            (_, Some(prefix)) => prefix,
        };
        // Attributes in the element's own namespace are not the unprefixed ones.
        text.push('<');
        text.push_str(prefix);
        text.push_str(name);
        match (form, usual) {
            (Form::Own, _) => push(&[" xmlns:x='", uri, "'"], &mut text),
            (Form::Default, _) => push(&[" xmlns='", uri, "'"], &mut text),
            (Form::Foreign, _) => push(&[" xmlns='", uri, "x'"], &mut text),
            (Form::Bare, _) if is_stanza => push(&[" xmlns='jabber:client'"], &mut text),
            (Form::Bare, _) => {}
            (_, None) => push(&[" xmlns='", uri, "'"], &mut text),
            (_, Some(_)) if form == Form::Wrapped && in_content => {
                push(&[" xmlns='", uri, "'"], &mut text);
            }
            _ => {}
        }
        let between = match form {
            Form::Attributes => " xmlns:y='urn:y'",
            Form::Twice => " z='1' z='2'",
            _ => "",
        };
        text.push_str(between);
        push_attributes(attributes, if form == Form::Attributes { "y:" } else { "" }, &mut text);
        if form == Form::Spaced {
            text.push_str("\n\t ");
        }
        text.push('>');
        text.push_str(content);
        let end = if form == Form::Open { "y" } else { name };
        push(&["</", prefix, end, ">"], &mut text);
        if form == Form::Wrapped {
            text.push_str("</x>");
        }
        out.extend_from_slice(text.as_bytes());
        let unbound = prefix == "db:" && !self.declares_db;
        match form {
            Form::Twice | Form::Open => Meaning::Broken,
            _ if unbound => Meaning::Broken,
            Form::Foreign | Form::Wrapped => Meaning::Other,
            // RFC 6120 §4.8.3 and threat A13: a stanza of the client's namespace is held to what a stanza is held to.
            Form::Bare if is_stanza || in_content => meaning,
            Form::Bare => Meaning::Other,
            Form::Plain | Form::Spaced | Form::Attributes
                if in_content && self.content_unknown
                    || matches!(ns, Ns::Streams) && self.streams_unknown =>
            {
                Meaning::Other
            }
            Form::Plain | Form::Own | Form::Default | Form::Spaced | Form::Attributes => meaning,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Own,
    Default,
    Spaced,
    Foreign,
    Bare,
    Wrapped,
    Attributes,
    Twice,
    Open,
}

/// In the order of [`crate::words::FORMS`], and once more for arguments that are no form.
pub(super) const FORM_OF: [Form; 40] = {
    let mut forms = [Form::Plain; 40];
    forms[1] = Form::Own;
    forms[2] = Form::Default;
    forms[3] = Form::Spaced;
    forms[4] = Form::Foreign;
    forms[5] = Form::Bare;
    forms[6] = Form::Wrapped;
    forms[7] = Form::Attributes;
    forms[8] = Form::Twice;
    forms[9] = Form::Open;
    forms
};

pub(super) type Attributes<'a> = [Option<(&'a str, &'a str)>; 4];
pub(super) const NONE: Attributes<'static> = [None; 4];

pub(super) const ANSWERS: [Option<Answer>; 6] = [
    Some(Answer::Valid),
    Some(Answer::Invalid),
    Some(Answer::Error),
    Some(Answer::Bogus),
    Some(Answer::Bogus),
    None,
];

pub(super) const RESULT_KEYS: [(&str, Key); 6] = [
    ("0123abcd", Key::Text("0123abcd")),
    ("beef", Key::Text("beef")),
    ("\n 0123abcd ", Key::Text("0123abcd")),
    ("", Key::Nothing),
    (" \n", Key::Nothing),
    ("long", Key::Nothing),
];

pub(super) const JUNK_BYTES: [&[u8]; 10] = [
    b"<!-- x -->",
    b"<?x y?>",
    b"<x>&nbsp;</x>",
    b"<x a='1' a='2'/>",
    b"<x></y>",
    b"<stream:stream></stream:stream>",
    b"<x>\0</x>",
    b"<x>\xff\xfe</x>",
    b"<x>]]></x>",
    b"<q:x/>",
];

pub(super) fn type_attribute(index: u8) -> Option<(&'static str, &'static str)> {
    let value = match crate::words::TYPES[usize::from(index)] {
        "valid" => "valid",
        "invalid" => "invalid",
        "error" => "error",
        "upper" => "VALID",
        "padded" => " valid ",
        _ => return None,
    };
    Some(("type", value))
}

pub(super) fn error_child(answer: Answer) -> String {
    match answer {
        Answer::Error => "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>".into(),
        Answer::Valid | Answer::Invalid | Answer::Bogus => String::new(),
    }
}

pub(super) fn features(index: u8) -> (String, Meaning) {
    let offer = crate::words::OFFERS[usize::from(index)];
    let has = |word: &str| offer.split('+').any(|part| part == word);
    let (starttls, external) = (has("tls"), has("sasl"));
    let errors = has("errors");
    let dialback = has("dialback") || errors;
    let mut text = String::new();
    if starttls {
        text.push_str("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    }
    if external || has("plain") {
        let mechanism = if external { "EXTERNAL" } else { "PLAIN" };
        push(
            &["<mechanisms xmlns='", SASL, "'><mechanism>", mechanism, "</mechanism></mechanisms>"],
            &mut text,
        );
    }
    if dialback {
        text.push_str("<dialback xmlns='urn:xmpp:features:dialback'>");
        text.push_str(if errors { "<errors/></dialback>" } else { "</dialback>" });
    }
    let bidi = has("bidi");
    if bidi {
        text.push_str("<bidi xmlns='urn:xmpp:features:bidi'/>");
    }
    (text, Meaning::Features { starttls, external, dialback, errors, bidi })
}

/// The address of a stanza, and the domain it means.
pub(super) fn address(spelling: u8, form: u8) -> (Option<String>, Given) {
    let spelling = &SPELLINGS[usize::from(spelling)];
    let form = &JIDS[usize::from(form)];
    match spelling.given {
        Given::Absent => (None, Given::Absent),
        given => {
            let text = [form.before, spelling.xml, form.after].concat();
            // A JID where a domain belongs may be a JID all the same: `a@bank.example` with nothing before it.
            let means = match (spelling.word, form.word) {
                ("jid", "domain" | "resource-is-bank" | "domain-and-jid") => {
                    Given::Is(crate::words::BANK)
                }
                _ if form.is_jid => given,
                _ => Given::Bad,
            };
            (Some(text), means)
        }
    }
}

pub(super) fn push(parts: &[&str], out: &mut String) {
    parts.iter().for_each(|part| out.push_str(part));
}

pub(super) fn push_attributes(attributes: &Attributes<'_>, prefix: &str, out: &mut String) {
    for (name, value) in attributes.iter().flatten() {
        push(&[" ", prefix, name, "='", value, "'"], out);
    }
}
