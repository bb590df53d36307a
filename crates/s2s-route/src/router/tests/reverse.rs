use super::*;
use crate::router::Stage;

/// Links that montague.example opened.
const LENT: LinkId = LinkId { shard: ShardId(0), index: 7, generation: 1 };
const LENT2: LinkId = LinkId { shard: ShardId(0), index: 8, generation: 1 };

impl Shard {
    fn lends(&mut self, link: LinkId) -> Vec<String> {
        self.router.reverse_authorized(self.now, link, &outward(), &mut self.out);
        self.said()
    }

    fn withdraws(&mut self, link: LinkId) -> Vec<String> {
        self.router.reverse_withdrawn(link, &outward(), &mut self.out);
        self.said()
    }

    fn state(&self) -> Option<SlotState> {
        self.router.slot_state(&outward())
    }
}

#[test]
fn a_link_that_the_peer_opened_is_used_instead_of_one_of_our_own() {
    let mut shard = Shard::new(config());
    assert_eq!(shard.lends(LENT), [""; 0]);
    assert_eq!(shard.says("1"), ["send 7: message 1"]);
    assert_eq!(shard.says("2"), ["send 7: message 2"]);
    assert_eq!(shard.state(), Some(SlotState::Established));
    assert_eq!(shard.router.snapshot().slots_established, 1);
    // For exactly this pair.
    assert_eq!(
        shard
            .route("<message from='juliet@capulet.example' to='a@rooms.montague.example' id='3'/>"),
        ["resolve rooms.montague.example"]
    );
}

#[test]
fn what_waits_for_dns_or_a_connection_leaves_on_it_at_once_and_in_order() {
    let mut shard = Shard::new(config());
    shard.says("1");
    shard.says("2");
    assert_eq!(shard.lends(LENT), ["send 7: message 1", "send 7: message 2"]);
    assert_eq!(shard.says("3"), ["send 7: message 3"]);
    assert_eq!(shard.resolve(&["8.8.8.1"]), [""; 0], "nobody waits for it any more");

    let mut shard = Shard::new(config());
    shard.says("1");
    shard.resolve(&["8.8.8.1"]);
    let (attempt, targets) = shard.connecting();
    assert_eq!(shard.lends(LENT), ["send 7: message 1"]);
    shard.router.connected(shard.now, attempt, OUT, &targets[0], &mut shard.out);
    assert_eq!(shard.said(), ["close 2"], "a transport that is not needed");
    shard.closed(OUT, &LinkEnd::ClosedByUs, &[]);
    assert_eq!(shard.says("2"), ["send 7: message 2"]);
}

#[test]
fn the_outcome_of_an_attempt_that_was_given_up_is_not_taken_for_that_of_the_next() {
    let again = || {
        let mut shard = Shard::new(config());
        shard.says("1");
        shard.resolve(&["8.8.8.1"]);
        let (given_up, targets) = shard.connecting();
        shard.lends(LENT);
        assert_eq!(shard.closed(LENT, &LinkEnd::ClosedByPeer, &["1"]), ["connect 8.8.8.1"]);
        (shard, given_up, targets)
    };
    let (mut shard, given_up, _) = again();
    shard.router.connect_failed(shard.now, given_up, ConnectFailure::Refused, &mut shard.out);
    assert_eq!(shard.said(), [""; 0]);
    assert_eq!(shard.connected(OUT, "8.8.8.1:5269"), ["authorize on 2"]);
    let (mut shard, given_up, targets) = again();
    shard.router.connected(shard.now, given_up, OUT2, &targets[0], &mut shard.out);
    assert_eq!(shard.said(), ["close 3"]);
    assert_eq!(shard.connected(OUT, "8.8.8.1:5269"), ["authorize on 2"]);
}

#[test]
fn two_links_opened_at_the_same_moment_both_stay_and_each_side_sends_on_its_own() {
    let mut shard = Shard::new(config());
    shard.says("1");
    shard.resolve(&["8.8.8.1"]);
    assert_eq!(shard.connected(OUT, "8.8.8.1:5269"), ["authorize on 2"]);
    assert_eq!(shard.lends(LENT), [""; 0], "ours was asked already");
    assert_eq!(shard.authorized(OUT), ["send 2: message 1"]);
    assert_eq!(shard.says("2"), ["send 2: message 2"]);
    // The other is there when ours ends, without another connection.
    assert_eq!(shard.closed(OUT, &LinkEnd::ClosedByPeer, &["2"]), ["send 7: message 2"]);
    assert_eq!(shard.says("3"), ["send 7: message 3"]);
}

#[test]
fn what_our_own_attempt_fails_to_deliver_leaves_on_the_link_of_the_peer() {
    let failures = [
        OutboundFailure::ConnectionLost,
        OutboundFailure::Unauthenticated,
        OutboundFailure::DialbackInvalid,
    ];
    for failure in failures {
        let mut shard = Shard::new(config());
        shard.says("1");
        shard.resolve(&["8.8.8.1"]);
        shard.connected(OUT, "8.8.8.1:5269");
        shard.lends(LENT);
        let said = shard.pair_failed(OUT, failure.clone());
        assert!(said.contains(&"send 7: message 1".to_owned()), "{failure:?}: {said:?}");
        assert!(!said.iter().any(|said| said.contains("remote-server")), "{said:?}");
        assert_eq!(shard.says("2"), ["send 7: message 2"], "{failure:?}");
    }
    let mut shard = Shard::new(config());
    shard.says("1");
    shard.resolve(&["8.8.8.1"]);
    let (attempt, _) = shard.connecting();
    shard.router.connect_failed(shard.now, attempt, ConnectFailure::Refused, &mut shard.out);
    assert_eq!(
        shard.said(),
        ["remote-server-timeout wait 1"].map(|bounce| format!("send 1: {bounce}"))
    );
    assert_eq!(shard.says("2"), ["send 1: remote-server-timeout wait 2"], "we rest");
    // A peer that cannot be reached but reaches us is answered.
    shard.lends(LENT);
    assert_eq!(shard.says("3"), ["send 7: message 3"]);
}

#[test]
fn what_the_link_did_not_send_goes_first_on_the_next_however_it_ended() {
    for end in [
        LinkEnd::ClosedByUs,
        LinkEnd::ClosedByPeer,
        LinkEnd::Failed(OutboundFailure::ConnectionLost),
    ] {
        let mut shard = Shard::new(config());
        shard.lends(LENT);
        for id in ["1", "2", "3"] {
            shard.says(id);
        }
        assert_eq!(shard.closed(LENT, &end, &["2", "3"]), ["resolve montague.example"]);
        shard.says("4");
        shard.resolve(&["8.8.8.1"]);
        shard.connected(OUT, "8.8.8.1:5269");
        assert_eq!(
            shard.authorized(OUT),
            ["send 2: message 2", "send 2: message 3", "send 2: message 4"],
            "{end:?}"
        );
    }
    // A second link of the peer's comes before one of our own.
    let mut shard = Shard::new(config());
    shard.lends(LENT);
    shard.lends(LENT2);
    shard.says("1");
    assert_eq!(shard.closed(LENT, &LinkEnd::ClosedByPeer, &["1"]), ["send 8: message 1"]);
    assert_eq!(shard.says("2"), ["send 8: message 2"]);
}

#[test]
fn keys_are_never_verified_on_it() {
    // XEP-0288 §2.2: not on the stream the key came on; here, on none that the peer opened.
    let mut shard = Shard::new(config());
    shard.lends(LENT);
    shard.says("1");
    assert_eq!(shard.verify("s1"), ["resolve montague.example"]);
    shard.resolve(&["8.8.8.1"]);
    assert_eq!(shard.connected(OUT, "8.8.8.1:5269"), ["verify s1 on 2"]);
    assert_eq!(shard.says("2"), ["send 7: message 2"], "the leg has no part in stanzas");
    // Without the borrowed link the leg's link carries them.
    assert_eq!(shard.closed(LENT, &LinkEnd::ClosedByPeer, &["2"]), ["authorize on 2"]);
    assert_eq!(shard.authorized(OUT), ["send 2: message 2"]);
}

#[test]
fn a_leg_that_fails_costs_no_stanza() {
    let mut shard = Shard::new(config());
    shard.lends(LENT);
    shard.verify("s1");
    shard.says("1");
    shard.resolve(&["8.8.8.1"]);
    let (attempt, _) = shard.connecting();
    shard.router.connect_failed(shard.now, attempt, ConnectFailure::Refused, &mut shard.out);
    let said = shard.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("verified s1: Failed"), "{said:?}");
    assert_eq!(shard.says("2"), ["send 7: message 2"]);
}

#[test]
fn a_pair_that_is_withdrawn_takes_its_link_along_and_nothing_is_overtaken() {
    let mut shard = Shard::new(config());
    shard.lends(LENT);
    shard.says("1");
    assert_eq!(shard.withdraws(LENT), ["close 7"]);
    assert_eq!(shard.withdraws(LENT), [""; 0]);
    assert_eq!(shard.state(), Some(SlotState::Closing));
    assert_eq!(shard.says("2"), [""; 0], "it waits for the end of the link");
    assert_eq!(shard.closed(LENT, &LinkEnd::ClosedByUs, &[]), ["resolve montague.example"]);
    // One that is not in use is only forgotten.
    let mut shard = Shard::established();
    shard.lends(LENT);
    assert_eq!(shard.withdraws(LENT), [""; 0]);
    assert_eq!(shard.closed(OUT, &LinkEnd::ClosedByPeer, &["1"]), ["connect 8.8.8.1"]);
}

#[test]
fn a_rest_holds_for_all_that_waited_for_the_end_of_a_lent_link_and_the_older_bounce_first() {
    let bounced = |ids: [&str; 2]| ids.map(|id| format!("send 1: remote-server-timeout wait {id}"));
    let mut shard = Shard::new(config());
    shard.lends(LENT);
    shard.says("1");
    shard.verify("s1");
    shard.withdraws(LENT);
    assert_eq!(shard.says("2"), [""; 0], "it waits for the end of the link");
    shard.resolve(&["8.8.8.1"]);
    let (attempt, _) = shard.connecting();
    shard.router.connect_failed(shard.now, attempt, ConnectFailure::Refused, &mut shard.out);
    assert_eq!(shard.said().len(), 1, "the verification is answered");
    assert_eq!(shard.closed(LENT, &LinkEnd::ClosedByUs, &["1"]), bounced(["1", "2"]));
    assert!(matches!(shard.router.slot_state(&outward()), Some(SlotState::CoolingDown(_))));
    // Without anything given back, too.
    shard.pass(600_000);
    shard.lends(LENT2);
    shard.says("3");
    shard.verify("s2");
    shard.withdraws(LENT2);
    shard.says("4");
    shard.says("5");
    shard.router.resolved(
        shard.now,
        &domain("montague.example"),
        Err(DnsFailure::Temporary),
        &mut shard.out,
    );
    shard.said();
    assert_eq!(shard.closed(LENT2, &LinkEnd::ClosedByUs, &[]), bounced(["4", "5"]));
}

#[test]
fn a_link_of_another_shard_or_for_a_domain_that_is_not_ours_is_not_used() {
    let mut shard = Shard::new(config());
    let elsewhere = LinkId { shard: ShardId(1), ..LENT };
    assert_eq!(shard.lends(elsewhere), [""; 0]);
    assert_eq!(shard.says("1"), ["resolve montague.example"]);
    let mut config = config();
    config.shards = 2;
    let mut shard = Shard::new(config);
    let foreign = ["a.example", "b.example", "c.example", "d.example"];
    let foreign = foreign.into_iter().find(|name| shard.router.owner(name) == ShardId(1)).unwrap();
    let pair = DomainPair::new(domain("capulet.example"), domain(foreign));
    shard.router.reverse_authorized(shard.now, LENT, &pair, &mut shard.out);
    let said = shard.route(&format!("<message from='a@capulet.example' to='b@{foreign}' id='1'/>"));
    assert_eq!(said, ["forward to 1: message 1"]);
    let inward = DomainPair::new(domain("paris.example"), domain("montague.example"));
    shard.router.reverse_authorized(shard.now, LENT, &inward, &mut shard.out);
    assert!(shard.router.reverse.borrow(&inward).is_none());
}

#[test]
fn a_forgotten_slot_finds_the_same_link_again() {
    let mut config = config();
    config.limits = RouteLimits { slots: 1, ..RouteLimits::default() };
    let mut shard = Shard::new(config);
    shard.lends(LENT);
    shard.lends(LENT2);
    assert_eq!(shard.says("1"), ["send 7: message 1"]);
    shard.route("<message from='juliet@capulet.example' to='a@verona.example' id='2'/>");
    shard.router.resolved(
        shard.now,
        &domain("verona.example"),
        Err(DnsFailure::NoSuchDomain),
        &mut shard.out,
    );
    shard.said();
    assert_eq!(shard.says("3"), ["send 7: message 3"]);
    // What comes back for a slot that was forgotten finds its way too.
    shard.route("<message from='juliet@capulet.example' to='a@padua.example' id='4'/>");
    assert_eq!(shard.closed(LENT, &LinkEnd::ClosedByPeer, &["3"]).len(), 1);
}

#[test]
fn a_drain_borrows_nothing_new_and_a_removed_domain_lends_nothing() {
    let mut shard = Shard::new(config());
    shard.lends(LENT);
    shard.says("1");
    shard.router.drain(shard.now, &mut shard.out);
    assert_eq!(shard.router.stage, Stage::Draining);
    assert_eq!(shard.says("2"), ["send 7: message 2"], "like any authorised link");
    assert_eq!(
        shard.closed(LENT, &LinkEnd::ClosedByUs, &["2"]),
        ["send 1: remote-server-timeout wait 2"]
    );

    let mut shard = Shard::new(config());
    shard.lends(LENT);
    shard.says("1");
    let mut without = config();
    without.hosted = vec![HostedEntry {
        pattern: DomainPattern::parse("montague.example").unwrap(),
        kind: HostedKind::Component,
    }];
    shard.router.set_config(shard.now, &Arc::new(without), &mut shard.out);
    shard.said();
    assert_ne!(shard.state(), Some(SlotState::Established));
}

#[test]
fn a_peer_that_stumbles_over_both_directions_is_asked_for_one_the_next_time() {
    let stumbles = || OutboundFailure::Protocol(StreamCondition::BadFormat.into());
    let connected = |agreed: bool| {
        let mut shard = Shard::new(config());
        shard.says("1");
        shard.resolve(&["8.8.8.1"]);
        shard.connected(OUT, "8.8.8.1:5269");
        if agreed {
            shard.event(OUT, OutboundEvent::Bidirectional);
        }
        shard
    };
    let mut shard = connected(true);
    assert_eq!(shard.pair_failed(OUT, stumbles()), ["close 2", "connect 8.8.8.1 one way"]);
    shard.closed(OUT, &LinkEnd::Failed(stumbles()), &[]);
    // Once.
    shard.connected(OUT2, "8.8.8.1:5269");
    shard.event(OUT2, OutboundEvent::Bidirectional);
    let said = shard.pair_failed(OUT2, stumbles());
    assert!(!said.iter().any(|said| said.starts_with("connect")), "{said:?}");
    // Nor where something else is wrong.
    for (agreed, failure) in [(false, stumbles()), (true, OutboundFailure::DialbackInvalid)] {
        let mut shard = connected(agreed);
        let said = shard.pair_failed(OUT, failure);
        assert!(!said.iter().any(|said| said.starts_with("connect")), "{said:?}");
    }
}
