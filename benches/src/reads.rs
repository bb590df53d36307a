//! Feeding a framer as a link does: a read, then all frames that it completes.

use xmpp_frame::{Frame, Framer, Item};

/// What one read of the product brings at most.
pub const READ_BYTES: usize = 64 * 1024;

/// Appends `bytes` to the framer's buffer in pieces of `read_bytes`; `on_read` takes the frames after each.
pub fn each_read(
    framer: &mut Framer,
    bytes: &[u8],
    read_bytes: usize,
    mut on_read: impl FnMut(&mut Framer),
) {
    for piece in bytes.chunks(read_bytes) {
        framer.buffer().extend_from_slice(piece);
        on_read(framer);
    }
}

/// The next first-level element, if it is complete.
///
/// # Panics
/// When the stream is faulty or ends.
#[inline]
pub fn next_frame(framer: &mut Framer) -> Option<Frame> {
    match framer.next() {
        Ok(Some(Item::Element(frame))) => Some(frame),
        Ok(None) => None,
        other => panic!("not a stanza: {other:?}"),
    }
}
