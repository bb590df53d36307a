//! How long a slot rests after a failure: exponential, with jitter, capped.

use s2s_proto::Millis;

use crate::random::Random;

/// How fast the rests grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffConfig {
    /// The first ceiling, and half of it the floor of every rest, in ms. Default 2,000.
    pub first_ms: u64,
    /// No rest is longer, in ms. Default 300,000: a peer that came back is tried again within five minutes.
    pub cap_ms: u64,
}

impl Default for BackoffConfig {
    fn default() -> BackoffConfig {
        BackoffConfig { first_ms: 2_000, cap_ms: 300_000 }
    }
}

/// Counts the failures in a row of one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Notes a failure and answers until when to rest.
    ///
    /// The rest is drawn evenly between a floor (`first_ms / 2`) and a ceiling that doubles with every failure up to
    /// `cap_ms` ("full jitter" with a floor), so that thousands of slots that lost their peers in the same second
    /// do not come back in the same second.
    pub fn fail(&mut self, now: Millis, config: BackoffConfig, random: &mut Random) -> Millis {
        let ceiling = ceiling_ms(self.failures, config);
        self.failures = self.failures.saturating_add(1);
        now.after(random.between((config.first_ms / 2).min(ceiling), ceiling))
    }

    /// Forgets the failures: the slot worked for long enough.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

fn ceiling_ms(failures: u32, config: BackoffConfig) -> u64 {
    // 2^40 ms is 34 years: past any cap, and far from overflowing the multiplication's saturation.
    let factor = 1u64 << failures.min(40);
    config.first_ms.saturating_mul(factor).min(config.cap_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: BackoffConfig = BackoffConfig { first_ms: 1_000, cap_ms: 60_000 };

    #[test]
    fn ceilings_double_up_to_the_cap() {
        let table = [
            (0, 1_000),
            (1, 2_000),
            (2, 4_000),
            (5, 32_000),
            (6, 60_000),
            (7, 60_000),
            (u32::MAX, 60_000),
        ];
        for (failures, expected) in table {
            assert_eq!(ceiling_ms(failures, CONFIG), expected, "after {failures} failures");
        }
    }

    #[test]
    fn rests_fill_the_range_between_floor_and_ceiling() {
        let mut random = Random::new(3);
        let rests: Vec<u64> = (0..2_000)
            .map(|_| {
                Backoff { failures: 4 }.fail(Millis(100), CONFIG, &mut random).since(Millis(100))
            })
            .collect();
        assert!(rests.iter().all(|rest| (500..=16_000).contains(rest)));
        assert!(rests.iter().any(|rest| *rest < 2_000) && rests.iter().any(|rest| *rest > 14_000));
    }

    #[test]
    fn reset_starts_over() {
        let mut random = Random::new(3);
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.fail(Millis(0), CONFIG, &mut random);
        }
        backoff.reset();
        assert_eq!(backoff.failures(), 0);
        assert!(backoff.fail(Millis(0), CONFIG, &mut random) <= Millis(1_000));
    }
}
