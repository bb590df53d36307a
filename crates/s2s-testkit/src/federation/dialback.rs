//! Dialback keys (XEP-0185), written here once more, so that the router's own way of making them is checked from outside.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};

/// The key of (receiving, originating, stream id) under `secret`.
pub(crate) fn key(secret: &str, receiving: &str, originating: &str, stream_id: &str) -> String {
    // XEP-0185 §3: the HMAC key is the hexadecimal text of the digest, not its bytes.
    let hashed = hex(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    let hmac_key = hmac::Key::new(hmac::HMAC_SHA256, hashed.as_bytes());
    hex(hmac::sign(&hmac_key, format!("{receiving} {originating} {stream_id}").as_bytes()).as_ref())
}

/// What a component proves itself with (XEP-0114 §3): lower-case hexadecimal SHA-1 of stream id and secret.
pub(crate) fn handshake(stream_id: &str, secret: &str) -> String {
    hex(digest::digest(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        format!("{stream_id}{secret}").as_bytes(),
    )
    .as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a string does not fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_agree_with_xep_0185() {
        assert_eq!(
            key("s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F"),
            "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"
        );
        assert_eq!(
            key("s3cr3tf0rd14lb4ck", "montague.example", "capulet.example", "D60000229F"),
            "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"
        );
    }

    #[test]
    fn handshake_is_the_digest_of_id_and_secret() {
        assert_eq!(handshake("3BF96D32", "secret"), "b09ea9b3b7f586be8a08d0a3dd7466f110aeb136");
    }
}
