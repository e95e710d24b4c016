//! The core (domain, ports, access) compiled again without `std` and without `alloc`.
//!
//! Owns: nothing; the same source files as the product. Invariant: this crate compiles.
//! Left empty where a test harness is built of it: the unit tests need `std` and run in the product.
#![cfg(not(test))]
#![no_std]
#![allow(dead_code, reason = "only compiled, never called")]

#[path = "../../../src/access/mod.rs"]
pub mod access;
#[path = "../../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../../src/ports.rs"]
pub mod ports;
