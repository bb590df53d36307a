//! The stage of an attack: a router with real certificates, the component it must protect, and honest
//! servers to show that it still works.
//!
//! The attackers themselves are [`Peer`]s, sockets that say what the test spells out. A test ends with
//! [`Scene::end`]: what the component got, and what was admitted at all, is then known to the last
//! stanza.

use std::sync::Arc;

use rustls::ClientConfig;
use s2s_net::{NetCounters, ShardReport};
use s2s_route::Counters;
use s2s_trust::{Roots, Rung};

use super::certs::{Authority, CertSpec, Issued};
use super::dialogue::*;
use super::peer::{Peer, tls_client_config, tls_server_config};
use super::plane::{Plane, Setup, at};

pub const AUTH: &str =
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>";
pub const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
/// What a server offers over TLS.
pub const TLS_FEATURES: &str = "<stream:features>\
     <mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>\
     <dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>";

/// A running router whose `capulet.example` is a component with a certificate.
pub struct Scene {
    pub plane: Plane,
    /// The component.
    pub capulet: Peer,
    pub authority: Authority,
    /// Stanzas that were rightly admitted from remote servers.
    pub admitted: u64,
    honest: u32,
}

/// What the shards had counted when they ended.
pub struct Counted(Vec<ShardReport>);

impl Scene {
    pub fn at(minimum: Rung) -> Scene {
        Scene::with(minimum, |setup| setup)
    }

    pub fn with(minimum: Rung, change: impl FnOnce(Setup) -> Setup) -> Scene {
        let authority = Authority::new("Verona Root");
        let own = authority.issue(CertSpec::for_dns(&["capulet.example"]));
        let mut setup = Setup::new().minimum(minimum).identity("capulet.example", &own);
        setup.settings.roots = roots(&authority);
        let plane = change(setup).start();
        let capulet = component(&plane, "capulet.example");
        Scene { plane, capulet, authority, admitted: 0, honest: 0 }
    }

    pub fn issue(&self, name: &str) -> Issued {
        self.authority.issue(CertSpec::for_dns(&[name]))
    }

    /// Connects in clear and says a header from `from`; with the id of the answer.
    pub fn stranger(&self, from: &str) -> (Peer, String) {
        let mut peer = Peer::connect(self.plane.s2s());
        peer.send(&header(from, "capulet.example"));
        peer.expect("<stream:stream");
        let id = attr(&peer.expect(">"), "id");
        peer.expect("</stream:features>");
        (peer, id)
    }

    /// Connects and starts TLS; the header to be said under it is still to come.
    pub fn over_tls(&self, from: &str, config: &Arc<ClientConfig>) -> Peer {
        let (mut peer, _) = self.stranger(from);
        peer.send(STARTTLS);
        assert_eq!(peer.expect(PROCEED), PROCEED);
        peer.tls_client(config, "capulet.example");
        peer
    }

    /// A server that authenticated by its certificate, as itself.
    pub fn external(&self, from: &str) -> Peer {
        let config = tls_client_config(Some(&self.issue(from)));
        let mut peer = self.over_tls(from, &config);
        authenticate(&mut peer, from);
        peer
    }

    /// The component gets exactly this stanza next.
    #[track_caller]
    pub fn delivered(&mut self, stanza: &str) {
        let end = &stanza[stanza.rfind("</").unwrap()..];
        assert_eq!(self.capulet.expect(end), stanza);
        self.admitted += 1;
    }

    /// The component gets an error for its own stanza `id` next; answers with it.
    #[track_caller]
    pub fn bounced(&mut self, id: &str, condition: &str) -> String {
        let bounce = self.capulet.expect("</message>");
        assert!(
            bounce.starts_with("<message from=") && bounce.contains("type='error'"),
            "{bounce}"
        );
        assert!(bounce.contains(&format!(" id='{id}'")), "{bounce}");
        assert!(bounce.contains(&format!("<{condition} xmlns=")), "{bounce}");
        assert!(bounce.len() < 1_024, "{bounce}");
        bounce
    }

    /// An honest server gets a stanza through, and it is the next thing the component gets.
    #[track_caller]
    pub fn honest(&mut self) {
        self.honest += 1;
        let from = format!("h{}.example", self.honest);
        let mut peer = self.external(&from);
        let stanza = message(&format!("a@{from}"), "juliet@capulet.example", "honest");
        peer.send(&stanza);
        self.delivered(&stanza);
    }

    /// A stanza of the component reaches an honest server.
    #[track_caller]
    pub fn honest_out(&mut self) {
        self.honest += 1;
        let remote = format!("h{}.example", self.honest);
        let listener = listener();
        self.plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        self.capulet.send(&message("juliet@capulet.example", &format!("a@{remote}"), "honest"));
        let mut peer = serve_tls(&listener, &self.issue(&remote), DIALBACK_FEATURES);
        accept_key(&mut peer, "capulet.example", &remote);
        assert!(peer.expect("</message>").contains("honest"));
    }

    /// Ends the router; all attackers must be gone. Nothing else reached the component, and nothing
    /// else was admitted.
    #[track_caller]
    pub fn end(mut self) -> Counted {
        self.plane.drain();
        assert_eq!(self.capulet.expect("</stream:stream>"), "</stream:stream>");
        self.capulet.send("</stream:stream>");
        assert_eq!(self.capulet.expect_end(), "");
        drop(self.capulet);
        let counted = Counted(self.plane.ended());
        assert_eq!(counted.net(|net| net.stanzas_from_remotes), self.admitted);
        counted
    }
}

impl Counted {
    pub fn net(&self, of: impl Fn(&NetCounters) -> u64) -> u64 {
        self.0.iter().map(|report| of(&report.net)).sum()
    }

    pub fn route(&self, of: impl Fn(&Counters) -> u64) -> u64 {
        self.0.iter().map(|report| of(&report.route.counters)).sum()
    }
}

pub fn roots(authority: &Authority) -> Arc<Roots> {
    Arc::new(Roots::from_pem(authority.root_pem().as_bytes()).unwrap())
}

/// EXTERNAL and the restart after it.
#[track_caller]
pub fn authenticate(peer: &mut Peer, from: &str) {
    peer.send(&header(from, "capulet.example"));
    assert!(peer.expect("</stream:features>").contains("<mechanism>EXTERNAL</mechanism>"));
    peer.send(AUTH);
    assert_eq!(peer.expect(SUCCESS), SUCCESS);
    peer.send(&header(from, "capulet.example"));
    peer.expect("</stream:features>");
}

/// The router's stream to us up to our features over TLS; its id is `tls`.
#[track_caller]
pub fn serve_tls(listener: &std::net::TcpListener, shown: &Issued, features: &str) -> Peer {
    let mut peer = serve(listener, STARTTLS_FEATURES, "clear");
    assert_eq!(peer.expect(STARTTLS), STARTTLS);
    peer.send(PROCEED);
    peer.tls_server(&tls_server_config(shown));
    answer_header(&mut peer, features, "tls");
    peer
}

/// The authoritative server of a domain is asked about a key; with the id of the question.
pub fn asked(listener: &std::net::TcpListener) -> (Peer, String) {
    let mut leg = serve(listener, DIALBACK_FEATURES, "leg");
    leg.expect("<db:verify");
    let id = attr(&leg.expect("</db:verify>"), "id");
    (leg, id)
}

/// The last words of a stream of ours that ends with an error without a text.
pub fn stream_error(condition: &str) -> String {
    format!(
        "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>\
         </stream:stream>"
    )
}

/// What a sender domain that nobody verified on its stream is told.
pub const UNVERIFIED: &str = "the sender domain was not verified on this stream";

/// The same, with a text.
pub fn stream_error_saying(condition: &str, text: &str) -> String {
    format!(
        "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>{text}</text></stream:error>\
         </stream:stream>"
    )
}

/// Our refusal of a dialback key from `from`.
pub fn key_refused(from: &str, kind: &str, condition: &str, text: Option<&str>) -> String {
    const NS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
    let text = text.map(|text| format!("<text xmlns='{NS}' xml:lang='en'>{text}</text>"));
    format!(
        "<db:result from='capulet.example' to='{from}' type='error'><error type='{kind}'>\
         <{condition} xmlns='{NS}'/>{}</error></db:result>",
        text.unwrap_or_default()
    )
}

/// A dialback key from `from`.
pub fn key_of(from: &str) -> String {
    format!("<db:result from='{from}' to='capulet.example'>key</db:result>")
}

/// A stanza to the component.
pub fn from_bob(domain: &str, id: &str) -> String {
    message(&format!("bob@{domain}"), "juliet@capulet.example", id)
}
