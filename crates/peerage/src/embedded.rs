//! The configuration of `peerage run` without a file: its own CA, a throw-away identity, loopback only.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use time::{Duration, OffsetDateTime};

use crate::config::{Loaded, Refused, Surroundings, load};
use crate::state::{self, StateError};

/// The hosted wildcard: names under localhost are loopback everywhere (RFC 6761 §6.3).
pub const DOMAIN: &str = "*.peerage.localhost";
/// Longer than a throw-away identity lives.
const DAYS: i64 = 365;

/// A directory with everything; removed when it is dropped.
pub struct Embedded {
    directory: PathBuf,
    secret: String,
}

/// Why the embedded configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The temporary directory.
    #[error("{0}")]
    State(#[from] StateError),
    /// The certificate generator.
    #[error("cannot make the throw-away certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// It was refused: a bug.
    #[error("the embedded configuration is refused:\n{0}")]
    Refused(#[from] Refused),
}

impl Embedded {
    /// Makes CA, certificate, secret and configuration file below `parent`.
    ///
    /// # Errors
    /// When `parent` cannot be written or there is no randomness.
    pub fn create(parent: &Path) -> Result<Self, EmbeddedError> {
        let mut name = state::random_hex()?;
        name.truncate(16);
        let directory = parent.join(format!("peerage-{name}"));
        state::create_directory(&directory)?;
        let embedded = Embedded { directory, secret: state::random_hex()? };
        embedded.write_certificates()?;
        state::write_private(&embedded.file(), embedded.toml().as_bytes())?;
        Ok(embedded)
    }

    /// The configuration file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join("peerage.toml")
    }

    /// Reads it as any other.
    ///
    /// # Errors
    /// [`EmbeddedError::Refused`] is a bug.
    pub fn load(&self, surroundings: Surroundings) -> Result<Loaded, EmbeddedError> {
        Ok(load(&self.file(), surroundings)?)
    }

    /// What to do with it, for the person who started it.
    #[must_use]
    pub fn next_steps(&self) -> String {
        let (directory, secret) = (self.directory.display(), &self.secret);
        format!(
            "\
Peerage runs with its embedded configuration: loopback only, everything is gone when it ends.

  attach a component   host 127.0.0.1, port 5347
                       name echo.peerage.localhost (or any other name below peerage.localhost)
                       secret {secret}
  let a server in      it connects to 127.0.0.1:5269 (STARTTLS) or :5270 (direct TLS);
                       minimum rung \"secure\": dialback over TLS, any certificate
  its CA               {directory}/ca.pem
  the configuration    {directory}/peerage.toml
  look at it           curl http://127.0.0.1:5280/metrics

For your own domains: `peerage config reference > peerage.toml`, edit it, `peerage check --config peerage.toml`,
`peerage run --config peerage.toml`. Ctrl-C ends this one.
"
        )
    }

    fn toml(&self) -> String {
        // A path is text in quotes: TOML's literal strings take everything but a quote and a newline.
        let directory = self.directory.display();
        format!(
            "\
# The embedded configuration of `peerage run`. It is removed when the process ends.
[router]
state_dir = '{directory}/state'

[[listen]]
address = \"127.0.0.1:5269\"
[[listen]]
address = \"127.0.0.1:5270\"
tls = \"direct\"
[[listen]]
address = \"127.0.0.1:5347\"
kind = \"component\"

[[domain]]
name = \"{DOMAIN}\"
certificate = \"domain.crt\"
key = \"domain.key\"
component = {{ secret = \"{}\" }}

[trust]
minimum = \"secure\"
roots = [\"webpki\", \"ca.pem\"]

[outbound]
allow_private = [\"127.0.0.0/8\", \"::1/128\"]
",
            self.secret
        )
    }

    fn write_certificates(&self) -> Result<(), EmbeddedError> {
        let now = OffsetDateTime::from_unix_timestamp(Surroundings::here().now)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let dated = |names: Vec<String>| -> Result<CertificateParams, rcgen::Error> {
            let mut params = CertificateParams::new(names)?;
            params.not_before = now - Duration::hours(1);
            params.not_after = now + Duration::days(DAYS);
            Ok(params)
        };
        let mut ca = dated(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "Peerage throw-away CA");
        let ca_key = KeyPair::generate()?;
        let ca_certificate = ca.self_signed(&ca_key)?;
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate()?;
        let leaf = dated(vec![DOMAIN.to_owned()])?.signed_by(&key, &issuer)?;
        let write = |name: &str, pem: &str| {
            state::write_private(&self.directory.join(name), pem.as_bytes())
        };
        write("ca.pem", &ca_certificate.pem())?;
        write("domain.crt", &leaf.pem())?;
        write("domain.key", &key.serialize_pem())?;
        Ok(())
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // Nothing of it is worth keeping; what cannot be removed is in a temporary directory.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_configuration_is_accepted_and_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let embedded = Embedded::create(parent.path()).unwrap();
        let loaded = embedded.load(Surroundings::here()).unwrap();
        assert_eq!(loaded.warnings, []);
        assert!(loaded.config.listeners.iter().all(|l| l.value.address.ip().is_loopback()));
        assert!(embedded.next_steps().contains(&embedded.secret));
        drop(embedded);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
