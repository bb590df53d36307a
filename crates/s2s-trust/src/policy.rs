//! The minimum rung for a domain pair.

use std::collections::BTreeMap;
use std::fmt;

use xmpp_addr::{Domain, DomainPattern};

use crate::rung::Rung;

/// A minimum for the pairs of some local and some remote domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Hosted domains the rule is for.
    pub local: DomainPattern,
    /// Remote domains the rule is for.
    pub remote: DomainPattern,
    /// What they must reach.
    pub minimum: Rung,
}

/// The minimum for one pair, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What the pair must reach.
    pub minimum: Rung,
    /// The index of the rule that decided, in the order given to [`Policy::new`]; `None`: the general minimum.
    pub rule: Option<usize>,
}

/// The minimum rung by (local, remote) pair.
///
/// The most specific rule wins: first by how narrowly it names the remote domain, then the local one. A name is narrower
/// than `*.name`, which is narrower the more labels it has, and `*` is the widest ([`DomainPattern::specificity`]). The
/// remote side comes first because a rule is mostly an exception for one peer, and it should hold for all of the
/// operator's domains until he says otherwise. The order of the rules means nothing.
///
/// Direction does not matter: the same minimum holds for streams to and from the remote domain.
#[derive(Clone, Debug)]
pub struct Policy {
    minimum: Rung,
    rules: Vec<Rule>,
    /// Rules by remote pattern; the indices of each list go from the narrowest local pattern to the widest.
    exact: BTreeMap<Domain, Vec<usize>>,
    below: BTreeMap<Domain, Vec<usize>>,
    any: Vec<usize>,
}

impl Policy {
    /// A policy from the general minimum and the rules that differ from it.
    ///
    /// # Errors
    /// When two rules for one pair would have the same rank, whatever their minimum: one of them is not what somebody meant.
    pub fn new(minimum: Rung, rules: Vec<Rule>) -> Result<Self, PolicyError> {
        let mut policy = Self {
            minimum,
            rules: Vec::new(),
            exact: BTreeMap::new(),
            below: BTreeMap::new(),
            any: Vec::new(),
        };
        for (index, rule) in rules.iter().enumerate() {
            let list = match &rule.remote {
                DomainPattern::Exact(domain) => policy.exact.entry(domain.clone()).or_default(),
                DomainPattern::Below(domain) => policy.below.entry(domain.clone()).or_default(),
                DomainPattern::Any => &mut policy.any,
            };
            list.push(index);
        }
        policy.rules = rules;
        let Self { rules, exact, below, any, .. } = &mut policy;
        for list in exact.values_mut().chain(below.values_mut()).chain([any]) {
            sort_by_local(list, rules)?;
        }
        Ok(policy)
    }

    /// The minimum for a pair. Costs one look-up for each label of the remote domain, and a scan of the rules with that
    /// remote pattern.
    pub fn minimum_for(&self, local: &Domain, remote: &Domain) -> Decision {
        let exact = self.exact.get(remote);
        let mut lists = exact.into_iter().chain(self.wildcards_over(remote)).chain([&self.any]);
        let narrowest = lists.find_map(|list| self.narrowest_local(list, local));
        narrowest.unwrap_or(Decision { minimum: self.minimum, rule: None })
    }

    /// The minimum where no rule applies.
    pub const fn general_minimum(&self) -> Rung {
        self.minimum
    }

    /// The rules, in the order given.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Every place where nothing needs to be proved: the general minimum (`rule` is `None`) and rules. To be reported at
    /// start, because the promiscuous rung is never reached silently.
    pub fn promiscuous(&self) -> impl Iterator<Item = Decision> + '_ {
        let general = Decision { minimum: self.minimum, rule: None };
        let rules = self.rules.iter().enumerate();
        let rules =
            rules.map(|(index, rule)| Decision { minimum: rule.minimum, rule: Some(index) });
        [general].into_iter().chain(rules).filter(|decision| decision.minimum == Rung::Promiscuous)
    }

    /// The rules of the wildcards that reach this domain, from the longest to the shortest.
    fn wildcards_over<'a>(&'a self, remote: &'a Domain) -> impl Iterator<Item = &'a Vec<usize>> {
        let parents = std::iter::successors(remote.parent(), |name| {
            name.split_once('.').map(|(_, parent)| parent)
        });
        parents.filter_map(|parent| self.below.get(parent))
    }

    fn narrowest_local(&self, list: &[usize], local: &Domain) -> Option<Decision> {
        list.iter().find_map(|&index| {
            let rule = self.rules.get(index)?;
            rule.local
                .matches(local)
                .then_some(Decision { minimum: rule.minimum, rule: Some(index) })
        })
    }
}

/// Sorts rules with one remote pattern by their local pattern, narrowest first, and finds those of equal rank.
///
/// Two local patterns of equal specificity that match one domain are the same pattern, so only neighbours after a sort by
/// the text can be in each other's way.
fn sort_by_local(list: &mut [usize], rules: &[Rule]) -> Result<(), PolicyError> {
    let rank = |index: &usize| {
        rules.get(*index).map(|rule| {
            (std::cmp::Reverse(rule.local.specificity()), rule.local.to_string(), *index)
        })
    };
    list.sort_by_cached_key(rank);
    for (first, second) in list.iter().zip(list.iter().skip(1)) {
        if rules.get(*first).map(|rule| &rule.local) == rules.get(*second).map(|rule| &rule.local) {
            return Err(PolicyError::EqualRank { first: *first, second: *second });
        }
    }
    Ok(())
}

/// Why rules make no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// Two rules have the same local and the same remote pattern. Indices count from 0; the text counts from 1.
    EqualRank {
        /// The earlier rule.
        first: usize,
        /// The later rule.
        second: usize,
    },
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::EqualRank { first, second } = self;
        write!(f, "rules {} and {} are for the same domains: remove one", first + 1, second + 1)
    }
}

impl std::error::Error for PolicyError {}

#[cfg(test)]
mod tests;
