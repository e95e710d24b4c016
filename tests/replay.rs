//! Recordings as the door uses them: through the port, from files on disk, within bounded memory.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use ostiary::device::clock_sim::SimClock;
use ostiary::device::replay::{Pace, ReplayOptions, open};
use ostiary::domain::limits::MAX_FRAME_BYTES;
use ostiary::domain::{Millis, Mono};
use ostiary::picture::encode_jpeg;
use ostiary::ports::{CameraError, Clock};
use proptest::prelude::{Just, any, prop_oneof, proptest};

const SIDE: u32 = 32;

fn jpeg(level: u8) -> Vec<u8> {
    encode_jpeg(SIDE, SIDE, &[level; (SIDE * SIDE * 3) as usize], 90).unwrap()
}

/// How many good and bad frames a recording has, played to its end.
fn count(path: &Path) -> Option<(u64, u64)> {
    let clock = Arc::new(SimClock::default());
    let mut camera = open(path, Pace::Fast(Arc::clone(&clock)), ReplayOptions::default()).ok()?;
    let mut rgb = vec![0; MAX_FRAME_BYTES];
    let (mut good, mut bad) = (0, 0);
    let mut last = Mono(0);
    loop {
        match camera.next(&mut rgb, Millis(0)) {
            Ok(meta) => {
                assert!(
                    meta.bytes() <= rgb.len() && meta.captured >= last && clock.now().mono == meta.captured
                );
                last = meta.captured;
                good += 1;
            }
            Err(CameraError::Garbage(_)) => bad += 1,
            Err(CameraError::Ended) => return Some((good, bad)),
            Err(e) => panic!("{e}"),
        }
        assert!(good + bad < 100_000, "no end");
    }
}

fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_recording_larger_than_the_memory_is_streamed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.mjpeg");
    let mut file = File::create(&path).unwrap();
    file.write_all(&jpeg(50)).unwrap();
    // A hole takes no disk and reads as zeros.
    file.seek(SeekFrom::Current(256 << 20)).unwrap();
    file.write_all(&jpeg(200)).unwrap();
    drop(file);
    let before = peak_kb();
    assert_eq!(count(&path), Some((2, 0)));
    assert!(peak_kb() - before < 64 << 10, "{} KiB more", peak_kb() - before);
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]

    #[test]
    fn no_file_breaks_the_player(
        head in prop_oneof![
            Just(&b"\xff\xd8\xff"[..]), Just(&b"RIFF\x10\0\0\0AVI LIST\x04\0\0\0hdrl"[..]),
            Just(&b"YUV4MPEG2 W4 H2 C420\nFRAME\n"[..]), Just(&b""[..]),
        ],
        picture: bool,
        tail in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("any");
        let mut bytes = head.to_vec();
        if picture {
            bytes.extend(jpeg(90));
        }
        bytes.extend(tail);
        fs::write(&path, bytes).unwrap();
        count(&path);
    }
}
