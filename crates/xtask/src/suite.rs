//! `cargo xtask test`: every check of the repository, one after the other, with a table at the end.
//!
//! A step that cannot run here (no root for the network namespaces, say) is skipped with its reason; `--no-skips`, and the
//! environment variable `CI`, make a skip a failure.

mod matrix;
mod packages;
mod tally;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use tally::Tally;

pub(crate) use matrix::run as write_matrix;

/// Arguments of `cargo xtask test`.
#[derive(Args)]
pub(crate) struct TestArgs {
    /// A step that cannot run here is a failure (also when the environment variable CI is set)
    #[arg(long)]
    no_skips: bool,
    /// Run only these steps
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Step>,
}

/// One step, in the order they run: the quick ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    Fmt,
    Clippy,
    Docs,
    Tests,
    Doctests,
    FuzzFrame,
    InteropHarness,
    InteropProsody,
    InteropBidi,
    InteropSlixmpp,
    InteropEjabberd,
    InteropBehind,
    InteropRefusals,
    Loadgen,
}

/// How a step ended.
enum Outcome {
    Passed(Tally),
    Failed(Tally),
    Skipped(String),
}

struct Report {
    step: Step,
    outcome: Outcome,
    took: Duration,
}

/// Runs the steps and prints the table.
///
/// # Errors
/// When a step failed, or was skipped where that counts as failing.
pub(crate) fn run(args: &TestArgs) -> Result<()> {
    let strict = args.no_skips || std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let toolbox = Toolbox::look_around()?;
    let started = Instant::now();
    let mut reports = Vec::new();
    for &step in Step::value_variants() {
        if !args.only.is_empty() && !args.only.contains(&step) {
            continue;
        }
        println!("\n==> {}", step.title());
        let began = Instant::now();
        let outcome = step.run(&toolbox)?;
        let took = began.elapsed();
        println!("<== {}: {}, {:.1} s", step.title(), outcome.word(), took.as_secs_f64());
        reports.push(Report { step, outcome, took });
    }
    let total = print_table(&reports, started.elapsed());
    if total.failed > 0 {
        bail!("{} failed", total.failed);
    }
    if strict && total.skipped > 0 {
        bail!("{} skipped, and here a skip is a failure", total.skipped);
    }
    Ok(())
}

impl Step {
    fn title(self) -> &'static str {
        match self {
            Step::Fmt => "formatting",
            Step::Clippy => "lints",
            Step::Docs => "documentation",
            Step::Tests => "tests",
            Step::Doctests => "documentation tests",
            Step::FuzzFrame => "fuzzing: the framer, for a minute",
            Step::InteropHarness => "interop: harness (Prosody <-> Prosody)",
            Step::InteropProsody => "interop: Prosody",
            Step::InteropBidi => "interop: Prosody, both directions",
            Step::InteropSlixmpp => "interop: slixmpp component",
            Step::InteropEjabberd => "interop: ejabberd",
            Step::InteropBehind => "interop: servers behind Peerage",
            Step::InteropRefusals => "interop: refusals",
            Step::Loadgen => "load generator, with real servers",
        }
    }

    fn run(self, toolbox: &Toolbox) -> Result<Outcome> {
        match self {
            Step::Fmt => toolbox.check(&["fmt", "--all", "--", "--check"], None),
            Step::Clippy => toolbox.check(
                &[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--all-features",
                    "--",
                    "--deny",
                    "warnings",
                ],
                None,
            ),
            Step::Docs => toolbox.check(
                &["doc", "--workspace", "--no-deps", "--all-features"],
                Some(("RUSTDOCFLAGS", "-D warnings")),
            ),
            Step::Tests => {
                packages::offer_parser();
                let mut command = toolbox.cargo([]);
                let runner: &[&str] =
                    if toolbox.nextest { &["nextest", "run"] } else { &["test", "--all-targets"] };
                command.args(runner).args(["--workspace", "--all-features", "--no-fail-fast"]);
                toolbox.count(command)
            }
            Step::Doctests => toolbox.count(toolbox.cargo([
                "test",
                "--workspace",
                "--all-features",
                "--no-fail-fast",
                "--doc",
            ])),
            Step::FuzzFrame => {
                // As the tests were built: a build for speed alone would take longer than the minute.
                let test = ["test", "--workspace", "--all-features", "--test", "fuzz"];
                let mut command = toolbox.cargo(test);
                command.args(["--", "--ignored", "--exact", "endless::for_minutes"]);
                command.env("PEERAGE_FRAME_MINUTES", "1");
                toolbox.count(command)
            }
            Step::InteropHarness => toolbox.interop("interop_matrix", "prosody_", Router::Prosody),
            Step::InteropProsody => toolbox.interop("interop_matrix", "prosody_", Router::Peerage),
            Step::InteropBidi => toolbox.interop("interop_bidi", "", Router::Peerage),
            Step::InteropSlixmpp => toolbox.interop("interop_slixmpp", "", Router::Peerage),
            Step::InteropEjabberd => {
                toolbox.interop("interop_matrix", "ejabberd_", Router::Peerage)
            }
            Step::InteropBehind => toolbox.interop("interop_behind", "", Router::Peerage),
            Step::InteropRefusals => toolbox.interop("interop_refusals", "", Router::Peerage),
            Step::Loadgen => {
                let targets = ["--bin", "peerage-loadgen", "--test", "run", "--test", "servers"];
                toolbox.with_servers("loadgen", &targets, "", Router::Peerage)
            }
        }
    }
}

/// What stands in the router's place in an interop run (see `tests/README.md`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Router {
    Peerage,
    Prosody,
}

/// How cargo is called here.
struct Toolbox {
    cargo: PathBuf,
    root: PathBuf,
    peerage: PathBuf,
    nextest: bool,
    /// Where the interop tests leave what they saw.
    records: Option<PathBuf>,
}

impl Toolbox {
    fn look_around() -> Result<Self> {
        let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
        let cargo = PathBuf::from(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let nextest = quiet(Command::new(&cargo).args(["nextest", "--version"]));
        Ok(Toolbox {
            cargo,
            root: metadata.workspace_root.into(),
            peerage: metadata.target_directory.join("debug/peerage").into(),
            nextest,
            records: None,
        })
    }

    fn cargo<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = Command::new(&self.cargo);
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        command
    }

    /// A step that passes or fails as a whole.
    fn check(&self, arguments: &[&str], variable: Option<(&str, &str)>) -> Result<Outcome> {
        if let Some(subcommand @ ("fmt" | "clippy")) = arguments.first().copied()
            && !quiet(&mut self.cargo([subcommand, "--version"]))
        {
            let reason = format!("cargo {subcommand} is not installed (rustup component add)");
            return Ok(Outcome::Skipped(reason));
        }
        let mut command = self.cargo([]);
        command.args(arguments).envs(variable);
        let passed = command.status().with_context(|| show(&command))?.success();
        Ok(if passed {
            Outcome::Passed(Tally::passed(1))
        } else {
            Outcome::Failed(Tally::failed(1))
        })
    }

    /// A step whose tests count one by one.
    fn count(&self, mut command: Command) -> Result<Outcome> {
        let (success, mut tally) = tally::run(&mut command).with_context(|| show(&command))?;
        if success {
            return Ok(Outcome::Passed(tally));
        }
        // It may not even have compiled: then no test says so.
        tally.failed = tally.failed.max(1);
        Ok(Outcome::Failed(tally))
    }

    /// The interop tests of `target` whose name contains `filter`.
    fn interop(&self, target: &str, filter: &str, router: Router) -> Result<Outcome> {
        self.with_servers(target, &["--test", target], filter, router)
    }

    /// The ignored tests of `targets` whose name contains `filter`: those that need real servers.
    fn with_servers(
        &self,
        suite: &str,
        targets: &[&str],
        filter: &str,
        router: Router,
    ) -> Result<Outcome> {
        if let Err(reason) = packages::provide(suite, filter) {
            return Ok(Outcome::Skipped(format!("{reason:#}")));
        }
        if router == Router::Peerage {
            // With the features that tests have, which is what naming one does, and the whole workspace's: the steps before have
            // built that already.
            let peerage = ["build", "--workspace", "--all-features", "--bin", "peerage"];
            let build = self.check(&[&peerage, targets].concat(), None)?;
            if matches!(build, Outcome::Failed(_)) {
                return Ok(build);
            }
        }
        let tests = [&["--workspace", "--all-features", "--no-fail-fast"], targets].concat();
        let mut command = if self.nextest {
            let mut command = self.cargo(["nextest", "run", "--run-ignored", "only"]);
            command.args(tests);
            command
        } else {
            let mut command = self.cargo(["test"]);
            command.args(tests).args(["--", "--ignored"]);
            command
        };
        if !filter.is_empty() {
            command.arg(filter);
        }
        if let Some(records) = &self.records {
            command.env("PEERAGE_INTEROP_RECORDS", records);
        }
        match router {
            Router::Peerage => command.env("PEERAGE_BIN", &self.peerage),
            Router::Prosody => command.env("PEERAGE_INTEROP_ROUTER", "prosody"),
        };
        self.count(command)
    }
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Outcome::Passed(_) => "ok",
            Outcome::Failed(_) => "FAILED",
            Outcome::Skipped(_) => "skipped",
        }
    }

    fn tally(&self) -> Tally {
        match self {
            Outcome::Passed(tally) | Outcome::Failed(tally) => *tally,
            Outcome::Skipped(_) => Tally::skipped(1),
        }
    }
}

/// Prints a line per step and the sum; a skipped step counts as one.
fn print_table(reports: &[Report], took: Duration) -> Tally {
    let mut total = Tally::default();
    println!("\n{:<40} {:<8} {:>7} {:>7} {:>9}", "step", "result", "passed", "failed", "time");
    for Report { step, outcome, took } in reports {
        let tally = outcome.tally();
        total += tally;
        let (title, word, seconds) = (step.title(), outcome.word(), took.as_secs_f64());
        println!("{title:<40} {word:<8} {:>7} {:>7} {seconds:>7.1} s", tally.passed, tally.failed);
    }
    for Report { step, outcome, .. } in reports {
        if let Outcome::Skipped(reason) = outcome {
            println!("skipped: {}: {reason}", step.title());
        }
    }
    println!("\nin {:.0} s, all steps together:", took.as_secs_f64());
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    total
}

/// Whether the command succeeds; its output is nobody's concern.
fn quiet(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
