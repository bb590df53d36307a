//! Axes: from values to places, and where the ticks are.

use crate::report::figure;

/// What an axis measures; figures come in the first unit of each, ticks in one that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A count of something.
    Plain(&'static str),
    /// Microseconds.
    Time,
    /// Bytes.
    Memory,
    /// Seconds since the beginning.
    Clock,
}

impl Unit {
    /// A unit for values up to `most`: its size and its name.
    fn scaled(self, most: f64) -> (f64, String) {
        let pick = |units: &[(f64, &str)]| {
            let fitting = units.iter().rev().find(|(size, _)| most >= *size).unwrap_or(&units[0]);
            (fitting.0, fitting.1.to_owned())
        };
        match self {
            Unit::Plain(name) if most >= 2e6 => (1e6, format!("million {name}")),
            Unit::Plain(name) => (1.0, name.to_owned()),
            Unit::Time => pick(&[(1.0, "µs"), (1e3, "ms"), (1e6, "s")]),
            Unit::Memory => {
                let kibi = 1024.0;
                pick(&[
                    (1.0, "B"),
                    (kibi, "KiB"),
                    (kibi * kibi, "MiB"),
                    (kibi * kibi * kibi, "GiB"),
                ])
            }
            Unit::Clock if most > 4.0 * 3600.0 => (3600.0, "hours".to_owned()),
            Unit::Clock if most > 300.0 => (60.0, "minutes".to_owned()),
            Unit::Clock => (1.0, "seconds".to_owned()),
        }
    }

    /// A value on its own.
    pub(crate) fn words(self, value: f64) -> String {
        match self {
            Unit::Plain(name) => format!("{} {name}", figure::number(value)),
            Unit::Time => figure::latency(value),
            Unit::Memory => figure::bytes(value),
            Unit::Clock => format!("{} s", figure::short(value)),
        }
    }
}

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// From 0 to 1 along the axis.
    pub(crate) place: f64,
    pub(crate) label: String,
}

/// One axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    is_log: bool,
    pub(crate) ticks: Vec<Tick>,
    /// What stands beside it.
    pub(crate) title: String,
}

/// Powers of ten a logarithmic axis may have; more are cut off at the low end.
const DECADES_MAX: i32 = 15;

impl Axis {
    /// From 0 to a round number that is `most` or a little more, with about `wanted` ticks.
    pub(crate) fn linear(unit: Unit, most: f64, wanted: u32) -> Axis {
        let most = sane(most);
        let (size, title) = unit.scaled(most);
        let step = round_up(most / size / f64::from(wanted.max(1)));
        let steps = (most / size / step - 1e-9).ceil().clamp(1.0, 100.0);
        Axis::from_zero(steps * step * size, steps, step, size, title)
    }

    /// From 0 to exactly `most`.
    pub(crate) fn exact(unit: Unit, most: f64, wanted: u32) -> Axis {
        let most = sane(most);
        let (size, title) = unit.scaled(most);
        let step = round_up(most / size / f64::from(wanted.max(1)));
        let steps = (most / size / step + 1e-9).floor().clamp(0.0, 100.0);
        Axis::from_zero(most, steps, step, size, title)
    }

    fn from_zero(high: f64, steps: f64, step: f64, size: f64, title: String) -> Axis {
        let ticks = (0..=steps as u32)
            .map(|number| {
                let value = f64::from(number) * step;
                Tick { place: value * size / high, label: figure::short(value) }
            })
            .collect();
        Axis { low: 0.0, high, is_log: false, ticks, title }
    }

    /// Logarithmic, from a round number below `least` to one above `most`; both above 0.
    pub(crate) fn log(unit: Unit, least: f64, most: f64) -> Axis {
        let most = sane(most);
        let least = if least.is_finite() && least > 0.0 { sane(least).min(most) } else { most };
        let low_decade =
            (least.log10().floor() as i32).max(most.log10().floor() as i32 - DECADES_MAX);
        let low = round_down(least.max(10f64.powi(low_decade)));
        let mut high = round_up(most);
        if high <= low {
            high = low * 10.0;
        }
        let decades = (high / low).log10();
        let multiples: &[f64] = if decades <= 3.2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let every = if decades > 8.0 { 2 } else { 1 };
        let mut ticks = Vec::new();
        for decade in (low_decade..=low_decade + DECADES_MAX + 2)
            .filter(|decade| (decade - low_decade) % every == 0)
        {
            for multiple in multiples {
                let value = multiple * 10f64.powi(decade);
                if value >= low * 0.999 && value <= high * 1.001 {
                    let place = (value / low).log10() / decades;
                    ticks.push(Tick { place, label: tick_words(unit, value) });
                }
            }
        }
        let title = match unit {
            Unit::Plain(name) => format!("{name}, log scale"),
            Unit::Time | Unit::Memory | Unit::Clock => "log scale".to_owned(),
        };
        Axis { low, high, is_log: true, ticks, title }
    }

    /// From quantile 0 to 1 - 10^-`nines`, evenly by nines.
    pub(crate) fn nines(nines: f64) -> Axis {
        let nines = nines.clamp(1.0, 9.0);
        let marks = [
            (0.0, "0 %"),
            (0.5, "50 %"),
            (0.9, "90 %"),
            (0.99, "99 %"),
            (0.999, "99.9 %"),
            (0.9999, "99.99 %"),
            (0.99999, "99.999 %"),
            (0.999999, "99.9999 %"),
        ];
        let ticks = marks
            .iter()
            .map(|(quantile, label)| Tick {
                place: to_nines(*quantile) / nines,
                label: (*label).to_owned(),
            })
            .filter(|tick| tick.place <= 1.001)
            .collect();
        Axis {
            low: 0.0,
            high: nines,
            is_log: false,
            ticks,
            title: "of stanzas were faster".to_owned(),
        }
    }

    /// Where a value lies, from 0 to 1; what is outside lies at the edge.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let place = if self.is_log {
            (value.max(f64::MIN_POSITIVE) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }
}

/// Nines of a quantile: 0.5 has 0.3, 0.9 has 1, 0.99 has 2.
pub(crate) fn to_nines(quantile: f64) -> f64 {
    -(1.0 - quantile.clamp(0.0, 1.0 - 1e-9)).log10()
}

fn tick_words(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Plain(_) => figure::short(value),
        Unit::Time if value < 1e3 => format!("{} µs", figure::short(value)),
        Unit::Time if value < 1e6 => format!("{} ms", figure::short(value / 1e3)),
        Unit::Time => format!("{} s", figure::short(value / 1e6)),
        Unit::Memory | Unit::Clock => unit.words(value),
    }
}

/// A value that an axis can end at: records come from outside.
fn sane(most: f64) -> f64 {
    if most.is_finite() && most > 0.0 { most.clamp(1e-9, 1e18) } else { 1.0 }
}

fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let multiple =
        [1.0, 2.0, 5.0].into_iter().find(|multiple| multiple * power >= value * 0.999_999);
    multiple.unwrap_or(10.0) * power
}

fn round_down(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let multiple = [5.0, 2.0].into_iter().find(|multiple| multiple * power <= value * 1.000_001);
    multiple.unwrap_or(1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn a_linear_axis_has_round_ticks_and_holds_its_highest_value() {
        let axis = Axis::linear(Unit::Plain("stanzas/s"), 19_987.0, 5);
        assert_eq!(labels(&axis), ["0", "5,000", "10,000", "15,000", "20,000"]);
        assert_eq!((axis.place(0.0), axis.place(10_000.0), axis.place(20_000.0)), (0.0, 0.5, 1.0));
        assert_eq!(labels(&Axis::linear(Unit::Time, 1_900.0, 4)), ["0", "0.5", "1", "1.5", "2"]);
        assert_eq!(Axis::linear(Unit::Time, 1_900.0, 4).title, "ms");
        let memory = Axis::linear(Unit::Memory, 45.0 * 1048576.0, 5);
        assert_eq!(
            (labels(&memory), memory.title.as_str()),
            (vec!["0", "10", "20", "30", "40", "50"], "MiB")
        );
        assert_eq!(Axis::linear(Unit::Plain("stanzas/s"), 3.2e6, 4).title, "million stanzas/s");
    }

    #[test]
    fn a_time_axis_ends_where_the_run_does() {
        let axis = Axis::exact(Unit::Clock, 30.25, 6);
        assert_eq!(labels(&axis), ["0", "10", "20", "30"]);
        assert_eq!(axis.place(30.25), 1.0);
        let hours = Axis::exact(Unit::Clock, 86_400.0, 6);
        assert_eq!(
            (labels(&hours), hours.title.as_str()),
            (vec!["0", "5", "10", "15", "20"], "hours")
        );
    }

    #[test]
    fn a_log_axis_has_ones_twos_and_fives_and_only_decades_when_long() {
        let axis = Axis::log(Unit::Time, 230.0, 24_800.0);
        assert_eq!(
            labels(&axis),
            ["200 µs", "500 µs", "1 ms", "2 ms", "5 ms", "10 ms", "20 ms", "50 ms"]
        );
        assert_eq!((axis.place(200.0), axis.place(50_000.0)), (0.0, 1.0));
        let middle = axis.place((200.0f64 * 50_000.0).sqrt());
        assert!((middle - 0.5).abs() < 1e-9, "{middle}");
        let long = Axis::log(Unit::Time, 3.0, 9e7);
        assert_eq!(
            labels(&long),
            ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"]
        );
    }

    #[test]
    fn nines_are_evenly_apart() {
        let axis = Axis::nines(4.0);
        assert_eq!(labels(&axis), ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        let places: Vec<_> =
            axis.ticks.iter().skip(2).map(|tick| (tick.place * 100.0).round()).collect();
        assert_eq!(places, [25.0, 50.0, 75.0, 100.0]);
    }

    #[test]
    fn no_value_breaks_an_axis() {
        let odd =
            [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE, 1e-320, 1e300, 7.0];
        for one in odd {
            for other in odd {
                for unit in [Unit::Plain("x"), Unit::Time, Unit::Memory, Unit::Clock] {
                    for axis in [
                        Axis::linear(unit, one, 5),
                        Axis::exact(unit, one, 5),
                        Axis::log(unit, one, other),
                        Axis::nines(one),
                    ] {
                        assert!(
                            axis.ticks.len() <= 101,
                            "{unit:?} {one} {other}: {}",
                            axis.ticks.len()
                        );
                        let is_inside = |place: f64| (-0.01..=1.01).contains(&place);
                        assert!(
                            axis.ticks.iter().all(|tick| is_inside(tick.place)),
                            "{unit:?} {one} {other}: {axis:?}"
                        );
                        assert!(is_inside(axis.place(other)), "{unit:?} {one} {other}: {axis:?}");
                    }
                }
            }
        }
    }
}
