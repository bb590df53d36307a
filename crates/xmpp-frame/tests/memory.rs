//! What a hostile stream can make the framer hold and do (threats of resource use before authentication).

#![cfg(not(miri))] // Floods are long.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{HEADER, cases, change, changed, element, nested};
use proptest::prelude::*;
use xmpp_frame::{FrameError, Framer, Item, Limit, Limits, Restricted, Vectors};

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
    opened_with(limits, Vectors::best())
}

fn opened_with(limits: Limits, vectors: Vectors) -> Framer {
    let mut framer = Framer::with_vectors(limits, vectors);
    framer.buffer().extend_from_slice(HEADER.as_bytes());
    assert!(matches!(framer.next(), Ok(Some(Item::Header(_)))));
    framer
}

const STANZA: &str = "<message from='romeo@montague.example/orchard' to='juliet@capulet.example' id='a1' type='chat' \
    xml:lang='en'><body>Neither, fair saint, if either thee dislike &amp; so on.</body><active \
    xmlns='http://jabber.org/protocol/chatstates'/><p:x xmlns:p='urn:x' xmlns:q='urn:y' p:a='' q:a=''/></message>";

/// A stanza of each class of traffic that `benches` has, and some that lean on more.
fn classes() -> Vec<(&'static str, String)> {
    let addressed = |name: &str, more: &str, inside: &str| {
        format!(
            "<{name} from='romeo@montague.example' to='juliet@capulet.example'{more}>{inside}</{name}>"
        )
    };
    let pubsub = |item: &str| {
        let items =
            format!("<items node='urn:xmpp:avatar:data'><item id='a'>{item}</item></items>");
        let event = format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{items}</pubsub>");
        addressed("iq", " id='a1' type='result'", &event)
    };
    let picture = "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAYAAACqaXHe".repeat(1490);
    let body = |text: &str| addressed("message", " type='chat'", &format!("<body>{text}</body>"));
    let caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x' ver='q07IKJEyjvHSyhy/'/>\
        <x xmlns='vcard-temp:x:update'><photo>6f7ae4b2</photo></x><priority>5</priority>";
    vec![
        ("chat", STANZA.into()),
        ("presence", addressed("presence", "", caps)),
        ("probe", "<presence from='romeo@montague.example' to='juliet@capulet.example' type='probe'/>".into()),
        ("pubsub", pubsub("<tune xmlns='http://jabber.org/protocol/tune'><title>Heart&apos;s ease</title></tune>")),
        ("avatar", pubsub(&format!("<data xmlns='urn:xmpp:avatar:data'>{picture}</data>"))),
        ("deep nesting", addressed("message", "", &format!("{}{}", "<x y='z'>".repeat(100), "</x>".repeat(100)))),
        ("non-ASCII", body("Ромео, как мне жаль, что ты Ромео! ロミオ様、なぜ貴方はロミオなの? Zoë \u{1F339}")),
        ("entities", body("&lt;&amp;&gt;&quot;&apos; &#x1F339; &#8212; if thou wilt &lt;not&gt;")),
        (
            "entities in values",
            addressed("iq", " id='a&amp;b&#10;'", "<x y='&lt;' xmlns='urn:x'/><z y='\t' xmlns='urn:z'/>"),
        ),
        ("line ends", body("thou\r\nart\tthyself, <![CDATA[though <not> a]] Montague]]>\n")),
        ("borrowed prefixes", addressed("message", " cap:a='1'", "<cap:x cap:y='' db:y=''/>")),
        ("spelled content", addressed("message", " xmlns='jabber:client'", "<x xmlns='urn:x'><y xmlns='jabber:client'/></x>")),
        ("odd white space", "<iq\tfrom = 'romeo@montague.example'\n to=\"juliet@capulet.example\" ><ping xmlns='urn:xmpp:ping' /></iq >".into()),
        ("many attributes", addressed("message", "", &format!("<x{}/>", numbered(40, " xmlns:p", "='urn:x'")))),
        ("keepalives", format!(" \n{}", addressed("iq", "", " "))),
    ]
}

fn numbered(count: usize, before: &str, after: &str) -> String {
    (0..count).map(|number| format!("{before}{number}{after}")).collect()
}

/// Feeds `bytes` in reads of this length, into room for one as a server makes it; how many elements came.
fn frames_in(framer: &mut Framer, bytes: &[u8], read: usize) -> usize {
    let mut frames = 0;
    for piece in bytes.chunks(read) {
        framer.buffer().reserve(read);
        framer.buffer().extend_from_slice(piece);
        while let Some(item) = framer.next().expect("what is good") {
            let Item::Element(frame) = item else { panic!("{item:?}") };
            assert!(frame.len() > 60);
            frames += 1;
        }
    }
    frames
}

#[test]
fn in_the_steady_state_no_class_of_stanzas_allocates_in_any_reads_by_any_vectors() {
    let all: String = classes().into_iter().map(|(_, stanza)| stanza).collect();
    for (name, stanza) in classes().into_iter().chain([("all of them", all)]) {
        let count = if name == "all of them" { classes().len() } else { 1 };
        for vectors in Vectors::available() {
            for read in [1, 7, 1460, 64 * 1024] {
                // Many in a read and many reads, within what a debug build does at once.
                let times = (if read == 1 { 200 } else { 20_000 } / stanza.len()).clamp(2, 64);
                let round = stanza.repeat(times);
                let mut framer = opened_with(Limits::AUTHENTICATED, vectors);
                // The stacks and the buffer get as large as they have to be.
                frames_in(&mut framer, round.as_bytes(), read);
                let before = ALLOCATIONS.get();
                let frames = frames_in(&mut framer, round.as_bytes(), read);
                let made = ALLOCATIONS.get() - before;
                assert_eq!(frames, times * count, "{name}");
                assert_eq!(made, 0, "{frames} of {name} in reads of {read} by {vectors:?}");
            }
        }
    }
}

#[test]
fn frames_that_are_kept_cost_no_allocation_but_the_blocks_they_lie_in() {
    let mut framer = opened(Limits::AUTHENTICATED);
    frames_in(&mut framer, STANZA.as_bytes(), STANZA.len());
    let mut kept = Vec::with_capacity(64);
    for _ in 0..4 {
        framer.buffer().reserve(64 * STANZA.len());
        framer.buffer().extend_from_slice(STANZA.repeat(64).as_bytes());
        let before = ALLOCATIONS.get();
        while let Ok(Some(Item::Element(frame))) = framer.next() {
            assert!(frame.to().is_some() && frame.from().is_some() && frame.is_self_contained());
            kept.push(frame);
        }
        assert_eq!(kept.len(), 64);
        // The count that the frames of a block share is made with the first.
        assert!(ALLOCATIONS.get() - before <= 1);
        kept.clear();
    }
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
    let by = |vectors| {
        let mut framer = opened_with(Limits::PRE_AUTH, vectors);
        framer.buffer().extend_from_slice(first);
        let (error, peak, fed) = flood(framer, unit);
        assert!(fed <= 9 * 1024, "{fed} bytes were taken");
        assert!(peak < 64 * 1024, "{peak} bytes were held");
        error
    };
    let errors: Vec<_> = Vectors::available().map(by).collect();
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    errors[0]
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
fn a15_limits_hold_while_what_arrived_at_once_is_read() {
    // All that a limit of bytes lets through is there before the first look: what is found in it must not pile up first.
    for limits in [Limits::PRE_AUTH, Limits::AUTHENTICATED] {
        for (first, unit) in [
            ("<a", " p:a=''"),
            ("<a", " a=''"),
            ("<a", " xmlns:a=''"),
            ("<a", " xmlns:a='urn:x'"),
            ("<a", " xmlns='urn:x'"),
            ("<a xmlns:p='urn:x'>", "<p:b p:a='' p:b=''>"),
            ("", "<a xmlns='urn:x'>"),
            ("<a>", "<b/>"),
        ] {
            for vectors in Vectors::available() {
                let mut framer = opened_with(limits, vectors);
                let all = format!("{first}{}", unit.repeat(limits.element_bytes / unit.len() + 1));
                framer.buffer().extend_from_slice(all.as_bytes());
                let start = HELD.get();
                PEAK.set(start);
                let error = framer.next().expect_err("more than a limit allows");
                let (peak, allowed) = (PEAK.get() - start, 32 * 1024);
                assert!(peak < allowed, "{peak} bytes for {unit:?} until {error}");
            }
        }
    }
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
    framer.buffer().extend_from_slice(STANZA.repeat(200).as_bytes());
    while let Ok(Some(_)) = framer.next() {}
    framer.shrink();
    assert!(HELD.get() - before < 1024, "{} bytes are held", HELD.get() - before);
    framer.buffer().extend_from_slice(STANZA.as_bytes());
    assert!(matches!(framer.next(), Ok(Some(Item::Element(_)))));
}

/// The most that a framer may hold with these limits: the read buffer, which doubles and is there twice while it does, and on its stacks a
/// place for each thing that a limit counts, which double too.
fn most_held(limits: Limits, read: usize) -> usize {
    let bytes = limits.element_bytes.max(limits.header_bytes) + read;
    4 * bytes + 256 * (limits.depth + limits.attributes + limits.namespaces) + 1024
}

fn limits() -> impl Strategy<Value = Limits> {
    let sizes = (64..4000usize, 300..600usize, 0..200usize);
    (sizes, 1..20usize, 4..40usize, 4..20usize, 0..100usize).prop_map(
        |((element_bytes, header_bytes, name_bytes), depth, attributes, namespaces, elements)| {
            Limits {
                element_bytes,
                header_bytes,
                depth,
                attributes,
                namespaces,
                name_bytes,
                elements,
            }
        },
    )
}

proptest! {
    #![proptest_config(cases(600, 10_000))]

    #[test]
    fn whatever_arrives_no_more_is_held_than_the_limits_say(
        limits in limits(),
        stanzas in prop::collection::vec(prop_oneof![2 => element(), 1 => nested(), 1 => parts()], 1..4),
        changes in prop::collection::vec(change(), 0..2),
        header in prop::sample::select(vec!["", HEADER, HEADER]),
        read in 1..3000usize,
    ) {
        let unit = changed(&stanzas.concat(), &changes);
        let mut endless = header.bytes().chain(unit.iter().copied().cycle());
        for vectors in Vectors::available() {
            let start = HELD.get();
            PEAK.set(start);
            let mut framer = Framer::with_vectors(limits, vectors);
            let mut fed = 0;
            let mut is_over = unit.is_empty();
            while !is_over && fed < 3 * limits.element_bytes + 2 * read {
                framer.buffer().extend(endless.by_ref().take(read));
                fed += read;
                is_over = loop {
                    match framer.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break false,
                        Err(_) => break true,
                    }
                };
                let most = limits.element_bytes.max(limits.header_bytes);
                prop_assert!(is_over || framer.pending() < most, "{} are kept", framer.pending());
            }
            let (peak, most) = (PEAK.get() - start, most_held(limits, read));
            prop_assert!(peak.unsigned_abs() <= most, "{peak} bytes were held, not {most}");
        }
    }
}

/// What fills the stacks when it is repeated.
fn parts() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "<a>",
        "<a xmlns='urn:x'>",
        "<a xmlns:p='urn:&#x78;'>",
        "<p:a xmlns:p='urn:x' p:b='' cap:b=''>",
        "<a/>",
        "</a>",
        "x",
        "<a b='&amp;' c='\t'>",
        "<a ",
        " ",
        "b='c' ",
        "<![CDATA[",
        "&#0065;",
        "<",
        "]]>",
    ]);
    prop::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
}
