//! Pictures of a folder to what one network of the pipeline sees of them.
//!
//! Owns: the choice of pictures, the walk through the pipeline up to that network, the scenes for detectors.
//! Does not own: any crop, scale or order of colours: the network itself keeps what it was given.
//! Invariants: the same folder gives the same samples; a picture without a face gives none to a network that looks at
//! faces.
//!
//! Detectors are calibrated on scenes, too: portraits alone hold no small faces, and a range that never saw one cuts
//! them off. Every second sample is therefore a picture with others strewn over it in a grid, small and large.

use std::path::PathBuf;

use indicatif::ProgressBar;

use crate::domain::{Mono, Rect};
use crate::picture::Picture;
use crate::vision::manifest::{ModelSpec, Role};
use crate::vision::{ModelSet, Purpose, SetSpec, Trusted, Vision, VisionConfig};

use super::super::AppError;
use super::super::evaluate::{Random, list_pictures, load_picture};
use super::super::wiring::{Models, WiringError};

/// Tiles from top to bottom of a scene, in turn.
const TILES: [u32; 5] = [2, 3, 5, 8, 12];
/// Columns and rows of a scene.
const SCENE: [u32; 2] = [640, 480];

/// The inputs of `model` for at most `wanted` pictures below `folders`, a fixed draw of all.
pub(super) fn collect(
    models: &Models,
    model: &ModelSpec,
    vision: &VisionConfig,
    folders: &[PathBuf],
    wanted: usize,
    bar: &ProgressBar,
) -> Result<Vec<Vec<u8>>, AppError> {
    let mut paths = Vec::new();
    for folder in folders {
        paths.extend(list_pictures(folder)?.into_iter().map(|name| folder.join(name)));
    }
    Random::new(1).shuffle(&mut paths);
    let set = set_with(models, model)?;
    let loaded = ModelSet::load(&models.manifest, &set, &models.folders).map_err(WiringError::from)?;
    let mut eye =
        Eye { vision: Vision::new(loaded, vision.clone()).map_err(WiringError::from)?, role: model.role };
    if let Some(network) = eye.vision.models_mut().network_mut(eye.role, 0) {
        network.watch();
    }
    let mut samples = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        if samples.len() >= wanted {
            break;
        }
        let picture = load_picture(path)?;
        samples.extend(eye.sees(&picture)?);
        if eye.role == Role::Detector && samples.len() < wanted {
            samples.extend(eye.sees(&scene(&picture, index, &paths)?)?);
        }
        bar.set_position(samples.len() as u64);
    }
    Ok(samples)
}

/// The configured set with this model in its place.
fn set_with(models: &Models, model: &ModelSpec) -> Result<SetSpec, AppError> {
    let mut set = models.manifest.set(&models.set).map_err(WiringError::from)?.clone();
    let name = model.name.clone();
    match model.role {
        Role::Detector => set.detector = name,
        Role::Landmarks => set.landmarks = Some(name),
        Role::Embedder => set.embedder = name,
        Role::Liveness => set.liveness = vec![name],
    }
    Ok(set)
}

struct Eye {
    vision: Vision,
    role: Role,
}

impl Eye {
    /// What the network was given of this picture's largest face, or of the whole picture.
    fn sees(&mut self, picture: &Picture) -> Result<Option<Vec<u8>>, AppError> {
        let frame = picture.as_frame(Mono(0)).map_err(super::picture_error)?;
        let failed = |e| AppError::from(WiringError::from(e));
        if self.role == Role::Detector {
            self.vision.detect(frame, 0.5).map_err(failed)?;
        } else {
            let examined = self.vision.examine(frame, Purpose::Probe).map_err(failed)?;
            let Some(face) = examined.subject else {
                self.take();
                return Ok(None);
            };
            match (self.role, &examined.aligned) {
                (Role::Embedder, Some(aligned)) => {
                    drop(self.vision.embed(&Trusted(aligned)).map_err(failed)?);
                }
                (Role::Liveness, _) => {
                    drop(self.vision.live_score(frame, &face).map_err(failed)?);
                }
                (Role::Detector | Role::Landmarks, _) | (Role::Embedder, None) => {}
            }
        }
        Ok(Some(self.take()).filter(|pixels| !pixels.is_empty()))
    }

    fn take(&mut self) -> Vec<u8> {
        let network = self.vision.models_mut().network_mut(self.role, 0);
        network.map(crate::engine::Network::take_watched).unwrap_or_default()
    }
}

/// A picture with others strewn over half of a grid.
fn scene(ground: &Picture, index: usize, paths: &[PathBuf]) -> Result<Picture, AppError> {
    let [width, height] = SCENE;
    let mut random = Random::new(index as u64 + 2);
    let mut rgb = vec![0; (width * height * 3) as usize];
    let whole = |w: u32, h: u32| Rect { x: 0.0, y: 0.0, w: w as f32, h: h as f32 };
    paste(&mut rgb, ground, whole(width, height));
    let tiles = TILES[index % TILES.len()];
    let side = height / tiles;
    for cell in 0..tiles * (width / side) {
        if random.below(2) == 0 {
            continue;
        }
        let other = load_picture(&paths[random.below(paths.len())])?;
        let (column, row) = (cell % (width / side), cell / (width / side));
        let at = Rect { x: (column * side) as f32, y: (row * side) as f32, ..whole(side, side) };
        paste(&mut rgb, &other, at);
    }
    Picture::new(width, height, rgb).map_err(super::picture_error)
}

/// Fills a part of a scene with a whole picture, each pixel the mean of those it covers.
fn paste(scene: &mut [u8], picture: &Picture, at: Rect) {
    let columns = SCENE[0] as usize;
    let (left, top, w, h) = (at.x as usize, at.y as usize, at.w as usize, at.h as usize);
    let (pw, ph) = (picture.width() as usize, picture.height() as usize);
    let span =
        |t: usize, of: usize, source: usize| (t * source / of)..((t + 1) * source).div_ceil(of).min(source);
    for y in 0..h {
        for x in 0..w {
            let mut sum = [0_u32; 3];
            let mut count = 0;
            for sy in span(y, h, ph) {
                for sx in span(x, w, pw) {
                    let pixel = &picture.rgb()[(sy * pw + sx) * 3..][..3];
                    sum.iter_mut().zip(pixel).for_each(|(s, v)| *s += u32::from(*v));
                    count += 1;
                }
            }
            let to = &mut scene[((top + y) * columns + left + x) * 3..][..3];
            to.iter_mut().zip(sum).for_each(|(to, s)| *to = (s / count.max(1)) as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_picture_keeps_its_colours_and_its_place() {
        let half: Vec<u8> =
            (0..20 * 10).flat_map(|i| if i % 20 < 10 { [200, 0, 0] } else { [0, 0, 100] }).collect();
        let picture = Picture::new(20, 10, half).unwrap();
        let mut rgb = vec![7; (SCENE[0] * SCENE[1] * 3) as usize];
        paste(&mut rgb, &picture, Rect { x: 100.0, y: 50.0, w: 40.0, h: 40.0 });
        let at = |x: usize, y: usize| &rgb[(y * SCENE[0] as usize + x) * 3..][..3];
        assert_eq!(at(101, 51), [200, 0, 0]);
        assert_eq!(at(139, 89), [0, 0, 100]);
        assert_eq!((at(99, 51), at(140, 60), at(120, 90)), (&[7; 3][..], &[7; 3][..], &[7; 3][..]));
    }
}
