//! Law: any split of the same bytes, read with any vectors, gives the same items and the same error.

mod common;

use common::{HEADER, cases, change, changed, element, feed, holds, nested};
use proptest::prelude::*;
use xmpp_frame::Limits;
use xmpp_frame_oracles::laws::{LIMITS, NARROW, same_however_it_arrives, same_in_pieces};
use xmpp_frame_oracles::ours::Under;

/// Lengths of pieces of which each ends so many bytes behind an `end`.
fn cut_at(bytes: &[u8], end: u8, behind: isize) -> Vec<usize> {
    let places = bytes.iter().enumerate().filter(|&(_, &byte)| byte == end);
    let mut places: Vec<_> =
        places.filter_map(|(at, _)| at.checked_add_signed(behind + 1)).collect();
    places.push(bytes.len());
    let starts = std::iter::once(0).chain(places.iter().copied());
    starts.zip(&places).map(|(start, end)| end - start).collect()
}

/// Something of everything that whole tags and stretches of text may hold, and of what they may not.
const RICH: &str = "<message from='romeo@montague.example/orchard' to=\"juliet@capulet.example\" id='a&#x41;&amp;b' \
    xml:lang='en'><body>Neither, fair saint, if either thee dislike &lt;&#127801;&gt; ]] > Zoë \u{1F339}\r\n so on.</body>\
    <p:x xmlns:p='urn:x' xmlns='urn:example:a-name~longer/than#any_vector' p:a='' a-name-longer-than-any-vector-has='it\"s'>\
    <![CDATA[<&]]]></p:x><active xmlns='http://jabber.org/protocol/chatstates'/></message >";

#[test]
fn a_stanza_may_be_cut_in_two_anywhere() {
    let bytes = [HEADER, RICH, RICH].concat();
    let first = HEADER.len();
    for cut in (first..bytes.len()).step_by(if cfg!(miri) { 61 } else { 1 }) {
        let pieces = [cut, bytes.len()];
        same_in_pieces(bytes.as_bytes(), &[&pieces], Limits::AUTHENTICATED).expect("the same");
    }
    let whole = feed(bytes.as_bytes(), &[], Limits::AUTHENTICATED);
    assert!(whole.is_whole() && whole.frames().count() == 2, "{whole:?}");
}

proptest! {
    #![proptest_config(cases(1000, 20_000))]

    #[test]
    #[cfg_attr(miri, ignore = "thousands of cases")]
    fn any_split_and_any_vectors_give_the_same_items(
        stanzas in prop::collection::vec(prop_oneof![3 => element(), 1 => nested()], 1..4),
        changes in prop::collection::vec(change(), 0..3),
        pieces in prop::collection::vec(1usize..80, 1..6),
    ) {
        let body = changed(&format!("{}</stream:stream>\n", stanzas.join("\r\n ")), &changes);
        let bytes = [HEADER.as_bytes(), &body].concat();
        for limits in LIMITS.into_iter().chain([Limits::AUTHENTICATED]).map(Under::behind_the_header) {
            holds(same_however_it_arrives(&bytes, &pieces, limits), &bytes)?;
            // Tags at the very end of a read, or all but their end.
            let cuts = [cut_at(&bytes, b'>', 0), cut_at(&bytes, b'>', -1), cut_at(&bytes, b'<', 0)];
            let cuts = cuts.each_ref().map(Vec::as_slice);
            holds(same_in_pieces(&bytes, &cuts, limits), &bytes)?;
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "thousands of cases")]
    fn any_split_of_a_changed_header_gives_the_same_items(
        changes in prop::collection::vec(change(), 0..3),
        pieces in prop::collection::vec(1usize..40, 1..6),
        mark in any::<bool>(),
    ) {
        let mut bytes = if mark { b"\xEF\xBB\xBF".to_vec() } else { Vec::new() };
        bytes.extend(changed(&format!("{HEADER}<iq/></stream:stream>"), &changes));
        for limits in [Limits::PRE_AUTH, NARROW] {
            holds(same_however_it_arrives(&bytes, &pieces, limits), &bytes)?;
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "thousands of cases")]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        feed(&bytes, &[7], Limits::PRE_AUTH);
        feed(&[HEADER.as_bytes(), &bytes].concat(), &[3], Limits::PRE_AUTH);
        feed(&[HEADER.as_bytes(), b"<iq>", &bytes].concat(), &[3], Limits::PRE_AUTH);
    }
}
