//! Servers as child processes: started, waited for, read, ended; what they use of the machine, from `/proc`.

mod child;
mod log;
mod usage;

pub use child::{Process, families, signal, wait_at_most, wait_until_free};
pub use log::{Log, tail};
pub use rustix::process::Signal;
pub use usage::{of_ticks, processor_time, resident_bytes};

use std::time::Duration;

/// Between two looks at something that only polling shows.
const POLL: Duration = Duration::from_millis(10);
