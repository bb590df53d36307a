//! What can be wrong with names.

use std::fmt;

use crate::der::NotDer;

/// Why the names of a leaf cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafNamesError {
    /// Not an X.509 certificate, or larger than [`crate::CERTIFICATE_BYTES_MAX`].
    Certificate,
    /// subjectAltName occurs more than once.
    Repeated,
    /// subjectAltName is not the DER of a list of names.
    Extension,
    /// More than [`crate::LEAF_NAMES_MAX`] names.
    TooMany,
}

impl fmt::Display for LeafNamesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "not a certificate",
            Self::Repeated => "more than one subjectAltName extension",
            Self::Extension => "the subjectAltName extension is not DER",
            Self::TooMany => "more names than are read",
        })
    }
}

impl std::error::Error for LeafNamesError {}

/// Why one entry of the subjectAltName was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// Not the DER that the kind of name has.
    Encoding,
    /// A character that no such name has: U+0000, blanks, controls, non-ASCII.
    Character,
    /// A wildcard that is not the whole left-most label, or that would reach below a single label.
    Wildcard,
    /// Not a domain.
    NotADomain,
    /// An IP address where a domain belongs, or an iPAddress of the wrong length.
    Address,
}

impl From<NotDer> for NameFault {
    fn from(_: NotDer) -> Self {
        Self::Encoding
    }
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding => "not the encoding of such a name",
            Self::Character => "a character that no such name has",
            Self::Wildcard => "a wildcard in the wrong place",
            Self::NotADomain => "not a domain",
            Self::Address => "not an address in the right place",
        })
    }
}
