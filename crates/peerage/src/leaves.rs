//! Certificates in the names of remote domains, for the eyes of backends ([`LeafAuthority`]).
//!
//! A leaf is issued when a TLS handshake first needs it, lasts a week and is replaced at half of it, so a backend with any
//! idea of the time takes it. All leaves of a process have one key, made at the start and never written.
//!
//! A domain of the operator's own gets one too, when another server of the operator's talks to it through the router and trusts
//! nothing but this CA. The key never leaves the process and the data plane shows leaves on no other listener than the backends'.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use s2s_net::LeafAuthority;
use time::OffsetDateTime;
use xmpp_addr::Domain;

use crate::ca::{self, Authority, CLOCK_SKEW_SECS, COMMON_NAME_CHARS_MAX, CaError, serial_number};
use crate::certificate::show_time;
use crate::config::{Loaded, Surroundings};

/// A week: the certificate store of a server may read dates into 32 bits, and a key that leaks is soon worth nothing.
const VALIDITY_SECS: i64 = 7 * 86_400;
/// Less left than this, and a new one is issued.
const REISSUE_SECS: i64 = VALIDITY_SECS / 2;
/// Leaves of one generation; two are kept. Each takes some 1.5 KiB, so both together at most 25 MiB.
const GENERATION_MAX: usize = 8_192;

/// The leaf authority that a configuration needs; the CA in `directory` is made when it is needed for the first time.
///
/// None when no domain has a backend. `before` is the one in force, whose leaves stay good with the same CA.
///
/// # Errors
/// [`CaError`].
pub fn open(
    loaded: &Loaded,
    directory: &Path,
    before: Option<&Leaves>,
    now: i64,
) -> Result<Option<Leaves>, CaError> {
    if loaded.config.backends().next().is_none() {
        return Ok(None);
    }
    let authority = ca::open(directory, &loaded.config.operator(), now)?;
    let leaves = match before {
        Some(before) => before.reloaded(authority)?,
        None => Leaves::new(authority)?,
    };
    Ok(Some(leaves))
}

/// Issues leaves for every domain.
pub struct Leaves {
    mint: Arc<Mint>,
}

/// What outlives a reload: the CA, the key of the leaves, and what was issued.
struct Mint {
    authority: Authority,
    key: KeyPair,
    signer: Arc<dyn SigningKey>,
    issued: Mutex<Issued>,
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

/// What was issued, in two generations: when the young one is full the old one goes, so that what is asked for stays.
struct Issued {
    young: HashMap<Domain, Leaf>,
    old: HashMap<Domain, Leaf>,
    generation_max: usize,
}

#[derive(Clone)]
struct Leaf {
    certified: Arc<CertifiedKey>,
    not_before: i64,
    not_after: i64,
}

impl Leaves {
    /// A leaf authority with a key of its own.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(authority: Authority) -> Result<Self, CaError> {
        let clock = Arc::new(|| Surroundings::here().now);
        Self::with_clock(authority, GENERATION_MAX, clock)
    }

    fn with_clock(
        authority: Authority,
        generation_max: usize,
        clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    ) -> Result<Self, CaError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = any_supported_type(&private)
            .map_err(|_| rcgen::Error::UnsupportedSignatureAlgorithm)?;
        let issued =
            Mutex::new(Issued { young: HashMap::new(), old: HashMap::new(), generation_max });
        let mint = Arc::new(Mint { authority, key, signer, issued, clock });
        Ok(Leaves { mint })
    }

    /// The leaf authority after a reload: with the same CA it keeps its key and what it issued.
    ///
    /// # Errors
    /// As [`Leaves::new`].
    pub fn reloaded(&self, authority: Authority) -> Result<Self, CaError> {
        if authority.fingerprint == self.mint.authority.fingerprint {
            return Ok(Leaves { mint: Arc::clone(&self.mint) });
        }
        let generation_max = self.mint.issued().generation_max;
        Self::with_clock(authority, generation_max, Arc::clone(&self.mint.clock))
    }

    /// The CA behind them.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.mint.authority
    }
}

impl LeafAuthority for Leaves {
    fn leaf(&self, remote: &Domain) -> Result<Arc<CertifiedKey>, String> {
        if remote.is_ip_literal() {
            return Err(format!("{remote} is an address: no certificate is issued for it"));
        }
        let mint = &self.mint;
        let now = (mint.clock)();
        if let Some(leaf) = mint.issued().find(remote)
            && leaf.is_good(now)
        {
            return Ok(leaf.certified);
        }
        // Outside the lock: two shards that need the same name at the same moment issue it twice.
        let leaf = mint.issue(remote, now)?;
        let certified = Arc::clone(&leaf.certified);
        mint.issued().keep(remote.clone(), leaf);
        Ok(certified)
    }
}

impl Mint {
    fn issued(&self) -> std::sync::MutexGuard<'_, Issued> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issue(&self, remote: &Domain, now: i64) -> Result<Leaf, String> {
        let end = self.authority.not_after;
        if now >= end {
            return Err(format!("the internal CA expired at {}", show_time(end)));
        }
        let (not_before, not_after) = (now - CLOCK_SKEW_SECS, end.min(now + VALIDITY_SECS));
        let failed =
            |error: &dyn std::fmt::Display| format!("no certificate for {remote}: {error}");
        let time = |unix| OffsetDateTime::from_unix_timestamp(unix).map_err(|error| failed(&error));

        let mut params = CertificateParams::default();
        params.not_before = time(not_before)?;
        params.not_after = time(not_after)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // The router opens connections to backends and is connected to by them.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial_number().map_err(|error| failed(&error))?);
        // One kind of name, which every server reads: two could be read as two names.
        let name = remote.as_str().try_into().map_err(|error: rcgen::Error| failed(&error))?;
        params.subject_alt_names = vec![SanType::DnsName(name)];
        params.distinguished_name = DistinguishedName::new();
        if remote.as_str().len() <= COMMON_NAME_CHARS_MAX {
            params.distinguished_name.push(DnType::CommonName, remote.as_str());
        }
        let leaf =
            params.signed_by(&self.key, &self.authority.issuer).map_err(|error| failed(&error))?;
        let chain = vec![leaf.der().clone(), self.authority.certificate.clone()];
        let certified = Arc::new(CertifiedKey::new(chain, Arc::clone(&self.signer)));
        Ok(Leaf { certified, not_before, not_after })
    }
}

impl Leaf {
    /// Valid now, and for a while: near the end of the CA a while is what is left of it.
    fn is_good(&self, now: i64) -> bool {
        let issued = self.not_before + CLOCK_SKEW_SECS;
        let half = REISSUE_SECS.min((self.not_after - issued) / 2);
        // A clock that was set back makes leaves of the future.
        self.not_before <= now && self.not_after - now >= half
    }
}

impl Issued {
    fn find(&mut self, remote: &Domain) -> Option<Leaf> {
        if let Some(leaf) = self.young.get(remote) {
            return Some(leaf.clone());
        }
        let (remote, leaf) = self.old.remove_entry(remote)?;
        self.keep(remote, leaf.clone());
        Some(leaf)
    }

    fn keep(&mut self, remote: Domain, leaf: Leaf) {
        if self.young.len() >= self.generation_max && !self.young.contains_key(&remote) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(remote, leaf);
    }
}

#[cfg(test)]
mod tests;
