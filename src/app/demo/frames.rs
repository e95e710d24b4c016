//! `ostiary demo --frames N`: frames of rendered visitors as files, with where each face truly is; with `--film` whole
//! visits, for a camera that is fed with pictures.
//!
//! Owns: which visitors, which frames, the list of labels. Does not own: the renderer (`device/visitors`).
//! Invariants: the seed decides everything; half of the frames show people themselves, a quarter prints, a quarter phones.

use std::fmt::Write as _;
use std::fs;

use crate::app::cli::DemoArgs;
use crate::app::out::Out;
use crate::app::{Answer, AppError};
use crate::device::visitors::{self, Guest, HEIGHT, Medium, Stage, VISIT, WIDTH};
use crate::device::walkup::Show;
use crate::picture;

/// Frames of a visit that are kept: neighbours, for what changes from one to the next, while coming and standing.
const STEPS: [u64; 8] = [24, 25, 40, 41, 62, 63, 90, 91];
/// Frames of the empty hall before each filmed visit.
const EMPTY: usize = 30;
const QUALITY: u8 = 95;

/// Writes `count` frames as JPEG files and `labels.csv` beside them into `out/frames`.
pub(super) fn run(args: &DemoArgs, count: usize, out: &mut Out) -> Result<Answer, AppError> {
    let folder = args.out.join("frames");
    let failed = |path: &std::path::Path, e| AppError::File(path.display().to_string(), e);
    fs::create_dir_all(&folder).map_err(|e| failed(&folder, e))?;
    let mut labels = String::from(
        "file,kind,person,visit,step,left,top,right,bottom,\
         eye_left_x,eye_left_y,eye_right_x,eye_right_y,nose_x,nose_y,mouth_left_x,mouth_left_y,mouth_right_x,mouth_right_y,\
         yaw_radians\n",
    );
    let mut rgb = vec![0; WIDTH * HEIGHT * 3];
    let (mut written, mut visit) = (0, 0);
    let write = |name: &str, rgb: &[u8]| {
        let bytes = picture::encode_jpeg(WIDTH as u32, HEIGHT as u32, rgb, QUALITY)
            .map_err(|e| AppError::File(name.to_owned(), std::io::Error::other(e)))?;
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(|e| failed(&path, e))
    };
    let (empty, steps) = if args.film { (EMPTY, (0..VISIT).collect()) } else { (0, STEPS.to_vec()) };
    while written < count {
        // Every person comes twice themselves, once printed and once on a phone, each time to another hall.
        let number = args.seed.wrapping_mul(1_000_003).wrapping_add(visit);
        let person = if args.film {
            // Those who walk up in the demo: they look less alike than people drawn at random.
            Show::person(args.seed, visit / 4)
        } else {
            args.seed.wrapping_mul(1_000_003).wrapping_add(visit / 4)
        };
        let (kind, guest) = match visit % 4 {
            0 | 2 => ("live", Guest::living(person, number)),
            1 => ("print", Guest::attacking(person, number, Medium::Print)),
            _ => ("phone", Guest::attacking(person, number, Medium::Phone)),
        };
        let mut stage = Stage::new(number);
        for step in (0..).take(empty.min(count - written)) {
            stage.empty(step, &mut rgb);
            write(&format!("{visit:05}-empty-{step:03}.jpg"), &rgb)?;
            written += 1;
        }
        for &step in steps.iter().take(count - written) {
            let truth = stage.visit(&guest, step, &mut rgb);
            let name = format!("{visit:05}-{kind}-{step:03}.jpg");
            write(&name, &rgb)?;
            label(&mut labels, &name, kind, [person, visit, step], &truth);
            written += 1;
        }
        visit += 1;
    }
    let path = folder.join("labels.csv");
    fs::write(&path, labels).map_err(|e| failed(&path, e))?;
    out.line(format_args!(
        "{written} frames of {visit} visits, with labels.csv, are in {}",
        folder.display()
    ))?;
    Ok(Answer::Yes)
}

fn label(labels: &mut String, name: &str, kind: &str, numbers: [u64; 3], truth: &visitors::Truth) {
    let [person, visit, step] = numbers;
    // Writing to a string cannot fail.
    let _ = write!(labels, "{name},{kind},{person},{visit},{step}");
    for value in truth.face.iter().chain(truth.points.iter().flatten()) {
        let _ = write!(labels, ",{value:.2}");
    }
    let _ = writeln!(labels, ",{:.3}", truth.yaw);
}
