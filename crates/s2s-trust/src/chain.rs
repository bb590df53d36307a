//! Judging a chain of certificates for federation.

use std::fmt;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeId,
    KeyPurposeIdIter, KeyUsage, RequiredEkuNotFoundContext, VerifiedPath,
};

use crate::certificate::{ANY_USAGE, Certificate, SERVER_AUTH};
use crate::der::NotDer;
use crate::names::LeafNames;
use crate::roots::Roots;

/// The most certificates of one chain that are looked at, leaf included. The web's chains have two to four.
pub const CHAIN_CERTIFICATES_MAX: usize = 10;

/// What a chain is worth. `Display` speaks to the administrator of the server that presented it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChainVerdict {
    /// It leads to a configured root, every certificate is valid now and may speak for a server.
    Trusted {
        /// When the first certificate of the path expires: the verdict holds no longer than that.
        not_after: UnixTime,
    },
    /// The leaf names itself as its issuer and is not configured as a root.
    SelfSigned,
    /// No path to a configured root: another authority, or intermediates that were not sent.
    UnknownIssuer,
    /// A certificate of the path has expired.
    Expired,
    /// A certificate of the path is not valid yet.
    NotYetValid,
    /// A certificate of the path is restricted to other uses, for instance to TLS clients.
    WrongUsage,
    /// A signature does not verify.
    BadSignature,
    /// A certificate authority's own certificate was presented as a leaf.
    AuthorityAsLeaf,
    /// An issuer of the path is not allowed to issue (not an authority, or its path length is used up).
    IssuerNotAuthority,
    /// The leaf has names its authority is not allowed to certify.
    NameConstraints,
    /// A signature algorithm or key that is not accepted, such as SHA-1 or RSA below 2048 bits.
    UnsupportedAlgorithm,
    /// A critical extension or a version that is not understood.
    UnsupportedExtension,
    /// Distrusted by decision.
    Revoked,
    /// More certificates or candidate paths than are looked at.
    TooComplex,
    /// Not DER, or not a certificate.
    Malformed,
    /// There is no certificate in the chain.
    Empty,
}

/// Judges a chain, leaf first; further certificates may come in any order and may be superfluous.
///
/// The same rule serves both directions. A connecting server is a TLS *client*, but what its certificate has to prove is
/// the name of a *server*, and public authorities no longer issue for TLS clients: so the extended key usage must be
/// absent or hold serverAuth or anyExtendedKeyUsage, and clientAuth alone is refused, whoever opened the connection.
///
/// A leaf that is, byte for byte, one of the configured roots is trusted while it is valid, CA flag or not: that is how a
/// private set-up names a self-signed server. Nothing is derived from it unless it is an authority (see [`Roots`]).
///
/// An authority with name constraints (RFC 5280 §4.2.1.10) vouches for an SRVName or xmppAddr only if a dNSName of the
/// same leaf says the same: constraints on DNS names do not reach into otherName, so such a name could otherwise escape
/// them.
///
/// `now` decides validity, both ends inclusive. Revocation is not looked up.
pub fn judge_chain(chain: &[CertificateDer<'_>], roots: &Roots, now: UnixTime) -> ChainVerdict {
    let Some((leaf, intermediates)) = chain.split_first() else { return ChainVerdict::Empty };
    if chain.len() > CHAIN_CERTIFICATES_MAX {
        return ChainVerdict::TooComplex;
    }
    if roots.contains(leaf) {
        return judge_configured(leaf, now).unwrap_or(ChainVerdict::Malformed);
    }
    match build_path(leaf, intermediates, roots, now) {
        Ok(not_after) => ChainVerdict::Trusted { not_after },
        // More to the point than what is wrong with it besides.
        Err(_) if Certificate::parse(leaf).is_ok_and(|leaf| leaf.is_self_issued()) => {
            ChainVerdict::SelfSigned
        }
        Err(error) => ChainVerdict::from_error(&error),
    }
}

/// The leaf itself is configured as a root.
fn judge_configured(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<ChainVerdict, NotDer> {
    let leaf = Certificate::parse(leaf)?;
    Ok(if now < leaf.not_before() {
        ChainVerdict::NotYetValid
    } else if now > leaf.not_after() {
        ChainVerdict::Expired
    } else if !leaf.allows_server_usage()? {
        ChainVerdict::WrongUsage
    } else {
        ChainVerdict::Trusted { not_after: leaf.not_after() }
    })
}

/// Finds a path to a root; the end of its validity.
fn build_path(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &Roots,
    now: UnixTime,
) -> Result<UnixTime, Error> {
    let end_entity = EndEntityCert::try_from(leaf)?;
    let respects_constraints = |path: &VerifiedPath<'_>| {
        if !is_constrained(path)?
            || LeafNames::parse(leaf).is_ok_and(|names| names.dns_covers_the_rest())
        {
            Ok(())
        } else {
            Err(Error::NameConstraintViolation)
        }
    };
    let path = end_entity.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        roots.anchors(),
        intermediates,
        now,
        ServerUsage,
        None,
        Some(&respects_constraints),
    )?;
    let mut not_after = parse(leaf)?.not_after();
    for intermediate in path.intermediate_certificates() {
        not_after = not_after.min(parse(&intermediate.der())?.not_after());
    }
    Ok(not_after)
}

fn is_constrained(path: &VerifiedPath<'_>) -> Result<bool, Error> {
    if path.anchor().name_constraints.is_some() {
        return Ok(true);
    }
    for intermediate in path.intermediate_certificates() {
        if parse(&intermediate.der())?.has_name_constraints().map_err(|NotDer| Error::BadDer)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<Certificate<'a>, Error> {
    Certificate::parse(certificate).map_err(|NotDer| Error::BadDer)
}

/// RFC 5280 §4.2.1.12, as [`judge_chain`] explains it.
struct ServerUsage;

impl ExtendedKeyUsageValidator for ServerUsage {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let accepted = [KeyPurposeId::new(SERVER_AUTH), KeyPurposeId::new(ANY_USAGE)];
        let mut present = Vec::new();
        for purpose in purposes {
            let purpose = purpose?;
            if accepted.contains(&purpose) {
                return Ok(());
            }
            present.push(purpose.to_decoded_oid());
        }
        if present.is_empty() {
            // No extension. An extension that is there but empty never comes here.
            return Ok(());
        }
        let required = KeyUsage::server_auth();
        Err(Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext { required, present }))
    }
}

impl ChainVerdict {
    fn from_error(error: &Error) -> Self {
        match error {
            Error::UnknownIssuer => Self::UnknownIssuer,
            Error::CertExpired { .. } => Self::Expired,
            Error::CertNotValidYet { .. } => Self::NotYetValid,
            Error::RequiredEkuNotFoundContext(_) => Self::WrongUsage,
            Error::InvalidSignatureForPublicKey => Self::BadSignature,
            Error::CaUsedAsEndEntity => Self::AuthorityAsLeaf,
            Error::EndEntityUsedAsCa | Error::PathLenConstraintViolated => Self::IssuerNotAuthority,
            Error::NameConstraintViolation => Self::NameConstraints,
            Error::UnsupportedSignatureAlgorithmContext(_)
            | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                Self::UnsupportedAlgorithm
            }
            Error::UnsupportedCriticalExtension | Error::UnsupportedCertVersion => {
                Self::UnsupportedExtension
            }
            Error::CertDistrusted | Error::CertRevoked => Self::Revoked,
            Error::MaximumSignatureChecksExceeded
            | Error::MaximumPathBuildCallsExceeded
            | Error::MaximumPathDepthExceeded
            | Error::MaximumNameConstraintComparisonsExceeded => Self::TooComplex,
            // What is left is about DER and field values; errors about revocation lists and names do not occur because
            // neither is asked for.
            _ => Self::Malformed,
        }
    }

    /// Whether the chain leads to a root.
    pub const fn is_trusted(&self) -> bool {
        matches!(self, Self::Trusted { .. })
    }

    /// A stable word for counters and the census.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Trusted { .. } => "trusted-chain",
            Self::SelfSigned => "self-signed",
            Self::UnknownIssuer => "unknown-issuer",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::WrongUsage => "wrong-usage",
            Self::BadSignature => "bad-signature",
            Self::AuthorityAsLeaf => "authority-as-leaf",
            Self::IssuerNotAuthority => "issuer-not-authority",
            Self::NameConstraints => "name-constraints",
            Self::UnsupportedAlgorithm => "unsupported-algorithm",
            Self::UnsupportedExtension => "unsupported-extension",
            Self::Revoked => "revoked",
            Self::TooComplex => "chain-too-complex",
            Self::Malformed => "malformed",
            Self::Empty => "empty-chain",
        }
    }

    /// Every verdict but `Trusted`.
    #[cfg(test)]
    pub(crate) fn refusals() -> Vec<Self> {
        vec![
            Self::SelfSigned,
            Self::UnknownIssuer,
            Self::Expired,
            Self::NotYetValid,
            Self::WrongUsage,
            Self::BadSignature,
            Self::AuthorityAsLeaf,
            Self::IssuerNotAuthority,
            Self::NameConstraints,
            Self::UnsupportedAlgorithm,
            Self::UnsupportedExtension,
            Self::Revoked,
            Self::TooComplex,
            Self::Malformed,
            Self::Empty,
        ]
    }
}

impl fmt::Display for ChainVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trusted { .. } => "the certificate leads to a trusted authority",
            Self::SelfSigned => "the certificate is self-signed: use one from a certificate authority",
            Self::UnknownIssuer => {
                "no trusted authority issued the certificate, or the intermediate certificates were not sent: send the \
                 full chain"
            }
            Self::Expired => "the certificate or one of its chain has expired: renew it and reload the server",
            Self::NotYetValid => "the certificate or one of its chain is not valid yet: check the clock",
            Self::WrongUsage => {
                "the certificate may not be used for servers: its extended key usage lacks serverAuth"
            }
            Self::BadSignature => "a signature in the certificate chain does not verify",
            Self::AuthorityAsLeaf => "the certificate is that of an authority (CA:TRUE): use a server certificate",
            Self::IssuerNotAuthority => "the certificate was issued by a certificate that may not issue",
            Self::NameConstraints => "the certificate has names that its authority may not certify",
            Self::UnsupportedAlgorithm => {
                "the certificate chain uses an algorithm that is not accepted: use ECDSA, Ed25519 or RSA from 2048 bits \
                 with SHA-256 or better"
            }
            Self::UnsupportedExtension => "the certificate has a version or a critical extension that is not supported",
            Self::Revoked => "the certificate or one of its chain is distrusted",
            Self::TooComplex => "the certificate chain is too long",
            Self::Malformed => "the certificate is malformed",
            Self::Empty => "the certificate chain is empty",
        })
    }
}
