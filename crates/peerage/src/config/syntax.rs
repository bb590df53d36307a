//! From TOML to [`Config`]: shapes, types and ranges of single values.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use s2s_net::{BackendTls, Limits, Listener, ListenerKind, RemoteProof, Timeouts};
use s2s_trust::Rung;
use toml::de::DeTable;
use xmpp_addr::DomainPattern;

use super::finding::{Located, Place, Reading};
use super::reader::{Entry, Section};
use super::{
    Admin, Backend, Config, Dns, Domain, DomainRule, LogFormat, LogLevel, Outbound, RootSource,
    Router, Secret, Served, Streams, Trust,
};

/// Reads the whole file. What could not be read is at its default and has a finding.
pub(super) fn read<'t>(reading: &'t Reading<'t>, table: &'t DeTable<'t>, base: &Path) -> Config {
    let root = Section::root(reading, table);
    let limits_section = root.section("limits");
    let (limits, links_set) = limits(&limits_section);
    limits_section.finish();
    let config = Config {
        router: router(root.section("router"), base),
        listeners: root.sections("listen").into_iter().filter_map(listener).collect(),
        domains: root.sections("domain").into_iter().filter_map(|s| domain(s, base)).collect(),
        trust: trust(root.section("trust"), base),
        dns: dns(root.section("dns")),
        outbound: outbound(root.section("outbound")),
        streams: streams(root.section("streams")),
        limits,
        links_set,
        timeouts: timeouts(root.section("timeouts")),
        log_level: LogLevel::Info,
        log_format: LogFormat::Text,
        admin: Admin::default(),
    };
    let config = with_log(config, root.section("log"));
    let config = with_admin(config, root.section("admin"));
    root.finish();
    config
}

fn router(section: Section<'_>, base: &Path) -> Router {
    let shards = section.entry("shards").and_then(Entry::number);
    let router = Router {
        // The catalogue bounds it to 256.
        shards: shards.and_then(|shards| u16::try_from(shards.value).ok()),
        pin_to_cores: flag(&section, "pin_to_cores"),
        state_dir: section.entry("state_dir").and_then(Entry::text).map_or_else(
            || Located::default_of(PathBuf::from("/var/lib/peerage")),
            |text| path(text, base),
        ),
    };
    section.finish();
    router
}

fn listener(section: Section<'_>) -> Option<Located<Listener>> {
    let address = section.required("address").and_then(|entry| entry.parsed(str::parse));
    let kind = section.entry("kind").and_then(Entry::word);
    let tls = section.entry("tls").and_then(Entry::word);
    let direct = tls.as_ref().is_some_and(|tls| tls.value == 1);
    let refuse = |problem| {
        section.reading().error(tls.as_ref().and_then(|tls| tls.place.as_ref()), problem);
    };
    let kind = match kind.map(|kind| kind.value) {
        Some(1) => {
            if tls.is_some() {
                refuse("is only for kind = \"s2s\": the component protocol (XEP-0114) has no TLS");
            }
            ListenerKind::Component
        }
        Some(2) => {
            if direct {
                refuse("is only for kind = \"s2s\": backends are answered with STARTTLS");
            }
            ListenerKind::Backend
        }
        _ if direct => ListenerKind::S2sDirectTls,
        _ => ListenerKind::S2s,
    };
    section.finish();
    let Located { value: address, place } = address?;
    Some(Located { value: Listener { address, kind }, place })
}

fn domain(section: Section<'_>, base: &Path) -> Option<Domain> {
    let name = section.required("name").and_then(|entry| entry.parsed(DomainPattern::parse));
    if let Some(Located { value: DomainPattern::Any, place }) = &name {
        let problem = "must be a domain or *.domain: nobody hosts every domain";
        section.reading().error(place.as_ref(), problem);
    }
    let file = |name| section.entry(name).and_then(Entry::text).map(|text| path(text, base));
    let (certificate, key) = (file("certificate"), file("key"));
    match (&certificate, &key) {
        (Some(set), None) => {
            section.reading().error(set.place.as_ref(), "needs key, the file of its private key");
        }
        (None, Some(set)) => section.reading().error(set.place.as_ref(), "needs certificate"),
        _ => {}
    }
    let served = served(&section, base);
    let line = section.line;
    section.finish();
    Some(Domain { name: name?, certificate: certificate.zip(key), served, line })
}

/// What serves the domain: exactly one of the two tables.
fn served(domain: &Section<'_>, base: &Path) -> Option<Served> {
    let tables = (domain.optional_section("component"), domain.optional_section("backend"));
    match tables {
        (Some(component_table), None) => component(component_table, base).map(Served::Component),
        (None, Some(backend_table)) => {
            backend(backend_table, base).map(|table| Served::Backend(Box::new(table)))
        }
        (Some(component_table), Some(backend_table)) => {
            let problem = "is set beside domain.component: one of the two serves the domain";
            domain.reading().error_at(backend_table.line, "domain.backend", problem);
            // Both for the errors inside them.
            let _ = (component(component_table, base), backend(backend_table, base));
            None
        }
        (None, None) => {
            let problem = "is served by nothing: set component = { secret = \"...\" } or backend = { address = \"...\" }";
            domain.reading().error_at(domain.line, "domain", problem);
            None
        }
    }
}

/// `backend = { ... }`.
fn backend(section: Section<'_>, base: &Path) -> Option<Backend> {
    let address = section.required("address").and_then(|entry| entry.parsed(server_address));
    let tls = section.entry("tls").and_then(Entry::word).map(|word| {
        let tls = if word.value == 1 { BackendTls::Optional } else { BackendTls::Required };
        Located { value: tls, place: word.place }
    });
    let proof = section.entry("proof").and_then(Entry::word).map(|word| {
        let proof = if word.value == 1 { RemoteProof::Certificate } else { RemoteProof::Dialback };
        Located { value: proof, place: word.place }
    });
    let from = section.entry("from").and_then(|entry| entry.each(source));
    let certificate = section.entry("certificate").and_then(Entry::text);
    let links = section.entry("links").and_then(Entry::number);
    let line = section.line;
    section.finish();

    let address = address?;
    let own = || Located { value: IpNet::from(address.value.ip()), place: address.place.clone() };
    let mut sources = from.unwrap_or_else(|| vec![own()]);
    sources.sort_by_key(|source| source.value);
    sources.dedup_by_key(|source| source.value);
    Some(Backend {
        address,
        tls: tls.unwrap_or(Located::default_of(BackendTls::Required)),
        sources,
        certificate: certificate.map(|text| path(text, base)),
        proof: proof.unwrap_or(Located::default_of(RemoteProof::Dialback)),
        // The catalogue bounds it to 64.
        links: links.map_or(Located::default_of(1), |links| Located {
            value: u16::try_from(links.value).unwrap_or(1),
            place: links.place,
        }),
        line,
    })
}

/// Somewhere that can be dialled.
fn server_address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "invalid socket address syntax")?;
    let ip = plain(address.ip())?;
    if ip.is_unspecified() || ip.is_multicast() {
        return Err(format!("{ip} is not the address of a server"));
    }
    if address.port() == 0 {
        return Err("port 0 is no port".to_owned());
    }
    Ok(address)
}

/// A network whose address has no host bits, so that equal networks are equal.
fn source(text: &str) -> Result<IpNet, String> {
    let network = network(text).map_err(|error| error.to_string())?;
    plain(network.addr())?;
    Ok(network.trunc())
}

/// Connections over IPv4 are known by their IPv4 address, whatever the listener is.
fn plain(ip: IpAddr) -> Result<IpAddr, String> {
    match ip {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => Err(format!("write it as IPv4: {v4}")),
            None => Ok(ip),
        },
        IpAddr::V4(_) => Ok(ip),
    }
}

/// The secret of `component = { ... }`.
fn component(section: Section<'_>, base: &Path) -> Option<Located<Secret>> {
    let text = section.entry("secret").and_then(Entry::text);
    let file = section.entry("secret_file").and_then(Entry::text);
    let secret = match (text, file) {
        (Some(_), Some(file)) => {
            let problem = "is set beside domain.component.secret: give one of the two";
            section.reading().error(file.place.as_ref(), problem);
            None
        }
        (Some(text), None) => Some(Located { value: Secret::Text(text.value), place: text.place }),
        (None, Some(file)) => {
            let file = path(file, base);
            Some(Located { value: Secret::File(file.value), place: file.place })
        }
        (None, None) => {
            // A secret that is there but refused has its finding already.
            if !section.has("secret") && !section.has("secret_file") {
                let problem = "needs secret or secret_file";
                section.reading().error_at(section.line, "domain.component", problem);
            }
            None
        }
    };
    section.finish();
    secret
}

fn trust(section: Section<'_>, base: &Path) -> Trust {
    let minimum = section.entry("minimum").and_then(rung);
    let roots = section.entry("roots").and_then(|entry| {
        entry.each(|text| -> Result<RootSource, std::convert::Infallible> {
            Ok(match text {
                "webpki" => RootSource::Webpki,
                "system" => RootSource::System,
                file => RootSource::File(base.join(file)),
            })
        })
    });
    let rules = section.sections("rule").into_iter().filter_map(rule).collect();
    section.finish();
    Trust {
        minimum: minimum.unwrap_or(Located::default_of(Rung::Secure)),
        roots: roots.unwrap_or_else(|| vec![Located::default_of(RootSource::Webpki)]),
        rules,
    }
}

fn rule(section: Section<'_>) -> Option<DomainRule> {
    let pattern = |name| match section.entry(name) {
        Some(entry) => entry.parsed(DomainPattern::parse),
        None => Some(Located::default_of(DomainPattern::Any)),
    };
    let (local, remote) = (pattern("local"), pattern("remote"));
    let minimum = section.required("minimum").and_then(rung);
    let line = section.line;
    section.finish();
    Some(DomainRule { local: local?, remote: remote?, minimum: minimum?, line })
}

fn rung(entry: Entry<'_>) -> Option<Located<Rung>> {
    let word = entry.word()?;
    // The words of the catalogue are the rungs in their order; a test compares them.
    let rung = *Rung::ALL.get(word.value)?;
    Some(Located { value: rung, place: word.place })
}

fn dns(section: Section<'_>) -> Dns {
    let mut dns = Dns::default();
    if let Some(servers) = section.entry("servers").and_then(|entry| entry.each(name_server)) {
        dns.servers = servers.into_iter().map(|server| server.value).collect();
    }
    set(&section, "timeout", &mut dns.timeout_secs);
    set(&section, "attempts", &mut dns.attempts);
    set(&section, "lookups", &mut dns.lookups_max);
    section.finish();
    dns
}

fn name_server(text: &str) -> Result<SocketAddr, std::net::AddrParseError> {
    text.parse().or_else(|_| text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53)))
}

fn outbound(section: Section<'_>) -> Outbound {
    let networks = section.entry("allow_private").and_then(|entry| entry.each(network));
    section.finish();
    Outbound {
        allow_private: networks
            .unwrap_or_default()
            .into_iter()
            .map(|network| network.value)
            .collect(),
    }
}

fn streams(section: Section<'_>) -> Streams {
    let mut streams = Streams::default();
    if let Some(bidi) = section.entry("bidi").and_then(Entry::bool) {
        streams.bidi = bidi.value;
    }
    section.finish();
    streams
}

fn network(text: &str) -> Result<IpNet, ipnet::AddrParseError> {
    text.parse().or_else(|error| text.parse::<IpAddr>().map(IpNet::from).map_err(|_| error))
}

/// The limits, and whether the file sets `links` (its default depends on the machine).
fn limits(section: &Section<'_>) -> (Limits, bool) {
    let mut limits = Limits::default();
    let links = set(section, "links", &mut limits.links);
    set(section, "backend_links", &mut limits.backend_links);
    set(section, "preauth_bytes", &mut limits.preauth_bytes);
    set(section, "depth", &mut limits.depth);
    set(section, "attributes", &mut limits.attributes);
    set(section, "queue_stanzas", &mut limits.queue_stanzas);
    let stanza = set(section, "stanza_bytes", &mut limits.stanza_bytes);
    let queue = set(section, "queue_bytes", &mut limits.queue_bytes);
    let total = set(section, "queue_total_bytes", &mut limits.queue_total_bytes);
    let outbox = set(section, "outbox_bytes", &mut limits.outbox_bytes);

    // One stanza of the allowed size must fit wherever a stanza waits.
    let at_least = |(small_name, small, small_place): (&str, usize, &Option<Place>),
                    (name, large, place): (&str, usize, &Option<Place>)| {
        if large < small {
            let problem = match place {
                Some(_) => format!("must be at least limits.{small_name}, which is {small}"),
                None => format!("must be at most limits.{name}, which is {large}"),
            };
            section.reading().error(place.as_ref().or(small_place.as_ref()), problem);
        }
    };
    let stanza = ("stanza_bytes", limits.stanza_bytes, &stanza);
    let queue = ("queue_bytes", limits.queue_bytes, &queue);
    at_least(stanza, queue);
    // What waited for a link of its own is given to it at once.
    at_least(queue, ("outbox_bytes", limits.outbox_bytes, &outbox));
    at_least(queue, ("queue_total_bytes", limits.queue_total_bytes, &total));
    (limits, links.is_some())
}

fn timeouts(section: Section<'_>) -> Timeouts {
    let mut timeouts = Timeouts::default();
    set(&section, "connect", &mut timeouts.connect_secs);
    set(&section, "negotiation", &mut timeouts.negotiation_secs);
    set(&section, "verify", &mut timeouts.verify_secs);
    set(&section, "idle", &mut timeouts.idle_secs);
    set(&section, "queue", &mut timeouts.queue_secs);
    set(&section, "drain", &mut timeouts.drain_secs);
    section.finish();
    timeouts
}

fn with_log(mut config: Config, section: Section<'_>) -> Config {
    if let Some(word) = section.entry("level").and_then(Entry::word) {
        config.log_level = LogLevel::ALL.get(word.value).copied().unwrap_or(LogLevel::Info);
    }
    if section.entry("format").and_then(Entry::word).is_some_and(|word| word.value == 1) {
        config.log_format = LogFormat::Json;
    }
    section.finish();
    config
}

fn with_admin(mut config: Config, section: Section<'_>) -> Config {
    if let Some(listen) = section.entry("listen").and_then(|entry| entry.parsed(str::parse)) {
        config.admin.listen = listen;
    }
    config.admin.allow_remote = flag(&section, "allow_remote");
    section.finish();
    config
}

fn flag(section: &Section<'_>, name: &str) -> bool {
    section.entry(name).and_then(Entry::bool).is_some_and(|flag| flag.value)
}

fn path(text: Located<String>, base: &Path) -> Located<PathBuf> {
    Located { value: base.join(text.value), place: text.place }
}

/// Overwrites a default when the file sets the key within its range; says where.
fn set<N: TryFrom<u64>>(section: &Section<'_>, name: &str, number: &mut N) -> Option<Place> {
    let value = section.entry(name).and_then(Entry::number)?;
    *number = N::try_from(value.value).ok()?;
    value.place
}
