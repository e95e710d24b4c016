//! What people and clients are shown instead of a cosine (SPEC 1): a score of 0 to 1 and a level of 1 to 5.
//!
//! Owns: the two scales. Does not own: the table they read (`Calibration`).
//! Invariants: the score rises with the cosine and stays in 0..=1; a level is never higher than the rate it stands
//! for allows; both mean the same false match rate under every model.

use ostiary_domain::{Calibration, Cosine};

/// Score against the decimal logarithm of the false match rate.
const SCALE: [(f32, f32); 4] = [(-3.0, 0.50), (-4.0, 0.70), (-5.0, 0.85), (-6.0, 0.95)];

/// The score of a cosine, 0 to 1: 0.50, 0.70, 0.85 and 0.95 stand for a false match rate of 1e-3, 1e-4, 1e-5 and 1e-6.
///
/// Between these it is linear in the logarithm of the rate, outside in the cosine: 0 at -1 and 1 at 1.
#[must_use]
pub fn shown_score(calibration: &Calibration, cosine: Cosine) -> f32 {
    let at = |log10_fmr| calibration.cosine_at(log10_fmr).get();
    let ((first_rate, first), (last_rate, last)) = (SCALE[0], SCALE[SCALE.len() - 1]);
    if cosine.get() < at(first_rate) {
        return between(cosine.get(), (-1.0, 0.0), (at(first_rate), first));
    }
    if cosine.get() >= at(last_rate) {
        return between(cosine.get(), (at(last_rate), last), (1.0, 1.0));
    }
    let rate = calibration.log10_fmr_at(cosine);
    // Rates fall along the scale: the segment ends at the first entry that is rarer.
    let end = SCALE.iter().position(|(r, _)| *r < rate).unwrap_or(SCALE.len() - 1).max(1);
    // `between` wants rising abscissae.
    let ((r0, s0), (r1, s1)) = (SCALE[end - 1], SCALE[end]);
    between(-rate, (-r0, s0), (-r1, s1))
}

/// Linear between two points, held inside them; a segment without length is its end.
fn between(x: f32, (x0, y0): (f32, f32), (x1, y1): (f32, f32)) -> f32 {
    if x1 <= x0 {
        return y1;
    }
    y0 + (y1 - y0) * ((x - x0) / (x1 - x0)).clamp(0.0, 1.0)
}

/// How sure a 1:1 comparison is: 1 to 5 stand for a false match rate of 1e-2 to 1e-6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchLevel {
    /// 1e-2.
    One = 1,
    /// 1e-3.
    Two = 2,
    /// 1e-4: what is asked for unless a client asks for another.
    Three = 3,
    /// 1e-5.
    Four = 4,
    /// 1e-6.
    Five = 5,
}

impl MatchLevel {
    /// From the least sure to the surest.
    pub const ALL: [Self; 5] = [Self::One, Self::Two, Self::Three, Self::Four, Self::Five];
    /// What is asked for unless a client asks for another.
    pub const DEFAULT: Self = Self::Three;

    /// The level of a number of 1 to 5.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }

    /// 1 to 5.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The false match rate it stands for.
    #[must_use]
    pub fn fmr(self) -> f64 {
        10_f64.powi(-1 - i32::from(self.number()))
    }

    /// The cosine it asks for.
    #[must_use]
    pub fn threshold(self, calibration: &Calibration) -> Cosine {
        calibration.cosine_at(-1.0 - f32::from(self.number()))
    }

    /// The highest level a cosine reaches; `None` below the first.
    #[must_use]
    pub fn reached(calibration: &Calibration, cosine: Cosine) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|level| cosine >= level.threshold(calibration))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ostiary_domain::Anchor;

    fn table() -> Calibration {
        let at = |log10_fmr, cosine| Anchor { log10_fmr, cosine };
        Calibration::new(&[at(-1.0, 0.1), at(-2.0, 0.25), at(-4.0, 0.4), at(-5.0, 0.5), at(-6.0, 0.6)])
            .unwrap()
    }

    #[test]
    fn the_scale_of_the_specification() {
        let t = table();
        for (rate, score) in [(-3.0, 0.50), (-4.0, 0.70), (-5.0, 0.85), (-6.0, 0.95)] {
            assert!((shown_score(&t, t.cosine_at(rate)) - score).abs() < 1e-4, "{rate}");
        }
        assert!(shown_score(&t, Cosine::new(-1.0)) <= 0.0);
        assert!((shown_score(&t, Cosine::new(1.0)) - 1.0).abs() < 1e-6);
        assert!((shown_score(&t, Cosine::new(0.45)) - 0.775).abs() < 1e-4);
    }

    #[test]
    fn levels_stand_for_their_rates() {
        let t = table();
        assert_eq!(MatchLevel::reached(&t, Cosine::new(0.24)), None);
        assert_eq!(MatchLevel::reached(&t, Cosine::new(0.41)), Some(MatchLevel::Three));
        assert_eq!(MatchLevel::reached(&t, Cosine::new(0.99)), Some(MatchLevel::Five));
        assert_eq!(MatchLevel::from_number(0), None);
        assert_eq!(MatchLevel::from_number(6), None);
        for level in MatchLevel::ALL {
            assert_eq!(MatchLevel::from_number(level.number()), Some(level));
            assert_eq!(MatchLevel::reached(&t, level.threshold(&t)), Some(level));
        }
        assert!((MatchLevel::DEFAULT.fmr() - 1e-4).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn the_score_rises_with_the_cosine(
            cosines in prop::collection::btree_set(-1000_i32..=1000, 2..16),
            step in 0.1_f32..3.0,
            a in -1.0_f32..=1.0, b in -1.0_f32..=1.0,
        ) {
            let anchors: Vec<_> = cosines.iter().enumerate()
                .map(|(i, c)| Anchor { log10_fmr: -(i as f32) * step, cosine: *c as f32 / 1000.0 })
                .collect();
            let t = Calibration::new(&anchors).unwrap();
            let (low, high) = (Cosine::new(a.min(b)), Cosine::new(a.max(b)));
            prop_assert!(shown_score(&t, low) <= shown_score(&t, high) + 1e-6);
            prop_assert!((0.0..=1.0).contains(&shown_score(&t, low)));
            prop_assert!(MatchLevel::reached(&t, low) <= MatchLevel::reached(&t, high));
        }
    }
}
