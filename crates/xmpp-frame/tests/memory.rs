//! What a hostile stream can make the framer hold and do (threats of resource use before authentication).

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::HEADER;
use xmpp_frame::{FrameError, Framer, Item, Limit, Limits, Restricted};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Counts what each test's own thread allocates.
struct Counting;

fn count(allocations: usize, bytes: isize) {
    // A thread that is ending has no counters any more, and nobody asks.
    let _ = ALLOCATIONS.try_with(|counter| counter.set(counter.get() + allocations));
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn opened(limits: Limits) -> Framer {
    let mut framer = Framer::new(limits);
    framer.buffer().extend_from_slice(HEADER.as_bytes());
    assert!(matches!(framer.next(), Ok(Some(Item::Header(_)))));
    framer
}

const STANZA: &[u8] = b"<message from='romeo@montague.example/orchard' to='juliet@capulet.example' id='a1' type='chat' \
    xml:lang='en'><body>Neither, fair saint, if either thee dislike &amp; so on.</body><active \
    xmlns='http://jabber.org/protocol/chatstates'/><p:x xmlns:p='urn:x' xmlns:q='urn:y' p:a='' q:a=''/></message>";

#[test]
fn a_stanza_in_the_steady_state_allocates_nothing() {
    let mut framer = opened(Limits::AUTHENTICATED);
    let round = |framer: &mut Framer| {
        framer.buffer().reserve(64 * STANZA.len());
        for _ in 0..64 {
            framer.buffer().extend_from_slice(STANZA);
        }
        let before = ALLOCATIONS.get();
        let mut frames = 0;
        while let Ok(Some(Item::Element(frame))) = framer.next() {
            assert!(frame.to().is_some() && frame.from().is_some() && frame.is_self_contained());
            frames += 1;
        }
        assert_eq!(frames, 64);
        ALLOCATIONS.get() - before
    };
    round(&mut framer);
    // The buffer's shared count is made once for each block that is read, not for each frame.
    assert!(round(&mut framer) <= 1);
    assert!(round(&mut framer) <= 1);
}

/// Feeds `unit` for as long as the framer takes it, in reads of one kibibyte. The error, and the most memory held.
fn flood(mut framer: Framer, unit: &[u8]) -> (FrameError, isize, usize) {
    let start = HELD.get();
    PEAK.set(start);
    let mut fed = 0;
    let mut endless = unit.iter().copied().cycle();
    loop {
        assert!(fed < 1 << 20, "{} is taken for ever", unit.escape_ascii());
        framer.buffer().extend(endless.by_ref().take(1024));
        fed += 1024;
        loop {
            match framer.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return (error, PEAK.get() - start, fed),
            }
        }
        assert!(framer.pending() <= 8192);
    }
}

/// The same with something before it that is said once.
fn flood_after(first: &[u8], unit: &[u8]) -> FrameError {
    let mut framer = opened(Limits::PRE_AUTH);
    framer.buffer().extend_from_slice(first);
    let (error, peak, fed) = flood(framer, unit);
    assert!(fed <= 9 * 1024, "{fed} bytes were taken");
    assert!(peak < 64 * 1024, "{peak} bytes were held");
    error
}

#[test]
fn a15_before_authentication_a_flood_ends_early_and_holds_little() {
    let exceeded = FrameError::LimitExceeded;
    assert_eq!(flood_after(b"<a>", b"<a/>"), exceeded(Limit::Elements));
    assert_eq!(flood_after(b"", b"<a>"), exceeded(Limit::Depth));
    assert_eq!(flood_after(b"<a ", b"x"), exceeded(Limit::NameBytes));
    assert_eq!(flood_after(b"<a>", b"text "), exceeded(Limit::ElementBytes));
    assert_eq!(flood_after(b"<a>", b"&amp;"), exceeded(Limit::ElementBytes));
    assert_eq!(flood_after(b"<a>&#", b"0"), exceeded(Limit::ElementBytes));
    assert_eq!(flood_after(b"<a b='", b"value "), exceeded(Limit::ElementBytes));
    assert_eq!(flood_after(b"<a ", b" \n"), exceeded(Limit::ElementBytes));
    assert_eq!(flood_after(b"<a><![CDATA[", b"]] >"), exceeded(Limit::ElementBytes));
    assert_eq!(flood_after(b"</stream:stream", b" "), exceeded(Limit::ElementBytes));
    assert_eq!(flood_after(b"<a", b"1234567890"), exceeded(Limit::NameBytes));
    let attributes: String = (0..4000).map(|number| format!(" a{number}=''")).collect();
    assert_eq!(flood_after(b"<a", attributes.as_bytes()), exceeded(Limit::Attributes));
    let prefixes: String = (0..500).map(|number| format!(" xmlns:p{number}='urn:x'")).collect();
    assert_eq!(flood_after(b"<a", prefixes.as_bytes()), exceeded(Limit::Attributes));
    let spread: String = (0..14)
        .map(|depth| {
            format!("<a xmlns:a{depth}='urn:x' xmlns:b{depth}='urn:x' xmlns:c{depth}='urn:x'>")
        })
        .collect();
    assert_eq!(flood_after(spread.as_bytes(), b"x"), exceeded(Limit::Namespaces));
}

#[test]
fn a14_a_billion_laughs_cost_no_memory_in_any_place() {
    let entities: String = (1..10)
        .map(|n| format!("<!ENTITY lol{n} \"{}\">", format!("&lol{};", n - 1).repeat(10)))
        .collect();
    let laughs = format!("<!DOCTYPE lolz [<!ENTITY lol0 \"lol\">{entities}]><lolz>&lol9;</lolz>");
    let dtd = FrameError::RestrictedXml(Restricted::Dtd);
    for before in ["", "<?xml version='1.0'?>"] {
        let unit = format!("{before}{laughs}");
        let (error, peak, _) = flood(Framer::new(Limits::PRE_AUTH), unit.as_bytes());
        assert_eq!(error, dtd);
        assert!(peak < 64 * 1024, "{peak} bytes were held");
    }
    for before in [&b""[..], b"<a>", b"<a><b c='d'>"] {
        assert_eq!(flood_after(before, laughs.as_bytes()), dtd);
    }
    // An entity that nobody could have declared.
    let entity = FrameError::RestrictedXml(Restricted::Entity);
    assert_eq!(flood_after(b"<a>", b"&lol9;"), entity);
    assert_eq!(flood_after(b"<a b='", b"&lol9;"), entity);
}

#[test]
fn before_the_header_a_flood_ends_early_and_holds_little() {
    let laughs = b"<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;&lol;&lol;'>]>";
    for (unit, expected) in [
        (&b" "[..], FrameError::LimitExceeded(Limit::HeaderBytes)),
        (b"<?xml ", FrameError::LimitExceeded(Limit::HeaderBytes)),
        (laughs, FrameError::RestrictedXml(Restricted::Dtd)),
    ] {
        let (error, peak, fed) = flood(Framer::new(Limits::PRE_AUTH), unit);
        assert_eq!(error, expected);
        assert!(peak < 32 * 1024 && fed <= 4096, "{peak} bytes held, {fed} taken");
    }
}

#[test]
fn a_large_stanza_byte_by_byte_costs_linear_work() {
    let mut stanza = b"<message><body>".to_vec();
    stanza.resize(500 * 1024, b'x');
    stanza.extend_from_slice(b"</body></message>");
    let mut framer = opened(Limits::AUTHENTICATED);
    let (before, mut moved, mut last) = (ALLOCATIONS.get(), 0, framer.buffer().as_ptr());
    for (index, &byte) in stanza.iter().enumerate() {
        framer.buffer().extend_from_slice(&[byte]);
        if framer.buffer().as_ptr() != last {
            last = framer.buffer().as_ptr();
            moved += index;
        }
        let item = framer.next();
        assert_eq!(matches!(item, Ok(Some(_))), index + 1 == stanza.len());
    }
    assert!(ALLOCATIONS.get() - before < 64, "the buffer grows by doubling");
    assert!(moved < 4 * stanza.len(), "{moved} bytes were copied");
}

#[test]
fn an_idle_framer_gives_its_memory_back() {
    let before = HELD.get();
    let mut framer = opened(Limits::AUTHENTICATED);
    framer.buffer().extend_from_slice(&STANZA.repeat(200));
    while let Ok(Some(_)) = framer.next() {}
    framer.shrink();
    assert!(HELD.get() - before < 1024, "{} bytes are held", HELD.get() - before);
    framer.buffer().extend_from_slice(STANZA);
    assert!(matches!(framer.next(), Ok(Some(Item::Element(_)))));
}
