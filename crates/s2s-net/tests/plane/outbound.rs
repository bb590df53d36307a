//! Streams we open.

use std::net::TcpListener;

use s2s_trust::Rung;
use socket2::{Domain, Socket, Type};

use crate::support::plane::{At, at};
use crate::support::*;

fn to_romeo(id: &str) -> String {
    message("juliet@capulet.example", "romeo@montague.example", id)
}

#[test]
fn dialback_goes_round_and_our_key_is_confirmed_by_ourselves() {
    let plane = Setup::new().minimum(Rung::Verified).start();
    let mut capulet = component(&plane, "capulet.example");
    let montague = listener();
    plane.zone("montague.example", &[at(montague.local_addr().unwrap())]);
    capulet.send(&to_romeo("hello"));
    let mut peer = serve(&montague, DIALBACK_FEATURES, "round");
    peer.expect("<db:result");
    let key = peer.expect("</db:result>");
    let key = key.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned();
    // Montague asks the authoritative server of capulet.example: that is us, on any connection.
    let mut leg = Peer::connect(plane.s2s());
    leg.send(&header("montague.example", "capulet.example"));
    leg.expect("</stream:features>");
    for (key, outcome) in [(key.as_str(), "type='valid'"), ("made-up", "type='invalid'")] {
        leg.send(&format!(
            "<db:verify from='montague.example' to='capulet.example' id='round'>{key}</db:verify>"
        ));
        let answer = leg.expect("/>");
        assert!(answer.contains(outcome), "{answer}");
    }
    peer.send("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    assert!(peer.expect("</message>").contains("hello"));
}

#[test]
fn a_key_that_is_refused_bounces_what_waits() {
    let plane = Setup::new().minimum(Rung::Verified).start();
    let mut capulet = component(&plane, "capulet.example");
    let montague = listener();
    plane.zone("montague.example", &[at(montague.local_addr().unwrap())]);
    capulet.send(&(to_romeo("one") + &to_romeo("two")));
    let mut peer = serve(&montague, DIALBACK_FEATURES, "no");
    peer.expect("</db:result>");
    peer.send("<db:result from='montague.example' to='capulet.example' type='invalid'/>");
    for id in ["one", "two"] {
        let bounce = capulet.expect("</message>");
        assert!(bounce.contains("type='error'") && bounce.contains(id), "{bounce}");
    }
}

#[test]
fn the_next_address_is_tried_when_one_refuses() {
    let plane = Setup::new().start();
    let mut capulet = component(&plane, "capulet.example");
    let montague = listener();
    let dead = listener().local_addr().unwrap();
    let live = montague.local_addr().unwrap();
    plane.zone("montague.example", &[at(dead), At { priority: 5, ..at(live) }]);
    capulet.send(&to_romeo("hello"));
    assert!(serve(&montague, NO_FEATURES, "x").expect("</message>").contains("hello"));
}

#[test]
fn a_black_hole_delays_its_neighbour_but_little() {
    let plane = Setup::new().start();
    let mut capulet = component(&plane, "capulet.example");
    // A full accept queue: the kernel drops further SYNs.
    let hole = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    hole.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    hole.listen(0).unwrap();
    let hole: TcpListener = hole.into();
    let _fills_it = std::net::TcpStream::connect(hole.local_addr().unwrap()).unwrap();
    let montague = listener();
    let live = montague.local_addr().unwrap();
    plane.zone("montague.example", &[at(hole.local_addr().unwrap()), at(live)]);
    let began = std::time::Instant::now();
    capulet.send(&to_romeo("hello"));
    assert!(serve(&montague, NO_FEATURES, "x").expect("</message>").contains("hello"));
    assert!(began.elapsed() < std::time::Duration::from_secs(3));
}

#[test]
fn an_idle_link_is_closed_and_a_later_stanza_opens_a_new_one() {
    let mut setup = Setup::new();
    setup.settings.timeouts.idle_secs = 1;
    let plane = setup.start();
    let mut capulet = component(&plane, "capulet.example");
    let montague = listener();
    plane.zone("montague.example", &[at(montague.local_addr().unwrap())]);
    capulet.send(&to_romeo("first"));
    let mut peer = serve(&montague, NO_FEATURES, "x");
    peer.expect("</message>");
    peer.expect("</stream:stream>");
    // Between our close tag and the peer's: it must not be written behind the close tag.
    capulet.send(&to_romeo("second"));
    peer.send("</stream:stream>");
    assert_eq!(peer.expect_end(), "");
    assert!(serve(&montague, NO_FEATURES, "y").expect("</message>").contains("second"));
}

#[test]
fn a_stanza_behind_our_close_tag_waits_for_the_next_link() {
    let mut setup = Setup::new().shards(1);
    setup.settings.timeouts.idle_secs = 1;
    let plane = setup.start();
    let mut capulet = component(&plane, "capulet.example");
    let montague = listener();
    plane.zone("montague.example", &[at(montague.local_addr().unwrap())]);
    capulet.send(&to_romeo("first"));
    let mut peer = serve(&montague, NO_FEATURES, "x");
    peer.expect("</stream:stream>");
    // On one shard: when the echo is back, the stanza before it was handled while our side was
    // closed and the peer's still open.
    capulet.send(&to_romeo("late"));
    capulet.send(&message("juliet@capulet.example", "nurse@capulet.example", "echo"));
    capulet.expect("</message>");
    peer.send("</stream:stream>");
    assert_eq!(peer.expect_end(), "");
    assert!(serve(&montague, NO_FEATURES, "y").expect("</message>").contains("late"));
}

#[test]
fn a_peer_that_does_not_read_gets_its_stanzas_bounced_and_others_go_on() {
    let mut setup = Setup::new().shards(1);
    setup.settings.limits.outbox_bytes = 256 * 1024;
    let plane = setup.start();
    let mut capulet = component(&plane, "capulet.example");
    let montague = listener();
    plane.zone("montague.example", &[at(montague.local_addr().unwrap())]);
    let paris = listener();
    plane.zone("paris.example", &[at(paris.local_addr().unwrap())]);
    capulet.send(&to_romeo("first"));
    let mut deaf = serve(&montague, NO_FEATURES, "x");
    deaf.expect("</message>");
    capulet.send(&message("juliet@capulet.example", "count@paris.example", "hello"));
    let mut hears = serve(&paris, NO_FEATURES, "y");
    hears.expect("</message>");

    let body = "a".repeat(60_000);
    let mut sent = 0;
    // Until the kernel's buffers and the outbox are full.
    let bounce = loop {
        capulet.send(&format!(
            "<message from='juliet@capulet.example' to='romeo@montague.example' id='b{sent}'>\
             <body>{body}</body></message>"
        ));
        sent += 1;
        assert!(sent < 1_000, "nothing bounces");
        capulet.send(&message("juliet@capulet.example", "nurse@capulet.example", "echo"));
        let answer = capulet.expect("</message>");
        if answer.contains("type='error'") {
            break answer;
        }
        assert!(answer.contains("echo"), "{answer:.200}");
    };
    assert!(bounce.contains("<resource-constraint") && bounce.len() < 1_024, "{bounce:.200}");
    capulet.send(&message("juliet@capulet.example", "count@paris.example", "still"));
    assert!(hears.expect("</message>").contains("still"));
    // What came before is still to come, in order.
    for id in (0..).map(|n| format!("b{n}")).take_while(|id| *id != attr(&bounce, "id")) {
        assert_eq!(attr(&deaf.expect("</message>"), "id"), id);
    }
}
