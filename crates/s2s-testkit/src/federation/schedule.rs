//! When which flow sends, fixed before a run: nothing that the server under test does can move a time or change a turn.
//!
//! [`Schedule`] yields the intended times of an open loop with the flow that is due; [`Turns`] alone says whose turn is next, for a
//! closed loop. Both follow from a seed. The tables are made once; after that a stanza costs no allocation.

use std::num::NonZeroU32;

use crate::random::Random;

const SECOND_NS: f64 = 1e9;

/// How intended times lie on the time line. The mean rate is the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// At equal distances.
    Constant,
    /// Independent of each other: exponentially distributed distances, as many senders that do not know of each other make them.
    Poisson,
    /// So many at the same moment, then nothing until the next so many.
    Bursts(u32),
}

/// How often each flow has its turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Popularity {
    /// Equally often: round and round in an order that follows from the seed.
    Uniform,
    /// The flow of rank k, counted from 1, in proportion to k to the power of minus this exponent; independent draws. Which flow has
    /// which rank follows from the seed. 0 makes all equally likely; what is measured on the Internet is about 1.
    Zipf(f64),
}

/// One stanza that will be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Nanoseconds since the run began.
    pub at_ns: u64,
    /// Number of the flow.
    pub flow: u32,
}

/// The intended times of a run and whose they are, without end; the times never decrease.
#[derive(Clone, Debug)]
pub struct Schedule {
    clock: Clock,
    turns: Turns,
}

impl Schedule {
    /// `rate` stanzas a second in the mean over the flows of `turns`. The rate must be above 0.
    pub fn new(rate: f64, arrivals: Arrivals, turns: Turns, seed: u64) -> Schedule {
        Schedule { clock: Clock::new(rate, arrivals, seed), turns }
    }
}

impl Iterator for Schedule {
    type Item = Due;

    /// None only when there are no flows.
    fn next(&mut self) -> Option<Due> {
        let flow = self.turns.next()?;
        Some(Due { at_ns: self.clock.next_ns(), flow })
    }
}

#[derive(Clone, Debug)]
struct Clock {
    arrivals: Arrivals,
    /// Stanzas a second.
    rate: f64,
    /// Stanzas so far.
    count: u64,
    /// Of a Poisson arrival, the time of the last one. A day in nanoseconds takes 47 of the 53 bits, so no run is long enough for
    /// the sum to lose a nanosecond at a stanza.
    last_ns: f64,
    random: Random,
}

impl Clock {
    fn new(rate: f64, arrivals: Arrivals, seed: u64) -> Clock {
        // Turns are drawn from the same seed: another sequence for the times.
        let random = Random::new(!seed);
        Clock { arrivals, rate, count: 0, last_ns: 0.0, random }
    }

    fn next_ns(&mut self) -> u64 {
        let number = self.count;
        self.count += 1;
        let at_ns = match self.arrivals {
            // From the number, not from the time before: errors of rounding do not add up.
            Arrivals::Constant => number as f64 * SECOND_NS / self.rate,
            Arrivals::Bursts(stanzas) => {
                let stanzas = u64::from(stanzas.max(1));
                (number - number % stanzas) as f64 * SECOND_NS / self.rate
            }
            Arrivals::Poisson => {
                // The inverse of the exponential distribution's function; the argument of the logarithm is never 0.
                self.last_ns -= self.random.unit().ln() * SECOND_NS / self.rate;
                self.last_ns
            }
        };
        at_ns as u64
    }
}

/// Whose turn it is, without end.
#[derive(Clone, Debug)]
pub struct Turns {
    /// The flows in an order from the seed.
    order: Vec<u32>,
    draw: Draw,
    /// Turns that a flow has in a row, and how many of them the last one has left.
    run: u32,
    left: u32,
    last: Option<u32>,
}

#[derive(Clone, Debug)]
enum Draw {
    Round { next: usize },
    Weighted { urn: Urn, random: Random },
}

impl Turns {
    /// Turns over `flows`.
    pub fn new(flows: &[u32], popularity: Popularity, seed: u64) -> Turns {
        let mut random = Random::new(seed);
        let mut order = flows.to_vec();
        random.shuffle(&mut order);
        let draw = match popularity {
            Popularity::Uniform => Draw::Round { next: 0 },
            Popularity::Zipf(exponent) => {
                let weights: Vec<f64> =
                    (1..=order.len()).map(|rank| (rank as f64).powf(-exponent)).collect();
                Draw::Weighted { urn: Urn::new(&weights), random }
            }
        };
        Turns { order, draw, run: 1, left: 0, last: None }
    }

    /// The same with so many turns in a row for each.
    #[must_use]
    pub fn in_runs(self, run: NonZeroU32) -> Turns {
        Turns { run: run.get(), ..self }
    }

    /// The flows from the one that has most turns to the one that has fewest.
    pub fn by_rank(&self) -> &[u32] {
        &self.order
    }
}

impl Iterator for Turns {
    type Item = u32;

    /// None only when there are no flows.
    fn next(&mut self) -> Option<u32> {
        if self.left > 0 {
            self.left -= 1;
            return self.last;
        }
        let index = match &mut self.draw {
            Draw::Round { next } => {
                let index = *next;
                *next = if index + 1 < self.order.len() { index + 1 } else { 0 };
                index
            }
            Draw::Weighted { urn, random } => urn.draw(random.next()),
        };
        self.left = self.run - 1;
        self.last = self.order.get(index).copied();
        self.last
    }
}

/// Draws an index in proportion to its weight in constant time: the alias method (Walker 1977), its table filled as in Vose 1991,
/// "A linear algorithm for generating random numbers with a given distribution". Eight bytes an index. What rounding
/// to 32 bits takes from or adds to an index with less than the mean, the one it shares a slot with makes up for: no probability is off
/// by more than 2^-32, and a small one by that divided by the number of indices.
#[derive(Clone, Debug)]
struct Urn {
    slots: Vec<Slot>,
}

/// As many slots as indices, each equally likely, each shared by at most two.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The share of the slot that belongs to the index of the same number, in units of 2^-32.
    own: u32,
    /// Whose the rest is.
    other: u32,
}

impl Urn {
    fn new(weights: &[f64]) -> Urn {
        let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
        // In units of a slot: those below 1 leave room, which those above 1 fill.
        let mut left: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
        // An index that nobody shares a slot with: whatever is drawn there is its own.
        let mut slots: Vec<Slot> =
            (0u32..).zip(weights).map(|(index, _)| Slot { own: u32::MAX, other: index }).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) = (0u32..)
            .zip(&left)
            .map(|(index, _)| index)
            .partition(|&index| left[index as usize] < 1.0);
        while let (Some(&poor), Some(&rich)) = (small.last(), large.last()) {
            small.pop();
            let share = left[poor as usize];
            slots[poor as usize] =
                Slot { own: (share * (1u64 << 32) as f64).round() as u32, other: rich };
            // Vose: subtract what was given away from the sum, in the order that loses least.
            left[rich as usize] = (left[rich as usize] + share) - 1.0;
            if left[rich as usize] < 1.0 {
                large.pop();
                small.push(rich);
            }
        }
        Urn { slots }
    }

    /// `random`: 64 bits, of which the upper ones say which slot and what is left of them where in it.
    fn draw(&self, random: u64) -> usize {
        let product = u128::from(random) * self.slots.len() as u128;
        // Below the number of slots, and 32 bits, by construction.
        let slot = (product >> 64) as usize;
        let place = (product >> 32) as u32;
        match self.slots.get(slot) {
            Some(Slot { own, .. }) if place < *own => slot,
            Some(Slot { other, .. }) => *other as usize,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 1000.0;
    const FLOWS: [u32; 5] = [3, 1, 4, 15, 92];

    fn schedule(arrivals: Arrivals, popularity: Popularity, seed: u64) -> Schedule {
        Schedule::new(RATE, arrivals, Turns::new(&FLOWS, popularity, seed), seed)
    }

    /// Distances of `count` stanzas in seconds.
    fn distances(arrivals: Arrivals, count: usize) -> Vec<f64> {
        let times: Vec<u64> = schedule(arrivals, Popularity::Uniform, 5)
            .take(count + 1)
            .map(|due| due.at_ns)
            .collect();
        assert!(times.is_sorted(), "{arrivals:?}");
        times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / SECOND_NS).collect()
    }

    fn mean_and_variance(values: &[f64]) -> (f64, f64) {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count)
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_seed_another_one() {
        for arrivals in [Arrivals::Constant, Arrivals::Poisson, Arrivals::Bursts(7)] {
            for popularity in [Popularity::Uniform, Popularity::Zipf(1.0)] {
                let first = |seed| -> Vec<Due> {
                    schedule(arrivals, popularity, seed).take(1000).collect()
                };
                assert_eq!(first(1), first(1), "{arrivals:?} {popularity:?}");
                assert_ne!(first(1), first(2), "{arrivals:?} {popularity:?}");
            }
        }
    }

    #[test]
    fn constant_times_are_equidistant_and_do_not_drift() {
        // A distance that no double and no nanosecond holds exactly.
        let turns = Turns::new(&FLOWS, Popularity::Uniform, 1);
        let mut schedule = Schedule::new(3.0, Arrivals::Constant, turns, 1);
        let hour = 3 * 3600;
        let due = schedule.nth(hour).unwrap();
        assert_eq!(due.at_ns, 3_600_000_000_000);
        assert!(distances(Arrivals::Constant, 1000).iter().all(|distance| *distance == 0.001));
    }

    #[test]
    fn poisson_distances_have_the_mean_and_the_variance_of_an_exponential_distribution() {
        let (mean, variance) = mean_and_variance(&distances(Arrivals::Poisson, 100_000));
        // The standard errors are 1/316 of the mean and sqrt(8)/316 of the variance; four of them.
        assert!((mean * RATE - 1.0).abs() < 0.013, "{mean}");
        assert!((variance * RATE * RATE - 1.0).abs() < 0.036, "{variance}");
    }

    #[test]
    fn poisson_counts_vary_as_much_as_their_mean() {
        let mut counts = vec![0.0; 10_000];
        for due in schedule(Arrivals::Poisson, Popularity::Uniform, 11) {
            // Tenths of a second hold 100 in the mean.
            match counts.get_mut((due.at_ns / 100_000_000) as usize) {
                Some(count) => *count += 1.0,
                None => break,
            }
        }
        let (mean, variance) = mean_and_variance(&counts);
        assert!((mean - 100.0).abs() < 0.5, "{mean}");
        // The standard error of the variance is sqrt(2/10,000) of it.
        assert!((variance / mean - 1.0).abs() < 0.06, "{variance}");
    }

    #[test]
    fn bursts_come_at_once_and_the_mean_rate_stays() {
        let dues: Vec<Due> =
            schedule(Arrivals::Bursts(50), Popularity::Uniform, 1).take(200).collect();
        for (number, burst) in dues.chunks(50).enumerate() {
            let at_ns = number as u64 * 50_000_000;
            assert!(burst.iter().all(|due| due.at_ns == at_ns), "{burst:?}");
        }
    }

    #[test]
    fn uniform_turns_go_round_and_every_flow_is_there() {
        let turns: Vec<u32> = Turns::new(&FLOWS, Popularity::Uniform, 9).take(15).collect();
        assert_eq!(turns[..5], turns[5..10]);
        let mut round = turns[10..].to_vec();
        round.sort_unstable();
        assert_eq!(round, [1, 3, 4, 15, 92]);
    }

    #[test]
    fn in_runs_each_flow_has_its_turns_in_a_row() {
        let plain: Vec<u32> = Turns::new(&FLOWS, Popularity::Zipf(1.0), 9).take(20).collect();
        let turns =
            Turns::new(&FLOWS, Popularity::Zipf(1.0), 9).in_runs(NonZeroU32::new(3).unwrap());
        let runs: Vec<u32> = turns.take(60).collect();
        assert_eq!(runs, plain.iter().flat_map(|&flow| [flow; 3]).collect::<Vec<_>>());
    }

    #[test]
    fn without_flows_there_are_no_turns() {
        for popularity in [Popularity::Uniform, Popularity::Zipf(1.0)] {
            let turns = Turns::new(&[], popularity, 1);
            assert_eq!(Schedule::new(1.0, Arrivals::Poisson, turns, 1).next(), None);
        }
    }

    /// Pearson's statistic of 200,000 draws over 1,000 flows against the theory, and its limit.
    fn chi_square(exponent: f64, expected_exponent: f64) -> (f64, f64) {
        const COUNT: u32 = 1000;
        const DRAWS: usize = 200_000;
        let flows: Vec<u32> = (0..COUNT).collect();
        let turns = Turns::new(&flows, Popularity::Zipf(exponent), 1597);
        let mut rank_of = vec![0; flows.len()];
        for (rank, flow) in turns.by_rank().iter().enumerate() {
            rank_of[*flow as usize] = rank;
        }
        let mut found = vec![0u32; flows.len()];
        for flow in turns.take(DRAWS) {
            found[rank_of[flow as usize]] += 1;
        }
        let weight = |rank: usize| (rank as f64 + 1.0).powf(-expected_exponent);
        let sum: f64 = (0..flows.len()).map(weight).sum();
        let statistic = (0..flows.len()).map(|rank| {
            let expected = weight(rank) / sum * DRAWS as f64;
            (f64::from(found[rank]) - expected).powi(2) / expected
        });
        // For many degrees of freedom f nearly normal with mean f and variance 2 f; four standard deviations.
        let freedom = f64::from(COUNT - 1);
        (statistic.sum(), freedom + 4.0 * (2.0 * freedom).sqrt())
    }

    #[test]
    fn zipf_frequencies_are_those_of_the_theory() {
        for exponent in [0.0, 0.5, 0.9, 1.0, 1.1] {
            let (statistic, limit) = chi_square(exponent, exponent);
            assert!(statistic < limit, "exponent {exponent}: {statistic} is not below {limit}");
        }
    }

    #[test]
    fn the_chi_square_test_tells_near_exponents_apart() {
        let (statistic, limit) = chi_square(1.0, 1.02);
        assert!(statistic > limit, "{statistic} is not above {limit}");
    }

    #[test]
    fn an_urn_gives_each_index_its_share() {
        let weights: Vec<f64> = (1..=977).map(|rank| 1.0 / f64::from(rank)).collect();
        let sum: f64 = weights.iter().sum();
        let urn = Urn::new(&weights);
        let mut shares = vec![0.0; weights.len()];
        for (index, slot) in urn.slots.iter().enumerate() {
            let own = f64::from(slot.own) / (1u64 << 32) as f64;
            shares[index] += own / weights.len() as f64;
            shares[slot.other as usize] += (1.0 - own) / weights.len() as f64;
        }
        for (share, weight) in shares.iter().zip(&weights) {
            let error = (share - weight / sum).abs() * (1u64 << 32) as f64;
            assert!(error < if *weight / sum < 1.0 / 977.0 { 1.0 / 977.0 } else { 1.0 }, "{error}");
        }
    }

    #[test]
    fn a_hundred_thousand_flows_take_a_moment() {
        let flows: Vec<u32> = (0..100_000).collect();
        let turns = Turns::new(&flows, Popularity::Zipf(1.0), 3);
        let most = turns.by_rank()[0];
        let mut schedule = Schedule::new(40_000.0, Arrivals::Poisson, turns, 3);
        let count = schedule.by_ref().take(100_000).filter(|due| due.flow == most).count();
        // The first of them has 1 / H(100,000) = 8.27 % of the turns.
        assert!((7_900..8_640).contains(&count), "{count}");
    }
}
