//! The few configurations a dialogue can be played under, as the product takes them and as the models know them.

use std::sync::{Arc, LazyLock};

use s2s_proto::{
    ComponentConfig, ComponentEntry, InboundConfig, OutboundConfig, OutboundOptions, TlsState,
};
use xmpp_addr::{Domain, DomainPair, DomainPattern};

use crate::oracle::{self, COMPONENT_SECRETS};
use crate::words::{BANK, CHAT, NAMES, Name, Pair, US, US2};

/// Configurations for each role: [`crate::step::Setup::config`] is below this.
pub const CONFIGS: u8 = 4;

#[derive(Clone, Copy, Debug)]
pub struct InboundLimits {
    pub starttls: bool,
    pub bidi: bool,
    pub authority: Option<Name>,
    pub preauth_elements_max: u32,
    pub pending_max: usize,
    pub pairs_max: usize,
    pub dialback_ms: u64,
    pub rotating: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct OutboundLimits {
    pub external: bool,
    pub bidi: bool,
    pub dialback_first: bool,
    pub pending_max: usize,
    pub unexpected_max: u32,
}

pub fn inbound_limits(config: u8) -> InboundLimits {
    let usual = InboundLimits {
        starttls: true,
        bidi: true,
        authority: None,
        preauth_elements_max: 32,
        pending_max: 16,
        pairs_max: 64,
        dialback_ms: 45_000,
        rotating: false,
    };
    match config {
        1 => InboundLimits { starttls: false, authority: Some(US), ..usual },
        2 => InboundLimits {
            preauth_elements_max: 6,
            pending_max: 1,
            pairs_max: 1,
            rotating: true,
            ..usual
        },
        3 => InboundLimits { bidi: false, pending_max: 2, pairs_max: 2, rotating: true, ..usual },
        _ => usual,
    }
}

pub fn outbound_limits(config: u8) -> OutboundLimits {
    let usual = OutboundLimits {
        external: true,
        bidi: true,
        dialback_first: false,
        pending_max: 1024,
        unexpected_max: 32,
    };
    match config {
        1 => OutboundLimits { external: false, bidi: false, ..usual },
        2 => OutboundLimits { dialback_first: true, ..usual },
        3 => OutboundLimits { pending_max: 2, unexpected_max: 3, ..usual },
        _ => usual,
    }
}

static INBOUND: LazyLock<Vec<Arc<InboundConfig>>> = LazyLock::new(|| {
    let made = (0..CONFIGS).map(|config| {
        let limits = inbound_limits(config);
        let mut made = InboundConfig::new(oracle::secret(limits.rotating));
        made.authority = limits.authority.map(domain);
        made.starttls = limits.starttls;
        made.bidi = limits.bidi;
        made.preauth_elements_max = limits.preauth_elements_max;
        made.pending_max = limits.pending_max;
        made.pairs_max = limits.pairs_max;
        made.timeouts.dialback_ms = limits.dialback_ms;
        Arc::new(made)
    });
    made.collect()
});

static OUTBOUND: LazyLock<Vec<Arc<OutboundConfig>>> = LazyLock::new(|| {
    let made = (0..CONFIGS).map(|config| {
        let limits = outbound_limits(config);
        let mut made = OutboundConfig::new(oracle::secret(false));
        made.external = limits.external;
        made.bidi = limits.bidi;
        made.pending_max = limits.pending_max;
        made.unexpected_elements_max = limits.unexpected_max;
        Arc::new(made)
    });
    made.collect()
});

/// What an entry of the component listener covers.
#[derive(Clone, Copy, Debug)]
pub enum Covers {
    Exactly(Name),
    /// The names below this one; a component may call itself by the parent.
    Below(Name),
}

/// The entries, each with the place of its secret. No two are equally specific for one name.
pub fn entries(config: u8) -> &'static [(Covers, usize)] {
    const USUAL: &[(Covers, usize)] = &[(Covers::Exactly(US2), 0), (Covers::Below(US), 1)];
    const NARROW: &[(Covers, usize)] =
        &[(Covers::Below(US), 1), (Covers::Exactly(CHAT), 0), (Covers::Exactly(US2), 1)];
    if config.is_multiple_of(2) { USUAL } else { NARROW }
}

static COMPONENT: LazyLock<Vec<Arc<ComponentConfig>>> = LazyLock::new(|| {
    let made = (0..CONFIGS).map(|config| {
        let made = entries(config).iter().map(|(covers, secret)| ComponentEntry {
            pattern: match covers {
                Covers::Exactly(name) => DomainPattern::Exact(domain(*name)),
                Covers::Below(name) => DomainPattern::Below(domain(*name)),
            },
            secret: COMPONENT_SECRETS[*secret].into(),
        });
        let mut made = ComponentConfig::new(made.collect());
        made.pairs_remembered_max = if config < 2 { 4096 } else { 1 };
        Arc::new(made)
    });
    made.collect()
});

static DOMAINS: LazyLock<Vec<Domain>> = LazyLock::new(|| {
    NAMES.iter().map(|name| Domain::parse(name).expect("the play's names are domains")).collect()
});

pub fn domain(name: Name) -> Domain {
    DOMAINS[usize::from(name)].clone()
}

pub fn domain_pair(pair: Pair) -> DomainPair {
    DomainPair::new(domain(pair.0), domain(pair.1))
}

pub fn inbound(config: u8) -> Arc<InboundConfig> {
    Arc::clone(&INBOUND[usize::from(config)])
}

pub fn outbound(config: u8) -> Arc<OutboundConfig> {
    Arc::clone(&OUTBOUND[usize::from(config)])
}

/// What an honest server with another secret runs on.
pub fn inbound_of_others() -> Arc<InboundConfig> {
    static MADE: LazyLock<Arc<InboundConfig>> = LazyLock::new(|| {
        let mut made = (*inbound(0)).clone();
        made.secret = oracle::secret_of_others();
        Arc::new(made)
    });
    Arc::clone(&MADE)
}

pub fn outbound_of_others() -> Arc<OutboundConfig> {
    static MADE: LazyLock<Arc<OutboundConfig>> = LazyLock::new(|| {
        let mut made = (*outbound(0)).clone();
        made.secret = oracle::secret_of_others();
        Arc::new(made)
    });
    Arc::clone(&MADE)
}

pub fn component(config: u8) -> Arc<ComponentConfig> {
    Arc::clone(&COMPONENT[usize::from(config)])
}

/// The pair an outbound stream is opened for.
pub const OWN: Pair = (US, BANK);

pub fn outbound_options(config: u8, direct_tls: bool) -> OutboundOptions {
    OutboundOptions {
        dialback_first: outbound_limits(config).dialback_first,
        tls: tls_state(direct_tls),
    }
}

pub fn tls_state(direct: bool) -> TlsState {
    if direct { TlsState::Direct } else { TlsState::Plain }
}
