//! What a manager of many doors asks to find what differs, without moving everybody.
//!
//! Owns: the questions. Does not own: what a digest covers (`app/commands/gallery`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Digests of people, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DigestQuery {
    /// Behind this id.
    pub after: Option<String>,
    /// At most so many, 0 to 1,000; 0: the digest of all alone.
    pub limit: u16,
}

impl Default for DigestQuery {
    fn default() -> Self {
        Self { after: None, limit: 100 }
    }
}

/// What a manager believes this door holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncQuery {
    /// Digest by id, up to 2,000.
    pub people: BTreeMap<String, String>,
    /// Only ids behind this one are compared.
    #[serde(default)]
    pub after: Option<String>,
    /// Only ids up to this one.
    #[serde(default)]
    pub upto: Option<String>,
}
