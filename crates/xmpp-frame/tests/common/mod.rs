//! What the dialogues share: headers, feeding in pieces, and generators of stanzas and of changes to them.
#![allow(dead_code, unreachable_pub, unused_imports)]

mod changes;
mod plain;
mod stanzas;

use proptest::prelude::*;
use xmpp_frame::{Frame, FrameError, Framer, Item, Limits};
use xmpp_frame_oracles::laws::Breach;
pub use xmpp_frame_oracles::openings::{COMPONENT_HEADER, HEADER};
pub use xmpp_frame_oracles::ours::feed;

pub use changes::{change, changed};
pub use plain::plain;
pub use stanzas::{element, nested};

/// How many cases a property gets: fewer in a debug build.
pub fn cases(debug: u32, release: u32) -> ProptestConfig {
    ProptestConfig::with_cases(if cfg!(debug_assertions) { debug } else { release })
}

/// A law within a property.
pub fn holds<T>(outcome: Result<T, Breach>, bytes: &[u8]) -> Result<T, TestCaseError> {
    outcome.map_err(|breach| TestCaseError::fail(format!("{breach}\n{}", bytes.escape_ascii())))
}

/// The frames that follow `header`.
pub fn frames_after(header: &str, stanzas: &str) -> Result<Vec<Frame>, FrameError> {
    let mut framer = Framer::new(Limits::AUTHENTICATED);
    framer.buffer().extend_from_slice(header.as_bytes());
    framer.buffer().extend_from_slice(stanzas.as_bytes());
    let mut frames = Vec::new();
    while let Some(item) = framer.next()? {
        if let Item::Element(frame) = item {
            frames.push(frame);
        }
    }
    Ok(frames)
}

/// The one frame that `stanza` is on a stream between servers.
pub fn frame(stanza: &str) -> Frame {
    frame_after(HEADER, stanza)
}

pub fn frame_after(header: &str, stanza: &str) -> Frame {
    let mut frames =
        frames_after(header, stanza).unwrap_or_else(|error| panic!("{stanza}: {error}"));
    assert_eq!(frames.len(), 1, "{stanza}");
    frames.remove(0)
}

/// The verdict on what follows the usual header.
pub fn error_of(stanzas: &[u8]) -> Option<FrameError> {
    feed(&[HEADER.as_bytes(), stanzas].concat(), &[], Limits::AUTHENTICATED).error
}
