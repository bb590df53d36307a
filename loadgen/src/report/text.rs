//! Reports for the terminal: of a run as aligned lines, of a comparison as Markdown, to be pasted.

use std::fmt::Write as _;

use super::summary::{Cell, Contender, Row, Summary};
use super::{figure, undelivered};
use crate::record::{Comparison, Run, Setting};

/// Width of the words before a figure, and of the figure. `hundred-thousand` is the longest.
const NAME: usize = 18;
const FIGURE: usize = 14;
/// Width of a figure that has others beside it.
const NARROW: usize = 10;

/// A run, the verdict last: that is what stands above the prompt.
pub(crate) fn run(run: &Run) -> String {
    let mut out = Lines::default();
    out.words(
        &run.scenario,
        &format!("{}, {:.0} bytes a stanza, seed {}", run.work, run.stanza_bytes, run.seed),
    );
    out.words("server", &run.server_words());
    out.words("machine", &setting(&run.setting));
    out.words("date", &run.date);
    out.gap();
    stanzas(&mut out, run);
    out.gap();
    not_delivered(&mut out, run);
    costs(&mut out, run);
    latency(&mut out, run);
    sessions(&mut out, run);
    events(&mut out, run);
    out.gap();
    for note in &run.bottleneck {
        out.words("note", note);
    }
    out.words("verdict", &run.verdict());
    out.text
}

fn stanzas(out: &mut Lines, run: &Run) {
    let stanzas = &run.stanzas;
    out.figure("stanzas/s", &figure::number(run.per_second()), &speed(run));
    out.figure("sent", &figure::count(stanzas.sent), "");
    out.figure("delivered", &figure::count(stanzas.delivered), "");
    out.figure("bounced", &figure::count(stanzas.bounced), "");
    for (condition, count) in &run.conditions {
        out.figure("", &figure::count(*count), condition);
    }
    out.figure("lost", &figure::count(stanzas.lost), "");
    for missing in &run.missing {
        let words = format!("from {} to {}", missing.from, missing.to);
        out.figure("", &figure::count(missing.stanzas), &words);
    }
    out.figure("duplicated", &figure::count(stanzas.duplicated), "");
    out.figure("out of order", &figure::count(stanzas.out_of_order), "");
    out.figure("corrupted", &figure::count(stanzas.corrupted), "");
    out.figure("never sent", &figure::count(stanzas.never_sent), "but received");
    out.figure("skipped", &figure::count(stanzas.skipped), "due, but their link was gone");
}

fn not_delivered(out: &mut Lines, run: &Run) {
    let rows = undelivered::rows(run);
    if rows.is_empty() {
        return;
    }
    let longest = rows.iter().map(|row| row.name.len() + 1).max().unwrap_or_default();
    let width = longest.max(NAME) + FIGURE - NARROW;
    let mut line = |name: &str, figures: &[String], words: &str| {
        let figures: String = figures.iter().map(|figure| format!("{figure:>NARROW$}")).collect();
        out.line(&format!("{name:<width$}{figures}  {words}"));
    };
    let heads = undelivered::FIGURES.map(str::to_owned);
    line("not delivered", &heads, undelivered::INCLUDED);
    for row in rows {
        line(&row.name, &row.figures, &row.conditions);
    }
    out.gap();
}

fn speed(run: &Run) -> String {
    let over = format!("over {:.2} s", run.seconds);
    match run.offered_per_second {
        Some(rate) => format!("{over}, {} offered", figure::number(rate)),
        None => over,
    }
}

fn costs(out: &mut Lines, run: &Run) {
    let sides = [("server", run.server_cost), ("loadgen", Some(run.own_cost))];
    for (name, cost) in sides.iter().filter_map(|(name, cost)| Some((name, cost.as_ref()?))) {
        let words = format!(
            "µs a stanza, {} of a core, {} s in all",
            figure::percent(cost.share_of_core),
            figure::number(cost.cpu_seconds)
        );
        out.figure(&format!("{name} CPU"), &figure::number(cost.cpu_us_a_stanza), &words);
        let bytes = figure::bytes(cost.resident_bytes_max as f64);
        out.figure(&format!("{name} memory"), &bytes, "resident at most");
    }
    if run.server_cost.is_none() {
        out.words("server CPU", "not watched: give its process with --pid");
    }
}

fn latency(out: &mut Lines, run: &Run) {
    let latency = &run.latency_us;
    out.gap();
    if latency.curve.is_empty() {
        out.words("latency", "none: nothing was delivered");
    } else {
        let loop_words = if run.offered_per_second.is_some() {
            "from the time each stanza was due"
        } else {
            "closed loop: mostly the wait in the window"
        };
        let quantiles = [
            ("latency p50", latency.p50, loop_words),
            ("p90", latency.p90, ""),
            ("p99", latency.p99, ""),
            ("p99.9", latency.p99_9, ""),
            ("p99.99", latency.p99_99, ""),
            ("max", latency.max, ""),
        ];
        for (name, us, words) in quantiles {
            out.figure(name, &figure::latency(us as f64), words);
        }
    }
    let behind = figure::latency(latency.sender_behind_max as f64);
    out.figure("sender behind", &behind, "at most, from due to written: what loadgen added");
}

fn sessions(out: &mut Lines, run: &Run) {
    let sessions = &run.sessions;
    out.gap();
    let words = format!(
        "opened, {} of them in {:.2} s before the clock; {} open at the end",
        figure::count(sessions.before_clock),
        sessions.opening_seconds,
        figure::count(sessions.open)
    );
    out.figure("sessions", &figure::count(sessions.opened), &words);
    if let (Some(full), Some(resumed)) = (sessions.handshakes_full, sessions.handshakes_resumed) {
        let words = format!("full, {} resumed", figure::count(resumed));
        out.figure("handshakes", &figure::count(full), &words);
    }
    let churn = run.churn();
    if churn.opened > 0 {
        let resumption = churn
            .resumption()
            .map(|share| format!("; {} of the handshakes resumed", figure::percent(share)));
        let words =
            format!("sessions opened after it, {} a second", figure::number(churn.per_second));
        let words = words + &resumption.unwrap_or_default();
        out.figure("churn", &figure::count(churn.opened), &words);
    }
    if let Some(us) = sessions.server_cpu_us_each {
        out.figure("a session costs", &figure::number(us), "µs of the server's CPU to open");
    }
    if let Some(bytes) = sessions.server_bytes_each {
        out.figure("", &figure::bytes(bytes), "of the server's memory for each that is open");
    }
    for (reason, count) in &run.failures {
        out.figure("streams failed", &figure::count(*count), reason);
    }
}

fn events(out: &mut Lines, run: &Run) {
    if !run.events.is_empty() {
        out.gap();
    }
    for event in &run.events {
        out.figure("event", &format!("at {:.1} s", event.at_seconds), &event.what);
    }
}

/// Machine and versions in a line.
fn setting(setting: &Setting) -> String {
    let cores = if setting.cores == 1 { "core" } else { "cores" };
    format!(
        "{}, {} {cores}, {}; {}; {}",
        setting.processor,
        setting.cores,
        figure::bytes(setting.memory_bytes as f64),
        setting.kernel,
        setting.loadgen
    )
}

#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn words(&mut self, name: &str, words: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{name:<NAME$}{words}");
    }

    fn figure(&mut self, name: &str, figure: &str, words: &str) {
        self.line(&format!("{name:<NAME$}{figure:>FIGURE$}  {words}"));
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn gap(&mut self) {
        self.text.push('\n');
    }
}

/// A comparison.
pub(crate) fn comparison(comparison: &Comparison) -> String {
    let summary = Summary::of(comparison);
    let mut out = String::from("# Comparison\n\n");
    table(&mut out, &summary);
    out.push('\n');
    let first = summary.servers.first().map_or("the first server", |server| &server.label);
    let _ = writeln!(
        out,
        "Medians of rounds, {} in all (least to most); × is the ratio to {first}. CPU is user plus system time of the server's processes.",
        comparison.rounds
    );
    for note in &summary.notes {
        let _ = writeln!(out, "{note}");
    }
    let _ = writeln!(out, "\n- machine: {}", setting(&comparison.setting));
    for contender in summary.servers.iter().chain(&summary.bound) {
        let _ = writeln!(out, "- {}", about(contender));
    }
    let _ = writeln!(out, "- date: {}\n- command: `{}`\n", comparison.date, comparison.command);
    runs(&mut out, comparison);
    out
}

/// A server with its version and how many of its runs count.
pub(crate) fn about(contender: &Contender) -> String {
    let bound = if contender.is_bound { " (the bound: moves the same bytes, no XMPP)" } else { "" };
    format!(
        "{} {}{bound}: {} of {} runs clean",
        contender.name, contender.version, contender.clean, contender.runs
    )
}

fn table(out: &mut String, summary: &Summary<'_>) {
    let mut head = vec!["part".to_owned(), "figure".to_owned()];
    head.extend(summary.servers.iter().map(|server| server.label.clone()));
    head.extend(summary.bound.as_ref().map(|bound| format!("bound ({})", bound.label)));
    row(out, &head);
    let numeric = vec![" ---: "; head.len() - 2].join("|");
    let _ = writeln!(out, "| --- | --- |{numeric}|");
    for line in &summary.rows {
        let mut cells = vec![summary.part_words(&line.part), line.metric.words().to_owned()];
        cells.extend(line.cells.iter().map(cell));
        if summary.bound.is_some() {
            cells.push(bound(line));
        }
        row(out, &cells);
    }
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::NotMeasured => "-".to_owned(),
        Cell::Faulty => "faulty".to_owned(),
        Cell::Measured { spread, ratio, faulty, limited } => {
            let [median, least, most] =
                [spread.median, spread.least, spread.most].map(figure::number);
            let mark = if *limited > 0 { "†" } else { "" };
            let times =
                ratio.map(|ratio| format!(" **{}**", figure::ratio(ratio))).unwrap_or_default();
            let range = (least != most).then(|| format!("{least} to {most}"));
            let left_out = (*faulty > 0).then(|| format!("{faulty} faulty"));
            let besides: Vec<_> = range.into_iter().chain(left_out).collect();
            let besides = match besides.as_slice() {
                [] => String::new(),
                besides => format!(" ({})", besides.join(", ")),
            };
            format!("{median}{mark}{besides}{times}")
        }
    }
}

fn bound(row: &Row) -> String {
    row.bound.as_ref().map_or_else(
        || "-".to_owned(),
        |bound| format!("{} ({})", figure::number(bound.value), bound.words),
    )
}

/// Names of the list of runs; [`trials`] fills it.
pub(crate) const RUNS: [&str; 15] = [
    "round",
    "server",
    "part",
    "CPU µs a stanza",
    "stanzas/s",
    "delivered",
    "bounced",
    "p50 ms",
    "p99 ms",
    "p99.99 ms",
    "server, share of core",
    "loadgen, share of core",
    "server MiB",
    "others, cores",
    "verdict",
];
/// Of these, how many at the beginning are words; the last is too.
pub(crate) const RUNS_WORDS: usize = 3;

fn runs(out: &mut String, comparison: &Comparison) {
    row(out, &RUNS.map(str::to_owned));
    let numeric = " ---: |".repeat(RUNS.len() - RUNS_WORDS - 1);
    let _ = writeln!(out, "|{}{numeric} --- |", " --- |".repeat(RUNS_WORDS));
    for line in trials(comparison) {
        row(out, &line);
    }
}

/// The list of runs.
pub(crate) fn trials(comparison: &Comparison) -> impl Iterator<Item = [String; RUNS.len()]> {
    comparison.trials.iter().map(|trial| {
        let run = &trial.run;
        let of_server = |value: fn(&crate::record::Cost) -> String| {
            run.server_cost.as_ref().map_or_else(|| "-".to_owned(), value)
        };
        let milliseconds = |us: u64| figure::number(us as f64 / 1e3);
        let limit = if run.bottleneck.is_empty() { "" } else { " †" };
        [
            trial.round.to_string(),
            format!("{} {}", trial.server.name, trial.server.version),
            trial.part.clone(),
            of_server(|cost| figure::number(cost.cpu_us_a_stanza)),
            figure::number(run.per_second()),
            figure::count(run.stanzas.delivered),
            figure::count(run.stanzas.bounced),
            milliseconds(run.latency_us.p50),
            milliseconds(run.latency_us.p99),
            milliseconds(run.latency_us.p99_99),
            of_server(|cost| format!("{:.2}", cost.share_of_core)),
            format!("{:.2}", run.own_cost.share_of_core),
            of_server(|cost| figure::number(cost.resident_bytes_max as f64 / 1048576.0)),
            format!("{:.2}", trial.others_cores),
            if run.is_clean() { format!("clean{limit}") } else { run.verdict() },
        ]
    })
}

fn row(out: &mut String, cells: &[String]) {
    // A bar or a line's end would end the cell.
    let cells: Vec<_> =
        cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Kind;
    use crate::report::sample;

    #[test]
    fn a_run_is_told_in_lines_with_the_verdict_last() {
        let text = run(&sample::run());
        for line in [
            "ladder            200 remotes of all rungs → component, 20,000 stanzas/s, Poisson, 378 bytes a stanza, seed 42",
            "server            peerage 0.1.0",
            "server CPU                  2.21  µs a stanza, 4 % of a core, 1.32 s in all",
            "server memory           45.0 MiB  resident at most",
            "                               5  remote-server-timeout",
            "handshakes                   230  full, 185 resumed",
            "sessions                     415  opened, 400 of them in 1.28 s before the clock; 398 open at the end",
            "churn                         15  sessions opened after it, 0.496 a second; 55 % of the handshakes resumed",
            "streams failed                 3  initiating: <reset> by peer",
            "event                  at 10.0 s  minimum raised to trusted",
            "note              loadgen was the bottleneck: its one thread was busy 97 % of the time",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line:?} is missing in\n{text}");
        }
        let last = text.lines().last().unwrap();
        assert_eq!(
            last,
            "verdict           clean: every stanza accounted for, in order, unchanged"
        );
    }

    #[test]
    fn a_faulty_run_says_where_stanzas_are_missing() {
        let text = run(&sample::faulty());
        assert!(
            text.contains("  1  from user0@r7.peers.example to sink0@echo.example.org\n"),
            "{text}"
        );
        assert!(text.ends_with("verdict           FAULTY: 1 lost\n"), "{text}");
    }

    #[test]
    fn what_was_not_delivered_is_told_by_kind_of_peer() {
        let text = run(&sample::faulty());
        let table = "\
not delivered            domains   bounced      lost   skipped  greeting and warm-up included
verified                      60     1,954         0         0  1,949 policy-violation, 5 remote-server-timeout
trusted                       80         0         1         0
allowed                              1,954         0         0

server CPU ";
        assert!(text.contains(table), "{text}");
        // All was delivered, or the record is older than the table.
        let text = run(&Run { kinds: Vec::new(), ..sample::run() });
        assert!(!text.contains("not delivered"), "{text}");
        let long = Kind {
            name: "of-a-kind-with-a-long-name".to_owned(),
            ..sample::faulty().kinds[0].clone()
        };
        let text = run(&Run { kinds: vec![long], ..sample::run() });
        assert!(text.contains("\nof-a-kind-with-a-long-name             60     1,954"), "{text}");
    }

    #[test]
    fn what_was_not_watched_has_no_figure() {
        let text = run(&Run { server_cost: None, latency_us: Default::default(), ..sample::run() });
        assert!(text.contains("server CPU        not watched"), "{text}");
        assert!(!text.contains("server memory"), "{text}");
        assert!(text.contains("latency           none: nothing was delivered"), "{text}");
    }

    #[test]
    fn a_comparison_is_a_table_of_medians_ranges_and_ratios() {
        let text = comparison(&sample::comparison());
        for part in [
            "| part | figure | peerage | prosody | ejabberd | jabberd2 | bound (haproxy) |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |",
            "| in: s2s → component | CPU, µs a stanza | 1.52 (1.47 to 1.85) **1.00×** |",
            " | 38.2 (37.0 to 46.6) **25.1×** | ",
            " | 0.600 (haproxy, dense) |",
            "40.4 (39.8 to 41.0, 1 faulty)",
            "576,373† (472,437 to 594,199) **1.00×**",
            "- haproxy 2.6.12 (the bound: moves the same bytes, no XMPP): 9 of 9 runs clean",
            "| FAULTY: 17 lost |",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        let columns = |line: &str| line.matches('|').count();
        for line in text.lines().filter(|line| line.starts_with('|')) {
            assert!([8, RUNS.len() + 1].contains(&columns(line)), "{line}");
        }
    }

    #[test]
    fn a_bar_in_a_name_does_not_shift_the_columns() {
        let mut out = String::new();
        row(&mut out, &["a|b\nc".to_owned(), "d".to_owned()]);
        assert_eq!(out, "| a\\|b c | d |\n");
    }
}
