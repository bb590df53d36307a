//! Bytes as a network delivers them.

/// `bytes` in pieces of these lengths, over and over; all at once without any. A length of 0 is left out.
pub fn pieces<'a>(bytes: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut lengths = lengths.iter().copied().filter(|&length| length > 0).cycle();
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, later) = rest.split_at(lengths.next().unwrap_or(usize::MAX).min(rest.len()));
        rest = later;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_the_lengths_and_leave_nothing_out() {
        let cut =
            |lengths: &[usize]| pieces(b"abcdefg", lengths).map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(cut(&[]), [7]);
        assert_eq!(cut(&[0, 3, 1]), [3, 1, 3]);
        assert_eq!(pieces(b"abcdefg", &[2]).collect::<Vec<_>>().concat(), b"abcdefg");
        assert_eq!(pieces(b"", &[2]).count(), 0);
    }
}
