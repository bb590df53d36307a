//! The roots a chain may lead to.

use std::collections::BTreeSet;
use std::fmt;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use webpki::anchor_from_trusted_cert;

use crate::certificate::Certificate;
use crate::judgement::fingerprint;

/// A set of trusted certificates.
///
/// Two kinds go in by the same door. A certificate authority (CA:TRUE, or the old version 1) vouches for what it issued.
/// Any other certificate vouches for itself alone, by its exact bytes: with that, the self-signed certificate of one
/// server can be listed without making that server an authority over all names. A self-signed certificate *with* CA:TRUE,
/// as `openssl req -x509` makes them, is both: the operator who lists one lists an authority.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    /// SHA-256 of the authorities given in full, which may also speak for themselves.
    exact_authorities: BTreeSet<[u8; 32]>,
    /// SHA-256 of the certificates that vouch for themselves only.
    exact_leaves: BTreeSet<[u8; 32]>,
    skipped: usize,
}

impl Roots {
    /// No roots: nothing reaches `trusted`.
    pub fn none() -> Self {
        Self::default()
    }

    /// Mozilla's roots as compiled in: the same on every machine.
    pub fn webpki() -> Self {
        Self { anchors: webpki_roots::TLS_SERVER_ROOTS.to_vec(), ..Self::default() }
    }

    /// The roots of the operating system. Reads files and the variables `SSL_CERT_FILE` and `SSL_CERT_DIR`: call it at
    /// start-up. Entries that cannot be used are counted in [`Roots::skipped`].
    ///
    /// # Errors
    /// When nothing usable is found.
    pub fn system() -> Result<Self, RootsError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = Self { skipped: found.errors.len(), ..Self::default() };
        for certificate in &found.certs {
            if roots.add(certificate).is_err() {
                roots.skipped += 1;
            }
        }
        if roots.is_empty() {
            let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            return Err(RootsError::System { reasons });
        }
        Ok(roots)
    }

    /// The certificates of a PEM file; other sections are passed over.
    ///
    /// # Errors
    /// When one certificate cannot be used, so that a typing error does not silently shrink the set, and when there is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self, RootsError> {
        let mut roots = Self::default();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let number = index + 1;
            let certificate = certificate
                .map_err(|error| RootsError::Pem { number, reason: error.to_string() })?;
            roots.add(&certificate).map_err(|NotUsable| RootsError::Certificate { number })?;
        }
        if roots.is_empty() { Err(RootsError::Empty) } else { Ok(roots) }
    }

    /// Adds the roots of another set; what is there already is not added twice.
    pub fn merge(&mut self, other: Self) {
        for anchor in other.anchors {
            self.add_anchor(anchor);
        }
        self.exact_authorities.extend(other.exact_authorities);
        self.exact_leaves.extend(other.exact_leaves);
        self.skipped += other.skipped;
    }

    /// How many certificates are trusted.
    pub fn len(&self) -> usize {
        self.anchors.len() + self.exact_leaves.len()
    }

    /// Whether nothing is trusted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries of the operating system could not be used.
    pub const fn skipped(&self) -> usize {
        self.skipped
    }

    pub(crate) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// Whether exactly this certificate was listed.
    pub(crate) fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        let fingerprint = fingerprint(certificate);
        self.exact_leaves.contains(&fingerprint) || self.exact_authorities.contains(&fingerprint)
    }

    fn add(&mut self, certificate: &CertificateDer<'_>) -> Result<(), NotUsable> {
        let parsed = Certificate::parse(certificate).map_err(|_| NotUsable)?;
        if parsed.is_authority().map_err(|_| NotUsable)? {
            let anchor = anchor_from_trusted_cert(certificate).map_err(|_| NotUsable)?;
            self.add_anchor(anchor.to_owned());
            self.exact_authorities.insert(fingerprint(certificate));
        } else {
            self.exact_leaves.insert(fingerprint(certificate));
        }
        Ok(())
    }

    fn add_anchor(&mut self, anchor: TrustAnchor<'static>) {
        if !self.anchors.contains(&anchor) {
            self.anchors.push(anchor);
        }
    }
}

struct NotUsable;

/// Why there are no roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootsError {
    /// A PEM section does not read.
    Pem {
        /// Which certificate, counted from 1.
        number: usize,
        /// What the reader says.
        reason: String,
    },
    /// A PEM section holds no usable certificate.
    Certificate {
        /// Which certificate, counted from 1.
        number: usize,
    },
    /// There is no certificate.
    Empty,
    /// The operating system has no usable root.
    System {
        /// What the look-ups said.
        reasons: Vec<String>,
    },
}

impl fmt::Display for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem { number, reason } => write!(f, "certificate {number}: not PEM: {reason}"),
            Self::Certificate { number } => {
                write!(f, "certificate {number}: not a usable X.509 certificate")
            }
            Self::Empty => f.write_str("no certificate found"),
            Self::System { reasons } if reasons.is_empty() => {
                f.write_str("the system has no root certificates")
            }
            Self::System { reasons } => {
                write!(f, "the system's root certificates: {}", reasons.join("; "))
            }
        }
    }
}

impl std::error::Error for RootsError {}
