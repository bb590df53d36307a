//! The laws over what fuzzing kept, and over changes to that for as long as one likes, on a stable compiler.
//!
//! The fuzzer that is guided by coverage is in `fuzz/`, whose README tells of all of it. Here inputs of its corpus are changed at random: no
//! place that it found is lost, and what is near such a place is tried again after every change to the framer.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `PEERAGE_FRAME_SEED` | of the first case, decimal or `0x…`; default 1 |
//! | `PEERAGE_FRAME_MINUTES` | how long; default 1 |
//!
//! The long run writes lines that a program can read: `progress CASES STEPS PLACES CPU_MS` each second, a step being a change; `finding`, what
//! was found and `end`; and last one `coverage COUNT NAME` a place, which is a target and what its input was to the framer.
#![cfg(not(miri))] // No foreign library there.

mod change;
mod endless;
mod random;
mod shrink;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use xmpp_frame_oracles::laws::{self, Breach, Verdict};

/// A law with a corpus.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    law: fn(&[u8]) -> Result<Verdict, Breach>,
}

pub(crate) const TARGETS: [Target; 3] = [
    Target { name: "differential", law: laws::differential },
    Target { name: "header", law: laws::header },
    Target { name: "rewrite", law: laws::rewrite },
];

impl Target {
    /// What the input was, or the law that it breaks. A panic breaks one.
    pub(crate) fn check(&self, input: &[u8]) -> Result<Verdict, Breach> {
        catch_unwind(AssertUnwindSafe(|| (self.law)(input))).unwrap_or_else(|_| {
            Err(Breach { law: "network input never panics", detail: String::new() })
        })
    }

    /// The inputs that were kept, in the order of their names.
    pub(crate) fn corpus(&self) -> Vec<Vec<u8>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
        let folder = root.join(format!("frame-{}", self.name));
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).expect("a file that can be read")).collect()
    }
}

/// An input and what was found, as it goes into a report.
pub(crate) fn report(target: &Target, input: &[u8], breach: &Breach) -> String {
    format!("{} b\"{}\"\n{breach}", target.name, input.escape_ascii())
}

#[test]
fn every_input_that_was_kept_obeys_its_law() {
    for target in &TARGETS {
        let corpus = target.corpus();
        assert!(corpus.len() >= 50, "{}: {} inputs", target.name, corpus.len());
        let mut whole = 0;
        for input in &corpus {
            match target.check(input) {
                Ok(verdict) => whole += usize::from(verdict == Verdict::Whole),
                Err(breach) => panic!("{}", report(target, input, &breach)),
            }
        }
        // A corpus of nothing but faults would say little.
        assert!(whole >= 25, "{}: {whole} of {} are good", target.name, corpus.len());
    }
}
