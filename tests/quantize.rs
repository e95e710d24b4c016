//! Quantisation of real networks.
//!
//! Owns: that a network of the manifest keeps its answers on bytes. Does not own: made-up networks
//! (src/engine/quantize/tests.rs), accuracy on public sets (docs/accuracy.md).

use std::fs;

use ostiary::engine::quantize::{Options, Samples, quantize};
use ostiary::engine::{Network, Pixels};
use ostiary::picture::{self, Limits};

use common::need_shared;

mod common;

const PIXELS: Pixels = Pixels { width: 48, height: 48, mean: 0.0, scale: 1.0 };

#[test]
fn a_landmark_network_on_bytes_puts_its_points_where_the_float_one_does() {
    let model = need_shared!("models/landmarks-regression-retail-0009/landmarks-regression-retail-0009.onnx");
    let folder = need_shared!("training/portraits_cc0");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort_unstable();
    let faces: Vec<Vec<u8>> = files
        .iter()
        .take(48)
        .filter_map(|file| {
            let picture = picture::decode(&fs::read(file).unwrap(), Limits::default()).ok()?.fit(48).ok()?;
            let square = picture.width() == 48 && picture.height() == 48;
            square
                .then(|| picture.rgb().as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*b, *g, *r]).collect())
        })
        .collect();
    assert!(faces.len() >= 40, "{} square portraits", faces.len());
    let (seen, kept) = faces.split_at(faces.len() - 10);
    let float = fs::read(model).unwrap();
    let samples = Samples { pictures: seen, pixels: PIXELS, progress: &|_, _| () };
    let made = quantize(&float, &samples, &Options::default()).unwrap();
    assert!(made.report.layers.iter().all(|l| l.float.is_none()), "{}", made.report);
    let [mut a, mut b] = [&float, &made.bytes].map(|bytes| Network::load(bytes, PIXELS).unwrap());
    assert!(b.steps().iter().all(|s| !s.island));
    for face in kept {
        let points = a.run(face).unwrap().get(0).to_vec();
        for (x, y) in points.iter().zip(b.run(face).unwrap().get(0)) {
            assert!((x - y).abs() < 0.03, "a point moved from {x} to {y} of the crop's side");
        }
    }
}
