//! Chain and name together.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::{CertificateDer, UnixTime};
use xmpp_addr::Domain;

use crate::chain::{ChainVerdict, judge_chain};
use crate::evidence::CertificateFacts;
use crate::names::{LeafNames, NameVerdict};
use crate::roots::Roots;

/// What a certificate is worth to one domain at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateJudgement {
    /// The chain.
    pub chain: ChainVerdict,
    /// Whether the leaf names the domain.
    pub name: NameVerdict,
}

impl CertificateJudgement {
    /// Whether the certificate proves the domain. Only then may SASL EXTERNAL be offered or a `db:result` be answered
    /// without a verify leg.
    pub const fn proves(&self) -> bool {
        self.facts().proves()
    }

    /// The judgement as evidence.
    pub const fn facts(&self) -> CertificateFacts {
        CertificateFacts::Presented { chain: self.chain, name: self.name }
    }
}

impl From<CertificateJudgement> for CertificateFacts {
    fn from(judgement: CertificateJudgement) -> Self {
        judgement.facts()
    }
}

impl fmt::Display for CertificateJudgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is right with a certificate that does not prove is no help to who has to mend it.
        match (self.chain.is_trusted(), matches!(self.name, NameVerdict::Match(_))) {
            (true, _) => write!(f, "{}", self.name),
            (false, true) => write!(f, "{}", self.chain),
            (false, false) => write!(f, "{}; {}", self.chain, self.name),
        }
    }
}

/// Judges a certificate, leaf first, for exactly this domain at this moment.
///
/// Ask for each sender domain anew: a certificate that proved one domain of a stream says nothing about the next
/// `db:result` on it (CVE-2021-32919). Ask again after a resumed TLS handshake, where no verifier ran.
///
/// Cost: a signature check for each certificate of the path, tens of microseconds with P-256. A cache may keep a
/// judgement that proves until the end given in [`ChainVerdict::Trusted`], by ([`fingerprint`], domain, generation of
/// roots). A refusal may depend on intermediates that were not sent this time, so its key needs the whole chain.
pub fn judge_certificate(
    chain: &[CertificateDer<'_>],
    domain: &Domain,
    roots: &Roots,
    now: UnixTime,
) -> CertificateJudgement {
    // Names are read from the leaf and from nothing else: anybody may append somebody's public certificate.
    let name = match chain.first().map(LeafNames::parse) {
        None => NameVerdict::NoNames,
        Some(Err(_)) => NameVerdict::Malformed,
        Some(Ok(names)) => names.proves(domain),
    };
    CertificateJudgement { chain: judge_chain(chain, roots, now), name }
}

/// SHA-256 of the certificate: the key of caches and the identity in events, so that a change of key or issuer is seen.
pub fn fingerprint(leaf: &CertificateDer<'_>) -> [u8; 32] {
    let digest = digest(&SHA256, leaf);
    let mut fingerprint = [0; 32];
    for (to, from) in fingerprint.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    fingerprint
}
