//! One look at one frame: the way from pixels to a verdict, for a visitor at the door and for a still picture.
//!
//! Owns: the order of steps and the scratch they share. Does not own: any step itself, the gallery.
//! Invariants: both ways judge with the same limits; a refused, unsure or spoofed face is not embedded; the
//! order of checks is fixed: somebody, in the zone, good enough, living, known.

use super::VisionError;
use super::align::{Template, align, realign};
use super::config::{ConfigError, VisionConfig};
use super::liveness::{Embeddable, LiveScore, Liveness, PassiveNet, Trusted, Vote};
use super::models::ModelSet;
use super::motion::MotionGate;
use super::quality;
use super::refine::Refiner;
use super::timings::{Stage, Stopwatch, Timings};
use super::track::Tracker;
use ostiary_domain::limits::MAX_FACES;
use ostiary_domain::{
    AlignedFace, Calibration, Detection, Embedding, Frame, Landmarks, Look, LookVerdict, Match, ModelId,
    Point, Quality, QualityReason, QualityReasons,
};

/// Decimal logarithm of the false match rate below whose cosine two faces of one track are two people.
const OTHER_PERSON_LOG10_FMR: f32 = -2.0;

/// What a still picture is examined for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To become a template: a larger face is asked for, and nobody of like size beside it.
    Enrol,
    /// To be compared: as at the door.
    Probe,
}

/// What a still picture shows.
#[derive(Clone, Debug)]
pub struct Examined {
    /// Every face, best first; at most [`MAX_FACES`].
    pub faces: heapless::Vec<Detection, MAX_FACES>,
    /// The face examined: the largest.
    pub subject: Option<Detection>,
    /// How good it is; all 0 where there is none.
    pub quality: Quality,
    /// Why it is not good enough; empty where it is.
    pub reasons: QualityReasons,
    /// The face turned upright, wherever there is one.
    pub aligned: Option<Box<AlignedFace>>,
    /// The template; only where there are no reasons against it, and the liveness asked for was reached.
    pub embedding: Option<Embedding>,
    /// This one picture's liveness, 0 to 1, where it was asked for and a face was good enough to be asked.
    pub live: Option<f32>,
    /// The embedder that looked: the template is its, whatever serves by the time it is used.
    pub model: ModelId,
}

/// What a still picture's liveness matters. One picture proves little: at the door several frames vote.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum LiveRule {
    /// The caller vouches for the picture.
    #[default]
    Trusted,
    /// It is measured and decides nothing.
    Measured,
    /// Below this it is an attack and is not embedded.
    AtLeast(f32),
}

/// The eyes of the door.
#[derive(Debug)]
pub struct Vision {
    models: ModelSet,
    config: VisionConfig,
    motion: MotionGate,
    tracker: Tracker,
    aligned: AlignedFace,
    stopwatch: Stopwatch,
}

impl Vision {
    /// Takes loaded models.
    ///
    /// # Errors
    /// When a limit is out of its range.
    pub fn new(models: ModelSet, config: VisionConfig) -> Result<Self, VisionError> {
        config.check().map_err(VisionError::Config)?;
        let side = models.embedder.template().side;
        // The manifest allows no larger side; the error is the installer's to see all the same.
        let aligned = AlignedFace::black(side).ok_or(VisionError::Config(ConfigError {
            key: "models",
            range: "an embedder of at most 128 pixels",
            value: side as f32,
        }))?;
        Ok(Self {
            models,
            config,
            motion: MotionGate::new(),
            tracker: Tracker::default(),
            aligned,
            stopwatch: Stopwatch::new(),
        })
    }

    /// Lends a clock in microseconds, from which [`Vision::timings`] are taken.
    pub const fn set_clock(&mut self, now_us: fn() -> u64) {
        self.stopwatch.set_clock(now_us);
    }

    /// Looks at one camera frame. `search` asks the gallery and is called for a living face only.
    ///
    /// # Errors
    /// When a network fails. The frame then says nothing; the tracks stand.
    pub fn look(
        &mut self,
        frame: Frame<'_>,
        search: &mut dyn FnMut(&Embedding) -> Match,
    ) -> Result<Look, VisionError> {
        self.stopwatch.start();
        let meta = frame.meta();
        let look = |subject, faces: usize, verdict| {
            let faces = u8::try_from(faces).unwrap_or(u8::MAX);
            Look { captured: meta.captured, frame_seq: meta.seq, subject, faces, verdict }
        };
        let moved = self.motion.passes(frame, &self.config.motion);
        self.stopwatch.lap(Stage::Motion);
        if !moved && !self.tracker.any_alive(meta.captured, &self.config.track) {
            return Ok(look(None, 0, LookVerdict::Still));
        }

        let Self { models, config, tracker, aligned, stopwatch, .. } = self;
        let found = models.detector.detect(frame, config.detect_score, config.nms_iou)?;
        stopwatch.lap(Stage::Detect);
        let faces = found.len();
        tracker.update(found, meta.captured, &config.track);
        let in_zone = |d: &Detection| quality::in_zone(frame, d, &config.zone);
        let somebody = found.iter().any(in_zone);
        let subject = tracker.subject(&config.track, |d| !somebody || in_zone(d));
        stopwatch.lap(Stage::Track);
        let Some(track) = subject else {
            return Ok(look(None, faces, LookVerdict::Nobody));
        };

        let face = refined(&mut models.refiner, frame, &track.last)?;
        let upright = align(frame, &face.landmarks, models.embedder.template(), aligned);
        stopwatch.lap(Stage::Align);
        let min_eye_px = config.quality.probe_eye_px;
        let (_, mut reasons) = judged(frame, &face, models.embedder.template(), aligned, config, min_eye_px);
        if !upright {
            reasons.insert(QualityReason::Occluded);
        }
        stopwatch.lap(Stage::Quality);
        let id = track.id;
        // A track found to be a spoof says so whatever it does next.
        if track.ballot.is_convicted() {
            return Ok(look(Some((id, face)), faces, LookVerdict::Spoof));
        }
        if !reasons.is_empty() {
            return Ok(look(Some((id, face)), faces, LookVerdict::Refused(reasons)));
        }

        let score = live_score(&mut models.liveness, frame, &track.last)?;
        stopwatch.lap(Stage::Liveness);
        let vote = Vote::of(score.mean, &config.liveness);
        let live = match track.ballot.cast(vote, aligned, &config.liveness) {
            Liveness::Live(live) => live,
            Liveness::Spoof => return Ok(look(Some((id, face)), faces, LookVerdict::Spoof)),
            Liveness::Unsure => return Ok(look(Some((id, face)), faces, LookVerdict::Unsure)),
        };
        let embedding = models.embedder.embed(&live)?;
        stopwatch.lap(Stage::Embed);
        // The vote was cast for another person's frames: they prove nothing for this one.
        let other = models.embedder.calibration().cosine_at(OTHER_PERSON_LOG10_FMR);
        if track.template.as_ref().is_some_and(|t| t.cosine(&embedding) < other) {
            tracker.replaced(id);
            return Ok(look(Some((id, face)), faces, LookVerdict::Unsure));
        }
        let found = search(&embedding);
        track.template = Some(embedding);
        stopwatch.lap(Stage::Search);
        Ok(look(Some((id, face)), faces, LookVerdict::Matched(found)))
    }

    /// Examines a still picture with the same steps and limits, except liveness: the caller vouches for it.
    ///
    /// # Errors
    /// When a network fails.
    pub fn examine(&mut self, frame: Frame<'_>, purpose: Purpose) -> Result<Examined, VisionError> {
        self.examine_live(frame, purpose, LiveRule::Trusted)
    }

    /// Examines a still picture whose liveness matters as `rule` says.
    ///
    /// # Errors
    /// When a network fails.
    pub fn examine_live(
        &mut self,
        frame: Frame<'_>,
        purpose: Purpose,
        rule: LiveRule,
    ) -> Result<Examined, VisionError> {
        self.stopwatch.start();
        let Self { models, config, stopwatch, .. } = self;
        let found = models.detector.detect(frame, config.detect_score, config.nms_iou)?;
        let faces: heapless::Vec<Detection, MAX_FACES> = found.iter().take(MAX_FACES).copied().collect();
        stopwatch.lap(Stage::Detect);
        let largest = |within: bool| {
            let size = |d: &Detection| d.bbox.area();
            let counted = faces.iter().filter(|d| !within || quality::in_zone(frame, d, &config.zone));
            counted.max_by(|a, b| size(a).total_cmp(&size(b))).copied()
        };
        let Some(face) = largest(true).or_else(|| largest(false)) else {
            return Ok(Examined {
                faces,
                subject: None,
                quality: Quality::default(),
                reasons: [QualityReason::NoFace].into_iter().collect(),
                aligned: None,
                embedding: None,
                live: None,
                model: self.models.model_id(),
            });
        };
        let face = refined(&mut models.refiner, frame, &face)?;
        let mut aligned = Box::new(self.aligned.clone());
        let upright = align(frame, &face.landmarks, models.embedder.template(), &mut aligned);
        stopwatch.lap(Stage::Align);
        let min_eye_px = match purpose {
            Purpose::Enrol => config.quality.enrol_eye_px,
            Purpose::Probe => config.quality.probe_eye_px,
        };
        let (quality, mut reasons) =
            judged(frame, &face, models.embedder.template(), &aligned, config, min_eye_px);
        if !upright {
            reasons.insert(QualityReason::Occluded);
        }
        if purpose == Purpose::Enrol && ambiguous(&faces, &face, config.quality.second_face) {
            reasons.insert(QualityReason::MultipleFaces);
        }
        stopwatch.lap(Stage::Quality);
        let live = match rule {
            LiveRule::Measured | LiveRule::AtLeast(_) if reasons.is_empty() => {
                Some(live_score(&mut models.liveness, frame, &face)?.mean)
            }
            LiveRule::Trusted | LiveRule::Measured | LiveRule::AtLeast(_) => None,
        };
        stopwatch.lap(Stage::Liveness);
        let attack = match rule {
            // Written so that NaN is an attack.
            LiveRule::AtLeast(least) => !live.is_some_and(|score| score >= least),
            LiveRule::Trusted | LiveRule::Measured => false,
        };
        let embedding = if reasons.is_empty() && !attack {
            Some(models.embedder.embed(&Trusted(&aligned))?)
        } else {
            None
        };
        stopwatch.lap(Stage::Embed);
        let model = models.model_id();
        let aligned = Some(aligned);
        Ok(Examined { faces, subject: Some(face), quality, reasons, aligned, embedding, live, model })
    }

    /// Every face of at least `min_score`, best first, however many: for measuring the detector.
    ///
    /// # Errors
    /// When the network fails.
    pub fn detect(&mut self, frame: Frame<'_>, min_score: f32) -> Result<&[Detection], VisionError> {
        self.models.detector.detect(frame, min_score, self.config.nms_iou)
    }

    /// The face turned upright, its points refined first where the set says so; `None` when they make no face.
    ///
    /// # Errors
    /// When the landmark network fails.
    pub fn align(&mut self, frame: Frame<'_>, face: &Detection) -> Result<Option<AlignedFace>, VisionError> {
        let face = refined(&mut self.models.refiner, frame, face)?;
        let mut aligned = self.aligned.clone();
        let upright = align(frame, &face.landmarks, self.models.embedder.template(), &mut aligned);
        Ok(upright.then_some(aligned))
    }

    /// The template of a face kept from an enrolment, which was aligned on the points `from` of another model: it is
    /// laid onto this model's template first. It holds no more detail than the kept face. The caller vouches for it,
    /// as at the enrolment. `None` where the points make no face.
    ///
    /// # Errors
    /// When the network fails or gives nothing usable.
    pub fn embed_kept(
        &mut self,
        kept: &AlignedFace,
        from: &[Point; 5],
    ) -> Result<Option<Embedding>, VisionError> {
        let Self { models, aligned, .. } = self;
        if !realign(kept, from, models.embedder.template(), aligned) {
            return Ok(None);
        }
        models.embedder.embed(&Trusted(aligned)).map(Some)
    }

    /// The template of an aligned face; one kept from another model is scaled to this model's size.
    ///
    /// # Errors
    /// When the network fails or gives nothing usable.
    pub fn embed(&mut self, face: &impl Embeddable) -> Result<Embedding, VisionError> {
        self.models.embedder.embed(face)
    }

    /// The template of an aligned face and its mirror image: slower and a little more exact.
    ///
    /// # Errors
    /// As [`Vision::embed`].
    pub fn embed_flipped(&mut self, face: &impl Embeddable) -> Result<Embedding, VisionError> {
        self.models.embedder.embed_flipped(face)
    }

    /// One frame's liveness score of one face; a verdict takes several frames.
    ///
    /// # Errors
    /// When a network fails.
    pub fn live_score(&mut self, frame: Frame<'_>, face: &Detection) -> Result<LiveScore, VisionError> {
        live_score(&mut self.models.liveness, frame, face)
    }

    /// Forgets every face followed: after a camera was reopened, nothing seen before proves anything.
    pub fn forget(&mut self) {
        self.tracker.clear();
        self.motion.reset();
    }

    /// What the stages of the last look or examination took.
    #[must_use]
    pub const fn timings(&self) -> &Timings {
        self.stopwatch.timings()
    }

    /// The embedder's hash: templates carry it.
    #[must_use]
    pub const fn model_id(&self) -> ModelId {
        self.models.model_id()
    }

    /// What a cosine of the embedder is worth.
    #[must_use]
    pub const fn calibration(&self) -> &Calibration {
        self.models.calibration()
    }

    /// Whether that is a guess, not measured.
    #[must_use]
    pub const fn is_calibration_provisional(&self) -> bool {
        self.models.embedder.is_provisional()
    }

    /// The loaded models.
    #[must_use]
    pub const fn models(&self) -> &ModelSet {
        &self.models
    }

    /// The same to change, for calibration: see [`ModelSet::network_mut`].
    pub const fn models_mut(&mut self) -> &mut ModelSet {
        &mut self.models
    }

    /// The limits in use.
    #[must_use]
    pub const fn config(&self) -> &VisionConfig {
        &self.config
    }
}

/// The face with its points refined, where the set has a network for that.
fn refined(
    refiner: &mut Option<Refiner>,
    frame: Frame<'_>,
    face: &Detection,
) -> Result<Detection, VisionError> {
    let landmarks: Landmarks = match refiner {
        Some(refiner) => refiner.refine(frame, face)?,
        None => face.landmarks,
    };
    Ok(Detection { landmarks, ..*face })
}

fn judged(
    frame: Frame<'_>,
    face: &Detection,
    template: &Template,
    aligned: &AlignedFace,
    config: &VisionConfig,
    min_eye_px: f32,
) -> (Quality, QualityReasons) {
    let (quality, light) = quality::measure(frame, face, template, aligned);
    let mut reasons = quality::reasons(&quality, light, face, &config.quality, min_eye_px);
    if !quality::in_zone(frame, face, &config.zone) {
        reasons.insert(QualityReason::OutOfZone);
    }
    (quality, reasons)
}

/// Whether another face is of like size.
fn ambiguous(faces: &[Detection], subject: &Detection, part: f32) -> bool {
    let least = subject.landmarks.eye_distance() * part;
    faces.iter().any(|d| d.bbox != subject.bbox && d.landmarks.eye_distance() >= least)
}

fn live_score(nets: &mut [PassiveNet], frame: Frame<'_>, face: &Detection) -> Result<LiveScore, VisionError> {
    let mut each = heapless::Vec::new();
    for net in nets {
        // More networks than fit are refused by the manifest.
        let _ = each.push(net.score(frame, &face.bbox)?);
    }
    let mean = each.iter().sum::<f32>() / each.len().max(1) as f32;
    Ok(LiveScore { mean, each })
}
