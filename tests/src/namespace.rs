//! One network namespace per test.
//!
//! The test process itself stays outside: it makes the namespace, runs *itself* again inside it (`ip netns exec`) for the one test
//! named, and takes everything down afterwards, also when the test failed, panicked or hung.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use s2s_testkit::namespace::{Namespace, remove_orphans};
use s2s_testkit::process::wait_at_most;

use crate::peerage;
use crate::record::Record;
use crate::stage::{
    BACKEND_ADDRESS, DNS_ADDRESS, INSIDE_ADDRESS, INSIDE_DNS_ADDRESS, PEER_ADDRESS, ROUTER_ADDRESS,
    Stage,
};

/// Set for the process that runs inside, to the namespace's name.
const INSIDE: &str = "PEERAGE_INTEROP_NAMESPACE";

/// Names of namespaces begin so.
const PREFIX: &str = "peerage";

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
    remove_orphans(PREFIX)?;
    let peerage = peerage::binary()?;
    let namespace = create(test)?;
    let report = tempfile::NamedTempFile::new()?;
    let status = run_test(&namespace, test, peerage.as_deref(), report.path())?;
    let text = fs::read_to_string(report.path()).unwrap_or_default();
    print!("{text}");
    match status {
        None => bail!("still running after {} s", TEST_TIMEOUT.as_secs()),
        Some(status) if !status.success() => bail!("failed inside {}: {status}", namespace.name()),
        // A renamed test would otherwise run nothing at all, with success.
        Some(_) => {
            ensure!(text.contains("1 passed"), "no test of this name ran inside the namespace");
            Ok(())
        }
    }
}

fn create(test: &str) -> Result<Namespace> {
    let addresses = [
        DNS_ADDRESS,
        PEER_ADDRESS,
        ROUTER_ADDRESS,
        BACKEND_ADDRESS,
        INSIDE_ADDRESS,
        INSIDE_DNS_ADDRESS,
    ];
    let resolver = format!("nameserver {DNS_ADDRESS}\noptions timeout:1 attempts:1\n");
    Namespace::create(PREFIX, &test.replace("::", "-"), &addresses, &resolver)
}

/// `None` when the time was up.
fn run_test(
    namespace: &Namespace,
    test: &str,
    peerage: Option<&Path>,
    report: &Path,
) -> Result<Option<ExitStatus>> {
    let output = fs::File::create(report)?;
    let mut command = namespace.command(std::env::current_exe()?);
    command.args([test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
    // Where the harness stood when a server was wrong tells nothing.
    command.env(INSIDE, namespace.name()).env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command.stdout(output.try_clone()?).stderr(output);
    if let Some(peerage) = peerage {
        command.env(peerage::BINARY, peerage);
    }
    let mut child = command.spawn()?;
    let status = wait_at_most(&mut child, Instant::now() + TEST_TIMEOUT)?;
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    Ok(status)
}
