//! What the router counts.

/// Why a parcel was dropped. Stanzas are dropped only where RFC 6120 §8.3.1 forbids or the limits forgo an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// An error or a result that could not be delivered: never answered with an error.
    MustNotBounce,
    /// A bounce that could not be delivered.
    UndeliverableBounce,
    /// The error would be longer than [`Bounce::BYTES_MAX`](crate::Bounce::BYTES_MAX): the stanza has an absurd id.
    BounceTooLong,
    /// The bounce of a presence, beyond the rate for its sender domain.
    PresenceBounceRate,
}

/// Plain counters of one router since it was made.
///
/// At every moment `routed + returned = sent + forwarded + bounced + dropped() + queued`, where `queued` is the number of
/// parcels waiting now ([`Snapshot::queued`]). Every bounce made counts as routed too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Parcels that came in by `route`, and bounces made here.
    pub routed: u64,
    /// Parcels that came back unsent from a link or a mailbox.
    pub returned: u64,
    /// Of these, larger than the peer announced to take.
    pub too_big: u64,
    /// Parcels given to a link of this shard.
    pub sent: u64,
    /// Parcels given to another shard.
    pub forwarded: u64,
    /// Stanzas answered with an error.
    pub bounced: u64,
    /// See [`DropReason::MustNotBounce`].
    pub dropped_must_not_bounce: u64,
    /// See [`DropReason::UndeliverableBounce`].
    pub dropped_bounces: u64,
    /// See [`DropReason::BounceTooLong`].
    pub dropped_bounce_too_long: u64,
    /// See [`DropReason::PresenceBounceRate`].
    pub dropped_presence_bounces: u64,
    /// Verifications asked for.
    pub tickets_asked: u64,
    /// Verifications answered.
    pub tickets_answered: u64,
    /// Of these, refused because of a bound.
    pub tickets_over_bound: u64,
    /// Of these, answered from the memory of refusals or of unreachable peers.
    pub tickets_from_cache: u64,
    /// Look-ups asked for.
    pub resolves: u64,
    /// Look-ups saved by the cache.
    pub discoveries_from_cache: u64,
    /// Connections asked for.
    pub connects: u64,
    /// Pairs that became authorised.
    pub established: u64,
    /// Lanes whose links were closed because the backend had as many as it may have.
    pub lanes_evicted: u64,
    /// Times a slot began to send on a link that the remote server had opened (XEP-0288).
    pub borrowed: u64,
    /// Attempts given up.
    pub gave_up: u64,
    /// Slots evicted to make room.
    pub slots_evicted: u64,
}

impl Counters {
    /// Parcels dropped, for every reason.
    pub fn dropped(&self) -> u64 {
        self.dropped_must_not_bounce
            + self.dropped_bounces
            + self.dropped_bounce_too_long
            + self.dropped_presence_bounces
    }

    pub(crate) fn drop_one(&mut self, why: DropReason) {
        match why {
            DropReason::MustNotBounce => self.dropped_must_not_bounce += 1,
            DropReason::UndeliverableBounce => self.dropped_bounces += 1,
            DropReason::BounceTooLong => self.dropped_bounce_too_long += 1,
            DropReason::PresenceBounceRate => self.dropped_presence_bounces += 1,
        }
    }
}

/// Counters and levels of one router at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What was counted so far.
    pub counters: Counters,
    /// Slots that wait for nothing.
    pub slots_idle: usize,
    /// Slots that wait for DNS.
    pub slots_resolving: usize,
    /// Slots that wait for a transport.
    pub slots_connecting: usize,
    /// Slots with a link on which the pair is not authorised (yet).
    pub slots_verifying: usize,
    /// Slots with a link that takes stanzas.
    pub slots_established: usize,
    /// Slots whose link is closing.
    pub slots_closing: usize,
    /// Slots that rest after a failure.
    pub slots_cooling_down: usize,
    /// Lanes to backends.
    pub lanes: usize,
    /// Of these, lanes with a link.
    pub lanes_open: usize,
    /// Pairs that may send on them.
    pub lane_pairs: usize,
    /// Parcels waiting.
    pub queued: usize,
    /// Their bytes.
    pub queued_bytes: usize,
    /// Verifications pending.
    pub tickets: usize,
}
