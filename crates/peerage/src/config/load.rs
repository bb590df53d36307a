//! [`load`]: a file becomes settings, or a list of everything that is wrong with it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use s2s_net::{Backend, BackendCertificates, HostedDomain, LeafAuthority, Service, Settings};
use s2s_proto::dialback;
use s2s_trust::{Policy, Roots, Rule};
use toml::de::DeTable;

use super::finding::{Finding, Located, Reading, Refused, Severity};
use super::{Config, RootSource, Secret, Served, checks, syntax};
use crate::certificate::{AboutFile, Identity};

/// Largest configuration file that is read.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// A component secret shorter than this is worth a warning.
const SECRET_CHARS_GOOD: usize = 16;
/// Descriptors that are no links: the ring, mailboxes, listeners, DNS, the admin port, logs.
const DESCRIPTORS_RESERVED: u64 = 64;

/// What a configuration is checked against besides itself.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// Unix seconds.
    pub now: i64,
    /// Descriptors the process may hold.
    pub descriptors_max: u64,
    /// Cores the process may use.
    pub cores: u16,
}

impl Surroundings {
    /// This process, now.
    #[must_use]
    pub fn here() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Surroundings {
            now: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            descriptors_max: crate::descriptors::limit(),
            cores: u16::try_from(cores).unwrap_or(256).min(256),
        }
    }
}

/// A configuration that may be used, with everything it refers to.
#[derive(Clone)]
pub struct Loaded {
    /// The file as the operator named it.
    pub file: String,
    /// Its values.
    pub config: Config,
    /// Threads that carry traffic.
    pub shards: u16,
    /// Certificates, one for each of `config.domains`.
    pub identities: Vec<Option<Identity>>,
    /// What serves them, one for each of `config.domains`.
    services: Vec<Service>,
    /// The minimum by pair.
    pub policy: Policy,
    /// The certificate authorities.
    pub roots: Arc<Roots>,
    /// What the operator should know, in the order of the file.
    pub warnings: Vec<Finding>,
}

impl Loaded {
    /// What the data plane gets. `leaves` is needed when a domain has a backend.
    #[must_use]
    pub fn settings(
        &self,
        secret: Arc<dialback::Secret>,
        leaves: Option<Arc<dyn LeafAuthority>>,
    ) -> Arc<Settings> {
        let entries = self.config.domains.iter().zip(&self.identities).zip(&self.services);
        let domains = entries
            .map(|((domain, identity), service)| HostedDomain {
                pattern: domain.name.value.clone(),
                identity: identity.as_ref().map(|identity| Arc::clone(&identity.key)),
                service: service.clone(),
            })
            .collect();
        Arc::new(Settings {
            domains,
            policy: self.policy.clone(),
            roots: Arc::clone(&self.roots),
            secret,
            leaves,
            allow_private: self.config.outbound.allow_private.clone(),
            bidi: self.config.streams.bidi,
            limits: self.config.limits,
            timeouts: self.config.timeouts,
        })
    }
}

/// Reads and checks a file.
///
/// # Errors
/// [`Refused`] with every finding of the file, errors and warnings.
pub fn load(file: &Path, surroundings: Surroundings) -> Result<Loaded, Refused> {
    let name = file.display().to_string();
    let unreadable = |problem: String| {
        Refused(vec![Finding {
            severity: Severity::Error,
            file: name.clone(),
            line: None,
            subject: String::new(),
            problem,
        }])
    };
    let metadata =
        fs::metadata(file).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(unreadable(format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    let text =
        fs::read_to_string(file).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    let base = file.parent().map(Path::to_path_buf).unwrap_or_default();
    load_text(&name, &text, &base, surroundings)
}

/// Reads and checks a text; relative paths in it start at `base`.
///
/// # Errors
/// As [`load`].
pub fn load_text(
    name: &str,
    text: &str,
    base: &Path,
    surroundings: Surroundings,
) -> Result<Loaded, Refused> {
    let reading = Reading::new(name, text);
    let (table, syntax_errors) = DeTable::parse_recoverable(text);
    for error in &syntax_errors {
        let line = error.span().map(|span| reading.line(span.start));
        let problem = format!("not TOML: {}", error.message().trim());
        reading.error_at(line, "", problem);
    }
    if !syntax_errors.is_empty() {
        return Err(Refused(reading.into_findings()));
    }

    let mut config = syntax::read(&reading, table.get_ref(), base);
    if !config.links_set {
        config.limits.links = links_default(surroundings.descriptors_max);
    }
    checks::check(&reading, &config);
    descriptors(&reading, &config, surroundings);
    let identities = identities(&reading, &config, surroundings.now);
    let services = services(&reading, &config);
    let roots = roots(&reading, &config);
    let policy = policy(&config);
    if let Err(problem) = &policy
        && !reading.has_errors()
    {
        reading.error(None, problem);
    }

    let shards = config.router.shards.unwrap_or(surroundings.cores).max(1);
    let failed = reading.has_errors();
    let findings = reading.into_findings();
    match (failed, policy, services) {
        (false, Ok(policy), Some(services)) => Ok(Loaded {
            file: name.to_owned(),
            config,
            shards,
            identities,
            services,
            policy,
            roots: Arc::new(roots),
            warnings: findings,
        }),
        _ => Err(Refused(findings)),
    }
}

/// Three quarters of the descriptors: the rest is for components in flight, DNS, and what else a process opens.
fn links_default(descriptors_max: u64) -> usize {
    let links = (descriptors_max / 4).saturating_mul(3).clamp(16, 10_000_000);
    usize::try_from(links).unwrap_or(usize::MAX)
}

fn descriptors(reading: &Reading<'_>, config: &Config, surroundings: Surroundings) {
    let links = config.limits.links as u64;
    let limit = surroundings.descriptors_max;
    if config.links_set && links.saturating_add(DESCRIPTORS_RESERVED) > limit {
        let problem = format!(
            "limits.links = {links} needs more file descriptors than this process may hold ({limit}, of which {DESCRIPTORS_RESERVED} are reserved): raise LimitNOFILE or `ulimit -n`"
        );
        reading.warning(None, problem);
    }
}

fn identities(reading: &Reading<'_>, config: &Config, now: i64) -> Vec<Option<Identity>> {
    let load = |domain: &super::Domain| {
        let (certificate, key) = domain.certificate.as_ref()?;
        match Identity::load(&certificate.value, &key.value, &domain.name.value) {
            Ok(identity) => {
                if let Some(problem) = identity.validity(now) {
                    let name = &domain.name.value;
                    let problem = format!("{problem} (domain {name})");
                    reading.warning(certificate.place.as_ref(), problem);
                }
                Some(identity)
            }
            Err(error) => {
                let file = match error.about {
                    AboutFile::Certificate => certificate,
                    AboutFile::Key => key,
                };
                let name = &domain.name.value;
                reading.error(file.place.as_ref(), format!("{error} (domain {name})"));
                None
            }
        }
    };
    config.domains.iter().map(load).collect()
}

/// One for each domain; none when there is an error about one of them.
fn services(reading: &Reading<'_>, config: &Config) -> Option<Vec<Service>> {
    // Every file is read once: domains of one server must not see two states of it.
    let mut read: HashMap<&PathBuf, Result<Arc<Roots>, String>> = HashMap::new();
    let mut services = Vec::with_capacity(config.domains.len());
    for domain in &config.domains {
        services.push(match &domain.served {
            None => None,
            Some(Served::Component(secret)) => {
                let name = domain.name.value.to_string();
                component_secret(reading, secret, &name).map(|secret| Service::Component { secret })
            }
            Some(Served::Backend(backend)) => backend_certificates(reading, backend, &mut read)
                .map(|certificates| {
                    Service::Backend(Backend {
                        address: backend.address.value,
                        tls: backend.tls.value,
                        sources: backend.sources.iter().map(|source| source.value).collect(),
                        certificates,
                        proof: backend.proof.value,
                        links: backend.links.value,
                    })
                }),
        });
    }
    services.into_iter().collect()
}

fn component_secret(
    reading: &Reading<'_>,
    Located { value, place }: &Located<Secret>,
    name: &str,
) -> Option<String> {
    let text = match value {
        Secret::Text(text) => Ok(text.clone()),
        Secret::File(file) => first_line(file),
    };
    match &text {
        Err(problem) => reading.error(place.as_ref(), format!("{problem} (domain {name})")),
        Ok(text) if text.starts_with("CHANGE-ME") => reading.error(
            place.as_ref(),
            format!("is the placeholder of the reference: make one with `openssl rand -hex 32` (domain {name})"),
        ),
        Ok(text) if text.chars().count() < SECRET_CHARS_GOOD => reading.warning(
            place.as_ref(),
            format!("is short: a secret of 32 random characters cannot be guessed (domain {name})"),
        ),
        Ok(_) => {}
    }
    text.ok()
}

/// What `certificate` names; the outer none is an error that has been reported.
fn backend_certificates<'c>(
    reading: &Reading<'_>,
    backend: &'c super::Backend,
    read: &mut HashMap<&'c PathBuf, Result<Arc<Roots>, String>>,
) -> Option<Option<BackendCertificates>> {
    let Some(Located { value: file, place }) = &backend.certificate else { return Some(None) };
    let roots = read.entry(file).or_insert_with(|| roots_of(file).map(Arc::new));
    match roots {
        Ok(roots) => {
            let (file, roots) = (file.display().to_string(), Arc::clone(roots));
            Some(Some(BackendCertificates { file, roots }))
        }
        Err(problem) => {
            reading.error(place.as_ref(), format!("{}: {problem}", file.display()));
            None
        }
    }
}

fn first_line(file: &PathBuf) -> Result<String, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() { Err("has an empty first line".to_owned()) } else { Ok(line.to_owned()) }
}

fn roots(reading: &Reading<'_>, config: &Config) -> Roots {
    let mut roots = Roots::none();
    for source in &config.trust.roots {
        let more = match &source.value {
            RootSource::Webpki => Ok(Roots::webpki()),
            RootSource::System => Roots::system().map_err(|error| error.to_string()),
            RootSource::File(file) => roots_of(file),
        };
        match more {
            Ok(more) => roots.merge(more),
            Err(problem) => {
                let what = match &source.value {
                    RootSource::File(file) => format!("{}: {problem}", file.display()),
                    RootSource::Webpki | RootSource::System => problem,
                };
                reading.error(source.place.as_ref(), what);
            }
        }
    }
    roots
}

fn roots_of(file: &Path) -> Result<Roots, String> {
    let pem = fs::read(file).map_err(|error| format!("cannot be read: {error}"))?;
    Roots::from_pem(&pem).map_err(|error| error.to_string())
}

fn policy(config: &Config) -> Result<Policy, String> {
    let rules = config.trust.rules.iter().map(|rule| Rule {
        local: rule.local.value.clone(),
        remote: rule.remote.value.clone(),
        minimum: rule.minimum.value,
    });
    Policy::new(config.trust.minimum.value, rules.collect()).map_err(|error| error.to_string())
}
