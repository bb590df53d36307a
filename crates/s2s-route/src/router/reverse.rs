//! Slots whose stanzas leave on a link that the remote server opened (XEP-0288).
//!
//! Such a link is borrowed, beside what the slot does itself: its own link, if it has one, goes on serving verifications, which
//! are never asked on a borrowed one. A slot borrows while nothing of its own carries, or is about to carry, its stanzas; what
//! it began to send on, it sends on, so order holds and two links opened at the same moment both stay.

use hashbrown::HashMap;
use s2s_proto::Millis;
use xmpp_addr::DomainPair;

use super::{Router, Stage};
use crate::action::Action;
use crate::ids::LinkId;
use crate::parcel::Parcel;
use crate::slot::{Authorize, Borrowed, State, Verifying};

impl Router {
    /// On this link, which a remote server opened, stanzas of the pair, (local, remote), may be sent too. A link of another
    /// shard than the one that owns the remote domain is not used so: the slot could not keep order with it.
    pub fn reverse_authorized(
        &mut self,
        now: Millis,
        link: LinkId,
        pair: &DomainPair,
        out: &mut Vec<Action>,
    ) {
        let (local, remote) = (pair.sender(), pair.target());
        let is_ours = self.owner(remote.as_str()) == self.shard && link.shard == self.shard;
        if !is_ours || !self.hosted.covers(local) || self.hosted.covers(remote) {
            return;
        }
        self.reverse.authorize(pair, link);
        if let Some(at) = self.slots.find(pair) {
            self.advance(now, at, out);
        }
    }

    /// On this link stanzas of the pair, (local, remote), may no longer be sent. If it was in use, it is closed: what it wrote
    /// must be read before another link takes over. What it was given and has not written is not to be written any more; it
    /// comes back with [`link_closed`](Router::link_closed).
    pub fn reverse_withdrawn(&mut self, link: LinkId, pair: &DomainPair, out: &mut Vec<Action>) {
        if !self.reverse.withdraw(pair, link) {
            return;
        }
        if let Some(slot) = self.slots.find(pair).and_then(|at| self.slots.get_mut(at))
            && slot.borrowed == Some(Borrowed::Open(link))
        {
            slot.borrowed = Some(Borrowed::Closing(link));
        }
        out.push(Action::Close { link });
    }

    /// Borrows a link for the slot's stanzas, if there is one and the slot may use it, and sends what waits: `first`, then the
    /// queue. `first` is left alone otherwise; what waits goes on waiting where a link that was in use has yet to end.
    pub(super) fn borrow_link(
        &mut self,
        at: usize,
        first: &mut Vec<Parcel>,
        out: &mut Vec<Action>,
    ) -> Option<LinkId> {
        if self.stage == Stage::Draining {
            return None;
        }
        let slot = self.slots.get_mut(at)?;
        if slot.borrowed.is_some() || !may_borrow(&slot.state) {
            return None;
        }
        let borrowed = self.reverse.borrow(&slot.pair)?;
        slot.borrowed = Some(borrowed);
        let Borrowed::Open(link) = borrowed else { return None };
        self.counters.borrowed += 1;
        let queued = std::iter::from_fn(|| slot.queue.pop(&mut self.total));
        for parcel in first.drain(..).chain(queued.map(|waiting| waiting.parcel)) {
            self.counters.sent += 1;
            out.push(Action::Send { link, parcel });
        }
        if slot.tickets.is_empty()
            && matches!(slot.state, State::Resolving(_) | State::Connecting(_))
        {
            // What was begun for the stanzas is not needed; a transport that still comes is closed.
            self.slots.forget_resolution(at);
            if let Some(slot) = self.slots.get_mut(at) {
                slot.state = State::Idle;
            }
        }
        self.slots.settle(at);
        Some(link)
    }

    /// A link has ended that slots may have borrowed: what it did not send waits, in front, for the next one. Hands back the
    /// parcels that belong to no such slot.
    pub(super) fn borrowed_closed(
        &mut self,
        now: Millis,
        link: LinkId,
        unsent: Vec<Parcel>,
        out: &mut Vec<Action>,
    ) -> Vec<Parcel> {
        let pairs = self.reverse.remove(link);
        if pairs.is_empty() {
            return unsent;
        }
        let mut given_back: HashMap<DomainPair, Vec<Parcel>> = HashMap::new();
        let mut of_others = Vec::new();
        let mut slots = Vec::new();
        for pair in pairs {
            let Some(at) = self.slots.find(&pair) else { continue };
            let Some(slot) = self.slots.get_mut(at) else { continue };
            if slot.borrowed.is_some_and(|borrowed| borrowed.link() == link) {
                slot.borrowed = None;
                given_back.insert(pair.clone(), Vec::new());
                slots.push((at, pair));
            }
        }
        for parcel in unsent {
            match given_back.get_mut(parcel.pair()) {
                Some(parcels) => parcels.push(parcel),
                None => of_others.push(parcel),
            }
        }
        for (at, pair) in slots {
            let parcels = given_back.remove(&pair).unwrap_or_default();
            self.requeue(now, at, parcels, out);
        }
        of_others
    }
}

/// Nothing of the slot's own carries its stanzas, or was asked to.
fn may_borrow(state: &State) -> bool {
    match state {
        State::Idle
        | State::Resolving(_)
        | State::Connecting(_)
        | State::CoolingDown(_)
        | State::Verifying(Verifying { authorize: Authorize::NotAsked, .. }) => true,
        State::Verifying(_) | State::Established(_) | State::Closing(_) => false,
    }
}
