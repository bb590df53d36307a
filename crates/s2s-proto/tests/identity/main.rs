//! The identity fuzzer: no sequence of inputs yields a `VerifiedPair` without its proof, and honest sequences yield theirs.
//!
//! Dialogues of a hostile peer and a hostile environment are played to the real streams through the real framer, beside models
//! written from RFC 6120, XEP-0114, XEP-0178, XEP-0185, XEP-0220, XEP-0288, XEP-0344 and the trust ladder; README.md in this folder has the laws, the
//! parts, how to run it for hours, and the list of mutations it was shown to find.
#![allow(unreachable_pub, reason = "modules of one test binary")]

mod compare;
mod component;
mod config;
mod corpus;
mod coverage;
mod endless;
mod generate;
mod inbound;
mod law;
mod oracle;
mod outbound;
mod random;
mod relay;
mod run;
mod seen;
mod shrink;
mod step;
mod wire;
mod words;
mod world;

use run::{Campaign, loud_panics, report};

/// The smoke run: the same cases everywhere, a few seconds in a debug build.
const SMOKE_SEED: u64 = 0x5EED_0001;
const SMOKE_CASES: u64 = 16_000;
/// Each place is reached at least so often in the smoke run.
const SMOKE_LEAST: u64 = 3;

#[test]
fn no_sequence_yields_a_pair_without_its_proof_and_honest_ones_yield_theirs() {
    let mut campaign = Campaign::new(SMOKE_SEED);
    let finding = campaign.run(SMOKE_CASES);
    loud_panics();
    if let Some(finding) = finding {
        panic!("{}", report(&finding));
    }
    let missing = campaign.coverage.missing(SMOKE_LEAST);
    assert!(missing.is_empty(), "reached fewer than {SMOKE_LEAST} times: {missing:#?}");
}
