//! The tasks of a shard: one reading task per link, one writing task per link that has something
//! to write, and the shard's own (accepting, mail, clock). Only here and in [`crate::connect`] is
//! anything awaited.
//!
//! Rules of the event loop (ARCHITECTURE.md): no task wakes itself, every batch is bounded, and a
//! task that goes on yields through the ring.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::time::Duration;

use monoio::net::{TcpListener, UnixStream};
use tracing::{error, warn};

use crate::contain::{contain, shielded};
use crate::link::{Link, Stream, Tls, WRITE_BYTES};
use crate::settings::ListenerKind;
use crate::shard::{Mail, Shard};
use crate::sys::Socket;
use crate::wheel::TICK_MS;

/// How long a reader waits at most, per read, for those who do not keep up.
const PATIENCE_MS: u64 = 200;

/// Batches of mail taken from one sender before the ring is served again.
const MAIL_ROUNDS: usize = 4;

pub(crate) fn spawn_reader(shard: &Rc<Shard>, link: &Rc<Link>) {
    let (shard, link) = (Rc::clone(shard), Rc::clone(link));
    monoio::spawn(async move {
        if contain(read(&shard, &link)).await.is_err() {
            panicked(&shard, &link);
        }
        shard.step("a link's departure", || leave(&shard, link));
    });
}

/// Reads until the end of the link.
async fn read(shard: &Rc<Shard>, link: &Rc<Link>) {
    loop {
        if link.socket.readable().await.is_err() {
            return shard.on_eof(link);
        }
        let mut buffer = shard.buffers.borrow_mut().take();
        buffer.append(&mut std::mem::take(&mut link.state.borrow_mut().leftover));
        let kept = buffer.len();
        let (result, mut buffer) = link.socket.read(buffer).await;
        let fresh = match result {
            Ok(fresh) => fresh,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                link.state.borrow_mut().leftover.extend_from_slice(&buffer[..kept]);
                shard.buffers.borrow_mut().give_back(buffer);
                continue;
            }
            Err(_) => 0,
        };
        if fresh > 0 {
            shard.pressure.set(None);
            shard.on_bytes(link, &mut buffer, fresh);
            shard.flush_mail();
        }
        shard.buffers.borrow_mut().give_back(buffer);
        if fresh == 0 {
            shard.on_eof(link);
            return shard.flush_mail();
        }
        if let Some(pressure) = shard.pressure.take() {
            for _ in 0..PATIENCE_MS {
                monoio::time::sleep(Duration::from_millis(1)).await;
                shard.flush_mail();
                if !shard.holds(shard.now(), pressure) {
                    break;
                }
            }
        }
        {
            let state = link.state.borrow();
            if state.gone || state.steer_to.is_some() {
                return;
            }
        }
        wait_for_answers(shard, link).await;
    }
}

/// A peer that asks (dialback keys, verifications) and does not read the answers is not asked for
/// more: what waits for it stays bounded. The stalled write ends the link in the end. Stanzas of others do not count: where both
/// directions share a connection, two ends that each wait for the other to read would wait for ever.
async fn wait_for_answers(shard: &Rc<Shard>, link: &Rc<Link>) {
    let is_behind = || {
        let state = link.state.borrow();
        let asks = !matches!(state.stream, Stream::Component { .. });
        asks && state.writing && !state.gone && state.answers_backlog() > WRITE_BYTES
    };
    while is_behind() {
        monoio::time::sleep(Duration::from_millis(10)).await;
        shard.flush_mail();
    }
}

/// After the reading task: a link whose first header named a remote domain of another shard moves.
fn leave(shard: &Rc<Shard>, link: Rc<Link>) {
    let Some((owner, bytes)) = link.state.borrow_mut().steer_to.take() else { return };
    shard.links.borrow_mut().remove(link.id.index as usize);
    shard.gauges.borrow_mut().links -= 1;
    let side = {
        let state = &mut *link.state.borrow_mut();
        state.gone = true;
        shard.unwatch(state);
        state.side
    };
    // Nothing was written yet, so no other task holds the link.
    let Some(stream) = Rc::into_inner(link).and_then(|link| link.socket.into_std()) else {
        return error!("a link to be steered is still in use: closed");
    };
    shard.count(|counters| counters.steered += 1);
    shard.outgoing.borrow_mut().send(usize::from(owner.0), Mail::Adopt { stream, side, bytes });
    shard.flush_mail();
}

/// The caller has set `writing`.
pub(crate) fn spawn_writer(shard: &Rc<Shard>, link: &Rc<Link>) {
    let (shard, link) = (Rc::clone(shard), Rc::clone(link));
    monoio::spawn(async move {
        if contain(write(&shard, &link)).await.is_err() {
            panicked(&shard, &link);
        }
        shard.flush_mail();
    });
}

/// Writes until nothing is left, then says goodbye if the link is closing.
async fn write(shard: &Rc<Shard>, link: &Rc<Link>) {
    let mut batch = Vec::new();
    loop {
        batch.clear();
        let last;
        {
            let state = &mut *link.state.borrow_mut();
            let taken = state.take_batch(&mut batch, &mut shard.scratch.borrow_mut());
            if state.gone || taken.is_err() {
                state.writing = false;
                state.write_since = None;
                return link.socket.shutdown();
            }
            if matches!(state.stream, Stream::Component { .. }) && shard.is_pressed(shard.id) {
                let half = shard.live.borrow().settings.limits.outbox_bytes / 4;
                if state.backlog() < half {
                    shard.set_pressed(false);
                }
            }
            last = batch.is_empty();
            if last {
                if state.closing.is_none() {
                    state.writing = false;
                    state.write_since = None;
                    state.shrink();
                    return;
                }
                if let (Tls::On(engine), false) = (&mut state.tls, state.mute) {
                    engine.close(&mut batch);
                }
            }
            state.write_since = Some(shard.now());
        }
        if link.state.borrow().awaits_room {
            // What was just taken for writing made room.
            let (now, mut actions) = (shard.now(), Vec::new());
            shard.offer_room(now, link, &mut actions);
            shard.perform(now, actions);
        }
        let len = batch.len() as u64;
        let (result, sent) = link.socket.write_all(batch).await;
        batch = sent;
        shard.count(|counters| counters.bytes_written += len);
        if result.is_err() {
            let state = &mut *link.state.borrow_mut();
            state.writing = false;
            state.write_since = None;
            // The reading task sees the end and finishes the link.
            return link.socket.shutdown();
        }
        if last {
            {
                let state = &mut *link.state.borrow_mut();
                state.writing = false;
                state.write_since = None;
            }
            return shard.flushed(link, shard.now());
        }
        {
            let state = &mut *link.state.borrow_mut();
            state.last_used = shard.now();
            state.last_written = state.last_used;
        }
        if batch.capacity() > 4 * WRITE_BYTES {
            batch = Vec::new();
        }
    }
}

fn panicked(shard: &Rc<Shard>, link: &Rc<Link>) {
    error!(link = %link.id, peer = %link.peer, "a link's task panicked: the link is closed; this is a bug, please report it");
    shard.count(|counters| counters.panics += 1);
    shard.step("a link's end", || shard.finish(link, shard.now()));
    link.socket.shutdown();
}

/// Accepts for ever: an accept in flight is never dropped.
pub(crate) async fn accept(shard: Rc<Shard>, listener: TcpListener, kind: ListenerKind) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                shard.step("an accepted connection", || shard.accepted(Socket::new(stream), kind));
                shard.flush_mail();
            }
            // Descriptors used up, or the peer went away meanwhile.
            Err(error) => {
                warn!(%error, "cannot accept");
                monoio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves the shard's mailbox.
pub(crate) async fn mail(shard: Rc<Shard>, event: OwnedFd, always_ready: OwnedFd) {
    // Only a ring that is broken as a whole fails at this.
    if let Err(error) = serve_mail(&shard, event, always_ready).await {
        error!(shard = %shard.id, %error, "the mailbox cannot be waited for: nothing reaches this shard");
    }
}

async fn serve_mail(
    shard: &Rc<Shard>,
    event: OwnedFd,
    always_ready: OwnedFd,
) -> std::io::Result<()> {
    let event = UnixStream::from_std(StdUnixStream::from(event))?;
    let always_ready = UnixStream::from_std(StdUnixStream::from(always_ready))?;
    let exchange = shard.common.exchange.clone();
    let me = usize::from(shard.id.0);
    loop {
        if shard.take_mail() {
            // More may be waiting: let the ring serve the others first.
            always_ready.readable(true).await?;
        } else if exchange.fall_asleep(me) {
            event.readable(true).await?;
            exchange.wake_up(me);
        }
    }
}

impl Shard {
    /// Reads a bounded part of the mailbox; whether there was any mail.
    pub(crate) fn take_mail(self: &Rc<Self>) -> bool {
        let me = usize::from(self.id.0);
        let mut letters = Vec::new();
        let any = self.common.exchange.receive(me, MAIL_ROUNDS, |letter| letters.push(letter));
        for letter in letters {
            self.step("a letter", || self.on_mail(self.now(), letter));
        }
        self.flush_mail();
        any
    }

    /// Runs a step that belongs to no link's task; its panic costs what it was about, not the shard.
    pub(crate) fn step(&self, what: &str, step: impl FnOnce()) {
        if !shielded(step) {
            error!("{what} panicked; this is a bug, please report it");
            self.count(|counters| counters.panics += 1);
        }
    }
}

/// The shard's clock. Returns when a drain is done.
pub(crate) async fn clock(shard: Rc<Shard>) {
    let mut fired = Vec::new();
    loop {
        monoio::time::sleep(Duration::from_millis(TICK_MS)).await;
        let now = shard.now();
        tick(&shard, now, &mut fired);
        let mut over = false;
        shard.step("a drain", || over = shard.drain_on(now));
        if over {
            return shard.report_now();
        }
    }
}

fn tick(
    shard: &Rc<Shard>,
    now: s2s_proto::Millis,
    fired: &mut Vec<crate::wheel::Entry<s2s_route::LinkId>>,
) {
    shard.wheel.borrow_mut().advance(now, fired);
    for entry in fired.drain(..) {
        shard.step("a link's timer", || shard.on_timer(entry.key, now));
    }
    shard.step("a timer of the router", || {
        let due = shard.router.borrow().next_deadline();
        if due.is_some_and(|due| due <= now) {
            let mut actions = Vec::new();
            shard.router.borrow_mut().timeout(now, &mut actions);
            shard.perform(now, actions);
        }
    });
    shard.step("a report", || shard.report(now));
    shard.flush_mail();
}
