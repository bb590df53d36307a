//! Pieces of dialogue that many tests begin with.

use std::net::TcpListener;

use aws_lc_rs::digest;

use super::peer::Peer;
use super::plane::{Plane, SECRET};

pub const DIALBACK_FEATURES: &str =
    "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>";
pub const STARTTLS_FEATURES: &str =
    "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";
pub const NO_FEATURES: &str = "<stream:features/>";
pub const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
pub const PROCEED: &str = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

/// The value of an attribute, in either kind of quotes.
pub fn attr(text: &str, name: &str) -> String {
    let start = text.find(&format!(" {name}=")).expect("the attribute is there") + name.len() + 2;
    let quote = text[start..].chars().next().unwrap();
    text[start + 1..].split(quote).next().unwrap().to_owned()
}

/// The header of a server-to-server stream.
pub fn header(from: &str, to: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
         xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' \
         from='{from}' to='{to}' version='1.0'>"
    )
}

pub fn message(from: &str, to: &str, id: &str) -> String {
    format!("<message from='{from}' to='{to}' id='{id}'><body>{id}</body></message>")
}

/// A component attached as `name`.
pub fn component(plane: &Plane, name: &str) -> Peer {
    let mut peer = Peer::connect(plane.component());
    component_header(&mut peer, name);
    shake(&mut peer, SECRET);
    peer.expect("<handshake/>");
    peer
}

pub fn component_header(peer: &mut Peer, name: &str) {
    peer.send(&format!(
        "<stream:stream xmlns='jabber:component:accept' \
         xmlns:stream='http://etherx.jabber.org/streams' to='{name}'>"
    ));
}

/// Reads the answer to the header and sends the handshake of XEP-0114.
pub fn shake(peer: &mut Peer, secret: &str) {
    peer.expect("<stream:stream");
    let id = attr(&peer.expect(">"), "id");
    let mut hashing = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hashing.update(id.as_bytes());
    hashing.update(secret.as_bytes());
    let hash: String = hashing.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    peer.send(&format!("<handshake>{hash}</handshake>"));
}

/// A remote server that connected and was believed (rung promiscuous).
pub fn believed(plane: &Plane, from: &str) -> Peer {
    let mut peer = Peer::connect(plane.s2s());
    peer.send(&header(from, "capulet.example"));
    peer.expect("features");
    peer
}

/// A free address that listens.
pub fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// The router's stream to us, answered by a header and `features`; its id is `id`.
pub fn serve(listener: &TcpListener, features: &str, id: &str) -> Peer {
    let mut peer = Peer::accept(listener);
    answer_header(&mut peer, features, id);
    peer
}

pub fn answer_header(peer: &mut Peer, features: &str, id: &str) -> String {
    peer.expect("<stream:stream");
    let theirs = peer.expect(">");
    // A header that declares the dialback namespace offers dialback.
    let db = if features.contains("dialback") { " xmlns:db='jabber:server:dialback'" } else { "" };
    peer.send(&format!(
        "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'{db} \
         from='{}' to='{}' id='{id}' version='1.0'>{features}",
        attr(&theirs, "to"),
        attr(&theirs, "from"),
    ));
    theirs
}

/// Accepts the dialback key for a pair, unread.
pub fn accept_key(peer: &mut Peer, local: &str, remote: &str) -> String {
    peer.expect("<db:result");
    let key = peer.expect("</db:result>");
    peer.send(&format!("<db:result from='{remote}' to='{local}' type='valid'/>"));
    key
}
