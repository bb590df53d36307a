//! Campaigns: many cases from one seed, and what is said when a law is broken.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::coverage::Coverage;
use crate::generate;
use crate::law::Breach;
use crate::random::case_seed;
use crate::relay;
use crate::shrink::shrink;
use crate::step::{Dialogue, Role};
use crate::world::World;

/// The law that a panic breaks.
const NO_PANIC: &str = "network input never panics";

/// A broken law, cut down.
#[derive(Debug)]
pub struct Finding {
    pub case: u64,
    pub seed: u64,
    pub breach: Breach,
    pub dialogue: Dialogue,
    pub trace: Vec<String>,
}

/// Counts of a campaign.
#[derive(Clone, Debug)]
pub struct Campaign {
    pub seed: u64,
    pub cases: u64,
    pub steps: u64,
    pub coverage: Coverage,
    dialogue: Dialogue,
}

impl Campaign {
    pub fn new(seed: u64) -> Self {
        Self { seed, cases: 0, steps: 0, coverage: Coverage::new(), dialogue: Dialogue::default() }
    }

    /// The case that was played last, if it broke no law.
    pub fn last(&self) -> &Dialogue {
        &self.dialogue
    }

    /// Plays the next cases; stops at the first that breaks a law.
    pub fn run(&mut self, cases: u64) -> Option<Finding> {
        quiet_panics();
        for _ in 0..cases {
            let case = self.cases;
            self.cases += 1;
            if let Some(finding) = self.case(case) {
                return Some(finding);
            }
        }
        None
    }

    /// Plays one case of the campaign.
    pub fn case(&mut self, case: u64) -> Option<Finding> {
        let seed = case_seed(self.seed, case);
        let mut dialogue = std::mem::take(&mut self.dialogue);
        let cover = &mut self.coverage;
        let written = &mut dialogue;
        let played = catch_unwind(AssertUnwindSafe(|| generate::play(seed, cover, written)));
        let law = match played {
            Ok(None) => {
                self.steps += dialogue.steps.len() as u64;
                self.dialogue = dialogue;
                return None;
            }
            Ok(Some(breach)) => breach.law,
            Err(_) => NO_PANIC,
        };
        let dialogue = shrink(&dialogue, law);
        let (breach, trace) = replay_traced(&dialogue);
        let lost = || Breach { law: NO_PANIC, detail: "not reproduced from its steps".into() };
        Some(Finding {
            case,
            seed: self.seed,
            breach: breach.unwrap_or_else(lost),
            dialogue,
            trace,
        })
    }
}

/// Whether a dialogue breaks a law; which.
pub fn replay(dialogue: &Dialogue) -> Option<Breach> {
    quiet_panics();
    play_steps(dialogue, &mut Coverage::new(), None)
}

/// The same, with the dialogue in words.
pub fn replay_traced(dialogue: &Dialogue) -> (Option<Breach>, Vec<String>) {
    let mut trace = Vec::new();
    let breach = play_steps(dialogue, &mut Coverage::new(), Some(&mut trace));
    (breach, trace)
}

fn play_steps(
    dialogue: &Dialogue,
    cover: &mut Coverage,
    trace: Option<&mut Vec<String>>,
) -> Option<Breach> {
    let played = catch_unwind(AssertUnwindSafe(|| {
        if dialogue.setup.role == Role::Relay {
            return relay::replay(dialogue.setup, &dialogue.steps, cover, trace);
        }
        let mut world = World::new(dialogue.setup, cover);
        world.trace = trace.is_some().then(Vec::new);
        let breach = dialogue.steps.iter().find_map(|step| world.step(step).err());
        if let (Some(out), Some(lines)) = (trace, world.trace) {
            *out = lines;
        }
        breach
    }));
    match played {
        Ok(breach) => breach,
        Err(panic) => Some(Breach { law: NO_PANIC, detail: message(panic.as_ref()) }),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

thread_local! {
    static PLAYING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// A panic of the product is a finding: it is reported as one, not printed a thousand times while it is cut down.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    PLAYING.set(true);
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let expected = PLAYING.get();
            if !expected {
                usual(info);
            }
        }));
    });
}

/// The assertions of a test are printed again.
pub fn loud_panics() {
    PLAYING.set(false);
}

/// What a finding looks like to a person.
pub fn report(finding: &Finding) -> String {
    let Finding { case, seed, breach, dialogue, trace } = finding;
    format!(
        "law broken: {law}\n{detail}\n\nThe dialogue, cut down (a file for tests/identity/corpus):\n\n{dialogue}\n\
         In words:\n{words}\n\nAgain: PEERAGE_IDENTITY_SEED={seed:#x} PEERAGE_IDENTITY_CASE={case} \
         cargo test -p s2s-proto --test identity one_case -- --ignored --nocapture\n",
        law = breach.law,
        detail = breach.detail,
        words = trace.join("\n"),
    )
}
