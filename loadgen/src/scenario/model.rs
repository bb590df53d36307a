//! What a scenario says, with its defaults. Ranges and words are in [`super::catalogue`]; what a key means is said there too.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use s2s_testkit::corpus::Traffic as Class;
use serde::{Deserialize, Serialize};

/// A whole scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) about: String,
    #[serde(default = "one")]
    pub(crate) seed: u64,
    #[serde(default = "one")]
    pub(crate) processes: u16,
    pub(crate) peers: Peers,
    #[serde(default)]
    pub(crate) peer: Vec<Peer>,
    pub(crate) traffic: Traffic,
    #[serde(default)]
    pub(crate) event: Vec<Event>,
}

/// The remote domains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peers {
    pub(crate) domains: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) addresses: Option<u32>,
    #[serde(default = "one")]
    pub(crate) users: u16,
}

/// A kind of remote domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    pub(crate) name: String,
    #[serde(default = "one")]
    pub(crate) share: u32,
    #[serde(default)]
    pub(crate) rung: Rung,
    #[serde(default)]
    pub(crate) direct_tls: bool,
    #[serde(default)]
    pub(crate) version_less: bool,
    #[serde(default)]
    pub(crate) certificate: Certificate,
    #[serde(default)]
    pub(crate) names: Names,
    #[serde(default)]
    pub(crate) wildcard: bool,
    #[serde(default)]
    pub(crate) behaviour: Behaviour,
    #[serde(default = "slow_bytes_a_second")]
    pub(crate) slow_bytes_a_second: u32,
    #[serde(default = "reset_after_seconds")]
    pub(crate) reset_after_seconds: u32,
    #[serde(default)]
    pub(crate) bounces: Vec<String>,
    #[serde(default)]
    pub(crate) may_be_refused: bool,
    #[serde(default)]
    pub(crate) may_lose: bool,
}

/// A step of the trust ladder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Rung {
    Promiscuous,
    Verified,
    Secure,
    #[default]
    Trusted,
}

/// What is right or wrong with a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Certificate {
    #[default]
    Valid,
    Expired,
    SelfSigned,
    WrongName,
    ServerOnly,
    ClientOnly,
}

/// How a certificate names its domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Names {
    #[default]
    Dns,
    Srv,
    XmppAddr,
}

/// How a remote treats its links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Behaviour {
    #[default]
    Normal,
    SlowReader,
    SlowSender,
    Resetting,
    Silent,
    Dead,
    Unlisted,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traffic {
    #[serde(default)]
    pub(crate) direction: Direction,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) mix: BTreeMap<String, u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) window: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<f64>,
    #[serde(default)]
    pub(crate) arrivals: Arrivals,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) burst: Option<u32>,
    #[serde(default)]
    pub(crate) popularity: Popularity,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exponent: Option<f64>,
    pub(crate) seconds: u32,
    #[serde(default = "yes")]
    pub(crate) greet: bool,
    #[serde(default)]
    pub(crate) warm_up_seconds: u32,
    #[serde(default = "patience_seconds")]
    pub(crate) patience_seconds: u32,
    #[serde(default = "links_max")]
    pub(crate) links_max: u32,
}

/// Which way stanzas go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    #[default]
    In,
    Out,
    Echo,
}

/// How intended times lie on the time line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arrivals {
    #[default]
    Constant,
    Poisson,
    Bursts,
}

/// How often each address has its turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Popularity {
    #[default]
    Uniform,
    Zipf,
}

/// Something that happens during the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) at_seconds: u32,
    pub(crate) what: What,
    #[serde(default = "all")]
    pub(crate) percent: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) minimum: Option<Rung>,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    Reconnect,
    Kill,
    RaiseMinimum,
}

/// Addresses in use when the scenario does not say how many.
const ADDRESSES_DEFAULT: u32 = 1000;

impl Scenario {
    /// The kinds of remote domain; without any in the file they are all trusted.
    pub(crate) fn kinds(&self) -> Vec<Peer> {
        if self.peer.is_empty() { vec![Peer::named("trusted")] } else { self.peer.clone() }
    }

    /// Which of the kinds each remote domain is, by number: shares hold exactly in every run of as many domains as their sum, and
    /// neighbours differ.
    pub(crate) fn kind_of(&self) -> impl Iterator<Item = usize> + use<> {
        let shares: Vec<u64> = self.kinds().iter().map(|kind| u64::from(kind.share)).collect();
        let sum = shares.iter().sum::<u64>();
        // A step that has no factor in common with the sum meets every place once; near the golden section it leaps far.
        let step = (sum * 5 / 8..).find(|step| common_factor(*step, sum) == 1).unwrap_or(1);
        (0..u64::from(self.peers.domains)).map(move |number| {
            let mut place = number % sum * (step % sum.max(1)) % sum;
            shares
                .iter()
                .position(|share| {
                    let is_here = place < *share;
                    place = place.wrapping_sub(*share);
                    is_here
                })
                .unwrap_or(0)
        })
    }

    /// Domains of each kind.
    pub(crate) fn domains_of_kinds(&self) -> Vec<u32> {
        let mut counts = vec![0; self.kinds().len()];
        for kind in self.kind_of() {
            counts[kind] += 1;
        }
        counts
    }
}

impl Peers {
    /// Loopback addresses that the domains share.
    pub(crate) fn addresses(&self) -> u32 {
        self.addresses.unwrap_or(self.domains.min(ADDRESSES_DEFAULT))
    }
}

impl Peer {
    /// As without any word but its name.
    pub(crate) fn named(name: &str) -> Peer {
        Peer {
            name: name.to_owned(),
            share: 1,
            rung: Rung::Trusted,
            direct_tls: false,
            version_less: false,
            certificate: Certificate::Valid,
            names: Names::Dns,
            wildcard: false,
            behaviour: Behaviour::Normal,
            slow_bytes_a_second: slow_bytes_a_second(),
            reset_after_seconds: reset_after_seconds(),
            bounces: Vec::new(),
            may_be_refused: false,
            may_lose: false,
        }
    }
}

impl Traffic {
    /// As without any word but its length; neither an open loop nor a closed one.
    pub(super) fn for_seconds(seconds: u32) -> Traffic {
        Traffic {
            direction: Direction::In,
            class: None,
            mix: BTreeMap::new(),
            window: None,
            batch: None,
            rate: None,
            arrivals: Arrivals::Constant,
            burst: None,
            popularity: Popularity::Uniform,
            exponent: None,
            seconds,
            greet: yes(),
            warm_up_seconds: 0,
            patience_seconds: patience_seconds(),
            links_max: links_max(),
        }
    }

    /// The classes with their weights.
    pub(crate) fn classes(&self) -> Vec<(Class, u32)> {
        let one = self.mix.is_empty().then(|| (self.class.as_deref().unwrap_or("chat"), 1));
        let mix = self.mix.iter().map(|(class, weight)| (class.as_str(), *weight));
        // Other names are refused when the file is read.
        mix.chain(one)
            .filter_map(|(name, weight)| Some((Class::from_name(name)?, weight)))
            .collect()
    }

    /// Of Zipf's law.
    pub(crate) fn exponent(&self) -> f64 {
        self.exponent.unwrap_or(1.0)
    }

    /// Stanzas at once.
    pub(crate) fn burst(&self) -> u32 {
        self.burst.unwrap_or(100)
    }
}

fn common_factor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { common_factor(other, one % other) }
}

fn one<T: From<u8>>() -> T {
    T::from(1)
}

fn all() -> u8 {
    100
}

fn yes() -> bool {
    true
}

fn slow_bytes_a_second() -> u32 {
    16 * 1024
}

fn reset_after_seconds() -> u32 {
    10
}

fn patience_seconds() -> u32 {
    5
}

fn links_max() -> u32 {
    9_000
}
