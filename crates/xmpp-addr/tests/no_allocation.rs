//! `jid_domain` and its neighbours do not allocate for ASCII in canonical form.

use std::alloc::{GlobalAlloc, Layout, System};
use std::borrow::Cow;
use std::cell::Cell;
use std::hint::black_box;
use xmpp_addr::{Domain, DomainPair, DomainPairRef, Jid, canonical_domain, jid_domain};

thread_local! {
    /// Per thread, because the test harness allocates on others.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on unchanged to `System`; counting touches a const-initialised thread-local without a destructor,
// which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `System` with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn jid_domain_of_canonical_ascii_does_not_allocate() {
    let texts = [
        "capulet.example",
        "juliet@capulet.example",
        "juliet@capulet.example/balcony 1",
        "Juliet@a.b.c.capulet.example/a@b/c",
        "juliet@192.0.2.1/a",
        "juliet@[2001:db8::1]/a",
        "capulet.example.",
    ];
    for text in texts {
        let count = allocations(|| {
            let domain = jid_domain(black_box(text));
            assert!(matches!(black_box(&domain), Ok(Cow::Borrowed(_))));
        });
        assert_eq!(count, 0, "{text:?}");
    }
}

#[test]
fn refusals_do_not_allocate() {
    for text in ["", "@a", "a/", "a b@c", "a@_b", "127.1", "[fe80::1%eth0]"] {
        let count = allocations(|| assert!(black_box(Jid::parse(black_box(text))).is_err()));
        assert_eq!(count, 0, "{text:?}");
    }
}

#[test]
fn looking_up_a_pair_does_not_allocate() {
    let [capulet, montague] =
        ["capulet.example", "montague.example"].map(|name| Domain::parse(name).expect("a domain"));
    let mut table = hashbrown::HashMap::new();
    table.insert(DomainPair::new(capulet, montague), ());
    let count = allocations(|| {
        let sender = jid_domain(black_box("juliet@capulet.example")).expect("a JID");
        let target = jid_domain(black_box("romeo@montague.example/orchard")).expect("a JID");
        let key = DomainPairRef { sender: &sender, target: &target };
        assert!(table.contains_key(&key));
    });
    assert_eq!(count, 0);
}

#[test]
fn the_counter_counts() {
    let count = allocations(|| {
        let domain = canonical_domain(black_box("CAPULET.example"));
        assert!(matches!(black_box(&domain), Ok(Cow::Owned(_))));
    });
    assert_eq!(count, 1);
}
