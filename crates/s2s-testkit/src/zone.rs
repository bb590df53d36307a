//! An authoritative DNS server on a loopback port, for tests, the demo and the load generator.
//!
//! It answers SRV for both services of XMPP, A and AAAA over UDP and TCP, from one table that may change while it runs. Names that
//! exist without the type asked for get NODATA, others NXDOMAIN, both with an SOA record, so that negative answers are cached for as
//! long as the table says (RFC 2308 §3). There is no DNSSEC, no recursion and no zone transfer.
//!
//! Choose names under `.example`: libunbound, on which Prosody's resolver is built, refuses everything under `.test`.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::oneshot;

/// Longest answer over UDP to a query without EDNS (RFC 1035 §2.3.4).
const UDP_BYTES_MAX: usize = 512;
/// TCP connections served at once; more wait in the accept queue.
const TCP_CONNECTIONS_MAX: usize = 64;
/// A TCP connection without a query for this long is closed.
const TCP_IDLE: Duration = Duration::from_secs(10);

/// Which service a remote server offers at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// `_xmpp-server._tcp`: STARTTLS (RFC 6120 §3.2.1).
    StartTls,
    /// `_xmpps-server._tcp`: TLS from the first byte (XEP-0368).
    DirectTls,
}

impl Service {
    fn owner(self, domain: &str) -> String {
        match self {
            Service::StartTls => format!("_xmpp-server._tcp.{domain}"),
            Service::DirectTls => format!("_xmpps-server._tcp.{domain}"),
        }
    }
}

/// The records of a zone. Names are compared without case and without the final dot.
#[derive(Clone, Debug)]
pub struct Zone {
    records: HashMap<String, Vec<RData>>,
    failing: Vec<String>,
    ttl_seconds: u32,
}

impl Default for Zone {
    fn default() -> Zone {
        Zone { records: HashMap::new(), failing: Vec::new(), ttl_seconds: 300 }
    }
}

impl Zone {
    /// A zone without names; every answer is NXDOMAIN.
    pub fn new() -> Zone {
        Zone::default()
    }

    /// The time to live of every record and of negative answers, in seconds. Default 300.
    pub fn set_ttl(&mut self, ttl_seconds: u32) {
        self.ttl_seconds = ttl_seconds;
    }

    /// Adds an SRV record: `domain` offers `service` at `target:port`. A target of `.` says that the service is not offered
    /// (RFC 2782).
    ///
    /// # Errors
    /// When `target` is not a domain name.
    pub fn add_srv(
        &mut self,
        domain: &str,
        service: Service,
        srv: &SrvTarget,
    ) -> anyhow::Result<()> {
        let mut target =
            Name::from_ascii(&srv.target).with_context(|| format!("SRV target {}", srv.target))?;
        target.set_fqdn(true);
        let record = SRV::new(srv.priority, srv.weight, srv.port, target);
        self.add(&service.owner(domain), RData::SRV(record));
        Ok(())
    }

    /// Adds an A or AAAA record.
    pub fn add_address(&mut self, name: &str, address: IpAddr) {
        let record = match address {
            IpAddr::V4(v4) => RData::A(A(v4)),
            IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
        };
        self.add(name, record);
    }

    /// Adds what a server usually publishes: one SRV record of `service` at a host `xmpp.<domain>`, and that host's address.
    ///
    /// # Errors
    /// When `domain` is not a domain name.
    pub fn add_server(
        &mut self,
        domain: &str,
        service: Service,
        address: SocketAddr,
    ) -> anyhow::Result<()> {
        let host = format!("xmpp.{domain}");
        self.add_address(&host, address.ip());
        self.add_srv(domain, service, &SrvTarget::new(&host, address.port()))
    }

    /// Makes every query for `name` and for names below it fail with SERVFAIL.
    pub fn fail(&mut self, name: &str) {
        self.failing.push(normal(name));
    }

    /// Takes `domain`, all names below it and its failures out of the zone.
    pub fn remove(&mut self, domain: &str) {
        let domain = normal(domain);
        self.records.retain(|name, _| !is_at_or_below(name, &domain));
        self.failing.retain(|name| *name != domain);
    }

    /// How many names own records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether no name owns a record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn add(&mut self, name: &str, record: RData) {
        let name = normal(name);
        // The names above exist too, without records: asking for them answers NODATA, not NXDOMAIN (RFC 8020 §2).
        let mut above = name.as_str();
        while let Some((_, parent)) = above.split_once('.') {
            if self.records.contains_key(parent) {
                break;
            }
            self.records.insert(parent.to_owned(), Vec::new());
            above = parent;
        }
        self.records.entry(name).or_default().push(record);
    }

    fn answer(&self, query: &Message) -> Message {
        let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
        reply.metadata.recursion_desired = query.metadata.recursion_desired;
        // RFC 6891 §6.1.1: whoever asks with an OPT record is answered with one.
        if query.edns.is_some() {
            reply.set_edns(Edns::new());
        }
        if query.metadata.message_type != MessageType::Query
            || query.metadata.op_code != OpCode::Query
        {
            reply.metadata.response_code = ResponseCode::NotImp;
            return reply;
        }
        let [question] = query.queries.as_slice() else {
            reply.metadata.response_code = ResponseCode::FormErr;
            return reply;
        };
        reply.add_query(question.clone());
        reply.metadata.authoritative = true;
        let name = normal(&question.name().to_ascii());
        if self.failing.iter().any(|failing| is_at_or_below(&name, failing)) {
            reply.metadata.response_code = ResponseCode::ServFail;
            return reply;
        }
        let records = self.records.get(&name);
        let wanted = question.query_type();
        for record in records.into_iter().flatten() {
            if wanted == record.record_type() || wanted == RecordType::ANY {
                reply.add_answer(Record::from_rdata(
                    question.name().clone(),
                    self.ttl_seconds,
                    record.clone(),
                ));
            }
        }
        if reply.answers.is_empty() {
            if records.is_none() {
                reply.metadata.response_code = ResponseCode::NXDomain;
            }
            reply.add_authority(self.start_of_authority());
        }
        reply
    }

    fn start_of_authority(&self) -> Record {
        let root = Name::root();
        let soa = SOA::new(root.clone(), root.clone(), 1, 3600, 600, 86400, self.ttl_seconds);
        Record::from_rdata(root, self.ttl_seconds, RData::SOA(soa))
    }
}

/// The data of an SRV record (RFC 2782).
#[derive(Clone, Debug)]
pub struct SrvTarget {
    /// Lower is tried first.
    pub priority: u16,
    /// Share among the targets of the same priority.
    pub weight: u16,
    /// TCP port.
    pub port: u16,
    /// Host name, or `.` for "not offered".
    pub target: String,
}

impl SrvTarget {
    /// A target of priority and weight 0.
    pub fn new(target: &str, port: u16) -> SrvTarget {
        SrvTarget { priority: 0, weight: 0, port, target: target.to_owned() }
    }

    /// The single record that says "this service is not offered here".
    pub fn not_offered() -> SrvTarget {
        SrvTarget::new(".", 0)
    }
}

/// A running DNS server. It has a thread of its own, so that it answers while the caller's runtime is busy; dropping it stops it.
#[derive(Debug)]
pub struct ZoneServer {
    zone: Arc<RwLock<Zone>>,
    address: SocketAddr,
    queries: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ZoneServer {
    /// Starts to answer for `zone` at `address`, on UDP and TCP. Port 0 chooses a free one.
    ///
    /// # Errors
    /// When the address is not a loopback address or cannot be bound.
    pub fn start(address: SocketAddr, zone: Zone) -> anyhow::Result<ZoneServer> {
        anyhow::ensure!(
            address.ip().is_loopback(),
            "the DNS server answers on loopback addresses only, not on {address}"
        );
        let (udp, tcp) = bind(address)?;
        let address = udp.local_addr()?;
        let zone = Arc::new(RwLock::new(zone));
        let queries = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let served = Served { zone: Arc::clone(&zone), queries: Arc::clone(&queries) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("zone".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let (Ok(udp), Ok(tcp)) = (UdpSocket::from_std(udp), TcpListener::from_std(tcp))
                else {
                    return;
                };
                tokio::select! {
                    _ = stopped => {}
                    () = serve_udp(&udp, &served) => {}
                    () = serve_tcp(&tcp, &served) => {}
                }
            });
        })?;
        Ok(ZoneServer { zone, address, queries, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Queries answered so far.
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// Changes the zone; the next query sees it.
    pub fn change(&self, change: impl FnOnce(&mut Zone)) {
        // A panic in another `change` leaves a table that is still a table.
        let mut zone = self.zone.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut zone);
    }
}

impl Drop for ZoneServer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panicked server thread has nothing more to say here.
            let _ = thread.join();
        }
    }
}

#[derive(Clone)]
struct Served {
    zone: Arc<RwLock<Zone>>,
    queries: Arc<AtomicU64>,
}

impl Served {
    fn reply(&self, query: &[u8], bytes_max: Option<usize>) -> Option<Vec<u8>> {
        let query = Message::from_vec(query).ok()?;
        self.queries.fetch_add(1, Ordering::Relaxed);
        let reply =
            self.zone.read().unwrap_or_else(std::sync::PoisonError::into_inner).answer(&query);
        let bytes = reply.to_vec().ok()?;
        let Some(fixed) = bytes_max else { return Some(bytes) };
        let room =
            query.edns.as_ref().map_or(fixed, |edns| usize::from(edns.max_payload()).max(fixed));
        if bytes.len() <= room { Some(bytes) } else { reply.truncate().to_vec().ok() }
    }
}

/// Binds one port for both transports; with port 0 the UDP port is chosen and may be taken on TCP, so a few are tried.
fn bind(address: SocketAddr) -> anyhow::Result<(std::net::UdpSocket, std::net::TcpListener)> {
    let mut attempts = if address.port() == 0 { 16 } else { 1 };
    loop {
        attempts -= 1;
        let udp = std::net::UdpSocket::bind(address).with_context(|| format!("UDP {address}"))?;
        match std::net::TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => {
                udp.set_nonblocking(true)?;
                tcp.set_nonblocking(true)?;
                return Ok((udp, tcp));
            }
            Err(_) if attempts > 0 => {}
            Err(error) => return Err(error).with_context(|| format!("TCP {address}")),
        }
    }
}

async fn serve_udp(socket: &UdpSocket, served: &Served) {
    let mut buffer = vec![0; 4096];
    loop {
        // Errors here are of single packets (an ICMP answer to an earlier reply).
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(reply) = served.reply(&buffer[..length], Some(UDP_BYTES_MAX)) {
            let _ = socket.send_to(&reply, from).await;
        }
    }
}

async fn serve_tcp(listener: &TcpListener, served: &Served) {
    let room = Arc::new(tokio::sync::Semaphore::new(TCP_CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = served.clone();
                tokio::spawn(async move {
                    let _ = serve_connection(stream, &served).await;
                    drop(permit);
                });
            }
            // Out of descriptors: let others close theirs.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve_connection(mut stream: TcpStream, served: &Served) -> std::io::Result<()> {
    loop {
        let length = tokio::time::timeout(TCP_IDLE, stream.read_u16()).await??;
        let mut query = vec![0; usize::from(length)];
        tokio::time::timeout(TCP_IDLE, stream.read_exact(&mut query)).await??;
        let Some(reply) = served.reply(&query, None) else { return Ok(()) };
        let Ok(length) = u16::try_from(reply.len()) else { return Ok(()) };
        // RFC 7766 §8: length and message in one segment.
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(&reply);
        stream.write_all(&framed).await?;
    }
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn is_at_or_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests;
