//! Where values become bytes: which tensors are quantised, and which of them share a scale.
//!
//! Owns: the rules. Does not own: the scales (`observe`, `params`).
//! Rules: what a matrix will use is quantised, after the pointwise operations that follow its producer, because an
//! engine does those in registers. What only moves bytes about (maximum, nearest resize, reshape) keeps its input's
//! scale. What no matrix uses any more, the tail of a network, stays float: embeddings, boxes and points keep the
//! full precision of the last accumulator.

use std::collections::{BTreeMap, BTreeSet};

use super::fold::affine;
use super::net::{Net, Node};

/// Done to a value on its way out of the producer.
const POINTWISE: [&str; 8] =
    ["Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "PRelu", "Relu", "Sigmoid", "Tanh"];
/// Give values that they were given.
const MOVES: [&str; 8] =
    ["Flatten", "Identity", "MaxPool", "Reshape", "Resize", "Squeeze", "Transpose", "Unsqueeze"];

/// Quantised tensors, each with the one whose scale it has (often itself).
pub(super) type Placement = BTreeMap<String, String>;

/// Decides for every tensor.
pub(super) fn place(net: &Net) -> Placement {
    let used = used_by_matrices(net);
    let mut placement = Placement::new();
    if used.contains(net.input.as_str()) && !is_passed_through(net, &net.input) {
        placement.insert(net.input.clone(), net.input.clone());
    }
    for node in &net.nodes {
        let output = node.output();
        if !used.contains(output) || !net.shapes.contains_key(output) || is_passed_through(net, output) {
            continue;
        }
        let shared = if moves(node) { placement.get(node.input(0)).cloned() } else { None };
        placement.insert(output.to_owned(), shared.unwrap_or_else(|| output.to_owned()));
    }
    placement
}

/// Whether an operator only moves bytes.
pub(super) fn moves(node: &Node) -> bool {
    let text =
        |name: &str| node.attributes.iter().find(|a| a.name == name).map_or(&[][..], |a| a.s.as_slice());
    let nearest = node.op != "Resize" || matches!(text("mode"), b"" | b"nearest");
    MOVES.contains(&node.op.as_str()) && nearest
}

/// Whether a pointwise operation takes this value before anybody else sees it.
fn is_passed_through(net: &Net, tensor: &str) -> bool {
    let Some(user) = net.only_consumer(tensor) else { return false };
    let node = &net.nodes[user];
    let by_moving = net.producer(tensor).is_some_and(|p| moves(&net.nodes[p]));
    let pointwise = POINTWISE.contains(&node.op.as_str()) && node.input(0) == tensor;
    !by_moving && (pointwise || affine(net, node).is_some())
}

/// Tensors from which a way leads to a matrix.
fn used_by_matrices(net: &Net) -> BTreeSet<&str> {
    let mut used = BTreeSet::new();
    for (index, node) in net.nodes.iter().enumerate().rev() {
        if net.weights(index).is_some() {
            used.insert(node.input(0));
        } else if node.outputs.iter().any(|o| used.contains(o.as_str())) {
            used.extend(node.inputs.iter().map(String::as_str));
        }
    }
    used
}
