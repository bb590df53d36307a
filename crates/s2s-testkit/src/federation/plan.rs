//! What a federation consists of: its remote domains, how each behaves and where it listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::tls::Credentials;
use crate::zone::{Service, SrvTarget, Zone};

/// A step of the trust ladder, as seen from a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// A name that is only asserted.
    Promiscuous,
    /// A name proved by dialback in the clear.
    Verified,
    /// A name proved by dialback, both legs under TLS.
    Secure,
    /// A name proved by a certificate.
    Trusted,
}

impl Rung {
    /// All rungs from the lowest.
    pub const ALL: [Rung; 4] = [Rung::Promiscuous, Rung::Verified, Rung::Secure, Rung::Trusted];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Rung::Promiscuous => "promiscuous",
            Rung::Verified => "verified",
            Rung::Secure => "secure",
            Rung::Trusted => "trusted",
        }
    }
}

/// How a remote domain behaves, in all its roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Behaviour {
    /// As the first servers of the network: no version, no dialback, no TLS. Accepts every name, asserts its own.
    Promiscuous,
    /// Dialback without TLS on streams without a version.
    VerifiedBefore1_0,
    /// Dialback without TLS on streams of version 1.0.
    Verified,
    /// STARTTLS with any certificate, then dialback; refuses both legs in the clear.
    Secure,
    /// STARTTLS, then SASL EXTERNAL; demands a certificate that proves the name.
    Trusted,
    /// As [`Behaviour::Trusted`], over direct TLS.
    TrustedDirect,
    /// Behind a pump that moves bytes from TLS to TLS and knows nothing of XMPP. Direct TLS on both sides of the pump, and every name taken
    /// on trust: the certificate that either end sees is the pump's. It calls remotes of its own federation, too, where the router
    /// listens with direct TLS, which is where the pump does. Not published.
    Pumped,
    /// Published, but nothing listens.
    Dead,
    /// Not published at all.
    Unlisted,
}

impl Behaviour {
    /// The rung a pair with this remote earns; none for those that cannot be reached.
    pub fn rung(self) -> Option<Rung> {
        match self {
            Behaviour::Promiscuous | Behaviour::Pumped => Some(Rung::Promiscuous),
            Behaviour::VerifiedBefore1_0 | Behaviour::Verified => Some(Rung::Verified),
            Behaviour::Secure => Some(Rung::Secure),
            Behaviour::Trusted | Behaviour::TrustedDirect => Some(Rung::Trusted),
            Behaviour::Dead | Behaviour::Unlisted => None,
        }
    }

    /// Whether its streams carry `version='1.0'`.
    pub(crate) fn is_version_1(self) -> bool {
        !matches!(self, Behaviour::Promiscuous | Behaviour::VerifiedBefore1_0)
    }

    /// Whether it speaks TLS, and then nothing else.
    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Behaviour::Secure | Behaviour::Trusted) || self.is_direct()
    }

    pub(crate) fn is_direct(self) -> bool {
        matches!(self, Behaviour::TrustedDirect | Behaviour::Pumped)
    }

    pub(crate) fn dials_back(self) -> bool {
        !self.trusts_names()
    }

    /// Whether it takes a sender's word for its name.
    pub(crate) fn trusts_names(self) -> bool {
        matches!(self, Behaviour::Promiscuous | Behaviour::Pumped)
    }

    fn suffix(self) -> &'static str {
        match self.rung() {
            Some(rung) => rung.name(),
            None => "dead",
        }
    }
}

/// How a remote treats its connections, whatever its rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// As fast as it can, for as long as its peer likes.
    #[default]
    Normal,
    /// Reads so many bytes a second from each connection that it accepted.
    SlowReader(u32),
    /// Writes so many bytes a second to each connection that it opened, once that may carry stanzas.
    SlowSender(u32),
    /// Resets each connection so long after its stream was opened, and opens its own again.
    Resetting(Duration),
    /// Takes the header of a stream and never answers. Over direct TLS the handshake is answered.
    Silent,
}

/// One remote domain.
#[derive(Debug)]
pub struct RemotePlan {
    /// Its name; under `.example`.
    pub domain: String,
    /// How it behaves.
    pub behaviour: Behaviour,
    /// How it treats connections.
    pub manner: Manner,
    /// Where it listens, alone or with other domains of the same kind of TLS; the connections it opens come from the same address.
    pub listen: SocketAddr,
    /// Its certificate; needed when the behaviour has TLS.
    pub credentials: Option<Credentials>,
}

impl RemotePlan {
    /// A remote without certificate.
    pub fn new(domain: &str, behaviour: Behaviour, listen: SocketAddr) -> RemotePlan {
        let manner = Manner::Normal;
        RemotePlan { domain: domain.to_owned(), behaviour, manner, listen, credentials: None }
    }

    /// Writes what it publishes into a zone.
    ///
    /// # Errors
    /// When its name is not a domain name.
    pub fn publish(&self, zone: &mut Zone) -> anyhow::Result<()> {
        match self.behaviour {
            Behaviour::Unlisted | Behaviour::Pumped => Ok(()),
            Behaviour::TrustedDirect => {
                zone.add_srv(&self.domain, Service::StartTls, &SrvTarget::not_offered())?;
                zone.add_server(&self.domain, Service::DirectTls, self.listen)
            }
            _ => zone.add_server(&self.domain, Service::StartTls, self.listen),
        }
    }
}

/// Where the server under test listens.
#[derive(Clone, Copy, Debug)]
pub struct RouterAddress {
    /// Its s2s port with STARTTLS.
    pub starttls: SocketAddr,
    /// Its s2s port with direct TLS; without one, [`Behaviour::TrustedDirect`] calls with STARTTLS.
    pub direct_tls: Option<SocketAddr>,
}

/// First port of a federation; below the ephemeral range, above the well-known services.
pub const PORT_DEFAULT: u16 = 15269;

/// Names and places for `count` remotes, mixed over all rungs: of each hundred, 10 promiscuous, 24 verified (half of them without
/// version), 26 secure, 36 trusted (a third over direct TLS) and 4 that bounce. Names are `d<number>.<rung>.example`. Certificates are
/// for the caller to add.
pub fn mixed(count: usize, port: u16) -> Vec<RemotePlan> {
    let behaviour = |number: usize| match number * 37 % 100 {
        0..10 => Behaviour::Promiscuous,
        10..22 => Behaviour::VerifiedBefore1_0,
        22..34 => Behaviour::Verified,
        34..60 => Behaviour::Secure,
        60..84 => Behaviour::Trusted,
        84..96 => Behaviour::TrustedDirect,
        96..99 => Behaviour::Dead,
        _ => Behaviour::Unlisted,
    };
    let remote = |number| {
        let behaviour = behaviour(number);
        RemotePlan::new(
            &format!("d{number}.{}.example", behaviour.suffix()),
            behaviour,
            place(number, port),
        )
    };
    (0..count).map(remote).collect()
}

/// The address of remote `number`: one of 127.16.0.1 to 127.31.255.254 for each, and a further port when they run out.
pub fn place(number: usize, port: u16) -> SocketAddr {
    const HOSTS: usize = 254;
    const ADDRESSES: usize = 16 * 256 * HOSTS;
    let (round, number) = (number / ADDRESSES, number % ADDRESSES);
    // Each part is in the range of its byte by construction; the rounds stay few.
    let byte = |value: usize| u8::try_from(value % 256).unwrap_or_default();
    let address = Ipv4Addr::new(
        127,
        16 + byte(number / (256 * HOSTS)),
        byte(number / HOSTS),
        1 + byte(number % HOSTS),
    );
    SocketAddr::new(
        IpAddr::V4(address),
        port.wrapping_add(u16::try_from(round).unwrap_or_default()),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_mixed_federation_has_every_behaviour_and_no_place_twice() {
        let remotes = mixed(300, PORT_DEFAULT);
        let places: HashSet<_> = remotes.iter().map(|remote| remote.listen).collect();
        assert_eq!(places.len(), 300);
        assert!(places.iter().all(|place| place.ip().is_loopback()));
        let behaviours: HashSet<_> = remotes.iter().map(|remote| remote.behaviour).collect();
        assert_eq!(behaviours.len(), 8);
        let trusted =
            remotes.iter().filter(|remote| remote.behaviour.rung() == Some(Rung::Trusted)).count();
        assert_eq!(trusted, 108);
    }

    #[test]
    fn what_cannot_be_reached_bounces_for_two_reasons() {
        let mut zone = Zone::new();
        RemotePlan::new("d1.dead.example", Behaviour::Unlisted, place(1, PORT_DEFAULT))
            .publish(&mut zone)
            .unwrap();
        assert!(zone.is_empty());
        RemotePlan::new("d2.dead.example", Behaviour::Dead, place(2, PORT_DEFAULT))
            .publish(&mut zone)
            .unwrap();
        assert!(!zone.is_empty());
    }
}
