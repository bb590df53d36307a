//! Opens connections: group by group, and inside a group of one priority several at a time.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use s2s_route::{AttemptId, Avoid, ConnectFailure, LaneId, Target};
use socket2::{Domain, Protocol, SockAddr, Type};
use tracing::{debug, warn};
use xmpp_addr::DomainPair;

use crate::contain::contain;
use crate::shard::Shard;
use crate::sys::Socket;

/// The next address of a group starts this long after the one before it (RFC 8305 §5: 250 ms).
const STAGGER: Duration = Duration::from_millis(250);

/// All attempts for one slot together; below the router's own limit for a connection.
const TOTAL: Duration = Duration::from_secs(45);

/// Starts the attempt in a task of its own; the router is told how it ended.
pub(crate) fn start(
    shard: &Rc<Shard>,
    attempt: AttemptId,
    pair: DomainPair,
    targets: Vec<Target>,
    avoid: Avoid,
) {
    let shard = Rc::clone(shard);
    monoio::spawn(async move {
        let outcome = with_room(&shard, connect(&shard, &targets, timeout(&shard))).await;
        shard.step("a connection", || match outcome {
            Ok((socket, place)) => {
                shard.connected(socket, attempt, pair, &targets[place], avoid);
            }
            Err(failure) => {
                debug!(%pair, ?failure, "no connection");
                shard.not_connected(attempt, failure);
            }
        });
        shard.flush_mail();
    });
}

/// Starts the attempt of a lane; its address is the operator's own, which no guard looks at.
pub(crate) fn start_backend(
    shard: &Rc<Shard>,
    lane: LaneId,
    address: SocketAddr,
    pair: DomainPair,
) {
    let shard = Rc::clone(shard);
    monoio::spawn(async move {
        let outcome = with_room(&shard, attempt(&shard, address, timeout(&shard))).await;
        shard.step("a connection", || match outcome {
            Ok(socket) => shard.backend_connected(socket, address, lane, pair),
            Err(failure) => {
                warn!(backend = %address, %pair, ?failure, "the backend cannot be reached; what waits for it is kept for a while");
                shard.backend_not_connected(lane);
            }
        });
        shard.flush_mail();
    });
}

/// How long one connection may take.
fn timeout(shard: &Shard) -> Duration {
    Duration::from_secs(u64::from(shard.live().settings.timeouts.connect_secs))
}

/// What becomes of the connecting, once there is room for one more link.
async fn with_room<T>(
    shard: &Rc<Shard>,
    connecting: impl Future<Output = Result<T, ConnectFailure>>,
) -> Result<T, ConnectFailure> {
    let mut room = false;
    shard.step("making room", || room = shard.make_room(shard.now()));
    if !room {
        return Err(ConnectFailure::NoLinks);
    }
    contain(connecting).await.unwrap_or(Err(ConnectFailure::Unreachable))
}

/// The first connection that stands, with the place of its target.
async fn connect(
    shard: &Rc<Shard>,
    targets: &[Target],
    timeout: Duration,
) -> Result<(Socket, usize), ConnectFailure> {
    let mut failure = ConnectFailure::Unreachable;
    let mut start = 0;
    let began = Instant::now();
    for group in targets.chunk_by(|a, b| a.priority == b.priority) {
        let left = TOTAL.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(ConnectFailure::TimedOut);
        }
        match race(shard, group, timeout.min(left)).await {
            Ok((socket, place)) => return Ok((socket, start + place)),
            Err(error) => failure = error,
        }
        start += group.len();
    }
    Err(failure)
}

/// What the attempts of one group share.
#[derive(Default)]
struct Race {
    won: Option<(Socket, usize)>,
    /// Somebody won; those that come later are not needed.
    over: bool,
    failed: usize,
    failure: Option<ConnectFailure>,
    waker: Option<Waker>,
}

/// Attempts to one group of addresses; later ones start while earlier ones still try.
async fn race(
    shard: &Rc<Shard>,
    group: &[Target],
    timeout: Duration,
) -> Result<(Socket, usize), ConnectFailure> {
    let race = Rc::new(RefCell::new(Race::default()));
    let total = group.len();
    for (place, target) in group.iter().enumerate() {
        let (shard, shared, address) = (Rc::clone(shard), Rc::clone(&race), target.address);
        let delay = STAGGER * u32::try_from(place).unwrap_or(0);
        monoio::spawn(async move {
            // Each attempt runs to its own end: a connection in flight is never dropped half-way.
            if !delay.is_zero() {
                wait_for_turn(&shared, place, delay).await;
            }
            let decided = shared.borrow().over || Rc::strong_count(&shared) == 1;
            let result = if decided {
                Err(ConnectFailure::TimedOut)
            } else {
                let attempt = contain(attempt(&shard, address, timeout)).await;
                attempt.unwrap_or(Err(ConnectFailure::Unreachable))
            };
            let mut race = shared.borrow_mut();
            match result {
                Ok(socket) if !race.over => {
                    race.over = true;
                    race.won = Some((socket, place));
                }
                // A second winner is closed by being dropped.
                Ok(_) => race.failed += 1,
                Err(failure) => {
                    race.failed += 1;
                    race.failure.get_or_insert(failure);
                }
            }
            if let Some(waker) = race.waker.take() {
                waker.wake();
            }
        });
    }
    poll_fn(|context| {
        let mut race = race.borrow_mut();
        // Taken, so that attempts still under way do not keep the connection open.
        if let Some(won) = race.won.take() {
            return Poll::Ready(Ok(won));
        }
        if race.failed == total {
            return Poll::Ready(Err(race.failure.unwrap_or(ConnectFailure::Unreachable)));
        }
        race.waker = Some(context.waker().clone());
        Poll::Pending
    })
    .await
}

/// Until `delay` has passed, all attempts before have failed, or one has won.
async fn wait_for_turn(race: &RefCell<Race>, place: usize, delay: Duration) {
    let step = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    while waited < delay && !race.borrow().over && race.borrow().failed < place {
        monoio::time::sleep(step).await;
        waited += step;
    }
}

async fn attempt(
    shard: &Rc<Shard>,
    address: SocketAddr,
    timeout: Duration,
) -> Result<Socket, ConnectFailure> {
    let Some(_counted) = shard.attempt() else { return Err(ConnectFailure::NoLinks) };
    let socket = begin(address).map_err(|error| classify(&error))?;
    // Dropping this wait is harmless: it only polls, and the socket is closed with its last owner.
    match monoio::time::timeout(timeout, socket.writable()).await {
        Err(_) => return Err(ConnectFailure::TimedOut),
        Ok(Err(error)) => return Err(classify(&error)),
        Ok(Ok(())) => {}
    }
    match socket.take_error() {
        Ok(None) => {
            socket
                .set_nonblocking(!monoio::utils::detect_uring())
                .map_err(|error| classify(&error))?;
            Ok(socket)
        }
        Ok(Some(error)) | Err(error) => Err(classify(&error)),
    }
}

/// A connection under way, without waiting.
fn begin(address: SocketAddr) -> io::Result<Socket> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    match socket.connect(&SockAddr::from(address)) {
        Err(error)
            if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Err(error)
        }
        Ok(()) | Err(_) => Socket::connecting(socket.into()),
    }
}

fn classify(error: &io::Error) -> ConnectFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFailure::Refused,
        io::ErrorKind::TimedOut => ConnectFailure::TimedOut,
        _ => ConnectFailure::Unreachable,
    }
}
