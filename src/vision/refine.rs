//! A second opinion on where the five points lie: landmarks-regression-retail-0009 over a square crop.
//!
//! Owns: the crop and the reading of its outputs. Does not own: the detector's points, which stand when this
//! network gives nothing sound.
//! Invariant: refined points are finite and lie within the crop.

use super::VisionError;
use super::manifest::{Input, Role};
use super::resample::{Crop, Cropper};
use ostiary_domain::{Detection, Frame, Landmarks, Point};
use ostiary_engine::Network;

/// A network that gives ten numbers: x and y of five points in fractions of the crop.
#[derive(Debug)]
pub struct Refiner {
    network: Network,
    cropper: Cropper,
    crop: f32,
    shift: f32,
}

impl Refiner {
    /// `None` when the output is not ten values.
    pub(super) fn new(network: Network, input: Input, crop: f32, shift: f32) -> Option<Self> {
        let values: usize = network.output_shape(0).iter().product();
        if network.output_count() != 1 || values != 10 {
            return None;
        }
        Some(Self { network, cropper: Cropper::new(input), crop, shift })
    }

    /// For [`ModelSet::network_mut`](super::models::ModelSet::network_mut).
    pub(super) const fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The points of this face; the detector's own where the network's make no sense.
    pub(super) fn refine(&mut self, frame: Frame<'_>, face: &Detection) -> Result<Landmarks, VisionError> {
        let side = face.bbox.w.max(face.bbox.h) * self.crop;
        let centre = face.bbox.centre();
        let x = (centre.x - side / 2.0).round();
        let y = (centre.y + self.shift * face.bbox.h - side / 2.0).round();
        let side = side.round();
        let (width, height) = (frame.width() as f32, frame.height() as f32);
        // A crop cut by the frame's edge would be squeezed; there the detector's points stand.
        if x < 0.0 || y < 0.0 || side < 16.0 || x + side > width || y + side > height {
            return Ok(face.landmarks);
        }
        let crop = Crop { x: x as usize, y: y as usize, width: side as usize, height: side as usize };
        let outputs = self
            .network
            .run(self.cropper.fill(frame, crop))
            .map_err(|source| VisionError::Engine { role: Role::Landmarks, source })?;
        let values = outputs.get(0);
        if values.len() != 10 || !values.iter().all(|v| (0.0..=1.0).contains(v)) {
            return Ok(face.landmarks);
        }
        let point = |i: usize| Point { x: x + values[2 * i] * side, y: y + values[2 * i + 1] * side };
        Ok(Landmarks(core::array::from_fn(point)))
    }
}
