//! An aligned face to a template.
//!
//! Owns: filling the network's input, the flip augmentation. Does not own: the proof that a face may be
//! embedded (`liveness`), comparing.
//! Invariant: what comes out has the model's length and a direction.

use super::VisionError;
use super::align::Template;
use super::liveness::Embeddable;
use super::manifest::{Colour, Family, Input, ModelSpec, Role};
use super::resample::{Crop, Cropper};
use ostiary_domain::limits::MAX_EMBEDDING;
use ostiary_domain::{AlignedFace, Calibration, Embedding, Frame, FrameMeta, ModelId, Mono};
use ostiary_engine::{Network, Outputs};

/// An embedder with all that belongs to it.
pub struct Embedder {
    network: Network,
    input: Input,
    template: Template,
    pixels: Vec<u8>,
    /// For crops of another side, kept for an earlier model.
    cropper: Cropper,
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
            pixels: vec![0; 3 * input.width * input.height],
            cropper: Cropper::new(input),
            length,
            model: spec.sha256,
            calibration: calibration.clone(),
            provisional: *provisional,
        })
    }

    /// For [`ModelSet::network_mut`](super::models::ModelSet::network_mut).
    pub(super) const fn network_mut(&mut self) -> &mut Network {
        &mut self.network
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
        let outputs = self.run(face.face(), false)?;
        Embedding::from_float(outputs.get(0)).map_err(VisionError::Embedding)
    }

    /// The template of one face and its mirror image together: the sum of both at unit length.
    pub(super) fn embed_flipped(&mut self, face: &impl Embeddable) -> Result<Embedding, VisionError> {
        let mut sum = [0.0_f32; MAX_EMBEDDING];
        let sum = &mut sum[..self.length];
        for mirrored in [false, true] {
            let outputs = self.run(face.face(), mirrored)?;
            let values = outputs.get(0);
            let length = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            sum.iter_mut().zip(values).for_each(|(s, v)| *s += v / length);
        }
        Embedding::from_float(sum).map_err(VisionError::Embedding)
    }

    fn run(&mut self, face: &AlignedFace, mirrored: bool) -> Result<Outputs<'_>, VisionError> {
        let pixels = prepared(face, self.input, mirrored, &mut self.cropper, &mut self.pixels);
        self.network.run(pixels).map_err(|source| VisionError::Engine { role: Role::Embedder, source })
    }
}

/// The face as the network takes it: as it is wherever that can be.
fn prepared<'a>(
    face: &'a AlignedFace,
    input: Input,
    mirrored: bool,
    cropper: &'a mut Cropper,
    scratch: &'a mut [u8],
) -> &'a [u8] {
    let side = face.side();
    let (width, rgb) = (input.width, input.colour == Colour::Rgb);
    let mut pixels = face.rgb();
    let mut ordered = rgb;
    let meta = FrameMeta { width: side as u32, height: side as u32, captured: Mono(0), seq: 0 };
    if let Some(whole) = Frame::new(face.rgb(), meta).ok().filter(|_| side != width || side != input.height) {
        pixels = cropper.fill(whole, Crop { x: 0, y: 0, width: side, height: side });
        ordered = true;
    }
    if ordered && !mirrored {
        return pixels;
    }
    let rows = pixels.chunks_exact(width * 3).zip(scratch.chunks_exact_mut(width * 3));
    for (from, to) in rows {
        let (from, to) = (from.as_chunks::<3>().0, to.as_chunks_mut::<3>().0);
        match (mirrored, ordered) {
            (false, _) => to.iter_mut().zip(from).for_each(|(to, [r, g, b])| *to = [*b, *g, *r]),
            (true, true) => to.iter_mut().rev().zip(from).for_each(|(to, from)| *to = *from),
            (true, false) => to.iter_mut().rev().zip(from).for_each(|(to, [r, g, b])| *to = [*b, *g, *r]),
        }
    }
    scratch
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A face whose pixels tell where they lie.
    fn face(side: usize) -> AlignedFace {
        let mut face = AlignedFace::black(side).unwrap();
        for (at, pixel) in face.rgb_mut().as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = [(at % side) as u8, (at / side) as u8, 200];
        }
        face
    }

    fn first_and_last(side: usize, input: Input, mirrored: bool) -> [[u8; 3]; 2] {
        let mut scratch = vec![0; input.width * input.height * 3];
        let face = face(side);
        let mut cropper = Cropper::new(input);
        let pixels = prepared(&face, input, mirrored, &mut cropper, &mut scratch);
        let row = pixels[..input.width * 3].as_chunks::<3>().0;
        [row[0], row[input.width - 1]]
    }

    #[test]
    fn a_face_is_turned_scaled_and_mirrored_as_the_network_wants_it() {
        let rgb = Input { width: 112, height: 112, colour: Colour::Rgb, mean: 0.0, scale: 1.0 };
        let bgr = Input { colour: Colour::Bgr, ..rgb };
        assert_eq!(first_and_last(112, rgb, false), [[0, 0, 200], [111, 0, 200]]);
        assert_eq!(first_and_last(112, rgb, true), [[111, 0, 200], [0, 0, 200]]);
        assert_eq!(first_and_last(112, bgr, false), [[200, 0, 0], [200, 0, 111]]);
        assert_eq!(first_and_last(112, bgr, true), [[200, 0, 111], [200, 0, 0]]);
        assert_eq!(first_and_last(128, rgb, false), [[0, 0, 200], [127, 0, 200]]);
        assert_eq!(first_and_last(128, bgr, true), [[200, 0, 127], [200, 0, 0]]);
    }
}
