//! The end of the data plane.

use crate::support::plane::at;
use crate::support::*;

#[test]
fn a_drain_ends_streams_politely_bounces_what_waits_and_joins() {
    let plane = Setup::new().start();
    let mut capulet = component(&plane, "capulet.example");
    // Several remotes that never answer our header: their stanzas wait, on both shards.
    let listeners: Vec<_> = (0..8).map(|_| listener()).collect();
    for (n, listener) in listeners.iter().enumerate() {
        plane.zone(&format!("r{n}.example"), &[at(listener.local_addr().unwrap())]);
        let id = format!("w{n}");
        capulet.send(&message("juliet@capulet.example", &format!("a@r{n}.example"), &id));
    }
    let mut silent: Vec<_> = listeners.iter().map(Peer::accept).collect();
    for peer in &mut silent {
        peer.expect("<stream:stream");
    }
    let mut inbound = believed(&plane, "montague.example");
    plane.drain();
    inbound.expect("</stream:stream>");
    // Still in flight when we closed: delivered.
    inbound.send(&message("romeo@montague.example", "juliet@capulet.example", "flight"));
    inbound.send("</stream:stream>");
    let mut bounced = Vec::new();
    let mut delivered = 0;
    for _ in 0..9 {
        let got = capulet.expect("</message>");
        if got.contains("type='error'") {
            bounced.push(attr(&got, "id"));
        } else {
            delivered += 1;
        }
    }
    bounced.sort();
    assert_eq!(bounced, (0..8).map(|n| format!("w{n}")).collect::<Vec<_>>());
    assert_eq!(delivered, 1);
    for peer in &mut silent {
        peer.expect("</stream:stream>");
    }
    drop(silent);
    capulet.expect("</stream:stream>");
    capulet.send("</stream:stream>");
    assert_eq!(capulet.expect_end(), "");
    plane.stop();
}

#[test]
fn a_drain_does_not_wait_for_ever_for_those_who_do_not_answer() {
    let mut setup = Setup::new();
    setup.settings.timeouts.drain_secs = 1;
    let plane = setup.start();
    let mut capulet = component(&plane, "capulet.example");
    let mut inbound = believed(&plane, "montague.example");
    let began = std::time::Instant::now();
    plane.drain();
    inbound.expect("</stream:stream>");
    capulet.expect("</stream:stream>");
    inbound.expect_end();
    capulet.expect_end();
    plane.stop();
    assert!(began.elapsed() < std::time::Duration::from_secs(3));
}

#[test]
fn an_address_in_use_is_told_at_start() {
    use s2s_net::{Boot, ControlQueue, Listener, ListenerKind, StartError};

    let taken = listener();
    let address = taken.local_addr().unwrap();
    let boot = Boot {
        shards: 2,
        pin_to_cores: false,
        listeners: vec![Listener { address, kind: ListenerKind::S2s }],
        boot_secret: [1; 32],
        settings: std::sync::Arc::new(Setup::new().settings),
    };
    let outcome = s2s_net::start(boot, ControlQueue::new(8, Box::new(|| ())));
    assert!(matches!(outcome, Err(StartError::Listen { .. })));
}
