//! What is asked of a server, in no server's own words.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use s2s_testkit::federation::Rung;

use super::{Recipe, Software};

/// What is asked of a server.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Its own folder: empty or not there. Configuration, data and logs go there.
    pub(crate) folder: PathBuf,
    /// What it hosts, each as an external component (XEP-0114).
    pub(crate) domains: Vec<String>,
    /// What it and the components know.
    pub(crate) secret: String,
    /// Where it accepts other servers, with STARTTLS. HAProxy accepts TLS there.
    pub(crate) s2s: SocketAddr,
    /// Where it accepts components.
    pub(crate) component: SocketAddr,
    /// Where ejabberd takes commands over HTTP.
    pub(crate) control: SocketAddr,
    /// Certificate chain of the domains, its key, and both in one file; PEM.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) both: PathBuf,
    /// The authority it has to trust, PEM.
    pub(crate) authority: PathBuf,
    /// The least it demands of other servers.
    pub(crate) minimum: Rung,
    /// Its DNS server. Only Peerage and Prosody can be told one with another port than 53, and the others read `resolv.conf`.
    pub(crate) dns: SocketAddr,
    /// Core it is pinned to.
    pub(crate) core: Option<usize>,
    /// Peerage's binary; without one it is that beside this program.
    pub(crate) peerage: Option<PathBuf>,
    /// Where HAProxy passes on what arrives, over TLS.
    pub(crate) forward: SocketAddr,
    /// The name that the server there has to prove.
    pub(crate) forward_name: String,
}

impl Plan {
    /// A file in the server's folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `program` on the server's core. It ends with this process, however that ends.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(core) = self.core {
            command.args(["taskset", "--cpu-list"]).arg(core.to_string());
        }
        command.arg(program.as_ref());
        command
    }

    /// Refuses what cannot be written into every configuration as it is, and what the server cannot do.
    pub(super) fn check(&self, software: Software, recipe: &dyn Recipe) -> Result<()> {
        ensure!(!self.domains.is_empty(), "a server needs a domain to host");
        for domain in self.domains.iter().chain([&self.forward_name]) {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
            ensure!(
                !domain.is_empty() && domain.chars().all(plain),
                "{domain:?} is not a domain in lower-case ASCII"
            );
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        ensure!(
            !self.secret.is_empty() && self.secret.chars().all(plain),
            "the component secret may have letters, digits, '.', '_' and '-': it is written into configurations of five kinds"
        );
        for path in [&self.folder, &self.certificate, &self.key, &self.both, &self.authority] {
            let text = path.to_string_lossy();
            let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
            ensure!(
                path.is_absolute() && text.chars().all(plain),
                "{text:?}: paths must be absolute, of letters, digits and \"/._-+\": they are written into configurations of five kinds"
            );
        }
        let rungs = recipe.rungs();
        let known: Vec<_> = rungs.iter().map(|rung| rung.name()).collect();
        ensure!(
            rungs.contains(&self.minimum),
            "{} cannot demand {:?} of other servers, only {}",
            software.name(),
            self.minimum.name(),
            known.join(", ")
        );
        Ok(())
    }
}
