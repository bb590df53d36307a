//! The plot of the opening: what the server held at so many sessions.

use super::axis::{Axis, Unit};
use super::figure;
use super::html::Html;
use super::plot::{Line, Plot, Point};
use crate::record::{Held, Run};
use crate::report::figure::short;

/// With fewer sessions the plot shows the server's beginning and nothing else.
const SESSIONS_MIN: u64 = 100;

/// Memory of the server against the sessions that were open; nothing where few were opened, or the server was not watched.
pub(super) fn memory_by_sessions(html: &mut Html, run: &Run) {
    let mut readings = run.opening.clone();
    readings.sort_by_key(|held| (held.sessions_open, held.server_resident_bytes));
    let Some(last) = readings.last().filter(|held| held.sessions_open >= SESSIONS_MIN) else {
        return;
    };
    let point = |held: &Held| Point {
        x: held.sessions_open as f64,
        y: Some(held.server_resident_bytes as f64),
    };
    let points: Vec<_> = readings.iter().map(point).collect();
    let most = points.iter().filter_map(|point| point.y).fold(0.0, f64::max);
    let plot = Plot {
        about: "The server's memory by open sessions".to_owned(),
        x: Axis::exact(Unit::Plain("sessions open"), last.sessions_open as f64, 6),
        y: Axis::linear(Unit::Memory, most, 5),
        unit: Unit::Memory,
        x_words: |x| format!("{} sessions", short(x)),
        lines: vec![Line { name: "server, resident".to_owned(), points, style: 0 }],
        marks: Vec::new(),
    };
    let caption = "While they were opened, before the clock.";
    figure(html, "Memory by sessions", caption, |html| plot.draw(html));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn drawn(run: &Run) -> String {
        let mut html = Html::default();
        memory_by_sessions(&mut html, run);
        html.finish()
    }

    #[test]
    fn memory_is_drawn_against_sessions() {
        let run = sample::run();
        let page = drawn(&run);
        assert!(page.contains("Memory by sessions") && page.contains(">sessions open<"), "{page}");
        assert!(page.contains("400 sessions"), "{page}");
    }

    #[test]
    fn a_few_sessions_are_no_plot() {
        let mut run = sample::run();
        run.opening.retain(|held| held.sessions_open < SESSIONS_MIN);
        assert_eq!(drawn(&run), "");
        run.opening.clear();
        assert_eq!(drawn(&run), "");
    }
}
