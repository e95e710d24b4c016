//! Who is this (1:N), and are these the same (1:1), on still pictures.
//!
//! Owns: the two questions and how their answers are put. Does not own: thresholds (`matching`).
//! Invariant: the operator at the board vouches for the pictures; no liveness is claimed for a file.

use crate::domain::{Cosine, Embedding, Match};
use crate::matching::{MatchLevel, Mode, shown_score};
use crate::vision::{Examined, Purpose};

use super::Desk;
use super::enroll::NamedImage;
use super::reply::{Failure, Identified, Reply, Verified};

/// Match level at which two pictures count as the same person: FMR 1e-4 (SPEC 1).
const DEFAULT_LEVEL: u8 = 3;

impl Desk<'_> {
    pub(super) fn identify(&mut self, image: &NamedImage) -> Result<Reply, Failure> {
        let (examined, embedding) = self.probe(image)?;
        let gallery = self.recognition.gallery();
        let policy = self.recognition.policy();
        let found = gallery.search(&embedding, policy);
        let nearest = gallery.candidates(&embedding, 1, Mode::Accurate);
        let cosine = nearest.first().map_or(-1.0, |c| c.score.get());
        let (person, name, ambiguous) = match found {
            Match::Person { id, name, .. } => {
                (Some(id.as_str().to_owned()), Some(name.as_str().to_owned()), false)
            }
            Match::LowMargin { .. } => (None, None, true),
            Match::Unknown { .. } => (None, None, false),
        };
        Ok(Reply::Identified(Identified {
            person,
            name,
            ambiguous,
            score: shown_score(policy.calibration(), Cosine::new(cosine)),
            cosine,
            threshold: policy.threshold(gallery.templates()).get(),
            quality: examined.quality.overall(),
        }))
    }

    pub(super) fn verify(&mut self, a: &NamedImage, b: &NamedImage) -> Result<Reply, Failure> {
        let (_, first) = self.probe(a)?;
        let (_, second) = self.probe(b)?;
        let cosine = first.cosine(&second);
        let policy = self.recognition.policy();
        let match_level = MatchLevel::reached(policy.calibration(), cosine).map_or(0, MatchLevel::number);
        Ok(Reply::Verified(Verified {
            same: match_level >= DEFAULT_LEVEL,
            match_level,
            score: shown_score(policy.calibration(), cosine),
            cosine: cosine.get(),
        }))
    }

    /// A template of the largest face, or why there is none.
    fn probe(&mut self, image: &NamedImage) -> Result<(Box<Examined>, Embedding), Failure> {
        let examined = self.eyes.examine(&image.picture()?, Purpose::Probe)?;
        match examined.embedding.clone() {
            Some(embedding) if examined.reasons.is_empty() => Ok((examined, embedding)),
            _ => Err(Failure::input(format!(
                "{}: {}",
                image.name,
                super::enroll::explained(&examined).join(", ")
            ))),
        }
    }
}
