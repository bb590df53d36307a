//! Prosody 0.12 as the remote server: every rung, both directions.
//!
//! Each test is a cell of the matrix in a namespace of its own: a message, an iq request and its answer, presence, a message of
//! 64 KiB, 1,000 messages in order, starting with no link between the two servers.

peerage_tests::cells! {
    Prosody;
    verified_in: Verified StartTls In;
    verified_out: Verified StartTls Out;
    secure_in: Secure StartTls In;
    secure_out: Secure StartTls Out;
    trusted_in: Trusted StartTls In;
    trusted_out: Trusted StartTls Out;
    direct_tls_secure_in: Secure DirectTls In;
    direct_tls_secure_out: Secure DirectTls Out;
    direct_tls_trusted_in: Trusted DirectTls In;
    direct_tls_trusted_out: Trusted DirectTls Out;
}
