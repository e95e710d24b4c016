//! `ostiary evaluate` on real pictures and networks, small enough for every run of the tests.
//!
//! Owns: that the protocols run end to end, say what they count, and refuse bad data by name. Does not own: the
//! figures of a full run (docs/accuracy.md). Without the shared models and pictures these tests count as skipped.

#[path = "common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};

use common::need_shared;
use ostiary::app::evaluate::{EvaluateArgs, EvaluateError, Product, Report, measure};
use ostiary::vision::{Manifest, VisionConfig};

fn run(args: &EvaluateArgs, models: &Path) -> Result<Report, EvaluateError> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let manifest = Manifest::read(&own.join("manifest.toml")).expect("the manifest of the checkout");
    measure(
        args,
        &Product {
            manifest: &manifest,
            folders: &[models.to_owned(), own],
            set: "strong",
            vision: &VisionConfig::default(),
            fpir_target: 1e-3,
            margin: 0.05,
        },
    )
}

#[test]
fn pairs_are_told_apart_and_everything_is_counted() {
    let (models, lfw) = (need_shared!("models"), need_shared!("eval/lfw"));
    let plots = tempfile::tempdir().unwrap();
    let args = EvaluateArgs {
        pairs: Some(lfw.join("pairs.csv")),
        images: Some(lfw.join("images")),
        plots: Some(plots.path().to_owned()),
        threads: 2,
        limit: Some(60),
        ..EvaluateArgs::default()
    };
    let report = run(&args, &models).unwrap();
    let v = report.verification.as_ref().unwrap();
    assert!(v.genuine >= 20 && v.impostor >= 10, "{} and {}", v.genuine, v.impostor);
    assert_eq!(v.genuine + v.impostor, v.accuracy.of);
    assert!(v.auc.value > 0.99, "{}", v.auc);
    assert!(v.accuracy.rate > 0.9, "{}", v.accuracy);
    let e = report.extraction.as_ref().unwrap();
    assert!(e.pictures > 100 && e.failed.len() < 3, "{} failed", e.failed.len());
    let cross = report.cross.as_ref().unwrap();
    assert!(cross.impostor > 1_000 && cross.rows[0].tar.value > 0.95);

    let text = report.to_string();
    for said in ["counts as", "95 % intervals", "failures to extract", "thresholds from the other folds"] {
        assert!(text.contains(said), "the report says {said:?}:\n{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert!(json["verification"]["accuracy"]["low"].as_f64().unwrap() < 1.0);
    assert!(!json.to_string().contains("embedding"), "no template leaves the process");
    assert_eq!(report.plots.len(), 2);
    assert!(report.plots.iter().all(|p| std::fs::read_to_string(p).unwrap().starts_with("<svg")));
}

#[test]
fn detectors_are_measured_by_face_size() {
    let (models, folder) = (need_shared!("models"), need_shared!("eval/detection"));
    let args =
        EvaluateArgs { detection: Some(folder), limit: Some(20), threads: 2, ..EvaluateArgs::default() };
    let report = run(&args, &models).unwrap();
    assert!(report.detection.len() >= 8, "four classes of at least two detectors");
    for row in &report.detection {
        assert_eq!(row.pictures, 20);
        assert!(
            (0.0..=1.0).contains(&row.ap.value) && row.ap.low <= row.ap.value && row.ap.value <= row.ap.high
        );
    }
    // Crowds are small and hard; what a door sees is 80 px and more.
    for row in report.detection.iter().filter(|r| r.sizes.from >= 80.0) {
        assert!(row.faces >= 5 && row.ap.value > 0.7, "{}: {} faces, AP {}", row.detector, row.faces, row.ap);
    }
}

#[test]
fn liveness_is_reported_as_counts() {
    let (models, folder) = (need_shared!("models"), need_shared!("eval/pad"));
    let report = run(&EvaluateArgs { pad: Some(folder), ..EvaluateArgs::default() }, &models).unwrap();
    let liveness = report.liveness.as_ref().unwrap();
    assert_eq!(liveness.presentations.len() as u64, liveness.apcer.of + liveness.bpcer.of);
    assert!(liveness.presentations.iter().all(|p| p.score.is_some()), "every picture shows a face");
    let mean = |live: bool| {
        let of: Vec<f32> =
            liveness.presentations.iter().filter(|p| p.live == live).filter_map(|p| p.score).collect();
        of.iter().sum::<f32>() / of.len() as f32
    };
    assert!(mean(true) > mean(false));
    assert!(!liveness.enough_for_rates && report.to_string().contains("Too few presentations"));
}

#[test]
fn bad_data_is_refused_by_name() {
    let models = PathBuf::from("/nonexistent");
    let refusal = |args: &EvaluateArgs| run(args, &models).unwrap_err().to_string();
    assert!(refusal(&EvaluateArgs::default()).contains("--pairs CSV --images DIR"));

    let folder = tempfile::tempdir().unwrap();
    let images = Some(folder.path().to_owned());
    let wrong_set =
        EvaluateArgs { set: Some("stronk".into()), images: images.clone(), ..EvaluateArgs::default() };
    assert!(refusal(&wrong_set).contains("strong"), "the nearest right name is given");
    let empty = EvaluateArgs { images: images.clone(), ..EvaluateArgs::default() };
    assert!(refusal(&empty).contains("no pictures"));

    let pairs = folder.path().join("pairs.csv");
    std::fs::write(&pairs, "a,b,same\nx/1.jpg,x/2.jpg,maybe\n").unwrap();
    let broken = EvaluateArgs { pairs: Some(pairs.clone()), images, ..EvaluateArgs::default() };
    let text = refusal(&broken);
    assert!(text.contains("pairs.csv, line 2") && text.contains("1 for the same person"), "{text}");

    let gt = EvaluateArgs { detection: Some(folder.path().to_owned()), ..EvaluateArgs::default() };
    assert!(refusal(&gt).contains("gt.txt"));
    std::fs::write(folder.path().join("gt.txt"), "# a.jpg 10 10\n1 2 three 4\n").unwrap();
    assert!(refusal(&gt).contains("gt.txt, line 2"));
}

#[test]
fn a_file_that_is_no_picture_is_named() {
    let models = need_shared!("models");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("anna")).unwrap();
    std::fs::write(folder.path().join("anna/1.jpg"), b"not a picture").unwrap();
    let args = EvaluateArgs { images: Some(folder.path().to_owned()), ..EvaluateArgs::default() };
    let text = run(&args, &models).unwrap_err().to_string();
    assert!(text.contains("anna/1.jpg") && text.contains("neither JPEG nor PNG"), "{text}");
}
