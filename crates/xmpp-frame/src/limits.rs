//! Bounds on what one stream may make us hold or do.

/// Limits of one framer. They are checked while scanning, so nothing larger is ever buffered by the framer: a caller that drains
/// [`crate::Framer::next`] after each read holds at most `element_bytes` (`header_bytes` before the header) plus one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest first-level element in bytes, from its `<` to its `>`. Range 64 to 2^30. RFC 6120 §13.12 asks for at least
    /// 10 000 after authentication.
    pub element_bytes: usize,
    /// Longest stream header in bytes, with XML declaration and the white space before and after that. Range 64 to 2^30.
    pub header_bytes: usize,
    /// Deepest nesting; a first-level element has depth 1. Range 1 to 1024.
    pub depth: usize,
    /// Attributes of one element, namespace declarations included. Range 1 to 1024. Uniqueness is checked in pairs, so the
    /// cost of one element grows with the square.
    pub attributes: usize,
    /// Namespace declarations in scope at one place inside a first-level element, and those on the header. Range 1 to 1024.
    pub namespaces: usize,
    /// Longest name in bytes, with its prefix, and longest namespace name as written. Range 0 to 65535.
    pub name_bytes: usize,
    /// Descendants of one first-level element.
    pub elements: usize,
}

impl Limits {
    /// Before authentication. Room for the largest stream features seen, and no more (CVE-2026-43507 is what happens without).
    pub const PRE_AUTH: Limits = Limits {
        element_bytes: 8 * 1024,
        header_bytes: 4 * 1024,
        depth: 16,
        attributes: 32,
        namespaces: 32,
        name_bytes: 256,
        elements: 64,
    };

    /// After authentication: stanzas of up to 512 KiB.
    pub const AUTHENTICATED: Limits = Limits {
        element_bytes: 512 * 1024,
        header_bytes: 4 * 1024,
        depth: 128,
        attributes: 64,
        namespaces: 64,
        name_bytes: 1024,
        elements: 32 * 1024,
    };

    /// The same limits brought into the documented ranges: offsets are 31 bits wide, and a tree is dropped recursively.
    pub(crate) fn clamped(self) -> Limits {
        Limits {
            element_bytes: self.element_bytes.clamp(64, 1 << 30),
            header_bytes: self.header_bytes.clamp(64, 1 << 30),
            depth: self.depth.clamp(1, 1024),
            attributes: self.attributes.clamp(1, 1024),
            namespaces: self.namespaces.clamp(1, 1024),
            name_bytes: self.name_bytes.min(0xFFFF),
            ..self
        }
    }
}

impl Default for Limits {
    /// [`Limits::PRE_AUTH`].
    fn default() -> Limits {
        Limits::PRE_AUTH
    }
}
