//! How many faces the detector finds and how many it invents: average precision by face size.
//!
//! Owns: reading the ground truth, matching boxes, AP. Does not own: the detector.
//! Invariants: a face is found at most once; a box counts as found at an overlap (`IoU`) of at least 0.5; faces outside
//! the sizes asked for are ignored, as WIDER FACE and COCO do: a box on one of them is neither right nor wrong, and a
//! box on nothing counts as wrong only when it is itself of the sizes asked for.

use std::path::Path;

use serde::Serialize;

use crate::domain::Rect;

use super::EvaluateError;
use super::stats::{Estimate, bootstrap};

const MIN_IOU: f32 = 0.5;
const REPLICATES: usize = 300;

/// Heights of a face in pixels of the picture as given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sizes {
    /// At least.
    pub from: f32,
    /// Less than; 0 means without end.
    pub to: f32,
}

impl Sizes {
    /// The classes of the report.
    pub const ALL: [Self; 4] = [
        Self { from: 0.0, to: 0.0 },
        Self { from: 80.0, to: 0.0 },
        Self { from: 32.0, to: 80.0 },
        Self { from: 0.0, to: 32.0 },
    ];

    /// Faces of these sizes.
    pub(super) fn count(self, truths: &[Truth]) -> u64 {
        truths.iter().flat_map(|t| &t.faces).filter(|face| self.hold(face)).count() as u64
    }

    fn hold(self, face: &Rect) -> bool {
        face.h >= self.from && (self.to <= 0.0 || face.h < self.to)
    }
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.from > 0.0, self.to > 0.0) {
            (false, false) => f.write_str("all"),
            (true, false) => write!(f, "{} px and more", self.from),
            (false, true) => write!(f, "under {} px", self.to),
            (true, true) => write!(f, "{} to {} px", self.from, self.to),
        }
    }
}

/// A picture and its faces.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Truth {
    pub(super) picture: String,
    pub(super) faces: Vec<Rect>,
}

/// A box that the detector reports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) bbox: Rect,
    pub(super) score: f32,
}

/// One detector, one class of sizes.
#[derive(Clone, Debug, Serialize)]
pub struct DetectionRow {
    /// The model's name in the manifest.
    pub detector: String,
    /// Its input in pixels.
    pub input: [usize; 2],
    /// Which faces.
    pub sizes: Sizes,
    /// Pictures.
    pub pictures: u64,
    /// Faces of these sizes.
    pub faces: u64,
    /// Area under the precision-recall curve, all points; interval over pictures.
    pub ap: Estimate,
    /// Faces found at the product's threshold.
    pub recall: f64,
    /// Boxes at the product's threshold that are faces.
    pub precision: f64,
}

/// Reads `# file width height`, then a line a face: `x1 y1 x2 y2` in pixels.
pub(super) fn read(path: &Path) -> Result<Vec<Truth>, EvaluateError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| EvaluateError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|(line, what)| EvaluateError::Truth { path: path.to_owned(), line, what })
}

fn parse(text: &str) -> Result<Vec<Truth>, (usize, &'static str)> {
    let mut all: Vec<Truth> = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if let Some(head) = line.strip_prefix('#') {
            let fields: Vec<_> = head.split_whitespace().collect();
            let [file, w, h] = fields[..] else {
                return Err((number + 1, "a picture's line is: # file width height"));
            };
            if w.parse::<u32>().is_err() || h.parse::<u32>().is_err() || file.contains("..") {
                return Err((number + 1, "a picture's line is: # file width height"));
            }
            all.push(Truth { picture: file.to_owned(), faces: Vec::new() });
            continue;
        }
        let numbers: Result<Vec<f32>, _> = line.split_whitespace().map(str::parse).collect();
        match (numbers.as_deref(), all.last_mut()) {
            (Ok([x1, y1, x2, y2]), Some(truth)) if x2 > x1 && y2 > y1 => {
                truth.faces.push(Rect { x: *x1, y: *y1, w: x2 - x1, h: y2 - y1 });
            }
            (_, None) => return Err((number + 1, "a face comes before the first picture")),
            (_, Some(_)) => {
                return Err((number + 1, "a face's line is: x1 y1 x2 y2, the second corner beyond"));
            }
        }
    }
    Ok(all)
}

/// A box that counts, in one picture.
#[derive(Clone, Copy)]
struct Verdict {
    score: f32,
    right: bool,
}

/// AP, and recall and precision at `threshold`, of the faces of `sizes`; with the curve (recall, precision).
pub(super) fn evaluate(
    truths: &[Truth],
    found: &[Vec<Found>],
    sizes: Sizes,
    threshold: f32,
) -> (Estimate, [f64; 2], Vec<(f64, f64)>) {
    let judged = judged(truths, found, sizes);
    let curve = judged.curve(&|_| 1.0);
    let (low, high) =
        bootstrap(truths.len(), REPLICATES, 61, |drawn| judged.ap(&|picture| f64::from(drawn[picture])));
    let value = area(&curve);
    let used: Vec<_> = judged.order.iter().filter(|(v, _)| v.score >= threshold).collect();
    let right = used.iter().filter(|(v, _)| v.right).count() as f64;
    let faces: usize = judged.faces.iter().sum();
    let at = [right / faces.max(1) as f64, if used.is_empty() { 1.0 } else { right / used.len() as f64 }];
    (Estimate { value, low: low.min(value), high: high.max(value) }, at, curve)
}

/// Every box that counts, best first, and what there was to find.
pub(super) struct Judged {
    /// With its picture.
    order: Vec<(Verdict, usize)>,
    /// In each picture.
    faces: Vec<usize>,
}

/// Judges all boxes for the faces of `sizes`.
pub(super) fn judged(truths: &[Truth], found: &[Vec<Found>], sizes: Sizes) -> Judged {
    let faces = truths.iter().map(|t| t.faces.iter().filter(|f| sizes.hold(f)).count()).collect();
    let all = truths.iter().zip(found).enumerate();
    let mut order: Vec<(Verdict, usize)> = all
        .flat_map(|(picture, (truth, found))| {
            judge(truth, found, sizes).into_iter().map(move |v| (v, picture))
        })
        .collect();
    order.sort_by(|a, b| b.0.score.total_cmp(&a.0.score));
    Judged { order, faces }
}

impl Judged {
    /// Average precision with each picture counted as often as `drawn` says.
    pub(super) fn ap(&self, drawn: &dyn Fn(usize) -> f64) -> f64 {
        area(&self.curve(drawn))
    }

    /// Recall and precision from strict to lenient.
    fn curve(&self, drawn: &dyn Fn(usize) -> f64) -> Vec<(f64, f64)> {
        let faces: f64 = self.faces.iter().enumerate().map(|(p, n)| drawn(p) * *n as f64).sum();
        let (mut right, mut all) = (0.0, 0.0);
        let mut curve = Vec::with_capacity(self.order.len());
        for (verdict, picture) in &self.order {
            all += drawn(*picture);
            right += if verdict.right { drawn(*picture) } else { 0.0 };
            if all > 0.0 && faces > 0.0 {
                curve.push((right / faces, right / all));
            }
        }
        curve
    }
}

/// Goes through the boxes of a picture, best first, and gives each the nearest face that is still free.
fn judge(truth: &Truth, found: &[Found], sizes: Sizes) -> Vec<Verdict> {
    let mut boxes = found.to_vec();
    boxes.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut taken = vec![false; truth.faces.len()];
    let mut verdicts = Vec::new();
    for Found { bbox, score } in boxes {
        let nearest = |wanted: bool, taken: &[bool]| {
            (0..truth.faces.len())
                .filter(|f| sizes.hold(&truth.faces[*f]) == wanted && !(wanted && taken[*f]))
                .map(|f| (f, bbox.iou(&truth.faces[f])))
                .filter(|(_, iou)| *iou >= MIN_IOU)
                .max_by(|a, b| a.1.total_cmp(&b.1))
        };
        if let Some((face, _)) = nearest(true, &taken) {
            taken[face] = true;
            verdicts.push(Verdict { score, right: true });
        } else if nearest(false, &taken).is_none() && sizes.hold(&bbox) {
            verdicts.push(Verdict { score, right: false });
        }
    }
    verdicts
}

/// Area under the curve after each precision was raised to the best one at any higher recall (PASCAL VOC since 2010).
fn area(curve: &[(f64, f64)]) -> f64 {
    let (mut best, mut area, mut right_edge) = (0.0_f64, 0.0, curve.last().map_or(0.0, |p| p.0));
    for (recall, precision) in curve.iter().rev() {
        area += (right_edge - recall) * best;
        best = best.max(*precision);
        right_edge = *recall;
    }
    area + right_edge * best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, h: f32) -> Rect {
        Rect { x, y: 0.0, w: h, h }
    }

    fn truth(faces: &[Rect]) -> Truth {
        Truth { picture: String::new(), faces: faces.to_vec() }
    }

    fn found(x: f32, h: f32, score: f32) -> Found {
        Found { bbox: face(x, h), score }
    }

    const ALL: Sizes = Sizes::ALL[0];
    const LARGE: Sizes = Sizes::ALL[1];

    #[test]
    fn average_precision_of_a_worked_example() {
        // Right, wrong, right of two faces: precision 1 up to recall 1/2, then 2/3: AP = 1/2 + 1/3.
        let truths = [truth(&[face(0.0, 100.0), face(500.0, 100.0)])];
        let boxes = [vec![found(0.0, 100.0, 0.9), found(250.0, 100.0, 0.8), found(500.0, 100.0, 0.7)]];
        let (ap, [recall, precision], _) = evaluate(&truths, &boxes, ALL, 0.75);
        assert!((ap.value - 5.0 / 6.0).abs() < 1e-9, "{ap}");
        assert!((recall - 0.5).abs() < 1e-9 && (precision - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_second_box_on_a_face_is_wrong_and_a_near_miss_too() {
        let truths = [truth(&[face(0.0, 100.0)])];
        let (ap, ..) = evaluate(&truths, &[vec![found(0.0, 100.0, 0.9), found(2.0, 100.0, 0.8)]], ALL, 0.5);
        assert!((ap.value - 1.0).abs() < 1e-9, "what comes after full recall costs nothing");
        let (ap, [_, precision], _) = evaluate(&truths, &[vec![found(60.0, 100.0, 0.9)]], ALL, 0.5);
        assert!(ap.value < 1e-9 && precision < 1e-9);
    }

    #[test]
    fn faces_of_other_sizes_are_ignored() {
        let truths = [truth(&[face(0.0, 100.0), face(300.0, 20.0)])];
        let boxes = [vec![
            found(300.0, 20.0, 0.95), // on an ignored face
            found(600.0, 20.0, 0.93), // on nothing, but of another size
            found(0.0, 100.0, 0.90),
        ]];
        let (ap, [recall, precision], _) = evaluate(&truths, &boxes, LARGE, 0.5);
        assert!((ap.value - 1.0).abs() < 1e-9 && (recall - 1.0).abs() < 1e-9);
        assert!((precision - 1.0).abs() < 1e-9);
        let wrong = [vec![found(600.0, 90.0, 0.93), found(0.0, 100.0, 0.90)]];
        let (ap, ..) = evaluate(&truths, &wrong, LARGE, 0.5);
        assert!((ap.value - 0.5).abs() < 1e-9, "a large box on nothing counts");
    }

    #[test]
    fn nothing_to_find_and_nothing_found() {
        let (ap, _, curve) = evaluate(&[truth(&[])], &[vec![found(0.0, 90.0, 0.9)]], ALL, 0.5);
        assert!(ap.value <= 0.0 && curve.is_empty());
        let (ap, [recall, _], _) = evaluate(&[truth(&[face(0.0, 90.0)])], &[vec![]], ALL, 0.5);
        assert!(ap.value <= 0.0 && recall <= 0.0);
    }

    #[test]
    fn ground_truth_is_read_and_mistakes_are_named() {
        let good = parse("# a.jpg 640 480\n1 2 11 22\n\n# b.jpg 640 480\n").unwrap();
        assert_eq!(good.len(), 2);
        assert_eq!(good[0].faces, [Rect { x: 1.0, y: 2.0, w: 10.0, h: 20.0 }]);
        for (text, line) in [
            ("1 2 3 4\n", 1),
            ("# a.jpg\n", 1),
            ("# ../a.jpg 1 1\n", 1),
            ("# a.jpg 6 4\n1 2 3\n", 2),
            ("# a.jpg 6 4\n1 2 1 4\n", 2),
            ("# a.jpg 6 4\n1 2 x 4\n", 2),
        ] {
            assert_eq!(parse(text).unwrap_err().0, line, "{text:?}");
        }
    }
}
