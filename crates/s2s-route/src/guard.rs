//! Which addresses may be dialled.
//!
//! A peer's DNS decides where we connect. Without a guard it could point us at our own services, at the cloud's metadata
//! address or back at ourselves (threats A25, A31). The default is deny for everything that is not a public unicast
//! address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// Decides about one address at a time. `Guard::default()` allows public addresses only.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Networks that may be dialled although they are not public. Default: none. A tunnelled address (IPv4-mapped, NAT64,
    /// 6to4) is allowed when the network covers it or the IPv4 address inside it.
    pub allow: Vec<IpNet>,
    /// Addresses this process accepts on. Never dialled, whatever `allow` says: that would be a loop. An unspecified address
    /// (`[::]:5269`) stands for its port on `interfaces`, on 127.0.0.1 and on ::1.
    pub own_listeners: Vec<SocketAddr>,
    /// The addresses of this machine, for listeners on an unspecified address.
    pub interfaces: Vec<IpAddr>,
    /// Ports below 1024 that may be dialled. Default: 443, where many operators put direct TLS. Every other port below 1024
    /// belongs to another protocol (25, 22, 80, ...) and no XMPP server listens there; ports from 1024 on are all allowed,
    /// because SRV records exist to choose them.
    pub low_ports: Vec<u16>,
}

impl Default for Guard {
    fn default() -> Guard {
        Guard {
            allow: Vec::new(),
            own_listeners: Vec::new(),
            interfaces: Vec::new(),
            low_ports: vec![443],
        }
    }
}

/// Why an address is not dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuardRefusal {
    /// One of our own listeners.
    OwnListener,
    /// A port of another protocol.
    Port,
    /// Not a public unicast address, and not allowed by configuration.
    Address(SpecialUse),
}

/// What a non-public address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecialUse {
    /// 0.0.0.0/8, ::.
    Unspecified,
    /// 127.0.0.0/8, ::1.
    Loopback,
    /// RFC 1918, fc00::/7, fec0::/10.
    Private,
    /// 100.64.0.0/10 (RFC 6598).
    Shared,
    /// 169.254.0.0/16, fe80::/10.
    LinkLocal,
    /// 224.0.0.0/4, ff00::/8.
    Multicast,
    /// 255.255.255.255.
    Broadcast,
    /// RFC 5737, RFC 3849, RFC 9637.
    Documentation,
    /// Other blocks of the IANA special-purpose registries that are not globally reachable unicast.
    Reserved,
}

impl Guard {
    /// Whether `address` may be dialled.
    ///
    /// # Errors
    /// The reason it may not.
    pub fn check(&self, address: SocketAddr) -> Result<(), GuardRefusal> {
        let ip = address.ip().to_canonical();
        if self.is_own(ip, address.port()) {
            return Err(GuardRefusal::OwnListener);
        }
        if address.port() < 1024 && !self.low_ports.contains(&address.port()) || address.port() == 0
        {
            return Err(GuardRefusal::Port);
        }
        match special_use(ip) {
            Some(_) if self.is_allowed(ip) => Ok(()),
            Some(special) => Err(GuardRefusal::Address(special)),
            None => Ok(()),
        }
    }

    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        let reached = embedded(ip).map_or(ip, IpAddr::V4);
        self.own_listeners.iter().filter(|own| own.port() == port).any(|own| {
            let own = own.ip().to_canonical();
            if !own.is_unspecified() {
                return own == reached;
            }
            // The unspecified address as a destination reaches this very machine.
            reached.is_unspecified()
                || reached == IpAddr::V4(Ipv4Addr::LOCALHOST)
                || reached == IpAddr::V6(Ipv6Addr::LOCALHOST)
                || self.interfaces.iter().any(|interface| interface.to_canonical() == reached)
        })
    }

    fn is_allowed(&self, ip: IpAddr) -> bool {
        let inner = embedded(ip).map(IpAddr::V4);
        self.allow
            .iter()
            .any(|net| net.contains(&ip) || inner.is_some_and(|inner| net.contains(&inner)))
    }
}

/// What a non-public address is for; `None` for public unicast.
fn special_use(ip: IpAddr) -> Option<SpecialUse> {
    match ip {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(ip: Ipv4Addr) -> Option<SpecialUse> {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (0, _, _) => Some(SpecialUse::Unspecified),
        (127, _, _) => Some(SpecialUse::Loopback),
        (10, _, _) | (172, 16..=31, _) | (192, 168, _) => Some(SpecialUse::Private),
        (100, 64..=127, _) => Some(SpecialUse::Shared),
        (169, 254, _) => Some(SpecialUse::LinkLocal),
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => Some(SpecialUse::Documentation),
        // IETF protocol assignments, 6to4 relays, benchmarking.
        (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _) => Some(SpecialUse::Reserved),
        (224..=239, _, _) => Some(SpecialUse::Multicast),
        (255, 255, 255) if ip.is_broadcast() => Some(SpecialUse::Broadcast),
        (240..=255, _, _) => Some(SpecialUse::Reserved),
        _ => None,
    }
}

fn special_v6(ip: Ipv6Addr) -> Option<SpecialUse> {
    if ip.is_unspecified() {
        return Some(SpecialUse::Unspecified);
    }
    if ip.is_loopback() {
        return Some(SpecialUse::Loopback);
    }
    if let Some(inner) = embedded(IpAddr::V6(ip)) {
        // A translator or tunnel carries the packet to the inner address: that one decides.
        return special_v4(inner);
    }
    let [a, b, ..] = ip.segments();
    match (a, b) {
        (0xFF00..=0xFFFF, _) => Some(SpecialUse::Multicast),
        (0xFE80..=0xFEBF, _) => Some(SpecialUse::LinkLocal),
        (0xFC00..=0xFDFF | 0xFEC0..=0xFEFF, _) => Some(SpecialUse::Private),
        (0x2001, 0x0DB8) | (0x3FFF, 0x0000..=0x0FFF) => Some(SpecialUse::Documentation),
        // 2001::/23, IETF protocol assignments: Teredo, benchmarking, ORCHID.
        (0x2001, 0x0000..=0x01FF) => Some(SpecialUse::Reserved),
        // Global unicast is 2000::/3; all the rest is local-use NAT64, discard-only, segment routing or unassigned.
        (0x2000..=0x3FFF, _) => None,
        _ => Some(SpecialUse::Reserved),
    }
}

/// The IPv4 address a packet to this IPv6 address ends at: IPv4-mapped and IPv4-compatible (RFC 4291 §2.5.5), NAT64 with
/// the well-known prefix (RFC 6052 §2.1), 6to4 (RFC 3056 §2).
fn embedded(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = ip else { return None };
    if v6.is_loopback() || v6.is_unspecified() {
        return None;
    }
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let low = || Some(join(g, h));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0 | 0xFFFF) => low(),
        (0x0064, 0xFF9B, 0, 0, 0, 0) => low(),
        (0x2002, ..) => Some(join(b, c)),
        _ => None,
    }
}

fn join(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests;
