//! The network one operator after the other, in float and as it will be in bytes, side by side on the same samples.
//!
//! Owns: the walk, the comparison of both ways, bias correction. Does not own: the decisions (`scheme`).
//! Invariants: bytes are rounded exactly as ONNX says; a tensor is dropped after its last use, so that memory is that
//! of the live tensors of the samples walked; corrections see inputs that are corrected already.
//!
//! Bias correction (Nagel et al., ICCV 2019, the empirical form): rounding shifts the mean of a convolution's result,
//! and a shift that all faces share pulls all embeddings to one side. The mean difference of each channel over the
//! samples is taken off the bias.

use std::collections::{BTreeMap, BTreeSet};

use super::net::{Constant, Net, Node};
use super::run::{Runner, Value, mapped, planes};
use super::scheme::Scheme;
use super::{QuantizeError, Samples, Stage};

/// How far the bytes are from the floats, over all samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Deviation {
    /// Sum of squares of the floats.
    signal: f64,
    /// Sum of squares of the differences.
    noise: f64,
    /// Sum over samples of the cosine between both.
    cosines: f64,
    least_cosine: f64,
    samples: f64,
}

impl Deviation {
    /// Adds one sample.
    pub(super) fn add(&mut self, float: &[f32], bytes: &[f32]) {
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let (aa, ab, bb) = (dot(float, float), dot(float, bytes), dot(bytes, bytes));
        let cosine = if aa > 0.0 && bb > 0.0 { ab / (aa * bb).sqrt() } else { 1.0 };
        self.least_cosine = if self.samples > 0.0 { self.least_cosine.min(cosine) } else { cosine };
        self.signal += aa;
        self.noise += (aa - 2.0 * ab + bb).max(0.0);
        self.cosines += cosine;
        self.samples += 1.0;
    }

    /// Noise in relation to the signal, as amplitudes; 0 where there is no signal.
    pub(super) fn relative(&self) -> f64 {
        if self.signal > 0.0 { (self.noise / self.signal).sqrt() } else { 0.0 }
    }

    /// The mean cosine between float and bytes.
    pub(super) fn cosine(&self) -> f64 {
        if self.samples > 0.0 { self.cosines / self.samples } else { 1.0 }
    }

    /// The worst sample's.
    pub(super) const fn least_cosine(&self) -> f64 {
        self.least_cosine
    }
}

/// Both ways of one tensor, a value a sample.
#[derive(Clone)]
struct Pair {
    float: Vec<Value>,
    bytes: Vec<Value>,
}

/// Walks through the whole network. With `correct` the biases of `net` are corrected on the way.
/// Gives the deviation of every float tensor after its quantisation.
pub(super) fn walk(
    net: &mut Net,
    scheme: &Scheme,
    samples: &Samples<'_>,
    which: &[usize],
    correct: bool,
) -> Result<BTreeMap<String, Deviation>, QuantizeError> {
    let stage = if correct { Stage::Correction } else { Stage::Check };
    let mut live: BTreeMap<String, Pair> = BTreeMap::new();
    let mut deviations = BTreeMap::new();
    let mut first = Pair { float: Vec::new(), bytes: Vec::new() };
    for index in which {
        let sample = samples.tensor(*index)?;
        first.bytes.push(quantised(scheme, &net.input, sample.clone())?);
        first.float.push(sample);
    }
    live.insert(net.input.clone(), first);
    for index in 0..net.nodes.len() {
        let node = net.nodes[index].clone();
        let mut pair = step(net, scheme, index, &node, &live, which.len())?;
        if correct && scheme.weights.contains_key(node.output()) {
            correct_bias(net, index, &mut pair)?;
        }
        for bytes in &mut pair.bytes {
            *bytes = quantised(scheme, node.output(), bytes.clone())?;
        }
        let mut deviation = Deviation::default();
        for (float, bytes) in pair.float.iter().zip(&pair.bytes) {
            if let (Some(a), Some(b)) = (super::run::floats(float), super::run::floats(bytes)) {
                deviation.add(a, b);
            }
        }
        deviations.insert(node.output().to_owned(), deviation);
        live.insert(node.output().to_owned(), pair);
        let later: BTreeSet<&String> = net.nodes[index + 1..].iter().flat_map(|n| &n.inputs).collect();
        live.retain(|name, _| later.contains(name));
        samples.done(stage, index + 1);
    }
    Ok(deviations)
}

/// One operator on all samples, both ways.
fn step(
    net: &Net,
    scheme: &Scheme,
    index: usize,
    node: &Node,
    live: &BTreeMap<String, Pair>,
    count: usize,
) -> Result<Pair, QuantizeError> {
    let inputs: Vec<&Pair> = dynamic(net, node).filter_map(|name| live.get(name)).collect();
    let of = |bytes: bool, sample: usize| -> Vec<Value> {
        inputs.iter().map(|p| if bytes { p.bytes[sample].clone() } else { p.float[sample].clone() }).collect()
    };
    let example = of(false, 0);
    let example: Vec<&tract_onnx::prelude::Tensor> = example.iter().map(|v| &**v).collect();
    let mut float_runner = Runner::node(net, node, &example)?;
    let rounded = rounded_weights(net, scheme, index);
    let mut byte_runner = match &rounded {
        Some(with) => Some(Runner::node(with, node, &example)?),
        None => None,
    };
    let mut pair = Pair { float: Vec::with_capacity(count), bytes: Vec::with_capacity(count) };
    let one = |mut values: Vec<Value>| values.swap_remove(0);
    for sample in 0..count {
        pair.float.push(one(float_runner.run(&of(false, sample))?));
        let runner = byte_runner.as_mut().unwrap_or(&mut float_runner);
        pair.bytes.push(one(runner.run(&of(true, sample))?));
    }
    Ok(pair)
}

/// The inputs of an operator that are no constants, each once.
pub(super) fn dynamic<'a>(net: &'a Net, node: &'a Node) -> impl Iterator<Item = &'a str> {
    node.inputs.iter().enumerate().filter_map(move |(at, name)| {
        let first = !node.inputs[..at].contains(name);
        (first && !name.is_empty() && !net.is_constant(name)).then_some(name.as_str())
    })
}

/// The constants of one matrix with its weights as the bytes stand for them; `None` where it stays float.
pub(super) fn rounded_weights(net: &Net, scheme: &Scheme, index: usize) -> Option<Net> {
    let node = &net.nodes[index];
    let weights: Constant = scheme.weights.get(node.output())?.reals();
    let mut floats = BTreeMap::from([(node.input(1).to_owned(), weights)]);
    if let Some(bias) = net.floats.get(node.input(2)) {
        floats.insert(node.input(2).to_owned(), bias.clone());
    }
    Some(Net { nodes: Vec::new(), floats, others: BTreeMap::new(), shapes: BTreeMap::new(), ..lone(net) })
}

/// The frame of a network without anything in it.
fn lone(net: &Net) -> Net {
    Net {
        nodes: Vec::new(),
        floats: BTreeMap::new(),
        others: BTreeMap::new(),
        input: String::new(),
        shape: net.shape,
        outputs: Vec::new(),
        opset: net.opset,
        shapes: BTreeMap::new(),
    }
}

/// Rounded to bytes, where the scheme says so.
pub(super) fn quantised(scheme: &Scheme, name: &str, value: Value) -> Result<Value, QuantizeError> {
    match scheme.params.get(name) {
        Some(params) => mapped(&value, |_, v| params.rounded(v)),
        None => Ok(value),
    }
}

/// Takes the mean difference of each channel off the bias and off the values at hand.
fn correct_bias(net: &mut Net, index: usize, pair: &mut Pair) -> Result<(), QuantizeError> {
    let rows = net.weights(index).map_or(0, |w| w.dims[0]);
    let (mut sums, mut counts) = (vec![0.0_f64; rows], vec![0.0_f64; rows]);
    let mut add = |value: &Value, sign: f64| {
        planes(value, |channel, values| {
            if let Some(sum) = sums.get_mut(channel) {
                *sum += sign * values.iter().map(|v| f64::from(*v)).sum::<f64>();
                counts[channel] += values.len() as f64;
            }
        });
    };
    for (float, bytes) in pair.float.iter().zip(&pair.bytes) {
        add(bytes, 1.0);
        add(float, -1.0);
    }
    // Each value was counted on both ways.
    let shift: Vec<f32> = sums.iter().zip(&counts).map(|(s, n)| (s / (n / 2.0).max(1.0)) as f32).collect();
    let bias = net.bias(index).iter().zip(&shift).map(|(b, s)| b - s).collect();
    net.set_bias(index, bias);
    for bytes in &mut pair.bytes {
        *bytes = mapped(bytes, |channel, v| v - shift.get(channel).copied().unwrap_or(0.0))?;
    }
    Ok(())
}
