//! The store through its public face: on real files, on damaged ones, and on a disk that loses power.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod attendance;
mod busy;
mod common;
mod damage;
mod disk;
mod epochs;
mod erasure;
mod expiry;
mod gallery;
mod keys;
mod kill;
mod outbox;
mod power;
mod standing;
