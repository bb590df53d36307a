//! What waits in a slot, and the sum over all slots.

use std::collections::VecDeque;

use s2s_proto::Millis;

use crate::config::RouteLimits;
use crate::parcel::Parcel;

/// Bookkeeping counted for each waiting parcel, in bytes: the bounds on bytes hold for many small parcels too.
pub(crate) const OVERHEAD_BYTES: usize = 256;

/// Parcels waiting for one slot's link, in order.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

/// A parcel and until when it may wait. Times never decrease from front to back.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) parcel: Parcel,
    pub(crate) until: Millis,
}

/// What waits in all queues of the shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) parcels: usize,
    pub(crate) bytes: usize,
}

impl Queue {
    /// Appends a parcel, copied out of its read block: a 300-byte stanza must not keep 64 KiB alive while it waits.
    ///
    /// Hands it back, uncopied, when a bound of the slot or of the shard is reached.
    #[must_use]
    pub(crate) fn push(
        &mut self,
        waiting: Waiting,
        limits: &RouteLimits,
        total: &mut Total,
    ) -> Option<Waiting> {
        let cost = cost(&waiting.parcel);
        if self.waiting.len() >= limits.queue_parcels
            || self.bytes + cost > limits.queue_bytes
            || total.bytes + cost > limits.queue_total_bytes
        {
            return Some(waiting);
        }
        self.add(Waiting { parcel: waiting.parcel.detached(), until: waiting.until }, total);
        None
    }

    fn add(&mut self, waiting: Waiting, total: &mut Total) {
        let cost = cost(&waiting.parcel);
        self.bytes += cost;
        total.bytes += cost;
        total.parcels += 1;
        self.waiting.push_back(waiting);
    }

    pub(crate) fn pop(&mut self, total: &mut Total) -> Option<Waiting> {
        let first = self.waiting.pop_front()?;
        let cost = cost(&first.parcel);
        self.bytes = self.bytes.saturating_sub(cost);
        total.bytes = total.bytes.saturating_sub(cost);
        total.parcels = total.parcels.saturating_sub(1);
        Some(first)
    }

    /// The first parcel, if its time is over.
    pub(crate) fn pop_expired(&mut self, now: Millis, total: &mut Total) -> Option<Parcel> {
        if self.until()? > now {
            return None;
        }
        self.pop(total).map(|waiting| waiting.parcel)
    }

    /// Bytes of the first parcel.
    pub(crate) fn first_len(&self) -> Option<usize> {
        self.waiting.front().map(|first| first.parcel.len())
    }

    /// Everything, in order.
    pub(crate) fn take(&mut self, total: &mut Total) -> Vec<Waiting> {
        std::iter::from_fn(|| self.pop(total)).collect()
    }

    /// Everything but the errors that we made, in order.
    pub(crate) fn take_stanzas(&mut self, total: &mut Total) -> Vec<Waiting> {
        let is_bounce = |waiting: &Waiting| matches!(waiting.parcel, Parcel::Bounce(_));
        let (bounces, stanzas): (Vec<_>, Vec<_>) =
            self.take(total).into_iter().partition(is_bounce);
        for bounce in bounces {
            self.add(bounce, total);
        }
        stanzas
    }

    /// Until when the first parcel may wait.
    pub(crate) fn until(&self) -> Option<Millis> {
        self.waiting.front().map(|first| first.until)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

fn cost(parcel: &Parcel) -> usize {
    parcel.len() + OVERHEAD_BYTES
}
