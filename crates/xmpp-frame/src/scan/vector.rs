//! Many bytes at once: a stretch of the input in a register, and questions to all its bytes that are answered by one bit each.
//!
//! All the `unsafe` of the crate is here: the intrinsics, and that [`Vectors::run`] may use those that the machine has.
//! Bytes behind the end of the input read as 0, which all that ends something stops at: a scan goes no further.

/// A stretch of bytes, and what is asked of them. Bit n of an answer is about byte n.
pub(crate) trait Vector: Copy {
    /// How many bytes it holds; at most 32.
    const LEN: usize;

    /// The bytes of `item` from `at` on.
    fn load(item: &[u8], at: usize) -> Self;

    /// Which are not plain text: `<`, `&`, `>`, a control, or part of a character beyond ASCII.
    fn text_stops(self) -> u32;

    /// Which are not plain in a value: a quote, `<`, `&`, a control, or part of a character beyond ASCII.
    fn value_stops(self) -> u32;

    /// Which are part of a character beyond ASCII.
    fn beyond_ascii(self) -> u32;

    /// Which are not an ASCII letter or digit, nor one of `_`, `-`, `.`.
    fn name_ends(self) -> u32;

    /// Which cannot stand in a namespace name, see [`crate::namespaces::is_uri_byte`].
    fn not_in_uri(self) -> u32;
}

/// What is done on a kind of [`Vector`].
pub(super) trait Task {
    type Output;

    /// Does it. `#[inline(always)]`, so that it becomes part of a function that is compiled for the instructions of `V`.
    fn on<V: Vector>(self) -> Self::Output;
}

/// The bytes from `at` on, zeros behind the end: the last stretch of an input.
#[cold]
#[inline(never)]
fn padded<const LEN: usize>(item: &[u8], at: usize) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    let rest = item.get(at..).unwrap_or_default();
    bytes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    bytes
}

#[inline(always)]
fn chunk<const LEN: usize>(item: &[u8], at: usize) -> Option<&[u8; LEN]> {
    // One comparison, with a number that does not change while an item is scanned.
    if at < item.len().saturating_sub(LEN - 1) {
        // SAFETY: there are LEN bytes from there on, an array of bytes may stand anywhere, and it is borrowed as long as `item`.
        #[expect(unsafe_code)]
        Some(unsafe { &*item.as_ptr().add(at).cast() })
    } else {
        None
    }
}

/// The eight bytes from `at` on, the first in the lowest bits; zeros behind the end.
#[inline(always)]
pub(crate) fn eight(item: &[u8], at: usize) -> u64 {
    match chunk(item, at) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => u64::from_le_bytes(padded(item, at)),
    }
}

/// The vectors that a framer reads with: the widest that this machine has, or for a comparison others that it has as well. They differ
/// in nothing but speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vectors(Kind);

/// An `Avx2` is only made where it was found to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Sse2,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Vectors {
    /// All that this machine has, the slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Vectors> {
        #[cfg(target_arch = "x86_64")]
        let (always, found) = {
            let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1");
            ([Kind::Portable, Kind::Sse2].as_slice(), has_avx2.then_some(Kind::Avx2))
        };
        #[cfg(not(target_arch = "x86_64"))]
        let (always, found) = ([Kind::Portable].as_slice(), None);
        always.iter().copied().chain(found).map(Vectors)
    }

    /// The fastest.
    pub fn best() -> Vectors {
        Vectors::available().next_back().unwrap_or(Vectors(Kind::Portable))
    }

    /// Does the task with them.
    #[inline]
    pub(super) fn run<T: Task>(self, task: T) -> T::Output {
        match self.0 {
            Kind::Portable => run::<Portable, T>(task),
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2 => run::<x86::Sse2, T>(task),
            // SAFETY: this machine has what the function is compiled for, or there would be no such value.
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code)]
            Kind::Avx2 => unsafe { x86::run_avx2(task) },
        }
    }
}

/// Does it in a function of its own, which the caller then need not make room for.
#[inline(never)]
fn run<V: Vector, T: Task>(task: T) -> T::Output {
    task.on::<V>()
}

#[cfg(target_arch = "x86_64")]
mod x86;

/// Sixteen bytes in two numbers, by the rules of the language alone: each byte is a field that no carry leaves.
#[derive(Clone, Copy)]
pub(crate) struct Portable([u64; 2]);

const HIGH: u64 = all(0x80);
const LOW: u64 = all(0x7F);

/// Eight times this byte.
const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Which bytes are this one; by their highest bits, as in all of these.
#[inline(always)]
fn are(bytes: u64, byte: u8) -> u64 {
    let differ = bytes ^ all(byte);
    !(((differ & LOW) + LOW) | differ) & HIGH
}

/// Which bytes are at least `first`, an ASCII character, when their own highest bit is not looked at.
#[inline(always)]
fn from(bytes: u64, first: u8) -> u64 {
    ((bytes & LOW) + all(0x80 - first)) & HIGH
}

impl Portable {
    /// One bit for each byte whose highest bit is set in the answer.
    #[inline(always)]
    fn mask(self, question: impl Fn(u64) -> u64) -> u32 {
        // Brings bit 8n to bit 56 + n.
        let gather = |answer: u64| (answer >> 7 & all(1)).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        let [low, high] = self.0.map(|bytes| gather(question(bytes)) as u32);
        low | high << 8
    }
}

impl Vector for Portable {
    const LEN: usize = 16;

    #[inline(always)]
    fn load(item: &[u8], at: usize) -> Self {
        Self([eight(item, at), eight(item, at + 8)])
    }

    #[inline(always)]
    fn text_stops(self) -> u32 {
        self.mask(|bytes| are(bytes, b'<') | are(bytes, b'&') | are(bytes, b'>') | odd(bytes))
    }

    #[inline(always)]
    fn value_stops(self) -> u32 {
        let quotes = |bytes| are(bytes, b'\'') | are(bytes, b'"');
        self.mask(|bytes| quotes(bytes) | are(bytes, b'<') | are(bytes, b'&') | odd(bytes))
    }

    #[inline(always)]
    fn beyond_ascii(self) -> u32 {
        self.mask(|bytes| bytes)
    }

    #[inline(always)]
    fn name_ends(self) -> u32 {
        self.mask(|bytes| {
            let lower = bytes | all(0x20);
            let letters = from(lower, b'a') & !from(lower, b'z' + 1);
            // `-`, `.`, and the digits; the slash lies among them.
            let others = from(bytes, b'-') & !from(bytes, b'9' + 1) & !are(bytes, b'/');
            !(letters | others | are(bytes, b'_')) | bytes
        })
    }

    #[inline(always)]
    fn not_in_uri(self) -> u32 {
        self.mask(|bytes| {
            let odd = are(bytes, b'"') | are(bytes, b'<') | are(bytes, b'>') | are(bytes, b'\\');
            let other = are(bytes, b'^') | are(bytes, b'`') | from(bytes, b'{') & !are(bytes, b'~');
            (odd | other | !from(bytes, b'!')) & !bytes
        })
    }
}

/// Which are a control or part of a character beyond ASCII.
#[inline(always)]
fn odd(bytes: u64) -> u64 {
    !from(bytes, b' ') | bytes
}

#[cfg(test)]
mod tests;
