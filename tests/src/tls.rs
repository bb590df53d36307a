//! TLS of the scripted peers: shows any certificate, believes every one.
//!
//! The library is the one Peerage uses. No test judges a certificate by it: what is tested is what Peerage says of those shown here.

use std::net::TcpStream;
use std::sync::Arc;

use anyhow::Result;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned,
};

use crate::certificates::Identity;
use crate::wire::{Socket, Wire};

/// Puts TLS on a connection that was opened to `domain`, showing `identity` as a client.
///
/// # Errors
/// When the handshake fails.
pub fn connect(wire: Wire, domain: &str, identity: &Identity) -> Result<Wire> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let (chain, key) = read(identity)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_client_auth_cert(chain, key)?;
    let name = ServerName::try_from(domain.to_owned())?;
    let session = ClientConnection::new(Arc::new(config), name)?;
    Wire::over(StreamOwned::new(session, wire.into_tcp()?))
}

/// Puts TLS on a connection that was accepted, showing `identity` as the server.
///
/// # Errors
/// When the handshake fails.
pub fn accept(wire: Wire, identity: &Identity) -> Result<Wire> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let (chain, key) = read(identity)?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let session = ServerConnection::new(Arc::new(config))?;
    Wire::over(StreamOwned::new(session, wire.into_tcp()?))
}

impl Socket for StreamOwned<ClientConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}

impl Socket for StreamOwned<ServerConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}

type Chain = Vec<CertificateDer<'static>>;

fn read(identity: &Identity) -> Result<(Chain, PrivateKeyDer<'static>)> {
    let chain = CertificateDer::pem_file_iter(&identity.certificate)?.collect::<Result<_, _>>()?;
    Ok((chain, PrivateKeyDer::from_pem_file(&identity.key)?))
}

/// Whoever it is.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
