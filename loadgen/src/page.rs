//! `page`: draws the page of a result again, and tells it as text.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::args::PageArgs;
use crate::report::file::{self, Record};
use crate::report::{page, text};

/// Reads, writes and prints.
pub(crate) fn run(args: &PageArgs) -> anyhow::Result<()> {
    let output = output(args)?;
    let (page, text) = match (file::read(&args.result)?, &args.chart) {
        (Record::Run(_), Some(_)) => bail!("--chart is for comparisons; this is one run"),
        (Record::Run(run), None) => (page::run(&run), text::run(&run)),
        (Record::Comparison(comparison), chart) => {
            if let Some(file) = chart {
                file::write(file, &page::picture(&comparison))?;
            }
            (page::comparison(&comparison), text::comparison(&comparison))
        }
    };
    file::write(&output, &page)?;
    print!("{text}");
    eprintln!("page written to {}", output.display());
    Ok(())
}

fn output(args: &PageArgs) -> anyhow::Result<PathBuf> {
    let output = args.output.clone().unwrap_or_else(|| args.result.with_extension("html"));
    anyhow::ensure!(
        !is_same(&output, &args.result),
        "{}: the page would replace the result it is drawn of; name another file with --output",
        output.display()
    );
    Ok(output)
}

/// The same file, also by another way to it.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::report::sample;

    #[test]
    fn a_page_lies_beside_its_result_unless_another_place_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let result = dir.path().join("echo.json");
        fs::write(&result, file::json(&sample::run()).unwrap()).unwrap();
        run(&PageArgs { result: result.clone(), output: None, chart: None }).unwrap();
        assert!(
            fs::read_to_string(dir.path().join("echo.html")).unwrap().contains("ladder: peerage")
        );

        fs::write(&result, file::json(&sample::comparison()).unwrap()).unwrap();
        let (other, chart) = (dir.path().join("other.html"), dir.path().join("cpu.svg"));
        run(&PageArgs { result, output: Some(other.clone()), chart: Some(chart.clone()) }).unwrap();
        assert!(fs::read_to_string(other).unwrap().contains("Comparison: peerage, prosody"));
        assert!(fs::read_to_string(chart).unwrap().starts_with("<svg "));
    }

    #[test]
    fn a_page_does_not_replace_its_result() {
        let dir = tempfile::tempdir().unwrap();
        let result = dir.path().join("echo.html");
        fs::write(&result, file::json(&sample::run()).unwrap()).unwrap();
        let roundabout = dir.path().join(".").join("echo.html");
        for output in [None, Some(roundabout)] {
            let error = run(&PageArgs { result: result.clone(), output, chart: None })
                .unwrap_err()
                .to_string();
            assert!(error.contains("name another file with --output"), "{error}");
        }
        assert!(fs::read_to_string(&result).unwrap().starts_with("{\n \"form\": 1"));
    }
}
