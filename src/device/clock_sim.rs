//! A clock that goes as fast as it is told to: tests, and recordings that are played as fast as possible.
//!
//! Owns: a count and the wall time of its zero. Does not own: who advances it.
//! Invariant: it never goes back, unless a test steps the wall part on purpose.
//!
//! It is shared as `Arc<SimClock>`. Whoever plays a recording with [`super::replay::Pace::Fast`] hands the same clock to the rest of the program: the
//! camera moves it to each frame's own time as it delivers the frame, so what follows sees recorded time. The loop
//! that plays must therefore finish one frame (look, decide, act) before it asks for the next.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use ostiary_domain::{ClockTrust, Millis, Mono, Now, Utc};
use ostiary_ports::Clock;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct SimClock {
    mono_ms: AtomicU64,
    /// Wall minus monotonic.
    offset_ms: AtomicI64,
    trusted: AtomicBool,
}

impl SimClock {
    /// Stands at `start`.
    #[must_use]
    pub fn new(start: Now) -> Self {
        Self {
            mono_ms: AtomicU64::new(start.mono.0),
            offset_ms: AtomicI64::new(start.utc.0.saturating_sub(start.mono.0 as i64)),
            trusted: AtomicBool::new(start.trust == ClockTrust::Trusted),
        }
    }

    /// Moves to `mono`; an earlier time is passed over.
    pub fn advance_to(&self, mono: Mono) {
        self.mono_ms.fetch_max(mono.0, Ordering::AcqRel);
    }

    /// Moves on by `span`.
    pub fn advance(&self, span: Millis) {
        self.mono_ms.fetch_add(span.0, Ordering::AcqRel);
    }

    /// Steps the wall clock alone, as a wrong time server would.
    pub fn step_wall(&self, by_ms: i64, trust: ClockTrust) {
        self.offset_ms.fetch_add(by_ms, Ordering::AcqRel);
        self.trusted.store(trust == ClockTrust::Trusted, Ordering::Release);
    }
}

impl Default for SimClock {
    /// Monotonic zero at 2026-01-01T00:00:00Z, trusted.
    fn default() -> Self {
        Self::new(Now { mono: Mono(0), utc: super::clock_os::BUILD_DATE, trust: ClockTrust::Trusted })
    }
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        let mono = self.mono_ms.load(Ordering::Acquire);
        let utc = self.offset_ms.load(Ordering::Acquire).saturating_add(mono as i64);
        let trusted = self.trusted.load(Ordering::Acquire);
        let trust = if trusted { ClockTrust::Trusted } else { ClockTrust::Untrusted };
        Now { mono: Mono(mono), utc: Utc(utc), trust }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_as_told_and_never_back() {
        let a = SimClock::default();
        a.advance_to(Mono(500));
        a.advance_to(Mono(400));
        a.advance(Millis(20));
        let now = a.now();
        assert_eq!((now.mono, now.utc.0 - super::super::clock_os::BUILD_DATE.0), (Mono(520), 520));
        a.step_wall(-3_600_000, ClockTrust::Untrusted);
        assert_eq!((a.now().mono, a.now().trust), (Mono(520), ClockTrust::Untrusted));
    }
}
