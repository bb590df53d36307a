//! The table of bad configurations with their exact messages, and the catalogue against the code.

use std::fs;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair};
use s2s_net::{Limits, Timeouts};
use s2s_trust::Rung;
use time::OffsetDateTime;

use super::catalogue::{self, CHAPTERS, Takes};
use super::*;

/// 2027-01-01.
pub(super) const NOW: i64 = 1_798_761_600;
pub(super) const SURROUNDINGS: Surroundings =
    Surroundings { now: NOW, descriptors_max: 20_000, cores: 2 };

/// A configuration of nine lines without a fault.
pub(super) const SOUND: &str = "\
[[listen]]
address = \"127.0.0.1:0\"
[[listen]]
address = \"127.0.0.1:5347\"
kind = \"component\"
[[domain]]
name = \"capulet.example\"
component = { secret = \"0123456789abcdef0123456789abcdef\" }
[trust]
";
/// Line 10: what a domain without a certificate needs.
pub(super) const VERIFIED: &str = "minimum = \"verified\"\n";

pub(super) fn read(text: &str) -> Result<Loaded, Refused> {
    load_text("peerage.toml", text, Path::new("/nowhere"), SURROUNDINGS)
}

pub(super) fn errors(text: &str) -> Vec<String> {
    let Err(Refused(findings)) = read(text) else { return Vec::new() };
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(ToString::to_string)
        .collect()
}

pub(super) fn warnings(text: &str) -> Vec<String> {
    let loaded = read(text).unwrap();
    loaded.warnings.iter().map(ToString::to_string).collect()
}

/// `addition` starts at line 11 of an otherwise sound file.
pub(super) fn refused(addition: &str, expected: &[&str]) {
    assert_eq!(errors(&format!("{SOUND}{VERIFIED}{addition}")), expected, "{addition}");
}

#[test]
fn a_sound_file_is_accepted_with_defaults() {
    let loaded = read(&format!("{SOUND}{VERIFIED}")).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.shards, 2);
    assert_eq!(loaded.config.limits, Limits { links: 15_000, ..Limits::default() });
    assert_eq!(loaded.config.timeouts, Timeouts::default());
    assert_eq!(loaded.config.dns, Dns::default());
    assert_eq!(loaded.config.trust.minimum.value, Rung::Verified);
    assert_eq!(loaded.policy.general_minimum(), Rung::Verified);
}

#[test]
fn values_out_of_range_name_the_range() {
    refused(
        "[limits]\nstanza_bytes = 500\n",
        &[
            "peerage.toml:12: limits.stanza_bytes = 500: must be 10000 to 16777216 (RFC 6120 §13.12)",
        ],
    );
    refused(
        "[limits]\nstanza_bytes = \"32MiB\"\n",
        &[
            "peerage.toml:12: limits.stanza_bytes = \"32MiB\": must be 10000 to 16777216 (RFC 6120 §13.12)",
        ],
    );
    refused("[limits]\ndepth = -1\n", &["peerage.toml:12: limits.depth = -1: must be 8 to 1024"]);
    refused("[router]\nshards = 0\n", &["peerage.toml:12: router.shards = 0: must be 1 to 256"]);
    refused(
        "[timeouts]\nconnect = \"0s\"\n",
        &["peerage.toml:12: timeouts.connect = \"0s\": must be 1 to 120 seconds"],
    );
    refused(
        "[log]\nlevel = \"loud\"\n",
        &[
            "peerage.toml:12: log.level = \"loud\": must be \"error\" or \"warn\" or \"info\" or \"debug\" or \"trace\"",
        ],
    );
}

#[test]
fn values_of_a_wrong_type_name_the_type() {
    refused(
        "[limits]\nstanza_bytes = \"64 KB\"\n",
        &[
            "peerage.toml:12: limits.stanza_bytes = \"64 KB\": must be a size: an integer (bytes) or a string such as \"512KiB\" or \"4MiB\"",
        ],
    );
    refused(
        "[limits]\nlinks = 1.5\n",
        &["peerage.toml:12: limits.links = 1.5: must be an integer, not a float"],
    );
    refused(
        "[router]\npin_to_cores = \"yes\"\n",
        &["peerage.toml:12: router.pin_to_cores = \"yes\": must be true or false, not a string"],
    );
    refused(
        "[dns]\nservers = 53\n",
        &[
            "peerage.toml:12: dns.servers = 53: must be a string or a list of strings, not an integer",
        ],
    );
    refused(
        "[[timeouts]]\nidle = 10\n",
        &["peerage.toml:11: timeouts: must be a table ([timeouts]), not an array"],
    );
    refused(
        "[dns]\nservers = [\"9.9.9.9\", \"resolver\"]\n",
        &[
            "peerage.toml:12: dns.servers = \"resolver\": must be addresses with or without a port, for example \"127.0.0.1:53\" (invalid IP address syntax)",
        ],
    );
    refused(
        "[outbound]\nallow_private = \"10.0.0.0/40\"\n",
        &[
            "peerage.toml:12: outbound.allow_private = \"10.0.0.0/40\": must be networks such as \"10.0.0.0/8\" or addresses (invalid IP address syntax)",
        ],
    );
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    refused(
        "[limits]\nstanza_byte = 20000\n",
        &["peerage.toml:12: limits.stanza_byte = 20000: unknown key; did you mean stanza_bytes?"],
    );
    refused(
        "[admin]\nport = 80\n",
        &["peerage.toml:12: admin.port = 80: unknown key; known here: listen, allow_remote"],
    );
    // Later parts of the design are not there yet, and not ignored either.
    refused(
        "[[flag_day]]\nminimum = \"trusted\"\n",
        &[
            "peerage.toml:11: flag_day: unknown key; known here: router, listen, domain, trust, dns, outbound, streams, limits, timeouts, log, admin",
        ],
    );
    refused(
        "[[domain]]\nname = \"b.example\"\nprosody = {}\n",
        &[
            "peerage.toml:11: domain: is served by nothing: set component = { secret = \"...\" } or backend = { address = \"...\" }",
            "peerage.toml:13: domain.prosody: unknown key; known here: name, certificate, key, component, backend",
        ],
    );
}

#[test]
fn a_secret_is_never_shown() {
    let short = format!("{SOUND}{VERIFIED}").replace("0123456789abcdef0123456789abcdef", "hunter2");
    assert_eq!(
        warnings(&short),
        [
            "peerage.toml:8: domain.component.secret = …: is short: a secret of 32 random characters cannot be guessed (domain capulet.example)",
        ]
    );
    let text = format!("{SOUND}{VERIFIED}").replace("secret = \"", "sekret = \"");
    let found = errors(&text).join("\n");
    assert!(found.contains("domain.component.sekret = …: unknown key"), "{found}");
    assert!(!found.contains("0123456789abcdef"), "{found}");
    let empty = format!("{SOUND}{VERIFIED}").replace("0123456789abcdef0123456789abcdef", "");
    assert_eq!(
        errors(&empty),
        [
            "peerage.toml:8: domain.component.secret = …: is empty: must be text, best 32 random characters or more",
        ]
    );
}

#[test]
fn every_error_of_a_file_is_reported_in_its_order() {
    refused(
        "[limits]\ndepth = 1\nattributes = \"many\"\n[router]\nshard = 2\nshards = 999\n",
        &[
            "peerage.toml:12: limits.depth = 1: must be 8 to 1024",
            "peerage.toml:13: limits.attributes = \"many\": must be an integer, not a string",
            "peerage.toml:15: router.shard = 2: unknown key; did you mean shards?",
            "peerage.toml:16: router.shards = 999: must be 1 to 256",
        ],
    );
}

#[test]
fn what_is_not_toml_names_the_line() {
    let found = errors("[router]\nshards = \n");
    assert!(found[0].starts_with("peerage.toml:2: not TOML: "), "{found:?}");
    let found = errors("[router]\nshards = 1\nshards = 2\n");
    assert!(found[0].starts_with("peerage.toml:3: not TOML: "), "{found:?}");
}

#[test]
fn an_empty_file_says_what_is_needed() {
    assert_eq!(
        errors(""),
        ["peerage.toml: no [[listen]] table: add one, for example address = \"[::]:5269\"",]
    );
    assert_eq!(
        errors("[[listen]]\naddress = \"127.0.0.1:5269\"\n"),
        ["peerage.toml: no [[domain]] table: a router without a hosted domain serves nobody",]
    );
}

#[test]
fn listeners_are_checked_against_each_other() {
    refused(
        "[[listen]]\naddress = \"127.0.0.1:5347\"\n",
        &[
            "peerage.toml:12: listen.address = \"127.0.0.1:5347\": is the address of the listener of line 4 already",
        ],
    );
    refused(
        "[[listen]]\nkind = \"component\"\ntls = \"direct\"\naddress = \"127.0.0.1:1\"\n",
        &[
            "peerage.toml:13: listen.tls = \"direct\": is only for kind = \"s2s\": the component protocol (XEP-0114) has no TLS",
        ],
    );
    refused(
        "[[listen]]\naddress = \"example.org:5269\"\n[[listen]]\n",
        &[
            "peerage.toml:12: listen.address = \"example.org:5269\": must be an address and a port, for example \"[::]:5269\" or \"127.0.0.1:5347\" (invalid socket address syntax)",
            "peerage.toml:13: listen.address: is missing: an address and a port, for example \"[::]:5269\" or \"127.0.0.1:5347\"",
        ],
    );
    refused(
        "[admin]\nlisten = \"127.0.0.1:5347\"\n",
        &[
            "peerage.toml:12: admin.listen = \"127.0.0.1:5347\": 127.0.0.1:5347 is the address of the listener of line 4",
        ],
    );
}

#[test]
fn a_wildcard_listener_takes_its_port_on_every_address() {
    let taken = "the listener of line 12 takes this port on every address: give both addresses of their own, or this one another port";
    let two = |wildcard: &str, other: &str| {
        let listeners =
            format!("[[listen]]\naddress = {wildcard:?}\n[[listen]]\naddress = {other:?}\n");
        errors(&format!("{SOUND}{VERIFIED}{listeners}"))
    };
    for (wildcard, other) in [
        ("[::]:5269", "10.0.0.1:5269"),
        ("[::]:5269", "[::1]:5269"),
        ("0.0.0.0:5269", "10.0.0.1:5269"),
        ("[::]:5269", "0.0.0.0:5269"),
    ] {
        let error = format!("peerage.toml:14: listen.address = {other:?}: {taken}");
        assert_eq!(two(wildcard, other), [error]);
    }
    for (wildcard, other) in
        [("[::]:5269", "10.0.0.1:5270"), ("0.0.0.0:5269", "[::1]:5269"), ("[::]:0", "10.0.0.1:0")]
    {
        assert_eq!(two(wildcard, other), [""; 0], "{wildcard} {other}");
    }
    let first = two("10.0.0.1:5269", "[::]:5269");
    assert_eq!(
        first,
        [format!(
            "peerage.toml:12: listen.address = \"10.0.0.1:5269\": {}",
            taken.replace("12", "14")
        )]
    );
}

#[test]
fn the_admin_port_stays_on_loopback_unless_told() {
    refused(
        "[admin]\nlisten = \"0.0.0.0:5280\"\n",
        &[
            "peerage.toml:12: admin.listen = \"0.0.0.0:5280\": must be a loopback address: the admin port asks for no password; to open it all the same set admin.allow_remote = true",
        ],
    );
    read(&format!("{SOUND}{VERIFIED}[admin]\nlisten = \"0.0.0.0:5280\"\nallow_remote = true\n"))
        .unwrap();
}

#[test]
fn domains_are_checked() {
    let component = "component = { secret = \"0123456789abcdef\" }\n";
    refused(
        &format!("[[domain]]\nname = \"Capulet.Example.\"\n{component}"),
        &["peerage.toml:12: domain.name = \"Capulet.Example.\": is hosted by line 7 already"],
    );
    refused(
        &format!("[[domain]]\nname = \"*\"\n{component}"),
        &[
            "peerage.toml:12: domain.name = \"*\": must be a domain or *.domain: nobody hosts every domain",
        ],
    );
    refused(
        "[[domain]]\nname = \"b.example\"\ncomponent = {}\n",
        &["peerage.toml:13: domain.component: needs secret or secret_file"],
    );
    refused(
        &format!("[[domain]]\nname = \"b.example\"\ncertificate = \"b.crt\"\n{component}"),
        &[
            "peerage.toml:13: domain.certificate = \"b.crt\": needs key, the file of its private key",
        ],
    );
    let found = errors(&format!("{SOUND}{VERIFIED}[[domain]]\nname = \"a..b\"\n{component}"));
    assert!(
        found[0]
            .starts_with("peerage.toml:12: domain.name = \"a..b\": must be a domain or *.domain ("),
        "{found:?}"
    );
}

#[test]
fn a_domain_without_a_certificate_needs_a_rung_below_secure() {
    assert_eq!(
        errors(SOUND),
        [
            "peerage.toml:7: domain.name = \"capulet.example\": has no certificate, and trust.minimum = \"secure\" needs TLS: set certificate and key, or allow less with [[trust.rule]] local = \"capulet.example\" minimum = \"verified\"",
        ]
    );
    let rule = "[[trust.rule]]\nremote = \"montague.example\"\nminimum = \"verified\"\n";
    assert_eq!(
        warnings(&format!("{SOUND}{rule}")),
        [
            "peerage.toml:7: domain.name = \"capulet.example\": has no certificate: only the peers whose rule is below \"secure\" can be reached, all others need \"secure\"",
        ]
    );
}

#[test]
fn rules_that_contradict_or_cannot_match_are_refused() {
    let rule = "[[trust.rule]]\nremote = \"montague.example\"\nminimum = \"trusted\"\n";
    refused(
        &format!("{rule}{}", rule.replace("trusted", "secure")),
        &[
            "peerage.toml:14: trust.rule: local = \"*\" and remote = \"montague.example\" are those of the rule of line 11: two rules of one rank",
        ],
    );
    refused(
        "[[trust.rule]]\nlocal = \"capulett.example\"\nminimum = \"secure\"\n",
        &[
            "peerage.toml:12: trust.rule.local = \"capulett.example\": can never match: no [[domain]] is covered by it",
        ],
    );
    refused(
        "[[trust.rule]]\nremote = \"capulet.example\"\nminimum = \"secure\"\n",
        &[
            "peerage.toml:12: trust.rule.remote = \"capulet.example\": can never match: the domain is hosted here, remote means other servers",
        ],
    );
    refused(
        "[[trust.rule]]\nremote = \"montague.example\"\n",
        &[
            "peerage.toml:11: trust.rule.minimum: is missing: \"promiscuous\" or \"verified\" or \"secure\" or \"trusted\"",
        ],
    );
}

#[test]
fn the_promiscuous_rung_is_never_silent() {
    assert_eq!(
        warnings(&format!("{SOUND}minimum = \"promiscuous\"\n")),
        [
            "peerage.toml:10: trust.minimum = \"promiscuous\": anybody can send in any name: for test networks only",
        ]
    );
}

#[test]
fn one_stanza_fits_wherever_a_stanza_waits() {
    refused(
        "[limits]\nstanza_bytes = \"8MiB\"\nqueue_bytes = \"1MiB\"\noutbox_bytes = \"16MiB\"\n",
        &[
            "peerage.toml:13: limits.queue_bytes = \"1MiB\": must be at least limits.stanza_bytes, which is 8388608",
        ],
    );
    refused(
        "[limits]\nstanza_bytes = \"8MiB\"\n",
        &[
            "peerage.toml:12: limits.stanza_bytes = \"8MiB\": must be at most limits.queue_bytes, which is 4194304",
        ],
    );
}

#[test]
fn what_waited_for_a_connection_fits_into_its_outbox() {
    refused(
        "[limits]\noutbox_bytes = \"1MiB\"\n",
        &[
            "peerage.toml:12: limits.outbox_bytes = \"1MiB\": must be at least limits.queue_bytes, which is 4194304",
        ],
    );
}

#[test]
fn more_links_than_descriptors_is_a_warning() {
    assert_eq!(
        warnings(&format!("{SOUND}{VERIFIED}[limits]\nlinks = 20000\n")),
        [
            "peerage.toml: limits.links = 20000 needs more file descriptors than this process may hold (20000, of which 64 are reserved): raise LimitNOFILE or `ulimit -n`",
        ]
    );
}

#[test]
fn roots_that_cannot_be_read_name_the_file() {
    let text = format!("{SOUND}{VERIFIED}roots = [\"webpki\", \"ours.pem\"]\n");
    assert_eq!(
        errors(&text),
        [
            "peerage.toml:11: trust.roots = \"ours.pem\": /nowhere/ours.pem: cannot be read: No such file or directory (os error 2)",
        ]
    );
}

/// A directory with certificates: `NAME.crt`, `NAME.key`.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        Certificates(tempfile::tempdir().unwrap())
    }

    fn make(&self, file: &str, names: &[&str], not_after: i64) {
        let mut params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())
                .unwrap();
        params.not_before = OffsetDateTime::from_unix_timestamp(NOW - 864_000).unwrap();
        params.not_after = OffsetDateTime::from_unix_timestamp(not_after).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(self.0.path().join(format!("{file}.crt")), certificate.pem()).unwrap();
        fs::write(self.0.path().join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }

    /// The findings about a domain with this certificate and key, in lines 8 and 9.
    fn findings(&self, name: &str, certificate: &str, key: &str) -> Vec<String> {
        let domain = format!("name = {name:?}\ncertificate = {certificate:?}\nkey = {key:?}\n");
        let text = SOUND.replace("name = \"capulet.example\"\n", &domain);
        let findings = match load_text("peerage.toml", &text, self.0.path(), SURROUNDINGS) {
            Ok(loaded) => loaded.warnings,
            Err(Refused(findings)) => findings,
        };
        let directory = format!("{}/", self.0.path().display());
        findings.iter().map(|finding| finding.to_string().replace(&directory, "")).collect()
    }
}

#[test]
fn a_certificate_must_be_there_parse_and_name_its_domain() {
    let certificates = Certificates::new();
    let later = NOW + 90 * 86_400;
    certificates.make("a", &["capulet.example", "*.capulet.example"], later);
    certificates.make("b", &["montague.example"], later);
    fs::write(certificates.0.path().join("none.crt"), "no PEM").unwrap();

    let none: [&str; 0] = [];
    assert_eq!(certificates.findings("capulet.example", "a.crt", "a.key"), none);
    assert_eq!(certificates.findings("*.capulet.example", "a.crt", "a.key"), none);
    assert_eq!(
        certificates.findings("capulet.example", "gone.crt", "a.key"),
        [
            "peerage.toml:8: domain.certificate = \"gone.crt\": gone.crt: cannot be read: No such file or directory (os error 2) (domain capulet.example)",
        ]
    );
    assert_eq!(
        certificates.findings("capulet.example", "none.crt", "a.key"),
        [
            "peerage.toml:8: domain.certificate = \"none.crt\": none.crt: holds no PEM certificate (domain capulet.example)",
        ]
    );
    assert_eq!(
        certificates.findings("capulet.example", "a.crt", "b.key"),
        [
            "peerage.toml:9: domain.key = \"b.key\": b.key: is not the key of a.crt, the certificate of capulet.example (domain capulet.example)",
        ]
    );
    assert_eq!(
        certificates.findings("capulet.example", "a.crt", "b.crt"),
        [
            "peerage.toml:9: domain.key = \"b.crt\": b.crt: holds no PEM private key (PKCS#8, PKCS#1 or SEC1) (domain capulet.example)",
        ]
    );
    let found = certificates.findings("capulet.example", "b.crt", "b.key").join("\n");
    assert!(
        found.starts_with("peerage.toml:8: domain.certificate = \"b.crt\": b.crt: the certificate does not name capulet.example: it names "),
        "{found}"
    );
    let found = certificates.findings("*.montague.example", "b.crt", "b.key").join("\n");
    assert!(found.contains("does not name *.montague.example"), "{found}");
}

#[test]
fn dates_of_a_certificate_are_warnings() {
    let certificates = Certificates::new();
    certificates.make("old", &["capulet.example"], NOW - 86_400);
    certificates.make("soon", &["capulet.example"], NOW + 3 * 86_400);
    assert_eq!(
        certificates.findings("capulet.example", "old.crt", "old.key"),
        [
            "peerage.toml:8: domain.certificate = \"old.crt\": the certificate expired at 2026-12-31T00:00:00Z (domain capulet.example)",
        ]
    );
    assert_eq!(
        certificates.findings("capulet.example", "soon.crt", "soon.key"),
        [
            "peerage.toml:8: domain.certificate = \"soon.crt\": the certificate expires in 3 days, at 2027-01-04T00:00:00Z (domain capulet.example)",
        ]
    );
}

#[test]
fn a_secret_may_be_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("echo.secret"), "0123456789abcdef0123\nsecond line\n").unwrap();
    let text = format!("{SOUND}{VERIFIED}")
        .replace("secret = \"0123456789abcdef0123456789abcdef\"", "secret_file = \"echo.secret\"");
    let loaded = load_text("peerage.toml", &text, directory.path(), SURROUNDINGS).unwrap();
    let secret = s2s_proto::dialback::Secret::new(&[7; 32]).unwrap();
    let settings = loaded.settings(std::sync::Arc::new(secret), None);
    let s2s_net::Service::Component { secret } = &settings.domains[0].service else { panic!() };
    assert_eq!(secret, "0123456789abcdef0123");
    assert_eq!(
        errors(&text),
        [
            "peerage.toml:8: domain.component.secret_file = \"echo.secret\": cannot be read: No such file or directory (os error 2) (domain capulet.example)",
        ]
    );
}

#[test]
fn the_words_of_the_catalogue_are_those_of_the_code() {
    let rungs: Vec<&str> = Rung::ALL.iter().map(|rung| rung.as_str()).collect();
    let Takes::Word(words) = catalogue::find("trust.minimum").unwrap().takes else { panic!() };
    assert_eq!(words, rungs);
    let Takes::Word(words) = catalogue::find("log.level").unwrap().takes else { panic!() };
    assert_eq!(words.len(), LogLevel::ALL.len());
}

/// The reference with every key set, but for what serves the domain: only lines that start with `served` do.
fn everything(served: &str) -> String {
    reference::toml()
        .lines()
        .filter(|line| {
            let line = line.trim_start_matches('#');
            let serves = line.starts_with("component = ") || line.starts_with("backend = ");
            !serves || line.starts_with(served)
        })
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') && rest.contains(" = ") => rest,
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn every_key_of_the_reference_is_read_and_every_default_is_true() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("echo.secret"), "0123456789abcdef0123\n").unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["echo.example.org".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    fs::write(directory.path().join("echo.example.org.crt"), &pem).unwrap();
    fs::write(directory.path().join("echo.example.org.key"), key.serialize_pem()).unwrap();

    fs::write(directory.path().join("backend.pem"), &pem).unwrap();
    let text = everything("backend = {");
    let loaded = load_text("reference.toml", &text, directory.path(), SURROUNDINGS)
        .unwrap_or_else(|refused| panic!("{refused}\n{text}"));
    let [served] = loaded.config.servers()[..] else { panic!("no backend in\n{text}") };
    assert!(served.links.place.is_some() && served.certificate.is_some());

    let text = everything("component = { secret_file");
    let loaded = load_text("reference.toml", &text, directory.path(), SURROUNDINGS)
        .unwrap_or_else(|refused| panic!("{refused}\n{text}"));
    for chapter in CHAPTERS {
        for key in chapter.keys {
            let name = key.path.rsplit('.').next().unwrap();
            assert!(reference::toml().contains(&format!("{name} = ")), "{}", key.path);
        }
    }
    // The examples of limits, timeouts and DNS are their defaults.
    assert_eq!(loaded.config.limits, Limits::default());
    assert_eq!(loaded.config.timeouts, Timeouts::default());
    assert_eq!(Dns { servers: Vec::new(), ..loaded.config.dns }, Dns::default());
    assert_eq!(loaded.config.admin.listen.value, Admin::default().listen.value);
}

#[test]
fn configuration_md_is_what_the_program_prints() {
    let file = include_str!("../../CONFIGURATION.md");
    assert!(
        file == reference::markdown(),
        "regenerate it: cargo run -p peerage -- config reference --markdown > crates/peerage/CONFIGURATION.md"
    );
    for key in CHAPTERS.iter().flat_map(|chapter| chapter.keys) {
        assert!(file.contains(&format!("| `{}` |", key.path)), "{}", key.path);
    }
}
