//! What each stage makes of a made-up frame, held in a file.
//!
//! Owns: `tests/golden/vision_stages.txt`. Does not own: networks, real pictures. After a wanted change:
//! `OSTIARY_BLESS=1 cargo test --test stages`, then read the difference.
//! Invariant: nothing here depends on the machine: sums are over values rounded to whole steps.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fmt::Write as _;
use std::path::Path;

use ostiary::domain::{AlignedFace, Detection, Frame, FrameMeta, Landmarks, Mono, Point, Rect};
use ostiary::vision::align::{Template, align};
use ostiary::vision::manifest::{Colour, Input};
use ostiary::vision::quality::{measure, reasons};
use ostiary::vision::resample::{Crop, Cropper, Letterboxer};
use ostiary::vision::{Manifest, VisionConfig};

/// Rings around a point and a slope of colour: no two parts alike, sharp edges and soft ones.
fn scene(width: u32, height: u32) -> Vec<u8> {
    (0..width * height)
        .flat_map(|i| {
            let (x, y) = (i % width, i / width);
            let (dx, dy) = (x.abs_diff(width / 3), y.abs_diff(height / 2));
            let ring = if (dx * dx + dy * dy) / 400 % 2 == 0 { 60 } else { 0 };
            [60 + x * 120 / width + ring, 50 + y * 120 / height + ring, 40 + (x * 7 + y * 3) % 90]
                .map(|v| v.min(255) as u8)
        })
        .collect()
}

fn face_at(x: f32, y: f32, size: f32, tilt: f32) -> Detection {
    let (sin, cos) = tilt.sin_cos();
    let points = [(-0.5, -0.4), (0.5, -0.4), (0.05, 0.1), (-0.4, 0.5), (0.4, 0.5)]
        .map(|(u, v)| Point { x: x + size * (u * cos - v * sin), y: y + size * (u * sin + v * cos) });
    let bbox = Rect { x: x - size, y: y - size, w: 2.0 * size, h: 2.2 * size };
    Detection { bbox, landmarks: Landmarks(points), score: 0.9 }
}

/// A few values and the sum of all: enough to tell that something changed, and roughly where.
fn digest(values: impl IntoIterator<Item = f32>) -> String {
    let values: Vec<i64> = values.into_iter().map(|v| v.round() as i64).collect();
    let weighted: i64 = values.iter().enumerate().map(|(i, v)| v * (i as i64 % 251 + 1)).sum();
    let step = (values.len() / 8).max(1);
    let few: Vec<i64> = values.iter().copied().skip(step / 2).step_by(step).collect();
    format!("{} values, sum {}, weighted {weighted}, some {few:?}", values.len(), values.iter().sum::<i64>())
}

fn stages() -> String {
    let mut out = String::new();
    let manifest =
        Manifest::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/manifest.toml")).unwrap();
    for (width, height) in [(640, 480), (250, 250), (1280, 720)] {
        let rgb = scene(width, height);
        let meta = FrameMeta { width, height, captured: Mono(0), seq: 0 };
        let frame = Frame::new(&rgb, meta).unwrap();
        let input = Input { width: 320, height: 320, colour: Colour::Bgr, mean: 0.0, scale: 1.0 };
        let mut letterboxer = Letterboxer::new(input);
        let (pixels, layout) = letterboxer.fill(frame);
        writeln!(out, "{width}x{height} letterbox {}x{}: {}", layout.width, layout.height, {
            digest(pixels.iter().map(|v| f32::from(*v)))
        })
        .unwrap();

        let small = Input { width: 80, height: 80, ..input };
        let crop = Crop { x: 40, y: 30, width: 170, height: 190 };
        let mut cropper = Cropper::new(small);
        let crop = digest(cropper.fill(frame, crop).iter().map(|v| f32::from(*v)));
        writeln!(out, "{width}x{height} crop: {crop}").unwrap();

        for (name, tilt, size) in [("upright", 0.0, 50.0), ("tilted", 0.4, 45.0), ("near", -0.2, 90.0)] {
            let detection = face_at(width as f32 / 2.0, height as f32 / 2.0, size, tilt);
            for model in ["face-retail-0095", "mobileface-v2"] {
                let template = template(&manifest, model);
                let mut face = AlignedFace::black(template.side).unwrap();
                assert!(align(frame, &detection.landmarks, &template, &mut face));
                let pixels = digest(face.rgb().iter().map(|v| f32::from(*v)));
                writeln!(out, "{width}x{height} {name} aligned for {model}: {pixels}").unwrap();
                let (quality, light) = measure(frame, &detection, &template, &face);
                let limits = VisionConfig::default().quality;
                let refused = reasons(&quality, light, &detection, &limits, limits.enrol_eye_px);
                writeln!(out, "{width}x{height} {name} quality: {quality:?} refused: [{refused}]").unwrap();
            }
        }
    }
    out
}

fn template(manifest: &Manifest, model: &str) -> Template {
    use ostiary::vision::manifest::Family;
    let spec = manifest.model(model).unwrap();
    let Family::Embedding { template, .. } = &spec.family else { panic!("{model} is no embedder") };
    Template { points: *template, side: spec.input.width }
}

#[test]
fn stages_give_what_the_file_holds() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/vision_stages.txt");
    let now = stages();
    if std::env::var_os("OSTIARY_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &now).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    for (held, now) in held.lines().zip(now.lines()) {
        assert_eq!(held, now);
    }
    assert_eq!(held.lines().count(), now.lines().count());
}
