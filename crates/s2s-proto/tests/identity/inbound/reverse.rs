//! The other direction of an inbound stream (XEP-0288): what may be sent back on it.

use super::*;

impl Model {
    /// XEP-0288 §2.2: asked for after STARTTLS and before SASL and dialback; there is no answer. What comes at another moment
    /// changes nothing.
    pub(super) fn both_directions(&mut self) -> Expect {
        let early = self.verified.is_empty() && !self.awaits_outcomes() && !self.bidirectional;
        if !(self.limits.bidi && self.tls && early) {
            return Expect::nothing();
        }
        self.bidirectional = true;
        Expect { bidirectional: true, ..Expect::nothing() }
    }

    /// Whether both directions can be agreed on now.
    pub fn can_be_bidirectional(&self) -> bool {
        let early = self.verified.is_empty() && !self.awaits_outcomes() && !self.bidirectional;
        self.phase == Phase::Open && self.limits.bidi && self.tls && early
    }

    /// Law: what may be sent on the stream is the inverse of each pair that was proved on it, and nothing else, at every moment.
    pub fn reverse(&mut self, events: &[Event]) -> Result<(), Breach> {
        for event in events {
            match event {
                Event::ReverseAuthorized { pair } => self.reversed.push(names(pair)?),
                Event::ReverseWithdrawn { pair } => {
                    let pair = names(pair)?;
                    self.reversed.retain(|known| *known != pair);
                }
                _ => {}
            }
        }
        if matches!(self.phase, Phase::Closing | Phase::Closed) {
            return Ok(());
        }
        // A name that policy takes for itself is no proof to send anything to.
        let proved = self.verified.iter().filter(|(_, proof)| *proof != Proof::Asserted);
        let due: Vec<Pair> = proved.map(|(pair, _)| (pair.1, pair.0)).collect();
        let all = !self.bidirectional || due.iter().all(|pair| self.reversed.contains(pair));
        let none_else = self.reversed.iter().all(|pair| self.bidirectional && due.contains(pair));
        if all && none_else {
            return Ok(());
        }
        let detail = format!("{:?}, proved {:?}", self.reversed, self.verified);
        breach("the inverse of each proved pair may be sent, nothing else", detail)
    }
}
