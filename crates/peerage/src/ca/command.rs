//! `peerage ca`: the internal CA for people. What a trust store takes goes to standard output, the words to standard error.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Authority, CaError, activate, inspect, inspect_next, open, stage};
use crate::certificate::show_time;
use crate::config::Loaded;

/// What a command says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// For a file: certificates in PEM.
    pub output: String,
    /// For the operator.
    pub words: String,
}

const INSTALL: &str = "
Standard output is what each backend trusts, all of it. Save it as a file there, for example peerage-ca.pem:

  ejabberd   s2s_cafile: /etc/ejabberd/peerage-ca.pem                   (ejabberd.yml)
  Prosody    s2s_ssl = { cafile = \"/etc/prosody/peerage-ca.pem\" }       (prosody.cfg.lua)

Nothing else may trust it: not the system's store, not a server of somebody else's.
";

const STAGED: &str = "
The rotation, step by step:

  1. Save standard output (the CA in use and the next one) as the trusted file of every backend, and make each read it
     again. Until then nothing changes.
  2. `peerage ca rotate --activate`, then SIGHUP to the running router: from now on it shows the next one.
  3. `peerage ca show`, and give every backend that file: the previous CA is trusted no longer.
";

const ACTIVATED: &str = "
It is in use from the next start of the router or the next SIGHUP. Then save standard output as the trusted file of every
backend: the previous CA, kept beside it as backend-ca.previous.*, needs to be trusted no longer.
";

/// Everything that a backend must trust now: the CA in use, and the next one while a rotation is under way.
///
/// # Errors
/// [`CaError`]; there may be none yet.
pub fn show(loaded: &Loaded) -> Result<Printed, CaError> {
    let directory = &loaded.config.router.state_dir.value;
    let current =
        inspect(directory)?.ok_or_else(|| CaError::None { directory: directory.to_owned() })?;
    let mut printed = Printed { output: current.pem.clone(), words: String::new() };
    describe(&mut printed.words, "the internal CA, in use", &current);
    if let Some(next) = inspect_next(directory)? {
        printed.output.push_str(&next.pem);
        describe(&mut printed.words, "staged, used after `peerage ca rotate --activate`", &next);
    }
    printed.words.push_str(INSTALL);
    Ok(printed)
}

/// Makes the CA if there is none.
///
/// # Errors
/// [`CaError`].
pub fn init(loaded: &Loaded, now: i64) -> Result<Printed, CaError> {
    let directory = &loaded.config.router.state_dir.value;
    open(directory, &loaded.config.operator(), now)?;
    let mut printed = show(loaded)?;
    foreign(&mut printed.words, directory);
    Ok(printed)
}

/// The first step of a rotation.
///
/// # Errors
/// [`CaError`].
pub fn rotate_stage(loaded: &Loaded, now: i64) -> Result<Printed, CaError> {
    let directory = &loaded.config.router.state_dir.value;
    stage(directory, &loaded.config.operator(), now)?;
    let mut printed = show(loaded)?;
    printed.words.push_str(STAGED);
    foreign(&mut printed.words, directory);
    Ok(printed)
}

/// The second step of a rotation.
///
/// # Errors
/// [`CaError`].
pub fn rotate_activate(loaded: &Loaded) -> Result<Printed, CaError> {
    let current = activate(&loaded.config.router.state_dir.value)?;
    let mut words = String::new();
    describe(&mut words, "the internal CA, in use now", &current);
    words.push_str(ACTIVATED);
    Ok(Printed { output: current.pem, words })
}

fn describe(words: &mut String, what: &str, authority: &Authority) {
    let (from, until) = (show_time(authority.not_before), show_time(authority.not_after));
    let _ = writeln!(
        words,
        "{what}\n  file      {}\n  name      {}\n  valid     {from} to {until}\n  SHA-256   {}",
        authority.file.display(),
        authority.name,
        authority.fingerprint_text()
    );
}

/// The router must read what somebody else has made.
fn foreign(words: &mut String, directory: &Path) {
    let Ok(owner) = fs::metadata(directory).map(|metadata| metadata.uid()) else { return };
    if owner != rustix::process::geteuid().as_raw() {
        let _ = writeln!(
            words,
            "\n{} belongs to another user (id {owner}): if the router runs as that one, chown the files to it.",
            directory.display()
        );
    }
}
