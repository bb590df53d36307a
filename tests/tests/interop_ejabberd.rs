//! ejabberd 23.01 as the remote server: every rung, both directions.
//!
//! Each test is a cell of the matrix in a namespace of its own: a message, an iq request and its answer, presence, a message of
//! 64 KiB, 1,000 messages in order, starting with no link between the two servers.

peerage_tests::cells! {
    Ejabberd;
    verified_in: Verified StartTls In;
    verified_out: Verified StartTls Out;
    secure_in: Secure StartTls In;
    secure_out: Secure StartTls Out;
    trusted_in: Trusted StartTls In;
    trusted_out: Trusted StartTls Out;
}
