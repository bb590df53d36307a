//! A link on which a remote sends: opened once, then it carries what its outbox holds, many stanzas a write.

use std::rc::Rc;

use tokio::sync::oneshot;
use xmpp_frame::Item;

use super::census::Direction;
use super::failure::Failure;
use super::initiating;
use super::outbox::Outbox;
use super::wire::{Wire, element};
use super::world::{Remote, Session, World};

/// Opens the stream, tells `opened`, then writes until the outbox is closed or the link fails.
pub(crate) async fn carry(
    world: Rc<World>,
    remote: Rc<Remote>,
    to: String,
    outbox: Rc<Outbox>,
    opened: oneshot::Sender<bool>,
) {
    let stream = {
        // The semaphore is never closed.
        let _turn = world.opening.acquire().await;
        initiating::open(&world, &remote, &to).await
    };
    let outcome = match stream {
        Ok(mut wire) => {
            let _session = remote
                .behaviour
                .rung()
                .map(|rung| Session::begin(&world, Direction::Inbound, rung));
            // Whoever asked may have stopped waiting.
            let _ = opened.send(true);
            write(&mut wire, &outbox).await
        }
        Err(failure) => {
            let _ = opened.send(false);
            Err(failure)
        }
    };
    world.withdraw(&outbox.end());
    if let Err(failure) = outcome {
        world.census.borrow_mut().fail("initiating", &failure);
    }
}

async fn write(wire: &mut Wire, outbox: &Outbox) -> Result<(), Failure> {
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            () = outbox.woken() => {
                outbox.take(&mut batch);
                if !batch.is_empty() {
                    wire.send_bytes(&batch).await?;
                    batch.clear();
                } else if outbox.is_closing() {
                    return close(wire).await;
                }
                if outbox.is_closing() {
                    outbox.wake();
                }
            }
            more = wire.read() => {
                if !more? {
                    return Err(Failure::Closed);
                }
                while let Some(item) = wire.ready()? {
                    match item {
                        // A stream in one direction: nothing but errors and late answers can come.
                        Item::Element(frame) => drop(element(&frame)?),
                        Item::Close => return Err(Failure::Closed),
                        Item::Header(_) => return Err(Failure::Protocol("a second header")),
                    }
                }
            }
        }
    }
}

/// RFC 6120 §4.4: close our side, then wait for the peer to close its own.
async fn close(wire: &mut Wire) -> Result<(), Failure> {
    wire.send("</stream:stream>").await?;
    let farewell = async {
        loop {
            match wire.next().await {
                Ok(Some(Item::Element(_) | Item::Header(_))) => {}
                Ok(Some(Item::Close) | None) | Err(_) => return,
            }
        }
    };
    // A peer that stays is left behind.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), farewell).await;
    Ok(())
}
