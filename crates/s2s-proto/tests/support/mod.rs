//! A scripted peer: text in, text out, with a real framer between.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::collections::VecDeque;
use std::sync::Arc;

use s2s_proto::dialback::Secret;
use s2s_proto::{
    CertificateAnswer, CloseReason, ComponentConfig, ComponentStream, Demand, Event, InboundConfig,
    InboundStream, Input, Judgement, Millis, OutboundConfig, OutboundOptions, OutboundStream,
    Output, Stanza, StreamError, TlsPeer, TlsState, VerifyOutcome, VerifyRequest,
};
use xmpp_addr::{Domain, DomainPair};
use xmpp_frame::{Framer, Item, Kind, Limits};

pub fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

pub fn pair(sender: &str, target: &str) -> DomainPair {
    DomainPair::new(domain(sender), domain(target))
}

pub fn secret() -> Arc<Secret> {
    Arc::new(Secret::new(&[42; 32]).unwrap())
}

pub fn plain(dialback_first: bool) -> OutboundOptions {
    OutboundOptions { dialback_first, tls: TlsState::Plain }
}

pub fn header(attributes: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' \
         xmlns:db='jabber:server:dialback' {attributes}>"
    )
}

#[allow(clippy::large_enum_variant, reason = "one per test")]
pub enum Machine {
    Inbound(InboundStream),
    Outbound(OutboundStream),
    Component(ComponentStream),
}

/// What a judgement looks like when the stream asks.
pub type Judge = Box<dyn Fn(&DomainPair) -> Judgement>;

/// One stream under test; the test is its peer, its policy and its clock.
pub struct Script {
    pub machine: Machine,
    pub framer: Framer,
    pub now: Millis,
    pub judge: Judge,
    /// Answered by hand when false.
    pub auto_judge: bool,
    pub text: String,
    pub events: VecDeque<Event>,
    pub verify: Vec<VerifyRequest>,
    pub judged: Vec<DomainPair>,
    pub starting_tls: bool,
    pub closed: Option<CloseReason>,
    pub wake: Option<Millis>,
    pub stanzas: Vec<Stanza>,
}

pub fn demands(demand: Demand) -> Judge {
    Box::new(move |_| Judgement::demands(demand))
}

pub fn proves(demand: Demand) -> Judge {
    Box::new(move |_| Judgement::demands(demand).with_certificate(CertificateAnswer::Proves))
}

pub fn fails(demand: Demand, reason: &'static str) -> Judge {
    Box::new(move |_| {
        Judgement::demands(demand).with_certificate(CertificateAnswer::Fails(reason.into()))
    })
}

impl Script {
    fn with(machine: Machine, judge: Judge) -> Self {
        Self {
            machine,
            framer: Framer::new(Limits::default()),
            now: Millis(1),
            judge,
            auto_judge: true,
            text: String::new(),
            events: VecDeque::new(),
            verify: Vec::new(),
            judged: Vec::new(),
            starting_tls: false,
            closed: None,
            wake: None,
            stanzas: Vec::new(),
        }
    }

    pub fn inbound(judge: Judge) -> Self {
        Self::inbound_with(InboundConfig::new(secret()), judge)
    }

    pub fn inbound_with(config: InboundConfig, judge: Judge) -> Self {
        let stream = InboundStream::new(Arc::new(config), [7; 32], TlsState::Plain);
        let mut script = Self::with(Machine::Inbound(stream), judge);
        script.give(Input::Connected);
        script
    }

    /// An inbound stream that came over direct TLS.
    pub fn inbound_direct(judge: Judge) -> Self {
        let stream =
            InboundStream::new(Arc::new(InboundConfig::new(secret())), [7; 32], TlsState::Direct);
        let mut script = Self::with(Machine::Inbound(stream), judge);
        script.give(Input::TlsEstablished(TlsPeer { certificate: true, direct: true }));
        script.give(Input::Connected);
        script
    }

    pub fn outbound(options: OutboundOptions, judge: Judge) -> Self {
        Self::outbound_with(OutboundConfig::new(secret()), options, judge)
    }

    pub fn outbound_with(config: OutboundConfig, options: OutboundOptions, judge: Judge) -> Self {
        let stream = OutboundStream::new(
            Arc::new(config),
            pair("capulet.example", "montague.example"),
            options,
        );
        let mut script = Self::with(Machine::Outbound(stream), judge);
        if options.tls == TlsState::Direct {
            script.give(Input::TlsEstablished(TlsPeer { certificate: true, direct: true }));
        }
        script.give(Input::Connected);
        script
    }

    pub fn component(config: ComponentConfig) -> Self {
        let stream = ComponentStream::new(Arc::new(config), [7; 32]);
        let mut script = Self::with(Machine::Component(stream), demands(Demand::Dialback));
        script.give(Input::Connected);
        script
    }

    pub fn give(&mut self, input: Input) {
        match &mut self.machine {
            Machine::Inbound(stream) => stream.handle(self.now, input),
            Machine::Outbound(stream) => stream.handle(self.now, input),
            Machine::Component(stream) => stream.handle(self.now, input),
        }
        self.drain();
    }

    pub fn authorize(&mut self, pair: DomainPair) {
        let Machine::Outbound(stream) = &mut self.machine else { panic!("not outbound") };
        stream.authorize(self.now, pair);
        self.drain();
    }

    pub fn ask_verify(&mut self, request: VerifyRequest) {
        let Machine::Outbound(stream) = &mut self.machine else { panic!("not outbound") };
        stream.verify(self.now, request);
        self.drain();
    }

    pub fn permits(&self, sender: &str, target: &str) -> bool {
        let Machine::Outbound(stream) = &self.machine else { panic!("not outbound") };
        stream.permits(sender, target)
    }

    pub fn is_open(&self) -> bool {
        match &self.machine {
            Machine::Inbound(stream) => stream.is_open(),
            Machine::Outbound(stream) => stream.is_open(),
            Machine::Component(stream) => stream.is_open(),
        }
    }

    /// Whether stanzas go to `admit`.
    pub fn admits(&self) -> bool {
        match &self.machine {
            Machine::Inbound(_) | Machine::Component(_) => self.is_open(),
            Machine::Outbound(stream) => stream.admits(),
        }
    }

    pub fn is_blocked(&self) -> bool {
        match &self.machine {
            Machine::Inbound(stream) => stream.is_blocked(),
            Machine::Outbound(stream) => stream.is_blocked(),
            Machine::Component(stream) => stream.is_blocked(),
        }
    }

    pub fn fail(&mut self, error: StreamError) {
        match &mut self.machine {
            Machine::Inbound(stream) => stream.fail(self.now, error),
            Machine::Outbound(stream) => stream.fail(self.now, error),
            Machine::Component(stream) => stream.fail(self.now, error),
        }
        self.drain();
    }

    fn poll(&mut self) -> Option<Output> {
        match &mut self.machine {
            Machine::Inbound(stream) => stream.poll_output(),
            Machine::Outbound(stream) => stream.poll_output(),
            Machine::Component(stream) => stream.poll_output(),
        }
    }

    pub fn drain(&mut self) {
        loop {
            let Some(output) = self.poll() else { break };
            assert!(self.closed.is_none(), "output after Close: {output:?}");
            match output {
                Output::Transmit(bytes) => self.text.push_str(std::str::from_utf8(&bytes).unwrap()),
                Output::StartTls(bytes) => {
                    self.text.push_str(std::str::from_utf8(&bytes).unwrap());
                    self.starting_tls = true;
                    self.framer = Framer::new(Limits::default());
                }
                Output::RestartStream(bytes) => {
                    self.framer.restart();
                    self.text.push_str(std::str::from_utf8(&bytes).unwrap());
                }
                Output::Judge(pair) => self.judged.push(pair),
                Output::Verify(request) => self.verify.push(request),
                Output::Event(event) => self.events.push_back(event),
                Output::Close(reason) => self.closed = Some(reason),
                Output::Timeout(at) => self.wake = Some(at),
            }
        }
        if self.auto_judge
            && let Some(pair) = self.judged.pop()
        {
            let judgement = (self.judge)(&pair);
            self.give(Input::Judged(pair, judgement));
        }
    }

    /// Feeds text as the driver would: stanzas of an open stream go to `admit`.
    pub fn recv(&mut self, text: &str) {
        self.framer.buffer().extend_from_slice(text.as_bytes());
        while self.closed.is_none() {
            match self.framer.next() {
                Ok(None) => return,
                Err(error) => self.give(Input::BadXml(error)),
                Ok(Some(Item::Element(frame))) if frame.kind() != Kind::Other && self.admits() => {
                    let admitted = match &self.machine {
                        Machine::Inbound(stream) => stream.admit(frame),
                        Machine::Component(stream) => stream.admit(frame),
                        Machine::Outbound(stream) => stream.admit(frame),
                    };
                    match admitted {
                        Ok(stanza) => self.stanzas.push(stanza),
                        Err(error) => self.fail(error),
                    }
                }
                Ok(Some(item)) => self.give(Input::Item(item)),
            }
        }
    }

    /// The handshake is done.
    pub fn tls_done(&mut self) {
        assert!(self.starting_tls, "no TLS was asked for");
        self.starting_tls = false;
        self.give(Input::TlsEstablished(TlsPeer { certificate: true, direct: false }));
    }

    /// STARTTLS from the peer's side, with this judge from here on.
    pub fn starttls(&mut self, judge: Judge) {
        self.recv("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        self.expect("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        self.judge = judge;
        self.tls_done();
    }

    pub fn verified(&mut self, sender: &str, target: &str, outcome: VerifyOutcome) {
        self.give(Input::Verified(pair(sender, target), outcome));
    }

    /// Takes everything that was sent.
    pub fn said(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// Exactly this was sent.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        assert_eq!(self.said(), text);
    }

    /// This was sent, among other things.
    #[track_caller]
    pub fn expect_part(&mut self, part: &str) -> String {
        let said = self.said();
        assert!(said.contains(part), "expected {part:?} in {said:?}");
        said
    }

    /// A stream error of ours and the close tag, and nothing else.
    #[track_caller]
    pub fn expect_error(&mut self, condition: &str) {
        let said = self.said();
        let start =
            format!("<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
        assert!(said.contains(&start), "expected {condition} in {said:?}");
        assert!(said.ends_with("</stream:error></stream:stream>"), "{said:?}");
        assert!(matches!(&self.closed, Some(CloseReason::Failed(_))), "{:?}", self.closed);
    }

    /// The id of the header in what was sent last.
    #[track_caller]
    pub fn id_of(said: &str) -> String {
        let (_, rest) = said.rsplit_once(" id='").expect("an id");
        rest.split_once('\'').unwrap().0.to_owned()
    }

    /// The pairs verified so far; takes all events.
    pub fn verified_pairs(&mut self) -> Vec<(String, s2s_proto::Proof)> {
        let events = std::mem::take(&mut self.events);
        let pairs = events.into_iter().filter_map(|event| match event {
            Event::PairVerified(verified) => Some((verified.pair().to_string(), verified.proof())),
            _ => None,
        });
        pairs.collect()
    }

    pub fn has_event(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(wanted)
    }

    /// Lets time pass to the next deadline.
    pub fn time_out(&mut self) {
        self.now = self.wake.take().expect("a deadline");
        self.give(Input::Timeout);
    }
}
