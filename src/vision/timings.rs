//! How long each stage of the last look took.
//!
//! Owns: the stages and their times. Does not own: a clock; the caller lends one as a function.
//! Invariant: without a clock every time is zero.

/// A stage of a look, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Was there motion.
    Motion,
    /// Scaling and the detector.
    Detect,
    /// Associating boxes.
    Track,
    /// Refining landmarks and warping.
    Align,
    /// Judging the face.
    Quality,
    /// The liveness models.
    Liveness,
    /// The embedder.
    Embed,
    /// The gallery.
    Search,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 8] = [
        Self::Motion,
        Self::Detect,
        Self::Track,
        Self::Align,
        Self::Quality,
        Self::Liveness,
        Self::Embed,
        Self::Search,
    ];

    /// The name used in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Motion => "motion",
            Self::Detect => "detect",
            Self::Track => "track",
            Self::Align => "align",
            Self::Quality => "quality",
            Self::Liveness => "liveness",
            Self::Embed => "embed",
            Self::Search => "search",
        }
    }
}

/// Microseconds a stage took in the last look; a stage that was not reached took none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    micros: [u64; Stage::ALL.len()],
}

impl Timings {
    /// Microseconds of one stage.
    #[must_use]
    pub const fn micros(&self, stage: Stage) -> u64 {
        self.micros[stage as usize]
    }

    /// Microseconds of all stages.
    #[must_use]
    pub fn total_micros(&self) -> u64 {
        self.micros.iter().sum()
    }
}

/// Times the stages of one look with a borrowed clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch {
    /// Microseconds since whenever.
    now: Option<fn() -> u64>,
    last: u64,
    timings: Timings,
}

impl Stopwatch {
    pub(super) const fn new() -> Self {
        Self { now: None, last: 0, timings: Timings { micros: [0; Stage::ALL.len()] } }
    }

    pub(super) const fn set_clock(&mut self, now: fn() -> u64) {
        self.now = Some(now);
    }

    pub(super) fn start(&mut self) {
        self.timings = Timings::default();
        self.last = self.now.map_or(0, |now| now());
    }

    /// What passed since the last call belongs to `stage`.
    pub(super) fn lap(&mut self, stage: Stage) {
        let now = self.now.map_or(0, |now| now());
        self.timings.micros[stage as usize] += now.saturating_sub(self.last);
        self.last = now;
    }

    pub(super) const fn timings(&self) -> &Timings {
        &self.timings
    }
}
