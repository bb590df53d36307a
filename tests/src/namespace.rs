//! One network namespace per test.
//!
//! The test process itself stays outside: it makes the namespace, runs *itself* again inside it (`ip netns exec`) for the one test
//! named, and takes everything down afterwards, also when the test failed, panicked or hung.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::record::Record;
use crate::stage::{
    BACKEND_ADDRESS, DNS_ADDRESS, INSIDE_ADDRESS, INSIDE_DNS_ADDRESS, PEER_ADDRESS, ROUTER_ADDRESS,
    Stage,
};
use crate::{peerage, process};

/// Set for the process that runs inside, to the namespace's name.
const INSIDE: &str = "PEERAGE_INTEROP_NAMESPACE";

/// A whole test may take this long; then it is ended and its logs are shown.
const TEST_TIMEOUT: Duration = Duration::from_secs(150);

/// Runs `body` in a namespace of its own.
///
/// `test` is the test's full path in its binary, as `cargo test` prints it: the name to run again inside.
///
/// # Panics
/// When the test fails; the output of the run inside, with the tails of all server logs, is printed before.
pub fn isolated(test: &str, body: impl FnOnce(&Stage) -> Result<()>) {
    let outcome =
        if std::env::var_os(INSIDE).is_some() { run_inside(body) } else { run_outside(test) };
    if let Err(error) = outcome {
        panic!("{test}: {error:#}");
    }
}

/// As [`isolated`]; what `body` found out is kept for the page.
///
/// # Panics
/// As [`isolated`].
pub fn recorded(test: &str, body: impl FnOnce(&Stage) -> Result<Record>) {
    isolated(test, |stage| body(stage)?.keep(test));
}

fn run_inside(body: impl FnOnce(&Stage) -> Result<()>) -> Result<()> {
    let stage = Stage::set_up()?;
    let outcome = catch_unwind(AssertUnwindSafe(|| body(&stage)));
    if !matches!(outcome, Ok(Ok(()))) {
        stage.print_logs();
    }
    match outcome {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn run_outside(test: &str) -> Result<()> {
    remove_orphans()?;
    let peerage = peerage::binary()?;
    let namespace = Namespace::create(test)?;
    let report = tempfile::NamedTempFile::new()?;
    let status = namespace.run_test(test, peerage.as_deref(), report.path())?;
    let text = fs::read_to_string(report.path()).unwrap_or_default();
    print!("{text}");
    match status {
        None => bail!("still running after {} s", TEST_TIMEOUT.as_secs()),
        Some(status) if !status.success() => bail!("failed inside {}: {status}", namespace.name),
        // A renamed test would otherwise run nothing at all, with success.
        Some(_) => {
            ensure!(text.contains("1 passed"), "no test of this name ran inside the namespace");
            Ok(())
        }
    }
}

/// A network namespace; removed with everything that runs in it when dropped.
struct Namespace {
    name: String,
}

impl Namespace {
    fn create(test: &str) -> Result<Self> {
        let short = test.replace("::", "-");
        let name = format!("peerage-{}-{short}", std::process::id());
        ip(&["netns", "add", &name]).context(
            "a network namespace could not be made (needs root, CAP_SYS_ADMIN and iproute2)",
        )?;
        let namespace = Namespace { name };
        let name = namespace.name.as_str();
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        // On the loopback interface, not on a dummy one: not every kernel has those.
        for address in [
            DNS_ADDRESS,
            PEER_ADDRESS,
            ROUTER_ADDRESS,
            BACKEND_ADDRESS,
            INSIDE_ADDRESS,
            INSIDE_DNS_ADDRESS,
        ] {
            ip(&["-n", name, "address", "add", &format!("{address}/32"), "dev", "lo"])?;
        }
        // `ip netns exec` mounts it over /etc/resolv.conf.
        fs::create_dir_all(resolver_dir(name))?;
        fs::write(
            resolver_dir(name).join("resolv.conf"),
            format!("nameserver {DNS_ADDRESS}\noptions timeout:1 attempts:1\n"),
        )?;
        Ok(namespace)
    }

    /// `None` when the time was up.
    fn run_test(
        &self,
        test: &str,
        peerage: Option<&Path>,
        report: &Path,
    ) -> Result<Option<ExitStatus>> {
        let output = fs::File::create(report)?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(std::env::current_exe()?);
        command.args([test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
        // Where the harness stood when a server was wrong tells nothing.
        command.env(INSIDE, &self.name).env("RUST_BACKTRACE", "0").stdin(Stdio::null());
        command.stdout(output.try_clone()?).stderr(output);
        if let Some(peerage) = peerage {
            command.env(peerage::BINARY, peerage);
        }
        let mut child = command.spawn()?;
        let status = process::wait_at_most(&mut child, Instant::now() + TEST_TIMEOUT)?;
        if status.is_none() {
            child.kill()?;
            child.wait()?;
        }
        Ok(status)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

fn resolver_dir(name: &str) -> PathBuf {
    Path::new("/etc/netns").join(name)
}

/// Ends what still runs in the namespace, and so was started by its test, then removes the namespace.
fn remove(name: &str) {
    let pids = Command::new("ip").args(["netns", "pids", name]).output();
    if let Ok(pids) = pids {
        for pid in String::from_utf8_lossy(&pids.stdout).split_whitespace() {
            // Already gone is as good as ended.
            let _ = Command::new("kill").args(["-KILL", pid]).stderr(Stdio::null()).status();
        }
    }
    let _ = ip(&["netns", "delete", name]);
    let _ = fs::remove_dir_all(resolver_dir(name));
}

/// Removes namespaces whose test process was killed before it could.
fn remove_orphans() -> Result<()> {
    let list = Command::new("ip").args(["netns", "list"]).output().context("ip (iproute2)")?;
    for line in String::from_utf8_lossy(&list.stdout).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let owner = name.strip_prefix("peerage-").and_then(|rest| rest.split_once('-'));
        let Some(Ok(owner)) = owner.map(|(pid, _)| pid.parse::<u32>()) else { continue };
        if !Path::new(&format!("/proc/{owner}")).exists() {
            remove(name);
        }
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("ip (iproute2)")?;
    ensure!(
        output.status.success(),
        "ip {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
