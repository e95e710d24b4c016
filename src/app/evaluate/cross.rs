//! Every comparison a set of pictures allows: each with each of another person (impostors), each with each of the
//! same person (genuine).
//!
//! Owns: counting them, TAR at FAR from them, the subject-level bootstrap. Does not own: the calibration made of it.
//! Invariants: a pair is counted once; resampling draws people, never pictures or pairs, because the pairs of one
//! person hang together; two copies of a drawn person are never compared with each other.

use serde::Serialize;

use crate::domain::{Cosine, Embedding};

use super::EvaluateError;
use super::parallel;
use super::scores::Histogram;
use super::stats::{Estimate, interval, resample};

/// The rarest part of the impostors that is kept pair by pair; resampled thresholds for rates up to
/// [`RESAMPLED_UP_TO`] always lie in it.
const TAIL: f64 = 3e-2;
/// The most frequent rate whose threshold can be resampled.
pub(super) const RESAMPLED_UP_TO: f64 = 1e-2;
const REPLICATES: usize = 200;

/// All comparisons of a set.
pub(super) struct Cross {
    /// Pictures with a template of each person.
    pictures: Vec<u32>,
    pub(super) genuine: Histogram,
    pub(super) impostor: Histogram,
    /// Score and person.
    genuine_pairs: Vec<(f32, u32)>,
    /// Score and both people, highest first.
    tail: Vec<(f32, u32, u32)>,
}

/// What the comparisons say.
#[derive(Clone, Debug, Serialize)]
pub struct CrossReport {
    /// People with at least one template.
    pub people: u64,
    /// Templates.
    pub templates: u64,
    /// Pairs of one person.
    pub genuine: u64,
    /// Pairs of two people.
    pub impostor: u64,
    /// TAR at FAR.
    pub rows: Vec<CrossRow>,
}

/// True accepts at one false accept rate.
#[derive(Clone, Debug, Serialize)]
pub struct CrossRow {
    /// The rate.
    pub far: f64,
    /// Impostor pairs that it allows; few say little.
    pub impostors_above: u64,
    /// The threshold.
    pub cosine: Estimate,
    /// Genuine pairs accepted there.
    pub tar: Estimate,
}

/// One resample of people: threshold and TAR at each rate asked for, and the mean excess of the tail.
pub(super) struct Replicate {
    pub(super) at: Vec<(f64, f64)>,
    /// Impostor scores (with weights) at or above the resampled threshold of the first rate: the sum of weights and
    /// the sum of weighted excesses over it.
    pub(super) excess: (f64, f64),
}

impl Cross {
    /// Compares all with all; `templates` are person and template, persons numbered from 0.
    pub(super) fn new(templates: &[(u32, &Embedding)], threads: usize) -> Result<Self, EvaluateError> {
        let people = templates.iter().map(|(p, _)| p + 1).max().unwrap_or(0);
        let mut pictures = vec![0_u32; people as usize];
        for (person, _) in templates {
            pictures[*person as usize] += 1;
        }

        let rows: Vec<usize> = (0..templates.len()).collect();
        let row_of = |row: &usize| (&templates[*row], &templates[row + 1..]);
        let chunks: Vec<&[usize]> = rows.chunks(64).collect();
        let counted = parallel::map(
            "comparing all pairs",
            &chunks,
            threads,
            || Ok(()),
            |(), chunk| {
                let (mut genuine, mut impostor) = (Vec::new(), Histogram::new());
                for ((p, a), rest) in chunk.iter().map(row_of) {
                    for (q, b) in rest {
                        let score = a.cosine(b);
                        if p == q { genuine.push((score.get(), *p)) } else { impostor.add(Some(score), 1.0) }
                    }
                }
                Ok((genuine, impostor))
            },
        )?;
        let (mut genuine_pairs, mut impostor) = (Vec::new(), Histogram::new());
        for (pairs, part) in counted {
            genuine_pairs.extend(pairs);
            impostor.merge(&part);
        }
        let mut genuine = Histogram::new();
        for (score, _) in &genuine_pairs {
            genuine.add(Some(Cosine::new(*score)), 1.0);
        }

        let floor = impostor.threshold_at(TAIL);
        let kept = parallel::map(
            "collecting the tail",
            &chunks,
            threads,
            || Ok(()),
            |(), chunk| {
                let mut tail = Vec::new();
                for ((p, a), rest) in chunk.iter().map(row_of) {
                    for (q, b) in rest.iter().filter(|(q, _)| p != q) {
                        let score = a.cosine(b);
                        if floor.reached_by(score) {
                            tail.push((score.get(), *p, *q));
                        }
                    }
                }
                Ok(tail)
            },
        )?;
        let mut tail: Vec<_> = kept.into_iter().flatten().collect();
        tail.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        Ok(Self { pictures, genuine, impostor, genuine_pairs, tail })
    }

    /// TAR at FAR with intervals over people.
    pub(super) fn report(&self, rates: &[f64]) -> CrossReport {
        let mut drawn: Vec<Replicate> = Vec::new();
        self.resample(rates, 41, |r| drawn.push(r));
        let spread = |pick: &dyn Fn(&Replicate) -> f64| interval(&mut drawn.iter().map(pick).collect());
        let rows = rates.iter().enumerate().map(|(i, far)| {
            let threshold = self.impostor.threshold_at(*far);
            let tar = self.genuine.reaching(threshold) / self.genuine.total();
            let estimate = |value: f64, (low, high): (f64, f64)| Estimate {
                value,
                low: low.min(value),
                high: high.max(value),
            };
            CrossRow {
                far: *far,
                impostors_above: self.impostor.reaching(threshold) as u64,
                cosine: estimate(threshold.cosine(), spread(&|r| r.at[i].0)),
                tar: estimate(tar, spread(&|r| r.at[i].1)),
            }
        });
        CrossReport {
            people: self.pictures.iter().filter(|n| **n > 0).count() as u64,
            templates: self.pictures.iter().map(|n| u64::from(*n)).sum(),
            genuine: self.genuine.total() as u64,
            impostor: self.impostor.total() as u64,
            rows: rows.collect(),
        }
    }

    /// Draws people again and again; rates must be at most [`RESAMPLED_UP_TO`].
    pub(super) fn resample(&self, rates: &[f64], seed: u64, mut each: impl FnMut(Replicate)) {
        resample(self.pictures.len(), REPLICATES, seed, |drawn| each(self.replicate(rates, drawn)));
    }

    fn replicate(&self, rates: &[f64], drawn: &[u32]) -> Replicate {
        let weight = |person: u32| f64::from(drawn[person as usize]);
        let pictures = drawn.iter().zip(&self.pictures).map(|(w, n)| f64::from(*w) * f64::from(*n));
        let (sum, squares) = pictures.fold((0.0, 0.0), |(s, q), n| (s + n, q + n * n));
        let total = (sum * sum - squares) / 2.0;
        let genuine_total: f64 = self.genuine_pairs.iter().map(|(_, p)| weight(*p)).sum();
        let at = rates.iter().map(|rate| {
            let mut above = 0.0;
            let end = self.tail.iter().position(|(_, p, q)| {
                above += weight(*p) * weight(*q);
                above > rate * total
            });
            let cosine = end.or(self.tail.len().checked_sub(1)).map_or(f32::NAN, |i| self.tail[i].0);
            let tar: f64 = self.genuine_pairs.iter().filter(|g| g.0 > cosine).map(|g| weight(g.1)).sum();
            (f64::from(cosine), tar / genuine_total)
        });
        let at: Vec<_> = at.collect();
        let base = at.first().map_or(f64::NAN, |a| a.0);
        let above = self.tail.iter().take_while(|t| f64::from(t.0) >= base);
        let excess = above.fold((0.0, 0.0), |(n, s), (score, p, q)| {
            let w = weight(*p) * weight(*q);
            (n + w, s + w * (f64::from(*score) - base))
        });
        Replicate { at, excess }
    }

    /// The tail's part at or above a cosine: how many, and the sum of what they lie above it.
    pub(super) fn excess_over(&self, cosine: f64) -> (f64, f64) {
        let above = self.tail.iter().take_while(|t| f64::from(t.0) >= cosine);
        above.fold((0.0, 0.0), |(n, s), t| (n + 1.0, s + f64::from(t.0) - cosine))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::stats::Random;
    use super::*;

    /// People as random directions, pictures as those with noise: impostor cosines are then close to normal with a
    /// standard deviation of 1 / sqrt(length).
    pub(in super::super) fn synthetic(people: u32, pictures: u32, noise: f32) -> Vec<(u32, Embedding)> {
        let mut random = Random::new(6);
        let mut normal = move || (0..12).map(|_| random.next() as f32 / u64::MAX as f32).sum::<f32>() - 6.0;
        let mut all = Vec::new();
        for person in 0..people {
            let centre: Vec<f32> = (0..64).map(|_| normal()).collect();
            for _ in 0..pictures {
                let raw: Vec<f32> = centre.iter().map(|c| c + noise * normal()).collect();
                all.push((person, Embedding::from_float(&raw).unwrap()));
            }
        }
        all
    }

    #[test]
    fn every_pair_is_counted_once_and_thresholds_are_those_of_a_normal_distribution() {
        let all = synthetic(300, 2, 0.5);
        let templates: Vec<_> = all.iter().map(|(p, e)| (*p, e)).collect();
        let cross = Cross::new(&templates, 2).unwrap();
        let report = cross.report(&[1e-2, 1e-3]);
        assert_eq!((report.people, report.templates), (300, 600));
        assert_eq!((report.genuine, report.impostor), (300, 600 * 599 / 2 - 300));
        // Cosines of random directions in 64 dimensions: standard deviation 1/8.
        for (row, z) in report.rows.iter().zip([2.326, 3.090]) {
            assert!((row.cosine.value - z / 8.0).abs() < 0.02, "{row:?}");
            assert!(row.cosine.low <= row.cosine.value && row.cosine.value <= row.cosine.high);
            assert!(row.cosine.high - row.cosine.low < 0.05);
            assert!(row.tar.value > 0.99);
        }
    }

    #[test]
    fn resampled_intervals_are_wider_for_fewer_people() {
        let width = |people| {
            let all = synthetic(people, 2, 0.5);
            let templates: Vec<_> = all.iter().map(|(p, e)| (*p, e)).collect();
            let row = Cross::new(&templates, 1).unwrap().report(&[1e-2]).rows.remove(0);
            row.cosine.high - row.cosine.low
        };
        assert!(width(40) > 1.5 * width(300));
    }
}
