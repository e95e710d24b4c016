//! Distributions of comparison scores and what is read off them: FMR, FNMR, EER, AUC, thresholds.
//!
//! Owns: the histogram over cosines. Does not own: which comparisons are made.
//! Invariants: a score counts as a match when it is at least the threshold; thresholds lie on bin edges, so every
//! rate read at one is exact; a comparison that could not be made lies below every threshold.

use crate::domain::Cosine;

/// Bins a unit of cosine.
const PER_UNIT: usize = 10_000;
/// From -1 to 1, and one bin for the value 1 itself.
const BINS: usize = 2 * PER_UNIT + 1;

/// How many comparisons (or how much weight of them) lie where.
#[derive(Clone, PartialEq)]
pub(super) struct Histogram {
    bins: Vec<f64>,
    /// Comparisons that could not be made.
    failed: f64,
    total: f64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { bins: vec![0.0; BINS], failed: 0.0, total: 0.0 }
    }

    /// Counts a comparison; `None` is one that could not be made.
    pub(super) fn add(&mut self, score: Option<Cosine>, weight: f64) {
        match score {
            Some(cosine) => self.bins[bin(cosine)] += weight,
            None => self.failed += weight,
        }
        self.total += weight;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.bins.iter_mut().zip(&other.bins).for_each(|(a, b)| *a += b);
        self.failed += other.failed;
        self.total += other.total;
    }

    pub(super) const fn total(&self) -> f64 {
        self.total
    }

    /// How much lies at or above each bin's lower edge, from the lowest bin up, and 0 at the end.
    pub(super) fn at_or_above(&self) -> Vec<f64> {
        let mut above = vec![0.0; BINS + 1];
        for i in (0..BINS).rev() {
            above[i] = above[i + 1] + self.bins[i];
        }
        above
    }

    /// How much lies at or above a threshold.
    pub(super) fn reaching(&self, threshold: Edge) -> f64 {
        self.bins[threshold.0..].iter().sum()
    }

    /// The lowest threshold that at most `rate` of the comparisons reach.
    pub(super) fn threshold_at(&self, rate: f64) -> Edge {
        // Half a comparison of slack: a rate such as 0.001 of 3,000 must allow 3 in spite of rounding.
        let allowed = rate * self.total * (1.0 + 1e-9);
        let mut above = 0.0;
        for i in (0..BINS).rev() {
            above += self.bins[i];
            if above > allowed {
                return Edge(i + 1);
            }
        }
        Edge(0)
    }
}

/// A threshold: the lower edge of a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge(usize);

impl Edge {
    pub(super) fn cosine(self) -> f64 {
        self.0 as f64 / PER_UNIT as f64 - 1.0
    }

    /// Whether a score reaches it.
    pub(super) fn reached_by(self, cosine: Cosine) -> bool {
        bin(cosine) >= self.0
    }
}

fn bin(cosine: Cosine) -> usize {
    (((f64::from(cosine.get()) + 1.0) * PER_UNIT as f64) as usize).min(BINS - 1)
}

/// One point of a DET or ROC curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) fmr: f64,
    pub(super) fnmr: f64,
}

/// The curve from strict to lenient thresholds, without repeated points.
pub(super) fn curve(genuine: &Histogram, impostor: &Histogram) -> Vec<Point> {
    let (g, i) = (genuine.at_or_above(), impostor.at_or_above());
    let mut points: Vec<Point> = Vec::new();
    for (g, i) in g.iter().zip(&i).rev() {
        let point = Point { fmr: i / impostor.total.max(1e-300), fnmr: 1.0 - g / genuine.total.max(1e-300) };
        if points.last() != Some(&point) {
            points.push(point);
        }
    }
    points
}

/// Equal error rate: where the curve crosses FMR = FNMR, linear between its points.
pub(super) fn eer(genuine: &Histogram, impostor: &Histogram) -> f64 {
    let points = curve(genuine, impostor);
    let crossed = points.windows(2).find(|w| w[1].fmr >= w[1].fnmr);
    let Some([a, b]) = crossed.map(|w| [w[0], w[1]]) else {
        // Failures to extract can keep FNMR above FMR to the end.
        return points.last().map_or(f64::NAN, |p| p.fnmr);
    };
    let (before, after) = (a.fnmr - a.fmr, b.fmr - b.fnmr);
    let t = if before + after > 0.0 { before / (before + after) } else { 0.5 };
    a.fmr + t * (b.fmr - a.fmr)
}

/// Area under the ROC curve: the chance that a genuine score lies above an impostor's, ties counted half
/// (Mann and Whitney). Comparisons that could not be made lose to every one that could.
pub(super) fn auc(genuine: &Histogram, impostor: &Histogram) -> f64 {
    if genuine.total <= 0.0 || impostor.total <= 0.0 {
        return f64::NAN;
    }
    let (mut below, mut sum) = (impostor.failed, genuine.failed * impostor.failed / 2.0);
    for (g, i) in genuine.bins.iter().zip(&impostor.bins) {
        sum += g * (below + i / 2.0);
        below += i;
    }
    sum / (genuine.total * impostor.total)
}

/// The threshold with the most right answers; of equal ones the middle of the widest run, so that it does not hang on
/// one score.
pub(super) fn most_accurate(genuine: &Histogram, impostor: &Histogram) -> Edge {
    let (g, i) = (genuine.at_or_above(), impostor.at_or_above());
    let right = |at: usize| g[at] - i[at];
    let best = (0..=BINS).map(right).fold(f64::NEG_INFINITY, f64::max);
    let (mut widest, mut start) = (0..0, None);
    for at in 0..=BINS + 1 {
        if at <= BINS && right(at) >= best - 1e-9 {
            start.get_or_insert(at);
        } else if let Some(from) = start.take()
            && at - from > widest.len()
        {
            widest = from..at;
        }
    }
    Edge(usize::midpoint(widest.start, widest.end.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::stats::Random;
    use super::*;

    fn histogram(scores: &[f32]) -> Histogram {
        let mut h = Histogram::new();
        for score in scores {
            h.add(Some(Cosine::new(*score)), 1.0);
        }
        h
    }

    /// Sum of twelve uniform numbers less six: close to a standard normal one.
    fn normal(random: &mut Random) -> f64 {
        (0..12).map(|_| random.next() as f64 / u64::MAX as f64).sum::<f64>() - 6.0
    }

    #[test]
    fn two_normal_distributions_give_what_theory_says() {
        let mut random = Random::new(4);
        let mut draw = |mean: f64| -> Vec<f32> {
            (0..100_000).map(|_| (mean + 0.1 * normal(&mut random)) as f32).collect()
        };
        // Means 2 standard deviations apart: EER = Phi(-1) = 0.1587, AUC = Phi(2 / sqrt 2) = 0.9214.
        let (genuine, impostor) = (histogram(&draw(0.3)), histogram(&draw(0.1)));
        assert!((eer(&genuine, &impostor) - 0.1587).abs() < 0.003);
        assert!((auc(&genuine, &impostor) - 0.9214).abs() < 0.003);
        assert!((most_accurate(&genuine, &impostor).cosine() - 0.2).abs() < 0.02);
        // FMR 1 % lies 2.326 deviations above the impostors' mean; TAR there = 1 - Phi(0.326) = 0.372.
        let threshold = impostor.threshold_at(0.01);
        assert!((threshold.cosine() - 0.3326).abs() < 0.005);
        assert!((genuine.reaching(threshold) / genuine.total() - 0.372).abs() < 0.02);
    }

    #[test]
    fn thresholds_at_small_counts() {
        let impostor = histogram(&[0.1, 0.2, 0.3, 0.4]);
        for (rate, reached) in [(0.0, 0.0), (0.24, 0.0), (0.25, 1.0), (0.5, 2.0), (1.0, 4.0)] {
            let threshold = impostor.threshold_at(rate);
            assert!((impostor.reaching(threshold) - reached).abs() < 1e-9, "{rate}");
        }
    }

    #[test]
    fn perfect_useless_and_failed() {
        let (low, high) = (histogram(&[-0.2, 0.1]), histogram(&[0.5, 0.9]));
        assert!(eer(&high, &low) < 1e-9 && (auc(&high, &low) - 1.0).abs() < 1e-9);
        assert!((auc(&low, &low) - 0.5).abs() < 1e-9);
        let mut failed = high.clone();
        failed.add(None, 2.0);
        assert!((auc(&failed, &low) - 0.5).abs() < 1e-9);
        assert!((failed.reaching(Edge(0)) / failed.total() - 0.5).abs() < 1e-9);
        assert!((most_accurate(&high, &low).cosine() - 0.3).abs() < 0.001);
    }

    proptest! {
        #[test]
        fn rates_at_a_threshold_are_exact(
            scores in prop::collection::vec(-1.0_f32..=1.0, 1..200), rate in 0.0_f64..=1.0,
        ) {
            let h = histogram(&scores);
            let threshold = h.threshold_at(rate);
            let reached = scores.iter().filter(|s| threshold.reached_by(Cosine::new(**s))).count() as f64;
            prop_assert!((h.reaching(threshold) - reached).abs() < 1e-9);
            prop_assert!(reached <= rate * scores.len() as f64 + 1e-6);
            prop_assert!((h.at_or_above()[threshold.0] - reached).abs() < 1e-9);
        }

        #[test]
        fn a_curve_is_monotone(
            genuine in prop::collection::vec(-1.0_f32..=1.0, 1..50),
            impostor in prop::collection::vec(-1.0_f32..=1.0, 1..50),
        ) {
            let (g, i) = (histogram(&genuine), histogram(&impostor));
            for w in curve(&g, &i).windows(2) {
                prop_assert!(w[0].fmr <= w[1].fmr && w[0].fnmr >= w[1].fnmr - 1e-12);
            }
            prop_assert!((0.0..=1.0).contains(&eer(&g, &i)));
            let naive: f64 = genuine.iter().flat_map(|a| impostor.iter().map(move |b| {
                let (a, b) = (bin(Cosine::new(*a)), bin(Cosine::new(*b)));
                f64::from(u8::from(a > b)) + 0.5 * f64::from(u8::from(a == b))
            })).sum::<f64>() / (genuine.len() * impostor.len()) as f64;
            prop_assert!((auc(&g, &i) - naive).abs() < 1e-9);
        }
    }
}
