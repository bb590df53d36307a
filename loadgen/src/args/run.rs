//! Arguments of `run`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use s2s_testkit::federation::Rung;

use super::{domain, rung};
use crate::scenario::Direction;
use crate::servers::Software;

/// Headings of the help.
const STARTED: &str = "A server that is started for the run";
const RUNS: &str = "A server that runs";
const CHANGES: &str = "In place of what the scenario says";

/// TOML, in which a scenario is kept, knows no higher numbers.
const SEED_MAX: u64 = i64::MAX.cast_unsigned();

/// Arguments of `run`.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// A shipped scenario (`scenarios` lists them), or a file
    #[arg(value_name = "SCENARIO|FILE.toml")]
    pub(crate) scenario: String,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) changes: Changes,
    /// Write the result as JSON: for programs, and for `page`
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the result as a page with plots, one HTML file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// First port of the remotes, on addresses from 127.16.0.1 on; each process takes three
    #[arg(long, value_name = "PORT", default_value_t = 15269, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub(crate) port: u16,
}

/// The server under test.
#[derive(Args, Debug)]
pub(crate) struct ServerArgs {
    /// Start this server with a generated configuration, in a network namespace of its own (root, Linux), and end it. HAProxy is the odd one: it
    /// passes bytes on from TLS to TLS, so it shows what loadgen itself can do, and what TLS and TCP alone cost (only --direction in)
    #[arg(long, value_name = "SERVER", value_enum, conflicts_with_all = ["s2s", "direct_tls", "component", "component_secret", "hosted", "ca_dir", "dns", "pid", "server", "i_own_this_server"], help_heading = STARTED)]
    pub(crate) start: Option<Software>,
    /// Core it is pinned to, 0 being the first; loadgen keeps off that core then
    #[arg(long, value_name = "NUMBER", requires = "start", conflicts_with = "s2s", help_heading = STARTED)]
    pub(crate) core: Option<usize>,
    /// Peerage's program; without it, that beside this one
    #[arg(long, value_name = "FILE", requires = "start", conflicts_with = "s2s", help_heading = STARTED)]
    pub(crate) peerage_bin: Option<PathBuf>,
    /// Directory for certificates, configuration and logs, to be kept; without it they are removed after a clean run
    #[arg(long, value_name = "DIR", requires = "start", conflicts_with = "s2s", help_heading = STARTED)]
    pub(crate) dir: Option<PathBuf>,
    /// Install what is missing (Debian 12, root); no service is started
    #[arg(long, requires = "start", conflicts_with = "s2s", help_heading = STARTED)]
    pub(crate) install: bool,
    /// Where the server under test accepts other servers (STARTTLS)
    #[arg(long, value_name = "ADDRESS:PORT", required_unless_present = "start", help_heading = RUNS)]
    pub(crate) s2s: Option<SocketAddr>,
    /// Where it accepts other servers with TLS from the first byte; without it, remotes with direct TLS call with STARTTLS
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = RUNS)]
    pub(crate) direct_tls: Option<SocketAddr>,
    /// Where it accepts components (XEP-0114)
    #[arg(long, value_name = "ADDRESS:PORT", required_unless_present = "start", help_heading = RUNS)]
    pub(crate) component: Option<SocketAddr>,
    /// What the server and the component both know
    #[arg(long, value_name = "SECRET", required_unless_present = "start", help_heading = RUNS)]
    pub(crate) component_secret: Option<String>,
    /// Domain of the component; as many as the scenario has processes
    #[arg(long, value_name = "DOMAIN", value_parser = domain, required_unless_present = "start", help_heading = RUNS)]
    pub(crate) hosted: Vec<String>,
    /// Directory that `prepare` wrote, with the certificate that the server uses
    #[arg(long, value_name = "DIR", required_unless_present = "start", help_heading = RUNS)]
    pub(crate) ca_dir: Option<PathBuf>,
    /// Where to answer DNS while the run lasts, a loopback address. The server has to ask there for `*.peers.example`, unless only
    /// remotes with certificates send (--direction in) [default: 127.0.0.1:5353]
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = RUNS)]
    pub(crate) dns: Option<SocketAddr>,
    /// Process of the server under test, for its processor time and memory; may be given several times
    #[arg(long, value_name = "PID", help_heading = RUNS)]
    pub(crate) pid: Vec<u32>,
    /// Name of the server under test, for the report, with its version behind a space: "ejabberd 23.01"
    #[arg(long, value_name = "NAME", help_heading = RUNS)]
    pub(crate) server: Option<String>,
    /// Send to an address that is not loopback. Only with --direction in: the remotes listen on loopback, a server elsewhere
    /// cannot reach them
    #[arg(long, help_heading = RUNS)]
    pub(crate) i_own_this_server: bool,
}

/// What takes the place of the scenario's values.
#[derive(Args, Debug, Default)]
pub(crate) struct Changes {
    /// Which way stanzas go
    #[arg(long, value_enum, help_heading = CHANGES)]
    pub(crate) direction: Option<Way>,
    /// How all remotes prove themselves, and what they demand: promiscuous, verified (dialback), secure (dialback over TLS) or trusted
    /// (SASL EXTERNAL)
    #[arg(long, value_name = "RUNG", value_parser = rung, help_heading = CHANGES)]
    pub(crate) rung: Option<Rung>,
    /// Number of remote domains
    #[arg(long, value_name = "COUNT", help_heading = CHANGES)]
    pub(crate) domains: Option<u32>,
    /// Addresses at each remote that send or receive; order is checked for each
    #[arg(long, value_name = "COUNT", help_heading = CHANGES)]
    pub(crate) users: Option<u16>,
    /// Seconds to send for; events keep their place in proportion
    #[arg(long, value_name = "SECONDS", help_heading = CHANGES)]
    pub(crate) seconds: Option<u32>,
    /// Seconds of the same traffic before the clock starts
    #[arg(long, value_name = "SECONDS", help_heading = CHANGES)]
    pub(crate) warm_up: Option<u32>,
    /// Seconds without an arrival after which missing stanzas count as lost
    #[arg(long, value_name = "SECONDS", help_heading = CHANGES)]
    pub(crate) patience: Option<u32>,
    /// Closed loop: as fast as it goes with a window of stanzas under way, the scenario's or 4096. For throughput and CPU a stanza
    #[arg(long, conflicts_with = "rate", help_heading = CHANGES)]
    pub(crate) max: bool,
    /// Closed loop with so many stanzas under way
    #[arg(long, value_name = "COUNT", conflicts_with = "rate", help_heading = CHANGES)]
    pub(crate) window: Option<u32>,
    /// Stanzas that peers write at once, at most; 1 is the traffic of most pairs on the network
    #[arg(long, value_name = "STANZAS", help_heading = CHANGES)]
    pub(crate) batch: Option<NonZeroU32>,
    /// Open loop: stanzas a second, each at a time fixed before the run. For latency
    #[arg(long, value_name = "PER_SECOND", help_heading = CHANGES)]
    pub(crate) rate: Option<f64>,
    /// Processes that share the remotes, each with a component of its own
    #[arg(long, value_name = "COUNT", help_heading = CHANGES)]
    pub(crate) processes: Option<u16>,
    /// Seed of everything that looks random
    #[arg(long, value_name = "NUMBER", help_heading = CHANGES)]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(..=SEED_MAX))]
    pub(crate) seed: Option<u64>,
}

/// Which way stanzas go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Remotes to the component
    In,
    /// The component to remotes
    Out,
    /// Remotes to the component and back
    Echo,
}

impl From<Way> for Direction {
    fn from(way: Way) -> Direction {
        match way {
            Way::In => Direction::In,
            Way::Out => Direction::Out,
            Way::Echo => Direction::Echo,
        }
    }
}

impl ServerArgs {
    /// Refuses to send where the user may not mean to.
    pub(crate) fn check_targets(&self, direction: Direction) -> anyhow::Result<()> {
        let named = [self.s2s, self.direct_tls, self.component];
        let elsewhere = named.into_iter().flatten().find(|address| !address.ip().is_loopback());
        let Some(address) = elsewhere else { return Ok(()) };
        anyhow::ensure!(
            self.i_own_this_server,
            "{address} is not a loopback address: if the server is yours, say --i-own-this-server to load it all the same"
        );
        anyhow::ensure!(
            direction == Direction::In,
            "a server at {address} cannot reach the remotes, which listen on loopback: only --direction in works there"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::Command;
    use super::*;

    fn parse(more: &str) -> Result<RunArgs, clap::Error> {
        let line = format!("peerage-loadgen run dense {more}");
        match Command::try_parse_from(line.split_whitespace())? {
            Command::Run(args) => Ok(*args),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn targets_elsewhere_need_a_word_of_their_owner() {
        let check = |more: &str, direction| {
            let always =
                "--s2s 127.0.0.1:5269 --component-secret s --hosted echo.example.org --ca-dir lg";
            parse(&format!("{always} {more}")).unwrap().server.check_targets(direction)
        };
        assert!(check("--component 127.0.0.1:5347", Direction::Echo).is_ok());
        assert!(check("--component 192.0.2.1:5347", Direction::In).is_err());
        let direct = "--component 127.0.0.1:5347 --direct-tls 192.0.2.1:5270";
        assert!(check(direct, Direction::In).is_err());
        assert!(check("--component 192.0.2.1:5347 --i-own-this-server", Direction::In).is_ok());
        assert!(check("--component 192.0.2.1:5347 --i-own-this-server", Direction::Echo).is_err());
    }

    #[test]
    fn a_server_runs_already_or_is_started() {
        assert!(parse("--start peerage --core 0").is_ok());
        assert!(parse("").is_err());
        assert!(parse("--start peerage --s2s 127.0.0.1:5269").is_err());
        assert!(parse("--start peerage --max --rate 5").is_err());
        let runs = "--s2s 127.0.0.1:5269 --component 127.0.0.1:5347 --component-secret s --hosted echo.example.org --ca-dir lg";
        assert!(parse(runs).is_ok());
        for of_start in ["--core 0", "--dir x", "--install", "--peerage-bin x"] {
            assert!(parse(&format!("{runs} {of_start}")).is_err(), "{of_start}");
        }

        assert!(parse(&format!("--start peerage --seed {SEED_MAX}")).is_ok());
        assert!(parse(&format!("--start peerage --seed {}", SEED_MAX + 1)).is_err());
        assert!(parse("--s2s 127.0.0.1:5269").is_err());
    }
}
