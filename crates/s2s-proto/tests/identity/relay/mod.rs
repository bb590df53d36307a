//! Two honest routers and an attacker: keys relayed between streams, ids replayed, one stream's `valid` said on another.
//!
//! `capulet.example` (the victim) and `bank.example` (whom the attacker would like to be) are honest; every other name is the
//! attacker's, DNS says so truly, and the attacker cannot touch the wires between the two. All streams are real, with real
//! dialback keys on both ends. The law: who is verified at an honest server is who opened the stream.

mod honest;
mod plan;

use self::plan::next;

use s2s_proto::{
    CertificateAnswer, Demand, DialbackCondition, Event, InboundStream, Input, Judgement, Millis,
    OutboundStream, Output, Refusal, TlsPeer, VerifyOutcome, VerifyRequest,
};
use xmpp_frame::{Framer, Item, Kind, Limits};

use crate::config::{self, domain_pair};
use crate::coverage::{Coverage, Point};
use crate::generate::{Mind, spell};
use crate::law::{Breach, breach};
use crate::oracle::{Keyed, OURS, THEIRS};
use crate::seen::{Reader, Seen};
use crate::step::{Dialogue, Op, Setup, Step};
use crate::wire::Answer;
use crate::words::{BANK, EVIL, NAMES, Name, Pair, SPELLINGS, US, XBANK};
use crate::world::names;

/// Steps of a dialogue at most; the honest servers need some to find each other.
const STEPS_MAX: usize = 48;
/// Links at most, of all kinds.
const LINKS_MAX: usize = 16;
/// The honest servers, by the domain each hosts.
const SERVERS: [Name; 2] = [US, BANK];

/// Who stands at an end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Honest(usize),
    Attacker,
}

fn owner(name: Name) -> Who {
    SERVERS.iter().position(|known| *known == name).map_or(Who::Attacker, Who::Honest)
}

#[expect(clippy::large_enum_variant, reason = "a few of them a case")]
enum Machine {
    /// We are the receiving server.
    In(InboundStream),
    /// We are the initiating server, for this domain.
    Out(OutboundStream, Name),
}

/// An honest end of a link.
struct End {
    server: usize,
    other: Who,
    machine: Machine,
    framer: Framer,
    /// What is on its way to this end; only between honest ends.
    arriving: Vec<u8>,
    /// The other end, between honest ends.
    twin: Option<usize>,
    reader: Reader,
    /// The id of the response header on this link, said or heard.
    id: String,
    /// The attacker has said its header here.
    answered: bool,
    closed: bool,
}

/// A key that is being verified: the end it came on, the end it is asked on.
struct Verification {
    came_on: usize,
    asked_on: usize,
    request: VerifyRequest,
}

struct Relay<'a> {
    cover: &'a mut Coverage,
    certificates: bool,
    direct: bool,
    now: Millis,
    ends: Vec<End>,
    verifications: Vec<Verification>,
    /// What the attacker has seen, the latest last; and whence.
    ids: Vec<(String, usize)>,
    keys: Vec<(String, usize)>,
    /// Keys an honest server has sent: server, pair, id.
    sent: Vec<(usize, Pair, String)>,
    /// Checks the attacker was asked: on which link, originating and receiving, id.
    asked: Vec<(usize, Pair, String)>,
    /// From whom and to whom the attacker's latest stanza claims to be.
    spoken: Option<Pair>,
    trace: Option<Vec<String>>,
}

pub fn generate(mind: &mut Mind, cover: &mut Coverage, written: &mut Dialogue) -> Option<Breach> {
    let mut relay = Relay::new(written.setup, cover);
    let length = 12 + mind.below(STEPS_MAX - 12);
    for _ in 0..length {
        let step = next(mind, &relay);
        written.steps.push(step);
        if let Err(breach) = relay.step(&step) {
            return Some(breach);
        }
    }
    None
}

pub fn replay(
    setup: Setup,
    steps: &[Step],
    cover: &mut Coverage,
    trace: Option<&mut Vec<String>>,
) -> Option<Breach> {
    let mut relay = Relay::new(setup, cover);
    relay.trace = trace.is_some().then(Vec::new);
    let breach = steps.iter().find_map(|step| relay.step(step).err());
    if let (Some(out), Some(lines)) = (trace, relay.trace) {
        *out = lines;
    }
    breach
}

impl<'a> Relay<'a> {
    fn new(setup: Setup, cover: &'a mut Coverage) -> Self {
        Self {
            cover,
            certificates: setup.config.is_multiple_of(2),
            direct: setup.direct_tls,
            now: Millis(1_000),
            ends: Vec::new(),
            verifications: Vec::new(),
            ids: vec![("S1".into(), usize::MAX)],
            keys: vec![("0123abcd".into(), usize::MAX)],
            sent: Vec::new(),
            asked: Vec::new(),
            spoken: None,
            trace: None,
        }
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Breach> {
        self.now = self.now.after(1);
        self.note(|| format!("# {step}"));
        let [a, b, c, d, e, _] = step.args;
        let xml = |index: u8| SPELLINGS[usize::from(index)].xml;
        let means = |index: u8| SPELLINGS[usize::from(index)].given.name();
        match step.op {
            Op::Dial => self.dial(usize::from(a)).map(|_| ()),
            Op::Reach => match means(b) {
                Some(to) => self.reach(usize::from(a), to),
                None => Ok(()),
            },
            Op::Open => {
                let text = header(&format!("from='{}' to='{}'", xml(b), xml(c)));
                self.attack(a, false, &text)
            }
            Op::Respond => {
                let (id, whence) = recent(&self.ids, c);
                let offers = match crate::words::OFFERS[usize::from(d)] {
                    "sasl+dialback" | "dialback" | "errors" => {
                        "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
                    }
                    "dialback+bidi" | "sasl+dialback+bidi" => {
                        "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>\
                         <bidi xmlns='urn:xmpp:features:bidi'/>"
                    }
                    _ => "",
                };
                let head = header(&format!("from='{}' id='{id}'", xml(b)));
                let text = format!("{head}<stream:features>{offers}</stream:features>");
                if let Some(place) = self.attackers(a, true)
                    && whence != place
                    && whence != usize::MAX
                {
                    self.cover.hit(Point::RelayIdOfOther);
                }
                self.attack(a, true, &text)
            }
            Op::Claim => {
                let (key, whence) = recent(&self.keys, d);
                if let Some(place) = self.attackers(a, false) {
                    if whence != place && whence != usize::MAX {
                        self.cover.hit(Point::RelayKeyOfOther);
                    }
                    if means(b).is_some_and(|name| owner(name) != Who::Attacker) {
                        self.cover.hit(Point::RelayClaimed);
                    }
                }
                let text =
                    format!("<db:result from='{}' to='{}'>{key}</db:result>", xml(b), xml(c));
                self.attack(a, false, &text)
            }
            Op::Check => {
                let ((id, _), (key, _)) = (recent(&self.ids, d), recent(&self.keys, e));
                let (from, to) = (xml(b), xml(c));
                let text =
                    format!("<db:verify from='{from}' to='{to}' id='{id}'>{key}</db:verify>");
                self.attack(a, false, &text)
            }
            Op::Vouch => {
                let (id, _) = recent(&self.ids, d);
                let kind = said_type(e);
                let (from, to) = (xml(b), xml(c));
                let text = format!("<db:verify from='{from}' to='{to}' id='{id}' type='{kind}'/>");
                let outbound = self.answers_on_outbound(a);
                self.attack(a, outbound, &text)
            }
            Op::Grant => {
                let kind = said_type(d);
                let text = format!("<db:result from='{}' to='{}' type='{kind}'/>", xml(b), xml(c));
                let outbound = self.answers_on_outbound(a);
                self.attack(a, outbound, &text)
            }
            Op::Bidi => self.attack(a, false, "<bidi xmlns='urn:xmpp:bidi'/>"),
            Op::Speak => {
                self.spoken = means(b).zip(means(c));
                let text = format!("<message from='a@{}' to='b@{}'/>", xml(b), xml(c));
                self.attack(a, false, &text)
            }
            Op::Deliver => self.deliver(usize::from(a)),
            Op::HangUp => {
                let Some(place) = self.attackers(a, a.is_multiple_of(2)) else { return Ok(()) };
                self.give(place, Input::Eof)
            }
            _ => Ok(()),
        }
    }

    /// Answers belong on streams the attacker responds on; one in eight goes elsewhere.
    fn answers_on_outbound(&self, stream: u8) -> bool {
        stream != 7
    }

    /// The attacker's link of this number, of those an honest server initiated or of the others.
    fn attackers(&self, number: u8, outbound: bool) -> Option<usize> {
        let open = self.attackers_ends(outbound);
        if open.is_empty() { None } else { Some(open[usize::from(number) % open.len()]) }
    }

    fn attackers_ends(&self, outbound: bool) -> Vec<usize> {
        let of_kind = |end: &End| {
            end.other == Who::Attacker
                && !end.closed
                && matches!(end.machine, Machine::Out(..)) == outbound
        };
        (0..self.ends.len()).filter(|at| of_kind(&self.ends[*at])).collect()
    }

    fn dial(&mut self, server: usize) -> Result<Option<usize>, Breach> {
        if self.ends.len() >= LINKS_MAX {
            return Ok(None);
        }
        self.accept(server, Who::Attacker).map(Some)
    }

    fn accept(&mut self, server: usize, other: Who) -> Result<usize, Breach> {
        let place = self.ends.len();
        let mut seed = [0x33; 32];
        seed[0] = place as u8;
        let tls = config::tls_state(self.direct);
        // The victim has the play's current secret, the bank another.
        let made = if server == 0 { config::inbound(0) } else { config::inbound_of_others() };
        let machine = Machine::In(InboundStream::new(made, seed, tls));
        self.connect(server, other, machine)?;
        Ok(place)
    }

    fn connect(&mut self, server: usize, other: Who, machine: Machine) -> Result<(), Breach> {
        let place = self.ends.len();
        self.ends.push(End {
            server,
            other,
            machine,
            framer: Framer::new(Limits::default()),
            arriving: Vec::new(),
            twin: None,
            reader: Reader::new(),
            id: String::new(),
            answered: false,
            closed: false,
        });
        self.give(place, Input::Connected)?;
        if self.direct {
            let peer = TlsPeer { certificate: self.certificates, direct: true };
            self.give(place, Input::TlsEstablished(peer))?;
        }
        Ok(())
    }

    /// The stream of a server towards a domain; opened when there is none.
    fn towards(&mut self, server: usize, to: Name) -> Result<Option<usize>, Breach> {
        let known = self.ends.iter().position(|end| {
            let same = matches!(end.machine, Machine::Out(_, target) if target == to);
            end.server == server && same && !end.closed
        });
        if known.is_some() || self.ends.len() + 2 > LINKS_MAX {
            return Ok(known);
        }
        let other = owner(to);
        if other == Who::Honest(server) {
            return Ok(None);
        }
        let made = if server == 0 { config::outbound(0) } else { config::outbound_of_others() };
        let options = config::outbound_options(0, self.direct);
        let pair = domain_pair((SERVERS[server], to));
        let place = self.ends.len();
        self.connect(server, other, Machine::Out(OutboundStream::new(made, pair, options), to))?;
        if let Who::Honest(receiving) = other {
            let twin = self.accept(receiving, Who::Honest(server))?;
            self.ends[place].twin = Some(twin);
            self.ends[twin].twin = Some(place);
            // What was said before there was somebody to hear it.
            let early = std::mem::take(&mut self.ends[place].arriving);
            self.ends[twin].arriving = early;
        }
        Ok(Some(place))
    }

    fn reach(&mut self, server: usize, to: Name) -> Result<(), Breach> {
        let Some(place) = self.towards(server, to)? else { return Ok(()) };
        let now = self.now;
        if let Machine::Out(stream, _) = &mut self.ends[place].machine {
            stream.authorize(now, domain_pair((SERVERS[server], to)));
        }
        self.drain(place)
    }

    /// The attacker's words on one of its links.
    fn attack(&mut self, number: u8, outbound: bool, text: &str) -> Result<(), Breach> {
        let Some(place) = self.attackers(number, outbound) else { return Ok(()) };
        self.note(|| format!("attacker on {place}: {text}"));
        self.ends[place].answered = true;
        self.ends[place].framer.buffer().extend_from_slice(text.as_bytes());
        self.pump(place)
    }

    /// What honest servers have said to each other arrives at one end.
    fn deliver(&mut self, number: usize) -> Result<(), Breach> {
        let waits = |end: &&mut End| end.twin.is_some() && !end.arriving.is_empty();
        let waiting = self.ends.iter_mut().filter(|end| waits(end)).count();
        if waiting == 0 {
            return Ok(());
        }
        let mut ends = (0..self.ends.len())
            .filter(|at| self.ends[*at].twin.is_some() && !self.ends[*at].arriving.is_empty());
        let Some(place) = ends.nth(number % waiting) else { return Ok(()) };
        let bytes = std::mem::take(&mut self.ends[place].arriving);
        if self.ends[place].closed {
            return Ok(());
        }
        self.ends[place].framer.buffer().extend_from_slice(&bytes);
        self.pump(place)
    }

    fn pump(&mut self, place: usize) -> Result<(), Breach> {
        while !self.ends[place].closed {
            let end = &mut self.ends[place];
            match end.framer.next() {
                Ok(None) => break,
                Err(error) => self.give(place, Input::BadXml(error))?,
                Ok(Some(Item::Element(frame))) if frame.kind() != Kind::Other => {
                    let admitted = match &end.machine {
                        Machine::In(stream) if stream.is_open() => stream.admit(frame),
                        Machine::Out(stream, _) if stream.admits() => stream.admit(frame),
                        _ => {
                            self.give(place, Input::Item(Item::Element(frame)))?;
                            continue;
                        }
                    };
                    match admitted {
                        Ok(stanza) => {
                            let pair = names(stanza.pair())?;
                            if self.spoken != Some(pair) {
                                let detail = format!("{stanza:?}");
                                return breach(
                                    "a stanza is admitted for the pair it names",
                                    detail,
                                );
                            }
                            self.proved(place, pair, "no stanza of another's domain is admitted")?;
                            self.cover.hit(Point::RelayAdmitted);
                        }
                        Err(error) => {
                            self.cover.hit(Point::RelayStanzaRefused);
                            let now = self.now;
                            match &mut self.ends[place].machine {
                                Machine::In(stream) => stream.fail(now, error),
                                Machine::Out(stream, _) => stream.fail(now, error),
                            }
                            self.drain(place)?;
                        }
                    }
                }
                Ok(Some(item)) => {
                    if let (Item::Header(header), Machine::Out(..)) = (&item, &end.machine) {
                        end.id = header.id().unwrap_or_default().to_owned();
                    }
                    self.give(place, Input::Item(item))?;
                }
            }
        }
        Ok(())
    }

    fn give(&mut self, place: usize, input: Input) -> Result<(), Breach> {
        self.mutate(place, input);
        self.drain(place)
    }

    fn mutate(&mut self, place: usize, input: Input) {
        let now = self.now;
        match &mut self.ends[place].machine {
            Machine::In(stream) => stream.handle(now, input),
            Machine::Out(stream, _) => stream.handle(now, input),
        }
    }

    fn drain(&mut self, place: usize) -> Result<(), Breach> {
        let mut to_judge = Vec::new();
        loop {
            let output = match &mut self.ends[place].machine {
                Machine::In(stream) => stream.poll_output(),
                Machine::Out(stream, _) => stream.poll_output(),
            };
            let Some(output) = output else {
                // One mutation, then drain, then the next.
                let Some(pair) = to_judge.pop() else { return Ok(()) };
                let judgement = self.judge(place, names(&pair)?);
                self.mutate(place, Input::Judged(pair, judgement));
                continue;
            };
            if self.trace.is_some() {
                let text = format!("  {place}: {output:?}");
                self.note(|| text);
            }
            match output {
                Output::Transmit(bytes) | Output::StartTls(bytes) => self.said(place, &bytes)?,
                Output::RestartStream(bytes) => self.restarts(place, &bytes)?,
                Output::Judge(pair) => to_judge.push(pair),
                Output::Verify(request) => self.verify(place, request)?,
                Output::Event(event) => self.event(place, &event)?,
                Output::Close(_) => self.ends[place].closed = true,
                Output::Timeout(_) => {}
            }
        }
    }

    fn restarts(&mut self, place: usize, bytes: &[u8]) -> Result<(), Breach> {
        self.ends[place].framer.restart();
        if matches!(self.ends[place].machine, Machine::Out(..)) {
            self.ends[place].reader.restart();
            return self.said(place, bytes);
        }
        self.said(place, bytes)?;
        self.ends[place].reader.restart();
        Ok(())
    }
}

fn recent(list: &[(String, usize)], number: u8) -> (String, usize) {
    let back = usize::from(number) % list.len();
    list[list.len() - 1 - back].clone()
}

fn said_type(index: u8) -> &'static str {
    match crate::words::TYPES[usize::from(index)] {
        "valid" => "valid",
        "error" => "error",
        "upper" => "VALID",
        _ => "invalid",
    }
}

fn header(attributes: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' \
         xmlns:db='jabber:server:dialback' {attributes} version='1.0'>"
    )
}
