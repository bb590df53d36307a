//! A verdict against a minimum: what the refused side is told.

use std::fmt;

use crate::rung::Rung;
use crate::verdict::{Missing, Verdict};

/// A pair that stays below the minimum of this server.
///
/// `Display` is meant for the wire (stream error text, dialback error text): it names rungs and the next step and nothing
/// else, so it reveals no domain, address or certificate of anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// What this server asks for.
    pub minimum: Rung,
    /// What was reached.
    pub reached: Rung,
    /// The first step that is missing.
    pub missing: Option<Missing>,
}

/// Compares a verdict with a minimum; `None` when the minimum is reached.
pub fn shortfall(verdict: &Verdict, minimum: Rung) -> Option<Shortfall> {
    (verdict.rung < minimum).then_some(Shortfall {
        minimum,
        reached: verdict.rung,
        missing: verdict.missing,
    })
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = match self.minimum {
            Rung::Promiscuous => "any stream",
            Rung::Verified => "a domain proved by dialback",
            Rung::Secure => "TLS and a domain proved by dialback over TLS",
            Rung::Trusted => "TLS with a valid certificate for the domain",
        };
        write!(f, "this server asks for {asked}")?;
        match self.missing {
            Some(missing) => write!(f, "; {missing}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::ChainVerdict;

    #[test]
    fn the_minimum_itself_is_enough() {
        for reached in Rung::ALL {
            for minimum in Rung::ALL {
                let verdict = Verdict { rung: reached, missing: Some(Missing::Tls) };
                assert_eq!(shortfall(&verdict, minimum).is_none(), reached >= minimum);
            }
        }
    }

    #[test]
    fn the_refusal_says_what_to_do() {
        let verdict =
            Verdict { rung: Rung::Secure, missing: Some(Missing::Chain(ChainVerdict::SelfSigned)) };
        let refused = shortfall(&verdict, Rung::Trusted).unwrap();
        assert_eq!(
            refused.to_string(),
            "this server asks for TLS with a valid certificate for the domain; the certificate is self-signed: use one \
             from a certificate authority"
        );
        assert!(refused.missing.unwrap().is_about_certificate());
    }
}
