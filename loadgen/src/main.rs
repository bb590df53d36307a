//! `peerage-loadgen`: load-tests the federation side of any XMPP server, and checks every stanza.
//!
//! Duty: play remote domains and a component around a server under test, send, verify, measure, report. `README.md` says how to point
//! a server at it; those that [`servers`] knows it can start itself, in a network namespace ([`inside`]).
//!
//! To know: [`prepare`] writes certificates and files for the server, [`scenario`] says what is played, [`run`] plays it, [`record`]
//! what it found out, and [`report`] tells that as text, JSON and a page. The federation itself is `s2s_testkit::federation`; no code above
//! the framer is shared with the router.
//!
//! Tests: beside the code and in `tests/`. That loss, repetition, disorder and alteration are found out is tested where the books are
//! kept, in `s2s_testkit::federation` (`tests/faults.rs` there plays a router with one fault at a time).

mod args;
mod compare;
mod inside;
mod page;
mod prepare;
mod record;
mod report;
mod run;
mod scenario;
mod serve;
mod servers;
mod setting;

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
        args::Command::Prepare(args) => prepare::run(&args).map(|()| ExitCode::SUCCESS),
        args::Command::Run(args) => run::run(&args),
        args::Command::Compare(args) => compare::run(&args),
        args::Command::Worker => run::crew::work().map(|()| ExitCode::SUCCESS),
        args::Command::Serve(args) => serve::run(&args),
        args::Command::Scenarios(args) => scenario::show(&args).map(|()| ExitCode::SUCCESS),
        args::Command::Page(args) => page::run(&args).map(|()| ExitCode::SUCCESS),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            let signal = error.downcast_ref::<inside::Interrupted>();
            ExitCode::from(signal.map_or(NOT_RUN, |signal| 128 + signal.0))
        }
    }
}

fn verdict(is_clean: bool) -> ExitCode {
    if is_clean { ExitCode::SUCCESS } else { ExitCode::from(FAULTY) }
}
