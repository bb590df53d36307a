//! Counts of tests, read from what cargo prints while it prints it.

use std::io::{BufRead as _, BufReader, Read};
use std::ops::AddAssign;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result};

/// How many tests went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Those that passed.
    pub(super) passed: u64,
    /// Those that failed.
    pub(super) failed: u64,
    /// Those that could not run.
    pub(super) skipped: u64,
}

impl Tally {
    pub(super) fn passed(passed: u64) -> Self {
        Tally { passed, ..Tally::default() }
    }

    pub(super) fn failed(failed: u64) -> Self {
        Tally { failed, ..Tally::default() }
    }

    pub(super) fn skipped(skipped: u64) -> Self {
        Tally { skipped, ..Tally::default() }
    }

    /// The counts in a summary line of libtest or nextest; nothing for any other line.
    ///
    /// Ignored tests are not counted: those of this repository have steps of their own.
    fn from_line(line: &str) -> Self {
        // libtest's is not indented: an indented one is what nextest repeats of a failed test.
        let counts = if let Some(rest) = line.strip_prefix("test result: ") {
            rest
        } else if line.trim_start().starts_with("Summary [") {
            line.split_once("tests run:")
                .or_else(|| line.split_once("test run:"))
                .map_or("", |(_, c)| c)
        } else {
            return Tally::default();
        };
        Tally { passed: before(counts, " passed"), failed: before(counts, " failed"), skipped: 0 }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Runs a command, passing its output on, and adds up the summary lines in it.
pub(super) fn run(command: &mut Command) -> Result<(bool, Tally)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("no pipe")?;
    let stderr = child.stderr.take().context("no pipe")?;
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let errors = scope.spawn(|| pass_on(stderr, |line| eprintln!("{line}")));
        tally += pass_on(stdout, |line| println!("{line}"));
        tally += errors.join().unwrap_or_default();
    });
    Ok((child.wait()?.success(), tally))
}

fn pass_on(from: impl Read, print: impl Fn(&str)) -> Tally {
    let mut tally = Tally::default();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    // Bytes, because a test may print anything.
    while from.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        let text = String::from_utf8_lossy(&line);
        print(text.trim_end_matches('\n'));
        tally += Tally::from_line(&text);
        line.clear();
    }
    tally
}

/// The number right before `word`, 0 when there is none.
fn before(text: &str, word: &str) -> u64 {
    let Some(end) = text.find(word) else { return 0 };
    let number = text[..end].rsplit(|c: char| !c.is_ascii_digit()).next();
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_lines_of_both_runners_are_counted() {
        let libtest =
            "test result: FAILED. 12 passed; 3 failed; 6 ignored; 0 measured; 0 filtered out";
        assert_eq!(Tally::from_line(libtest), Tally { passed: 12, failed: 3, skipped: 0 });
        let nextest = "     Summary [   3.8s] 7 tests run: 5 passed (1 slow), 2 failed, 4 skipped";
        assert_eq!(Tally::from_line(nextest), Tally { passed: 5, failed: 2, skipped: 0 });
        let one = "     Summary [   0.1s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(Tally::from_line(one), Tally { passed: 1, failed: 0, skipped: 0 });
    }

    #[test]
    fn other_lines_count_nothing() {
        // A server's log in a failed test's output may say anything.
        assert_eq!(Tally::from_line("peer: 12 passed, 3 failed"), Tally::default());
        let repeated = "    test result: FAILED. 0 passed; 1 failed; 0 ignored";
        assert_eq!(Tally::from_line(repeated), Tally::default());
    }
}
