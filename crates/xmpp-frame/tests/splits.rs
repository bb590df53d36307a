//! Law: any split of the same bytes gives the same items and the same error.

mod common;

use common::{HEADER, change, changed, element, feed};
use proptest::prelude::*;
use xmpp_frame::Limits;

/// Limits that generated stanzas meet now and then.
const NARROW: Limits = Limits {
    element_bytes: 160,
    header_bytes: 320,
    depth: 3,
    attributes: 3,
    namespaces: 2,
    name_bytes: 12,
    elements: 6,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 1500 } else { 20_000 }))]

    #[test]
    fn any_split_gives_the_same_items(
        stanzas in prop::collection::vec(element(), 1..4),
        changes in prop::collection::vec(change(), 0..3),
        pieces in prop::collection::vec(1usize..40, 1..6),
    ) {
        let body = changed(&format!("{}</stream:stream>\n", stanzas.join("\r\n ")), &changes);
        let bytes = [HEADER.as_bytes(), &body].concat();
        for limits in [Limits::AUTHENTICATED, NARROW] {
            let whole = feed(&bytes, &[], limits);
            prop_assert_eq!(&whole, &feed(&bytes, &[1], limits));
            prop_assert_eq!(&whole, &feed(&bytes, &pieces, limits));
        }
    }

    #[test]
    fn any_split_of_a_changed_header_gives_the_same_items(
        changes in prop::collection::vec(change(), 0..3),
        pieces in prop::collection::vec(1usize..40, 1..6),
        mark in any::<bool>(),
    ) {
        let mut bytes = if mark { b"\xEF\xBB\xBF".to_vec() } else { Vec::new() };
        bytes.extend(changed(&format!("{HEADER}<iq/></stream:stream>"), &changes));
        for limits in [Limits::PRE_AUTH, NARROW] {
            let whole = feed(&bytes, &[], limits);
            prop_assert_eq!(&whole, &feed(&bytes, &[1], limits));
            prop_assert_eq!(&whole, &feed(&bytes, &pieces, limits));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        feed(&bytes, &[7], Limits::PRE_AUTH);
        feed(&[HEADER.as_bytes(), &bytes].concat(), &[3], Limits::PRE_AUTH);
        feed(&[HEADER.as_bytes(), b"<iq>", &bytes].concat(), &[3], Limits::PRE_AUTH);
    }
}
