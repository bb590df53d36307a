//! One connection that speaks XML, plain or under TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::xml::{self, Element, Piece, Scope};

/// Nothing a test waits for may take longer.
pub const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// What carries the bytes.
pub trait Socket: Read + Write + Send {
    /// The TCP connection below.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

/// A connection to a server's port, or from a server to ours.
pub struct Wire {
    socket: Box<dyn Socket>,
    unread: Vec<u8>,
    scope: Scope,
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        Wire::over(stream)
    }

    /// Speaks over this connection.
    ///
    /// # Errors
    /// When it is gone.
    pub fn over(socket: impl Socket + 'static) -> Result<Self> {
        socket.tcp().set_nodelay(true)?;
        socket.tcp().set_write_timeout(Some(READ_TIMEOUT))?;
        Ok(Wire { socket: Box::new(socket), unread: Vec::new(), scope: Scope::new() })
    }

    /// The TCP connection, to put TLS on it.
    ///
    /// # Errors
    /// When it is gone.
    pub fn into_tcp(self) -> Result<TcpStream> {
        Ok(self.socket.tcp().try_clone()?)
    }

    /// Sends text as it is.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, text: &str) -> Result<()> {
        Ok(self.socket.write_all(text.as_bytes())?)
    }

    /// Sends an opening tag and returns the opening tag of the answer, forgetting the stream before it.
    ///
    /// # Errors
    /// When the peer answers with something else.
    pub fn open(&mut self, header: &str) -> Result<Element> {
        self.unread.clear();
        self.send(header)?;
        self.receive_header()
    }

    /// The opening tag the peer sends.
    ///
    /// # Errors
    /// When it sends something else.
    pub fn receive_header(&mut self) -> Result<Element> {
        let deadline = Instant::now() + READ_TIMEOUT;
        loop {
            if let Some((header, scope, used)) = xml::cut_header(self.text())? {
                self.scope = scope;
                self.unread.drain(..used);
                return Ok(header);
            }
            self.read(deadline).context("waiting for the stream header")?;
        }
    }

    /// The next element.
    ///
    /// # Errors
    /// When the stream ends, fails or stays silent.
    pub fn next_element(&mut self) -> Result<Element> {
        let deadline = Instant::now() + READ_TIMEOUT;
        loop {
            match xml::cut(self.text(), &self.scope)? {
                Piece::Element(element, used) => {
                    self.unread.drain(..used);
                    if element.name == "error" && element.namespace.ends_with("/streams") {
                        bail!("stream error: {element:?}");
                    }
                    return Ok(element);
                }
                Piece::End => bail!("the stream was closed"),
                Piece::Incomplete => self.read(deadline)?,
            }
        }
    }

    /// The next element, which must have this name.
    ///
    /// # Errors
    /// As [`Wire::next_element`], and when it has another name.
    pub fn expect(&mut self, name: &str) -> Result<Element> {
        let element = self.next_element().with_context(|| format!("waiting for <{name}/>"))?;
        if element.name != name {
            bail!("expected <{name}/>, got {element:?}");
        }
        Ok(element)
    }

    /// The next element as it was written; it must have this name.
    ///
    /// # Errors
    /// As [`Wire::expect`].
    pub fn expect_text(&mut self, name: &str) -> Result<String> {
        let deadline = Instant::now() + READ_TIMEOUT;
        loop {
            match xml::cut(self.text(), &self.scope)? {
                Piece::Element(element, used) if element.name == name => {
                    return Ok(String::from_utf8(self.unread.drain(..used).collect())?);
                }
                Piece::Incomplete => self.read(deadline)?,
                other => bail!("expected <{name}/>, got {other:?}"),
            }
        }
    }

    /// Everything from here to the end of the connection, as it was written.
    ///
    /// # Errors
    /// When the connection stays open.
    pub fn rest(&mut self) -> Result<String> {
        let deadline = Instant::now() + READ_TIMEOUT;
        while self.read_some(deadline)? > 0 {}
        Ok(String::from_utf8(std::mem::take(&mut self.unread))?)
    }

    /// What was read, up to the last complete character.
    fn text(&self) -> &str {
        match std::str::from_utf8(&self.unread) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&self.unread[..error.valid_up_to()]).unwrap_or(""),
        }
    }

    fn read(&mut self, deadline: Instant) -> Result<()> {
        if self.read_some(deadline)? == 0 {
            bail!("the connection was closed; unread: {:?}", self.text());
        }
        Ok(())
    }

    /// How many bytes came; none at the end of the connection.
    fn read_some(&mut self, deadline: Instant) -> Result<usize> {
        let mut chunk = [0; 65_536];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("nothing came in {READ_TIMEOUT:?}; unread: {:?}", self.text());
            }
            self.socket.tcp().set_read_timeout(Some(left))?;
            match self.socket.read(&mut chunk) {
                Ok(count) => {
                    self.unread.extend_from_slice(&chunk[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
