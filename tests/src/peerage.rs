//! Peerage as the router under test.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use s2s_testkit::process::{Log, Process};

use crate::behind;
use crate::certificates::Identity;
use crate::matrix::Rung;
use crate::router::Choice;
use crate::stage::{
    BACKEND_ADDRESS, COMPONENT_DOMAIN, COMPONENT_PORT, COMPONENT_SECRET, DNS_ADDRESS,
    HOSTED_DOMAIN, INSIDE_ADDRESS, ROUTER_ADDRESS, S2S_PORT, S2S_TLS_PORT, Stage,
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
        let inside = format!(
            "[[listen]]\nkind = \"component\"\naddress = \"{ROUTER_ADDRESS}:{COMPONENT_PORT}\"\n"
        );
        let component = format!("component = {{ secret = \"{COMPONENT_SECRET}\" }}\n");
        let hosted = hosted(COMPONENT_DOMAIN, identity, &component);
        let inside_port = SocketAddr::from((ROUTER_ADDRESS, COMPONENT_PORT));
        Server::run(stage, rung, &(inside + &hosted), inside_port)
    }

    /// In front of an unmodified server at [`BACKEND_ADDRESS`], which serves [`HOSTED_DOMAIN`].
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_in_front(
        stage: &Stage,
        rung: Rung,
        identity: Option<&Identity>,
        demand: behind::Demand,
    ) -> Result<Self> {
        let inside =
            format!("[[listen]]\nkind = \"backend\"\naddress = \"{INSIDE_ADDRESS}:{S2S_PORT}\"\n");
        let how = match demand {
            behind::Demand::Dialback => "tls = \"optional\"".to_owned(),
            behind::Demand::Tls => "tls = \"required\"".to_owned(),
            behind::Demand::Certificates => {
                format!("proof = \"certificate\", certificate = {:?}", stage.authority_file())
            }
        };
        let backend = format!(
            "backend = {{ address = \"{BACKEND_ADDRESS}:{S2S_PORT}\", from = \"{INSIDE_ADDRESS}\", {how} }}\n"
        );
        let hosted = hosted(HOSTED_DOMAIN, identity, &backend);
        let inside_port = SocketAddr::from((INSIDE_ADDRESS, S2S_PORT));
        Server::run(stage, rung, &(inside + &hosted), inside_port)
    }

    fn run(stage: &Stage, rung: Rung, inside: &str, inside_port: SocketAddr) -> Result<Self> {
        let folder = stage.folder("peerage")?;
        let file = folder.join("peerage.toml");
        fs::write(&file, configuration(stage, &folder, rung, inside))?;
        let binary = std::env::var_os(BINARY).with_context(|| format!("{BINARY} is not set"))?;
        let mut command = Command::new(binary);
        command.arg("run").arg("--config").arg(&file);
        let log = folder.join("peerage.log");
        stage.watch_log("Peerage, the router", &log);
        let ports = [SocketAddr::from((ROUTER_ADDRESS, S2S_PORT)), inside_port];
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

/// A hosted domain; `service` says what serves it.
fn hosted(domain: &str, identity: Option<&Identity>, service: &str) -> String {
    let identity = identity.map_or(String::new(), |identity| {
        format!(
            "certificate = \"{}\"\nkey = \"{}\"\n",
            identity.certificate.display(),
            identity.key.display()
        )
    });
    format!("[[domain]]\nname = \"{domain}\"\n{identity}{service}")
}

/// `inside` says what is hosted, and where it attaches.
fn configuration(stage: &Stage, folder: &Path, rung: Rung, inside: &str) -> String {
    // The words of the configuration are those of the page.
    let minimum = rung;
    format!(
        "[router]\nshards = 2\nstate_dir = \"{state}\"\n\
         [[listen]]\naddress = \"{ROUTER_ADDRESS}:{S2S_PORT}\"\n\
         [[listen]]\naddress = \"{ROUTER_ADDRESS}:{S2S_TLS_PORT}\"\ntls = \"direct\"\n\
         {inside}\
         [trust]\nminimum = \"{minimum}\"\nroots = \"{roots}\"\n\
         [dns]\nservers = [\"{DNS_ADDRESS}:53\"]\n\
         [outbound]\nallow_private = [\"10.53.0.0/24\"]\n\
         [log]\nlevel = \"debug\"\n",
        state = folder.join("state").display(),
        roots = stage.authority_file().display(),
    )
}
