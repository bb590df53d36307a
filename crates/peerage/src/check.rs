//! `peerage check`: what a configuration would do, in lines for people.

use std::fmt::Write as _;

use s2s_net::{BackendTls, Limits, Listener, ListenerKind, RemoteProof, Timeouts};

use crate::ca::{self, Authority};
use crate::certificate::show_time;
use crate::config::units::show_size;
use crate::config::{Backend, Config, Loaded, RootSource, Served, Surroundings};
use crate::state::{self, SECRET_FILE};

/// The report about an accepted configuration. Nothing is written, nothing is listened on.
///
/// # Errors
/// In words, when the state directory would make the start fail.
pub fn report(loaded: &Loaded, surroundings: Surroundings) -> Result<String, String> {
    let mut text = String::new();
    let config = &loaded.config;
    let shards = match config.router.shards {
        Some(shards) => format!("{shards}"),
        None => format!("{} (one per core)", loaded.shards),
    };
    line(&mut text, "shards", &shards);
    line(&mut text, "state", &state(loaded)?);
    for listener in &config.listeners {
        line(&mut text, "listen", &show_listener(&listener.value));
    }
    for domain in domains(loaded, surroundings) {
        line(&mut text, "domain", &domain);
    }
    for server in config.servers() {
        line(&mut text, "backend", &backend(server));
    }
    for words in authorities(config, surroundings)? {
        line(&mut text, "ca", &words);
    }
    trust(&mut text, loaded);
    line(&mut text, "dns", &dns(loaded));
    let networks: Vec<String> =
        config.outbound.allow_private.iter().map(ToString::to_string).collect();
    let networks = if networks.is_empty() { "none".to_owned() } else { networks.join(", ") };
    line(&mut text, "outbound", &format!("private networks that may be dialled: {networks}"));
    for difference in differences(loaded) {
        line(&mut text, "limits", &difference);
    }
    line(&mut text, "admin", &format!("http://{}/", config.admin.listen.value));
    Ok(text)
}

/// `127.0.0.1:5269 s2s, STARTTLS`.
#[must_use]
pub fn show_listener(listener: &Listener) -> String {
    let kind = match listener.kind {
        ListenerKind::S2s => "s2s, STARTTLS",
        ListenerKind::S2sDirectTls => "s2s, direct TLS",
        ListenerKind::Component => "components",
        ListenerKind::Backend => "backends",
    };
    format!("{} {kind}", listener.address)
}

fn line(text: &mut String, subject: &str, words: &str) {
    let _ = writeln!(text, "{subject:<10}{words}");
}

fn state(loaded: &Loaded) -> Result<String, String> {
    let directory = &loaded.config.router.state_dir.value;
    let secret = state::inspect_secret(directory).map_err(|error| error.to_string())?;
    let what = if secret.is_some() { "is there" } else { "will be created" };
    Ok(format!("{}: {SECRET_FILE} {what}", directory.display()))
}

fn domains(loaded: &Loaded, surroundings: Surroundings) -> Vec<String> {
    let entries = loaded.config.domains.iter().zip(&loaded.identities);
    entries
        .map(|(domain, identity)| {
            let name = &domain.name.value;
            let served = match &domain.served {
                Some(Served::Backend(backend)) => format!("backend {}", backend.address.value),
                Some(Served::Component(_)) | None => "component".to_owned(),
            };
            match identity {
                Some(identity) => {
                    let days = (identity.not_after - surroundings.now).div_euclid(86_400);
                    format!(
                        "{name}: {served}; certificate for {}, until {} ({days} days)",
                        identity.names.join(", "),
                        show_time(identity.not_after)
                    )
                }
                None => format!("{name}: {served}; no certificate, so no TLS"),
            }
        })
        .collect()
}

fn backend(server: &Backend) -> String {
    let tls = match server.tls.value {
        BackendTls::Required => "required",
        BackendTls::Optional => "optional",
    };
    let sources: Vec<String> = server.sources.iter().map(|s| s.value.to_string()).collect();
    let known = match &server.certificate {
        Some(certificate) => format!(" with a certificate of {}", certificate.value.display()),
        None => String::new(),
    };
    let proof = match (server.proof.value, server.links.value) {
        (RemoteProof::Dialback, 1) => "dialback, 1 link a shard and domain".to_owned(),
        (RemoteProof::Dialback, links) => format!("dialback, {links} links a shard and domain"),
        (RemoteProof::Certificate, _) => "certificates, 1 link a pair".to_owned(),
    };
    let (address, from) = (server.address.value, sources.join(", "));
    format!("{address}: TLS {tls}; known by {from}{known}; remote domains proved by {proof}")
}

/// The internal CA as it is; nothing when no domain needs it.
fn authorities(config: &Config, surroundings: Surroundings) -> Result<Vec<String>, String> {
    if config.backends().next().is_none() {
        return Ok(Vec::new());
    }
    let directory = &config.router.state_dir.value;
    let words = |error: ca::CaError| error.to_string();
    let Some(current) = ca::inspect(directory).map_err(words)? else {
        return Ok(vec![format!("{} will be created", ca::CERTIFICATE_FILE)]);
    };
    let next = ca::inspect_next(directory).map_err(words)?;
    let show = |authority: &Authority| {
        let days = (authority.not_after - surroundings.now).div_euclid(86_400);
        let until = show_time(authority.not_after);
        let sha256 = authority.fingerprint_text();
        format!("{}, until {until} ({days} days), SHA-256 {sha256}", authority.name)
    };
    let mut lines = vec![show(&current)];
    lines.extend(current.validity(surroundings.now).map(|problem| format!("warning: {problem}")));
    lines.extend(next.map(|next| format!("staged: {}", show(&next))));
    Ok(lines)
}

fn trust(text: &mut String, loaded: &Loaded) {
    let trust = &loaded.config.trust;
    line(text, "trust", &format!("minimum {}", trust.minimum.value));
    for rule in &trust.rules {
        let (local, remote) = (&rule.local.value, &rule.remote.value);
        line(text, "", &format!("local {local}, remote {remote}: {}", rule.minimum.value));
    }
    let sources: Vec<String> = trust
        .roots
        .iter()
        .map(|source| match &source.value {
            RootSource::Webpki => "webpki".to_owned(),
            RootSource::System => "system".to_owned(),
            RootSource::File(file) => file.display().to_string(),
        })
        .collect();
    line(text, "", &format!("roots {}: {} certificates", sources.join(", "), loaded.roots.len()));
}

fn dns(loaded: &Loaded) -> String {
    let dns = &loaded.config.dns;
    let servers: Vec<String> = dns.servers.iter().map(ToString::to_string).collect();
    let servers =
        if servers.is_empty() { "/etc/resolv.conf".to_owned() } else { servers.join(", ") };
    let (timeout, attempts) = (dns.timeout_secs, dns.attempts);
    format!("{servers}; {timeout} s a query, {attempts} attempts, {} at a time", dns.lookups_max)
}

/// Limits and timeouts that are not at their defaults; `links` always, because its default depends on the machine.
fn differences(loaded: &Loaded) -> Vec<String> {
    let (limits, defaults) = (&loaded.config.limits, Limits::default());
    let mut lines = vec![format!("links {}", limits.links)];
    let mut size = |name: &str, is: usize, default: usize| {
        if is != default {
            let (is, default) = (show_size(is as u64), show_size(default as u64));
            lines.push(format!("{name} {is} (default {default})"));
        }
    };
    size("stanza_bytes", limits.stanza_bytes, defaults.stanza_bytes);
    size("preauth_bytes", limits.preauth_bytes, defaults.preauth_bytes);
    size("queue_bytes", limits.queue_bytes, defaults.queue_bytes);
    size("queue_total_bytes", limits.queue_total_bytes, defaults.queue_total_bytes);
    size("outbox_bytes", limits.outbox_bytes, defaults.outbox_bytes);
    let mut number = |name: &str, is: u64, default: u64, unit: &str| {
        if is != default {
            lines.push(format!("{name} {is}{unit} (default {default}{unit})"));
        }
    };
    number("depth", limits.depth as u64, defaults.depth as u64, "");
    number("attributes", limits.attributes as u64, defaults.attributes as u64, "");
    number("backend_links", limits.backend_links as u64, defaults.backend_links as u64, "");
    number("queue_stanzas", limits.queue_stanzas as u64, defaults.queue_stanzas as u64, "");
    let (timeouts, defaults) = (&loaded.config.timeouts, Timeouts::default());
    for (name, is, default) in [
        ("connect", timeouts.connect_secs, defaults.connect_secs),
        ("negotiation", timeouts.negotiation_secs, defaults.negotiation_secs),
        ("verify", timeouts.verify_secs, defaults.verify_secs),
        ("idle", timeouts.idle_secs, defaults.idle_secs),
        ("queue", timeouts.queue_secs, defaults.queue_secs),
        ("drain", timeouts.drain_secs, defaults.drain_secs),
    ] {
        number(&format!("timeout {name}"), u64::from(is), u64::from(default), " s");
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::load_text;

    #[test]
    fn the_report_shows_backends_and_the_state_of_the_internal_ca() {
        let surroundings = Surroundings { now: 1_798_761_600, descriptors_max: 20_000, cores: 2 };
        let directory = tempfile::tempdir().unwrap();
        let state_dir = directory.path().join("state");
        let text = format!(
            "\
[router]
state_dir = '{}'
[[listen]]
address = \"192.0.2.1:5269\"
[[listen]]
address = \"10.0.0.1:5269\"
kind = \"backend\"
[[domain]]
name = \"capulet.example\"
backend = {{ address = \"10.0.0.5:5269\", links = 2 }}
[[domain]]
name = \"*.capulet.example\"
backend = {{ address = \"10.0.0.5:5269\", links = 2 }}
[[domain]]
name = \"verona.example\"
backend = {{ address = \"10.0.0.6:5269\", proof = \"certificate\" }}
[[domain]]
name = \"plain.example\"
backend = {{ address = \"10.0.0.7:5269\", tls = \"optional\", from = [\"10.0.0.7\", \"fd00::7\"] }}
[trust]
minimum = \"verified\"
",
            state_dir.display()
        );
        let loaded = load_text("peerage.toml", &text, Path::new(""), surroundings).unwrap();
        assert_eq!(loaded.warnings, []);
        let lines = |subject: &str| {
            let report = report(&loaded, surroundings).unwrap();
            let words = |line: &str| line.strip_prefix(subject).map(|w| w.trim().to_owned());
            report.lines().filter_map(words).collect::<Vec<_>>()
        };
        assert_eq!(
            lines("domain "),
            [
                "capulet.example: backend 10.0.0.5:5269; no certificate, so no TLS",
                "*.capulet.example: backend 10.0.0.5:5269; no certificate, so no TLS",
                "verona.example: backend 10.0.0.6:5269; no certificate, so no TLS",
                "plain.example: backend 10.0.0.7:5269; no certificate, so no TLS",
            ]
        );
        assert_eq!(
            lines("backend "),
            [
                "10.0.0.5:5269: TLS required; known by 10.0.0.5/32; remote domains proved by dialback, 2 links a shard and domain",
                "10.0.0.6:5269: TLS required; known by 10.0.0.6/32; remote domains proved by certificates, 1 link a pair",
                "10.0.0.7:5269: TLS optional; known by 10.0.0.7/32, fd00::7/128; remote domains proved by dialback, 1 link a shard and domain",
            ]
        );
        assert_eq!(lines("listen "), ["192.0.2.1:5269 s2s, STARTTLS", "10.0.0.1:5269 backends"]);
        assert_eq!(lines("ca "), ["backend-ca.crt will be created"]);
        assert!(!state_dir.exists(), "a check writes");

        let made = ca::open(&state_dir, "capulet.example", surroundings.now).unwrap();
        let next = ca::stage(&state_dir, "capulet.example", surroundings.now).unwrap();
        let shown = |authority: &Authority| {
            let (name, sha256) = (&authority.name, authority.fingerprint_text());
            format!("{name}, until 2036-12-29T00:00:00Z (3650 days), SHA-256 {sha256}")
        };
        assert_eq!(lines("ca "), [shown(&made), format!("staged: {}", shown(&next))]);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(state_dir.join("backend-ca.key"), mode).unwrap();
        let problem = report(&loaded, surroundings).unwrap_err();
        assert!(problem.contains("lets others read the key of the internal CA"), "{problem}");
    }

    #[test]
    fn the_report_says_what_would_happen() {
        let surroundings = Surroundings { now: 1_798_761_600, descriptors_max: 20_000, cores: 2 };
        let text = "\
[router]
state_dir = \"/nowhere/state\"
[[listen]]
address = \"[::]:5269\"
[[listen]]
address = \"[::]:5270\"
tls = \"direct\"
[[listen]]
address = \"127.0.0.1:5347\"
kind = \"component\"
[[domain]]
name = \"capulet.example\"
component = { secret = \"0123456789abcdef\" }
[trust]
minimum = \"verified\"
[[trust.rule]]
remote = \"*.montague.example\"
minimum = \"secure\"
[limits]
stanza_bytes = \"1MiB\"
[timeouts]
idle = \"5m\"
";
        let loaded = load_text("peerage.toml", text, Path::new(""), surroundings).unwrap();
        let report = report(&loaded, surroundings).unwrap();
        let roots = loaded.roots.len();
        assert_eq!(
            report,
            format!(
                "\
shards    2 (one per core)
state     /nowhere/state: dialback.secret will be created
listen    [::]:5269 s2s, STARTTLS
listen    [::]:5270 s2s, direct TLS
listen    127.0.0.1:5347 components
domain    capulet.example: component; no certificate, so no TLS
trust     minimum verified
          local *, remote *.montague.example: secure
          roots webpki: {roots} certificates
dns       /etc/resolv.conf; 5 s a query, 2 attempts, 256 at a time
outbound  private networks that may be dialled: none
limits    links 15000
limits    stanza_bytes 1MiB (default 512KiB)
limits    timeout idle 300 s (default 600 s)
admin     http://127.0.0.1:5280/
"
            )
        );
    }
}
