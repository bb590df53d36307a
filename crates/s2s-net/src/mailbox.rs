//! Batched mailboxes between the shards, and from the control plane to them.
//!
//! An N × (N+1) matrix of bounded single-producer rings of batches ([`ArrayQueue`]): column N is the
//! control plane's. A sender stages mail per destination and flushes whole batches, so the ring's
//! cost is shared by up to [`BATCH`] letters. Wake-ups go through the receiver's ring: an eventfd it
//! polls, written only when the receiver said that it sleeps (Dekker's flag), because monoio serves
//! foreign wakers only when its run queue is empty.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use crossbeam::queue::ArrayQueue;
use rustix::event::{EventfdFlags, eventfd};

/// Letters in one batch.
pub(crate) const BATCH: usize = 64;

/// Batches one pair of shards may have in flight.
const BATCHES: usize = 256;

/// Letters a sender stages for a destination that does not keep up, before it is told so.
const STAGED: usize = 16 * 1024;

/// All mailboxes of the process.
pub(crate) struct Exchange<T> {
    receivers: Vec<Receiver<T>>,
}

struct Receiver<T> {
    /// One ring per sender; the last is the control plane's.
    rings: Vec<ArrayQueue<Vec<T>>>,
    asleep: AtomicBool,
    event: OwnedFd,
}

impl<T> Exchange<T> {
    /// Mailboxes for `shards` receivers and `shards + 1` senders.
    pub(crate) fn new(shards: usize) -> io::Result<Arc<Exchange<T>>> {
        let receivers = (0..shards)
            .map(|_| {
                Ok(Receiver {
                    rings: (0..=shards).map(|_| ArrayQueue::new(BATCHES)).collect(),
                    asleep: AtomicBool::new(false),
                    event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Arc::new(Exchange { receivers }))
    }

    /// The eventfd that wakes `shard`, duplicated for its ring.
    pub(crate) fn event(&self, shard: usize) -> io::Result<OwnedFd> {
        self.receivers[shard].event.try_clone()
    }

    /// Takes what has arrived for `shard`, sender by sender, at most `rounds` batches each.
    /// Returns whether anything was taken.
    pub(crate) fn receive(&self, shard: usize, rounds: usize, mut take: impl FnMut(T)) -> bool {
        let mut any = false;
        for ring in &self.receivers[shard].rings {
            for _ in 0..rounds {
                let Some(batch) = ring.pop() else { break };
                any = true;
                batch.into_iter().for_each(&mut take);
            }
        }
        any
    }

    /// Announces that `shard` is about to sleep. False: mail has come meanwhile, do not sleep.
    pub(crate) fn fall_asleep(&self, shard: usize) -> bool {
        let receiver = &self.receivers[shard];
        receiver.asleep.store(true, Ordering::SeqCst);
        // Pairs with the fence in `push`: either the sender sees the flag or we see its batch.
        fence(Ordering::SeqCst);
        if receiver.rings.iter().all(ArrayQueue::is_empty) {
            return true;
        }
        receiver.asleep.store(false, Ordering::SeqCst);
        false
    }

    /// Clears the wake-up.
    pub(crate) fn wake_up(&self, shard: usize) {
        let receiver = &self.receivers[shard];
        receiver.asleep.store(false, Ordering::SeqCst);
        let mut count = [0; 8];
        // Non-blocking; nothing to read is fine.
        let _ = rustix::io::read(&receiver.event, &mut count);
    }

    fn push(&self, shard: usize, sender: usize, batch: Vec<T>) -> Result<(), Vec<T>> {
        let receiver = &self.receivers[shard];
        receiver.rings[sender].push(batch)?;
        fence(Ordering::SeqCst);
        if receiver.asleep.swap(false, Ordering::SeqCst) {
            // The counter cannot overflow before the receiver reads it.
            let _ = rustix::io::write(&receiver.event, &1u64.to_ne_bytes());
        }
        Ok(())
    }
}

/// One sender's side: staging per destination.
pub(crate) struct Outgoing<T> {
    exchange: Arc<Exchange<T>>,
    sender: usize,
    staged: Vec<Vec<T>>,
}

impl<T> Outgoing<T> {
    /// `sender` is the shard's index, or the number of shards for the control plane.
    pub(crate) fn new(exchange: Arc<Exchange<T>>, sender: usize) -> Outgoing<T> {
        let staged = exchange.receivers.iter().map(|_| Vec::new()).collect();
        Outgoing { exchange, sender, staged }
    }

    /// Number of destinations.
    pub(crate) fn shards(&self) -> usize {
        self.staged.len()
    }

    /// Whether nothing is staged.
    pub(crate) fn is_empty(&self) -> bool {
        self.staged.iter().all(Vec::is_empty)
    }

    /// Whether `shard` is so far behind that optional mail must not be sent to it.
    pub(crate) fn is_congested(&self, shard: usize) -> bool {
        self.staged[shard].len() >= STAGED
    }

    /// Whether mail for `shard` has begun to pile up here: the sender should slow down.
    pub(crate) fn is_behind(&self, shard: usize) -> bool {
        self.staged[shard].len() > 4 * BATCH
    }

    /// Stages a letter; full batches leave at once. Order per destination is kept.
    pub(crate) fn send(&mut self, shard: usize, letter: T) {
        self.staged[shard].push(letter);
        if self.staged[shard].len().is_multiple_of(BATCH) {
            self.flush_one(shard);
        }
    }

    /// Sends what is staged. What does not fit stays staged for the next flush.
    pub(crate) fn flush(&mut self) {
        for shard in 0..self.staged.len() {
            if !self.staged[shard].is_empty() {
                self.flush_one(shard);
            }
        }
    }

    fn flush_one(&mut self, shard: usize) {
        let staged = std::mem::take(&mut self.staged[shard]);
        if let Err(staged) = self.exchange.push(shard, self.sender, staged) {
            self.staged[shard] = staged;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_arrive_in_order_also_through_congestion() {
        let exchange = Exchange::new(2).unwrap();
        let mut outgoing = Outgoing::new(Arc::clone(&exchange), 0);
        let total = BATCHES * BATCH + 1_000;
        for letter in 0..total {
            outgoing.send(1, letter);
        }
        outgoing.flush();
        let mut got = Vec::new();
        while exchange.receive(1, 8, |letter| got.push(letter)) {
            outgoing.flush();
        }
        assert_eq!(got, (0..total).collect::<Vec<_>>());
    }

    #[test]
    fn a_destination_that_does_not_keep_up_is_reported() {
        let exchange = Exchange::new(1).unwrap();
        let mut outgoing = Outgoing::new(exchange, 1);
        for letter in 0..BATCHES * BATCH + STAGED {
            assert!(!outgoing.is_congested(0), "at {letter}");
            outgoing.send(0, letter);
        }
        assert!(outgoing.is_congested(0));
    }

    #[test]
    fn a_sleeper_is_woken_by_the_next_batch_and_only_by_it() {
        let exchange = Exchange::new(1).unwrap();
        let mut outgoing = Outgoing::new(Arc::clone(&exchange), 0);
        let mut count = [0; 8];
        outgoing.send(0, 1);
        outgoing.flush();
        assert!(
            rustix::io::read(&exchange.receivers[0].event, &mut count).is_err(),
            "awake: no write"
        );
        assert!(!exchange.fall_asleep(0), "mail is waiting");
        exchange.receive(0, 1, |_| ());
        assert!(exchange.fall_asleep(0));
        outgoing.send(0, 2);
        outgoing.flush();
        assert!(rustix::io::read(&exchange.receivers[0].event, &mut count).is_ok());
    }

    #[test]
    fn nobody_sleeps_through_mail() {
        let exchange = Exchange::new(1).unwrap();
        let sender = Arc::clone(&exchange);
        let total = 20_000u32;
        let thread = std::thread::spawn(move || {
            let mut outgoing = Outgoing::new(sender, 0);
            for letter in 0..total {
                outgoing.send(0, letter);
                if letter % 3 == 0 {
                    outgoing.flush();
                }
            }
            outgoing.flush();
            while !outgoing.staged[0].is_empty() {
                outgoing.flush();
                std::thread::yield_now();
            }
        });
        let mut got = 0;
        while got < total {
            if !exchange.receive(0, 1, |_| got += 1) && exchange.fall_asleep(0) {
                let mut polled = [rustix::event::PollFd::new(
                    &exchange.receivers[0].event,
                    rustix::event::PollFlags::IN,
                )];
                let timeout = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
                let ready = rustix::event::poll(&mut polled, Some(&timeout)).unwrap();
                assert_eq!(ready, 1, "slept through mail after {got} letters");
                exchange.wake_up(0);
            }
        }
        thread.join().unwrap();
    }
}
