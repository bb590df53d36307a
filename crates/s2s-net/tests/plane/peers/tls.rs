//! TLS as other servers have it: versions, kinds of keys, names that are not said.

use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, RootCertStore, ServerConfig, SupportedProtocolVersion};
use s2s_trust::{Roots, Rung};

use super::{THEM, US, Verona, bounce, from, to, untrusted};
use crate::support::certs::{Authority, CertSpec, Issued, Key, self_signed};
use crate::support::manners::{JABBERD2, TIGASE};
use crate::support::named::Named;
use crate::support::peer::{tls_client_config, tls_client_config_of, tls_server_config_of};
use crate::support::plane::{At, Plane, at};
use crate::support::*;

const VERSIONS: [(&SupportedProtocolVersion, ProtocolVersion); 2] =
    [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)];

/// Old RSA keys and what is issued today.
fn certificates(verona: &Verona, names: &[&str]) -> [Issued; 3] {
    [Key::Rsa2048, Key::P256, Key::Ed25519]
        .map(|key| verona.authority.issue(CertSpec { key, ..CertSpec::for_dns(names) }))
}

#[test]
fn peers_of_one_version_of_tls_and_of_every_kind_of_key_deliver() {
    let verona = Verona::new(Rung::Trusted);
    let mut capulet = component(&verona.plane, US);
    for identity in &certificates(&verona, &[THEM]) {
        for (version, spoken) in VERSIONS {
            let mut peer = Peer::connect(verona.plane.s2s());
            peer.send(&header(THEM, US));
            peer.expect("</stream:features>");
            peer.send(STARTTLS);
            peer.expect(PROCEED);
            peer.tls_client(&tls_client_config_of(Some(identity), &[version]), US);
            assert_eq!(peer.client_tls().protocol_version(), Some(spoken));
            peer.send(&header(THEM, US));
            assert!(peer.expect("</stream:features>").contains("EXTERNAL"), "{spoken:?}");
            peer.send(
                "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
            );
            peer.expect("<success");
            peer.expect(">");
            peer.send(&header(THEM, US));
            peer.expect("</stream:features>");
            peer.send(&from(THEM, "in"));
            assert_eq!(capulet.element().attr("id"), "in");
        }
    }
}

#[test]
fn peers_of_one_version_of_tls_and_of_every_kind_of_key_are_sent_to() {
    let verona = Verona::new(Rung::Trusted);
    let mut capulet = component(&verona.plane, US);
    let remote = |direct: bool, n: usize| format!("{direct}{n}.example");
    let remotes: Vec<_> = (0..6).flat_map(|n| [remote(true, n), remote(false, n)]).collect();
    let names: Vec<_> = remotes.iter().map(String::as_str).collect();
    let identities = certificates(&verona, &names);
    for direct in [false, true] {
        for n in 0..6 {
            let remote = remote(direct, n);
            let identity = &identities[n / 2];
            let (version, spoken) = VERSIONS[n % 2];
            let listener = listener();
            verona.plane.zone(&remote, &[At { direct, ..at(listener.local_addr().unwrap()) }]);
            capulet.send(&to(&remote, &remote));
            let mut peer = Peer::accept(&listener);
            if !direct {
                answer_header(&mut peer, STARTTLS_FEATURES, "clear");
                peer.expect(STARTTLS);
                peer.send(PROCEED);
            }
            peer.tls_server(&tls_server_config_of(identity, &[version]));
            assert_eq!(peer.server_tls().protocol_version(), Some(spoken));
            // Our certificate is shown in both versions, and our name for the domain is in SNI.
            assert!(peer.server_tls().peer_certificates().is_some());
            assert_eq!(peer.server_tls().server_name(), Some(remote.as_str()));
            answer_header(&mut peer, DIALBACK_FEATURES, "tls");
            accept_key(&mut peer, US, &remote);
            assert!(peer.expect("</message>").contains(&remote));
        }
    }
}

#[test]
fn a_peer_that_rejects_our_certificate_is_told_apart_from_a_lost_connection_in_both_versions() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let identity = untrusted(THEM);
    // It trusts another authority only. In TLS 1.3 its alert comes after our side has finished.
    let mut roots = RootCertStore::empty();
    roots.add(Authority::new("Padua Root").root().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    for (n, (version, _)) in VERSIONS.into_iter().enumerate() {
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(Arc::clone(&verifier))
            .with_single_cert(identity.chain.clone(), identity.key.clone_key())
            .unwrap();
        let remote = format!("v{n}.example");
        let listener = listener();
        let direct = At { direct: true, ..at(listener.local_addr().unwrap()) };
        verona.plane.zone(&remote, &[direct]);
        capulet.send(&to(&remote, "one"));
        let error = Peer::accept(&listener).tls_server_refuses(&Arc::new(config));
        assert!(error.to_string().contains("certificate"), "{error}");
        // Not "wait": nothing changes by itself.
        assert_eq!(bounce(&mut capulet, "one"), "cancel remote-server-timeout");
    }
}

/// Three hosted domains, each with a certificate and a component.
fn three() -> (Plane, [(&'static str, Issued, Peer); 3], Authority) {
    const NAMES: [&str; 3] = ["a.example", "b.example", "xn--nxasmq6b.example"];
    let authority = Authority::new("Verona Root");
    let mut setup = Setup::new().minimum(Rung::Trusted);
    setup.settings.roots = Arc::new(Roots::from_pem(authority.root_pem().as_bytes()).unwrap());
    setup.settings.domains = NAMES.map(|n| plane::component_entry(n, plane::SECRET)).to_vec();
    let issued = NAMES.map(|name| self_signed(CertSpec::for_dns(&[name])));
    for (name, issued) in NAMES.iter().zip(&issued) {
        setup = setup.identity(name, issued);
    }
    let plane = setup.start();
    let [a, b, c] = issued;
    let mut served = [(NAMES[0], a), (NAMES[1], b), (NAMES[2], c)]
        .map(|(name, issued)| (name, issued, component(&plane, name)));
    served.reverse();
    (plane, served, authority)
}

#[test]
fn without_sni_the_streams_to_chooses_among_the_certificates_of_several_domains() {
    let (plane, mut served, authority) = three();
    let identity = authority.issue(CertSpec::for_dns(&[THEM]));
    // jabberd2 gives no `from` either, over TLS included.
    for (name, issued, component) in &mut served {
        let mut server = Named::initiate(&JABBERD2, plane.s2s(), (THEM, name), Some(&identity));
        let shown = &server.peer.client_tls().peer_certificates().unwrap()[0];
        assert_eq!(shown, issued.leaf(), "{name}");
        server.send_key("k");
        assert_eq!(server.key_answer().attr("type"), "valid");
        server.peer.send(&message(&format!("a@{THEM}"), &format!("b@{name}"), name));
        assert_eq!(component.element().attr("id"), *name);
    }
    // With SNI it is the same, and for what comes without STARTTLS.
    for (name, issued, _) in &served {
        let mut server = Named::initiate(&TIGASE, plane.s2s(), (THEM, name), Some(&identity));
        assert_eq!(server.peer.client_tls().peer_certificates().unwrap()[0], *issued.leaf());
        let mut peer = Peer::connect(plane.direct_tls());
        peer.tls_client(&tls_client_config(None), name);
        assert_eq!(peer.client_tls().peer_certificates().unwrap()[0], *issued.leaf());
    }
}

#[test]
fn direct_tls_without_sni_shows_some_certificate_and_serves_every_domain() {
    let (plane, mut served, authority) = three();
    let identity = authority.issue(CertSpec::for_dns(&[THEM]));
    for (name, _, component) in &mut served {
        let mut peer = Peer::connect(plane.direct_tls());
        // An address is never sent as SNI.
        peer.tls_client(&tls_client_config(Some(&identity)), "127.0.0.1");
        peer.send(&header(THEM, name));
        peer.expect("</stream:features>");
        peer.send(&format!("<db:result from='{THEM}' to='{name}'>k</db:result>"));
        peer.expect("type='valid'");
        peer.send(&message(&format!("a@{THEM}"), &format!("b@{name}"), name));
        assert_eq!(component.element().attr("id"), *name);
    }
}
