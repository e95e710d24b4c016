//! Operators on planes and on single values: sums, products, pools, joining, activations.
//!
//! Owns: what they mean in expressions. Does not own: their steps (`emit`).

use super::linear::window;
use super::post::Post;
use super::{Base, Form, Lowered, Lowerer, Real};
use crate::graph::Node;
use crate::kernels::Window;

impl Lowerer<'_> {
    /// `Add`, `Sub`, `Mul` and `Div`: of two planes, or of a tensor and a constant.
    pub(super) fn binary(&mut self, node: &Node) -> Lowered<Form> {
        let known = |i: usize| node.input(i).and_then(|n| self.constant(n));
        let (constant, other, swapped) = match (known(0), known(1)) {
            (None, Some(constant)) => (constant, 0, false),
            (Some(constant), None) => (constant, 1, true),
            (None, None) => return self.of_planes(node),
            (Some(_), Some(_)) => return Err("both its inputs are constants"),
        };
        let real = self.real(node, other)?;
        let values = per_channel(&constant.0, constant.1, &real.dims)?;
        let negated = |v: Vec<f32>| v.iter().map(|v| -v).collect::<Vec<f32>>();
        let posts = match (node.op.as_str(), swapped) {
            ("Add", _) => vec![Post::Add(values)],
            ("Mul", _) => vec![Post::Mul(values)],
            ("Sub", false) => vec![Post::Add(negated(values))],
            ("Sub", true) => vec![Post::Mul(vec![-1.0]), Post::Add(values)],
            ("Div", false) if values.iter().all(|v| *v != 0.0) => {
                vec![Post::Mul(values.iter().map(|v| 1.0 / v).collect())]
            }
            _ => return Err("it divides by what may be zero"),
        };
        posts.into_iter().try_fold(real, |real, post| after(real, post, node)).map(Form::Real)
    }

    fn of_planes(&mut self, node: &Node) -> Lowered<Form> {
        if !self.ends_quantised(node) {
            return Err("its result is not quantised");
        }
        let (a, b) = (self.plane(node, 0)?, self.plane(node, 1)?);
        let alike = a.dims == b.dims && a.stride == b.stride && a.height == b.height && a.width == b.width;
        let pixel = |of: &[usize], to: &[usize]| of.len() == 4 && of[..2] == to[..2] && of[2..] == [1, 1];
        let dims = if pixel(&a.dims, &b.dims) { b.dims.clone() } else { a.dims.clone() };
        let base = match node.op.as_str() {
            "Add" if alike => Base::Sum(a, b),
            "Mul" if alike => Base::Times(a, b),
            "Mul" if pixel(&b.dims, &a.dims) && a.stride == b.stride => Base::Scaled(a, b),
            "Mul" if pixel(&a.dims, &b.dims) && a.stride == b.stride => Base::Scaled(b, a),
            _ => return Err("its inputs have different shapes"),
        };
        Ok(form(base, dims, node))
    }

    /// The mean of each channel.
    pub(super) fn global_mean(&mut self, node: &Node) -> Lowered<Form> {
        let plane = self.plane(node, 0)?;
        let [one, channels, ..] = plane.dims[..] else { return Err("its input is no plane") };
        let mut dims = vec![one, channels, 1, 1];
        if node.op == "ReduceMean" {
            let axes = node.ints("axes").map(<[i64]>::to_vec);
            let axes = axes.or_else(|| {
                node.input(1)
                    .and_then(|n| self.graph.constants.get(n))
                    .and_then(|c| c.sizes())
                    .map(<[i64]>::to_vec)
            });
            if !matches!(axes.as_deref(), Some([2, 3] | [-2, -1] | [3, 2] | [-1, -2])) {
                return Err("it averages over other axes");
            }
            if node.int("keepdims", 1) == 0 {
                dims.truncate(2);
            }
        }
        if plane.dims.len() != 4 || plane.height * plane.width == 0 || plane.height * plane.width > 1 << 22 {
            return Err("its input is no plane");
        }
        Ok(form(Base::Mean(plane), dims, node))
    }

    /// The mean of windows.
    pub(super) fn average_pool(&mut self, node: &Node) -> Lowered<Form> {
        let plane = self.plane(node, 0)?;
        let window = Self::pool(node, &plane.dims, [plane.height, plane.width])?;
        let padded = window.pad != [0, 0]
            || (0..2).any(|i| (window.output[i] - 1) * window.stride[i] + window.kernel[i] > window.input[i]);
        let whole = node.int("count_include_pad", 0) != 0;
        if padded && !whole {
            return Err("it leaves out what lies beyond the edge");
        }
        let dims = vec![1, plane.channels, window.output[0], window.output[1]];
        Ok(form(Base::WindowMean(plane, window), dims, node))
    }

    /// The greatest value of windows.
    pub(super) fn max_pool(&mut self, node: &Node) -> Lowered<Form> {
        if !self.ends_quantised(node) {
            return Err("its result is not quantised");
        }
        let plane = self.plane(node, 0)?;
        let window = Self::pool(node, &plane.dims, [plane.height, plane.width])?;
        let dims = vec![1, plane.channels, window.output[0], window.output[1]];
        Ok(form(Base::Max(plane, window), dims, node))
    }

    fn pool(node: &Node, dims: &[usize], input: [usize; 2]) -> Lowered<Window> {
        let Some([rows, columns]) = node.ints("kernel_shape") else { return Err("it has no window") };
        let size = |v: &i64| usize::try_from(*v).unwrap_or(0);
        if dims.len() != 4 || node.outputs.len() > 1 {
            return Err("its input is no plane");
        }
        let window = window(node, input, [size(rows), size(columns)])?;
        // A window that sees nothing but padding has no greatest value.
        if window.pad[0] >= window.kernel[0] || window.pad[1] >= window.kernel[1] {
            return Err("its pads are larger than its window");
        }
        Ok(window)
    }

    /// Nearest-neighbour enlargement by whole factors.
    pub(super) fn resize(&mut self, node: &Node) -> Lowered<Form> {
        if !self.ends_quantised(node) {
            return Err("its result is not quantised");
        }
        let plane = self.plane(node, 0)?;
        if plane.dims.len() != 4 {
            return Err("its input is no plane");
        }
        let constant = |i: usize| node.input(i).and_then(|n| self.graph.constants.get(n));
        let at = if node.op == "Upsample" { 1 } else { 2 };
        let scales = constant(at).and_then(|c| c.floats()).filter(|s| s.len() == 4).map(<[f32]>::to_vec);
        let sizes = constant(3).and_then(|c| c.sizes()).filter(|s| s.len() == 4);
        let times = scales.or_else(|| {
            let sizes = sizes?;
            Some(sizes.iter().zip(&plane.dims).map(|(s, d)| *s as f32 / *d as f32).collect())
        });
        let times = times.ok_or("its factors are not constants")?;
        let whole = |v: f32| (v.fract() == 0.0 && (1.0..=16.0).contains(&v)).then_some(v as usize);
        let mode = node.text("mode").unwrap_or(b"nearest");
        let coordinates = node.text("coordinate_transformation_mode").unwrap_or(b"half_pixel");
        let rounding = node.text("nearest_mode").unwrap_or(b"round_prefer_floor");
        // By whole factors these fall together: each source pixel is repeated.
        let repeats = node.op == "Upsample"
            || (coordinates == b"asymmetric" && rounding == b"floor")
            || (coordinates == b"half_pixel" && rounding == b"round_prefer_floor");
        let (Some(1), Some(1), Some(rows), Some(columns)) =
            (whole(times[0]), whole(times[1]), whole(times[2]), whole(times[3]))
        else {
            return Err("its factors are not whole");
        };
        if mode != b"nearest" || !repeats {
            return Err("it interpolates");
        }
        let dims = vec![1, plane.channels, plane.height * rows, plane.width * columns];
        Ok(form(Base::Enlarged(plane, [rows, columns]), dims, node))
    }

    /// Planes side by side along the channels.
    pub(super) fn concat(&mut self, node: &Node) -> Lowered<Form> {
        if !self.ends_quantised(node) {
            return Err("its result is not quantised");
        }
        let planes: Vec<_> = (0..node.inputs.len()).map(|i| self.plane(node, i)).collect::<Lowered<_>>()?;
        let [first, ..] = &planes[..] else { return Err("it has no input") };
        let rank = first.dims.len() as i64;
        let axis = node.int("axis", 1);
        if ![1, 1 - rank].contains(&axis) || rank != 4 {
            return Err("it joins other axes than the channels");
        }
        if planes.iter().any(|p| p.height != first.height || p.width != first.width || !p.quant.is_uniform())
        {
            return Err("its inputs have different shapes");
        }
        let channels = planes.iter().map(|p| p.channels).sum();
        let dims = vec![1, channels, first.height, first.width];
        Ok(form(Base::Joined(planes), dims, node))
    }

    /// Activations.
    pub(super) fn pointwise(&mut self, node: &Node) -> Lowered<Form> {
        let real = self.real(node, 0)?;
        let constant = |i: usize| node.input(i).and_then(|n| self.constant(n));
        let bound = |i: usize, name: &str, none: f32| -> Lowered<f32> {
            match node.input(i) {
                None => Ok(node.float(name, none)),
                Some(_) => constant(i)
                    .filter(|c| c.1.len() == 1)
                    .map(|c| c.1[0])
                    .ok_or("its bound is not a constant"),
            }
        };
        let post = match node.op.as_str() {
            "Relu" => Post::Clip(0.0, f32::INFINITY),
            "Clip" => {
                let (low, high) = (bound(1, "min", f32::NEG_INFINITY)?, bound(2, "max", f32::INFINITY)?);
                if low > high || low.is_nan() || high.is_nan() {
                    return Err("its bounds are the wrong way round");
                }
                Post::Clip(low, high)
            }
            "PRelu" => {
                let (dims, values) = constant(1).ok_or("its slopes are not constants")?;
                Post::PRelu(per_channel(&dims, values, &real.dims)?)
            }
            "LeakyRelu" => Post::PRelu(vec![node.float("alpha", 0.01)]),
            "Sigmoid" => Post::Sigmoid,
            "HardSigmoid" => Post::HardSigmoid(node.float("alpha", 0.2), node.float("beta", 0.5)),
            "HardSwish" => Post::HardSwish,
            "Tanh" => Post::Tanh,
            "BatchNormalization" => return self.batch_norm(node, real),
            _ => return Err("there is no integer form of it"),
        };
        after(real, post, node).map(Form::Real)
    }

    fn batch_norm(&self, node: &Node, real: Real) -> Lowered<Form> {
        let part = |i: usize| {
            node.input(i).and_then(|n| self.constant(n)).map(|c| c.1).ok_or("its numbers are not constants")
        };
        let (gamma, beta, mean, variance) = (part(1)?, part(2)?, part(3)?, part(4)?);
        let epsilon = node.float("epsilon", 1e-5);
        let channels = real.dims.get(1).copied().unwrap_or(0);
        let lengths = [gamma.len(), beta.len(), mean.len(), variance.len()];
        if lengths.iter().any(|l| *l != channels) || variance.iter().any(|v| *v + epsilon <= 0.0) {
            return Err("its numbers do not fit its input");
        }
        let factor: Vec<f32> = gamma.iter().zip(&variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
        let bias = beta.iter().zip(&mean).zip(&factor).map(|((b, m), f)| b - m * f).collect();
        let real = after(real, Post::Mul(factor), node)?;
        after(real, Post::Add(bias), node).map(Form::Real)
    }
}

fn form(base: Base, dims: Vec<usize>, node: &Node) -> Form {
    Form::Real(Real { base, posts: Vec::new(), dims, name: node.name.clone() })
}

/// One more operation on the values. What lies in another order than channels last can only be treated alike.
fn after(mut real: Real, post: Post, node: &Node) -> Lowered<Real> {
    if matches!(real.base, Base::Stored(_)) && !post.is_uniform() {
        return Err("it treats the channels of floats differently");
    }
    real.posts.push(post);
    real.name.clone_from(&node.name);
    Ok(real)
}

/// A constant as one value, or one for each channel.
fn per_channel(dims: &[usize], values: Vec<f32>, of: &[usize]) -> Lowered<Vec<f32>> {
    if values.len() == 1 {
        return Ok(values);
    }
    // Aligned to the right, as broadcasting does; PRelu slopes come as [channels, 1, 1].
    let rank = of.len();
    let channels = of.get(1).copied().unwrap_or(0);
    let at_channel = rank.checked_sub(dims.len()).is_some_and(|lead| {
        dims.iter().enumerate().all(|(i, d)| *d == 1 || (i + lead == 1 && *d == channels))
    });
    if at_channel && values.len() == channels {
        Ok(values)
    } else {
        Err("its constant does not go by channel")
    }
}
