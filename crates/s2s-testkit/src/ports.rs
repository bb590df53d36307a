//! Ports for tests that need the same one on many addresses, so that the system cannot choose it for them.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Where claims are made: an address at which nobody serves.
const CLAIMS: Ipv4Addr = Ipv4Addr::new(127, 8, 0, 1);
/// Below the ephemeral range, above the ports that loadgen and the demo have without being told.
const FIRST: u16 = 16_000;
const BEYOND: u16 = 32_000;
/// How many are claimed at once.
const COUNT: u16 = 4;

/// The first of four ports, one after the other, that are this test's on all loopback addresses: no other is given them until this process
/// ends, in whatever process of the machine. The claim is a listener, and of those there is one for an address.
///
/// # Panics
/// When thousands are claimed.
pub fn claim() -> u16 {
    // A listener that outlives its test by a moment still has its port: claims are not given back.
    static HELD: Mutex<Vec<TcpListener>> = Mutex::new(Vec::new());
    let free = (FIRST..BEYOND)
        .step_by(usize::from(COUNT))
        .find_map(|first| Some((first, TcpListener::bind((CLAIMS, first)).ok()?)));
    let (first, listener) = free.expect("ports that no other test has");
    HELD.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_given_what_another_has() {
        let (one, other) = (claim(), claim());
        assert!(one.abs_diff(other) >= COUNT, "{one} {other}");
        for first in [one, other] {
            assert!(first >= FIRST && first + COUNT <= BEYOND, "{first}");
        }
    }
}
