//! A domain in canonical form, owned.

use crate::AddrError;
use crate::canonical::{canonical_domain, is_ip_literal, unicode_form};
use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A domain in canonical form: lower-case A-labels or IP literal, no trailing dot. Cheap clone.
///
/// At most 253 bytes. Equality, order and hash are those of the text, so a map keyed by `Domain` is asked with a `&str` that
/// [`canonical_domain`] returned. [`canonical_domain`] also lists what is refused.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Arc<str>);

impl Domain {
    /// Canonicalises and keeps a domain.
    ///
    /// # Errors
    /// As [`canonical_domain`].
    pub fn parse(text: &str) -> Result<Domain, AddrError> {
        canonical_domain(text).map(|name| Domain(Arc::from(&*name)))
    }

    /// The canonical text: what goes into DNS, into SNI and onto the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is an IPv4 address, or an IPv6 address in brackets.
    pub fn is_ip_literal(&self) -> bool {
        is_ip_literal(&self.0)
    }

    /// The form with U-labels, to compare with an xmppAddr (RFC 6120 §13.7.1.4) and to show to people.
    pub fn to_unicode(&self) -> String {
        unicode_form(&self.0)
    }

    /// The name without its left-most label; none for a single label and for an IP literal.
    pub fn parent(&self) -> Option<&str> {
        if self.is_ip_literal() {
            return None;
        }
        self.0.split_once('.').map(|(_, parent)| parent)
    }

    /// Whether this name lies below the other, by one label or more. No domain is a subdomain of itself.
    pub fn is_subdomain_of(&self, other: &Domain) -> bool {
        // An IPv4 address needs no exception: a shorter tail of one does not parse as a domain.
        self.0.strip_suffix(&*other.0).is_some_and(|head| head.ends_with('.'))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({})", self.0)
    }
}

impl FromStr for Domain {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Domain, AddrError> {
        Domain::parse(text)
    }
}

impl AsRef<str> for Domain {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

// Sound for hash maps because `Arc<str>` hashes, compares and orders as its `str` does.
impl Borrow<str> for Domain {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Domain {
    fn eq(&self, canonical: &str) -> bool {
        &*self.0 == canonical
    }
}

impl PartialEq<&str> for Domain {
    fn eq(&self, canonical: &&str) -> bool {
        &*self.0 == *canonical
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    #[test]
    fn a_map_keyed_by_domain_is_asked_with_text() {
        let map = HashMap::from([(domain("Capulet.example."), 1)]);
        assert_eq!(map.get("capulet.example"), Some(&1));
        assert_eq!(map.get("montague.example"), None);
    }

    #[test]
    fn parent_strips_the_left_most_label() {
        assert_eq!(domain("chat.capulet.example").parent(), Some("capulet.example"));
        assert_eq!(domain("example").parent(), None);
        assert_eq!(domain("192.0.2.1").parent(), None);
        assert_eq!(domain("[::ffff:192.0.2.1]").parent(), None);
    }

    #[test]
    fn subdomains_end_at_a_label() {
        let capulet = domain("capulet.example");
        assert!(domain("chat.capulet.example").is_subdomain_of(&capulet));
        assert!(domain("a.b.capulet.example").is_subdomain_of(&capulet));
        assert!(!capulet.is_subdomain_of(&capulet));
        assert!(!domain("xcapulet.example").is_subdomain_of(&capulet));
        assert!(!capulet.is_subdomain_of(&domain("chat.capulet.example")));
    }

    #[test]
    fn ip_literals_are_told_from_names() {
        assert!(domain("192.0.2.1").is_ip_literal());
        assert!(domain("[2001:db8::1]").is_ip_literal());
        assert!(!domain("192.0.2.example").is_ip_literal());
    }

    #[test]
    fn unicode_form_is_for_people() {
        let books = domain("BÜCHER.example");
        assert_eq!(books.as_str(), "xn--bcher-kva.example");
        assert_eq!(books.to_unicode(), "bücher.example");
        assert_eq!(domain("capulet.example").to_unicode(), "capulet.example");
        assert_eq!(domain("192.0.2.1").to_unicode(), "192.0.2.1");
        assert_eq!(domain("[::1]").to_unicode(), "[::1]");
    }

    #[test]
    fn text_forms_are_the_canonical_name() {
        let capulet: Domain = "Capulet.Example".parse().unwrap();
        assert_eq!(capulet.to_string(), "capulet.example");
        assert_eq!(format!("{capulet:?}"), "Domain(capulet.example)");
        assert_eq!(format!("{capulet:>17}|"), "  capulet.example|");
        assert_eq!(capulet, "capulet.example");
    }
}
