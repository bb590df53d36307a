//! What a peer is told of a pair that was refused.

use crate::event::{DialbackCondition, RefusedBecause};
use crate::judge::Refusal;

/// For the administrator of a backend, in the error that it logs.
pub(crate) const FOREIGN_DOMAIN: &str = "this server is not configured for the sender domain";

impl From<Refusal> for RefusedBecause {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownHost => Self::UnknownHost,
            Refusal::OurOwnDomain => Self::OurOwnDomain,
            Refusal::ForeignDomain => Self::ForeignDomain,
            Refusal::Policy(text) => Self::Policy(text),
        }
    }
}

impl RefusedBecause {
    /// The dialback error (XEP-0220 §2.5).
    pub(crate) fn condition(&self) -> DialbackCondition {
        match self {
            // XEP-0220 §2.2.1: MUST NOT close the stream.
            Self::UnknownHost => DialbackCondition::ItemNotFound,
            Self::OurOwnDomain | Self::ForeignDomain => DialbackCondition::NotAcceptable,
            Self::Policy(_) | Self::TlsRequired | Self::LegNotTls => {
                DialbackCondition::PolicyViolation
            }
            Self::CertificateRequired(_) | Self::ExternalRefused => {
                DialbackCondition::NotAuthorized
            }
            Self::DialbackInvalid => DialbackCondition::Forbidden,
            Self::DialbackFailed(condition) => *condition,
            Self::TooManyPending | Self::AskedInReverse => DialbackCondition::ResourceConstraint,
        }
    }

    /// What helps the peer's administrator; never a detail about third parties.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::TlsRequired => Some("TLS is required before dialback".into()),
            // A leg that could not have TLS at all fails by policy before the key is asked.
            Self::LegNotTls | Self::DialbackFailed(DialbackCondition::PolicyViolation) => {
                Some("TLS is required on the authoritative server too".into())
            }
            Self::CertificateRequired(reason) => {
                Some(format!("a valid certificate is required: {reason}"))
            }
            Self::Policy(text) => Some(text.to_string()),
            Self::ForeignDomain => Some(FOREIGN_DOMAIN.into()),
            Self::UnknownHost
            | Self::OurOwnDomain
            | Self::DialbackInvalid
            | Self::DialbackFailed(_)
            | Self::TooManyPending
            | Self::AskedInReverse
            | Self::ExternalRefused => None,
        }
    }

    /// What lacks is TLS or a certificate: no other key helps the pair, and none of its streams will do better before that.
    pub(crate) fn is_for_the_peer_to_mend(&self) -> bool {
        matches!(
            self,
            Self::TlsRequired
                | Self::LegNotTls
                | Self::DialbackFailed(DialbackCondition::PolicyViolation)
                | Self::CertificateRequired(_)
                | Self::Policy(_)
        )
    }
}
