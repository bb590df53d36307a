//! Any split of the same bytes, read with any vectors, gives the same items and the same error.

use xmpp_frame::Vectors;

use super::{Breach, ensure};
use crate::ours::{Said, Under, feed_with};

/// What the framer says of `bytes`: the same whether they arrive at once, byte by byte or in pieces of `lengths`, with all vectors that
/// this machine has.
///
/// # Errors
/// When it is not the same.
pub fn same_however_it_arrives(
    bytes: &[u8],
    lengths: &[usize],
    limits: impl Into<Under>,
) -> Result<Said, Breach> {
    let limits = limits.into();
    let whole = feed_with(Vectors::best(), bytes, &[], limits);
    for vectors in Vectors::available() {
        if vectors != Vectors::best() {
            compare(&whole, vectors, bytes, &[], limits)?;
        }
        compare(&whole, vectors, bytes, lengths, limits)?;
    }
    // Vectors play no part in it.
    compare(&whole, Vectors::best(), bytes, &[1], limits)?;
    Ok(whole)
}

/// The same, in pieces of each of several `lengths`.
///
/// # Errors
/// When it is not the same.
pub fn same_in_pieces(
    bytes: &[u8],
    several: &[&[usize]],
    limits: impl Into<Under>,
) -> Result<(), Breach> {
    let limits = limits.into();
    let whole = feed_with(Vectors::best(), bytes, &[], limits);
    for lengths in several {
        for vectors in Vectors::available() {
            compare(&whole, vectors, bytes, lengths, limits)?;
        }
    }
    Ok(())
}

fn compare(
    whole: &Said,
    vectors: Vectors,
    bytes: &[u8],
    lengths: &[usize],
    limits: Under,
) -> Result<(), Breach> {
    let other = feed_with(vectors, bytes, lengths, limits);
    ensure(*whole == other, "any split and any vectors give the same", || {
        format!("at once: {whole:?}\npieces of {lengths:?} with {vectors:?}, {limits:?}: {other:?}")
    })
}
