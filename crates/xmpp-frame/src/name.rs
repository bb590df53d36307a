//! Names of elements and attributes, compared by their first eight bytes.

use crate::namespaces::Span;
use crate::scan::vector::eight;

/// A name as written, split at its colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// Its first eight bytes, zeros behind a shorter one: no name contains a zero, so up to eight bytes this is the whole name.
    key: u64,
    start: u32,
    len: u16,
    /// Where the colon stands, from `start`; 0 when there is none (no name begins with it).
    colon: u16,
}

impl Name {
    /// As far as it matters to a declaration.
    pub(crate) const XMLNS: Name = Name { key: key(b"xmlns"), start: 0, len: 5, colon: 0 };

    pub(crate) const EMPTY: Name = Name { key: 0, start: 0, len: 0, colon: 0 };

    /// The name of `len` bytes at `start`, whose colon is the byte `colon` of it, or which has none (0). Limits keep every item under
    /// 2^30 bytes and every name under 2^16, so the numbers fit.
    pub(crate) fn at(item: &[u8], start: usize, len: usize, colon: usize) -> Name {
        Name::with_key(key_at(item, start, len), start, len, colon)
    }

    #[inline(always)]
    pub(crate) const fn with_key(key: u64, start: usize, len: usize, colon: usize) -> Name {
        Name { key, start: start as u32, len: len as u16, colon: colon as u16 }
    }

    #[inline(always)]
    pub(crate) fn key(self) -> u64 {
        self.key
    }

    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        usize::from(self.len)
    }

    #[inline(always)]
    pub(crate) fn end(self) -> usize {
        self.start() + usize::from(self.len)
    }

    #[inline(always)]
    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    pub(crate) fn raw(self, item: &[u8]) -> &[u8] {
        item.get(self.start()..self.end()).unwrap_or_default()
    }

    #[inline(always)]
    pub(crate) fn is_same(self, other: Name, item: &[u8]) -> bool {
        self.key == other.key
            && self.len == other.len
            && (self.len <= 8 || self.raw(item) == other.raw(item))
    }

    /// Whether it is more than the name of a plain attribute: it declares a namespace, or is in one. `xml:` is as good as plain: no other
    /// prefix may stand for the same namespace, so that names that differ as written differ.
    #[inline(always)]
    pub(crate) fn is_special(self) -> bool {
        self.declares() || self.colon != 0 && !self.is_xml()
    }

    /// Whether its prefix is `xml`.
    #[inline(always)]
    fn is_xml(self) -> bool {
        self.colon == 3 && self.key & 0xFF_FFFF == key(b"xml")
    }

    #[inline(always)]
    pub(crate) fn has_prefix(self) -> bool {
        self.colon != 0
    }

    #[inline(always)]
    pub(crate) fn prefix(self, item: &[u8]) -> &[u8] {
        item.get(self.start()..self.start() + usize::from(self.colon)).unwrap_or_default()
    }

    /// The key of the prefix.
    #[inline(always)]
    pub(crate) fn prefix_key(self) -> u64 {
        key_of(self.key, usize::from(self.colon))
    }

    /// The key of the name without its prefix.
    #[inline(always)]
    pub(crate) fn local_key(self, item: &[u8]) -> u64 {
        if self.colon == 0 {
            self.key
        } else {
            key_at(item, self.local().start(), self.local().len())
        }
    }

    #[inline(always)]
    pub(crate) fn local(self) -> Span {
        let skipped = if self.colon == 0 { 0 } else { usize::from(self.colon) + 1 };
        Span::new(self.start() + skipped, self.end(), false)
    }

    /// Whether it declares a namespace: `xmlns`, or `xmlns:` and a prefix.
    #[inline(always)]
    pub(crate) fn declares(self) -> bool {
        const XMLNS: u64 = key(b"xmlns");
        self.key == XMLNS || self.colon == 5 && self.key & 0xFF_FFFF_FFFF == XMLNS
    }
}

/// The key of a name of up to eight bytes.
pub(crate) const fn key(name: &[u8]) -> u64 {
    match name {
        [rest @ .., last] => key(rest) | (*last as u64) << (8 * rest.len()),
        [] => 0,
    }
}

/// The first `len` of these bytes, or all; zeros behind.
#[inline(always)]
pub(crate) fn key_of(bytes: u64, len: usize) -> u64 {
    /// The bits of as many bytes.
    static KEPT: [u64; 9] = [
        0,
        0xFF,
        0xFFFF,
        0xFF_FFFF,
        0xFFFF_FFFF,
        0xFF_FFFF_FFFF,
        0xFFFF_FFFF_FFFF,
        0xFF_FFFF_FFFF_FFFF,
        u64::MAX,
    ];
    bytes & KEPT.get(len.min(8)).unwrap_or(&u64::MAX)
}

/// The same of the `len` bytes from `start` on.
#[inline(always)]
pub(crate) fn key_at(item: &[u8], start: usize, len: usize) -> u64 {
    key_of(eight(item, start), len)
}
