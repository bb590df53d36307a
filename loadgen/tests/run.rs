//! Scenarios played against real servers that `run --start` starts.
//!
//! Needs root, the servers and a Peerage beside the loadgen under test (or named by `PEERAGE_BIN`).

use std::process::{Command, Output};

/// Plays a scenario against a server that is started for it, and says what came of it.
fn run(line: &str, server: &str) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerage-loadgen"));
    command.arg("run").args(line.split_whitespace()).args(["--start", server]);
    if let Some(peerage) = std::env::var_os("PEERAGE_BIN") {
        command.arg("--peerage-bin").arg(peerage);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output, text)
}

#[track_caller]
fn is_clean(line: &str, server: &str) -> String {
    let (output, text) = run(line, server);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let verdict = text.lines().find_map(|line| line.strip_prefix("verdict"));
    assert!(verdict.is_some_and(|words| words.trim().starts_with("clean: ")), "{text}");
    text
}

#[test]
#[ignore = "real server: needs root; see cargo xtask test"]
fn peerage_climbs_the_ladder() {
    let text = is_clean("ladder --domains 100 --seconds 3 --rate 200", "peerage");
    assert!(text.contains("remote-server-not-found"), "{text}");
}

#[test]
#[ignore = "real server: needs root; see cargo xtask test"]
fn peerage_shuts_out_who_falls_short_on_a_flagday() {
    let text = is_clean("flagday --domains 20 --seconds 6 --rate 200", "peerage");
    assert!(text.contains("the minimum is raised to trusted"), "{text}");
}

#[test]
#[ignore = "real server: needs root; see cargo xtask test"]
fn several_processes_make_one_record() {
    let text = is_clean("dense --processes 2 --direction echo --rate 200 --seconds 2", "peerage");
    let sent = text.lines().any(|line| line.split_whitespace().eq(["sent", "400"]));
    assert!(text.contains("2 processes") && sent, "{text}");
}
