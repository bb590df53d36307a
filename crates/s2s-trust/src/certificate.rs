//! The few fields of a certificate that are judged here, read once.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::nom::Parser;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

use crate::der::{self, NotDer};

/// No larger certificate is read; the chain builder has the same bound. The largest real leaves, with a hundred names and
/// an RSA-4096 key, have some 6 KB.
pub const CERTIFICATE_BYTES_MAX: usize = 65_535;

/// id-ce-subjectAltName 2.5.29.17 (RFC 5280 §4.2.1.6).
pub(crate) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// id-ce-basicConstraints 2.5.29.19 (RFC 5280 §4.2.1.9).
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// id-ce-nameConstraints 2.5.29.30 (RFC 5280 §4.2.1.10).
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
/// id-ce-extKeyUsage 2.5.29.37 (RFC 5280 §4.2.1.12).
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];

/// id-kp-serverAuth 1.3.6.1.5.5.7.3.1.
pub(crate) const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
/// anyExtendedKeyUsage 2.5.29.37.0.
pub(crate) const ANY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

/// DER `BOOLEAN`.
const BOOLEAN: u8 = 0x01;

/// notBefore and notAfter of a certificate (RFC 5280 §4.1.2.5); `None` when it cannot be read. For what an operator is told of his
/// own certificates; peers are judged by [`crate::judge_chain`].
pub fn validity(certificate: &CertificateDer<'_>) -> Option<(UnixTime, UnixTime)> {
    let certificate = Certificate::parse(certificate).ok()?;
    Some((certificate.not_before(), certificate.not_after()))
}

pub(crate) struct Certificate<'a> {
    parsed: X509Certificate<'a>,
}

impl<'a> Certificate<'a> {
    /// Reads the outer structure; extensions are read when asked for, by the strict reader of this crate.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, NotDer> {
        if bytes.len() > CERTIFICATE_BYTES_MAX {
            return Err(NotDer);
        }
        let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
        let (rest, parsed) = parser.parse(bytes).map_err(|_| NotDer)?;
        if rest.is_empty() { Ok(Self { parsed }) } else { Err(NotDer) }
    }

    /// Issuer and subject are the same name. The signature is not looked at: whoever writes such a certificate names
    /// nobody but himself as its witness, right or wrong.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.parsed.issuer().as_raw() == self.parsed.subject().as_raw()
    }

    /// May sign others: CA:TRUE, or version 1, which had no way to say so.
    pub(crate) fn is_authority(&self) -> Result<bool, NotDer> {
        if self.parsed.version() == X509Version::V1 {
            return Ok(true);
        }
        let Some(value) = self.extension(BASIC_CONSTRAINTS)? else { return Ok(false) };
        let mut fields = der::Reader::new(der::only(value, der::SEQUENCE)?);
        if fields.is_empty() {
            return Ok(false);
        }
        let first = fields.element()?;
        Ok(first.tag == BOOLEAN && first.content == [0xff])
    }

    pub(crate) fn has_name_constraints(&self) -> Result<bool, NotDer> {
        Ok(self.extension(NAME_CONSTRAINTS)?.is_some())
    }

    pub(crate) fn not_before(&self) -> UnixTime {
        unix_time(self.parsed.validity().not_before)
    }

    pub(crate) fn not_after(&self) -> UnixTime {
        unix_time(self.parsed.validity().not_after)
    }

    /// Whether the certificate may speak for a server: see [`crate::judge_chain`] for the rule.
    pub(crate) fn allows_server_usage(&self) -> Result<bool, NotDer> {
        let Some(value) = self.extension(EXTENDED_KEY_USAGE)? else { return Ok(true) };
        let mut purposes = der::Reader::new(der::only(value, der::SEQUENCE)?);
        while !purposes.is_empty() {
            let purpose = purposes.expect(der::OBJECT_IDENTIFIER)?;
            if purpose == SERVER_AUTH || purpose == ANY_USAGE {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The value of an extension. RFC 5280 §4.2: "A certificate MUST NOT include more than one instance of a particular
    /// extension"; one that does could show each reader another list of names.
    pub(crate) fn extension(&self, oid: &[u8]) -> Result<Option<&'a [u8]>, NotDer> {
        let mut values =
            self.parsed.extensions().iter().filter(|extension| extension.oid.as_bytes() == oid);
        let first = values.next().map(|extension| extension.value);
        if values.next().is_some() { Err(NotDer) } else { Ok(first) }
    }
}

fn unix_time(time: ASN1Time) -> UnixTime {
    // Dates before 1970 are long past either way.
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}
