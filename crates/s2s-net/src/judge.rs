//! Answers what streams ask: what the policy demands of a pair, and what the certificate proves.

use s2s_proto::{CertificateAnswer, Demand, Judgement, Millis, Proof, Refusal};
use s2s_trust::{
    CertificateFacts, CertificateJudgement, CertificateUse, ChainVerdict, Channel, Evidence,
    NameProof, Roots, Rung, fingerprint, judge_certificate, verdict,
};
use xmpp_addr::{Domain, DomainPair};

use crate::link::Side;
use crate::report::Direction;
use crate::shard::Shard;
use crate::tls::TlsPeerFacts;

/// A chain verdict is reused this long at most; its expiry is compared with the clock every time.
const VERDICT_MS: u64 = 10 * 60 * 1_000;

/// What a verdict on a certificate is remembered by. Of each name on each side under the settings of the moment there is one set
/// of roots: they need not be named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shown {
    leaf: [u8; 32],
    name: Domain,
    side: Side,
}

/// What policy demands, in the words of the streams.
pub(crate) fn demand(minimum: Rung) -> Demand {
    match minimum {
        Rung::Promiscuous => Demand::Assertion,
        Rung::Verified => Demand::Dialback,
        Rung::Secure => Demand::DialbackOverTls,
        Rung::Trusted => Demand::Certificate,
    }
}

impl Shard {
    /// Judges one pair on one stream.
    pub(crate) fn judge(
        &self,
        now: Millis,
        direction: Direction,
        facts: &TlsPeerFacts,
        pair: &DomainPair,
    ) -> Judgement {
        let (local, remote) = match direction {
            Direction::In => (pair.target(), pair.sender()),
            Direction::Out => (pair.sender(), pair.target()),
        };
        let live = self.live();
        if live.settings.hosted(remote).is_some() {
            return Judgement::refuses(Refusal::OurOwnDomain);
        }
        if live.settings.hosted(local).is_none() {
            return Judgement::refuses(Refusal::UnknownHost);
        }
        let minimum = live.settings.policy.minimum_for(local, remote).minimum;
        let certificate = match self.judge_peer(now, facts, remote) {
            None => CertificateAnswer::NoneShown,
            Some(judgement) if judgement.proves() => CertificateAnswer::Proves,
            Some(judgement) => CertificateAnswer::Fails(judgement.to_string().into()),
        };
        Judgement::demands(demand(minimum)).with_certificate(certificate)
    }

    /// What the peer's certificate says about `remote`; `None` without one.
    pub(crate) fn judge_peer(
        &self,
        now: Millis,
        facts: &TlsPeerFacts,
        remote: &Domain,
    ) -> Option<CertificateJudgement> {
        self.judge_shown(now, facts, remote, Side::Federation, &self.live().settings.roots)
    }

    /// What the peer's certificate says about `name` under the roots that this side believes; `None` without one.
    pub(crate) fn judge_shown(
        &self,
        now: Millis,
        facts: &TlsPeerFacts,
        name: &Domain,
        side: Side,
        roots: &Roots,
    ) -> Option<CertificateJudgement> {
        let leaf = facts.chain.first()?;
        let calendar = self.calendar();
        let key = Shown { leaf: fingerprint(leaf), name: name.clone(), side };
        if let Some(known) = self.verdicts.borrow().get(now, &key)
            && !matches!(known.chain, ChainVerdict::Trusted { not_after } if not_after < calendar)
        {
            return Some(*known);
        }
        self.count(|counters| counters.chains_judged += 1);
        let judgement = judge_certificate(&facts.chain, name, roots, calendar);
        // A refusal may be due to intermediates that this peer did not send: judged again.
        if judgement.proves() {
            self.verdicts.borrow_mut().insert(key, judgement, now.after(VERDICT_MS));
        }
        Some(judgement)
    }

    /// The rung an inbound pair has earned.
    pub(crate) fn inbound_rung(
        &self,
        now: Millis,
        facts: &TlsPeerFacts,
        tls: bool,
        remote: &Domain,
        proof: Proof,
    ) -> Rung {
        let name = match proof {
            // The last two are of our own side, which has no rungs.
            Proof::Asserted | Proof::Component | Proof::Backend => NameProof::Asserted,
            Proof::Dialback { leg_tls, .. } => NameProof::Dialback { verify_leg_tls: leg_tls },
            Proof::External => NameProof::Certificate(CertificateUse::External),
            Proof::CertificateDialback => NameProof::Certificate(CertificateUse::Dialback),
            // The stream is ours: found by DNS, as for the pair in the other direction.
            Proof::Reached { .. } => NameProof::Resolved,
        };
        self.rung(now, facts, tls, remote, name)
    }

    /// The rung an outbound pair has earned: the remote name is as good as the DNS that led to it,
    /// or as its certificate.
    pub(crate) fn outbound_rung(
        &self,
        now: Millis,
        facts: &TlsPeerFacts,
        tls: bool,
        remote: &Domain,
        asserted: bool,
    ) -> Rung {
        let name = if asserted { NameProof::Asserted } else { NameProof::Resolved };
        self.rung(now, facts, tls, remote, name)
    }

    fn rung(
        &self,
        now: Millis,
        facts: &TlsPeerFacts,
        tls: bool,
        remote: &Domain,
        name: NameProof,
    ) -> Rung {
        let certificate = match self.judge_peer(now, facts, remote) {
            None => CertificateFacts::None,
            Some(judgement) => {
                CertificateFacts::Presented { chain: judgement.chain, name: judgement.name }
            }
        };
        let channel = if tls { Channel::Tls } else { Channel::Plain };
        verdict(&Evidence { name, channel, certificate }).rung
    }
}
