//! The decision core: who may pass, what the door does, what is shown and what is logged. Pure.
//!
//! Owns: the walk-up attempt, the rules in their order, the door's state machine, the choice of screen.
//! Does not own: clocks, wires, disk, display (all of them are the caller's; time is an argument).
//! Invariants: no allocation, no clock, no IO; the relay goes on only together with one logged cause; any deny
//! wins, silence denies.
//!
//! `gate` is the way in and out; `attempt` makes looks a finding, `rules` says yes or no to it, `approach` follows what
//! takes more than a face, `door` moves the relay, `screens` picks the picture.
#![cfg_attr(not(test), no_std)]

pub mod config;
pub mod debounce;
pub mod door;
pub mod effects;
pub mod gate;
pub mod input;
pub mod outputs;
pub mod rules;

mod approach;
mod attempt;
mod attendance;
mod faults;
mod lockout;
mod passages;
mod presence;
mod screens;
mod timetable;

pub use config::{ConfigError, GateConfig, Settings, UntrustedClock};
pub use door::{DoorState, Operator, OverrideTime, OverrideTooLong};
pub use faults::Part;
pub use gate::Gate;
pub use input::Input;
pub use outputs::Output;
