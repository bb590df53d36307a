//! Outbound slots: the life of one domain pair (local → remote), and the table of them.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use s2s_proto::Millis;
use slab::Slab;
use xmpp_addr::{Domain, DomainPair};

use crate::action::Avoid;
use crate::backoff::Backoff;
use crate::bounce::Undeliverable;
use crate::discovery::Target;
use crate::ids::{AttemptId, LinkId, SlotId};
use crate::queue::Queue;
use crate::verify::Ticket;
use crate::wakes::Wakes;

/// One outbound domain pair: its link, or what is being done to get one, and what waits for it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) id: SlotId,
    /// (local, remote).
    pub(crate) pair: DomainPair,
    pub(crate) state: State,
    /// The link of the remote server's that carries the stanzas, beside what `state` does for the verifications.
    pub(crate) borrowed: Option<Borrowed>,
    pub(crate) queue: Queue,
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) backoff: Backoff,
    /// The peer refused the pair on a working stream: stanzas are refused until then, verifications are not.
    pub(crate) refusal: Option<Refusal>,
    /// Polite ends in a row of links that did not last.
    pub(crate) quick_ends: u8,
    /// The peer refused SASL EXTERNAL once; some close the stream then, so it is not tried again. Or it did not manage both
    /// directions.
    pub(crate) avoid: Avoid,
    wake: Option<Millis>,
    rest: Option<u64>,
}

/// A link that the remote server opened and lends in the other direction (XEP-0288).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Borrowed {
    /// Stanzas go straight to it.
    Open(LinkId),
    /// Its end is awaited. Stanzas wait until then, or they could overtake those still in it.
    Closing(LinkId),
}

impl Borrowed {
    pub(crate) fn link(self) -> LinkId {
        match self {
            Borrowed::Open(link) | Borrowed::Closing(link) => link,
        }
    }
}

/// Why and until when the stanzas of a pair are refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) until: Millis,
    pub(crate) cause: Undeliverable,
}

/// What a slot waits for.
///
/// ```text
///        parcel, ticket          targets            transport             pair authorised
///  Idle ───────────────▶ Resolving ────▶ Connecting ────▶ Verifying ───────────────▶ Established
///   ▲ ▲                      │               │  ▲            │ │                          │
///   │ │ rest is over         ▼               ▼  └────────────┘ │ pair refused      Close, │ polite end:
///   │ └──────────────── CoolingDown ◀────────┴─── next target  ▼                          ▼ new attempt
///   └───────────────────────────────────────────────────── Closing ◀──────────────────────┘
/// ```
#[derive(Debug)]
pub(crate) enum State {
    /// For nothing: no link, nothing waits.
    Idle,
    /// For the look-up of the remote domain.
    Resolving(Resolving),
    /// For a transport.
    Connecting(Connecting),
    /// For the peer to accept the pair; or for nothing, when the link was opened for verifications only.
    Verifying(Verifying),
    /// For nothing: stanzas go straight to the link.
    Established(Established),
    /// For the link to end. A new one is not opened before, or stanzas could overtake those still in the old one.
    Closing(Closing),
    /// For the end of a rest after a failure. Parcels and tickets are refused at once, with the cause of the failure.
    CoolingDown(CoolingDown),
}

#[derive(Debug)]
pub(crate) struct Resolving {
    pub(crate) until: Millis,
}

#[derive(Debug)]
pub(crate) struct Connecting {
    pub(crate) attempt: AttemptId,
    pub(crate) until: Millis,
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug)]
pub(crate) struct Verifying {
    pub(crate) link: LinkId,
    /// Where the link leads.
    pub(crate) target: Target,
    /// Where else to try when it fails.
    pub(crate) others: Vec<Target>,
    pub(crate) authorize: Authorize,
    /// Verifications asked on this link.
    pub(crate) asked: usize,
    /// Verifications answered on this link: one that answered worked.
    pub(crate) answers: u32,
    /// Both directions were agreed on this link.
    pub(crate) bidirectional: bool,
}

impl Verifying {
    /// The peer stumbled here, for the first time, over what can be left out: the same target comes next, without it, whatever
    /// ends this try.
    pub(crate) fn is_to_be_repeated(&self) -> bool {
        self.others.first() == Some(&self.target)
    }
}

#[derive(Debug)]
pub(crate) enum Authorize {
    NotAsked,
    Asked { until: Millis },
}

#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) link: LinkId,
    pub(crate) since: Millis,
}

#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) link: LinkId,
}

#[derive(Debug)]
pub(crate) struct CoolingDown {
    pub(crate) until: Millis,
    pub(crate) cause: Undeliverable,
}

/// What a slot waits for, for people and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotState {
    /// For nothing.
    Idle,
    /// For DNS.
    Resolving,
    /// For a transport.
    Connecting,
    /// For the peer to accept the pair.
    Verifying,
    /// Stanzas flow.
    Established,
    /// For the link to end.
    Closing,
    /// For the end of a rest after this failure.
    CoolingDown(Undeliverable),
}

impl State {
    pub(crate) fn name(&self) -> SlotState {
        match self {
            State::Idle => SlotState::Idle,
            State::Resolving(_) => SlotState::Resolving,
            State::Connecting(_) => SlotState::Connecting,
            State::Verifying(_) => SlotState::Verifying,
            State::Established(_) => SlotState::Established,
            State::Closing(_) => SlotState::Closing,
            State::CoolingDown(rest) => SlotState::CoolingDown(rest.cause),
        }
    }

    pub(crate) fn link(&self) -> Option<LinkId> {
        match self {
            State::Verifying(state) => Some(state.link),
            State::Established(state) => Some(state.link),
            State::Closing(state) => Some(state.link),
            State::Idle | State::Resolving(_) | State::Connecting(_) | State::CoolingDown(_) => {
                None
            }
        }
    }

    /// When this state gives up by itself. The end of a rest needs no timer: the next parcel looks at the time.
    pub(crate) fn until(&self) -> Option<Millis> {
        match self {
            State::Resolving(state) => Some(state.until),
            State::Connecting(state) => Some(state.until),
            State::Verifying(Verifying { authorize: Authorize::Asked { until }, .. }) => {
                Some(*until)
            }
            State::Idle
            | State::Verifying(_)
            | State::Established(_)
            | State::Closing(_)
            | State::CoolingDown(_) => None,
        }
    }
}

impl Slot {
    /// Why a parcel given now is refused at once.
    pub(crate) fn refuses(&self, now: Millis) -> Option<Undeliverable> {
        self.rests(now).or_else(|| {
            self.refusal.filter(|refusal| now < refusal.until).map(|refusal| refusal.cause)
        })
    }

    /// Why nothing is tried now, not even for a verification.
    pub(crate) fn rests(&self, now: Millis) -> Option<Undeliverable> {
        match &self.state {
            State::CoolingDown(rest) if now < rest.until => Some(rest.cause),
            _ => None,
        }
    }

    /// What it waits for; its stanzas decide.
    pub(crate) fn name(&self) -> SlotState {
        match self.borrowed {
            Some(Borrowed::Open(_)) => SlotState::Established,
            Some(Borrowed::Closing(_)) => SlotState::Closing,
            None => self.state.name(),
        }
    }

    /// Whether stanzas wait for a link of the slot's own.
    pub(crate) fn wants_pair(&self) -> bool {
        !self.queue.is_empty() && self.borrowed.is_none()
    }

    /// Whether anything waits for a link of the slot's own.
    pub(crate) fn wants_link(&self) -> bool {
        self.wants_pair() || !self.tickets.is_empty()
    }

    /// A slot that borrows a link may be forgotten too: made anew, it borrows the same one.
    fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Idle | State::CoolingDown(_))
            && self.queue.is_empty()
            && self.tickets.is_empty()
    }

    fn next_wake(&self) -> Option<Millis> {
        let tickets = self.tickets.iter().map(|ticket| ticket.until).min();
        [self.state.until(), self.queue.until(), tickets].into_iter().flatten().min()
    }
}

/// All slots of a shard, found by pair, by link and by what they wait for.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Slab<Slot>,
    by_pair: HashMap<DomainPair, usize>,
    by_link: HashMap<LinkId, usize>,
    /// Who waits for the look-up of a domain, in order of asking.
    resolving: HashMap<Domain, Vec<usize>>,
    wakes: Wakes,
    /// Slots at rest, the one that rests longest first.
    resting: BTreeSet<(u64, usize)>,
    made: u32,
    stamp: u64,
    pub(crate) evicted: u64,
}

impl Slots {
    pub(crate) fn find(&self, pair: &DomainPair) -> Option<usize> {
        self.by_pair.get(pair).copied()
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Slot> {
        self.slots.get(at)
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut Slot> {
        self.slots.get_mut(at)
    }

    /// The slot that waits for this very attempt, and its place.
    pub(crate) fn awaiting(&mut self, attempt: AttemptId) -> Option<(usize, &mut Slot)> {
        let at = usize::try_from(attempt.slot.index).ok()?;
        let slot = self.slots.get_mut(at)?;
        let waits = matches!(&slot.state, State::Connecting(state) if state.attempt == attempt);
        waits.then_some((at, slot))
    }

    pub(crate) fn by_link(&self, link: LinkId) -> Option<usize> {
        self.by_link.get(&link).copied()
    }

    pub(crate) fn link(&mut self, link: LinkId, at: usize) {
        self.by_link.insert(link, at);
    }

    pub(crate) fn unlink(&mut self, link: LinkId) -> Option<usize> {
        self.by_link.remove(&link)
    }

    /// The slot of a pair, made if need be; `None` when the table is full and nothing in it rests.
    pub(crate) fn place(&mut self, pair: &DomainPair, most: usize) -> Option<usize> {
        if let Some(at) = self.find(pair) {
            return Some(at);
        }
        while self.slots.len() >= most.max(1) {
            let (_, oldest) = self.resting.pop_first()?;
            let mut slot = self.slots.try_remove(oldest)?;
            self.by_pair.remove(&slot.pair);
            self.wakes.set(oldest, &mut slot.wake, None);
            self.evicted += 1;
        }
        self.made = self.made.wrapping_add(1);
        let entry = self.slots.vacant_entry();
        let at = entry.key();
        let id = SlotId { index: u32::try_from(at).ok()?, generation: self.made };
        entry.insert(Slot {
            id,
            pair: pair.clone(),
            state: State::Idle,
            borrowed: None,
            queue: Queue::default(),
            tickets: Vec::new(),
            backoff: Backoff::default(),
            refusal: None,
            quick_ends: 0,
            avoid: Avoid::default(),
            wake: None,
            rest: None,
        });
        self.by_pair.insert(pair.clone(), at);
        Some(at)
    }

    /// Puts the slot on the list for a look-up of its remote domain; whether it is the first on it.
    pub(crate) fn await_resolution(&mut self, at: usize) -> bool {
        let Some(slot) = self.slots.get(at) else { return false };
        let list = self.resolving.entry(slot.pair.target().clone()).or_default();
        let first = list.is_empty();
        if !list.contains(&at) {
            list.push(at);
        }
        first
    }

    /// Takes the slot off the list for its look-up: it waits no longer.
    pub(crate) fn forget_resolution(&mut self, at: usize) {
        let Some(slot) = self.slots.get(at) else { return };
        let remote = slot.pair.target();
        if let Some(list) = self.resolving.get_mut(remote) {
            list.retain(|waiting| *waiting != at);
            if list.is_empty() {
                self.resolving.remove(remote);
            }
        }
    }

    /// Those still waiting for the look-up of `remote`.
    pub(crate) fn take_resolving(&mut self, remote: &Domain) -> Vec<usize> {
        let mut list = self.resolving.remove(remote).unwrap_or_default();
        list.retain(|at| {
            let slot = self.slots.get(*at);
            slot.is_some_and(|slot| {
                matches!(slot.state, State::Resolving(_)) && slot.pair.target() == remote
            })
        });
        list
    }

    /// Brings the timers and the list of resting slots up to date. To be called after every change of a slot.
    pub(crate) fn settle(&mut self, at: usize) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        let wake = slot.next_wake();
        self.wakes.set(at, &mut slot.wake, wake);
        match (slot.rest, slot.is_at_rest()) {
            (None, true) => {
                self.stamp += 1;
                slot.rest = Some(self.stamp);
                self.resting.insert((self.stamp, at));
            }
            (Some(stamp), false) => {
                slot.rest = None;
                self.resting.remove(&(stamp, at));
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Millis> {
        self.wakes.next()
    }

    /// A slot whose time has come.
    pub(crate) fn due(&self, now: Millis) -> Option<usize> {
        self.wakes.due(now)
    }

    pub(crate) fn places(&self) -> Vec<usize> {
        self.slots.iter().map(|(at, _)| at).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().map(|(_, slot)| slot)
    }
}
