//! The link budget: how many links a shard may hold, and who goes when one more comes.
//!
//! Descriptors are finite and a stranger costs one before it has said anything. Two ways to make
//! room, so that neither strangers push out peers nor many idle peers keep out a new one:
//! - strangers (accepted, nothing proved yet) above a quarter of the budget: the oldest of them
//!   goes. A negotiation takes well under a second, a flood has to be faster than a quarter of the
//!   budget in that time to push out an honest newcomer;
//! - else the least recently used link at rest goes; only when there is none, the oldest stranger.
//!
//! A link that was asked to go takes a moment; meanwhile the budget is exceeded, by an eighth at
//! most.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::rc::Rc;

use s2s_proto::{Millis, StreamCondition, StreamError};
use s2s_route::LinkId;

use crate::link::{Link, LinkState};
use crate::shard::Shard;

/// What part of the budget strangers may hold while peers wait, and connection attempts of ours.
const STRANGERS: usize = 4;
const ATTEMPTS: usize = 2;
const EXCESS: usize = 8;

/// Entries of links that are strangers no more, which the queue may hold before it is cleared.
const QUEUE_SLACK: usize = 64;

/// Strangers, and connection attempts, which are not links yet.
#[derive(Default)]
pub(crate) struct Room {
    /// In the order they came; those that are none any more are skipped.
    newcomers: VecDeque<LinkId>,
    strangers: usize,
    attempts: usize,
}

/// When a link was seen used; the earliest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Used {
    pub(crate) at: u64,
    pub(crate) id: LinkId,
}

/// A connection attempt, counted while it lasts: it holds a descriptor but is not a link yet.
pub(crate) struct Attempt(Rc<Shard>);

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.room.borrow_mut().attempts -= 1;
    }
}

impl Shard {
    /// This shard's part of the budget.
    fn share(&self) -> usize {
        let links = self.live.borrow().settings.limits.links;
        (links / usize::from(self.common.shards.max(1))).max(1)
    }

    /// Counts one connection attempt; `None` when too many are under way.
    pub(crate) fn attempt(self: &Rc<Self>) -> Option<Attempt> {
        let mut room = self.room.borrow_mut();
        if room.attempts > self.share() / ATTEMPTS {
            return None;
        }
        room.attempts += 1;
        Some(Attempt(Rc::clone(self)))
    }

    /// A link was accepted.
    pub(crate) fn watch_newcomer(&self, link: &Link) {
        link.state.borrow_mut().newcomer = true;
        let mut room = self.room.borrow_mut();
        room.newcomers.push_back(link.id);
        room.strangers += 1;
        if room.newcomers.len() > 2 * self.links.borrow().len() + QUEUE_SLACK {
            room.newcomers.retain(|id| self.newcomer(*id).is_some());
        }
    }

    /// A link proved a pair, or ends.
    pub(crate) fn unwatch(&self, state: &mut LinkState) {
        if std::mem::replace(&mut state.newcomer, false) {
            self.room.borrow_mut().strangers -= 1;
        }
    }

    fn newcomer(&self, id: LinkId) -> Option<Rc<Link>> {
        self.link(id).filter(|link| link.state.borrow().newcomer)
    }

    /// Makes room for one more link; false when there is none.
    pub(crate) fn make_room(self: &Rc<Self>, now: Millis) -> bool {
        let share = self.share();
        let held = self.links.borrow().len() + self.room.borrow().attempts;
        if held < share {
            return true;
        }
        let strangers = self.room.borrow().strangers;
        if strangers > share / STRANGERS && self.evict_stranger(now) {
            return true;
        }
        // What was asked to go before still holds its descriptor.
        if held > share + share / EXCESS {
            return self.evict_stranger(now);
        }
        self.close_least_used(now) || self.evict_stranger(now)
    }

    /// Closes the oldest link that has proved nothing.
    fn evict_stranger(self: &Rc<Self>, now: Millis) -> bool {
        loop {
            let next = self.room.borrow_mut().newcomers.pop_front();
            let Some(id) = next else { return false };
            let Some(link) = self.newcomer(id) else { continue };
            self.count(|counters| counters.closed_for_room += 1);
            {
                let state = &mut *link.state.borrow_mut();
                self.unwatch(state);
                state.evicted = true;
                if state.write_since.is_some() || state.linger_until.is_some() {
                    // It does not read either, or only its own last bytes are waited for.
                    link.socket.shutdown();
                }
            }
            // RFC 6120 §4.9.3.17: the server lacks the resources to service the stream.
            let error = StreamError::new(StreamCondition::ResourceConstraint);
            self.tell(&link, now, |stream| stream.fail(now, error));
            return true;
        }
    }

    /// Closes the least recently used link at rest.
    fn close_least_used(self: &Rc<Self>, now: Millis) -> bool {
        // Each candidate is met twice at most: with an old time, then with its true one.
        let candidates = self.by_use.borrow().len();
        for _ in 0..2 * candidates {
            let next = self.by_use.borrow_mut().pop();
            let Some(Reverse(seen)) = next else { break };
            let Some(link) = self.link(seen.id) else { continue };
            let (used, at_rest) = {
                let state = link.state.borrow();
                let leaving = state.closing.is_some() || state.closed_by_us;
                let at_rest = state.is_at_rest(now) && !leaving && state.has_proved_a_pair();
                (state.last_used.0, at_rest)
            };
            if used > seen.at || !at_rest {
                // What is not at rest is in use now.
                let at = if at_rest { used } else { now.0 };
                self.by_use.borrow_mut().push(Reverse(Used { at, id: seen.id }));
                continue;
            }
            self.count(|counters| counters.closed_for_room += 1);
            self.close_politely(&link, now);
            return true;
        }
        false
    }
}
