//! Real servers, started by `serve` in a namespace of their own, loaded by `run dense` as the user is told to.
//!
//! Needs root, the servers and a Peerage beside the loadgen under test (or named by `PEERAGE_BIN`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use s2s_testkit::process::{Signal, families, signal, wait_at_most};
use tempfile::TempDir;

/// A server starts, and a line comes, within this.
const PATIENCE: Duration = Duration::from_secs(90);

/// `peerage-loadgen serve`, while it runs.
struct Served {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
    folder: TempDir,
}

impl Served {
    /// Starts `server` with further arguments; returns when it accepts.
    fn start(server: &str, more: &str) -> Served {
        let folder = tempfile::Builder::new().prefix("montague").tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_peerage-loadgen"));
        command.args(["serve", server, "--dir"]).arg(folder.path().join("d"));
        command.args(more.split_whitespace());
        if let Some(peerage) = std::env::var_os("PEERAGE_BIN") {
            command.arg("--peerage-bin").arg(peerage);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        let mut served = Served { child, stdin, lines, seen: Vec::new(), folder };
        served.line("then ");
        served
    }

    /// The next line that begins so.
    fn line(&mut self, start: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(rest) {
                Ok(line) if line.starts_with(start) => {
                    self.seen.push(line.clone());
                    return line;
                }
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("no {start:?} in {:#?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended without {start:?}: {:#?}", self.seen)
                }
            }
        }
    }

    fn said(&self, start: &str) -> &str {
        let line = self.seen.iter().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no {start:?} in {:#?}", self.seen))
    }

    /// Runs the command that the user is told for one direction, for a second, with some options changed.
    fn dense(&self, direction: &str, changes: &[(&str, &str)]) -> Output {
        let line = self.said("load it with").strip_prefix("load it with").unwrap();
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let always = [("--direction", direction), ("--seconds", "1")];
        for (option, value) in always.iter().chain(changes) {
            let at = words.iter().position(|word| word == option);
            words[at.unwrap_or_else(|| panic!("no {option} in {line}")) + 1] = value;
        }
        Command::new(words[0]).args(&words[1..]).output().unwrap()
    }

    /// That every stanza of a direction arrives.
    #[track_caller]
    fn assert_carries(&self, direction: &str, changes: &[(&str, &str)]) {
        let output = self.dense(direction, changes);
        let text = text(&output);
        assert!(output.status.success(), "{direction}: {text}");
        let delivered = text.lines().any(|line| line.split_whitespace().eq(["delivered", "200"]));
        assert!(delivered, "{direction}: {text}");
    }

    /// A line for its standard input.
    fn say(&mut self, word: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{word}").unwrap();
    }

    fn namespace(&self) -> String {
        self.said("server").rsplit(' ').next().unwrap().to_owned()
    }

    /// All processes, those inside too.
    fn pids(&self) -> Vec<u32> {
        families(&[self.child.id()]).unwrap()
    }

    /// Asks it to end, and checks that nothing remains.
    fn end(mut self) {
        let (namespace, pids) = (self.namespace(), self.pids());
        signal(self.child.id(), Signal::TERM).unwrap();
        let status = wait_at_most(&mut self.child, Instant::now() + PATIENCE).unwrap();
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
        assert_gone(&pids);
        assert!(!Path::new("/run/netns").join(&namespace).exists(), "{namespace} remains");
        assert!(!Path::new("/etc/netns").join(&namespace).exists(), "{namespace} remains");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ends what is inside; an error says that it ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn assert_gone(pids: &[u32]) {
    assert!(pids.len() > 2, "a process outside, one inside, and a server: {pids:?}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left: Vec<_> = pids.iter().filter(|pid| is_running(**pid)).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{left:?} remain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A zombie is the affair of whoever adopted it.
fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim().starts_with('Z'))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Starts it, loads it in every direction, ends it.
fn carries_every_direction(server: &str, version: &str) {
    let served = Served::start(server, "");
    assert!(served.said("server").contains(version), "{}", served.said("server"));
    for direction in ["in", "out", "echo"] {
        served.assert_carries(direction, &[]);
    }
    served.end();
}

#[test]
#[ignore = "real server: needs root; see cargo xtask test"]
fn peerage_carries_every_direction() {
    carries_every_direction("peerage", " peerage 0.");
}

#[test]
#[ignore = "real server: needs root and Prosody; see cargo xtask test"]
fn prosody_carries_every_direction() {
    carries_every_direction("prosody", " Prosody 0.12.");
}

#[test]
#[ignore = "real server: needs root and ejabberd; see cargo xtask test"]
fn ejabberd_carries_every_direction() {
    carries_every_direction("ejabberd", " ejabberd 23.01");
}

#[test]
#[ignore = "real server: needs root and jabberd2; see cargo xtask test"]
fn jabberd2_carries_every_direction() {
    carries_every_direction("jabberd2", " jabberd2 2.7.");
}

/// Remotes whose certificates prove nothing are taken before the minimum is raised, and not afterwards; those of the right authority are.
fn the_minimum_can_be_raised(server: &str, refusal: &str) {
    let mut served = Served::start(server, "--minimum secure");
    let other = served.folder.path().join("other");
    let mut prepare = Command::new(env!("CARGO_BIN_EXE_peerage-loadgen"));
    prepare.args(["prepare", "--hosted", "echo.example.org", "--dir"]).arg(&other);
    assert!(prepare.output().unwrap().status.success());
    let unproved = [("--ca-dir", other.to_str().unwrap())];

    served.assert_carries("in", &unproved);
    served.say("trusted");
    served.line("raised ");
    let output = served.dense("in", &unproved);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(refusal), "{text}");
    served.assert_carries("in", &[("--rung", "trusted")]);
    served.end();
}

#[test]
#[ignore = "real server: needs root; see cargo xtask test"]
fn peerage_raises_its_minimum_at_run_time() {
    the_minimum_can_be_raised("peerage", "not-authorized (a valid certificate is required");
}

#[test]
#[ignore = "real server: needs root and Prosody; see cargo xtask test"]
fn prosody_raises_its_minimum_at_run_time() {
    the_minimum_can_be_raised(
        "prosody",
        "not-authorized (Your server's certificate is not trusted)",
    );
}

#[test]
#[ignore = "real server: needs root and ejabberd; see cargo xtask test"]
fn ejabberd_raises_its_minimum_at_run_time() {
    the_minimum_can_be_raised("ejabberd", "stream error not-authorized");
}

#[test]
#[ignore = "real server: needs root and jabberd2; see cargo xtask test"]
fn jabberd2_says_that_it_cannot_raise_its_minimum() {
    let mut served = Served::start("jabberd2", "--minimum verified");
    served.say("secure");
    assert!(served.line("cannot ").contains("at its start alone"));
    served.assert_carries("in", &[]);
    served.end();
}

#[test]
#[ignore = "real server: needs root and Prosody; see cargo xtask test"]
fn a_killed_loadgen_takes_its_server_with_it() {
    let mut served = Served::start("prosody", "");
    let (namespace, pids) = (served.namespace(), served.pids());
    served.child.kill().unwrap();
    served.child.wait().unwrap();
    assert_gone(&pids);
    // Its name is what the next one removes.
    Served::start("prosody", "").end();
    assert!(!Path::new("/run/netns").join(&namespace).exists(), "{namespace} remains");
}

#[test]
#[ignore = "real server: needs root and HAProxy; see cargo xtask test"]
fn a_server_that_cannot_start_is_said_with_the_end_of_its_log() {
    let folder = tempfile::Builder::new().prefix("montague").tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerage-loadgen"));
    // Nobody has this address.
    command.args(["serve", "haproxy", "--s2s", "192.0.2.1:5269", "--dir"]).arg(folder.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = text(&output);
    assert!(text.contains("error: haproxy ended at its start: exit status: 1"), "{text}");
    assert!(text.contains("cannot bind socket"), "{text}");
}
