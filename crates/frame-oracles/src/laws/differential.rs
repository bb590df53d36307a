//! First-level elements behind a known header.

use xmpp_frame::Limits;

use super::{
    Breach, LIMITS, Verdict, agrees_with_expat, agrees_with_rxml, agrees_with_twin, lengths,
    same_however_it_arrives,
};
use crate::openings::OPENINGS;
use crate::ours::{Said, Under};

/// The input: one byte for the lengths of the pieces, one for the header (three bits) and further limits (two bits), and what
/// follows the header.
///
/// Any split, any vectors and any parser give the same. See the functions that are called.
///
/// # Errors
/// The law that does not hold.
pub fn differential(input: &[u8]) -> Result<Verdict, Breach> {
    let Some((&[cut, choice], body)) = input.split_first_chunk() else {
        return Ok(Verdict::Waits);
    };
    let opening = &OPENINGS[usize::from(choice & 7)];
    let bytes = [opening.header.as_bytes(), body].concat();
    let lengths = lengths(cut);
    let narrow = Under::behind_the_header(LIMITS[usize::from(choice >> 3 & 3)]);
    same_however_it_arrives(&bytes, &lengths, narrow)?;
    let said = same_however_it_arrives(&bytes, &lengths, Limits::AUTHENTICATED)?;
    agrees_with_twin(&said, &bytes)?;
    agrees_with_expat(&said, &bytes, &lengths, opening.close)?;
    agrees_with_rxml(&said, &bytes, &lengths, opening.close)?;
    Ok(verdict(&said))
}

pub(super) fn verdict(said: &Said) -> Verdict {
    match said.error {
        Some(error) => Verdict::Refused(error),
        None if said.is_whole() => Verdict::Whole,
        None => Verdict::Waits,
    }
}
