//! Whether living faces pass and pictures of faces do not (ISO/IEC 30107-3), picture by picture.
//!
//! Owns: the counts and APCER, BPCER with their intervals. Does not own: the networks; the vote over several frames,
//! which a single picture cannot show.
//! Invariant: a picture that gives no verdict is counted as an error of a living face and as a stopped attack; a
//! handful of pictures is reported as counts, with intervals that show how little they say.

use std::path::Path;

use serde::Serialize;

use crate::domain::Mono;
use crate::vision::{LivenessConfig, SetSpec, Zone};

use super::EvaluateError;
use super::lens::{Lens, list, load};
use super::stats::Rate;

/// Fewer presentations than this make no rate.
const ENOUGH: u64 = 100;

/// What one frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// At or above the living limit.
    Live,
    /// At or below the spoof limit.
    Spoof,
    /// Between.
    Unsure,
    /// No face found.
    NoFace,
}

impl Verdict {
    /// The name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Spoof => "spoof",
            Self::Unsure => "unsure",
            Self::NoFace => "no face",
        }
    }
}

/// One picture.
#[derive(Clone, Debug, Serialize)]
pub struct Presentation {
    /// Below the folder.
    pub picture: String,
    /// Whether it shows a living face.
    pub live: bool,
    /// What the networks say of it, averaged, 0 to 1.
    pub score: Option<f32>,
    /// What the limits make of that.
    pub verdict: Verdict,
}

/// All pictures.
#[derive(Clone, Debug, Serialize)]
pub struct LivenessReport {
    /// One line each.
    pub presentations: Vec<Presentation>,
    /// Attacks taken for living faces.
    pub apcer: Rate,
    /// Living faces not taken for such.
    pub bpcer: Rate,
    /// Whether there are enough presentations to speak of rates at all.
    pub enough_for_rates: bool,
}

/// Judges the pictures below `live/` and `spoof/`.
pub(super) fn evaluate(
    lens: &Lens<'_>,
    set: &SetSpec,
    folder: &Path,
) -> Result<LivenessReport, EvaluateError> {
    let mut vision = lens.open(set, Zone::default())?;
    let limits = lens.config.liveness;
    let mut presentations = Vec::new();
    for (name, live) in [("live", true), ("spoof", false)] {
        for picture in list(&folder.join(name))? {
            let path = folder.join(name).join(&picture);
            let pixels = load(&path)?;
            let frame = pixels.as_frame(Mono(0)).map_err(|source| EvaluateError::Picture { path, source })?;
            let largest = vision
                .detect(frame, lens.config.detect_score)?
                .iter()
                .max_by(|a, b| a.bbox.area().total_cmp(&b.bbox.area()))
                .copied();
            let score = match largest {
                Some(face) => Some(vision.live_score(frame, &face)?.mean),
                None => None,
            };
            let verdict = score.map_or(Verdict::NoFace, |s| verdict(s, &limits));
            presentations.push(Presentation { picture: format!("{name}/{picture}"), live, score, verdict });
        }
    }
    if presentations.is_empty() {
        return Err(EvaluateError::Nothing("pictures below live/ and spoof/"));
    }
    Ok(report(presentations))
}

fn verdict(score: f32, limits: &LivenessConfig) -> Verdict {
    if score >= limits.live_score {
        Verdict::Live
    } else if score <= limits.spoof_score {
        Verdict::Spoof
    } else {
        Verdict::Unsure
    }
}

fn report(presentations: Vec<Presentation>) -> LivenessReport {
    let count = |live: bool, wrong: &dyn Fn(Verdict) -> bool| {
        let of = presentations.iter().filter(|p| p.live == live);
        Rate::of(of.clone().filter(|p| wrong(p.verdict)).count() as u64, of.count() as u64)
    };
    let (apcer, bpcer) = (count(false, &|v| v == Verdict::Live), count(true, &|v| v != Verdict::Live));
    let enough_for_rates = apcer.of >= ENOUGH && bpcer.of >= ENOUGH;
    LivenessReport { presentations, apcer, bpcer, enough_for_rates }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_living_is_living_and_six_pictures_are_no_rate() {
        let limits = LivenessConfig::default();
        let scores = [(true, 0.99), (true, 0.5), (false, 0.01), (false, 0.5), (false, 0.95)];
        let presentations = scores
            .map(|(live, score)| Presentation {
                picture: String::new(),
                live,
                score: Some(score),
                verdict: verdict(score, &limits),
            })
            .to_vec();
        let report = report(presentations);
        assert_eq!((report.apcer.hits, report.apcer.of), (1, 3));
        assert_eq!((report.bpcer.hits, report.bpcer.of), (1, 2));
        assert!(!report.enough_for_rates);
        assert!(report.apcer.high > 0.9, "three attacks say next to nothing: {}", report.apcer);
    }
}
