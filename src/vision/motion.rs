//! Whether anything moved since the last frame that was looked at.
//!
//! Owns: a small grey copy of that frame. Does not own: what to do about it.
//! Invariants: nothing is allocated; slow drift is seen, because the copy is only replaced when a frame is
//! looked at, not by every frame.

use super::config::MotionConfig;
use ostiary_domain::{Frame, Mono};

const COLUMNS: usize = 64;
const ROWS: usize = 48;
/// Samples a side that make one grey value.
const SAMPLES: usize = 3;

/// The motion gate.
pub struct MotionGate {
    seen: [u8; COLUMNS * ROWS],
    now: [u8; COLUMNS * ROWS],
    size: (u32, u32),
    /// Where the samples lie: bytes from the start of a row, and rows.
    columns: [u32; COLUMNS * SAMPLES],
    rows: [u32; ROWS * SAMPLES],
    sampled: (u32, u32),
    looked: Option<Mono>,
}

// Holds what the camera saw.
impl std::fmt::Debug for MotionGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MotionGate(<redacted>)")
    }
}

impl MotionGate {
    /// A gate that lets the first frame pass.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            seen: [0; COLUMNS * ROWS],
            now: [0; COLUMNS * ROWS],
            size: (0, 0),
            columns: [0; COLUMNS * SAMPLES],
            rows: [0; ROWS * SAMPLES],
            sampled: (0, 0),
            looked: None,
        }
    }

    /// Whether this frame should be looked at; if so, it is what later ones are compared with.
    pub fn passes(&mut self, frame: Frame<'_>, config: &MotionConfig) -> bool {
        if !config.enabled {
            return true;
        }
        self.sample(frame);
        let captured = frame.meta().captured;
        let due = self.looked.is_none_or(|t| captured.since(t) >= config.recheck || captured < t);
        let resized = self.size != (frame.width(), frame.height());
        let pass = due || resized || self.moved(config);
        if pass {
            self.seen = self.now;
            self.size = (frame.width(), frame.height());
            self.looked = Some(captured);
        }
        pass
    }

    /// Lets the next frame pass.
    pub const fn reset(&mut self) {
        self.looked = None;
    }

    fn moved(&self, config: &MotionConfig) -> bool {
        let step = config.luma_step;
        let changed = self.seen.iter().zip(&self.now).filter(|(a, b)| a.abs_diff(**b) >= step).count();
        changed as f32 > config.changed * self.now.len() as f32
    }

    fn sample(&mut self, frame: Frame<'_>) {
        if self.sampled != (frame.width(), frame.height()) {
            self.sampled = (frame.width(), frame.height());
            let place = |i: usize, of: usize, size: u32| ((2 * i + 1) * size as usize / (2 * of)) as u32;
            for (i, column) in self.columns.iter_mut().enumerate() {
                // Green stands for brightness: the largest share of it, and one byte to read.
                *column = place(i, COLUMNS * SAMPLES, frame.width()) * 3 + 1;
            }
            for (i, row) in self.rows.iter_mut().enumerate() {
                *row = place(i, ROWS * SAMPLES, frame.height());
            }
        }
        let stride = frame.width() as usize * 3;
        let rows = self.rows.as_chunks::<SAMPLES>().0;
        for (grey, rows) in self.now.as_chunks_mut::<COLUMNS>().0.iter_mut().zip(rows) {
            let lines = rows.map(|row| &frame.rgb()[row as usize * stride..][..stride]);
            for (grey, columns) in grey.iter_mut().zip(self.columns.as_chunks::<SAMPLES>().0) {
                let sum: u16 =
                    lines.iter().flat_map(|line| columns.map(|at| u16::from(line[at as usize]))).sum();
                *grey = (sum / (SAMPLES * SAMPLES) as u16) as u8;
            }
        }
    }
}

impl Default for MotionGate {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostiary_domain::FrameMeta;

    fn passes(gate: &mut MotionGate, rgb: &[u8], at: u64) -> bool {
        let meta = FrameMeta { width: 160, height: 120, captured: Mono(at), seq: 0 };
        gate.passes(Frame::new(rgb, meta).unwrap(), &MotionConfig::default())
    }

    #[test]
    fn still_frames_are_passed_over_until_something_moves_or_time_is_up() {
        let mut gate = MotionGate::new();
        let empty = vec![90; 160 * 120 * 3];
        assert!(passes(&mut gate, &empty, 0));
        assert!(!passes(&mut gate, &empty, 33));
        let noisy: Vec<u8> = empty.iter().enumerate().map(|(i, v)| v + (i * 7 % 5) as u8).collect();
        assert!(!passes(&mut gate, &noisy, 66));
        let mut somebody = empty.clone();
        somebody[120 * 160..140 * 160].fill(200);
        assert!(passes(&mut gate, &somebody, 100));
        assert!(!passes(&mut gate, &somebody, 133));
        assert!(passes(&mut gate, &somebody, 1_200));
    }

    #[test]
    fn slow_drift_is_seen() {
        let mut gate = MotionGate::new();
        let passed = (0..30_u8)
            .filter(|i| passes(&mut gate, &vec![90 + i; 160 * 120 * 3], u64::from(*i) * 10))
            .count();
        assert_eq!(passed, 3);
    }
}
