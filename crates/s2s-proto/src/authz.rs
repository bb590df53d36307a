//! The table of verified pairs: the only place where a [`VerifiedPair`] can be made.
//!
//! There is no flag "authenticated". What may send is a row of this table, one per domain pair and stream.

use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;
use xmpp_addr::{DomainPair, DomainPairRef};

use crate::judge::Demand;

/// How the sender domain of a pair was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// Not at all: policy takes the asserted name.
    Asserted,
    /// Server dialback.
    Dialback {
        /// The stream the key came on ran over TLS.
        stream_tls: bool,
        /// The verify leg ran over TLS.
        leg_tls: bool,
    },
    /// SASL EXTERNAL with a certificate that proves the name.
    External,
    /// A `<db:result/>` answered from the certificate (XEP-0344).
    CertificateDialback,
    /// The stream is ours: it leads over TLS to the server that DNS names for the sender, and may be used in both directions
    /// (XEP-0288).
    Reached {
        /// The server's certificate proves the sender's name.
        certificate_proves: bool,
    },
    /// The component's handshake; the sender domain is covered by its entry.
    Component,
    /// A server of the operator's own, identified by its connection, for a domain that it serves.
    Backend,
}

impl Proof {
    /// Whether this is what policy demands. What a certificate proved when it was judged is enough for every demand; whether it
    /// still proves is asked again with each judgement.
    pub(crate) fn meets(self, demand: Demand) -> bool {
        match self {
            Self::Asserted => demand == Demand::Assertion,
            Self::Dialback { stream_tls: true, leg_tls: true } => demand < Demand::Certificate,
            Self::Dialback { .. } => demand < Demand::DialbackOverTls,
            // A component is not judged.
            Self::External | Self::CertificateDialback | Self::Component => true,
            Self::Reached { certificate_proves } => {
                demand < Demand::Certificate || certificate_proves
            }
            // Where the caller still says so, the judgement proves the pair anew; where it does not, nothing is left.
            Self::Backend => false,
        }
    }
}

/// Proof that a pair may send on one stream. Cheap to clone; it cannot be made outside this module.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedPair(Arc<Row>);

#[derive(PartialEq, Eq)]
struct Row {
    pair: DomainPair,
    proof: Proof,
}

impl VerifiedPair {
    /// Sender and target domain.
    #[must_use]
    pub fn pair(&self) -> &DomainPair {
        &self.0.pair
    }

    /// How the sender was proved.
    #[must_use]
    pub fn proof(&self) -> Proof {
        self.0.proof
    }
}

impl fmt::Debug for VerifiedPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedPair({:?}, {:?})", self.0.pair, self.0.proof)
    }
}

/// What a stream must have seen before a pair is verified. Each kind of evidence is made where it was seen, and only this
/// module turns it into a [`VerifiedPair`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Policy demands nothing of the pair.
    PolicyTakesTheName,
    /// The authoritative server said `valid` to the key of this stream.
    KeyValid { stream_tls: bool, leg_tls: bool },
    /// SASL EXTERNAL succeeded and the stream was restarted with the same names.
    ExternalSucceeded,
    /// The certificate was judged to prove the sender when its `<db:result/>` came.
    CertificateProvesSender,
    /// Bidirectionality was agreed over TLS on a stream that we opened to the sender, the sender accepted the reverse pair, and
    /// what is known of it meets the demand.
    ReachedOverTls { certificate_proves: bool },
    /// The component gave the secret of the entry that covers the sender.
    ComponentHandshake,
    /// The caller identified the peer as a server of the operator's own that serves the sender, and the channel is what is
    /// demanded of it.
    BackendIdentified,
}

impl Evidence {
    /// The proof this evidence makes.
    pub(crate) fn proof(self) -> Proof {
        match self {
            Self::PolicyTakesTheName => Proof::Asserted,
            Self::KeyValid { stream_tls, leg_tls } => Proof::Dialback { stream_tls, leg_tls },
            Self::ExternalSucceeded => Proof::External,
            Self::CertificateProvesSender => Proof::CertificateDialback,
            Self::ReachedOverTls { certificate_proves } => Proof::Reached { certificate_proves },
            Self::ComponentHandshake => Proof::Component,
            Self::BackendIdentified => Proof::Backend,
        }
    }
}

/// The verified pairs of one stream.
#[derive(Debug, Default)]
pub(crate) struct PairTable {
    rows: HashMap<DomainPair, VerifiedPair>,
}

impl PairTable {
    /// Enters a pair; newer evidence replaces older.
    pub(crate) fn grant(&mut self, pair: DomainPair, evidence: Evidence) -> VerifiedPair {
        let verified = VerifiedPair(Arc::new(Row { pair: pair.clone(), proof: evidence.proof() }));
        self.rows.insert(pair, verified.clone());
        verified
    }

    pub(crate) fn find(&self, pair: &DomainPairRef<'_>) -> Option<&VerifiedPair> {
        self.rows.get(pair)
    }

    pub(crate) fn knows_sender(&self, sender: &str) -> bool {
        self.rows.keys().any(|pair| pair.sender().as_str() == sender)
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = &DomainPair> {
        self.rows.keys()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes a pair out; whether it was in.
    pub(crate) fn remove(&mut self, pair: &DomainPair) -> bool {
        self.rows.remove(pair).is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }
}
