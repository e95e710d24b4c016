//! Two sets of models on the same data: what changes, with intervals of the difference.
//!
//! Owns: pairing and the table. Does not own: how a set is measured (its siblings).
//! Invariants: both sides see the same pictures, pairs and resamples of people, so that what is common to both cancels
//! out; a difference is the second set's value less the first one's; a row says what it counts.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::domain::Embedding;
use crate::vision::SetSpec;
use crate::vision::manifest::Role;

use super::cross::Cross;
use super::detection::{self, Judged, Sizes};
use super::lens::{Lens, Sample};
use super::stats::{Estimate, interval, resample};
use super::{EvaluateArgs, EvaluateError, People, Product, compare as score, liveness, pairs, verification};

/// False match rates at which misses are compared.
const RATES: [f64; 2] = [1e-3, 1e-4];
const REPLICATES: usize = 500;

/// Two sets side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The first set.
    pub a: String,
    /// The second.
    pub b: String,
    /// What was measured on both.
    pub rows: Vec<DifferenceRow>,
}

/// One figure of both sets.
#[derive(Clone, Debug, Serialize)]
pub struct DifferenceRow {
    /// What it is.
    pub what: String,
    /// Of the first set.
    pub a: f64,
    /// Of the second.
    pub b: f64,
    /// Second less first.
    pub difference: Estimate,
    /// How it is printed.
    #[serde(skip)]
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// A share; differences in points.
    Percent,
    /// A plain number.
    Number,
}

/// What both sides gave of one set.
struct Side {
    samples: Vec<Sample>,
    cross: Cross,
    mean: Mean,
}

/// Measures both sets on whatever the arguments name.
pub(super) fn measure(
    args: &EvaluateArgs,
    product: &Product<'_>,
    names: &[String],
) -> Result<Comparison, EvaluateError> {
    let [a, b] = names else { return Err(EvaluateError::NothingAsked) };
    let lens = Lens { manifest: product.manifest, folders: product.folders, config: product.vision };
    let sets = [product.manifest.set(a)?, product.manifest.set(b)?];
    let mut rows = Vec::new();
    if let Some(images) = &args.images {
        recognition(args, &lens, sets, images, &mut rows)?;
    }
    if let Some(folder) = &args.detection {
        detectors(args, &lens, sets, folder, &mut rows)?;
    }
    if let Some(folder) = &args.pad {
        livenesses(&lens, sets, folder, &mut rows)?;
    }
    Ok(Comparison { a: a.clone(), b: b.clone(), rows })
}

fn recognition(
    args: &EvaluateArgs,
    lens: &Lens<'_>,
    sets: [&SetSpec; 2],
    images: &Path,
    rows: &mut Vec<DifferenceRow>,
) -> Result<(), EvaluateError> {
    let threads = usize::from(args.threads);
    let (listed, pictures) = super::chosen(args, images)?;
    let mut sides = Vec::new();
    for set in sets {
        let samples = lens.extract(set, images, &pictures, threads)?;
        let people = People::of(&samples);
        let templates = people.templates(&samples, |_| true);
        let (cross, mean) = (Cross::new(&templates, threads)?, Mean::new(&templates, people.names.len()));
        sides.push(Side { samples, cross, mean });
    }
    let [a, b] = sides.as_slice() else { return Ok(()) };
    if let Some(listed) = &listed {
        let [x, y] = [score(listed, &a.samples, images)?, score(listed, &b.samples, images)?];
        let (right, groups) =
            ([verification::right(listed, &x), verification::right(listed, &y)], pairs::groups(listed));
        let count = groups.iter().max().map_or(0, |m| m + 1);
        let share = |side: usize, drawn: &[u32]| {
            let weights = groups.iter().map(|g| f64::from(drawn[*g]));
            let hits: f64 = weights.clone().zip(&right[side]).filter(|(_, r)| **r).map(|(w, _)| w).sum();
            hits / weights.sum::<f64>()
        };
        rows.push(row("accuracy on the list of pairs", Unit::Percent, count, 71, share));
    }
    // The same seed draws the same people on both sides.
    let drawn = |side: &Side| {
        let mut all = Vec::new();
        side.cross.resample(&RATES, 72, |r| all.push(r.at));
        all
    };
    let (x, y) = (drawn(a), drawn(b));
    for (i, far) in RATES.iter().enumerate() {
        let of = |side: &Side| {
            1.0 - side.cross.genuine.reaching(side.cross.impostor.threshold_at(*far))
                / side.cross.genuine.total()
        };
        let (va, vb) = (of(a), of(b));
        let mut differences: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x[i].1 - y[i].1).collect();
        let what = format!("FNMR at FMR {far:e}, all comparisons");
        rows.push(difference(what, Unit::Percent, [va, vb], &mut differences));
        let mut relative: Vec<f64> =
            x.iter().zip(&y).map(|(x, y)| (x[i].1 - y[i].1) / (1.0 - x[i].1)).collect();
        let what = format!("- the same, in relation to {}", sets[0].name);
        let mut row =
            difference(what, Unit::Percent, [1.0, if va > 0.0 { vb / va } else { 1.0 }], &mut relative);
        row.difference.value = row.b - row.a;
        rows.push(row);
    }
    let people = a.mean.sums.len().min(b.mean.sums.len());
    let mean = |side: usize, drawn: &[u32]| if side == 0 { a.mean.of(drawn) } else { b.mean.of(drawn) };
    rows.push(row("mean cosine of impostors, all comparisons", Unit::Number, people, 73, mean));
    Ok(())
}

/// The mean cosine of templates of different people, for any weights of people.
struct Mean {
    /// The sum of the unit templates of each person.
    sums: Vec<Vec<f32>>,
    /// How many.
    counts: Vec<f64>,
}

impl Mean {
    fn new(templates: &[(u32, &Embedding)], people: usize) -> Self {
        let mut mean = Self { sums: vec![Vec::new(); people], counts: vec![0.0; people] };
        for (person, template) in templates {
            let length = template.values().iter().map(|v| f32::from(*v).powi(2)).sum::<f32>().sqrt();
            let sum = &mut mean.sums[*person as usize];
            sum.resize(template.values().len(), 0.0);
            sum.iter_mut().zip(template.values()).for_each(|(s, v)| *s += f32::from(*v) / length);
            mean.counts[*person as usize] += 1.0;
        }
        mean
    }

    /// The sum over pairs of people is half of what the square of the whole sum has beyond the squares of its parts.
    fn of(&self, drawn: &[u32]) -> f64 {
        let length = self.sums.iter().map(Vec::len).max().unwrap_or(0);
        let mut whole = vec![0.0_f64; length];
        let (mut own, mut count, mut own_count) = (0.0, 0.0, 0.0);
        for ((sum, n), weight) in self.sums.iter().zip(&self.counts).zip(drawn) {
            let w = f64::from(*weight);
            whole.iter_mut().zip(sum).for_each(|(a, v)| *a += w * f64::from(*v));
            own += w * w * sum.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
            count += w * n;
            own_count += (w * n).powi(2);
        }
        let all: f64 = whole.iter().map(|v| v * v).sum();
        (all - own) / (count * count - own_count)
    }
}

fn detectors(
    args: &EvaluateArgs,
    lens: &Lens<'_>,
    sets: [&SetSpec; 2],
    folder: &Path,
    rows: &mut Vec<DifferenceRow>,
) -> Result<(), EvaluateError> {
    let truths = super::truths(args, folder)?;
    let mut found = Vec::new();
    for set in sets {
        lens.manifest.member(set, &set.detector, Role::Detector)?;
        found.push(super::find_faces(args, lens, set, folder, &truths)?);
    }
    for sizes in Sizes::ALL {
        let judged: Vec<Judged> = found.iter().map(|f| detection::judged(&truths, f, sizes)).collect();
        let ap = |side: usize, drawn: &[u32]| judged[side].ap(&|picture| f64::from(drawn[picture]));
        let what = format!("detection AP, faces of {sizes}");
        rows.push(row(&what, Unit::Percent, truths.len(), 74, ap));
    }
    Ok(())
}

fn livenesses(
    lens: &Lens<'_>,
    sets: [&SetSpec; 2],
    folder: &Path,
    rows: &mut Vec<DifferenceRow>,
) -> Result<(), EvaluateError> {
    let reports = [liveness::evaluate(lens, sets[0], folder)?, liveness::evaluate(lens, sets[1], folder)?];
    for live in [true, false] {
        let scores = |side: usize| -> Vec<f64> {
            let of_kind = reports[side].presentations.iter().filter(|p| p.live == live);
            of_kind.map(|p| f64::from(p.score.unwrap_or(0.0))).collect()
        };
        let scores = [scores(0), scores(1)];
        let mean = |side: usize, drawn: &[u32]| {
            let weighted: f64 = scores[side].iter().zip(drawn).map(|(s, w)| s * f64::from(*w)).sum();
            weighted / drawn.iter().map(|w| f64::from(*w)).sum::<f64>()
        };
        let what = format!(
            "mean liveness score of {} pictures ({})",
            if live { "living" } else { "attack" },
            scores[0].len()
        );
        rows.push(row(&what, Unit::Number, scores[0].len(), 75, mean));
    }
    let changed = reports[0].presentations.iter().zip(&reports[1].presentations);
    let changed = changed.filter(|(a, b)| a.verdict != b.verdict).count() as f64;
    let none = Estimate { value: changed, low: changed, high: changed };
    let what = "pictures with another liveness verdict".to_owned();
    rows.push(DifferenceRow { what, a: 0.0, b: changed, difference: none, unit: Unit::Number });
    Ok(())
}

/// A statistic of both sides (0 and 1) over resampled clusters.
fn row(
    what: &str,
    unit: Unit,
    clusters: usize,
    seed: u64,
    statistic: impl Fn(usize, &[u32]) -> f64,
) -> DifferenceRow {
    let once = vec![1; clusters];
    let mut differences = Vec::with_capacity(REPLICATES);
    resample(clusters, REPLICATES, seed, |drawn| differences.push(statistic(1, drawn) - statistic(0, drawn)));
    difference(what.to_owned(), unit, [statistic(0, &once), statistic(1, &once)], &mut differences)
}

fn difference(what: String, unit: Unit, [a, b]: [f64; 2], differences: &mut Vec<f64>) -> DifferenceRow {
    let (value, (low, high)) = (b - a, interval(differences));
    DifferenceRow {
        what,
        a,
        b,
        difference: Estimate { value, low: low.min(value), high: high.max(value) },
        unit,
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { a, b, rows } = self;
        writeln!(f, "# {a} against {b}\n\n| | {a} | {b} | difference, 95 % interval |\n|---|---|---|---|")?;
        for DifferenceRow { what, a, b, difference: d, unit } in rows {
            match unit {
                Unit::Percent => {
                    let [a, b, value, low, high] = [*a, *b, d.value, d.low, d.high].map(|v| v * 100.0);
                    writeln!(
                        f,
                        "| {what} | {a:.2} % | {b:.2} % | {value:+.2} points [{low:+.2}, {high:+.2}] |"
                    )?;
                }
                Unit::Number => {
                    writeln!(
                        f,
                        "| {what} | {a:.4} | {b:.4} | {:+.4} [{:+.4}, {:+.4}] |",
                        d.value, d.low, d.high
                    )?;
                }
            }
        }
        write!(
            f,
            "\nDifference: {b} less {a}, on the same pictures. Intervals: bootstrap of the difference over people, \
             groups of linked people, or pictures, the same draw on both sides."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::cross::tests::synthetic;
    use super::super::stats::Random;
    use super::*;

    #[test]
    fn the_mean_of_impostors_is_that_of_all_pairs() {
        let all = synthetic(30, 3, 0.7);
        let templates: Vec<_> = all.iter().map(|(p, e)| (*p, e)).collect();
        let (mut sum, mut count) = (0.0, 0.0);
        for (i, (p, a)) in templates.iter().enumerate() {
            for (_, b) in templates[i + 1..].iter().filter(|(q, _)| q != p) {
                sum += f64::from(a.cosine(b).get());
                count += 1.0;
            }
        }
        let mean = Mean::new(&templates, 30).of(&[1; 30]);
        assert!((mean - sum / count).abs() < 1e-4, "{mean} {}", sum / count);
    }

    #[test]
    fn what_is_common_to_both_sides_cancels_out() {
        let mut random = Random::new(3);
        let noise: Vec<f64> = (0..200).map(|_| random.below(1_000) as f64 / 1_000.0).collect();
        let mean = |side: usize, drawn: &[u32]| {
            let weighted: f64 =
                noise.iter().zip(drawn).map(|(x, w)| (x + 0.01 * side as f64) * f64::from(*w)).sum();
            weighted / drawn.iter().map(|w| f64::from(*w)).sum::<f64>()
        };
        let row = row("x", Unit::Number, noise.len(), 1, mean);
        assert!((row.difference.low - 0.01).abs() < 1e-9 && (row.difference.high - 0.01).abs() < 1e-9);
        let text = Comparison { a: "a".into(), b: "b".into(), rows: vec![row] }.to_string();
        assert!(text.contains("+0.0100 [+0.0100, +0.0100]"), "{text}");
    }
}
