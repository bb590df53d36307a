//! Checks about backends: one server is described once, and nobody else speaks for it.

use ipnet::IpNet;
use s2s_net::{BackendTls, ListenerKind, RemoteProof};

use super::finding::{Place, Reading};
use super::{Backend, Config};

/// Reports everything that is wrong about the backends of `config` and their listeners.
pub(super) fn check(reading: &Reading<'_>, config: &Config) {
    let servers = config.servers();
    equal_tables(reading, config, &servers);
    for (index, server) in servers.iter().enumerate() {
        needs_tls(reading, server);
        links(reading, server);
        sources(reading, server);
        own_listener(reading, config, server);
        for other in servers.iter().take(index) {
            shared_sources(reading, other, server);
        }
    }
    listeners(reading, config, &servers);
}

/// Domains with one address are domains of one server, so what is said about it must agree.
fn equal_tables(reading: &Reading<'_>, config: &Config, servers: &[&Backend]) {
    for backend in config.backends() {
        let first = servers.iter().find(|server| server.address.value == backend.address.value);
        let Some(first) = first else { continue };
        let differing = differences(first, backend);
        if !differing.is_empty() {
            let problem = format!(
                "is the server of line {}, which sets {} otherwise: domains of one server have equal tables",
                first.line.unwrap_or(0),
                differing.join(", ")
            );
            reading.error(backend.address.place.as_ref(), problem);
        }
    }
}

/// The keys besides the address that two tables set differently.
fn differences(left: &Backend, right: &Backend) -> Vec<&'static str> {
    let networks =
        |backend: &Backend| backend.sources.iter().map(|s| s.value).collect::<Vec<IpNet>>();
    let file = |backend: &Backend| {
        backend.certificate.as_ref().map(|certificate| certificate.value.clone())
    };
    [
        ("tls", left.tls.value == right.tls.value),
        ("from", networks(left) == networks(right)),
        ("certificate", file(left) == file(right)),
        ("proof", left.proof.value == right.proof.value),
        ("links", left.links.value == right.links.value),
    ]
    .into_iter()
    .filter_map(|(key, same)| (!same).then_some(key))
    .collect()
}

/// A certificate that may be missing identifies nobody.
fn needs_tls(reading: &Reading<'_>, server: &Backend) {
    if server.tls.value == BackendTls::Required {
        return;
    }
    let problem = "needs tls = \"required\": without TLS there is no certificate";
    if let Some(certificate) = &server.certificate {
        reading.error(certificate.place.as_ref(), problem);
    }
    if server.proof.value == RemoteProof::Certificate {
        reading.error(server.proof.place.as_ref(), problem);
    }
}

fn links(reading: &Reading<'_>, server: &Backend) {
    if server.proof.value == RemoteProof::Certificate && server.links.place.is_some() {
        let problem =
            "is only for proof = \"dialback\": with certificates each pair has a link of its own";
        reading.error(server.links.place.as_ref(), problem);
    }
}

/// An address identifies a server only where nobody else has it: in a network that the Internet does not route to, or in one
/// that is so small that it is one operator's.
fn sources(reading: &Reading<'_>, server: &Backend) {
    if server.certificate.is_some() {
        return;
    }
    for source in &server.sources {
        let (widest, allowed) = match source.value {
            IpNet::V4(_) => (29, "/29"),
            IpNet::V6(_) => (64, "/64"),
        };
        if !is_private(source.value) && source.value.prefix_len() < widest {
            let problem = format!(
                "is wider than {allowed} and not inside a private network, and whoever connects from it speaks for the domain: name the server's own addresses, or set certificate too"
            );
            reading.error(source.place.as_ref(), problem);
        }
    }
}

/// The router must not dial itself.
fn own_listener(reading: &Reading<'_>, config: &Config, server: &Backend) {
    let address = server.address.value;
    let own = config.listeners.iter().find(|listener| {
        let listens = listener.value.address;
        // A wildcard takes loopback in any case; whether another address is ours, a configuration cannot know.
        let covers = listens.ip() == address.ip()
            || listens.ip().is_unspecified() && address.ip().is_loopback();
        covers && listens.port() == address.port()
    });
    if let Some(Place { line, .. }) = own.and_then(|listener| listener.place.as_ref()) {
        let problem = format!(
            "is the address of the listener of line {line}: give the address of the server, not the router's"
        );
        reading.error(server.address.place.as_ref(), problem);
    }
}

/// Where two servers may connect from, an address does not tell them apart.
fn shared_sources(reading: &Reading<'_>, first: &Backend, second: &Backend) {
    let told_apart = match (&first.certificate, &second.certificate) {
        (Some(first), Some(second)) => first.value != second.value,
        _ => false,
    };
    if told_apart {
        return;
    }
    for network in &second.sources {
        let other = first.sources.iter().find(|other| overlap(other.value, network.value));
        let Some(other) = other else { continue };
        let problem = format!(
            "{} overlaps with {} of the backend of line {}: whoever connects from there can speak for the domains of both; give each its own addresses, or its own certificate",
            network.value,
            other.value,
            first.line.unwrap_or(0)
        );
        reading.warning(network.place.as_ref(), problem);
        return;
    }
}

fn overlap(left: IpNet, right: IpNet) -> bool {
    left.contains(&right) || right.contains(&left)
}

/// Backend listeners and backends need each other.
fn listeners(reading: &Reading<'_>, config: &Config, servers: &[&Backend]) {
    let listeners = || config.listeners.iter().filter(|l| l.value.kind == ListenerKind::Backend);
    if let Some(server) = servers.first()
        && !config.listeners.is_empty()
        && listeners().next().is_none()
    {
        let problem = "no listener of kind \"backend\": the server can receive but not send; add [[listen]] kind = \"backend\" with a private address";
        reading.warning(server.address.place.as_ref(), problem);
    }
    for listener in listeners() {
        if servers.is_empty() && !config.domains.is_empty() {
            let problem = "no [[domain]] has a backend: nobody may connect here";
            reading.warning(listener.place.as_ref(), problem);
        }
        if !is_private(listener.value.address.ip().to_canonical().into()) {
            let problem = "is not a private address: whoever reaches it from an address in domain.backend.from speaks for that domain; listen on a private network only";
            reading.warning(listener.place.as_ref(), problem);
        }
    }
}

/// Networks that the Internet does not route to: loopback, private, link-local and unique local addresses, and those that
/// providers share.
const PRIVATE: [&str; 9] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// Whether the Internet routes to no address of it.
fn is_private(network: IpNet) -> bool {
    PRIVATE.iter().filter_map(|text| text.parse::<IpNet>().ok()).any(|own| own.contains(&network))
}

#[cfg(test)]
mod tests;
