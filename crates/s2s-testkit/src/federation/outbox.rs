//! The bytes that wait for one link. Many stanzas are gathered and leave in one write.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;

use tokio::sync::Notify;

/// Senders wait while more than this is under way.
pub(crate) const BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    buffer: RefCell<Batch>,
    /// Stanzas in a write at most.
    stanzas_max: Cell<Option<NonZeroU32>>,
    wake: Notify,
    room: Notify,
    /// No more stanzas come: the link is to be closed when it is empty.
    closing: Cell<bool>,
    /// What the link is asked for.
    call: Cell<Option<Call>>,
    /// The link is gone.
    ended: Cell<bool>,
    /// The peer ended its last stream with an error.
    cut_off: Cell<bool>,
}

/// Bytes that were gathered.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Where a write has to end, from the left; the rest is one more. Empty as long as writes are not limited.
    ends: Vec<usize>,
    /// Stanzas behind the last end.
    open: u32,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.open = 0;
    }

    /// What goes out in one write each.
    pub(crate) fn writes(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ends = self.ends.iter().copied().chain([self.bytes.len()]);
        starts
            .zip(ends)
            .filter_map(|(start, end)| self.bytes.get(start..end))
            .filter(|part| !part.is_empty())
    }

    fn stanza_written(&mut self, stanzas_max: NonZeroU32) {
        self.open += 1;
        if self.open >= stanzas_max.get() {
            self.ends.push(self.bytes.len());
            self.open = 0;
        }
    }
}

/// What a link may be asked for besides carrying bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// To close its stream in order when nothing waits, and to open another.
    Reconnect,
    /// To reset its connection and to stay away.
    Die,
}

impl Outbox {
    pub(crate) fn limit_writes(&self, stanzas_max: NonZeroU32) {
        self.stanzas_max.set(Some(stanzas_max));
    }

    /// Appends what `write` writes; where writes are limited, one stanza. Whoever finds it empty has to call [`Outbox::wake`] when its batch is complete.
    pub(crate) fn push(&self, write: impl FnOnce(&mut Vec<u8>)) -> WasEmpty {
        let mut buffer = self.buffer.borrow_mut();
        let was_empty = buffer.is_empty();
        write(&mut buffer.bytes);
        if let Some(stanzas_max) = self.stanzas_max.get() {
            buffer.stanza_written(stanzas_max);
        }
        WasEmpty(was_empty)
    }

    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) fn is_full(&self) -> bool {
        self.buffer.borrow().bytes.len() >= BYTES_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.borrow().is_empty()
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

    pub(crate) fn call(&self, call: Call) {
        self.call.set(Some(call));
        self.wake();
    }

    /// For the link: what it is asked for, once.
    pub(crate) fn take_call(&self) -> Option<Call> {
        self.call.take()
    }

    /// For the link: waits until it has to look at the buffer again.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// For the link: swaps the bytes that wait for an empty buffer.
    pub(crate) fn take(&self, empty: &mut Batch) {
        debug_assert!(empty.is_empty(), "what was taken before must have been written");
        std::mem::swap(&mut *self.buffer.borrow_mut(), empty);
        self.room.notify_waiters();
    }

    /// For the link: the peer ended the stream with an error, and read what it liked of it.
    pub(crate) fn cut_off(&self) {
        self.cut_off.set(true);
    }

    pub(crate) fn is_cut_off(&self) -> bool {
        self.cut_off.get()
    }

    /// For the link: no further byte leaves. Answers what waited.
    pub(crate) fn end(&self) -> Vec<u8> {
        self.ended.set(true);
        self.room.notify_waiters();
        std::mem::take(&mut *self.buffer.borrow_mut()).bytes
    }
}

/// Whether an outbox had been empty before a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WasEmpty(pub(crate) bool);

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(outbox: &Outbox, stanzas: &[&str]) -> Vec<String> {
        for stanza in stanzas {
            outbox.push(|out| out.extend_from_slice(stanza.as_bytes()));
        }
        let mut batch = Batch::default();
        outbox.take(&mut batch);
        batch.writes().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).collect()
    }

    #[test]
    fn all_that_waits_leaves_in_one_write() {
        assert_eq!(gathered(&Outbox::default(), &["<a/>", "<b/>", "<c/>"]), ["<a/><b/><c/>"]);
        assert_eq!(gathered(&Outbox::default(), &[]), [""; 0]);
    }

    #[test]
    fn limited_writes_end_where_a_stanza_does() {
        let outbox = Outbox::default();
        outbox.limit_writes(NonZeroU32::new(2).unwrap());
        let stanzas = ["<a/>", "<b/>", "<c/>", "<d/>", "<e/>"];
        assert_eq!(gathered(&outbox, &stanzas), ["<a/><b/>", "<c/><d/>", "<e/>"]);
        // What the next batch holds is counted anew.
        assert_eq!(gathered(&outbox, &stanzas[..2]), ["<a/><b/>"]);
    }
}
