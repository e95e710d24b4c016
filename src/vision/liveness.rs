//! Whether a face lives: the networks' scores of one frame, the vote over frames, and the proof that a face may
//! be compared.
//!
//! Owns: the crop on raw pixels of the frame, the k-of-n vote, [`LiveFace`]. Does not own: tracks, thresholds.
//! Invariants: a [`LiveFace`] exists only where the vote of its track says living and its own frame does, too;
//! a track that was once called a spoof stays one.

use super::VisionError;
use super::config::LivenessConfig;
use super::manifest::{Input, Role};
use super::resample::{Crop, Cropper};
use ostiary_domain::{AlignedFace, Frame, Rect};
use ostiary_engine::Network;

/// Most liveness networks averaged.
pub const MAX_NETS: usize = 4;
/// Most classes of one of them.
const MAX_CLASSES: usize = 8;

/// A face that was found to live, over several frames and in this one. Made only here.
#[derive(Clone, Copy, Debug)]
pub struct LiveFace<'a> {
    face: &'a AlignedFace,
}

/// A face that is compared although nobody checked whether it lives: a photo given by an operator to enrol, to
/// identify or to verify. To write the word is to take the responsibility.
#[derive(Clone, Copy, Debug)]
pub struct Trusted<'a>(
    /// Aligned on the embedder's template.
    pub &'a AlignedFace,
);

/// What may be embedded; no other module can add to it.
pub trait Embeddable: sealed::Sealed {
    /// The aligned face.
    fn face(&self) -> &AlignedFace;
}

impl Embeddable for LiveFace<'_> {
    fn face(&self) -> &AlignedFace {
        self.face
    }
}

impl Embeddable for Trusted<'_> {
    fn face(&self) -> &AlignedFace {
        self.0
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::LiveFace<'_> {}
    impl Sealed for super::Trusted<'_> {}
}

/// The verdict over the last frames of one track.
#[derive(Clone, Copy, Debug)]
pub enum Liveness<'a> {
    /// It lives, and this frame of it may be compared.
    Live(LiveFace<'a>),
    /// A picture, a screen or a mask; final for this track.
    Spoof,
    /// Not known yet.
    Unsure,
}

/// One frame's score, 0 (picture) to 1 (living), averaged over the networks.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveScore {
    /// The mean of the networks' probabilities.
    pub mean: f32,
    /// Each network's probability, in the set's order.
    pub each: heapless::Vec<f32, MAX_NETS>,
}

/// One frame's voice in the vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vote {
    /// Looks alive.
    Live,
    /// Looks like a picture.
    Spoof,
    /// Neither.
    #[default]
    Neither,
}

impl Vote {
    /// The voice of a frame with this score.
    #[must_use]
    pub fn of(score: f32, config: &LivenessConfig) -> Self {
        if score >= config.live_score {
            Self::Live
        } else if score <= config.spoof_score {
            Self::Spoof
        } else {
            Self::Neither
        }
    }
}

/// The last n votes of one track.
#[derive(Clone, Debug, Default)]
pub struct Ballot {
    /// One bit a frame, newest lowest.
    live: u32,
    spoof: u32,
    convicted: bool,
}

impl Ballot {
    /// Adds the vote of one frame whose aligned crop is `face`, and says what follows.
    pub fn cast<'a>(&mut self, vote: Vote, face: &'a AlignedFace, config: &LivenessConfig) -> Liveness<'a> {
        // n is 1 to 32, so the shift is at most 31.
        let window = u32::MAX >> (32 - u32::from(config.n.clamp(1, 32)));
        self.live = (self.live << 1 | u32::from(vote == Vote::Live)) & window;
        self.spoof = (self.spoof << 1 | u32::from(vote == Vote::Spoof)) & window;
        self.convicted |= self.spoof.count_ones() >= u32::from(config.spoof_votes);
        if self.convicted {
            Liveness::Spoof
        } else if vote == Vote::Live && self.live.count_ones() >= u32::from(config.k) {
            Liveness::Live(LiveFace { face })
        } else {
            Liveness::Unsure
        }
    }

    /// Whether the track was found to be a spoof.
    #[must_use]
    pub const fn is_convicted(&self) -> bool {
        self.convicted
    }
}

/// A network of the `MiniFASNet` kind over a crop around the face (minivision-ai, Silent-Face-Anti-Spoofing).
#[derive(Debug)]
pub struct PassiveNet {
    network: Network,
    cropper: Cropper,
    crop: f32,
    live_class: usize,
    classes: usize,
}

impl PassiveNet {
    /// `None` when the output is not 2 to 8 classes with the living one among them.
    pub(super) fn new(network: Network, input: Input, crop: f32, live_class: usize) -> Option<Self> {
        let classes = network.output_shape(0).iter().product();
        if network.output_count() != 1 || !(2..=MAX_CLASSES).contains(&classes) || live_class >= classes {
            return None;
        }
        Some(Self { network, cropper: Cropper::new(input), crop, live_class, classes })
    }

    /// For [`ModelSet::network_mut`](super::models::ModelSet::network_mut).
    pub(super) const fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The probability that the face in `bbox` lives.
    pub(super) fn score(&mut self, frame: Frame<'_>, bbox: &Rect) -> Result<f32, VisionError> {
        let crop = around(bbox, self.crop, frame.width() as usize, frame.height() as usize);
        let outputs = self
            .network
            .run(self.cropper.fill(frame, crop))
            .map_err(|source| VisionError::Engine { role: Role::Liveness, source })?;
        Ok(softmax(outputs.get(0), self.live_class, self.classes))
    }
}

/// Probability of one class; 0 (a picture) when the network gave no numbers.
fn softmax(logits: &[f32], class: usize, classes: usize) -> f32 {
    if logits.len() != classes || logits.iter().any(|v| !v.is_finite()) {
        return 0.0;
    }
    let peak = logits.iter().fold(f32::MIN, |m, v| m.max(*v));
    let sum: f32 = logits.iter().map(|v| (v - peak).exp()).sum();
    (logits[class] - peak).exp() / sum
}

/// The box grown by `factor` about its centre, by less where the frame is smaller, and moved into the frame:
/// the crop that these networks were trained with.
fn around(bbox: &Rect, factor: f32, width: usize, height: usize) -> Crop {
    let (right, bottom) = (width as f32 - 1.0, height as f32 - 1.0);
    let (w, h) = (bbox.w.max(1.0), bbox.h.max(1.0));
    let factor = factor.min(right / w).min(bottom / h).max(0.0);
    let (w, h) = (w * factor, h * factor);
    let centre = bbox.centre();
    let left = (centre.x - w / 2.0).min(right - w).max(0.0);
    let top = (centre.y - h / 2.0).min(bottom - h).max(0.0);
    let (x, y) = (left as usize, top as usize);
    // The last column and row belong to the crop.
    let (x1, y1) = (((left + w) as usize).min(width - 1), ((top + h) as usize).min(height - 1));
    Crop { x, y, width: x1 + 1 - x.min(x1), height: y1 + 1 - y.min(y1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast(votes: &[Vote]) -> Vec<char> {
        let face = AlignedFace::black(112).unwrap();
        let mut ballot = Ballot::default();
        let config = LivenessConfig::default();
        let mark = |l: Liveness<'_>| match l {
            Liveness::Live(_) => 'L',
            Liveness::Spoof => 'S',
            Liveness::Unsure => '-',
        };
        votes.iter().map(|v| mark(ballot.cast(*v, &face, &config))).collect()
    }

    #[test]
    fn three_of_five_are_needed_and_a_spoof_is_for_ever() {
        use Vote::{Live, Neither, Spoof};
        assert_eq!(cast(&[Live, Live, Live]), ['-', '-', 'L']);
        assert_eq!(cast(&[Live, Neither, Live, Neither, Live]), ['-', '-', '-', '-', 'L']);
        assert_eq!(cast(&[Live, Live, Live, Neither, Spoof]), ['-', '-', 'L', '-', '-']);
        assert_eq!(cast(&[Spoof, Spoof, Spoof, Live, Live, Live, Live, Live]), {
            ['-', '-', 'S', 'S', 'S', 'S', 'S', 'S']
        });
    }

    proptest::proptest! {
        #[test]
        fn the_crop_stays_in_the_frame(
            x in -500.0_f32..2500.0, y in -500.0_f32..1500.0, w in 0.0_f32..3000.0, h in 0.0_f32..3000.0,
            factor in 0.5_f32..4.0, width in 1_usize..1920, height in 1_usize..1080,
        ) {
            let c = around(&Rect { x, y, w, h }, factor, width, height);
            proptest::prop_assert!(c.width > 0 && c.height > 0);
            proptest::prop_assert!(c.x + c.width <= width && c.y + c.height <= height);
        }
    }

    #[test]
    fn broken_logits_are_a_picture() {
        assert!(softmax(&[f32::NAN, 9.0, 0.0], 1, 3) < 1e-6);
        assert!(softmax(&[], 1, 3) < 1e-6);
        assert!(softmax(&[0.0, 100.0, 0.0], 1, 3) > 0.99);
    }
}
