//! `MATRIX.md`: the tables of matrix and refusals with what a run recorded.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::behind;
use crate::matrix::{self, Cell, Direction};
use crate::record::Record;
use crate::refusals;
use crate::stage::PEER_DOMAIN;

/// Where the page is, from the root of this package.
pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/MATRIX.md");

/// What a run was made with.
#[derive(Clone, Debug)]
pub struct Run {
    /// Version and commit of Peerage.
    pub peerage: String,
    /// The kernel.
    pub kernel: String,
    /// The day.
    pub date: String,
}

/// The part of a matrix row that is the same before every run.
#[must_use]
pub fn cell_row(cell: &Cell) -> String {
    let row = cell.row;
    format!(
        "| {} | {} | {} | {} | {} | {} |",
        row.software, row.place, row.rung, row.certificate, cell.transport, cell.direction
    )
}

/// The part of the row of a server behind the router that is the same before every run.
#[must_use]
pub fn behind_row(cell: &behind::Cell) -> String {
    let row = cell.row;
    let opens = match cell.direction {
        Direction::In => row.remote,
        Direction::Out => row.behind,
    };
    format!(
        "| {} | behind | {} | {} | {} | {} | {opens} |",
        row.behind, row.demand, row.remote, row.rung, row.certificate
    )
}

/// The part of a refusal's row that is the same before every run.
#[must_use]
pub fn refusal_row(row: &refusals::Row) -> String {
    let minimum = row.flaw.minimum();
    format!("| {} | {} | {minimum} | {} |", row.flaw, row.software, row.direction)
}

/// The part of a row on the wire that is the same before every run.
#[must_use]
pub fn wire_row(row: &refusals::WireRow) -> String {
    format!("| {} | {} | {} |", row.flaw, row.flaw.minimum(), row.direction)
}

/// What is left out of the tables, and why: the lines of the page.
#[must_use]
pub fn left_out_rows() -> Vec<String> {
    let any = |software: Option<_>| software.map_or("both".to_owned(), |s| format!("{s}"));
    let cells = matrix::table::LEFT_OUT.iter().map(|left| {
        let kinds: Vec<String> = left.certificates.iter().map(ToString::to_string).collect();
        let transport = left.transport.map_or("both".to_owned(), |t| t.to_string());
        format!(
            "| {} | {} | {} | {transport} | {} |",
            any(left.software),
            left.rung,
            kinds.join("; "),
            left.reason
        )
    });
    let flaws = refusals::table::LEFT_OUT.iter().map(|left| {
        format!("| {} | refusals | {} | STARTTLS | {} |", left.software, left.flaw, left.reason)
    });
    cells.chain(flaws).collect()
}

/// Writes the page from what the tests left in `records`; a test that left nothing did not pass.
///
/// # Errors
/// When it cannot be written, or a test did not pass (the page says which).
pub fn write(records: &Path, run: &Run) -> Result<()> {
    let mut failed = 0;
    let mut versions = BTreeSet::new();
    let mut found = |test: &str| {
        let record = Record::find(records, test);
        match record {
            Some(record) => {
                // A scripted peer has none.
                if !record.version.is_empty() {
                    versions.insert(record.version.clone());
                }
                let seen = record.seen.iter().map(|text| text.replace('|', "\\|"));
                format!(" passed | {} |", seen.collect::<Vec<_>>().join("<br>"))
            }
            None => {
                failed += 1;
                " **failed** | |".to_owned()
            }
        }
    };
    let mut cells = String::new();
    for cell in matrix::cells() {
        writeln!(cells, "{}{}", cell_row(&cell), found(&cell.test()))?;
    }
    let mut behind = String::new();
    for cell in behind::cells() {
        writeln!(behind, "{}{}", behind_row(&cell), found(&cell.test()))?;
    }
    let slixmpp = found(matrix::SLIXMPP_TEST);
    let mut refused = String::new();
    for row in refusals::ROWS {
        let outcome = found(row.test).replace("<br>", " | ");
        writeln!(refused, "{}{outcome}", refusal_row(row))?;
    }
    let mut on_the_wire = String::new();
    for row in refusals::wire::ROWS {
        writeln!(on_the_wire, "{}{}", wire_row(row), found(row.test))?;
    }
    let versions = versions.into_iter().collect::<Vec<_>>().join(", ");
    let Run { peerage, kernel, date } = run;
    let left_out = left_out_rows().join("\n");
    let page = format!(
        "# Interop matrix and refusals\n\n\
         Written by `cargo xtask matrix` from a run of the tests; do not edit. {date}: Peerage {peerage}; {versions}; Linux \
         {kernel}.\n\n\
         ## Matrix\n\n\
         A component behind Peerage and a user of an unmodified server. Both sides demand the rung and show a certificate of the \
         same kind. In every cell, starting without a link: a message, an iq and its answer, presence, 64 KiB, 1,000 messages in \
         order; then all of it with the other side starting.\n\n\
         | server | place | rung | certificates | transport | opens first | result | its log says |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n{cells}\n\
         A component written with slixmpp, and a user on Prosody, rung trusted:{slixmpp}\n\n\
         ## Servers behind Peerage\n\n\
         A user of an unmodified server behind Peerage, whose resolver says of every name that it is Peerage, and a user of an \
         unmodified remote server; the same exchanges. With certificates the server behind has no dialback and trusts Peerage's \
         internal authority and nothing else.\n\n\
         | server | place | asks for | remote | rung outside | certificates outside | opens first | result | its log says |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{behind}\n\
         ## Refusals\n\n\
         A server with one flaw, or with one wish too many, which itself demands no more than dialback; Peerage demands the \
         minimum. What stands in the server's log in quotes of a stream error is what was on the wire: condition and text.\n\n\
         | flaw | server | minimum | opens | result | its log says | the sender gets |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n{refused}\n\
         ### On the wire\n\n\
         The same with a scripted peer, `{PEER_DOMAIN}`, to the letter: all that Peerage says from what it refuses (a header, a \
         dialback key, a stanza, a certificate, features without TLS) to the end of the connection.\n\n\
         | flaw | minimum | opens | result | Peerage says |\n\
         | --- | --- | --- | --- | --- |\n{on_the_wire}\n\
         ## Left out\n\n\
         | server | rung | certificates | transport | why |\n| --- | --- | --- | --- | --- |\n{left_out}\n"
    );
    std::fs::write(FILE, page).context(FILE)?;
    ensure!(failed == 0, "{failed} did not pass: {FILE} says which");
    Ok(())
}
