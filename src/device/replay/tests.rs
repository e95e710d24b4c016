//! The pace, the order, repeating, and damage, on real files.

use super::*;
use ostiary_picture::{encode_jpeg, write_png};

use super::super::clock_os::OsClock;

const SIDE: u32 = 16;

fn jpeg(level: u8) -> Vec<u8> {
    encode_jpeg(SIDE, SIDE, &[level; (SIDE * SIDE * 3) as usize], 90).unwrap()
}

/// Plays at full speed and gives (seq, ms, first byte / 10) of each frame and `None` for garbage.
fn play(path: &Path, repeat: bool, limit: usize) -> Vec<Option<(u64, u64, u8)>> {
    let clock = Arc::new(SimClock::default());
    let options = ReplayOptions { fps: 10, repeat };
    let mut camera = open(path, Pace::Fast(Arc::clone(&clock)), options).unwrap();
    let mut rgb = vec![0; ostiary_domain::limits::MAX_FRAME_BYTES];
    let mut seen = Vec::new();
    while seen.len() < limit {
        match camera.next(&mut rgb, Millis(0)) {
            Ok(meta) => {
                assert_eq!(clock.now().mono, meta.captured);
                seen.push(Some((meta.seq, meta.captured.0, (rgb[0] + 5) / 10)));
            }
            Err(CameraError::Garbage(_)) => seen.push(None),
            Err(CameraError::Ended) => break,
            Err(e @ (CameraError::Stalled | CameraError::Gone(_) | CameraError::Refused(_))) => panic!("{e}"),
        }
    }
    seen
}

#[test]
fn a_folder_plays_in_order_on_its_own_clock_and_damage_costs_one_frame() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f10.jpg"), jpeg(120)).unwrap();
    std::fs::write(dir.path().join("f9.JPEG"), jpeg(90)).unwrap();
    std::fs::write(dir.path().join("f9b.jpg"), &jpeg(90)[..60]).unwrap();
    std::fs::write(dir.path().join("notes.txt"), "no picture").unwrap();
    let mut png = Vec::new();
    write_png(&mut png, SIDE, SIDE, &[200; (SIDE * SIDE * 3) as usize]).unwrap();
    std::fs::write(dir.path().join("g.png"), png).unwrap();
    let once = [Some((0, 0, 9)), None, Some((2, 200, 12)), Some((3, 300, 20))];
    assert_eq!(play(dir.path(), false, 99), once);
    let twice = play(dir.path(), true, 6);
    assert_eq!(twice[4..], [Some((4, 400, 9)), None]);
}

#[test]
fn mjpeg_avi_and_y4m_files_are_told_by_their_first_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut stream = jpeg(50);
    let whole = jpeg(60);
    stream.extend(&whole[..whole.len() - 5]);
    stream.extend(jpeg(70));
    let mjpeg = write("a", &stream);
    assert_eq!(play(&mjpeg, false, 9), [Some((0, 0, 5)), None, Some((2, 200, 7))]);
    let avi = write("b", &avi::tests::file(*b"MJPG", &[jpeg(50), vec![], vec![1, 2, 3], jpeg(80)]));
    assert_eq!(play(&avi, false, 9), [Some((0, 0, 5)), None, Some((3, 120, 8))]);
    let y4m = write("c", &y4m::tests::file(&[40, 80]));
    assert_eq!(play(&y4m, false, 9), [Some((0, 0, 4)), Some((1, 100, 8))]);
    let open_error = |path: &Path| {
        let opened = open(path, Pace::Fast(Arc::new(SimClock::default())), ReplayOptions::default());
        opened.map(|_| ()).unwrap_err()
    };
    assert!(matches!(open_error(&write("d", b"hello")), ReplayError::UnknownFormat(_)));
    assert!(matches!(open_error(&write("e", b"")), ReplayError::UnknownFormat(_)));
    assert!(matches!(open_error(Path::new("/nowhere/at/all")), ReplayError::Io(..)));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(open_error(empty.path()), ReplayError::Empty(_)));
}

#[test]
fn a_recording_of_garbage_alone_is_not_repeated_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.jpg"), [0xff, 0xd8, 0xff, 0, 1]).unwrap();
    assert_eq!(play(dir.path(), true, 50), [None]);
}

#[test]
fn at_recorded_pace_late_frames_are_passed_over_and_early_ones_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.y4m");
    // 10 frames a second for 3 s.
    std::fs::write(&path, y4m::tests::file(&(0..30).map(|i| i * 8).collect::<Vec<u8>>())).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(OsClock::new());
    let mut camera = open(&path, Pace::Recorded(Arc::clone(&clock)), ReplayOptions::default()).unwrap();
    let mut rgb = [0; 64];
    let first = camera.next(&mut rgb, Millis(50)).unwrap();
    assert_eq!(camera.next(&mut rgb, Millis(1)), Err(CameraError::Stalled));
    let second = camera.next(&mut rgb, Millis(500)).unwrap();
    assert_eq!((first.seq, second.seq, second.captured.since(first.captured)), (0, 1, Millis(100)));
    assert!(clock.now().mono >= second.captured);
    pause(Millis(450));
    let late = camera.next(&mut rgb, Millis(500)).unwrap();
    assert!((5..10).contains(&late.seq), "{late:?}");
    assert_eq!(u64::from(rgb[0]), late.seq * 8);
    assert_eq!(late.captured, first.captured.after(Millis(late.seq * 100)));
}

proptest::proptest! {
    #[test]
    fn the_newest_due_frame_is_due(frames in 1_u32..100_000, seconds in 1_u32..1_001, span in 0_u64..10_000_000) {
        if let Some(rate) = Rate::checked(frames, seconds) {
            let newest = rate.index_at(Millis(span));
            assert!(rate.time_of(newest) <= Millis(span));
            assert!(rate.time_of(newest + 1) > Millis(span));
        }
    }
}
