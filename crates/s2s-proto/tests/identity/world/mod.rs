//! One stream under test: a real framer in front of it, a strict reader behind it, a model beside it, and the caller's duties in
//! between (`s2s-net` does the same with sockets).

mod around;
mod covered;
mod ends;

use self::covered::{cover_inbound, cover_outbound};

use std::collections::VecDeque;

use bytes::Bytes;
use s2s_proto::{
    CertificateAnswer, CloseReason, ComponentStream, Demand, DialbackCondition, Event,
    InboundStream, Input, Judgement, Millis, OutboundStream, Output, Refusal, Standing, Stanza,
    StreamCondition, StreamError, TlsPeer, VerifyOutcome, VerifyRequest,
};
use xmpp_addr::DomainPair;
use xmpp_frame::{Framer, Item, Kind, Limits};

use crate::compare;
use crate::config::{self, OWN, domain_pair};
use crate::coverage::{Coverage, Point};
use crate::inbound::{self, Happening};
use crate::law::{Breach, breach};
use crate::outbound::{self, Cause};
use crate::seen::{Reader, Seen};
use crate::step::{Op, Role, Setup, Step};
use crate::wire::{Id, Meaning, Voice};
use crate::words::{BANK, CHAT, EVIL, Given, NAMES, Name, Pair, SPELLINGS, US, WHICH};
use crate::{component, wire};

/// The stream and its model.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a few of them a case")]
pub enum Player {
    Inbound(InboundStream, inbound::Model),
    Outbound(OutboundStream, outbound::Model),
    Component(ComponentStream, component::Model),
}

/// What came out in one step.
#[derive(Debug, Default)]
pub struct Observed {
    pub seen: Vec<Seen>,
    pub events: Vec<Event>,
    pub judge: Vec<Pair>,
    pub verify: Vec<VerifyRequest>,
    pub starts_tls: bool,
    pub restarts: bool,
    pub close: Option<CloseReason>,
    pub admitted: Option<Stanza>,
    pub refused_stanza: bool,
    outputs: usize,
    bytes: usize,
}

/// A request for a verification that was made.
#[derive(Clone, Copy, Debug)]
struct Request {
    pair: Pair,
    number: u32,
    answered: bool,
}

pub struct World<'a> {
    pub player: Player,
    cover: &'a mut Coverage,
    voice: Voice,
    reader: Reader,
    framer: Framer,
    /// What the peer said and the framer has not yielded.
    said: VecDeque<Meaning>,
    /// Bytes the peer has not let go of.
    unsent: Vec<u8>,
    cut: Option<usize>,
    /// A header was read on the stream as it stands.
    in_body: bool,
    spaced: bool,
    now: Millis,
    wake: Option<Millis>,
    pub handshaking: bool,
    pub closed: bool,
    requests: Vec<Request>,
    again: Option<Request>,
    our_ids: Vec<String>,
    /// The dialogue in words, when somebody will read it.
    pub trace: Option<Vec<String>>,
}

/// The key of every check that the router asks for.
pub const ASKED_KEY: &str = "0123abcd";

/// The play's names of a pair the stream named.
pub fn names(pair: &DomainPair) -> Result<Pair, Breach> {
    let of = |text: &str| NAMES.iter().position(|known| *known == text).map(|at| at as Name);
    match (of(pair.sender().as_str()), of(pair.target().as_str())) {
        (Some(sender), Some(target)) => Ok((sender, target)),
        _ => breach("a pair is made of domains that somebody named", pair.to_string()),
    }
}

impl<'a> World<'a> {
    pub fn new(setup: Setup, cover: &'a mut Coverage) -> Self {
        let Setup { role, direct_tls, config } = setup;
        let seed = [0x11; 32];
        let mut rotating = false;
        let player = match role {
            Role::Inbound | Role::Backend => {
                let limits = config::inbound_limits(config);
                rotating = limits.rotating;
                let tls = config::tls_state(direct_tls);
                Player::Inbound(
                    InboundStream::new(config::inbound(config), seed, tls),
                    inbound::Model::new(limits, direct_tls),
                )
            }
            Role::Outbound => {
                let options = config::outbound_options(config, direct_tls);
                Player::Outbound(
                    OutboundStream::new(config::outbound(config), domain_pair(OWN), options),
                    outbound::Model::new(config::outbound_limits(config), direct_tls),
                )
            }
            Role::Component | Role::Relay => Player::Component(
                ComponentStream::new(config::component(config), seed),
                component::Model::new(config),
            ),
        };
        Self {
            player,
            cover,
            voice: Voice::new(rotating),
            reader: Reader::new(),
            framer: Framer::new(Limits::default()),
            said: VecDeque::new(),
            unsent: Vec::new(),
            cut: None,
            in_body: false,
            spaced: false,
            now: Millis(1_000),
            wake: None,
            handshaking: false,
            closed: false,
            requests: Vec::new(),
            again: None,
            our_ids: Vec::new(),
            trace: None,
        }
    }

    pub fn is_blocked(&self) -> bool {
        match &self.player {
            Player::Inbound(_, model) => model.is_blocked(),
            Player::Outbound(_, model) => model.is_blocked(),
            Player::Component(..) => false,
        }
    }

    pub fn has_open_requests(&self) -> bool {
        self.requests.iter().any(|request| !request.answered)
    }

    /// The name the peer gave itself in its latest header.
    pub fn peer(&self) -> Option<Name> {
        self.voice.own
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    /// Whether bytes of the peer would reach the framer.
    fn hears(&self) -> bool {
        let is_up = match &self.player {
            Player::Inbound(_, model) => !matches!(model.phase, inbound::Phase::Transport { .. }),
            Player::Outbound(_, model) => !matches!(model.phase, outbound::Phase::Transport { .. }),
            Player::Component(_, model) => model.phase != component::Phase::Transport,
        };
        is_up && !self.handshaking && !self.closed
    }

    /// Plays one step; one that makes no sense here does nothing.
    pub fn step(&mut self, step: &Step) -> Result<(), Breach> {
        if self.closed {
            return Ok(());
        }
        self.now = self.now.after(1);
        self.note(|| format!("# {step}"));
        let [a, b, c, d, ..] = step.args;
        match step.op {
            Op::Cut => {
                self.cut = crate::words::CUTS[usize::from(a)].parse().ok();
                Ok(())
            }
            Op::Connected => self.happens(Happening::Connected, Input::Connected),
            Op::Tls => {
                self.handshaking = false;
                let peer = TlsPeer { certificate: a == 1, direct: b == 1 };
                self.happens(Happening::Tls, Input::TlsEstablished(peer))?;
                self.pump()
            }
            Op::Judged => self.judged(a, b, c, d),
            Op::Verified => self.verified(a, b),
            Op::Authorize => self.authorize(a, b),
            Op::AskVerify => self.ask_verify(a, b, Id(c), d),
            Op::Timeout => self.time_out(a),
            Op::Shutdown => {
                self.happens(Happening::Shutdown, Input::Shutdown)?;
                self.pump()
            }
            Op::Eof => self.happens(Happening::Eof, Input::Eof),
            Op::Fail => self.fail(StreamCondition::Reset.into()),
            _ if self.hears() => self.wire(step),
            _ => Ok(()),
        }
    }

    fn wire(&mut self, step: &Step) -> Result<(), Breach> {
        let before = self.unsent.len();
        let meaning = self.voice.say(step, &mut self.unsent);
        if step.op == Op::Space {
            self.spaced = true;
        }
        if let (Meaning::Header(header), Player::Component(_, _)) =
            (meaning.as_ref().unwrap_or(&Meaning::Other), &self.player)
            && let Some(name) = header.to.name()
        {
            self.voice.component_secret = self.component_secret(name);
        }
        self.said.extend(meaning);
        let whole = self.unsent.len();
        let cut = self.cut.take().map_or(whole, |cut| (before + cut).min(whole));
        if cut < whole {
            self.cover.hit(Point::Split);
        }
        if self.trace.is_some() {
            let text = String::from_utf8_lossy(&self.unsent[..cut]).into_owned();
            self.note(|| format!("peer: {text}"));
        }
        self.framer.buffer().extend_from_slice(&self.unsent[..cut]);
        self.unsent.drain(..cut);
        self.pump()
    }

    fn component_secret(&self, name: Name) -> usize {
        let Player::Component(_, model) = &self.player else { return 0 };
        let entry = component::entry_of(model.config, name);
        entry.map_or(0, |entry| config::entries(model.config)[entry].1)
    }

    /// As the driver does: items while the stream takes them.
    fn pump(&mut self) -> Result<(), Breach> {
        while self.hears() && !self.is_blocked() {
            match self.framer.next() {
                Ok(None) => return Ok(()),
                Ok(Some(item)) => {
                    let Some(meaning) = self.said.pop_front() else {
                        return breach("the framer yields what was said", format!("{item:?}"));
                    };
                    let fits = match (&item, &meaning) {
                        (_, Meaning::Broken) => false,
                        (Item::Header(_), Meaning::Header(_)) | (Item::Close, Meaning::Close) => {
                            true
                        }
                        (Item::Element(_), meaning) => {
                            !matches!(meaning, Meaning::Header(_) | Meaning::Close)
                        }
                        _ => false,
                    };
                    if !fits {
                        let detail = format!("{item:?} for {meaning:?}");
                        return breach("the framer reads what was written", detail);
                    }
                    self.item(meaning, item)?;
                }
                Err(error) => {
                    let meaning = self.said.pop_front();
                    let right = match &meaning {
                        None => false,
                        Some(Meaning::Broken) => true,
                        Some(Meaning::Header(_)) => self.in_body || self.spaced,
                        Some(_) => !self.in_body,
                    };
                    if !right {
                        let detail = format!("{error:?} for {meaning:?}");
                        return breach("the framer refuses what is wrong, only", detail);
                    }
                    let broken = Happening::Item(Meaning::Broken);
                    self.happens(broken, Input::BadXml(error))?;
                }
            }
        }
        Ok(())
    }

    fn item(&mut self, meaning: Meaning, item: Item) -> Result<(), Breach> {
        if matches!(meaning, Meaning::Header(_)) {
            self.in_body = true;
            self.spaced = false;
        }
        let is_stanza = matches!(&item, Item::Element(frame) if frame.kind() != Kind::Other);
        if is_stanza != matches!(meaning, Meaning::Stanza { .. }) {
            let detail = format!("{item:?} for {meaning:?}");
            return breach("a stanza is known by its expanded name", detail);
        }
        let admits = match &self.player {
            Player::Inbound(stream, _) => stream.is_open(),
            Player::Component(stream, _) => stream.is_open(),
            Player::Outbound(stream, _) => stream.admits(),
        };
        let Item::Element(frame) = item else {
            return self.happens(Happening::Item(meaning), Input::Item(item));
        };
        if !(is_stanza && admits) {
            if is_stanza && matches!(self.player, Player::Inbound(..)) {
                self.cover.hit(Point::StanzaEarly);
            }
            return self.happens(Happening::Item(meaning), Input::Item(Item::Element(frame)));
        }
        let spelled = String::from_utf8_lossy(frame.bytes()).into_owned();
        let admitted = match &self.player {
            Player::Inbound(stream, _) => stream.admit(frame),
            Player::Component(stream, _) => stream.admit(frame),
            Player::Outbound(stream, _) => stream.admit(frame),
        };
        let mut observed = Observed::default();
        match admitted {
            Ok(stanza) => {
                let canonical = stanza.pair().sender().as_str();
                if !spelled.contains(canonical) {
                    self.cover.hit(Point::AdmittedSpelling);
                }
                observed.admitted = Some(stanza);
            }
            Err(error) => {
                self.cover.hit(Point::StanzaRefused);
                observed.refused_stanza = true;
                self.give(|player, now| match player {
                    Player::Inbound(stream, _) => stream.fail(now, error),
                    Player::Component(stream, _) => stream.fail(now, error),
                    Player::Outbound(stream, _) => stream.fail(now, error),
                });
                self.drain(&mut observed)?;
            }
        }
        self.look(&Cause::Happens(Happening::Item(meaning)), &observed)
    }

    fn happens(&mut self, what: Happening, input: Input) -> Result<(), Breach> {
        let mut observed = Observed::default();
        self.give(|player, now| match player {
            Player::Inbound(stream, _) => stream.handle(now, input),
            Player::Outbound(stream, _) => stream.handle(now, input),
            Player::Component(stream, _) => stream.handle(now, input),
        });
        self.drain(&mut observed)?;
        self.look(&Cause::Happens(what), &observed)
    }

    fn give(&mut self, mutate: impl FnOnce(&mut Player, Millis)) {
        mutate(&mut self.player, self.now);
    }

    fn poll(&mut self) -> Option<Output> {
        match &mut self.player {
            Player::Inbound(stream, _) => stream.poll_output(),
            Player::Outbound(stream, _) => stream.poll_output(),
            Player::Component(stream, _) => stream.poll_output(),
        }
    }

    fn drain(&mut self, observed: &mut Observed) -> Result<(), Breach> {
        while let Some(output) = self.poll() {
            if self.trace.is_some() {
                let text = shown(&output);
                self.note(|| text);
            }
            if observed.close.is_some() {
                return breach("nothing comes after Close", format!("{output:?}"));
            }
            observed.outputs += 1;
            match output {
                Output::Transmit(bytes) => self.read(&bytes, observed)?,
                Output::StartTls(bytes) => {
                    self.read(&bytes, observed)?;
                    observed.starts_tls = true;
                }
                Output::RestartStream(bytes) => {
                    observed.restarts = true;
                    self.in_body = false;
                    self.framer.restart();
                    // The initiating side speaks the new header, the receiving one the last word of the old stream.
                    if matches!(self.player, Player::Outbound(..)) {
                        self.reader.restart();
                        self.read(&bytes, observed)?;
                    } else {
                        self.read(&bytes, observed)?;
                        self.reader.restart();
                    }
                }
                Output::Judge(pair) => observed.judge.push(names(&pair)?),
                Output::Verify(request) => observed.verify.push(request),
                Output::Event(event) => observed.events.push(event),
                Output::Close(reason) => observed.close = Some(reason),
                Output::Timeout(at) => self.wake = Some(at),
            }
        }
        Ok(())
    }

    fn read(&mut self, bytes: &Bytes, observed: &mut Observed) -> Result<(), Breach> {
        observed.bytes += bytes.len();
        self.reader.read(bytes, &mut observed.seen)
    }

    /// Compares what came out with what the model says.
    fn look(&mut self, cause: &Cause, observed: &Observed) -> Result<(), Breach> {
        let inbound = matches!(self.player, Player::Inbound(..));
        for event in &observed.events {
            self.cover.event(inbound, event);
        }
        if let Some(stanza) = &observed.admitted {
            self.cover.admitted(stanza.verified().proof());
        }
        compare::bounds(&observed.seen, observed.outputs, observed.bytes)?;
        self.note_ids(observed)?;
        match (&mut self.player, cause) {
            (Player::Inbound(stream, model), Cause::Happens(what)) => {
                let number = model.next_request();
                let before = model.verified.len();
                let expect = model.happens(self.now, what);
                compare::inbound(what, &expect, observed, &self.voice.our_id)?;
                for request in &observed.verify {
                    let pair = names(&request.pair)?;
                    self.requests.push(Request { pair, number, answered: false });
                }
                if observed.close.is_some() {
                    model.closed();
                }
                model.reverse(&observed.events)?;
                compare::inbound_views(stream, model)?;
                cover_inbound(self.cover, what, observed, model, before);
            }
            (Player::Outbound(stream, model), cause) => {
                model.check(cause, observed)?;
                if observed.close.is_some() {
                    model.closed();
                }
                compare::outbound_views(stream, model)?;
                cover_outbound(self.cover, model, observed);
            }
            (Player::Component(stream, model), Cause::Happens(what)) => {
                let expect = model.happens(what);
                compare::component(what, &expect, observed)?;
                if observed.close.is_some() {
                    model.closed();
                }
                if stream.is_open() != model.is_open() {
                    return breach(
                        "a component is attached as the model says",
                        format!("{what:?}"),
                    );
                }
                let refused = matches!(what, Happening::Item(Meaning::Handshake { good: false }));
                if refused {
                    self.cover.hit(Point::ComponentRefused);
                }
            }
            (_, cause) => return breach("the play is wrong", format!("{cause:?}")),
        }
        if observed.starts_tls {
            self.start_tls();
        }
        if observed.close.is_some() {
            self.closed = true;
            self.cover.hit(Point::Ended);
            return self.silence();
        }
        Ok(())
    }

    /// Threat A21: the driver checks that no clear bytes wait, and begins with a fresh framer.
    fn start_tls(&mut self) {
        if self.framer.pending() > 0 || !self.unsent.is_empty() || !self.said.is_empty() {
            self.cover.hit(Point::Injected);
            self.closed = true;
            return;
        }
        self.framer = Framer::new(Limits::default());
        self.reader.start_tls();
        self.in_body = false;
        self.handshaking = true;
    }
}

fn shown(output: &Output) -> String {
    match output {
        Output::Transmit(bytes) => format!("  us: {}", String::from_utf8_lossy(bytes)),
        Output::StartTls(bytes) => format!("  us, then TLS: {}", String::from_utf8_lossy(bytes)),
        Output::RestartStream(bytes) => {
            format!("  us, with a restart: {}", String::from_utf8_lossy(bytes))
        }
        other => format!("  {other:?}"),
    }
}
