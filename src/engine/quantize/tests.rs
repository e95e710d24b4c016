//! Quantisation of made-up networks.
//!
//! Owns: a builder of small networks with random weights. Does not own: the real models (`tests/quantize.rs`).

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;

use super::net::{Constant, Net, Node};
use super::observe::Histogram;
use super::params::{Bytes, Params};
use super::run::{Runner, floats};
use super::*;
use crate::Network;

/// Numbers that are the same on every machine.
struct Random(u64);

impl Random {
    /// 0 to 1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }

    fn values(&mut self, count: usize, low: f32, high: f32) -> Vec<f32> {
        (0..count).map(|_| low + (high - low) * self.next()).collect()
    }
}

const SIDE: usize = 16;
const PIXELS: Pixels = Pixels { width: SIDE, height: SIDE, mean: 0.0, scale: 1.0 };

/// A network under construction: each call adds an operator after the last one.
struct Builder {
    net: Net,
    random: Random,
    last: String,
}

impl Builder {
    fn new(seed: u64) -> Self {
        let net = Net {
            nodes: Vec::new(),
            floats: BTreeMap::new(),
            others: BTreeMap::new(),
            input: "x".into(),
            shape: [1, 3, SIDE, SIDE],
            outputs: Vec::new(),
            opset: 13,
            shapes: BTreeMap::new(),
        };
        Self { net, random: Random(seed), last: "x".into() }
    }

    fn constant(&mut self, dims: &[usize], low: f32, high: f32) -> String {
        let values = self.random.values(dims.iter().product(), low, high);
        let name = format!("c{}", self.net.floats.len());
        self.net.floats.insert(name.clone(), Constant { dims: dims.to_vec(), values });
        name
    }

    fn op(&mut self, op: &str, constants: &[&str], attributes: Vec<pb::AttributeProto>) -> String {
        let output = format!("t{}", self.net.nodes.len());
        let inputs: Vec<&str> =
            core::iter::once(self.last.as_str()).chain(constants.iter().copied()).collect();
        let mut node = Node::new(op, &inputs, &output);
        node.attributes = attributes;
        self.net.nodes.push(node);
        self.last.clone_from(&output);
        output
    }

    fn conv(&mut self, from: usize, to: usize, side: usize, groups: usize, pad: i64) -> String {
        let fan = (from / groups * side * side) as f32;
        let w = self.constant(&[to, from / groups, side, side], -2.0 / fan.sqrt(), 2.0 / fan.sqrt());
        let b = self.constant(&[to], -0.5, 0.5);
        let attributes = vec![ints("pads", &[pad; 4]), int("group", groups as i64)];
        self.op("Conv", &[&w, &b], attributes)
    }

    fn per_channel(&mut self, op: &str, channels: usize, low: f32, high: f32) -> String {
        let c = self.constant(&[1, channels, 1, 1], low, high);
        self.op(op, &[&c], Vec::new())
    }

    fn normalise(&mut self, channels: usize) -> String {
        let [s, b, m] = [(0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5)].map(|(l, h)| self.constant(&[channels], l, h));
        let v = self.constant(&[channels], 0.5, 2.0);
        self.op("BatchNormalization", &[&s, &b, &m, &v], Vec::new())
    }

    fn prelu(&mut self, channels: usize) -> String {
        let slopes = self.constant(&[channels, 1, 1], -0.5, 1.5);
        self.op("PRelu", &[&slopes], Vec::new())
    }

    fn pool(&mut self) -> String {
        self.op("MaxPool", &[], vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])])
    }

    fn bytes(mut self) -> Vec<u8> {
        self.net.outputs = vec![self.last.clone()];
        self.net.proto(&self.net.outputs.clone()).encode_to_vec()
    }
}

fn ints(name: &str, values: &[i64]) -> pb::AttributeProto {
    let ints = values.to_vec();
    pb::AttributeProto { name: name.into(), r#type: AttributeType::Ints as i32, ints, ..Default::default() }
}

fn int(name: &str, value: i64) -> pb::AttributeProto {
    pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..Default::default()
    }
}

/// Everything that the real networks hold: input normalisation, folded and unfolded normalisations, slopes below zero, maxima
/// before constant sums, depthwise convolutions, a residual, squeeze and excitation, a linear tail.
fn rich(seed: u64) -> Vec<u8> {
    let mut b = Builder::new(seed);
    b.per_channel("Mul", 3, 0.01, 0.02);
    b.per_channel("Add", 3, -1.5, -1.0);
    b.conv(3, 8, 3, 1, 1);
    b.normalise(8);
    b.prelu(8);
    b.pool();
    b.per_channel("Mul", 8, -1.5, 1.5);
    b.per_channel("Add", 8, -0.5, 0.5);
    let trunk = b.conv(8, 8, 3, 1, 1);
    b.conv(8, 16, 1, 1, 0);
    b.prelu(16);
    b.conv(16, 16, 3, 16, 1);
    b.op("Relu", &[], Vec::new());
    let branch = b.conv(16, 8, 1, 1, 0);
    b.op("GlobalAveragePool", &[], Vec::new());
    b.conv(8, 4, 1, 1, 0);
    b.op("Relu", &[], Vec::new());
    b.conv(4, 8, 1, 1, 0);
    b.op("Sigmoid", &[], Vec::new());
    b.op("Mul", &[&branch], Vec::new());
    b.op("Add", &[&trunk], Vec::new());
    b.conv(8, 8, 8, 8, 0);
    b.op("Flatten", &[], vec![int("axis", 1)]);
    let w = b.constant(&[8, 12], -0.5, 0.5);
    b.op("MatMul", &[&w], Vec::new());
    let c = b.constant(&[12], -0.5, 0.5);
    b.op("Add", &[&c], Vec::new());
    let w = b.constant(&[12, 6], -0.5, 0.5);
    b.op("MatMul", &[&w], Vec::new());
    b.bytes()
}

fn pictures(count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    (0..count)
        .map(|_| {
            let (base, spread) = (random.next() * 128.0, random.next() * 127.0);
            (0..3 * SIDE * SIDE).map(|_| (base + spread * random.next()) as u8).collect()
        })
        .collect()
}

fn quantised(bytes: &[u8], options: &Options) -> Result<Quantized, QuantizeError> {
    let pictures = pictures(24, 9);
    quantize(bytes, &Samples { pictures: &pictures, pixels: PIXELS, progress: &|_, _| () }, options)
}

/// Amplitude of the difference between two networks' outputs in relation to the first one's.
fn apart(a: &[u8], b: &[u8]) -> f64 {
    let [mut a, mut b] = [a, b].map(|bytes| Network::load(bytes, PIXELS).unwrap());
    let mut deviation = walk::Deviation::default();
    for picture in pictures(16, 77) {
        let float = a.run(&picture).unwrap().get(0).to_vec();
        deviation.add(&float, b.run(&picture).unwrap().get(0));
    }
    deviation.relative()
}

#[test]
fn a_rich_network_works_on_bytes_and_stays_close() {
    for seed in [1, 2, 3] {
        let float = rich(seed);
        let made = quantised(&float, &Options::default()).unwrap();
        assert_eq!(made.report.layers.len(), 9, "the two products at the end are one: {}", made.report);
        assert!(made.report.layers.iter().all(|l| l.float.is_none()), "{}", made.report);
        assert!(apart(&float, &made.bytes) < 0.08, "{}", apart(&float, &made.bytes));
        assert!(made.report.outputs[0].deviation < 0.15, "{}", made.report);
        assert!(made.bytes.len() < float.len() + 20_000);
    }
}

#[test]
fn the_engine_runs_all_of_it_in_integers() {
    let made = quantised(&rich(4), &Options::default()).unwrap();
    let network = Network::load(&made.bytes, PIXELS).unwrap();
    let islands: Vec<_> = network.steps().into_iter().filter(|s| s.island).collect();
    assert!(islands.is_empty(), "{islands:?}");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let [a, b] = [0, 1].map(|_| quantised(&rich(5), &Options::default()).unwrap());
    assert_eq!(a.bytes, b.bytes);
    assert_eq!(a.report, b.report);
}

#[test]
fn unlike_channels_need_equalisation() {
    // Channels from a thousandth to one: with one scale for all, most would be lost.
    let mut b = Builder::new(6);
    b.conv(3, 16, 3, 1, 1);
    b.op("Relu", &[], Vec::new());
    b.conv(16, 16, 3, 16, 1);
    b.conv(16, 6, 1, 1, 0);
    b.op("GlobalAveragePool", &[], Vec::new());
    let mut scale = |name: &str, factor: &dyn Fn(usize) -> f32| {
        let constant = b.net.floats.get_mut(name).unwrap();
        let row = constant.row_len().max(1);
        constant.values.iter_mut().enumerate().for_each(|(i, v)| *v *= factor(i / row));
    };
    let small = |channel: usize| 0.5_f32.powi((channel % 11) as i32);
    scale("c0", &small);
    scale("c1", &small);
    scale("c2", &|channel| 1.0 / small(channel));
    let float = b.bytes();
    let with = quantised(&float, &Options::default()).unwrap();
    let without = quantised(&float, &Options { equalise: false, ..Options::default() }).unwrap();
    let [with, without] = [with, without].map(|made| apart(&float, &made.bytes));
    assert!(with < 0.02 && with * 3.0 < without, "{with} with, {without} without");
}

#[test]
fn what_costs_more_than_the_limit_stays_float_and_says_why() {
    let float = rich(7);
    let made = quantised(&float, &Options { limit: 1e-9, ..Options::default() }).unwrap();
    assert!(made.report.layers.iter().all(|l| l.float.as_ref().is_some_and(|why| why.contains("limit"))));
    assert!(apart(&float, &made.bytes) < 0.08);
    assert!(made.report.to_string().contains("stay float"));
}

#[test]
fn what_cannot_be_quantised_is_refused_with_a_reason() {
    let float = rich(8);
    let made = quantised(&float, &Options::default()).unwrap();
    let told = |e: Result<Quantized, QuantizeError>| e.map(|_| ()).unwrap_err().to_string();
    assert!(told(quantised(&made.bytes, &Options::default())).contains("already"));
    assert!(told(quantised(&[], &Options::default())).contains("empty"));
    assert!(told(quantised(b"<html>", &Options::default())).contains("ONNX"));
    let few = pictures(3, 1);
    let samples = Samples { pictures: &few, pixels: PIXELS, progress: &|_, _| () };
    assert!(matches!(quantize(&float, &samples, &Options::default()), Err(QuantizeError::TooFew(3))));
    let odd: Vec<Vec<u8>> = vec![vec![0; 5]; 16];
    let samples = Samples { pictures: &odd, pixels: PIXELS, progress: &|_, _| () };
    assert!(told(quantize(&float, &samples, &Options::default())).contains("size"));
    let mut pool = Builder::new(9);
    pool.pool();
    assert!(told(quantised(&pool.bytes(), &Options::default())).contains("no convolution"));
}

#[test]
fn bent_files_never_panic() {
    let mut b = Builder::new(10);
    b.conv(3, 4, 3, 1, 1);
    b.prelu(4);
    b.pool();
    b.per_channel("Add", 4, -0.5, 0.5);
    b.conv(4, 4, 3, 4, 1);
    let whole = b.bytes();
    let few = pictures(8, 1);
    let samples = Samples { pictures: &few, pixels: PIXELS, progress: &|_, _| () };
    for cut in (1..whole.len()).step_by(29) {
        assert!(quantize(&whole[..cut], &samples, &Options::default()).is_err(), "cut at {cut}");
    }
    for bit in (0..whole.len() * 8).step_by(37) {
        let mut bent = whole.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        // A weight that changed gives another network, which is well.
        let _ = quantize(&bent, &samples, &Options::default());
    }
}

/// The outputs of a network on one picture.
fn outputs(net: &Net) -> Vec<f32> {
    let pictures = pictures(1, 3);
    let samples = Samples { pictures: &pictures, pixels: PIXELS, progress: &|_, _| () };
    let input = samples.tensor(0).unwrap();
    let values = Runner::whole(net, &net.outputs).unwrap().run(&[input]).unwrap();
    floats(&values[0]).unwrap().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn folding_and_equalising_change_nothing(seed in 0_u64..1_000_000) {
        let mut net = Net::read(&rich(seed), [1, 3, SIDE, SIDE]).unwrap();
        let before = outputs(&net);
        let scale = before.iter().fold(1e-3_f32, |m, v| m.max(v.abs()));
        fold::fold(&mut net).unwrap();
        prop_assert!(net.nodes.iter().all(|n| n.op != "BatchNormalization" && n.op != "MatMul"));
        for (a, b) in before.iter().zip(outputs(&net)) {
            prop_assert!((a - b).abs() <= scale * 1e-4, "{a} became {b}");
        }
        let tensors: Vec<String> = place::place(&net).into_keys().collect();
        let pictures = pictures(4, seed);
        let samples = Samples { pictures: &pictures, pixels: PIXELS, progress: &|_, _| () };
        let mut spreads = observe::spreads(&net, &tensors, &samples).unwrap();
        prop_assert!(equalise::equalise(&mut net, &mut spreads) > 0);
        for (a, b) in before.iter().zip(outputs(&net)) {
            prop_assert!((a - b).abs() <= scale * 1e-4, "{a} became {b} by equalising");
        }
        // The spreads that were scaled along are those of the new network.
        let measured = observe::spreads(&net, &tensors, &samples).unwrap();
        for (name, spread) in &measured {
            let (low, high) = (spread.whole(), spreads[name].whole());
            prop_assert!((low.0 - high.0).abs() <= 1e-3 * low.0.abs().max(1e-3), "{name}");
            prop_assert!((low.1 - high.1).abs() <= 1e-3 * low.1.abs().max(1e-3), "{name}");
        }
    }
}

proptest! {
    #[test]
    fn every_observer_gives_a_range_that_holds_zero_and_no_more_than_was_seen(
        values in prop::collection::vec(-50.0_f32..100.0, 1..400), percent in 50.0_f32..100.0,
    ) {
        let (low, high) = values.iter().fold((0.0_f32, 0.0_f32), |(l, h), v| (l.min(*v), h.max(*v)));
        let mut histogram = Histogram::new(low, high);
        for v in &values {
            histogram.add(*v);
        }
        for observer in [Observer::MinMax, Observer::Percentile(percent), Observer::Mse] {
            let (l, h) = histogram.range(observer);
            prop_assert!(l <= 0.0 && h >= 0.0 && l >= low - 1e-3 && h <= high + 1e-3, "{observer:?}: {l} {h}");
        }
        // Rounding to the range of least error errs no more than rounding to the whole one.
        let error = |(l, h): (f32, f32)| {
            let p = Params::over(l, h);
            values.iter().map(|v| f64::from(v - p.rounded(*v)).powi(2)).sum::<f64>()
        };
        let (mse, whole) = (error(histogram.range(Observer::Mse)), error((low, high)));
        let step = f64::from(high - low) / 255.0;
        prop_assert!(mse <= whole + values.len() as f64 * step * step, "{mse} against {whole}");
    }

    #[test]
    fn rounding_to_bytes_is_as_onnx_has_it(low in -100.0_f32..0.0, high in 0.0_f32..100.0, value in -300.0_f32..300.0) {
        let params = Params::over(low, high);
        let rounded = params.rounded(value);
        prop_assert!((params.rounded(rounded) - rounded).abs() <= params.scale * 1e-3, "rounding again changes nothing");
        prop_assert!(params.rounded(0.0).abs() <= f32::EPSILON, "zero is exact");
        let (least, most) = (params.rounded(-1e9), params.rounded(1e9));
        if (least..=most).contains(&value) {
            prop_assert!((rounded - value).abs() <= params.scale * 0.501);
        }
    }

    #[test]
    fn weights_as_bytes_are_within_their_steps(rows in 1_usize..5, row in prop::collection::vec(-3.0_f32..3.0, 1..40)) {
        let values: Vec<f32> = (0..rows).flat_map(|r| row.iter().map(move |v| v * (r as f32 + 0.5))).collect();
        let weights = Constant { dims: vec![rows, row.len()], values };
        let bytes = Bytes::of(&weights, 0.1, &vec![0.3; rows]);
        for (at, (a, b)) in weights.values.iter().zip(&bytes.reals().values).enumerate() {
            let scale = bytes.scales[at / row.len()];
            // Beyond the range that was chosen a weight is cut; the range keeps at least 40/64 of the greatest.
            prop_assert!((a - b).abs() <= scale * 0.501 || a.abs() > scale * 127.0, "{a} became {b}");
        }
    }
}
