//! Verify legs: what is asked on which link, and what the end of one means.

use super::*;
use s2s_proto::dialback::Secret;
use s2s_proto::{Input, OutboundConfig, OutboundOptions, OutboundStream, Output, TlsState};

fn answer(stream_id: &str, outcome: VerifyOutcome) -> OutboundEvent {
    OutboundEvent::VerifyAnswer { pair: outward().reversed(), stream_id: stream_id.into(), outcome }
}

fn request(stream_id: &str) -> VerifyRequest {
    VerifyRequest {
        pair: outward().reversed(),
        stream_id: stream_id.into(),
        key: "ab".into(),
        demand: Demand::Dialback,
    }
}

/// The events a real stream ends with after it was asked for a verification.
fn events_of_a_stream_that(ends: impl FnOnce(&mut OutboundStream)) -> Vec<OutboundEvent> {
    let secret = Arc::new(Secret::new(&[42; 32]).unwrap());
    let options = OutboundOptions { dialback_first: false, tls: TlsState::Plain };
    let mut stream = OutboundStream::new(Arc::new(OutboundConfig::new(secret)), outward(), options);
    stream.handle(Millis(0), Input::Connected);
    stream.verify(Millis(0), request("s"));
    ends(&mut stream);
    let outputs = std::iter::from_fn(|| stream.poll_output());
    let events = outputs.filter_map(|output| match output {
        Output::Event(event) => OutboundEvent::from_event(&event),
        _ => None,
    });
    events.collect()
}

#[test]
fn a_key_asked_on_a_lost_stream_is_asked_again_at_the_next_host() {
    let ends: [fn(&mut OutboundStream); 2] = [
        |stream| stream.handle(Millis(1), Input::Eof),
        |stream| stream.handle(Millis(60_000), Input::Timeout),
    ];
    for ends in ends {
        let lost = events_of_a_stream_that(ends);
        assert!(matches!(lost.as_slice(), [OutboundEvent::VerifyAnswer { .. }]), "{lost:?}");
        let mut shard = Shard::new(config());
        shard.verify("s");
        shard.resolve(&["8.8.8.1", "8.8.8.2"]);
        assert_eq!(shard.connected(OUT, "8.8.8.1:5269"), ["verify s on 2"]);
        assert!(shard.event(OUT, lost[0].clone()).is_empty());
        let end = LinkEnd::Failed(OutboundFailure::ConnectionLost);
        assert_eq!(shard.closed(OUT, &end, &[]), ["connect 8.8.8.2"]);
        assert_eq!(shard.connected(OUT2, "8.8.8.2:5269"), ["verify s on 3"]);
        shard.event(OUT2, lost[0].clone());
        assert_eq!(shard.closed(OUT2, &end, &[]), ["verified s: Failed(RemoteConnectionFailed)"]);
    }
}

#[test]
fn an_error_the_authoritative_server_says_is_the_answer() {
    for condition in [
        DialbackCondition::NotAcceptable,
        DialbackCondition::RemoteServerNotFound,
        DialbackCondition::PolicyViolation,
    ] {
        let mut shard = Shard::new(config());
        shard.verify("s");
        shard.resolve(&["8.8.8.1"]);
        shard.connected(OUT, "8.8.8.1:5269");
        assert_eq!(
            shard.event(OUT, answer("s", VerifyOutcome::Failed(condition))),
            [format!("verified s: Failed({condition:?})")]
        );
    }
}

/// Threat A24: whoever sends many keys in another's name must not make that other end our stream with `policy-violation`,
/// which would let our stanzas to it rest too.
#[test]
fn a24_one_link_without_a_pair_is_asked_for_few_keys() {
    let mut shard = Shard::new(config());
    for n in 0..20 {
        shard.verify(&format!("s{n}"));
    }
    shard.resolve(&["8.8.8.1"]);
    assert_eq!(shard.connected(OUT, "8.8.8.1:5269").len(), 16);
    for n in 0..15 {
        let said = shard.event(OUT, answer(&format!("s{n}"), VerifyOutcome::Invalid));
        assert_eq!(said, [format!("verified s{n}: Invalid")]);
    }
    let last = shard.event(OUT, answer("s15", VerifyOutcome::Invalid));
    assert_eq!(last, ["verified s15: Invalid", "close 2"]);
    assert_eq!(shard.closed(OUT, &LinkEnd::ClosedByUs, &[]), ["connect 8.8.8.1"]);
    assert_eq!(shard.connected(OUT2, "8.8.8.1:5269").len(), 4);
    // Once a pair is authorised the peer's bound for strangers is gone.
    let mut shard = Shard::established();
    for n in 0..20 {
        assert_eq!(shard.verify(&format!("s{n}")), [format!("verify s{n} on 2")]);
    }
}

/// Openfire closes the connection on which the first thing was a key to check, once it has answered it.
#[test]
fn whoever_answers_one_key_a_connection_is_asked_every_key() {
    let mut shard = Shard::new(config());
    for n in 0..8 {
        shard.verify(&format!("s{n}"));
    }
    shard.resolve(&["8.8.8.1"]);
    for n in 0..8 {
        assert_eq!(shard.connected(OUT, "8.8.8.1:5269").len(), 8 - n);
        let said = shard.event(OUT, answer(&format!("s{n}"), VerifyOutcome::Invalid));
        assert_eq!(said, [format!("verified s{n}: Invalid")]);
        let next = if n < 7 { vec!["connect 8.8.8.1"] } else { vec![] };
        assert_eq!(shard.closed(OUT, &LinkEnd::ClosedByPeer, &[]), next);
    }
    // One that closes without an answer is not asked for ever.
    shard.verify("s8");
    shard.connected(OUT, "8.8.8.1:5269");
    assert_eq!(
        shard.closed(OUT, &LinkEnd::ClosedByPeer, &[]),
        ["verified s8: Failed(RemoteConnectionFailed)"]
    );
}

/// Threats A1, A2.
#[test]
fn an_answer_counts_for_exactly_the_key_that_was_asked() {
    let mut shard = Shard::new(config());
    shard.verify("s");
    shard.resolve(&["8.8.8.1"]);
    shard.connected(OUT, "8.8.8.1:5269");
    let valid = VerifyOutcome::Valid { leg_tls: true };
    assert!(shard.event(OUT, answer("other", valid)).is_empty());
    assert!(shard.event(OUT2, answer("s", valid)).is_empty(), "another link");
    for (originating, receiving) in [
        ("xmontague.example", "capulet.example"),
        ("montague.example", "rooms.capulet.example"),
        ("capulet.example", "montague.example"),
    ] {
        let pair = DomainPair::new(domain(originating), domain(receiving));
        let event = OutboundEvent::VerifyAnswer { pair, stream_id: "s".into(), outcome: valid };
        assert!(shard.event(OUT, event).is_empty());
    }
    assert_eq!(shard.event(OUT, answer("s", valid)), [format!("verified s: {valid:?}")]);
    assert!(shard.event(OUT, answer("s", valid)).is_empty(), "once");
}

#[test]
fn a_pair_authorised_on_a_link_is_the_slots_own_or_nothing() {
    let mut shard = Shard::new(config());
    shard.says("1");
    shard.resolve(&["8.8.8.1"]);
    shard.connected(OUT, "8.8.8.1:5269");
    let other = DomainPair::new(domain("capulet.example"), domain("verona.example"));
    assert!(shard.event(OUT, OutboundEvent::PairAuthorized { pair: other }).is_empty());
    assert_eq!(shard.authorized(OUT), ["send 2: message 1"]);
}

/// Threat A32.
#[test]
fn a32_nobody_outside_is_asked_about_a_domain_of_ours() {
    let mut shard = Shard::new(config());
    let mut request = request("s");
    request.pair = DomainPair::new(domain("capulet.example"), domain("capulet.example"));
    shard.router.verify(shard.now, VerifyTicket { link: OUT, request }, &mut shard.out);
    assert_eq!(shard.said(), ["verified s: Failed(Forbidden)"]);
}
