//! A server as a child process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};

use super::POLL;

/// A server must listen after this.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A server asked to end must have ended after this.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

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

    /// What it was called at its start.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The child's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    /// When the operating system refuses to say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Asks the server to end (SIGTERM) and waits until it did.
    ///
    /// # Errors
    /// When it does not end in time; it is killed then.
    pub fn terminate(mut self) -> Result<ExitStatus> {
        if self.child.try_wait()?.is_none() {
            signal(self.child.id(), Signal::TERM)?;
        }
        let status = wait_at_most(&mut self.child, Instant::now() + STOP_TIMEOUT)?;
        status.with_context(|| format!("{}: still runs {STOP_TIMEOUT:?} after SIGTERM", self.name))
    }

    fn wait_for_port(&mut self, port: SocketAddr, deadline: Instant) -> Result<()> {
        while !accepts(port) {
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

/// Sends a signal to one process.
///
/// # Errors
/// When it is gone, or somebody else's.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.context("not the id of a process")?;
    Ok(rustix::process::kill_process(pid, signal)?)
}

/// Waits until nobody accepts connections at `ports`. The kernel takes down an io_uring after its process: the server before this one
/// may accept for a moment yet.
///
/// # Errors
/// When somebody still does after `patience`.
pub fn wait_until_free(ports: &[SocketAddr], patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    for port in ports {
        while accepts(*port) {
            if Instant::now() > deadline {
                bail!("something listens on {port} already");
            }
            thread::sleep(POLL);
        }
    }
    Ok(())
}

/// These processes with all their descendants, in the order of their ids.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn families(pids: &[u32]) -> Result<Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end between two looks.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if let Some(parent) = parent(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut queue = pids.to_vec();
    while let Some(pid) = queue.pop() {
        if found.insert(pid) {
            queue.extend(children.get(&pid).into_iter().flatten());
        }
    }
    Ok(found.into_iter().collect())
}

/// Field 4 of proc_pid_stat(5).
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn accepts(port: SocketAddr) -> bool {
    TcpStream::connect_timeout(&port, Duration::from_secs(1)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_family_has_the_children_of_children() {
        // The shell waits for its child, as it has something to do afterwards.
        let mut shell =
            Command::new("sh").args(["-c", "sleep 60; true"]).stdin(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let family = loop {
            let family = families(&[shell.id()]).unwrap();
            if family.len() > 1 || Instant::now() > deadline {
                break family;
            }
            thread::sleep(POLL);
        };
        let all = families(&[std::process::id()]).unwrap();
        for pid in family.iter().filter(|pid| **pid != shell.id()) {
            signal(*pid, Signal::KILL).unwrap();
        }
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert_eq!(family.len(), 2, "{family:?}");
        assert!(family.iter().all(|pid| all.contains(pid)), "{all:?} has not {family:?}");
    }

    #[test]
    fn a_server_that_ends_at_its_start_is_named_with_its_status() {
        let folder = std::env::temp_dir().join(format!("testkit-child-{}", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such key; exit 3"]);
        let port = unused();
        let error = Process::start("montague", command, &folder, &[port]).err().unwrap();
        let text = fs::read_to_string(&folder).unwrap();
        fs::remove_file(&folder).unwrap();
        assert_eq!(error.to_string(), "montague ended at its start: exit status: 3");
        assert_eq!(text, "no such key\n");
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap();
        let error = wait_until_free(&[port], Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), format!("something listens on {port} already"));
        drop(listener);
        wait_until_free(&[port], Duration::from_secs(5)).unwrap();
    }

    fn unused() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }
}
