//! `ostiary models quantize`: a float network of the manifest to its form on bytes.
//!
//! Owns: finding the network, the samples from pictures, the files written. Does not own: how it is quantised
//! (`engine::quantize`). Invariants: the float file is never changed; what is written is complete or not there.

mod samples;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::domain::ModelId;
use crate::engine::quantize::{self, Observer, Options, Report, Samples, Stage};
use crate::engine::{EngineError, Network, Pixels};
use crate::link::wire::{Code, Refusal};
use crate::picture::PictureError;
use crate::vision::manifest::ModelSpec;

use super::config::Config;
use super::out::Out;
use super::wiring::Models;
use super::{Answer, AppError};

/// Options of `models quantize`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    ostiary models quantize face-retail-0095 --calibrate photos/ --out face-retail-0095.int8.onnx\n  \
    ostiary models quantize yunet-n-320 --calibrate photos/ --calibrate streets/ --out yunet.int8.onnx --entry\n\n\
    The pictures go through the pipeline up to the network, so that it is calibrated on exactly what it will see. \
    Give faces of all the people and lights that the door will meet, a few hundred; never those that accuracy is \
    measured on.")]
pub struct QuantizeArgs {
    /// A model of the manifest, or its ONNX file.
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// A folder of pictures, one level of folders below it at most; may be given several times.
    #[arg(long, value_name = "DIR", required = true)]
    pub calibrate: Vec<PathBuf>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Pictures to use, drawn from all.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(8..=10_000))]
    pub samples: u32,
    /// How ranges follow from values: mse, minmax, or a percentile as in 99.99.
    #[arg(long, default_value = "mse", value_parser = observer)]
    pub observer: Observer,
    /// Leave channels of unlike range as they are.
    #[arg(long)]
    pub no_equalise: bool,
    /// Leave biases as they are.
    #[arg(long)]
    pub no_correct: bool,
    /// Layers that alone make the outputs deviate by more than this part stay float.
    #[arg(long, value_name = "PART", default_value_t = Options::default().limit)]
    pub limit: f64,
    /// Print the entry for a manifest as well.
    #[arg(long)]
    pub entry: bool,
}

impl QuantizeArgs {
    /// What is usual: the model `name` in `file` into a file of its name below `folder`, with its entry.
    pub(super) fn plain(name: &str, file: &Path, pictures: &[PathBuf], folder: &Path) -> Self {
        Self {
            model: file.display().to_string(),
            calibrate: pictures.to_vec(),
            out: folder.join(format!("{name}-int8.onnx")),
            samples: 200,
            observer: Observer::Mse,
            no_equalise: false,
            no_correct: false,
            limit: Options::default().limit,
            entry: true,
        }
    }
}

fn observer(text: &str) -> Result<Observer, String> {
    match text {
        "mse" => Ok(Observer::Mse),
        "minmax" => Ok(Observer::MinMax),
        percent => match percent.parse::<f32>() {
            Ok(p) if (50.0..=100.0).contains(&p) => Ok(Observer::Percentile(p)),
            Ok(_) | Err(_) => Err("give mse, minmax, or a percentile from 50 to 100".into()),
        },
    }
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    model: String,
    file: PathBuf,
    sha256: String,
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n\n{} written to {}, SHA-256 {}",
            self.report,
            self.model,
            self.file.display(),
            self.sha256
        )?;
        self.entry.as_ref().map_or(Ok(()), |entry| write!(f, "\n\n{entry}"))
    }
}

/// Quantises one network.
pub(super) fn run(
    models: &Models,
    config: &Config,
    args: &QuantizeArgs,
    out: &mut Out,
) -> Result<Answer, AppError> {
    let (model, bytes) = find(models, &args.model)?;
    let bar =
        ProgressBar::new(u64::from(args.samples)).with_style(style()).with_message("preparing pictures");
    let pictures =
        samples::collect(models, model, &config.vision, &args.calibrate, args.samples as usize, &bar)?;
    let input = model.input;
    let pixels = Pixels { width: input.width, height: input.height, mean: input.mean, scale: input.scale };
    let progress = |stage: Stage, count: usize| {
        bar.set_message(word(stage));
        if matches!(stage, Stage::Ranges | Stage::Histograms) {
            bar.set_length(pictures.len() as u64);
        } else {
            bar.unset_length();
        }
        bar.set_position(count as u64);
    };
    let options = Options {
        observer: args.observer,
        equalise: !args.no_equalise,
        correct: !args.no_correct,
        limit: args.limit,
    };
    let samples = Samples { pictures: &pictures, pixels, progress: &progress };
    let made = quantize::quantize(&bytes, &samples, &options)?;
    bar.finish_and_clear();
    // What this program cannot load itself is no use to its installer.
    Network::load(&made.bytes, pixels).map_err(quantize::QuantizeError::from)?;
    write(&args.out, &made.bytes)?;
    let sha256 = ModelId(Sha256::digest(&made.bytes).into()).to_string();
    let entry = if args.entry { Some(entry(models, model, &args.out, &sha256)?) } else { None };
    out.result(&Made {
        model: model.name.clone(),
        file: args.out.clone(),
        sha256,
        report: made.report,
        entry,
    })?;
    Ok(Answer::Yes)
}

/// A model by its name or by a file with its hash: role, size and template come from the manifest.
fn find<'m>(models: &'m Models, wanted: &str) -> Result<(&'m ModelSpec, Vec<u8>), AppError> {
    if let Some(spec) = models.manifest.model(wanted) {
        return Ok((spec, models.read(wanted)?.0));
    }
    let bytes = std::fs::read(wanted).map_err(|e| AppError::File(wanted.to_owned(), e))?;
    if bytes.len() > crate::engine::MAX_MODEL_BYTES {
        return Err(quantize::QuantizeError::from(EngineError::TooLarge(bytes.len())).into());
    }
    let hash = ModelId(Sha256::digest(&bytes).into());
    let spec = models.manifest.models().iter().find(|m| m.sha256 == hash);
    let spec = spec.ok_or_else(|| {
        let text =
            format!("the manifest has no model with the hash of {wanted}; add an entry with sha256 {hash}");
        Refusal::new(Code::Models, text)
    })?;
    Ok((spec, bytes))
}

/// Writes beside the place and moves there, so that a power cut leaves no half a model.
fn write(path: &Path, bytes: &[u8]) -> Result<(), AppError> {
    let failed = |e: io::Error| AppError::File(path.display().to_string(), e);
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    std::fs::write(&beside, bytes).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

/// The float network's entry with name, file and hash of the new one.
fn entry(models: &Models, model: &ModelSpec, file: &Path, sha256: &str) -> Result<String, AppError> {
    let failed = |e: io::Error| AppError::File(models.path.display().to_string(), e);
    let text = std::fs::read_to_string(&models.path).map_err(failed)?;
    let table: toml::Table = text.parse().map_err(|e| failed(io::Error::other(e)))?;
    let of_name = |t: &&toml::Value| t.get("name").and_then(toml::Value::as_str) == Some(&model.name);
    let entries = table.get("model").and_then(toml::Value::as_array);
    let found = entries.into_iter().flatten().find(of_name).and_then(toml::Value::as_table);
    let mut entry = found.cloned().unwrap_or_default();
    let source = entry.get("source").and_then(toml::Value::as_str).unwrap_or_default();
    let source = format!("{source}; quantised by ostiary {}", env!("CARGO_PKG_VERSION"));
    entry.insert("name".into(), format!("{}-int8", model.name).into());
    // The manifest takes a name below a models folder, and no path.
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    entry.insert("file".into(), name.into());
    entry.insert("sha256".into(), sha256.into());
    entry.insert("source".into(), source.into());
    // Those are the float file's; this one has no address, and nothing was measured of it yet.
    entry.remove("url");
    entry.remove("figures");
    let failed_meta = |e: io::Error| AppError::File(file.display().to_string(), e);
    let bytes = std::fs::metadata(file).map_err(failed_meta)?.len();
    entry.insert("bytes".into(), i64::try_from(bytes).unwrap_or(i64::MAX).into());
    let whole = toml::Table::from_iter([("model".to_owned(), toml::Value::from(vec![entry]))]);
    toml::to_string(&whole).map_err(|e| failed(io::Error::other(e)))
}

fn picture_error(source: PictureError) -> AppError {
    super::evaluate::EvaluateError::Picture { path: PathBuf::from("a sample"), source }.into()
}

const fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Ranges => "observing ranges",
        Stage::Histograms => "counting values",
        Stage::Sensitivity => "measuring layers",
        Stage::Correction => "correcting biases",
        Stage::Check => "checking",
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg:<20} {bar:32} {pos}/{len}  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observers_are_read_and_nonsense_is_not() {
        assert_eq!(observer("mse"), Ok(Observer::Mse));
        assert_eq!(observer("minmax"), Ok(Observer::MinMax));
        assert_eq!(observer("99.99"), Ok(Observer::Percentile(99.99)));
        assert!(["", "12", "NaN", "101", "median"].iter().all(|t| observer(t).is_err()));
    }
}
