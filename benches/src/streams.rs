//! Streams brought to where stanzas are admitted, by the dialogue their peer would hold.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use s2s_proto::dialback::Secret;
use s2s_proto::{
    ComponentConfig, ComponentEntry, ComponentStream, Demand, InboundConfig, InboundStream, Input,
    Judgement, Millis, Output, TlsState,
};
use xmpp_addr::DomainPattern;
use xmpp_frame::{Framer, Item, Limits};

use crate::reads::{READ_BYTES, each_read, next_frame};
use s2s_testkit::corpus::Corpus;

const COMPONENT_SECRET: &str = "a plague on both your houses";

/// The header of a stream of `remote` to `local` (RFC 6120 §4.7).
pub fn server_header(remote: &str, local: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns:db='jabber:server:dialback' from='{remote}' to='{local}' version='1.0'>"
    )
}

/// An inbound stream on which one pair is verified, and its framer.
#[derive(Debug)]
pub struct OpenInbound {
    /// The stream.
    pub stream: InboundStream,
    /// Its framer, between two elements, with the limits after authentication.
    pub framer: Framer,
}

impl OpenInbound {
    /// A stream of `remote` to `local`. The policy takes the asserted name: how the pair was verified does not matter afterwards.
    ///
    /// # Panics
    /// When the names are no domains.
    pub fn new(remote: &str, local: &str) -> OpenInbound {
        let secret = Arc::new(Secret::new(&[7; 32]).expect("32 bytes are enough"));
        let config = Arc::new(InboundConfig::new(secret));
        let mut stream = InboundStream::new(config, [1; 32], TlsState::Plain);
        let mut framer = Framer::new(Limits::AUTHENTICATED);
        stream.handle(Millis(0), Input::Connected);
        let header = server_header(remote, local);
        framer.buffer().extend_from_slice(header.as_bytes());
        // The pair is asked for by the first stanza, which is dropped.
        framer
            .buffer()
            .extend_from_slice(format!("<message from='{remote}' to='{local}'/>").as_bytes());
        while let Some(item) = framer.next().expect("a header and a stanza") {
            if matches!(item, Item::Element(_)) && stream.is_open() {
                continue;
            }
            stream.handle(Millis(0), Input::Item(item));
            while let Some(output) = stream.poll_output() {
                if let Output::Judge(pair) = output {
                    let judgement = Judgement::demands(Demand::Assertion);
                    stream.handle(Millis(0), Input::Judged(pair, judgement));
                }
            }
        }
        assert!(stream.is_open(), "the pair was not verified");
        OpenInbound { stream, framer }
    }
}

/// A component stream after its handshake, and its framer.
#[derive(Debug)]
pub struct OpenComponent {
    /// The stream.
    pub stream: ComponentStream,
    /// Its framer, between two elements, with the limits after authentication.
    pub framer: Framer,
}

impl OpenComponent {
    /// A component that serves `name`.
    ///
    /// # Panics
    /// When the name is no domain.
    pub fn new(name: &str) -> OpenComponent {
        let pattern = DomainPattern::parse(name).expect("a domain");
        let entry = ComponentEntry { pattern, secret: COMPONENT_SECRET.into() };
        let mut stream = ComponentStream::new(Arc::new(ComponentConfig::new(vec![entry])), [2; 32]);
        let mut framer = Framer::new(Limits::AUTHENTICATED);
        stream.handle(Millis(0), Input::Connected);
        let header = format!(
            "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{name}'>"
        );
        let said = give(&mut stream, &mut framer, &header);
        let (_, id) = said.split_once(" id='").expect("a stream id");
        let (id, _) = id.split_once('\'').expect("the end of the stream id");
        give(&mut stream, &mut framer, &format!("<handshake>{}</handshake>", handshake(id)));
        assert!(stream.is_open(), "the handshake failed");
        OpenComponent { stream, framer }
    }

    /// Admits the corpus once, so that the stream remembers its pairs, and gives each stanza away.
    ///
    /// # Panics
    /// When a stanza is refused.
    pub fn admit_all(&mut self, corpus: &Corpus, mut take: impl FnMut(s2s_proto::Stanza)) {
        let OpenComponent { stream, framer } = self;
        each_read(framer, corpus.bytes(), READ_BYTES, |framer| {
            while let Some(frame) = next_frame(framer) {
                take(stream.admit(frame).expect("the component speaks for the sender"));
            }
        });
    }
}

/// What the stream says to this.
fn give(stream: &mut ComponentStream, framer: &mut Framer, text: &str) -> String {
    framer.buffer().extend_from_slice(text.as_bytes());
    let mut said = String::new();
    while let Some(item) = framer.next().expect("well-formed") {
        stream.handle(Millis(0), Input::Item(item));
        while let Some(output) = stream.poll_output() {
            if let Output::Transmit(bytes) = output {
                said.push_str(std::str::from_utf8(&bytes).expect("text"));
            }
        }
    }
    said
}

/// XEP-0114 §3: the lower-case hexadecimal SHA-1 of stream id and secret.
fn handshake(id: &str) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{id}{COMPONENT_SECRET}").as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
