//! The long run; the variables and the lines are in `main.rs`.
#![expect(
    clippy::disallowed_methods,
    reason = "how long to run and with what seed is for the person who runs it to say; no law depends on it"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use xmpp_frame_oracles::laws::Breach;

use crate::change::{change, words};
use crate::random::Random;
use crate::shrink::shrink;
use crate::{TARGETS, Target, report};

/// Cases between two looks at the clock.
const BATCH: u64 = 500;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn seed() -> u64 {
    let Some(text) = variable("PEERAGE_FRAME_SEED") else { return 1 };
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.unwrap_or_else(|_| panic!("PEERAGE_FRAME_SEED is no number: {text}"))
}

/// What a run did.
#[derive(Default)]
struct Run {
    cases: u64,
    steps: u64,
    reached: BTreeMap<String, u64>,
}

#[test]
#[ignore = "runs for PEERAGE_FRAME_MINUTES"]
fn for_minutes() {
    let seed = seed();
    let minutes = variable("PEERAGE_FRAME_MINUTES")
        .map_or(1.0, |text| text.parse::<f64>().expect("PEERAGE_FRAME_MINUTES is a number"));
    let corpora = TARGETS.each_ref().map(Target::corpus);
    let words = words();
    let mut random = Random::new(seed);
    let mut run = Run::default();
    let (began, mut said) = (Instant::now(), Instant::now());
    let until = began + Duration::from_secs_f64(minutes * 60.0);
    while Instant::now() < until {
        for _ in 0..BATCH {
            let number = random.below(TARGETS.len());
            let (target, corpus) = (&TARGETS[number], &corpora[number]);
            let mut input = random.choose(corpus).clone();
            run.steps += change(&mut input, &mut random, &words, corpus);
            run.cases += 1;
            match target.check(&input) {
                Ok(verdict) => {
                    *run.reached.entry(format!("{}: {verdict}", target.name)).or_default() += 1;
                }
                Err(breach) => fail(target, &input, &breach, seed, run.cases),
            }
        }
        if said.elapsed() >= Duration::from_secs(1) {
            said = Instant::now();
            run.say();
        }
    }
    run.say();
    for (name, count) in &run.reached {
        println!("coverage {count} {name}");
    }
    let per_second = run.cases as f64 / began.elapsed().as_secs_f64();
    println!("{} executions, {per_second:.0} a second, seed {seed:#x}", run.cases);
}

fn fail(target: &Target, input: &[u8], breach: &Breach, seed: u64, case: u64) {
    let breaks = |input: &[u8]| target.check(input).is_err_and(|other| other.law == breach.law);
    let input = shrink(input, breaks);
    let text = match target.check(&input) {
        Err(breach) => report(target, &input, &breach),
        Ok(_) => report(target, &input, breach),
    };
    println!("finding\nseed {seed:#x}, case {case}: {text}\nend");
    panic!("a law was broken");
}

impl Run {
    fn say(&self) {
        // The first field is nanoseconds on a core: what others take of the machine does not count. Elsewhere than on Linux it is 0.
        let ran = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let ran_ns: u64 = ran.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let Run { cases, steps, reached } = self;
        println!("progress {cases} {steps} {} {}", reached.len(), ran_ns / 1_000_000);
    }
}
