use super::*;

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Srv {
    Srv { priority, weight, port, target: target.to_owned() }
}

fn host(name: &str, addresses: &[&str]) -> HostAddresses {
    HostAddresses {
        name: name.to_owned(),
        addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
    }
}

/// Hosts a to e at 8.8.8.1 to 8.8.8.5; fallback 8.8.8.99.
fn discovery(xmpps: SrvAnswer, xmpp: SrvAnswer) -> Discovery {
    let hosts = ["a", "b", "c", "d", "e"].iter().zip(1..);
    Discovery {
        xmpps,
        xmpp,
        hosts: hosts
            .map(|(name, n)| host(&format!("{name}.montague.example"), &[&format!("8.8.8.{n}")]))
            .collect(),
        fallback: vec!["8.8.8.99".parse().unwrap()],
        ttl_secs: 300,
        dnssec: false,
    }
}

fn plan_of(discovery: &Discovery) -> Result<Vec<String>, NoTargets> {
    let targets = plan(discovery, &Guard::default(), &mut Random::new(1))?;
    Ok(targets.iter().map(|t| format!("{} {} {:?}", t.priority, t.address, t.tls)).collect())
}

use SrvAnswer::{NoRecords, NotOffered, Records};

#[test]
fn without_records_the_domain_itself_is_tried_by_starttls() {
    assert_eq!(
        plan_of(&discovery(NoRecords, NoRecords)),
        Ok(vec!["0 8.8.8.99:5269 StartTls".to_owned()])
    );
    assert_eq!(
        plan_of(&discovery(Records(vec![]), NoRecords)),
        Ok(vec!["0 8.8.8.99:5269 StartTls".to_owned()])
    );
}

#[test]
fn priorities_of_both_services_are_merged() {
    let both = discovery(
        Records(vec![
            srv(20, 1, 5270, "b.montague.example"),
            srv(5, 1, 443, "A.Montague.Example."),
        ]),
        Records(vec![
            srv(10, 1, 5269, "c.montague.example"),
            srv(30, 1, 5269, "d.montague.example"),
        ]),
    );
    let expected = [
        "5 8.8.8.1:443 Direct",
        "10 8.8.8.3:5269 StartTls",
        "20 8.8.8.2:5270 Direct",
        "30 8.8.8.4:5269 StartTls",
    ];
    assert_eq!(plan_of(&both), Ok(expected.map(str::to_owned).to_vec()));
}

#[test]
fn a_dot_means_not_offered_and_forbids_the_fallback() {
    let c = || Records(vec![srv(10, 1, 5269, "c.montague.example")]);
    // No direct TLS: STARTTLS counts.
    assert_eq!(
        plan_of(&discovery(NotOffered, c())),
        Ok(vec!["10 8.8.8.3:5269 StartTls".to_owned()])
    );
    assert_eq!(plan_of(&discovery(c(), NotOffered)), Ok(vec!["10 8.8.8.3:5269 Direct".to_owned()]));
    let dot = || Records(vec![srv(0, 0, 0, ".")]);
    for (xmpps, xmpp) in [
        (NoRecords, NotOffered),
        (NotOffered, NoRecords),
        (NotOffered, NotOffered),
        (NoRecords, dot()),
        (dot(), NoRecords),
    ] {
        assert_eq!(
            plan_of(&discovery(xmpps.clone(), xmpp.clone())),
            Err(NoTargets::NotOffered),
            "{xmpps:?} {xmpp:?}"
        );
    }
}

#[test]
fn records_without_addresses_forbid_the_fallback() {
    let lost = discovery(NoRecords, Records(vec![srv(0, 0, 5269, "nowhere.montague.example")]));
    assert_eq!(plan_of(&lost), Err(NoTargets::NoAddresses));
    let mut empty = discovery(NoRecords, NoRecords);
    empty.fallback.clear();
    assert_eq!(plan_of(&empty), Err(NoTargets::NoAddresses));
}

#[test]
fn the_guard_strikes_targets() {
    let mut mixed = discovery(
        NoRecords,
        Records(vec![
            srv(0, 0, 22, "a.montague.example"),
            srv(1, 0, 5269, "x.example"),
            srv(2, 0, 5269, "b.montague.example"),
        ]),
    );
    mixed.hosts.push(host("x.example", &["127.0.0.1", "::ffff:10.0.0.1", "169.254.169.254"]));
    assert_eq!(plan_of(&mixed), Ok(vec!["2 8.8.8.2:5269 StartTls".to_owned()]));
    let bad = discovery(NoRecords, Records(vec![srv(0, 0, 22, "a.montague.example")]));
    assert_eq!(plan_of(&bad), Err(NoTargets::Refused));
    let own = Guard { own_listeners: vec!["8.8.8.99:5269".parse().unwrap()], ..Guard::default() };
    assert_eq!(
        plan(&discovery(NoRecords, NoRecords), &own, &mut Random::new(1)),
        Err(NoTargets::OwnAddress)
    );
}

#[test]
fn a_target_is_tried_once_and_a_plan_is_bounded() {
    let records = (0..60).map(|n| srv(n, 0, 5269, "a.montague.example")).collect();
    assert_eq!(plan_of(&discovery(NoRecords, Records(records))).unwrap().len(), 1);
    let records = (0..60).map(|n| srv(n, 0, 5269 + n, "a.montague.example")).collect();
    assert_eq!(plan_of(&discovery(NoRecords, Records(records))).unwrap().len(), TARGETS_MAX);
}

#[test]
fn weights_share_the_first_place() {
    let weighted = discovery(
        Records(vec![srv(1, 60, 5270, "a.montague.example")]),
        Records(vec![
            srv(1, 30, 5269, "b.montague.example"),
            srv(1, 10, 5269, "c.montague.example"),
            srv(1, 0, 5269, "d.montague.example"),
            srv(2, 900, 5269, "e.montague.example"),
        ]),
    );
    let mut random = Random::new(42);
    let mut first = [0; 256];
    for _ in 0..10_000 {
        let targets = plan(&weighted, &Guard::default(), &mut random).unwrap();
        assert_eq!(targets.len(), 5);
        assert_eq!(targets[4].priority, 2, "the higher number comes last whatever its weight");
        let IpAddr::V4(ip) = targets[0].address.ip() else { unreachable!() };
        first[usize::from(ip.octets()[3])] += 1;
    }
    assert!((5_700..6_300).contains(&first[1]), "weight 60: {}", first[1]);
    assert!((2_700..3_300).contains(&first[2]), "weight 30: {}", first[2]);
    assert!((800..1_200).contains(&first[3]), "weight 10: {}", first[3]);
    assert!((20..250).contains(&first[4]), "weight 0 has a small chance (RFC 2782): {}", first[4]);
}

#[test]
fn records_of_weight_zero_are_all_reached() {
    let zero = discovery(
        NoRecords,
        Records(vec![srv(0, 0, 5269, "a.montague.example"), srv(0, 0, 5269, "b.montague.example")]),
    );
    assert_eq!(plan_of(&zero).unwrap().len(), 2);
}
