//! The eyes of the door on real models and real pictures, where they are there, and on made-up ones everywhere.
//!
//! Owns: what each stage must give. Does not own: accuracy over data sets (`ostiary evaluate`), pictures that are
//! broken (tests/pictures.rs). Invariant: no picture, no weight and nothing computed from them is kept here.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::need_shared;
use ostiary::domain::{
    Cosine, Detection, Embedding, Frame, FrameMeta, LookVerdict, Match, Mono, QualityReason, Rect,
};
use ostiary::engine::{Network, Pixels};
use ostiary::picture::{Limits, Picture, decode};
use ostiary::vision::manifest::Family;
use ostiary::vision::{Examined, Manifest, ModelError, ModelSet, Purpose, Trusted, Vision, VisionConfig};

fn manifest() -> Manifest {
    Manifest::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/manifest.toml")).unwrap()
}

fn vision(models: &Path, set: &str, config: VisionConfig) -> Vision {
    let manifest = manifest();
    let set = manifest.set(set).unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    Vision::new(ModelSet::load(&manifest, set, &[models.to_owned(), own]).unwrap(), config).unwrap()
}

fn picture(path: &Path) -> Picture {
    decode(&fs::read(path).unwrap(), Limits::default()).unwrap().fit_frame().unwrap()
}

fn examine(vision: &mut Vision, picture: &Picture, purpose: Purpose) -> Examined {
    vision.examine(picture.as_frame(Mono(0)).unwrap(), purpose).unwrap()
}

/// `picture` as frame `n` of a camera of 25 frames a second.
fn frame(picture: &Picture, n: u64) -> Frame<'_> {
    let meta = FrameMeta { width: picture.width(), height: picture.height(), captured: Mono(n * 40), seq: n };
    Frame::new(picture.rgb(), meta).unwrap()
}

/// A part of a picture laid on black of the given size, its top left corner at `(x, y)`, which may lie outside.
fn laid_on_black(picture: &Picture, width: u32, height: u32, x: i64, y: i64) -> Picture {
    let mut rgb = vec![0; (width * height * 3) as usize];
    for row in 0..i64::from(picture.height()) {
        for column in 0..i64::from(picture.width()) {
            let (to_x, to_y) = (column + x, row + y);
            if (0..i64::from(width)).contains(&to_x) && (0..i64::from(height)).contains(&to_y) {
                let from = ((row * i64::from(picture.width()) + column) * 3) as usize;
                let to = ((to_y * i64::from(width) + to_x) * 3) as usize;
                rgb[to..to + 3].copy_from_slice(&picture.rgb()[from..from + 3]);
            }
        }
    }
    Picture::new(width, height, rgb).unwrap()
}

fn unknown() -> Match {
    Match::Unknown { score: Cosine::new(-1.0) }
}

#[test]
fn every_set_of_the_manifest_loads_and_looks() {
    let models = need_shared!("models");
    let blank = Picture::new(640, 480, vec![128; 640 * 480 * 3]).unwrap();
    for set in manifest().sets() {
        let mut vision = vision(&models, &set.name, VisionConfig::default());
        let seen = examine(&mut vision, &blank, Purpose::Enrol);
        assert!(seen.reasons.contains(QualityReason::NoFace) && seen.embedding.is_none(), "{}", set.name);
    }
}

#[test]
fn our_own_networks_are_here_small_and_wholly_on_bytes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let manifest = manifest();
    for name in
        ["ostiary-detect-320", "ostiary-detect-640", "ostiary-live-27", "ostiary-live-40", "ostiary-embed"]
    {
        let spec = manifest.model(name).unwrap();
        let bytes = fs::read(folder.join(&spec.file)).unwrap();
        assert!(bytes.len() < 1_500_000, "{name}");
        let (width, height) = (spec.input.width, spec.input.height);
        let mut network =
            Network::load(&bytes, Pixels { width, height, mean: spec.input.mean, scale: spec.input.scale })
                .unwrap();
        assert!(network.steps().iter().all(|step| !step.island), "{name}");
        let grey = vec![128; width * height * 3];
        let outputs = network.run(&grey).unwrap();
        assert!(outputs.get(0).iter().all(|v| v.is_finite()), "{name}");
        assert!(folder.join(spec.file.with_file_name(card(name))).is_file(), "{name} has a card");
    }
}

/// The file that says what a network of ours was made from and is good for.
fn card(name: &str) -> String {
    let sizes = |c: char| c == '-' || c.is_ascii_digit();
    format!("{}.md", name.trim_end_matches(sizes))
}

#[test]
fn blank_and_overexposed_frames_show_nobody() {
    let models = need_shared!("models");
    let mut vision = vision(&models, "strong", VisionConfig::default());
    for value in [0, 128, 255] {
        let blank = Picture::new(320, 240, vec![value; 320 * 240 * 3]).unwrap();
        for n in 0..3 {
            let look = vision.look(frame(&blank, n), &mut |_| panic!("nobody to search for")).unwrap();
            assert!(matches!(look.verdict, LookVerdict::Nobody | LookVerdict::Still), "{value}");
        }
        vision.forget();
    }
}

#[test]
fn the_same_person_is_near_and_another_is_far() {
    let models = need_shared!("models");
    let people = need_shared!("eval/lfw/images");
    let pairs = need_shared!("eval/lfw/pairs.csv");
    let mut vision = vision(&models, "strong", VisionConfig::default());
    let threshold = vision.calibration().cosine_at(-3.0);
    let mut template = |name: &str| -> Embedding {
        let picture = picture(&people.join(name));
        let frame = picture.as_frame(Mono(0)).unwrap();
        let middle = Rect { x: 0.0, y: 0.0, w: 250.0, h: 250.0 }.centre();
        let away = |d: &Detection| d.bbox.centre().distance(middle);
        let faces = vision.detect(frame, 0.5).unwrap();
        let face = *faces.iter().min_by(|a, b| away(a).total_cmp(&away(b))).unwrap();
        let aligned = vision.align(frame, &face).unwrap().unwrap();
        vision.embed(&Trusted(&aligned)).unwrap()
    };
    let list = fs::read_to_string(pairs).unwrap();
    // Every 100th pair; the whole list is `ostiary evaluate`'s.
    let (mut right, mut all) = (0, 0);
    for line in list.lines().skip(1).step_by(100) {
        let [a, b, same] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let score = template(a).cosine(&template(b));
        right += u32::from((score >= threshold) == (same == "1"));
        all += 1;
    }
    assert!(all >= 20 && right + 1 >= all, "{right} of {all}");
}

#[test]
fn a_still_picture_of_a_face_is_enrolled_and_one_at_the_border_or_turned_away_is_not() {
    let models = need_shared!("models");
    let live = need_shared!("eval/pad/live/silent_image_T1_11e7f4.jpg");
    let mut vision = vision(&models, "strong", VisionConfig::default());
    let whole = picture(&live);
    let seen = examine(&mut vision, &whole, Purpose::Enrol);
    assert!(seen.reasons.is_empty() && seen.embedding.is_some(), "{} {:?}", seen.reasons, seen.quality);
    assert_eq!(seen.aligned.unwrap().side(), 128);
    let face = seen.subject.unwrap().bbox;

    // The left third of the face lies outside of the frame.
    let shift = -(face.x + face.w / 3.0) as i64;
    let cut = laid_on_black(&whole, whole.width(), whole.height(), shift, 0);
    let seen = examine(&mut vision, &cut, Purpose::Probe);
    assert!(seen.subject.is_none() || seen.reasons.contains(QualityReason::Occluded), "{:?}", seen.quality);
    assert!(seen.embedding.is_none());

    // Far away.
    let small = whole.clone().fit(whole.width().max(whole.height()) / 5).unwrap();
    let seen = examine(&mut vision, &laid_on_black(&small, 320, 240, 60, 20), Purpose::Enrol);
    assert!(seen.embedding.is_none(), "{:?}", seen.quality);

    // Dark and out of focus.
    let dim = whole.rgb().iter().map(|v| v / 8).collect();
    let seen =
        examine(&mut vision, &Picture::new(whole.width(), whole.height(), dim).unwrap(), Purpose::Probe);
    assert!(seen.subject.is_none() || seen.reasons.contains(QualityReason::Dark), "{:?}", seen.quality);
}

#[test]
fn a_second_face_makes_an_enrolment_ambiguous_but_not_a_walk_up() {
    let models = need_shared!("models");
    let live = need_shared!("eval/pad/live/silent_image_T1_11e7f4.jpg");
    let mut vision = vision(&models, "strong", VisionConfig::default());
    let one = picture(&live);
    let mut rgb = Vec::new();
    for row in one.rgb().chunks_exact(one.width() as usize * 3) {
        rgb.extend_from_slice(row);
        rgb.extend_from_slice(row);
    }
    let two = Picture::new(one.width() * 2, one.height(), rgb).unwrap();
    let enrol = examine(&mut vision, &two, Purpose::Enrol);
    assert_eq!(enrol.faces.len(), 2);
    assert!(enrol.reasons.contains(QualityReason::MultipleFaces) && enrol.embedding.is_none());
    let probe = examine(&mut vision, &two, Purpose::Probe);
    assert!(!probe.reasons.contains(QualityReason::MultipleFaces));
}

#[test]
fn groups_of_people_are_found_and_bounded() {
    let models = need_shared!("models");
    let groups = need_shared!("eval/groups");
    let mut vision = vision(&models, "strong-640", VisionConfig::default());
    let mut most = 0;
    for entry in fs::read_dir(groups).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "jpg") {
            let seen = examine(&mut vision, &picture(&path), Purpose::Probe);
            assert!(seen.faces.len() >= 2, "{} faces", seen.faces.len());
            most = most.max(seen.faces.len());
        }
    }
    assert!(most >= 5, "{most} faces in the fullest picture");
}

#[test]
fn twenty_faces_in_one_frame_are_seen_and_the_look_is_bounded() {
    let models = need_shared!("models");
    let live = need_shared!("eval/pad/live/silent_image_T1_11e7f4.jpg");
    let mut vision = vision(&models, "strong-640", VisionConfig::default());
    let one = picture(&live).fit(200).unwrap();
    let (columns, rows) = (5, 4);
    let mut rgb = Vec::new();
    for _ in 0..rows {
        for row in one.rgb().chunks_exact(one.width() as usize * 3) {
            (0..columns).for_each(|_| rgb.extend_from_slice(row));
        }
    }
    let crowd = Picture::new(one.width() * columns, one.height() * rows, rgb).unwrap();
    let found = vision.detect(crowd.as_frame(Mono(0)).unwrap(), 0.5).unwrap().len();
    assert!((18..=22).contains(&found), "{found} of 20");
    let look = vision.look(frame(&crowd, 0), &mut |_| unknown()).unwrap();
    assert!(look.faces >= 18 && look.subject.is_some());
}

#[test]
fn a_living_face_is_compared_after_three_frames_and_a_picture_of_one_never() {
    let models = need_shared!("models");
    let live = need_shared!("eval/pad/live/silent_image_T1_11e7f4.jpg");
    let spoof = need_shared!("eval/pad/spoof/silent_image_F1_0de892.jpg");
    let mut vision = vision(&models, "strong", VisionConfig::default());
    let still = picture(&live);
    let mut verdicts = Vec::new();
    let mut searches = 0;
    for n in 0..5 {
        let look = vision
            .look(frame(&still, n), &mut |_| {
                searches += 1;
                unknown()
            })
            .unwrap();
        assert_eq!(look.captured, Mono(n * 40));
        verdicts.push((look.subject.unwrap().0, look.verdict));
    }
    assert!(verdicts.windows(2).all(|w| w[0].0 == w[1].0), "one track");
    let compared: Vec<bool> = verdicts.iter().map(|v| matches!(v.1, LookVerdict::Matched(_))).collect();
    assert_eq!((compared, searches), (vec![false, false, true, true, true], 3));

    vision.forget();
    let paper = picture(&spoof);
    let first = verdicts[0].0;
    for n in 10..18 {
        let look = vision.look(frame(&paper, n), &mut |_| panic!("a picture was compared")).unwrap();
        let (track, _) = look.subject.unwrap();
        assert_ne!(track, first, "a number is never used again");
        if n >= 12 {
            assert_eq!(look.verdict, LookVerdict::Spoof);
        }
    }
}

#[test]
fn a_picture_held_before_a_living_face_inherits_nothing() {
    let models = need_shared!("models");
    let live = need_shared!("eval/pad/live/silent_image_T1_11e7f4.jpg");
    let spoof = need_shared!("eval/pad/spoof/silent_image_F1_0de892.jpg");
    let mut vision = vision(&models, "strong", VisionConfig::default());
    let (person, paper) = (picture(&live), picture(&spoof));
    for n in 0..4 {
        vision.look(frame(&person, n), &mut |_| unknown()).unwrap();
    }
    for n in 4..10 {
        let look = vision.look(frame(&paper, n), &mut |_| panic!("a picture was compared")).unwrap();
        assert!(!matches!(look.verdict, LookVerdict::Matched(_)));
    }
}

#[test]
fn without_motion_and_without_anybody_frames_are_passed_over() {
    let models = need_shared!("models");
    let mut vision = vision(&models, "strong", VisionConfig::default());
    let wall = Picture::new(320, 240, vec![140; 320 * 240 * 3]).unwrap();
    let verdicts: Vec<_> =
        (0..30).map(|n| vision.look(frame(&wall, n), &mut |_| unknown()).unwrap().verdict).collect();
    assert_eq!(verdicts[0], LookVerdict::Nobody);
    let looked = verdicts.iter().filter(|v| **v == LookVerdict::Nobody).count();
    assert!(looked <= 3, "looked at {looked} of 30 frames of a wall");
}

#[test]
fn scores_of_the_few_attacks_that_are_there_are_below_those_of_the_living() {
    let models = need_shared!("models");
    let pad = need_shared!("eval/pad");
    let mut vision = vision(&models, "strong", VisionConfig::default());
    let mut scores = |kind: &str| -> Vec<f32> {
        let entries = fs::read_dir(pad.join(kind)).unwrap();
        let mut scores = Vec::new();
        for path in entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "jpg")) {
            let picture = picture(&path);
            let frame = picture.as_frame(Mono(0)).unwrap();
            let face = vision.detect(frame, 0.5).unwrap()[0];
            scores.push(vision.live_score(frame, &face).unwrap().mean);
        }
        scores
    };
    assert!(scores("live").iter().all(|s| *s > 0.9));
    assert!(scores("spoof").iter().all(|s| *s < 0.5));
}

fn copy_models(models: &Path, to: &Path, set: &str) -> PathBuf {
    let manifest = manifest();
    let set = manifest.set(set).unwrap();
    let names = [&set.detector, &set.embedder].into_iter().chain(&set.liveness).chain(&set.landmarks);
    for spec in names.map(|n| manifest.model(n).unwrap()) {
        fs::create_dir_all(to.join(&spec.file).parent().unwrap()).unwrap();
        fs::copy(models.join(&spec.file), to.join(&spec.file)).unwrap();
    }
    to.join(&manifest.model(&set.embedder).unwrap().file)
}

#[test]
fn a_model_is_only_loaded_by_its_hash() {
    let models = need_shared!("models");
    let folder = tempfile::tempdir().unwrap();
    let file = copy_models(&models, folder.path(), "mobile");
    let manifest = manifest();
    let set = manifest.set("mobile").unwrap();
    let load = |folders: &[PathBuf]| ModelSet::load(&manifest, set, folders);
    let here = folder.path().to_owned();
    assert!(load(std::slice::from_ref(&here)).is_ok());

    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&file).unwrap();
    fs::write(&file, &bytes).unwrap();
    let error = load(std::slice::from_ref(&here)).unwrap_err();
    assert!(matches!(error, ModelError::Hash { .. }));
    assert!(error.to_string().contains("copy the right file"), "{error}");
    // The right one in another folder is found.
    assert!(load(&[here.clone(), models]).is_ok());

    fs::write(&file, &bytes[..middle]).unwrap();
    assert!(matches!(load(std::slice::from_ref(&here)), Err(ModelError::Hash { .. })));
    fs::remove_file(&file).unwrap();
    let error = load(&[here]).unwrap_err();
    assert!(matches!(error, ModelError::Missing { .. }));
    assert_eq!(error.to_string().lines().count(), 1);
}

#[test]
fn a_manifest_that_describes_a_model_wrongly_is_told_so() {
    let models = need_shared!("models");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/manifest.toml");
    let shipped = fs::read_to_string(path).unwrap();
    let load = |text: &str| {
        let manifest = Manifest::parse(text).unwrap();
        let set = manifest.set("strong").unwrap().clone();
        ModelSet::load(&manifest, &set, std::slice::from_ref(&models)).unwrap_err()
    };
    // The embedder's vector is longer than it says.
    let error = load(&shipped.replacen("length = 256", "length = 128", 1));
    assert!(matches!(error, ModelError::Outputs { .. }), "{error}");
    // The detector takes another size.
    let error = load(&shipped.replacen("width = 320\nheight = 320", "width = 352\nheight = 320", 1));
    assert!(matches!(error, ModelError::Engine { .. }) && error.to_string().contains("input"), "{error}");
}

#[test]
fn damaged_real_models_give_errors_and_no_panic() {
    let models = need_shared!("models");
    let file = models.join("landmarks-regression-retail-0009/landmarks-regression-retail-0009.onnx");
    let whole = fs::read(file).unwrap();
    let shape = Pixels { width: 48, height: 48, mean: 0.0, scale: 1.0 };
    let input = vec![100; 3 * 48 * 48];
    assert!(Network::load(&whole, shape).unwrap().run(&input).is_ok());
    for part in [1, 2, 10, 100, 1_000] {
        assert!(Network::load(&whole[..whole.len() / 2_000 * part], shape).is_err());
    }
    // The graph's structure lies at the file's ends, weights in between; both are hit.
    for i in 0..24 {
        let mut bent = whole.clone();
        let at = if i % 2 == 0 { (i * 97) % 4_000 } else { whole.len() - 1 - (i * 131) % 4_000 };
        bent[at] ^= 1 << (i % 8);
        if let Ok(mut network) = Network::load(&bent, shape) {
            let _ = network.run(&input);
        }
    }
}

/// A face kept by one model and laid onto another's template gives nearly the template that a fresh picture gives.
#[test]
fn a_kept_face_serves_another_model() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw/images"));
    let mut people: Vec<PathBuf> = fs::read_dir(faces).unwrap().map(|e| e.unwrap().path()).collect();
    people.sort();
    let few = std::env::var("OSTIARY_KEPT_FACES").ok().and_then(|n| n.parse().ok()).unwrap_or(16);
    for (old, new) in [("strong", "mobile"), ("mobile", "strong")] {
        let (mut before, mut after) =
            (vision(&models, old, VisionConfig::default()), vision(&models, new, VisionConfig::default()));
        let manifest = manifest();
        let spec = manifest.embedder(before.model_id()).unwrap();
        let Family::Embedding { template, .. } = spec.family else { unreachable!() };
        let mut cosines = Vec::new();
        for person in people.iter().step_by((people.len() / few).max(1)) {
            let file = fs::read_dir(person).unwrap().next().unwrap().unwrap().path();
            let picture = picture(&file);
            let (kept, fresh) = (
                examine(&mut before, &picture, Purpose::Enrol),
                examine(&mut after, &picture, Purpose::Enrol),
            );
            let (Some(_), Some(fresh)) = (kept.embedding, fresh.embedding) else { continue };
            let again = after.embed_kept(&kept.aligned.unwrap(), &template).unwrap().unwrap();
            cosines.push(again.cosine(&fresh).get());
        }
        cosines.sort_by(f32::total_cmp);
        let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
        let (least, low) = (cosines[0], cosines[cosines.len() / 20]);
        let count = cosines.len();
        let told =
            format!("{old} -> {new}: {count} faces, mean {mean:.4}, 5 % below {low:.4}, least {least:.4}\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes());
        assert!(mean > 0.9 && least > 0.75, "{old} -> {new}: mean {mean}, least {least}");
    }
}
