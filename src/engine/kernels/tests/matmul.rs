//! Matrix products and the gallery's scan.
//!
//! Owns: random shapes and values of both. Does not own: the values that hurt (`super`).

use proptest::prelude::*;

use super::{CANARY, Dice, Guarded, cases, channels_of, is_requantised, others, result};
use crate::kernels::{Kernels, Matmul, padded, scalar};

#[derive(Debug, Clone, Copy)]
struct Shape {
    rows: usize,
    depth: usize,
    columns: usize,
    gap: usize,
    seed: u64,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let depth = prop_oneof![8 => 1..=70_usize, 3 => 1..=600_usize, 1 => 2000..=2600_usize];
    (0..=40_usize, depth, 1..=150_usize, 0..=20_usize, any::<u64>())
        .prop_map(|(rows, depth, columns, gap, seed)| Shape { rows, depth, columns, gap, seed })
}

struct Case {
    weights: Vec<i8>,
    bias: Vec<i32>,
    a: Guarded<u8>,
    stride: usize,
    shape: Shape,
}

impl Case {
    fn new(shape: Shape) -> Self {
        let mut dice = Dice::new(shape.seed);
        let stride = shape.depth + shape.gap;
        let reads = shape.rows.checked_sub(1).map_or(0, |n| n * stride + shape.depth.next_multiple_of(4));
        let a = Guarded::new(&dice.bytes(reads));
        let weights = dice.weights(shape.columns * shape.depth);
        Self { weights, bias: dice.biases(shape.columns), a, stride, shape }
    }

    fn op(&self, set: &Kernels) -> Matmul {
        let mut dice = Dice::new(self.shape.seed ^ 0x5EED);
        let Shape { depth, columns, .. } = self.shape;
        let requant = dice.requant(columns, depth as f32 * 5000.0);
        Matmul {
            depth,
            columns,
            weights: (set.pack_matmul)(&self.weights, &self.bias, columns, depth),
            requant,
        }
    }

    fn bytes(&self, set: &Kernels) -> Vec<u8> {
        let op = self.op(set);
        let out = result(self.shape.rows * padded(self.shape.columns), CANARY, |out| {
            (set.matmul)(&op, &self.a, self.stride, self.shape.rows, out);
        });
        channels_of(&out, self.shape.columns)
    }

    fn sums(&self, set: &Kernels) -> Vec<i32> {
        let op = self.op(set);
        let out = result(self.shape.rows * padded(self.shape.columns), i32::MIN, |out| {
            (set.matmul_raw)(&op, &self.a, self.stride, self.shape.rows, out);
        });
        channels_of(&out, self.shape.columns)
    }

    fn exact(&self, row: usize, column: usize) -> i64 {
        let depth = self.shape.depth;
        let a = &self.a[row * self.stride..][..depth];
        let w = &self.weights[column * depth..][..depth];
        i64::from(self.bias[column])
            + a.iter().zip(w).map(|(&a, &w)| i64::from(a) * i64::from(w)).sum::<i64>()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn scalar_is_the_definition(shape in shapes()) {
        let case = Case::new(shape);
        let op = case.op(&scalar::KERNELS);
        let (bytes, sums) = (case.bytes(&scalar::KERNELS), case.sums(&scalar::KERNELS));
        for (at, (&byte, &sum)) in bytes.iter().zip(&sums).enumerate() {
            let column = at % shape.columns;
            let exact = case.exact(at / shape.columns, column);
            prop_assert_eq!(i64::from(sum), exact);
            prop_assert!(is_requantised(byte, exact, column, &op.requant), "{} for {}", byte, exact);
            prop_assert_eq!(byte, op.requant.apply(column, sum));
        }
    }

    #[test]
    fn sets_agree(shape in shapes()) {
        let case = Case::new(shape);
        for set in others() {
            prop_assert_eq!(case.sums(set), case.sums(&scalar::KERNELS), "{}", set.name);
            prop_assert_eq!(case.bytes(set), case.bytes(&scalar::KERNELS), "{}", set.name);
        }
    }

    #[test]
    fn scans_agree(rows in 0..60_usize, len in prop_oneof![1..200_usize, Just(128), Just(512)], seed: u64) {
        let mut dice = Dice::new(seed);
        let probe = Guarded::new(&dice.weights(len));
        let matrix = Guarded::new(&dice.weights(rows * len));
        let dots = |set: &Kernels| result(rows, i32::MIN, |out| (set.scan)(&probe, &matrix, out));
        let exact: Vec<i32> = matrix
            .chunks_exact(len)
            .map(|row| row.iter().zip(&*probe).map(|(&m, &p)| i32::from(m) * i32::from(p)).sum())
            .collect();
        prop_assert_eq!(dots(&scalar::KERNELS), &exact[..]);
        for set in others() {
            prop_assert_eq!(dots(set), &exact[..], "{}", set.name);
        }
    }
}

#[test]
fn the_deepest_product_of_the_greatest_values_is_exact() {
    let depth = super::super::MAX_DEPTH;
    for (weight, bias) in [(-128, -(1 << 30)), (127, 1 << 30)] {
        for set in super::available() {
            let weights = (set.pack_matmul)(&vec![weight; depth], &[bias], 1, depth);
            let requant = Dice::new(1).requant(1, 1e9);
            let op = Matmul { depth, columns: 1, weights, requant };
            let mut out = [0; 16];
            (set.matmul_raw)(&op, &vec![255; depth], depth, 1, &mut out);
            assert_eq!(
                i64::from(out[0]),
                i64::from(bias) + depth as i64 * 255 * i64::from(weight),
                "{}",
                set.name
            );
        }
    }
}

#[test]
fn slices_that_are_too_short_are_refused() {
    for set in super::available() {
        let op = || Matmul {
            depth: 6,
            columns: 20,
            weights: (set.pack_matmul)(&[1; 120], &[0; 20], 20, 6),
            requant: Dice::new(3).requant(20, 100.0),
        };
        let refused = |run: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err();
        assert!(!refused(&|| (set.matmul)(&op(), &[0; 14], 6, 2, &mut [0; 64])), "{}", set.name);
        assert!(refused(&|| (set.matmul)(&op(), &[0; 13], 6, 2, &mut [0; 64])), "{}", set.name);
        assert!(refused(&|| (set.matmul)(&op(), &[0; 14], 6, 2, &mut [0; 63])), "{}", set.name);
        assert!(refused(&|| (set.matmul)(&op(), &[0; 14], 5, 2, &mut [0; 64])), "{}", set.name);
        assert!(refused(&|| (set.matmul)(&op(), &[0; 14], usize::MAX / 2, 3, &mut [0; 96])), "{}", set.name);
        assert!(refused(&|| (set.matmul_raw)(&op(), &[0; 14], 6, 2, &mut [0; 63])), "{}", set.name);
        let mut short = op();
        short.requant.high.pop();
        assert!(refused(&|| (set.matmul)(&short, &[0; 14], 6, 2, &mut [0; 64])), "{}", set.name);
        let mut short = op();
        short.weights.bytes = super::super::Aligned::zeroed(64);
        assert!(refused(&|| (set.matmul)(&short, &[0; 14], 6, 2, &mut [0; 64])), "{}", set.name);
        assert!(refused(&|| (set.scan)(&[0; 5], &[0; 11], &mut [0; 2])), "{}", set.name);
    }
}
