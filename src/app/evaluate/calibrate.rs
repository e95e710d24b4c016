//! The table that says what a cosine of an embedder is worth, measured on people kept apart for it.
//!
//! Owns: which people it is measured on, the anchors, the fit beyond what was counted. Does not own: how the table is
//! read (`domain::Calibration`), where it is kept (the model manifest).
//! Invariants: an anchor is the upper end of the interval, so the rate promised is kept even when the people measured
//! were luckier than those to come; an anchor that rests on fewer than 30 pairs is fitted and says so.

use std::fmt;

use serde::Serialize;

use crate::domain::calibration::CalibrationError;
use crate::domain::{Anchor, Calibration};

use super::cross::{Cross, RESAMPLED_UP_TO};
use super::stats::{interval, stable_hash};

/// False match rates of the anchors.
const RATES: [f64; 8] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8];
/// Impostor pairs that an anchor must rest on to count as measured.
const MEASURED: f64 = 30.0;
/// Impostor pairs that the fit of the tail must rest on.
const FITTED: f64 = 300.0;

/// Which half of the people somebody belongs to: by name, so that it is the same in every run and every set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// Thresholds are measured on these.
    Calibration,
    /// Identification is tested on these.
    Test,
}

impl Half {
    /// The half of a person.
    #[must_use]
    pub(super) fn of(person: &str) -> Self {
        if stable_hash(person) & 1 == 0 { Self::Calibration } else { Self::Test }
    }
}

/// A measured table.
#[derive(Clone, Debug, Serialize)]
pub struct CalibrationReport {
    /// People in the calibration half.
    pub people: u64,
    /// Their templates.
    pub templates: u64,
    /// Pairs of two of them.
    pub impostor: u64,
    /// From frequent to rare.
    pub anchors: Vec<AnchorRow>,
}

/// One anchor.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AnchorRow {
    /// False match rate.
    pub fmr: f64,
    /// The cosine that so many impostor pairs reached, or the fit says they do.
    pub cosine: f64,
    /// The upper end of its 95 % interval over people: what goes into the manifest.
    pub upper: f64,
    /// Impostor pairs at or above `cosine`.
    pub pairs: u64,
    /// Fitted, because too few pairs are that alike.
    pub extrapolated: bool,
}

impl CalibrationReport {
    /// The table as it will be read from the manifest.
    ///
    /// # Errors
    /// When there are too few comparisons for two anchors.
    pub fn table(&self) -> Result<Calibration, CalibrationError> {
        let anchor = |a: &AnchorRow| Anchor { log10_fmr: a.fmr.log10() as f32, cosine: a.upper as f32 };
        let anchors: Vec<_> = self.anchors.iter().map(anchor).collect();
        let measured =
            self.anchors.iter().rposition(|a| !a.extrapolated).map_or(0.0, |i| anchors[i].log10_fmr);
        Ok(Calibration::new(&anchors)?.measured_to(measured))
    }
}

/// Measures the anchors.
///
/// Beyond what counts support, the scores above a high threshold are taken to fall off exponentially (a generalised
/// Pareto tail of shape 0; Pickands 1975), which for a bounded score is the cautious choice: the true tail must end.
pub(super) fn measure(cross: &Cross) -> CalibrationReport {
    let pairs = cross.impostor.total();
    let fit_from = RATES
        .into_iter()
        .filter(|r| *r <= RESAMPLED_UP_TO && r * pairs >= FITTED)
        .fold(RESAMPLED_UP_TO, f64::min);
    let base = cross.impostor.threshold_at(fit_from).cosine();
    let (count, sum) = cross.excess_over(base);
    let slope = if count > 0.0 { sum / count } else { 0.0 };

    let resampled: Vec<f64> = RATES.into_iter().filter(|r| *r <= RESAMPLED_UP_TO).collect();
    let mut thresholds: Vec<Vec<f64>> = vec![Vec::new(); resampled.len()];
    cross.resample(&resampled, 51, |replicate| {
        for (all, (cosine, _)) in thresholds.iter_mut().zip(&replicate.at) {
            all.push(*cosine);
        }
    });
    let mut fits: Vec<(f64, f64)> = Vec::new();
    cross.resample(&[fit_from], 51, |r| fits.push((r.at[0].0, r.excess.1 / r.excess.0)));

    let mut anchors: Vec<AnchorRow> = Vec::new();
    for fmr in RATES {
        let measured = fmr * pairs >= MEASURED;
        let decades = (fit_from / fmr).ln();
        let edge = cross.impostor.threshold_at(fmr);
        let cosine = if measured { edge.cosine() } else { base + slope * decades };
        let column = (fmr <= RESAMPLED_UP_TO).then(|| resampled.iter().position(|r| *r <= fmr)).flatten();
        let (_, upper) = match column {
            Some(i) if measured => interval(&mut thresholds[i]),
            // So frequent that resampling does not move it.
            None => (cosine, cosine),
            Some(_) => interval(&mut fits.iter().map(|(base, slope)| base + slope * decades).collect()),
        };
        // Anchors must rise, and end before the cosine of a face with itself.
        let least = anchors.last().map_or(-1.0, |a| a.upper + 1e-4);
        let upper = upper.max(cosine).max(least);
        if !upper.is_finite() || upper >= 0.999 {
            break;
        }
        let pairs = if measured { cross.impostor.reaching(edge) } else { cross.excess_over(cosine).0 };
        anchors.push(AnchorRow { fmr, cosine, upper, pairs: pairs as u64, extrapolated: !measured });
    }
    let size = cross.report(&[]);
    CalibrationReport { people: size.people, templates: size.templates, impostor: size.impostor, anchors }
}

impl fmt::Display for CalibrationReport {
    /// Ready for the manifest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Upper ends of 95 % intervals over {} people, {} templates, {} impostor pairs.",
            self.people, self.templates, self.impostor
        )?;
        writeln!(f, "calibration = [")?;
        for a in &self.anchors {
            let how = if a.extrapolated { ", extrapolated = true" } else { "" };
            writeln!(
                f,
                "  {{ fmr = {:e}, cosine = {:.4}{how} }}, # {:.4}, {} pairs above",
                a.fmr, a.upper, a.cosine, a.pairs
            )?;
        }
        write!(f, "]")
    }
}

#[cfg(test)]
mod tests {
    use super::super::cross::tests::synthetic;
    use super::*;

    #[test]
    fn anchors_make_a_table_on_the_safe_side_of_theory() {
        let all = synthetic(400, 2, 0.5);
        let templates: Vec<_> = all.iter().map(|(p, e)| (*p, e)).collect();
        let report = measure(&Cross::new(&templates, 2).unwrap());
        let table = report.table().unwrap();
        assert!((table.rarest_log10_fmr() + 4.0).abs() < 1e-6, "what was measured ends at 1e-4");
        // 64 dimensions: a standard deviation of 1/8, and 319,200 pairs: 1e-4 is measured, 1e-5 is not.
        for (fmr, z, extrapolated) in
            [(1e-1, 1.2816, false), (1e-3, 3.090, false), (1e-4, 3.719, false), (1e-6, 4.753, true)]
        {
            let row = report.anchors.iter().find(|a| a.fmr / fmr > 0.9 && a.fmr / fmr < 1.1).unwrap();
            assert_eq!(row.extrapolated, extrapolated, "{row:?}");
            assert!(row.upper > z / 8.0 - 0.03, "{row:?}");
            assert!(row.cosine < z / 8.0 + 0.12, "{row:?}");
        }
        let text = report.to_string();
        assert!(toml::from_str::<toml::Table>(&text).is_ok(), "{text}");
    }

    #[test]
    fn the_halves_are_stable_and_even() {
        let half = |i: i32| Half::of(&format!("Person_{i}"));
        let calibration = (0..10_000).filter(|i| half(*i) == Half::Calibration).count();
        assert!((4_800..5_200).contains(&calibration), "{calibration}");
        assert_eq!(Half::of("Aaron_Eckhart"), Half::of("Aaron_Eckhart"));
    }
}
