//! The binary as a user meets it.

use std::process::{Command, Output};

use s2s_testkit::ports;

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
        "run dense --hosted echo.example.org --component-secret secret --ca-dir {}",
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
        "{run} --s2s 127.83.1.1:1 --component 127.83.1.1:1 --dns 127.0.0.1:0 --port {}",
        ports::claim()
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
fn scenarios_are_listed_printed_and_checked() {
    let list = String::from_utf8(loadgen("scenarios").stdout).unwrap();
    assert!(list.lines().any(|line| line.starts_with("hundred-thousand  ")), "{list}");
    let printed = loadgen("scenarios storm");
    let toml = String::from_utf8(printed.stdout).unwrap();
    assert!(toml.starts_with("# storm: "), "{toml}");

    // What is printed can be kept, changed and checked.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, &toml).unwrap();
    let checked = loadgen(&format!("scenarios {}", file.display()));
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains("at 50 s: reconnect of 25 % of the peers"), "{said}");
    std::fs::write(&file, toml.replace("seconds = 60", "seconds = 0")).unwrap();
    let refused = loadgen(&format!("scenarios {}", file.display()));
    assert_eq!(refused.status.code(), Some(2));
    let told = "traffic.seconds = 0: must be an integer, 1 to 604800";
    assert!(stderr(&refused).contains(told), "{}", stderr(&refused));
}

#[test]
fn a_rate_and_a_window_exclude_each_other() {
    let (_dir, run) = prepared();
    let output =
        loadgen(&format!("{run} --s2s 127.0.0.1:1 --component 127.0.0.1:1 --max --rate 5"));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_result_that_is_none_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let result = dir.path().join("run.json");
    for (text, expected) in [
        ("{\"form\": 1, ", "not JSON, or cut off"),
        ("{\"form\": 99, \"scenario\": \"dense\"}", "form 99"),
        ("[]", "no result of peerage-loadgen"),
    ] {
        std::fs::write(&result, text).unwrap();
        let output = loadgen(&format!("page {}", result.display()));
        assert_eq!(output.status.code(), Some(2));
        let error = stderr(&output);
        let shown = result.display().to_string();
        assert!(error.contains(&shown) && error.contains(expected), "{error}");
        assert!(!dir.path().join("run.html").exists());
    }
}
