//! Random histories of one shard against a model of its laws.
//!
//! The driver here is as unfriendly as a network: look-ups fail, connections fail or come late, streams are refused, links end
//! politely and impolitely with parcels unsent, components come and go. Whatever happens:
//! nothing is lost or duplicated, order per (bare `from`, `to`) holds, errors are never answered, the counters add up, queues
//! keep their bounds, and every verification is answered exactly once.

#[path = "support/stanzas.rs"]
mod stanzas;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;
use s2s_proto::{Demand, DialbackCondition, Millis, OutboundFailure, VerifyOutcome, VerifyRequest};
use s2s_route::{
    Action, Attachment, AttemptId, BackendRoute, BackoffConfig, ConnectFailure, Discovery,
    DnsFailure, HostedEntry, HostedKind, LaneId, LinkEnd, LinkId, OutboundEvent, Parcel, Random,
    RouteConfig, RouteLimits, Router, ShardId, Sharing, Srv, SrvAnswer, Target, VerifyTicket,
};
use stanzas::stanza;
use xmpp_addr::{Domain, DomainPair, DomainPattern};
use xmpp_frame::Content;

const LOCALS: [&str; 2] = ["capulet.example", "tybalt.example"];
/// Served by a backend.
const BEHIND: &str = "mercutio.example";
const REMOTES: [&str; 5] =
    ["montague.example", "verona.example", "mantua.example", "padua.example", "venice.example"];

/// A stanza of the history.
struct Written {
    conversation: String,
    bounceable: bool,
    delivered: u32,
    bounced: u32,
}

/// A link as the driver sees it: of our own for a pair, of a component, or opened by a remote server.
struct Link {
    /// `None` for the link of a component.
    pair: Option<DomainPair>,
    /// The pairs asked for on the link of a backend.
    petitions: Vec<DomainPair>,
    is_component: bool,
    /// What may be sent on a link that a remote server opened (XEP-0288).
    lent: Vec<DomainPair>,
    /// What came after the close tag.
    late: Vec<Parcel>,
    outbox: VecDeque<Parcel>,
    /// The router has more for it.
    awaits_room: bool,
    verifies: Vec<VerifyRequest>,
    asked_to_authorize: bool,
    /// The router wants it closed; it takes its time.
    closing: bool,
}

struct World {
    router: Router,
    config: RouteConfig,
    limits: RouteLimits,
    random: Random,
    now: Millis,
    out: Vec<Action>,
    links: BTreeMap<LinkId, Link>,
    resolves: Vec<Domain>,
    connects: Vec<(AttemptId, DomainPair, Vec<Target>)>,
    backend_connects: Vec<(LaneId, DomainPair)>,
    written: Vec<Written>,
    /// The last stanza delivered of each conversation.
    last: BTreeMap<String, usize>,
    tickets: Vec<u32>,
    next_link: u32,
}

impl World {
    fn new(seed: u64) -> World {
        let mut config = RouteConfig::new([1, 2]);
        config.hosted = LOCALS
            .map(|name| HostedEntry {
                pattern: DomainPattern::parse(name).unwrap(),
                kind: HostedKind::Component,
            })
            .to_vec();
        let backend = BackendRoute {
            address: "127.0.0.1:5269".parse().unwrap(),
            sharing: if seed.is_multiple_of(2) { Sharing::None } else { Sharing::Links(1) },
        };
        config.hosted.push(HostedEntry {
            pattern: DomainPattern::parse(BEHIND).unwrap(),
            kind: HostedKind::Backend(backend),
        });
        config.limits = RouteLimits {
            slots: 7,
            lanes: 2,
            lane_pairs: 3,
            queue_parcels: 5,
            queue_bytes: 2_500,
            queue_total_bytes: 5_000,
            tickets_per_remote: 2,
            tickets_per_asker: 4,
            tickets: 4,
            ..RouteLimits::default()
        };
        config.backoff = BackoffConfig { first_ms: 500, cap_ms: 4_000 };
        config.timeouts.stable_ms = 3_000;
        let limits = config.limits;
        let mut world = World {
            router: Router::new(ShardId(0), Arc::new(config.clone()), seed),
            config,
            limits,
            random: Random::new(seed ^ 0xABCD),
            now: Millis(1_000),
            out: Vec::new(),
            links: BTreeMap::new(),
            resolves: Vec::new(),
            connects: Vec::new(),
            backend_connects: Vec::new(),
            written: Vec::new(),
            last: BTreeMap::new(),
            tickets: Vec::new(),
            next_link: 0,
        };
        world.attach();
        world
    }

    fn pick(&mut self, below: usize) -> usize {
        usize::try_from(self.random.between(0, below as u64 - 1)).unwrap()
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.random.between(1, 100) <= percent
    }

    fn new_link(&mut self, pair: Option<DomainPair>) -> LinkId {
        self.next_link += 1;
        let id =
            LinkId { shard: ShardId(0), index: self.next_link % 8, generation: self.next_link };
        self.links.insert(
            id,
            Link {
                pair,
                petitions: Vec::new(),
                is_component: false,
                lent: Vec::new(),
                late: Vec::new(),
                outbox: VecDeque::new(),
                awaits_room: false,
                verifies: Vec::new(),
                asked_to_authorize: false,
                closing: false,
            },
        );
        id
    }

    fn step(&mut self) {
        match self.pick(48) {
            0..=11 => self.write(),
            12..=15 => self.answer_resolve(),
            16..=18 => self.answer_connect(),
            19 | 45 | 46 => self.answer_backend(),
            20..=25 => self.stream_event(),
            26..=28 => self.flush_some(),
            29 | 30 => self.end_link(),
            31..=33 => self.ask_verification(),
            34 => self.attach(),
            35..=38 => self.pass_time(2_000),
            39..=42 => self.lend(),
            43 => self.withdraw(),
            44 => self.reload(),
            _ => self.pass_time(40_000),
        }
        self.settle();
    }

    fn write(&mut self) {
        let outward = self.chance(70);
        let local = [LOCALS[0], LOCALS[1], BEHIND][self.pick(3)];
        let remote = REMOTES[self.pick(5)];
        let user = self.pick(2);
        let (from, to) = match outward {
            true => (format!("user{user}@{local}"), format!("peer@{remote}")),
            false if self.chance(10) => {
                (format!("user{user}@{remote}"), "peer@relay.example".to_owned())
            }
            false => (format!("user{user}@{remote}"), format!("peer@{local}")),
        };
        let id = self.written.len();
        let (xml, bounceable) = match self.pick(6) {
            0 => (format!("<iq from='{from}/r' to='{to}' id='{id}' type='result'/>"), false),
            1 => (format!("<message from='{from}' to='{to}' id='{id}' type='error'/>"), false),
            2 => (
                format!("<iq from='{from}/q' to='{to}' id='{id}' type='get'><q xmlns='x:y'/></iq>"),
                true,
            ),
            _ => {
                let body = "x".repeat(self.pick(900));
                (
                    format!(
                        "<message from='{from}/{id}' to='{to}' id='{id}'><body>{body}</body></message>"
                    ),
                    true,
                )
            }
        };
        let conversation = format!("{from} {to}");
        self.written.push(Written { conversation, bounceable, delivered: 0, bounced: 0 });
        self.router.route(self.now, Parcel::Stanza(stanza(&xml)), &mut self.out);
    }

    fn answer_resolve(&mut self) {
        if self.resolves.is_empty() {
            return;
        }
        let at = self.pick(self.resolves.len());
        let remote = self.resolves.swap_remove(at);
        let result = match self.pick(12) {
            0 => Err(DnsFailure::Temporary),
            1 => Err(DnsFailure::NoSuchDomain),
            _ => Ok(self.discovery()),
        };
        self.router.resolved(self.now, &remote, result, &mut self.out);
    }

    fn discovery(&mut self) -> Discovery {
        let records = (0..3).map(|n| Srv {
            priority: n,
            weight: 0,
            port: 5269 + n,
            target: "a.example".into(),
        });
        let xmpp = if self.chance(90) {
            SrvAnswer::Records(records.collect())
        } else {
            SrvAnswer::NotOffered
        };
        let hosts = vec![s2s_route::HostAddresses {
            name: "a.example".into(),
            addresses: vec!["8.8.8.8".parse().unwrap()],
        }];
        Discovery {
            xmpps: SrvAnswer::NoRecords,
            xmpp,
            hosts,
            fallback: Vec::new(),
            ttl_secs: 60,
            dnssec: false,
        }
    }

    fn answer_connect(&mut self) {
        if self.connects.is_empty() {
            return;
        }
        let at = self.pick(self.connects.len());
        let (attempt, pair, targets) = self.connects.swap_remove(at);
        if self.chance(25) {
            self.router.connect_failed(self.now, attempt, ConnectFailure::Refused, &mut self.out);
        } else {
            let target = targets[self.pick(targets.len())].clone();
            let link = self.new_link(Some(pair));
            self.router.connected(self.now, attempt, link, &target, &mut self.out);
        }
    }

    fn answer_backend(&mut self) {
        if self.backend_connects.is_empty() {
            return;
        }
        let at = self.pick(self.backend_connects.len());
        let (lane, pair) = self.backend_connects.swap_remove(at);
        if self.chance(30) {
            self.router.backend_connect_failed(self.now, lane, &mut self.out);
        } else {
            let link = self.new_link(Some(pair));
            self.router.backend_connected(self.now, lane, link, &mut self.out);
        }
    }

    fn outbound_link(&mut self) -> Option<LinkId> {
        let outbound: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| link.pair.is_some()).map(|(id, _)| *id).collect();
        if outbound.is_empty() { None } else { Some(outbound[self.pick(outbound.len())]) }
    }

    fn stream_event(&mut self) {
        let Some(id) = self.outbound_link() else { return };
        let choice = self.pick(12);
        let condition =
            [DialbackCondition::ItemNotFound, DialbackCondition::RemoteServerTimeout][self.pick(2)];
        let link = self.links.get_mut(&id).unwrap();
        let mut pair = link.pair.clone().unwrap();
        if pair.target().as_str() == BEHIND {
            if link.petitions.is_empty() {
                return;
            }
            let number = usize::try_from(self.random.between(0, link.petitions.len() as u64 - 1));
            pair = link.petitions.swap_remove(number.unwrap());
        }
        let event = match choice {
            0 => OutboundEvent::ExternalRefused,
            1 => OutboundEvent::PairFailed { pair, failure: OutboundFailure::Unauthenticated },
            2 if link.asked_to_authorize => {
                OutboundEvent::PairFailed { pair, failure: OutboundFailure::ConnectionLost }
            }
            3 => match link.verifies.pop() {
                Some(VerifyRequest { pair, stream_id, .. }) => {
                    let outcome = match condition {
                        DialbackCondition::ItemNotFound => VerifyOutcome::Valid { leg_tls: true },
                        condition => VerifyOutcome::Failed(condition),
                    };
                    OutboundEvent::VerifyAnswer { pair, stream_id, outcome }
                }
                // Unasked: to be ignored.
                None => OutboundEvent::VerifyAnswer {
                    pair: pair.reversed(),
                    stream_id: "forged".into(),
                    outcome: VerifyOutcome::Valid { leg_tls: true },
                },
            },
            _ => OutboundEvent::PairAuthorized { pair },
        };
        self.router.stream_event(self.now, id, event, &mut self.out);
    }

    fn lent_links(&self) -> Vec<LinkId> {
        let lent = self.links.iter().filter(|(_, link)| link.pair.is_none() && !link.is_component);
        lent.map(|(id, _)| *id).collect()
    }

    /// A pair was proved on a link that a remote server opened, a new one or one that is there.
    fn lend(&mut self) {
        let pair = DomainPair::new(domain(LOCALS[self.pick(2)]), domain(REMOTES[self.pick(5)]));
        let there = self.lent_links();
        let id = match self.pick(4) {
            0 if !there.is_empty() => there[self.pick(there.len())],
            _ if there.len() < 4 => self.new_link(None),
            _ => return,
        };
        let link = self.links.get_mut(&id).unwrap();
        if link.closing {
            return;
        }
        link.lent.push(pair.clone());
        self.router.reverse_authorized(self.now, id, &pair, &mut self.out);
    }

    fn withdraw(&mut self) {
        let there = self.lent_links();
        if there.is_empty() {
            return;
        }
        let id = there[self.pick(there.len())];
        let link = self.links.get_mut(&id).unwrap();
        let Some(pair) = link.lent.pop() else { return };
        // What is not written yet comes back with the end, and the router closes the link if there is any.
        let outbox = std::mem::take(&mut link.outbox);
        let (mut held, rest): (Vec<Parcel>, Vec<Parcel>) =
            outbox.into_iter().partition(|parcel| *parcel.pair() == pair);
        // What is late already came later.
        held.append(&mut link.late);
        (link.late, link.outbox) = (held, rest.into());
        self.router.reverse_withdrawn(id, &pair, &mut self.out);
    }

    /// The backend has another address, or shares its links in another way, or nothing changed.
    fn reload(&mut self) {
        let address = ["127.0.0.1:5269", "127.0.0.2:5269"][self.pick(2)].parse().unwrap();
        let sharing = [Sharing::Links(1), Sharing::Links(2), Sharing::None][self.pick(3)];
        let backend = HostedKind::Backend(BackendRoute { address, sharing });
        self.config.hosted.last_mut().unwrap().kind = backend;
        self.router.set_config(self.now, &Arc::new(self.config.clone()), &mut self.out);
    }

    fn flush_some(&mut self) {
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            let most = self.pick(4);
            self.flush(id, most);
        }
    }

    fn flush(&mut self, id: LinkId, most: usize) {
        for _ in 0..most {
            let Some(parcel) = self.links.get_mut(&id).and_then(|link| link.outbox.pop_front())
            else {
                break;
            };
            self.delivered(&parcel);
        }
        if let Some(link) = self.links.get_mut(&id)
            && link.outbox.is_empty()
            && std::mem::take(&mut link.awaits_room)
        {
            let bytes = self.pick(2_000);
            self.router.has_room(self.now, id, bytes, &mut self.out);
        }
    }

    /// Bytes of this parcel reached a peer.
    fn delivered(&mut self, parcel: &Parcel) {
        let bytes = parcel.bytes_for(Content::Server);
        let text = std::str::from_utf8(&bytes).unwrap();
        let (_, rest) = text.split_once(" id='").unwrap();
        let id: usize = rest.split_once('\'').unwrap().0.parse().unwrap();
        let stanza = &mut self.written[id];
        if matches!(parcel, Parcel::Bounce(_)) {
            stanza.bounced += 1;
            assert!(stanza.bounceable, "an error or a result was answered: {text}");
            assert!(bytes.len() < 1024);
        } else {
            stanza.delivered += 1;
            let last = self.last.insert(stanza.conversation.clone(), id);
            assert!(
                last.is_none_or(|last| last < id),
                "{id} came after {last:?} in {}",
                stanza.conversation
            );
        }
        assert!(stanza.delivered + stanza.bounced <= 1, "stanza {id} was answered twice");
    }

    fn end_link(&mut self) {
        if self.links.is_empty() {
            return;
        }
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        let id = ids[self.pick(ids.len())];
        let end = match self.pick(5) {
            _ if self.links[&id].closing => LinkEnd::ClosedByUs,
            0 => LinkEnd::ClosedByUs,
            1 | 2 => LinkEnd::ClosedByPeer,
            3 => LinkEnd::Failed(OutboundFailure::ConnectionLost),
            _ => LinkEnd::Failed(OutboundFailure::HostUnknown),
        };
        self.close(id, &end);
    }

    fn close(&mut self, id: LinkId, end: &LinkEnd) {
        let Some(link) = self.links.remove(&id) else { return };
        let unsent = link.outbox.into_iter().chain(link.late).collect();
        self.router.link_closed(self.now, id, end, unsent, &mut self.out);
    }

    fn ask_verification(&mut self) {
        let number = self.tickets.len();
        self.tickets.push(0);
        let pair = DomainPair::new(domain(REMOTES[self.pick(5)]), domain(LOCALS[self.pick(2)]));
        let stream_id = format!("{number}").into();
        let request = VerifyRequest { pair, stream_id, key: "00".into(), demand: Demand::Dialback };
        let link = LinkId { shard: ShardId(1), index: 0, generation: 0 };
        self.router.verify(self.now, VerifyTicket { link, request }, &mut self.out);
    }

    /// A component attaches to every hosted domain. Older links are flushed first: what they hold may be overtaken otherwise.
    fn attach(&mut self) {
        let components: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| link.is_component).map(|(id, _)| *id).collect();
        if components.len() > 2 {
            return;
        }
        for id in components {
            self.flush(id, usize::MAX);
        }
        let link = self.new_link(None);
        self.links.get_mut(&link).unwrap().is_component = true;
        for local in LOCALS {
            self.router.attach(&Attachment { pattern: DomainPattern::parse(local).unwrap(), link });
        }
    }

    fn pass_time(&mut self, most: u64) {
        self.now = self.now.after(self.random.between(0, most));
        self.router.timeout(self.now, &mut self.out);
        assert!(self.router.next_deadline().is_none_or(|next| next > self.now));
    }

    /// Executes the actions, then checks the laws that hold at every moment.
    fn settle(&mut self) {
        while !self.out.is_empty() {
            for action in std::mem::take(&mut self.out) {
                self.execute(action);
            }
        }
        let levels = self.router.snapshot();
        let counters = levels.counters;
        assert_eq!(
            counters.routed + counters.returned,
            counters.sent
                + counters.forwarded
                + counters.bounced
                + counters.dropped()
                + levels.queued as u64,
            "{levels:?}"
        );
        assert!(levels.queued_bytes <= self.limits.queue_total_bytes);
        assert!(levels.tickets <= self.limits.tickets);
        assert_eq!(counters.tickets_asked, counters.tickets_answered + levels.tickets as u64);
        let slots = levels.slots_idle
            + levels.slots_resolving
            + levels.slots_connecting
            + levels.slots_verifying
            + levels.slots_established
            + levels.slots_closing
            + levels.slots_cooling_down;
        assert!(slots <= self.limits.slots);
    }

    fn execute(&mut self, action: Action) {
        match action {
            Action::Send { link, parcel } => match self.links.get_mut(&link) {
                // For another pair than the one it was closed for; it comes back with the end.
                Some(link) if link.closing && !link.lent.is_empty() => link.late.push(parcel),
                Some(link) => {
                    assert!(!link.closing, "sent to a link that was to be closed");
                    let is_authorized = link.is_component
                        || link.pair.is_some()
                        || link.lent.contains(parcel.pair());
                    assert!(is_authorized, "sent where the pair is not authorised");
                    link.outbox.push_back(parcel);
                }
                None => panic!("sent to a link that is gone"),
            },
            Action::AwaitRoom { link } => {
                let link = self.links.get_mut(&link).unwrap();
                assert!(!link.awaits_room, "asked twice");
                link.awaits_room = true;
            }
            Action::Forward { .. } => panic!("there is one shard"),
            Action::Resolve { remote } => self.resolves.push(remote),
            Action::Connect { attempt, pair, targets, .. } => {
                assert!(!targets.is_empty());
                self.connects.push((attempt, pair, targets));
            }
            Action::ConnectBackend { lane, pair, .. } => self.backend_connects.push((lane, pair)),
            Action::Authorize { link, pair } if pair.target().as_str() == BEHIND => {
                let link = self.links.get_mut(&link).unwrap();
                assert_eq!(link.pair.as_ref().unwrap().target(), pair.target());
                assert!(!link.petitions.contains(&pair), "asked twice");
                link.petitions.push(pair);
            }
            Action::Authorize { link, pair } => {
                let link = self.links.get_mut(&link).unwrap();
                assert_eq!(link.pair.as_ref(), Some(&pair));
                link.asked_to_authorize = true;
            }
            Action::Verify { link, request } => {
                let link = self.links.get_mut(&link).unwrap();
                assert_eq!(link.pair, Some(request.pair.reversed()));
                link.verifies.push(request);
            }
            Action::Verified { stream_id, .. } => {
                self.tickets[stream_id.parse::<usize>().unwrap()] += 1;
            }
            Action::Close { link } => self.links.get_mut(&link).unwrap().closing = true,
        }
    }

    /// Lets everything come to an end, then accounts for every stanza and every verification.
    fn finish(mut self) {
        for round in 0.. {
            assert!(round < 1_000, "the router does not come to rest");
            let ids: Vec<LinkId> = self.links.keys().copied().collect();
            for id in ids {
                self.flush(id, usize::MAX);
            }
            self.settle();
            let closing: Vec<LinkId> =
                self.links.iter().filter(|(_, link)| link.closing).map(|(id, _)| *id).collect();
            for id in &closing {
                self.close(*id, &LinkEnd::ClosedByUs);
                self.settle();
            }
            let Some(next) = self.router.next_deadline() else {
                if closing.is_empty() {
                    break;
                }
                continue;
            };
            self.now = self.now.max(next);
            self.router.timeout(self.now, &mut self.out);
            self.settle();
        }
        let levels = self.router.snapshot();
        assert_eq!((levels.queued, levels.queued_bytes, levels.tickets), (0, 0, 0));
        assert!(self.tickets.iter().all(|answers| *answers == 1), "{:?}", self.tickets);
        let missing = |bounceable| {
            let gone = self.written.iter().filter(|stanza| stanza.delivered + stanza.bounced == 0);
            gone.filter(|stanza| stanza.bounceable == bounceable).count() as u64
        };
        assert_eq!(missing(true), levels.counters.dropped_bounces);
        assert_eq!(missing(false), levels.counters.dropped_must_not_bounce);
    }
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_in_every_history(seed in any::<u64>()) {
        let mut world = World::new(seed);
        for _ in 0..300 {
            world.step();
        }
        world.finish();
    }
}

/// A simulation that reaches nothing proves nothing.
#[test]
fn the_histories_reach_what_they_are_about() {
    let mut reached = [0; 13];
    for seed in 0..60 {
        let mut world = World::new(seed);
        let mut states = [0; 5];
        for _ in 0..300 {
            world.step();
            let levels = world.router.snapshot();
            states[0] += levels.slots_established as u64;
            states[1] += levels.slots_cooling_down as u64;
            states[2] += levels.queued as u64;
            states[3] += levels.lanes_open as u64;
            states[4] += levels.lane_pairs as u64;
        }
        let counters = world.router.counters();
        let counted = [
            counters.established,
            counters.gave_up,
            counters.returned,
            counters.dropped_bounces,
            counters.slots_evicted,
            counters.tickets_over_bound,
            counters.tickets_from_cache,
            counters.borrowed,
        ];
        for (sum, count) in reached.iter_mut().zip(counted.into_iter().chain(states)) {
            *sum += count;
        }
    }
    assert!(reached.iter().all(|count| *count >= 20), "{reached:?}");
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let run = || {
        let mut world = World::new(99);
        for _ in 0..200 {
            world.step();
        }
        world.router.snapshot()
    };
    assert_eq!(run(), run());
}
