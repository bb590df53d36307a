//! Streams of several servers joined by byte pipes, over a virtual clock.
//!
//! A [`Pairs`] holds servers and the links between them; each link is an outbound stream at one server and an inbound stream
//! at another, with a real framer on both ends. Bytes cross in chunks of random size from a seed, TLS is a state switch,
//! certificates are a table. Dialback has all three parties: a key that an inbound stream wants verified opens a link from its
//! server to the authoritative one. Nothing here waits: when no byte can move, the clock jumps to the next deadline.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use s2s_proto::dialback::Secret;
use s2s_proto::{
    CertificateAnswer, CloseReason, Demand, DialbackCondition, Event, InboundConfig, InboundStream,
    Input, Judgement, Millis, OutboundConfig, OutboundOptions, OutboundStream, Output, Refusal,
    Standing, Stanza, TlsPeer, TlsState, VerifyOutcome, VerifyRequest,
};
use xmpp_addr::{Domain, DomainPair};
use xmpp_frame::{Framer, Item, Kind, Limits};

/// A server of the simulation.
#[derive(Clone, Debug)]
pub struct Server {
    /// The domains it hosts; the first is its own name.
    pub domains: Vec<Domain>,
    /// What it demands of every pair, in both directions.
    pub demand: Demand,
    /// Whether it offers STARTTLS.
    pub starttls: bool,
    /// The domains its certificate proves; empty means that it presents none.
    pub proves: Vec<Domain>,
    /// Its dialback secret.
    pub secret: Arc<Secret>,
    /// Whether anybody can connect to it.
    pub reachable: bool,
}

impl Server {
    /// A server for one domain: STARTTLS, no certificate, dialback is enough.
    ///
    /// # Panics
    /// When the name is no domain.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let domain = Domain::parse(name).expect("a test names its servers by valid domains");
        let mut secret = [0x5a; 32];
        secret.iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte ^= letter);
        let secret = Arc::new(Secret::new(&secret).expect("32 bytes"));
        Self {
            domains: vec![domain],
            demand: Demand::Dialback,
            starttls: true,
            proves: Vec::new(),
            secret,
            reachable: true,
        }
    }

    /// The same server with this demand.
    #[must_use]
    pub fn demanding(mut self, demand: Demand) -> Self {
        self.demand = demand;
        self
    }

    /// The same server with a certificate for all its domains.
    #[must_use]
    pub fn with_certificate(mut self) -> Self {
        self.proves = self.domains.clone();
        self
    }

    /// The same server without TLS.
    #[must_use]
    pub fn without_tls(mut self) -> Self {
        self.starttls = false;
        self
    }

    /// The same server hosting one more domain.
    ///
    /// # Panics
    /// When the name is no domain.
    #[must_use]
    pub fn hosting(mut self, name: &str) -> Self {
        self.domains.push(Domain::parse(name).expect("a test names its domains validly"));
        self
    }
}

/// Which end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The initiating server.
    Outbound,
    /// The receiving server.
    Inbound,
}

/// One thing that was seen, in order.
#[derive(Debug)]
pub struct Seen {
    /// The link.
    pub link: usize,
    /// The end it happened at.
    pub end: End,
    /// The event.
    pub event: Event,
}

enum Machine {
    Outbound(Box<OutboundStream>),
    Inbound(Box<InboundStream>),
}

struct Side {
    server: usize,
    machine: Machine,
    framer: Framer,
    incoming: VecDeque<u8>,
    wake: Option<Millis>,
    starting_tls: bool,
    tls: bool,
    closed: Option<CloseReason>,
    eof_given: bool,
}

struct Link {
    sides: [Side; 2],
    /// The request that opened it, and the inbound side it came from.
    verifies: Option<(usize, VerifyRequest)>,
}

/// Servers and the links between them.
pub struct Pairs {
    servers: Vec<Server>,
    links: Vec<Link>,
    now: Millis,
    random: u64,
    seen: Vec<Seen>,
    delivered: Vec<Stanza>,
    transcript: BTreeMap<(usize, u8), String>,
}

impl Pairs {
    /// A simulation of these servers; the seed decides how bytes are cut.
    #[must_use]
    pub fn new(seed: u64, servers: Vec<Server>) -> Self {
        Self {
            servers,
            links: Vec::new(),
            now: Millis(1_000),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            seen: Vec::new(),
            delivered: Vec::new(),
            transcript: BTreeMap::new(),
        }
    }

    /// Opens a link for the pair and asks for its authorisation; returns its number.
    ///
    /// # Panics
    /// When a name is no domain or no server hosts it.
    pub fn connect(&mut self, sender: &str, target: &str, options: OutboundOptions) -> usize {
        let pair = pair(sender, target);
        let link = self.open(&pair, options).expect("both servers exist");
        self.authorize(link, sender, target);
        link
    }

    /// Asks for a pair on a link that exists.
    ///
    /// # Panics
    /// When a name is no domain.
    pub fn authorize(&mut self, link: usize, sender: &str, target: &str) {
        let now = self.now;
        if let Machine::Outbound(stream) = &mut self.links[link].sides[0].machine {
            stream.authorize(now, pair(sender, target));
        }
        self.drain(link, 0);
    }

    /// Puts raw XML on a link in the direction of its pair, past the outbound stream.
    pub fn inject(&mut self, link: usize, xml: &str) {
        self.links[link].sides[1].incoming.extend(xml.bytes());
    }

    /// Puts raw XML on a link against the direction of its pair, past the inbound stream.
    pub fn inject_back(&mut self, link: usize, xml: &str) {
        self.links[link].sides[0].incoming.extend(xml.bytes());
    }

    /// Ends the outbound stream of a link politely.
    pub fn shut_down(&mut self, link: usize) {
        self.give(link, 0, Input::Shutdown);
    }

    /// Whether the outbound stream of a link permits the pair.
    #[must_use]
    pub fn permits(&self, link: usize, sender: &str, target: &str) -> bool {
        match &self.links[link].sides[0].machine {
            Machine::Outbound(stream) => stream.permits(sender, target),
            Machine::Inbound(_) => false,
        }
    }

    /// Moves bytes and time until nothing happens any more, or `until` is reached.
    ///
    /// # Panics
    /// When it never comes to rest.
    pub fn run(&mut self, until: Millis) {
        for _ in 0..1_000_000 {
            if self.step() {
                continue;
            }
            let next =
                self.links.iter().flat_map(|link| &link.sides).filter(|side| side.closed.is_none());
            match next.filter_map(|side| side.wake).min() {
                Some(at) if at <= until => self.now = self.now.max(at),
                _ => {
                    self.now = self.now.max(until);
                    return;
                }
            }
            self.wake_due();
        }
        panic!("the simulation never comes to rest");
    }

    /// Runs for a while that is shorter than any timeout.
    pub fn settle(&mut self) {
        self.run(self.now.after(1_000));
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.now
    }

    /// Every event so far.
    #[must_use]
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// Every stanza that was admitted.
    #[must_use]
    pub fn delivered(&self) -> &[Stanza] {
        &self.delivered
    }

    /// Why an end of a link closed, if it did.
    #[must_use]
    pub fn closed(&self, link: usize, end: End) -> Option<&CloseReason> {
        self.links[link].sides[index(end)].closed.as_ref()
    }

    /// How many links there were.
    #[must_use]
    pub fn link_count(&self) -> usize {
        self.links.len()
    }

    /// Everything an end of a link said.
    #[must_use]
    pub fn said(&self, link: usize, end: End) -> &str {
        let side = u8::from(end == End::Inbound);
        self.transcript.get(&(link, side)).map_or("", String::as_str)
    }

    fn open(&mut self, pair: &DomainPair, options: OutboundOptions) -> Option<usize> {
        let from = self.host_of(pair.sender())?;
        let to = self.host_of(pair.target()).filter(|&server| self.servers[server].reachable)?;
        let number = self.links.len();
        let mut outbound = OutboundConfig::new(Arc::clone(&self.servers[from].secret));
        outbound.external = !self.servers[from].proves.is_empty();
        let mut inbound = InboundConfig::new(Arc::clone(&self.servers[to].secret));
        inbound.starttls = self.servers[to].starttls;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
        let initiating = OutboundStream::new(Arc::new(outbound), pair.clone(), options);
        let receiving = InboundStream::new(Arc::new(inbound), seed, options.tls);
        let machines = [
            (from, Machine::Outbound(Box::new(initiating))),
            (to, Machine::Inbound(Box::new(receiving))),
        ];
        let direct = options.tls == TlsState::Direct;
        let sides = machines.map(|(server, machine)| Side {
            server,
            machine,
            framer: Framer::new(Limits::default()),
            incoming: VecDeque::new(),
            wake: None,
            starting_tls: false,
            tls: direct,
            closed: None,
            eof_given: false,
        });
        self.links.push(Link { sides, verifies: None });
        for side in [0, 1] {
            if direct {
                let certificate = self.peer_certificate(number, side);
                self.give(number, side, Input::TlsEstablished(TlsPeer { certificate, direct }));
            }
            self.give(number, side, Input::Connected);
        }
        Some(number)
    }

    fn host_of(&self, domain: &Domain) -> Option<usize> {
        self.servers.iter().position(|server| server.domains.contains(domain))
    }

    fn peer_certificate(&self, link: usize, side: usize) -> bool {
        let peer = self.links[link].sides[1 - side].server;
        !self.servers[peer].proves.is_empty()
    }

    /// One round over all links; whether anything moved.
    fn step(&mut self) -> bool {
        let mut moved = false;
        for link in 0..self.links.len() {
            for side in [0, 1] {
                moved |= self.read(link, side);
            }
            moved |= self.finish_tls(link);
            moved |= self.hang_up(link);
        }
        moved
    }

    fn read(&mut self, link: usize, side: usize) -> bool {
        let chunk = 1 + usize::try_from(self.next_random() % 97).unwrap_or(0);
        let end = &mut self.links[link].sides[side];
        if end.closed.is_some() {
            end.incoming.clear();
            return false;
        }
        if end.starting_tls || end.incoming.is_empty() {
            return false;
        }
        let take = chunk.min(end.incoming.len());
        let bytes: Vec<u8> = end.incoming.drain(..take).collect();
        end.framer.buffer().extend_from_slice(&bytes);
        self.read_items(link, side);
        true
    }

    fn read_items(&mut self, link: usize, side: usize) {
        loop {
            let end = &mut self.links[link].sides[side];
            if end.closed.is_some() || end.starting_tls {
                return;
            }
            match end.framer.next() {
                Ok(None) => return,
                Err(error) => return self.give(link, side, Input::BadXml(error)),
                Ok(Some(Item::Element(frame)))
                    if frame.kind() != Kind::Other && is_open(&end.machine) =>
                {
                    let admitted = match &end.machine {
                        Machine::Inbound(stream) => stream.admit(frame),
                        Machine::Outbound(stream) => stream.admit(frame),
                    };
                    match admitted {
                        Ok(stanza) => self.delivered.push(stanza),
                        Err(error) => {
                            match &mut end.machine {
                                Machine::Inbound(stream) => stream.fail(self.now, error),
                                Machine::Outbound(stream) => stream.fail(self.now, error),
                            }
                            self.drain(link, side);
                        }
                    }
                }
                Ok(Some(item)) => self.give(link, side, Input::Item(item)),
            }
        }
    }

    fn give(&mut self, link: usize, side: usize, input: Input) {
        let now = self.now;
        match &mut self.links[link].sides[side].machine {
            Machine::Outbound(stream) => stream.handle(now, input),
            Machine::Inbound(stream) => stream.handle(now, input),
        }
        self.drain(link, side);
    }

    fn drain(&mut self, link: usize, side: usize) {
        while let Some(output) = match &mut self.links[link].sides[side].machine {
            Machine::Outbound(stream) => stream.poll_output(),
            Machine::Inbound(stream) => stream.poll_output(),
        } {
            self.obey(link, side, output);
        }
    }

    fn obey(&mut self, link: usize, side: usize, output: Output) {
        let end = &mut self.links[link].sides[side];
        assert!(end.closed.is_none(), "output after Close: {output:?}");
        match output {
            Output::Transmit(bytes) => self.send(link, side, &bytes),
            Output::StartTls(bytes) => {
                assert_eq!(end.framer.pending(), 0, "bytes pipelined before TLS");
                end.starting_tls = true;
                end.framer = Framer::new(Limits::default());
                self.send(link, side, &bytes);
            }
            Output::RestartStream(bytes) => {
                end.framer.restart();
                self.send(link, side, &bytes);
            }
            Output::Judge(pair) => {
                let judgement = self.judge(link, side, &pair);
                self.give(link, side, Input::Judged(pair, judgement));
            }
            Output::Verify(request) => self.verify(link, request),
            Output::Event(event) => self.note(link, side, event),
            Output::Close(reason) => end.closed = Some(reason),
            Output::Timeout(at) => end.wake = Some(at),
        }
    }

    fn send(&mut self, link: usize, side: usize, bytes: &[u8]) {
        let number = u8::from(side == 1);
        let text = String::from_utf8_lossy(bytes);
        self.transcript.entry((link, number)).or_default().push_str(&text);
        self.links[link].sides[1 - side].incoming.extend(bytes);
    }

    fn judge(&self, link: usize, side: usize, pair: &DomainPair) -> Judgement {
        let end = &self.links[link].sides[side];
        let server = &self.servers[end.server];
        let (local, remote) = match side {
            0 => (pair.sender(), pair.target()),
            _ => (pair.target(), pair.sender()),
        };
        let peer = &self.servers[self.links[link].sides[1 - side].server];
        let certificate = match (end.tls, peer.proves.is_empty()) {
            (false, _) | (true, true) => CertificateAnswer::NoneShown,
            (true, false) if peer.proves.contains(remote) => CertificateAnswer::Proves,
            (true, false) => CertificateAnswer::Fails("the name is not in the certificate".into()),
        };
        let demand = if !server.domains.contains(local) {
            Err(Refusal::UnknownHost)
        } else if server.domains.contains(remote) {
            Err(Refusal::OurOwnDomain)
        } else {
            Ok(server.demand)
        };
        Judgement { demand, certificate, standing: Standing::Stranger }
    }

    /// XEP-0220 §2.1.2: a link to the authoritative server, for this key only.
    fn verify(&mut self, asking: usize, request: VerifyRequest) {
        let options = OutboundOptions { dialback_first: false, tls: TlsState::Plain };
        let pair = request.pair.clone();
        let Some(link) = self.open(&pair.reversed(), options) else {
            let outcome = VerifyOutcome::Failed(DialbackCondition::RemoteServerNotFound);
            return self.give(asking, 1, Input::Verified(pair, outcome));
        };
        self.links[link].verifies = Some((asking, request.clone()));
        let now = self.now;
        if let Machine::Outbound(stream) = &mut self.links[link].sides[0].machine {
            stream.verify(now, request);
        }
        self.drain(link, 0);
    }

    fn note(&mut self, link: usize, side: usize, event: Event) {
        if let Event::VerifyAnswer { pair, outcome, .. } = &event
            && let Some((asking, _)) = self.links[link].verifies.take()
        {
            let (pair, outcome) = (pair.clone(), *outcome);
            // A key of a stream that is gone needs no answer.
            if self.links[asking].sides[1].closed.is_none() {
                self.give(asking, 1, Input::Verified(pair, outcome));
            }
        }
        if matches!(event, Event::PairVerified(_)) {
            self.links[link].sides[side].framer.set_limits(Limits::AUTHENTICATED);
        }
        let end = if side == 0 { End::Outbound } else { End::Inbound };
        self.seen.push(Seen { link, end, event });
    }

    fn finish_tls(&mut self, link: usize) -> bool {
        let ready =
            self.links[link].sides.iter().all(|side| side.starting_tls && side.closed.is_none());
        if !ready {
            return false;
        }
        for end in &mut self.links[link].sides {
            assert!(end.incoming.is_empty(), "clear bytes after TLS began");
            (end.starting_tls, end.tls) = (false, true);
        }
        for side in [0, 1] {
            let certificate = self.peer_certificate(link, side);
            self.give(link, side, Input::TlsEstablished(TlsPeer { certificate, direct: false }));
        }
        true
    }

    /// The other end of a closed one reads what is left, then the end of the transport.
    fn hang_up(&mut self, link: usize) -> bool {
        let mut moved = false;
        for side in [0, 1] {
            let [first, second] = &self.links[link].sides;
            let (end, peer) = if side == 0 { (first, second) } else { (second, first) };
            let due = peer.closed.is_some() && end.closed.is_none() && !end.eof_given;
            if due && (end.incoming.is_empty() || end.starting_tls) {
                self.links[link].sides[side].eof_given = true;
                self.give(link, side, Input::Eof);
                moved = true;
            }
        }
        moved
    }

    fn wake_due(&mut self) {
        for link in 0..self.links.len() {
            for side in [0, 1] {
                let end = &mut self.links[link].sides[side];
                if end.closed.is_none() && end.wake.is_some_and(|at| at <= self.now) {
                    end.wake = None;
                    self.give(link, side, Input::Timeout);
                }
            }
        }
    }

    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

fn is_open(machine: &Machine) -> bool {
    match machine {
        Machine::Inbound(stream) => stream.is_open(),
        Machine::Outbound(stream) => stream.admits(),
    }
}

fn index(end: End) -> usize {
    match end {
        End::Outbound => 0,
        End::Inbound => 1,
    }
}

fn pair(sender: &str, target: &str) -> DomainPair {
    let parse = |name: &str| Domain::parse(name).expect("a test names its domains validly");
    DomainPair::new(parse(sender), parse(target))
}
