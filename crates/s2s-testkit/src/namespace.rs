//! A network namespace with loopback alone and a `resolv.conf` of its own (Linux, root, iproute2).
//!
//! Real servers use fixed ports and the machine's resolver: in a namespace of their own they disturb nobody, and several can run at once.

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::process::{Signal, signal};

/// A network namespace; removed with everything that runs in it when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes `PREFIX-PID-LABEL`, PID being this process. `addresses` are added to its loopback interface, which has 127.0.0.0/8 already;
    /// `resolver` is its `resolv.conf`.
    ///
    /// # Errors
    /// When it cannot be made: no root, no iproute2, or the kernel refuses.
    pub fn create(
        prefix: &str,
        label: &str,
        addresses: &[Ipv4Addr],
        resolver: &str,
    ) -> Result<Self> {
        let name = format!("{prefix}-{}-{label}", std::process::id());
        ip(&["netns", "add", &name]).context(
            "a network namespace could not be made (needs root, CAP_SYS_ADMIN and iproute2)",
        )?;
        let namespace = Namespace { name };
        let name = namespace.name.as_str();
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        // On the loopback interface, not on a dummy one: not every kernel has those.
        for address in addresses {
            ip(&["-n", name, "address", "add", &format!("{address}/32"), "dev", "lo"])?;
        }
        // `ip netns exec` mounts it over /etc/resolv.conf.
        fs::create_dir_all(resolver_dir(name))?;
        fs::write(resolver_dir(name).join("resolv.conf"), resolver)?;
        Ok(namespace)
    }

    /// What `ip netns` knows it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `program`, to be run inside. `ip` becomes the program: the child's process id is the program's.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Removes what processes that were killed left behind of the namespaces with this prefix.
///
/// # Errors
/// When there is no iproute2.
pub fn remove_orphans(prefix: &str) -> Result<()> {
    let list = Command::new("ip").args(["netns", "list"]).output().context("ip (iproute2)")?;
    for line in String::from_utf8_lossy(&list.stdout).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        if owner(name, prefix).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            remove(name);
        }
    }
    Ok(())
}

/// The process that made it.
fn owner(name: &str, prefix: &str) -> Option<u32> {
    let (pid, _) = name.strip_prefix(prefix)?.strip_prefix('-')?.split_once('-')?;
    pid.parse().ok()
}

fn resolver_dir(name: &str) -> PathBuf {
    Path::new("/etc/netns").join(name)
}

/// Ends what still runs in the namespace, and so was started by its owner, then removes the namespace.
fn remove(name: &str) {
    let pids = Command::new("ip").args(["netns", "pids", name]).output();
    if let Ok(pids) = pids {
        let pids = String::from_utf8_lossy(&pids.stdout).into_owned();
        for pid in pids.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            // Already gone is as good as ended.
            let _ = signal(pid, Signal::KILL);
        }
    }
    let mut delete = Command::new("ip");
    let _ = delete.args(["netns", "delete", name]).stderr(Stdio::null()).status();
    let _ = fs::remove_dir_all(resolver_dir(name));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_namespace_is_in_its_name() {
        assert_eq!(owner("peerage-17-matrix", "peerage"), Some(17));
        assert_eq!(owner("loadgen-17-prosody", "peerage"), None);
        assert_eq!(owner("peerage-dense-17", "peerage"), None);
        assert_eq!(owner("peerage-17", "peerage"), None);
    }
}
