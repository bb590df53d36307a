//! `peerage run`: from a configuration to a running router, and back.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use s2s_net::{Boot, ControlQueue, DataPlane, StartError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{error, info, warn};

use crate::board::Board;
use crate::check::show_listener;
use crate::config::{Loaded, LogLevel, Refused, Surroundings, load};
use crate::control::{Control, Ended, Signal, show_loaded};
use crate::embedded::{Embedded, EmbeddedError};
use crate::leaves::{self, Leaves};
use crate::logs::Log;
use crate::reload::Reload;
use crate::state::{self, StateError};
use crate::{admin, ca, descriptors, metrics};

/// Requests of the shards that the control thread has not served yet, for each shard.
const CONTROL_REQUESTS_A_SHARD: usize = 4_096;

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// None: the embedded configuration.
    pub config: Option<PathBuf>,
    /// Wins over `log.level`.
    pub log_level: Option<LogLevel>,
}

/// Why the router did not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration has errors.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// The embedded one could not be made.
    #[error("{0}")]
    Embedded(#[from] EmbeddedError),
    /// The state directory.
    #[error("{0}")]
    State(#[from] StateError),
    /// The internal CA.
    #[error("{0}")]
    Ca(#[from] ca::CaError),
    /// The admin port.
    #[error("admin.listen = {address}: cannot listen: {source}")]
    Admin {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The data plane.
    #[error("{0}")]
    Start(#[from] StartError),
    /// The runtime of the control thread, or its signals.
    #[error("control thread: {0}")]
    Runtime(#[from] std::io::Error),
    /// The resolver.
    #[error("{0}")]
    Resolver(String),
    /// So many shard threads ended by a panic.
    #[error("{0} shard threads ended by a panic")]
    Shards(usize),
}

/// Runs until it is told to end.
///
/// # Errors
/// [`RunError`]: nothing was started, or a shard failed.
pub fn run(options: RunOptions) -> Result<Ended, RunError> {
    descriptors::raise();
    // The data plane names its provider itself; this is for whoever else asks rustls.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let surroundings = Surroundings::here();
    let embedded = match options.config {
        Some(_) => None,
        None => Some(Embedded::create(&std::env::temp_dir())?),
    };
    let loaded = match (&options.config, &embedded) {
        (Some(file), _) => load(file, surroundings)?,
        (None, Some(embedded)) => embedded.load(surroundings)?,
        (None, None) => unreachable!("without a file there is an embedded one"),
    };
    let state_dir = &loaded.config.router.state_dir.value;
    let secret = state::open_secret(state_dir)?;
    let leaves = leaves::open(&loaded, state_dir, None, surroundings.now)?.map(Arc::new);

    let level = options.log_level.unwrap_or(loaded.config.log_level);
    let log = Log::start(level, loaded.config.log_format);
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    if let Some(leaves) = &leaves {
        announce_authority(leaves, surroundings.now);
    }
    let level_fixed = options.log_level.is_some();
    let reload = Reload::new(options.config, loaded, secret, leaves, level_fixed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(reload, &log, embedded.as_ref()))?;
    match &ended {
        Ended::Drained => info!("drained: bye"),
        Ended::Overdue(shards) => {
            warn!(shards, "the drain deadline has passed: connections are cut");
        }
        Ended::Forced => warn!("second signal: connections are cut"),
    }
    // Blocking look-ups of the resolver must not hold the process.
    runtime.shutdown_background();
    Ok(ended)
}

async fn serve(reload: Reload, log: &Log, embedded: Option<&Embedded>) -> Result<Ended, RunError> {
    let address = reload.current().config.admin.listen.value;
    let admin =
        TcpListener::bind(address).await.map_err(|source| RunError::Admin { address, source })?;
    let mut signals = signals()?;

    let wake = Arc::new(Notify::new());
    let waker = Arc::clone(&wake);
    let capacity = CONTROL_REQUESTS_A_SHARD * usize::from(reload.current().shards);
    let queue = ControlQueue::new(capacity, Box::new(move || waker.notify_one()));
    let plane = s2s_net::start(boot(&reload)?, Arc::clone(&queue))?;
    announce(reload.current(), &plane, admin.local_addr()?);
    if let Some(embedded) = embedded {
        eprintln!("{}", embedded.next_steps());
    }

    let mut board = Board::new(reload.current().shards);
    show_loaded(&mut board, &reload);
    let board = Arc::new(Mutex::new(board));
    let registry = metrics::registry(Arc::clone(&board), Some(log.dropped()));
    let (stop, stopped) = oneshot::channel::<()>();
    let admin = admin::serve(admin, Arc::clone(&board), registry, async {
        let _ = stopped.await;
    });
    let admin = tokio::spawn(admin);

    let set_level = Box::new(|level| log.set_level(level));
    let control =
        Control::new(&plane, queue, wake, board, reload, set_level).map_err(RunError::Resolver)?;
    let ended = control.run(&mut signals).await;
    drop(stop);
    admin.abort();
    if ended == Ended::Drained {
        plane.join().map_err(|shards| {
            error!(shards, "shard threads ended by a panic");
            RunError::Shards(shards)
        })?;
    }
    Ok(ended)
}

/// What holds for the life of the process.
fn boot(reload: &Reload) -> Result<Boot, RunError> {
    let loaded = reload.current();
    Ok(Boot {
        shards: loaded.shards,
        pin_to_cores: loaded.config.router.pin_to_cores,
        listeners: loaded.config.listeners.iter().map(|listener| listener.value).collect(),
        boot_secret: state::random_bytes()?,
        settings: reload.settings(),
    })
}

fn announce(loaded: &Loaded, plane: &DataPlane, admin: SocketAddr) {
    let listeners: Vec<String> = plane.listening().iter().map(show_listener).collect();
    let domains: Vec<String> =
        loaded.config.domains.iter().map(|domain| domain.name.value.to_string()).collect();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        config = loaded.file,
        shards = loaded.shards,
        listen = listeners.join("; "),
        domains = domains.join(", "),
        minimum = %loaded.config.trust.minimum.value,
        links_max = loaded.config.limits.links,
        %admin,
        "peerage has started"
    );
}

/// Which CA backends have to trust, and whether it is about to end.
fn announce_authority(leaves: &Leaves, now: i64) {
    let authority = leaves.authority();
    info!(
        file = %authority.file.display(),
        name = authority.name,
        sha256 = authority.fingerprint_text(),
        "the internal CA for backends"
    );
    if let Some(problem) = authority.validity(now) {
        warn!("{problem}");
    }
}

/// SIGTERM, SIGINT and SIGHUP as [`Signal`]s.
fn signals() -> std::io::Result<mpsc::Receiver<Signal>> {
    let (sender, receiver) = mpsc::channel(8);
    for (kind, means) in [
        (SignalKind::terminate(), Signal::Stop),
        (SignalKind::interrupt(), Signal::Stop),
        (SignalKind::hangup(), Signal::Reload),
    ] {
        let mut stream = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if sender.send(means).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(receiver)
}
