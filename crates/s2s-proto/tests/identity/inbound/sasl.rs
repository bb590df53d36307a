//! SASL EXTERNAL on an inbound stream (RFC 6120 §6, XEP-0178 §3).

use super::*;

impl Model {
    pub(super) fn auth(&mut self, mechanism_is_external: Option<bool>, authzid: Authzid) -> Expect {
        match self.external.clone() {
            External::Done => Expect::ends(),
            External::Offered(pair) if self.tls && mechanism_is_external == Some(true) => {
                if authzid == Authzid::None {
                    self.external = External::Challenged(pair);
                    return Expect::nothing();
                }
                self.identity_named(pair, authzid)
            }
            External::Challenged(pair) => {
                self.external = External::Offered(pair);
                self.sasl_fails()
            }
            External::Offered(_) | External::NotOffered => self.sasl_fails(),
        }
    }

    pub(super) fn response(&mut self, authzid: Authzid) -> Expect {
        match self.external.clone() {
            External::Done => Expect::ends(),
            External::Challenged(pair) => self.identity_named(pair, authzid),
            External::Offered(_) | External::NotOffered => self.sasl_fails(),
        }
    }

    /// XEP-0178 §3: nothing, or the exact `from` of the stream.
    pub(super) fn identity_named(&mut self, pair: Pair, authzid: Authzid) -> Expect {
        self.external = External::Offered(pair);
        let is_right = match authzid {
            Authzid::Empty => true,
            Authzid::Is(name) => name == pair.0,
            Authzid::None | Authzid::Bad => false,
        };
        if !is_right || self.awaits_outcomes() {
            return self.sasl_fails();
        }
        self.begin_again(Phase::Header(Some(pair)));
        Expect { success: true, ..Expect::nothing() }
    }

    /// RFC 6120 §6.4.5: two to five retries.
    pub(super) fn sasl_fails(&mut self) -> Expect {
        self.failures += 1;
        Expect::quiet(match self.failures {
            0..=2 => End::Never,
            3..=5 => End::May,
            _ => End::Must,
        })
    }
}
