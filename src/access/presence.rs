//! Whether somebody stands before the door, and for how long without a result.
//!
//! Owns: the beginning and the end of a visit. Does not own: attempts, screens.
//! Invariants: a frame without motion neither begins nor prolongs nor ends a visit by itself; a visit is reported
//! as fruitless at most once.

use ostiary_domain::{Millis, Mono, QualityReasons};

/// The visit that is going on, if any.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    absent: Millis,
    patience: Option<Millis>,
    visit: Option<Visit>,
}

#[derive(Clone, Copy, Debug)]
struct Visit {
    began: Mono,
    seen: Mono,
    /// A result was reached, or its lack was reported.
    settled: bool,
    reasons: QualityReasons,
}

impl Presence {
    /// `patience`: how long a visit may be fruitless; `None`: for ever.
    pub(super) const fn new(absent: Millis, patience: Option<Millis>) -> Self {
        Self { absent, patience, visit: None }
    }

    /// Somebody is there; `reasons` is what is wrong with the picture.
    pub(super) fn seen(&mut self, reasons: QualityReasons, now: Mono) {
        let visit = self.visit.get_or_insert(Visit { began: now, seen: now, settled: false, reasons });
        visit.seen = now;
        visit.reasons = visit.reasons.iter().chain(reasons.iter()).collect();
    }

    /// A result was reached.
    pub(super) const fn settle(&mut self) {
        if let Some(visit) = &mut self.visit {
            visit.settled = true;
        }
    }

    /// Nothing is known of who is there.
    pub(super) const fn forget(&mut self) {
        self.visit = None;
    }

    /// Whether somebody is there.
    pub(super) const fn is_somebody(&self) -> bool {
        self.visit.is_some()
    }

    /// When something becomes due.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let visit = self.visit?;
        let gone = visit.seen.after(self.absent);
        Some(self.fruitless(&visit).map_or(gone, |at| at.min(gone)))
    }

    /// Lets time pass. Gives what was wrong with the picture when a visit has become fruitless.
    pub(super) fn advance(&mut self, now: Mono) -> Option<QualityReasons> {
        let mut visit = self.visit?;
        let gone = visit.seen.after(self.absent);
        let fruitless = self.fruitless(&visit).filter(|at| *at <= now && *at <= gone);
        visit.settled |= fruitless.is_some();
        self.visit = Some(visit).filter(|_| now < gone);
        fruitless.map(|_| visit.reasons)
    }

    fn fruitless(&self, visit: &Visit) -> Option<Mono> {
        self.patience.filter(|_| !visit.settled).map(|patience| visit.began.after(patience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostiary_domain::QualityReason;

    fn blur() -> QualityReasons {
        [QualityReason::Blur].into_iter().collect()
    }

    #[test]
    fn a_visit_without_a_result_is_reported_once() {
        let mut p = Presence::new(Millis(1_500), Some(Millis::secs(15)));
        for ms in (0..40_000).step_by(1_000) {
            let reported = p.advance(Mono(ms));
            assert_eq!(reported.is_some(), ms == 15_000, "{ms}");
            p.seen(blur(), Mono(ms));
        }
    }

    #[test]
    fn whoever_was_let_in_or_left_is_not_reported() {
        let mut p = Presence::new(Millis(1_500), Some(Millis::secs(15)));
        p.seen(blur(), Mono(0));
        assert_eq!(p.advance(Mono(60_000)), None);
        assert!(!p.is_somebody());
        for ms in (60_000..90_000).step_by(1_000) {
            p.seen(blur(), Mono(ms));
            p.settle();
            assert_eq!(p.advance(Mono(ms)), None);
        }
    }
}
