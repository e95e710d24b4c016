//! Faces in a frame: YuNet's outputs to boxes and points.
//!
//! Owns: letterboxing, decoding, suppression of doubles, the mean over cells that agree. Does not own: which face
//! matters.
//! Invariants: detections are finite, sorted by score, and no two overlap more than the limit; the lists are
//! as long as they can become before the first frame.

use super::VisionError;
use super::manifest::{Input, Role};
use super::resample::{Letterbox, Letterboxer};
use ostiary_domain::{Detection, Frame, Landmarks, Point, Rect};
use ostiary_engine::{Network, Outputs};

const STRIDES: [usize; 3] = [8, 16, 32];

/// Cells that overlap a face's best one by this much (`IoU`) and score this part of it see the same face as well as
/// it does: which of them wins is chance, and the points of the winner alone jump by pixels from frame to frame.
const AGREE_IOU: f32 = 0.5;
const AGREE_SCORE: f32 = 0.9;

/// A detector of the YuNet family (Wu, Peng, Yu: `YuNet`, Machine Intelligence Research 2023).
#[derive(Debug)]
pub struct Detector {
    network: Network,
    letterboxer: Letterboxer,
    input: Input,
    heads: [Head; 3],
    candidates: Vec<Detection>,
    kept: Vec<Detection>,
}

/// Where the outputs of one stride are.
#[derive(Clone, Copy, Debug)]
struct Head {
    stride: usize,
    cls: usize,
    obj: usize,
    bbox: usize,
    kps: usize,
}

impl Detector {
    /// Checks the outputs; `None` when they are not YuNet's.
    pub(super) fn new(network: Network, input: Input) -> Option<Self> {
        let heads = STRIDES.map(|stride| {
            let cells = (input.width / stride) * (input.height / stride);
            let output = |name: &str, values: usize| {
                let index = network.output_index(&format!("{name}_{stride}"))?;
                (network.output_shape(index) == [1, cells, values]).then_some(index)
            };
            Some(Head {
                stride,
                cls: output("cls", 1)?,
                obj: output("obj", 1)?,
                bbox: output("bbox", 4)?,
                kps: output("kps", 10)?,
            })
        });
        let [Some(a), Some(b), Some(c)] = heads else { return None };
        let cells = STRIDES.iter().map(|s| (input.width / s) * (input.height / s)).sum();
        Some(Self {
            network,
            letterboxer: Letterboxer::new(input),
            input,
            heads: [a, b, c],
            candidates: Vec::with_capacity(cells),
            kept: Vec::with_capacity(cells),
        })
    }

    /// For [`ModelSet::network_mut`](super::models::ModelSet::network_mut).
    pub(super) const fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }

    /// Every face of at least `min_score`, best first, in pixels of the frame.
    pub(super) fn detect(
        &mut self,
        frame: Frame<'_>,
        min_score: f32,
        nms_iou: f32,
    ) -> Result<&[Detection], VisionError> {
        let (pixels, layout) = self.letterboxer.fill(frame);
        let outputs = self
            .network
            .run(pixels)
            .map_err(|source| VisionError::Engine { role: Role::Detector, source })?;
        self.candidates.clear();
        for head in &self.heads {
            decode(&outputs, *head, self.input, layout, min_score, &mut self.candidates);
        }
        suppress(&mut self.candidates, nms_iou, &mut self.kept);
        for face in &mut self.kept {
            *face = agreed(face, &self.candidates);
        }
        Ok(&self.kept)
    }
}

/// Adds the cells of one stride whose score is high enough.
fn decode(
    outputs: &Outputs,
    head: Head,
    input: Input,
    layout: Letterbox,
    min_score: f32,
    found: &mut Vec<Detection>,
) {
    let (cls, obj) = (outputs.get(head.cls), outputs.get(head.obj));
    let (boxes, points) = (outputs.get(head.bbox), outputs.get(head.kps));
    let columns = input.width / head.stride;
    let unit = head.stride as f32 / layout.scale;
    let cells = cls.iter().zip(obj).zip(boxes.chunks_exact(4)).zip(points.chunks_exact(10));
    for (cell, (((cls, obj), b), k)) in cells.enumerate() {
        let score = (cls.clamp(0.0, 1.0) * obj.clamp(0.0, 1.0)).sqrt();
        if score.is_nan() || score < min_score {
            continue;
        }
        let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
        let (w, h) = (b[2].exp() * unit, b[3].exp() * unit);
        let bbox = Rect { x: (column + b[0]) * unit - w / 2.0, y: (row + b[1]) * unit - h / 2.0, w, h };
        let point = |i: usize| Point { x: (column + k[2 * i]) * unit, y: (row + k[2 * i + 1]) * unit };
        let landmarks = Landmarks(core::array::from_fn(point));
        let finite = [bbox.x, bbox.y, bbox.w, bbox.h].iter().all(|v| v.is_finite())
            && landmarks.0.iter().all(|p| p.x.is_finite() && p.y.is_finite());
        if finite && found.len() < found.capacity() {
            found.push(Detection { bbox, landmarks, score });
        }
    }
}

/// Keeps the best of what overlaps: greedy non-maximum suppression.
fn suppress(candidates: &mut [Detection], nms_iou: f32, kept: &mut Vec<Detection>) {
    candidates.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
    kept.clear();
    for candidate in candidates.iter() {
        if kept.iter().all(|k| k.bbox.iou(&candidate.bbox) <= nms_iou) {
            kept.push(*candidate);
        }
    }
}

/// The mean box and points of all cells that see the face as well as its best one, weighted by their scores.
fn agreed(best: &Detection, candidates: &[Detection]) -> Detection {
    let mut weight = 0.0;
    let mut bbox = Rect::default();
    let mut points = [Point::default(); 5];
    let agree = |c: &&Detection| c.score >= best.score * AGREE_SCORE && c.bbox.iou(&best.bbox) >= AGREE_IOU;
    for c in candidates.iter().filter(agree) {
        weight += c.score;
        for (sum, value) in [&mut bbox.x, &mut bbox.y, &mut bbox.w, &mut bbox.h]
            .into_iter()
            .zip([c.bbox.x, c.bbox.y, c.bbox.w, c.bbox.h])
        {
            *sum += c.score * value;
        }
        for (sum, point) in points.iter_mut().zip(c.landmarks.0) {
            sum.x += c.score * point.x;
            sum.y += c.score * point.y;
        }
    }
    if weight <= 0.0 {
        return *best;
    }
    let bbox = Rect { x: bbox.x / weight, y: bbox.y / weight, w: bbox.w / weight, h: bbox.h / weight };
    let landmarks = Landmarks(points.map(|p| Point { x: p.x / weight, y: p.y / weight }));
    Detection { bbox, landmarks, score: best.score }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_overlapping_boxes_the_best_is_kept() {
        let face = |x: f32, score: f32| Detection {
            bbox: Rect { x, y: 0.0, w: 10.0, h: 10.0 },
            score,
            ..Detection::default()
        };
        let mut candidates = vec![face(0.0, 0.7), face(1.0, 0.9), face(30.0, 0.8)];
        let mut kept = Vec::new();
        suppress(&mut candidates, 0.3, &mut kept);
        assert_eq!(kept, [face(1.0, 0.9), face(30.0, 0.8)]);
    }

    #[test]
    fn cells_that_agree_are_averaged_and_others_are_not() {
        let face = |x: f32, score: f32| Detection {
            bbox: Rect { x, y: 0.0, w: 10.0, h: 10.0 },
            landmarks: Landmarks([Point { x, y: 5.0 }; 5]),
            score,
        };
        let candidates = [face(0.0, 0.9), face(2.0, 0.9), face(1.0, 0.5), face(8.0, 0.9)];
        let mean = agreed(&candidates[0], &candidates);
        assert!((mean.bbox.x - 1.0).abs() < 1e-5 && (mean.landmarks.0[3].x - 1.0).abs() < 1e-5);
        assert!((mean.bbox.w - 10.0).abs() < 1e-5 && (mean.score - 0.9).abs() < 1e-6);
    }
}
