//! The server behind the router, and the resolver that makes it take the router for everybody.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::Result;
use s2s_testkit::process::Process;

use super::Demand;
use crate::party::Party;
use crate::peer::Software;
use crate::stage::{
    BACKEND_ADDRESS, C2S_PORT, HOSTED_DOMAIN, INSIDE_ADDRESS, INSIDE_DNS_ADDRESS, PEER_DOMAIN,
    Stage,
};
use crate::{ejabberd, prosody};

/// A running server with one account, for [`HOSTED_DOMAIN`].
pub struct Server {
    _dns: Process,
    software: Running,
}

enum Running {
    Prosody(prosody::Server),
    Ejabberd(ejabberd::Server),
}

impl Server {
    /// Starts the resolver, then the server. The router runs already: with [`Demand::Certificates`] its internal authority is what
    /// the server trusts.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(stage: &Stage, software: Software, demand: Demand) -> Result<Self> {
        let dns = start_dns(stage)?;
        let folder = stage.folder("backend-certificate")?;
        let identity = stage.authority().identity(demand.certificate(), HOSTED_DOMAIN, &folder)?;
        let (rung, identity) = (demand.rung(), identity.as_ref());
        let software = match software {
            Software::Prosody => {
                Running::Prosody(prosody::Server::start_behind(stage, rung, identity)?)
            }
            Software::Ejabberd => {
                Running::Ejabberd(ejabberd::Server::start_behind(stage, rung, identity)?)
            }
        };
        Ok(Server { _dns: dns, software })
    }

    /// Logs the account in.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn user(&self) -> Result<Party> {
        Party::user((BACKEND_ADDRESS, C2S_PORT).into(), HOSTED_DOMAIN)
    }

    /// By what it and the router authenticated each other, in the words of its log.
    ///
    /// # Errors
    /// When that is not what `demand` says.
    pub fn check(&self, demand: Demand) -> Result<Vec<String>> {
        let (log, words) = match &self.software {
            Running::Prosody(server) => (&server.log, prosody_words(demand)),
            Running::Ejabberd(server) => (&server.log, ejabberd_words(demand)),
        };
        for words in &words {
            log.line(words)?;
        }
        Ok(words)
    }

    /// Name and version, as its log says them.
    ///
    /// # Errors
    /// When the log says none.
    pub fn version(&self) -> Result<String> {
        match &self.software {
            Running::Prosody(server) => server.version(),
            Running::Ejabberd(server) => server.version(),
        }
    }
}

fn prosody_words(demand: Demand) -> Vec<String> {
    if demand == Demand::Certificates {
        return vec![
            format!("SASL EXTERNAL with {PEER_DOMAIN} succeeded"),
            format!("Accepting SASL EXTERNAL identity from {PEER_DOMAIN}"),
        ];
    }
    vec![
        format!("Outgoing s2s connection {HOSTED_DOMAIN}->{PEER_DOMAIN} complete"),
        format!("connection {PEER_DOMAIN}->{HOSTED_DOMAIN} is now authenticated for {PEER_DOMAIN}"),
    ]
}

fn ejabberd_words(demand: Demand) -> Vec<String> {
    // Over TLS the router offers EXTERNAL to a server that it knows by its address.
    let out = if demand == Demand::Dialback { "dialback" } else { "EXTERNAL" };
    let back = if demand == Demand::Certificates { "EXTERNAL" } else { "dialback" };
    vec![
        format!("Accepted outbound s2s {out} authentication {HOSTED_DOMAIN} -> {PEER_DOMAIN}"),
        format!("Accepted inbound s2s {back} authentication {PEER_DOMAIN} -> {HOSTED_DOMAIN}"),
    ]
}

/// The resolver of the README: no record of any name but an address, the router's.
fn start_dns(stage: &Stage) -> Result<Process> {
    let folder = stage.folder("backend-dns")?;
    let mut text =
        String::from("bind-interfaces\nport=53\nuser=root\nno-resolv\nno-hosts\npid-file=\n");
    writeln!(text, "listen-address={INSIDE_DNS_ADDRESS}\naddress=/#/{INSIDE_ADDRESS}\nlocal=/#/")?;
    let file = folder.join("dnsmasq.conf");
    fs::write(&file, text)?;
    fs::write(stage.inside_resolver(), format!("nameserver {INSIDE_DNS_ADDRESS}\n"))?;
    let mut command = Command::new("dnsmasq");
    command.arg("--keep-in-foreground").arg(format!("--conf-file={}", file.display()));
    let port = SocketAddr::from((INSIDE_DNS_ADDRESS, 53));
    Process::start("dnsmasq-inside", command, &folder.join("dnsmasq.log"), &[port])
}
