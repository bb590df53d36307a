//! Law: the framer gives the same verdict, and its trees hold the same, as the naive twin, libexpat and rxml; and what is plain and valid
//! it takes as it was meant.

#![cfg(not(miri))] // No foreign library there, and too slow for thousands of cases.

mod common;

use common::{cases, change, changed, element, holds, nested, plain};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use xmpp_frame::Limits;
use xmpp_frame_oracles::laws::{agrees_with_expat, agrees_with_rxml, agrees_with_twin, header};
use xmpp_frame_oracles::openings::{HEADER, OPENINGS, Opening};
use xmpp_frame_oracles::ours::{feed, tree};
use xmpp_frame_oracles::twin;

fn opening() -> impl Strategy<Value = Opening> {
    prop_oneof![3 => Just(OPENINGS[0]), 2 => prop::sample::select(OPENINGS.to_vec())]
}

proptest! {
    #![proptest_config(cases(3000, 60_000))]

    #[test]
    fn framer_twin_expat_and_rxml_agree(
        opening in opening(),
        stanzas in prop::collection::vec(prop_oneof![3 => element(), 1 => nested()], 1..3),
        changes in prop::collection::vec(change(), 0..3),
        lengths in prop::collection::vec(1usize..80, 0..3),
    ) {
        let body = changed(&stanzas.join("\n"), &changes);
        let bytes = [opening.header.as_bytes(), &body].concat();
        let said = feed(&bytes, &[], Limits::AUTHENTICATED);
        holds(agrees_with_twin(&said, &bytes), &bytes)?;
        holds(agrees_with_expat(&said, &bytes, &lengths, opening.close), &bytes)?;
        holds(agrees_with_rxml(&said, &bytes, &lengths, opening.close), &bytes)?;
    }

    #[test]
    fn all_agree_about_headers(
        opening in opening(),
        changes in prop::collection::vec(change(), 0..3),
        next in opening(),
        marks in any::<[bool; 2]>(),
        cut in any::<u8>(),
    ) {
        // The second header is for a stream that begins anew after an item of the first.
        let mark = marks.map(|is_there| if is_there { "\u{FEFF}" } else { "" });
        let streams = format!("{}{}<iq/>{}{}", mark[0], opening.header, mark[1], next.header);
        let bytes = [&[cut], &changed(&format!("{streams}<iq/>{}", next.close), &changes)[..]].concat();
        holds(header(&bytes), &bytes)?;
    }

    #[test]
    fn what_is_plain_and_valid_is_taken_as_it_was_meant((text, meant) in plain("jabber:server")) {
        let bytes = [HEADER.as_bytes(), text.as_bytes()].concat();
        let said = feed(&bytes, &[], Limits::AUTHENTICATED);
        prop_assert!(said.is_whole(), "{:?}: {}", said.error, text);
        let trees: Vec<_> = said.frames().map(tree).collect();
        prop_assert_eq!(trees, vec![Ok(meant)]);
    }
}

#[test]
fn the_generator_makes_both_good_and_bad_stanzas() {
    let mut runner = TestRunner::deterministic();
    let good = (0..400).filter(|_| {
        let stanza = element().new_tree(&mut runner).expect("no filters").current();
        twin::read(format!("{HEADER}{stanza}").as_bytes()).is_some()
    });
    let good = good.count();
    assert!((100..390).contains(&good), "{good} of 400 are well-formed");
}
