//! A refusal as a scripted peer sees it: the exact XML.

use std::net::SocketAddrV4;

use anyhow::{Context as _, Result, ensure};

use super::{Flaw, WireRow};
use crate::certificates::Identity;
use crate::exchange::send_message;
use crate::matrix::{Certificate, Direction, Transport};
use crate::party::Party;
use crate::record::Record;
use crate::router::Router;
use crate::scripted::{self, PLAIN_AUTHORITY, Service};
use crate::stage::{COMPONENT_DOMAIN, PEER_ADDRESS, PEER_DOMAIN, ROUTER_ADDRESS, S2S_PORT, Stage};
use crate::wire::Wire;

/// Leads to the router under test, which does not host it.
pub(super) const UNKNOWN_DOMAIN: &str = "nobody.capulet.example";

/// Publishes the names as a peer with this flaw needs them.
pub(super) fn publish(stage: &Stage, flaw: Flaw) -> Result<()> {
    let s2s = SocketAddrV4::new(ROUTER_ADDRESS, S2S_PORT);
    match flaw {
        Flaw::PlaintextLeg => stage.publish_elsewhere(PEER_DOMAIN, PLAIN_AUTHORITY),
        Flaw::UnknownDomain => stage.publish_elsewhere(UNKNOWN_DOMAIN, s2s),
        _ => stage.publish(Transport::StartTls),
    }
}

impl WireRow {
    /// Starts Peerage and compares what it says to the peer.
    ///
    /// # Errors
    /// When it says anything else.
    pub fn run(&self, stage: &Stage) -> Result<Record> {
        publish(stage, self.flaw)?;
        let folder = stage.folder("peer-certificate")?;
        let identity = stage.authority().flawed(self.flaw, PEER_DOMAIN, &folder)?;
        let router = Router::start(stage, self.flaw.minimum(), Certificate::ServerAuth)?;
        let mut component = router.component()?;
        let said = match self.direction {
            Direction::In => self.open(identity.as_ref(), &mut component)?,
            Direction::Out => hear(identity, &mut component)?,
        };
        ensure!(said == self.said, "on the wire: {said}");
        component.leave()?;
        router.stop()?;
        Ok(Record::passed(String::new(), vec![format!("`{said}`")]))
    }

    /// The peer opens, and gives what it has to give.
    fn open(&self, identity: Option<&Identity>, component: &mut Party) -> Result<String> {
        let identity = || identity.context("a certificate");
        match self.flaw {
            Flaw::UnknownDomain => scripted::open(UNKNOWN_DOMAIN)?.rest(),
            Flaw::NoTls => {
                let mut wire = scripted::open(COMPONENT_DOMAIN)?;
                wire.expect("features")?;
                scripted::send_key(&mut wire)?;
                wire.rest()
            }
            Flaw::SpoofedFrom => spoof(identity()?, component),
            Flaw::PlaintextLeg => {
                let leg = Service::start(PLAIN_AUTHORITY.into(), scripted::hear_in_clear)?;
                let said = dial_back(identity()?)?;
                let leg = leg.outcome()?;
                ensure!(!leg.contains("<db:verify"), "asked without TLS: {leg}");
                Ok(said)
            }
            _ => dial_back(identity()?),
        }
    }
}

/// TLS, then a dialback key.
fn dial_back(identity: &Identity) -> Result<String> {
    let mut wire = scripted::secure(scripted::open(COMPONENT_DOMAIN)?, identity)?;
    wire.expect("features")?;
    scripted::send_key(&mut wire)?;
    wire.rest()
}

/// The component writes; the scripted server hears how Peerage ends the stream.
fn hear(identity: Option<Identity>, component: &mut Party) -> Result<String> {
    let address = (PEER_ADDRESS, S2S_PORT).into();
    let service = Service::start(address, move |wire| match identity {
        Some(identity) => scripted::hear_under_tls(wire, &identity),
        None => scripted::hear_in_clear(wire),
    })?;
    let target = format!("romeo@{PEER_DOMAIN}/balcony");
    send_message(component, &target, "refused", "Is the law of our side?")?;
    component.receive_bounce(&target)?;
    service.outcome()
}

/// Own stanzas pass before and after; the one from another domain costs the stream and is seen by nobody.
fn spoof(identity: &Identity, component: &mut Party) -> Result<String> {
    let mut wire = scripted::authenticated(identity)?;
    message(&mut wire, PEER_DOMAIN, component)?;
    component.receive("message", &format!("romeo@{PEER_DOMAIN}/balcony"))?;
    message(&mut wire, "verona.example", component)?;
    let said = wire.rest()?;
    let mut wire = scripted::authenticated(identity)?;
    message(&mut wire, PEER_DOMAIN, component)?;
    let next = component.receive_any()?;
    let sender = next.attribute("from");
    ensure!(sender == format!("romeo@{PEER_DOMAIN}/balcony"), "delivered: {next:?}");
    Ok(said)
}

fn message(wire: &mut Wire, domain: &str, component: &Party) -> Result<()> {
    let target = &component.address;
    wire.send(&format!(
        "<message from='romeo@{domain}/balcony' to='{target}'><body>Is the law of our side?</body></message>"
    ))
}

/// The tests of the rows on the wire: `wire_refusals!(peerage_tests::wire_refusal_tests)`.
#[macro_export]
macro_rules! wire_refusal_tests {
    ($($test:ident: $flaw:ident $direction:ident, $said:literal;)*) => {$(
        #[test]
        #[ignore = "interop: needs root, a network namespace and Debian's packages; see cargo xtask test"]
        fn $test() {
            let test = stringify!($test);
            let row = $crate::refusals::wire::ROWS.iter().find(|row| row.test == test).unwrap();
            $crate::namespace::recorded(test, |stage| row.run(stage));
        }
    )*};
}
