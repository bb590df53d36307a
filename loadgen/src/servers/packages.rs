//! Whether a server is installed, and installing it on Debian.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// Debian's question before a package starts its service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// What every server is started with.
const TOOLS: &[&str] = &["ip", "setpriv", "taskset"];
const TOOLS_PACKAGES: &[&str] = &["iproute2", "util-linux"];

/// Makes sure that the programs of `server` are here; installs the packages where that was asked for.
///
/// # Errors
/// What is missing, and how to get it.
pub(super) fn provide(
    server: &str,
    programs: &[&str],
    packages: &[&str],
    install: bool,
) -> Result<()> {
    let lacking: Vec<&str> =
        TOOLS.iter().chain(programs).copied().filter(|name| !in_path(name)).collect();
    // A package may be missing though the programs are here: a library that a server loads when it finds it.
    let debian = Path::new("/etc/debian_version").exists();
    let missing: Vec<&str> = TOOLS_PACKAGES
        .iter()
        .chain(packages)
        .copied()
        .filter(|package| debian && !installed(package))
        .collect();
    if lacking.is_empty() && missing.is_empty() {
        return Ok(());
    }
    ensure!(debian, "{server} needs {}, which PATH does not have", lacking.join(", "));
    // Programs that are here without a package were put here by hand; it is for their owner to say.
    let wanted = missing.join(" ");
    ensure!(
        install && !wanted.is_empty(),
        "{server} needs {}: `apt-get install {wanted}` (its service need not run), or say --install",
        if lacking.is_empty() { wanted.clone() } else { lacking.join(", ") },
    );
    ensure!(is_root(), "--install needs root: `apt-get install {wanted}`");
    apt_install(&missing)
}

/// Whether this process may make namespaces and install packages.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn in_path(program: &str) -> bool {
    // Daemons are in sbin, which is not in everybody's PATH; `Command` would not find them there.
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| {
        fs::metadata(folder.join(program))
            .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    })
}

fn installed(package: &str) -> bool {
    let query =
        Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}", package]).output();
    query.is_ok_and(|output| output.stdout == b"installed")
}

fn apt_install(packages: &[&str]) -> Result<()> {
    eprintln!("installing {}", packages.join(" "));
    let _quiet = NoServices::forbid()?;
    apt_get(&["update", "--quiet"])?;
    apt_get(&[&["install", "--yes", "--quiet", "--no-install-recommends"], packages].concat())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let output = command.output().context("apt-get")?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    bail!("apt-get {}: {}", arguments.join(" "), text.lines().last().unwrap_or("failed"));
}

/// While it lives, no package starts a service of its own on being installed (an XMPP server on port 5269 of the machine itself, say).
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
            "#!/bin/sh\n# 101: not allowed (peerage-loadgen removes this file)\nexit 101\n",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named_with_the_package_to_install() {
        let error = provide("montague", &["montagued"], &["montague-server"], false).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("montague needs"), "{error}");
        assert!(error.contains("montagued"), "{error}");
        if Path::new("/etc/debian_version").exists() {
            assert!(error.contains("montague-server` (its service need not run)"), "{error}");
        }
    }

    #[test]
    fn programs_are_looked_for_in_path() {
        assert!(in_path("sh"));
        assert!(!in_path("montagued"));
    }
}
