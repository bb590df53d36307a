//! `cargo xtask fuzz`: a fuzzer in release over all cores, one process a core, each with a seed of its own.

mod record;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;
use clap::{Args, ValueEnum};

/// What to fuzz, and for how long.
#[derive(Args)]
pub(crate) struct FuzzArgs {
    /// Which fuzzer
    target: Target,
    /// Minutes of wall-clock time
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Seed of the first process, decimal or 0x…; the others count on from it. The default is the time
    #[arg(long, value_parser = seed)]
    seed: Option<u64>,
    /// Processes; the default is one a core
    #[arg(long)]
    jobs: Option<usize>,
    /// Write the record, in Markdown, to this file instead of showing it
    #[arg(long)]
    record: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Who may send on which proof: crates/s2s-proto/tests/identity
    Identity,
    /// Changes to what cargo-fuzz kept of the framer: crates/xmpp-frame/tests/fuzz
    Frame,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Target::Identity => "identity",
            Target::Frame => "frame",
        }
    }

    /// The package and the test in it.
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Target::Identity => ("s2s-proto", "identity"),
            Target::Frame => ("xmpp-frame", "fuzz"),
        }
    }

    /// The variable by which the fuzzer is told this.
    fn variable(self, what: &str) -> String {
        format!("PEERAGE_{}_{what}", self.name().to_uppercase())
    }
}

/// What one process has told so far.
#[derive(Clone, Debug, Default)]
struct Progress {
    cases: u64,
    steps: u64,
    places: u64,
    cpu_ms: u64,
}

/// What the processes told, all together.
#[derive(Debug, Default)]
struct Campaign {
    source: record::Source,
    target: String,
    minutes: f64,
    seeds: Vec<u64>,
    progress: Vec<Progress>,
    /// Places in the order the fuzzer lists them.
    coverage: Vec<(String, u64)>,
    findings: Vec<String>,
    failed: bool,
}

fn seed(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| error.to_string())
}

/// Runs the fuzzer and writes the record.
///
/// # Errors
/// When git does not know the tree, when it does not build, when a law was broken, or when a place was never reached.
pub(crate) fn run(args: &FuzzArgs) -> Result<()> {
    let target = args.target;
    let source = record::Source::of(Path::new("."))?;
    println!(
        "building the {} fuzzer (release); the first time this takes some minutes",
        target.name()
    );
    let executable = build(target)?;
    let jobs = args.jobs.or_else(|| thread::available_parallelism().ok().map(Into::into));
    let since_epoch = std::time::UNIX_EPOCH.elapsed().context("the clock stands before 1970")?;
    let first = args.seed.unwrap_or(since_epoch.as_secs());
    let seeds: Vec<u64> = (first..).take(jobs.unwrap_or(1).max(1)).collect();
    let mut campaign = Campaign {
        source,
        target: target.name().into(),
        minutes: args.minutes,
        progress: vec![Progress::default(); seeds.len()],
        seeds,
        ..Campaign::default()
    };
    let (tell, told) = channel();
    let mut children = Vec::new();
    for (job, seed) in campaign.seeds.iter().enumerate() {
        children.push(start(target, &executable, *seed, args.minutes, job, tell.clone())?);
    }
    drop(tell);
    campaign.listen(&told);
    for mut child in children {
        campaign.failed |= !child.wait()?.success();
    }
    let text = record::text(&campaign)?;
    match &args.record {
        Some(path) => {
            std::fs::write(path, &text).with_context(|| format!("{}", path.display()))?;
            println!("record: {}", path.display());
        }
        None => println!("\n{text}"),
    }
    if campaign.failed {
        bail!("{} laws were broken, or a place was not reached", campaign.findings.len());
    }
    Ok(())
}

/// The test binary, built in release.
fn build(target: Target) -> Result<PathBuf> {
    let (package, test) = target.place();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut building = Command::new(cargo)
        .args(["test", "--release", "--package", package, "--test", test, "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo")?;
    let messages = building.stdout.take().context("cargo's output")?;
    let mut executable = None;
    for message in Message::parse_stream(BufReader::new(messages)) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        if artifact.target.name == test {
            executable = artifact.executable.map(PathBuf::from);
        }
    }
    if !building.wait()?.success() {
        bail!("the fuzzer does not build");
    }
    executable.context("cargo built no fuzzer")
}

/// A line of a process, by its number.
type Line = (usize, String);

fn start(
    target: Target,
    executable: &PathBuf,
    seed: u64,
    minutes: f64,
    job: usize,
    tell: Sender<Line>,
) -> Result<Child> {
    let mut child = Command::new(executable)
        .args(["for_minutes", "--ignored", "--nocapture"])
        .env(target.variable("SEED"), format!("{seed:#x}"))
        .env(target.variable("MINUTES"), minutes.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the fuzzer")?;
    let output = child.stdout.take().context("the fuzzer's output")?;
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if tell.send((job, line)).is_err() {
                return;
            }
        }
    });
    Ok(child)
}

impl Campaign {
    /// Reads what the processes say until the last one ends, and says how it goes.
    fn listen(&mut self, told: &Receiver<Line>) {
        let began = Instant::now();
        let mut said = Instant::now();
        let mut reports: Vec<Option<String>> = vec![None; self.seeds.len()];
        loop {
            match told.recv_timeout(Duration::from_secs(1)) {
                Ok((job, line)) => self.line(job, &line, &mut reports[job]),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if said.elapsed() >= Duration::from_secs(10) {
                said = Instant::now();
                self.say(began);
            }
        }
        self.say(began);
    }

    fn line(&mut self, job: usize, line: &str, report: &mut Option<String>) {
        if let Some(text) = report {
            if line == "end" {
                println!("\n{text}");
                self.findings.push(std::mem::take(text));
                *report = None;
            } else {
                text.push_str(line);
                text.push('\n');
            }
            return;
        }
        // What libtest says before the first line of a test stands on the same line.
        let line = line.rsplit_once(" ... ").map_or(line, |(_, said)| said);
        if line == "finding" {
            *report = Some(String::new());
        } else if let Some(numbers) = line.strip_prefix("progress ") {
            let mut numbers = numbers.split(' ').map(|number| number.parse().unwrap_or(0));
            let mut next = || numbers.next().unwrap_or(0);
            self.progress[job] =
                Progress { cases: next(), steps: next(), places: next(), cpu_ms: next() };
        } else if let Some((count, name)) =
            line.strip_prefix("coverage ").and_then(|rest| rest.split_once(' '))
        {
            let count = count.parse().unwrap_or(0);
            match self.coverage.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += count,
                None => self.coverage.push((name.to_owned(), count)),
            }
        }
    }

    fn sum(&self) -> Progress {
        self.progress.iter().fold(Progress::default(), |sum, one| Progress {
            cases: sum.cases + one.cases,
            steps: sum.steps + one.steps,
            places: sum.places.max(one.places),
            cpu_ms: sum.cpu_ms + one.cpu_ms,
        })
    }

    fn say(&self, began: Instant) {
        let sum = self.sum();
        let seconds = began.elapsed().as_secs_f64().max(0.001);
        println!(
            "{:>6.0} s  {:>12} cases  {:>9.0} cases/s  {:>9.0} cases a core second  {:>13} steps  {} places  {} findings",
            seconds,
            sum.cases,
            sum.cases as f64 / seconds,
            sum.cases_a_core_second(),
            sum.steps,
            sum.places,
            self.findings.len(),
        );
    }
}

impl Progress {
    fn cases_a_core_second(&self) -> f64 {
        self.cases as f64 * 1000.0 / self.cpu_ms.max(1) as f64
    }
}
