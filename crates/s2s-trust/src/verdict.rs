//! Evidence to rung, with the reason why not the next one.

use std::fmt;

use crate::chain::ChainVerdict;
use crate::evidence::{CertificateFacts, Channel, Evidence, NameProof};
use crate::names::NameVerdict;
use crate::rung::Rung;

/// The rung that evidence earns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The rung reached.
    pub rung: Rung,
    /// Why not the next rung; `None` at the top only.
    pub missing: Option<Missing>,
}

/// What stands between a pair and the next rung. `Display` speaks to the administrator of the remote server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// The name is only asserted.
    ProofOfName,
    /// The stream is plain.
    Tls,
    /// The verify leg was plain (attack: a TLS first leg that hides a plaintext verification).
    VerifyLegTls,
    /// No certificate was presented.
    Certificate,
    /// The certificate does not lead to a trusted root.
    Chain(ChainVerdict),
    /// The certificate does not name the domain.
    Name(NameVerdict),
}

/// Judges evidence. Total: contradictory evidence earns the lower rung.
///
/// | name proof | channel | certificate | rung |
/// | --- | --- | --- | --- |
/// | asserted | any | any | promiscuous |
/// | dialback, resolved | plain | – | verified |
/// | dialback with a plain verify leg | TLS | does not prove | verified |
/// | dialback, verify leg under TLS; resolved | TLS | does not prove | secure |
/// | dialback, resolved | TLS | chain and name | trusted |
/// | from the certificate | TLS | chain and name | trusted |
/// | from the certificate | any | otherwise | promiscuous |
///
/// Fifth row: the peer took the road of DNS although its certificate would have done (old servers do not offer or use
/// EXTERNAL). TLS has already shown that it holds the key of a certificate that names exactly this domain, so the proof
/// is the one EXTERNAL would have used and dialback can only add to it; its verify leg does not matter then.
///
/// Last row: a pair that entered by its certificate and whose certificate no longer proves the name (it expired under a
/// live stream, a root was removed) has nothing left that was proved. It must dial back or go.
pub fn verdict(evidence: &Evidence) -> Verdict {
    let tls = evidence.channel == Channel::Tls;
    let certificate_gap = certificate_gap(&evidence.certificate);
    match (evidence.name, tls, certificate_gap) {
        (NameProof::Asserted, ..) => Verdict::below(Rung::Promiscuous, Missing::ProofOfName),
        (NameProof::Certificate(_), false, _) => Verdict::below(Rung::Promiscuous, Missing::Tls),
        (NameProof::Certificate(_), true, Some(gap)) => Verdict::below(Rung::Promiscuous, gap),
        (NameProof::Dialback { .. } | NameProof::Resolved, false, _) => {
            Verdict::below(Rung::Verified, Missing::Tls)
        }
        (_, true, None) => Verdict { rung: Rung::Trusted, missing: None },
        (NameProof::Dialback { verify_leg_tls: false }, true, Some(_)) => {
            Verdict::below(Rung::Verified, Missing::VerifyLegTls)
        }
        (NameProof::Dialback { verify_leg_tls: true } | NameProof::Resolved, true, Some(gap)) => {
            Verdict::below(Rung::Secure, gap)
        }
    }
}

/// Why the certificate proves nothing; `None` if it does.
fn certificate_gap(certificate: &CertificateFacts) -> Option<Missing> {
    match *certificate {
        CertificateFacts::None => Some(Missing::Certificate),
        CertificateFacts::Presented { chain: ChainVerdict::Trusted { .. }, name } => match name {
            NameVerdict::Match(_) => None,
            NameVerdict::Mismatch | NameVerdict::NoNames | NameVerdict::Malformed => {
                Some(Missing::Name(name))
            }
        },
        // The chain first: a name on a certificate that nobody vouches for means nothing either way.
        CertificateFacts::Presented { chain, .. } => Some(Missing::Chain(chain)),
    }
}

impl Verdict {
    const fn below(rung: Rung, missing: Missing) -> Self {
        Self { rung, missing: Some(missing) }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.missing {
            Some(missing) => write!(f, "{} ({missing})", self.rung),
            None => write!(f, "{}", self.rung),
        }
    }
}

impl Missing {
    /// A stable word for counters and the census.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::ProofOfName => "no-proof-of-name",
            Self::Tls => "no-tls",
            Self::VerifyLegTls => "verify-leg-plain",
            Self::Certificate => "no-certificate",
            Self::Chain(chain) => chain.label(),
            Self::Name(name) => name.label(),
        }
    }

    /// Whether a better certificate is what is asked for; otherwise it is TLS or a proof of the name.
    ///
    /// XEP-0220 §2.5 has two conditions for a refusal by policy: `not-authorized` when this is true,
    /// `policy-violation` when TLS is missing.
    pub const fn is_about_certificate(&self) -> bool {
        matches!(self, Self::Certificate | Self::Chain(_) | Self::Name(_))
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProofOfName => f.write_str("the domain was not proved: use dialback or SASL EXTERNAL"),
            Self::Tls => f.write_str("the stream is not encrypted: enable STARTTLS or direct TLS"),
            Self::VerifyLegTls => f.write_str(
                "the authoritative server answered dialback without TLS: enable TLS on the host its SRV record names",
            ),
            Self::Certificate => f.write_str("no certificate was presented: configure one for server connections"),
            Self::Chain(chain) => write!(f, "{chain}"),
            Self::Name(name) => write!(f, "{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::UnixTime;

    use super::*;
    use crate::evidence::CertificateUse;
    use crate::names::NameKind;

    fn trusted() -> ChainVerdict {
        ChainVerdict::Trusted {
            not_after: UnixTime::since_unix_epoch(std::time::Duration::from_secs(4_000_000_000)),
        }
    }

    fn presented(chain: ChainVerdict, name: NameVerdict) -> CertificateFacts {
        CertificateFacts::Presented { chain, name }
    }

    fn good() -> CertificateFacts {
        presented(trusted(), NameVerdict::Match(NameKind::Dns))
    }

    fn judge(name: NameProof, channel: Channel, certificate: CertificateFacts) -> Verdict {
        verdict(&Evidence { name, channel, certificate })
    }

    const DIALBACK_TLS: NameProof = NameProof::Dialback { verify_leg_tls: true };
    const DIALBACK_PLAIN: NameProof = NameProof::Dialback { verify_leg_tls: false };
    const EXTERNAL: NameProof = NameProof::Certificate(CertificateUse::External);
    const SHORTCUT: NameProof = NameProof::Certificate(CertificateUse::Dialback);

    #[test]
    fn an_asserted_name_is_promiscuous_whatever_else_is_there() {
        for channel in [Channel::Plain, Channel::Tls] {
            for certificate in [
                CertificateFacts::None,
                good(),
                presented(ChainVerdict::SelfSigned, NameVerdict::Mismatch),
            ] {
                let got = judge(NameProof::Asserted, channel, certificate);
                assert_eq!(got, Verdict::below(Rung::Promiscuous, Missing::ProofOfName));
            }
        }
    }

    #[test]
    fn every_row_of_the_table() {
        let self_signed = presented(ChainVerdict::SelfSigned, NameVerdict::Match(NameKind::Dns));
        let mismatch = presented(trusted(), NameVerdict::Mismatch);
        let rows = [
            (
                DIALBACK_PLAIN,
                Channel::Plain,
                CertificateFacts::None,
                Rung::Verified,
                Some(Missing::Tls),
            ),
            (
                DIALBACK_TLS,
                Channel::Plain,
                CertificateFacts::None,
                Rung::Verified,
                Some(Missing::Tls),
            ),
            (
                NameProof::Resolved,
                Channel::Plain,
                CertificateFacts::None,
                Rung::Verified,
                Some(Missing::Tls),
            ),
            (
                DIALBACK_PLAIN,
                Channel::Tls,
                CertificateFacts::None,
                Rung::Verified,
                Some(Missing::VerifyLegTls),
            ),
            (
                DIALBACK_PLAIN,
                Channel::Tls,
                self_signed,
                Rung::Verified,
                Some(Missing::VerifyLegTls),
            ),
            (
                DIALBACK_TLS,
                Channel::Tls,
                CertificateFacts::None,
                Rung::Secure,
                Some(Missing::Certificate),
            ),
            (
                DIALBACK_TLS,
                Channel::Tls,
                self_signed,
                Rung::Secure,
                Some(Missing::Chain(ChainVerdict::SelfSigned)),
            ),
            (
                DIALBACK_TLS,
                Channel::Tls,
                mismatch,
                Rung::Secure,
                Some(Missing::Name(NameVerdict::Mismatch)),
            ),
            (
                NameProof::Resolved,
                Channel::Tls,
                mismatch,
                Rung::Secure,
                Some(Missing::Name(NameVerdict::Mismatch)),
            ),
            (DIALBACK_TLS, Channel::Tls, good(), Rung::Trusted, None),
            (DIALBACK_PLAIN, Channel::Tls, good(), Rung::Trusted, None),
            (NameProof::Resolved, Channel::Tls, good(), Rung::Trusted, None),
            (EXTERNAL, Channel::Tls, good(), Rung::Trusted, None),
            (SHORTCUT, Channel::Tls, good(), Rung::Trusted, None),
        ];
        for (name, channel, certificate, rung, missing) in rows {
            let got = judge(name, channel, certificate);
            assert_eq!(got, Verdict { rung, missing }, "{name:?} {channel:?} {certificate:?}");
        }
    }

    #[test]
    fn a_certificate_that_stopped_proving_leaves_nothing_proved() {
        let expired = presented(ChainVerdict::Expired, NameVerdict::Match(NameKind::Dns));
        for name in [EXTERNAL, SHORTCUT] {
            let got = judge(name, Channel::Tls, expired);
            assert_eq!(
                got,
                Verdict::below(Rung::Promiscuous, Missing::Chain(ChainVerdict::Expired))
            );
            let got = judge(name, Channel::Tls, CertificateFacts::None);
            assert_eq!(got, Verdict::below(Rung::Promiscuous, Missing::Certificate));
            // A certificate cannot have been seen on a plain stream: the evidence contradicts itself.
            assert_eq!(
                judge(name, Channel::Plain, good()),
                Verdict::below(Rung::Promiscuous, Missing::Tls)
            );
        }
    }

    #[test]
    fn a_plain_channel_never_rises_above_verified() {
        for name in [
            NameProof::Asserted,
            DIALBACK_PLAIN,
            DIALBACK_TLS,
            NameProof::Resolved,
            EXTERNAL,
            SHORTCUT,
        ] {
            for certificate in [CertificateFacts::None, good()] {
                assert!(judge(name, Channel::Plain, certificate).rung <= Rung::Verified);
            }
        }
    }

    #[test]
    fn something_is_missing_on_every_rung_but_the_top() {
        for name in [
            NameProof::Asserted,
            DIALBACK_PLAIN,
            DIALBACK_TLS,
            NameProof::Resolved,
            EXTERNAL,
            SHORTCUT,
        ] {
            for channel in [Channel::Plain, Channel::Tls] {
                for chain in ChainVerdict::refusals().into_iter().chain([trusted()]) {
                    for name_verdict in [
                        NameVerdict::Match(NameKind::Srv),
                        NameVerdict::Mismatch,
                        NameVerdict::NoNames,
                        NameVerdict::Malformed,
                    ] {
                        let got = judge(name, channel, presented(chain, name_verdict));
                        assert_eq!(got.missing.is_none(), got.rung == Rung::Trusted);
                        // Trusted needs both halves, always.
                        if got.rung == Rung::Trusted {
                            assert!(presented(chain, name_verdict).proves());
                        }
                    }
                }
            }
        }
    }
}
