//! The binary as a user meets it.

use std::process::{Command, Output};

fn loadgen(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_peerage-loadgen"))
        .args(line.split_whitespace())
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A directory as `prepare` leaves it, and the arguments that every run needs.
fn prepared() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let lg = dir.path().join("lg");
    let output = loadgen(&format!("prepare --dir {} --hosted echo.example.org", lg.display()));
    assert!(output.status.success(), "{}", stderr(&output));
    let run = format!(
        "dense --hosted echo.example.org --component-secret secret --ca-dir {}",
        lg.display()
    );
    (dir, run)
}

#[test]
fn help_teaches_the_three_exit_codes() {
    let output = loadgen("--help");
    let text = String::from_utf8(output.stdout).unwrap();
    for words in ["Examples:", "prepare --dir lg", "Exit codes:", "reordered"] {
        assert!(text.contains(words), "{words} is missing in:\n{text}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let (_dir, run) = prepared();
    // Port 1 of an address of our own: nobody listens.
    let output = loadgen(&format!(
        "{run} --s2s 127.83.1.1:1 --component 127.83.1.1:1 --dns 127.83.1.2:20053 --port 17001"
    ));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("attaching the component at 127.83.1.1:1"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_server_elsewhere_is_not_loaded_without_a_word_of_its_owner() {
    let (_dir, run) = prepared();
    let output = loadgen(&format!("{run} --s2s 192.0.2.1:5269 --component 127.0.0.1:5347"));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--i-own-this-server"), "{}", stderr(&output));
}

#[test]
fn a_rate_and_a_window_exclude_each_other() {
    let (_dir, run) = prepared();
    let output =
        loadgen(&format!("{run} --s2s 127.0.0.1:1 --component 127.0.0.1:1 --max --rate 5"));
    assert_eq!(output.status.code(), Some(2));
}
