//! The report: one value for `--json`, Markdown for people.
//!
//! Owns: its form. Does not own: any number. Invariant: every rate is printed with its interval and its counts, and
//! what a table counts and leaves out is said below it.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::vision::SetSpec;

use super::calibrate::CalibrationReport;
use super::cross::CrossReport;
use super::detection::DetectionRow;
use super::identification::IdentificationRow;
use super::lens::Extraction;
use super::liveness::LivenessReport;
use super::verification::{FOLDS, Verification};

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The set of models.
    pub set: String,
    /// Its detector.
    pub detector: String,
    /// Its second landmark network, where it has one.
    pub landmarks: Option<String>,
    /// Its embedder.
    pub embedder: String,
    /// How many pictures gave a template.
    pub extraction: Option<Extraction>,
    /// 1:1 over the list of pairs.
    pub verification: Option<Verification>,
    /// All comparisons the pictures allow.
    pub cross: Option<CrossReport>,
    /// 1:N.
    pub identification: Vec<IdentificationRow>,
    /// Every detector of the manifest.
    #[serde(rename = "detection")]
    pub detection: Vec<DetectionRow>,
    /// Living faces and pictures of faces.
    pub liveness: Option<LivenessReport>,
    /// The table for the manifest.
    pub calibration: Option<CalibrationReport>,
    /// Files written.
    pub plots: Vec<PathBuf>,
}

impl Report {
    pub(super) fn new(set: &SetSpec) -> Self {
        Self {
            set: set.name.clone(),
            detector: set.detector.clone(),
            landmarks: set.landmarks.clone(),
            embedder: set.embedder.clone(),
            extraction: None,
            verification: None,
            cross: None,
            identification: Vec::new(),
            detection: Vec::new(),
            liveness: None,
            calibration: None,
            plots: Vec::new(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "# Set {}: {}", self.set, self.detector)?;
        if let Some(landmarks) = &self.landmarks {
            write!(f, " + {landmarks}")?;
        }
        writeln!(f, " + {}\n\nIn brackets: 95 % intervals.", self.embedder)?;
        self.extraction.as_ref().map_or(Ok(()), |e| extraction(f, e))?;
        self.verification.as_ref().map_or(Ok(()), |v| verification(f, v))?;
        self.cross.as_ref().map_or(Ok(()), |c| cross(f, c))?;
        identification(f, &self.identification, self.calibration.is_some())?;
        detection(f, &self.detection)?;
        self.liveness.as_ref().map_or(Ok(()), |l| liveness(f, l))?;
        if let Some(table) = &self.calibration {
            writeln!(f, "\n## Calibration for the manifest\n\n```toml\n{table}\n```")?;
        }
        for path in &self.plots {
            writeln!(f, "\nPlot: {}", path.display())?;
        }
        Ok(())
    }
}

fn extraction(f: &mut fmt::Formatter<'_>, e: &Extraction) -> fmt::Result {
    writeln!(
        f,
        "\n## Templates\n\n{} pictures of {} people; no template of {} (failures to extract, counted as errors below).",
        e.pictures,
        e.people,
        e.failed.len()
    )?;
    for picture in e.failed.iter().take(20) {
        writeln!(f, "- {picture}")?;
    }
    write!(f, "\nThe door's quality gate would ask for another picture in {} cases", e.refused_by_gate)?;
    for (i, (reason, count)) in e.reasons.iter().enumerate() {
        write!(f, "{} {reason} {count}", if i == 0 { ":" } else { "," })?;
    }
    writeln!(f, ". They are compared all the same.")
}

fn verification(f: &mut fmt::Formatter<'_>, v: &Verification) -> fmt::Result {
    writeln!(f, "\n## Verification (1:1), list of pairs, {FOLDS} folds\n")?;
    writeln!(f, "| | |\n|---|---|")?;
    writeln!(f, "| pairs of one person, of two people | {}, {} |", v.genuine, v.impostor)?;
    writeln!(f, "| pairs without a template on a side | {}, {} |", v.genuine_failed, v.impostor_failed)?;
    writeln!(f, "| accuracy, thresholds from the other folds | {} |", v.accuracy)?;
    writeln!(f, "| mean of the folds | {} |", v.fold_mean)?;
    writeln!(f, "| thresholds of the folds | {:.4} to {:.4} |", v.thresholds[0], v.thresholds[1])?;
    for t in &v.tar {
        writeln!(f, "| TAR at FAR {:e}, thresholds from the other folds | {} |", t.far, t.held_out)?;
        writeln!(f, "| - the FAR that came of it | {} |", t.held_out_far)?;
        let how = format!("one threshold ({:.4}) from all pairs", t.threshold);
        writeln!(f, "| TAR at FAR {:e}, {how} | {} |", t.far, t.pooled)?;
    }
    writeln!(f, "| equal error rate | {} |\n| area under the ROC | {} |", v.eer, v.auc)?;
    writeln!(
        f,
        "\nFolds and intervals keep people who are linked by any pair together ({} groups). A pair without a template \
         counts as \"not the same person\".",
        v.groups
    )
}

fn cross(f: &mut fmt::Formatter<'_>, c: &CrossReport) -> fmt::Result {
    writeln!(
        f,
        "\n## All comparisons: {} templates of {} people, {} genuine and {} impostor pairs\n",
        c.templates, c.people, c.genuine, c.impostor
    )?;
    writeln!(f, "| FAR | impostor pairs above | cosine | TAR |\n|---|---|---|---|")?;
    for r in &c.rows {
        writeln!(f, "| {:e} | {} | {} | {} |", r.far, r.impostors_above, r.cosine, r.tar)?;
    }
    writeln!(f, "\nIntervals: bootstrap over people.")
}

fn identification(
    f: &mut fmt::Formatter<'_>,
    rows: &[IdentificationRow],
    calibrated_here: bool,
) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let from = if calibrated_here { "the table measured in this run" } else { "the manifest's table" };
    writeln!(f, "\n## Identification (1:N), the door's own threshold and margin, by {from}\n")?;
    writeln!(
        f,
        "| people | templates | threshold | FPIR expected | FPIR | FNIR | misses: below threshold, margin, wrong \
         person, no template | rank 1 |\n|---|---|---|---|---|---|---|---|"
    )?;
    for r in rows {
        writeln!(
            f,
            "| {}{} | {:.0} | {:.3}{} | {:.2} % | {} | {} | {}, {}, {}, {} | {} |",
            r.people,
            if r.calibration_people_included { " (b)" } else { "" },
            r.templates,
            r.threshold,
            if r.extrapolated { " (a)" } else { "" },
            r.expected_fpir * 100.0,
            r.fpir,
            r.fnir,
            r.below_threshold,
            r.low_margin,
            r.wrong_person,
            r.failed,
            r.rank_one,
        )?;
    }
    writeln!(
        f,
        "\n{} random splits each; intervals count every person as one trial. Strangers are never in the gallery. A \
         probe without a template is a miss. (a) threshold beyond what was counted at calibration. (b) too few people \
         for a test half of this size: the people that the threshold was calibrated on are among them.",
        rows[0].splits
    )
}

fn detection(f: &mut fmt::Formatter<'_>, rows: &[DetectionRow]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n## Detection: average precision at IoU 0.5\n")?;
    writeln!(
        f,
        "| detector | input | face height | faces | AP | recall, precision at the door's threshold |\n\
         |---|---|---|---|---|---|"
    )?;
    for r in rows {
        writeln!(
            f,
            "| {} | {}x{} | {} | {} | {} | {:.3}, {:.3} |",
            r.detector, r.input[0], r.input[1], r.sizes, r.faces, r.ap, r.recall, r.precision
        )?;
    }
    writeln!(
        f,
        "\n{} pictures; intervals: bootstrap over pictures. Faces outside the class are ignored: a box on one is \
         neither right nor wrong, a box on nothing is wrong only when it is itself of the class.",
        rows[0].pictures
    )
}

fn liveness(f: &mut fmt::Formatter<'_>, l: &LivenessReport) -> fmt::Result {
    writeln!(f, "\n## Liveness, one picture at a time\n\n| picture | score | verdict |\n|---|---|---|")?;
    for p in &l.presentations {
        let score = p.score.map_or_else(|| "-".to_owned(), |s| format!("{s:.3}"));
        writeln!(f, "| {} | {score} | {} |", p.picture, p.verdict.name())?;
    }
    writeln!(f, "\nAttacks taken for living (APCER): {}", l.apcer)?;
    writeln!(f, "Living faces not taken for such (BPCER): {}", l.bpcer)?;
    if !l.enough_for_rates {
        writeln!(
            f,
            "Too few presentations to claim a rate: this shows that the networks work, not how well."
        )?;
    }
    Ok(())
}
