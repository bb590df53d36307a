//! Dialback that fails, and what it costs.

use s2s_trust::Rung;

use super::{THEM, US, Verona, bounce, from, to};
use crate::support::plane::at;
use crate::support::*;

/// XEP-0220 §2.5, ejabberd's own `not-allowed`, and one that nobody has heard of.
const CONDITIONS: [&str; 12] = [
    "item-not-found",
    "not-allowed",
    "policy-violation",
    "not-authorized",
    "forbidden",
    "not-acceptable",
    "remote-connection-failed",
    "remote-server-not-found",
    "remote-server-timeout",
    "resource-constraint",
    "internal-server-error",
    "gone-fishing",
];

fn error(element: &str, attributes: &str, condition: &str) -> String {
    format!(
        "<db:{element} {attributes} type='error'><error type='cancel'>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:{element}>"
    )
}

#[test]
fn every_error_that_answers_our_key_has_its_bounce() {
    let plane = Setup::new().minimum(Rung::Verified).start();
    let mut capulet = component(&plane, US);
    for condition in CONDITIONS {
        let remote = format!("{condition}.example");
        let listener = listener();
        plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        capulet.send(&(to(&remote, "one") + &to(&remote, "two")));
        let mut peer = serve(&listener, DIALBACK_FEATURES, "i");
        peer.expect("</db:result>");
        peer.send(&error("result", &format!("from='{remote}' to='{US}'"), condition));
        let expected = match condition {
            // The domain is not there.
            "item-not-found" | "not-allowed" => "cancel remote-server-not-found",
            // It is, and wants more than we showed (RFC 6120 §8.3.3.17: permanent).
            "policy-violation" | "not-authorized" => "cancel remote-server-timeout",
            // XEP-0220 §2.1.1.
            _ => "wait remote-server-timeout",
        };
        for id in ["one", "two"] {
            assert_eq!(bounce(&mut capulet, id), expected, "{condition}");
        }
        // Nothing else is on this stream: it is closed.
        assert_eq!(peer.expect_end(), "</stream:stream>");
        // And the pair rests: no second connection for the next stanza.
        capulet.send(&to(&remote, "three"));
        assert_eq!(bounce(&mut capulet, "three"), expected, "{condition}");
    }
    // XEP-0220 §2.1.1: `invalid`.
    let listener = listener();
    plane.zone(THEM, &[at(listener.local_addr().unwrap())]);
    capulet.send(&to(THEM, "one"));
    let mut peer = serve(&listener, DIALBACK_FEATURES, "i");
    peer.expect("</db:result>");
    peer.send(&format!("<db:result from='{THEM}' to='{US}' type='invalid'/>"));
    assert_eq!(bounce(&mut capulet, "one"), "cancel internal-server-error");
}

#[test]
fn every_error_of_the_authoritative_server_has_its_answer_and_the_stream_stays() {
    let plane = Setup::new().minimum(Rung::Verified).start();
    let mut peer = Peer::connect(plane.s2s());
    peer.send(&header(THEM, US));
    peer.header();
    peer.element();
    for condition in CONDITIONS {
        let remote = format!("{condition}.example");
        let listener = listener();
        plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        peer.send(&format!("<db:result from='{remote}' to='{US}'>k</db:result>"));
        let mut leg = serve(&listener, DIALBACK_FEATURES, "leg");
        leg.expect("<db:verify");
        let id = attr(&leg.expect("</db:verify>"), "id");
        leg.send(&error("verify", &format!("from='{remote}' to='{US}' id='{id}'"), condition));
        let answer = peer.element();
        let expected = match condition {
            // XEP-0220 §2.5: it "encountered an item-not-found error condition".
            "item-not-found" | "not-allowed" => "remote-server-not-found",
            "resource-constraint" => "resource-constraint",
            _ => "not-acceptable",
        };
        assert_eq!(answer.attr("type"), "error", "{}", answer.text);
        assert!(answer.text.contains(&format!("<{expected} ")), "{condition}: {}", answer.text);
        // Refused is what was asked about, and nothing else.
        assert_eq!((answer.attr("from"), answer.attr("to")), (US, remote.as_str()));
    }
    peer.send(&from("item-not-found.example", "unproved"));
    assert!(peer.expect_end().contains("<not-authorized"));
}

#[test]
fn a_target_that_ends_the_whole_stream_over_one_bad_pair_costs_no_other_pair() {
    let mut setup = Setup::new().minimum(Rung::Verified);
    setup.settings.domains.push(plane::component_entry("tybalt.example", plane::SECRET));
    let verona = Verona::with(setup);
    let mut capulet = component(&verona.plane, US);
    let mut tybalt = component(&verona.plane, "tybalt.example");
    let listener = listener();
    let place = at(listener.local_addr().unwrap());
    for remote in [THEM, "ghost.example"] {
        verona.plane.zone(remote, &[place]);
    }
    capulet.send(&to(THEM, "good"));
    let mut good = serve(&listener, DIALBACK_FEATURES, "good");
    accept_key(&mut good, US, THEM);
    good.expect("</message>");
    // Another target at the same host, which does not serve it; another sender, whom it refuses.
    capulet.send(&to("ghost.example", "bad"));
    let mut bad = serve(&listener, DIALBACK_FEATURES, "bad");
    bad.expect("</db:result>");
    bad.send(
        "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
         </stream:error></stream:stream>",
    );
    assert_eq!(bounce(&mut capulet, "bad"), "cancel remote-server-not-found");
    tybalt.send(&message("a@tybalt.example", "romeo@montague.example", "bad"));
    let mut bad = serve(&listener, DIALBACK_FEATURES, "worse");
    bad.expect("</db:result>");
    bad.send("</stream:stream>");
    assert_eq!(bounce(&mut tybalt, "bad"), "wait remote-server-timeout");
    capulet.send(&to(THEM, "still"));
    assert!(good.expect("</message>").contains("still"));
}

#[test]
fn answers_with_an_echoed_key_an_id_or_another_prefix_are_answers() {
    let plane = Setup::new().minimum(Rung::Verified).start();
    let mut capulet = component(&plane, US);
    for (n, answer) in [
        "<db:result from='{r}' to='capulet.example' id='i' type='valid'>{k}</db:result>",
        "<db:result to='capulet.example' type='valid' from='{r}'></db:result>",
        "<d:result xmlns:d='jabber:server:dialback' from='{r}' to='capulet.example' type='valid'/>",
        "<result xmlns='jabber:server:dialback' from='{r}' to='capulet.example' type=\"valid\"/>",
        "<db:result from='{R}' to='CAPULET.example.' type='valid'/>",
    ]
    .into_iter()
    .enumerate()
    {
        let remote = format!("r{n}.example");
        let listener = listener();
        plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        capulet.send(&to(&remote, "in"));
        let mut peer = serve(&listener, DIALBACK_FEATURES, "i");
        peer.expect("<db:result");
        let key = peer.expect("</db:result>");
        let key = key.split(['>', '<']).nth(1).unwrap();
        let answer = answer.replace("{r}", &remote).replace("{R}", &remote.to_uppercase());
        peer.send(&answer.replace("{k}", key));
        assert!(peer.expect("</message>").contains("in"), "{answer}");
    }
}
