//! Arguments of `compare`.

use std::path::PathBuf;

use clap::Args;

use crate::servers::Software;

/// Arguments of `compare`.
#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// Servers, the first one being what ratios refer to; HAProxy is the bound and need not be named
    #[arg(
        long,
        value_name = "SERVER,...",
        value_enum,
        value_delimiter = ',',
        default_value = "peerage,prosody,ejabberd,jabberd2"
    )]
    pub(crate) servers: Vec<Software>,
    /// Scenarios to play in place of the usual parts, as `run` does; shipped ones or files
    #[arg(long, value_name = "SCENARIO|FILE.toml,...", value_delimiter = ',')]
    pub(crate) scenario: Vec<String>,
    /// How often all of it is done
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Seconds of each run's timed part [default: 5; with --scenario, those of the scenario]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<u32>,
    /// Stanzas a second of the part `rate`
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1000.0, conflicts_with = "scenario")]
    pub(crate) rate: f64,
    /// Leave out HAProxy, the bound
    #[arg(long)]
    pub(crate) no_bound: bool,
    /// Core of the server under test
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) core: usize,
    /// Peerage's program; without it, that beside this one
    #[arg(long, value_name = "FILE")]
    pub(crate) peerage_bin: Option<PathBuf>,
    /// Install what is missing (Debian 12, root); no service is started
    #[arg(long)]
    pub(crate) install: bool,
    /// Write the result as JSON: for programs, and for `page`
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the result as a page with plots, one HTML file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}
