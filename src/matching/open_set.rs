//! The open-set rule: when the nearest person is the person.
//!
//! Owns: the threshold that follows the gallery's size, and the margin. Does not own: the table (`Calibration`, kept
//! with the model), the search.
//! Invariants: every function is total and bounded (a cosine in -1..1, a rate in 0..1); the threshold never falls
//! when the gallery grows.

use ostiary_domain::{Calibration, Cosine};

/// How sure a match must be.
///
/// A stranger is compared with every template, so the chance to be taken for somebody grows with the gallery:
/// FPIR = 1 - (1 - FMR)^N, about N * FMR (ISO/IEC 19795-1). The FMR asked of one comparison is therefore the FPIR
/// wanted over the number of templates. Templates of one person resemble each other, so the true rate lies below.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenSet {
    calibration: Calibration,
    fpir_target: f64,
    margin: f32,
}

impl OpenSet {
    /// The rate at which a stranger may be taken for somebody, unless configured otherwise.
    pub const DEFAULT_FPIR: f64 = 1e-3;
    /// The cosine by which the best person must lie above the second, unless configured otherwise.
    pub const DEFAULT_MARGIN: f32 = 0.05;
    /// Rates that can be asked for: beyond, no calibration that fits a board's evaluation data means anything.
    pub const FPIR_RANGE: core::ops::RangeInclusive<f64> = 1e-6..=0.1;
    /// Margins that can be asked for.
    pub const MARGIN_RANGE: core::ops::RangeInclusive<f32> = 0.0..=0.5;

    /// A rule for one model.
    ///
    /// # Errors
    /// When the rate is outside 1e-6..=0.1 or the margin outside 0..=0.5.
    pub fn new(calibration: Calibration, fpir_target: f64, margin: f32) -> Result<Self, OpenSetError> {
        if !Self::FPIR_RANGE.contains(&fpir_target) {
            return Err(OpenSetError::FpirTarget);
        }
        if !Self::MARGIN_RANGE.contains(&margin) {
            return Err(OpenSetError::Margin);
        }
        Ok(Self { calibration, fpir_target, margin })
    }

    /// The rule with the default rate and margin.
    #[must_use]
    pub const fn with_defaults(calibration: Calibration) -> Self {
        Self { calibration, fpir_target: Self::DEFAULT_FPIR, margin: Self::DEFAULT_MARGIN }
    }

    /// The cosine a match must reach in a gallery of so many templates; an empty one counts as one template.
    #[must_use]
    pub fn threshold(&self, templates: usize) -> Cosine {
        self.calibration.cosine_at(self.log10_fmr_target(templates))
    }

    /// The rate at which a stranger is expected to be taken for somebody at that threshold, 0 to 1.
    ///
    /// Equals the target as long as the table reaches so far. Where the threshold comes to its end at cosine 1 the
    /// rate read back is higher, and that is what is said. An empty gallery takes nobody for anybody.
    #[must_use]
    pub fn expected_fpir(&self, templates: usize) -> f64 {
        let fmr = 10_f64.powf(f64::from(self.calibration.log10_fmr_at(self.threshold(templates)))).min(1.0);
        // 1 - (1 - fmr)^templates without losing the digits of small rates.
        let fpir = -(templates as f64 * (-fmr).ln_1p()).exp_m1();
        // 0 * ln(0) is the one way to a NaN: no templates at a false match rate of 1.
        if fpir.is_nan() { 0.0 } else { fpir.clamp(0.0, 1.0) }
    }

    /// Whether the threshold for so many templates lies beyond what was measured of the model.
    #[must_use]
    pub fn is_extrapolated(&self, templates: usize) -> bool {
        self.log10_fmr_target(templates) < self.calibration.rarest_log10_fmr()
    }

    /// The cosine by which the best person must lie above the second.
    #[must_use]
    pub const fn margin(&self) -> f32 {
        self.margin
    }

    /// The rate asked for.
    #[must_use]
    pub const fn fpir_target(&self) -> f64 {
        self.fpir_target
    }

    /// The table of the model.
    #[must_use]
    pub const fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    fn log10_fmr_target(&self, templates: usize) -> f32 {
        (self.fpir_target / templates.max(1) as f64).log10() as f32
    }
}

/// Why numbers are no open-set rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenSetError {
    /// The rate is outside its range.
    #[error("the rate of strangers taken for somebody (fpir_target) is 0.000001 to 0.1; 0.001 is usual")]
    FpirTarget,
    /// The margin is outside its range.
    #[error("the margin between the best and the second person is a cosine of 0 to 0.5; 0.05 is usual")]
    Margin,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ostiary_domain::Anchor;

    fn table() -> Calibration {
        let at = |log10_fmr, cosine| Anchor { log10_fmr, cosine };
        Calibration::new(&[at(-2.0, 0.2), at(-4.0, 0.4), at(-6.0, 0.6)]).unwrap()
    }

    #[test]
    fn the_threshold_follows_the_gallery() {
        let rule = OpenSet::with_defaults(table());
        for (templates, cosine) in [(0, 0.3), (1, 0.3), (10, 0.4), (1_000, 0.6), (10_000, 0.7)] {
            assert!((rule.threshold(templates).get() - cosine).abs() < 1e-5, "{templates}");
        }
        assert!(!rule.is_extrapolated(1_000));
        assert!(rule.is_extrapolated(1_001));
    }

    #[test]
    fn the_expected_rate_is_the_target_until_the_table_ends() {
        let rule = OpenSet::with_defaults(table());
        assert!(rule.expected_fpir(0) <= 0.0);
        for templates in [1, 100, 10_000, 1_000_000] {
            assert!((rule.expected_fpir(templates) / 1e-3 - 1.0).abs() < 0.01, "{templates}");
        }
        // Cosine 1 stands for 10^-10 here; 10^9 templates ask for 10^-12 and cannot get it.
        let beyond = rule.expected_fpir(1_000_000_000);
        assert!((beyond / 0.0952 - 1.0).abs() < 0.02, "{beyond}");
    }

    #[test]
    fn rules_outside_their_range_are_refused() {
        for bad in [0.0, -1.0, 0.2, f64::NAN, f64::INFINITY] {
            assert_eq!(OpenSet::new(table(), bad, 0.05), Err(OpenSetError::FpirTarget));
        }
        for bad in [-0.1, 0.6, f32::NAN] {
            assert_eq!(OpenSet::new(table(), 1e-3, bad), Err(OpenSetError::Margin));
        }
    }

    proptest! {
        #[test]
        fn bounded_and_monotone_for_every_gallery(
            a in 0_usize..usize::MAX, b in 0_usize..usize::MAX,
            exponent in -6.0_f64..-1.0,
            cosines in prop::collection::btree_set(-1000_i32..1000, 2..16),
        ) {
            let anchors: Vec<_> = cosines.iter().enumerate()
                .map(|(i, c)| Anchor { log10_fmr: -(i as f32) * 0.5, cosine: *c as f32 / 1000.0 })
                .collect();
            let rule = OpenSet::new(Calibration::new(&anchors).unwrap(), 10_f64.powf(exponent), 0.0).unwrap();
            let (small, large) = (a.min(b), a.max(b));
            prop_assert!(rule.threshold(small) <= rule.threshold(large));
            for n in [small, large] {
                prop_assert!((-1.0..=1.0).contains(&rule.threshold(n).get()));
                prop_assert!((0.0..=1.0).contains(&rule.expected_fpir(n)));
            }
        }
    }
}
