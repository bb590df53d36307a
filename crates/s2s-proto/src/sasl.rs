//! SASL EXTERNAL (RFC 6120 §6, XEP-0178), both roles, without the stream around it.

use xmpp_addr::Domain;
use xmpp_frame::Element;

use crate::ns;

/// Failures before the stream is closed; RFC 6120 §6.4.5 asks for two to five retries.
pub(crate) const FAILURES_MAX: u8 = 3;

/// Failure conditions we send (RFC 6120 §6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaslFailure {
    Aborted,
    EncryptionRequired,
    IncorrectEncoding,
    InvalidAuthzid,
    InvalidMechanism,
    MalformedRequest,
    NotAuthorized,
    TemporaryAuthFailure,
}

impl SaslFailure {
    const fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::NotAuthorized => "not-authorized",
            Self::TemporaryAuthFailure => "temporary-auth-failure",
        }
    }

    /// Appends `<failure>…</failure>`.
    pub(crate) fn write(self, text: Option<&str>, out: &mut String) {
        out.push_str("<failure xmlns='");
        out.push_str(ns::SASL);
        out.push_str("'><");
        out.push_str(self.name());
        out.push_str("/>");
        if let Some(text) = text {
            out.push_str("<text xml:lang='en'>");
            crate::wire::push_escaped(text, out);
            out.push_str("</text>");
        }
        out.push_str("</failure>");
    }
}

/// What the responding side answers to an authorisation identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaslAnswer {
    Success,
    Challenge,
    Failure(SaslFailure),
}

/// Judges `<auth/>` of a peer whose certificate proves `from`.
pub(crate) fn judge_auth(auth: &Element, from: &Domain) -> SaslAnswer {
    match auth.attr("mechanism") {
        // RFC 6120 §6.5.8: not a mechanism that was offered.
        Some("EXTERNAL") => {}
        Some(_) => return SaslAnswer::Failure(SaslFailure::InvalidMechanism),
        None => return SaslAnswer::Failure(SaslFailure::MalformedRequest),
    }
    let text = auth.text();
    match text.trim() {
        // RFC 6120 §6.4.2: no initial response. XEP-0178 §3 step 10: answer with an empty challenge.
        "" => SaslAnswer::Challenge,
        initial => judge_response(initial, from),
    }
}

/// Judges an authorisation identity: `=` or nothing for none, else base64 of the exact `from`, in any spelling.
pub(crate) fn judge_response(encoded: &str, from: &Domain) -> SaslAnswer {
    let encoded = encoded.trim();
    if encoded.is_empty() || encoded == "=" {
        return SaslAnswer::Success;
    }
    let Some(decoded) = base64_decode(encoded) else {
        return SaslAnswer::Failure(SaslFailure::IncorrectEncoding);
    };
    let named = std::str::from_utf8(&decoded).ok().and_then(|text| Domain::parse(text).ok());
    // XEP-0178 §3 step 12: the authzid must be the `from` of the stream header; anything else is invalid-authzid.
    if named.as_ref() == Some(from) {
        SaslAnswer::Success
    } else {
        SaslAnswer::Failure(SaslFailure::InvalidAuthzid)
    }
}

/// Appends `<auth/>` with our domain.
pub(crate) fn write_auth(from: &Domain, out: &mut String) {
    // COMPAT(MongooseIM, Openfire < 4.8): `=` is decoded to an empty domain there, so the name is always spelled out.
    out.push_str("<auth xmlns='");
    out.push_str(ns::SASL);
    out.push_str("' mechanism='EXTERNAL'>");
    out.push_str(&base64_encode(from.as_str().as_bytes()));
    out.push_str("</auth>");
}

/// Appends `<response/>` with our domain, for a peer that challenges although it had the initial response.
pub(crate) fn write_response(from: &Domain, out: &mut String) {
    out.push_str("<response xmlns='");
    out.push_str(ns::SASL);
    out.push_str("'>");
    out.push_str(&base64_encode(from.as_str().as_bytes()));
    out.push_str("</response>");
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 §4, with padding.
fn base64_encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let value = group.iter().fold(0u32, |value, &byte| (value << 8) | u32::from(byte))
            << (8 * (3 - group.len()));
        for place in 0..4usize {
            let index = usize::try_from((value >> (18 - 6 * place)) & 63).unwrap_or(0);
            let digit = ALPHABET.get(index).copied().unwrap_or(b'A');
            out.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// RFC 4648 §4; RFC 6120 §6.4.2 forbids anything outside the alphabet and excess padding.
fn base64_decode(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut value, mut bits) = (0u32, 0u32);
    for byte in digits.bytes() {
        let digit = ALPHABET.iter().position(|&candidate| candidate == byte)?;
        value = (value << 6) | u32::try_from(digit).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((value >> bits) & 0xff).ok()?);
        }
        value &= 0xffff;
    }
    // Left-over bits must be zero, or two texts would name one identity.
    (value & ((1 << bits) - 1) == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capulet() -> Domain {
        Domain::parse("capulet.example").unwrap()
    }

    #[test]
    fn base64_matches_the_vectors_of_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64_encode(plain.as_bytes()), encoded);
            assert_eq!(base64_decode(encoded).as_deref(), Some(plain.as_bytes()));
        }
        for wrong in ["Zg=", "Zg", "Z===", "Zh==", "Zm9v====", "Zm 9", "Zm9-", "===="] {
            assert_eq!(base64_decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_authorisation_identity_is_nothing_or_the_exact_from() {
        let from = capulet();
        assert_eq!(judge_response("=", &from), SaslAnswer::Success);
        assert_eq!(judge_response("", &from), SaslAnswer::Success);
        assert_eq!(judge_response(&base64_encode(b"capulet.example"), &from), SaslAnswer::Success);
        assert_eq!(judge_response(&base64_encode(b"Capulet.EXAMPLE."), &from), SaslAnswer::Success);
        for wrong in ["xcapulet.example", "montague.example", "juliet@capulet.example", "\u{ff}"] {
            let answer = judge_response(&base64_encode(wrong.as_bytes()), &from);
            assert_eq!(answer, SaslAnswer::Failure(SaslFailure::InvalidAuthzid), "{wrong}");
        }
        assert_eq!(judge_response("*", &from), SaslAnswer::Failure(SaslFailure::IncorrectEncoding));
    }

    #[test]
    fn our_authorisation_identity_is_spelled_out() {
        let mut out = String::new();
        write_auth(&capulet(), &mut out);
        assert_eq!(
            out,
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>Y2FwdWxldC5leGFtcGxl</auth>"
        );
    }
}
