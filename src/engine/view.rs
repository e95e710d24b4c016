//! Floats in an order of their own.
//!
//! Owns: sizes and strides, walking them. Does not own: the floats.
//! Invariant: as many strides as sizes, at most eight.

/// Floats in another order than they lie: sizes and strides, outermost first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    pub dims: Vec<usize>,
    pub strides: Vec<usize>,
}

impl View {
    /// Row-major.
    pub(super) fn contiguous(dims: &[usize]) -> Self {
        let mut strides = vec![1; dims.len()];
        for i in (1..dims.len()).rev() {
            strides[i - 1] = strides[i] * dims[i];
        }
        Self { dims: dims.to_vec(), strides }
    }

    /// Number of values.
    pub(super) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether the values lie in this order.
    pub(super) fn is_contiguous(&self) -> bool {
        // Asked in every run, so nothing is built for it.
        let mut plain = 1;
        self.dims.iter().zip(&self.strides).rev().all(|(d, s)| {
            let right = *d == 1 || *s == plain;
            plain *= d;
            right
        })
    }

    /// Each value's number in this order and where it lies.
    pub(super) fn for_each(&self, mut f: impl FnMut(usize, usize)) {
        if self.is_contiguous() {
            (0..self.len()).for_each(|i| f(i, i));
            return;
        }
        let mut index = [0_usize; 8];
        let mut from = 0;
        for at in 0..self.len() {
            f(at, from);
            for d in (0..self.dims.len()).rev() {
                index[d] += 1;
                from += self.strides[d];
                if index[d] < self.dims[d] {
                    break;
                }
                from -= self.strides[d] * self.dims[d];
                index[d] = 0;
            }
        }
    }
}
