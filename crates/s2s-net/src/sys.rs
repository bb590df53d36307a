//! The few calls that need `unsafe`: a TCP stream shared by its reader and its writer, and taking a
//! stream apart so that another shard can adopt it.

use std::cell::UnsafeCell;
use std::io;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use monoio::BufResult;
use monoio::buf::IoBufMut;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::TcpStream;
use socket2::SockRef;

/// One TCP connection on this shard's ring, shared by the link's reading and writing task.
///
/// At most one read and one write are in flight, and an operation in flight is never dropped:
/// whoever wants them ended calls [`Socket::shutdown`] (design rule: timeouts close the socket).
#[derive(Clone)]
pub(crate) struct Socket(Rc<UnsafeCell<TcpStream>>);

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Socket {
        Socket(Rc::new(UnsafeCell::new(stream)))
    }

    /// Adopts a connected stream that came from elsewhere.
    pub(crate) fn adopt(stream: StdTcpStream) -> io::Result<Socket> {
        // A uring read on a non-blocking descriptor fails at once instead of waiting; epoll, the
        // fallback driver, needs the opposite.
        stream.set_nonblocking(!monoio::utils::detect_uring())?;
        Ok(Socket::new(TcpStream::from_std(stream)?))
    }

    /// Takes a non-blocking stream whose connection is still under way.
    pub(crate) fn connecting(stream: StdTcpStream) -> io::Result<Socket> {
        Ok(Socket::new(TcpStream::from_std(stream)?))
    }

    #[allow(clippy::mut_from_ref)]
    fn stream(&self) -> &mut TcpStream {
        // SAFETY: the socket never leaves its thread (`Rc`), and monoio's read and write futures
        // take the exclusive reference only to clone the descriptor into the operation; the reader
        // and the writer touch disjoint state, as in monoio's own owned halves.
        unsafe { &mut *self.0.get() }
    }

    /// Waits until something can be read, without holding a buffer.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.stream().readable(true).await
    }

    /// Waits until a connection attempt is decided.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.stream().writable(true).await
    }

    /// Appends what can be read to `buffer`, up to its capacity. 0: the peer has closed.
    pub(crate) async fn read(&self, buffer: Vec<u8>) -> BufResult<usize, Vec<u8>> {
        let start = buffer.len();
        let end = buffer.capacity();
        let (result, slice) = self.stream().read(buffer.slice_mut(start..end)).await;
        (result, slice.into_inner())
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write_all(&self, bytes: Vec<u8>) -> BufResult<usize, Vec<u8>> {
        self.stream().write_all(bytes).await
    }

    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor stays open as long as the stream, which `self` keeps alive.
        unsafe { BorrowedFd::borrow_raw(self.stream().as_raw_fd()) }
    }

    /// Ends reads and writes in flight and makes all later ones fail. Harmless when repeated.
    pub(crate) fn shutdown(&self) {
        // The only error is "not connected", which is what is wanted.
        let _ = rustix::net::shutdown(self.fd(), rustix::net::Shutdown::Both);
    }

    /// Tells the peer that nothing more follows; what it still sends can be read.
    pub(crate) fn shutdown_write(&self) {
        let _ = rustix::net::shutdown(self.fd(), rustix::net::Shutdown::Write);
    }

    /// The pending error of a connection attempt.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        SockRef::from(&self.fd()).take_error()
    }

    pub(crate) fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        SockRef::from(&self.fd()).set_nonblocking(on)
    }

    /// The options every link has: small writes leave at once, a dead peer is noticed.
    pub(crate) fn set_link_options(&self) -> io::Result<()> {
        let fd = self.fd();
        let socket = SockRef::from(&fd);
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(
            &socket2::TcpKeepalive::new()
                .with_time(Duration::from_secs(120))
                .with_interval(Duration::from_secs(30))
                .with_retries(4),
        )
    }

    pub(crate) fn peer_address(&self) -> io::Result<SocketAddr> {
        self.stream().peer_addr()
    }

    /// Takes the connection off this shard's ring; `None` while an operation or the other half
    /// still holds it.
    pub(crate) fn into_std(self) -> Option<StdTcpStream> {
        let stream = Rc::try_unwrap(self.0).ok()?.into_inner();
        let fd = stream.into_raw_fd();
        // SAFETY: `into_raw_fd` gave up ownership of an open descriptor.
        Some(StdTcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) }))
    }
}
