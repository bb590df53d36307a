//! Changes to an input: of bytes, of stretches, and by words of XML and XMPP.

use crate::random::Random;

/// As long as an input may become, as for the other fuzzer.
const BYTES_MAX: usize = 700;

/// The words of the other fuzzer.
const WORDS: &str = include_str!("../../fuzz/frame.dict");

/// The words as bytes. Each is a line in quotes, with `\\`, `\"` and `\xAB`.
pub(crate) fn words() -> Vec<Vec<u8>> {
    let lines = WORDS.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    lines.map(unescaped).collect()
}

fn unescaped(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let used = if let Some(digits) = rest.strip_prefix("\\x") {
            bytes.push(u8::from_str_radix(&digits[..2], 16).expect("two digits"));
            4
        } else if let Some(quoted) = rest.strip_prefix('\\') {
            bytes.push(quoted.as_bytes()[0]);
            2
        } else {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            c.len_utf8()
        };
        rest = &rest[used..];
    }
    bytes
}

/// Changes `input` a few times; how often.
pub(crate) fn change(
    input: &mut Vec<u8>,
    random: &mut Random,
    words: &[Vec<u8>],
    others: &[Vec<u8>],
) -> u64 {
    let times = 1 + random.below(5);
    for _ in 0..times {
        once(input, random, words, others);
        input.truncate(BYTES_MAX);
    }
    times as u64
}

fn once(input: &mut Vec<u8>, random: &mut Random, words: &[Vec<u8>], others: &[Vec<u8>]) {
    let at = random.below(input.len() + 1);
    let most = *random.choose(&[2, 8, 40, 200]);
    let len = 1 + random.below(most);
    let end = (at + len).min(input.len());
    match random.below(10) {
        0 => drop(input.drain(at..end)),
        1 => insert(input, at, &[random.byte()]),
        2 if at < input.len() => input[at] = random.byte(),
        3 if at < input.len() => input[at] ^= 1 << random.below(8),
        // Lengths around the widths of vectors.
        4 => {
            let byte = if at < input.len() { input[at] } else { b'a' };
            insert(input, at, &vec![byte; len]);
        }
        5 => {
            let copy = input[at..end].to_vec();
            let to = random.below(input.len() + 1);
            insert(input, to, &copy);
        }
        6 => {
            let other = random.choose(others);
            let from = random.below(other.len());
            insert(input, at, &other[from..(from + len).min(other.len())]);
        }
        7 => {
            let word = random.choose(words);
            let end = (at + word.len()).min(input.len());
            input.splice(at..end, word.iter().copied());
        }
        _ => insert(input, at, random.choose::<Vec<u8>>(words)),
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}

#[test]
fn words_are_read_as_the_other_fuzzer_reads_them() {
    assert_eq!(unescaped("a\\x0D\\\"\\\\"), b"a\r\"\\");
    let words = words();
    assert!(words.len() > 80 && words.iter().any(|word| word == b"]]>"));
    assert!(
        words.iter().any(|word| word == b"\xEF\xBF\xBE") && words.iter().any(|word| word == b"\0")
    );
}
