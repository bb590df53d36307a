//! What a run says: a table for people, JSON for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use s2s_testkit::federation::Outcome;

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
/// Share of one core from which on the generator itself is what limits the run: it has one thread.
const SATURATED: f64 = 0.95;

/// The result of one run.
pub(crate) struct Report {
    pub(crate) direction: &'static str,
    pub(crate) pace: String,
    pub(crate) remotes: u16,
    pub(crate) seed: u64,
    pub(crate) stanza_bytes: usize,
    pub(crate) outcome: Outcome,
    pub(crate) conditions: BTreeMap<String, u64>,
    pub(crate) server_time: Option<Duration>,
    pub(crate) server_memory: Option<u64>,
    pub(crate) own_time: Duration,
}

impl Report {
    /// Every stanza was delivered or bounced once, in order, unchanged, and all that were due were sent.
    pub(crate) fn is_clean(&self) -> bool {
        self.faults().is_empty()
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = self.outcome.tally.faults();
        if self.outcome.skipped > 0 {
            faults.push(format!("{} not sent because their link was gone", self.outcome.skipped));
        }
        if self.outcome.tally.sent == 0 {
            faults.push("nothing was sent".to_owned());
        }
        faults
    }

    fn per_second(&self) -> f64 {
        self.outcome.tally.settled() as f64 / self.outcome.elapsed.as_secs_f64().max(1e-9)
    }

    fn microseconds_per_stanza(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / (self.outcome.tally.settled().max(1)) as f64
    }

    fn own_share(&self) -> f64 {
        self.own_time.as_secs_f64() / self.outcome.elapsed.as_secs_f64().max(1e-9)
    }

    fn latency(&self, quantile: f64) -> u64 {
        self.outcome.latency_us.value_at_quantile(quantile)
    }

    /// The result as one JSON object.
    pub(crate) fn json(&self) -> String {
        let tally = &self.outcome.tally;
        let mut object = Object::default();
        object.text("scenario", "dense").text("direction", self.direction).text("pace", &self.pace);
        object
            .number("remotes", self.remotes)
            .number("seed", self.seed)
            .number("stanza_bytes", self.stanza_bytes);
        object
            .number("sent", tally.sent)
            .number("delivered", tally.delivered)
            .number("bounced", tally.bounced);
        object.number("lost", tally.outstanding()).number("duplicated", tally.duplicated);
        object.number("out_of_order", tally.out_of_order).number("corrupted", tally.corrupted);
        object.number("never_sent", tally.never_sent).number("skipped", self.outcome.skipped);
        object.number("elapsed_seconds", self.outcome.elapsed.as_secs_f64());
        object.number("stanzas_per_second", format!("{:.1}", self.per_second()));
        for (name, quantile) in QUANTILES {
            object.number(&format!("latency_us_{name}"), self.latency(quantile));
        }
        object.number("latency_us_max", self.outcome.latency_us.max());
        object.number("sender_behind_us_max", self.outcome.behind_us_max);
        if let Some(time) = self.server_time {
            object.number("server_cpu_seconds", time.as_secs_f64());
            object.number(
                "server_cpu_us_per_stanza",
                format!("{:.3}", self.microseconds_per_stanza(time)),
            );
        }
        if let Some(bytes) = self.server_memory {
            object.number("server_resident_bytes", bytes);
        }
        object.number(
            "loadgen_cpu_us_per_stanza",
            format!("{:.3}", self.microseconds_per_stanza(self.own_time)),
        );
        object.number("loadgen_share_of_core", format!("{:.3}", self.own_share()));
        let mut bounces = Object::default();
        for (condition, count) in &self.conditions {
            bounces.number(condition, count);
        }
        object.number("bounces", bounces.close());
        object
            .text("machine", &machine())
            .text("kernel", &kernel())
            .text("version", env!("CARGO_PKG_VERSION"));
        object.close() + "\n"
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.outcome.tally;
        let elapsed = self.outcome.elapsed.as_secs_f64();
        writeln!(
            f,
            "dense           {}, {}, {} remotes, {} bytes a stanza",
            self.direction, self.pace, self.remotes, self.stanza_bytes
        )?;
        writeln!(f, "machine         {}, {}", machine(), kernel())?;
        writeln!(f, "sent            {:>12}", tally.sent)?;
        writeln!(f, "delivered       {:>12}", tally.delivered)?;
        writeln!(f, "bounced         {:>12}", tally.bounced)?;
        for (condition, count) in &self.conditions {
            writeln!(f, "                {count:>12}  {condition}")?;
        }
        writeln!(f, "lost            {:>12}", tally.outstanding())?;
        writeln!(f, "duplicated      {:>12}", tally.duplicated)?;
        writeln!(f, "out of order    {:>12}", tally.out_of_order)?;
        writeln!(f, "stanzas/s       {:>12.0}  over {elapsed:.2} s", self.per_second())?;
        if let Some(time) = self.server_time {
            let (each, share) =
                (self.microseconds_per_stanza(time), time.as_secs_f64() / elapsed.max(1e-9));
            writeln!(
                f,
                "server CPU      {each:>12.2}  us a stanza ({:.0} % of a core)",
                share * 100.0
            )?;
        }
        if let Some(bytes) = self.server_memory {
            writeln!(
                f,
                "server memory   {:>12.1}  MiB resident",
                bytes as f64 / f64::from(1 << 20)
            )?;
        }
        write!(f, "latency        ")?;
        for (name, quantile) in QUANTILES {
            write!(f, "  {name} {:.3} ms", self.latency(quantile) as f64 / 1000.0)?;
        }
        writeln!(f)?;
        let own = self.microseconds_per_stanza(self.own_time);
        writeln!(
            f,
            "loadgen CPU     {own:>12.2}  us a stanza ({:.0} % of a core)",
            self.own_share() * 100.0
        )?;
        if self.own_share() >= SATURATED {
            writeln!(
                f,
                "note            loadgen was the bottleneck: its one thread was busy all the time"
            )?;
        }
        match self.faults().as_slice() {
            [] => writeln!(
                f,
                "verdict         clean: every stanza accounted for, in order, unchanged"
            ),
            faults => writeln!(f, "verdict         FAULTY: {}", faults.join(", ")),
        }
    }
}

/// A JSON object under construction (RFC 8259).
#[derive(Default)]
struct Object {
    members: Vec<String>,
}

impl Object {
    fn number(&mut self, name: &str, value: impl fmt::Display) -> &mut Object {
        self.members.push(format!("{}: {value}", quoted(name)));
        self
    }

    fn text(&mut self, name: &str, value: &str) -> &mut Object {
        self.members.push(format!("{}: {}", quoted(name), quoted(value)));
        self
    }

    fn close(&self) -> String {
        format!("{{{}}}", self.members.join(", "))
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if u32::from(control) < 0x20 => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn machine() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{} ({cores} cores)", model.map_or("unknown processor", |(_, name)| name))
}

fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", release.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_text_is_escaped() {
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
        let mut object = Object::default();
        object.text("name", "value").number("count", 3);
        assert_eq!(object.close(), "{\"name\": \"value\", \"count\": 3}");
    }
}
