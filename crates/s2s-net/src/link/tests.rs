use s2s_proto::dialback::Secret;
use s2s_proto::{InboundConfig, TlsState};

use super::*;

#[path = "../../../s2s-route/tests/support/stanzas.rs"]
mod stanzas;

fn lent() -> LinkState {
    let secret = Arc::new(Secret::new(&[7; 32]).unwrap());
    let config = Arc::new(InboundConfig::new(secret));
    let stream = Stream::Inbound(Box::new(InboundStream::new(config, [1; 32], TlsState::Plain)));
    LinkState::new(stream, Side::Federation, Limits::PRE_AUTH, Limits::AUTHENTICATED, Millis(0))
}

fn queue(state: &mut LinkState, to: &str, id: &str) {
    let xml = format!("<message from='juliet@capulet.example' to='{to}' id='{id}'/>");
    let pushed = state.push(Parcel::Stanza(stanzas::stanza(&xml)), 10_000);
    assert!(matches!(pushed, Pushed::Taken));
}

fn id(parcel: &Parcel) -> String {
    let bytes = parcel.bytes_for(Content::Server);
    let text = std::str::from_utf8(&bytes).unwrap();
    text.split(" id='").nth(1).unwrap().split('\'').next().unwrap().to_owned()
}

#[test]
fn what_is_queued_for_a_withdrawn_pair_comes_back_in_order_and_all_else_is_written() {
    let mut state = lent();
    for (to, id) in [("romeo@montague.example", "1"), ("a@verona.example", "2")] {
        queue(&mut state, to, id);
    }
    state.transmit(Bytes::from_static(b"<answer/>"));
    queue(&mut state, "mercutio@montague.example", "3");
    let pair = |remote: &str| {
        DomainPair::new(Domain::parse("capulet.example").unwrap(), Domain::parse(remote).unwrap())
    };
    state.closed_by_us = true;
    queue(&mut state, "romeo@montague.example", "4");
    state.withhold(&pair("montague.example"));
    let written = "<message from='juliet@capulet.example' to='a@verona.example' id='2'/><answer/>";
    assert_eq!(state.backlog(), written.len());
    let mut batch = Vec::new();
    state.take_batch(&mut batch, &mut Vec::new()).unwrap();
    assert_eq!(std::str::from_utf8(&batch), Ok(written));
    assert_eq!(state.backlog(), 0);
    assert_eq!(state.take_unsent().iter().map(id).collect::<Vec<_>>(), ["1", "3", "4"]);
}
