//! A scenario as a file says it: what is as it would be without a word is left out, so that the file is accepted again.

use serde::Serialize;
use toml::{Table, Value};

use super::model::{Event, Peer, Scenario, Traffic};

impl Scenario {
    /// The text of a file that reads back as this scenario.
    pub(crate) fn to_toml(&self) -> String {
        let mut all = table(self);
        if let Some(Value::Table(traffic)) = all.get_mut("traffic") {
            leave_out(traffic, &table(&Traffic::for_seconds(self.traffic.seconds)), &["seconds"]);
        }
        for (at, kind) in tables(&mut all, "peer").zip(&self.peer) {
            leave_out(at, &table(&Peer::named(&kind.name)), &["name"]);
        }
        for (at, event) in tables(&mut all, "event").zip(&self.event) {
            let usual = Event { percent: 100, ..event.clone() };
            leave_out(at, &table(&usual), &["at_seconds", "what", "minimum"]);
        }
        all.retain(|_, value| value.as_array().is_none_or(|array| !array.is_empty()));
        all.to_string()
    }
}

fn table(value: &impl Serialize) -> Table {
    match Value::try_from(value) {
        Ok(Value::Table(table)) => table,
        other => unreachable!("a scenario is made of tables, not {other:?}"),
    }
}

/// The tables of an array of tables.
fn tables<'t>(table: &'t mut Table, name: &str) -> impl Iterator<Item = &'t mut Table> {
    let array = table.get_mut(name).and_then(Value::as_array_mut);
    array.into_iter().flatten().filter_map(Value::as_table_mut)
}

/// Removes what is as it would be without a word, but for the keys that have to be there.
fn leave_out(table: &mut Table, usual: &Table, needed: &[&str]) {
    table.retain(|key, value| needed.contains(&key) || usual.get(key) != Some(value));
}
