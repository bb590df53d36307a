//! Makes dialogues that get somewhere: mostly what would come next, often spelled or answered in another way, now and then anything.
//!
//! The generator looks at the model to know what would come next. It never looks at the stream.

use crate::config::{CONFIGS, OWN};
use std::ops::{Deref, DerefMut};

use crate::coverage::Coverage;
use crate::law::Breach;
use crate::random::Random;
use crate::step::{Dialogue, Op, Role, Setup, Step};
use crate::words::{
    BANK, BELOW_BANK, BOOKS, CANONICAL, CHAT, EVIL, FORMS, Name, Pair, SPELLINGS, Table, US, US2,
    XBANK,
};
use crate::world::{Player, World};
use crate::{component, inbound, outbound, relay};

/// Steps of a dialogue at most.
const STEPS_MAX: usize = 28;

/// How one case is played: a calm one gets deep, a wild one gets everywhere.
pub struct Mind {
    random: Random,
    /// One step in so many is out of place.
    calm: usize,
    /// What is judged mostly, in this case.
    demand: u8,
    certificate: u8,
    /// The far end is one of the operator's own servers, mostly.
    backend: bool,
}

impl Deref for Mind {
    type Target = Random;

    fn deref(&self) -> &Random {
        &self.random
    }
}

impl DerefMut for Mind {
    fn deref_mut(&mut self) -> &mut Random {
        &mut self.random
    }
}

impl Mind {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let calm = random.pick(&[4, 12, 40, 200]);
        let demand = random.pick(&[0, 1, 1, 1, 2, 2, 2, 3]);
        let certificate = random.pick(&[0, 0, 1, 1, 2]);
        Self { random, calm, demand, certificate, backend: false }
    }

    /// Whether the next step is out of place.
    pub fn strays(&mut self) -> bool {
        let calm = self.calm;
        self.random.chance(1, calm)
    }
}

/// Plays one case that the seed decides, and writes down what it does; `None` when every law held. What was written before a panic
/// of the product stays.
pub fn play(seed: u64, cover: &mut Coverage, written: &mut Dialogue) -> Option<Breach> {
    let mut random = Mind::new(seed);
    let role = match random.below(20) {
        0..=7 => Role::Inbound,
        8 => Role::Backend,
        9..=16 => Role::Outbound,
        17 => Role::Component,
        _ => Role::Relay,
    };
    let config = if random.chance(1, 2) { 0 } else { random.below(usize::from(CONFIGS)) as u8 };
    written.setup = Setup { role, direct_tls: random.chance(1, 4), config };
    written.steps.clear();
    random.backend = role == Role::Backend;
    if role == Role::Relay {
        return relay::generate(&mut random, cover, written);
    }
    let length = 6 + random.below(STEPS_MAX - 6);
    let mut world = World::new(written.setup, cover);
    while written.steps.len() < length && !world.closed {
        let step = next(&mut random, &world);
        written.steps.push(step);
        if let Err(breach) = world.step(&step) {
            return Some(breach);
        }
    }
    None
}

fn next(random: &mut Mind, world: &World<'_>) -> Step {
    if random.strays() && random.chance(1, 2) {
        return anything(random, &world.player);
    }
    if world.handshaking {
        return match random.below(24) {
            0 => Step::new(Op::Eof, &[]),
            1 => Step::new(Op::Timeout, &[random.below(4) as u8]),
            2 if world.has_open_requests() => verified(random),
            _ => Step::new(Op::Tls, &[random.below(2) as u8, 0]),
        };
    }
    if world.is_blocked() && !random.chance(1, 16) {
        return judged(random);
    }
    match &world.player {
        Player::Inbound(_, model) => inbound_step(random, world, model),
        Player::Outbound(_, model) => outbound_step(random, model),
        Player::Component(_, model) => component_step(random, model),
    }
}

/// Any step of the role, with any words.
fn anything(random: &mut Mind, player: &Player) -> Step {
    let wire = &[
        Op::Header,
        Op::StartTls,
        Op::Proceed,
        Op::TlsFailure,
        Op::Auth,
        Op::Response,
        Op::Abort,
        Op::Challenge,
        Op::Success,
        Op::SaslFailure,
        Op::Features,
        Op::ResultKey,
        Op::ResultAnswer,
        Op::VerifyKey,
        Op::VerifyAnswer,
        Op::Stanza,
        Op::Handshake,
        Op::Bidi,
        Op::Compress,
        Op::Nonza,
        Op::StreamError,
        Op::Close,
        Op::Space,
        Op::Junk,
        Op::Cut,
        Op::Connected,
        Op::Tls,
        Op::Judged,
        Op::Timeout,
        Op::Shutdown,
        Op::Eof,
        Op::Fail,
    ];
    let op = match (player, random.below(8)) {
        (Player::Inbound(..), 0) => Op::Verified,
        (Player::Outbound(..), 0) => Op::Authorize,
        (Player::Outbound(..), 1) => Op::AskVerify,
        _ => random.pick(wire),
    };
    let mut step = Step::new(op, &[]);
    for (place, (_, table)) in op.arguments().iter().enumerate() {
        step.args[place] = match table {
            Table::Spelling if random.chance(2, 3) => random.below(CANONICAL) as u8,
            table => random.below(table.len()) as u8,
        };
    }
    step
}

/// A spelling of this name: mostly the canonical one.
pub fn spell(random: &mut Mind, name: Name) -> u8 {
    if random.chance(3, 4) {
        return name;
    }
    let same = |index: &usize| SPELLINGS[*index].given.name() == Some(name);
    let spelled = (0..SPELLINGS.len()).filter(same).count();
    let chosen = random.below(spelled);
    (0..SPELLINGS.len()).filter(same).nth(chosen).unwrap_or(usize::from(name)) as u8
}

/// A form that means the same; rarely one that does not.
fn form(random: &mut Mind) -> u8 {
    match random.below(40) {
        0..=27 => 0,
        39 if random.strays() => random.below(FORMS.len()) as u8,
        _ => random.below(4) as u8,
    }
}

fn remote(random: &mut Mind) -> Name {
    match random.below(16) {
        0..=7 => BANK,
        8..=10 => EVIL,
        11..=12 => BOOKS,
        _ => random.pick(&[XBANK, BELOW_BANK, US, US2, 7, 9, 10]),
    }
}

fn local(random: &mut Mind) -> Name {
    match random.below(16) {
        0..=11 => US,
        12..=13 => US2,
        _ => random.pick(&[CHAT, 11, BANK]),
    }
}

fn judged(random: &mut Mind) -> Step {
    let whom = if random.strays() && random.chance(1, 4) { 1 + random.below(2) as u8 } else { 0 };
    let demand = match random.below(20) {
        0..=11 => random.demand,
        12 | 13 => 0,
        14 | 15 => 1,
        16 | 17 => 2,
        18 => 3,
        _ => 4 + random.below(4) as u8,
    };
    let standing = u8::from(random.backend && random.chance(7, 8));
    let certificate =
        if random.chance(3, 4) { random.certificate } else { random.pick(&[0, 1, 2]) };
    Step::new(Op::Judged, &[whom, demand, certificate, standing])
}

fn verified(random: &mut Mind) -> Step {
    let which = random.pick(&[0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
    let outcome = random.pick(&[0, 0, 0, 1, 1, 2, 3, 4]);
    Step::new(Op::Verified, &[which, outcome])
}

fn around(random: &mut Mind) -> Step {
    match random.below(32) {
        0..=7 => Step::new(Op::Timeout, &[random.pick(&[0, 0, 1, 2, 3])]),
        8..=9 => Step::new(Op::Shutdown, &[]),
        10 => Step::new(Op::Eof, &[]),
        11..=21 => Step::new(Op::Cut, &[random.below(5) as u8]),
        22..=26 => Step::new(Op::Space, &[]),
        27 => Step::new(Op::Close, &[]),
        28 => Step::new(Op::StreamError, &[form(random), random.below(5) as u8]),
        29 => Step::new(Op::Junk, &[random.below(10) as u8]),
        30 => Step::new(Op::Bidi, &[form(random)]),
        _ => Step::new(Op::Compress, &[0]),
    }
}

fn inbound_step(random: &mut Mind, world: &World<'_>, model: &inbound::Model) -> Step {
    if random.strays() {
        return around(random);
    }
    match &model.phase {
        inbound::Phase::Transport { tls, .. } => {
            let tls_first = model.direct && !*tls && random.chance(1, 2);
            Step::new(if tls_first { Op::Tls } else { Op::Connected }, &[1, 1])
        }
        inbound::Phase::Header(due) => inbound_header(random, *due),
        inbound::Phase::Closing => match random.below(4) {
            _ if world.has_open_requests() && random.chance(1, 2) => verified(random),
            0 => Step::new(Op::Close, &[]),
            _ => inbound_stanza(random, model),
        },
        _ => inbound_open(random, world, model),
    }
}

fn inbound_header(random: &mut Mind, due: Option<Pair>) -> Step {
    let (from, to) = match due {
        Some(pair) if random.chance(7, 8) => pair,
        _ => (remote(random), local(random)),
    };
    let (mut from, mut to) = (spell(random, from), spell(random, to));
    let mut kind = random.pick(&[0, 0, 0, 0, 1, 3]);
    let mut version = 0;
    match random.below(24) {
        0..=2 if !random.strays() => {}
        0 => from = random.below(SPELLINGS.len()) as u8,
        1 => to = random.below(SPELLINGS.len()) as u8,
        2 => kind = random.below(7) as u8,
        3..=5 => version = random.below(7) as u8,
        6 => {
            from = Table::Spelling.index("absent").unwrap_or(0);
            version = random.pick(&[0, 1]);
        }
        _ => {}
    }
    Step::new(Op::Header, &[kind, from, to, 3, version])
}

fn inbound_open(random: &mut Mind, world: &World<'_>, model: &inbound::Model) -> Step {
    if world.has_open_requests() && random.chance(1, 3) {
        return if random.chance(1, 24) { Step::new(Op::Shutdown, &[]) } else { verified(random) };
    }
    if model.offers_external() && random.chance(1, 3) {
        let authzid = random.pick(&[0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
        return match random.below(8) {
            0 => Step::new(Op::Abort, &[0]),
            1 | 2 => Step::new(Op::Response, &[form(random), authzid]),
            3 => Step::new(Op::Auth, &[form(random), random.below(4) as u8, authzid]),
            _ => Step::new(Op::Auth, &[form(random), 0, authzid]),
        };
    }
    if model.can_be_bidirectional() && random.chance(1, 4) {
        return Step::new(Op::Bidi, &[form(random)]);
    }
    if model.offers_starttls() && random.chance(1, 4) {
        return Step::new(Op::StartTls, &[form(random)]);
    }
    match random.below(24) {
        0..=9 => {
            let known = world.peer().filter(|_| random.chance(1, 2));
            let sender = known.unwrap_or_else(|| remote(random));
            let (from, target) = (spell(random, sender), local(random));
            let to = spell(random, target);
            let key = random.pick(&[0, 0, 0, 0, 0, 1, 2, 3, 4, 5]);
            Step::new(Op::ResultKey, &[form(random), from, to, key])
        }
        10..=17 if !model.verified.is_empty() || random.strays() => inbound_stanza(random, model),
        18..=20 => {
            let (from, to) = (remote(random), local(random));
            let (from, to) = (spell(random, from), spell(random, to));
            let id = random.pick(&[0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
            let key = random.pick(&[0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
            Step::new(Op::VerifyKey, &[form(random), from, to, id, key])
        }
        21 => {
            let (from, to) = (remote(random), local(random));
            let kind = random.below(6) as u8;
            if random.chance(1, 2) {
                Step::new(Op::ResultAnswer, &[form(random), from, to, kind])
            } else {
                Step::new(Op::VerifyAnswer, &[form(random), from, to, random.below(9) as u8, kind])
            }
        }
        22 => Step::new(Op::Auth, &[form(random), random.below(4) as u8, random.below(9) as u8]),
        23 if random.strays() => {
            Step::new(random.pick(&[Op::StartTls, Op::Response, Op::Abort, Op::Nonza]), &[0, 0])
        }
        _ => verified(random),
    }
}

fn inbound_stanza(random: &mut Mind, model: &inbound::Model) -> Step {
    let known = model.verified.len();
    let (from, to) = if known > 0 && !(random.strays() && random.chance(1, 2)) {
        model.verified[random.below(known)].0
    } else {
        (remote(random), local(random))
    };
    stanza(random, from, to)
}

fn stanza(random: &mut Mind, from: Name, to: Name) -> Step {
    let (from, to) = (spell(random, from), spell(random, to));
    let at = if random.strays() { random.below(11) } else { random.below(7) };
    let (at, to_at) = (at as u8, random.below(7) as u8);
    Step::new(Op::Stanza, &[form(random), from, at, to, to_at, random.below(3) as u8])
}

fn outbound_step(random: &mut Mind, model: &outbound::Model) -> Step {
    use outbound::Phase;
    if random.strays() {
        return around(random);
    }
    if random.chance(1, 10) || (model.wanted.is_empty() && random.chance(1, 5)) {
        return want(random, model);
    }
    match model.phase {
        Phase::Transport { tls, .. } => match random.below(4) {
            0 => want(random, model),
            1 if model.direct && !tls => Step::new(Op::Tls, &[1, 1]),
            _ => Step::new(Op::Connected, &[]),
        },
        Phase::Header => outbound_header(random),
        Phase::Features => {
            let offer = if model.declares_no_dialback() {
                random.pick(&[2, 5, 11, 11, 11, 10])
            } else {
                random
                    .pick(&[0, 1, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 9, 9, 10, 10, 10, 11, 12])
            };
            match random.below(24) {
                0 => Step::new(Op::StreamError, &[0, random.below(5) as u8]),
                _ => Step::new(Op::Features, &[form(random), offer]),
            }
        }
        Phase::Proceed => match random.below(16) {
            0 => Step::new(Op::TlsFailure, &[form(random)]),
            1 => Step::new(Op::StreamError, &[0, random.below(5) as u8]),
            _ => Step::new(Op::Proceed, &[form(random)]),
        },
        Phase::Sasl => match random.below(16) {
            0..=4 => Step::new(Op::SaslFailure, &[form(random)]),
            5 => Step::new(Op::Challenge, &[form(random)]),
            6 => Step::new(Op::Eof, &[]),
            7 => answer_check(random, model),
            _ => Step::new(Op::Success, &[form(random)]),
        },
        _ if model.reverse.agreed && random.chance(1, 3) => reverse_step(random, model),
        _ => match random.below(20) {
            0..=7 if !model.results.is_empty() || random.strays() => answer_result(random, model),
            8..=13 if !model.checks_asked.is_empty() || random.strays() => {
                answer_check(random, model)
            }
            0..=16 => want(random, model),
            17 => Step::new(Op::Timeout, &[random.pick(&[0, 0, 1, 2, 3])]),
            18 if random.strays() => outbound_odd(random),
            _ => Step::new(Op::Space, &[]),
        },
    }
}

fn outbound_header(random: &mut Mind) -> Step {
    let mut from = spell(random, OWN.1);
    let mut id = random.below(3) as u8;
    let (mut kind, mut version) = (random.pick(&[0, 0, 0, 0, 1, 2]), 0);
    if random.demand == 0 && random.chance(1, 2) {
        // Who takes names for what they are meets servers that do no dialback.
        kind = 2;
    }
    match random.below(24) {
        0..=2 if !random.strays() => {}
        0 => from = random.below(SPELLINGS.len()) as u8,
        1 => id = random.below(9) as u8,
        2 => kind = random.below(7) as u8,
        3..=6 => version = random.below(7) as u8,
        7 => from = Table::Spelling.index("absent").unwrap_or(0),
        _ => {}
    }
    Step::new(Op::Header, &[kind, from, OWN.0, id, version])
}

fn want(random: &mut Mind, model: &outbound::Model) -> Step {
    if random.chance(1, 3) {
        let (from, to) = (random.pick(&[BANK, BANK, EVIL]), random.pick(&[US, US, US2]));
        let demand = random.pick(&[0, 1, 1, 2]);
        return Step::new(Op::AskVerify, &[from, to, random.below(3) as u8, demand]);
    }
    let pair = if model.wanted.is_empty() && random.chance(3, 4) {
        OWN
    } else {
        random.pick(&[OWN, (US2, BANK), (US, EVIL), (CHAT, BANK)])
    };
    Step::new(Op::Authorize, &[pair.0, pair.1])
}

fn answer_result(random: &mut Mind, model: &outbound::Model) -> Step {
    let known = model.results.len();
    let (mut from, mut to) = if known > 0 && random.chance(7, 8) {
        let (sender, target) = model.results[random.below(known)].0;
        (target, sender)
    } else {
        (remote(random), local(random))
    };
    if random.chance(1, 12) {
        (from, to) = (to, from);
    }
    let (from, to) = (spell(random, from), spell(random, to));
    let kind = random.pick(&[0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5]);
    Step::new(Op::ResultAnswer, &[form(random), from, to, kind])
}

fn answer_check(random: &mut Mind, model: &outbound::Model) -> Step {
    let known = model.checks_asked.len();
    let ((mut from, mut to), mut id) = if known > 0 && random.chance(7, 8) {
        let (pair, id) = model.checks_asked[random.below(known)];
        (pair, id.0)
    } else {
        ((remote(random), local(random)), 0)
    };
    match random.below(16) {
        0 => (from, to) = (to, from),
        1 => id = random.below(9) as u8,
        2 => from = remote(random),
        _ => {}
    }
    let (from, to) = (spell(random, from), spell(random, to));
    let kind = random.pick(&[0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5]);
    Step::new(Op::VerifyAnswer, &[form(random), from, to, id, kind])
}

/// What the peer says in the other direction.
fn reverse_step(random: &mut Mind, model: &outbound::Model) -> Step {
    let known = model.reverse.verified.len();
    let (from, to) = if known > 0 && !(random.strays() && random.chance(1, 2)) {
        model.reverse.verified[random.below(known)].0
    } else {
        (remote(random), local(random))
    };
    match random.below(6) {
        0 => Step::new(Op::ResultKey, &[form(random), spell(random, from), spell(random, to), 0]),
        1 => {
            let key = random.pick(&[0, 0, 0, 1, 3, 4, 5, 6, 10]);
            let (from, to) = (spell(random, from), spell(random, to));
            Step::new(Op::VerifyKey, &[form(random), from, to, random.below(4) as u8, key])
        }
        _ if known > 0 || random.strays() => stanza(random, from, to),
        _ => answer_result(random, model),
    }
}

fn outbound_odd(random: &mut Mind) -> Step {
    match random.below(6) {
        0 => stanza(random, BANK, US),
        1 => Step::new(Op::Features, &[0, random.below(9) as u8]),
        2 => Step::new(Op::Success, &[0]),
        3 => Step::new(Op::Proceed, &[0]),
        4 => Step::new(Op::ResultKey, &[0, BANK, US, 0]),
        _ => Step::new(Op::VerifyKey, &[0, BANK, US, 0, 0]),
    }
}

fn component_step(random: &mut Mind, model: &component::Model) -> Step {
    use component::Phase;
    if random.strays() {
        return around(random);
    }
    match model.phase {
        Phase::Transport => Step::new(Op::Connected, &[]),
        Phase::Header => {
            let name = random.pick(&[US2, CHAT, US, US2, CHAT, 11, BANK]);
            let to = spell(random, name);
            let kind = if random.chance(1, 16) { random.below(7) as u8 } else { 6 };
            Step::new(Op::Header, &[kind, random.pick(&[26, 26, 26, US]), to, 3, 1])
        }
        Phase::Handshake(_) => {
            let hash = if random.chance(3, 4) { 0 } else { random.below(7) as u8 };
            match random.below(16) {
                0 => stanza(random, US2, BANK),
                _ => Step::new(Op::Handshake, &[form(random), hash]),
            }
        }
        _ => {
            let from = random.pick(&[US2, CHAT, US2, CHAT, US, 11]);
            let to = random.pick(&[BANK, EVIL, US]);
            stanza(random, from, to)
        }
    }
}
