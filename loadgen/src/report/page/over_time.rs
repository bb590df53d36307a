//! The plots of a run over its time, with its events marked in each.

use super::axis::{Axis, Unit};
use super::figure;
use super::html::Html;
use super::plot::{Line, Mark, Plot, Point};
use super::run::latency_axis;
use super::series::{Series, Step};
use crate::record::Run;
use crate::report::figure::short;

/// Plots over the time of the run.
pub(super) struct OverTime<'a> {
    run: &'a Run,
    series: &'a Series,
    end_seconds: f64,
}

impl<'a> OverTime<'a> {
    pub(super) fn of(run: &'a Run, series: &'a Series) -> OverTime<'a> {
        let last = series.steps.last().map_or(0.0, |step| step.sample.at_seconds);
        OverTime { run, series, end_seconds: last.max(run.seconds) }
    }

    fn draw(
        &self,
        html: &mut Html,
        heading: &str,
        caption: &str,
        unit: Unit,
        y: Axis,
        lines: Vec<Line>,
    ) {
        let marks = self
            .run
            .events
            .iter()
            .map(|event| Mark { x: event.at_seconds, what: event.what.clone() });
        let plot = Plot {
            about: format!("{heading}, over time"),
            x: Axis::exact(Unit::Clock, self.end_seconds, 6),
            y,
            unit,
            x_words: |x| format!("{} s", short(x)),
            lines,
            marks: marks.collect(),
        };
        figure(html, heading, caption, |html| plot.draw(html));
    }

    fn linear(&self, html: &mut Html, heading: &str, caption: &str, unit: Unit, lines: Vec<Line>) {
        let values = lines.iter().flat_map(|line| &line.points).filter_map(|point| point.y);
        let y = Axis::linear(unit, values.fold(0.0, f64::max), 5);
        self.draw(html, heading, caption, unit, y, lines);
    }

    fn line(&self, name: &str, style: usize, value: impl Fn(&Step) -> Option<f64>) -> Line {
        self.series.line(name, style, value)
    }

    pub(super) fn rate(&self, html: &mut Html) {
        let mut lines = vec![
            self.line("delivered", 0, |step| Some(step.rate(step.sample.delivered))),
            self.line("sent", 2, |step| Some(step.rate(step.sample.sent))),
        ];
        if self.series.has(|sample| sample.bounced > 0) {
            lines.push(self.line("bounced", 1, |step| Some(step.rate(step.sample.bounced))));
        }
        if let Some(rate) = self.run.offered_per_second {
            let ends = [0.0, self.run.seconds].map(|x| Point { x, y: Some(rate) });
            lines.push(Line { name: "offered".to_owned(), points: ends.to_vec(), style: 4 });
        }
        self.linear(html, "Rate", "", Unit::Plain("stanzas/s"), lines);
    }

    pub(super) fn latency(&self, html: &mut Html) {
        let of = |step: &Step, us: u64| (step.sample.delivered > 0).then_some(us as f64);
        let lines = vec![
            self.line("p50", 0, |step| of(step, step.sample.p50_us)),
            self.line("p99", 1, |step| of(step, step.sample.p99_us)),
        ];
        let caption = "Of the stanzas delivered in each second; a gap is a second without any.";
        let y = latency_axis(&lines);
        self.draw(html, "Latency over time", caption, Unit::Time, y, lines);
    }

    pub(super) fn cost(&self, html: &mut Html) {
        let mut lines = Vec::new();
        if self.series.has(|sample| sample.server_cpu_seconds.is_some()) {
            lines.push(
                self.line("server", 0, |step| step.us_a_stanza(step.sample.server_cpu_seconds?)),
            );
        }
        lines.push(self.line("loadgen", 3, |step| step.us_a_stanza(step.sample.own_cpu_seconds)));
        let caption = "User and system time. Linux counts it in steps of 10 ms: at a low rate single seconds scatter.";
        self.linear(html, "CPU a stanza", caption, Unit::Plain("µs"), lines);
    }

    pub(super) fn load(&self, html: &mut Html) {
        let share = |step: &Step, cpu_seconds: f64| Some(cpu_seconds / step.seconds() * 100.0);
        let mut lines = Vec::new();
        if self.series.has(|sample| sample.server_cpu_seconds.is_some()) {
            lines.push(self.line("server", 0, |step| share(step, step.sample.server_cpu_seconds?)));
        }
        lines.push(self.line("loadgen", 3, |step| share(step, step.sample.own_cpu_seconds)));
        let caption = "A side at 100 % with one thread is what limits the run.";
        self.linear(html, "CPU load", caption, Unit::Plain("% of a core"), lines);
    }

    pub(super) fn memory(&self, html: &mut Html) {
        if !self.series.has(|sample| sample.server_resident_bytes.is_some()) {
            return;
        }
        let line = self
            .line("server, resident", 0, |step| Some(step.sample.server_resident_bytes? as f64));
        self.linear(html, "Memory", "", Unit::Memory, vec![line]);
    }

    pub(super) fn sessions(&self, html: &mut Html) {
        if !self.series.has(|sample| sample.sessions_open > 0) {
            return;
        }
        let line = self.line("open", 0, |step| Some(step.sample.sessions_open as f64));
        self.linear(html, "Sessions", "", Unit::Plain("sessions"), vec![line]);
    }

    pub(super) fn handshakes(&self, html: &mut Html) {
        let count = |count: Option<u64>| count.unwrap_or_default();
        if !self
            .series
            .has(|sample| count(sample.handshakes_full).max(count(sample.handshakes_resumed)) > 0)
        {
            return;
        }
        let lines = vec![
            self.line("full", 0, |step| Some(step.rate(step.sample.handshakes_full?))),
            self.line("resumed", 1, |step| Some(step.rate(step.sample.handshakes_resumed?))),
        ];
        self.linear(html, "TLS handshakes", "", Unit::Plain("handshakes/s"), lines);
    }
}
