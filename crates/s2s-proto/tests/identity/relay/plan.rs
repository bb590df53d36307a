//! What the attacker, and the honest servers, do next.

use super::*;

pub(super) fn next(mind: &mut Mind, relay: &Relay<'_>) -> Step {
    let ends = relay.ends.len();
    if ends < 2 {
        return match mind.below(4) {
            0 => Step::new(Op::Reach, &[1, US]),
            1 => Step::new(Op::Reach, &[mind.below(2) as u8, EVIL]),
            _ => Step::new(Op::Dial, &[mind.below(2) as u8]),
        };
    }
    if !mind.strays()
        && let Some(step) = purposeful(mind, relay)
    {
        return step;
    }
    let stream = mind.below(8) as u8;
    // The latest of what was seen, mostly.
    let seen = mind.pick(&[0, 0, 0, 1, 1, 2, 3, 4]);
    let sender = mind.pick(&[BANK, BANK, EVIL, EVIL, XBANK, US]);
    let from = spell(mind, sender);
    let target = mind.pick(&[US, US, US, BANK, EVIL]);
    let to = spell(mind, target);
    let kind = mind.pick(&[0, 0, 0, 0, 1, 2, 3]);
    match mind.below(40) {
        0 => Step::new(Op::Dial, &[mind.below(2) as u8]),
        1 | 2 => {
            Step::new(Op::Reach, &[mind.below(2) as u8, mind.pick(&[US, BANK, EVIL, EVIL, XBANK])])
        }
        3..=6 => Step::new(Op::Open, &[stream, from, to]),
        7..=10 => {
            let from = mind.pick(&[EVIL, EVIL, EVIL, XBANK, BANK]);
            Step::new(Op::Respond, &[stream, from, seen, mind.pick(&[3, 3, 5, 6, 0, 9, 9])])
        }
        11..=15 => Step::new(Op::Claim, &[stream, from, to, seen]),
        16..=18 => Step::new(Op::Check, &[stream, to, from, seen, mind.pick(&[0, 0, 1, 2])]),
        19..=23 => Step::new(Op::Vouch, &[stream, from, to, seen, kind]),
        24..=25 => Step::new(Op::Grant, &[stream, from, to, kind]),
        26..=28 => Step::new(Op::Speak, &[stream, from, to]),
        30 => Step::new(Op::Bidi, &[stream]),
        29 => Step::new(Op::HangUp, &[stream]),
        _ => Step::new(Op::Deliver, &[stream]),
    }
}

/// What would bring somebody further: an unanswered header, an unasked question, bytes on the way.
pub(super) fn purposeful(mind: &mut Mind, relay: &Relay<'_>) -> Option<Step> {
    let silent = |outbound: bool| {
        let open = relay.attackers_ends(outbound);
        let place = open.iter().position(|at| !relay.ends[*at].answered)?;
        Some((place as u8, open[place]))
    };
    match mind.below(8) {
        0 | 1 => {
            let (stream, place) = silent(true)?;
            let Machine::Out(_, target) = relay.ends[place].machine else { return None };
            let from = if mind.chance(7, 8) { spell(mind, target) } else { EVIL };
            Some(Step::new(
                Op::Respond,
                &[stream, from, mind.pick(&[0, 0, 1, 2]), mind.pick(&[3, 9])],
            ))
        }
        2 | 3 => {
            let (stream, place) = silent(false)?;
            let from = mind.pick(&[EVIL, EVIL, XBANK, BANK]);
            let local = SERVERS[relay.ends[place].server];
            Some(Step::new(Op::Open, &[stream, spell(mind, from), spell(mind, local)]))
        }
        4 => {
            let open = relay.attackers_ends(false);
            let stream = mind.below(open.len().max(1));
            let local = SERVERS[relay.ends[*open.get(stream)?].server];
            let from = mind.pick(&[EVIL, EVIL, XBANK, BANK]);
            let key = mind.below(3) as u8;
            let op = if mind.chance(2, 3) { Op::Claim } else { Op::Speak };
            Some(Step::new(op, &[stream as u8, spell(mind, from), spell(mind, local), key]))
        }
        5 | 6 => {
            let (place, pair, id) = relay.asked.last()?;
            let open = relay.attackers_ends(true);
            let stream = open.iter().position(|at| at == place)? as u8;
            let back = relay.ids.iter().rev().position(|(known, _)| known == id)? as u8;
            let kind = mind.pick(&[0, 0, 0, 1]);
            (back < 8).then(|| {
                Step::new(
                    Op::Vouch,
                    &[stream, spell(mind, pair.0), spell(mind, pair.1), back, kind],
                )
            })
        }
        _ => relay
            .ends
            .iter()
            .any(|end| end.twin.is_some() && !end.arriving.is_empty())
            .then(|| Step::new(Op::Deliver, &[mind.below(8) as u8])),
    }
}
