//! Peers that stop, or end, at every stage of a negotiation.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use s2s_trust::Rung;

use super::{THEM, US, Verona, bounce, from, to, untrusted};
use crate::support::certs::{CertSpec, Issued};
use crate::support::plane::{At, at};
use crate::support::stages::{Ending, STAGES, Stage, end, initiate_until, respond, respond_until};
use crate::support::*;

const ENDINGS: [Ending; 4] =
    [Ending::Reset, Ending::HalfClose, Ending::CloseTag, Ending::SeeOtherHost];

/// Every stage that can end so.
fn stages_that_end(ending: Ending) -> impl Iterator<Item = Stage> {
    let says = matches!(ending, Ending::CloseTag | Ending::SeeOtherHost);
    STAGES.into_iter().filter(move |stage| !says || stage.speaks())
}

fn hasty() -> Setup {
    let mut setup = Setup::new().minimum(Rung::Secure);
    setup.settings.timeouts.negotiation_secs = 1;
    setup
}

/// Our streams to peers that all end so, one at each stage; what waited for them bounces.
fn all_bounce(verona: &Verona, ending: Ending) {
    let identity = untrusted(THEM);
    let mut capulet = component(&verona.plane, US);
    let mut left = Vec::new();
    for stage in stages_that_end(ending) {
        let remote = format!("{stage:?}.{ending:?}.example").to_lowercase();
        let listener = listener();
        verona.plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        capulet.send(&(to(&remote, "one") + &to(&remote, "two")));
        let peer = respond_until(&listener, &identity, stage);
        // From here on nobody listens: a second attempt, by dialback, is refused.
        drop(listener);
        left.push(end(peer, ending));
    }
    let mut bounced = Vec::new();
    for _ in 0..left.len() * 2 {
        let stanza = capulet.element();
        let error = stanza.element.child("error").unwrap();
        assert_eq!(error.children[0].name, "remote-server-timeout", "{}", stanza.text);
        assert_eq!(error.attribute("type"), "wait", "{}", stanza.text);
        bounced.push((stanza.attr("from").to_owned(), stanza.attr("id").to_owned()));
    }
    bounced.sort();
    bounced.dedup();
    assert_eq!(bounced.len(), left.len() * 2, "each once: {bounced:?}");
    // See-other-host is not followed: not even looked up.
    assert_eq!(verona.plane.lookups("elsewhere.example"), 0);
}

#[test]
fn stanzas_for_peers_that_never_finish_bounce_after_the_deadline() {
    let mut setup = hasty();
    // The one stage that no deadline of the negotiation ends is the peer's silence about our key.
    setup.settings.timeouts.queue_secs = 2;
    let verona = Verona::with(setup);
    let began = Instant::now();
    all_bounce(&verona, Ending::Stall);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn stanzas_for_peers_that_end_the_stream_bounce_at_once_and_no_redirection_is_followed() {
    let verona = Verona::with(Setup::new().minimum(Rung::Secure));
    let began = Instant::now();
    for ending in ENDINGS {
        all_bounce(&verona, ending);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_target_that_ends_or_never_finishes_is_followed_by_the_next() {
    for (setup, endings) in
        [(Setup::new().minimum(Rung::Secure), &ENDINGS[..]), (hasty(), &[Ending::Stall])]
    {
        let verona = Verona::with(setup);
        for ending in endings {
            // The time for a verification is longer than a test should take.
            let stages = stages_that_end(*ending)
                .filter(|stage| (*ending, *stage) != (Ending::Stall, Stage::KeyHeard));
            all_go_to_the_next(&verona, *ending, stages);
        }
    }
}

fn all_go_to_the_next(verona: &Verona, ending: Ending, stages: impl Iterator<Item = Stage>) {
    let mut capulet = component(&verona.plane, US);
    let mut left = Vec::new();
    let mut next = Vec::new();
    for (number, stage) in (1..).zip(stages) {
        let remote = format!("{stage:?}.{ending:?}.example").to_lowercase();
        // An address of its own: a peer that refused EXTERNAL is tried once more where it was, and must not be met at a port that
        // another stage's peer has got meanwhile.
        let first = TcpListener::bind((Ipv4Addr::new(127, 0, 1, number), 0)).unwrap();
        let second = listener();
        let (one, two) = (first.local_addr().unwrap(), second.local_addr().unwrap());
        verona.plane.zone(&remote, &[at(one), At { priority: 5, ..at(two) }]);
        capulet.send(&to(&remote, &remote));
        let peer = respond_until(&first, &untrusted(&remote), stage);
        drop(first);
        left.push(end(peer, ending));
        // The name of the thread says which stage it was.
        let thread = std::thread::Builder::new().name(remote.clone());
        let followed = move || {
            let mut peer = respond_until(&second, &untrusted(&remote), Stage::KeyHeard);
            peer.send(&format!("<db:result from='{remote}' to='{US}' type='valid'/>"));
            assert!(peer.expect("</message>").contains(&remote));
        };
        next.push(thread.spawn(followed).unwrap());
    }
    for peer in next {
        peer.join().unwrap();
    }
}

fn trusted(verona: &Verona) -> Issued {
    verona.authority.issue(CertSpec::for_dns(&[THEM]))
}

#[test]
fn initiators_that_never_finish_are_cut_by_the_deadline_and_told_why() {
    let verona = Verona::with(hasty());
    let identity = trusted(&verona);
    let began = Instant::now();
    let peers: Vec<_> = stages_that_end(Ending::Stall)
        .filter(|stage| *stage != Stage::KeyHeard)
        .map(|stage| {
            let peer = initiate_until(verona.plane.s2s(), (THEM, US), &identity, stage);
            (stage, peer)
        })
        .collect();
    for (stage, mut peer) in peers {
        let said = peer.expect_end();
        // Where our header is out and no restart is due.
        let told = matches!(stage, Stage::Header | Stage::TlsHeader | Stage::ExternalAsked);
        assert_eq!(said.contains("<connection-timeout"), told, "{stage:?}: {said}");
    }
    let took = began.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn initiators_that_end_the_stream_leave_nothing_and_the_next_is_served() {
    let verona = Verona::new(Rung::Secure);
    let identity = trusted(&verona);
    let mut capulet = component(&verona.plane, US);
    for ending in ENDINGS {
        for stage in stages_that_end(ending).filter(|stage| *stage != Stage::KeyHeard) {
            let peer = initiate_until(verona.plane.s2s(), (THEM, US), &identity, stage);
            if let Some(mut peer) = end(peer, ending) {
                peer.expect_end();
            }
        }
    }
    verona.plane.wait_for("all links are gone", |totals| totals.links == 0);
    let mut peer = initiate_until(verona.plane.s2s(), (THEM, US), &identity, Stage::ExternalDone);
    peer.send(&header(THEM, US));
    peer.expect("</stream:features>");
    peer.send(&from(THEM, "after"));
    assert_eq!(capulet.element().attr("id"), "after");
}

#[test]
fn a_key_that_the_authoritative_server_never_answers_is_refused_in_time() {
    let mut setup = Setup::new().minimum(Rung::Verified);
    setup.settings.timeouts.verify_secs = 1;
    let verona = Verona::with(setup);
    let authoritative = listener();
    verona.plane.zone(THEM, &[at(authoritative.local_addr().unwrap())]);
    let mut peer = Peer::connect(verona.plane.s2s());
    peer.send(&header(THEM, US));
    peer.expect("</stream:features>");
    peer.send(&format!("<db:result from='{THEM}' to='{US}'>k</db:result>"));
    let mut leg = serve(&authoritative, DIALBACK_FEATURES, "leg");
    leg.expect("</db:verify>");
    let answer = peer.expect("</db:result>");
    assert!(answer.contains("<remote-server-timeout"), "{answer}");
    // The stream stays, for another key or another pair.
    peer.send(&format!("<db:result from='{THEM}' to='nowhere.example'>k</db:result>"));
    assert!(peer.expect("</db:result>").contains("<item-not-found"));
}

#[test]
fn a_close_tag_that_is_never_answered_holds_the_next_link_up_for_five_seconds_only() {
    let mut setup = Setup::new().minimum(Rung::Secure);
    setup.settings.timeouts.idle_secs = 1;
    let verona = Verona::with(setup);
    let identity = untrusted(THEM);
    let mut capulet = component(&verona.plane, US);
    let listener = listener();
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    capulet.send(&to(THEM, "first"));
    let mut deaf = respond(&listener, &identity);
    deaf.expect("</message>");
    let good = trusted(&verona);
    let mut inbound = initiate_until(verona.plane.s2s(), (THEM, US), &good, Stage::ExternalDone);
    inbound.send(&header(THEM, US));
    deaf.expect("</stream:stream>");
    let closed = Instant::now();
    capulet.send(&to(THEM, "second"));
    let mut next = respond(&listener, &identity);
    assert!(next.expect("</message>").contains("second"));
    assert!(closed.elapsed() < Duration::from_secs(7), "{:?}", closed.elapsed());
    inbound.expect("</stream:stream>");
    inbound.expect_end();
}

#[test]
fn a_peer_that_half_closes_is_delivered_from_and_its_stream_is_closed() {
    let verona = Verona::new(Rung::Secure);
    let identity = trusted(&verona);
    let mut capulet = component(&verona.plane, US);
    let mut peer = initiate_until(verona.plane.s2s(), (THEM, US), &identity, Stage::ExternalDone);
    peer.send(&(header(THEM, US) + &from(THEM, "last")));
    peer.half_close();
    assert_eq!(capulet.element().attr("id"), "last");
    peer.expect_end();
}

#[test]
fn a_close_tag_or_a_half_close_between_stanzas_loses_none_that_come_later() {
    let verona = Verona::new(Rung::Secure);
    let identity = untrusted(THEM);
    let mut capulet = component(&verona.plane, US);
    for ending in [Ending::CloseTag, Ending::HalfClose] {
        let remote = format!("{ending:?}.example").to_lowercase();
        let listener = listener();
        verona.plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        for n in 0..3 {
            let id = format!("m{n}");
            capulet.send(&to(&remote, &id));
            let mut peer = respond_until(&listener, &identity, Stage::KeyHeard);
            peer.send(&format!("<db:result from='{remote}' to='{US}' type='valid'/>"));
            assert_eq!(peer.element().attr("id"), id);
            let mut peer = end(peer, ending).unwrap();
            // What is sent from now on is not for this link: our direction is closed as well.
            let rest = peer.expect_end();
            assert!(rest == "</stream:stream>" || rest.is_empty(), "{rest}");
        }
    }
}

#[test]
fn a_reset_of_a_working_stream_bounces_what_was_not_written_in_order() {
    const LAST: usize = 120;
    let verona = Verona::with(Setup::new().shards(1).minimum(Rung::Secure));
    let identity = untrusted(THEM);
    let mut capulet = component(&verona.plane, US);
    let listener = listener();
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    capulet.send(&to(THEM, "first"));
    let mut peer = respond(&listener, &identity);
    peer.expect("</message>");
    // More than the kernel takes while the peer does not read, less than the outbox holds.
    let body = "a".repeat(60_000);
    for n in 0..=LAST {
        capulet.send(&format!(
            "<message from='juliet@{US}' to='romeo@{THEM}' id='{n}'><body>{body}</body></message>"
        ));
    }
    capulet.send(&message("juliet@capulet.example", "nurse@capulet.example", "echo"));
    assert_eq!(capulet.element().attr("id"), "echo");
    peer.reset();
    drop(listener);
    let first: usize = capulet.element().attr("id").parse().unwrap();
    for n in first + 1..=LAST {
        assert_eq!(bounce(&mut capulet, &n.to_string()), "wait remote-server-timeout");
    }
    capulet.send(&to(THEM, "after"));
    assert_eq!(bounce(&mut capulet, "after"), "wait remote-server-timeout");
}
