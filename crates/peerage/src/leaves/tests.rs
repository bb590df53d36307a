//! Leaves: judged as a peer would judge them, and which ones are refused, kept and replaced.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use s2s_trust::{ChainVerdict, Roots, UnixTime, judge_certificate, validity};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::*;
use crate::ca;

/// 2027-01-01.
const NOW: i64 = 1_798_761_600;
const DAY: i64 = 86_400;

/// A leaf authority with a clock of its own.
struct Bench {
    leaves: Leaves,
    now: Arc<AtomicI64>,
    roots: Roots,
    directory: tempfile::TempDir,
}

fn authority(directory: &Path) -> Authority {
    ca::open(directory, "capulet.example", NOW).unwrap()
}

fn bench(generation_max: usize) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority(directory.path());
    let roots = Roots::from_pem(authority.pem.as_bytes()).unwrap();
    let now = Arc::new(AtomicI64::new(NOW));
    let clock = Arc::clone(&now);
    let clock = Arc::new(move || clock.load(Ordering::Relaxed));
    let leaves = Leaves::with_clock(authority, generation_max, clock).unwrap();
    Bench { leaves, now, roots, directory }
}

impl Bench {
    fn leaf(&self, domain: &str) -> Arc<CertifiedKey> {
        self.leaves.leaf(&remote(domain)).unwrap()
    }

    fn refusal(&self, domain: &str) -> String {
        self.leaves.leaf(&remote(domain)).unwrap_err()
    }

    fn proves(&self, leaf: &CertifiedKey, domain: &str, now: i64) -> bool {
        judge_certificate(&leaf.cert, &remote(domain), &self.roots, unix(now)).proves()
    }

    fn wait(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }
}

fn remote(domain: &str) -> Domain {
    Domain::parse(domain).unwrap()
}

fn unix(now: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap()))
}

fn same(left: &Arc<CertifiedKey>, right: &Arc<CertifiedKey>) -> bool {
    Arc::ptr_eq(left, right)
}

fn serial(leaf: &CertificateDer<'_>) -> Vec<u8> {
    X509Certificate::from_der(leaf).unwrap().1.raw_serial().to_vec()
}

#[test]
fn a_leaf_proves_its_domain_and_no_other() {
    let bench = bench(8);
    let leaf = bench.leaf("montague.example");
    assert!(bench.proves(&leaf, "montague.example", NOW));
    for other in ["chat.montague.example", "example", "capulet.example", "montague.example.org"] {
        assert!(!bench.proves(&leaf, other, NOW), "{other}");
    }
    assert_eq!(leaf.cert.len(), 2);
    leaf.keys_match().unwrap();
    let stranger = Roots::from_pem(authority(tempfile::tempdir().unwrap().path()).pem.as_bytes());
    let judged =
        judge_certificate(&leaf.cert, &remote("montague.example"), &stranger.unwrap(), unix(NOW));
    assert_eq!(judged.chain, ChainVerdict::UnknownIssuer);
}

#[test]
fn names_of_every_kind_and_length_get_a_leaf() {
    let bench = bench(8);
    let longest = format!("{}.{}.{}.example", "a".repeat(63), "b".repeat(63), "c".repeat(63));
    for domain in ["xn--bcher-kva.example", "bücher.example", "localhost", &longest] {
        let leaf = bench.leaf(domain);
        assert!(bench.proves(&leaf, domain, NOW), "{domain}");
    }
    assert!(Domain::parse("*.example").is_err(), "a leaf could have a wildcard");
}

#[test]
fn a_leaf_is_for_both_ends_of_a_connection_and_issues_nothing() {
    let bench = bench(8);
    let leaf = bench.leaf("montague.example");
    let (_, parsed) = X509Certificate::from_der(&leaf.cert[0]).unwrap();
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && usage.client_auth && !usage.any);
    assert!(!parsed.is_ca());
    assert_eq!(parsed.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 1);
    let (_, issuer) = X509Certificate::from_der(&leaf.cert[1]).unwrap();
    assert_eq!(parsed.issuer().as_raw(), issuer.subject().as_raw());
}

#[test]
fn addresses_never_get_a_leaf() {
    let bench = bench(8);
    for address in ["192.0.2.1", "[2001:db8::1]"] {
        assert!(bench.refusal(address).contains("is an address"), "{address}");
    }
}

#[test]
fn a_reload_with_the_same_ca_keeps_what_was_issued() {
    let bench = bench(8);
    let before = bench.leaf("montague.example");
    let reloaded = bench.leaves.reloaded(authority(bench.directory.path())).unwrap();
    assert!(same(&before, &reloaded.leaf(&remote("montague.example")).unwrap()));
}

#[test]
fn another_ca_starts_anew() {
    let bench = bench(8);
    let before = bench.leaf("montague.example");
    ca::stage(bench.directory.path(), "capulet.example", NOW).unwrap();
    let next = ca::activate(bench.directory.path()).unwrap();
    let roots = Roots::from_pem(next.pem.as_bytes()).unwrap();
    let reloaded = bench.leaves.reloaded(next).unwrap();
    let after = reloaded.leaf(&remote("montague.example")).unwrap();
    let proves = |leaf: &CertifiedKey, roots| {
        judge_certificate(&leaf.cert, &remote("montague.example"), roots, unix(NOW)).proves()
    };
    assert!(proves(&before, &bench.roots) && !proves(&before, &roots));
    assert!(proves(&after, &roots) && !proves(&after, &bench.roots));
}

#[test]
fn a_leaf_is_valid_for_a_week_and_replaced_at_half_of_it() {
    let bench = bench(8);
    let first = bench.leaf("montague.example");
    let (start, end) = validity(&first.cert[0]).unwrap();
    assert_eq!((start, end), (unix(NOW - 3_600), unix(NOW + 7 * DAY)));

    bench.wait(3 * DAY + DAY / 2);
    assert!(same(&first, &bench.leaf("montague.example")));
    bench.wait(1);
    let second = bench.leaf("montague.example");
    assert!(!same(&first, &second));
    assert!(same(&second, &bench.leaf("montague.example")));
    assert!(bench.proves(&first, "montague.example", NOW + 3 * DAY), "old connections go on");
    assert_ne!(serial(&first.cert[0]), serial(&second.cert[0]));
    assert_eq!(validity(&second.cert[0]).unwrap().1, unix(NOW + 10 * DAY + DAY / 2 + 1));
}

#[test]
fn a_clock_that_is_set_back_gets_a_leaf_that_is_valid() {
    let bench = bench(8);
    let first = bench.leaf("montague.example");
    bench.wait(-2 * DAY);
    let second = bench.leaf("montague.example");
    assert!(!same(&first, &second));
    let (start, _) = validity(&second.cert[0]).unwrap();
    assert_eq!(start, unix(NOW - 2 * DAY - 3_600));
}

#[test]
fn a_leaf_does_not_outlive_the_ca() {
    let bench = bench(8);
    let end = bench.leaves.authority().not_after;
    bench.wait(end - NOW - DAY);
    let leaf = bench.leaf("montague.example");
    assert_eq!(validity(&leaf.cert[0]).unwrap().1, unix(end));
    assert!(same(&leaf, &bench.leaf("montague.example")), "issued for every handshake");
    bench.wait(DAY);
    assert!(bench.refusal("verona.example").contains("the internal CA expired at"));
}

#[test]
fn what_is_kept_is_bounded_and_what_is_asked_for_stays() {
    let bench = bench(4);
    let asked = bench.leaf("montague.example");
    let left = bench.leaf("verona.example");
    for number in 0..40 {
        bench.leaf(&format!("d{number}.example"));
        assert!(same(&asked, &bench.leaf("montague.example")), "after {number}");
        let issued = bench.leaves.mint.issued();
        assert!(issued.young.len() <= 4 && issued.old.len() <= 4);
    }
    assert!(!same(&left, &bench.leaf("verona.example")));
}

#[test]
fn all_leaves_have_one_key_and_serial_numbers_of_their_own() {
    let bench = bench(8);
    let (one, two) = (bench.leaf("montague.example"), bench.leaf("verona.example"));
    assert!(Arc::ptr_eq(&one.key, &two.key));
    assert_ne!(serial(&one.cert[0]), serial(&two.cert[0]));
    assert!(serial(&one.cert[0]).len() <= 20);
}

#[test]
fn shards_ask_at_the_same_time() {
    let bench = bench(64);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let bench = &bench;
            scope.spawn(move || {
                for number in 0..16 {
                    let domain = format!("d{}.example", (number + thread) % 16);
                    let leaf = bench.leaf(&domain);
                    assert!(bench.proves(&leaf, &domain, NOW));
                }
            });
        }
    });
    assert_eq!(bench.leaves.mint.issued().young.len(), 16);
}
