//! Requests that were asked and not yet answered.
//!
//! XEP-0220 §4.1 (and the notice of August 2012): an answer counts only when the same stream asked for exactly this. The
//! table belongs to one stream and is keyed by kind, both full domains and the id; whatever is not in it is dropped.

use xmpp_addr::DomainPair;

use crate::time::Millis;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `<db:result/>` for this pair.
    Result(DomainPair),
    /// `<db:verify/>` for this pair with this id.
    Verify(DomainPair, Box<str>),
}

#[derive(Clone, Debug)]
struct Entry<T> {
    asked: Asked,
    until: Millis,
    more: T,
}

/// The open requests of one stream, at most as many as the caller allows.
#[derive(Clone, Debug)]
pub(crate) struct Pending<T> {
    entries: Vec<Entry<T>>,
}

impl<T> Pending<T> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn contains(&self, asked: &Asked) -> bool {
        self.entries.iter().any(|entry| entry.asked == *asked)
    }

    /// What is remembered of a request that is open.
    pub(crate) fn find_mut(&mut self, asked: &Asked) -> Option<&mut T> {
        let entry = self.entries.iter_mut().find(|entry| entry.asked == *asked)?;
        Some(&mut entry.more)
    }

    pub(crate) fn any(&self, is_wanted: impl Fn(&Asked) -> bool) -> bool {
        self.entries.iter().any(|entry| is_wanted(&entry.asked))
    }

    pub(crate) fn insert(&mut self, asked: Asked, until: Millis, more: T) {
        self.entries.push(Entry { asked, until, more });
    }

    /// The request an answer belongs to; it is answered now.
    pub(crate) fn take(&mut self, asked: &Asked) -> Option<T> {
        let index = self.entries.iter().position(|entry| entry.asked == *asked)?;
        Some(self.entries.swap_remove(index).more)
    }

    /// A request whose time is over.
    pub(crate) fn take_expired(&mut self, now: Millis) -> Option<(Asked, T)> {
        let index = self.entries.iter().position(|entry| entry.until <= now)?;
        let entry = self.entries.swap_remove(index);
        Some((entry.asked, entry.more))
    }

    /// Any one request; for the end of the stream.
    pub(crate) fn take_any(&mut self) -> Option<(Asked, T)> {
        self.entries.pop().map(|entry| (entry.asked, entry.more))
    }

    /// When the first request expires.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.entries.iter().map(|entry| entry.until).min()
    }
}
