//! The books of a run: every stanza sent is delivered or bounced exactly once, in order, or the run has failed.
//!
//! The ledger does not know how stanzas travel. Whoever sends asks it for the next place in a flow, whoever receives tells it what
//! came. Its memory grows with the stanzas that are under way, not with those that were sent.

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::Histogram;

use super::payload::Mark;

/// Longest latency that is told apart: ten minutes, in microseconds.
const LATENCY_US_MAX: u64 = 600_000_000;
/// Conditions of bounces kept apart; further ones are counted as `other`.
const CONDITIONS_MAX: usize = 64;

/// What became of one arriving stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Counted.
    First,
    /// Counted, but a later one of its flow came before it.
    Late,
    /// It had been delivered or bounced before.
    Duplicate,
    /// Nobody sent this.
    NeverSent,
    /// It had been given up for lost, and stays so.
    GivenUp,
}

/// Sums over all flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Stanzas handed to a link.
    pub sent: u64,
    /// Of these, delivered where they belong.
    pub delivered: u64,
    /// Of these, returned as errors.
    pub bounced: u64,
    /// Arrivals of a stanza that had arrived or bounced before.
    pub duplicated: u64,
    /// Deliveries that came after a later stanza of the same (from, to).
    pub out_of_order: u64,
    /// Arrivals with a body or an address other than the one sent.
    pub corrupted: u64,
    /// Arrivals nobody sent.
    pub never_sent: u64,
    /// Of those sent, given up ([`Ledger::give_up`]).
    pub given_up: u64,
}

impl Tally {
    /// Sent, and neither delivered nor bounced nor given up: under way, or lost when the run is over.
    pub fn outstanding(&self) -> u64 {
        self.sent - self.settled() - self.given_up
    }

    /// Given up, or still under way.
    pub fn lost(&self) -> u64 {
        self.given_up + self.outstanding()
    }

    /// Delivered or bounced.
    pub fn settled(&self) -> u64 {
        self.delivered + self.bounced
    }

    /// The faults of a run that is over, in words; empty when it is clean. Bounces are not faults.
    pub fn faults(&self) -> Vec<String> {
        let faults = [
            (self.lost(), "lost"),
            (self.duplicated, "duplicated"),
            (self.out_of_order, "out of order"),
            (self.corrupted, "corrupted or misaddressed"),
            (self.never_sent, "never sent, but received"),
        ];
        faults
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect()
    }
}

impl std::ops::Sub for Tally {
    type Output = Tally;

    /// What happened between two readings of the same ledger.
    fn sub(self, earlier: Tally) -> Tally {
        Tally {
            // Of what the earlier one counted, some may have been taken out since.
            sent: self.sent.saturating_sub(earlier.sent),
            delivered: self.delivered - earlier.delivered,
            bounced: self.bounced - earlier.bounced,
            duplicated: self.duplicated - earlier.duplicated,
            out_of_order: self.out_of_order - earlier.out_of_order,
            corrupted: self.corrupted - earlier.corrupted,
            never_sent: self.never_sent - earlier.never_sent,
            given_up: self.given_up - earlier.given_up,
        }
    }
}

/// What was not delivered, of the flows of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupTally {
    /// Bounces by condition.
    pub bounced: BTreeMap<String, u64>,
    /// Stanzas that were given up.
    pub lost: u64,
    /// Stanzas that were due and never left.
    pub skipped: u64,
}

/// The books of a run.
#[derive(Debug)]
pub struct Ledger {
    flows: Vec<Track>,
    tally: Tally,
    withdrawn: u64,
    conditions: BTreeMap<String, u64>,
    groups: Vec<GroupTally>,
    latency_us: Histogram<u64>,
}

impl Ledger {
    /// Books for `flows` flows, numbered from 0.
    pub fn new(flows: usize) -> Ledger {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
        Ledger {
            flows: (0..flows).map(|_| Track::default()).collect(),
            groups: vec![GroupTally::default()],
            tally: Tally::default(),
            withdrawn: 0,
            conditions: BTreeMap::new(),
            // The bounds are constants in range (low >= 1, high >= 2 * low, digits <= 5).
            latency_us: latency_us.unwrap_or_else(|error| unreachable!("{error:?}")),
        }
    }

    /// Begins a further flow in a group; answers its number.
    pub fn add_flow_in(&mut self, group: u16) -> u32 {
        self.flows.push(Track { group, ..Track::default() });
        let groups = self.groups.len().max(usize::from(group) + 1);
        self.groups.resize(groups, GroupTally::default());
        // Four thousand million flows do not fit into memory.
        u32::try_from(self.flows.len() - 1).unwrap_or(u32::MAX)
    }

    /// Takes the next place in `flow` and counts the stanza as sent.
    ///
    /// # Panics
    /// When there is no such flow.
    pub fn send(&mut self, flow: u32) -> u32 {
        let track = &mut self.flows[flow as usize];
        let sequence = track.sent;
        track.sent += 1;
        self.tally.sent += 1;
        sequence
    }

    /// A stanza arrived at its destination with its body whole. `latency_ns` counts from its intended time.
    pub fn deliver(&mut self, mark: Mark, latency_ns: u64) -> Arrival {
        let arrival = self.settle(mark);
        match arrival {
            Arrival::First | Arrival::Late => {
                self.tally.delivered += 1;
                self.latency_us.saturating_record((latency_ns / 1000).max(1));
            }
            Arrival::Duplicate | Arrival::NeverSent | Arrival::GivenUp => return arrival,
        }
        let track = &mut self.flows[mark.flow as usize];
        if mark.sequence < track.next_in_order {
            self.tally.out_of_order += 1;
            return Arrival::Late;
        }
        track.next_in_order = mark.sequence + 1;
        Arrival::First
    }

    /// A stanza came back as an error with this condition.
    pub fn bounce(&mut self, mark: Mark, condition: &str) -> Arrival {
        let arrival = self.settle(mark);
        if arrival == Arrival::First {
            self.tally.bounced += 1;
            // What is sent back has been read.
            self.turn(mark);
            let group = usize::from(self.flows[mark.flow as usize].group);
            for conditions in [&mut self.conditions, &mut self.groups[group].bounced] {
                let known = conditions.len() < CONDITIONS_MAX || conditions.contains_key(condition);
                let condition = if known { condition } else { "other" };
                *conditions.entry(condition.to_owned()).or_default() += 1;
            }
        }
        arrival
    }

    /// A stanza that was counted as sent never left: the link closed first. It is taken out of the books.
    pub fn withdraw(&mut self, mark: Mark) {
        if self.settle(mark) == Arrival::First {
            self.tally.sent -= 1;
            self.withdrawn += 1;
            self.skip(mark.flow);
        }
    }

    /// A stanza that is to be echoed has come to where it turns.
    pub fn turn(&mut self, mark: Mark) {
        if let Some(track) = self.flows.get_mut(mark.flow as usize) {
            track.reached = track.reached.max(mark.sequence.saturating_add(1));
        }
    }

    /// The server ended the stream of this flow with an error, and nothing more of it comes. A stream has no receipts: what was written
    /// to it behind the last stanza that is known to have crossed was never read, as far as anybody can tell, and is taken out of the
    /// books like what never left. What misses in front of that stanza is lost.
    pub fn cut_off(&mut self, flow: u32) {
        let Some(track) = self.flows.get(flow as usize) else { return };
        let crossed = track.reached.max(track.next_in_order);
        for sequence in crossed..track.sent {
            let is_missing = self.flows[flow as usize].settled.insert(sequence);
            if is_missing {
                self.tally.sent -= 1;
                self.withdrawn += 1;
                self.skip(flow);
            }
        }
    }

    /// A stanza of this flow was due and could not be sent.
    pub fn skip(&mut self, flow: u32) {
        let group = self.flows.get(flow as usize).map_or(0, |track| track.group);
        self.groups[usize::from(group)].skipped += 1;
    }

    /// Whatever is under way counts as lost from now on, also if it still arrives: that is too late. Answers how much that was.
    pub fn give_up(&mut self) -> u64 {
        for track in &mut self.flows {
            let missing = track.missing() - track.given_up;
            track.given_up += missing;
            track.given_up_below = track.sent;
            self.groups[usize::from(track.group)].lost += missing;
        }
        let given_up = self.tally.outstanding();
        self.tally.given_up += given_up;
        given_up
    }

    /// How many were taken out again.
    pub fn withdrawn(&self) -> u64 {
        self.withdrawn
    }

    /// Something arrived that is not what was sent.
    pub fn corrupt(&mut self) {
        self.tally.corrupted += 1;
    }

    /// Something arrived that carries no mark of ours.
    pub fn foreign(&mut self) {
        self.tally.never_sent += 1;
    }

    /// The sums so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Bounces by condition.
    pub fn conditions(&self) -> &BTreeMap<String, u64> {
        &self.conditions
    }

    /// What was not delivered, by group; there is one at least.
    pub fn groups(&self) -> &[GroupTally] {
        &self.groups
    }

    /// Latencies of deliveries since the last [`Ledger::forget_latency`], in microseconds.
    pub fn latency_us(&self) -> &Histogram<u64> {
        &self.latency_us
    }

    /// Begins the latencies anew, after a warm-up.
    pub fn forget_latency(&mut self) {
        self.latency_us.reset();
    }

    /// The flows that miss stanzas, with how many, at most `max` of them.
    pub fn missing(&self, max: usize) -> Vec<(u32, u64)> {
        let flows = self.flows.iter().zip(0u32..);
        flows
            .map(|(track, flow)| (flow, track.missing()))
            .filter(|(_, missing)| *missing > 0)
            .take(max)
            .collect()
    }

    fn settle(&mut self, mark: Mark) -> Arrival {
        match self.flows.get_mut(mark.flow as usize) {
            Some(track) if mark.sequence < track.sent => {
                if track.settled.insert(mark.sequence) {
                    if mark.sequence >= track.given_up_below {
                        return Arrival::First;
                    }
                    track.given_up -= 1;
                    return Arrival::GivenUp;
                }
                self.tally.duplicated += 1;
                Arrival::Duplicate
            }
            _ => {
                self.tally.never_sent += 1;
                Arrival::NeverSent
            }
        }
    }
}

#[derive(Debug, Default)]
struct Track {
    sent: u32,
    next_in_order: u32,
    /// Behind the last that turned back or bounced.
    reached: u32,
    settled: SequenceSet,
    group: u16,
    /// Of those that miss, given up; all of these are below that place.
    given_up: u64,
    given_up_below: u32,
}

impl Track {
    fn missing(&self) -> u64 {
        u64::from(self.sent) - self.settled.len
    }
}

/// A set of numbers that fills from the left: full words at its front are dropped.
#[derive(Debug, Default)]
struct SequenceSet {
    first_word: u32,
    words: VecDeque<u64>,
    len: u64,
}

impl SequenceSet {
    /// Whether the number is new.
    fn insert(&mut self, number: u32) -> bool {
        let word = number / 64;
        let Some(at) = word.checked_sub(self.first_word) else { return false };
        let at = at as usize;
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        let bit = 1 << (number % 64);
        if self.words[at] & bit != 0 {
            return false;
        }
        self.words[at] |= bit;
        self.len += 1;
        while self.words.front() == Some(&u64::MAX) {
            self.words.pop_front();
            self.first_word += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `count` stanzas in one flow and lets `network` decide what arrives, in which order.
    fn run(count: u32, network: impl Fn(Vec<Mark>) -> Vec<Mark>) -> Ledger {
        let mut ledger = Ledger::new(1);
        let sent = (0..count).map(|_| Mark { flow: 0, sequence: ledger.send(0) }).collect();
        for mark in network(sent) {
            ledger.deliver(mark, 1_000_000);
        }
        ledger
    }

    #[test]
    fn a_faithful_network_leaves_no_fault() {
        let ledger = run(1000, |sent| sent);
        assert_eq!(ledger.tally(), Tally { sent: 1000, delivered: 1000, ..Tally::default() });
        assert!(ledger.tally().faults().is_empty());
        assert_eq!(ledger.latency_us().len(), 1000);
        assert!(ledger.missing(10).is_empty());
        // What is settled takes no room.
        assert!(ledger.flows[0].settled.words.len() <= 1);
    }

    #[test]
    fn a_lossy_network_is_found_out() {
        let ledger =
            run(1000, |sent| sent.into_iter().filter(|mark| mark.sequence % 100 != 7).collect());
        assert_eq!(ledger.tally().outstanding(), 10);
        assert_eq!(ledger.tally().faults(), ["10 lost"]);
        assert_eq!(ledger.missing(10), [(0, 10)]);
    }

    #[test]
    fn a_duplicating_network_is_found_out() {
        let ledger = run(300, |sent| {
            let again = [sent[3], sent[200]];
            sent.into_iter().chain(again).collect()
        });
        assert_eq!(ledger.tally().faults(), ["2 duplicated"]);
        assert_eq!(ledger.tally().delivered, 300);
    }

    #[test]
    fn a_reordering_network_is_found_out() {
        let ledger = run(300, |mut sent| {
            sent.swap(10, 11);
            sent.swap(100, 103);
            sent
        });
        // 11 before 10; 103 before 101, 102 and 100.
        assert_eq!(ledger.tally().faults(), ["4 out of order"]);
    }

    #[test]
    fn a_network_that_invents_stanzas_is_found_out() {
        let ledger = run(2, |mut sent| {
            sent.push(Mark { flow: 0, sequence: 2 });
            sent.push(Mark { flow: 9, sequence: 0 });
            sent
        });
        assert_eq!(ledger.tally().faults(), ["2 never sent, but received"]);
    }

    #[test]
    fn a_stanza_is_not_both_delivered_and_bounced() {
        let mut ledger = Ledger::new(1);
        let mark = Mark { flow: 0, sequence: ledger.send(0) };
        assert_eq!(ledger.bounce(mark, "remote-server-not-found"), Arrival::First);
        assert_eq!(ledger.deliver(mark, 0), Arrival::Duplicate);
        assert_eq!(
            ledger.tally(),
            Tally { sent: 1, bounced: 1, duplicated: 1, ..Tally::default() }
        );
        assert_eq!(ledger.conditions()["remote-server-not-found"], 1);
    }

    #[test]
    fn a_stanza_that_never_left_is_no_loss() {
        let mut ledger = Ledger::new(1);
        let mark = Mark { flow: 0, sequence: ledger.send(0) };
        ledger.withdraw(mark);
        assert_eq!((ledger.tally(), ledger.withdrawn()), (Tally::default(), 1));
        assert!(ledger.missing(1).is_empty());
    }

    #[test]
    fn behind_the_last_that_crossed_a_stream_that_was_cut_off_nothing_is_lost() {
        let mut ledger = Ledger::new(2);
        let marks: Vec<_> = (0..10).map(|_| Mark { flow: 0, sequence: ledger.send(0) }).collect();
        for at in [0, 1, 3, 5] {
            ledger.deliver(marks[at], 0);
        }
        // One that turned has been read, and may not be lost on its way back.
        ledger.turn(marks[6]);
        ledger.cut_off(0);
        let tally = ledger.tally();
        assert_eq!((tally.sent, tally.settled(), tally.outstanding()), (7, 4, 3));
        assert_eq!((ledger.withdrawn(), ledger.groups()[0].skipped), (3, 3));
        assert_eq!(ledger.missing(9), [(0, 3)]);
        assert_eq!(ledger.deliver(marks[6], 0), Arrival::First);
        assert_eq!((ledger.give_up(), ledger.groups()[0].lost), (2, 2));
    }

    #[test]
    fn in_front_of_a_bounce_a_stream_that_was_cut_off_has_lost_what_misses() {
        let mut ledger = Ledger::new(1);
        let marks: Vec<_> = (0..5).map(|_| Mark { flow: 0, sequence: ledger.send(0) }).collect();
        ledger.bounce(marks[3], "gone");
        ledger.cut_off(0);
        assert_eq!((ledger.withdrawn(), ledger.tally().outstanding()), (1, 3));
    }

    #[test]
    fn a_latency_is_kept_in_microseconds_and_that_of_a_bounce_is_not() {
        let mut ledger = Ledger::new(1);
        let marks: Vec<_> = (0..3).map(|_| Mark { flow: 0, sequence: ledger.send(0) }).collect();
        ledger.deliver(marks[0], 1_500_000);
        ledger.deliver(marks[1], 999);
        ledger.bounce(marks[2], "gone");
        ledger.deliver(marks[0], 7_000_000);
        let latencies = ledger.latency_us();
        assert_eq!((latencies.len(), latencies.min(), latencies.max()), (2, 1, 1500));
    }

    #[test]
    fn what_was_given_up_stays_lost_when_it_comes_after_all() {
        let mut ledger = Ledger::new(0);
        let flow = ledger.add_flow_in(2);
        let marks: Vec<_> = (0..4).map(|_| Mark { flow, sequence: ledger.send(flow) }).collect();
        ledger.deliver(marks[0], 0);
        assert_eq!((ledger.give_up(), ledger.tally().outstanding()), (3, 0));
        assert_eq!(ledger.deliver(marks[2], 0), Arrival::GivenUp);
        assert_eq!(ledger.deliver(marks[2], 0), Arrival::Duplicate);
        let mark = Mark { flow, sequence: ledger.send(flow) };
        assert_eq!(ledger.deliver(mark, 0), Arrival::First);
        let tally = ledger.tally();
        assert_eq!((tally.delivered, tally.lost(), tally.outstanding()), (2, 3, 0));
        assert_eq!(tally.faults(), ["3 lost", "1 duplicated"]);
        assert_eq!(ledger.give_up(), 0);
        assert_eq!((ledger.groups()[2].lost, ledger.groups()[0].lost), (3, 0));
    }

    #[test]
    fn each_group_has_books_of_what_did_not_arrive() {
        let mut ledger = Ledger::new(0);
        let flows = [0, 1].map(|group| ledger.add_flow_in(group));
        for flow in flows {
            let mark = Mark { flow, sequence: ledger.send(flow) };
            ledger.bounce(mark, if flow == 0 { "gone" } else { "conflict" });
        }
        ledger.skip(flows[1]);
        let gone = Mark { flow: flows[1], sequence: ledger.send(flows[1]) };
        ledger.withdraw(gone);
        let [one, other] = ledger.groups() else { unreachable!() };
        let bounced = |condition: &str| BTreeMap::from([(condition.to_owned(), 1)]);
        assert_eq!((one.bounced.clone(), one.skipped), (bounced("gone"), 0));
        assert_eq!((other.bounced.clone(), other.skipped), (bounced("conflict"), 2));
    }

    #[test]
    fn conditions_are_bounded() {
        let mut ledger = Ledger::new(1);
        for number in 0..1000 {
            let mark = Mark { flow: 0, sequence: ledger.send(0) };
            ledger.bounce(mark, &format!("condition-{number}"));
        }
        assert!(ledger.conditions().len() <= CONDITIONS_MAX + 1);
        assert_eq!(ledger.conditions().values().sum::<u64>(), 1000);
    }
}
