//! Domain pairs, owned and borrowed.

use crate::Domain;
use hashbrown::Equivalent;
use std::fmt;

/// (sender domain, target domain): the unit of authorisation (XEP-0220 §1.3).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DomainPair {
    sender: Domain,
    target: Domain,
}

impl DomainPair {
    /// The pair of stanzas going from `sender` to `target`.
    pub fn new(sender: Domain, target: Domain) -> Self {
        Self { sender, target }
    }

    /// The domain of the stanzas' `from`.
    pub fn sender(&self) -> &Domain {
        &self.sender
    }

    /// The domain of the stanzas' `to`.
    pub fn target(&self) -> &Domain {
        &self.target
    }

    /// The pair of the other direction; another unit of authorisation.
    pub fn reversed(&self) -> DomainPair {
        DomainPair::new(self.target.clone(), self.sender.clone())
    }

    /// Whether this is the pair of two canonical domain texts.
    pub fn is(&self, sender: &str, target: &str) -> bool {
        self.sender.as_str() == sender && self.target.as_str() == target
    }

    /// The key that finds this pair.
    pub fn as_pair_ref(&self) -> DomainPairRef<'_> {
        DomainPairRef { sender: self.sender.as_str(), target: self.target.as_str() }
    }
}

impl fmt::Display for DomainPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_pair_ref().fmt(f)
    }
}

/// Borrowed look-up key: hashes like [`DomainPair`] and is `hashbrown::Equivalent<DomainPair>`.
///
/// The texts must be canonical, as [`crate::canonical_domain`] and [`crate::jid_domain`] return them; another spelling finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DomainPairRef<'a> {
    /// The canonical sender domain.
    pub sender: &'a str,
    /// The canonical target domain.
    pub target: &'a str,
}

impl Equivalent<DomainPair> for DomainPairRef<'_> {
    fn equivalent(&self, pair: &DomainPair) -> bool {
        pair.is(self.sender, self.target)
    }
}

impl fmt::Display for DomainPairRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.sender, self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> DomainPair {
        let capulet = Domain::parse("capulet.example").unwrap();
        let montague = Domain::parse("montague.example").unwrap();
        DomainPair::new(capulet, montague)
    }

    #[test]
    fn a_pair_has_a_direction() {
        let pair = pair();
        assert!(pair.is("capulet.example", "montague.example"));
        assert!(!pair.is("montague.example", "capulet.example"));
        assert_ne!(pair, pair.reversed());
        assert_eq!(pair, pair.reversed().reversed());
        assert_eq!(pair.to_string(), "capulet.example -> montague.example");
    }

    #[test]
    fn a_table_of_pairs_is_asked_with_borrowed_texts() {
        let mut table = hashbrown::HashMap::new();
        table.insert(pair(), "verified");
        let key = DomainPairRef { sender: "capulet.example", target: "montague.example" };
        assert_eq!(table.get(&key), Some(&"verified"));
        assert_eq!(table.get(&pair().reversed().as_pair_ref()), None);
    }
}
