//! One TCP connection with its TLS state and its framer: what the dialogues of both roles are spoken over.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use xmpp_frame::{Element, Frame, Framer, Header, Item, Limits};

use super::failure::Failure;

/// Longest wait for one step of a negotiation.
pub(crate) const STEP: Duration = Duration::from_secs(20);
/// Room made in the read buffer before each read.
const READ_BYTES: usize = 64 * 1024;

/// The transport.
#[derive(Debug)]
pub(crate) enum Pipe {
    Plain(TcpStream),
    Client(Box<client::TlsStream<TcpStream>>),
    Server(Box<server::TlsStream<TcpStream>>),
    /// Only while TLS starts, and after that failed.
    Gone,
}

impl Pipe {
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Pipe::Client(_) | Pipe::Server(_))
    }

    /// The certificates the peer showed, its own first.
    pub(crate) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        match self {
            Pipe::Client(stream) => stream.get_ref().1.peer_certificates().unwrap_or_default(),
            Pipe::Server(stream) => stream.get_ref().1.peer_certificates().unwrap_or_default(),
            Pipe::Plain(_) | Pipe::Gone => &[],
        }
    }

    fn take_plain(&mut self) -> Result<TcpStream, Failure> {
        match std::mem::replace(self, Pipe::Gone) {
            Pipe::Plain(stream) => Ok(stream),
            _ => Err(Failure::Protocol("TLS was to start on a transport that is not plain")),
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Pipe::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Pipe::Client(stream) => Pin::new(stream).poll_read(cx, buf),
            Pipe::Server(stream) => Pin::new(stream).poll_read(cx, buf),
            Pipe::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Pipe::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Pipe::Client(stream) => Pin::new(stream).poll_write(cx, buf),
            Pipe::Server(stream) => Pin::new(stream).poll_write(cx, buf),
            Pipe::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Pipe::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Pipe::Client(stream) => Pin::new(stream).poll_flush(cx),
            Pipe::Server(stream) => Pin::new(stream).poll_flush(cx),
            Pipe::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Pipe::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Pipe::Client(stream) => Pin::new(stream).poll_shutdown(cx),
            Pipe::Server(stream) => Pin::new(stream).poll_shutdown(cx),
            Pipe::Gone => Poll::Ready(Ok(())),
        }
    }
}

/// A transport with the framer that reads from it.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) pipe: Pipe,
    framer: Framer,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Wire {
        // Stanzas are gathered before they are written; Nagle's algorithm would only add delay.
        let _ = stream.set_nodelay(true);
        Wire { pipe: Pipe::Plain(stream), framer: Framer::new(Limits::AUTHENTICATED) }
    }

    /// A transport that is under TLS already.
    pub(crate) fn new_tls(pipe: Pipe) -> Wire {
        Wire { pipe, framer: Framer::new(Limits::AUTHENTICATED) }
    }

    /// Connects from `source` if that is of the same family and a loopback address, so that each remote has an address of its own.
    pub(crate) async fn connect(address: SocketAddr, source: IpAddr) -> Result<Wire, Failure> {
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
        Ok(Wire::new(stream.map_err(Failure::Io)?))
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
        self.pipe = Pipe::Client(Box::new(stream));
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
        self.pipe = Pipe::Server(Box::new(stream));
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

    /// Makes ready for the header of the restarted stream.
    pub(crate) fn restart(&mut self) {
        self.framer.restart();
    }

    pub(crate) async fn send(&mut self, text: &str) -> Result<(), Failure> {
        self.pipe.write_all(text.as_bytes()).await.map_err(Failure::Io)?;
        self.pipe.flush().await.map_err(Failure::Io)
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.pipe.write_all(bytes).await.map_err(Failure::Io)?;
        self.pipe.flush().await.map_err(Failure::Io)
    }

    /// The next item that has already been read.
    pub(crate) fn ready(&mut self) -> Result<Option<Item>, Failure> {
        self.framer.next().map_err(Failure::BadXml)
    }

    /// Reads once; `false` at the end. Loses nothing when it is dropped before it is done.
    pub(crate) async fn read(&mut self) -> Result<bool, Failure> {
        let buffer = self.framer.buffer();
        buffer.reserve(READ_BYTES);
        Ok(self.pipe.read_buf(buffer).await.map_err(Failure::Io)? > 0)
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
