//! Moving a frame to another stream.
//!
//! The bytes of a stanza lean on the stream they came in on in three ways: prefixes and the default namespace that the header
//! declares, the content namespace that the two sides agreed on, and the default language. Where the streams differ the bytes
//! are edited, in a few places; they are never parsed and written anew.
//!
//! # Which declarations change
//! Between two streams a stanza changes its content namespace (`jabber:server`, `jabber:client`, `jabber:component:accept`),
//! but not everything inside it that is in such a namespace is part of the stanza. XEP-0297 forwarding, and with it carbons and
//! archives, carries a whole `{jabber:client}message` as payload, and its namespace is part of what is said. The rule:
//!
//! - An element is *the stanza's own* when it is in a content namespace and its parent is the stanza's own; the first-level element
//!   needs no parent.
//! - A declaration of a content namespace is replaced by the target's when the name of one of the stanza's own elements takes its
//!   namespace from it, and left alone otherwise.
//!
//! So `<message xmlns='jabber:client'><body/></message>` changes, and so does a body that spells its namespace again, while
//! `<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>` inside does not: `forwarded` is foreign, which ends the
//! stanza's own elements. Should a declaration on the stanza serve both its own elements and something under a foreign one (only
//! possible with a prefix, or below a foreign element with a prefix), it changes for both: as written they were the same name, and an
//! unprefixed element there would inherit the target's namespace without any edit too.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::content::Content;
use crate::error::{FrameError, Reason};
use crate::escape;
use crate::frame::Frame;
use crate::tokens::{Event, Origin, Start, Tokens};

/// What the stream is like that the frame goes to.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its content namespace.
    pub content: Content,
    /// The `xml:lang` of its header.
    pub lang: Option<&'a str>,
}

/// The bytes of a frame as they have to be written on another stream: borrowed prefixes declared on the element itself, the
/// stanza's content namespace replaced, `xml:lang` stamped when the frame inherits `source_lang` and the target's differs
/// (RFC 6120 §8.1.5). When nothing has to change the frame's own bytes are returned, uncopied.
///
/// Cost: nothing for a frame that is self-contained and spells no content namespace; otherwise one walk over it. The result may
/// be longer than the frame by the declarations it borrowed.
///
/// # Errors
/// [`FrameError::InvalidNamespace`] when the frame comes from a stream whose content namespace is unknown.
/// [`FrameError::NotWellFormed`] when two attributes of one element differ only by content namespaces that could become the same;
/// a fault of this stanza, which is for the caller to bounce, not of the stream.
pub fn rewrite(
    frame: &Frame,
    source_lang: Option<&str>,
    target: &Target<'_>,
) -> Result<Bytes, FrameError> {
    let Some(source) = frame.content() else {
        return Err(FrameError::InvalidNamespace);
    };
    let flags = frame.flags();
    let same_content = source == target.content && !flags.other_content;
    let mut edits = Edits::default();
    if let Some(lang) = stamp(frame, source_lang, target) {
        edits.insert.push_str(" xml:lang='");
        edits.insert.push_str(&escape::attr(lang));
        edits.insert.push('\'');
    }
    if flags.borrows || (flags.spells_content && !same_content) {
        collect(frame, target.content, &mut edits)?;
    }
    Ok(edits.apply(frame))
}

/// The language that the frame would lose on the target.
fn stamp<'a>(frame: &Frame, source_lang: Option<&'a str>, target: &Target<'_>) -> Option<&'a str> {
    let lang = source_lang.filter(|_| !frame.has_lang())?;
    // Language tags are compared without case (RFC 5646 §2.1.1).
    let same = target.lang.is_some_and(|other| other.eq_ignore_ascii_case(lang));
    (!same).then_some(lang)
}

/// What to change in a frame: one insertion after the name of its first tag, and replacements of declared namespace names.
#[derive(Default)]
struct Edits {
    insert: String,
    /// In the order of the bytes.
    replace: Vec<Range<usize>>,
    with: &'static str,
}

impl Edits {
    fn apply(&self, frame: &Frame) -> Bytes {
        if self.insert.is_empty() && self.replace.is_empty() {
            return frame.bytes().clone();
        }
        let source: &[u8] = frame.bytes();
        let room = source.len() + self.insert.len() + self.replace.len() * self.with.len();
        let mut out = BytesMut::with_capacity(room);
        let mut done = frame.name_end();
        out.extend_from_slice(source.get(..done).unwrap_or_default());
        out.extend_from_slice(self.insert.as_bytes());
        for value in &self.replace {
            out.extend_from_slice(source.get(done..value.start).unwrap_or_default());
            out.extend_from_slice(self.with.as_bytes());
            done = value.end;
        }
        out.extend_from_slice(source.get(done..).unwrap_or_default());
        out.freeze()
    }
}

/// One prefix that the frame takes from the header.
struct Borrowed<'a> {
    prefix: &'a str,
    namespace: Cow<'a, str>,
    /// One of the stanza's own elements uses it.
    own: bool,
}

/// What one walk over a frame finds.
#[derive(Default)]
struct Findings<'a> {
    borrowed: Vec<Borrowed<'a>>,
    /// Numbers of the declarations that the stanza's own elements use, with what they say now.
    own: Vec<(usize, Content)>,
}

fn collect(frame: &Frame, target: Content, edits: &mut Edits) -> Result<(), FrameError> {
    let mut tokens = Tokens::new(frame);
    let mut findings = Findings::default();
    let mut depth = 0usize;
    // Depth of the innermost open element that is the stanza's own; own elements always form a chain from the top.
    let mut own_depth = 0usize;
    while let Some(event) = tokens.next()? {
        match event {
            Event::Start(start) => {
                let content =
                    Content::from_namespace(&start.namespace).filter(|_| own_depth == depth);
                depth += 1;
                own_depth += usize::from(content.is_some());
                check_attributes(&start)?;
                findings.note(start, content);
            }
            Event::End => {
                depth = depth.saturating_sub(1);
                own_depth = own_depth.min(depth);
            }
            Event::Text(_) => {}
        }
    }
    findings.write(tokens.declarations(), target, edits);
    Ok(())
}

/// Content namespaces that differ may become one. Two attributes that only differed by them would then be the same attribute
/// twice, and the target's parser would end a stream that carries other people's stanzas.
fn check_attributes(start: &Start<'_>) -> Result<(), FrameError> {
    let in_content =
        || start.attributes.iter().filter(|a| Content::from_namespace(&a.namespace).is_some());
    for (index, attribute) in in_content().enumerate() {
        if in_content().skip(index + 1).any(|other| other.local == attribute.local) {
            return Err(FrameError::NotWellFormed(Reason::DuplicateAttribute));
        }
    }
    Ok(())
}

impl<'a> Findings<'a> {
    fn note(&mut self, start: Start<'a>, content: Option<Content>) {
        match (start.origin, content) {
            (Origin::Declaration(number), Some(content)) => self.own.push((number, content)),
            (Origin::Header(prefix), content) => {
                self.borrow(prefix, start.namespace, content.is_some());
            }
            (Origin::Declaration(_) | Origin::Stream, _) => {}
        }
        for attribute in start.attributes {
            if let Origin::Header(prefix) = attribute.origin {
                self.borrow(prefix, attribute.namespace, false);
            }
        }
    }

    fn borrow(&mut self, prefix: &'a str, namespace: Cow<'a, str>, own: bool) {
        match self.borrowed.iter_mut().find(|borrowed| borrowed.prefix == prefix) {
            Some(known) => known.own |= own,
            None => self.borrowed.push(Borrowed { prefix, namespace, own }),
        }
    }

    fn write(mut self, declarations: &[Range<usize>], target: Content, edits: &mut Edits) {
        for borrowed in &self.borrowed {
            let namespace = if borrowed.own { target.namespace() } else { &*borrowed.namespace };
            edits.insert.push_str(" xmlns:");
            edits.insert.push_str(borrowed.prefix);
            edits.insert.push_str("='");
            edits.insert.push_str(&escape::attr(namespace));
            edits.insert.push('\'');
        }
        self.own.sort_unstable_by_key(|&(number, _)| number);
        self.own.dedup_by_key(|&mut (number, _)| number);
        let changed = self.own.iter().filter(|&&(_, content)| content != target);
        edits.replace =
            changed.filter_map(|&(number, _)| declarations.get(number).cloned()).collect();
        edits.with = target.namespace();
    }
}
