//! Chains: validity, usage, path building, roots.

#[allow(dead_code, unreachable_pub)]
#[path = "../../s2s-testkit/src/certs.rs"]
mod certs;

use std::time::Duration;

use certs::{
    Authority, AuthoritySpec, CertSpec, Eku, Issued, Key, Role, Validity, now, self_signed,
};
use s2s_trust::{
    CHAIN_CERTIFICATES_MAX, CertificateDer, ChainVerdict, Roots, RootsError, UnixTime, judge_chain,
};

const CAPULET: &[&str] = &["capulet.example"];

fn roots(authority: &Authority) -> Roots {
    Roots::from_pem(authority.root_pem().as_bytes()).unwrap()
}

fn judge(issued: &Issued, roots: &Roots) -> ChainVerdict {
    judge_chain(&issued.chain, roots, now())
}

/// 2049-12-31T00:00:00Z, the end of what the test authorities issue.
fn end_of_validity() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(2_524_521_600))
}

#[test]
fn a_leaf_below_a_root_is_trusted_until_it_expires() {
    let authority = Authority::new("Verona Root");
    let issued = authority.issue(CertSpec::for_dns(CAPULET));
    let trusted = ChainVerdict::Trusted { not_after: end_of_validity() };
    let roots = roots(&authority);
    assert_eq!(judge(&issued, &roots), trusted);
    // Both ends are inclusive.
    assert_eq!(judge_chain(&issued.chain, &roots, end_of_validity()), trusted);
    let later = UnixTime::since_unix_epoch(Duration::from_secs(end_of_validity().as_secs() + 1));
    assert_eq!(judge_chain(&issued.chain, &roots, later), ChainVerdict::Expired);
}

#[test]
fn the_verdict_ends_with_the_first_certificate_of_the_path() {
    let authority = Authority::new("Verona Root");
    let early = AuthoritySpec { validity: Validity::Expired, ..AuthoritySpec::default() };
    let issued =
        authority.intermediate_with("Short Lived", early).issue(CertSpec::for_dns(CAPULET));
    // 2020-06-01, when the intermediate was still good until 2021-12-31.
    let then = UnixTime::since_unix_epoch(Duration::from_secs(1_590_969_600));
    let not_after = UnixTime::since_unix_epoch(Duration::from_secs(1_640_908_800));
    assert_eq!(
        judge_chain(&issued.chain, &roots(&authority), then),
        ChainVerdict::Trusted { not_after }
    );
    assert_eq!(judge(&issued, &roots(&authority)), ChainVerdict::Expired);
}

#[test]
fn validity_decides() {
    let authority = Authority::new("Verona Root");
    let roots = roots(&authority);
    for (validity, expected) in [
        (Validity::Expired, ChainVerdict::Expired),
        (Validity::NotYetValid, ChainVerdict::NotYetValid),
    ] {
        let issued = authority.issue(CertSpec { validity, ..CertSpec::for_dns(CAPULET) });
        assert_eq!(judge(&issued, &roots), expected);
    }
}

/// Attack A10, and protocol of today: public authorities issue serverAuth only. One function judges both directions.
#[test]
fn client_only_usage_is_refused_and_server_only_is_accepted_in_both_directions() {
    let authority = Authority::new("Verona Root");
    let roots = roots(&authority);
    for (eku, accepted) in [
        (Eku::ServerOnly, true),
        (Eku::Both, true),
        (Eku::Any, true),
        (Eku::None, true),
        (Eku::ClientOnly, false),
    ] {
        let verdict =
            judge(&authority.issue(CertSpec { eku, ..CertSpec::for_dns(CAPULET) }), &roots);
        assert_eq!(verdict.is_trusted(), accepted, "{eku:?}");
        if !accepted {
            assert_eq!(verdict, ChainVerdict::WrongUsage);
        }
    }
}

#[test]
fn an_intermediate_for_clients_only_cannot_issue_for_servers() {
    let authority = Authority::new("Verona Root");
    let limited = AuthoritySpec { eku: Some(Eku::ClientOnly), ..AuthoritySpec::default() };
    let issued = authority.intermediate_with("Clients", limited).issue(CertSpec::for_dns(CAPULET));
    assert_eq!(judge(&issued, &roots(&authority)), ChainVerdict::WrongUsage);
}

#[test]
fn intermediates_may_come_in_any_order_and_with_the_root() {
    let authority = Authority::new("Verona Root");
    let issued =
        authority.intermediate("First").intermediate("Second").issue(CertSpec::for_dns(CAPULET));
    let roots = roots(&authority);
    assert!(judge(&issued, &roots).is_trusted());
    let [leaf, second, first] = <[_; 3]>::try_from(issued.chain).unwrap();
    let turned = [leaf.clone(), authority.root().clone(), first, second];
    assert!(judge_chain(&turned, &roots, now()).is_trusted());
    // Not sent at all: no path.
    assert_eq!(judge_chain(&[leaf], &roots, now()), ChainVerdict::UnknownIssuer);
}

#[test]
fn another_authority_is_an_unknown_issuer_even_if_it_sends_its_root() {
    let authority = Authority::new("Verona Root");
    let other = Authority::new("Mantua Root");
    let mut issued = other.issue(CertSpec::for_dns(CAPULET));
    issued.chain.push(other.root().clone());
    assert_eq!(judge(&issued, &roots(&authority)), ChainVerdict::UnknownIssuer);
    assert_eq!(judge(&issued, &Roots::none()), ChainVerdict::UnknownIssuer);
    assert_eq!(judge(&issued, &Roots::webpki()), ChainVerdict::UnknownIssuer);
}

#[test]
fn an_authority_of_the_same_name_with_another_key_is_found_out() {
    let authority = Authority::new("Verona Root");
    let impostor = Authority::new("Verona Root");
    let issued = impostor.issue(CertSpec::for_dns(CAPULET));
    assert_eq!(judge(&issued, &roots(&authority)), ChainVerdict::BadSignature);
}

#[test]
fn self_signed_is_said_so_whatever_else_is_wrong() {
    let roots = roots(&Authority::new("Verona Root"));
    for role in [Role::Leaf, Role::Authority, Role::Unsaid] {
        for validity in [Validity::Valid, Validity::Expired] {
            for eku in [Eku::ServerOnly, Eku::ClientOnly, Eku::None] {
                let spec = CertSpec {
                    role,
                    validity,
                    eku,
                    cn: Some("capulet.example"),
                    ..CertSpec::for_dns(CAPULET)
                };
                let verdict = judge(&self_signed(spec), &roots);
                assert_eq!(verdict, ChainVerdict::SelfSigned, "{role:?} {validity:?} {eku:?}");
            }
        }
    }
}

#[test]
fn a_self_signed_leaf_that_is_a_configured_root_is_trusted_while_it_is_good() {
    for role in [Role::Leaf, Role::Authority, Role::Unsaid] {
        let issued = self_signed(CertSpec {
            role,
            cn: Some("capulet.example"),
            ..CertSpec::for_dns(CAPULET)
        });
        let roots = Roots::from_pem(issued.chain_pem.as_bytes()).unwrap();
        assert_eq!(roots.len(), 1);
        assert_eq!(
            judge(&issued, &roots),
            ChainVerdict::Trusted { not_after: end_of_validity() },
            "{role:?}"
        );

        // The same name and domain with another key is another certificate.
        let other = self_signed(CertSpec {
            role,
            cn: Some("capulet.example"),
            ..CertSpec::for_dns(CAPULET)
        });
        assert_eq!(judge(&other, &roots), ChainVerdict::SelfSigned, "{role:?}");
    }
    for (validity, eku, expected) in [
        (Validity::Expired, Eku::ServerOnly, ChainVerdict::Expired),
        (Validity::NotYetValid, Eku::ServerOnly, ChainVerdict::NotYetValid),
        (Validity::Valid, Eku::ClientOnly, ChainVerdict::WrongUsage),
    ] {
        let issued = self_signed(CertSpec { validity, eku, ..CertSpec::for_dns(CAPULET) });
        let roots = Roots::from_pem(issued.chain_pem.as_bytes()).unwrap();
        assert_eq!(judge(&issued, &roots), expected);
    }
}

#[test]
fn a_leaf_listed_as_a_root_does_not_become_an_authority() {
    let authority = Authority::new("Verona Root");
    let server =
        authority.issue(CertSpec { cn: Some("capulet.example"), ..CertSpec::for_dns(CAPULET) });
    let listed = Roots::from_pem(certs::pem(server.leaf()).as_bytes()).unwrap();
    assert!(judge(&server, &listed).is_trusted());
    // Its issuer's other children gain nothing.
    assert_eq!(
        judge(&authority.issue(CertSpec::for_dns(CAPULET)), &listed),
        ChainVerdict::UnknownIssuer
    );
}

#[test]
fn a_configured_leaf_is_good_to_its_last_second_and_for_any_usage() {
    let issued = self_signed(CertSpec { eku: Eku::Any, ..CertSpec::for_dns(CAPULET) });
    let roots = Roots::from_pem(issued.chain_pem.as_bytes()).unwrap();
    assert!(judge_chain(&issued.chain, &roots, end_of_validity()).is_trusted());
    let later = UnixTime::since_unix_epoch(Duration::from_secs(end_of_validity().as_secs() + 1));
    assert_eq!(judge_chain(&issued.chain, &roots, later), ChainVerdict::Expired);
    let issued =
        self_signed(CertSpec { validity: Validity::NotYetValid, ..CertSpec::for_dns(CAPULET) });
    let roots = Roots::from_pem(issued.chain_pem.as_bytes()).unwrap();
    // 2048-01-01T00:00:00Z
    let first_second = UnixTime::since_unix_epoch(Duration::from_secs(2_461_449_600));
    assert!(judge_chain(&issued.chain, &roots, first_second).is_trusted());
}

/// basicConstraints with CA:FALSE spelt out, where DER would leave the default away, and with other fields.
#[test]
fn only_a_true_ca_flag_makes_a_listed_certificate_an_authority() {
    const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
    let authority = Authority::new("Verona Root");
    for value in [&[0x30, 3, 1, 1, 0][..], &[0x30, 3, 2, 1, 0][..], &[0x30, 0][..]] {
        let poser = CertSpec {
            cn: Some("poser"),
            role: Role::Unsaid,
            extensions: &[(BASIC_CONSTRAINTS, value)],
            ..CertSpec::for_dns(CAPULET)
        };
        let issued = authority.issuing_leaf(poser).issue(CertSpec::for_dns(CAPULET));
        let roots = Roots::from_pem(certs::pem(&issued.chain[1]).as_bytes()).unwrap();
        assert!(!judge(&issued, &roots).is_trusted(), "{value:02x?}");
        assert!(judge_chain(&issued.chain[1..], &roots, now()).is_trusted(), "{value:02x?}");
    }
    let unclear = CertSpec {
        role: Role::Authority,
        extensions: &[(BASIC_CONSTRAINTS, &[0x30, 0])],
        ..CertSpec::for_dns(CAPULET)
    };
    let twice = self_signed(unclear);
    assert_eq!(
        Roots::from_pem(twice.chain_pem.as_bytes()).unwrap_err(),
        RootsError::Certificate { number: 1 }
    );
}

/// One DER value at the start of `bytes`: header and content together, and what follows.
fn split_value(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (header, length) = match bytes[1] {
        0x81 => (3, usize::from(bytes[2])),
        0x82 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
        short => (2, usize::from(short)),
    };
    bytes.split_at(header + length)
}

/// A SEQUENCE of 128 to 65,535 octets.
fn sequence(content: &[u8]) -> Vec<u8> {
    let header = match u16::try_from(content.len()).unwrap().to_be_bytes() {
        [0, low] => vec![0x30, 0x81, low],
        [high, low] => vec![0x30, 0x82, high, low],
    };
    [header.as_slice(), content].concat()
}

/// Old roots are X.509 version 1: no version field, no extensions, and authorities all the same.
#[test]
fn a_version_1_root_is_an_authority() {
    let authority = Authority::new("Verona Root");
    let root = authority.root();
    // Certificate { tbs { version, ..., extensions }, algorithm, signature } without the first and last field of tbs.
    let (tbs, signature) = split_value(&root[4..]);
    let (_version, rest) = split_value(&tbs[if tbs[1] == 0x82 { 4 } else { 3 }..]);
    let mut fields = rest;
    for _ in 0..6 {
        fields = split_value(fields).1;
    }
    let tbs = sequence(&rest[..rest.len() - fields.len()]);
    let version_1 = CertificateDer::from(sequence(&[&tbs[..], signature].concat()));
    let roots = Roots::from_pem(certs::pem(&version_1).as_bytes()).unwrap();
    assert!(judge(&authority.issue(CertSpec::for_dns(CAPULET)), &roots).is_trusted());
}

#[test]
fn an_authority_of_someone_else_as_leaf_is_refused() {
    let authority = Authority::new("Verona Root");
    let middle = authority.intermediate("Verona Intermediate");
    let verdict =
        judge_chain(std::slice::from_ref(middle.certificate()), &roots(&authority), now());
    assert_eq!(verdict, ChainVerdict::AuthorityAsLeaf);
}

#[test]
fn every_kind_of_key_is_accepted() {
    let authority = Authority::new("Verona Root");
    for key in [Key::P256, Key::Ed25519, Key::Rsa2048] {
        let issued = authority.issue(CertSpec { key, ..CertSpec::for_dns(CAPULET) });
        assert!(judge(&issued, &roots(&authority)).is_trusted(), "{key:?}");
    }
}

#[test]
fn dns_names_obey_the_constraints_of_their_authority() {
    let authority = Authority::new("Verona Root");
    let limited = AuthoritySpec { permitted_dns: CAPULET, ..AuthoritySpec::default() };
    let limited = authority.intermediate_with("Capulet only", limited);
    let roots = roots(&authority);
    assert!(
        judge(&limited.issue(CertSpec::for_dns(&["chat.capulet.example"])), &roots).is_trusted()
    );
    let escaped = limited.issue(CertSpec::for_dns(&["montague.example"]));
    assert_eq!(judge(&escaped, &roots), ChainVerdict::NameConstraints);
}

#[test]
fn other_names_do_not_escape_the_constraints_of_their_authority() {
    let authority = Authority::new("Verona Root");
    let limited = AuthoritySpec { permitted_dns: CAPULET, ..AuthoritySpec::default() };
    let limited = authority.intermediate_with("Capulet only", limited);
    let roots = roots(&authority);
    let escapes = [
        CertSpec { srv_name: &["_xmpp-server.montague.example"], ..CertSpec::for_dns(CAPULET) },
        CertSpec { srv_name: &["_xmpp-server.*.montague.example"], ..CertSpec::for_dns(CAPULET) },
        CertSpec { srv_name: &["_xmpp-server.*.capulet.example"], ..CertSpec::for_dns(CAPULET) },
        CertSpec { xmpp_addr: &["montague.example"], ..CertSpec::for_dns(CAPULET) },
        CertSpec { xmpp_addr: &["montague.example"], ..CertSpec::default() },
    ];
    for spec in escapes {
        assert_eq!(judge(&limited.issue(spec), &roots), ChainVerdict::NameConstraints, "{spec:?}");
        // An authority without constraints may say so.
        assert!(judge(&authority.issue(spec), &roots).is_trusted(), "{spec:?}");
    }
    let covered = CertSpec {
        dns: &["capulet.example", "*.capulet.example"],
        srv_name: &["_xmpp-server.capulet.example", "_xmpp-server.*.capulet.example"],
        xmpp_addr: &["chat.capulet.example"],
        ..CertSpec::default()
    };
    assert!(judge(&limited.issue(covered), &roots).is_trusted());
}

#[test]
fn other_names_do_not_escape_the_constraints_of_a_root() {
    let limited = AuthoritySpec { permitted_dns: CAPULET, ..AuthoritySpec::default() };
    let limited = Authority::new_with("Capulet only", limited);
    let spec =
        CertSpec { srv_name: &["_xmpp-server.montague.example"], ..CertSpec::for_dns(CAPULET) };
    assert_eq!(judge(&limited.issue(spec), &roots(&limited)), ChainVerdict::NameConstraints);
    assert!(judge(&limited.issue(CertSpec::for_dns(CAPULET)), &roots(&limited)).is_trusted());
}

#[test]
fn empty_long_and_broken_chains_are_refused() {
    let authority = Authority::new("Verona Root");
    let roots = roots(&authority);
    assert_eq!(judge_chain(&[], &roots, now()), ChainVerdict::Empty);
    let issued = authority.issue(CertSpec::for_dns(CAPULET));
    let mut long = issued.chain.clone();
    long.resize(CHAIN_CERTIFICATES_MAX, authority.root().clone());
    assert!(judge_chain(&long, &roots, now()).is_trusted());
    long.push(authority.root().clone());
    assert_eq!(judge_chain(&long, &roots, now()), ChainVerdict::TooComplex);

    let mut bytes = issued.leaf().to_vec();
    bytes.truncate(bytes.len() / 2);
    assert_eq!(judge_chain(&[CertificateDer::from(bytes)], &roots, now()), ChainVerdict::Malformed);
    let mut bytes = issued.leaf().to_vec();
    bytes.push(0);
    assert_eq!(judge_chain(&[CertificateDer::from(bytes)], &roots, now()), ChainVerdict::Malformed);
    let mut bytes = issued.leaf().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    assert!(!judge_chain(&[CertificateDer::from(bytes)], &roots, now()).is_trusted());
}

#[test]
fn roots_are_counted_once() {
    let (verona, mantua) = (Authority::new("Verona Root"), Authority::new("Mantua Root"));
    let leaf = self_signed(CertSpec::for_dns(CAPULET));
    let mut all = roots(&verona);
    all.merge(roots(&verona));
    assert_eq!(all.len(), 1);
    all.merge(Roots::from_pem((mantua.root_pem() + &leaf.chain_pem).as_bytes()).unwrap());
    all.merge(Roots::from_pem(leaf.chain_pem.as_bytes()).unwrap());
    assert_eq!(all.len(), 3);
    for issued in
        [verona.issue(CertSpec::for_dns(CAPULET)), mantua.issue(CertSpec::for_dns(CAPULET)), leaf]
    {
        assert!(judge(&issued, &all).is_trusted());
    }
    assert!(Roots::none().is_empty());
    assert!(Roots::webpki().len() > 50);
}

#[test]
fn a_file_that_does_not_read_is_not_a_smaller_set_of_roots() {
    assert_eq!(Roots::from_pem(b"").unwrap_err(), RootsError::Empty);
    assert_eq!(Roots::from_pem(b"capulet.example").unwrap_err(), RootsError::Empty);
    let good = Authority::new("Verona Root").root_pem();
    let bad = good.clone() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(Roots::from_pem(bad.as_bytes()).unwrap_err(), RootsError::Certificate { number: 2 });
    let cut = &good[..good.len() - 30];
    assert!(matches!(Roots::from_pem(cut.as_bytes()), Err(RootsError::Pem { number: 1, .. })));
}

#[test]
fn the_system_has_roots_or_says_that_it_has_none() {
    match Roots::system() {
        Ok(roots) => assert!(!roots.is_empty()),
        Err(error) => assert!(matches!(error, RootsError::System { .. }), "{error}"),
    }
}
