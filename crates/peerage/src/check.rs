//! `peerage check`: what a configuration would do, in lines for people.

use std::fmt::Write as _;

use s2s_net::{Limits, Listener, ListenerKind, Timeouts};

use crate::certificate::show_time;
use crate::config::units::show_size;
use crate::config::{Loaded, RootSource, Surroundings};
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
            match identity {
                Some(identity) => {
                    let days = (identity.not_after - surroundings.now).div_euclid(86_400);
                    format!(
                        "{name}: component; certificate for {}, until {} ({days} days)",
                        identity.names.join(", "),
                        show_time(identity.not_after)
                    )
                }
                None => format!("{name}: component; no certificate, so no TLS"),
            }
        })
        .collect()
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
