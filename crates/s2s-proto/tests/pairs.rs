//! Whole streams against each other: outbound, inbound and the authoritative server, with real framers and cut bytes.

#[path = "../../s2s-testkit/src/pair.rs"]
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "a module of the test kit, which depends on this crate"
)]
mod pair;

use pair::{End, Pairs, Server};
use s2s_proto::{
    CloseReason, Demand, DialbackCondition, Event, HowAuthorized, Millis, OutboundFailure,
    OutboundOptions, Proof, StreamCondition, TlsState,
};

const CAPULET: &str = "capulet.example";
const MONTAGUE: &str = "montague.example";
const STANZA: &str =
    "<message from='juliet@capulet.example' to='romeo@montague.example'><body>hi</body></message>";

fn plain() -> OutboundOptions {
    OutboundOptions { dialback_first: false, tls: TlsState::Plain }
}

fn direct() -> OutboundOptions {
    OutboundOptions { dialback_first: false, tls: TlsState::Direct }
}

fn proofs(pairs: &Pairs) -> Vec<Proof> {
    proofs_at(pairs, End::Inbound)
}

fn proofs_at(pairs: &Pairs, end: End) -> Vec<Proof> {
    let verified = pairs.seen().iter().filter_map(|seen| match &seen.event {
        Event::PairVerified(verified) if seen.end == end => Some(verified.proof()),
        _ => None,
    });
    verified.collect()
}

fn authorized(pairs: &Pairs) -> Vec<HowAuthorized> {
    let authorized = pairs.seen().iter().filter_map(|seen| match &seen.event {
        Event::PairAuthorized { how, .. } => Some(*how),
        _ => None,
    });
    authorized.collect()
}

fn failure(pairs: &Pairs) -> Option<OutboundFailure> {
    pairs.seen().iter().find_map(|seen| match &seen.event {
        Event::PairFailed { failure, .. } => Some(failure.clone()),
        _ => None,
    })
}

/// Runs one link between two servers for many ways to cut the bytes.
fn between(
    capulet: &Server,
    montague: &Server,
    options: OutboundOptions,
    check: impl Fn(&mut Pairs, usize),
) {
    for seed in 1..24 {
        let mut pairs = Pairs::new(seed, vec![capulet.clone(), montague.clone()]);
        let link = pairs.connect(CAPULET, MONTAGUE, options);
        pairs.settle();
        check(&mut pairs, link);
    }
}

#[test]
fn dialback_over_tls_verifies_the_pair_and_stanzas_flow() {
    between(&Server::new(CAPULET), &Server::new(MONTAGUE), plain(), |pairs, link| {
        assert_eq!(proofs(pairs), [Proof::Dialback { stream_tls: true, leg_tls: true }]);
        assert_eq!(authorized(pairs), [HowAuthorized::Dialback]);
        assert!(pairs.permits(link, CAPULET, MONTAGUE) && !pairs.permits(link, MONTAGUE, CAPULET));
        assert_eq!(pairs.link_count(), 2, "the key is verified on a link of its own");
        pairs.inject(link, STANZA);
        pairs.settle();
        assert_eq!(pairs.delivered().len(), 1);
        assert_eq!(pairs.delivered()[0].bytes(), STANZA);
    });
}

#[test]
fn external_is_used_when_the_certificate_proves_the_name() {
    let capulet = Server::new(CAPULET).with_certificate();
    for options in [plain(), direct()] {
        between(&capulet, &Server::new(MONTAGUE), options, |pairs, link| {
            assert_eq!(proofs(pairs), [Proof::External]);
            assert_eq!(authorized(pairs), [HowAuthorized::External]);
            assert!(!pairs.said(link, End::Outbound).contains("db:result"));
            pairs.inject(link, STANZA);
            pairs.settle();
            assert_eq!(pairs.delivered().len(), 1);
        });
    }
}

#[test]
fn dialback_first_is_answered_from_the_certificate() {
    let capulet = Server::new(CAPULET).with_certificate();
    let options = OutboundOptions { dialback_first: true, ..plain() };
    between(&capulet, &Server::new(MONTAGUE), options, |pairs, _| {
        assert_eq!(proofs(pairs), [Proof::CertificateDialback]);
        assert_eq!(authorized(pairs), [HowAuthorized::Dialback]);
        assert_eq!(pairs.link_count(), 1, "nobody was called back");
    });
}

#[test]
fn one_stream_carries_both_directions() {
    const BACK: &str = "<message from='romeo@montague.example' to='juliet@capulet.example'/>";
    let certified = |name| Server::new(name).with_certificate();
    let table = [
        (Server::new(CAPULET), Server::new(MONTAGUE), Proof::Reached { certificate_proves: false }),
        (certified(CAPULET), certified(MONTAGUE), Proof::Reached { certificate_proves: true }),
    ];
    for (capulet, montague, proof) in table {
        between(&capulet, &montague, plain(), |pairs, link| {
            assert_eq!(proofs_at(pairs, End::Outbound), [proof]);
            assert!(pairs.seen().iter().any(|seen| seen.end == End::Inbound
                && seen.link == link
                && matches!(&seen.event, Event::ReverseAuthorized { pair } if pair.is(MONTAGUE, CAPULET))));
            pairs.inject(link, STANZA);
            pairs.inject_back(link, BACK);
            pairs.settle();
            assert_eq!(pairs.delivered().len(), 2);
            pairs.shut_down(link);
            pairs.settle();
            assert_eq!(pairs.closed(link, End::Outbound), Some(&CloseReason::Finished));
        });
    }
}

#[test]
fn without_tls_the_verified_rung_is_reached_in_the_clear() {
    between(
        &Server::new(CAPULET).without_tls(),
        &Server::new(MONTAGUE).without_tls(),
        plain(),
        |pairs, _| {
            assert_eq!(proofs(pairs), [Proof::Dialback { stream_tls: false, leg_tls: false }]);
        },
    );
}

#[test]
fn a27_a_verify_leg_in_the_clear_is_refused_where_tls_is_demanded() {
    let capulet = Server::new(CAPULET).without_tls();
    let secure = Server::new(MONTAGUE).demanding(Demand::DialbackOverTls);
    between(&capulet, &secure, plain(), |pairs, _| {
        assert_eq!(proofs(pairs), []);
        assert!(matches!(
            failure(pairs),
            Some(OutboundFailure::PeerError(error)) if error.condition == StreamCondition::PolicyViolation
        ));
    });
    between(&capulet, &Server::new(MONTAGUE), plain(), |pairs, _| {
        assert_eq!(proofs(pairs), [Proof::Dialback { stream_tls: true, leg_tls: false }]);
    });
}

#[test]
fn a39_an_outbound_stream_never_goes_on_in_the_clear_where_tls_is_demanded() {
    let capulet = Server::new(CAPULET).demanding(Demand::DialbackOverTls);
    between(&capulet, &Server::new(MONTAGUE).without_tls(), plain(), |pairs, link| {
        assert_eq!(failure(pairs), Some(OutboundFailure::TlsNotOffered));
        assert!(
            pairs.said(link, End::Outbound).contains("<starttls"),
            "it was asked for uninvited"
        );
        assert!(!pairs.said(link, End::Outbound).contains("db:result"));
        assert_eq!(
            pairs.closed(link, End::Outbound),
            Some(&CloseReason::Outbound(OutboundFailure::TlsNotOffered))
        );
    });
}

#[test]
fn a_certificate_is_demanded_and_missing_on_either_side() {
    let strict = Server::new(MONTAGUE).demanding(Demand::Certificate);
    between(&Server::new(CAPULET), &strict, plain(), |pairs, link| {
        assert!(matches!(
            failure(pairs),
            Some(OutboundFailure::PeerError(error)) if error.condition == StreamCondition::NotAuthorized
        ));
        assert!(matches!(pairs.closed(link, End::Inbound), Some(CloseReason::Failed(_))));
    });
    let strict = Server::new(CAPULET).demanding(Demand::Certificate).with_certificate();
    between(&strict, &Server::new(MONTAGUE), plain(), |pairs, _| {
        assert_eq!(failure(pairs), Some(OutboundFailure::NotTrusted));
        assert_eq!(proofs(pairs), []);
    });
    between(
        &strict,
        &Server::new(MONTAGUE).demanding(Demand::Certificate).with_certificate(),
        plain(),
        |pairs, _| {
            assert_eq!(proofs(pairs), [Proof::External]);
        },
    );
}

#[test]
fn an_asserted_name_is_taken_only_where_policy_says_so() {
    let trusting = Server::new(MONTAGUE).demanding(Demand::Assertion).without_tls();
    let mut capulet = Server::new(CAPULET);
    capulet.reachable = false;
    between(&capulet, &trusting, plain(), |pairs, link| {
        assert!(proofs(pairs).iter().all(|proof| *proof == Proof::Asserted));
        pairs.inject(link, STANZA);
        pairs.settle();
        assert_eq!(pairs.delivered().len(), 1);
    });
    between(&capulet, &Server::new(MONTAGUE), plain(), |pairs, link| {
        assert_eq!(
            failure(pairs),
            Some(OutboundFailure::DialbackError(DialbackCondition::RemoteServerNotFound))
        );
        pairs.inject(link, STANZA);
        pairs.settle();
        assert!(pairs.delivered().is_empty());
    });
}

#[test]
fn further_pairs_are_put_on_the_stream_once_the_first_is_settled() {
    for seed in 1..24 {
        let capulet = Server::new(CAPULET).hosting("rooms.capulet.example").with_certificate();
        let montague = Server::new(MONTAGUE).hosting("chat.montague.example");
        let mut pairs = Pairs::new(seed, vec![capulet, montague]);
        let link = pairs.connect(CAPULET, MONTAGUE, plain());
        pairs.authorize(link, "rooms.capulet.example", "chat.montague.example");
        pairs.authorize(link, CAPULET, "nobody.montague.example");
        pairs.settle();
        assert_eq!(authorized(&pairs), [HowAuthorized::External, HowAuthorized::Dialback]);
        assert_eq!(proofs(&pairs), [Proof::External, Proof::CertificateDialback]);
        assert_eq!(
            failure(&pairs),
            Some(OutboundFailure::DialbackError(DialbackCondition::ItemNotFound))
        );
        assert_eq!(pairs.closed(link, End::Outbound), None, "an error costs its pair only");
        assert!(pairs.permits(link, "rooms.capulet.example", "chat.montague.example"));
    }
}

#[test]
fn a_polite_end_loses_nothing_in_flight() {
    between(&Server::new(CAPULET), &Server::new(MONTAGUE), plain(), |pairs, link| {
        pairs.inject(link, STANZA);
        pairs.shut_down(link);
        pairs.settle();
        assert_eq!(pairs.delivered().len(), 1);
        assert_eq!(pairs.closed(link, End::Outbound), Some(&CloseReason::Finished));
        assert_eq!(pairs.closed(link, End::Inbound), Some(&CloseReason::PeerClosed));
    });
}

#[test]
fn a_verified_stream_stays_open_without_timers() {
    between(&Server::new(CAPULET), &Server::new(MONTAGUE), plain(), |pairs, link| {
        pairs.run(Millis(100_000_000));
        assert_eq!(pairs.closed(link, End::Inbound), None);
        assert_eq!(pairs.closed(link, End::Outbound), None);
    });
}
