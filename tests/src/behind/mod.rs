//! Unmodified servers *behind* the router, with another one as remote: the second table of the page.
//!
//! The server behind keeps its configuration; only its resolver is told that every name is the router (`README.md`, "In front of an
//! existing server").

mod cell;
pub mod server;
pub mod table;

use std::fmt;

pub use cell::Cell;
pub use table::ROWS;

use crate::matrix::{Certificate, Direction, Rung};
use crate::peer::Software;

/// What the server behind and the router ask of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Dialback in the clear.
    Dialback,
    /// TLS with certificates that prove nothing, dialback or EXTERNAL over it.
    Tls,
    /// Certificates in both directions and no dialback: the server trusts the router's internal authority and nothing else, the
    /// router the server's own certificate.
    Certificates,
}

impl Demand {
    /// What the server behind demands of every other server.
    #[must_use]
    pub fn rung(self) -> Rung {
        match self {
            Demand::Dialback => Rung::Verified,
            Demand::Tls => Rung::Secure,
            Demand::Certificates => Rung::Trusted,
        }
    }

    /// What it shows.
    #[must_use]
    pub fn certificate(self) -> Certificate {
        match self {
            Demand::Dialback => Certificate::None,
            Demand::Tls => Certificate::SelfSigned,
            Demand::Certificates => Certificate::AnyUsage,
        }
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Demand::Dialback => "dialback",
            Demand::Tls => "TLS",
            Demand::Certificates => "certificates",
        })
    }
}

/// One line of the table: everything but who starts.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The module its tests are in.
    pub name: &'static str,
    /// The server behind the router.
    pub behind: Software,
    /// What it and the router ask of each other.
    pub demand: Demand,
    /// The remote server.
    pub remote: Software,
    /// What the router and the remote server demand of each other.
    pub rung: Rung,
    /// What those two show.
    pub certificate: Certificate,
}

/// All cells, in the order of the page.
pub fn cells() -> impl Iterator<Item = Cell> {
    ROWS.iter().flat_map(|&row| Direction::ALL.map(|direction| Cell { row, direction }))
}
