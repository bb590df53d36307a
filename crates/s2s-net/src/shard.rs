//! One core's thread: its links, its router, its tables. Nothing in it is shared.
//!
//! Every cell is borrowed for one step and never across an `await` or a call that may borrow it
//! again; a link's state is borrowed while its stream is driven, and what the router wants done
//! with other links is done after that borrow has ended ([`crate::deliver`]).

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use bytes::Bytes;
use hdrhistogram::Histogram;
use s2s_proto::{ComponentConfig, InboundConfig, Millis, OutboundConfig};
use s2s_route::{
    Action, Attachment, Discovery, DnsFailure, LinkId, Parcel, Router, ShardId, TtlCache,
    VerifyTicket,
};
use s2s_trust::{CertificateJudgement, UnixTime};
use slab::Slab;
use xmpp_addr::{Domain, DomainPair};
use xmpp_frame::Limits;

use crate::buffers::ReadBuffers;
use crate::control::{ControlQueue, ControlRequest};
use crate::derive;
use crate::drain::{Drain, DrainBoard};
use crate::judge::Shown;
use crate::link::{Link, Side};
use crate::mailbox::{Exchange, Outgoing};
use crate::report::{Gauges, NetCounters, ShardReport, duration_histogram};
use crate::room::{Room, Used};
use crate::settings::Settings;
use crate::tls::{SharedTls, TlsConfigs};
use crate::wheel::Wheel;

/// A letter between shards, or from the control plane.
pub(crate) enum Mail {
    /// For a link of the receiving shard, or for a remote domain it owns.
    Parcel(Parcel),
    /// A connection whose remote domain lives on the receiving shard, with the bytes read so far.
    Adopt { stream: std::net::TcpStream, side: Side, bytes: Bytes },
    /// A dialback key of a remote domain the receiving shard owns.
    Verify(VerifyTicket),
    /// The answer.
    Verified { link: LinkId, pair: DomainPair, outcome: s2s_proto::VerifyOutcome },
    /// A component came.
    Attach(Attachment),
    /// A component went.
    Detach(LinkId),
    /// An answer of the control plane.
    Resolved { remote: Domain, result: Result<Discovery, DnsFailure> },
    /// New settings.
    Reload(Arc<Settings>),
    /// The process ends.
    Drain,
}

/// What all shards share, read only or atomic.
pub(crate) struct Common {
    pub(crate) exchange: Arc<Exchange<Mail>>,
    pub(crate) control: Arc<ControlQueue>,
    pub(crate) tls: SharedTls,
    pub(crate) boot_secret: [u8; 32],
    pub(crate) shards: u16,
    /// The addresses we listen on, never dialled.
    pub(crate) listeners: Vec<std::net::SocketAddr>,
    /// The addresses of this machine.
    pub(crate) interfaces: Vec<std::net::IpAddr>,
    /// Set by a shard whose component does not read fast enough; readers elsewhere slow down.
    pub(crate) pressed: Vec<AtomicBool>,
    pub(crate) drain: DrainBoard,
    pub(crate) started: Instant,
}

/// The settings and everything made from them.
pub(crate) struct Live {
    pub(crate) settings: Arc<Settings>,
    pub(crate) inbound: Arc<InboundConfig>,
    /// For the streams of backends.
    pub(crate) inbound_backend: Arc<InboundConfig>,
    pub(crate) outbound: Arc<OutboundConfig>,
    /// For local domains without a certificate: SASL EXTERNAL is not tried.
    pub(crate) outbound_anonymous: Arc<OutboundConfig>,
    /// For our streams to backends, with and without a certificate of the remote domain.
    pub(crate) lane: Arc<OutboundConfig>,
    pub(crate) lane_anonymous: Arc<OutboundConfig>,
    pub(crate) component: Arc<ComponentConfig>,
    pub(crate) preauth: Limits,
    pub(crate) authenticated: Limits,
}

/// See the module documentation.
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) common: Arc<Common>,
    pub(crate) router: RefCell<Router>,
    pub(crate) links: RefCell<Slab<Rc<Link>>>,
    pub(crate) generation: Cell<u32>,
    /// Candidates for closing to make room, by when they were last seen used; that may be out of
    /// date, but only too early.
    pub(crate) by_use: RefCell<BinaryHeap<Reverse<Used>>>,
    pub(crate) wheel: RefCell<Wheel<LinkId>>,
    pub(crate) buffers: RefCell<ReadBuffers>,
    /// Clear text on its way into TLS records.
    pub(crate) scratch: RefCell<Vec<u8>>,
    pub(crate) outgoing: RefCell<Outgoing<Mail>>,
    pub(crate) live: RefCell<Rc<Live>>,
    pub(crate) tls: RefCell<TlsConfigs>,
    /// Certificates that prove a domain.
    pub(crate) verdicts: RefCell<TtlCache<Shown, CertificateJudgement>>,
    pub(crate) counters: RefCell<NetCounters>,
    pub(crate) gauges: RefCell<Gauges>,
    pub(crate) handshake_us: RefCell<Histogram<u64>>,
    pub(crate) negotiation_us: RefCell<Histogram<u64>>,
    seeds: Cell<u64>,
    seed_key: hmac::Key,
    /// How far a drain is.
    pub(crate) drain: Cell<Drain>,
    /// Strangers, and connection attempts.
    pub(crate) room: RefCell<Room>,
    /// Whom the last delivery found slow; see [`crate::deliver::Pressure`].
    pub(crate) pressure: Cell<Option<crate::deliver::Pressure>>,
    reported: Cell<Millis>,
}

impl Shard {
    pub(crate) fn new(id: ShardId, common: Arc<Common>, settings: Arc<Settings>) -> Rc<Shard> {
        let now = millis_since(common.started);
        let live = derive::live(&settings);
        let route = derive::route(&settings, &common);
        let seed_key = hmac::Key::new(hmac::HMAC_SHA256, &common.boot_secret);
        let shard = Shard {
            id,
            router: RefCell::new(Router::new(id, Arc::new(route), seed_u64(&seed_key, id))),
            links: RefCell::new(Slab::new()),
            generation: Cell::new(0),
            by_use: RefCell::default(),
            wheel: RefCell::new(Wheel::new(now)),
            buffers: RefCell::default(),
            scratch: RefCell::default(),
            outgoing: RefCell::new(Outgoing::new(Arc::clone(&common.exchange), usize::from(id.0))),
            live: RefCell::new(Rc::new(live)),
            tls: RefCell::new(TlsConfigs::new(common.tls.clone(), settings)),
            verdicts: RefCell::new(TtlCache::new(8_192)),
            counters: RefCell::default(),
            gauges: RefCell::default(),
            handshake_us: RefCell::new(duration_histogram()),
            negotiation_us: RefCell::new(duration_histogram()),
            seeds: Cell::new(0),
            seed_key,
            drain: Cell::new(Drain::Serving),
            room: RefCell::default(),
            pressure: Cell::new(None),
            reported: Cell::new(now),
            common,
        };
        Rc::new(shard)
    }

    /// Monotonic time since the process started.
    pub(crate) fn now(&self) -> Millis {
        millis_since(self.common.started)
    }

    /// The calendar's time, for certificates.
    pub(crate) fn calendar(&self) -> UnixTime {
        UnixTime::since_unix_epoch(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    pub(crate) fn live(&self) -> Rc<Live> {
        Rc::clone(&self.live.borrow())
    }

    /// A fresh unpredictable seed for one stream's ids.
    pub(crate) fn seed(&self) -> [u8; 32] {
        let counter = self.seeds.get();
        self.seeds.set(counter + 1);
        let mut message = [0; 10];
        message[..2].copy_from_slice(&self.id.0.to_be_bytes());
        message[2..].copy_from_slice(&counter.to_be_bytes());
        let tag = hmac::sign(&self.seed_key, &message);
        let mut seed = [0; 32];
        seed.copy_from_slice(tag.as_ref());
        seed
    }

    /// The link of this name, if it still lives.
    pub(crate) fn link(&self, id: LinkId) -> Option<Rc<Link>> {
        let links = self.links.borrow();
        links.get(id.index as usize).filter(|link| link.id == id).cloned()
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut NetCounters)) {
        count(&mut self.counters.borrow_mut());
    }

    /// Sends the staged mail.
    pub(crate) fn flush_mail(&self) {
        self.outgoing.borrow_mut().flush();
    }

    /// Tells every shard, this one included, through its own mailbox or at once by the caller.
    pub(crate) fn broadcast(&self, letter: impl Fn() -> Mail) {
        let mut outgoing = self.outgoing.borrow_mut();
        for shard in (0..outgoing.shards()).filter(|shard| *shard != usize::from(self.id.0)) {
            outgoing.send(shard, letter());
        }
    }

    /// Takes over new settings. Open streams go on under those they began with, if the new ones still let them
    /// ([`Shard::review_links`]).
    pub(crate) fn reload(&self, now: Millis, settings: Arc<Settings>, actions: &mut Vec<Action>) {
        let live = derive::live(&settings);
        let route = Arc::new(derive::route(&settings, &self.common));
        self.router.borrow_mut().set_config(now, &route, actions);
        self.tls.replace(TlsConfigs::new(self.common.tls.clone(), settings));
        self.live.replace(Rc::new(live));
        self.verdicts.borrow_mut().clear();
    }

    /// Once a second.
    pub(crate) fn report(&self, now: Millis) {
        if now.since(self.reported.get()) >= 1_000 {
            self.reported.set(now);
            self.report_now();
        }
    }

    /// The last time at the end of the shard.
    pub(crate) fn report_now(&self) {
        let report = ShardReport {
            shard: self.id,
            net: *self.counters.borrow(),
            gauges: *self.gauges.borrow(),
            route: self.router.borrow().snapshot(),
            handshake_us: self.handshake_us.replace(duration_histogram()),
            negotiation_us: self.negotiation_us.replace(duration_histogram()),
        };
        // A control plane that does not keep up misses a report; totals lose nothing.
        let _ = self.common.control.push(ControlRequest::Metrics(Box::new(report)));
    }

    /// Whether `shard` asked the others to slow down.
    pub(crate) fn is_pressed(&self, shard: ShardId) -> bool {
        let flag = self.common.pressed.get(usize::from(shard.0));
        flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    pub(crate) fn set_pressed(&self, on: bool) {
        if let Some(flag) = self.common.pressed.get(usize::from(self.id.0)) {
            flag.store(on, Ordering::Relaxed);
        }
    }
}

fn millis_since(started: Instant) -> Millis {
    Millis(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX))
}

fn seed_u64(key: &hmac::Key, id: ShardId) -> u64 {
    let tag = hmac::sign(key, format!("router {id}").as_bytes());
    tag.as_ref().iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}
