//! How somebody walks up: from afar, to a stand before the door, looking about, blinking, and away.
//!
//! Owns: the course of a visit, frame by frame. Does not own: who comes.
//! Invariant: one seed, one course.

use super::draw::Pose;
use super::eye::Gaze;
use super::maths::{Dice, PI, mix, noise, ramp, sin};

/// Frames of the approach, of standing, of leaving; at 30 a second.
pub(super) const APPROACH: u64 = 30;
pub(super) const STAND: u64 = 75;
pub(super) const LEAVE: u64 = 18;

/// The course of one visit.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    near: f32,
    far: f32,
    x: f32,
    y: f32,
    from: f32,
    tilt: f32,
    turn: f32,
    glance: u64,
    blinks: [u64; 3],
    seed: u32,
}

impl Walk {
    pub(super) fn new(seed: u64) -> Self {
        let mut d = Dice::new(seed ^ 0x7761_6c6b);
        Self {
            near: d.range(56.0, 68.0),
            far: d.range(150.0, 190.0),
            x: d.spread() * 2.5,
            y: d.spread() * 2.0 + 1.0,
            from: d.spread() * 22.0,
            tilt: d.spread() * 0.035,
            turn: d.spread() * 0.06,
            glance: 20 + d.pick(40) as u64,
            blinks: [4 + d.pick(20) as u64, 40 + d.pick(25) as u64, 80 + d.pick(25) as u64],
            seed: d.bits() as u32,
        }
    }

    /// The pose `step` frames (and a part) into the visit.
    pub(super) fn pose(&self, step: f32) -> Pose {
        let arrive = (step / APPROACH as f32).clamp(0.0, 1.0);
        let left = ((step - (APPROACH + STAND) as f32) / LEAVE as f32).clamp(0.0, 1.0);
        let come = 1.0 - (1.0 - arrive) * (1.0 - arrive);
        let away = left * left;
        let t = step / 30.0;
        // Slow wandering of whoever stands, the steps of whoever walks.
        let drift = |k: u32, pace: f32| noise(t * pace + 7.0, 0.5 + k as f32, self.seed) - 0.5;
        let walking = (1.0 - come) + away;
        let stride = sin(t * 2.0 * PI * 1.9) * walking;
        let look = (step - (APPROACH + self.glance) as f32) / 14.0;
        let glance = ramp(0.0, 0.35, look) * ramp(1.0, 0.65, look);
        let side = if self.from < 0.0 { -1.0 } else { 1.0 };
        let yaw = self.turn
            + mix(0.35 * side, 0.0, ramp(0.15, 0.75, arrive))
            + 0.16 * drift(1, 0.7)
            + 0.38 * glance * side
            + 0.9 * side * away;
        Pose {
            at: [
                self.x + mix(self.from, 0.0, come) + 2.2 * drift(2, 0.5) + 34.0 * side * away + 0.8 * stride,
                self.y + 1.4 * drift(3, 0.6) + 0.9 * stride.abs(),
                mix(self.far, self.near, come) + 2.0 * drift(4, 0.4) - 10.0 * away,
            ],
            yaw,
            pitch: 0.02 + mix(0.12, 0.0, come) + 0.13 * drift(5, 0.8),
            roll: self.tilt + 0.09 * drift(6, 0.6),
            body_yaw: 0.25 * yaw,
            gaze: Gaze {
                shut: self.shut(step),
                at: [(-0.22 * yaw + 0.08 * drift(7, 1.3)).clamp(-0.3, 0.3), 0.06 * drift(8, 1.1)],
            },
        }
    }

    /// A blink takes a fifth of a second: quickly shut, slower open.
    fn shut(&self, step: f32) -> f32 {
        let mut shut = 0.0_f32;
        for &at in &self.blinks {
            let t = step - at as f32;
            shut = shut.max(ramp(0.0, 2.0, t) * ramp(6.0, 3.0, t));
        }
        shut
    }
}
