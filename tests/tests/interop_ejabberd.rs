//! ejabberd 23.01 as the remote server: every rung, both directions.
//!
//! Each test is a cell of the matrix in a namespace of its own: a message, an iq request and its answer, presence, a message of
//! 64 KiB, 1,000 messages in order, starting with no link between the two servers.

use peerage_tests::{Cell, Direction, Rung, Software, Transport, namespace};

macro_rules! cells {
    ($($test:ident: $rung:ident $transport:ident $direction:ident;)*) => {$(
        #[test]
        #[ignore = "interop: needs root, a network namespace, ejabberd and dnsmasq; see cargo xtask test"]
        fn $test() {
            let cell = Cell {
                software: Software::Ejabberd,
                rung: Rung::$rung,
                transport: Transport::$transport,
                direction: Direction::$direction,
            };
            namespace::isolated(stringify!($test), |stage| cell.run(stage));
        }
    )*};
}

cells! {
    verified_in: Verified StartTls In;
    verified_out: Verified StartTls Out;
    secure_in: Secure StartTls In;
    secure_out: Secure StartTls Out;
    trusted_in: Trusted StartTls In;
    trusted_out: Trusted StartTls Out;
}
