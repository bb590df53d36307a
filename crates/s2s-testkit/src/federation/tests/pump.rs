//! Remotes whose stanzas go through a byte pump: TLS in, TLS out, the bytes as they are, or nearly.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

const SENDERS: usize = 4;

/// What a pump does to the bytes on the way to the receiver.
type Fault = fn(&mut [u8]);

/// Passes what arrives on to `to`, in a certificate of its own.
async fn pump(to: SocketAddr, fault: Fault) -> SocketAddr {
    let own = DomainTls::new(&self_signed(CertSpec::for_dns(&["pump.example"])).into()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, connector) = (
                TlsAcceptor::from(Arc::clone(&own.direct_server)),
                TlsConnector::from(Arc::clone(&own.direct_client)),
            );
            spawn_local(async move {
                let one = acceptor.accept(stream).await.unwrap();
                let name = ServerName::try_from("sink.verona.example").unwrap();
                let other = TcpStream::connect(to).await.unwrap();
                let other = connector.connect(name, other).await.unwrap();
                let (mut from_sender, mut to_sender) = tokio::io::split(one);
                let (mut from_receiver, mut to_receiver) = tokio::io::split(other);
                let forth = async {
                    let mut bytes = Vec::with_capacity(1 << 16);
                    while from_sender.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
                        fault(&mut bytes);
                        to_receiver.write_all(&bytes).await.unwrap();
                        to_receiver.flush().await.unwrap();
                        bytes.clear();
                    }
                };
                // Ends with the connection, however that ends.
                tokio::select! {
                    () = forth => {}
                    _ = tokio::io::copy(&mut from_receiver, &mut to_sender) => {}
                }
            });
        }
    });
    address
}

fn faithful(_: &mut [u8]) {}

/// Gives a word of a body a capital, which leaves the XML as good as it was.
fn capital(bytes: &mut [u8]) {
    if let Some(at) = memchr::memmem::find(bytes, b"dignity") {
        bytes[at] = b'D';
    }
}

async fn start(fixture: &Fixture, fault: Fault) -> (Federation, Vec<u32>) {
    let listen = fixture.place(0);
    let address = pump(listen, fault).await;
    let wildcard: Credentials =
        fixture.authority.issue(CertSpec::for_dns(&["*.verona.example"])).into();
    let names = (0..SENDERS).map(|number| format!("d{number}.verona.example"));
    let remotes = names.clone().chain(["sink.verona.example".to_owned()]).map(|domain| {
        let mut remote = RemotePlan::new(&domain, Behaviour::Pumped, listen);
        remote.credentials = Some(wildcard.clone());
        remote
    });
    let router = RouterAddress { starttls: address, direct_tls: Some(address) };
    let remotes = remotes.collect();
    let mut federation =
        Federation::start(FederationPlan { remotes, router, roots: Vec::new(), seed: 1597 })
            .unwrap();
    let flows = names
        .map(|name| {
            federation
                .add_flow(&format!("u@{name}"), "u@sink.verona.example", Course::OneWay, 200)
                .unwrap()
        })
        .collect();
    assert_eq!(federation.open().await, 0, "{:?}", federation.census().failures());
    (federation, flows)
}

#[test]
fn what_goes_through_a_pump_arrives_once_and_in_order() {
    run(async {
        for stanzas in [1, 64] {
            let (federation, flows) = start(&Fixture::new(), faithful).await;
            federation.limit_writes(NonZeroU32::new(stanzas).unwrap());
            let work =
                Work { pace: Pace::Window(512), duration: Duration::from_millis(200), ..QUICK };
            let outcome = federation.run(&flows, work).await;
            assert!(outcome.tally.faults().is_empty(), "{:?}", outcome.tally);
            assert!(outcome.tally.delivered > 500, "{:?}", outcome.tally);
            assert_eq!(outcome.tally.delivered % u64::from(stanzas), 0);
            let counts = federation.counts();
            let all = Handshakes { full: SENDERS as u64, resumed: 0 };
            assert_eq!((counts.inbound, counts.outbound), (all, all));
            assert_eq!(counts.bytes_in, counts.bytes_out);
            assert!(federation.census().failures().is_empty(), "{:?}", federation.census());
            federation.close().await;
        }
    });
}

#[test]
fn what_a_pump_alters_is_found_out() {
    run(async {
        let (federation, flows) = start(&Fixture::new(), capital).await;
        let work = Work { patience: Duration::from_millis(300), ..QUICK };
        let outcome = federation.run(&flows, work).await;
        let tally = outcome.tally;
        assert!(tally.corrupted > 0 && tally.outstanding() == tally.corrupted, "{tally:?}");
        assert_eq!(tally.sent, 1000);
    });
}

#[test]
fn without_the_address_of_a_pump_none_is_to_be_used() {
    run(async {
        let fixture = Fixture::new();
        let router = fixture.nowhere();
        let mut remote = RemotePlan::new("d0.verona.example", Behaviour::Pumped, fixture.place(0));
        remote.credentials = Some(self_signed(CertSpec::for_dns(&["d0.verona.example"])).into());
        let plan = FederationPlan { remotes: vec![remote], router, roots: Vec::new(), seed: 1 };
        let error = Federation::start(plan).unwrap_err().to_string();
        assert_eq!(error, "d0.verona.example needs the address of a pump, for direct TLS");
    });
}
