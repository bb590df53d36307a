//! Which domains a leaf certificate names.
//!
//! Only the subjectAltName of the leaf speaks (RFC 9525 §2: the common name is not a service identity). Its otherName
//! entries are read here because the chain builder knows DNS names only.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls_pki_types::CertificateDer;
use xmpp_addr::Domain;

use crate::certificate::{Certificate, SUBJECT_ALT_NAME};
use crate::der::{self, NotDer};

mod fault;

pub use fault::{LeafNamesError, NameFault};

/// A leaf with more subjectAltName entries is not read. Public authorities stop at 100 to 1000.
pub const LEAF_NAMES_MAX: usize = 1024;

/// id-on-xmppAddr 1.3.6.1.5.5.7.8.5 (RFC 6120 §13.7.1.4).
const XMPP_ADDR: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x05];
/// id-on-dnsSRV 1.3.6.1.5.5.7.8.7 (RFC 4985 §2).
const SRV_NAME: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x07];

/// The service of server-to-server streams (RFC 6120 §13.7.1.2.1). `_xmpp-client` proves nothing between servers.
/// `_xmpps-server` is no such service either: XEP-0368 §3 rule 4 has certificates of direct TLS "validated the same way
/// as for STARTTLS".
const SERVICE: &str = "_xmpp-server.";

/// Tags of GeneralName (RFC 5280 §4.2.1.6), implicit context tags.
const OTHER_NAME: u8 = 0xa0;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// The kind of name that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// dNSName.
    Dns,
    /// dNSName with a wildcard.
    DnsWildcard,
    /// SRVName.
    Srv,
    /// SRVName with a wildcard after the service.
    SrvWildcard,
    /// xmppAddr.
    XmppAddr,
    /// iPAddress.
    Ip,
}

/// Whether a leaf names a domain. `Display` speaks to the administrator of the server that presented it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameVerdict {
    /// It does, with this kind of name.
    Match(NameKind),
    /// It names other domains.
    Mismatch,
    /// It names no domain at all; a common name is not one.
    NoNames,
    /// The names cannot be read, or none of them is valid.
    Malformed,
}

/// The names of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafNames {
    names: Vec<LeafName>,
    refused: Vec<NameFault>,
    /// Entries that are no names of servers: mail addresses, URIs, users, other services.
    others: usize,
}

/// One name of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafName {
    /// dNSName.
    Dns(NamePattern),
    /// SRVName of the service `_xmpp-server`.
    Srv(NamePattern),
    /// xmppAddr without localpart and resourcepart.
    XmppAddr(Domain),
    /// iPAddress.
    Ip(IpAddr),
}

/// A domain, or one label below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// This domain.
    Exact(Domain),
    /// Any one label directly below this domain. Narrower than [`xmpp_addr::DomainPattern::Below`], which goes deeper.
    OneLabelBelow(Domain),
}

impl LeafNames {
    /// Reads the subjectAltName. A leaf without one has no names.
    ///
    /// An entry that is not valid is passed over and kept as a fault (RFC 9525 §6.3 on wildcards: "the presented
    /// identifier is invalid and MUST be ignored"); it cannot match and does not spoil the others.
    ///
    /// # Errors
    /// When the certificate or the extension cannot be read, or has too many names.
    pub fn parse(leaf: &CertificateDer<'_>) -> Result<Self, LeafNamesError> {
        let mut names = Self { names: Vec::new(), refused: Vec::new(), others: 0 };
        let certificate = Certificate::parse(leaf).map_err(|NotDer| LeafNamesError::Certificate)?;
        let extension =
            certificate.extension(SUBJECT_ALT_NAME).map_err(|NotDer| LeafNamesError::Repeated)?;
        let Some(extension) = extension else { return Ok(names) };
        let entries =
            der::only(extension, der::SEQUENCE).map_err(|NotDer| LeafNamesError::Extension)?;
        let mut entries = der::Reader::new(entries);
        let mut count = 0;
        while !entries.is_empty() {
            count += 1;
            if count > LEAF_NAMES_MAX {
                return Err(LeafNamesError::TooMany);
            }
            let entry = entries.element().map_err(|NotDer| LeafNamesError::Extension)?;
            match read_entry(entry) {
                Ok(Some(name)) => names.names.push(name),
                Ok(None) => names.others += 1,
                Err(fault) => names.refused.push(fault),
            }
        }
        Ok(names)
    }

    /// Whether the leaf names this domain.
    ///
    /// A domain that is an IP literal is matched by iPAddress, octet for octet (RFC 9525 §6.4), and by no dNSName or
    /// SRVName; an iPAddress matches nothing else, so it never speaks for a name that resolves to it.
    pub fn proves(&self, domain: &Domain) -> NameVerdict {
        if let Some(kind) = self.names.iter().find_map(|name| name.matches(domain)) {
            return NameVerdict::Match(kind);
        }
        match (self.names.is_empty(), self.refused.is_empty()) {
            (false, _) => NameVerdict::Mismatch,
            (true, true) => NameVerdict::NoNames,
            (true, false) => NameVerdict::Malformed,
        }
    }

    /// The valid names, in the order of the certificate.
    pub fn iter(&self) -> std::slice::Iter<'_, LeafName> {
        self.names.iter()
    }

    /// Why entries were passed over, in the order of the certificate.
    pub fn refused(&self) -> &[NameFault] {
        &self.refused
    }

    /// Whether each SRVName and xmppAddr says no more than the dNSNames and iPAddresses do.
    pub(crate) fn dns_covers_the_rest(&self) -> bool {
        self.names.iter().all(|name| match name {
            LeafName::Dns(_) | LeafName::Ip(_) => true,
            LeafName::Srv(NamePattern::Exact(domain)) | LeafName::XmppAddr(domain) => {
                self.names.iter().any(|other| {
                    matches!(other, LeafName::Dns(_) | LeafName::Ip(_))
                        && other.matches(domain).is_some()
                })
            }
            LeafName::Srv(wildcard) => self
                .names
                .iter()
                .any(|other| matches!(other, LeafName::Dns(dns) if dns == wildcard)),
        })
    }
}

impl<'a> IntoIterator for &'a LeafNames {
    type Item = &'a LeafName;
    type IntoIter = std::slice::Iter<'a, LeafName>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl LeafName {
    /// The kind of match, if this name means the domain.
    fn matches(&self, domain: &Domain) -> Option<NameKind> {
        let (matched, kind) = match self {
            Self::Dns(pattern @ NamePattern::Exact(_)) => (pattern.matches(domain), NameKind::Dns),
            Self::Dns(pattern @ NamePattern::OneLabelBelow(_)) => {
                (pattern.matches(domain), NameKind::DnsWildcard)
            }
            Self::Srv(pattern @ NamePattern::Exact(_)) => (pattern.matches(domain), NameKind::Srv),
            Self::Srv(pattern @ NamePattern::OneLabelBelow(_)) => {
                (pattern.matches(domain), NameKind::SrvWildcard)
            }
            // Both sides went through the same normalisation, which maps U-labels and A-labels to one form.
            Self::XmppAddr(address) => (address == domain, NameKind::XmppAddr),
            Self::Ip(address) => (ip_literal(domain) == Some(*address), NameKind::Ip),
        };
        matched.then_some(kind)
    }
}

impl NamePattern {
    /// Whether the domain is meant.
    pub fn matches(&self, domain: &Domain) -> bool {
        match self {
            Self::Exact(name) => name == domain,
            // `parent` of an IP literal is none, so 10.0.0.1 is not "below" anything.
            Self::OneLabelBelow(base) => domain.parent() == Some(base.as_str()),
        }
    }

    /// `name` or `*.name`, in ASCII.
    fn parse(text: &str) -> Result<Self, NameFault> {
        let (base, wildcard) = text.strip_prefix("*.").map_or((text, false), |base| (base, true));
        if base.contains('*') {
            return Err(NameFault::Wildcard);
        }
        // RFC 5280 §4.2.1.6: dNSName is in the preferred name syntax, which has no final dot.
        if base.ends_with('.') {
            return Err(NameFault::NotADomain);
        }
        let base = Domain::parse(base).map_err(|_| NameFault::NotADomain)?;
        if base.is_ip_literal() {
            return Err(NameFault::Address);
        }
        match (wildcard, base.parent()) {
            (false, _) => Ok(Self::Exact(base)),
            // `*.example` would speak for a whole registry.
            (true, None) => Err(NameFault::Wildcard),
            (true, Some(_)) => Ok(Self::OneLabelBelow(base)),
        }
    }
}

/// Reads one GeneralName; `None` if it is none of a server.
fn read_entry(entry: der::Element<'_>) -> Result<Option<LeafName>, NameFault> {
    match entry.tag {
        DNS_NAME => {
            NamePattern::parse(ascii(entry.content)?).map(|pattern| Some(LeafName::Dns(pattern)))
        }
        IP_ADDRESS => address(entry.content).map(|address| Some(LeafName::Ip(address))),
        OTHER_NAME => read_other_name(entry.content),
        _ => Ok(None),
    }
}

/// OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY } (RFC 5280 §4.2.1.6).
fn read_other_name(content: &[u8]) -> Result<Option<LeafName>, NameFault> {
    let mut fields = der::Reader::new(content);
    let type_id = fields.expect(der::OBJECT_IDENTIFIER)?;
    if type_id != XMPP_ADDR && type_id != SRV_NAME {
        return Ok(None);
    }
    let mut value = der::Reader::new(fields.expect(0xa0)?);
    let string = value.element()?;
    if !fields.is_empty() || !value.is_empty() {
        return Err(NameFault::Encoding);
    }
    // SRVName is an IA5String (RFC 4985 §2), xmppAddr a UTF8String (RFC 6120 §13.7.1.4). Tools mix them up; the octets
    // mean the same in both, so either tag is read with the rules of the name.
    if string.tag != der::UTF8_STRING && string.tag != der::IA5_STRING {
        return Err(NameFault::Encoding);
    }
    if type_id == SRV_NAME { read_srv_name(string.content) } else { read_xmpp_addr(string.content) }
}

fn read_srv_name(content: &[u8]) -> Result<Option<LeafName>, NameFault> {
    let text = ascii(content)?;
    // RFC 9525 §6.5: the application service name is matched case-insensitively.
    match text.split_at_checked(SERVICE.len()) {
        Some((service, name)) if service.eq_ignore_ascii_case(SERVICE) => {
            NamePattern::parse(name).map(|pattern| Some(LeafName::Srv(pattern)))
        }
        _ => Ok(None),
    }
}

fn read_xmpp_addr(content: &[u8]) -> Result<Option<LeafName>, NameFault> {
    let text = std::str::from_utf8(content).map_err(|_| NameFault::Encoding)?;
    if text.contains(['@', '/']) {
        // A user or a resource: real certificates, but not those of servers.
        return Ok(None);
    }
    if text.contains('\0') {
        return Err(NameFault::Character);
    }
    // No wildcards in xmppAddr: `*` is no character of a domain.
    Domain::parse(text)
        .map(|domain| Some(LeafName::XmppAddr(domain)))
        .map_err(|_| NameFault::NotADomain)
}

/// Printable ASCII only. U+0000 in the middle of a name once ended it for C readers, and a non-ASCII octet has no meaning
/// in IA5String (RFC 5280 §7.2: internationalised names are stored as A-labels).
fn ascii(content: &[u8]) -> Result<&str, NameFault> {
    if !content.iter().all(u8::is_ascii_graphic) {
        return Err(NameFault::Character);
    }
    std::str::from_utf8(content).map_err(|_| NameFault::Character)
}

fn address(content: &[u8]) -> Result<IpAddr, NameFault> {
    if let Ok(octets) = <[u8; 4]>::try_from(content) {
        return Ok(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    <[u8; 16]>::try_from(content)
        .map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))
        .map_err(|_| NameFault::Address)
}

fn ip_literal(domain: &Domain) -> Option<IpAddr> {
    if !domain.is_ip_literal() {
        return None;
    }
    let text = domain.as_str();
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse().ok()
}

impl NameVerdict {
    /// Whether the domain is named.
    pub const fn is_match(&self) -> bool {
        matches!(self, Self::Match(_))
    }

    /// A stable word for counters and the census.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Match(_) => "name-match",
            Self::Mismatch => "name-mismatch",
            Self::NoNames => "no-names",
            Self::Malformed => "names-malformed",
        }
    }
}

impl fmt::Display for NameVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match(kind) => write!(f, "the certificate names the domain ({kind})"),
            Self::Mismatch => f.write_str("the certificate does not name this domain: add it as a subjectAltName"),
            Self::NoNames => {
                f.write_str("the certificate names no domain: it needs a subjectAltName, a common name does not count")
            }
            Self::Malformed => f.write_str("the names in the certificate are malformed"),
        }
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "dNSName",
            Self::DnsWildcard => "dNSName with wildcard",
            Self::Srv => "SRVName",
            Self::SrvWildcard => "SRVName with wildcard",
            Self::XmppAddr => "xmppAddr",
            Self::Ip => "iPAddress",
        })
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(domain) => write!(f, "{domain}"),
            Self::OneLabelBelow(domain) => write!(f, "*.{domain}"),
        }
    }
}

impl fmt::Display for LeafName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(pattern) => write!(f, "dns:{pattern}"),
            Self::Srv(pattern) => write!(f, "srv:{SERVICE}{pattern}"),
            Self::XmppAddr(domain) => write!(f, "xmpp:{domain}"),
            Self::Ip(address) => write!(f, "ip:{address}"),
        }
    }
}

/// One line for a log: names are canonical domains, so no byte of the certificate gets there as it is.
impl fmt::Display for LeafNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() {
            f.write_str("no names")?;
        }
        for (index, name) in self.names.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name}")?;
        }
        if !self.refused.is_empty() {
            write!(f, " ({} refused)", self.refused.len())?;
        }
        if self.others > 0 {
            write!(f, " ({} other)", self.others)?;
        }
        Ok(())
    }
}
