//! Writes `MATRIX.md`: `matrix-page RECORDS PEERAGE KERNEL DATE`, called by `cargo xtask matrix`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use peerage_tests::page::{self, Run};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("usage: matrix-page RECORDS PEERAGE KERNEL DATE");
    let records = PathBuf::from(next()?);
    page::write(&records, &Run { peerage: next()?, kernel: next()?, date: next()? })
}
