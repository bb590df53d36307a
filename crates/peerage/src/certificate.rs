//! Certificates of hosted domains: files to keys, and the checks that a peer would make.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use s2s_trust::{LeafNames, NameVerdict, UnixTime, validity};
use time::OffsetDateTime;
use xmpp_addr::{Domain, DomainPattern};

/// Largest file that is read as PEM; a long chain has some 20 KiB.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// A certificate chain with its key, as one hosted domain shows it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// For the TLS engine.
    pub key: Arc<CertifiedKey>,
    /// The names on the leaf, as text.
    pub names: Vec<String>,
    /// Start of its validity, Unix seconds.
    pub not_before: i64,
    /// End of its validity, Unix seconds.
    pub not_after: i64,
}

/// The file that a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AboutFile {
    /// The certificate chain.
    Certificate,
    /// The private key.
    Key,
}

/// Why an identity is refused, and the file to look at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct IdentityError {
    /// Which of the two.
    pub about: AboutFile,
    /// In words; names the file and the domain.
    pub problem: String,
}

impl Identity {
    /// Reads chain and key and checks that they belong together and name `pattern`.
    ///
    /// # Errors
    /// A file that cannot be read or holds no PEM of its kind, a key that is not the leaf's, a leaf that does not name the
    /// domain. Expiry is no error here: see [`Identity::validity`].
    pub fn load(
        certificate: &Path,
        key: &Path,
        pattern: &DomainPattern,
    ) -> Result<Identity, IdentityError> {
        let wrong_chain = |problem: String| IdentityError {
            about: AboutFile::Certificate,
            problem: format!("{}: {problem}", certificate.display()),
        };
        let wrong_key = |problem: String| IdentityError {
            about: AboutFile::Key,
            problem: format!("{}: {problem}", key.display()),
        };

        let pem = read_pem(certificate).map_err(wrong_chain)?;
        let chain = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| wrong_chain(format!("not a PEM certificate: {error}")))?;
        let Some(leaf) = chain.first() else {
            return Err(wrong_chain("holds no PEM certificate".to_owned()));
        };
        let names = LeafNames::parse(leaf)
            .map_err(|error| wrong_chain(format!("the certificate cannot be read: {error}")))?;
        let Some((not_before, not_after)) = validity(leaf) else {
            return Err(wrong_chain("the validity of the certificate cannot be read".to_owned()));
        };
        let (not_before, not_after) = (seconds(not_before), seconds(not_after));
        check_names(&names, pattern).map_err(wrong_chain)?;

        let pem = read_pem(key).map_err(wrong_key)?;
        let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
            wrong_key("holds no PEM private key (PKCS#8, PKCS#1 or SEC1)".to_owned())
        })?;
        let signer = any_supported_type(&private)
            .map_err(|_| wrong_key("a private key of a kind that TLS does not use".to_owned()))?;
        let names = names.iter().map(ToString::to_string).collect();
        let certified = CertifiedKey::new(chain, signer);
        if certified.keys_match().is_err() {
            return Err(wrong_key(format!(
                "is not the key of {}, the certificate of {pattern}",
                certificate.display()
            )));
        }
        Ok(Identity { key: Arc::new(certified), names, not_before, not_after })
    }

    /// What is wrong with the dates at `now` (Unix seconds), if anything.
    #[must_use]
    pub fn validity(&self, now: i64) -> Option<String> {
        let days = (self.not_after - now).div_euclid(86_400);
        if now > self.not_after {
            Some(format!("the certificate expired at {}", show_time(self.not_after)))
        } else if now < self.not_before {
            Some(format!("the certificate is not valid before {}", show_time(self.not_before)))
        } else if days < EXPIRES_SOON_DAYS {
            let end = show_time(self.not_after);
            Some(format!("the certificate expires in {days} days, at {end}"))
        } else {
            None
        }
    }
}

/// Fewer days than this are worth a warning. Certificates of 90 days are renewed at 30; those of 45 days at 15.
const EXPIRES_SOON_DAYS: i64 = 10;

/// Unix seconds as RFC 3339 in UTC.
#[must_use]
pub fn show_time(unix: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix).map_or_else(
        |_| unix.to_string(),
        |at| {
            format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                at.year(),
                u8::from(at.month()),
                at.day(),
                at.hour(),
                at.minute(),
                at.second()
            )
        },
    )
}

/// The bytes of a file that may be PEM.
pub(crate) fn read_pem(file: &Path) -> Result<Vec<u8>, String> {
    let size = fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > PEM_BYTES_MAX {
        return Err(format!("has {size} bytes: a PEM file has at most {PEM_BYTES_MAX}"));
    }
    fs::read(file).map_err(|error| format!("cannot be read: {error}"))
}

/// RFC 6120 §13.7.1: the leaf must name the domain. For `*.name` any one label below stands for all of them.
fn check_names(names: &LeafNames, pattern: &DomainPattern) -> Result<(), String> {
    let domain = match pattern {
        DomainPattern::Exact(domain) => domain.clone(),
        // A label that nobody lists in a certificate matches only a wildcard.
        DomainPattern::Below(parent) => {
            match Domain::parse(&format!("peerage-wildcard.{parent}")) {
                Ok(domain) => domain,
                Err(_) => return Ok(()),
            }
        }
        DomainPattern::Any => return Ok(()),
    };
    let has = match names.proves(&domain) {
        NameVerdict::Match(_) => return Ok(()),
        _ if names.iter().next().is_none() => {
            "names no domain (a common name does not count)".into()
        }
        _ => {
            let listed: Vec<String> = names.iter().take(10).map(ToString::to_string).collect();
            format!("names {}", listed.join(", "))
        }
    };
    Err(format!("the certificate does not name {pattern}: it {has}"))
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_rfc_3339() {
        assert_eq!(show_time(0), "1970-01-01T00:00:00Z");
        assert_eq!(show_time(1_798_761_600), "2027-01-01T00:00:00Z");
    }
}
