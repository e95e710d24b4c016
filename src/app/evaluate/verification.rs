//! 1:1 comparison over a list of pairs, as LFW's View 2 is scored: ten folds, thresholds from the other nine.
//!
//! Owns: accuracy, TAR at FAR, EER and AUC of the list. Does not own: making templates.
//! Invariants: a threshold is never chosen on the fold it is used on; nobody is in two folds; a pair with a picture
//! of which no template could be made counts as "not the same person", so a genuine one is an error.

use serde::Serialize;

use crate::domain::Cosine;

use super::pairs::{Pair, folds, groups};
use super::scores::{Edge, Histogram, auc, eer, most_accurate};
use super::stats::{Estimate, Rate, bootstrap};

/// Folds of the protocol.
pub(super) const FOLDS: usize = 10;
/// False accept rates that a list of some thousand pairs can speak of.
const RATES: [f64; 2] = [1e-2, 1e-3];
const REPLICATES: usize = 500;
/// Student's t, 97.5 %, nine degrees of freedom: ten folds.
const T_NINE: f64 = 2.262;

/// What the list says.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Pairs of one person.
    pub genuine: u64,
    /// Pairs of two people.
    pub impostor: u64,
    /// Groups of people that no pair links; intervals treat a group as one trial.
    pub groups: u64,
    /// Genuine pairs of which one side gave no template; counted as errors.
    pub genuine_failed: u64,
    /// Impostor pairs of which one side gave no template; counted as told apart.
    pub impostor_failed: u64,
    /// Right answers, thresholds from the other folds.
    pub accuracy: Rate,
    /// Mean of the folds' accuracies with Student's interval over the folds.
    pub fold_mean: Estimate,
    /// Lowest and highest threshold of the folds.
    pub thresholds: [f64; 2],
    /// TAR at FAR.
    pub tar: Vec<TarAt>,
    /// Equal error rate of all pairs together.
    pub eer: Estimate,
    /// Area under the ROC curve of all pairs together.
    pub auc: Estimate,
}

/// True accepts where false accepts are rare.
#[derive(Clone, Debug, Serialize)]
pub struct TarAt {
    /// The rate asked for.
    pub far: f64,
    /// Genuine pairs accepted, thresholds from the other folds.
    pub held_out: Rate,
    /// Impostor pairs accepted at those thresholds: what the rate asked for became.
    pub held_out_far: Rate,
    /// Genuine pairs accepted at the one threshold from all impostor pairs of the list (the usual way; the threshold
    /// is then chosen on the data it is used on).
    pub pooled: Rate,
    /// That threshold.
    pub threshold: f64,
}

/// Scores the list; `scores[i]` belongs to `pairs[i]`.
pub(super) fn evaluate(pairs: &[Pair], scores: &[Option<Cosine>]) -> (Verification, Histogram, Histogram) {
    let groups = groups(pairs);
    let folds = folds(pairs, &groups, FOLDS);
    let group_count = groups.iter().max().map_or(0, |m| m + 1);
    let all = |same: bool, keep: &dyn Fn(usize) -> bool| {
        let mut h = Histogram::new();
        let wanted = pairs.iter().zip(scores).enumerate().filter(|(i, (p, _))| p.same == same && keep(*i));
        wanted.for_each(|(_, (_, score))| h.add(*score, 1.0));
        h
    };
    let (genuine, impostor) = (all(true, &|_| true), all(false, &|_| true));
    // Per fold: how the other nine choose.
    let choices: Vec<_> = (0..FOLDS)
        .map(|fold| {
            let (g, i) = (all(true, &|p| folds[p] != fold), all(false, &|p| folds[p] != fold));
            (most_accurate(&g, &i), RATES.map(|far| i.threshold_at(far)))
        })
        .collect();
    let accepted = |p: usize, threshold: Edge| scores[p].is_some_and(|s| threshold.reached_by(s));
    let count = |same: bool, ok: &dyn Fn(usize) -> bool| {
        let hits = (0..pairs.len()).filter(|p| pairs[*p].same == same && ok(*p)).count() as u64;
        let of = pairs.iter().filter(|p| p.same == same).count() as u64;
        Rate::clustered(hits, of, linked(pairs, &groups, same))
    };

    let right = |p: usize| accepted(p, choices[folds[p]].0) == pairs[p].same;
    let per_fold: Vec<f64> = (0..FOLDS)
        .filter_map(|fold| {
            let members: Vec<_> = (0..pairs.len()).filter(|p| folds[*p] == fold).collect();
            let hits = members.iter().filter(|p| right(**p)).count();
            (!members.is_empty()).then(|| hits as f64 / members.len() as f64)
        })
        .collect();
    let hits = (0..pairs.len()).filter(|p| right(*p)).count() as u64;
    let by_group = |drawn: &[u32]| {
        let (mut hits, mut of) = (0_u64, 0_u64);
        for p in 0..pairs.len() {
            let weight = u64::from(drawn[groups[p]]);
            of += weight;
            hits += if right(p) { weight } else { 0 };
        }
        hits as f64 / of as f64
    };
    let accuracy = Rate::resampled(
        hits,
        pairs.len() as u64,
        bootstrap(group_count, REPLICATES, 11, by_group),
        group_count as u64,
    );

    let resampled = |seed: u64, statistic: &dyn Fn(&Histogram, &Histogram) -> f64| {
        bootstrap(group_count, REPLICATES, seed, |drawn| {
            let (mut g, mut i) = (Histogram::new(), Histogram::new());
            for (p, pair) in pairs.iter().enumerate() {
                let side = if pair.same { &mut g } else { &mut i };
                side.add(scores[p], f64::from(drawn[groups[p]]));
            }
            statistic(&g, &i)
        })
    };
    let estimate = |seed: u64, statistic: &dyn Fn(&Histogram, &Histogram) -> f64| {
        let (low, high) = resampled(seed, statistic);
        Estimate { value: statistic(&genuine, &impostor), low, high }
    };
    let tar = RATES
        .iter()
        .enumerate()
        .map(|(r, far)| {
            let threshold = impostor.threshold_at(*far);
            let interval = resampled(20 + r as u64, &|g, i| g.reaching(i.threshold_at(*far)) / g.total());
            let hits = genuine.reaching(threshold).round() as u64;
            TarAt {
                far: *far,
                held_out: count(true, &|p| accepted(p, choices[folds[p]].1[r])),
                held_out_far: count(false, &|p| accepted(p, choices[folds[p]].1[r])),
                pooled: Rate::resampled(hits, genuine.total() as u64, interval, linked(pairs, &groups, true)),
                threshold: threshold.cosine(),
            }
        })
        .collect();
    let failed =
        |same: bool| pairs.iter().zip(scores).filter(|(p, s)| p.same == same && s.is_none()).count() as u64;
    let edges = || choices.iter().map(|c| c.0.cosine());
    let report = Verification {
        genuine: genuine.total() as u64,
        impostor: impostor.total() as u64,
        groups: group_count as u64,
        genuine_failed: failed(true),
        impostor_failed: failed(false),
        accuracy,
        fold_mean: over_folds(&per_fold),
        thresholds: [edges().fold(f64::INFINITY, f64::min), edges().fold(f64::NEG_INFINITY, f64::max)],
        tar,
        eer: estimate(31, &eer),
        auc: estimate(32, &auc),
    };
    (report, genuine, impostor)
}

/// Which pairs are told right, with the thresholds that the other folds choose.
pub(super) fn right(pairs: &[Pair], scores: &[Option<Cosine>]) -> Vec<bool> {
    let folds = folds(pairs, &groups(pairs), FOLDS);
    let choose = |fold: usize| {
        let (mut genuine, mut impostor) = (Histogram::new(), Histogram::new());
        for p in (0..pairs.len()).filter(|p| folds[*p] != fold) {
            let side = if pairs[p].same { &mut genuine } else { &mut impostor };
            side.add(scores[p], 1.0);
        }
        most_accurate(&genuine, &impostor)
    };
    let thresholds: Vec<Edge> = (0..FOLDS).map(choose).collect();
    let accepted = |p: usize| scores[p].is_some_and(|s| thresholds[folds[p]].reached_by(s));
    (0..pairs.len()).map(|p| accepted(p) == pairs[p].same).collect()
}

/// Groups that have a pair of the kind.
fn linked(pairs: &[Pair], groups: &[usize], same: bool) -> u64 {
    let mut with: Vec<_> = pairs.iter().zip(groups).filter(|(p, _)| p.same == same).map(|(_, g)| g).collect();
    with.sort_unstable();
    with.dedup();
    with.len() as u64
}

/// Mean and Student's interval.
fn over_folds(values: &[f64]) -> Estimate {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let half = T_NINE * (variance / n).sqrt();
    Estimate { value: mean, low: mean - half, high: (mean + half).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::super::stats::Random;
    use super::*;

    /// `n` people with one genuine pair and one impostor pair each; scores around 0.6 and 0.1.
    fn synthetic(n: usize, spread: f32) -> (Vec<Pair>, Vec<Option<Cosine>>) {
        let mut random = Random::new(5);
        let mut noise = || spread * (random.next() as f32 / u64::MAX as f32 - 0.5);
        let picture = |person: usize, number: usize| format!("p{person}/{number}.jpg");
        let mut pairs = Vec::new();
        let mut scores = Vec::new();
        for person in 0..n {
            pairs.push(Pair { a: picture(person, 1), b: picture(person, 2), same: true });
            scores.push(Some(Cosine::new(0.6 + noise())));
            pairs.push(Pair { a: picture(person, 1), b: picture(person + n, 1), same: false });
            scores.push(Some(Cosine::new(0.1 + noise())));
        }
        (pairs, scores)
    }

    #[test]
    fn separable_scores_are_perfect_and_the_interval_says_how_sure_that_is() {
        let (pairs, scores) = synthetic(200, 0.2);
        let (v, _, _) = evaluate(&pairs, &scores);
        assert_eq!((v.genuine, v.impostor, v.groups), (200, 200, 200));
        assert_eq!(v.accuracy.hits, 400);
        assert!(v.eer.value < 1e-9 && v.auc.value > 1.0 - 1e-9);
        assert!(v.tar.iter().all(|t| t.pooled.hits == 200 && t.held_out.hits == 200));
        assert!(v.tar[0].held_out.low < 0.99, "200 groups cannot promise more");
        assert!(v.accuracy.low < 0.99 && v.tar[0].pooled.low < 0.99, "nor can their resamples");
        assert!(v.thresholds[0] > 0.2 && v.thresholds[1] < 0.5);
    }

    #[test]
    fn a_picture_without_a_template_is_an_error_of_its_genuine_pairs() {
        let (pairs, mut scores) = synthetic(100, 0.2);
        (0..10).for_each(|i| scores[2 * i] = None);
        scores[1] = None;
        let (v, _, _) = evaluate(&pairs, &scores);
        assert_eq!((v.genuine_failed, v.impostor_failed), (10, 1));
        assert_eq!(v.accuracy.hits, 190);
        assert_eq!(v.tar[0].pooled.hits, 90);
    }

    #[test]
    fn overlapping_scores_keep_the_rate_on_folds_not_chosen_on() {
        let (pairs, scores) = synthetic(1_000, 1.2);
        let (v, _, _) = evaluate(&pairs, &scores);
        let one_percent = &v.tar[0];
        assert!(one_percent.held_out_far.low <= 0.01 && 0.01 <= one_percent.held_out_far.high);
        assert!((v.accuracy.rate - v.fold_mean.value).abs() < 0.01);
        assert!(v.accuracy.low < v.accuracy.rate && v.accuracy.rate < v.accuracy.high);
    }
}
