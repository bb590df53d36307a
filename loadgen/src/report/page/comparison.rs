//! The page of a comparison.

use std::fmt::Display;

use super::axis::Unit;
use super::bars::{Chart, Group};
use super::html::{Column, Html, table};
use super::plot::{Px, WIDTH};
use super::run::{percent, percentile_line, percentile_plot};
use super::{Note, STYLE, document, figure, folded, note, setting};
use crate::record::Comparison;
use crate::report::figure;
use crate::report::summary::{Cell, Contender, Metric, Row, Summary};
use crate::report::text::{RUNS, RUNS_WORDS, trials};

const CPU_A_STANZA: &str = "CPU a stanza";
/// Around a picture that stands alone.
const MARGIN: f64 = 14.0;

/// The page.
pub(crate) fn comparison(comparison: &Comparison) -> String {
    let summary = Summary::of(comparison);
    let title = match summary.servers.as_slice() {
        [] => "Comparison".to_owned(),
        servers => format!(
            "Comparison: {}",
            servers.iter().map(|server| server.label.as_str()).collect::<Vec<_>>().join(", ")
        ),
    };
    document(&title, |html| {
        html.element("header", &[], |html| {
            html.words("p", &[("class", &"kind")], "peerage-loadgen, comparison");
            html.words("h1", &[], &title);
            let rounds = if comparison.rounds == 1 { "round" } else { "interleaved rounds" };
            let about = format!(
                "{} runs in {} {rounds}, every stanza checked. {}",
                comparison.trials.len(),
                comparison.rounds,
                comparison.date
            );
            html.words("p", &[("class", &"about")], &about);
        });
        notes(html, comparison, &summary);
        medians(html, &summary);
        charts(html, &summary);
        html.words("h2", &[], "Servers");
        servers(html, &summary);
        bound_alone(html, &summary);
        html.words("h2", &[], "Runs");
        let all = format!("All {} runs", comparison.trials.len());
        folded(html, &all, |html| runs(html, comparison));
        html.words("h2", &[], "Setting");
        setting(html, &comparison.setting);
        html.words("pre", &[], &comparison.command);
        how_to_read(html, &summary);
    })
}

fn notes(html: &mut Html, comparison: &Comparison, summary: &Summary<'_>) {
    if comparison.trials.is_empty() {
        note(html, Note::Bad, "no run was made");
    } else if comparison.trials.iter().all(|trial| trial.run.is_clean()) {
        note(html, Note::Good, "all runs clean: every stanza accounted for, in order, unchanged");
    }
    for words in &summary.notes {
        note(html, Note::Careful, words);
    }
}

/// The table that says it all: median and ratio, and the range below.
fn medians(html: &mut Html, summary: &Summary<'_>) {
    html.element("div", &[("class", &"scroll")], |html| {
        html.element("table", &[("class", &"medians")], |html| {
            html.fixed("<thead><tr><th scope=\"col\" class=\"words\">figure</th>");
            for server in &summary.servers {
                html.words("th", &[("scope", &"col"), ("class", &"figure")], &server.label);
            }
            if let Some(bound) = &summary.bound {
                html.words(
                    "th",
                    &[("scope", &"col"), ("class", &"figure")],
                    &format!("bound: {}", bound.label),
                );
            }
            html.fixed("</tr></thead>\n<tbody>\n");
            let columns = 1 + summary.servers.len() + usize::from(summary.bound.is_some());
            let mut part = "";
            for row in summary.rows.iter().filter(|row| is_measured(row)) {
                if row.part != part {
                    part = &row.part;
                    html.fixed("<tr class=\"part\">");
                    html.words(
                        "th",
                        &[("scope", &"rowgroup"), ("colspan", &columns)],
                        &summary.part_words(part),
                    );
                    html.fixed("</tr>\n");
                }
                median_row(html, summary, row);
            }
            html.fixed("</tbody>");
        });
    });
    let first = summary.servers.first().map_or("the first server", |server| &server.label);
    html.words(
        "p",
        &[("class", &"below")],
        &format!("Median of the clean runs, × the ratio to {first}; least to most in small type."),
    );
}

/// By one of the servers: the rest is the bound's alone.
fn is_measured(row: &Row) -> bool {
    row.cells.iter().any(|cell| *cell != Cell::NotMeasured)
}

/// What the bound did in parts of its own.
fn bound_alone(html: &mut Html, summary: &Summary<'_>) {
    let alone = |row: &&Row| !is_measured(row);
    let rows: Vec<_> = summary
        .rows
        .iter()
        .filter(alone)
        .filter_map(|row| {
            let value = figure::number(row.bound.as_ref()?.value);
            Some(vec![row.part.clone(), row.metric.words().to_owned(), value])
        })
        .collect();
    let Some(bound) = summary.bound.as_ref().filter(|_| !rows.is_empty()) else { return };
    html.words("h3", &[], &format!("The bound by itself: {}", bound.label));
    table(
        html,
        &[Column::Words("part"), Column::Words("figure"), Column::Figures("median")],
        &rows,
    );
}

fn median_row(html: &mut Html, summary: &Summary<'_>, row: &Row) {
    html.fixed("<tr>");
    html.words("th", &[("scope", &"row"), ("class", &"words")], row.metric.words());
    for cell in &row.cells {
        html.element("td", &[("class", &"figure")], |html| match cell {
            Cell::NotMeasured => html.text("-"),
            Cell::Faulty => html.text("faulty"),
            Cell::Measured { spread, ratio, faulty, limited } => {
                html.words("b", &[], &figure::number(spread.median));
                if *limited > 0 {
                    html.text("†");
                }
                if let Some(ratio) = ratio {
                    html.words(
                        "span",
                        &[("class", &"ratio")],
                        &format!(" {}", figure::ratio(*ratio)),
                    );
                }
                let mut range =
                    format!("{} to {}", figure::number(spread.least), figure::number(spread.most));
                if *faulty > 0 {
                    range.push_str(&format!(", {faulty} faulty"));
                }
                html.words("small", &[], &range);
            }
        });
    }
    if summary.bound.is_some() {
        html.element("td", &[("class", &"figure")], |html| match &row.bound {
            None => html.text("-"),
            Some(bound) => {
                html.words("b", &[], &figure::number(bound.value));
                html.words("small", &[], &bound.words);
            }
        });
    }
    html.fixed("</tr>\n");
}

fn charts(html: &mut Html, summary: &Summary<'_>) {
    html.element("section", &[("class", &"plots")], |html| {
        let less = "Less is better.";
        chart(html, summary, CPU_A_STANZA, less, Unit::Plain("µs a stanza"), &[Metric::CpuStanza]);
        chart(
            html,
            summary,
            "Throughput",
            "More is better.",
            Unit::Plain("stanzas/s"),
            &[Metric::Throughput],
        );
        chart(
            html,
            summary,
            "Latency at the same rate",
            less,
            Unit::Plain("ms"),
            &[Metric::P50, Metric::P99],
        );
        curves(html, summary);
        chart(
            html,
            summary,
            "CPU a new session",
            less,
            Unit::Plain("µs a session"),
            &[Metric::CpuSession],
        );
        chart(
            html,
            summary,
            "Memory an idle session",
            less,
            Unit::Plain("KiB a session"),
            &[Metric::MemorySession],
        );
    });
}

fn chart(
    html: &mut Html,
    summary: &Summary<'_>,
    heading: &str,
    caption: &str,
    unit: Unit,
    metrics: &[Metric],
) {
    let chart = bars(summary, heading, unit, metrics);
    if chart.groups.is_empty() {
        return;
    }
    let mut caption = caption.to_owned();
    if chart.groups.iter().any(|group| group.bound.is_some()) {
        caption.push_str(" The dashed line is the bound.");
    }
    figure(html, heading, &caption, |html| chart.draw(html));
}

/// What these metrics are by server, for each part in which somebody has them.
fn bars(summary: &Summary<'_>, heading: &str, unit: Unit, metrics: &[Metric]) -> Chart {
    let wanted = |row: &&Row| metrics.contains(&row.metric) && is_measured(row);
    let groups = summary.rows.iter().filter(wanted).map(|row| {
        let part = summary.part_words(&row.part);
        let name = if metrics.len() > 1 { format!("{part}, {}", row.metric.words()) } else { part };
        Group { name, cells: row.cells.clone(), bound: row.bound.clone() }
    });
    Chart {
        about: format!("{heading}, by server"),
        unit,
        servers: summary.servers.iter().map(|server| server.label.clone()).collect(),
        groups: groups.collect(),
    }
}

/// The chart of CPU a stanza by itself, as a picture (SVG) that a document can link.
pub(crate) fn picture(comparison: &Comparison) -> String {
    let summary = Summary::of(comparison);
    let chart = bars(&summary, CPU_A_STANZA, Unit::Plain("µs a stanza"), &[Metric::CpuStanza]);
    let (height, marks) = chart.marks();
    let (width, height) = (WIDTH + 2.0 * MARGIN, Px(height + 2.0 * MARGIN));
    let size = format!("-{MARGIN} -{MARGIN} {width} {height}");
    let mut html = Html::default();
    html.element(
        "svg",
        &[
            ("xmlns", &"http://www.w3.org/2000/svg"),
            ("viewBox", &size),
            ("width", &width),
            ("height", &height),
            ("role", &"img"),
            ("aria-label", &chart.about),
        ],
        |html| {
            html.fixed("<style>");
            html.fixed(STYLE);
            html.fixed("</style>\n");
            let corner = format!("-{MARGIN}");
            let all = [
                ("x", &corner as &dyn Display),
                ("y", &corner),
                ("width", &"100%"),
                ("height", &"100%"),
                ("class", &"paper"),
            ];
            html.leaf("rect", &all);
            html.append(&marks);
        },
    );
    html.finish()
}

/// One plot for each part with a rate: all servers' curves.
fn curves(html: &mut Html, summary: &Summary<'_>) {
    let parts = summary.rows.iter().filter(|row| row.metric == Metric::P99).map(|row| &row.part);
    for part in parts {
        let lines: Vec<_> = summary
            .servers
            .iter()
            .enumerate()
            .filter_map(|(style, server)| {
                let latency = &summary.typical(server, part)?.run.latency_us;
                (!latency.curve.is_empty()).then(|| percentile_line(&server.label, style, latency))
            })
            .collect();
        if lines.is_empty() {
            continue;
        }
        let heading = format!("Latency by percentile, {}", summary.part_words(part));
        let caption = "Of each server the run whose p99 is the median. Latency counts from the time each stanza was due.";
        figure(html, &heading, caption, |html| {
            percentile_plot(lines).draw(html);
            folded(html, "Figures of this plot", |html| quantiles(html, summary, part));
        });
    }
}

/// What the curves of a part are drawn of.
fn quantiles(html: &mut Html, summary: &Summary<'_>, part: &str) {
    let typical =
        summary.servers.iter().filter_map(|server| Some((server, summary.typical(server, part)?)));
    let rows: Vec<_> = typical
        .flat_map(|(server, trial)| {
            trial.run.latency_us.curve.iter().map(|(quantile, us)| {
                vec![
                    server.label.clone(),
                    trial.round.to_string(),
                    percent(*quantile),
                    figure::count(*us),
                ]
            })
        })
        .collect();
    let columns = [
        Column::Words("server"),
        Column::Figures("round"),
        Column::Figures("%"),
        Column::Figures("at most, µs"),
    ];
    table(html, &columns, &rows);
}

fn servers(html: &mut Html, summary: &Summary<'_>) {
    let row = |server: &Contender| {
        let role = if server.is_bound {
            "the bound: moves the same bytes, no XMPP"
        } else {
            "XMPP server"
        };
        vec![
            server.name.clone(),
            server.version.clone(),
            role.to_owned(),
            server.runs.to_string(),
            server.clean.to_string(),
        ]
    };
    let rows: Vec<_> = summary.servers.iter().chain(&summary.bound).map(row).collect();
    let columns = [
        Column::Words("server"),
        Column::Words("version"),
        Column::Words("what it is"),
        Column::Figures("runs"),
        Column::Figures("clean"),
    ];
    table(html, &columns, &rows);
}

fn runs(html: &mut Html, comparison: &Comparison) {
    let last = RUNS.len() - 1;
    let columns: Vec<_> = RUNS
        .iter()
        .enumerate()
        .map(|(place, name)| {
            if place < RUNS_WORDS || place == last {
                Column::Words(name)
            } else {
                Column::Figures(name)
            }
        })
        .collect();
    let rows: Vec<_> = trials(comparison).map(Vec::from).collect();
    table(html, &columns, &rows);
}

fn how_to_read(html: &mut Html, summary: &Summary<'_>) {
    html.words("h2", &[], "How to read this");
    html.fixed("<ul>\n");
    for words in [
        "All servers got the same work from the same load generator in each round, one after the other, so that what the machine does \
         besides meets all of them. Figures are medians over the rounds; the thin line in a bar is the range, least to most.",
        "CPU a stanza is user plus system time of the server's processes by stanza. It is the steadiest figure on a machine that also does \
         other things, and the ratios between servers travel best to other machines.",
        "Stanzas/s come from a closed loop: as fast as the server takes them. † marks runs in which the load generator was never idle, or \
         waited for a processor: there the server might have done more.",
        "Latency is compared at the same rate in an open loop: it counts from the time each stanza was due, also when the server stalls.",
        "A run that loses, repeats, reorders, alters or invents a stanza is faulty and left out: a fast wrong answer is no answer.",
        "Others, cores is what else the machine did during a run. Near 0 is a good measurement.",
    ] {
        html.words("li", &[], words);
    }
    if let Some(bound) = &summary.bound {
        let words = format!(
            "The bound is {}: it takes TLS in and gives TLS out and moves the same bytes, and does none of the work of an XMPP server. \
             Nobody can be expected below it. In `in` and `out` it is the pump's dense figure; an echo passes twice, so there it counts double.",
            bound.label
        );
        html.words("li", &[], &words);
    }
    html.fixed("</ul>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_page_holds_every_median_range_and_ratio() {
        let record = sample::comparison();
        let page = comparison(&record);
        for row in &Summary::of(&record).rows {
            for cell in &row.cells {
                let Cell::Measured { spread, ratio, .. } = cell else { continue };
                let range = format!(
                    "<small>{} to {}",
                    figure::number(spread.least),
                    figure::number(spread.most)
                );
                for shown in [
                    format!("<b>{}</b>", figure::number(spread.median)),
                    range,
                    figure::ratio(ratio.unwrap()),
                ] {
                    assert!(page.contains(&shown), "{shown} of {row:?}");
                }
            }
            if let Some(bound) = &row.bound {
                let value = figure::number(bound.value);
                let shown = if is_measured(row) {
                    format!("<b>{value}</b><small>{}</small>", bound.words)
                } else {
                    format!("{}</td><td class=\"figure\">{value}<", row.metric.words())
                };
                assert!(page.contains(&shown), "{shown}");
            }
        }
        // Of each server's curve the point at 90 %, in the typical round.
        let summary = Summary::of(&record);
        for server in &summary.servers {
            let trial = summary.typical(server, "rate").unwrap();
            let p90 = figure::count(trial.run.latency_us.p90);
            let shown = format!("<td class=\"figure\">90</td><td class=\"figure\">{p90}</td>");
            assert!(page.contains(&shown), "{shown}");
        }
        assert_eq!(
            page.matches("<td class=\"words\">clean").count()
                + page.matches("<td class=\"words\">FAULTY").count(),
            record.trials.len()
        );
    }

    #[test]
    fn the_picture_stands_alone_and_shows_what_the_page_shows() {
        let record = sample::comparison();
        let picture = picture(&record);
        assert!(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{picture}");
        sample::assert_balanced(&picture);
        let page = comparison(&record);
        let marks =
            bars(&Summary::of(&record), "", Unit::Plain("µs a stanza"), &[Metric::CpuStanza])
                .marks()
                .1
                .finish();
        assert!(picture.contains(&marks) && page.contains(&marks));
    }

    #[test]
    fn every_comparison_of_the_plan_has_its_picture() {
        let page = comparison(&sample::comparison());
        let headings = [
            "CPU a stanza",
            "Throughput",
            "Latency at the same rate",
            "Latency by percentile, rate: 1,000 stanzas/s",
            "CPU a new session",
            "Memory an idle session",
        ];
        for heading in headings {
            assert!(page.contains(&format!("<h3>{heading}</h3><svg ")), "{heading}");
        }
        assert_eq!(page.matches("<svg ").count(), headings.len());
        sample::assert_balanced(&page);
    }

    #[test]
    fn names_of_servers_are_escaped() {
        let mut record = sample::comparison();
        for trial in &mut record.trials {
            trial.server.name.push_str("<script>");
            trial.part.push_str("\"><script>");
        }
        record.command.push_str("<script>");
        let page = comparison(&record);
        assert!(!page.contains("<script"), "markup from outside is on the page");
        assert!(page.contains("peerage&lt;script&gt;"));
    }

    #[test]
    fn no_trials_make_a_page_that_says_so() {
        let page = comparison(&Comparison { trials: Vec::new(), ..sample::comparison() });
        assert!(page.contains("no run was made") && !page.contains("all runs clean"), "{page}");
    }
}
