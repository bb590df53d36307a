//! What an input changes by itself, before anything is looked at.

use super::*;

impl Model {
    /// What the cause itself changes, before anything is looked at; whether it is an answer that was asked for.
    pub(super) fn prepare(&mut self, cause: &Cause) -> bool {
        match cause {
            Cause::Authorize(pair) => {
                let known = self.authorized.iter().any(|known| known.pair == *pair);
                if !self.is_ending() && !known && !self.wanted.contains(pair) {
                    self.wanted.push(*pair);
                }
                false
            }
            Cause::AskVerify(pair, id, demand) => {
                let known = self.checks.iter().any(|check| (check.pair, check.id) == (*pair, *id));
                if !self.is_ending() && !known {
                    let asked = Asked::No;
                    self.checks.push(Check { pair: *pair, id: *id, demand: *demand, asked });
                }
                false
            }
            Cause::Happens(Happening::Connected) => {
                if let Phase::Transport { connected: false, tls } = self.phase {
                    self.transport(true, tls);
                }
                false
            }
            Cause::Happens(Happening::Tls) => {
                match self.phase {
                    Phase::Tls => {
                        self.begin_again();
                        self.judged.clear();
                        self.checks.iter_mut().for_each(|check| check.asked = Asked::No);
                        self.tls = true;
                        self.phase = Phase::Header;
                    }
                    Phase::Transport { connected, tls: false } if self.direct => {
                        self.transport(connected, true);
                    }
                    _ => {}
                }
                false
            }
            Cause::Happens(Happening::Judged(pair, judgement))
                if !self.is_ending() && self.reverse.asked() == Some(*pair) =>
            {
                self.was_judged = Some(judgement.demand.clone());
                self.reverse.judged(judgement);
                false
            }
            Cause::Happens(Happening::Judged(pair, judgement)) => {
                let asked = self.question == Some(*pair) && self.phase == Phase::Ready;
                if asked {
                    self.question = None;
                    self.was_judged = Some(judgement.demand.clone());
                    self.judged.retain(|(known, _)| known != pair);
                    self.judged.push((*pair, judgement.clone()));
                }
                asked
            }
            Cause::Happens(Happening::Item(meaning)) => self.prepare_item(meaning),
            Cause::Happens(Happening::Shutdown) => {
                if !matches!(self.phase, Phase::Transport { .. } | Phase::Tls) {
                    self.phase = Phase::Closing;
                }
                false
            }
            Cause::Happens(_) => false,
        }
    }

    pub(super) fn transport(&mut self, connected: bool, tls: bool) {
        self.phase = Phase::Transport { connected, tls };
        if connected && tls == self.direct {
            self.tls = tls;
            self.phase = Phase::Header;
        }
    }

    pub(super) fn begin_again(&mut self) {
        self.header = None;
        self.offers_external = false;
        self.offers_dialback = false;
        self.results.clear();
        self.authorized.clear();
        self.question = None;
        self.reverse.begin_again();
    }

    pub(super) fn prepare_item(&mut self, meaning: &Meaning) -> bool {
        match (self.phase, meaning) {
            (Phase::Header, Meaning::Header(header)) => {
                self.header = Some(*header);
                self.offers_dialback = header.declares_dialback;
                // RFC 3920 §8.3: a server from before 1.0 sends no features.
                self.phase = if header.version_1 { Phase::Features } else { Phase::Ready };
                false
            }
            (Phase::Features, Meaning::Features { starttls, external, dialback, bidi, .. }) => {
                if *starttls && !self.tls {
                    return false;
                }
                self.offers_external = *external;
                self.offers_dialback |= *dialback;
                self.reverse.offered = *bidi;
                self.phase = Phase::Ready;
                false
            }
            (Phase::Sasl, Meaning::Success) => {
                // Checks stay asked: the far end of this TLS connection is who it was, and answers in order.
                self.begin_again();
                self.external_done = true;
                self.phase = Phase::Header;
                true
            }
            (Phase::Sasl, Meaning::SaslFailure) => {
                self.phase = Phase::Ready;
                true
            }
            (
                Phase::Ready,
                Meaning::ResultAnswer { from: Given::Is(from), to: Given::Is(to), .. },
            ) => self.results.iter().any(|(pair, _)| *pair == (*to, *from)),
            (
                Phase::Ready | Phase::Sasl,
                Meaning::VerifyAnswer { from: Given::Is(from), to: Given::Is(to), id, .. },
            ) => self.checks.iter().any(|check| {
                check.asked == Asked::Yes && (check.pair, check.id) == ((*from, *to), *id)
            }),
            (
                Phase::Ready | Phase::Sasl,
                Meaning::ResultKey { from: Given::Is(from), to: Given::Is(to), .. },
            ) => {
                self.reverse.key_came((*from, *to));
                false
            }
            (
                Phase::Ready | Phase::Sasl,
                Meaning::VerifyKey { from: Given::Is(from), to: Given::Is(to), id, ours },
            ) if id.readable() => {
                self.reverse.check_came((*to, *from), *ours);
                false
            }
            _ => false,
        }
    }
}
