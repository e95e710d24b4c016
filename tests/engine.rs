//! Integer networks against onnxruntime, against each other and against hostile files.
//!
//! Owns: the golden vectors in tests/golden/engine (made by make.py there). Does not own: single kernels
//! (src/engine/kernels/tests.rs), the shared models (tests/vision.rs).

use std::fs;
use std::path::PathBuf;

use ostiary::engine::{EngineError, Network, Pixels, kernels};
use proptest::prelude::*;

/// Each golden network: its side, the greatest difference from onnxruntime, and whether all of it is in integers.
const NETWORKS: [(&str, usize, f32, bool); 6] = [
    ("mobile_unsigned", 20, 0.0, true),
    ("mobile_signed", 20, 0.0, true),
    ("mobile_unsigned_tensor", 20, 0.0, true),
    // Accumulators turned into floats: one rounding apart.
    ("squeeze", 17, 2e-6, true),
    ("pyramid", 24, 1e-6, true),
    // A convolution in floats in between moves a few bytes by one step.
    ("island", 12, 1e-3, false),
];

fn golden(file: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/engine").join(file);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

const fn square(side: usize) -> Pixels {
    Pixels { width: side, height: side, mean: 0.0, scale: 1.0 }
}

/// All outputs one after the other.
fn answer(network: &mut Network, pixels: &[u8]) -> Vec<f32> {
    let count = network.output_count();
    let outputs = network.run(pixels).expect("a sound network runs");
    (0..count).flat_map(|i| outputs.get(i).to_vec()).collect()
}

#[test]
fn integer_networks_answer_as_onnxruntime_does() {
    for (name, side, tolerance, _) in NETWORKS {
        let (file, pixels) = (golden(&format!("{name}.onnx")), golden(&format!("{name}.in")));
        let wanted: Vec<f32> = golden(&format!("{name}.out"))
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect();
        let mut network = Network::load(&file, square(side)).unwrap();
        let got = answer(&mut network, &pixels);
        assert_eq!(got.len(), wanted.len(), "{name}");
        let worst = got.iter().zip(&wanted).map(|(g, w)| (g - w).abs()).fold(0.0, f32::max);
        assert!(worst <= tolerance, "{name}: {worst} from onnxruntime's answer");
        assert!(wanted.iter().any(|w| w.abs() > 0.01), "{name}: an empty answer proves nothing");
    }
}

#[test]
fn every_set_of_kernels_gives_the_same_bits() {
    let sets = kernels::available();
    assert_eq!(sets.last().unwrap().name, "scalar");
    for (name, side, _, _) in NETWORKS {
        let (file, pixels) = (golden(&format!("{name}.onnx")), golden(&format!("{name}.in")));
        let answers: Vec<Vec<u32>> = sets
            .iter()
            .map(|set| {
                let mut network = Network::load_with(&file, square(side), set).unwrap();
                answer(&mut network, &pixels).iter().map(|v| v.to_bits()).collect()
            })
            .collect();
        for (set, answer) in sets.iter().zip(&answers) {
            assert_eq!(answer, answers.last().unwrap(), "{name} with {}", set.name);
        }
    }
}

#[test]
fn what_integers_do_not_cover_is_named() {
    for (name, side, _, integers) in NETWORKS {
        let network = Network::load(&golden(&format!("{name}.onnx")), square(side)).unwrap();
        let islands: Vec<_> = network.steps().into_iter().filter(|s| s.island).collect();
        assert_eq!(islands.is_empty(), integers, "{name}: {islands:?}");
        if !integers {
            assert!(islands[0].what.contains("its weights are not quantised"), "{:?}", islands[0]);
        }
    }
}

#[test]
fn a_second_picture_knows_nothing_of_the_first() {
    for (name, side, _, _) in NETWORKS {
        let file = golden(&format!("{name}.onnx"));
        let pixels = golden(&format!("{name}.in"));
        let mut fresh = Network::load(&file, square(side)).unwrap();
        let mut used = Network::load(&file, square(side)).unwrap();
        let white = vec![255; pixels.len()];
        answer(&mut used, &white);
        assert_eq!(answer(&mut used, &pixels), answer(&mut fresh, &pixels), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("OSTIARY_ENGINE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
    ))]

    /// A file with a few bytes changed loads and runs, or is refused; it never panics.
    #[test]
    fn damaged_files_are_refused_or_run(
        which in 0..NETWORKS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (name, side, _, _) = NETWORKS[which];
        let mut file = golden(&format!("{name}.onnx"));
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()) + 1);
        }
        match Network::load(&file, square(side)) {
            Err(EngineError::Panicked) => prop_assert!(false, "loading panicked"),
            Err(_) => {}
            Ok(mut network) => {
                let run = network.run(&vec![77; side * side * 3]).map(|_| ());
                prop_assert!(!matches!(run, Err(EngineError::Panicked)), "running panicked");
            }
        }
    }
}
