//! Plays the manners of a named server: what it says, and what it gives up at.

use std::net::{SocketAddr, TcpListener};

use super::certs::Issued;
use super::dialogue::{PROCEED, STARTTLS};
use super::manners::{AfterCheck, DialsBack, Insists, Manners};
use super::peer::{Heard, Peer, tls_client_config, tls_server_config};

/// One connection of a named server with us.
pub struct Named {
    pub manners: &'static Manners,
    pub peer: Peer,
    own: String,
    other: String,
    /// The stream id of the responding side, of the latest header.
    pub id: String,
    /// Our features, where it initiated and we sent some.
    pub features: Option<Heard>,
    /// Our response header, where it initiated.
    response: Option<Heard>,
}

/// By what a server that connected was believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Believed {
    External,
    Dialback,
}

impl Named {
    /// Opens a stream to us, over TLS where it has a certificate and we offer it.
    pub fn initiate(
        manners: &'static Manners,
        address: SocketAddr,
        (own, other): (&str, &str),
        identity: Option<&Issued>,
    ) -> Named {
        let mut named = Named {
            manners,
            peer: Peer::connect(address),
            own: own.to_owned(),
            other: other.to_owned(),
            id: String::new(),
            features: None,
            response: None,
        };
        named.open(0);
        if let Some(identity) = identity {
            let offered = named.feature("starttls");
            assert!(offered, "{}: no STARTTLS offered", manners.server);
            named.peer.send(STARTTLS);
            assert!(named.peer.element().is_spelled("proceed"));
            // An address is never sent as SNI.
            let name = if manners.sni { other } else { "127.0.0.1" };
            named.peer.tls_client(&tls_client_config(Some(identity)), name);
            named.open(1);
        }
        named
    }

    /// Says its header and reads ours as it does.
    fn open(&mut self, channel: usize) {
        let header = self.fill(self.manners.initial[channel], "own-id", "", "");
        self.peer.send(&header);
        let response = self.peer.header();
        for insists in self.manners.insists {
            let holds = match insists {
                Insists::ContentNamespace => response.text.contains(" xmlns='jabber:server'"),
                Insists::Version => response.attr("version") == "1.0",
                Insists::Id => !response.attr("id").is_empty(),
                Insists::FromIsTheDomainAskedFor => response.attr("from") == self.other,
                Insists::ToIsOurs => ["", &self.own].contains(&response.attr("to")),
            };
            assert!(
                holds,
                "{} ({}) gives up at {}",
                self.manners.server, self.manners.read_in, response.text
            );
        }
        response.attr("id").clone_into(&mut self.id);
        self.features =
            response.element.attributes.iter().any(|(name, _)| name == "version").then(|| {
                let features = self.peer.element();
                // MongooseIM matches the name as it is written.
                assert!(features.is_spelled("stream:features"), "{}", features.text);
                features
            });
        self.response = Some(response);
    }

    pub fn feature(&self, name: &str) -> bool {
        self.features.as_ref().is_some_and(|features| features.element.child(name).is_some())
    }

    /// What it does for its proof: EXTERNAL where it can and we offer, or a key, sent and not yet
    /// answered.
    pub fn prove(&mut self) -> Believed {
        if let (Some(authzid), true) = (self.manners.auth, self.feature("mechanisms")) {
            let authzid = authzid.replace("{authzid}", &base64(&self.own));
            self.peer.send(&format!(
                "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>{authzid}</auth>"
            ));
            assert!(self.peer.element().is_spelled("success"));
            self.open(1);
            return Believed::External;
        }
        let response = self.response.as_ref().unwrap();
        let dials_back = match self.manners.dials_back {
            DialsBack::WhenDeclared => response.text.contains(" xmlns:db='jabber:server:dialback'"),
            DialsBack::WhenOffered => self.feature("dialback"),
            DialsBack::Always => true,
        };
        assert!(dials_back, "{} does not dial back", self.manners.server);
        self.send_key("the-key");
        Believed::Dialback
    }

    pub fn send_key(&mut self, key: &str) {
        let result = self.fill(self.manners.key, "", key, "");
        self.peer.send(&result);
    }

    /// Waits for our answer to its key.
    pub fn key_answer(&mut self) -> Heard {
        let answer = self.peer.element();
        self.check_spelling(&answer, "result");
        answer
    }

    /// The next connection to the server: opened by us, in clear or over TLS.
    pub fn accept(
        manners: &'static Manners,
        listener: &TcpListener,
        identity: Option<&Issued>,
    ) -> Named {
        let mut peer = Peer::accept(listener);
        let header = peer.header();
        let mut named = Named {
            manners,
            peer,
            own: header.attr("to").to_owned(),
            other: header.attr("from").to_owned(),
            id: String::new(),
            features: None,
            response: None,
        };
        named.respond(0);
        if let Some(identity) = identity {
            named.peer.expect(STARTTLS);
            named.peer.send(PROCEED);
            named.peer.tls_server(&tls_server_config(identity));
            named.peer.header();
            named.respond(1);
        }
        named
    }

    fn respond(&mut self, step: usize) {
        self.id = format!("{}{step}", self.manners.server.replace(' ', "-"));
        let id = self.id.clone();
        let text = self.manners.response.to_owned() + self.manners.offers[step];
        let text = self.fill(&text, &id, "", "");
        self.peer.send(&text);
    }

    /// Takes our EXTERNAL, whose name it reads as base64.
    pub fn accept_external(&mut self) {
        let auth = self.peer.element();
        assert_eq!(auth.element.text, base64(&self.other), "{}", auth.text);
        self.peer.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        self.peer.header();
        self.respond(2);
    }

    /// Refuses it.
    pub fn refuse_external(&mut self) {
        assert_eq!(self.peer.element().element.name, "auth");
        self.peer.send(self.manners.auth_refused);
    }

    /// Takes our key and answers when the authoritative server, that is we, has confirmed it on a
    /// connection of its own.
    pub fn accept_key(&mut self, us: SocketAddr, identity: Option<&Issued>) {
        let result = self.peer.element();
        self.check_spelling(&result, "result");
        let key = result.element.text;
        let pair = (self.own.as_str(), self.other.as_str());
        let mut leg = Named::initiate(self.manners, us, pair, identity);
        let check = leg.fill(self.manners.check, &self.id, &key, "");
        leg.peer.send(&check);
        let answer = leg.peer.element();
        leg.check_spelling(&answer, "verify");
        assert_eq!((answer.attr("id"), answer.attr("type")), (self.id.as_str(), "valid"));
        assert_eq!((answer.attr("from"), answer.attr("to")), (pair.1, pair.0));
        let valid = self.fill(self.manners.key_answer, &self.id, &key, "valid");
        self.peer.send(&valid);
    }

    /// Answers a check; the key that was asked about.
    pub fn answer_check(&mut self, outcome: &str) -> String {
        let check = self.peer.element();
        self.check_spelling(&check, "verify");
        let key = check.element.text.clone();
        let answer = self.fill(self.manners.check_answer, check.attr("id"), &key, outcome);
        self.peer.send(&answer);
        if self.manners.after_check == AfterCheck::Closes {
            self.peer.send("</stream:stream>");
            self.peer.half_close();
        }
        key
    }

    /// The prefix is what some servers know dialback by, and it may not be declared again.
    fn check_spelling(&self, heard: &Heard, name: &str) {
        assert_eq!(heard.element.namespace, "jabber:server:dialback", "{}", heard.text);
        assert_eq!(heard.element.name, name, "{}", heard.text);
        if self.manners.prefix_is_db {
            assert!(heard.is_spelled(&format!("db:{name}")), "{}", heard.text);
            assert!(!heard.text.contains("xmlns:db"), "{}", heard.text);
        }
    }

    fn fill(&self, text: &str, id: &str, key: &str, outcome: &str) -> String {
        text.replace("{own}", &self.own)
            .replace("{other}", &self.other)
            .replace("{id}", id)
            .replace("{key}", key)
            .replace("{type}", outcome)
    }
}

/// RFC 4648 §4.
pub fn base64(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place) & 63) as usize;
            out.push(if place <= group.len() { char::from(ALPHABET[digit]) } else { '=' });
        }
    }
    out
}
