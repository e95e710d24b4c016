//! The command line's words for accounts of the console.
//!
//! Owns: arguments and help. Does not own: the operations (`commands`).

use clap::{Subcommand, ValueEnum};

use crate::link::wire::Role;

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub enum AccountsCommand {
    /// Make an account and print the code of its first sign-in, once.
    Add {
        /// The name to sign in with: letters, digits and . _ @ -, up to 32.
        name: String,
        /// What the person does at this door.
        #[arg(long)]
        role: RoleName,
    },
    /// List the accounts.
    List,
    /// Forget password and second factor, end all sessions, and print a new code.
    Reset {
        /// As in the list.
        name: String,
    },
    /// End an account and its sessions at once.
    Remove {
        /// As in the list.
        name: String,
    },
}

/// What a person does at this door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum RoleName {
    /// Watches the door and opens it.
    Operator,
    /// Enrols people and keeps their profiles.
    Enroller,
    /// Keeps the attendance book.
    AttendanceClerk,
    /// Reads the journal and proves it.
    Auditor,
    /// Everything.
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Operator => Self::Operator,
            RoleName::Enroller => Self::Enroller,
            RoleName::AttendanceClerk => Self::AttendanceClerk,
            RoleName::Auditor => Self::Auditor,
            RoleName::Admin => Self::Admin,
        }
    }
}
