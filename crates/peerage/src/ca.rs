//! The internal CA: it issues the certificates in the names of remote domains that backends are shown.
//!
//! Whoever has its key is any server of the world to a backend that trusts it, so the key is treated as the dialback secret
//! is: made here once, readable by this user only, refused otherwise. It never leaves the state directory, and what it issues
//! ([`crate::leaves`]) is shown to backends only.
//!
//! Rotation has two steps, because backends must trust the next CA before anything of it is shown: `stage` makes it beside the
//! one in use, `activate` puts it into force and keeps the one before.

pub mod command;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use s2s_trust::fingerprint;
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::certificate::{read_pem, show_time};
use crate::state::{self, StateError};

/// The certificate in the state directory; everybody may read it.
pub const CERTIFICATE_FILE: &str = "backend-ca.crt";
/// Ten years: every change of it has to reach every backend by hand.
const VALIDITY_DAYS: i64 = 3_650;
/// A rotation takes this long where backends change in maintenance windows.
const EXPIRES_SOON_DAYS: i64 = 90;
/// Backends whose clock is behind take a new certificate too.
pub(crate) const CLOCK_SKEW_SECS: i64 = 3_600;
/// RFC 5280, Appendix A.1: ub-common-name.
pub(crate) const COMMON_NAME_CHARS_MAX: usize = 64;
/// What the CA says to whoever looks at it in a trust store.
const ORGANIZATION: &str = "Only for this operator's XMPP servers, never trusted elsewhere";

/// A certificate and its key in the state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In use.
    Current,
    /// Made by `stage`, to be used.
    Next,
    /// In use before.
    Previous,
}

impl Place {
    fn certificate(self, directory: &Path) -> PathBuf {
        directory.join(match self {
            Place::Current => CERTIFICATE_FILE,
            Place::Next => "backend-ca.next.crt",
            Place::Previous => "backend-ca.previous.crt",
        })
    }

    fn key(self, directory: &Path) -> PathBuf {
        directory.join(match self {
            Place::Current => "backend-ca.key",
            Place::Next => "backend-ca.next.key",
            Place::Previous => "backend-ca.previous.key",
        })
    }
}

/// Why the internal CA cannot be used. Each message names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The state directory, or the mode of the key.
    #[error("{0}")]
    State(#[from] StateError),
    /// A file that is not what this module writes.
    #[error("{path}: {problem}", path = .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// One of the two files.
    #[error("{there} is there, but {missing} is not: put it back from a copy, or remove {there} to have a new CA made, which every backend must be told to trust", there = .there.display(), missing = .missing.display())]
    Half {
        /// The one that exists.
        there: PathBuf,
        /// The one that does not.
        missing: PathBuf,
    },
    /// They are not a pair.
    #[error("{key} is not the key of {certificate}: put the right one back from a copy; if a rotation was interrupted, `peerage ca rotate --activate` finishes it", key = .key.display(), certificate = .certificate.display())]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// There is none yet.
    #[error("{directory}: there is no internal CA yet: `peerage ca init` makes it, or `peerage run` with a configuration that has a backend", directory = .directory.display())]
    None {
        /// The state directory.
        directory: PathBuf,
    },
    /// Nothing to activate.
    #[error("{directory}: no next CA is staged: `peerage ca rotate --stage` makes it; let every backend trust it before it is activated", directory = .directory.display())]
    NotStaged {
        /// The state directory.
        directory: PathBuf,
    },
    /// The certificate generator.
    #[error("cannot make a certificate: {0}")]
    Generator(#[from] rcgen::Error),
}

/// A CA that can issue.
#[derive(Debug)]
pub struct Authority {
    /// Where its certificate is.
    pub file: PathBuf,
    /// The certificate as text, for trust stores.
    pub pem: String,
    /// Its common name.
    pub name: String,
    /// Start of its validity, Unix seconds.
    pub not_before: i64,
    /// End of its validity, Unix seconds.
    pub not_after: i64,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The fingerprint as other programs show it: `3F:2A:…`.
    #[must_use]
    pub fn fingerprint_text(&self) -> String {
        let bytes: Vec<String> =
            self.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
        bytes.join(":")
    }

    /// What is wrong with the dates at `now` (Unix seconds), if anything.
    #[must_use]
    pub fn validity(&self, now: i64) -> Option<String> {
        let days = (self.not_after - now).div_euclid(86_400);
        let end = show_time(self.not_after);
        let file = self.file.display();
        if now > self.not_after {
            Some(format!(
                "{file}: the internal CA expired at {end}: backends that ask for certificates refuse every connection; `peerage ca rotate`"
            ))
        } else if now < self.not_before {
            let start = show_time(self.not_before);
            Some(format!(
                "{file}: the internal CA is not valid before {start}: is the clock right?"
            ))
        } else if days < EXPIRES_SOON_DAYS {
            Some(format!(
                "{file}: the internal CA expires in {days} days, at {end}: `peerage ca rotate`"
            ))
        } else {
            None
        }
    }
}

/// The CA in use, without writing anything; none when it is still to be made.
///
/// # Errors
/// Files that are not a CA of this module, or that others can read.
pub fn inspect(directory: &Path) -> Result<Option<Authority>, CaError> {
    read(directory, Place::Current)
}

/// The CA that waits to be used, if a rotation is under way.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_next(directory: &Path) -> Result<Option<Authority>, CaError> {
    read(directory, Place::Next)
}

/// The CA in use; it is made when it is not there. `domain` is the first hosted one and ends up in the name.
///
/// # Errors
/// As [`inspect`], and when the directory cannot be written.
pub fn open(directory: &Path, domain: &str, now: i64) -> Result<Authority, CaError> {
    state::create_directory(directory)?;
    if let Some(authority) = inspect(directory)? {
        return Ok(authority);
    }
    make(directory, Place::Current, domain, now)
}

/// The first step of a rotation: makes the next CA. When there is one already, that one: it may have been handed out.
///
/// # Errors
/// As [`inspect`]; [`CaError::None`] when there is nothing to rotate.
pub fn stage(directory: &Path, domain: &str, now: i64) -> Result<Authority, CaError> {
    if inspect(directory)?.is_none() {
        return Err(CaError::None { directory: directory.to_owned() });
    }
    match inspect_next(directory)? {
        Some(next) => Ok(next),
        None => make(directory, Place::Next, domain, now),
    }
}

/// The second step: the next CA becomes the one in use, which is kept as the previous one.
///
/// Interrupted at any point it can be run again.
///
/// # Errors
/// As [`inspect`]; [`CaError::NotStaged`].
pub fn activate(directory: &Path) -> Result<Authority, CaError> {
    let not_staged = || CaError::NotStaged { directory: directory.to_owned() };
    let next = Place::Next.certificate(directory);
    if next.exists() && !Place::Next.key(directory).exists() {
        // Cut between the two renames: only if the key in use is the one of this certificate.
        load(&next, &Place::Current.key(directory))?;
        rename(&next, &Place::Current.certificate(directory))?;
        return inspect(directory)?.ok_or_else(not_staged);
    }
    inspect_next(directory)?.ok_or_else(not_staged)?;
    inspect(directory)?;
    for path in [Place::key, Place::certificate] {
        keep(&path(Place::Current, directory), &path(Place::Previous, directory))?;
    }
    // The key first: a certificate without its key is never in use.
    for path in [Place::key, Place::certificate] {
        rename(&path(Place::Next, directory), &path(Place::Current, directory))?;
    }
    inspect(directory)?.ok_or_else(not_staged)
}

/// A second name for a file, so that it outlives the replacement of the first.
fn keep(current: &Path, previous: &Path) -> Result<(), CaError> {
    let failed = |source| StateError::File { path: previous.to_owned(), source };
    match fs::remove_file(previous) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error).into()),
        _ => {}
    }
    fs::hard_link(current, previous).map_err(failed)?;
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<(), CaError> {
    fs::rename(from, to).map_err(|source| StateError::File { path: from.to_owned(), source })?;
    Ok(())
}

fn read(directory: &Path, place: Place) -> Result<Option<Authority>, CaError> {
    let (certificate, key) = (place.certificate(directory), place.key(directory));
    match (certificate.exists(), key.exists()) {
        (false, false) => Ok(None),
        (true, true) => load(&certificate, &key).map(Some),
        (true, false) => Err(CaError::Half { there: certificate, missing: key }),
        (false, true) => Err(CaError::Half { there: key, missing: certificate }),
    }
}

fn load(certificate: &Path, key: &Path) -> Result<Authority, CaError> {
    let malformed = |path: &Path, problem: &str| CaError::Malformed {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let wrong = |problem: &str| malformed(certificate, problem);
    let pem = read_pem(certificate).map_err(|problem| wrong(&problem))?;
    let der =
        CertificateDer::from_pem_slice(&pem).map_err(|_| wrong("holds no PEM certificate"))?;
    let (_, parsed) =
        X509Certificate::from_der(&der).map_err(|_| wrong("the certificate cannot be read"))?;
    if !parsed.is_ca() {
        return Err(wrong("the certificate is not a CA's"));
    }
    let signing = read_key(key)?;
    if parsed.public_key().subject_public_key.data != signing.public_key_raw() {
        return Err(CaError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() });
    }
    let Some((name, params)) = issuer_params(&parsed) else {
        return Err(wrong("was not made by `peerage ca`: its subject is another"));
    };
    Ok(Authority {
        file: certificate.to_owned(),
        pem: String::from_utf8(pem).map_err(|_| wrong("is not text"))?,
        name,
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
        fingerprint: fingerprint(&der),
        issuer: Issuer::new(params, signing),
        certificate: der,
    })
}

/// The name, and what an issuer is made of; none when the subject is not of the form that [`make`] gives it.
fn issuer_params(parsed: &X509Certificate<'_>) -> Option<(String, CertificateParams)> {
    let mut organizations = parsed.subject().iter_organization();
    let mut names = parsed.subject().iter_common_name();
    let (organization, name) = (organizations.next()?.as_str().ok()?, names.next()?.as_str().ok()?);
    if organization != ORGANIZATION || parsed.subject().iter_attributes().count() != 2 {
        return None;
    }
    let key_id =
        parsed.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(key_id) => Some(key_id.0.to_vec()),
            _ => None,
        })?;
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(name);
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_id);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Some((name.to_owned(), params))
}

fn read_key(path: &Path) -> Result<KeyPair, CaError> {
    let failed = |source| StateError::File { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        let what = "key of the internal CA";
        return Err(StateError::Exposed { path: path.to_owned(), mode, what }.into());
    }
    let malformed = |problem| CaError::Malformed { path: path.to_owned(), problem };
    let pem = read_pem(path).map_err(malformed)?;
    let key = std::str::from_utf8(&pem).ok().and_then(|pem| KeyPair::from_pem(pem).ok());
    key.ok_or_else(|| malformed("holds no PEM private key".to_owned()))
}

fn make(directory: &Path, place: Place, domain: &str, now: i64) -> Result<Authority, CaError> {
    let start = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    // Two CAs of one operator stand side by side in trust stores: their names differ.
    let mark: String = state::random_hex()?.chars().take(8).collect();
    let name = format!("Peerage internal CA {mark}, {domain}");
    let name: String = name.chars().take(COMMON_NAME_CHARS_MAX).collect();

    let mut params = CertificateParams::default();
    params.not_before = start - Duration::seconds(CLOCK_SKEW_SECS);
    params.not_after = start + Duration::days(VALIDITY_DAYS);
    // It issues leaves only.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(serial_number()?);
    params.distinguished_name = subject(&name);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;

    let (certificate_file, key_file) = (place.certificate(directory), place.key(directory));
    state::create_private(&key_file, key.serialize_pem().as_bytes())?;
    state::create_readable(&certificate_file, certificate.pem().as_bytes())?;
    load(&certificate_file, &key_file)
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, ORGANIZATION);
    subject.push(DnType::CommonName, name);
    subject
}

/// 120 random bits: RFC 5280 §4.1.2.2 wants a positive number of at most 20 octets, other for each certificate.
pub(crate) fn serial_number() -> Result<SerialNumber, StateError> {
    let mut bytes = state::random_bytes()?[..16].to_vec();
    bytes[0] = 1;
    Ok(SerialNumber::from(bytes))
}

#[cfg(test)]
mod tests;
