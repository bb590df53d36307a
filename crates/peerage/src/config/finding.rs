//! What is wrong, or worth a warning, in a configuration; and the text it was found in.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The router starts, but somebody should know.
    Warning,
    /// The configuration is refused.
    Error,
}

/// One complaint about a configuration file.
///
/// Shown as `peerage.toml:14: limits.stanza_bytes = 500: must be 10000 to 16777216 (RFC 6120 §13.12)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Error or warning.
    pub severity: Severity,
    /// The file as the operator named it.
    pub file: String,
    /// Line in the file, counted from 1; none when the complaint is about something that is absent.
    pub line: Option<usize>,
    /// `key = value`, or the key alone; empty for a complaint about the file.
    pub subject: String,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.subject.is_empty() {
            write!(f, ": {}", self.subject)?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// A configuration that is refused: every error of it, and the warnings, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<Finding>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// Where a value stands in the file, kept so that later checks can still name the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, counted from 1.
    pub line: usize,
    /// Dotted key.
    pub key: String,
    /// The value as written, shortened; a secret is never in it.
    pub shown: String,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands; none for a default.
    pub place: Option<Place>,
}

impl<T> Located<T> {
    /// A value that no file sets.
    pub fn default_of(value: T) -> Self {
        Located { value, place: None }
    }
}

/// The text of a file while it is read: turns byte offsets into lines and collects findings.
pub(crate) struct Reading<'t> {
    file: String,
    text: &'t str,
    line_starts: Vec<usize>,
    findings: RefCell<Vec<Finding>>,
}

impl<'t> Reading<'t> {
    pub(crate) fn new(file: &str, text: &'t str) -> Self {
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Reading { file: file.to_owned(), text, line_starts, findings: RefCell::default() }
    }

    /// The line of a byte offset, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// The text of a span, first line only and at most 60 characters.
    pub(crate) fn shown(&self, span: Range<usize>) -> String {
        let raw = self.text.get(span).unwrap_or_default();
        let first = raw.lines().next().unwrap_or_default();
        let mut shown: String = first.chars().take(60).collect();
        if shown.len() < raw.len() {
            shown.push('…');
        }
        shown
    }

    pub(crate) fn error(&self, place: Option<&Place>, problem: impl Into<String>) {
        self.add(Severity::Error, place, problem.into());
    }

    pub(crate) fn warning(&self, place: Option<&Place>, problem: impl Into<String>) {
        self.add(Severity::Warning, place, problem.into());
    }

    /// An error about a line without `key = value`, for example a missing key.
    pub(crate) fn error_at(
        &self,
        line: Option<usize>,
        subject: impl Into<String>,
        problem: impl Into<String>,
    ) {
        self.findings.borrow_mut().push(Finding {
            severity: Severity::Error,
            file: self.file.clone(),
            line,
            subject: subject.into(),
            problem: problem.into(),
        });
    }

    fn add(&self, severity: Severity, place: Option<&Place>, problem: String) {
        let subject = place.map_or_else(String::new, |place| {
            if place.shown.is_empty() {
                place.key.clone()
            } else {
                format!("{} = {}", place.key, place.shown)
            }
        });
        self.findings.borrow_mut().push(Finding {
            severity,
            file: self.file.clone(),
            line: place.map(|place| place.line),
            subject,
            problem,
        });
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.findings.borrow().iter().any(|finding| finding.severity == Severity::Error)
    }

    /// The findings by line; those without a line last.
    pub(crate) fn into_findings(self) -> Vec<Finding> {
        let mut findings = self.findings.into_inner();
        findings.sort_by_key(|finding| finding.line.unwrap_or(usize::MAX));
        findings
    }
}
