//! What the streams ask of policy and of certificates, and the answers.
//!
//! A stream never knows the operator's policy. It asks with [`crate::Output::Judge`] and is told, for one domain pair,
//! what must be proved and what the peer's certificate proves.

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

/// Why a pair may not use this router at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The local domain is not hosted here.
    UnknownHost,
    /// The remote domain is one of ours: somebody borrows our name, or a loop.
    OurOwnDomain,
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
}

impl Judgement {
    /// A judgement that demands `demand` where no certificate was shown.
    #[must_use]
    pub fn demands(demand: Demand) -> Self {
        Self { demand: Ok(demand), certificate: CertificateAnswer::NoneShown }
    }

    /// A judgement that refuses the pair.
    #[must_use]
    pub fn refuses(refusal: Refusal) -> Self {
        Self { demand: Err(refusal), certificate: CertificateAnswer::NoneShown }
    }

    /// The same judgement with another answer about the certificate.
    #[must_use]
    pub fn with_certificate(mut self, certificate: CertificateAnswer) -> Self {
        self.certificate = certificate;
        self
    }
}
