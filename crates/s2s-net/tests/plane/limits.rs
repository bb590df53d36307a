//! The link budget, and the limits of the peers.

use s2s_trust::Rung;

use crate::support::plane::at;
use crate::support::*;

fn small(links: usize) -> Setup {
    let mut setup = Setup::new().shards(1);
    setup.settings.limits.links = links;
    setup
}

#[test]
fn the_least_recently_used_link_at_rest_makes_room() {
    // One for the component.
    let plane = small(9).start();
    let mut capulet = component(&plane, "capulet.example");
    let mut peers: Vec<_> = (0..8)
        .map(|n| {
            let from = format!("d{n}.example");
            let mut peer = believed(&plane, &from);
            peer.send(&message(&format!("a@{from}"), "juliet@capulet.example", "in"));
            capulet.expect("</message>");
            peer
        })
        .collect();
    // The first is used again, so the second goes.
    peers[0].send(&message("a@d0.example", "juliet@capulet.example", "again"));
    capulet.expect("</message>");
    let _ninth = believed(&plane, "d8.example");
    peers[1].expect("</stream:stream>");
    peers[1].send("</stream:stream>");
    peers[1].expect_end();
    for n in [0, 2, 7] {
        peers[n].send(&message(&format!("a@d{n}.example"), "juliet@capulet.example", "still"));
        assert!(capulet.expect("</message>").contains("still"));
    }
}

#[test]
fn strangers_that_say_nothing_do_not_keep_out_newcomers_nor_push_out_peers() {
    let plane = small(16).start();
    let mut capulet = component(&plane, "capulet.example");
    let mut peer = believed(&plane, "montague.example");
    let mut strangers: Vec<_> = (0..64).map(|_| Peer::connect(plane.s2s())).collect();
    // Each of the last to come is served, and the oldest were told why they were not.
    let mut honest = believed(&plane, "paris.example");
    assert!(strangers[0].expect_end().contains("<resource-constraint"));
    for (peer, from) in [(&mut peer, "montague.example"), (&mut honest, "paris.example")] {
        peer.send(&message(&format!("a@{from}"), "juliet@capulet.example", "in"));
        assert!(capulet.expect("</message>").contains(from));
    }
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let plane = Setup::new().minimum(Rung::Verified).start();
    for n in 0..200 {
        let mut peer = Peer::connect(plane.s2s());
        if n % 2 == 0 {
            peer.send(&header(&format!("d{n}.example"), "capulet.example"));
            peer.expect("</stream:features>");
        }
    }
    plane.wait_for("all links are gone", |totals| totals.links == 0);
}

#[test]
fn links_of_our_own_keep_to_the_budget_too() {
    // One for the component.
    let plane = small(5).start();
    let mut capulet = component(&plane, "capulet.example");
    let mut peers = Vec::new();
    for n in 0..6 {
        let remote = format!("d{n}.example");
        let listener = listener();
        plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        capulet.send(&message("juliet@capulet.example", &format!("a@{remote}"), "out"));
        let mut peer = serve(&listener, NO_FEATURES, "x");
        peer.expect("</message>");
        peers.push(peer);
        if n >= 4 {
            let mut oldest = peers.remove(0);
            oldest.expect("</stream:stream>");
            oldest.send("</stream:stream>");
            oldest.expect_end();
        }
    }
    for (n, peer) in (2..).zip(&mut peers) {
        let to = format!("a@d{n}.example");
        capulet.send(&message("juliet@capulet.example", &to, "again"));
        assert!(peer.expect("</message>").contains("again"));
    }
}

/// Features of a peer that takes so much, and dialback.
fn limited(inner: &str) -> String {
    format!(
        "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/>\
         <limits xmlns='urn:xmpp:stream-limits:0'>{inner}</limits></stream:features>"
    )
}

#[test]
fn what_is_larger_than_the_peer_takes_bounces_and_the_stream_goes_on() {
    let plane = Setup::new().minimum(Rung::Verified).start();
    let mut capulet = component(&plane, "capulet.example");
    let montague = listener();
    plane.zone("montague.example", &[at(montague.local_addr().unwrap())]);
    let text = |id: &str, len| {
        let head = format!(
            "<message from='juliet@capulet.example' to='romeo@montague.example' id='{id}'><body>"
        );
        let tail = "</body></message>";
        format!("{head}{}{tail}", "x".repeat(len - head.len() - tail.len()))
    };
    // All but the last wait in the queue before the limit is known.
    capulet.send(&(text("first", 500) + &text("exact", 10_000) + &text("over", 10_001)));
    let mut peer = serve(&montague, &limited("<max-bytes>10000</max-bytes>"), "limits");
    accept_key(&mut peer, "capulet.example", "montague.example");
    assert!(peer.expect("</message>").contains("first"));
    assert!(peer.expect("</message>").contains("exact"));
    let bounce = capulet.expect("</message>");
    assert!(bounce.contains("id='over'") && bounce.contains("<policy-violation"), "{bounce}");
    assert!(bounce.contains("type='modify'") && !bounce.contains(" by="), "{bounce}");
    capulet.send(&(text("huge", 100_000) + &text("last", 500)));
    assert!(capulet.expect("</message>").contains("id='huge'"));
    let next = peer.expect("</message>");
    assert!(next.contains("last") && !next.contains("stream:error"), "{next}");
}

#[test]
fn a_stream_is_closed_before_the_peer_takes_it_for_idle() {
    let plane = Setup::new().minimum(Rung::Verified).shards(1).start();
    let mut capulet = component(&plane, "capulet.example");
    let montague = listener();
    plane.zone("montague.example", &[at(montague.local_addr().unwrap())]);
    let to_romeo = |id| message("juliet@capulet.example", "romeo@montague.example", id);
    capulet.send(&to_romeo("one"));
    let mut peer = serve(&montague, &limited("<idle-seconds>1</idle-seconds>"), "idle");
    accept_key(&mut peer, "capulet.example", "montague.example");
    peer.expect("</message>");
    let began = std::time::Instant::now();
    // RFC 6120 §4.6.1: white space. Who talks wants the stream, so it hears something of us.
    peer.send(
        "<db:verify from='montague.example' to='capulet.example' id='unasked' type='valid'/>",
    );
    assert!(peer.expect(" ").trim().is_empty());
    // White space is not talk: two routers would answer each other's for ever.
    peer.send(" ");
    peer.expect("</stream:stream>");
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    peer.send("</stream:stream>");
    peer.expect_end();
    plane.wait_for("counted as idle", |totals| totals.closed_idle == 1);
}
