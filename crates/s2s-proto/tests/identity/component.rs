//! The model of a component stream (XEP-0114): one secret, and the domains its entry covers.

use s2s_proto::Proof;

use crate::config::{Covers, entries};
use crate::inbound::Happening;
use crate::law::{End, Expect};
use crate::wire::Meaning;
use crate::words::{CHAT, Given, Name, US};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Transport,
    Header,
    /// The handshake for the entry with this number.
    Handshake(usize),
    Open(usize),
    Closing(usize),
    Closed,
}

#[derive(Debug)]
pub struct Model {
    pub config: u8,
    pub phase: Phase,
}

/// The most specific entry that takes a component by this name.
pub fn entry_of(config: u8, name: Name) -> Option<usize> {
    let takes = |covers: &Covers| match *covers {
        Covers::Exactly(known) => known == name,
        Covers::Below(parent) => parent == name || is_below(name, parent),
    };
    let mut taken = entries(config).iter().enumerate().filter(|(_, (covers, _))| takes(covers));
    let first = taken.next()?;
    let exact = |entry: &(usize, &(Covers, usize))| matches!(entry.1.0, Covers::Exactly(_));
    Some(taken.find(exact).unwrap_or(first).0)
}

fn covers(config: u8, entry: usize, sender: Name) -> bool {
    match entries(config)[entry].0 {
        Covers::Exactly(name) => name == sender,
        Covers::Below(parent) => is_below(sender, parent),
    }
}

/// In this play one name is below one of ours.
fn is_below(name: Name, parent: Name) -> bool {
    (name, parent) == (CHAT, US)
}

impl Model {
    pub fn new(config: u8) -> Self {
        Self { config, phase: Phase::Transport }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_) | Phase::Closing(_))
    }

    pub fn closed(&mut self) {
        self.phase = Phase::Closed;
    }

    pub fn happens(&mut self, what: &Happening) -> Expect {
        match (self.phase, what) {
            (Phase::Closed, _) => Expect::nothing(),
            (_, Happening::Eof | Happening::Fail | Happening::Item(Meaning::Broken)) => {
                Expect::ends()
            }
            (_, Happening::Timeout { reached }) => {
                if *reached {
                    Expect::may_end()
                } else {
                    Expect::nothing()
                }
            }
            (Phase::Open(entry), Happening::Shutdown) => {
                self.phase = Phase::Closing(entry);
                Expect::nothing()
            }
            (Phase::Closing(_), Happening::Shutdown) => Expect::nothing(),
            (_, Happening::Shutdown) => Expect::ends(),
            (Phase::Transport, Happening::Connected) => {
                self.phase = Phase::Header;
                Expect::nothing()
            }
            (Phase::Transport, Happening::Tls) => Expect::nothing(),
            (_, Happening::Connected | Happening::Tls) => Expect::ends(),
            // Nothing is judged and nothing verified here: a fault of the caller, and no proof.
            (_, Happening::Judged(..) | Happening::Verified(..)) => Expect::may_end(),
            (phase, Happening::Item(meaning)) => self.on_item(phase, meaning),
        }
    }

    fn on_item(&mut self, phase: Phase, meaning: &Meaning) -> Expect {
        match (phase, meaning) {
            (Phase::Header, Meaning::Header(header)) => {
                let fit = header.component && header.from != Given::Bad;
                let (true, Given::Is(name)) = (fit, header.to) else {
                    return Expect::ends();
                };
                match entry_of(self.config, name) {
                    Some(entry) => {
                        self.phase = Phase::Handshake(entry);
                        Expect::nothing()
                    }
                    None => Expect::ends(),
                }
            }
            (Phase::Handshake(entry), Meaning::Handshake { good: true }) => {
                self.phase = Phase::Open(entry);
                Expect { attached: true, ..Expect::nothing() }
            }
            (Phase::Open(entry) | Phase::Closing(entry), Meaning::Stanza { from, to }) => {
                match (*from, *to) {
                    (Given::Is(from), Given::Is(to)) if covers(self.config, entry, from) => {
                        Expect {
                            admitted: Some(((from, to), Proof::Component)),
                            ..Expect::nothing()
                        }
                    }
                    // What is in flight when we close is let go.
                    _ => Expect::quiet(End::Must),
                }
            }
            (Phase::Closing(_), Meaning::Close) => Expect::ends(),
            (Phase::Closing(_), _) => Expect::nothing(),
            _ => Expect::ends(),
        }
    }
}
