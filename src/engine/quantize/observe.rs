//! What values the tensors of a network take over the calibration samples, and the range that follows.
//!
//! Owns: the two passes over the samples and the observers. Does not own: the samples, the scales (`params`).
//! Invariants: memory does not grow with the number of samples; a range is finite and holds 0, so that zeros (padding,
//! Relu) are exact; the same samples give the same range.

use std::collections::BTreeMap;

use super::net::Net;
use super::run::{Runner, planes};
use super::{Observer, QuantizeError, Samples, Stage};

/// Bins of a histogram.
const BINS: usize = 4_096;
/// Steps in which the MSE observer moves each end of a range.
const STEPS: usize = 64;

/// The range of each channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spread {
    pub(super) low: Vec<f32>,
    pub(super) high: Vec<f32>,
}

impl Spread {
    fn widen(&mut self, channel: usize, values: &[f32]) {
        if self.low.len() <= channel {
            self.low.resize(channel + 1, 0.0);
            self.high.resize(channel + 1, 0.0);
        }
        for v in values.iter().filter(|v| v.is_finite()) {
            self.low[channel] = self.low[channel].min(*v);
            self.high[channel] = self.high[channel].max(*v);
        }
    }

    /// Over all channels.
    pub(super) fn whole(&self) -> (f32, f32) {
        (self.low.iter().copied().fold(0.0, f32::min), self.high.iter().copied().fold(0.0, f32::max))
    }

    /// The greatest magnitude of a channel.
    pub(super) fn reach(&self, channel: usize) -> f32 {
        self.low.get(channel).map_or(0.0, |l| l.abs()).max(self.high.get(channel).copied().unwrap_or(0.0))
    }
}

/// First pass: the spread of every tensor named.
pub(super) fn spreads(
    net: &Net,
    tensors: &[String],
    samples: &Samples<'_>,
) -> Result<BTreeMap<String, Spread>, QuantizeError> {
    let mut found: BTreeMap<String, Spread> = BTreeMap::new();
    each_sample(net, tensors, samples, Stage::Ranges, |name, tensor| {
        let spread = found.entry(name.to_owned()).or_default();
        planes(tensor, |channel, values| spread.widen(channel, values));
    })?;
    Ok(found)
}

/// Second pass: how often which values occur.
pub(super) fn histograms(
    net: &Net,
    tensors: &[String],
    spreads: &BTreeMap<String, Spread>,
    samples: &Samples<'_>,
) -> Result<BTreeMap<String, Histogram>, QuantizeError> {
    let empty = |name: &String| {
        let (low, high) = spreads.get(name).map_or((0.0, 0.0), Spread::whole);
        (name.clone(), Histogram::new(low, high))
    };
    let mut found: BTreeMap<String, Histogram> = tensors.iter().map(empty).collect();
    each_sample(net, tensors, samples, Stage::Histograms, |name, tensor| {
        if let Some(histogram) = found.get_mut(name) {
            planes(tensor, |_, values| values.iter().for_each(|v| histogram.add(*v)));
        }
    })?;
    Ok(found)
}

fn each_sample(
    net: &Net,
    tensors: &[String],
    samples: &Samples<'_>,
    stage: Stage,
    mut each: impl FnMut(&str, &tract_onnx::prelude::Tensor),
) -> Result<(), QuantizeError> {
    let computed: Vec<String> = tensors.iter().filter(|t| **t != net.input).cloned().collect();
    let mut runner = Runner::whole(net, &computed)?;
    for index in 0..samples.pictures.len() {
        let input = samples.tensor(index)?;
        if tensors.len() > computed.len() {
            each(&net.input, &input);
        }
        for (name, tensor) in computed.iter().zip(runner.run(&[input])?) {
            each(name, &tensor);
        }
        samples.done(stage, index + 1);
    }
    Ok(())
}

/// Counts of values between two ends.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    low: f32,
    high: f32,
    bins: Vec<u64>,
}

impl Histogram {
    /// Values beyond the ends count at the ends.
    pub(super) fn new(low: f32, high: f32) -> Self {
        Self { low: low.min(0.0), high: high.max(0.0), bins: vec![0; BINS] }
    }

    pub(super) fn add(&mut self, value: f32) {
        let width = self.high - self.low;
        let at = if width > 0.0 { (value - self.low) / width * BINS as f32 } else { 0.0 };
        // A NaN goes to the lowest bin; the networks refuse it elsewhere.
        self.bins[(at.max(0.0) as usize).min(BINS - 1)] += 1;
    }

    /// The range by this observer; it holds 0.
    pub(super) fn range(&self, observer: Observer) -> (f32, f32) {
        match observer {
            Observer::MinMax => (self.low, self.high),
            Observer::Percentile(percent) => self.percentile(f64::from(percent)),
            Observer::Mse => self.least_error(),
        }
    }

    fn centre(&self, bin: usize) -> f64 {
        f64::from(self.low) + f64::from(self.high - self.low) * (bin as f64 + 0.5) / BINS as f64
    }

    /// Cuts as many values off each end as lie beyond the percentile.
    fn percentile(&self, percent: f64) -> (f32, f32) {
        let total: u64 = self.bins.iter().sum();
        let cut = (total as f64 * (1.0 - percent / 100.0).clamp(0.0, 1.0)) as u64;
        let mut passed = 0;
        let mut beyond = |n: &u64| {
            passed += n;
            passed > cut
        };
        let from_start = self.bins.iter().position(&mut beyond);
        passed = 0;
        let from_end = self.bins.iter().rev().position(|n| {
            passed += n;
            passed > cut
        });
        let edge = |bin: usize| self.low + (self.high - self.low) * (bin as f32 / BINS as f32);
        let low = from_start.map_or(self.low, edge);
        let high = from_end.map_or(self.high, |bins| edge(BINS - bins));
        (low.min(0.0), high.max(0.0))
    }

    /// The range with the least mean square error of 256 steps over it: a twelfth of the step's square for what lies
    /// in it, the square of the distance for what does not.
    fn least_error(&self) -> (f32, f32) {
        // Below bin i: count, sum, sum of squares.
        let mut below = vec![[0.0_f64; 3]; BINS + 1];
        for (bin, n) in self.bins.iter().enumerate() {
            let (n, x) = (*n as f64, self.centre(bin));
            let [count, sum, squares] = below[bin];
            below[bin + 1] = [count + n, sum + n * x, squares + n * x * x];
        }
        let [count, sum, squares] = below[BINS];
        let width = f64::from(self.high - self.low);
        if width <= 0.0 || count <= 0.0 {
            return (self.low, self.high);
        }
        let bin_of = |x: f64| (((x - f64::from(self.low)) / width * BINS as f64).round() as usize).min(BINS);
        let error = |low: f64, high: f64| {
            let (a, b) = (below[bin_of(low)], below[bin_of(high)]);
            let under = a[2] - 2.0 * low * a[1] + low * low * a[0];
            let over = (squares - b[2]) - 2.0 * high * (sum - b[1]) + high * high * (count - b[0]);
            let step = (high - low) / 255.0;
            under + over + (b[0] - a[0]) * step * step / 12.0
        };
        let (mut best, mut least) = ((self.low, self.high), f64::INFINITY);
        for i in 0..STEPS {
            for j in 0..STEPS {
                let part = |at: usize| 1.0 - at as f64 / STEPS as f64;
                let (low, high) = (f64::from(self.low) * part(i), f64::from(self.high) * part(j));
                let error = error(low, high);
                if error < least {
                    (best, least) = ((low as f32, high as f32), error);
                }
            }
        }
        best
    }
}
