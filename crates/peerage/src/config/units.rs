//! Sizes and durations as they are written in a configuration file.

const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const PERIODS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];

/// Reads `512KiB`, `4 MiB`, `1GiB`; none for anything else or more than 2^64-1.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    parse_with(text, &UNITS)
}

/// Reads `30s`, `5m`, `2h`, `1d`; none for anything else.
pub(crate) fn parse_seconds(text: &str) -> Option<u64> {
    parse_with(text, &PERIODS)
}

fn parse_with(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit.trim_start())?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Writes a size in the largest unit that divides it.
pub(crate) fn show_size(bytes: u64) -> String {
    UNITS
        .iter()
        .rev()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .map_or_else(|| bytes.to_string(), |(name, factor)| format!("{}{name}", bytes / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_binary_unit() {
        assert_eq!(parse_size("512KiB"), Some(524_288));
        assert_eq!(parse_size("4 MiB"), Some(4 << 20));
        assert_eq!(parse_size("1GiB"), Some(1 << 30));
        for text in ["", "512", "KiB", "4MB", "4mib", "-1KiB", "1.5MiB", "99999999999GiB"] {
            assert_eq!(parse_size(text), None, "{text:?}");
        }
    }

    #[test]
    fn durations_are_whole_seconds() {
        assert_eq!(parse_seconds("30s"), Some(30));
        assert_eq!(parse_seconds("5m"), Some(300));
        assert_eq!(parse_seconds("1d"), Some(86_400));
        for text in ["", "30", "s", "500ms", "-1s", "1.5s"] {
            assert_eq!(parse_seconds(text), None, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_divides_them() {
        assert_eq!(show_size(524_288), "512KiB");
        assert_eq!(show_size(4 << 20), "4MiB");
        assert_eq!(show_size(10_000), "10000");
    }
}
