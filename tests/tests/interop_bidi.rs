//! Both directions on one connection (XEP-0288), with Prosody 0.12 and its mod_s2s_bidi as the remote server.
//!
//! How many connections there were is read from the router's metrics: the servers' logs name pairs, not connections.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use peerage_tests::router::Choice;
use peerage_tests::stage::PEER_DOMAIN;
use peerage_tests::{
    Certificate, Direction, Router, Rung, Stage, Transport, exchange, namespace, prosody,
};

/// The router's default for `admin.listen`, inside the namespace.
const ADMIN: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 5280);

/// Connections of the harness, which looks whether the port is open.
const PROBES: u64 = 1;

/// Metrics are brought up to date once a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the remote server loads mod_s2s_bidi.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Module {
    Loaded,
    Absent,
}

/// What the metrics must come to.
struct Connections {
    /// From and to the remote server, in this order.
    accepted: u64,
    connected: u64,
    /// Of these, those that both sides use in both directions.
    bidirectional: u64,
}

fn run(
    stage: &Stage,
    rung: Rung,
    direction: Direction,
    module: Module,
    wanted: &Connections,
) -> Result<()> {
    ensure!(Choice::from_environment()? == Choice::Peerage, "only Peerage has these metrics");
    stage.publish(Transport::StartTls)?;
    let certificate = match rung {
        Rung::Verified => Certificate::None,
        Rung::Secure => Certificate::SelfSigned,
        Rung::Trusted => Certificate::ServerAuth,
    };
    let folder = stage.folder("peer-certificate")?;
    let identity = stage.authority().identity(certificate, PEER_DOMAIN, &folder)?;
    let peer = match module {
        Module::Loaded => prosody::Server::start_bidi_peer(stage, rung, identity.as_ref())?,
        Module::Absent => prosody::Server::start_peer(stage, rung, identity.as_ref())?,
    };
    let router = Router::start(stage, rung, certificate)?;
    let (mut user, mut component) = (peer.user()?, router.component()?);
    let (first, second) = match direction {
        Direction::In => (&mut user, &mut component),
        Direction::Out => (&mut component, &mut user),
    };
    exchange::all(first, second)?;
    // And everything once more from the side that has opened nothing.
    exchange::all(second, first).context("the other way round")?;
    let rung = match rung {
        Rung::Verified => "verified",
        Rung::Secure => "secure",
        Rung::Trusted => "trusted",
    };
    settles_at(&[
        ("peerage_accepted_links_total".to_owned(), wanted.accepted + PROBES),
        ("peerage_connected_links_total".to_owned(), wanted.connected),
        ("peerage_bidirectional_links_total".to_owned(), wanted.bidirectional),
        ("peerage_stream_errors_sent_total".to_owned(), 0),
        ("peerage_stream_errors_received_total".to_owned(), 0),
    ])?;
    let metrics = metrics()?;
    for direction in ["in", "out"] {
        let pairs = format!("peerage_pairs{{direction=\"{direction}\",rung=\"{rung}\"}}");
        let pairs = metrics.get(&pairs).with_context(|| format!("no {pairs} in {metrics:?}"))?;
        ensure!(*pairs >= 1, "no pair {direction} at {rung}: {metrics:?}");
    }
    component.leave()?;
    router.stop()
}

/// Waits until the metrics say exactly this.
fn settles_at(wanted: &[(String, u64)]) -> Result<()> {
    let began = Instant::now();
    loop {
        let metrics = metrics()?;
        let got: Vec<_> = wanted.iter().map(|(name, _)| metrics.get(name).copied()).collect();
        if wanted.iter().zip(&got).all(|((_, wanted), got)| *got == Some(*wanted)) {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            bail!("wanted {wanted:?}, got {got:?}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The router's metrics that are whole numbers, by name and labels.
fn metrics() -> Result<HashMap<String, u64>> {
    let mut connection = TcpStream::connect(SocketAddr::from(ADMIN))?;
    connection.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut text = String::new();
    connection.read_to_string(&mut text)?;
    let (_, body) = text.split_once("\r\n\r\n").context("no body")?;
    let numbers = body.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    Ok(numbers.collect())
}

macro_rules! cases {
    ($($test:ident: $rung:ident $direction:ident $module:ident, $accepted:literal $connected:literal $bidirectional:literal;)*) => {$(
        #[test]
        #[ignore = "interop: needs root, a network namespace and Debian's packages; see cargo xtask test"]
        fn $test() {
            let wanted = Connections {
                accepted: $accepted,
                connected: $connected,
                bidirectional: $bidirectional,
            };
            namespace::isolated(stringify!($test), |stage| {
                run(stage, Rung::$rung, Direction::$direction, Module::$module, &wanted)
            });
        }
    )*};
}

cases! {
    one_connection_opened_by_the_peer_carries_both_directions: Trusted In Loaded, 1 0 1;
    one_connection_opened_by_us_carries_both_directions: Trusted Out Loaded, 0 1 1;
    // With dialback a key is verified on another connection than it came on. Ours asks for nothing else; Prosody's asks for its
    // own pair and for both directions too, and both connections stay.
    a_key_of_the_peer_costs_one_connection_more: Secure In Loaded, 1 1 1;
    a_key_of_ours_costs_one_connection_more: Secure Out Loaded, 1 1 2;
    without_the_module_nothing_changes_in: Trusted In Absent, 1 1 0;
    without_the_module_nothing_changes_out: Trusted Out Absent, 1 1 0;
    without_the_module_nothing_changes_secure: Secure In Absent, 1 1 0;
}
