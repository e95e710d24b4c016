//! Depthwise convolution and max pooling.
//!
//! Owns: random geometries of both. Does not own: the values that hurt (`super`).

use proptest::prelude::*;

use super::{CANARY, Dice, Guarded, cases, channels_of, is_requantised, others, result};
use crate::kernels::{Depthwise, Kernels, Window, padded, scalar};

#[derive(Debug, Clone)]
struct Shape {
    window: Window,
    channels: usize,
    seed: u64,
}

fn axis() -> impl Strategy<Value = [usize; 6]> {
    // Input, kernel, stride, dilation, pad, and a change of the output's size: any output is legal.
    let kernel = prop_oneof![6 => Just(3_usize), 3 => Just(5), 2 => 1..=8_usize];
    (1..=14_usize, kernel, 1..=3_usize, prop_oneof![3 => Just(1), 1 => 2..=3_usize], 0..=3_usize, 0..=2_usize)
        .prop_map(|(input, kernel, stride, dilation, pad, more)| {
            let reach = dilation * (kernel - 1) + 1;
            let output = (input + 2 * pad).saturating_sub(reach) / stride + more;
            [input, kernel, stride, dilation, pad, output]
        })
}

fn shapes() -> impl Strategy<Value = Shape> {
    let channels = prop_oneof![1..=20_usize, 1..=200_usize, Just(16), Just(32), Just(64), Just(128)];
    (axis(), axis(), 0..=3_usize, channels, any::<u64>()).prop_map(|(v, mut h, square, channels, seed)| {
        // Mostly square kernels of one stride, as networks have them.
        if square > 0 {
            h = [h[0], v[1], v[2], v[3], v[4], 0];
            h[5] = (h[0] + 2 * h[4]).saturating_sub(h[3] * (h[1] - 1) + 1) / h[2] + 1;
        }
        let pair = |at: usize| [v[at], h[at]];
        let window = Window {
            input: pair(0),
            output: pair(5),
            kernel: pair(1),
            stride: pair(2),
            dilation: pair(3),
            pad: pair(4),
        };
        Shape { window, channels, seed }
    })
}

struct Case {
    shape: Shape,
    weights: Vec<i8>,
    bias: Vec<i32>,
    input: Guarded<u8>,
}

impl Case {
    fn new(shape: Shape) -> Self {
        let mut dice = Dice::new(shape.seed);
        let window = &shape.window;
        let input = dice.bytes(window.input[0] * window.input[1] * padded(shape.channels));
        let weights = dice.weights(window.taps() * shape.channels);
        let bias = dice.biases(shape.channels);
        Self { weights, bias, input: Guarded::new(&input), shape }
    }

    fn op(&self, set: &Kernels) -> Depthwise {
        let mut dice = Dice::new(self.shape.seed ^ 0x5EED);
        let Shape { window, channels, .. } = self.shape;
        Depthwise {
            window,
            channels,
            weights: (set.pack_depthwise)(&self.weights, &self.bias, channels, &window),
            outside: dice.bytes(padded(channels)),
            requant: dice.requant(channels, window.taps() as f32 * 5000.0),
        }
    }

    fn output(&self) -> usize {
        self.shape.window.output[0] * self.shape.window.output[1]
    }

    fn convolved(&self, set: &Kernels) -> Vec<u8> {
        let op = self.op(set);
        let count = self.output() * padded(self.shape.channels);
        channels_of(&result(count, CANARY, |out| (set.depthwise)(&op, &self.input, out)), self.shape.channels)
    }

    fn summed(&self, set: &Kernels) -> Vec<i32> {
        let Shape { window, channels, .. } = self.shape;
        let weights = (set.pack_depthwise_raw)(&self.weights, &self.bias, channels, &window);
        let op = Depthwise { weights, ..self.op(set) };
        let count = self.output() * padded(channels);
        channels_of(&result(count, -1, |out| (set.depthwise_raw)(&op, &self.input, out)), channels)
    }

    fn pooled(&self, set: &Kernels) -> Vec<u8> {
        let Shape { window, channels, .. } = self.shape;
        let out = result(self.output() * padded(channels), CANARY, |out| {
            (set.max_pool)(&window, channels, &self.input, out);
        });
        channels_of(&out, channels)
    }

    /// What tap (i, j) of an output pixel sees; none outside.
    fn seen(&self, at: usize, tap: usize, channel: usize) -> Option<u8> {
        let w = &self.shape.window;
        let place = |axis: usize, at: usize, tap: usize| {
            let place = (at * w.stride[axis] + tap * w.dilation[axis]) as i64 - w.pad[axis] as i64;
            (0..w.input[axis] as i64).contains(&place).then_some(place as usize)
        };
        let y = place(0, at / w.output[1], tap / w.kernel[1])?;
        let x = place(1, at % w.output[1], tap % w.kernel[1])?;
        Some(self.input[(y * w.input[1] + x) * padded(self.shape.channels) + channel])
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn scalar_is_the_definition(shape in shapes()) {
        let case = Case::new(shape);
        let channels = case.shape.channels;
        let op = case.op(&scalar::KERNELS);
        let (convolved, pooled) = (case.convolved(&scalar::KERNELS), case.pooled(&scalar::KERNELS));
        let summed = case.summed(&scalar::KERNELS);
        for (index, (&byte, &most)) in convolved.iter().zip(&pooled).enumerate() {
            let (at, channel) = (index / channels, index % channels);
            let taps = 0..case.shape.window.taps();
            let seen: Vec<Option<u8>> = taps.map(|tap| case.seen(at, tap, channel)).collect();
            let sum: i64 = seen.iter().enumerate().map(|(tap, value)| {
                let value = value.unwrap_or(op.outside[channel]);
                i64::from(value) * i64::from(case.weights[tap * channels + channel])
            }).sum::<i64>() + i64::from(case.bias[channel]);
            prop_assert!(is_requantised(byte, sum, channel, &op.requant), "{} for {}", byte, sum);
            prop_assert_eq!(byte, op.requant.apply(channel, sum as i32));
            prop_assert_eq!(summed[index], sum as i32);
            prop_assert_eq!(most, seen.into_iter().flatten().max().unwrap_or(0));
        }
    }

    #[test]
    fn convolutions_agree(shape in shapes()) {
        let case = Case::new(shape);
        for set in others() {
            prop_assert_eq!(case.convolved(set), case.convolved(&scalar::KERNELS), "{}", set.name);
            prop_assert_eq!(case.summed(set), case.summed(&scalar::KERNELS), "{}, sums", set.name);
        }
    }

    #[test]
    fn pools_agree(shape in shapes()) {
        let case = Case::new(shape);
        for set in others() {
            prop_assert_eq!(case.pooled(set), case.pooled(&scalar::KERNELS), "{}", set.name);
        }
    }
}

#[test]
fn planes_that_are_too_short_are_refused() {
    let window = Window {
        input: [4, 4],
        output: [4, 4],
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        pad: [1, 1],
    };
    for set in super::available() {
        let op = || Depthwise {
            window,
            channels: 20,
            weights: (set.pack_depthwise)(&[1; 180], &[0; 20], 20, &window),
            outside: vec![0; 32],
            requant: Dice::new(3).requant(20, 100.0),
        };
        let refused = |run: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err();
        assert!(!refused(&|| (set.depthwise)(&op(), &[0; 512], &mut [0; 512])), "{}", set.name);
        assert!(refused(&|| (set.depthwise)(&op(), &[0; 511], &mut [0; 512])), "{}", set.name);
        assert!(refused(&|| (set.depthwise)(&op(), &[0; 512], &mut [0; 511])), "{}", set.name);
        let mut other = op();
        other.window.kernel = [5, 5];
        assert!(refused(&|| (set.depthwise)(&other, &[0; 512], &mut [0; 512])), "{}", set.name);
        let mut other = op();
        other.window.input = [usize::MAX, 3];
        assert!(refused(&|| (set.depthwise)(&other, &[0; 512], &mut [0; 512])), "{}", set.name);
        let mut other = op();
        other.outside.pop();
        assert!(refused(&|| (set.depthwise)(&other, &[0; 512], &mut [0; 512])), "{}", set.name);
        assert!(refused(&|| (set.max_pool)(&window, 20, &[0; 511], &mut [0; 512])), "{}", set.name);
        assert!(refused(&|| (set.max_pool)(&window, 20, &[0; 512], &mut [0; 511])), "{}", set.name);
    }
}
