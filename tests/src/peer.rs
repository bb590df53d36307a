//! The remote server: an unmodified one.

use anyhow::Result;

use crate::matrix::Rung;
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

/// A running remote server.
pub enum Peer {
    /// Prosody.
    Prosody(prosody::Server),
    /// ejabberd.
    Ejabberd(ejabberd::Server),
}

impl Peer {
    /// Starts it with one account, demanding `rung` of every other server.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(stage: &Stage, software: Software, rung: Rung) -> Result<Self> {
        Ok(match software {
            Software::Prosody => Peer::Prosody(prosody::Server::start_peer(stage, rung)?),
            Software::Ejabberd => Peer::Ejabberd(ejabberd::Server::start_peer(stage, rung)?),
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
    /// something above, only the server's own log can tell.
    ///
    /// # Errors
    /// When they were not.
    pub fn check_rung(&self, rung: Rung) -> Result<()> {
        match self {
            Peer::Prosody(server) => server.check_rung(rung),
            Peer::Ejabberd(server) => server.check_rung(rung),
        }
    }
}
