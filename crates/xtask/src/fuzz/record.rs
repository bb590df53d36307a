//! What a run did, in Markdown: enough to judge it and to do it again.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Campaign;

/// The record of a campaign.
///
/// # Errors
/// When git or the clock cannot be asked.
pub(super) fn text(campaign: &Campaign) -> Result<String> {
    let sum = campaign.sum();
    let commit = said(Command::new("git").args(["rev-parse", "--short=12", "HEAD"]))?;
    let changed =
        said(Command::new("git").args(["status", "--porcelain", "--untracked-files=no"]))?;
    let tree = if changed.is_empty() { "clean" } else { "with changes that are not committed" };
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
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(123_456), "123,456");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
