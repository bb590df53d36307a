//! Look-ups against a name server of a few lines on loopback.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, SRV};
use tokio::net::UdpSocket;

use super::*;

/// What the name server says about one question.
#[derive(Clone)]
enum Says {
    Records(u32, Vec<RData>),
    Code(ResponseCode),
    Nothing,
}

/// Questions that are not listed get NOERROR without records.
struct Zone(HashMap<(String, RecordType), Says>);

impl Zone {
    fn new() -> Self {
        Zone(HashMap::new())
    }

    fn with(mut self, name: &str, kind: RecordType, says: Says) -> Self {
        self.0.insert((name.to_owned(), kind), says);
        self
    }

    fn srv(self, service: &str, records: &[(u16, u16, u16, &str)]) -> Self {
        let records = records.iter().map(|(priority, weight, port, target)| {
            RData::SRV(SRV::new(*priority, *weight, *port, Name::from_ascii(target).unwrap()))
        });
        let name = format!("{service}._tcp.capulet.example.");
        self.with(&name, RecordType::SRV, Says::Records(600, records.collect()))
    }

    fn a(self, name: &str, address: [u8; 4]) -> Self {
        let record = RData::A(A(Ipv4Addr::from(address)));
        self.with(name, RecordType::A, Says::Records(900, vec![record]))
    }

    /// Serves until the test ends; the resolver asks it with short deadlines.
    async fn lookup(self) -> RemoteLookup {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                if let Some(answer) = self.answer(&buffer[..length]) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        let dns = Dns { servers: vec![address], timeout_secs: 1, attempts: 1, lookups_max: 1 };
        RemoteLookup::new(&dns).unwrap()
    }

    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).unwrap();
        let query = question.queries[0].clone();
        let key = (query.name().to_ascii().to_ascii_lowercase(), query.query_type());
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.add_query(query.clone());
        match self.0.get(&key) {
            None => {}
            Some(Says::Nothing) => return None,
            Some(Says::Code(code)) => answer.metadata.response_code = *code,
            Some(Says::Records(ttl, records)) => {
                for data in records {
                    answer.add_answer(Record::from_rdata(query.name().clone(), *ttl, data.clone()));
                }
            }
        }
        Some(answer.to_vec().unwrap())
    }
}

async fn discover(zone: Zone) -> Result<Discovery, DnsFailure> {
    zone.lookup().await.discover(&Domain::parse("capulet.example").unwrap()).await
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Srv {
    Srv { priority, weight, port, target: target.to_owned() }
}

#[tokio::test]
async fn both_services_and_their_hosts_are_found() {
    let zone = Zone::new()
        .srv("_xmpps-server", &[(5, 10, 5270, "X1.capulet.example.")])
        .srv(
            "_xmpp-server",
            &[(10, 0, 5269, "x2.capulet.example."), (5, 1, 5269, "x1.capulet.example.")],
        )
        .a("x1.capulet.example.", [192, 0, 2, 1])
        .with(
            "x1.capulet.example.",
            RecordType::AAAA,
            Says::Records(60, vec![RData::AAAA(AAAA("2001:db8::1".parse().unwrap()))]),
        )
        .a("x2.capulet.example.", [192, 0, 2, 2]);
    let found = discover(zone).await.unwrap();
    assert_eq!(found.xmpps, SrvAnswer::Records(vec![srv(5, 10, 5270, "x1.capulet.example")]));
    assert_eq!(
        found.xmpp,
        SrvAnswer::Records(vec![
            srv(10, 0, 5269, "x2.capulet.example"),
            srv(5, 1, 5269, "x1.capulet.example"),
        ])
    );
    assert_eq!(
        found.hosts,
        [
            HostAddresses {
                name: "x1.capulet.example".into(),
                addresses: vec!["2001:db8::1".parse().unwrap(), [192, 0, 2, 1].into()],
            },
            HostAddresses {
                name: "x2.capulet.example".into(),
                addresses: vec![[192, 0, 2, 2].into()]
            },
        ]
    );
    assert!(found.fallback.is_empty());
    assert_eq!(found.ttl_secs, 60);
    assert!(!found.dnssec);
}

#[tokio::test]
async fn only_the_answer_no_records_opens_the_fallback() {
    let found = discover(Zone::new().a("capulet.example.", [192, 0, 2, 1])).await.unwrap();
    assert_eq!((found.xmpps, found.xmpp), (SrvAnswer::NoRecords, SrvAnswer::NoRecords));
    assert_eq!(found.fallback, [IpAddr::from([192, 0, 2, 1])]);

    // NXDOMAIN of the service name says the same: it is not there.
    let zone = Zone::new()
        .with(
            "_xmpp-server._tcp.capulet.example.",
            RecordType::SRV,
            Says::Code(ResponseCode::NXDomain),
        )
        .a("capulet.example.", [192, 0, 2, 1]);
    assert_eq!(discover(zone).await.unwrap().fallback, [IpAddr::from([192, 0, 2, 1])]);
}

#[tokio::test]
async fn servfail_refused_and_silence_are_temporary_never_no_records() {
    for says in [
        Says::Code(ResponseCode::ServFail),
        Says::Code(ResponseCode::Refused),
        Says::Code(ResponseCode::NotImp),
        Says::Nothing,
    ] {
        for service in ["_xmpps-server", "_xmpp-server"] {
            let name = format!("{service}._tcp.capulet.example.");
            let zone = Zone::new()
                .with(&name, RecordType::SRV, says.clone())
                .a("capulet.example.", [192, 0, 2, 1]);
            assert_eq!(discover(zone).await, Err(DnsFailure::Temporary), "{service}");
        }
    }
}

#[tokio::test]
async fn a_failing_service_does_not_hide_the_records_of_the_other() {
    let zone = Zone::new()
        .with(
            "_xmpps-server._tcp.capulet.example.",
            RecordType::SRV,
            Says::Code(ResponseCode::ServFail),
        )
        .srv("_xmpp-server", &[(0, 0, 5269, "x.capulet.example.")])
        .a("x.capulet.example.", [192, 0, 2, 1])
        .a("capulet.example.", [192, 0, 2, 9]);
    let found = discover(zone).await.unwrap();
    assert_eq!(found.hosts.len(), 1);
    assert!(found.fallback.is_empty());
    assert_eq!(found.ttl_secs, 30, "asked again soon");
}

#[tokio::test]
async fn a_domain_that_does_not_exist_is_said_so() {
    let mut zone = Zone::new();
    for kind in [RecordType::A, RecordType::AAAA] {
        zone = zone.with("capulet.example.", kind, Says::Code(ResponseCode::NXDomain));
    }
    assert_eq!(discover(zone).await, Err(DnsFailure::NoSuchDomain));
    // It exists, but has no address.
    let found = discover(Zone::new()).await.unwrap();
    assert!(found.fallback.is_empty());
}

#[tokio::test]
async fn a_dot_alone_is_not_offered_and_shuts_the_fallback() {
    let zone =
        Zone::new().srv("_xmpp-server", &[(0, 0, 0, ".")]).a("capulet.example.", [192, 0, 2, 1]);
    let found = discover(zone).await.unwrap();
    assert_eq!(found.xmpp, SrvAnswer::NotOffered);
    assert!(found.fallback.is_empty());

    // Direct TLS is not offered, STARTTLS is.
    let zone = Zone::new()
        .srv("_xmpps-server", &[(0, 0, 0, ".")])
        .srv("_xmpp-server", &[(0, 0, 5269, "x.capulet.example.")])
        .a("x.capulet.example.", [192, 0, 2, 1]);
    let found = discover(zone).await.unwrap();
    assert_eq!(found.xmpps, SrvAnswer::NotOffered);
    assert_eq!(found.hosts.len(), 1);
}

#[tokio::test]
async fn hosts_that_fail_are_temporary_only_when_none_is_left() {
    let zone = || {
        Zone::new()
            .srv(
                "_xmpp-server",
                &[(0, 0, 5269, "x.capulet.example."), (1, 0, 5269, "y.capulet.example.")],
            )
            .with("x.capulet.example.", RecordType::A, Says::Code(ResponseCode::ServFail))
    };
    let found = discover(zone().a("y.capulet.example.", [192, 0, 2, 2])).await.unwrap();
    assert_eq!(found.hosts.len(), 1);
    assert_eq!(found.ttl_secs, 30);
    assert_eq!(discover(zone()).await, Err(DnsFailure::Temporary));
}

#[tokio::test]
async fn an_alias_is_followed() {
    let target = Name::from_ascii("x.capulet.example.").unwrap();
    let zone = Zone::new()
        .with(
            "capulet.example.",
            RecordType::A,
            Says::Records(600, vec![RData::CNAME(CNAME(target))]),
        )
        .a("x.capulet.example.", [192, 0, 2, 1]);
    assert_eq!(discover(zone).await.unwrap().fallback, [IpAddr::from([192, 0, 2, 1])]);
}

#[tokio::test]
async fn an_address_literal_asks_nobody() {
    let lookup = Zone::new().lookup().await;
    for (domain, address) in [("192.0.2.1", "192.0.2.1"), ("[2001:db8::1]", "2001:db8::1")] {
        let found = lookup.discover(&Domain::parse(domain).unwrap()).await.unwrap();
        assert_eq!(found.fallback, [address.parse::<IpAddr>().unwrap()]);
    }
}

#[test]
fn a_ttl_is_neither_forever_nor_nothing() {
    let ttl = |ttl_secs| {
        let none = || Answer::NoRecords { no_such_name: false, ttl_secs };
        let (services, ttl_secs) = Services::new(none(), none()).unwrap();
        services.into_discovery(Vec::new(), Vec::new(), ttl_secs).ttl_secs
    };
    assert_eq!(ttl(0), 30);
    assert_eq!(ttl(400), 400);
    assert_eq!(ttl(1_000_000), 3_600);
}
