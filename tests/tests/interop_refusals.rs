//! Refusals with real servers: `refusals::table` says which there are, `MATRIX.md` shows them.
//!
//! Each test is a peer with one flaw in a namespace of its own. The peer's own log must give its administrator the reason, the sender
//! of the stanza gets its bounce, and Peerage's log names pair and reason.

peerage_tests::interop_refusals!(peerage_tests::refusal_tests);

peerage_tests::wire_refusals!(peerage_tests::wire_refusal_tests);
