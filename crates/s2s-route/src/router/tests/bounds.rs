//! Bounds, shards, shutdown, new configuration.

use super::*;

#[test]
fn a17_a_full_queue_bounces_the_newest() {
    let limits = RouteLimits { queue_parcels: 2, ..RouteLimits::default() };
    let mut shard = Shard::new(RouteConfig { limits, ..config() });
    shard.says("1");
    shard.says("2");
    assert_eq!(shard.says("3"), ["send 1: resource-constraint wait 3"]);
}

/// Threat A24.
#[test]
fn a24_ten_thousand_keys_on_one_stream_cost_few_connections() {
    let mut shard = Shard::new(config());
    for n in 0..10_000 {
        let pair = DomainPair::new(domain(&format!("r{n}.example")), domain("capulet.example"));
        let request = VerifyRequest {
            pair,
            stream_id: "s".into(),
            key: "ab".into(),
            demand: Demand::Dialback,
        };
        shard.router.verify(shard.now, VerifyTicket { link: OUT, request }, &mut shard.out);
    }
    let counters = shard.router.counters();
    assert_eq!((counters.resolves, counters.tickets_over_bound), (64, 10_000 - 64));
    let other = shard.said().len();
    assert_eq!(other, 10_000);
    assert_eq!(shard.verify("s2"), ["resolve montague.example"], "another stream is not affected");
}

#[test]
fn a_refused_verification_is_remembered_and_a_valid_one_is_not() {
    let mut shard = Shard::established();
    let answer = |stream_id: &str, outcome| OutboundEvent::VerifyAnswer {
        pair: outward().reversed(),
        stream_id: stream_id.into(),
        outcome,
    };
    assert_eq!(shard.verify("a"), ["verify a on 2"]);
    shard.event(OUT, answer("a", VerifyOutcome::Valid { leg_tls: true }));
    assert_eq!(shard.verify("b"), ["verify b on 2"]);
    shard.event(OUT, answer("b", VerifyOutcome::Failed(DialbackCondition::ItemNotFound)));
    assert_eq!(shard.verify("c"), ["verified c: Failed(ItemNotFound)"]);
    shard.pass(45_001);
    assert_eq!(shard.verify("d"), ["verify d on 2"]);
}

#[test]
fn two_keys_for_one_stream_and_pair_are_not_mixed_up() {
    let mut shard = Shard::established();
    assert_eq!(shard.verify("a"), ["verify a on 2"]);
    assert_eq!(shard.verify("a"), ["verified a: Failed(ResourceConstraint)"]);
}

/// Presence to a domain that cannot be looked up: what comes of it, and how often.
fn presence_bounces(shard: &mut Shard, target: &str, count: usize) -> usize {
    let failure = || Err(DnsFailure::Temporary);
    let xml = format!("<presence from='juliet@capulet.example' to='romeo@{target}' id='p'/>");
    let mut bounced = 0;
    for _ in 0..count {
        // What waits for DNS bounces with its answer, what comes later at once.
        let mut said = shard.route(&xml);
        shard.router.resolved(shard.now, &domain(target), failure(), &mut shard.out);
        said.extend(shard.said());
        bounced += said.iter().filter(|line| line.contains("remote-server-timeout")).count();
    }
    bounced
}

#[test]
fn presence_bounces_are_limited_per_pair_of_domains() {
    let limits = RouteLimits { presence_bounces_per_minute: 2, ..RouteLimits::default() };
    let mut shard = Shard::new(RouteConfig { limits, ..config() });
    assert_eq!(presence_bounces(&mut shard, "montague.example", 3), 2);
    assert_eq!(shard.router.counters().dropped_presence_bounces, 1);
    // A loop with one domain takes nothing from those who write to others.
    assert_eq!(presence_bounces(&mut shard, "paris.example", 3), 2);
    assert_eq!(shard.says("1").len(), 1, "messages are not limited");
    shard.pass(60_001);
    assert_eq!(presence_bounces(&mut shard, "montague.example", 1), 1);
}

/// A service of many rooms: when a policy or an outage cuts off its peers, it has to learn of each.
#[test]
fn a_domain_that_writes_to_many_unreachable_ones_gets_all_its_errors() {
    let mut shard = Shard::new(config());
    for n in 0..200 {
        assert_eq!(presence_bounces(&mut shard, &format!("r{n}.example"), 10), 10, "r{n}");
    }
    assert_eq!(shard.router.counters().dropped_presence_bounces, 0);
}

#[test]
fn parcels_cross_to_the_shard_that_owns_the_remote_or_the_component() {
    let mut shard = Shard::new(RouteConfig { shards: 4, ..config() });
    let mine = ["a", "b", "c", "d", "e", "f", "g", "h"]
        .map(|name| shard.router.owner(&format!("{name}.example")));
    assert!(mine.iter().any(|owner| *owner != mine[0]), "spread: {mine:?}");
    let remote = (0..)
        .map(|n| format!("r{n}.example"))
        .find(|name| shard.router.owner(name) == ShardId(3))
        .unwrap();
    let xml = format!("<message from='juliet@capulet.example' to='x@{remote}' id='1'/>");
    assert_eq!(shard.route(&xml), ["forward to 3: message 1"]);
    shard.router.detach(COMPONENT);
    let link = LinkId { shard: ShardId(2), ..COMPONENT };
    shard
        .router
        .attach(&Attachment { pattern: DomainPattern::parse("capulet.example").unwrap(), link });
    let xml = "<message from='romeo@montague.example' to='juliet@capulet.example' id='2'/>";
    assert_eq!(shard.route(xml), ["forward to 2: message 2"]);
}

#[test]
fn a_full_table_of_slots_evicts_who_rests_longest() {
    let limits = RouteLimits { slots: 2, ..RouteLimits::default() };
    let mut shard = Shard::new(RouteConfig { limits, ..config() });
    let to = |name: &str| {
        format!("<message from='juliet@capulet.example' to='{name}.example' id='{name}'/>")
    };
    assert_eq!(shard.route(&to("a")), ["resolve a.example"]);
    assert_eq!(shard.route(&to("b")), ["resolve b.example"]);
    assert_eq!(shard.route(&to("c")), ["send 1: resource-constraint wait c"]);
    shard.router.resolved(
        shard.now,
        &domain("b.example"),
        Err(DnsFailure::NoSuchDomain),
        &mut shard.out,
    );
    shard.said();
    assert_eq!(shard.route(&to("c")), ["resolve c.example"]);
    assert_eq!(shard.router.counters().slots_evicted, 1);
}

#[test]
fn draining_bounces_what_waits_and_opens_nothing() {
    let mut shard = Shard::established();
    shard.route("<message from='juliet@capulet.example' to='verona.example' id='v'/>");
    shard.verify("a");
    shard.router.drain(shard.now, &mut shard.out);
    let expected =
        ["verified a: Failed(ResourceConstraint)", "send 1: remote-server-timeout wait v"];
    assert_eq!(shard.said(), expected);
    assert_eq!(shard.says("1"), ["send 2: message 1"], "authorised links still serve");
    assert_eq!(
        shard.closed(OUT, &LinkEnd::ClosedByUs, &["1"]),
        ["send 1: remote-server-timeout wait 1"]
    );
    assert_eq!(shard.verify("b"), ["verified b: Failed(ResourceConstraint)"]);
}

#[test]
fn a_remote_domain_that_becomes_hosted_is_no_longer_dialled() {
    let mut shard = Shard::new(config());
    shard.says("1");
    shard.verify("a");
    let mut new = config();
    let pattern = DomainPattern::parse("montague.example").unwrap();
    new.hosted.push(HostedEntry { pattern, kind: HostedKind::Component });
    shard.router.set_config(shard.now, &Arc::new(new), &mut shard.out);
    let expected = ["verified a: Failed(ItemNotFound)", "send 1: service-unavailable wait 1"];
    assert_eq!(shard.said(), expected);
    assert!(shard.resolve(&["8.8.8.1"]).is_empty());
    assert_eq!(shard.verify("b"), ["verified b: Failed(Forbidden)"]);
}

#[test]
fn a_stanza_larger_than_the_peer_takes_bounces_with_policy_violation_and_the_stream_goes_on() {
    let mut shard = Shard::established();
    let big = "<message from='juliet@capulet.example' to='romeo@montague.example' id='big'><body>wherefore</body></message>";
    assert!(!Parcel::Stanza(stanza(big)).is_longer_than(big.len()));
    assert!(Parcel::Stanza(stanza(big)).is_longer_than(big.len() - 1));
    shard.route(big);
    shard.router.too_big(shard.now, Parcel::Stanza(stanza(big)), &mut shard.out);
    let Some(Action::Send { link: COMPONENT, parcel: Parcel::Bounce(bounce) }) = shard.out.pop()
    else {
        panic!("no bounce for the component");
    };
    // XEP-0478 §4: no 'by'.
    assert_eq!(
        std::str::from_utf8(bounce.bytes()).unwrap(),
        "<message from='romeo@montague.example' to='juliet@capulet.example' id='big' type='error'>\
         <error type='modify'><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>The stanza is larger than the server accepts</text>\
         </error></message>"
    );
    assert_eq!(shard.router.slot_state(&outward()), Some(SlotState::Established));
    let counters = shard.router.counters();
    assert_eq!((counters.too_big, counters.returned, counters.bounced), (1, 1, 1));
}
