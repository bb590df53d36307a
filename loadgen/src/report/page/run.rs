//! The page of one run.

use super::axis::{Axis, Unit, to_nines};
use super::html::{Column, Html, table};
use super::opening::memory_by_sessions;
use super::over_time::OverTime;
use super::plot::{Line, Plot, Point};
use super::series::{Series, Step};
use super::{Note, document, figure, figures, folded, note, setting};
use crate::record::{Latency, Run};
use crate::report::figure;

/// Highest to lowest latency from which on it is drawn on a logarithmic axis.
const LOG_FROM: f64 = 25.0;

/// The page.
pub(crate) fn run(run: &Run) -> String {
    let title = format!("{}: {}", run.scenario, run.server_words());
    document(&title, |html| {
        html.element("header", &[], |html| {
            html.words("p", &[("class", &"kind")], "peerage-loadgen, one run");
            html.words("h1", &[], &title);
            let about = format!(
                "{}. {:.0} bytes a stanza, {:.2} s, seed {}. {}",
                run.work, run.stanza_bytes, run.seconds, run.seed, run.date
            );
            html.words("p", &[("class", &"about")], &about);
        });
        let verdict = if run.is_clean() { Note::Good } else { Note::Bad };
        note(html, verdict, &run.verdict());
        for words in &run.bottleneck {
            note(html, Note::Careful, words);
        }
        tiles(html, run);
        plots(html, run);
        figures::tables(html, run);
        if !run.samples.is_empty() {
            samples(html, run);
        }
        html.words("h2", &[], "Setting");
        setting(html, &run.setting);
        html.words("h2", &[], "Scenario");
        html.words("pre", &[], &run.scenario_toml);
        how_to_read(html, run);
    })
}

fn tiles(html: &mut Html, run: &Run) {
    let latency = &run.latency_us;
    let mut tiles = vec![("stanzas/s", figure::number(run.per_second()))];
    if !latency.curve.is_empty() {
        tiles.push(("latency, p50", figure::latency(latency.p50 as f64)));
        tiles.push(("latency, p99", figure::latency(latency.p99 as f64)));
        tiles.push(("latency, p99.99", figure::latency(latency.p99_99 as f64)));
    }
    if let Some(cost) = &run.server_cost {
        tiles.push(("server CPU a stanza", figure::latency(cost.cpu_us_a_stanza)));
        tiles.push(("server memory, most", figure::bytes(cost.resident_bytes_max as f64)));
    }
    tiles.push(("sessions opened", figure::count(run.sessions.opened)));
    tiles.push(("stanzas bounced", figure::count(run.stanzas.bounced)));
    html.element("dl", &[("class", &"tiles")], |html| {
        for (name, value) in tiles {
            html.element("div", &[], |html| {
                html.words("dt", &[], name);
                html.words("dd", &[], &value);
            });
        }
    });
}

fn plots(html: &mut Html, run: &Run) {
    let series = Series::of(&run.samples);
    let over_time = OverTime::of(run, &series);
    html.element("section", &[("class", &"plots")], |html| {
        if !run.latency_us.curve.is_empty() {
            percentiles(html, run);
        }
        if series.steps.is_empty() {
            return;
        }
        over_time.rate(html);
        over_time.latency(html);
        over_time.cost(html);
        over_time.load(html);
        over_time.memory(html);
        over_time.sessions(html);
        over_time.handshakes(html);
        memory_by_sessions(html, run);
    });
    if !run.events.is_empty() {
        html.words("h2", &[], "Events");
        let rows = run.events.iter().zip(1..).map(|(event, number): (_, u32)| {
            vec![number.to_string(), format!("{:.1}", event.at_seconds), event.what.clone()]
        });
        let rows: Vec<_> = rows.collect();
        table(
            html,
            &[Column::Figures("number"), Column::Figures("at, s"), Column::Words("what")],
            &rows,
        );
    }
}

fn percentiles(html: &mut Html, run: &Run) {
    let curve = percentile_plot(vec![percentile_line("latency", 0, &run.latency_us)]);
    figure(html, "Latency by percentile", run.latency_words(), |html| {
        curve.draw(html);
        folded(html, "Figures of this plot", |html| {
            let rows: Vec<_> = run
                .latency_us
                .curve
                .iter()
                .map(|(quantile, us)| vec![percent(*quantile), figure::count(*us)])
                .collect();
            table(html, &[Column::Figures("%"), Column::Figures("at most, µs")], &rows);
        });
    });
}

/// A quantile in per cent with as many digits as it needs.
pub(super) fn percent(quantile: f64) -> String {
    let text = format!("{:.6}", quantile * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One curve for [`percentile_plot`].
pub(super) fn percentile_line(name: &str, style: usize, latency: &Latency) -> Line {
    let finite = latency.curve.iter().filter(|(quantile, _)| *quantile < 1.0);
    let end = finite.clone().map(|(quantile, _)| to_nines(*quantile)).fold(0.0, f64::max);
    let points = latency.curve.iter().map(|(quantile, us)| {
        // The slowest of all has infinitely many nines: it stands a little behind the last that has not.
        let x = if *quantile < 1.0 { to_nines(*quantile) } else { end + 0.1 };
        Point { x, y: Some(*us as f64) }
    });
    Line { name: name.to_owned(), points: points.collect(), style }
}

/// Latencies by nines, as many curves as there are.
pub(super) fn percentile_plot(lines: Vec<Line>) -> Plot {
    let nines = lines.iter().flat_map(|line| &line.points).map(|point| point.x).fold(1.0, f64::max);
    Plot {
        about: "Latency by percentile".to_owned(),
        x: Axis::nines(nines),
        y: latency_axis(&lines),
        unit: Unit::Time,
        x_words: |nines| format!("{} %", percent(1.0 - 10f64.powf(-nines))),
        lines,
        marks: Vec::new(),
    }
}

pub(super) fn latency_axis(lines: &[Line]) -> Axis {
    let values = || lines.iter().flat_map(|line| &line.points).filter_map(|point| point.y);
    let most = values().fold(0.0, f64::max);
    let least = values().filter(|us| *us > 0.0).fold(most, f64::min);
    if most > least * LOG_FROM {
        Axis::log(Unit::Time, least, most)
    } else {
        Axis::linear(Unit::Time, most, 5)
    }
}

fn samples(html: &mut Html, run: &Run) {
    let series = Series::of(&run.samples);
    html.words("h2", &[], "Second by second");
    if series.merged > 1 {
        let words = format!(
            "A row stands for {} samples: counts are added up, of latency and memory the highest is shown. The record has every second.",
            series.merged
        );
        html.words("p", &[], &words);
    }
    let names = [
        "to, s",
        "sent",
        "delivered",
        "bounced",
        "p50, µs",
        "p99, µs",
        "server CPU, s",
        "server MiB",
        "loadgen CPU, s",
        "sessions open",
        "handshakes full",
        "resumed",
        "bytes out",
        "bytes in",
    ];
    let rows: Vec<_> = series.steps.iter().map(row).collect();
    folded(html, "Table of samples", |html| table(html, &names.map(Column::Figures), &rows));
}

fn row(step: &Step) -> Vec<String> {
    let sample = &step.sample;
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), figure::count);
    let latency = |us: u64| if sample.delivered > 0 { figure::count(us) } else { "-".to_owned() };
    vec![
        format!("{:.2}", sample.at_seconds),
        figure::count(sample.sent),
        figure::count(sample.delivered),
        figure::count(sample.bounced),
        latency(sample.p50_us),
        latency(sample.p99_us),
        sample.server_cpu_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2}")),
        sample
            .server_resident_bytes
            .map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}", bytes as f64 / 1048576.0)),
        format!("{:.2}", sample.own_cpu_seconds),
        figure::count(sample.sessions_open),
        count(sample.handshakes_full),
        count(sample.handshakes_resumed),
        count(sample.bytes_out),
        count(sample.bytes_in),
    ]
}

fn how_to_read(html: &mut Html, run: &Run) {
    html.words("h2", &[], "How to read this");
    html.fixed("<ul>\n");
    for words in [
        "The verdict comes first. Every stanza carries a mark and is checked: a run that loses, repeats, reorders, alters or invents \
         stanzas is faulty, and its figures mean nothing. A bounce is an answer, so bounces are no fault; they are counted by condition.",
        run.latency_words(),
        "Sender behind is how long, at most, a stanza was written after it was due: part of the latency that the load generator, or a \
         server that does not read, added.",
        "CPU a stanza is user plus system time of the server's processes by stanzas delivered or bounced. On a machine that also does \
         other things it is the steadiest of the figures; compare it in one run on one machine, as a ratio.",
    ] {
        html.words("li", &[], words);
    }
    html.fixed("</ul>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Sample;
    use crate::report::sample;

    #[test]
    fn the_page_holds_every_figure_of_the_record() {
        let record = sample::run();
        let page = run(&record);
        let mut figures = vec![
            figure::number(record.per_second()),
            figure::latency(record.latency_us.p50 as f64),
            figure::latency(record.latency_us.p90 as f64),
            figure::latency(record.latency_us.p99 as f64),
            figure::latency(record.latency_us.p99_9 as f64),
            figure::latency(record.latency_us.p99_99 as f64),
            figure::latency(record.latency_us.max as f64),
            "212 µs".to_owned(),
            "2.21 µs".to_owned(),
            "45.0 MiB".to_owned(),
            "1.32 s".to_owned(),
            "1.90 µs".to_owned(),
            "613 µs".to_owned(),
            "11.2 KiB".to_owned(),
            "AMD EPYC".to_owned(),
            "23.5 GiB".to_owned(),
            "Linux 6.18.44".to_owned(),
            "378 bytes a stanza, 30.25 s, seed 42. 2026-11-23T06:00:00Z".to_owned(),
            "minimum raised to trusted".to_owned(),
            "rate = 20_000".to_owned(),
            record.bottleneck[0].clone(),
            record.verdict(),
        ];
        let stanzas = record.stanzas;
        figures.extend([stanzas.sent, stanzas.delivered, stanzas.bounced].map(figure::count));
        for (name, count) in &record.conditions {
            figures.push(format!("{name}</td><td class=\"figure\">{}<", figure::count(*count)));
        }
        for sample in &record.samples {
            figures.push(format!(
                ">{:.2}</td><td class=\"figure\">{}<",
                sample.at_seconds,
                figure::count(sample.sent)
            ));
            figures.push(format!(">{}<", figure::count(sample.p99_us)));
        }
        for (quantile, us) in &record.latency_us.curve {
            figures.push(format!(
                ">{}</td><td class=\"figure\">{}<",
                percent(*quantile),
                figure::count(*us)
            ));
        }
        figures.retain(|figure| figure != ">0<");
        for figure in figures {
            assert!(page.contains(&figure), "{figure:?} is not on the page");
        }
    }

    #[test]
    fn the_page_needs_nothing_else_and_runs_nothing() {
        let page = run(&sample::run());
        let foreign = [
            "<script",
            "<link",
            "<img",
            "http://",
            "https://",
            "@import",
            "url(",
            " onload=",
            "javascript:",
        ];
        for foreign in foreign {
            assert!(!page.contains(foreign), "{foreign} is on the page");
        }
        assert!(page.contains("40 peers &lt;reset&gt; &amp; gone"), "events are escaped");
        assert!(
            page.contains("All rungs &lt;mixed&gt; &amp; &quot;quoted&quot;"),
            "the scenario is escaped"
        );
        assert!(page.contains("initiating: &lt;reset&gt; by peer"), "failures are escaped");
    }

    #[test]
    fn elements_are_closed_in_order() {
        for page in [run(&sample::run()), run(&sample::faulty())] {
            sample::assert_balanced(&page);
        }
    }

    #[test]
    fn a_faulty_run_is_red_and_says_why() {
        let page = run(&sample::faulty());
        assert!(page.contains("<p class=\"note bad\">"));
        assert!(page.contains("FAULTY: 1 lost"));
        assert!(page.contains("user0@r7.peers.example"));
        assert!(!page.contains("<p class=\"note good\">"));
    }

    #[test]
    fn a_record_with_nothing_in_it_has_a_page() {
        let record = Run {
            latency_us: Latency::default(),
            samples: Vec::new(),
            events: Vec::new(),
            server_cost: None,
            seconds: 0.0,
            ..sample::faulty()
        };
        let page = run(&record);
        assert!(page.contains("none: nothing was delivered") && page.contains("not watched"));
        // Samples that say nothing: every axis has a range all the same.
        let page = run(&Run { samples: vec![Sample::default(); 3], ..record });
        assert!(
            page.contains("Latency over time") && !page.contains("NaN") && !page.contains("inf\"")
        );
    }

    #[test]
    fn the_curve_rises_and_the_slowest_comes_last() {
        let line = percentile_line("x", 0, &sample::run().latency_us);
        assert!(
            line.points.is_sorted_by(|one, next| one.x < next.x && one.y <= next.y),
            "{line:?}"
        );
        let last = line.points.last().unwrap();
        assert_eq!(last.y, Some(sample::run().latency_us.max as f64));
    }
}
