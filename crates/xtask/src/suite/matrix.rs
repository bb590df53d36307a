//! `cargo xtask matrix`: runs every interop test and writes `tests/MATRIX.md` from what they saw.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::{Outcome, Step, Toolbox};

/// The steps whose tests are on the page.
const STEPS: [Step; 5] = [
    Step::InteropProsody,
    Step::InteropEjabberd,
    Step::InteropSlixmpp,
    Step::InteropBehind,
    Step::InteropRefusals,
];

/// Runs the steps and writes the page.
///
/// # Errors
/// When a test did not pass or could not run.
pub(crate) fn run() -> Result<()> {
    let mut toolbox = Toolbox::look_around()?;
    let records = records_folder(&toolbox)?;
    toolbox.records = Some(records.clone());
    for step in STEPS {
        println!("\n==> {}", step.title());
        if let Outcome::Skipped(reason) = step.run(&toolbox)? {
            bail!("{}: {reason}", step.title());
        }
    }
    let version = output(Command::new(&toolbox.peerage).arg("--version"))?;
    let version = version.trim_start_matches("peerage ").to_owned();
    let commit = output(toolbox.git().args(["rev-parse", "--short", "HEAD"]))?;
    let clean = output(toolbox.git().args(["status", "--porcelain", "--", ":!tests/MATRIX.md"]))?;
    let changed = if clean.is_empty() { "" } else { ", with changes" };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let date = output(Command::new("date").args(["--utc", "+%Y-%m-%d"]))?;
    let mut page = toolbox.cargo([
        "run",
        "--quiet",
        "--package",
        "peerage-tests",
        "--bin",
        "matrix-page",
        "--",
    ]);
    page.arg(&records).arg(format!("{version} (commit {commit}{changed})"));
    // What a distribution or a host adds to the version says nothing about Linux.
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    page.args([kernel, &date]);
    let written = page.status()?.success();
    fs::remove_dir_all(&records)?;
    ensure!(written, "not every test passed");
    Ok(())
}

/// An empty folder beside the binaries.
fn records_folder(toolbox: &Toolbox) -> Result<std::path::PathBuf> {
    let target = toolbox.peerage.parent().context("no target folder")?;
    let folder = target.join(format!("interop-records-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

impl Toolbox {
    fn git(&self) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.root);
        command
    }
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    ensure!(output.status.success(), "{}", super::show(command));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
