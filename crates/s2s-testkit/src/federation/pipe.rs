//! The transport of a connection, plain or under TLS, once its handshake is done.
//!
//! Handshakes are `tokio-rustls`'s. What follows them is here, because that is where a run spends its time: `tokio-rustls` asks the
//! operating system for 4 KiB a read, as much as rustls makes room for; a record of 16 KiB takes five such reads. Here one read takes
//! what there is, into memory that all connections of the thread share, and rustls takes its pieces from there; so an idle
//! connection holds no buffer either.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, BufRead as _, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, BytesMut};
use rustls::Connection;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use super::failure::Failure;

/// Most bytes of one read.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    /// Where bytes are between the operating system and rustls; nothing stays in it.
    static RECEIVED: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// The transport.
#[derive(Debug)]
pub(crate) enum Pipe {
    Plain(TcpStream),
    Tls(Box<Tls>),
    /// Only while TLS starts, and after that failed.
    Gone,
}

/// A connection under TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    stream: TcpStream,
    connection: Connection,
    /// What ended it, to be told when everything before it has been read.
    failed: Option<io::Error>,
}

impl Pipe {
    /// Under TLS, the handshake done.
    pub(crate) fn tls(stream: TcpStream, connection: impl Into<Connection>) -> Pipe {
        Pipe::Tls(Box::new(Tls { stream, connection: connection.into(), failed: None }))
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Pipe::Tls(_))
    }

    /// The certificates the peer showed, its own first.
    pub(crate) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        match self {
            Pipe::Tls(tls) => tls.connection.peer_certificates().unwrap_or_default(),
            Pipe::Plain(_) | Pipe::Gone => &[],
        }
    }

    pub(crate) fn take_plain(&mut self) -> Result<TcpStream, Failure> {
        match std::mem::replace(self, Pipe::Gone) {
            Pipe::Plain(stream) => Ok(stream),
            _ => Err(Failure::Protocol("TLS was to start on a transport that is not plain")),
        }
    }

    /// The connection below.
    pub(crate) fn stream(&self) -> Option<&TcpStream> {
        match self {
            Pipe::Plain(stream) => Some(stream),
            Pipe::Tls(tls) => Some(&tls.stream),
            Pipe::Gone => None,
        }
    }

    /// Reads once, at most `bytes_max` from the operating system, and appends; 0 at the end. Loses nothing when it is dropped before it
    /// is done.
    pub(crate) async fn read(
        &mut self,
        into: &mut BytesMut,
        bytes_max: usize,
    ) -> io::Result<usize> {
        let bytes_max = bytes_max.min(READ_BYTES);
        match self {
            Pipe::Plain(stream) => {
                into.reserve(bytes_max);
                stream.read_buf(&mut into.limit(bytes_max)).await
            }
            Pipe::Tls(tls) => poll_fn(|cx| tls.poll_read(cx, into, bytes_max)).await,
            Pipe::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Hands all of it to the operating system.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Pipe::Plain(stream) => stream.write_all(bytes).await,
            Pipe::Tls(tls) => {
                let mut rest = bytes;
                poll_fn(|cx| tls.poll_write_all(cx, &mut rest)).await
            }
            Pipe::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Tls {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
        bytes_max: usize,
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let before = into.len();
        loop {
            // The handshake may have left something here.
            let is_end = self.take_plaintext(into)?;
            if into.len() > before || is_end {
                return Poll::Ready(Ok(into.len() - before));
            }
            let received = RECEIVED.with_borrow_mut(|received| {
                // A read that does not fill the buffer tells tokio that there is no more, so that none is made in vain.
                let mut buffer = ReadBuf::new(&mut received[..bytes_max]);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
                Poll::Ready(self.decrypt(buffer.filled(), into))
            });
            match ready!(received) {
                Ok(()) => {}
                Err(error) if into.len() == before => return Poll::Ready(Err(error)),
                // What came before it counts.
                Err(error) => self.failed = Some(error),
            }
            if into.len() > before {
                return Poll::Ready(Ok(into.len() - before));
            }
        }
    }

    /// Appends what the records in `received` hold; nothing received is the end.
    fn decrypt(&mut self, mut received: &[u8], into: &mut BytesMut) -> io::Result<()> {
        loop {
            let taken = self.connection.read_tls(&mut received)?;
            if let Err(error) = self.connection.process_new_packets() {
                // The alert that says why, if it can go.
                let _ = self.connection.write_tls(&mut Unwaiting(&self.stream));
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            // Taken at once: rustls refuses more while it holds a record's worth. RFC 8446 §6.1: behind a close_notify nothing counts.
            if taken == 0 || self.take_plaintext(into)? || received.is_empty() {
                break;
            }
        }
        // An answer to a KeyUpdate; what cannot go now goes before the next stanza.
        if self.connection.wants_write() {
            let _ = self.connection.write_tls(&mut Unwaiting(&self.stream));
        }
        Ok(())
    }

    /// Appends what has been decrypted; answers whether the peer ended its side in order.
    fn take_plaintext(&mut self, into: &mut BytesMut) -> io::Result<bool> {
        let mut reader = self.connection.reader();
        loop {
            let bytes = match reader.fill_buf() {
                Ok([]) => return Ok(true),
                Ok(chunk) => {
                    into.extend_from_slice(chunk);
                    chunk.len()
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            reader.consume(bytes);
        }
    }

    /// Encrypts `rest` in records as large as they may be, and writes them with as few calls as the operating system takes.
    fn poll_write_all(&mut self, cx: &mut Context<'_>, rest: &mut &[u8]) -> Poll<io::Result<()>> {
        loop {
            if !rest.is_empty() {
                // Takes what it has room for.
                let taken = self.connection.writer().write(rest)?;
                *rest = &rest[taken..];
            }
            if !self.connection.wants_write() {
                return Poll::Ready(Ok(()));
            }
            match self.connection.write_tls(&mut Waiting { stream: &mut self.stream, cx: &mut *cx })
            {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Writes, and has the task woken when it can go on.
struct Waiting<'a, 'b> {
    stream: &'a mut TcpStream,
    cx: &'a mut Context<'b>,
}

impl Write for Waiting<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.stream).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        // One record, as with one stanza a write: the operating system need not be told a list.
        if let [part] = parts {
            return self.write(part);
        }
        or_would_block(Pin::new(&mut *self.stream).poll_write_vectored(self.cx, parts))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn or_would_block(written: Poll<io::Result<usize>>) -> io::Result<usize> {
    match written {
        Poll::Ready(written) => written,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Writes what goes at once.
struct Unwaiting<'a>(&'a TcpStream);

impl Write for Unwaiting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
