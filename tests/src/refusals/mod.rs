//! Refusals as data: what is wrong with the peer, what it is told, what its own log keeps of that, what the sender sees.
//!
//! The peer is lenient (it demands TLS and dialback, or dialback only), so that only the router under test refuses. It is a real
//! server ([`table`]: its log, its user's bounce) or a scripted one ([`wire`]: the exact XML, once).

mod refusal;
mod scripted;
pub mod table;
pub mod wire;

pub use refusal::Refusal;
pub use table::{ROWS, Row};
pub use wire::WireRow;

use std::fmt;

use crate::matrix::{Direction, Rung};

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
    /// It has TLS, but the host its SRV records lead to, which has to confirm its dialback key, has none.
    PlaintextLeg,
    /// It asks for a domain that leads to the router under test and is not hosted there.
    UnknownDomain,
    /// It has proved its own domain and sends a stanza from another.
    SpoofedFrom,
}

impl Flaw {
    /// Every flaw, in the order of the page.
    pub const ALL: [Flaw; 11] = [
        Flaw::SelfSigned,
        Flaw::UnknownAuthority,
        Flaw::Expired,
        Flaw::NotYetValid,
        Flaw::WrongName,
        Flaw::ClientAuthOnly,
        Flaw::VictimInChain,
        Flaw::NoTls,
        Flaw::PlaintextLeg,
        Flaw::UnknownDomain,
        Flaw::SpoofedFrom,
    ];

    /// Who can open the stream that is refused for it.
    #[must_use]
    pub fn directions(self) -> &'static [Direction] {
        match self {
            Flaw::PlaintextLeg | Flaw::UnknownDomain | Flaw::SpoofedFrom => &[Direction::In],
            _ => &Direction::ALL,
        }
    }

    /// What the router under test demands: the least that the peer does not reach.
    #[must_use]
    pub fn minimum(self) -> Rung {
        match self {
            Flaw::NoTls | Flaw::PlaintextLeg => Rung::Secure,
            _ => Rung::Trusted,
        }
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
            Flaw::PlaintextLeg => "TLS is required on the authoritative server too",
            Flaw::UnknownDomain => "the domain in 'to' is not served here",
            Flaw::SpoofedFrom => "invalid-from",
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
            Flaw::PlaintextLeg => "verify leg without TLS",
            Flaw::UnknownDomain => "unknown hosted domain",
            Flaw::SpoofedFrom => "spoofed from",
        })
    }
}
