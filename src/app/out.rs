//! What the command line prints: text for people, or one JSON document a line with `--json`.
//!
//! Owns: standard output. Does not own: messages about trouble (those are `tracing` on standard error, and the
//! final error in `main`). Invariant: a reader that closes the pipe ends the output quietly, never with a panic.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

/// Where results go.
pub struct Out {
    sink: Box<dyn Write + Send>,
    json: bool,
}

impl Out {
    /// Standard output.
    #[must_use]
    pub fn stdout(json: bool) -> Self {
        Self { sink: Box::new(io::stdout()), json }
    }

    /// Any writer, for tests and for the demo's log.
    #[must_use]
    pub fn to(sink: Box<dyn Write + Send>, json: bool) -> Self {
        Self { sink, json }
    }

    /// Whether results are wanted as JSON.
    #[must_use]
    pub const fn json(&self) -> bool {
        self.json
    }

    /// One line for people; nothing under `--json`.
    ///
    /// # Errors
    /// When the output cannot be written for another reason than a closed pipe.
    pub fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        if self.json { Ok(()) } else { quiet(writeln!(self.sink, "{text}")) }
    }

    /// The result: JSON under `--json`, otherwise as the value prints itself.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub fn result(&mut self, value: &(impl Serialize + fmt::Display)) -> io::Result<()> {
        if self.json { self.document(value) } else { quiet(writeln!(self.sink, "{value}")) }
    }

    /// One JSON document on a line of its own, whatever was asked for.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub fn document(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        quiet(writeln!(self.sink, "{text}"))
    }

    /// Bytes as they are: pages for a pager, scripts for a shell.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        quiet(self.sink.write_all(bytes).and_then(|()| self.sink.flush()))
    }
}

fn quiet(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
