//! Rules, exceptions, PINs, keys and attendance, as they are asked for.
//!
//! Owns: the commands and their parameters, and which scope each needs. Does not own: the rules file's shape and the
//! answers' (`app/rules`, `app/attendance`: both travel as JSON documents), handling.
//! Invariant: a PIN is redacted in `Debug` and never part of an answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::scope::Scope;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RulesCommand {
    /// The rules file. -> `Document`
    Get,
    /// Other rules: the file's text, TOML or JSON. -> `Done`
    Put(String),
    /// Whether the text is a sound rules file. -> `Done`
    Check(String),
    /// One named part of the rules, the others stay. -> `Done`
    PutPart {
        /// Which kind.
        part: RulesPart,
        /// Its name.
        name: String,
        /// Its content as JSON, in the form of the rules file; `None`: there is to be none.
        value: Option<String>,
    },
    /// Why and what if. -> `Document`
    Explain(ExplainQuery),
    /// What is set for one person. -> `Document`
    GetAccess(String),
    /// Set something for one person. -> `Document`
    PutAccess(AccessPut),
    /// Forget where one person, or everybody, went last. -> `Done`
    ForgetPassages(Option<String>),
    /// A key of the reader: `0` to `9`, `enter`, `clear`, `f1` to `f16`. -> `Done`
    Key(String),
    /// Whether another door of the interlock stands open; `None`: not known any more. -> `Done`
    Others(Option<bool>),
    /// The wall clock is right as it stands now, whatever it showed before. -> `Done`
    TrustClock,
    /// Punches and totals. -> `Document`
    Attendance(SheetQuery),
    /// Add what was missing or take back what was wrong. -> `Document`
    Correct(CorrectionPut),
}

/// The kinds of named parts that rules have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RulesPart {
    /// Times of the week.
    Schedule,
    /// A day that is not as others.
    Holiday,
    /// People.
    Group,
    /// Which doors, and when.
    Level,
}

impl RulesCommand {
    /// The scope a caller needs.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Get
            | Self::Put(_)
            | Self::Check(_)
            | Self::PutPart { .. }
            | Self::Explain(_)
            | Self::TrustClock => Scope::Admin,
            Self::Correct(_) => Scope::Attendance,
            Self::GetAccess(_) | Self::PutAccess(_) => Scope::Persons,
            Self::ForgetPassages(_) | Self::Key(_) | Self::Others(_) => Scope::Door,
            Self::Attendance(_) => Scope::Events,
        }
    }
}

/// Why, and what if.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExplainQuery {
    /// Who.
    pub person: String,
    /// Which door; this one without it.
    pub door: Option<u8>,
    /// When: an instant, or a local time; now without it.
    pub at: Option<String>,
    /// What if the person were in these groups; their own without it.
    pub groups: Option<Vec<String>>,
}

/// What is set for one person; what is not given stays as it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessPut {
    /// Who.
    pub person: String,
    /// On the block list.
    pub blocked: Option<bool>,
    /// No schedule and no holiday is asked.
    pub any_time: Option<bool>,
    /// Anti-passback is not asked.
    pub no_anti_passback: Option<bool>,
    /// Needs no second person.
    pub alone: Option<bool>,
    /// Gets the times of the accessible profile.
    pub accessible: Option<bool>,
    /// `face`, `face_pin`, `id_face`, `pin`; empty: what the door asks for.
    pub mode: Option<String>,
    /// The groups, all of them.
    pub groups: Option<Vec<String>>,
    /// 4 to 16 digits; empty: none any more, nor one for duress.
    pub pin: Option<String>,
    /// 4 to 16 digits; given together with `pin`.
    pub duress_pin: Option<String>,
}

impl fmt::Debug for AccessPut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessPut({}, <redacted>)", self.person)
    }
}

/// Which part of the attendance book, and in which form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SheetQuery {
    /// First day, `2026-11-21`, or a month, `2026-11`; today without it.
    pub from: Option<String>,
    /// Last day; that of `from`, or the end of its month, without it.
    pub until: Option<String>,
    /// Only of that person.
    pub person: Option<String>,
    /// `sheet` (punches and totals), `csv`, `json` or `erpnext`.
    pub form: String,
}

/// A correction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorrectionPut {
    /// Whose book.
    pub person: String,
    /// When the missing punch was: an instant or a local time.
    pub at: Option<String>,
    /// What it was: `check_in`, `check_out`, `break_out`, `break_in`, `ot_in`, `ot_out`.
    pub kind: Option<String>,
    /// Job code; 0: none.
    pub job: u16,
    /// The line that was wrong.
    pub takes_back: Option<u64>,
    /// Why; up to 256 bytes.
    pub why: String,
}
