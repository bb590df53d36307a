//! TLS configurations: one server and one client configuration for each identity.
//!
//! A client session resumes only with the same verifier and the same certificate resolver, so both
//! live as long as the configuration; and it must never carry another domain's identity (threat
//! A29), so each identity has a session store of its own.

use std::sync::Arc;

use hashbrown::HashMap;
use rustls::client::{ClientSessionMemoryCache, ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};
use tracing::warn;
use xmpp_addr::{Domain, DomainPair};

use super::TlsError;
use super::verifier::PossessionOnly;
use crate::settings::{LeafAuthority, RemoteProof, Settings};

/// XEP-0368 §2; offered and accepted, never required.
const ALPN: &[u8] = b"xmpp-server";

/// Remote servers whose tickets one shard keeps for one identity.
const RESUMABLE_PEERS: usize = 4_096;

/// What all shards share: key material of the tickets we issue, and the cryptography.
#[derive(Clone)]
pub(crate) struct SharedTls {
    provider: Arc<CryptoProvider>,
    verifier: Arc<PossessionOnly>,
    ticketer: Arc<dyn ProducesTickets>,
}

impl SharedTls {
    pub(crate) fn new() -> Result<SharedTls, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        Ok(SharedTls {
            verifier: PossessionOnly::new(&provider),
            ticketer: aws_lc_rs::Ticketer::new()?,
            provider,
        })
    }
}

/// The configurations of one shard for one generation of settings, made when first needed.
pub(crate) struct TlsConfigs {
    shared: SharedTls,
    settings: Arc<Settings>,
    server: HashMap<usize, Arc<ServerConfig>>,
    client: HashMap<Option<usize>, ClientPair>,
}

#[derive(Clone)]
struct ClientPair {
    starttls: Arc<ClientConfig>,
    direct: Arc<ClientConfig>,
}

impl TlsConfigs {
    pub(crate) fn new(shared: SharedTls, settings: Arc<Settings>) -> TlsConfigs {
        TlsConfigs { shared, settings, server: HashMap::new(), client: HashMap::new() }
    }

    /// For an inbound connection: shows the certificate of the name the peer asks for (SNI), else
    /// that of `local`, the stream's `to` (protocol fact 38), else the first one there is.
    ///
    /// # Errors
    /// No hosted domain has a certificate, or the library refuses the configuration.
    pub(crate) fn server(&mut self, local: Option<&Domain>) -> Result<Arc<ServerConfig>, TlsError> {
        let domains = &self.settings.domains;
        let entry = local
            .and_then(|domain| self.entry_with_identity(domain))
            .or_else(|| domains.iter().position(|entry| entry.identity.is_some()))
            .ok_or(TlsError::NotReady)?;
        if let Some(config) = self.server.get(&entry) {
            return Ok(Arc::clone(config));
        }
        let default = domains[entry].identity.clone().ok_or(TlsError::NotReady)?;
        let resolver = BySni { settings: Arc::clone(&self.settings), default };
        let mut config = self.server_config(Arc::new(resolver))?;
        config.ticketer = Arc::clone(&self.shared.ticketer);
        // One connection per peer is the rule; a second ticket would only cost bytes.
        config.send_tls13_tickets = 1;
        let config = Arc::new(config);
        self.server.insert(entry, Arc::clone(&config));
        Ok(config)
    }

    /// For a connection of a backend: shows a certificate of the name that it asks for (SNI), else that of `named`, the stream's
    /// `to`. Never used on any other listener.
    ///
    /// No tickets: one of a remote domain's would be taken for any other (threat A29).
    ///
    /// # Errors
    /// There is nobody to issue certificates, or the library refuses the configuration.
    pub(crate) fn backend_server(
        &mut self,
        named: Option<&Domain>,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let leaves = self.settings.leaves.clone().ok_or(TlsError::NotReady)?;
        let default = named.cloned();
        let mut config = self.server_config(Arc::new(ForBackends { leaves, default }))?;
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Arc::new(config))
    }

    fn server_config(&self, shown: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.shared.provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::clone(&self.shared.verifier) as _)
            .with_cert_resolver(shown);
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }

    /// For a connection to a backend in the name of a remote domain. With [`RemoteProof::Certificate`] it shows a certificate of
    /// that domain and is never resumed; else it is anonymous.
    ///
    /// # Errors
    /// No certificate is issued, or the library refuses the configuration.
    pub(crate) fn backend_client(
        &mut self,
        pair: &DomainPair,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        let proof = self.settings.backend(pair.target()).map(|backend| backend.proof);
        if proof != Some(RemoteProof::Certificate) {
            return self.client_of(None, false);
        }
        let leaves = self.settings.leaves.clone().ok_or(TlsError::NotReady)?;
        let leaf = shown_to_backends(&*leaves, pair.sender());
        let mut config = self.client_config(leaf)?;
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    /// For an outbound connection in the name of `local`; without a certificate of its own the
    /// connection is encrypted and anonymous.
    ///
    /// # Errors
    /// The library refuses the configuration.
    pub(crate) fn client(
        &mut self,
        local: &Domain,
        direct: bool,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        self.client_of(self.entry_with_identity(local), direct)
    }

    fn client_of(
        &mut self,
        entry: Option<usize>,
        direct: bool,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        if !self.client.contains_key(&entry) {
            let pair = self.client_pair(entry)?;
            self.client.insert(entry, pair);
        }
        let pair = &self.client[&entry];
        Ok(Arc::clone(if direct { &pair.direct } else { &pair.starttls }))
    }

    fn client_pair(&self, entry: Option<usize>) -> Result<ClientPair, TlsError> {
        let identity = entry.and_then(|entry| self.settings.domains[entry].identity.clone());
        let mut config = self.client_config(identity)?;
        // rustls keeps up to eight tickets for each of size/8 servers.
        config.resumption =
            Resumption::store(Arc::new(ClientSessionMemoryCache::new(RESUMABLE_PEERS * 8)));
        let mut direct = config.clone();
        direct.alpn_protocols = vec![ALPN.to_vec()];
        Ok(ClientPair { starttls: Arc::new(config), direct: Arc::new(direct) })
    }

    fn client_config(&self, shown: Option<Arc<CertifiedKey>>) -> Result<ClientConfig, TlsError> {
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.shared.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&self.shared.verifier) as _)
            .with_client_cert_resolver(Arc::new(Shown(shown)));
        Ok(config)
    }

    /// The entry that covers the domain, if it has a certificate. That of a wider entry is not borrowed: a domain with an entry of
    /// its own has what stands there, as in [`Settings::hosted`].
    fn entry_with_identity(&self, domain: &Domain) -> Option<usize> {
        let entries = self.settings.domains.iter().enumerate();
        entries
            .filter(|(_, entry)| entry.pattern.matches(domain))
            .max_by_key(|(_, entry)| entry.pattern.specificity())
            .filter(|(_, entry)| entry.identity.is_some())
            .map(|(index, _)| index)
    }
}

/// Shows the certificate of the name in SNI.
struct BySni {
    settings: Arc<Settings>,
    default: Arc<CertifiedKey>,
}

impl std::fmt::Debug for BySni {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BySni")
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello
            .server_name()
            .and_then(|name| Domain::parse(name).ok())
            .and_then(|domain| self.settings.hosted(&domain)?.identity.clone());
        Some(named.unwrap_or_else(|| Arc::clone(&self.default)))
    }
}

/// Shows a backend the certificate of any domain that it takes us for.
struct ForBackends {
    leaves: Arc<dyn LeafAuthority>,
    default: Option<Domain>,
}

impl std::fmt::Debug for ForBackends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForBackends")
    }
}

impl ResolvesServerCert for ForBackends {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| Domain::parse(name).ok());
        let domain = named.as_ref().or(self.default.as_ref())?;
        shown_to_backends(&*self.leaves, domain)
    }
}

/// A certificate that is issued for the occasion, for a hosted domain too: a strict backend may trust nothing else.
fn shown_to_backends(leaves: &dyn LeafAuthority, domain: &Domain) -> Option<Arc<CertifiedKey>> {
    match leaves.leaf(domain) {
        Ok(leaf) => Some(leaf),
        Err(error) => {
            warn!(%domain, %error, "no certificate for a backend's eyes");
            None
        }
    }
}

/// Shows one identity, or none.
struct Shown(Option<Arc<CertifiedKey>>);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
