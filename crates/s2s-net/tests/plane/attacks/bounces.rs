//! What errors give away, and to whom.

use s2s_trust::Rung;

use crate::support::attacker::*;
use crate::support::certs::{CertSpec, self_signed};
use crate::support::peer::tls_client_config;
use crate::support::plane::at;
use crate::support::*;

#[test]
fn a35_a_large_stanza_that_goes_nowhere_comes_back_as_a_small_error_to_who_proved_the_name() {
    let mut scene = Scene::at(Rung::Trusted);
    let body = "a".repeat(512 * 1_024 - 400);
    let large = |from: &str, to: &str| {
        format!("<message from='{from}' to='{to}' id='large'><body>{body}</body></message>")
    };
    // Out of a component.
    scene.capulet.send(&large("juliet@capulet.example", "bob@nowhere.example"));
    scene.bounced("large", "remote-server-not-found");

    // From outside, to a domain whose component is not there. The error goes where DNS and certificate
    // say the sender is, not back on the stream and not to the third party it would like to hit.
    let (homes, thirds) = (listener(), listener());
    scene.plane.zone("attacker.example", &[at(homes.local_addr().unwrap())]);
    scene.plane.zone("third.example", &[at(thirds.local_addr().unwrap())]);
    let config = tls_client_config(Some(&scene.issue("attacker.example")));
    let mut attacker = scene.over_tls("attacker.example", &config);
    attacker.send(&header("attacker.example", "capulet.example"));
    attacker.expect("</stream:features>");
    for to in ["capulet.example", "down.capulet.example"] {
        attacker.send(&format!("<db:result from='attacker.example' to='{to}'>k</db:result>"));
        assert!(attacker.expect("/>").ends_with(" type='valid'/>"));
    }
    attacker.send(&large("bob@attacker.example", "x@down.capulet.example"));
    scene.admitted += 1;
    let mut home = serve_tls(&homes, &scene.issue("attacker.example"), DIALBACK_FEATURES);
    accept_key(&mut home, "down.capulet.example", "attacker.example");
    let error = home.expect("</message>");
    assert!(error.len() < 1_024 && !error.contains("aaaa"), "{} bytes", error.len());
    assert!(
        error.contains(" to='bob@attacker.example'") && error.contains("<service-unavailable ")
    );
    // Errors and results are not answered: nobody can be made to talk to himself.
    for kind in ["error", "result"] {
        attacker.send(&format!(
            "<iq type='{kind}' from='bob@attacker.example' to='x@down.capulet.example' id='e'/>"
        ));
        scene.admitted += 1;
    }
    attacker.send(&large("x@third.example", "x@down.capulet.example"));
    assert_eq!(attacker.expect_end(), stream_error_saying("invalid-from", UNVERIFIED));
    thirds.set_nonblocking(true).unwrap();
    assert!(thirds.accept().is_err(), "the third party was called");
    scene.honest();
    drop((attacker, home));
    let counted = scene.end();
    assert_eq!(counted.route(|route| route.bounced), 2);
    assert_eq!(counted.route(|route| route.dropped_must_not_bounce), 2);
}

#[test]
fn a36_an_error_says_nothing_about_the_server_that_could_not_be_reached() {
    let mut scene = Scene::at(Rung::Trusted);
    // A room sends to the real address of somebody whom the others know by a nickname only; the error
    // may be shown to them.
    let to_occupant = |domain: &str, id: &str| {
        message("room@capulet.example/nick", &format!("bob@{domain}/home"), id)
    };
    let (mute, refusing, wrong, angry) = (listener(), listener(), listener(), listener());
    let closed = listener().local_addr().unwrap();
    for (domain, address) in [
        ("closed.hidden.example", closed),
        ("mute.hidden.example", mute.local_addr().unwrap()),
        ("refusing.hidden.example", refusing.local_addr().unwrap()),
        ("wrong.hidden.example", wrong.local_addr().unwrap()),
        ("angry.hidden.example", angry.local_addr().unwrap()),
        ("own.hidden.example", scene.plane.s2s()),
    ] {
        scene.plane.zone(domain, &[at(address)]);
    }
    let mut errors = Vec::new();
    let mut bounce = |scene: &mut Scene, id: &str| {
        let bounce = scene.capulet.expect("</message>");
        assert!(bounce.contains(&format!(" id='{id}'")), "{bounce}");
        errors.push(bounce);
    };
    for domain in ["no.hidden.example", "closed.hidden.example", "own.hidden.example"] {
        scene.capulet.send(&to_occupant(domain, domain));
        bounce(&mut scene, domain);
    }
    scene.capulet.send(&to_occupant("mute.hidden.example", "mute"));
    drop(Peer::accept(&mute));
    bounce(&mut scene, "mute");
    scene.capulet.send(&to_occupant("refusing.hidden.example", "refusing"));
    let mut peer = serve_tls(&refusing, &scene.issue("refusing.hidden.example"), DIALBACK_FEATURES);
    peer.expect("</db:result>");
    peer.send(
        "<db:result from='refusing.hidden.example' to='capulet.example' type='error'><error type='auth'>\
         <not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>hidden.example says 127.0.0.1</text>\
         </error></db:result>",
    );
    bounce(&mut scene, "refusing");
    scene.capulet.send(&to_occupant("wrong.hidden.example", "wrong"));
    let shown =
        self_signed(CertSpec { cn: Some("hidden"), ..CertSpec::for_dns(&["hidden.example"]) });
    serve_tls(&wrong, &shown, TLS_FEATURES).expect_end();
    bounce(&mut scene, "wrong");
    scene.capulet.send(&to_occupant("angry.hidden.example", "angry"));
    serve(&angry, NO_FEATURES, "x").send(
        "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>hidden.example at 127.0.0.1</text>\
         </stream:error>",
    );
    bounce(&mut scene, "angry");
    assert_eq!(errors.len(), 7);
    for error in errors {
        let start = error.find("<error ").unwrap();
        let said = &error[start..];
        for secret in ["hidden", "bob", "home", "127.0", "certificate", "self-signed", "example"] {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
        // The addresses are the ones the room wrote itself, swapped.
        assert!(error[..start].contains(" to='room@capulet.example/nick'"), "{error}");
    }
    scene.honest_out();
    drop(peer);
    assert_eq!(scene.end().route(|route| route.bounced), 7);
}
