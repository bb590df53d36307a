//! What a scenario lets happen to a kind of peer, held against what did happen. What is left is a fault.

use std::collections::BTreeMap;

use super::said::KindBooks;
use crate::record::Allowed;
use crate::scenario::Peer;

/// What happened to the stanzas of all kinds that were not delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) lost: u64,
    pub(crate) skipped: u64,
    /// Of these, what the scenario allows.
    pub(crate) allowed: Allowed,
    /// Bounces that the scenario does not allow, by kind and condition.
    pub(crate) bounces: BTreeMap<(String, String), u64>,
}

/// Holds the books against the kinds, both in the scenario's order.
pub(crate) fn judge(kinds: &[Peer], books: &[KindBooks]) -> Judgement {
    let mut judgement = Judgement::default();
    for (kind, books) in kinds.iter().zip(books) {
        judgement.lost += books.lost;
        judgement.skipped += books.skipped;
        if kind.may_lose {
            judgement.allowed.lost += books.lost;
        }
        if kind.may_be_refused {
            judgement.allowed.skipped += books.skipped;
        }
        for (condition, count) in &books.bounced {
            if kind.bounces.contains(condition) {
                judgement.allowed.bounced += count;
            } else {
                let key = (kind.name.clone(), condition.clone());
                *judgement.bounces.entry(key).or_default() += count;
            }
        }
    }
    judgement
}

impl Judgement {
    /// Stanzas that met what they should not have met.
    pub(crate) fn unexpected(&self) -> u64 {
        let bounced: u64 = self.bounces.values().sum();
        self.lost - self.allowed.lost + self.skipped - self.allowed.skipped + bounced
    }

    /// The bounces that are faults, in words.
    pub(crate) fn bounce_words(&self) -> Vec<String> {
        let words = |((kind, condition), count): (&(String, String), &u64)| {
            format!("{count} bounced with {condition}, which {kind} peers should not meet")
        };
        self.bounces.iter().map(words).collect()
    }

    /// All faults in words.
    pub(crate) fn words(&self) -> Vec<String> {
        let counted = [
            (self.lost - self.allowed.lost, "lost"),
            (self.skipped - self.allowed.skipped, "not sent because their link was gone"),
        ];
        let counted = counted.iter().filter(|(count, _)| *count > 0);
        let mut words: Vec<_> = counted.map(|(count, what)| format!("{count} {what}")).collect();
        words.extend(self.bounce_words());
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books(bounced: &[(&str, u64)], lost: u64, skipped: u64) -> KindBooks {
        let bounced = bounced.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        KindBooks { bounced, lost, skipped }
    }

    #[test]
    fn without_a_word_everything_but_a_delivery_is_a_fault() {
        let judgement = judge(&[Peer::named("trusted")], &[books(&[("gone", 2)], 3, 4)]);
        assert_eq!(judgement.unexpected(), 9);
        assert_eq!(
            judgement.words(),
            [
                "3 lost",
                "4 not sent because their link was gone",
                "2 bounced with gone, which trusted peers should not meet"
            ]
        );
        assert_eq!(judgement.allowed, Allowed::default());
    }

    #[test]
    fn each_kind_is_allowed_what_it_says_and_no_more() {
        let mut refused = Peer::named("refused");
        refused.may_be_refused = true;
        refused.bounces = vec!["policy-violation".to_owned()];
        let mut lossy = Peer::named("lossy");
        lossy.may_lose = true;
        let kinds = [refused, lossy, Peer::named("trusted")];
        let all = [
            books(&[("policy-violation", 5), ("gone", 1)], 0, 7),
            books(&[], 11, 0),
            books(&[], 0, 0),
        ];
        let judgement = judge(&kinds, &all);
        assert_eq!(judgement.allowed, Allowed { lost: 11, skipped: 7, bounced: 5 });
        assert_eq!(judgement.words(), ["1 bounced with gone, which refused peers should not meet"]);
        // The same to another kind is a fault.
        let [one, two, three] = all;
        let judgement = judge(&kinds, &[three, one, two]);
        assert_eq!(judgement.unexpected(), 5 + 1 + 7 + 11);
    }
}
