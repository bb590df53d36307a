use super::*;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn guard() -> Guard {
    Guard::default()
}

#[test]
fn public_addresses_are_dialled() {
    for address in [
        "8.8.8.8:5269",
        "[2606:4700::1]:5270",
        "1.2.3.4:443",
        "[64:ff9b::8.8.8.8]:5269",
        "[2002:808:808::1]:5269",
    ] {
        assert_eq!(guard().check(at(address)), Ok(()), "{address}");
    }
}

#[test]
fn a25_special_addresses_are_refused_by_default() {
    use SpecialUse::*;
    let table = [
        ("0.0.0.0", Unspecified),
        ("0.1.2.3", Unspecified),
        ("127.0.0.1", Loopback),
        ("127.255.255.254", Loopback),
        ("10.0.0.1", Private),
        ("172.16.0.1", Private),
        ("172.31.255.255", Private),
        ("192.168.1.1", Private),
        ("100.64.0.1", Shared),
        ("100.127.255.255", Shared),
        ("169.254.169.254", LinkLocal),
        ("192.0.2.1", Documentation),
        ("198.51.100.1", Documentation),
        ("203.0.113.1", Documentation),
        ("192.0.0.8", Reserved),
        ("198.18.0.1", Reserved),
        ("198.19.255.255", Reserved),
        ("224.0.0.1", Multicast),
        ("239.255.255.255", Multicast),
        ("240.0.0.1", Reserved),
        ("255.255.255.255", Broadcast),
        ("::", Unspecified),
        ("::1", Loopback),
        ("::ffff:10.0.0.1", Private),
        ("::ffff:127.0.0.1", Loopback),
        ("::10.0.0.1", Private),
        ("::127.0.0.1", Loopback),
        ("64:ff9b::10.0.0.1", Private),
        ("64:ff9b::169.254.169.254", LinkLocal),
        ("64:ff9b:1::1", Reserved),
        ("2002:7f00:1::1", Loopback),
        ("2002:a00:1::", Private),
        ("2001:0:1:2:3:4:5:6", Reserved),
        ("2001:db8::1", Documentation),
        ("3fff:123::1", Documentation),
        ("fc00::1", Private),
        ("fd12::1", Private),
        ("fe80::1", LinkLocal),
        ("fec0::1", Private),
        ("ff02::1", Multicast),
        ("100::1", Reserved),
        ("5f00::1", Reserved),
    ];
    for (ip, special) in table {
        let address = SocketAddr::new(ip.parse().unwrap(), 5269);
        assert_eq!(guard().check(address), Err(GuardRefusal::Address(special)), "{ip}");
    }
}

#[test]
fn neighbours_of_special_blocks_are_public() {
    for ip in [
        "9.255.255.255",
        "11.0.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "169.253.0.1",
        "192.0.1.1",
        "223.255.255.255",
        "126.0.0.1",
        "128.0.0.1",
        "2001:200::1",
        "2001:db9::1",
    ] {
        assert_eq!(guard().check(SocketAddr::new(ip.parse().unwrap(), 5269)), Ok(()), "{ip}");
    }
}

#[test]
fn a25_low_ports_belong_to_other_protocols() {
    for (port, allowed) in [
        (0, false),
        (22, false),
        (25, false),
        (80, false),
        (443, true),
        (1023, false),
        (1024, true),
        (5269, true),
    ] {
        let address = SocketAddr::new("8.8.8.8".parse().unwrap(), port);
        assert_eq!(guard().check(address).is_ok(), allowed, "port {port}");
    }
    assert_eq!(guard().check(at("127.0.0.1:22")), Err(GuardRefusal::Port));
}

#[test]
fn an_allowed_network_opens_its_addresses_and_their_tunnelled_forms() {
    let guard = Guard { allow: vec!["127.0.0.0/8".parse().unwrap()], ..Guard::default() };
    for address in ["127.3.4.5:5269", "[::ffff:127.3.4.5]:5269", "[64:ff9b::127.3.4.5]:5269"] {
        assert_eq!(guard.check(at(address)), Ok(()), "{address}");
    }
    assert!(guard.check(at("[::1]:5269")).is_err());
    assert_eq!(guard.check(at("127.3.4.5:25")), Err(GuardRefusal::Port));
}

#[test]
fn our_own_listeners_are_never_dialled() {
    let guard = Guard {
        allow: vec!["127.0.0.0/8".parse().unwrap(), "::/0".parse().unwrap()],
        own_listeners: vec![at("[::]:5269"), at("127.0.0.9:5270"), at("198.100.1.1:5270")],
        interfaces: vec!["198.100.7.7".parse().unwrap(), "fd00::7".parse().unwrap()],
        low_ports: Vec::new(),
    };
    let own = [
        "127.0.0.1:5269",
        "[::1]:5269",
        "[::ffff:127.0.0.1]:5269",
        "0.0.0.0:5269",
        "198.100.7.7:5269",
        "[fd00::7]:5269",
        "127.0.0.9:5270",
        "198.100.1.1:5270",
        "[64:ff9b::198.100.1.1]:5270",
    ];
    for address in own {
        assert_eq!(guard.check(at(address)), Err(GuardRefusal::OwnListener), "{address}");
    }
    for address in ["127.0.0.2:5269", "127.0.0.1:5270", "198.100.7.7:5271"] {
        assert_eq!(guard.check(at(address)), Ok(()), "{address}");
    }
}
