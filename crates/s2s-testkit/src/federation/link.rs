//! A link on which a remote sends: opened once or on demand, then it carries what its outbox holds, many stanzas a write.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;
use xmpp_frame::{Item, Kind};

use super::census::Direction;
use super::failure::Failure;
use super::initiating;
use super::links::Seat;
use super::outbox::{Batch, Call, Outbox};
use super::plan::Manner;
use super::wire::{Wire, element};
use super::world::{Remote, Session, World};

/// A slow sender writes so many times a second.
const SLICES: u32 = 10;

/// Why a link stopped writing.
enum Ended {
    /// There is nothing more to send.
    Closed,
    /// Another one is to follow.
    Recalled,
    /// The stream was closed in order, by the peer or to make room for others; another one follows when there is something to send.
    Dismissed,
    /// By a reset; another one follows.
    Reset,
    /// By a reset, for good.
    Died,
}

/// Opens the stream, tells `opened`, then writes until the outbox is closed or the link fails; without anybody to tell, it opens when
/// there is something to send. A link that is asked to reconnect, or is old enough to be reset, is followed by another one, which
/// carries what waits.
pub(crate) async fn carry(
    world: Rc<World>,
    remote: Rc<Remote>,
    to: String,
    outbox: Rc<Outbox>,
    mut opened: Option<oneshot::Sender<bool>>,
) {
    let mut is_needed = opened.is_some();
    let outcome = loop {
        if !is_needed && needed(&outbox).await == Needed::NoMore {
            break Ok(());
        }
        // On the heap: most links of a large federation are not open, and wait in little room.
        match Box::pin(connection(&world, &remote, &to, &outbox, &mut opened)).await {
            Ok(Ended::Recalled | Ended::Reset) => is_needed = true,
            Ok(Ended::Dismissed) => is_needed = false,
            Ok(Ended::Closed | Ended::Died) => break Ok(()),
            Err(failure) => break Err(failure),
        }
    };
    world.withdraw(&outbox.end());
    if let Err(failure) = outcome {
        world.census.borrow_mut().fail("initiating", &failure);
    }
}

/// One stream from its beginning to its end.
async fn connection(
    world: &Rc<World>,
    remote: &Remote,
    to: &str,
    outbox: &Outbox,
    opened: &mut Option<oneshot::Sender<bool>>,
) -> Result<Ended, Failure> {
    let (stream, seat) = {
        // The semaphore is never closed.
        let _turn = world.opening.acquire().await;
        let seat = world.links.seat(world.now_ns());
        (initiating::open(world, remote, to).await, seat)
    };
    // Whoever asked may have stopped waiting.
    let _ = opened.take().map(|opened| opened.send(stream.is_ok()));
    let mut wire = stream?;
    let session =
        remote.behaviour.rung().map(|rung| Session::begin(world, Direction::Inbound, rung));
    // Something may have waited since the link before this one.
    outbox.wake();
    let ended = tokio::select! {
        ended = write(world, &mut wire, outbox, remote.manner, &seat) => ended,
        () = remote.reset_due() => Ok(Ended::Reset),
    };
    if let Err(Failure::StreamError(_)) = ended {
        outbox.cut_off();
    }
    let ended = ended?;
    drop(session);
    if matches!(ended, Ended::Reset | Ended::Died) {
        wire.reset();
    }
    Ok(ended)
}

async fn write(
    world: &World,
    wire: &mut Wire,
    outbox: &Outbox,
    manner: Manner,
    seat: &Seat,
) -> Result<Ended, Failure> {
    let mut batch = Batch::default();
    loop {
        seat.touch(world.now_ns());
        // Also what came together with the end of the negotiation.
        if is_closed(world, wire)? {
            // RFC 6120 §4.4: the peer reads until we close our side too.
            wire.send("</stream:stream>").await?;
            return Ok(Ended::Dismissed);
        }
        tokio::select! {
            () = outbox.woken() => {
                match outbox.take_call() {
                    Some(Call::Die) => return Ok(Ended::Died),
                    Some(Call::Reconnect) => {
                        outbox.take(&mut batch);
                        send(wire, &batch, manner).await?;
                        close(world, wire).await?;
                        return Ok(Ended::Recalled);
                    }
                    None => {}
                }
                outbox.take(&mut batch);
                if !batch.is_empty() {
                    send(wire, &batch, manner).await?;
                    batch.clear();
                } else if outbox.is_closing() {
                    close(world, wire).await?;
                    return Ok(Ended::Closed);
                }
                if outbox.is_closing() {
                    outbox.wake();
                }
            }
            () = seat.dismissed() => {
                outbox.take(&mut batch);
                send(wire, &batch, manner).await?;
                close(world, wire).await?;
                return Ok(Ended::Dismissed);
            }
            more = wire.read() => {
                if !more? {
                    return Err(Failure::Closed);
                }
            }
        }
    }
}

/// Looks at what has been read; `true` when the peer has closed its side. On a stream in one direction nothing but errors and late
/// answers can come.
fn is_closed(world: &World, wire: &mut Wire) -> Result<bool, Failure> {
    while let Some(item) = wire.ready()? {
        match item {
            Item::Element(frame) if frame.kind() != Kind::Other => world.stray(),
            Item::Element(frame) => drop(element(&frame)?),
            Item::Close => return Ok(true),
            Item::Header(_) => return Err(Failure::Protocol("a second header")),
        }
    }
    Ok(false)
}

/// Whether a link that is not open is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needed {
    Again,
    NoMore,
}

/// Waits until something waits for the link, or nothing will.
async fn needed(outbox: &Outbox) -> Needed {
    loop {
        match outbox.take_call() {
            Some(Call::Die) => return Needed::NoMore,
            Some(Call::Reconnect) => return Needed::Again,
            None if !outbox.is_empty() => return Needed::Again,
            None if outbox.is_closing() => return Needed::NoMore,
            None => outbox.woken().await,
        }
    }
}

async fn send(wire: &mut Wire, batch: &Batch, manner: Manner) -> Result<(), Failure> {
    for bytes in batch.writes() {
        let Manner::SlowSender(bytes_a_second) = manner else {
            wire.send_bytes(bytes).await?;
            continue;
        };
        for part in bytes.chunks((bytes_a_second / SLICES).max(1) as usize) {
            wire.send_bytes(part).await?;
            tokio::time::sleep(Duration::from_secs(1) / SLICES).await;
        }
    }
    Ok(())
}

/// RFC 6120 §4.4: close our side, then wait for the peer to close its own.
async fn close(world: &World, wire: &mut Wire) -> Result<(), Failure> {
    wire.send("</stream:stream>").await?;
    let farewell = async {
        loop {
            match wire.next().await {
                Ok(Some(Item::Element(frame))) if frame.kind() != Kind::Other => world.stray(),
                Ok(Some(Item::Element(_) | Item::Header(_))) => {}
                Ok(Some(Item::Close) | None) | Err(_) => return,
            }
        }
    };
    // A peer that stays is left behind.
    let _ = tokio::time::timeout(Duration::from_secs(2), farewell).await;
    Ok(())
}
