//! The end of a shard: streams are closed, what waits bounces, and nobody leaves before the others
//! have said all they had to say.
//!
//! First every shard closes its links with remote servers. When the last of them is gone everywhere,
//! all bounces are in the mailboxes: each shard reads its own once more, lets backends answer for the
//! pairs that bounces wait for, and closes its links with components and backends. A shard's thread
//! ends when all shards are empty, or when the drain's time is over.

use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

use s2s_proto::Millis;

use crate::link::{Link, Side, Stream};
use crate::shard::Shard;

/// Rounds of mail before our own side is closed; the rings hold no more.
const LAST_ROUNDS: usize = 256;

/// How far the shards of the process are; each counts itself once.
#[derive(Default)]
pub(crate) struct DrainBoard {
    without_remotes: AtomicU16,
    empty: AtomicU16,
}

/// How far this shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drain {
    /// Not asked.
    Serving,
    /// Links with remote servers are being closed.
    Remotes {
        /// Since when the shard drains.
        since: Millis,
    },
    /// This shard has none any more; others may.
    Waiting {
        /// Since when the shard drains.
        since: Millis,
    },
    /// Components and links with backends are being closed.
    OwnSide {
        /// Since when the shard drains.
        since: Millis,
    },
    /// Nothing is left here.
    Empty {
        /// Since when the shard drains.
        since: Millis,
    },
}

impl Drain {
    fn since(self) -> Option<Millis> {
        match self {
            Drain::Serving => None,
            Drain::Remotes { since }
            | Drain::Waiting { since }
            | Drain::OwnSide { since }
            | Drain::Empty { since } => Some(since),
        }
    }
}

impl Shard {
    /// Whether nothing new is to be begun.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.get() != Drain::Serving
    }

    /// Whether somebody of this side may connect. Backends may until they are closed themselves: they have keys to ask about
    /// before they take the errors for their users.
    pub(crate) fn is_open_to(&self, side: Side) -> bool {
        match self.drain.get() {
            Drain::Serving => true,
            Drain::Remotes { .. } | Drain::Waiting { .. } => side == Side::Backend,
            Drain::OwnSide { .. } | Drain::Empty { .. } => false,
        }
    }

    /// Begins to end all streams; links that do not answer are cut when the drain's time is over.
    pub(crate) fn drain(self: &Rc<Self>, now: Millis) {
        if self.is_draining() {
            return;
        }
        self.drain.set(Drain::Remotes { since: now });
        let mut actions = Vec::new();
        self.router.borrow_mut().drain(now, &mut actions);
        self.perform(now, actions);
        self.close_all(now, is_remote);
    }

    fn close_all(self: &Rc<Self>, now: Millis, which: impl Fn(&Link) -> bool) {
        let links: Vec<_> = self.links.borrow().iter().map(|(_, link)| Rc::clone(link)).collect();
        for link in links.iter().filter(|link| which(link)) {
            self.close_politely(link, now);
        }
    }

    /// One tick of a drain. True: this shard's thread may end.
    pub(crate) fn drain_on(self: &Rc<Self>, now: Millis) -> bool {
        let Some(since) = self.drain.get().since() else { return false };
        let drain_ms = u64::from(self.live.borrow().settings.timeouts.drain_secs) * 1_000;
        let (spent, board) = (now.since(since), &self.common.drain);
        self.flush_mail();
        if let Drain::Remotes { .. } = self.drain.get()
            && !self.links.borrow().iter().any(|(_, link)| is_remote(link))
            && self.outgoing.borrow().is_empty()
        {
            board.without_remotes.fetch_add(1, Ordering::SeqCst);
            self.drain.set(Drain::Waiting { since });
        }
        // Remote servers that do not answer are not waited for to the very end: our own side comes
        // after them.
        let all_gone = self.is_everywhere(&board.without_remotes);
        let is_late = spent >= drain_ms / 4 * 3;
        if let Drain::Remotes { .. } | Drain::Waiting { .. } = self.drain.get()
            && (all_gone || is_late)
        {
            // The last bounces of the other shards, which came before their sign.
            let mut rounds = 0;
            while rounds < LAST_ROUNDS && self.take_mail() {
                rounds += 1;
            }
            if is_late || !self.router.borrow().waits_for_backends() {
                self.drain.set(Drain::OwnSide { since });
                self.close_all(now, |_| true);
            }
        }
        if let Drain::OwnSide { .. } = self.drain.get()
            && self.links.borrow().is_empty()
        {
            board.empty.fetch_add(1, Ordering::SeqCst);
            self.drain.set(Drain::Empty { since });
        }
        let over = self.is_everywhere(&board.empty) || spent >= drain_ms;
        if over {
            for (_, link) in self.links.borrow().iter() {
                link.socket.shutdown();
            }
        }
        over
    }

    fn is_everywhere(&self, count: &AtomicU16) -> bool {
        count.load(Ordering::SeqCst) >= self.common.shards
    }
}

/// Neither of a component nor of a backend: the bounces for those come from the end of the others.
fn is_remote(link: &Link) -> bool {
    let state = link.state.borrow();
    state.side == Side::Federation && !matches!(state.stream, Stream::Component { .. })
}
