//! From a scenario to its remote domains: names, places, certificates, DNS. Which of them a process plays is a [`Share`].

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use anyhow::Context as _;
use s2s_testkit::certs::{Authority, CertSpec, Eku};
use s2s_testkit::federation::plan::place;
use s2s_testkit::federation::{Behaviour as Conduct, Credentials, Manner, RemotePlan};
use s2s_testkit::zone::Zone;
use serde::{Deserialize, Serialize};

use crate::scenario::{Behaviour, Peer, Rung, Scenario, issue};

/// Every remote's domain ends so.
pub(crate) const REMOTES_UNDER: &str = "peers.example";
/// STARTTLS, direct TLS, and one where nobody listens.
pub(crate) const PORTS_A_PROCESS: u16 = 3;

/// The part of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Share {
    /// From 0.
    pub(crate) index: u16,
    pub(crate) of: u16,
}

impl Share {
    /// Its domains: a row without gaps, in which the kinds are mixed as in the whole.
    pub(crate) fn domains(self, domains: u32) -> Range<u32> {
        let begin = |index: u16| {
            let place = u64::from(domains) * u64::from(index) / u64::from(self.of.max(1));
            // Not above `domains`.
            u32::try_from(place).unwrap_or(domains)
        };
        begin(self.index)..begin(self.index + 1)
    }

    /// Its part of something that is counted, one at least.
    pub(crate) fn part(self, whole: u32) -> u32 {
        let all = self.domains(whole);
        (all.end - all.start).max(1)
    }
}

/// One remote domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) domain: String,
    /// Index among the scenario's kinds.
    pub(crate) kind: usize,
    pub(crate) listen: SocketAddr,
}

/// The name of a domain of this kind.
pub(crate) fn domain(kind: &Peer, number: &str) -> String {
    format!("d{number}.{}.{REMOTES_UNDER}", kind.name)
}

/// The remotes of one process, whose first port is `port` plus what the processes before it take.
pub(crate) fn places(scenario: &Scenario, port: u16, share: Share) -> Vec<Place> {
    let kinds = scenario.kinds();
    let range = share.domains(scenario.peers.domains);
    let addresses = share.part(scenario.peers.addresses());
    let port = port.saturating_add(share.index * PORTS_A_PROCESS);
    let numbered = (0u32..).zip(scenario.kind_of()).skip(range.start as usize);
    numbered
        .take(range.len())
        .map(|(number, kind)| {
            let address = (number - range.start) % addresses;
            let port = port + port_of(&kinds[kind]);
            let domain = domain(&kinds[kind], &number.to_string());
            Place { domain, kind, listen: place(address as usize, port) }
        })
        .collect()
}

/// An address is shared by domains of one kind of TLS, and where some listen no other is dead.
fn port_of(kind: &Peer) -> u16 {
    match (kind.behaviour, kind.direct_tls) {
        (Behaviour::Dead | Behaviour::Unlisted, _) => 2,
        (_, true) => 1,
        (_, false) => 0,
    }
}

/// How a kind of peer behaves in the federation.
pub(crate) fn conduct(kind: &Peer) -> Conduct {
    match (kind.behaviour, kind.rung) {
        (Behaviour::Dead, _) => Conduct::Dead,
        (Behaviour::Unlisted, _) => Conduct::Unlisted,
        (_, Rung::Promiscuous) => Conduct::Promiscuous,
        (_, Rung::Verified) if kind.version_less => Conduct::VerifiedBefore1_0,
        (_, Rung::Verified) => Conduct::Verified,
        (_, Rung::Secure) => Conduct::Secure,
        (_, Rung::Trusted) if kind.direct_tls => Conduct::TrustedDirect,
        (_, Rung::Trusted) => Conduct::Trusted,
    }
}

/// How a kind of peer treats its connections.
pub(crate) fn manner(kind: &Peer) -> Manner {
    match kind.behaviour {
        Behaviour::SlowReader => Manner::SlowReader(kind.slow_bytes_a_second),
        Behaviour::SlowSender => Manner::SlowSender(kind.slow_bytes_a_second),
        Behaviour::Resetting => {
            Manner::Resetting(Duration::from_secs(u64::from(kind.reset_after_seconds)))
        }
        Behaviour::Silent => Manner::Silent,
        Behaviour::Normal | Behaviour::Dead | Behaviour::Unlisted => Manner::Normal,
    }
}

/// Whether a kind of peer sends; all receive.
pub(crate) fn sends(kind: &Peer) -> bool {
    !matches!(kind.behaviour, Behaviour::Silent | Behaviour::Dead | Behaviour::Unlisted)
}

/// The remotes of one process with their certificates.
///
/// # Errors
/// When a certificate cannot be used.
pub(crate) fn remotes(
    scenario: &Scenario,
    places: &[Place],
    authority: &Authority,
) -> anyhow::Result<Vec<RemotePlan>> {
    let kinds = scenario.kinds();
    let mut wildcards: HashMap<usize, Credentials> = HashMap::new();
    let mut remotes = Vec::with_capacity(places.len());
    for place in places {
        let kind = kinds.get(place.kind).context("a domain of no kind")?;
        let mut remote = bare(kind, place);
        if matches!(kind.rung, Rung::Secure | Rung::Trusted) && remote.behaviour.rung().is_some() {
            let issued = || Credentials::from(issue(authority, kind, &place.domain));
            remote.credentials = Some(match kind.wildcard {
                true => wildcards.entry(place.kind).or_insert_with(issued).clone(),
                false => issued(),
            });
        }
        remotes.push(remote);
    }
    Ok(remotes)
}

/// The remote that the others send to where the server under test is a pump of bytes.
pub(crate) fn sink(port: u16) -> RemotePlan {
    // Behind the ports of the one process that there is.
    let listen = place(0, port.saturating_add(PORTS_A_PROCESS));
    RemotePlan::new(&format!("sink.{REMOTES_UNDER}"), Conduct::Pumped, listen)
}

/// All remotes, and the sink behind them, speak direct TLS with a certificate that the pump accepts, and take each other's names on trust.
pub(crate) fn put_behind_pump(remotes: &mut Vec<RemotePlan>, port: u16, authority: &Authority) {
    remotes.push(sink(port));
    let domains = [sink(port).domain];
    let names: Vec<_> = domains.iter().map(String::as_str).collect();
    let spec = CertSpec { eku: Eku::Both, ..CertSpec::for_dns(&names) };
    let credentials = Credentials::from(authority.issue(spec));
    for remote in remotes {
        remote.behaviour = Conduct::Pumped;
        remote.credentials = Some(credentials.clone());
    }
}

/// What all processes together publish.
///
/// # Errors
/// When a name is no domain name.
pub(crate) fn zone(scenario: &Scenario, port: u16) -> anyhow::Result<Zone> {
    let kinds = scenario.kinds();
    let mut zone = Zone::new();
    for index in 0..scenario.processes {
        for place in places(scenario, port, Share { index, of: scenario.processes }) {
            bare(&kinds[place.kind], &place).publish(&mut zone)?;
        }
    }
    Ok(zone)
}

fn bare(kind: &Peer, place: &Place) -> RemotePlan {
    let mut remote = RemotePlan::new(&place.domain, conduct(kind), place.listen);
    remote.manner = manner(kind);
    remote
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::scenario::load;

    const WHOLE: Share = Share { index: 0, of: 1 };

    fn shipped(name: &str) -> Scenario {
        load(name).unwrap().scenario
    }

    #[test]
    fn every_kind_of_the_ladder_behaves_as_it_says() {
        let scenario = shipped("ladder");
        let expected = [
            ("promiscuous", Conduct::Promiscuous, 30),
            ("verified", Conduct::Verified, 36),
            ("verified-old", Conduct::VerifiedBefore1_0, 36),
            ("secure", Conduct::Secure, 60),
            ("secure-expired", Conduct::Secure, 18),
            ("trusted", Conduct::Trusted, 54),
            ("trusted-srv", Conduct::Trusted, 18),
            ("trusted-direct", Conduct::TrustedDirect, 36),
            ("dead", Conduct::Dead, 9),
            ("unlisted", Conduct::Unlisted, 3),
        ];
        let places = places(&scenario, 15269, WHOLE);
        for ((at, kind), (name, behaviour, domains)) in
            scenario.kinds().iter().enumerate().zip(expected)
        {
            assert_eq!((kind.name.as_str(), conduct(kind)), (name, behaviour));
            let of_kind: Vec<_> = places.iter().filter(|place| place.kind == at).collect();
            assert_eq!(of_kind.len(), domains, "{name}");
            let ending = format!(".{name}.peers.example");
            assert!(of_kind.iter().all(|place| place.domain.ends_with(&ending)), "{name}");
        }
    }

    #[test]
    fn slow_resetting_and_silent_peers_have_the_values_of_the_file() {
        let scenario = shipped("soak");
        let manner_of =
            |name: &str| manner(scenario.kinds().iter().find(|kind| kind.name == name).unwrap());
        assert_eq!(manner_of("slow-reader"), Manner::SlowReader(2048));
        assert_eq!(manner_of("slow-sender"), Manner::SlowSender(2048));
        assert_eq!(manner_of("resetting"), Manner::Resetting(Duration::from_secs(60)));
        assert_eq!(manner_of("silent"), Manner::Silent);
        assert_eq!(manner_of("trusted"), Manner::Normal);
    }

    #[test]
    fn the_dead_have_a_port_where_nobody_listens() {
        let scenario = shipped("soak");
        let kinds = scenario.kinds();
        let places = places(&scenario, 15269, WHOLE);
        let dead = |place: &&Place| kinds[place.kind].behaviour == Behaviour::Dead;
        let of_the_dead: HashSet<_> = places.iter().filter(dead).map(|at| at.listen).collect();
        let of_others: HashSet<_> =
            places.iter().filter(|at| !dead(at)).map(|at| at.listen).collect();
        assert_eq!(of_the_dead.intersection(&of_others).count(), 0);
        let addresses: HashSet<_> = places.iter().map(|at| at.listen.ip()).collect();
        assert_eq!(addresses.len(), 250);
    }

    #[test]
    fn shares_cover_every_domain_once_and_no_listener_twice() {
        let mut scenario = shipped("ladder");
        scenario.processes = 7;
        let share = |index| Share { index, of: 7 };
        let parts: Vec<_> = (0..7).map(|index| places(&scenario, 15269, share(index))).collect();
        let domains: Vec<_> = parts.iter().flatten().map(|place| &place.domain).collect();
        let whole = places(&scenario, 15269, WHOLE);
        assert_eq!(domains, whole.iter().map(|place| &place.domain).collect::<Vec<_>>());
        let listeners: Vec<HashSet<_>> =
            parts.iter().map(|part| part.iter().map(|place| place.listen).collect()).collect();
        for (at, one) in listeners.iter().enumerate() {
            assert!(listeners[at + 1..].iter().all(|other| one.is_disjoint(other)));
        }
        assert_eq!((0..7).map(|index| share(index).part(100)).sum::<u32>(), 100);
        assert_eq!(share(6).part(3), 1);
    }

    #[test]
    fn a_wildcard_is_one_certificate_and_others_are_one_each() {
        let authority = Authority::new("Verona Root");
        for (name, certificates) in [("dense", 1), ("flagday", 140)] {
            let scenario = shipped(name);
            let remotes = remotes(&scenario, &places(&scenario, 15269, WHOLE), &authority).unwrap();
            let shown: HashSet<_> = remotes
                .iter()
                .filter_map(|remote| Some(remote.credentials.as_ref()?.chain[0].clone()))
                .collect();
            assert_eq!(shown.len(), certificates, "{name}");
        }
    }

    #[test]
    fn what_is_not_listed_is_not_published() {
        let scenario = shipped("ladder");
        let mut only = scenario.clone();
        only.peer.retain(|kind| kind.name == "unlisted");
        assert!(zone(&only, 15269).unwrap().is_empty());
        assert!(!zone(&scenario, 15269).unwrap().is_empty());
    }
}
