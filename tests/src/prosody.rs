//! Prosody, unmodified, as the remote server or (to prove the harness) in the router's place.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::certificates::{self, Identity};
use crate::matrix::Rung;
use crate::party::{PASSWORD, Party, USER};
use crate::process::{self, Process};
use crate::stage::{
    C2S_PORT, COMPONENT_DOMAIN, COMPONENT_PORT, COMPONENT_SECRET, PEER_ADDRESS, PEER_DOMAIN,
    ROUTER_ADDRESS, S2S_PORT, S2S_TLS_PORT, Stage,
};

/// A running Prosody.
pub struct Server {
    _process: Process,
    log: PathBuf,
}

impl Server {
    /// The remote server: [`PEER_DOMAIN`] with one account, demanding `rung` of every other server.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_peer(stage: &Stage, rung: Rung) -> Result<Self> {
        add_account(&stage.folder(Role::Peer.title())?)?;
        let host = format!("VirtualHost \"{PEER_DOMAIN}\"\n");
        Server::start(stage, Role::Peer, rung, &host)
    }

    /// In the router's place: [`COMPONENT_DOMAIN`] as an external component.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_router(stage: &Stage, rung: Rung) -> Result<Self> {
        let host = format!(
            "VirtualHost \"capulet.example\"\n\
             Component \"{COMPONENT_DOMAIN}\"\n component_secret = \"{COMPONENT_SECRET}\"\n"
        );
        Server::start(stage, Role::Router, rung, &host)
    }

    /// Logs the account in.
    ///
    /// # Errors
    /// When it refuses.
    pub fn user(&self) -> Result<Party> {
        Party::user((PEER_ADDRESS, C2S_PORT).into(), PEER_DOMAIN)
    }

    /// That both directions were authenticated as `rung` says, by this server's own log.
    ///
    /// # Errors
    /// When they were not.
    pub fn check_rung(&self, rung: Rung) -> Result<()> {
        let log = &self.log;
        for end in [
            format!("Incoming s2s connection {COMPONENT_DOMAIN}->{PEER_DOMAIN} complete"),
            format!("Outgoing s2s connection {PEER_DOMAIN}->{COMPONENT_DOMAIN} complete"),
        ] {
            process::wait_for_line(log, &end)?;
        }
        if rung == Rung::Trusted {
            let accepted = format!("Accepting SASL EXTERNAL identity from {COMPONENT_DOMAIN}");
            process::wait_for_line(log, &accepted)?;
            let succeeded = format!("SASL EXTERNAL with {COMPONENT_DOMAIN} succeeded");
            return process::wait_for_line(log, &succeeded);
        }
        let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
        ensure!(!text.contains("Accepting SASL EXTERNAL"), "a certificate was enough");
        let encrypted = text.contains("TLS handshake complete");
        ensure!(encrypted == (rung == Rung::Secure), "TLS was used: {encrypted}");
        Ok(())
    }

    fn start(stage: &Stage, role: Role, rung: Rung, host: &str) -> Result<Self> {
        let folder = stage.folder(role.title())?;
        let log = folder.join("prosody.log");
        let file = folder.join("prosody.cfg.lua");
        fs::write(&file, configuration(stage, role, rung, &folder, &log)? + host)?;
        stage.watch_log(role.title(), &log);
        let mut command = Command::new("prosody");
        command.arg("--config").arg(&file).arg("-F");
        let ports = role.ports().map(|port| SocketAddr::from((role.address(), port)));
        let process = Process::start(role.title(), command, &folder.join("console.log"), &ports)?;
        Ok(Server { _process: process, log })
    }
}

/// Where a Prosody of the suite stands.
#[derive(Clone, Copy)]
enum Role {
    Peer,
    Router,
}

impl Role {
    fn title(self) -> &'static str {
        match self {
            Role::Peer => "prosody-peer",
            Role::Router => "prosody-router",
        }
    }

    fn address(self) -> Ipv4Addr {
        match self {
            Role::Peer => PEER_ADDRESS,
            Role::Router => ROUTER_ADDRESS,
        }
    }

    fn domain(self) -> &'static str {
        match self {
            Role::Peer => PEER_DOMAIN,
            Role::Router => COMPONENT_DOMAIN,
        }
    }

    fn ports(self) -> [u16; 2] {
        match self {
            Role::Peer => [C2S_PORT, S2S_PORT],
            Role::Router => [COMPONENT_PORT, S2S_PORT],
        }
    }
}

/// The global part; it differs between rungs in what is demanded of other servers and in nothing else.
fn configuration(
    stage: &Stage,
    role: Role,
    rung: Rung,
    folder: &Path,
    log: &Path,
) -> Result<String> {
    let demands = match rung {
        Rung::Verified => {
            "modules_disabled = { \"tls\" }\ns2s_require_encryption = false\ns2s_secure_auth = false\n"
                .to_owned()
        }
        Rung::Secure => {
            let identity = certificates::self_signed(role.domain(), folder)?;
            let tls = tls_options(&identity, None);
            format!("{tls}s2s_require_encryption = true\ns2s_secure_auth = false\n")
        }
        Rung::Trusted => {
            let identity = stage.authority().issue(role.domain(), folder)?;
            let tls = tls_options(&identity, Some(&stage.authority_file()));
            // Without mod_dialback nothing but the certificate can authenticate.
            format!(
                "{tls}modules_disabled = {{ \"dialback\" }}\n\
                 s2s_require_encryption = true\ns2s_secure_auth = true\n"
            )
        }
    };
    Ok(format!(
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
         {demands}",
        pid = folder.join("prosody.pid").display(),
        folder = folder.display(),
        log = log.display(),
        address = role.address(),
    ))
}

fn tls_options(identity: &Identity, authority: Option<&Path>) -> String {
    let authority =
        authority.map_or(String::new(), |file| format!(" cafile = \"{}\",", file.display()));
    format!(
        "ssl = {{ certificate = \"{}\", key = \"{}\",{authority} }}\n\
         s2s_direct_tls_ports = {{ {S2S_TLS_PORT} }}\n",
        identity.certificate.display(),
        identity.key.display()
    )
}

/// Prosody's file storage: `DATA/HOST/STORE/USER.dat`, names escaped like in a URL.
fn add_account(folder: &Path) -> Result<()> {
    let accounts = folder.join(PEER_DOMAIN.replace('.', "%2e")).join("accounts");
    fs::create_dir_all(&accounts)?;
    let record = format!("return {{ [\"password\"] = \"{PASSWORD}\"; }};\n");
    Ok(fs::write(accounts.join(format!("{USER}.dat")), record)?)
}
