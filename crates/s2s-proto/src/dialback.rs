//! Dialback keys (XEP-0185) and the secret they are made from.

use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};

/// The secret of the authoritative server, with the one it replaced while a rotation is under way.
///
/// Shared by every node that answers for the same domains. Key material is hashed on the way in and never shown.
#[derive(Clone)]
pub struct Secret {
    current: hmac::Key,
    previous: Option<hmac::Key>,
}

/// The secret has fewer than [`Secret::BYTES_MIN`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretTooShort;

impl fmt::Display for SecretTooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a dialback secret needs at least {} bytes", Secret::BYTES_MIN)
    }
}

impl std::error::Error for SecretTooShort {}

impl Secret {
    /// Shortest secret accepted: 256 bits (XEP-0185 §2: the output size of the hash).
    pub const BYTES_MIN: usize = 32;

    /// A secret from the operating system's randomness.
    ///
    /// # Errors
    /// [`SecretTooShort`] below [`Secret::BYTES_MIN`] bytes.
    pub fn new(current: &[u8]) -> Result<Self, SecretTooShort> {
        Ok(Self { current: checked_key(current)?, previous: None })
    }

    /// The same secret, still accepting keys made with the one it replaced.
    ///
    /// # Errors
    /// [`SecretTooShort`] when `previous` is too short.
    pub fn with_previous(mut self, previous: &[u8]) -> Result<Self, SecretTooShort> {
        self.previous = Some(checked_key(previous)?);
        Ok(self)
    }

    /// The key for a stream, 64 lower-case hexadecimal digits; always made with the current secret.
    #[must_use]
    pub fn key(&self, receiving: &str, originating: &str, stream_id: &str) -> String {
        hex(sign(&self.current, receiving, originating, stream_id).as_ref())
    }

    /// Whether `key` is ours for these three, under the current or the previous secret. Compared in constant time.
    #[must_use]
    pub fn check(&self, receiving: &str, originating: &str, stream_id: &str, key: &str) -> bool {
        // Spaces separate the three fields; an id with one could shift a field (CVE-2016-0756 is what that leads to).
        if !is_keyable_id(stream_id) {
            return false;
        }
        let matches = |secret: &hmac::Key| {
            let expected = hex(sign(secret, receiving, originating, stream_id).as_ref());
            constant_time::verify_slices_are_equal(expected.as_bytes(), key.as_bytes()).is_ok()
        };
        let current = matches(&self.current);
        let previous = self.previous.as_ref().is_some_and(matches);
        current | previous
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("previous", &self.previous.is_some()).finish_non_exhaustive()
    }
}

/// Whether a stream id may stand in a key: not empty, no white space (the separator of XEP-0185 is a space), no control
/// character, of bounded length.
#[must_use]
pub fn is_keyable_id(stream_id: &str) -> bool {
    !stream_id.is_empty()
        && stream_id.len() <= 256
        && !stream_id.chars().any(|character| character.is_whitespace() || character.is_control())
}

fn checked_key(secret: &[u8]) -> Result<hmac::Key, SecretTooShort> {
    if secret.len() < Secret::BYTES_MIN { Err(SecretTooShort) } else { Ok(derived_key(secret)) }
}

/// XEP-0185 §2: the HMAC key is SHA256(secret) *in hexadecimal*, 64 characters, not the 32 raw bytes.
fn derived_key(secret: &[u8]) -> hmac::Key {
    let hashed = hex(digest::digest(&digest::SHA256, secret).as_ref());
    hmac::Key::new(hmac::HMAC_SHA256, hashed.as_bytes())
}

/// XEP-0185 §2: the message is receiving, originating and stream id, separated by single spaces.
fn sign(key: &hmac::Key, receiving: &str, originating: &str, stream_id: &str) -> hmac::Tag {
    let mut signing = hmac::Context::with_key(key);
    for part in [receiving, " ", originating, " ", stream_id] {
        signing.update(part.as_bytes());
    }
    signing.sign()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    out
}

#[cfg(test)]
mod tests;
