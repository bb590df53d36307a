//! SIGHUP: configuration and certificates are read again; on any error the old settings stay.

use std::path::PathBuf;
use std::sync::Arc;

use s2s_net::{LeafAuthority, Settings};
use s2s_proto::dialback::Secret;
use tracing::warn;

use crate::config::{Config, Dns, Loaded, LogLevel, Surroundings, load};
use crate::leaves::{self, Leaves};
use crate::state;

/// The configuration in force, and where it comes from.
pub struct Reload {
    /// None: the embedded configuration, which has no file to read again.
    file: Option<PathBuf>,
    current: Loaded,
    secret: Arc<Secret>,
    /// None when no domain has a backend.
    leaves: Option<Arc<Leaves>>,
    /// The command line wins over the file.
    level_fixed: bool,
}

/// What a reload changed.
pub struct Reloaded {
    /// For the shards.
    pub settings: Arc<Settings>,
    /// The `[dns]` to make a new resolver from, when the old one may be out of date.
    pub dns: Option<Dns>,
    /// The new level, when it differs.
    pub log_level: Option<LogLevel>,
}

impl Reload {
    /// The configuration of the start.
    #[must_use]
    pub fn new(
        file: Option<PathBuf>,
        current: Loaded,
        secret: Arc<Secret>,
        leaves: Option<Arc<Leaves>>,
        level_fixed: bool,
    ) -> Self {
        Reload { file, current, secret, leaves, level_fixed }
    }

    /// The configuration in force.
    #[must_use]
    pub fn current(&self) -> &Loaded {
        &self.current
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        let leaves = self.leaves.clone().map(|leaves| leaves as Arc<dyn LeafAuthority>);
        self.current.settings(Arc::clone(&self.secret), leaves)
    }

    /// The leaf authority in force; none when no domain has a backend.
    #[must_use]
    pub fn leaves(&self) -> Option<&Leaves> {
        self.leaves.as_deref()
    }

    /// Reads everything again; none when there is no file.
    ///
    /// # Errors
    /// Every problem, in words; nothing has changed then.
    pub fn run(&mut self) -> Result<Option<Reloaded>, Vec<String>> {
        let Some(file) = &self.file else { return Ok(None) };
        let surroundings = Surroundings::here();
        let mut loaded = load(file, surroundings)
            .map_err(|refused| refused.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        // The directory of the start: a new one would need a restart.
        let directory = &self.current.config.router.state_dir.value;
        let secret = state::open_secret(directory).map_err(|error| vec![error.to_string()])?;
        let leaves = leaves::open(&loaded, directory, self.leaves.as_deref(), surroundings.now)
            .map_err(|error| vec![error.to_string()])?;

        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        let expiry = |leaves: &Leaves| leaves.authority().validity(surroundings.now);
        if let Some(problem) = leaves.as_ref().and_then(expiry) {
            warn!("{problem}");
        }
        for name in fixed_at_start(&self.current, &loaded) {
            warn!("{name} has changed in {}: that needs a restart", loaded.file);
        }
        keep_fixed(&self.current, &mut loaded);

        let (old, new) = (&self.current.config, &loaded.config);
        // Without servers of its own it follows /etc/resolv.conf, which may have changed.
        let dns = (old.dns != new.dns || new.dns.servers.is_empty()).then(|| new.dns.clone());
        let log_level =
            (old.log_level != new.log_level && !self.level_fixed).then_some(new.log_level);
        self.current = loaded;
        self.secret = secret;
        self.leaves = leaves.map(Arc::new);
        Ok(Some(Reloaded { settings: self.settings(), dns, log_level }))
    }
}

/// The keys that changed although they hold for the life of the process.
fn fixed_at_start(old: &Loaded, new: &Loaded) -> Vec<&'static str> {
    let mut names = Vec::new();
    let mut differ = |name, same: bool| {
        if !same {
            names.push(name);
        }
    };
    let listeners = |config: &Config| config.listeners.iter().map(|l| l.value).collect::<Vec<_>>();
    let (before, after) = (&old.config, &new.config);
    differ("router.shards", old.shards == new.shards);
    differ("router.pin_to_cores", before.router.pin_to_cores == after.router.pin_to_cores);
    differ("router.state_dir", before.router.state_dir.value == after.router.state_dir.value);
    differ("[[listen]]", listeners(before) == listeners(after));
    differ("admin.listen", before.admin.listen.value == after.admin.listen.value);
    differ("log.format", before.log_format == after.log_format);
    names
}

/// Those keys stay as they were, so that the next reload compares with what is really in force.
fn keep_fixed(old: &Loaded, new: &mut Loaded) {
    new.shards = old.shards;
    new.config.router = old.config.router.clone();
    new.config.listeners = old.config.listeners.clone();
    new.config.admin = old.config.admin.clone();
    new.config.log_format = old.config.log_format;
}

#[cfg(test)]
mod tests;
