//! Every timer of every stream: one enum, one settings struct, one small table.

use crate::time::Millis;

/// What a stream waits for when a deadline is armed; also the phase named when the deadline passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// The peer's stream header (after connect, after TLS, after SASL).
    Header,
    /// The TLS handshake, and the answer to our `<starttls/>` before it.
    Tls,
    /// Everything from connect to the first pair that may send, and the time a stream may have no such pair.
    Negotiation,
    /// The answer to a dialback request of ours.
    Dialback,
    /// The peer's close tag, after ours.
    Close,
}

impl Phase {
    const ALL: [Self; 5] =
        [Self::Header, Self::Tls, Self::Negotiation, Self::Dialback, Self::Close];
}

/// How long each phase may take, in milliseconds. Deadlines are per phase, never per read, so a peer that sends one
/// byte a minute gains nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From connect (or restart) to the peer's stream header. Default 15 s.
    pub header_ms: u64,
    /// From our `<starttls/>` to its answer, and from `<proceed/>`, or from connect for direct TLS, to the finished handshake. Default
    /// 15 s.
    pub tls_ms: u64,
    /// From connect to the first verified (inbound) or authorised (outbound) pair; a component's handshake too. Runs
    /// again where a stream has no such pair any more, and after each verify leg of a stream that serves nothing else.
    /// Default 60 s.
    pub negotiation_ms: u64,
    /// From our `<db:result/>` or `<db:verify/>` to its answer, and the longest wait for the caller's verification of
    /// an inbound key. Default 45 s.
    pub dialback_ms: u64,
    /// From our close tag to the peer's (Prosody waits as long). Default 5 s.
    pub close_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header_ms: 15_000,
            tls_ms: 15_000,
            negotiation_ms: 60_000,
            dialback_ms: 45_000,
            close_ms: 5_000,
        }
    }
}

impl Timeouts {
    /// The length of one phase.
    #[must_use]
    pub fn of(&self, phase: Phase) -> u64 {
        match phase {
            Phase::Header => self.header_ms,
            Phase::Tls => self.tls_ms,
            Phase::Negotiation => self.negotiation_ms,
            Phase::Dialback => self.dialback_ms,
            Phase::Close => self.close_ms,
        }
    }
}

/// The armed deadlines of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines {
    header: Option<Millis>,
    tls: Option<Millis>,
    negotiation: Option<Millis>,
    dialback: Option<Millis>,
    close: Option<Millis>,
}

impl Deadlines {
    pub(crate) fn arm(&mut self, now: Millis, phase: Phase, timeouts: &Timeouts) {
        *self.slot(phase) = Some(now.after(timeouts.of(phase)));
    }

    pub(crate) fn set(&mut self, phase: Phase, at: Option<Millis>) {
        *self.slot(phase) = at;
    }

    pub(crate) fn is_armed(&mut self, phase: Phase) -> bool {
        self.slot(phase).is_some()
    }

    pub(crate) fn clear(&mut self, phase: Phase) {
        *self.slot(phase) = None;
    }

    pub(crate) fn clear_all(&mut self) {
        *self = Self::default();
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Millis> {
        [self.header, self.tls, self.negotiation, self.dialback, self.close]
            .into_iter()
            .flatten()
            .min()
    }

    /// A phase whose deadline has passed; it is disarmed.
    pub(crate) fn expired(&mut self, now: Millis) -> Option<Phase> {
        for phase in Phase::ALL {
            let slot = self.slot(phase);
            if slot.is_some_and(|at| at <= now) {
                *slot = None;
                return Some(phase);
            }
        }
        None
    }

    fn slot(&mut self, phase: Phase) -> &mut Option<Millis> {
        match phase {
            Phase::Header => &mut self.header,
            Phase::Tls => &mut self.tls,
            Phase::Negotiation => &mut self.negotiation,
            Phase::Dialback => &mut self.dialback,
            Phase::Close => &mut self.close,
        }
    }
}
