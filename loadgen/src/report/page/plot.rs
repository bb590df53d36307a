//! Lines over an axis, as SVG.

use std::fmt;

use super::axis::{Axis, Unit};
use super::html::Html;

/// Size of every plot, in SVG's own units; the page scales it to its column.
pub(crate) const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
/// Room right of the axes, so that a tick's label at the end has some.
const RIGHT: f64 = 22.0;
/// Room above for the title of the axis, clear of the uppermost tick.
const ABOVE: f64 = 30.0;
/// Room below for ticks and title.
const BELOW: f64 = 44.0;
/// Colours, dashes and markers there are; further lines begin again.
pub(crate) const STYLES: usize = 6;
const DASHES: [&str; STYLES] = ["", "8 4", "2 3", "10 3 2 3", "5 2", "12 3 2 3 2 3"];
/// Points up to which each has a mark of its own with its figures.
const MARKED: usize = 61;
/// Lines for the numbers of events that are close to each other.
const EVENT_LINES: usize = 3;

/// A coordinate: a tenth of a pixel is enough.
pub(crate) struct Px(pub(crate) f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        // No "-0".
        write!(f, "{}", tenths + 0.0)
    }
}

/// How wide a text will be, about: there is no font to ask.
pub(crate) fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.8
}

/// A point of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    /// Nothing to draw there: the line has a gap.
    pub(crate) y: Option<f64>,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
    /// Which colour and which dashes.
    pub(crate) style: usize,
}

impl Line {
    /// Between two gaps: no stroke leads to it, so it would not be seen.
    fn is_alone(&self, number: usize) -> bool {
        let is_gap = |number: Option<usize>| {
            number.and_then(|number| self.points.get(number)).is_none_or(|point| point.y.is_none())
        };
        is_gap(number.checked_sub(1)) && is_gap(Some(number + 1))
    }
}

/// Something to mark on the axis, by its number.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) x: f64,
    pub(crate) what: String,
}

/// A plot.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    /// Said to those who cannot see it.
    pub(crate) about: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Of figures in tooltips.
    pub(crate) unit: Unit,
    /// What x is in tooltips, of the point with this number.
    pub(crate) x_words: fn(f64) -> String,
    pub(crate) lines: Vec<Line>,
    pub(crate) marks: Vec<Mark>,
}

/// Where the axes are.
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Plot {
    /// As an `svg` element.
    pub(crate) fn draw(&self, html: &mut Html) {
        let legend = Legend::of(&self.lines);
        let widest = self.y.ticks.iter().map(|tick| text_width(&tick.label)).fold(20.0, f64::max);
        let left = widest + 14.0;
        let top = legend.height() + ABOVE + self.event_lines() as f64 * 15.0;
        let frame =
            Frame { left, top, width: WIDTH - left - RIGHT, height: HEIGHT - ABOVE - BELOW };
        let size = format!("0 0 {WIDTH} {}", Px(top + frame.height + BELOW));
        html.element(
            "svg",
            &[("viewBox", &size), ("role", &"img"), ("aria-label", &self.about)],
            |html| {
                legend.draw(html);
                html.words(
                    "text",
                    &[("x", &0), ("y", &Px(legend.height() + 14.0)), ("class", &"title")],
                    &self.y.title,
                );
                self.grid(html, &frame);
                self.draw_marks(html, &frame, legend.height() + ABOVE);
                for line in &self.lines {
                    self.line(html, &frame, line);
                }
            },
        );
    }

    fn grid(&self, html: &mut Html, frame: &Frame) {
        let Frame { left, top, width, height } = *frame;
        for tick in &self.y.ticks {
            let y = Px(top + height * (1.0 - tick.place));
            html.leaf(
                "line",
                &[
                    ("x1", &Px(left)),
                    ("x2", &Px(left + width)),
                    ("y1", &y),
                    ("y2", &y),
                    ("class", &"grid"),
                ],
            );
            let below = Px(y.0 + 4.0);
            html.words(
                "text",
                &[("x", &Px(left - 7.0)), ("y", &below), ("class", &"tick end")],
                &tick.label,
            );
        }
        let bottom = top + height;
        html.leaf(
            "line",
            &[
                ("x1", &Px(left)),
                ("x2", &Px(left + width)),
                ("y1", &Px(bottom)),
                ("y2", &Px(bottom)),
                ("class", &"axis"),
            ],
        );
        let mut taken = f64::NEG_INFINITY;
        for tick in &self.x.ticks {
            let x = Px(left + width * tick.place);
            let half = text_width(&tick.label) / 2.0;
            if x.0 - half < taken {
                continue;
            }
            taken = x.0 + half + 8.0;
            html.leaf(
                "line",
                &[
                    ("x1", &x),
                    ("x2", &x),
                    ("y1", &Px(bottom)),
                    ("y2", &Px(bottom + 5.0)),
                    ("class", &"axis"),
                ],
            );
            html.words(
                "text",
                &[("x", &x), ("y", &Px(bottom + 19.0)), ("class", &"tick middle")],
                &tick.label,
            );
        }
        let (x, y) = (Px(left + width), Px(bottom + 38.0));
        html.words("text", &[("x", &x), ("y", &y), ("class", &"title end")], &self.x.title);
    }

    fn line(&self, html: &mut Html, frame: &Frame, line: &Line) {
        let place = |x: f64, y: f64| {
            let (x, y) = (self.x.place(x), self.y.place(y));
            (Px(frame.left + frame.width * x), Px(frame.top + frame.height * (1.0 - y)))
        };
        let mut path = String::new();
        let mut pen = "M";
        for point in &line.points {
            let Some(y) = point.y else {
                pen = "M";
                continue;
            };
            let (x, y) = place(point.x, y);
            path.push_str(&format!("{pen}{x} {y}"));
            pen = "L";
        }
        let style = line.style % STYLES;
        let class = format!("line s{style}");
        html.element(
            "path",
            &[("d", &path), ("class", &class), ("stroke-dasharray", &DASHES[style])],
            |html| {
                html.words("title", &[], &line.name);
            },
        );
        let is_marked = line.points.len() <= MARKED;
        for (number, point) in line.points.iter().enumerate() {
            let Some(value) = point.y else { continue };
            if !is_marked && !line.is_alone(number) {
                continue;
            }
            let (x, y) = place(point.x, value);
            let class = format!("dot s{style}");
            html.element(
                "circle",
                &[("cx", &x), ("cy", &y), ("r", &2.2), ("class", &class)],
                |html| {
                    let words = format!(
                        "{}: {} at {}",
                        line.name,
                        self.unit.words(value),
                        (self.x_words)(point.x)
                    );
                    html.words("title", &[], &words);
                },
            );
        }
    }

    /// Lines that the numbers of events need above the plot.
    fn event_lines(&self) -> usize {
        lanes(&self.mark_places(WIDTH)).iter().flatten().max().map_or(0, |lane| lane + 1)
    }

    fn mark_places(&self, width: f64) -> Vec<f64> {
        self.marks.iter().map(|mark| self.x.place(mark.x) * width).collect()
    }

    fn draw_marks(&self, html: &mut Html, frame: &Frame, above: f64) {
        // By the full width, as the room for them was.
        let lanes = lanes(&self.mark_places(WIDTH));
        let places = self.mark_places(frame.width);
        for (number, (mark, (place, lane))) in
            self.marks.iter().zip(places.into_iter().zip(lanes)).enumerate()
        {
            let x = Px(frame.left + place);
            let bottom = Px(frame.top + frame.height);
            html.element("g", &[("class", &"mark")], |html| {
                html.words("title", &[], &format!("{}: {}", number + 1, mark.what));
                let from = Px(lane.map_or(frame.top, |lane| above + lane as f64 * 15.0 + 12.0));
                html.leaf("line", &[("x1", &x), ("x2", &x), ("y1", &from), ("y2", &bottom)]);
                if let Some(lane) = lane {
                    let y = Px(above + lane as f64 * 15.0 + 9.0);
                    html.words(
                        "text",
                        &[("x", &x), ("y", &y), ("class", &"middle")],
                        &(number + 1).to_string(),
                    );
                }
            });
        }
    }
}

/// For each place the first line where its number does not touch another; none when all are taken.
fn lanes(places: &[f64]) -> Vec<Option<usize>> {
    let mut ends = [f64::NEG_INFINITY; EVENT_LINES];
    places
        .iter()
        .map(|place| {
            let lane = ends.iter().position(|end| place - end >= 24.0)?;
            ends[lane] = *place;
            Some(lane)
        })
        .collect()
}

/// Names of lines, wrapped to the plot's width.
struct Legend<'a> {
    /// Line, place from the left, row.
    entries: Vec<(&'a Line, f64, usize)>,
}

const LEGEND_ROW: f64 = 20.0;
const SWATCH: f64 = 28.0;

impl<'a> Legend<'a> {
    fn of(lines: &'a [Line]) -> Legend<'a> {
        let (mut x, mut row) = (0.0, 0);
        let mut entries = Vec::new();
        for line in lines {
            let width = SWATCH + 6.0 + text_width(&line.name) + 18.0;
            if x > 0.0 && x + width > WIDTH {
                (x, row) = (0.0, row + 1);
            }
            entries.push((line, x, row));
            x += width;
        }
        Legend { entries }
    }

    fn height(&self) -> f64 {
        self.entries.last().map_or(0.0, |(_, _, row)| (row + 1) as f64 * LEGEND_ROW)
    }

    fn draw(&self, html: &mut Html) {
        for (line, x, row) in &self.entries {
            let style = line.style % STYLES;
            let y = *row as f64 * LEGEND_ROW + 9.0;
            let class = format!("line s{style}");
            let path = format!("M{} {y}h{SWATCH}", Px(*x));
            html.leaf(
                "path",
                &[("d", &path), ("class", &class), ("stroke-dasharray", &DASHES[style])],
            );
            html.words(
                "text",
                &[("x", &Px(x + SWATCH + 6.0)), ("y", &Px(y + 4.0)), ("class", &"name")],
                &line.name,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<Point>) -> String {
        let plot = Plot {
            about: "rate".to_owned(),
            x: Axis::exact(Unit::Clock, 4.0, 4),
            y: Axis::linear(Unit::Plain("stanzas/s"), 100.0, 5),
            unit: Unit::Plain("stanzas/s"),
            x_words: |x| format!("{x} s"),
            lines: vec![Line { name: "<delivered>".to_owned(), points, style: 0 }],
            marks: vec![Mark { x: 2.0, what: "a & b".to_owned() }],
        };
        let mut html = Html::default();
        plot.draw(&mut html);
        html.finish()
    }

    #[test]
    fn points_lie_where_their_values_are_and_say_them() {
        let svg = plot(vec![Point { x: 0.0, y: Some(0.0) }, Point { x: 4.0, y: Some(100.0) }]);
        // Left edge and bottom, right edge and top: labels of three digits, one line of legend and one of events.
        assert!(svg.contains("d=\"M34.4 291L538 65\""), "{svg}");
        assert!(svg.contains("<title>&lt;delivered&gt;: 100 stanzas/s at 4 s</title>"), "{svg}");
        assert!(svg.contains("<title>1: a &amp; b</title>"), "{svg}");
    }

    #[test]
    fn a_gap_stays_a_gap_and_a_lone_point_a_dot() {
        let at = |x: u32, y| Point { x: f64::from(x) / 50.0, y };
        let mut points: Vec<_> = (0..200).map(|x| at(x, Some(1.0))).collect();
        points[100].y = None;
        points[102].y = None;
        let svg = plot(points);
        let path = svg.split("class=\"line s0\"").nth(1).unwrap();
        assert!(path.contains("<title>"), "{path}");
        assert_eq!(
            svg.split(" d=\"").nth(2).unwrap().split('"').next().unwrap().matches('M').count(),
            3
        );
        assert_eq!(svg.matches("<circle").count(), 1);
    }

    #[test]
    fn numbers_of_events_do_not_touch() {
        assert_eq!(
            lanes(&[0.0, 10.0, 20.0, 23.0, 30.0, 100.0]),
            [Some(0), Some(1), Some(2), None, Some(0), Some(0)]
        );
    }

    #[test]
    fn a_long_legend_takes_another_row() {
        let line = |name: &str| Line { name: name.repeat(20), points: Vec::new(), style: 0 };
        let lines = [line("a"), line("b"), line("c"), line("d")];
        let rows: Vec<_> = Legend::of(&lines).entries.iter().map(|entry| entry.2).collect();
        // Two of 188 and more fit into 560.
        assert_eq!(rows, [0, 0, 1, 1]);
    }
}
