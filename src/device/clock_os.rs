//! The only place that reads a clock or sleeps.
//!
//! Owns: both clocks of the machine, whether the wall clock may be believed, waiting. Does not own: what is done
//! when it may not.
//! Invariants: `Mono` is the kernel's `CLOCK_MONOTONIC` in milliseconds, so times from GPIO edges, from V4L2 and from
//! another process on this machine compare with it; both clocks are read within 20 ms of each other or read again;
//! a wall clock that stepped back stays untrusted until it has caught up with the latest time it ever showed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use ostiary_domain::{ClockTrust, Millis, Mono, Now, Utc};
use ostiary_ports::Clock;

/// 2026-01-01T00:00:00Z: no board that runs this program can honestly say an earlier time.
pub const BUILD_DATE: Utc = Utc(1_767_225_600_000);

/// The wall clock may move against the monotonic one by so much before it counts as a step.
pub const STEP_TOLERANCE: Millis = Millis(2_000);

/// Both clocks of the machine.
pub struct OsClock {
    watch: Mutex<StepWatch>,
}

impl OsClock {
    /// Begins to watch the wall clock for steps.
    #[must_use]
    pub fn new() -> Self {
        let (mono, utc) = read_both();
        Self { watch: Mutex::new(StepWatch::new(mono, utc)) }
    }

    /// Tells of a time that is known to have passed, such as that of the last event in the journal: a wall clock
    /// that shows less is not believed.
    pub fn remember(&self, past: Utc) {
        self.watch().remember(past);
    }

    /// The step of the wall clock since the last call, if there was one (event `clock_step`).
    pub fn step(&self) -> Option<ClockStep> {
        let (mono, utc) = read_both();
        let mut watch = self.watch();
        watch.observe(mono, utc);
        watch.take_step()
    }

    fn watch(&self) -> MutexGuard<'_, StepWatch> {
        // Plain numbers: a panic elsewhere cannot leave them half written.
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for OsClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for OsClock {
    fn now(&self) -> Now {
        let (mono, utc) = read_both();
        let trust = self.watch().observe(mono, utc);
        Now { mono, utc, trust }
    }

    fn vouch(&self) {
        let (mono, utc) = read_both();
        self.watch().vouch(mono, utc);
    }
}

/// A jump of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// Milliseconds; negative when it went back.
    pub by_ms: i64,
    /// What it shows now.
    pub to: Utc,
}

/// Compares the wall clock with the monotonic one. Pure, so that steps can be tested without making any.
#[derive(Debug)]
pub struct StepWatch {
    /// Wall minus monotonic when last agreed upon.
    offset_ms: i64,
    agreed: Mono,
    /// The latest wall time ever shown or remembered.
    latest: Utc,
    pending_ms: i64,
    shown: Utc,
}

impl StepWatch {
    /// Slow corrections (NTP slews by at most 0.5 ms a second) are taken over this often, so that they never add up
    /// to a step.
    const AGREE_EVERY: Millis = Millis::secs(60);

    /// Takes the present reading as the agreed one.
    #[must_use]
    pub const fn new(mono: Mono, utc: Utc) -> Self {
        Self { offset_ms: utc.0 - mono.0 as i64, agreed: mono, latest: utc, pending_ms: 0, shown: utc }
    }

    /// Takes a reading and says whether the wall clock may be believed.
    pub const fn observe(&mut self, mono: Mono, utc: Utc) -> ClockTrust {
        let offset = utc.0.saturating_sub(mono.0 as i64);
        let drift = offset.saturating_sub(self.offset_ms);
        self.shown = utc;
        if drift.unsigned_abs() > STEP_TOLERANCE.0 {
            self.pending_ms = self.pending_ms.saturating_add(drift);
            self.offset_ms = offset;
            self.agreed = mono;
        } else if mono.since(self.agreed).0 >= Self::AGREE_EVERY.0 {
            self.offset_ms = offset;
            self.agreed = mono;
        }
        if utc.0 > self.latest.0 {
            self.latest = utc;
        }
        let behind = self.latest.0.saturating_sub(utc.0);
        if utc.0 < BUILD_DATE.0 || behind > STEP_TOLERANCE.0 as i64 {
            ClockTrust::Untrusted
        } else {
            ClockTrust::Trusted
        }
    }

    /// Somebody vouches for the wall clock as it stands: what it showed before is forgotten. Before the build date it
    /// stays untrusted all the same.
    pub const fn vouch(&mut self, mono: Mono, utc: Utc) {
        self.observe(mono, utc);
        self.latest = utc;
    }

    /// See [`OsClock::remember`].
    pub const fn remember(&mut self, past: Utc) {
        if past.0 > self.latest.0 {
            self.latest = past;
        }
    }

    /// The steps since the last call, added up.
    pub const fn take_step(&mut self) -> Option<ClockStep> {
        let by_ms = self.pending_ms;
        self.pending_ms = 0;
        if by_ms == 0 { None } else { Some(ClockStep { by_ms, to: self.shown }) }
    }
}

/// Gives the processor away for that long.
///
/// For adapters that pace themselves; whoever waits for something waits on that, with a deadline.
pub fn pause(span: Millis) {
    if span.0 > 0 {
        #[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
        std::thread::sleep(Duration::from_millis(span.0));
    }
}

/// Puts this thread behind all others of the program; where that cannot be set, they share.
pub fn behind_others() {
    let _ = rustix::process::nice(15);
}

/// CPU time of this thread in nanoseconds: what a benchmark on a shared machine can rely on.
#[must_use]
pub fn thread_nanos() -> u64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    t.tv_sec.unsigned_abs() * 1_000_000_000 + t.tv_nsec.unsigned_abs()
}

/// `CLOCK_MONOTONIC` in microseconds: the scale of V4L2's and GPIO's own time stamps.
#[must_use]
pub fn mono_micros() -> u64 {
    let t = clock_gettime(ClockId::Monotonic);
    (t.tv_sec as u64).saturating_mul(1_000_000).saturating_add(t.tv_nsec as u64 / 1_000)
}

/// The wall clock as a span since 1970; zero when it shows an earlier time.
#[must_use]
pub fn wall_clock() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Reads again when the thread was held up between the two, which would look like a step.
fn read_both() -> (Mono, Utc) {
    const ATTEMPTS: usize = 4;
    let mut reading = (Mono(0), Utc(0));
    for _ in 0..ATTEMPTS {
        let before = mono_micros();
        let utc = Utc(wall_clock().as_millis() as i64);
        reading = (Mono(before / 1_000), utc);
        if mono_micros() - before < 20_000 {
            break;
        }
    }
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = BUILD_DATE.0 + 1_000_000;

    #[test]
    fn a_clock_that_was_never_set_is_not_believed_until_it_is() {
        let mut watch = StepWatch::new(Mono(0), Utc(86_400_000));
        assert_eq!(watch.observe(Mono(10), Utc(86_400_010)), ClockTrust::Untrusted);
        assert_eq!(watch.observe(Mono(20), Utc(T)), ClockTrust::Trusted);
        assert_eq!(watch.take_step(), Some(ClockStep { by_ms: T - 86_400_020, to: Utc(T) }));
        assert_eq!(watch.take_step(), None);
    }

    #[test]
    fn a_step_back_is_told_once_and_distrusted_until_caught_up() {
        let mut watch = StepWatch::new(Mono(0), Utc(T));
        assert_eq!(watch.observe(Mono(10_000), Utc(T + 10_000)), ClockTrust::Trusted);
        assert_eq!(watch.observe(Mono(10_100), Utc(T + 5_000)), ClockTrust::Untrusted);
        assert_eq!(watch.take_step().map(|s| s.by_ms), Some(-5_100));
        assert_eq!(watch.observe(Mono(11_000), Utc(T + 5_900)), ClockTrust::Untrusted);
        assert_eq!(watch.take_step(), None);
        assert_eq!(watch.observe(Mono(14_000), Utc(T + 8_900)), ClockTrust::Trusted);
    }

    #[test]
    fn a_clock_that_was_far_ahead_and_set_right_is_believed_when_somebody_vouches_for_it() {
        let mut watch = StepWatch::new(Mono(0), Utc(T + 1_000_000_000_000));
        assert_eq!(watch.observe(Mono(10), Utc(T + 1_000_000_000_010)), ClockTrust::Trusted);
        assert_eq!(watch.observe(Mono(20), Utc(T)), ClockTrust::Untrusted);
        watch.vouch(Mono(30), Utc(T + 10));
        assert_eq!(watch.observe(Mono(40), Utc(T + 20)), ClockTrust::Trusted);
        assert_eq!(
            watch.observe(Mono(50), Utc(T - 5_000)),
            ClockTrust::Untrusted,
            "and watched from there on"
        );
        let mut never_set = StepWatch::new(Mono(0), Utc(0));
        never_set.vouch(Mono(10), Utc(10));
        assert_eq!(never_set.observe(Mono(20), Utc(20)), ClockTrust::Untrusted);
    }

    #[test]
    fn small_and_slow_corrections_are_no_step() {
        let mut watch = StepWatch::new(Mono(0), Utc(T));
        // A day of slewing by 0.5 ms a second, seen every second.
        for s in 1..86_400_u64 {
            let utc = Utc(T + s as i64 * 1_000 + s as i64 / 2);
            assert_eq!(watch.observe(Mono(s * 1_000), utc), ClockTrust::Trusted);
        }
        assert_eq!(watch.take_step(), None);
    }

    #[test]
    fn a_time_behind_the_journal_is_not_believed() {
        let mut watch = StepWatch::new(Mono(0), Utc(T));
        watch.remember(Utc(T + 3_600_000));
        assert_eq!(watch.observe(Mono(1), Utc(T + 1)), ClockTrust::Untrusted);
        assert_eq!(watch.observe(Mono(2), Utc(T + 3_600_000)), ClockTrust::Trusted);
    }

    #[test]
    fn the_machine_s_clocks_move_together() {
        let clock = OsClock::new();
        let a = clock.now();
        pause(Millis(5));
        let b = clock.now();
        assert!(b.mono.since(a.mono) >= Millis(5));
        assert_eq!(clock.step(), None);
    }
}
