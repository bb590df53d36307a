//! Real stanzas for tests: the only way to one is a stream on which its pair was verified.

use std::sync::Arc;

use s2s_proto::{
    Demand, InboundConfig, InboundStream, Input, Judgement, Millis, Output, Stanza, TlsState,
    dialback::Secret,
};
use xmpp_addr::{DomainPair, jid_domain};
use xmpp_frame::{Framer, Item, Limits};

/// Sends `xml`, one stanza with `from` and `to`, over an inbound stream whose policy takes the asserted name.
pub(crate) fn stanza(xml: &str) -> Stanza {
    let (from, to) = (attribute(xml, "from"), attribute(xml, "to"));
    let (remote, local) = (jid_domain(&from).unwrap(), jid_domain(&to).unwrap());
    let secret = Arc::new(Secret::new(&[7; 32]).unwrap());
    let mut stream =
        InboundStream::new(Arc::new(InboundConfig::new(secret)), [1; 32], TlsState::Plain);
    let limits = Limits { element_bytes: 1 << 20, ..Limits::AUTHENTICATED };
    let mut framer = Framer::new(limits);
    let header = format!(
        "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='{remote}' to='{local}' version='1.0'>"
    );
    framer.buffer().extend_from_slice(header.as_bytes());
    framer.buffer().extend_from_slice(xml.as_bytes());
    stream.handle(Millis(0), Input::Connected);
    while let Some(item) = framer.next().unwrap() {
        if stream.is_open()
            && let Item::Element(frame) = item
        {
            return stream.admit(frame).unwrap();
        }
        stream.handle(Millis(0), Input::Item(item));
        while let Some(pair) = asked(&mut stream) {
            stream.handle(Millis(0), Input::Judged(pair, Judgement::demands(Demand::Assertion)));
        }
    }
    panic!("no stanza in {xml}");
}

/// The pair the stream wants judged, its other outputs dropped.
fn asked(stream: &mut InboundStream) -> Option<DomainPair> {
    let mut pair = None;
    while let Some(output) = stream.poll_output() {
        if let Output::Judge(judged) = output {
            pair = Some(judged);
        }
    }
    pair
}

fn attribute(xml: &str, name: &str) -> String {
    let start = format!(" {name}='");
    let (_, rest) = xml.split_once(&start).unwrap();
    rest.split_once('\'').unwrap().0.to_owned()
}
