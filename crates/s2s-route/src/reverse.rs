//! Links that a remote server opened and on which we may send to it too (XEP-0288).
//!
//! Kept by pair, beside the slots and not in them: who multiplexes many domains over one stream makes an entry here for each
//! pair it proved, and none of them costs another pair its slot.

use hashbrown::HashMap;
use xmpp_addr::DomainPair;

use crate::ids::LinkId;
use crate::slot::Borrowed;

/// Which links may be used for a pair, (local, remote), and the pairs of each link.
#[derive(Debug, Default)]
pub(crate) struct ReverseLinks {
    /// In the order they were authorised. The first one is used until it ends, so that order holds, also where the slot that
    /// used it was forgotten meanwhile.
    by_pair: HashMap<DomainPair, Vec<Lent>>,
    by_link: HashMap<LinkId, Vec<DomainPair>>,
}

#[derive(Debug)]
struct Lent {
    link: LinkId,
    /// It may still hold stanzas of the pair.
    used: bool,
    withdrawn: bool,
}

impl ReverseLinks {
    pub(crate) fn authorize(&mut self, pair: &DomainPair, link: LinkId) {
        let links = self.by_pair.entry(pair.clone()).or_default();
        if links.iter().all(|lent| lent.link != link) {
            links.push(Lent { link, used: false, withdrawn: false });
            self.by_link.entry(link).or_default().push(pair.clone());
        }
    }

    /// The link to use for the pair, or to wait for.
    pub(crate) fn borrow(&mut self, pair: &DomainPair) -> Option<Borrowed> {
        let lent = self.by_pair.get_mut(pair)?.first_mut()?;
        lent.used = true;
        Some(match lent.withdrawn {
            false => Borrowed::Open(lent.link),
            true => Borrowed::Closing(lent.link),
        })
    }

    /// The link is not to be used for the pair any longer; whether it is to be closed, because it was.
    pub(crate) fn withdraw(&mut self, pair: &DomainPair, link: LinkId) -> bool {
        let links = self.by_pair.get_mut(pair);
        let Some(lent) = links.and_then(|links| links.iter_mut().find(|lent| lent.link == link))
        else {
            return false;
        };
        if lent.used {
            return !std::mem::replace(&mut lent.withdrawn, true);
        }
        self.forget(pair, link);
        if let Some(pairs) = self.by_link.get_mut(&link)
            && let Some(place) = pairs.iter().position(|other| other == pair)
        {
            pairs.swap_remove(place);
        }
        false
    }

    /// The link has ended; the pairs it could be used for.
    pub(crate) fn remove(&mut self, link: LinkId) -> Vec<DomainPair> {
        let pairs = self.by_link.remove(&link).unwrap_or_default();
        for pair in &pairs {
            self.forget(pair, link);
        }
        pairs
    }

    fn forget(&mut self, pair: &DomainPair, link: LinkId) {
        if let Some(links) = self.by_pair.get_mut(pair) {
            links.retain(|lent| lent.link != link);
            if links.is_empty() {
                self.by_pair.remove(pair);
            }
        }
    }
}
