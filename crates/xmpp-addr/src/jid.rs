//! Borrowed JIDs (RFC 7622).

use crate::AddrError;
use crate::canonical::canonical_domain;
use crate::parts::{check_localpart, check_resourcepart};
use std::borrow::Cow;

/// Borrowed JID, validated per RFC 7622.
///
/// The domain is canonical; the localpart and the resourcepart are the bytes of the text. Equality is therefore that of these bytes:
/// `Juliet@capulet.example` and `juliet@capulet.example` name one account to their server but are two values here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jid<'a> {
    local: Option<&'a str>,
    domain: Cow<'a, str>,
    resource: Option<&'a str>,
}

impl<'a> Jid<'a> {
    /// Reads a JID; allocates only when its domain is not canonical or a part is not ASCII.
    ///
    /// # Errors
    /// [`AddrError`] for the first part, from the domain on, that breaks a rule of RFC 7622 §3.
    pub fn parse(text: &'a str) -> Result<Jid<'a>, AddrError> {
        // RFC 7622 §3.2: take the resourcepart off at the first `/`, then the localpart at the first `@`; what is left is the domain.
        let (bare, resource) = match text.split_once('/') {
            Some((bare, resource)) => (bare, Some(resource)),
            None => (text, None),
        };
        let (local, domain) = match bare.split_once('@') {
            Some((local, domain)) => (Some(local), domain),
            None => (None, bare),
        };
        let domain = canonical_domain(domain)?;
        if let Some(local) = local {
            check_localpart(local)?;
        }
        if let Some(resource) = resource {
            check_resourcepart(resource)?;
        }
        Ok(Jid { local, domain, resource })
    }

    /// The localpart as it was written.
    pub fn local(&self) -> Option<&str> {
        self.local
    }

    /// The canonical domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The resourcepart as it was written.
    pub fn resource(&self) -> Option<&str> {
        self.resource
    }

    /// The JID without its resource, to hash where order must hold per bare JID (RFC 6120 §10.1).
    pub fn bare_key(&self) -> BareKey<'_> {
        BareKey { local: self.local, domain: &self.domain }
    }
}

/// A bare JID as a key. The localpart is as it was written: two spellings of one account are two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BareKey<'a> {
    /// The localpart as it was written.
    pub local: Option<&'a str>,
    /// The canonical domain.
    pub domain: &'a str,
}

/// Only the domain of a JID text, fully validating the JID; the data plane's call. No allocation for canonical ASCII.
///
/// The shape `tests/no_allocation.rs` proves it for: a canonical ASCII domain without `xn--` labels, ASCII in the other parts.
///
/// # Errors
/// As [`Jid::parse`].
pub fn jid_domain(text: &str) -> Result<Cow<'_, str>, AddrError> {
    Jid::parse(text).map(|jid| jid.domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_split_at_the_first_slash_then_the_first_at() {
        let jid = Jid::parse("juliet@Capulet.example/balcony/a@b").unwrap();
        assert_eq!(jid.local(), Some("juliet"));
        assert_eq!(jid.domain(), "capulet.example");
        assert_eq!(jid.resource(), Some("balcony/a@b"));

        let jid = Jid::parse("a.example.com/b@example.net").unwrap();
        assert_eq!(
            (jid.local(), jid.domain(), jid.resource()),
            (None, "a.example.com", Some("b@example.net"))
        );
        assert_eq!(Jid::parse("a@b@capulet.example"), Err(AddrError::DomainChar('@')));
    }

    #[test]
    fn case_of_a_localpart_is_kept() {
        let jid = Jid::parse("Juliet@capulet.example").unwrap();
        assert_eq!(jid.local(), Some("Juliet"));
    }

    #[test]
    fn bare_key_has_no_resource() {
        let balcony = Jid::parse("juliet@capulet.example/balcony").unwrap();
        let chamber = Jid::parse("juliet@CAPULET.example./chamber").unwrap();
        assert_eq!(balcony.bare_key(), chamber.bare_key());
        let server = Jid::parse("capulet.example/juliet").unwrap();
        assert_ne!(balcony.bare_key(), server.bare_key());
    }

    #[test]
    fn jid_domain_validates_all_parts() {
        assert_eq!(jid_domain("juliet@capulet.example/").unwrap_err(), AddrError::ResourceEmpty);
        assert_eq!(jid_domain("@capulet.example").unwrap_err(), AddrError::LocalpartEmpty);
        assert_eq!(jid_domain("a b@capulet.example").unwrap_err(), AddrError::LocalpartChar(' '));
        assert_eq!(jid_domain("juliet@").unwrap_err(), AddrError::DomainEmpty);
        assert_eq!(jid_domain("juliet@BÜCHER.example/a").unwrap(), "xn--bcher-kva.example");
    }
}
