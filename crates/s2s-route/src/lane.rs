//! Lanes: links to the operator's own servers, and the pairs that share them.
//!
//! A slot belongs to one domain pair and gives up soon: there are many remote servers and most that fail stay away. A lane belongs
//! to a backend that is expected back: what waits for it is kept until its own time is over, and the lane tries again and again
//! meanwhile. Many remote domains share one lane, each proved by itself (XEP-0220 §2.6.1, sender piggybacking). All pairs of a lane
//! have one target, because a server that does not know one target may close the stream for all (XEP-0220 §2.6.2).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use hashbrown::HashSet;
use s2s_proto::Millis;
use xmpp_addr::{Domain, DomainPair};

use crate::backoff::Backoff;
use crate::config::{BackendRoute, RouteLimits, Sharing};
use crate::ids::{LaneId, LinkId};
use crate::parcel::Parcel;
use crate::queue::{Queue, Total, Waiting};
use crate::random::fnv1a;

mod all;

pub(crate) use all::Lanes;

/// Pairs the peer is asked about at one time; the rest is asked as answers come.
const ASKED_MAX: usize = 256;

/// What makes two parcels share a link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LaneKey {
    pub(crate) address: SocketAddr,
    pub(crate) target: Domain,
    share: Share,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Share {
    Number { number: u64, of: u64 },
    Sender(Domain),
}

impl LaneKey {
    pub(crate) fn of(backend: BackendRoute, pair: &DomainPair) -> LaneKey {
        let share = match backend.sharing {
            Sharing::Links(links) => {
                let of = u64::from(links.max(1));
                // Not keyed: a remote domain that chooses the link it shares gains nothing.
                Share::Number { number: fnv1a(pair.sender().as_str().bytes()) % of, of }
            }
            Sharing::None => Share::Sender(pair.sender().clone()),
        };
        LaneKey { address: backend.address, target: pair.target().clone(), share }
    }

    /// Whether parcels for this backend still take lanes of this kind.
    pub(crate) fn suits(&self, backend: BackendRoute) -> bool {
        let shares = match (&self.share, backend.sharing) {
            // With another number of lanes a pair has another lane: what waits must move with it.
            (Share::Number { of, .. }, Sharing::Links(links)) => *of == u64::from(links.max(1)),
            (Share::Sender(_), Sharing::None) => true,
            (Share::Number { .. }, Sharing::None) | (Share::Sender(_), Sharing::Links(_)) => false,
        };
        self.address == backend.address && shares
    }
}

/// One link to a backend, or what is being done to get one, and what waits for it.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) id: LaneId,
    pub(crate) key: LaneKey,
    pub(crate) state: LaneState,
    pub(crate) backoff: Backoff,
    /// A reload left it while it had a link: what the link does not send goes to another lane. See [`Lanes::is_held`].
    pub(crate) is_left: bool,
    /// When a parcel was last sent on its link, or a pair authorised there.
    pub(crate) last_used: Millis,
    /// Pairs that may send on the link as it stands.
    pub(crate) authorized: HashSet<DomainPair>,
    /// In an order of its own: the same calls give the same actions.
    pub(crate) waiting: BTreeMap<DomainPair, Petition>,
    /// Those of `waiting` that were not asked on the link as it stands, in order; it may name some that wait no longer.
    pub(crate) unasked: VecDeque<DomainPair>,
    /// How many of `waiting` were.
    pub(crate) asked: usize,
    /// Those of `waiting` that are authorised, in order; it may name some that wait no longer. Their parcels leave as the link has
    /// room: the router waits for that while this is not empty.
    granted: VecDeque<DomainPair>,
    /// The last link ended with an error: one pair at a time is asked until one is authorised, so that a pair over which the
    /// backend ends streams is found.
    pub(crate) cautious: bool,
    sweep: Option<Millis>,
    wake: Option<Millis>,
}

/// A pair that waits to be authorised, or for room on the link.
#[derive(Debug, Default)]
pub(crate) struct Petition {
    pub(crate) queue: Queue,
    standing: Standing,
}

/// How far a pair that waits is on the link as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Unasked,
    Asked,
    /// Authorised.
    Granted,
}

/// What a lane waits for.
///
/// ```text
///         parcel             transport
///  Idle ─────────▶ Connecting ───────▶ Open ──▶ Closing
///   ▲                  │                │          │
///   │ rest is over     ▼ failure        ▼ end      │
///   └─────────────── Resting ◀──────────┴──────────┘
/// ```
#[derive(Debug)]
pub(crate) enum LaneState {
    /// For nothing, or for the link of a lane that a reload left.
    Idle,
    /// For a transport.
    Connecting { until: Millis },
    /// For answers, or for nothing: a link stands.
    Open { link: LinkId, since: Millis },
    /// For the link to end.
    Closing { link: LinkId },
    /// For the next attempt.
    Resting { until: Millis },
}

impl LaneState {
    pub(crate) fn link(&self) -> Option<LinkId> {
        match self {
            LaneState::Open { link, .. } | LaneState::Closing { link } => Some(*link),
            LaneState::Idle | LaneState::Connecting { .. } | LaneState::Resting { .. } => None,
        }
    }

    fn until(&self) -> Option<Millis> {
        match self {
            LaneState::Connecting { until } | LaneState::Resting { until } => Some(*until),
            LaneState::Idle | LaneState::Open { .. } | LaneState::Closing { .. } => None,
        }
    }
}

impl Lane {
    /// The next pair to ask about, as far as the bound allows; it counts as asked then.
    pub(crate) fn next_unasked(&mut self) -> Option<DomainPair> {
        let most = if self.cautious { 1 } else { ASKED_MAX };
        while self.asked < most {
            let pair = self.unasked.pop_front()?;
            if let Some(petition) = self.waiting.get_mut(&pair)
                && petition.standing == Standing::Unasked
                && !petition.queue.is_empty()
            {
                petition.standing = Standing::Asked;
                self.asked += 1;
                return Some(pair);
            }
        }
        None
    }

    /// The first pair that waits, for the header of a new stream.
    pub(crate) fn first(&self) -> Option<&DomainPair> {
        let waits = |pair: &&DomainPair| {
            self.waiting.get(*pair).is_some_and(|petition| !petition.queue.is_empty())
        };
        self.unasked.iter().find(waits)
    }

    /// The only pair that the peer was asked about, when it was asked alone.
    pub(crate) fn suspect(&self) -> Option<DomainPair> {
        let is_asked = |petition: &Petition| petition.standing == Standing::Asked;
        let mut asked = self.waiting.iter().filter(|(_, petition)| is_asked(petition));
        let (pair, _) = asked.next().filter(|_| self.cautious)?;
        asked.next().is_none().then(|| pair.clone())
    }

    /// Takes a pair that was refused, or is no longer to be asked about.
    pub(crate) fn settled(&mut self, pair: &DomainPair) -> Option<Petition> {
        let petition = self.waiting.remove(pair)?;
        self.asked -= usize::from(petition.standing == Standing::Asked);
        Some(petition)
    }

    /// The pair is authorised. Whether the link's room is to be asked for now: something waits, and nothing did before.
    pub(crate) fn grant(&mut self, pair: &DomainPair) -> bool {
        self.authorized.insert(pair.clone());
        let Some(petition) = self.settled(pair) else { return false };
        if petition.queue.is_empty() {
            return false;
        }
        let is_new = petition.standing != Standing::Granted;
        self.waiting.insert(pair.clone(), Petition { standing: Standing::Granted, ..petition });
        if is_new {
            self.granted.push_back(pair.clone());
        }
        is_new && self.granted.len() == 1
    }

    /// Takes the next parcel of a pair that is authorised, if it is no longer than this.
    pub(crate) fn next_granted(&mut self, bytes: usize, total: &mut Total) -> Option<Waiting> {
        while let Some(pair) = self.granted.front() {
            let petition = self.waiting.get_mut(pair);
            let petition = petition.filter(|petition| petition.standing == Standing::Granted);
            if let Some(petition) = petition
                && let Some(len) = petition.queue.first_len()
            {
                if len > bytes {
                    return None;
                }
                let next = petition.queue.pop(total);
                if petition.queue.is_empty() {
                    self.waiting.remove(pair);
                    self.granted.pop_front();
                }
                return next;
            }
            self.granted.pop_front();
        }
        None
    }

    /// Whether parcels of authorised pairs may still wait for room.
    pub(crate) fn wants_room(&self) -> bool {
        !self.granted.is_empty()
    }

    /// Whether parcels of this pair go straight to the link.
    pub(crate) fn passes(&self, pair: &DomainPair) -> bool {
        // Behind what waits for room a newer one waits too.
        self.authorized.contains(pair) && !self.waiting.contains_key(pair)
    }

    /// The link is gone: everything has to be asked again.
    pub(crate) fn ask_anew(&mut self) {
        self.authorized.clear();
        self.asked = 0;
        self.unasked.clear();
        self.granted.clear();
        // Who waited only for an answer waits for nothing now.
        self.waiting.retain(|_, petition| !petition.queue.is_empty());
        for (pair, petition) in &mut self.waiting {
            petition.standing = Standing::Unasked;
            self.unasked.push_back(pair.clone());
        }
    }

    /// Lets a parcel wait behind those of its pair; hands it back when a bound is reached.
    #[must_use]
    pub(crate) fn enqueue(
        &mut self,
        waiting: Waiting,
        limits: &RouteLimits,
        total: &mut Total,
    ) -> Option<Waiting> {
        if let Some(petition) = self.waiting.get_mut(waiting.parcel.pair()) {
            if petition.queue.is_empty() && petition.standing == Standing::Unasked {
                // Emptied meanwhile, and passed over by who asks.
                self.unasked.push_back(waiting.parcel.pair().clone());
            }
            return petition.queue.push(waiting, limits, total);
        }
        let pair = waiting.parcel.pair().clone();
        let mut petition = Petition::default();
        let over = petition.queue.push(waiting, limits, total);
        if over.is_none() {
            self.unasked.push_back(pair.clone());
            self.waiting.insert(pair, petition);
        }
        over
    }

    /// Takes out what waits for a pair; the pair is still to be answered, if it was asked.
    pub(crate) fn take_queue(&mut self, pair: &DomainPair, total: &mut Total) -> Vec<Waiting> {
        let petition = self.waiting.get_mut(pair);
        petition.map(|petition| petition.queue.take(total)).unwrap_or_default()
    }

    /// Takes out what has waited too long. The pairs that wait for nothing more go with it.
    pub(crate) fn take_expired(&mut self, now: Millis, total: &mut Total) -> Vec<Parcel> {
        let mut expired = Vec::new();
        for petition in self.waiting.values_mut() {
            while let Some(parcel) = petition.queue.pop_expired(now, total) {
                expired.push(parcel);
            }
        }
        if !expired.is_empty() {
            self.waiting.retain(|_, petition| {
                petition.standing == Standing::Asked || !petition.queue.is_empty()
            });
            let waiting = &self.waiting;
            let is_unasked = |petition: &Petition| petition.standing == Standing::Unasked;
            self.unasked.retain(|pair| waiting.get(pair).is_some_and(is_unasked));
        }
        expired
    }

    /// Takes out the stanzas that wait for an answer of the peer; errors, and what only waits for room, stay.
    pub(crate) fn take_unanswered(&mut self, total: &mut Total) -> Vec<Parcel> {
        let mut taken = Vec::new();
        let petitions = self.waiting.values_mut();
        for petition in petitions.filter(|petition| petition.standing != Standing::Granted) {
            taken.extend(petition.queue.take_stanzas(total).into_iter().map(|w| w.parcel));
        }
        self.waiting.retain(|_, petition| {
            petition.standing == Standing::Asked || !petition.queue.is_empty()
        });
        taken
    }

    /// Whether something waits for an answer or for room on the link.
    pub(crate) fn holds_for_its_link(&self) -> bool {
        let any_queued = self.waiting.values().any(|petition| !petition.queue.is_empty());
        matches!(self.state, LaneState::Open { .. }) && any_queued
    }

    /// Everything that waits, pair by pair.
    pub(crate) fn take_waiting(&mut self, total: &mut Total) -> Vec<Parcel> {
        self.asked = 0;
        self.unasked.clear();
        self.granted.clear();
        let petitions = std::mem::take(&mut self.waiting);
        petitions
            .into_values()
            .flat_map(|mut petition| petition.queue.take(total))
            .map(|waiting| waiting.parcel)
            .collect()
    }

    fn next_wake(&self) -> Option<Millis> {
        [self.state.until(), self.sweep].into_iter().flatten().min()
    }
}
