//! The bytes that wait for one link. Many stanzas are gathered and leave in one write.

use std::cell::{Cell, RefCell};

use tokio::sync::Notify;

/// Senders wait while more than this is under way.
pub(crate) const BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    buffer: RefCell<Vec<u8>>,
    wake: Notify,
    room: Notify,
    /// No more stanzas come: the link is to be closed when it is empty.
    closing: Cell<bool>,
    /// The link is gone.
    ended: Cell<bool>,
}

impl Outbox {
    /// Appends what `write` writes. Whoever finds it empty has to call [`Outbox::wake`] when its batch is complete.
    pub(crate) fn push(&self, write: impl FnOnce(&mut Vec<u8>)) -> WasEmpty {
        let mut buffer = self.buffer.borrow_mut();
        let was_empty = buffer.is_empty();
        write(&mut buffer);
        WasEmpty(was_empty)
    }

    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) fn is_full(&self) -> bool {
        self.buffer.borrow().len() >= BYTES_MAX
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Waits until there is room, or until the link is gone.
    pub(crate) async fn room(&self) {
        while self.is_full() && !self.has_ended() {
            self.room.notified().await;
        }
    }

    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.wake();
    }

    /// For the link: waits until it has to look at the buffer again.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// For the link: swaps the bytes that wait for an empty buffer.
    pub(crate) fn take(&self, empty: &mut Vec<u8>) {
        debug_assert!(empty.is_empty(), "what was taken before must have been written");
        std::mem::swap(&mut *self.buffer.borrow_mut(), empty);
        self.room.notify_waiters();
    }

    /// For the link: no further byte leaves. Answers what waited.
    pub(crate) fn end(&self) -> Vec<u8> {
        self.ended.set(true);
        self.room.notify_waiters();
        std::mem::take(&mut *self.buffer.borrow_mut())
    }
}

/// Whether an outbox had been empty before a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WasEmpty(pub(crate) bool);
