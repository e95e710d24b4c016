//! The engine's kernels, and its bookkeeping of bytes, compiled again without the rest of the product.
//!
//! Owns: nothing; the same source files. A cross build of these few files and their property tests takes seconds,
//! where the whole product takes many minutes; `scripts/cross test` runs them on every kind of processor that the
//! boards have.
#![allow(dead_code, unused_imports, reason = "some of it only the rest of the product uses")]

/// Where the engine's crate has them.
#[path = "../../../src/engine/kernels/mod.rs"]
pub mod kernels;

/// Windows side by side, which the kernels multiply.
#[path = "../../../src/engine/gather.rs"]
pub mod gather;
/// Where tensors lie in the arena.
#[path = "../../../src/engine/plan.rs"]
pub mod plan;
