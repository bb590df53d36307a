//! The interop matrix: `matrix::table` says which cells there are, `MATRIX.md` shows them.
//!
//! Each test is a cell in a namespace of its own: a message, an iq request and its answer, presence, a message of 64 KiB, 1,000
//! messages in order, starting with no link between the two servers; then the same with the other side starting.

peerage_tests::interop_matrix!(peerage_tests::matrix_tests);
