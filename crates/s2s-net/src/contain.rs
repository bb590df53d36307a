//! Panic containment: one bad link never takes a shard down (monoio does not catch panics).

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The task panicked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Polls `inner` and turns a panic into an error. The inner future is not polled again after it.
pub(crate) struct Contained<F>(Pin<Box<F>>);

/// Wraps a link's task.
pub(crate) fn contain<F: Future>(future: F) -> Contained<F> {
    Contained(Box::pin(future))
}

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The link's state is discarded after a panic and `RefCell` guards are released while
        // unwinding, so nothing half-changed is used again.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}
