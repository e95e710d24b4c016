//! The supervised camera against real processes that misbehave: each trouble is found within 3 s, named, and
//! recovered from without a restart of the parent.
//!
//! The camera process is a shell script in its place; frames are written by `cat` from files made beforehand.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ostiary::device::camera_v4l::wire::{HEADER, Header};
use ostiary::device::camera_v4l::{Controls, V4lCamera, V4lConfig};
use ostiary::device::clock_os::{OsClock, mono_micros, pause};
use ostiary::domain::limits::MAX_FRAME_BYTES;
use ostiary::domain::{FrameMeta, Millis, Mono};
use ostiary::ports::{Camera, CameraError, Clock};
use rustix::process::{Pid, Signal, kill_process_group};

/// Troubles must be found within this time.
const FOUND: Millis = Millis(3_000);
const PATIENCE: Millis = Millis(250);

/// A folder with frames `0` to `9` (all different) and the script that stands for the camera process.
struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<OsClock>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..10 {
            fs::write(dir.path().join(i.to_string()), frame(i, 0)).unwrap();
        }
        Self { dir, clock: Arc::new(OsClock::new()) }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The script's own process id lands in `pid`; `$D` is the folder; `$N` counts the starts from 1.
    fn camera(&self, script: &str) -> V4lCamera {
        let program = self.path().join("camera.sh");
        let dir = self.path().display();
        let text = format!(
            "#!/bin/sh\nD='{dir}'\necho $$ >> $D/pids\nN=$(wc -l < $D/pids)\n\
             stream() {{ while :; do for i in 0 1 2 3 4 5 6 7 8 9; do cat $D/$i || exit 0; sleep 0.03; done; done; }}\n\
             {script}\n"
        );
        // Written elsewhere and moved, so that no other thread's fork holds it open for writing.
        let draft = self.path().join("draft");
        fs::write(&draft, text).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&draft, &program).unwrap();
        fs::write(self.device(), "").unwrap();
        let config = V4lConfig {
            device: self.device(),
            width: 4,
            height: 4,
            fps: 30,
            controls: Controls::default(),
            program,
        };
        V4lCamera::new(config, Arc::clone(&self.clock))
    }

    fn device(&self) -> PathBuf {
        self.path().join("video0")
    }

    fn pids(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.path().join("pids")).unwrap_or_default();
        text.lines().filter_map(|line| line.trim().parse().ok()).collect()
    }

    fn now(&self) -> Mono {
        self.clock.now().mono
    }

    /// Frames until `count` came.
    fn frames(&self, camera: &mut V4lCamera, count: usize, within: Millis) -> Vec<FrameMeta> {
        let deadline = self.now().after(within);
        let mut rgb = vec![0; MAX_FRAME_BYTES];
        let mut frames = Vec::new();
        while frames.len() < count {
            assert!(self.now() < deadline, "{} of {count} frames within {within:?}", frames.len());
            if let Ok(meta) = camera.next(&mut rgb, PATIENCE) {
                frames.push(meta);
            }
        }
        frames
    }

    /// The first trouble that `wanted` recognises, and how long it took.
    fn trouble(
        &self,
        camera: &mut V4lCamera,
        wanted: impl Fn(&CameraError) -> bool,
    ) -> (CameraError, Millis) {
        let start = self.now();
        let mut rgb = vec![0; MAX_FRAME_BYTES];
        let mut seen = Vec::new();
        loop {
            let before = self.now();
            let outcome = camera.next(&mut rgb, PATIENCE);
            let took = self.now().since(before);
            assert!(took.0 < PATIENCE.0 + 1_000, "next() took {took:?} with a patience of {PATIENCE:?}");
            let waited = self.now().since(start);
            match outcome {
                Err(e) if wanted(&e) => return (e, waited),
                Err(e) => seen.push(e),
                Ok(_) => {}
            }
            assert!(waited < Millis(8_000), "not found; seen: {seen:?}");
        }
    }
}

fn frame(value: u8, captured_us: u64) -> Vec<u8> {
    let header = Header { seq: u64::from(value), captured_us, width: 4, height: 4, dropped: 0 };
    let mut bytes = header.encode().to_vec();
    bytes.extend([value * 10; 48]);
    bytes
}

fn alive(pid: i32) -> bool {
    // A zombie is as dead as it gets without its parent's help.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')))
}

fn gone_soon(pid: i32) {
    for _ in 0..100 {
        if !alive(pid) {
            return;
        }
        pause(Millis(20));
    }
    panic!("process {pid} is still there");
}

#[test]
fn frames_arrive_and_the_newest_wins() {
    let bench = Bench::new();
    let mut camera = bench.camera("stream");
    let frames = bench.frames(&mut camera, 5, Millis(2_000));
    assert!(frames.windows(2).all(|w| w[1].seq == w[0].seq + 1 && w[1].captured >= w[0].captured));
    assert_eq!((frames[0].width, frames[0].height), (4, 4));
    // Nobody looks for half a second: the next frame is a fresh one, not the oldest that waits.
    pause(Millis(500));
    let late = bench.now();
    let next = bench.frames(&mut camera, 2, Millis(500));
    assert!(next[1].captured >= late);
    assert_eq!(camera.restarts(), 0);
    let pid = bench.pids()[0];
    drop(camera);
    gone_soon(pid);
}

#[test]
fn a_stopped_process_is_a_stall_and_is_replaced() {
    let bench = Bench::new();
    let mut camera = bench.camera("stream");
    bench.frames(&mut camera, 3, Millis(2_000));
    let pid = bench.pids()[0];
    // What a driver that hangs looks like from outside: alive, and silent for ever.
    kill_process_group(Pid::from_raw(pid).unwrap(), Signal::STOP).unwrap();
    let (_, took) = bench.trouble(&mut camera, |e| *e == CameraError::Stalled);
    assert!(took <= FOUND);
    let start = bench.now();
    bench.frames(&mut camera, 3, Millis(4_000));
    assert!(bench.now().since(start) <= Millis(3_500));
    assert_eq!(bench.pids().len(), 2);
    gone_soon(pid);
}

#[test]
fn a_process_that_dies_is_named_by_its_last_words_and_started_again() {
    let bench = Bench::new();
    let mut camera = bench.camera(
        "cat $D/1\nif [ $N -lt 3 ]; then echo 'ostiary-camera: gone /dev/video0 was unplugged' >&2; exit 10; fi\nstream",
    );
    let (why, took) = bench.trouble(&mut camera, |e| matches!(e, CameraError::Gone(_)));
    assert!(took <= FOUND);
    assert!(why.to_string().contains("was unplugged"), "{why}");
    // Two deaths: pauses of 0.5 and 1 s.
    bench.frames(&mut camera, 5, Millis(4_000));
    assert_eq!(bench.pids().len(), 3);
}

#[test]
fn a_process_that_dies_without_a_word_is_named_too() {
    let bench = Bench::new();
    let mut camera = bench.camera(
        "head -c 20000 /dev/zero >&2; echo >&2; echo 'thread main panicked at odd' >&2; kill -SEGV $$",
    );
    let (why, took) = bench.trouble(&mut camera, |e| matches!(e, CameraError::Refused(_)));
    assert!(took <= FOUND);
    assert!(why.to_string().contains("panicked"), "{why}");
}

#[test]
fn garbage_half_frames_and_absurd_lengths_are_refused_and_replaced() {
    for (name, script) in [
        ("noise", "[ $N -gt 1 ] && stream; cat $D/1; head -c 100000 /dev/zero; sleep 9"),
        ("half", "[ $N -gt 1 ] && stream; head -c 80 $D/1; cat $D/2; sleep 9"),
        ("absurd", "[ $N -gt 1 ] && stream; cat $D/absurd; head -c 300000000 /dev/zero"),
    ] {
        let bench = Bench::new();
        let mut absurd = frame(1, 0);
        absurd[24..28].copy_from_slice(&u32::MAX.to_le_bytes());
        absurd[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        fs::write(bench.path().join("absurd"), &absurd[..HEADER]).unwrap();
        let mut camera = bench.camera(script);
        let (_, took) = bench.trouble(&mut camera, |e| matches!(e, CameraError::Garbage(_)));
        assert!(took <= FOUND, "{name}");
        bench.frames(&mut camera, 3, Millis(4_000));
        assert_eq!(bench.pids().len(), 2, "{name}");
    }
}

#[test]
fn a_frame_that_never_ends_is_a_stall() {
    let bench = Bench::new();
    let mut camera = bench.camera("[ $N -gt 1 ] && stream; cat $D/1; head -c 80 $D/1; sleep 60");
    bench.frames(&mut camera, 1, Millis(2_000));
    let (_, took) = bench.trouble(&mut camera, |e| *e == CameraError::Stalled);
    assert!(took <= FOUND);
    // `Stalled` is said while waiting too; the replacement shows that it was acted upon.
    bench.frames(&mut camera, 3, Millis(5_000));
    assert_eq!(bench.pids().len(), 2);
}

#[test]
fn the_same_frame_for_ever_is_a_hung_camera_and_stays_one_until_the_picture_changes() {
    let bench = Bench::new();
    let mut camera = bench.camera("[ $N -gt 2 ] && stream; while :; do cat $D/4; sleep 0.03; done");
    let (why, took) = bench.trouble(&mut camera, |e| matches!(e, CameraError::Refused(_)));
    assert!(took <= FOUND, "{took:?}");
    assert!(why.to_string().contains("every picture is the same"), "{why}");
    // The second process sends the old picture again: not one of them counts as a frame.
    let frames = bench.frames(&mut camera, 3, Millis(6_000));
    assert_eq!(bench.pids().len(), 3, "{frames:?}");
}

#[test]
fn old_frames_are_no_frames() {
    let bench = Bench::new();
    fs::write(bench.path().join("old"), frame(1, mono_micros() - 900_000)).unwrap();
    let mut camera =
        bench.camera("[ $N -gt 1 ] && stream; cat $D/0; sleep 0.5; while :; do cat $D/old; sleep 0.03; done");
    bench.frames(&mut camera, 1, Millis(2_000));
    let (_, took) = bench.trouble(&mut camera, |e| *e == CameraError::Stalled);
    assert!(took <= FOUND);
    bench.frames(&mut camera, 3, Millis(5_000));
    assert!(camera.stale_frames() > 0);
    assert_eq!(bench.pids().len(), 2);
}

#[test]
fn what_cannot_be_started_is_refused_and_tried_again() {
    let bench = Bench::new();
    let mut camera = bench.camera("stream");
    let program = bench.path().join("camera.sh");
    fs::rename(&program, bench.path().join("away")).unwrap();
    let (why, took) = bench.trouble(&mut camera, |e| matches!(e, CameraError::Refused(_)));
    assert!(took <= FOUND && why.to_string().contains("cannot be started"), "{why}");
    fs::rename(bench.path().join("away"), &program).unwrap();
    bench.frames(&mut camera, 3, Millis(4_000));
}

#[test]
fn a_camera_that_is_plugged_in_again_is_not_kept_waiting() {
    let bench = Bench::new();
    let mut camera =
        bench.camera("[ -e $D/video0 ] && stream; echo 'ostiary-camera: gone unplugged' >&2; exit 10");
    fs::remove_file(bench.device()).unwrap();
    let mut rgb = vec![0; MAX_FRAME_BYTES];
    let start = bench.now();
    // Long enough for the pause to have grown to 4 s.
    while bench.now().since(start) < Millis(4_500) {
        assert!(camera.next(&mut rgb, PATIENCE).is_err());
    }
    fs::write(bench.device(), "").unwrap();
    let back = bench.now();
    bench.frames(&mut camera, 1, Millis(2_000));
    assert!(bench.now().since(back) < Millis(1_500));
}

#[test]
fn children_of_the_camera_process_die_with_it() {
    let bench = Bench::new();
    let mut camera = bench.camera("sleep 300 & echo $! > $D/grandchild\nstream");
    bench.frames(&mut camera, 2, Millis(2_000));
    let grandchild: i32 =
        fs::read_to_string(bench.path().join("grandchild")).unwrap().trim().parse().unwrap();
    assert!(alive(grandchild));
    drop(camera);
    gone_soon(grandchild);
    gone_soon(bench.pids()[0]);
}

#[test]
fn the_real_camera_process_says_what_is_wrong_with_the_device() {
    let clock = Arc::new(OsClock::new());
    let bench = Bench::new();
    for (device, wanted) in [("/dev/video-not-there", "plugged in"), ("/dev/null", "no V4L2 camera")] {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_ostiary"));
        let config = V4lConfig {
            device: device.into(),
            width: 640,
            height: 480,
            fps: 30,
            controls: Controls::default(),
            program,
        };
        let mut camera = V4lCamera::new(config, Arc::clone(&clock));
        let told = |e: &CameraError| matches!(e, CameraError::Gone(_) | CameraError::Refused(_));
        let (why, took) = bench.trouble(&mut camera, told);
        assert!(why.to_string().contains(wanted), "{why}");
        assert!(took <= FOUND);
    }
}
