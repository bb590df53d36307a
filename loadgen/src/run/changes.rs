//! What the command line says in place of the scenario.

use crate::args::Changes;
use crate::scenario::{self, Arrivals, Loaded, Peer, Rung, Scenario};

/// Window of `--max` where the scenario has none.
const WINDOW: u32 = 4096;

/// The scenario with what the command line changes, and the text that says so.
///
/// # Errors
/// When the result is not a scenario, in the words for a file.
pub(crate) fn apply(loaded: Loaded, changes: &Changes) -> anyhow::Result<Loaded> {
    let mut scenario = loaded.scenario.clone();
    change(&mut scenario, changes);
    if scenario == loaded.scenario {
        return Ok(loaded);
    }
    let toml = scenario.to_toml();
    let file = format!("{} with what the command line changes", loaded.name);
    let scenario = scenario::read(&file, &toml)?;
    Ok(Loaded { name: loaded.name, toml, scenario })
}

fn change(scenario: &mut Scenario, changes: &Changes) {
    let Changes { direction, rung, domains, users, seconds, warm_up, patience, .. } = changes;
    if let Some(seconds) = *seconds {
        let before = u64::from(scenario.traffic.seconds.max(1));
        for event in &mut scenario.event {
            let at = u64::from(event.at_seconds) * u64::from(seconds) / before;
            event.at_seconds = u32::try_from(at).unwrap_or(u32::MAX);
        }
        scenario.traffic.seconds = seconds;
    }
    if let Some(domains) = *domains {
        scenario.peers.domains = domains;
        if let Some(addresses) = &mut scenario.peers.addresses {
            *addresses = (*addresses).min(domains);
        }
    }
    if let Some(rung) = rung {
        climb(scenario, *rung);
    }
    set(&mut scenario.traffic.direction, direction.map(Into::into));
    set(&mut scenario.peers.users, *users);
    set(&mut scenario.traffic.warm_up_seconds, *warm_up);
    set(&mut scenario.traffic.patience_seconds, *patience);
    if changes.batch.is_some() {
        scenario.traffic.batch = changes.batch;
    }
    set(&mut scenario.processes, changes.processes);
    set(&mut scenario.seed, changes.seed);
    pace(scenario, changes);
}

fn set<T>(value: &mut T, change: Option<T>) {
    if let Some(change) = change {
        *value = change;
    }
}

/// Puts all peers on one rung; what only another rung has goes.
fn climb(scenario: &mut Scenario, rung: s2s_testkit::federation::Rung) {
    use s2s_testkit::federation::Rung as Step;
    let rung = match rung {
        Step::Promiscuous => Rung::Promiscuous,
        Step::Verified => Rung::Verified,
        Step::Secure => Rung::Secure,
        Step::Trusted => Rung::Trusted,
    };
    scenario.peer = scenario.kinds();
    for kind in &mut scenario.peer {
        kind.rung = rung;
        kind.direct_tls &= rung == Rung::Trusted;
        kind.version_less &= rung == Rung::Verified;
        if !matches!(rung, Rung::Secure | Rung::Trusted) {
            let usual = Peer::named(&kind.name);
            (kind.certificate, kind.names, kind.wildcard) =
                (usual.certificate, usual.names, usual.wildcard);
        }
    }
}

fn pace(scenario: &mut Scenario, changes: &Changes) {
    let traffic = &mut scenario.traffic;
    if let Some(rate) = changes.rate {
        (traffic.rate, traffic.window) = (Some(rate), None);
    } else if changes.max || changes.window.is_some() {
        let window = changes.window.or(traffic.window).unwrap_or(WINDOW);
        (traffic.rate, traffic.window) = (None, Some(window));
        (traffic.arrivals, traffic.burst) = (Arrivals::Constant, None);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::args::Way;
    use crate::scenario::{Direction, load};

    fn changed(name: &str, changes: &Changes) -> Loaded {
        apply(load(name).unwrap(), changes).unwrap_or_else(|error| panic!("{error:#}"))
    }

    #[test]
    fn without_a_word_the_file_is_kept_as_it_is() {
        let loaded = changed("ladder", &Changes::default());
        assert!(loaded.toml.starts_with("# ladder:"), "{}", loaded.toml);
    }

    #[test]
    fn events_keep_their_place_in_a_shorter_run() {
        let changes = Changes { seconds: Some(6), domains: Some(40), ..Changes::default() };
        let loaded = changed("storm", &changes);
        let at: Vec<_> = loaded.scenario.event.iter().map(|event| event.at_seconds).collect();
        assert_eq!(at, [1, 3, 5]);
        assert_eq!((loaded.scenario.peers.domains, loaded.scenario.peers.addresses()), (40, 40));
        // The text plays the same again.
        assert_eq!(scenario::read("again.toml", &loaded.toml).unwrap(), loaded.scenario);
    }

    #[test]
    fn a_rate_takes_the_place_of_a_window_and_the_other_way_round() {
        let dense = changed("dense", &Changes { rate: Some(200.0), ..Changes::default() });
        assert_eq!(
            (dense.scenario.traffic.rate, dense.scenario.traffic.window),
            (Some(200.0), None)
        );
        let storm = changed("storm", &Changes { max: true, ..Changes::default() });
        assert_eq!(
            (storm.scenario.traffic.rate, storm.scenario.traffic.window),
            (None, Some(4096))
        );
        let few = Changes { window: Some(7), batch: NonZeroU32::new(7), ..Changes::default() };
        let dense = changed("dense", &few).scenario.traffic;
        assert_eq!((dense.window, dense.batch), (Some(7), NonZeroU32::new(7)));
    }

    #[test]
    fn all_peers_can_be_put_on_one_rung_and_another_way() {
        let changes = Changes {
            rung: Some(s2s_testkit::federation::Rung::Verified),
            direction: Some(Way::Echo),
            users: Some(2),
            seed: Some(9),
            ..Changes::default()
        };
        let loaded = changed("dense", &changes);
        assert!(loaded.scenario.kinds().iter().all(|kind| kind.rung == Rung::Verified));
        assert_eq!(loaded.scenario.traffic.direction, Direction::Echo);
        assert_eq!((loaded.scenario.peers.users, loaded.scenario.seed), (2, 9));
        changed("ladder", &Changes { direction: None, ..changes });
    }

    #[test]
    fn what_is_out_of_range_is_refused_like_in_a_file() {
        let changes = Changes { seconds: Some(0), ..Changes::default() };
        let error = format!("{:#}", apply(load("dense").unwrap(), &changes).unwrap_err());
        assert!(error.contains("traffic.seconds = 0: must be an integer, 1 to 604800"), "{error}");
    }
}
