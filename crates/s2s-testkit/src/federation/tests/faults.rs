//! A router that loses, repeats, swaps, alters or invents stanzas is found out. It plays the component side of a server: what the
//! component sends to itself comes back, with one fault.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use xmpp_frame::{Framer, Item, Limits};

use super::*;
use crate::corpus::Traffic;

/// What the fake does to a batch of stanzas.
type Fault = fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>;

const STANZAS: usize = 200;

async fn fake_router(stanzas: usize, fault: Fault) -> SocketAddr {
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
            if held.len() == stanzas {
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
    tally_of(Repertoire::text(200), STANZAS, Duration::from_millis(300), fault).await
}

async fn tally_of(
    repertoire: Repertoire,
    stanzas: usize,
    patience: Duration,
    fault: Fault,
) -> Tally {
    tally_to("juliet@echo.example", repertoire, stanzas, patience, fault).await
}

async fn tally_to(
    juliet: &str,
    repertoire: Repertoire,
    stanzas: usize,
    patience: Duration,
    fault: Fault,
) -> Tally {
    let router = Fixture::new().nowhere();
    let plan = FederationPlan { remotes: Vec::new(), router, roots: Vec::new(), seed: 1 };
    let mut federation = Federation::start(plan).unwrap();
    let component = ComponentPlan {
        domain: "echo.example".to_owned(),
        address: fake_router(stanzas, fault).await,
        secret: "secret".to_owned(),
    };
    federation.attach(&component).await.unwrap();
    let flow = federation
        .add_flow_of("romeo@echo.example", juliet, Course::OneWay, &Rc::new(repertoire))
        .unwrap();
    let work = Work {
        pace: Pace::Rate(stanzas as f64 * 5.0),
        arrivals: Arrivals::Constant,
        popularity: Popularity::Uniform,
        duration: Duration::from_millis(200),
        patience,
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
fn a_faithful_router_of_every_class_is_clean() {
    for traffic in Traffic::ALL {
        let repertoire = Repertoire::of(&[(traffic, 1)], 1).unwrap();
        // Whatever the machine does besides: patience costs nothing where nothing is lost.
        let tally = run(tally_of(repertoire, 50, Duration::from_secs(20), |stanzas| stanzas));
        assert_eq!(tally, Tally { sent: 50, delivered: 50, ..Tally::default() }, "{traffic:?}");
    }
}

/// As jabberd2 2.7 does towards components.
#[test]
fn a_router_that_calls_a_component_a_client_is_clean() {
    let calling = |stanzas: Vec<Vec<u8>>| {
        let client = |stanza| {
            let text = String::from_utf8(stanza).unwrap();
            text.replacen("<message ", "<message xmlns='jabber:client' ", 1).into_bytes()
        };
        stanzas.into_iter().map(client).collect()
    };
    assert_eq!(run(tally(calling)), Tally { sent: 200, delivered: 200, ..Tally::default() });
}

#[test]
fn a_router_that_alters_an_attribute_deep_inside_is_found_out() {
    let altering = |mut stanzas: Vec<Vec<u8>>| {
        let text = String::from_utf8(stanzas[5].clone()).unwrap();
        stanzas[5] = text.replace("class='level99'", "class='level98'").into_bytes();
        stanzas
    };
    let repertoire = Repertoire::of(&[(Traffic::DeepNesting, 1)], 1).unwrap();
    assert_eq!(
        run(tally_of(repertoire, 50, Duration::from_secs(1), altering)).faults(),
        ["1 lost", "1 corrupted or misaddressed"]
    );
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
fn a_router_that_hands_back_what_is_for_another_domain_has_delivered_nothing() {
    let patience = Duration::from_millis(300);
    let text = Repertoire::text(200);
    let tally = run(tally_to("juliet@capulet.example", text, 50, patience, |stanzas| stanzas));
    assert_eq!(tally, Tally { sent: 50, corrupted: 50, ..Tally::default() });
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
