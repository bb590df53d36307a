//! Where and when a run takes place.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::record::Setting;

impl Setting {
    /// Of this machine; what cannot be read is said to be unknown.
    pub(crate) fn here() -> Setting {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (cpuinfo, meminfo) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let unknown = || "unknown".to_owned();
        let kibibytes = field(&meminfo, "MemTotal")
            .and_then(|memory| memory.strip_suffix(" kB")?.trim().parse::<u64>().ok());
        Setting {
            processor: field(&cpuinfo, "model name").map_or_else(unknown, str::to_owned),
            // Those of the machine, not those that this process keeps to.
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            memory_bytes: kibibytes.unwrap_or_default() * 1024,
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            loadgen: format!("peerage-loadgen {}", env!("CARGO_PKG_VERSION")),
        }
    }
}

/// What stands behind a name and a colon.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim())
    })
}

/// The time now, in UTC.
pub(crate) fn now() -> String {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    rfc3339(passed.as_secs())
}

/// Seconds since 1970 as a date and time of RFC 3339, in UTC.
fn rfc3339(seconds: u64) -> String {
    let (mut day, second) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    while day >= days_of(year) {
        day -= days_of(year);
        year += 1;
    }
    let february = days_of(year) - 337;
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{:02}Z", day + 1, second % 60)
}

fn days_of(year: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if is_leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // As `date -u --date=@SECONDS +%FT%TZ` says.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_795_413_600, "2026-11-23T06:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), expected);
        }
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model\t\t: 1\nmodel name\t: AMD EPYC: 2nd\n";
        assert_eq!(field(text, "model name"), Some("AMD EPYC: 2nd"));
        assert_eq!(field(text, "flags"), None);
    }

    #[test]
    fn this_machine_has_memory_and_cores() {
        let here = Setting::here();
        assert!(here.memory_bytes > 1 << 20 && here.cores > 0, "{here:?}");
    }
}
