//! The limits of a good look, with their ranges.
//!
//! Owns: every threshold of vision, named once, and its check. Does not own: the file they are read from.
//! Invariant: a configuration that passed `check` has every number finite and within its range.

use ostiary_domain::Millis;

/// Everything an installer may set of vision.
#[derive(Clone, Debug, PartialEq)]
pub struct VisionConfig {
    /// Least confidence of a face, 0.1 to 0.99.
    pub detect_score: f32,
    /// Overlap (`IoU`) above which two boxes are one face, 0.1 to 0.9.
    pub nms_iou: f32,
    /// Where in the frame a face counts.
    pub zone: Zone,
    /// What a face must be to be enrolled or compared.
    pub quality: QualityLimits,
    /// When a face counts as living.
    pub liveness: LivenessConfig,
    /// When two boxes of two frames are one face.
    pub track: TrackConfig,
    /// When a frame is worth looking at.
    pub motion: MotionConfig,
}

impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            detect_score: 0.6,
            nms_iou: 0.3,
            zone: Zone::default(),
            quality: QualityLimits::default(),
            liveness: LivenessConfig::default(),
            track: TrackConfig::default(),
            motion: MotionConfig::default(),
        }
    }
}

/// A part of the frame, in fractions of its width and height; the middle of the eyes must lie in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zone {
    /// Left edge, 0 to 1.
    pub left: f32,
    /// Top edge, 0 to 1.
    pub top: f32,
    /// Right edge, 0 to 1, right of the left one.
    pub right: f32,
    /// Bottom edge, 0 to 1, below the top one.
    pub bottom: f32,
}

impl Default for Zone {
    /// The whole frame.
    fn default() -> Self {
        Self { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 }
    }
}

/// The same limits for enrolment and walk-up; only the least size differs, because a template is kept for years.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QualityLimits {
    /// Least eye distance to enrol, in pixels, 16 to 400.
    pub enrol_eye_px: f32,
    /// Least eye distance to compare, in pixels, 16 to 400.
    pub probe_eye_px: f32,
    /// Least score of each component, 0 to 100.
    pub min_yaw: u8,
    /// Up and down.
    pub min_pitch: u8,
    /// Focus.
    pub min_sharpness: u8,
    /// Light.
    pub min_exposure: u8,
    /// How much of the face is in view.
    pub min_completeness: u8,
    /// For enrolment: a second face of at least this part of the first one's eye distance makes the picture
    /// ambiguous; 0.1 to 1, above 1 never.
    pub second_face: f32,
}

impl Default for QualityLimits {
    fn default() -> Self {
        Self {
            enrol_eye_px: 40.0,
            probe_eye_px: 32.0,
            min_yaw: 40,
            min_pitch: 40,
            min_sharpness: 30,
            min_exposure: 30,
            min_completeness: 90,
            second_face: 0.6,
        }
    }
}

/// k living frames of the last n; the scores are those of one frame, averaged over the liveness models.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LivenessConfig {
    /// Frames that must have been living, 1 to n.
    pub k: u8,
    /// Frames looked back at, 1 to 32.
    pub n: u8,
    /// A frame at or above votes living, 0 to 1.
    pub live_score: f32,
    /// A frame at or below votes spoof, 0 to 1, below `live_score`.
    pub spoof_score: f32,
    /// Spoof votes of the last n that end the attempt, 1 to n.
    pub spoof_votes: u8,
}

impl Default for LivenessConfig {
    fn default() -> Self {
        Self { k: 3, n: 5, live_score: 0.7, spoof_score: 0.3, spoof_votes: 3 }
    }
}

/// Following a face over frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackConfig {
    /// Least overlap (`IoU`) of a face with its last box, 0 to 1.
    pub min_iou: f32,
    /// Farthest way between frames, in widths of the box, 0 to 2.
    pub max_shift: f32,
    /// A face not seen for this long is gone; in frame time.
    pub timeout: Millis,
    /// Another face must be this much larger to take over, at least 1.
    pub takeover: f32,
}

impl Default for TrackConfig {
    fn default() -> Self {
        Self { min_iou: 0.3, max_shift: 0.5, timeout: Millis(700), takeover: 1.25 }
    }
}

/// Passing over frames in which nothing happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MotionConfig {
    /// Whether frames without motion are passed over at all.
    pub enabled: bool,
    /// Change of brightness that counts, 1 to 255 of 255.
    pub luma_step: u8,
    /// Part of the picture that must have changed, 0 to 1.
    pub changed: f32,
    /// Without motion, look all the same this often.
    pub recheck: Millis,
}

impl Default for MotionConfig {
    fn default() -> Self {
        Self { enabled: true, luma_step: 12, changed: 0.004, recheck: Millis(1_000) }
    }
}

/// A limit is out of its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("vision.{key} must be {range}, it is {value}")]
pub struct ConfigError {
    /// Which.
    pub key: &'static str,
    /// What it may be.
    pub range: &'static str,
    /// What it is.
    pub value: f32,
}

impl VisionConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// The first limit that is out of its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (q, l, t, m, z) = (&self.quality, &self.liveness, &self.track, &self.motion, &self.zone);
        let percent = "from 0 to 100";
        within("detect_score", self.detect_score, 0.1, 0.99, "from 0.1 to 0.99")?;
        within("nms_iou", self.nms_iou, 0.1, 0.9, "from 0.1 to 0.9")?;
        within("zone.left", z.left, 0.0, 1.0, "from 0 to 1")?;
        within("zone.top", z.top, 0.0, 1.0, "from 0 to 1")?;
        within("zone.right", z.right, z.left + 0.01, 1.0, "right of zone.left and at most 1")?;
        within("zone.bottom", z.bottom, z.top + 0.01, 1.0, "below zone.top and at most 1")?;
        within("quality.enrol_eye_px", q.enrol_eye_px, 16.0, 400.0, "from 16 to 400 pixels")?;
        within("quality.probe_eye_px", q.probe_eye_px, 16.0, 400.0, "from 16 to 400 pixels")?;
        within("quality.min_yaw", q.min_yaw.into(), 0.0, 100.0, percent)?;
        within("quality.min_pitch", q.min_pitch.into(), 0.0, 100.0, percent)?;
        within("quality.min_sharpness", q.min_sharpness.into(), 0.0, 100.0, percent)?;
        within("quality.min_exposure", q.min_exposure.into(), 0.0, 100.0, percent)?;
        within("quality.min_completeness", q.min_completeness.into(), 0.0, 100.0, percent)?;
        within("quality.second_face", q.second_face, 0.1, 10.0, "from 0.1 to 10")?;
        within("liveness.n", l.n.into(), 1.0, 32.0, "from 1 to 32 frames")?;
        within("liveness.k", l.k.into(), 1.0, l.n.into(), "from 1 to liveness.n")?;
        within("liveness.spoof_votes", l.spoof_votes.into(), 1.0, l.n.into(), "from 1 to liveness.n")?;
        within("liveness.live_score", l.live_score, 0.0, 1.0, "from 0 to 1")?;
        let below = "at least 0 and below liveness.live_score";
        within("liveness.spoof_score", l.spoof_score, 0.0, l.live_score - f32::EPSILON, below)?;
        within("track.min_iou", t.min_iou, 0.0, 1.0, "from 0 to 1")?;
        within("track.max_shift", t.max_shift, 0.0, 2.0, "from 0 to 2 box widths")?;
        within("track.timeout_ms", t.timeout.0 as f32, 50.0, 10_000.0, "from 50 to 10000 ms")?;
        within("track.takeover", t.takeover, 1.0, 10.0, "from 1 to 10")?;
        within("motion.luma_step", m.luma_step.into(), 1.0, 255.0, "from 1 to 255")?;
        within("motion.changed", m.changed, 0.0, 1.0, "from 0 to 1")?;
        within("motion.recheck_ms", m.recheck.0 as f32, 100.0, 60_000.0, "from 100 to 60000 ms")
    }
}

fn within(
    key: &'static str,
    value: f32,
    low: f32,
    high: f32,
    range: &'static str,
) -> Result<(), ConfigError> {
    // Written so that NaN fails.
    if value >= low && value <= high { Ok(()) } else { Err(ConfigError { key, range, value }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass_and_bad_numbers_are_named() {
        VisionConfig::default().check().unwrap();
        let mut config = VisionConfig::default();
        config.liveness.k = 6;
        assert_eq!(config.check().unwrap_err().key, "liveness.k");
        let config = VisionConfig { detect_score: f32::NAN, ..VisionConfig::default() };
        assert_eq!(config.check().unwrap_err().key, "detect_score");
    }
}
