//! Remotes among themselves, rung by rung, over real sockets.

mod by_hand;
mod faults;
mod manners;
mod pump;

use std::future::Future;

use super::plan::place;
use super::*;
use crate::certs::{Authority, CertSpec, self_signed};
use crate::ports;

const QUICK: Work = Work {
    pace: Pace::Rate(2000.0),
    arrivals: Arrivals::Constant,
    popularity: Popularity::Uniform,
    duration: Duration::from_millis(500),
    patience: Duration::from_secs(5),
};

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

struct Fixture {
    authority: Authority,
    port: u16,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture { authority: Authority::new("Verona Root"), port: ports::claim() }
    }

    fn place(&self, number: usize) -> SocketAddr {
        place(number, self.port)
    }

    /// The router of a federation that has none: nobody listens.
    fn nowhere(&self) -> RouterAddress {
        RouterAddress { starttls: self.place(4000), direct_tls: None }
    }

    fn remote(&self, domain: &str, behaviour: Behaviour, number: usize) -> RemotePlan {
        let mut remote = RemotePlan::new(domain, behaviour, self.place(number));
        remote.credentials = match behaviour {
            Behaviour::Secure => Some(self_signed(CertSpec::for_dns(&[domain])).into()),
            Behaviour::Trusted | Behaviour::TrustedDirect => {
                Some(self.authority.issue(CertSpec::for_dns(&[domain])).into())
            }
            _ => None,
        };
        remote
    }

    fn start(&self, remotes: Vec<RemotePlan>) -> Federation {
        let router = self.nowhere();
        let roots = vec![self.authority.root().clone()];
        Federation::start(FederationPlan { remotes, router, roots, seed: 1597 }).unwrap()
    }

    fn pair(&self, one: Behaviour, other: Behaviour) -> Federation {
        self.start(vec![
            self.remote("montague.example", one, 0),
            self.remote("capulet.example", other, 1),
        ])
    }
}

fn both_ways(federation: &mut Federation) -> Vec<u32> {
    let (romeo, juliet) = ("romeo@montague.example/orchard", "juliet@capulet.example/balcony");
    let mut flow = |from, to| federation.add_flow(from, to, Course::OneWay, 200).unwrap();
    vec![flow(romeo, juliet), flow(juliet, romeo)]
}

async fn exchange(fixture: Fixture, one: Behaviour, other: Behaviour) {
    let rung = one.rung().unwrap();
    let mut federation = fixture.pair(one, other);
    let flows = both_ways(&mut federation);
    assert_eq!(federation.open().await, 0, "{:?}", federation.census().failures());
    let outcome = federation.run(&flows, QUICK).await;
    assert_eq!(
        (outcome.tally.sent, outcome.tally.delivered),
        (1000, 1000),
        "{:?}",
        federation.census()
    );
    assert!(outcome.tally.faults().is_empty(), "{:?}", outcome.tally);
    assert_eq!(outcome.latency_us.len(), 1000);
    let census = federation.census();
    assert!(census.failures().is_empty(), "{census:?}");
    assert_eq!(census.open(Direction::Inbound, rung), 2);
    assert_eq!(census.open(Direction::Outbound, rung), 2);
    federation.close().await;
}

#[test]
fn promiscuous_remotes_exchange_stanzas() {
    run(exchange(Fixture::new(), Behaviour::Promiscuous, Behaviour::Promiscuous));
}

#[test]
fn verified_remotes_exchange_stanzas() {
    run(exchange(Fixture::new(), Behaviour::Verified, Behaviour::Verified));
}

#[test]
fn verified_remotes_understand_those_from_before_version_1_0() {
    run(exchange(Fixture::new(), Behaviour::VerifiedBefore1_0, Behaviour::Verified));
}

#[test]
fn secure_remotes_exchange_stanzas() {
    run(exchange(Fixture::new(), Behaviour::Secure, Behaviour::Secure));
}

#[test]
fn trusted_remotes_exchange_stanzas() {
    run(exchange(Fixture::new(), Behaviour::Trusted, Behaviour::Trusted));
}

#[test]
fn trusted_remotes_exchange_stanzas_over_direct_tls() {
    run(exchange(Fixture::new(), Behaviour::TrustedDirect, Behaviour::Trusted));
}

#[test]
fn a_closed_window_is_kept_full_and_loses_nothing() {
    run(async {
        let mut federation = Fixture::new().pair(Behaviour::Trusted, Behaviour::Trusted);
        let flows = both_ways(&mut federation);
        assert_eq!(federation.open().await, 0);
        let outcome = federation.run(&flows, Work { pace: Pace::Window(256), ..QUICK }).await;
        assert!(outcome.tally.faults().is_empty(), "{:?}", outcome.tally);
        assert!(outcome.tally.delivered > 1000, "{:?}", outcome.tally);
    });
}

#[test]
fn a_sender_that_is_held_up_counts_from_the_times_that_were_meant() {
    run(async {
        let mut federation = Fixture::new().pair(Behaviour::Promiscuous, Behaviour::Promiscuous);
        let flows = both_ways(&mut federation);
        assert_eq!(federation.open().await, 0);
        // What stops the sender stops its clock for nobody: the stanzas of that time were due all the same.
        let (outcome, ()) = tokio::join!(federation.run(&flows, QUICK), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            std::thread::sleep(Duration::from_millis(200));
        });
        assert_eq!((outcome.tally.sent, outcome.tally.delivered), (1000, 1000));
        // 2,000 a second: of the 400 that were due meanwhile, 300 waited for more than 50 ms.
        let late = outcome.latency_us.count_between(50_000, u64::MAX);
        assert!(late > 290, "{late}");
        assert!(outcome.behind_us_max > 190_000, "{}", outcome.behind_us_max);
    });
}

#[test]
fn many_domains_share_few_addresses_and_one_certificate() {
    run(async {
        let fixture = Fixture::new();
        let wildcard = fixture.authority.issue(CertSpec::for_dns(&["*.verona.example"])).into();
        // Half of them over direct TLS, on a port of their own.
        let remotes = (0..40).map(|number: usize| {
            let (behaviour, port) = match number % 2 {
                0 => (Behaviour::Trusted, fixture.port),
                _ => (Behaviour::TrustedDirect, fixture.port + 1),
            };
            let listen = place(number % 4, port);
            let mut remote =
                RemotePlan::new(&format!("d{number}.verona.example"), behaviour, listen);
            remote.credentials = Some(Credentials::clone(&wildcard));
            remote
        });
        let mut federation = fixture.start(remotes.collect());
        let flows: Vec<u32> = (0..40)
            .map(|number| {
                let from = format!("u@d{number}.verona.example");
                let to = format!("u@d{}.verona.example", (number + 1) % 40);
                federation.add_flow(&from, &to, Course::OneWay, 200).unwrap()
            })
            .collect();
        assert_eq!(federation.open().await, 0, "{:?}", federation.census().failures());
        let outcome = federation.run(&flows, QUICK).await;
        assert_eq!((outcome.tally.sent, outcome.tally.delivered), (1000, 1000));
        let counts = federation.counts();
        let all = Handshakes { full: 40, resumed: 0 };
        assert_eq!((counts.inbound, counts.outbound), (all, all));
        // Remotes among themselves: what one writes another reads.
        assert_eq!(counts.bytes_in, counts.bytes_out);
        assert!(counts.bytes_in > 1000 * federation.stanza_bytes() as u64);
    });
}

#[test]
fn domains_of_both_kinds_of_tls_cannot_share_an_address() {
    run(async {
        let fixture = Fixture::new();
        let remotes = vec![
            fixture.remote("montague.example", Behaviour::Trusted, 0),
            fixture.remote("capulet.example", Behaviour::TrustedDirect, 0),
        ];
        let router = fixture.nowhere();
        let plan = FederationPlan { remotes, router, roots: Vec::new(), seed: 1 };
        let error = Federation::start(plan).unwrap_err().to_string();
        let shared = format!("capulet.example cannot share {}", fixture.place(0));
        assert!(error.contains(&shared), "{error}");
    });
}

#[test]
fn a_remote_without_dialback_server_is_not_verified() {
    run(async {
        let fixture = Fixture::new();
        // Nobody listens for the authoritative server.
        let mut federation = fixture.start(vec![
            fixture.remote("montague.example", Behaviour::Verified, 0),
            fixture.remote("capulet.example", Behaviour::Secure, 1),
        ]);
        let romeo = federation
            .add_flow("romeo@montague.example", "juliet@capulet.example", Course::OneWay, 200)
            .unwrap();
        // A secure remote refuses dialback in the clear.
        assert_eq!(federation.open().await, 1);
        let outcome = federation.run(&[romeo], QUICK).await;
        assert_eq!(outcome.tally, Tally::default());
        assert_eq!(outcome.skipped, 1000);
        let failures = federation.census().failures().clone();
        assert!(failures.contains_key("initiating: refused: policy-violation"), "{failures:?}");
    });
}

#[test]
fn a_self_signed_certificate_is_not_trusted() {
    run(async {
        let fixture = Fixture::new();
        let mut impostor = fixture.remote("montague.example", Behaviour::Trusted, 0);
        impostor.credentials = Some(self_signed(CertSpec::for_dns(&["montague.example"])).into());
        let mut federation =
            fixture.start(vec![impostor, fixture.remote("capulet.example", Behaviour::Trusted, 1)]);
        both_ways(&mut federation);
        assert_eq!(federation.open().await, 2);
        let failures = federation.census().failures().clone();
        assert!(failures.contains_key("initiating: SASL EXTERNAL not offered"), "{failures:?}");
        assert!(
            failures.contains_key("initiating: the certificate does not prove the name"),
            "{failures:?}"
        );
    });
}

#[test]
fn a_name_that_is_not_served_is_refused() {
    run(async {
        let fixture = Fixture::new();
        let router = RouterAddress { starttls: fixture.place(0), direct_tls: None };
        let remotes = vec![fixture.remote("montague.example", Behaviour::Verified, 0)];
        let plan = FederationPlan { remotes, router, roots: Vec::new(), seed: 1 };
        let mut federation = Federation::start(plan).unwrap();
        federation
            .add_flow("romeo@montague.example", "nobody@verona.example", Course::OneWay, 200)
            .unwrap();
        assert_eq!(federation.open().await, 1);
        let failures = federation.census().failures().clone();
        assert!(failures.contains_key("initiating: stream error host-unknown"), "{failures:?}");
    });
}

#[test]
fn every_rung_at_once() {
    run(async {
        let fixture = Fixture::new();
        let mut remotes = plan::mixed(100, fixture.port);
        remotes.retain(|remote| remote.behaviour.rung().is_some());
        for (number, remote) in remotes.iter_mut().enumerate() {
            remote.credentials =
                fixture.remote(&remote.domain, remote.behaviour, number).credentials;
        }
        let names: Vec<_> =
            remotes.iter().map(|remote| (remote.domain.clone(), remote.behaviour)).collect();
        let mut federation = fixture.start(remotes);
        let mut flows = Vec::new();
        for rung in Rung::ALL {
            // A ring over all remotes of one rung.
            let ring: Vec<_> =
                names.iter().filter(|(_, behaviour)| behaviour.rung() == Some(rung)).collect();
            for (at, (domain, _)) in ring.iter().enumerate() {
                let next = &ring[(at + 1) % ring.len()].0;
                let flow = federation.add_flow(
                    &format!("u@{domain}"),
                    &format!("u@{next}"),
                    Course::OneWay,
                    200,
                );
                flows.push(flow.unwrap());
            }
        }
        assert_eq!(federation.open().await, 0, "{:?}", federation.census().failures());
        let outcome = federation.run(&flows, QUICK).await;
        assert!(outcome.tally.faults().is_empty(), "{:?}", outcome.tally);
        assert_eq!(outcome.tally.delivered, 1000);
    });
}
