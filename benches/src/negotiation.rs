//! Two streams that talk to each other: an outbound one and the inbound one of its peer, each with a framer of its own. TLS is a
//! state switch, certificates are an answer, and every message arrives in one piece.

use std::sync::Arc;

use bytes::BytesMut;
use s2s_proto::dialback::Secret;
use s2s_proto::{
    CertificateAnswer, Demand, Event, InboundConfig, InboundStream, Input, Judgement, Millis,
    OutboundConfig, OutboundOptions, OutboundStream, Output, TlsPeer, TlsState, VerifyOutcome,
    VerifyRequest,
};
use xmpp_addr::DomainPair;
use xmpp_frame::{Framer, Limits};

const NOW: Millis = Millis(1_000);

/// What all streams of a benchmark share, made once.
#[derive(Clone, Debug)]
pub struct NegotiationConfig {
    /// Whether both sides show a certificate that proves their name. With it EXTERNAL is used, without it dialback.
    pub certificates: bool,
    /// STARTTLS or direct TLS.
    pub tls: TlsState,
    outbound: Arc<OutboundConfig>,
    inbound: Arc<InboundConfig>,
}

impl NegotiationConfig {
    /// A configuration with one dialback secret for all parties.
    ///
    /// # Panics
    /// Never: the secret is long enough.
    pub fn new(certificates: bool, tls: TlsState) -> NegotiationConfig {
        let secret = Arc::new(Secret::new(&[42; 32]).expect("32 bytes are enough"));
        let mut outbound = OutboundConfig::new(Arc::clone(&secret));
        outbound.external = certificates;
        NegotiationConfig {
            certificates,
            tls,
            outbound: Arc::new(outbound),
            inbound: Arc::new(InboundConfig::new(secret)),
        }
    }
}

/// What a negotiation came to.
#[derive(Debug, Default)]
pub struct Settled {
    /// The inbound stream verified its pair.
    pub verified: bool,
    /// The outbound stream may send.
    pub authorized: bool,
    /// The key the inbound stream wants verified.
    pub request: Option<VerifyRequest>,
    /// What the outbound stream was told about a key.
    pub answer: Option<VerifyOutcome>,
}

/// One link: both streams, and what came of it so far.
#[derive(Debug)]
pub struct Negotiation {
    ends: [End; 2],
    settled: Settled,
    certificates: bool,
}

#[derive(Debug)]
struct End {
    stream: Stream,
    framer: Framer,
    /// Bytes on the way to this end.
    incoming: BytesMut,
    starting_tls: bool,
    tls: bool,
}

#[derive(Debug)]
enum Stream {
    Outbound(Box<OutboundStream>),
    Inbound(Box<InboundStream>),
}

impl Negotiation {
    /// A link for this pair whose transport is up; nothing was read yet.
    pub fn connect(config: &NegotiationConfig, pair: DomainPair) -> Negotiation {
        let options = OutboundOptions { dialback_first: false, tls: config.tls };
        let outbound = OutboundStream::new(Arc::clone(&config.outbound), pair, options);
        let inbound = InboundStream::new(Arc::clone(&config.inbound), [9; 32], config.tls);
        let direct = config.tls == TlsState::Direct;
        let ends = [Stream::Outbound(Box::new(outbound)), Stream::Inbound(Box::new(inbound))].map(
            |stream| End {
                stream,
                framer: Framer::new(Limits::PRE_AUTH),
                incoming: BytesMut::new(),
                starting_tls: false,
                tls: direct,
            },
        );
        let certificates = config.certificates;
        let mut link = Negotiation { ends, settled: Settled::default(), certificates };
        for side in [0, 1] {
            if direct {
                link.give(
                    side,
                    Input::TlsEstablished(TlsPeer { certificate: certificates, direct }),
                );
            }
            link.give(side, Input::Connected);
        }
        link
    }

    /// Asks to send for the pair.
    pub fn authorize(&mut self, pair: DomainPair) {
        if let Stream::Outbound(stream) = &mut self.ends[0].stream {
            stream.authorize(NOW, pair);
        }
        self.drain(0);
    }

    /// Has a key checked by the peer.
    pub fn verify(&mut self, request: VerifyRequest) {
        if let Stream::Outbound(stream) = &mut self.ends[0].stream {
            stream.verify(NOW, request);
        }
        self.drain(0);
    }

    /// Tells the inbound stream what became of its request.
    pub fn verified(&mut self, pair: DomainPair, outcome: VerifyOutcome) {
        self.give(1, Input::Verified(pair, outcome));
    }

    /// Carries bytes until both sides wait; what came of it since the link was made.
    pub fn settle(&mut self) -> &mut Settled {
        loop {
            let read = self.read(0) | self.read(1);
            if !read && !self.finish_tls() {
                return &mut self.settled;
            }
        }
    }

    fn read(&mut self, side: usize) -> bool {
        let end = &mut self.ends[side];
        if end.starting_tls || end.incoming.is_empty() {
            return false;
        }
        end.framer.buffer().extend_from_slice(&end.incoming);
        end.incoming.clear();
        while let Some(item) = self.ends[side].framer.next().expect("well-formed") {
            self.give(side, Input::Item(item));
        }
        true
    }

    /// The handshake, when both sides have come to it.
    fn finish_tls(&mut self) -> bool {
        if !self.ends.iter().all(|end| end.starting_tls) {
            return false;
        }
        for side in [0, 1] {
            let end = &mut self.ends[side];
            end.starting_tls = false;
            end.tls = true;
            end.framer = Framer::new(Limits::PRE_AUTH);
            let peer = TlsPeer { certificate: self.certificates, direct: false };
            self.give(side, Input::TlsEstablished(peer));
        }
        true
    }

    fn give(&mut self, side: usize, input: Input) {
        match &mut self.ends[side].stream {
            Stream::Outbound(stream) => stream.handle(NOW, input),
            Stream::Inbound(stream) => stream.handle(NOW, input),
        }
        self.drain(side);
    }

    fn drain(&mut self, side: usize) {
        loop {
            let output = match &mut self.ends[side].stream {
                Stream::Outbound(stream) => stream.poll_output(),
                Stream::Inbound(stream) => stream.poll_output(),
            };
            let Some(output) = output else { return };
            self.obey(side, output);
        }
    }

    fn obey(&mut self, side: usize, output: Output) {
        match output {
            Output::Transmit(bytes) => self.ends[1 - side].incoming.extend_from_slice(&bytes),
            Output::StartTls(bytes) => {
                self.ends[side].starting_tls = true;
                self.ends[1 - side].incoming.extend_from_slice(&bytes);
            }
            Output::RestartStream(bytes) => {
                self.ends[side].framer.restart();
                self.ends[1 - side].incoming.extend_from_slice(&bytes);
            }
            Output::Judge(pair) => {
                let proves = self.certificates && self.ends[side].tls;
                let judgement = Judgement::demands(Demand::Dialback).with_certificate(if proves {
                    CertificateAnswer::Proves
                } else {
                    CertificateAnswer::NoneShown
                });
                self.give(side, Input::Judged(pair, judgement));
            }
            Output::Verify(request) => self.settled.request = Some(request),
            Output::Event(Event::PairVerified(_)) => self.settled.verified = true,
            Output::Event(Event::PairAuthorized { .. }) => self.settled.authorized = true,
            Output::Event(Event::VerifyAnswer { outcome, .. }) => {
                self.settled.answer = Some(outcome);
            }
            Output::Event(_) | Output::Timeout(_) => {}
            Output::Close(reason) => panic!("the stream ended: {reason:?}"),
        }
    }
}
