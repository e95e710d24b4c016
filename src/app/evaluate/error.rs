//! Why nothing could be measured.
//!
//! Owns: the errors and their texts. Does not own: any measurement.

use std::path::PathBuf;

use crate::domain::calibration::CalibrationError;
use crate::matching::OpenSetError;
use crate::picture::PictureError;
use crate::vision::{ManifestError, ModelError, VisionError};

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// No data was named.
    #[error("say what to measure: --pairs CSV --images DIR, --detection DIR, or --pad DIR; see --help")]
    NothingAsked,
    /// The data named holds nothing of use.
    #[error("there are no {0} in the data given")]
    Nothing(&'static str),
    /// A file or folder.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A picture that a pair names.
    #[error("the pairs name {}, which is not there; check --images", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// A picture that cannot be decoded.
    #[error("{}: {source}", path.display())]
    Picture {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: PictureError,
    },
    /// The list of pairs.
    #[error("{}, line {line}: {what}", path.display())]
    Pairs {
        /// Which.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The marked faces.
    #[error("{}, line {line}: {what}", path.display())]
    Truth {
        /// Which.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A plot.
    #[error("the plot {} cannot be written: {what}", path.display())]
    Plot {
        /// Which.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The models.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A network.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// The gallery.
    #[error(transparent)]
    Gallery(#[from] crate::matching::GalleryError),
    /// The thresholds.
    #[error(transparent)]
    OpenSet(#[from] OpenSetError),
    /// The score calibration.
    #[error("the scores cannot be calibrated on so few people: {0}")]
    Calibration(#[from] CalibrationError),
    /// Standard output.
    #[error("the result cannot be written: {0}")]
    Output(#[from] std::io::Error),
}
