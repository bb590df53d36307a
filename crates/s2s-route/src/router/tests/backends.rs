//! Lanes to the operator's own servers. Here capulet.example is served by a backend.

use s2s_proto::Phase;

use super::*;
use crate::config::{BackendRoute, Sharing};
use crate::ids::LaneId;

fn served_by(address: &str, sharing: Sharing) -> RouteConfig {
    let mut config = config();
    config.hosted[0].kind =
        HostedKind::Backend(BackendRoute { address: address.parse().unwrap(), sharing });
    config
}

fn shared() -> Shard {
    Shard::new(served_by("10.0.0.5:5269", Sharing::Links(1)))
}

impl Shard {
    /// A message from Romeo at a remote domain to Juliet.
    fn hears(&mut self, domain: &str, id: &str) -> Vec<String> {
        self.route(&format!(
            "<message from='romeo@{domain}' to='juliet@capulet.example' id='{id}'/>"
        ))
    }

    /// The lane that connects.
    fn lane(&self) -> LaneId {
        let connecting =
            |lane: &&crate::lane::Lane| matches!(lane.state, LaneState::Connecting { .. });
        self.router.lanes.iter().find(connecting).unwrap().id
    }

    fn backend_connected(&mut self, link: LinkId) -> Vec<String> {
        let lane = self.lane();
        self.router.backend_connected(self.now, lane, link, &mut self.out);
        self.said()
    }

    fn backend_connect_failed(&mut self) -> Vec<String> {
        let lane = self.lane();
        self.router.backend_connect_failed(self.now, lane, &mut self.out);
        self.said()
    }

    fn accepts(&mut self, link: LinkId, domain: &str) -> Vec<String> {
        self.event(link, OutboundEvent::PairAuthorized { pair: inward(domain) })
    }

    fn refuses(&mut self, link: LinkId, domain: &str, failure: OutboundFailure) -> Vec<String> {
        self.event(link, OutboundEvent::PairFailed { pair: inward(domain), failure })
    }

    /// The link ends with messages of this domain unsent.
    fn loses(&mut self, link: LinkId, end: &LinkEnd, domain: &str, unsent: &[&str]) -> Vec<String> {
        let parcel = |id: &&str| {
            let xml =
                format!("<message from='romeo@{domain}' to='juliet@capulet.example' id='{id}'/>");
            Parcel::Stanza(stanza(&xml))
        };
        let unsent = unsent.iter().map(parcel).collect();
        self.router.link_closed(self.now, link, end, unsent, &mut self.out);
        self.said()
    }
}

fn inward(domain: &str) -> DomainPair {
    DomainPair::new(super::domain(domain), super::domain("capulet.example"))
}

#[test]
fn many_remote_domains_share_a_link_each_proved_by_itself() {
    let mut shard = shared();
    assert_eq!(
        shard.hears("montague.example", "1"),
        ["connect backend for montague.example -> capulet.example"]
    );
    assert!(shard.hears("verona.example", "2").is_empty());
    assert_eq!(shard.backend_connected(OUT), ["authorize on 2", "authorize on 2"]);
    assert!(shard.hears("montague.example", "3").is_empty());
    assert_eq!(shard.accepts(OUT, "montague.example"), ["send 2: message 1", "send 2: message 3"]);
    assert_eq!(shard.hears("mantua.example", "4"), ["authorize on 2"]);
    assert_eq!(shard.accepts(OUT, "verona.example"), ["send 2: message 2"]);
    assert_eq!(shard.hears("verona.example", "5"), ["send 2: message 5"]);
    assert_eq!(shard.router.snapshot().lane_pairs, 2);
}

#[test]
fn two_thousand_remote_domains_wait_for_one_link_and_leave_on_it() {
    let mut shard = shared();
    let domains: Vec<String> = (0..2_000).map(|n| format!("r{n}.example")).collect();
    for id in ["1", "2"] {
        for domain in &domains {
            shard.hears(domain, id);
        }
    }
    assert_eq!(shard.router.snapshot().queued, 4_000);
    // As many are asked about at a time as one answer makes room for.
    let mut asked = shard.backend_connected(OUT).len();
    assert!(asked < 1_000, "{asked} at once");
    for domain in &domains {
        let said = shard.accepts(OUT, domain);
        assert_eq!(said[..2], ["send 2: message 1", "send 2: message 2"], "{domain}");
        asked += said[2..].iter().filter(|said| *said == "authorize on 2").count();
    }
    assert_eq!(asked, domains.len());
    let now = shard.router.snapshot();
    assert_eq!((now.queued, now.lane_pairs), (0, 2_000));
}

#[test]
fn without_sharing_each_pair_has_a_link_of_its_own() {
    let mut shard = Shard::new(served_by("10.0.0.5:5269", Sharing::None));
    shard.hears("montague.example", "1");
    assert_eq!(shard.backend_connected(OUT), ["authorize on 2"]);
    assert_eq!(
        shard.hears("verona.example", "2"),
        ["connect backend for verona.example -> capulet.example"]
    );
    assert_eq!(shard.backend_connected(OUT2), ["authorize on 3"]);
    assert_eq!(shard.accepts(OUT2, "verona.example"), ["send 3: message 2"]);
}

/// What waited through an outage may be more than an outbox takes.
#[test]
fn what_waited_leaves_as_the_link_has_room() {
    let mut shard = shared();
    shard.room = None;
    for id in ["1", "2", "3"] {
        shard.hears("montague.example", id);
    }
    shard.hears("verona.example", "4");
    shard.backend_connected(OUT);
    assert_eq!(shard.accepts(OUT, "montague.example"), ["await room on 2"]);
    assert!(shard.accepts(OUT, "verona.example").is_empty(), "asked already");
    assert!(shard.hears("montague.example", "5").is_empty(), "behind the others");
    let len = "<message from='romeo@montague.example' to='juliet@capulet.example' id='1'/>".len();
    let has_room = |shard: &mut Shard, bytes| {
        shard.router.has_room(shard.now, OUT, bytes, &mut shard.out);
        shard.said()
    };
    assert_eq!(
        has_room(&mut shard, 2 * len),
        ["send 2: message 1", "send 2: message 2", "await room on 2"]
    );
    assert_eq!(has_room(&mut shard, 0), ["send 2: message 3", "await room on 2"], "one at least");
    assert_eq!(has_room(&mut shard, 3 * len), ["send 2: message 5", "send 2: message 4"]);
    assert_eq!(shard.hears("montague.example", "6"), ["send 2: message 6"]);
    assert_eq!(shard.router.snapshot().queued, 0);
}

#[test]
fn what_waits_for_room_when_the_link_ends_goes_on_the_next_in_order() {
    let mut shard = shared();
    shard.room = None;
    for id in ["1", "2", "3"] {
        shard.hears("montague.example", id);
    }
    shard.backend_connected(OUT);
    shard.accepts(OUT, "montague.example");
    shard.router.has_room(shard.now, OUT, 0, &mut shard.out);
    assert_eq!(shard.said(), ["send 2: message 1", "await room on 2"]);
    let lost = LinkEnd::Failed(OutboundFailure::ConnectionLost);
    shard.loses(OUT, &lost, "montague.example", &["1"]);
    shard.router.has_room(shard.now, OUT, usize::MAX, &mut shard.out);
    assert!(shard.said().is_empty(), "too late");
    shard.pass(1_000);
    assert_eq!(shard.backend_connected(OUT2), ["authorize on 3"]);
    shard.room = Some(usize::MAX);
    assert_eq!(
        shard.accepts(OUT2, "montague.example"),
        ["send 3: message 1", "send 3: message 2", "send 3: message 3"]
    );
}

#[test]
fn waiting_for_room_has_an_end_too() {
    let mut shard = shared();
    shard.room = None;
    shard.hears("montague.example", "1");
    shard.backend_connected(OUT);
    shard.accepts(OUT, "montague.example");
    shard.pass(31_000);
    assert_eq!(shard.router.counters().bounced, 1);
    assert_eq!(shard.hears("montague.example", "2"), ["send 2: message 2"], "nothing is in front");
    shard.router.has_room(shard.now, OUT, usize::MAX, &mut shard.out);
    assert!(shard.said().is_empty());
}

/// With certificates every remote domain costs the backend a connection.
#[test]
fn a_stranger_with_many_domains_gets_no_more_links_than_the_bound() {
    let mut config = served_by("10.0.0.5:5269", Sharing::None);
    config.limits.lanes = 8;
    let mut shard = Shard::new(config);
    let mut opened = 0;
    for n in 0..100 {
        let said = shard.hears(&format!("r{n}.example"), "1");
        opened += said.iter().filter(|said| said.starts_with("connect backend")).count();
    }
    assert_eq!(opened, 8, "all are busy: none makes room");
    let counters = shard.router.counters();
    assert_eq!((counters.bounced, shard.router.snapshot().lanes), (92, 8));
}

#[test]
fn an_idle_link_makes_room_for_a_lane_the_least_used_one_first() {
    let mut config = served_by("10.0.0.5:5269", Sharing::None);
    config.limits.lanes = 2;
    let mut shard = Shard::new(config);
    for (domain, link) in [("a.example", OUT), ("b.example", OUT2)] {
        shard.hears(domain, "1");
        shard.backend_connected(link);
        shard.accepts(link, domain);
        shard.pass(10);
    }
    assert_eq!(shard.hears("a.example", "2"), ["send 2: message 2"]);
    assert_eq!(
        shard.hears("c.example", "1"),
        ["close 3", "connect backend for c.example -> capulet.example"]
    );
    // One more is closing; the link of a.example, which is idle too, must not go for a third.
    assert_eq!(shard.hears("d.example", "1"), ["resolve d.example"], "the error");
    assert!(shard.closed(OUT2, &LinkEnd::ClosedByUs, &[]).is_empty());
    assert_eq!(shard.router.snapshot().lanes, 2);
    assert_eq!(
        shard.hears("e.example", "1"),
        ["close 2", "connect backend for e.example -> capulet.example"]
    );
    assert_eq!(shard.router.counters().lanes_evicted, 2);
}

#[test]
fn links_that_a_reload_left_take_no_room_from_those_that_replace_them() {
    let mut config = served_by("10.0.0.5:5269", Sharing::None);
    config.limits.lanes = 1;
    let mut shard = Shard::new(config);
    shard.hears("montague.example", "1");
    shard.backend_connected(OUT);
    shard.accepts(OUT, "montague.example");
    let mut shared = served_by("10.0.0.5:5269", Sharing::Links(1));
    shared.limits.lanes = 1;
    shard.router.set_config(shard.now, &Arc::new(shared), &mut shard.out);
    assert_eq!(shard.said(), ["close 2"]);
    assert!(shard.hears("montague.example", "2").is_empty());
    assert_eq!(shard.router.counters().bounced, 0);
    assert_eq!(
        shard.closed(OUT, &LinkEnd::ClosedByUs, &[]),
        ["connect backend for montague.example -> capulet.example"]
    );
}

#[test]
fn a_backend_that_is_down_is_waited_for_and_found_again() {
    let mut shard = shared();
    shard.hears("montague.example", "1");
    for _ in 0..5 {
        assert!(shard.backend_connect_failed().is_empty());
        assert!(shard.hears("montague.example", "-").is_empty(), "it rests");
        let mut said = Vec::new();
        while said.is_empty() {
            said = shard.pass(500);
        }
        assert_eq!(said, ["connect backend for montague.example -> capulet.example"]);
    }
    shard.backend_connected(OUT);
    assert_eq!(shard.accepts(OUT, "montague.example").len(), 6);
}

#[test]
fn the_wait_for_a_backend_has_an_end() {
    let mut shard = shared();
    shard.hears("montague.example", "1");
    shard.pass(29_000);
    shard.hears("montague.example", "2");
    let said = shard.pass(1_000);
    // The error goes to the remote sender, so it starts a look-up.
    assert_eq!(said, ["resolve montague.example"]);
    assert_eq!(shard.router.counters().bounced, 1);
    shard.pass(29_000);
    assert_eq!(shard.router.counters().bounced, 2);
    for _ in 0..4 {
        shard.pass(60_000);
    }
    assert_eq!(shard.router.snapshot().lanes, 0, "nothing waits, nothing is tried");
}

#[test]
fn what_a_backend_decides_is_final_for_the_pair_and_for_nobody_else() {
    let mut shard = shared();
    shard.hears("montague.example", "1");
    shard.hears("verona.example", "2");
    shard.backend_connected(OUT);
    assert_eq!(
        shard.refuses(OUT, "montague.example", OutboundFailure::DialbackInvalid),
        ["resolve montague.example"],
        "the error for message 1"
    );
    assert_eq!(shard.router.counters().bounced, 1);
    assert_eq!(shard.accepts(OUT, "verona.example"), ["send 2: message 2"]);
    shard.hears("montague.example", "3");
    assert_eq!(shard.router.counters().bounced, 2, "asked no sooner than half a second later");
    shard.pass(1_000);
    assert_eq!(shard.hears("montague.example", "4"), ["authorize on 2"]);
}

#[test]
fn a_backend_that_does_not_serve_the_domain_is_not_waited_for() {
    let mut shard = shared();
    shard.hears("montague.example", "1");
    shard.backend_connected(OUT);
    let end = LinkEnd::Failed(OutboundFailure::HostUnknown);
    assert_eq!(shard.closed(OUT, &end, &[]), ["resolve montague.example"], "the error");
    assert_eq!(shard.router.counters().bounced, 1);
}

#[test]
fn what_a_lost_link_did_not_send_goes_first_on_the_next_one() {
    let mut shard = shared();
    shard.hears("montague.example", "1");
    shard.backend_connected(OUT);
    shard.accepts(OUT, "montague.example");
    shard.hears("verona.example", "2");
    let lost = LinkEnd::Failed(OutboundFailure::ConnectionLost);
    assert!(shard.loses(OUT, &lost, "montague.example", &["3", "4"]).is_empty(), "it rests");
    assert!(shard.hears("montague.example", "5").is_empty());
    let said = shard.pass(1_000);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(shard.backend_connected(OUT2), ["authorize on 3", "authorize on 3"]);
    assert_eq!(
        shard.accepts(OUT2, "montague.example"),
        ["send 3: message 3", "send 3: message 4", "send 3: message 5"]
    );
    assert_eq!(shard.accepts(OUT2, "verona.example"), ["send 3: message 2"]);
}

#[test]
fn a_link_with_as_many_pairs_as_may_be_is_opened_anew() {
    let mut config = served_by("10.0.0.5:5269", Sharing::Links(1));
    config.limits.lane_pairs = 2;
    let mut shard = Shard::new(config);
    shard.hears("a.example", "1");
    shard.backend_connected(OUT);
    shard.accepts(OUT, "a.example");
    shard.hears("b.example", "2");
    shard.accepts(OUT, "b.example");
    assert_eq!(shard.hears("c.example", "3"), ["close 2"]);
    assert!(shard.hears("a.example", "4").is_empty());
    assert_eq!(
        shard.closed(OUT, &LinkEnd::ClosedByUs, &[]),
        ["connect backend for a.example -> capulet.example"]
    );
    assert_eq!(shard.backend_connected(OUT2), ["authorize on 3", "authorize on 3"]);
}

#[test]
fn a_new_address_takes_over_what_waits() {
    let mut shard = shared();
    shard.hears("montague.example", "1");
    shard.backend_connected(OUT);
    shard.accepts(OUT, "montague.example");
    shard.hears("verona.example", "2");
    let moved = Arc::new(served_by("10.0.0.6:5269", Sharing::Links(1)));
    shard.router.set_config(shard.now, &moved, &mut shard.out);
    assert_eq!(shard.said(), ["close 2"]);
    assert!(shard.hears("montague.example", "4").is_empty());
    assert_eq!(
        shard.loses(OUT, &LinkEnd::ClosedByUs, "montague.example", &["3"]),
        ["connect backend for verona.example -> capulet.example"]
    );
    assert_eq!(shard.backend_connected(OUT2), ["authorize on 3", "authorize on 3"]);
    assert_eq!(
        shard.accepts(OUT2, "montague.example"),
        ["send 3: message 3", "send 3: message 4"],
        "what the old link did not send goes first"
    );
    assert_eq!(shard.accepts(OUT2, "verona.example"), ["send 3: message 2"]);
    assert_eq!(shard.router.snapshot().lanes, 1);
}

/// Two links of the old server hold something; the new one is called when both are gone.
#[test]
fn a_lane_that_takes_over_waits_for_the_links_of_all_that_it_replaces() {
    let mut shard = Shard::new(served_by("10.0.0.5:5269", Sharing::None));
    shard.hears("montague.example", "1");
    shard.backend_connected(OUT);
    shard.accepts(OUT, "montague.example");
    shard.hears("verona.example", "2");
    shard.backend_connected(OUT2);
    shard.accepts(OUT2, "verona.example");
    for sharing in [Sharing::Links(2), Sharing::Links(1)] {
        let moved = Arc::new(served_by("10.0.0.6:5269", sharing));
        shard.router.set_config(shard.now, &moved, &mut shard.out);
    }
    assert_eq!(shard.said(), ["close 2", "close 3"]);
    assert!(shard.loses(OUT, &LinkEnd::ClosedByUs, "montague.example", &["3"]).is_empty());
    assert!(shard.hears("verona.example", "5").is_empty());
    assert_eq!(
        shard.loses(OUT2, &LinkEnd::ClosedByUs, "verona.example", &["4"]),
        ["connect backend for montague.example -> capulet.example"]
    );
    shard.backend_connected(OUT);
    assert_eq!(shard.accepts(OUT, "montague.example"), ["send 2: message 3"]);
    assert_eq!(shard.accepts(OUT, "verona.example"), ["send 2: message 4", "send 2: message 5"]);
}

#[test]
fn a_lane_that_is_left_and_wanted_again_keeps_the_order() {
    let mut shard = shared();
    shard.hears("montague.example", "1");
    shard.backend_connected(OUT);
    shard.accepts(OUT, "montague.example");
    for (address, id) in [("10.0.0.6:5269", "3"), ("10.0.0.5:5269", "4")] {
        let moved = Arc::new(served_by(address, Sharing::Links(1)));
        shard.router.set_config(shard.now, &moved, &mut shard.out);
        shard.hears("montague.example", id);
    }
    assert_eq!(
        shard.loses(OUT, &LinkEnd::ClosedByUs, "montague.example", &["2"]),
        ["connect backend for montague.example -> capulet.example"]
    );
    shard.backend_connected(OUT2);
    assert_eq!(
        shard.accepts(OUT2, "montague.example"),
        ["send 3: message 2", "send 3: message 3", "send 3: message 4"]
    );
}

#[test]
fn a_drain_bounces_what_waits_and_leaves_open_links_to_the_caller() {
    let mut shard = shared();
    shard.hears("montague.example", "1");
    shard.backend_connected(OUT);
    shard.accepts(OUT, "montague.example");
    shard.hears("verona.example", "2");
    shard.router.drain(shard.now, &mut shard.out);
    assert!(shard.said().is_empty(), "the error has no link either: a drop that is counted");
    assert_eq!(shard.router.counters().dropped_bounces, 1);
    assert_eq!(shard.hears("montague.example", "3"), ["send 2: message 3"]);
}

/// The error for a backend's user comes in the name of a remote domain that may never have sent anything there.
#[test]
fn an_error_that_a_drain_makes_waits_on_an_open_link_for_its_pair() {
    let mut shard = shared();
    shard.hears("verona.example", "1");
    shard.backend_connected(OUT);
    shard.accepts(OUT, "verona.example");
    assert_eq!(shard.says("2"), ["resolve montague.example"]);
    shard.router.drain(shard.now, &mut shard.out);
    assert_eq!(shard.said(), ["authorize on 2"]);
    assert!(shard.router.waits_for_backends());
    shard.hears("montague.example", "3");
    assert_eq!(shard.router.counters().dropped_bounces, 1, "stanzas wait no more");
    assert_eq!(shard.accepts(OUT, "montague.example"), ["send 2: remote-server-timeout wait 2"]);
    assert!(!shard.router.waits_for_backends());
}

/// A backend's user gets the errors for what it sent abroad in the name of the remote domain.
#[test]
fn an_error_for_a_backends_user_takes_the_lane_of_the_remote_domain() {
    let mut shard = shared();
    shard.says("1");
    let remote = domain("montague.example");
    let nothing = Err(DnsFailure::NoSuchDomain);
    shard.router.resolved(shard.now, &remote, nothing, &mut shard.out);
    assert_eq!(shard.said(), ["connect backend for montague.example -> capulet.example"]);
    shard.backend_connected(OUT);
    assert_eq!(
        shard.accepts(OUT, "montague.example"),
        ["send 2: remote-server-not-found cancel 1"]
    );
}

fn peer_error(condition: StreamCondition) -> OutboundFailure {
    OutboundFailure::PeerError(ReceivedError { condition, text: None })
}

/// The stream goes on for the others, so the pair must not wait for an answer that never comes.
#[test]
fn a_key_that_is_never_answered_costs_its_own_pair_only() {
    let mut shard = shared();
    shard.hears("montague.example", "1");
    shard.hears("verona.example", "2");
    shard.backend_connected(OUT);
    shard.accepts(OUT, "verona.example");
    let late = OutboundFailure::TimedOut(Phase::Dialback);
    shard.refuses(OUT, "montague.example", late);
    assert_eq!(shard.router.counters().bounced, 1);
    shard.pass(1_000);
    assert_eq!(shard.hears("montague.example", "3"), ["authorize on 2"]);
}

/// A stanza or a name of one remote domain made the backend end the stream of all.
#[test]
fn a_stream_error_of_the_backend_bounces_nothing_that_may_still_wait() {
    for condition in [
        StreamCondition::PolicyViolation,
        StreamCondition::NotAuthorized,
        StreamCondition::InvalidFrom,
    ] {
        let mut shard = shared();
        shard.hears("montague.example", "1");
        shard.hears("verona.example", "2");
        shard.backend_connected(OUT);
        shard.accepts(OUT, "montague.example");
        shard.refuses(OUT, "verona.example", peer_error(condition));
        let end = LinkEnd::Failed(peer_error(condition));
        shard.loses(OUT, &end, "montague.example", &["3"]);
        assert_eq!(shard.router.counters().bounced, 0);
        shard.pass(1_000);
        assert_eq!(shard.backend_connected(OUT2), ["authorize on 3"], "one at a time now");
        assert_eq!(shard.accepts(OUT2, "verona.example"), ["send 3: message 2", "authorize on 3"]);
        assert_eq!(shard.accepts(OUT2, "montague.example"), ["send 3: message 3"]);
    }
}

#[test]
fn a_pair_over_which_the_backend_ends_every_stream_is_found_and_left_alone() {
    let mut shard = shared();
    shard.hears("a.example", "1");
    shard.hears("b.example", "2");
    shard.backend_connected(OUT);
    let end = LinkEnd::Failed(peer_error(StreamCondition::ImproperAddressing));
    shard.closed(OUT, &end, &[]);
    shard.pass(2_000);
    assert_eq!(shard.backend_connected(OUT2), ["authorize on 3"]);
    shard.closed(OUT2, &end, &[]);
    assert_eq!(shard.router.counters().bounced, 1, "a.example was asked alone");
    shard.pass(3_000);
    assert_eq!(shard.backend_connected(OUT), ["authorize on 2"]);
    assert_eq!(shard.accepts(OUT, "b.example"), ["send 2: message 2"]);
    shard.hears("a.example", "3");
    assert_eq!(shard.router.counters().bounced, 2, "half a minute of rest");
}

/// The link was made under the old settings: TLS, certificates, the secret of its keys.
#[test]
fn a_reload_opens_the_links_to_backends_anew_and_loses_nothing() {
    let mut shard = shared();
    shard.hears("montague.example", "1");
    shard.backend_connected(OUT);
    shard.accepts(OUT, "montague.example");
    let same = Arc::new(served_by("10.0.0.5:5269", Sharing::Links(1)));
    shard.router.set_config(shard.now, &same, &mut shard.out);
    assert_eq!(shard.said(), ["close 2"]);
    assert!(shard.hears("montague.example", "3").is_empty());
    assert_eq!(
        shard.loses(OUT, &LinkEnd::ClosedByUs, "montague.example", &["2"]),
        ["connect backend for montague.example -> capulet.example"]
    );
    shard.backend_connected(OUT2);
    assert_eq!(shard.accepts(OUT2, "montague.example"), ["send 3: message 2", "send 3: message 3"]);
}

/// We must not speak to a server in the name of a domain that it serves itself. Its own answer, or the judgement of the stream,
/// would bounce what others have waiting there too.
#[test]
fn what_came_to_be_between_two_domains_of_one_backend_is_not_sent_to_it() {
    let mut shard = shared();
    shard.hears("montague.example", "1");
    shard.hears("verona.example", "2");
    let mut grown = served_by("10.0.0.5:5269", Sharing::Links(1));
    grown.hosted.push(HostedEntry {
        pattern: DomainPattern::parse("montague.example").unwrap(),
        kind: grown.hosted[0].kind,
    });
    shard.router.set_config(shard.now, &Arc::new(grown), &mut shard.out);
    assert!(shard.said().is_empty(), "nor is there a stream to the sender's domain for the error");
    assert_eq!(shard.router.counters().dropped_bounces, 1);
    assert_eq!(shard.backend_connected(OUT), ["authorize on 2"]);
    assert_eq!(shard.accepts(OUT, "verona.example"), ["send 2: message 2"]);
    assert!(shard.hears("montague.example", "3").is_empty());
    assert_eq!(shard.router.counters().dropped_bounces, 2);
}

#[test]
fn what_a_link_did_not_send_between_two_domains_of_one_backend_is_not_asked_for_again() {
    let mut shard = shared();
    shard.hears("montague.example", "1");
    shard.backend_connected(OUT);
    shard.accepts(OUT, "montague.example");
    let mut grown = served_by("10.0.0.5:5269", Sharing::Links(1));
    grown.hosted.push(HostedEntry {
        pattern: DomainPattern::parse("montague.example").unwrap(),
        kind: grown.hosted[0].kind,
    });
    shard.router.set_config(shard.now, &Arc::new(grown), &mut shard.out);
    assert_eq!(shard.said(), ["close 2"]);
    assert!(shard.loses(OUT, &LinkEnd::ClosedByUs, "montague.example", &["1"]).is_empty());
    assert_eq!(shard.router.counters().dropped_bounces, 1);
    assert_eq!(shard.router.snapshot().lanes, 0);
}
