use super::*;
use crate::report::sample;

fn row(summary: &Summary<'_>, part: &str, metric: Metric) -> Row {
    let row = summary.rows.iter().find(|row| row.part == part && row.metric == metric);
    row.unwrap_or_else(|| panic!("no row for {part}, {metric:?}")).clone()
}

fn near(one: f64, other: f64) -> bool {
    (one / other - 1.0).abs() < 1e-3
}

#[test]
fn medians_ranges_and_ratios_are_those_of_the_rounds() {
    let comparison = sample::comparison();
    let summary = Summary::of(&comparison);
    let names: Vec<_> = summary.servers.iter().map(|server| server.label.as_str()).collect();
    assert_eq!(names, ["peerage", "prosody", "ejabberd", "jabberd2"]);
    let row = row(&summary, "in", Metric::CpuStanza);
    // Rounds of 1, 0.97 and 1.22 times the profile's figure.
    let Cell::Measured { spread, ratio: Some(ratio), faulty: 0, limited: 0 } = row.cells[2] else {
        panic!("{:?}", row.cells)
    };
    assert!(near(spread.median, 38.17), "{spread:?}");
    assert!(near(spread.least, 38.17 * 0.97) && near(spread.most, 38.17 * 1.22), "{spread:?}");
    assert!(near(ratio, 38.17 / 1.52), "{ratio}");
    assert!(matches!(row.cells[0], Cell::Measured { ratio: Some(1.0), .. }), "{:?}", row.cells);
}

#[test]
fn an_even_number_of_runs_has_the_middle_of_two_as_median() {
    let spread = Spread::of(vec![4.0, 1.0, 2.0, 9.0]).unwrap();
    assert_eq!(spread, Spread { median: 3.0, least: 1.0, most: 9.0 });
    assert_eq!(Spread::of(Vec::new()), None);
}

#[test]
fn a_faulty_run_is_no_measurement() {
    let mut comparison = sample::comparison();
    let cell = |comparison: &Comparison| {
        row(&Summary::of(comparison), "echo", Metric::CpuStanza).cells[3].clone()
    };
    // Round 3, the slowest, lost stanzas: neither median nor range know of it.
    let Cell::Measured { spread, faulty: 1, .. } = cell(&comparison) else {
        panic!("{:?}", cell(&comparison))
    };
    assert!(near(spread.most, 41.0) && near(spread.median, 41.0 * 0.985), "{spread:?}");
    for trial in comparison.trials.iter_mut().filter(|trial| trial.server.name == "jabberd2") {
        trial.run.stanzas.lost = 1;
    }
    assert_eq!(cell(&comparison), Cell::Faulty);
    let notes = Summary::of(&comparison).notes;
    assert!(notes[0].starts_with("Faulty runs: 12 of 66."), "{notes:?}");
}

#[test]
fn without_a_clean_run_of_the_first_server_there_are_no_ratios() {
    let mut comparison = sample::comparison();
    let of_first = |trial: &&mut Trial| trial.server.name == "peerage" && trial.part == "rate";
    for trial in comparison.trials.iter_mut().filter(of_first) {
        trial.run.stanzas.lost = 1;
    }
    let summary = Summary::of(&comparison);
    for metric in [Metric::P99, Metric::CpuStanza] {
        let cells = row(&summary, "rate", metric).cells;
        assert_eq!(cells[0], Cell::Faulty);
        for cell in &cells[1..] {
            assert!(matches!(cell, Cell::Measured { ratio: None, .. }), "{cell:?}");
        }
    }
    // Nor is one of its faulty runs a typical one.
    assert!(summary.typical(&summary.servers[0], "rate").is_none());
    assert!(summary.typical(&summary.servers[1], "rate").is_some());
}

#[test]
fn ratios_refer_to_the_server_that_was_named_first_also_when_its_first_run_failed() {
    let mut comparison = sample::comparison();
    comparison.trials.remove(0);
    let first = comparison.trials.iter().position(|trial| trial.server.name != "peerage");
    comparison.trials.drain(..first.unwrap());
    assert_eq!(Summary::of(&comparison).servers[0].name, "prosody");
    comparison.servers = ["peerage", "prosody", "ejabberd", "jabberd2"].map(str::to_owned).to_vec();
    let summary = Summary::of(&comparison);
    assert_eq!(summary.servers[0].name, "peerage");
    let cells = row(&summary, "in", Metric::CpuStanza).cells;
    assert!(matches!(cells[0], Cell::Measured { ratio: Some(1.0), .. }), "{cells:?}");
}

#[test]
fn a_part_nobody_tried_is_not_measured() {
    let comparison = sample::comparison();
    let summary = Summary::of(&comparison);
    assert_eq!(row(&summary, "sessions", Metric::CpuSession).cells[3], Cell::NotMeasured);
    assert!(
        !summary.rows.iter().any(|row| row.part == "sessions" && row.metric == Metric::CpuStanza)
    );
    // Closed-loop latency is the window's, not the server's.
    assert!(!summary.rows.iter().any(|row| row.part == "in" && row.metric == Metric::P99));
}

#[test]
fn the_bound_is_the_pump_and_twice_the_pump_for_an_echo() {
    let comparison = sample::comparison();
    let summary = Summary::of(&comparison);
    let bound = |part, metric| row(&summary, part, metric).bound.unwrap();
    assert!(near(bound("in", Metric::CpuStanza).value, 0.6));
    assert_eq!(bound("in", Metric::CpuStanza).words, "haproxy, dense");
    assert!(near(bound("echo", Metric::CpuStanza).value, 1.2));
    assert!(near(bound("echo", Metric::Throughput).value, 450_000.0));
    assert!(near(bound("sparse-500", Metric::CpuStanza).value, 23.0));
    assert_eq!(row(&summary, "rate", Metric::P99).bound, None);
    let without = Comparison { bound: None, ..comparison.clone() };
    let summary = Summary::of(&without);
    assert_eq!(summary.servers.len(), 5);
    assert_eq!(row(&summary, "in", Metric::CpuStanza).bound, None);
}

#[test]
fn what_distorts_the_figures_is_noted() {
    let mut comparison = sample::comparison();
    let notes = |comparison: &Comparison| Summary::of(comparison).notes.join("\n");
    assert!(notes(&comparison).contains("or waited for a processor: 1 of 66, marked †"));
    assert!(!notes(&comparison).contains("Other work"), "{}", notes(&comparison));
    comparison.trials[0].others_cores = 0.34;
    assert!(notes(&comparison).contains("Other work took up to 0.340 cores"));
    let open = comparison.trials.iter_mut().find(|trial| trial.part == "rate").unwrap();
    open.run.offered_per_second = Some(999.0);
    assert!(notes(&comparison).contains("not given the same rate in the part rate"));
    assert_eq!(Summary::of(&comparison).part_words("rate"), "rate: at different rates");
}

#[test]
fn two_versions_of_a_server_are_two_servers() {
    let mut comparison = sample::comparison();
    for trial in comparison.trials.iter_mut().filter(|trial| trial.server.name == "jabberd2") {
        trial.server =
            crate::record::Server { name: "peerage".to_owned(), version: "0.2.0".to_owned() };
    }
    let summary = Summary::of(&comparison);
    assert_eq!(summary.servers[0].label, "peerage 0.1.0");
    assert_eq!(summary.servers[3].label, "peerage 0.2.0");
}

#[test]
fn the_typical_run_is_the_one_with_the_median_p99() {
    let comparison = sample::comparison();
    let summary = Summary::of(&comparison);
    // Rounds are 1, 0.97 and 1.22 times as slow: the median is round 1.
    assert_eq!(summary.typical(&summary.servers[1], "rate").unwrap().round, 1);
    assert!(summary.typical(&summary.servers[1], "in").is_none());
}
