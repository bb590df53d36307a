//! `prepare`: the authority, the certificates and what else the server under test needs.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use s2s_testkit::certs::{Authority, CertSpec, Eku};
use s2s_testkit::federation::Credentials;

use crate::args::{PrepareArgs, Usage};

/// Every remote's domain ends so.
pub(crate) const REMOTES_UNDER: &str = "peers.example";

const CA: &str = "ca.crt";
const REMOTES: &str = "remotes";
const HOSTED: &str = "hosted";

/// Writes the directory.
pub(crate) fn run(args: &PrepareArgs) -> anyhow::Result<()> {
    let dir = &args.dir;
    write(args).with_context(|| format!("writing to {}", dir.display()))?;
    let shown = dir.display();
    println!(
        "\
{shown}/ca.crt        authority: the server under test must trust it for other servers
{shown}/hosted.crt    certificate of {hosted}, chain in PEM
{shown}/hosted.key    its key, PKCS #8 in PEM
{shown}/hosted.pem    both in one file (ejabberd)
{shown}/remotes.crt   certificate of the remotes, *.{REMOTES_UNDER}
{shown}/remotes.key   its key

The server under test has to
  - serve {hosted} as an external component (XEP-0114), with hosted.crt towards other servers,
  - demand TLS and trust ca.crt, so that remotes authenticate with SASL EXTERNAL,
  - resolve names at the address given to `dense --dns` (default 127.0.0.1:5353).
loadgen/README.md shows this for ejabberd, Prosody and Peerage.",
        hosted = args.hosted,
    );
    Ok(())
}

fn write(args: &PrepareArgs) -> anyhow::Result<()> {
    let dir = &args.dir;
    fs::create_dir_all(dir)?;
    let authority = Authority::new("peerage-loadgen throw-away CA");
    fs::write(dir.join(CA), authority.root_pem())?;
    // Servers present this one in both roles as well, so it says what old peers want to read.
    let hosted = authority.issue(CertSpec { eku: Eku::Both, ..CertSpec::for_dns(&[&args.hosted]) });
    hosted.write_pem(dir, HOSTED)?;
    fs::write(dir.join("hosted.pem"), format!("{}{}", hosted.chain_pem, hosted.key_pem))?;
    let eku = match args.usage {
        Usage::Server => Eku::ServerOnly,
        Usage::Both => Eku::Both,
    };
    let wildcard = format!("*.{REMOTES_UNDER}");
    authority.issue(CertSpec { eku, ..CertSpec::for_dns(&[&wildcard]) }).write_pem(dir, REMOTES)?;
    Ok(())
}

/// What a run reads from the directory.
pub(crate) struct Prepared {
    pub(crate) ca_pem: Vec<u8>,
    pub(crate) remotes: Credentials,
}

/// Reads the directory.
pub(crate) fn read(dir: &Path) -> anyhow::Result<Prepared> {
    let file = |name: &str| {
        let path = dir.join(name);
        fs::read(&path)
            .with_context(|| format!("{} (written by `peerage-loadgen prepare`)", path.display()))
    };
    let remotes = Credentials::from_pem(&file("remotes.crt")?, &file("remotes.key")?)?;
    Ok(Prepared { ca_pem: file(CA)?, remotes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let args = PrepareArgs {
            dir: dir.path().join("new"),
            hosted: "echo.example.org".to_owned(),
            usage: Usage::Server,
        };
        run(&args).unwrap();
        let prepared = read(&args.dir).unwrap();
        assert_eq!(prepared.remotes.chain.len(), 1);
        assert!(prepared.ca_pem.starts_with(b"-----BEGIN CERTIFICATE-----"));
        assert!(args.dir.join("hosted.pem").exists());
    }

    #[test]
    fn a_directory_that_was_not_prepared_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = format!("{:#}", read(dir.path()).err().unwrap());
        assert!(error.contains("remotes.crt (written by `peerage-loadgen prepare`)"), "{error}");
    }
}
