//! What follows from a comparison: for each part and figure the servers' medians, ranges and ratios, and where the bound lies.
//!
//! Only clean runs count: a fast wrong run is no measurement.

#[cfg(test)]
mod tests;

use crate::record::{Comparison, Run, Trial};

/// A figure that servers are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// The server's processor time a stanza, in µs.
    CpuStanza,
    /// Stanzas a second, closed loop.
    Throughput,
    /// Latency at a rate, in ms.
    P50,
    P99,
    /// The server's processor time for a new session, in µs.
    CpuSession,
    /// The server's memory for an idle session, in KiB.
    MemorySession,
}

impl Metric {
    pub(crate) const ALL: [Metric; 6] = [
        Metric::CpuStanza,
        Metric::Throughput,
        Metric::P50,
        Metric::P99,
        Metric::CpuSession,
        Metric::MemorySession,
    ];

    /// With its unit.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Metric::CpuStanza => "CPU, µs a stanza",
            Metric::Throughput => "stanzas/s",
            Metric::P50 => "p50, ms",
            Metric::P99 => "p99, ms",
            Metric::CpuSession => "CPU, µs a new session",
            Metric::MemorySession => "memory, KiB an idle session",
        }
    }

    fn of(self, trial: &Trial) -> Option<f64> {
        let run = &trial.run;
        let (is_open, is_sessions) = (run.offered_per_second.is_some(), trial.part == SESSIONS);
        match self {
            // A few stanzas to open sessions with say nothing of a stanza's cost.
            Metric::CpuStanza | Metric::Throughput | Metric::P50 | Metric::P99 if is_sessions => {
                None
            }
            Metric::CpuStanza => run.server_cost.map(|cost| cost.cpu_us_a_stanza),
            Metric::Throughput => (!is_open).then(|| run.per_second()),
            Metric::P50 => is_open.then(|| run.latency_us.p50 as f64 / 1e3),
            Metric::P99 => is_open.then(|| run.latency_us.p99 as f64 / 1e3),
            Metric::CpuSession => run.sessions.server_cpu_us_each,
            Metric::MemorySession => run.sessions.server_bytes_each.map(|bytes| bytes / 1024.0),
        }
    }
}

/// The part that opens sessions and leaves them idle.
const SESSIONS: &str = "sessions";
/// The bound's part with the same work as `in` and `out`.
const DENSE: &str = "dense";

/// Median, least and most of some runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Spread { median: f64::midpoint(low, high), least, most })
    }
}

/// What one server did in one part, by one metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// It was not tried, or this figure was not taken.
    NotMeasured,
    /// No run was clean.
    Faulty,
    Measured {
        spread: Spread,
        /// To the first server.
        ratio: Option<f64>,
        /// Runs that were left out because they were faulty.
        faulty: usize,
        /// Runs that the generator limited.
        limited: usize,
    },
}

/// What the bound is for a part.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) value: f64,
    /// Where it is from.
    pub(crate) words: String,
}

/// One figure of one part.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) part: String,
    pub(crate) metric: Metric,
    /// In the order of [`Summary::servers`].
    pub(crate) cells: Vec<Cell>,
    pub(crate) bound: Option<Bound>,
}

/// One of the servers, the bound included.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Name, with the version where two of them have the same name.
    pub(crate) label: String,
    pub(crate) is_bound: bool,
    pub(crate) runs: usize,
    pub(crate) clean: usize,
}

/// A comparison, added up.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    /// In the order in which they were asked for, without the bound.
    pub(crate) servers: Vec<Contender>,
    pub(crate) bound: Option<Contender>,
    pub(crate) rows: Vec<Row>,
    /// What the reader has to know before the figures.
    pub(crate) notes: Vec<String>,
    comparison: &'a Comparison,
}

impl<'a> Summary<'a> {
    pub(crate) fn of(comparison: &'a Comparison) -> Summary<'a> {
        let (bounds, servers): (Vec<_>, Vec<_>) =
            contenders(comparison).into_iter().partition(|contender| contender.is_bound);
        let mut summary = Summary {
            servers,
            bound: bounds.into_iter().next(),
            rows: Vec::new(),
            notes: Vec::new(),
            comparison,
        };
        for part in summary.parts() {
            for metric in Metric::ALL {
                summary.rows.extend(summary.row(&part, metric));
            }
        }
        summary.notes = summary.remarks();
        summary
    }

    /// Parts in the order of their first runs; those of the bound alone come last.
    fn parts(&self) -> Vec<String> {
        let mut parts: Vec<String> = Vec::new();
        for of_bound in [false, true] {
            for trial in &self.comparison.trials {
                if self.is_bound(trial) == of_bound && !parts.contains(&trial.part) {
                    parts.push(trial.part.clone());
                }
            }
        }
        parts
    }

    fn is_bound(&self, trial: &Trial) -> bool {
        self.comparison.bound.as_ref() == Some(&trial.server.name)
    }

    /// Nothing when nobody has this figure.
    fn row(&self, part: &str, metric: Metric) -> Option<Row> {
        let mut cells: Vec<_> =
            self.servers.iter().map(|server| self.cell(server, part, metric)).collect();
        let first = match cells.first() {
            Some(Cell::Measured { spread, .. }) if spread.median > 0.0 => Some(spread.median),
            _ => None,
        };
        for cell in &mut cells {
            if let Cell::Measured { spread, ratio, .. } = cell {
                *ratio = first.map(|first| spread.median / first);
            }
        }
        let bound = self.bound_of(part, metric);
        let is_empty = cells.iter().all(|cell| *cell == Cell::NotMeasured) && bound.is_none();
        (!is_empty).then(|| Row { part: part.to_owned(), metric, cells, bound })
    }

    fn cell(&self, server: &Contender, part: &str, metric: Metric) -> Cell {
        let measured: Vec<_> = self
            .trials_of(server, part)
            .filter_map(|trial| Some((trial, metric.of(trial)?)))
            .collect();
        let clean: Vec<_> = measured.iter().filter(|(trial, _)| trial.run.is_clean()).collect();
        let faulty = measured.len() - clean.len();
        // What a stanza cost the server does not depend on who was waiting.
        let may_limit = matches!(metric, Metric::Throughput | Metric::P50 | Metric::P99);
        let limited =
            clean.iter().filter(|(trial, _)| may_limit && !trial.run.bottleneck.is_empty()).count();
        match Spread::of(clean.iter().map(|(_, value)| *value).collect()) {
            Some(spread) => Cell::Measured { spread, ratio: None, faulty, limited },
            None if faulty > 0 => Cell::Faulty,
            None => Cell::NotMeasured,
        }
    }

    fn trials_of(&self, server: &Contender, part: &str) -> impl Iterator<Item = &'a Trial> {
        self.comparison.trials.iter().filter(move |trial| {
            trial.part == part
                && trial.server.name == server.name
                && trial.server.version == server.version
        })
    }

    /// The bound's own figure for the part; else that of its dense part, which `echo` does twice.
    fn bound_of(&self, part: &str, metric: Metric) -> Option<Bound> {
        let bound = self.bound.as_ref()?;
        let value = |part: &str| match self.cell(bound, part, metric) {
            Cell::Measured { spread, .. } => Some(spread.median),
            Cell::NotMeasured | Cell::Faulty => None,
        };
        if let Some(value) = value(part) {
            return Some(Bound { value, words: format!("{}, {part}", bound.label) });
        }
        let words = format!("{}, {DENSE}", bound.label);
        match (part, metric) {
            ("in" | "out", Metric::CpuStanza | Metric::Throughput) => {
                Some(Bound { value: value(DENSE)?, words })
            }
            ("echo", Metric::CpuStanza) => {
                Some(Bound { value: 2.0 * value(DENSE)?, words: format!("{words}, twice") })
            }
            ("echo", Metric::Throughput) => {
                Some(Bound { value: value(DENSE)? / 2.0, words: format!("{words}, halved") })
            }
            _ => None,
        }
    }

    /// The clean open-loop run of a server in a part whose p99 is the median (the faster one of an even number).
    pub(crate) fn typical(&self, server: &Contender, part: &str) -> Option<&'a Trial> {
        let mut clean: Vec<_> = self
            .trials_of(server, part)
            .filter(|trial| trial.run.offered_per_second.is_some() && trial.run.is_clean())
            .collect();
        clean.sort_by_key(|trial| trial.run.latency_us.p99);
        clean.get(clean.len().checked_sub(1)? / 2).copied()
    }

    /// A part in words.
    pub(crate) fn part_words(&self, part: &str) -> String {
        match part {
            "in" => "in: s2s → component".to_owned(),
            "out" => "out: component → s2s".to_owned(),
            "echo" => "echo: in and out again".to_owned(),
            SESSIONS => "sessions: opened, then idle".to_owned(),
            _ => match self.rates(part).as_slice() {
                [] => part.to_owned(),
                [rate] => format!("{part}: {} stanzas/s", super::figure::number(*rate)),
                _ => format!("{part}: at different rates"),
            },
        }
    }

    /// The rates that were offered in a part, by the servers.
    fn rates(&self, part: &str) -> Vec<f64> {
        let mut rates: Vec<_> = self
            .comparison
            .trials
            .iter()
            .filter(|trial| trial.part == part && !self.is_bound(trial))
            .filter_map(|trial| trial.run.offered_per_second)
            .collect();
        rates.sort_by(f64::total_cmp);
        rates.dedup();
        rates
    }

    fn remarks(&self) -> Vec<String> {
        let trials = &self.comparison.trials;
        let mut notes = Vec::new();
        notes.extend(self.comparison.failed.iter().map(|failed| {
            format!(
                "Not run: {}, {}, round {}: {}",
                failed.server, failed.part, failed.round, failed.reason
            )
        }));
        let count = |is: fn(&Run) -> bool| trials.iter().filter(|trial| is(&trial.run)).count();
        let faulty = count(|run| !run.is_clean());
        if faulty > 0 {
            notes.push(format!(
                "Faulty runs: {faulty} of {}. Their figures are left out; the list of runs says what went wrong.",
                trials.len()
            ));
        }
        let bounced = count(|run| run.stanzas.bounced > 0);
        if bounced > 0 {
            notes.push(format!(
                "Runs with bounces: {bounced} of {}. A bounce costs a server less than a delivery.",
                trials.len()
            ));
        }
        let limited = count(|run| !run.bottleneck.is_empty());
        if limited > 0 {
            notes.push(format!(
                "Runs in which the load generator was never idle, or waited for a processor: {limited} of {}, marked †. There the server might have done more.",
                trials.len()
            ));
        }
        let others = trials.iter().map(|trial| trial.others_cores).fold(0.0, f64::max);
        if others > OTHERS_CORES_MAX {
            notes.push(format!(
                "Other work took up to {} cores during the runs: stanzas/s and latency suffered from it, CPU a stanza less.",
                super::figure::number(others)
            ));
        }
        for part in self.parts() {
            if self.rates(&part).len() > 1 {
                notes.push(format!(
                    "Servers were not given the same rate in the part {part}: do not compare their latency there."
                ));
            }
        }
        notes
    }
}

/// What else the machine may do, in cores, before a comparison says so.
const OTHERS_CORES_MAX: f64 = 0.1;

fn contenders(comparison: &Comparison) -> Vec<Contender> {
    let mut found: Vec<Contender> = Vec::new();
    for trial in &comparison.trials {
        let (name, version) = (&trial.server.name, &trial.server.version);
        let known = found.iter().position(|known| known.name == *name && known.version == *version);
        let place = known.unwrap_or_else(|| {
            found.push(Contender {
                name: name.clone(),
                version: version.clone(),
                label: String::new(),
                is_bound: comparison.bound.as_ref() == Some(name),
                runs: 0,
                clean: 0,
            });
            found.len() - 1
        });
        found[place].runs += 1;
        found[place].clean += usize::from(trial.run.is_clean());
    }
    // A server whose first run could not be made is no less the first one; where nothing was kept of that, the first runs decide.
    found.sort_by_key(|contender| {
        comparison.servers.iter().position(|name| *name == contender.name).unwrap_or(usize::MAX)
    });
    let names: Vec<_> = found.iter().map(|contender| contender.name.clone()).collect();
    for contender in &mut found {
        let alike = names.iter().filter(|name| **name == contender.name).count();
        contender.label = match alike {
            1 => contender.name.clone(),
            _ => format!("{} {}", contender.name, contender.version),
        };
    }
    found
}
