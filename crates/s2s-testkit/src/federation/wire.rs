//! One TCP connection with its TLS state and its framer: what the dialogues of both roles are spoken over.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, server};
use xmpp_frame::{Element, Frame, Framer, Header, Item, Limits};

use super::census::Direction;
use super::failure::Failure;
use super::meter::Meter;
use super::pipe::Pipe;

/// Longest wait for one step of a negotiation.
pub(crate) const STEP: Duration = Duration::from_secs(20);

/// A transport with the framer that reads from it.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) pipe: Pipe,
    framer: Framer,
    meter: Rc<Meter>,
    /// Bytes a second that are read; all there are without.
    slow: Option<u32>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, meter: &Rc<Meter>) -> Wire {
        // Stanzas are gathered before they are written; Nagle's algorithm would only add delay.
        let _ = stream.set_nodelay(true);
        let framer = Framer::new(Limits::AUTHENTICATED);
        Wire { pipe: Pipe::Plain(stream), framer, meter: Rc::clone(meter), slow: None }
    }

    /// A connection that was accepted and is under TLS already.
    pub(crate) fn new_tls(stream: server::TlsStream<TcpStream>, meter: &Rc<Meter>) -> Wire {
        let _ = stream.get_ref().0.set_nodelay(true);
        meter.shook_hands(Direction::Outbound, stream.get_ref().1.handshake_kind());
        let framer = Framer::new(Limits::AUTHENTICATED);
        let (stream, connection) = stream.into_inner();
        Wire { pipe: Pipe::tls(stream, connection), framer, meter: Rc::clone(meter), slow: None }
    }

    /// Connects from `source` if that is of the same family and a loopback address, so that each remote has an address of its own.
    pub(crate) async fn connect(
        address: SocketAddr,
        source: IpAddr,
        meter: &Rc<Meter>,
    ) -> Result<Wire, Failure> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.map_err(Failure::Io)?;
        if source.is_ipv4() == address.is_ipv4()
            && source.is_loopback()
            && address.ip().is_loopback()
        {
            socket.bind(SocketAddr::new(source, 0)).map_err(Failure::Io)?;
        }
        let stream = tokio::time::timeout(STEP, socket.connect(address))
            .await
            .map_err(|_| Failure::Silent)?;
        Ok(Wire::new(stream.map_err(Failure::Io)?, meter))
    }

    /// Takes the parts, for traffic in both directions at once.
    pub(crate) fn into_parts(self) -> (Pipe, Framer) {
        (self.pipe, self.framer)
    }

    pub(crate) async fn start_tls_as_client(
        &mut self,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> Result<(), Failure> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| Failure::Protocol("not a name for TLS"))?;
        let plain = self.take_plain()?;
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name, plain);
        let stream = tokio::time::timeout(STEP, handshake)
            .await
            .map_err(|_| Failure::Silent)?
            .map_err(Failure::Tls)?;
        self.meter.shook_hands(Direction::Inbound, stream.get_ref().1.handshake_kind());
        let (stream, connection) = stream.into_inner();
        self.pipe = Pipe::tls(stream, connection);
        Ok(())
    }

    pub(crate) async fn start_tls_as_server(
        &mut self,
        config: &Arc<ServerConfig>,
    ) -> Result<(), Failure> {
        let plain = self.take_plain()?;
        let handshake = TlsAcceptor::from(Arc::clone(config)).accept(plain);
        let stream = tokio::time::timeout(STEP, handshake)
            .await
            .map_err(|_| Failure::Silent)?
            .map_err(Failure::Tls)?;
        self.meter.shook_hands(Direction::Outbound, stream.get_ref().1.handshake_kind());
        let (stream, connection) = stream.into_inner();
        self.pipe = Pipe::tls(stream, connection);
        Ok(())
    }

    fn take_plain(&mut self) -> Result<TcpStream, Failure> {
        // CVE-2011-0411: what was received in the clear must not be read as if it came through TLS.
        if self.framer.pending() != 0 {
            return Err(Failure::Protocol("bytes in the clear behind <proceed/>"));
        }
        self.framer = Framer::new(Limits::AUTHENTICATED);
        self.pipe.take_plain()
    }

    /// Reads so many bytes a second from now on.
    pub(crate) fn slow_down(&mut self, bytes_a_second: u32) {
        self.slow = Some(bytes_a_second.max(1));
    }

    /// Ends the connection without a word: the peer meets a reset.
    pub(crate) fn reset(&mut self) {
        let pipe = std::mem::replace(&mut self.pipe, Pipe::Gone);
        // On a connection that is gone already there is nothing to reset.
        let _ = pipe.stream().map(TcpStream::set_zero_linger);
    }

    /// Makes ready for the header of the restarted stream.
    pub(crate) fn restart(&mut self) {
        self.framer.restart();
    }

    pub(crate) async fn send(&mut self, text: &str) -> Result<(), Failure> {
        self.send_bytes(text.as_bytes()).await
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.pipe.write_all(bytes).await.map_err(Failure::Io)?;
        self.meter.wrote(bytes.len());
        Ok(())
    }

    /// The next item that has already been read.
    pub(crate) fn ready(&mut self) -> Result<Option<Item>, Failure> {
        self.framer.next().map_err(Failure::BadXml)
    }

    /// Reads once; `false` at the end. Loses nothing when it is dropped before it is done.
    pub(crate) async fn read(&mut self) -> Result<bool, Failure> {
        let bytes_max = self.slow.map_or(usize::MAX, |slow| (slow / 10).max(1) as usize);
        let read = self.pipe.read(self.framer.buffer(), bytes_max).await;
        let bytes = read.map_err(Failure::Io)?;
        self.meter.read(bytes);
        if let Some(slow) = self.slow {
            // What was read is in the framer already: nothing is lost when this is dropped.
            tokio::time::sleep(Duration::from_secs_f64(bytes as f64 / f64::from(slow))).await;
        }
        Ok(bytes > 0)
    }

    /// The next item, however long it takes; `None` at the end of the transport.
    pub(crate) async fn next(&mut self) -> Result<Option<Item>, Failure> {
        loop {
            if let Some(item) = self.ready()? {
                return Ok(Some(item));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// The next item of a negotiation, within [`STEP`].
    pub(crate) async fn step(&mut self) -> Result<Item, Failure> {
        let item = tokio::time::timeout(STEP, self.next()).await.map_err(|_| Failure::Silent)??;
        item.ok_or(Failure::Closed)
    }

    pub(crate) async fn header(&mut self) -> Result<Header, Failure> {
        match self.step().await? {
            Item::Header(header) if header.stream_namespace_ok() => Ok(header),
            Item::Header(_) => Err(Failure::Protocol("a header in a foreign namespace")),
            Item::Element(_) | Item::Close => Err(Failure::Closed),
        }
    }

    /// The next first-level element; a stream error is a failure.
    pub(crate) async fn element(&mut self) -> Result<Element, Failure> {
        match self.step().await? {
            Item::Element(frame) => element(&frame),
            Item::Header(_) => Err(Failure::Protocol("a second header")),
            Item::Close => Err(Failure::Closed),
        }
    }
}

/// The tree of a frame; a stream error becomes the failure it is.
pub(crate) fn element(frame: &Frame) -> Result<Element, Failure> {
    let element = frame.element().map_err(Failure::BadXml)?;
    if element.is("error", super::ns::STREAMS) {
        return Err(Failure::from_stream_error(&element));
    }
    Ok(element)
}
