//! Where a remote domain is, and what listens there.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use s2s_route::{Discovery, HostAddresses, Srv, SrvAnswer};
use s2s_trust::Rung;
use socket2::{Domain, Socket, Type};

use super::{THEM, US, Verona, bounce, from, to, untrusted};
use crate::support::peer::{read_some, tls_client_config, tls_server_config};
use crate::support::plane::{At, at};
use crate::support::*;

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Srv {
    Srv { priority, weight, port, target: target.to_owned() }
}

fn host(name: &str, address: SocketAddr) -> HostAddresses {
    HostAddresses { name: name.to_owned(), addresses: vec![address.ip()] }
}

fn starttls(records: Vec<Srv>, hosts: Vec<HostAddresses>) -> Discovery {
    Discovery {
        xmpps: SrvAnswer::NoRecords,
        xmpp: SrvAnswer::Records(records),
        hosts,
        fallback: Vec::new(),
        ttl_secs: 60,
        dnssec: false,
    }
}

/// Nothing listens there.
fn dead() -> SocketAddr {
    listener().local_addr().unwrap()
}

/// A full accept queue: the kernel answers no SYN.
fn black_hole() -> (TcpListener, TcpStream) {
    let hole = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    hole.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    hole.listen(0).unwrap();
    let hole: TcpListener = hole.into();
    let fills_it = TcpStream::connect(hole.local_addr().unwrap()).unwrap();
    (hole, fills_it)
}

#[test]
fn priorities_are_followed_over_dead_and_blackholed_addresses_and_hosts_without_any() {
    let mut setup = Setup::new();
    setup.settings.timeouts.connect_secs = 1;
    let plane = setup.start();
    let mut capulet = component(&plane, US);
    let (hole, _filled) = black_hole();
    let (dead, hole, live) = (dead(), hole.local_addr().unwrap(), listener());
    let alive = live.local_addr().unwrap();
    let records = vec![
        srv(40, 0, alive.port(), "alive."),
        srv(30, 0, hole.port(), "hole."),
        srv(20, 0, dead.port(), "dead"),
        srv(10, 0, alive.port(), "nowhere."),
    ];
    let hosts = vec![host("ALIVE", alive), host("hole", hole), host("dead", dead)];
    plane.records(THEM, starttls(records, hosts));
    let began = Instant::now();
    capulet.send(&to(THEM, "one"));
    assert!(serve(&live, NO_FEATURES, "i").expect("</message>").contains("one"));
    let took = began.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn weights_share_one_priority() {
    let plane = Setup::new().start();
    let mut capulet = component(&plane, US);
    let (heavy, light) = (listener(), listener());
    let (one, two) = (heavy.local_addr().unwrap(), light.local_addr().unwrap());
    let records = vec![srv(5, 0, two.port(), "light"), srv(5, 65_535, one.port(), "heavy")];
    let hosts = vec![host("light", two), host("heavy", one)];
    for n in 0..8 {
        let remote = format!("r{n}.example");
        plane.records(&remote, starttls(records.clone(), hosts.clone()));
        capulet.send(&to(&remote, "in"));
    }
    // All eight but for one chance in 8,000.
    for _ in 0..6 {
        serve(&heavy, NO_FEATURES, "i").expect("</message>");
    }
}

#[test]
fn a_dot_is_a_refusal_and_records_without_addresses_are_no_reason_to_guess() {
    let plane = Setup::new().start();
    let mut capulet = component(&plane, US);
    let live = listener();
    let alive = live.local_addr().unwrap();
    let nothing = |xmpps, xmpp| Discovery { xmpps, xmpp, ..starttls(Vec::new(), Vec::new()) };
    let no_address = starttls(vec![srv(0, 0, 5269, "nowhere.example")], Vec::new());
    for (remote, discovery) in [
        ("dot.example", nothing(SrvAnswer::NoRecords, SrvAnswer::NotOffered)),
        ("dots.example", nothing(SrvAnswer::NotOffered, SrvAnswer::NotOffered)),
        ("root.example", starttls(vec![srv(0, 0, 5269, ".")], Vec::new())),
        // The domain itself has an address; that counts only where SRV gave no answer.
        ("gone.example", Discovery { fallback: vec![alive.ip()], ..no_address }),
    ] {
        plane.records(remote, discovery);
        capulet.send(&to(remote, remote));
        assert_eq!(bounce(&mut capulet, remote), "cancel remote-server-not-found");
    }
    // No direct TLS is no refusal of STARTTLS.
    let records = starttls(vec![srv(0, 0, alive.port(), "h")], vec![host("h", alive)]);
    plane.records(THEM, Discovery { xmpps: SrvAnswer::NotOffered, ..records });
    capulet.send(&to(THEM, "one"));
    assert!(serve(&live, NO_FEATURES, "i").expect("</message>").contains("one"));
}

#[test]
fn a_dead_ipv6_address_is_followed_by_the_ipv4_address_of_the_same_host() {
    let mut setup = Setup::new();
    setup.settings.allow_private.push("::1/128".parse().unwrap());
    let plane = setup.start();
    let mut capulet = component(&plane, US);
    let live = listener();
    let alive = live.local_addr().unwrap();
    let both = HostAddresses {
        name: "h".to_owned(),
        addresses: vec![Ipv6Addr::LOCALHOST.into(), alive.ip()],
    };
    plane.records(THEM, starttls(vec![srv(0, 0, alive.port(), "h")], vec![both]));
    let began = Instant::now();
    capulet.send(&to(THEM, "one"));
    assert!(serve(&live, NO_FEATURES, "i").expect("</message>").contains("one"));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn addresses_that_are_all_dead_or_blackholed_bounce_what_waits() {
    let mut setup = Setup::new();
    setup.settings.timeouts.connect_secs = 1;
    let plane = setup.start();
    let mut capulet = component(&plane, US);
    let (hole, _filled) = black_hole();
    plane.zone("dead.example", &[at(dead()), At { priority: 5, ..at(dead()) }]);
    plane.zone("hole.example", &[at(hole.local_addr().unwrap())]);
    capulet.send(&(to("hole.example", "hole") + &to("dead.example", "dead")));
    assert_eq!(bounce(&mut capulet, "dead"), "wait remote-server-timeout");
    assert_eq!(bounce(&mut capulet, "hole"), "wait remote-server-timeout");
}

/// What a server that speaks STARTTLS makes of a ClientHello.
fn misread_hello(socket: &mut TcpStream, manner: usize) {
    let answers = [
        // Prosody, Openfire: an opening tag and an error.
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns='jabber:server' id='' version='1.0'><stream:error><not-well-formed \
         xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
        "</stream:stream>",
        "",
    ];
    socket.write_all(answers[manner].as_bytes()).unwrap();
}

#[test]
fn a_direct_tls_port_that_speaks_starttls_is_followed_by_the_next_target() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let identity = untrusted(THEM);
    for manner in 0..3 {
        let (wrong, right) = (listener(), listener());
        let remote = format!("m{manner}.example");
        let direct = At { direct: true, ..at(wrong.local_addr().unwrap()) };
        let next = At { priority: 1, ..at(right.local_addr().unwrap()) };
        verona.plane.zone(&remote, &[direct, next]);
        capulet.send(&to(&remote, "one"));
        let (mut socket, _) = wrong.accept().unwrap();
        assert_ne!(read_some(&socket, &mut [0; 512]).unwrap(), 0);
        misread_hello(&mut socket, manner);
        drop(socket);
        let mut peer = serve(&right, STARTTLS_FEATURES, "clear");
        peer.expect(STARTTLS);
        peer.send(PROCEED);
        peer.tls_server(&tls_server_config(&identity));
        answer_header(&mut peer, DIALBACK_FEATURES, "tls");
        accept_key(&mut peer, US, &remote);
        assert!(peer.expect("</message>").contains("one"));
    }
}

#[test]
fn a_starttls_port_that_speaks_direct_tls_is_followed_by_the_next_target() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let identity = untrusted(THEM);
    // An alert (unexpected_message, as OpenSSL answers text), or the end without a word.
    for (n, answer) in [&b"\x15\x03\x01\x00\x02\x02\x0a"[..], b""].into_iter().enumerate() {
        let (wrong, right) = (listener(), listener());
        let remote = format!("m{n}.example");
        let next = At { direct: true, priority: 1, ..at(right.local_addr().unwrap()) };
        verona.plane.zone(&remote, &[at(wrong.local_addr().unwrap()), next]);
        capulet.send(&to(&remote, "one"));
        let (mut socket, _) = wrong.accept().unwrap();
        assert_ne!(read_some(&socket, &mut [0; 512]).unwrap(), 0);
        socket.write_all(answer).unwrap();
        drop(socket);
        let mut peer = Peer::accept(&right);
        peer.tls_server(&tls_server_config(&identity));
        // It knows no ALPN, and none is needed.
        assert_eq!(peer.server_tls().alpn_protocol(), None);
        answer_header(&mut peer, DIALBACK_FEATURES, "tls");
        accept_key(&mut peer, US, &remote);
        assert!(peer.expect("</message>").contains("one"));
    }
}

#[test]
fn ports_of_the_wrong_kind_alone_bounce_what_waits() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    for direct in [true, false] {
        let listener = listener();
        let remote = format!("{direct}.example");
        verona.plane.zone(&remote, &[At { direct, ..at(listener.local_addr().unwrap()) }]);
        capulet.send(&to(&remote, "one"));
        let (mut socket, _) = listener.accept().unwrap();
        assert_ne!(read_some(&socket, &mut [0; 512]).unwrap(), 0);
        let answer: &[u8] =
            if direct { b"</stream:stream>" } else { b"\x15\x03\x01\x00\x02\x02\x0a" };
        socket.write_all(answer).unwrap();
        drop(socket);
        assert_eq!(bounce(&mut capulet, "one"), "wait remote-server-timeout");
    }
}

#[test]
fn whoever_mistakes_our_ports_is_told_in_its_own_language_and_served_at_the_right_one() {
    let verona = Verona::new(Rung::Secure);
    let mut capulet = component(&verona.plane, US);
    let identity = verona.trusted(THEM);
    // A ClientHello on the STARTTLS port: a stream error, behind an opening tag.
    let mut socket = TcpStream::connect(verona.plane.s2s()).unwrap();
    socket.set_read_timeout(Some(plane::PATIENCE)).unwrap();
    socket.write_all(b"\x16\x03\x01\x00\xc0\x01\x00\x00\xbc\x03\x03").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("<stream:stream") && answer.contains("<stream:error>"), "{answer}");
    // A header on the direct TLS port: an alert.
    let mut socket = TcpStream::connect(verona.plane.direct_tls()).unwrap();
    socket.set_read_timeout(Some(plane::PATIENCE)).unwrap();
    socket.write_all(header(THEM, US).as_bytes()).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
    let mut peer = Peer::connect(verona.plane.direct_tls());
    peer.tls_client(&tls_client_config(Some(&identity)), US);
    peer.send(&header(THEM, US));
    peer.expect("</stream:features>");
    peer.send(&format!("<db:result from='{THEM}' to='{US}'>k</db:result>"));
    peer.expect("type='valid'");
    peer.send(&from(THEM, "in"));
    assert_eq!(capulet.element().attr("id"), "in");
}
