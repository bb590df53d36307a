//! ejabberd 23.01, unmodified, as the remote server, or in the router's place (for comparisons of CPU time).
//!
//! The Erlang machine is started directly, not through `ejabberdctl`: no distribution (so no epmd), no change of user, everything in
//! the test's folder, and the child process *is* the `beam.smp` whose CPU time counts ([`Server::process_id`]).

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use s2s_testkit::process::{Log, Process};

use crate::certificates::Identity;
use crate::matrix::{Proof, Rung};
use crate::party::Party;
use crate::stage::{
    BACKEND_ADDRESS, C2S_PORT, COMPONENT_DOMAIN, COMPONENT_PORT, COMPONENT_SECRET, HOSTED_DOMAIN,
    PEER_ADDRESS, PEER_DOMAIN, ROUTER_ADDRESS, S2S_PORT, S2S_TLS_PORT, Stage,
};

/// Where Debian's ejabberd and its libraries are.
const ERLANG_LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";

/// A running ejabberd.
pub struct Server {
    process: Process,
    /// Its log, at level info.
    pub log: Log,
}

impl Server {
    /// The remote server: [`PEER_DOMAIN`] with one account, demanding `rung` of every other server.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_peer(stage: &Stage, rung: Rung, identity: Option<&Identity>) -> Result<Self> {
        let folder = stage.folder("ejabberd-peer")?;
        let mut listeners = listener(PEER_ADDRESS, C2S_PORT, "ejabberd_c2s")
            + &listener(PEER_ADDRESS, S2S_PORT, "ejabberd_s2s_in");
        if identity.is_some() {
            listeners += &listener(PEER_ADDRESS, S2S_TLS_PORT, "ejabberd_s2s_in");
            listeners += "    tls: true\n";
        }
        let authority = stage.authority_file();
        let text = configuration(&authority, rung, identity, &folder, PEER_DOMAIN, &listeners)?;
        let ports = [C2S_PORT, S2S_PORT].map(|port| SocketAddr::from((PEER_ADDRESS, port)));
        let command = Command::new("erl");
        let server = Server::start(stage, "ejabberd-peer", command, &folder, &text, &ports)?;
        Party::register(ports[0], PEER_DOMAIN)?;
        Ok(server)
    }

    /// In the router's place: [`COMPONENT_DOMAIN`] as an external component.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_router(stage: &Stage, rung: Rung, identity: Option<&Identity>) -> Result<Self> {
        let folder = stage.folder("ejabberd-router")?;
        let component = format!(
            "    access: all\n    shaper: none\n    hosts:\n      {COMPONENT_DOMAIN}:\n        \
             password: \"{COMPONENT_SECRET}\"\n"
        );
        let listeners = listener(ROUTER_ADDRESS, S2S_PORT, "ejabberd_s2s_in")
            + &listener(ROUTER_ADDRESS, COMPONENT_PORT, "ejabberd_service")
            + &component;
        let authority = stage.authority_file();
        let text =
            configuration(&authority, rung, identity, &folder, "capulet.example", &listeners)?;
        let ports = [S2S_PORT, COMPONENT_PORT].map(|port| SocketAddr::from((ROUTER_ADDRESS, port)));
        Server::start(stage, "ejabberd-router", Command::new("erl"), &folder, &text, &ports)
    }

    /// Behind the router: [`HOSTED_DOMAIN`] with one account. It trusts the router's internal authority and no other.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_behind(stage: &Stage, rung: Rung, identity: Option<&Identity>) -> Result<Self> {
        let folder = stage.folder("ejabberd-behind")?;
        let listeners = listener(BACKEND_ADDRESS, C2S_PORT, "ejabberd_c2s")
            + &listener(BACKEND_ADDRESS, S2S_PORT, "ejabberd_s2s_in");
        let authority = stage.inside_authority_file();
        let text = configuration(&authority, rung, identity, &folder, HOSTED_DOMAIN, &listeners)?;
        let ports = [C2S_PORT, S2S_PORT].map(|port| SocketAddr::from((BACKEND_ADDRESS, port)));
        let command = stage.behind_the_router("erl");
        let server = Server::start(stage, "ejabberd-behind", command, &folder, &text, &ports)?;
        Party::register(ports[0], HOSTED_DOMAIN)?;
        Ok(server)
    }

    /// The process id of the Erlang machine (`beam.smp`), for `/proc/PID/stat`.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Logs the account in.
    ///
    /// # Errors
    /// When it refuses.
    pub fn user(&self) -> Result<Party> {
        Party::user((PEER_ADDRESS, C2S_PORT).into(), PEER_DOMAIN)
    }

    /// That both directions with the router's domain `hosted` were authenticated as `rung` says, by this server's own log.
    ///
    /// # Errors
    /// When they were not.
    pub fn check_rung(
        &self,
        rung: Rung,
        router_proves_by: Proof,
        hosted: &str,
    ) -> Result<Vec<String>> {
        let peer_proves_by = if rung == Rung::Trusted { Proof::External } else { Proof::Dialback };
        let seen = vec![
            format!(
                "Accepted outbound s2s {peer_proves_by} authentication {PEER_DOMAIN} -> {hosted}"
            ),
            // COMPAT(ejabberd 23.01): it refuses a serverAuth-only certificate of a server that connects, and takes dialback then.
            format!(
                "Accepted inbound s2s {router_proves_by} authentication {hosted} -> {PEER_DOMAIN}"
            ),
        ];
        for words in &seen {
            self.log.line(words)?;
        }
        let encrypted = self.log.text()?.contains("(tls|");
        ensure!(encrypted == (rung != Rung::Verified), "TLS was used: {encrypted}");
        Ok(seen)
    }

    /// Name and version, as its log says them.
    ///
    /// # Errors
    /// When the log says none.
    pub fn version(&self) -> Result<String> {
        let line = self.log.line(" is started in the node ")?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "ejabberd").context("no version")?;
        Ok(words[at..at + 2].join(" "))
    }

    fn start(
        stage: &Stage,
        title: &str,
        mut command: Command,
        folder: &Path,
        configuration: &str,
        ports: &[SocketAddr],
    ) -> Result<Self> {
        let file = folder.join("ejabberd.yml");
        fs::write(&file, configuration)?;
        let log = folder.join("ejabberd.log");
        stage.watch_log(title, &log);
        command
            .env("HOME", folder)
            .env("ERL_LIBS", ERLANG_LIBRARIES)
            .env("EJABBERD_CONFIG_PATH", &file)
            .env("EJABBERD_LOG_PATH", &log)
            .args(["-noinput", "+K", "true", "-mnesia", "dir"])
            .arg(format!("\"{}\"", folder.join("database").display()))
            .args(["-s", "ejabberd"]);
        let process = Process::start(title, command, &folder.join("console.log"), ports)?;
        Ok(Server { process, log: Log::new(log) })
    }
}

fn listener(address: Ipv4Addr, port: u16, module: &str) -> String {
    format!("  -\n    ip: \"{address}\"\n    port: {port}\n    module: {module}\n")
}

fn configuration(
    authority: &Path,
    rung: Rung,
    identity: Option<&Identity>,
    folder: &Path,
    host: &str,
    listeners: &str,
) -> Result<String> {
    let mut demands = match rung {
        Rung::Verified => "s2s_use_starttls: optional\n",
        Rung::Secure | Rung::Trusted => "s2s_use_starttls: required\n",
    }
    .to_owned();
    match identity {
        Some(identity) => demands += &certificate_file(identity, folder)?,
        None => demands = "s2s_use_starttls: false\n".to_owned(),
    }
    if rung == Rung::Trusted {
        demands += &format!("ca_file: \"{}\"\n", authority.display());
    }
    Ok(format!(
        "hosts:\n  - {host}\nloglevel: info\nlog_rotate_count: 0\n{demands}\
         auth_password_format: plain\nregistration_timeout: infinity\n\
         access_rules:\n  register:\n    allow: all\n\
         listen:\n{listeners}\
         modules:\n  mod_roster: {{}}\n  mod_register:\n    ip_access: all\n  mod_s2s_dialback: {{}}\n"
    ))
}

/// ejabberd reads certificate and key from one file.
fn certificate_file(identity: &Identity, folder: &Path) -> Result<String> {
    let both = fs::read_to_string(&identity.certificate)? + &fs::read_to_string(&identity.key)?;
    let file = folder.join("identity.pem");
    fs::write(&file, both)?;
    Ok(format!("certfiles:\n  - \"{}\"\n", file.display()))
}
