//! What follows from a run's figures: whether it is clean, how fast it was.

use crate::record::{Run, Sample};

/// Sessions that were opened while the clock ran, and the handshakes of that time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Churn {
    pub(crate) opened: u64,
    pub(crate) per_second: f64,
    pub(crate) full: u64,
    pub(crate) resumed: u64,
}

impl Churn {
    /// Of the handshakes, those that resumed an earlier session; none without handshakes.
    pub(crate) fn resumption(&self) -> Option<f64> {
        let all = self.full.saturating_add(self.resumed);
        (all > 0).then(|| self.resumed as f64 / all as f64)
    }
}

impl Run {
    /// Delivered or bounced.
    pub(crate) fn settled(&self) -> u64 {
        self.stanzas.delivered.saturating_add(self.stanzas.bounced)
    }

    /// What became of sessions after the clock started.
    pub(crate) fn churn(&self) -> Churn {
        let sum = |of: fn(&Sample) -> Option<u64>| {
            self.samples.iter().filter_map(of).fold(0, u64::saturating_add)
        };
        let opened = self.sessions.opened.saturating_sub(self.sessions.before_clock);
        Churn {
            opened,
            per_second: opened as f64 / self.seconds.max(1e-9),
            full: sum(|sample| sample.handshakes_full),
            resumed: sum(|sample| sample.handshakes_resumed),
        }
    }

    /// Settled stanzas a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.settled() as f64 / self.seconds.max(1e-9)
    }

    /// What is wrong with the run, in words; empty when it is clean.
    pub(crate) fn faults(&self) -> Vec<String> {
        let (stanzas, allowed) = (&self.stanzas, &self.allowed);
        let counted = [
            (stanzas.lost.saturating_sub(allowed.lost), "lost"),
            (stanzas.duplicated, "duplicated"),
            (stanzas.out_of_order, "out of order"),
            (stanzas.corrupted, "corrupted or misaddressed"),
            (stanzas.never_sent, "never sent, but received"),
            (
                stanzas.skipped.saturating_sub(allowed.skipped),
                "not sent because their link was gone",
            ),
        ];
        let mut faults: Vec<_> = counted
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        faults.extend(self.faults.iter().cloned());
        if stanzas.sent == 0 {
            faults.push("nothing was sent".to_owned());
        }
        faults
    }

    /// Every stanza was delivered or bounced once, in order, unchanged, and all that were due were sent, but for what the scenario allows.
    pub(crate) fn is_clean(&self) -> bool {
        self.faults().is_empty()
    }

    /// The run in a sentence.
    pub(crate) fn verdict(&self) -> String {
        let faults = self.faults();
        if faults.is_empty() {
            let allowed = [(self.allowed.lost, "lost"), (self.allowed.skipped, "not sent")];
            let allowed: Vec<_> = allowed
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("; {count} {what}, as the scenario allows"))
                .collect();
            format!("clean: every stanza accounted for, in order, unchanged{}", allowed.concat())
        } else {
            format!("FAULTY: {}", faults.join(", "))
        }
    }

    /// Name and version of the server under test, as far as they are known.
    pub(crate) fn server_words(&self) -> String {
        match (self.server.name.as_str(), self.server.version.as_str()) {
            ("", _) => "a server without a name".to_owned(),
            (name, "") => name.to_owned(),
            (name, version) => format!("{name} {version}"),
        }
    }

    /// What latency means here: it depends on how the run was paced.
    pub(crate) fn latency_words(&self) -> &'static str {
        if self.offered_per_second.is_some() {
            "Open loop: latency counts from the time each stanza was due, fixed before the run, also when the server stalls."
        } else {
            "Closed loop: stanzas waited for earlier ones, so latency here is mostly the wait in the window. Compare latency between \
             servers with open-loop runs (--rate)."
        }
    }
}

impl Sample {
    /// Delivered or bounced.
    pub(crate) fn settled(&self) -> u64 {
        self.delivered.saturating_add(self.bounced)
    }
}

#[cfg(test)]
mod tests {
    use crate::record::{Allowed, Run, Stanzas};
    use crate::report::sample;

    fn verdict(stanzas: Stanzas) -> String {
        Run { stanzas, ..sample::run() }.verdict()
    }

    #[test]
    fn a_run_is_clean_when_all_came_or_bounced() {
        let clean = Stanzas { sent: 10, delivered: 9, bounced: 1, ..Stanzas::default() };
        assert_eq!(verdict(clean), "clean: every stanza accounted for, in order, unchanged");
        assert_eq!(verdict(Stanzas::default()), "FAULTY: nothing was sent");
    }

    #[test]
    fn what_the_scenario_allows_is_said_and_no_fault() {
        let stanzas = Stanzas { sent: 10, delivered: 5, lost: 3, skipped: 2, ..Stanzas::default() };
        let allowed = Allowed { lost: 3, skipped: 2, bounced: 0 };
        let run = Run { stanzas, allowed, ..sample::run() };
        assert_eq!(
            run.verdict(),
            "clean: every stanza accounted for, in order, unchanged; 3 lost, as the scenario allows; 2 not sent, as the scenario allows"
        );
        let faults = vec!["7 bounced".to_owned()];
        let allowed = Allowed { lost: 2, ..allowed };
        assert_eq!(Run { allowed, faults, ..run }.verdict(), "FAULTY: 1 lost, 7 bounced");
    }

    /// A record is a file, and anything may stand in it.
    #[test]
    fn a_record_with_figures_beyond_all_measure_is_read_without_harm() {
        let most = u64::MAX;
        let stanzas = Stanzas { sent: 1, delivered: most, bounced: most, ..Stanzas::default() };
        let mut run = Run { stanzas, ..sample::run() };
        for sample in &mut run.samples {
            (sample.delivered, sample.bounced) = (most, most);
            (sample.handshakes_full, sample.handshakes_resumed) = (Some(most), Some(most));
        }
        // So many that those side by side are drawn as one.
        run.samples = run.samples.repeat(100);
        for kind in &mut run.kinds {
            kind.bounced = ["gone", "conflict"].map(|name| (name.to_owned(), most)).into();
        }
        assert_eq!((run.settled(), run.churn().full), (most, most));
        assert!(crate::report::page::run(&run).contains("</html>"));
        assert!(!crate::report::text::run(&run).is_empty());
    }

    #[test]
    fn every_fault_is_named_with_its_count() {
        let stanzas = Stanzas {
            sent: 100,
            delivered: 90,
            bounced: 9,
            lost: 1,
            duplicated: 2,
            out_of_order: 3,
            corrupted: 4,
            never_sent: 5,
            skipped: 6,
        };
        assert_eq!(
            verdict(stanzas),
            "FAULTY: 1 lost, 2 duplicated, 3 out of order, 4 corrupted or misaddressed, 5 never sent, but received, \
             6 not sent because their link was gone"
        );
    }
}
