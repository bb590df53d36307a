//! Figures as people read them: three significant digits, thousands set apart, units that fit.

/// A count in full: `4,639,778`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three significant digits, whole numbers from 100 on: `0.605`, `1.52`, `38.2`, `490,070`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    let sign = if value < 0.0 { "-" } else { "" };
    // The limits are where rounding carries over: 9.995 is 10.0.
    match size {
        _ if !value.is_finite() => "-".to_owned(),
        0.0 => "0".to_owned(),
        _ if size < 0.0005 => format!("{value:.1e}"),
        _ if size < 0.9995 => format!("{value:.3}"),
        _ if size < 9.995 => format!("{value:.2}"),
        _ if size < 99.95 => format!("{value:.1}"),
        _ if size < 1e15 => format!("{sign}{}", count(size.round() as u64)),
        _ => format!("{value:.2e}"),
    }
}

/// As [`number`], without zeros at the end: for ticks.
pub(crate) fn short(value: f64) -> String {
    let text = number(value);
    if !text.contains('.') || text.contains('e') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Microseconds, in the unit that fits: `870 µs`, `1.52 ms`, `12.0 s`.
pub(crate) fn latency(us: f64) -> String {
    match us {
        _ if us < 100.0 && us.fract() != 0.0 => format!("{} µs", number(us)),
        _ if us < 999.5 => format!("{} µs", us.round()),
        _ if us < 999_500.0 => format!("{} ms", number(us / 1e3)),
        _ => format!("{} s", number(us / 1e6)),
    }
}

/// `512 B`, `20.4 KiB`, `117 MiB`.
pub(crate) fn bytes(value: f64) -> String {
    match value {
        _ if value < 1024.0 => format!("{value:.0} B"),
        _ if value < 999.5 * 1024.0 => format!("{} KiB", number(value / 1024.0)),
        _ if value < 999.5 * 1024.0 * 1024.0 => format!("{} MiB", number(value / 1048576.0)),
        _ => format!("{} GiB", number(value / 1073741824.0)),
    }
}

/// Times as much: `25.2×`.
pub(crate) fn ratio(value: f64) -> String {
    format!("{}×", number(value))
}

/// A share of one core in per cent, which may be above 100.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let counts = [0, 12, 999, 1_000, 12_345, 4_639_778, u64::MAX].map(count);
        let expected =
            ["0", "12", "999", "1,000", "12,345", "4,639,778", "18,446,744,073,709,551,615"];
        assert_eq!(counts, expected);
    }

    #[test]
    fn numbers_keep_three_digits_across_every_limit() {
        let numbers =
            [0.0, 0.00001, 0.6051, 0.9996, 1.516, 9.996, 38.17, 99.96, 490_069.8, 1e18].map(number);
        let expected =
            ["0", "1.0e-5", "0.605", "1.00", "1.52", "10.0", "38.2", "100", "490,070", "1.00e18"];
        assert_eq!(numbers, expected);
        assert_eq!([f64::NAN, f64::INFINITY, -1234.0].map(number), ["-", "-", "-1,234"]);
        assert_eq!(
            [0.25, 1.0, 1.5, 20.0, 100.0, 2500.0].map(short),
            ["0.25", "1", "1.5", "20", "100", "2,500"]
        );
    }

    #[test]
    fn units_fit_their_figures() {
        let latencies = [0.6, 5.0, 870.0, 999.6, 1516.0, 14_700.0, 12_000_000.0].map(latency);
        let expected = ["0.600 µs", "5 µs", "870 µs", "1.00 ms", "1.52 ms", "14.7 ms", "12.0 s"];
        assert_eq!(latencies, expected);
        let sizes = [512.0, 20_890.0, 1_023_900.0, 122_683_392.0, 1.61e9].map(bytes);
        assert_eq!(sizes, ["512 B", "20.4 KiB", "0.976 MiB", "117 MiB", "1.50 GiB"]);
        assert_eq!(ratio(25.178), "25.2×");
        assert_eq!(percent(1.284), "128 %");
    }
}
