//! What crosses links and shards.

use bytes::Bytes;
use s2s_proto::{Stanza, VerifiedPair};
use xmpp_addr::{Domain, DomainPair};
use xmpp_frame::rewrite::{Target, rewrite};
use xmpp_frame::{Content, Frame};

use crate::bounce::Bounce;
use crate::random::fnv1a;

/// A stanza somebody was allowed to send, or an error we made for one.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// A stanza; its [`VerifiedPair`](s2s_proto::VerifiedPair) travels with it.
    Stanza(Stanza),
    /// A stanza that waited in a queue: the same in memory of its own.
    Kept(Kept),
    /// A stanza error made here. Never answered by another one.
    Bounce(Bounce),
}

/// A copy of a [`Stanza`] that does not keep its read block alive. Made from a stanza only, with its proof.
#[derive(Clone, Debug)]
pub struct Kept {
    frame: Frame,
    verified: VerifiedPair,
}

impl Parcel {
    /// (domain of `from`, domain of `to`).
    pub fn pair(&self) -> &DomainPair {
        match self {
            Parcel::Stanza(stanza) => stanza.pair(),
            Parcel::Kept(kept) => kept.verified.pair(),
            Parcel::Bounce(bounce) => bounce.pair(),
        }
    }

    /// The domain of `from`.
    pub fn from_domain(&self) -> &Domain {
        self.pair().sender()
    }

    /// The domain of `to`.
    pub fn to_domain(&self) -> &Domain {
        self.pair().target()
    }

    /// The element of a stanza; `None` for a bounce.
    pub fn frame(&self) -> Option<&Frame> {
        match self {
            Parcel::Stanza(stanza) => Some(stanza.frame()),
            Parcel::Kept(kept) => Some(&kept.frame),
            Parcel::Bounce(_) => None,
        }
    }

    /// What to write on a stream of this content namespace. Copies only when the stanza spells another one.
    pub fn bytes_for(&self, content: Content) -> Bytes {
        match self {
            Parcel::Stanza(stanza) => stanza.bytes_for(content),
            // An error would mean that a frame which was scanned cannot be scanned again; it goes out as it came.
            Parcel::Kept(kept) => rewrite(&kept.frame, None, &Target { content, lang: None })
                .unwrap_or_else(|_| kept.frame.bytes().clone()),
            // Spelled without a namespace declaration of its own: it takes that of any stream.
            Parcel::Bounce(bounce) => bounce.bytes().clone(),
        }
    }

    /// Whether it has more than `bytes_max` bytes on a stream between servers.
    pub fn is_longer_than(&self, bytes_max: usize) -> bool {
        // A stanza of a component that spells its content namespace is longer as it came than as it leaves; no other way of
        // rewriting makes one longer.
        self.len() > bytes_max && self.bytes_for(Content::Server).len() > bytes_max
    }

    /// Bytes as received or made; on the wire a stanza that is rewritten may differ by a few.
    pub fn len(&self) -> usize {
        match self {
            Parcel::Stanza(stanza) => stanza.bytes().len(),
            Parcel::Kept(kept) => kept.frame.len(),
            Parcel::Bounce(bounce) => bounce.bytes().len(),
        }
    }

    /// Never true: a parcel is at least a tag.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same parcel in memory of its own: what waits for long must not keep a whole read block alive.
    #[must_use]
    pub fn detached(self) -> Parcel {
        match self {
            Parcel::Stanza(stanza) => Parcel::Kept(Kept {
                frame: stanza.frame().detached(),
                verified: stanza.verified().clone(),
            }),
            kept @ (Parcel::Kept(_) | Parcel::Bounce(_)) => kept,
        }
    }

    /// A number that is the same for all parcels of one bare `from`: by it a sender's parcels stay on one link.
    pub(crate) fn sender_hash(&self) -> u64 {
        match self {
            Parcel::Stanza(stanza) => bare_hash(&stanza.from()),
            Parcel::Kept(kept) => bare_hash(&kept.frame.from().unwrap_or_default()),
            Parcel::Bounce(bounce) => bare_hash(bounce.from()),
        }
    }
}

/// Over the bare part. ASCII letters count as lower case: a peer that spells one account in two ways still gets
/// one order. Not keyed: a sender that chooses its link of a component gains nothing.
fn bare_hash(jid: &str) -> u64 {
    let bare = jid.split_once('/').map_or(jid, |(bare, _)| bare);
    fnv1a(bare.bytes().map(|byte| byte.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bare_address_has_one_hash() {
        let juliet = bare_hash("juliet@capulet.example");
        assert_eq!(bare_hash("juliet@capulet.example/balcony"), juliet);
        assert_eq!(bare_hash("Juliet@Capulet.example/a/b"), juliet);
        assert_ne!(bare_hash("nurse@capulet.example/balcony"), juliet);
    }
}
