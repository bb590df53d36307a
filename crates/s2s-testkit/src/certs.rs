//! Certificates for tests and demonstrations: authorities, intermediates, good leaves and bad ones.
//!
//! Everything is P-256 unless asked otherwise, so that hundreds of leaves take well under a second. Dates are fixed, not
//! relative to a clock: valid certificates are good from 2020 to the end of 2049, which suits both virtual time
//! ([`now`]) and real servers that are given the PEM files.
//!
//! The subjectAltName is written here octet by octet. The generator below this module can write an otherName as UTF8String
//! only, SRVName is an IA5String (RFC 4985 §2), and tests of attacks need names that no careful generator would write.
//!
//! This file is also compiled into the tests of `s2s-trust`, on which this crate depends: keep it free of other modules.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};

/// The moment at which [`Validity`] is meant: 2026-06-01T00:00:00Z.
pub fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_780_272_000))
}

/// What a certificate is asked to say. The default is what public authorities issue today: valid, serverAuth only.
#[derive(Clone, Copy, Debug, Default)]
pub struct CertSpec<'a> {
    /// dNSName entries, written as they are.
    pub dns: &'a [&'a str],
    /// SRVName entries with their service (`_xmpp-server.capulet.example`), written as they are.
    pub srv_name: &'a [&'a str],
    /// xmppAddr entries, written as they are.
    pub xmpp_addr: &'a [&'a str],
    /// iPAddress entries.
    pub ip: &'a [IpAddr],
    /// Extended key usage.
    pub eku: Eku,
    /// When the certificate is good.
    pub validity: Validity,
    /// Common name; without one the subject has none.
    pub cn: Option<&'a str>,
    /// Organizational unit.
    pub ou: Option<&'a str>,
    /// Kind of key.
    pub key: Key,
    /// What basicConstraints says.
    pub role: Role,
    /// String type of SRVName entries.
    pub srv_string: SrvString,
    /// Further extensions, object identifier and DER value, written as they are after the others.
    pub extensions: &'a [(&'a [u64], &'a [u8])],
}

impl<'a> CertSpec<'a> {
    /// A good certificate for some domains, by dNSName.
    pub fn for_dns(dns: &'a [&'a str]) -> Self {
        Self { dns, ..Self::default() }
    }
}

/// Extended key usage (RFC 5280 §4.2.1.12).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Eku {
    /// serverAuth.
    #[default]
    ServerOnly,
    /// clientAuth.
    ClientOnly,
    /// serverAuth and clientAuth.
    Both,
    /// anyExtendedKeyUsage.
    Any,
    /// No such extension.
    None,
}

/// Validity seen from [`now`], and from any clock between 2026 and 2047.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Validity {
    /// 2020 to 2049.
    #[default]
    Valid,
    /// 2020 to 2021.
    Expired,
    /// 2048 to 2049.
    NotYetValid,
    /// 2020 to this second since 1970, for tests that wait for the end.
    Until(u64),
}

/// Kind of key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Key {
    /// ECDSA on P-256.
    #[default]
    P256,
    /// Ed25519.
    Ed25519,
    /// RSA with 2048 bits; slow to make.
    Rsa2048,
}

/// What basicConstraints says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Role {
    /// CA:FALSE.
    #[default]
    Leaf,
    /// CA:TRUE, as `openssl req -x509` marks self-signed certificates.
    Authority,
    /// The extension is absent.
    Unsaid,
}

/// String type of SRVName.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SrvString {
    /// IA5String (RFC 4985 §2).
    #[default]
    Ia5,
    /// UTF8String, as some tools write it.
    Utf8,
}

/// What an authority may do.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuthoritySpec<'a> {
    /// Extended key usage; `None` (the extension absent) is the usual one.
    pub eku: Option<Eku>,
    /// When the certificate is good.
    pub validity: Validity,
    /// DNS subtrees it may certify (name constraints); empty: all.
    pub permitted_dns: &'a [&'a str],
}

/// A certificate with its chain and key.
#[derive(Debug)]
pub struct Issued {
    /// Leaf first, then intermediates; without the root.
    pub chain_pem: String,
    /// PKCS #8.
    pub key_pem: String,
    /// Leaf first, then intermediates; without the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// PKCS #8.
    pub key: PrivateKeyDer<'static>,
}

impl Issued {
    /// The leaf.
    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    /// Writes `NAME.crt` and `NAME.key` and returns both paths.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_pem(&self, directory: &Path, name: &str) -> io::Result<(PathBuf, PathBuf)> {
        let certificate = directory.join(format!("{name}.crt"));
        let key = directory.join(format!("{name}.key"));
        fs::write(&certificate, &self.chain_pem)?;
        fs::write(&key, &self.key_pem)?;
        Ok((certificate, key))
    }

    fn new(
        certificate: &rcgen::Certificate,
        above: &[CertificateDer<'static>],
        key: &KeyPair,
    ) -> Self {
        let chain: Vec<_> = std::iter::once(certificate.der()).chain(above).cloned().collect();
        Self {
            chain_pem: chain.iter().map(pem).collect(),
            key_pem: key.serialize_pem(),
            chain,
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }
}

/// A certificate authority, root or intermediate.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    /// What a server sends after its leaf: this intermediate and those above it.
    above: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// A root of its own with this common name.
    ///
    /// # Panics
    /// Like all makers here, when the generator refuses: that is a mistake in the test.
    pub fn new(name: &str) -> Self {
        Self::new_with(name, AuthoritySpec::default())
    }

    /// A root of its own, with limits.
    ///
    /// # Panics
    /// See [`Authority::new`].
    pub fn new_with(name: &str, spec: AuthoritySpec<'_>) -> Self {
        let params = authority_params(name, spec);
        let issuer =
            CertifiedIssuer::self_signed(params, key_pair(Key::P256)).expect("a root can be made");
        let root = issuer.der().clone();
        Self { issuer, root, above: Vec::new() }
    }

    /// The root with this common name whose certificate and key were kept.
    ///
    /// # Errors
    /// When the key is malformed.
    pub fn again(
        name: &str,
        root: CertificateDer<'static>,
        key_pem: &str,
    ) -> Result<Self, rcgen::Error> {
        // Name and key are what makes an issuer: the certificate that is made here is not shown to anybody.
        let params = authority_params(name, AuthoritySpec::default());
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::from_pem(key_pem)?)?;
        Ok(Self { issuer, root, above: Vec::new() })
    }

    /// Its key, PKCS #8 in PEM.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// An intermediate authority below this one.
    ///
    /// # Panics
    /// See [`Authority::new`].
    pub fn intermediate(&self, name: &str) -> Self {
        self.intermediate_with(name, AuthoritySpec::default())
    }

    /// An intermediate authority below this one, with limits.
    ///
    /// # Panics
    /// See [`Authority::new`].
    pub fn intermediate_with(&self, name: &str, spec: AuthoritySpec<'_>) -> Self {
        let mut params = authority_params(name, spec);
        params.use_authority_key_identifier_extension = true;
        let issuer = CertifiedIssuer::signed_by(params, key_pair(Key::P256), &self.issuer)
            .expect("an intermediate can be made");
        let mut above = vec![issuer.der().clone()];
        above.extend(self.above.iter().cloned());
        Self { issuer, root: self.root.clone(), above }
    }

    /// A server's leaf, CA:FALSE unless `spec` says otherwise, whose owner issues with it all the same: an attack. It
    /// needs a common name, or what it issues names nobody as its issuer.
    ///
    /// # Panics
    /// See [`Authority::new`].
    pub fn issuing_leaf(&self, spec: CertSpec<'_>) -> Self {
        let issuer =
            CertifiedIssuer::signed_by(leaf_params(spec), key_pair(spec.key), &self.issuer)
                .expect("a leaf can be issued");
        let mut above = vec![issuer.der().clone()];
        above.extend(self.above.iter().cloned());
        Self { issuer, root: self.root.clone(), above }
    }

    /// Issues a certificate.
    ///
    /// # Panics
    /// See [`Authority::new`].
    pub fn issue(&self, spec: CertSpec<'_>) -> Issued {
        let key = key_pair(spec.key);
        let mut params = leaf_params(spec);
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).expect("a leaf can be issued");
        Issued::new(&certificate, &self.above, &key)
    }

    /// The root above this authority.
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The root above this authority, as servers want it in a file.
    pub fn root_pem(&self) -> String {
        pem(&self.root)
    }

    /// The certificate of this authority itself.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.issuer.der()
    }
}

/// A certificate that nobody but its own key vouches for.
///
/// # Panics
/// See [`Authority::new`].
pub fn self_signed(spec: CertSpec<'_>) -> Issued {
    let key = key_pair(spec.key);
    let certificate =
        leaf_params(spec).self_signed(&key).expect("a self-signed certificate can be made");
    Issued::new(&certificate, &[], &key)
}

/// A certificate as a PEM section.
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    const LINE: usize = 64;
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in base64(certificate).as_bytes().chunks(LINE) {
        text.extend(line.iter().map(|&byte| char::from(byte)));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

fn key_pair(kind: Key) -> KeyPair {
    let algorithm = match kind {
        Key::P256 => &PKCS_ECDSA_P256_SHA256,
        Key::Ed25519 => &PKCS_ED25519,
        Key::Rsa2048 => &PKCS_RSA_SHA256,
    };
    KeyPair::generate_for(algorithm).expect("a key can be made")
}

fn authority_params(name: &str, spec: AuthoritySpec<'_>) -> CertificateParams {
    let mut params = dated(spec.validity);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = spec.eku.map(purposes).unwrap_or_default();
    if !spec.permitted_dns.is_empty() {
        let permitted_subtrees = spec
            .permitted_dns
            .iter()
            .map(|name| GeneralSubtree::DnsName((*name).to_owned()))
            .collect();
        params.name_constraints =
            Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    }
    params
}

fn leaf_params(spec: CertSpec<'_>) -> CertificateParams {
    let mut params = dated(spec.validity);
    params.distinguished_name = DistinguishedName::new();
    if let Some(cn) = spec.cn {
        params.distinguished_name.push(DnType::CommonName, cn);
    }
    if let Some(ou) = spec.ou {
        params.distinguished_name.push(DnType::OrganizationalUnitName, ou);
    }
    params.is_ca = match spec.role {
        Role::Leaf => IsCa::ExplicitNoCa,
        Role::Authority => IsCa::Ca(BasicConstraints::Unconstrained),
        Role::Unsaid => IsCa::NoCa,
    };
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if spec.role == Role::Authority {
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    }
    params.extended_key_usages = purposes(spec.eku);
    let names = general_names(&spec);
    if !names.is_empty() {
        let mut extension =
            CustomExtension::from_oid_content(SUBJECT_ALT_NAME, tlv(SEQUENCE, &names));
        // RFC 5280 §4.2.1.6: critical if the subject is empty.
        extension.set_criticality(spec.cn.is_none() && spec.ou.is_none());
        params.custom_extensions.push(extension);
    }
    for (oid, value) in spec.extensions {
        params.custom_extensions.push(CustomExtension::from_oid_content(oid, value.to_vec()));
    }
    params
}

fn dated(validity: Validity) -> CertificateParams {
    let last_day = |year| date_time_ymd(year, 12, 31);
    let (from, to) = match validity {
        Validity::Valid => (2020, last_day(2049)),
        Validity::Expired => (2020, last_day(2021)),
        Validity::NotYetValid => (2048, last_day(2049)),
        Validity::Until(secs) => (2020, date_time_ymd(1970, 1, 1) + Duration::from_secs(secs)),
    };
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = to;
    params
}

fn purposes(eku: Eku) -> Vec<ExtendedKeyUsagePurpose> {
    match eku {
        Eku::ServerOnly => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Eku::ClientOnly => vec![ExtendedKeyUsagePurpose::ClientAuth],
        Eku::Both => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        Eku::Any => vec![ExtendedKeyUsagePurpose::Any],
        Eku::None => vec![],
    }
}

/// id-ce-subjectAltName.
const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
/// id-on-xmppAddr 1.3.6.1.5.5.7.8.5, content octets.
const XMPP_ADDR: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x05];
/// id-on-dnsSRV 1.3.6.1.5.5.7.8.7, content octets.
const SRV_NAME: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x07];

const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const IA5_STRING: u8 = 0x16;
const SEQUENCE: u8 = 0x30;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
const OTHER_NAME: u8 = 0xa0;
const EXPLICIT_VALUE: u8 = 0xa0;

/// The entries of GeneralNames (RFC 5280 §4.2.1.6), without the SEQUENCE around them.
fn general_names(spec: &CertSpec<'_>) -> Vec<u8> {
    let srv_string = match spec.srv_string {
        SrvString::Ia5 => IA5_STRING,
        SrvString::Utf8 => UTF8_STRING,
    };
    let mut names = Vec::new();
    for name in spec.dns {
        names.extend(tlv(DNS_NAME, name.as_bytes()));
    }
    for name in spec.srv_name {
        names.extend(other_name(SRV_NAME, srv_string, name));
    }
    for name in spec.xmpp_addr {
        names.extend(other_name(XMPP_ADDR, UTF8_STRING, name));
    }
    for address in spec.ip {
        match address {
            IpAddr::V4(address) => names.extend(tlv(IP_ADDRESS, &address.octets())),
            IpAddr::V6(address) => names.extend(tlv(IP_ADDRESS, &address.octets())),
        }
    }
    names
}

fn other_name(type_id: &[u8], string: u8, text: &str) -> Vec<u8> {
    let mut fields = tlv(OBJECT_IDENTIFIER, type_id);
    fields.extend(tlv(EXPLICIT_VALUE, &tlv(string, text.as_bytes())));
    tlv(OTHER_NAME, &fields)
}

/// One DER value: tag, length, content.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut value = vec![tag];
    let octets = content.len().to_be_bytes();
    let significant =
        &octets[octets.iter().position(|&octet| octet != 0).unwrap_or(octets.len() - 1)..];
    if content.len() > 0x7f {
        value.push(0x80 | u8::try_from(significant.len()).expect("at most eight octets"));
    }
    value.extend(significant);
    value.extend(content);
    value
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, &byte| (word << 8) | u32::from(byte))
            << (8 * (3 - chunk.len()));
        for sextet in 0..4 {
            let index = (word >> (18 - 6 * sextet)) & 0x3f;
            text.push(if sextet > chunk.len() {
                '='
            } else {
                char::from(ALPHABET[index as usize])
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_chain_has_the_leaf_first_and_no_root() {
        let root = Authority::new("Verona Root");
        let middle = root.intermediate("Verona Intermediate");
        let issued = middle.issue(CertSpec::for_dns(&["capulet.example"]));
        assert_eq!(issued.chain.len(), 2);
        assert_eq!(&issued.chain[1], middle.certificate());
        assert_eq!(middle.root(), root.certificate());
        assert_eq!(issued.chain_pem.matches("BEGIN CERTIFICATE").count(), 2);
        assert!(issued.key_pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    }

    #[test]
    fn pem_reads_back() {
        use rustls_pki_types::pem::PemObject;
        let root = Authority::new("Verona Root");
        let issued = root.issue(CertSpec::for_dns(&["capulet.example", "*.capulet.example"]));
        let read: Vec<_> = CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(read, issued.chain);
        assert_eq!(
            &CertificateDer::from_pem_slice(root.root_pem().as_bytes()).unwrap(),
            root.root()
        );
    }

    #[test]
    fn srv_name_is_an_ia5_string_and_xmpp_addr_a_utf8_string() {
        let spec = CertSpec {
            srv_name: &["_xmpp-server.capulet.example"],
            xmpp_addr: &["capulet.example"],
            ip: &[IpAddr::V4(Ipv4Addr::LOCALHOST)],
            ..CertSpec::default()
        };
        let leaf = self_signed(spec).chain.remove(0);
        let holds = |octets: &[u8]| leaf.windows(octets.len()).any(|window| window == octets);
        assert!(holds(b"\xa0\x1e\x16\x1c_xmpp-server.capulet.example"));
        assert!(holds(b"\xa0\x11\x0c\x0fcapulet.example"));
        assert!(holds(b"\x87\x04\x7f\x00\x00\x01"));
    }

    #[test]
    fn lengths_are_der() {
        assert_eq!(tlv(IA5_STRING, b""), [0x16, 0]);
        assert_eq!(tlv(IA5_STRING, &[0; 0x7f])[..2], [0x16, 0x7f]);
        assert_eq!(tlv(IA5_STRING, &[0; 0x80])[..3], [0x16, 0x81, 0x80]);
        assert_eq!(tlv(IA5_STRING, &[0; 0x100])[..4], [0x16, 0x82, 1, 0]);
    }

    #[test]
    fn every_kind_of_key_signs_itself() {
        for key in [Key::P256, Key::Ed25519, Key::Rsa2048] {
            let issued = self_signed(CertSpec { key, ..CertSpec::for_dns(&["capulet.example"]) });
            assert_eq!(issued.chain.len(), 1);
        }
    }
}
