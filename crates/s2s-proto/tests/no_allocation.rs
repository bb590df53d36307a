//! The data plane allocates nothing for a stanza spelled as servers spell it.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use s2s_proto::{Demand, VerifyOutcome};
use support::{Machine, Script, demands, header};
use xmpp_frame::{Frame, Framer, Item, Limits};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches a thread-local cell only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn frames(text: &str) -> Vec<Frame> {
    let mut framer = Framer::new(Limits::default());
    framer.buffer().extend_from_slice(header("").as_bytes());
    framer.buffer().extend_from_slice(text.as_bytes());
    let mut frames = Vec::new();
    while let Some(item) = framer.next().unwrap() {
        if let Item::Element(frame) = item {
            frames.push(frame);
        }
    }
    frames
}

#[test]
fn admitting_a_plain_stanza_allocates_nothing() {
    let mut peer = Script::inbound(demands(Demand::Dialback));
    peer.recv(&header("from='capulet.example' to='montague.example' version='1.0'"));
    peer.recv("<db:result from='capulet.example' to='montague.example'>k</db:result>");
    peer.verified("capulet.example", "montague.example", VerifyOutcome::Valid { leg_tls: true });
    let stanza = "<message from='juliet@capulet.example/balcony' to='romeo@montague.example'><body>hi</body></message>";
    let frames = frames(&stanza.repeat(100));
    let Machine::Inbound(stream) = &peer.machine else { unreachable!() };
    let before = COUNT.get();
    let admitted = frames.into_iter().filter_map(|frame| stream.admit(frame).ok()).count();
    let spent = COUNT.get() - before;
    assert_eq!((admitted, spent), (100, 0));
}
