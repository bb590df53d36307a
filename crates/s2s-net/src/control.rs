//! Where the data plane meets the control plane: bounded queues, in both directions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::queue::ArrayQueue;
use s2s_route::ShardId;
use xmpp_addr::Domain;

use crate::report::ShardReport;

/// What a shard asks of the control plane or tells it.
pub enum ControlRequest {
    /// Find out where `remote` is; answer with `DataPlane::resolved`.
    Resolve {
        /// Who asks.
        shard: ShardId,
        /// The remote domain.
        remote: Domain,
    },
    /// Sent once a second by every shard.
    Metrics(Box<ShardReport>),
    /// The shard has drained and its thread ends.
    Stopped(ShardId),
}

/// The shards' way to the control plane. Nobody ever waits on it: what does not fit is refused.
pub struct ControlQueue {
    ring: ArrayQueue<ControlRequest>,
    wake: Box<dyn Fn() + Send + Sync>,
    refused: AtomicU64,
}

impl ControlQueue {
    /// A queue of `capacity` requests. `wake` is called after every push, on a shard's thread: it
    /// must not block.
    #[must_use]
    pub fn new(capacity: usize, wake: Box<dyn Fn() + Send + Sync>) -> Arc<ControlQueue> {
        Arc::new(ControlQueue {
            ring: ArrayQueue::new(capacity.max(1)),
            wake,
            refused: AtomicU64::new(0),
        })
    }

    /// The oldest request, if there is one.
    #[must_use]
    pub fn pop(&self) -> Option<ControlRequest> {
        self.ring.pop()
    }

    /// Requests that did not fit since the process started.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn push(&self, request: ControlRequest) -> Result<(), ControlRequest> {
        let pushed = self.ring.push(request);
        if pushed.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        (self.wake)();
        pushed
    }
}
