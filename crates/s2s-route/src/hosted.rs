//! The hosted domains and the component links attached to them.

use hashbrown::HashMap;
use xmpp_addr::{Domain, DomainPair, DomainPattern};

use crate::action::Attachment;
use crate::config::{BackendRoute, HostedEntry, HostedKind};
use crate::ids::LinkId;
use crate::random::mix;

/// Answers, for a domain, whether it is hosted and by which link a sender's stanzas go.
///
/// The most specific hosted entry decides. Only attachments at least as specific as that entry serve it: a component on
/// `*.capulet.example` gets nothing for `chat.capulet.example` when that has an entry of its own.
#[derive(Debug, Default)]
pub(crate) struct Hosted {
    entries: Table<HostedKind>,
    attached: Table<Vec<LinkId>>,
}

/// Where the stanzas for a domain go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not hosted.
    Remote,
    /// To this link.
    Link(LinkId),
    /// To a server of the operator's own.
    Backend(BackendRoute),
    /// Hosted, but nothing serves it at present.
    Down,
}

impl Hosted {
    pub(crate) fn new(entries: &[HostedEntry]) -> Hosted {
        let mut hosted = Hosted::default();
        hosted.set_entries(entries);
        hosted
    }

    /// Replaces the entries; attachments stay.
    pub(crate) fn set_entries(&mut self, entries: &[HostedEntry]) {
        self.entries = Table::default();
        for entry in entries {
            *self.entries.place(&entry.pattern, entry.kind) = entry.kind;
        }
    }

    pub(crate) fn covers(&self, domain: &Domain) -> bool {
        self.entries.find(domain).is_some()
    }

    /// The server that serves the domain, if it is one of the operator's own.
    pub(crate) fn backend(&self, domain: &Domain) -> Option<BackendRoute> {
        match self.entries.find(domain)? {
            (_, HostedKind::Backend(backend)) => Some(*backend),
            (_, HostedKind::Component) => None,
        }
    }

    /// Whether both ends of a pair for this backend are its own, since a reload: it delivers between them itself, and would be
    /// right to end a stream on which we speak in its own name.
    pub(crate) fn is_within_one_server(&self, backend: BackendRoute, pair: &DomainPair) -> bool {
        self.backend(pair.sender()).is_some_and(|sender| sender.address == backend.address)
    }

    pub(crate) fn attach(&mut self, attachment: &Attachment) {
        let links = self.attached.place(&attachment.pattern, Vec::new());
        if !links.contains(&attachment.link) {
            links.push(attachment.link);
        }
    }

    pub(crate) fn detach(&mut self, link: LinkId) {
        self.attached.retain(|links| {
            links.retain(|attached| *attached != link);
            !links.is_empty()
        });
    }

    /// Where parcels of the sender with this hash go for `domain`.
    ///
    /// Of several links the one with the highest score for this sender is chosen ("rendezvous hashing"): all shards choose
    /// alike whatever the order of attaching, a link that goes moves only its own senders and one that comes takes only
    /// those that become its own.
    pub(crate) fn find(&self, domain: &Domain, sender_hash: impl FnOnce() -> u64) -> Place {
        let Some((entry, kind)) = self.entries.find(domain) else { return Place::Remote };
        if let HostedKind::Backend(backend) = kind {
            return Place::Backend(*backend);
        }
        let links = match self.attached.find(domain) {
            Some((attached, links)) if attached >= entry => links.as_slice(),
            _ => &[],
        };
        match links {
            [] => Place::Down,
            [link] => Place::Link(*link),
            links => {
                let sender = sender_hash();
                links
                    .iter()
                    .max_by_key(|link| (score(sender, **link), **link))
                    .map_or(Place::Down, |link| Place::Link(*link))
            }
        }
    }
}

fn score(sender: u64, link: LinkId) -> u64 {
    let name = u64::from(link.generation) << 32 | u64::from(link.index);
    mix(sender ^ mix(name ^ u64::from(link.shard.0).rotate_left(24)))
}

/// Values by domain pattern: exact ones by hash, the few wide ones in a list, narrowest first.
#[derive(Debug)]
struct Table<V> {
    exact: HashMap<Domain, V>,
    wide: Vec<(DomainPattern, V)>,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Table { exact: HashMap::new(), wide: Vec::new() }
    }
}

/// The specificity of every exact pattern.
const EXACT: u32 = u32::MAX;

impl<V> Table<V> {
    fn find(&self, domain: &Domain) -> Option<(u32, &V)> {
        if let Some(value) = self.exact.get(domain) {
            return Some((EXACT, value));
        }
        let (pattern, value) = self.wide.iter().find(|(pattern, _)| pattern.matches(domain))?;
        Some((pattern.specificity(), value))
    }

    /// The value of a pattern; `new` when it had none.
    fn place(&mut self, pattern: &DomainPattern, new: V) -> &mut V {
        if let DomainPattern::Exact(domain) = pattern {
            return self.exact.entry(domain.clone()).or_insert(new);
        }
        let at = self.wide.iter().position(|(known, _)| known == pattern).unwrap_or_else(|| {
            let at = self
                .wide
                .partition_point(|(known, _)| known.specificity() >= pattern.specificity());
            self.wide.insert(at, (pattern.clone(), new));
            at
        });
        // `at` was just found or inserted.
        #[expect(clippy::indexing_slicing)]
        &mut self.wide[at].1
    }

    fn retain(&mut self, mut keep: impl FnMut(&mut V) -> bool) {
        self.exact.retain(|_, value| keep(value));
        self.wide.retain_mut(|(_, value)| keep(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ShardId;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    fn pattern(text: &str) -> DomainPattern {
        DomainPattern::parse(text).unwrap()
    }

    fn link(index: u32) -> LinkId {
        LinkId { shard: ShardId((index % 2) as u16), index, generation: 1 }
    }

    fn attach(hosted: &mut Hosted, text: &str, index: u32) {
        hosted.attach(&Attachment { pattern: pattern(text), link: link(index) });
    }

    fn hosting(patterns: &[&str]) -> Hosted {
        let entry =
            |text: &&str| HostedEntry { pattern: pattern(text), kind: HostedKind::Component };
        Hosted::new(&patterns.iter().map(entry).collect::<Vec<_>>())
    }

    #[test]
    fn the_most_specific_entry_decides() {
        let mut hosted =
            hosting(&["*.capulet.example", "chat.capulet.example", "*.deep.capulet.example"]);
        attach(&mut hosted, "*.capulet.example", 1);
        assert_eq!(hosted.find(&domain("muc.capulet.example"), || 0), Place::Link(link(1)));
        assert_eq!(hosted.find(&domain("chat.capulet.example"), || 0), Place::Down);
        assert_eq!(hosted.find(&domain("a.deep.capulet.example"), || 0), Place::Down);
        assert_eq!(hosted.find(&domain("capulet.example"), || 0), Place::Remote);
        attach(&mut hosted, "chat.capulet.example", 2);
        attach(&mut hosted, "*.deep.capulet.example", 3);
        assert_eq!(hosted.find(&domain("chat.capulet.example"), || 0), Place::Link(link(2)));
        assert_eq!(hosted.find(&domain("a.deep.capulet.example"), || 0), Place::Link(link(3)));
    }

    #[test]
    fn one_name_below_a_wildcard_may_attach_alone() {
        let mut hosted = hosting(&["*.capulet.example"]);
        attach(&mut hosted, "a.capulet.example", 1);
        assert_eq!(hosted.find(&domain("a.capulet.example"), || 0), Place::Link(link(1)));
        assert_eq!(hosted.find(&domain("b.capulet.example"), || 0), Place::Down);
    }

    #[test]
    fn an_attachment_without_an_entry_serves_nothing() {
        let mut hosted = hosting(&["capulet.example"]);
        attach(&mut hosted, "montague.example", 1);
        assert_eq!(hosted.find(&domain("montague.example"), || 0), Place::Remote);
    }

    #[test]
    fn senders_are_spread_and_stay_where_they_are() {
        let mut hosted = hosting(&["capulet.example"]);
        let to = domain("capulet.example");
        for index in 0..3 {
            attach(&mut hosted, "capulet.example", index);
        }
        let before: Vec<Place> = (0..3_000).map(|sender| hosted.find(&to, || sender)).collect();
        for index in 0..3 {
            let share = before.iter().filter(|place| **place == Place::Link(link(index))).count();
            assert!((800..1_200).contains(&share), "link {index} got {share}");
        }
        hosted.detach(link(1));
        for (sender, old) in (0..).zip(&before) {
            if *old != Place::Link(link(1)) {
                assert_eq!(hosted.find(&to, || sender), *old);
            }
        }
        // A table that learnt of the links in another order chooses alike.
        let mut other = hosting(&["capulet.example"]);
        attach(&mut other, "capulet.example", 2);
        attach(&mut other, "capulet.example", 0);
        assert!((0..100).all(|sender| other.find(&to, || sender) == hosted.find(&to, || sender)));
    }
}
