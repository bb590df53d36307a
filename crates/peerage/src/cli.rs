//! The command line.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::ca::CaError;
use crate::ca::command::{self as ca_command, Printed};
use crate::check;
use crate::config::{Loaded, LogLevel, Refused, Severity, Surroundings, load, reference};
use crate::control::Ended;
use crate::descriptors;
use crate::embedded::Embedded;
use crate::run::{self, RunError, RunOptions};

/// The configuration was refused.
const REFUSED: u8 = 1;
/// The router could not start (2 is clap's, for a wrong command line).
const NOT_STARTED: u8 = 3;
/// It ran, but did not end as it should: the drain deadline passed, or a shard failed.
const CUT: u8 = 4;
/// Ended by a second signal, as shells count SIGINT.
const FORCED: u8 = 130;

const LONG_ABOUT: &str = "\
Peerage is an XMPP federation router: it stands between your own XMPP services and the other servers of the federated \
network. It answers one question for every stanza that crosses: who says so?

The trust ladder: what a peer must have proved, for each pair of domains.
  promiscuous  nothing; test networks only
  verified     the name, by DNS (server dialback)
  secure       the name by DNS, the channel by TLS, on the verification leg too (the default)
  trusted      the name by a certificate that chains to a trusted root";

const AFTER_HELP: &str = "\
Examples:
  peerage run                               try it: loopback only, its own CA
  peerage config reference > peerage.toml   a commented configuration to start from
  peerage check --config peerage.toml       what it would do, and all that is wrong with it
  peerage run --config peerage.toml

Signals (run):
  SIGTERM, SIGINT  drain: close streams, bounce what is queued; a second one exits at once
  SIGHUP           read configuration and certificates again; streams that the new ones still
                   allow go on, and on an error the old ones stay

Exit codes:
  0    ended as asked, or the configuration is valid
  1    the configuration is refused; errors read file:line: key = value: what is allowed
  2    wrong command line
  3    could not start: an address in use, the state directory, no randomness;
       the internal CA is not there or cannot be used
  4    the drain deadline passed, or a shard failed
  130  ended by a second signal";

/// The XMPP federation router.
#[derive(Debug, Parser)]
#[command(name = "peerage", version, about = "The XMPP federation router", long_about = LONG_ABOUT, after_long_help = AFTER_HELP, after_help = "`--help` says more: the trust ladder, examples, signals, exit codes.")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the router
    ///
    /// Without --config it uses an embedded configuration: loopback only (5269, 5270, 5347, admin 5280), its own CA, a
    /// throw-away identity for *.peerage.localhost. It says on standard error how to attach a component. No file is looked
    /// for in other places: /etc/peerage/peerage.toml is used when you say so.
    Run(RunArgs),
    /// Check a configuration and say what it would do
    ///
    /// Prints every error and warning as file:line: key = value: what is allowed, then listeners, hosted domains with their
    /// certificates, the ladder, and the limits that are not at their defaults. Nothing is written and nothing is listened
    /// on. Exit code 1 when the configuration would be refused. Without --config it checks the embedded one.
    Check(ConfigArgs),
    /// The internal CA, which backends trust
    ///
    /// A server of your own that demands valid certificates (`backend = { ... }` in a [[domain]]) is shown certificates in the
    /// names of remote domains. They are issued by a CA of this router, made in the state directory when the first
    /// backend needs it. Run these commands as the user that runs the router.
    Ca {
        #[command(subcommand)]
        what: CaCommand,
    },
    /// The configuration format
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
}

#[derive(Debug, Subcommand)]
enum CaCommand {
    /// Make the CA if there is none, and show it
    Init(CaArgs),
    /// Print what backends must trust (standard output), and where it goes (standard error)
    Show(CaArgs),
    /// Replace the CA, in two steps
    ///
    /// Every backend must trust the next CA before the router shows anything of it: --stage makes it and prints what backends
    /// must trust from now on; --activate puts it into force and keeps the previous one beside it.
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
struct CaArgs {
    /// The configuration file, which names the state directory
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Args)]
#[group(id = "step", required = true, multiple = false, args = ["stage", "activate"])]
struct RotateArgs {
    #[command(flatten)]
    ca: CaArgs,
    /// First: make the next CA
    #[arg(long)]
    stage: bool,
    /// Then: use it
    #[arg(long)]
    activate: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print a commented configuration with every key, its range and its default
    Reference {
        /// As CONFIGURATION.md
        #[arg(long)]
        markdown: bool,
    },
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The least severe log lines to write; wins over log.level
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run(args),
        Command::Check(args) => check(args.config.as_deref()),
        Command::Ca { what } => ca(&what),
        Command::Config { what: ConfigCommand::Reference { markdown } } => {
            print(&if markdown { reference::markdown() } else { reference::toml() });
            ExitCode::SUCCESS
        }
    }
}

fn run(args: RunArgs) -> ExitCode {
    let options = RunOptions { config: args.config.config, log_level: args.log_level };
    match run::run(options) {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Overdue(_)) => ExitCode::from(CUT),
        Ok(Ended::Forced) => ExitCode::from(FORCED),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(match error {
                RunError::Refused(_) => REFUSED,
                RunError::Shards(_) => CUT,
                RunError::Embedded(_)
                | RunError::State(_)
                | RunError::Ca(_)
                | RunError::Admin { .. }
                | RunError::Start(_)
                | RunError::Runtime(_)
                | RunError::Resolver(_) => NOT_STARTED,
            })
        }
    }
}

fn ca(what: &CaCommand) -> ExitCode {
    let (CaCommand::Init(CaArgs { config })
    | CaCommand::Show(CaArgs { config })
    | CaCommand::Rotate(RotateArgs { ca: CaArgs { config }, .. })) = what;
    descriptors::raise();
    let surroundings = Surroundings::here();
    let loaded = match load(config, surroundings) {
        Ok(loaded) => loaded,
        Err(refused) => {
            eprintln!("{refused}");
            return ExitCode::from(REFUSED);
        }
    };
    match ca_done(what, &loaded, surroundings.now) {
        Ok(Printed { output, words }) => {
            print(&output);
            eprint!("{words}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(NOT_STARTED)
        }
    }
}

fn ca_done(what: &CaCommand, loaded: &Loaded, now: i64) -> Result<Printed, CaError> {
    match what {
        CaCommand::Init(_) => ca_command::init(loaded, now),
        CaCommand::Show(_) => ca_command::show(loaded),
        CaCommand::Rotate(RotateArgs { activate: true, .. }) => ca_command::rotate_activate(loaded),
        CaCommand::Rotate(_) => ca_command::rotate_stage(loaded, now),
    }
}

fn check(file: Option<&Path>) -> ExitCode {
    // As `run` would: the limit decides the default of limits.links.
    descriptors::raise();
    let surroundings = Surroundings::here();
    let (text, code) = match file {
        Some(file) => checked(file, surroundings),
        None => match Embedded::create(&std::env::temp_dir()) {
            Ok(embedded) => checked(&embedded.file(), surroundings),
            Err(error) => (format!("{error}\n"), REFUSED),
        },
    };
    print(&text);
    ExitCode::from(code)
}

/// The output of `peerage check` and its exit code.
#[must_use]
pub fn checked(file: &Path, surroundings: Surroundings) -> (String, u8) {
    let loaded = match load(file, surroundings) {
        Ok(loaded) => loaded,
        Err(Refused(findings)) => {
            let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
            let mut text: String = findings.iter().map(marked).collect();
            let noun = if errors == 1 { "error" } else { "errors" };
            text.push_str(&format!("{}: refused, {errors} {noun}\n", file.display()));
            return (text, REFUSED);
        }
    };
    let warnings: String = loaded.warnings.iter().map(marked).collect();
    match check::report(&loaded, surroundings) {
        Ok(report) => (format!("{warnings}{}: valid\n{report}", file.display()), 0),
        Err(problem) => {
            (format!("{warnings}error: {problem}\n{}: refused\n", file.display()), REFUSED)
        }
    }
}

fn marked(finding: &crate::config::Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    format!("{severity}: {finding}\n")
}

/// A reader that has gone (`| head`) is no failure.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_teaches() {
        let help = Cli::command().render_long_help().to_string();
        for phrase in [
            "federation router",
            "who says so?",
            "promiscuous",
            "verified",
            "secure",
            "trusted",
            "peerage run --config peerage.toml",
            "peerage check --config peerage.toml",
            "peerage config reference",
            "SIGTERM",
            "SIGHUP",
            "Exit codes",
            "130",
        ] {
            assert!(help.contains(phrase), "{phrase:?} is not in:\n{help}");
        }
    }

    #[test]
    fn run_help_says_what_happens_without_a_file() {
        let mut command = Cli::command();
        let run = command.find_subcommand_mut("run").unwrap();
        let help = run.render_long_help().to_string();
        assert!(help.contains("embedded configuration"), "{help}");
        assert!(help.contains("--log-level"), "{help}");
    }
}
