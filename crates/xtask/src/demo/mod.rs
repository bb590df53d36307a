//! `cargo xtask demo`: Peerage between a component and several hundred remote domains on all four rungs, over real TCP and TLS.
//!
//! Everything is on loopback and in a temporary directory: an authority, certificates, a DNS zone, the remotes, the configuration. The
//! federation keeps books of every stanza; if they do not balance the demo fails.

#[cfg(not(feature = "demo"))]
mod build;
#[cfg(feature = "demo")]
mod lines;
#[cfg(feature = "demo")]
mod router;
#[cfg(feature = "demo")]
mod stage;
#[cfg(feature = "demo")]
mod summary;

use anyhow::Result;
use clap::Args;

/// Arguments of `cargo xtask demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Remote domains, mixed over the four rungs; four of a hundred are dead, so that bounces appear
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u16).range(4..=5000))]
    domains: u16,
    /// Seconds of traffic
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
    /// Stanzas a second, all domains and both directions together
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Seed of the order of stanzas
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A peerage binary to use instead of building one
    #[arg(long, value_name = "FILE")]
    peerage: Option<std::path::PathBuf>,
    /// Keep the directory with the configuration, the certificates and the log
    #[arg(long)]
    keep: bool,
}

/// Runs the demo; without its half of this program, builds that first.
///
/// # Errors
/// When Peerage does not build or start, a session is refused, or the books do not balance.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    #[cfg(feature = "demo")]
    return stage::run(args);
    #[cfg(not(feature = "demo"))]
    return build::run(args);
}
