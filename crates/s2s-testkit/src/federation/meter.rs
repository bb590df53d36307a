//! What crosses the federation's connections, counted where it crosses.

use std::cell::Cell;

use rustls::HandshakeKind;

use super::census::Direction;

/// Sums since the start. Cheap to take, every second if need be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes of XML written, before encryption: headers, negotiation, stanzas.
    pub bytes_out: u64,
    /// Bytes of XML read, after decryption.
    pub bytes_in: u64,
    /// TLS handshakes on connections that remotes opened.
    pub inbound: Handshakes,
    /// TLS handshakes on connections that the router opened.
    pub outbound: Handshakes,
}

/// Completed TLS handshakes by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshakes {
    /// With certificates.
    pub full: u64,
    /// With a ticket or a session id of an earlier one.
    pub resumed: u64,
}

impl std::ops::Add for Counts {
    type Output = Counts;

    /// Of two federations.
    fn add(self, other: Counts) -> Counts {
        let add = |one: Handshakes, other: Handshakes| Handshakes {
            full: one.full + other.full,
            resumed: one.resumed + other.resumed,
        };
        Counts {
            bytes_out: self.bytes_out + other.bytes_out,
            bytes_in: self.bytes_in + other.bytes_in,
            inbound: add(self.inbound, other.inbound),
            outbound: add(self.outbound, other.outbound),
        }
    }
}

/// Counts, shared by all connections.
#[derive(Debug, Default)]
pub(crate) struct Meter(Cell<Counts>);

impl Meter {
    pub(crate) fn counts(&self) -> Counts {
        self.0.get()
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        self.change(|counts| counts.bytes_out += bytes as u64);
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.change(|counts| counts.bytes_in += bytes as u64);
    }

    pub(crate) fn shook_hands(&self, direction: Direction, kind: Option<HandshakeKind>) {
        self.change(|counts| {
            let handshakes = match direction {
                Direction::Inbound => &mut counts.inbound,
                Direction::Outbound => &mut counts.outbound,
            };
            match kind {
                Some(HandshakeKind::Resumed) => handshakes.resumed += 1,
                _ => handshakes.full += 1,
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.0.get();
        change(&mut counts);
        self.0.set(counts);
    }
}
