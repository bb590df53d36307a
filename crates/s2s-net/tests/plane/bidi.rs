//! One connection for both directions (XEP-0288), opened by either side.

use std::net::TcpListener;
use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};
use s2s_trust::{Roots, Rung};

use crate::support::certs::{Authority, CertSpec};
use crate::support::peer::{tls_client_config, tls_server_config};
use crate::support::plane::{Plane, at};
use crate::support::*;

const BIDI: &str = "<bidi xmlns='urn:xmpp:bidi'/>";
const OFFERS: &str = "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/>\
                      <bidi xmlns='urn:xmpp:features:bidi'/></stream:features>";

/// Both sides have a certificate of one authority.
struct Verona {
    // Gone before the plane, which waits for it in its drain.
    capulet: Peer,
    plane: Plane,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    montague: TcpListener,
}

fn verona(minimum: Rung, change: impl Fn(&mut Setup)) -> Verona {
    let authority = Authority::new("Verona Root");
    let issue = |name: &str| authority.issue(CertSpec::for_dns(&[name]));
    let identity = issue("montague.example");
    let mut setup =
        Setup::new().minimum(minimum).identity("capulet.example", &issue("capulet.example"));
    setup.settings.roots = Arc::new(Roots::from_pem(authority.root_pem().as_bytes()).unwrap());
    change(&mut setup);
    let plane = setup.start();
    let montague = listener();
    plane.zone("montague.example", &[at(montague.local_addr().unwrap())]);
    let capulet = component(&plane, "capulet.example");
    let (client, server) = (tls_client_config(Some(&identity)), tls_server_config(&identity));
    Verona { plane, capulet, client, server, montague }
}

fn to_romeo(id: &str) -> String {
    message("juliet@capulet.example", "romeo@montague.example", id)
}

fn to_juliet(id: &str) -> String {
    message("romeo@montague.example", "juliet@capulet.example", id)
}

impl Verona {
    /// montague.example connects, up to the features over TLS.
    fn connects(&self) -> (Peer, String) {
        let mut peer = Peer::connect(self.plane.s2s());
        peer.send(&header("montague.example", "capulet.example"));
        assert!(!peer.expect("</stream:features>").contains("bidi"), "offered in clear");
        peer.send(STARTTLS);
        peer.expect(PROCEED);
        peer.tls_client(&self.client, "capulet.example");
        peer.send(&header("montague.example", "capulet.example"));
        let features = peer.expect("</stream:features>");
        (peer, features)
    }

    fn connects_by_external(&self, request: &str) -> Peer {
        let (mut peer, features) = self.connects();
        assert!(features.contains("<bidi xmlns='urn:xmpp:features:bidi'/>"), "{features}");
        peer.send(request);
        peer.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
        peer.expect("<success");
        peer.expect(">");
        peer.send(&header("montague.example", "capulet.example"));
        peer.expect("</stream:features>");
        peer
    }

    /// The router connects to montague.example, up to the features over TLS.
    fn is_connected_to(&self, features: &str) -> Peer {
        let mut peer = serve(&self.montague, STARTTLS_FEATURES, "clear");
        peer.expect(STARTTLS);
        peer.send(PROCEED);
        peer.tls_server(&self.server);
        answer_header(&mut peer, features, "tls");
        peer
    }

    /// The router's request and its key were accepted, on a stream that it opened for this stanza.
    fn opens_both_directions(&mut self) -> Peer {
        self.capulet.send(&to_romeo("out"));
        let mut peer = self.is_connected_to(OFFERS);
        peer.expect(
            "<bidi xmlns='urn:xmpp:bidi'><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>",
        );
        accept_key(&mut peer, "capulet.example", "montague.example");
        assert!(peer.expect("</message>").contains("out"));
        peer
    }
}

#[test]
fn who_connects_by_external_is_answered_on_its_own_connection() {
    let mut verona = verona(Rung::Trusted, |_| {});
    let mut peer = verona.connects_by_external(BIDI);
    peer.send(&to_juliet("inward"));
    assert!(verona.capulet.expect("</message>").contains("inward"));
    for id in ["one", "two"] {
        verona.capulet.send(&to_romeo(id));
        assert!(peer.expect("</message>").contains(id));
    }
    let totals =
        verona.plane.wait_for("both directions", |totals| totals.pairs_out == [0, 0, 0, 1]);
    assert_eq!((totals.pairs_in, totals.links, totals.bidirectional), ([0, 0, 0, 1], 1, 1));
    assert_eq!(verona.plane.lookups("montague.example"), 0);
    peer.send("</stream:stream>");
    peer.expect_end();
    verona.capulet.send(&to_romeo("later"));
    let mut peer = verona.is_connected_to(OFFERS);
    peer.expect(BIDI.trim_end_matches("/>"));
    accept_key(&mut peer, "capulet.example", "montague.example");
    assert!(peer.expect("</message>").contains("later"));
    verona.plane.wait_for("the gauges follow", |totals| {
        totals.links == 1 && totals.pairs_out == [0, 0, 0, 1]
    });
}

#[test]
fn limits_inside_the_request_are_honoured() {
    let mut verona = verona(Rung::Trusted, |_| {});
    let mut peer = verona.connects_by_external(
        "<bidi xmlns='urn:xmpp:features:bidi'><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits></bidi>",
    );
    let big = to_romeo("big").replace("</body>", &format!("{}</body>", "x".repeat(10_000)));
    verona.capulet.send(&(big + &to_romeo("small")));
    assert!(verona.capulet.expect("</message>").contains("<policy-violation"));
    assert!(peer.expect("</message>").contains("small"));
}

#[test]
fn a_key_is_verified_on_another_connection_and_then_the_answers_come_on_the_first() {
    let mut verona = verona(Rung::Secure, |_| {});
    // A certificate would spare the key.
    verona.client = tls_client_config(None);
    let (mut peer, _) = verona.connects();
    peer.send(BIDI);
    peer.send("<db:result from='montague.example' to='capulet.example'>the-key</db:result>");
    let mut leg = verona.is_connected_to(DIALBACK_FEATURES);
    leg.expect("<db:verify");
    let id = attr(&leg.expect("</db:verify>"), "id");
    leg.send(&format!(
        "<db:verify from='montague.example' to='capulet.example' id='{id}' type='valid'/>"
    ));
    peer.expect("<db:result");
    assert!(peer.expect(">").contains("type='valid'"));
    verona.capulet.send(&to_romeo("out"));
    assert!(peer.expect("</message>").contains("out"));
    peer.send(&to_juliet("inward"));
    assert!(verona.capulet.expect("</message>").contains("inward"));
    let rung = [0, 0, 1, 0];
    verona
        .plane
        .wait_for("both directions", |totals| (totals.pairs_in, totals.pairs_out) == (rung, rung));
}

#[test]
fn a_server_that_speaks_before_its_stream_begins_anew_is_asked_for_one_direction_the_next_time() {
    let mut verona = verona(Rung::Trusted, |setup| setup.shards = 1);
    let offers = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
                  <mechanism>EXTERNAL</mechanism></mechanisms>\
                  <bidi xmlns='urn:xmpp:features:bidi'/></stream:features>";
    verona.capulet.send(&to_romeo("out"));
    for asked in [true, false] {
        let mut peer = verona.is_connected_to(offers);
        assert_eq!(peer.expect("</auth>").contains("<bidi"), asked);
        peer.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        if asked {
            peer.send(&to_juliet("early"));
            peer.expect_end();
        } else {
            answer_header(&mut peer, NO_FEATURES, "again");
            assert!(peer.expect("</message>").contains("out"));
        }
    }
}

#[test]
fn what_the_server_we_reached_sends_back_is_delivered() {
    for minimum in [Rung::Secure, Rung::Trusted] {
        let mut verona = verona(minimum, |_| {});
        let mut peer = verona.opens_both_directions();
        peer.send(&to_juliet("inward"));
        assert!(verona.capulet.expect("</message>").contains("inward"));
        let totals =
            verona.plane.wait_for("both directions", |totals| totals.pairs_in == [0, 0, 0, 1]);
        assert_eq!((totals.pairs_out, totals.links), ([0, 0, 0, 1], 1));
        // The stream proves its own pair and nothing else.
        peer.send(&message("a@bank.example", "juliet@capulet.example", "spoofed"));
        assert!(peer.expect_end().contains("<invalid-from"));
    }
}

#[test]
fn whoever_speaks_before_it_accepted_us_or_without_the_agreement_is_not_heard() {
    let mut before = verona(Rung::Secure, |_| {});
    before.capulet.send(&to_romeo("out"));
    let mut peer = before.is_connected_to(OFFERS);
    peer.expect("<db:result");
    peer.send(&to_juliet("early"));
    assert!(peer.expect_end().contains("<not-authorized"));
    // It gets a second chance, in one direction.
    let mut peer = before.is_connected_to(OFFERS);
    assert!(!peer.expect("<db:result").contains("bidi"));

    let mut without = verona(Rung::Secure, |setup| setup.settings.bidi = false);
    let (_, features) = without.connects();
    assert!(!features.contains("bidi"), "{features}");
    without.capulet.send(&to_romeo("out"));
    let mut peer = without.is_connected_to(OFFERS);
    assert!(!peer.expect("<db:result").contains("bidi"));
    peer.send("<db:result from='montague.example' to='capulet.example' type='valid'/>");
    peer.expect("</message>");
    peer.send(&to_juliet("unasked"));
    assert!(peer.expect_end().contains("<not-authorized"));
}

/// Whether the key is refused, for which the stream ends: it carried nothing else.
fn is_refused_at(peer: &mut Peer, key: &str) -> bool {
    peer.send(key);
    peer.expect("<");
    let refused = peer.expect(" ").starts_with("stream:error");
    refused || !peer.expect(">").contains("type='valid'")
}

#[test]
fn a_pair_that_is_withdrawn_is_not_sent_to_any_longer() {
    let mut verona = verona(Rung::Trusted, |_| {});
    let mut peer = verona.connects_by_external(BIDI);
    verona.capulet.send(&to_romeo("one"));
    assert!(peer.expect("</message>").contains("one"));
    // No authority is trusted any more, and the peer asks again: it is told at its first key after the reload.
    let setup = Setup::new().minimum(Rung::Trusted);
    verona.plane.reload(setup);
    let again = "<db:result from='montague.example' to='capulet.example'>k</db:result>";
    while !is_refused_at(&mut peer, again) {}
    verona.capulet.send(&to_romeo("two"));
    peer.send("</stream:stream>");
    assert!(!peer.expect_end().contains("two"));
    drop((peer, Peer::accept(&verona.montague)));
    assert!(verona.capulet.expect("</message>").contains("<remote-server-timeout"));
    verona.plane.wait_for("nothing is left of it", |totals| {
        totals.pairs_out == [0; 4] && totals.pairs_in == [0; 4]
    });
}

#[test]
fn the_gauges_follow_a_pair_that_is_refused_while_another_keeps_its_stream() {
    let verona = verona(Rung::Trusted, |setup| setup.shards = 1);
    let mut peer = verona.connects_by_external(BIDI);
    let rooms = "<db:result from='montague.example' to='rooms.capulet.example'>k</db:result>";
    assert!(!is_refused_at(&mut peer, rooms));
    verona.plane.wait_for("two pairs", |totals| {
        (totals.pairs_in, totals.pairs_out) == ([0, 0, 0, 2], [0, 0, 0, 2])
    });
    verona.plane.reload(Setup::new().minimum(Rung::Trusted));
    while !is_refused_at(&mut peer, rooms) {}
    let totals = verona.plane.wait_for("one is left", |totals| totals.pairs_in == [0, 0, 0, 1]);
    assert_eq!((totals.pairs_out, totals.links), ([0, 0, 0, 1], 1));
}

#[test]
fn what_waits_behind_a_peer_that_does_not_read_is_not_sent_once_its_pair_is_withdrawn() {
    const LAST: usize = 120;
    let mut verona = verona(Rung::Trusted, |setup| setup.shards = 1);
    let mut peer = verona.connects_by_external(BIDI);
    let mut other = verona.connects_by_external(BIDI);
    // More than the kernel takes, less than the outbox holds.
    let body = "a".repeat(60_000);
    for n in 0..=LAST {
        let stanza = to_romeo(&n.to_string());
        verona.capulet.send(&stanza.replace("</body>", &format!("{body}</body>")));
    }
    verona.capulet.send(&message("juliet@capulet.example", "nurse@capulet.example", "echo"));
    verona.capulet.expect("echo</body></message>");
    verona.plane.reload(Setup::new().minimum(Rung::Trusted));
    let again = "<db:result from='montague.example' to='capulet.example'>k</db:result>";
    while !is_refused_at(&mut other, again) {}
    peer.send(again);
    peer.send("</stream:stream>");
    let heard = peer.expect_end();
    let got = heard.matches("</message>").count();
    assert!((1..LAST).contains(&got), "{got} were sent");
    // The rest goes first on the next stream, of which nothing comes.
    drop((peer, other, Peer::accept(&verona.montague)));
    for n in got..=LAST {
        let bounce = verona.capulet.expect("</message>");
        assert!(bounce.contains("<remote-server-timeout"), "{bounce}");
        assert_eq!(attr(&bounce, "id"), n.to_string());
    }
}

#[test]
fn an_end_that_does_not_read_is_read_nonetheless() {
    // Otherwise two ends that each have much to say would wait for each other.
    let mut verona = verona(Rung::Secure, |setup| {
        setup.shards = 1;
        setup.settings.limits.outbox_bytes = 256 * 1024;
        setup.settings.limits.stanza_bytes = 128 * 1024;
    });
    let mut peer = verona.opens_both_directions();
    let body = "a".repeat(60_000);
    for sent in 0.. {
        assert!(sent < 1_000, "nothing bounces");
        let stanza = to_romeo("much").replace("</body>", &format!("{body}</body>"));
        verona
            .capulet
            .send(&(stanza + &message("juliet@capulet.example", "nurse@capulet.example", "echo")));
        if verona.capulet.expect("</message>").contains("type='error'") {
            verona.capulet.expect("echo</body></message>");
            break;
        }
    }
    for id in ["first", "second"] {
        peer.send(&to_juliet(id));
        // Behind what was still on its way to the component.
        while !verona.capulet.expect("</message>").contains(id) {}
    }
}

#[test]
fn the_peers_next_connection_is_not_used_before_it_has_read_what_is_on_the_last() {
    let mut verona = verona(Rung::Trusted, |setup| setup.shards = 1);
    let mut first = verona.connects_by_external(BIDI);
    let mut second = verona.connects_by_external(BIDI);
    verona.capulet.send(&to_romeo("one"));
    first.send("</stream:stream>");
    // All of it is written; that a server has read it shows in its own end only.
    assert!(first.expect_end().contains("one"));
    let echo = message("juliet@capulet.example", "nurse@capulet.example", "echo");
    verona.capulet.send(&(to_romeo("two") + &echo));
    verona.capulet.expect("echo</body></message>");
    second.send("<db:verify from='montague.example' to='capulet.example' id='x'>k</db:verify>");
    assert!(!second.expect("<db:verify").contains("message"), "two overtook one");
    drop(first);
    assert!(second.expect("</message>").contains("two"));
}

#[test]
fn a_peer_that_reads_slowly_is_heard_until_it_could_read_our_close_tag() {
    const LAST: usize = 120;
    let mut verona = verona(Rung::Trusted, |setup| {
        setup.shards = 1;
        setup.settings.timeouts.idle_secs = 1;
        // The wait for a close tag is no longer.
        setup.settings.timeouts.negotiation_secs = 1;
    });
    let mut peer = verona.connects_by_external(BIDI);
    // More than the kernel takes, less than the outbox holds: our close tag waits behind it.
    let body = "a".repeat(60_000);
    for n in 0..=LAST {
        let stanza = to_romeo(&n.to_string());
        verona.capulet.send(&stanza.replace("</body>", &format!("{body}</body>")));
    }
    verona.plane.wait_for("idle for us", |totals| totals.closed_idle == 1);
    // A report comes once a second: the wait would be over, counted from when the tag was queued.
    let mut reports = 0;
    let totals = verona.plane.wait_for("a second later", |_| {
        reports += 1;
        reports > 2
    });
    assert_eq!(totals.closed_idle, 1);
    peer.send(&to_juliet("inward"));
    assert!(verona.capulet.expect("</message>").contains("inward"));
    for n in 0..=LAST {
        assert_eq!(attr(&peer.expect("</message>"), "id"), n.to_string());
    }
    peer.expect("</stream:stream>");
    peer.send(&to_juliet("after"));
    assert!(verona.capulet.expect("</message>").contains("after"));
    // And no longer than that.
    peer.expect_end();
}
