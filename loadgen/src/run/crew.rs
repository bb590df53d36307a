//! Who plays: this process itself, or several of this program, each with a share.
//!
//! A child reads its task, one line of JSON, from its standard input, then the word to go; it answers with lines of [`Said`]. It ends when its
//! input does, so that none outlives its parent.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

use anyhow::Context as _;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use super::conduct::Player;
use super::peers::Share;
use super::play::{Task, play};
use super::said::Said;
use crate::servers::raise_descriptors;

/// What starts the clock of a child.
const GO: &str = "go";

/// The processes of a run; they end when it is dropped.
pub(crate) struct Crew {
    children: Vec<Child>,
}

impl Crew {
    /// Starts as many players as the scenario has processes. One alone is this process.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub(crate) fn start(task: &Task) -> anyhow::Result<(Crew, Vec<Player>)> {
        let of = task.scenario.processes;
        if of <= 1 {
            return Ok((Crew { children: Vec::new() }, vec![alone(task.clone())]));
        }
        let mut crew = Crew { children: Vec::new() };
        let mut players = Vec::new();
        for index in 0..of {
            let task = Task { share: Share { index, of }, ..task.clone() };
            players.push(crew.hire(&task).with_context(|| format!("starting process {index}"))?);
        }
        Ok((crew, players))
    }

    fn hire(&mut self, task: &Task) -> anyhow::Result<Player> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        self.children.push(child);
        let mut input = input.context("no standard input")?;
        let output = BufReader::new(output.context("no standard output")?);
        writeln!(input, "{}", serde_json::to_string(task)?)?;
        let (sender, said) = unbounded_channel();
        // It ends with the child's output.
        thread::spawn(move || listen(output, &sender));
        let (go, gone) = oneshot::channel();
        spawn_local(async move {
            if gone.await.is_ok() {
                // One that cannot be told has ended, and its output says so.
                let _ = writeln!(input, "{GO}");
                hold(input).await;
            }
        });
        Ok(Player { said, go })
    }
}

/// Keeps a child's input open for as long as the run lasts.
async fn hold(input: ChildStdin) {
    let _input = input;
    std::future::pending::<()>().await;
}

impl Drop for Crew {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that has ended cannot be killed, and need not.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn alone(task: Task) -> Player {
    let ((sender, said), (go, gone)) = (unbounded_channel(), oneshot::channel());
    spawn_local(async move { play(&task, &sender, gone).await });
    Player { said, go }
}

/// Passes on what a child says; one that ends without its last word has failed.
fn listen(output: impl std::io::BufRead, sender: &UnboundedSender<Said>) {
    for line in output.lines() {
        let said = line.map_err(anyhow::Error::from).and_then(|line| {
            serde_json::from_str::<Said>(&line).with_context(|| format!("not a message: {line}"))
        });
        let said = said.unwrap_or_else(|error| Said::Failed(format!("{error:#}")));
        let is_last = said.is_last();
        if sender.send(said).is_err() || is_last {
            return;
        }
    }
    let _ = sender.send(Said::Failed("it ended before its time".to_owned()));
}

/// A child: plays what it is told, and says what comes of it.
///
/// # Errors
/// When it is told nothing that it understands, or nobody listens.
pub(crate) fn work() -> anyhow::Result<()> {
    raise_descriptors();
    let mut input = BufReader::new(std::io::stdin());
    let mut line = String::new();
    input.read_line(&mut line)?;
    let task: Task = serde_json::from_str(&line).context("not a task of a run")?;
    let (go, gone) = oneshot::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let told = input.read_line(&mut line).is_ok() && line.trim() == GO;
        if told && go.send(()).is_ok() {
            // Until the parent ends.
            let _ = std::io::copy(&mut input, &mut std::io::sink());
        }
        std::process::exit(i32::from(crate::NOT_RUN));
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let (sender, mut said) = unbounded_channel();
        let playing = spawn_local(async move { play(&task, &sender, gone).await });
        while let Some(said) = said.recv().await {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{}", serde_json::to_string(&said)?)?;
            out.flush()?;
        }
        playing.await.context("the player stopped")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(output: &str) -> Vec<Said> {
        let (sender, mut receiver) = unbounded_channel();
        listen(output.as_bytes(), &sender);
        drop(sender);
        std::iter::from_fn(|| receiver.blocking_recv()).collect()
    }

    #[test]
    fn a_child_that_ends_without_its_last_word_has_failed() {
        let ready = Said::Ready(Default::default());
        let line = serde_json::to_string(&ready).unwrap();
        for output in [line.clone() + "\n", line.clone() + "\n{\"par"] {
            let said = heard(&output);
            assert_eq!(said[0], ready);
            assert!(matches!(&said[1], Said::Failed(_)), "{said:?}");
        }
    }

    #[test]
    fn nothing_is_heard_behind_the_last_word() {
        let (done, closed) = (Said::Done(Box::default()), Said::Closed);
        let [first, last] = [&done, &closed].map(|said| serde_json::to_string(said).unwrap());
        assert_eq!(heard(&format!("{first}\n{last}\n{last}\n")), [done, closed]);
    }

    #[test]
    fn a_child_that_says_something_else_has_failed() {
        let said = heard("thread panicked\n");
        assert!(
            matches!(&said[..], [Said::Failed(reason)] if reason.contains("thread panicked")),
            "{said:?}"
        );
    }
}
