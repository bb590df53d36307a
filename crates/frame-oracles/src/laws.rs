//! The laws, for any input.
//!
//! Each law takes bytes as a fuzzer makes them: first a few that choose how the rest is used, then the rest. Inputs that are too short
//! are [`Verdict::Waits`]. The form of the inputs is that of the files in `tests/corpus`.

mod agreement;
mod differential;
mod header;
mod rewrite;
mod splits;

use std::fmt;

use xmpp_frame::{FrameError, Limits};

pub use self::agreement::{agrees_with_expat, agrees_with_rxml, agrees_with_twin};
pub use self::differential::differential;
pub use self::header::header;
pub use self::rewrite::rewrite;
pub use self::splits::{same_however_it_arrives, same_in_pieces};

/// A law that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Which one, in words.
    pub law: &'static str,
    /// What was said instead.
    pub detail: String,
}

impl Breach {
    /// The same, with the parser that has another opinion.
    fn of(self, parser: &str) -> Breach {
        Breach { detail: format!("{parser}: {}", self.detail), ..self }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken law: {}\n{}", self.law, self.detail)
    }
}

impl std::error::Error for Breach {}

/// What an input was for the framer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Whole items.
    Whole,
    /// Good as far as it goes.
    Waits,
    /// Faulty.
    Refused(FrameError),
    /// Whole items that cannot be moved to another stream.
    Immovable,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Whole => f.write_str("whole"),
            Verdict::Waits => f.write_str("waits"),
            Verdict::Refused(error) => write!(f, "{error}"),
            Verdict::Immovable => f.write_str("cannot be moved"),
        }
    }
}

/// Limits that small inputs meet now and then.
pub const NARROW: Limits = Limits {
    element_bytes: 160,
    header_bytes: 320,
    depth: 3,
    attributes: 3,
    namespaces: 2,
    name_bytes: 12,
    elements: 6,
};

/// The limits that inputs choose from, besides [`Limits::AUTHENTICATED`], which all are tried with. Their order is part of the corpus.
pub const LIMITS: [Limits; 4] = [
    NARROW,
    // Whole tags are read by vectors only where names may be as long as the longest vector.
    Limits { name_bytes: 40, element_bytes: 400, header_bytes: 600, ..NARROW },
    Limits { name_bytes: 32, attributes: 8, element_bytes: 300, ..Limits::PRE_AUTH },
    Limits { element_bytes: 64, header_bytes: 256, depth: 8, elements: 0, ..Limits::AUTHENTICATED },
];

/// How an input wants to be cut: two lengths in turn, of 1 to 76 and of 1 to 16 bytes.
fn lengths(choice: u8) -> [usize; 2] {
    [1 + 5 * usize::from(choice & 15), 1 + usize::from(choice >> 4)]
}

fn ensure(holds: bool, law: &'static str, detail: impl FnOnce() -> String) -> Result<(), Breach> {
    if holds { Ok(()) } else { Err(Breach { law, detail: detail() }) }
}

fn same<T: PartialEq + fmt::Debug>(law: &'static str, one: &T, other: &T) -> Result<(), Breach> {
    ensure(one == other, law, || format!("{one:?}\n{other:?}"))
}
