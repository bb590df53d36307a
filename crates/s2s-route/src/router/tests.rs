use super::*;
use crate::action::{LinkEnd, OutboundEvent, VerifyTicket};
use crate::bounce::ConnectFailure;
use crate::config::{HostedEntry, HostedKind, RouteLimits};
use crate::discovery::{DnsFailure, HostAddresses, Srv, SrvAnswer, Target};
use crate::guard::Guard;
use crate::ids::AttemptId;
use crate::stanzas::stanza;
use s2s_proto::{
    Demand, OutboundFailure, ReceivedError, StreamCondition, VerifyOutcome, VerifyRequest,
};
use xmpp_addr::DomainPattern;
use xmpp_frame::Content;

mod backends;
mod bounds;
mod legs;
mod reverse;

const COMPONENT: LinkId = LinkId { shard: ShardId(0), index: 1, generation: 1 };
const OUT: LinkId = LinkId { shard: ShardId(0), index: 2, generation: 1 };
const OUT2: LinkId = LinkId { shard: ShardId(0), index: 3, generation: 1 };

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn config() -> RouteConfig {
    let mut config = RouteConfig::new([1, 2]);
    let pattern = DomainPattern::parse("capulet.example").unwrap();
    config.hosted = vec![HostedEntry { pattern, kind: HostedKind::Component }];
    config
}

/// A router that hosts capulet.example, whose component is attached, and the driver's view of it.
struct Shard {
    router: Router,
    now: Millis,
    out: Vec<Action>,
    /// Room that every link has when it is asked for; `None`: nothing is said yet.
    room: Option<usize>,
}

impl Shard {
    fn new(config: RouteConfig) -> Shard {
        let mut router = Router::new(ShardId(0), Arc::new(config), 5);
        router.attach(&Attachment {
            pattern: DomainPattern::parse("capulet.example").unwrap(),
            link: COMPONENT,
        });
        Shard { router, now: Millis(1_000), out: Vec::new(), room: Some(usize::MAX) }
    }

    fn route(&mut self, xml: &str) -> Vec<String> {
        self.router.route(self.now, Parcel::Stanza(stanza(xml)), &mut self.out);
        self.said()
    }

    /// A message from Juliet to Romeo.
    fn says(&mut self, id: &str) -> Vec<String> {
        self.route(&format!(
            "<message from='juliet@capulet.example' to='romeo@montague.example' id='{id}'/>"
        ))
    }

    fn resolve(&mut self, addresses: &[&str]) -> Vec<String> {
        let records = addresses.iter().zip(0..).map(|(_, n)| Srv {
            priority: n,
            weight: 0,
            port: 5269,
            target: format!("h{n}.example"),
        });
        let discovery = Discovery {
            xmpps: SrvAnswer::NoRecords,
            xmpp: SrvAnswer::Records(records.collect()),
            hosts: addresses
                .iter()
                .zip(0..)
                .map(|(ip, n)| HostAddresses {
                    name: format!("h{n}.example"),
                    addresses: vec![ip.parse().unwrap()],
                })
                .collect(),
            fallback: Vec::new(),
            ttl_secs: 600,
            dnssec: false,
        };
        self.router.resolved(self.now, &domain("montague.example"), Ok(discovery), &mut self.out);
        self.said()
    }

    fn connected(&mut self, link: LinkId, address: &str) -> Vec<String> {
        let address = address.parse().unwrap();
        let (attempt, targets) = self.connecting();
        let target = targets.into_iter().find(|target| target.address == address).unwrap();
        self.router.connected(self.now, attempt, link, &target, &mut self.out);
        self.said()
    }

    /// The attempt under way and its targets.
    fn connecting(&self) -> (AttemptId, Vec<Target>) {
        let slot = self
            .router
            .slots
            .iter()
            .find(|slot| matches!(slot.state, State::Connecting(_)))
            .unwrap();
        let State::Connecting(connecting) = &slot.state else { unreachable!() };
        (connecting.attempt, connecting.targets.clone())
    }

    fn authorized(&mut self, link: LinkId) -> Vec<String> {
        self.event(link, OutboundEvent::PairAuthorized { pair: outward() })
    }

    fn pair_failed(&mut self, link: LinkId, failure: OutboundFailure) -> Vec<String> {
        self.event(link, OutboundEvent::PairFailed { pair: outward(), failure })
    }

    fn event(&mut self, link: LinkId, event: OutboundEvent) -> Vec<String> {
        self.router.stream_event(self.now, link, event, &mut self.out);
        self.said()
    }

    /// The link ends; `unsent` are the ids of messages it still held.
    fn closed(&mut self, link: LinkId, end: &LinkEnd, unsent: &[&str]) -> Vec<String> {
        let xml = |id: &&str| {
            stanza(&format!(
                "<message from='juliet@capulet.example' to='romeo@montague.example' id='{id}'/>"
            ))
        };
        let unsent = unsent.iter().map(|id| Parcel::Stanza(xml(id))).collect();
        self.router.link_closed(self.now, link, end, unsent, &mut self.out);
        self.said()
    }

    fn verify(&mut self, stream_id: &str) -> Vec<String> {
        let request = VerifyRequest {
            pair: outward().reversed(),
            stream_id: stream_id.into(),
            key: "ab".into(),
            demand: Demand::Dialback,
        };
        self.router.verify(self.now, VerifyTicket { link: COMPONENT, request }, &mut self.out);
        self.said()
    }

    fn pass(&mut self, ms: u64) -> Vec<String> {
        self.now = self.now.after(ms);
        self.router.timeout(self.now, &mut self.out);
        self.said()
    }

    /// An authorised link to montague.example.
    fn established() -> Shard {
        let mut shard = Shard::new(config());
        shard.says("0");
        shard.resolve(&["8.8.8.1"]);
        shard.connected(OUT, "8.8.8.1:5269");
        assert_eq!(shard.authorized(OUT), ["send 2: message 0"]);
        shard
    }

    fn said(&mut self) -> Vec<String> {
        if let Some(room) = self.room {
            let asks = |action: &Action| matches!(action, Action::AwaitRoom { .. });
            while let Some(at) = self.out.iter().position(asks) {
                let Action::AwaitRoom { link } = self.out.remove(at) else { unreachable!() };
                let mut sent = Vec::new();
                self.router.has_room(self.now, link, room, &mut sent);
                self.out.splice(at..at, sent);
            }
        }
        let counters = self.router.counters();
        let gone = counters.sent + counters.forwarded + counters.bounced + counters.dropped();
        assert_eq!(
            counters.routed + counters.returned,
            gone + self.router.snapshot().queued as u64
        );
        std::mem::take(&mut self.out).iter().map(spoken).collect()
    }
}

fn outward() -> DomainPair {
    DomainPair::new(domain("capulet.example"), domain("montague.example"))
}

fn spoken(action: &Action) -> String {
    match action {
        Action::Send { link, parcel } => format!("send {}: {}", link.index, named(parcel)),
        Action::Forward { shard, parcel } => format!("forward to {shard}: {}", named(parcel)),
        Action::Resolve { remote } => format!("resolve {remote}"),
        Action::Connect { targets, avoid, .. } => {
            let targets: Vec<String> =
                targets.iter().map(|target| target.address.ip().to_string()).collect();
            format!(
                "connect {}{}{}",
                targets.join(" "),
                if avoid.external { " dialback first" } else { "" },
                if avoid.bidi { " one way" } else { "" }
            )
        }
        Action::ConnectBackend { pair, .. } => format!("connect backend for {pair}"),
        Action::Authorize { link, .. } => format!("authorize on {}", link.index),
        Action::Verify { link, request } => {
            format!("verify {} on {}", request.stream_id, link.index)
        }
        Action::Verified { stream_id, outcome, .. } => format!("verified {stream_id}: {outcome:?}"),
        Action::AwaitRoom { link } => format!("await room on {}", link.index),
        Action::Close { link } => format!("close {}", link.index),
    }
}

/// `message ID`, or for a bounce `CONDITION ID`.
fn named(parcel: &Parcel) -> String {
    let bytes = parcel.bytes_for(Content::Component);
    let text = std::str::from_utf8(&bytes).unwrap();
    let id = text.split_once(" id='").map_or("-", |(_, rest)| rest.split_once('\'').unwrap().0);
    match parcel {
        Parcel::Bounce(bounce) => {
            format!("{} {} {id}", bounce.error().condition().name(), bounce.error().kind().name())
        }
        Parcel::Stanza(_) | Parcel::Kept(_) => format!("message {id}"),
    }
}

#[test]
fn the_first_stanza_opens_a_link_and_all_leave_in_order() {
    let mut shard = Shard::new(config());
    assert_eq!(shard.says("1"), ["resolve montague.example"]);
    assert!(shard.says("2").is_empty());
    assert_eq!(shard.resolve(&["8.8.8.1", "8.8.8.2"]), ["connect 8.8.8.1 8.8.8.2"]);
    assert!(shard.says("3").is_empty());
    assert_eq!(shard.connected(OUT, "8.8.8.1:5269"), ["authorize on 2"]);
    assert!(shard.says("4").is_empty());
    assert_eq!(
        shard.authorized(OUT),
        ["send 2: message 1", "send 2: message 2", "send 2: message 3", "send 2: message 4"]
    );
    assert_eq!(shard.says("5"), ["send 2: message 5"]);
    assert_eq!(shard.router.slot_state(&outward()), Some(SlotState::Established));
}

#[test]
fn what_waits_does_not_keep_its_read_block() {
    let mut shard = Shard::new(config());
    let sent =
        stanza("<message from='juliet@capulet.example' to='romeo@montague.example' id='1'/>");
    let block = sent.bytes().clone();
    shard.router.route(shard.now, Parcel::Stanza(sent), &mut shard.out);
    shard.resolve(&["8.8.8.1"]);
    shard.connected(OUT, "8.8.8.1:5269");
    shard.router.stream_event(
        shard.now,
        OUT,
        OutboundEvent::PairAuthorized { pair: outward() },
        &mut shard.out,
    );
    let [Action::Send { parcel, .. }] = shard.out.as_slice() else { panic!("{:?}", shard.out) };
    let bytes = parcel.bytes_for(Content::Server);
    assert_eq!(bytes, block);
    assert_ne!(bytes.as_ptr(), block.as_ptr());
}

#[test]
fn hosted_domains_are_served_by_their_component_or_bounce() {
    let mut shard = Shard::established();
    let xml = "<message from='romeo@montague.example' to='juliet@capulet.example' id='9'/>";
    assert_eq!(shard.route(xml), ["send 1: message 9"]);
    shard.closed(COMPONENT, &LinkEnd::ClosedByPeer, &[]);
    // On the reverse route, not on the stream it came from.
    assert_eq!(shard.route(xml), ["send 2: service-unavailable wait 9"]);
}

#[test]
fn a31_foreign_traffic_is_not_relayed() {
    let mut shard = Shard::established();
    let xml = "<message from='romeo@montague.example' to='prince@verona.example' id='9'/>";
    assert!(
        shard.route(xml).is_empty(),
        "the error could only be sent in the name of verona.example"
    );
    let counters = shard.router.counters();
    assert_eq!((counters.bounced, counters.dropped_bounces), (1, 1));
}

#[test]
fn a31_a_domain_that_points_at_us_gets_one_error_and_no_connection() {
    let guard = Guard { own_listeners: vec!["8.8.8.1:5269".parse().unwrap()], ..Guard::default() };
    let mut shard = Shard::new(RouteConfig { guard, ..config() });
    shard.says("1");
    assert_eq!(shard.resolve(&["8.8.8.1"]), ["send 1: remote-server-not-found cancel 1"]);
    let mut shard = Shard::new(config());
    shard.says("1");
    assert_eq!(
        shard.resolve(&["127.0.0.1", "10.0.0.1"]),
        ["send 1: remote-server-not-found cancel 1"]
    );
}

#[test]
fn after_a_failure_stanzas_bounce_at_once_until_the_rest_is_over() {
    let mut shard = Shard::new(config());
    shard.says("1");
    shard.router.resolved(
        shard.now,
        &domain("montague.example"),
        Err(DnsFailure::Temporary),
        &mut shard.out,
    );
    assert_eq!(shard.said(), ["send 1: remote-server-timeout wait 1"]);
    assert_eq!(shard.says("2"), ["send 1: remote-server-timeout wait 2"]);
    assert_eq!(shard.verify("s"), ["verified s: Failed(RemoteServerTimeout)"]);
    shard.pass(2_000);
    assert_eq!(shard.says("3"), ["resolve montague.example"]);
    shard.resolve(&["8.8.8.1"]);
    let (attempt, _) = shard.connecting();
    shard.router.connect_failed(shard.now, attempt, ConnectFailure::Refused, &mut shard.out);
    assert_eq!(shard.said(), ["send 1: remote-server-timeout wait 3"]);
    shard.pass(4_000);
    assert_eq!(shard.says("4"), ["resolve montague.example"], "the records may be out of date");
}

#[test]
fn a_failed_host_is_followed_by_the_next_and_a_verdict_of_the_peer_is_final() {
    let mut shard = Shard::new(config());
    shard.says("1");
    shard.resolve(&["8.8.8.1", "8.8.8.2", "8.8.8.3"]);
    shard.connected(OUT, "8.8.8.1:5269");
    assert_eq!(shard.verify("s"), ["verify s on 2"]);
    let lost = LinkEnd::Failed(OutboundFailure::ConnectionLost);
    assert_eq!(shard.closed(OUT, &lost, &[]), ["connect 8.8.8.2 8.8.8.3"]);
    assert_eq!(shard.connected(OUT2, "8.8.8.2:5269"), ["authorize on 3", "verify s on 3"]);
    let unknown = LinkEnd::Failed(OutboundFailure::HostUnknown);
    let expected =
        ["verified s: Failed(RemoteServerNotFound)", "send 1: remote-server-not-found cancel 1"];
    assert_eq!(shard.closed(OUT2, &unknown, &[]), expected);
}

#[test]
fn a_refused_pair_bounces_but_its_stream_may_still_verify() {
    let mut shard = Shard::new(config());
    shard.verify("s1");
    shard.resolve(&["8.8.8.1"]);
    assert_eq!(shard.connected(OUT, "8.8.8.1:5269"), ["verify s1 on 2"], "nothing to authorise");
    assert_eq!(shard.says("1"), ["authorize on 2"]);
    assert_eq!(
        shard.pair_failed(OUT, OutboundFailure::Unauthenticated),
        ["send 1: remote-server-timeout cancel 1"]
    );
    assert_eq!(shard.says("2"), ["send 1: remote-server-timeout cancel 2"]);
    assert_eq!(shard.verify("s2"), ["verify s2 on 2"]);
    let answer = |stream_id: &str| OutboundEvent::VerifyAnswer {
        pair: outward().reversed(),
        stream_id: stream_id.into(),
        outcome: VerifyOutcome::Invalid,
    };
    assert_eq!(shard.event(OUT, answer("s2")), ["verified s2: Invalid"]);
    assert!(shard.event(OUT, answer("s2")).is_empty(), "answered once");
    assert!(shard.event(OUT2, answer("s1")).is_empty(), "not asked on that stream");
    assert_eq!(shard.event(OUT, answer("s1")), ["verified s1: Invalid"]);
}

#[test]
fn after_external_was_refused_the_same_host_is_tried_by_dialback() {
    let mut shard = Shard::new(config());
    shard.says("1");
    shard.resolve(&["8.8.8.1"]);
    shard.connected(OUT, "8.8.8.1:5269");
    assert!(shard.event(OUT, OutboundEvent::ExternalRefused).is_empty());
    let end = LinkEnd::Failed(OutboundFailure::Unauthenticated);
    assert_eq!(shard.closed(OUT, &end, &[]), ["connect 8.8.8.1 dialback first"]);
    shard.connected(OUT2, "8.8.8.1:5269");
    assert_eq!(shard.closed(OUT2, &end, &[]), ["send 1: remote-server-timeout cancel 1"]);
}

#[test]
fn a_pair_that_failed_with_external_is_repeated_by_dialback() {
    let mut shard = Shard::new(config());
    shard.says("1");
    shard.resolve(&["8.8.8.1"]);
    shard.connected(OUT, "8.8.8.1:5269");
    shard.event(OUT, OutboundEvent::ExternalRefused);
    let repeated = shard.pair_failed(OUT, OutboundFailure::Unauthenticated);
    assert_eq!(repeated, ["close 2", "connect 8.8.8.1 dialback first"]);
    assert!(shard.closed(OUT, &LinkEnd::ClosedByUs, &[]).is_empty());
    shard.connected(OUT2, "8.8.8.1:5269");
    let refused = shard.pair_failed(OUT2, OutboundFailure::Unauthenticated);
    assert_eq!(refused, ["close 3", "send 1: remote-server-timeout cancel 1"]);
}

#[test]
fn what_a_politely_closed_link_did_not_send_goes_first_on_the_next() {
    let mut shard = Shard::established();
    shard.says("1");
    shard.says("2");
    assert_eq!(shard.closed(OUT, &LinkEnd::ClosedByPeer, &["1", "2"]), ["connect 8.8.8.1"]);
    shard.says("3");
    shard.connected(OUT2, "8.8.8.1:5269");
    assert_eq!(
        shard.authorized(OUT2),
        ["send 3: message 1", "send 3: message 2", "send 3: message 3"]
    );
    shard.says("4");
    let lost = LinkEnd::Failed(OutboundFailure::ConnectionLost);
    shard.now = shard.now.after(60_000);
    assert_eq!(shard.closed(OUT2, &lost, &["4"]), ["send 1: remote-server-timeout wait 4"]);
    assert_eq!(shard.says("5"), ["connect 8.8.8.1"], "it worked until just now");
}

#[test]
fn a_peer_that_only_closes_is_left_alone_after_a_while() {
    let mut shard = Shard::established();
    for _ in 0..3 {
        shard.says("1");
        assert_eq!(shard.closed(OUT, &LinkEnd::ClosedByPeer, &["1"]), ["connect 8.8.8.1"]);
        shard.connected(OUT, "8.8.8.1:5269");
        assert_eq!(shard.authorized(OUT), ["send 2: message 1"]);
    }
    assert_eq!(
        shard.closed(OUT, &LinkEnd::ClosedByPeer, &["1"]),
        ["send 1: remote-server-timeout wait 1"]
    );
    assert!(matches!(shard.router.slot_state(&outward()), Some(SlotState::CoolingDown(_))));
}

/// jabberd2 reads 64 KiB at most and ends the stream with policy-violation.
#[test]
fn a_stanza_too_big_for_the_peer_is_not_taken_for_a_lack_of_trust() {
    let too_big = LinkEnd::Failed(OutboundFailure::PeerError(ReceivedError {
        condition: StreamCondition::PolicyViolation,
        text: None,
    }));
    let mut shard = Shard::established();
    shard.says("1");
    assert_eq!(shard.closed(OUT, &too_big, &["1"]), ["send 1: remote-server-timeout wait 1"]);
    // On a link that lasted it costs no rest either.
    let mut shard = Shard::established();
    shard.pass(60_000);
    assert!(shard.closed(OUT, &too_big, &[]).is_empty());
    assert_eq!(shard.says("2"), ["connect 8.8.8.1"]);
}

#[test]
fn a_withdrawn_pair_bounces_what_its_link_still_held() {
    let mut shard = Shard::established();
    shard.says("1");
    assert_eq!(shard.pair_failed(OUT, OutboundFailure::NotTrusted), ["close 2"]);
    assert_eq!(shard.says("2"), ["send 1: remote-server-timeout cancel 2"]);
    assert_eq!(
        shard.closed(OUT, &LinkEnd::ClosedByUs, &["1"]),
        ["send 1: remote-server-timeout cancel 1"]
    );
}

/// Fact of order: the new link is not opened before the old one ended, and what the old one held goes first.
#[test]
fn a_closing_link_is_not_overtaken() {
    let mut shard = Shard::established();
    shard.says("1");
    shard.pair_failed(OUT, OutboundFailure::NotTrusted);
    shard.pass(2_000);
    assert!(shard.says("2").is_empty(), "the refusal is over, the link is not");
    assert_eq!(shard.closed(OUT, &LinkEnd::ClosedByUs, &["1"]), ["connect 8.8.8.1"]);
    shard.connected(OUT2, "8.8.8.1:5269");
    assert_eq!(shard.authorized(OUT2), ["send 3: message 1", "send 3: message 2"]);
}

#[test]
fn waiting_has_an_end() {
    let mut shard = Shard::new(config());
    shard.says("1");
    shard.resolve(&["8.8.8.1"]);
    shard.verify("s");
    assert!(shard.pass(29_999).is_empty());
    let expected =
        ["verified s: Failed(RemoteServerTimeout)", "send 1: remote-server-timeout wait 1"];
    assert_eq!(shard.pass(1), expected);
    assert_eq!(shard.connected(OUT, "8.8.8.1:5269"), ["close 2"], "nothing wants it any longer");
    shard.says("2");
    assert_eq!(shard.closed(OUT, &LinkEnd::ClosedByUs, &[]), ["connect 8.8.8.1"]);
    assert_eq!(shard.pass(60_000), ["send 1: remote-server-timeout wait 2"]);
}
