//! A router of one shard with a component attached and outbound slots established, by the calls a driver would make.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use s2s_proto::Millis;
use s2s_route::{
    Action, Attachment, Discovery, HostedEntry, HostedKind, LinkId, OutboundEvent, Parcel,
    RouteConfig, Router, ShardId, SrvAnswer,
};
use xmpp_addr::DomainPattern;

use crate::streams::OpenComponent;
use s2s_testkit::corpus::{Corpus, Parties, Traffic};

const NOW: Millis = Millis(1_000);
/// Slots are made by one message to each target. Random targets have to hit every one of them.
const STANZAS_PER_TARGET: usize = 16;

/// A router that hosts one domain, and the actions it has asked for.
#[derive(Debug)]
pub struct EstablishedShard {
    router: Router,
    out: Vec<Action>,
}

impl EstablishedShard {
    /// A router that hosts `local`, with one component link attached to it and no slot.
    ///
    /// # Panics
    /// When the name is no domain.
    pub fn hosting(local: &str) -> EstablishedShard {
        let pattern = DomainPattern::parse(local).expect("a domain");
        let mut config = RouteConfig::new([1, 2]);
        config.hosted = vec![HostedEntry { pattern: pattern.clone(), kind: HostedKind::Component }];
        let mut router = Router::new(ShardId(0), Arc::new(config), 5);
        router.attach(&Attachment { pattern, link: link(0) });
        EstablishedShard { router, out: Vec::new() }
    }

    /// The same router with a slot established to each target of the parties; the sender is the hosted domain.
    ///
    /// # Panics
    /// When a target is no domain.
    #[must_use]
    pub fn with_slots(mut self, parties: &Parties) -> EstablishedShard {
        let mut component = OpenComponent::new(&parties.sender);
        let bytes_min = parties.targets.len() * STANZAS_PER_TARGET * 400;
        let corpus = Corpus::generate(Traffic::Chat, parties, bytes_min, 3);
        component.admit_all(&corpus, |stanza| {
            self.router.route(NOW, Parcel::Stanza(stanza), &mut self.out);
            self.settle();
        });
        let established = self.router.snapshot().slots_established;
        assert_eq!(established, parties.targets.len(), "not every target has a link");
        self
    }

    /// Routes a parcel. Its actions are appended to those of the calls before.
    #[inline]
    pub fn route(&mut self, parcel: Parcel) {
        self.router.route(NOW, parcel, &mut self.out);
    }

    /// Takes the actions since the last call, which are all [`Action::Send`]; gives each parcel away.
    ///
    /// # Panics
    /// When an action is another one.
    #[inline]
    pub fn take_sent(&mut self, mut take: impl FnMut(Parcel)) {
        for action in self.out.drain(..) {
            let Action::Send { parcel, .. } = action else { panic!("not sent: {action:?}") };
            take(parcel);
        }
    }

    /// Does what the router asks for until it asks for nothing.
    fn settle(&mut self) {
        while !self.out.is_empty() {
            for action in std::mem::take(&mut self.out) {
                match action {
                    Action::Send { .. } => {}
                    Action::Resolve { remote } => {
                        self.router.resolved(NOW, &remote, Ok(discovery()), &mut self.out);
                    }
                    Action::Connect { attempt, targets, .. } => {
                        let target = targets.first().expect("a target");
                        let link = link(attempt.slot.index + 1);
                        self.router.connected(NOW, attempt, link, target, &mut self.out);
                    }
                    Action::Authorize { link, pair } => {
                        let event = OutboundEvent::PairAuthorized { pair };
                        self.router.stream_event(NOW, link, event, &mut self.out);
                    }
                    other => panic!("not expected: {other:?}"),
                }
            }
        }
    }
}

fn link(index: u32) -> LinkId {
    LinkId { shard: ShardId(0), index, generation: 1 }
}

/// An address outside the special-use ranges, which the router refuses to dial.
fn discovery() -> Discovery {
    Discovery {
        xmpps: SrvAnswer::NoRecords,
        xmpp: SrvAnswer::NoRecords,
        hosts: Vec::new(),
        fallback: vec![IpAddr::V4(Ipv4Addr::new(8, 8, 8, 1))],
        ttl_secs: 3_600,
        dnssec: false,
    }
}
