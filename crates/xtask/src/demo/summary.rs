//! The table at the end, and whether the books balance.

use std::time::Duration;

use anyhow::{Result, bail};
use s2s_testkit::federation::{Direction, Federation, Outcome, Rung};

/// Flows named when stanzas are missing.
const MISSING_SHOWN: usize = 5;

/// Processor time and memory of a run.
pub(crate) struct Costs {
    pub(crate) router: Duration,
    pub(crate) federation: Duration,
    pub(crate) router_bytes: u64,
}

/// Open sessions of one rung in one direction, counted on both sides.
struct Count {
    direction: Direction,
    rung: Rung,
    federation: u64,
    router: Option<u64>,
}

/// Open sessions by direction and rung.
pub(crate) struct Sessions {
    counts: Vec<Count>,
}

impl Sessions {
    /// The federation's own count next to what the router's metrics say.
    pub(crate) fn of(federation: &Federation, metrics: Option<&str>) -> Sessions {
        let census = federation.census();
        let directions = [Direction::Inbound, Direction::Outbound];
        let all =
            directions.into_iter().flat_map(|direction| Rung::ALL.map(|rung| (direction, rung)));
        let counts = all.map(|(direction, rung)| Count {
            direction,
            rung,
            federation: census.open(direction, rung),
            router: metrics.and_then(|metrics| pairs(metrics, direction, rung)),
        });
        Sessions { counts: counts.collect() }
    }

    fn count(&self, direction: Direction, rung: Rung) -> String {
        let count =
            self.counts.iter().find(|count| count.direction == direction && count.rung == rung);
        count.map_or_else(String::new, |count| match count.router {
            Some(router) => format!("{router:>6} / {:<6}", count.federation),
            None => format!("{:>6} / {:<6}", "?", count.federation),
        })
    }

    /// Where both sides counted and disagree.
    fn differences(&self) -> Vec<String> {
        let differing = self
            .counts
            .iter()
            .filter(|count| count.router.is_some_and(|router| router != count.federation));
        let words = differing.map(|count| {
            let way = if count.direction == Direction::Inbound { "in" } else { "out" };
            let router = count.router.unwrap_or_default();
            format!(
                "{} {way}: peerage {router}, federation {}",
                count.rung.name(),
                count.federation
            )
        });
        words.collect()
    }
}

/// `peerage_pairs{direction="in",rung="trusted"} 12`, whatever the order of the labels.
fn pairs(metrics: &str, direction: Direction, rung: Rung) -> Option<u64> {
    let direction = match direction {
        Direction::Inbound => "direction=\"in\"",
        Direction::Outbound => "direction=\"out\"",
    };
    let rung = format!("rung=\"{}\"", rung.name());
    let wanted = |line: &&str| {
        line.starts_with("peerage_pairs{") && line.contains(direction) && line.contains(&rung)
    };
    metrics.lines().find(wanted)?.rsplit(' ').next()?.parse().ok()
}

/// Prints the table.
pub(crate) fn print(
    outcome: &Outcome,
    sessions: &Sessions,
    costs: &Costs,
    federation: &Federation,
) {
    let tally = &outcome.tally;
    let seconds = outcome.elapsed.as_secs_f64();
    println!(
        "\nstanzas       {:>9} sent = {} delivered + {} bounced",
        tally.sent, tally.delivered, tally.bounced
    );
    println!(
        "              {:>9} lost, {} duplicated, {} out of order",
        tally.outstanding(),
        tally.duplicated,
        tally.out_of_order
    );
    println!(
        "rate          {:>9.0} stanzas/s over {seconds:.1} s",
        tally.settled() as f64 / seconds.max(1e-9)
    );
    for (condition, count) in federation.conditions() {
        println!("bounces       {count:>9} {condition} (the opening included)");
    }
    let at = |quantile| outcome.latency_us.value_at_quantile(quantile) as f64 / 1000.0;
    println!(
        "latency       p50 {:.2} ms  p90 {:.2} ms  p99 {:.2} ms  p99.9 {:.2} ms, from the intended time",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999)
    );
    println!("sessions      {:<13} {:<17} {:<17}", "rung", "into peerage", "out of peerage");
    for rung in Rung::ALL {
        let (into, out) =
            (sessions.count(Direction::Inbound, rung), sessions.count(Direction::Outbound, rung));
        println!("              {:<13} {into:<17} {out:<17}", rung.name());
    }
    println!("              (peerage's count / the federation's)");
    let each = |time: Duration| time.as_secs_f64() * 1e6 / tally.settled().max(1) as f64;
    println!(
        "CPU           peerage {:.1} us a stanza, federation {:.1} us",
        each(costs.router),
        each(costs.federation)
    );
    println!("memory        peerage {:.1} MiB", costs.router_bytes as f64 / f64::from(1 << 20));
}

/// Whether every stanza is accounted for and both sides agree on the sessions.
///
/// # Errors
/// When not; says what is missing.
pub(crate) fn check(outcome: &Outcome, federation: &Federation, sessions: &Sessions) -> Result<()> {
    // The opening counts too: what was lost there is lost.
    let mut faults = federation.tally().faults();
    if outcome.skipped > 0 {
        faults.push(format!(
            "{} not sent because their link was gone: {}",
            outcome.skipped,
            failures(federation)
        ));
    }
    if outcome.tally.delivered == 0 {
        faults.push("nothing was delivered".to_owned());
    }
    let missing = federation.missing(MISSING_SHOWN);
    faults.extend(
        missing.iter().map(|(from, to, count)| format!("{count} from {from} to {to} are missing")),
    );
    faults.extend(sessions.differences());
    if faults.is_empty() {
        Ok(())
    } else {
        bail!("the books do not balance: {}", faults.join("; "))
    }
}

/// Why streams failed, with how often.
pub(crate) fn failures(federation: &Federation) -> String {
    let census = federation.census();
    let failures: Vec<_> =
        census.failures().iter().map(|(reason, count)| format!("{count} x {reason}")).collect();
    if failures.is_empty() { "no stream failed".to_owned() } else { failures.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_from_metrics_in_any_order_of_labels() {
        let metrics = "# TYPE peerage_pairs gauge\n\
            peerage_pairs{direction=\"in\",rung=\"trusted\"} 12\n\
            peerage_pairs{rung=\"secure\",direction=\"out\"} 7\n";
        assert_eq!(pairs(metrics, Direction::Inbound, Rung::Trusted), Some(12));
        assert_eq!(pairs(metrics, Direction::Outbound, Rung::Secure), Some(7));
        assert_eq!(pairs(metrics, Direction::Outbound, Rung::Trusted), None);
    }
}
