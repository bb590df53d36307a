//! What each server is given to do: a part is a scenario with what is changed in it, as the command line of `run` says it.

use clap::Parser as _;
use s2s_testkit::federation::Rung as Step;

use crate::args::{Command, CompareArgs};
use crate::run::check_for_pump;
use crate::scenario::{self, Rung};
use crate::servers::Software;

/// Seconds of the usual parts.
const SECONDS: u32 = 5;

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) scenario: String,
    /// What `run` is told besides.
    pub(super) changes: Vec<String>,
}

impl Part {
    fn new(name: &str, scenario: &str, changes: &str) -> Part {
        let changes = changes.split_whitespace().map(str::to_owned).collect();
        Part { name: name.to_owned(), scenario: scenario.to_owned(), changes }
    }

    /// That `run` will take it; what is wrong should be known before an hour has passed.
    ///
    /// # Errors
    /// When its scenario, or what is changed in it, is not what a scenario may be.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let line = ["peerage-loadgen", "run", "--start", Software::Peerage.name(), &self.scenario];
        let line = line.into_iter().chain(self.changes.iter().map(String::as_str));
        match Command::try_parse_from(line)? {
            Command::Run(args) => crate::run::check(&args),
            _ => Ok(()),
        }
    }

    /// The arguments of `run` for a server. One that cannot judge its peers by certificates has them prove themselves by as much as it knows.
    ///
    /// # Errors
    /// When there is no such scenario.
    pub(super) fn command_line(&self, software: Software) -> anyhow::Result<Vec<String>> {
        let mut line = vec![self.scenario.clone()];
        line.extend(self.changes.iter().cloned());
        let highest = software.recipe().rungs().iter().copied().max();
        let kinds = scenario::load(&self.scenario)?.scenario.kinds();
        if highest == Some(Step::Secure) && kinds.iter().any(|kind| kind.rung == Rung::Trusted) {
            line.extend(["--rung".to_owned(), Step::Secure.name().to_owned()]);
        }
        line.extend(["--start".to_owned(), software.name().to_owned()]);
        Ok(line)
    }
}

/// What every server does, and what the bound does.
///
/// # Errors
/// When a scenario cannot be read.
pub(super) fn parts(args: &CompareArgs) -> anyhow::Result<(Vec<Part>, Vec<Part>)> {
    let (servers, bound) = if args.scenario.is_empty() { usual(args) } else { of_scenarios(args)? };
    Ok((servers, if args.no_bound { Vec::new() } else { bound }))
}

fn usual(args: &CompareArgs) -> (Vec<Part>, Vec<Part>) {
    let timed = format!("--warm-up 1 --seconds {}", args.seconds.unwrap_or(SECONDS));
    let dense = |name: &str, direction: &str| {
        Part::new(name, "dense", &format!("--direction {direction} {timed}"))
    };
    let sparse = Part::new("sparse-500", "sparse", &timed);
    let servers = vec![
        // First: a session's memory is seen best where nothing else was.
        Part::new("sessions", "sessions", ""),
        dense("in", "in"),
        dense("out", "out"),
        dense("echo", "echo"),
        sparse.clone(),
        Part::new("rate", "steady", &format!("--rate {} {timed}", args.rate)),
    ];
    // As many stanzas under way on each link as with 500.
    let sparse_10 = Part::new("sparse-10", "sparse", &format!("--domains 10 --window 40 {timed}"));
    (servers, vec![dense("dense", "in"), sparse_10, sparse])
}

fn of_scenarios(args: &CompareArgs) -> anyhow::Result<(Vec<Part>, Vec<Part>)> {
    let seconds = args.seconds.map(|seconds| format!("--seconds {seconds}")).unwrap_or_default();
    let (mut servers, mut bound) = (Vec::new(), Vec::new());
    for name in &args.scenario {
        let loaded = scenario::load(name)?;
        let part = Part::new(&loaded.name, name, &seconds);
        anyhow::ensure!(!servers.contains(&part), "{name} is there twice");
        if check_for_pump(&loaded.scenario).is_ok() {
            bound.push(part.clone());
        }
        servers.push(part);
    }
    Ok((servers, bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &str) -> CompareArgs {
        let line = format!("peerage-loadgen compare {more}");
        match Command::try_parse_from(line.split_whitespace()).unwrap() {
            Command::Compare(args) => *args,
            other => unreachable!("{other:?}"),
        }
    }

    /// `run` understands what it will be told.
    fn understood(part: &Part, software: Software) -> String {
        let line = part.command_line(software).unwrap();
        let whole = ["peerage-loadgen", "run"].into_iter().chain(line.iter().map(String::as_str));
        assert!(matches!(Command::try_parse_from(whole), Ok(Command::Run(_))), "{line:?}");
        line.join(" ")
    }

    #[test]
    fn every_part_is_a_command_line_of_run() {
        let (servers, bound) = parts(&parse("--rate 1500.5")).unwrap();
        let lines: Vec<_> =
            servers.iter().map(|part| understood(part, Software::Ejabberd)).collect();
        assert_eq!(lines[0], "sessions --start ejabberd");
        assert_eq!(lines[2], "dense --direction out --warm-up 1 --seconds 5 --start ejabberd");
        assert_eq!(lines[5], "steady --rate 1500.5 --warm-up 1 --seconds 5 --start ejabberd");
        let names: Vec<_> = bound.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["dense", "sparse-10", "sparse-500"]);
        bound.iter().for_each(|part| drop(understood(part, Software::Haproxy)));
        // HAProxy does what it is asked for.
        for part in &bound {
            check_for_pump(&scenario::load(&part.scenario).unwrap().scenario).unwrap();
        }
    }

    #[test]
    fn what_no_run_would_take_is_refused_before_the_first() {
        let wrong = |more: &str| {
            let (servers, bound) = parts(&parse(more)).unwrap();
            let all: Vec<_> = servers.iter().chain(&bound).map(Part::check).collect();
            all.into_iter().filter_map(Result::err).map(|error| error.to_string()).next()
        };
        assert_eq!(wrong(""), None);
        for more in ["--rate nan", "--rate 0", "--seconds 0", "--scenario dense --seconds 0"] {
            let words = wrong(more).unwrap();
            assert!(words.contains(": must be a"), "{more}: {words}");
        }
    }

    #[test]
    fn a_server_without_certificates_is_met_by_dialback() {
        let (servers, _) = parts(&parse("")).unwrap();
        assert!(understood(&servers[1], Software::Jabberd2).contains(" --rung secure "));
        assert!(!understood(&servers[1], Software::Prosody).contains("--rung"));
    }

    #[test]
    fn scenarios_take_the_place_of_the_usual_parts() {
        let (servers, bound) = parts(&parse("--scenario dense,storm --seconds 30")).unwrap();
        let line = understood(&servers[1], Software::Peerage);
        assert_eq!(line, "storm --seconds 30 --start peerage");
        // Only what a pump can do.
        assert_eq!(bound, servers[..1]);
        assert!(parts(&parse("--scenario dense --no-bound")).unwrap().1.is_empty());
        assert!(parts(&parse("--scenario dense,dense")).is_err());
        assert!(parts(&parse("--scenario juliet")).is_err());
    }
}
