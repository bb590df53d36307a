//! A scripted server: says what no packaged one can be made to say, and keeps what it hears as it was written.

use std::net::{SocketAddr, SocketAddrV4, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::{Context as _, Result};

use crate::certificates::Identity;
use crate::stage::{COMPONENT_DOMAIN, PEER_ADDRESS, PEER_DOMAIN, ROUTER_ADDRESS, S2S_PORT};
use crate::tls;
use crate::wire::{READ_TIMEOUT, Wire};

/// Where the authoritative server without TLS listens.
pub const PLAIN_AUTHORITY: SocketAddrV4 = SocketAddrV4::new(PEER_ADDRESS, 5271);

const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>";
const DIALBACK: &str = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";

/// Opens a stream to the router under test, from [`PEER_DOMAIN`] to `target`.
///
/// # Errors
/// When the router does not answer by a header.
pub fn open(target: &str) -> Result<Wire> {
    let mut wire = Wire::connect((ROUTER_ADDRESS, S2S_PORT).into())?;
    wire.open(&header(target, None))?;
    Ok(wire)
}

/// Goes on under TLS: STARTTLS, handshake, new stream. The features of the new stream are still to be read.
///
/// # Errors
/// When the router does not want TLS.
pub fn secure(mut wire: Wire, identity: &Identity) -> Result<Wire> {
    wire.expect("features")?;
    wire.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")?;
    wire.expect("proceed")?;
    let mut wire = tls::connect(wire, COMPONENT_DOMAIN, identity)?;
    wire.open(&header(COMPONENT_DOMAIN, None))?;
    Ok(wire)
}

/// A stream on which [`PEER_DOMAIN`] has proved itself by its certificate (XEP-0178 §3).
///
/// # Errors
/// When the router does not believe it.
pub fn authenticated(identity: &Identity) -> Result<Wire> {
    let mut wire = secure(open(COMPONENT_DOMAIN)?, identity)?;
    wire.expect("features")?;
    wire.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")?;
    wire.expect("success")?;
    wire.open(&header(COMPONENT_DOMAIN, None))?;
    wire.expect("features")?;
    Ok(wire)
}

/// A dialback key of [`PEER_DOMAIN`].
///
/// # Errors
/// When the connection is gone.
pub fn send_key(wire: &mut Wire) -> Result<()> {
    wire.send(&format!(
        "<db:result from='{PEER_DOMAIN}' to='{COMPONENT_DOMAIN}'>0123456789abcdef</db:result>"
    ))
}

/// What the router under test says to a server that has TLS with `identity`, from its second header on.
///
/// # Errors
/// When the router does not want TLS.
pub fn hear_under_tls(mut wire: Wire, identity: &Identity) -> Result<String> {
    wire.receive_header()?;
    wire.send(&(header(COMPONENT_DOMAIN, Some("one")) + &features(&[STARTTLS, DIALBACK])))?;
    wire.expect("starttls")?;
    wire.send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")?;
    let mut wire = tls::accept(wire, identity)?;
    wire.receive_header()?;
    wire.send(&(header(COMPONENT_DOMAIN, Some("two")) + &features(&[DIALBACK])))?;
    wire.rest()
}

/// What the router under test says to a server that has dialback and no TLS, from its header on. Its STARTTLS, which it sends
/// uninvited lest somebody has taken the offer away, is answered as Prosody without mod_tls does it.
///
/// # Errors
/// When the router tries no STARTTLS, or does not end the connection.
pub fn hear_in_clear(mut wire: Wire) -> Result<String> {
    wire.receive_header()?;
    wire.send(&(header(COMPONENT_DOMAIN, Some("one")) + &features(&[DIALBACK])))?;
    let tried = wire.expect_text("starttls")?;
    wire.send(
        "<stream:error><unsupported-stanza-type xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    )?;
    Ok(tried + &wire.rest()?)
}

fn header(to: &str, id: Option<&str>) -> String {
    let id = id.map_or(String::new(), |id| format!(" id='{id}'"));
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns:db='jabber:server:dialback' from='{PEER_DOMAIN}' to='{to}'{id} version='1.0'>"
    )
}

fn features(offered: &[&str]) -> String {
    format!("<stream:features>{}</stream:features>", offered.concat())
}

/// Serves one connection by a script, in a thread of its own.
pub struct Service<T>(Receiver<Result<T>>);

impl<T: Send + 'static> Service<T> {
    /// Listens, then hands the first connection to `script`.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn start(
        address: SocketAddr,
        script: impl FnOnce(Wire) -> Result<T> + Send + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind(address).with_context(|| format!("on {address}"))?;
        let (outcome, outcomes) = channel();
        thread::spawn(move || {
            let served = listener.accept().map_err(Into::into);
            let served = served.and_then(|(stream, _)| Wire::over(stream)).and_then(script);
            // Nobody waits for it any more when the test has failed.
            let _ = outcome.send(served);
        });
        Ok(Service(outcomes))
    }

    /// What the script returned.
    ///
    /// # Errors
    /// What the script failed of, or that nobody came.
    pub fn outcome(self) -> Result<T> {
        self.0.recv_timeout(READ_TIMEOUT).context("the scripted server was not done in time")?
    }
}
