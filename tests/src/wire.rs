//! One plain TCP connection that speaks XML.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::xml::{self, Element, Piece, Scope};

/// Nothing a test waits for may take longer.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to a server's client or component port.
pub struct Wire {
    stream: TcpStream,
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
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(READ_TIMEOUT))?;
        Ok(Wire { stream, unread: Vec::new(), scope: Scope::new() })
    }

    /// Sends text as it is.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, text: &str) -> Result<()> {
        Ok(self.stream.write_all(text.as_bytes())?)
    }

    /// Sends an opening tag and returns the opening tag of the answer, forgetting the stream before it.
    ///
    /// # Errors
    /// When the peer answers with something else.
    pub fn open(&mut self, header: &str) -> Result<Element> {
        self.unread.clear();
        self.send(header)?;
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

    /// What was read, up to the last complete character.
    fn text(&self) -> &str {
        match std::str::from_utf8(&self.unread) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&self.unread[..error.valid_up_to()]).unwrap_or(""),
        }
    }

    fn read(&mut self, deadline: Instant) -> Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("nothing came in {READ_TIMEOUT:?}; unread: {:?}", self.text());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut chunk = [0; 65_536];
        let count = match self.stream.read(&mut chunk) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error.into()),
        };
        if count == 0 && Instant::now() < deadline {
            bail!("the connection was closed; unread: {:?}", self.text());
        }
        self.unread.extend_from_slice(&chunk[..count]);
        Ok(())
    }
}
