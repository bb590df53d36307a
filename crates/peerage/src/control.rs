//! The control loop: look-ups for the shards, their reports, signals.
//!
//! One thread, one loop. Everything that comes in is bounded: the shards' queue by itself, look-ups by
//! a waiting room of fixed size, signals by their channel.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use s2s_net::{ControlQueue, ControlRequest, DataPlane, Settings};
use s2s_route::{Discovery, DnsFailure, ShardId};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};
use xmpp_addr::Domain;

use crate::board::Board;
use crate::config::{Dns, LogLevel};
use crate::dns::RemoteLookup;
use crate::reload::{Reload, Reloaded};

/// Look-ups that wait for their turn; more are answered "temporary failure" at once.
const LOOKUPS_WAITING_MAX: usize = 16_384;
/// How long after the drain deadline a shard may still take to end.
const DRAIN_GRACE: Duration = Duration::from_secs(5);
/// Requests served before look-ups and signals get their turn.
const BATCH: usize = 256;

/// The data plane, as the loop sees it.
pub trait Plane {
    /// Answers a look-up.
    fn resolved(&self, shard: ShardId, remote: Domain, result: Result<Discovery, DnsFailure>);
    /// Puts new settings into force.
    fn reload(&self, settings: &Arc<Settings>);
    /// Starts to drain.
    fn drain(&self);
    /// Sends again what did not fit into a mailbox.
    fn flush(&self);
}

impl Plane for DataPlane {
    fn resolved(&self, shard: ShardId, remote: Domain, result: Result<Discovery, DnsFailure>) {
        DataPlane::resolved(self, shard, remote, result);
    }

    fn reload(&self, settings: &Arc<Settings>) {
        DataPlane::reload(self, settings);
    }

    fn drain(&self) {
        DataPlane::drain(self);
    }

    fn flush(&self) {
        DataPlane::flush(self);
    }
}

/// What the shards say, as the loop sees it.
pub trait Inbox {
    /// The oldest request.
    fn pop(&self) -> Option<ControlRequest>;
    /// Requests that did not fit.
    fn refused(&self) -> u64;
}

impl Inbox for Arc<ControlQueue> {
    fn pop(&self) -> Option<ControlRequest> {
        ControlQueue::pop(self)
    }

    fn refused(&self) -> u64 {
        ControlQueue::refused(self)
    }
}

/// What the operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: drain; a second one ends at once.
    Stop,
    /// SIGHUP: read configuration and certificates again.
    Reload,
}

/// How the loop ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every shard drained.
    Drained,
    /// These many shards had not ended at the deadline.
    Overdue(u16),
    /// A second signal.
    Forced,
}

/// The loop and what it works with.
pub struct Control<'p, P, I> {
    plane: &'p P,
    inbox: I,
    wake: Arc<Notify>,
    board: Arc<Mutex<Board>>,
    reload: Reload,
    lookup: RemoteLookup,
    lookups_max: usize,
    running: JoinSet<(ShardId, Domain, Result<Discovery, DnsFailure>)>,
    waiting: VecDeque<(ShardId, Domain)>,
    shards_running: u16,
    set_level: Box<dyn Fn(LogLevel) + 'p>,
}

impl<'p, P: Plane, I: Inbox> Control<'p, P, I> {
    /// A loop for `shards` shards. `wake` is notified after each push to the inbox.
    ///
    /// # Errors
    /// In words, when the resolver cannot be made.
    pub fn new(
        plane: &'p P,
        inbox: I,
        wake: Arc<Notify>,
        board: Arc<Mutex<Board>>,
        reload: Reload,
        set_level: Box<dyn Fn(LogLevel) + 'p>,
    ) -> Result<Self, String> {
        let dns = &reload.current().config.dns;
        Ok(Control {
            plane,
            inbox,
            wake,
            board,
            lookup: RemoteLookup::new(dns)?,
            lookups_max: dns.lookups_max,
            running: JoinSet::new(),
            waiting: VecDeque::new(),
            shards_running: reload.current().shards,
            reload,
            set_level,
        })
    }

    /// Runs until every shard has drained, the drain deadline has passed, or a second signal.
    pub async fn run(mut self, signals: &mut mpsc::Receiver<Signal>) -> Ended {
        let mut deadline: Option<Instant> = None;
        loop {
            let overdue = async {
                match deadline {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.wake.notified() => {
                    self.serve_inbox();
                    // Every shard reports once a second, so this is never far away.
                    self.plane.flush();
                }
                Some(done) = self.running.join_next(), if !self.running.is_empty() => {
                    self.finish_lookup(done);
                }
                Some(signal) = signals.recv() => match (signal, deadline) {
                    (Signal::Reload, None) => self.reload(),
                    (Signal::Reload, Some(_)) => info!("SIGHUP is ignored while draining"),
                    (Signal::Stop, None) => deadline = Some(self.drain()),
                    (Signal::Stop, Some(_)) => return Ended::Forced,
                },
                () = overdue => return Ended::Overdue(self.shards_running),
            }
            if self.shards_running == 0 {
                return Ended::Drained;
            }
        }
    }

    fn serve_inbox(&mut self) {
        for _ in 0..BATCH {
            match self.inbox.pop() {
                None => {
                    self.with_board(|board, control| {
                        board.control_refused = control.inbox.refused();
                    });
                    return;
                }
                Some(ControlRequest::Resolve { shard, remote }) => self.look_up(shard, remote),
                Some(ControlRequest::Metrics(report)) => {
                    self.with_board(|board, _| board.report(&report));
                }
                Some(ControlRequest::Stopped(shard)) => {
                    self.shards_running = self.shards_running.saturating_sub(1);
                    self.with_board(|board, _| board.stopped(shard));
                }
            }
        }
        // There may be more: come back after the others had their turn.
        self.wake.notify_one();
    }

    fn look_up(&mut self, shard: ShardId, remote: Domain) {
        if self.running.len() < self.lookups_max {
            self.start_lookup(shard, remote);
        } else if self.waiting.len() < LOOKUPS_WAITING_MAX {
            self.waiting.push_back((shard, remote));
        } else {
            self.with_board(|board, _| board.dns.temporary += 1);
            self.plane.resolved(shard, remote, Err(DnsFailure::Temporary));
        }
        self.count_pending();
    }

    fn start_lookup(&mut self, shard: ShardId, remote: Domain) {
        let lookup = self.lookup.clone();
        self.running.spawn(async move {
            let result = lookup.discover(&remote).await;
            (shard, remote, result)
        });
    }

    fn finish_lookup(
        &mut self,
        done: Result<(ShardId, Domain, Result<Discovery, DnsFailure>), tokio::task::JoinError>,
    ) {
        match done {
            Ok((shard, remote, result)) => {
                self.with_board(|board, _| match &result {
                    Ok(_) => board.dns.found += 1,
                    Err(DnsFailure::NoSuchDomain) => board.dns.no_such_domain += 1,
                    Err(DnsFailure::Temporary) => board.dns.temporary += 1,
                });
                tracing::debug!(%remote, failure = ?result.as_ref().err(), "looked up");
                self.plane.resolved(shard, remote, result);
            }
            // The router's own deadline answers for it.
            Err(panic) => error!(%panic, "a look-up panicked: a bug"),
        }
        if let Some((shard, remote)) = self.waiting.pop_front() {
            self.start_lookup(shard, remote);
        }
        self.count_pending();
    }

    fn count_pending(&self) {
        let pending = (self.running.len() + self.waiting.len()) as u64;
        self.with_board(|board, _| board.dns.pending = pending);
    }

    fn reload(&mut self) {
        match self.reload.run() {
            Ok(Some(Reloaded { settings, dns, log_level })) => {
                if let Some(dns) = dns {
                    self.replace_resolver(&dns);
                }
                if let Some(level) = log_level {
                    (self.set_level)(level);
                }
                self.plane.reload(&settings);
                let reload = &self.reload;
                self.with_board(|board, _| {
                    board.generation += 1;
                    board.last_reload_ok = true;
                    show_loaded(board, reload);
                });
                info!(domains = reload.current().config.domains.len(), "configuration reloaded");
            }
            Ok(None) => info!("no configuration file: SIGHUP changes nothing"),
            Err(problems) => {
                for problem in problems {
                    error!("{problem}");
                }
                error!("reload refused: the old settings stay in force");
                self.with_board(|board, _| board.last_reload_ok = false);
            }
        }
    }

    fn replace_resolver(&mut self, dns: &Dns) {
        self.lookups_max = dns.lookups_max;
        match RemoteLookup::new(dns) {
            Ok(lookup) => self.lookup = lookup,
            Err(problem) => warn!("{problem}: the old resolver stays"),
        }
    }

    fn drain(&mut self) -> Instant {
        let drain_secs = self.reload.current().config.timeouts.drain_secs;
        info!(
            drain_secs,
            "draining: streams are closed, queued stanzas bounce; a second signal ends at once"
        );
        self.with_board(|board, _| board.draining = true);
        self.plane.drain();
        Instant::now() + Duration::from_secs(u64::from(drain_secs)) + DRAIN_GRACE
    }

    fn with_board(&self, change: impl FnOnce(&mut Board, &Self)) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut board, self);
    }
}

/// What the admin port says about the configuration in force.
pub(crate) fn show_loaded(board: &mut Board, reload: &Reload) {
    let loaded = reload.current();
    board.backend_ca = reload.leaves().map(|leaves| leaves.authority().not_after);
    board.loaded_at = crate::config::Surroundings::here().now;
    let domains = loaded.config.domains.iter().zip(&loaded.identities);
    board.certificates = domains
        .filter_map(|(domain, identity)| {
            Some((domain.name.value.to_string(), identity.as_ref()?.not_after))
        })
        .collect();
}

#[cfg(test)]
mod tests;
