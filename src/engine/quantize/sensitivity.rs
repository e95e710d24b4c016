//! What each matrix costs: the outputs' deviation when it alone works on bytes.
//!
//! Owns: measuring that. Does not own: what follows from it (`mod`).
//! Invariant: everything before the matrix is the float network; everything after it, too.

use std::collections::BTreeMap;

use super::net::Net;
use super::run::{Runner, Value, floats};
use super::scheme::Scheme;
use super::walk::{Deviation, dynamic, quantised, rounded_weights};
use super::{QuantizeError, Samples, Stage};

/// Most values kept of all tensors of one sample, times samples.
const MOST_VALUES: usize = 96 << 20;

/// How many of `wanted` samples fit into memory with all their tensors.
pub(super) fn affordable(net: &Net, wanted: usize) -> usize {
    let each: usize = net.shapes.values().map(|s| s.iter().product::<usize>()).sum();
    (MOST_VALUES / each.max(1)).clamp(1, wanted.max(1))
}

/// The relative deviation of the outputs (the worst of them) for each matrix alone, by its output: input and result
/// rounded to bytes, weights, too.
pub(super) fn sensitivity(
    net: &Net,
    scheme: &Scheme,
    samples: &Samples<'_>,
    which: &[usize],
) -> Result<BTreeMap<String, f64>, QuantizeError> {
    let mut runners: Vec<Option<Runner>> = net.nodes.iter().map(|_| None).collect();
    let mut found: BTreeMap<String, Vec<Deviation>> = BTreeMap::new();
    for (turn, index) in which.iter().enumerate() {
        let mut base: BTreeMap<&str, Value> = BTreeMap::new();
        base.insert(&net.input, samples.tensor(*index)?);
        for (at, node) in net.nodes.iter().enumerate() {
            let result = run(net, at, &mut runners[at], &base, &BTreeMap::new())?;
            base.insert(node.output(), result);
        }
        for (at, node) in net.nodes.iter().enumerate() {
            let Some(with) = rounded_weights(net, scheme, at) else { continue };
            let outputs = alone(net, scheme, at, &with, &mut runners, &base)?;
            let deviations = found.entry(node.output().to_owned()).or_default();
            deviations.resize(net.outputs.len(), Deviation::default());
            for ((name, deviation), changed) in net.outputs.iter().zip(deviations).zip(outputs) {
                if let (Some(a), Some(b)) =
                    (base.get(name.as_str()).and_then(|v| floats(v)), floats(&changed))
                {
                    deviation.add(a, b);
                }
            }
        }
        samples.done(Stage::Sensitivity, turn + 1);
    }
    let worst = |all: Vec<Deviation>| all.iter().map(Deviation::relative).fold(0.0, f64::max);
    Ok(found.into_iter().map(|(name, all)| (name, worst(all))).collect())
}

/// The network's outputs with one matrix on bytes.
fn alone(
    net: &Net,
    scheme: &Scheme,
    index: usize,
    with: &Net,
    runners: &mut [Option<Runner>],
    base: &BTreeMap<&str, Value>,
) -> Result<Vec<Value>, QuantizeError> {
    let node = &net.nodes[index];
    let mut changed: BTreeMap<&str, Value> = BTreeMap::new();
    if let Some(input) = base.get(node.input(0)) {
        let input = quantised(scheme, node.input(0), input.clone())?;
        let mut runner = Runner::node(with, node, &[&*input])?;
        let result = runner.run(&[input])?.swap_remove(0);
        changed.insert(node.output(), quantised(scheme, node.output(), result)?);
    }
    // A pointwise operation that follows is done before the rounding.
    let mut open = !scheme.params.contains_key(node.output());
    for (at, later) in net.nodes.iter().enumerate().skip(index + 1) {
        if later.inputs.iter().any(|i| changed.contains_key(i.as_str())) {
            let mut result = run(net, at, &mut runners[at], base, &changed)?;
            if open && scheme.params.contains_key(later.output()) {
                result = quantised(scheme, later.output(), result)?;
                open = false;
            }
            changed.insert(later.output(), result);
        }
    }
    let of = |name: &String| changed.get(name.as_str()).or_else(|| base.get(name.as_str())).cloned();
    Ok(net.outputs.iter().filter_map(of).collect())
}

/// One operator in float; `changed` before `base`.
fn run(
    net: &Net,
    at: usize,
    runner: &mut Option<Runner>,
    base: &BTreeMap<&str, Value>,
    changed: &BTreeMap<&str, Value>,
) -> Result<Value, QuantizeError> {
    let node = &net.nodes[at];
    let inputs: Vec<Value> =
        dynamic(net, node).filter_map(|name| changed.get(name).or_else(|| base.get(name)).cloned()).collect();
    if runner.is_none() {
        let examples: Vec<&tract_onnx::prelude::Tensor> = inputs.iter().map(|v| &**v).collect();
        *runner = Some(Runner::node(net, node, &examples)?);
    }
    let Some(runner) = runner else { return Err(super::refused("an operator has no plan")) };
    Ok(runner.run(&inputs)?.swap_remove(0))
}
