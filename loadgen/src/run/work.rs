//! From a scenario to what is sent, when and to whom.

use std::rc::Rc;
use std::time::Duration;

use s2s_testkit::federation as engine;
use s2s_testkit::federation::{Course, Federation, Pace, Repertoire, Work};

use super::peers::{Place, Share, sends};
use crate::report::figure;
use crate::scenario::{Arrivals, Direction, Popularity, Scenario, Traffic};

/// One process's part of the traffic, for so long.
pub(crate) fn work(traffic: &Traffic, share: Share, seconds: u32) -> Work {
    let pace = match (traffic.rate, traffic.window) {
        (Some(rate), _) => Pace::Rate(rate / f64::from(share.of.max(1))),
        (None, window) => Pace::Window(u64::from(share.part(window.unwrap_or(1)))),
    };
    Work {
        pace,
        arrivals: match traffic.arrivals {
            Arrivals::Constant => engine::Arrivals::Constant,
            Arrivals::Poisson => engine::Arrivals::Poisson,
            Arrivals::Bursts => engine::Arrivals::Bursts(traffic.burst()),
        },
        popularity: match traffic.popularity {
            Popularity::Uniform => engine::Popularity::Uniform,
            Popularity::Zipf => engine::Popularity::Zipf(traffic.exponent()),
        },
        duration: seconds_of(seconds),
        patience: seconds_of(traffic.patience_seconds),
    }
}

/// Whole seconds.
pub(crate) fn seconds_of(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

/// Adds a flow for each user at each remote that takes part, in the books of its kind; answers their numbers.
///
/// # Errors
/// When the classes cannot be mixed, or nobody sends.
pub(crate) fn add_flows(
    scenario: &Scenario,
    places: &[Place],
    hosted: &str,
    federation: &mut Federation,
) -> anyhow::Result<Vec<u32>> {
    let kinds = scenario.kinds();
    let repertoire = Rc::new(Repertoire::of(&scenario.traffic.classes(), scenario.seed)?);
    let mut flows = Vec::new();
    for user in 0..scenario.peers.users {
        for place in places {
            let direction = scenario.traffic.direction;
            if direction != Direction::Out && !sends(&kinds[place.kind]) {
                continue;
            }
            let remote = format!("user{user}@{}", place.domain);
            let local = format!("sink{user}@{hosted}");
            let (from, to, course) = match direction {
                Direction::In => (&remote, &local, Course::OneWay),
                Direction::Out => (&local, &remote, Course::OneWay),
                Direction::Echo => (&remote, &local, Course::Echo),
            };
            let group = u16::try_from(place.kind)?;
            flows.push(federation.add_flow_in(group, from, to, course, &repertoire)?);
        }
    }
    anyhow::ensure!(!flows.is_empty(), "none of these remotes sends");
    Ok(flows)
}

/// Who sends to whom, and how much, in a line.
pub(crate) fn words(scenario: &Scenario) -> String {
    let traffic = &scenario.traffic;
    let remotes = format!("{} remotes", figure::count(u64::from(scenario.peers.domains)));
    let way = match traffic.direction {
        Direction::In => format!("{remotes} → component"),
        Direction::Out => format!("component → {remotes}"),
        Direction::Echo => format!("{remotes} → component → back"),
    };
    let classes: Vec<_> = traffic.classes().iter().map(|(class, _)| class.name()).collect();
    let pace = match (traffic.rate, traffic.window) {
        (Some(rate), _) => format!("{} stanzas/s", figure::number(rate)),
        (None, window) => {
            format!("{} stanzas under way", figure::count(u64::from(window.unwrap_or_default())))
        }
    };
    let arrivals = match (traffic.rate, traffic.arrivals) {
        (None, _) | (_, Arrivals::Constant) => String::new(),
        (_, Arrivals::Poisson) => ", Poisson".to_owned(),
        (_, Arrivals::Bursts) => format!(", in bursts of {}", traffic.burst()),
    };
    let processes = match scenario.processes {
        1 => String::new(),
        processes => format!(", {processes} processes"),
    };
    format!("{way}, {}, {pace}{arrivals}{processes}", classes.join(" + "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::load;

    #[test]
    fn rate_and_window_are_divided_and_their_sum_stays() {
        let dense = load("dense").unwrap().scenario.traffic;
        let windows = (0..3).map(|index| match work(&dense, Share { index, of: 3 }, 1).pace {
            Pace::Window(window) => window,
            Pace::Rate(_) => unreachable!("dense is a closed loop"),
        });
        assert_eq!(windows.sum::<u64>(), 4096);
        let soak = load("soak").unwrap().scenario.traffic;
        let work = work(&soak, Share { index: 1, of: 4 }, soak.warm_up_seconds);
        assert!(matches!(work.pace, Pace::Rate(rate) if (rate - 75.0).abs() < 1e-9));
        assert_eq!(work.popularity, engine::Popularity::Zipf(0.9));
        assert_eq!(work.arrivals, engine::Arrivals::Poisson);
        assert_eq!((work.duration.as_secs(), work.patience.as_secs()), (60, 120));
    }

    #[test]
    fn a_run_says_in_a_line_what_it_sends() {
        for (name, expected) in [
            ("dense", "10 remotes → component, chat, 4,096 stanzas under way"),
            ("storm", "2,000 remotes → component → back, chat, 2,000 stanzas/s, Poisson"),
            (
                "hundred-thousand",
                "100,000 remotes → component → back, mixed, 500 stanzas/s, Poisson, 4 processes",
            ),
        ] {
            assert_eq!(words(&load(name).unwrap().scenario), expected);
        }
    }
}
