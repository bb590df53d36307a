//! First-level elements behind a known header: any split, any vectors and any parser give the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xmpp_frame_oracles::laws;

fuzz_target!(|input: &[u8]| {
    if let Err(breach) = laws::differential(input) {
        panic!("{breach}");
    }
});
