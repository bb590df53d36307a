//! Laws of a stream as a whole: its ids, and its silence after the end.

use super::*;

impl World<'_> {
    /// Law: stream ids are new at every header (RFC 6120 §4.7.3).
    pub(super) fn note_ids(&mut self, observed: &Observed) -> Result<(), Breach> {
        let outbound = matches!(self.player, Player::Outbound(..));
        for seen in &observed.seen {
            let Seen::Header { id, .. } = seen else { continue };
            match id {
                None if outbound => {}
                Some(id) if !outbound && id.len() >= 16 && !self.our_ids.contains(id) => {
                    self.our_ids.push(id.clone());
                    self.voice.our_id.clone_from(id);
                }
                id => {
                    return breach("a response has an id that is new and long", format!("{id:?}"));
                }
            }
        }
        Ok(())
    }

    /// Law: after Close nothing, whatever is done.
    pub(super) fn silence(&mut self) -> Result<(), Breach> {
        let valid = VerifyOutcome::Valid { leg_tls: true };
        let inputs = [
            Input::Verified(domain_pair((BANK, US)), valid),
            Input::Judged(domain_pair((BANK, US)), Judgement::demands(Demand::Assertion)),
            Input::Timeout,
            Input::Shutdown,
            Input::TlsEstablished(TlsPeer { certificate: true, direct: true }),
            Input::Connected,
            Input::Eof,
        ];
        for input in inputs {
            self.give(|player, now| match player {
                Player::Inbound(stream, _) => stream.handle(now, input),
                Player::Outbound(stream, _) => stream.handle(now, input),
                Player::Component(stream, _) => stream.handle(now, input),
            });
            if let Some(output) = self.poll() {
                return breach("nothing comes after Close", format!("{output:?}"));
            }
        }
        let speaks = match &self.player {
            Player::Inbound(stream, _) => stream.is_open() || stream.is_blocked(),
            Player::Outbound(stream, _) => stream.is_open() || stream.is_blocked(),
            Player::Component(stream, _) => stream.is_open() || stream.is_blocked(),
        };
        if speaks { breach("a closed stream is neither open nor blocked", "") } else { Ok(()) }
    }
}
