//! The vectors of x86-64: sixteen bytes by SSE2, which every such machine has, and thirty-two by AVX2.
//!
//! Every `unsafe` here is for the same two reasons, said once: SSE2 is part of x86-64; an [`Avx2`] is only made by a task that runs in
//! [`run_avx2`], whose caller answers for the instructions. What is loaded is an array as long as the vector, and may stand anywhere.
#![expect(unsafe_code, reason = "intrinsics")]
#![expect(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]

use std::arch::x86_64::*;

use super::{Task, Vector, chunk, padded};

#[target_feature(enable = "avx2,bmi1")]
pub(super) unsafe fn run_avx2<T: Task>(task: T) -> T::Output {
    task.on::<Avx2>()
}

// Comparisons are signed: a byte beyond ASCII is less than any other.

#[derive(Clone, Copy)]
pub(super) struct Sse2(__m128i);

impl Vector for Sse2 {
    const LEN: usize = 16;

    #[inline(always)]
    fn load(item: &[u8], at: usize) -> Self {
        let load = |bytes: &[u8; 16]| unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
        Self(match chunk(item, at) {
            Some(bytes) => load(bytes),
            None => load(&padded(item, at)),
        })
    }

    #[inline(always)]
    fn text_stops(self) -> u32 {
        unsafe {
            let is = |byte: u8| _mm_cmpeq_epi8(self.0, _mm_set1_epi8(byte.cast_signed()));
            // Signed: a control, or beyond ASCII.
            let odd = _mm_cmplt_epi8(self.0, _mm_set1_epi8(0x20));
            let any = _mm_or_si128(_mm_or_si128(is(b'<'), is(b'&')), _mm_or_si128(is(b'>'), odd));
            _mm_movemask_epi8(any).cast_unsigned()
        }
    }

    #[inline(always)]
    fn value_stops(self) -> u32 {
        unsafe {
            let is = |byte: u8| _mm_cmpeq_epi8(self.0, _mm_set1_epi8(byte.cast_signed()));
            let odd = _mm_cmplt_epi8(self.0, _mm_set1_epi8(0x20));
            let quote = _mm_or_si128(is(b'\''), is(b'"'));
            let any = _mm_or_si128(_mm_or_si128(is(b'<'), is(b'&')), _mm_or_si128(quote, odd));
            _mm_movemask_epi8(any).cast_unsigned()
        }
    }

    #[inline(always)]
    fn beyond_ascii(self) -> u32 {
        unsafe { _mm_movemask_epi8(self.0) }.cast_unsigned()
    }

    #[inline(always)]
    fn name_ends(self) -> u32 {
        unsafe {
            let all = |byte: u8| _mm_set1_epi8(byte.cast_signed());
            let within = |bytes, first: u8, last: u8| {
                _mm_and_si128(
                    _mm_cmpgt_epi8(bytes, all(first - 1)),
                    _mm_cmplt_epi8(bytes, all(last + 1)),
                )
            };
            let letter = within(_mm_or_si128(self.0, all(0x20)), b'a', b'z');
            // `-`, `.`, and the digits; the slash lies among them.
            let other =
                _mm_andnot_si128(_mm_cmpeq_epi8(self.0, all(b'/')), within(self.0, b'-', b'9'));
            let line = _mm_cmpeq_epi8(self.0, all(b'_'));
            let name = _mm_or_si128(letter, _mm_or_si128(other, line));
            !_mm_movemask_epi8(name).cast_unsigned() & 0xFFFF
        }
    }

    #[inline(always)]
    fn not_in_uri(self) -> u32 {
        unsafe {
            let all = |byte: u8| _mm_set1_epi8(byte.cast_signed());
            let is = |byte: u8| _mm_cmpeq_epi8(self.0, all(byte));
            let or = |one, other| _mm_or_si128(one, other);
            // ASCII up to the space, and from the brace on but for the tilde.
            let low =
                _mm_andnot_si128(_mm_cmplt_epi8(self.0, all(0)), _mm_cmplt_epi8(self.0, all(0x21)));
            let high = _mm_andnot_si128(is(b'~'), _mm_cmpgt_epi8(self.0, all(b'z')));
            let odd = or(or(is(b'"'), is(b'<')), or(is(b'>'), is(b'\\')));
            let any = or(or(low, high), or(odd, or(is(b'^'), is(b'`'))));
            _mm_movemask_epi8(any).cast_unsigned()
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256i);

impl Vector for Avx2 {
    const LEN: usize = 32;

    #[inline(always)]
    fn load(item: &[u8], at: usize) -> Self {
        let load = |bytes: &[u8; 32]| unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
        Self(match chunk(item, at) {
            Some(bytes) => load(bytes),
            None => load(&padded(item, at)),
        })
    }

    #[inline(always)]
    fn text_stops(self) -> u32 {
        self.is_odd_or(&TEXT_STOPS)
    }

    #[inline(always)]
    fn value_stops(self) -> u32 {
        self.is_odd_or(&VALUE_STOPS)
    }

    #[inline(always)]
    fn beyond_ascii(self) -> u32 {
        unsafe { _mm256_movemask_epi8(self.0) }.cast_unsigned()
    }

    #[inline(always)]
    fn name_ends(self) -> u32 {
        !self.in_both(&NAME_LOW, &NAME_HIGH)
    }

    #[inline(always)]
    fn not_in_uri(self) -> u32 {
        self.in_both(&ODD_LOW, &ODD_HIGH)
    }
}

impl Avx2 {
    /// Which bytes are the one that the table has for their low half, or a control, or beyond ASCII.
    #[inline(always)]
    fn is_odd_or(self, table: &[u8; 16]) -> u32 {
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
            let is_it = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, self.0), self.0);
            let is_odd = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), self.0);
            _mm256_movemask_epi8(_mm256_or_si256(is_it, is_odd)).cast_unsigned()
        }
    }

    /// Which bytes share a bit in the entry of their low half and that of their high half.
    #[inline(always)]
    fn in_both(self, low: &[u8; 16], high: &[u8; 16]) -> u32 {
        unsafe {
            let table = |table: &[u8; 16]| {
                _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()))
            };
            let half = _mm256_set1_epi8(0x0F);
            let low = _mm256_shuffle_epi8(table(low), _mm256_and_si256(self.0, half));
            let high = _mm256_shuffle_epi8(
                table(high),
                _mm256_and_si256(_mm256_srli_epi16::<4>(self.0), half),
            );
            let none = _mm256_cmpeq_epi8(_mm256_and_si256(low, high), _mm256_setzero_si256());
            !_mm256_movemask_epi8(none).cast_unsigned()
        }
    }
}

/// Each of these bytes at the place of its low half. No two may have the same.
#[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
const fn by_low_half(bytes: &[u8]) -> [u8; 16] {
    let mut table = [0; 16];
    let mut n = 0;
    while n < bytes.len() {
        let half = (bytes[n] & 0x0F) as usize;
        assert!(table[half] == 0, "two bytes with one low half");
        table[half] = bytes[n];
        n += 1;
    }
    table
}

// A zero for the other halves: only the zero byte is that, and it is a control.
static TEXT_STOPS: [u8; 16] = by_low_half(b"<&>");
static VALUE_STOPS: [u8; 16] = by_low_half(b"'\"<&");

/// For each row of sixteen bytes one bit, and for each column the rows in which it is one of `row`'s.
#[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
const fn tables(rows: [(u8, u16); 16]) -> ([u8; 16], [u8; 16]) {
    let (mut low, mut high) = ([0; 16], [0; 16]);
    let mut row = 0;
    while row < 16 {
        let (bit, columns) = rows[row];
        high[row] = bit;
        let mut column = 0;
        while column < 16 {
            if columns >> column & 1 == 1 {
                low[column] |= bit;
            }
            column += 1;
        }
        row += 1;
    }
    (low, high)
}

const NO: (u8, u16) = (0, 0);
// Rows 2 to 7: `-.`, the digits, `A-O`, `P-Z_`, `a-o`, `p-z`.
const NAMES: ([u8; 16], [u8; 16]) = tables([
    NO,
    NO,
    (1, 0x6000),
    (2, 0x03FF),
    (4, 0xFFFE),
    (8, 0x87FF),
    (4, 0xFFFE),
    (16, 0x07FF),
    NO,
    NO,
    NO,
    NO,
    NO,
    NO,
    NO,
    NO,
]);
static NAME_LOW: [u8; 16] = NAMES.0;
static NAME_HIGH: [u8; 16] = NAMES.1;
// Controls, space and `"`, `<>`, `\^`, the backtick, `{|}` and 0x7F.
const ODD: ([u8; 16], [u8; 16]) = tables([
    (1, 0xFFFF),
    (1, 0xFFFF),
    (2, 0x0005),
    (4, 0x5000),
    NO,
    (4, 0x5000),
    (8, 0x0001),
    (16, 0xB800),
    NO,
    NO,
    NO,
    NO,
    NO,
    NO,
    NO,
    NO,
]);
static ODD_LOW: [u8; 16] = ODD.0;
static ODD_HIGH: [u8; 16] = ODD.1;
