//! Operators that only change how values are counted.
//!
//! Owns: transposing and reshaping of floats by their strides, rows made of planes. Does not own: copying (`emit`).

use super::{Base, Form, Lowered, Lowerer, Plane, Real, Stored};
use crate::graph::Node;
use crate::view::View;

impl Lowerer<'_> {
    /// `Transpose`.
    pub(super) fn transpose(&mut self, node: &Node) -> Lowered<Form> {
        let real = self.real(node, 0)?;
        let rank = real.dims.len();
        let order: Vec<usize> = match node.ints("perm") {
            None => (0..rank).rev().collect(),
            Some(perm) => perm.iter().map(|p| usize::try_from(*p).unwrap_or(rank)).collect(),
        };
        let mut seen = vec![false; rank];
        for axis in &order {
            *seen.get_mut(*axis).ok_or("its axes are out of range")? = true;
        }
        if order.len() != rank || !seen.iter().all(|s| *s) {
            return Err("its axes are out of range");
        }
        let (stored, posts) = self.stored(&real)?;
        if stored.view.dims.len() != rank {
            return Err("its values are counted otherwise");
        }
        let pick = |of: &[usize]| order.iter().map(|a| of[*a]).collect::<Vec<_>>();
        let view = View { dims: pick(&stored.view.dims), strides: pick(&stored.view.strides) };
        let dims = view.dims.clone();
        let base = Base::Stored(Stored { view, ..stored });
        Ok(Form::Real(Real { base, posts, dims, name: node.name.clone() }))
    }

    /// `Reshape`, `Flatten`, `Squeeze` and `Unsqueeze`.
    pub(super) fn reshape(&mut self, node: &Node) -> Lowered<Form> {
        // A quantised tensor may be reshaped between two quantised ones; its bytes stay where they are.
        if let Some(Form::Quantised(plane)) = node.input(0).and_then(|n| self.forms.get(n)).cloned() {
            let dims = self.new_dims(node, &plane.dims)?;
            return Ok(Form::Quantised(row(plane, dims)?));
        }
        let real = self.real(node, 0)?;
        let dims = self.new_dims(node, &real.dims)?;
        let name = node.name.clone();
        if let Base::Plane(plane) = &real.base
            && let Ok(plane) = row(Plane { dims: real.dims.clone(), ..plane.clone() }, dims.clone())
        {
            return Ok(Form::Real(Real { base: Base::Plane(plane), posts: real.posts, dims, name }));
        }
        // A layer with one output pixel is a row already.
        if let Base::Linear(linear) = &real.base
            && linear.size == [1, 1]
            && dims.len() >= 2
            && dims[1] == linear.channels
        {
            return Ok(Form::Real(Real { dims, name, ..real }));
        }
        if let Base::Mean(_) = &real.base
            && dims.len() >= 2
            && dims[1] == real.dims[1]
        {
            return Ok(Form::Real(Real { dims, name, ..real }));
        }
        let (stored, posts) = self.stored(&real)?;
        let (stored, posts) = if let Some(view) = merged(&stored.view, &dims) {
            (Stored { view, ..stored }, posts)
        } else {
            let copy = self.copied(&stored, posts, &name);
            (Stored { view: View::contiguous(&dims), ..copy }, Vec::new())
        };
        Ok(Form::Real(Real { base: Base::Stored(stored), posts, dims, name }))
    }

    /// The new shape, by the operator's rules.
    fn new_dims(&self, node: &Node, old: &[usize]) -> Lowered<Vec<usize>> {
        let total: usize = old.iter().product();
        let list = |i: usize, name: &str| -> Option<Vec<i64>> {
            node.ints(name)
                .or_else(|| node.input(i).and_then(|n| self.graph.constants.get(n)).and_then(|c| c.sizes()))
                .map(<[i64]>::to_vec)
        };
        let wrap = |axis: i64, rank: usize| {
            usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok().filter(|a| *a <= rank)
        };
        let dims: Vec<usize> = match node.op.as_str() {
            "Flatten" => {
                let axis = wrap(node.int("axis", 1), old.len()).ok_or("its axis is out of range")?;
                vec![old[..axis].iter().product(), old[axis..].iter().product()]
            }
            "Squeeze" => {
                let axes = list(1, "axes");
                let gone = |i: usize| match &axes {
                    None => old[i] == 1,
                    Some(axes) => axes.iter().any(|a| wrap(*a, old.len()) == Some(i)),
                };
                (0..old.len()).filter(|i| !gone(*i)).map(|i| old[i]).collect()
            }
            "Unsqueeze" => {
                let axes = list(1, "axes").ok_or("its axes are not constants")?;
                let rank = old.len() + axes.len();
                let mut rest = old.iter();
                (0..rank)
                    .map(|i| {
                        if axes.iter().any(|a| wrap(*a, rank) == Some(i)) {
                            Ok(1)
                        } else {
                            rest.next().copied().ok_or("its axes are out of range")
                        }
                    })
                    .collect::<Lowered<_>>()?
            }
            _ => {
                let wanted = list(1, "shape").ok_or("its shape is not a constant")?;
                let mut dims = Vec::new();
                for (i, size) in wanted.iter().enumerate() {
                    dims.push(match *size {
                        0 if node.int("allowzero", 0) == 0 => {
                            *old.get(i).ok_or("its shape is out of range")?
                        }
                        -1 => 0,
                        size => usize::try_from(size).map_err(|_| "its shape is out of range")?,
                    });
                }
                let free = wanted.iter().filter(|s| **s == -1).count();
                if free == 1 {
                    let rest: usize = dims.iter().filter(|d| **d != 0).product();
                    let at = wanted.iter().position(|s| *s == -1).unwrap_or(0);
                    dims[at] = total.checked_div(rest).ok_or("its shape is out of range")?;
                }
                dims
            }
        };
        let volume = dims.iter().try_fold(1_usize, |product, d| product.checked_mul(*d));
        if volume != Some(total) || dims.len() > 8 || dims.is_empty() {
            return Err("its shape holds another number of values");
        }
        Ok(dims)
    }
}

/// A plane seen as one row of values, or a row as a plane of one pixel.
fn row(plane: Plane, dims: Vec<usize>) -> Lowered<Plane> {
    let flat = dims.len() == 2 && dims[0] == 1 && plane.dims[0] == 1;
    let pixel = dims.len() == 4 && dims[2..] == [1, 1] && plane.height * plane.width == 1;
    let uniform = plane.quant.is_uniform() || plane.height * plane.width == 1;
    if (flat && uniform) || pixel || dims == plane.dims {
        Ok(Plane { dims, ..plane })
    } else {
        Err("it changes the order of quantised values")
    }
}

/// The strides of a new shape over values that stay where they are; `None` where there are none.
fn merged(view: &View, dims: &[usize]) -> Option<View> {
    if view.is_contiguous() {
        return Some(View::contiguous(dims));
    }
    let old: Vec<(usize, usize)> =
        view.dims.iter().copied().zip(view.strides.iter().copied()).filter(|(d, _)| *d != 1).collect();
    let mut strides = vec![0; dims.len()];
    let mut next = old.len();
    let mut at = dims.len();
    // From the inside out: a group of new axes must cover a group of old ones that lie side by side.
    while next > 0 {
        let (mut size, inner) = old[next - 1];
        let mut outer = inner * size;
        next -= 1;
        let mut covered = 1;
        while covered != size {
            if covered < size {
                at = at.checked_sub(1)?;
                strides[at] = inner * covered;
                covered *= dims[at];
            } else {
                let (more, stride) = *old.get(next.checked_sub(1)?)?;
                if stride != outer {
                    return None;
                }
                next -= 1;
                outer *= more;
                size *= more;
            }
        }
    }
    while at > 0 {
        at -= 1;
        if dims[at] != 1 {
            return None;
        }
    }
    Some(View { dims: dims.to_vec(), strides })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_by_channels_become_rows() {
        // [1, 4, 5, 3] as it comes from a plane of 4 x 5 pixels and 3 channels of 16 bytes.
        let view = View { dims: vec![1, 4, 5, 3], strides: vec![320, 80, 16, 1] };
        let rows = merged(&view, &[1, 20, 3]).unwrap();
        assert_eq!(rows.strides[1..], [16, 1]);
        assert!(merged(&view, &[1, 60]).is_none());
        assert!(merged(&view, &[4, 15]).is_none());
        assert_eq!(merged(&view, &[2, 2, 5, 3]).unwrap().strides, [160, 80, 16, 1]);
    }
}
