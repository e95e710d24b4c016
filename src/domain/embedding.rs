//! The int8 template of a face and how two of them compare.
//!
//! Owns: the vector, its scale and the cosine. Does not own: the network that makes it, the search over many.
//! Invariants: a vector that exists has a direction (it is neither zero nor constant nor NaN), so it can be
//! compared with any other of its length; its values never reach a log.

use core::fmt;

use super::face::sqrt;
use super::limits::MAX_EMBEDDING;

/// Cosine similarity, -1 to 1; never NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Cosine(f32);

impl Cosine {
    /// Clamps into -1..1; NaN becomes -1, which matches nobody.
    #[must_use]
    pub fn new(value: f32) -> Self {
        Self(if value.is_nan() { -1.0 } else { value.clamp(-1.0, 1.0) })
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f32 {
        self.0
    }
}

/// A face as numbers: `value[i] * scale` is component i of the network's output, brought to length 1.
///
/// Symmetric int8 over the vector: scale = max |x| / 127. The cosine does not depend on the scale.
#[derive(Clone, PartialEq)]
pub struct Embedding {
    values: heapless::Vec<i8, MAX_EMBEDDING>,
    scale: f32,
    norm: f32,
}

impl Embedding {
    /// Shortest vector accepted.
    pub const MIN_LEN: usize = 16;

    /// Quantises the output of a network.
    ///
    /// # Errors
    /// When the length is outside 16..=512, or the vector holds NaN or infinity, or has no direction
    /// (zero, or all components equal: what a dead camera or a broken model gives).
    pub fn from_float(raw: &[f32]) -> Result<Self, EmbeddingError> {
        if raw.len() < Self::MIN_LEN || raw.len() > MAX_EMBEDDING {
            return Err(EmbeddingError::Length);
        }
        if raw.iter().any(|x| !x.is_finite()) {
            return Err(EmbeddingError::NotFinite);
        }
        let peak = raw.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
        // Scaled before squaring so that neither huge nor tiny outputs overflow or vanish.
        if peak < f32::MIN_POSITIVE {
            return Err(EmbeddingError::NoDirection);
        }
        let length = sqrt(raw.iter().map(|x| (x / peak) * (x / peak)).sum::<f32>());
        let mut values = heapless::Vec::new();
        for x in raw {
            let scaled = x / peak * 127.0;
            // Half away from zero; the sign of a half does not matter to a cosine.
            let rounded = if scaled >= 0.0 { scaled + 0.5 } else { scaled - 0.5 };
            // The capacity was checked above.
            let _ = values.push(rounded as i8);
        }
        Self::checked(values, 1.0 / (127.0 * length))
    }

    /// Takes stored values back.
    ///
    /// # Errors
    /// As [`Embedding::from_float`]: what is read from disk is outside data.
    pub fn from_stored(stored: &[i8], scale: f32) -> Result<Self, EmbeddingError> {
        if stored.len() < Self::MIN_LEN {
            return Err(EmbeddingError::Length);
        }
        if !scale.is_finite() || scale <= 0.0 {
            return Err(EmbeddingError::NotFinite);
        }
        let values = heapless::Vec::from_slice(stored).map_err(|_| EmbeddingError::Length)?;
        Self::checked(values, scale)
    }

    fn checked(values: heapless::Vec<i8, MAX_EMBEDDING>, scale: f32) -> Result<Self, EmbeddingError> {
        let first = values[0];
        if values.iter().all(|v| *v == first) {
            return Err(EmbeddingError::NoDirection);
        }
        let square: i32 = values.iter().map(|v| i32::from(*v) * i32::from(*v)).sum();
        Ok(Self { values, scale, norm: sqrt(square as f32) })
    }

    /// The int8 values.
    #[must_use]
    pub fn values(&self) -> &[i8] {
        &self.values
    }

    /// What one step of a value is worth.
    #[must_use]
    pub const fn scale(&self) -> f32 {
        self.scale
    }

    /// Euclidean length of the int8 values, greater than 0.
    #[must_use]
    pub const fn norm(&self) -> f32 {
        self.norm
    }

    /// Cosine with another template; vectors of different lengths match nobody (-1).
    #[must_use]
    pub fn cosine(&self, other: &Self) -> Cosine {
        if self.values.len() != other.values.len() {
            return Cosine::new(-1.0);
        }
        let dot: i32 =
            self.values.iter().zip(&other.values).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
        Cosine::new(dot as f32 / (self.norm * other.norm))
    }
}

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedding({} values, <redacted>)", self.values.len())
    }
}

/// Why numbers are no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingError {
    /// Shorter than 16 or longer than 512 values.
    Length,
    /// NaN, infinity, or a scale that is not positive.
    NotFinite,
    /// Zero or constant: it points nowhere.
    NoDirection,
}

impl fmt::Display for EmbeddingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a template has 16 to 512 values",
            Self::NotFinite => "the template holds numbers that are not finite",
            Self::NoDirection => "the template is zero or constant and cannot be compared",
        })
    }
}

impl core::error::Error for EmbeddingError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_of_int8_is_close_to_cosine_of_float() {
        let a: [f32; 64] = core::array::from_fn(|i| ((i * 37 % 64) as f32 - 31.0) * 0.013);
        let b: [f32; 64] = core::array::from_fn(|i| ((i * 11 % 64) as f32 - 30.0) * 2.7);
        let dot: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
        let (na, nb) = (a.iter().map(|x| x * x).sum::<f32>(), b.iter().map(|x| x * x).sum::<f32>());
        let exact = dot / (na.sqrt() * nb.sqrt());
        let (qa, qb) = (Embedding::from_float(&a).unwrap(), Embedding::from_float(&b).unwrap());
        assert!((qa.cosine(&qb).get() - exact).abs() < 0.01);
        assert!((qa.cosine(&qa).get() - 1.0).abs() < 1e-5);
    }

    #[test]
    fn what_has_no_direction_is_no_template() {
        assert_eq!(Embedding::from_float(&[0.0; 128]), Err(EmbeddingError::NoDirection));
        assert_eq!(Embedding::from_float(&[0.25; 128]), Err(EmbeddingError::NoDirection));
        let mut nan = [0.5_f32; 128];
        nan[3] = f32::NAN;
        assert_eq!(Embedding::from_float(&nan), Err(EmbeddingError::NotFinite));
        assert_eq!(Embedding::from_float(&[1.0; 8]), Err(EmbeddingError::Length));
        assert_eq!(Embedding::from_stored(&[7; 128], 0.1), Err(EmbeddingError::NoDirection));
    }

    #[test]
    fn huge_and_tiny_outputs_keep_their_direction() {
        let base: [f32; 32] = core::array::from_fn(|i| i as f32 - 15.5);
        let huge = base.map(|x| x * 1e36);
        let tiny = base.map(|x| x * 1e-36);
        let (h, t) = (Embedding::from_float(&huge).unwrap(), Embedding::from_float(&tiny).unwrap());
        assert!(h.cosine(&t).get() > 0.999);
    }
}
