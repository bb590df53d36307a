//! What the suites need of the machine: root, network namespaces, Debian's packages.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// Servers and tools every suite uses.
const COMMON: &[&str] = &["iproute2", "dnsmasq-base", "prosody", "lua-unbound"];

/// Debian's question before a package starts its service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs the parser that the framer is held against where this is root on Debian and it is missing. Elsewhere it may be there under
/// another package's name, and if not, the tests that need it say so.
pub(super) fn offer_parser() {
    const PARSER: &str = "libexpat1";
    if is_root()
        && !installed(PARSER)
        && let Err(reason) = install(&[PARSER])
    {
        println!("{PARSER} could not be installed: {reason:#}");
    }
}

/// Makes the machine ready for the tests of a suite that a filter selects, installing what is missing.
///
/// # Errors
/// Why the suite cannot run here, in words.
pub(super) fn provide(suite: &str, filter: &str) -> Result<()> {
    ensure!(is_root(), "network namespaces need root");
    let own: &[&str] = match (suite, filter) {
        ("interop_slixmpp", _) => &["python3-slixmpp"],
        ("interop_matrix", "prosody_") => &[],
        ("loadgen", _) => &["ejabberd", "jabberd2", "haproxy"],
        _ => &["ejabberd"],
    };
    let missing: Vec<&str> =
        COMMON.iter().chain(own).copied().filter(|package| !installed(package)).collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    probe_namespaces()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn installed(package: &str) -> bool {
    let query =
        Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}", package]).output();
    query.is_ok_and(|output| output.stdout == b"installed")
}

fn install(packages: &[&str]) -> Result<()> {
    println!("installing {}", packages.join(" "));
    let _quiet = NoServices::forbid()?;
    apt_get(&["update", "--quiet"])?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    apt_get(&[&install[..], packages].concat())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let output = command.output().context("apt-get cannot be run: not a Debian system?")?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    bail!("apt-get {}: {}", arguments.join(" "), text.lines().last().unwrap_or("failed"));
}

/// While it lives, no package starts a service of its own on being installed (a Prosody on port 5269 of the machine itself, say).
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn forbid() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(NoServices { ours: false });
        }
        fs::write(
            POLICY,
            "#!/bin/sh\n# 101: not allowed (cargo xtask test removes this file)\nexit 101\n",
        )?;
        let policy = NoServices { ours: true };
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
        Ok(policy)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_file(POLICY);
        }
    }
}

fn probe_namespaces() -> Result<()> {
    let name = format!("peerage-{}-probe", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).output()?;
    if !made.status.success() {
        let text = String::from_utf8_lossy(&made.stderr);
        bail!("network namespaces cannot be made here: {}", text.trim());
    }
    Command::new("ip").args(["netns", "delete", &name]).status()?;
    Ok(())
}
