//! The TLS side of a remote domain. Handshakes accept any certificate whose key signs; chains are judged afterwards, with server-auth
//! usage in both directions, because certificates of public authorities have no other.

use std::sync::Arc;

use crate::certs::Issued;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
};

/// Sessions a domain remembers: it knows one server, and the default would make room for hundreds.
const SESSIONS: usize = 8;

/// A certificate chain, leaf first, with the leaf's key.
#[derive(Debug)]
pub struct Credentials {
    /// The leaf and what leads from it towards a root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's private key.
    pub key: PrivateKeyDer<'static>,
}

impl Credentials {
    /// Reads a chain and a key in PEM.
    ///
    /// # Errors
    /// When either is missing or malformed.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> anyhow::Result<Credentials> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>()?;
        anyhow::ensure!(!chain.is_empty(), "no certificate in the PEM text");
        Ok(Credentials { chain, key: PrivateKeyDer::from_pem_slice(key)? })
    }

    /// Reads the roots in a PEM text.
    ///
    /// # Errors
    /// When there is none, or one is malformed.
    pub fn roots_from_pem(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let roots = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
        anyhow::ensure!(!roots.is_empty(), "no certificate in the PEM text");
        Ok(roots)
    }
}

impl Clone for Credentials {
    fn clone(&self) -> Credentials {
        Credentials { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl From<Issued> for Credentials {
    fn from(issued: Issued) -> Credentials {
        Credentials { chain: issued.chain, key: issued.key }
    }
}

/// The TLS configurations of one domain.
#[derive(Clone, Debug)]
pub(crate) struct DomainTls {
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) direct_client: Arc<ClientConfig>,
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) direct_server: Arc<ServerConfig>,
}

impl DomainTls {
    pub(crate) fn new(credentials: &Credentials) -> Result<DomainTls, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let any = Arc::new(AnyCertificate { provider: Arc::clone(&provider) });
        let (chain, key) = (credentials.chain.clone(), credentials.key.clone_key());
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&any) as Arc<dyn ServerCertVerifier>)
            .with_client_auth_cert(chain.clone(), key.clone_key())?;
        client.resumption = Resumption::in_memory_sessions(SESSIONS);
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(any)
            .with_single_cert(chain, key)?;
        // Tickets hold the session themselves: a store for all domains of one certificate would be as large as they are many.
        server.ticketer = Ticketer::new()?;
        server.send_tls13_tickets = 1;
        let (mut direct_client, mut direct_server) = (client.clone(), server.clone());
        // XEP-0368 §2.2.
        direct_client.alpn_protocols = vec![b"xmpp-server".to_vec()];
        direct_server.alpn_protocols = vec![b"xmpp-server".to_vec()];
        Ok(DomainTls {
            client: Arc::new(client),
            direct_client: Arc::new(direct_client),
            server: Arc::new(server),
            direct_server: Arc::new(direct_server),
        })
    }

    /// For a further domain with the same certificate: keys and verifiers are shared, sessions to resume are not.
    pub(crate) fn for_another(&self) -> DomainTls {
        let mut client = ClientConfig::clone(&self.client);
        client.resumption = Resumption::in_memory_sessions(SESSIONS);
        let mut direct_client = ClientConfig::clone(&self.direct_client);
        direct_client.resumption = client.resumption.clone();
        DomainTls {
            client: Arc::new(client),
            direct_client: Arc::new(direct_client),
            server: Arc::clone(&self.server),
            direct_server: Arc::clone(&self.direct_server),
        }
    }
}

/// Which names a certificate may prove: chains that end at these roots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judge {
    roots: Vec<CertificateDer<'static>>,
}

impl Judge {
    pub(crate) fn new(roots: Vec<CertificateDer<'static>>) -> Judge {
        Judge { roots }
    }

    /// Whether the chain (leaf first) leads to a root now and its leaf names `domain`.
    pub(crate) fn proves(&self, chain: &[CertificateDer<'_>], domain: &str) -> bool {
        let Some((leaf, intermediates)) = chain.split_first() else { return false };
        let Ok(leaf) = webpki::EndEntityCert::try_from(leaf) else { return false };
        let anchors: Vec<_> = self
            .roots
            .iter()
            .filter_map(|root| webpki::anchor_from_trusted_cert(root).ok())
            .collect();
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        let usage = webpki::KeyUsage::server_auth();
        let chain = leaf.verify_for_usage(
            algorithms,
            &anchors,
            intermediates,
            UnixTime::now(),
            usage,
            None,
            None,
        );
        let named = ServerName::try_from(domain)
            .is_ok_and(|name| leaf.verify_is_valid_for_subject_name(&name).is_ok());
        chain.is_ok() && named
    }
}

/// Asserts nothing about a certificate but that the peer holds its key.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

/// What both traits ask about the signature of the handshake, in the same words.
macro_rules! signature_checks {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            verify_tls12_signature(
                message,
                certificate,
                signature,
                &self.provider.signature_verification_algorithms,
            )
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            verify_tls13_signature(
                message,
                certificate,
                signature,
                &self.provider.signature_verification_algorithms,
            )
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.provider.signature_verification_algorithms.supported_schemes()
        }
    };
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    signature_checks!();
}

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    signature_checks!();
}
