//! Servers by name, as `support/manners.rs` has them.

use s2s_trust::Rung;

use super::{THEM, US, Verona, bounce, from, to, untrusted};
use crate::support::manners::{
    IN_CLEAR, JABBERD2, METRONOME, MONGOOSEIM, OPENFIRE, OVER_TLS, TIGASE,
};
use crate::support::named::{Believed, Named};
use crate::support::plane::at;
use crate::support::*;

#[test]
fn every_named_server_with_a_good_certificate_delivers_at_rung_trusted() {
    let verona = Verona::new(Rung::Trusted);
    let mut capulet = component(&verona.plane, US);
    for manners in OVER_TLS {
        let identity = verona.trusted(THEM);
        let mut server = Named::initiate(manners, verona.plane.s2s(), (THEM, US), Some(&identity));
        if server.prove() == Believed::Dialback {
            // No second connection: the certificate answers.
            assert_eq!(server.key_answer().attr("type"), "valid", "{}", manners.server);
        }
        server.peer.send(&from(THEM, manners.server));
        assert!(capulet.expect("</message>").contains(manners.server));
    }
    assert_eq!(verona.plane.lookups(THEM), 0);
}

#[test]
fn every_named_server_with_any_certificate_delivers_by_dialback_at_rung_secure() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let identity = untrusted(THEM);
    for manners in OVER_TLS {
        let listener = listener();
        let remote = format!("{}.example", manners.server.to_lowercase());
        verona.plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        let mut server =
            Named::initiate(manners, verona.plane.s2s(), (&remote, US), Some(&identity));
        assert_eq!(server.prove(), Believed::Dialback, "{}", manners.server);
        let mut authoritative = Named::accept(manners, &listener, Some(&identity));
        assert_eq!(authoritative.answer_check("valid"), "the-key");
        assert_eq!(server.key_answer().attr("type"), "valid", "{}", manners.server);
        server.peer.send(&from(&remote, manners.server));
        assert!(capulet.expect("</message>").contains(manners.server));
    }
}

#[test]
fn servers_without_a_version_in_their_header_deliver_by_dialback_in_clear() {
    let verona = Verona::new(Rung::Verified);
    let mut capulet = component(&verona.plane, US);
    for manners in IN_CLEAR {
        let listener = listener();
        let remote = format!("{}.example", manners.server.to_lowercase().replace(' ', "-"));
        verona.plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        // jabberd2 names nobody: neither from nor to.
        let mut server = Named::initiate(manners, verona.plane.s2s(), (&remote, US), None);
        assert!(server.features.is_none(), "features before 1.0");
        server.prove();
        let mut authoritative = Named::accept(manners, &listener, None);
        assert_eq!(authoritative.answer_check("valid"), "the-key");
        assert_eq!(server.key_answer().attr("type"), "valid", "{}", manners.server);
        server.peer.send(&from(&remote, manners.server));
        assert!(capulet.expect("</message>").contains(manners.server));
        // A domain they do not speak for costs the stream.
        server.peer.send(&from("bank.example", "spoofed"));
        assert!(server.peer.expect_end().contains("<invalid-from"));
    }
}

#[test]
fn every_named_server_is_sent_to_by_external_or_dialback() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let identity = untrusted(THEM);
    for manners in OVER_TLS {
        let listener = listener();
        let remote = format!("{}.example", manners.server.to_lowercase());
        verona.plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        capulet.send(&to(&remote, manners.server));
        let mut server = Named::accept(manners, &listener, Some(&identity));
        if manners.offers[1].contains("EXTERNAL") {
            server.accept_external();
        } else {
            server.accept_key(verona.plane.s2s(), Some(&identity));
        }
        assert!(server.peer.expect("</message>").contains(manners.server));
    }
}

#[test]
fn a_server_without_a_version_in_its_header_is_sent_a_key_and_then_the_stanzas() {
    let verona = Verona::new(Rung::Verified);
    let mut capulet = component(&verona.plane, US);
    let manners = IN_CLEAR[1];
    let listener = listener();
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    capulet.send(&(to(THEM, "one") + &to(THEM, "two")));
    let mut server = Named::accept(manners, &listener, None);
    server.accept_key(verona.plane.s2s(), None);
    for id in ["one", "two"] {
        assert_eq!(server.peer.element().attr("id"), id);
    }
}

#[test]
fn a_server_without_a_version_is_not_spoken_to_where_tls_is_demanded() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let listener = listener();
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    capulet.send(&to(THEM, "one"));
    let mut server = Named::accept(IN_CLEAR[1], &listener, None);
    let error = server.peer.element();
    assert_eq!(error.element.children[0].name, "policy-violation", "{}", error.text);
    assert_eq!(server.peer.expect_end(), "</stream:stream>");
    assert_eq!(bounce(&mut capulet, "one"), "cancel remote-server-timeout");
    // And inbound: the key is refused by a stream error, for `type='error'` is unknown there.
    let mut server = Named::initiate(IN_CLEAR[0], verona.plane.s2s(), (THEM, US), None);
    server.send_key("the-key");
    let error = server.peer.element();
    assert_eq!(error.element.children[0].name, "policy-violation", "{}", error.text);
    assert_eq!(server.peer.expect_end(), "</stream:stream>");
}

#[test]
fn mongooseim_refuses_external_and_closes_so_the_next_connection_dials_back_first() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let listener = listener();
    let identity = untrusted(THEM);
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    capulet.send(&to(THEM, "one"));
    let mut server = Named::accept(&MONGOOSEIM, &listener, Some(&identity));
    server.refuse_external();
    drop(server);
    // It still offers EXTERNAL, to anybody with a certificate.
    let mut server = Named::accept(&MONGOOSEIM, &listener, Some(&identity));
    server.accept_key(verona.plane.s2s(), Some(&identity));
    assert!(server.peer.expect("</message>").contains("one"));
    // It remembers: the third connection does not begin with EXTERNAL either.
    server.peer.send("</stream:stream>");
    server.peer.expect("</stream:stream>");
    drop(server);
    capulet.send(&to(THEM, "two"));
    let mut server = Named::accept(&MONGOOSEIM, &listener, Some(&identity));
    server.accept_key(verona.plane.s2s(), Some(&identity));
    assert!(server.peer.expect("</message>").contains("two"));
}

#[test]
fn tigase_refuses_external_and_stops_so_the_next_connection_dials_back_first() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let listener = listener();
    let identity = untrusted(THEM);
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    capulet.send(&to(THEM, "one"));
    let mut server = Named::accept(&TIGASE, &listener, Some(&identity));
    // forceStop: no close tag.
    server.refuse_external();
    drop(server);
    let mut server = Named::accept(&TIGASE, &listener, Some(&identity));
    server.accept_key(verona.plane.s2s(), Some(&identity));
    assert!(server.peer.expect("</message>").contains("one"));
}

#[test]
fn metronome_refuses_external_and_goes_on_so_the_key_follows_on_the_same_stream() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let listener = listener();
    let identity = untrusted(THEM);
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    capulet.send(&to(THEM, "one"));
    // It offers EXTERNAL where the certificate is good, as Openfire spells it.
    let mut server = Named::accept(&OPENFIRE, &listener, Some(&identity));
    server.manners = &METRONOME;
    server.refuse_external();
    server.accept_key(verona.plane.s2s(), Some(&identity));
    assert!(server.peer.expect("</message>").contains("one"));
}

#[test]
fn mongooseim_drops_stanzas_in_silence_and_nothing_is_made_of_it() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let listener = listener();
    let identity = untrusted(THEM);
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    capulet.send(&to(THEM, "dropped"));
    let mut server = Named::accept(&MONGOOSEIM, &listener, Some(&identity));
    server.accept_external();
    assert_eq!(server.peer.element().attr("id"), "dropped");
    capulet.send(&to(THEM, "next"));
    assert_eq!(server.peer.element().attr("id"), "next");
    // Neither a bounce nor a second copy: the next thing the component hears is the echo.
    capulet.send(&message("juliet@capulet.example", "nurse@capulet.example", "echo"));
    assert_eq!(capulet.element().attr("id"), "echo");
}

#[test]
fn mongooseims_errors_are_understood_by_their_names_of_rfc_3920_and_without_a_close_tag() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let identity = untrusted(THEM);
    for (error, expected) in [
        ("host-unknown", "cancel remote-server-not-found"),
        ("xml-not-well-formed", "wait remote-server-timeout"),
        ("invalid-id", "cancel remote-server-timeout"),
        ("invalid-from", "cancel remote-server-timeout"),
        ("connection-timeout", "wait remote-server-timeout"),
    ] {
        let listener = listener();
        let remote = format!("{error}.example");
        verona.plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        capulet.send(&to(&remote, error));
        let mut server = Named::accept(&MONGOOSEIM, &listener, Some(&identity));
        assert_eq!(server.peer.element().element.name, "auth");
        server.peer.send(&format!(
            "<stream:error><{error} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
        ));
        drop(server);
        assert_eq!(bounce(&mut capulet, error), expected, "{error}");
    }
}

#[test]
fn mongooseim_gives_a_state_up_after_five_seconds_and_its_next_stream_is_served() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let listener = listener();
    let identity = untrusted(THEM);
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    let mut first = Named::initiate(&MONGOOSEIM, verona.plane.s2s(), (THEM, US), Some(&identity));
    first.send_key("first");
    let mut authoritative = Named::accept(&MONGOOSEIM, &listener, Some(&identity));
    // The answer is late; the stream that waited for it says so and is gone.
    first.peer.send(
        "<stream:error><connection-timeout xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
         </stream:error></stream:stream>",
    );
    assert_eq!(first.peer.expect_end(), "</stream:stream>");
    let mut second = Named::initiate(&MONGOOSEIM, verona.plane.s2s(), (THEM, US), Some(&identity));
    second.send_key("second");
    assert_eq!(authoritative.answer_check("invalid"), "first");
    // The first key's answer says nothing about the second's.
    assert_eq!(authoritative.answer_check("valid"), "second");
    assert_eq!(second.key_answer().attr("type"), "valid");
    second.peer.send(&from(THEM, "in"));
    assert_eq!(capulet.element().attr("id"), "in");
}

#[test]
fn openfire_closes_after_one_check_and_the_other_keys_are_asked_on_new_connections() {
    const KEYS: usize = 6;
    let verona = Verona::new(Rung::Verified);
    let listener = listener();
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    let identity = untrusted(THEM);
    let mut streams: Vec<_> = (0..KEYS)
        .map(|n| {
            let mut server =
                Named::initiate(&OPENFIRE, verona.plane.s2s(), (THEM, US), Some(&identity));
            server.send_key(&format!("key-{n}"));
            server
        })
        .collect();
    let mut asked: Vec<_> = (0..KEYS)
        .map(|_| Named::accept(&OPENFIRE, &listener, Some(&identity)).answer_check("valid"))
        .collect();
    asked.sort();
    assert_eq!(asked, (0..KEYS).map(|n| format!("key-{n}")).collect::<Vec<_>>());
    for server in &mut streams {
        assert_eq!(server.key_answer().attr("type"), "valid");
    }
}

#[test]
fn openfire_puts_further_pairs_on_its_stream_and_a_failed_one_costs_only_itself() {
    let verona = Verona::new(Rung::Verified);
    let mut capulet = component(&verona.plane, US);
    let identity = verona.trusted(THEM);
    let mut server = Named::initiate(&OPENFIRE, verona.plane.s2s(), (THEM, US), Some(&identity));
    server.send_key("first");
    assert_eq!(server.key_answer().attr("type"), "valid");
    // Another domain of its own, whose name the certificate does not prove, and which is nowhere.
    server.peer.send(&format!("<db:result from='chat.{THEM}' to='{US}'>second</db:result>"));
    assert_eq!(server.key_answer().attr("type"), "error");
    // Another domain that it takes for ours.
    server.peer.send(&format!("<db:result from='{THEM}' to='nowhere.example'>third</db:result>"));
    let refused = server.key_answer();
    assert!(refused.text.contains("<item-not-found"), "{}", refused.text);
    server.peer.send(&from(THEM, "still"));
    assert!(capulet.expect("</message>").contains("still"));
}

#[test]
fn openfire_may_check_our_key_in_clear() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let listener = listener();
    let identity = untrusted(THEM);
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    capulet.send(&to(THEM, "one"));
    let mut server = Named::accept(&OPENFIRE, &listener, Some(&identity));
    server.refuse_external();
    drop(server);
    let mut server = Named::accept(&OPENFIRE, &listener, Some(&identity));
    // After a failed handshake it tries the check again without TLS.
    server.accept_key(verona.plane.s2s(), None);
    assert!(server.peer.expect("</message>").contains("one"));
}

#[test]
fn tigase_that_sends_without_a_proof_is_told_and_then_has_to_dial_back() {
    let verona = Verona::new(Rung::Trusted);
    let mut capulet = component(&verona.plane, US);
    let identity = verona.trusted(THEM);
    let mut server = Named::initiate(&TIGASE, verona.plane.s2s(), (THEM, US), Some(&identity));
    // It does so where dialback is not among the features, so it is.
    assert!(server.feature("dialback"));
    server.peer.send(&from(THEM, "unproved"));
    assert!(server.peer.expect_end().contains("<not-authorized"));
    let mut server = Named::initiate(&TIGASE, verona.plane.s2s(), (THEM, US), Some(&identity));
    server.send_key("the-key");
    assert_eq!(server.key_answer().attr("type"), "valid");
    server.peer.send(&from(THEM, "proved"));
    assert_eq!(capulet.element().attr("id"), "proved");
}

#[test]
fn tigase_opens_several_streams_for_one_pair_and_dials_back_on_any_of_them() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let identity = untrusted(THEM);
    let listener = listener();
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    let mut streams: Vec<_> = (0..4)
        .map(|_| Named::initiate(&TIGASE, verona.plane.s2s(), (THEM, US), Some(&identity)))
        .collect();
    for (n, stream) in streams.iter_mut().enumerate() {
        stream.send_key(&format!("key-{n}"));
    }
    // One leg serves all of them.
    let mut authoritative = Named::accept(&TIGASE, &listener, Some(&identity));
    for _ in 0..4 {
        authoritative.answer_check("valid");
    }
    for (n, stream) in streams.iter_mut().enumerate() {
        assert_eq!(stream.key_answer().attr("type"), "valid");
        stream.peer.send(&from(THEM, &format!("m{n}")));
        assert_eq!(capulet.element().attr("id"), format!("m{n}"));
    }
}

#[test]
fn jabberd2_puts_many_senders_and_targets_on_one_stream() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let mut chat = component(&verona.plane, "chat.capulet.example");
    let identity = untrusted(THEM);
    let remotes = [THEM, "chat.montague.example", "rooms.montague.example"];
    let listeners = remotes.map(|remote| {
        let listener = listener();
        verona.plane.zone(remote, &[at(listener.local_addr().unwrap())]);
        (remote, listener)
    });
    let mut server = Named::initiate(&JABBERD2, verona.plane.s2s(), (THEM, US), Some(&identity));
    for (remote, listener) in &listeners {
        for local in [US, "chat.capulet.example"] {
            server.peer.send(&format!(
                "<db:result xmlns:db='jabber:server:dialback' to='{local}' from='{remote}'>k\
                 </db:result>"
            ));
            // For each pair a stream: our certificate stands for one local domain.
            let mut leg = Named::accept(&JABBERD2, listener, Some(&identity));
            assert_eq!(leg.answer_check("valid"), "k");
            let answer = server.key_answer();
            assert_eq!(answer.attr("type"), "valid", "{}", answer.text);
            assert_eq!((answer.attr("from"), answer.attr("to")), (local, *remote));
            let who = if local == US { &mut capulet } else { &mut chat };
            server.peer.send(&message(&format!("a@{remote}"), &format!("b@{local}"), "in"));
            assert_eq!(who.element().attr("from"), format!("a@{remote}"));
        }
    }
}

#[test]
fn jabberd2_ends_the_stream_at_a_stanza_over_64_kib_and_others_are_told_to_wait() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let listener = listener();
    let identity = untrusted(THEM);
    verona.plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    capulet.send(&to(THEM, "small"));
    let mut server = Named::accept(&JABBERD2, &listener, Some(&identity));
    server.accept_key(verona.plane.s2s(), Some(&identity));
    assert_eq!(server.peer.element().attr("id"), "small");
    let body = "a".repeat(70_000);
    capulet.send(&format!(
        "<message from='juliet@{US}' to='romeo@{THEM}' id='big'><body>{body}</body></message>"
    ));
    // It reads what it may and gives up.
    server.peer.expect(&"a".repeat(60_000));
    server.peer.send(
        "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
         <stanza-too-big xmlns='urn:xmpp:errors'/></stream:error></stream:stream>",
    );
    server.peer.expect_end();
    drop(server);
    // The link was young, so the pair rests for a moment. It is not said to lack trust.
    capulet.send(&to(THEM, "after"));
    assert_eq!(bounce(&mut capulet, "after"), "wait remote-server-timeout");
}
