//! A stream from its first byte.

use xmpp_frame::{Framer, Item, Limits};

use super::differential::verdict;
use super::{
    Breach, LIMITS, Verdict, agrees_with_expat, agrees_with_rxml, agrees_with_twin, lengths, same,
    same_however_it_arrives,
};
use crate::ours::{Said, feed, feed_to};

/// The input: one byte for the lengths of the pieces, whose top bits also choose further limits, and the stream.
///
/// Any split, any vectors and any parser give the same; and what follows a restart is read as if there had been nothing before.
///
/// # Errors
/// The law that does not hold.
pub fn header(input: &[u8]) -> Result<Verdict, Breach> {
    let Some((&cut, bytes)) = input.split_first() else { return Ok(Verdict::Waits) };
    let lengths = lengths(cut);
    same_however_it_arrives(bytes, &lengths, LIMITS[usize::from(cut >> 6)])?;
    let said = same_however_it_arrives(bytes, &lengths, Limits::AUTHENTICATED)?;
    agrees_with_twin(&said, bytes)?;
    let close = said.header().map_or(String::new(), |header| close_of(header.bytes()));
    agrees_with_expat(&said, bytes, &lengths, &close)?;
    agrees_with_rxml(&said, bytes, &lengths, &close)?;
    a_restart_forgets(&said, bytes, &lengths)?;
    Ok(verdict(&said))
}

/// After each item the stream begins anew (RFC 6120 §4.3.3): the rest is what it is to a new framer.
fn a_restart_forgets(said: &Said, bytes: &[u8], lengths: &[usize]) -> Result<(), Breach> {
    for items in 1..=said.items.len().min(3) {
        let mut framer = Framer::new(Limits::AUTHENTICATED);
        framer.buffer().extend_from_slice(bytes);
        for _ in 0..items {
            // They were there when `said` was.
            let _: Result<Option<Item>, _> = framer.next();
        }
        framer.restart();
        let rest = framer.buffer().split_off(0);
        let anew = feed(&rest, &[], Limits::AUTHENTICATED);
        same("a restart forgets what was", &feed_to(&mut framer, &rest, lengths), &anew)?;
    }
    Ok(())
}

/// The end tag of the root of a good header.
fn close_of(header: &[u8]) -> String {
    let header = String::from_utf8_lossy(header);
    let header = header.trim_start_matches('\u{FEFF}');
    let tag = match header.split_once("?>") {
        Some((_, tag)) if header.starts_with("<?") => tag,
        _ => header,
    };
    let name = tag.split_once('<').map_or("", |(_, name)| name);
    let end = name.find([' ', '\t', '\r', '\n', '>']).unwrap_or(name.len());
    format!("</{}>", &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openings::OPENINGS;

    #[test]
    fn the_end_tag_belongs_to_the_header() {
        for opening in OPENINGS {
            assert_eq!(close_of(opening.header.as_bytes()), opening.close);
        }
        assert_eq!(close_of(b"\xEF\xBB\xBF<?xml version='1.0'?>\n<stream\n>"), "</stream>");
        assert_eq!(close_of(b" <stream a='?>'>"), "</stream>");
    }
}
