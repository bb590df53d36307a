//! The honest side: policy, router, and the laws of keys.

use super::*;

impl Relay<'_> {
    /// What policy says, which knows who is who: the certificate of the far end proves what is its own.
    pub(super) fn judge(&self, place: usize, pair: Pair) -> Judgement {
        let end = &self.ends[place];
        let (remote, local) = match end.machine {
            Machine::In(_) => pair,
            Machine::Out(..) => (pair.1, pair.0),
        };
        if local != SERVERS[end.server] {
            return Judgement::refuses(Refusal::UnknownHost);
        }
        if remote == local {
            return Judgement::refuses(Refusal::OurOwnDomain);
        }
        let proves = self.direct && self.certificates && owner(remote) == end.other;
        let demand = if self.direct { Demand::DialbackOverTls } else { Demand::Dialback };
        Judgement::demands(demand).with_certificate(match (self.direct, proves) {
            (true, true) => CertificateAnswer::Proves,
            (true, false) => CertificateAnswer::Fails("another name".into()),
            (false, _) => CertificateAnswer::NoneShown,
        })
    }

    /// The router: asks the authoritative server, whom DNS names, on a stream of its own.
    pub(super) fn verify(&mut self, place: usize, request: VerifyRequest) -> Result<(), Breach> {
        let (server, now) = (self.ends[place].server, self.now);
        let (originating, _) = names(&request.pair)?;
        let Some(asked_on) = self.towards(server, originating)? else {
            let failed = VerifyOutcome::Failed(DialbackCondition::RemoteServerNotFound);
            return self.give(place, Input::Verified(request.pair, failed));
        };
        self.verifications.push(Verification {
            came_on: place,
            asked_on,
            request: request.clone(),
        });
        if let Machine::Out(stream, _) = &mut self.ends[asked_on].machine {
            stream.verify(now, request);
        }
        self.drain(asked_on)
    }

    pub(super) fn event(&mut self, place: usize, event: &Event) -> Result<(), Breach> {
        match event {
            Event::PairVerified(verified) => {
                let pair = names(verified.pair())?;
                self.proved(place, pair, "no stream is verified as another's domain")?;
                let honest = owner(pair.0) != Who::Attacker;
                self.cover.hit(if honest { Point::RelayHonest } else { Point::RelayAttacker });
            }
            Event::VerifyAnswer { pair, stream_id, outcome } => {
                let asked = |known: &Verification| {
                    let request = &known.request;
                    known.asked_on == place
                        && request.pair == *pair
                        && request.stream_id == *stream_id
                };
                let Some(at) = self.verifications.iter().position(asked) else {
                    return breach("every check is answered once", format!("{event:?} on {place}"));
                };
                let known = self.verifications.swap_remove(at);
                if !self.ends[known.came_on].closed {
                    return self.give(known.came_on, Input::Verified(pair.clone(), *outcome));
                }
            }
            Event::ReverseAuthorized { pair } => {
                let (local, remote) = names(pair)?;
                let law = "no stream carries what is meant for another's domain";
                self.proved(place, (remote, local), law)?;
                self.cover.hit(Point::RelayReversed);
            }
            Event::Unsolicited(_) => self.cover.hit(Point::RelayUnasked),
            Event::DialbackAnswered { valid: false, .. } => self.cover.hit(Point::RelayDenied),
            Event::DialbackAnswered { valid: true, .. } => self.cover.hit(Point::RelayConfirmed),
            _ => {}
        }
        Ok(())
    }

    /// The law of this world.
    pub(super) fn proved(&self, place: usize, pair: Pair, law: &'static str) -> Result<(), Breach> {
        let end = &self.ends[place];
        if owner(pair.0) == end.other && pair.1 == SERVERS[end.server] {
            return Ok(());
        }
        breach(law, format!("{} by {:?} on {place}", crate::inbound::shown(pair), end.other))
    }

    /// What an honest end said: it reaches its twin, or the attacker, who remembers.
    pub(super) fn said(&mut self, place: usize, bytes: &[u8]) -> Result<(), Breach> {
        let mut seen = Vec::new();
        self.ends[place].reader.read(bytes, &mut seen)?;
        for seen in seen {
            self.look(place, &seen)?;
            if self.ends[place].other == Who::Attacker {
                match seen {
                    Seen::Header { id: Some(id), .. } => self.ids.push((id, place)),
                    Seen::ResultKey { key, .. } => self.keys.push((key, place)),
                    Seen::VerifyKey { pair, id, key } => {
                        self.asked.push((place, pair, id.clone()));
                        self.ids.push((id, place));
                        self.keys.push((key, place));
                    }
                    _ => {}
                }
            }
        }
        match (self.ends[place].other, self.ends[place].twin) {
            (Who::Attacker, _) => {}
            (Who::Honest(_), Some(twin)) => self.ends[twin].arriving.extend_from_slice(bytes),
            // The twin is about to be made.
            (Who::Honest(_), None) => self.ends[place].arriving.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// Laws of keys: each is for the domain the stream goes to and the id that was heard there, and confirmed only if it was sent.
    pub(super) fn look(&mut self, place: usize, seen: &Seen) -> Result<(), Breach> {
        let end = &self.ends[place];
        let server = end.server;
        match seen {
            Seen::ResultKey { pair, key } => {
                let Machine::Out(_, target) = end.machine else {
                    return breach("an inbound stream says no key", format!("{seen:?}"));
                };
                let keyed: &Keyed = if server == 0 { &OURS } else { &THEIRS };
                let (receiving, originating) =
                    (NAMES[usize::from(pair.1)], NAMES[usize::from(pair.0)]);
                let right = keyed.key(receiving, originating, &end.id) == *key;
                if !right || pair.1 != target || pair.0 != SERVERS[server] {
                    return breach(
                        "a key is bound to both domains and the stream",
                        format!("{seen:?}"),
                    );
                }
                self.sent.push((server, *pair, end.id.clone()));
            }
            Seen::VerifyAnswer { receiving, originating, id, answer: Answer::Valid } => {
                let confirmed = (server, (*originating, *receiving), id.clone());
                if !self.sent.contains(&confirmed) {
                    return breach("only keys that were sent are confirmed", format!("{seen:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
