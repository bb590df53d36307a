//! The one canonical form of a domain (RFC 7622 §3.2, UTS #46).

use crate::AddrError;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use std::borrow::Cow;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// RFC 1034 §3.1: 255 octets on the wire are 253 characters without the root label.
const NAME_BYTES_MAX: usize = 253;
/// RFC 1034 §3.1.
const LABEL_BYTES_MAX: usize = 63;
/// RFC 7622 §3.2: the domainpart as it is written. Bounds the work of the Unicode path.
const INPUT_BYTES_MAX: usize = 1023;

/// Canonicalises a domain: lower-case A-labels or an IP literal, without the final dot.
///
/// Borrows, and does not allocate, when the text is canonical already and has no `xn--` label; a canonical text with `xn--` labels is
/// borrowed too, but the proof that they round-trip allocates on the way.
///
/// What is one name and what is no name (threat: a second spelling as a second policy key):
/// - One final dot is stripped before anything else (RFC 7622 §3.2), also when it is written U+3002, U+FF0E or U+FF61.
/// - ASCII upper case, U-labels, full-width letters and the three other full stops map to one form, by UTS #46 non-transitional
///   processing (so `ß` and `ss` stay two names, as in IDNA2008). UTS #46 is wider than RFC 5892 in letting symbols pass; they are
///   names of their own in DNS and cannot be mistaken for another key, so they are accepted.
/// - An `xn--` label must be what its Unicode form encodes to. Other labels with `--` in third and fourth place are accepted: such
///   hosts exist, and they have only one spelling.
/// - Letters, digits and hyphens only, no hyphen at an end (RFC 5890 §2.3.1). The underscore is refused: no host name has one, no
///   certificate may name one, and `_xmpp-server._tcp.a.example` is a place in DNS and not a server.
/// - A name whose last label is a number (decimal, or `0x` and hexadecimal) must be an IPv4 address as RFC 3986 §3.2.2 writes it.
///   No top-level domain is numeric, and `127.1`, `0x7f000001` or `010.0.0.1` are addresses to some resolvers and names to others:
///   whoever reads them differently could be led past the rules for private addresses.
/// - IPv6 in brackets is rewritten to the form of RFC 5952; zone ids and `[v1.x]` are refused.
///
/// # Errors
/// [`AddrError`] says which of these rules is broken.
pub fn canonical_domain(text: &str) -> Result<Cow<'_, str>, AddrError> {
    if text.len() > INPUT_BYTES_MAX {
        return Err(AddrError::DomainTooLong);
    }
    // RFC 7622 §3.2: "the character MUST be stripped before any other canonicalization steps are taken".
    let text = without_final_full_stop(text);
    if text.is_empty() {
        return Err(AddrError::DomainEmpty);
    }
    if let Some(rest) = text.strip_prefix('[') {
        return canonical_ipv6(text, rest);
    }
    if !text.is_ascii() {
        return canonical_idn(text);
    }
    match check_ascii_name(text)? {
        Spelling::Canonical => Ok(Cow::Borrowed(text)),
        Spelling::UpperCase => Ok(Cow::Owned(text.to_ascii_lowercase())),
        Spelling::ALabel => canonical_idn(text),
    }
}

/// Whether a canonical domain is an IPv4 address or an IPv6 address in brackets.
pub(crate) fn is_ip_literal(canonical: &str) -> bool {
    // A canonical name that ends in a number is an IPv4 address: anything else was refused.
    let last = canonical.rsplit('.').next().unwrap_or(canonical);
    canonical.starts_with('[') || is_number(last.as_bytes())
}

/// The Unicode form of a canonical domain.
pub(crate) fn unicode_form(canonical: &str) -> String {
    if is_ip_literal(canonical) || !canonical.contains(A_LABEL_PREFIX) {
        return canonical.to_owned();
    }
    let (text, _) =
        Uts46::new().to_unicode(canonical.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
    text.into_owned()
}

const A_LABEL_PREFIX: &str = "xn--";

/// Takes off one full stop, or one of the characters UTS #46 maps to it.
fn without_final_full_stop(text: &str) -> &str {
    match text.as_bytes().last() {
        Some(b'.' | 0x80..) => {
            text.strip_suffix(['.', '\u{3002}', '\u{FF0E}', '\u{FF61}']).unwrap_or(text)
        }
        _ => text,
    }
}

/// How a valid ASCII name is written; the later variants win when labels differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spelling {
    Canonical,
    UpperCase,
    /// Has a label with the `xn--` prefix, in either case.
    ALabel,
}

/// Checks everything that can be said of an ASCII name without decoding `xn--` labels.
fn check_ascii_name(text: &str) -> Result<Spelling, AddrError> {
    if text.len() > NAME_BYTES_MAX {
        return Err(AddrError::DomainTooLong);
    }
    let mut spelling = Spelling::Canonical;
    let mut last = &[][..];
    for label in text.as_bytes().split(|&byte| byte == b'.') {
        spelling = spelling.max(check_ascii_label(label)?);
        last = label;
    }
    if is_number(last) && text.parse::<Ipv4Addr>().is_err() {
        return Err(AddrError::Ipv4Malformed);
    }
    Ok(spelling)
}

fn check_ascii_label(label: &[u8]) -> Result<Spelling, AddrError> {
    let mut upper = false;
    for &byte in label {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => {}
            b'A'..=b'Z' => upper = true,
            other => return Err(AddrError::DomainChar(char::from(other))),
        }
    }
    if label.is_empty() {
        return Err(AddrError::LabelEmpty);
    }
    if label.len() > LABEL_BYTES_MAX {
        return Err(AddrError::LabelTooLong);
    }
    if label.first() == Some(&b'-') || label.last() == Some(&b'-') {
        return Err(AddrError::LabelHyphen);
    }
    let prefix = label.get(..A_LABEL_PREFIX.len());
    Ok(if prefix.is_some_and(|p| p.eq_ignore_ascii_case(A_LABEL_PREFIX.as_bytes())) {
        Spelling::ALabel
    } else if upper {
        Spelling::UpperCase
    } else {
        Spelling::Canonical
    })
}

/// Whether a label is a number to some resolver: decimal digits, or `0x` and hexadecimal digits (or none).
fn is_number(label: &[u8]) -> bool {
    match label {
        [b'0', b'x' | b'X', digits @ ..] => digits.iter().all(u8::is_ascii_hexdigit),
        [b'0'..=b'9', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// The Unicode path, also for ASCII names with `xn--` labels.
fn canonical_idn(text: &str) -> Result<Cow<'_, str>, AddrError> {
    let ascii = to_ascii(text)?;
    // What came out is a name like any other: same rules, and mapping may have made an address or an empty label of it.
    if check_ascii_name(&ascii)? == Spelling::ALabel {
        let (unicode, valid) =
            Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
        // RFC 5891 §5.4: a putative A-label that does not come back from its U-label is none.
        if valid.is_err() || to_ascii(&unicode) != Ok(Cow::Borrowed(&*ascii)) {
            return Err(AddrError::IdnaRoundTrip);
        }
    }
    Ok(if ascii == text { Cow::Borrowed(text) } else { Cow::Owned(ascii.into_owned()) })
}

fn to_ascii(text: &str) -> Result<Cow<'_, str>, AddrError> {
    // Lengths are ours to check, with a better error.
    Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Ignore)
        .map_err(|_| AddrError::Idna)
}

/// `text` is `[` and `rest`. Borrows when the address is written as RFC 5952 has it.
fn canonical_ipv6<'a>(text: &'a str, rest: &str) -> Result<Cow<'a, str>, AddrError> {
    let inside = rest.strip_suffix(']').ok_or(AddrError::Ipv6Malformed)?;
    // `Ipv6Addr` knows no zone ids, so `fe80::1%eth0` ends here.
    let address: Ipv6Addr = inside.parse().map_err(|_| AddrError::Ipv6Malformed)?;
    let mut unmatched = Unmatched(text);
    if write!(unmatched, "[{address}]").is_ok() && unmatched.0.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    Ok(Cow::Owned(format!("[{address}]")))
}

/// Compares a text with what is written to it, so that the comparison needs no buffer.
struct Unmatched<'a>(&'a str);

impl Write for Unmatched<'_> {
    fn write_str(&mut self, written: &str) -> std::fmt::Result {
        self.0 = self.0.strip_prefix(written).ok_or(std::fmt::Error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
