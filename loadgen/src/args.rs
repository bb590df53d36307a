//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};

const AFTER_HELP: &str = "\
Examples:
  peerage-loadgen prepare --dir lg --hosted echo.example.org
      certificates and notes for the server under test; do this first
  peerage-loadgen dense --s2s 127.0.0.1:5269 --component 127.0.0.1:5347 --component-secret secret \\
      --hosted echo.example.org --ca-dir lg --direction in --max --pid 4711
      as many stanzas as the server takes, from 10 remote domains to the component
  peerage-loadgen dense ... --direction echo --rate 2000 --seconds 30 --json echo.json
      2,000 stanzas a second, to the component and back; latency from the intended time

Exit codes:
  0  every stanza sent was delivered or bounced once, in order, unchanged
  1  stanzas were lost, duplicated, reordered, corrupted or invented
  2  the run could not be made (server not reached, session refused, wrong command line)";

/// Load-tests the federation (s2s) side of an XMPP server, and checks every stanza.
///
/// It plays remote domains as full servers (TCP, TLS, SASL EXTERNAL, DNS) and a component (XEP-0114) behind the server under test, and
/// sends messages between them through the server. Works with any server that speaks both protocols.
#[derive(Debug, Parser)]
#[command(name = "peerage-loadgen", version, after_long_help = AFTER_HELP, after_help = "`--help` says more, with examples and exit codes.")]
pub(crate) enum Command {
    /// Write certificates for the server under test and for the remotes
    Prepare(PrepareArgs),
    /// Few remote domains, many stanzas a write
    Dense(Box<DenseArgs>),
}

/// Arguments of `prepare`.
#[derive(Args, Debug)]
pub(crate) struct PrepareArgs {
    /// Directory to write to; created if missing, files in it are overwritten
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Domain that the server under test hosts, and that the component serves
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) hosted: String,
    /// Extended key usage of the remotes' certificate: public authorities issue `server` only; servers that insist on client
    /// authentication need `both` (ejabberd 23.01 is one)
    #[arg(long, value_enum, default_value_t = Usage::Server)]
    pub(crate) usage: Usage,
}

/// Extended key usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Usage {
    /// serverAuth
    Server,
    /// serverAuth and clientAuth
    Both,
}

/// Arguments of `dense`.
#[derive(Args, Debug)]
pub(crate) struct DenseArgs {
    /// Where the server under test accepts other servers (STARTTLS)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) s2s: SocketAddr,
    /// Where the server under test accepts components (XEP-0114)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) component: SocketAddr,
    /// What the server and the component both know
    #[arg(long, value_name = "SECRET")]
    pub(crate) component_secret: String,
    /// Domain of the component
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) hosted: String,
    /// Directory that `prepare` wrote
    #[arg(long, value_name = "DIR")]
    pub(crate) ca_dir: PathBuf,
    /// Where to answer DNS for the server under test
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5353")]
    pub(crate) dns: SocketAddr,
    /// Which way stanzas go
    #[arg(long, value_enum, default_value_t = Way::In)]
    pub(crate) direction: Way,
    /// Remote domains; r0.peers.example and so on
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) remotes: u16,
    /// Addresses at each remote that send or receive; order is checked for each
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) users: u16,
    /// Seconds to send for
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// Closed loop: as fast as it goes with a window of stanzas under way (the default)
    #[arg(long, conflicts_with = "rate")]
    pub(crate) max: bool,
    /// Stanzas under way at once with --max
    #[arg(long, value_name = "COUNT", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) window: u64,
    /// Open loop: stanzas a second, each at a time fixed before the run
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub(crate) rate: Option<u32>,
    /// Bytes in each body; with 200 a stanza has about 310
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u16).range(52..=60_000))]
    pub(crate) body_bytes: u16,
    /// Process of the server under test, for its processor time; may be given several times
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<u32>,
    /// Write the result as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Seconds without an arrival after which missing stanzas count as lost
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) patience: u64,
    /// First port of the remotes, on addresses from 127.16.0.1 on
    #[arg(long, value_name = "PORT", default_value_t = 15269)]
    pub(crate) port: u16,
    /// Seed of the order of stanzas
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Send to an address that is not loopback. Only with --direction in: the remotes listen on loopback, a server elsewhere
    /// cannot reach them
    #[arg(long)]
    pub(crate) i_own_this_server: bool,
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

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::In => "in",
            Way::Out => "out",
            Way::Echo => "echo",
        }
    }
}

impl DenseArgs {
    /// Refuses to send where the user may not mean to.
    pub(crate) fn check_targets(&self) -> anyhow::Result<()> {
        let elsewhere =
            [self.s2s, self.component].into_iter().find(|address| !address.ip().is_loopback());
        let Some(address) = elsewhere else { return Ok(()) };
        anyhow::ensure!(
            self.i_own_this_server,
            "{address} is not a loopback address: say --i-own-this-server to load it all the same"
        );
        anyhow::ensure!(
            self.direction == Way::In,
            "a server at {address} cannot reach the remotes, which listen on loopback: only --direction in works there"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense(more: &str) -> DenseArgs {
        let line = format!(
            "peerage-loadgen dense --s2s 127.0.0.1:5269 --component-secret s --hosted echo.example.org --ca-dir lg {more}"
        );
        match Command::try_parse_from(line.split_whitespace()).unwrap() {
            Command::Dense(args) => *args,
            Command::Prepare(_) => unreachable!(),
        }
    }

    #[test]
    fn targets_elsewhere_need_a_word_of_their_owner() {
        assert!(dense("--component 127.0.0.1:5347").check_targets().is_ok());
        assert!(dense("--component 192.0.2.1:5347").check_targets().is_err());
        assert!(dense("--component 192.0.2.1:5347 --i-own-this-server").check_targets().is_ok());
        assert!(
            dense("--component 192.0.2.1:5347 --i-own-this-server --direction echo")
                .check_targets()
                .is_err()
        );
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Command::command().debug_assert();
    }
}
