use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::op::Query;

use super::*;

fn start(zone: Zone) -> ZoneServer {
    ZoneServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), zone).unwrap()
}

fn query(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    message.add_query(Query::query(name, kind));
    message.to_vec().unwrap()
}

fn ask(server: &ZoneServer, name: &str, kind: RecordType) -> Message {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.send_to(&query(name, kind), server.address()).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

fn ask_tcp(server: &ZoneServer, name: &str, kind: RecordType) -> Message {
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let query = query(name, kind);
    stream.write_all(&u16::try_from(query.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&query).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    Message::from_vec(&reply).unwrap()
}

fn srv(message: &Message) -> Vec<(u16, String)> {
    let data = message.answers.iter().map(|record| &record.data);
    data.map(|data| match data {
        RData::SRV(srv) => (srv.port, srv.target.to_ascii()),
        other => panic!("not an SRV record: {other:?}"),
    })
    .collect()
}

#[test]
fn a_server_is_found_by_srv_and_address() {
    let mut zone = Zone::new();
    zone.add_server("capulet.example", Service::StartTls, "127.1.2.3:5269".parse().unwrap())
        .unwrap();
    zone.add_server("montague.example", Service::DirectTls, "[::1]:5270".parse().unwrap()).unwrap();
    let server = start(zone);

    let answer = ask(&server, "_xmpp-server._tcp.Capulet.Example", RecordType::SRV);
    assert_eq!(srv(&answer), [(5269, "xmpp.capulet.example.".to_owned())]);
    let answer = ask(&server, "_xmpps-server._tcp.montague.example", RecordType::SRV);
    assert_eq!(srv(&answer), [(5270, "xmpp.montague.example.".to_owned())]);
    let answer = ask(&server, "xmpp.capulet.example", RecordType::A);
    assert_eq!(answer.answers[0].data, RData::A(A(Ipv4Addr::new(127, 1, 2, 3))));
    let answer = ask(&server, "xmpp.montague.example", RecordType::AAAA);
    assert_eq!(answer.answers[0].data, RData::AAAA(AAAA(Ipv6Addr::LOCALHOST)));
    assert_eq!(server.queries(), 4);
}

#[test]
fn missing_names_and_missing_types_are_told_apart() {
    let mut zone = Zone::new();
    zone.add_server("capulet.example", Service::StartTls, "127.0.0.1:5269".parse().unwrap())
        .unwrap();
    zone.fail("verona.example");
    let server = start(zone);

    let no_name = ask(&server, "_xmpp-server._tcp.nobody.example", RecordType::SRV);
    assert_eq!(no_name.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(no_name.authorities.len(), 1);
    // The name above the SRV owner exists; it has no address.
    let no_type = ask(&server, "capulet.example", RecordType::A);
    assert_eq!(no_type.metadata.response_code, ResponseCode::NoError);
    assert!(no_type.answers.is_empty());
    assert_eq!(no_type.authorities.len(), 1);
    let failing = ask(&server, "_xmpp-server._tcp.verona.example", RecordType::SRV);
    assert_eq!(failing.metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn a_service_that_is_not_offered_has_the_root_as_target() {
    let mut zone = Zone::new();
    zone.add_srv("capulet.example", Service::DirectTls, &SrvTarget::not_offered()).unwrap();
    let server = start(zone);
    assert_eq!(
        srv(&ask(&server, "_xmpps-server._tcp.capulet.example", RecordType::SRV)),
        [(0, ".".to_owned())]
    );
}

#[test]
fn a_change_is_seen_by_the_next_query() {
    let server = start(Zone::new());
    let name = "_xmpp-server._tcp.capulet.example";
    assert_eq!(ask(&server, name, RecordType::SRV).metadata.response_code, ResponseCode::NXDomain);
    server.change(|zone| {
        zone.add_server("capulet.example", Service::StartTls, "127.0.0.1:5269".parse().unwrap())
            .unwrap();
    });
    assert_eq!(srv(&ask(&server, name, RecordType::SRV)).len(), 1);
    server.change(|zone| zone.remove("capulet.example"));
    assert_eq!(ask(&server, name, RecordType::SRV).metadata.response_code, ResponseCode::NXDomain);
}

#[test]
fn an_answer_too_long_for_udp_is_truncated_and_whole_over_tcp() {
    let mut zone = Zone::new();
    for host in 0..40 {
        let target = SrvTarget::new(&format!("host-{host}.capulet.example"), 5269);
        zone.add_srv("capulet.example", Service::StartTls, &target).unwrap();
    }
    let server = start(zone);
    let name = "_xmpp-server._tcp.capulet.example";
    let short = ask(&server, name, RecordType::SRV);
    assert!(short.metadata.truncation);
    let whole = ask_tcp(&server, name, RecordType::SRV);
    assert!(!whole.metadata.truncation);
    assert_eq!(whole.answers.len(), 40);
}

#[test]
fn thousands_of_domains_are_answered() {
    let mut zone = Zone::new();
    for domain in 0..5000 {
        zone.add_server(
            &format!("d{domain}.example"),
            Service::StartTls,
            "127.0.0.1:5269".parse().unwrap(),
        )
        .unwrap();
    }
    let server = start(zone);
    for domain in [0, 2500, 4999] {
        let answer = ask(&server, &format!("_xmpp-server._tcp.d{domain}.example"), RecordType::SRV);
        assert_eq!(srv(&answer).len(), 1);
    }
}

#[test]
fn other_than_loopback_is_refused() {
    assert!(ZoneServer::start("192.0.2.1:53".parse().unwrap(), Zone::new()).is_err());
}
