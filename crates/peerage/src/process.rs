//! What the process uses of the machine, read from /proc.

use std::fs;

/// CPU, memory and descriptors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// User and system time.
    pub cpu_secs: f64,
    /// Resident set.
    pub resident_bytes: u64,
    /// Open file descriptors.
    pub descriptors: u64,
}

impl Usage {
    /// The use of this process; none where there is no /proc.
    #[must_use]
    pub fn now() -> Option<Usage> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let (ticks, pages) = parse_stat(&stat)?;
        let descriptors = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
        Some(Usage {
            cpu_secs: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            resident_bytes: pages * rustix::param::page_size() as u64,
            descriptors,
        })
    }
}

/// utime + stime in ticks and the resident set in pages: fields 14, 15 and 24 of proc_pid_stat(5).
fn parse_stat(stat: &str) -> Option<(u64, u64)> {
    // The name in field 2 may hold spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let field = |number: usize| rest.split_whitespace().nth(number - 3)?.parse::<u64>().ok();
    Some((field(14)? + field(15)?, field(24)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let fields: Vec<String> = (4..=30).map(|number| number.to_string()).collect();
        let stat = format!("1 (peer) age) S {}", fields.join(" "));
        assert_eq!(parse_stat(&stat), Some((29, 24)));
    }

    #[test]
    fn this_process_uses_memory() {
        let usage = Usage::now().unwrap();
        assert!(usage.resident_bytes > 0);
        assert!(usage.descriptors >= 3);
    }
}
