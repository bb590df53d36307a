//! Bytes to stanzas: the framer beside two tokenisers on the same bytes, by class of traffic.
//!
//! One iteration reads a corpus. The three do not do the same work, see `README.md`; all count first-level elements, and each has to
//! count what the generator wrote before it is timed.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use peerage_benches::{
    Corpus, OpenInbound, Parties, READ_BYTES, ThreadTime, Traffic, criterion, each_read,
    next_frame, rate,
};
use quick_xml::NsReader;
use quick_xml::events::Event;
use xmlparser::{ElementEnd, Token, Tokenizer};

const REMOTE: &str = "montague.example";
const LOCAL: &str = "capulet.example";
const SEED: u64 = 1;

/// One row of the table.
struct Case {
    name: &'static str,
    traffic: Traffic,
    /// Bytes to generate at least.
    corpus_bytes: usize,
    /// What a read brings.
    read_bytes: usize,
    /// Stanzas in the corpus: it is the same on every machine.
    frames: usize,
}

#[rustfmt::skip]
const CASES: [Case; 9] = [
    Case { name: "chat", traffic: Traffic::Chat, corpus_bytes: 512 << 10, read_bytes: READ_BYTES, frames: 1684 },
    Case { name: "presence", traffic: Traffic::Presence, corpus_bytes: 512 << 10, read_bytes: READ_BYTES, frames: 1245 },
    Case { name: "pubsub", traffic: Traffic::PubSub, corpus_bytes: 512 << 10, read_bytes: READ_BYTES, frames: 221 },
    Case { name: "avatar", traffic: Traffic::Avatar, corpus_bytes: 512 << 10, read_bytes: READ_BYTES, frames: 8 },
    Case { name: "deep-nesting", traffic: Traffic::DeepNesting, corpus_bytes: 512 << 10, read_bytes: READ_BYTES, frames: 87 },
    Case { name: "non-ascii", traffic: Traffic::NonAscii, corpus_bytes: 512 << 10, read_bytes: READ_BYTES, frames: 926 },
    Case { name: "entities", traffic: Traffic::Entities, corpus_bytes: 512 << 10, read_bytes: READ_BYTES, frames: 968 },
    Case { name: "mixed", traffic: Traffic::Mixed, corpus_bytes: 512 << 10, read_bytes: READ_BYTES, frames: 1364 },
    Case { name: "one-byte-reads", traffic: Traffic::Chat, corpus_bytes: 64 << 10, read_bytes: 1, frames: 211 },
];

fn main() {
    let mut criterion = criterion();
    for case in &CASES {
        compare(&mut criterion, case);
    }
    criterion.final_summary();
}

fn compare(criterion: &mut Criterion<ThreadTime>, case: &Case) {
    let parties = Parties::pair(REMOTE, LOCAL);
    let corpus = Corpus::generate(case.traffic, &parties, case.corpus_bytes, SEED);
    assert_eq!(corpus.frames(), case.frames, "{}: another corpus", case.name);
    let mut framer = OpenInbound::new(REMOTE, LOCAL).framer;
    let mut ours = || {
        let mut frames = 0;
        each_read(&mut framer, corpus.bytes(), case.read_bytes, |framer| {
            while let Some(frame) = next_frame(framer) {
                black_box(frame);
                frames += 1;
            }
        });
        frames
    };
    assert_eq!(ours(), case.frames, "{}: the framer", case.name);
    assert_eq!(xmlparser_frames(corpus.bytes()), case.frames, "{}: xmlparser", case.name);
    assert_eq!(quick_xml_frames(corpus.bytes()), case.frames, "{}: quick-xml", case.name);

    let mut group = criterion.benchmark_group("framer");
    group.throughput(rate(&corpus));
    group.bench_function(BenchmarkId::new("xmpp-frame", case.name), |bencher| {
        bencher.iter(&mut ours);
    });
    // The others cannot be fed in pieces: they get the whole corpus at once.
    if case.read_bytes == READ_BYTES {
        group.bench_function(BenchmarkId::new("xmlparser", case.name), |bencher| {
            bencher.iter(|| xmlparser_frames(black_box(corpus.bytes())));
        });
        group.bench_function(BenchmarkId::new("quick-xml", case.name), |bencher| {
            bencher.iter(|| quick_xml_frames(black_box(corpus.bytes())));
        });
    }
    group.finish();
}

/// All tokens, after a check of the encoding. No namespaces, no matching of tags, no look at references.
fn xmlparser_frames(bytes: &[u8]) -> usize {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let (mut depth, mut frames) = (0usize, 0);
    for token in Tokenizer::from_fragment(text, 0..text.len()) {
        let token = token.expect("well-formed");
        if let Token::ElementEnd { end, .. } = &token {
            match end {
                ElementEnd::Open => depth += 1,
                ElementEnd::Close(..) => {
                    depth -= 1;
                    frames += usize::from(depth == 0);
                }
                ElementEnd::Empty => frames += usize::from(depth == 0),
            }
        }
        black_box(token);
    }
    frames
}

/// All events with the namespace of each element and each attribute, after a check of the encoding. No look at characters or references.
fn quick_xml_frames(bytes: &[u8]) -> usize {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let mut reader = NsReader::from_str(text);
    let (mut depth, mut frames) = (0usize, 0);
    loop {
        let event = reader.read_event().expect("well-formed");
        let (namespace, event) = reader.resolver().resolve_event(event);
        black_box(namespace);
        match event {
            Event::Start(tag) => {
                attributes(&reader, &tag);
                depth += 1;
            }
            Event::Empty(tag) => {
                attributes(&reader, &tag);
                frames += usize::from(depth == 0);
            }
            Event::End(_) => {
                depth -= 1;
                frames += usize::from(depth == 0);
            }
            Event::Eof => return frames,
            other => {
                black_box(other);
            }
        }
    }
}

fn attributes(reader: &NsReader<&[u8]>, tag: &quick_xml::events::BytesStart<'_>) {
    for attribute in tag.attributes() {
        let attribute = attribute.expect("an attribute");
        black_box(reader.resolver().resolve_attribute(attribute.key));
        black_box(&attribute.value);
    }
}
