//! An aligned face to a template.
//!
//! Owns: filling the network's input, the flip augmentation. Does not own: the proof that a face may be
//! embedded (`liveness`), comparing.
//! Invariant: what comes out has the model's length and a direction.

use super::VisionError;
use super::align::Template;
use super::liveness::Embeddable;
use super::manifest::{Family, Input, ModelSpec, Role};
use super::resample::plane_order;
use crate::domain::limits::MAX_EMBEDDING;
use crate::domain::{AlignedFace, Calibration, Embedding, ModelId};
use crate::engine::Network;

/// An embedder with all that belongs to it.
pub struct Embedder {
    network: Network,
    input: Input,
    template: Template,
    planes: Vec<f32>,
    length: usize,
    model: ModelId,
    calibration: Calibration,
    provisional: bool,
}

// Holds the last face that it looked at.
impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Embedder({:?}, <redacted>)", self.model)
    }
}

impl Embedder {
    /// `None` when the output is not one vector of the length the manifest says, or the model is no embedder.
    pub(super) fn new(network: Network, spec: &ModelSpec) -> Option<Self> {
        let Family::Embedding { template, length, calibration, provisional } = &spec.family else {
            return None;
        };
        let (input, length) = (spec.input, *length);
        let values: usize = network.output_shape(0).iter().product();
        let understood = (Embedding::MIN_LEN..=MAX_EMBEDDING).contains(&length);
        if network.output_count() != 1 || values != length || !understood {
            return None;
        }
        Some(Self {
            network,
            input,
            template: Template { points: *template, side: input.width },
            planes: vec![0.0; 3 * input.width * input.height],
            length,
            model: spec.sha256,
            calibration: calibration.clone(),
            provisional: *provisional,
        })
    }

    /// Where the five points belong.
    pub(super) const fn template(&self) -> &Template {
        &self.template
    }

    pub(super) const fn model_id(&self) -> ModelId {
        self.model
    }

    pub(super) const fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    pub(super) const fn is_provisional(&self) -> bool {
        self.provisional
    }

    /// The template of one face.
    pub(super) fn embed(&mut self, face: &impl Embeddable) -> Result<Embedding, VisionError> {
        self.fill(face.face(), false);
        let outputs = self
            .network
            .run(&self.planes)
            .map_err(|source| VisionError::Engine { role: Role::Embedder, source })?;
        Embedding::from_float(outputs.get(0)).map_err(VisionError::Embedding)
    }

    /// The template of one face and its mirror image together: the sum of both at unit length.
    pub(super) fn embed_flipped(&mut self, face: &impl Embeddable) -> Result<Embedding, VisionError> {
        let mut sum = [0.0_f32; MAX_EMBEDDING];
        let sum = &mut sum[..self.length];
        for mirrored in [false, true] {
            self.fill(face.face(), mirrored);
            let outputs = self
                .network
                .run(&self.planes)
                .map_err(|source| VisionError::Engine { role: Role::Embedder, source })?;
            let values = outputs.get(0);
            let length = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            sum.iter_mut().zip(values).for_each(|(s, v)| *s += v / length);
        }
        Embedding::from_float(sum).map_err(VisionError::Embedding)
    }

    /// A crop of another side (kept for an earlier model) is scaled to the input's.
    fn fill(&mut self, face: &AlignedFace, mirrored: bool) {
        let Input { width, height, colour, mean, scale } = self.input;
        let order = plane_order(colour);
        let plane = width * height;
        let (side, rgb) = (face.side(), face.rgb());
        let step = side as f32 / width as f32;
        for (at, (x, y)) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).enumerate() {
            let x = if mirrored { width - 1 - x } else { x };
            let colour = if side == width {
                core::array::from_fn(|c| f32::from(rgb[(y * side + x) * 3 + c]))
            } else {
                between(rgb, side, (x as f32 + 0.5) * step - 0.5, (y as f32 + 0.5) * step - 0.5)
            };
            for (value, to) in colour.iter().zip(order) {
                self.planes[to * plane + at] = (value - mean) * scale;
            }
        }
    }
}

/// The colour between four pixels of a square; beyond its edge that of the edge.
fn between(rgb: &[u8], side: usize, x: f32, y: f32) -> [f32; 3] {
    let most = side as f32 - 1.0;
    let (x, y) = (x.clamp(0.0, most), y.clamp(0.0, most));
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(side - 1), (y0 + 1).min(side - 1));
    core::array::from_fn(|c| {
        let pixel = |x: usize, y: usize| f32::from(rgb[(y * side + x) * 3 + c]);
        let upper = pixel(x0, y0) + x.fract() * (pixel(x1, y0) - pixel(x0, y0));
        let lower = pixel(x0, y1) + x.fract() * (pixel(x1, y1) - pixel(x0, y1));
        upper + y.fract() * (lower - upper)
    })
}
