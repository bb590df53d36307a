//! This program once more, in a network namespace of its own.
//!
//! Outside stays a process that makes the namespace, passes signals on, and removes the namespace with everything in it, whatever happens
//! inside. Killed itself, it takes the one inside with it, which takes its servers; the namespace's name is removed by the next run.

use std::fmt;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use s2s_testkit::namespace::{Namespace, remove_orphans};
use s2s_testkit::process::{Signal, signal};
use tokio::signal::unix::{Signal as Stream, SignalKind};

use crate::servers::is_root;

/// Set for the process inside, to the namespace's name.
const MARK: &str = "PEERAGE_LOADGEN_NAMESPACE";

/// Names of namespaces begin so.
const PREFIX: &str = "loadgen";

/// Where servers ask there, as `resolv.conf` says.
pub(crate) const DNS: &str = "127.0.0.1:53";

/// Asked to end, the process inside must have ended after this.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Between two looks at the process inside.
const POLL: Duration = Duration::from_millis(20);

/// The namespace this process was put into.
pub(crate) fn namespace() -> Option<String> {
    std::env::var(MARK).ok()
}

/// Runs this command line inside, and answers with its exit code.
///
/// # Errors
/// When there can be no namespace here.
pub(crate) fn run_again(label: &str) -> Result<ExitCode> {
    ensure!(
        is_root(),
        "a server that is started needs root: it gets a network namespace of its own"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        // Before there is anything that a signal could leave behind.
        let mut signals = Signals::new()?;
        remove_orphans(PREFIX)?;
        let resolver = "nameserver 127.0.0.1\noptions timeout:2\n";
        let namespace = Namespace::create(PREFIX, label, &[], resolver)?;
        wait(start(&namespace)?, &mut signals).await
    })?;
    Ok(ExitCode::from(code))
}

fn start(namespace: &Namespace) -> Result<Child> {
    let own = std::env::current_exe()?;
    let inside = namespace.command(own);
    // The one inside ends its servers when it is asked to end; that happens, too, when this process is killed.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(inside.get_program()).args(inside.get_args());
    command.args(std::env::args_os().skip(1)).env(MARK, namespace.name());
    command.stdin(Stdio::inherit()).spawn().context("setpriv (util-linux)")
}

async fn wait(mut inside: Child, signals: &mut Signals) -> Result<u8> {
    let mut patience = None;
    loop {
        let asked = tokio::select! {
            number = signals.next() => Some(number),
            () = tokio::time::sleep(POLL) => None,
        };
        if let Some(status) = inside.try_wait()? {
            return Ok(code(status));
        }
        if let Some(number) = asked {
            // It may end at this moment.
            let _ = signal(inside.id(), Signal::TERM);
            patience.get_or_insert((tokio::time::Instant::now() + STOP_TIMEOUT, number));
        }
        if let Some((deadline, number)) = patience
            && tokio::time::Instant::now() > deadline
        {
            inside.kill()?;
            inside.wait()?;
            return Ok(128 + number);
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let killed = || status.signal().and_then(|number| u8::try_from(number).ok());
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => code,
        None => 128 + killed().unwrap_or_default(),
    }
}

/// A signal that asked this program to end, as an error: its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupted(pub(crate) u8);

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended by signal {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// The signals that ask a program to end.
pub(crate) struct Signals {
    interrupt: Stream,
    terminate: Stream,
    hang_up: Stream,
}

impl Signals {
    /// From now on these do not end the program by themselves. Needs a runtime.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub(crate) fn new() -> Result<Self> {
        Ok(Signals {
            interrupt: tokio::signal::unix::signal(SignalKind::interrupt())?,
            terminate: tokio::signal::unix::signal(SignalKind::terminate())?,
            hang_up: tokio::signal::unix::signal(SignalKind::hangup())?,
        })
    }

    /// The number of the next one.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.hang_up.recv() => 1,
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}
