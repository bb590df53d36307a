//! A component written with slixmpp, attached to the router, talks to a user on a real Prosody: what a new user would try first.

use std::process::Command;

use anyhow::ensure;
use peerage_tests::exchange::{body, send_message};
use peerage_tests::matrix;
use peerage_tests::stage::{
    COMPONENT_DOMAIN, COMPONENT_PORT, COMPONENT_SECRET, PEER_DOMAIN, ROUTER_ADDRESS,
};
use peerage_tests::{
    Certificate, Peer, Proof, Record, Router, Rung, Software, Stage, Transport, namespace,
};
use s2s_testkit::process::Process;

/// Debian's, which sees Debian's `python3-slixmpp`.
const PYTHON: &str = "/usr/bin/python3";

#[test]
#[ignore = "interop: needs root, a network namespace, Prosody, dnsmasq and slixmpp; see cargo xtask test"]
fn slixmpp_component_talks_to_a_prosody_user_at_rung_trusted() {
    namespace::recorded(matrix::SLIXMPP_TEST, walk_through);
}

fn walk_through(stage: &Stage) -> anyhow::Result<Record> {
    stage.publish(Transport::StartTls)?;
    let folder = stage.folder("peer-certificate")?;
    let identity = stage.authority().identity(Certificate::ServerAuth, PEER_DOMAIN, &folder)?;
    let peer = Peer::start(stage, Software::Prosody, Rung::Trusted, identity.as_ref())?;
    let router = Router::start(stage, Rung::Trusted, Certificate::ServerAuth)?;
    let mut user = peer.user()?;
    let echo = format!("echo@{COMPONENT_DOMAIN}");
    let _component = start_component(stage, &user.address)?;

    // The component speaks first: no link exists yet, in either direction.
    let greeting = user.receive("message", &echo)?;
    ensure!(body(&greeting)? == "Good morrow");

    send_message(&mut user, &echo, "w1", "Wherefore art thou <Romeo>? ☃")?;
    let answer = user.receive("message", &echo)?;
    ensure!(body(&answer)? == "Wherefore art thou <Romeo>? ☃");
    ensure!(user.address.ends_with(&format!("{PEER_DOMAIN}/balcony")));
    let seen = peer.check_rung(Rung::Trusted, Proof::External, COMPONENT_DOMAIN)?;
    let version = peer.version()?;
    router.stop()?;
    Ok(Record::passed(version, seen))
}

fn start_component(stage: &Stage, greeted: &str) -> anyhow::Result<Process> {
    let log = stage.folder("slixmpp")?.join("echo.log");
    stage.watch_log("slixmpp", &log);
    let mut command = Command::new(PYTHON);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/slixmpp/echo.py"));
    command.args([COMPONENT_DOMAIN, COMPONENT_SECRET, &ROUTER_ADDRESS.to_string()]);
    command.args([&COMPONENT_PORT.to_string(), greeted]);
    Process::start("slixmpp", command, &log, &[])
}
