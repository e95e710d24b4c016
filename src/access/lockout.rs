//! The reader's lock-out: too many attacks close it for a while (SPEC 6).
//!
//! Owns: the count of attacks and the end of the lock-out. Does not own: what an attack is.
//! Invariants: strangers who walk by do not count; a grant in between clears nothing, so an accomplice cannot
//! reset the count; attacks count only within [`LOCKOUT_WINDOW`].

use super::config::{LOCKOUT_WINDOW, MAX_LOCKOUT_FAILURES};
use ostiary_domain::{Millis, Mono};

/// Counts attacks.
#[derive(Clone, Debug)]
pub(super) struct Lockout {
    failures: heapless::Deque<Mono, MAX_LOCKOUT_FAILURES>,
    limit: usize,
    span: Millis,
    until: Option<Mono>,
}

impl Lockout {
    pub(super) fn new(limit: u8, span: Millis) -> Self {
        let limit = usize::from(limit).clamp(1, MAX_LOCKOUT_FAILURES);
        Self { failures: heapless::Deque::new(), limit, span, until: None }
    }

    /// One more attack. `true` when it is the one that locks the reader.
    pub(super) fn failed(&mut self, now: Mono) -> bool {
        while self.failures.front().is_some_and(|at| now.since(*at) > LOCKOUT_WINDOW) {
            self.failures.pop_front();
        }
        if self.failures.is_full() {
            self.failures.pop_front();
        }
        // There is room now.
        let _ = self.failures.push_back(now);
        let locks = self.failures.len() >= self.limit;
        if locks {
            self.failures.clear();
            self.until = Some(now.after(self.span));
        }
        locks
    }

    /// Whether the reader is locked.
    pub(super) fn is_on(&self, now: Mono) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// When it ends, while it is on.
    pub(super) fn deadline(&self, now: Mono) -> Option<Mono> {
        self.until.filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_attack_locks_for_thirty_seconds() {
        let mut l = Lockout::new(5, Millis::secs(30));
        for s in 0..4 {
            assert!(!l.failed(Mono(s * 1_000)));
        }
        assert!(!l.is_on(Mono(4_000)));
        assert!(l.failed(Mono(4_000)));
        assert!(l.is_on(Mono(33_999)) && !l.is_on(Mono(34_000)));
        assert!(!l.failed(Mono(40_000)), "the count begins anew");
    }

    #[test]
    fn attacks_spread_over_an_hour_do_not_add_up() {
        let mut l = Lockout::new(5, Millis::secs(30));
        assert!((0..20).all(|i| !l.failed(Mono(i * 180_000))));
    }
}
