//! The XML declaration at the start of a stream (XML 1.0 §2.8, RFC 6120 §11.5).

use crate::error::{FrameError, Reason, Restricted};
use crate::scan::is_space;

const MALFORMED: FrameError = FrameError::NotWellFormed(Reason::XmlDeclaration);

/// Checks `written`, which begins with `<?` and ends with the first `>` after that.
pub(crate) fn check(written: &[u8]) -> Result<(), FrameError> {
    let Some(inside) = written
        .strip_prefix(b"<?xml")
        .filter(|rest| rest.first().is_some_and(|&byte| is_space(byte)))
    else {
        return Err(FrameError::RestrictedXml(Restricted::ProcessingInstruction));
    };
    let inside = inside.strip_suffix(b"?>").ok_or(MALFORMED)?;
    let mut rest = Attributes { rest: inside };
    let mut next = rest.next()?;
    match next {
        Some((b"version", version)) if is_version(version) => next = rest.next()?,
        _ => return Err(MALFORMED),
    }
    if let Some((b"encoding", encoding)) = next {
        if !is_encoding_name(encoding) {
            return Err(MALFORMED);
        }
        if !encoding.eq_ignore_ascii_case(b"UTF-8") {
            return Err(FrameError::UnsupportedEncoding);
        }
        next = rest.next()?;
    }
    if let Some((b"standalone", b"yes" | b"no")) = next {
        next = rest.next()?;
    }
    if next.is_none() { Ok(()) } else { Err(MALFORMED) }
}

/// XML 1.0, and nothing else: 1.1 has other characters. Others do not look (libexpat 2.5.0 takes any version).
fn is_version(version: &[u8]) -> bool {
    version == b"1.0"
}

/// Production EncName, XML 1.0 §4.3.3.
fn is_encoding_name(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

/// The pseudo-attributes that are left to read.
struct Attributes<'a> {
    rest: &'a [u8],
}

/// Name and value.
type Pair<'a> = (&'a [u8], &'a [u8]);

impl<'a> Attributes<'a> {
    fn next(&mut self) -> Result<Option<Pair<'a>>, FrameError> {
        let spaces = self.skip_space();
        if self.rest.is_empty() {
            return Ok(None);
        }
        if spaces == 0 {
            return Err(MALFORMED);
        }
        let name =
            self.take(self.rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count())?;
        self.skip_space();
        if self.take(1)? != b"=" {
            return Err(MALFORMED);
        }
        self.skip_space();
        let quote = match self.take(1)? {
            b"'" => b'\'',
            b"\"" => b'"',
            _ => return Err(MALFORMED),
        };
        let end = memchr::memchr(quote, self.rest).ok_or(MALFORMED)?;
        let value = self.take(end)?;
        self.take(1)?;
        Ok(Some((name, value)))
    }

    fn skip_space(&mut self) -> usize {
        let count = self.rest.iter().take_while(|&&byte| is_space(byte)).count();
        self.rest = self.rest.get(count..).unwrap_or_default();
        count
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], FrameError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(MALFORMED)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_that_xmpp_allows() {
        for good in [
            "<?xml version='1.0'?>",
            "<?xml version=\"1.0\" encoding='utf-8' ?>",
            "<?xml\n version = '1.0'\tencoding=\"UTF-8\" standalone='no'?>",
            "<?xml version='1.0' standalone='yes'?>",
        ] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
    }

    #[test]
    fn declarations_that_are_malformed_or_name_another_encoding() {
        for bad in [
            "<?xml ?>",
            "<?xml version='1.1'?>",
            "<?xml version='1.0'>",
            "<?xml version='1.0'encoding='UTF-8'?>",
            "<?xml encoding='UTF-8' version='1.0'?>",
            "<?xml version='1.0' standalone='maybe'?>",
            "<?xml version='1.0' encoding=''?>",
            "<?xml version='1.0' version='1.0'?>",
            "<?xml version='1.0\"?>",
            "<?xml version='1.0' ? ?>",
        ] {
            assert_eq!(check(bad.as_bytes()), Err(MALFORMED), "{bad}");
        }
        let latin = check(b"<?xml version='1.0' encoding='ISO-8859-1'?>");
        assert_eq!(latin, Err(FrameError::UnsupportedEncoding));
        let stylesheet = check(b"<?xml-stylesheet href='x'?>");
        assert_eq!(stylesheet, Err(FrameError::RestrictedXml(Restricted::ProcessingInstruction)));
    }
}
