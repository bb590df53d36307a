//! The two ends of every exchange: a user on the remote server, a component behind the router.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use aws_lc_rs::digest;

use crate::wire::Wire;
use crate::xml::Element;

/// The account every remote server of the suite has.
pub const USER: &str = "romeo";
/// Its password.
pub const PASSWORD: &str = "wherefore";
/// `"\0romeo\0wherefore"` in base64 (RFC 4616 §2).
const PLAIN: &str = "AHJvbWVvAHdoZXJlZm9yZQ==";

/// Somebody with an address who sends and receives stanzas.
pub struct Party {
    wire: Wire,
    /// The full address stanzas to this party go to.
    pub address: String,
    /// The content namespace of its stream.
    pub namespace: &'static str,
}

impl Party {
    /// Logs [`USER`] in on a server's client port, in clear, and makes it available.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn user(server: SocketAddr, domain: &str) -> Result<Self> {
        let header = client_header(domain);
        let mut wire = Wire::connect(server)?;
        wire.open(&header)?;
        wire.expect("features")?;
        wire.send(&format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{PLAIN}</auth>"
        ))?;
        wire.expect("success")?;
        wire.open(&header)?;
        wire.expect("features")?;
        wire.send(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>balcony</resource></bind></iq><presence/>",
        )?;
        let bound = wire.expect("iq")?;
        let address = bound.child("bind").and_then(|bind| bind.child("jid"));
        let address = address.context("no address was bound")?.text.clone();
        ensure!(address.starts_with(USER), "bound as {address:?}");
        Ok(Party { wire, address, namespace: "jabber:client" })
    }

    /// Makes the account [`USER`] by in-band registration (XEP-0077 §3.1).
    ///
    /// # Errors
    /// When the server refuses.
    pub fn register(server: SocketAddr, domain: &str) -> Result<()> {
        let mut wire = Wire::connect(server)?;
        wire.open(&client_header(domain))?;
        wire.expect("features")?;
        wire.send(&format!(
            "<iq type='set' id='register' to='{domain}'><query xmlns='jabber:iq:register'>\
             <username>{USER}</username><password>{PASSWORD}</password></query></iq>"
        ))?;
        let answer = wire.expect("iq")?;
        ensure!(answer.attribute("type") == "result", "not registered: {answer:?}");
        Ok(())
    }

    /// Attaches a component (XEP-0114 §3) as `domain`; its stanzas come from `orchard@domain/gate`.
    ///
    /// # Errors
    /// When the router refuses.
    pub fn component(router: SocketAddr, domain: &str, secret: &str) -> Result<Self> {
        let mut wire = Wire::connect(router)?;
        let header = wire.open(&format!(
            "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
             xmlns='jabber:component:accept' to='{domain}'>"
        ))?;
        let id = header.attribute("id");
        ensure!(!id.is_empty(), "the router's header has no id: {header:?}");
        let proof =
            digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{id}{secret}").as_bytes());
        let proof: String = proof.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        wire.send(&format!("<handshake>{proof}</handshake>"))?;
        wire.expect("handshake")?;
        let address = format!("orchard@{domain}/gate");
        Ok(Party { wire, address, namespace: "jabber:component:accept" })
    }

    /// Closes the stream and the connection.
    ///
    /// # Errors
    /// When the stream is gone already.
    pub fn leave(mut self) -> Result<()> {
        self.send("</stream:stream>")
    }

    /// Sends a stanza as written.
    ///
    /// # Errors
    /// When the stream is gone.
    pub fn send(&mut self, stanza: &str) -> Result<()> {
        self.wire.send(stanza)
    }

    /// The next stanza of this name that comes from `sender`; others from other senders (a server's own presence, say) are skipped.
    ///
    /// # Errors
    /// When the next stanza from `sender` is another one, is a bounce, or none comes.
    pub fn receive(&mut self, name: &str, sender: &str) -> Result<Element> {
        loop {
            let stanza = self
                .wire
                .next_element()
                .with_context(|| format!("{} waits for <{name}/> from {sender}", self.address))?;
            if stanza.attribute("from") != sender {
                continue;
            }
            if stanza.name != name || stanza.attribute("type") == "error" {
                bail!("{} expected <{name}/>, got {stanza:?}", self.address);
            }
            ensure!(stanza.attribute("to") == self.address, "misdelivered: {stanza:?}");
            // A stanza left in the server's namespace reads as an unknown element to a client or component.
            ensure!(stanza.namespace == self.namespace, "wrong content namespace: {stanza:?}");
            return Ok(stanza);
        }
    }

    /// The next stanza, whatever it is.
    ///
    /// # Errors
    /// When none comes.
    pub fn receive_any(&mut self) -> Result<Element> {
        self.wire.next_element()
    }

    /// The error that comes back from `target`; what others send is skipped.
    ///
    /// # Errors
    /// When `target` sends something else, or nothing comes.
    pub fn receive_bounce(&mut self, target: &str) -> Result<Element> {
        loop {
            let stanza = self
                .wire
                .next_element()
                .with_context(|| format!("{} waits for a bounce from {target}", self.address))?;
            if stanza.attribute("from") != target {
                continue;
            }
            ensure!(stanza.attribute("type") == "error", "no bounce: {stanza:?}");
            return Ok(stanza);
        }
    }
}

fn client_header(domain: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns='jabber:client' to='{domain}' version='1.0'>"
    )
}
