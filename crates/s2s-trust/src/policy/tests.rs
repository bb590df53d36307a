use proptest::prelude::*;

use super::*;

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn pattern(text: &str) -> DomainPattern {
    DomainPattern::parse(text).unwrap()
}

fn rule(local: &str, remote: &str, minimum: Rung) -> Rule {
    Rule { local: pattern(local), remote: pattern(remote), minimum }
}

fn decide(policy: &Policy, local: &str, remote: &str) -> (Rung, Option<usize>) {
    let decision = policy.minimum_for(&domain(local), &domain(remote));
    (decision.minimum, decision.rule)
}

#[test]
fn without_rules_the_general_minimum_holds() {
    let policy = Policy::new(Rung::Secure, vec![]).unwrap();
    assert_eq!(decide(&policy, "capulet.example", "montague.example"), (Rung::Secure, None));
}

#[test]
fn the_narrowest_remote_wins_then_the_narrowest_local() {
    let policy = Policy::new(
        Rung::Secure,
        vec![
            rule("*", "*", Rung::Trusted),
            rule("*", "*.example", Rung::Verified),
            rule("capulet.example", "*", Rung::Secure),
            rule("*", "*.old.montague.example", Rung::Promiscuous),
            rule("*", "romeo.old.montague.example", Rung::Trusted),
            rule("*.capulet.example", "*.old.montague.example", Rung::Secure),
        ],
    )
    .unwrap();
    assert_eq!(decide(&policy, "other.net", "remote.org"), (Rung::Trusted, Some(0)));
    assert_eq!(decide(&policy, "capulet.example", "remote.org"), (Rung::Secure, Some(2)));
    // The remote side is compared first: rule 1 names the remote more narrowly than rule 2 does.
    assert_eq!(decide(&policy, "capulet.example", "montague.example"), (Rung::Verified, Some(1)));
    assert_eq!(
        decide(&policy, "capulet.example", "a.old.montague.example"),
        (Rung::Promiscuous, Some(3))
    );
    assert_eq!(
        decide(&policy, "chat.capulet.example", "a.b.old.montague.example"),
        (Rung::Secure, Some(5))
    );
    assert_eq!(
        decide(&policy, "chat.capulet.example", "romeo.old.montague.example"),
        (Rung::Trusted, Some(4))
    );
    assert_eq!(
        decide(&policy, "chat.capulet.example", "old.montague.example"),
        (Rung::Verified, Some(1))
    );
}

/// Attack A40: another spelling as another policy key.
#[test]
fn a40_every_spelling_of_a_domain_hits_one_rule() {
    let policy =
        Policy::new(Rung::Trusted, vec![rule("*", "Bücher.Example.", Rung::Verified)]).unwrap();
    for spelling in
        ["bücher.example", "BÜCHER.example.", "xn--bcher-kva.example", "XN--BCHER-KVA.EXAMPLE"]
    {
        assert_eq!(
            decide(&policy, "capulet.example", spelling),
            (Rung::Verified, Some(0)),
            "{spelling}"
        );
    }
    let policy =
        Policy::new(Rung::Trusted, vec![rule("*", "example.com", Rung::Verified)]).unwrap();
    for spelling in ["EXAMPLE.com", "example.com.", "Example.Com."] {
        let decision = decide(&policy, "capulet.example", spelling);
        assert_eq!(decision, (Rung::Verified, Some(0)), "{spelling}");
    }
    // Cyrillic е.
    assert_eq!(decide(&policy, "capulet.example", "\u{435}xample.com"), (Rung::Trusted, None));
    let twice = vec![
        rule("*", "bücher.example", Rung::Verified),
        rule("*", "xn--bcher-kva.example", Rung::Secure),
    ];
    assert_eq!(
        Policy::new(Rung::Trusted, twice).unwrap_err(),
        PolicyError::EqualRank { first: 0, second: 1 }
    );
}

#[test]
fn two_rules_of_equal_rank_are_refused_with_both_numbers() {
    let rules = vec![
        rule("*", "montague.example", Rung::Verified),
        rule("capulet.example", "montague.example", Rung::Verified),
        rule("*", "*.montague.example", Rung::Verified),
        rule("capulet.example", "montague.example", Rung::Verified),
    ];
    let error = Policy::new(Rung::Secure, rules).unwrap_err();
    assert_eq!(error, PolicyError::EqualRank { first: 1, second: 3 });
    assert_eq!(error.to_string(), "rules 2 and 4 are for the same domains: remove one");
}

#[test]
fn wildcards_do_not_reach_into_addresses() {
    let policy =
        Policy::new(Rung::Trusted, vec![rule("*", "192.0.2.1", Rung::Promiscuous)]).unwrap();
    assert_eq!(decide(&policy, "capulet.example", "192.0.2.1"), (Rung::Promiscuous, Some(0)));
    assert_eq!(decide(&policy, "capulet.example", "[2001:db8::1]"), (Rung::Trusted, None));
}

#[test]
fn every_promiscuous_place_is_reported() {
    let rules =
        vec![rule("*", "a.example", Rung::Secure), rule("*", "b.example", Rung::Promiscuous)];
    let policy = Policy::new(Rung::Promiscuous, rules.clone()).unwrap();
    assert_eq!(policy.promiscuous().map(|place| place.rule).collect::<Vec<_>>(), [None, Some(1)]);
    let policy = Policy::new(Rung::Secure, rules).unwrap();
    assert_eq!(policy.promiscuous().map(|place| place.rule).collect::<Vec<_>>(), [Some(1)]);
}

/// The naive twin: of all rules that match, the one with the highest rank.
fn slow_decision(minimum: Rung, rules: &[Rule], local: &Domain, remote: &Domain) -> Decision {
    rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.local.matches(local) && rule.remote.matches(remote))
        .max_by_key(|(_, rule)| (rule.remote.specificity(), rule.local.specificity()))
        .map_or(Decision { minimum, rule: None }, |(index, rule)| Decision {
            minimum: rule.minimum,
            rule: Some(index),
        })
}

fn any_rung() -> impl Strategy<Value = Rung> {
    proptest::sample::select(Rung::ALL.to_vec())
}

/// Few labels, so that patterns meet.
fn any_name() -> impl Strategy<Value = String> {
    "[ab](\\.[ab]){0,3}"
}

fn any_pattern() -> impl Strategy<Value = String> {
    prop_oneof![Just("*".to_owned()), any_name(), any_name().prop_map(|name| format!("*.{name}"))]
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let parts = (any_pattern(), any_pattern(), any_rung());
    proptest::collection::vec(
        parts.prop_map(|(local, remote, minimum)| rule(&local, &remote, minimum)),
        0..12,
    )
}

fn has_twins(rules: &[Rule]) -> bool {
    rules.iter().enumerate().any(|(index, one)| {
        rules[..index].iter().any(|other| one.local == other.local && one.remote == other.remote)
    })
}

proptest! {
    #[test]
    fn the_index_decides_as_the_naive_twin(
        minimum in any_rung(), rules in any_rules(), local in any_name(), remote in any_name()
    ) {
        match Policy::new(minimum, rules.clone()) {
            Ok(policy) => {
                let (local, remote) = (domain(&local), domain(&remote));
                prop_assert_eq!(policy.minimum_for(&local, &remote), slow_decision(minimum, &rules, &local, &remote));
            }
            Err(PolicyError::EqualRank { first, second }) => {
                prop_assert!(first < second);
                prop_assert_eq!(&rules[first].local, &rules[second].local);
                prop_assert_eq!(&rules[first].remote, &rules[second].remote);
            }
        }
        prop_assert_eq!(Policy::new(minimum, rules.clone()).is_err(), has_twins(&rules));
    }

    #[test]
    fn the_order_of_the_rules_means_nothing(
        minimum in any_rung(), rules in any_rules(), local in any_name(), remote in any_name()
    ) {
        let mut turned = rules.clone();
        turned.reverse();
        if let (Ok(policy), Ok(turned_policy)) = (Policy::new(minimum, rules.clone()), Policy::new(minimum, turned)) {
            let (local, remote) = (domain(&local), domain(&remote));
            let decision = policy.minimum_for(&local, &remote);
            let turned_decision = turned_policy.minimum_for(&local, &remote);
            prop_assert_eq!(decision.minimum, turned_decision.minimum);
            prop_assert_eq!(decision.rule, turned_decision.rule.map(|index| rules.len() - 1 - index));
        }
    }
}
