//! The remote server: an unmodified one.

use std::fmt;

use anyhow::Result;
use s2s_testkit::process::Log;

use crate::certificates::Identity;
use crate::matrix::{Proof, Rung};
use crate::party::Party;
use crate::stage::Stage;
use crate::{ejabberd, prosody};

/// Which server stands on the remote side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// Prosody 0.12.
    Prosody,
    /// ejabberd 23.01.
    Ejabberd,
}

impl Software {
    /// Every server of the suite.
    pub const ALL: [Software; 2] = [Software::Prosody, Software::Ejabberd];
}

impl fmt::Display for Software {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Software::Prosody => "Prosody",
            Software::Ejabberd => "ejabberd",
        })
    }
}

/// A running remote server.
pub enum Peer {
    /// Prosody.
    Prosody(prosody::Server),
    /// ejabberd.
    Ejabberd(ejabberd::Server),
}

impl Peer {
    /// Starts it with one account, demanding `rung` of every other server and showing `identity`; without one it has no TLS.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        stage: &Stage,
        software: Software,
        rung: Rung,
        identity: Option<&Identity>,
    ) -> Result<Self> {
        Ok(match software {
            Software::Prosody => Peer::Prosody(prosody::Server::start_peer(stage, rung, identity)?),
            Software::Ejabberd => {
                Peer::Ejabberd(ejabberd::Server::start_peer(stage, rung, identity)?)
            }
        })
    }

    /// Logs the account in.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn user(&self) -> Result<Party> {
        match self {
            Peer::Prosody(server) => server.user(),
            Peer::Ejabberd(server) => server.user(),
        }
    }

    /// That both directions were authenticated on exactly this rung. Its configuration refuses anything below; that it was not
    /// something above, only the server's own log can tell. Returns the lines of the log that say so.
    ///
    /// # Errors
    /// When they were not.
    pub fn check_rung(
        &self,
        rung: Rung,
        router_proves_by: Proof,
        hosted: &str,
    ) -> Result<Vec<String>> {
        match self {
            Peer::Prosody(server) => server.check_rung(rung, router_proves_by, hosted),
            Peer::Ejabberd(server) => server.check_rung(rung, router_proves_by, hosted),
        }
    }

    /// Name and version, as its log says them.
    ///
    /// # Errors
    /// When the log says none.
    pub fn version(&self) -> Result<String> {
        match self {
            Peer::Prosody(server) => server.version(),
            Peer::Ejabberd(server) => server.version(),
        }
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Log {
        match self {
            Peer::Prosody(server) => &server.log,
            Peer::Ejabberd(server) => &server.log,
        }
    }
}
