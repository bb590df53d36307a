//! Certificates as the network has them, good ones and bad ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

use crate::matrix::Certificate as Kind;
use crate::refusals::Flaw;

/// A certificate and its key, as the PEM files a server reads.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, further ones behind it.
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
        Self::named("Peerage interop authority")
    }

    fn named(name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = days(-1, 90)?;
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        Ok(Authority { certificate, issuer: Issuer::new(params, key) })
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate of this kind for `domain`, written into `folder`; `None` for the kind that is none.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn identity(&self, kind: Kind, domain: &str, folder: &Path) -> Result<Option<Identity>> {
        let mut params = leaf(domain)?;
        match kind {
            Kind::None => return Ok(None),
            Kind::SelfSigned => {
                let key = KeyPair::generate()?;
                let certificate = params.self_signed(&key)?;
                return write(domain, folder, &[&certificate], &key).map(Some);
            }
            Kind::AnyUsage => params.extended_key_usages.clear(),
            Kind::ServerAuth => {}
            Kind::ServerAndClientAuth => {
                params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
            }
            Kind::Wildcard => {
                let Some((_, parent)) = domain.split_once('.') else {
                    bail!("{domain}: no parent")
                };
                let wildcard = CertificateParams::new(vec![format!("*.{parent}")])?;
                params.subject_alt_names = wildcard.subject_alt_names;
            }
            Kind::SrvName => {
                only_other_name(&mut params, ON_DNS_SRV, IA5, &format!("_xmpp-server.{domain}"));
            }
            Kind::XmppAddr => only_other_name(&mut params, ON_XMPP_ADDR, UTF8, domain),
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        write(domain, folder, &[&certificate], &key).map(Some)
    }

    /// The certificate of a server with this flaw as `domain`, written into `folder`; `None` for the flaw of having none.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn flawed(&self, flaw: Flaw, domain: &str, folder: &Path) -> Result<Option<Identity>> {
        let key = KeyPair::generate()?;
        let mut params = leaf(domain)?;
        let certificate = match flaw {
            Flaw::NoTls => return Ok(None),
            Flaw::SelfSigned | Flaw::PlaintextLeg => params.self_signed(&key)?,
            Flaw::UnknownDomain | Flaw::SpoofedFrom => params.signed_by(&key, &self.issuer)?,
            Flaw::UnknownAuthority => {
                params.signed_by(&key, &Authority::named("Nobody's authority")?.issuer)?
            }
            Flaw::Expired => {
                (params.not_before, params.not_after) = days(-90, -1)?;
                params.signed_by(&key, &self.issuer)?
            }
            Flaw::NotYetValid => {
                (params.not_before, params.not_after) = days(1, 90)?;
                params.signed_by(&key, &self.issuer)?
            }
            Flaw::WrongName => leaf("verona.example")?.signed_by(&key, &self.issuer)?,
            Flaw::ClientAuthOnly => {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
                params.signed_by(&key, &self.issuer)?
            }
            Flaw::VictimInChain => {
                // The victim is the domain: its certificate is public, its key is not here.
                let own = leaf("verona.example")?.signed_by(&key, &self.issuer)?;
                let victim = params.signed_by(&KeyPair::generate()?, &self.issuer)?;
                return write(domain, folder, &[&own, &victim], &key).map(Some);
            }
        };
        write(domain, folder, &[&certificate], &key).map(Some)
    }
}

/// id-on-xmppAddr, 1.3.6.1.5.5.7.8.5 (RFC 6120 §13.7.1.4).
const ON_XMPP_ADDR: u8 = 5;
/// id-on-dnsSRV, 1.3.6.1.5.5.7.8.7 (RFC 4985 §2).
const ON_DNS_SRV: u8 = 7;
/// The tag of IA5String.
const IA5: u8 = 0x16;
/// The tag of UTF8String.
const UTF8: u8 = 0x0c;

/// Makes one otherName the only name: rcgen writes no IA5String there.
fn only_other_name(params: &mut CertificateParams, arc: u8, string: u8, name: &str) {
    let oid = der(0x06, &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, arc]);
    let value = der(0xa0, &der(string, name.as_bytes()));
    let names = der(0x30, &der(0xa0, &[oid, value].concat()));
    params.subject_alt_names.clear();
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], names)];
}

/// One DER element. The short form of the length is enough here.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).ok().filter(|length| *length < 0x80);
    [&[tag, length.expect("names of the suite are short")], content].concat()
}

/// For server authentication only, as public authorities issue them since 2026: a server that connects shows it as a TLS *client*.
fn leaf(domain: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(vec![domain.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, domain);
    (params.not_before, params.not_after) = days(-1, 90)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// A validity in days from now. ejabberd sets a timer for the end, and fails on one some centuries ahead.
fn days(from: i32, to: i32) -> Result<(OffsetDateTime, OffsetDateTime)> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let now =
        OffsetDateTime::UNIX_EPOCH + SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let at = |days: i32| {
        let distance = days.unsigned_abs() * DAY;
        if days < 0 { now - distance } else { now + distance }
    };
    Ok((at(from), at(to)))
}

fn write(domain: &str, folder: &Path, chain: &[&Certificate], key: &KeyPair) -> Result<Identity> {
    let identity = Identity {
        certificate: folder.join(format!("{domain}.crt")),
        key: folder.join(format!("{domain}.key")),
    };
    let chain: String = chain.iter().map(|certificate| certificate.pem()).collect();
    fs::write(&identity.certificate, chain)?;
    fs::write(&identity.key, key.serialize_pem())?;
    Ok(identity)
}
