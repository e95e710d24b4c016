//! Each stage of a look at one 640x480 frame, and the whole of it, by criterion in CPU time of one thread.
//!
//! Owns: the frame and the stages as the door runs them. Does not own: the other side of the comparison
//! (`compare.py`, same frame and networks in onnxruntime and OpenCV) and the table of both (`scripts/bench`).
//! Invariant: what cannot be timed because models or pictures are missing is said, not left out in silence.

use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, criterion_group, criterion_main,
    measurement::{Measurement, ValueFormatter, WallTime},
};
use ostiary::domain::{
    Anchor, Calibration, Detection, Embedding, Frame, FrameMeta, LookVerdict, Match, ModelId, Mono, Person,
    Template, TemplateId, TemplateSource, Utc, clipped,
};
use ostiary::matching::{Gallery, Mode, OpenSet};
use ostiary::picture;
use ostiary::vision::manifest::Family;
use ostiary::vision::{Manifest, ModelSet, Trusted, Vision, VisionConfig, align, quality};
use rustix::time::{ClockId, clock_gettime};

/// The frame: this picture in the middle of a grey one of the size a door's camera gives.
const FACE: &str = "eval/lfw/images/Abel_Pacheco/Abel_Pacheco_0001.jpg";
const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

/// Time this thread spent on a processor: what others do on a shared machine does not count.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    }

    fn end(&self, start: Duration) -> Duration {
        self.start().saturating_sub(start)
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

criterion_group! {
    name = stages;
    config = Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(200)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4))
        .without_plots();
    targets = search, see
}
criterion_main!(stages);

/// 1:N over int8 templates of 256 values.
fn search(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("match");
    for (name, people) in [("10000x256", 10_000), ("100000x256", 100_000)] {
        let (gallery, probe) = gallery(people, 256);
        let rule = rule();
        group.bench_function(name, |b| b.iter(|| gallery.search(black_box(&probe), &rule)));
        if people == 10_000 {
            group.bench_function("10000x256 top 50", |b| {
                b.iter(|| gallery.candidates(black_box(&probe), 50, Mode::Fast));
            });
        }
    }
    group.finish();
}

/// What needs models and a face.
fn see(c: &mut Criterion<CpuTime>) {
    let shared = shared();
    let Some(rgb) = frame(&shared.join(FACE)) else {
        say(&format!("skipped: no picture {FACE} below {}", shared.display()));
        return;
    };
    let manifest = Manifest::read(Path::new("models/manifest.toml")).expect("the manifest of the checkout");
    let frame = at(&rgb, 0);
    for (set, embedder) in [("strong", "face-retail-0095"), ("mobile", "mobileface-v2")] {
        let Some(mut vision) = open(&manifest, set, &shared) else { return };
        let mut group = group(c, "embed");
        let face = subject(&mut vision, frame);
        let aligned = vision.align(frame, &face).expect("landmarks").expect("an upright face");
        group.bench_function(embedder, |b| b.iter(|| vision.embed(&Trusted(black_box(&aligned)))));
        group.finish();
        if set == "strong" {
            let Family::Embedding { template, .. } =
                &manifest.model(embedder).expect("in the manifest").family
            else {
                unreachable!("an embedder is of that family")
            };
            let template = align::Template { points: *template, side: aligned.side() };
            small_stages(c, &mut vision, frame, &face, &template);
            whole(c, &mut vision, &rgb);
        }
    }
    let Some(mut vision) = open(&manifest, "strong-640", &shared) else { return };
    let mut group = group(c, "detect");
    group.bench_function("yunet-n-640", |b| b.iter(|| vision.detect(black_box(frame), 0.6).map(<[_]>::len)));
    group.finish();
}

fn small_stages(
    c: &mut Criterion<CpuTime>,
    vision: &mut Vision,
    frame: Frame<'_>,
    face: &Detection,
    template: &align::Template,
) {
    let mut group = group(c, "detect");
    group.bench_function("yunet-n-320", |b| b.iter(|| vision.detect(black_box(frame), 0.6).map(<[_]>::len)));
    group.finish();
    let mut group = self::group(c, "face");
    group.bench_function("align", |b| b.iter(|| vision.align(black_box(frame), face)));
    let aligned = vision.align(frame, face).expect("landmarks").expect("an upright face");
    group.bench_function("quality", |b| {
        b.iter(|| quality::measure(black_box(frame), face, template, &aligned));
    });
    group.bench_function("liveness pair", |b| b.iter(|| vision.live_score(black_box(frame), face)));
    group.finish();
}

/// Everything between a frame and a match in 10,000 templates.
fn whole(c: &mut Criterion<CpuTime>, vision: &mut Vision, rgb: &[u8]) {
    let (gallery, _) = gallery(10_000, 256);
    let rule = rule();
    let mut number = 0;
    let mut look = || {
        number += 1;
        vision.look(at(rgb, number), &mut |probe| gallery.search(probe, &rule)).expect("a look").verdict
    };
    assert!(matches!(look(), LookVerdict::Matched(Match::Unknown { .. })), "every stage must run");
    let mut group = group(c, "look");
    group.bench_function("whole", |b| b.iter(&mut look));
    group.finish();
}

/// Slow stages run once a sample.
fn group<'c>(c: &'c mut Criterion<CpuTime>, name: &str) -> BenchmarkGroup<'c, CpuTime> {
    let mut group = c.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    group
}

/// The set with limits that let this frame through to the last stage: the time is the same, a refusal would be short.
fn open(manifest: &Manifest, set: &str, shared: &Path) -> Option<Vision> {
    let spec = manifest.set(set).expect("a set of the manifest");
    let models = match ModelSet::load(manifest, spec, &[PathBuf::from("models"), shared.join("models")]) {
        Ok(models) => models,
        Err(error) => {
            say(&format!("skipped: set {set}: {error}"));
            return None;
        }
    };
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
    Some(Vision::new(models, config).expect("limits in range"))
}

fn subject(vision: &mut Vision, frame: Frame<'_>) -> Detection {
    let faces = vision.detect(frame, 0.6).expect("a detector that runs");
    *faces.first().expect("the frame shows a face")
}

/// The picture in the middle of a grey frame; `None` when it is not there.
fn frame(path: &Path) -> Option<Vec<u8>> {
    let picture = picture::decode(&std::fs::read(path).ok()?, picture::Limits::default()).ok()?;
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let (left, top) = ((WIDTH as usize - w) / 2, (HEIGHT as usize - h) / 2);
    let mut rgb = vec![128; (WIDTH * HEIGHT * 3) as usize];
    for (y, row) in picture.rgb().chunks_exact(w * 3).enumerate() {
        let start = ((top + y) * WIDTH as usize + left) * 3;
        rgb[start..start + w * 3].copy_from_slice(row);
    }
    Some(rgb)
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
    (Gallery::build(model, enrolled).expect("templates of one length"), probe)
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
