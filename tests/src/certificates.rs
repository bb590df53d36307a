//! Certificates as the network has them: leaves for server authentication only, and self-signed ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

/// A certificate and its key, as the PEM files a server reads.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate authority made for one test.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority with a new key.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub fn create() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Peerage interop authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = validity()?;
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        Ok(Authority { certificate, issuer: Issuer::new(params, key) })
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    /// A leaf for `domain`, written into `folder`. It may be used for server authentication only, as public authorities issue them
    /// since 2026: a server that connects shows it as a TLS *client*.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn issue(&self, domain: &str, folder: &Path) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let certificate = leaf(domain)?.signed_by(&key, &self.issuer)?;
        write(domain, folder, &certificate, &key)
    }
}

/// A self-signed certificate for `domain`, written into `folder`.
///
/// # Errors
/// When the files cannot be written.
pub fn self_signed(domain: &str, folder: &Path) -> Result<Identity> {
    let key = KeyPair::generate()?;
    let certificate = leaf(domain)?.self_signed(&key)?;
    write(domain, folder, &certificate, &key)
}

fn leaf(domain: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(vec![domain.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, domain);
    (params.not_before, params.not_after) = validity()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// From yesterday, for 90 days. ejabberd sets a timer for the end, and fails on one some centuries ahead.
fn validity() -> Result<(OffsetDateTime, OffsetDateTime)> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let now =
        OffsetDateTime::UNIX_EPOCH + SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok((now - DAY, now + 90 * DAY))
}

fn write(
    domain: &str,
    folder: &Path,
    certificate: &Certificate,
    key: &KeyPair,
) -> Result<Identity> {
    let identity = Identity {
        certificate: folder.join(format!("{domain}.crt")),
        key: folder.join(format!("{domain}.key")),
    };
    fs::write(&identity.certificate, certificate.pem())?;
    fs::write(&identity.key, key.serialize_pem())?;
    Ok(identity)
}
