//! Every kind of layer of a MobileFaceNet (112x112, 221 million multiply-adds) through every set of kernels.
//!
//! Owns: the list of layers and the table: time, share of the whole, multiply-adds per cycle. Does not own: networks
//! (`stages` times those), other runtimes (`compare.py`).
//! Invariants: time is that of this thread on a processor; sets take turns, layer by layer, and the best of many
//! turns counts, since whatever else runs on the machine only ever adds; short work is repeated within a turn, because
//! reading the clock takes half a microsecond. Cycles are counted by a chain of dependent
//! operations timed in between.
//! `cargo bench --bench kernels [-- PART OF A SET'S NAME]`; `OSTIARY_BENCH_TURNS` sets how many turns (60).

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;

use ostiary::engine::kernels::{
    Addition, Aligned, Depthwise, Kernels, MAX_DEPTH, Matmul, Product, Requant, Window, available, padded,
};
use rustix::time::{ClockId, clock_gettime};

/// Time of this thread in nanoseconds.
fn now() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Work to time: multiply-adds (or bytes touched where there are none), and how often a network does it.
struct Job {
    kind: &'static str,
    work: usize,
    times: usize,
    run: Box<dyn FnMut()>,
}

/// A plane as the engine lays it out.
fn plane(count: usize) -> Aligned {
    let mut plane = Aligned::zeroed(count);
    for (i, byte) in plane.bytes_mut().iter_mut().enumerate() {
        *byte = ((i * 2_654_435_761) >> 13) as u8;
    }
    plane
}

fn weights(count: usize) -> Vec<i8> {
    plane(count).bytes().iter().map(|&b| b as i8).collect()
}

fn requant(channels: usize, depth: usize) -> Requant {
    let n = padded(channels);
    Requant {
        scale: vec![1.0 / (depth as f32 * 40.0); n],
        negative: Vec::new(),
        zero: vec![3; n],
        low: vec![0.0; n],
        high: vec![252.0; n],
    }
}

/// Rows times depth to columns.
fn pointwise(set: &'static Kernels, kind: &'static str, shape: [usize; 3], times: usize, prelu: bool) -> Job {
    let [rows, depth, columns] = shape;
    assert!(depth <= MAX_DEPTH);
    let mut requant = requant(columns, depth);
    if prelu {
        requant.negative = requant.scale.iter().map(|s| s * 0.25).collect();
    }
    let op = Matmul {
        depth,
        columns,
        weights: (set.pack_matmul)(&weights(depth * columns), &vec![100; columns], columns, depth),
        requant,
    };
    let stride = padded(depth);
    let (a, mut out) = (plane(rows * stride), plane(rows * padded(columns)));
    let run = move || (set.matmul)(&op, black_box(a.bytes()), stride, rows, black_box(out.bytes_mut()));
    Job { kind, work: rows * depth * columns, times, run: Box::new(run) }
}

/// A depthwise layer: side of the input, channels, kernel, stride, pad.
fn depthwise(set: &'static Kernels, kind: &'static str, shape: [usize; 5], times: usize) -> Job {
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
    let packed =
        (set.pack_depthwise)(&weights(window.taps() * channels), &vec![100; channels], channels, &window);
    let op = Depthwise {
        window,
        channels,
        weights: packed,
        outside: vec![3; padded(channels)],
        requant: requant(channels, window.taps()),
    };
    let (input, mut out) = (plane(side * side * padded(channels)), plane(output * output * padded(channels)));
    let run = move || (set.depthwise)(&op, black_box(input.bytes()), black_box(out.bytes_mut()));
    Job { kind, work: output * output * channels * window.taps(), times, run: Box::new(run) }
}

/// A residual addition.
fn add(set: &'static Kernels, pixels: usize, channels: usize, times: usize) -> Job {
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
    Job { kind: "addition", work: count, times, run: Box::new(run) }
}

/// The layers of the network.
fn network(set: &'static Kernels) -> Vec<Job> {
    let pointwise = |shape, times| pointwise(set, "pointwise", shape, times, false);
    let same = |side, channels, times| depthwise(set, "depthwise 3x3", [side, channels, 3, 1, 1], times);
    let half = |side, channels| depthwise(set, "depthwise 3x3 s2", [side, channels, 3, 2, 1], 1);
    let (stem, last) = ([56 * 56, 36, 64], [1, 512, 128]);
    vec![
        self::pointwise(set, "first convolution, gathered", stem, 1, false),
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
        depthwise(set, "global depthwise", [7, 512, 7, 1, 0], 1),
        self::pointwise(set, "last product", last, 1, false),
    ]
}

/// What that network lacks and others have.
fn others(set: &'static Kernels) -> Vec<Job> {
    let count = 40 * 40 * 64;
    let mut jobs = vec![
        pointwise(set, "pointwise with PRelu", [28 * 28, 128, 64], 1, true),
        pointwise(set, "pointwise, 16 to 16", [160 * 160, 16, 16], 1, false),
        depthwise(set, "depthwise 3x3, 16 channels", [160, 16, 3, 1, 1], 1),
        depthwise(set, "depthwise 3x3, 32 channels", [80, 32, 3, 1, 1], 1),
        depthwise(set, "depthwise 3x3, 96 channels", [40, 96, 3, 1, 1], 1),
        depthwise(set, "depthwise 5x5", [28, 128, 5, 1, 2], 1),
        depthwise(set, "depthwise 5x5 s2", [28, 128, 5, 2, 2], 1),
    ];
    let (a, b, mut out) = (plane(count), plane(count), plane(count));
    let product = Product { zero_a: vec![3; 64], zero_b: vec![0; 64], requant: requant(64, 1) };
    let run = move || {
        (set.multiply_pixel)(
            &product,
            black_box(a.bytes()),
            black_box(&b.bytes()[..64]),
            black_box(out.bytes_mut()),
        );
    };
    jobs.push(Job { kind: "multiply_pixel", work: count, times: 1, run: Box::new(run) });
    let (a, mut out) = (plane(count), plane(count / 4));
    let window = Window {
        input: [40; 2],
        output: [20; 2],
        kernel: [2; 2],
        stride: [2; 2],
        dilation: [1; 2],
        pad: [0; 2],
    };
    let run = move || (set.max_pool)(&window, 64, black_box(a.bytes()), black_box(out.bytes_mut()));
    jobs.push(Job { kind: "max_pool 2x2", work: count, times: 1, run: Box::new(run) });
    let (a, mut out) = (plane(count), vec![0; 64]);
    let run = move || (set.sum)(64, black_box(a.bytes()), black_box(&mut out));
    jobs.push(Job { kind: "sum", work: count, times: 1, run: Box::new(run) });
    let (a, mut out) = (plane(count), plane(count));
    let table = std::array::from_fn(|i| 255 - i as u8);
    let run = move || (set.lookup)(&table, black_box(a.bytes()), black_box(out.bytes_mut()));
    jobs.push(Job { kind: "lookup", work: count, times: 1, run: Box::new(run) });
    for (kind, rows, len) in [("scan 20,000 x 512", 20_000, 512), ("scan 80,000 x 128", 80_000, 128)] {
        let (probe, matrix, mut out) = (weights(len), weights(rows * len), vec![0; rows]);
        let run = move || (set.scan)(black_box(&probe), black_box(&matrix), black_box(&mut out));
        jobs.push(Job { kind, work: rows * len, times: 1, run: Box::new(run) });
    }
    jobs
}

/// Cycles a nanosecond: a chain of additions and rotations, one cycle each on every processor in question.
fn clock_rate() -> f64 {
    let links = 30_000;
    let mut best = u64::MAX;
    for _ in 0..20 {
        let start = now();
        let mut x = black_box(1_u64);
        let step = black_box(7_u64);
        for _ in 0..links {
            x = x.wrapping_add(step).rotate_left(7) ^ step;
            x = x.wrapping_add(step).rotate_left(9) ^ step;
        }
        black_box(x);
        best = best.min(now() - start);
    }
    6.0 * f64::from(links) / best as f64
}

fn main() -> std::io::Result<()> {
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let turns = std::env::var("OSTIARY_BENCH_TURNS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let sets: Vec<_> = available().into_iter().filter(|set| set.name.contains(&wanted)).collect();
    let mut out = std::io::stdout().lock();
    for (title, list) in
        [("A MobileFaceNet, layer by layer", network as fn(_) -> Vec<Job>), ("Other kinds", others)]
    {
        let mut jobs: Vec<Vec<Job>> = sets.iter().map(|set| list(set)).collect();
        let mut best = vec![vec![u64::MAX; jobs.first().map_or(0, Vec::len)]; sets.len()];
        let mut rates = vec![clock_rate()];
        for turn in 0..turns {
            for layer in 0..best.first().map_or(0, Vec::len) {
                for (set, jobs) in jobs.iter_mut().enumerate() {
                    // The slow ones need no more than a few turns.
                    if turn < 5 || best[set][layer] < 3_000_000 {
                        let again = (100_000 / best[set][layer]).clamp(1, 100);
                        // What the layer before has made is near in a network, too.
                        (jobs[layer].run)();
                        let start = now();
                        for _ in 0..again {
                            (jobs[layer].run)();
                        }
                        best[set][layer] = best[set][layer].min((now() - start) / again);
                    }
                }
            }
            rates.push(clock_rate());
        }
        rates.sort_by(f64::total_cmp);
        let rate = rates[rates.len() / 2];
        writeln!(out, "\n{title} (one thread, {rate:.2} cycles a nanosecond)\n")?;
        for ((set, jobs), best) in sets.iter().zip(&jobs).zip(&best) {
            let mut kinds: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
            for (job, &ns) in jobs.iter().zip(best) {
                let kind = kinds.entry(job.kind).or_default();
                kind.0 += ns * job.times as u64;
                kind.1 += job.work * job.times;
                if std::env::var_os("OSTIARY_BENCH_LAYERS").is_some() {
                    let pace = job.work as f64 / (ns as f64 * rate);
                    writeln!(out, "    {:28} {:>10} {:>9} ns {pace:>7.2}", job.kind, job.work, ns)?;
                }
            }
            for (kind, (ns, work)) in &kinds {
                let pace = *work as f64 / (*ns as f64 * rate);
                writeln!(out, "{:12} {kind:28} {:>9.1} us {pace:>8.2} a cycle", set.name, *ns as f64 / 1e3)?;
            }
            if title.starts_with('A') {
                let all: u64 = kinds.values().map(|(ns, _)| ns).sum();
                writeln!(out, "{:12} {:28} {:>9.1} us\n", set.name, "all", all as f64 / 1e3)?;
            }
        }
    }
    Ok(())
}
