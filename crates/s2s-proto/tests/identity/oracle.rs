//! The arithmetic of the specifications, written a second time: dialback keys, the component handshake, base64.

use aws_lc_rs::{digest, hmac};
use s2s_proto::dialback::Secret;
use std::sync::{Arc, LazyLock};

/// Secrets of the play, each 32 bytes.
pub const CURRENT: [u8; 32] = [42; 32];
pub const PREVIOUS: [u8; 32] = [43; 32];
pub const FOREIGN: [u8; 32] = [44; 32];
/// Of the entries of the component listener.
pub const COMPONENT_SECRETS: [&str; 2] = ["swordfish", "rosebud"];

/// XEP-0185 §2: HMAC-SHA256 under the hexadecimal SHA-256 of the secret.
pub struct Keyed {
    hexadecimal: hmac::Key,
    raw: hmac::Key,
}

pub static OURS: LazyLock<Keyed> = LazyLock::new(|| Keyed::new(&CURRENT));
pub static OURS_BEFORE: LazyLock<Keyed> = LazyLock::new(|| Keyed::new(&PREVIOUS));
pub static THEIRS: LazyLock<Keyed> = LazyLock::new(|| Keyed::new(&FOREIGN));

/// The product's secret, with the one it replaced where `rotating`.
pub fn secret(rotating: bool) -> Arc<Secret> {
    let secret = Secret::new(&CURRENT).expect("32 bytes");
    Arc::new(if rotating { secret.with_previous(&PREVIOUS).expect("32 bytes") } else { secret })
}

/// That of another server.
pub fn secret_of_others() -> Arc<Secret> {
    Arc::new(Secret::new(&FOREIGN).expect("32 bytes"))
}

impl Keyed {
    pub fn new(secret: &[u8]) -> Self {
        let hashed = digest::digest(&digest::SHA256, secret);
        Self {
            hexadecimal: hmac::Key::new(hmac::HMAC_SHA256, hex(hashed.as_ref()).as_bytes()),
            raw: hmac::Key::new(hmac::HMAC_SHA256, hashed.as_ref()),
        }
    }

    /// The key a receiving server is shown for a stream with this id.
    pub fn key(&self, receiving: &str, originating: &str, id: &str) -> String {
        sign(&self.hexadecimal, &[receiving, " ", originating, " ", id])
    }

    /// The classic mistake: the raw hash as the key of the HMAC.
    pub fn raw_key(&self, receiving: &str, originating: &str, id: &str) -> String {
        sign(&self.raw, &[receiving, " ", originating, " ", id])
    }
}

fn sign(key: &hmac::Key, parts: &[&str]) -> String {
    let mut signing = hmac::Context::with_key(key);
    parts.iter().for_each(|part| signing.update(part.as_bytes()));
    hex(signing.sign().as_ref())
}

/// XEP-0114 §3: SHA-1 of stream id and secret, in lower case.
pub fn handshake(id: &str, secret: &str) -> String {
    let mut hashing = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hashing.update(id.as_bytes());
    hashing.update(secret.as_bytes());
    hex(hashing.finish().as_ref())
}

pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

/// RFC 4648 §4.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|place| group.get(place).copied().unwrap_or(0));
        let digits = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63];
        for (place, digit) in digits.into_iter().enumerate() {
            let shown = place <= group.len();
            out.push(if shown { char::from(ALPHABET[usize::from(digit)]) } else { '=' });
        }
    }
    out
}

#[test]
fn the_oracle_computes_the_published_vectors() {
    // XEP-0185 §3 and RFC 4648 §10; the hand-made vector of protocol.md for XEP-0114.
    let keyed = Keyed::new(b"s3cr3tf0rd14lb4ck");
    assert_eq!(
        keyed.key("xmpp.example.com", "example.org", "D60000229F"),
        "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"
    );
    assert_eq!(handshake("3BF96D32", "secret"), "b09ea9b3b7f586be8a08d0a3dd7466f110aeb136");
    assert_eq!(base64(b"foobar"), "Zm9vYmFy");
    assert_eq!(base64(b"fooba"), "Zm9vYmE=");
}
