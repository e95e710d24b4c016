//! A picture on its way in: bytes, base64 in JSON.
//!
//! Owns: the text form and its bounds. Does not own: decoding to pixels (`picture`), what is seen.
//! Invariants: nothing is allocated for a text that could not hold a permitted picture; a URL is never fetched;
//! pixels never reach a log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use ostiary_picture::{self as picture, Limits};

use super::refusal::{Code, Refusal};

/// Bytes of the largest picture taken (SPEC 3).
pub const MAX_PHOTO_BYTES: usize = 5_000_000;

/// A JPEG or PNG file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Photo {
    /// For answers: the file's name, the part's name; may be empty.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Photo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Photo({} bytes, <redacted>)", self.bytes.len())
    }
}

/// Why a text is no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhotoError {
    /// More than 5 MB.
    #[error("the image has more than 5 MB; save it smaller")]
    TooLarge,
    /// Not JPEG, not PNG.
    #[error("only JPEG and PNG images are supported")]
    NotAPicture,
    /// Not base64.
    #[error("the image is not base64")]
    NotBase64,
    /// An address in the place of a picture.
    #[error("send the image itself; addresses are never fetched")]
    Address,
    /// A data URL where raw base64 is wanted.
    #[error("send raw base64 without a \"data:\" prefix")]
    DataUrl,
    /// Nothing.
    #[error("the image is empty")]
    Empty,
}

impl PhotoError {
    /// The refusal for this parameter.
    #[must_use]
    pub fn refusal(self, parameter: &str) -> Refusal {
        let code = match self {
            Self::TooLarge => Code::TooLarge,
            Self::NotAPicture => Code::UnsupportedMedia,
            Self::NotBase64 | Self::Address | Self::DataUrl | Self::Empty => Code::InvalidParameter,
        };
        Refusal { parameter: Some(parameter.to_owned()), ..Refusal::new(code, self.to_string()) }
    }
}

impl Photo {
    /// A file with its name.
    #[must_use]
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes }
    }

    /// Takes bytes that are, by size and first bytes, a picture.
    ///
    /// # Errors
    /// See [`PhotoError`].
    pub fn checked(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, PhotoError> {
        if bytes.is_empty() {
            return Err(PhotoError::Empty);
        }
        if bytes.len() > MAX_PHOTO_BYTES {
            return Err(PhotoError::TooLarge);
        }
        picture::format(&bytes).ok_or(PhotoError::NotAPicture)?;
        Ok(Self::new(name, bytes))
    }

    /// Reads base64; `data_url` says whether a `data:image/...;base64,` prefix is passed over.
    ///
    /// # Errors
    /// See [`PhotoError`].
    pub fn from_base64(name: impl Into<String>, text: &str, data_url: bool) -> Result<Self, PhotoError> {
        let text = text.trim_ascii();
        let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
        if lower.starts_with("http:") || lower.starts_with("https:") || lower.starts_with("file:") {
            return Err(PhotoError::Address);
        }
        let body = if lower.starts_with("data:") {
            if !data_url {
                return Err(PhotoError::DataUrl);
            }
            let head = text.find(',').filter(|at| *at <= 64).ok_or(PhotoError::NotBase64)?;
            if !text[..head].to_ascii_lowercase().ends_with(";base64") {
                return Err(PhotoError::NotBase64);
            }
            &text[head + 1..]
        } else {
            text
        };
        if body.len() / 4 * 3 > MAX_PHOTO_BYTES + 2 {
            return Err(PhotoError::TooLarge);
        }
        let bytes = STANDARD.decode(body).map_err(|_| PhotoError::NotBase64)?;
        Self::checked(name, bytes)
    }

    /// The pixels, within the limits of an upload and in a frame's size.
    ///
    /// # Errors
    /// A refusal that names this picture.
    pub fn picture(&self) -> Result<picture::Picture, Refusal> {
        picture::decode(&self.bytes, Limits::default()).and_then(picture::Picture::fit_frame).map_err(|e| {
            let code = match &e {
                picture::PictureError::TooManyBytes { .. } | picture::PictureError::TooManyPixels { .. } => {
                    Code::TooLarge
                }
                picture::PictureError::UnknownFormat => Code::UnsupportedMedia,
                picture::PictureError::Empty
                | picture::PictureError::Truncated
                | picture::PictureError::Damaged(_)
                | picture::PictureError::Size { .. }
                | picture::PictureError::Buffer { .. }
                | picture::PictureError::Encode(_) => Code::InvalidParameter,
            };
            Refusal { parameter: Some("image".into()), ..Refusal::new(code, self.says(&e)) }
        })
    }

    /// A text about this picture.
    #[must_use]
    pub fn says(&self, text: &dyn std::fmt::Display) -> String {
        if self.name.is_empty() { text.to_string() } else { format!("{}: {text}", self.name) }
    }
}

impl Serialize for Photo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(&self.bytes))
        } else {
            (&self.name, Run(&self.bytes)).serialize(serializer)
        }
    }
}

struct Run<'a>(&'a [u8]);

impl Serialize for Run<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct Owned(Vec<u8>);

impl<'de> Deserialize<'de> for Owned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Owned;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Owned, E> {
                Ok(Owned(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

impl<'de> Deserialize<'de> for Photo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
            return Self::from_base64("", &text, true).map_err(de::Error::custom);
        }
        let (name, bytes) = <(String, Owned)>::deserialize(deserializer)?;
        Ok(Self { name, bytes: bytes.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

    #[test]
    fn base64_is_read_within_its_bounds_and_addresses_never() {
        let coded = STANDARD.encode(PNG);
        assert_eq!(Photo::from_base64("", &coded, false).unwrap().bytes, PNG);
        let data = format!("data:image/png;base64,{coded}");
        assert_eq!(Photo::from_base64("", &data, true).unwrap().bytes, PNG);
        let refused = |text: &str, prefix| Photo::from_base64("", text, prefix).unwrap_err();
        assert_eq!(refused(&data, false), PhotoError::DataUrl);
        assert_eq!(refused("https://x/y.jpg", true), PhotoError::Address);
        assert_eq!(refused("FILE:///etc/passwd", true), PhotoError::Address);
        assert_eq!(refused("%%%", true), PhotoError::NotBase64);
        assert_eq!(refused("", true), PhotoError::Empty);
        assert_eq!(refused("data:image/png,abcd", true), PhotoError::NotBase64);
        assert_eq!(refused(&STANDARD.encode("<svg/>"), true), PhotoError::NotAPicture);
        assert_eq!(refused(&"A".repeat(6_700_000), true), PhotoError::TooLarge);
        let mut just = PNG.to_vec();
        just.resize(MAX_PHOTO_BYTES, 0);
        assert!(Photo::from_base64("", &STANDARD.encode(&just), true).is_ok());
        just.push(0);
        assert_eq!(refused(&STANDARD.encode(&just), true), PhotoError::TooLarge);
    }

    #[test]
    fn both_forms_come_back() {
        let photo = Photo::new("a.png", PNG.to_vec());
        let bytes = postcard::to_allocvec(&photo).unwrap();
        assert_eq!(postcard::from_bytes::<Photo>(&bytes).unwrap(), photo);
        let text = serde_json::to_string(&photo).unwrap();
        assert_eq!(serde_json::from_str::<Photo>(&text).unwrap().bytes, PNG);
        assert!(!format!("{photo:?}").contains("a.png"));
    }
}
