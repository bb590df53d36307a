//! The command line.

mod compare;
mod run;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser};
use s2s_testkit::federation::Rung;

pub(crate) use compare::CompareArgs;
#[cfg(test)]
pub(crate) use run::Way;
pub(crate) use run::{Changes, RunArgs, ServerArgs};

use crate::servers::Software;

/// Lines up to 98 columns: help is wrapped at 100, and a wrapped command line cannot be copied.
const AFTER_HELP: &str = "\
Examples:
  peerage-loadgen run dense --start ejabberd --core 0
      starts an ejabberd (root, its package installed), sends as many stanzas as it takes for 10
      seconds, from 10 remote domains to the component, and ends it
  peerage-loadgen run steady --start ejabberd --core 0 --json steady.json
      1,000 stanzas a second to the component and back; latency from the intended time
  peerage-loadgen page steady.json
      draws steady.html of it: the same run as one page with plots, to be kept or sent
  peerage-loadgen run dense --start haproxy --core 0
      the bound: what loadgen itself can do, with a byte pump in the place of the server
  peerage-loadgen compare --servers prosody,ejabberd --html comparison.html
      each in turn, the same work for each, three rounds: a table of ratios and a page with plots;
      some 3 minutes a server
  peerage-loadgen scenarios
      what can be played, and how to write more

With a server of your own; loadgen/README.md says how to configure it:
  peerage-loadgen prepare --dir lg --hosted echo.example.org
      certificates for the server, and notes on what it has to accept; do this before it starts
  peerage-loadgen run dense --s2s 127.0.0.1:5269 \\
      --component 127.0.0.1:5347 --component-secret secret \\
      --hosted echo.example.org --ca-dir lg --pid \"$(pidof beam.smp)\"
      as the first example; with --direction out or echo the server must ask loadgen's DNS (--dns)

Exit codes:
  0  every stanza sent was delivered, or bounced as the scenario allows, once, in order, unchanged
  1  stanzas were lost, duplicated, reordered, corrupted or invented, or bounced where they
     should not
  2  the run could not be made (server not reached, session refused, wrong command line)";

/// Load-tests the federation (s2s) side of an XMPP server, and checks every stanza.
///
/// It plays remote domains as full servers (TCP, TLS, SASL EXTERNAL, DNS) and a component (XEP-0114) behind the server under test, and
/// sends messages between them through the server. Works with any server that speaks both protocols.
#[derive(Debug, Parser)]
#[command(name = "peerage-loadgen", version, after_long_help = AFTER_HELP, after_help = "`--help` says more, with examples and exit codes.")]
pub(crate) enum Command {
    /// Write certificates for the server under test, and an authority for the remotes
    Prepare(PrepareArgs),
    /// Play a scenario, against a server that runs or one that is started for it
    ///
    /// Either against a server that runs (--s2s, --component, --component-secret, --hosted, --ca-dir), or against one that is started
    /// for it (--start). What the command line says besides takes the place of what the scenario says. While it lasts, a few lines on
    /// standard error tell how it goes; the report goes to standard output.
    Run(Box<RunArgs>),
    /// Play the same against several servers and a byte pump, in turn and several times, and tell the ratios
    ///
    /// Each server is started anew for each part, with a generated configuration that asks the same of each, in a network namespace of
    /// its own, pinned to a core; the generator keeps to the others. Rounds follow each other with the same work in the same order, so
    /// that what else the machine does meets all alike. HAProxy, a byte pump from TLS to TLS, is the bound: the same bytes without XMPP.
    /// It is there without being named.
    ///
    /// Without --scenario the parts are: `sessions` (500 peers, both ways: what a session costs to open and to hold), `in`, `out` and
    /// `echo` (dense, as fast as it goes), `sparse-500` (one stanza a write) and `rate` (latency at a rate that all can serve). Needs
    /// root.
    Compare(Box<CompareArgs>),
    /// One of the processes of a run
    #[command(hide = true)]
    Worker,
    /// Start a server under test with a generated configuration, to look at or to load by hand
    ///
    /// It runs in a network namespace of its own (root, Linux) until Ctrl-C, and prints its processes, its files and the command that
    /// loads it. A rung on standard input raises what it demands of other servers.
    Serve(Box<ServeArgs>),
    /// List the scenarios, print one, or check one of your own
    Scenarios(ScenariosArgs),
    /// Draw the page of a result that was written with --json
    ///
    /// The page is one HTML file that needs nothing else: it opens without a network, prints, and follows the reader's choice of light
    /// or dark. The report as text goes to standard output: aligned lines of a run, Markdown of a comparison.
    Page(PageArgs),
}

/// Arguments of `scenarios`.
#[derive(Args, Debug)]
pub(crate) struct ScenariosArgs {
    /// A shipped scenario to print, or a file to check and to describe; without it all shipped ones are listed
    #[arg(value_name = "NAME|FILE.toml")]
    pub(crate) name: Option<String>,
    /// Print what every key takes and means, as Markdown
    #[arg(long, conflicts_with = "name")]
    pub(crate) reference: bool,
}

/// Arguments of `prepare`.
#[derive(Args, Debug)]
pub(crate) struct PrepareArgs {
    /// Directory to write to; created if missing, files in it are overwritten
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Domain that the server under test hosts, and that the component serves; may be given several times
    #[arg(long, value_name = "DOMAIN", required = true, value_parser = domain)]
    pub(crate) hosted: Vec<String>,
    /// A scenario whose remotes are to be told of in the notes
    #[arg(long, value_name = "SCENARIO|FILE.toml", default_value = "dense")]
    pub(crate) scenario: String,
}

/// Arguments of `page`.
#[derive(Args, Debug)]
pub(crate) struct PageArgs {
    /// Result of a run or of a comparison, as `--json` wrote it
    #[arg(value_name = "RESULT.json")]
    pub(crate) result: PathBuf,
    /// Where to write the page [default: beside the result, its name ending in .html]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Of a comparison: write the chart of CPU a stanza as a picture of its own, too, for documents to link
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) chart: Option<PathBuf>,
}

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Which server
    pub(crate) server: Software,
    /// Directory for certificates (`lg`), and for configuration and logs of the server (its name), which must not be there yet
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Domain that the server hosts as a component; may be given several times
    #[arg(long, value_name = "DOMAIN", default_value = "echo.example.org", value_parser = domain)]
    pub(crate) hosted: Vec<String>,
    /// What the server and the component both know
    #[arg(long, value_name = "SECRET", default_value = "throw-away-secret-of-a-local-test")]
    pub(crate) component_secret: String,
    /// Where the server accepts other servers, in its namespace
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.2:5269")]
    pub(crate) s2s: SocketAddr,
    /// Where the server accepts components, in its namespace
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.2:5347")]
    pub(crate) component: SocketAddr,
    /// Port at which ejabberd takes commands, on the address for components
    #[arg(long, value_name = "PORT", default_value_t = 5280)]
    pub(crate) control_port: u16,
    /// The least it demands of other servers: verified, secure or trusted; without it, the most it can
    #[arg(long, value_name = "RUNG", value_parser = rung)]
    pub(crate) minimum: Option<Rung>,
    /// Core it is pinned to
    #[arg(long, value_name = "NUMBER")]
    pub(crate) core: Option<usize>,
    /// Peerage's program; without it, that beside this one
    #[arg(long, value_name = "FILE")]
    pub(crate) peerage_bin: Option<PathBuf>,
    /// Where HAProxy passes on what arrives
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.3:5269")]
    pub(crate) forward: SocketAddr,
    /// Name that the server there has to prove
    #[arg(long, value_name = "DOMAIN", default_value = "r0.peers.example")]
    pub(crate) forward_name: String,
    /// Install what is missing (Debian 12, root); no service is started
    #[arg(long)]
    pub(crate) install: bool,
}

/// A step of the trust ladder by its name.
pub(crate) fn rung(name: &str) -> Result<Rung, String> {
    Rung::ALL.into_iter().find(|rung| rung.name() == name).ok_or_else(|| {
        let names: Vec<_> = Rung::ALL.iter().map(|rung| rung.name()).collect();
        format!("{name:?} is no rung: {}", names.join(", "))
    })
}

/// A domain as it stands in certificates, configurations and addresses.
pub(crate) fn domain(name: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = |label: &str| {
        !label.is_empty()
            && label.chars().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.split('.').all(is_label) {
        return Ok(name.to_owned());
    }
    Err("must be a domain of lower-case letters, digits, hyphens and dots, as echo.example.org"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_one_that_every_configuration_takes_as_it_is() {
        for good in ["echo.example.org", "x", "a-1.b"] {
            assert_eq!(domain(good).as_deref(), Ok(good));
        }
        for bad in
            ["", "echo example", "Echo.example.org", ".org", "a..b", "-a.b", "a.b-", "https://a"]
        {
            assert!(domain(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn command_lines_in_the_examples_are_not_wrapped() {
        for line in AFTER_HELP.lines() {
            assert!(line.chars().count() <= 98, "{line}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Command::command().debug_assert();
    }
}
