//! The interop matrix as data: one table drives the tests and the page `MATRIX.md`.
//!
//! A [`Row`] is what both sides are configured for; with a [`Transport`] and a [`Direction`] it is a [`Cell`], and every cell is a
//! test with servers of its own. What is not in the table is left out with a reason, in [`table::LEFT_OUT`].

mod cell;
pub mod kinds;
pub mod table;

pub use cell::Cell;
pub use kinds::{Certificate, Direction, Place, Proof, Rung, Transport};

use crate::peer::Software;

/// One line of the table: everything but how the two find each other and who starts.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The module its tests are in.
    pub name: &'static str,
    /// The unmodified server.
    pub software: Software,
    /// Where it stands.
    pub place: Place,
    /// What both sides demand, and nothing below it is accepted.
    pub rung: Rung,
    /// What both sides show.
    pub certificate: Certificate,
    /// The transports it runs over.
    pub transports: &'static [Transport],
    /// By what the unmodified server authenticates the router under test.
    pub router_proves_by: Proof,
}

impl Row {
    /// Its cells, in the order of the page.
    pub fn cells(&self) -> impl Iterator<Item = Cell> {
        let row = *self;
        row.transports.iter().flat_map(move |&transport| {
            Direction::ALL.map(|direction| Cell { row, transport, direction })
        })
    }
}

/// All cells, in the order of the page.
pub fn cells() -> impl Iterator<Item = Cell> {
    table::ROWS.iter().flat_map(Row::cells)
}

/// The test of a component written with a library, a line of its own on the page.
pub const SLIXMPP_TEST: &str = "slixmpp_component_talks_to_a_prosody_user_at_rung_trusted";
