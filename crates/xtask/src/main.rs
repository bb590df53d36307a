//! The project's own commands: `cargo xtask demo`, `cargo xtask test`, `cargo xtask matrix`, `cargo xtask fuzz`.

mod demo;
mod fuzz;
mod suite;

use std::process::ExitCode;

use clap::Parser;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about)]
enum Command {
    /// Run Peerage against a simulated federation and show what it does.
    Demo(demo::DemoArgs),
    /// Run every check: formatting, lints, documentation, tests, interop with real servers.
    Test(suite::TestArgs),
    /// Run every interop test and write tests/MATRIX.md from what they saw.
    Matrix,
    /// Play a fuzzer for as long as you like, over all cores, and write down what it did.
    Fuzz(fuzz::FuzzArgs),
}

fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Demo(args) => demo::run(&args),
        Command::Test(args) => suite::run(&args),
        Command::Matrix => suite::write_matrix(),
        Command::Fuzz(args) => fuzz::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
