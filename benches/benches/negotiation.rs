//! What a link costs before its first stanza: the dialogues of the sans-IO streams, dialback keys, certificates.
//!
//! TLS itself is not in it: the handshake is a state switch here and costs far more.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use peerage_benches::{Negotiation, NegotiationConfig, ThreadTime, criterion};
use s2s_proto::dialback::Secret;
use s2s_proto::{Millis, TlsState, VerifyOutcome};
use s2s_route::TtlCache;
use s2s_testkit::certs::{Authority, CertSpec, now};
use s2s_trust::{CertificateDer, CertificateJudgement, Roots, fingerprint, judge_certificate};
use xmpp_addr::{Domain, DomainPair};

const CAPULET: &str = "capulet.example";
const MONTAGUE: &str = "montague.example";
const STREAM_ID: &str = "D60000229F3C4A1B8E7D";

fn main() {
    let mut criterion = criterion();
    dialogues(&mut criterion);
    keys(&mut criterion);
    certificates(&mut criterion);
    criterion.final_summary();
}

/// Criterion's elements are streams: both ends of every link.
fn dialogues(criterion: &mut Criterion<ThreadTime>) {
    let mut group = criterion.benchmark_group("negotiation");
    let pair = pair(CAPULET, MONTAGUE);
    for (name, tls) in [("starttls", TlsState::Plain), ("direct-tls", TlsState::Direct)] {
        let config = NegotiationConfig::new(true, tls);
        assert!(external(&config, &pair), "EXTERNAL over {name}");
        group.throughput(Throughput::Elements(2));
        group.bench_function(format!("external/{name}"), |bencher| {
            bencher.iter(|| external(&config, black_box(&pair)));
        });
        let config = NegotiationConfig::new(false, tls);
        assert!(dialback(&config, &pair), "dialback over {name}");
        group.throughput(Throughput::Elements(4));
        group.bench_function(format!("dialback/{name}"), |bencher| {
            bencher.iter(|| dialback(&config, black_box(&pair)));
        });
    }
    group.finish();
}

/// One link: header, TLS, header, SASL, header; whether the peer verified the pair without a key.
fn external(config: &NegotiationConfig, pair: &DomainPair) -> bool {
    let mut link = Negotiation::connect(config, pair.clone());
    link.authorize(pair.clone());
    let settled = link.settle();
    settled.verified && settled.authorized && settled.request.is_none()
}

/// XEP-0220 §2.1: the link, and the one that goes back to the authoritative server; whether the pair is verified.
fn dialback(config: &NegotiationConfig, pair: &DomainPair) -> bool {
    let mut link = Negotiation::connect(config, pair.clone());
    link.authorize(pair.clone());
    let Some(request) = link.settle().request.take() else { return false };
    let mut leg = Negotiation::connect(config, pair.reversed());
    leg.verify(request);
    let Some(outcome) = leg.settle().answer.take() else { return false };
    link.verified(pair.clone(), outcome);
    let settled = link.settle();
    matches!(outcome, VerifyOutcome::Valid { leg_tls: true })
        && settled.verified
        && settled.authorized
}

/// XEP-0185: one HMAC each.
fn keys(criterion: &mut Criterion<ThreadTime>) {
    let secret = Secret::new(&[42; 32]).expect("32 bytes are enough");
    let key = secret.key(MONTAGUE, CAPULET, STREAM_ID);
    assert!(secret.check(MONTAGUE, CAPULET, STREAM_ID, &key), "a key of our own");
    assert!(!secret.check(MONTAGUE, CAPULET, "another", &key), "a key of another stream");
    let mut group = criterion.benchmark_group("dialback-key");
    group.bench_function("make", |bencher| {
        bencher.iter(|| secret.key(MONTAGUE, CAPULET, black_box(STREAM_ID)));
    });
    group.bench_function("check", |bencher| {
        bencher.iter(|| secret.check(MONTAGUE, CAPULET, STREAM_ID, black_box(&key)));
    });
    group.finish();
}

/// A leaf and an intermediate, both P-256, below one root: two signatures.
fn certificates(criterion: &mut Criterion<ThreadTime>) {
    let root = Authority::new("Verona Root");
    let issued = root.intermediate("Verona Issuing").issue(CertSpec::for_dns(&[CAPULET]));
    let roots = Roots::from_pem(root.root_pem().as_bytes()).expect("a root");
    let domain = Domain::parse(CAPULET).expect("a domain");
    let judge = || judge_certificate(black_box(&issued.chain), &domain, &roots, now());
    assert!(judge().proves(), "{}", judge());

    let mut cache = TtlCache::new(1_024);
    cache.insert((fingerprint(issued.leaf()), domain.clone()), judge(), Millis(10_000));
    let cached = || remembered(&cache, black_box(issued.leaf()), &domain);
    assert_eq!(cached(), Some(judge()), "the cache");

    let mut group = criterion.benchmark_group("judge-certificate");
    group.bench_function("anew", |bencher| bencher.iter(judge));
    group.bench_function("cached", |bencher| bencher.iter(cached));
    group.finish();
}

/// As `s2s-net` asks its cache: by fingerprint and domain.
fn remembered(
    cache: &TtlCache<([u8; 32], Domain), CertificateJudgement>,
    leaf: &CertificateDer<'_>,
    domain: &Domain,
) -> Option<CertificateJudgement> {
    cache.get(Millis(1_000), &(fingerprint(leaf), domain.clone())).copied()
}

fn pair(sender: &str, target: &str) -> DomainPair {
    let domain = |name| Domain::parse(name).expect("a domain");
    DomainPair::new(domain(sender), domain(target))
}
