//! What a run shows while it lasts: a few lines that are drawn again each second, or plain lines where nobody sees them change.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use super::result::sample;
use super::said::{Opening, Part, Phase, Progress};
use crate::record::Sample;
use crate::report::figure;

/// Characters of the bar.
const BAR: usize = 30;
/// So many plain lines come each second, the others each tenth: a long run does not fill a log.
const PLAIN_SECONDS: u64 = 10;

/// Before the clock the lines are drawn so often.
const FRAME: Duration = Duration::from_millis(500);

/// The view of one run.
pub(crate) struct View {
    title: String,
    seconds: u64,
    is_terminal: bool,
    /// Lines that are on the terminal and will be drawn over.
    drawn: usize,
    /// When it last said how far the preparation is.
    told: Instant,
    before: Vec<Option<Progress>>,
    /// What each process said last.
    parts: Vec<Option<Part>>,
    bounced: u64,
}

impl View {
    /// For so many processes; on standard error.
    pub(crate) fn new(title: String, seconds: u32, processes: usize) -> View {
        View {
            title,
            seconds: u64::from(seconds),
            is_terminal: std::io::stderr().is_terminal()
                && std::env::var_os("TERM").is_some_and(|term| term != "dumb"),
            drawn: 0,
            told: Instant::now(),
            before: vec![None; processes],
            parts: vec![None; processes],
            bounced: 0,
        }
    }

    /// How far a process is with the greeting or the warm-up.
    pub(crate) fn before(&mut self, player: usize, progress: &Progress) {
        self.before[player] = Some(progress.clone());
        if self.is_terminal {
            if self.told.elapsed() >= FRAME {
                self.told = Instant::now();
                self.draw(&preparation(&self.title, &self.before));
            }
        } else if self.told.elapsed() >= Duration::from_secs(PLAIN_SECONDS) {
            self.told = Instant::now();
            eprintln!("{}", Preparation::of(&self.before).line());
        }
    }

    /// A process has greeted all its peers.
    pub(crate) fn ready(&mut self, player: usize, opening: &Opening) {
        let process = match self.parts.len() {
            1 => String::new(),
            _ => format!("process {player}: "),
        };
        self.say(&format!(
            "{process}{} sessions opened in {:.2} s",
            figure::count(opening.sessions),
            opening.seconds
        ));
    }

    /// A second of a process.
    pub(crate) fn part(&mut self, player: usize, part: &Part) {
        self.bounced += part.bounced;
        self.parts[player] = Some(part.clone());
    }

    /// A process has ended before its time: what it said last is no longer so.
    pub(crate) fn gone(&mut self, player: usize) {
        self.parts[player] = None;
    }

    /// A second of the run: shows what the processes said.
    pub(crate) fn second(&mut self, elapsed: Duration, server: Option<(f64, u64)>) {
        let parts: Vec<&[Part]> = self.parts.iter().flatten().map(std::slice::from_ref).collect();
        if parts.is_empty() {
            return;
        }
        let state = State {
            sample: sample(&parts, None, None),
            under_way: parts.iter().copied().flatten().map(|part| part.under_way).sum(),
            wrong: parts.iter().copied().flatten().map(|part| part.wrong).sum(),
            bounced: self.bounced,
            elapsed: elapsed.as_secs(),
            seconds: self.seconds,
            server,
        };
        if self.is_terminal {
            self.draw(&state.lines(&self.title));
        } else if state.elapsed <= PLAIN_SECONDS || state.elapsed.is_multiple_of(PLAIN_SECONDS) {
            eprintln!("{}", state.line());
        }
    }

    /// A line that stays.
    pub(crate) fn say(&mut self, line: &str) {
        // In one piece: other processes write there, too.
        show(&format!("{}{line}\n", erased(self.drawn)));
        self.drawn = 0;
    }

    /// Takes away what will not be drawn again.
    pub(crate) fn clear(&mut self) {
        show(&erased(self.drawn));
        self.drawn = 0;
    }

    fn draw(&mut self, lines: &[String]) {
        show(&frame(self.drawn, lines));
        self.drawn = lines.len();
    }
}

fn show(text: &str) {
    // A terminal that is gone is no reason to stop.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Lines in place of as many as were drawn before. Each is written over the old one and cut off at the terminal's edge: nothing flickers,
/// and a line is one row, by which the next frame finds the way up.
fn frame(drawn: usize, lines: &[String]) -> String {
    const NO_WRAP: &str = "\x1b[?7l";
    const WRAP: &str = "\x1b[?7h";
    let mut text = format!("{NO_WRAP}{}", up(drawn));
    for line in lines {
        text.push_str(line);
        text.push_str("\x1b[K\n");
    }
    text.push_str("\x1b[J");
    text.push_str(WRAP);
    text
}

/// Removes so many lines.
fn erased(drawn: usize) -> String {
    if drawn == 0 { String::new() } else { format!("{}\x1b[J", up(drawn)) }
}

fn up(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\x1b[{lines}A\r") }
}

struct State {
    sample: Sample,
    under_way: u64,
    wrong: u64,
    bounced: u64,
    elapsed: u64,
    seconds: u64,
    /// Share of a core, and memory.
    server: Option<(f64, u64)>,
}

impl State {
    fn lines(&self, title: &str) -> Vec<String> {
        let sample = &self.sample;
        let time = match self.elapsed.checked_sub(self.seconds) {
            Some(over) if over > 0 => format!("waiting for the last, {over} s"),
            _ => format!("{} of {} s", self.elapsed, self.seconds),
        };
        vec![
            title.to_owned(),
            format!("  {}  {time}", bar(self.elapsed, self.seconds)),
            format!(
                "  {:>9} stanzas/s   {:>9} under way   {:>7} sessions",
                figure::count(sample.settled()),
                figure::count(self.under_way),
                figure::count(sample.sessions_open)
            ),
            format!(
                "  latency p50 {:>9}   p99 {:>9}{}",
                self.latency(sample.p50_us),
                self.latency(sample.p99_us),
                self.server_words("   ")
            ),
            format!(
                "  {} bounced, {} wrong",
                figure::count(self.bounced),
                figure::count(self.wrong)
            ),
        ]
    }

    fn line(&self) -> String {
        format!(
            "{:>5} s  {:>9} stanzas/s  {:>8} under way  p50 {:>8}  p99 {:>8}  {} bounced, {} wrong, {} sessions{}",
            self.elapsed,
            figure::count(self.sample.settled()),
            figure::count(self.under_way),
            self.latency(self.sample.p50_us),
            self.latency(self.sample.p99_us),
            figure::count(self.bounced),
            figure::count(self.wrong),
            figure::count(self.sample.sessions_open),
            self.server_words(", ")
        )
    }

    /// There is none when nothing was delivered.
    fn latency(&self, us: u64) -> String {
        if self.sample.delivered > 0 { figure::latency(us as f64) } else { "-".to_owned() }
    }

    fn server_words(&self, before: &str) -> String {
        self.server.map_or_else(String::new, |(share, bytes)| {
            format!("{before}server {}, {}", figure::percent(share), figure::bytes(bytes as f64))
        })
    }
}

/// Before the clock: all processes together.
struct Preparation {
    phase: &'static str,
    settled: u64,
    /// 0 when nobody knows: how many stanzas a closed loop will be.
    all: u64,
    sessions: u64,
}

impl Preparation {
    fn of(before: &[Option<Progress>]) -> Preparation {
        let known: Vec<&Progress> = before.iter().flatten().collect();
        let sum = |of: fn(&Progress) -> u64| known.iter().map(|progress| of(progress)).sum::<u64>();
        let is_warming = known.iter().any(|progress| progress.phase == Phase::WarmUp);
        Preparation {
            phase: if is_warming { "warming up" } else { "greeting" },
            settled: sum(|progress| progress.settled),
            all: sum(|progress| progress.all),
            sessions: sum(|progress| progress.sessions_open),
        }
    }

    fn line(&self) -> String {
        let of_all = match self.all {
            0 => String::new(),
            all => format!(" of {}", figure::count(all)),
        };
        let (settled, sessions) = (figure::count(self.settled), figure::count(self.sessions));
        format!("{}: {settled}{of_all} stanzas, {sessions} sessions open", self.phase)
    }
}

fn preparation(title: &str, before: &[Option<Progress>]) -> Vec<String> {
    let Preparation { phase, settled, all, sessions } = Preparation::of(before);
    let progress =
        if all > 0 { format!("{}  {phase}", bar(settled, all)) } else { phase.to_owned() };
    vec![
        title.to_owned(),
        format!("  {progress}"),
        format!("  {} stanzas, {} sessions", figure::count(settled), figure::count(sessions)),
    ]
}

fn bar(done: u64, all: u64) -> String {
    let full = (done.min(all) * BAR as u64).checked_div(all).unwrap_or_default() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(elapsed: u64) -> State {
        let sample = Sample {
            delivered: 19_990,
            bounced: 10,
            p50_us: 300,
            p99_us: 2_300,
            sessions_open: 20,
            ..Sample::default()
        };
        let server = Some((0.97, 45 << 20));
        State { sample, under_way: 4096, wrong: 1, bounced: 12, elapsed, seconds: 60, server }
    }

    #[test]
    fn a_few_lines_tell_rate_latency_errors_and_progress() {
        assert_eq!(
            state(12).lines("dense, peerage 0.1.0"),
            [
                "dense, peerage 0.1.0",
                "  ██████░░░░░░░░░░░░░░░░░░░░░░░░  12 of 60 s",
                "     20,000 stanzas/s       4,096 under way        20 sessions",
                "  latency p50    300 µs   p99   2.30 ms   server 97 %, 45.0 MiB",
                "  12 bounced, 1 wrong",
            ]
        );
        assert!(state(63).lines("dense")[1].ends_with("  waiting for the last, 3 s"));
    }

    #[test]
    fn a_second_without_deliveries_has_no_latency() {
        let mut state = state(12);
        state.sample = Sample { bounced: 3, ..Sample::default() };
        assert!(state.line().contains("p50        -  p99        -"), "{}", state.line());
        assert!(state.lines("dense")[3].starts_with("  latency p50         -   p99         -   "));
    }

    #[test]
    fn the_largest_figures_fit_a_terminal_of_eighty_columns() {
        let mut state = state(604_800);
        state.seconds = 604_799;
        state.under_way = 9_999_999;
        state.bounced = u64::from(u32::MAX);
        state.wrong = u64::from(u32::MAX);
        state.server = Some((12.34, 999 << 20));
        state.sample = Sample {
            delivered: 9_999_999,
            p50_us: 59_940_000,
            p99_us: 599_400_000,
            sessions_open: 1_000_000,
            ..Sample::default()
        };
        for line in state.lines("dense") {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn a_frame_is_written_over_the_one_before() {
        let lines = ["one".to_owned(), "two".to_owned()];
        let first = frame(0, &lines);
        assert_eq!(first, "\x1b[?7lone\x1b[K\ntwo\x1b[K\n\x1b[J\x1b[?7h");
        // What was below a shorter frame goes; nothing is cleared before there is something in its place.
        assert_eq!(frame(3, &lines), first.replacen("?7l", "?7l\x1b[3A\r", 1));
        assert_eq!((erased(0), erased(3)), (String::new(), "\x1b[3A\r\x1b[J".to_owned()));
    }

    #[test]
    fn a_plain_line_tells_the_same() {
        let line = state(12).line();
        for words in [
            "12 s",
            "20,000 stanzas/s",
            "p99  2.30 ms",
            "12 bounced, 1 wrong",
            "sessions, server 97 %, 45",
        ] {
            assert!(line.contains(words), "{line}");
        }
    }

    #[test]
    fn the_greeting_of_all_processes_is_one_bar() {
        let progress =
            |settled, phase| Some(Progress { phase, settled, all: 10, sessions_open: 4 });
        let before = [progress(10, Phase::Greeting), progress(5, Phase::Greeting), None];
        let lines = preparation("ladder", &before);
        let bar = format!("  {}{}  greeting", "█".repeat(22), "░".repeat(8));
        assert_eq!(lines, ["ladder".to_owned(), bar, "  15 stanzas, 8 sessions".to_owned()]);
        let line = Preparation::of(&before).line();
        assert_eq!(line, "greeting: 15 of 20 stanzas, 8 sessions open");
        let lines = preparation("ladder", &[progress(1, Phase::WarmUp)]);
        assert!(lines[1].ends_with("░  warming up"), "{lines:?}");
        // A closed loop has no end that is known.
        let endless = Progress { phase: Phase::WarmUp, settled: 7, all: 0, sessions_open: 4 };
        assert_eq!(preparation("dense", &[Some(endless.clone())])[1], "  warming up");
        let line = Preparation::of(&[Some(endless)]).line();
        assert_eq!(line, "warming up: 7 stanzas, 4 sessions open");
    }

    #[test]
    fn a_bar_never_leaves_its_place() {
        for (done, all) in [(0, 0), (0, 5), (5, 5), (9, 5), (1, u32::MAX.into())] {
            assert_eq!(bar(done, all).chars().count(), BAR);
        }
    }
}
