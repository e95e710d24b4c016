//! The layers of a MobileFaceNet (112x112, 221 million multiply-adds), each run once between two marks:
//! `kernels-count SET`.
//!
//! Owns: the list of layers. Does not own: the counting (`count.c`, which counts retired instructions between marks
//! under emulation), the table (`scripts/cross count`).
//! Invariants: a mark is the system call `getpid`, which nothing else here makes. Weights are drawn from a bell whose
//! width is that of trained layers (a quarter of the greatest), because `neon` takes fewer steps where they are small.

use std::hint::black_box;
use std::io::Write;

use ostiary_kernels_check::kernels::{
    Addition, Aligned, Depthwise, Kernels, Matmul, Requant, Window, available, padded,
};

/// One kind of layer: multiply-adds (or values, where there are none), how often the network has it, its run.
struct Layer {
    name: String,
    work: usize,
    times: usize,
    run: Box<dyn FnMut()>,
}

/// Numbers that look random.
fn numbers() -> impl Iterator<Item = u64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 32
    })
}

fn plane(count: usize) -> Aligned {
    let mut plane = Aligned::zeroed(count);
    for (byte, number) in plane.bytes_mut().iter_mut().zip(numbers()) {
        *byte = number as u8;
    }
    plane
}

fn weights(count: usize) -> Vec<i8> {
    let mut numbers = numbers();
    let mut weight = || (0..6).map(|_| (numbers.next().unwrap_or(0) % 91) as i32 - 45).sum::<i32>() / 2;
    (0..count).map(|_| weight().clamp(-127, 127) as i8).collect()
}

fn requant(channels: usize, depth: usize) -> Requant {
    let lanes = padded(channels);
    Requant {
        scale: vec![1.0 / (depth as f32 * 40.0); lanes],
        negative: Vec::new(),
        zero: vec![3; lanes],
        low: vec![0.0; lanes],
        high: vec![252.0; lanes],
    }
}

fn pointwise(set: &'static Kernels, [rows, depth, columns]: [usize; 3], times: usize) -> Layer {
    let weights = (set.pack_matmul)(&weights(depth * columns), &vec![100; columns], columns, depth);
    let op = Matmul { depth, columns, weights, requant: requant(columns, depth) };
    let stride = padded(depth);
    let (a, mut out) = (plane(rows * stride), plane(rows * padded(columns)));
    let run = move || (set.matmul)(&op, black_box(a.bytes()), stride, rows, black_box(out.bytes_mut()));
    let name = format!("product {rows} x {depth} x {columns}");
    Layer { name, work: rows * depth * columns, times, run: Box::new(run) }
}

/// Side of the input, channels, kernel, stride, pad.
fn depthwise(set: &'static Kernels, shape: [usize; 5], times: usize) -> Layer {
    let [side, channels, kernel, stride, pad] = shape;
    let output = (side + 2 * pad - kernel) / stride + 1;
    let window = Window {
        input: [side; 2],
        output: [output; 2],
        kernel: [kernel; 2],
        stride: [stride; 2],
        dilation: [1; 2],
        pad: [pad; 2],
    };
    let taps = window.taps();
    let op = Depthwise {
        window,
        channels,
        weights: (set.pack_depthwise)(&weights(taps * channels), &vec![100; channels], channels, &window),
        outside: vec![3; padded(channels)],
        requant: requant(channels, taps),
    };
    let (input, mut out) = (plane(side * side * padded(channels)), plane(output * output * padded(channels)));
    let run = move || (set.depthwise)(&op, black_box(input.bytes()), black_box(out.bytes_mut()));
    let name = format!("depthwise {kernel}x{kernel} / {stride}, {side} x {side} x {channels}");
    Layer { name, work: output * output * channels * taps, times, run: Box::new(run) }
}

fn add(set: &'static Kernels, pixels: usize, channels: usize, times: usize) -> Layer {
    let op = Addition {
        scale_a: vec![0.7; channels],
        zero_a: vec![3; channels],
        scale_b: vec![0.6; channels],
        zero_b: vec![120; channels],
        requant: requant(channels, 1),
    };
    let count = pixels * channels;
    let (a, b, mut out) = (plane(count), plane(count), plane(count));
    let run = move || (set.add)(&op, black_box(a.bytes()), black_box(b.bytes()), black_box(out.bytes_mut()));
    Layer { name: format!("addition {pixels} x {channels}"), work: count, times, run: Box::new(run) }
}

fn network(set: &'static Kernels) -> Vec<Layer> {
    let pointwise = |shape, times| pointwise(set, shape, times);
    let same = |side, channels, times| depthwise(set, [side, channels, 3, 1, 1], times);
    let half = |side, channels| depthwise(set, [side, channels, 3, 2, 1], 1);
    vec![
        // The first convolution, its windows gathered.
        pointwise([56 * 56, 36, 64], 1),
        same(56, 64, 1),
        pointwise([56 * 56, 64, 128], 1),
        half(56, 128),
        pointwise([28 * 28, 128, 64], 5),
        pointwise([28 * 28, 64, 128], 4),
        same(28, 128, 4),
        add(set, 28 * 28, 64, 4),
        pointwise([28 * 28, 64, 256], 1),
        half(28, 256),
        pointwise([14 * 14, 256, 128], 7),
        pointwise([14 * 14, 128, 256], 6),
        same(14, 256, 6),
        add(set, 14 * 14, 128, 6),
        pointwise([14 * 14, 128, 512], 1),
        half(14, 512),
        pointwise([7 * 7, 512, 128], 1),
        pointwise([7 * 7, 128, 256], 2),
        same(7, 256, 2),
        pointwise([7 * 7, 256, 128], 2),
        add(set, 7 * 7, 128, 2),
        pointwise([7 * 7, 128, 512], 1),
        depthwise(set, [7, 512, 7, 1, 0], 1),
        pointwise([1, 512, 128], 1),
    ]
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout();
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some(set) = available().into_iter().find(|set| set.name == name) else {
        let names: Vec<&str> = available().iter().map(|set| set.name).collect();
        return writeln!(out, "usage: kernels-count SET, which is one of {}", names.join(", "));
    };
    let mut layers = network(set);
    for layer in &layers {
        writeln!(out, "{}|{}|{}", layer.name, layer.work, layer.times)?;
    }
    for layer in &mut layers {
        (layer.run)();
        black_box(std::process::id());
        (layer.run)();
        black_box(std::process::id());
    }
    Ok(())
}
