//! Attacks that were made on federating servers, by name, at the layer of trust.

#[allow(dead_code, unreachable_pub)]
#[path = "../../s2s-testkit/src/certs.rs"]
mod certs;

use certs::{Authority, CertSpec, Eku, Issued, now, self_signed};
use s2s_trust::{
    CertificateFacts, CertificateJudgement, CertificateUse, ChainVerdict, Channel, Evidence,
    Missing, NameKind, NameProof, NameVerdict, Roots, Rung, fingerprint, judge_certificate,
    shortfall, verdict,
};
use xmpp_addr::Domain;

/// An authority both sides trust, the attacker's good certificate and the victim's.
struct Scene {
    authority: Authority,
    roots: Roots,
}

impl Scene {
    fn new() -> Self {
        let authority = Authority::new("Verona Root");
        let roots = Roots::from_pem(authority.root_pem().as_bytes()).unwrap();
        Self { authority, roots }
    }

    fn judge(&self, issued: &Issued, domain: &str) -> CertificateJudgement {
        judge_certificate(&issued.chain, &Domain::parse(domain).unwrap(), &self.roots, now())
    }
}

fn external(judgement: CertificateJudgement) -> Evidence {
    Evidence {
        name: NameProof::Certificate(CertificateUse::External),
        channel: Channel::Tls,
        certificate: judgement.facts(),
    }
}

#[test]
fn an_honest_certificate_proves_its_domain() {
    let scene = Scene::new();
    let judgement = scene
        .judge(&scene.authority.issue(CertSpec::for_dns(&["capulet.example"])), "capulet.example");
    assert!(judgement.proves());
    assert_eq!(judgement.name, NameVerdict::Match(NameKind::Dns));
    assert_eq!(verdict(&external(judgement)).rung, Rung::Trusted);
}

/// A6, CVE-2021-32919: the certificate of the stream was taken for any `db:result` on it.
#[test]
fn a6_a_certificate_proves_only_the_domain_it_was_judged_for() {
    let scene = Scene::new();
    let issued = scene.authority.issue(CertSpec::for_dns(&["a.example"]));
    assert!(scene.judge(&issued, "a.example").proves());
    let second = scene.judge(&issued, "b.example");
    assert!(!second.proves());
    assert!(second.chain.is_trusted());
    // Were the shortcut taken all the same, the evidence would still not carry it.
    let evidence =
        Evidence { name: NameProof::Certificate(CertificateUse::Dialback), ..external(second) };
    let judged = verdict(&evidence);
    assert_eq!(judged.rung, Rung::Promiscuous);
    assert_eq!(judged.missing, Some(Missing::Name(NameVerdict::Mismatch)));
}

/// A7: the victim's public certificate is appended to the attacker's own good one.
#[test]
fn a7_an_extra_certificate_of_the_victim_in_the_chain_proves_nothing() {
    let scene = Scene::new();
    let victim = scene.authority.issue(CertSpec::for_dns(&["victim.example"]));
    let mut attacker = scene.authority.issue(CertSpec::for_dns(&["attacker.example"]));
    attacker.chain.extend(victim.chain);
    let judgement = scene.judge(&attacker, "victim.example");
    assert_eq!(judgement.name, NameVerdict::Mismatch);
    assert!(!judgement.proves());
    assert!(scene.judge(&attacker, "attacker.example").proves());
}

/// A7, the other way round: a self-made leaf with the victim's chain behind it.
#[test]
fn a7_a_self_made_leaf_in_front_of_a_good_chain_proves_nothing() {
    let scene = Scene::new();
    let mut forged =
        self_signed(CertSpec { cn: Some("x"), ..CertSpec::for_dns(&["victim.example"]) });
    forged.chain.extend(scene.authority.issue(CertSpec::for_dns(&["victim.example"])).chain);
    let judgement = scene.judge(&forged, "victim.example");
    assert_eq!(judgement.chain, ChainVerdict::SelfSigned);
    assert!(!judgement.proves());
}

/// A server's leaf is no authority, however good its own chain.
#[test]
fn a_leaf_cannot_issue_for_the_victim() {
    let scene = Scene::new();
    for role in [certs::Role::Leaf, certs::Role::Unsaid] {
        let attacker =
            CertSpec { cn: Some("attacker"), role, ..CertSpec::for_dns(&["attacker.example"]) };
        let forged =
            scene.authority.issuing_leaf(attacker).issue(CertSpec::for_dns(&["victim.example"]));
        let judgement = scene.judge(&forged, "victim.example");
        assert_eq!(judgement.name, NameVerdict::Match(NameKind::Dns));
        assert_eq!(judgement.chain, ChainVerdict::IssuerNotAuthority, "{role:?}");
        assert!(!judgement.proves());
        // Nor when the attacker's leaf is listed as a root, which trusts that certificate alone.
        let listed = Roots::from_pem(certs::pem(&forged.chain[1]).as_bytes()).unwrap();
        let domain = Domain::parse("victim.example").unwrap();
        assert!(!judge_certificate(&forged.chain, &domain, &listed, now()).proves(), "{role:?}");
    }
}

/// A8: a self-signed certificate with the victim's name was good enough for EXTERNAL.
#[test]
fn a8_a_self_signed_certificate_in_the_victims_name_proves_nothing() {
    let scene = Scene::new();
    let judgement =
        scene.judge(&self_signed(CertSpec::for_dns(&["victim.example"])), "victim.example");
    assert_eq!(judgement.chain, ChainVerdict::SelfSigned);
    assert_eq!(judgement.name, NameVerdict::Match(NameKind::Dns));
    assert!(!judgement.proves());
    let judged = verdict(&external(judgement));
    assert_eq!(judged.rung, Rung::Promiscuous);
    assert_eq!(
        shortfall(&judged, Rung::Verified).unwrap().missing,
        Some(Missing::Chain(ChainVerdict::SelfSigned))
    );
    // With real dialback over TLS on both legs the same certificate is as good as any: secure.
    let dialback =
        Evidence { name: NameProof::Dialback { verify_leg_tls: true }, ..external(judgement) };
    assert_eq!(verdict(&dialback).rung, Rung::Secure);
}

/// A9, CVE-2025-59154: `CN=` inside another field of the subject was read as a common name.
#[test]
fn a9_a_common_name_proves_nothing_wherever_it_stands() {
    let scene = Scene::new();
    for (cn, ou) in [
        (Some("victim.example"), None),
        (None, Some("CN=victim.example,")),
        (Some("attacker"), Some("x, CN=victim.example")),
    ] {
        let without_names = scene.authority.issue(CertSpec { cn, ou, ..CertSpec::default() });
        assert_eq!(scene.judge(&without_names, "victim.example").name, NameVerdict::NoNames);
        let with_names =
            scene.authority.issue(CertSpec { cn, ou, ..CertSpec::for_dns(&["attacker.example"]) });
        let judgement = scene.judge(&with_names, "victim.example");
        assert_eq!(judgement.name, NameVerdict::Mismatch);
        assert!(!judgement.proves());
    }
}

/// A10: a certificate for TLS clients, which authorities give out with fewer checks, authenticated a server.
#[test]
fn a10_a_client_certificate_does_not_authenticate_a_server() {
    let scene = Scene::new();
    for (eku, proves) in [
        (Eku::ServerOnly, true),
        (Eku::None, true),
        (Eku::Any, true),
        (Eku::Both, true),
        (Eku::ClientOnly, false),
    ] {
        let issued =
            scene.authority.issue(CertSpec { eku, ..CertSpec::for_dns(&["capulet.example"]) });
        assert_eq!(scene.judge(&issued, "capulet.example").proves(), proves, "{eku:?}");
    }
}

/// A27: TLS on the first leg hides a plain verify leg.
#[test]
fn a27_a_plain_verify_leg_stays_verified() {
    let evidence = Evidence {
        name: NameProof::Dialback { verify_leg_tls: false },
        channel: Channel::Tls,
        certificate: CertificateFacts::None,
    };
    let judged = verdict(&evidence);
    assert_eq!(judged.rung, Rung::Verified);
    assert_eq!(shortfall(&judged, Rung::Verified), None);
    let refused = shortfall(&judged, Rung::Secure).unwrap();
    assert_eq!(refused.missing, Some(Missing::VerifyLegTls));
    assert!(refused.to_string().contains("dialback without TLS"));
}

/// A29: a resumed connection is judged again, and what was good at the first handshake may have ended.
#[test]
fn a29_a_certificate_that_expired_since_the_first_handshake_no_longer_proves() {
    let scene = Scene::new();
    let issued = scene.authority.issue(CertSpec::for_dns(&["capulet.example"]));
    let first = scene.judge(&issued, "capulet.example");
    let ChainVerdict::Trusted { not_after } = first.chain else { panic!("{first}") };
    let resumed_at = s2s_trust::UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        not_after.as_secs() + 1,
    ));
    let domain = Domain::parse("capulet.example").unwrap();
    let again = judge_certificate(&issued.chain, &domain, &scene.roots, resumed_at);
    assert_eq!(again.chain, ChainVerdict::Expired);
    assert_eq!(verdict(&external(again)).rung, Rung::Promiscuous);
    // A root that was taken away since counts the same.
    assert!(!judge_certificate(&issued.chain, &domain, &Roots::none(), now()).proves());
}

/// A38: another key or issuer for the same name is seen by its fingerprint.
#[test]
fn a38_a_changed_certificate_has_another_fingerprint() {
    let scene = Scene::new();
    let spec = CertSpec::for_dns(&["capulet.example"]);
    let (one, two) = (scene.authority.issue(spec), scene.authority.issue(spec));
    assert_ne!(fingerprint(one.leaf()), fingerprint(two.leaf()));
    assert_eq!(fingerprint(one.leaf()), fingerprint(&one.leaf().clone()));
}

/// The fingerprint is SHA-256 as everybody computes it (FIPS 180-2, appendix B.1).
#[test]
fn the_fingerprint_is_sha_256() {
    let digest = fingerprint(&s2s_trust::CertificateDer::from_slice(b"abc"));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/// A40: a second spelling must reach the same certificate and no other.
#[test]
fn a40_spellings_of_a_domain_are_one_name_and_look_alikes_are_not() {
    let scene = Scene::new();
    let issued =
        scene.authority.issue(CertSpec::for_dns(&["xn--bcher-kva.example", "example.com"]));
    for same in [
        "bücher.example",
        "BÜCHER.example.",
        "xn--bcher-kva.example",
        "EXAMPLE.com",
        "example.com.",
    ] {
        assert!(scene.judge(&issued, same).proves(), "{same}");
    }
    // Cyrillic е and а.
    for look_alike in ["еxample.com", "exаmple.com", "bucher.example", "example.co"] {
        assert_eq!(scene.judge(&issued, look_alike).name, NameVerdict::Mismatch, "{look_alike}");
    }
}

/// A36 seen from here: what the refused side is told holds nothing of anybody's certificate or name.
#[test]
fn a36_refusals_name_no_domain() {
    let scene = Scene::new();
    let issued = self_signed(CertSpec::for_dns(&["secret.example"]));
    let dialback = Evidence {
        name: NameProof::Dialback { verify_leg_tls: true },
        ..external(scene.judge(&issued, "capulet.example"))
    };
    let text = shortfall(&verdict(&dialback), Rung::Trusted).unwrap().to_string();
    assert!(!text.contains("example"), "{text}");
}
