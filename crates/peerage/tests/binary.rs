//! The program itself: what it prints and how it exits.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

fn peerage(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_peerage")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn check_without_a_file_shows_the_embedded_configuration() {
    let output = peerage(&["check"]);
    assert!(output.status.success(), "{output:?}");
    let shown = text(&output);
    assert!(shown.contains("127.0.0.1:5269 s2s, STARTTLS"), "{shown}");
    assert!(shown.contains("*.peerage.localhost: component; certificate for"), "{shown}");
}

#[test]
fn check_of_a_bad_file_prints_every_error_and_exits_1() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("peerage.toml");
    fs::write(&file, "[limits]\nstanza_bytes = 500\n[router]\nshards = 0\n").unwrap();
    let name = file.to_str().unwrap();
    let output = peerage(&["check", "--config", name]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output),
        format!(
            "error: {name}:2: limits.stanza_bytes = 500: must be 10000 to 16777216 (RFC 6120 §13.12)\n\
             error: {name}:4: router.shards = 0: must be 1 to 256\n\
             {name}: refused, 2 errors\n"
        )
    );
}

#[test]
fn run_with_a_bad_file_exits_1_and_makes_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let file = directory.path().join("peerage.toml");
    fs::write(&file, format!("[router]\nstate_dir = '{}'\n", state.display())).unwrap();
    let output = peerage(&["run", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("no [[listen]] table"), "{complaint}");
    assert!(!Path::new(&state).exists());
}

#[test]
fn a5_a_router_with_a_short_dialback_secret_does_not_start() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    fs::create_dir(&state).unwrap();
    let secret = state.join("dialback.secret");
    let file = directory.path().join("peerage.toml");
    fs::write(
        &file,
        format!(
            "[router]\nstate_dir = '{}'\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
             [[domain]]\nname = \"capulet.example\"\ncomponent = {{ secret = \"0123456789abcdef\" }}\n\
             [trust]\nminimum = \"verified\"\n",
            state.display()
        ),
    )
    .unwrap();
    // 31 bytes, one too few, and what somebody might type by hand.
    for short in ["ab".repeat(31), "s3cr3t".to_owned(), String::new()] {
        fs::write(&secret, format!("{short}\n")).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let output = peerage(&["run", "--config", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(3), "{short:?}: {output:?}");
        let complaint = String::from_utf8(output.stderr).unwrap();
        let named =
            complaint.contains("dialback.secret") && complaint.contains("at least 32 bytes");
        assert!(named, "{complaint}");
        assert!(short.is_empty() || !complaint.contains(&short), "{complaint}");
        assert_eq!(fs::read_to_string(&secret).unwrap(), format!("{short}\n"), "left as it was");
    }
}

#[test]
fn a_missing_file_is_named() {
    let output = peerage(&["check", "--config", "/nowhere/peerage.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).starts_with("error: /nowhere/peerage.toml: cannot be read: No such file")
    );
}

#[test]
fn the_reference_is_a_configuration() {
    let output = peerage(&["config", "reference"]);
    assert!(output.status.success());
    assert!(text(&output).contains("[[listen]]"));
}

#[test]
fn a_wrong_command_line_exits_2() {
    assert_eq!(peerage(&["walk"]).status.code(), Some(2));
    assert!(peerage(&["--version"]).status.success());
}

/// A configuration with a backend, in a directory of its own.
fn with_backend(directory: &Path) -> String {
    let file = directory.join("peerage.toml");
    let text = format!(
        "[router]\nshards = 1\nstate_dir = '{}/state'\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
         [[listen]]\nkind = \"backend\"\naddress = \"127.0.0.2:0\"\n\
         [[domain]]\nname = \"capulet.example\"\nbackend = {{ address = \"127.0.0.3:5269\" }}\n\
         [trust]\nminimum = \"verified\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n",
        directory.display()
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn ca_show_needs_a_ca_and_ca_init_makes_it_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = with_backend(directory.path());
    let output = peerage(&["ca", "show", "--config", &file]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        errors(&output).contains("there is no internal CA yet: `peerage ca init`"),
        "{output:?}"
    );
    assert_eq!(text(&output), "");
    assert!(!directory.path().join("state").exists());

    let made = peerage(&["ca", "init", "--config", &file]);
    assert!(made.status.success(), "{made:?}");
    let pem = fs::read_to_string(directory.path().join("state/backend-ca.crt")).unwrap();
    assert_eq!(text(&made), pem);
    let shown = peerage(&["ca", "show", "--config", &file]);
    assert_eq!(shown.stdout, peerage(&["ca", "init", "--config", &file]).stdout);
    assert_eq!(text(&shown), pem);
    for words in ["s2s_cafile:", "s2s_ssl = { cafile", "SHA-256", "capulet.example", " valid "] {
        assert!(errors(&shown).contains(words), "{words:?} is not in {}", errors(&shown));
    }
    assert!(
        text(&peerage(&["check", "--config", &file])).contains("\nca        Peerage internal CA ")
    );
}

#[test]
fn ca_rotate_asks_for_a_step_and_does_them_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let file = with_backend(directory.path());
    let rotate = |step: &str| peerage(&["ca", "rotate", "--config", &file, step]);
    assert_eq!(peerage(&["ca", "rotate", "--config", &file]).status.code(), Some(2));
    assert_eq!(rotate("--stage").status.code(), Some(3));
    let first = text(&peerage(&["ca", "init", "--config", &file]));
    let early = rotate("--activate");
    assert_eq!(early.status.code(), Some(3));
    assert!(errors(&early).contains("no next CA is staged"), "{early:?}");

    let staged = rotate("--stage");
    assert!(staged.status.success(), "{staged:?}");
    let next = text(&staged).strip_prefix(&first).unwrap().to_owned();
    assert!(next.starts_with("-----BEGIN CERTIFICATE-----"), "{next}");
    assert!(errors(&staged).contains("peerage ca rotate --activate"), "{staged:?}");
    let active = rotate("--activate");
    assert!(errors(&active).contains("SIGHUP"), "{active:?}");
    assert_eq!(text(&active), next);
    assert_eq!(text(&peerage(&["ca", "show", "--config", &file])), next);
}

#[test]
fn a_router_with_a_backend_makes_the_ca_and_announces_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = with_backend(directory.path());
    let mut router = Running::start_after(Path::new(&file), "the internal CA for backends");
    assert!(directory.path().join("state/backend-ca.key").exists());
    assert!(router.get("/metrics").contains("peerage_backend_ca_expiry_seconds 315"));
    router.signal("-TERM");
    router.line_with("drained: bye");
}

/// A running router that writes JSON lines.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    admin: String,
}

impl Running {
    fn start(file: &Path) -> Self {
        Self::start_after(file, "")
    }

    /// Starts it and waits for a line with `words` before the one that says that it has started.
    fn start_after(file: &Path, words: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_peerage"))
            .args(["run", "--config", file.to_str().unwrap()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut running = Running { child, lines, admin: String::new() };
        if !words.is_empty() {
            running.line_with(words);
        }
        let started = running.line_with("peerage has started");
        let (_, rest) = started.split_once("\"admin\":\"").unwrap();
        running.admin = rest.split('"').next().unwrap().to_owned();
        running
    }

    /// The next log line that contains `words`.
    fn line_with(&mut self, words: &str) -> String {
        for line in &mut self.lines {
            let line = line.unwrap();
            if line.contains(words) {
                return line;
            }
        }
        panic!("no line with {words:?}");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_router_starts_reloads_and_drains() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("peerage.toml");
    let sound = format!(
        "[router]\nshards = 1\nstate_dir = '{}/state'\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
         [[domain]]\nname = \"capulet.example\"\ncomponent = {{ secret = \"0123456789abcdef\" }}\n\
         [trust]\nminimum = \"verified\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n",
        directory.path().display()
    );
    fs::write(&file, &sound).unwrap();
    let mut router = Running::start(&file);
    assert!(router.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(directory.path().join("state/dialback.secret").exists());

    fs::write(&file, format!("{sound}bogus = 1\n")).unwrap();
    router.signal("-HUP");
    let problem = router.line_with("log.bogus = 1: unknown key");
    assert!(problem.contains("\"level\":\"ERROR\""), "{problem}");
    router.line_with("the old settings stay in force");
    assert!(router.get("/metrics").contains("peerage_config_last_reload_successful 0"));

    fs::write(&file, format!("{sound}[limits]\ndepth = 64\n")).unwrap();
    router.signal("-HUP");
    router.line_with("configuration reloaded");
    assert!(router.get("/metrics").contains("peerage_config_generation 2"));

    router.signal("-TERM");
    router.line_with("draining");
    router.line_with("drained: bye");
    assert_eq!(router.child.wait().unwrap().code(), Some(0));
}
