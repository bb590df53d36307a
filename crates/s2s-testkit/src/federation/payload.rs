//! What the federation's stanzas carry, so that whoever receives one can tell which it is, when it should have been sent and
//! whether it is whole.
//!
//! ```text
//! <message from='..' to='..' id='pg-FFFFFFFF-SSSSSSSS'><body>FFFFFFFF SSSSSSSS TTTTTTTTTTTTTTTT CCCCCCCCCCCCCCCC text</body></message>
//! ```
//! F names the flow, S counts its stanzas from 0, T is the intended time in nanoseconds since the run began, C sums these three and
//! everything else between the start tag and the end tag; all in lower-case hexadecimal. The id repeats F and S, because an error need
//! not bring the content back (RFC 6120 §8.3.1). The four fields, with a space after each, stand at the beginning of one text of the
//! content: the body of a message with a body, elsewhere what `crate::corpus::specimens` says.

/// Shortest body: the four fields and the spaces after them.
pub const BODY_BYTES_MIN: usize = HEAD_BYTES;
/// Body of the usual stanza; with addresses of usual length the whole has about 310 bytes.
pub const BODY_BYTES_DEFAULT: usize = 200;

/// The fields before they are known.
pub(crate) const BLANK: &str = "00000000 00000000 0000000000000000 0000000000000000 ";
/// Length of the fields.
pub(crate) const HEAD_BYTES: usize = BLANK.len();

const SUM_AT: usize = 35;
const ID_BYTES: usize = 20;

/// Names one stanza: its flow and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Index of the flow.
    pub flow: u32,
    /// Place in the flow, from 0.
    pub sequence: u32,
}

impl Mark {
    /// Reads the value of an `id` attribute.
    pub fn from_id(id: &[u8]) -> Option<Mark> {
        if id.len() != ID_BYTES || !id.starts_with(b"pg-") || id.get(11) != Some(&b'-') {
            return None;
        }
        Some(Mark { flow: hex8(id.get(3..11)?)?, sequence: hex8(id.get(12..)?)? })
    }
}

/// The fields of a stanza that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Which stanza it is.
    pub mark: Mark,
    /// When it should have been sent, in nanoseconds since the run began.
    pub intended_ns: u64,
}

impl Payload {
    /// Reads the fields at the beginning of `text`. None when they are not in their form or do not agree with their sum, in which
    /// `content_sum` stands for the rest of the content.
    pub(crate) fn read(text: &[u8], content_sum: u64) -> Option<Payload> {
        let head = text.get(..HEAD_BYTES)?;
        let (fields, sum) = head.split_at_checked(SUM_AT)?;
        if !is_spaced(head) || hex16(sum.get(..16)?)? != add(fields, content_sum) {
            return None;
        }
        let mark = Mark { flow: hex8(fields.get(..8)?)?, sequence: hex8(fields.get(9..17)?)? };
        Some(Payload { mark, intended_ns: hex16(fields.get(18..34)?)? })
    }

    /// Writes the fields over [`BLANK`].
    pub(crate) fn write(&self, content_sum: u64, blank: &mut [u8]) {
        blank[..8].copy_from_slice(&to_hex8(self.mark.flow));
        blank[9..17].copy_from_slice(&to_hex8(self.mark.sequence));
        blank[18..34].copy_from_slice(&to_hex16(self.intended_ns));
        let sum = add(&blank[..SUM_AT], content_sum);
        blank[SUM_AT..SUM_AT + 16].copy_from_slice(&to_hex16(sum));
    }
}

/// Whether a text begins with fields, whatever their sum.
pub(crate) fn begins_with_fields(text: &[u8]) -> bool {
    text.get(..HEAD_BYTES).is_some_and(|head| {
        let numbers = [(0, 8), (9, 17), (18, 34), (35, 51)];
        let is_hex = |&(from, to): &(usize, usize)| {
            head[from..to].iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        is_spaced(head) && numbers.iter().all(is_hex)
    })
}

fn is_spaced(head: &[u8]) -> bool {
    [8, 17, 34, 51].iter().all(|&at| head.get(at) == Some(&b' '))
}

/// Finds the marks of whole or cut stanzas in bytes that were never sent.
pub(crate) fn marks(bytes: &[u8]) -> impl Iterator<Item = Mark> + '_ {
    memchr::memmem::find_iter(bytes, b" id='pg-")
        .filter_map(|at| Mark::from_id(bytes.get(at + 5..at + 5 + ID_BYTES)?))
}

/// Adds bytes to a sum: multiply and fold over eight at a time, their number first. Finds every change that is not made on purpose.
pub(crate) fn add(bytes: &[u8], sum: u64) -> u64 {
    let mut state = fold(sum, bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = fold(state, u64::from_le_bytes(*word));
    }
    for &byte in rest {
        state = fold(state, u64::from(byte));
    }
    state
}

pub(crate) fn fold(state: u64, word: u64) -> u64 {
    let product = (state ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
    product ^ (product >> 32)
}

/// Eight digits at once: each half byte moves into a byte of its own, and those above 9 to the letters.
pub(crate) fn to_hex8(value: u32) -> [u8; 8] {
    let mut digits = u64::from(value);
    digits = (digits << 16 | digits) & 0x0000_ffff_0000_ffff;
    digits = (digits << 8 | digits) & 0x00ff_00ff_00ff_00ff;
    digits = (digits << 4 | digits) & 0x0f0f_0f0f_0f0f_0f0f;
    let is_letter = ((digits + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    (digits + 0x3030_3030_3030_3030 + is_letter * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

fn to_hex16(value: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&to_hex8((value >> 32) as u32));
    digits[8..].copy_from_slice(&to_hex8(value as u32));
    digits
}

/// The way back from [`to_hex8`]; none for anything that it does not write.
fn hex8(digits: &[u8]) -> Option<u32> {
    let written = u64::from_be_bytes(digits.try_into().ok()?);
    // A letter has the bit 0x40, and its lower half counts from 1.
    let letters = (written >> 6) & 0x0101_0101_0101_0101;
    let mut value = (written & 0x0f0f_0f0f_0f0f_0f0f) + letters * 9;
    value = (value >> 4 | value) & 0x00ff_00ff_00ff_00ff;
    value = (value >> 8 | value) & 0x0000_ffff_0000_ffff;
    value = (value >> 16 | value) & 0xffff_ffff;
    let value = u32::try_from(value).ok()?;
    (to_hex8(value).as_slice() == digits).then_some(value)
}

fn hex16(digits: &[u8]) -> Option<u64> {
    let (upper, lower) = digits.split_at_checked(8)?;
    Some(u64::from(hex8(upper)?) << 32 | u64::from(hex8(lower)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const PAYLOAD: Payload =
        Payload { mark: Mark { flow: 7, sequence: 0xabcd }, intended_ns: 123_456_789 };

    fn written(payload: Payload, content_sum: u64) -> Vec<u8> {
        let mut text = BLANK.as_bytes().to_vec();
        payload.write(content_sum, &mut text);
        text
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = written(PAYLOAD, 5);
        assert!(text.starts_with(b"00000007 0000abcd 00000000075bcd15 "));
        assert!(begins_with_fields(&text));
        assert_eq!(Payload::read(&text, 5), Some(PAYLOAD));
        assert_eq!(Payload::read(&text, 6), None);
    }

    #[test]
    fn any_changed_byte_of_the_fields_is_found() {
        let text = written(PAYLOAD, 5);
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            assert_eq!(Payload::read(&changed, 5), None, "byte {at}");
        }
        assert_eq!(Payload::read(&text[..text.len() - 1], 5), None);
        assert_eq!(Payload::read(b"", 5), None);
    }

    #[test]
    fn digits_are_those_of_the_standard_library_both_ways() {
        let mut random = Random::new(1);
        for number in (0..10_000).map(|_| random.next() as u32).chain([0, u32::MAX]) {
            let text = format!("{number:08x}");
            assert_eq!(to_hex8(number), text.as_bytes());
            assert_eq!(hex8(text.as_bytes()), Some(number));
        }
    }

    #[test]
    fn what_is_no_digit_of_ours_is_refused() {
        for byte in 0..=u8::MAX {
            let digits = [b'0', b'1', byte, b'3', b'4', b'5', b'6', b'f'];
            let is_ours = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            assert_eq!(hex8(&digits).is_some(), is_ours, "{byte:#x}");
        }
        assert_eq!(hex8(b"0000000"), None);
    }

    #[test]
    fn foreign_ids_are_not_marks() {
        for id in
            ["", "pg-", "pg-00000007-0000abcg", "pg-00000007_0000abcd", "pg-00000007-0000abcd0"]
        {
            assert_eq!(Mark::from_id(id.as_bytes()), None, "{id}");
        }
        assert_eq!(Mark::from_id(b"pg-00000007-0000abcd"), Some(PAYLOAD.mark));
    }
}
