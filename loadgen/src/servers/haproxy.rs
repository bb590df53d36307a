//! HAProxy 2.6 as the bound: it decrypts, encrypts and passes on bytes, and knows nothing of XMPP. What arrives at the s2s address goes to
//! `forward`, one connection for each. It checks certificates as the servers do, and so has one rung.

use std::process::Command;

use anyhow::{Context as _, Result};
use s2s_testkit::federation::Rung;

use super::{File, Launch, Plan, Raise, Recipe, Running};

const CONFIGURATION: &str = "haproxy.cfg";

pub(super) struct Haproxy;

impl Recipe for Haproxy {
    fn packages(&self) -> &'static [&'static str] {
        &["haproxy"]
    }

    fn programs(&self) -> &'static [&'static str] {
        &["haproxy"]
    }

    fn rungs(&self) -> &'static [Rung] {
        &[Rung::Trusted]
    }

    fn files(&self, plan: &Plan) -> Result<Vec<File>> {
        let text = format!(
            "global\n  nbthread 1\n  log stdout format raw local0 info\n\
             defaults\n  mode tcp\n  log global\n  timeout connect 10s\n  timeout client 1d\n  timeout server 1d\n\
             listen pump\n  \
             bind {s2s} ssl crt {both} ca-file {authority} verify optional\n  \
             server out {forward} ssl crt {both} ca-file {authority} verify required verifyhost {name} sni str({name})\n",
            s2s = plan.s2s,
            both = plan.both.display(),
            authority = plan.authority.display(),
            forward = plan.forward,
            name = plan.forward_name,
        );
        Ok(vec![File { name: CONFIGURATION, text }])
    }

    fn launches(&self, plan: &Plan) -> Result<Vec<Launch>> {
        let mut command = plan.command("haproxy");
        // In the foreground, in one process.
        command.arg("-db").arg("-f").arg(plan.file(CONFIGURATION));
        let console = plan.file("console.log");
        Ok(vec![Launch { name: "haproxy", command, console, ports: vec![plan.s2s] }])
    }

    fn version(&self, _: &Plan) -> Result<String> {
        let output = Command::new("haproxy").arg("-v").output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split_whitespace().nth(2).context("haproxy -v has no version")?;
        Ok(format!("HAProxy {version}"))
    }

    fn reload(&self, _: &Plan, _: &Running) -> Result<Raise> {
        Ok(Raise::Cannot("it knows no rungs"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::pki_types::ServerName;
    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    };
    use s2s_testkit::certs::{Authority, CertSpec, Eku, Issued};

    use super::*;
    use crate::servers::Software;

    #[test]
    #[ignore = "real server: needs HAProxy, setpriv; see cargo xtask test"]
    fn haproxy_decrypts_encrypts_and_passes_on_what_arrives() {
        Software::Haproxy.provide(false).unwrap();
        let folder = tempfile::Builder::new().prefix("montague").tempdir().unwrap();
        let authority = Authority::new("montague");
        let issue =
            |name: &str| authority.issue(CertSpec { eku: Eku::Both, ..CertSpec::for_dns(&[name]) });
        let (hosted, remote) = (issue("echo.example.org"), issue("r0.peers.example"));
        let forward = TcpListener::bind("127.0.0.1:0").unwrap();
        let plan = plan(folder.path(), &authority, &hosted, forward.local_addr().unwrap());
        let s2s = plan.s2s;
        let mut running = Running::start(Software::Haproxy, plan).unwrap();
        assert!(running.version().starts_with("HAProxy 2."), "{}", running.version());

        let server = std::thread::spawn(move || answer(&forward, &remote));
        let mut client = client(&authority, s2s);
        client.write_all(b"what light").unwrap();
        let mut text = [0; 10];
        client.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"through yo");
        assert_eq!(server.join().unwrap(), "what light");

        assert_eq!(
            running.raise_minimum(Rung::Trusted).unwrap_err().to_string(),
            "trusted is not above trusted, which is demanded now"
        );
        running.check().unwrap();
        let pids = running.pids().unwrap();
        running.stop().unwrap();
        for pid in pids {
            assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} remains");
        }
    }

    fn plan(folder: &Path, authority: &Authority, hosted: &Issued, forward: SocketAddr) -> Plan {
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        // Released at the end of the line; nobody else is given it in the moment until the server binds it.
        let s2s = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Plan {
            folder: folder.join("haproxy"),
            domains: vec!["echo.example.org".to_owned()],
            secret: "wherefore-art-thou".to_owned(),
            s2s,
            component: s2s,
            control: s2s,
            certificate: file("hosted.crt", &hosted.chain_pem),
            key: file("hosted.key", &hosted.key_pem),
            both: file("hosted.pem", &format!("{}{}", hosted.chain_pem, hosted.key_pem)),
            authority: file("ca.crt", &authority.root_pem()),
            minimum: Rung::Trusted,
            dns: "127.0.0.1:53".parse().unwrap(),
            core: None,
            peerage: None,
            forward,
            forward_name: "r0.peers.example".to_owned(),
        }
    }

    /// What the remote server behind the pump does: it reads ten bytes and answers with ten others.
    fn answer(listener: &TcpListener, remote: &Issued) -> String {
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(remote.chain.clone(), remote.key.clone_key())
            .unwrap();
        let config = Arc::new(config);
        // The look at whether the pump listens came through, too, and ended there.
        loop {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = StreamOwned::new(connection, stream);
            let mut text = [0; 10];
            if tls.read_exact(&mut text).is_ok() {
                assert_eq!(tls.conn.server_name(), Some("r0.peers.example"));
                tls.write_all(b"through yonder window breaks").unwrap();
                return String::from_utf8(text.to_vec()).unwrap();
            }
        }
    }

    fn client(authority: &Authority, s2s: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.root().clone()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("echo.example.org").unwrap();
        let stream = TcpStream::connect(s2s).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
    }
}
