//! What each layer below needs of the [`Settings`].

use std::sync::Arc;

use aws_lc_rs::hmac;
use s2s_proto::{AdvertisedLimits, ComponentConfig, ComponentEntry, InboundConfig, OutboundConfig};
use s2s_route::{BackendRoute, Guard, HostedEntry, HostedKind, RouteConfig, Sharing};
use xmpp_addr::DomainPattern;
use xmpp_frame::Limits;

use crate::settings::{RemoteProof, Service, Settings};
use crate::shard::{Common, Live};

/// The configurations of the streams.
pub(crate) fn live(settings: &Arc<Settings>) -> Live {
    let limits = &settings.limits;
    let timeouts = stream_timeouts(settings);
    let preauth = Limits {
        element_bytes: limits.preauth_bytes,
        header_bytes: limits.preauth_bytes,
        ..Limits::PRE_AUTH
    };
    let authenticated = Limits {
        element_bytes: limits.stanza_bytes,
        depth: limits.depth,
        attributes: limits.attributes,
        ..Limits::AUTHENTICATED
    };
    let entries = settings.components().map(|(domain, secret)| ComponentEntry {
        pattern: domain.pattern.clone(),
        secret: secret.into(),
    });
    let announced = AdvertisedLimits {
        max_bytes: u32::try_from(limits.stanza_bytes).ok(),
        idle_seconds: Some(settings.timeouts.idle_secs),
    };
    let outbound = |external, bidi| OutboundConfig {
        external,
        bidi,
        limits: announced,
        timeouts: timeouts.clone(),
        ..OutboundConfig::new(Arc::clone(&settings.secret))
    };
    let named = settings.domains.iter().find_map(|domain| match &domain.pattern {
        DomainPattern::Exact(name) => Some(name.clone()),
        DomainPattern::Below(_) | DomainPattern::Any => None,
    });
    let inbound = |authority, starttls, bidi| InboundConfig {
        authority,
        starttls,
        bidi,
        limits: announced,
        timeouts: timeouts.clone(),
        ..InboundConfig::new(Arc::clone(&settings.secret))
    };
    let has_identity = settings.domains.iter().any(|domain| domain.identity.is_some());
    Live {
        inbound: Arc::new(inbound(named, has_identity, settings.bidi)),
        inbound_backend: Arc::new(inbound(None, settings.leaves.is_some(), false)),
        outbound: Arc::new(outbound(true, settings.bidi)),
        outbound_anonymous: Arc::new(outbound(false, settings.bidi)),
        // A backend's own stream is judged by its address, which ours to it does not show: one direction each.
        lane: Arc::new(outbound(true, false)),
        lane_anonymous: Arc::new(outbound(false, false)),
        component: Arc::new(ComponentConfig {
            timeouts,
            ..ComponentConfig::new(entries.collect())
        }),
        preauth,
        authenticated,
        settings: Arc::clone(settings),
    }
}

/// The configuration of the router; the owner hash's key is the same on every shard and for the
/// whole life of the process.
pub(crate) fn route(settings: &Settings, common: &Common) -> RouteConfig {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &common.boot_secret);
    let tag = hmac::sign(&key, b"owner hash");
    let half = |bytes: &[u8]| bytes.iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte));
    let (first, second) = tag.as_ref().split_at(8);
    let mut config = RouteConfig::new([half(first), half(second)]);
    config.shards = common.shards;
    config.hosted = settings
        .domains
        .iter()
        .map(|domain| {
            let kind = match &domain.service {
                Service::Component { .. } => HostedKind::Component,
                Service::Backend(backend) => HostedKind::Backend(BackendRoute {
                    address: backend.address,
                    sharing: match backend.proof {
                        RemoteProof::Dialback => Sharing::Links(backend.links),
                        RemoteProof::Certificate => Sharing::None,
                    },
                }),
            };
            HostedEntry { pattern: domain.pattern.clone(), kind }
        })
        .collect();
    config.guard = Guard {
        allow: settings.allow_private.clone(),
        own_listeners: common.listeners.clone(),
        interfaces: common.interfaces.clone(),
        ..Guard::default()
    };
    config.limits.lanes =
        (settings.limits.backend_links / usize::from(common.shards.max(1))).max(1);
    config.limits.queue_parcels = settings.limits.queue_stanzas;
    config.limits.queue_bytes = settings.limits.queue_bytes;
    config.limits.queue_total_bytes = settings.limits.queue_total_bytes;
    config.timeouts.queue_ms = u64::from(settings.timeouts.queue_secs) * 1_000;
    config.timeouts.verify_ms = u64::from(settings.timeouts.verify_secs) * 1_000;
    config
}

fn stream_timeouts(settings: &Settings) -> s2s_proto::Timeouts {
    let negotiation_ms = u64::from(settings.timeouts.negotiation_secs) * 1_000;
    let defaults = s2s_proto::Timeouts::default();
    s2s_proto::Timeouts {
        header_ms: defaults.header_ms.min(negotiation_ms),
        tls_ms: defaults.tls_ms.min(negotiation_ms),
        negotiation_ms,
        close_ms: defaults.close_ms.min(negotiation_ms),
        // The router answers every verification before the stream gives up on it.
        dialback_ms: u64::from(settings.timeouts.verify_secs) * 1_000 + 15_000,
    }
}
