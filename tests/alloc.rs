//! How much the eyes of the door allocate for a frame once they are warm.
//!
//! Owns: a counting allocator and the promise that our own code between frame and verdict allocates nothing.
//! Does not own: what tract allocates inside a run; that is measured apart and taken off.
//! Invariant: only the test's own thread is counted.
#![expect(unsafe_code, reason = "a global allocator that counts has to forward raw requests")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use common::need_shared;
use ostiary::domain::{Cosine, Frame, FrameMeta, LookVerdict, Match, Mono};
use ostiary::engine::Network;
use ostiary::engine::quantize::{Options, Samples, quantize};
use ostiary::picture::{Limits, decode};
use ostiary::vision::{Manifest, ModelSet, Vision, VisionConfig};
use sha2::{Digest as _, Sha256};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every request goes unchanged to the system's allocator; counting touches a plain cell of this thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|c| c.set(c.get() + 1));
        // SAFETY: the caller keeps `alloc`'s contract, which is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `alloc` above, that is from the system's allocator.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread during `work`.
fn counted(work: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

/// A set's networks, each loaded once more on its own.
fn networks(manifest: &Manifest, set: &str, models: &Path) -> Vec<(Network, Vec<u8>)> {
    let set = manifest.set(set).unwrap();
    let names = [&set.detector, &set.embedder].into_iter().chain(&set.liveness).chain(&set.landmarks);
    names
        .map(|name| {
            let spec = manifest.model(name).unwrap();
            let bytes = fs::read(models.join(&spec.file)).unwrap();
            let network = Network::load(&bytes, spec.input.pixels()).unwrap();
            (network, vec![77; spec.input.shape().iter().product()])
        })
        .collect()
}

/// Allocations of one run.
fn of_a_run((network, pixels): &mut (Network, Vec<u8>)) -> u64 {
    (0..4).for_each(|_| assert!(network.run(pixels).is_ok()));
    counted(|| assert!(network.run(pixels).is_ok()))
}

fn manifest() -> Manifest {
    Manifest::read(&shipped()).unwrap()
}

/// A manifest whose networks all run in integers, with the files that were not there yet made in `folder`.
fn integers_alone(models: &Path, portraits: &Path, folder: &Path) -> Manifest {
    let mut files: Vec<_> = fs::read_dir(portraits).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort_unstable();
    let mut text = fs::read_to_string(shipped()).unwrap();
    let manifest = manifest();
    for name in ["yunet-n-320", "minifasnet-v2", "minifasnet-v1se"] {
        let spec = manifest.model(name).unwrap();
        let pixels = spec.input.pixels();
        let pictures: Vec<Vec<u8>> = files.iter().take(8).map(|file| sample(file, pixels.width)).collect();
        let samples = Samples { pictures: &pictures, pixels, progress: &|_, _| () };
        let float = fs::read(models.join(&spec.file)).unwrap();
        // So few pictures would leave a layer float that more of them do not; here every layer works on bytes.
        let options = Options { limit: f64::INFINITY, equalise: false, ..Options::default() };
        let made = quantize(&float, &samples, &options).unwrap().bytes;
        assert!(Network::load(&made, pixels).unwrap().steps().iter().all(|s| !s.island), "{name}");
        let file = format!("{name}.onnx");
        let hash = hex(&Sha256::digest(&made));
        fs::write(folder.join(&file), made).unwrap();
        let (old, place) = (hex(&Sha256::digest(&float)), spec.file.to_str().unwrap());
        assert!(text.contains(place) && text.contains(&old));
        text = text.replace(place, &file).replace(&old, &hash);
    }
    let path = folder.join("manifest.toml");
    fs::write(&path, text).unwrap();
    Manifest::read(&path).unwrap()
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/manifest.toml")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).filter_map(|d| char::from_digit(d.into(), 16)).collect()
}

/// A square portrait as a network sees it: blue, green, red.
fn sample(file: &Path, side: usize) -> Vec<u8> {
    let picture = decode(&fs::read(file).unwrap(), Limits::default()).unwrap().fit(side as u32).unwrap();
    assert_eq!((picture.width() as usize, picture.height() as usize), (side, side));
    picture.rgb().as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*b, *g, *r]).collect()
}

/// The whole look of a set in integers, from the frame to the verdict, never asks for memory.
#[test]
fn a_look_in_integers_allocates_nothing() {
    let models = need_shared!("models");
    let portraits = need_shared!("training/portraits_cc0");
    let live = need_shared!("eval/pad/live/silent_image_T1_11e7f4.jpg");
    let folder = tempfile::tempdir().unwrap();
    let manifest = integers_alone(&models, &portraits, folder.path());
    let folders = [folder.path().to_path_buf(), models];
    for set in ["strong-int8", "mobile-int8"] {
        let spec = manifest.set(set).unwrap();
        let mut vision =
            Vision::new(ModelSet::load(&manifest, spec, &folders).unwrap(), VisionConfig::default()).unwrap();
        let picture = decode(&fs::read(&live).unwrap(), Limits::default()).unwrap();
        let mut matched = 0;
        let mut taken = Vec::new();
        for n in 0..16 {
            let meta = FrameMeta {
                width: picture.width(),
                height: picture.height(),
                captured: Mono(n * 40),
                seq: n,
            };
            let frame = Frame::new(picture.rgb(), meta).unwrap();
            let unknown = Match::Unknown { score: Cosine::new(0.0) };
            taken.push(counted(|| {
                let look = vision.look(frame, &mut |_| unknown.clone()).unwrap();
                matched += usize::from(matches!(look.verdict, LookVerdict::Matched(_)));
            }));
        }
        assert!(matched >= 8, "{set}: {matched} of 16 looks went all the way");
        assert!(taken[8..].iter().all(|count| *count == 0), "{set}: allocations look by look: {taken:?}");
    }
}

/// Nothing of a look is allocated but what tract allocates for networks, or parts of them, that run in floats; in a
/// set whose networks all run in integers that is nothing.
#[test]
fn a_look_allocates_only_inside_tract() {
    let models = need_shared!("models");
    let live = need_shared!("eval/pad/live/silent_image_T1_11e7f4.jpg");
    let manifest = manifest();
    let picture = decode(&fs::read(live).unwrap(), Limits::default()).unwrap();
    for set in ["strong", "strong-int8", "mobile-int8"] {
        let spec = manifest.set(set).unwrap();
        let loaded = ModelSet::load(&manifest, spec, std::slice::from_ref(&models)).unwrap();
        let mut vision = Vision::new(loaded, VisionConfig::default()).unwrap();
        let mut n = 0;
        let mut look = || {
            let (width, height) = (picture.width(), picture.height());
            let meta = FrameMeta { width, height, captured: Mono(n * 40), seq: n };
            n += 1;
            let frame = Frame::new(picture.rgb(), meta).unwrap();
            let unknown = Match::Unknown { score: Cosine::new(0.0) };
            vision.look(frame, &mut |_| unknown.clone()).unwrap().verdict
        };
        (0..8).for_each(|_| drop(look()));

        let mut tract = 0;
        for network in &mut networks(&manifest, &spec.name, &models) {
            let (runs, lowered) = (of_a_run(network), network.0.steps().iter().all(|s| !s.island));
            assert!(!lowered || runs == 0, "{}: a network in integers allocates {runs} times", spec.name);
            tract += runs;
        }
        let whole = (0..5)
            .map(|_| {
                let mut matched = false;
                let count = counted(|| matched = matches!(look(), LookVerdict::Matched(_)));
                assert!(matched, "{}: the measured look goes all the way", spec.name);
                count
            })
            .min()
            .unwrap();
        assert_eq!(whole, tract, "{}: allocations of a look, and of tract within it", spec.name);
    }
}

/// The networks that are there in integers take nothing of the heap.
#[test]
fn networks_in_integers_allocate_nothing() {
    let models = need_shared!("models");
    let manifest = manifest();
    let lowered: Vec<_> = manifest.sets().iter().filter(|s| s.name.ends_with("-int8")).collect();
    assert!(!lowered.is_empty(), "the manifest knows sets in integers");
    for set in lowered {
        for mut network in networks(&manifest, &set.name, &models) {
            // A detector or a liveness network may still be one of floats.
            if network.0.steps().iter().all(|s| !s.island) {
                assert_eq!(of_a_run(&mut network), 0, "{}: {:?}", set.name, network.0);
            }
        }
    }
}
