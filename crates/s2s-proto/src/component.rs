//! Component streams (XEP-0114): the accepting side.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};
use xmpp_addr::{Domain, DomainPair, DomainPairRef, DomainPattern};
use xmpp_frame::{Content, Element, Frame, Header, Item, Kind};

use crate::authz::{Evidence, PairTable, VerifiedPair};
use crate::dialback::hex;
use crate::error::{ReceivedError, StreamCondition, StreamError};
use crate::event::{CloseReason, Event, Input, Output};
use crate::header::{CLOSE_TAG, OpeningTag, PeerHeader, StreamIds};
use crate::ns;
use crate::outbox::Outbox;
use crate::stanza::{self, Stanza};
use crate::stop::Stop;
use crate::time::Millis;
use crate::timers::{Phase, Timeouts};

/// What all component streams of a listener share.
#[derive(Clone, Debug)]
pub struct ComponentConfig {
    /// Who may attach.
    pub entries: Vec<ComponentEntry>,
    /// Phase lengths; the handshake is [`Phase::Negotiation`].
    pub timeouts: Timeouts,
    /// Pairs one stream remembers, so that the next stanza of the pair costs no allocation; when one more comes all are
    /// forgotten. Default 4096, about 100 bytes each.
    pub pairs_remembered_max: usize,
}

impl ComponentConfig {
    /// The defaults, with these entries.
    #[must_use]
    pub fn new(entries: Vec<ComponentEntry>) -> Self {
        Self { entries, timeouts: Timeouts::default(), pairs_remembered_max: 4096 }
    }
}

/// One component that may attach.
#[derive(Clone)]
pub struct ComponentEntry {
    /// The domains it speaks for. Its header names one of them, or `x` where this is `*.x`.
    pub pattern: DomainPattern,
    /// The shared secret.
    pub secret: Box<str>,
}

impl fmt::Debug for ComponentEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentEntry").field("pattern", &self.pattern).finish_non_exhaustive()
    }
}

impl ComponentEntry {
    fn accepts_name(&self, name: &Domain) -> bool {
        match &self.pattern {
            // A component for `*.x` has no name of its own to give but `x`.
            DomainPattern::Below(parent) if parent == name => true,
            pattern => pattern.matches(name),
        }
    }
}

/// A component stream.
///
/// ```text
/// AwaitingTransport -> AwaitingHeader -> AwaitingHandshake -> Open -> AwaitingClose -> Closed
/// ```
///
/// The handshake proves the component for every domain its entry covers, towards every target.
#[derive(Debug)]
pub struct ComponentStream {
    config: Arc<ComponentConfig>,
    out: Outbox,
    ids: StreamIds,
    state: State,
    /// Pairs seen, at most `pairs_remembered_max`. A cell because `admit` reads; it is borrowed nowhere else.
    seen: RefCell<PairTable>,
}

#[derive(Debug)]
enum State {
    AwaitingTransport,
    AwaitingHeader,
    AwaitingHandshake(AwaitingHandshake),
    Open(Open),
    AwaitingClose(Open),
    Closed,
}

#[derive(Debug)]
struct AwaitingHandshake {
    id: Box<str>,
    name: Domain,
    entry: usize,
    lang: Option<Box<str>>,
}

#[derive(Debug)]
struct Open {
    pattern: DomainPattern,
    lang: Option<Box<str>>,
}

impl ComponentStream {
    /// A stream whose transport is not up yet. `seed` must be random: stream ids are made from it.
    #[must_use]
    pub fn new(config: Arc<ComponentConfig>, seed: [u8; 32]) -> Self {
        Self {
            config,
            out: Outbox::default(),
            ids: StreamIds::new(seed),
            state: State::AwaitingTransport,
            seen: RefCell::default(),
        }
    }

    /// Takes one input; drain [`ComponentStream::poll_output`] afterwards.
    pub fn handle(&mut self, now: Millis, input: Input) {
        let state = std::mem::replace(&mut self.state, State::Closed);
        let said_close =
            matches!(state, State::AwaitingTransport | State::AwaitingClose(_) | State::Closed);
        match self.step(state, now, input) {
            Ok(state) => self.state = state,
            Err(Stop::Close(reason)) => self.out.close(reason),
            Err(Stop::Error(error)) if said_close => self.out.close(CloseReason::Failed(error)),
            Err(Stop::Error(error)) => self.end(error),
        }
    }

    /// The next output, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.poll()
    }

    /// Makes a stanza of a frame whose sender the component speaks for; the data plane. The first stanza of a pair
    /// allocates, further ones do not.
    ///
    /// # Errors
    /// What to [`ComponentStream::fail`] with: `unsupported-stanza-type` for a nonza, `not-authorized` before the handshake,
    /// `improper-addressing` for a missing or malformed address, `invalid-from` for a sender the entry does not cover.
    pub fn admit(&self, frame: Frame) -> Result<Stanza, StreamError> {
        stanza::check_stanza(&frame)?;
        let (State::Open(open) | State::AwaitingClose(open)) = &self.state else {
            // RFC 6120 §4.9.3.12: stanzas before the stream has been authenticated.
            return Err(StreamCondition::NotAuthorized.into());
        };
        let verified = {
            let (from, to) = (frame.from(), frame.to());
            // XEP-0114 §3.1: a component stamps `from` and `to` on everything it sends.
            let (sender, target) = (stanza::address(&from)?, stanza::address(&to)?);
            self.verified(open, &sender, &target)?
        };
        stanza::seal(frame, verified, open.lang.as_deref())
    }

    fn verified(
        &self,
        open: &Open,
        sender: &str,
        target: &str,
    ) -> Result<VerifiedPair, StreamError> {
        let Ok(mut seen) = self.seen.try_borrow_mut() else {
            return Err(StreamCondition::InternalServerError.into());
        };
        if let Some(verified) = seen.find(&DomainPairRef { sender, target }) {
            return Ok(verified.clone());
        }
        let malformed = |_| StreamError::new(StreamCondition::ImproperAddressing);
        let sender = Domain::parse(sender).map_err(malformed)?;
        let target = Domain::parse(target).map_err(malformed)?;
        if !open.pattern.matches(&sender) {
            // RFC 6120 §4.9.3.9: not a domain this component was authenticated for.
            return Err(StreamCondition::InvalidFrom.into());
        }
        if seen.len() >= self.config.pairs_remembered_max {
            seen.clear();
        }
        Ok(seen.grant(DomainPair::new(sender, target), Evidence::ComponentHandshake))
    }

    /// Whether the handshake is done: stanza frames then go to [`ComponentStream::admit`], the rest to `handle`.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_) | State::AwaitingClose(_))
    }

    /// Never: nothing has to be judged here.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        false
    }

    /// Ends the stream with an error; opens it first when no header was sent yet.
    pub fn fail(&mut self, _now: Millis, error: StreamError) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => {}
            State::AwaitingTransport | State::AwaitingClose(_) => {
                self.out.close(CloseReason::Failed(error));
            }
            State::AwaitingHeader | State::AwaitingHandshake(_) | State::Open(_) => self.end(error),
        }
    }

    /// RFC 6120 §4.9.1.2: opening tag first, then the error, then the close tag.
    fn end(&mut self, error: StreamError) {
        if !self.out.header_sent {
            self.open(None);
        }
        self.out.write(|text| error.write(text));
        self.out.send(CLOSE_TAG);
        self.out.close(CloseReason::Failed(error));
    }

    /// XEP-0114 §3: the header has a `from` and an `id`, and no version.
    fn open(&mut self, name: Option<&Domain>) -> Box<str> {
        let id = self.ids.next();
        let from = name.map(Domain::as_str);
        let tag = OpeningTag {
            content: Content::Component,
            from,
            to: None,
            id: Some(&id),
            version_1: false,
        };
        self.out.write(|text| tag.write(text));
        self.out.header_sent = true;
        id
    }

    fn step(&mut self, state: State, now: Millis, input: Input) -> Result<State, Stop> {
        match (state, input) {
            (State::Closed, _) => Ok(State::Closed),
            (State::AwaitingClose(_), Input::Eof | Input::Item(Item::Close)) => {
                Err(Stop::Close(CloseReason::Finished))
            }
            (_, Input::Eof) => Err(Stop::Close(CloseReason::PeerClosed)),
            (_, Input::BadXml(error)) => Err(Stop::Error(error.into())),
            (state, Input::Timeout) => self.on_timeout(state, now),
            (state, Input::Shutdown) => self.on_shutdown(state, now),
            // A listener may wrap components in TLS; nothing changes for the stream.
            (State::AwaitingTransport, Input::TlsEstablished(_)) => Ok(State::AwaitingTransport),
            (State::AwaitingTransport, Input::Connected) => {
                let timeouts = &self.config.timeouts;
                self.out.deadlines.arm(now, Phase::Header, timeouts);
                self.out.deadlines.arm(now, Phase::Negotiation, timeouts);
                Ok(State::AwaitingHeader)
            }
            (State::AwaitingHeader, Input::Item(Item::Header(header))) => self.on_header(&header),
            // Stanzas in flight go through `admit`; nothing else can be answered any more.
            (state @ State::AwaitingClose(_), Input::Item(_)) => Ok(state),
            (_, Input::Item(Item::Close)) => {
                if !self.out.header_sent {
                    self.open(None);
                }
                self.out.send(CLOSE_TAG);
                self.out.event(Event::PeerClosed);
                Err(Stop::Close(CloseReason::PeerClosed))
            }
            (state, Input::Item(Item::Element(frame))) => self.on_element(state, &frame),
            (state, _) => Err(impossible(&state)),
        }
    }

    fn on_header(&mut self, header: &Header) -> Result<State, Stop> {
        self.out.deadlines.clear(Phase::Header);
        let header = PeerHeader::read(header, Content::Component)?;
        let Some(name) = header.to else {
            return Err(StreamError::with_text(
                StreamCondition::ImproperAddressing,
                "missing 'to'",
            )
            .into());
        };
        let candidates =
            self.config.entries.iter().enumerate().filter(|(_, entry)| entry.accepts_name(&name));
        let best = candidates.max_by_key(|(_, entry)| entry.pattern.specificity());
        let entry = best.map(|(index, _)| index);
        let id = self.open(Some(&name));
        // XEP-0114 §3: the `to` names the component; one that is not known is host-unknown.
        let Some(entry) = entry else {
            return Err(StreamCondition::HostUnknown.into());
        };
        Ok(State::AwaitingHandshake(AwaitingHandshake { id, name, entry, lang: header.lang }))
    }

    fn on_element(&mut self, state: State, frame: &Frame) -> Result<State, Stop> {
        let stanza = frame.kind() != Kind::Other;
        match state {
            // RFC 6120 §4.9.3.12: stanzas before the handshake.
            State::AwaitingHandshake(_) if stanza => Err(StreamCondition::NotAuthorized.into()),
            State::Open(_) if stanza => Err(impossible(&state)),
            State::AwaitingHandshake(_) | State::Open(_) => {
                let element = frame.element().map_err(StreamError::from)?;
                if element.is("error", ns::STREAMS) {
                    let error = ReceivedError::read(&element);
                    self.out.event(Event::PeerError(error.clone()));
                    self.out.send(CLOSE_TAG);
                    return Err(Stop::Close(CloseReason::PeerFailed(error)));
                }
                match state {
                    State::AwaitingHandshake(awaiting) => self.on_handshake(awaiting, &element),
                    _ => Err(StreamCondition::UnsupportedStanzaType.into()),
                }
            }
            state => Err(impossible(&state)),
        }
    }

    fn on_handshake(
        &mut self,
        awaiting: AwaitingHandshake,
        element: &Element,
    ) -> Result<State, Stop> {
        if !element.is("handshake", ns::COMPONENT_ACCEPT) {
            return Err(StreamCondition::NotAuthorized.into());
        }
        let AwaitingHandshake { id, name, entry, lang } = awaiting;
        let Some(known) = self.config.entries.get(entry) else {
            return Err(StreamCondition::InternalServerError.into());
        };
        let expected = handshake(&id, &known.secret);
        let given = element.text();
        // XEP-0114 §3: a wrong hash is not-authorized. Compared in constant time.
        if constant_time::verify_slices_are_equal(expected.as_bytes(), given.trim().as_bytes())
            .is_err()
        {
            return Err(StreamCondition::NotAuthorized.into());
        }
        let pattern = known.pattern.clone();
        self.out.deadlines.clear_all();
        self.out.send("<handshake/>");
        self.out.event(Event::ComponentAttached { name, entry });
        Ok(State::Open(Open { pattern, lang }))
    }

    fn on_shutdown(&mut self, state: State, now: Millis) -> Result<State, Stop> {
        match state {
            State::Open(open) => {
                self.out.send(CLOSE_TAG);
                self.out.deadlines.arm(now, Phase::Close, &self.config.timeouts);
                Ok(State::AwaitingClose(open))
            }
            State::AwaitingClose(_) => Ok(state),
            State::AwaitingHandshake(_) => {
                self.out.send(CLOSE_TAG);
                Err(Stop::Close(CloseReason::Finished))
            }
            State::AwaitingTransport | State::AwaitingHeader | State::Closed => {
                Err(Stop::Close(CloseReason::Finished))
            }
        }
    }

    fn on_timeout(&mut self, state: State, now: Millis) -> Result<State, Stop> {
        self.out.woken();
        match self.out.deadlines.expired(now) {
            None => Ok(state),
            Some(Phase::Close) => Err(Stop::Close(CloseReason::Finished)),
            Some(phase) => {
                if self.out.header_sent {
                    self.out.write(|text| {
                        StreamError::new(StreamCondition::ConnectionTimeout).write(text);
                    });
                    self.out.send(CLOSE_TAG);
                }
                Err(Stop::Close(CloseReason::TimedOut(phase)))
            }
        }
    }
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::AwaitingTransport => "AwaitingTransport",
            Self::AwaitingHeader => "AwaitingHeader",
            Self::AwaitingHandshake(_) => "AwaitingHandshake",
            Self::Open(_) => "Open",
            Self::AwaitingClose(_) => "AwaitingClose",
            Self::Closed => "Closed",
        }
    }
}

/// An event that cannot happen in a state: a fault of the driver, never of the peer.
fn impossible(state: &State) -> Stop {
    let text = format!("event out of place in state {}", state.name());
    Stop::Error(StreamError::with_text(StreamCondition::InternalServerError, text))
}

/// XEP-0114 §3: the lower-case hexadecimal SHA-1 of stream id and secret.
fn handshake(id: &str, secret: &str) -> String {
    let mut hashing = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hashing.update(id.as_bytes());
    hashing.update(secret.as_bytes());
    hex(hashing.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_matches_the_known_vector() {
        assert_eq!(handshake("3BF96D32", "secret"), "b09ea9b3b7f586be8a08d0a3dd7466f110aeb136");
    }

    #[test]
    fn the_secret_of_an_entry_is_never_printed() {
        let entry = ComponentEntry { pattern: DomainPattern::Any, secret: "swordfish".into() };
        assert!(!format!("{entry:?}").contains("swordfish"));
    }
}
