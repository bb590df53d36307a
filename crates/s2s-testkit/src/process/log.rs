//! A server's log file.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::POLL;

/// A server must have logged what it did after this.
const LOG_TIMEOUT: Duration = Duration::from_secs(10);

/// A log file that a server writes.
#[derive(Clone, Debug)]
pub struct Log(PathBuf);

impl Log {
    /// The log in this file.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Log(file)
    }

    /// What it says so far.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn text(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.0)?).into_owned())
    }

    /// The first line with `words`, once there is one: a server may write its log a little after the fact.
    ///
    /// # Errors
    /// When there is none in 10 seconds.
    pub fn line(&self, words: &str) -> Result<String> {
        self.line_after(0, &[words])
    }

    /// As [`Log::line`], with any of `words`, in what comes after the first `offset` bytes.
    ///
    /// # Errors
    /// When there is none in 10 seconds.
    pub fn line_after(&self, offset: usize, words: &[&str]) -> Result<String> {
        let deadline = Instant::now() + LOG_TIMEOUT;
        loop {
            let bytes = fs::read(&self.0)?;
            let text = String::from_utf8_lossy(bytes.get(offset..).unwrap_or_default());
            // What is not ended is still being written.
            let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(line) = lines.find(|line| words.iter().any(|words| line.contains(words))) {
                let line = line.trim_end();
                return Ok(line.to_owned());
            }
            if Instant::now() > deadline {
                bail!("no line with {} in {}", words.join(" or "), self.0.display());
            }
            thread::sleep(POLL);
        }
    }

    /// How many bytes it has: where what is written from now on begins.
    ///
    /// # Errors
    /// When it is not there.
    pub fn size(&self) -> Result<usize> {
        Ok(usize::try_from(fs::metadata(&self.0)?.len())?)
    }
}

/// The last lines of a log, under a line that names it; the name alone when it cannot be read.
#[must_use]
pub fn tail(title: &str, file: &Path, lines_max: usize) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.len().min(lines_max);
    let mut out = format!("---- {title}: last {shown} of {} lines\n", lines.len());
    for line in lines.iter().skip(lines.len() - shown) {
        out += line;
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_looked_for_after_what_was_there_before() {
        let file = std::env::temp_dir().join(format!("testkit-log-{}", std::process::id()));
        fs::write(&file, "configuration loaded 1\nconfiguration loaded 2\n").unwrap();
        let log = Log::new(file.clone());
        let first = log.line("loaded").unwrap();
        let second = log.line_after(first.len() + 1, &["nothing", "loaded"]).unwrap();
        let (size, shown) = (log.size().unwrap(), tail("montague", &file, 1));
        fs::remove_file(&file).unwrap();
        assert_eq!(first, "configuration loaded 1");
        assert_eq!(second, "configuration loaded 2");
        assert_eq!(size, 46);
        assert_eq!(shown, "---- montague: last 1 of 2 lines\nconfiguration loaded 2\n");
    }
}
