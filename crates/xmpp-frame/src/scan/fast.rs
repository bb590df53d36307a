//! The fast path: whole tags and stretches of text by vectors, where nothing is odd.
//!
//! The state machine of [`super`] can read everything and stop after any byte, and pays for that with a jump a byte. Nearly all of what
//! servers send is plain: names of a few ASCII letters, `name='value'`, one space between. This file reads exactly that and hands over
//! to the state machine, at the `<` or the character that it did not like, whatever else comes: another form of tag, a name of more than
//! a vector, CDATA, an error, the end of what has arrived. It never answers an error itself. So there is one place that knows what
//! is wrong with an input, and the two need to agree on good ones only, which the tests hold them to for every kind of vector.
//!
//! The price is that some bytes are looked at again: a tag that is handed over is read once more from its `<`, by the state machine, which
//! then stays with it however often the bytes run out; and a stretch beyond ASCII is found, judged and searched for U+FFFE in three
//! passes, each of which is faster than one that does it all. Nothing is ever tried a second time here.
//!
//! What makes it fast, the most effective first. The pairs are nanoseconds for a stanza of the mixed traffic of `benches`, before and after,
//! each pair from one run; between them lie small gains and other days. The state machine alone took 1,200.
//!
//! - **Ends by mask** (1,200 to 437, both with the 55 ns that it takes to fill the read buffer, which later figures leave out). One load, one
//!   question to 16 or 32 bytes, one `tzcnt`: an ordinary name, value or text is one step. Text and values stop at bytes beyond ASCII
//!   too, which keeps the question short (with AVX2 a table look-up by the low half of each byte finds the markup, one signed comparison
//!   the rest); from there on [`characters`] runs to the next markup and has `simdutf8` judge the stretch at once. Checking UTF-8 as it
//!   comes cost the class of non-ASCII texts three times as much.
//! - **Usual names by one comparison** (405 to 374). ` from='` and the like are compared as one number with the eight bytes after a value.
//!   Which one comes is predicted well; then the value's load does not wait for the length of its name.
//! - **Plain tags without general means** (374 to 313). A tag without prefixes needs no list of its attributes: their values pass by, their
//!   names leave a bit in a filter, and only when two share a bit are their first eight bytes compared ([`Seen`]). What an element
//!   without prefix is in changes with declarations only, so it is kept ready (`Inherited`). A namespace name that neither this crate
//!   nor the header can mean ([`HeaderScope::may_know`]) is not compared with theirs.
//! - **No text between tags** (313 to 290). Most tags follow another directly; one byte tells so.
//! - **Little around an element** (290 to 260). Vectors chosen when the framer is made, not for each element; the slower kinds in functions of
//!   their own, so that the caller saves no registers for them.
//!
//! What was slower, or no faster, and is not here:
//!
//! - Start tags remembered by their exact bytes, one comparison instead of a reading: three in four were found, 450 became 480. Reading is
//!   not what a tag costs.
//! - 64 bytes at the first look at a value, for addresses that do not fit 32: 280 became 298.
//! - Masks for a key by shifts or by `bzhi` instead of a table: 258 became 268 to 275.
//! - An index of all markup first, as for JSON: not built. There is markup every 8 bytes here, so a second pass over the index would
//!   wait for as many loads as this one.
//! - AVX-512: not built, for want of a machine to measure on. A token is shorter than 32 bytes nearly always.

use super::bytes::{is_char, starts_name};
use super::vector::{Task, Vector, eight};
use super::{Scanner, State};
use crate::frame::{Address, Addresses};
use crate::limits::Limits;
use crate::name::{self, Name, key_of};
use crate::namespaces::{HeaderScope, Span};
use crate::tag::{Seen, StartTag, Tags, bit};

/// The scan of an item, from where its scanner stands.
pub(super) struct Fast<'a> {
    pub(super) scanner: &'a mut Scanner,
    pub(super) item: &'a [u8],
    pub(super) limits: &'a Limits,
    pub(super) scope: &'a HeaderScope,
}

impl Task for Fast<'_> {
    /// Whether the element is complete.
    type Output = bool;

    /// Goes on until the element is complete or something comes that is for the machine. To begin in character data, or where a first
    /// tag is expected.
    #[inline(always)]
    fn on<V: Vector>(self) -> bool {
        let Fast { scanner, item, limits, scope } = self;
        let tags = &mut scanner.tags;
        let mut at = scanner.position;
        if tags.is_first() {
            match start_tag::<V, true>(tags, item, at, limits, scope) {
                Some(end) => at = end,
                None => return scanner.hand_over(at),
            }
        }
        while tags.is_inside() {
            if item.get(at) != Some(&b'<') {
                match text::<V>(item, at) {
                    Ok(tag) => at = tag,
                    Err(odd) => return scanner.hand_over(odd),
                }
            }
            let end = match item.get(at + 1) {
                Some(b'/') => tags.end_if_plain(item, at + 2),
                _ => start_tag::<V, false>(tags, item, at, limits, scope),
            };
            match end {
                Some(end) => at = end,
                None => return scanner.hand_over(at),
            }
        }
        scanner.position = at;
        true
    }
}

impl Scanner {
    /// What stands at this place is for the machine.
    #[inline]
    fn hand_over(&mut self, at: usize) -> bool {
        self.position = at;
        self.state = if self.tags.is_inside() { State::Text } else { State::Between };
        false
    }
}

/// Behind character data: where a `<` stands; or, as an error, where something odd stands or what has arrived ends.
#[inline(always)]
fn text<V: Vector>(item: &[u8], start: usize) -> Result<usize, usize> {
    let mut at = start;
    loop {
        let stops = V::load(item, at).text_stops();
        if stops == 0 {
            at += V::LEN;
            continue;
        }
        at += stops.trailing_zeros() as usize;
        let byte = item.get(at);
        if byte == Some(&b'<') {
            return Ok(at);
        }
        let next = match byte {
            Some(b'&') => reference(item, at),
            Some(b'>') => (item.get(at.saturating_sub(2)..at) != Some(b"]]")).then_some(at + 1),
            Some(b'\t' | b'\n' | b'\r') => Some(at + 1),
            Some(0x80..) => characters::<V>(item, at, V::text_stops),
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => return Err(at),
        }
    }
}

/// Behind characters beyond ASCII and what is plain between them, up to what else `stops`, when all is UTF-8 of characters that XML
/// takes (production Char, XML 1.0 §2.2).
#[inline(always)]
fn characters<V: Vector>(item: &[u8], start: usize, stops: impl Fn(V) -> u32) -> Option<usize> {
    let mut at = start;
    let end = loop {
        let bytes = V::load(item, at);
        let stops = stops(bytes) & !bytes.beyond_ascii();
        if stops != 0 {
            break at + stops.trailing_zeros() as usize;
        }
        at += V::LEN;
    };
    are_characters(item.get(start..end)?).then_some(end)
}

/// Whether these bytes, among which are no controls, are such characters.
#[inline(never)]
fn are_characters(bytes: &[u8]) -> bool {
    // U+FFFE and U+FFFF, the only ones that UTF-8 can spell and XML does not take.
    let is_none = |at: usize| matches!(bytes.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF]));
    simdutf8::basic::from_utf8(bytes).is_ok() && !memchr::memchr_iter(0xEF, bytes).any(is_none)
}

/// Behind one of the five entities or a character reference.
#[inline(always)]
fn reference(item: &[u8], at: usize) -> Option<usize> {
    let bytes = eight(item, at).to_le_bytes();
    match bytes {
        [b'&', b'q', b'u', b'o', b't', b';', ..] | [b'&', b'a', b'p', b'o', b's', b';', ..] => {
            Some(at + 6)
        }
        [b'&', b'a', b'm', b'p', b';', ..] => Some(at + 5),
        [b'&', b'l' | b'g', b't', b';', ..] => Some(at + 4),
        [b'&', b'#', ..] => number(item, at + 2),
        _ => None,
    }
}

/// Behind a character reference (XML 1.0 §4.1) with at most seven digits; any character can be written with as many.
#[inline(never)]
fn number(item: &[u8], start: usize) -> Option<usize> {
    let bytes = item.get(start..)?.first_chunk::<9>()?;
    let (digits, radix) = match bytes {
        [b'x', digits @ ..] => (digits.as_slice(), 16),
        digits => (digits.as_slice(), 10),
    };
    let (mut code, mut len) = (0, 0);
    for &byte in digits.iter().take(8) {
        if byte == b';' {
            let behind = start + usize::from(radix == 16) + len + 1;
            return (len > 0 && char::from_u32(code).is_some_and(is_char)).then_some(behind);
        }
        code = code * radix + char::from(byte).to_digit(radix)?;
        len += 1;
    }
    None
}

/// Behind a start tag without anything odd, whose `<` is expected at `start`. Otherwise nothing has happened.
#[inline(always)]
fn start_tag<V: Vector, const FIRST: bool>(
    tags: &mut Tags,
    item: &[u8],
    start: usize,
    limits: &Limits,
    scope: &HeaderScope,
) -> Option<usize> {
    let mark = tags.mark();
    let end = read_start_tag::<V, FIRST>(tags, item, start, mark, limits, scope);
    if end.is_none() {
        // The machine reads the tag again.
        tags.forget(mark);
    }
    end
}

#[inline(always)]
fn read_start_tag<V: Vector, const FIRST: bool>(
    tags: &mut Tags,
    item: &[u8],
    start: usize,
    mark: usize,
    limits: &Limits,
    scope: &HeaderScope,
) -> Option<usize> {
    if item.get(start) != Some(&b'<') {
        return None;
    }
    let (element, mut next) = name::<V>(item, start + 1)?;
    let mut at = element.end();
    let mut seen = Seen::default();
    let mut addresses = Addresses::NONE;
    // Attributes with a prefix were kept for a closer look.
    let mut was_kept = false;
    let is_empty = loop {
        if let Some(usual) = usual::<FIRST>(next) {
            let value = value::<V>(item, at + usual.len, b'\'')?;
            at = value.end() + 1;
            next = eight(item, at);
            tags.note(&mut seen, usual.key, usual.bit);
            if FIRST {
                addresses.set(usual.address, value);
            } else {
                declare::<V>(tags, item, Name::XMLNS, value, limits, scope)?;
            }
            continue;
        }
        match next as u8 {
            b'>' => {
                at += 1;
                break false;
            }
            b'/' if next as u16 == u16::from_le_bytes(*b"/>") => {
                at += 2;
                break true;
            }
            b' ' => {}
            _ => return None,
        }
        let Some((name, behind)) = name::<V>(item, at + 1) else {
            // Some serialisers put a space before the end of every empty element.
            if next as u32 & 0xFF_FFFF != u32::from_le_bytes(*b" />\0") {
                return None;
            }
            at += 3;
            break true;
        };
        let [b'=', quote @ (b'\'' | b'"'), ..] = behind.to_le_bytes() else { return None };
        let value = value::<V>(item, name.end() + 2, quote)?;
        at = value.end() + 1;
        next = eight(item, at);
        tags.note(&mut seen, name.key(), bit(name.key()));
        if FIRST {
            addresses.take(name, value);
        }
        if name.is_special() {
            if name.declares() {
                declare::<V>(tags, item, name, value, limits, scope)?;
            } else {
                tags.keep_prefixed(name, value, &mut was_kept, limits)?;
            }
        }
    };
    if !tags.are_few_and_differ(seen, limits) {
        return None;
    }
    let tag = StartTag { name: element, is_empty, mark };
    let is_good = if element.has_prefix() || was_kept {
        if !was_kept {
            tags.begin();
        }
        tags.start(item, tag, FIRST.then_some(addresses), scope, limits).is_ok()
    } else if FIRST {
        tags.start_first(item, tag, addresses, scope)
    } else {
        tags.start_plain(tag, limits)
    };
    is_good.then_some(at)
}

#[inline(always)]
fn declare<V: Vector>(
    tags: &mut Tags,
    item: &[u8],
    name: Name,
    value: Span,
    limits: &Limits,
    scope: &HeaderScope,
) -> Option<()> {
    if tags.declare_plain::<V>(item, name, value, scope, limits) {
        return Some(());
    }
    tags.declare(item, name, value, Some(scope), limits).ok()
}

/// A name of ASCII, with at most one colon, that ends within one vector; and the bytes behind it, among which a second colon may be the
/// first: no caller takes that.
#[inline(always)]
fn name<V: Vector>(item: &[u8], start: usize) -> Option<(Name, u64)> {
    let ends = V::load(item, start).name_ends();
    let first = eight(item, start);
    let len = ends.trailing_zeros() as usize;
    if len >= V::LEN || !starts_name(first as u8) {
        return None;
    }
    let behind = eight(item, start + len);
    if behind as u8 != b':' {
        return Some((Name::with_key(key_of(first, len), start, len, 0), behind));
    }
    let ends = ends & (ends - 1);
    let end = ends.trailing_zeros() as usize;
    let behind = eight(item, start + end);
    let is_good = end < V::LEN && starts_name(*item.get(start + len + 1)?);
    is_good.then(|| (Name::with_key(key_of(first, end), start, end, len), behind))
}

/// The start of an attribute as nearly all have it, with the space before its name and a single quote behind. Which one comes is easily
/// foreseen, and then its value is looked at without waiting for what its name is.
#[derive(Clone, Copy)]
struct Usual {
    /// As written, in the highest bytes; and how many bits are below.
    written: u64,
    unused: u32,
    len: usize,
    key: u64,
    bit: u64,
    address: Address,
}

impl Usual {
    const FROM: Usual = Usual::new(b"from", Address::From);
    const TO: Usual = Usual::new(b"to", Address::To);
    const ID: Usual = Usual::new(b"id", Address::Id);
    const TYPE: Usual = Usual::new(b"type", Address::Type);
    const XMLNS: Usual = Usual::new(b"xmlns", Address::Id);

    const fn new(name: &[u8], address: Address) -> Usual {
        assert!(name.len() <= 5);
        let key = name::key(name);
        let len = name.len() + 3;
        let unused = 8 * (8 - len as u32);
        let written = b' ' as u64 | key << 8 | name::key(b"='") << (8 * (len - 2));
        Usual { written: written << unused, unused, len, key, bit: bit(key), address }
    }

    #[inline(always)]
    const fn begins(&self, next: u64) -> bool {
        next << self.unused == self.written
    }
}

#[inline(always)]
fn usual<const FIRST: bool>(next: u64) -> Option<Usual> {
    if FIRST {
        if Usual::FROM.begins(next) {
            return Some(Usual::FROM);
        }
        if Usual::TO.begins(next) {
            return Some(Usual::TO);
        }
        if Usual::ID.begins(next) {
            return Some(Usual::ID);
        }
        if Usual::TYPE.begins(next) {
            return Some(Usual::TYPE);
        }
        None
    } else {
        Usual::XMLNS.begins(next).then_some(Usual::XMLNS)
    }
}

/// The value of an attribute that begins at `start`, behind its quote.
#[inline(always)]
fn value<V: Vector>(item: &[u8], start: usize, quote: u8) -> Option<Span> {
    let (mut at, mut is_dirty) = (start, false);
    loop {
        let stops = V::load(item, at).value_stops();
        if stops == 0 {
            at += V::LEN;
            continue;
        }
        at += stops.trailing_zeros() as usize;
        match *item.get(at)? {
            byte if byte == quote => return Some(Span::new(start, at, is_dirty)),
            b'\'' | b'"' => at += 1,
            b'&' => {
                at = reference(item, at)?;
                is_dirty = true;
            }
            b'\t' | b'\n' | b'\r' => {
                at += 1;
                is_dirty = true;
            }
            0x80.. => at = characters::<V>(item, at, V::value_stops)?,
            _ => return None,
        }
    }
}
