//! The operator's own servers: who they are, what they may say, and the links to them.
//!
//! A backend sees an ordinary federation in which all servers live at one address. We answer it in the name of every domain that
//! is not its own; what remote domains really proved was asked outside, before a stanza of theirs gets here.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use s2s_proto::{
    CertificateAnswer, Demand, Input, Judgement, OutboundOptions, OutboundStream, Refusal,
    Standing, TlsState,
};
use s2s_route::LaneId;
use tracing::warn;
use xmpp_addr::{Domain, DomainPair};

use crate::link::{Link, LinkState, Side, Stream};
use crate::report::Direction;
use crate::settings::{Backend, BackendTls, RemoteProof, Service, Settings};
use crate::shard::Shard;
use crate::sys::Socket;
use crate::tls::TlsPeerFacts;

impl Backend {
    /// Whether a connection from there is one of its own.
    fn connects_from(&self, peer: SocketAddr) -> bool {
        // A dual-stack listener sees IPv4 as mapped addresses.
        let address = peer.ip().to_canonical();
        self.sources.iter().any(|network| network.contains(&address))
    }

    /// What is demanded of the channel between it and us.
    fn demand(&self) -> Demand {
        match (&self.certificates, self.tls) {
            (Some(_), _) => Demand::Certificate,
            (None, BackendTls::Required) => Demand::DialbackOverTls,
            (None, BackendTls::Optional) => Demand::Dialback,
        }
    }
}

impl Settings {
    /// The backend that serves `domain`.
    pub(crate) fn backend(&self, domain: &Domain) -> Option<&Backend> {
        match &self.hosted(domain)?.service {
            Service::Backend(backend) => Some(backend),
            Service::Component { .. } => None,
        }
    }

    /// Whether a connection from there may be one of a backend's.
    fn knows_backend_at(&self, peer: SocketAddr) -> bool {
        self.domains.iter().any(|domain| match &domain.service {
            Service::Backend(backend) => backend.connects_from(peer),
            Service::Component { .. } => false,
        })
    }
}

impl Shard {
    /// Whether a connection to the backends' listener is let in at all.
    pub(crate) fn admits_backend(&self, peer: SocketAddr) -> bool {
        let known = self.live().settings.knows_backend_at(peer);
        if !known {
            warn!(%peer, "connection to the backend listener refused: no backend's `from` covers this address");
            self.count(|counters| counters.refused_backends += 1);
        }
        known
    }

    /// Judges one pair on a link with a backend: inbound (its domain, any other), outbound (any other, its domain).
    pub(crate) fn judge_backend(
        &self,
        direction: Direction,
        peer: SocketAddr,
        facts: &TlsPeerFacts,
        pair: &DomainPair,
    ) -> Judgement {
        let live = self.live();
        let (own, other, unknown) = match direction {
            Direction::In => (pair.sender(), pair.target(), Refusal::ForeignDomain),
            Direction::Out => (pair.target(), pair.sender(), Refusal::UnknownHost),
        };
        let Some(backend) = live.settings.backend(own) else {
            return Judgement::refuses(unknown);
        };
        if direction == Direction::In && !backend.connects_from(peer) {
            return Judgement::refuses(unknown);
        }
        // It asks us for a domain of its own: it does not know that it serves it.
        if live.settings.backend(other).is_some_and(|other| other.address == backend.address) {
            return Judgement::refuses(Refusal::UnknownHost);
        }
        let shown = backend.certificates.as_ref().and_then(|known| {
            self.judge_shown(self.now(), facts, own, Side::Backend, &known.roots)
        });
        let certificate = match shown {
            None => CertificateAnswer::NoneShown,
            Some(judgement) if judgement.proves() => CertificateAnswer::Proves,
            Some(judgement) => CertificateAnswer::Fails(judgement.to_string().into()),
        };
        Judgement::demands(backend.demand())
            .with_certificate(certificate)
            .with_standing(Standing::Backend)
    }

    /// Says on which listener a backend should have called, when it called on the public one.
    pub(crate) fn hint_at_backend_listener(&self, link: &Link, pair: &DomainPair) {
        let live = self.live();
        if live.settings.backend(pair.sender()).is_some_and(|own| own.connects_from(link.peer)) {
            warn!(link = %link.id, peer = %link.peer, %pair, "a backend federates past its listener: its resolver must lead every server-to-server name to the listener of kind \"backend\"");
        }
    }

    /// The connection of a lane stands.
    pub(crate) fn backend_connected(
        self: &Rc<Self>,
        socket: Socket,
        address: SocketAddr,
        lane: LaneId,
        pair: DomainPair,
    ) {
        let now = self.now();
        self.count(|counters| counters.connected += 1);
        let live = self.live();
        let proof = live.settings.backend(pair.target()).map(|backend| backend.proof);
        let config = match proof {
            Some(RemoteProof::Certificate) => &live.lane,
            Some(RemoteProof::Dialback) | None => &live.lane_anonymous,
        };
        let options = OutboundOptions { dialback_first: false, tls: TlsState::Plain };
        let stream = OutboundStream::new(Arc::clone(config), pair.clone(), options);
        let stream = Stream::Outbound { stream: Box::new(stream), pair };
        let link = self.new_link(socket, address, stream, Side::Backend, now);
        link.state.borrow_mut().stream.handle(now, Input::Connected);
        let mut actions = Vec::new();
        // First of all, so that the router knows the link when its stream ends at once.
        self.router.borrow_mut().backend_connected(now, lane, link.id, &mut actions);
        self.settle(now, &link, &mut link.state.borrow_mut(), &mut actions);
        self.perform(now, actions);
        self.begin(&link, now);
    }

    /// The connection attempt of a lane came to nothing.
    pub(crate) fn backend_not_connected(self: &Rc<Self>, lane: LaneId) {
        let now = self.now();
        self.count(|counters| counters.connect_failures += 1);
        let mut actions = Vec::new();
        self.router.borrow_mut().backend_connect_failed(now, lane, &mut actions);
        self.perform(now, actions);
    }

    /// A pair is proved on a link with a backend. What it is worth outside is judged there; here it has no rung.
    pub(crate) fn backend_pair_proved(
        &self,
        state: &mut LinkState,
        pair: DomainPair,
        direction: Direction,
    ) {
        self.unwatch(state);
        if state.inside.insert((pair, direction)) {
            self.gauges.borrow_mut().backend_pairs += 1;
        }
    }
}
