//! Bytes to stanzas: the framer beside other parsers on the same bytes, by class of traffic.
//!
//! One iteration reads a corpus. The parsers do not do the same work, see `README.md`; all count first-level elements, and each has to
//! count what the generator wrote before it is timed. After criterion's figures, and without its statistics, comes the table of the
//! README: rounds in turn, so that what disturbs one parser disturbs all, and the best round of each.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use peerage_benches::{
    Corpus, ExpatStream, OpenInbound, Parties, READ_BYTES, RxmlStream, ThreadTime, Traffic,
    criterion, next_frame, quick_xml_frames, rate, server_header, thread_time, xmlparser_frames,
};
use xmpp_frame::Framer;

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
        measure(&mut criterion, case);
    }
    measure_call(&mut criterion);
    criterion.final_summary();
    let is_one_run = std::env::args().any(|argument| argument == "--test");
    let is_all = std::env::args().skip(1).all(|argument| argument.starts_with("--"));
    if is_all {
        table(if is_one_run { 1 } else { 25 });
    }
}

/// A parser on a corpus: how many first-level elements it found, and the time that counts.
struct Reader {
    name: &'static str,
    read: Box<Read>,
}

type Read = dyn FnMut(&[u8]) -> (usize, Duration);

/// Ours first. Those that cannot be fed in pieces, or not for long, are left out of a case with small reads.
fn readers(case: &Case) -> Vec<Reader> {
    let mut framer = OpenInbound::new(REMOTE, LOCAL).framer;
    let read_bytes = case.read_bytes;
    let ours = move |bytes: &[u8]| read_with(&mut framer, bytes, read_bytes);
    let mut readers = vec![Reader { name: "xmpp-frame", read: Box::new(ours) }];
    if read_bytes == READ_BYTES {
        let header = server_header(REMOTE, LOCAL);
        let mut rxml = RxmlStream::open(&header);
        readers.push(timed("xmlparser", xmlparser_frames));
        readers.push(timed("quick-xml", quick_xml_frames));
        readers.push(timed("rxml", move |bytes| rxml.frames(bytes)));
        readers.extend(
            ExpatStream::open(&header)
                .map(|mut expat| timed("expat", move |bytes| expat.frames(bytes))),
        );
    }
    readers
}

/// The framer. The product receives into its buffer, so to fill that is not its cost, except where calls are what is measured.
fn read_with(framer: &mut Framer, bytes: &[u8], read_bytes: usize) -> (usize, Duration) {
    let (mut frames, mut time) = (0, Duration::ZERO);
    let begun = thread_time();
    for read in bytes.chunks(read_bytes) {
        framer.buffer().extend_from_slice(read);
        let filled = if read_bytes == READ_BYTES { thread_time() } else { Duration::ZERO };
        while let Some(frame) = next_frame(framer) {
            black_box(frame);
            frames += 1;
        }
        if read_bytes == READ_BYTES {
            time += thread_time() - filled;
        }
    }
    (frames, if read_bytes == READ_BYTES { time } else { thread_time() - begun })
}

fn timed(name: &'static str, mut frames: impl FnMut(&[u8]) -> usize + 'static) -> Reader {
    let read = move |bytes: &[u8]| {
        let begun = thread_time();
        let frames = frames(black_box(bytes));
        (frames, thread_time() - begun)
    };
    Reader { name, read: Box::new(read) }
}

fn corpus(case: &Case) -> Corpus {
    let parties = Parties::pair(REMOTE, LOCAL);
    let corpus = Corpus::generate(case.traffic, &parties, case.corpus_bytes, SEED);
    assert_eq!(corpus.frames(), case.frames, "{}: another corpus", case.name);
    corpus
}

fn measure(criterion: &mut Criterion<ThreadTime>, case: &Case) {
    let corpus = corpus(case);
    let mut group = criterion.benchmark_group("framer");
    group.throughput(rate(&corpus));
    for mut reader in readers(case) {
        assert_eq!((reader.read)(corpus.bytes()).0, case.frames, "{}: {}", case.name, reader.name);
        group.bench_function(BenchmarkId::new(reader.name, case.name), |bencher| {
            bencher
                .iter_custom(|rounds| (0..rounds).map(|_| (reader.read)(corpus.bytes()).1).sum());
        });
    }
    group.finish();
}

/// What feeding a byte costs without any framing: to append it, and a call that finds nothing new.
fn measure_call(criterion: &mut Criterion<ThreadTime>) {
    let mut call = idle_call();
    criterion.bench_function("framer/append-and-idle-call", |bencher| bencher.iter(&mut call));
}

fn idle_call() -> impl FnMut() {
    let mut framer = OpenInbound::new(REMOTE, LOCAL).framer;
    framer.buffer().extend_from_slice(b"<message><body>");
    assert!(next_frame(&mut framer).is_none());
    let mut buffer = Vec::with_capacity(READ_BYTES);
    move || {
        if buffer.len() == READ_BYTES {
            buffer.clear();
        }
        buffer.push(black_box(b'x'));
        assert!(next_frame(black_box(&mut framer)).is_none());
    }
}

/// The table of `README.md`.
fn table(rounds: usize) {
    println!(
        "\n| traffic | bytes a stanza | xmpp-frame, ns a stanza | GB/s | ÷ xmlparser | ÷ quick-xml | ÷ rxml | ÷ expat |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for case in &CASES {
        let corpus = corpus(case);
        let mut readers = readers(case);
        let mut best = vec![Duration::MAX; readers.len()];
        for _ in 0..rounds {
            for (reader, best) in readers.iter_mut().zip(&mut best) {
                let (frames, time) = (reader.read)(corpus.bytes());
                assert_eq!(frames, case.frames, "{}: {}", case.name, reader.name);
                *best = time.min(*best);
            }
        }
        let ours = best[0].as_secs_f64();
        print!(
            "| {} | {} | {:.0} | {:.2} |",
            case.name,
            corpus.len() / case.frames,
            ours * 1e9 / case.frames as f64,
            corpus.len() as f64 / ours / 1e9,
        );
        for name in ["xmlparser", "quick-xml", "rxml", "expat"] {
            match readers.iter().position(|reader| reader.name == name) {
                Some(index) => print!(" {:.1} |", best[index].as_secs_f64() / ours),
                None => print!(" – |"),
            }
        }
        println!();
    }
    let mut call = idle_call();
    let calls = 100_000;
    let best = (0..rounds).map(|_| {
        let begun = thread_time();
        (0..calls).for_each(|_| call());
        thread_time() - begun
    });
    let best = best.min().unwrap_or_default().as_secs_f64() * 1e9 / f64::from(calls);
    println!("\nTo append a byte and call in vain: {best:.1} ns.");
}
