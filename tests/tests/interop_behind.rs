//! Unmodified servers behind the router: `behind::table` says which, `MATRIX.md` shows them.
//!
//! Each test is a cell in a namespace of its own: the exchanges of the matrix between a user of a server behind Peerage and a user of
//! a remote one, starting without a link; then the same with the other side starting.

peerage_tests::interop_behind!(peerage_tests::behind_tests);
