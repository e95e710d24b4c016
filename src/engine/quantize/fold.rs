//! The float network in its plainest form: what multiplies or adds constants becomes part of the matrices beside it.
//!
//! Owns: the rewrites. Does not own: anything that depends on data.
//! Invariants: the network gives the same outputs as before, up to rounding of floats; a constant sum a channel stays
//! only where it cannot go into a matrix, above all before a convolution that sees zeros beyond the edge, which are
//! zeros *after* the sum.

use tract_onnx::prelude::Tensor;

use super::QuantizeError;
use super::net::{Constant, Net, Node};
use super::plain::plain;
use super::run::{Runner, floats, value};

/// Factors nearer to zero than this part of the greatest are not divided by.
const LEAST_FACTOR: f32 = 1e-6;

/// Learns the shapes, then folds until nothing more can be folded.
pub(super) fn fold(net: &mut Net) -> Result<(), QuantizeError> {
    learn_shapes(net)?;
    plain(net);
    while into_matrix_before(net)
        || linear_pair(net)
        || sum_first(net)
        || past_pool(net)
        || into_matrices_after(net)
    {}
    net.prune();
    Ok(())
}

/// Runs once to see the shape of everything that is float.
fn learn_shapes(net: &mut Net) -> Result<(), QuantizeError> {
    let names: Vec<String> = net.nodes.iter().map(|n| n.output().to_owned()).collect();
    let zeros = value(&net.shape, &vec![0.0; net.shape.iter().product()])?;
    let values = Runner::whole(net, &names)?.run(&[zeros])?;
    let of = |t: &Tensor| floats(t).map(|_| t.shape().to_vec());
    net.shapes = names.into_iter().zip(values).filter_map(|(n, v)| of(&v).map(|s| (n, s))).collect();
    net.shapes.insert(net.input.clone(), net.shape.to_vec());
    Ok(())
}

/// A product with or sum of a constant, one value a channel.
pub(super) struct Affine {
    pub(super) data: String,
    pub(super) is_product: bool,
    pub(super) values: Vec<f32>,
}

/// Reads `Mul` or `Add` of a tensor and a constant that is the same all over each channel.
pub(super) fn affine(net: &Net, node: &Node) -> Option<Affine> {
    let is_product = match node.op.as_str() {
        "Mul" => true,
        "Add" => false,
        _ => return None,
    };
    let (data, constant) = match (net.floats.get(node.input(0)), net.floats.get(node.input(1))) {
        (None, Some(c)) => (node.input(0), c),
        (Some(c), None) => (node.input(1), c),
        (None, None) | (Some(_), Some(_)) => return None,
    };
    let shape = net.shapes.get(data)?;
    if shape.len() < 2 || constant.dims.len() > shape.len() || net.shapes.get(node.output()) != Some(shape) {
        return None;
    }
    let channels = shape[1];
    // The constant's dimensions stand under the last ones of the tensor.
    let skipped = shape.len() - constant.dims.len();
    let fits = |(at, dim): (usize, &usize)| *dim == 1 || (at + skipped == 1 && *dim == channels);
    if !constant.dims.iter().enumerate().all(fits) {
        return None;
    }
    let values = match constant.values.as_slice() {
        [one] => vec![*one; channels],
        many if many.len() == channels => many.to_vec(),
        _ => return None,
    };
    Some(Affine { data: data.to_owned(), is_product, values })
}

/// `Conv -> Mul | Add`: into rows and bias.
fn into_matrix_before(net: &mut Net) -> bool {
    let found = (0..net.nodes.len()).find_map(|at| {
        let affine = affine(net, &net.nodes[at])?;
        let before = net.producer(&affine.data)?;
        let fits = net.weights(before).is_some() && net.only_consumer(&affine.data) == Some(at);
        fits.then_some((at, before, affine))
    });
    let Some((at, before, affine)) = found else { return false };
    let mut bias = net.bias(before);
    if affine.is_product {
        bias.iter_mut().zip(&affine.values).for_each(|(b, s)| *b *= s);
        if let Some(mut weights) = net.weights(before).cloned() {
            let row = weights.row_len();
            for (values, s) in weights.values.chunks_mut(row.max(1)).zip(&affine.values) {
                for w in values {
                    *w *= s;
                }
            }
            net.set_weights(before, weights);
        }
    } else {
        bias.iter_mut().zip(&affine.values).for_each(|(b, c)| *b += c);
    }
    net.set_bias(before, bias);
    let output = net.nodes[at].outputs.clone();
    net.nodes[before].outputs = output;
    net.nodes.remove(at);
    true
}

/// `Gemm -> Gemm` with nothing between: one, where that is less work.
fn linear_pair(net: &mut Net) -> bool {
    let found = (0..net.nodes.len()).find_map(|second| {
        let first = net.producer(net.nodes[second].input(0))?;
        if net.nodes[first].op != "Gemm" || net.nodes[second].op != "Gemm" {
            return None;
        }
        let (a, b) = (net.weights(first)?, net.weights(second)?);
        let [n1, k1, n2] = [a.dims[0], a.dims[1], b.dims[0]];
        let alone = net.only_consumer(net.nodes[first].output()) == Some(second);
        (alone && n2 * k1 <= n1 * k1 + n2 * n1).then(|| (first, second, product(b, a)))
    });
    let Some((first, second, weights)) = found else { return false };
    let (inner, mut bias) = (net.bias(first), net.bias(second));
    if let Some(outer) = net.weights(second) {
        for (b, row) in bias.iter_mut().zip(outer.values.chunks(outer.dims[1].max(1))) {
            *b += row.iter().zip(&inner).map(|(w, i)| w * i).sum::<f32>();
        }
    }
    let data = net.nodes[first].inputs[0].clone();
    net.nodes[second].inputs[0] = data;
    net.set_weights(second, weights);
    net.set_bias(second, bias);
    net.nodes.remove(first);
    true
}

/// Matrix product, both row-major, summed in double precision.
fn product(a: &Constant, b: &Constant) -> Constant {
    let [rows, inner, columns] = [a.dims[0], a.dims[1], b.dims[1]];
    let mut values = Vec::with_capacity(rows * columns);
    for row in a.values.chunks(inner.max(1)) {
        for column in 0..columns {
            let terms = row
                .iter()
                .enumerate()
                .map(|(k, v)| f64::from(*v) * f64::from(b.values[k * columns + column]));
            values.push(terms.sum::<f64>() as f32);
        }
    }
    Constant { dims: vec![rows, columns], values }
}

/// `x * s + b` becomes `(x + b / s) * s`, so that the product meets the matrix after it.
fn sum_first(net: &mut Net) -> bool {
    let found = (0..net.nodes.len()).find_map(|sum| {
        let b = affine(net, &net.nodes[sum]).filter(|a| !a.is_product)?;
        let mul = net.producer(&b.data)?;
        let s = affine(net, &net.nodes[mul]).filter(|a| a.is_product)?;
        let greatest = s.values.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let divides = greatest > 0.0 && s.values.iter().all(|v| v.abs() > greatest * LEAST_FACTOR);
        (divides && net.only_consumer(&b.data) == Some(sum)).then_some((mul, sum, s, b))
    });
    let Some((mul, sum, s, b)) = found else { return false };
    let shifted: Vec<f32> = b.values.iter().zip(&s.values).map(|(b, s)| b / s).collect();
    let (x, between, y) = (s.data, net.nodes[mul].output().to_owned(), net.nodes[sum].output().to_owned());
    let rank = net.shapes.get(&x).map_or(4, Vec::len);
    let (c, f) = (net.fresh(&format!("{between}_shift")), net.fresh(&format!("{between}_factor")));
    net.floats.insert(c.clone(), per_channel(shifted, rank));
    net.floats.insert(f.clone(), per_channel(s.values, rank));
    net.nodes[mul] = Node::new("Add", &[&x, &c], &between);
    net.nodes[sum] = Node::new("Mul", &[&between, &f], &y);
    true
}

/// A constant sum after a maximum goes before it, beside whatever made the values.
fn past_pool(net: &mut Net) -> bool {
    let found = (0..net.nodes.len()).find_map(|sum| {
        let b = affine(net, &net.nodes[sum]).filter(|a| !a.is_product)?;
        let pool = net.producer(&b.data)?;
        let x = net.nodes[pool].input(0);
        let alone = net.nodes[pool].op == "MaxPool"
            && net.nodes[pool].outputs.len() == 1
            && net.only_consumer(&b.data) == Some(sum)
            && net.only_consumer(x) == Some(pool);
        alone.then(|| (pool, sum, b, x.to_owned()))
    });
    let Some((pool, sum, b, x)) = found else { return false };
    let rank = net.shapes.get(&x).map_or(4, Vec::len);
    let c = net.fresh(&format!("{x}_shift"));
    net.floats.insert(c.clone(), per_channel(b.values, rank));
    let shifted = net.fresh(&format!("{x}_shifted"));
    if let Some(shape) = net.shapes.get(&x).cloned() {
        net.shapes.insert(shifted.clone(), shape);
    }
    let mut moved = net.nodes[pool].clone();
    moved.inputs = vec![shifted.clone()];
    moved.outputs.clone_from(&net.nodes[sum].outputs);
    net.nodes[pool] = Node::new("Add", &[&x, &c], &shifted);
    net.nodes[sum] = moved;
    true
}

/// `Mul | Add -> Conv` (all that use it): into columns, or into the bias where no zeros stand beyond the edge.
fn into_matrices_after(net: &mut Net) -> bool {
    let found = (0..net.nodes.len()).find_map(|at| {
        let affine = affine(net, &net.nodes[at])?;
        let output = net.nodes[at].output();
        let users = net.consumers(output);
        let takes = |user: &usize| {
            let node = &net.nodes[*user];
            let data_alone = node.input(0) == output && !node.inputs[1..].iter().any(|i| i == output);
            let columns = net.weights(*user).map(|w| input_channels(node, w));
            data_alone && columns == Some(affine.values.len()) && (affine.is_product || !node.is_padded())
        };
        let fits = !users.is_empty() && !net.outputs.iter().any(|o| o == output) && users.iter().all(takes);
        fits.then_some((at, users, affine))
    });
    let Some((at, users, affine)) = found else { return false };
    for user in users {
        if affine.is_product {
            scale_columns(net, user, &affine.values);
        } else {
            let bias = net.bias(user);
            let added = response(net, user, &affine.values);
            net.set_bias(user, bias.iter().zip(added).map(|(b, a)| b + a).collect());
        }
    }
    let output = net.nodes[at].output().to_owned();
    net.rename_uses(&output, &affine.data);
    net.nodes.remove(at);
    true
}

/// Channels a matrix takes.
pub(super) fn input_channels(node: &Node, weights: &Constant) -> usize {
    weights.dims[1] * usize::try_from(node.int("group", 1)).unwrap_or(1).max(1)
}

/// Multiplies what a matrix does with each input channel.
pub(super) fn scale_columns(net: &mut Net, index: usize, factors: &[f32]) {
    let Some(mut weights) = net.weights(index).cloned() else { return };
    each_column(&net.nodes[index], &mut weights, |channel, values| {
        for w in values {
            *w *= factors[channel];
        }
    });
    net.set_weights(index, weights);
}

/// What a matrix without its bias makes of a constant value a channel, away from the edges.
pub(super) fn response(net: &Net, index: usize, values: &[f32]) -> Vec<f32> {
    let Some(mut weights) = net.weights(index).cloned() else { return Vec::new() };
    each_column(&net.nodes[index], &mut weights, |channel, w| {
        for w in w {
            *w *= values[channel];
        }
    });
    let row = weights.row_len().max(1);
    let sum = |row: &[f32]| row.iter().map(|v| f64::from(*v)).sum::<f64>() as f32;
    weights.values.chunks(row).map(sum).collect()
}

/// Calls `each` with the input channel and the values of every row that belong to it.
pub(super) fn each_column(node: &Node, weights: &mut Constant, mut each: impl FnMut(usize, &mut [f32])) {
    let groups = usize::try_from(node.int("group", 1)).unwrap_or(1).max(1);
    let (rows, columns) = (weights.dims[0], weights.dims[1]);
    let taps: usize = weights.dims.iter().skip(2).product::<usize>().max(1);
    let rows_each = (rows / groups).max(1);
    for (at, values) in weights.values.chunks_mut(taps).enumerate() {
        let (row, column) = (at / columns.max(1), at % columns.max(1));
        each(row / rows_each * columns + column, values);
    }
}

/// A constant a channel in the form that spreads over a tensor of this rank.
pub(super) fn per_channel(values: Vec<f32>, rank: usize) -> Constant {
    let mut dims = vec![1; rank.max(2)];
    dims[1] = values.len();
    Constant { dims, values }
}
