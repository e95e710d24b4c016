//! `ostiary evaluate`: how good the pipeline is, measured on folders of pictures through the product's own code.
//!
//! Owns: the protocols (verification, identification, detection, liveness), their intervals, the report and its plots.
//! Does not own: any step between pixels and a template (`vision`), search and thresholds (`matching`).
//! Invariants: nothing is tuned on what it is tested on; every rate comes with an interval and a count; a picture of
//! which no template could be made is counted; templates are kept in memory only; a report names pictures of the data
//! set, never a face.

mod calibrate;
mod compare;
mod cross;
mod detection;
mod error;
mod identification;
mod lens;
mod liveness;
mod pairs;
mod parallel;
mod plots;
mod report;
mod scores;
mod stats;
mod verification;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::domain::calibration::CalibrationError;
use crate::domain::{Calibration, Cosine, Embedding};
use crate::matching::OpenSet;
use crate::vision::manifest::{Family, Role};
use crate::vision::{Manifest, SetSpec, VisionConfig, Zone};

use super::config::Config;
use super::out::Out;
use super::wiring::Models;

use calibrate::Half;
use cross::Cross;
use detection::{DetectionRow, Found, Sizes};
use identification::{IdentificationRow, Subject};
use lens::{Lens, Sample};
use scores::Point;

pub use calibrate::{AnchorRow, CalibrationReport};
pub use compare::{Comparison, DifferenceRow};
pub use error::EvaluateError;
pub(super) use lens::{list as list_pictures, load as load_picture};
pub use report::Report;
pub(super) use stats::Random;
pub use stats::{Estimate, Rate};

/// Measure accuracy on your own pictures or on public test sets, with confidence intervals.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "Examples:\n  \
    ostiary evaluate --pairs lfw/pairs.csv --images lfw/images --identification --plots out/\n  \
    ostiary evaluate --detection wider/ --pad pad/\n\n\
    PAIRS is a CSV file with the header a,b,same: two pictures below IMAGES and 1 or 0. A person is the folder that a \
    picture lies in.\n\
    DETECTION holds gt.txt (\"# file width height\", then \"x1 y1 x2 y2\" a face) and images/.\n\
    PAD holds live/ and spoof/.")]
pub struct EvaluateArgs {
    /// The set of models to measure; without it the configured one.
    #[arg(long, value_name = "NAME", conflicts_with = "compare")]
    pub set: Option<String>,
    /// Measure two sets on the same data and print what differs, with intervals of the differences.
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["identification", "calibrate", "plots"])]
    pub compare: Vec<String>,
    /// Pairs of pictures for 1:1 verification.
    #[arg(long, value_name = "CSV", requires = "images")]
    pub pairs: Option<PathBuf>,
    /// Pictures, a folder for each person.
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Pictures with marked faces.
    #[arg(long, value_name = "DIR")]
    pub detection: Option<PathBuf>,
    /// Living faces and pictures of faces.
    #[arg(long, value_name = "DIR")]
    pub pad: Option<PathBuf>,
    /// Search galleries of 100, 1,000 and 3,000 people with the door's own thresholds.
    #[arg(long, requires = "images")]
    pub identification: bool,
    /// Measure the score calibration on one half of the people, print it for the model manifest, and use it for
    /// --identification in place of the manifest's.
    #[arg(long, requires = "images")]
    pub calibrate: bool,
    /// Write the curves as SVG into this folder.
    #[arg(long, value_name = "DIR")]
    pub plots: Option<PathBuf>,
    /// Threads, each with its own networks.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// Use about N pairs, spread over the list, as many marked pictures, and the first N others: for a quick look.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// `ostiary evaluate`: measures and prints, with `--json` as one document.
///
/// # Errors
/// See [`EvaluateError`].
pub fn run(
    args: &EvaluateArgs,
    models: &Models,
    config: &Config,
    out: &mut Out,
) -> Result<Report, EvaluateError> {
    let report = measure(args, &product(models, config))?;
    out.result(&report)?;
    Ok(report)
}

fn product<'a>(models: &'a Models, config: &'a Config) -> Product<'a> {
    Product {
        manifest: &models.manifest,
        folders: &models.folders,
        set: &models.set,
        vision: &config.vision,
        fpir_target: config.fpir_target,
        margin: config.margin,
    }
}

/// `ostiary evaluate --compare`: measures two sets and prints their differences.
///
/// # Errors
/// See [`EvaluateError`].
pub fn run_comparison(
    args: &EvaluateArgs,
    models: &Models,
    config: &Config,
    out: &mut Out,
) -> Result<Comparison, EvaluateError> {
    something_to_measure(args)?;
    let comparison = compare::measure(args, &product(models, config), &args.compare)?;
    out.result(&comparison)?;
    Ok(comparison)
}

fn something_to_measure(args: &EvaluateArgs) -> Result<(), EvaluateError> {
    if args.images.is_none() && args.detection.is_none() && args.pad.is_none() {
        return Err(EvaluateError::NothingAsked);
    }
    Ok(())
}

/// What is measured: models and the limits of the product.
#[derive(Clone, Copy)]
pub struct Product<'a> {
    /// The models known.
    pub manifest: &'a Manifest,
    /// Where their files are.
    pub folders: &'a [PathBuf],
    /// The set used where the arguments name none.
    pub set: &'a str,
    /// The limits of a good look.
    pub vision: &'a VisionConfig,
    /// The rate at which strangers may be taken for somebody.
    pub fpir_target: f64,
    /// The margin between the best and the second person.
    pub margin: f32,
}

impl Product<'_> {
    /// The table of a set's embedder.
    fn calibration(&self, set: &SetSpec) -> Result<Calibration, EvaluateError> {
        let embedder = self.manifest.member(set, &set.embedder, Role::Embedder)?;
        match &embedder.family {
            Family::Embedding { calibration, .. } => Ok(calibration.clone()),
            // The manifest gives an embedder no other family.
            Family::Yunet | Family::Points5 { .. } | Family::Minifasnet { .. } => {
                Err(EvaluateError::Calibration(CalibrationError::Count))
            }
        }
    }
}

/// Least detector score that the precision-recall curve is drawn from.
const LEAST_SCORE: f32 = 0.02;
/// False accept rates read from all comparisons of a set.
const CROSS_RATES: [f64; 5] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/// Measures what the arguments ask for.
///
/// # Errors
/// See [`EvaluateError`].
pub fn measure(args: &EvaluateArgs, product: &Product<'_>) -> Result<Report, EvaluateError> {
    something_to_measure(args)?;
    let name = args.set.as_deref().unwrap_or(product.set);
    let set = product.manifest.set(name)?;
    if let Some(folder) = &args.plots {
        std::fs::create_dir_all(folder)
            .map_err(|e| EvaluateError::Plot { path: folder.clone(), what: e.to_string() })?;
    }
    let lens = Lens { manifest: product.manifest, folders: product.folders, config: product.vision };
    let mut report = Report::new(set);
    if let Some(images) = &args.images {
        recognition(args, product, &lens, set, images, &mut report)?;
    }
    if let Some(folder) = &args.detection {
        detect(args, &lens, set, folder, &mut report)?;
    }
    if let Some(folder) = &args.pad {
        report.liveness = Some(liveness::evaluate(&lens, set, folder)?);
    }
    Ok(report)
}

/// A list of pairs, where one is given, and the pictures to make templates of.
type Chosen = (Option<Vec<pairs::Pair>>, Vec<String>);

/// The pairs and pictures that the arguments name, thinned out to the limit.
fn chosen(args: &EvaluateArgs, images: &Path) -> Result<Chosen, EvaluateError> {
    let mut pairs = args.pairs.as_deref().map(pairs::read).transpose()?;
    let mut pictures = lens::list(images)?;
    if let Some(limit) = args.limit {
        // Pairs of one kind may come first: every so many, so that both kinds are there.
        if let Some(pairs) = &mut pairs {
            let step = pairs.len().div_ceil(limit.max(1)).max(1);
            *pairs = pairs.iter().step_by(step).cloned().collect();
        }
        pictures.truncate(limit);
        pictures.extend(pairs.iter().flatten().flat_map(|p| [p.a.clone(), p.b.clone()]));
        pictures.sort_unstable();
        pictures.dedup();
    }
    if pictures.is_empty() {
        return Err(EvaluateError::Nothing("pictures (JPEG or PNG)"));
    }
    Ok((pairs, pictures))
}

/// Everything that needs templates.
fn recognition(
    args: &EvaluateArgs,
    product: &Product<'_>,
    lens: &Lens<'_>,
    set: &SetSpec,
    images: &Path,
    report: &mut Report,
) -> Result<(), EvaluateError> {
    let threads = usize::from(args.threads);
    let (pairs, pictures) = chosen(args, images)?;
    let samples = lens.extract(set, images, &pictures, threads)?;
    let people = People::of(&samples);
    report.extraction = Some(lens::summary(&samples, people.names.len() as u64));

    let mut curves: Vec<(String, Vec<Point>)> = Vec::new();
    if let Some(pairs) = &pairs {
        let scores = compare(pairs, &samples, images)?;
        let (verification, genuine, impostor) = verification::evaluate(pairs, &scores);
        report.verification = Some(verification);
        curves.push((format!("{}, pairs of the list", set.name), scores::curve(&genuine, &impostor)));
    }
    let all: Vec<_> = people.templates(&samples, |_| true);
    let cross = Cross::new(&all, threads)?;
    report.cross = Some(cross.report(&CROSS_RATES));
    curves.push((format!("{}, all pairs", set.name), scores::curve(&cross.genuine, &cross.impostor)));

    let half = |wanted: Half| move |name: &str| Half::of(name) == wanted;
    if args.calibrate {
        let kept = people.templates(&samples, half(Half::Calibration));
        report.calibration = Some(calibrate::measure(&Cross::new(&kept, threads)?));
    }
    if args.identification {
        let calibration = match &report.calibration {
            Some(measured) => measured.table()?,
            None => product.calibration(set)?,
        };
        let rule = OpenSet::new(calibration, product.fpir_target, product.margin)?;
        report.identification = identify(&people, &samples, &rule, threads)?;
    }
    if let Some(folder) = &args.plots {
        report.plots.extend([plots::det(folder, &curves)?, plots::roc(folder, &curves)?]);
    }
    Ok(())
}

/// Who is on which pictures.
struct People {
    names: Vec<String>,
    /// For each sample the index of its person.
    of_sample: Vec<u32>,
}

impl People {
    fn of(samples: &[Sample]) -> Self {
        let mut names: Vec<String> = Vec::new();
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let of_sample = samples
            .iter()
            .map(|s| {
                let name = pairs::person_of(&s.picture);
                *numbers.entry(name).or_insert_with(|| {
                    names.push(name.to_owned());
                    names.len() as u32 - 1
                })
            })
            .collect();
        Self { names, of_sample }
    }

    /// Person and template of every picture that has one.
    fn templates<'s>(
        &self,
        samples: &'s [Sample],
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<(u32, &'s Embedding)> {
        let with = self.of_sample.iter().zip(samples);
        with.filter(|(p, _)| wanted(&self.names[**p as usize]))
            .filter_map(|(p, s)| s.embedding.as_ref().map(|e| (*p, e)))
            .collect()
    }

    /// Everybody of whom `wanted` says yes, with all pictures.
    fn subjects(&self, samples: &[Sample], wanted: impl Fn(&str) -> bool) -> Vec<Subject> {
        let mut subjects: Vec<Subject> =
            self.names.iter().map(|_| Subject { pictures: Vec::new() }).collect();
        for (person, sample) in self.of_sample.iter().zip(samples) {
            subjects[*person as usize].pictures.push(sample.embedding.clone());
        }
        let keep = self.names.iter().map(|name| wanted(name));
        subjects.into_iter().zip(keep).filter_map(|(s, keep)| keep.then_some(s)).collect()
    }
}

fn compare(
    pairs: &[pairs::Pair],
    samples: &[Sample],
    images: &Path,
) -> Result<Vec<Option<Cosine>>, EvaluateError> {
    let by_name: HashMap<&str, &Sample> = samples.iter().map(|s| (s.picture.as_str(), s)).collect();
    let get = |name: &str| {
        by_name.get(name).copied().ok_or_else(|| EvaluateError::Missing { path: images.join(name) })
    };
    pairs
        .iter()
        .map(|pair| {
            let (a, b) = (get(&pair.a)?, get(&pair.b)?);
            Ok(a.embedding.as_ref().zip(b.embedding.as_ref()).map(|(a, b)| a.cosine(b)))
        })
        .collect()
}

fn identify(
    people: &People,
    samples: &[Sample],
    rule: &OpenSet,
    threads: usize,
) -> Result<Vec<IdentificationRow>, EvaluateError> {
    let apart = people.subjects(samples, |name| Half::of(name) == Half::Test);
    let all = people.subjects(samples, |_| true);
    let mut rows = Vec::new();
    for size in identification::SIZES {
        for templates_each in identification::TEMPLATES_EACH {
            let mut row = identification::evaluate(&apart, size, templates_each, rule, false, threads)?;
            if row.is_none() {
                row = identification::evaluate(&all, size, templates_each, rule, true, threads)?;
            }
            rows.extend(row);
        }
    }
    Ok(rows)
}

/// The marked pictures, thinned out to the limit.
fn truths(args: &EvaluateArgs, folder: &Path) -> Result<Vec<detection::Truth>, EvaluateError> {
    let mut truths = detection::read(&folder.join("gt.txt"))?;
    if let Some(limit) = args.limit {
        // WIDER FACE is sorted by occasion, crowds first: every so many, so that all sizes of face are there.
        let step = truths.len().div_ceil(limit.max(1)).max(1);
        truths = truths.into_iter().step_by(step).collect();
    }
    if truths.is_empty() {
        return Err(EvaluateError::Nothing("pictures in gt.txt"));
    }
    Ok(truths)
}

/// What a set's detector finds in each picture.
fn find_faces(
    args: &EvaluateArgs,
    lens: &Lens<'_>,
    set: &SetSpec,
    folder: &Path,
    truths: &[detection::Truth],
) -> Result<Vec<Vec<Found>>, EvaluateError> {
    let open = || lens.open(set, Zone::default());
    parallel::map("detecting faces", truths, args.threads.into(), open, |vision, truth| {
        let path = folder.join("images").join(&truth.picture);
        let picture = lens::load(&path)?;
        let frame = picture
            .as_frame(crate::domain::Mono(0))
            .map_err(|source| EvaluateError::Picture { path, source })?;
        let found = vision.detect(frame, LEAST_SCORE)?;
        Ok(found.iter().map(|d| Found { bbox: d.bbox, score: d.score }).collect::<Vec<_>>())
    })
}

/// Every detector of the manifest, on the same pictures.
fn detect(
    args: &EvaluateArgs,
    lens: &Lens<'_>,
    set: &SetSpec,
    folder: &Path,
    report: &mut Report,
) -> Result<(), EvaluateError> {
    let truths = truths(args, folder)?;
    for model in lens.manifest.models().iter().filter(|m| m.role == Role::Detector) {
        let with = SetSpec { detector: model.name.clone(), ..set.clone() };
        let found = find_faces(args, lens, &with, folder, &truths)?;
        let mut curves = Vec::new();
        for sizes in Sizes::ALL {
            let (ap, [recall, precision], curve) =
                detection::evaluate(&truths, &found, sizes, lens.config.detect_score);
            report.detection.push(DetectionRow {
                detector: model.name.clone(),
                input: [model.input.width, model.input.height],
                sizes,
                pictures: truths.len() as u64,
                faces: sizes.count(&truths),
                ap,
                recall,
                precision,
            });
            curves.push(plots::Curve { name: format!("{sizes}, AP {:.3}", ap.value), points: curve });
        }
        if let Some(folder) = &args.plots {
            report.plots.push(plots::detection(folder, &model.name, &curves)?);
        }
    }
    Ok(())
}
