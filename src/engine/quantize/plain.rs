//! Fewer kinds of operators: idle ones go, normalisations become a product and a sum, matrix products by constants
//! become `Gemm` with the weights as rows.
//!
//! Owns: these rewrites, one operator at a time, and what a matrix is. Does not own: folding neighbours (`fold`).
//! Invariant: every operator gives what it gave before, up to rounding of floats.

use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;

use super::fold::per_channel;
use super::net::{Constant, Net, Node};

impl Net {
    /// The constant weights of a convolution (out, in of the group, rows, columns) or of a `Gemm` (out, in); `None`
    /// for anything else, or where weights or bias are no constants.
    pub(super) fn weights(&self, index: usize) -> Option<&Constant> {
        let node = &self.nodes[index];
        let weights = self.floats.get(node.input(1))?;
        let sound = match node.op.as_str() {
            "Conv" => weights.dims.len() == 4,
            "Gemm" => weights.dims.len() == 2 && is_plain_gemm(node),
            _ => false,
        };
        let rows = *weights.dims.first()?;
        let groups = usize::try_from(node.int("group", 1)).ok().filter(|g| *g > 0 && rows.is_multiple_of(*g));
        let bias = node.input(2);
        let biased = bias.is_empty() || self.floats.get(bias).is_some_and(|b| b.dims == [rows]);
        (sound && biased && groups.is_some() && !weights.values.is_empty()).then_some(weights)
    }

    /// The bias of a matrix; zeros where it has none.
    pub(super) fn bias(&self, index: usize) -> Vec<f32> {
        let rows = self.weights(index).map_or(0, |w| w.dims[0]);
        self.floats.get(self.nodes[index].input(2)).map_or_else(|| vec![0.0; rows], |b| b.values.clone())
    }

    /// Gives a matrix weights of its own.
    pub(super) fn set_weights(&mut self, index: usize, weights: Constant) {
        self.set(index, 1, "weights", weights);
    }

    /// Gives a matrix a bias of its own.
    pub(super) fn set_bias(&mut self, index: usize, bias: Vec<f32>) {
        self.set(index, 2, "bias", Constant::vector(bias));
    }

    fn set(&mut self, index: usize, input: usize, what: &str, constant: Constant) {
        let old = self.nodes[index].input(input).to_owned();
        // A constant that others use as well stays theirs.
        let own = !old.is_empty() && self.consumers(&old).len() == 1;
        let name = if own { old } else { self.fresh(&format!("{}_{what}", self.nodes[index].output())) };
        let inputs = &mut self.nodes[index].inputs;
        inputs.resize(inputs.len().max(input + 1), String::new());
        inputs[input].clone_from(&name);
        self.floats.insert(name, constant);
    }
}

fn is_plain_gemm(node: &Node) -> bool {
    let one = |name: &str| (node.float(name, 1.0) - 1.0).abs() < f32::EPSILON;
    node.int("transB", 0) == 1 && node.int("transA", 0) == 0 && one("alpha") && one("beta")
}

/// Rewrites every operator.
pub(super) fn plain(net: &mut Net) {
    let mut at = 0;
    while at < net.nodes.len() {
        let taken = match net.nodes[at].op.as_str() {
            "Identity" | "Dropout" => idle(net, at),
            "BatchNormalization" => normalisation(net, at).is_some(),
            "Sub" | "Div" => inverse(net, at).is_some(),
            "MatMul" => matrix_product(net, at).is_some(),
            "Gemm" => gemm(net, at).is_some(),
            _ => false,
        };
        // What was put in its place is plain.
        let removed =
            taken && matches!(net.nodes.get(at), Some(n) if n.op == "Identity" || n.op == "Dropout");
        if removed {
            net.nodes.remove(at);
        } else {
            at += 1;
        }
    }
}

/// Marks an operator that does nothing for removal, unless it gives an output its name.
fn idle(net: &mut Net, at: usize) -> bool {
    let (from, to) = (net.nodes[at].input(0).to_owned(), net.nodes[at].output().to_owned());
    let keep = net.outputs.contains(&to);
    if !keep {
        net.rename_uses(&to, &from);
    }
    !keep
}

/// `(x - mean) / sqrt(variance + epsilon) * scale + bias` as a product and a sum.
fn normalisation(net: &mut Net, at: usize) -> Option<()> {
    let node = net.nodes[at].clone();
    let rank = net.shapes.get(node.input(0))?.len();
    let of = |i: usize| net.floats.get(node.input(i)).map(|c| c.values.clone());
    let (scale, bias, mean, variance) = (of(1)?, of(2)?, of(3)?, of(4)?);
    let epsilon = f64::from(node.float("epsilon", 1e-5));
    let factor: Vec<f64> =
        scale.iter().zip(&variance).map(|(s, v)| f64::from(*s) / (f64::from(*v) + epsilon).sqrt()).collect();
    let shift =
        bias.iter().zip(&mean).zip(&factor).map(|((b, m), f)| (f64::from(*b) - f64::from(*m) * f) as f32);
    let shift: Vec<f32> = shift.collect();
    let factor: Vec<f32> = factor.iter().map(|f| *f as f32).collect();
    if factor.iter().chain(&shift).any(|v| !v.is_finite())
        || Some(factor.len()) != net.channels(node.input(0))
    {
        return None;
    }
    let scaled = net.fresh(&format!("{}_scaled", node.output()));
    let (f, s) = (net.fresh(&format!("{scaled}_factor")), net.fresh(&format!("{}_shift", node.output())));
    net.floats.insert(f.clone(), per_channel(factor, rank));
    net.floats.insert(s.clone(), per_channel(shift, rank));
    let shape = net.shapes.get(node.output()).cloned()?;
    net.shapes.insert(scaled.clone(), shape);
    net.nodes[at] = Node::new("Mul", &[node.input(0), &f], &scaled);
    net.nodes.insert(at + 1, Node::new("Add", &[&scaled, &s], node.output()));
    Some(())
}

/// `x - c` and `x / c` as sum and product.
fn inverse(net: &mut Net, at: usize) -> Option<()> {
    let node = net.nodes[at].clone();
    let constant = net.floats.get(node.input(1))?;
    let (op, values): (_, Vec<f32>) = if node.op == "Sub" {
        ("Add", constant.values.iter().map(|v| -v).collect())
    } else {
        ("Mul", constant.values.iter().map(|v| 1.0 / v).collect())
    };
    if values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let dims = constant.dims.clone();
    let name = net.fresh(&format!("{}_inverse", node.output()));
    net.floats.insert(name.clone(), Constant { dims, values });
    net.nodes[at] = Node { name: node.name.clone(), ..Node::new(op, &[node.input(0), &name], node.output()) };
    Some(())
}

/// A vector times a constant matrix as `Gemm`.
fn matrix_product(net: &mut Net, at: usize) -> Option<()> {
    let node = net.nodes[at].clone();
    let flat = net.shapes.get(node.input(0)).is_some_and(|s| s.len() == 2);
    let weights = net.floats.get(node.input(1)).filter(|w| flat && w.dims.len() == 2).map(transposed)?;
    put_gemm(net, at, &node, weights, None);
    Some(())
}

/// Any `Gemm` by a constant with `transB = 1` and no factors.
fn gemm(net: &mut Net, at: usize) -> Option<()> {
    let node = net.nodes[at].clone();
    if node.int("transA", 0) != 0 {
        return None;
    }
    let weights = net.floats.get(node.input(1)).filter(|w| w.dims.len() == 2)?;
    let mut weights = if node.int("transB", 0) == 0 { transposed(weights) } else { weights.clone() };
    let alpha = node.float("alpha", 1.0);
    weights.values.iter_mut().for_each(|w| *w *= alpha);
    let rows = weights.dims[0];
    let bias = match node.input(2) {
        "" => None,
        name => {
            let beta = node.float("beta", 1.0);
            let values = &net.floats.get(name)?.values;
            let spread = match values.as_slice() {
                [one] => vec![*one; rows],
                many if many.len() == rows => many.to_vec(),
                _ => return None,
            };
            Some(spread.iter().map(|v| v * beta).collect())
        }
    };
    put_gemm(net, at, &node, weights, bias);
    Some(())
}

fn put_gemm(net: &mut Net, at: usize, node: &Node, weights: Constant, bias: Option<Vec<f32>>) {
    let name = net.fresh(&format!("{}_weights", node.output()));
    net.floats.insert(name.clone(), weights);
    let mut gemm = Node::new("Gemm", &[node.input(0), &name], node.output());
    gemm.name.clone_from(&node.name);
    gemm.attributes = vec![pb::AttributeProto {
        name: "transB".into(),
        r#type: AttributeType::Int as i32,
        i: 1,
        ..pb::AttributeProto::default()
    }];
    net.nodes[at] = gemm;
    if let Some(bias) = bias {
        net.set_bias(at, bias);
    }
}

fn transposed(weights: &Constant) -> Constant {
    let (rows, columns) = (weights.dims[0], weights.dims[1]);
    let values = (0..columns).flat_map(|c| (0..rows).map(move |r| weights.values[r * columns + c]));
    Constant { dims: vec![columns, rows], values: values.collect() }
}
