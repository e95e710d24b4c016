//! Post-training static quantisation: a float network and samples of its input to the same network on bytes.
//!
//! Owns: the order of steps, the options, the report's numbers. Does not own: where samples come from (`app`),
//! running the result (`engine`).
//! Invariants: the same network, samples and options give the same bytes; what is written holds standard operators
//! alone and loads in other runtimes; hostile files give errors, never a panic.
//!
//! The steps: read and fold the float network, observe ranges, equalise channels, observe again, choose scales, round
//! weights, measure each matrix alone and leave those float that cost too much, correct biases, check on samples that
//! were not used for any of it, write.

mod equalise;
mod fold;
mod net;
mod observe;
mod params;
mod place;
mod plain;
mod report;
mod run;
mod scheme;
mod sensitivity;
#[cfg(test)]
mod tests;
mod walk;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use super::{EngineError, MAX_SIDE, Pixels};
use net::Net;
use params::Params;
use scheme::Scheme;

pub use report::{LayerRow, OutputRow, Report};

/// How a range follows from the values seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observer {
    /// From the least to the greatest.
    MinMax,
    /// Without the part of the values beyond this percentile at either end, as in 99.99.
    Percentile(f32),
    /// The range whose steps and cuts make the least mean square error.
    Mse,
}

/// What may be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Of activations.
    pub observer: Observer,
    /// Bring channels of unlike range together first.
    pub equalise: bool,
    /// Take the mean error of each matrix off its bias.
    pub correct: bool,
    /// A matrix that alone makes the outputs deviate by more than this stays float: amplitude of the error in
    /// relation to that of the output.
    pub limit: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { observer: Observer::Mse, equalise: true, correct: true, limit: 0.25 }
    }
}

/// Samples of the network's input.
#[derive(Clone, Copy)]
pub struct Samples<'a> {
    /// Pictures as [`Network::run`](super::Network::run) takes them; the last eighth is kept for checking.
    pub pictures: &'a [Vec<u8>],
    /// What the network takes, and how pixels become its values.
    pub pixels: Pixels,
    /// Told how far each stage is.
    pub progress: &'a dyn Fn(Stage, usize),
}

impl std::fmt::Debug for Samples<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Samples({}, <redacted>)", self.pictures.len())
    }
}

impl Samples<'_> {
    fn done(&self, stage: Stage, count: usize) {
        (self.progress)(stage, count);
    }

    /// The sample of that number as the network's input tensor.
    fn tensor(&self, index: usize) -> Result<run::Value, QuantizeError> {
        let Pixels { width, height, mean, scale } = self.pixels;
        let picture = self.pictures.get(index).filter(|p| p.len() == 3 * width * height);
        let picture = picture.ok_or_else(|| refused("a sample has another size than its input"))?;
        let plane = width * height;
        let mut values = vec![0.0; 3 * plane];
        for (at, pixel) in picture.as_chunks::<3>().0.iter().enumerate() {
            for (channel, value) in pixel.iter().enumerate() {
                values[channel * plane + at] = (f32::from(*value) - mean) * scale;
            }
        }
        run::value(&[1, 3, height, width], &values)
    }

    /// The least and the greatest value an input can have.
    fn range(&self) -> (f32, f32) {
        let (a, b) = (-self.pixels.mean * self.pixels.scale, (255.0 - self.pixels.mean) * self.pixels.scale);
        (a.min(b), a.max(b))
    }
}

/// The stages that take time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Ranges, counted in samples.
    Ranges,
    /// Histograms, counted in samples.
    Histograms,
    /// Each matrix alone, counted in samples.
    Sensitivity,
    /// Biases, counted in operators.
    Correction,
    /// The final comparison, counted in operators.
    Check,
}

/// A quantised network.
#[derive(Debug)]
pub struct Quantized {
    /// The ONNX file.
    pub bytes: Vec<u8>,
    /// What was done and what it costs.
    pub report: Report,
}

/// Why a network cannot be quantised.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// the file or tract
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// the network is not one that can be quantised
    #[error("the network cannot be quantised: {0}")]
    Refused(String),
    /// there are too few samples
    #[error("{0} samples are too few to calibrate with; give at least {LEAST_SAMPLES}, better 200")]
    TooFew(usize),
}

fn refused(what: &str) -> QuantizeError {
    QuantizeError::Refused(what.to_owned())
}

/// Fewest samples.
pub const LEAST_SAMPLES: usize = 8;
/// Samples on which biases are corrected.
const CORRECTED_ON: usize = 48;
/// Samples on which each matrix is measured alone.
const MEASURED_ON: usize = 6;
/// Most values of live tensors, both ways, all samples together.
const LIVE_VALUES: usize = 192 << 20;

/// Quantises a float network.
///
/// # Errors
/// See [`QuantizeError`].
pub fn quantize(bytes: &[u8], samples: &Samples<'_>, options: &Options) -> Result<Quantized, QuantizeError> {
    let count = samples.pictures.len();
    if count < LEAST_SAMPLES {
        return Err(QuantizeError::TooFew(count));
    }
    let Pixels { width, height, mean, scale } = samples.pixels;
    if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) || !(mean * scale).is_finite() {
        return Err(refused("its input size is out of range"));
    }
    let mut net = Net::read(bytes, [1, 3, height, width])?;
    let operators = net.nodes.len();
    fold::fold(&mut net)?;
    let placement = place::place(&net);
    if !(0..net.nodes.len()).any(|i| net.weights(i).is_some()) || placement.is_empty() {
        return Err(refused("it holds no convolution and no matrix product by constants"));
    }
    let seen_count = count - (count / 8).max(2);
    let seen = Samples { pictures: &samples.pictures[..seen_count], ..*samples };

    let tensors: Vec<String> = placement.keys().cloned().collect();
    let mut spreads = observe::spreads(&net, &tensors, &seen)?;
    let equalised = if options.equalise { equalise::equalise(&mut net, &mut spreads) } else { 0 };
    let roots: Vec<String> = placement.values().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let histograms = observe::histograms(&net, &roots, &spreads, &seen)?;
    let mut ranges: BTreeMap<String, Params> = histograms
        .iter()
        .map(|(name, histogram)| {
            let (low, high) = histogram.range(options.observer);
            (name.clone(), Params::over(low, high))
        })
        .collect();
    input_range(&net, samples.range(), &mut ranges);

    let mut scheme = Scheme::new(&placement, &ranges);
    scheme.fit_sums(&mut net);
    scheme.round_weights(&net, &BTreeSet::new());
    let first: Vec<usize> = spread_over(seen_count, sensitivity::affordable(&net, MEASURED_ON));
    let alone = sensitivity::sensitivity(&net, &scheme, &seen, &first)?;
    let kept: BTreeSet<String> =
        alone.iter().filter(|(_, cost)| **cost > options.limit).map(|(name, _)| name.clone()).collect();
    for name in &kept {
        scheme.weights.remove(name);
    }
    let walked = walkable(&net);
    if options.correct {
        let which = spread_over(seen_count, walked.min(CORRECTED_ON));
        walk::walk(&mut net, &scheme, samples, &which, true)?;
        // A corrected bias may need a larger scale of its row.
        let bytes = scheme.weights.clone();
        scheme.weights.clear();
        scheme.round_weights(&net, &kept);
        debug_assert_eq!(bytes.len(), scheme.weights.len());
    }
    let check: Vec<usize> = (seen_count..count).take(walked).collect();
    let deviations = walk::walk(&mut net, &scheme, samples, &check, false)?;
    let file = write::write(&net, &scheme);
    let report = Report::new(
        &report::Made { net: &net, scheme: &scheme, alone: &alone, deviations: &deviations },
        &report::Counts {
            operators_before: operators,
            groups_equalised: equalised,
            samples: seen_count,
            samples_checked: check.len(),
            bytes_before: bytes.len(),
            bytes_after: file.len(),
        },
        options.limit,
    );
    Ok(Quantized { bytes: file, report })
}

/// The scale of the input from what it can be, not from what it was: pixels of 0 to 255 are exact at scale 1.
fn input_range(net: &Net, (low, high): (f32, f32), ranges: &mut BTreeMap<String, Params>) {
    if let Some(params) = ranges.get_mut(&net.input) {
        *params = Params::over(low, high);
        return;
    }
    // A sum of a constant first.
    let Some(user) = net.only_consumer(&net.input) else { return };
    let Some(sum) = fold::affine(net, &net.nodes[user]).filter(|a| !a.is_product) else { return };
    let step = (high - low) / 255.0;
    let least = sum.values.iter().copied().fold(f32::INFINITY, f32::min);
    let most = sum.values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if let Some(params) = ranges.get_mut(net.nodes[user].output()) {
        *params = Params::over(low + least, high + most);
        // Channels moved by the same amount: one step a step of the input, so that every pixel value is exact.
        if (most - least).abs() < step / 2.0 && step.is_normal() {
            *params = Params { scale: step, zero: (-(low + least) / step).floor().clamp(0.0, 255.0) as u8 };
        }
    }
}

/// So many of `count` numbers, evenly spread.
fn spread_over(count: usize, wanted: usize) -> Vec<usize> {
    let wanted = wanted.clamp(1, count.max(1));
    (0..wanted).map(|i| i * count / wanted).collect()
}

/// Samples whose live tensors fit into memory on both ways.
fn walkable(net: &Net) -> usize {
    let last_use: BTreeMap<&str, usize> = net
        .nodes
        .iter()
        .enumerate()
        .flat_map(|(i, n)| n.inputs.iter().map(move |x| (x.as_str(), i)))
        .collect();
    let size = |name: &str| net.shapes.get(name).map_or(0, |s| s.iter().product::<usize>());
    let (mut live, mut most) = (BTreeMap::from([(net.input.as_str(), size(&net.input))]), 0);
    for (index, node) in net.nodes.iter().enumerate() {
        live.insert(node.output(), size(node.output()));
        most = most.max(live.values().sum());
        live.retain(|name, _| last_use.get(name).is_some_and(|last| *last > index));
    }
    (LIVE_VALUES / (2 * most.max(1))).max(2)
}
