//! A server that loses, repeats, reorders, stalls, breaks off or dies is found out by a whole run, and nothing is claimed that did not happen.
//! It takes names on trust (no version, no proof), and passes on to its component what remotes send, with one fault.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use clap::Parser as _;
use s2s_testkit::ports;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::args::Command;

/// The stanza with this number meets the fault; the greeting is over by then.
const VICTIM: usize = 60;
/// The last one: four of the greeting, two hundred of the run.
const LAST: usize = 204;
const END: &str = "</message>";

const SCENARIO: &str = "about = \"a test\"\n[peers]\ndomains = 4\n[[peer]]\nname = \"old\"\nrung = \"promiscuous\"\n\
    [traffic]\nrate = 200\nseconds = 1\npatience_seconds = 1\n";

/// What the server does with a stanza that it received as number so-and-so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Lose,
    Repeat,
    /// Passes the last one on once more, a moment later.
    RepeatLast,
    /// Passes it on after the next ones.
    Hold,
    /// Passes it on when it has been given up.
    HoldLong,
    Alter,
    /// Reads no more from the stream that it came on.
    Stall,
    /// Resets the stream that it came on.
    Reset,
    /// Ends the stream that it came on with an error, and reads no more from it.
    End,
    /// Closes everything and accepts nothing.
    Die,
}

/// The server, which lives on one thread with the run.
struct Fake {
    fault: Fault,
    received: Cell<usize>,
    /// Stanzas that were written to the component.
    passed_on: Cell<usize>,
    held: RefCell<Option<(usize, String)>>,
    component: RefCell<Option<tokio::net::tcp::OwnedWriteHalf>>,
    is_dead: Cell<bool>,
}

impl Fake {
    /// Starts it; answers where it takes servers and components.
    async fn start(fault: Fault) -> (Rc<Fake>, SocketAddr, SocketAddr) {
        let fake = Rc::new(Fake {
            fault,
            received: Cell::new(0),
            passed_on: Cell::new(0),
            held: RefCell::default(),
            component: RefCell::default(),
            is_dead: Cell::new(false),
        });
        let (s2s, component) =
            (TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await);
        let (s2s, component) = (s2s.unwrap(), component.unwrap());
        let places = (s2s.local_addr().unwrap(), component.local_addr().unwrap());
        let this = Rc::clone(&fake);
        tokio::task::spawn_local(async move {
            this.take_component(component.accept().await.unwrap().0).await;
            while !this.is_dead.get() {
                let (stream, _) = s2s.accept().await.unwrap();
                tokio::task::spawn_local(Rc::clone(&this).take_server(stream));
            }
        });
        (fake, places.0, places.1)
    }

    async fn take_component(&self, mut stream: TcpStream) {
        read_until(&mut stream, ">").await;
        let header = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
            xmlns='jabber:component:accept' from='echo.example.org' id='3BF96D32'>";
        stream.write_all(header.as_bytes()).await.unwrap();
        read_until(&mut stream, "</handshake>").await;
        stream.write_all(b"<handshake/>").await.unwrap();
        let (mut reader, writer) = stream.into_split();
        *self.component.borrow_mut() = Some(writer);
        // What it says later is not asked for; its end is.
        tokio::task::spawn_local(async move {
            while reader.read(&mut [0; 1024]).await.is_ok_and(|bytes| bytes > 0) {}
        });
    }

    async fn take_server(self: Rc<Fake>, mut stream: TcpStream) {
        read_until(&mut stream, " to='").await;
        let header = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
            xmlns='jabber:server' from='echo.example.org' id='3BF96D33'>";
        stream.write_all(header.as_bytes()).await.unwrap();
        let mut text = String::new();
        loop {
            while let Some((before, rest)) = text.split_once(END) {
                let Some(at) = before.find("<message") else { break };
                let stanza = format!("{}{END}", &before[at..]);
                text = rest.to_owned();
                self.received.set(self.received.get() + 1);
                if !self.pass_on(stanza, &stream).await {
                    return;
                }
            }
            let mut bytes = [0; 4096];
            match stream.read(&mut bytes).await {
                Ok(count) if count > 0 && !self.is_dead.get() => {
                    text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
                }
                _ => return,
            }
        }
    }

    /// Whether there is more to come from this stream.
    async fn pass_on(&self, stanza: String, stream: &TcpStream) -> bool {
        let number = self.received.get();
        let is_victim = number == VICTIM;
        match self.fault {
            Fault::Lose if is_victim => return true,
            Fault::Repeat if is_victim => self.write(&stanza).await,
            Fault::RepeatLast if number == LAST => {
                self.write(&stanza).await;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            Fault::Hold | Fault::HoldLong if is_victim => {
                *self.held.borrow_mut() = Some((number, stanza));
                return true;
            }
            Fault::Alter if is_victim => {
                self.write(&stanza.replace("<body>", "<body> ")).await;
                return true;
            }
            Fault::Stall if is_victim => std::future::pending().await,
            Fault::Reset if is_victim => {
                stream.set_zero_linger().unwrap();
                return false;
            }
            Fault::End if is_victim => {
                let error = b"<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";
                assert_eq!(stream.try_write(error).unwrap(), error.len());
                return std::future::pending().await;
            }
            Fault::Die if is_victim => {
                self.is_dead.set(true);
                self.component.borrow_mut().take();
                return false;
            }
            _ => {}
        }
        self.write(&stanza).await;
        let next_ones = if self.fault == Fault::HoldLong { LAST } else { 8 };
        let due = self.held.borrow_mut().take_if(|(held, _)| number >= *held + next_ones);
        if let Some((_, stanza)) = due {
            self.write(&stanza).await;
        }
        true
    }

    async fn write(&self, stanza: &str) {
        let Some(mut component) = self.component.borrow_mut().take() else { return };
        if component.write_all(stanza.as_bytes()).await.is_ok() {
            self.passed_on.set(self.passed_on.get() + 1);
        }
        if !self.is_dead.get() {
            *self.component.borrow_mut() = Some(component);
        }
    }
}

async fn read_until(stream: &mut TcpStream, end: &str) {
    let mut text = String::new();
    while !text.contains(end) {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).await.unwrap();
        assert!(count > 0, "it ended in {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
}

/// Plays against a server with this fault.
fn played(fault: Fault) -> (Run, usize) {
    played_with(fault, "")
}

/// The same with this on the command line.
fn played_with(fault: Fault, more: &str) -> (Run, usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.toml");
    std::fs::write(&file, SCENARIO).unwrap();
    crate::prepare::write(folder.path(), &["echo.example.org".to_owned()]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let (fake, s2s, component) = Fake::start(fault).await;
        let line = format!(
            "{} --s2s {s2s} --component {component} --component-secret s --hosted echo.example.org \
             --ca-dir {} --dns 127.0.0.1:0 --port {} {more}",
            file.display(),
            folder.path().display(),
            ports::claim()
        );
        let args = arguments(&line);
        let loaded = changes::apply(scenario::load(&args.scenario).unwrap(), &args.changes);
        let loaded = loaded.unwrap();
        let host = Rc::new(Host::new(&args.server, &loaded.scenario, args.port).unwrap());
        let run = perform(&args, &loaded, &host).await.unwrap();
        (run, fake.passed_on.get())
    })
}

/// The greeting crosses before the clock starts: a stanza for each of four domains.
const GREETED: u64 = 4;

#[track_caller]
fn is_found_out(fault: Fault, words: &str) {
    let (run, passed_on) = played(fault);
    let verdict = run.verdict();
    assert!(!run.is_clean() && verdict.contains(words), "{fault:?}: {verdict}");
    let delivered = run.stanzas.delivered + GREETED;
    assert!(delivered <= passed_on as u64, "{delivered} delivered, {passed_on} passed on");
    assert!(run.stanzas.delivered > 0, "{:?}", run.stanzas);
}

#[test]
fn a_faithful_server_is_clean() {
    let (run, passed_on) = played(Fault::None);
    assert!(run.is_clean(), "{}: {:?}", run.verdict(), run.failures);
    assert_eq!((run.stanzas.sent, run.stanzas.delivered), (200, 200));
    assert_eq!(passed_on as u64, 200 + GREETED);
    assert_eq!((run.sessions.opened, run.scenario.as_str()), (4, "test"));
    let in_samples: u64 = run.samples.iter().map(|sample| sample.delivered).sum();
    assert_eq!(in_samples, 200);
}

#[test]
fn a_server_that_loses_is_found_out() {
    is_found_out(Fault::Lose, "1 lost");
}

#[test]
fn a_server_that_repeats_is_found_out() {
    is_found_out(Fault::Repeat, "1 duplicated");
}

#[test]
fn a_server_that_repeats_the_last_stanza_is_found_out() {
    is_found_out(Fault::RepeatLast, "1 duplicated");
}

#[track_caller]
fn is_found_out_in_the_warm_up(fault: Fault, verdict: &str) {
    let (run, _) = played_with(fault, "--warm-up 1");
    assert_eq!(run.verdict(), verdict);
    assert_eq!((run.stanzas.sent, run.stanzas.delivered), (200, 200));
}

#[test]
fn what_is_repeated_in_the_warm_up_is_not_forgiven() {
    is_found_out_in_the_warm_up(Fault::Repeat, "FAULTY: 1 duplicated");
}

#[test]
fn what_is_altered_in_the_warm_up_is_not_forgiven() {
    is_found_out_in_the_warm_up(Fault::Alter, "FAULTY: 1 lost, 1 corrupted or misaddressed");
}

/// It comes when the clock runs, and is no delivery of that time, nor of any other.
#[test]
fn what_the_warm_up_has_given_up_is_delivered_in_no_time() {
    is_found_out_in_the_warm_up(Fault::HoldLong, "FAULTY: 1 lost");
}

#[test]
fn a_server_that_is_gone_when_the_clock_runs_is_a_fault() {
    use said::{Opening, Played, Said};
    let played = Played { seconds: 2.0, sent: 100, delivered: 100, ..Played::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let conducted = tokio::task::LocalSet::new().block_on(&runtime, async {
        let scenario = scenario::read("test", SCENARIO).unwrap();
        let mut server = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let args = arguments(&format!("test {NOWHERE} --pid {}", server.id()));
        let host = Rc::new(Host::new(&args.server, &scenario, args.port).unwrap());
        let (sender, said) = tokio::sync::mpsc::unbounded_channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        tokio::task::spawn_local(async move {
            sender.send(Said::Ready(Opening::default())).unwrap();
            gone.await.unwrap();
            server.kill().unwrap();
            server.wait().unwrap();
            // The conductor looks each second.
            tokio::time::sleep(std::time::Duration::from_millis(1300)).await;
            sender.send(Said::Done(Box::new(played))).unwrap();
            sender.send(Said::Closed).unwrap();
        });
        let mut view = View::new("test".to_owned(), 2, 1);
        conduct(&scenario, &host, vec![conduct::Player { said, go }], &mut view).await.unwrap()
    });
    let [reason] = conducted.reasons.as_slice() else { panic!("{:?}", conducted.reasons) };
    assert!(reason.contains("is not running, or ended during the run"), "{reason}");
}

#[test]
fn a_server_that_reorders_is_found_out() {
    is_found_out(Fault::Hold, "1 out of order");
}

#[test]
fn a_server_that_alters_is_found_out() {
    is_found_out(Fault::Alter, "1 corrupted or misaddressed");
}

#[test]
fn a_server_that_stalls_has_lost_what_it_holds() {
    is_found_out(Fault::Stall, " lost");
}

#[test]
fn a_server_that_resets_a_stream_has_lost_what_was_on_it() {
    is_found_out(Fault::Reset, " lost");
}

/// It has said that it ends the stream: what it did not read of it is not lost, it was not taken.
#[test]
fn a_server_that_ends_a_stream_with_an_error_has_not_taken_what_follows() {
    is_found_out(Fault::End, "FAULTY: ");
    let (run, passed_on) = played(Fault::End);
    let Run { stanzas, .. } = &run;
    assert!(
        stanzas.skipped > 0 && run.verdict().ends_with(" not sent because their link was gone")
    );
    assert_eq!((stanzas.lost, stanzas.sent + stanzas.skipped), (0, 200));
    assert_eq!(stanzas.delivered + GREETED, passed_on as u64);
}

#[test]
fn a_server_that_dies_delivers_no_more() {
    is_found_out(Fault::Die, " lost");
}

/// Addresses of no server.
const NOWHERE: &str =
    "--s2s 127.0.0.1:1 --component 127.0.0.1:1 --component-secret s --hosted a.example --ca-dir .";

fn arguments(line: &str) -> RunArgs {
    let line = format!("peerage-loadgen run {line}");
    match Command::try_parse_from(line.split_whitespace()).unwrap() {
        Command::Run(args) => *args,
        _ => unreachable!("it is a run"),
    }
}

#[test]
fn a_server_that_does_not_end_costs_nobody_the_books() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("run.json");
    let args = arguments(&format!("test {NOWHERE} --json {}", json.display()));
    let run = Run { faults: Vec::new(), ..crate::report::sample::run() };
    for (run, is_clean) in
        [(run.clone(), true), (Run { faults: vec!["the server is gone".to_owned()], ..run }, false)]
    {
        let conclusion = conclude(&args, Ok(run), |clean| {
            assert_eq!(clean, is_clean);
            anyhow::bail!("still runs 20 s after SIGTERM")
        });
        assert_eq!(format!("{:?}", conclusion.unwrap()), format!("{:?}", verdict(is_clean)));
        assert!(std::fs::read_to_string(&json).unwrap().contains("\"scenario\""));
        std::fs::remove_file(&json).unwrap();
    }
}

/// One that says these things, the first of them before the clock starts.
fn says(words: Vec<said::Said>) -> conduct::Player {
    let ((sender, said), (go, gone)) =
        (tokio::sync::mpsc::unbounded_channel(), tokio::sync::oneshot::channel::<()>());
    tokio::task::spawn_local(async move {
        let mut words = words.into_iter();
        words.next().into_iter().for_each(|word| sender.send(word).unwrap());
        gone.await.unwrap();
        words.for_each(|word| sender.send(word).unwrap());
    });
    conduct::Player { said, go }
}

#[test]
fn a_process_that_ends_before_its_time_is_named_with_what_it_had_done() {
    use said::{Opening, Part, Played, Said};
    let second = |at_seconds, delivered, under_way| {
        Said::Part(Part { at_seconds, sent: 50, delivered, under_way, ..Part::default() })
    };
    let played = Played { seconds: 2.0, sent: 100, delivered: 100, ..Played::default() };
    let whole =
        [second(1.0, 50, 0), second(2.0, 50, 0), Said::Done(Box::new(played)), Said::Closed];
    let broken = [second(1.0, 48, 2), Said::Failed("it ended before its time".to_owned())];
    let ready = || vec![Said::Ready(Opening::default())];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = tokio::task::LocalSet::new().block_on(&runtime, async {
        let scenario = scenario::read("test", &format!("processes = 2\n{SCENARIO}")).unwrap();
        let args = arguments(&format!("test {NOWHERE} --hosted b.example"));
        let host = Rc::new(Host::new(&args.server, &scenario, args.port).unwrap());
        let players =
            vec![says([ready(), whole.into()].concat()), says([ready(), broken.into()].concat())];
        let mut view = View::new("test".to_owned(), 2, 2);
        let conducted = conduct(&scenario, &host, players, &mut view).await.unwrap();
        let (name, toml, date) = ("test".to_owned(), String::new(), String::new());
        record(
            Subject { name, toml, scenario: &scenario, server: host.server.clone(), date },
            conducted,
        )
    });
    assert_eq!(
        run.verdict(),
        "FAULTY: process 1: it ended before its time; at 1 s it had sent 50 stanzas, 48 were delivered, 0 bounced, 2 under way, \
         and all of these are missing in the figures"
    );
    // The books of the other are whole.
    assert_eq!((run.stanzas.sent, run.stanzas.delivered, run.samples.len()), (100, 100, 2));
}
