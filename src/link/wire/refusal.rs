//! Why something was not done, in one form for every transport.
//!
//! Owns: the codes and the texts beside them. Does not own: HTTP's numbers, exit codes (each transport maps codes).
//! Invariant: a refusal holds no score, no name, no secret; another person's id only where the caller may see people.

use serde::{Deserialize, Serialize};

/// What kind of no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No valid key or token.
    Unauthenticated,
    /// The key or token lacks the scope.
    Forbidden,
    /// Too many bytes or pixels.
    TooLarge,
    /// Neither JPEG nor PNG, or not the media type that is read here.
    UnsupportedMedia,
    /// The body cannot be read at all.
    Malformed,
    /// A parameter is missing.
    MissingParameter,
    /// A parameter is there and cannot be used.
    InvalidParameter,
    /// There is nothing of that id.
    NotFound,
    /// The same face, or the same id, is there already.
    Duplicate,
    /// It cannot be done now, as things stand.
    Conflict,
    /// The face in the picture is not good enough; `reasons` says why.
    FaceQuality,
    /// The picture does not show a living person.
    LivenessFailed,
    /// Too many requests; `retry_after_s` says how long to wait.
    Limited,
    /// The door has too much to do; try again in a moment.
    Busy,
    /// No door runs here, or a part of it is missing.
    Unavailable,
    /// The gallery or the journal.
    Storage,
    /// A model.
    Models,
    /// A fault of the program.
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 18] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::TooLarge,
        Self::UnsupportedMedia,
        Self::Malformed,
        Self::MissingParameter,
        Self::InvalidParameter,
        Self::NotFound,
        Self::Duplicate,
        Self::Conflict,
        Self::FaceQuality,
        Self::LivenessFailed,
        Self::Limited,
        Self::Busy,
        Self::Unavailable,
        Self::Storage,
        Self::Models,
        Self::Internal,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
            Self::UnsupportedMedia => "unsupported_media",
            Self::Malformed => "malformed",
            Self::MissingParameter => "missing_parameter",
            Self::InvalidParameter => "invalid_parameter",
            Self::NotFound => "not_found",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::FaceQuality => "face_quality",
            Self::LivenessFailed => "liveness_failed",
            Self::Limited => "limited",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Storage => "storage",
            Self::Models => "models",
            Self::Internal => "internal",
        }
    }
}

/// A no with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, utoipa::ToSchema)]
#[error("{message}")]
pub struct Refusal {
    /// What kind.
    pub code: Code,
    /// What, and what to do.
    pub message: String,
    /// The parameter that is wrong or missing.
    pub parameter: Option<String>,
    /// Why a face was refused, by the names of the quality reasons (SPEC 1).
    pub reasons: Vec<String>,
    /// Who has that face already, where the caller may know.
    pub person: Option<String>,
    /// Seconds to wait before the next try.
    pub retry_after_s: Option<u32>,
}

impl Refusal {
    /// A refusal of that kind.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            parameter: None,
            reasons: Vec::new(),
            person: None,
            retry_after_s: None,
        }
    }

    /// A parameter that is there and cannot be used.
    #[must_use]
    pub fn invalid(parameter: &str, message: impl Into<String>) -> Self {
        Self { parameter: Some(parameter.to_owned()), ..Self::new(Code::InvalidParameter, message) }
    }

    /// A parameter that is missing, in the words of the cloud APIs.
    #[must_use]
    pub fn missing(parameter: &str) -> Self {
        Self {
            parameter: Some(parameter.to_owned()),
            ..Self::new(Code::MissingParameter, format!("\"{parameter}\" is required"))
        }
    }

    /// Nothing of that id.
    #[must_use]
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no {what} {id:?}"))
    }

    /// Too much at once.
    #[must_use]
    pub fn busy(message: impl Into<String>) -> Self {
        Self { retry_after_s: Some(1), ..Self::new(Code::Busy, message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde_and_distinct() {
        for (i, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
            assert!(Code::ALL[..i].iter().all(|c| c.name() != code.name()));
        }
    }
}
