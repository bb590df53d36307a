//! The tables of figures on the page of a run.

use std::collections::BTreeMap;

use super::html::{Column, Html, facts, table};
use crate::record::Run;
use crate::report::{figure, undelivered};

/// All of them.
pub(super) fn tables(html: &mut Html, run: &Run) {
    html.words("h2", &[], "Figures");
    html.element("section", &[("class", &"tables")], |html| {
        block(html, "Stanzas", &stanzas(run));
        block(html, "Latency", &latency(run));
        block(html, "Cost", &costs(run));
        block(html, "Sessions", &sessions(run));
    });
    not_delivered(html, run);
    counted(html, "Bounces by condition", "condition", &run.conditions);
    counted(html, "Streams that failed", "role and reason", &run.failures);
    if !run.missing.is_empty() {
        html.words("h3", &[], "Where stanzas are missing");
        let rows: Vec<_> = run
            .missing
            .iter()
            .map(|flow| vec![flow.from.clone(), flow.to.clone(), figure::count(flow.stanzas)])
            .collect();
        table(
            html,
            &[Column::Words("from"), Column::Words("to"), Column::Figures("stanzas")],
            &rows,
        );
    }
}

fn not_delivered(html: &mut Html, run: &Run) {
    let rows = undelivered::rows(run);
    if rows.is_empty() {
        return;
    }
    let heading = format!("Not delivered, by kind of peer; {}", undelivered::INCLUDED);
    html.words("h3", &[], &heading);
    let mut columns = vec![Column::Words("kind")];
    columns.extend(undelivered::FIGURES.map(Column::Figures));
    columns.push(Column::Words("bounced with"));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| [vec![row.name], row.figures.to_vec(), vec![row.conditions]].concat())
        .collect();
    table(html, &columns, &rows);
}

fn block(html: &mut Html, heading: &str, rows: &[(&str, String)]) {
    html.element("div", &[], |html| {
        html.words("h3", &[], heading);
        facts(html, rows);
    });
}

fn counted(html: &mut Html, heading: &str, what: &str, counts: &BTreeMap<String, u64>) {
    if counts.is_empty() {
        return;
    }
    html.words("h3", &[], heading);
    let rows: Vec<_> =
        counts.iter().map(|(name, count)| vec![name.clone(), figure::count(*count)]).collect();
    table(html, &[Column::Words(what), Column::Figures("count")], &rows);
}

fn stanzas(run: &Run) -> Vec<(&'static str, String)> {
    let stanzas = &run.stanzas;
    let mut rows = vec![("Stanzas/s", figure::number(run.per_second()))];
    rows.extend(run.offered_per_second.map(|rate| ("Offered, stanzas/s", figure::number(rate))));
    rows.extend([
        ("Sent", figure::count(stanzas.sent)),
        ("Delivered", figure::count(stanzas.delivered)),
        ("Bounced", figure::count(stanzas.bounced)),
        ("Lost", figure::count(stanzas.lost)),
        ("Duplicated", figure::count(stanzas.duplicated)),
        ("Out of order", figure::count(stanzas.out_of_order)),
        ("Corrupted or misaddressed", figure::count(stanzas.corrupted)),
        ("Never sent, but received", figure::count(stanzas.never_sent)),
        ("Skipped: link was gone", figure::count(stanzas.skipped)),
    ]);
    rows
}

fn latency(run: &Run) -> Vec<(&'static str, String)> {
    let latency = &run.latency_us;
    let behind = ("Sender behind, most", figure::latency(latency.sender_behind_max as f64));
    if latency.curve.is_empty() {
        return vec![("Latency", "none: nothing was delivered".to_owned()), behind];
    }
    let us = |us: u64| figure::latency(us as f64);
    vec![
        ("50 %", us(latency.p50)),
        ("90 %", us(latency.p90)),
        ("99 %", us(latency.p99)),
        ("99.9 %", us(latency.p99_9)),
        ("99.99 %", us(latency.p99_99)),
        ("Slowest", us(latency.max)),
        behind,
    ]
}

fn costs(run: &Run) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    match &run.server_cost {
        Some(cost) => rows.extend([
            ("Server, CPU a stanza", figure::latency(cost.cpu_us_a_stanza)),
            ("Server, CPU in all", format!("{} s", figure::number(cost.cpu_seconds))),
            ("Server, share of a core", figure::percent(cost.share_of_core)),
            ("Server, memory at most", figure::bytes(cost.resident_bytes_max as f64)),
        ]),
        None => rows.push(("Server", "not watched".to_owned())),
    }
    let own = &run.own_cost;
    rows.extend([
        ("Loadgen, CPU a stanza", figure::latency(own.cpu_us_a_stanza)),
        ("Loadgen, CPU in all", format!("{} s", figure::number(own.cpu_seconds))),
        ("Loadgen, share of a core", figure::percent(own.share_of_core)),
        ("Loadgen, memory at most", figure::bytes(own.resident_bytes_max as f64)),
    ]);
    rows
}

fn sessions(run: &Run) -> Vec<(&'static str, String)> {
    let (sessions, churn) = (&run.sessions, run.churn());
    let mut rows = vec![
        ("Opened", figure::count(sessions.opened)),
        ("Before the clock", figure::count(sessions.before_clock)),
        ("That took", format!("{} s", figure::number(sessions.opening_seconds))),
        ("After it, a second", figure::number(churn.per_second)),
        ("Open at the end", figure::count(sessions.open)),
    ];
    let counts = [
        ("Handshakes, full", sessions.handshakes_full),
        ("Handshakes, resumed", sessions.handshakes_resumed),
    ];
    let counted = |(name, count): (_, Option<u64>)| Some((name, figure::count(count?)));
    rows.extend(counts.into_iter().filter_map(counted));
    let resumption = churn.resumption().map(figure::percent);
    rows.extend(resumption.map(|share| ("Resumed, after the clock started", share)));
    let cpu = sessions.server_cpu_us_each.map(figure::latency);
    rows.extend(cpu.map(|cpu| ("Server's CPU for a new one", cpu)));
    let memory = sessions.server_bytes_each.map(figure::bytes);
    rows.extend(memory.map(|bytes| ("Server's memory for one that is open", bytes)));
    rows
}

#[cfg(test)]
mod tests {
    use super::super::run::run;
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_was_not_delivered_stands_there_by_kind_of_peer() {
        let page = run(&sample::faulty());
        for cells in [
            [
                "verified",
                "60",
                "1,954",
                "0",
                "0",
                "1,949 policy-violation, 5 remote-server-timeout",
            ],
            ["trusted", "80", "0", "1", "0", ""],
            ["allowed", "", "1,954", "0", "0", ""],
        ] {
            let [name, figures @ .., words] = cells.map(|cell| format!("{cell}</td>"));
            let figures = figures.map(|figure| format!("<td class=\"figure\">{figure}")).concat();
            let row = format!("<td class=\"words\">{name}{figures}<td class=\"words\">{words}");
            assert!(page.contains(&row), "{row:?} is not on the page");
        }
        let page = run(&Run { kinds: Vec::new(), ..sample::run() });
        assert!(!page.contains("Not delivered"));
    }
}
