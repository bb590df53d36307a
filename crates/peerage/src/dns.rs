//! Where a remote domain is: SRV and address look-ups, as the router wants them.
//!
//! The one rule that matters: "no records" is what a name server *said*. SERVFAIL, a timeout or an answer that fails
//! validation says nothing, so it is [`DnsFailure::Temporary`] and never opens the fallback to A/AAAA (RFC 6120 §3.2.1
//! step 8, XEP-0368).

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Resolver, TokioResolver};
use s2s_route::{Discovery, DnsFailure, HostAddresses, Srv, SrvAnswer};
use tokio::task::JoinSet;
use xmpp_addr::Domain;

use crate::config::Dns;

/// An answer is believed at least and at most this long.
const TTL_SECS: std::ops::RangeInclusive<u32> = 30..=3_600;
/// For answers that carry no TTL: an address literal, "no records" without SOA.
const TTL_SECS_DEFAULT: u32 = 300;
/// Hosts looked up for one domain, the most preferred first. The router dials no more addresses than that.
const HOSTS_MAX: usize = 16;
/// One domain, both rounds of queries together. Below the time after which a router gives up waiting (20 s).
const DISCOVERY_MAX: Duration = Duration::from_secs(18);
/// SRV records taken from one answer.
const RECORDS_MAX: usize = 64;
/// Answers that the resolver keeps.
const CACHED_ANSWERS: u64 = 8_192;

/// Looks up remote domains. Cheap to clone.
#[derive(Clone)]
pub struct RemoteLookup {
    resolver: TokioResolver,
    deadline: Duration,
}

/// What one query said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer<T> {
    Records { records: Vec<T>, ttl_secs: u32 },
    NoRecords { no_such_name: bool, ttl_secs: u32 },
    Failed,
}

impl RemoteLookup {
    /// A resolver as configured; must be called inside a tokio runtime.
    ///
    /// # Errors
    /// In words, when the resolver cannot be made.
    pub fn new(dns: &Dns) -> Result<Self, String> {
        let (config, mut options) = if dns.servers.is_empty() {
            system()
        } else {
            (configured(dns), ResolverOpts::default())
        };
        options.timeout = Duration::from_secs(dns.timeout_secs);
        options.attempts = dns.attempts.saturating_sub(1);
        options.cache_size = CACHED_ANSWERS;
        options.positive_max_ttl = Some(Duration::from_secs(u64::from(*TTL_SECS.end())));
        options.negative_max_ttl = Some(Duration::from_secs(u64::from(TTL_SECS_DEFAULT)));
        // Against forged answers (0x20): a forger has to guess the case of the question too.
        options.case_randomization = true;
        options.max_active_requests = 4_096;
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let resolver = builder.build().map_err(|error| format!("DNS: {error}"))?;
        // Attempts over UDP, then one over TCP.
        let deadline = Duration::from_secs(dns.timeout_secs * (dns.attempts as u64 + 1));
        Ok(RemoteLookup { resolver, deadline })
    }

    /// All that is to be known about how to reach `remote`.
    ///
    /// # Errors
    /// [`DnsFailure::NoSuchDomain`] when the name does not exist, [`DnsFailure::Temporary`] when nothing was learnt.
    pub async fn discover(&self, remote: &Domain) -> Result<Discovery, DnsFailure> {
        let discovery = tokio::time::timeout(DISCOVERY_MAX, self.discover_at_leisure(remote));
        discovery.await.unwrap_or(Err(DnsFailure::Temporary))
    }

    async fn discover_at_leisure(&self, remote: &Domain) -> Result<Discovery, DnsFailure> {
        if let Some(address) = literal(remote) {
            return Ok(Discovery {
                xmpps: SrvAnswer::NoRecords,
                xmpp: SrvAnswer::NoRecords,
                hosts: Vec::new(),
                fallback: vec![address],
                ttl_secs: TTL_SECS_DEFAULT,
                dnssec: false,
            });
        }
        let direct = format!("_xmpps-server._tcp.{remote}.");
        let starttls = format!("_xmpp-server._tcp.{remote}.");
        let (xmpps, xmpp) = tokio::join!(self.services(&direct), self.services(&starttls));
        let (services, ttl_secs) = Services::new(xmpps, xmpp)?;
        let discovery = match services.hosts() {
            Some(names) => self.with_hosts(services, names, ttl_secs).await?,
            None if services.decided() => services.into_discovery(Vec::new(), Vec::new(), ttl_secs),
            None => self.with_fallback(services, remote, ttl_secs).await?,
        };
        Ok(discovery)
    }

    /// The addresses of the hosts that the SRV records name.
    async fn with_hosts(
        &self,
        services: Services,
        names: Vec<String>,
        mut ttl_secs: u32,
    ) -> Result<Discovery, DnsFailure> {
        let mut lookups = JoinSet::new();
        for (index, name) in names.into_iter().enumerate() {
            let lookup = self.clone();
            lookups.spawn(async move { (index, lookup.addresses(&name).await, name) });
        }
        let mut answers = lookups.join_all().await;
        answers.sort_by_key(|(index, _, _)| *index);
        let mut hosts = Vec::new();
        let mut failed = false;
        for (_, answer, name) in answers {
            match answer {
                Answer::Records { records, ttl_secs: ttl } => {
                    ttl_secs = ttl_secs.min(ttl);
                    hosts.push(HostAddresses { name, addresses: records });
                }
                Answer::NoRecords { ttl_secs: ttl, .. } => ttl_secs = ttl_secs.min(ttl),
                Answer::Failed => failed = true,
            }
        }
        if hosts.is_empty() && failed {
            return Err(DnsFailure::Temporary);
        }
        if failed {
            // Some host could not be looked up: ask again soon.
            ttl_secs = *TTL_SECS.start();
        }
        Ok(services.into_discovery(hosts, Vec::new(), ttl_secs))
    }

    /// Neither service has records: the addresses of the domain itself (RFC 6120 §3.2.2).
    async fn with_fallback(
        &self,
        services: Services,
        remote: &Domain,
        ttl_secs: u32,
    ) -> Result<Discovery, DnsFailure> {
        match self.addresses(remote.as_str()).await {
            Answer::Records { records, ttl_secs: ttl } => {
                Ok(services.into_discovery(Vec::new(), records, ttl_secs.min(ttl)))
            }
            Answer::NoRecords { no_such_name: true, .. } => Err(DnsFailure::NoSuchDomain),
            Answer::NoRecords { ttl_secs: ttl, .. } => {
                Ok(services.into_discovery(Vec::new(), Vec::new(), ttl_secs.min(ttl)))
            }
            Answer::Failed => Err(DnsFailure::Temporary),
        }
    }

    /// One SRV query.
    async fn services(&self, name: &str) -> Answer<Srv> {
        self.query(name, RecordType::SRV, |data| match data {
            RData::SRV(srv) => Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: host_name(&srv.target),
            }),
            _ => None,
        })
        .await
    }

    /// AAAA and A of a host, in that order.
    async fn addresses(&self, host: &str) -> Answer<IpAddr> {
        let name = format!("{host}.");
        let (v6, v4) = tokio::join!(
            self.query(&name, RecordType::AAAA, |data| match data {
                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                _ => None,
            }),
            self.query(&name, RecordType::A, |data| match data {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                _ => None,
            }),
        );
        both(v6, v4)
    }

    async fn query<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Answer<T> {
        // A name that DNS cannot carry does not exist there.
        let Ok(name) = Name::from_ascii(name) else {
            return Answer::NoRecords { no_such_name: true, ttl_secs: TTL_SECS_DEFAULT };
        };
        let lookup = self.resolver.lookup(name, kind);
        let Ok(result) = tokio::time::timeout(self.deadline, lookup).await else {
            return Answer::Failed;
        };
        match result {
            Ok(lookup) => {
                let answers = lookup.answers();
                let ttl_secs = answers.iter().map(|record| record.ttl).min();
                let ttl_secs = ttl_secs.unwrap_or(TTL_SECS_DEFAULT);
                let records: Vec<T> =
                    answers.iter().filter_map(|r| read(&r.data)).take(RECORDS_MAX).collect();
                if records.is_empty() {
                    said_nothing(lookup.message().metadata.response_code, ttl_secs)
                } else {
                    Answer::Records { records, ttl_secs }
                }
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                said_nothing(none.response_code, none.negative_ttl.unwrap_or(TTL_SECS_DEFAULT))
            }
            Err(_) => Answer::Failed,
        }
    }
}

/// A response without the records asked for.
fn said_nothing<T>(code: ResponseCode, ttl_secs: u32) -> Answer<T> {
    match code {
        ResponseCode::NoError => Answer::NoRecords { no_such_name: false, ttl_secs },
        ResponseCode::NXDomain => Answer::NoRecords { no_such_name: true, ttl_secs },
        _ => Answer::Failed,
    }
}

/// The two address families of one name: one family is enough.
fn both(v6: Answer<IpAddr>, v4: Answer<IpAddr>) -> Answer<IpAddr> {
    use Answer::{Failed, NoRecords, Records};
    match (v6, v4) {
        (Records { mut records, ttl_secs: ttl_v6 }, Records { records: v4, ttl_secs: ttl_v4 }) => {
            records.extend(v4);
            Records { records, ttl_secs: ttl_v6.min(ttl_v4) }
        }
        (found @ Records { .. }, _) | (_, found @ Records { .. }) => found,
        // NXDOMAIN is about the name, whatever the type (RFC 8020).
        (gone @ NoRecords { no_such_name: true, .. }, _)
        | (_, gone @ NoRecords { no_such_name: true, .. }) => gone,
        (Failed, _) | (_, Failed) => Failed,
        (none, NoRecords { .. }) => none,
    }
}

/// The answers about both services.
struct Services {
    xmpps: SrvAnswer,
    xmpp: SrvAnswer,
}

impl Services {
    /// # Errors
    /// When nothing is known. A service that could not be looked up beside one that has records is left out: its records
    /// would only be more ways to the same domain, the fallback stays shut, and the short TTL asks again soon.
    fn new(xmpps: Answer<Srv>, xmpp: Answer<Srv>) -> Result<(Self, u32), DnsFailure> {
        let mut ttl_secs = *TTL_SECS.end();
        let mut failed = false;
        let mut answer = |answer: Answer<Srv>| match answer {
            Answer::Records { records, ttl_secs: ttl } => {
                ttl_secs = ttl_secs.min(ttl);
                offered(records)
            }
            Answer::NoRecords { ttl_secs: ttl, .. } => {
                ttl_secs = ttl_secs.min(ttl);
                SrvAnswer::NoRecords
            }
            Answer::Failed => {
                failed = true;
                SrvAnswer::NoRecords
            }
        };
        let services = Services { xmpps: answer(xmpps), xmpp: answer(xmpp) };
        if failed {
            ttl_secs = *TTL_SECS.start();
            if services.hosts().is_none() {
                return Err(DnsFailure::Temporary);
            }
        }
        Ok((services, ttl_secs))
    }

    /// The hosts to look up, the most preferred first; none when there is no record to follow.
    fn hosts(&self) -> Option<Vec<String>> {
        let mut records: Vec<&Srv> = Vec::new();
        for answer in [&self.xmpps, &self.xmpp] {
            if let SrvAnswer::Records(found) = answer {
                records.extend(found);
            }
        }
        records.sort_by_key(|srv| srv.priority);
        let mut names: Vec<String> = Vec::new();
        for srv in records {
            if names.len() < HOSTS_MAX && !names.contains(&srv.target) {
                names.push(srv.target.clone());
            }
        }
        Some(names).filter(|names| !names.is_empty())
    }

    /// One of the services says that it is not offered: no fallback to A/AAAA (XEP-0368, RFC 6120 §3.2.1 step 3).
    fn decided(&self) -> bool {
        self.xmpps == SrvAnswer::NotOffered || self.xmpp == SrvAnswer::NotOffered
    }

    fn into_discovery(
        self,
        hosts: Vec<HostAddresses>,
        fallback: Vec<IpAddr>,
        ttl_secs: u32,
    ) -> Discovery {
        let ttl_secs = ttl_secs.clamp(*TTL_SECS.start(), *TTL_SECS.end());
        // Answers are not validated here, and the AD bit of a resolver is only as good as the way to it.
        Discovery { xmpps: self.xmpps, xmpp: self.xmpp, hosts, fallback, ttl_secs, dnssec: false }
    }
}

/// "." alone means "decidedly not available" (RFC 2782); beside others it means nothing.
fn offered(records: Vec<Srv>) -> SrvAnswer {
    let named: Vec<Srv> = records.into_iter().filter(|srv| !srv.target.is_empty()).collect();
    if named.is_empty() { SrvAnswer::NotOffered } else { SrvAnswer::Records(named) }
}

/// Lower case, without the final dot; empty for the root.
fn host_name(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// A domain that is an address (RFC 7622 §3.2) needs no look-up.
fn literal(domain: &Domain) -> Option<IpAddr> {
    if !domain.is_ip_literal() {
        return None;
    }
    domain.as_str().trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn configured(dns: &Dns) -> ResolverConfig {
    let servers = dns.servers.iter().map(|server| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut way| {
            way.port = server.port();
            way
        });
        NameServerConfig::new(server.ip(), true, connections.into())
    });
    ResolverConfig::from_parts(None, Vec::new(), servers.collect())
}

/// The servers of /etc/resolv.conf; 127.0.0.1 when there is no such file, as resolv.conf(5) says.
fn system() -> (ResolverConfig, ResolverOpts) {
    match read_system_conf() {
        Ok((config, options)) if !config.name_servers().is_empty() => (config, options),
        other => {
            let problem = other.err().map_or("no name server in it".to_owned(), |e| e.to_string());
            tracing::warn!(%problem, "/etc/resolv.conf cannot be used, asking 127.0.0.1:53; set dns.servers");
            let dns = Dns { servers: vec![([127, 0, 0, 1], 53).into()], ..Dns::default() };
            (configured(&dns), ResolverOpts::default())
        }
    }
}

#[cfg(test)]
mod tests;
