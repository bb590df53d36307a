//! Remotes that are slow, break off, are silent, come back, or die: nobody may claim a delivery that did not happen.

use super::*;
use crate::federation::Manner;

fn pair(fixture: &Fixture, juliet: Manner, romeo: Manner) -> Federation {
    let mut montague = fixture.remote("montague.example", Behaviour::Trusted, 0);
    montague.manner = romeo;
    let mut capulet = fixture.remote("capulet.example", Behaviour::Trusted, 1);
    capulet.manner = juliet;
    fixture.start(vec![montague, capulet])
}

fn to_juliet(federation: &mut Federation) -> Vec<u32> {
    let flow = federation.add_flow("r@montague.example", "j@capulet.example", Course::OneWay, 200);
    vec![flow.unwrap()]
}

/// Some 9 KB in a tenth of a second.
const BRIEF: Work = Work {
    pace: Pace::Rate(300.0),
    arrivals: Arrivals::Constant,
    popularity: Popularity::Uniform,
    duration: Duration::from_millis(100),
    patience: Duration::from_secs(10),
};

fn brief(fixture: &Fixture, juliet: Manner, romeo: Manner) -> Outcome {
    run(async {
        let mut federation = pair(fixture, juliet, romeo);
        let flows = to_juliet(&mut federation);
        assert_eq!(federation.open().await, 0, "{:?}", federation.census().failures());
        federation.run(&flows, BRIEF).await
    })
}

#[test]
fn a_slow_reader_reads_all_but_slowly() {
    let outcome = brief(&Fixture::new(), Manner::SlowReader(20_000), Manner::Normal);
    assert_eq!(outcome.tally, Tally { sent: 30, delivered: 30, ..Tally::default() });
    assert!(outcome.elapsed > Duration::from_millis(300), "{:?}", outcome.elapsed);
}

#[test]
fn a_slow_sender_sends_all_but_slowly() {
    let outcome = brief(&Fixture::new(), Manner::Normal, Manner::SlowSender(20_000));
    assert_eq!(outcome.tally, Tally { sent: 30, delivered: 30, ..Tally::default() });
    assert!(outcome.elapsed > Duration::from_millis(300), "{:?}", outcome.elapsed);
}

#[test]
fn a_silent_remote_takes_the_connection_and_says_nothing() {
    run(async {
        let mut federation = pair(&Fixture::new(), Manner::Silent, Manner::Normal);
        to_juliet(&mut federation);
        let opened = tokio::time::timeout(Duration::from_millis(300), federation.open()).await;
        assert!(opened.is_err(), "{opened:?}");
        let counts = federation.counts();
        assert!(counts.bytes_out > 0 && counts.bytes_out == counts.bytes_in, "{counts:?}");
    });
}

#[test]
fn a_resetting_remote_comes_back_and_what_was_lost_is_not_claimed() {
    run(async {
        let manner = Manner::Resetting(Duration::from_millis(150));
        let mut federation = pair(&Fixture::new(), Manner::Normal, manner);
        let flows = to_juliet(&mut federation);
        assert_eq!(federation.open().await, 0);
        let patience = Duration::from_secs(1);
        let outcome = federation.run(&flows, Work { patience, ..QUICK }).await;
        let opened = federation.census().opened(Direction::Inbound, Rung::Trusted);
        assert!(opened > 1, "{opened} streams");
        let tally = outcome.tally;
        assert!(tally.delivered > 0 && tally.delivered <= tally.sent, "{tally:?}");
        let others = Tally { sent: 0, delivered: 0, ..tally };
        assert_eq!(others, Tally::default());
    });
}

#[test]
fn those_who_reconnect_lose_nothing_and_resume_their_sessions() {
    run(async {
        let mut federation = pair(&Fixture::new(), Manner::Normal, Manner::Normal);
        let flows = both_ways(&mut federation);
        assert_eq!(federation.open().await, 0);
        let patience = Duration::from_secs(20);
        let (outcome, ()) =
            tokio::join!(federation.run(&flows, Work { patience, ..QUICK }), async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                federation.reconnect(100);
            });
        assert_eq!(outcome.tally, Tally { sent: 1000, delivered: 1000, ..Tally::default() });
        let counts = federation.counts();
        let twice = Handshakes { full: 2, resumed: 2 };
        assert_eq!((counts.inbound, counts.outbound), (twice, twice));
        assert!(federation.census().failures().is_empty(), "{:?}", federation.census());
    });
}

#[test]
fn the_dead_stay_away_and_what_was_due_is_skipped() {
    run(async {
        let mut federation = pair(&Fixture::new(), Manner::Normal, Manner::Normal);
        let flows = to_juliet(&mut federation);
        assert_eq!(federation.open().await, 0);
        let patience = Duration::from_millis(300);
        let (outcome, ()) =
            tokio::join!(federation.run(&flows, Work { patience, ..QUICK }), async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                federation.kill(100);
            });
        let tally = outcome.tally;
        assert!(outcome.skipped > 0 && tally.delivered > 0, "{outcome:?}");
        assert_eq!(tally.sent + outcome.skipped, 1000);
        assert_eq!(federation.census().open(Direction::Inbound, Rung::Trusted), 0);
    });
}

#[test]
fn only_the_share_that_is_asked_for_reconnects_each_time() {
    run(async {
        let fixture = Fixture::new();
        let domain = |number| format!("d{number}.example");
        let remotes =
            (0..4).map(|number| fixture.remote(&domain(number), Behaviour::Verified, number));
        let mut federation = fixture.start(remotes.collect());
        let flows: Vec<u32> = (0..4)
            .map(|number| {
                let (from, to) =
                    (format!("u@{}", domain(number)), format!("u@{}", domain((number + 1) % 4)));
                federation.add_flow(&from, &to, Course::OneWay, 200).unwrap()
            })
            .collect();
        assert_eq!(federation.open().await, 0);
        let opened = |federation: &Federation| {
            federation.census().opened(Direction::Inbound, Rung::Verified)
        };
        // One percent of four is the first of them: its own stream, and the one it accepted, which is opened again when needed.
        for (percent, expected) in [(100, 8), (1, 10), (0, 10)] {
            federation.reconnect(percent);
            let reopened = async {
                while opened(&federation) < expected {
                    let tally = federation.warm_up(&flows, Duration::from_secs(20)).await;
                    assert_eq!((tally.sent, tally.delivered), (4, 4), "{percent} percent");
                }
            };
            assert!(tokio::time::timeout(Duration::from_secs(20), reopened).await.is_ok());
            let tally = federation.warm_up(&flows, Duration::from_secs(20)).await;
            assert_eq!((tally.sent, tally.delivered), (4, 4), "{percent} percent");
            assert_eq!(opened(&federation), expected, "{percent} percent");
        }
        let failures = federation.census().failures().clone();
        assert!(failures.is_empty(), "{failures:?}");
    });
}

#[test]
fn links_are_opened_on_demand_and_the_idle_ones_make_room() {
    run(async {
        let fixture = Fixture::new();
        let domain = |number| format!("d{number}.example");
        let remotes =
            (0..12).map(|number| fixture.remote(&domain(number), Behaviour::Trusted, number));
        let mut federation = fixture.start(remotes.collect());
        let flows: Vec<u32> = (0..12)
            .map(|number| {
                let (from, to) =
                    (format!("u@{}", domain(number)), format!("u@{}", domain((number + 1) % 12)));
                federation.add_flow(&from, &to, Course::OneWay, 200).unwrap()
            })
            .collect();
        federation.open_on_demand();
        federation.limit_links(6);
        tokio::task::yield_now().await;
        assert_eq!(federation.census().all_opened(), 0);
        // One after the other: three links with both their ends find room, and nine have to go.
        for round in 1..=2 {
            for &flow in &flows {
                let tally = federation.warm_up(&[flow], Duration::from_secs(20)).await;
                assert_eq!((tally.sent, tally.delivered), (1, 1), "round {round}");
            }
            let opened = federation.census().opened(Direction::Inbound, Rung::Trusted);
            assert_eq!(opened, 12 * round);
        }
        let few = async {
            while federation.census().all_open() > 6 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), few).await.is_ok());
        let failures = federation.census().failures().clone();
        assert!(failures.is_empty(), "{failures:?}");
        // Each had a ticket from the first time.
        assert_eq!(federation.counts().inbound, Handshakes { full: 12, resumed: 12 });
    });
}

#[test]
fn when_nothing_comes_of_the_first_flows_the_others_are_spared() {
    run(async {
        let mut federation = pair(&Fixture::new(), Manner::Silent, Manner::Normal);
        let flows: Vec<u32> = (0..400)
            .map(|user| {
                let (from, to) =
                    (format!("r{user}@montague.example"), "j@capulet.example".to_owned());
                federation.add_flow(&from, &to, Course::OneWay, 200).unwrap()
            })
            .collect();
        federation.open_on_demand();
        let tally = federation.warm_up(&flows, Duration::from_millis(100)).await;
        assert_eq!((tally.sent, tally.settled()), (64, 0));
    });
}
