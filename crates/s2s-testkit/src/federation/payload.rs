//! What the federation's stanzas carry, so that whoever receives one can tell which it is, when it should have been sent and
//! whether it is whole.
//!
//! ```text
//! <message from='..' to='..' id='pg-FFFFFFFF-SSSSSSSS'><body>FFFFFFFF SSSSSSSS TTTTTTTTTTTTTTTT CCCCCCCCCCCCCCCC padding</body></message>
//! ```
//! F names the flow, S counts its stanzas from 0, T is the intended time in nanoseconds since the run began, C sums the rest of the
//! body; all in lower-case hexadecimal. The id repeats F and S, because an error need not bring the body back (RFC 6120 §8.3.1).

/// Shortest body: the four fields and the spaces after them.
pub const BODY_BYTES_MIN: usize = HEAD_BYTES;
/// Body of the usual stanza; with addresses of usual length the whole has about 310 bytes.
pub const BODY_BYTES_DEFAULT: usize = 200;

const SUM_AT: usize = 35;
const HEAD_BYTES: usize = SUM_AT + 17;
const ID_BYTES: usize = 20;
const PADDING: &[u8; 64] = b"Two households, both alike in dignity, in fair Verona, we lay it";

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
        let flow = u32::try_from(hex(id.get(3..11)?)?).ok()?;
        let sequence = u32::try_from(hex(id.get(12..)?)?).ok()?;
        Some(Mark { flow, sequence })
    }
}

/// A body that was read and whose sum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Which stanza it is.
    pub mark: Mark,
    /// When it should have been sent, in nanoseconds since the run began.
    pub intended_ns: u64,
}

impl Payload {
    /// Reads the characters of a body; `None` when they are not what a [`Template`] wrote.
    pub fn from_body(body: &[u8]) -> Option<Payload> {
        let head = body.get(..SUM_AT)?;
        let sum = hex(body.get(SUM_AT..SUM_AT + 16)?)?;
        if sum != checksum(head, checksum_of_padding(body.get(HEAD_BYTES..)?)) {
            return None;
        }
        let flow = u32::try_from(hex(head.get(..8)?)?).ok()?;
        let sequence = u32::try_from(hex(head.get(9..17)?)?).ok()?;
        let intended_ns = hex(head.get(18..34)?)?;
        Some(Payload { mark: Mark { flow, sequence }, intended_ns })
    }
}

/// The stanza of one flow with holes for what changes; writing one is a copy and four numbers.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    id_at: usize,
    body_at: usize,
    padding_sum: u64,
    flow: u32,
}

impl Template {
    /// A template for `flow` between two addresses, which must not need escaping in an attribute. `body_bytes` is at least
    /// [`BODY_BYTES_MIN`]; less is raised to that.
    pub fn new(flow: u32, from: &str, to: &str, body_bytes: usize) -> Template {
        let mut bytes = format!("<message from='{from}' to='{to}' id='").into_bytes();
        let id_at = bytes.len();
        bytes.extend_from_slice(b"pg-00000000-00000000'><body>");
        let body_at = bytes.len();
        bytes.extend_from_slice(b"00000000 00000000 0000000000000000 0000000000000000 ");
        let padding = body_bytes.saturating_sub(HEAD_BYTES);
        let start = flow as usize % PADDING.len();
        bytes.extend(PADDING.iter().cycle().skip(start).take(padding));
        let padding_sum = checksum_of_padding(&bytes[body_at + HEAD_BYTES..]);
        bytes.extend_from_slice(b"</body></message>");
        put_hex(&mut bytes[id_at + 3..id_at + 11], u64::from(flow));
        put_hex(&mut bytes[body_at..body_at + 8], u64::from(flow));
        Template { bytes, id_at, body_at, padding_sum, flow }
    }

    /// Length of every stanza of this flow.
    pub fn stanza_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends one stanza to `out`.
    pub fn write(&mut self, sequence: u32, intended_ns: u64, out: &mut Vec<u8>) {
        let (id_at, body_at) = (self.id_at, self.body_at);
        put_hex(&mut self.bytes[id_at + 12..id_at + ID_BYTES], u64::from(sequence));
        put_hex(&mut self.bytes[body_at + 9..body_at + 17], u64::from(sequence));
        put_hex(&mut self.bytes[body_at + 18..body_at + 34], intended_ns);
        let sum = checksum(&self.bytes[body_at..body_at + SUM_AT], self.padding_sum);
        put_hex(&mut self.bytes[body_at + SUM_AT..body_at + SUM_AT + 16], sum);
        out.extend_from_slice(&self.bytes);
    }

    /// The flow it writes for.
    pub fn flow(&self) -> u32 {
        self.flow
    }
}

/// Finds the marks of whole or cut stanzas in bytes that were never sent.
pub(crate) fn marks(bytes: &[u8]) -> impl Iterator<Item = Mark> + '_ {
    memchr::memmem::find_iter(bytes, b" id='pg-")
        .filter_map(|at| Mark::from_id(bytes.get(at + 5..at + 5 + ID_BYTES)?))
}

/// The characters of the first `<body>` in a stanza, as written.
pub(crate) fn body(stanza: &[u8]) -> Option<&[u8]> {
    // The body is nearly always the first child, so this looks at one or two candidates.
    for at in memchr::memchr_iter(b'<', stanza).skip(1) {
        let rest = stanza.get(at..)?;
        if let Some(inside) = rest.strip_prefix(b"<body>") {
            return inside.get(..memchr::memchr(b'<', inside)?);
        }
    }
    None
}

fn checksum_of_padding(padding: &[u8]) -> u64 {
    sum(padding, 0x9e37_79b9_7f4a_7c15)
}

fn checksum(head: &[u8], padding_sum: u64) -> u64 {
    sum(head, padding_sum)
}

/// Multiply and fold over eight bytes at a time: finds every change that is not made on purpose.
fn sum(bytes: &[u8], seed: u64) -> u64 {
    let mut state = seed ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = fold(state, u64::from_le_bytes(*word));
    }
    for &byte in rest {
        state = fold(state, u64::from(byte));
    }
    state
}

fn fold(state: u64, word: u64) -> u64 {
    let product = (state ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
    product ^ (product >> 32)
}

fn put_hex(out: &mut [u8], value: u64) {
    let mut value = value;
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for &digit in digits {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u64::from(digit);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(sequence: u32) -> Vec<u8> {
        let mut template = Template::new(
            7,
            "romeo@montague.example/orchard",
            "juliet@capulet.example",
            BODY_BYTES_DEFAULT,
        );
        let mut out = Vec::new();
        template.write(sequence, 123_456_789, &mut out);
        assert_eq!(out.len(), template.stanza_bytes());
        out
    }

    #[test]
    fn what_a_template_writes_reads_back() {
        let stanza = stanza(0xabcd);
        let mark = Mark { flow: 7, sequence: 0xabcd };
        let body = body(&stanza).unwrap();
        assert_eq!(body.len(), BODY_BYTES_DEFAULT);
        assert_eq!(Payload::from_body(body), Some(Payload { mark, intended_ns: 123_456_789 }));
        assert_eq!(marks(&stanza).collect::<Vec<_>>(), [mark]);
        assert_eq!(Mark::from_id(b"pg-00000007-0000abcd"), Some(mark));
    }

    #[test]
    fn any_changed_byte_of_a_body_is_found() {
        let stanza = stanza(1);
        let body = body(&stanza).unwrap();
        for at in 0..body.len() {
            let mut changed = body.to_vec();
            // The space before the padding carries nothing.
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            let read = Payload::from_body(&changed);
            assert!(read.is_none() || at == HEAD_BYTES - 1, "byte {at}");
        }
        assert_eq!(Payload::from_body(&body[..body.len() - 1]), None);
        assert_eq!(Payload::from_body(b""), None);
    }

    #[test]
    fn a_body_behind_other_children_is_found() {
        assert_eq!(
            body(b"<message><thread>x</thread><body>text</body></message>"),
            Some(b"text".as_slice())
        );
        assert_eq!(body(b"<message><body/></message>"), None);
        assert_eq!(body(b"<message/>"), None);
    }

    #[test]
    fn foreign_ids_are_not_marks() {
        for id in
            ["", "pg-", "pg-00000007-0000abcg", "pg-00000007_0000abcd", "pg-00000007-0000abcd0"]
        {
            assert_eq!(Mark::from_id(id.as_bytes()), None, "{id}");
        }
    }
}
