//! Panic containment: one bad link never takes a shard down (monoio does not catch panics).

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The task panicked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Runs one step of the shard's own work; `false` if it panicked. For what is not a link's task:
/// a panic there would end the shard's thread.
pub(crate) fn shielded(step: impl FnOnce()) -> bool {
    // As below: what was half-changed is a link's or a letter's, and cells are released.
    catch_unwind(AssertUnwindSafe(step)).is_ok()
}

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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::{pending, ready};

    use super::*;

    fn poll<F: Future>(contained: &mut Contained<F>) -> Poll<Result<F::Output, Panicked>> {
        Pin::new(contained).poll(&mut Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn a_panicking_task_ends_and_the_cells_it_held_are_free_again() {
        let cell = RefCell::new(0);
        let mut task = contain(async {
            let mut held = cell.borrow_mut();
            *held += 1;
            assert!(*held > 1, "on purpose");
        });
        assert_eq!(poll(&mut task), Poll::Ready(Err(Panicked)));
        assert_eq!(*cell.borrow_mut(), 1);
    }

    #[test]
    fn a_task_that_does_not_panic_is_left_alone() {
        assert_eq!(poll(&mut contain(ready(7))), Poll::Ready(Ok(7)));
        assert!(poll(&mut contain(pending::<()>())).is_pending());
    }

    #[test]
    fn a_panicking_step_is_told_apart() {
        assert!(shielded(|| ()));
        assert!(!shielded(|| panic!("on purpose")));
    }
}
