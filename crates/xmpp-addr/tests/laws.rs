//! Laws that hold for every text.

use hashbrown::Equivalent;
use proptest::prelude::*;
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use xmpp_addr::{
    Domain, DomainPair, DomainPairRef, DomainPattern, Jid, canonical_domain, jid_domain,
};

/// Texts near the rules: separators, A-label prefixes, digits, full stops of four kinds, letters that map, expand or vanish.
fn near_domain() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z0-9]{1,6}",
        2 => "[.]",
        1 => "[A-Z]{1,3}",
        1 => "(xn--|XN--)[a-z0-9-]{0,8}",
        1 => "[\u{3002}\u{FF0E}\u{FF61}\u{AD}\u{200D}\u{200C}\u{FB01}ßςİıKÅ\u{308}\u{301}]",
        1 => "[À-ɏ]{1,3}",
        1 => "[א-ת]{1,3}",
        1 => "[٠-٩۰-۹ابت]{1,3}",
        1 => "[ａ-ｚ０-９]{1,3}",
        1 => "[\\[\\]:%_ @/*-]",
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![near_domain(), "\\PC{0,40}", any::<String>()]
}

fn canonical_ascii() -> impl Strategy<Value = String> {
    "[a-z]([a-z0-9]{0,5}|[a-z0-9]-{1,3}[a-z0-9]{1,3})(\\.[a-z][a-z0-9]{0,8}){0,4}"
        .prop_filter("A-labels are not the subject", |text| !text.contains("xn--"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn canonicalisation_is_idempotent(text in any_text()) {
        if let Ok(first) = canonical_domain(&text) {
            prop_assert!(first.is_ascii() && !first.is_empty() && first.len() <= 253);
            prop_assert!(!first.ends_with('.'));
            let second = canonical_domain(&first);
            prop_assert!(matches!(&second, Ok(Cow::Borrowed(same)) if *same == first), "{first:?} {second:?}");
        }
    }

    #[test]
    fn unicode_form_is_another_spelling_of_the_same_domain(text in any_text()) {
        if let Ok(domain) = Domain::parse(&text) {
            prop_assert_eq!(Domain::parse(&domain.to_unicode()), Ok(domain));
        }
    }

    #[test]
    fn case_and_final_dot_make_no_difference(text in canonical_ascii()) {
        let shouted = format!("{}.", text.to_ascii_uppercase());
        prop_assert_eq!(canonical_domain(&shouted), Ok(Cow::Borrowed(&*text)));
    }

    #[test]
    fn canonical_ascii_is_borrowed(text in canonical_ascii()) {
        prop_assert!(matches!(canonical_domain(&text), Ok(Cow::Borrowed(same)) if same == text));
        let jid = format!("juliet@{text}/balcony");
        prop_assert!(matches!(jid_domain(&jid), Ok(Cow::Borrowed(same)) if same == text));
    }

    #[test]
    fn no_text_panics(text in any_text(), local in any::<String>(), resource in any::<String>()) {
        let _ = Domain::parse(&text);
        let _ = DomainPattern::parse(&text);
        let _ = Jid::parse(&text);
        let _ = Jid::parse(&format!("{local}@a.example/{resource}"));
    }

    #[test]
    fn a_jid_and_its_domain_agree(text in any_text()) {
        match Jid::parse(&text) {
            Ok(jid) => {
                prop_assert_eq!(jid_domain(&text), Ok(Cow::Borrowed(jid.domain())));
                let mut canonical = jid.domain().to_owned();
                if let Some(local) = jid.local() {
                    canonical = format!("{local}@{canonical}");
                }
                if let Some(resource) = jid.resource() {
                    canonical = format!("{canonical}/{resource}");
                }
                prop_assert_eq!(Jid::parse(&canonical), Ok(jid.clone()));
            }
            Err(error) => prop_assert_eq!(jid_domain(&text), Err(error)),
        }
    }

    #[test]
    fn borrowed_and_owned_pairs_agree(a in canonical_ascii(), b in canonical_ascii(), c in canonical_ascii()) {
        let hasher = RandomState::new();
        let pair = DomainPair::new(Domain::parse(&a).unwrap(), Domain::parse(&b).unwrap());
        let same = DomainPairRef { sender: &a, target: &b };
        prop_assert!(same.equivalent(&pair));
        prop_assert_eq!(hasher.hash_one(same), hasher.hash_one(&pair));
        let other = DomainPairRef { sender: &a, target: &c };
        prop_assert_eq!(other.equivalent(&pair), b == c);
        prop_assert_eq!(hasher.hash_one(pair.sender()), hasher.hash_one(a.as_str()));
    }

    #[test]
    fn among_matching_patterns_the_more_specific_is_narrower(text in canonical_ascii()) {
        let domain = Domain::parse(&text).unwrap();
        let mut patterns = vec![DomainPattern::Exact(domain.clone())];
        let mut name = domain.clone();
        while let Some(parent) = name.parent().map(|parent| Domain::parse(parent).unwrap()) {
            patterns.push(DomainPattern::Below(parent.clone()));
            name = parent;
        }
        patterns.push(DomainPattern::Any);
        prop_assert!(patterns.iter().all(|pattern| pattern.matches(&domain)));
        prop_assert!(patterns.is_sorted_by(|a, b| a.specificity() > b.specificity()));
    }
}
