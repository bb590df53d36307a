//! A component attached to the router under test (XEP-0114): sends, counts what arrives, and returns what is to be echoed.

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use xmpp_frame::{Framer, Item, Kind};

use super::dialback;
use super::failure::Failure;
use super::meter::Meter;
use super::ns;
use super::outbox::{Batch, Outbox, WasEmpty};
use super::pipe::Pipe;
use super::receiving::domain;
use super::wire::{Wire, element};
use super::world::World;

/// Room made in the read buffer before each read.
const READ_BYTES: usize = 128 * 1024;

/// A component to attach.
#[derive(Clone, Debug)]
pub struct ComponentPlan {
    /// Its domain.
    pub domain: String,
    /// Where the router accepts components.
    pub address: SocketAddr,
    /// What both sides know.
    pub secret: String,
}

/// Connects and proves itself.
pub(crate) async fn attach(plan: &ComponentPlan, meter: &Rc<Meter>) -> Result<Wire, Failure> {
    let mut wire = Wire::connect(plan.address, plan.address.ip(), meter).await?;
    let domain = &plan.domain;
    wire.send(&format!(
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns='jabber:component:accept' to='{domain}'>"
    ))
    .await?;
    let header = wire.header().await?;
    let stream_id = header.id().ok_or(Failure::Protocol("a header without id"))?;
    wire.send(&format!("<handshake>{}</handshake>", dialback::handshake(stream_id, &plan.secret)))
        .await?;
    let answer = wire.element().await?;
    if answer.is("handshake", ns::COMPONENT) {
        Ok(wire)
    } else {
        Err(Failure::Protocol("no answer to the handshake"))
    }
}

/// Carries both directions of the component of this domain until one ends.
pub(crate) async fn carry(world: Rc<World>, domain: String, wire: Wire, outbox: Rc<Outbox>) {
    let (pipe, framer) = wire.into_parts();
    let outcome = match pipe {
        Pipe::Plain(stream) => {
            let (reader, writer) = stream.into_split();
            tokio::select! {
                outcome = read(&world, &domain, reader, framer, &outbox) => outcome,
                outcome = write(&world.meter, writer, &outbox) => outcome,
            }
        }
        _ => Err(Failure::Protocol("a component speaks plain TCP")),
    };
    world.withdraw(&outbox.end());
    if let Err(failure) = outcome {
        world.census.borrow_mut().fail("component", &failure);
    }
}

async fn read(
    world: &World,
    own: &str,
    mut reader: OwnedReadHalf,
    mut framer: Framer,
    outbox: &Outbox,
) -> Result<(), Failure> {
    loop {
        let now_ns = world.now_ns();
        let was_empty = outbox.push(|_| ());
        while let Some(item) = framer.next().map_err(Failure::BadXml)? {
            match item {
                Item::Element(frame) if frame.kind() != Kind::Other => {
                    if frame.to().is_some_and(|to| domain(&to) != own) {
                        world.stray();
                        continue;
                    }
                    outbox.push(|echo| world.arrive(&frame, now_ns, Some(echo)));
                }
                Item::Element(frame) => drop(element(&frame)?),
                Item::Close => return Err(Failure::Closed),
                Item::Header(_) => return Err(Failure::Protocol("a second header")),
            }
        }
        if was_empty == WasEmpty(true) {
            outbox.wake();
        }
        world.batch_arrived();
        // What is echoed must not pile up without bound: reading waits for writing.
        outbox.room().await;
        framer.buffer().reserve(READ_BYTES);
        let bytes = reader.read_buf(framer.buffer()).await.map_err(Failure::Io)?;
        if bytes == 0 {
            return Err(Failure::Closed);
        }
        world.meter.read(bytes);
    }
}

async fn write(meter: &Meter, mut writer: OwnedWriteHalf, outbox: &Outbox) -> Result<(), Failure> {
    let mut batch = Batch::default();
    loop {
        outbox.take(&mut batch);
        if !batch.is_empty() {
            writer.write_all(batch.bytes()).await.map_err(Failure::Io)?;
            meter.wrote(batch.bytes().len());
            batch.clear();
        } else if outbox.is_closing() {
            return writer.write_all(b"</stream:stream>").await.map_err(Failure::Io);
        } else {
            outbox.woken().await;
        }
    }
}
