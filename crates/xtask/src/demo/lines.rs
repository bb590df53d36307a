//! What is seen while the demo runs: one line that changes on a terminal, a plain line a second elsewhere.

use std::convert::Infallible;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use s2s_testkit::federation::{Direction, Federation, Rung};

/// The live line.
pub(crate) struct Live {
    terminal: bool,
}

impl Live {
    pub(crate) fn new() -> Live {
        Live { terminal: std::io::stdout().is_terminal() }
    }

    /// A line that stays.
    pub(crate) fn say(&self, text: &str) {
        println!("{text}");
    }

    /// Shows the state of the run until it is dropped.
    pub(crate) async fn follow(&self, federation: &Federation) -> Infallible {
        let tick = if self.terminal { Duration::from_millis(250) } else { Duration::from_secs(1) };
        let began = tokio::time::Instant::now();
        let mut before = (federation.tally(), began);
        loop {
            tokio::time::sleep(tick).await;
            let now = tokio::time::Instant::now();
            let tally = federation.tally();
            let per_second = (tally - before.0).settled() as f64 / (now - before.1).as_secs_f64();
            before = (tally, now);
            let line = format!(
                "{:5.1} s  {per_second:>7.0} stanzas/s  p99 {:>6.1} ms  bounced {:>5}  links {}",
                (now - began).as_secs_f64(),
                federation.latency_us(0.99) as f64 / 1000.0,
                tally.bounced,
                links(federation),
            );
            self.show(&line);
        }
    }

    fn show(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        // A terminal that is gone is no reason to stop.
        let _ = if self.terminal { write!(out, "\r\x1b[K{line}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }

    /// Leaves the last line where it is.
    pub(crate) fn end(&self) {
        if self.terminal {
            println!();
        }
    }
}

/// Open sessions by rung, into the router and out of it.
fn links(federation: &Federation) -> String {
    let census = federation.census();
    let rungs = Rung::ALL.map(|rung| {
        let (into, out) =
            (census.open(Direction::Inbound, rung), census.open(Direction::Outbound, rung));
        format!("{} {into}+{out}", rung.name())
    });
    rungs.join("  ")
}
