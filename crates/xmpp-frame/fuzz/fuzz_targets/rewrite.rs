//! A stanza that changes streams: nothing changes but what the rule says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xmpp_frame_oracles::laws;

fuzz_target!(|input: &[u8]| {
    if let Err(breach) = laws::rewrite(input) {
        panic!("{breach}");
    }
});
