//! When requests are traced: in windows, so that what tracing costs Node stays small. Pure; the clock is given.
//!
//! With little traffic every request is traced, for then the cost does not matter and the evidence does.

/// Length of a window. Short enough that the shadow side keeps up with what one brings, long enough that
/// Node's context storage is off for most of the time.
const WINDOW_MS: i64 = 1_000;
/// How far back traffic is looked at, in seconds.
const LATELY: usize = 10;
/// Up to so many requests within that time are little traffic: 5 a second are a few per cent of one core of Node.
const FEW: u32 = 50;

/// Decides for each request, in the order of their arrival.
#[derive(Debug)]
pub struct Duty {
    /// Share of the time that windows are open, in per cent.
    percent: u32,
    /// Requests of the last seconds: which second, and how many.
    seconds: [(i64, u32); LATELY],
}

impl Duty {
    /// Windows that are open for `percent` of the time; 100 and more: always.
    pub fn new(percent: u32) -> Self {
        Self { percent: percent.clamp(1, 100), seconds: [(i64::MIN, 0); LATELY] }
    }

    /// Counts a request that arrives at `now_ms` (epoch), and says whether it is traced.
    pub fn takes(&mut self, now_ms: i64) -> bool {
        self.count(now_ms) <= FEW || self.open(now_ms)
    }

    /// Requests lately, this one included.
    fn count(&mut self, now_ms: i64) -> u32 {
        let second = now_ms.div_euclid(1_000);
        let place = usize::try_from(second.rem_euclid(LATELY as i64)).unwrap_or(0);
        if self.seconds[place].0 != second {
            self.seconds[place] = (second, 0);
        }
        self.seconds[place].1 = self.seconds[place].1.saturating_add(1);
        let lately = second.saturating_sub(LATELY as i64 - 1)..=second;
        let counts = self.seconds.iter().filter(|(at, _)| lately.contains(at));
        counts.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Whether a window is open. Each period has one, at a place of its own: what comes at regular times
    /// would otherwise be met always or never.
    fn open(&self, now_ms: i64) -> bool {
        let period = WINDOW_MS * 100 / i64::from(self.percent);
        let (number, within) = (now_ms.div_euclid(period), now_ms.rem_euclid(period));
        let start = scattered(number).rem_euclid(period - WINDOW_MS + 1);
        (start..start + WINDOW_MS).contains(&within)
    }
}

/// A number that looks random, always the same for the same one (the last step of SplitMix64).
fn scattered(number: i64) -> i64 {
    let mut bits = number.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)).cast_signed()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const START: i64 = 1_764_000_000_123;

    /// Of requests every `gap` ms for `seconds`, the times since the start of those that are traced.
    fn taken(percent: u32, gap: i64, seconds: i64) -> Vec<i64> {
        let mut duty = Duty::new(percent);
        let times = (0..seconds * 1_000 / gap).map(|n| n * gap);
        times.filter(|since| duty.takes(START + since)).collect()
    }

    #[rstest]
    #[case(10)]
    #[case(20)]
    #[case(33)]
    #[case(75)]
    fn much_traffic_is_traced_for_the_share_of_the_time_that_was_asked(#[case] percent: u32) {
        let share = taken(percent, 10, 600).len() as f64 / 60_000.0 * 100.0;
        // Whole periods but for the ends, and the first fifty requests.
        assert!((share - f64::from(percent)).abs() < 0.5, "{share}");
    }

    #[test]
    fn windows_last_a_second_and_are_not_at_regular_times() {
        let times: Vec<i64> = taken(10, 10, 600).into_iter().filter(|at| *at > 10_000).collect();
        let begins = || {
            let pairs = times.windows(2).filter(|pair| pair[1] - pair[0] > 10);
            pairs.map(|pair| pair[1]).collect::<Vec<_>>()
        };
        assert!((50..60).contains(&begins().len()), "{}", begins().len());
        let mut apart: Vec<i64> = begins().windows(2).map(|pair| pair[1] - pair[0]).collect();
        apart.sort_unstable();
        apart.dedup();
        assert!(apart.len() > 40, "{apart:?}");
        for begin in &begins()[1..50] {
            let inside = times.iter().filter(|at| (*begin..begin + 990).contains(at)).count();
            assert_eq!(inside, 99, "{begin}");
        }
    }

    #[test]
    fn each_part_of_a_minute_is_met_in_the_long_run() {
        let mut duty = Duty::new(10);
        let mut met = [0; 60];
        for n in 0..100 * 3_600 {
            let now = START + n * 100;
            if duty.takes(now) {
                met[usize::try_from(now / 1_000 % 60).unwrap()] += 1;
            }
        }
        assert!(met.iter().all(|times| *times > 300), "{met:?}");
    }

    #[test]
    fn hundred_per_cent_is_always() {
        assert_eq!(taken(100, 1, 30).len(), 30_000);
        assert_eq!(taken(1_000, 1, 30).len(), 30_000);
    }

    #[test]
    fn little_traffic_is_always_traced() {
        assert_eq!(taken(1, 1_000, 3_600).len(), 3_600);
        assert_eq!(taken(1, 250, 600).len(), 2_400);
        // Too much for that: one of a hundred seconds, after the first fifty requests.
        assert!(taken(1, 100, 600).len() < 50 + 80);
    }

    #[test]
    fn little_traffic_after_much_is_soon_little() {
        let mut duty = Duty::new(1);
        let much = (0..10_000).filter(|n| duty.takes(START + n)).count();
        assert!(much < 50 + 1_001, "{much}");
        let later = (0..60).filter(|n| duty.takes(START + 21_000 + n * 1_000)).count();
        assert_eq!(later, 60);
    }

    #[test]
    fn a_clock_that_is_set_back_starves_nothing() {
        let mut duty = Duty::new(1);
        (0..10_000).for_each(|n| {
            duty.takes(START + n);
        });
        assert!(duty.takes(START - 3_600_000));
        assert!(duty.takes(-5));
    }
}
