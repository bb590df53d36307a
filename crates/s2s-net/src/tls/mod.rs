//! TLS behind a small trait, so that the library's connection API can change underneath.
//!
//! Nothing is trusted during the handshake: the verifiers check that the peer holds the key of the
//! certificate it shows and accept any certificate. What the certificate proves is judged after
//! the handshake, per domain pair, by `s2s-trust` (also after a resumed handshake, where the
//! library calls no verifier at all).

mod configs;
mod engine;
mod verifier;

use std::sync::Arc;

use bytes::BytesMut;
use rustls::pki_types::CertificateDer;

pub(crate) use configs::{SharedTls, TlsConfigs};
pub(crate) use engine::{client, server};

/// One end of a TLS connection, without I/O.
pub(crate) trait TlsEngine {
    /// Decrypts the records in `incoming`, appends what they carry to `plaintext` and what must be
    /// sent in answer (handshake, alerts) to `outgoing`. A record cut off at the end is left; give
    /// it again, first, with the bytes that follow.
    ///
    /// # Errors
    /// The connection is over; an alert for the peer may have been appended to `outgoing`.
    fn receive(
        &mut self,
        incoming: &mut [u8],
        plaintext: &mut BytesMut,
        outgoing: &mut Vec<u8>,
    ) -> Result<Received, TlsError>;

    /// Appends `plaintext` as records of up to 16 KiB to `outgoing`.
    ///
    /// # Errors
    /// Before the handshake is finished, or when the keys are exhausted.
    fn encrypt(&mut self, plaintext: &[u8], outgoing: &mut Vec<u8>) -> Result<(), TlsError>;

    /// Appends close_notify.
    fn close(&mut self, outgoing: &mut Vec<u8>);

    /// What the finished handshake showed.
    fn peer(&self) -> TlsPeerFacts;
}

/// What one call of [`TlsEngine::receive`] did besides moving bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// Bytes of `incoming` that are done with.
    pub(crate) consumed: usize,
    /// The handshake finished in this call.
    pub(crate) established: bool,
    /// The peer sent close_notify.
    pub(crate) closed: bool,
}

/// The peer as the handshake showed it.
#[derive(Clone, Default)]
pub(crate) struct TlsPeerFacts {
    /// The peer's chain, leaf first; empty when it showed none.
    pub(crate) chain: Arc<[CertificateDer<'static>]>,
    /// An earlier connection was resumed.
    pub(crate) resumed: bool,
}

/// Why a TLS connection ended.
#[derive(Debug)]
pub(crate) enum TlsError {
    /// The peer rejected our certificate: it arrives as an alert, in TLS 1.3 only after our first
    /// bytes (protocol fact 33).
    CertificateRejected(rustls::AlertDescription),
    /// Anything else.
    Failed(rustls::Error),
    /// Asked for before the handshake was finished, or after the connection ended.
    NotReady,
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        use rustls::AlertDescription as A;
        match error {
            rustls::Error::AlertReceived(
                alert @ (A::BadCertificate
                | A::UnsupportedCertificate
                | A::CertificateRevoked
                | A::CertificateExpired
                | A::CertificateUnknown
                | A::UnknownCA
                | A::CertificateRequired
                | A::AccessDenied),
            ) => TlsError::CertificateRejected(alert),
            other => TlsError::Failed(other),
        }
    }
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TlsError::CertificateRejected(alert) => {
                write!(f, "the peer rejected our certificate ({alert:?})")
            }
            TlsError::Failed(error) => write!(f, "{error}"),
            TlsError::NotReady => f.write_str("the TLS connection cannot carry data"),
        }
    }
}
