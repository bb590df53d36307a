//! After a reload: streams that the new settings would not have let begin are ended.
//!
//! Proofs live as long as their stream, and streams for days. Who lost a domain, or fell below the minimum, must not go on until
//! then.

use std::rc::Rc;

use s2s_proto::{CertificateAnswer, Demand, Millis, StreamCondition, StreamError};

use crate::link::{Link, LinkState, Side, Stream};
use crate::report::Direction;
use crate::shard::Shard;

impl Shard {
    /// Ends every link that does not fit the settings any more. Its peer may open another one at once.
    pub(crate) fn review_links(self: &Rc<Self>, now: Millis) {
        let links: Vec<Rc<Link>> =
            self.links.borrow().iter().map(|(_, link)| Rc::clone(link)).collect();
        for link in links {
            let fits = {
                let state = link.state.borrow();
                state.closing.is_some() || state.closed_by_us || self.fits(&link, &state)
            };
            if fits {
                continue;
            }
            self.count(|counters| counters.closed_by_review += 1);
            // What it still held finds its new way.
            link.state.borrow_mut().closed_by_us = true;
            // RFC 6120 §4.9.3.16: "typically security-critical" changes; the peer is to open a new stream.
            let text = "the policy for this stream has changed";
            let error = StreamError::with_text(StreamCondition::Reset, text);
            self.tell(&link, now, |stream| stream.fail(now, error));
        }
    }

    fn fits(&self, link: &Link, state: &LinkState) -> bool {
        let live = self.live();
        let settings = &live.settings;
        if let Stream::Component { entry: Some(entry), .. } = &state.stream {
            return settings.serves(entry);
        }
        if state.side == Side::Backend {
            return state.inside.iter().all(|(pair, direction)| {
                let judgement = self.judge_backend(*direction, link.peer, &state.facts, pair);
                match judgement.demand {
                    Ok(Demand::Assertion | Demand::Dialback) => true,
                    Ok(Demand::DialbackOverTls) => state.is_tls(),
                    Ok(Demand::Certificate) => judgement.certificate == CertificateAnswer::Proves,
                    Err(_) => false,
                }
            });
        }
        state.rungs.iter().all(|(pair, direction, rung)| {
            let (local, remote) = match direction {
                Direction::In => (pair.target(), pair.sender()),
                Direction::Out => (pair.sender(), pair.target()),
            };
            let hosted = settings.hosted(local).is_some() && settings.hosted(remote).is_none();
            hosted && *rung >= settings.policy.minimum_for(local, remote).minimum
        })
    }
}
