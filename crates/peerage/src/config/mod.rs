//! The configuration file: reading, checking, and what it becomes.
//!
//! [`load`] is the way in. Every error of a file is reported together, each with file, line, key, value and what is allowed.
//! [`catalogue`] is the one place that knows the keys.

mod backends;
pub mod catalogue;
mod checks;
mod finding;
mod load;
mod reader;
pub mod reference;
mod syntax;
pub(crate) mod units;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use s2s_net::{BackendTls, Limits, Listener, RemoteProof, Timeouts};
use s2s_trust::Rung;
use xmpp_addr::DomainPattern;

pub use finding::{Finding, Located, Place, Refused, Severity};
pub use load::{Loaded, Surroundings, load, load_text};

/// A configuration file whose single values are within their ranges.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[router]`.
    pub router: Router,
    /// `[[listen]]`.
    pub listeners: Vec<Located<Listener>>,
    /// `[[domain]]`.
    pub domains: Vec<Domain>,
    /// `[trust]`.
    pub trust: Trust,
    /// `[dns]`.
    pub dns: Dns,
    /// `[outbound]`.
    pub outbound: Outbound,
    /// `[streams]`.
    pub streams: Streams,
    /// `[limits]`.
    pub limits: Limits,
    /// Whether the file sets `limits.links`; otherwise the descriptor limit decides.
    pub links_set: bool,
    /// `[timeouts]`.
    pub timeouts: Timeouts,
    /// `log.level`.
    pub log_level: LogLevel,
    /// `log.format`.
    pub log_format: LogFormat,
    /// `[admin]`.
    pub admin: Admin,
}

/// `[router]`.
#[derive(Clone, Debug)]
pub struct Router {
    /// None: one per core.
    pub shards: Option<u16>,
    /// Bind shards to cores.
    pub pin_to_cores: bool,
    /// Where the dialback secret lives.
    pub state_dir: Located<PathBuf>,
}

/// One `[[domain]]`.
#[derive(Clone, Debug)]
pub struct Domain {
    /// The name or wildcard.
    pub name: Located<DomainPattern>,
    /// The files of certificate chain and private key.
    pub certificate: Option<(Located<PathBuf>, Located<PathBuf>)>,
    /// What serves it; none only when the file was refused.
    pub served: Option<Served>,
    /// Line of the table.
    pub line: Option<usize>,
}

/// What serves a hosted domain.
#[derive(Clone, Debug)]
pub enum Served {
    /// `component = { ... }`: whoever knows this secret.
    Component(Located<Secret>),
    /// `backend = { ... }`: a server of the operator's.
    Backend(Box<Backend>),
}

/// `backend = { ... }` of one domain. Tables with one address describe one server.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Where it takes server-to-server streams.
    pub address: Located<SocketAddr>,
    /// TLS between it and the router.
    pub tls: Located<BackendTls>,
    /// The networks its connections come from, in order and without duplicates.
    pub sources: Vec<Located<IpNet>>,
    /// The file of its certificate or of its authority.
    pub certificate: Option<Located<PathBuf>>,
    /// How remote domains are proved to it.
    pub proof: Located<RemoteProof>,
    /// Links of one shard to one of its domains.
    pub links: Located<u16>,
    /// Line of the table.
    pub line: Option<usize>,
}

impl Config {
    /// The `backend` of every domain that has one, in the order of the file.
    pub fn backends(&self) -> impl Iterator<Item = &Backend> {
        self.domains.iter().filter_map(|domain| match &domain.served {
            Some(Served::Backend(backend)) => Some(&**backend),
            Some(Served::Component(_)) | None => None,
        })
    }

    /// Whose router this is, for the name of the internal CA: the first hosted domain.
    #[must_use]
    pub fn operator(&self) -> String {
        self.domains.first().map_or_else(String::new, |domain| match &domain.name.value {
            DomainPattern::Exact(name) | DomainPattern::Below(name) => name.to_string(),
            DomainPattern::Any => String::new(),
        })
    }

    /// The first `backend` of every server.
    pub fn servers(&self) -> Vec<&Backend> {
        let mut servers: Vec<&Backend> = Vec::new();
        for backend in self.backends() {
            if servers.iter().all(|other| other.address.value != backend.address.value) {
                servers.push(backend);
            }
        }
        servers
    }
}

/// Where a component secret is.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// In the configuration.
    Text(String),
    /// The first line of this file.
    File(PathBuf),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Secret::Text(_) => f.write_str("Text(…)"),
            Secret::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// `[trust]`.
#[derive(Clone, Debug)]
pub struct Trust {
    /// For pairs that no rule matches.
    pub minimum: Located<Rung>,
    /// Sources of certificate authorities.
    pub roots: Vec<Located<RootSource>>,
    /// `[[trust.rule]]`.
    pub rules: Vec<DomainRule>,
}

/// Certificate authorities to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootSource {
    /// Mozilla's list, as built in.
    Webpki,
    /// The store of the operating system.
    System,
    /// A PEM file.
    File(PathBuf),
}

/// One `[[trust.rule]]`.
#[derive(Clone, Debug)]
pub struct DomainRule {
    /// The hosted side.
    pub local: Located<DomainPattern>,
    /// The other side.
    pub remote: Located<DomainPattern>,
    /// What the pair must reach.
    pub minimum: Located<Rung>,
    /// Line of the table.
    pub line: Option<usize>,
}

/// `[dns]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Empty: those of the system.
    pub servers: Vec<SocketAddr>,
    /// For one query to one server.
    pub timeout_secs: u64,
    /// Queries before a lookup counts as failed for now.
    pub attempts: usize,
    /// Remote domains looked up at the same time.
    pub lookups_max: usize,
}

impl Default for Dns {
    fn default() -> Self {
        Dns { servers: Vec::new(), timeout_secs: 5, attempts: 2, lookups_max: 256 }
    }
}

/// `[outbound]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    /// Networks that may be dialled although the guard refuses them by default.
    pub allow_private: Vec<IpNet>,
}

/// `[streams]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    /// One connection may carry both directions (XEP-0288).
    pub bidi: bool,
}

impl Default for Streams {
    fn default() -> Self {
        Streams { bidi: true }
    }
}

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens.
    pub listen: Located<SocketAddr>,
    /// Whether it may be more than loopback.
    pub allow_remote: bool,
}

impl Default for Admin {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 5280));
        Admin { listen: Located::default_of(listen), allow_remote: false }
    }
}

/// The least severe lines that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Only what stops something.
    Error,
    /// What somebody should look at.
    Warn,
    /// What an operator wants to read back: starts, reloads, drains.
    Info,
    /// Single connections.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// In the order of the catalogue.
    pub const ALL: [LogLevel; 5] =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

#[cfg(test)]
mod tests;
