//! Why a text is not an address.

use std::error::Error;
use std::fmt;

/// What is wrong with a domain, a JID or a domain pattern. Carries the first offence found, never the whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddrError {
    /// There is no domain.
    DomainEmpty,
    /// The domain has more than 253 bytes in its ASCII form (RFC 1034 §3.1), or more than 1023 as it was written (RFC 7622 §3.2).
    DomainTooLong,
    /// Two dots in a row, a dot at the start, or two at the end.
    LabelEmpty,
    /// A label has more than 63 bytes in its ASCII form (RFC 1034 §3.1).
    LabelTooLong,
    /// A label begins or ends with a hyphen (RFC 5890 §2.3.1).
    LabelHyphen,
    /// A character that no host name may hold; the underscore is one of them.
    DomainChar(char),
    /// The name ends like an IPv4 address but is none in the dotted-decimal form of RFC 3986 §3.2.2.
    Ipv4Malformed,
    /// `[...]` does not hold an IPv6 address; zone ids and future address versions are refused.
    Ipv6Malformed,
    /// An internationalised label is not valid under UTS #46.
    Idna,
    /// An `xn--` label does not decode to a Unicode label that encodes to the same `xn--` label again (RFC 5891 §5.4).
    IdnaRoundTrip,
    /// `@` with nothing before it (RFC 7622 §3.3).
    LocalpartEmpty,
    /// The localpart has more than 1023 bytes (RFC 7622 §3.3).
    LocalpartTooLong,
    /// A character the localpart may not hold (RFC 7622 §3.3 and §3.3.1).
    LocalpartChar(char),
    /// The localpart breaks a rule of PRECIS `UsernameCaseMapped` that is not about a single character.
    LocalpartRule,
    /// `/` with nothing after it (RFC 7622 §3.4).
    ResourceEmpty,
    /// The resourcepart has more than 1023 bytes (RFC 7622 §3.4).
    ResourceTooLong,
    /// A character the resourcepart may not hold (RFC 7622 §3.4).
    ResourceChar(char),
    /// The resourcepart breaks a rule of PRECIS `OpaqueString` that is not about a single character.
    ResourceRule,
    /// A domain pattern with `*` elsewhere than alone or as the whole left-most label.
    PatternWildcard,
}

impl fmt::Display for AddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::DomainEmpty => "the domain is empty",
            Self::DomainTooLong => "the domain is longer than 253 bytes in its ASCII form",
            Self::LabelEmpty => "the domain has an empty label",
            Self::LabelTooLong => "a label of the domain is longer than 63 bytes in its ASCII form",
            Self::LabelHyphen => "a label of the domain begins or ends with a hyphen",
            Self::DomainChar(c) => return not_allowed(f, *c, "a domain"),
            Self::Ipv4Malformed => {
                "the domain ends in a number but is not an IPv4 address in dotted-decimal form"
            }
            Self::Ipv6Malformed => {
                "the text in brackets is not an IPv6 address (zone ids are refused)"
            }
            Self::Idna => "an internationalised label of the domain is not valid under UTS #46",
            Self::IdnaRoundTrip => "an `xn--` label of the domain does not round-trip",
            Self::LocalpartEmpty => "the localpart before `@` is empty",
            Self::LocalpartTooLong => "the localpart is longer than 1023 bytes",
            Self::LocalpartChar(c) => return not_allowed(f, *c, "a localpart"),
            Self::LocalpartRule => "the localpart is not a valid PRECIS UsernameCaseMapped string",
            Self::ResourceEmpty => "the resourcepart after `/` is empty",
            Self::ResourceTooLong => "the resourcepart is longer than 1023 bytes",
            Self::ResourceChar(c) => return not_allowed(f, *c, "a resourcepart"),
            Self::ResourceRule => "the resourcepart is not a valid PRECIS OpaqueString",
            Self::PatternWildcard => {
                "`*` may only stand alone or be the whole left-most label of a pattern"
            }
        };
        f.write_str(text)
    }
}

impl Error for AddrError {}

/// Names the character by its code point: it may be invisible, or a line break in someone's log.
fn not_allowed(f: &mut fmt::Formatter<'_>, c: char, place: &str) -> fmt::Result {
    write!(f, "U+{:04X} is not allowed in {place}", u32::from(c))
}
