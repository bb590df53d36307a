//! A reader for the few DER values that are judged here: definite lengths in their shortest form, single-byte tags.
//!
//! RFC 5280 §4.1 asks for DER. Everything DER forbids (X.690 §10.1: indefinite and padded lengths) is refused, so that no
//! two parsers can see different names in one certificate.

/// `SEQUENCE`, constructed.
pub(crate) const SEQUENCE: u8 = 0x30;
/// `OBJECT IDENTIFIER`.
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
/// `UTF8String`.
pub(crate) const UTF8_STRING: u8 = 0x0c;
/// `IA5String`.
pub(crate) const IA5_STRING: u8 = 0x16;

/// The bytes are not DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotDer;

/// One value: its tag byte and its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
}

/// Reads values one after another.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next value, whatever its tag.
    pub(crate) fn element(&mut self) -> Result<Element<'a>, NotDer> {
        let (&tag, rest) = self.rest.split_first().ok_or(NotDer)?;
        if tag & 0x1f == 0x1f {
            // A tag number above 30: none of the values read here has one.
            return Err(NotDer);
        }
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length).ok_or(NotDer)?;
        self.rest = rest;
        Ok(Element { tag, content })
    }

    /// The next value, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], NotDer> {
        let element = self.element()?;
        if element.tag == tag { Ok(element.content) } else { Err(NotDer) }
    }
}

/// The content of the only value in `bytes`, which must have this tag and leave nothing over.
pub(crate) fn only(bytes: &[u8], tag: u8) -> Result<&[u8], NotDer> {
    let mut reader = Reader::new(bytes);
    let content = reader.expect(tag)?;
    if reader.is_empty() { Ok(content) } else { Err(NotDer) }
}

/// X.690 §8.1.3 with §10.1: definite, in the fewest octets.
fn length(bytes: &[u8]) -> Result<(usize, &[u8]), NotDer> {
    let (&first, rest) = bytes.split_first().ok_or(NotDer)?;
    match first {
        0..=0x7f => Ok((usize::from(first), rest)),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(NotDer)?;
            let length =
                octets.iter().fold(0_usize, |length, &octet| (length << 8) | usize::from(octet));
            let shortest = octets.first() != Some(&0) && length > 0x7f;
            if shortest { Ok((length, rest)) } else { Err(NotDer) }
        }
        // 0x80 is the indefinite form; four octets would be 16 MiB and more.
        _ => Err(NotDer),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_read_in_their_shortest_form_only() {
        assert_eq!(only(&[0x0c, 1, b'a'], UTF8_STRING), Ok(&b"a"[..]));
        let mut long = vec![0x0c, 0x81, 0x80];
        long.extend([b'a'; 0x80]);
        assert_eq!(only(&long, UTF8_STRING).map(<[u8]>::len), Ok(0x80));
        for refused in [
            &[][..],
            &[0x0c],
            &[0x0c, 1],
            &[0x0c, 0x81, 1, b'a'],
            &[0x0c, 0x82, 0, 1, b'a'],
            &[0x0c, 0x80, b'a', 0, 0],
            &[0x0c, 0x84, 0, 0, 0, 1, b'a'],
            &[0x0c, 0xff, b'a'],
            &[0x1f, 1, b'a'],
            &[0x0c, 1, b'a', 0],
            &[0x16, 1, b'a'],
        ] {
            assert_eq!(only(refused, UTF8_STRING), Err(NotDer), "{refused:02x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_every_element_shortens_the_rest(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = Reader::new(&bytes);
            let mut left = bytes.len();
            while let Ok(element) = reader.element() {
                prop_assert!(reader.rest.len() + element.content.len() < left);
                left = reader.rest.len();
            }
        }
    }
}
