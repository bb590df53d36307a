//! A stanza that changes streams.

use xmpp_frame::rewrite::{Target, rewrite as rewritten};
use xmpp_frame::{Content, Frame, FrameError, Limits, Reason};

use super::differential::verdict;
use super::{Breach, Verdict, ensure, same};
use crate::expat::Expat;
use crate::openings::OPENINGS;
use crate::ours::{feed, tree};
use crate::twin::{self, Move, Stanza};

/// Languages of streams. Their order is part of the corpus.
const LANGUAGES: [Option<&str>; 4] = [None, Some("en"), Some("EN"), Some("de'<&\n")];

/// The input: one byte for the header (three bits) and the content namespace of the target (two bits), one for the languages of source
/// and target (two bits each), and what follows the header.
///
/// What the framer takes, moved to the target, is taken there too, leans on nothing, and has the tree that the twin works out from
/// the rule (documentation of `xmpp_frame::rewrite`); moved there once more it stays as it is.
///
/// # Errors
/// The law that does not hold.
pub fn rewrite(input: &[u8]) -> Result<Verdict, Breach> {
    let Some((&[choice, languages], body)) = input.split_first_chunk() else {
        return Ok(Verdict::Waits);
    };
    let opening = &OPENINGS[usize::from(choice & 7)];
    let content = match choice >> 3 & 3 {
        0 => Content::Server,
        1 => Content::Client,
        _ => Content::Component,
    };
    let lang = |shift: u8| LANGUAGES[usize::from(languages >> shift & 3)];
    let there = Move { content, source_lang: lang(0), target_lang: lang(2) };
    let bytes = [opening.header.as_bytes(), body].concat();
    let said = feed(&bytes, &[], Limits::AUTHENTICATED);
    if !said.is_whole() {
        return Ok(verdict(&said));
    }
    let stream = twin::read(&bytes);
    let stanzas = stream.map(|stream| stream.stanzas).unwrap_or_default();
    same("framer and twin count the same", &said.frames().count(), &stanzas.len())?;
    let mut all = Verdict::Whole;
    for (frame, stanza) in said.frames().zip(&stanzas) {
        if !moves(frame, stanza, there)? {
            all = Verdict::Immovable;
        }
    }
    Ok(all)
}

fn moves(frame: &Frame, stanza: &Stanza, there: Move<'_>) -> Result<bool, Breach> {
    let target = Target { content: there.content, lang: there.target_lang };
    let expected = stanza.moved(there);
    let bytes = match rewritten(frame, there.source_lang, &target) {
        Ok(bytes) => bytes,
        Err(FrameError::InvalidNamespace) => {
            same("what has no content namespace cannot move", &frame.content(), &None)?;
            return Ok(false);
        }
        Err(error) => {
            let clash = FrameError::NotWellFormed(Reason::DuplicateAttribute);
            same("only attributes that become the same keep a stanza", &error, &clash)?;
            ensure(stanza.may_clash(), "only attributes that may become the same do", || {
                format!("{frame:?}")
            })?;
            return Ok(false);
        }
    };
    ensure(frame.content().is_some(), "what has no content namespace cannot move", || {
        format!("{bytes:?}")
    })?;
    let Some(expected) = expected else {
        let detail = format!("{frame:?}\n{bytes:?}");
        return Err(Breach { law: "attributes that become the same keep a stanza", detail });
    };
    stands_there(&bytes, there, &expected)?;
    Ok(true)
}

/// The bytes of a stanza that was moved, behind the header of the target.
fn stands_there(bytes: &[u8], there: Move<'_>, expected: &crate::tree::Tree) -> Result<(), Breach> {
    let header = format!(
        "<x:stream xmlns:x='http://etherx.jabber.org/streams' xmlns='{}'>",
        there.content.namespace()
    );
    let stream = [header.as_bytes(), bytes].concat();
    let said = feed(&stream, &[], Limits::AUTHENTICATED);
    if let Some(FrameError::LimitExceeded(_)) = said.error {
        // What was declared or stamped made it too much.
        return Ok(());
    }
    let [frame] = &said.frames().collect::<Vec<_>>()[..] else {
        let detail = format!("{}\n{said:?}", stream.escape_ascii());
        return Err(Breach { law: "what was moved is one good stanza there", detail });
    };
    ensure(frame.is_self_contained(), "what was moved leans on nothing", || format!("{said:?}"))?;
    same("what was moved says what the rule says", &tree(frame), &Ok(expected.clone()))?;
    let expat = Expat::load().unwrap_or_else(|missing| panic!("{missing}"));
    let reading = expat.read(&stream, &[], "</x:stream>");
    same("what was moved says the same to expat", &reading.elements.first(), &Some(expected))?;
    let target = Target { content: there.content, lang: there.target_lang };
    let again = rewritten(frame, there.target_lang, &target);
    same("what was moved stays as it is", &again.as_deref(), &Ok(bytes))
}
