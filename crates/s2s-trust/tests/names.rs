//! Names on leaves.

#[allow(dead_code, unreachable_pub)]
#[path = "../../s2s-testkit/src/certs.rs"]
mod certs;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use certs::{Authority, CertSpec, SrvString, now, self_signed};
use proptest::prelude::*;
use s2s_trust::{
    CERTIFICATE_BYTES_MAX, CertificateDer, LEAF_NAMES_MAX, LeafName, LeafNames, LeafNamesError,
    NameFault, NameKind, NameVerdict, Roots, judge_chain,
};
use xmpp_addr::Domain;

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn names(spec: CertSpec<'_>) -> LeafNames {
    LeafNames::parse(self_signed(spec).leaf()).unwrap()
}

fn proves(spec: CertSpec<'_>, name: &str) -> NameVerdict {
    names(spec).proves(&domain(name))
}

#[test]
fn a_dns_name_matches_every_spelling_of_its_domain() {
    let spec = CertSpec::for_dns(&["Capulet.Example", "xn--bcher-kva.example"]);
    for name in ["capulet.example", "CAPULET.example.", "bücher.example", "BÜCHER.example"] {
        assert_eq!(proves(spec, name), NameVerdict::Match(NameKind::Dns), "{name}");
    }
    for name in [
        "example",
        "xcapulet.example",
        "chat.capulet.example",
        "capulet.example.net",
        "bucher.example",
    ] {
        assert_eq!(proves(spec, name), NameVerdict::Mismatch, "{name}");
    }
}

#[test]
fn a_wildcard_stands_for_exactly_one_label() {
    let dns = CertSpec::for_dns(&["*.capulet.example"]);
    let srv = CertSpec { srv_name: &["_xmpp-server.*.capulet.example"], ..CertSpec::default() };
    for (spec, kind) in [(dns, NameKind::DnsWildcard), (srv, NameKind::SrvWildcard)] {
        for name in ["chat.capulet.example", "xn--bcher-kva.capulet.example"] {
            assert_eq!(proves(spec, name), NameVerdict::Match(kind), "{name}");
        }
        for name in [
            "capulet.example",
            "a.chat.capulet.example",
            "chat.xcapulet.example",
            "montague.example",
        ] {
            assert_eq!(proves(spec, name), NameVerdict::Mismatch, "{name}");
        }
    }
}

#[test]
fn wildcards_elsewhere_are_refused() {
    for name in [
        "*",
        "*.",
        "*.example",
        "c*.capulet.example",
        "*t.capulet.example",
        "chat.*.example",
        "*.*.example",
        "**.a.b",
    ] {
        let names = names(CertSpec::for_dns(&[name]));
        assert_eq!(names.refused().len(), 1, "{name}");
        assert_eq!(names.proves(&domain("chat.capulet.example")), NameVerdict::Malformed, "{name}");
    }
    let spec = CertSpec { xmpp_addr: &["*.capulet.example"], ..CertSpec::default() };
    assert_eq!(names(spec).refused(), [NameFault::NotADomain]);
}

#[test]
fn an_srv_name_speaks_for_server_streams_only() {
    for srv_string in [SrvString::Ia5, SrvString::Utf8] {
        let spec = CertSpec {
            srv_name: &["_XMPP-Server.Capulet.example"],
            srv_string,
            ..CertSpec::default()
        };
        assert_eq!(proves(spec, "capulet.example"), NameVerdict::Match(NameKind::Srv));
        assert_eq!(proves(spec, "chat.capulet.example"), NameVerdict::Mismatch);
    }
    for other in [
        "_xmpp-client.capulet.example",
        "_xmpps-server.capulet.example",
        "_xmpp-serverx.capulet.example",
        "_imap.capulet.example",
        "capulet.example",
        "_xmpp-server",
    ] {
        let spec = CertSpec { srv_name: &[other], ..CertSpec::default() };
        assert_eq!(proves(spec, "capulet.example"), NameVerdict::NoNames, "{other}");
    }
    let spec = CertSpec { srv_name: &["_xmpp-server._tcp.capulet.example"], ..CertSpec::default() };
    assert_eq!(proves(spec, "capulet.example"), NameVerdict::Malformed);
}

#[test]
fn an_xmpp_addr_is_compared_as_a_domain() {
    let spec = CertSpec { xmpp_addr: &["Bücher.example"], ..CertSpec::default() };
    assert_eq!(proves(spec, "xn--bcher-kva.example"), NameVerdict::Match(NameKind::XmppAddr));
    assert_eq!(proves(spec, "a.bücher.example"), NameVerdict::Mismatch);
    // Users and resources are no servers.
    for address in
        ["juliet@capulet.example", "capulet.example/balcony", "juliet@capulet.example/balcony"]
    {
        let spec = CertSpec { xmpp_addr: &[address], ..CertSpec::default() };
        assert_eq!(proves(spec, "capulet.example"), NameVerdict::NoNames, "{address}");
    }
}

#[test]
fn addresses_match_ip_names_and_nothing_else_does() {
    let v4 = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let v6 = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    let spec = CertSpec { ip: &[v4, v6], ..CertSpec::default() };
    assert_eq!(proves(spec, "192.0.2.1"), NameVerdict::Match(NameKind::Ip));
    assert_eq!(proves(spec, "[2001:DB8::1]"), NameVerdict::Match(NameKind::Ip));
    assert_eq!(proves(spec, "192.0.2.2"), NameVerdict::Mismatch);
    assert_eq!(proves(spec, "[::ffff:192.0.2.1]"), NameVerdict::Mismatch);
    assert_eq!(proves(spec, "capulet.example"), NameVerdict::Mismatch);
    assert_eq!(names(CertSpec::for_dns(&["192.0.2.1"])).refused(), [NameFault::Address]);
    assert_eq!(proves(CertSpec::for_dns(&["*.0.2.1"]), "192.0.2.1"), NameVerdict::Malformed);
}

#[test]
fn a_certificate_without_names_has_none() {
    let spec = CertSpec { cn: Some("capulet.example"), ..CertSpec::default() };
    assert_eq!(proves(spec, "capulet.example"), NameVerdict::NoNames);
}

#[test]
fn characters_that_no_domain_has_are_refused_and_spoil_nothing_else() {
    for bad in [
        "capulet.example\0.evil.example",
        "capulet.example\0",
        "\0",
        "bücher.example",
        "capulet.example\u{3002}",
        "capulet example",
        "capulet.example\n",
        "capulet.example.",
        "",
        ".",
        ".capulet.example",
        "capulet..example",
        "_dmarc.capulet.example",
        "xn--\u{7f}.example",
        "xn--zzzzzzzz99999.example",
        "capulet.example:5269",
    ] {
        let spoilt = CertSpec::for_dns(std::slice::from_ref(&bad));
        assert_eq!(proves(spoilt, "capulet.example"), NameVerdict::Malformed, "{bad:?}");
        let both = [bad, "montague.example"];
        let names = names(CertSpec::for_dns(&both));
        assert_eq!(names.refused().len(), 1, "{bad:?}");
        assert_eq!(names.proves(&domain("capulet.example")), NameVerdict::Mismatch, "{bad:?}");
        assert_eq!(
            names.proves(&domain("montague.example")),
            NameVerdict::Match(NameKind::Dns),
            "{bad:?}"
        );
    }
    let spec = CertSpec { srv_name: &["_xmpp-server.capulet.example\0"], ..CertSpec::default() };
    assert_eq!(proves(spec, "capulet.example"), NameVerdict::Malformed);
    let spec = CertSpec { xmpp_addr: &["capulet.example\0"], ..CertSpec::default() };
    assert_eq!(proves(spec, "capulet.example"), NameVerdict::Malformed);
}

/// A leaf whose subjectAltName holds these octets.
fn raw_names(value: &[u8]) -> Result<LeafNames, LeafNamesError> {
    let spec = CertSpec { extensions: &[(&[2, 5, 29, 17], value)], ..CertSpec::default() };
    LeafNames::parse(self_signed(spec).leaf())
}

#[test]
fn names_that_two_readers_could_read_differently_are_refused() {
    // A second subjectAltName.
    let second = CertSpec {
        extensions: &[(&[2, 5, 29, 17], b"\x30\x08\x82\x06a.b.cd")],
        ..CertSpec::for_dns(&["capulet.example"])
    };
    let leaf = self_signed(second);
    assert_eq!(LeafNames::parse(leaf.leaf()), Err(LeafNamesError::Repeated));
    // Octets after the list, after an entry, and an indefinite length.
    for value in [
        &b"\x30\x08\x82\x06a.b.cd\x00"[..],
        b"\x30\x09\x82\x06a.b.cd\x00",
        b"\x30\x80\x82\x06a.b.cd\x00\x00",
        b"\x30\x08\x82\x07a.b.cd",
        b"\x31\x08\x82\x06a.b.cd",
        b"",
    ] {
        assert_eq!(raw_names(value), Err(LeafNamesError::Extension), "{value:02x?}");
    }
    // Octets after the certificate.
    let mut bytes = self_signed(CertSpec::for_dns(&["capulet.example"])).leaf().to_vec();
    bytes.push(0);
    assert_eq!(LeafNames::parse(&CertificateDer::from(bytes)), Err(LeafNamesError::Certificate));
}

#[test]
fn other_names_of_another_shape_are_refused() {
    let good = b"\x30\x16\xa0\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x05\xa0\x08\x0c\x06a.b.cd";
    let names = raw_names(good).unwrap();
    assert_eq!(names.proves(&domain("a.b.cd")), NameVerdict::Match(NameKind::XmppAddr));
    for value in [
        // A second value beside the first, in the explicit tag and after it.
        &b"\x30\x18\xa0\x16\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x05\xa0\x0a\x0c\x06a.b.cd\x0c\x00"
            [..],
        b"\x30\x18\xa0\x16\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x05\xa0\x08\x0c\x06a.b.cd\x0c\x00",
        // Not a string of the two kinds; not in an explicit tag; nothing.
        b"\x30\x16\xa0\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x05\xa0\x08\x04\x06a.b.cd",
        b"\x30\x14\xa0\x12\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x05\x0c\x06a.b.cd",
        b"\x30\x0c\xa0\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x05",
    ] {
        let names = raw_names(value).unwrap();
        assert_eq!(names.refused(), [NameFault::Encoding], "{value:02x?}");
        assert_eq!(names.proves(&domain("a.b.cd")), NameVerdict::Malformed, "{value:02x?}");
    }
    // An iPAddress of five octets.
    assert_eq!(
        raw_names(b"\x30\x07\x87\x05\x7f\x00\x00\x01\x00").unwrap().refused(),
        [NameFault::Address]
    );
    // A dNSName in a constructed tag is no dNSName.
    assert_eq!(
        raw_names(b"\x30\x08\xa2\x06a.b.cd").unwrap().proves(&domain("a.b.cd")),
        NameVerdict::NoNames
    );
}

#[test]
fn names_are_listed_for_logs_in_canonical_form() {
    let spec = CertSpec {
        dns: &["Capulet.example", "*.capulet.example", "bad\r\nname"],
        srv_name: &["_xmpp-server.capulet.example", "_imap.capulet.example"],
        xmpp_addr: &["capulet.example"],
        ip: &[IpAddr::V4(Ipv4Addr::LOCALHOST)],
        ..CertSpec::default()
    };
    let names = names(spec);
    assert_eq!(
        names.to_string(),
        "dns:capulet.example, dns:*.capulet.example, srv:_xmpp-server.capulet.example, xmpp:capulet.example, \
         ip:127.0.0.1 (1 refused) (1 other)"
    );
    assert!(names.iter().any(|name| matches!(name, LeafName::XmppAddr(_))));
}

#[test]
fn the_number_of_names_is_bounded() {
    let many: Vec<String> =
        (0..=LEAF_NAMES_MAX).map(|number| format!("a{number}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let full = self_signed(CertSpec::for_dns(&many[1..]));
    assert_eq!(LeafNames::parse(full.leaf()).unwrap().iter().count(), LEAF_NAMES_MAX);
    let over = self_signed(CertSpec::for_dns(&many));
    assert_eq!(LeafNames::parse(over.leaf()), Err(LeafNamesError::TooMany));
    let huge = CertificateDer::from(vec![0x30; CERTIFICATE_BYTES_MAX + 1]);
    assert_eq!(LeafNames::parse(&huge), Err(LeafNamesError::Certificate));
}

/// A leaf with every kind of name, to be damaged.
static SAMPLE: LazyLock<(Vec<u8>, Roots)> = LazyLock::new(|| {
    let authority = Authority::new("Verona Root");
    let issued = authority.issue(CertSpec {
        dns: &["capulet.example", "*.capulet.example"],
        srv_name: &["_xmpp-server.capulet.example"],
        xmpp_addr: &["capulet.example"],
        ip: &[IpAddr::V4(Ipv4Addr::LOCALHOST)],
        cn: Some("capulet.example"),
        ..CertSpec::default()
    });
    (issued.leaf().to_vec(), Roots::from_pem(authority.root_pem().as_bytes()).unwrap())
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_certificates_never_panic_and_are_never_trusted(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let (sample, roots) = &*SAMPLE;
        let mut bytes = sample.clone();
        for (place, mask) in damage {
            let place = place.index(bytes.len());
            bytes[place] ^= mask;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let unchanged = &bytes == sample;
        let leaf = CertificateDer::from(bytes);
        if let Ok(names) = LeafNames::parse(&leaf) {
            let _ = names.proves(&domain("capulet.example"));
            let _ = names.to_string();
        }
        prop_assert_eq!(judge_chain(&[leaf], roots, now()).is_trusted(), unchanged);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let leaf = CertificateDer::from(bytes);
        let _ = LeafNames::parse(&leaf);
        let _ = judge_chain(&[leaf], &Roots::none(), now());
    }

    /// Whatever stands in a dNSName, it names a domain only if it is that domain written in ASCII.
    #[test]
    fn a_dns_name_proves_what_it_says_and_no_more(text in "[ -~]{0,20}|[a-zA-Z*.-]{1,12}\\.example") {
        let names = names(CertSpec::for_dns(&[&text]));
        for name in &names {
            let LeafName::Dns(pattern) = name else { panic!("a dNSName became {name}") };
            prop_assert_eq!(pattern.to_string(), text.to_ascii_lowercase());
        }
        prop_assert_eq!(names.iter().count() + names.refused().len(), 1);
    }
}
