//! [`TlsEngine`] on rustls' unbuffered connections: no buffer is held while a link is idle.

use std::ops::Deref;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{ClientConfig, CommonState, HandshakeKind, ServerConfig};

use super::{Received, TlsEngine, TlsError, TlsPeerFacts};

/// The accepting end.
pub(crate) fn server(config: Arc<ServerConfig>) -> Result<Box<dyn TlsEngine>, TlsError> {
    Ok(Box::new(Engine { connection: UnbufferedServerConnection::new(config)?, finished: false }))
}

/// The initiating end; `name` is the remote XMPP domain, never the SRV target (RFC 6120 §13.7.2.1).
pub(crate) fn client(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<Box<dyn TlsEngine>, TlsError> {
    Ok(Box::new(Engine {
        connection: UnbufferedClientConnection::new(config, name)?,
        finished: false,
    }))
}

/// What the two unbuffered connection types have in common but do not share a trait for.
trait Unbuffered {
    type Data;
    fn process<'c, 'i>(
        &'c mut self,
        incoming: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data>;
    fn common(&self) -> &CommonState;
}

impl Unbuffered for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(
        &'c mut self,
        incoming: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, ServerConnectionData> {
        self.process_tls_records(incoming)
    }

    fn common(&self) -> &CommonState {
        self.deref()
    }
}

impl Unbuffered for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(
        &'c mut self,
        incoming: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, ClientConnectionData> {
        self.process_tls_records(incoming)
    }

    fn common(&self) -> &CommonState {
        self.deref()
    }
}

struct Engine<C> {
    connection: C,
    /// `Received::established` has been reported.
    finished: bool,
}

impl<C: Unbuffered> Engine<C> {
    /// After an error: the alert that tells the peer.
    fn queued_alert(&mut self, outgoing: &mut Vec<u8>) {
        while let Ok(ConnectionState::EncodeTlsData(mut record)) =
            self.connection.process(&mut []).state
        {
            if encode(&mut record, outgoing).is_err() {
                return;
            }
        }
    }

    /// Sends what is due first (key updates, tickets), then lets `write` use the write state.
    fn with_write_state<T>(
        &mut self,
        outgoing: &mut Vec<u8>,
        write: impl FnOnce(WriteTraffic<'_, C::Data>, &mut Vec<u8>) -> Result<T, TlsError>,
    ) -> Result<T, TlsError> {
        loop {
            match self.connection.process(&mut []).state? {
                ConnectionState::WriteTraffic(state) => return write(state, outgoing),
                ConnectionState::EncodeTlsData(mut record) => encode(&mut record, outgoing)?,
                ConnectionState::TransmitTlsData(sent) => sent.done(),
                // Reported once, then writing is possible again.
                ConnectionState::PeerClosed => {}
                _ => return Err(TlsError::NotReady),
            }
        }
    }
}

impl<C: Unbuffered> TlsEngine for Engine<C> {
    fn receive(
        &mut self,
        incoming: &mut [u8],
        plaintext: &mut BytesMut,
        outgoing: &mut Vec<u8>,
    ) -> Result<Received, TlsError> {
        let mut received = Received::default();
        loop {
            let UnbufferedStatus { mut discard, state, .. } =
                self.connection.process(&mut incoming[received.consumed..]);
            let mut done = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        plaintext.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut record)) => encode(&mut record, outgoing)?,
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => received.closed = true,
                Ok(_) => done = true,
                Err(error) => {
                    self.queued_alert(outgoing);
                    return Err(error.into());
                }
            }
            received.consumed += discard;
            if done {
                break;
            }
        }
        if !self.finished && !self.connection.common().is_handshaking() {
            self.finished = true;
            received.established = true;
        }
        Ok(received)
    }

    fn encrypt(&mut self, plaintext: &[u8], outgoing: &mut Vec<u8>) -> Result<(), TlsError> {
        self.with_write_state(outgoing, |mut state, outgoing| {
            append(outgoing, sealed_bytes_max(plaintext.len()), |room| {
                state.encrypt(plaintext, room)
            })
        })
    }

    fn close(&mut self, outgoing: &mut Vec<u8>) {
        // A connection that cannot say goodbye any more is closed without it.
        let _ = self.with_write_state(outgoing, |mut state, outgoing| {
            append(outgoing, sealed_bytes_max(2), |room| state.queue_close_notify(room))
        });
    }

    fn peer(&self) -> TlsPeerFacts {
        let common = self.connection.common();
        TlsPeerFacts {
            chain: common.peer_certificates().unwrap_or_default().into(),
            resumed: common.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

/// Upper bound of the records that carry `len` bytes: 5 bytes of header, 1 of content type, 16 of
/// tag and, in TLS 1.2, 8 of nonce for each 16 KiB.
fn sealed_bytes_max(len: usize) -> usize {
    len + (len / 16_384 + 1) * 32
}

/// Lets `fill` write up to `room` bytes behind what `outgoing` holds; more, when it asks for more:
/// the answer to a KeyUpdate (RFC 8446 §4.6.3) travels in front of the next record.
fn append(
    outgoing: &mut Vec<u8>,
    room: usize,
    mut fill: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), TlsError> {
    let start = outgoing.len();
    let mut room = room;
    loop {
        outgoing.resize(start + room, 0);
        match fill(&mut outgoing[start..]) {
            Ok(written) => {
                outgoing.truncate(start + written);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(needed)) if needed.required_size > room => {
                room = needed.required_size;
            }
            Err(_) => {
                outgoing.truncate(start);
                return Err(TlsError::NotReady);
            }
        }
    }
}

fn encode<D>(record: &mut EncodeTlsData<'_, D>, outgoing: &mut Vec<u8>) -> Result<(), TlsError> {
    let start = outgoing.len();
    let mut room = 1024;
    loop {
        outgoing.resize(start + room, 0);
        match record.encode(&mut outgoing[start..]) {
            Ok(written) => {
                outgoing.truncate(start + written);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(needed)) => room = needed.required_size,
            Err(EncodeError::AlreadyEncoded) => {
                outgoing.truncate(start);
                return Err(TlsError::NotReady);
            }
        }
    }
}
