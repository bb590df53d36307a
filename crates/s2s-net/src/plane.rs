//! The data plane as the control plane sees it: start, talk to, stop.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use monoio::net::TcpListener;
use monoio::{FusionDriver, RuntimeBuilder};
use rustix::event::{EventfdFlags, eventfd};
use s2s_route::{Discovery, DnsFailure, ShardId};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tracing::error;
use xmpp_addr::Domain as XmppDomain;

use crate::control::{ControlQueue, ControlRequest};
use crate::drain::DrainBoard;
use crate::mailbox::{Exchange, Outgoing};
use crate::settings::{Boot, Listener, Settings};
use crate::shard::{Common, Mail, Shard};
use crate::tasks;
use crate::tls::SharedTls;

/// Connections that may wait to be accepted on one listener and shard.
const BACKLOG: i32 = 1_024;

/// Submission entries of one shard's ring.
const RING_ENTRIES: u32 = 4_096;

/// Why the data plane could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened on.
    Listen {
        /// The address.
        address: SocketAddr,
        /// The reason.
        error: io::Error,
    },
    /// The number of shards is not 1 to 256.
    Shards(u16),
    /// Threads, rings or descriptors cannot be had.
    System(io::Error),
    /// The TLS library cannot start.
    Tls(rustls::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Listen { address, error } => {
                write!(f, "cannot listen on {address}: {error}")
            }
            StartError::Shards(shards) => write!(f, "{shards} shards: must be 1 to 256"),
            StartError::System(error) => write!(f, "cannot start the data plane: {error}"),
            StartError::Tls(error) => write!(f, "cannot start TLS: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        StartError::System(error)
    }
}

/// The running shards. Dropping it does not stop them: [`DataPlane::drain`], then [`DataPlane::join`].
pub struct DataPlane {
    listening: Vec<Listener>,
    threads: Vec<JoinHandle<()>>,
    // Only the control plane takes this lock.
    mail: Mutex<Outgoing<Mail>>,
}

/// Binds every listener and starts one thread for each shard.
///
/// # Errors
/// See [`StartError`]; nothing keeps running then.
pub fn start(boot: Boot, control: Arc<ControlQueue>) -> Result<DataPlane, StartError> {
    let Boot { shards: count, pin_to_cores, listeners, boot_secret, settings } = boot;
    if count == 0 || count > 256 {
        return Err(StartError::Shards(count));
    }
    let shards = usize::from(count);
    let (listening, mut sockets) = bind_all(&listeners, shards)?;
    let exchange = Exchange::new(shards)?;
    let common = Arc::new(Common {
        exchange: Arc::clone(&exchange),
        control,
        tls: SharedTls::new().map_err(StartError::Tls)?,
        boot_secret,
        shards: count,
        listeners: listening.iter().map(|listener| listener.address).collect(),
        interfaces: interfaces()?,
        pressed: (0..shards).map(|_| AtomicBool::new(false)).collect(),
        drain: DrainBoard::default(),
        started: Instant::now(),
    });
    let cores = if pin_to_cores { usable_cores()? } else { Vec::new() };
    let mail = Mutex::new(Outgoing::new(exchange, shards));
    let mut plane = DataPlane { listening, threads: Vec::with_capacity(shards), mail };
    let (ready, ready_of) = mpsc::channel();
    let mut outcome = Ok(());
    for shard in 0..count {
        let sockets = std::mem::take(&mut sockets[usize::from(shard)]);
        let (common, settings, ready) = (Arc::clone(&common), Arc::clone(&settings), ready.clone());
        let core = (!cores.is_empty()).then(|| cores[usize::from(shard) % cores.len()]);
        let spawned = std::thread::Builder::new()
            .name(format!("shard-{shard}"))
            .spawn(move || run(ShardId(shard), core, &common, settings, sockets, ready));
        match spawned {
            Ok(thread) => plane.threads.push(thread),
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    drop(ready);
    // Each thread reports once; one that could not even do that counts by its silence.
    let reports: Vec<io::Result<()>> = ready_of.iter().collect();
    let silent = reports.len() < shards;
    outcome = reports.into_iter().fold(outcome, Result::and);
    if silent {
        outcome = outcome.and(Err(io::Error::other("a shard's thread ended at once")));
    }
    match outcome {
        Ok(()) => Ok(plane),
        Err(error) => {
            plane.drain();
            let _ = plane.join();
            Err(error.into())
        }
    }
}

impl DataPlane {
    /// The listeners, with the ports they really have.
    #[must_use]
    pub fn listening(&self) -> &[Listener] {
        &self.listening
    }

    /// Answers `ControlRequest::Resolve`.
    pub fn resolved(
        &self,
        shard: ShardId,
        remote: XmppDomain,
        result: Result<Discovery, DnsFailure>,
    ) {
        self.send(usize::from(shard.0), Mail::Resolved { remote, result });
    }

    /// Hands new settings to all shards. Open streams that they still allow go on; the others are ended with `reset`.
    pub fn reload(&self, settings: &Arc<Settings>) {
        for shard in 0..self.threads.len() {
            self.send(shard, Mail::Reload(Arc::clone(settings)));
        }
    }

    /// Ends all streams; every shard reports `ControlRequest::Stopped` when it is done.
    pub fn drain(&self) {
        for shard in 0..self.threads.len() {
            self.send(shard, Mail::Drain);
        }
    }

    /// Sends again what did not fit into a mailbox. Call it now and then.
    pub fn flush(&self) {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }

    /// Waits for the shards' threads.
    ///
    /// # Errors
    /// The number of threads that ended by a panic.
    pub fn join(self) -> Result<(), usize> {
        let panicked = self.threads.into_iter().filter_map(|thread| thread.join().err()).count();
        if panicked == 0 { Ok(()) } else { Err(panicked) }
    }

    fn send(&self, shard: usize, letter: Mail) {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        mail.send(shard, letter);
        mail.flush();
    }
}

/// The life of one shard's thread.
fn run(
    id: ShardId,
    core: Option<usize>,
    common: &Arc<Common>,
    settings: Arc<Settings>,
    sockets: Vec<(std::net::TcpListener, Listener)>,
    ready: mpsc::Sender<io::Result<()>>,
) {
    if let Some(core) = core {
        let mut set = rustix::thread::CpuSet::new();
        set.set(core);
        // A core that was taken away meanwhile: the scheduler decides then.
        let _ = rustix::thread::sched_setaffinity(None, &set);
    }
    // Used once and dropped: the starting thread waits until no sender is left.
    let ready = Rc::new(Cell::new(Some(ready)));
    let ready_of_shard = Rc::clone(&ready);
    let outcome = RuntimeBuilder::<FusionDriver>::new()
        .enable_timer()
        .with_entries(RING_ENTRIES)
        .build()
        .and_then(|mut runtime| {
            let common_of_shard = Arc::clone(common);
            runtime.block_on(async move {
                let shard = Shard::new(id, Arc::clone(&common_of_shard), settings);
                for (socket, listener) in sockets {
                    monoio::spawn(tasks::accept(
                        Rc::clone(&shard),
                        TcpListener::from_std(socket)?,
                        listener.kind,
                    ));
                }
                let event = common_of_shard.exchange.event(usize::from(id.0))?;
                let always_ready = eventfd(1, EventfdFlags::CLOEXEC)?;
                monoio::spawn(tasks::mail(Rc::clone(&shard), event, always_ready));
                drop(ready_of_shard.take().map(|ready| ready.send(Ok(()))));
                tasks::clock(shard).await;
                Ok::<(), io::Error>(())
            })
        });
    if let Err(error) = outcome {
        error!(shard = %id, %error, "shard cannot run");
        drop(ready.take().map(|ready| ready.send(Err(error))));
    }
    let mut stopped = ControlRequest::Stopped(id);
    while let Err(again) = common.control.push(stopped) {
        stopped = again;
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

type Sockets = Vec<Vec<(std::net::TcpListener, Listener)>>;

/// Each shard gets its own socket for each listener (`SO_REUSEPORT`); the kernel spreads the
/// connections over them.
fn bind_all(listeners: &[Listener], shards: usize) -> Result<(Vec<Listener>, Sockets), StartError> {
    let mut sockets: Sockets = (0..shards).map(|_| Vec::new()).collect();
    let mut real = Vec::with_capacity(listeners.len());
    for listener in listeners {
        let failed = |error| StartError::Listen { address: listener.address, error };
        // Without SO_REUSEPORT first: two processes must not share a port by accident.
        drop(bind(listener.address, false).map_err(failed)?);
        let mut address = listener.address;
        for own in &mut sockets {
            let socket = bind(address, true).map_err(failed)?;
            address = socket.local_addr().map_err(failed)?;
            own.push((socket, Listener { address, ..*listener }));
        }
        real.push(Listener { address, ..*listener });
    }
    Ok((real, sockets))
}

fn bind(address: SocketAddr, share: bool) -> io::Result<std::net::TcpListener> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    // epoll, the fallback driver, needs it; a ring must not have it.
    socket.set_nonblocking(!monoio::utils::detect_uring())?;
    socket.bind(&SockAddr::from(address))?;
    if share {
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}

/// The addresses of this machine, which are never dialled.
fn interfaces() -> io::Result<Vec<IpAddr>> {
    Ok(if_addrs::get_if_addrs()?.into_iter().map(|interface| interface.ip()).collect())
}

fn usable_cores() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..rustix::thread::CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}
