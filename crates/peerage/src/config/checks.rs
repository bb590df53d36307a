//! Checks that need more than one value: duplicates, contradictions, rules that cannot match.

use std::collections::HashMap;
use std::net::SocketAddr;

use s2s_net::ListenerKind;
use s2s_trust::Rung;
use xmpp_addr::DomainPattern;

use super::finding::{Place, Reading};
use super::{Config, Domain, DomainRule, Served, backends};

/// Reports everything that is wrong between the values of `config`.
pub(super) fn check(reading: &Reading<'_>, config: &Config) {
    listeners(reading, config);
    admin(reading, config);
    domains(reading, config);
    backends::check(reading, config);
    rules(reading, config);
    promiscuous(reading, config);
}

fn listeners(reading: &Reading<'_>, config: &Config) {
    if config.listeners.is_empty() && !reading.has_errors() {
        let problem = "no [[listen]] table: add one, for example address = \"[::]:5269\"";
        reading.error(None, problem);
    }
    let mut seen: HashMap<SocketAddr, usize> = HashMap::new();
    for listener in &config.listeners {
        let line = listener.place.as_ref().map_or(0, |place| place.line);
        match seen.insert(listener.value.address, line) {
            // Port 0 is another port each time.
            Some(first) if listener.value.address.port() != 0 => {
                let problem = format!("is the address of the listener of line {first} already");
                reading.error(listener.place.as_ref(), problem);
            }
            _ => {}
        }
    }
    wildcards(reading, config);
    let s2s = |kind| matches!(kind, ListenerKind::S2s | ListenerKind::S2sDirectTls);
    if !config.listeners.is_empty() && !config.listeners.iter().any(|l| s2s(l.value.kind)) {
        reading.warning(None, "no listener of kind \"s2s\": no other server can connect");
    }
    components(reading, config);
}

/// A wildcard takes its port on every address: the system refuses the second of two such listeners.
fn wildcards(reading: &Reading<'_>, config: &Config) {
    for wildcard in &config.listeners {
        let Some(Place { line, .. }) = &wildcard.place else { continue };
        let taken = |other: SocketAddr| {
            let own = wildcard.value.address;
            // [::] takes IPv4 too.
            own.ip().is_unspecified()
                && (own.is_ipv6() || other.is_ipv4())
                && own.port() == other.port()
                && own.port() != 0
                && own.ip() != other.ip()
        };
        for other in config.listeners.iter().filter(|other| taken(other.value.address)) {
            let problem = format!(
                "the listener of line {line} takes this port on every address: give both addresses of their own, or this one another port"
            );
            reading.error(other.place.as_ref(), problem);
        }
    }
}

/// Component listeners and domains need each other.
fn components(reading: &Reading<'_>, config: &Config) {
    let served = |domain: &Domain| matches!(domain.served, Some(Served::Component(_)));
    let domains = config.domains.iter().any(served);
    let listeners = || config.listeners.iter().filter(|l| l.value.kind == ListenerKind::Component);
    if domains && !config.listeners.is_empty() && listeners().next().is_none() {
        reading.warning(
            None,
            "no listener of kind \"component\": nothing can serve the domains that have a component; add [[listen]] kind = \"component\" address = \"127.0.0.1:5347\"",
        );
    }
    for listener in listeners() {
        if !listener.value.address.ip().is_loopback() {
            let problem =
                "components speak without encryption: keep this address on a private network";
            reading.warning(listener.place.as_ref(), problem);
        }
        if !domains && !config.domains.is_empty() {
            let problem = "no [[domain]] has a component: nobody can attach here";
            reading.warning(listener.place.as_ref(), problem);
        }
    }
}

fn admin(reading: &Reading<'_>, config: &Config) {
    let listen = &config.admin.listen;
    if !listen.value.ip().is_loopback() && !config.admin.allow_remote {
        reading.error(
            listen.place.as_ref(),
            "must be a loopback address: the admin port asks for no password; to open it all the same set admin.allow_remote = true",
        );
    }
    let taken = config.listeners.iter().find(|other| other.value.address == listen.value);
    if let Some(Place { line, .. }) = taken.and_then(|taken| taken.place.as_ref())
        && listen.value.port() != 0
    {
        let problem = format!("{} is the address of the listener of line {line}", listen.value);
        match &listen.place {
            Some(place) => reading.error(Some(place), problem),
            None => reading.error_at(Some(*line), "admin.listen", problem),
        }
    }
}

fn domains(reading: &Reading<'_>, config: &Config) {
    if config.domains.is_empty() && !reading.has_errors() {
        reading.error(None, "no [[domain]] table: a router without a hosted domain serves nobody");
    }
    let mut seen: HashMap<&DomainPattern, usize> = HashMap::new();
    for domain in &config.domains {
        let line = domain.name.place.as_ref().map_or(0, |place| place.line);
        if let Some(first) = seen.insert(&domain.name.value, line) {
            let problem = format!("is hosted by line {first} already");
            reading.error(domain.name.place.as_ref(), problem);
        }
        if domain.certificate.is_none() {
            without_certificate(reading, config, domain);
        }
    }
}

/// A domain without a certificate cannot reach the rungs that need TLS.
fn without_certificate(reading: &Reading<'_>, config: &Config, domain: &Domain) {
    let name = &domain.name.value;
    let minimum = config.trust.minimum.value;
    let plain =
        |rule: &&DomainRule| rule.minimum.value < Rung::Secure && overlap(&rule.local.value, name);
    if minimum < Rung::Secure {
        return;
    }
    if config.trust.rules.iter().any(|rule| plain(&rule)) {
        let problem = format!(
            "has no certificate: only the peers whose rule is below \"secure\" can be reached, all others need \"{minimum}\""
        );
        reading.warning(domain.name.place.as_ref(), problem);
        return;
    }
    let problem = format!(
        "has no certificate, and trust.minimum = \"{minimum}\" needs TLS: set certificate and key, or allow less with [[trust.rule]] local = \"{name}\" minimum = \"verified\""
    );
    reading.error(domain.name.place.as_ref(), problem);
}

fn rules(reading: &Reading<'_>, config: &Config) {
    let mut seen: HashMap<(&DomainPattern, &DomainPattern), usize> = HashMap::new();
    for rule in &config.trust.rules {
        let pair = (&rule.local.value, &rule.remote.value);
        if let Some(first) = seen.insert(pair, rule.line.unwrap_or(0)) {
            let problem = format!(
                "local = \"{}\" and remote = \"{}\" are those of the rule of line {first}: two rules of one rank",
                pair.0, pair.1
            );
            reading.error_at(rule.line, "trust.rule", problem);
        }
        let hosted = |with: fn(&DomainPattern, &DomainPattern) -> bool, side: &DomainPattern| {
            config.domains.iter().any(|domain| with(&domain.name.value, side))
        };
        if !config.domains.is_empty() && !hosted(overlap, pair.0) {
            let problem = "can never match: no [[domain]] is covered by it";
            reading.error(rule.local.place.as_ref(), problem);
        }
        if hosted(covers, pair.1) {
            let problem = "can never match: the domain is hosted here, remote means other servers";
            reading.error(rule.remote.place.as_ref(), problem);
        }
    }
}

/// The lowest rung is never silent.
fn promiscuous(reading: &Reading<'_>, config: &Config) {
    let minimum = std::iter::once(&config.trust.minimum);
    for rung in minimum.chain(config.trust.rules.iter().map(|rule| &rule.minimum)) {
        if rung.value == Rung::Promiscuous {
            let problem = "anybody can send in any name: for test networks only";
            reading.warning(rung.place.as_ref(), problem);
        }
    }
}

/// Whether some domain matches both.
fn overlap(left: &DomainPattern, right: &DomainPattern) -> bool {
    match (left, right) {
        (DomainPattern::Any, _) | (_, DomainPattern::Any) => true,
        (DomainPattern::Exact(name), pattern) | (pattern, DomainPattern::Exact(name)) => {
            pattern.matches(name)
        }
        (DomainPattern::Below(left), DomainPattern::Below(right)) => {
            left == right || left.is_subdomain_of(right) || right.is_subdomain_of(left)
        }
    }
}

/// Whether every domain that matches `inner` matches `outer`.
fn covers(outer: &DomainPattern, inner: &DomainPattern) -> bool {
    match (outer, inner) {
        (DomainPattern::Any, _) => true,
        (_, DomainPattern::Any) | (DomainPattern::Exact(_), DomainPattern::Below(_)) => false,
        (outer, DomainPattern::Exact(name)) => outer.matches(name),
        (DomainPattern::Below(outer), DomainPattern::Below(inner)) => {
            outer == inner || inner.is_subdomain_of(outer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> DomainPattern {
        DomainPattern::parse(text).unwrap()
    }

    #[test]
    fn patterns_overlap_when_one_domain_fits_both() {
        assert!(overlap(&pattern("*"), &pattern("capulet.example")));
        assert!(overlap(&pattern("*.example"), &pattern("capulet.example")));
        assert!(overlap(&pattern("*.example"), &pattern("*.capulet.example")));
        assert!(!overlap(&pattern("*.capulet.example"), &pattern("capulet.example")));
        assert!(!overlap(&pattern("*.capulet.example"), &pattern("*.montague.example")));
    }

    #[test]
    fn a_pattern_covers_what_is_inside_it() {
        assert!(covers(&pattern("*.example"), &pattern("*.capulet.example")));
        assert!(covers(&pattern("*.example"), &pattern("capulet.example")));
        assert!(!covers(&pattern("*.capulet.example"), &pattern("*.example")));
        assert!(!covers(&pattern("capulet.example"), &pattern("*.capulet.example")));
        assert!(!covers(&pattern("capulet.example"), &pattern("*")));
    }
}
