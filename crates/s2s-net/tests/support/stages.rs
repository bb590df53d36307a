//! One negotiation in each role, that stops at any stage of it; and the ways to end there.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};

use super::certs::Issued;
use super::dialogue::{
    DIALBACK_FEATURES, NO_FEATURES, PROCEED, STARTTLS, STARTTLS_FEATURES, attr, header,
};
use super::peer::{Peer, read_some, tls_client_config, tls_server_config};

/// How far it goes. Each stage lies behind the one before it, but for the last two of a responder,
/// which part after [`Stage::TlsHeader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Connected,
    HalfHeader,
    /// The responder sends no features, the initiator nothing more.
    Header,
    /// The responder was asked for TLS and is silent.
    TlsAsked,
    /// `<proceed/>` was said, and no handshake comes.
    Proceed,
    HalfHandshake,
    /// The handshake is over; no header.
    Tls,
    TlsHeader,
    /// Responder: EXTERNAL was asked for. Initiator: it was challenged and does not respond.
    ExternalAsked,
    /// `<success/>` was said, and no header comes.
    ExternalDone,
    /// The responder has our key and is silent.
    KeyHeard,
}

/// In the order of a responder.
pub const STAGES: [Stage; 11] = [
    Stage::Connected,
    Stage::HalfHeader,
    Stage::Header,
    Stage::TlsAsked,
    Stage::Proceed,
    Stage::HalfHandshake,
    Stage::Tls,
    Stage::TlsHeader,
    Stage::ExternalAsked,
    Stage::ExternalDone,
    Stage::KeyHeard,
];

impl Stage {
    /// Whether the peer's XML is read as such: in a half-sent record it is only more of the record.
    pub fn speaks(self) -> bool {
        self != Stage::HalfHandshake
    }
}

/// What happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Stall,
    Reset,
    /// End of transport in the peer's direction; it still reads.
    HalfClose,
    CloseTag,
    /// RFC 6120 §4.9.3.19.
    SeeOtherHost,
}

const HALF_HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:ser";
const EXTERNAL_FEATURES: &str = "<stream:features>\
    <mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>\
    <dialback xmlns='urn:xmpp:features:dialback'/></stream:features>";
const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";

/// Answers our stream as far as `stage`.
pub fn respond_until(listener: &TcpListener, identity: &Issued, stage: Stage) -> Peer {
    let mut peer = Peer::accept(listener);
    if stage == Stage::Connected {
        return peer;
    }
    peer.expect("<stream:stream");
    let ours = peer.expect(">");
    let response = |features: &str| {
        format!(
            "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
             xmlns:db='jabber:server:dialback' from='{}' to='{}' id='i' version='1.0'>{features}",
            attr(&ours, "to"),
            attr(&ours, "from"),
        )
    };
    match stage {
        Stage::HalfHeader => peer.send(HALF_HEADER),
        Stage::Header => peer.send(&response("")),
        _ => {
            peer.send(&response(STARTTLS_FEATURES));
            peer.expect(STARTTLS);
        }
    }
    if matches!(stage, Stage::HalfHeader | Stage::Header | Stage::TlsAsked) {
        return peer;
    }
    peer.send(PROCEED);
    match stage {
        Stage::Proceed => return peer,
        Stage::HalfHandshake => {
            // Behind the ClientHello, the beginning of a ServerHello.
            assert_ne!(read_some(peer.socket(), &mut [0; 512]).unwrap(), 0);
            peer.socket().write_all(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03").unwrap();
            return peer;
        }
        _ => peer.tls_server(&tls_server_config(identity)),
    }
    peer.header();
    match stage {
        Stage::Tls => {}
        Stage::TlsHeader => peer.send(&response("")),
        Stage::KeyHeard => {
            peer.send(&response(DIALBACK_FEATURES));
            peer.expect("</db:result>");
        }
        _ => {
            peer.send(&response(EXTERNAL_FEATURES));
            peer.expect("</auth>");
        }
    }
    if stage == Stage::ExternalDone {
        peer.send(SUCCESS);
        peer.header();
    }
    peer
}

/// Answers our stream in full, by EXTERNAL.
pub fn respond(listener: &TcpListener, identity: &Issued) -> Peer {
    let mut peer = respond_until(listener, identity, Stage::ExternalDone);
    peer.send(&(header("montague.example", "capulet.example").replace("from=", "id='e' from=")));
    peer.send(NO_FEATURES);
    peer
}

/// Opens a stream to us as far as `stage`; `identity` must prove `from`.
pub fn initiate_until(
    address: SocketAddr,
    (from, to): (&str, &str),
    identity: &Issued,
    stage: Stage,
) -> Peer {
    let mut peer = Peer::connect(address);
    match stage {
        Stage::Connected => return peer,
        Stage::HalfHeader => {
            peer.send(HALF_HEADER);
            return peer;
        }
        _ => peer.send(&header(from, to)),
    }
    peer.expect("</stream:features>");
    if stage == Stage::Header {
        return peer;
    }
    peer.send(STARTTLS);
    peer.expect(PROCEED);
    match stage {
        Stage::TlsAsked | Stage::Proceed => return peer,
        Stage::HalfHandshake => {
            // The beginning of a ClientHello.
            peer.socket().write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").unwrap();
            return peer;
        }
        _ => peer.tls_client(&tls_client_config(Some(identity)), to),
    }
    if stage == Stage::Tls {
        return peer;
    }
    peer.send(&header(from, to));
    peer.expect("</stream:features>");
    if stage == Stage::TlsHeader {
        return peer;
    }
    peer.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'/>");
    peer.expect("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    if stage == Stage::ExternalAsked {
        return peer;
    }
    peer.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    peer.expect(SUCCESS);
    peer
}

/// Ends it so; what is left is returned, because dropping it would be another ending.
pub fn end(mut peer: Peer, ending: Ending) -> Option<Peer> {
    match ending {
        Ending::Stall => {}
        Ending::Reset => {
            peer.reset();
            return None;
        }
        Ending::HalfClose => peer.half_close(),
        Ending::CloseTag => peer.send("</stream:stream>"),
        Ending::SeeOtherHost => peer.send(
            "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>\
             elsewhere.example:5269</see-other-host></stream:error></stream:stream>",
        ),
    }
    Some(peer)
}
