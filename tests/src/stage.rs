//! The namespace as seen from within: addresses, names, the DNS server, certificates, logs.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use s2s_testkit::process::{Process, tail};
use tempfile::TempDir;

use crate::certificates::Authority;
use crate::matrix::Transport;

/// Where the DNS server listens, port 53.
pub const DNS_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 1);
/// Where the remote server listens.
pub const PEER_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 2);
/// Where the router under test listens.
pub const ROUTER_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 3);

/// Where the server behind the router listens, in the tests that have one.
pub const BACKEND_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 4);
/// Where the router listens for that server. From there its connections come, too: on one interface the kernel takes the address
/// that is connected to.
pub const INSIDE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 5);
/// Where that server's own DNS server listens.
pub const INSIDE_DNS_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 6);

/// The remote server's domain. Not right under a top-level label, so that a wildcard can cover it; not under `.test`: libunbound answers for that itself (RFC 6761 §6.2).
pub const PEER_DOMAIN: &str = "chat.montague.example";
/// The hosted domain: a component attached to the router under test.
pub const COMPONENT_DOMAIN: &str = "gateway.capulet.example";
/// The domain of the server behind the router.
pub const HOSTED_DOMAIN: &str = "verona.capulet.example";
/// The secret of that component.
pub const COMPONENT_SECRET: &str = "wherefore-art-thou";

/// The s2s port with STARTTLS.
pub const S2S_PORT: u16 = 5269;
/// The s2s port with TLS from the first byte (XEP-0368).
pub const S2S_TLS_PORT: u16 = 5270;
/// The client port.
pub const C2S_PORT: u16 = 5222;
/// The component port (XEP-0114).
pub const COMPONENT_PORT: u16 = 5347;

/// Set to anything, it keeps each test's folder and prints its name.
pub const KEEP: &str = "PEERAGE_INTEROP_KEEP";

/// How many lines of each log a failed test shows.
const TAIL_LINES: usize = 60;

/// Everything the servers of one test share.
pub struct Stage {
    // Dropped before the folder with its configuration.
    dns: RefCell<Option<Process>>,
    authority: Authority,
    logs: RefCell<Vec<(String, PathBuf)>>,
    folder: TempDir,
}

impl Stage {
    /// Makes a folder and a certificate authority.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn set_up() -> Result<Self> {
        let mut folder = tempfile::Builder::new().prefix("peerage-interop-").tempdir()?;
        if std::env::var_os(KEEP).is_some() {
            folder.disable_cleanup(true);
            println!("configurations, certificates and logs stay in {}", folder.path().display());
        }
        let authority = Authority::create()?;
        fs::write(folder.path().join("ca.pem"), authority.certificate_pem())?;
        Ok(Stage { dns: RefCell::default(), authority, logs: RefCell::default(), folder })
    }

    /// Starts the DNS server: both domains can be reached over `transport`, everything else under `.example` does not exist.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn publish(&self, transport: Transport) -> Result<()> {
        *self.dns.borrow_mut() = Some(start_dns(self.folder.path(), transport, None)?);
        Ok(())
    }

    /// As [`Stage::publish`] with STARTTLS, but `domain` leads to `address`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn publish_elsewhere(&self, domain: &str, address: SocketAddrV4) -> Result<()> {
        let dns = start_dns(self.folder.path(), Transport::StartTls, Some((domain, address)))?;
        *self.dns.borrow_mut() = Some(dns);
        Ok(())
    }

    /// A folder for one server, made on first use.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, server: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(server);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// The authority that signs this test's certificates.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The authority's certificate as a PEM file.
    #[must_use]
    pub fn authority_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The internal authority of the router, which made it at its start.
    #[must_use]
    pub fn inside_authority_file(&self) -> PathBuf {
        self.folder.path().join("peerage/state/backend-ca.crt")
    }

    /// The resolver's file of the server behind the router.
    #[must_use]
    pub fn inside_resolver(&self) -> PathBuf {
        self.folder.path().join("inside-resolv.conf")
    }

    /// `program` as the server behind the router sees the world: with a resolver of its own, mounted as in the README.
    #[must_use]
    pub fn behind_the_router(&self, program: &str) -> Command {
        let mut command = Command::new("unshare");
        let mount = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        command.args(["--mount", "sh", "-c", mount]).arg(self.inside_resolver()).arg(program);
        command
    }

    /// Has the tail of this log shown should the test fail.
    pub fn watch_log(&self, title: &str, path: &Path) {
        self.logs.borrow_mut().push((title.to_owned(), path.to_owned()));
    }

    /// Prints the tail of every watched log.
    pub fn print_logs(&self) {
        for (title, path) in self.logs.borrow().iter() {
            print!("{}", tail(title, path, TAIL_LINES));
        }
        println!("----");
    }
}

fn start_dns(
    folder: &Path,
    transport: Transport,
    elsewhere: Option<(&str, SocketAddrV4)>,
) -> Result<Process> {
    let (service, port) = match transport {
        Transport::StartTls => ("_xmpp-server", S2S_PORT),
        Transport::DirectTls => ("_xmpps-server", S2S_TLS_PORT),
    };
    let mut text = format!(
        "listen-address={DNS_ADDRESS}\nbind-interfaces\nport=53\nuser=root\nno-resolv\nno-hosts\n\
         pid-file=\nlocal=/example/\nlog-queries\nlog-facility=-\n"
    );
    for (domain, target, address) in [
        (PEER_DOMAIN, "xmpp.montague.example", PEER_ADDRESS),
        (COMPONENT_DOMAIN, "router.capulet.example", ROUTER_ADDRESS),
        (HOSTED_DOMAIN, "router.capulet.example", ROUTER_ADDRESS),
    ] {
        if elsewhere.is_none_or(|(moved, _)| moved != domain) {
            writeln!(text, "srv-host={service}._tcp.{domain},{target},{port},0,0")?;
        }
        writeln!(text, "host-record={target},{address}")?;
    }
    if let Some((domain, address)) = elsewhere {
        let (target, port) = (format!("elsewhere.{domain}"), address.port());
        writeln!(text, "srv-host={service}._tcp.{domain},{target},{port},0,0")?;
        writeln!(text, "host-record={target},{}", address.ip())?;
    }
    let file = folder.join("dnsmasq.conf");
    fs::write(&file, text)?;
    let mut command = Command::new("dnsmasq");
    command.arg("--keep-in-foreground").arg(format!("--conf-file={}", file.display()));
    let port = SocketAddr::from((DNS_ADDRESS, 53));
    Process::start("dnsmasq", command, &folder.join("dnsmasq.log"), &[port])
}
