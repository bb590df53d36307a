//! Both directions on a stream that the peer opened (XEP-0288): its request, and what may be sent back.

use xmpp_addr::DomainPair;
use xmpp_frame::Element;

use super::Wiring;
use super::states::Open;
use crate::authz::{Proof, VerifiedPair};
use crate::event::Event;
use crate::features::AdvertisedLimits;

impl Open {
    /// XEP-0288 §2.2: asked for before SASL and dialback, after STARTTLS. What comes otherwise is ignored: no reply exists,
    /// and a peer that hears nothing on this stream loses nothing, because our stanzas then take a stream of ours.
    pub(super) fn on_bidi(&self, wiring: &mut Wiring, request: &Element) {
        let nothing_proved =
            self.pairs.is_empty() && self.keys.is_empty() && self.abandoned.is_empty();
        if !wiring.config.bidi || !self.channel.is_tls() || !nothing_proved || wiring.bidirectional
        {
            return;
        }
        wiring.bidirectional = true;
        wiring.out.event(Event::Bidirectional);
        // XEP-0478 §3.2.
        if let Some(limits) = AdvertisedLimits::read(request) {
            wiring.out.event(Event::PeerLimits(limits));
        }
    }

    /// The peer was told that a pair is proved, which was proved by `known` before. XEP-0288 §2.2: only stanzas "for which it
    /// has been authenticated" may be sent, the inverse of the pair.
    pub(super) fn reverse_after(
        &self,
        wiring: &mut Wiring,
        pair: &DomainPair,
        known: Option<Proof>,
    ) {
        let proof = self.pairs.find(&pair.as_pair_ref()).map(VerifiedPair::proof);
        if proof == known {
            return;
        }
        match proof {
            // "MUST NOT send stanzas to the peer before it has authenticated", and a name that policy takes for what it says
            // has not.
            Some(Proof::Asserted) if known.is_some() => close_reverse(wiring, pair),
            None | Some(Proof::Asserted) => {}
            Some(_) if wiring.bidirectional => {
                wiring.out.event(Event::ReverseAuthorized { pair: pair.reversed() });
            }
            Some(_) => {}
        }
    }
}

/// The pair is no longer proved.
pub(super) fn close_reverse(wiring: &mut Wiring, pair: &DomainPair) {
    if wiring.bidirectional {
        wiring.out.event(Event::ReverseWithdrawn { pair: pair.reversed() });
    }
}
