//! Many of the same: connections that come and go at every stage of the negotiation.

use std::time::{Duration, Instant};

use s2s_trust::Rung;

use crate::support::attacker::*;
use crate::support::peer::tls_client_config;
use crate::support::*;

/// Resident memory of this process, in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Connects and leaves, each time one stage later than the time before.
fn come_and_go(scene: &Scene, times: usize) {
    let config = tls_client_config(Some(&scene.issue("attacker.example")));
    let greeting = header("attacker.example", "capulet.example");
    for n in 0..times {
        // A handshake costs more than all the rest.
        let stage = if n % 50 == 0 { 6 } else { n % 6 };
        let mut peer = match stage {
            6 => Peer::connect(scene.plane.direct_tls()),
            _ => Peer::connect(scene.plane.s2s()),
        };
        match stage {
            0 => {}
            1 => peer.send(&greeting[..greeting.len() / 2]),
            2 => {
                peer.send(&greeting);
                peer.expect("</stream:features>");
            }
            3 => {
                peer.send(&format!("{greeting}<db:result from='attacker.example' to='capu"));
                peer.expect("</stream:features>");
            }
            4 => {
                peer.send(&greeting);
                peer.expect("</stream:features>");
                peer.send(STARTTLS);
                peer.expect(PROCEED);
                peer.send_bytes(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).unwrap();
            }
            5 => {
                peer.send(&format!("{greeting}<a xmlns='b'>{}", "x".repeat(7_000)));
                peer.expect("</stream:features>");
            }
            _ => {
                peer.tls_client(&config, "capulet.example");
                peer.send(&greeting);
                peer.expect("</stream:features>");
            }
        }
    }
    scene.plane.wait_for("all links are gone", |totals| totals.links == 0);
}

fn memory_stays(warm_up: usize, times: usize) {
    let mut scene = Scene::at(Rung::Verified);
    come_and_go(&scene, warm_up);
    let before = resident_kib();
    come_and_go(&scene, times);
    let grown = resident_kib().saturating_sub(before);
    // A leak of one link's buffers, 8 KiB, would show sixteen times over.
    let most = u64::try_from(times).unwrap() / 2 + 1_024;
    assert!(grown < most, "{grown} KiB more after {times} connections");
    scene.honest();
    scene.end();
}

#[test]
fn a16_connections_that_come_and_go_at_every_stage_leave_no_memory_behind() {
    memory_stays(1_000, 1_500);
}

#[test]
#[ignore = "ten seconds; the short form runs always"]
fn a16_twenty_thousand_connections_leave_no_memory_behind() {
    memory_stays(2_000, 20_000);
}

#[test]
fn a33_slow_strangers_do_not_slow_down_an_honest_handshake() {
    let mut scene = Scene::at(Rung::Verified);
    let began = Instant::now();
    scene.honest();
    let alone = began.elapsed();
    let greeting = header("attacker.example", "capulet.example");
    let mut slow: Vec<_> = (0..400).map(|_| Peer::connect(scene.plane.s2s())).collect();
    for (n, peer) in slow.iter_mut().enumerate() {
        // A byte now and then, in a header and in an element.
        let len = if n % 2 == 0 { 1 } else { greeting.len() - 1 };
        peer.send(&greeting[..len]);
    }
    let began = Instant::now();
    scene.honest();
    let beside = began.elapsed();
    assert!(beside < alone * 5 + Duration::from_secs(1), "{alone:?} became {beside:?}");
    scene.plane.wait_for("they are there", |totals| totals.links >= 400);
    drop(slow);
    assert_eq!(scene.end().net(|net| net.closed_for_room), 0);
}
