//! `prepare`: the authority, the certificates and what else the server under test needs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use s2s_testkit::certs::{Authority, CertSpec, Eku};
use s2s_testkit::federation::Credentials;
use s2s_testkit::federation::plan::PORT_DEFAULT;

use crate::args::PrepareArgs;
use crate::run::peers;
use crate::scenario::{self, Rung, Scenario};

const AUTHORITY: &str = "peerage-loadgen throw-away CA";
const CA: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const HOSTED: &str = "hosted";

/// Writes the directory and says what to do with it.
pub(crate) fn run(args: &PrepareArgs) -> anyhow::Result<()> {
    let scenario = scenario::load(&args.scenario)?;
    write(&args.dir, &args.hosted).with_context(|| format!("writing to {}", args.dir.display()))?;
    print!("{}", notes(args, &scenario.name, &scenario.scenario));
    Ok(())
}

/// Writes the directory, and says nothing.
pub(crate) fn write(dir: &Path, hosted: &[String]) -> anyhow::Result<()> {
    fs::create_dir_all(dir)?;
    let authority = Authority::new(AUTHORITY);
    fs::write(dir.join(CA), authority.root_pem())?;
    fs::write(dir.join(CA_KEY), authority.key_pem())?;
    let names: Vec<_> = hosted.iter().map(String::as_str).collect();
    // Servers present this one in both roles as well, so it says what old peers want to read.
    let issued = authority.issue(CertSpec { eku: Eku::Both, ..CertSpec::for_dns(&names) });
    issued.write_pem(dir, HOSTED)?;
    fs::write(dir.join("hosted.pem"), format!("{}{}", issued.chain_pem, issued.key_pem))?;
    Ok(())
}

/// The authority of the directory.
pub(crate) fn read(dir: &Path) -> anyhow::Result<Authority> {
    let file = |name: &str| {
        let path = dir.join(name);
        fs::read_to_string(&path)
            .with_context(|| {
                format!(
                    "{} cannot be read: run `peerage-loadgen prepare --dir {} --hosted DOMAIN`, then give its certificate to the server",
                    path.display(),
                    dir.display()
                )
            })
    };
    let (root, key) = (file(CA)?, file(CA_KEY)?);
    let root = Credentials::roots_from_pem(root.as_bytes())
        .with_context(|| dir.join(CA).display().to_string())?;
    let root = root.into_iter().next().context("no certificate in the PEM text")?;
    Authority::again(AUTHORITY, root, &key).with_context(|| dir.join(CA_KEY).display().to_string())
}

fn notes(args: &PrepareArgs, name: &str, scenario: &Scenario) -> String {
    let shown = args.dir.display();
    let mut text = format!(
        "\
{shown}/ca.crt        authority: the server under test must trust it for other servers
{shown}/ca.key        its key, for loadgen alone: the remotes get their certificates when a run begins
{shown}/hosted.crt    certificate of {hosted}, chain in PEM
{shown}/hosted.key    its key, PKCS #8 in PEM
{shown}/hosted.pem    both in one file (ejabberd)

The server under test has to
  - serve {hosted} as an external component (XEP-0114), with hosted.crt towards other servers,
  - accept what the remotes of the scenario {name} offer:
",
        hosted = args.hosted.join(", "),
    );
    for (kind, domains) in scenario.kinds().iter().zip(scenario.domains_of_kinds()) {
        let proof = match kind.rung {
            Rung::Promiscuous => "a name that is only asserted",
            Rung::Verified => "dialback in the clear",
            Rung::Secure => "dialback with both legs under TLS, whatever the certificate",
            Rung::Trusted => "TLS and SASL EXTERNAL with a certificate of ca.crt",
        };
        let domain = peers::domain(kind, "<number>");
        // Writing to a string does not fail.
        let _ = writeln!(text, "      {domains:>6} x {domain}: {proof}");
    }
    let _ = write!(
        text,
        "  - resolve *.{} at the address given to `run --dns` (default 127.0.0.1:5353), unless --direction is in and nobody dials
    back; the remotes listen on 127.16.0.1 and following, ports {PORT_DEFAULT} to {} of each process.
loadgen/README.md shows this for ejabberd, Prosody, jabberd2 and Peerage.
",
        peers::REMOTES_UNDER,
        PORT_DEFAULT + peers::PORTS_A_PROCESS - 1
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosted() -> Vec<String> {
        vec!["echo.example.org".to_owned()]
    }

    #[test]
    fn what_is_written_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("new");
        write(&dir, &hosted()).unwrap();
        let authority = read(&dir).unwrap();
        assert_eq!(authority.root_pem(), fs::read_to_string(dir.join("ca.crt")).unwrap());
        assert_eq!(authority.key_pem(), fs::read_to_string(dir.join("ca.key")).unwrap());
        assert!(dir.join("hosted.pem").exists());
    }

    #[test]
    fn a_directory_that_was_not_prepared_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = format!("{:#}", read(dir.path()).err().unwrap());
        assert!(
            error.contains("ca.crt cannot be read: run `peerage-loadgen prepare --dir "),
            "{error}"
        );
    }

    #[test]
    fn the_notes_name_every_kind_of_the_scenario() {
        let args =
            PrepareArgs { dir: "lg".into(), hosted: hosted(), scenario: "ladder".to_owned() };
        let text = notes(&args, "ladder", &scenario::load("ladder").unwrap().scenario);
        for words in [
            "    30 x d<number>.promiscuous.peers.example: a name that is only asserted",
            "    60 x d<number>.secure.peers.example: dialback with both legs under TLS",
            "ports 15269 to 15271",
        ] {
            assert!(text.contains(words), "{words:?} is missing in\n{text}");
        }
    }
}
