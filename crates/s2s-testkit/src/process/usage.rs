//! What processes use of the machine.

use std::time::Duration;

use anyhow::Context as _;

/// `USER_HZ`: the unit of processor time in `/proc`. Linux gives every architecture this code runs on 100 a second to user space.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of some processes, all their threads included, ended ones too. Exact to 10 ms.
///
/// # Errors
/// When a process is not there.
pub fn processor_time(pids: &[u32]) -> anyhow::Result<Duration> {
    let mut total = Duration::ZERO;
    for pid in pids {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid}"))?;
        let ticks = ticks(&stat).with_context(|| format!("/proc/{pid}/stat"))?;
        total += of_ticks(ticks);
    }
    Ok(total)
}

/// A time in `/proc`.
pub fn of_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// Resident memory of some processes in bytes.
///
/// # Errors
/// When a process is not there.
pub fn resident_bytes(pids: &[u32]) -> anyhow::Result<u64> {
    let mut total = 0;
    for pid in pids {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .with_context(|| format!("process {pid}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        total += kibibytes.with_context(|| format!("/proc/{pid}/status"))? * 1024;
    }
    Ok(total)
}

/// utime + stime: fields 14 and 15 of proc_pid_stat(5).
fn ticks(stat: &str) -> Option<u64> {
    // The name in field 2 may hold spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_does_not_shift_the_fields() {
        let fields: Vec<_> = (4..=30).map(|field| field.to_string()).collect();
        assert_eq!(ticks(&format!("1 (a) b) S {}", fields.join(" "))), Some(14 + 15));
    }

    #[test]
    fn this_process_is_there_and_others_need_not_be() {
        let own = [std::process::id()];
        assert!(processor_time(&own).is_ok());
        assert!(resident_bytes(&own).unwrap() > 0);
        assert!(processor_time(&[u32::MAX]).is_err());
    }
}
