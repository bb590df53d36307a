//! `compare`: the same work for several servers, several times, interleaved.
//!
//! A trial is one `run SCENARIO --start SERVER`, a process of its own: what it does can be repeated by hand, by the command line that the
//! record keeps. [`mod@parts`] says what is played; here is the order, and what is kept. [`crate::report`] adds up.

mod parts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::args::CompareArgs;
use crate::record::{Comparison, FORM, Failed, Run, Setting, Trial};
use crate::report::file::{self, Record};
use crate::report::{figure, page, text};
use crate::servers::{Software, is_root};
use crate::{NOT_RUN, setting, verdict};
use parts::{Part, parts};

/// Lines of a run's complaint that are kept.
const COMPLAINT_LINES: usize = 3;

/// Runs, reports; the exit code says whether every trial was clean.
pub(crate) fn run(args: &CompareArgs) -> Result<ExitCode> {
    ensure!(is_root(), "compare needs root: each server gets a network namespace of its own");
    ensure!(
        !args.servers.contains(&Software::Haproxy),
        "HAProxy is the bound, and there without being named"
    );
    for (at, software) in args.servers.iter().enumerate() {
        let name = software.name();
        ensure!(!args.servers[..at].contains(software), "{name} is among the servers twice");
    }
    args.json.iter().chain(&args.html).try_for_each(|file| file::check_folder(file))?;
    let (for_servers, for_bound) = parts(args)?;
    for part in for_servers.iter().chain(&for_bound) {
        part.check()?;
    }
    let bound = (!for_bound.is_empty()).then_some(Software::Haproxy);
    for software in args.servers.iter().chain(&bound) {
        software.provide(args.install)?;
    }
    let folder = Folder::new()?;
    let mut comparison = Comparison {
        form: FORM,
        date: setting::now(),
        command: std::env::args()
            .skip(1)
            .fold("peerage-loadgen".to_owned(), |line, word| line + " " + &word),
        setting: Setting::here(),
        rounds: args.rounds,
        servers: args.servers.iter().map(|software| software.name().to_owned()).collect(),
        bound: bound.map(|bound| bound.name().to_owned()),
        trials: Vec::new(),
        failed: Vec::new(),
    };
    let turns: Vec<_> = turns(args, &for_servers, bound, &for_bound).collect();
    for (number, (round, part, software)) in turns.iter().enumerate() {
        let name = software.name();
        eprint!("[{}/{}] round {round}, {}, {name}: ", number + 1, turns.len(), part.name);
        match trial(args, part, *software, &folder.0) {
            Ok((run, command)) => {
                eprintln!("{}", words(&run));
                comparison.trials.push(Trial {
                    round: *round,
                    server: run.server.clone(),
                    part: part.name.clone(),
                    others_cores: run.others_cores.unwrap_or_default(),
                    command,
                    run,
                });
            }
            Err(error) => {
                eprintln!("NOT RUN: {error:#}");
                let (server, part) = (name.to_owned(), part.name.clone());
                let reason = format!("{error:#}");
                comparison.failed.push(Failed { round: *round, server, part, reason });
            }
        }
    }
    ensure!(!comparison.trials.is_empty(), "no run could be made");
    report(args, &comparison)?;
    Ok(verdict(is_clean(&comparison)))
}

/// Every run was made, and clean.
fn is_clean(comparison: &Comparison) -> bool {
    comparison.failed.is_empty() && comparison.trials.iter().all(|trial| trial.run.is_clean())
}

/// Everything once, in an order that is the same in every round: servers side by side, part by part.
fn turns<'a>(
    args: &'a CompareArgs,
    for_servers: &'a [Part],
    bound: Option<Software>,
    for_bound: &'a [Part],
) -> impl Iterator<Item = (u32, &'a Part, Software)> {
    (1..=args.rounds).flat_map(move |round| {
        let of_servers = for_servers
            .iter()
            .flat_map(|part| args.servers.iter().map(move |software| (part, *software)));
        let of_bound = for_bound.iter().filter_map(move |part| Some((part, bound?)));
        of_servers.chain(of_bound).map(move |(part, software)| (round, part, software))
    })
}

/// One run, and how to repeat it.
fn trial(
    args: &CompareArgs,
    part: &Part,
    software: Software,
    folder: &Path,
) -> Result<(Run, String)> {
    let mut line = part.command_line(software)?;
    line.extend(["--core".to_owned(), args.core.to_string()]);
    let command = format!("peerage-loadgen run {}", line.join(" "));
    if let Some(program) = &args.peerage_bin {
        line.extend(["--peerage-bin".to_owned(), program.display().to_string()]);
    }
    let result = folder.join("run.json");
    // It ends what it started when it is asked to end; that happens, too, when this process is killed.
    let output = Command::new("setpriv")
        .args(["--pdeathsig", "TERM"])
        .arg(std::env::current_exe()?)
        .arg("run")
        .args(&line)
        .arg("--json")
        .arg(&result)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .context("setpriv (util-linux)")?;
    if output.status.code().is_none_or(|code| code >= i32::from(NOT_RUN)) {
        bail!("{} ({command})", complaint(&output.stderr, &output.status.to_string()));
    }
    let Record::Run(run) = file::read(&result)? else { bail!("a run wrote no record of a run") };
    fs::remove_file(&result)?;
    Ok((*run, command))
}

/// What a program said last, or how it ended if it said nothing.
fn complaint(stderr: &[u8], ended: &str) -> String {
    let said = String::from_utf8_lossy(stderr);
    let from = said.lines().position(|line| line.starts_with("error:")).unwrap_or_default();
    let lines: Vec<_> = said.lines().skip(from).take(COMPLAINT_LINES).map(str::trim).collect();
    if lines.is_empty() { ended.to_owned() } else { lines.join("; ") }
}

/// A trial in a line.
fn words(run: &Run) -> String {
    let cost = match (run.sessions.server_cpu_us_each, run.server_cost) {
        (Some(us), _) => format!(", {} µs of CPU a session", figure::number(us)),
        (None, Some(cost)) => {
            format!(", {} µs of CPU a stanza", figure::number(cost.cpu_us_a_stanza))
        }
        (None, None) => String::new(),
    };
    let limit = match run.bottleneck.first() {
        None => "",
        Some(note) if note.starts_with("loadgen waited") => "; loadgen waited for a processor",
        Some(_) => "; loadgen was the limit",
    };
    format!(
        "{} stanzas/s{cost}, p99 {}; {}{limit}",
        figure::number(run.per_second()),
        figure::latency(run.latency_us.p99 as f64),
        if run.is_clean() { "clean".to_owned() } else { run.verdict() },
    )
}

fn report(args: &CompareArgs, comparison: &Comparison) -> Result<()> {
    print!("{}", text::comparison(comparison));
    if let Some(file) = &args.json {
        file::write(file, &file::json(comparison)?)?;
    }
    if let Some(file) = &args.html {
        file::write(file, &page::comparison(comparison))?;
    }
    Ok(())
}

/// For the results of single runs; removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder> {
        let name = format!("peerage-loadgen-compare-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in a folder for temporary files harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_alike_and_servers_stand_side_by_side() {
        let part = |name: &str| Part {
            name: name.to_owned(),
            scenario: "dense".to_owned(),
            changes: Vec::new(),
        };
        let args = CompareArgs {
            servers: vec![Software::Prosody, Software::Peerage],
            scenario: Vec::new(),
            rounds: 2,
            seconds: None,
            rate: 1.0,
            no_bound: false,
            core: 0,
            peerage_bin: None,
            install: false,
            json: None,
            html: None,
        };
        let (both, bound) = ([part("in"), part("out")], [part("dense")]);
        let turns: Vec<_> = turns(&args, &both, Some(Software::Haproxy), &bound)
            .map(|(round, part, software)| format!("{round} {} {}", part.name, software.name()))
            .collect();
        let round = |round| {
            ["in prosody", "in peerage", "out prosody", "out peerage", "dense haproxy"]
                .map(|turn| format!("{round} {turn}"))
        };
        assert_eq!(turns, [round(1), round(2)].concat());
    }

    #[test]
    fn a_comparison_is_clean_when_all_its_runs_were_made_and_are() {
        let faulty = crate::report::sample::comparison();
        assert!(!is_clean(&faulty));
        let mut clean = faulty.clone();
        clean.trials.retain(|trial| trial.run.is_clean());
        assert!(is_clean(&clean) && clean.trials.len() == faulty.trials.len() - 1);
        let [server, part, reason] = ["prosody", "in", "no port"].map(str::to_owned);
        let failed = vec![Failed { round: 1, server, part, reason }];
        assert!(!is_clean(&Comparison { failed, ..clean }));
    }

    #[test]
    fn a_run_that_failed_is_quoted_from_its_error_on() {
        let said =
            "20 sessions opened\nerror: the server ended\n  its log:\n  no such option\nmore\n";
        let quoted = complaint(said.as_bytes(), "exit status: 2");
        assert_eq!(quoted, "error: the server ended; its log:; no such option");
        assert_eq!(complaint(b"", "signal: 9"), "signal: 9");
    }
}
