//! The framer: the read buffer, the phase of the stream and the fate of errors.

use std::sync::Arc;

use bytes::{Buf, BytesMut};

use crate::error::{FrameError, Limit, Reason};
use crate::frame::Frame;
use crate::header::Header;
use crate::limits::Limits;
use crate::namespaces::HeaderScope;
use crate::scan::vector::Vectors;
use crate::scan::{Scanner, Step, is_space};

/// What a stream consists of, in order: a header, elements, the close.
#[derive(Clone, Debug)]
pub enum Item {
    /// The start tag of the root element.
    Header(Header),
    /// A complete first-level element.
    Element(Frame),
    /// The end tag of the root element, `</stream:stream>`.
    Close,
}

/// Where in the stream the bytes stand.
#[derive(Debug)]
enum Phase {
    /// Before the end of the header.
    Prolog,
    /// Between header and close.
    Body(Arc<HeaderScope>),
    /// After the close.
    Closed,
    /// An error was met; it is the answer for ever.
    Dead(FrameError),
}

/// Cuts the received bytes of one stream into items. See the crate's documentation for the contract.
///
/// Append what was received to [`Framer::buffer`], then call [`Framer::next`] until it answers `None` or an error.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    scanner: Scanner,
    phase: Phase,
    limits: Limits,
}

impl Framer {
    /// A framer at the start of a stream. Allocates nothing yet.
    pub fn new(limits: Limits) -> Framer {
        Framer::with_vectors(limits, Vectors::best())
    }

    /// The same that reads with other vectors than the fastest; for tests and comparisons.
    pub fn with_vectors(limits: Limits, vectors: Vectors) -> Framer {
        Framer {
            buffer: BytesMut::new(),
            scanner: Scanner::new(vectors),
            phase: Phase::Prolog,
            limits: limits.clamped(),
        }
    }

    /// Other limits from here on, also for the element that is being scanned.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits.clamped();
    }

    /// The read buffer, to append to. Bytes that are in it must not be changed or taken out.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next item, or `None` when the bytes received so far hold no further complete one.
    ///
    /// # Errors
    /// The first fault of the stream. From then on the answer is always that error.
    // Not an iterator: an exhausted framer goes on after the next read.
    #[expect(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Item>, FrameError> {
        match self.phase {
            Phase::Prolog => self.header(),
            Phase::Body(_) => self.element(),
            Phase::Closed => self.nothing(),
            Phase::Dead(error) => Err(error),
        }
        .inspect_err(|&error| self.phase = Phase::Dead(error))
    }

    /// Makes ready for the header of a stream restart (RFC 6120 §4.3.3). Unconsumed bytes are kept: they belong to the new stream. A
    /// dead framer stays dead.
    pub fn restart(&mut self) {
        if !matches!(self.phase, Phase::Dead(_)) {
            self.phase = Phase::Prolog;
            self.scanner.restart();
        }
    }

    /// How many bytes are in the buffer and belong to no item yet. Must be 0 when TLS starts: bytes received in the clear must not
    /// be read as if they came through TLS (CVE-2011-0411).
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the stream is inside an element (or its header, or its close) rather than between two.
    pub fn is_mid_element(&self) -> bool {
        !self.scanner.is_between()
    }

    /// Gives back the memory of an idle stream: the buffer when it is empty and the scanner's stacks. The next read allocates anew.
    pub fn shrink(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        if self.scanner.is_between() {
            self.scanner.shrink();
        }
    }

    fn header(&mut self) -> Result<Option<Item>, FrameError> {
        let limit = self.limits.header_bytes;
        let step = self.scanner.scan(visible(&self.buffer, limit), &self.limits, None)?;
        if step != Step::Header {
            let is_full = self.buffer.len() >= limit;
            return if is_full {
                Err(FrameError::LimitExceeded(Limit::HeaderBytes))
            } else {
                Ok(None)
            };
        }
        let bytes = self.buffer.split_to(self.scanner.position()).freeze();
        let header = self.scanner.header(bytes)?;
        self.phase = Phase::Body(Arc::clone(&header.scope));
        self.scanner.next_element(header.content());
        Ok(Some(Item::Header(header)))
    }

    fn element(&mut self) -> Result<Option<Item>, FrameError> {
        self.skip_whitespace();
        let Phase::Body(scope) = &self.phase else { return Ok(None) };
        let content = scope.content();
        let limit = self.limits.element_bytes;
        let item =
            match self.scanner.scan(visible(&self.buffer, limit), &self.limits, Some(scope))? {
                Step::More | Step::Header => {
                    let is_full = self.buffer.len() >= limit;
                    return if is_full {
                        Err(FrameError::LimitExceeded(Limit::ElementBytes))
                    } else {
                        Ok(None)
                    };
                }
                Step::Element => {
                    let bytes = self.buffer.split_to(self.scanner.position()).freeze();
                    Item::Element(Frame::new(bytes, self.scanner.facts(), scope))
                }
                Step::Close => {
                    self.buffer.advance(self.scanner.position());
                    self.phase = Phase::Closed;
                    Item::Close
                }
            };
        self.scanner.next_element(content);
        Ok(Some(item))
    }

    /// After the close only white space may follow (XML 1.0 §2.8, production Misc without comments and instructions).
    fn nothing(&mut self) -> Result<Option<Item>, FrameError> {
        self.skip_whitespace();
        if self.buffer.is_empty() {
            Ok(None)
        } else {
            Err(FrameError::NotWellFormed(Reason::AfterClose))
        }
    }

    /// White space between first-level elements is a keepalive (RFC 6120 §11.7): it yields nothing and is not kept.
    fn skip_whitespace(&mut self) {
        if self.scanner.is_between() {
            let keepalive = self.buffer.iter().take_while(|&&byte| is_space(byte)).count();
            if keepalive > 0 {
                self.buffer.advance(keepalive);
            }
        }
    }
}

/// The bytes up to the limit. Those past it are not looked at: where a scan stops must not depend on how much arrived at once.
fn visible(buffer: &[u8], limit: usize) -> &[u8] {
    buffer.get(..limit).unwrap_or(buffer)
}
