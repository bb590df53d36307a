//! Every question beside its naive twin: one byte after another, by the words of [`Vector`]'s documentation.
//!
//! Under Miri a part of the cases is run, over the same places: that no load goes past the end is what it is asked. It has the vectors
//! that the compiler is told the machine has, see `fuzz/README.md`.

use std::sync::LazyLock;

use super::{Task, Vector, Vectors, eight};

/// All the answers about the bytes from `at` on, and how many bytes they are about.
struct Ask<'a> {
    item: &'a [u8],
    at: usize,
}

type Answers = [u32; 5];

impl Task for Ask<'_> {
    type Output = (usize, Answers);

    #[inline(always)]
    fn on<V: Vector>(self) -> (usize, Answers) {
        let bytes = V::load(self.item, self.at);
        let about_values = [bytes.text_stops(), bytes.value_stops(), bytes.beyond_ascii()];
        let [text, value, beyond] = about_values;
        (V::LEN, [text, value, beyond, bytes.name_ends(), bytes.not_in_uri()])
    }
}

/// The answers about each single byte, one bit each.
static TWIN: LazyLock<[u32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let c = char::from(u8::try_from(byte).expect("an index of 256"));
        let is_odd = !(' '..='\x7F').contains(&c);
        let answers = [
            "<&>".contains(c) || is_odd,
            "'\"<&".contains(c) || is_odd,
            c > '\x7F',
            !c.is_ascii_alphanumeric() && !"_-.".contains(c),
            // RFC 3986 §2 has the characters of URIs; beyond ASCII those of IRIs are taken.
            c <= ' ' || "\"<>\\^`{|}\x7F".contains(c),
        ];
        answers.iter().rev().fold(0, |bits, &answer| bits << 1 | u32::from(answer))
    })
});

fn naive(item: &[u8], at: usize, len: usize) -> Answers {
    let (twin, mut answers) = (&*TWIN, [0; 5]);
    let mut n = 0;
    while n < len {
        let byte = if at + n < item.len() { item[at + n] } else { 0 };
        let bits = twin[usize::from(byte)];
        let mut question = 0;
        while question < 5 {
            answers[question] |= (bits >> question & 1) << n;
            question += 1;
        }
        n += 1;
    }
    answers
}

fn check(item: &[u8], at: usize) {
    for vectors in Vectors::available() {
        let (len, answers) = vectors.run(Ask { item, at });
        assert_eq!(answers, naive(item, at, len), "{vectors:?} at {at} of {}", item.escape_ascii());
    }
}

#[test]
fn every_byte_is_known_at_every_place() {
    for place in 0..32 {
        for byte in 0..=u8::MAX {
            // Neighbours that are none of what is asked for, all of it, and beyond ASCII.
            for neighbour in *b"a<\x80" {
                if cfg!(miri) && !(usize::from(byte ^ neighbour) + place).is_multiple_of(64) {
                    continue;
                }
                let mut item = [neighbour; 32];
                item[place] = byte;
                check(&item, 0);
            }
        }
    }
}

#[test]
fn no_byte_changes_what_is_said_of_its_neighbour() {
    for first in (0..=u8::MAX).step_by(if cfg!(miri) { 85 } else { 1 }) {
        for second in *b"\0\x01 !&/<>_az{\x7F\x80\xFF" {
            check(&[first, second].repeat(16), 0);
        }
    }
}

#[test]
fn nothing_is_read_past_the_end_and_zeros_stand_for_it() {
    let is_near_a_width = |len: usize| matches!(len % 16, 15 | 0 | 1) || len % 8 == 7;
    for len in (0..=70).filter(|&len| !cfg!(miri) || is_near_a_width(len)) {
        // In memory of its own, of just this length.
        let item: Box<[u8]> = (b'!'..).take(len).collect();
        for at in (0..len + 40).filter(|&at| !cfg!(miri) || is_near_a_width(len.abs_diff(at))) {
            check(&item, at);
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(item.iter().skip(at)).for_each(|(to, from)| *to = *from);
            assert_eq!(eight(&item, at), u64::from_le_bytes(bytes), "at {at} of {len}");
        }
    }
}

#[test]
fn what_a_machine_has_is_found() {
    let found: Vec<_> = Vectors::available().map(|vectors| format!("{vectors:?}")).collect();
    assert_eq!(found.first().map(String::as_str), Some("Vectors(Portable)"));
    let least = match () {
        () if cfg!(all(target_feature = "avx2", target_feature = "bmi1")) => 3,
        () if cfg!(target_arch = "x86_64") => 2,
        () => 1,
    };
    assert!(found.len() >= least, "{found:?}");
    assert_eq!(Some(Vectors::best()), Vectors::available().last());
}
