//! Peerage as the router under test.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::certificates::Identity;
use crate::matrix::Rung;
use crate::process::{Log, Process};
use crate::router::Choice;
use crate::stage::{
    COMPONENT_DOMAIN, COMPONENT_PORT, COMPONENT_SECRET, DNS_ADDRESS, ROUTER_ADDRESS, S2S_PORT,
    S2S_TLS_PORT, Stage,
};

/// Names the binary to test; without it the suite builds it.
pub const BINARY: &str = "PEERAGE_BIN";

/// A running Peerage.
pub struct Server {
    process: Process,
    /// Its log, at level debug.
    pub log: Log,
}

impl Server {
    /// Starts it as a new user would: one configuration file, one command.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(stage: &Stage, rung: Rung, identity: Option<&Identity>) -> Result<Self> {
        let folder = stage.folder("peerage")?;
        let file = folder.join("peerage.toml");
        fs::write(&file, configuration(stage, &folder, rung, identity))?;
        let binary = std::env::var_os(BINARY).with_context(|| format!("{BINARY} is not set"))?;
        let mut command = Command::new(binary);
        command.arg("run").arg("--config").arg(&file);
        let log = folder.join("peerage.log");
        stage.watch_log("Peerage, the router", &log);
        let ports = [S2S_PORT, COMPONENT_PORT].map(|port| SocketAddr::from((ROUTER_ADDRESS, port)));
        let process = Process::start("peerage", command, &log, &ports)?;
        Ok(Server { process, log: Log::new(log) })
    }

    /// Asks it to drain (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// When it ends with another status than success, does not end, or a task of it panicked.
    pub fn stop(self) -> Result<()> {
        let status = self.process.terminate()?;
        ensure!(status.success(), "Peerage ended with {status}");
        // A panic is contained to one link: what arrived does not show it.
        let log = self.log.text()?;
        ensure!(!log.contains("panicked"), "something in Peerage panicked");
        Ok(())
    }
}

/// The binary to test, built if need be; `None` when another router stands in.
///
/// # Errors
/// When it cannot be built.
pub fn binary() -> Result<Option<PathBuf>> {
    if Choice::from_environment()? != Choice::Peerage {
        return Ok(None);
    }
    if let Some(path) = std::env::var_os(BINARY) {
        return Ok(Some(PathBuf::from(path)));
    }
    // The test itself is TARGET/PROFILE/deps/NAME-HASH.
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(2).context("the test runs from an unknown folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--package", "peerage", "--bin", "peerage"]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    ensure!(status.success(), "cargo build --package peerage: {status}");
    Ok(Some(folder.join("peerage")))
}

fn configuration(stage: &Stage, folder: &Path, rung: Rung, identity: Option<&Identity>) -> String {
    // The words of the configuration are those of the page.
    let minimum = rung;
    let identity = identity.map_or(String::new(), |identity| {
        format!(
            "certificate = \"{}\"\nkey = \"{}\"\n",
            identity.certificate.display(),
            identity.key.display()
        )
    });
    format!(
        "[router]\nshards = 2\nstate_dir = \"{state}\"\n\
         [[listen]]\naddress = \"{ROUTER_ADDRESS}:{S2S_PORT}\"\n\
         [[listen]]\naddress = \"{ROUTER_ADDRESS}:{S2S_TLS_PORT}\"\ntls = \"direct\"\n\
         [[listen]]\nkind = \"component\"\naddress = \"{ROUTER_ADDRESS}:{COMPONENT_PORT}\"\n\
         [[domain]]\nname = \"{COMPONENT_DOMAIN}\"\n{identity}\
         component = {{ secret = \"{COMPONENT_SECRET}\" }}\n\
         [trust]\nminimum = \"{minimum}\"\nroots = \"{roots}\"\n\
         [dns]\nservers = [\"{DNS_ADDRESS}:53\"]\n\
         [outbound]\nallow_private = [\"10.53.0.0/24\"]\n\
         [log]\nlevel = \"debug\"\n",
        state = folder.join("state").display(),
        roots = stage.authority_file().display(),
    )
}
