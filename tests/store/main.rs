//! The store through its public face, on real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;
mod gallery;
