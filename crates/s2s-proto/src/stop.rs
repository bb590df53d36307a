//! How a step of an accepting stream ends it.

use crate::error::{StreamCondition, StreamError};
use crate::event::CloseReason;

/// Why a stream ends here; the error is said in a stream whose header is out.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Say this, then close.
    Error(StreamError),
    /// All was said.
    Close(CloseReason),
}

impl From<StreamError> for Stop {
    fn from(error: StreamError) -> Self {
        Self::Error(error)
    }
}

impl From<StreamCondition> for Stop {
    fn from(condition: StreamCondition) -> Self {
        Self::Error(condition.into())
    }
}
