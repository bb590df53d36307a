//! What the streams ask of policy and of certificates, and the answers.
//!
//! A stream never knows the operator's policy. It asks with [`crate::Output::Judge`] and is told, for one domain pair,
//! what must be proved and what the peer's certificate proves.

use crate::authz::Evidence;

/// What the operator's policy demands of a pair. Later is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Demand {
    /// Nothing: the asserted name is taken (test networks only).
    Assertion,
    /// The name, by server dialback.
    Dialback,
    /// The name by dialback and the channel by TLS, on the verify leg too.
    DialbackOverTls,
    /// The name, by a certificate.
    Certificate,
}

/// What the peer's certificate says about the remote domain of the judged pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateAnswer {
    /// No certificate was shown, or there is no TLS.
    NoneShown,
    /// Chain (or DANE, POSH, pin) and name are proved for exactly this remote domain.
    Proves,
    /// It does not prove the name; a short reason in words for the peer's administrator, without third-party details.
    Fails(Box<str>),
}

/// Who is at the other end, as far as the caller knows without the stream's help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Anybody: the name has to be proved on the stream.
    #[default]
    Stranger,
    /// A server of the operator's own, which serves the judged sender domain and was identified by the address its connection
    /// comes from. Where the channel is what [`Demand`] asks for, it needs no further proof.
    Backend,
}

/// Why a pair may not use this router at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The local domain is not hosted here.
    UnknownHost,
    /// The remote domain is one of ours: somebody borrows our name, or a loop.
    OurOwnDomain,
    /// The sender is a server of the operator's own, and the sender domain is not one of those it serves.
    ForeignDomain,
    /// The operator's policy says no; text for the peer's administrator.
    Policy(Box<str>),
}

/// The answer to [`crate::Output::Judge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What the pair must prove, or why it is refused.
    pub demand: Result<Demand, Refusal>,
    /// What the peer's certificate proves right now.
    pub certificate: CertificateAnswer,
    /// Inbound: who the peer is.
    pub standing: Standing,
}

impl Judgement {
    /// A judgement that demands `demand` where no certificate was shown.
    #[must_use]
    pub fn demands(demand: Demand) -> Self {
        Self {
            demand: Ok(demand),
            certificate: CertificateAnswer::NoneShown,
            standing: Standing::Stranger,
        }
    }

    /// A judgement that refuses the pair.
    #[must_use]
    pub fn refuses(refusal: Refusal) -> Self {
        Self { demand: Err(refusal), ..Self::demands(Demand::Certificate) }
    }

    /// The same judgement with another answer about the certificate.
    #[must_use]
    pub fn with_certificate(mut self, certificate: CertificateAnswer) -> Self {
        self.certificate = certificate;
        self
    }

    /// The same judgement of a peer with this standing.
    #[must_use]
    pub fn with_standing(mut self, standing: Standing) -> Self {
        self.standing = standing;
        self
    }

    /// What proves the sender of the pair on an inbound stream without asking anybody; `None` where something has to be asked,
    /// or is missing.
    pub(crate) fn evidence_at_hand(&self, tls: bool) -> Option<Evidence> {
        let demand = *self.demand.as_ref().ok()?;
        let certificate = tls && self.certificate == CertificateAnswer::Proves;
        match self.standing {
            Standing::Stranger => certificate.then_some(Evidence::CertificateProvesSender),
            Standing::Backend => {
                let suffices = match demand {
                    Demand::Assertion | Demand::Dialback => true,
                    Demand::DialbackOverTls => tls,
                    Demand::Certificate => certificate,
                };
                suffices.then_some(Evidence::BackendIdentified)
            }
        }
    }
}
