//! What a run did, in Markdown: enough to judge it and to do it again.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::Campaign;

/// What a fuzzer is built from. A campaign takes hours, in which others commit: this is asked before the build.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    commit: String,
    /// Some file of the commit is another in the tree.
    is_changed: bool,
}

impl Source {
    /// What the tree around this directory is now.
    ///
    /// # Errors
    /// When git cannot be asked or knows no commit.
    pub(super) fn of(directory: &Path) -> Result<Source> {
        let git =
            |arguments: &[&str]| said(Command::new("git").args(arguments).current_dir(directory));
        let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
        let is_changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
        Ok(Source { commit, is_changed })
    }
}

/// The record of a campaign.
///
/// # Errors
/// When the clock cannot be asked.
pub(super) fn text(campaign: &Campaign) -> Result<String> {
    let sum = campaign.sum();
    let Source { commit, is_changed } = &campaign.source;
    let tree = if *is_changed { "with changes that are not committed" } else { "clean" };
    let date = said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?;
    let mut out = String::new();
    let findings = match campaign.findings.len() {
        0 if campaign.failed => "none, but a place was not reached or a process failed".to_owned(),
        0 => "none".to_owned(),
        count => format!("**{count}**"),
    };
    writeln!(out, "# Fuzzing: {}\n", campaign.target)?;
    writeln!(out, "- findings: {findings}")?;
    writeln!(out, "- date: {date}")?;
    writeln!(out, "- commit: {commit}, {tree}")?;
    writeln!(
        out,
        "- time: {} minutes, {} processes, {:.0} core seconds",
        campaign.minutes,
        campaign.seeds.len(),
        sum.cpu_ms as f64 / 1000.0
    )?;
    writeln!(out, "- executions: {} cases, {} steps", grouped(sum.cases), grouped(sum.steps))?;
    writeln!(
        out,
        "- speed: {} cases and {} steps a core second (time on a core, not on the clock)",
        grouped(sum.cases_a_core_second() as u64),
        grouped((sum.steps as f64 * 1000.0 / sum.cpu_ms.max(1) as f64) as u64)
    )?;
    let command = format!(
        "cargo xtask fuzz {} --minutes {} --seed {:#x} --jobs {}",
        campaign.target,
        campaign.minutes,
        campaign.seeds.first().copied().unwrap_or_default(),
        campaign.seeds.len()
    );
    writeln!(out, "- again: `{command}`\n")?;
    writeln!(out, "| seed | cases | steps |\n| --- | ---: | ---: |")?;
    for (seed, progress) in campaign.seeds.iter().zip(&campaign.progress) {
        let (cases, steps) = (grouped(progress.cases), grouped(progress.steps));
        writeln!(out, "| {seed:#x} | {cases} | {steps} |")?;
    }
    writeln!(out, "\n| place | reached |\n| --- | ---: |")?;
    for (name, count) in &campaign.coverage {
        writeln!(out, "| {name} | {} |", grouped(*count))?;
    }
    for finding in &campaign.findings {
        writeln!(out, "\n## Finding\n\n```text\n{finding}```")?;
    }
    Ok(out)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_names_the_commit_of_the_build_and_not_of_the_end() {
        let tree = tempfile::tempdir().expect("a directory");
        let git = |arguments: &[&str]| {
            let identity = ["-c", "user.name=Friar", "-c", "user.email=friar@capulet.example"];
            let mut command = Command::new("git");
            said(command.args(identity).args(arguments).current_dir(tree.path())).expect("git")
        };
        let write = |text: &str| std::fs::write(tree.path().join("letter"), text).expect("a file");
        let record = |source| text(&Campaign { source, ..Campaign::default() }).expect("a record");
        git(&["init", "--quiet"]);
        assert!(Source::of(tree.path()).is_err(), "there is no commit");
        write("Romeo, come forth");
        git(&["add", "letter"]);
        git(&["commit", "--quiet", "--message", "letter: call Romeo"]);
        let (built, first) =
            (Source::of(tree.path()).expect("a tree"), git(&["rev-parse", "HEAD"]));
        write("Holy Franciscan friar");
        let changed = Source::of(tree.path()).expect("a tree");
        git(&["commit", "--quiet", "--all", "--message", "letter: call the friar"]);
        assert_ne!(git(&["rev-parse", "HEAD"]), first);
        let line = |tree| format!("\n- commit: {}, {tree}\n", &first[..12]);
        assert!(record(built).contains(&line("clean")));
        assert!(record(changed).contains(&line("with changes that are not committed")));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(123_456), "123,456");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
