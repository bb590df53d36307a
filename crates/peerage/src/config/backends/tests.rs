//! What is refused about backends, and what the sound ones become.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use s2s_net::{Backend, Service};

use super::*;
use crate::config::tests::{SURROUNDINGS, VERIFIED, errors, warnings};
use crate::config::{Loaded, Refused, load_text};

/// Listeners in lines 1 to 5, the rung in 6 and 7; domains start at line 8.
fn with(domains: &str) -> String {
    format!(
        "[[listen]]\naddress = \"127.0.0.1:5269\"\n[[listen]]\nkind = \"backend\"\naddress = \"10.0.0.1:5269\"\n[trust]\n{VERIFIED}{domains}"
    )
}

/// A domain of three lines.
fn domain(name: &str, backend: &str) -> String {
    format!("[[domain]]\nname = {name:?}\nbackend = {{ {backend} }}\n")
}

fn one(backend: &str) -> String {
    with(&domain("capulet.example", backend))
}

fn served(loaded: &Loaded) -> Vec<Backend> {
    let secret = s2s_proto::dialback::Secret::new(&[7; 32]).unwrap();
    let settings = loaded.settings(Arc::new(secret), None);
    let backend = |service: &Service| match service {
        Service::Backend(backend) => backend.clone(),
        Service::Component { .. } => panic!("a component"),
    };
    settings.domains.iter().map(|domain| backend(&domain.service)).collect()
}

fn load_in(directory: &Path, text: &str) -> Result<Loaded, Refused> {
    load_text("peerage.toml", text, directory, SURROUNDINGS)
}

/// A directory with the certificates `a.pem` and `b.pem`.
fn certificates() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in ["a.pem", "b.pem"] {
        let params = CertificateParams::new(vec!["capulet.example".to_owned()]).unwrap();
        let pem = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        std::fs::write(directory.path().join(file), pem).unwrap();
    }
    directory
}

#[test]
fn an_address_is_all_that_a_backend_needs() {
    let directory = tempfile::tempdir().unwrap();
    let loaded = load_in(directory.path(), &one("address = \"10.0.0.5:5269\"")).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(
        served(&loaded),
        [Backend {
            address: "10.0.0.5:5269".parse().unwrap(),
            tls: BackendTls::Required,
            sources: vec!["10.0.0.5/32".parse().unwrap()],
            certificates: None,
            proof: RemoteProof::Dialback,
            links: 1,
        }]
    );
}

#[test]
fn every_key_of_a_backend_reaches_the_data_plane() {
    let directory = certificates();
    let text = one(
        "address = \"[fd00::5]:5270\", from = [\"fd00::/64\", \"10.0.0.9\", \"10.0.0.9/32\"], certificate = \"a.pem\", links = 7",
    );
    let [backend] = &served(&load_in(directory.path(), &text).unwrap())[..] else { panic!() };
    assert_eq!(backend.address, "[fd00::5]:5270".parse().unwrap());
    assert_eq!(backend.links, 7);
    let sources: Vec<String> = backend.sources.iter().map(ToString::to_string).collect();
    assert_eq!(sources, ["10.0.0.9/32", "fd00::/64"]);
    let certificates = backend.certificates.as_ref().unwrap();
    assert!(certificates.file.ends_with("/a.pem"), "{}", certificates.file);
    assert_eq!(certificates.roots.len(), 1);

    let text = one("address = \"10.0.0.5:5269\", proof = \"certificate\"");
    let [backend] = &served(&load_in(directory.path(), &text).unwrap())[..] else { panic!() };
    assert_eq!(backend.proof, RemoteProof::Certificate);
    let text = one("address = \"10.0.0.5:5269\", tls = \"optional\"");
    let [backend] = &served(&load_in(directory.path(), &text).unwrap())[..] else { panic!() };
    assert_eq!(backend.tls, BackendTls::Optional);
}

#[test]
fn a_domain_is_served_by_exactly_one() {
    assert_eq!(
        errors(&with("[[domain]]\nname = \"capulet.example\"\n")),
        [
            "peerage.toml:8: domain: is served by nothing: set component = { secret = \"...\" } or backend = { address = \"...\" }"
        ]
    );
    let both = "component = { secret = \"0123456789abcdef\" }\n";
    assert_eq!(
        errors(&format!("{}{both}", one("address = \"10.0.0.5:5269\", links = 0"))),
        [
            "peerage.toml:10: domain.backend: is set beside domain.component: one of the two serves the domain",
            "peerage.toml:10: domain.backend.links = 0: must be 1 to 64",
        ]
    );
}

#[test]
fn values_of_a_backend_are_checked() {
    let allowed = "the address and port of the server, for example \"10.0.0.5:5269\"";
    assert_eq!(
        errors(&one("links = 65")),
        [
            format!("peerage.toml:10: domain.backend.address: is missing: {allowed}"),
            "peerage.toml:10: domain.backend.links = 65: must be 1 to 64".to_owned(),
        ]
    );
    for (address, reason) in [
        ("prosody:5269", "invalid socket address syntax"),
        ("10.0.0.5:0", "port 0 is no port"),
        ("0.0.0.0:5269", "0.0.0.0 is not the address of a server"),
        ("[ff02::1]:5269", "ff02::1 is not the address of a server"),
        ("[::ffff:10.0.0.5]:5269", "write it as IPv4: 10.0.0.5"),
    ] {
        assert_eq!(
            errors(&one(&format!("address = {address:?}"))),
            [format!(
                "peerage.toml:10: domain.backend.address = {address:?}: must be {allowed} ({reason})"
            )]
        );
    }
    let rest = "address = \"10.0.0.5:5269\", tls = \"never\", from = [\"::ffff:10.0.0.5\"], proof = \"word\", port = 1";
    assert_eq!(
        errors(&one(rest)),
        [
            "peerage.toml:10: domain.backend.tls = \"never\": must be \"required\" or \"optional\"",
            "peerage.toml:10: domain.backend.proof = \"word\": must be \"dialback\" or \"certificate\"",
            "peerage.toml:10: domain.backend.from = \"::ffff:10.0.0.5\": must be networks such as \"10.0.0.0/24\" or addresses (write it as IPv4: 10.0.0.5)",
            "peerage.toml:10: domain.backend.port = 1: unknown key; known here: address, tls, from, certificate, proof, links",
        ]
    );
}

#[test]
fn a_backend_listener_speaks_starttls() {
    let text = one("address = \"10.0.0.5:5269\"")
        .replace("kind = \"backend\"\n", "kind = \"backend\"\ntls = \"direct\"\n");
    assert_eq!(
        errors(&text),
        [
            "peerage.toml:5: listen.tls = \"direct\": is only for kind = \"s2s\": backends are answered with STARTTLS"
        ]
    );
    assert_eq!(errors(&text.replace("direct", "starttls")), [""; 0]);
}

#[test]
fn domains_of_one_server_have_equal_tables() {
    let tables = |first: &str, second: &str| {
        errors(&with(&format!(
            "{}{}",
            domain("capulet.example", &format!("address = \"10.0.0.5:5269\"{first}")),
            domain("*.capulet.example", &format!("address = \"10.0.0.5:5269\"{second}")),
        )))
    };
    assert_eq!(tables("", ""), [""; 0]);
    assert_eq!(tables(", from = \"10.0.0.5/32\"", ", links = 1"), [""; 0]);
    assert_eq!(
        tables(", from = [\"10.0.0.6\", \"10.0.0.5\"]", ", from = [\"10.0.0.5\", \"10.0.0.6\"]"),
        [""; 0]
    );
    assert_eq!(
        tables("", ", tls = \"optional\", from = \"10.0.0.0/24\", links = 2"),
        [
            "peerage.toml:13: domain.backend.address = \"10.0.0.5:5269\": is the server of line 10, which sets tls, from, links otherwise: domains of one server have equal tables"
        ]
    );
    assert_eq!(
        tables("", ", proof = \"certificate\""),
        [
            "peerage.toml:13: domain.backend.address = \"10.0.0.5:5269\": is the server of line 10, which sets proof otherwise: domains of one server have equal tables"
        ]
    );
}

#[test]
fn certificates_need_tls() {
    let directory = certificates();
    let text = one("address = \"10.0.0.5:5269\", tls = \"optional\", certificate = \"a.pem\"");
    let Err(refused) = load_in(directory.path(), &text) else { panic!("accepted") };
    assert_eq!(
        refused.to_string(),
        "peerage.toml:10: domain.backend.certificate = \"a.pem\": needs tls = \"required\": without TLS there is no certificate"
    );
    assert_eq!(
        errors(&one("address = \"10.0.0.5:5269\", tls = \"optional\", proof = \"certificate\"")),
        [
            "peerage.toml:10: domain.backend.proof = \"certificate\": needs tls = \"required\": without TLS there is no certificate"
        ]
    );
    assert_eq!(
        errors(&one("address = \"10.0.0.5:5269\", proof = \"certificate\", links = 1")),
        [
            "peerage.toml:10: domain.backend.links = 1: is only for proof = \"dialback\": with certificates each pair has a link of its own"
        ]
    );
}

#[test]
fn a_certificate_that_cannot_be_read_is_named() {
    assert_eq!(
        errors(&one("address = \"10.0.0.5:5269\", certificate = \"gone.pem\"")),
        [
            "peerage.toml:10: domain.backend.certificate = \"gone.pem\": /nowhere/gone.pem: cannot be read: No such file or directory (os error 2)"
        ]
    );
}

#[test]
fn a_public_network_is_no_backend() {
    let wide = |most| {
        format!(
            "is wider than {most} and not inside a private network, and whoever connects from it speaks for the domain: name the server's own addresses, or set certificate too"
        )
    };
    for (network, most) in [
        ("0.0.0.0/0", "/29"),
        ("10.0.0.0/7", "/29"),
        ("198.51.100.0/24", "/29"),
        ("198.51.100.0/28", "/29"),
        ("::/0", "/64"),
        ("fc00::/6", "/64"),
        ("2001:db8::/63", "/64"),
    ] {
        let backend = format!("address = \"10.0.0.5:5269\", from = [\"10.0.0.5\", {network:?}]");
        assert_eq!(
            errors(&one(&backend)),
            [format!("peerage.toml:10: domain.backend.from = {network:?}: {}", wide(most))]
        );
        let directory = certificates();
        let text = one(&format!(
            "address = \"10.0.0.5:5269\", from = {network:?}, certificate = \"a.pem\""
        ));
        load_in(directory.path(), &text).unwrap();
    }
}

#[test]
fn a_private_network_of_any_width_and_a_small_public_one_may_be_a_backends() {
    let from = [
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "::1",
        "fc00::/7",
        "fe80::/10",
        "198.51.100.8/29",
        "2001:db8::/64",
    ];
    assert_eq!(errors(&one(&format!("address = \"10.0.0.5:5269\", from = {from:?}"))), [""; 0]);
}

#[test]
fn the_router_is_not_its_own_backend() {
    assert_eq!(
        errors(&one("address = \"10.0.0.1:5269\"")),
        [
            "peerage.toml:10: domain.backend.address = \"10.0.0.1:5269\": is the address of the listener of line 5: give the address of the server, not the router's"
        ]
    );
    let wildcard =
        one("address = \"127.0.0.1:5271\"").replace("127.0.0.1:5269\"\n[[", "[::]:5271\"\n[[");
    assert_eq!(
        errors(&wildcard),
        [
            "peerage.toml:10: domain.backend.address = \"127.0.0.1:5271\": is the address of the listener of line 2: give the address of the server, not the router's"
        ]
    );
    assert_eq!(errors(&one("address = \"10.0.0.1:5270\"")), [""; 0]);
}

#[test]
fn sources_that_two_backends_share_are_a_warning() {
    let directory = certificates();
    let two = |first: &str, second: &str| {
        let text = with(&format!(
            "{}{}",
            domain("capulet.example", &format!("address = \"10.0.0.5:5269\"{first}")),
            domain("montague.example", &format!("address = \"10.0.0.6:5269\"{second}")),
        ));
        let loaded = load_in(directory.path(), &text).unwrap();
        loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(two("", ""), [""; 0]);
    let shared = "whoever connects from there can speak for the domains of both; give each its own addresses, or its own certificate";
    assert_eq!(
        two("", ", from = \"10.0.0.0/24\""),
        [format!(
            "peerage.toml:13: domain.backend.from = \"10.0.0.0/24\": 10.0.0.0/24 overlaps with 10.0.0.5/32 of the backend of line 10: {shared}"
        )]
    );
    assert_eq!(
        two(", from = [\"10.0.0.0/24\"], certificate = \"a.pem\"", ""),
        [format!(
            "peerage.toml:13: domain.backend.address = \"10.0.0.6:5269\": 10.0.0.6/32 overlaps with 10.0.0.0/24 of the backend of line 10: {shared}"
        )]
    );
    let from = ", from = \"10.0.0.0/24\", certificate = ";
    assert_eq!(two(&format!("{from}\"a.pem\""), &format!("{from}\"b.pem\"")), [""; 0]);
    assert_eq!(two(&format!("{from}\"a.pem\""), &format!("{from}\"a.pem\"")).len(), 1);
}

#[test]
fn listeners_and_backends_need_each_other() {
    let none = one("address = \"10.0.0.5:5269\"")
        .replace("[[listen]]\nkind = \"backend\"\naddress = \"10.0.0.1:5269\"\n", "");
    assert_eq!(
        warnings(&none),
        [
            "peerage.toml:7: domain.backend.address = \"10.0.0.5:5269\": no listener of kind \"backend\": the server can receive but not send; add [[listen]] kind = \"backend\" with a private address"
        ]
    );
    let component = with(
        "[[domain]]\nname = \"capulet.example\"\ncomponent = { secret = \"0123456789abcdef\" }\n",
    );
    assert_eq!(
        warnings(&component),
        [
            "peerage.toml:5: listen.address = \"10.0.0.1:5269\": no [[domain]] has a backend: nobody may connect here",
            "peerage.toml: no listener of kind \"component\": nothing can serve the domains that have a component; add [[listen]] kind = \"component\" address = \"127.0.0.1:5347\"",
        ]
    );
    let attached = one("address = \"10.0.0.5:5269\"").replace(
        "[trust]",
        "[[listen]]\nkind = \"component\"\naddress = \"127.0.0.1:5347\"\n[trust]",
    );
    assert_eq!(
        warnings(&attached),
        [
            "peerage.toml:8: listen.address = \"127.0.0.1:5347\": no [[domain]] has a component: nobody can attach here"
        ]
    );
    let alone = one("address = \"10.0.0.5:5269\"")
        .replace("[[listen]]\naddress = \"127.0.0.1:5269\"\n", "");
    assert_eq!(
        warnings(&alone),
        ["peerage.toml: no listener of kind \"s2s\": no other server can connect"]
    );
}

#[test]
fn a_backend_listener_on_a_public_address_is_a_warning() {
    let listening = |address: &str| {
        warnings(&one("address = \"10.0.0.5:5269\"").replace("10.0.0.1:5269", address))
    };
    for private in ["127.0.0.2:5269", "192.168.1.1:1", "100.64.0.1:1", "[fd00::1]:1", "[::1]:1"] {
        assert_eq!(listening(private), [""; 0], "{private}");
    }
    for public in ["0.0.0.0:1", "[::]:1", "203.0.113.1:1", "100.128.0.1:1", "[2001:db8::1]:1"] {
        assert_eq!(
            listening(public),
            [format!(
                "peerage.toml:5: listen.address = \"{public}\": is not a private address: whoever reaches it from an address in domain.backend.from speaks for that domain; listen on a private network only"
            )]
        );
    }
}
