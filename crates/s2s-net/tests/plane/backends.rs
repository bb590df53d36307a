//! The operator's own servers. Here capulet.example is served by a scripted backend, montague.example and verona.example are
//! remote.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use s2s_net::{Backend, BackendCertificates, BackendTls, LeafAuthority, RemoteProof, Service};
use s2s_trust::{Roots, Rung};
use xmpp_addr::Domain;

use crate::support::certs::{Authority, CertSpec, Issued, self_signed};
use crate::support::peer::{tls_client_config, tls_server_config};
use crate::support::plane::{Plane, at};
use crate::support::*;

const EXTERNAL: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
    <mechanism>EXTERNAL</mechanism></mechanisms></stream:features>";

/// Issues as the product does, and remembers for whom.
struct Leaves {
    authority: Authority,
    issued_for: Mutex<Vec<String>>,
}

impl Leaves {
    fn new() -> Arc<Leaves> {
        Arc::new(Leaves { authority: Authority::new("Inside"), issued_for: Mutex::default() })
    }
}

impl LeafAuthority for Leaves {
    fn leaf(&self, remote: &Domain) -> Result<Arc<CertifiedKey>, String> {
        self.issued_for.lock().unwrap().push(remote.as_str().to_owned());
        let issued = self.authority.issue(CertSpec::for_dns(&[remote.as_str()]));
        let key = aws_lc_rs::sign::any_supported_type(&issued.key).unwrap();
        Ok(Arc::new(CertifiedKey::new(issued.chain, key)))
    }
}

fn backend_at(address: SocketAddr) -> Backend {
    Backend {
        address,
        tls: BackendTls::Optional,
        sources: vec!["127.0.0.1/32".parse().unwrap()],
        certificates: None,
        proof: RemoteProof::Dialback,
        links: 1,
    }
}

/// capulet.example is served by this backend; everything below it by components.
fn behind(backend: Backend) -> Setup {
    let mut setup = Setup::new();
    setup.settings.domains[0].service = Service::Backend(backend);
    setup
}

/// The backend, which accepts a link of the router's.
fn takes(listener: &TcpListener, id: &str) -> Peer {
    serve(listener, DIALBACK_FEATURES, id)
}

/// The backend asks the authoritative server of `remote`, which its resolver takes for the router, about the key that came on the
/// stream `id`.
fn verifies(plane: &Plane, remote: &str, id: &str, key: &str) -> String {
    let mut leg = Peer::connect(plane.backend());
    leg.send(&header("capulet.example", remote));
    leg.expect("</stream:features>");
    leg.send(&format!(
        "<db:verify from='capulet.example' to='{remote}' id='{id}'>{key}</db:verify>"
    ));
    leg.expect("<db:verify");
    attr(&leg.expect("/>"), "type")
}

/// The router proves a remote domain on a link to the backend.
fn proves(plane: &Plane, link: &mut Peer, remote: &str, id: &str) {
    link.expect(&format!("<db:result from='{remote}' to='capulet.example'>"));
    let key = link.expect("</db:result>").replace("</db:result>", "");
    assert_eq!(verifies(plane, remote, id, &key), "valid");
    assert_eq!(verifies(plane, remote, "another", &key), "invalid");
    link.send(&format!("<db:result from='capulet.example' to='{remote}' type='valid'/>"));
}

/// A stream of the backend's to `remote`, authorised.
fn federates(plane: &Plane, remote: &str) -> Peer {
    let mut stream = Peer::connect(plane.backend());
    stream.send(&header("capulet.example", remote));
    stream.expect("</stream:features>");
    stream.send(&format!("<db:result from='capulet.example' to='{remote}'>of my own</db:result>"));
    stream.expect(&format!("<db:result from='{remote}' to='capulet.example' type='valid'/>"));
    stream
}

#[test]
fn remote_domains_share_a_link_to_the_backend_each_proved_by_dialback() {
    let capulet = listener();
    let plane = behind(backend_at(capulet.local_addr().unwrap())).shards(1).start();
    let mut montague = believed(&plane, "montague.example");
    montague.send(&message("romeo@montague.example", "juliet@capulet.example", "1"));
    let mut link = takes(&capulet, "d1");
    proves(&plane, &mut link, "montague.example", "d1");
    assert!(link.expect("</message>").contains("id='1'"));
    let mut verona = believed(&plane, "verona.example");
    verona.send(&message("prince@verona.example", "juliet@capulet.example", "2"));
    proves(&plane, &mut link, "verona.example", "d1");
    assert!(link.expect("</message>").contains("id='2'"));
    montague.send(&message("romeo@montague.example", "juliet@capulet.example", "3"));
    assert!(link.expect("</message>").contains("id='3'"));
}

#[test]
fn what_a_backend_sends_goes_out_under_the_demands_of_the_outside() {
    let capulet = listener();
    let plane = behind(backend_at(capulet.local_addr().unwrap())).start();
    let montague = listener();
    plane.zone("montague.example", &[at(montague.local_addr().unwrap())]);
    let mut stream = federates(&plane, "montague.example");
    stream.send(&message("juliet@capulet.example", "romeo@montague.example", "1"));
    let mut outside = serve(&montague, DIALBACK_FEATURES, "o1");
    accept_key(&mut outside, "capulet.example", "montague.example");
    assert!(outside.expect("</message>").contains("id='1'"));

    // Nobody is there: the error comes back in the name of the remote domain, proved like any other.
    let mut stream = federates(&plane, "nowhere.example");
    stream.send(&message("juliet@capulet.example", "nobody@nowhere.example", "2"));
    let mut link = takes(&capulet, "d2");
    proves(&plane, &mut link, "nowhere.example", "d2");
    let error = link.expect("</message>");
    assert!(error.contains("<remote-server-not-found"), "{error}");
    assert!(error.contains("from='nobody@nowhere.example' to='juliet@capulet.example' id='2'"));
}

#[test]
fn a_backend_and_a_component_of_the_operators_talk_through_the_router() {
    let capulet = listener();
    let plane = behind(backend_at(capulet.local_addr().unwrap())).start();
    let mut gateway = component(&plane, "gateway.capulet.example");
    let mut stream = federates(&plane, "gateway.capulet.example");
    stream.send(&message("juliet@capulet.example", "gateway.capulet.example", "1"));
    assert!(gateway.expect("</message>").contains("id='1'"));
    gateway.send(&message("gateway.capulet.example", "juliet@capulet.example", "2"));
    let mut link = takes(&capulet, "d1");
    proves(&plane, &mut link, "gateway.capulet.example", "d1");
    assert!(link.expect("</message>").contains("id='2'"));
}

#[test]
fn a_backend_speaks_for_its_own_domains_and_from_its_own_addresses_only() {
    let capulet = listener();
    let plane = behind(backend_at(capulet.local_addr().unwrap())).start();
    // A domain that is not its own, remote or hosted.
    for foreign in ["bank.example", "gateway.capulet.example"] {
        let mut stream = Peer::connect(plane.backend());
        stream.send(&header(foreign, "montague.example"));
        assert!(stream.expect_end().contains("<invalid-from"));
        let mut stream = Peer::connect(plane.backend());
        stream.send(&header("capulet.example", "montague.example"));
        stream.expect("</stream:features>");
        stream.send(&format!("<db:result from='{foreign}' to='montague.example'>k</db:result>"));
        assert!(stream.expect("</db:result>").contains("<not-acceptable"));
    }
    // On the public listener it is nobody.
    let mut stream = Peer::connect(plane.s2s());
    stream.send(&header("capulet.example", "montague.example"));
    assert!(stream.expect_end().contains("<invalid-from"));
    // Nobody else is let in at all.
    let mut elsewhere = backend_at(capulet.local_addr().unwrap());
    elsewhere.sources = vec!["127.0.0.2/32".parse().unwrap()];
    let plane = behind(elsewhere).start();
    let mut stream = Peer::connect(plane.backend());
    let _ = stream.send_bytes(header("capulet.example", "montague.example").as_bytes());
    assert_eq!(stream.expect_end(), "");
}

#[test]
fn the_outside_is_never_told_that_a_remote_domains_key_is_ours() {
    let capulet = listener();
    let plane = behind(backend_at(capulet.local_addr().unwrap())).shards(1).start();
    let mut montague = believed(&plane, "montague.example");
    montague.send(&message("romeo@montague.example", "juliet@capulet.example", "1"));
    let mut link = takes(&capulet, "d1");
    link.expect("<db:result from='montague.example' to='capulet.example'>");
    let key = link.expect("</db:result>").replace("</db:result>", "");
    let mut stranger = Peer::connect(plane.s2s());
    stranger.send(&header("mallory.example", "capulet.example"));
    stranger.expect("</stream:features>");
    stranger.send(&format!(
        "<db:verify from='capulet.example' to='montague.example' id='d1'>{key}</db:verify>"
    ));
    let answer = stranger.expect("</db:verify>");
    assert!(answer.contains("type='error'") && !answer.contains("type='valid'"), "{answer}");
}

#[test]
fn a_backend_that_was_down_gets_what_waited() {
    let capulet = listener();
    let address = capulet.local_addr().unwrap();
    drop(capulet);
    let plane = behind(backend_at(address)).shards(1).start();
    let mut montague = believed(&plane, "montague.example");
    for id in ["1", "2"] {
        montague.send(&message("romeo@montague.example", "juliet@capulet.example", id));
    }
    plane.wait_for("a failed attempt", |totals| totals.connect_failures > 0);
    let capulet = TcpListener::bind(address).unwrap();
    let mut link = takes(&capulet, "d1");
    proves(&plane, &mut link, "montague.example", "d1");
    for id in ["1", "2"] {
        assert!(link.expect("</message>").contains(&format!("id='{id}'")));
    }
    // It restarts: what comes meanwhile waits for its next link.
    drop(link);
    montague.send(&message("romeo@montague.example", "juliet@capulet.example", "3"));
    let mut link = takes(&capulet, "d2");
    proves(&plane, &mut link, "montague.example", "d2");
    assert!(link.expect("</message>").contains("id='3'"));
}

/// More waited than the outbox of a link takes.
#[test]
fn all_that_waited_for_a_backend_reaches_it_however_small_the_outbox_is() {
    let capulet = listener();
    let address = capulet.local_addr().unwrap();
    drop(capulet);
    let mut setup = behind(backend_at(address));
    setup.settings.limits.outbox_bytes = 16 * 1024;
    let plane = setup.shards(1).start();
    let mut montague = believed(&plane, "montague.example");
    for n in 0..400 {
        let body = "x".repeat(1_000);
        let to = "to='juliet@capulet.example'";
        montague.send(&format!(
            "<message from='romeo@montague.example' {to} id='{n}'><body>{body}</body></message>"
        ));
    }
    plane.wait_for("all to wait", |totals| totals.queued == 400);
    let capulet = TcpListener::bind(address).unwrap();
    let mut link = takes(&capulet, "d1");
    proves(&plane, &mut link, "montague.example", "d1");
    for n in 0..400 {
        assert_eq!(attr(&link.expect("</message>"), "id"), format!("{n}"));
    }
}

#[test]
fn a_drain_brings_the_users_of_a_backend_the_errors_for_what_waited() {
    let capulet = listener();
    let plane = behind(backend_at(capulet.local_addr().unwrap())).shards(1).start();
    let mut verona = believed(&plane, "verona.example");
    verona.send(&message("prince@verona.example", "juliet@capulet.example", "1"));
    let mut link = takes(&capulet, "d1");
    proves(&plane, &mut link, "verona.example", "d1");
    link.expect("</message>");
    let silent = listener();
    plane.zone("montague.example", &[at(silent.local_addr().unwrap())]);
    let mut stream = federates(&plane, "montague.example");
    stream.send(&message("juliet@capulet.example", "romeo@montague.example", "2"));
    let mut outside = Peer::accept(&silent);
    outside.expect("<stream:stream");
    plane.drain();
    for mut remote in [outside, verona] {
        remote.expect("</stream:stream>");
    }
    // montague.example has never sent anything here: the backend asks about its key first, now.
    proves(&plane, &mut link, "montague.example", "d1");
    let error = link.expect("</message>");
    assert!(error.contains("id='2'") && error.contains("shutting down"), "{error}");
    for mut own in [link, stream] {
        own.expect("</stream:stream>");
    }
}

#[test]
fn the_wait_for_a_backend_that_stays_down_ends_with_an_error() {
    let capulet = listener();
    let address = capulet.local_addr().unwrap();
    drop(capulet);
    let mut setup = behind(backend_at(address));
    setup.settings.timeouts.queue_secs = 1;
    let plane = setup.start();
    let mut gateway = component(&plane, "gateway.capulet.example");
    gateway.send(&message("gateway.capulet.example", "juliet@capulet.example", "1"));
    let error = gateway.expect("</message>");
    assert!(error.contains("type='wait'><remote-server-timeout"), "{error}");
}

fn names(certificate: &CertificateDer<'_>, domain: &str) -> bool {
    certificate.windows(domain.len()).any(|part| part == domain.as_bytes())
}

/// A strict backend: TLS, certificates in both directions, no dialback.
fn strict(capulet: &TcpListener, shown: &Issued, leaves: &Arc<Leaves>, roots: &Authority) -> Setup {
    let certificates = BackendCertificates {
        file: "backend.pem".to_owned(),
        roots: Arc::new(Roots::from_pem(roots.root_pem().as_bytes()).unwrap()),
    };
    let mut setup = behind(Backend {
        tls: BackendTls::Required,
        certificates: Some(certificates),
        proof: RemoteProof::Certificate,
        ..backend_at(capulet.local_addr().unwrap())
    });
    setup.settings.leaves = Some(Arc::clone(leaves) as _);
    setup.identity("capulet.example", shown)
}

#[test]
fn a_backend_that_wants_certificates_is_shown_one_for_each_remote_domain() {
    let (operator, leaves) = (Authority::new("Operator"), Leaves::new());
    let own = operator.issue(CertSpec::for_dns(&["capulet.example"]));
    let outside = self_signed(CertSpec::for_dns(&["capulet.example"]));
    let capulet = listener();
    let plane = strict(&capulet, &outside, &leaves, &operator).shards(1).start();
    for (remote, id) in [("montague.example", "c1"), ("verona.example", "c2")] {
        let mut sender = believed(&plane, remote);
        sender.send(&message(&format!("a@{remote}"), "juliet@capulet.example", id));
        let mut link = serve(&capulet, STARTTLS_FEATURES, "clear");
        link.expect(STARTTLS);
        link.send(PROCEED);
        link.tls_server(&tls_server_config(&own));
        let shown = link.server_tls().peer_certificates().unwrap()[0].clone().into_owned();
        assert!(names(&shown, remote));
        answer_header(&mut link, EXTERNAL, "tls");
        link.expect("mechanism='EXTERNAL'>");
        link.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        answer_header(&mut link, NO_FEATURES, "open");
        assert!(link.expect("</message>").contains(&format!("id='{id}'")));
    }
    // The other way: it looks at our certificate, we look at its own, and EXTERNAL is what it knows.
    for remote in ["montague.example", "nowhere.example", "gateway.capulet.example"] {
        let mut stream = Peer::connect(plane.backend());
        stream.send(&header("capulet.example", remote));
        assert!(stream.expect("</stream:features>").contains("<required/>"));
        stream.send(STARTTLS);
        stream.expect(PROCEED);
        stream.tls_client(&tls_client_config(Some(&own)), remote);
        let shown = stream.client_tls().peer_certificates().unwrap()[0].clone().into_owned();
        assert!(names(&shown, remote));
        stream.send(&header("capulet.example", remote));
        assert!(stream.expect("</stream:features>").contains("EXTERNAL"));
        stream.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
        stream.expect("<success");
        stream.expect(">");
        stream.send(&header("capulet.example", remote));
        stream.expect("<stream:features>");
    }
}

#[test]
fn a_backend_that_must_show_its_certificate_is_not_believed_without_it() {
    let (operator, leaves) = (Authority::new("Operator"), Leaves::new());
    let outside = self_signed(CertSpec::for_dns(&["capulet.example"]));
    let capulet = listener();
    let plane = strict(&capulet, &outside, &leaves, &operator).start();
    let stolen = self_signed(CertSpec::for_dns(&["capulet.example"]));
    for shown in [None, Some(&stolen)] {
        let mut stream = Peer::connect(plane.backend());
        stream.send(&header("capulet.example", "montague.example"));
        stream.expect("</stream:features>");
        stream.send(STARTTLS);
        stream.expect(PROCEED);
        stream.tls_client(&tls_client_config(shown), "montague.example");
        stream.send(&header("capulet.example", "montague.example"));
        assert!(!stream.expect("</stream:features>").contains("EXTERNAL"));
        stream.send("<db:result from='capulet.example' to='montague.example'>k</db:result>");
        assert!(stream.expect_end().contains("<not-authorized"));
    }
    // Nor is one we connect to: nothing of the remote domain's is said to it.
    let mut montague = believed(&plane, "montague.example");
    montague.send(&message("romeo@montague.example", "juliet@capulet.example", "1"));
    let mut link = serve(&capulet, STARTTLS_FEATURES, "clear");
    link.expect(STARTTLS);
    link.send(PROCEED);
    link.tls_server(&tls_server_config(&stolen));
    answer_header(&mut link, EXTERNAL, "tls");
    let said = link.expect_end();
    assert!(!said.contains("<auth") && !said.contains("<message"), "{said}");
}

#[test]
fn the_chain_of_a_backend_is_judged_once_and_not_for_every_pair() {
    let (operator, leaves) = (Authority::new("Operator"), Leaves::new());
    let own = operator.issue(CertSpec::for_dns(&["capulet.example"]));
    let outside = self_signed(CertSpec::for_dns(&["capulet.example"]));
    let capulet = listener();
    let plane = strict(&capulet, &outside, &leaves, &operator).shards(1).start();
    for remote in ["montague.example", "verona.example", "mantua.example"] {
        let mut stream = Peer::connect(plane.backend());
        stream.send(&header("capulet.example", remote));
        stream.expect("</stream:features>");
        stream.send(STARTTLS);
        stream.expect(PROCEED);
        stream.tls_client(&tls_client_config(Some(&own)), remote);
        stream.send(&header("capulet.example", remote));
        assert!(stream.expect("</stream:features>").contains("EXTERNAL"));
    }
    let totals = plane.wait_for("three handshakes", |totals| totals.handshakes == 3);
    assert_eq!(totals.chains_judged, 1);
}

#[test]
fn certificates_of_remote_domains_are_shown_to_backends_only() {
    let (operator, leaves) = (Authority::new("Operator"), Leaves::new());
    let outside = self_signed(CertSpec::for_dns(&["capulet.example"]));
    let capulet = listener();
    let plane = strict(&capulet, &outside, &leaves, &operator).start();
    let mut stranger = Peer::connect(plane.direct_tls());
    stranger.tls_client(&tls_client_config(None), "montague.example");
    let shown = stranger.client_tls().peer_certificates().unwrap()[0].clone().into_owned();
    assert!(names(&shown, "capulet.example") && !names(&shown, "montague.example"));
    let mut stranger = Peer::connect(plane.s2s());
    stranger.send(&header("mallory.example", "capulet.example"));
    stranger.expect("</stream:features>");
    stranger.send(STARTTLS);
    stranger.expect(PROCEED);
    stranger.tls_client(&tls_client_config(None), "montague.example");
    let shown = stranger.client_tls().peer_certificates().unwrap()[0].clone().into_owned();
    assert!(names(&shown, "capulet.example") && !names(&shown, "montague.example"));
    assert!(leaves.issued_for.lock().unwrap().is_empty());
}

/// What the outside is asked to prove does not change with what serves the domain.
#[test]
fn a_remote_domain_that_did_not_earn_its_rung_never_reaches_the_backend() {
    let capulet = listener();
    let setup = behind(backend_at(capulet.local_addr().unwrap())).minimum(Rung::Secure);
    let plane = setup.start();
    let mut montague = Peer::connect(plane.s2s());
    montague.send(&header("montague.example", "capulet.example"));
    montague.expect("</stream:features>");
    montague.send(&message("romeo@montague.example", "juliet@capulet.example", "1"));
    assert!(montague.expect_end().contains("<not-authorized"));
    capulet.set_nonblocking(true).unwrap();
    assert!(capulet.accept().is_err(), "nobody calls the backend");
}

#[test]
fn a_reload_ends_the_streams_that_it_would_not_let_begin() {
    let capulet = listener();
    let plane = behind(backend_at(capulet.local_addr().unwrap())).start();
    let mut backend = federates(&plane, "montague.example");
    let mut kept = component(&plane, "kept.capulet.example");
    let mut montague = believed(&plane, "montague.example");
    // A rung that is too low now.
    plane.reload(behind(backend_at(capulet.local_addr().unwrap())).minimum(Rung::Verified));
    montague.expect("<reset");
    // A backend whose connections may not come from there any more.
    let mut moved = backend_at(capulet.local_addr().unwrap());
    moved.sources = vec!["127.0.0.2/32".parse().unwrap()];
    plane.reload(behind(moved.clone()));
    backend.expect("<reset");
    let _ = backend
        .send_bytes(message("juliet@capulet.example", "kept.capulet.example", "late").as_bytes());
    backend.expect_end();
    // What still fits goes on; a component that lost its domain to a backend does not.
    let mut all = behind(moved.clone());
    all.settings.domains[1].service = Service::Backend(moved);
    kept.send(&message("kept.capulet.example", "nobody@nowhere.example", "1"));
    assert!(kept.expect("</message>").contains("<remote-server-not-found"));
    plane.reload(all);
    kept.expect("<reset");
}
