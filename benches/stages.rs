//! Each stage of a look at one 640x480 frame, the networks alone, and what the machine can do at most: run on demand,
//! so that a comparison can take turns with other programs in one process group.
//!
//! Owns: the frame, the stages as the door runs them, the clock. Does not own: the other side (`compare.py`, which
//! drives this over standard input and writes the tables), layers (`kernels`).
//! Invariants: time is that of this thread on a processor; what cannot be timed because a file is missing is said,
//! not left out in silence.
//!
//! One command a line, one answer a line: `open STAGE WORDS..` answers `ok ID MACS BYTES` or `skipped: WHY`, `run ID
//! TIMES` answers nanoseconds. Without `serve` among the arguments it times the stages of the strong set and ends.

use std::fs;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use ostiary::domain::{
    AlignedFace, Anchor, Calibration, Detection, Embedding, Frame, FrameMeta, LookVerdict, Match, ModelId,
    Mono, Person, Template, TemplateId, TemplateSource, Utc, clipped,
};
use ostiary::engine::kernels::{Matmul, Requant, chosen, padded};
use ostiary::engine::{Network, Pixels};
use ostiary::matching::{Gallery, OpenSet};
use ostiary::picture;
use ostiary::vision::manifest::Family;
use ostiary::vision::motion::MotionGate;
use ostiary::vision::resample::Letterboxer;
use ostiary::vision::{Manifest, ModelSet, Trusted, Vision, VisionConfig, align, quality};
use rustix::time::{ClockId, clock_gettime};
use tract_onnx::prelude::*;

/// The frame: this picture in the middle of a grey one of the size a door's camera gives.
const FACE: &str = "eval/lfw/images/Abel_Pacheco/Abel_Pacheco_0001.jpg";
const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

/// One stage, ready to run, with its multiply-adds and the bytes it cannot do without, where that is known.
struct Stage {
    run: Box<dyn FnMut()>,
    macs: u64,
    bytes: u64,
}

impl Stage {
    fn new(run: impl FnMut() + 'static) -> Self {
        Self { run: Box::new(run), macs: 0, bytes: 0 }
    }

    /// Nanoseconds that so many runs take.
    fn time(&mut self, times: u32) -> u64 {
        let now = || {
            let now = clock_gettime(ClockId::ThreadCPUTime);
            now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
        };
        let start = now();
        (0..times).for_each(|_| (self.run)());
        now() - start
    }
}

fn main() {
    if std::env::args().any(|a| a == "serve") {
        return serve();
    }
    for spec in [
        "letterbox 320",
        "motion",
        "detect strong",
        "align strong",
        "quality strong",
        "liveness strong",
        "embed strong",
        "match 10000 256",
        "look strong",
    ] {
        match open(spec) {
            Ok(mut stage) => {
                stage.time(5);
                let mut times: Vec<u64> = (0..200).map(|_| stage.time(1)).collect();
                times.sort_unstable();
                let ms = |ns: u64| ns as f64 / 1e6;
                say(&format!("{spec:20} median {:9.4} ms, best {:9.4} ms", ms(times[100]), ms(times[0])));
            }
            Err(why) => say(&format!("{spec:20} skipped: {why}")),
        }
    }
}

/// Answers commands until standard input ends.
fn serve() {
    let mut stages: Vec<Stage> = Vec::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let answer = match line.split_once(' ') {
            Some(("open", spec)) => match open(spec) {
                Ok(stage) => {
                    stages.push(stage);
                    let stage = &stages[stages.len() - 1];
                    format!("ok {} {} {}", stages.len() - 1, stage.macs, stage.bytes)
                }
                Err(why) => format!("skipped: {why}"),
            },
            Some(("run", words)) => {
                let mut words = words.split(' ').filter_map(|w| w.parse::<u32>().ok());
                let (id, times) = (words.next().unwrap_or(u32::MAX), words.next().unwrap_or(1));
                stages
                    .get_mut(id as usize)
                    .map_or_else(|| "skipped: no stage".into(), |s| s.time(times).to_string())
            }
            _ => format!("skipped: not understood: {line}"),
        };
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{answer}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// Prepares a stage.
fn open(spec: &str) -> Result<Stage, String> {
    let words: Vec<&str> = spec.split(' ').collect();
    let number = |word: &str| word.parse::<usize>().map_err(|e| format!("{word}: {e}"));
    match words[..] {
        ["letterbox", side] => letterbox(number(side)?),
        ["motion"] => motion(),
        ["detect", set] => see(set, |mut vision, rgb, _, _| {
            Ok(Stage::new(move || {
                black_box(vision.detect(black_box(at(&rgb, 0)), 0.6).map(<[_]>::len)).expect("a detection");
            }))
        }),
        ["align", set] => see(set, |_, rgb, face, template| {
            let mut aligned = AlignedFace::black(template.side).ok_or("a side out of range")?;
            Ok(Stage::new(move || {
                black_box(align::align(black_box(at(&rgb, 0)), &face.landmarks, &template, &mut aligned));
            }))
        }),
        ["quality", set] => see(set, |mut vision, rgb, face, template| {
            let aligned = upright(&mut vision, &rgb, &face)?;
            Ok(Stage::new(move || {
                black_box(quality::measure(black_box(at(&rgb, 0)), &face, &template, &aligned));
            }))
        }),
        ["liveness", set] => see(set, |mut vision, rgb, face, _| {
            Ok(Stage::new(move || {
                black_box(vision.live_score(black_box(at(&rgb, 0)), &face)).expect("a score");
            }))
        }),
        ["embed", set] => see(set, |mut vision, rgb, face, _| {
            let aligned = upright(&mut vision, &rgb, &face)?;
            Ok(Stage::new(move || {
                black_box(vision.embed(&Trusted(black_box(&aligned)))).expect("a template");
            }))
        }),
        ["look", set] => see(set, |vision, rgb, _, _| look(vision, rgb)),
        ["match", people, length] => {
            let (gallery, probe) = gallery(number(people)? as u64, number(length)?);
            let rule = rule();
            Ok(Stage::new(move || {
                black_box(gallery.search(black_box(&probe), &rule));
            }))
        }
        ["net", side, file] => network(number(side)?, file),
        ["tract", side, file] => tract(number(side)?, file),
        ["roof", what] => roof(what),
        _ => Err(format!("no stage {spec}")),
    }
}

fn letterbox(side: usize) -> Result<Stage, String> {
    let rgb = frame()?;
    let manifest = manifest();
    let input = manifest.model("yunet-n-320").ok_or("no yunet-n-320 in the manifest")?.input;
    let mut boxer = Letterboxer::new(ostiary::vision::manifest::Input { width: side, height: side, ..input });
    Ok(Stage::new(move || {
        black_box(boxer.fill(black_box(at(&rgb, 0))));
    }))
}

fn motion() -> Result<Stage, String> {
    let rgb = frame()?;
    let (mut gate, config, mut number) = (MotionGate::new(), VisionConfig::default().motion, 0);
    Ok(Stage::new(move || {
        number += 1;
        black_box(gate.passes(black_box(at(&rgb, number)), &config));
    }))
}

/// Everything between a frame and a match in 10,000 templates.
fn look(mut vision: Vision, rgb: Vec<u8>) -> Result<Stage, String> {
    let (gallery, _) = gallery(10_000, 256);
    let (rule, mut number) = (rule(), 0);
    let mut look = move || {
        number += 1;
        vision.look(at(&rgb, number), &mut |probe| gallery.search(probe, &rule)).expect("a look").verdict
    };
    match look() {
        LookVerdict::Matched(Match::Unknown { .. }) => Ok(Stage::new(move || {
            black_box(look());
        })),
        other => Err(format!("a look ends at {other:?}, so not every stage runs")),
    }
}

/// A network of ours over the frame's grey and colours.
fn network(side: usize, file: &str) -> Result<Stage, String> {
    let bytes = fs::read(file).map_err(|e| format!("{file}: {e}"))?;
    let form = Pixels { width: side, height: side, mean: 0.0, scale: 1.0 };
    let mut network = Network::load(&bytes, form).map_err(|e| e.to_string())?;
    let pixels = pixels(side);
    let macs = network.steps().iter().map(|s| s.macs).sum();
    let touched = (bytes.len() + network.arena_bytes()) as u64;
    let run = move || {
        black_box(network.run(black_box(&pixels))).expect("a run");
    };
    Ok(Stage { run: Box::new(run), macs, bytes: touched })
}

/// The same file in tract alone.
fn tract(side: usize, file: &str) -> Result<Stage, String> {
    let shape = [1, 3, side, side];
    let plan = tract_onnx::onnx()
        .model_for_path(file)
        .and_then(|m| m.with_input_fact(0, f32::fact(shape).into()))
        .and_then(InferenceModelExt::into_optimized)
        .and_then(IntoRunnable::into_runnable)
        .map_err(|e| e.to_string())?;
    let mut state = plan.spawn().map_err(|e| e.to_string())?;
    let values =
        tract_ndarray::Array4::<f32>::from_shape_fn(shape, |(_, c, y, x)| ((c + y * 3 + x * 7) % 251) as f32);
    let input: Tensor = values.into();
    Ok(Stage::new(move || {
        black_box(state.run(tvec!(black_box(input.clone()).into_tvalue()))).expect("a run");
    }))
}

/// What the machine can do at most: multiply-adds that stay in the nearest cache, and bytes read from the next one
/// and from memory.
fn roof(what: &str) -> Result<Stage, String> {
    let set = chosen();
    match what {
        "matmul" => {
            let (rows, depth, columns) = (64_usize, 512_usize, 64_usize);
            let n = padded(columns);
            let requant = Requant {
                scale: vec![1e-4; n],
                negative: Vec::new(),
                zero: vec![3; n],
                low: vec![0.0; n],
                high: vec![252.0; n],
            };
            let weights: Vec<i8> = (0..depth * columns).map(|i| (i * 37 % 251) as i8).collect();
            let weights = (set.pack_matmul)(&weights, &vec![1; columns], columns, depth);
            let op = Matmul { depth, columns, weights, requant };
            let (a, mut out) = (vec![7_u8; rows * depth + 64], vec![0_u8; rows * n]);
            let run = move || (set.matmul)(&op, black_box(&a), depth, rows, black_box(&mut out));
            let macs = (rows * depth * columns) as u64;
            Ok(Stage { run: Box::new(run), macs, bytes: (depth * columns + rows * depth + rows * n) as u64 })
        }
        "cache" | "memory" => {
            let rows = if what == "cache" { 1_024 } else { 256 * 1_024 };
            let (probe, matrix) = (vec![3_i8; 512], vec![5_i8; rows * 512]);
            let mut out = vec![0; rows];
            let run = move || (set.scan)(black_box(&probe), black_box(&matrix), black_box(&mut out));
            Ok(Stage { run: Box::new(run), macs: (rows * 512) as u64, bytes: (rows * 512) as u64 })
        }
        _ => Err(format!("no roof {what}")),
    }
}

/// A stage that needs models and a face.
fn see(
    set: &str,
    stage: impl FnOnce(Vision, Vec<u8>, Detection, align::Template) -> Result<Stage, String>,
) -> Result<Stage, String> {
    let rgb = frame()?;
    let manifest = manifest();
    let spec = manifest.set(set).map_err(|e| e.to_string())?;
    let folders = [PathBuf::from("models"), shared().join("models")];
    let models = ModelSet::load(&manifest, spec, &folders).map_err(|e| e.to_string())?;
    let mut vision = Vision::new(models, open_limits()).map_err(|e| e.to_string())?;
    let embedder = manifest.model(&spec.embedder).ok_or("no such embedder")?;
    let Family::Embedding { template, .. } = &embedder.family else {
        return Err(format!("{} is no embedder", spec.embedder));
    };
    let template = align::Template { points: *template, side: embedder.input.width };
    let faces = vision.detect(at(&rgb, 0), 0.6).map_err(|e| e.to_string())?;
    let face = *faces.first().ok_or("the frame shows no face")?;
    stage(vision, rgb, face, template)
}

fn upright(vision: &mut Vision, rgb: &[u8], face: &Detection) -> Result<AlignedFace, String> {
    let face = vision.align(at(rgb, 0), face).map_err(|e| e.to_string())?;
    face.ok_or_else(|| "no upright face".into())
}

/// Limits that let the frame through to the last stage: the time is the same, a refusal would be short.
fn open_limits() -> VisionConfig {
    let mut config = VisionConfig::default();
    config.motion.enabled = false;
    config.quality.probe_eye_px = 16.0;
    for least in [
        &mut config.quality.min_yaw,
        &mut config.quality.min_pitch,
        &mut config.quality.min_sharpness,
        &mut config.quality.min_exposure,
        &mut config.quality.min_completeness,
    ] {
        *least = 0;
    }
    (config.liveness.k, config.liveness.n, config.liveness.spoof_votes) = (1, 1, 1);
    (config.liveness.live_score, config.liveness.spoof_score) = (1e-4, 0.0);
    config
}

/// `OSTIARY_BENCH_MANIFEST`, else the one of the checkout.
fn manifest() -> Manifest {
    let path = std::env::var_os("OSTIARY_BENCH_MANIFEST")
        .map_or_else(|| "models/manifest.toml".into(), PathBuf::from);
    Manifest::read(&path).expect("a manifest")
}

/// The picture in the middle of a grey frame.
fn frame() -> Result<Vec<u8>, String> {
    let path = shared().join(FACE);
    let file = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let picture = picture::decode(&file, picture::Limits::default()).map_err(|e| e.to_string())?;
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let (left, top) = ((WIDTH as usize - w) / 2, (HEIGHT as usize - h) / 2);
    let mut rgb = vec![128; (WIDTH * HEIGHT * 3) as usize];
    for (y, row) in picture.rgb().chunks_exact(w * 3).enumerate() {
        let start = ((top + y) * WIDTH as usize + left) * 3;
        rgb[start..start + w * 3].copy_from_slice(row);
    }
    Ok(rgb)
}

fn pixels(side: usize) -> Vec<u8> {
    (0..side * side * 3).map(|i| (i * 31 % 251) as u8).collect()
}

/// The frame as the camera's n-th, 33 ms after the one before.
fn at(rgb: &[u8], number: u64) -> Frame<'_> {
    let meta = FrameMeta { width: WIDTH, height: HEIGHT, captured: Mono(number * 33), seq: number };
    Frame::new(rgb, meta).expect("a frame of that size")
}

/// One random template a person, and a probe that resembles nobody.
fn gallery(people: u64, length: usize) -> (Gallery, Embedding) {
    let model = ModelId([1; 32]);
    let mut state = 7_u64;
    let mut embedding = || {
        let values: Vec<i8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as i8
            })
            .collect();
        Embedding::from_stored(&values, 0.01).expect("random values have a direction")
    };
    let probe = embedding();
    let enrolled = (0..people).map(|number| {
        let id = format!("p{number}").parse().expect("an id");
        let template = Template {
            id: TemplateId(number),
            embedding: embedding(),
            model,
            epoch: 0,
            quality: 90,
            source: TemplateSource::Image,
            created_at: Utc(0),
        };
        (Person::new(id, clipped("-"), Utc(0)), [template])
    });
    let gallery = Gallery::build(model, enrolled).expect("templates of one length");
    (gallery.scanning_with(chosen().scan), probe)
}

fn rule() -> OpenSet {
    let anchors = [Anchor { log10_fmr: -3.0, cosine: 0.35 }, Anchor { log10_fmr: -6.0, cosine: 0.6 }];
    OpenSet::with_defaults(Calibration::new(&anchors).expect("two anchors"))
}

fn shared() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    std::env::var_os("OSTIARY_SHARED").map_or_else(beside, PathBuf::from)
}

fn say(text: &str) {
    // A closed standard error is no reason to stop timing.
    let _ = writeln!(std::io::stderr(), "{text}");
}
