//! A server as a child process: started, waited for, read, ended.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A server must listen after this.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A server asked to end must have ended after this.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A server must have logged what it did after this.
const LOG_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two looks at something that only polling shows.
const POLL: Duration = Duration::from_millis(10);

/// A running server. Ended when dropped.
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts `command` with its output in `log`, and returns once all of `ports` accept connections.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not listen in time.
    pub fn start(
        name: &str,
        mut command: Command,
        log: &Path,
        ports: &[SocketAddr],
    ) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("{name}: {command:?}"))?;
        let mut process = Process { name: name.to_owned(), child };
        let deadline = Instant::now() + START_TIMEOUT;
        for port in ports {
            process.wait_for_port(*port, deadline)?;
        }
        Ok(process)
    }

    /// The child's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the server to end (SIGTERM) and waits until it did.
    ///
    /// # Errors
    /// When it does not end in time; it is killed then.
    pub fn terminate(mut self) -> Result<ExitStatus> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let status = wait_at_most(&mut self.child, Instant::now() + STOP_TIMEOUT)?;
        status.with_context(|| format!("{}: still runs {STOP_TIMEOUT:?} after SIGTERM", self.name))
    }

    fn wait_for_port(&mut self, port: SocketAddr, deadline: Instant) -> Result<()> {
        while TcpStream::connect_timeout(&port, Duration::from_secs(1)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at its start: {status}", self.name);
            }
            if Instant::now() > deadline {
                bail!("{} does not listen on {port}", self.name);
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error says that it ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child until `deadline`; `None` when it still runs then.
///
/// # Errors
/// When the operating system refuses to say.
pub fn wait_at_most(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    loop {
        let status = child.try_wait()?;
        if status.is_some() || Instant::now() > deadline {
            return Ok(status);
        }
        thread::sleep(POLL);
    }
}

/// A server's log file.
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
        let deadline = Instant::now() + LOG_TIMEOUT;
        loop {
            let text = self.text()?;
            // What is not ended is still being written.
            let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(line) = lines.map(str::trim_end).find(|line| line.contains(words)) {
                return Ok(line.to_owned());
            }
            if Instant::now() > deadline {
                bail!("no line with {words:?} in {}", self.0.display());
            }
            thread::sleep(POLL);
        }
    }
}
