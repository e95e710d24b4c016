//! How much the eyes of the door allocate for a frame once they are warm.
//!
//! Owns: a counting allocator and the promise that our own code between frame and verdict allocates nothing.
//! Does not own: what tract allocates inside a run; that is measured apart and taken off.
//! Invariant: only the test's own thread is counted.
#![expect(unsafe_code, reason = "a global allocator that counts has to forward raw requests")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;

use common::need_shared;
use ostiary::domain::{Cosine, Frame, FrameMeta, LookVerdict, Match, Mono};
use ostiary::engine::Network;
use ostiary::picture::{Limits, decode};
use ostiary::vision::{Manifest, ModelSet, Vision, VisionConfig};

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

#[test]
fn a_look_allocates_only_inside_the_engine() {
    let models = need_shared!("models");
    let live = need_shared!("eval/pad/live/silent_image_T1_11e7f4.jpg");
    let manifest =
        Manifest::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/manifest.toml")).unwrap();
    let set = manifest.set("strong").unwrap();
    let loaded = ModelSet::load(&manifest, set, std::slice::from_ref(&models)).unwrap();
    let mut vision = Vision::new(loaded, VisionConfig::default()).unwrap();
    let picture = decode(&fs::read(live).unwrap(), Limits::default()).unwrap();
    let mut n = 0;
    let mut look = || {
        let meta =
            FrameMeta { width: picture.width(), height: picture.height(), captured: Mono(n * 40), seq: n };
        n += 1;
        let frame = Frame::new(picture.rgb(), meta).unwrap();
        let unknown = Match::Unknown { score: Cosine::new(0.0) };
        vision.look(frame, &mut |_| unknown.clone()).unwrap().verdict
    };
    for _ in 0..8 {
        look();
    }

    // What tract allocates for one run of each network of a look, measured on networks of their own.
    let names = [&set.detector, &set.embedder].into_iter().chain(&set.liveness);
    let engine: u64 = names
        .map(|name| {
            let spec = manifest.model(name).unwrap();
            let bytes = fs::read(models.join(&spec.file)).unwrap();
            let mut network = Network::load_for(&bytes, spec.input.pixels()).unwrap();
            let pixels = vec![77; spec.input.shape().iter().product()];
            (0..4).for_each(|_| assert!(network.run_pixels(&pixels).is_ok()));
            counted(|| assert!(network.run_pixels(&pixels).is_ok()))
        })
        .sum();
    let whole = (0..5)
        .map(|_| {
            let mut matched = false;
            let count = counted(|| matched = matches!(look(), LookVerdict::Matched(_)));
            assert!(matched, "the measured look goes all the way");
            count
        })
        .min()
        .unwrap();
    assert_eq!(whole, engine, "allocations of a look, and of the engine within it");
}
