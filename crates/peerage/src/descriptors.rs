//! The file descriptor limit: it bounds the links of the process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one; says the limit that holds afterwards.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Some systems refuse an unlimited soft limit; then the old one stays.
    let _ = setrlimit(Resource::Nofile, raised);
    self::limit()
}

/// The soft limit now; "unlimited" is 1,048,576, which no process gets to.
#[must_use]
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}
