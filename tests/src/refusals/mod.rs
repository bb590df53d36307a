//! Refusals as data: what is wrong with the peer, what it is told, what its own log keeps of that, what the sender sees.
//!
//! The peer is lenient (it demands TLS and dialback, or dialback only), so that only the router under test refuses.

mod refusal;
pub mod table;

pub use refusal::Refusal;
pub use table::{ROWS, Row};

use std::fmt;

use crate::matrix::Rung;

/// What is wrong with the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It has no TLS.
    NoTls,
    /// Its certificate is self-signed.
    SelfSigned,
    /// Its certificate was issued by an authority nobody here knows.
    UnknownAuthority,
    /// Its certificate has expired.
    Expired,
    /// Its certificate is not valid yet.
    NotYetValid,
    /// Its certificate names another domain.
    WrongName,
    /// Its certificate is for client authentication only.
    ClientAuthOnly,
    /// Its certificate names another domain, and the victim's certificate is appended.
    VictimInChain,
}

impl Flaw {
    /// Every flaw, in the order of the page.
    pub const ALL: [Flaw; 8] = [
        Flaw::SelfSigned,
        Flaw::UnknownAuthority,
        Flaw::Expired,
        Flaw::NotYetValid,
        Flaw::WrongName,
        Flaw::ClientAuthOnly,
        Flaw::VictimInChain,
        Flaw::NoTls,
    ];

    /// What the router under test demands: the least that the peer does not reach.
    #[must_use]
    pub fn minimum(self) -> Rung {
        if self == Flaw::NoTls { Rung::Secure } else { Rung::Trusted }
    }

    /// What the peer itself demands.
    #[must_use]
    pub fn demands(self) -> Rung {
        if self == Flaw::NoTls { Rung::Verified } else { Rung::Secure }
    }

    /// The words that must reach the peer's administrator, and stand in Peerage's own log.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Flaw::NoTls => "TLS",
            Flaw::SelfSigned => "the certificate is self-signed",
            Flaw::UnknownAuthority => "no trusted authority issued the certificate",
            Flaw::Expired => "the certificate or one of its chain has expired",
            Flaw::NotYetValid => "the certificate or one of its chain is not valid yet",
            Flaw::WrongName | Flaw::VictimInChain => "the certificate does not name this domain",
            Flaw::ClientAuthOnly => "its extended key usage lacks serverAuth",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::NoTls => "no TLS",
            Flaw::SelfSigned => "self-signed certificate",
            Flaw::UnknownAuthority => "unknown authority",
            Flaw::Expired => "expired certificate",
            Flaw::NotYetValid => "certificate not yet valid",
            Flaw::WrongName => "wrong name",
            Flaw::ClientAuthOnly => "clientAuth only",
            Flaw::VictimInChain => "victim's certificate in the chain",
        })
    }
}
