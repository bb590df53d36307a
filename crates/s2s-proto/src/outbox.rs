//! What a stream has to say, in order, and when it wants to be woken.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::event::{CloseReason, Event, Output};
use crate::time::Millis;
use crate::timers::Deadlines;

/// The output queue of one stream. Bytes that follow each other are joined, so that one call is one write.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Output>,
    text: String,
    pub(crate) deadlines: Deadlines,
    announced: Option<Millis>,
    /// Our header went out on the stream as it stands; false again after a restart.
    pub(crate) header_sent: bool,
}

impl Outbox {
    /// Appends XML.
    pub(crate) fn send(&mut self, xml: &str) {
        self.text.push_str(xml);
    }

    /// Appends XML through a writer.
    pub(crate) fn write(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.push(Output::Event(event));
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.flush();
        self.queue.push_back(output);
    }

    /// The text so far leaves as the clear bytes before a TLS handshake.
    pub(crate) fn start_tls(&mut self) {
        self.header_sent = false;
        let bytes = self.take_text();
        self.queue.push_back(Output::StartTls(bytes));
    }

    /// The text so far leaves together with the framer's restart.
    pub(crate) fn restart(&mut self) {
        self.header_sent = false;
        let bytes = self.take_text();
        self.queue.push_back(Output::RestartStream(bytes));
    }

    /// The last output; no timer survives it.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        self.push(Output::Close(reason));
        self.deadlines.clear_all();
        self.announced = None;
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.flush();
        if let Some(output) = self.queue.pop_front() {
            return Some(output);
        }
        let next = self.deadlines.next();
        if next == self.announced {
            return None;
        }
        self.announced = next;
        next.map(Output::Timeout)
    }

    /// A wake-up came: what is still armed must be announced again.
    pub(crate) fn woken(&mut self) {
        self.announced = None;
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let bytes = self.take_text();
            self.queue.push_back(Output::Transmit(bytes));
        }
    }

    fn take_text(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.text).into_bytes())
    }
}
