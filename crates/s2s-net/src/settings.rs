//! What the control plane hands to the data plane: [`Boot`] once, [`Settings`] at every reload.
//!
//! Everything here is validated by the caller; the data plane only reads it.

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rustls::sign::CertifiedKey;
use s2s_proto::dialback;
use s2s_trust::{Policy, Roots};
use xmpp_addr::{Domain, DomainPattern};

/// What cannot change while the process runs.
pub struct Boot {
    /// Number of shard threads, 1 to 256. Default of the product: one per core.
    pub shards: u16,
    /// Pin shard *n* to the *n*-th core this process may use.
    pub pin_to_cores: bool,
    /// Sockets to accept on; every shard listens on each with `SO_REUSEPORT`.
    pub listeners: Vec<Listener>,
    /// Secret of this boot, from the operating system: keys the owner hash and seeds stream ids.
    pub boot_secret: [u8; 32],
    /// The first settings.
    pub settings: Arc<Settings>,
}

/// One listening address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where to listen; port 0 takes a free port (see `DataPlane::listening`).
    pub address: SocketAddr,
    /// What speaks there.
    pub kind: ListenerKind,
}

/// The protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// Server-to-server, STARTTLS (RFC 6120), port 5269 by convention.
    S2s,
    /// Server-to-server, TLS from the first byte (XEP-0368), port 5270 by convention.
    S2sDirectTls,
    /// External components (XEP-0114), port 5347 by convention.
    Component,
    /// The operator's own servers ([`Backend`]), server-to-server with STARTTLS. Answers in the name of every domain that
    /// is not theirs; never reachable for others.
    Backend,
}

/// What a reload may change without closing a stream.
#[derive(Clone)]
pub struct Settings {
    /// The hosted domains.
    pub domains: Vec<HostedDomain>,
    /// The minimum rung by (local, remote).
    pub policy: Policy,
    /// The certificate authorities that make a peer `trusted`.
    pub roots: Arc<Roots>,
    /// The dialback secret and, during rotation, the one before it.
    pub secret: Arc<dialback::Secret>,
    /// Issues the certificates that backends are shown for remote domains; without it there is no TLS on
    /// [`ListenerKind::Backend`], and no [`RemoteProof::Certificate`].
    pub leaves: Option<Arc<dyn LeafAuthority>>,
    /// Networks that outbound links may dial although the guard refuses them by default.
    pub allow_private: Vec<IpNet>,
    /// One connection may carry both directions (XEP-0288): offered and asked for, over TLS only.
    pub bidi: bool,
    /// Bounds.
    pub limits: Limits,
    /// Deadlines.
    pub timeouts: Timeouts,
}

/// A domain served behind this router.
#[derive(Clone)]
pub struct HostedDomain {
    /// `echo.example.org` or `*.gateway.example.org`.
    pub pattern: DomainPattern,
    /// Certificate chain and key shown for it; without one the domain federates in clear only.
    pub identity: Option<Arc<CertifiedKey>>,
    /// What serves it.
    pub service: Service,
}

/// What serves a hosted domain.
#[derive(Clone, PartialEq, Eq)]
pub enum Service {
    /// An external component (XEP-0114) that knows this secret.
    Component {
        /// The shared secret of the handshake.
        secret: String,
    },
    /// A server of the operator's. Domains with equal values are domains of one server.
    Backend(Backend),
}

/// A server of the operator's own that federates through this router without knowing of it: its resolver leads every
/// server-to-server name to [`ListenerKind::Backend`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Where it takes server-to-server streams.
    pub address: SocketAddr,
    /// TLS between it and this router, in both directions.
    pub tls: BackendTls,
    /// The networks its own connections come from. Whoever connects from there is taken for this server, if
    /// `certificates` says nothing else.
    pub sources: Vec<IpNet>,
    /// What its certificate is or chains to, in both directions; needs TLS. `None`: its addresses identify it.
    pub certificates: Option<BackendCertificates>,
    /// How remote domains are proved to it.
    pub proof: RemoteProof,
    /// Links of one shard to one of its domains, shared by all remote domains ([`RemoteProof::Dialback`] only). 1 to 64.
    pub links: u16,
}

/// The certificates that identify a backend. Equal when they are of the same file.
#[derive(Clone, Debug)]
pub struct BackendCertificates {
    /// Where they were read from.
    pub file: String,
    /// Authorities, and certificates that are listed themselves.
    pub roots: Arc<Roots>,
}

impl PartialEq for BackendCertificates {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file
    }
}

impl Eq for BackendCertificates {}

/// TLS towards a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackendTls {
    /// Used where the backend offers it or asks for it.
    Optional,
    /// No stanza crosses without it.
    Required,
}

/// How this router proves to a backend that it speaks for a remote domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemoteProof {
    /// By server dialback: the backend asks the authoritative server of the remote domain, which its resolver takes for us.
    /// Many remote domains share a link.
    Dialback,
    /// By SASL EXTERNAL with a certificate in the remote domain's name: the backend trusts the [`LeafAuthority`]. One link
    /// for each pair.
    Certificate,
}

/// Issues certificates in the names of remote domains, and of hosted ones that a backend talks to, for the eyes of backends only.
///
/// Called on the data plane, in a TLS handshake: it must not block, and keeps what it issued.
pub trait LeafAuthority: Send + Sync {
    /// Chain and key for this remote domain, valid now and for a while.
    ///
    /// # Errors
    /// In words for the log.
    fn leaf(&self, remote: &Domain) -> Result<Arc<CertifiedKey>, String>;
}

/// Bounds of the data plane. Sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest first-level element after authentication. Default 524,288 (512 KiB); RFC 6120 §13.12
    /// forbids less than 10,000.
    pub stanza_bytes: usize,
    /// Largest first-level element before authentication. Default 8,192.
    pub preauth_bytes: usize,
    /// Deepest nesting inside one first-level element. Default 128.
    pub depth: usize,
    /// Most attributes of one element. Default 64.
    pub attributes: usize,
    /// Most links of the whole process; idle ones are closed, least recently used first, before a
    /// new one is refused. Default: three quarters of the file descriptor limit.
    pub links: usize,
    /// Most links to one backend ([`RemoteProof::Certificate`]: one for each pair). Each shard may open its part of them, at
    /// least one to each; idle ones are closed, least recently used first, before stanzas bounce. Default 1,000.
    pub backend_links: usize,
    /// Most stanzas waiting for one domain pair. Default 4,096.
    pub queue_stanzas: usize,
    /// Most bytes waiting for one domain pair. Default 4 MiB.
    pub queue_bytes: usize,
    /// Most bytes waiting on one shard. Default 256 MiB.
    pub queue_total_bytes: usize,
    /// Most bytes accepted for one link whose peer does not read. Default 8 MiB.
    pub outbox_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            stanza_bytes: 512 * 1024,
            preauth_bytes: 8 * 1024,
            depth: 128,
            attributes: 64,
            links: 15_000,
            backend_links: 1_000,
            queue_stanzas: 4_096,
            queue_bytes: 4 << 20,
            queue_total_bytes: 256 << 20,
            outbox_bytes: 8 << 20,
        }
    }
}

/// Deadlines of the data plane, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// One TCP connection attempt. Default 10.
    pub connect_secs: u32,
    /// From the first byte to the first verified pair, TLS and verification included: keep it above
    /// `verify_secs`, so that a key that cannot be verified is answered. Default 60.
    pub negotiation_secs: u32,
    /// One dialback verification, the connection to the authoritative server included. Default 30.
    pub verify_secs: u32,
    /// A link on which nothing was read or written for so long is closed. Default 600.
    pub idle_secs: u32,
    /// A stanza waits at most this long for its link. Default 60.
    pub queue_secs: u32,
    /// A drained router closes what is left after this. Default 10.
    pub drain_secs: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect_secs: 10,
            negotiation_secs: 60,
            verify_secs: 30,
            idle_secs: 600,
            queue_secs: 60,
            drain_secs: 10,
        }
    }
}

impl Settings {
    /// The domains served by components, with their secrets.
    pub(crate) fn components(&self) -> impl Iterator<Item = (&HostedDomain, &str)> {
        self.domains.iter().filter_map(|domain| match &domain.service {
            Service::Component { secret } => Some((domain, secret.as_str())),
            Service::Backend(_) => None,
        })
    }

    /// Whether `entry`, of other settings, is one of these too, served in the same way.
    pub(crate) fn serves(&self, entry: &HostedDomain) -> bool {
        self.domains.iter().any(|own| own.pattern == entry.pattern && own.service == entry.service)
    }

    /// The hosted entry that covers `domain`, the most specific one.
    #[must_use]
    pub fn hosted(&self, domain: &Domain) -> Option<&HostedDomain> {
        self.domains
            .iter()
            .filter(|entry| entry.pattern.matches(domain))
            .max_by_key(|entry| entry.pattern.specificity())
    }
}
