//! The four rungs of the ladder.

use std::fmt;
use std::str::FromStr;

/// A step of the trust ladder: what is proved about one domain pair on one stream, weakest first.
///
/// There is no default on purpose: `Promiscuous` must be asked for by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rung {
    /// Nothing is proved: the name is asserted (jabberd 1.0). For test networks.
    Promiscuous,
    /// The name, by DNS (server dialback, XEP-0220); the channel may be plain.
    Verified,
    /// The name by DNS and the channel by TLS, on the verify leg too.
    Secure,
    /// The name by a certificate that chains to a trusted root.
    Trusted,
}

impl Rung {
    /// Every rung, weakest first.
    pub const ALL: [Self; 4] = [Self::Promiscuous, Self::Verified, Self::Secure, Self::Trusted];

    /// The word used in configuration, events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promiscuous => "promiscuous",
            Self::Verified => "verified",
            Self::Secure => "secure",
            Self::Trusted => "trusted",
        }
    }

    /// The rung above, if there is one.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Promiscuous => Some(Self::Verified),
            Self::Verified => Some(Self::Secure),
            Self::Secure => Some(Self::Trusted),
            Self::Trusted => None,
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Rung {
    type Err = ParseRungError;

    /// Reads the lower-case word; nothing else is a rung.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|rung| rung.as_str() == word).ok_or(ParseRungError)
    }
}

/// The word names no rung.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseRungError;

impl fmt::Display for ParseRungError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a rung: expected promiscuous, verified, secure or trusted")
    }
}

impl std::error::Error for ParseRungError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_reads_back_from_its_word_and_nothing_else_does() {
        for rung in Rung::ALL {
            assert_eq!(rung.to_string().parse(), Ok(rung));
        }
        for word in ["", "Secure", " secure", "secure ", "TRUSTED", "none"] {
            assert_eq!(word.parse::<Rung>(), Err(ParseRungError), "{word:?}");
        }
    }

    #[test]
    fn rungs_are_ordered_weakest_first() {
        assert!(Rung::ALL.is_sorted());
        for pair in Rung::ALL.windows(2) {
            assert_eq!(pair[0].next(), Some(pair[1]));
        }
        assert_eq!(Rung::Trusted.next(), None);
    }
}
