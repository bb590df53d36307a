//! A router that loses, repeats, swaps, alters or invents stanzas is found out. It plays the component side of a server: what the
//! component sends to itself comes back, with one fault.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use xmpp_frame::{Framer, Item, Limits};

use super::*;

/// What the fake does to a batch of stanzas.
type Fault = fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>;

const STANZAS: usize = 200;

async fn fake_router(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn_local(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut framer = Framer::new(Limits::AUTHENTICATED);
        let mut held = Vec::new();
        loop {
            while let Some(item) = framer.next().unwrap() {
                match item {
                    Item::Header(_) => {
                        let header = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
                            xmlns='jabber:component:accept' from='echo.example' id='3BF96D32'>";
                        stream.write_all(header.as_bytes()).await.unwrap();
                    }
                    Item::Element(frame) if frame.name() == "handshake" => {
                        stream.write_all(b"<handshake/>").await.unwrap();
                    }
                    Item::Element(frame) => held.push(frame.bytes().to_vec()),
                    Item::Close => return,
                }
            }
            // The fault needs all stanzas side by side.
            if held.len() == STANZAS {
                let back = fault(std::mem::take(&mut held)).concat();
                stream.write_all(&back).await.unwrap();
            }
            if stream.read_buf(framer.buffer()).await.unwrap() == 0 {
                return;
            }
        }
    });
    address
}

async fn tally(fault: Fault) -> Tally {
    let router = RouterAddress { starttls: place(0, PORTS), direct_tls: None };
    let plan = FederationPlan { remotes: Vec::new(), router, roots: Vec::new(), seed: 1 };
    let mut federation = Federation::start(plan).unwrap();
    let component = ComponentPlan {
        domain: "echo.example".to_owned(),
        address: fake_router(fault).await,
        secret: "secret".to_owned(),
    };
    federation.attach(&component).await.unwrap();
    let flow = federation
        .add_flow("romeo@echo.example", "juliet@echo.example", Course::OneWay, 200)
        .unwrap();
    let work = Work {
        pace: Pace::Rate(STANZAS as f64 * 5.0),
        duration: Duration::from_millis(200),
        patience: Duration::from_millis(300),
    };
    federation.run(&[flow], work).await.tally
}

fn faults(fault: Fault) -> Vec<String> {
    run(tally(fault)).faults()
}

#[test]
fn a_faithful_router_is_clean() {
    let tally = run(tally(|stanzas| stanzas));
    assert_eq!(tally, Tally { sent: 200, delivered: 200, ..Tally::default() });
}

#[test]
fn a_router_that_loses_is_found_out() {
    let lossy = |mut stanzas: Vec<Vec<u8>>| {
        stanzas.drain(10..13);
        stanzas
    };
    assert_eq!(faults(lossy), ["3 lost"]);
}

#[test]
fn a_router_that_repeats_is_found_out() {
    let repeating = |mut stanzas: Vec<Vec<u8>>| {
        stanzas.push(stanzas[10].clone());
        stanzas
    };
    assert_eq!(faults(repeating), ["1 duplicated"]);
}

#[test]
fn a_router_that_reorders_is_found_out() {
    let swapping = |mut stanzas: Vec<Vec<u8>>| {
        stanzas.swap(20, 21);
        stanzas
    };
    assert_eq!(faults(swapping), ["1 out of order"]);
}

#[test]
fn a_router_that_alters_a_body_is_found_out() {
    let altering = |mut stanzas: Vec<Vec<u8>>| {
        let at = stanzas[5].len() - 30;
        stanzas[5][at] = b'#';
        stanzas
    };
    assert_eq!(faults(altering), ["1 lost", "1 corrupted or misaddressed"]);
}

#[test]
fn a_router_that_delivers_to_somebody_else_is_found_out() {
    let misrouting = |mut stanzas: Vec<Vec<u8>>| {
        let text = String::from_utf8(stanzas[5].clone()).unwrap();
        stanzas[5] = text.replace("juliet@", "tybalt@").into_bytes();
        stanzas
    };
    assert_eq!(faults(misrouting), ["1 lost", "1 corrupted or misaddressed"]);
}

#[test]
fn a_router_that_invents_is_found_out() {
    let inventing = |mut stanzas: Vec<Vec<u8>>| {
        let text = String::from_utf8(stanzas[5].clone()).unwrap();
        stanzas.push(text.replace("id='pg-00000000-", "id='pg-00000009-").into_bytes());
        stanzas.push(text.replace("id='pg-", "id='xx-").into_bytes());
        stanzas
    };
    assert_eq!(faults(inventing), ["2 never sent, but received"]);
}

#[test]
fn a_bounce_is_counted_by_its_condition() {
    let bouncing = |mut stanzas: Vec<Vec<u8>>| {
        let text = String::from_utf8(stanzas[5].clone()).unwrap();
        let id = text.split('\'').nth(5).unwrap();
        let error = "<error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
        stanzas[5] = format!(
            "<message from='juliet@echo.example' to='romeo@echo.example' id='{id}' type='error'>{error}</message>"
        )
        .into_bytes();
        stanzas
    };
    let tally = run(tally(bouncing));
    assert_eq!(tally, Tally { sent: 200, delivered: 199, bounced: 1, ..Tally::default() });
}
