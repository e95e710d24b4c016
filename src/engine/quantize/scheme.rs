//! Everything that was decided about a network: scales of activations, bytes of weights, what stays float.
//!
//! Owns: making it from ranges, and fitting sums before padded convolutions to the grid. Does not own: whether it is
//! good (`walk`, `sensitivity`), writing it (`write`).
//! Invariant: a matrix has bytes only where its input is quantised with one scale.

use std::collections::{BTreeMap, BTreeSet};

use super::fold::{affine, per_channel, response};
use super::net::Net;
use super::params::{Bytes, Params};
use super::place::Placement;

/// The decisions.
#[derive(Clone)]
pub(super) struct Scheme {
    /// Of every quantised tensor.
    pub(super) params: BTreeMap<String, Params>,
    /// By the matrix's output.
    pub(super) weights: BTreeMap<String, Bytes>,
}

impl Scheme {
    /// Scales from ranges; tensors that share a scale take the one of their root.
    pub(super) fn new(placement: &Placement, ranges: &BTreeMap<String, Params>) -> Self {
        let params =
            placement.iter().filter_map(|(t, root)| ranges.get(root).map(|p| (t.clone(), *p))).collect();
        Self { params, weights: BTreeMap::new() }
    }

    /// Rounds the weights of every matrix whose input is quantised and which is not to stay float.
    pub(super) fn round_weights(&mut self, net: &Net, keep_float: &BTreeSet<String>) {
        for (index, node) in net.nodes.iter().enumerate() {
            let Some(weights) = net.weights(index) else { continue };
            let Some(input) = self.params.get(node.input(0)) else { continue };
            if !keep_float.contains(node.output()) {
                let bytes = Bytes::of(weights, input.scale, &net.bias(index));
                self.weights.insert(node.output().to_owned(), bytes);
            }
        }
    }

    /// A constant sum just before a quantisation becomes a whole number of steps, so that an engine can do it by
    /// moving the zero point; what is left goes to the bias of the convolutions after it, which is exact everywhere
    /// but beside the edge, and there within half a step.
    pub(super) fn fit_sums(&self, net: &mut Net) {
        for at in 0..net.nodes.len() {
            let Some(sum) = affine(net, &net.nodes[at]).filter(|a| !a.is_product) else { continue };
            let output = net.nodes[at].output().to_owned();
            let Some(params) = self.params.get(&output).copied() else { continue };
            let Some(users) = matrices_behind(net, &output) else { continue };
            let whole: Vec<f32> =
                sum.values.iter().map(|v| (v / params.scale).round_ties_even() * params.scale).collect();
            let left: Vec<f32> = sum.values.iter().zip(&whole).map(|(v, w)| v - w).collect();
            for user in users {
                let added = response(net, user, &left);
                let bias = net.bias(user).iter().zip(added).map(|(b, a)| b + a).collect();
                net.set_bias(user, bias);
            }
            let rank = net.shapes.get(&sum.data).map_or(4, Vec::len);
            let name = net.fresh(&format!("{output}_steps"));
            net.floats.insert(name.clone(), per_channel(whole, rank));
            net.nodes[at].inputs = vec![sum.data, name];
        }
        net.prune();
    }
}

/// The matrices that use a tensor, through maxima if need be; `None` where anybody else uses it.
fn matrices_behind(net: &Net, tensor: &str) -> Option<Vec<usize>> {
    if net.outputs.iter().any(|o| o == tensor) {
        return None;
    }
    let mut found = Vec::new();
    for user in net.consumers(tensor) {
        let node = &net.nodes[user];
        if net.weights(user).is_some() && node.input(0) == tensor {
            found.push(user);
        } else if node.op == "MaxPool" && node.outputs.len() == 1 {
            found.extend(matrices_behind(net, node.output())?);
        } else {
            return None;
        }
    }
    Some(found)
}
