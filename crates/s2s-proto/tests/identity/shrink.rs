//! Cuts a finding down: fewer steps first, then plainer words, as long as the same law is broken.

use crate::run::replay;
use crate::step::Dialogue;

/// Replays at most; a finding has few steps, so this is plenty.
const TRIES_MAX: usize = 20_000;

/// The shortest dialogue found that breaks the same law.
pub fn shrink(dialogue: &Dialogue, law: &str) -> Dialogue {
    let mut best = dialogue.clone();
    let mut tries = 0;
    loop {
        let before = best.clone();
        fewer_steps(&mut best, law, &mut tries);
        plainer_words(&mut best, law, &mut tries);
        if best == before || tries >= TRIES_MAX {
            return best;
        }
    }
}

fn breaks(dialogue: &Dialogue, law: &str, tries: &mut usize) -> bool {
    *tries += 1;
    *tries < TRIES_MAX && replay(dialogue).is_some_and(|finding| finding.law == law)
}

/// Delta debugging: pieces of half the length, a quarter, down to single steps.
fn fewer_steps(best: &mut Dialogue, law: &str, tries: &mut usize) {
    let mut piece = best.steps.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        while at < best.steps.len() {
            let mut shorter = best.clone();
            let end = (at + piece).min(shorter.steps.len());
            shorter.steps.drain(at..end);
            if breaks(&shorter, law, tries) {
                *best = shorter;
            } else {
                at += piece;
            }
        }
        if piece == 1 {
            return;
        }
        piece = piece.div_ceil(2);
    }
}

/// The first word of a table is the plainest.
fn plainer_words(best: &mut Dialogue, law: &str, tries: &mut usize) {
    for at in 0..best.steps.len() {
        for place in 0..best.steps[at].op.arguments().len() {
            for word in 0..best.steps[at].args[place] {
                let mut plainer = best.clone();
                plainer.steps[at].args[place] = word;
                if breaks(&plainer, law, tries) {
                    *best = plainer;
                    break;
                }
            }
        }
    }
    for setup in [(false, 0), (best.setup.direct_tls, 0), (false, best.setup.config)] {
        let mut plainer = best.clone();
        (plainer.setup.direct_tls, plainer.setup.config) = setup;
        if plainer.setup != best.setup && breaks(&plainer, law, tries) {
            *best = plainer;
        }
    }
}
