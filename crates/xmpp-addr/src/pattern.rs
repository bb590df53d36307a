//! Name patterns of the configuration.

use crate::{AddrError, Domain};
use std::fmt;
use std::str::FromStr;

/// A name pattern: `a.example`, `*.a.example` (one or more labels below `a.example`, not `a.example` itself) or `*`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum DomainPattern {
    /// This domain only.
    Exact(Domain),
    /// Every domain below this one.
    Below(Domain),
    /// Every domain, IP literals included.
    Any,
}

impl DomainPattern {
    /// Reads a pattern; the domain in it may be in any spelling.
    ///
    /// # Errors
    /// [`AddrError::PatternWildcard`] when `*` stands where it may not, otherwise as [`crate::canonical_domain`].
    pub fn parse(text: &str) -> Result<DomainPattern, AddrError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        if name.contains('*') {
            return Err(AddrError::PatternWildcard);
        }
        let domain = Domain::parse(name)?;
        match (below, domain.is_ip_literal()) {
            // Nothing is below an address.
            (true, true) => Err(AddrError::PatternWildcard),
            (true, false) => Ok(Self::Below(domain)),
            (false, _) => Ok(Self::Exact(domain)),
        }
    }

    /// Whether the domain is one of those the pattern means.
    pub fn matches(&self, domain: &Domain) -> bool {
        match self {
            Self::Exact(name) => domain == name,
            Self::Below(name) => domain.is_subdomain_of(name),
            Self::Any => true,
        }
    }

    /// How narrow the pattern is: among patterns that match one domain the highest number is the most specific, and no two are equal.
    ///
    /// Exact is 256, a wildcard has one more than the number of labels behind it (2 to 128), `*` is 0.
    pub fn specificity(&self) -> u32 {
        match self {
            Self::Exact(_) => 256,
            Self::Below(name) => {
                name.as_str().split('.').fold(1, |count, _| count.saturating_add(1))
            }
            Self::Any => 0,
        }
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Any => f.write_str("*"),
        }
    }
}

impl FromStr for DomainPattern {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<DomainPattern, AddrError> {
        DomainPattern::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> DomainPattern {
        DomainPattern::parse(text).unwrap()
    }

    fn matches(text: &str, domain: &str) -> bool {
        pattern(text).matches(&Domain::parse(domain).unwrap())
    }

    #[test]
    fn exact_means_one_domain_in_any_spelling() {
        assert!(matches("Capulet.example.", "capulet.example"));
        assert!(!matches("capulet.example", "chat.capulet.example"));
        assert!(matches("192.0.2.1", "192.0.2.1"));
    }

    #[test]
    fn wildcard_means_one_label_or_more_but_not_the_name_itself() {
        assert!(matches("*.capulet.example", "chat.capulet.example"));
        assert!(matches("*.capulet.example", "a.b.capulet.example"));
        assert!(!matches("*.capulet.example", "capulet.example"));
        assert!(!matches("*.capulet.example", "notcapulet.example"));
        assert!(matches("*.bücher.example", "a.xn--bcher-kva.example"));
    }

    #[test]
    fn star_means_every_domain() {
        assert!(matches("*", "capulet.example"));
        assert!(matches("*", "[::1]"));
    }

    #[test]
    fn narrower_patterns_are_more_specific() {
        let narrowing = ["*", "*.example", "*.capulet.example", "capulet.example"];
        for pair in narrowing.windows(2) {
            assert!(pattern(pair[0]).specificity() < pattern(pair[1]).specificity(), "{pair:?}");
        }
        let deepest = format!("*.{}", vec!["a"; 127].join("."));
        assert!(pattern(&deepest).specificity() < pattern("a").specificity());
    }

    #[test]
    fn star_elsewhere_is_refused() {
        for text in
            ["**", "*a.example", "a.*.example", "*.*.example", "a.*", "*.192.0.2.1", "*.[::1]"]
        {
            assert_eq!(DomainPattern::parse(text), Err(AddrError::PatternWildcard), "{text:?}");
        }
        assert_eq!(DomainPattern::parse("*."), Err(AddrError::DomainEmpty));
        assert_eq!(DomainPattern::parse(""), Err(AddrError::DomainEmpty));
        assert_eq!(DomainPattern::parse("*.."), Err(AddrError::DomainEmpty));
    }

    #[test]
    fn text_form_reads_back() {
        for text in ["*", "*.capulet.example", "capulet.example"] {
            assert_eq!(pattern(text).to_string(), text);
        }
        assert_eq!(pattern("*.Capulet.example.").to_string(), "*.capulet.example");
    }
}
