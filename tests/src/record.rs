//! What a test found out, kept for the page.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Names a folder: every recorded test that passed leaves a file there.
pub const FOLDER: &str = "PEERAGE_INTEROP_RECORDS";

/// The outcome of a test that passed. What failed has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The unmodified server as it names itself.
    pub version: String,
    /// What was seen, in the words of a log or of the wire; the columns of the page.
    pub seen: Vec<String>,
}

impl Record {
    /// A test that passed.
    #[must_use]
    pub fn passed(version: String, seen: Vec<String>) -> Self {
        Record { version, seen }
    }

    /// Writes it to the folder [`FOLDER`] names, if it names one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, test: &str) -> Result<()> {
        let Some(folder) = std::env::var_os(FOLDER) else { return Ok(()) };
        let lines: Vec<String> = std::iter::once(&self.version)
            .chain(&self.seen)
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        fs::write(file(Path::new(&folder), test), lines.join("\n"))
            .with_context(|| format!("the folder of {FOLDER}"))
    }

    /// Reads what [`Record::keep`] wrote; `None` when this test left nothing.
    #[must_use]
    pub fn find(folder: &Path, test: &str) -> Option<Self> {
        let text = fs::read_to_string(file(folder, test)).ok()?;
        let mut lines = text.lines().map(str::to_owned);
        Some(Record { version: lines.next()?, seen: lines.collect() })
    }
}

fn file(folder: &Path, test: &str) -> PathBuf {
    folder.join(test.replace("::", "."))
}
