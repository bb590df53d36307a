//! The page `MATRIX.md` has the rows of the tables, every one of them passed. Only `cargo xtask matrix` writes it.

use peerage_tests::{behind, matrix, page, refusals};

#[test]
fn the_page_has_exactly_the_rows_of_the_tables_and_all_passed() {
    let text = std::fs::read_to_string(page::FILE).unwrap();
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| ---"))
        .filter(|line| !["| server |", "| flaw |"].iter().any(|head| line.starts_with(head)))
        .collect();
    let expected: Vec<String> = matrix::cells()
        .map(|cell| page::cell_row(&cell) + " passed |")
        .chain(behind::cells().map(|cell| page::behind_row(&cell) + " passed |"))
        .chain(refusals::ROWS.iter().map(|row| page::refusal_row(row) + " passed |"))
        .chain(refusals::wire::ROWS.iter().map(|row| page::wire_row(row) + " passed |"))
        .chain(page::left_out_rows())
        .collect();
    for (row, expected) in rows.iter().zip(&expected) {
        assert!(
            row.starts_with(expected.as_str()),
            "run `cargo xtask matrix`: {row} is not {expected}"
        );
    }
    assert_eq!(rows.len(), expected.len(), "run `cargo xtask matrix`");
    assert!(text.contains("rung trusted: passed |"));
}
