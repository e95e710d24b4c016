//! Rates with their 95 % intervals, and the resampling behind the intervals that have no formula.
//!
//! Owns: Clopper-Pearson, the cluster bootstrap and a small reproducible generator. Does not own: what is counted.
//! Invariants: an interval holds its rate; nothing counted means 0 to 1, never a certainty; the same seed gives the
//! same report on every machine.

use std::fmt;

use serde::Serialize;

/// A proportion of trials with its two-sided 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// Trials that count.
    pub hits: u64,
    /// All trials.
    pub of: u64,
    /// `hits / of`; 0 when there was no trial.
    pub rate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Rate {
    /// Independent trials: Clopper and Pearson's interval (Biometrika 26, 1934), which never promises too much.
    #[must_use]
    pub fn of(hits: u64, of: u64) -> Self {
        Self::clustered(hits, of, of)
    }

    /// Trials that hang together in `clusters` groups (the pictures of one person, the same person in several
    /// splits): the interval is that of as many independent trials as there are groups. This is the worst case, in
    /// which the trials of a group always end alike.
    #[must_use]
    pub fn clustered(hits: u64, of: u64, clusters: u64) -> Self {
        if of == 0 || clusters == 0 {
            return Self { hits, of, rate: 0.0, low: 0.0, high: 1.0 };
        }
        let rate = hits as f64 / of as f64;
        let trials = clusters.min(of) as f64;
        let (low, high) = clopper_pearson(rate * trials, trials);
        Self { hits, of, rate, low: low.min(rate), high: high.max(rate) }
    }

    /// A rate whose interval was found by resampling `clusters` groups. Where all trials ended alike every resample
    /// does, too, and says nothing of how sure that is: the interval is then that of [`Rate::clustered`].
    #[must_use]
    pub fn resampled(hits: u64, of: u64, interval: (f64, f64), clusters: u64) -> Self {
        let formula = Self::clustered(hits, of, clusters);
        if hits == 0 || hits == of {
            return formula;
        }
        Self { low: interval.0.min(formula.rate), high: interval.1.max(formula.rate), ..formula }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of == 0 {
            return f.write_str("none tried");
        }
        let [rate, low, high] = [self.rate, self.low, self.high].map(|x| x * 100.0);
        let digits = if self.rate > 0.0 && self.rate < 1e-3 { 4 } else { 2 };
        write!(f, "{rate:.digits$} % [{low:.digits$}, {high:.digits$}] ({} of {})", self.hits, self.of)
    }
}

/// A number with a 95 % interval found by resampling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// From all data.
    pub value: f64,
    /// 2.5 % of the resamples lie below.
    pub low: f64,
    /// 2.5 % of the resamples lie above.
    pub high: f64,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} [{:.4}, {:.4}]", self.value, self.low, self.high)
    }
}

/// `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014): small, and the same on every machine.
pub(in super::super) struct Random(u64);

impl Random {
    pub(in super::super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// 0 to n - 1; the bias of the multiplication is below 2^-40 for any n that a data set has.
    pub(in super::super) const fn below(&mut self, n: usize) -> usize {
        ((self.next() as u128 * n as u128) >> 64) as usize
    }

    pub(in super::super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Spreads every bit over all bits.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The same number for the same text for ever (FNV-1a, then mixed): it splits people into halves.
pub(super) fn stable_hash(text: &str) -> u64 {
    mix(text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)))
}

/// The interval of a statistic under resampling of whole clusters (people, images, groups of linked people).
///
/// `statistic` gets how often each cluster was drawn. Replicates without a value (NaN) are passed over.
pub(super) fn bootstrap(
    clusters: usize,
    replicates: usize,
    seed: u64,
    mut statistic: impl FnMut(&[u32]) -> f64,
) -> (f64, f64) {
    let mut values: Vec<f64> = Vec::with_capacity(replicates);
    resample(clusters, replicates, seed, |drawn| values.push(statistic(drawn)));
    interval(&mut values)
}

/// Calls `each` with how often each cluster was drawn, once a replicate.
pub(super) fn resample(clusters: usize, replicates: usize, seed: u64, mut each: impl FnMut(&[u32])) {
    let mut random = Random::new(seed);
    let mut drawn = vec![0_u32; clusters];
    for _ in 0..if clusters == 0 { 0 } else { replicates } {
        drawn.fill(0);
        for _ in 0..clusters {
            drawn[random.below(clusters)] += 1;
        }
        each(&drawn);
    }
}

/// The middle 95 % of what resampling gave.
pub(super) fn interval(values: &mut Vec<f64>) -> (f64, f64) {
    values.retain(|v| !v.is_nan());
    if values.is_empty() {
        return (f64::NEG_INFINITY, f64::INFINITY);
    }
    values.sort_by(f64::total_cmp);
    let at = |q: f64| values[((values.len() - 1) as f64 * q).round() as usize];
    (at(0.025), at(0.975))
}

/// Exact binomial limits as quantiles of the beta distribution; `hits` need not be whole.
fn clopper_pearson(hits: f64, of: f64) -> (f64, f64) {
    let low = if hits <= 0.0 { 0.0 } else { beta_quantile(0.025, hits, of - hits + 1.0) };
    let high = if hits >= of { 1.0 } else { beta_quantile(0.975, hits + 1.0, of - hits) };
    (low, high)
}

/// By bisection: sixty halvings of 0..1 are exact in f64 where it matters.
fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if beta_distribution(middle, a, b) < p { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// Regularised incomplete beta function `I_x(a, b)` by its continued fraction (DLMF 8.17.22), modified Lentz.
fn beta_distribution(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast on this side of the mean only.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_distribution(1.0 - x, b, a);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp() / a;
    let keep_off_zero = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let (mut c, mut d) = (1.0_f64, 1.0 / keep_off_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for step in [even, odd] {
            d = 1.0 / keep_off_zero(1.0 + step * d);
            c = keep_off_zero(1.0 + step / c);
            fraction *= d * c;
        }
        if (d * c - 1.0).abs() < 1e-14 {
            break;
        }
    }
    front * fraction
}

/// Lanczos' approximation (g = 7, nine terms), within 1e-13 relative for positive arguments.
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let base = 0.999_999_999_999_809_9;
    let sum = (0_u8..).zip(TERMS).fold(base, |sum, (i, term)| sum + term / (x + f64::from(i) + 1.0));
    let t = x + 7.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clopper_pearson_agrees_with_published_values() {
        // R: binom.test(k, n)$conf.int
        for (k, n, low, high) in [
            (0, 3, 0.0, 0.707_598_2),
            (3, 3, 0.292_401_8, 1.0),
            (5, 10, 0.187_086_0, 0.812_914_0),
            (1, 1_000, 0.000_025_317_5, 0.005_558_924),
            (2_900, 2_932, 0.984_631_9, 0.992_524_5),
        ] {
            let rate = Rate::of(k, n);
            assert!((rate.low - low).abs() < 1e-5, "{k} of {n}: {}", rate.low);
            assert!((rate.high - high).abs() < 1e-5, "{k} of {n}: {}", rate.high);
        }
        let nothing = Rate::of(0, 0);
        assert!(nothing.low <= 0.0 && nothing.high >= 1.0);
    }

    #[test]
    fn the_interval_covers_the_truth_as_often_as_it_says() {
        let mut random = Random::new(1);
        let truth = 0.03;
        let covered = (0..2_000).filter(|_| {
            let hits = (0..300).filter(|_| (random.next() as f64 / u64::MAX as f64) < truth).count();
            let rate = Rate::of(hits as u64, 300);
            rate.low <= truth && truth <= rate.high
        });
        assert!(covered.count() >= 1_900);
    }

    #[test]
    fn trials_that_all_ended_alike_are_no_certainty() {
        let perfect = Rate::resampled(60, 60, (1.0, 1.0), 50);
        assert!(perfect.low < 0.95 && perfect.high >= 1.0, "{perfect}");
        let none = Rate::resampled(0, 60, (0.0, 0.0), 50);
        assert!(none.low <= 0.0 && none.high > 0.05, "{none}");
        let some = Rate::resampled(57, 60, (0.9, 1.0), 50);
        assert!((some.low - 0.9).abs() < 1e-9 && (some.high - 1.0).abs() < 1e-9, "{some}");
    }

    #[test]
    fn the_bootstrap_of_a_mean_is_close_to_theory() {
        let mut random = Random::new(2);
        let data: Vec<f64> = (0..400).map(|_| random.next() as f64 / u64::MAX as f64).collect();
        let (low, high) = bootstrap(data.len(), 1_000, 3, |drawn| {
            drawn.iter().zip(&data).map(|(n, x)| f64::from(*n) * x).sum::<f64>() / data.len() as f64
        });
        // The standard error of the mean of 400 uniform numbers is 0.0144.
        assert!(((high - low) / (2.0 * 1.96 * 0.0144) - 1.0).abs() < 0.15, "{low} {high}");
    }

    proptest! {
        #[test]
        fn an_interval_holds_its_rate(of in 1_u64..5_000, part in 0.0_f64..=1.0, clusters in 1_u64..5_000) {
            let hits = (of as f64 * part) as u64;
            let (wide, narrow) = (Rate::clustered(hits, of, clusters), Rate::of(hits, of));
            for rate in [wide, narrow] {
                prop_assert!(0.0 <= rate.low && rate.low <= rate.rate);
                prop_assert!(rate.rate <= rate.high && rate.high <= 1.0);
            }
            prop_assert!(wide.high - wide.low >= narrow.high - narrow.low - 1e-9);
        }

        #[test]
        fn a_shuffle_keeps_everything(seed in any::<u64>(), n in 0_usize..200) {
            let mut items: Vec<_> = (0..n).collect();
            Random::new(seed).shuffle(&mut items);
            items.sort_unstable();
            prop_assert_eq!(items, (0..n).collect::<Vec<_>>());
        }
    }
}
