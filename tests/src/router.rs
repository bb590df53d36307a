//! The router under test.

use anyhow::{Result, bail};

use crate::matrix::{Certificate, Rung};
use crate::party::Party;
use crate::stage::{COMPONENT_DOMAIN, COMPONENT_PORT, COMPONENT_SECRET, ROUTER_ADDRESS, Stage};
use crate::{ejabberd, peerage, prosody};

/// Chooses what stands in the router's place: `peerage` (the default), `prosody` or `ejabberd`.
pub const ROUTER: &str = "PEERAGE_INTEROP_ROUTER";

/// What stands between the component and the remote server.
pub enum Router {
    /// Peerage.
    Peerage(peerage::Server),
    /// Another Prosody that hosts the component: proves that the suite itself is right.
    Prosody(prosody::Server),
    /// ejabberd that hosts the component, for comparisons.
    Ejabberd(ejabberd::Server),
}

/// Which of them the environment asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Peerage.
    Peerage,
    /// Prosody.
    Prosody,
    /// ejabberd.
    Ejabberd,
}

impl Choice {
    /// Reads [`ROUTER`].
    ///
    /// # Errors
    /// When it names something else.
    pub fn from_environment() -> Result<Self> {
        match std::env::var(ROUTER).as_deref() {
            Err(_) | Ok("peerage") => Ok(Choice::Peerage),
            Ok("prosody") => Ok(Choice::Prosody),
            Ok("ejabberd") => Ok(Choice::Ejabberd),
            Ok(other) => bail!("{ROUTER}={other}: expected peerage, prosody or ejabberd"),
        }
    }
}

impl Router {
    /// Starts it with [`COMPONENT_DOMAIN`] hosted, demanding `rung` of every other server and showing `certificate`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(stage: &Stage, rung: Rung, certificate: Certificate) -> Result<Self> {
        let folder = stage.folder("router-certificate")?;
        let identity = stage.authority().identity(certificate, COMPONENT_DOMAIN, &folder)?;
        let identity = identity.as_ref();
        Ok(match Choice::from_environment()? {
            Choice::Peerage => Router::Peerage(peerage::Server::start(stage, rung, identity)?),
            Choice::Prosody => {
                Router::Prosody(prosody::Server::start_router(stage, rung, identity)?)
            }
            Choice::Ejabberd => {
                Router::Ejabberd(ejabberd::Server::start_router(stage, rung, identity)?)
            }
        })
    }

    /// Attaches the component.
    ///
    /// # Errors
    /// When the router refuses it.
    pub fn component(&self) -> Result<Party> {
        let port = (ROUTER_ADDRESS, COMPONENT_PORT).into();
        Party::component(port, COMPONENT_DOMAIN, COMPONENT_SECRET)
    }

    /// The first line of Peerage's own log with `words`.
    ///
    /// # Errors
    /// When there is none, or another router stands in.
    pub fn log_line(&self, words: &str) -> Result<String> {
        match self {
            Router::Peerage(server) => server.log.line(words),
            Router::Prosody(_) | Router::Ejabberd(_) => bail!("only Peerage's log is looked at"),
        }
    }

    /// Ends it; Peerage politely, and with a look at how it ended.
    ///
    /// # Errors
    /// When Peerage does not end as asked, or something in it panicked.
    pub fn stop(self) -> Result<()> {
        match self {
            Router::Peerage(server) => server.stop(),
            Router::Prosody(_) | Router::Ejabberd(_) => Ok(()),
        }
    }
}
