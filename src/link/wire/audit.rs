//! The audit log on the wire: who looked at what.
//!
//! Owns: the question and the answer as data. Does not own: keeping the log (`store`), what counts as a look (`app`).
//! Invariant: a line names people by id and holds nothing of what was seen.

use serde::{Deserialize, Serialize};

use super::moment::Moment;

/// Which lines, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditQuery {
    /// Only lines with lower numbers; the newest without it.
    pub before: Option<u64>,
    /// At most so many, 1 to 1,000.
    pub limit: u16,
    /// Only looks that may have shown that person.
    pub person: Option<String>,
    /// Only looks of that caller.
    pub who: Option<String>,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self { before: None, limit: 100, person: None, who: None }
    }
}

/// Lines of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditPage {
    /// Newest first.
    pub looks: Vec<AuditLine>,
    /// Ask on with `before` as this; `None` at the end of the log.
    pub before: Option<u64>,
}

/// One look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditLine {
    /// Its number, counted from 1.
    pub number: u64,
    /// When.
    pub time: Moment,
    /// Whether the door's clock was believed.
    pub trusted: bool,
    /// `board`, `account marta`, `key 0123456789ab`, `mqtt`.
    pub who: String,
    /// `profile`, `list`, `picture`, `export`, `names`, `camera`, `search`, `access`, `attendance`, `events`, `audit`.
    pub what: String,
    /// The person, or the lowest id of those who were shown.
    pub person: Option<String>,
    /// The highest id of those who were shown, where there were several.
    pub until: Option<String>,
    /// How many people were shown; `None` where the whole book was.
    pub people: Option<u32>,
    /// What else is known of it.
    pub detail: String,
}
