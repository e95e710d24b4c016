//! Operations from plane to plane: addition, products, tables, sums.
//!
//! Owns: random shapes and values of them. Does not own: the values that hurt (`super`).

use proptest::prelude::*;

use super::{CANARY, Dice, Guarded, cases, channels_of, is_requantised, is_rounded, others, result};
use crate::kernels::{Addition, Kernels, Product, padded, scalar};

#[derive(Debug, Clone, Copy)]
struct Shape {
    pixels: usize,
    channels: usize,
    seed: u64,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let channels = prop_oneof![1..=20_usize, 1..=300_usize, Just(16), Just(32), Just(64), Just(128)];
    (0..=40_usize, channels, any::<u64>()).prop_map(|(pixels, channels, seed)| Shape {
        pixels,
        channels,
        seed,
    })
}

struct Case {
    shape: Shape,
    a: Guarded<u8>,
    b: Guarded<u8>,
    pixel: Guarded<u8>,
    addition: Addition,
    product: Product,
}

impl Case {
    fn new(shape: Shape) -> Self {
        let mut dice = Dice::new(shape.seed);
        let lanes = padded(shape.channels);
        let count = shape.pixels * lanes;
        let (a, b) = (dice.bytes(count), dice.bytes(count));
        let pixel = dice.bytes(lanes);
        let zeros = |dice: &mut Dice| dice.bytes(lanes).into_iter().map(i32::from).collect();
        let addition = Addition {
            scale_a: dice.factors(lanes, 100.0),
            zero_a: zeros(&mut dice),
            scale_b: dice.factors(lanes, 100.0),
            zero_b: zeros(&mut dice),
            requant: dice.requant(lanes, 1.0),
        };
        let product = Product {
            zero_a: zeros(&mut dice),
            zero_b: zeros(&mut dice),
            requant: dice.requant(lanes, 10_000.0),
        };
        let pixel = Guarded::new(&pixel);
        Self { shape, a: Guarded::new(&a), b: Guarded::new(&b), pixel, addition, product }
    }

    fn bytes(&self, kernel: impl Fn(&mut [u8])) -> Vec<u8> {
        channels_of(&result(self.a.len(), CANARY, kernel), self.shape.channels)
    }

    fn added(&self, set: &Kernels) -> Vec<u8> {
        self.bytes(|out| (set.add)(&self.addition, &self.a, &self.b, out))
    }

    fn multiplied(&self, set: &Kernels) -> Vec<u8> {
        self.bytes(|out| (set.multiply)(&self.product, &self.a, &self.b, out))
    }

    fn scaled(&self, set: &Kernels) -> Vec<u8> {
        self.bytes(|out| (set.multiply_pixel)(&self.product, &self.a, &self.pixel, out))
    }

    fn summed(&self, set: &Kernels) -> Vec<i32> {
        let lanes = padded(self.shape.channels);
        let sums = result(lanes, i32::MIN, |out| (set.sum)(self.shape.channels, &self.a, out));
        sums[..self.shape.channels].to_vec()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn scalar_is_the_definition(shape in shapes()) {
        let case = Case::new(shape);
        let set = &scalar::KERNELS;
        let (a, b) = (channels_of(&case.a, shape.channels), channels_of(&case.b, shape.channels));
        let (added, multiplied, scaled) = (case.added(set), case.multiplied(set), case.scaled(set));
        let mut sums = vec![0_i64; shape.channels];
        let (add, product) = (&case.addition, &case.product);
        for at in 0..a.len() {
            let c = at % shape.channels;
            let left = f64::from(i32::from(a[at]) - add.zero_a[c]) * f64::from(add.scale_a[c]);
            let right = f64::from(i32::from(b[at]) - add.zero_b[c]) * f64::from(add.scale_b[c]);
            // Infinite terms that meet have no value; what all sets make of them is compared below.
            let size = left.abs() + right.abs();
            prop_assert!(size > 1e37 || is_rounded(added[at], left + right, size, c, &add.requant));
            let left = i64::from(a[at]) - i64::from(product.zero_a[c]);
            for (byte, right) in [(multiplied[at], b[at]), (scaled[at], case.pixel[c])] {
                let right = i64::from(right) - i64::from(product.zero_b[c]);
                prop_assert!(is_requantised(byte, left * right, c, &product.requant));
            }
            sums[c] += i64::from(a[at]);
        }
        let summed: Vec<i64> = case.summed(set).into_iter().map(i64::from).collect();
        prop_assert_eq!(summed, sums);
    }

    #[test]
    fn sets_agree(shape in shapes()) {
        let case = Case::new(shape);
        for set in others() {
            prop_assert_eq!(case.added(set), case.added(&scalar::KERNELS), "{}", set.name);
            prop_assert_eq!(case.multiplied(set), case.multiplied(&scalar::KERNELS), "{}", set.name);
            prop_assert_eq!(case.scaled(set), case.scaled(&scalar::KERNELS), "{}", set.name);
            prop_assert_eq!(case.summed(set), case.summed(&scalar::KERNELS), "{}", set.name);
        }
    }

    #[test]
    fn tables_agree(count in 0..500_usize, seed: u64) {
        let mut dice = Dice::new(seed);
        let table: [u8; 256] = std::array::from_fn(|_| dice.next() as u8);
        let input: Vec<u8> = (0..count).map(|_| dice.next() as u8).collect();
        let input = Guarded::new(&input);
        let expected: Vec<u8> = input.iter().map(|&i| table[usize::from(i)]).collect();
        for set in super::available() {
            let out = result(count, CANARY, |out| (set.lookup)(&table, &input, out));
            prop_assert_eq!(&out, &expected, "{}", set.name);
        }
    }
}

#[test]
fn a_sum_of_many_pixels_is_exact() {
    for set in super::available() {
        let mut out = [0; 16];
        (set.sum)(16, &vec![255; 70_000 * 16], &mut out);
        assert_eq!(out, [70_000 * 255; 16], "{}", set.name);
    }
}

#[test]
fn planes_of_different_sizes_are_refused() {
    let case = Case::new(Shape { pixels: 2, channels: 20, seed: 5 });
    for set in super::available() {
        let refused = |run: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err();
        assert!(!refused(&|| (set.add)(&case.addition, &[0; 64], &[0; 64], &mut [0; 64])), "{}", set.name);
        assert!(refused(&|| (set.add)(&case.addition, &[0; 64], &[0; 63], &mut [0; 64])), "{}", set.name);
        assert!(refused(&|| (set.add)(&case.addition, &[0; 64], &[0; 64], &mut [0; 63])), "{}", set.name);
        assert!(refused(&|| (set.add)(&case.addition, &[0; 48], &[0; 48], &mut [0; 48])), "{}", set.name);
        assert!(refused(&|| (set.multiply)(&case.product, &[0; 64], &[0; 32], &mut [0; 64])), "{}", set.name);
        assert!(
            refused(&|| (set.multiply_pixel)(&case.product, &[0; 64], &[0; 31], &mut [0; 64])),
            "{}",
            set.name
        );
        assert!(refused(&|| (set.sum)(20, &[0; 63], &mut [0; 32])), "{}", set.name);
        assert!(refused(&|| (set.sum)(20, &[0; 64], &mut [0; 31])), "{}", set.name);
        assert!(refused(&|| (set.lookup)(&[0; 256], &[0; 64], &mut [0; 63])), "{}", set.name);
    }
}
