//! The long run, and one case again. Both take what they need from the environment, and `cargo xtask fuzz identity` drives them.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `PEERAGE_IDENTITY_SEED` | the campaign, decimal or `0x…`; default that of the smoke run |
//! | `PEERAGE_IDENTITY_MINUTES` | how long; default 1 |
//! | `PEERAGE_IDENTITY_CASE` | the case to play again |
//! | `PEERAGE_IDENTITY_FILE` | a dialogue to play, instead of a case |
//!
//! The long run writes lines that a program can read: `progress CASES STEPS PLACES CPU_MS` each second, `finding`, its report and `end`
//! for each law that is broken, and last one `coverage COUNT NAME` a place.
#![expect(
    clippy::disallowed_methods,
    reason = "how long to run and with what seed is for the person who runs it to say; no law depends on it"
)]

use std::time::{Duration, Instant};

use crate::SMOKE_SEED;
use crate::run::{Campaign, Finding, loud_panics, replay_traced, report};
use crate::step::Dialogue;

/// Cases between two looks at the clock.
const BATCH: u64 = 2_000;
/// Findings of one run at most: one for each law is of use, a thousand are not.
const FINDINGS_MAX: usize = 16;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    let text = variable(name)?;
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(&digits.replace('_', ""), 16),
        None => text.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
#[ignore = "runs for PEERAGE_IDENTITY_MINUTES"]
fn for_minutes() {
    let seed = number("PEERAGE_IDENTITY_SEED").unwrap_or(SMOKE_SEED);
    let minutes = variable("PEERAGE_IDENTITY_MINUTES")
        .map_or(1.0, |text| text.parse::<f64>().expect("PEERAGE_IDENTITY_MINUTES is a number"));
    let until = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let mut campaign = Campaign::new(seed);
    let mut findings: Vec<Finding> = Vec::new();
    let mut said = Instant::now();
    while Instant::now() < until && findings.len() < FINDINGS_MAX {
        if let Some(finding) = campaign.run(BATCH) {
            let is_new = findings.iter().all(|known| known.breach.law != finding.breach.law);
            if is_new {
                println!("finding\n{}\nend", report(&finding));
                findings.push(finding);
            }
        }
        if said.elapsed() >= Duration::from_secs(1) {
            said = Instant::now();
            progress(&campaign);
        }
    }
    progress(&campaign);
    for (point, count) in campaign.coverage.rows() {
        println!("coverage {count} {}", point.name());
    }
    loud_panics();
    assert!(findings.is_empty(), "{} laws were broken", findings.len());
    let missing = campaign.coverage.missing(1);
    assert!(missing.is_empty(), "never reached: {missing:#?}");
}

fn progress(campaign: &Campaign) {
    let reached = campaign.coverage.rows().filter(|(_, count)| *count > 0).count();
    // The first field is nanoseconds on a core: what others take of the machine does not count. Elsewhere than on Linux it is 0.
    let ran = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ran_ns: u64 = ran.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0);
    println!("progress {} {} {reached} {}", campaign.cases, campaign.steps, ran_ns / 1_000_000);
}

#[test]
#[ignore = "plays PEERAGE_IDENTITY_CASE, or the dialogue in PEERAGE_IDENTITY_FILE, and tells it in words"]
fn one_case() {
    if let Some(file) = variable("PEERAGE_IDENTITY_FILE") {
        let text = std::fs::read_to_string(&file).expect("a file that can be read");
        let dialogue = Dialogue::parse(&text).expect("a dialogue");
        let (breach, trace) = replay_traced(&dialogue);
        loud_panics();
        println!("{}", trace.join("\n"));
        assert_eq!(breach, None);
        return;
    }
    let seed = number("PEERAGE_IDENTITY_SEED").unwrap_or(SMOKE_SEED);
    let case = number("PEERAGE_IDENTITY_CASE").unwrap_or(0);
    let mut campaign = Campaign::new(seed);
    let finding = campaign.case(case);
    loud_panics();
    match finding {
        Some(finding) => panic!("{}", report(&finding)),
        None => {
            let (_, trace) = replay_traced(campaign.last());
            println!("{}\nIn words:\n{}\n\nno law broken", campaign.last(), trace.join("\n"));
        }
    }
}
