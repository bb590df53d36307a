//! A stream from its first byte: any split, any vectors and any parser give the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xmpp_frame_oracles::laws;

fuzz_target!(|input: &[u8]| {
    if let Err(breach) = laws::header(input) {
        panic!("{breach}");
    }
});
