//! `peerage-loadgen`: load-tests the federation side of any XMPP server, and checks every stanza.
//!
//! Duty: play remote domains and a component around a server under test, send, verify, measure, report. It does not configure or
//! start that server: `README.md` says how to point one at it.
//!
//! To know: [`prepare`] writes certificates and files for the server, [`dense`] is the run, [`report`] what it says afterwards. The
//! federation itself is `s2s_testkit::federation`; no code above the framer is shared with the router.
//!
//! Tests: beside the code and in `tests/`. That loss, repetition, disorder and alteration are found out is tested where the books are
//! kept, in `s2s_testkit::federation` (`tests/faults.rs` there plays a router with one fault at a time).

mod args;
mod dense;
mod prepare;
mod report;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The run found loss, duplicates, disorder or corruption.
const FAULTY: u8 = 1;
/// The run could not be made.
const NOT_RUN: u8 = 2;

fn main() -> ExitCode {
    let outcome = match args::Command::parse() {
        args::Command::Prepare(args) => prepare::run(&args).map(|()| true),
        args::Command::Dense(args) => dense::run(&args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAULTY),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(NOT_RUN)
        }
    }
}
