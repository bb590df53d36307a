//! What one stream observed about one domain pair.

use crate::chain::ChainVerdict;
use crate::names::NameVerdict;

/// What was observed of one domain pair on one stream, about the remote domain.
///
/// Evidence belongs to the pair *and* the stream: it is never carried to another stream, and a second sender domain on
/// the same stream has evidence of its own (XEP-0220 §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// How the remote domain showed that it is who it says.
    pub name: NameProof,
    /// How this stream is carried.
    pub channel: Channel,
    /// The remote certificate of this stream, judged against the remote domain of this pair.
    pub certificate: CertificateFacts,
}

/// How the name of the remote domain was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameProof {
    /// Not at all: the peer said so.
    Asserted,
    /// The authoritative server confirmed the key (XEP-0220): the name is as good as DNS.
    Dialback {
        /// The connection to the authoritative server was under TLS.
        verify_leg_tls: bool,
    },
    /// Our own connection went to the address DNS names for the domain and the domain answered: outbound streams. The
    /// proof is DNS, as with dialback, and there is no other leg.
    Resolved,
    /// The certificate of this stream spoke for the name.
    Certificate(CertificateUse),
}

/// The step in which the certificate spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateUse {
    /// SASL EXTERNAL (XEP-0178 §3).
    External,
    /// A `db:result` answered from the certificate without a verify leg (XEP-0344).
    Dialback,
}

/// How the stream is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// TCP without TLS.
    Plain,
    /// STARTTLS or direct TLS, with any certificate.
    Tls,
}

/// The remote certificate of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFacts {
    /// None was presented.
    None,
    /// One was presented and judged.
    Presented {
        /// The chain, at the time of judging.
        chain: ChainVerdict,
        /// Whether the leaf names the remote domain of this pair.
        name: NameVerdict,
    },
}

impl CertificateFacts {
    /// Whether chain and name together prove the domain.
    pub const fn proves(&self) -> bool {
        matches!(
            self,
            Self::Presented { chain: ChainVerdict::Trusted { .. }, name: NameVerdict::Match(_) }
        )
    }
}
