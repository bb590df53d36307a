//! From DNS answers to the list of addresses to try: a pure function.

use std::net::{IpAddr, SocketAddr};

use crate::guard::{Guard, GuardRefusal};
use crate::random::Random;

/// The DNS answers of one remote domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// `_xmpps-server._tcp`: direct TLS (XEP-0368).
    pub xmpps: SrvAnswer,
    /// `_xmpp-server._tcp`: STARTTLS (RFC 6120 §3.2.1).
    pub xmpp: SrvAnswer,
    /// Addresses of the hosts the records name. A host without addresses may be left out.
    pub hosts: Vec<HostAddresses>,
    /// A/AAAA of the domain itself; asked only when both services have no records.
    pub fallback: Vec<IpAddr>,
    /// The shortest TTL of the answers, in seconds.
    pub ttl_secs: u32,
    /// All answers were validated by DNSSEC.
    pub dnssec: bool,
}

/// The answer about one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SrvAnswer {
    /// The service has no SRV records.
    NoRecords,
    /// Its records.
    Records(Vec<Srv>),
    /// One record whose target is `.`: decidedly not available (RFC 2782).
    NotOffered,
}

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower is tried first.
    pub priority: u16,
    /// Share of the traffic inside the priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; compared with [`HostAddresses::name`] without regard to case and final dot.
    pub target: String,
}

/// The addresses of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAddresses {
    /// The host.
    pub name: String,
    /// Its A and AAAA records, in the order to try them.
    pub addresses: Vec<IpAddr>,
}

/// Why a remote domain could not be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsFailure {
    /// NXDOMAIN.
    NoSuchDomain,
    /// SERVFAIL, timeout, bogus: nothing is known, and "no records" least of all.
    Temporary,
}

/// How TLS starts on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// In clear first, then STARTTLS.
    StartTls,
    /// With the connection; SNI is the remote domain (XEP-0368), ALPN `xmpp-server`.
    Direct,
}

/// One address to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// How TLS starts.
    pub tls: TlsMode,
    /// The SRV priority: targets of one number are one group. 0 for the fallback.
    pub priority: u16,
    /// The host the address belongs to: the SRV target, or the domain's own name left out (`None`) for the fallback. DANE
    /// looks its records up here (RFC 7673).
    pub host: Option<Box<str>>,
}

/// Why there is no address to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoTargets {
    /// The domain says it has no such service.
    NotOffered,
    /// No host of it has an address.
    NoAddresses,
    /// Its addresses are all ours: a loop.
    OwnAddress,
    /// All its addresses are refused by the guard.
    Refused,
}

/// Addresses in one plan at most; a zone with more is cut, the least preferred first.
pub const TARGETS_MAX: usize = 16;
/// The port without SRV (RFC 6120 §3.2.2); STARTTLS, direct TLS has no default port (XEP-0368).
const FALLBACK_PORT: u16 = 5269;
/// SRV records looked at per service.
const RECORDS_MAX: usize = 64;

/// The addresses to try, in order.
///
/// Records of both services form one list (XEP-0368: "mixed"), lower priorities first, inside one priority by weighted
/// chance (RFC 2782). A/AAAA of the domain count only when neither service has records (RFC 6120 §3.2.1 step 8: no
/// fallback once SRV answered; XEP-0368: nor when one service answered `.`).
///
/// # Errors
/// [`NoTargets`] says why the list would be empty.
pub fn plan(
    discovery: &Discovery,
    guard: &Guard,
    random: &mut Random,
) -> Result<Vec<Target>, NoTargets> {
    let mut records = Vec::new();
    let xmpps = collect(&discovery.xmpps, TlsMode::Direct, &mut records);
    let xmpp = collect(&discovery.xmpp, TlsMode::StartTls, &mut records);
    let mut screen = Screen { guard, targets: Vec::new(), refused: 0, own: 0 };
    match (xmpps, xmpp) {
        (Offer::Unknown, Offer::Unknown) => {
            for ip in &discovery.fallback {
                screen.admit(Target {
                    address: SocketAddr::new(*ip, FALLBACK_PORT),
                    tls: TlsMode::StartTls,
                    priority: 0,
                    host: None,
                });
            }
        }
        _ if records.is_empty() => return Err(NoTargets::NotOffered),
        _ => {
            order(&mut records, random);
            for record in &records {
                for ip in addresses(&discovery.hosts, &record.srv.target) {
                    screen.admit(Target {
                        address: SocketAddr::new(*ip, record.srv.port),
                        tls: record.tls,
                        priority: record.srv.priority,
                        host: Some(record.srv.target.trim_end_matches('.').into()),
                    });
                }
            }
        }
    }
    screen.finish()
}

/// What a service's answer amounts to.
enum Offer {
    Unknown,
    Answered,
}

struct Record<'a> {
    srv: &'a Srv,
    tls: TlsMode,
}

fn collect<'a>(answer: &'a SrvAnswer, tls: TlsMode, records: &mut Vec<Record<'a>>) -> Offer {
    match answer {
        SrvAnswer::NoRecords => Offer::Unknown,
        SrvAnswer::NotOffered => Offer::Answered,
        SrvAnswer::Records(list) if list.is_empty() => Offer::Unknown,
        SrvAnswer::Records(list) => {
            let named = list.iter().filter(|srv| !is_root(&srv.target)).take(RECORDS_MAX);
            records.extend(named.map(|srv| Record { srv, tls }));
            Offer::Answered
        }
    }
}

fn is_root(target: &str) -> bool {
    target.trim_end_matches('.').is_empty()
}

fn addresses<'a>(hosts: &'a [HostAddresses], target: &str) -> &'a [IpAddr] {
    let target = target.trim_end_matches('.');
    hosts
        .iter()
        .find(|host| host.name.trim_end_matches('.').eq_ignore_ascii_case(target))
        .map_or(&[], |host| host.addresses.as_slice())
}

/// Sorts by priority, then draws the order inside each priority.
fn order(records: &mut Vec<Record<'_>>, random: &mut Random) {
    // RFC 2782: records of weight 0 stand at the front when the sum is run, which gives them a small chance.
    records.sort_by_key(|record| (record.srv.priority, record.srv.weight != 0));
    let mut rest = std::mem::take(records);
    while let Some(priority) = rest.first().map(|record| record.srv.priority) {
        let group = rest.iter().take_while(|record| record.srv.priority == priority);
        let sum: u64 = group.map(|record| u64::from(record.srv.weight)).sum();
        let drawn = random.between(0, sum);
        let mut running = 0;
        // "select the RR whose running sum value is the first in the selected order which is greater than or equal to
        // the random number selected" (RFC 2782). The last of the group reaches the sum, so one is always found.
        let chosen = rest
            .iter()
            .position(|record| {
                running += u64::from(record.srv.weight);
                running >= drawn
            })
            .unwrap_or(0);
        records.push(rest.remove(chosen));
    }
}

/// Lets through what the guard allows, once.
struct Screen<'a> {
    guard: &'a Guard,
    targets: Vec<Target>,
    refused: usize,
    own: usize,
}

impl Screen<'_> {
    fn admit(&mut self, target: Target) {
        match self.guard.check(target.address) {
            Err(GuardRefusal::OwnListener) => self.own += 1,
            Err(GuardRefusal::Port | GuardRefusal::Address(_)) => self.refused += 1,
            Ok(()) => {
                let known =
                    |other: &Target| other.address == target.address && other.tls == target.tls;
                if self.targets.len() < TARGETS_MAX && !self.targets.iter().any(known) {
                    self.targets.push(target);
                }
            }
        }
    }

    fn finish(self) -> Result<Vec<Target>, NoTargets> {
        if !self.targets.is_empty() {
            return Ok(self.targets);
        }
        Err(match (self.own, self.refused) {
            (0, 0) => NoTargets::NoAddresses,
            (0, _) => NoTargets::Refused,
            _ => NoTargets::OwnAddress,
        })
    }
}

#[cfg(test)]
mod tests;
