//! Prosody, unmodified, as the remote server or (to prove the harness) in the router's place.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use s2s_testkit::process::{Log, Process};

use crate::certificates::Identity;
use crate::matrix::{Proof, Rung};
use crate::party::{PASSWORD, Party, USER};
use crate::stage::{
    BACKEND_ADDRESS, C2S_PORT, COMPONENT_DOMAIN, COMPONENT_PORT, COMPONENT_SECRET, HOSTED_DOMAIN,
    PEER_ADDRESS, PEER_DOMAIN, ROUTER_ADDRESS, S2S_PORT, S2S_TLS_PORT, Stage,
};

/// A running Prosody.
pub struct Server {
    _process: Process,
    /// Its log, at level debug.
    pub log: Log,
}

impl Server {
    /// The remote server: [`PEER_DOMAIN`] with one account, demanding `rung` of every other server.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_peer(stage: &Stage, rung: Rung, identity: Option<&Identity>) -> Result<Self> {
        add_account(&stage.folder(Role::Peer.title())?, PEER_DOMAIN)?;
        let host = format!("VirtualHost \"{PEER_DOMAIN}\"\n");
        Server::start(stage, Role::Peer, rung, identity, &host)
    }

    /// Behind the router: [`HOSTED_DOMAIN`] with one account. It trusts the router's internal authority and no other.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_behind(stage: &Stage, rung: Rung, identity: Option<&Identity>) -> Result<Self> {
        add_account(&stage.folder(Role::Behind.title())?, HOSTED_DOMAIN)?;
        let host = format!("VirtualHost \"{HOSTED_DOMAIN}\"\n");
        Server::start(stage, Role::Behind, rung, identity, &host)
    }

    /// Like [`Server::start_peer`], with mod_s2s_bidi (XEP-0288).
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_bidi_peer(stage: &Stage, rung: Rung, identity: Option<&Identity>) -> Result<Self> {
        add_account(&stage.folder(Role::Peer.title())?, PEER_DOMAIN)?;
        let host =
            format!("VirtualHost \"{PEER_DOMAIN}\"\n modules_enabled = {{ \"s2s_bidi\" }}\n");
        Server::start(stage, Role::Peer, rung, identity, &host)
    }

    /// In the router's place: [`COMPONENT_DOMAIN`] as an external component.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_router(stage: &Stage, rung: Rung, identity: Option<&Identity>) -> Result<Self> {
        let host = format!(
            "VirtualHost \"capulet.example\"\n\
             Component \"{COMPONENT_DOMAIN}\"\n component_secret = \"{COMPONENT_SECRET}\"\n"
        );
        Server::start(stage, Role::Router, rung, identity, &host)
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
        let mut seen = Vec::new();
        for words in [
            format!("Incoming s2s connection {hosted}->{PEER_DOMAIN} complete"),
            format!("Outgoing s2s connection {PEER_DOMAIN}->{hosted} complete"),
        ] {
            self.log.line(&words)?;
        }
        if rung == Rung::Trusted {
            ensure!(router_proves_by == Proof::External, "Prosody runs without dialback here");
            for words in [
                format!("SASL EXTERNAL with {hosted} succeeded"),
                format!("Accepting SASL EXTERNAL identity from {hosted}"),
            ] {
                self.log.line(&words)?;
                seen.push(words);
            }
            return Ok(seen);
        }
        let text = self.log.text()?;
        ensure!(!text.contains("Accepting SASL EXTERNAL"), "a certificate was enough");
        let encrypted = text.contains("TLS handshake complete");
        ensure!(encrypted == (rung == Rung::Secure), "TLS was used: {encrypted}");
        for host in [PEER_DOMAIN, hosted] {
            let words = format!("is now authenticated for {host}");
            if text.contains(&words) {
                seen.push(words);
            }
        }
        Ok(seen)
    }

    /// Name and version, as its log says them.
    ///
    /// # Errors
    /// When the log says none.
    pub fn version(&self) -> Result<String> {
        let line = self.log.line("Hello and welcome to Prosody version ")?;
        Ok(format!("Prosody {}", line.rsplit(' ').next().unwrap_or_default()))
    }

    fn start(
        stage: &Stage,
        role: Role,
        rung: Rung,
        identity: Option<&Identity>,
        host: &str,
    ) -> Result<Self> {
        let folder = stage.folder(role.title())?;
        let log = folder.join("prosody.log");
        let file = folder.join("prosody.cfg.lua");
        fs::write(&file, configuration(stage, role, rung, identity, &folder, &log) + host)?;
        stage.watch_log(role.title(), &log);
        let mut command = match role {
            Role::Behind => stage.behind_the_router("prosody"),
            Role::Peer | Role::Router => Command::new("prosody"),
        };
        command.arg("--config").arg(&file).arg("-F");
        let ports = role.ports().map(|port| SocketAddr::from((role.address(), port)));
        let process = Process::start(role.title(), command, &folder.join("console.log"), &ports)?;
        Ok(Server { _process: process, log: Log::new(log) })
    }
}

/// Where a Prosody of the suite stands.
#[derive(Clone, Copy)]
enum Role {
    Peer,
    Router,
    Behind,
}

impl Role {
    fn title(self) -> &'static str {
        match self {
            Role::Peer => "prosody-peer",
            Role::Router => "prosody-router",
            Role::Behind => "prosody-behind",
        }
    }

    fn address(self) -> Ipv4Addr {
        match self {
            Role::Peer => PEER_ADDRESS,
            Role::Router => ROUTER_ADDRESS,
            Role::Behind => BACKEND_ADDRESS,
        }
    }

    /// Whose certificates it trusts.
    fn authority(self, stage: &Stage) -> PathBuf {
        match self {
            Role::Peer | Role::Router => stage.authority_file(),
            Role::Behind => stage.inside_authority_file(),
        }
    }

    fn ports(self) -> [u16; 2] {
        match self {
            Role::Peer | Role::Behind => [C2S_PORT, S2S_PORT],
            Role::Router => [COMPONENT_PORT, S2S_PORT],
        }
    }
}

/// The global part; it differs between rungs in what is demanded of other servers and in nothing else.
fn configuration(
    stage: &Stage,
    role: Role,
    rung: Rung,
    identity: Option<&Identity>,
    folder: &Path,
    log: &Path,
) -> String {
    let tls = match identity {
        Some(identity) => tls_options(identity, &role.authority(stage)),
        None => "modules_disabled = { \"tls\" }\n".to_owned(),
    };
    let demands = match rung {
        Rung::Verified => "s2s_require_encryption = false\ns2s_secure_auth = false\n",
        Rung::Secure => "s2s_require_encryption = true\ns2s_secure_auth = false\n",
        // Without mod_dialback nothing but the certificate can authenticate.
        Rung::Trusted => {
            "modules_disabled = { \"dialback\" }\n\
             s2s_require_encryption = true\ns2s_secure_auth = true\n"
        }
    };
    format!(
        "run_as_root = true\n\
         pidfile = \"{pid}\"\n\
         data_path = \"{folder}\"\n\
         log = {{ debug = \"{log}\" }}\n\
         interfaces = {{ \"{address}\" }}\n\
         component_interfaces = {{ \"{address}\" }}\n\
         component_ports = {{ {COMPONENT_PORT} }}\n\
         authentication = \"internal_plain\"\n\
         c2s_require_encryption = false\n\
         allow_unencrypted_plain_auth = true\n\
         modules_enabled = {{ \"roster\", \"saslauth\", \"tls\", \"dialback\", \"disco\" }}\n\
         {tls}{demands}",
        pid = folder.join("prosody.pid").display(),
        folder = folder.display(),
        log = log.display(),
        address = role.address(),
    )
}

fn tls_options(identity: &Identity, authority: &Path) -> String {
    format!(
        "ssl = {{ certificate = \"{}\", key = \"{}\", cafile = \"{}\" }}\n\
         s2s_direct_tls_ports = {{ {S2S_TLS_PORT} }}\n",
        identity.certificate.display(),
        identity.key.display(),
        authority.display()
    )
}

/// Prosody's file storage: `DATA/HOST/STORE/USER.dat`, names escaped like in a URL.
fn add_account(folder: &Path, domain: &str) -> Result<()> {
    let accounts = folder.join(domain.replace('.', "%2e")).join("accounts");
    fs::create_dir_all(&accounts)?;
    let record = format!("return {{ [\"password\"] = \"{PASSWORD}\"; }};\n");
    Ok(fs::write(accounts.join(format!("{USER}.dat")), record)?)
}
