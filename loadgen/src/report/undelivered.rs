//! What was not delivered, by kind of peer: the rows of a table that the reports draw alike.

use super::figure;
use crate::record::{Kind, Run};

/// What the figures of a row are, in their order.
pub(crate) const FIGURES: [&str; 4] = ["domains", "bounced", "lost", "skipped"];

/// Said wherever the table stands, because the counts above it are those of the timed part.
pub(crate) const INCLUDED: &str = "greeting and warm-up included";

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) figures: [String; FIGURES.len()],
    /// Of the bounces, by condition.
    pub(crate) conditions: String,
}

/// The kinds that miss something, and what the scenario allows of all; none when everything was delivered.
pub(crate) fn rows(run: &Run) -> Vec<Row> {
    let misses = |kind: &&Kind| kind.lost + kind.skipped > 0 || !kind.bounced.is_empty();
    let mut rows: Vec<_> = run.kinds.iter().filter(misses).map(row).collect();
    if !rows.is_empty() {
        let allowed = run.allowed;
        let counts = [allowed.bounced, allowed.lost, allowed.skipped].map(figure::count);
        let [bounced, lost, skipped] = counts;
        rows.push(Row {
            name: "allowed".to_owned(),
            figures: [String::new(), bounced, lost, skipped],
            conditions: String::new(),
        });
    }
    rows
}

fn row(kind: &Kind) -> Row {
    let counts = [
        u64::from(kind.domains),
        kind.bounced.values().copied().fold(0, u64::saturating_add),
        kind.lost,
        kind.skipped,
    ];
    let conditions: Vec<_> = match kind.bounced.len() {
        1 => kind.bounced.keys().cloned().collect(),
        _ => kind
            .bounced
            .iter()
            .map(|(condition, count)| format!("{} {condition}", figure::count(*count)))
            .collect(),
    };
    Row {
        name: kind.name.clone(),
        figures: counts.map(figure::count),
        conditions: conditions.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn only_kinds_that_miss_something_have_a_row() {
        let run = sample::faulty();
        let names: Vec<_> = rows(&run).into_iter().map(|row| row.name).collect();
        // `secure` has got all.
        assert_eq!(names, ["verified", "trusted", "allowed"]);
        assert_eq!(run.kinds.len(), 3);
    }

    #[test]
    fn where_all_was_delivered_there_is_no_table() {
        let mut run = sample::run();
        run.kinds.iter_mut().for_each(|kind| kind.bounced.clear());
        assert_eq!(rows(&run), []);
    }

    #[test]
    fn a_row_counts_bounces_by_condition_where_there_are_several() {
        let rows = rows(&sample::faulty());
        assert_eq!(rows[0].figures, ["60", "1,954", "0", "0"]);
        assert_eq!(rows[0].conditions, "1,949 policy-violation, 5 remote-server-timeout");
        assert_eq!(rows[1].figures, ["80", "0", "1", "0"]);
        assert_eq!(rows[1].conditions, "");
        assert_eq!(rows[2].figures, ["", "1,954", "0", "0"]);
    }
}
