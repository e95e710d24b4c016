//! Cross-layer equalisation: channels of one tensor that differ much in range are brought together before they must
//! share one scale.
//!
//! Owns: which tensors scale together, the factors, and moving them into weights (after Nagel et al., Data-free
//! quantization through weight equalization and bias correction, ICCV 2019; balanced between activations and weights
//! as in `SmoothQuant`, Xiao et al. 2023). Does not own: the ranges.
//! Invariants: the network's outputs stay the same up to rounding of floats, because everything between the matrix
//! that is divided and the one that is multiplied is positively homogeneous; factors are within [`MOST`] of 1.
//!
//! Before a depthwise convolution the factors are free: its weights have a scale a channel anyway. There the ranges
//! become all equal, which gives one scale for the tensor the precision of one a channel.

use std::collections::BTreeMap;

use super::fold::{affine, input_channels, scale_columns};
use super::net::Net;
use super::observe::Spread;

/// Largest factor and, inverted, the least.
const MOST: f32 = 256.0;
/// How much of the imbalance goes to the weights where other weights must share a scale.
const TO_WEIGHTS: f32 = 0.5;

/// Equalises in place; `spreads` are scaled along. Gives the number of groups of tensors that were changed.
pub(super) fn equalise(net: &mut Net, spreads: &mut BTreeMap<String, Spread>) -> usize {
    let groups = Groups::of(net);
    let mut changed = 0;
    for members in groups.free() {
        let Some(channels) = members.first().and_then(|m| net.channels(m)) else { continue };
        let Some(factors) = factors(net, &members, channels, spreads) else { continue };
        apply(net, &members, &factors);
        for spread in members.iter().filter_map(|m| spreads.remove(m).map(|s| (m, s))).collect::<Vec<_>>() {
            let (name, mut spread) = spread;
            spread.low.iter_mut().zip(&factors).for_each(|(v, f)| *v /= f);
            spread.high.iter_mut().zip(&factors).for_each(|(v, f)| *v /= f);
            spreads.insert(name.clone(), spread);
        }
        changed += 1;
    }
    changed
}

/// What each channel is divided by; `None` where nothing is known or nothing would change.
fn factors(
    net: &Net,
    members: &[String],
    channels: usize,
    spreads: &BTreeMap<String, Spread>,
) -> Option<Vec<f32>> {
    let mut reach = vec![0.0_f32; channels];
    for spread in members.iter().filter_map(|m| spreads.get(m)) {
        let most = (0..channels).map(|c| spread.reach(c)).fold(0.0, f32::max);
        if most > 0.0 {
            reach.iter_mut().enumerate().for_each(|(c, r)| *r = r.max(spread.reach(c) / most));
        }
    }
    let mut weight = vec![0.0_f32; channels];
    let mut shared = false;
    for user in members.iter().flat_map(|m| net.consumers(m)) {
        let Some(weights) = net.weights(user).filter(|w| !net.nodes[user].is_depthwise(w)) else { continue };
        shared = true;
        let most = weights.values.iter().fold(f32::MIN_POSITIVE, |m, w| m.max(w.abs()));
        super::fold::each_column(&net.nodes[user], &mut weights.clone(), |c, values| {
            let peak = values.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
            weight[c] = weight[c].max(peak / most);
        });
    }
    let factor = |c: usize| {
        if reach[c] <= 0.0 {
            1.0
        } else if shared {
            reach[c].powf(TO_WEIGHTS) / weight[c].max(1e-6).powf(1.0 - TO_WEIGHTS)
        } else {
            reach[c]
        }
    };
    let raw: Vec<f32> = (0..channels).map(factor).collect();
    let mean = raw.iter().map(|f| f64::from(f.ln())).sum::<f64>() / channels.max(1) as f64;
    let mean = mean.exp() as f32;
    let factors: Vec<f32> = raw.iter().map(|f| (f / mean).clamp(1.0 / MOST, MOST)).collect();
    let sound = factors.iter().all(|f| f.is_finite()) && reach.iter().any(|r| *r > 0.0);
    (sound && channels > 1).then_some(factors)
}

/// Divides what makes these tensors and multiplies what uses them.
fn apply(net: &mut Net, members: &[String], factors: &[f32]) {
    for index in 0..net.nodes.len() {
        let node = &net.nodes[index];
        let (makes, uses) =
            (members.iter().any(|m| m == node.output()), members.iter().any(|m| m == node.input(0)));
        if let Some(weights) = net.weights(index).cloned() {
            if uses {
                scale_columns(net, index, factors);
            }
            if makes {
                let mut weights = net.weights(index).cloned().unwrap_or(weights);
                let row_len = weights.row_len().max(1);
                for (row, f) in weights.values.chunks_mut(row_len).zip(factors) {
                    for w in row {
                        *w /= f;
                    }
                }
                net.set_weights(index, weights);
                if !net.nodes[index].input(2).is_empty() {
                    let bias = net.bias(index).iter().zip(factors).map(|(b, f)| b / f).collect();
                    net.set_bias(index, bias);
                }
            }
        } else if makes && let Some(sum) = affine(net, node).filter(|a| !a.is_product) {
            let rank = net.shapes.get(&sum.data).map_or(4, Vec::len);
            let shifted = sum.values.iter().zip(factors).map(|(v, f)| v / f).collect();
            let name = net.fresh(&format!("{}_equalised", net.nodes[index].output()));
            net.floats.insert(name.clone(), super::fold::per_channel(shifted, rank));
            net.nodes[index].inputs = vec![sum.data, name];
        }
    }
}

/// Tensors that must have the same factors.
struct Groups {
    /// Parents of a union-find over names.
    parent: BTreeMap<String, String>,
    fixed: Vec<String>,
}

impl Groups {
    fn of(net: &Net) -> Self {
        let mut groups = Self { parent: BTreeMap::new(), fixed: Vec::new() };
        groups.fixed.push(net.input.clone());
        groups.fixed.extend(net.outputs.iter().cloned());
        for (index, node) in net.nodes.iter().enumerate() {
            let output = node.output();
            let same = |a: &str| net.channels(a).is_some() && net.channels(a) == net.channels(output);
            if let Some(weights) = net.weights(index) {
                let takes = net.channels(node.input(0)) == Some(input_channels(node, weights));
                groups.join(output, output);
                groups.join(node.input(0), node.input(0));
                if !takes || net.channels(output) != Some(weights.dims[0]) {
                    groups.fix(node.input(0), output);
                }
                continue;
            }
            let dynamic: Vec<&String> =
                node.inputs.iter().filter(|i| !net.is_constant(i) && !i.is_empty()).collect();
            match (node.op.as_str(), dynamic.as_slice()) {
                ("Relu" | "LeakyRelu" | "PRelu" | "MaxPool" | "AveragePool" | "GlobalAveragePool", [x])
                    if same(x) && node.input(0) == *x && node.outputs.len() == 1 =>
                {
                    groups.join(x, output);
                }
                ("Resize" | "Flatten" | "Reshape", [x]) if same(x) => groups.join(x, output),
                ("Add", [x]) if same(x) && affine(net, node).is_some() => groups.join(x, output),
                ("Add", [a, b]) if same(a) && same(b) && net.shapes.get(*a) == net.shapes.get(*b) => {
                    groups.join(a, output);
                    groups.join(b, output);
                }
                ("Mul", [a, b]) if same(a) && same(b) => match (is_gate(net, a), is_gate(net, b)) {
                    (false, true) => {
                        groups.join(a, output);
                        groups.fix(b, b);
                    }
                    (true, false) => {
                        groups.join(b, output);
                        groups.fix(a, a);
                    }
                    (true, true) | (false, false) => {
                        for x in &dynamic {
                            groups.fix(x, output);
                        }
                    }
                },
                _ => {
                    groups.fix(output, output);
                    for x in &dynamic {
                        groups.fix(x, output);
                    }
                }
            }
        }
        groups
    }

    fn fix(&mut self, a: &str, b: &str) {
        self.fixed.extend([a.to_owned(), b.to_owned()]);
    }

    fn join(&mut self, a: &str, b: &str) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent.insert(a, b.clone());
        self.parent.insert(b.clone(), b);
    }

    fn root(&self, name: &str) -> String {
        let mut at = name.to_owned();
        while let Some(parent) = self.parent.get(&at).filter(|p| **p != at) {
            at.clone_from(parent);
        }
        at
    }

    /// The members of every group that may be scaled.
    fn free(&self) -> Vec<Vec<String>> {
        let fixed: std::collections::BTreeSet<String> = self.fixed.iter().map(|f| self.root(f)).collect();
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in self.parent.keys() {
            let root = self.root(name);
            if !fixed.contains(&root) {
                groups.entry(root).or_default().push(name.clone());
            }
        }
        groups.into_values().collect()
    }
}

/// Whether a tensor weighs another one (squeeze and excitation).
fn is_gate(net: &Net, name: &str) -> bool {
    let op = net.producer(name).map(|p| net.nodes[p].op.as_str());
    matches!(op, Some("Sigmoid" | "HardSigmoid" | "Softmax" | "Clip"))
}
