//! Bars of servers, part by part, with ranges, ratios and the bound: as SVG.

use super::axis::{Axis, Unit};
use super::html::Html;
use super::plot::{Px, STYLES, WIDTH, text_width};
use crate::report::figure;
use crate::report::summary::{Bound, Cell, Spread};

/// Height of a heading, a bar's row and the space after a group.
const HEADING: f64 = 24.0;
/// Height of the names of the columns, above all groups.
const COLUMNS: f64 = 18.0;
const ROW: f64 = 22.0;
const GAP: f64 = 10.0;
const BAR: f64 = 13.0;
/// Height of the axis below all groups.
const AXIS: f64 = 42.0;
/// Columns right of the bars: figure, ratio.
const VALUE: f64 = 68.0;
const RATIO: f64 = 58.0;
/// How much wider bold type is.
const BOLDER: f64 = 1.15;
/// Longest name of a server, in characters.
const NAME_MAX: usize = 18;

/// A chart: groups of bars on one scale.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// Said to those who cannot see it.
    pub(crate) about: String,
    pub(crate) unit: Unit,
    /// Names of servers; each has its colour.
    pub(crate) servers: Vec<String>,
    pub(crate) groups: Vec<Group>,
}

/// Bars of one part.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// In the order of the servers.
    pub(crate) cells: Vec<Cell>,
    pub(crate) bound: Option<Bound>,
}

/// Where bars are.
struct Frame {
    left: f64,
    width: f64,
    axis: Axis,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        self.left + self.width * self.axis.place(value)
    }
}

impl Chart {
    /// As an `svg` element.
    pub(crate) fn draw(&self, html: &mut Html) {
        let (height, marks) = self.marks();
        let size = format!("0 0 {WIDTH} {}", Px(height));
        html.element(
            "svg",
            &[("viewBox", &size), ("role", &"img"), ("aria-label", &self.about)],
            |html| html.append(&marks),
        );
    }

    /// What is in that element, and its height; [`WIDTH`] is its width.
    pub(crate) fn marks(&self) -> (f64, Html) {
        let names: Vec<_> = self.servers.iter().map(|name| cut(name)).collect();
        let left = names.iter().map(|name| text_width(name)).fold(40.0, f64::max) + 10.0;
        let frame = Frame {
            left,
            width: WIDTH - left - VALUE - RATIO,
            axis: Axis::linear(self.unit, self.most(), 4),
        };
        let group = HEADING + ROW * names.len() as f64 + GAP;
        let bottom = COLUMNS + group * self.groups.len() as f64;
        let mut html = Html::default();
        for (name, x) in [("median", WIDTH - RATIO), ("ratio", WIDTH)] {
            html.words("text", &[("x", &x), ("y", &12), ("class", &"title end")], name);
        }
        grid(&mut html, &frame, bottom);
        for (number, shown) in self.groups.iter().enumerate() {
            self.group(&mut html, &frame, &names, shown, COLUMNS + group * number as f64);
        }
        (bottom + AXIS, html)
    }

    fn most(&self) -> f64 {
        let cells = self.groups.iter().flat_map(|group| &group.cells);
        let most = cells.filter_map(|cell| match cell {
            Cell::Measured { spread, .. } => Some(spread.most),
            Cell::NotMeasured | Cell::Faulty => None,
        });
        let bounds = self.groups.iter().filter_map(|group| Some(group.bound.as_ref()?.value));
        most.chain(bounds).fold(0.0, f64::max)
    }

    fn group(&self, html: &mut Html, frame: &Frame, names: &[String], group: &Group, top: f64) {
        html.words(
            "text",
            &[("x", &0), ("y", &Px(top + 16.0)), ("class", &"heading")],
            &group.name,
        );
        for (number, (name, cell)) in names.iter().zip(&group.cells).enumerate() {
            let row = top + HEADING + ROW * number as f64;
            let middle = Px(row + ROW / 2.0 + 4.0);
            html.words(
                "text",
                &[("x", &Px(frame.left - 10.0)), ("y", &middle), ("class", &"name end")],
                name,
            );
            match cell {
                Cell::NotMeasured => absent(html, frame, &middle, "not measured"),
                Cell::Faulty => absent(html, frame, &middle, "faulty"),
                Cell::Measured { spread, ratio, limited, .. } => {
                    bar(html, frame, row, number % STYLES, *spread, &self.tooltip(number, *spread));
                    let mark = if *limited > 0 { "†" } else { "" };
                    let value = format!("{}{mark}", figure::number(spread.median));
                    html.words(
                        "text",
                        &[("x", &Px(WIDTH - RATIO)), ("y", &middle), ("class", &"value end")],
                        &value,
                    );
                    if let Some(ratio) = ratio {
                        html.words(
                            "text",
                            &[("x", &WIDTH), ("y", &middle), ("class", &"ratio end")],
                            &figure::ratio(*ratio),
                        );
                    }
                }
            }
        }
        if let Some(bound) = &group.bound {
            let x = Px(frame.x(bound.value));
            let (from, to) =
                (Px(top + HEADING - 2.0), Px(top + HEADING + ROW * names.len() as f64));
            let short = format!("bound {}", figure::number(bound.value));
            let words = format!("{short} ({})", bound.words);
            html.element("g", &[("class", &"bound")], |html| {
                html.words("title", &[], &words);
                html.leaf("line", &[("x1", &x), ("x2", &x), ("y1", &from), ("y2", &to)]);
            });
            let fits = text_width(&group.name) * BOLDER + text_width(&words) < WIDTH;
            let shown = if fits { words } else { short };
            html.words(
                "text",
                &[("x", &WIDTH), ("y", &Px(top + 16.0)), ("class", &"boundname end")],
                &shown,
            );
        }
    }

    fn tooltip(&self, server: usize, spread: Spread) -> String {
        let name = self.servers.get(server).map_or("", String::as_str);
        let [median, least, most] = [spread.median, spread.least, spread.most].map(figure::number);
        format!("{name}: median {median}, {least} to {most}")
    }
}

fn grid(html: &mut Html, frame: &Frame, bottom: f64) {
    for tick in &frame.axis.ticks {
        let x = Px(frame.left + frame.width * tick.place);
        html.leaf(
            "line",
            &[
                ("x1", &x),
                ("x2", &x),
                ("y1", &Px(COLUMNS + HEADING - 4.0)),
                ("y2", &Px(bottom)),
                ("class", &"grid"),
            ],
        );
        html.words(
            "text",
            &[("x", &x), ("y", &Px(bottom + 15.0)), ("class", &"tick middle")],
            &tick.label,
        );
    }
    let (x, y) = (Px(frame.left + frame.width), Px(bottom + 35.0));
    html.words("text", &[("x", &x), ("y", &y), ("class", &"title end")], &frame.axis.title);
}

fn absent(html: &mut Html, frame: &Frame, y: &Px, words: &str) {
    html.words("text", &[("x", &Px(frame.left + 6.0)), ("y", y), ("class", &"absent")], words);
}

fn bar(html: &mut Html, frame: &Frame, row: f64, style: usize, spread: Spread, tooltip: &str) {
    let (top, middle) = (row + (ROW - BAR) / 2.0, Px(row + ROW / 2.0));
    let [median, least, most] =
        [spread.median, spread.least, spread.most].map(|value| frame.x(value));
    html.element("g", &[], |html| {
        html.words("title", &[], tooltip);
        let class = format!("bar s{style}");
        // A figure that is not 0 is seen.
        let width = Px((median - frame.left).max(1.5));
        html.leaf(
            "rect",
            &[
                ("x", &Px(frame.left)),
                ("y", &Px(top)),
                ("width", &width),
                ("height", &BAR),
                ("class", &class),
            ],
        );
        if most - least >= 1.0 {
            html.leaf(
                "line",
                &[
                    ("x1", &Px(least)),
                    ("x2", &Px(most)),
                    ("y1", &middle),
                    ("y2", &middle),
                    ("class", &"range"),
                ],
            );
            for end in [least, most].map(Px) {
                html.leaf(
                    "line",
                    &[
                        ("x1", &end),
                        ("x2", &end),
                        ("y1", &Px(middle.0 - 3.5)),
                        ("y2", &Px(middle.0 + 3.5)),
                        ("class", &"range"),
                    ],
                );
            }
        }
    });
}

fn cut(name: &str) -> String {
    if name.chars().count() <= NAME_MAX {
        return name.to_owned();
    }
    name.chars().take(NAME_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(cells: Vec<Cell>) -> String {
        let chart = Chart {
            about: "CPU".to_owned(),
            unit: Unit::Plain("µs"),
            servers: vec!["capulet".to_owned(), "<montague>".to_owned(), "x".repeat(40)],
            groups: vec![Group {
                name: "in".to_owned(),
                cells,
                bound: Some(Bound { value: 20.0, words: "pump".to_owned() }),
            }],
        };
        let mut html = Html::default();
        chart.draw(&mut html);
        html.finish()
    }

    fn measured(median: f64, ratio: f64) -> Cell {
        let spread = Spread { median, least: median * 0.9, most: median * 1.25 };
        Cell::Measured { spread, ratio: Some(ratio), faulty: 0, limited: 1 }
    }

    #[test]
    fn bars_begin_at_zero_and_are_as_long_as_their_medians() {
        let svg = chart(vec![measured(40.0, 1.0), measured(80.0, 2.0), Cell::NotMeasured]);
        let widths: Vec<f64> = svg
            .split("<rect ")
            .skip(1)
            .map(|rect| {
                rect.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            })
            .collect();
        assert_eq!(widths.len(), 2);
        assert!((widths[1] / widths[0] - 2.0).abs() < 0.01, "{widths:?}");
        assert!(
            svg.contains(">40.0†<") && svg.contains(">2.00×<") && svg.contains(">not measured<"),
            "{svg}"
        );
        assert!(svg.contains("<title>&lt;montague&gt;: median 80.0, 72.0 to 100</title>"), "{svg}");
        assert!(svg.contains(">bound 20.0 (pump)<"), "{svg}");
    }

    #[test]
    fn the_bound_is_a_line_on_the_scale_of_the_bars() {
        let svg = chart(vec![measured(20.0, 1.0), Cell::Faulty, Cell::NotMeasured]);
        let number = |text: &str, name: &str| -> f64 {
            text.split(name).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        let bar = svg.split("<rect ").nth(1).unwrap();
        let bound = svg.split("class=\"bound\"").nth(1).unwrap();
        let end = number(bar, "x=\"") + number(bar, "width=\"");
        assert!((end - number(bound, "x1=\"")).abs() < 0.2, "{svg}");
    }

    #[test]
    fn a_long_name_is_cut() {
        assert!(
            chart(vec![Cell::Faulty, Cell::Faulty, Cell::Faulty]).contains(">xxxxxxxxxxxxxxxxx…<")
        );
        assert_eq!(cut("exactly-18-letters"), "exactly-18-letters");
    }
}
