//! Servers under test, started with configurations that ask the same of each.
//!
//! [`Plan`] says what is wanted, once for all; a [`Recipe`] (one file a server) turns it into that server's own files and commands;
//! [`Running`] is the result: its processes, its version, its end. Nothing here speaks XMPP or measures.
//!
//! What is equal: certificates, domains, secret, addresses, the least rung, the DNS server, one core, one thread or scheduler that does the
//! work, log level info, no rate limits. What cannot be made equal stands at the head of each file.

mod ejabberd;
mod haproxy;
mod jabberd2;
mod packages;
mod peerage;
mod plan;
mod prosody;
mod running;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;
use s2s_testkit::federation::Rung;

pub(crate) use packages::is_root;
pub(crate) use plan::Plan;
pub(crate) use running::{Running, raise_descriptors};

/// A server that can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Software {
    /// The one beside this program, or --peerage-bin
    Peerage,
    /// Prosody 0.12
    Prosody,
    /// ejabberd 23.01
    Ejabberd,
    /// jabberd2 2.7: its router and its s2s
    Jabberd2,
    /// HAProxy 2.6, a byte pump: TLS in, TLS out, no XMPP
    Haproxy,
}

impl Software {
    /// The word for it on the command line and in records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Software::Peerage => "peerage",
            Software::Prosody => "prosody",
            Software::Ejabberd => "ejabberd",
            Software::Jabberd2 => "jabberd2",
            Software::Haproxy => "haproxy",
        }
    }

    /// How it is configured and run.
    pub(crate) fn recipe(self) -> &'static dyn Recipe {
        match self {
            Software::Peerage => &peerage::Peerage,
            Software::Prosody => &prosody::Prosody,
            Software::Ejabberd => &ejabberd::Ejabberd,
            Software::Jabberd2 => &jabberd2::Jabberd2,
            Software::Haproxy => &haproxy::Haproxy,
        }
    }

    /// Makes sure that it is installed, and installs it where that was asked for.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub(crate) fn provide(self, install: bool) -> Result<()> {
        packages::provide(self.name(), self.recipe().programs(), self.recipe().packages(), install)
    }
}

/// How one server is configured and run.
pub(crate) trait Recipe {
    /// Debian 12's packages; none for what is built here.
    fn packages(&self) -> &'static [&'static str];

    /// What must be found in `PATH`.
    fn programs(&self) -> &'static [&'static str];

    /// The rungs it can be asked to demand, from the lowest.
    fn rungs(&self) -> &'static [Rung];

    /// Its configuration: names in its folder, and texts.
    ///
    /// # Errors
    /// When something that the text is made of cannot be read.
    fn files(&self, plan: &Plan) -> Result<Vec<File>>;

    /// Its processes, in the order in which they are started.
    ///
    /// # Errors
    /// When what they need is not found.
    fn launches(&self, plan: &Plan) -> Result<Vec<Launch>>;

    /// Name and version, of what runs.
    ///
    /// # Errors
    /// When it does not say.
    fn version(&self, plan: &Plan) -> Result<String>;

    /// Has the running server demand `plan.minimum`. The files are written already.
    ///
    /// # Errors
    /// When it can, and did not.
    fn reload(&self, plan: &Plan, running: &Running) -> Result<Raise>;
}

/// A configuration file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

/// A process to start.
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
    /// What it writes to standard output and error.
    pub(crate) console: PathBuf,
    /// It has started when these accept.
    pub(crate) ports: Vec<std::net::SocketAddr>,
}

/// What came of raising the minimum at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Raise {
    /// In force; in the server's own words, where it has some.
    Done(String),
    /// It cannot, and why.
    Cannot(&'static str),
}
