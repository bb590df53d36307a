//! The data plane of one shard, stanza by stanza, without sockets and TLS.
//!
//! Each way is measured at growing length, so that the difference of two rows is the cost of a step: `frame` is the framer alone,
//! `admit` adds the stream's check of the pair, `route` the router up to its `Action::Send`, `write` the bytes in the batch that
//! would go to TLS. `route` and `write` hold the parcels of a read until its end, as an outbox does.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use peerage_benches::{
    Corpus, EstablishedShard, OpenComponent, OpenInbound, Parties, READ_BYTES, ThreadTime, Traffic,
    criterion, each_read, next_frame, rate,
};
use s2s_proto::{Stanza, StreamError};
use s2s_route::Parcel;
use xmpp_frame::{Content, Frame, Framer};

const LOCAL: &str = "capulet.example";
const REMOTE: &str = "montague.example";
const CORPUS_BYTES: usize = 512 << 10;
const SEED: u64 = 1;

/// How far a stanza goes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Frame,
    Admit,
    Route,
    Write,
}

const WAYS: [Way; 4] = [Way::Frame, Way::Admit, Way::Route, Way::Write];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Frame => "frame",
            Way::Admit => "admit",
            Way::Route => "route",
            Way::Write => "write",
        }
    }
}

fn main() {
    let mut criterion = criterion();
    for traffic in [Traffic::Chat, Traffic::Mixed] {
        inbound(&mut criterion, traffic);
    }
    for remotes in [1, 1_000] {
        outbound(&mut criterion, remotes);
    }
    criterion.final_summary();
}

/// From a verified pair of an inbound stream to a component link.
fn inbound(criterion: &mut Criterion<ThreadTime>, traffic: Traffic) {
    let parties = Parties::pair(REMOTE, LOCAL);
    let corpus = Corpus::generate(traffic, &parties, CORPUS_BYTES, SEED);
    let OpenInbound { stream, framer } = OpenInbound::new(REMOTE, LOCAL);
    let mut road = Road {
        framer,
        shard: EstablishedShard::hosting(LOCAL),
        towards: Content::Component,
        batch: Vec::new(),
    };
    let name = format!("inbound/{}", traffic.name());
    road.measure(criterion, &name, &corpus, |frame| stream.admit(frame));
}

/// From a component link to the established slots of some remote domains.
fn outbound(criterion: &mut Criterion<ThreadTime>, remotes: usize) {
    let parties = Parties::fan_out(LOCAL, REMOTE, remotes);
    let corpus = Corpus::generate(Traffic::Mixed, &parties, CORPUS_BYTES, SEED);
    let OpenComponent { stream, framer } = OpenComponent::new(LOCAL);
    let mut road = Road {
        framer,
        shard: EstablishedShard::hosting(LOCAL).with_slots(&parties),
        towards: Content::Server,
        batch: Vec::new(),
    };
    let name = format!("component/mixed-{remotes}-remotes");
    road.measure(criterion, &name, &corpus, |frame| stream.admit(frame));
}

/// Everything behind the stream.
struct Road {
    framer: Framer,
    shard: EstablishedShard,
    /// The content namespace of the links the parcels go to.
    towards: Content,
    batch: Vec<u8>,
}

impl Road {
    fn measure(
        &mut self,
        criterion: &mut Criterion<ThreadTime>,
        name: &str,
        corpus: &Corpus,
        admit: impl Fn(Frame) -> Result<Stanza, StreamError>,
    ) {
        let mut group = criterion.benchmark_group(name);
        group.throughput(rate(corpus));
        for way in WAYS {
            assert_eq!(self.carry(way, corpus, &admit), corpus.frames(), "{name} {way:?}");
            let id = BenchmarkId::from_parameter(way.name());
            group.bench_function(id, |bencher| {
                bencher.iter(|| self.carry(way, corpus, &admit));
            });
        }
        group.finish();
    }

    /// Carries the corpus this far; how many stanzas came there.
    fn carry(
        &mut self,
        way: Way,
        corpus: &Corpus,
        admit: impl Fn(Frame) -> Result<Stanza, StreamError>,
    ) -> usize {
        let Road { framer, shard, towards, batch } = self;
        let mut carried = 0;
        each_read(framer, corpus.bytes(), READ_BYTES, |framer| {
            while let Some(frame) = next_frame(framer) {
                if matches!(way, Way::Frame) {
                    black_box(frame);
                    carried += 1;
                    continue;
                }
                let stanza = admit(frame).expect("the pair is verified");
                if matches!(way, Way::Admit) {
                    black_box(stanza);
                    carried += 1;
                    continue;
                }
                shard.route(Parcel::Stanza(stanza));
            }
            shard.take_sent(|parcel| {
                if matches!(way, Way::Write) {
                    batch.extend_from_slice(&parcel.bytes_for(*towards));
                }
                carried += 1;
            });
            black_box(&*batch);
            batch.clear();
        });
        carried
    }
}
