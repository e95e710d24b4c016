//! The command line of rules and attendance.
//!
//! Owns: arguments and help. Does not own: what the commands do (`commands`).
//! Invariant: no argument holds a PIN.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with the rules of access.
#[derive(Debug, Subcommand)]
pub enum AccessCommand {
    /// Take a rules file (TOML or JSON): groups, levels, schedules, holidays, the door, the kiosk.
    ///
    /// It replaces all rules at once and holds from then on, also at a running door. See docs/rules.md.
    Import {
        /// The file; - for standard input.
        file: PathBuf,
    },
    /// Check a rules file without taking it.
    Check {
        /// The file; - for standard input.
        file: PathBuf,
    },
    /// Print the rules in force, in the form of the file.
    Export {
        /// The file, readable by its owner alone; standard output without it.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Say what every rule says of one person: why, and what if. Exit code 1 when the person is kept out.
    Explain {
        /// Who.
        #[arg(long, value_name = "ID")]
        person: String,
        /// Which door; this one without it.
        #[arg(long)]
        door: Option<u8>,
        /// When: 2026-11-21T08:00 (local), 2026-11-21 or 2026-11-21T08:00:00Z; now without it.
        #[arg(long, value_name = "WHEN")]
        at: Option<String>,
        /// What if the person were in this group; may be given several times.
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// Show or set what holds for one person alone.
    Person(AccessPersonArgs),
    /// Set or end a person's PIN. The digits are read from standard input, one PIN a line: the PIN, then, where one
    /// is wanted, the PIN for duress. An empty line ends both.
    Pin {
        /// Who.
        id: String,
    },
    /// Forget where a person, or everybody, went last (anti-passback).
    Forget {
        /// Who; everybody without it.
        id: Option<String>,
    },
}

/// Options of `access person`.
#[derive(Debug, Args)]
pub struct AccessPersonArgs {
    /// Who.
    pub id: String,
    /// The person's groups, all of them; may be given several times. An empty one ends every membership.
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Option<Vec<String>>,
    /// On the block list.
    #[arg(long, value_name = "BOOL")]
    pub blocked: Option<bool>,
    /// No schedule and no holiday is asked.
    #[arg(long, value_name = "BOOL")]
    pub any_time: Option<bool>,
    /// Anti-passback is not asked.
    #[arg(long, value_name = "BOOL")]
    pub no_anti_passback: Option<bool>,
    /// Needs no second person.
    #[arg(long, value_name = "BOOL")]
    pub alone: Option<bool>,
    /// Gets the times of the accessible profile.
    #[arg(long, value_name = "BOOL")]
    pub accessible: Option<bool>,
    /// `face`, `face_pin`, `id_face` or `pin`; empty: what the door asks for.
    #[arg(long)]
    pub mode: Option<String>,
}

/// What to do with the attendance book.
#[derive(Debug, Subcommand)]
pub enum AttendanceCommand {
    /// Who was here today, and for how long.
    Today {
        /// Only this person.
        #[arg(long, value_name = "ID")]
        person: Option<String>,
    },
    /// Days and totals of a month, or of some days.
    Month {
        /// As in 2026-11, or the first day as in 2026-11-21.
        month: String,
        /// The last day or month.
        #[arg(long, value_name = "DAY")]
        until: Option<String>,
        /// Only this person.
        #[arg(long, value_name = "ID")]
        person: Option<String>,
    },
    /// Add a punch that was missing, or take one back. Nothing is edited: a correction is a line of its own.
    Correct {
        /// Whose book.
        #[arg(long, value_name = "ID")]
        person: String,
        /// When the missing punch was, as in 2026-11-21T17:00.
        #[arg(long, value_name = "WHEN", requires = "kind")]
        at: Option<String>,
        /// What it was: `check_in`, `check_out`, `break_out`, `break_in`, `ot_in` or `ot_out`.
        #[arg(long, requires = "at")]
        kind: Option<String>,
        /// Its job code.
        #[arg(long, default_value_t = 0)]
        job: u16,
        /// The number of the line that was wrong.
        #[arg(long, value_name = "NUMBER")]
        take_back: Option<u64>,
        /// Why.
        #[arg(long)]
        why: String,
    },
    /// Write the lines of the book.
    Export {
        /// As in 2026-11 or 2026-11-21; today without it.
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// The last day or month.
        #[arg(long, value_name = "DAY")]
        until: Option<String>,
        /// Only this person.
        #[arg(long, value_name = "ID")]
        person: Option<String>,
        /// The form.
        #[arg(long, value_enum, default_value_t = BookForm::Csv)]
        form: BookForm,
        /// The file, readable by its owner alone; standard output without it.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// A form of the attendance book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BookForm {
    /// For spreadsheets, every line.
    Csv,
    /// For programs, every line.
    Json,
    /// Employee check-ins for `ERPNext`, what counts.
    Erpnext,
}
