//! The loop against a data plane of a few lines.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use super::*;
use crate::config::{Surroundings, load};
use crate::state;

#[derive(Default)]
struct Recorded {
    resolved: RefCell<Vec<(String, Result<Discovery, DnsFailure>)>>,
    reloads: RefCell<usize>,
    drained: RefCell<bool>,
}

impl Plane for Recorded {
    fn resolved(&self, _: ShardId, remote: Domain, result: Result<Discovery, DnsFailure>) {
        self.resolved.borrow_mut().push((remote.to_string(), result));
    }

    fn flush(&self) {}

    fn reload(&self, _: &Arc<Settings>) {
        *self.reloads.borrow_mut() += 1;
    }

    fn drain(&self) {
        *self.drained.borrow_mut() = true;
    }
}

type Queue = Rc<RefCell<VecDeque<ControlRequest>>>;

impl Inbox for Queue {
    fn pop(&self) -> Option<ControlRequest> {
        self.borrow_mut().pop_front()
    }

    fn refused(&self) -> u64 {
        0
    }
}

/// One router with one shard that never runs.
struct Scene {
    _directory: tempfile::TempDir,
    file: std::path::PathBuf,
    queue: Queue,
    wake: Arc<Notify>,
    board: Arc<Mutex<Board>>,
    plane: Recorded,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("peerage.toml");
        fs::write(&file, text(directory.path(), "")).unwrap();
        Scene {
            file,
            _directory: directory,
            queue: Queue::default(),
            wake: Arc::default(),
            board: Arc::new(Mutex::new(Board::new(1))),
            plane: Recorded::default(),
        }
    }

    fn push(&self, request: ControlRequest) {
        self.queue.borrow_mut().push_back(request);
        self.wake.notify_one();
    }

    fn control(&self) -> Control<'_, Recorded, Queue> {
        let loaded = load(&self.file, Surroundings::here()).unwrap();
        let secret = state::open_secret(&loaded.config.router.state_dir.value).unwrap();
        let reload = Reload::new(Some(self.file.clone()), loaded, secret, None, false);
        let (inbox, wake) = (Rc::clone(&self.queue), Arc::clone(&self.wake));
        Control::new(&self.plane, inbox, wake, Arc::clone(&self.board), reload, Box::new(|_| {}))
            .unwrap()
    }
}

fn text(directory: &Path, more: &str) -> String {
    format!(
        "[router]\nshards = 1\nstate_dir = '{}/state'\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
         [[domain]]\nname = \"capulet.example\"\ncomponent = {{ secret = \"0123456789abcdef\" }}\n\
         [trust]\nminimum = \"verified\"\n[timeouts]\ndrain = 1\n[dns]\nservers = \"127.0.0.1:9\"\n{more}",
        directory.display()
    )
}

#[tokio::test]
async fn a_look_up_is_answered_and_a_drained_shard_ends_the_loop() {
    let scene = Scene::new();
    let (signals, mut received) = mpsc::channel(8);
    let remote = Domain::parse("192.0.2.1").unwrap();
    scene.push(ControlRequest::Resolve { shard: ShardId(0), remote });
    let steps = async {
        while scene.plane.resolved.borrow().is_empty() {
            tokio::task::yield_now().await;
        }
        signals.send(Signal::Stop).await.unwrap();
        while !*scene.plane.drained.borrow() {
            tokio::task::yield_now().await;
        }
        scene.push(ControlRequest::Stopped(ShardId(0)));
    };
    let (ended, ()) = tokio::join!(scene.control().run(&mut received), steps);
    assert_eq!(ended, Ended::Drained);
    let resolved = scene.plane.resolved.borrow();
    assert_eq!(resolved[0].0, "192.0.2.1");
    assert!(resolved[0].1.is_ok());
    let board = scene.board.lock().unwrap();
    assert_eq!(board.dns.found, 1);
    assert!(board.draining && !board.is_ready());
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let scene = Scene::new();
    let (signals, mut received) = mpsc::channel(8);
    signals.send(Signal::Stop).await.unwrap();
    signals.send(Signal::Stop).await.unwrap();
    assert_eq!(scene.control().run(&mut received).await, Ended::Forced);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_does_not_end_is_given_up_after_the_deadline() {
    let scene = Scene::new();
    let (signals, mut received) = mpsc::channel(8);
    signals.send(Signal::Stop).await.unwrap();
    assert_eq!(scene.control().run(&mut received).await, Ended::Overdue(1));
}

#[tokio::test]
async fn a_refused_reload_reaches_no_shard_and_is_shown() {
    let scene = Scene::new();
    let (signals, mut received) = mpsc::channel(8);
    let control = scene.control();
    fs::write(&scene.file, text(scene._directory.path(), "bogus = 1\n")).unwrap();
    signals.send(Signal::Reload).await.unwrap();
    let steps = async {
        while scene.board.lock().unwrap().last_reload_ok {
            tokio::task::yield_now().await;
        }
        assert_eq!(*scene.plane.reloads.borrow(), 0);
        fs::write(&scene.file, text(scene._directory.path(), "attempts = 1\n")).unwrap();
        signals.send(Signal::Reload).await.unwrap();
        while scene.board.lock().unwrap().generation < 2 {
            tokio::task::yield_now().await;
        }
        signals.send(Signal::Stop).await.unwrap();
        signals.send(Signal::Stop).await.unwrap();
    };
    let (_, ()) = tokio::join!(control.run(&mut received), steps);
    assert_eq!(*scene.plane.reloads.borrow(), 1);
    assert!(scene.board.lock().unwrap().last_reload_ok);
}

#[tokio::test]
async fn too_many_look_ups_wait_and_then_fail_for_now() {
    let scene = Scene::new();
    let mut control = scene.control();
    control.lookups_max = 1;
    let remote = Domain::parse("montague.example").unwrap();
    for _ in 0..LOOKUPS_WAITING_MAX + 2 {
        control.look_up(ShardId(0), remote.clone());
    }
    let resolved = scene.plane.resolved.borrow();
    assert_eq!(resolved.len(), 1);
    assert_eq!(resolved[0].1, Err(DnsFailure::Temporary));
    assert_eq!(scene.board.lock().unwrap().dns.pending as usize, LOOKUPS_WAITING_MAX + 1);
}
