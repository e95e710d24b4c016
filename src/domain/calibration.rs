//! What a cosine of one embedder is worth: the table kept with the model.
//!
//! Owns: the anchors and the reading between and beyond them. Does not own: how they were measured
//! (`ostiary evaluate --calibrate`), what is done with a threshold (`matching`).
//! Invariant: anchors run from frequent to rare false matches, and their cosines rise strictly.

use core::fmt;

use super::embedding::Cosine;

/// Anchors a table may hold.
pub const MAX_ANCHORS: usize = 16;

/// One measured point: impostors reach `cosine` with probability `10^log10_fmr`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchor {
    /// Decimal logarithm of the false match rate of one comparison, at most 0.
    pub log10_fmr: f32,
    /// The cosine reached.
    pub cosine: f32,
}

/// False match rate against cosine, piecewise linear in log10(FMR); both ends are continued along their segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    anchors: heapless::Vec<Anchor, MAX_ANCHORS>,
    measured_to: f32,
}

impl Calibration {
    /// Takes 2 to 16 anchors, from frequent to rare.
    ///
    /// # Errors
    /// When there are too few or too many, a number is not finite or out of range, or the order is broken.
    pub fn new(anchors: &[Anchor]) -> Result<Self, CalibrationError> {
        if anchors.len() < 2 || anchors.len() > MAX_ANCHORS {
            return Err(CalibrationError::Count);
        }
        let sound = |a: &Anchor| {
            a.log10_fmr.is_finite() && a.log10_fmr <= 0.0 && a.cosine.is_finite() && a.cosine.abs() <= 1.0
        };
        if !anchors.iter().all(sound) {
            return Err(CalibrationError::Range);
        }
        if anchors.windows(2).any(|w| w[1].log10_fmr >= w[0].log10_fmr || w[1].cosine <= w[0].cosine) {
            return Err(CalibrationError::Order);
        }
        let measured_to = anchors[anchors.len() - 1].log10_fmr;
        heapless::Vec::from_slice(anchors)
            .map(|anchors| Self { anchors, measured_to })
            .map_err(|_| CalibrationError::Count)
    }

    /// Says that anchors rarer than `log10_fmr` were not counted but continued from those that were.
    #[must_use]
    pub fn measured_to(mut self, log10_fmr: f32) -> Self {
        self.measured_to = log10_fmr;
        self
    }

    /// The cosine that impostors reach with probability `10^log10_fmr`, at most 1.
    #[must_use]
    pub fn cosine_at(&self, log10_fmr: f32) -> Cosine {
        let (a, b) = self.segment(|anchor| anchor.log10_fmr <= log10_fmr);
        let t = (log10_fmr - a.log10_fmr) / (b.log10_fmr - a.log10_fmr);
        Cosine::new(a.cosine + t * (b.cosine - a.cosine))
    }

    /// The decimal logarithm of the rate at which impostors reach `cosine`, at most 0.
    #[must_use]
    pub fn log10_fmr_at(&self, cosine: Cosine) -> f32 {
        let (a, b) = self.segment(|anchor| anchor.cosine >= cosine.get());
        let t = (cosine.get() - a.cosine) / (b.cosine - a.cosine);
        (a.log10_fmr + t * (b.log10_fmr - a.log10_fmr)).min(0.0)
    }

    /// The rarest rate that was measured; thresholds below it are extrapolated.
    #[must_use]
    pub fn rarest_log10_fmr(&self) -> f32 {
        self.measured_to
    }

    /// The segment whose end is the first anchor that `reached` says yes to; the last one beyond the end.
    fn segment(&self, reached: impl Fn(&Anchor) -> bool) -> (Anchor, Anchor) {
        let last = self.anchors.len() - 1;
        let end = self.anchors.iter().position(reached).unwrap_or(last).clamp(1, last);
        (self.anchors[end - 1], self.anchors[end])
    }
}

/// Why anchors are no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalibrationError {
    /// Not 2 to 16 anchors.
    Count,
    /// A number is not finite or out of its range.
    Range,
    /// The anchors do not run from frequent to rare with rising cosines.
    Order,
}

impl fmt::Display for CalibrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "a calibration has 2 to 16 anchors",
            Self::Range => "a calibration anchor needs log10_fmr <= 0 and a cosine from -1 to 1",
            Self::Order => "calibration anchors run from frequent to rare false matches with rising cosines",
        })
    }
}

impl core::error::Error for CalibrationError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Calibration {
        let at = |log10_fmr, cosine| Anchor { log10_fmr, cosine };
        Calibration::new(&[at(-2.0, 0.2), at(-4.0, 0.4), at(-6.0, 0.6)]).unwrap()
    }

    #[test]
    fn reads_between_at_and_beyond_the_anchors() {
        let t = table();
        for (rate, cosine) in [(-2.0, 0.2), (-3.0, 0.3), (-4.0, 0.4), (-5.5, 0.55), (-7.0, 0.7), (-1.0, 0.1)]
        {
            assert!((t.cosine_at(rate).get() - cosine).abs() < 1e-5, "{rate}");
            assert!((t.log10_fmr_at(Cosine::new(cosine)) - rate).abs() < 1e-4, "{cosine}");
        }
        assert!(t.log10_fmr_at(Cosine::new(-1.0)) <= 0.0);
    }

    #[test]
    fn what_was_measured_ends_where_it_is_said_to() {
        assert!((table().rarest_log10_fmr() + 6.0).abs() < 1e-6);
        let marked = table().measured_to(-4.0);
        assert!((marked.rarest_log10_fmr() + 4.0).abs() < 1e-6);
        assert!((marked.cosine_at(-6.0).get() - 0.6).abs() < 1e-6);
    }

    #[test]
    fn a_broken_table_is_refused() {
        let at = |log10_fmr, cosine| Anchor { log10_fmr, cosine };
        assert_eq!(Calibration::new(&[at(-2.0, 0.2)]), Err(CalibrationError::Count));
        assert_eq!(Calibration::new(&[at(-2.0, 0.2), at(-1.0, 0.3)]), Err(CalibrationError::Order));
        assert_eq!(Calibration::new(&[at(-2.0, 0.2), at(-3.0, f32::NAN)]), Err(CalibrationError::Range));
    }
}
