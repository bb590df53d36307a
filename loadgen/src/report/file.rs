//! Results on disk: JSON, written so that versions of it can be compared line by line, and read with errors that say what to do.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;

use crate::record::{Comparison, FORM, Run};

/// What a file holds.
#[derive(Debug)]
pub(crate) enum Record {
    /// One run.
    Run(Box<Run>),
    /// Several servers.
    Comparison(Box<Comparison>),
}

/// What tells results apart, before all of one is looked at.
#[derive(Deserialize)]
struct Head {
    form: Option<u32>,
    scenario: Option<IgnoredAny>,
    trials: Option<IgnoredAny>,
}

/// Reads what `--json` wrote.
///
/// # Errors
/// When the file cannot be read, is not JSON, is no result, or is one of another version.
pub(crate) fn read(file: &Path) -> anyhow::Result<Record> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    parse(&text).with_context(|| file.display().to_string())
}

fn parse(text: &str) -> anyhow::Result<Record> {
    let head: Head = serde_json::from_str(text).map_err(|error| {
        let what =
            if error.is_data() { "no result of peerage-loadgen" } else { "not JSON, or cut off" };
        anyhow::anyhow!("{what} ({error}): name a file that was written with --json")
    })?;
    match (head.form, head.scenario, head.trials) {
        (Some(FORM), _, Some(_)) => whole(text).map(Record::Comparison),
        (Some(FORM), Some(_), None) => whole(text).map(Record::Run),
        (Some(other), ..) if other != FORM => anyhow::bail!(
            "a result of form {other}; this peerage-loadgen reads form {FORM}: use the version that wrote it, or run again"
        ),
        _ => anyhow::bail!(
            "no result of peerage-loadgen: neither a run nor a comparison. Name a file that was written with --json"
        ),
    }
}

fn whole<T: DeserializeOwned>(text: &str) -> anyhow::Result<Box<T>> {
    serde_json::from_str(text).map(Box::new).map_err(|error| {
        anyhow::anyhow!("not a whole result ({error}): it was changed by hand, or written by another version; run again")
    })
}

/// As JSON with a line for each field, sample and trial.
///
/// # Errors
/// None for the records of this crate.
pub(crate) fn json(record: &impl Serialize) -> anyhow::Result<String> {
    let mut out = Vec::new();
    record.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Shallow::default()))?;
    out.push(b'\n');
    Ok(String::from_utf8(out)?)
}

/// Refuses a place for a report that has no folder: better before a run than after it.
///
/// # Errors
/// When the folder is not there.
pub(crate) fn check_folder(file: &Path) -> anyhow::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let is_there = folder.is_none_or(Path::is_dir);
    anyhow::ensure!(
        is_there,
        "{}: its folder is not there; make it, or name another file",
        file.display()
    );
    Ok(())
}

/// Writes a report.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    check_folder(file)?;
    fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}

/// Breaks lines in the two outer levels only.
#[derive(Default)]
struct Shallow {
    depth: usize,
}

/// Levels with a line for each member.
const BROKEN: usize = 2;

impl Shallow {
    fn begin<W: ?Sized + io::Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        out.write_all(bracket)
    }

    fn member<W: ?Sized + io::Write>(&self, out: &mut W, is_first: bool) -> io::Result<()> {
        match (is_first, self.depth <= BROKEN) {
            (true, false) => return Ok(()),
            (false, false) => return out.write_all(b", "),
            (true, true) => out.write_all(b"\n")?,
            (false, true) => out.write_all(b",\n")?,
        }
        (0..self.depth).try_for_each(|_| out.write_all(b" "))
    }

    fn end<W: ?Sized + io::Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        if self.depth <= BROKEN {
            out.write_all(b"\n")?;
            (1..self.depth).try_for_each(|_| out.write_all(b" "))?;
        }
        self.depth -= 1;
        out.write_all(bracket)
    }
}

impl Formatter for Shallow {
    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.member(out, first)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.member(out, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_is_written_reads_back() {
        let run = sample::run();
        match parse(&json(&run).unwrap()).unwrap() {
            Record::Run(read) => assert_eq!(*read, run),
            Record::Comparison(_) => panic!("a run became a comparison"),
        }
        let comparison = sample::comparison();
        match parse(&json(&comparison).unwrap()).unwrap() {
            Record::Comparison(read) => assert_eq!(*read, comparison),
            Record::Run(_) => panic!("a comparison became a run"),
        }
    }

    #[test]
    fn samples_and_trials_have_a_line_each() {
        let run = sample::run();
        let text = json(&run).unwrap();
        assert_eq!(
            text.matches("\n  {\"at_seconds\": ").count(),
            run.events.len() + run.samples.len()
        );
        let comparison = sample::comparison();
        let text = json(&comparison).unwrap();
        assert_eq!(text.matches("\n  {\"round\": ").count(), comparison.trials.len());
        // Empty arrays and objects stay JSON.
        let empty = Run { samples: Vec::new(), conditions: Default::default(), ..run };
        assert!(matches!(parse(&json(&empty).unwrap()), Ok(Record::Run(read)) if *read == empty));
    }

    #[test]
    fn another_form_is_refused_by_its_number() {
        let error = parse(r#"{"form": 7, "scenario": "dense", "new": true}"#).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("form 7") && text.contains("reads form 1"), "{text}");
    }

    #[test]
    fn what_is_no_result_is_told_apart_from_what_is_broken() {
        let error = |text: &str| parse(text).unwrap_err().to_string();
        let whole = json(&sample::run()).unwrap();
        for broken in ["", "{", &whole[..whole.len() / 2], "<!DOCTYPE html>"] {
            assert!(error(broken).starts_with("not JSON, or cut off ("), "{}", error(broken));
        }
        for foreign in ["3", "{}", r#"{"form": 1}"#, r#"{"form": "one", "scenario": ""}"#] {
            assert!(
                error(foreign).starts_with("no result of peerage-loadgen"),
                "{}",
                error(foreign)
            );
        }
        let lacking = error(r#"{"form": 1, "scenario": "dense"}"#);
        assert!(lacking.contains("missing field `scenario_toml`"), "{lacking}");
        let extra = error(&whole.replacen("\"seed\"", "\"sed\"", 1));
        assert!(extra.contains("unknown field `sed`"), "{extra}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = format!("{:#}", read(Path::new("no/such.json")).unwrap_err());
        assert!(error.starts_with("reading no/such.json: "), "{error}");
        let error = write(Path::new("no/such.html"), "").unwrap_err().to_string();
        assert_eq!(error, "no/such.html: its folder is not there; make it, or name another file");
        assert!(check_folder(Path::new("here.html")).is_ok());
        let error = format!("{:#}", write(Path::new("."), "").unwrap_err());
        assert!(error.starts_with("writing .: "), "{error}");
    }
}
