//! What a model demands of one step, and how a breach is said.

use std::fmt;

use s2s_proto::{Demand, Proof, UnsolicitedKind};

use crate::words::{Name, Pair};

/// A law was broken: which, and how it looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    pub law: &'static str,
    pub detail: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.detail)
    }
}

pub fn breach<T>(law: &'static str, detail: impl Into<String>) -> Result<T, Breach> {
    Err(Breach { law, detail: detail.into() })
}

/// Whether the stream has to end with this step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// An honest peer would be hurt.
    Never,
    /// The specifications leave it open.
    May,
    Must,
}

/// What one step has to do with identities, no more and no less. Where the stream may end and does, only what would have to be
/// proved is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    pub end: End,
    pub judge: Option<Pair>,
    /// A key goes out to be verified: pair, key, demand.
    pub verify: Option<(Pair, &'static str, Demand)>,
    /// `PairVerified` is said.
    pub verified: Option<(Pair, Proof)>,
    /// `<db:result type='valid'/>` is said.
    pub valid: Option<Pair>,
    pub refused: Vec<Pair>,
    pub starts_tls: bool,
    pub success: bool,
    pub opened: Option<Opened>,
    /// A check is answered: receiving, originating, and whether the key is ours; `None` for an error.
    pub checked: Option<(Name, Name, Option<bool>)>,
    pub unsolicited: Option<UnsolicitedKind>,
    /// The stanza is admitted under this proof.
    pub admitted: Option<(Pair, Proof)>,
    pub attached: bool,
    /// Both directions are agreed on (XEP-0288).
    pub bidirectional: bool,
}

/// How a header is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    pub from: Option<Name>,
    pub version_1: bool,
    pub starttls: bool,
    pub required: bool,
    pub external: bool,
    pub bidi: bool,
}

impl Expect {
    pub fn quiet(end: End) -> Self {
        Self {
            end,
            judge: None,
            verify: None,
            verified: None,
            valid: None,
            refused: Vec::new(),
            starts_tls: false,
            success: false,
            opened: None,
            checked: None,
            unsolicited: None,
            admitted: None,
            attached: false,
            bidirectional: false,
        }
    }

    /// The stream goes on and nothing is proved.
    pub fn nothing() -> Self {
        Self::quiet(End::Never)
    }

    pub fn ends() -> Self {
        Self::quiet(End::Must)
    }

    pub fn may_end() -> Self {
        Self::quiet(End::May)
    }

    pub fn judge(pair: Pair) -> Self {
        Self { judge: Some(pair), ..Self::nothing() }
    }

    pub fn refused(pair: Pair, end: End) -> Self {
        Self { refused: vec![pair], ..Self::quiet(end) }
    }
}
