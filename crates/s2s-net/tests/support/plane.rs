//! The data plane under test, and its stub control plane: a thread that answers look-ups from a table.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use s2s_net::{
    Boot, ControlQueue, ControlRequest, DataPlane, HostedDomain, Listener, ListenerKind, Service,
    Settings, ShardReport,
};
use s2s_proto::dialback::Secret;
use s2s_route::{Discovery, DnsFailure, HostAddresses, Srv, SrvAnswer};
use s2s_trust::{Policy, Roots, Rung};
use xmpp_addr::DomainPattern;

use super::certs::Issued;

/// Longer than anything takes that works.
pub const PATIENCE: Duration = Duration::from_secs(8);

pub const SECRET: &str = "wherefore";

/// What to start.
pub struct Setup {
    pub shards: u16,
    pub settings: Settings,
}

impl Setup {
    /// Two shards, `capulet.example` and everything below it as components, no certificates; names
    /// are believed.
    pub fn new() -> Setup {
        let domain = |pattern: &str| HostedDomain {
            pattern: DomainPattern::parse(pattern).unwrap(),
            identity: None,
            service: Service::Component { secret: SECRET.to_owned() },
        };
        let mut setup = Setup {
            shards: 2,
            settings: Settings {
                domains: vec![domain("capulet.example"), domain("*.capulet.example")],
                policy: Policy::new(Rung::Promiscuous, Vec::new()).unwrap(),
                roots: Arc::new(Roots::none()),
                secret: Arc::new(Secret::new(&[7; 32]).unwrap()),
                leaves: None,
                allow_private: vec!["127.0.0.0/8".parse().unwrap()],
                bidi: true,
                limits: s2s_net::Limits::default(),
                timeouts: s2s_net::Timeouts::default(),
            },
        };
        setup.settings.timeouts.drain_secs = 3;
        setup
    }

    pub fn minimum(mut self, rung: Rung) -> Setup {
        self.settings.policy = Policy::new(rung, Vec::new()).unwrap();
        self
    }

    pub fn shards(mut self, shards: u16) -> Setup {
        self.shards = shards;
        self
    }

    /// The certificate shown for one hosted entry.
    pub fn identity(mut self, pattern: &str, issued: &Issued) -> Setup {
        let pattern = DomainPattern::parse(pattern).unwrap();
        let key = aws_lc_rs::sign::any_supported_type(&issued.key).unwrap();
        let identity = Arc::new(CertifiedKey::new(issued.chain.clone(), key));
        let entry = self.settings.domains.iter_mut().find(|entry| entry.pattern == pattern);
        entry.unwrap().identity = Some(identity);
        self
    }

    pub fn start(self) -> Plane {
        Plane::start(self)
    }
}

/// A hosted component entry.
pub fn component_entry(pattern: &str, secret: &str) -> HostedDomain {
    HostedDomain {
        pattern: DomainPattern::parse(pattern).unwrap(),
        identity: None,
        service: Service::Component { secret: secret.to_owned() },
    }
}

/// One place where a remote domain is.
#[derive(Clone, Copy)]
pub struct At {
    pub address: SocketAddr,
    pub direct: bool,
    pub priority: u16,
}

/// STARTTLS, priority 0.
pub fn at(address: SocketAddr) -> At {
    At { address, direct: false, priority: 0 }
}

#[derive(Default)]
struct Stub {
    zone: HashMap<String, Discovery>,
    asked: HashMap<String, usize>,
    reports: HashMap<u16, ShardReport>,
    stopped: u16,
    rung: bool,
}

type Shared = Arc<(Mutex<Stub>, Condvar)>;

/// A running data plane. Dropping it drains it and waits for its threads.
pub struct Plane {
    plane: Option<Arc<DataPlane>>,
    control: Option<JoinHandle<()>>,
    shared: Shared,
    shards: u16,
}

/// Sums over all shards.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub steered: u64,
    pub forwarded: u64,
    pub links: u64,
    pub handshakes: u64,
    pub resumed: u64,
    pub connect_failures: u64,
    pub closed_idle: u64,
    pub closed_for_room: u64,
    pub chains_judged: u64,
    /// Parcels that wait in queues.
    pub queued: usize,
    pub panics: u64,
    pub bidirectional: u64,
    /// By rung.
    pub pairs_in: [u64; 4],
    pub pairs_out: [u64; 4],
}

impl Plane {
    fn start(setup: Setup) -> Plane {
        let shared: Shared = Arc::default();
        let ring = Arc::clone(&shared);
        let queue = ControlQueue::new(
            1024,
            Box::new(move || {
                ring.0.lock().unwrap().rung = true;
                ring.1.notify_all();
            }),
        );
        let listener = |kind| Listener { address: "127.0.0.1:0".parse().unwrap(), kind };
        let boot = Boot {
            shards: setup.shards,
            pin_to_cores: false,
            listeners: vec![
                listener(ListenerKind::S2s),
                listener(ListenerKind::S2sDirectTls),
                listener(ListenerKind::Component),
                listener(ListenerKind::Backend),
            ],
            boot_secret: [3; 32],
            settings: Arc::new(setup.settings),
        };
        let plane = Arc::new(s2s_net::start(boot, Arc::clone(&queue)).unwrap());
        let (own, shared_of_thread) = (Arc::clone(&plane), Arc::clone(&shared));
        let shards = setup.shards;
        let control = std::thread::spawn(move || serve(&own, &queue, &shared_of_thread, shards));
        Plane { plane: Some(plane), control: Some(control), shared, shards }
    }

    fn running(&self) -> &DataPlane {
        self.plane.as_ref().unwrap()
    }

    fn listening(&self, kind: ListenerKind) -> SocketAddr {
        self.running().listening().iter().find(|own| own.kind == kind).unwrap().address
    }

    pub fn s2s(&self) -> SocketAddr {
        self.listening(ListenerKind::S2s)
    }

    pub fn direct_tls(&self) -> SocketAddr {
        self.listening(ListenerKind::S2sDirectTls)
    }

    pub fn component(&self) -> SocketAddr {
        self.listening(ListenerKind::Component)
    }

    pub fn backend(&self) -> SocketAddr {
        self.listening(ListenerKind::Backend)
    }

    pub fn reload(&self, setup: Setup) {
        self.running().reload(&Arc::new(setup.settings));
    }

    pub fn drain(&self) {
        self.running().drain();
    }

    /// From now on `remote` is at these places.
    pub fn zone(&self, remote: &str, places: &[At]) {
        let records = |direct| {
            let of = places.iter().enumerate().filter(|(_, place)| place.direct == direct);
            let records: Vec<Srv> = of
                .map(|(index, place)| Srv {
                    priority: place.priority,
                    weight: 0,
                    port: place.address.port(),
                    target: format!("h{index}.{remote}"),
                })
                .collect();
            if records.is_empty() { SrvAnswer::NoRecords } else { SrvAnswer::Records(records) }
        };
        let hosts = places.iter().enumerate().map(|(index, place)| HostAddresses {
            name: format!("h{index}.{remote}"),
            addresses: vec![place.address.ip() as IpAddr],
        });
        let discovery = Discovery {
            xmpps: records(true),
            xmpp: records(false),
            hosts: hosts.collect(),
            fallback: Vec::new(),
            ttl_secs: 60,
            dnssec: false,
        };
        self.records(remote, discovery);
    }

    /// From now on DNS says so about `remote`.
    pub fn records(&self, remote: &str, discovery: Discovery) {
        self.shared.0.lock().unwrap().zone.insert(remote.to_owned(), discovery);
    }

    /// How often `remote` was looked up.
    pub fn lookups(&self, remote: &str) -> usize {
        self.shared.0.lock().unwrap().asked.get(remote).copied().unwrap_or_default()
    }

    /// Waits until the reports say so.
    pub fn wait_for(&self, what: &str, mut holds: impl FnMut(&Totals) -> bool) -> Totals {
        let until = Instant::now() + PATIENCE;
        let mut stub = self.shared.0.lock().unwrap();
        loop {
            let totals = totals(&stub);
            if stub.reports.len() == usize::from(self.shards) && holds(&totals) {
                return totals;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Poisoned, it would keep the shards from ending, and the test with them.
                drop(stub);
                panic!("{what}: never, last {totals:?}");
            }
            stub = self.shared.1.wait_timeout(stub, left).unwrap().0;
        }
    }

    /// Drains and joins.
    pub fn stop(mut self) {
        self.end();
    }

    /// Drains and joins; answers with the last report of every shard.
    pub fn ended(mut self) -> Vec<ShardReport> {
        self.end();
        self.shared.0.lock().unwrap().reports.values().cloned().collect()
    }

    fn end(&mut self) {
        let Some(plane) = self.plane.take() else { return };
        plane.drain();
        self.control.take().unwrap().join().unwrap();
        let plane = Arc::into_inner(plane).expect("nobody else holds the data plane");
        assert_eq!(plane.join(), Ok(()));
        let panics = totals(&self.shared.0.lock().unwrap()).panics;
        assert!(panics == 0 || std::thread::panicking(), "{panics} panics in the data plane");
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.end();
    }
}

fn totals(stub: &Stub) -> Totals {
    let mut totals = Totals::default();
    for report in stub.reports.values() {
        totals.steered += report.net.steered;
        totals.forwarded += report.route.counters.forwarded;
        totals.links += report.gauges.links;
        totals.handshakes += report.net.tls_handshakes;
        totals.resumed += report.net.tls_resumed;
        totals.connect_failures += report.net.connect_failures;
        totals.closed_idle += report.net.closed_idle;
        totals.closed_for_room += report.net.closed_for_room;
        totals.chains_judged += report.net.chains_judged;
        totals.queued += report.route.queued;
        totals.panics += report.net.panics;
        totals.bidirectional += report.net.bidirectional;
        for rung in 0..4 {
            totals.pairs_in[rung] += report.gauges.pairs_in[rung];
            totals.pairs_out[rung] += report.gauges.pairs_out[rung];
        }
    }
    totals
}

/// The stub control plane, until all shards have stopped.
fn serve(plane: &DataPlane, queue: &ControlQueue, shared: &Shared, shards: u16) {
    loop {
        {
            let mut stub = shared.0.lock().unwrap();
            while !stub.rung {
                if stub.stopped == shards {
                    return;
                }
                stub = shared.1.wait(stub).unwrap();
            }
            stub.rung = false;
        }
        while let Some(request) = queue.pop() {
            let mut stub = shared.0.lock().unwrap();
            match request {
                ControlRequest::Resolve { shard, remote } => {
                    *stub.asked.entry(remote.as_str().to_owned()).or_default() += 1;
                    let answer = stub.zone.get(remote.as_str()).cloned();
                    plane.resolved(shard, remote, answer.ok_or(DnsFailure::NoSuchDomain));
                }
                ControlRequest::Metrics(report) => {
                    stub.reports.insert(report.shard.0, *report);
                }
                ControlRequest::Stopped(_) => stub.stopped += 1,
            }
            shared.1.notify_all();
        }
    }
}
