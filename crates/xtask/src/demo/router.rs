//! The router under the demo: configured, started, asked and stopped.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use s2s_testkit::certs::{Authority, CertSpec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The hosted domain, served by the component.
pub(crate) const HOSTED: &str = "echo.peerage.example";
/// What router and component know.
pub(crate) const SECRET: &str = "demo-secret-of-one-run";

const LOG: &str = "peerage.log";
const CONFIGURATION: &str = "peerage.toml";
/// Lines of the log that are shown on failure.
const TAIL_LINES: usize = 30;
/// How long the router may take to drain.
const DRAIN: Duration = Duration::from_secs(30);

/// Where the parts of the demo listen.
pub(crate) struct Places {
    pub(crate) s2s: SocketAddr,
    pub(crate) s2s_direct: SocketAddr,
    pub(crate) component: SocketAddr,
    pub(crate) admin: SocketAddr,
    dns: SocketAddr,
}

impl Places {
    /// Free ports below the ephemeral range, so that no outgoing connection takes one in between.
    pub(crate) fn choose(dns: SocketAddr) -> Result<Places> {
        let mut free = (20_000..32_000).step_by(7).filter_map(|port| {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            TcpListener::bind(address).ok().map(|_| address)
        });
        let mut next = || free.next().context("no free port on 127.0.0.1");
        Ok(Places { s2s: next()?, s2s_direct: next()?, component: next()?, admin: next()?, dns })
    }
}

/// Writes the certificates and the configuration.
pub(crate) fn configure(directory: &Path, places: &Places, authority: &Authority) -> Result<()> {
    authority.issue(CertSpec::for_dns(&[HOSTED])).write_pem(directory, "hosted")?;
    fs::write(directory.join("ca.crt"), authority.root_pem())?;
    fs::create_dir_all(directory.join("state"))?;
    let Places { s2s, s2s_direct, component, admin, dns } = places;
    let root =
        directory.to_str().context("the temporary directory has a name that is not UTF-8")?;
    let text = format!(
        r#"[router]
state_dir = '{root}/state'

[[listen]]
address = "{s2s}"
[[listen]]
address = "{s2s_direct}"
tls = "direct"
[[listen]]
kind = "component"
address = "{component}"

[[domain]]
name = "{HOSTED}"
certificate = '{root}/hosted.crt'
key = '{root}/hosted.key'
component = {{ secret = "{SECRET}" }}

[trust]
minimum = "verified"
roots = '{root}/ca.crt'
[[trust.rule]]
remote = "*.promiscuous.example"
minimum = "promiscuous"

[dns]
servers = ["{dns}"]
[outbound]
allow_private = ["127.0.0.0/8"]
[admin]
listen = "{admin}"
"#
    );
    fs::write(directory.join(CONFIGURATION), text).context("writing the configuration")
}

/// The running router. Dropping it kills it.
pub(crate) struct Router {
    child: Child,
    log: PathBuf,
    admin: SocketAddr,
}

impl Router {
    pub(crate) fn start(binary: &Path, directory: &Path, places: &Places) -> Result<Router> {
        let log = directory.join(LOG);
        let file = File::create(&log)?;
        let child = Command::new(binary)
            .args(["run", "--config"])
            .arg(directory.join(CONFIGURATION))
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        Ok(Router { child, log, admin: places.admin })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `/healthz` answers well.
    pub(crate) async fn wait_until_ready(&mut self, longest: Duration) -> Result<()> {
        let deadline = Instant::now() + longest;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("peerage ended at its start: {status}");
            }
            match get(self.admin, "/healthz").await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context("peerage is not ready"));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// The text of `/metrics`.
    pub(crate) async fn metrics(&self) -> Result<String> {
        get(self.admin, "/metrics").await
    }

    /// Asks it to drain and end (SIGTERM), and waits for that.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("peerage ended before it was asked to: {status}");
        }
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status()?;
        anyhow::ensure!(asked.success(), "SIGTERM could not be sent");
        let deadline = Instant::now() + DRAIN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "peerage ended with {status} after SIGTERM");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("peerage did not end within {} s of SIGTERM", DRAIN.as_secs())
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP request; the body of a 200.
async fn get(address: SocketAddr, path: &str) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(
                format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        anyhow::Ok(response)
    };
    let response =
        tokio::time::timeout(Duration::from_secs(5), exchange).await.context("no answer")??;
    let (head, body) = response.split_once("\r\n\r\n").context("not an HTTP response")?;
    let status = head.split(' ').nth(1);
    anyhow::ensure!(status == Some("200"), "{path}: {}", head.lines().next().unwrap_or_default());
    Ok(body.to_owned())
}
